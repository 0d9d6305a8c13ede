-- Engagement: boundaries to the microsecond, laws of merging, plans that
-- aggregate in other ways, next_change, what a state cannot be asked.

\set QUIET on
\set ON_ERROR_STOP on
\pset format unaligned
\pset tuples_only on
SET client_min_messages = error;
SET TimeZone = 'Asia/Kathmandu';
SELECT setseed(0.3);

SELECT plan(135);

CREATE SCHEMA crm;
CREATE TABLE crm.contacts (id int PRIMARY KEY, created_at timestamptz);
CREATE TABLE crm.events (
    id          int,
    contact_id  int,
    occurred_at timestamptz,
    type        text,
    mail        text,
    minutes     float8
);

-- SQLSTATE of the statement; '' where it works.
CREATE FUNCTION sqlstate_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN '';
EXCEPTION WHEN query_canceled OR OTHERS THEN
    RETURN SQLSTATE;
END
$$;

CREATE PROCEDURE make_model(model text) LANGUAGE sql AS $$
    SELECT lead_scoring.create_model(model, 'crm.contacts', 'id', created_column => 'created_at');
    SELECT lead_scoring.add_event_source(model, 'crm.events', 'contact_id', 'occurred_at');
    DELETE FROM lead_scoring.threshold AS t WHERE t.model = make_model.model;
$$;
CREATE PROCEDURE add_rule(rule jsonb) LANGUAGE sql AS $$
    INSERT INTO lead_scoring.engagement_rule
    SELECT r.* FROM jsonb_populate_record(NULL::lead_scoring.engagement_rule,
        '{"dimension": "engagement", "enabled": true, "points": 100}' || rule) AS r;
$$;

-- ---------------------------------------------------------------- boundaries

CALL make_model('one');

-- What the only rule gives at a moment for events so long before it; `since`
-- likewise. An event is "type" or "type:mail", its minutes 2.
CREATE FUNCTION one(rule jsonb, ages interval[], types text[] DEFAULT '{}', since interval DEFAULT NULL)
RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    moment CONSTANT timestamptz := '2026-03-29 12:00 UTC';
BEGIN
    DELETE FROM lead_scoring.engagement_rule WHERE model = 'one';
    CALL add_rule(rule || '{"model": "one", "name": "r"}');
    RETURN (
        SELECT lead_scoring.engagement_score(
                   coalesce(lead_scoring.engagement_agg(e, 'one', NULL, moment),
                            lead_scoring.engagement_empty('one')),
                   moment, moment - since)
          FROM unnest(ages, types) WITH ORDINALITY AS a (age, type, n)
         CROSS JOIN LATERAL (SELECT n::int, 1, moment - age, split_part(type, ':', 1),
                                    nullif(split_part(type, ':', 2), ''), 2.0) AS x
         CROSS JOIN LATERAL (SELECT x::text::crm.events AS e) AS y);
END
$$;

SELECT is(one('{"kind": "each", "half_life": "14 days"}', ARRAY[age]), points, 'half-life: ' || age)
  FROM (VALUES (interval '0', 100.0::float8), ('14 days', 50), ('28 days', 25), ('336 hours', 50),
               ('42 days', 12.5)) AS v (age, points);
SELECT is(one('{"kind": "each", "half_life": "00:00:01", "points": 1e308}', ARRAY['1000 s'::interval]) > 0, true,
          'something is left after a thousand half-lives');
SELECT is(one('{"kind": "each", "half_life": "00:00:01", "points": 1e308}', ARRAY['1000.000001 s'::interval]), 0::float8,
          'and nothing beyond');
SELECT is(one('{"kind": "each", "max_count": 9, "linear_over": "10 s"}', ARRAY[age]), points, 'linear: ' || age)
  FROM (VALUES (interval '0', 100.0::float8), ('5 s', 50), ('9.999999 s', 0.00001), ('10 s', 0), ('11 s', 0))
       AS v (age, points);
SELECT is(one('{"kind": "each", "max_count": 9, "decay_percent": 25, "decay_every": "1 month"}', ARRAY[age]), points,
          'steps: ' || age)
  FROM (VALUES (interval '0', 100.0::float8), ('720:00:00', 75), ('719:59:59.999999', 100), ('60 days', 50), ('120 days', 0),
               ('119 days', 25), ('500 days', 0)) AS v (age, points);
SELECT is(one('{"kind": "each", "max_count": 9, "expires_after": "7 days"}', ARRAY[age]), points, 'expiry: ' || age)
  FROM (VALUES (interval '167:59:59.999999', 100.0::float8), ('168:00:00', 0)) AS v (age, points);
SELECT is(one('{"kind": "each", "max_count": 9, "within": "7 days"}', ARRAY[age]), points, 'window: ' || age)
  FROM (VALUES (interval '167:59:59.999999', 100.0::float8), ('168:00:00', 0)) AS v (age, points);
SELECT is(one('{"kind": "each", "max_count": 9, "after": "7 days"}', ARRAY[age]), points, 'after: ' || age)
  FROM (VALUES (interval '167:59:59.999999', 0.0::float8), ('168:00:00', 100)) AS v (age, points);
