-- A model from nothing.

CREATE FUNCTION lead_scoring.as_of() RETURNS timestamptz
    AS 'MODULE_PATHNAME', 'ls_sql_as_of'
    LANGUAGE c STABLE PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.as_of() IS
    'The clock of views and functions: the setting lead_scoring.as_of, else now().';

CREATE FUNCTION lead_scoring.current_path() RETURNS text
    AS 'MODULE_PATHNAME', 'ls_sql_current_path'
    LANGUAGE c STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION lead_scoring.current_path() IS
    'The schemas in which the caller''s names are looked up, as a search_path.';

CREATE FUNCTION lead_scoring.qualified_name(relation regclass) RETURNS text
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    name text;
BEGIN
    SELECT format('%I.%I', n.nspname, c.relname) INTO name
      FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.oid = relation;
    IF name IS NULL THEN
        RAISE EXCEPTION 'relation with OID % does not exist', relation::oid
            USING ERRCODE = 'undefined_table', HINT = 'Name a table or view.';
    END IF;
    RETURN name;
END
$$;
COMMENT ON FUNCTION lead_scoring.qualified_name(regclass) IS
    'How configuration names a relation: its schema and its name, quoted where they must be. NULL for NULL.';

CREATE FUNCTION lead_scoring.initial_rows() RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT $json${
"threshold": [
  {"score": "total", "label": "very hot", "min_score": 80},
  {"score": "total", "label": "hot", "min_score": 50},
  {"score": "total", "label": "warm", "min_score": 20},
  {"score": "total", "label": "cold"},
  {"score": "fit", "label": "A", "min_score": 30},
  {"score": "fit", "label": "B", "min_score": 10},
  {"score": "fit", "label": "C"},
  {"score": "engagement", "label": "1", "min_score": 50},
  {"score": "engagement", "label": "2", "min_score": 20},
  {"score": "engagement", "label": "3"}],
"stage": [
  {"name": "lead", "label": "Lead", "position": 1},
  {"name": "mql", "label": "Marketing qualified lead", "position": 2},
  {"name": "sql", "label": "Sales qualified lead", "position": 3},
  {"name": "opportunity", "label": "Opportunity", "position": 4},
  {"name": "customer", "label": "Customer", "position": 5, "outcome": "won"},
  {"name": "disqualified", "label": "Disqualified", "position": 6, "outcome": "lost"}],
"transition": [
  {"from_stage": "lead", "to_stage": "mql", "condition": "score.total >= 50",
   "description": "Hot: marketing calls it qualified."},
  {"from_stage": "mql", "to_stage": "sql", "condition": "score.total >= 80",
   "description": "Very hot: sales takes over."}]
}$json$::jsonb;
END;
COMMENT ON FUNCTION lead_scoring.initial_rows() IS
    'The bands, grades, stages and transitions that a new model starts with, as in a document of export_model().';

CREATE FUNCTION lead_scoring.add_defaults(model text) RETURNS void
    LANGUAGE sql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO lead_scoring.threshold (model, score, label, min_score)
    SELECT add_defaults.model, r.score, r.label, r.min_score
      FROM jsonb_populate_recordset(NULL::lead_scoring.threshold, lead_scoring.initial_rows() -> 'threshold') AS r;
    INSERT INTO lead_scoring.stage (model, name, label, position, outcome)
    SELECT add_defaults.model, r.name, r.label, r.position, r.outcome
      FROM jsonb_populate_recordset(NULL::lead_scoring.stage, lead_scoring.initial_rows() -> 'stage') AS r;
    INSERT INTO lead_scoring.transition (model, from_stage, to_stage, condition, description)
    SELECT add_defaults.model, r.from_stage, r.to_stage, r.condition, r.description
      FROM jsonb_populate_recordset(NULL::lead_scoring.transition, lead_scoring.initial_rows() -> 'transition') AS r;
END;
COMMENT ON FUNCTION lead_scoring.add_defaults(text) IS
    'Bands, grades, stages and transitions that a new model starts with; ordinary rows.';

CREATE FUNCTION lead_scoring.create_model(
    model text,
    contacts regclass,
    contact_id name,
    stage_column name DEFAULT NULL,
    created_column name DEFAULT NULL,
    population text DEFAULT NULL,
    time_zone text DEFAULT 'UTC',
    segments name[] DEFAULT '{}',
    description text DEFAULT NULL,
    search_path text DEFAULT lead_scoring.current_path()
) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
    IF model IS NULL OR contacts IS NULL OR contact_id IS NULL THEN
        RAISE EXCEPTION 'model, contacts and contact_id must be given'
            USING ERRCODE = 'null_value_not_allowed',
                  HINT = 'Call create_model(''b2b'', contacts => ''crm.contacts'', contact_id => ''id'').';
    END IF;
    IF model = '' OR octet_length(model) > 40 THEN
        RAISE EXCEPTION 'the name of a model has 1 to 40 bytes, not %', octet_length(model)
            USING ERRCODE = 'invalid_name',
                  HINT = 'Its tables and views are named after it, with a suffix.';
    END IF;
    IF EXISTS (SELECT FROM lead_scoring.model AS m WHERE m.name = model) THEN
        RAISE EXCEPTION 'model "%" already exists', model
            USING ERRCODE = 'duplicate_object',
                  HINT = 'Choose another name, or remove it with lead_scoring.drop_model().';
    END IF;
    INSERT INTO lead_scoring.model (name, contacts, contact_id, stage_column,
        created_column, population, time_zone, segments, description, search_path)
    VALUES (model, lead_scoring.qualified_name(contacts), contact_id, stage_column,
        created_column, population, time_zone, segments, description, search_path);
    PERFORM lead_scoring.add_defaults(model);
    RAISE NOTICE 'model "%" is a draft', model
        USING HINT = 'Add rules to lead_scoring.fit_rule, then SELECT lead_scoring.activate(' || quote_literal(model) || ').';
END
$$;
COMMENT ON FUNCTION lead_scoring.create_model(text, regclass, name, name, name, text, text, name[], text, text) IS
    'Makes a draft model of a relation, with bands, grades and stages to edit. Its conditions are read under the caller''s search_path.';
