-- Times every query, one after another, :runs times over, in one process, and keeps
-- each time.

SET max_parallel_workers_per_gather = 0;
SET work_mem = '64MB'; -- no join is written to disk, on any side

-- What is timed, and how: `run` or `delivered` as a whole, or `calls`, each of another
-- contact.
CREATE TABLE bench.query (
    name  text,
    model text,
    how   text,
    sql   text,
    PRIMARY KEY (model, name)
);
CREATE TABLE bench.run (name text, model text, seconds float8);

-- Both have the same columns.
CREATE FUNCTION bench.from_view(model text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT format('SELECT contact_id, fit, engagement, intent, total, band, grade, stage,
                          stage_since, last_activity, scored_at FROM bench.%s_scored', model)
$$;
CREATE FUNCTION bench.from_join(model text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT format('SELECT c.id, s.fit, s.engagement, s.intent, s.total, s.band, s.grade, s.stage,
                          s.stage_since, s.last_activity, s.scored_at
                     FROM bench.contacts AS c LEFT JOIN bench.%s_score AS s ON s.contact_id = c.id', model)
$$;

INSERT INTO bench.query
SELECT q.name, m.model, q.how, q.sql
FROM unnest('{still,fading}'::text[]) AS m (model)
CROSS JOIN LATERAL (VALUES
    ('join', 'run', bench.from_join(model)),
    ('view', 'run', bench.from_view(model)),
    ('view, top 50', 'run', bench.from_view(model) || ' ORDER BY total DESC LIMIT 50'),
    ('view, delivered', 'delivered', bench.from_view(model)),
    ('view, top 50, delivered', 'delivered', bench.from_view(model) || ' ORDER BY total DESC LIMIT 50'),
    ('view, reasons', 'run', format('SELECT contact_id, reasons FROM bench.%s_scored', model)),
    ('score, top 50', 'run', format(
        'SELECT contact_id, band, total FROM bench.%s_score ORDER BY band_rank, total DESC LIMIT 50', model)),
    ('one contact', 'calls', format('SELECT total FROM bench.%s_scored WHERE contact_id = $1', model)),
    ('explain', 'calls', format('SELECT sum(points) FROM lead_scoring.explain(%L, $1)', model)),
    ('explain_change', 'calls', format(
        'SELECT sum(points) FROM lead_scoring.explain_change(%L, $1, now() - interval ''30 days'', now())', model)),
    ('what_next', 'calls', format('SELECT count(*) FROM lead_scoring.what_next(%L, $1)', model)),
    ('scoring pass', 'run', format(
        'SELECT sum(lead_scoring.fit_score(c, %1$L)
                    + lead_scoring.engagement_score(s.state, now(), c.created_at)
                    + lead_scoring.intent_score(s.state, now(), c.created_at))
           FROM bench.contacts AS c
           JOIN (SELECT contact_id, lead_scoring.engagement_agg(e, %1$L, ''events'', now()) AS state
                   FROM bench.events AS e GROUP BY contact_id) AS s ON s.contact_id = c.id', model)),
    ('rule_stats', 'run', format('SELECT * FROM bench.%s_rule_stats', model))
) AS q (name, how, sql)
-- Where the model has no such view there is nothing to time.
WHERE q.name <> 'rule_stats' OR to_regclass(format('bench.%s_rule_stats', m.model)) IS NOT NULL;

-- how_long(query): seconds a call.
CREATE FUNCTION bench.how_long(query bench.query) RETURNS float8
LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz := clock_timestamp();
    contacts bigint := (SELECT max(id) FROM bench.contacts);
    calls int := 1;
    result float8;
BEGIN
    CASE query.how
        WHEN 'run' THEN
            EXECUTE 'EXPLAIN (ANALYZE, TIMING OFF) ' || query.sql;
        WHEN 'delivered' THEN
            EXECUTE format('COPY (%s) TO %L', query.sql, '/dev/null');
        WHEN 'calls' THEN
            calls := 1000;
            FOR i IN 1 .. calls LOOP
                EXECUTE query.sql INTO result USING 1 + i * 7919::bigint % contacts;
            END LOOP;
    END CASE;
    RETURN extract(epoch FROM clock_timestamp() - started) / calls;
END
$$;

-- check_totals(model): the view has the totals of the join, where they change in steps.
CREATE FUNCTION bench.check_totals(model text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    live float8;
    stored float8;
BEGIN
    EXECUTE format('SELECT sum(v.total) FROM (%s) AS v', bench.from_view(model)) INTO live;
    EXECUTE format('SELECT sum(j.total) FROM (%s) AS j', bench.from_join(model)) INTO stored;
    IF abs(live - stored) > 1e-2 * abs(stored) THEN
        RAISE EXCEPTION 'the view and the score table give other totals';
    END IF;
    IF (SELECT avg((freshness = 'current')::int) FROM bench.still_scored) < 0.98 THEN
        RAISE EXCEPTION 'too many scores became due meanwhile';
    END IF;
END
$$;

SELECT bench.check_totals('still');
SELECT set_config('bench.runs', :'runs', false) \g /dev/null
DO $$
BEGIN
    FOR i IN 1 .. current_setting('bench.runs')::int LOOP
        INSERT INTO bench.run
        SELECT q.name, q.model, bench.how_long(q) FROM bench.query AS q;
    END LOOP;
END
$$;
SELECT bench.check_totals('still');
