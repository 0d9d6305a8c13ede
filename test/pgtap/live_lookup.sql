-- Live lookups: whatever statement writes companies or contacts, in whatever mode, the
-- score table, the view and the model as plain SQL say the same afterwards.

\ir live.psql
\ir life.psql
SET client_min_messages = error;

SELECT * FROM no_plan();

CREATE PROCEDURE make_firms(model text, firms regclass, population text DEFAULT NULL) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM lead_scoring.create_model(model, 'person', 'id');
    PERFORM lead_scoring.add_lookup(model, 'firm', firms, 'id', 'firm_id');
    INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES
        (model, 'boss', $c$title = 'CEO'$c$, 15),
        (model, 'big', 'firm.size > 50', 10),
        (model, 'IT', $c$firm.trade = 'IT'$c$, 5),
        (model, 'both', $c$firm.trade = 'IT' AND title IS NULL$c$, 2),
        (model, 'ratio', '1000 / nullif(firm.size, 0) = 20', 7),
        (model, 'none', 'firm.id IS NULL', -4);
    UPDATE lead_scoring.model AS m SET population = make_firms.population
     WHERE m.name = model AND make_firms.population IS NOT NULL;
    PERFORM lead_scoring.activate(model);
END
$$;

CREATE TABLE person (id int PRIMARY KEY, firm_id int, title text, created timestamptz DEFAULT now());
CREATE INDEX ON person (firm_id);
INSERT INTO person SELECT g, nullif(g % 12, 0), CASE g % 3 WHEN 0 THEN 'CEO' WHEN 1 THEN 'clerk' END
  FROM generate_series(1, 40) AS g;
CREATE TABLE firm (id int PRIMARY KEY, size int, trade text, note text);
CALL make_firms('plain', 'firm');
SELECT sound('plain', 'no firm yet');
SELECT is(problems('plain'), '', 'and no problem');

\set firms firm
\set model plain
\echo # a plain table
\ir live_lookup.psql
\echo # applied after each statement
SET lead_scoring.apply = 'statement';
\ir live_lookup.psql
RESET lead_scoring.apply;

\echo # partitions
CREATE TABLE part (id int PRIMARY KEY, size int, trade text, note text) PARTITION BY RANGE (id);
CREATE TABLE part_low PARTITION OF part FOR VALUES FROM (MINVALUE) TO (5);
CREATE TABLE part_high (gone int, trade text, note text, id int NOT NULL, size int) PARTITION BY HASH (id);
ALTER TABLE part_high DROP COLUMN gone;
CREATE TABLE part_high_0 PARTITION OF part_high FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE part_high_1 PARTITION OF part_high FOR VALUES WITH (MODULUS 2, REMAINDER 1);
ALTER TABLE part ATTACH PARTITION part_high FOR VALUES FROM (5) TO (MAXVALUE);
CALL make_firms('parted', 'part', 'firm.size IS DISTINCT FROM 7');
\set firms part
\set model parted
\ir live_lookup.psql
INSERT INTO part SELECT g, 60 + g, 'IT' FROM generate_series(1, 10) AS g;
UPDATE part_high_0 SET size = 7;
SELECT sound('parted', 'UPDATE of a partition: some are no longer scored');
UPDATE part SET id = 11 WHERE id = 1;
SELECT sound('parted', 'a firm moves between partitions');
TRUNCATE part_high_1;
SELECT sound_after_refresh('parted', 'TRUNCATE of a partition');
CREATE TABLE part_more (id int NOT NULL, size int, trade text, note text);
INSERT INTO part_more VALUES (0, 100, 'IT');
UPDATE person SET firm_id = 0 WHERE id = 30;
SELECT sound('parted', 'a contact whose firm is not there');
ALTER TABLE part DETACH PARTITION part_low;
SELECT flagged('parted', 'DETACH PARTITION');
ALTER TABLE part ATTACH PARTITION part_low FOR VALUES FROM (1) TO (5);
ALTER TABLE part ATTACH PARTITION part_more FOR VALUES FROM (MINVALUE) TO (1);
SELECT flagged('parted', 'ATTACH PARTITION');
UPDATE part SET size = 51 WHERE id = 0;
SELECT sound('parted', 'a new partition has the trigger');
SELECT matches(problems('parted'), 'trigger parted_lookup_truncate on public.part_more', 'but not those of its statements');
SELECT lead_scoring.activate('parted');
SELECT is(problems('parted'), '', 'until it is activated again');

-- ---------------------------------------------------------- no write without need

\echo # no write without need
INSERT INTO firm SELECT g, 10 * g, 'IT', 'a' FROM generate_series(1, 11) AS g;
SELECT lead_scoring.deactivate('parted');
CREATE TABLE places AS SELECT contact_id, ctid::text AS place, xmin::text AS writer FROM plain_score;
CREATE FUNCTION rewritten() RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(s.contact_id::text, ' ' ORDER BY s.contact_id), '')
      FROM plain_score AS s JOIN places AS p USING (contact_id)
     WHERE (s.ctid::text, s.xmin::text) IS DISTINCT FROM (p.place, p.writer)
