-- The plan node Engagement Aggregate: where it is chosen, that it gives what
-- PostgreSQL's own aggregates give, byte by byte, whatever the keys, the memory and
-- the shape of the query; and that it can be turned off.
--
-- In a query of tool.shape, agg(...) stands for engagement_agg, and for an aggregate
-- of the same functions and another name, that nobody rewrites.

\set QUIET on
\set ON_ERROR_STOP on
\pset format unaligned
\pset tuples_only on
SET client_min_messages = error;
SET lead_scoring.as_of = '2026-03-01 00:00+00';
SET max_parallel_workers_per_gather = 0;

SELECT plan(129);

CREATE ROLE en_reader;

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
CREATE FUNCTION tool.digest(rows text[]) RETURNS text LANGUAGE sql AS $$
    SELECT format('%s rows %s %s', count(*), md5(string_agg(r, E'\n' ORDER BY r)), left(string_agg(r, E'\n' ORDER BY r), 100))
      FROM unnest(rows) AS r
$$;
-- All rows of the query, the beginning of them and their hash, or its error.
CREATE FUNCTION tool.outcome(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    one record;
    rows text[] := '{}';
BEGIN
    FOR one IN EXECUTE query LOOP
        rows := rows || one::text;
    END LOOP;
    RETURN tool.digest(rows);
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
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
CREATE FUNCTION tool.plan_of(query text, options text DEFAULT 'VERBOSE, COSTS OFF') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    line text;
    lines text := '';
BEGIN
    FOR line IN EXECUTE format('EXPLAIN (%s) ', options) || query LOOP
        lines := lines || line || E'\n';
    END LOOP;
    RETURN lines;
END
$$;
CREATE FUNCTION tool.planned(query text) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN tool.plan_of(query) ~ 'Custom Scan \(Engagement Aggregate\)' THEN 'node' ELSE 'usual' END
$$;

-- ---------------------------------------------------------------- the model

CREATE SCHEMA crm;
GRANT USAGE ON SCHEMA crm TO PUBLIC;
CREATE DOMAIN crm.number AS int CHECK (VALUE <> 13);
CREATE COLLATION crm.any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE crm.contacts (id int PRIMARY KEY, name text, born timestamptz, long text);
INSERT INTO crm.contacts
SELECT i, nullif('c' || i, 'c9'), nullif(timestamptz '2025-03-01 UTC', timestamptz '2025-02-01 UTC' + i % 30 * interval '1 day') + i * interval '1 day',
       CASE WHEN i < 5 THEN (SELECT string_agg(md5(j::text), '') FROM generate_series(1, 300 * i) AS j) END
  FROM generate_series(1, 800) AS i;
-- 8,000 events of 1,198 contacts, 399 of whom are not known, and of nobody.
CREATE TABLE crm.events (
    id          int,
    contact_id  int,
    occurred_at timestamptz,
    type        text,
    page        text,
    minutes     int,
    as_big      bigint,
    as_uuid     uuid,
    as_text     text,
    as_varchar  varchar(20),
    as_domain   crm.number,
    as_numeric  numeric,
    as_small    smallint,
    as_any_case text COLLATE crm.any_case,
    as_name     text COLLATE "C",
    as_long     text
);
INSERT INTO crm.events
SELECT i, k, timestamptz '2026-03-05 00:00+00' - (hashint4(i) & 1048575) * interval '20 seconds',
       (ARRAY['view', 'open', 'click', 'order', NULL])[1 + i % 5], 'p' || i % 7, i % 11,
       k::bigint * 10000000000 - 9000000000000, md5(k::text)::uuid, 'contact ' || k, 'v' || k, k * 20, k / 4.0, k % 300, 'Any' || k,
       CASE k % 3 WHEN 0 THEN '' ELSE repeat('x', k % 100) || k END, 'long' || repeat(k::text, 900)
  FROM generate_series(1, 8000) AS i
 CROSS JOIN LATERAL (SELECT nullif((hashint4(i) & 1073741823) % 1201, 7) AS k) AS key;
INSERT INTO crm.events (id, contact_id, as_long) VALUES (8001, 1, NULL), (8002, 1201, NULL), (8003, NULL, NULL);
CREATE TABLE crm.named (as_text text PRIMARY KEY, other numeric);
INSERT INTO crm.named SELECT DISTINCT as_text, length(as_text) / 7.0 FROM crm.events WHERE as_text IS NOT NULL;
VACUUM ANALYZE crm.events, crm.contacts, crm.named;

CREATE FUNCTION tool.add_model(name text, events regclass, contact_id text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM lead_scoring.create_model(name, 'crm.contacts', 'id');
    PERFORM lead_scoring.add_event_source(name, events, contact_id, 'occurred_at');
    UPDATE lead_scoring.event_source AS s SET condition = 'minutes IS DISTINCT FROM 10' WHERE s.model = add_model.name;
    INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, within, max_count, at_least, value, half_life, distinct_by)
    VALUES (name, 'views', 'each', $c$type = 'view' AND page IN ('p1', 'p2')$c$, 3, '90 days', 3, NULL, NULL, NULL, NULL),
           (name, 'clicks', 'each', $c$type = 'click'$c$, 5, NULL, NULL, NULL, 'minutes', NULL, NULL),
           (name, 'opens', 'count', $c$type = 'open'$c$, 7, '30 days', NULL, 3, NULL, NULL, NULL),
           (name, 'orders', 'each', $c$type = 'order'$c$, 11, NULL, 5, NULL, NULL, NULL, 'page');
    INSERT INTO lead_scoring.engagement_rule (model, name, kind, points, steps, within)
    VALUES (name, 'path', 'sequence', 19, ARRAY[$c$type = 'open'$c$, $c$type = 'click'$c$], '3 days');
    INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, within, if_never)
    VALUES (name, 'silent', 'inactive', NULL, -5, '10 days', 'skip');
