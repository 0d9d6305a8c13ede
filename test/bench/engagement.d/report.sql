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

-- least(model, name): of all runs, in microseconds an event or a state.
CREATE FUNCTION pg_temp.least(model text, name text) RETURNS float8
LANGUAGE sql STABLE AS $$
    SELECT 1e6 * min(r.seconds) / max(q.per)
    FROM bench.query AS q JOIN bench.run AS r USING (model, name)
    WHERE q.model = $1 AND starts_with(q.name, $2) AND q.workers = 0
$$;

\echo
\echo 'Microseconds an event: least of' :runs 'runs, one process. Same scores on both sides.'
SELECT CASE model WHEN 'eight' THEN 8 ELSE 100 END AS rules,
       to_char(max(q.per), 'FM9,999,999') AS events,
       pg_temp.show(pg_temp.least(model, 'bare')) AS "count, max",
       pg_temp.show(pg_temp.least(model, 'row')) AS "with whole rows",
       pg_temp.show(pg_temp.least(model, 'FILTER')) AS "FILTER, best",
       pg_temp.show(pg_temp.least(model, 'FILTER, jit')) AS "with JIT",
       pg_temp.show(pg_temp.least(model, 'engagement_agg')) AS engagement_agg
FROM bench.query AS q
WHERE model <> 'state'
GROUP BY model
ORDER BY model;

WITH figure AS (
    SELECT pg_temp.least('eight', 'bare') AS bare,
           pg_temp.least('eight', 'engagement_agg') AS eight,
           pg_temp.least('eight', 'FILTER') AS eight_filter,
           pg_temp.least('hundred', 'engagement_agg') AS hundred,
           pg_temp.least('hundred', 'FILTER') AS hundred_filter,
           (SELECT 1e6 * min(r.seconds) / max(q.per)
              FROM bench.query AS q JOIN bench.run AS r USING (model, name)
             WHERE q.workers = 2) AS parallel,
           1000 * (pg_temp.least('state', 'read') - pg_temp.least('state', 'no read')) AS reading,
           1000 * (pg_temp.least('state', 'merge') - pg_temp.least('state', 'no merge')) AS merging,
           (SELECT avg(pg_column_size(state)) FROM bench.state) AS size
)
SELECT what,
       pg_temp.show(number) AS figure,
       target,
       pg_temp.verdict(CASE WHEN target LIKE '>=%' THEN number >= substring(target FROM '[\d.]+')::float8
                            ELSE number <= substring(target FROM '[\d.]+')::float8 END) AS " "
FROM figure
CROSS JOIN LATERAL (VALUES
    (1, 'engagement_agg : count and max', eight / bare, '<= 1.4'),
    (2, 'FILTER : engagement_agg, 8 rules', eight_filter / eight, '>= 1.25'),
    (3, 'FILTER : engagement_agg, 100 rules', hundred_filter / hundred, '>= 10'),
    (4, 'no workers : 2 workers', eight / parallel, '>= 1.6'),
    (5, 'reading a score off a state, ns', reading, '<= 300'),
    (6, 'merging two states, ns', merging, '<= 500'),
    (7, 'size of a state, bytes on average', size, '<= 200')) AS f (n, what, number, target)
ORDER BY n;

COMMIT;
