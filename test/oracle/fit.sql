-- What test/oracle/fit needs in its database: types, a place for conditions and
-- results, and the oracle itself, which is plain SQL.
SET client_min_messages = warning;

CREATE SCHEMA oracle;
GRANT USAGE ON SCHEMA oracle TO PUBLIC;

CREATE TYPE oracle.mood AS ENUM ('cold', 'Warm', 'hot', 'o''clock');
CREATE DOMAIN oracle.word AS text CHECK (VALUE <> 'never');
CREATE DOMAIN oracle.count AS int CHECK (VALUE > -1000);
CREATE DOMAIN oracle.flag AS boolean;

-- One row a condition. They go to the model one by one, so that a refusal costs
-- only itself.
CREATE TABLE oracle.staged (
    model text,
    name text,
    group_name text,
    condition text,
    points float8,
    refused text
);

CREATE TABLE oracle.expected (
    model text,
    id int,
    fit float8,
    in_population boolean,
    PRIMARY KEY (model, id)
);

CREATE TABLE oracle.difference (
    model text,
    way text,
    id int,
    expected text,
    got text
);
GRANT ALL ON ALL TABLES IN SCHEMA oracle TO PUBLIC;

CREATE FUNCTION oracle.one_line(condition text) RETURNS text LANGUAGE sql AS $$
    SELECT translate(condition, E'\n\t', '  ')
$$;

CREATE FUNCTION oracle.refusals(the_model text)
RETURNS TABLE (what text, condition text, refused text) LANGUAGE sql AS $$
    SELECT 'refused', oracle.one_line(s.condition), oracle.one_line(s.refused)
      FROM oracle.staged AS s WHERE s.model = the_model AND s.refused IS NOT NULL
$$;

