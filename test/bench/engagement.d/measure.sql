-- Times every query, one after another, :runs times over, and keeps each time: a
-- round takes long, so that what else the machine does hits all of them.

SET work_mem = '1GB'; -- no group is written to disk, on any side
SET max_parallel_workers_per_gather = 0;
-- Who asks for workers gets them.
SET min_parallel_table_scan_size = 0;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;

-- What is timed. `per` is what the time is divided by.
CREATE TABLE bench.query (
    name    text,
    model   text,
    jit     boolean,
    workers int,
    per     bigint,
    sql     text,
    PRIMARY KEY (model, name)
);
CREATE TABLE bench.run (name text, model text, seconds float8, result float8);

CREATE FUNCTION bench.states(model text, events text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT format('SELECT contact_id, lead_scoring.engagement_agg(e, %L, ''events'', %L) AS state
                     FROM %s AS e GROUP BY contact_id', model, bench.as_of(), events)
$$;
CREATE FUNCTION bench.scores(model text, events text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT format('SELECT contact_id, lead_scoring.engagement_score(state, %L) AS score FROM (%s) AS s',
                  bench.as_of(), bench.states(model, events))
$$;
CREATE FUNCTION bench.scores_by_hand(model text, events text) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT format('SELECT contact_id, %s AS score FROM %s GROUP BY contact_id',
                  string_agg(bench.by_hand(r), E'\n + ' ORDER BY n), events)
    FROM bench.rule AS r WHERE r.model = scores_by_hand.model
$$;

-- Both sides give the same scores; engagement_score rounds to 6 decimals.
DO $$
DECLARE
    m record;
    differing bigint;
    contacts bigint;
BEGIN
    FOR m IN VALUES ('eight', 'bench.events'), ('hundred', 'bench.some_events') LOOP
        EXECUTE format('SELECT count(*) FILTER (WHERE abs(a.score - b.score) <= 1e-6) - count(*), count(*)
                          FROM (%s) AS a FULL JOIN (%s) AS b USING (contact_id)',
                       bench.scores(m.column1, m.column2), bench.scores_by_hand(m.column1, m.column2))
        INTO differing, contacts;
        RAISE NOTICE '% rules: % contacts', m.column1, contacts;
        IF differing <> 0 THEN
            RAISE EXCEPTION 'with % rules both sides differ on % contacts', m.column1, -differing;
        END IF;
    END LOOP;
END
$$;

-- States to read: one of all events of a contact, and two that make it up.
CREATE TABLE bench.state AS
SELECT contact_id,
       lead_scoring.engagement_agg(e, 'eight', 'events', bench.as_of()) AS state,
       coalesce(lead_scoring.engagement_agg(e, 'eight', 'events', bench.as_of()) FILTER (WHERE id % 2 = 0),
                lead_scoring.engagement_empty('eight')) AS even,
       coalesce(lead_scoring.engagement_agg(e, 'eight', 'events', bench.as_of()) FILTER (WHERE id % 2 = 1),
                lead_scoring.engagement_empty('eight')) AS odd
FROM bench.events AS e
WHERE contact_id IS NOT NULL
GROUP BY contact_id;
VACUUM ANALYZE bench.state;

INSERT INTO bench.query
SELECT q.name, m.model, q.jit, q.workers, m.n_rows, q.sql
FROM (VALUES ('eight', 'bench.events', :rows),
             ('hundred', 'bench.some_events', (SELECT count(*) FROM bench.some_events)))
     AS m (model, events, n_rows)
CROSS JOIN LATERAL (VALUES
    ('bare', false, 0,
     format('SELECT sum(n) + count(m) FROM (SELECT contact_id, count(*) AS n, max(occurred_at) AS m
                                              FROM %s GROUP BY contact_id) AS s', events)),
    ('row', false, 0,
     format('SELECT sum(n) + count(m) FROM (SELECT contact_id, max(pg_column_size(e)) AS n, max(occurred_at) AS m
                                              FROM %s AS e GROUP BY contact_id) AS s', events)),
    ('engagement_agg', false, 0,
     format('SELECT sum(score) FROM (%s) AS s', bench.scores(model, events))),
    ('engagement_agg, 2 workers', false, 2,
     format('SELECT sum(score) FROM (%s) AS s', bench.scores(model, events))),
    ('FILTER', false, 0,
     format('SELECT sum(score) FROM (%s) AS s', bench.scores_by_hand(model, events))),
    ('FILTER, jit', true, 0,
     format('SELECT sum(score) FROM (%s) AS s', bench.scores_by_hand(model, events)))
) AS q (name, jit, workers, sql)
WHERE m.model = 'eight' OR q.workers = 0
UNION ALL
SELECT name, 'state', false, 0, (SELECT count(*) FROM bench.state), sql || ' FROM bench.state'
FROM (VALUES
    ('no read', 'SELECT sum(pg_column_size(state)::float8)'),
    ('read', format('SELECT sum(lead_scoring.engagement_score(state, %L))', bench.as_of())),
    ('no merge', 'SELECT sum(pg_column_size(even)::float8 + pg_column_size(odd))'),
    ('merge', 'SELECT sum(pg_column_size(even || odd)::float8)')) AS q (name, sql);

-- measure(query): its one number, and how long it took, without what JIT compiling
-- took, and with that the number.
CREATE FUNCTION bench.measure(query bench.query, OUT seconds float8, OUT result float8)
LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz;
    plan json;
BEGIN
    PERFORM set_config('jit', query.jit::text, true),
            set_config('search_path', 'lead_scoring, pg_catalog', true),
            set_config('max_parallel_workers_per_gather', query.workers::text, true);
    IF query.workers > 0 THEN
        EXECUTE 'EXPLAIN (FORMAT JSON) ' || query.sql INTO plan;
        IF NOT jsonb_path_exists(plan::jsonb, '$.** ? (@."Custom Plan Provider" == "Engagement Aggregate"
                                                        && @."Parallel Aware" == true)') THEN
            RAISE EXCEPTION 'no parallel plan: %', plan;
        END IF;
    END IF;
    IF query.jit THEN
        EXECUTE 'EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) ' || query.sql INTO plan;
        seconds := ((plan->0->>'Execution Time')::float8 -
                    coalesce((plan#>>'{0,JIT,Timing,Total}')::float8, 0)) / 1000;
    ELSE
        started := clock_timestamp();
        EXECUTE query.sql INTO result;
        seconds := extract(epoch FROM clock_timestamp() - started);
    END IF;
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
END
$$;
