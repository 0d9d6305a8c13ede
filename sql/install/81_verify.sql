-- Do stored scores agree with the facts?

CREATE FUNCTION lead_scoring.verify(
    model text, OUT contact_id text, OUT stored_fit float8, OUT fit float8,
    OUT stored_total float8, OUT total float8
) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'ls_sql_verify'
    LANGUAGE c STABLE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION lead_scoring.verify(text) IS
    'Contacts whose stored scores differ from what the facts give, although nothing marks them due: none, unless triggers were bypassed. As of now, which shows events that came past the triggers since; of who is due by now, as of scored_at. Runs as the owner of the contacts.';

CREATE FUNCTION lead_scoring.verify_sql(model text) RETURNS text
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    m lead_scoring.model;
    -- Facts may have come past the triggers since scored_at, which the stored state, read as
    -- of now, does not know. When time alone has made a contact due, refresh will see to it.
    moment text := 'CASE WHEN s.due_at <= now() THEN s.scored_at ELSE greatest(s.scored_at, now()) END';
BEGIN
    SELECT * INTO m FROM lead_scoring.model AS r WHERE r.name = model;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'model "%" does not exist', model
            USING ERRCODE = 'undefined_object',
                  HINT = 'Look at lead_scoring.model for the names of those you may see.';
    END IF;
    IF m.objects_schema IS NULL THEN
        RAISE EXCEPTION 'model "%" has no stored scores', model
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Call lead_scoring.activate() first.';
    END IF;
    -- CASE alone keeps the conditions from being evaluated for a contact that is
    -- marked due: there one may raise an error that upkeep has not met yet.
    RETURN format($sql$
        WITH computed AS MATERIALIZED (
            SELECT c.%3$I AS id, s.contact_id IS NOT NULL AS has_score,
                   s.fit AS stored_fit, s.total AS stored_total,
                   s.engagement AS stored_engagement, s.intent AS stored_intent,
                   did.engagement, did.intent, by_hand.points,
                   did.known_engagement, did.known_intent, did.then_engagement, did.then_intent,
                   CASE WHEN s.problem IS NULL
                        THEN lead_scoring.fit_score(%12$s, %5$L, coalesce(s.scored_at, now()))
                   END AS fit
              FROM %1$s AS c LEFT JOIN %2$s AS s ON s.contact_id = c.%3$I
              LEFT JOIN (SELECT DISTINCT q.contact_id FROM %4$s AS q WHERE q.contact_id IS NOT NULL) AS waits
                ON waits.contact_id = c.%3$I%13$s
             CROSS JOIN LATERAL (%9$s) AS by_hand
             CROSS JOIN LATERAL (%8$s) AS did
             WHERE c.%3$I IS NOT NULL AND NOT by_hand.is_excluded
               AND CASE WHEN NOT (CASE WHEN s.contact_id IS NULL THEN %7$L ELSE s.stamp = %6$s END
                                  AND (s.due_at IS NULL OR s.due_at > s.scored_at))
                          OR waits.contact_id IS NOT NULL
                          OR EXISTS (SELECT FROM %4$s AS q WHERE q.contact_id IS NULL)
                          -- An exclusion that is over: due, though there is no row to say so.
                          OR s.contact_id IS NULL
                             AND EXISTS (SELECT FROM %10$s AS a
                                          WHERE a.contact_id = c.%3$I AND a.kind = 'exclude'
                                            AND a.valid_until <= now())
                        THEN false
                        WHEN s.problem IS NULL
                        THEN lead_scoring.in_population(%12$s, %5$L, coalesce(s.scored_at, now()))
                        ELSE true END
        )
        SELECT id::text, stored_fit, fit, stored_total,
               lead_scoring.total_score(fit, coalesce(engagement, 0), coalesce(intent, 0), %5$L, points)
          FROM computed
         WHERE NOT has_score OR abs(stored_fit - fit) > 1e-6
            OR abs(stored_total - lead_scoring.total_score(fit, stored_engagement, stored_intent, %5$L, points)) > 1e-6
            OR abs(stored_engagement - then_engagement) > 1e-6
            OR abs(stored_intent - then_intent) > 1e-6
            OR abs(known_engagement - engagement) > 1e-6
            OR abs(known_intent - intent) > 1e-6
            OR (stored_fit IS NULL) <> (fit IS NULL)
        UNION ALL
        SELECT s.contact_id::text, s.fit, NULL::float8, s.total, NULL::float8
          FROM %2$s AS s
          LEFT JOIN (SELECT DISTINCT q.contact_id FROM %4$s AS q WHERE q.contact_id IS NOT NULL) AS waits
            ON waits.contact_id = s.contact_id
          LEFT JOIN %1$s AS c ON c.%3$I = s.contact_id%13$s
         CROSS JOIN LATERAL (%11$s) AS by_hand
         WHERE CASE WHEN s.stamp <> %6$s OR s.due_at <= s.scored_at
                      OR waits.contact_id IS NOT NULL
                      OR EXISTS (SELECT FROM %4$s AS q WHERE q.contact_id IS NULL)
                    THEN false
                    WHEN c.%3$I IS NULL OR by_hand.is_excluded THEN true
                    ELSE NOT lead_scoring.in_population(%12$s, %5$L, s.scored_at) END
        $sql$, lead_scoring.contacts_of(model),
        format('%I.%I', lead_scoring.objects_schema(model), model || '_score'), m.contact_id,
        format('%I.%I', lead_scoring.objects_schema(model), model || '_queue'), model,
        lead_scoring.model_stamp(model),
        m.scored_stamp IS NOT DISTINCT FROM lead_scoring.life_stamp(model),
        CASE WHEN EXISTS (SELECT FROM lead_scoring.engagement_rule AS r
                           WHERE r.model = m.name AND r.enabled)
             THEN format($sql$
                 SELECT lead_scoring.engagement_score(now.state, now.moment, now.since) AS engagement,
                     lead_scoring.intent_score(now.state, now.moment, now.since) AS intent,
                     lead_scoring.engagement_score(now.known, now.moment, now.since) AS known_engagement,
                     lead_scoring.intent_score(now.known, now.moment, now.since) AS known_intent,
                     lead_scoring.engagement_score(now.known, s.scored_at, now.since) AS then_engagement,
                     lead_scoring.intent_score(now.known, s.scored_at, now.since) AS then_intent
                 FROM (SELECT CASE WHEN s.problem IS NULL THEN %1$s END AS state,
                           CASE WHEN s.stamp = %2$s AND s.problem IS NULL THEN s.engagement_state END AS known,
                           %3$s AS moment,
                           lead_scoring.contact_since(c.*, %4$L) AS since OFFSET 0) AS now$sql$,
                 lead_scoring.state_sql(model, format('c.%I', m.contact_id), moment, 'by_hand.reset_at'),
                 lead_scoring.model_stamp(model), moment, model)
             ELSE 'SELECT 0::float8 AS engagement, 0::float8 AS intent, 0::float8 AS known_engagement,'
                  ' 0::float8 AS known_intent, 0::float8 AS then_engagement, 0::float8 AS then_intent' END,
        lead_scoring.by_hand_sql(model, format('c.%I', m.contact_id), moment),
        format('%I.%I', lead_scoring.objects_schema(model), model || '_adjustment'),
        lead_scoring.by_hand_sql(model, 's.contact_id', moment),
        lead_scoring.contact_row_sql(model, 'c'), lead_scoring.lookup_joins(model, 'c'));
END
$$;
COMMENT ON FUNCTION lead_scoring.verify_sql(text) IS
    'The query of verify(). NULL for a NULL name.';
