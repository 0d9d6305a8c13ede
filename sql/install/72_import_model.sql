-- Writing a checked document.

CREATE FUNCTION lead_scoring.config_defaults(part name) RETURNS jsonb
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    defaults jsonb;
BEGIN
    EXECUTE (SELECT format('SELECT jsonb_build_object(%s)',
                           string_agg(format('%L, %s', c.name, coalesce(c.fallback, 'NULL')), ', '))
               FROM lead_scoring.config_columns(part) AS c)
       INTO STRICT defaults;
    RETURN defaults;
END
$$;
COMMENT ON FUNCTION lead_scoring.config_defaults(name) IS
    'A row of a configuration table in which nothing was given. NULL for a NULL name.';

CREATE FUNCTION lead_scoring.lock_model(model text) RETURNS boolean
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
    IF NOT EXISTS (SELECT FROM lead_scoring.model AS m WHERE m.name = model) THEN
        RETURN false;
    END IF;
    PERFORM FROM lead_scoring.model AS m WHERE m.name = model FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'permission denied for model "%"', model
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'Ask the owner of the contacts, or become a member of its role.';
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION lead_scoring.lock_model(text) IS
    'Keeps others from changing the model and its rules until the transaction ends. False where there is no such model; NULL for a NULL name.';

CREATE FUNCTION lead_scoring.import_steps(
    document jsonb, OUT path text, OUT command text, OUT contents jsonb
) RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    model text := document #>> '{model,name}';
    defaults jsonb := lead_scoring.config_defaults('model');
    is_new boolean := NOT lead_scoring.lock_model(model);
    columns text;
    one record;
BEGIN
    -- What a condition names comes before it: the population may name lookups,
    -- a rule may require any other.
    columns := (SELECT string_agg(quote_ident(c.name), ', ')
                  FROM lead_scoring.config_columns('model') AS c);
    path := 'model';
    contents := defaults || (document -> 'model') || '{"population": null}';
    command := format(CASE WHEN is_new
        THEN 'INSERT INTO lead_scoring.model (%1$s) SELECT %1$s FROM jsonb_populate_record(NULL::lead_scoring.model, $1)'
        ELSE 'UPDATE lead_scoring.model SET (%1$s) = (SELECT %1$s FROM jsonb_populate_record(NULL::lead_scoring.model, $1)) WHERE name = %2$L'
        END, columns, model);
    RETURN NEXT;

    FOR one IN SELECT p.* FROM lead_scoring.config_parts() AS p ORDER BY p.place DESC LOOP
        path := one.part;
        contents := NULL;
        command := format('DELETE FROM lead_scoring.%I WHERE model = %L', one.part, model);
        IF NOT is_new THEN
            RETURN NEXT;
        END IF;
    END LOOP;

    FOR one IN
        SELECT r.path, r.part, d.defaults || r.contents || jsonb_build_object('model', model)
                   || CASE r.part WHEN 'engagement_rule' THEN '{"requires": null}'::jsonb ELSE '{}' END
                   AS contents
          FROM lead_scoring.document_rows(document) AS r
          JOIN (SELECT p.part, lead_scoring.config_defaults(p.part) AS defaults
                  FROM lead_scoring.config_parts() AS p) AS d ON d.part = r.part
         ORDER BY r.place, r.nth
    LOOP
        path := one.path;
        contents := one.contents;
        command := format('INSERT INTO lead_scoring.%1$I SELECT * FROM jsonb_populate_record(NULL::lead_scoring.%1$I, $1)',
                          one.part);
        RETURN NEXT;
    END LOOP;

    FOR one IN
        SELECT r.path, r.contents FROM lead_scoring.document_rows(document) AS r
         WHERE r.part = 'engagement_rule' AND r.contents ->> 'requires' IS NOT NULL
         ORDER BY r.nth
    LOOP
        path := one.path;
        contents := one.contents;
        command := format('UPDATE lead_scoring.engagement_rule SET requires = $1 ->> ''requires'' WHERE model = %L AND name = $1 ->> ''name''', model);
        RETURN NEXT;
    END LOOP;

    path := 'model';
    contents := document -> 'model';
    command := format('UPDATE lead_scoring.model SET population = $1 ->> ''population'' WHERE name = %L', model);
    IF contents ->> 'population' IS NOT NULL THEN
        RETURN NEXT;
    END IF;
END
$$;
COMMENT ON FUNCTION lead_scoring.import_steps(jsonb) IS
    'The commands that make a model what a document says, each with its path there and, as $1, its row. No row for a NULL document.';

CREATE FUNCTION lead_scoring.import_rows(document jsonb) RETURNS void
    AS 'MODULE_PATHNAME', 'ls_sql_import_rows'
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    SET timezone = 'UTC' SET datestyle = 'ISO' SET intervalstyle = 'postgres'
    SET client_min_messages = warning;
COMMENT ON FUNCTION lead_scoring.import_rows(jsonb) IS
    'Internal: checks a document and runs its import_steps(); errors name the path in the document. Nothing for a NULL document.';

-- What upkeep alone follows: a refresh will do. All else is in tables, triggers
-- and views of the model.
CREATE FUNCTION lead_scoring.needs_activation(before jsonb, after jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH outline AS (
        SELECT (d.document - ARRAY['rule_group', 'fit_rule', 'engagement_rule', 'threshold',
                                   'transition', 'action', 'model'])
               || jsonb_build_object('model', jsonb_path_query_array(d.document -> 'model',
                      '$.keyvalue() ? (@.key == "stage_column" || @.key == "created_column"
                                       || @.key == "segments" || @.key == "time_zone").value')) AS parts
          FROM (VALUES (before), (after)) AS d (document)
    )
    SELECT count(DISTINCT o.parts) > 1 FROM outline AS o;
END;
COMMENT ON FUNCTION lead_scoring.needs_activation(jsonb, jsonb) IS
    'Do two documents of a live model differ in what activate() must follow, not only in its rules?';

CREATE FUNCTION lead_scoring.import_model(document jsonb) RETURNS text
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    model text := document #>> '{model,name}';
    before jsonb;
    is_live boolean;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'import_model() cannot run in a transaction with a fixed snapshot'
            USING ERRCODE = 'active_sql_transaction',
                  DETAIL = 'It would miss rules that others have committed since.',
                  HINT = 'Run it at isolation level READ COMMITTED.';
    END IF;
    IF lead_scoring.lock_model(model) THEN
        before := lead_scoring.export_model(model);
    END IF;
    IF before = document THEN
        RAISE NOTICE 'model "%" is already as the document says', model;
        RETURN model;
    END IF;
    PERFORM lead_scoring.import_rows(document);
    is_live := EXISTS (SELECT FROM lead_scoring.model AS m
                        WHERE m.name = model AND m.status IN ('active', 'shadow')
                          AND m.objects_schema IS NOT NULL);
    RAISE NOTICE 'model "%" was %', model,
        CASE WHEN before IS NULL THEN 'made as a draft' ELSE 'changed' END
        USING HINT = CASE WHEN is_live AND NOT lead_scoring.needs_activation(before, lead_scoring.export_model(model))
                          THEN 'CALL lead_scoring.refresh(' ELSE 'SELECT lead_scoring.activate(' END
                     || quote_literal(model) || ').';
    RETURN model;
END
$$;
COMMENT ON FUNCTION lead_scoring.import_model(jsonb) IS
    'Makes a model what a document of export_model() says, and makes it if there is none: rows that the document does not have go, its status stays. All or nothing: errors name the path in the document. Returns the model''s name. NULL for a NULL document.';