SELECT is(one('{"kind": "each", "value": "minutes"}', ARRAY['1 s'::interval, '-0.000001 s', '0']), 400::float8,
          'what is yet to come does not count');
SELECT is(one('{"kind": "each", "counts_from": "2026-03-29 11:00 UTC", "counts_until": "2026-03-29 11:30 UTC"}',
              ARRAY['1:00:00'::interval, '1:00:00.000001', '0:30:00', '0:30:00.000001']), 200::float8,
          'counts_from is inside, counts_until is not');
SELECT is(one('{"kind": "count", "at_least": 2, "at_most": 3, "within": "1 hour"}',
              array_fill('59 min'::interval, ARRAY[n])), points, 'between 2 and 3: ' || n)
  FROM (VALUES (1, 0.0::float8), (2, 100), (3, 100), (4, 0), (1000, 0)) AS v (n, points);
SELECT is(one('{"kind": "count", "at_most": 0, "within": "1 hour"}', ARRAY[age]), points, 'absence: ' || age)
  FROM (VALUES (interval '1 hour', 100.0::float8), ('59:59.999999', 0)) AS v (age, points);
SELECT is(one('{"kind": "each", "max_count": 9, "distinct_by": "mail"}', ARRAY['1 h'::interval, '2 h', '3 h', '4 h'],
              ARRAY['open:a', 'open:a', 'open', 'open']), 200::float8, 'a null is one value');
SELECT is(one('{"kind": "each", "max_count": 9, "condition": "type = ''basket''", "unless": "type = ''order''"}',
              ARRAY['1 h'::interval, '2 h', '2 h', '3 h'], ARRAY['basket', 'basket', 'order', 'basket']), 100::float8,
          'unless voids what was before, and at the same moment');
SELECT is(one('{"kind": "inactive", "within": "60 days", "points": -20}', ARRAY[age]), points, 'silence: ' || age)
  FROM (VALUES (interval '1439:59:59.999999', 0.0::float8), ('60 days', -20), ('600 days', -20)) AS v (age, points);
SELECT is(one('{"kind": "inactive", "within": "60 days", "repeat_every": "10 days", "max_count": 3, "points": -20}',
              ARRAY[age]), points, 'silence that lasts: ' || age)
  FROM (VALUES (interval '60 days', -20.0::float8), ('1679:59:59.999999', -20), ('70 days', -40), ('600 days', -60))
       AS v (age, points);
SELECT is(one('{"kind": "inactive", "within": "60 days"}', '{}', '{}', since), points,
          'never anything, since ' || coalesce(since::text, 'an unknown time'))
  FROM (VALUES (interval '60 days', 100.0::float8), ('1439:59:59.999999', 0), ('-1 s', 0), (NULL, 0))
       AS v (since, points);
SELECT is(one('{"kind": "inactive", "within": "60 days", "if_never": "skip"}', '{}', '{}', '90 days'), 0::float8,
          'never anything, which is skipped');
SELECT is(one('{"kind": "sequence", "steps": ["type = ''a''", "type = ''b''"], "within": "1 day", "expires_after": "2 days"}',
              ARRAY[last + span, last], ARRAY['a', 'b']), points, format('a, %s later b, %s ago', span, last))
  FROM (VALUES (interval '24:00:00', interval '0', 100.0::float8), ('24:00:00.000001', '0', 0), ('0', '0', 0),
               ('0.000001 s', '47:59:59.999999', 100), ('1 s', '48:00:00', 0)) AS v (span, last, points);
SELECT is(one(jsonb_build_object('kind', 'sequence', 'step_order', step_order, 'steps', steps),
              ARRAY['5 h'::interval, '4 h', '3 h', '2 h', '1 h'], types), points, format('%s of %s', step_order, types))
  FROM (VALUES ('in_order', '{a,c,b,c,a}'::text[], 100.0::float8), ('in_order', '{b,a,c,c,c}', 0),
               ('consecutive', '{a,x,b,c,c}', 0), ('consecutive', '{c,y,a,b,c}', 100),
               ('any', '{c,b,y,y,a}', 100), ('any', '{c,b,b,y,c}', 0)) AS v (step_order, types, points),
       (VALUES (ARRAY['type = ''a''', 'type IN (''b'', ''x'')', 'type = ''c''']),
               (ARRAY['type = ''a''', 'type = ''b''', 'type IN (''c'', ''x'')'])) AS s (steps)
 WHERE (types[2] = 'x') = (steps[3] LIKE '%x%') OR (types[2] <> 'x' AND steps[3] LIKE '%x%');
SELECT is(one('{"kind": "streak", "condition": "type = ''sent''", "hit": "type = ''open''", "distinct_by": "mail", "at_least": 2}',
              ages, types), points, format('streak of %s', types))
  FROM (VALUES (ARRAY['9 d', '8 d', '7 d', '6 d']::interval[], '{sent:a,open:a,sent:b,open:b}'::text[], 100.0::float8),
               ('{9 d,8 d,7 d}', '{sent:a,sent:b,open:b}', 0),
               ('{9 d,8 d,7 d,6 d,71:59:59.999999}', '{sent:a,open:a,sent:b,open:b,sent:c}', 100),
               ('{9 d,8 d,7 d,6 d,72:00:00}', '{sent:a,open:a,sent:b,open:b,sent:c}', 0),
               ('{9 d,8 d,7 d}', '{sent:a,open:a,open:b}', 0)) AS v (ages, types, points);

