-- Everyone, where nothing changed and where every row does.

SET max_parallel_workers_per_gather = 0;
SET work_mem = '1GB'; -- no group is written to disk

-- What was inserted so far may leave scores due; all sides have the same events.
CALL lead_scoring.rescore('live');
VACUUM ANALYZE bench.live_score, bench.events;
SELECT count(*) FROM bench.events \g /dev/null

CREATE PROCEDURE bench.rescore(runs int) LANGUAGE plpgsql AS $$
DECLARE
    begun timestamptz;
BEGIN
    FOR round IN 1 .. runs LOOP
        begun := clock_timestamp();
        PERFORM sum(n) + count(m)
           FROM (SELECT count(*) AS n, max(occurred_at) AS m FROM bench.events GROUP BY contact_id) AS s;
        INSERT INTO bench.run
        VALUES ('aggregate', 'count, max', extract(epoch FROM clock_timestamp() - begun));
        begun := clock_timestamp();
        PERFORM sum(lead_scoring.engagement_score(state, now()))
           FROM (SELECT lead_scoring.engagement_agg(e, 'live', 'events', now()) AS state
                   FROM bench.events AS e GROUP BY contact_id) AS s;
        INSERT INTO bench.run
        VALUES ('aggregate', 'engagement_agg', extract(epoch FROM clock_timestamp() - begun));
        COMMIT;
        begun := clock_timestamp();
        CALL lead_scoring.rescore('live');
        INSERT INTO bench.run
        VALUES ('rescore', 'unchanged', extract(epoch FROM clock_timestamp() - begun));
        COMMIT;
        UPDATE lead_scoring.engagement_rule SET points = points + 1
         WHERE model = 'live' AND name IN ('Pricing page', 'Silent for 60 days', 'Opens mails');
        COMMIT;
        begun := clock_timestamp();
        CALL lead_scoring.rescore('live');
        INSERT INTO bench.run
        VALUES ('rescore', 'changed', extract(epoch FROM clock_timestamp() - begun));
        COMMIT;
    END LOOP;
END
$$;
CALL bench.rescore(:runs);
VACUUM ANALYZE bench.live_score;
