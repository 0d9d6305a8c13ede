-- Is everything as it should be?

CREATE FUNCTION lead_scoring.rule_problems(
    model text, OUT kind text, OUT name text, OUT problem text, OUT hint text
) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'ls_sql_rule_problems'
    -- UNSAFE: tries each condition in a subtransaction.
    LANGUAGE c STABLE STRICT PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION lead_scoring.rule_problems(text) IS
    'Conditions of the model that can no longer be read, with what is wrong.';

CREATE FUNCTION lead_scoring.upkeep_problem(model text) RETURNS text
    AS 'MODULE_PATHNAME', 'ls_sql_upkeep_problem'
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.upkeep_problem(text) IS
    'Why the scores of an active model cannot be written. NULL: they can.';

CREATE FUNCTION lead_scoring.trigger_problems(model text, OUT object text, OUT problem text)
    RETURNS SETOF record
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH wanted AS (
        SELECT lead_scoring.contacts_of(m.name)::oid AS relid, m.name || kind.suffix AS tgname
          FROM lead_scoring.model AS m
         CROSS JOIN (VALUES ('_contact'), ('_statement'), ('_truncate')) AS kind (suffix)
         WHERE m.name = trigger_problems.model
        UNION
        SELECT tree.relid, m.name || kind.suffix
          FROM lead_scoring.model AS m
         CROSS JOIN (VALUES ('_statement'), ('_truncate')) AS kind (suffix),
              LATERAL pg_partition_tree(lead_scoring.contacts_of(m.name)) AS tree
         WHERE m.name = trigger_problems.model
    )
    SELECT format('trigger %I on %s', w.tgname, w.relid::regclass),
           CASE WHEN t.oid IS NULL THEN 'is missing' ELSE 'is disabled' END
      FROM wanted AS w
      JOIN pg_class AS c ON c.oid = w.relid AND c.relkind IN ('r', 'p')
      LEFT JOIN pg_trigger AS t
        ON t.tgrelid = w.relid AND t.tgname = w.tgname
       AND t.tgfoid = 'lead_scoring.contact_changed'::regproc
     WHERE t.oid IS NULL OR t.tgenabled NOT IN ('O', 'A');
END;
COMMENT ON FUNCTION lead_scoring.trigger_problems(text) IS
    'Triggers that an active model should have and has not, or that are disabled.';

CREATE FUNCTION lead_scoring.score_problems(model text, OUT object text, OUT problem text)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'ls_sql_score_problems'
    LANGUAGE c STABLE STRICT PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION lead_scoring.score_problems(text) IS
    'What is wrong, or waits, in the stored scores of an active model. Runs as the owner of the contacts.';

CREATE FUNCTION lead_scoring.score_problems_sql(model text) RETURNS text
    LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    m lead_scoring.model;
    score text;
    queue text;
BEGIN
    SELECT * INTO STRICT m FROM lead_scoring.model AS r WHERE r.name = model;
    score := format('%I.%I', m.objects_schema, model || '_score');
    queue := format('%I.%I', m.objects_schema, model || '_queue');
    RETURN format($sql$
        (SELECT 'contact ' || contact_id::text, problem FROM %1$s
          WHERE problem IS NOT NULL ORDER BY contact_id LIMIT 20)
        UNION ALL
        (SELECT DISTINCT 'contact ' || contact_id::text, reason FROM %2$s
          WHERE reason LIKE 'its score could not be written: %%' ORDER BY 1 LIMIT 20)
        UNION ALL
        SELECT 'queue', 'contacts that wait for refresh(): ' || count(*) || ', ' || reason
          FROM %2$s WHERE contact_id IS NOT NULL
           AND reason NOT LIKE 'its score could not be written: %%' GROUP BY reason
        UNION ALL
        SELECT DISTINCT 'queue', 'all scores may be behind: ' || reason
          FROM %2$s WHERE contact_id IS NULL
        UNION ALL
        SELECT 'scores', 'made by other rules than those of now: ' || count(*)
          FROM %1$s WHERE stamp <> %3$s HAVING count(*) > 0
        UNION ALL
        SELECT 'orphans', 'scores of contacts that are no more: ' || count(*)
          FROM %1$s AS s
         WHERE NOT EXISTS (SELECT FROM %4$s AS c WHERE c.%5$I = s.contact_id)
        HAVING count(*) > 0
        $sql$, score, queue,
        CASE WHEN EXISTS (SELECT FROM lead_scoring.rule_problems(model))
             THEN 'NULL' ELSE quote_literal(lead_scoring.model_stamp(model)) END,
        lead_scoring.contacts_of(model), m.contact_id);
END
$$;
COMMENT ON FUNCTION lead_scoring.score_problems_sql(text) IS
    'The query of score_problems(). NULL for a NULL name.';

CREATE FUNCTION lead_scoring.check_model(
    model text, OUT severity text, OUT object text, OUT problem text, OUT suggestion text
) RETURNS SETOF record
    LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    m lead_scoring.model;
    upkeep text;
    again text := 'Call lead_scoring.activate(' || quote_literal(model) || ') again.';
    refresh text := 'CALL lead_scoring.refresh(' || quote_literal(model) || ').';
