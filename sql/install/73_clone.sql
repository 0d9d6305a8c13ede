-- A copy of a model, to try other rules beside it.

CREATE FUNCTION lead_scoring.make_shadow(model text) RETURNS void
    AS 'MODULE_PATHNAME', 'ls_sql_make_shadow'
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION lead_scoring.make_shadow(text) IS
    'Internal: a draft that was never active becomes a shadow: activate() will have it scored, without stage writes and actions. Nothing for a NULL name.';

CREATE FUNCTION lead_scoring.clone_model(model text, new_name text) RETURNS void
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
    IF EXISTS (SELECT FROM lead_scoring.model AS m WHERE m.name = new_name) THEN
        RAISE EXCEPTION 'model "%" already exists', new_name
            USING ERRCODE = 'duplicate_object',
                  HINT = 'Choose another name, or remove it with lead_scoring.drop_model().';
    END IF;
    PERFORM lead_scoring.import_rows(
        jsonb_set(lead_scoring.export_model(model), '{model,name}', to_jsonb(new_name)));
    PERFORM lead_scoring.make_shadow(new_name);
    RAISE NOTICE 'model "%" is a shadow of "%": it moves no stage and fires no action', new_name, model
        USING HINT = 'Change its rules, then SELECT lead_scoring.activate(' || quote_literal(new_name) || ').';
END
$$;
COMMENT ON FUNCTION lead_scoring.clone_model(text, text) IS
    'Copies a model with all its rules. The copy is a shadow: once activated it is scored live, but writes no stage and fires no action.';