END
$$;
SELECT tool.add_model('m', 'crm.events', 'contact_id') \g /dev/null
-- An event that meets more than one parcel has room for.
SELECT tool.add_model('many', 'crm.events', 'contact_id') \g /dev/null
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, max_count, distinct_by, value)
SELECT 'many', 'm' || i, 'each', format('id %% %s < 2', i + 1), i, i, CASE WHEN i % 2 = 0 THEN 'page' END, CASE WHEN i % 3 = 0 THEN 'minutes' END
  FROM generate_series(1, 12) AS i;
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, half_life) VALUES ('many', 'fading', 'each', $$type = 'click'$$, 5, '10 days');
-- None of its events counts.
SELECT tool.add_model('nobody', 'crm.events', 'contact_id') \g /dev/null
UPDATE lead_scoring.event_source SET condition = 'minutes < 0' WHERE model = 'nobody';

CREATE VIEW crm.loud AS
    SELECT id, contact_id, occurred_at, lower(upper(type)) AS type, page || '' AS page, minutes, contact_id * 2 AS twice FROM crm.events;
CREATE TABLE crm.parted (LIKE crm.events) PARTITION BY HASH (contact_id);
CREATE TABLE crm.part0 PARTITION OF crm.parted FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE crm.part1 PARTITION OF crm.parted FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO crm.parted SELECT * FROM crm.events;
ANALYZE crm.parted;

