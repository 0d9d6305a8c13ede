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

-- A subquery with a function that is not strict is evaluated once a row, where the
-- score table is scanned, however many columns of the view are made of it.
CREATE FUNCTION lead_scoring.live_now_sql(model text) RETURNS text
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    m lead_scoring.model;
    now text := 'NULL::lead_scoring.live';
BEGIN
    SELECT * INTO STRICT m FROM lead_scoring.model AS r WHERE r.name = model;
    IF lead_scoring.is_watched(model) THEN
        now := format($sql$lead_scoring.live_now(%L, %s, s.contact_id, s.fit, s.band,
            s.grade, s.engagement_state, s.since, s.scored_at, s.due_at, s.stamp, s.problem)$sql$,
            model, lead_scoring.sources_stamp(model));
    END IF;
    RETURN format($sql$
    SELECT s.contact_id, s.fit, s.engagement, s.intent, s.total, s.band, s.grade,
        s.stage, s.stage_since, s.last_activity, s.scored_at, s.engagement_state,
        %s AS now
    FROM %I.%I AS s$sql$, now, m.objects_schema, model || '_score');
END
$$;
COMMENT ON FUNCTION lead_scoring.live_now_sql(text) IS
    'The part of <model>_scored that gives what is stored. NULL for a NULL name.';

-- The contact is read again: to carry its row along for those few who need it costs
-- more than all the rest.
CREATE FUNCTION lead_scoring.live_anew_sql(model text) RETURNS text
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    m lead_scoring.model;
    again text;
    stale text;
    whole text := 'again.*';
    kind text := 'new';
BEGIN
    SELECT * INTO STRICT m FROM lead_scoring.model AS r WHERE r.name = model;
    IF lead_scoring.is_watched(model) THEN
        again := lead_scoring.contacts_of(model)::text;
        stale := format($sql$again.%1$I = contact.%1$I
      AND CASE WHEN score.contact_id IS NULL THEN true ELSE coalesce((score.now).anew, false) END
      AND $sql$, m.contact_id);
    ELSE
        kind := 'unwatched';
        again := '(SELECT contact.*)';
        stale := format('again.%I IS NOT NULL AND ', m.contact_id);
    END IF;
    IF EXISTS (SELECT FROM lead_scoring.lookup AS l WHERE l.model = live_anew_sql.model) THEN
        again := again || ' AS again' || lead_scoring.lookup_joins(model, 'again') || format(
            E'\n    CROSS JOIN LATERAL (SELECT %s AS contact OFFSET 0) AS whole',
            lead_scoring.contact_row_sql(model, 'again'));
        whole := 'whole.contact';
    ELSE
        again := again || ' AS again';
    END IF;
    RETURN format($sql$
    SELECT lead_scoring.live_anew(%1$L, %2$s, coalesce((score.now).freshness, %3$L),
            lead_scoring.try_fit_score(%4$s, %1$L),
            CASE WHEN lead_scoring.try_fit_score(%4$s, %1$L) IS NULL
                 THEN lead_scoring.fit_problem(%4$s, %1$L) END,
            CASE WHEN lead_scoring.try_fit_score(%4$s, %1$L) IS NULL THEN NULL
                 WHEN (score.now).has_state THEN score.engagement_state
                 ELSE %5$s END,
            lead_scoring.contact_since(again.*, %1$L), by_hand.points) AS now
    FROM %6$s
    CROSS JOIN LATERAL (%7$s
    ) AS by_hand
    WHERE %8$sNOT by_hand.is_excluded AND lead_scoring.try_in_population(%4$s, %1$L)
    OFFSET 0$sql$, model, lead_scoring.sources_stamp(model), kind, whole,
        lead_scoring.state_sql(model, format('again.%I', m.contact_id), 'lead_scoring.as_of()',
                               'by_hand.reset_at'),
        again,
        lead_scoring.by_hand_sql(model, format('again.%I', m.contact_id), 'lead_scoring.as_of()'),
        stale);
END
$$;
COMMENT ON FUNCTION lead_scoring.live_anew_sql(text) IS
    'The part of <model>_scored that computes what is not stored. NULL for a NULL name.';

CREATE FUNCTION lead_scoring.live_column_sql(name text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format('CASE WHEN (anew.now).anew IS NOT NULL THEN (anew.now).%1$s WHEN (score.now).anew IS NULL THEN score.%1$s ELSE (score.now).%1$s END', name);
END;
COMMENT ON FUNCTION lead_scoring.live_column_sql(text) IS
    'The expression of a column of <model>_scored. NULL for a NULL name.';

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
    score.stage,
    score.stage_since,
    %10$s AS last_activity,
    CASE WHEN %4$s IS NULL
         THEN 'not scored: ' || coalesce((anew.now).problem, (score.now).problem)
         ELSE lead_scoring.reasons(contact.*, %3$L) END AS reasons,
    score.scored_at,
    CASE WHEN (anew.now).anew IS NOT NULL THEN (anew.now).freshness
         WHEN (score.now).anew IS NULL THEN 'current'
         ELSE (score.now).freshness END AS freshness
FROM %11$s AS contact
LEFT JOIN (%12$s
) AS score ON score.contact_id = contact.%2$I
LEFT JOIN LATERAL (%13$s
) AS anew ON true
WHERE score.contact_id IS NOT NULL AND (score.now).anew IS NOT TRUE
   OR (anew.now).anew IS NOT NULL;
COMMENT ON VIEW %1$s IS %14$L;
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
COMMENT ON COLUMN %1$s.freshness IS 'How the stored score stands, while the view is right: current; due (time has changed it); past (lead_scoring.as_of is earlier); pending (this transaction has changed the contact); queued; stale (rules have changed); new (not stored yet); failed (see reasons); unwatched (not kept by triggers).';
$sql$, format('%I.%I', m.objects_schema, model || '_scored'), m.contact_id, model,
        lead_scoring.live_column_sql('fit'), lead_scoring.live_column_sql('engagement'),
        lead_scoring.live_column_sql('intent'), lead_scoring.live_column_sql('total'),
        lead_scoring.live_column_sql('band'), lead_scoring.live_column_sql('grade'),
        lead_scoring.live_column_sql('last_activity'),
        lead_scoring.contacts_of(model), lead_scoring.live_now_sql(model),
        lead_scoring.live_anew_sql(model),
        'Live scores of the contacts of model ' || model || ', one row a contact.');
END
$$;
COMMENT ON FUNCTION lead_scoring.scored_view_sql(text) IS
    'The SQL of view <model>_scored. NULL for a NULL name.';
