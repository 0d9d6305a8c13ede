-- The type engagement: round trips, forms of storage, damaged values, and which
-- changes of the rules make a state stale.

\set QUIET on
\set ON_ERROR_STOP on
\pset format unaligned
\pset tuples_only on
SET client_min_messages = error;
SELECT setseed(0.4);

SELECT plan(61);

CREATE SCHEMA crm;
CREATE TABLE crm.contacts (id int PRIMARY KEY, created_at timestamptz);
CREATE TABLE crm.events (contact_id int, occurred_at timestamptz, type text, mail text, minutes float8);

-- SQLSTATE of the statement; '' where it works.
CREATE FUNCTION sqlstate_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN '';
EXCEPTION WHEN query_canceled OR OTHERS THEN
    RETURN SQLSTATE;
END
$$;
CREATE PROCEDURE add_rule(rule jsonb) LANGUAGE sql AS $$
    INSERT INTO lead_scoring.engagement_rule
    SELECT r.* FROM jsonb_populate_record(NULL::lead_scoring.engagement_rule,
        '{"model": "m", "dimension": "engagement", "enabled": true, "points": 10}' || rule) AS r;
$$;

SELECT lead_scoring.create_model('m', 'crm.contacts', 'id', created_column => 'created_at');
SELECT lead_scoring.add_event_source('m', 'crm.events', 'contact_id', 'occurred_at');
INSERT INTO lead_scoring.rule_group (model, name, dimension, max_points) VALUES ('m', 'capped', 'engagement', 500);
CALL add_rule('{"name": "sum", "kind": "each", "value": "minutes", "half_life": "30 days"}');
CALL add_rule('{"name": "all", "kind": "each", "dimension": "intent"}');
CALL add_rule('{"name": "list", "kind": "each", "condition": "type = ''open''", "distinct_by": "mail", "value": "minutes", "max_count": 20, "within": "90 days"}');
CALL add_rule('{"name": "late", "kind": "each", "condition": "type = ''page''", "distinct_by": "mail", "unless": "type = ''order''", "after": "2 days", "max_count": 5, "linear_over": "80 days"}');
CALL add_rule('{"name": "three", "kind": "count", "condition": "type = ''page''", "at_least": 3, "requires": "list", "group_name": "capped"}');
CALL add_rule('{"name": "quiet", "kind": "inactive", "within": "10 days", "repeat_every": "1 day"}');
CALL add_rule('{"name": "path", "kind": "sequence", "steps": ["type = ''page''", "type = ''open''", "type = ''order''"], "within": "20 days"}');
CALL add_rule('{"name": "row", "kind": "sequence", "steps": ["type = ''page''", "type = ''page''"], "step_order": "consecutive"}');
CALL add_rule('{"name": "reader", "kind": "streak", "condition": "type = ''sent''", "hit": "type = ''open''", "distinct_by": "mail", "at_least": 2}');
INSERT INTO crm.events
SELECT g % 40, timestamptz '2026-01-01 UTC' + random() * interval '150 days',
       (ARRAY['open', 'page', 'order', 'sent'])[1 + (random() * 3)::int], (random() * 6)::int::text, random() * 10
  FROM generate_series(1, 1500) AS g WHERE g % 40 < 30 OR g < 400;

CREATE TABLE state AS
SELECT contact_id AS id, lead_scoring.engagement_agg(e, 'm', NULL, '2026-06-01 UTC') AS s FROM crm.events AS e GROUP BY contact_id;

-- All that can be read off a state, as one text.
CREATE FUNCTION reading(s lead_scoring.engagement, as_of timestamptz DEFAULT '2026-06-02 UTC') RETURNS text LANGUAGE sql STABLE AS $$
    SELECT concat_ws(' ', lead_scoring.engagement_score(s, as_of, '2026-01-01 UTC'), lead_scoring.intent_score(s, as_of),
                     lead_scoring.last_activity(s), lead_scoring.next_change(s, as_of),
                     (SELECT md5(string_agg(e::text, ',')) FROM lead_scoring.explain_engagement(s, as_of) AS e),
                     md5(lead_scoring.rollup(t)::text), md5(lead_scoring.merge(s, s)::text))
      FROM (SELECT s AS t) AS x
$$;
CREATE TABLE reading AS SELECT id, reading(s) AS r FROM state;

-- --------------------------------------------------------------- round trips

SELECT is((SELECT count(*) FROM state WHERE s::text::lead_scoring.engagement::text <> s::text), 0::bigint, 'text and back');
SELECT is((SELECT count(*) FROM state WHERE upper(s::text)::lead_scoring.engagement::text <> s::text), 0::bigint,
          'capital digits are as good');
SELECT is((SELECT count(*) FROM state WHERE encode(lead_scoring.engagement_send(s), 'hex') <> s::text), 0::bigint,
          'the text form is that of the binary form');