CREATE TABLE tool.shape (n int GENERATED ALWAYS AS IDENTITY, planned text, query text);
INSERT INTO tool.shape (planned, query) VALUES
    ('node', $$SELECT contact_id, agg(e, 'm') FROM crm.events AS e GROUP BY 1$$),
    ('node', $$SELECT contact_id, agg(e, 'many') FROM crm.events AS e GROUP BY 1$$),
    ('node', $$SELECT contact_id, agg(e, 'nobody') FROM crm.events AS e GROUP BY 1$$),
    ('node', $$SELECT agg(e, 'm') FROM crm.events AS e GROUP BY contact_id$$),
    ('node', $$SELECT contact_id, agg(e, 'm', 'events', '2026-02-10 UTC') FROM crm.events AS e GROUP BY 1$$),
    ('node', $$SELECT contact_id, agg(e, 'm', NULL, now() - (now() - timestamptz '2026-02-10 UTC')) FROM crm.events AS e GROUP BY 1$$),
    ('node', $$SELECT contact_id, agg(e, 'm', NULL, (SELECT max(occurred_at) FROM crm.events)) FROM crm.events AS e GROUP BY 1$$),
    -- keys
    ('node', $$SELECT as_big, agg(e, 'm') FROM crm.events AS e GROUP BY 1$$),
    ('node', $$SELECT as_uuid, agg(e, 'm') FROM crm.events AS e GROUP BY 1$$),
    ('node', $$SELECT as_text, agg(e, 'm') FROM crm.events AS e GROUP BY 1$$),
    ('node', $$SELECT as_varchar, agg(e, 'm') FROM crm.events AS e GROUP BY 1$$),
    ('node', $$SELECT as_domain, agg(e, 'm') FROM crm.events AS e GROUP BY 1$$),
    ('node', $$SELECT as_name, agg(e, 'm') FROM crm.events AS e GROUP BY 1$$),
    ('node', $$SELECT md5(as_long), a FROM (SELECT as_long, agg(e, 'm') AS a FROM crm.events AS e WHERE id < 500 GROUP BY 1) AS s$$),
    ('node', $$SELECT contact_id % 100, agg(e, 'm') FROM crm.events AS e GROUP BY 1$$),
    ('node', $$SELECT 1 + contact_id % 100, agg(e, 'm') FROM crm.events AS e GROUP BY contact_id % 100$$),
    ('node', $$SELECT upper(as_text), agg(e, 'm') FROM crm.events AS e GROUP BY upper(as_text)$$),
    ('usual', $$SELECT as_numeric, agg(e, 'm') FROM crm.events AS e GROUP BY 1$$),
    ('usual', $$SELECT as_small, agg(e, 'm') FROM crm.events AS e GROUP BY 1$$),
    ('usual', $$SELECT as_any_case, agg(e, 'm') FROM crm.events AS e GROUP BY 1$$),
    ('usual', $$SELECT contact_id, as_small, agg(e, 'm') FROM crm.events AS e GROUP BY 1, 2$$),
    ('usual', $$SELECT contact_id, agg(e, 'm') FROM crm.events AS e GROUP BY ROLLUP (1)$$),
    ('usual', $$SELECT agg(e, 'm') FROM crm.events AS e$$),
    ('usual', $$SELECT random() < 2 AS r, agg(e, 'm') FROM crm.events AS e GROUP BY 1$$),
    ('usual', $$SELECT 1, agg(e, 'm') FROM crm.events AS e GROUP BY 1$$),
    ('usual', $$SELECT 1, 2, agg(e, 'm') FROM crm.events AS e GROUP BY 1, 2$$),
    ('usual', $$SELECT generate_series(contact_id, contact_id + 1), agg(e, 'm') FROM crm.events AS e WHERE id < 50 GROUP BY 1$$),
    -- what is beside the key
    ('node', $$SELECT contact_id, agg(e, 'm'), agg(e, 'm', NULL, '2026-02-10 UTC'), agg(e, 'many') FROM crm.events AS e GROUP BY 1$$),
    ('node', $$SELECT contact_id, agg(e, 'm'), agg(e, 'm') FROM crm.events AS e GROUP BY 1$$),
    ('node', $$SELECT contact_id, agg(e, 'm') FILTER (WHERE minutes > 3), agg(e, 'm') FILTER (WHERE minutes <= 3) FROM crm.events AS e GROUP BY 1$$),
    ('node', $$SELECT contact_id, agg(e, 'm') FILTER (WHERE false) FROM crm.events AS e GROUP BY 1$$),
    ('node', $$SELECT contact_id, agg(e, 'none') FILTER (WHERE id < 0) FROM crm.events AS e GROUP BY 1$$),
    ('node', $$SELECT contact_id, agg(e, 'm') FILTER (WHERE type = 'view' OR page = NULL) FROM crm.events AS e GROUP BY 1$$),
    ('node', $$SELECT contact_id, lead_scoring.engagement_score(agg(e, 'm')) + contact_id FROM crm.events AS e GROUP BY 1$$),
    ('node', $$SELECT contact_id FROM crm.events AS e GROUP BY 1 HAVING lead_scoring.engagement_score(agg(e, 'm')) > 20 ORDER BY lead_scoring.engagement_score(agg(e, 'm'))$$),
    ('node', $$SELECT contact_id, agg(e, 'm') FROM crm.events AS e GROUP BY 1 HAVING lead_scoring.engagement_score(agg(e, 'm', NULL, '2026-02-10 UTC')) > contact_id % 20$$),
    ('node', $$SELECT contact_id, agg(e, 'm') FROM crm.events AS e GROUP BY 1 HAVING contact_id > 800 OR agg(e, 'm') IS NULL$$),
    ('node', $$SELECT contact_id, (SELECT name FROM crm.contacts AS c WHERE c.id = e.contact_id), agg(e, 'm') FROM crm.events AS e GROUP BY 1$$),
    ('node', $$SELECT contact_id, max(lead_scoring.engagement_score(agg(e, 'm'))) OVER (ORDER BY contact_id ROWS 3 PRECEDING) FROM crm.events AS e GROUP BY 1$$),
    ('node', $$SELECT DISTINCT lead_scoring.engagement_score(agg(e, 'm')) FROM crm.events AS e GROUP BY contact_id$$),
    ('node', $$SELECT contact_id, generate_series(1, 2), agg(e, 'm') FROM crm.events AS e GROUP BY 1$$),
    ('node', $$SELECT contact_id, agg(e, 'm') FROM crm.events AS e GROUP BY 1 ORDER BY 1 LIMIT 20 OFFSET 5$$),
    ('usual', $$SELECT contact_id, agg(e, 'm'), count(*) FROM crm.events AS e GROUP BY 1$$),
    ('usual', $$SELECT contact_id, agg(e, 'm' ORDER BY id DESC) FROM crm.events AS e GROUP BY 1$$),
    ('usual', $$SELECT contact_id, agg(e, 'm', 'events', occurred_at) FROM crm.events AS e GROUP BY 1$$),
    ('usual', $$SELECT contact_id, agg(e, model) FROM crm.events AS e, unnest(ARRAY['m', 'many']) AS model GROUP BY 1$$),
    -- where the events come from
    ('node', $$SELECT contact_id, agg(e, 'm') FROM crm.loud AS e GROUP BY 1$$),
    ('node', $$SELECT twice, agg(e, 'm') FROM crm.loud AS e GROUP BY 1$$),
    ('node', $$SELECT contact_id, agg(e, 'm') FROM crm.parted AS e GROUP BY 1$$),
    ('usual', $$SELECT contact_id, agg(e, 'm') FROM crm.events AS e WHERE false GROUP BY 1$$),
    ('node', $$SELECT contact_id, agg(e, 'm') FROM (SELECT * FROM crm.events ORDER BY id DESC LIMIT 999) AS e GROUP BY 1$$),
    ('node', $$SELECT contact_id, agg(e, 'm') FROM (SELECT * FROM crm.loud UNION ALL SELECT * FROM crm.loud WHERE id < 999) AS e GROUP BY 1$$),
    ('node', $$WITH e AS MATERIALIZED (SELECT * FROM crm.events WHERE id % 2 = 0) SELECT contact_id, agg(e, 'm') FROM e GROUP BY 1$$),
    ('node', $$SELECT c.id, agg(e, 'm') FROM crm.contacts AS c LEFT JOIN crm.events AS e ON e.contact_id = c.id GROUP BY c.id$$),
    ('node', $$SELECT e.contact_id, agg(e, 'm') FROM crm.contacts AS c LEFT JOIN crm.loud AS e ON e.contact_id = c.id GROUP BY 1$$),
    ('node', $$SELECT c.id, agg(e, 'm') FROM crm.loud AS e FULL JOIN crm.contacts AS c ON e.contact_id = c.id GROUP BY 1$$),
    ('usual', $$SELECT e.contact_id, agg(e, 'm') FROM crm.events AS e JOIN crm.contacts AS c ON c.id = e.contact_id AND c.id = 77 GROUP BY 1$$),
    -- what follows from the key
    ('node', $$SELECT c.id, c.name, agg(e, 'm') FROM crm.contacts AS c LEFT JOIN crm.events AS e ON e.contact_id = c.id GROUP BY c.id$$),
    ('node', $$SELECT c.id, upper(c.name) || c.born, c.long, c, agg(e, 'm') FROM crm.contacts AS c LEFT JOIN crm.events AS e ON e.contact_id = c.id GROUP BY c.id HAVING c.name <> 'c7' OR agg(e, 'm') IS NULL$$),
    ('node', $$SELECT c.name, lead_scoring.engagement_score(agg(e, 'm', 'events', t), t, c.born) FROM (VALUES (timestamptz '2026-03-01 UTC')) AS moment (t) CROSS JOIN crm.contacts AS c LEFT JOIN crm.events AS e ON e.contact_id = c.id GROUP BY c.id, t$$),
    ('node', $$SELECT c.name, (SELECT count(*) FROM crm.contacts AS d WHERE d.id < c.id AND d.name > c.name), agg(e, 'm') FILTER (WHERE c.id > 3) FROM crm.contacts AS c LEFT JOIN crm.loud AS e ON e.contact_id = c.id WHERE c.id < 60 GROUP BY c.id$$),
    ('node', $$SELECT n.as_text, n.other, agg(e, 'm') FROM crm.named AS n LEFT JOIN crm.events AS e USING (as_text) GROUP BY n.as_text$$),
    ('node', $$SELECT contact_id, agg(e, 'm'), 'x' FROM crm.events AS e GROUP BY 3, 1$$),
    ('usual', $$SELECT c.id, e.type, agg(e, 'm') FROM crm.contacts AS c LEFT JOIN crm.events AS e ON e.contact_id = c.id GROUP BY c.id, 2$$),
    -- again and again
    ('node', $$SELECT c.id, s.* FROM crm.contacts AS c LEFT JOIN LATERAL (SELECT contact_id, agg(e, 'm') FROM crm.events AS e WHERE e.id < c.id * 300 GROUP BY 1) AS s ON s.contact_id = c.id WHERE c.id < 12$$),
    ('node', $$SELECT c.id, s.* FROM crm.contacts AS c LEFT JOIN LATERAL (SELECT contact_id, agg(e, 'm', NULL, timestamptz '2026-03-01 UTC' - c.id * interval '3 days') FROM crm.events AS e WHERE id < 999 GROUP BY 1) AS s ON s.contact_id % 20 = c.id WHERE c.id < 12$$),
    ('node', $$SELECT c.id, s.* FROM crm.contacts AS c LEFT JOIN LATERAL (SELECT contact_id, agg(e, 'm') FILTER (WHERE e.id > c.id) AS state FROM crm.events AS e WHERE id < 999 GROUP BY 1 OFFSET 0) AS s ON true WHERE c.id < 5$$),
    ('node', $$SELECT c.id, (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM (SELECT agg(e, 'm') AS a FROM crm.events AS e WHERE e.contact_id % 50 = c.id GROUP BY contact_id) AS s) FROM crm.contacts AS c WHERE id < 50$$),
    ('node', $$SELECT c.id, (SELECT string_agg(a::text, ',' ORDER BY k) FROM (SELECT contact_id AS k, agg(e, 'm') AS a FROM crm.events AS e WHERE id < 2000 GROUP BY contact_id) AS s WHERE s.k % 10 = c.id) FROM crm.contacts AS c WHERE id < 10$$),
    -- errors are the same
    ('node', $$SELECT contact_id, agg(e, 'none') FROM crm.events AS e GROUP BY 1$$),
    ('node', $$SELECT contact_id, agg(e, 'none') FROM crm.events AS e WHERE id < 0 GROUP BY 1$$),
    ('node', $$SELECT contact_id, agg(e, 'm', 'none') FROM crm.events AS e GROUP BY 1$$),
    ('node', $$SELECT contact_id, agg(e, NULL) FROM crm.events AS e GROUP BY 1$$),
    ('node', $$SELECT contact_id, agg(e, 'm', NULL, NULL) FROM crm.events AS e GROUP BY 1$$),
    ('node', $$SELECT contact_id, agg(e, 'm', NULL, 'infinity') FROM crm.events AS e GROUP BY 1$$),
    ('node', $$SELECT contact_id, agg(c, 'm') FROM crm.events AS e JOIN crm.contacts AS c ON c.id = e.contact_id GROUP BY 1$$);

