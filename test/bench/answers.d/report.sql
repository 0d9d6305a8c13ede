-- The figures, against the targets.

\pset border 1
\pset footer off
\pset linestyle unicode
\pset null ''

BEGIN;

CREATE FUNCTION pg_temp.verdict(met boolean) RETURNS text
LANGUAGE sql IMMUTABLE AS $$ SELECT CASE WHEN met THEN 'met' ELSE 'MISSED' END $$;

-- least(model, name): of all runs, in milliseconds a call.
CREATE FUNCTION pg_temp.least(model text, name text) RETURNS float8
LANGUAGE sql STABLE AS $$
    SELECT 1e3 * min(r.seconds) FROM bench.run AS r WHERE r.model = $1 AND r.name = $2
$$;

\echo
\echo 'Milliseconds a query: least of' :runs 'runs, one process,' :rows 'contacts,' :events 'events.'
SELECT q.name AS query,
       to_char(pg_temp.least('still', q.name), 'FM999,990.000') AS "still",
       to_char(pg_temp.least('fading', q.name), 'FM999,990.000') AS fading
FROM (SELECT DISTINCT name FROM bench.query) AS q
ORDER BY pg_temp.least('still', q.name) DESC;

SELECT f.what,
       m.model,
       to_char(f.number, 'FM999,990.000') AS figure,
       f.target,
       pg_temp.verdict(f.number <= substring(f.target FROM '[\d.]+')::float8) AS " "
FROM unnest('{still,fading}'::text[]) AS m (model)
CROSS JOIN LATERAL (VALUES
    (1, 'view : join', pg_temp.least(model, 'view') / pg_temp.least(model, 'join'), '<= 2'),
    (2, 'view, top 50 : view, delivered',
        pg_temp.least(model, 'view, top 50, delivered') / pg_temp.least(model, 'view, delivered'), '<= 1'),
    (3, 'score, top 50, ms', pg_temp.least(model, 'score, top 50'), '< 10'),
    (4, 'one contact of the view, ms', pg_temp.least(model, 'one contact'), '< 1'),
    (5, 'explain, ms', pg_temp.least(model, 'explain'), '< 1'),
    (6, 'rule_stats : scoring pass', pg_temp.least(model, 'rule_stats') / pg_temp.least(model, 'scoring pass'), '<= 3')
) AS f (n, what, number, target)
WHERE f.number IS NOT NULL
ORDER BY f.n, m.model DESC;

COMMIT;
