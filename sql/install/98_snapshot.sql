-- The scores of each day, for trends; and who may read the views.

CREATE FUNCTION lead_scoring.snapshot_sql(model text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT lead_scoring.report_query(snapshot_sql.model, ROW('', '', '{}', $sql$
INSERT INTO {score_daily} AS d (day, contact_id, fit, engagement, intent, total, band, stage)
SELECT (lead_scoring.as_of() AT TIME ZONE {zone})::date,
    s.contact_id, s.fit, s.engagement, s.intent, s.total, s.band, s.stage
FROM {people} AS p
JOIN {scored} AS s ON s.contact_id = p.contact_id
WHERE s.total IS NOT NULL
ORDER BY s.contact_id
ON CONFLICT (contact_id, day) DO UPDATE
SET fit = excluded.fit, engagement = excluded.engagement, intent = excluded.intent,
    total = excluded.total, band = excluded.band, stage = excluded.stage
WHERE (d.fit, d.engagement, d.intent, d.total, d.band, d.stage)
    IS DISTINCT FROM (excluded.fit, excluded.engagement, excluded.intent, excluded.total,
                      excluded.band, excluded.stage)
$sql$)::lead_scoring.report);
END;
COMMENT ON FUNCTION lead_scoring.snapshot_sql(text) IS
    'The statement of snapshot(). NULL for a NULL name.';

CREATE FUNCTION lead_scoring.snapshot(model text) RETURNS bigint
    AS 'MODULE_PATHNAME', 'ls_sql_snapshot'
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION lead_scoring.snapshot(text) IS
    'Keeps the scores of the day, in the time zone of the model, in <model>_score_daily, and gives the number of contacts written. Of a day there is one row a contact, the latest. With lead_scoring.as_of set, of that moment: so days in the past can be filled in. NULL for a NULL name.';

CREATE FUNCTION lead_scoring.reader_grants(model text, reader name) RETURNS SETOF text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format('GRANT SELECT ON %s TO %I;', string_agg(DISTINCT r.name, ', ' ORDER BY r.name), reader)
      FROM (SELECT o.name FROM lead_scoring.objects(reader_grants.model) AS o
            UNION ALL
            SELECT lead_scoring.contacts_of(reader_grants.model)::text
            UNION ALL
            SELECT s.relation FROM lead_scoring.event_source AS s WHERE s.model = reader_grants.model
            UNION ALL
            SELECT l.relation FROM lead_scoring.lookup AS l WHERE l.model = reader_grants.model
            UNION ALL
            SELECT d.relation FROM lead_scoring.deal_source AS d WHERE d.model = reader_grants.model) AS r
    HAVING count(*) FILTER (WHERE r.name IS NULL) = 0;
END;
COMMENT ON FUNCTION lead_scoring.reader_grants(text, name) IS
    'The statements that let a role read the model''s views, for \gexec: they read as whoever asks. USAGE on the schemas comes on top. NULL arguments give no rows.';