-- Sums of numbers depend on the order in which they come: that of the table.
SELECT is(tool.planned(tool.say(query, 'lead_scoring.engagement_agg')), planned, query)
  FROM tool.shape WHERE planned = 'usual' ORDER BY n;
SET enable_sort = off;
CREATE TABLE tool.expected AS SELECT n, tool.outcome(tool.say(query, 'tool.plain')) AS outcome FROM tool.shape;
SELECT is(tool.planned(tool.say(query, 'lead_scoring.engagement_agg')) || E'\n' || tool.outcome(tool.say(query, 'lead_scoring.engagement_agg')),
          planned || E'\n' || outcome, query)
  FROM tool.shape JOIN tool.expected USING (n) WHERE planned = 'node' ORDER BY n;
SELECT is(substring(outcome FROM '^\d+ rows'), '1199 rows', 'there was something to compare') FROM tool.expected WHERE n = 1;
SELECT is((SELECT count(*) FROM (SELECT contact_id, lead_scoring.engagement_agg(e, 'm') AS a FROM crm.events AS e GROUP BY 1) AS s
            WHERE contact_id IS NULL AND a::text = lead_scoring.engagement_empty('m')::text), 1::bigint, 'NULL is a group without events');

-- ------------------------------------------------------------- little memory

CREATE FUNCTION tool.differing(but text DEFAULT '') RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(query, E'\n' ORDER BY n)
      FROM tool.shape JOIN tool.expected USING (n)
     WHERE planned = 'node' AND (but = '' OR strpos(query, but) = 0)
       AND tool.outcome(tool.say(query, 'lead_scoring.engagement_agg')) IS DISTINCT FROM outcome