-- ------------------------------------------------------------------- models

-- plain: whose states are the same bytes however they come about; lists: no
-- order matters, so that everything merges; full: everything.
CALL make_model('plain');
CALL add_rule('{"model": "plain", "name": "open", "kind": "each", "condition": "type = ''open''", "distinct_by": "mail", "max_count": 5, "within": "90 days"}');
CALL add_rule('{"model": "plain", "name": "three", "kind": "count", "condition": "type = ''page''", "at_least": 3, "within": "30 days", "requires": "open"}');
CALL add_rule('{"model": "plain", "name": "silent", "kind": "inactive", "within": "60 days", "repeat_every": "30 days", "points": -7}');
CALL add_rule('{"model": "plain", "name": "order", "kind": "inactive", "condition": "type = ''order''", "within": "60 days", "dimension": "intent"}');
CALL add_rule('{"model": "plain", "name": "fading", "kind": "each", "condition": "type = ''order''", "max_count": 3, "decay_percent": 10, "decay_every": "5 days"}');
CALL make_model('lists');
INSERT INTO lead_scoring.engagement_rule
SELECT (jsonb_populate_record(r, '{"model": "lists"}')).* FROM lead_scoring.engagement_rule AS r WHERE model = 'plain';
CALL add_rule('{"model": "lists", "name": "minutes", "kind": "each", "value": "minutes", "half_life": "30 days", "dimension": "intent"}');
CALL add_rule('{"model": "lists", "name": "basket", "kind": "each", "condition": "type = ''page''", "unless": "type = ''order''", "after": "2 days", "max_count": 4, "linear_over": "50 days"}');
CALL add_rule('{"model": "lists", "name": "all", "kind": "each"}');
CALL make_model('full');
INSERT INTO lead_scoring.rule_group (model, name, dimension, min_points, max_points) VALUES
    ('full', 'capped', 'engagement', -10, 150);
INSERT INTO lead_scoring.engagement_rule
SELECT (jsonb_populate_record(r, '{"model": "full"}')).* FROM lead_scoring.engagement_rule AS r WHERE model = 'lists';
CALL add_rule('{"model": "full", "name": "path", "kind": "sequence", "group_name": "capped", "steps": ["type = ''page''", "type = ''open''", "type = ''order''"], "within": "20 days", "expires_after": "40 days"}');
CALL add_rule('{"model": "full", "name": "row", "kind": "sequence", "steps": ["type = ''page''", "type = ''page''"], "step_order": "consecutive", "dimension": "intent"}');
CALL add_rule('{"model": "full", "name": "both", "kind": "sequence", "group_name": "capped", "steps": ["type = ''open''", "type = ''order''"], "step_order": "any", "unless": "type = ''sent''"}');
CALL add_rule('{"model": "full", "name": "reader", "kind": "streak", "condition": "type = ''sent''", "hit": "type = ''open''", "distinct_by": "mail", "at_least": 2}');
INSERT INTO lead_scoring.threshold (model, score, label, min_score) VALUES
    ('full', 'engagement', 'A', 100), ('full', 'engagement', 'B', 0), ('full', 'intent', 'C', 50), ('full', 'intent', 'D', 10),
    ('full', 'total', 'hot', 200), ('full', 'total', 'warm', 40);
UPDATE lead_scoring.model SET engagement_weight = 2, intent_weight = 3 WHERE name = 'full';

-- 2,000 contacts; those of the first hundred have many events, the others few.
INSERT INTO crm.events
SELECT g, contact_id,
       timestamptz '2026-01-01 UTC' + (random() * 12000) * interval '20 minutes' + (random() < 0.2)::int * interval '1 us',
       (ARRAY['open', 'page', 'order', 'sent', 'other'])[1 + (random() * 4)::int], (random() * 6)::int::text,
       CASE WHEN random() < 0.1 THEN NULL WHEN random() < 0.02 THEN 'NaN' ELSE random() * 10 - 2 END
  FROM (SELECT g, CASE WHEN g % 2 = 0 THEN g % 100 ELSE (random() * 1900)::int + 100 END AS contact_id
          FROM generate_series(1, 30000) AS g) AS x;
INSERT INTO crm.events VALUES
    (30001, NULL, '2026-02-01', 'open', 'x', 1), (30002, 1, NULL, 'open', 'x', 1), (30003, 1, 'infinity', 'open', 'x', 1),
    (30004, 1, '-infinity', 'open', 'x', 1), (30005, 1, '2026-02-01', 'open', 'x', 'infinity');
ALTER TABLE crm.events SET (parallel_workers = 4);
ANALYZE crm.events;
\set moment '''2026-06-01 UTC'''

-- ------------------------------------------------------------------- merging

CREATE TABLE state AS
SELECT contact_id, lead_scoring.engagement_agg(e, 'plain', NULL, :moment) AS plain,
       lead_scoring.engagement_agg(e, 'lists', NULL, :moment) AS lists,
       lead_scoring.engagement_agg(e, 'full', NULL, :moment) AS fully
  FROM crm.events AS e WHERE contact_id IS NOT NULL GROUP BY contact_id;

