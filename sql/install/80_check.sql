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
    , followed AS (
        SELECT DISTINCT tree.relid, tree.relid = f.relation AS is_root, f.kind
          FROM lead_scoring.followed(trigger_problems.model) AS f
          -- Of contacts that are no table nobody would hear.
          JOIN pg_class AS c ON c.oid = lead_scoring.contacts_of(trigger_problems.model) AND c.relkind IN ('r', 'p')
         CROSS JOIN LATERAL (SELECT f.relation::oid AS relid
                              UNION SELECT relid FROM pg_partition_tree(f.relation)) AS tree
    ), all_wanted AS (
        SELECT to_regclass(format('%I.%I', lead_scoring.objects_schema(m.name), m.name || '_adjustment'))::oid AS relid,
               m.name || kind.suffix AS tgname,
               'adjustment' AS kind
          FROM lead_scoring.model AS m
          JOIN pg_class AS c ON c.oid = lead_scoring.contacts_of(m.name) AND c.relkind IN ('r', 'p')
         CROSS JOIN (VALUES ('_adjustment'), ('_adjustment_statement'),
                            ('_adjustment_truncate')) AS kind (suffix)
         WHERE m.name = trigger_problems.model
        UNION
        SELECT relid, tgname, 'contact' FROM wanted
        UNION
        SELECT f.relid, concat(trigger_problems.model, '_', f.kind, name.suffix), f.kind
          FROM followed AS f
         CROSS JOIN (VALUES ('', true), ('_statement', false), ('_truncate', false))
               AS name (suffix, root_only)
         WHERE f.is_root OR NOT name.root_only
    )
    SELECT format('trigger %I on %s', w.tgname, w.relid::regclass),
           CASE WHEN t.oid IS NULL THEN 'is missing' ELSE 'is disabled' END
      FROM all_wanted AS w
      JOIN pg_class AS c ON c.oid = w.relid AND c.relkind IN ('r', 'p')
      LEFT JOIN pg_trigger AS t
        ON t.tgrelid = w.relid AND t.tgname = w.tgname
       AND t.tgfoid = format('lead_scoring.%I', w.kind || '_changed')::regproc
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
    score := format('%I.%I', lead_scoring.objects_schema(model), model || '_score');
    queue := format('%I.%I', lead_scoring.objects_schema(model), model || '_queue');
    RETURN format($sql$
        (SELECT 'contact ' || contact_id::text, problem FROM %1$s
          WHERE problem IS NOT NULL ORDER BY contact_id LIMIT 20)
        UNION ALL
        (SELECT DISTINCT 'contact ' || contact_id::text, reason FROM %2$s
          WHERE reason LIKE 'its %% could not be %%' ORDER BY 1 LIMIT 20)
        UNION ALL
        SELECT 'queue', 'contacts that wait for refresh(): ' || count(*) || ', ' || reason
          FROM %2$s WHERE contact_id IS NOT NULL
           AND reason NOT LIKE 'its %% could not be %%' GROUP BY reason
        UNION ALL
        SELECT 'queue', format('rows of lookup "%%s" whose contacts wait for refresh(): ', lookup)
                            || count(*) || ', ' || reason
          FROM %2$s WHERE lookup IS NOT NULL GROUP BY lookup, reason
        UNION ALL
        SELECT DISTINCT 'queue', 'all scores may be behind: ' || reason
          FROM %2$s WHERE contact_id IS NULL AND lookup IS NULL
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
        lead_scoring.contacts_of(model), m.contact_id)
        || 'UNION ALL' || lead_scoring.life_problems_sql(model)
        || lead_scoring.deal_problems_sql(model);
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
    RETURN QUERY SELECT * FROM lead_scoring.report_problems(model);
    RETURN QUERY SELECT 'advice', l.object, l.problem, l.suggestion
                   FROM lead_scoring.lint_problems(model) AS l;
    -- A clone is a shadow before it is activated.
    IF m.status NOT IN ('active', 'shadow') OR m.objects_schema IS NULL THEN
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
        SELECT 'warning', i.object, i.problem, i.suggestion
          FROM lead_scoring.index_problems(model) AS i;
    RETURN QUERY
        SELECT CASE WHEN s.object LIKE 'contact %' THEN 'error' ELSE 'warning' END,
               s.object, s.problem,
               CASE WHEN s.problem LIKE 'its stage could not be %'
                    THEN 'Look at the constraints and triggers of the contacts: these are called with search_path = pg_catalog, pg_temp; then ' || refresh
                    WHEN s.object LIKE 'contact %'
                     AND s.problem LIKE '%could not be written: %'
                    THEN 'Look at the triggers and constraints of the score table, then ' || refresh
                    WHEN s.object LIKE 'contact %'
                    THEN 'Put the case that fails outside of the condition, then ' || refresh
                    WHEN s.object = 'orphans' THEN replace(refresh, 'refresh', 'rescore')
                    WHEN s.object = 'outbox'
                    THEN format('Look at what the workers said in %s; to try again, set their status to waiting.',
                                lead_scoring.object_name(model, 'delivery'))
                    WHEN s.object = 'deals'
                    THEN 'Look at contact_id in lead_scoring.deal_source: reports leave them out.'
                    WHEN s.object LIKE 'stage %'
                    THEN 'Add it to lead_scoring.stage, or give the contacts another stage.'
                    ELSE refresh END
          FROM lead_scoring.score_problems(model) AS s;
END
$$;
COMMENT ON FUNCTION lead_scoring.check_model(text) IS
    'Every problem found with a model: severity (error: it does not work; warning: it hardly does what was meant; advice: of the linter), object, problem, suggestion. No error and no warning: all is well.';