$$;
SET work_mem = '64kB';
SET hash_mem_multiplier = 1;
SELECT is(tool.differing(), NULL, 'in little memory');
\set big 'SELECT contact_id, lead_scoring.engagement_agg(e, ''many'') FROM crm.events AS e GROUP BY 1'
\set scores 'SELECT round(sum(lead_scoring.engagement_score(state))::numeric, 3) FROM (SELECT contact_id, lead_scoring.engagement_agg(e, ''m'') AS state FROM crm.events AS e GROUP BY 1) AS s'
\set long 'SELECT as_long, lead_scoring.engagement_agg(e, ''many'') FROM crm.events AS e GROUP BY 1'
SELECT matches(tool.plan_of(:'big', 'ANALYZE, COSTS OFF, TIMING OFF'),
               E'Engagement Aggregate\\) \\(actual rows=1199.* loops=1\\)\n +Group Key: e?\\.?contact_id\n +Batches: [1-9]\\d+\n +Memory Usage: \\d+ kB\n +Disk Usage: \\d+ kB\n',
               'EXPLAIN says that it took many tables');
SELECT matches(tool.plan_of(:'long', 'ANALYZE, COSTS OFF, TIMING OFF'), 'Batches: [1-9]\d+', 'with long keys too');
SELECT is((SELECT count(*) FROM pg_ls_tmpdir()), 0::bigint, 'no file is left');
-- A table that is not read to its end; an error in the midst of it.
SELECT is((SELECT count(*) FROM (SELECT contact_id, lead_scoring.engagement_agg(e, 'm') FROM crm.events AS e GROUP BY 1 LIMIT 7) AS s), 7::bigint, 'seven of them');
SELECT throws_ok($$SELECT contact_id, lead_scoring.engagement_agg(e, 'm'), 1 / (contact_id - 600) FROM crm.events AS e GROUP BY 1$$, '22012', NULL, 'an error in the midst');
SELECT is((SELECT count(*) FROM pg_ls_tmpdir()), 0::bigint, 'no file is left then either');
RESET work_mem;
RESET hash_mem_multiplier;
SELECT matches(tool.plan_of(:'big', 'ANALYZE, COSTS OFF, TIMING OFF'), E'Batches: 1\n +Memory Usage: \\d+ kB\n(?! +Disk Usage)', 'in memory there is one table');

