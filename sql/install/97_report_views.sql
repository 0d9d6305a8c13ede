-- Reports made into views of a model.

CREATE FUNCTION lead_scoring.reports() RETURNS SETOF lead_scoring.report
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT (lead_scoring.report_stays()).*
    UNION ALL SELECT (lead_scoring.report_deals()).*
    UNION ALL SELECT (lead_scoring.report_funnel()).*
    UNION ALL SELECT (lead_scoring.report_velocity()).*
    UNION ALL SELECT (lead_scoring.report_response()).*
    UNION ALL SELECT (lead_scoring.report_workflow()).*
    UNION ALL SELECT (lead_scoring.report_pipeline()).*
    UNION ALL SELECT (lead_scoring.report_errors()).*
    UNION ALL SELECT (lead_scoring.report_lift()).*
    UNION ALL SELECT (lead_scoring.report_distribution()).*
    UNION ALL SELECT (lead_scoring.report_freshness()).*
    UNION ALL SELECT (lead_scoring.report_rising()).*
    UNION ALL SELECT (lead_scoring.report_monthly()).*
    UNION ALL SELECT (lead_scoring.report_rule_stats()).*;
END;
COMMENT ON FUNCTION lead_scoring.reports() IS
    'The report views of every model, each after those that it is built on.';

-- What a name in braces stands for. x.segments: the segments of x, each after a comma.
-- x.list: the same, without the first comma. x.elements: out of an array of them. x.named: the same, called as the columns of the contacts are. x.sets: the grouping sets
-- of month and segments, but for the month alone. x.detail: which of them a row is of.
CREATE FUNCTION lead_scoring.report_name(
    model lead_scoring.model, name text, columns text[]
) RETURNS text
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    x text := split_part(name, '.', 1);
    what text := split_part(name, '.', 2);
    n int := cardinality(model.segments);
    list text := (SELECT string_agg(', ' || x || '.s' || i, '' ORDER BY i) FROM generate_series(1, n) AS i);
    object text;
BEGIN
    CASE what
    WHEN 'segments' THEN
        RETURN coalesce(list, '');
    WHEN 'list' THEN
        RETURN coalesce(substr(list, 3), '');
    WHEN 'elements' THEN
        RETURN (SELECT coalesce(string_agg(format(', %1$s.segments[%2$s] AS s%2$s', x, i), '' ORDER BY i), '')
                  FROM generate_series(1, n) AS i);
    WHEN 'named' THEN
        RETURN (SELECT coalesce(string_agg(format(', %s.s%s AS %I', x, s.place, s.name), '' ORDER BY s.place), '')
                  FROM lead_scoring.segment_names(model.segments, columns) WITH ORDINALITY AS s (name, place));
    WHEN 'sets' THEN
        RETURN CASE WHEN n = 0 THEN '' ELSE format(', (%s), (%s.month%s)', substr(list, 3), x, list) END;
    WHEN 'detail' THEN
        RETURN CASE WHEN n = 0
                    THEN format('CASE GROUPING(%s.month) WHEN 0 THEN ''month'' ELSE ''all'' END', x)
                    ELSE format('CASE GROUPING(%1$s.month, %1$s.s1) WHEN 0 THEN ''month and segments'' WHEN 1 THEN ''month'' WHEN 2 THEN ''segments'' ELSE ''all'' END', x)
               END;
    ELSE
        NULL;
    END CASE;
    CASE name
    WHEN 'open' THEN RETURN '{';
    WHEN 'model' THEN RETURN quote_literal(model.name);
    WHEN 'id' THEN RETURN quote_ident(model.contact_id);
    WHEN 'contact' THEN RETURN lead_scoring.contacts_of(model.name);
    WHEN 'zone' THEN
        RETURN format('(SELECT m.time_zone FROM lead_scoring.model AS m WHERE m.name = %L)', model.name);
    WHEN 'first stage' THEN
        RETURN format('(SELECT s.name FROM lead_scoring.stage AS s WHERE s.model = %L ORDER BY s.position LIMIT 1)',
                      model.name);
    ELSE
        SELECT o.name INTO STRICT object FROM lead_scoring.objects(model.name) AS o WHERE o.suffix = name;
        RETURN object;
    END CASE;
