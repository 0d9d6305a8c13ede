-- Times every query, one after another, :runs times over, in one process, and
-- prints the least time of each. A whole round takes long, so that what else the
-- machine does at a time hits all of them.

SET max_parallel_workers_per_gather = 0;

-- case_sum(rules, type): one CASE for each rule, added up: what analysts write.
CREATE FUNCTION bench.case_sum(rules int, type text) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT string_agg(format('CASE WHEN %s THEN %s%s ELSE 0 END', condition, points, type),
                      ' + ' ORDER BY n)
    FROM bench.rule WHERE n < rules
$$;

CREATE FUNCTION bench.fit_score(rules int) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT format('lead_scoring.fit_score(c, %L)', 'fit' || rules)
$$;

-- What is timed. With jit: as PostgreSQL decides; without: jit = off.
CREATE TABLE bench.query (
    name  text,
    rules int, -- 0: for scale
    jit   boolean,
    rows  bigint,
    sql   text,
    PRIMARY KEY (name, rules)
);
CREATE TABLE bench.run (name text, rules int, seconds float8, result float8);

INSERT INTO bench.query
SELECT name, rules, jit, n_rows, format('SELECT sum(%s) FROM %s AS c', expression, contacts)
FROM (VALUES (10, 'bench.contacts', :rows), (100, 'bench.contacts', :rows),
             (1000, 'bench.some_contacts', :some)) AS m (rules, contacts, n_rows)
CROSS JOIN LATERAL (VALUES
    ('fit_score', true, bench.fit_score(rules)),
    ('CASE int', false, bench.case_sum(rules, '')),
    ('CASE int, jit', true, bench.case_sum(rules, '')),
    ('CASE float8', false, bench.case_sum(rules, '::float8')),
    ('CASE float8, jit', true, bench.case_sum(rules, '::float8'))
) AS q (name, jit, expression)
UNION ALL
SELECT name, 0, true, :rows, sql || ' FROM bench.contacts AS c'
FROM (VALUES ('scan', 'SELECT sum(company_size) + count(title)'),
             ('call', 'SELECT sum(pg_column_size(c))')) AS q (name, sql);

-- measure(query, jit): its one number, and how long it took. JIT compiles once
-- a query, however many the rows: for CASE that is left out, and with it the
-- number.
CREATE FUNCTION bench.measure(query text, jit boolean, OUT seconds float8, OUT result float8)
LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz;
    plan json;
BEGIN
    PERFORM set_config('jit', jit::text, true);
    IF jit AND query LIKE '%CASE%' THEN
        EXECUTE 'EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) ' || query INTO plan;
        seconds := ((plan->0->>'Execution Time')::float8 -
                    coalesce((plan#>>'{0,JIT,Timing,Total}')::float8, 0)) / 1000;
    ELSE
        started := clock_timestamp();
        EXECUTE query INTO result;
        seconds := extract(epoch FROM clock_timestamp() - started);
    END IF;
END
$$;

-- check_rows(rules): fit_score and CASE agree on every contact.
CREATE FUNCTION bench.check_rows(rules int) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    differ bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM %s AS c WHERE %s IS DISTINCT FROM (%s)',
                   CASE WHEN rules < 1000 THEN 'bench.contacts' ELSE 'bench.some_contacts' END,
                   bench.fit_score(rules), bench.case_sum(rules, '::float8'))
    INTO differ;
    IF differ > 0 THEN
        RAISE EXCEPTION 'with % rules fit_score and CASE differ on % contacts', rules, differ;
    END IF;
END
$$;

DO $$
BEGIN
    PERFORM bench.check_rows(rules) FROM (VALUES (10), (100), (1000)) AS m (rules);
END
$$;

SELECT set_config('bench.runs', :'runs', false) \g /dev/null
DO $$
BEGIN
    FOR i IN 1 .. current_setting('bench.runs')::int LOOP
        INSERT INTO bench.run
        SELECT q.name, q.rules, m.*
        FROM bench.query AS q CROSS JOIN LATERAL bench.measure(q.sql, q.jit) AS m;
    END LOOP;
    IF EXISTS (SELECT FROM bench.run WHERE rules > 0
               GROUP BY rules HAVING count(DISTINCT result) > 1) THEN
        RAISE EXCEPTION 'fit_score and CASE give different sums';
    END IF;
END
$$;