SELECT format('%s/engagement.copy', current_setting('data_directory')) AS file \gset
SELECT set_config('test.file', :'file', false) \g /dev/null
COPY state TO :'file' (FORMAT binary);
CREATE TABLE copied (LIKE state);
COPY copied FROM :'file' (FORMAT binary);
SELECT is((SELECT count(*) FROM state AS a JOIN copied AS b USING (id) WHERE a.s::text = b.s::text), 40::bigint, 'binary COPY');
COPY state TO :'file' (FORMAT csv);
TRUNCATE copied;
COPY copied FROM :'file' (FORMAT csv);
SELECT is((SELECT count(*) FROM state AS a JOIN copied AS b USING (id) WHERE a.s::text = b.s::text), 40::bigint, 'CSV');

-- Short headers, plain, compressed, out of line, both; in rows and arrays.
SELECT is((SELECT count(*) FROM copied JOIN reading USING (id) WHERE reading(s) = r), 40::bigint, 'as stored by default');
CREATE FUNCTION stored_as(storage text, target int) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    DROP TABLE IF EXISTS stored;
    CREATE TABLE stored (id int, filler text, s lead_scoring.engagement);
    EXECUTE format('ALTER TABLE stored ALTER s SET STORAGE %s, ALTER filler SET STORAGE plain', storage);
    EXECUTE format('ALTER TABLE stored SET (toast_tuple_target = %s)', target);
    INSERT INTO stored SELECT id, repeat('x', 1400 + id), s FROM state;
    RETURN (SELECT count(*) FROM stored JOIN reading USING (id) WHERE reading(s) = r);
END
$$;
SELECT is(stored_as(storage, target), 40::bigint, format('SET STORAGE %s, target %s', storage, target))
  FROM unnest(ARRAY['plain', 'main', 'external', 'extended']) AS storage, unnest(ARRAY[128, 2040, 8160]) AS target;
SELECT stored_as('external', 128) \g /dev/null
SELECT cmp_ok(pg_relation_size((SELECT reltoastrelid FROM pg_class WHERE relname = 'stored')), '>', 0::bigint, 'some are out of line');
SELECT stored_as('main', 128) \g /dev/null
SELECT cmp_ok((SELECT count(*) FROM stored WHERE pg_column_size(s) < octet_length(s::text) / 2), '>', 0::bigint, 'some are compressed');
SELECT is((SELECT count(*) FROM (SELECT unnest(array_agg(s ORDER BY id)) AS s, unnest(array_agg(id ORDER BY id)) AS id FROM state) AS a
             JOIN reading USING (id) WHERE reading(s) = r), 40::bigint, 'in an array');
SELECT is((SELECT count(*) FROM (SELECT (ROW(true, s)::text) AS t, id FROM state) AS a JOIN state AS b USING (id)
            WHERE t = format('(t,%s)', b.s)), 40::bigint, 'in a row');

-- ------------------------------------------------------------------- damage

CREATE FUNCTION below(n int) RETURNS int LANGUAGE sql AS 'SELECT floor(random() * n)::int';
-- A state's bytes, damaged in one of many ways; the header of 54 bytes rarely.
CREATE FUNCTION damaged(bytes bytea) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    head int := CASE WHEN random() < 0.3 OR length(bytes) < 60 THEN 0 ELSE 45 END;
    at int := head + below(length(bytes) - head);
    n int := 1 + below(16);
    counts bytea[] := ARRAY['\xffffffff', '\x7fffffff', '\x80000000', '\x00000000', '\x00000001', '\x0fffffff',
                            '\x7fffffffffffffff', '\x8000000000000000', '\x7ff0000000000000', '\xfff8000000000001'];
    word bytea := counts[1 + below(10)];
BEGIN
    CASE below(6)
        WHEN 0 THEN RETURN set_bit(bytes, 8 * at + below(8), below(2));
        WHEN 1 THEN RETURN set_byte(bytes, at, below(256));
        WHEN 2 THEN RETURN substr(bytes, 1, at);
        WHEN 3 THEN RETURN substr(bytes, 1, at) || substr(bytes, greatest(at - n, 1));
        WHEN 4 THEN RETURN substr(bytes, 1, at) || substr(bytes, at + n);
        ELSE RETURN substr(bytes, 1, at) || word || substr(bytes, at + 1 + length(word));
    END CASE;
END
$$;
-- What happens to one: SQLSTATEs, of reading it and of all that is done with it.
CREATE FUNCTION outcome(bytes bytea, is_binary boolean, OUT read_state text, OUT use_states text[], OUT secs float8) LANGUAGE plpgsql AS $$
DECLARE
    started CONSTANT timestamptz := clock_timestamp();
    object oid;
    use text;