END
$$;
COMMENT ON FUNCTION lead_scoring.report_name(lead_scoring.model, text, text[]) IS
    'What a name in braces stands for in the query of a report with these columns. NULL for a NULL argument.';

CREATE FUNCTION lead_scoring.segment_names(segments name[], columns text[]) RETURNS SETOF name
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN s.name = ANY (columns) THEN 'contact_' || s.name ELSE s.name END::name
      FROM unnest(segments) WITH ORDINALITY AS s (name, place) ORDER BY s.place;
END;
COMMENT ON FUNCTION lead_scoring.segment_names(name[], text[]) IS
    'What the segments are called in a report that has these columns of its own: as the columns of the contacts, with contact_ before it where the report has such a column.';

CREATE FUNCTION lead_scoring.report_columns(columns text[]) RETURNS text[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT coalesce(array_agg(columns[i] ORDER BY i), '{}') FROM generate_series(1, cardinality(columns), 2) AS i;
END;
COMMENT ON FUNCTION lead_scoring.report_columns(text[]) IS
    'Every other one: the names of columns that stand before their comments.';

-- The parts come first, as they have names in braces too. Then each name is replaced
-- once: what it stands for is the user's, and never looked at again.
CREATE FUNCTION lead_scoring.report_query(model text, report lead_scoring.report) RETURNS text
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    m lead_scoring.model;
    query text := report.query;
    columns text[] := lead_scoring.report_columns(report.columns);
    part text;
    writer name;
    texts text[];
    names text[];
    meanings jsonb;
    written text;
BEGIN
    SELECT * INTO STRICT m FROM lead_scoring.model AS r WHERE r.name = model;
    FOR part, writer IN
        VALUES ('{people}', 'people_sql'), ('{everyone}', 'everyone_sql'), ('{deals source}', 'deals_sql'), ('{milestones}', 'milestones_sql'),
               ('{state then}', 'state_then_sql'), ('{by hand}', 'by_hand_then_sql')
    LOOP
        CONTINUE WHEN strpos(query, part) = 0;
        EXECUTE format('SELECT lead_scoring.%I($1)', writer) INTO STRICT written USING model;
        query := replace(query, part, written);
    END LOOP;
    texts := regexp_split_to_array(query, '\{[^{}]*\}');
    names := ARRAY(SELECT t.token[1] FROM regexp_matches(query, '\{([^{}]*)\}', 'g') AS t (token));
    meanings := (SELECT jsonb_object_agg(n.name, lead_scoring.report_name(m, n.name, columns))
                   FROM (SELECT DISTINCT unnest(names)) AS n (name));
    written := '';
    FOR i IN 1 .. cardinality(texts) LOOP
        written := written || texts[i];
        IF i <= cardinality(names) THEN
            written := written || (meanings ->> names[i]);
        END IF;
    END LOOP;
    IF written IS NULL THEN
        RAISE EXCEPTION 'a name in the query of report "%" stands for nothing', report.suffix
            USING ERRCODE = 'internal_error';
    END IF;
    RETURN btrim(written, E'\n');
END
$$;
COMMENT ON FUNCTION lead_scoring.report_query(text, lead_scoring.report) IS
    'The query of a report for a model. NULL for a NULL argument.';

CREATE FUNCTION lead_scoring.report_view_sql(model text, report lead_scoring.report) RETURNS text
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    target text;
    columns text[] := lead_scoring.report_columns(report.columns);
BEGIN
    SELECT o.name INTO STRICT target FROM lead_scoring.objects(model) AS o WHERE o.suffix = report.suffix;
    RETURN format(E'\nCREATE OR REPLACE VIEW %s WITH (security_invoker = true) AS\n%s;\n',
                  target, lead_scoring.report_query(model, report))
        || format(E'COMMENT ON VIEW %s IS %L;\n', target, report.about)
        || (SELECT string_agg(format(E'COMMENT ON COLUMN %s.%I IS %L;\n', target, columns[i], report.columns[2 * i]), '')
              FROM generate_series(1, cardinality(columns)) AS i)
        || coalesce((SELECT string_agg(format(E'COMMENT ON COLUMN %s.%I IS %L;\n', target, s.name,
                                              format('Column %I of the contact, as text. NULL: it is null there, or no column by now.', s.segment)), '')
                       FROM ROWS FROM (lead_scoring.segment_names(m.segments, columns), unnest(m.segments)) AS s (name, segment)), '')
      FROM lead_scoring.model AS m WHERE m.name = model;
END
$$;
COMMENT ON FUNCTION lead_scoring.report_view_sql(text, lead_scoring.report) IS
    'The SQL that makes a report a view of the model. NULL for a NULL argument.';

-- Is a relation of that name one of ours? Those depend on what the extension has.
CREATE FUNCTION lead_scoring.is_report(target text) RETURNS boolean
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT EXISTS (SELECT
                     FROM pg_rewrite AS r
                     JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
                     LEFT JOIN pg_proc AS p ON d.refclassid = 'pg_proc'::regclass AND p.oid = d.refobjid
                     LEFT JOIN pg_class AS c ON d.refclassid = 'pg_class'::regclass AND c.oid = d.refobjid
                    WHERE r.ev_class = to_regclass(target)
                      AND coalesce(p.pronamespace, c.relnamespace) = 'lead_scoring'::regnamespace);
END;
COMMENT ON FUNCTION lead_scoring.is_report(text) IS
    'Is the relation of that name a view that depends on this extension? NULL for a NULL name.';

-- A view takes new columns at its end only. Where others are to go, all reports are made
-- anew, with the grants that they had.
CREATE FUNCTION lead_scoring.old_reports_sql(model text, OUT drops text, OUT grants text)
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    report lead_scoring.report;
    segments name[] := (SELECT m.segments FROM lead_scoring.model AS m WHERE m.name = model);
    target text;
    columns text[];
    present text[];
    stays boolean := true;
BEGIN
    FOR report IN SELECT * FROM lead_scoring.reports() LOOP
        SELECT o.name INTO STRICT target FROM lead_scoring.objects(model) AS o WHERE o.suffix = report.suffix;
        CONTINUE WHEN to_regclass(target) IS NULL;
        IF NOT lead_scoring.is_report(target) THEN
            RAISE EXCEPTION 'relation % is there already, and no report of model "%"', target, model
                USING ERRCODE = 'duplicate_table',
                      HINT = 'Give it another name, or the model: activate() makes a view of that name.';
        END IF;
        columns := lead_scoring.report_columns(report.columns);
        columns := columns || ARRAY(SELECT lead_scoring.segment_names(segments, columns)::text);
        present := ARRAY(SELECT a.attname FROM pg_attribute AS a
                          WHERE a.attrelid = to_regclass(target) AND a.attnum > 0 ORDER BY a.attnum);
        stays := stays AND columns[1:cardinality(present)] = present;
        drops := format(E'DROP VIEW %s;\n', target) || coalesce(drops, '');
        grants := concat(grants, (
            SELECT string_agg(format(E'GRANT %s ON %s TO %s%s;\n', a.privilege_type, target,
                                     CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
                                     CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), '')
              FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
             WHERE c.oid = to_regclass(target) AND a.grantee <> c.relowner));
    END LOOP;
    IF stays THEN
        drops := NULL;
        grants := NULL;
    END IF;
END
$$;
COMMENT ON FUNCTION lead_scoring.old_reports_sql(text) IS
    'The SQL that drops the report views of the model, and that which grants what was granted on them, where they cannot be replaced. NULL: they can be.';

CREATE FUNCTION lead_scoring.reports_sql(model text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT concat(old.drops,
                  (SELECT string_agg(lead_scoring.report_view_sql(reports_sql.model, r), '')
                     FROM lead_scoring.reports() AS r),
                  old.grants)
      FROM lead_scoring.old_reports_sql(reports_sql.model) AS old;
END;
COMMENT ON FUNCTION lead_scoring.reports_sql(text) IS
    'The SQL of the model''s report views. NULL for a NULL name.';
