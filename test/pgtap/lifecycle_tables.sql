-- Stages on every kind of table: keys, types of the stage column, partitions, names;
-- in every mode, and at every level of isolation.

\ir live.psql
\ir life.psql

SELECT * FROM no_plan();

-- walk(model): its contacts have keys k1, k2, k3 of column id; all paths of writing.
CREATE PROCEDURE add_life(model text) LANGUAGE plpgsql AS $$
BEGIN
    CALL add_transition(model, 'mql', 'lead', 'total < 20');
    CALL add_transition(model, 'sql', 'mql', 'total < 50');
    INSERT INTO lead_scoring.action (model, name, condition, on_edge, repeat_after) VALUES (model, 'hot', 'total >= 50', 'change', '0');
END
$$;

-- -------------------------------------------------------- keys, and quoted names

CREATE SCHEMA "Odd %s";
CREATE TABLE by_uuid (id uuid PRIMARY KEY, points int, stage text);
CREATE TABLE by_text (id text PRIMARY KEY, points int, stage text);
CREATE TABLE by_big (id bigint PRIMARY KEY, points int, stage text);
CREATE TABLE "Odd %s"."by ""id""" ("The id" varchar(40) PRIMARY KEY, points int, "It's a stage" varchar(30));

CREATE FUNCTION walks(model text, contacts text, id text, stage text, keys text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO %s (%s, points, %s) SELECT k::%s, 0, ''lead'' FROM unnest($1) AS k', contacts, id, stage,
                   (SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = contacts::regclass AND quote_ident(attname) = id))
      USING keys;
    PERFORM lead_scoring.flush();
    EXECUTE format('UPDATE %s SET points = 90', contacts);
    PERFORM lead_scoring.flush();
    EXECUTE format('UPDATE %s SET %s = ''opportunity'' WHERE %s::text = $1', contacts, stage, id) USING keys[2];
    PERFORM lead_scoring.flush();
    EXECUTE format('UPDATE %s SET points = 20', contacts);
    PERFORM lead_scoring.flush();
    EXECUTE format('UPDATE %s SET points = 0', contacts);
    PERFORM lead_scoring.flush();
    RETURN NEXT is(moves(model, keys[1]), 'lead > mql (contact), mql > sql (contact), sql > mql (contact), mql > lead (contact)', model || ': up and down');
    RETURN NEXT is(moves(model, keys[2]), 'lead > mql (contact), mql > sql (contact), sql > opportunity (manual)', model || ': by hand');
    RETURN NEXT is(fired(model, keys[1]), 'hot enter (contact), hot leave (contact)', model || ': actions');
    RETURN QUERY SELECT * FROM lawful(model, model);
    EXECUTE format('DELETE FROM %s WHERE %s::text = $1', contacts, id) USING keys[1];
    PERFORM lead_scoring.flush();
    RETURN NEXT is(moves(model, keys[1]) || fired(model, keys[1]) || chapters(model, keys[1]), '', model || ': gone without a trace');
    RETURN QUERY SELECT * FROM lawful(model, model || ', one less');
END
$$;

CALL make_staged('u', 'by_uuid');
CALL make_staged('t', 'by_text');
CALL make_staged('b', 'by_big');
SELECT lead_scoring.create_model('Od "d" %s', '"Odd %s"."by ""id"""', 'The id', stage_column => 'It''s a stage');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points)
SELECT 'Od "d" %s', 'at least ' || p, 'points >= ' || p, 10 FROM generate_series(10, 100, 10) AS p;
SELECT lead_scoring.activate('Od "d" %s');
CALL add_life('u'); CALL add_life('t'); CALL add_life('b'); CALL add_life('Od "d" %s');
CALL lead_scoring.refresh('u'); CALL lead_scoring.refresh('t'); CALL lead_scoring.refresh('b'); CALL lead_scoring.refresh('Od "d" %s');
SELECT walks('u', 'by_uuid', 'id', 'stage', ARRAY(SELECT md5(g::text)::uuid::text FROM generate_series(1, 3) AS g));
SELECT walks('t', 'by_text', 'id', 'stage', ARRAY[E'a''b', '', '%s "x" {,}']);
SELECT walks('b', 'by_big', 'id', 'stage', '{9223372036854775807,-1,0}');
SELECT walks('Od "d" %s', '"Odd %s"."by ""id"""', '"The id"', '"It''s a stage"', ARRAY['ann', E'o''hara', '{"x"}']);

