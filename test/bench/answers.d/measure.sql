-- Times every query, one after another, :runs times over, in one process, and keeps
-- each time.

SET max_parallel_workers_per_gather = 0;
SET work_mem = '64MB'; -- no join is written to disk, on any side

-- What is timed; `calls`: each of another contact. Those that are the `same` must give the
-- same number, but for the few contacts that become due meanwhile.
CREATE TABLE bench.query (
    name  text,
    model text,
    calls int,
    sql   text,
    same  text,
    PRIMARY KEY (model, name)
);
CREATE TABLE bench.run (name text, model text, seconds float8, result float8);

-- all_columns(relations): a scan that gives the columns of the view but for reasons, and
-- the sum of the totals. OFFSET keeps the planner from leaving columns out.
CREATE FUNCTION bench.all_columns(relations text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT format('SELECT sum(total) FROM (%s OFFSET 0) AS s', relations)
$$;

INSERT INTO bench.query
SELECT q.name, m.model, q.calls, q.sql, q.same
FROM unnest('{still,fading}'::text[]) AS m (model)
CROSS JOIN LATERAL (VALUES
    ('join', 1, bench.all_columns(format(
        'SELECT c.id, s.fit, s.engagement, s.intent, s.total, s.band, s.grade, s.stage,
                s.stage_since, s.last_activity, s.scored_at
           FROM bench.contacts AS c LEFT JOIN bench.%s_score AS s ON s.contact_id = c.id', model)),
        CASE model WHEN 'still' THEN 'total' END),
    ('view', 1, bench.all_columns(format(
        'SELECT contact_id, fit, engagement, intent, total, band, grade, stage, stage_since,
                last_activity, scored_at, freshness FROM bench.%s_scored', model)),
        CASE model WHEN 'still' THEN 'total' END),
    ('view, top 50', 1, format(
        'SELECT sum(total) FROM (SELECT contact_id, band, grade, total FROM bench.%s_scored
          ORDER BY total DESC LIMIT 50) AS s', model), NULL),
    ('view, reasons', 1, format('SELECT sum(length(reasons)) FROM bench.%s_scored', model), NULL),
    ('score, top 50', 1, format(
        'SELECT sum(total) FROM (SELECT contact_id, band, total FROM bench.%s_score
          ORDER BY band_rank, total DESC LIMIT 50) AS s', model), NULL),
    ('one contact', 1000, format('SELECT total FROM bench.%s_scored WHERE contact_id = $1', model), NULL),
    ('explain', 1000, format('SELECT sum(points) FROM lead_scoring.explain(%L, $1)', model), NULL),
    ('explain_change', 1000, format(
        'SELECT sum(points) FROM lead_scoring.explain_change(%L, $1, now() - interval ''30 days'', now())', model), NULL),
    ('what_next', 1000, format('SELECT count(*) FROM lead_scoring.what_next(%L, $1)', model), NULL),
    ('scoring pass', 1, format(
        'SELECT sum(lead_scoring.fit_score(c, %1$L)
                    + lead_scoring.engagement_score(s.state, now(), c.created_at)
                    + lead_scoring.intent_score(s.state, now(), c.created_at))
           FROM bench.contacts AS c
           JOIN (SELECT contact_id, lead_scoring.engagement_agg(e, %1$L, ''events'', now()) AS state
                   FROM bench.events AS e GROUP BY contact_id) AS s ON s.contact_id = c.id', model), NULL),
    ('rule_stats', 1, format('SELECT sum(s.contacts) FROM bench.%s_rule_stats AS s', model), NULL)
) AS q (name, calls, sql, same)
-- Where the model has no such view there is nothing to time.
WHERE q.name <> 'rule_stats' OR to_regclass(format('bench.%s_rule_stats', m.model)) IS NOT NULL;

-- measure(query): seconds a call, and the last number.
CREATE FUNCTION bench.measure(query bench.query, OUT seconds float8, OUT result float8)
LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz := clock_timestamp();
    contacts bigint := (SELECT max(id) FROM bench.contacts);
BEGIN
    FOR i IN 1 .. query.calls LOOP
        IF query.calls = 1 THEN
            EXECUTE query.sql INTO result;
        ELSE
            EXECUTE query.sql INTO result USING 1 + i * 7919::bigint % contacts;
        END IF;
    END LOOP;
    seconds := extract(epoch FROM clock_timestamp() - started) / query.calls;
END
$$;

SELECT set_config('bench.runs', :'runs', false) \g /dev/null
DO $$
BEGIN
    FOR i IN 1 .. current_setting('bench.runs')::int LOOP
        INSERT INTO bench.run
        SELECT q.name, q.model, m.*
        FROM bench.query AS q CROSS JOIN LATERAL bench.measure(q) AS m;
    END LOOP;
    IF EXISTS (SELECT FROM bench.query AS q JOIN bench.run AS r USING (name, model)
               WHERE q.same IS NOT NULL GROUP BY q.model, q.same
               HAVING max(r.result) - min(r.result) > 1e-2 * abs(max(r.result))) THEN
        RAISE EXCEPTION 'the view and the score table give other totals';
    END IF;
    IF (SELECT avg((freshness = 'current')::int) FROM bench.still_scored) < 0.98 THEN
        RAISE EXCEPTION 'too many scores became due meanwhile';
    END IF;
END
$$;