$$;
UPDATE firm SET note = 'b';
SELECT is(rewritten(), '', 'what no rule uses writes no score');
UPDATE firm SET size = size;
SELECT is(rewritten(), '', 'nor does an update that changes nothing');
UPDATE firm SET size = 55 WHERE id = 1;
SELECT is(rewritten(), '1 13 25 37', 'else those of its contacts alone');

-- -------------------------------------------------------------- with behaviour

\echo # with behaviour and a lifecycle
CREATE TABLE deed (id int GENERATED ALWAYS AS IDENTITY, contact int, what text, at timestamptz, worth float8);
CREATE INDEX ON deed (contact);
ALTER TABLE person ADD stage text DEFAULT 'lead';
SELECT lead_scoring.create_model('full', 'person', 'id', stage_column => 'stage', created_column => 'created');
SELECT lead_scoring.add_event_source('full', 'deed', 'contact', 'at');
SELECT lead_scoring.add_lookup('full', 'firm', 'firm', 'id', 'firm_id');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('full', 'big', 'firm.size > 50', 10);
CALL add_behaviour('full');
DELETE FROM lead_scoring.transition WHERE model = 'full';
CALL add_transition('full', 'lead', 'mql', $$score.total >= 10 AND firm.trade = 'IT'$$);
CALL add_transition('full', 'mql', 'sql', 'firm.size >= 500');
INSERT INTO lead_scoring.action (model, name, condition) VALUES ('full', 'big fish', 'firm.size > 1000');
UPDATE firm SET size = 10 * id;
INSERT INTO deed (contact, what, at) SELECT 1 + g % 40, CASE g % 3 WHEN 0 THEN 'view' WHEN 1 THEN 'open' ELSE 'order' END,
       now() - g * interval '3 hours' FROM generate_series(1, 100) AS g;
SELECT lead_scoring.activate('full');
SELECT sound('full', 'live');
SELECT lawful('full', 'live');
UPDATE firm SET size = 60, trade = 'food' WHERE id = 1;
SELECT is(moves('full'), '', 'big, but not in IT: no move');
SELECT sound('full', 'the events count as before');
UPDATE firm SET trade = 'IT' WHERE id = 1;
SELECT is(moves('full'), '1: lead > mql (contact), 13: lead > mql (contact), 25: lead > mql (contact), 37: lead > mql (contact)',
          'in IT: its contacts move');
UPDATE firm SET size = 2000 WHERE id = 1;
SELECT is(moves('full', '13'), 'lead > mql (contact), mql > sql (contact)', 'it grows: they move on');
SELECT is(fired('full', '13'), 'big fish enter (contact)', 'and an action is fired');
UPDATE firm SET size = 3000 WHERE id = 1;
SELECT is(fired('full', '13'), 'big fish enter (contact)', 'once');
SELECT is(outcome('SELECT stage FROM person WHERE id = 13'), '(sql)', 'the stage is in the contact');
SELECT sound('full', 'with the lifecycle');
SELECT lawful('full', 'with the lifecycle');
-- Events, a firm and a link in one transaction.
BEGIN;
INSERT INTO deed (contact, what, at) VALUES (2, 'view', now()), (3, 'asked', now() - interval '1 day');
UPDATE firm SET size = 800, trade = 'IT' WHERE id = 2;
UPDATE person SET firm_id = 2 WHERE id = 3;
INSERT INTO deed (contact, what, at) VALUES (2, 'view', now()), (14, 'view', now());
SELECT sound_view('full', 'events, a firm and a link in one transaction: the view');
COMMIT;
SELECT sound('full', 'events, a firm and a link in one transaction');
SELECT is(moves('full', '3'), 'lead > mql (contact), mql > sql (contact)', 'and the moves');
UPDATE deed SET at = at - interval '40 days' WHERE contact IN (2, 14);
UPDATE firm SET size = 10;
SELECT sound('full', 'events and firms, one after the other');
SELECT lawful('full', 'at the end');

-- -------------------------------------------- lookups of the contacts themselves

\echo # managers among the contacts
CREATE TABLE staff (id int PRIMARY KEY, boss_id int, title text);
CREATE INDEX ON staff (boss_id);
INSERT INTO staff SELECT g, nullif(g / 3, 0), CASE WHEN g % 5 = 0 THEN 'CEO' ELSE 'clerk' END FROM generate_series(1, 30) AS g;
SELECT lead_scoring.create_model('staff', 'staff', 'id');
SELECT lead_scoring.add_lookup('staff', 'boss', 'staff', 'id', 'boss_id');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES
    ('staff', 'own', $$title = 'CEO'$$, 10), ('staff', 'boss', $$boss.title = 'CEO'$$, 3), ('staff', 'alone', 'boss.id IS NULL', -1);