-- All the numbers of a state, rounded where sums are involved.
CREATE FUNCTION numbers(state lead_scoring.engagement, as_of timestamptz) RETURNS text STABLE LANGUAGE sql AS $$
    SELECT string_agg(format('%s %s %s %s %s', rule, occurrences, last_match, round(counted::numeric, 4), next_change),
                      ', ' ORDER BY rule)
      FROM lead_scoring.explain_engagement(state, as_of, '2026-01-05 UTC')
$$;

SELECT is((SELECT count(*) FROM state AS a JOIN state AS b ON b.contact_id = a.contact_id + 1
            WHERE (a.plain OPERATOR(lead_scoring.||) b.plain)::text <> lead_scoring.merge(b.plain, a.plain)::text), 0::bigint,
          'merging commutes');
SELECT is((SELECT count(*) FROM state AS a JOIN state AS b ON b.contact_id = a.contact_id + 1
             JOIN state AS c ON c.contact_id = a.contact_id + 2
            WHERE lead_scoring.merge(lead_scoring.merge(a.plain, b.plain), c.plain)::text
                  <> lead_scoring.merge(a.plain, lead_scoring.merge(b.plain, c.plain))::text), 0::bigint,
          'merging is associative');
SELECT is((SELECT count(*) FROM state AS a JOIN state AS b ON b.contact_id = a.contact_id + 1
             JOIN state AS c ON c.contact_id = a.contact_id + 2
            WHERE numbers(lead_scoring.merge(lead_scoring.merge(a.lists, b.lists), c.lists), :moment)
                  <> numbers(lead_scoring.merge(lead_scoring.merge(c.lists, a.lists), b.lists), :moment)), 0::bigint,
          'also with half-lives, values and what voids');
SET lead_scoring.as_of = :moment;
SELECT is((SELECT count(*) FROM state, LATERAL (VALUES (plain, 'plain'), (lists, 'lists'), (fully, 'full')) AS v (s, model)
            WHERE lead_scoring.merge(s, lead_scoring.engagement_empty(model))::text <> s::text
               OR lead_scoring.merge(lead_scoring.engagement_empty(model), s)::text <> s::text), 0::bigint,
          'the empty state changes nothing');
RESET lead_scoring.as_of;
SELECT is((SELECT count(*)
             FROM (SELECT contact_id, n,
                          lead_scoring.engagement_agg(e, 'plain', NULL, :moment) FILTER (WHERE i <= n) AS before,
                          lead_scoring.engagement_agg(e, 'plain', NULL, :moment) FILTER (WHERE i > n) AS after
                     FROM (SELECT e, contact_id, row_number() OVER (PARTITION BY contact_id ORDER BY md5(id::text)) AS i
                             FROM crm.events AS e WHERE contact_id > 1500) AS x, generate_series(0, 12) AS n
                    GROUP BY contact_id, n) AS split
             JOIN state USING (contact_id)
            WHERE coalesce(lead_scoring.merge(before, after), before, after)::text <> plain::text), 0::bigint,
          'events split at any point give the same bytes');
CREATE FUNCTION numbers_if_any(state lead_scoring.engagement, as_of timestamptz) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN numbers(state, as_of);
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    RETURN NULL;
END
$$;
CREATE TABLE continued AS
SELECT numbers_if_any(lead_scoring.merge(before, after), :moment) AS merged, numbers(fully, :moment) AS whole
  FROM (SELECT contact_id, n,
               lead_scoring.engagement_agg(e, 'full', NULL, :moment) FILTER (WHERE i <= n) AS before,
               lead_scoring.engagement_agg(e, 'full', NULL, :moment) FILTER (WHERE i > n) AS after
          FROM (SELECT e, contact_id, row_number() OVER (PARTITION BY contact_id ORDER BY occurred_at) AS i
                  FROM crm.events AS e WHERE contact_id > 1800 OR contact_id < 10) AS x, generate_series(1, 12) AS n
         GROUP BY contact_id, n) AS split
  JOIN state USING (contact_id)
 WHERE before IS NOT NULL AND after IS NOT NULL;
SELECT is((SELECT count(*) FROM continued WHERE merged <> whole), 0::bigint,
          'sequences and streaks go on where a state ended');
SELECT cmp_ok((SELECT count(merged) FROM continued), '>', 1000::bigint, 'as a rule');
SELECT cmp_ok((SELECT count(*) FROM continued WHERE merged IS NULL), '>', 0::bigint, 'and else say that they cannot');

-- -------------------------------------------------------------------- plans

-- Beside another aggregate it is PostgreSQL that aggregates (see engagement_node.sql).

CREATE FUNCTION plan_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    line text;
    lines text := '';
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (VERBOSE, COSTS off) ' || query LOOP
        lines := lines || line || E'\n';
    END LOOP;
    RETURN lines;
