-- Two more contacts: the first has :heavy events, the second ten.

INSERT INTO bench.events (contact_id, occurred_at, type, page)
SELECT :contacts + CASE WHEN n > 10 THEN 1 ELSE 2 END, now() - (:heavy - n) * interval '1 minute',
       'page_view', (ARRAY['/', '/product', '/pricing'])[1 + n % 3]
FROM generate_series(1, :heavy + 10) AS n;
VACUUM ANALYZE bench.events;
