-- What goes wrong with stages and actions: the user's writes go through, the contacts
-- wait with a reason, check_model tells it, and a refresh mends it later.

\ir live.psql
\ir life.psql
SET client_min_messages = error;

SELECT * FROM no_plan();

CREATE TABLE person (id int PRIMARY KEY, points int, stage text, size int, country text, note text);
CALL make_staged('p', 'person');
CREATE FUNCTION stages() RETURNS text LANGUAGE sql AS $$SELECT outcome('SELECT id, stage FROM person ORDER BY id')$$;
CREATE FUNCTION waiting(model text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    said text;
BEGIN
    EXECUTE format('SELECT string_agg(format(''%%s: %%s'', contact_id, reason), E''\n'' ORDER BY contact_id) FROM (SELECT DISTINCT contact_id, reason FROM %s) AS q', object_of(model, '_queue')) INTO said;
    RETURN coalesce(said, '');
END
$$;

-- ----------------------------------------- a name that score and contact have

CREATE FUNCTION hint_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    EXECUTE statement;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(': ', SQLSTATE, hint);
END
$$;
SELECT matches(hint_of($$INSERT INTO lead_scoring.action (model, name, condition) VALUES ('p', 'x', 'stage = ''mql''')$$),
               '42702: .*score\.stage', 'the hint says what to write');
SELECT is(hint_of($$INSERT INTO lead_scoring.action (model, name, condition, enabled) VALUES ('p', 'x', 'score.stage = contact.stage', false)$$),
          NULL, 'and that works');
DELETE FROM lead_scoring.action WHERE name = 'x';

-- ------------------------------------------------- conditions that raise

CALL add_transition('p', 'lead', 'opportunity', '100 / contact.size > 50');
INSERT INTO lead_scoring.action (model, name, condition) VALUES ('p', 'hot', 'total >= 50');
CALL lead_scoring.refresh('p');
INSERT INTO person VALUES (1, 60, 'lead', 0), (2, 60, 'lead', 10), (3, 60, 'lead', 1);
SELECT is(stages(), '(1,lead) (2,mql) (3,opportunity)', 'one cannot be followed, the others are');
SELECT is(outcome('SELECT total, band, stage, problem FROM p_score WHERE contact_id = 1'), '(60,hot,lead,)', 'its score is right all the same');
SELECT is(waiting('p'), '1: its lifecycle could not be followed: division by zero (transition "lead to opportunity" of model "p")', 'it waits, and it is said why');
SELECT is(fired('p'), '2: hot enter (contact), 3: hot enter (contact)', 'nothing is set off for it');
SELECT matches(problems('p'), 'contact 1.*division by zero', 'check_model names it');
SELECT sound('p', 'the scores are right', false);
CALL lead_scoring.refresh('p');
SELECT is(waiting('p'), '1: its lifecycle could not be followed: division by zero (transition "lead to opportunity" of model "p")', 'a refresh tries again, and it goes on waiting');
UPDATE person SET points = 90;
SELECT is(moves('p', '1') || '; ' || moves('p', '2'), '; lead > mql (contact), mql > sql (contact)', 'it does not stand in the way of others');
UPDATE person SET size = 20 WHERE id = 1;
CALL lead_scoring.refresh('p');
SELECT is(moves('p', '1') || '; ' || fired('p', '1'), 'lead > mql (contact), mql > sql (contact); hot enter (contact)', 'until it is mended');
SELECT lawful('p', 'conditions that raise');
UPDATE lead_scoring.action SET condition = '100 / contact.size > 50' WHERE model = 'p';
CALL lead_scoring.refresh('p');
INSERT INTO person VALUES (4, 60, 'mql', 0);
SELECT is(outcome('SELECT total, stage FROM p_score WHERE contact_id = 4') || waiting('p'),
          '(60,mql)4: its lifecycle could not be followed: division by zero (action "hot" of model "p")', 'the same of an action');
DELETE FROM lead_scoring.action WHERE model = 'p';
UPDATE lead_scoring.transition SET enabled = false WHERE model = 'p' AND to_stage = 'opportunity';
CALL lead_scoring.refresh('p');
SELECT is(problems('p'), '', 'no problem without them');
SELECT lawful('p', 'mended');
DELETE FROM person;

-- -------------------------------------------------- what the table does not allow

ALTER TABLE person ADD CONSTRAINT big CHECK (stage <> 'sql' OR size > 5);
INSERT INTO person VALUES (1, 90, 'lead', 1), (2, 90, 'lead', 9), (3, 90, 'lead', 2), (4, 60, 'lead', 2);
SELECT is(stages(), '(1,lead) (2,sql) (3,lead) (4,mql)', 'a CHECK costs only those that it forbids');
SELECT is(outcome('SELECT contact_id, total, stage FROM p_score ORDER BY 1'), '(1,90,lead) (2,90,sql) (3,90,lead) (4,60,mql)', 'the table says the same');
SELECT is(moves('p', '1') || moves('p', '3'), '', 'and nothing else is recorded');
SELECT matches(waiting('p'), '^1: its stage could not be written: .*"big"\n3: its stage could not be written: .*"big"$', 'they wait');
SELECT matches(problems('p'), 'could not be written: new row for relation "person" violates check constraint "big"', 'check_model says why');
UPDATE person SET size = 10 WHERE id = 1;
CALL lead_scoring.refresh('p');
SELECT is(stages(), '(1,sql) (2,sql) (3,lead) (4,mql)', 'mended for one');
ALTER TABLE person DROP CONSTRAINT big;
CALL lead_scoring.refresh('p');
SELECT is(stages(), '(1,sql) (2,sql) (3,sql) (4,mql)', 'and for all');
SELECT lawful('p', 'a CHECK');
DELETE FROM person;

-- Triggers of the user's.
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.stage = 'sql' AND NEW.note = 'raise' THEN
        RAISE EXCEPTION 'not this one';
    ELSIF NEW.stage = 'sql' AND NEW.note = 'skip' THEN
        RETURN NULL;
    ELSIF NEW.stage = 'sql' AND NEW.note = 'other' THEN
        NEW.stage := 'mql';
    ELSIF NEW.stage = 'sql' AND NEW.note = 'odd' THEN
        NEW.stage := 'SQL!';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER refuse BEFORE UPDATE ON person FOR EACH ROW EXECUTE FUNCTION refuse();
INSERT INTO person VALUES (1, 90, 'lead', 1, NULL, 'raise'), (2, 90, 'lead', 1, NULL, 'skip'), (3, 90, 'lead', 1, NULL, 'other'),
                          (4, 90, 'lead', 1, NULL, 'odd'), (5, 90, 'lead', 1, NULL, 'fine');
SELECT is(stages(), '(1,lead) (2,lead) (3,mql) (4,SQL!) (5,sql)', 'triggers have the last word');
SELECT matches(waiting('p'), '^1: its stage could not be written: not this one\n2: its stage could not be written: a trigger kept the old one\n3: .* made it another\n4: .* made it another$', 'who was refused waits');
CALL lead_scoring.refresh('p');
SELECT is(stages(), '(1,lead) (2,lead) (3,mql) (4,SQL!) (5,sql)', 'and again');
SELECT is(outcome('SELECT contact_id, stage FROM p_score ORDER BY 1'), '(1,lead) (2,lead) (3,mql) (4,SQL!) (5,sql)', 'what is there is recorded');
SELECT is(string_agg(u, E'\n'), NULL, 'the records') FROM unlawful('p') AS u;
UPDATE person SET note = 'fine';
CALL lead_scoring.refresh('p');
SELECT is(stages(), '(1,sql) (2,sql) (3,mql) (4,SQL!) (5,sql)', 'once allowed, it moves; what a trigger chose is as if by hand');
SELECT lawful('p', 'triggers that refuse');
DROP TRIGGER refuse ON person;
DELETE FROM person;

-- A trigger that goes on writing when a stage changes: other columns, the contact itself, others.
CREATE FUNCTION follow() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$
BEGIN
    IF NEW.note = 'raise points' AND NEW.stage = 'mql' THEN
        UPDATE person SET points = 90 WHERE id = NEW.id;
    ELSIF NEW.note = 'lower points' AND NEW.stage = 'mql' THEN
        UPDATE person SET points = 0 WHERE id = NEW.id;
    ELSIF NEW.note = 'another' AND NEW.stage = 'mql' THEN
        UPDATE person SET points = 90 WHERE id = NEW.id + 1;
    ELSIF NEW.note = 'back' AND NEW.stage = 'mql' THEN
        UPDATE person SET stage = 'lead' WHERE id = NEW.id;
    ELSIF NEW.note = 'delete' AND NEW.stage = 'mql' THEN
        DELETE FROM person WHERE id = NEW.id;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER follow AFTER UPDATE OF stage ON person FOR EACH ROW WHEN (OLD.stage IS DISTINCT FROM NEW.stage) EXECUTE FUNCTION follow();
\set rows '(1, 60, ''lead'', 1, NULL, ''raise points''), (2, 60, ''lead'', 1, NULL, ''lower points''), (3, 60, ''lead'', 1, NULL, ''another''), (4, 0, ''lead'', 1, NULL, NULL), (5, 60, ''lead'', 1, NULL, ''back''), (6, 60, ''lead'', 1, NULL, ''delete'')'
INSERT INTO person VALUES :rows;
SELECT sound('p', 'triggers that follow: the view is right', false);
CALL lead_scoring.refresh('p');
SELECT is(stages(), '(1,sql) (2,mql) (3,mql) (4,sql) (5,lead)', 'all is done in the end');
SELECT is(moves('p', '5'), 'lead > mql (contact), mql > lead (manual)', 'a trigger is a person');
SELECT lawful('p', 'triggers that follow');
DELETE FROM person;
SET lead_scoring.apply = statement;
INSERT INTO person VALUES :rows;
RESET lead_scoring.apply;
SELECT sound('p', 'the same in statement mode: the view is right', false);
CALL lead_scoring.refresh('p');
SELECT is(stages(), '(1,sql) (2,mql) (3,mql) (4,sql) (5,lead)', 'all is done in the end');
SELECT lawful('p', 'the same in statement mode');
DROP TRIGGER follow ON person;
DELETE FROM person;

-- Triggers that would be called at commit are called by our write, as nothing comes after it.
CREATE TABLE called (id int, stage text, who name);
CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$
BEGIN
    IF NEW.stage = 'mql' AND NEW.note = 'raise' THEN
        RAISE EXCEPTION 'not this one';
    END IF;
    INSERT INTO called VALUES (NEW.id, NEW.stage, current_user);
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON person DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late();
INSERT INTO person (id, points, stage, note) VALUES (1, 60, 'lead', NULL), (2, 60, 'lead', 'raise');
SELECT is(stages() || '; ' || moves('p'), '(1,mql) (2,lead); 1: lead > mql (contact)', 'deferred triggers: moved, or refused');
SELECT is(waiting('p'), '2: its stage could not be written: not this one', 'who was refused waits');
SELECT is(outcome('SELECT id, stage FROM called'), '(1,mql)', 'the trigger was called, once');
UPDATE person SET note = NULL;
TRUNCATE called;
CALL lead_scoring.refresh('p');
SELECT is(stages() || '; ' || moves('p', '2') || '; ' || outcome('SELECT id, stage FROM called'), '(1,mql) (2,mql); lead > mql (contact); (2,mql)', 'and by a refresh');
-- Within a transaction they would be deferred: the write waits.
BEGIN;
INSERT INTO person VALUES (3, 60, 'lead');
SELECT lead_scoring.flush();
COMMIT;
SELECT matches(waiting('p'), '^3: its stage could not be written: cannot fire deferred trigger', 'in the midst of a transaction it waits');
CALL lead_scoring.refresh('p');
SELECT is(stages(), '(1,mql) (2,mql) (3,mql)', 'for a refresh');
SELECT lawful('p', 'deferred triggers');
DROP TRIGGER late ON person;
DELETE FROM person;
CREATE TABLE country (code text PRIMARY KEY);
ALTER TABLE person ADD FOREIGN KEY (country) REFERENCES country DEFERRABLE INITIALLY DEFERRED;
INSERT INTO person VALUES (1, 60, 'lead');
CALL lead_scoring.refresh('p');
SELECT is(stages(), '(1,mql)', 'a deferred foreign key does no harm');
SELECT lawful('p', 'a deferred foreign key');
ALTER TABLE person DROP CONSTRAINT person_country_fkey;
DELETE FROM person;

-- ------------------------------------------------ types that have no such value

CREATE TYPE short AS ENUM ('lead', 'sql');
CREATE TABLE by_enum (id int PRIMARY KEY, points int, stage short);
CREATE TABLE by_word (id int PRIMARY KEY, points int, stage varchar(4));
CALL make_staged('e', 'by_enum');
CALL make_staged('w', 'by_word');
CALL add_transition('w', 'mql', 'opportunity', 'total >= 60');
CALL lead_scoring.refresh('w');
INSERT INTO by_enum VALUES (1, 60, 'lead'), (2, 90, NULL);
SELECT is(outcome('SELECT id, stage FROM by_enum ORDER BY id'), '(1,lead) (2,sql)', 'an enum without the value');
SELECT matches(waiting('e'), '1: its stage could not be written: invalid input value for enum public.short: "mql"', 'it waits');
ALTER TYPE short ADD VALUE 'mql';
CALL lead_scoring.refresh('e');
SELECT lawful('e', 'with the value');
INSERT INTO by_word VALUES (1, 50, 'lead'), (2, 90, 'lead');
SELECT is(outcome('SELECT id, stage FROM by_word ORDER BY id'), '(1,mql) (2,lead)', 'a word that is too short');
SELECT matches(waiting('w'), '^2: its stage could not be written: value too long', 'it waits');
ALTER TABLE by_word ALTER stage TYPE text;
CALL lead_scoring.refresh('w');
SELECT is(outcome('SELECT id, stage FROM by_word ORDER BY id'), '(1,mql) (2,opportunity)', 'not any more');
SELECT lawful('w', 'longer words');

-- --------------------------------------------------------- things that go away

CALL add_transition('p', 'lead', 'disqualified', $$contact.country = 'XX'$$);
CALL lead_scoring.refresh('p');
INSERT INTO person VALUES (1, 60, 'lead', 1, 'XX'), (2, 40, 'lead', 1, 'DE');
SELECT is(stages(), '(1,disqualified) (2,lead)', 'a column of the contact');
ALTER TABLE person RENAME country TO land;
UPDATE person SET points = 60 WHERE id = 2;
INSERT INTO person VALUES (3, 90, 'lead', 1, 'XX');
SELECT is(count(*), 3::bigint, 'a column that is gone: writes go on') FROM person;
SELECT matches(problems('p'), 'transition.*country', 'check_model names the transition');
SELECT is(outcome($$CALL lead_scoring.refresh('p')$$) IS NOT NULL, true, 'a refresh may be called');
UPDATE lead_scoring.transition SET enabled = false WHERE model = 'p' AND to_stage = 'disqualified';
CALL lead_scoring.refresh('p');
SELECT is(stages(), '(1,disqualified) (2,mql) (3,sql)', 'without it all is well');
SELECT lawful('p', 'a column that came and went');

ALTER TABLE person RENAME stage TO phase;
UPDATE person SET points = 90 WHERE id = 2;
INSERT INTO person VALUES (4, 90, 'lead');
SELECT is(count(*), 4::bigint, 'the stage column is renamed: writes go on') FROM person;
SELECT matches(problems('p'), 'stage', 'check_model says so');
UPDATE lead_scoring.model SET stage_column = 'phase' WHERE name = 'p';
CALL lead_scoring.refresh('p');
SELECT is(outcome('SELECT id, phase FROM person ORDER BY id'), '(1,disqualified) (2,sql) (3,sql) (4,sql)', 'under its new name all is well');
SELECT lawful('p', 'another name');
ALTER TABLE person RENAME phase TO stage;
UPDATE lead_scoring.model SET stage_column = 'stage' WHERE name = 'p';
CALL lead_scoring.refresh('p');

-- Stages that are removed, renamed and put elsewhere.
UPDATE lead_scoring.stage SET name = 'qualified' WHERE model = 'p' AND name = 'sql';
UPDATE person SET points = 50 WHERE id = 2;
UPDATE person SET points = 90 WHERE id = 2;
CALL lead_scoring.refresh('p');
SELECT is(stages(), '(1,disqualified) (2,sql) (3,sql) (4,sql)', 'a stage gets another name: contacts keep the old one');
SELECT matches(problems('p'), 'stage "sql" \| contacts in a stage that no row names: 3', 'and check_model tells');
INSERT INTO person VALUES (5, 90, 'lead');
SELECT is(moves('p', '5'), 'lead > mql (contact), mql > qualified (contact)', 'others go where it says now');
DELETE FROM lead_scoring.transition WHERE model = 'p';
DELETE FROM lead_scoring.stage WHERE model = 'p';
UPDATE person SET points = 10;
INSERT INTO person VALUES (6, 90, NULL);
CALL lead_scoring.refresh('p');
SELECT is(outcome('SELECT contact_id, total, stage FROM p_score ORDER BY 1'), '(1,10,disqualified) (2,10,sql) (3,10,sql) (4,10,sql) (5,10,qualified) (6,90,)', 'no stages at all');
SELECT is(problems('p'), '', 'are no problem');
SELECT lead_scoring.drop_model('p');

-- ------------------------------------------------ two models, one stage column

CREATE TABLE shared (id int PRIMARY KEY, tenant int, stage text);
CREATE FUNCTION second(population text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    UPDATE lead_scoring.model SET population = second.population WHERE name = 's2';
    PERFORM lead_scoring.activate('s2');
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    RETURN concat_ws(' ', sqlstate, sqlerrm);
END
$$;
SELECT lead_scoring.create_model('s1', 'shared', 'id', stage_column => 'stage');
SELECT lead_scoring.activate('s1');
SELECT lead_scoring.create_model('s2', 'shared', 'id', stage_column => 'stage');
SELECT is(second(NULL), '55000 model "s2" would move the contacts of active model "s1"', 'the second is refused');
SELECT is(second('tenant = 2'), '55000 model "s2" would move the contacts of active model "s1"', 'also where it is about a part');
UPDATE lead_scoring.model SET population = 'tenant = 1' WHERE name = 's1';
SELECT is(second('tenant = 1'), '55000 model "s2" would move the contacts of active model "s1"', 'or about the same one');
SELECT is(second('tenant = 2'), 'done', 'but not where each has his own');
SELECT is(problems('s2'), '', 'which is no problem');
UPDATE lead_scoring.model SET population = NULL WHERE name = 's1';
SELECT matches(problems('s2'), 'stage column "stage".*model "s1" moves the same contacts through it', 'until one has all');
UPDATE lead_scoring.model SET population = 'tenant = 1' WHERE name = 's1';
SELECT lead_scoring.clone_model('s1', 's3');
SELECT lead_scoring.activate('s3');
SELECT is(problems('s3'), '', 'a shadow moves nobody');
SELECT throws_ok($$SELECT lead_scoring.promote('s3')$$, '55000', 'model "s3" would move the contacts of active model "s1"', 'it may not be promoted');
SELECT lead_scoring.deactivate('s1');
SELECT lives_ok($$SELECT lead_scoring.promote('s3')$$, 'until the other is deactivated');
SELECT lead_scoring.drop_model(name) FROM lead_scoring.model WHERE name LIKE 's_';

-- ---------------------------------------------- what is in the way of activation

CREATE FUNCTION context_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    context text;
BEGIN
    EXECUTE statement;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
    RETURN concat_ws(': ', SQLERRM, split_part(context, E'\n', 1));
END
$$;
SELECT lead_scoring.create_model('x', 'shared', 'id');
CREATE TABLE x_queue ();
SELECT is(context_of($$SELECT lead_scoring.activate('x')$$),
          'column q.contact_id does not exist: SQL statement "CREATE OR REPLACE VIEW public.x_freshness WITH (security_invoker = true) AS ..."',
          'an error of a script names its statement');
DROP TABLE x_queue;
CREATE VIEW x_score AS SELECT 1 AS contact_id;
SELECT cmp_ok(length(context_of($$SELECT lead_scoring.activate('x')$$)), '<', 300, 'and is short');
DROP VIEW x_score CASCADE;
SELECT lead_scoring.activate('x');
SELECT lead_scoring.drop_model('x');

-- ------------------------------------------------------- who writes what as whom

DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['ls_life_owner', 'ls_life_writer'] LOOP
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            EXECUTE format('DROP OWNED BY %I CASCADE; DROP ROLE %I', role, role);
        END IF;
        EXECUTE format('CREATE ROLE %I', role);
    END LOOP;
END
$$;
CREATE SCHEMA own AUTHORIZATION ls_life_owner;
GRANT USAGE ON SCHEMA own TO ls_life_writer;
SET ROLE ls_life_owner;
CREATE TABLE own.client (id int PRIMARY KEY, stage text, who text);
CREATE TABLE own.deed (client int, at timestamptz DEFAULT now());
CREATE INDEX ON own.deed (client);
CREATE FUNCTION own.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.who := current_user;
    RETURN NEW;
END
$$;
CREATE TRIGGER note BEFORE UPDATE ON own.client FOR EACH ROW EXECUTE FUNCTION own.note();
SELECT lead_scoring.create_model('o', 'own.client', 'id', stage_column => 'stage');
SELECT lead_scoring.add_event_source('o', 'own.deed', 'client', 'at');
INSERT INTO lead_scoring.engagement_rule (model, name, kind, points, max_count) VALUES ('o', 'deed', 'each', 30, 3);
INSERT INTO lead_scoring.action (model, name, condition, channel) VALUES ('o', 'hot', 'total >= 50', 'hot');
SELECT lead_scoring.activate('o');
INSERT INTO own.client VALUES (1, 'lead');
GRANT INSERT ON own.deed TO ls_life_writer;
RESET ROLE;
SET ROLE ls_life_writer;
INSERT INTO own.deed SELECT 1 FROM generate_series(1, 3);
RESET ROLE;
SELECT is(outcome('SELECT stage, who FROM own.client'), '(sql,ls_life_owner)', 'who may only write events moves stages, as their owner');
SELECT is(moves('o') || '; ' || fired('o'), '1: lead > mql (event), 1: mql > sql (event); 1: hot enter (event)', 'and sets off actions');
SELECT lawful('o', 'as their owner');
SET ROLE ls_life_writer;
SELECT throws_ok($$INSERT INTO lead_scoring.transition (model, from_stage, to_stage, condition) VALUES ('o', 'lead', 'sql', 'true')$$, '42501', NULL, 'but may not change the lifecycle');
SELECT throws_ok($$CALL lead_scoring.refresh('o')$$, '42501', NULL, 'nor refresh');
RESET ROLE;
DROP OWNED BY ls_life_writer, ls_life_owner CASCADE;
DROP ROLE ls_life_writer;
DROP ROLE ls_life_owner;

-- ----------------------------------------------------- rows that cannot work

CREATE TABLE plain (id int PRIMARY KEY, points int, stage text);
CALL make_staged('q', 'plain');
SELECT throws_ok(statement, state, NULL, what)
  FROM (VALUES
    ($$INSERT INTO lead_scoring.transition (model, from_stage, to_stage, condition) VALUES ('q', 'lead', 'nowhere', 'true')$$, '23503', 'an unknown stage'),
    ($$INSERT INTO lead_scoring.transition (model, from_stage, to_stage, condition) VALUES ('q', 'lead', 'sql', 'totl > 3')$$, '42703', 'an unknown column'),
    ($$INSERT INTO lead_scoring.transition (model, from_stage, to_stage, condition) VALUES ('q', 'lead', 'sql', 'stage = ''lead''')$$, '42702', 'a name that both have'),
    ($$INSERT INTO lead_scoring.transition (model, from_stage, to_stage, condition) VALUES ('q', 'lead', 'sql', 'now() > as_of')$$, '42P17', 'the clock'),
    ($$INSERT INTO lead_scoring.transition (model, from_stage, to_stage, condition) VALUES ('q', 'lead', 'sql', 'total')$$, '42804', 'no condition'),
    ($$INSERT INTO lead_scoring.transition (model, from_stage, to_stage, condition) VALUES ('q', 'lead', 'sql', 'EXISTS (SELECT 1)')$$, '0A000', 'a subquery'),
    ($$INSERT INTO lead_scoring.action (model, name, condition, repeat_after) VALUES ('q', 'a', 'true', '-1 day')$$, '23514', 'to repeat it before'),
    ($$INSERT INTO lead_scoring.action (model, name, condition, goal) VALUES ('q', 'a', 'true', 'nothing')$$, '23503', 'an unknown milestone'),
    ($$INSERT INTO lead_scoring.action (model, name, condition, channel) VALUES ('q', 'a', 'true', '')$$, '23514', 'a channel without a name'),
    ($$INSERT INTO lead_scoring.action (model, name, condition, on_edge) VALUES ('q', 'a', 'true', 'both')$$, '23514', 'an unknown edge'),
    ($$INSERT INTO lead_scoring.milestone (model, name, source) VALUES ('q', 'a', 'nowhere')$$, '23503', 'an unknown source'))
    AS v (statement, state, what);
SELECT throws_ok($$SELECT lead_scoring.create_model('r', 'plain', 'id', stage_column => 'phase')$$, '42703', NULL, 'an unknown stage column');
ALTER TABLE plain ADD made text GENERATED ALWAYS AS (stage || '!') STORED;
SELECT throws_ok($$SELECT lead_scoring.create_model('r', 'plain', 'id', stage_column => 'made')$$, '0A000', NULL, 'a stage column that cannot be written');
-- Payloads need not be objects.
INSERT INTO lead_scoring.action (model, name, condition, payload) VALUES ('q', 'list', 'total > 5', '[1, 2]'), ('q', 'object', 'total > 5', '{"total": "mine"}');
CALL lead_scoring.refresh('q');
INSERT INTO plain VALUES (1, 10, 'lead');
SELECT is(outcome($$SELECT type, payload -> 'payload', payload -> 'total' FROM q_outbox ORDER BY type$$), '(list,"[1, 2]",10) (object,,"""mine""")', 'payloads');

SELECT * FROM finish();
