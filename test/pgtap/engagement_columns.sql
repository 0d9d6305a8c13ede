-- engagement_agg(e, model) without rows: what the planner makes of it gives what
-- the plain call gives, in every shape of query, to everyone; and where the
-- planner leaves the plain call, it is there.
--
-- In a query of tool.shape, agg(...) stands for engagement_agg, and for an
-- aggregate of the same functions and another name, that nobody rewrites.

\set QUIET on
\set ON_ERROR_STOP on
\pset format unaligned
\pset tuples_only on
SET client_min_messages = error;
SET lead_scoring.as_of = '2026-03-01 00:00+00';

SELECT current_setting('server_version_num')::int >= 180000 AS has_18 \gset
SELECT plan(117 + CASE WHEN :'has_18' THEN 2 ELSE 0 END);

CREATE ROLE ec_reader;
CREATE ROLE ec_column;

-- ------------------------------------------------------------------- tools

CREATE SCHEMA tool;
GRANT USAGE ON SCHEMA tool TO PUBLIC;
DO $$
DECLARE
    arguments text;
BEGIN
    FOREACH arguments IN ARRAY ARRAY['', ', source text', ', source text, as_of timestamptz'] LOOP
        EXECUTE format('CREATE AGGREGATE tool.plain(event record, model text%s) (
            SFUNC = lead_scoring.engagement_accumulate, STYPE = internal,
            FINALFUNC = lead_scoring.engagement_finish, COMBINEFUNC = lead_scoring.engagement_combine,
            SERIALFUNC = lead_scoring.engagement_serialize,
            DESERIALFUNC = lead_scoring.engagement_deserialize, PARALLEL = SAFE)', arguments);
    END LOOP;
END
$$;

CREATE FUNCTION tool.say(query text, agg text) RETURNS text LANGUAGE sql AS $$
    SELECT regexp_replace(query, '\magg\(', agg || '(', 'g')
$$;