END
$$;
\set states 'SELECT contact_id, lead_scoring.engagement_agg(e, ''full'', NULL, ''2026-06-01 UTC'') FROM crm.events AS e GROUP BY contact_id HAVING count(*) > 0'
\set lists 'SELECT contact_id, lead_scoring.engagement_agg(e, ''plain'', NULL, ''2026-06-01 UTC'') FROM crm.events AS e GROUP BY contact_id HAVING count(*) > 0'
\set rolled 'SELECT contact_id < 500, lead_scoring.rollup(plain) FROM state GROUP BY 1'
-- A query's rows with the numbers of their states; or just the states.
CREATE FUNCTION rows_of(query text, bytes boolean DEFAULT false) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    EXECUTE format('SELECT md5(string_agg(concat(k, %s), chr(10) ORDER BY k)) FROM (%s) AS q (k, s)',
                   CASE WHEN bytes THEN 's' ELSE $q$numbers(s, '2026-06-01 UTC')$q$ END, query) INTO result;
    RETURN result;
END
$$;
SET max_parallel_workers_per_gather = 0;
SELECT rows_of(:'states') AS serial, rows_of(:'lists', true) AS bytes, rows_of(:'rolled', true) AS rolled_bytes \gset
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers = 8;
ALTER TABLE state SET (parallel_workers = 4);

SET max_parallel_workers_per_gather = 1;
SELECT matches(plan_of(:'states'), 'Partial .*Aggregate', '1 worker');
SELECT is(rows_of(:'states'), :'serial', 'says the same');
SELECT is(rows_of(:'lists', true), :'bytes', 'in the same bytes');
SET max_parallel_workers_per_gather = 2;
SELECT matches(plan_of(:'states'), 'Partial .*Aggregate', '2 workers');
SELECT is(rows_of(:'states'), :'serial', 'say the same');
SELECT is(rows_of(:'lists', true), :'bytes', 'in the same bytes');
SET max_parallel_workers_per_gather = 4;
SELECT matches(plan_of(:'states'), 'Partial .*Aggregate', '4 workers');
SELECT is(rows_of(:'states'), :'serial', 'say the same');
SELECT is(rows_of(:'lists', true), :'bytes', 'in the same bytes');
SELECT matches(plan_of(:'rolled'), 'Partial .*Aggregate', 'a rollup is parallel too');
SELECT is(rows_of(:'rolled', true), :'rolled_bytes', 'and is the same');
SET parallel_leader_participation = off;
SELECT is(rows_of(:'states'), :'serial', 'without the leader');
SET enable_hashagg = off;
SELECT is(rows_of(:'states'), :'serial', 'with partial sorting');
RESET enable_hashagg;
RESET parallel_leader_participation;
SELECT is(lead_scoring.engagement_agg(e, 'plain', NULL, :moment) FILTER (WHERE false)::text, NULL, 'workers without rows')
  FROM crm.events AS e;
SELECT is((SELECT lead_scoring.engagement_agg(e, 'plain', NULL, :moment)::text FROM crm.events AS e WHERE id = 8),
          (SELECT lead_scoring.engagement_agg(e, 'plain', NULL, :moment) FILTER (WHERE id = 8)::text FROM crm.events AS e),
          'one worker with one row');
SET max_parallel_workers_per_gather = 0;

SET work_mem = '64kB';
SET enable_sort = off;
SELECT is(rows_of(:'states'), :'serial', 'hashing that spills');
RESET enable_sort;
SELECT is(rows_of('SELECT contact_id, lead_scoring.engagement_agg(e, ''full'', NULL, ''2026-06-01 UTC'' ORDER BY mail, id) FROM crm.events AS e GROUP BY contact_id'),
          :'serial', 'ORDER BY in the aggregate');
SELECT is(rows_of('SELECT contact_id, lead_scoring.engagement_agg(DISTINCT e, ''full'', NULL, ''2026-06-01 UTC'') FROM (SELECT * FROM crm.events UNION ALL SELECT * FROM crm.events) AS d JOIN crm.events AS e USING (id, contact_id) GROUP BY contact_id'),
          (SELECT rows_of('SELECT contact_id, lead_scoring.engagement_agg(e, ''full'', NULL, ''2026-06-01 UTC'') FROM crm.events AS e WHERE contact_id IS NOT NULL GROUP BY contact_id')),
          'DISTINCT in the aggregate');
SELECT is((SELECT count(*) FROM (
            SELECT contact_id, grouping(contact_id) AS g, lead_scoring.engagement_agg(e, 'plain', NULL, :moment) AS s
              FROM crm.events AS e GROUP BY GROUPING SETS ((contact_id), ())) AS x
             JOIN (SELECT contact_id, plain FROM state UNION ALL
                   SELECT NULL, lead_scoring.engagement_agg(e, 'plain', NULL, :moment) FROM crm.events AS e) AS y
               ON x.contact_id = y.contact_id AND g = 0 OR g = 1 AND y.contact_id IS NULL
            WHERE s::text <> plain::text), 0::bigint, 'GROUPING SETS');
RESET work_mem;
-- Two models in turn: what was read of the one is not kept while the other is.
SET enable_sort = off;
SELECT cmp_ok((SELECT sum(total_bytes) FROM pg_backend_memory_contexts WHERE n > 0), '<', 1.6e7::numeric, 'two models in turn need little memory')
  FROM (SELECT count(s) AS n
          FROM (SELECT lead_scoring.engagement_agg(e, m, NULL, :moment) AS s
                  FROM (SELECT e, CASE WHEN id % 2 = 0 THEN 'plain' ELSE 'lists' END AS m FROM crm.events AS e) AS x
                 GROUP BY m) AS y) AS z;
