-- :events events of the contacts in two years, in bench.events, in the order of
-- time. The same on every machine: everything is picked by a hash of the row's
-- number.

BEGIN;

-- part(row, what): a number from 0 to below 1, another for each `what`.
CREATE FUNCTION bench.part(number bigint, what int) RETURNS float8
LANGUAGE sql IMMUTABLE AS $$
    SELECT (hashint8extended(number, what) & 1073741823) / 1073741824.0::float8
$$;

CREATE TABLE bench.events (
    contact_id  bigint,
    occurred_at timestamptz,
    type        text,
    page        text
);

-- A few contacts do much, most do little, and more happens of late.
INSERT INTO bench.events
SELECT 1 + floor(:rows * power(bench.part(n, 1), 1.3))::bigint,
       now() - floor(63072000 * power(bench.part(n, 5), 1.5)) * interval '1 second' AS at,
       kind.type,
       CASE kind.type
           WHEN 'page' THEN CASE
               WHEN bench.part(n, 2) < 0.15 THEN '/product'
               WHEN bench.part(n, 2) < 0.27 THEN '/pricing'
               WHEN bench.part(n, 2) < 0.34 THEN '/compare'
               ELSE '/blog/' || floor(60 * bench.part(n, 3)) END
           WHEN 'form' THEN CASE WHEN bench.part(n, 2) < 0.2 THEN 'demo' ELSE 'newsletter' END
           ELSE 'mail ' || floor(20 * bench.part(n, 3))
       END
FROM generate_series(1, :events) AS n
CROSS JOIN LATERAL (
    SELECT CASE WHEN bench.part(n, 6) < 0.50 THEN 'page'
                WHEN bench.part(n, 6) < 0.80 THEN 'sent'
                WHEN bench.part(n, 6) < 0.96 THEN 'opened'
                ELSE 'form' END AS type
) AS kind
ORDER BY at;
CREATE INDEX ON bench.events (contact_id);

COMMIT;

VACUUM (FREEZE, ANALYZE) bench.events;
