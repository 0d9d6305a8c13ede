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

CREATE FUNCTION lead_scoring.add_defaults(model text) RETURNS void
    LANGUAGE sql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO lead_scoring.threshold (model, score, label, min_score)
    VALUES (add_defaults.model, 'total', 'very hot', 80),
           (add_defaults.model, 'total', 'hot', 50),
           (add_defaults.model, 'total', 'warm', 20),
           (add_defaults.model, 'total', 'cold', NULL),
           (add_defaults.model, 'fit', 'A', 30),
           (add_defaults.model, 'fit', 'B', 10),
           (add_defaults.model, 'fit', 'C', NULL),
           (add_defaults.model, 'engagement', '1', 50),
           (add_defaults.model, 'engagement', '2', 20),
           (add_defaults.model, 'engagement', '3', NULL);
    INSERT INTO lead_scoring.stage (model, name, label, position, outcome)
    VALUES (add_defaults.model, 'lead', 'Lead', 1, NULL),
           (add_defaults.model, 'mql', 'Marketing qualified lead', 2, NULL),
           (add_defaults.model, 'sql', 'Sales qualified lead', 3, NULL),
           (add_defaults.model, 'opportunity', 'Opportunity', 4, NULL),
           (add_defaults.model, 'customer', 'Customer', 5, 'won'),
           (add_defaults.model, 'disqualified', 'Disqualified', 6, 'lost');
    INSERT INTO lead_scoring.transition (model, from_stage, to_stage, condition, description)
    VALUES (add_defaults.model, 'lead', 'mql', 'score.total >= 50',
            'Hot: marketing calls it qualified.'),
           (add_defaults.model, 'mql', 'sql', 'score.total >= 80',
            'Very hot: sales takes over.');
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
DECLARE
    qualified text;
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
    SELECT format('%I.%I', n.nspname, c.relname) INTO qualified
      FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.oid = contacts;
    IF qualified IS NULL THEN
        RAISE EXCEPTION 'relation with OID % does not exist', contacts::oid
            USING ERRCODE = 'undefined_table', HINT = 'Name a table or view.';
    END IF;
    INSERT INTO lead_scoring.model (name, contacts, contact_id, stage_column,
        created_column, population, time_zone, segments, description, search_path)
    VALUES (model, qualified, contact_id, stage_column, created_column, population,
        time_zone, segments, description, search_path);
    PERFORM lead_scoring.add_defaults(model);
    RAISE NOTICE 'model "%" is a draft', model
        USING HINT = 'Add rules to lead_scoring.fit_rule, then SELECT lead_scoring.activate(' || quote_literal(model) || ').';
END
$$;
COMMENT ON FUNCTION lead_scoring.create_model(text, regclass, name, name, name, text, text, name[], text, text) IS
    'Makes a draft model of a relation, with bands, grades and stages to edit. Its conditions are read under the caller''s search_path.';