-- ------------------------------------------------------------------- cursors

BEGIN;
DECLARE there_and_back SCROLL CURSOR FOR SELECT contact_id, lead_scoring.engagement_agg(e, 'm') FROM crm.events AS e GROUP BY 1;
CREATE FUNCTION tool.fetched(how text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    c refcursor := 'there_and_back';
    one record;
    rows text[];
BEGIN
    FOR i IN 1 .. 1199 LOOP
        EXECUTE 'FETCH ' || how || ' FROM there_and_back' INTO one;
        rows := rows || one::text;
    END LOOP;
    RETURN tool.digest(rows);
END
$$;
SELECT is(tool.fetched('NEXT'), outcome, 'a cursor') FROM tool.expected WHERE n = 1;
MOVE FORWARD 1 FROM there_and_back;
SELECT is(tool.fetched('PRIOR'), outcome, 'and backwards') FROM tool.expected WHERE n = 1;
ROLLBACK;

-- ----------------------------------------------------------- prepared, changed

SET plan_cache_mode = force_generic_plan;
PREPARE states (text, text, timestamptz) AS
    SELECT contact_id, lead_scoring.engagement_agg(e, $1, $2, $3) FROM crm.events AS e GROUP BY 1;
SELECT is(tool.planned($$EXECUTE states ('m', NULL, '2026-02-20 UTC')$$), 'node', 'a generic plan');
CREATE FUNCTION tool.same(what text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT is(tool.outcome($q$EXECUTE states ('m', NULL, '2026-02-20 UTC')$q$),
              tool.outcome($q$SELECT contact_id, tool.plain(e, 'm', NULL, '2026-02-20 UTC') FROM crm.events AS e GROUP BY 1$q$), what)
$$;
SELECT tool.same('at first');
UPDATE lead_scoring.engagement_rule SET max_count = 1 WHERE model = 'm' AND name = 'views';
SELECT tool.same('after a rule counts fewer');
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, max_count) VALUES ('m', 'ids', 'each', 'id % 2 = 0 AND as_small > 5', 1, 3);
SELECT tool.same('after a rule about other columns');
DELETE FROM lead_scoring.engagement_rule WHERE model = 'm' AND name IN ('ids', 'opens', 'path');
SELECT tool.same('after rules are gone');
ALTER TABLE crm.events ADD COLUMN more int DEFAULT 3;
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, max_count) VALUES ('m', 'more', 'each', 'more = 3', 1, 3);
SELECT tool.same('after a rule about a new column');
SELECT is(tool.outcome($$EXECUTE states (NULL, NULL, '2026-02-20 UTC')$$), '22004 the model must not be null', 'no model');
SELECT is(tool.outcome($$EXECUTE states ('m', 'none', '2026-02-20 UTC')$$) ~ '^42704', true, 'no such source');
-- A rule written while rows are fetched: all of a query is by the same rules.
CREATE FUNCTION tool.interrupted(agg text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    c refcursor;
    one record;
    rows text[];
BEGIN
    OPEN c FOR EXECUTE format('SELECT contact_id, %s(e, ''m'') FROM crm.events AS e GROUP BY 1', agg);
    FETCH c INTO one;
    INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, max_count) VALUES ('m', 'pages', 'each', 'page = ''p3''', 1, 3);
    WHILE FOUND LOOP
        rows := rows || one::text;
        FETCH c INTO one;
    END LOOP;
    CLOSE c;
    DELETE FROM lead_scoring.engagement_rule WHERE model = 'm' AND name = 'pages';
    RETURN tool.digest(rows);