BEGIN
    IF is_binary THEN
        object := lo_from_bytea(0, bytea '\x5047434f50590aff0d0a00' || '\x00000000000000000001'::bytea || int4send(length(bytes)) || bytes || '\xffff'::bytea);
        PERFORM lo_export(object, current_setting('test.file'));
        PERFORM lo_unlink(object);
        DELETE FROM one;
        read_state := sqlstate_of(format('COPY one FROM %L (FORMAT binary)', current_setting('test.file')));
    ELSE
        read_state := sqlstate_of(format('SELECT %L::lead_scoring.engagement', encode(bytes, 'hex')));
        DELETE FROM one;
        IF read_state = '' THEN
            INSERT INTO one VALUES (encode(bytes, 'hex')::lead_scoring.engagement);
        END IF;
    END IF;
    use_states := '{}';
    IF read_state = '' THEN
        FOREACH use IN ARRAY ARRAY[
            'engagement_score(s, ''2026-06-02 UTC'', ''2026-01-01'')', 'engagement_score(s, ''2020-01-01'')', 'intent_score(s)', 'last_activity(s)',
            'next_change(s, ''2026-06-02 UTC'')', 'next_change(s, ''290000-01-01 UTC'', ''-infinity'')', 'explain_engagement(s, ''2026-06-02 UTC'')',
            'merge(s, s)', 'merge(s, lead_scoring.engagement_empty(''m''))', 'merge(lead_scoring.engagement_empty(''m''), s)', 'rollup(s)',
            'engagement_send(s)'] LOOP
            use_states := use_states || sqlstate_of(format('SELECT lead_scoring.%s FROM one', use));
        END LOOP;
        IF encode(lead_scoring.engagement_send((SELECT s FROM one)), 'hex') <> encode(bytes, 'hex') THEN
            read_state := 'changed';
        END IF;
    END IF;
    secs := extract(epoch FROM clock_timestamp() - started);
END
$$;
CREATE TABLE one (s lead_scoring.engagement);
CREATE TABLE tried (is_binary boolean, read_state text, use_states text[], secs float8);
CREATE PROCEDURE try_damage(is_binary boolean, count int) LANGUAGE plpgsql AS $$
DECLARE
    states CONSTANT bytea[] := (SELECT array_agg(lead_scoring.engagement_send(s)) FROM state);
    bytes bytea;
BEGIN
    FOR i IN 1..count LOOP
        bytes := damaged(states[1 + below(40)]);
        IF random() < 0.3 THEN
            bytes := damaged(bytes || '\x00');
        END IF;
        INSERT INTO tried SELECT is_binary, o.* FROM outcome(bytes, is_binary) AS o;
    END LOOP;
END
$$;
CALL try_damage(false, 5000);
CALL try_damage(true, 1500);
SELECT is((SELECT array_agg(DISTINCT read_state ORDER BY read_state) FROM tried WHERE NOT is_binary), ARRAY['', '0A000', '22P02'],
          'damaged text is refused, or read');
SELECT is((SELECT array_agg(DISTINCT read_state ORDER BY read_state) FROM tried WHERE is_binary), ARRAY['', '0A000', '22P03'],
          'damaged binary form is refused, or read');
SELECT bag_has($$SELECT unnest(ARRAY['', '22003', '42704', '55000', 'XX001'])$$,
               $$SELECT DISTINCT unnest(use_states) FROM tried$$, 'what was read gives a result or a clean error');
SELECT cmp_ok((SELECT count(*) FROM tried WHERE '' = ANY (use_states) AND read_state = ''), '>', 1000::bigint, 'many are read to the end');
SELECT cmp_ok((SELECT max(secs) FROM tried), '<', 1::float8, 'none takes a second');

SELECT is(sqlstate_of(format('SELECT %L::lead_scoring.engagement', form)), code, what)
  FROM (SELECT s::text AS good FROM state WHERE id = 5) AS x,
       LATERAL (VALUES ('', '22P02', 'nothing'), ('0', '22P02', 'half a byte'), (good || '0', '22P02', 'an odd digit'),
                       (good || ' ', '22P02', 'a space'), ('\x' || good, '22P02', 'as bytea'), (good || '00', '22P02', 'a byte more'),
                       (left(good, -2), '22P02', 'a byte less'), ('02' || substr(good, 3), '0A000', 'a later format'),
                       ('ff' || substr(good, 3), '0A000', 'a much later format'), ('00' || substr(good, 3), '22P02', 'no format'),
                       (overlay(good PLACING 'ff' FROM 5), '22P02', 'a name that is no text'),
                       (repeat('00', 1048577), '54000', 'more than a megabyte'), ('🚀', '22P02', 'no digits')) AS v (form, code, what);

-- --------------------------------------------------------------------- sizes

