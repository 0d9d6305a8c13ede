-- Many events in one statement, each time by all sides in turn.

CREATE PROCEDURE bench.insert_bulk(runs int) LANGUAGE plpgsql AS $$
DECLARE
    side text;
    begun timestamptz;
BEGIN
    FOR round IN 1 .. runs LOOP
        FOREACH side IN ARRAY '{bare_events, fk_events, events}'::text[] LOOP
            begun := clock_timestamp();
            EXECUTE format('INSERT INTO bench.%I (contact_id, occurred_at, type, page, value)
                            SELECT contact_id, now(), type, page, value FROM bench.more ORDER BY id', side);
            COMMIT;
            INSERT INTO bench.run
            VALUES ('bulk', side, extract(epoch FROM clock_timestamp() - begun));
            COMMIT;
        END LOOP;
    END LOOP;
END
$$;
CHECKPOINT;
CALL bench.insert_bulk(:runs);