END
$$;
SET work_mem = '64kB';
SELECT is(tool.interrupted('lead_scoring.engagement_agg'), tool.interrupted('tool.plain'), 'a rule written in between');
RESET work_mem;

-- -------------------------------------------------------------- turned off

SET enable_hashagg = off;
RESET enable_sort;
SELECT is(tool.planned(:'big'), 'usual', 'enable_hashagg turns it off');
SELECT is(tool.planned($$EXECUTE states ('m', NULL, '2026-02-20 UTC')$$), 'node', 'but for plans that are made already');
RESET enable_hashagg;
DEALLOCATE states;
RESET plan_cache_mode;

-- --------------------------------------------------------------- who may what

GRANT SELECT ON crm.events, crm.contacts TO en_reader;
SELECT is(tool.outcome_for('en_reader', :'big'), tool.outcome(replace(:'big', 'lead_scoring.engagement_agg', 'tool.plain')), 'who may read the events may aggregate them');
PREPARE states AS SELECT contact_id, lead_scoring.engagement_agg(e, 'm') FROM crm.events AS e GROUP BY 1;
SELECT is(tool.planned('EXECUTE states'), 'node', 'prepared');
SELECT is(tool.outcome_for('en_reader', 'EXECUTE states') ~ '^1199 rows', true, 'for whoever may');
BEGIN;
REVOKE SELECT ON crm.contacts FROM en_reader;
SELECT is(tool.outcome_for('en_reader', 'EXECUTE states') ~ '^42501', true, 'not without the contacts');
ROLLBACK;
BEGIN;
REVOKE EXECUTE ON FUNCTION lead_scoring.engagement_agg(record, text) FROM PUBLIC;
SELECT is(tool.outcome_for('en_reader', 'EXECUTE states'), '42501 permission denied for aggregate engagement_agg', 'not after EXECUTE was revoked');
ROLLBACK;
BEGIN;
REVOKE EXECUTE ON FUNCTION lead_scoring.engagement_agg_columns FROM PUBLIC;
SELECT is(tool.outcome_for('en_reader', $$SELECT contact_id, lead_scoring.engagement_agg_columns('{contact_id}', 'm', NULL, contact_id) FROM crm.events GROUP BY 1$$),
          '42501 permission denied for aggregate engagement_agg_columns', 'nor by the other name');
ROLLBACK;

-- ------------------------------------------------------------------ in workers

SET enable_sort = off;
UPDATE tool.expected AS e SET outcome = tool.outcome(tool.say(query, 'tool.plain')) FROM tool.shape AS s WHERE s.n = e.n AND planned = 'node';
SELECT tool.outcome(:'scores') AS expected_scores \gset
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SET max_parallel_workers = 8;
ALTER TABLE crm.contacts SET (parallel_workers = 2);
ALTER TABLE crm.events SET (parallel_workers = 2);
ALTER TABLE crm.part0 SET (parallel_workers = 2);
ALTER TABLE crm.part1 SET (parallel_workers = 2);
SELECT matches(tool.plan_of($$SELECT contact_id, lead_scoring.engagement_agg(e, 'm') FROM crm.events AS e GROUP BY 1$$),
               'Gather.*Parallel Custom Scan \(Engagement Aggregate\).*Parallel Seq Scan', 'workers share the work');
SELECT matches(tool.plan_of(:'scores'),
               'Finalize Aggregate.*Gather.*Partial Aggregate.*Parallel Custom Scan \(Engagement Aggregate\).*Parallel Seq Scan', 'and go on with what they have');
SELECT matches(tool.plan_of($$SELECT contact_id, lead_scoring.engagement_agg(e, 'm') FROM crm.parted AS e GROUP BY 1$$),
               'Gather.*Parallel Custom Scan \(Engagement Aggregate\).*Parallel Append', 'partitions');
SELECT matches(tool.plan_of($$SELECT c.id, c.name, lead_scoring.engagement_agg(e, 'm') FROM crm.contacts AS c JOIN crm.events AS e ON e.contact_id = c.id GROUP BY c.id$$),
               'Gather.*Parallel Custom Scan \(Engagement Aggregate\).*Join', 'joins');
SELECT cmp_ok(count(*), '>', 40::bigint, 'many shapes are parallel')
  FROM tool.shape WHERE tool.plan_of(tool.say(query, 'lead_scoring.engagement_agg')) ~ 'Parallel Custom Scan \(Engagement Aggregate\)';
