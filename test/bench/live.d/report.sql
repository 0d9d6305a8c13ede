-- The figures, against the targets.

\pset border 1
\pset footer off
\pset linestyle unicode
\pset null ''

BEGIN;

CREATE FUNCTION pg_temp.show(number float8) RETURNS text
LANGUAGE sql IMMUTABLE AS $$ SELECT to_char(number, 'FM999,990.000') $$;

-- least(what, side): seconds, of all runs.
CREATE FUNCTION pg_temp.least(what text, side text) RETURNS float8
LANGUAGE sql STABLE AS $$
    SELECT min(r.seconds) FROM bench.run AS r WHERE r.what = $1 AND r.side = $2
$$;

\echo
\echo 'Least of' :runs 'runs. hot, single, column, behind: milliseconds a transaction; else seconds.'
SELECT what, side, pg_temp.show(min(seconds) * CASE WHEN unit.is_short THEN 1000 ELSE 1 END) AS least,
       pg_temp.show(percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) * CASE WHEN unit.is_short THEN 1000 ELSE 1 END)
           AS median,
       CASE WHEN unit.is_short THEN to_char(1 / min(seconds), 'FM999,999') END AS "a second"
FROM bench.run
CROSS JOIN LATERAL (SELECT what IN ('hot', 'single', 'column', 'behind') AS is_short) AS unit
GROUP BY what, side, unit.is_short
ORDER BY what, side;

SELECT f.what,
       pg_temp.show(number) AS figure,
       target,
       CASE WHEN number IS NULL THEN ''
            WHEN CASE WHEN target LIKE '>=%' THEN number >= bound ELSE number <= bound END THEN 'met'
            ELSE 'MISSED' END AS " "
FROM (VALUES
    (1, 'hot contact: live : bare, throughput',
        pg_temp.least('hot', 'bare_events') / pg_temp.least('hot', 'events'), '>= 0.80'),
    (2, 'one INSERT ... SELECT: live : foreign key',
        pg_temp.least('bulk', 'events') / pg_temp.least('bulk', 'fk_events'), '<= 0.85'),
    (3, 'single rows, durable: live : bare, throughput',
        pg_temp.least('single', 'bare_events') / pg_temp.least('single', 'events'), '>= 0.60'),
    (4, 'column of no rule, durable: live : bare',
        pg_temp.least('column', 'contacts') / pg_temp.least('column', 'bare_contacts'), '<= 1.10'),
    (5, 'column of no rule, bulk: live : bare',
        pg_temp.least('columns', 'contacts') / pg_temp.least('columns', 'bare_contacts'), '<= 1.25'),
    (6, 'refresh of 1 % : rescore',
        pg_temp.least('refresh', 'due') / pg_temp.least('refresh', 'rescore'), '<= 0.05'),
    (7, 'refresh with nobody due, ms',
        1000 * pg_temp.least('refresh', 'nobody'), '<= 5'),
    (8, 'rescore, nothing changed : count, max',
        pg_temp.least('rescore', 'unchanged') / pg_temp.least('aggregate', 'count, max'), '<= 3'),
    (9, 'rescore, every row changed : count, max',
        pg_temp.least('rescore', 'changed') / pg_temp.least('aggregate', 'count, max'), '<= 5'),
    (10, 'event of a contact with many : with ten',
        pg_temp.least('behind', '1') / pg_temp.least('behind', '2'), '<= 2')) AS f (n, what, number, target)
CROSS JOIN LATERAL (SELECT substring(target FROM '[\d.]+')::float8 AS bound) AS b
ORDER BY n;

COMMIT;
