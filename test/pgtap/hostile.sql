-- Rules, tables and settings that change under it; limits; names: no crash, no
-- stale score that nothing marks, no error but one with a sensible SQLSTATE.

\set QUIET on
\set ON_ERROR_STOP on
SET client_min_messages = error;
SELECT plan(142);

-- ------------------------------------------------------------------- tools

-- A live model of a table of (id, email), in the schema of its name.
CREATE PROCEDURE make_live(model text, key_type text DEFAULT 'int') LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I', model);
    EXECUTE format('CREATE TABLE %I.contacts (id %s PRIMARY KEY, email text)', model, key_type);
    PERFORM lead_scoring.create_model(model, format('%I.contacts', model)::regclass, 'id');
    INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES (model, 'r', $q$email = 'x'$q$, 5);
    PERFORM lead_scoring.activate(model);
END
$$;

-- SQLSTATE of the statement; '' where it works.
CREATE FUNCTION sqlstate_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN '';
EXCEPTION WHEN query_canceled OR OTHERS THEN
    RETURN SQLSTATE;
END
$$;

-- id:fit of the stored scores, in order.
CREATE FUNCTION scores(model text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found text;
BEGIN
    EXECUTE format('SELECT string_agg(contact_id || '':'' || fit, '' '' ORDER BY contact_id) FROM %I.%I',
                   model, model || '_score') INTO found;
    RETURN found;
END
$$;

-- Stored scores equal computed ones, or something says that they are due.
CREATE FUNCTION sound(model text, what text) RETURNS text LANGUAGE sql AS $$
    SELECT is(count(*), 0::bigint, what) FROM lead_scoring.verify(model)
$$;

-- --------------------------------- the same statements on tables of other types

CALL make_live('plans');
INSERT INTO plans.contacts VALUES (1, 'x'), (2, 'y');
UPDATE plans.contacts SET email = 'x' WHERE id = 2;
DELETE FROM plans.contacts WHERE id = 1;
SELECT is(scores('plans'), '2:5', 'key int');
SELECT lead_scoring.drop_model('plans') \g /dev/null
DROP TABLE plans.contacts;
CALL make_live('plans', 'bigint');
INSERT INTO plans.contacts VALUES (5000000000, 'x'), (6000000000, 'y');
UPDATE plans.contacts SET email = 'x' WHERE id = 6000000000;
DELETE FROM plans.contacts WHERE id = 5000000000;
SELECT is(scores('plans'), '6000000000:5', 'then bigint, in the same session');
SELECT lead_scoring.drop_model('plans') \g /dev/null
DROP TABLE plans.contacts;
SELECT is(sqlstate_of($$CALL make_live('plans', 'text')$$), '', 'then text');
SELECT is(sqlstate_of($$INSERT INTO plans.contacts VALUES ('a', 'x')$$), '', 'which is written');
SELECT is(scores('plans'), 'a:5', 'and scored');

-- -------------------------------------------- rules that change in between

CALL make_live('rules');
BEGIN;
INSERT INTO rules.contacts VALUES (1, 'x');
UPDATE lead_scoring.fit_rule SET points = 50 WHERE model = 'rules';
COMMIT;
CALL lead_scoring.refresh('rules', NULL) \g /dev/null
SELECT is(scores('rules'), '1:50', 'a rule changed after the write, in its transaction');
BEGIN;
UPDATE lead_scoring.fit_rule SET points = 60 WHERE model = 'rules';
INSERT INTO rules.contacts VALUES (2, 'x');
COMMIT;
CALL lead_scoring.refresh('rules', NULL) \g /dev/null
SELECT is(scores('rules'), '1:60 2:60', 'or before it');
BEGIN;
SAVEPOINT s;
UPDATE lead_scoring.fit_rule SET points = 70 WHERE model = 'rules';
INSERT INTO rules.contacts VALUES (3, 'x');
SELECT is(lead_scoring.fit_score(c, 'rules'), 70::float8, 'its own change is seen') FROM rules.contacts AS c WHERE id = 3;
ROLLBACK TO s;
SELECT is(lead_scoring.fit_score(c, 'rules'), 60::float8, 'and taken back') FROM rules.contacts AS c WHERE id = 2;
INSERT INTO rules.contacts VALUES (4, 'x');
COMMIT;
SELECT is(scores('rules'), '1:60 2:60 4:60', 'a rule change that was rolled back');

PREPARE score AS SELECT lead_scoring.fit_score(c, 'rules') FROM rules.contacts AS c WHERE id = 1;
CREATE FUNCTION rules.score() RETURNS float8 LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT lead_scoring.fit_score(c, 'rules') FROM rules.contacts AS c WHERE id = 1);
END
$$;
SELECT rules.score() \g /dev/null
UPDATE lead_scoring.fit_rule SET points = 61 WHERE model = 'rules';
EXECUTE score \gset
SELECT is(:fit_score::float8, 61::float8, 'a prepared statement sees new rules');
SELECT is(rules.score(), 61::float8, 'and so does a function');
BEGIN;
DECLARE c CURSOR FOR SELECT lead_scoring.fit_score(t, 'rules') FROM rules.contacts AS t ORDER BY id;
FETCH c \gset
SELECT is(:fit_score::float8, 61::float8, 'a cursor');
UPDATE lead_scoring.fit_rule SET condition = $$email LIKE 'x%'$$, points = 62 WHERE model = 'rules';
INSERT INTO lead_scoring.fit_rule (model, name, condition, points)
    SELECT 'rules', 'n' || g, format('email = %L', g), g FROM generate_series(1, 300) AS g;
