-- A model as a document: what its rows say, and nothing else.

CREATE FUNCTION lead_scoring.config_parts(OUT place integer, OUT part name, OUT sorted_by text)
    RETURNS SETOF record
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- A part comes after those that its rows may refer to.
    VALUES (1, 'lookup'::name, 'alias'::text),
           (2, 'event_source', 'name'),
           (3, 'rule_group', 'name'),
           (4, 'fit_rule', 'name'),
           (5, 'engagement_rule', 'name'),
           (6, 'threshold', 'score, min_score DESC NULLS LAST'),
           (7, 'stage', 'position'),
           (8, 'transition', 'from_stage, to_stage'),
           (9, 'milestone', 'name'),
           (10, 'action', 'name'),
           (11, 'deal_source', 'model');
END;
COMMENT ON FUNCTION lead_scoring.config_parts() IS
    'The tables that hold a model''s rows, in the order in which they can be filled, and how their rows are sorted in a document.';

CREATE FUNCTION lead_scoring.config_columns(
    part name, OUT name name, OUT fallback text, OUT required boolean
) RETURNS SETOF record
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT a.attname, pg_get_expr(d.adbin, d.adrelid), a.attnotnull AND d.adbin IS NULL
      FROM pg_attribute AS a
      LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attrelid = to_regclass(format('lead_scoring.%I', part))
       AND a.attnum > 0 AND NOT a.attisdropped
       -- What functions set, and what the document says already.
       AND a.attname <> ALL (CASE WHEN part = 'model'
             THEN ARRAY['status', 'objects_schema', 'owner', 'scored_stamp', 'mixed_until', 'created_at']
             ELSE ARRAY['model'] END)
     ORDER BY a.attnum;
END;
COMMENT ON FUNCTION lead_scoring.config_columns(name) IS
    'The columns of a configuration table that a document has: name, default as SQL (NULL: none), must it be given? NULL for a NULL name.';

CREATE FUNCTION lead_scoring.export_part(model text, part name, sorted_by text) RETURNS jsonb
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    exported jsonb;
BEGIN
    -- A null where the column has no default need not be said.
    EXECUTE format($sql$
        SELECT coalesce(jsonb_agg(
                   (SELECT jsonb_object_agg(c.name, r.contents -> c.name)
                      FROM lead_scoring.config_columns(%1$L) AS c
                     WHERE r.contents -> c.name <> 'null' OR c.fallback IS NOT NULL)
                   ORDER BY r.place), '[]')
          FROM (SELECT to_jsonb(t) AS contents, row_number() OVER (ORDER BY %3$s) AS place
                  FROM lead_scoring.%1$I AS t WHERE t.%2$I = $1) AS r
        $sql$, part, CASE part WHEN 'model' THEN 'name' ELSE 'model' END, sorted_by)
       INTO STRICT exported USING model;
    RETURN exported;
END
$$;
COMMENT ON FUNCTION lead_scoring.export_part(text, name, text) IS
    'The model''s rows in one configuration table, sorted. Empty where there are none.';

-- The settings make the text of moments and intervals the same in any session.
CREATE FUNCTION lead_scoring.export_model(model text) RETURNS jsonb
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    SET timezone = 'UTC' SET datestyle = 'ISO' SET intervalstyle = 'postgres'
    SET extra_float_digits = 1
AS $$
#variable_conflict use_variable
DECLARE
    document jsonb;
BEGIN
    document := jsonb_build_object('format', 1,
        'model', lead_scoring.export_part(model, 'model', 'name') -> 0);
    IF document -> 'model' = 'null' THEN
        RAISE EXCEPTION 'model "%" does not exist', model
            USING ERRCODE = 'undefined_object',
                  HINT = 'Look at lead_scoring.model for the names of those you may see.';
    END IF;
    RETURN document || (
        SELECT jsonb_object_agg(p.part, lead_scoring.export_part(model, p.part, p.sorted_by))
          FROM lead_scoring.config_parts() AS p);
END
$$;
COMMENT ON FUNCTION lead_scoring.export_model(text) IS
    'The model as a document: all rows that say what it does, sorted, without status, dates of creation and whatever else belongs to one database. The same rows give the same document. NULL for a NULL name.';

CREATE FUNCTION lead_scoring.model_fingerprint(model text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT encode(sha256(convert_to((lead_scoring.export_model(model) #- '{model,name}')::text,
                                    'UTF8')), 'hex');
END;
COMMENT ON FUNCTION lead_scoring.model_fingerprint(text) IS
    'SHA-256 of the model''s document without its name, in hexadecimal: two models that say the same have the same. NULL for a NULL name.';
