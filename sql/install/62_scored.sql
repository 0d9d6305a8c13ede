-- The view of live scores: what is stored where that is right, else the contact and
-- its events.

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

-- What is stored is right only where triggers see every change.
CREATE FUNCTION lead_scoring.is_watched(model text) RETURNS boolean
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT bool_and(c.relkind IN ('r', 'p'))
      FROM (SELECT lead_scoring.contacts_of(is_watched.model)
            UNION ALL
            SELECT to_regclass(s.relation)
              FROM lead_scoring.event_source AS s
             WHERE s.model = is_watched.model
            UNION ALL
            SELECT to_regclass(l.relation)
              FROM lead_scoring.lookup AS l
             WHERE l.model = is_watched.model) AS r (relid)
      LEFT JOIN pg_class AS c ON c.oid = r.relid;
END;
COMMENT ON FUNCTION lead_scoring.is_watched(text) IS
    'Are the model''s contacts, events and lookups all tables, so that triggers see what changes? NULL for a NULL name.';

-- live_source_sql(model): FROM and WHERE of <model>_scored. What many columns are made of
-- must be computed once a row, and cost nothing where it is not needed: a subquery below
-- an outer join, with a function that is not strict, is evaluated where the score table is
-- scanned; one with OFFSET, in a node of its own. That is for models that need the row of
-- every contact: to carry it along costs more than all the rest.
CREATE FUNCTION lead_scoring.live_source_sql(model text) RETURNS text
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    m lead_scoring.model;
    call text := format('lead_scoring.live_now(%L, %s, ', model, lead_scoring.sources_stamp(model));
    stored text := ', s.fit, s.band, s.grade, s.engagement_state, s.since, s.scored_at, s.due_at, s.stamp, s.problem';
    -- Not s.*: whoever adds a column of his own may drop it again.
    kept text := 's.contact_id, s.fit, s.engagement, s.intent, s.total, s.band, s.grade, s.stage, s.stage_since, s.enrolled_at, s.since, s.engagement_state, s.last_activity, s.scored_at, s.due_at, s.stamp, s.problem';
    is_watched boolean := lead_scoring.is_watched(model);
BEGIN
    SELECT * INTO STRICT m FROM lead_scoring.model AS r WHERE r.name = model;
    IF is_watched AND NOT lead_scoring.uses_as_of(model) THEN
        RETURN format($sql$
FROM %1$s AS contact
LEFT JOIN (
    SELECT %7$s, %2$ss.contact_id, NULL%3$s) AS now FROM %4$I.%5$I AS s
) AS score ON score.contact_id = contact.%6$I
WHERE CASE WHEN score.contact_id IS NULL THEN (%2$scontact.%6$I)).shown IS TRUE
           ELSE (score.now).shown IS NOT FALSE END;$sql$,
            lead_scoring.contacts_of(model), call, stored,
            lead_scoring.objects_schema(model), model || '_score', m.contact_id, kept);
    END IF;
    RETURN format($sql$
FROM %1$s AS contact%2$s
LEFT JOIN %3$I.%4$I AS s ON s.contact_id = contact.%5$I
CROSS JOIN LATERAL (
    SELECT %9$s, %6$scontact.%5$I, %7$s%8$s) AS now
    OFFSET 0
) AS score
WHERE contact.%5$I IS NOT NULL AND (score.now).shown IS NOT FALSE;$sql$,
        lead_scoring.contacts_of(model), lead_scoring.lookup_joins(model, 'contact'),
        lead_scoring.objects_schema(model), model || '_score', m.contact_id, call,
        lead_scoring.contact_row_sql(model, 'contact'),
        CASE WHEN is_watched THEN stored ELSE '' END, kept);
END
$$;
COMMENT ON FUNCTION lead_scoring.live_source_sql(text) IS
    'What <model>_scored selects from. NULL for a NULL name.';