-- How many processes there are does not matter, nor which.
CREATE FUNCTION tool.with_workers(what text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT is(tool.differing($q$'many'$q$), NULL, what)
$$;
SELECT tool.with_workers('two workers and the leader');
SELECT is(tool.outcome(:'scores'), :'expected_scores', 'and the scores');
SET max_parallel_workers = 0;
SELECT tool.with_workers('the leader alone');
SET max_parallel_workers = 1;
SELECT tool.with_workers('one worker of two');
SET parallel_leader_participation = off;
SELECT tool.with_workers('one worker of two, without the leader');
SET max_parallel_workers = 0;
SELECT tool.with_workers('the leader alone, which was to have no part');
SET max_parallel_workers = 8;
SELECT tool.with_workers('without the leader');
SET max_parallel_workers_per_gather = 1;
SELECT tool.with_workers('one worker, without the leader');
RESET parallel_leader_participation;
SELECT tool.with_workers('one worker');
SET max_parallel_workers_per_gather = 4;
ALTER TABLE crm.events SET (parallel_workers = 4);
SET work_mem = '64kB';
SET hash_mem_multiplier = 1;
SELECT tool.with_workers('four workers, in little memory');
SELECT matches(tool.plan_of(:'big', 'ANALYZE, COSTS OFF, TIMING OFF'),
               E'Parallel Custom Scan \\(Engagement Aggregate\\) \\(actual rows=[^\n]* loops=[1-5]\\)\n +Group Key: e?\\.?contact_id\n +Batches: [1-9]\\d+\n +Memory Usage: \\d+ kB\n +Disk Usage: \\d+ kB\n',
               'EXPLAIN says what all of them used');
SELECT is((SELECT count(*) FROM pg_ls_tmpdir()), 0::bigint, 'no file is left by them');
RESET work_mem;
RESET hash_mem_multiplier;
-- Rows are fetched a few at a time: without workers.
BEGIN;
DECLARE a_few CURSOR FOR SELECT contact_id, lead_scoring.engagement_agg(e, 'm') FROM crm.events AS e GROUP BY 1;
CREATE FUNCTION tool.fetched_a_few() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    c refcursor := 'a_few';
    one record;
    rows text[];
BEGIN
    FOR i IN 1 .. 1199 LOOP
        FETCH c INTO one;
        rows := rows || one::text;
    END LOOP;
    RETURN tool.digest(rows);
END
$$;
SELECT is(tool.fetched_a_few(), outcome, 'a cursor over a parallel plan') FROM tool.expected WHERE n = 1;
ROLLBACK;
-- Not to the end; again and again; an error in the midst.
SELECT is((SELECT count(*) FROM (SELECT contact_id, lead_scoring.engagement_agg(e, 'm') FROM crm.events AS e GROUP BY 1 LIMIT 7) AS s), 7::bigint, 'seven of them');
SELECT throws_ok($$SELECT contact_id, lead_scoring.engagement_agg(e, 'm'), 1 / (contact_id - 600) FROM crm.events AS e GROUP BY 1$$, '22012', NULL, 'an error in the midst');
SELECT is(tool.outcome($$SELECT contact_id, lead_scoring.engagement_agg(e, 'none') FROM crm.events AS e GROUP BY 1$$), '42704 model "none" does not exist', 'an error at the beginning');
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_material = off;
SET enable_memoize = off;
\set again 'SELECT x, s.* FROM (VALUES (1), (2), (3)) AS v (x) LEFT JOIN (SELECT contact_id, agg(e, ''m'') AS a FROM crm.events AS e GROUP BY 1) AS s ON s.contact_id % 7 = x'
SELECT matches(tool.plan_of(tool.say(:'again', 'lead_scoring.engagement_agg')), 'Nested Loop.*Gather.*Parallel Custom Scan', 'gathered again and again');
SELECT is(tool.outcome(tool.say(:'again', 'lead_scoring.engagement_agg')), tool.outcome(tool.say(:'again', 'tool.plain')), 'is the same');
\set some 'SELECT x, count(a) FROM (VALUES (1), (2), (3)) AS v (x) LEFT JOIN (SELECT contact_id, agg(e, ''m'') AS a FROM crm.events AS e GROUP BY 1 LIMIT 600) AS s ON x > 0 GROUP BY 1'
SELECT is(tool.outcome(tool.say(:'some', 'lead_scoring.engagement_agg')), tool.outcome(tool.say(:'some', 'tool.plain')), 'where a limit ended it, too');

DROP OWNED BY en_reader;
DROP ROLE en_reader;
SELECT finish();
