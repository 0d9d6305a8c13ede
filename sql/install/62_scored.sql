-- The view of live scores: what is stored where that is right, else the events.

CREATE FUNCTION lead_scoring.same_facts(
    a lead_scoring.engagement, b lead_scoring.engagement) RETURNS boolean
    AS 'MODULE_PATHNAME', 'ls_sql_same_facts'
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.same_facts(lead_scoring.engagement, lead_scoring.engagement) IS
    'Are two states the same but for the moment at which they were made? NULL where one is NULL.';

CREATE FUNCTION lead_scoring.sources_stamp(model text) RETURNS bigint
    AS 'MODULE_PATHNAME', 'ls_sql_sources_stamp'
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.sources_stamp(text) IS
    'Fingerprint of the model''s event sources. NULL for a NULL name.';

CREATE FUNCTION lead_scoring.same_sources(model text, sources bigint) RETURNS boolean
    AS 'MODULE_PATHNAME', 'ls_sql_same_sources'
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.same_sources(text, bigint) IS
    'True where the model''s event sources have this fingerprint; else it raises: activate() must be called. NULL for a NULL argument.';

CREATE FUNCTION lead_scoring.contact_since(contact record, model text) RETURNS timestamptz
    AS 'MODULE_PATHNAME', 'ls_sql_contact_since'
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.contact_since(record, text) IS
    'When the contact came to be, from the model''s created_column, for silence rules. NULL where that is not known.';

CREATE FUNCTION lead_scoring.live_state(
    state lead_scoring.engagement, stamp bigint, model text, sources bigint,
    contact_id anyelement
) RETURNS lead_scoring.engagement
    AS 'MODULE_PATHNAME', 'ls_sql_live_state'
    -- RESTRICTED: looks at what this transaction has not yet applied.
    LANGUAGE c STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION
    lead_scoring.live_state(lead_scoring.engagement, bigint, text, bigint, anyelement) IS
    'The stored state, where it says all that the events say as of lead_scoring.as_of(). NULL: the events must be read.';

-- state_sql(model, id, moment, since): the state of the contact with that id from its
-- events since then and up to the moment; all three are SQL expressions.
CREATE FUNCTION lead_scoring.state_sql(model text, id text, moment text, since text) RETURNS text
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    name text := replace(quote_literal(model), '%', '%%');
    -- Not one for both: of rows that are all there the planner makes columns.
    calls text[] := ARRAY[format('engagement_agg(event.*, %s, %%1$L, %s)', name, moment),
                          format('engagement_agg_since(event.*, %s, %%1$L, %s, %s)', name, moment, since)];
    states text[];
BEGIN
    SELECT array_agg((SELECT string_agg(
               format('SELECT lead_scoring.' || call || ' AS state FROM %2$s AS event WHERE event.%3$I = %4$s',
                      s.name, s.relation, s.contact_id, id),
               E'\n            UNION ALL ' ORDER BY s.name)
             FROM lead_scoring.event_source AS s WHERE s.model = state_sql.model) ORDER BY place)
      INTO states
      FROM unnest(calls) WITH ORDINALITY AS c (call, place);
    IF states[1] IS NULL THEN
        RETURN format('lead_scoring.engagement_empty(%L)', model);
    END IF;
    RETURN format('coalesce(CASE WHEN %s IS NULL'
                  ' THEN (SELECT lead_scoring.rollup(one.state) FROM (%s) AS one)'
                  ' ELSE (SELECT lead_scoring.rollup(one.state) FROM (%s) AS one) END, lead_scoring.engagement_empty(%L))',
                  since, states[1], states[2], model);
END
$$;
COMMENT ON FUNCTION lead_scoring.state_sql(text, text, text, text) IS
    'The SQL of a contact''s state from its events. NULL for a NULL argument.';

CREATE FUNCTION lead_scoring.live_behaviour_sql(model text) RETURNS text
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    m lead_scoring.model;
BEGIN
    SELECT * INTO STRICT m FROM lead_scoring.model AS r WHERE r.name = model;
    IF NOT EXISTS (SELECT FROM lead_scoring.event_source AS s WHERE s.model = m.name)
       AND NOT EXISTS (SELECT FROM lead_scoring.engagement_rule AS r WHERE r.model = m.name) THEN
        RETURN format($sql$
    SELECT 0::float8 AS engagement, 0::float8 AS intent, NULL::timestamptz AS last_activity
    WHERE lead_scoring.same_sources(%L, %s)$sql$, model, lead_scoring.sources_stamp(model));
    END IF;
    RETURN format($sql$
    SELECT lead_scoring.engagement_score(now.state, lead_scoring.as_of(), now.since) AS engagement,
        lead_scoring.intent_score(now.state, lead_scoring.as_of(), now.since) AS intent,
        lead_scoring.last_activity(now.state) AS last_activity
    FROM (
        SELECT CASE WHEN live.fit IS NULL THEN NULL
                    WHEN stored.state IS NOT NULL THEN stored.state
                    ELSE %1$s END AS state,
            lead_scoring.contact_since(contact.*, %2$L) AS since
        FROM (
            SELECT CASE WHEN NOT EXISTS (SELECT FROM %3$s AS q WHERE q.contact_id IS NULL)
                         AND NOT EXISTS (SELECT FROM %3$s AS q WHERE q.contact_id = contact.%4$I)
                        THEN lead_scoring.live_state(score.engagement_state, score.stamp, %2$L, %5$s, contact.%4$I)
                        END AS state
            OFFSET 0
        ) AS stored
        OFFSET 0
    ) AS now$sql$,
        lead_scoring.state_sql(model, format('contact.%I', m.contact_id), 'lead_scoring.as_of()',
                               'by_hand.reset_at'),
        model, format('%I.%I', m.objects_schema, model || '_queue'), m.contact_id,
        lead_scoring.sources_stamp(model));
