-- Live fit under ALTER and DROP: the user's own command works or is refused by
-- PostgreSQL itself, later writes work, and check_model tells the truth.

\ir live.psql

SELECT plan(112);

-- Warnings are expected throughout.
SET client_min_messages = error;

CREATE PROCEDURE make_table(name text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE %I (id int PRIMARY KEY, old text, title text, size int, note text)', name);
    EXECUTE format('INSERT INTO %I (id, title, size) VALUES (1, ''CEO'', 60), (2, NULL, 1)', name);
    CALL make_live(name, name::regclass);
END
$$;

-- ------------------------------------------------------------------- columns

\echo # columns
CALL make_table('added');
BEGIN;
INSERT INTO added (id, title, size) VALUES (3, 'CEO', 60);
ALTER TABLE added ADD COLUMN extra int DEFAULT 7;
UPDATE added SET size = 1 WHERE id = 1;
COMMIT;
SELECT sound('added', 'ADD COLUMN between writes');
ALTER TABLE added DROP COLUMN old;
INSERT INTO added (id, title, size) VALUES (4, 'CEO', 60);
UPDATE added SET size = size + 1;
MERGE INTO added AS t USING (VALUES (4), (5)) AS s (id) ON t.id = s.id
 WHEN MATCHED THEN DELETE
 WHEN NOT MATCHED THEN INSERT (id, title, size) VALUES (s.id, 'CEO', 51);
SELECT sound('added', 'DROP COLUMN before one that is used');
BEGIN;
UPDATE added SET size = 60, note = 'x';
ALTER TABLE added DROP COLUMN note;
INSERT INTO added (id, title, size) VALUES (6, 'CEO', 60);
COMMIT;
SELECT sound('added', 'DROP COLUMN between writes');
ALTER TABLE added ALTER COLUMN size TYPE bigint;
UPDATE added SET size = size - 1;
INSERT INTO added (id, title, size) VALUES (7, 'CEO', 3000000000);
SELECT sound('added', 'ALTER TYPE from integer to bigint');
ALTER TABLE added ALTER COLUMN title TYPE varchar(30);
UPDATE added SET title = 'Vice ' || title;
SELECT sound('added', 'ALTER TYPE from text to varchar');
ALTER TABLE added ADD COLUMN twice bigint GENERATED ALWAYS AS (size * 2) STORED;
INSERT INTO lead_scoring.fit_rule (model, name, condition, points)
VALUES ('added', 'generated', 'twice > 150', 3);
CALL lead_scoring.refresh('added');
UPDATE added SET size = 80;
SELECT sound('added', 'a rule on a generated column');
VACUUM FULL added;
CLUSTER added USING added_pkey;
VACUUM FULL added_score;
REINDEX TABLE added_score;
UPDATE added SET size = size + 1;
SELECT sound('added', 'VACUUM FULL, CLUSTER, REINDEX');
CREATE INDEX CONCURRENTLY added_by_total ON added_score (total);
UPDATE added SET size = size + 1;
CREATE INDEX CONCURRENTLY added_by_key ON added_score ((fit + total)) WHERE total > 3;
UPDATE added SET size = 40 - size WHERE id = 1;
REINDEX TABLE CONCURRENTLY added_score;
INSERT INTO added (id, title, size) VALUES (8, 'CEO', 60);
DROP INDEX CONCURRENTLY added_by_key;
UPDATE added SET size = size + 11;
SELECT sound('added', 'indexes come and go, concurrently');
SELECT is(problems('added'), '', 'no problem in all that');

CALL make_table('dropped');
SELECT lives_ok('ALTER TABLE dropped DROP COLUMN size', 'DROP COLUMN under a rule');
SELECT lives_ok($$INSERT INTO dropped VALUES (3, NULL, 'CEO')$$, 'INSERT goes on');
SELECT lives_ok($$UPDATE dropped SET title = 'CEO' WHERE id = 2$$, 'UPDATE goes on');
SELECT lives_ok($$DELETE FROM dropped WHERE id = 1$$, 'DELETE goes on');
SELECT alike(problems('dropped'), '%error | fit rule "big" | column "size" does not exist%',
             'check_model names the rule');
SELECT throws_like($$SELECT lead_scoring.fit_score(d, 'dropped') FROM dropped AS d$$,
                   '%column "size" does not exist%', 'fit_score raises, never gives a false 0');
DELETE FROM lead_scoring.fit_rule WHERE model = 'dropped' AND condition LIKE '%size%';
SELECT sound_after_refresh('dropped', 'without the rules');
ALTER TABLE dropped DROP COLUMN title;
SELECT lives_ok('TRUNCATE dropped', 'TRUNCATE goes on');
ALTER TABLE dropped ADD COLUMN title text;
SELECT sound_after_refresh('dropped', 'once the column is back');

CALL make_table('retyped');
ALTER TABLE retyped ALTER COLUMN size TYPE text;
SELECT lives_ok($$INSERT INTO retyped VALUES (3, NULL, 'CEO', '60')$$, 'ALTER TYPE under a rule: INSERT goes on');
SELECT lives_ok($$UPDATE retyped SET size = '5' WHERE id = 1$$, 'UPDATE too');
SELECT alike(problems('retyped'), '%error | fit rule "big" | operator does not exist: text > integer%',
             'check_model names the rule');
ALTER TABLE retyped ALTER COLUMN size TYPE int USING size::int;
SELECT sound_after_refresh('retyped', 'once the type is back');
SELECT is(problems('retyped'), '', 'and no problem any more');

CALL make_table('swapped');
ALTER TABLE swapped DROP COLUMN size, ADD COLUMN size int;
SELECT flagged('swapped', 'DROP and ADD of a column of one name');
UPDATE swapped SET size = 60;
SELECT sound('swapped', 'writes after it');
ALTER TABLE swapped DROP COLUMN size, ADD COLUMN size text;
SELECT lives_ok($$UPDATE swapped SET size = '70'$$, 'and of another type: writes go on');
SELECT alike(problems('swapped'), '%error | fit rule "big" |%', 'check_model names the rule');

CALL make_table('renamed');
ALTER TABLE renamed RENAME COLUMN size TO employees;
SELECT lives_ok($$INSERT INTO renamed VALUES (3, NULL, 'CEO', 60)$$, 'RENAME COLUMN under a rule: INSERT goes on');
SELECT lives_ok($$UPDATE renamed SET employees = 70 WHERE id = 2$$, 'UPDATE too');
SELECT lives_ok($$DELETE FROM renamed WHERE id = 1$$, 'DELETE too');
SELECT alike(problems('renamed'), '%error | fit rule "ratio" | column "size" does not exist%',
             'check_model names the rule');
UPDATE lead_scoring.fit_rule SET condition = replace(condition, 'size', 'employees')
 WHERE model = 'renamed';
SELECT sound_after_refresh('renamed', 'once the rules know the new name');

-- ----------------------------------------------------------------------- keys

\echo # keys
CALL make_table('keyed');
SELECT throws_ok('ALTER TABLE keyed ALTER COLUMN id TYPE bigint', '0A000', NULL,
                 'ALTER TYPE of the key is refused: the view needs it');
SELECT throws_ok('ALTER TABLE keyed DROP COLUMN id', '2BP01', NULL, 'DROP of it too');
ALTER TABLE keyed RENAME COLUMN id TO number;
SELECT lives_ok($$INSERT INTO keyed VALUES (3, NULL, 'CEO', 60)$$, 'RENAME of it: writes go on');
SELECT lives_ok($$UPDATE keyed SET size = 70 WHERE number = 2$$, 'of each kind');
SELECT alike(problems('keyed'), '%error |%"id"%', 'check_model says that the key is gone');
SELECT lives_ok($$SELECT lead_scoring.deactivate('keyed')$$, 'it can be deactivated');
SELECT lives_ok($$UPDATE lead_scoring.model SET contact_id = 'number' WHERE name = 'keyed'$$,
                'given the new name');
SELECT lives_ok($$SELECT lead_scoring.activate('keyed')$$, 'and activated');
SELECT sound('keyed', 'and live again');

-- --------------------------------------------------------------------- tables

\echo # tables
CALL make_table('first');
CALL make_table('other');
ALTER TABLE first RENAME TO second;
INSERT INTO second (id, title, size) VALUES (3, 'CEO', 60);
UPDATE second SET size = 1 WHERE id = 1;
SELECT sound('first', 'RENAME TABLE');
SELECT is(problems('first'), '', 'is no problem');
CREATE TABLE first (id int PRIMARY KEY, title text, size int);
INSERT INTO first VALUES (99, 'CEO', 60);
UPDATE second SET size = 60 WHERE id = 1;
SELECT sound('first', 'nor is another table of the old name');
CALL lead_scoring.rescore('first');
SELECT lead_scoring.activate('first') IS NULL AS done \gset
SELECT sound('first', 'rescored and activated again');
SELECT is(contacts, 'public.second', 'activate() notes the new name') FROM lead_scoring.model
 WHERE name = 'first';

CREATE SCHEMA elsewhere;
ALTER TABLE second SET SCHEMA elsewhere;
INSERT INTO elsewhere.second (id, title, size) VALUES (4, 'CEO', 60);
SELECT sound('first', 'SET SCHEMA');
SELECT is(problems('first'), '', 'is no problem');
ALTER TABLE first_score SET SCHEMA elsewhere;
SELECT lives_ok($$UPDATE elsewhere.second SET size = 2$$, 'SET SCHEMA of the scores: writes go on');
SELECT alike(problems('first'), 'error |%first_score is gone%', 'check_model says so');
ALTER TABLE elsewhere.first_score SET SCHEMA public;
CALL lead_scoring.rescore('first');
SELECT sound('first', 'once they are back');

CREATE SCHEMA crm;
CREATE TABLE crm.people (id int PRIMARY KEY, title text, size int, note text);
CALL make_live('people', 'crm.people');
ALTER SCHEMA crm RENAME TO sales;
SELECT lives_ok($$INSERT INTO sales.people VALUES (1, 'CEO', 60)$$, 'RENAME SCHEMA: writes go on');
SELECT is(outcome('SELECT contact_id, fit, freshness FROM sales.people_scored'), '(1,25,current)', 'the view is right, and the stored score');
SELECT is(problems('people'), '', 'it is no problem');
SELECT is(outcome($$SELECT * FROM lead_scoring.verify('people')$$), '', 'verify finds the tables');
SELECT lives_ok($$CALL lead_scoring.rescore('people')$$, 'rescore, too');
SELECT lives_ok($$UPDATE lead_scoring.model SET fit_weight = 2 WHERE name = 'people'$$, 'the model can be changed');
SELECT lives_ok($$CALL lead_scoring.rescore('people')$$, 'and everyone be scored by that');
SELECT is(outcome('SELECT contact_id, total, freshness FROM sales.people_scored'), '(1,50,current)', 'all is right');
CREATE SCHEMA crm;
SELECT lives_ok($$UPDATE sales.people SET size = 1$$, 'another schema of the old name');
SELECT sound('people', 'is not taken for it');
SELECT lives_ok($$SELECT lead_scoring.activate('people')$$, 'it can be activated');
SELECT sound('people', 'activated again');
SELECT is(objects_schema::text, 'sales', 'activate() notes the new name') FROM lead_scoring.model WHERE name = 'people';
ALTER SCHEMA sales RENAME TO gone;
SELECT lead_scoring.drop_model('people') \g /dev/null
SELECT is(outcome($$SELECT relname FROM pg_class WHERE relname LIKE 'people\_%' AND relkind <> 'i'$$), '', 'drop_model leaves nothing behind');
SELECT is(outcome($$SELECT tgname FROM pg_trigger WHERE tgrelid = 'gone.people'::regclass AND NOT tgisinternal$$), '', 'no trigger, either');
DROP SCHEMA gone, crm CASCADE;

-- --------------------------------------------------------------------- owners

\echo # owners
DROP ROLE IF EXISTS live_owner;
CREATE ROLE live_owner;
GRANT USAGE, CREATE ON SCHEMA public TO live_owner;
CALL make_table('owned');
ALTER TABLE owned OWNER TO live_owner;
SELECT lives_ok($$INSERT INTO owned (id, title, size) VALUES (3, 'CEO', 60)$$, 'another owner: INSERT goes on');
SELECT lives_ok('UPDATE owned SET size = 100', 'UPDATE too');
SELECT alike(problems('owned'), 'error | model | %owner%', 'check_model says so');
SELECT matches(outcome('SELECT contact_id, fit FROM owned_scored WHERE contact_id = 3'), '^(\(3,32\)|[0-9A-Z]{5}:.*)$',
               'the view is right, or says that it cannot be');
SELECT lives_ok($$SELECT lead_scoring.activate('owned')$$, 'it is activated again');
SELECT sound('owned', 'and live again');
UPDATE owned SET size = 1 WHERE id = 1;
SELECT sound('owned', 'with writes');
SELECT is(problems('owned'), '', 'and no problem');
SET ROLE live_owner;
SELECT lives_ok($$UPDATE owned SET size = 60$$, 'the new owner writes');
SELECT lives_ok($$CALL lead_scoring.refresh('owned')$$, 'and refreshes');
RESET ROLE;
SELECT sound('owned', 'himself');

-- ----------------------------------------------------------- a model's own life

\echo # life
CALL make_table('lively');
SELECT lead_scoring.activate('lively') IS NULL AS done \gset
UPDATE lively SET size = 99;
SELECT sound('lively', 'activated twice');
SELECT lead_scoring.deactivate('lively') IS NULL AS done \gset
SELECT is_empty($$SELECT FROM pg_trigger WHERE tgrelid = 'lively'::regclass$$, 'deactivate() takes the triggers off');
SELECT is(count(*), 2::bigint, 'and leaves the scores') FROM lively_score;
SELECT lives_ok($$INSERT INTO lively (id, title, size) VALUES (3, 'CEO', 60)$$, 'writes go on');
SELECT lives_ok($$DELETE FROM lively WHERE id = 1$$, 'of each kind');
SELECT lead_scoring.activate('lively') IS NULL AS done \gset
SELECT sound('lively', 'activated again');
DROP TABLE lively_score CASCADE;
SELECT lives_ok($$UPDATE lively SET size = 3$$, 'the score table is dropped: writes go on');
SELECT alike(problems('lively'), 'error | model | table public.lively_score is gone%', 'check_model says so');
SELECT lead_scoring.activate('lively') IS NULL AS done \gset
SELECT sound('lively', 'activate() makes it anew');

CREATE TABLE waiting (id int PRIMARY KEY, title text, size int, note text);
INSERT INTO waiting SELECT g, 'CEO', g FROM generate_series(1, 50) AS g;
SELECT lead_scoring.create_model('waiting', 'waiting', 'id') IS NULL AS done \gset
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('waiting', 'big', 'size > 25', 10);
SELECT lead_scoring.activate('waiting', initial_scoring => false) IS NULL AS done \gset
SELECT sound('waiting', 'activated without scores: view', false);
UPDATE waiting SET size = 1 WHERE id = 50;
DELETE FROM waiting WHERE id = 49;
SELECT sound('waiting', 'and after writes', false);
CALL lead_scoring.rescore('waiting');
SELECT sound('waiting', 'rescore makes them');

SELECT lead_scoring.drop_model('lively') IS NULL AS done \gset
SELECT is_empty($$SELECT relname FROM pg_class WHERE relname LIKE 'lively\_%' AND relkind IN ('r', 'v')
                     AND relname <> 'lively_pkey'$$, 'drop_model() removes tables and view');
SELECT is_empty($$SELECT FROM lead_scoring.fit_rule WHERE model = 'lively'$$, 'and the rules');
SELECT is(count(*), 2::bigint, 'but no contact') FROM lively;

SELECT throws_ok('DROP TABLE other', '2BP01', NULL, 'DROP TABLE is refused: the view needs it');
SELECT lives_ok('DROP TABLE other CASCADE', 'with CASCADE it is not');
SELECT alike(problems('other'), 'error | model | relation public.other does not exist%', 'check_model says so');
UPDATE elsewhere.second SET size = 3;
SELECT sound('first', 'other models live on');
SELECT lives_ok($$SELECT lead_scoring.drop_model('other')$$, 'drop_model() clears up');
SELECT is_empty($$SELECT relname FROM pg_class WHERE relname LIKE 'other\_%'$$, 'leaving nothing');

CALL make_table('lost');
CREATE TABLE lost_calls (contact int, at timestamptz);
SELECT lead_scoring.add_event_source('lost', 'lost_calls', 'contact', 'at') \g /dev/null
SELECT lead_scoring.activate('lost') \g /dev/null
DROP TABLE lost CASCADE;
SELECT lives_ok($$INSERT INTO lost_calls VALUES (1, now())$$, 'events of contacts that are gone');
SELECT lives_ok($$SELECT lead_scoring.deactivate('lost')$$, 'a model of contacts that are gone can be deactivated');
SELECT is(status, 'draft', 'and is a draft') FROM lead_scoring.model WHERE name = 'lost';
SELECT is_empty($$SELECT FROM pg_trigger WHERE tgrelid = 'lost_calls'::regclass$$, 'its events have no triggers any more');
CREATE TABLE lost (id int PRIMARY KEY, title text, size int);
INSERT INTO lost VALUES (2, 'CEO', 60);
SELECT lives_ok($$SELECT lead_scoring.activate('lost')$$, 'the table is there again, so is the model');
SELECT sound('lost', 'with the scores of now');

-- ------------------------------------------------------------------- the last

SET client_min_messages = error;
SELECT lives_ok('DROP EXTENSION lead_scoring CASCADE', 'DROP EXTENSION with active models');
SELECT is_empty($$SELECT tgname FROM pg_trigger
                   WHERE tgrelid IN ('waiting'::regclass, 'owned'::regclass, 'added'::regclass)$$,
                'takes their triggers along');
SELECT lives_ok($$INSERT INTO waiting VALUES (100, 'CEO', 60)$$, 'and leaves the contacts to their owner');
DROP OWNED BY live_owner;
DROP ROLE live_owner;

SELECT * FROM finish();