-- All rows of the query in one text, or its error. What it writes is undone.
CREATE FUNCTION tool.outcome(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    rows text;
    detail text;
    hint text;
    place text;
BEGIN
    EXECUTE format('WITH q AS (%s) SELECT string_agg(coalesce(q::text, ''none''), E''\n'' ORDER BY q::text) FROM q', query)
    INTO rows;
    RAISE EXCEPTION USING ERRCODE = 'LS000', MESSAGE = coalesce(rows, 'nothing');
EXCEPTION
    WHEN SQLSTATE 'LS000' THEN
        RETURN SQLERRM;
    WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, place = PG_EXCEPTION_CONTEXT;
        RETURN concat_ws(E'\n', SQLSTATE, SQLERRM, nullif(detail, ''), nullif(hint, ''), substring(place FROM '^[^\n]*rule[^\n]*'));
END
$$;
CREATE FUNCTION tool.outcome_for(role name, query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found text;
BEGIN
    EXECUTE format('SET LOCAL ROLE %I', role);
    found := tool.outcome(query);
    RESET ROLE;
    RETURN found;
END
$$;

CREATE FUNCTION tool.plan_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    line text;
    lines text := '';
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (VERBOSE, COSTS OFF) ' || query LOOP
        lines := lines || line || E'\n';
    END LOOP;
    RETURN lines;
END
$$;

-- Is engagement_agg in the plan in columns, as a plain call, both?
CREATE FUNCTION tool.planned(query text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', CASE WHEN plan ~ 'engagement_agg_columns(_at)?\(' THEN 'columns' END,
                     CASE WHEN plan ~ 'engagement_agg\(' THEN 'plain' END)
      FROM tool.plan_of(query) AS plan
$$;

-- ---------------------------------------------------------------- the model

CREATE SCHEMA crm;
GRANT USAGE ON SCHEMA crm TO PUBLIC;
CREATE TABLE crm.contacts (id int PRIMARY KEY, name text);
INSERT INTO crm.contacts SELECT i, 'c' || i FROM generate_series(1, 20) AS i;
CREATE TABLE crm.events (
    gone1       int,
    id          int,
    contact_id  int,
    occurred_at timestamptz,
    gone2       text,
    type        text,
    page        text,
    minutes     int,
    props       jsonb
);
INSERT INTO crm.events
SELECT 0, i, nullif(1 + i * 7 % 18, 18), nullif(timestamptz '2026-02-01 00:00+00', timestamptz '2026-02-01 00:00+00' + (i % 91 - 90) * interval '1 day')
       + (i % 61) * interval '13 hours', 'gone',
       (ARRAY['view', 'open', 'click', 'order', NULL])[1 + i % 5], 'p' || i % 7, i % 11,
       jsonb_build_object('n', i % 3)
  FROM generate_series(1, 600) AS i;
ALTER TABLE crm.events DROP COLUMN gone1, DROP COLUMN gone2;
ALTER TABLE crm.events ADD COLUMN note text DEFAULT 'added later';
-- Out of line, and compressed.
INSERT INTO crm.events
SELECT 601, 3, '2026-02-03 00:00+00', repeat('view', 100000), string_agg(md5(i::text), '' ORDER BY i), 1, NULL, 'long'
  FROM generate_series(1, 1000) AS i;
INSERT INTO crm.events (id) VALUES (602);
ALTER TABLE crm.events ADD PRIMARY KEY (id);
VACUUM ANALYZE crm.events;

CREATE FUNCTION tool.add_model(name text, events regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM lead_scoring.create_model(name, 'crm.contacts', 'id');
    PERFORM lead_scoring.add_event_source(name, events, 'contact_id', 'occurred_at');
    UPDATE lead_scoring.event_source AS s SET condition = 'minutes IS DISTINCT FROM 10' WHERE s.model = add_model.name;
    INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, within, max_count, at_least, value, half_life, distinct_by)
    VALUES (name, 'views', 'each', $c$type = 'view' AND page IN ('p1', 'p2')$c$, 3, '90 days', 3, NULL, NULL, NULL, NULL),
           (name, 'clicks', 'each', $c$type = 'click'$c$, 5, NULL, NULL, NULL, 'minutes', NULL, NULL),
           (name, 'opens', 'count', $c$type = 'open' AND note = 'added later'$c$, 7, '30 days', NULL, 3, NULL, NULL, NULL),
           (name, 'orders', 'each', $c$type = 'order' AND props->>'n' = '1'$c$, 11, NULL, 5, NULL, NULL, NULL, 'page'),
           (name, 'long', 'each', $c$length(page) > 1000$c$, 13, NULL, 2, NULL, NULL, NULL, NULL),
           (name, 'long type', 'each', $c$type LIKE '%viewview%' AND minutes = 1$c$, 17, NULL, 2, NULL, NULL, NULL, NULL);
    INSERT INTO lead_scoring.engagement_rule (model, name, kind, points, steps, within)
    VALUES (name, 'path', 'sequence', 19, ARRAY[$c$type = 'open'$c$, $c$type = 'click'$c$], '3 days');
END
$$;
SELECT tool.add_model('m', 'crm.events') \g /dev/null

-- ------------------------------------------------------------------- shapes

CREATE VIEW crm.few AS SELECT * FROM crm.events WHERE id < 200;
CREATE VIEW crm.loud AS
    SELECT id, contact_id, occurred_at, lower(upper(type)) AS type, page || '' AS page, minutes, props, note FROM crm.events;
CREATE VIEW crm.barrier WITH (security_barrier) AS SELECT * FROM crm.events WHERE id < 300;
CREATE MATERIALIZED VIEW crm.kept AS SELECT note, props, minutes, page, type, occurred_at, contact_id, id FROM crm.events;
CREATE VIEW crm.short AS SELECT id, contact_id, occurred_at FROM crm.events;
CREATE VIEW crm.other AS SELECT id, contact_id, occurred_at, type, page, minutes::bigint AS minutes, props, note FROM crm.events;
CREATE VIEW crm.states AS SELECT contact_id, lead_scoring.engagement_agg(e, 'm') AS state FROM crm.events AS e GROUP BY contact_id;
CREATE FUNCTION crm.some() RETURNS SETOF crm.events LANGUAGE sql STABLE AS $$ SELECT * FROM crm.events WHERE id % 2 = 0 $$;
CREATE FUNCTION crm.opaque() RETURNS SETOF crm.events LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY SELECT * FROM crm.events WHERE id < 120;
    RETURN NEXT NULL;
END
$$;
CREATE TABLE crm.parent (note text, id int, contact_id int, occurred_at timestamptz, type text, page text, minutes int, props jsonb);
CREATE TABLE crm.child (extra int) INHERITS (crm.parent);
INSERT INTO crm.parent (id, contact_id, occurred_at, type, page, minutes, props, note)
    SELECT id, contact_id, occurred_at, type, page, minutes, props, note FROM crm.events WHERE id % 3 = 0;
INSERT INTO crm.child (id, contact_id, occurred_at, type, page, minutes, props, note)
    SELECT id, contact_id, occurred_at, type, page, minutes, props, note FROM crm.events WHERE id % 3 > 0;
-- Partitions with other column numbers.
CREATE TABLE crm.parted (id int, contact_id int, occurred_at timestamptz, type text, page text, minutes int, props jsonb, note text)
    PARTITION BY HASH (contact_id);
CREATE TABLE crm.part0 PARTITION OF crm.parted FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE crm.part1 (gone int, note text, props jsonb, id int, minutes int, page text, type text, contact_id int, occurred_at timestamptz);
ALTER TABLE crm.part1 DROP COLUMN gone;
ALTER TABLE crm.parted ATTACH PARTITION crm.part1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO crm.parted SELECT id, contact_id, occurred_at, type, page, minutes, props, note FROM crm.events;

-- As the planner should make it: columns, plain, or both.
CREATE TABLE tool.shape (n int GENERATED ALWAYS AS IDENTITY, planned text, query text);
INSERT INTO tool.shape (planned, query) VALUES
    ('columns', $$SELECT contact_id, agg(e, 'm') FROM crm.events AS e GROUP BY 1$$),
    ('columns', $$SELECT contact_id, agg(e, 'm', NULL) FROM crm.events AS e GROUP BY 1$$),
    ('columns', $$SELECT contact_id, agg(e.*, 'm', 'events', '2026-02-10 UTC') FROM crm.events AS e GROUP BY 1$$),
    ('columns', $$SELECT contact_id, agg(events, 'm', 'events', timestamptz '2026-02-15 UTC' + (now() - now())) FROM crm.events GROUP BY 1$$),
    ('columns', $$SELECT agg(e, 'm') FROM crm.events AS e$$),
    ('columns', $$SELECT agg(e, 'm') FROM crm.events AS e WHERE false$$),
    ('columns', $$SELECT contact_id, agg(e, 'm') FROM crm.few AS e GROUP BY 1$$),
    ('columns', $$SELECT b, agg(e, 'm') FROM crm.few AS e (a, b, c) GROUP BY b$$),
    ('columns', $$SELECT contact_id, agg(e, 'm') FROM crm.loud AS e GROUP BY 1$$),
    ('columns', $$SELECT contact_id, agg(e, 'm') FROM crm.barrier AS e GROUP BY 1$$),
    ('columns', $$SELECT contact_id, agg(e, 'm') FROM crm.kept AS e GROUP BY 1$$),
    ('columns', $$SELECT contact_id, agg(e, 'm') FROM crm.short AS e GROUP BY 1$$),
    ('columns', $$SELECT contact_id, agg(e, 'm') FROM crm.other AS e GROUP BY 1$$),
    ('columns', $$SELECT contact_id, agg(e, 'm') FROM crm.some() AS e GROUP BY 1$$),
    ('columns', $$SELECT contact_id, agg(e, 'm') FROM crm.opaque() AS e GROUP BY 1$$),
    ('columns', $$SELECT contact_id, agg(e, 'm') FROM crm.parent AS e GROUP BY 1$$),
    ('columns', $$SELECT contact_id, agg(e, 'm') FROM ONLY crm.parent AS e GROUP BY 1$$),
    ('columns', $$SELECT contact_id, agg(e, 'm') FROM crm.child AS e GROUP BY 1$$),
    ('columns', $$SELECT contact_id, agg(e, 'm') FROM crm.parted AS e GROUP BY 1$$),
    ('columns', $$SELECT contact_id, agg(e, 'm') FROM crm.part1 AS e GROUP BY 1$$),
    ('columns', $$SELECT contact_id, agg(e, 'm') FROM (SELECT * FROM crm.events ORDER BY id DESC LIMIT 99) AS e GROUP BY 1$$),
    ('columns', $$SELECT contact_id, agg(e, 'm') FROM (SELECT * FROM crm.few UNION ALL SELECT * FROM crm.barrier) AS e GROUP BY 1$$),
    ('columns', $$SELECT contact_id, agg(e, 'm') FROM (SELECT page AS wrong, * FROM crm.events) AS e (page2) GROUP BY 1$$),
    ('columns', $$WITH e AS MATERIALIZED (SELECT * FROM crm.events WHERE id % 2 = 0) SELECT contact_id, agg(e, 'm') FROM e GROUP BY 1$$),
    ('columns', $$WITH s AS (SELECT contact_id, agg(e, 'm') AS state FROM crm.events AS e GROUP BY 1) SELECT * FROM s WHERE contact_id > 3$$),
    ('columns', $$SELECT v.contact_id, agg(v, 'm') FROM (VALUES (1, 2, timestamptz '2026-02-02 UTC', 'view', 'p1', 3, NULL::jsonb, 'x'::text), (2, 2, NULL, 'view', 'p1', 3, NULL, NULL)) AS v (id, contact_id, occurred_at, type, page, minutes, props, note) GROUP BY 1$$),
    ('columns', $$SELECT c.id, agg(e, 'm') FROM crm.contacts AS c LEFT JOIN crm.events AS e ON e.contact_id = c.id GROUP BY 1$$),
    ('columns', $$SELECT c.id, agg(e, 'm') FROM crm.contacts AS c LEFT JOIN crm.few AS e ON e.contact_id = c.id AND e.id > 50 GROUP BY 1$$),
    ('columns', $$SELECT c.id, agg(e, 'm') FROM crm.few AS e RIGHT JOIN crm.contacts AS c ON e.contact_id = c.id GROUP BY 1$$),
    ('columns', $$SELECT c.id, agg(e, 'm') FROM crm.parted AS e FULL JOIN crm.contacts AS c ON e.contact_id = c.id GROUP BY 1$$),
    ('columns', $$SELECT c.id, agg(e, 'm') FROM crm.contacts AS c LEFT JOIN (SELECT *, 'view' AS kind FROM crm.events) AS e ON e.contact_id = c.id AND e.kind = e.type GROUP BY 1$$),
    ('columns', $$SELECT c.id, agg(e, 'm') FROM crm.contacts AS c LEFT JOIN (crm.contacts AS d LEFT JOIN crm.loud AS e ON e.contact_id = d.id) ON d.id = c.id + 5 GROUP BY 1$$),
    ('columns', $$SELECT c.id, s.state FROM crm.contacts AS c LEFT JOIN LATERAL (SELECT agg(e, 'm') AS state FROM crm.events AS e WHERE e.contact_id = c.id) AS s ON true$$),
    ('columns', $$SELECT c.id, (SELECT agg(e, 'm') FROM crm.events AS e WHERE e.contact_id = c.id) FROM crm.contacts AS c$$),
    ('columns', $$SELECT e.contact_id, (SELECT agg(e, 'm')) FROM crm.events AS e GROUP BY 1$$),
    ('columns', $$SELECT e.contact_id, (SELECT agg(e, 'm') FROM crm.contacts AS c WHERE c.id = 1) FROM crm.events AS e GROUP BY 1$$),
    ('columns', $$SELECT c.id FROM crm.contacts AS c WHERE EXISTS (SELECT 1 FROM crm.events AS e WHERE e.contact_id = c.id HAVING lead_scoring.engagement_score(agg(e, 'm')) > 20)$$),
    ('columns', $$SELECT contact_id FROM crm.events AS e GROUP BY 1 HAVING lead_scoring.engagement_score(agg(e, 'm')) > 20 ORDER BY lead_scoring.engagement_score(agg(e, 'm'))$$),
    ('columns', $$SELECT contact_id, agg(e, 'm') FILTER (WHERE minutes > 3), agg(e, 'm') FILTER (WHERE minutes <= 3) FROM crm.events AS e GROUP BY 1$$),
    ('columns', $$SELECT contact_id, grouping(contact_id), agg(e, 'm') FROM crm.events AS e GROUP BY ROLLUP (1)$$),
    ('columns', $$SELECT contact_id, type, agg(e, 'm') FROM crm.few AS e GROUP BY GROUPING SETS ((contact_id), (type), ())$$),
    ('columns', $$SELECT e IS NULL, agg(e, 'm') FROM crm.few AS e GROUP BY e$$),
    ('columns', $$SELECT e IS NULL, agg(e, 'm') FROM crm.few AS e GROUP BY CUBE (e)$$),
    ('columns', $$SELECT contact_id, max(lead_scoring.engagement_score(agg(e, 'm'))) OVER (ORDER BY contact_id) FROM crm.events AS e GROUP BY 1$$),
    ('columns', $$SELECT moment, contact_id, agg(e, 'm', NULL, moment) FROM crm.events AS e, generate_series(timestamptz '2026-01-10 UTC', '2026-03-10 UTC', '5 days') AS moment GROUP BY 1, 2$$),
    ('columns', $$SELECT model, contact_id, agg(e, model) FROM crm.events AS e, unnest(ARRAY['m', 'm2']) AS model GROUP BY 1, 2$$),
    ('columns', $$SELECT contact_id, agg(e, model) FROM crm.events AS e, unnest(ARRAY['m', 'm2']) AS model GROUP BY 1$$),
    ('columns', $$SELECT contact_id, agg(e, 'm', NULL, NULL) FROM crm.events AS e GROUP BY 1$$),
    ('columns', $$SELECT contact_id, agg(e, 'm', NULL, nullif(occurred_at, occurred_at)) FROM crm.events AS e GROUP BY 1$$),
    ('columns', $$SELECT contact_id, agg(e, 'm', NULL, 'infinity') FROM crm.events AS e GROUP BY 1$$),
    ('columns', $$SELECT contact_id, agg(e, NULL) FROM crm.events AS e GROUP BY 1$$),
    ('columns', $$SELECT contact_id, agg(e, 'none') FROM crm.events AS e GROUP BY 1$$),
    ('columns', $$SELECT contact_id, agg(e, 'm', 'none') FROM crm.events AS e GROUP BY 1$$),
    ('columns', $$SELECT contact_id, agg(e, 'm', 'events', occurred_at) FROM crm.events AS e GROUP BY 1$$),
    ('columns', $$SELECT contact_id, agg(c, 'm') FROM crm.events AS e JOIN crm.contacts AS c ON c.id = e.contact_id GROUP BY 1$$),
    ('columns', $$SELECT c.id, count(s.state), min(s.contact_id) FROM crm.contacts AS c LEFT JOIN LATERAL (SELECT contact_id, agg(e, 'm') AS state FROM crm.events AS e WHERE e.id > c.id * 20 AND contact_id = 3 GROUP BY 1 LIMIT 1) AS s ON true GROUP BY 1$$),
    ('columns', $$SELECT c.id, s.state FROM crm.contacts AS c LEFT JOIN LATERAL (SELECT contact_id, agg(e, 'm', NULL, timestamptz '2026-03-01 UTC' - c.id * interval '3 days') AS state FROM crm.events AS e WHERE contact_id IN (3, 4) GROUP BY 1) AS s ON s.contact_id = 3$$),
    ('plain', $$SELECT contact_id, agg(e, 'm' ORDER BY id DESC) FROM crm.events AS e GROUP BY 1$$),
    ('plain', $$SELECT contact_id, agg(DISTINCT e, 'm') FROM crm.few AS e GROUP BY 1$$),
    ('plain', $$SELECT id, agg(e, 'm') OVER (PARTITION BY contact_id ORDER BY id) FROM crm.few AS e$$),
    ('plain', $$SELECT agg(ROW(1, 2, '2026-02-02 UTC', 'view', 'p1', 3, NULL, 'x')::crm.events, 'm')$$),
    ('plain', $$SELECT contact_id, agg((SELECT e), 'm') FROM crm.events AS e GROUP BY 1$$),
    ('plain', $$SELECT e.contact_id, agg(e, 'm') FROM (crm.events AS a JOIN crm.contacts AS c ON c.id = a.contact_id) AS e GROUP BY 1$$),
    ('plain', $$SELECT contact_id, agg(coalesce(e, f), 'm') FROM crm.events AS e JOIN crm.events AS f USING (contact_id) WHERE f.id < 20 GROUP BY 1$$),
    ('columns plain', $$SELECT contact_id, agg(e, 'm'), agg(e, 'm' ORDER BY id) FROM crm.events AS e GROUP BY 1$$);
SELECT tool.add_model('m2', 'crm.events') \g /dev/null
UPDATE lead_scoring.engagement_rule SET enabled = name LIKE 'long%' WHERE model = 'm2';

SELECT is(tool.planned(tool.say(query, 'lead_scoring.engagement_agg')) || E'\n' || tool.outcome(tool.say(query, 'lead_scoring.engagement_agg')),
          planned || E'\n' || tool.outcome(tool.say(query, 'tool.plain')), query)
  FROM tool.shape ORDER BY n;
SELECT is(tool.outcome('SELECT * FROM crm.states'), tool.outcome($$SELECT contact_id, tool.plain(e, 'm') FROM crm.events AS e GROUP BY 1$$),
          'a view that aggregates');
SELECT is(pg_get_viewdef('crm.states') ~ 'engagement_agg\(e\.\*', true, 'whose text stays as it was');
SELECT cmp_ok((SELECT sum(length(tool.outcome(tool.say(query, 'tool.plain')))) FROM tool.shape), '>', 100000::bigint, 'there was something to compare');

-- A composite column is no row of the query.
CREATE TABLE crm.nested AS SELECT contact_id AS who, e FROM crm.events AS e;
SELECT is(tool.planned($$SELECT who, lead_scoring.engagement_agg(e, 'm') FROM crm.nested GROUP BY 1$$), 'plain', 'a composite column stays one');
SELECT is(tool.outcome($$SELECT who, lead_scoring.engagement_agg(e, 'm') FROM crm.nested GROUP BY 1$$),
          tool.outcome($$SELECT contact_id, tool.plain(e, 'm') FROM crm.events AS e GROUP BY 1$$), 'and gives the same');

-- More columns than a call has room for.
CREATE FUNCTION tool.wide(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DROP TABLE IF EXISTS crm.wide;
    EXECUTE (SELECT 'CREATE TABLE crm.wide AS SELECT e.*, ' || string_agg(format('0 AS x%s', i), ', ') || ' FROM crm.events AS e'
               FROM generate_series(1, n - 8) AS i);
END
$$;
SELECT tool.wide(95) \g /dev/null
SELECT is(tool.planned($$SELECT contact_id, lead_scoring.engagement_agg(e, 'm', NULL, now()) FROM crm.wide AS e GROUP BY 1$$), 'columns', '95 columns');
SELECT is(tool.outcome($$SELECT contact_id, lead_scoring.engagement_agg(e, 'm', NULL, now()) FROM crm.wide AS e GROUP BY 1$$),
          tool.outcome($$SELECT contact_id, tool.plain(e, 'm', NULL, now()) FROM crm.events AS e GROUP BY 1$$), '95 columns give the same');
SELECT tool.wide(96) \g /dev/null
SELECT is(tool.planned($$SELECT contact_id, lead_scoring.engagement_agg(e, 'm', NULL, now()) FROM crm.wide AS e GROUP BY 1$$), 'plain', '96 columns');
SELECT is(tool.outcome($$SELECT contact_id, lead_scoring.engagement_agg(e, 'm', NULL, now()) FROM crm.wide AS e GROUP BY 1$$),
          tool.outcome($$SELECT contact_id, tool.plain(e, 'm', NULL, now()) FROM crm.events AS e GROUP BY 1$$), '96 columns give the same');

-- ------------------------------------------------- other plans, the same states

CREATE TABLE tool.expected AS SELECT n, tool.outcome(tool.say(query, 'tool.plain')) AS outcome FROM tool.shape;
CREATE FUNCTION tool.differing() RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(query, E'\n' ORDER BY n)
      FROM tool.shape JOIN tool.expected USING (n)
     WHERE tool.outcome(tool.say(query, 'lead_scoring.engagement_agg')) IS DISTINCT FROM outcome
$$;
SET enable_hashagg = off;
SELECT is(tool.differing(), NULL, 'sorted');
RESET enable_hashagg;
SET enable_sort = off;
SET work_mem = '64kB';
SELECT is(tool.differing(), NULL, 'hashed, in little memory');
RESET enable_sort;
RESET work_mem;
SET jit = on;
SET jit_above_cost = 0;
SELECT is(tool.differing(), NULL, 'with JIT, where there is one');
RESET jit;
RESET jit_above_cost;
SET enable_partitionwise_aggregate = on;
SELECT is(tool.differing(), NULL, 'by partitions');
RESET enable_partitionwise_aggregate;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
ALTER TABLE crm.events SET (parallel_workers = 2);
ALTER TABLE crm.part0 SET (parallel_workers = 2);
ALTER TABLE crm.part1 SET (parallel_workers = 2);
SELECT matches(tool.plan_of($$SELECT contact_id, lead_scoring.engagement_agg(e, 'm') FROM crm.events AS e GROUP BY 1 HAVING count(*) > 0$$),
               'Finalize.*Gather.*Partial (Hash|Group)Aggregate.*PARTIAL lead_scoring.engagement_agg_columns\(', 'workers aggregate in columns');
SELECT matches(tool.plan_of($$SELECT contact_id, lead_scoring.engagement_agg(e, 'm', NULL, now()) FROM crm.parted AS e GROUP BY 1 HAVING count(*) > 0$$),
               'Gather.*Partial (Hash|Group)Aggregate.*engagement_agg_columns_at\(', 'of partitions too');
SELECT is(tool.differing(), NULL, 'in parallel');
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;

-- ------------------------------------------------------------- generic plans

DROP TABLE crm.nested, crm.wide;
SET plan_cache_mode = force_generic_plan;
PREPARE states (text, timestamptz) AS
    SELECT contact_id, lead_scoring.engagement_agg(e, $1, NULL, $2) FROM crm.events AS e GROUP BY 1;
CREATE FUNCTION tool.prepared() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    one record;
    rows text[];
BEGIN
    FOR one IN EXECUTE $q$EXECUTE states ('m', '2026-02-20 UTC')$q$ LOOP
        rows := rows || one::text;
    END LOOP;
    RETURN (SELECT string_agg(r, E'\n' ORDER BY r) FROM unnest(rows) AS r);
END
$$;
CREATE FUNCTION tool.same(what text) RETURNS text LANGUAGE sql AS $$
    SELECT is(tool.prepared(), tool.outcome($q$SELECT contact_id, tool.plain(e, 'm', NULL, '2026-02-20 UTC') FROM crm.events AS e GROUP BY 1$q$),
              'prepared: ' || what)
$$;
SELECT matches(tool.plan_of($$EXECUTE states ('m', now())$$), 'engagement_agg_columns_at\(.*\$1.*\$2', 'a generic plan is in columns');
SELECT tool.same('at first');
UPDATE lead_scoring.engagement_rule SET points = 2 WHERE model = 'm' AND name = 'views';
SELECT tool.same('after other points');
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, max_count) VALUES ('m', 'ids', 'each', 'id % 2 = 0', 1, 3);
SELECT tool.same('after a rule about another column');
DELETE FROM lead_scoring.engagement_rule WHERE model = 'm' AND name IN ('ids', 'opens', 'path');
SELECT tool.same('after rules are gone');
ALTER TABLE crm.events ADD COLUMN more int DEFAULT 3;
SELECT tool.same('after a new column');
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, max_count) VALUES ('m', 'more', 'each', 'more = 3', 1, 3);
SELECT tool.same('after a rule about it');
DELETE FROM lead_scoring.engagement_rule WHERE model = 'm' AND name = 'more';
ALTER TABLE crm.events DROP COLUMN more;
SELECT tool.same('after it is gone again');
ALTER TABLE crm.events DROP COLUMN note CASCADE;
ALTER TABLE crm.events ADD COLUMN note text;
SELECT tool.same('after a column went and came back');
ALTER TABLE crm.events ALTER COLUMN minutes TYPE bigint;
SELECT tool.same('after a column has another type');

-- A rule written while rows are fetched: all of a query is by the same rules.
CREATE FUNCTION tool.fetched(agg text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    c refcursor;
    one record;
    rows text[];
BEGIN
    OPEN c FOR EXECUTE format('SELECT contact_id, %s(e, ''m'') FROM (SELECT * FROM crm.events ORDER BY contact_id OFFSET 0) AS e GROUP BY 1', agg);
    FETCH c INTO one;
    INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, max_count) VALUES ('m', 'props', 'each', 'props IS NULL', 1, 3);
    WHILE FOUND LOOP
        rows := rows || one::text;
        FETCH c INTO one;
    END LOOP;
    CLOSE c;
    DELETE FROM lead_scoring.engagement_rule WHERE model = 'm' AND name = 'props';
    RETURN (SELECT string_agg(r, E'\n' ORDER BY r) FROM unnest(rows) AS r);
END
$$;
SET enable_hashagg = off;
SELECT is(tool.fetched('lead_scoring.engagement_agg'), tool.fetched('tool.plain'), 'a rule written in between');
RESET enable_hashagg;
RESET plan_cache_mode;

-- --------------------------------------------------------------- who may what

SELECT tool.add_model('p', 'crm.parted') \g /dev/null
GRANT SELECT ON crm.parted, crm.contacts TO ec_reader;
GRANT SELECT (contact_id, occurred_at, type, page, minutes, props) ON crm.parted TO ec_column;
GRANT SELECT ON crm.contacts TO ec_column;
\set events 'SELECT contact_id, agg(e, ''p'') FROM crm.parted AS e GROUP BY 1'
SELECT is(tool.outcome_for('ec_reader', tool.say(:'events', 'lead_scoring.engagement_agg')),
          tool.outcome(tool.say(:'events', 'tool.plain')), 'who may read the events may aggregate them');
SELECT is(tool.outcome_for('ec_column', tool.say(:'events', agg)) ~ '^42501', true, 'who may not read all columns may not: ' || agg)
  FROM unnest(ARRAY['lead_scoring.engagement_agg', 'tool.plain']) AS agg;
ALTER TABLE crm.parted ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON crm.parted FOR SELECT USING (id % 4 = 0);
SELECT is(tool.outcome_for('ec_reader', tool.say(:'events', 'lead_scoring.engagement_agg')),
          tool.outcome('SELECT contact_id, tool.plain(e, ''p'') FROM crm.parted AS e WHERE id % 4 = 0 GROUP BY 1'), 'row security holds');
ALTER TABLE crm.parted DISABLE ROW LEVEL SECURITY;

-- Who may call one may call the other, or the planner leaves the call alone.
BEGIN;
REVOKE EXECUTE ON FUNCTION lead_scoring.engagement_agg(record, text) FROM PUBLIC;
SELECT is(tool.outcome_for('ec_reader', tool.say(:'events', 'lead_scoring.engagement_agg')),
          E'42501\npermission denied for aggregate engagement_agg', 'a revoked engagement_agg stays revoked');
ROLLBACK;
BEGIN;
REVOKE EXECUTE ON FUNCTION lead_scoring.engagement_agg_columns FROM PUBLIC;
SELECT is(tool.planned(tool.say(:'events', 'lead_scoring.engagement_agg')), 'plain', 'a revoked engagement_agg_columns is not needed');
ROLLBACK;
PREPARE states_of_parted AS SELECT lead_scoring.engagement_agg(e, 'p') FROM crm.parted AS e;
SELECT lives_ok('EXECUTE states_of_parted', 'prepared, then');
SET ROLE ec_reader;
SELECT lives_ok('EXECUTE states_of_parted', 'by another who may');
SET ROLE ec_column;
SELECT throws_ok('EXECUTE states_of_parted', '42501', NULL, 'by one who may not');
RESET ROLE;
REVOKE EXECUTE ON FUNCTION lead_scoring.engagement_agg(record, text) FROM PUBLIC;
SET ROLE ec_reader;
SELECT throws_ok('EXECUTE states_of_parted', '42501', NULL, 'after EXECUTE was revoked');
RESET ROLE;
GRANT EXECUTE ON FUNCTION lead_scoring.engagement_agg(record, text) TO PUBLIC;
-- Somebody else's aggregate of that name is none of ours.
CREATE AGGREGATE tool.engagement_agg(event record, model text) (
    SFUNC = lead_scoring.engagement_accumulate, STYPE = internal, FINALFUNC = lead_scoring.engagement_finish);
SELECT is(tool.planned($$SELECT tool.engagement_agg(e, 'p') FROM crm.parted AS e$$), 'plain', 'an aggregate of another schema is left alone');

-- -------------------------------------------- called by hand, with nonsense

CREATE TABLE tool.nonsense (call text, expected text);
INSERT INTO tool.nonsense VALUES
    ($$'{contact_id}', 'p', NULL, 1$$, '42703'),
    ($$'{contact_id,occurred_at,type,page,minutes,props,note}', 'p', NULL, 1, now(), 'x'::text, 'y'::text, 3, NULL::jsonb, 'z'::text$$, 'ok'),
    ($$'{note,occurred_at,type,page,minutes,props,contact_id}', 'p', 'events', 'z'::text, now(), 'x'::text, 'y'::text, 3, NULL::jsonb, 1$$, 'ok'),
    ($$'{note,occurred_at,type,page,minutes,props,contact_id}', 'p', 'events', 1, now(), 'x'::text, 'y'::text, 3, NULL::jsonb, 1$$, '42804'),
    ($$'{contact_id,occurred_at}', 'p', NULL, 1$$, '22023'),
    ($$'{contact_id}', 'p', NULL, 1, 2$$, '22023'),
    ($$'{}', 'p', NULL, 1$$, '22023'),
    ($$NULL, 'p', NULL, 1$$, '22023'),
    ($$'{NULL}', 'p', NULL, 1$$, '22023'),
    ($$ARRAY[random()::text], 'p', NULL, 1$$, '22023'),
    ($$'{contact_id}', 'none', NULL, 1$$, '42704'),
    ($$'{contact_id}', 'p', 'none', 1$$, '42704'),
    ($$'{contact_id}', NULL, NULL, 1$$, '22004');
CREATE FUNCTION tool.called(arguments text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    state lead_scoring.engagement;
BEGIN
    EXECUTE format('SELECT lead_scoring.engagement_agg_columns(%s)', arguments) INTO state;
    RETURN CASE WHEN state IS NULL THEN 'null' ELSE 'ok' END;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END
$$;
SELECT is(tool.called(call), expected, call) FROM tool.nonsense;
SELECT throws_ok($$SELECT lead_scoring.engagement_agg_columns('{contact_id}', 'p', NULL, id) OVER () FROM crm.parted$$, '22023', NULL,
                 'in a window the names are not known');

-- -------------------------------------------------------------- PostgreSQL 18

\if :has_18
CREATE TABLE crm.virtual (id int, contact_id int, occurred_at timestamptz, type text, page text, minutes int, props jsonb, note text,
                          twice int GENERATED ALWAYS AS (minutes * 2) VIRTUAL);
INSERT INTO crm.virtual SELECT * FROM crm.parted;
SELECT is(tool.planned($$SELECT contact_id, lead_scoring.engagement_agg(e, 'p') FROM crm.virtual AS e GROUP BY 1$$), 'plain', 'virtual columns');
SELECT is(tool.outcome($$SELECT contact_id, lead_scoring.engagement_agg(e, 'p') FROM crm.virtual AS e GROUP BY 1$$),
          tool.outcome($$SELECT contact_id, tool.plain(e, 'p') FROM crm.parted AS e GROUP BY 1$$), 'give the same');
\endif

DROP OWNED BY ec_reader, ec_column;
DROP ROLE ec_reader, ec_column;
SELECT * FROM finish();