-- ------------------------------------------------------------ types of the column

CREATE TYPE step AS ENUM ('sql', 'lead', 'mql', 'opportunity', 'unheard of');
CREATE DOMAIN word AS text CHECK (value <> 'never');
CREATE DOMAIN stepped AS step;
CREATE TABLE as_enum (id int PRIMARY KEY, points int, stage step NOT NULL DEFAULT 'lead');
CREATE TABLE as_varchar (id int PRIMARY KEY, points int, stage varchar(11));
CREATE TABLE as_word (id int PRIMARY KEY, points int, stage word);
CREATE TABLE as_stepped (id int PRIMARY KEY, points int, stage stepped);
CREATE TABLE as_name (id int PRIMARY KEY, points int, stage name);
CREATE TABLE as_char (id int PRIMARY KEY, points int, stage char(20));
CALL make_staged('e', 'as_enum'); CALL make_staged('v', 'as_varchar'); CALL make_staged('w', 'as_word');
CALL make_staged('s', 'as_stepped'); CALL make_staged('n', 'as_name'); CALL make_staged('c', 'as_char');
CALL add_life('e'); CALL add_life('v'); CALL add_life('w'); CALL add_life('s'); CALL add_life('n'); CALL add_life('c');
CALL lead_scoring.refresh('e'); CALL lead_scoring.refresh('v'); CALL lead_scoring.refresh('w');
CALL lead_scoring.refresh('s'); CALL lead_scoring.refresh('n'); CALL lead_scoring.refresh('c');
SELECT walks('e', 'as_enum', 'id', 'stage', '{1,2,3}');
SELECT walks('v', 'as_varchar', 'id', 'stage', '{1,2,3}');
SELECT walks('w', 'as_word', 'id', 'stage', '{1,2,3}');
SELECT walks('s', 'as_stepped', 'id', 'stage', '{1,2,3}');
SELECT walks('n', 'as_name', 'id', 'stage', '{1,2,3}');
SELECT walks('c', 'as_char', 'id', 'stage', '{1,2,3}');

-- Numbers are stages too, where stage rows name them.
CREATE TABLE as_int (id int PRIMARY KEY, points int, stage int);
SELECT lead_scoring.create_model('i', 'as_int', 'id', stage_column => 'stage');
DELETE FROM lead_scoring.stage WHERE model = 'i';
INSERT INTO lead_scoring.stage (model, name, position) VALUES ('i', '10', 1), ('i', '20', 2);
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('i', 'big', 'points > 9', 9);
CALL add_transition('i', '10', '20', 'total > 5');
SELECT lead_scoring.activate('i');
INSERT INTO as_int VALUES (1, 10, 10), (2, 10, NULL), (3, 5, 10), (4, 10, 7);
UPDATE as_int SET points = 20 WHERE id = 3;
SELECT is(moves('i') || '; ' || outcome('SELECT id, stage FROM as_int ORDER BY id'),
          '1: 10 > 20 (contact), 2: 10 > 20 (contact), 3: 10 > 20 (contact); (1,20) (2,20) (3,20) (4,7)', 'a column of numbers');
SELECT lawful('i', 'numbers');

-- --------------------------------------------------------------- partitions