SELECT lead_scoring.activate('staff');
SELECT sound('staff', 'live');
UPDATE staff SET title = 'CEO' WHERE id IN (1, 2, 9);
SELECT sound('staff', 'those under them follow');
UPDATE staff SET id = 100 + id WHERE id < 4;
SELECT sound('staff', 'keys');
UPDATE staff SET boss_id = id WHERE id > 20;
SELECT sound('staff', 'their own bosses');
DELETE FROM staff WHERE id < 10;
SELECT sound('staff', 'and leave');
TRUNCATE staff;
SELECT sound_after_refresh('staff', 'TRUNCATE');

-- -------------------------------------------------------- errors of conditions

\echo # conditions that fail
SELECT lead_scoring.create_model('fails', 'person', 'id');
SELECT lead_scoring.add_lookup('fails', 'firm', 'firm', 'id', 'firm_id');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('fails', 'ratio', '1000 / firm.size > 5', 10);
SELECT lead_scoring.activate('fails');
UPDATE firm SET size = 0 WHERE id = 4;
SELECT is(outcome('SELECT contact_id, fit, problem FROM fails_score WHERE problem IS NOT NULL ORDER BY 1'),
          (SELECT string_agg(format('(%s,,"division by zero (fit rule ""ratio"" of model ""fails"")")', id), ' ' ORDER BY id)
             FROM person WHERE firm_id = 4), 'a firm on which a rule fails: its contacts have no score');
SELECT is(outcome('SELECT DISTINCT fit, reasons FROM fails_scored AS s JOIN person AS p ON p.id = s.contact_id WHERE firm_id = 4'),
          '(,"not scored: division by zero (fit rule ""ratio"" of model ""fails"")")', 'the view says why');
UPDATE firm SET size = 5 WHERE id = 4;
SELECT sound('fails', 'until it is mended');

-- ------------------------------------------------------------- triggers and DDL

\echo # triggers of users, and DDL
CALL lead_scoring.refresh('plain');
CREATE TABLE log_of_firms (id int);
CREATE FUNCTION grow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE firm SET size = coalesce(size, 0) + 1 WHERE id = NEW.firm_id;
    RETURN NEW;
END
$$;
CREATE TRIGGER grow AFTER INSERT OR UPDATE OF firm_id ON person FOR EACH ROW EXECUTE FUNCTION grow();
INSERT INTO person (id, firm_id, title) VALUES (60, 5, 'CEO');
UPDATE person SET firm_id = 6 WHERE firm_id = 5;
SELECT sound('plain', 'contacts whose triggers write firms');
DROP TRIGGER grow ON person;
ALTER TABLE firm ADD COLUMN more int DEFAULT 3, DROP COLUMN note;
UPDATE firm SET size = size + 40;
SELECT sound('plain', 'columns of the lookup come and go');
ALTER TABLE firm ALTER COLUMN size TYPE bigint;
UPDATE firm SET size = size - 10;
SELECT sound_after_refresh('plain', 'the type of a rule''s column');
ALTER TABLE person RENAME COLUMN firm_id TO employer;
SELECT matches(problems('plain'), 'column "firm_id" of relation public.person does not exist', 'a link that was renamed');
UPDATE firm SET size = 1 WHERE id = 1;
INSERT INTO person (id, employer) VALUES (70, 1);
UPDATE lead_scoring.lookup SET contact_column = 'employer' WHERE model IN ('plain', 'full', 'fails');
SELECT lead_scoring.activate('plain');
SELECT sound('plain', 'until the lookup says so');
ALTER TABLE firm RENAME COLUMN id TO number;
UPDATE firm SET size = 100;
SELECT matches(problems('plain'), 'column "id" of relation public.firm does not exist', 'a key that was renamed');
UPDATE lead_scoring.lookup SET key = 'number' WHERE model IN ('plain', 'full', 'fails');
UPDATE lead_scoring.fit_rule SET condition = 'firm.number IS NULL' WHERE condition = 'firm.id IS NULL' AND model = 'plain';
SELECT lead_scoring.activate('plain');
SELECT sound('plain', 'until the lookup says so');
DROP TABLE firm CASCADE;
INSERT INTO person (id, employer) VALUES (71, 1);
SELECT matches(problems('plain'), 'relation public.firm does not exist', 'a lookup that is dropped: writes succeed');
UPDATE lead_scoring.fit_rule SET points = 16 WHERE model = 'plain' AND name = 'boss';
SELECT is(outcome('SELECT points FROM lead_scoring.fit_rule WHERE name = ''boss'' AND model = ''plain'''), '(16)', 'other rules can be changed');
DELETE FROM lead_scoring.fit_rule WHERE model = 'plain' AND condition LIKE '%firm.%';
DELETE FROM lead_scoring.lookup WHERE model = 'plain';
SELECT lead_scoring.activate('plain');
SELECT sound('plain', 'and without it all is well');
SELECT lead_scoring.drop_model('plain');
SELECT is(array_agg(tgname), NULL, 'no trigger is left') FROM pg_trigger WHERE tgname LIKE 'plain%';

SELECT * FROM finish();