CREATE FUNCTION lead_scoring.live_column_sql(model text, name text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN lead_scoring.is_watched(m.name) AND NOT lead_scoring.uses_as_of(m.name)
                THEN format('CASE WHEN score.contact_id IS NULL THEN (lead_scoring.live_now(%L, %s, contact.%I)).%s ',
                            m.name, lead_scoring.sources_stamp(m.name), m.contact_id,
                            live_column_sql.name)
                ELSE 'CASE ' END
           || format('WHEN (score.now).shown IS NULL THEN %s ELSE (score.now).%s END',
                     CASE live_column_sql.name WHEN 'freshness' THEN '''current'''
                          WHEN 'problem' THEN 'NULL' ELSE 'score.' || live_column_sql.name END,
                     live_column_sql.name)
      FROM lead_scoring.model AS m WHERE m.name = live_column_sql.model;
END;
COMMENT ON FUNCTION lead_scoring.live_column_sql(text, text) IS
    'The expression of a column of <model>_scored. NULL for a NULL argument.';

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
    %4$s AS fit,
    %5$s AS engagement,
    %6$s AS intent,
    %7$s AS total,
    %8$s AS band,
    %9$s AS grade,
    CASE WHEN score.stage_since > lead_scoring.as_of() AND lead_scoring.as_of() <> now()
         THEN CASE WHEN score.enrolled_at <= lead_scoring.as_of()
                   THEN (lead_scoring.stage_then(%3$L, contact.%2$I)).stage END
         ELSE score.stage END AS stage,
    CASE WHEN score.stage_since > lead_scoring.as_of() AND lead_scoring.as_of() <> now()
         THEN CASE WHEN score.enrolled_at <= lead_scoring.as_of()
                    AND (lead_scoring.stage_then(%3$L, contact.%2$I)).stage IS NOT NULL
                   THEN coalesce((lead_scoring.stage_then(%3$L, contact.%2$I)).since, score.enrolled_at) END
         ELSE score.stage_since END AS stage_since,
    %10$s AS last_activity,
    CASE WHEN %4$s IS NULL THEN 'not scored: ' || %11$s
         ELSE lead_scoring.reasons(contact.*, %3$L, lead_scoring.as_of(),
             CASE WHEN (score.now).shown IS NULL OR (score.now).freshness IN ('current', 'due', 'past')
                  THEN score.engagement_state END) END AS reasons,
    score.scored_at,
    %12$s AS freshness%13$s
COMMENT ON VIEW %1$s IS %14$L;
COMMENT ON COLUMN %1$s.contact_id IS 'Key of the contact.';
COMMENT ON COLUMN %1$s.fit IS 'Fit score, in points, as of lead_scoring.as_of(). NULL: cannot be computed, see reasons.';
COMMENT ON COLUMN %1$s.engagement IS 'Engagement score, in points, as of lead_scoring.as_of(). NULL: cannot be computed, see reasons.';
COMMENT ON COLUMN %1$s.intent IS 'Intent score, in points, as of lead_scoring.as_of(). NULL: cannot be computed, see reasons.';
COMMENT ON COLUMN %1$s.total IS 'Total, in points. NULL: cannot be computed, see reasons.';
COMMENT ON COLUMN %1$s.band IS 'Label of the total, such as hot. NULL: none.';
COMMENT ON COLUMN %1$s.grade IS 'Fit letter and engagement digit, such as A1. NULL: none.';
COMMENT ON COLUMN %1$s.stage IS 'Lifecycle stage, as of lead_scoring.as_of(). NULL: none yet, or not known for then.';
COMMENT ON COLUMN %1$s.stage_since IS 'When the stage was entered. NULL: no stage.';
COMMENT ON COLUMN %1$s.last_activity IS 'Latest activity. NULL: none yet.';
COMMENT ON COLUMN %1$s.reasons IS 'The three strongest rules that count, with how often and their points, the strongest first; or why there are no scores.';
COMMENT ON COLUMN %1$s.scored_at IS 'When the stored score was last brought up to date. NULL: not yet.';
COMMENT ON COLUMN %1$s.freshness IS 'How the stored score stands, while the view is right: current; due (time has changed it); past (lead_scoring.as_of is earlier); pending (this transaction has changed the contact); queued; stale (rules have changed); new (not stored yet); failed (see reasons); unwatched (not kept by triggers).';
$sql$, format('%I.%I', lead_scoring.objects_schema(model), model || '_scored'), m.contact_id, model,
        lead_scoring.live_column_sql(model, 'fit'),
        lead_scoring.live_column_sql(model, 'engagement'),
        lead_scoring.live_column_sql(model, 'intent'),
        lead_scoring.live_column_sql(model, 'total'),
        lead_scoring.live_column_sql(model, 'band'),
        lead_scoring.live_column_sql(model, 'grade'),
        lead_scoring.live_column_sql(model, 'last_activity'),
        lead_scoring.live_column_sql(model, 'problem'),
        CASE WHEN lead_scoring.is_watched(model) THEN lead_scoring.live_column_sql(model, 'freshness')
             ELSE '''unwatched''' END,
        lead_scoring.live_source_sql(model),
        'Live scores of the contacts of model ' || model || ', one row a contact.');
END
$$;
COMMENT ON FUNCTION lead_scoring.scored_view_sql(text) IS
    'The SQL of view <model>_scored. NULL for a NULL name.';