RESET enable_sort;
SELECT is((SELECT count(*) FROM (
            SELECT contact_id, id, lead_scoring.engagement_agg(e, 'full', NULL, :moment)
                       OVER (PARTITION BY contact_id ORDER BY id ROWS BETWEEN 9 PRECEDING AND CURRENT ROW) AS s,
                   lead_scoring.engagement_agg(e, 'full', NULL, :moment) OVER (PARTITION BY contact_id ORDER BY id) AS t
              FROM crm.events AS e WHERE contact_id < 6) AS w
             CROSS JOIN LATERAL (
                 SELECT lead_scoring.engagement_agg(e, 'full', NULL, :moment) AS moving
                   FROM (SELECT * FROM crm.events AS x WHERE x.contact_id = w.contact_id AND x.id <= w.id
                          ORDER BY id DESC LIMIT 10) AS l JOIN crm.events AS e ON e.id = l.id) AS m
             CROSS JOIN LATERAL (
                 SELECT lead_scoring.engagement_agg(e, 'full', NULL, :moment) AS growing
                   FROM crm.events AS e WHERE e.contact_id = w.contact_id AND e.id <= w.id) AS g
            WHERE w.id % 7 = 0
              AND (numbers(s, :moment) <> numbers(moving, :moment) OR numbers(t, :moment) <> numbers(growing, :moment))),
          0::bigint, 'windows with moving and with growing frames');

-- ------------------------------------------------------------- next change

-- Moments between as_of and the next change: nothing jumps, no label changes.
CREATE TABLE tried AS
SELECT contact_id, s, plain, t, c, lead_scoring.next_change(s, t, c, fit) AS n, fit
  FROM (SELECT contact_id, s, plain, timestamptz '2026-06-20 UTC' + random() * interval '90 days' AS t,
               timestamptz '2026-01-01 UTC' + random() * interval '300 days' AS c, round(random() * 100) AS fit
          FROM (SELECT contact_id, lead_scoring.engagement_agg(e, 'full', NULL, '2026-06-20 UTC') AS s,
                       lead_scoring.engagement_agg(e, 'plain', NULL, '2026-06-20 UTC') AS plain
                  FROM crm.events AS e WHERE contact_id IS NOT NULL GROUP BY contact_id) AS made,
               generate_series(1, 3)) AS x;
CREATE FUNCTION label(score text, points float8) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT label FROM lead_scoring.threshold AS t
     WHERE model = 'full' AND t.score = label.score AND min_score <= points ORDER BY min_score DESC LIMIT 1
$$;
CREATE FUNCTION labels(s lead_scoring.engagement, t timestamptz, c timestamptz, fit float8) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT concat_ws(' ', label('engagement', e), label('intent', i),
                     label('total', round((fit + 2 * e + 3 * i) * 1e6) / 1e6))
      FROM (SELECT lead_scoring.engagement_score(s, t, c) AS e, lead_scoring.intent_score(s, t, c) AS i) AS x
$$;
SELECT cmp_ok((SELECT count(n) FROM tried), '>', 4000::bigint, 'there is something to come');
SELECT is((SELECT count(*) FROM tried WHERE n <= t), 0::bigint, 'the next change is later');
SELECT is((SELECT count(*) FROM tried, LATERAL (VALUES (n - interval '1 us'), (t + (n - t) * random())) AS v (between_us)
            WHERE contact_id % 3 = 0 AND between_us > t AND between_us < n
              AND labels(s, t, c, fit) <> labels(s, between_us, c, fit)), 0::bigint,
          'no threshold is crossed before the next change');
SELECT is((SELECT count(*) FROM tried,
                  LATERAL (SELECT lead_scoring.engagement_score(plain, t, c) AS e, lead_scoring.intent_score(plain, t, c) AS i,
                                  lead_scoring.next_change(plain, t, c) AS n) AS now,
                  LATERAL (SELECT lead_scoring.engagement_score(plain, now.n - interval '1 us', c) AS e,
                                  lead_scoring.intent_score(plain, now.n - interval '1 us', c) AS i) AS later
            WHERE (now.e, now.i) <> (later.e, later.i)), 0::bigint,
          'without continuous decay nothing moves before the next change');
SELECT is((SELECT count(*) FROM tried AS a
            WHERE contact_id % 20 = 0 AND EXISTS (
                SELECT FROM lead_scoring.explain_engagement(s, t, c) AS was
                  JOIN lead_scoring.explain_engagement(s, was.next_change - interval '1 us', c) AS will USING (rule)
                 WHERE was.occurrences <> will.occurrences OR was.last_match <> will.last_match)), 0::bigint,
          'nor does what a rule counts, before its own');

