-- Whoever is due: one contact in a hundred, then nobody.

VACUUM ANALYZE bench.live_score;

CREATE PROCEDURE bench.refresh(runs int) LANGUAGE plpgsql AS $$
DECLARE
    begun timestamptz;
    n bigint;
BEGIN
    FOR round IN 1 .. runs LOOP
        CALL lead_scoring.refresh('live');
        UPDATE bench.live_score SET due_at = clock_timestamp(), scored_at = clock_timestamp() - interval '1 second'
         WHERE contact_id % 100 = round % 100;
        COMMIT;
        begun := clock_timestamp();
        CALL lead_scoring.refresh('live', n);
        INSERT INTO bench.run VALUES ('refresh', 'due', extract(epoch FROM clock_timestamp() - begun));
        RAISE NOTICE '% contacts were due', n;
        COMMIT;
        begun := clock_timestamp();
        CALL lead_scoring.refresh('live', n);
        INSERT INTO bench.run VALUES ('refresh', 'nobody', extract(epoch FROM clock_timestamp() - begun));
        RAISE NOTICE '% contacts were due', n;
        COMMIT;
        begun := clock_timestamp();
        CALL lead_scoring.rescore('live');
        INSERT INTO bench.run VALUES ('refresh', 'rescore', extract(epoch FROM clock_timestamp() - begun));
        COMMIT;
    END LOOP;
END
$$;
CALL bench.refresh(:runs);
