-- The figures, against the targets.

\pset border 1
\pset footer off
\pset linestyle unicode

CREATE VIEW bench.least AS
SELECT q.rules, q.name, q.rows, 1e6 * min(r.seconds) / q.rows AS us, min(r.result) AS result
FROM bench.query AS q JOIN bench.run AS r USING (rules, name)
GROUP BY q.rules, q.name, q.rows;

CREATE FUNCTION bench.show(us float8) RETURNS text
LANGUAGE sql IMMUTABLE AS $$ SELECT to_char(us, 'FM990.00') $$;

\echo
\echo 'Microseconds a row, one process, least of' :runs 'runs; the same score on every row'
SELECT rules,
       max(rows) AS rows,
       max(result) AS sum,
       bench.show(max(us) FILTER (WHERE name = 'CASE int')) AS "CASE int",
       bench.show(max(us) FILTER (WHERE name = 'CASE int, jit')) AS "with JIT",
       bench.show(max(us) FILTER (WHERE name = 'CASE float8')) AS "CASE float8",
       bench.show(max(us) FILTER (WHERE name = 'CASE float8, jit')) AS "with JIT",
       bench.show(max(us) FILTER (WHERE name = 'fit_score')) AS "fit_score",
       to_char(s.ratio, 'FM990.0') || ' x' AS "faster by",
       t.target || ' x' AS target,
       CASE WHEN s.ratio >= t.target THEN 'met' ELSE 'MISSED' END AS " "
FROM bench.least
JOIN (VALUES (10, 3), (100, 20), (1000, 100)) AS t (rules, target) USING (rules)
JOIN (SELECT rules, min(us) FILTER (WHERE name LIKE 'CASE%') /
                    min(us) FILTER (WHERE name = 'fit_score') AS ratio
      FROM bench.least GROUP BY rules) AS s USING (rules)
GROUP BY rules, s.ratio, t.target
ORDER BY rules;

\echo 'For scale, of the same rows'
SELECT bench.show(max(us) FILTER (WHERE name = 'scan')) AS "bare scan of two columns",
       bench.show(max(us) FILTER (WHERE name = 'call')) AS "C call that takes the row, does nothing"
FROM bench.least
WHERE rules = 0;