-- To be found by whoever looks names up in the path of the session.
CREATE SCHEMA decoy;
GRANT USAGE ON SCHEMA decoy TO PUBLIC;
CREATE TYPE decoy.mood AS ENUM ('hot', 'cold');
CREATE FUNCTION decoy.lower(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ''decoy''';
CREATE FUNCTION decoy.length(text) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT -1';
CREATE OPERATOR decoy.~~ (FUNCTION = pg_catalog.textnlike, LEFTARG = text, RIGHTARG = text);

-- settings(kind): of the oracle, or such as must not matter.
CREATE FUNCTION oracle.settings(kind text) RETURNS void LANGUAGE sql AS $$
    SELECT pg_catalog.set_config(s.name, CASE WHEN kind OPERATOR(pg_catalog.=) 'plain' THEN s.plain ELSE s.odd END, false)
      FROM (VALUES ('client_min_messages', 'warning', 'warning'),
                   ('TimeZone', 'UTC', 'Pacific/Chatham'),
                   ('DateStyle', 'ISO, MDY', 'SQL, DMY'),
                   ('IntervalStyle', 'postgres', 'sql_standard'),
                   ('extra_float_digits', '1', '-5'),
                   ('bytea_output', 'hex', 'escape'),
                   ('xmlbinary', 'base64', 'hex'),
                   ('transform_null_equals', 'off', 'on'),
                   ('standard_conforming_strings', 'on', 'off'),
                   ('escape_string_warning', 'on', 'off'),
                   ('search_path', 'pg_catalog, oracle, public', 'decoy, pg_catalog'),
                   ('plan_cache_mode', 'auto', 'force_generic_plan')) AS s (name, plain, odd)
$$;

-- write_rules(model): the staged conditions, as rules.
CREATE FUNCTION oracle.write_rules(the_model text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    staged oracle.staged;
    message text;
    hint text;
BEGIN
    FOR staged IN SELECT * FROM oracle.staged AS s WHERE s.model = the_model LOOP
        BEGIN
            INSERT INTO lead_scoring.fit_rule (model, name, group_name, condition, points)
            VALUES (the_model, staged.name, staged.group_name, staged.condition, staged.points);
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
            UPDATE oracle.staged AS s SET refused = format('%s: %s (%s)', SQLSTATE, message, hint)
             WHERE s.model = the_model AND s.name = staged.name;
        END;
    END LOOP;
END
$$;

CREATE FUNCTION oracle.limited(points text, min_points float8, max_points float8) RETURNS text
LANGUAGE sql AS $$
    SELECT format('greatest(%L::float8, least(%L::float8, %s))', min_points, max_points, points)
$$;

-- fit_sql(model): the score as an analyst would write it.
CREATE FUNCTION oracle.fit_sql(the_model text) RETURNS text LANGUAGE sql AS $$
    WITH sums AS (
        SELECT r.group_name,
               string_agg(format(E'CASE WHEN (%s\n) THEN %L::float8 ELSE 0 END', r.condition, r.points), ' + ') AS points
          FROM lead_scoring.fit_rule AS r
         WHERE r.model = the_model AND r.enabled
         GROUP BY r.group_name
    ), limited AS (
        SELECT string_agg(CASE WHEN s.group_name IS NULL THEN s.points
                               ELSE oracle.limited(s.points, g.min_points, g.max_points) END, ' + ')
            || coalesce((SELECT string_agg(' + ' || oracle.limited('0', e.min_points, e.max_points), '')
                           FROM lead_scoring.rule_group AS e
                          WHERE e.model = the_model
                            AND NOT EXISTS (SELECT FROM sums AS o WHERE o.group_name = e.name)), '') AS points
          FROM sums AS s
          LEFT JOIN lead_scoring.rule_group AS g ON g.model = the_model AND g.name = s.group_name
    )
    SELECT format('round((%s) * 1e6) / 1e6', oracle.limited(l.points, m.fit_floor, m.fit_ceiling))
      FROM limited AS l, lead_scoring.model AS m
     WHERE m.name = the_model
$$;

-- expect(model, as_of): what plain SQL gives. The moment is materialised, so
-- that nothing about it is computed before its turn.
CREATE FUNCTION oracle.expect(the_model text, as_of timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM oracle.expected AS e WHERE e.model = the_model;
    EXECUTE format(E'INSERT INTO oracle.expected
        WITH moment AS MATERIALIZED (SELECT %L::timestamptz AS as_of)
        SELECT %L, contact.id, %s, (%s\n) IS TRUE FROM oracle.contacts AS contact, moment',
        as_of, the_model, oracle.fit_sql(the_model),
        (SELECT coalesce(m.population, 'true') FROM lead_scoring.model AS m WHERE m.name = the_model));
END
$$;

-- compare(model, way, query): the id, fit and in_population that the query
-- gives, with what was expected: of all contacts, of those of the child, or of
-- the population, which is all that to_sql gives. The number of comparisons.
CREATE FUNCTION oracle.compare(the_model text, way text, query text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    n int;
BEGIN
    EXECUTE 'CREATE TEMPORARY TABLE got AS ' || query;
    GET DIAGNOSTICS n = ROW_COUNT;
    INSERT INTO oracle.difference
    SELECT the_model, compare.way, coalesce(e.id, g.id), e.fit || ' ' || e.in_population, g.fit || ' ' || g.in_population
      FROM (SELECT * FROM oracle.expected AS x
             WHERE x.model = the_model
               AND (compare.way <> 'to_sql' OR x.in_population)
               AND (compare.way <> 'child' OR x.id IN (SELECT c.id FROM oracle.child AS c))) AS e
      FULL JOIN pg_temp.got AS g ON g.id = e.id
     WHERE (abs(e.fit - g.fit) <= 1.0000001e-6 AND e.in_population = g.in_population) IS NOT TRUE;
    DROP TABLE pg_temp.got;
    RETURN n;
END
$$;

-- any_row(id): rows that have one type here and another there.
CREATE FUNCTION oracle.any_row(the_id int) RETURNS record LANGUAGE plpgsql STABLE AS $$
DECLARE
    found record;
BEGIN
    IF the_id % 2 = 0 THEN
        SELECT * INTO found FROM oracle.contacts AS c WHERE c.id = the_id;
    ELSE
        SELECT * INTO found FROM oracle.seen AS c WHERE c.id = the_id;
    END IF;
    RETURN found;
END
$$;

-- by_sql(query, as_of): what a query of to_sql gives. It was written in the
-- caller's session; it may count on standard strings and on the path of the model.
CREATE FUNCTION oracle.by_sql(query text, as_of timestamptz)
RETURNS TABLE (id int, fit float8, engagement float8, intent float8, total float8) LANGUAGE plpgsql
SET standard_conforming_strings = on SET search_path = pg_catalog, public AS $$
BEGIN
    RETURN QUERY EXECUTE query USING as_of;
END
$$;

-- culprits(model, as_of): a rule that alone gives a difference, and where.
CREATE FUNCTION oracle.culprits(the_model text, as_of timestamptz)
RETURNS TABLE (way text, condition text, id int, expected float8, got float8) LANGUAGE plpgsql AS $$
DECLARE
    rule oracle.staged;
    different boolean;
BEGIN
    PERFORM oracle.settings('plain');
    DELETE FROM lead_scoring.model AS m WHERE m.name = 'single';
    PERFORM lead_scoring.create_model('single', 'oracle.contacts', 'id');
    INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('single', 'r', 'true', 1);
    FOR rule IN SELECT * FROM oracle.staged AS s WHERE s.model = the_model AND s.refused IS NULL LOOP
        UPDATE lead_scoring.fit_rule AS r SET condition = rule.condition WHERE r.model = 'single';
        PERFORM oracle.expect('single', as_of);
        PERFORM oracle.settings('odd');
        RETURN QUERY
            SELECT g.way, rule.condition, e.id, e.fit, g.fit
              FROM oracle.expected AS e
              JOIN (SELECT 'fit_score' AS way, c.id, lead_scoring.fit_score(c, 'single', as_of) AS fit FROM oracle.contacts AS c
                    UNION ALL
                    SELECT 'to_sql', s.id, s.fit FROM oracle.by_sql(lead_scoring.to_sql('single'), as_of) AS s) AS g
                ON g.id = e.id AND g.fit <> e.fit
             WHERE e.model = 'single';
        different = FOUND;
        PERFORM oracle.settings('plain');
        EXIT WHEN different;
    END LOOP;
END
$$;

-- diversity(model, as_of): of how many rows each condition is true.
CREATE FUNCTION oracle.diversity(the_model text, as_of timestamptz) RETURNS SETOF bigint LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE (
        SELECT format('WITH moment AS MATERIALIZED (SELECT %L::timestamptz AS as_of)
            SELECT unnest(ARRAY[%s]) FROM oracle.contacts AS contact, moment', as_of,
            string_agg(format(E'count(*) FILTER (WHERE %s\n)', r.condition), ', '))
          FROM lead_scoring.fit_rule AS r WHERE r.model = the_model);
END
$$;

-- attempt(id, as_of): the score, or the SQLSTATE that it raised.
CREATE FUNCTION oracle.attempt(the_id int, as_of timestamptz) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT lead_scoring.fit_score(c, 'raising', as_of)::text FROM oracle.contacts AS c WHERE c.id = the_id);
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END
$$;

-- expect_or_raise(condition): makes oracle.judge(id, moment), which does the
-- same in plain SQL. A generic plan, else constants would be computed early.
CREATE FUNCTION oracle.expect_or_raise(condition text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(E'CREATE OR REPLACE FUNCTION oracle.judge(the_id int, the_moment timestamptz)
        RETURNS text LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $judge$
        BEGIN
            RETURN (SELECT CASE WHEN (%s\n) THEN 1 ELSE 0 END
                      FROM oracle.contacts AS contact, (SELECT the_moment AS as_of) AS moment
                     WHERE contact.id = the_id);
        EXCEPTION WHEN OTHERS THEN
            RETURN SQLSTATE;
        END
        $judge$', condition);
END
$$;

-- compare_raising(as_of): each staged condition of model raising, by itself.
CREATE FUNCTION oracle.compare_raising(as_of timestamptz)
RETURNS TABLE (conditions int, comparisons int, raised int) LANGUAGE plpgsql AS $$
DECLARE
    staged oracle.staged;
    n int;
    m int;
BEGIN
    conditions = 0;
    comparisons = 0;
    raised = 0;
    FOR staged IN SELECT * FROM oracle.staged AS s WHERE s.model = 'raising' LOOP
        BEGIN
            UPDATE lead_scoring.fit_rule AS r SET condition = staged.condition WHERE r.model = 'raising';
        EXCEPTION WHEN OTHERS THEN
            UPDATE oracle.staged AS s SET refused = format('%s: %s', SQLSTATE, SQLERRM)
             WHERE s.model = 'raising' AND s.name = staged.name;
            CONTINUE;
        END;
        PERFORM oracle.expect_or_raise(staged.condition);
        WITH both_ways AS MATERIALIZED (
            SELECT c.id, oracle.judge(c.id, as_of) AS expected, oracle.attempt(c.id, as_of) AS got
              FROM oracle.contacts AS c
        ), kept AS (
            INSERT INTO oracle.difference
            SELECT 'raising', staged.condition, b.id, b.expected, b.got FROM both_ways AS b
             WHERE b.expected IS DISTINCT FROM b.got
        )
        SELECT count(*), count(*) FILTER (WHERE length(b.expected) = 5) INTO n, m FROM both_ways AS b;
        conditions = conditions + 1;
        comparisons = comparisons + n;
        raised = raised + m;
    END LOOP;
    RETURN NEXT;
END
$$;

-- in_worker(yes): have queries run in a parallel worker, where they may.
CREATE FUNCTION oracle.in_worker(yes boolean) RETURNS void LANGUAGE sql AS $$
    SELECT pg_catalog.set_config(s.name, CASE WHEN yes THEN 'on' ELSE 'off' END, false)
      FROM pg_catalog.pg_settings AS s
     WHERE s.name IN ('force_parallel_mode', 'debug_parallel_query')
$$;
