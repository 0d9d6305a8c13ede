-- All that was measured left every score right.
DO $$
DECLARE
    wrong bigint;
BEGIN
    CALL lead_scoring.refresh('live');
    SELECT count(*) INTO wrong FROM lead_scoring.verify('live');
    IF wrong > 0 THEN
        RAISE EXCEPTION '% scores differ from the facts', wrong;
    END IF;
END
$$;