-- The total is made of rounded scores: with a large weight it jumps.
CALL make_model('coarse');
CALL add_rule('{"model": "coarse", "name": "slow", "kind": "each", "half_life": "300 days", "points": 1}');
INSERT INTO lead_scoring.threshold (model, score, label, min_score) VALUES ('coarse', 'total', 'hot', 999.9991);
UPDATE lead_scoring.model SET engagement_weight = 1000 WHERE name = 'coarse';
SELECT lead_scoring.engagement_agg(ROW(1, 1, '2026-06-01 UTC', 'open', 'x', 1)::crm.events, 'coarse', NULL, '2026-06-01 UTC') AS coarse \gset
SELECT cmp_ok(1000 * lead_scoring.engagement_score(:'coarse', n - interval '1 us'), '>=', 999.9991::float8,
              'nor is one crossed because scores are rounded before they are weighed')
  FROM lead_scoring.next_change(:'coarse', '2026-06-01 UTC') AS n;

-- What is left of old visits cannot move a total that stands on a threshold.
CALL make_model('settled');
CALL add_rule('{"model": "settled", "name": "old", "kind": "each", "condition": "type = ''page''", "half_life": "1 day", "points": 1}');
CALL add_rule('{"model": "settled", "name": "new", "kind": "each", "condition": "type = ''form''", "max_count": 1, "within": "90 days", "points": 20}');
INSERT INTO lead_scoring.threshold (model, score, label, min_score) VALUES ('settled', 'total', 'warm', 20);
SELECT is(lead_scoring.next_change(lead_scoring.engagement_agg(e, 'settled', NULL, '2026-06-01 UTC'), '2026-06-01 UTC'),
          timestamptz '2026-08-30 UTC', 'a total on a threshold is not due at once, and for ever')
  FROM (VALUES (ROW(1, 1, '2026-04-01 UTC', 'page', 'x', 1)::crm.events),
               (ROW(2, 1, '2026-06-01 UTC', 'form', 'x', 1)::crm.events)) AS v (e);

-- Shortened states that overlap are told of wherever they meet, in workers too.
CALL make_model('shortened');
CALL add_rule('{"model": "shortened", "name": "both", "kind": "sequence", "steps": ["type = ''page''", "type = ''form''"]}');
CREATE TABLE shortened (part int, s lead_scoring.engagement) PARTITION BY LIST (part);
CREATE TABLE shortened_0 PARTITION OF shortened FOR VALUES IN (0);
CREATE TABLE shortened_1 PARTITION OF shortened FOR VALUES IN (1);
INSERT INTO shortened
SELECT n % 2, lead_scoring.engagement_agg(ROW(n, 1, timestamptz '2026-05-01 UTC' + n * interval '1 hour',
           CASE WHEN n / 2 % 2 = 0 THEN 'page' ELSE 'form' END, 'x', 1)::crm.events, 'shortened', NULL, '2026-06-01 UTC')
  FROM generate_series(1, 60) AS n GROUP BY 1;
SELECT is(sqlstate_of(format($$SET LOCAL max_parallel_workers_per_gather = %s;
            SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0;
            SET LOCAL min_parallel_table_scan_size = 0; SET LOCAL parallel_leader_participation = off;
            SELECT lead_scoring.engagement_score(lead_scoring.rollup(s), '2026-06-01 UTC') FROM shortened$$, workers)),
          '55000', 'shortened states that overlap, workers: ' || workers)
  FROM unnest(ARRAY[0, 2]) AS workers;

-- ----------------------------------------------------------------- explaining

SELECT is((SELECT count(*) FROM tried,
                  LATERAL (SELECT coalesce(sum(counted) FILTER (WHERE dimension = 'engagement'), 0) AS e,
                                  coalesce(sum(counted) FILTER (WHERE dimension = 'intent'), 0) AS i
                             FROM lead_scoring.explain_engagement(s, t, c)) AS x
            WHERE abs(e - lead_scoring.engagement_score(s, t, c)) > 1e-6
               OR abs(i - lead_scoring.intent_score(s, t, c)) > 1e-6), 0::bigint,
          'counted sums to the scores');
SELECT is((SELECT string_agg(DISTINCT coalesce(rule, '?'), ',' ORDER BY coalesce(rule, '?')) FROM tried, lead_scoring.explain_engagement(s, t, c)),
          '(limits of group capped),all,basket,both,fading,minutes,open,order,path,reader,row,silent,three', 'every rule is there');

-- ------------------------------------------------------- what cannot be asked

SELECT is((SELECT string_agg(DISTINCT sqlstate_of(format('SELECT lead_scoring.engagement_score(%L, %L)', s, early)), ',')
             FROM (SELECT fully AS s, timestamptz '2026-01-01 UTC' + random() * interval '50 days' AS early
                     FROM state WHERE contact_id < 100 AND contact_id % 2 = 0) AS x), '55000', 'what was forgotten is not guessed');
