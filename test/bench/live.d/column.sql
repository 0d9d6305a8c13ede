-- A column that no rule uses, of a sixth of the contacts in one statement.

CREATE PROCEDURE bench.update_column(runs int) LANGUAGE plpgsql AS $$
DECLARE
    side text;
    begun timestamptz;
BEGIN
    FOR round IN 1 .. runs LOOP
        FOREACH side IN ARRAY '{bare_contacts, contacts}'::text[] LOOP
            begun := clock_timestamp();
            EXECUTE format('UPDATE bench.%I SET note = %L WHERE id %% 6 = %s', side, round, round % 6);
            COMMIT;
            INSERT INTO bench.run
            VALUES ('columns', side, extract(epoch FROM clock_timestamp() - begun));
            COMMIT;
        END LOOP;
    END LOOP;
END
$$;
VACUUM bench.contacts, bench.bare_contacts;
CHECKPOINT;
CALL bench.update_column(:runs);