CREATE TABLE parted (points int, stage text, id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (100);
CREATE TABLE parted_2 (id int NOT NULL, gone text, stage text, points int) PARTITION BY LIST (id);
ALTER TABLE parted_2 DROP COLUMN gone;
ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES FROM (100) TO (1000);
CREATE TABLE parted_2a PARTITION OF parted_2 FOR VALUES IN (100, 101, 102);
CREATE TABLE parted_2b PARTITION OF parted_2 DEFAULT;
CALL make_staged('parted', 'parted');
CALL add_life('parted');
CALL lead_scoring.refresh('parted');
SELECT walks('parted', 'parted', 'id', 'stage', '{1,101,500}');
INSERT INTO parted_1 (id, points) VALUES (10, 90);
INSERT INTO parted_2b (id, points, stage) VALUES (600, 60, 'lead');
UPDATE parted_2a SET points = 60;
SELECT is(outcome('SELECT id, stage FROM parted WHERE id IN (10, 600) ORDER BY id'), '(10,sql) (600,mql)', 'writes straight to a leaf');
-- Another key, another partition: a new contact.
UPDATE parted SET id = 11 WHERE id = 600;
SELECT lawful('parted', 'moved to another partition');
SELECT is(moves('parted', '600'), '', 'what was recorded went with the key');

-- ------------------------------------------------ levels of isolation, modes

CREATE TABLE person (id int PRIMARY KEY, points int, stage text DEFAULT 'lead');
CALL make_staged('p', 'person');
CALL add_life('p');
CALL lead_scoring.refresh('p');

-- later(): nothing has happened before the refresh, all after it.
CREATE FUNCTION later(what text, id int) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
BEGIN
    RETURN NEXT is(moves('p', id::text) || fired('p', id::text), '', what || ': nothing at once');
    RETURN NEXT sound('p', what || ': but the view is right', false);
    CALL lead_scoring.refresh('p', n);
    RETURN NEXT is(moves('p', id::text) || '; ' || fired('p', id::text), 'lead > mql (contact), mql > sql (contact); hot enter (contact)', what || ': all in a refresh');
    RETURN QUERY SELECT * FROM lawful('p', what);
END
$$;
BEGIN ISOLATION LEVEL REPEATABLE READ;
INSERT INTO person VALUES (1, 90);
COMMIT;
SELECT later('REPEATABLE READ', 1);
BEGIN ISOLATION LEVEL SERIALIZABLE;
INSERT INTO person VALUES (2, 90);
COMMIT;
SELECT later('SERIALIZABLE', 2);
SET lead_scoring.apply = queue;
INSERT INTO person VALUES (3, 90);
RESET lead_scoring.apply;
SELECT later('queue', 3);
BEGIN;
INSERT INTO person VALUES (4, 90);
PREPARE TRANSACTION 'life';
COMMIT PREPARED 'life';
SELECT later('PREPARE TRANSACTION', 4);
BEGIN;
INSERT INTO person VALUES (5, 90);
PREPARE TRANSACTION 'life';
ROLLBACK PREPARED 'life';
CALL lead_scoring.refresh('p');
SELECT lawful('p', 'ROLLBACK PREPARED');
SET lead_scoring.apply = off;
INSERT INTO person VALUES (6, 90);
RESET lead_scoring.apply;
SELECT sound('p', 'off: the view is right', false);
CALL lead_scoring.refresh('p');
SELECT is(outcome('SELECT stage FROM person WHERE id = 6'), '(sql)', 'off: moved by the refresh');
SELECT lawful('p', 'off');

SET lead_scoring.apply = statement;
BEGIN ISOLATION LEVEL REPEATABLE READ;
INSERT INTO person VALUES (7, 90);
COMMIT;
SELECT later('statement mode, REPEATABLE READ', 7);
BEGIN;
INSERT INTO person VALUES (8, 90);
SELECT is(outcome('SELECT stage FROM person WHERE id = 8'), '(sql)', 'statement mode: at once');
SELECT is(fired('p', '8'), 'hot enter (contact)', 'and its action');
SAVEPOINT a;
UPDATE person SET points = 0 WHERE id = 8;
UPDATE person SET stage = 'opportunity' WHERE id = 7;
ROLLBACK TO a;
UPDATE person SET points = 80 WHERE id = 8;
COMMIT;
SELECT is(moves('p', '8') || '; ' || fired('p', '8'), 'lead > mql (contact), mql > sql (contact); hot enter (contact)', 'what was rolled back did not happen');
SELECT lawful('p', 'statement mode');
BEGIN;
INSERT INTO person VALUES (9, 90);
UPDATE person SET points = 0 WHERE id < 5;
ROLLBACK;
SELECT lawful('p', 'statement mode, rolled back');
RESET lead_scoring.apply;

-- flush() within a transaction.
BEGIN;
INSERT INTO person VALUES (10, 60);
SELECT lead_scoring.flush();
SELECT is(outcome('SELECT stage FROM person WHERE id = 10'), '(mql)', 'flush() moves at once');
UPDATE person SET points = 90 WHERE id = 10;
COMMIT;
SELECT is(moves('p', '10'), 'lead > mql (contact), mql > sql (contact)', 'and the rest at commit');
SELECT lawful('p', 'flush');

-- A bulk load, then a refresh; cursors and functions of the user.
SET lead_scoring.apply = queue;
INSERT INTO person SELECT g, g % 100, 'lead' FROM generate_series(1000, 2999) AS g;
RESET lead_scoring.apply;
CALL lead_scoring.refresh('p');
-- points >= 80: sql; >= 50: mql. Of each hundred 20 and 30.
SELECT is(outcome('SELECT stage, count(*) FROM person WHERE id >= 1000 GROUP BY 1 ORDER BY 1'), '(lead,1000) (mql,600) (sql,400)', 'a bulk load');
SELECT is(count(*), 1000::bigint, 'an action each') FROM p_outbox WHERE contact_id >= 1000;
SELECT lawful('p', 'a bulk load');
UPDATE person SET points = 99 - points % 100 WHERE id >= 1000;
-- Up: all of less than 20 before have 80 and more now; down: 80 and more were sql: below 20: mql, then lead.
SELECT is(outcome('SELECT stage, count(*) FROM person WHERE id >= 1000 GROUP BY 1 ORDER BY 1'),
          (SELECT string_agg(format('(%s,%s)', stage, n), ' ' ORDER BY stage) FROM (
              SELECT CASE WHEN after >= 80 THEN 'sql'
                          WHEN before >= 80 AND after < 20 THEN 'lead' WHEN before >= 80 AND after < 50 THEN 'mql' WHEN before >= 80 THEN 'sql'
                          WHEN before >= 50 AND after < 20 THEN 'lead' WHEN before >= 50 THEN 'mql'
                          WHEN after >= 50 THEN 'mql' ELSE 'lead' END AS stage, count(*) AS n
                -- Scores are in steps of ten, down.
                FROM (SELECT b / 10 * 10 AS before, (99 - b) / 10 * 10 AS after FROM generate_series(0, 99) AS b, generate_series(1, 20)) AS x
               GROUP BY 1) AS y), 'all at once, up and down');
SELECT lawful('p', 'up and down at once');

-- --------------------------------------------------- columns that take no stage

CREATE TABLE kept (id int PRIMARY KEY, points int, stage text DEFAULT 'lead', fixed text GENERATED ALWAYS AS ('lead') STORED);
CREATE VIEW kept_view AS SELECT id, points, stage FROM kept;
CREATE VIEW grouped AS SELECT id, sum(points)::int AS points, max(stage) AS stage FROM kept GROUP BY id;
CREATE VIEW partly AS SELECT id, points, upper(stage) AS stage FROM kept;
CREATE MATERIALIZED VIEW stored AS SELECT id, points, stage FROM kept;
CREATE UNIQUE INDEX ON stored (id);
SELECT throws_ok($$SELECT lead_scoring.create_model('x', 'kept', 'id', 'fixed')$$, '0A000', 'stages cannot be kept in the generated column "fixed"', 'a generated column');
SELECT throws_ok(format($$SELECT lead_scoring.create_model('x', %L, 'id', 'stage')$$, view), '0A000',
                 format('stages cannot be kept in column "stage", for public.%s cannot be updated', view), view)
  FROM unnest('{grouped,partly,stored}'::text[]) AS view;
INSERT INTO kept VALUES (1, 90);
CALL make_staged('kept', 'kept_view', live => false);
SELECT lead_scoring.activate('kept', enrol_existing => true);
SELECT is(stage, 'sql', 'a view that can be updated takes them') FROM kept;
SELECT lead_scoring.drop_model('kept');

SELECT * FROM finish();