END
$$;
COMMENT ON FUNCTION lead_scoring.live_behaviour_sql(text) IS
    'The part of <model>_scored that gives engagement, intent and last activity. NULL for a NULL name.';

CREATE FUNCTION lead_scoring.scored_view_sql(model text) RETURNS text
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    m lead_scoring.model;
BEGIN
    SELECT * INTO STRICT m FROM lead_scoring.model AS r WHERE r.name = model;
    RETURN format($sql$
CREATE OR REPLACE VIEW %1$s WITH (security_invoker = true) AS
SELECT contact.%2$I AS contact_id,
    live.fit,
    did.engagement,
    did.intent,
    lead_scoring.total_score(live.fit, did.engagement, did.intent, %3$L, by_hand.points) AS total,
    lead_scoring.band(lead_scoring.total_score(live.fit, did.engagement, did.intent, %3$L, by_hand.points), %3$L) AS band,
    lead_scoring.grade(live.fit, did.engagement, %3$L) AS grade,
    score.stage,
    score.stage_since,
    did.last_activity,
    CASE WHEN live.fit IS NULL
         THEN 'not scored: ' || CASE WHEN score.problem IS NULL
                                       OR score.stamp <> lead_scoring.model_stamp(%3$L)
                                     THEN lead_scoring.fit_problem(contact.*, %3$L)
                                     ELSE score.problem END
         ELSE lead_scoring.reasons(contact.*, %3$L) END AS reasons,
    score.scored_at
FROM %4$s AS contact
LEFT JOIN %5$s AS score ON score.contact_id = contact.%2$I
CROSS JOIN LATERAL (%8$s
) AS by_hand
CROSS JOIN LATERAL (
    SELECT CASE WHEN score.problem IS NULL
                  OR score.stamp <> lead_scoring.model_stamp(%3$L)
                THEN lead_scoring.try_fit_score(contact.*, %3$L) END AS fit
    OFFSET 0
) AS live
CROSS JOIN LATERAL (%7$s
) AS did
WHERE contact.%2$I IS NOT NULL
  AND NOT by_hand.is_excluded
  AND CASE WHEN score.problem IS NULL
             OR score.stamp <> lead_scoring.model_stamp(%3$L)
           THEN lead_scoring.try_in_population(contact.*, %3$L) ELSE true END;
COMMENT ON VIEW %1$s IS %6$L;
COMMENT ON COLUMN %1$s.contact_id IS 'Key of the contact.';
COMMENT ON COLUMN %1$s.fit IS 'Fit score, in points, as of lead_scoring.as_of(). NULL: cannot be computed, see reasons.';
COMMENT ON COLUMN %1$s.engagement IS 'Engagement score, in points, as of lead_scoring.as_of(). NULL: cannot be computed, see reasons.';
COMMENT ON COLUMN %1$s.intent IS 'Intent score, in points, as of lead_scoring.as_of(). NULL: cannot be computed, see reasons.';
COMMENT ON COLUMN %1$s.total IS 'Total, in points. NULL: cannot be computed, see reasons.';
COMMENT ON COLUMN %1$s.band IS 'Label of the total, such as hot. NULL: none.';
COMMENT ON COLUMN %1$s.grade IS 'Fit letter and engagement digit, such as A1. NULL: none.';
COMMENT ON COLUMN %1$s.stage IS 'Lifecycle stage. NULL: none yet.';
COMMENT ON COLUMN %1$s.stage_since IS 'When the stage was entered. NULL: no stage yet.';
COMMENT ON COLUMN %1$s.last_activity IS 'Latest activity. NULL: none yet.';
COMMENT ON COLUMN %1$s.reasons IS 'The strongest rules that match, with their points.';
COMMENT ON COLUMN %1$s.scored_at IS 'When the stored score was last brought up to date. NULL: not yet.';
$sql$, format('%I.%I', m.objects_schema, model || '_scored'), m.contact_id, model,
        lead_scoring.contacts_of(model), format('%I.%I', m.objects_schema, model || '_score'),
        'Live scores of the contacts of model ' || model || ', one row a contact.',
        lead_scoring.live_behaviour_sql(model),
        lead_scoring.by_hand_sql(model, format('contact.%I', m.contact_id), 'lead_scoring.as_of()'));
END
$$;
COMMENT ON FUNCTION lead_scoring.scored_view_sql(text) IS
    'The SQL of view <model>_scored. NULL for a NULL name.';
