-- A rescore surveys the contacts, slice by slice, and writes those alone whose score
-- is not what it must be. Whatever kept it from being so: afterwards all is right.

\ir live.psql

SELECT plan(43);

-- What no trigger sees.
CREATE PROCEDURE unseen(statement text) LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL session_replication_role = replica;
    EXECUTE statement;
END
$$;

-- The versions of the score rows, and who has locked them.
CREATE FUNCTION versions(model text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    all_of_them text;
BEGIN
    EXECUTE format('SELECT string_agg(concat_ws('' '', contact_id, ctid, xmin, xmax), '';'' ORDER BY contact_id) FROM %s',
                   object_of(model, '_score')) INTO all_of_them;
    RETURN all_of_them;
END
$$;

-- ---------------------------------------------------- keys of each type, slices of each size

CREATE TABLE numbers (id int PRIMARY KEY, title text, size int);
CREATE TABLE events (id bigint GENERATED ALWAYS AS IDENTITY, contact bigint, what text, at timestamptz, worth int);
CREATE TABLE words (id varchar(20) COLLATE "C" PRIMARY KEY, title text, size int);
CREATE TABLE word_events (id bigint GENERATED ALWAYS AS IDENTITY, contact text, what text, at timestamptz, worth int);
CREATE TABLE ids (id uuid PRIMARY KEY, title text, size int) PARTITION BY HASH (id);
CREATE TABLE ids_1 PARTITION OF ids FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE ids_2 PARTITION OF ids FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE id_events (id bigint GENERATED ALWAYS AS IDENTITY, contact uuid, what text, at timestamptz, worth int);

INSERT INTO numbers SELECT g, CASE WHEN g % 3 = 0 THEN 'CEO' END, g FROM generate_series(1, 60) AS g;
INSERT INTO words SELECT chr(60 + g) || g, CASE WHEN g % 3 = 0 THEN 'CEO' END, g FROM generate_series(1, 60) AS g;
INSERT INTO ids SELECT md5(g::text)::uuid, CASE WHEN g % 3 = 0 THEN 'CEO' END, g FROM generate_series(1, 60) AS g;

CREATE VIEW happened AS
    SELECT 1 + g % 70 AS contact, (ARRAY['view', 'open', 'asked', 'basket', 'order', 'other'])[1 + g % 6] AS what,
           now() - g * interval '7 hours' AS at, 1 + g % 4 AS worth
      FROM generate_series(1, 300) AS g;
INSERT INTO events (contact, what, at, worth) SELECT contact, what, at, worth FROM happened;
INSERT INTO word_events (contact, what, at, worth) SELECT chr(60 + contact) || contact, what, at, worth FROM happened;
INSERT INTO id_events (contact, what, at, worth) SELECT md5(contact::text)::uuid, what, at, worth FROM happened;

CALL make_live('numbers', 'numbers', population => 'size <> 13');
CALL make_live('words', 'words', population => 'size <> 13');
CALL make_live('ids', 'ids', population => 'size <> 13');
SELECT lead_scoring.add_event_source('numbers', 'events', 'contact', 'at') IS NULL AS done,
       lead_scoring.add_event_source('words', 'word_events', 'contact', 'at') IS NULL AS done,
       lead_scoring.add_event_source('ids', 'id_events', 'contact', 'at') IS NULL AS done \g /dev/null
CALL add_behaviour('numbers');
CALL add_behaviour('words');
CALL add_behaviour('ids');
CREATE INDEX ON events (contact);
CREATE INDEX ON word_events (contact);
CREATE INDEX ON id_events (contact);
SELECT lead_scoring.activate('numbers'), lead_scoring.activate('words'), lead_scoring.activate('ids') \g /dev/null
CALL lead_scoring.refresh('numbers');
CALL lead_scoring.refresh('words');
CALL lead_scoring.refresh('ids');

-- 2 tests: what no trigger saw, and rows that are not there.
CREATE FUNCTION mended(model text, events text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
    people bigint;
BEGIN
    CALL unseen(format('DELETE FROM %I WHERE id %% 7 = 0', events));
    CALL unseen(format('INSERT INTO %1$I (contact, what, at, worth) SELECT contact, ''asked'', at - interval ''1 hour'', 3'
                       ' FROM %1$I WHERE id %% 11 = 0', events));
    CALL unseen(format('UPDATE %I SET size = 60 - size WHERE size %% 5 = 0', model));
    CALL unseen(format('DELETE FROM %I WHERE size = 33', model));
    EXECUTE format('DELETE FROM %s WHERE fit > 10', object_of(model, '_score'));
    CALL lead_scoring.rescore(model, n);
    RETURN NEXT sound(model, format('%s: slices of %s', model, current_setting('lead_scoring.rescore_slice')));
    EXECUTE format('SELECT count(*) FROM %I', model) INTO people;
    RETURN NEXT is(n, people, 'each is counted once');
END
$$;

SELECT mended('numbers', 'events');
SELECT mended('words', 'word_events');
SELECT mended('ids', 'id_events');
SET lead_scoring.rescore_slice = 7;
SELECT mended('numbers', 'events');
SELECT mended('words', 'word_events');
SELECT mended('ids', 'id_events');
SET lead_scoring.rescore_slice = 1;
SELECT mended('numbers', 'events');
SELECT mended('words', 'word_events');
SELECT mended('ids', 'id_events');

-- ------------------------------------------------------------- who is right is left alone

SELECT versions('numbers') AS before \gset
CALL lead_scoring.rescore('numbers');
SELECT is(versions('numbers'), :'before', 'slices of one: who is right is not written, and not locked');
RESET lead_scoring.rescore_slice;
CALL lead_scoring.rescore('numbers');
SELECT is(versions('numbers'), :'before', 'nor in one slice');
BEGIN;
CALL lead_scoring.rescore('numbers');
SELECT is(versions('numbers'), :'before', 'nor inside a transaction');
COMMIT;
CALL unseen('UPDATE numbers SET title = ''CEO'' WHERE id = 8');
CALL lead_scoring.rescore('numbers');
SELECT is((SELECT count(*) FROM string_to_table(versions('numbers'), ';')
            WHERE NOT EXISTS (SELECT FROM string_to_table(:'before', ';') AS b (v) WHERE v = string_to_table)),
          1::bigint, 'one that is not is all that is written');
SELECT sound('numbers', 'and right then');

-- ------------------------------------------------------------- other rules, tiny memory

SET work_mem = '64kB';
INSERT INTO numbers SELECT g, 'CEO', g FROM generate_series(1001, 2200) AS g;
UPDATE lead_scoring.engagement_rule SET points = points + 1 WHERE model = 'numbers' AND name IN ('views', 'worth', 'silent');
CALL lead_scoring.rescore('numbers');
SELECT sound('numbers', 'everyone, with 64 kB of memory');
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now'; END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON numbers_score FOR EACH ROW EXECUTE FUNCTION refuse();
UPDATE lead_scoring.fit_rule SET points = points + 1 WHERE model = 'numbers';
SELECT throws_ok($$CALL lead_scoring.rescore('numbers')$$, 'P0001', 'not now', 'a rescore that fails');
SELECT is((SELECT count(*) FROM pg_ls_tmpdir()), 0::bigint, 'leaves no file behind');
DROP TRIGGER refuse ON numbers_score;
CALL lead_scoring.refresh('numbers');
SELECT sound('numbers', 'and the next one mends it');
RESET work_mem;

-- ------------------------------------------------------------- what cannot be surveyed

INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, max_count, points)
VALUES ('numbers', 'share', 'each', '12 / worth > 3', 5, 1);
CALL lead_scoring.refresh('numbers');
SELECT sound('numbers', 'a rule that may fail');
CALL unseen('INSERT INTO events (contact, what, at, worth) VALUES (5, ''view'', now(), 0), (900000, ''view'', now(), 0)');
CALL unseen('UPDATE numbers SET size = 70 WHERE id % 4 = 0');
CALL lead_scoring.rescore('numbers');
SELECT is(outcome($$SELECT contact_id, problem FROM numbers_score WHERE problem IS NOT NULL$$),
          '(5,"division by zero (engagement rule ""share"" of model ""numbers"")")', 'an event on which it fails: its contact');
SELECT is(outcome($$SELECT count(*) FROM numbers AS c JOIN numbers_score AS s ON s.contact_id = c.id
                     WHERE s.fit IS DISTINCT FROM lead_scoring.fit_score(c, 'numbers') AND c.id <> 5 AND c.size <> 13$$),
          '(0)', 'the others are scored');
DELETE FROM events WHERE worth = 0;
DELETE FROM lead_scoring.engagement_rule WHERE model = 'numbers' AND name = 'share';
CALL lead_scoring.refresh('numbers');
SELECT sound('numbers', 'once both are gone');

INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('numbers', 'ratio 2', '100 / (size - 30) > 4', 3);
CALL lead_scoring.refresh('numbers');
SELECT is((SELECT count(*) FROM numbers_score WHERE problem IS NOT NULL), (SELECT count(*) FROM numbers WHERE size = 30),
          'contacts on which a rule fails');
CALL lead_scoring.rescore('numbers');
SELECT is((SELECT count(*) FROM numbers_score WHERE problem IS NOT NULL), (SELECT count(*) FROM numbers WHERE size = 30),
          'and again');
DELETE FROM lead_scoring.fit_rule WHERE model = 'numbers' AND name = 'ratio 2';
CALL lead_scoring.refresh('numbers');

-- Most events are of others: those of the contacts are looked up.
CALL unseen('INSERT INTO events (contact, what, at, worth) SELECT g, ''view'', now(), 1 FROM generate_series(10001, 30000) AS g');
ANALYZE events;
CALL unseen('DELETE FROM events WHERE contact < 20 AND id % 3 = 0');
CALL lead_scoring.rescore('numbers');
SELECT sound('numbers', 'events of others');
CALL unseen('DELETE FROM events WHERE contact > 10000');
ANALYZE events;

-- ------------------------------------------------------------- by hand

INSERT INTO numbers_adjustment (contact_id, kind, points, reason) VALUES (7, 'points', 5, 'nice'), (9, 'exclude', NULL, 'asked to');
INSERT INTO numbers_adjustment (contact_id, kind, valid_from, reason) VALUES (11, 'reset', now() - interval '3 days', 'new job');
UPDATE lead_scoring.engagement_rule SET points = points + 1 WHERE model = 'numbers' AND name = 'views';
CALL lead_scoring.rescore('numbers');
SELECT sound('numbers', 'what is said by hand');
CALL unseen('DELETE FROM numbers_adjustment');
CALL lead_scoring.rescore('numbers');
SELECT sound('numbers', 'and is not any more');

-- ------------------------------------------------------------- several sources, a lookup

CREATE TABLE calls (id bigint GENERATED ALWAYS AS IDENTITY, person numeric, at timestamptz);
CREATE INDEX ON calls (person);
INSERT INTO calls (person, at) VALUES (3, now() - interval '1 day'), (3.5, now() - interval '1 day'), (4, now() - interval '100 days');
SELECT lead_scoring.add_event_source('numbers', 'calls', 'person', 'at', 'calls') IS NULL AS done \g /dev/null
INSERT INTO lead_scoring.engagement_rule (model, name, source, kind, max_count, points)
VALUES ('numbers', 'calls', 'calls', 'each', 5, 100);
SELECT lead_scoring.activate('numbers') IS NULL AS done \g /dev/null
SELECT sound('numbers', 'two sources');
CALL unseen('INSERT INTO calls (person, at) VALUES (5, now() - interval ''1 day''), (5.5, now() - interval ''1 day''), (9, now())');
CALL lead_scoring.rescore('numbers');
SELECT sound('numbers', 'calls that no trigger saw');
CREATE TABLE firm (name text PRIMARY KEY, big boolean);
INSERT INTO firm VALUES ('CEO', true);
INSERT INTO lead_scoring.lookup (model, alias, relation, key, contact_column) VALUES ('numbers', 'firm', 'public.firm', 'name', 'title');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('numbers', 'firm', 'firm.big', 1000);
SELECT lead_scoring.activate('numbers') IS NULL AS done \g /dev/null
SELECT sound('numbers', 'a lookup');
CALL unseen('UPDATE firm SET big = false');
CALL lead_scoring.rescore('numbers');
SELECT sound('numbers', 'a lookup that no trigger saw');

-- ------------------------------------------------------------- contacts that are a view

CREATE TABLE person (id int, title text, size int);
INSERT INTO person SELECT g, 'CEO', g FROM generate_series(1, 20) AS g;
CREATE VIEW people AS SELECT * FROM person;
CALL make_live('people', 'people');
UPDATE person SET size = 60 WHERE id < 10;
CALL lead_scoring.rescore('people');
SELECT sound('people', 'a view');
INSERT INTO person SELECT g, 'clerk', 70 FROM generate_series(1, 1500) AS g;
SELECT lives_ok($$CALL lead_scoring.rescore('people')$$, 'whose keys repeat');
SET lead_scoring.rescore_slice = 3;
SELECT lives_ok($$CALL lead_scoring.rescore('people')$$, 'at the end of a slice, too');

SELECT * FROM finish();
