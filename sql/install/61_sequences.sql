-- Numbers of rows, after a crash.

-- Where wal_level is minimal, what the transaction that makes a table takes from its
-- sequence is not logged, nor are the next numbers: after a crash they would come
-- again. setval() has the next one logged.
CREATE FUNCTION lead_scoring.sequences_sql(model text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT string_agg(format('SELECT pg_catalog.setval(%1$L, pg_catalog.nextval(%1$L));', s.name), E'\n')
      FROM lead_scoring.objects(sequences_sql.model) AS o
     CROSS JOIN LATERAL (SELECT CASE WHEN o.suffix IN ('queue', 'stage_history', 'score_history',
                                                       'outbox', 'adjustment')
                              THEN pg_get_serial_sequence(o.name, 'id') END AS name) AS s
     WHERE s.name IS NOT NULL;
END;
COMMENT ON FUNCTION lead_scoring.sequences_sql(text) IS
    'The SQL that makes the numbers of the model''s tables safe against a crash after the transaction that made them. NULL for a NULL name.';