SELECT lead_scoring.fit_score(t, 'rules') FROM rules.contacts AS t \g /dev/null
FETCH c \gset
SELECT ok(:fit_score::float8 IN (61, 62), 'open across a change of rules');
CLOSE c;
COMMIT;
DELETE FROM lead_scoring.fit_rule WHERE model = 'rules' AND name LIKE 'n%';
SELECT is(bool_and(lead_scoring.fit_score(t, 'rules') = 62 AND lead_scoring.reasons(t, 'rules') = 'r +62'), true,
          'two functions of a model in one query') FROM rules.contacts AS t;
DEALLOCATE ALL;
DISCARD PLANS;
SELECT is(rules.score(), 62::float8, 'DISCARD PLANS');

DO $$
BEGIN
    FOR i IN 1..200 LOOP
        UPDATE lead_scoring.fit_rule SET points = i WHERE model = 'rules';
        PERFORM lead_scoring.fit_score(c, 'rules') FROM rules.contacts AS c;
    END LOOP;
END
$$;
SELECT is(rules.score(), 200::float8, 'two hundred changes in one transaction');

-- ------------------------------------- code that runs while a rule is read

-- A literal of a type with a domain in it runs the domain's checks; these change
-- the rules and use the model that is being read.
CREATE SCHEMA nested;
CREATE FUNCTION nested.check(int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('nested.flag', true) = 'on' THEN
        PERFORM set_config('nested.flag', 'off', false);
        UPDATE lead_scoring.fit_rule SET points = points + 1 WHERE model = 'nested' AND name = 'n1';
        PERFORM lead_scoring.fit_score(c, 'nested') FROM nested.contacts AS c;
    END IF;
    RETURN true;
END
$$;
CREATE DOMAIN nested.checked AS int CHECK (nested.check(value));
CREATE TYPE nested.pair AS (a nested.checked);
CREATE TABLE nested.contacts (id int PRIMARY KEY, email text, pair nested.pair);
INSERT INTO nested.contacts VALUES (1, 'x');
SELECT lead_scoring.create_model('nested', 'nested.contacts', 'id') \g /dev/null
INSERT INTO lead_scoring.fit_rule (model, name, condition, points)
    SELECT 'nested', 'n' || g, format('email = %L', g), g FROM generate_series(1, 100) AS g;
SELECT sqlstate_of($$INSERT INTO lead_scoring.fit_rule (model, name, condition, points)
    VALUES ('nested', 'literal', '(pair).a = 1 OR pair = ''(5)''::nested.pair', 1)$$) \g /dev/null
SELECT lead_scoring.fit_score(c, 'nested') FROM nested.contacts AS c \g /dev/null
SET nested.flag = 'on';
SELECT sqlstate_of($$SELECT lead_scoring.explain_fit(c, 'nested') FROM nested.contacts AS c$$) \g /dev/null
SELECT pass('the model changes while explain_fit reads it');
UPDATE lead_scoring.fit_rule SET points = 3 WHERE model = 'nested' AND name = 'n3';
SELECT lead_scoring.fit_score(c, 'nested') FROM nested.contacts AS c \g /dev/null
SET nested.flag = 'on';
SELECT sqlstate_of($$SELECT lead_scoring.to_sql('nested')$$) \g /dev/null
SELECT pass('while to_sql reads it');
SET nested.flag = 'on';
UPDATE lead_scoring.fit_rule SET points = 4 WHERE model = 'nested' AND name = 'n3';
SELECT sqlstate_of($$SELECT lead_scoring.fit_score(c, 'nested') FROM nested.contacts AS c$$) \g /dev/null
SELECT pass('while it is compiled');
SELECT lead_scoring.drop_model('nested') \g /dev/null

-- ------------------------------------------------- tables that change

CALL make_live('tab');
INSERT INTO tab.contacts VALUES (1, 'x'), (2, 'y');
ALTER TABLE tab.contacts ADD vip text DEFAULT 'yes';
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('tab', 'vip', $$vip = 'yes'$$, 10);
CALL lead_scoring.refresh('tab', NULL) \g /dev/null
SELECT is(scores('tab'), '1:15 2:10', 'a column that was added with a default');
UPDATE tab.contacts SET vip = NULL WHERE id = 1;
SELECT is(scores('tab'), '1:5 2:10', 'set to null in a row from before');
SELECT sound('tab', 'all is right');
ALTER TABLE tab.contacts DROP vip;
SELECT is(sqlstate_of($$INSERT INTO tab.contacts VALUES (3, 'x')$$), '', 'a dropped column does not stop writes');
SELECT is(count(*) > 0, true, 'check_model names the rule') FROM lead_scoring.check_model('tab') WHERE object ~ 'vip';
ALTER TABLE tab.contacts ADD vip int DEFAULT 1;
SELECT is(sqlstate_of($$INSERT INTO tab.contacts VALUES (4, 'x')$$), '', 'nor does one of another type');
SELECT is(sqlstate_of($$SELECT lead_scoring.fit_score(c, 'tab') FROM tab.contacts AS c$$) ~ '^(42|22)', true,
          'fit_score raises');
DELETE FROM lead_scoring.fit_rule WHERE model = 'tab' AND name = 'vip';
CALL lead_scoring.refresh('tab', NULL) \g /dev/null
SELECT is(scores('tab'), '1:5 2:0 3:5 4:5', 'without the rule all is scored again');
SELECT format('DROP VIEW IF EXISTS %s CASCADE', name) FROM lead_scoring.objects('tab') WHERE kind = 'v' \gexec
ALTER TABLE tab.contacts ALTER email TYPE varchar(30);
INSERT INTO tab.contacts VALUES (5, 'x');
ALTER TABLE tab.contacts ALTER email TYPE text, DROP vip;
UPDATE tab.contacts SET email = 'x' WHERE id = 2;
SELECT is(scores('tab'), '1:5 2:5 3:5 4:5 5:5', 'ALTER TYPE with maps in use');
ALTER TABLE tab.contacts ALTER id TYPE bigint;
SELECT is(sqlstate_of($$INSERT INTO tab.contacts VALUES (6, 'x'), (7000000000, 'x')$$), '', 'ALTER TYPE of the key');
SELECT is(sqlstate_of($$DELETE FROM tab.contacts WHERE id > 5$$), '', 'and back');
ALTER TABLE tab.contacts ALTER id TYPE int;
BEGIN;
UPDATE tab.contacts SET email = 'z' WHERE id = 1;
ALTER TABLE tab.contacts RENAME email TO mail;
COMMIT;
SELECT sound('tab', 'a column renamed after the write') WHERE sqlstate_of($$SELECT lead_scoring.verify('tab')$$) = ''
UNION ALL
SELECT pass('a column renamed after the write') WHERE sqlstate_of($$SELECT lead_scoring.verify('tab')$$) <> '';
ALTER TABLE tab.contacts RENAME mail TO email;
CALL lead_scoring.refresh('tab', NULL) \g /dev/null
SELECT is(scores('tab'), '1:0 2:5 3:5 4:5 5:5', 'and renamed back');
BEGIN;
INSERT INTO tab.contacts VALUES (8, 'x');
DROP TABLE tab.tab_score CASCADE;
SELECT is(sqlstate_of('SELECT lead_scoring.flush()'), '', 'the scores are dropped after the write');
COMMIT;
SELECT lead_scoring.activate('tab') \g /dev/null
SELECT is(scores('tab'), '1:0 2:5 3:5 4:5 5:5 8:5', 'activate() makes them again');
BEGIN;
INSERT INTO tab.contacts VALUES (9, 'x');
DROP TABLE tab.contacts CASCADE;
COMMIT;
SELECT is(count(*), 1::bigint, 'the contacts are dropped after the write') FROM lead_scoring.check_model('tab');
SELECT is(sqlstate_of($$SELECT lead_scoring.drop_model('tab')$$), '', 'and the model after them');

-- ----------------------------------------------------- another owner

DROP ROLE IF EXISTS ls_first, ls_second;
CREATE ROLE ls_first;
CREATE ROLE ls_second;
CREATE SCHEMA handed;
GRANT ALL ON SCHEMA handed TO ls_first, ls_second;
SET ROLE ls_first;
CREATE TABLE handed.contacts (id int PRIMARY KEY, email text);
SELECT lead_scoring.create_model('handed', 'handed.contacts', 'id') \g /dev/null
SELECT lead_scoring.activate('handed') \g /dev/null
RESET ROLE;
ALTER TABLE handed.contacts OWNER TO ls_second;
SET ROLE ls_second;
SELECT is(sqlstate_of($$INSERT INTO handed.contacts VALUES (1, 'x')$$), '', 'contacts with another owner are written');
RESET ROLE;
SELECT is(count(*), 1::bigint, 'check_model says so') FROM lead_scoring.check_model('handed') WHERE object = 'model';
SELECT is(sqlstate_of($$SELECT lead_scoring.activate('handed')$$), '', 'a superuser''s activate() hands over the tables, too');
RESET ROLE;
ALTER TABLE handed.handed_score OWNER TO ls_second;
ALTER TABLE handed.handed_queue OWNER TO ls_second;
ALTER VIEW handed.handed_scored OWNER TO ls_second;
SELECT is(sqlstate_of($$SELECT lead_scoring.activate('handed')$$), '', 'with all its tables a superuser activates it again');
SET ROLE ls_second;
SELECT is(sqlstate_of($$SELECT lead_scoring.activate('handed')$$), '', 'and then its new owner may');
RESET ROLE;
RESET ROLE;
REASSIGN OWNED BY ls_second TO ls_first;
SELECT is(sqlstate_of($$SELECT lead_scoring.drop_model('handed')$$), '', 'REASSIGN OWNED, then drop_model()');
SELECT is(count(*), 0::bigint, 'leaves no trigger') FROM pg_trigger WHERE tgrelid = 'handed.contacts'::regclass;
RESET ROLE;
DROP SCHEMA handed CASCADE;
DROP OWNED BY ls_first, ls_second;
DROP ROLE ls_first, ls_second;

-- ----------------------------------------------------- triggers in the way

CALL make_live('way');
INSERT INTO way.contacts VALUES (1, 'x'), (2, 'x'), (3, 'x');
CREATE FUNCTION way.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER t BEFORE UPDATE ON way.way_score FOR EACH ROW EXECUTE FUNCTION way.nothing();
UPDATE lead_scoring.fit_rule SET points = 6 WHERE model = 'way';
SET statement_timeout = '4s';
SELECT isnt(sqlstate_of($$CALL lead_scoring.refresh('way')$$), '57014', 'refresh() ends though no row can be changed');
RESET statement_timeout;
DROP TRIGGER t ON way.way_score;
CALL lead_scoring.refresh('way', NULL) \g /dev/null
SELECT is(scores('way'), '1:6 2:6 3:6', 'and goes on when they can');
CREATE TRIGGER t BEFORE UPDATE ON way.way_score FOR EACH ROW EXECUTE FUNCTION way.nothing();
UPDATE way.contacts SET email = 'y' WHERE id = 2;
SELECT results_eq('SELECT contact_id, reason FROM way.way_queue',
    $$VALUES (2, 'scores could not be written: rows of way.way_score could not be changed')$$,
    'a write goes on, and who was not scored waits');
DROP TRIGGER t ON way.way_score;
CALL lead_scoring.refresh('way', NULL) \g /dev/null
SELECT is(scores('way'), '1:6 2:0 3:6', 'until the trigger is gone');

CREATE FUNCTION way.also() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE way.contacts SET email = 'changed' WHERE id = 3 AND email = 'x';
    RETURN NULL;
END
$$;
CREATE TRIGGER t AFTER INSERT ON way.way_queue FOR EACH ROW EXECUTE FUNCTION way.also();
SET lead_scoring.pending_limit = 2;
UPDATE way.contacts SET email = 'z' WHERE id < 3;
RESET lead_scoring.pending_limit;
DROP TRIGGER t ON way.way_queue;
CALL lead_scoring.refresh('way', NULL) \g /dev/null
SELECT is(scores('way'), '1:0 2:0 3:0', 'what a trigger on the queue changes, at the limit of memory, is not lost');

CREATE TRIGGER t AFTER INSERT OR UPDATE ON way.way_score FOR EACH ROW EXECUTE FUNCTION way.also();
INSERT INTO way.contacts VALUES (4, 'x');
UPDATE way.contacts SET email = 'x' WHERE id = 3;
CALL lead_scoring.refresh('way', NULL) \g /dev/null
SELECT sound('way', 'a trigger on the scores that changes contacts');
DROP TRIGGER t ON way.way_score;
CREATE FUNCTION way.flush() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE way.contacts SET email = email || 'x' WHERE id = 4 AND length(email) < 40;
    PERFORM lead_scoring.flush();
    RETURN NULL;
END
$$;
CREATE TRIGGER t AFTER INSERT OR UPDATE ON way.way_score FOR EACH ROW EXECUTE FUNCTION way.flush();
SELECT is(sqlstate_of($$INSERT INTO way.contacts VALUES (5, 'x'); SELECT lead_scoring.flush()$$), '', 'flush() within a flush ends');
DROP TRIGGER t ON way.way_score;
CALL lead_scoring.refresh('way', NULL) \g /dev/null
SELECT sound('way', 'and loses nothing');

-- ------------------------------------------------------------- time

CALL make_live('clock');
ALTER TABLE clock.contacts ADD seen timestamptz;
INSERT INTO lead_scoring.fit_rule (model, name, condition, points)
    VALUES ('clock', 'fresh', $$seen > as_of - interval '300 milliseconds'$$, 100);
BEGIN;
INSERT INTO clock.contacts VALUES (1, 'x', clock_timestamp());
SELECT pg_sleep(0.5) \g /dev/null
COMMIT;
SELECT sound('clock', 'a transaction that commits long after its write');
LOAD 'lead_scoring';
SET TimeZone = 'America/New_York';
SET lead_scoring.as_of = '2026-01-01';
SELECT lead_scoring.as_of() AS moment \gset
SELECT set_config('lead_scoring.as_of', current_setting('lead_scoring.as_of'), false) \g /dev/null
SELECT is(lead_scoring.as_of(), :'moment'::timestamptz, 'lead_scoring.as_of says its zone');
SET TimeZone = 'Asia/Kathmandu';
SELECT set_config('lead_scoring.as_of', current_setting('lead_scoring.as_of'), false) \g /dev/null
SELECT is(lead_scoring.as_of(), :'moment'::timestamptz, 'so it can be set again elsewhere');
RESET TimeZone;
SELECT is(sqlstate_of(format('SET lead_scoring.as_of = %L', wrong)), '22023', 'as_of is not ' || wrong)
  FROM unnest(ARRAY['soon', 'infinity', '2026-13-01', '300000-01-01']) AS wrong;
RESET lead_scoring.as_of;

-- ---------------------------------------------------------- parallel plans

-- It was called force_parallel_mode before 16.
SELECT name AS forced FROM pg_settings
 WHERE name IN ('force_parallel_mode', 'debug_parallel_query') \gset
SET :forced = on;
SELECT is(sqlstate_of(format(call, 'rules')), '', 'forced parallel: ' || call)
  FROM (VALUES ('SELECT count(lead_scoring.fit_score(c, %1$L)) FROM rules.contacts AS c'),
               ('SELECT count(lead_scoring.reasons(c, %1$L)) FROM rules.contacts AS c'),
               ('SELECT count(*) FROM rules.contacts AS c, LATERAL lead_scoring.explain_fit(c, %1$L)'),
               ('SELECT * FROM rules.rules_scored'),
               ('SELECT * FROM lead_scoring.verify(%1$L)'),
               ('SELECT * FROM lead_scoring.check_model(%1$L)'),
               ('SELECT * FROM lead_scoring.score_problems(%1$L)'),
               ('SELECT lead_scoring.to_sql(%1$L)'),
               ('CALL lead_scoring.rescore(%1$L)'),
               ('INSERT INTO rules.contacts VALUES (90, ''x'')')) AS t (call);
RESET :forced;

-- --------------------------------------------------------------- limits

CALL make_live('big');
INSERT INTO big.contacts VALUES (1, 'x');
CREATE FUNCTION rule_outcome(condition text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('big', 'probe', condition, 1);
    DELETE FROM lead_scoring.fit_rule WHERE model = 'big' AND name = 'probe';
    RETURN '';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END
$$;
-- A limit is said (54000, 54001), or memory of the grammar (42601: memory exhausted); never XX000.
SELECT is(rule_outcome(condition) ~ '^(|54...|42601|42P17|42804|53...)$', true, what)
  FROM (VALUES
    (repeat('(', 5000) || 'true' || repeat(')', 5000), '5,000 parentheses'),
    (repeat('NOT ', 15000) || 'true', '15,000 NOT'),
    (repeat('- ', 20000) || 'id = 1', '20,000 minus signs'),
    ('email' || repeat(' || email', 7000) || ' = ''x''', '7,000 concatenations'),
    (repeat('CASE WHEN true THEN ', 2500) || 'id = 1' || repeat(' END', 2500), '2,500 CASE'),
    ('id IN (1' || repeat(', 2', 20000) || ')', 'IN of 20,000'),
    ('email LIKE ANY (''{x' || repeat(',%y%', 13000) || '}'')', 'LIKE ANY of 13,000'),
    ('email = ''x''' || repeat(' OR email = ''y'' AND id = 4', 2000), 'OR of 2,000'),
    ('email' || repeat(' COLLATE "C"', 5000) || ' = ''x''', '5,000 COLLATE'),
    ('email' || repeat('::text::varchar', 4000) || ' = ''x''', '8,000 casts'),
    ('id = 1' || repeat(' IS TRUE', 7000), '7,000 IS TRUE'),
    ('email = ' || quote_literal(repeat('x', 60000)), 'a literal of 60,000 bytes'),
    (repeat('x', 70000), 'a text of 70,000 bytes'),
    ('email ~ ' || quote_literal(repeat('(a*)*', 2000)), 'a regular expression of 10,000 bytes'),
    (E'email = ''\u00e4\U0001F600\\''', 'characters of two and four bytes')) AS t (condition, what);
SELECT is(rule_outcome(condition), expected, 'refused: ' || left(condition, 40))
  FROM (VALUES ('', '42601'), ('--', '42601'), ('true; DROP TABLE x', '42601'), ('true) OR (true', '42601'),
               ('true FROM big.contacts', '42601'), ('true AS t', '42601'), ('true, true', '42601'), ('*', '42601'),
               ('true UNION SELECT true', '42601'), ('true LIMIT 1', '42601'), ('(SELECT true)', '0A000'),
               ('EXISTS (SELECT)', '0A000'), ('$1', '0A000'), ('count(*) > 1', '0A000'), ('contact IS NULL', '0A000'),
               ('ctid IS NULL', '0A000'), ('tableoid = 1', '0A000'), ('id', '42804'), ('1 / 0 = 1', '22012'),
               ('current_user = ''x''', '0A000'), ('random() > 0.5', '42P17'), ('email = user', '0A000'),
               ('pg_sleep(1) IS NULL', '42P17'), ('nextval(''x'') = 1', '42P01'))
    AS t (condition, expected);

-- ---------------------------------------------------------- cancelled

INSERT INTO lead_scoring.fit_rule (model, name, condition, points)
    SELECT 'big', 'not' || r, 'email NOT IN (' ||
           (SELECT string_agg(quote_literal(r * 10000 + g), ',') FROM generate_series(1, 4000) AS g) || ')', 1
      FROM generate_series(1, 30) AS r;
SET statement_timeout = '20ms';
SELECT is(sqlstate_of($$SELECT lead_scoring.fit_score(c, 'big') FROM big.contacts AS c$$), '57014', 'cancelled while compiling');
RESET statement_timeout;
UPDATE lead_scoring.fit_rule SET points = 2 WHERE model = 'big' AND name = 'not1';
SET statement_timeout = '20ms';
\set ON_ERROR_STOP off
INSERT INTO big.contacts VALUES (2, 'x');
\set ON_ERROR_STOP on
RESET statement_timeout;
SELECT is(lead_scoring.fit_score(c, 'big'), 36::float8, 'the next one compiles') FROM big.contacts AS c WHERE id = 1;
INSERT INTO big.contacts VALUES (3, 'x');
CALL lead_scoring.refresh('big', NULL) \g /dev/null
SELECT ok(scores('big') IN ('1:36 3:36', '1:36 2:36 3:36'), 'and is scored');
SELECT sound('big', 'whatever became of the one that was cancelled');

-- --------------------------------------------------------------- names

CREATE SCHEMA names;
CREATE TABLE names."Con""tacts' $$ %I;" ("I D" int PRIMARY KEY, "Ma'il""" text, "select" int);
CREATE FUNCTION names.works(model text) RETURNS text LANGUAGE plpgsql AS $works$
DECLARE
    found float8;
BEGIN
    PERFORM lead_scoring.create_model(model, $q$names."Con""tacts' $$ %I;"$q$, 'I D');
    INSERT INTO lead_scoring.fit_rule (model, name, condition, points)
        VALUES (model, E'-- /* \n ''"$$%s', $q$"Ma'il""" = 'x' AND "select" = 1$q$, 5);
    PERFORM lead_scoring.activate(model);
    EXECUTE $q$DELETE FROM names."Con""tacts' $$ %I;"$q$;
    EXECUTE $q$INSERT INTO names."Con""tacts' $$ %I;" VALUES (1, 'x', 1)$q$;
    PERFORM lead_scoring.flush();
    EXECUTE format('SELECT fit FROM names.%I', model || '_scored') INTO found;
    EXECUTE format('SELECT fit + %L FROM names.%I', found, model || '_score') INTO found;
    PERFORM lead_scoring.check_model(model), lead_scoring.verify(model), lead_scoring.to_sql(model);
    EXECUTE format('CALL lead_scoring.rescore(%L)', model);
    PERFORM lead_scoring.deactivate(model), lead_scoring.activate(model), lead_scoring.drop_model(model);
    RETURN found::text;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLERRM;
END
$works$;
SELECT is(names.works(model), '10', 'model ' || quote_literal(model))
  FROM unnest(ARRAY['Plain', 'select', 'with "quotes"', 'it''s', E'new\nline', '$sql$', '$$', '%I %s %L', E'back\\slash',
                    '; DROP SCHEMA names', '--', '/*', repeat('x', 40), repeat('ä', 20), ' ', '.', 'a.b']) AS model;
SELECT is(sqlstate_of(format('SELECT lead_scoring.create_model(%L, ''rules.contacts'', ''id'')', model)), '42602',
          'no model has a name of ' || octet_length(model) || ' bytes')
  FROM unnest(ARRAY['', repeat('x', 41), repeat('ä', 21)]) AS model;
SELECT is(sqlstate_of(format('SELECT lead_scoring.fit_score(c, %L) FROM rules.contacts AS c', repeat('x', 5000))), '42704',
          'nor is one looked for in vain');
SET standard_conforming_strings = off;
SET escape_string_warning = off;
SELECT is(names.works('it''s'), '10', 'strings with escapes');
RESET standard_conforming_strings;
RESET escape_string_warning;
SELECT is(names.works('plain'), '10', 'and without');

-- --------------------------------------------- the extension comes and goes

BEGIN;
INSERT INTO rules.contacts VALUES (91, 'x');
DROP EXTENSION lead_scoring CASCADE;
COMMIT;
SELECT is(count(*), 1::bigint, 'the extension is dropped after a write') FROM rules.contacts WHERE id = 91;
SELECT is(count(*), 0::bigint, 'no trigger is left')
  FROM pg_trigger WHERE tgrelid = 'rules.contacts'::regclass AND NOT tgisinternal;
INSERT INTO rules.contacts VALUES (92, 'y');
SELECT is(sqlstate_of($$SELECT lead_scoring.fit_score(c, 'rules') FROM rules.contacts AS c$$), '42883', 'nor a function');
CREATE EXTENSION lead_scoring;
SELECT lead_scoring.create_model('rules', 'rules.contacts', 'id') \g /dev/null
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('rules', 'r', $$email = 'x'$$, 7);
SELECT lead_scoring.activate('rules') \g /dev/null
INSERT INTO rules.contacts VALUES (93, 'x');
SELECT is(scores('rules'), '1:7 2:7 4:7 90:7 91:7 92:0 93:7', 'made again, in the same session');
SELECT sound('rules', 'it is right');
BEGIN;
DROP EXTENSION lead_scoring CASCADE;
CREATE EXTENSION lead_scoring;
SELECT is(sqlstate_of($$SELECT lead_scoring.fit_score(c, 'rules') FROM rules.contacts AS c$$), '42704', 'in one transaction');
ROLLBACK;
SELECT is(lead_scoring.fit_score(c, 'rules'), 7::float8, 'and taken back') FROM rules.contacts AS c WHERE id = 1;

SELECT * FROM finish();