SELECT lead_scoring.create_model('fifty', 'crm.contacts', 'id');
SELECT lead_scoring.add_event_source('fifty', 'crm.events', 'contact_id', 'occurred_at');
CREATE FUNCTION many_rules(kind text, count int, more jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..count LOOP
        CALL add_rule(replace(more::text, '%', i::text)::jsonb
                      || jsonb_build_object('model', 'fifty', 'kind', kind, 'name', kind || md5(more::text) || i));
    END LOOP;
END
$$;
SELECT many_rules('each', 20, '{"condition": "type = ''t%''", "max_count": 3, "within": "90 days"}'),
       many_rules('each', 10, '{"condition": "type = ''t%''", "half_life": "14 days"}'),
       many_rules('count', 10, '{"condition": "type = ''t%''", "at_least": 3, "within": "30 days"}'),
       many_rules('inactive', 5, '{"condition": "type = ''t%''", "within": "30 days"}'),
       many_rules('sequence', 3, '{"steps": ["type = ''t%''", "type = ''t2%''"], "within": "7 days"}'),
       many_rules('each', 2, '{"condition": "type = ''t%''", "distinct_by": "mail", "max_count": 5}') \g /dev/null
SELECT cmp_ok(size, '<=', 2048, 'a million events of one contact, fifty rules: at most 2 kB') || E'\n' ||
       cmp_ok((SELECT sum(total_bytes) FROM pg_backend_memory_contexts WHERE size > 0), '<', 3e7::numeric, 'and little memory')
  FROM (SELECT pg_column_size(lead_scoring.engagement_agg(e, 'fifty', NULL, '2026-12-01 UTC')) AS size
          FROM (SELECT 1 AS contact_id, timestamptz '2024-01-01 UTC' + random() * interval '800 days' AS occurred_at,
                       't' || (random() * 25)::int AS type, g::text AS mail, random() AS minutes
                  FROM generate_series(1, 1000000) AS g) AS e) AS x;
SELECT lead_scoring.drop_model('fifty');

-- ------------------------------------------------------------------ staleness

-- What a change leaves of states: fresh (with the scores of the events), or stale.
CREATE FUNCTION after_change(change text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    EXECUTE change;
    BEGIN
        SELECT CASE WHEN bool_and(reading(s) = reading(again)) THEN 'fresh' ELSE 'wrong' END INTO result
          FROM state JOIN (SELECT contact_id, lead_scoring.engagement_agg(e, 'm', NULL, '2026-06-01 UTC') AS again
                             FROM crm.events AS e GROUP BY contact_id) AS x ON contact_id = id;
    EXCEPTION WHEN object_not_in_prerequisite_state THEN
        GET STACKED DIAGNOSTICS result = MESSAGE_TEXT;
    END;
    RAISE EXCEPTION USING MESSAGE = result, ERRCODE = 'LS000';
EXCEPTION WHEN SQLSTATE 'LS000' THEN
    RETURN SQLERRM;
END
$$;
SELECT is(after_change('UPDATE lead_scoring.' || change), 'fresh', change)
  FROM unnest(ARRAY[
    'engagement_rule SET points = points + 1',
    'engagement_rule SET name = name || ''x'', requires = NULL',
    'engagement_rule SET description = ''new'', group_name = ''capped'' WHERE dimension = ''engagement''',
    'engagement_rule SET within = ''20 days'' WHERE name IN (''list'', ''late'', ''quiet'')',
    'engagement_rule SET linear_over = NULL, expires_after = ''9 days'' WHERE name = ''late''',
    'engagement_rule SET requires = ''all'' WHERE name IN (''list'', ''late'')',
    'engagement_rule SET dimension = ''intent'' WHERE name = ''list''',
    'rule_group SET max_points = 3, min_points = 1',
    'threshold SET min_score = min_score + 1',
    'model SET engagement_weight = 5, engagement_floor = 1, engagement_ceiling = 9'
  ]) AS change;
SELECT is(after_change('UPDATE lead_scoring.' || change), 'engagement state of model "m" is stale', change)
  FROM unnest(ARRAY[
    'engagement_rule SET condition = ''type = ''''page'''''' WHERE name = ''list''',
    'engagement_rule SET max_count = 19 WHERE name = ''list''',
    'engagement_rule SET half_life = ''31 days'' WHERE name = ''sum''',
    'engagement_rule SET "after" = ''3 days'' WHERE name = ''late''',
    'engagement_rule SET within = ''21 days'' WHERE name = ''path''',
    'engagement_rule SET counts_from = ''2026-02-01'' WHERE name = ''all''',
    'engagement_rule SET enabled = false WHERE name = ''path''',
    'event_source SET condition = ''type <> ''''bot'''''''
  ]) AS change;
SELECT is((SELECT sqlstate_of(format('SELECT lead_scoring.engagement_score(%L)', overlay(s::text PLACING '6e' FROM 5)))
             FROM state WHERE id = 5), '42704', 'a state of a model that is not there');

SELECT * FROM finish();
