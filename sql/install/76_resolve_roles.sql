-- From roles to the user's columns and values.

CREATE FUNCTION lead_scoring.find_column(
    relation regclass, kind text, candidates jsonb, OUT sql text, OUT problem text
) RETURNS record
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH found AS (
        SELECT c.place, a.attname, t.typcategory, t.typtype, c.candidate ->> 'key' AS key,
               format_type(a.atttypid, NULL) AS type,
               CASE WHEN c.candidate ->> 'key' IS NOT NULL THEN t.typname = 'jsonb'
                    WHEN find_column.kind = 'number' THEN t.typcategory = 'N'
                    WHEN find_column.kind = 'text' THEN t.typcategory IN ('S', 'E')
                    ELSE true END AS fits
          FROM jsonb_array_elements(candidates) WITH ORDINALITY AS c (candidate, place)
          JOIN pg_attribute AS a
            ON a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped
           -- "Job Title" is as good as job_title.
           AND regexp_replace(lower(a.attname), '[^a-z0-9]', '', 'g')
               = ANY (CASE WHEN c.candidate ->> 'key' IS NOT NULL
                           THEN ARRAY['props', 'properties', 'payload', 'data', 'attributes']
                           ELSE ARRAY[replace(c.candidate #>> '{}', '_', '')] END)
          JOIN pg_type AS t ON t.oid = a.atttypid
         ORDER BY c.place, a.attnum
    )
    SELECT f.sql, CASE WHEN f.sql IS NULL THEN coalesce(
               (SELECT format('column %I of %s is of type %s', o.attname, relation, o.type)
                  FROM found AS o WHERE o.key IS NULL ORDER BY o.place LIMIT 1),
               format('%s has no column %s', relation,
                      (SELECT string_agg(candidate #>> '{}', ', ' ORDER BY place)
                         FROM jsonb_array_elements(candidates) WITH ORDINALITY AS c (candidate, place)
                        WHERE jsonb_typeof(candidate) = 'string'))) END
      FROM (SELECT (SELECT CASE WHEN key IS NULL THEN quote_ident(attname)
                                ELSE format('(%I->>%L)', attname, key) END
                      FROM found WHERE fits ORDER BY place LIMIT 1) AS sql) AS f;
END;
COMMENT ON FUNCTION lead_scoring.find_column(regclass, text, jsonb) IS
    'The first column of a relation that has one of the names and a type of the kind (text, number, any), or why there is none.';

-- Where the column is an enum, other values cannot even be compared with it.
CREATE FUNCTION lead_scoring.values_sql(given jsonb, is_pattern boolean, relation regclass, "column" text)
    RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format(CASE WHEN count(*) = 0 THEN NULL
                       WHEN is_pattern THEN CASE count(*) WHEN 1 THEN 'ILIKE %s' ELSE 'ILIKE ANY (ARRAY[%s])' END
                       ELSE CASE count(*) WHEN 1 THEN '= %s' ELSE 'IN (%s)' END END,
                  string_agg(quote_literal(v.value), ', ' ORDER BY v.place))
      FROM jsonb_array_elements_text(CASE jsonb_typeof(given) WHEN 'array' THEN given
                                          ELSE jsonb_build_array(given) END)
           WITH ORDINALITY AS v (value, place)
      LEFT JOIN pg_attribute AS a
        ON a.attrelid = relation AND a.attnum > 0 AND quote_ident(a.attname) = "column"
      LEFT JOIN pg_type AS t ON t.oid = a.atttypid AND t.typtype = 'e'
     WHERE v.value IS NOT NULL
       AND (t.oid IS NULL
            OR EXISTS (SELECT FROM pg_enum AS e WHERE e.enumtypid = t.oid AND e.enumlabel = v.value));
END;
COMMENT ON FUNCTION lead_scoring.values_sql(jsonb, boolean, regclass, text) IS
    'Values, or patterns, with the operator that stands before them. NULL: there is none that the column can have.';

CREATE FUNCTION lead_scoring.resolve_roles(
    contacts regclass, events regclass, mapping jsonb, OUT sqls jsonb, OUT problems jsonb
) RETURNS record
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    one record;
    given jsonb;
    relation regclass;
    sql text;
    problem text;
    filled record;
BEGIN
    sqls := '{}';
    problems := '{}';
    -- Columns, then values of columns, then what is made of them.
    FOR one IN SELECT r.* FROM lead_scoring.template_roles() AS r
                ORDER BY CASE r.kind WHEN 'value' THEN 2 WHEN 'condition' THEN 3 ELSE 1 END
    LOOP
        given := mapping -> one.role;
        relation := CASE one.about WHEN 'contact' THEN contacts ELSE events END;
        sql := NULL;
        problem := NULL;
        IF given = 'null' THEN
            problem := 'the mapping leaves it out';
        ELSIF one.kind = 'value' THEN
            sql := lead_scoring.values_sql(coalesce(given, one.fallback), one.about <> 'type', events,
                       CASE one.about WHEN 'type' THEN sqls ->> 'type' END);
            problem := 'it is not known which values mean it';
        ELSIF relation IS NULL THEN
            problem := 'the model has no event source';
        ELSIF given IS NOT NULL THEN
            sql := CASE WHEN EXISTS (SELECT FROM pg_attribute AS a
                                      WHERE a.attrelid = relation AND a.attname = given #>> '{}'
                                        AND a.attnum > 0 AND NOT a.attisdropped)
                        THEN quote_ident(given #>> '{}')
                        WHEN given #>> '{}' ~ '^[\w.]+$' THEN given #>> '{}'
                        ELSE '(' || (given #>> '{}') || ')' END;
        ELSIF one.kind = 'condition' THEN
            SELECT * INTO filled FROM lead_scoring.fill_roles(one.fallback #>> '{}', sqls);
            IF filled.missing IS NULL THEN
                sql := filled.filled;
            ELSE
                problem := problems ->> filled.missing[1];
            END IF;
        ELSE
            SELECT f.sql, f.problem INTO sql, problem
              FROM lead_scoring.find_column(relation, one.kind, one.fallback) AS f;
        END IF;
        IF sql IS NOT NULL THEN
            sqls := sqls || jsonb_build_object(one.role, sql);
        ELSIF one.kind = 'condition' AND given IS NULL AND relation IS NOT NULL THEN
            problems := problems || jsonb_build_object(one.role, problem);
        ELSE
            problems := problems || jsonb_build_object(one.role, format('role %s: %s', one.role, problem));
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION lead_scoring.resolve_roles(regclass, regclass, jsonb) IS
    'What each role of the templates is in SQL, given a mapping and two relations (NULL: none); and, of those that are nothing, why.';

CREATE FUNCTION lead_scoring.check_mapping(mapping jsonb) RETURNS void
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    wrong record;
BEGIN
    IF jsonb_typeof(mapping) IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION 'a mapping is an object of JSON'
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Write it as {"title": "job_title", "page_view": ["visit"]}.';
    END IF;
    SELECT e.key, e.value, r.kind INTO wrong
      FROM jsonb_each(mapping) AS e
      LEFT JOIN (SELECT t.role, t.kind FROM lead_scoring.template_roles() AS t
                  UNION ALL VALUES ('event_source', 'text')) AS r ON r.role = e.key
     WHERE r.role IS NULL
        OR jsonb_typeof(e.value) NOT IN ('string', 'null')
           AND NOT (r.kind = 'value' AND jsonb_typeof(e.value) IN ('number', 'array'))
     ORDER BY e.key LIMIT 1;
    IF wrong.key IS NOT NULL AND wrong.kind IS NULL THEN
        RAISE EXCEPTION 'the mapping has an unknown role "%"', wrong.key
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = format('The roles are event_source, %s.',
                      (SELECT string_agg(r.role, ', ') FROM lead_scoring.template_roles() AS r));
    END IF;
    IF wrong.key IS NOT NULL THEN
        RAISE EXCEPTION 'role "%" of the mapping is of type %', wrong.key, jsonb_typeof(wrong.value)
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = CASE wrong.kind WHEN 'value' THEN 'Give a value, or several: ["a", "b"].'
                         ELSE 'Give a column or an expression as text, or null to leave it out.' END;
    END IF;
END
$$;
COMMENT ON FUNCTION lead_scoring.check_mapping(jsonb) IS
    'Raises where a mapping of roles is none, or has an unknown role or a value of the wrong type.';
