-- :rows events of about :contacts contacts in two years, in bench.events, in the
-- order of time; those of the first tenth of the contacts in bench.some_events.
-- The same on every machine: everything is picked by a hash of the row's number.

BEGIN;

CREATE SCHEMA bench;

-- part(row, what): a number from 0 to below 1, another for each `what`.
CREATE FUNCTION bench.part(number bigint, what int) RETURNS float8
LANGUAGE sql IMMUTABLE AS $$
    SELECT (hashint8extended(number, what) & 1073741823) / 1073741824.0::float8
$$;

CREATE TABLE bench.events (
    id          bigint,
    contact_id  int,
    occurred_at timestamptz,
    type        text,
    page        text,
    value       float8
);

-- A few contacts do much, most do little, and more happens of late.
INSERT INTO bench.events
SELECT row_number() OVER (ORDER BY happened.at, n),
       1 + floor(:contacts * power(bench.part(n, 1), 1.3))::int,
       happened.at,
       kind.type,
       CASE kind.type
           WHEN 'page_view' THEN CASE
               WHEN bench.part(n, 2) < 0.15 THEN '/'
               WHEN bench.part(n, 2) < 0.27 THEN '/product'
               WHEN bench.part(n, 2) < 0.34 THEN '/pricing'
               WHEN bench.part(n, 2) < 0.38 THEN '/compare'
               ELSE '/blog/' || floor(60 * bench.part(n, 3)) END
           WHEN 'email_open' THEN 'mail ' || floor(20 * bench.part(n, 3))
           WHEN 'surge' THEN 'topic ' || floor(20 * bench.part(n, 3))
       END,
       CASE kind.type
           WHEN 'surge' THEN 20 + floor(80 * bench.part(n, 4))
           WHEN 'webinar' THEN 1 + floor(60 * bench.part(n, 4)) END
FROM generate_series(1, :rows) AS n
CROSS JOIN LATERAL (
    SELECT timestamptz '2026-01-01 00:00:00+00'
         - floor(63072000 * power(bench.part(n, 5), 1.5)) * interval '1 second' AS at
) AS happened
CROSS JOIN LATERAL (
    SELECT CASE WHEN bench.part(n, 6) < 0.70 THEN 'page_view'
                WHEN bench.part(n, 6) < 0.86 THEN 'email_open'
                WHEN bench.part(n, 6) < 0.90 THEN 'email_click'
                WHEN bench.part(n, 6) < 0.94 THEN 'surge'
                WHEN bench.part(n, 6) < 0.97 THEN 'download'
                WHEN bench.part(n, 6) < 0.99 THEN 'webinar'
                ELSE 'demo_form' END AS type
) AS kind
ORDER BY 1;

CREATE TABLE bench.some_events AS
SELECT * FROM bench.events WHERE contact_id <= :contacts / 10 ORDER BY id;

CREATE TABLE bench.contacts AS SELECT generate_series(1, :contacts) AS id;
ALTER TABLE bench.contacts ADD PRIMARY KEY (id);

COMMIT;

VACUUM ANALYZE bench.events, bench.some_events, bench.contacts;
