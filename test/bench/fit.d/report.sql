-- The figures, against the targets.

\pset border 1
\pset footer off
\pset linestyle unicode
\pset null ''

BEGIN;

CREATE FUNCTION pg_temp.show(number float8) RETURNS text
LANGUAGE sql IMMUTABLE AS $$ SELECT to_char(number, 'FM999,990.00') $$;

CREATE FUNCTION pg_temp.verdict(met boolean) RETURNS text
LANGUAGE sql IMMUTABLE AS $$ SELECT CASE WHEN met THEN 'met' ELSE 'MISSED' END $$;

CREATE TEMP VIEW least_time AS
SELECT q.rules, q.name, q.rows, 1e6 * min(r.seconds) / q.rows AS us, min(r.result) AS result
FROM bench.query AS q JOIN bench.run AS r USING (rules, name)
GROUP BY q.rules, q.name, q.rows;

\echo
\echo 'Microseconds a row: least of' :runs 'runs, one process. Same scores on both sides.'
SELECT rules,
       s.rows,
       s.sum AS "sum of scores",
       pg_temp.show(s.int_off) AS "CASE, int",
       pg_temp.show(s.int_jit) AS "with JIT",
       pg_temp.show(s.float_off) AS "CASE, float8",
       pg_temp.show(s.float_jit) AS "with JIT",
       pg_temp.show(s.fit) AS "fit_score",
       to_char(s.best / s.fit, 'FM990.0') || ' x' AS "faster",
       t.target || ' x' AS "target",
       pg_temp.verdict(s.best / s.fit >= t.target) AS " "
FROM (VALUES (10, 3), (100, 20), (1000, 100)) AS t (rules, target)
JOIN (SELECT rules,
             max(rows) AS rows,
             max(result) AS sum,
             max(us) FILTER (WHERE name = 'CASE int') AS int_off,
             max(us) FILTER (WHERE name = 'CASE int, jit') AS int_jit,
             max(us) FILTER (WHERE name = 'CASE float8') AS float_off,
             max(us) FILTER (WHERE name = 'CASE float8, jit') AS float_jit,
             max(us) FILTER (WHERE name = 'fit_score') AS fit,
             min(us) FILTER (WHERE name LIKE 'CASE%') AS best
      FROM least_time
      GROUP BY rules) AS s USING (rules)
ORDER BY rules;

\echo 'For scale, microseconds a row'
SELECT pg_temp.show(max(us) FILTER (WHERE name = 'scan')) AS "scan, two columns",
       pg_temp.show(max(us) FILTER (WHERE name = 'call')) AS "C call that takes the row, does nothing"
FROM least_time
WHERE rules = 0;

\echo 'Compiling 1,000 rules, milliseconds'
SELECT pg_temp.show(1000 * min(seconds)) AS least,
       pg_temp.show(1000 * percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds)) AS median,
       pg_temp.show(1000 * max(seconds)) AS most,
       '100' AS target,
       pg_temp.verdict(percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) < 0.1) AS " "
FROM bench.compiling;

\echo 'Memory of one process that compiles 1,000 rules, then scores with them; kB'
SELECT to_char(rows, 'FM9,999,999,990') AS "rows scored",
       peak / 1024 AS "peak meanwhile, resident",
       own / 1024 AS "after: private, resident",
       total / 1024 AS "all contexts",
       ours / 1024 AS "lead_scoring''s",
       CASE step WHEN 1 THEN ours / 1000 || ' bytes a rule'
                 WHEN 3 THEN 'no growth: met' END AS " "
FROM bench.memory
ORDER BY step;

COMMIT;