-- Each moment is either refused, or the events give the same.
CREATE FUNCTION is_right(s lead_scoring.engagement, contact int, moment timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RETURN lead_scoring.engagement_score(s, moment)
           = (SELECT lead_scoring.engagement_score(coalesce(lead_scoring.engagement_agg(e, 'plain', NULL, moment),
                                                            lead_scoring.engagement_empty('plain')), moment)
                FROM crm.events AS e WHERE contact_id = contact);
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    RETURN NULL;
END
$$;
CREATE TABLE asked AS
SELECT is_right(s, contact_id, moment) AS right, moment >= made AS later
  FROM (SELECT contact_id, made, made + (random() * 80 - 40) * interval '1 day' AS moment,
               (SELECT lead_scoring.engagement_agg(e, 'plain', NULL, made) FROM crm.events AS e
                 WHERE e.contact_id = c.contact_id) AS s
          FROM (SELECT contact_id, timestamptz '2026-01-01 UTC' + random() * interval '180 days' AS made
                  FROM generate_series(100, 700) AS contact_id) AS c) AS x
 WHERE s IS NOT NULL;
SELECT is((SELECT count(*) FROM asked WHERE NOT "right"), 0::bigint, 'a moment is refused, or read exactly');
SELECT is((SELECT array_agg(DISTINCT ROW("right" IS NULL, later)::text ORDER BY ROW("right" IS NULL, later)::text) FROM asked),
          ARRAY['(f,f)', '(f,t)', '(t,f)', '(t,t)'], 'earlier and later ones, of both sorts');

SELECT fully AS s, contact_id AS c FROM state WHERE contact_id = 6 \gset
SELECT is(lead_scoring.engagement_score(:'s', :moment, since), lead_scoring.engagement_score(:'s', :moment),
          'since ' || coalesce(since::text, 'null'))
  FROM unnest(ARRAY['infinity', '-infinity', '2030-01-01', NULL]::timestamptz[]) AS since;
SELECT is(sqlstate_of(statement), code, statement)
  FROM (VALUES
    ('SELECT lead_scoring.engagement_agg(e, ''nobody'') FROM crm.events AS e', '42704'),
    ('SELECT lead_scoring.engagement_agg(e, NULL) FROM crm.events AS e', '22004'),
    ('SELECT lead_scoring.engagement_agg(e, ''full'', ''web'') FROM crm.events AS e', '42704'),
    ('SELECT lead_scoring.engagement_agg(e, ''full'', NULL, NULL) FROM crm.events AS e', '22004'),
    ('SELECT lead_scoring.engagement_agg(e, ''full'', NULL, ''infinity'') FROM crm.events AS e', '22008'),
    ('SELECT lead_scoring.engagement_agg(e, ''full'', NULL, e.occurred_at) FROM crm.events AS e WHERE id < 5', '22023'),
    ('SELECT lead_scoring.engagement_agg(c, ''full'') FROM (SELECT 1 AS one) AS c', '42703'),
    ('SELECT lead_scoring.engagement_empty(''nobody'')', '42704'),
    (format('SELECT lead_scoring.engagement_score(%L, ''infinity'')', :'s'), '22008'),
    (format('SELECT lead_scoring.merge(%L, plain) FROM state', :'s'), '22023'),
    ('SELECT lead_scoring.rollup(s) FROM (SELECT plain FROM state UNION ALL SELECT lists FROM state) AS x (s)', '22023'),
    ('SELECT lead_scoring.engagement_agg(e, ''full'') FROM (SELECT contact_id::bigint, occurred_at, type, mail, minutes FROM crm.events) AS e', '42804'),
    ('SELECT lead_scoring.engagement_agg(e, ''full'') FROM (SELECT contact_id, occurred_at::date, type, mail, minutes FROM crm.events) AS e', '42804'),
    ('SELECT lead_scoring.engagement_agg(ROW(id, contact_id, occurred_at, type, mail, 1e308::float8)::crm.events, ''full'') FROM crm.events AS e', '22003'))
    AS v (statement, code);
SELECT is((SELECT lead_scoring.engagement_agg(NULL::crm.events, 'plain', NULL, :moment)::text),
          (SELECT lead_scoring.engagement_agg(e, 'plain', NULL, :moment)::text
             FROM crm.contacts AS c RIGHT JOIN (SELECT 1) AS x ON true LEFT JOIN crm.events AS e ON e.contact_id = c.id),
          'no event, as a LEFT JOIN has it, is an empty state');
SET lead_scoring.as_of = :moment;
SELECT is(lead_scoring.engagement_agg(NULL::crm.events, 'plain')::text, lead_scoring.engagement_empty('plain')::text,
          'the same as engagement_empty');
RESET lead_scoring.as_of;
SELECT is((SELECT lead_scoring.engagement_agg(e, 'plain', NULL, :moment)::text
             FROM (SELECT minutes, type, upper(mail) AS mail, occurred_at, 'x' AS more, contact_id, id FROM crm.events
                    WHERE contact_id = 6) AS e),
          (SELECT plain::text FROM state WHERE contact_id = 6), 'columns in another order, and more of them');
UPDATE lead_scoring.engagement_rule SET source = 'events' WHERE model = 'plain' AND condition IS NOT NULL;
SELECT lead_scoring.add_event_source('plain', 'crm.events', 'contact_id', 'occurred_at', 'web');
SELECT is(sqlstate_of('SELECT lead_scoring.engagement_agg(e, ''plain'') FROM crm.events AS e'), '42P08',
          'two sources: say which');
DELETE FROM lead_scoring.engagement_rule WHERE model = 'plain';
DELETE FROM lead_scoring.event_source WHERE model = 'plain';
SELECT is(sqlstate_of('SELECT lead_scoring.engagement_agg(e, ''plain'') FROM crm.events AS e'), '42704', 'no source');

SELECT * FROM finish();