BEGIN
    SELECT * INTO m FROM lead_scoring.model AS r WHERE r.name = model;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'model "%" does not exist', model
            USING ERRCODE = 'undefined_object',
                  HINT = 'Look at lead_scoring.model for the names of those you may see.';
    END IF;
    IF lead_scoring.contacts_of(model) IS NULL THEN
        RETURN QUERY SELECT 'error', 'model', 'relation ' || m.contacts
                || ' does not exist, or has another owner than when the model was made',
            'Where it has another name, write that into lead_scoring.model.contacts; where it has another owner, let a superuser call activate(); else drop the model with lead_scoring.drop_model().';
        RETURN;
    END IF;
    RETURN QUERY
        SELECT 'error', concat_ws(' ', p.kind, '"' || p.name || '"'), p.problem,
               coalesce(p.hint, 'Change or delete it.')
          FROM lead_scoring.rule_problems(model) AS p;
    RETURN QUERY SELECT * FROM lead_scoring.event_problems(model);
    IF m.status NOT IN ('active', 'shadow') THEN
        RETURN;
    END IF;
    IF m.scored_stamp IS NULL THEN
        RETURN QUERY SELECT 'warning', 'scores', 'not everyone was scored yet', refresh;
    END IF;
    upkeep := lead_scoring.upkeep_problem(model);
    IF upkeep IS NOT NULL THEN
        RETURN QUERY SELECT 'error', 'model', upkeep, again;
        RETURN;
    END IF;
    RETURN QUERY
        SELECT 'error', t.object, t.problem, again
          FROM lead_scoring.trigger_problems(model) AS t;
    RETURN QUERY
        SELECT CASE WHEN s.object LIKE 'contact %' THEN 'error' ELSE 'warning' END,
               s.object, s.problem,
               CASE WHEN s.object LIKE 'contact %'
                     AND s.problem LIKE '%could not be written: %'
                    THEN 'Look at the triggers and constraints of the score table, then ' || refresh
                    WHEN s.object LIKE 'contact %'
                    THEN 'Put the case that fails outside of the condition, then ' || refresh
                    WHEN s.object = 'orphans' THEN replace(refresh, 'refresh', 'rescore')
                    ELSE refresh END
          FROM lead_scoring.score_problems(model) AS s;
END
$$;
COMMENT ON FUNCTION lead_scoring.check_model(text) IS
    'Every problem found with a model: severity (error, warning), object, problem, suggestion. No row: all is well.';

CREATE FUNCTION lead_scoring.verify(
    model text, OUT contact_id text, OUT stored_fit float8, OUT fit float8,
    OUT stored_total float8, OUT total float8
) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'ls_sql_verify'
    LANGUAGE c STABLE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION lead_scoring.verify(text) IS
    'Contacts whose stored scores differ from what the facts give as of their scored_at, although nothing marks them due: none, unless triggers were bypassed. Runs as the owner of the contacts.';

CREATE FUNCTION lead_scoring.verify_sql(model text) RETURNS text
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    m lead_scoring.model;
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
    RETURN format($sql$
        WITH computed AS MATERIALIZED (
            SELECT c.%3$I AS id, s.contact_id IS NOT NULL AS has_score,
                   s.fit AS stored_fit, s.total AS stored_total, s.engagement, s.intent,
                   CASE WHEN s.problem IS NULL
                        THEN lead_scoring.fit_score(c.*, %5$L, coalesce(s.scored_at, now()))
                   END AS fit
              FROM %1$s AS c LEFT JOIN %2$s AS s ON s.contact_id = c.%3$I
             WHERE c.%3$I IS NOT NULL
               AND CASE WHEN EXISTS (SELECT FROM %4$s AS q
                                      WHERE q.contact_id = c.%3$I OR q.contact_id IS NULL)
                        THEN false
                        WHEN s.problem IS NULL
                        THEN lead_scoring.in_population(c.*, %5$L, coalesce(s.scored_at, now()))
                        ELSE true END
               AND CASE WHEN s.contact_id IS NULL THEN %7$L ELSE s.stamp = %6$s END
               AND (s.due_at IS NULL OR s.due_at > s.scored_at)
        )
        SELECT id::text, stored_fit, fit, stored_total,
               lead_scoring.total_score(fit, coalesce(engagement, 0), coalesce(intent, 0), %5$L)
          FROM computed
         WHERE NOT has_score OR abs(stored_fit - fit) > 1e-6
            OR abs(stored_total - lead_scoring.total_score(fit, engagement, intent, %5$L)) > 1e-6
            OR (stored_fit IS NULL) <> (fit IS NULL)
        UNION ALL
        SELECT s.contact_id::text, s.fit, NULL::float8, s.total, NULL::float8
          FROM %2$s AS s
          LEFT JOIN %1$s AS c ON c.%3$I = s.contact_id
         WHERE (c.%3$I IS NULL
                OR NOT lead_scoring.in_population(c.*, %5$L, s.scored_at))
           AND NOT EXISTS (SELECT FROM %4$s AS q
                            WHERE q.contact_id = s.contact_id OR q.contact_id IS NULL)
           AND s.stamp = %6$s
           AND (s.due_at IS NULL OR s.due_at > s.scored_at)
        $sql$, lead_scoring.contacts_of(model),
        format('%I.%I', m.objects_schema, model || '_score'), m.contact_id,
        format('%I.%I', m.objects_schema, model || '_queue'), model,
        lead_scoring.model_stamp(model),
        m.scored_stamp IS NOT DISTINCT FROM lead_scoring.model_stamp(model));
END
$$;
COMMENT ON FUNCTION lead_scoring.verify_sql(text) IS
    'The query of verify(). NULL for a NULL name.';
