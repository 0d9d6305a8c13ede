-- A document becomes a model: checked as a whole, then written in one go.

CREATE FUNCTION lead_scoring.name_of_row(contents jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT coalesce(contents ->> 'name', contents ->> 'alias', contents ->> 'label',
                    (contents ->> 'from_stage') || ' to ' || (contents ->> 'to_stage'));
END;
COMMENT ON FUNCTION lead_scoring.name_of_row(jsonb) IS
    'What people call a row of the configuration. NULL where it has no name.';

CREATE FUNCTION lead_scoring.document_rows(
    document jsonb, OUT place integer, OUT part name, OUT nth bigint, OUT path text,
    OUT contents jsonb
) RETURNS SETOF record
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH entry AS (
        SELECT p.place, p.part, r.nth - 1 AS nth, r.contents,
               CASE jsonb_typeof(r.contents) WHEN 'object'
                    THEN lead_scoring.name_of_row(r.contents) END AS called
          FROM lead_scoring.config_parts() AS p
         CROSS JOIN LATERAL jsonb_array_elements(
                   CASE jsonb_typeof(document -> p.part::text) WHEN 'array'
                        THEN document -> p.part::text ELSE '[]' END)
               WITH ORDINALITY AS r (contents, nth)
    )
    SELECT e.place, e.part, e.nth,
           format('%s[%s]', e.part, e.nth) || coalesce(' "' || e.called || '"', ''),
           e.contents
      FROM entry AS e
     ORDER BY e.place, e.nth;
END;
COMMENT ON FUNCTION lead_scoring.document_rows(jsonb) IS
    'The rows of the parts of a model''s document, each with its path as errors give it, in which positions count from 0. No row for a NULL document.';

CREATE FUNCTION lead_scoring.check_document(document jsonb) RETURNS void
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    wrong record;
    parts text := (SELECT string_agg(p.part, ', ' ORDER BY p.place)
                     FROM lead_scoring.config_parts() AS p);
BEGIN
    IF jsonb_typeof(document) <> 'object' OR jsonb_typeof(document -> 'format') IS DISTINCT FROM 'number' THEN
        RAISE EXCEPTION 'this is no model''s document'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = 'It must be an object whose "format" is a number.',
                  HINT = 'Give what lead_scoring.export_model() returned.';
    END IF;
    IF document -> 'format' <> '1' THEN
        RAISE EXCEPTION 'the document has format %, and only format 1 is known', document -> 'format'
            USING ERRCODE = 'feature_not_supported',
                  HINT = 'Update the extension to the version that wrote it, or a later one.';
    END IF;
    SELECT e.key INTO wrong FROM jsonb_each(document) AS e
     WHERE e.key NOT IN ('format', 'model')
       AND e.key NOT IN (SELECT p.part FROM lead_scoring.config_parts() AS p)
     ORDER BY 1 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the document has an unknown key "%"', wrong.key
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = format('Its keys are format, model, %s.', parts);
    END IF;
    SELECT p.part, jsonb_typeof(document -> p.part::text) AS type INTO wrong
      FROM lead_scoring.config_parts() AS p
     WHERE jsonb_typeof(document -> p.part::text) <> 'array' ORDER BY p.place LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '% is not an array', wrong.part
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('Its type is %s.', wrong.type),
                  HINT = 'Write its rows as [{...}, ...], or leave it out where there are none.';
    END IF;
    PERFORM lead_scoring.check_document_row('model', 'model', document -> 'model');
    PERFORM lead_scoring.check_document_row(r.part, r.path, r.contents)
       FROM lead_scoring.document_rows(document) AS r;
END
$$;
COMMENT ON FUNCTION lead_scoring.check_document(jsonb) IS
    'Raises where the form of a model''s document is wrong: keys, types, a later format. Nothing for a NULL document.';

CREATE FUNCTION lead_scoring.check_document_row(part name, path text, contents jsonb) RETURNS void
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    known name[] := (SELECT array_agg(c.name) FROM lead_scoring.config_columns(part) AS c);
    wrong text;
BEGIN
    IF contents IS NULL THEN
        RAISE EXCEPTION 'the document has no "%"', path
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Give what lead_scoring.export_model() returned.';
    END IF;
    IF jsonb_typeof(contents) <> 'object' THEN
        RAISE EXCEPTION '% is not an object', path
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('Its type is %s.', jsonb_typeof(contents)),
                  HINT = format('Its keys are %s.', array_to_string(known, ', '));
    END IF;
    SELECT e.key INTO wrong FROM jsonb_each(contents) AS e
     WHERE e.key <> ALL (known) ORDER BY 1 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '% has an unknown key "%"', path, wrong
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = format('Its keys are %s.', array_to_string(known, ', '));
    END IF;
    SELECT c.name INTO wrong FROM lead_scoring.config_columns(part) AS c
     WHERE c.required AND coalesce(contents -> c.name::text, 'null') = 'null' LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '% has no "%"', path, wrong
            USING ERRCODE = 'not_null_violation', HINT = 'Give it a value.';
    END IF;
END
$$;
COMMENT ON FUNCTION lead_scoring.check_document_row(name, text, jsonb) IS
    'Raises where a row of a model''s document is no object, has an unknown key or lacks one that it needs.';
