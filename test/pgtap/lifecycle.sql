-- Stages follow scores: which moves are made, in which order, and what is recorded.
--
-- Contact n of table person has the points that its column says, in steps of ten.

\ir live.psql
\ir life.psql

SELECT * FROM no_plan();

-- -------------------------------------------------- the example of the README

CREATE TABLE contacts (id bigint PRIMARY KEY, title text, lifecycle_stage text DEFAULT 'lead');
CREATE TABLE events (contact_id bigint, type text, props jsonb, occurred_at timestamptz);
CREATE INDEX ON events (contact_id);
SELECT lead_scoring.create_model('b2b', 'contacts', 'id', stage_column => 'lifecycle_stage');
SELECT lead_scoring.add_event_source('b2b', 'events', 'contact_id', 'occurred_at');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('b2b', 'boss', $$title = 'CEO'$$, 45);
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, within, max_count)
VALUES ('b2b', 'Pricing page', 'each', $$type = 'page_view' AND props ->> 'page' = '/pricing'$$, 20, '90 days', 3),
       ('b2b', 'Demo', 'each', $$type = 'demo'$$, 25, '90 days', 1);
INSERT INTO lead_scoring.action (model, name, condition, channel) VALUES ('b2b', 'alert sales', 'score.total >= 80', 'hot_leads');
INSERT INTO contacts VALUES (42, 'CEO');
SELECT lead_scoring.activate('b2b');

-- 45 of fit, 20 of the page, 25 of the demo: 90.
BEGIN;
INSERT INTO events VALUES (42, 'demo', '{}', now() - interval '1 minute'), (42, 'page_view', '{"page": "/pricing"}', now() - interval '1 second');
SELECT is(outcome('SELECT lifecycle_stage FROM contacts'), '(lead)', 'before the commit nothing has moved');
COMMIT;
SELECT is(outcome('SELECT fit, engagement, intent, total, band, grade, stage FROM b2b_score'), '(45,45,0,90,"very hot",A2,sql)', 'one commit: the score');
SELECT is(outcome('SELECT lifecycle_stage FROM contacts'), '(sql)', 'the stage of the contact');
SELECT is(outcome('SELECT from_stage, to_stage, cause, fit, engagement, intent, total FROM b2b_stage_history ORDER BY id'),
          '(lead,mql,event,45,45,0,90) (mql,sql,event,45,45,0,90)', 'two moves, with the scores and the cause');
SELECT is(chapters('b2b', '42'), 'none/none > warm/lead (activation), warm/lead > very hot/sql (event)', 'one page in the score history');
SELECT is(fired('b2b'), '42: alert sales enter (event)', 'one action');
SELECT is(outcome($$SELECT payload ->> 'contact_id', payload ->> 'total', payload ->> 'fit', payload ->> 'engagement', payload ->> 'intent',
                           payload ->> 'band', payload ->> 'stage', payload ? 'reasons' FROM b2b_outbox$$),
          '(42,90,45,45,0,"very hot",sql,t)', 'that says what a worker wants to know');
SELECT is(outcome($$SELECT count(*) FROM (SELECT stage_since FROM b2b_score UNION SELECT changed_at FROM b2b_stage_history
                     UNION SELECT scored_at FROM b2b_score UNION SELECT created_at FROM b2b_outbox) AS moments$$), '(1)', 'all at one moment');
SELECT is(outcome('SELECT stage, stage_since IS NOT NULL FROM b2b_scored'), '(sql,t)', 'the view says it too');
SELECT lawful('b2b', 'after that');
INSERT INTO events VALUES (42, 'demo', '{}', now());
SELECT is(moves('b2b', '42'), 'lead > mql (event), mql > sql (event)', 'another event moves nothing');
SELECT is(fired('b2b'), '42: alert sales enter (event)', 'and fires nothing');
SELECT lawful('b2b', 'nor does it harm');

-- ------------------------------------------------------------- new contacts

CREATE TABLE person (id int PRIMARY KEY, points int, stage text, note text);
CALL make_staged('p', 'person');
INSERT INTO person VALUES (1, 0, 'lead'), (2, 60, 'lead'), (3, 90, 'lead'), (4, 60, NULL), (5, 30, NULL);
SELECT is(outcome('SELECT id, stage FROM person ORDER BY id'), '(1,lead) (2,mql) (3,sql) (4,mql) (5,)',
          'new contacts move; no stage is the first one, and stays so until there is a move');
SELECT is(outcome('SELECT contact_id, stage FROM p_score ORDER BY 1'), '(1,lead) (2,mql) (3,sql) (4,mql) (5,lead)', 'as the score table has it');
SELECT is(moves('p', '3'), 'lead > mql (contact), mql > sql (contact)', 'several steps, each recorded');
SELECT is(moves('p', '4'), 'lead > mql (contact)', 'from none: from the first');
SELECT is(chapters('p', '3'), 'none/none > very hot/sql (contact)', 'its score history begins where it has come to');
SELECT lawful('p', 'new contacts');
TRUNCATE person;
CALL lead_scoring.refresh('p');
SELECT lawful('p', 'TRUNCATE');

-- -------------------------------------------- which transitions, in which order

-- The highest target is tried first, each stage entered at most once.
DELETE FROM lead_scoring.transition WHERE model = 'p';
CALL add_transition('p', 'lead', 'mql', 'score.total >= 50');
CALL add_transition('p', 'lead', 'sql', 'score.total >= 90');
CALL add_transition('p', 'mql', 'opportunity', 'total >= 70');
CALL lead_scoring.refresh('p');
INSERT INTO person VALUES (1, 50, 'lead'), (2, 70, 'lead'), (3, 90, 'lead');
SELECT is(moves('p', '1'), 'lead > mql (contact)', 'only one holds');
SELECT is(moves('p', '2'), 'lead > mql (contact), mql > opportunity (contact)', 'one after the other');
SELECT is(moves('p', '3'), 'lead > sql (contact)', 'both hold: the highest');

CALL add_transition('p', 'sql', 'mql', 'total < 100');
CALL add_transition('p', 'opportunity', 'lead', 'total < 100');
CALL lead_scoring.refresh('p');
INSERT INTO person VALUES (4, 90, 'lead'), (5, 80, 'lead');
-- 4 enters sql, mql, opportunity, lead; then mql and sql were entered before.
SELECT is(moves('p', '4'), 'lead > sql (contact), sql > mql (contact), mql > opportunity (contact), opportunity > lead (contact)', 'in a circle: each stage is entered once');
SELECT is(moves('p', '5'), 'lead > mql (contact), mql > opportunity (contact), opportunity > lead (contact)', 'in a smaller one too');
SELECT lawful('p', 'circles');
DELETE FROM person;
DELETE FROM lead_scoring.transition WHERE model = 'p';
CALL add_transition('p', 'lead', 'mql', 'total >= 50');
CALL add_transition('p', 'mql', 'sql', 'total >= 80');
CALL lead_scoring.refresh('p');

-- ------------------------------------------------------------- no way back

INSERT INTO person VALUES (1, 90, 'lead');
UPDATE person SET points = 0;
SELECT is(moves('p', '1'), 'lead > mql (contact), mql > sql (contact)', 'no step back without a transition');
SELECT is(chapters('p', '1'), 'none/none > very hot/sql (contact), very hot/sql > cold/sql (contact)', 'but another band');
CALL add_transition('p', 'mql', 'lead', 'total < 30');
CALL add_transition('p', 'sql', 'mql', 'total < 60');
CALL lead_scoring.refresh('p');
UPDATE person SET points = 90;
UPDATE person SET points = 50;
SELECT matches(moves('p', '1'), 'sql > mql \(contact\)$', 'one that says so');
UPDATE person SET points = 20;
SELECT matches(moves('p', '1'), 'sql > mql \(contact\), mql > lead \(contact\)$', 'and another');
SELECT is(outcome('SELECT stage FROM person'), '(lead)', 'down');
UPDATE person SET points = 80;
SELECT is(outcome('SELECT stage FROM person'), '(sql)', 'and up again');
SELECT lawful('p', 'up and down');
DELETE FROM person;

-- In one transaction only the end counts; in statement mode each step.
INSERT INTO person VALUES (1, 40, 'lead');
BEGIN;
UPDATE person SET points = 60;
UPDATE person SET points = 20;
COMMIT;
SELECT is(moves('p', '1'), '', 'forth and back in one transaction is no move');
SET lead_scoring.apply = statement;
BEGIN;
UPDATE person SET points = 60;
SELECT is(outcome('SELECT stage FROM person'), '(mql)', 'statement mode: it has moved within the transaction');
UPDATE person SET points = 20;
COMMIT;
SELECT is(moves('p', '1'), 'lead > mql (contact), mql > lead (contact)', 'forth and back in statement mode are two');
RESET lead_scoring.apply;
SELECT lawful('p', 'forth and back');

-- Rolled back to a savepoint.
BEGIN;
UPDATE person SET points = 50;
SAVEPOINT a;
UPDATE person SET points = 90;
ROLLBACK TO a;
COMMIT;
SELECT is(moves('p', '1'), 'lead > mql (contact), mql > lead (contact), lead > mql (contact)', 'what was rolled back moves nobody');
SET lead_scoring.apply = statement;
BEGIN;
SAVEPOINT a;
UPDATE person SET points = 90;
ROLLBACK TO a;
UPDATE person SET note = 'x';
COMMIT;
RESET lead_scoring.apply;
SELECT is(outcome('SELECT stage FROM person'), '(mql)', 'nor in statement mode');
SELECT lawful('p', 'savepoints');
DELETE FROM person;

-- ----------------------------------------------------- stages set by a person

INSERT INTO person VALUES (1, 0, 'lead'), (2, 60, 'lead'), (3, 90, 'lead'), (4, 60, 'lead');
UPDATE person SET stage = 'opportunity' WHERE id = 1;
SELECT is(moves('p', '1'), 'lead > opportunity (manual)', 'recorded as manual');
SELECT is(outcome('SELECT stage, by_hand FROM p_score WHERE contact_id = 1'), '(opportunity,t)', 'and known as such');
SELECT is(chapters('p', '1'), 'none/none > cold/lead (contact), cold/lead > cold/opportunity (manual)', 'in both histories');

-- 2: mql by transition, put back by hand although it has 60 points.
UPDATE person SET stage = 'lead' WHERE id = 2;
SELECT is(outcome('SELECT stage FROM person WHERE id = 2'), '(lead)', 'what a person says stays');
UPDATE person SET points = 70 WHERE id = 2;
SELECT is(outcome('SELECT stage FROM person WHERE id = 2'), '(lead)', 'as long as the condition goes on');
UPDATE person SET points = 30 WHERE id = 2;
UPDATE person SET points = 50 WHERE id = 2;
SELECT is(outcome('SELECT stage FROM person WHERE id = 2'), '(mql)', 'until it was false once');
SELECT is(moves('p', '2'), 'lead > mql (contact), mql > lead (manual), lead > mql (contact)', 'as recorded');
SELECT is(outcome('SELECT by_hand FROM p_score WHERE contact_id = 2'), '(f)', 'and no longer by hand');

-- The points rise and a person moves it, in one statement.
UPDATE person SET stage = 'lead', points = 90 WHERE id = 4;
SELECT is(moves('p', '4'), 'lead > mql (contact), mql > lead (manual)', 'both at once: the person is right');
UPDATE person SET stage = 'mql' WHERE id = 4;
-- mql -> sql (80) holds with 90 points, but it was set by hand.
SELECT is(outcome('SELECT stage FROM person WHERE id = 4'), '(mql)', 'forwards too');
UPDATE person SET points = 70 WHERE id = 4;
UPDATE person SET points = 80 WHERE id = 4;
SELECT is(outcome('SELECT stage FROM person WHERE id = 4'), '(sql)', 'each transition waits for itself');

-- Set to the stage that it has: nobody did anything.
UPDATE person SET stage = stage;
SELECT is(count(*), 1::bigint, 'the same stage again is no move')
  FROM p_stage_history WHERE contact_id = 1;
UPDATE person SET stage = NULL WHERE id = 1;
SELECT is(moves('p', '1'), 'lead > opportunity (manual), opportunity > lead (manual)', 'taken away: none is the first');
SELECT lawful('p', 'by hand');

-- Set and taken back within a transaction.
BEGIN;
UPDATE person SET stage = 'customer' WHERE id = 2;
UPDATE person SET stage = 'mql' WHERE id = 2;
COMMIT;
SELECT is(moves('p', '2'), 'lead > mql (contact), mql > lead (manual), lead > mql (contact)', 'set and taken back: no move');

-- A transition that was not there when the person spoke, and one whose condition was null
-- then: neither was false since.
UPDATE person SET points = 60, stage = 'lead' WHERE id = 3;
INSERT INTO lead_scoring.transition (model, from_stage, to_stage, condition) VALUES
    ('p', 'lead', 'customer', $$total >= 50 AND contact.note IS NULL$$),
    ('p', 'lead', 'opportunity', $$CASE WHEN contact.note = 'null' THEN NULL ELSE total >= 50 END$$);
CALL lead_scoring.refresh('p');
SELECT is(outcome('SELECT stage FROM person WHERE id = 3'), '(lead)', 'a new transition waits, too');
UPDATE person SET note = 'null', stage = 'mql' WHERE id = 3;
UPDATE person SET stage = 'lead' WHERE id = 3;
UPDATE person SET note = 'x' WHERE id = 3;
SELECT is(outcome('SELECT stage FROM person WHERE id = 3'), '(lead)', 'null is not false');
UPDATE person SET points = 40 WHERE id = 3;
UPDATE person SET points = 60 WHERE id = 3;
SELECT is(outcome('SELECT stage FROM person WHERE id = 3'), '(opportunity)', 'false is');
UPDATE lead_scoring.transition SET condition = 'false' WHERE model = 'p' AND from_stage = 'lead' AND to_stage IN ('customer', 'opportunity');
CALL lead_scoring.refresh('p');
SELECT lawful('p', 'transitions that come later');

-- ----------------------------------------- stages that end, stages that are not known

UPDATE person SET points = 0;
UPDATE person SET stage = CASE id WHEN 2 THEN 'customer' WHEN 3 THEN 'disqualified' WHEN 4 THEN 'Mql ' END WHERE id > 1;
CALL add_transition('p', 'customer', 'lead', 'true');
CALL add_transition('p', 'disqualified', 'lead', 'total >= 0');
CALL lead_scoring.refresh('p');
UPDATE person SET points = 90;
UPDATE person SET points = 20;
UPDATE person SET points = 100;
SELECT is(outcome('SELECT id, stage FROM person WHERE id > 1 ORDER BY id'), '(2,customer) (3,disqualified) (4,"Mql ")',
          'outcomes and unknown stages are left alone');
SELECT is(problems('p'), 'warning | stage "Mql " | contacts in a stage that no row names: 1', 'check_model names the unknown');
INSERT INTO person VALUES (6, 100, 'customer'), (7, 100, 'whatever');
SELECT is(outcome('SELECT id, stage FROM person WHERE id > 5 ORDER BY id'), '(6,customer) (7,whatever)', 'those of new contacts too');
SELECT lawful('p', 'ends');
DELETE FROM person WHERE id > 5;
DELETE FROM lead_scoring.transition WHERE model = 'p' AND from_stage IN ('customer', 'disqualified');
UPDATE person SET stage = 'lead' WHERE id = 4;
CALL lead_scoring.refresh('p');
SELECT is(problems('p'), '', 'all is well again');

-- ---------------------------------------- activation, once and again, and not at all

SELECT lead_scoring.deactivate('p');
TRUNCATE person;
INSERT INTO person VALUES (1, 60, 'lead'), (2, 90, 'lead'), (3, 40, 'lead'), (4, 60, NULL), (5, 90, 'mql');
CALL make_staged('q', 'person', live => false);
INSERT INTO lead_scoring.action (model, name, condition) VALUES ('q', 'call', 'total >= 50');
SELECT lead_scoring.activate('q');
SELECT is(outcome('SELECT id, stage FROM person ORDER BY id'), '(1,lead) (2,lead) (3,lead) (4,) (5,mql)', 'activation moves nobody');
SELECT is(moves('q') || fired('q'), '', 'and fires nothing');
UPDATE person SET note = 'x', points = points + 5;
CALL lead_scoring.refresh('q');
SELECT is(moves('q') || fired('q'), '', 'nor does the next change, or a refresh');
SELECT lead_scoring.activate('q');
CALL lead_scoring.rescore('q');
SELECT is(moves('q') || fired('q'), '', 'nor another activation, or a rescore');
UPDATE person SET points = 50 WHERE id = 3;
SELECT is(moves('q') || '; ' || fired('q'), '3: lead > mql (contact); 3: call enter (contact)', 'but what becomes true then');
UPDATE person SET points = 10 WHERE id = 1;
UPDATE person SET points = 90 WHERE id = 1;
SELECT is(moves('q', '1') || '; ' || fired('q', '1'), 'lead > mql (contact), mql > sql (contact); call enter (contact)', 'also where it was true before');
SELECT lawful('q', 'activated');

CALL make_staged('r', 'person', live => false);
INSERT INTO lead_scoring.action (model, name, condition) VALUES ('r', 'call', 'total >= 50');
SELECT lead_scoring.drop_model('q');
UPDATE person SET stage = CASE id WHEN 4 THEN NULL WHEN 5 THEN 'mql' ELSE 'lead' END, points = CASE id WHEN 3 THEN 40 WHEN 1 THEN 60 ELSE 90 END;
SELECT lead_scoring.activate('r', enrol_existing => true);
SELECT is(outcome('SELECT id, stage FROM person ORDER BY id'), '(1,mql) (2,sql) (3,lead) (4,sql) (5,sql)', 'enrolled: they move');
SELECT is(fired('r', '1') || '; ' || fired('r', '3'), 'call enter (activation); ', 'and fire');
SELECT is(moves('r', '2'), 'lead > mql (activation), mql > sql (activation)', 'because of the activation');
SELECT lawful('r', 'enrolled');
SELECT lead_scoring.activate('r', enrol_existing => true);
SELECT is(fired('r', '1'), 'call enter (activation)', 'only once');
SELECT lawful('r', 'twice');

-- A shadow looks on.
SELECT lead_scoring.clone_model('r', 'shade');
SELECT lead_scoring.activate('shade', enrol_existing => true);
TRUNCATE person;
CALL lead_scoring.refresh('r');
CALL lead_scoring.refresh('shade');
INSERT INTO person VALUES (1, 40, 'lead'), (2, 90, 'lead');
UPDATE person SET points = 60 WHERE id = 1;
SELECT is(outcome('SELECT contact_id, total, band FROM shade_score ORDER BY 1'), '(1,60,hot) (2,90,"very hot")', 'a shadow scores');
SELECT is(fired('shade'), '', 'but fires nothing');
SELECT is(outcome('SELECT id, stage FROM person ORDER BY id'), '(1,mql) (2,sql)', 'the stages are those of the model');
SELECT sound('shade', 'shadow');
SELECT lead_scoring.drop_model('r');
UPDATE person SET points = 0;
UPDATE person SET stage = 'lead';
UPDATE person SET points = 90;
SELECT is(outcome('SELECT id, stage FROM person ORDER BY id'), '(1,lead) (2,lead)', 'a shadow alone writes none');
SELECT is(fired('shade'), '', 'and fires nothing still');
SELECT sound('shade', 'shadow alone');
SELECT lead_scoring.drop_model('shade');

-- Of two models on the same contacts, the one that comes first follows what the
-- other one writes, too: as somebody else's change.
CALL make_staged('s', 'person');
SELECT lead_scoring.clone_model('s', 'a shadow');
SELECT lead_scoring.activate('a shadow');
TRUNCATE person;
INSERT INTO person VALUES (1, 40, 'lead');
UPDATE person SET points = 60 WHERE id = 1;
CALL lead_scoring.refresh('a shadow');
SELECT is(moves('s', '1') || '; ' || moves('a shadow', '1'), 'lead > mql (contact); lead > mql (manual)', 'a shadow follows whose name comes first');
SELECT lawful('a shadow', 'a shadow that comes first');
SELECT lead_scoring.drop_model('a shadow');
SELECT lead_scoring.drop_model('s');

-- ------------------------------------------------------- without a stage column

CREATE TABLE plain (id int PRIMARY KEY, points int);
CALL make_staged('n', 'plain', stage_column => NULL);
INSERT INTO plain VALUES (1, 0), (2, 60), (3, 90);
UPDATE plain SET points = 60 WHERE id = 1;
SELECT is(outcome('SELECT contact_id, stage FROM n_score ORDER BY 1'), '(1,mql) (2,mql) (3,sql)', 'the stage is kept in the score table');
SELECT is(moves('n', '3'), 'lead > mql (contact), mql > sql (contact)', 'and recorded');
SELECT is(outcome('SELECT contact_id, stage FROM n_scored ORDER BY 1'), '(1,mql) (2,mql) (3,sql)', 'and in the view');
SELECT lawful('n', 'without a stage column');
UPDATE n_score SET stage = 'lost in space' WHERE contact_id = 1;
UPDATE plain SET points = 90;
SELECT is(problems('n'), 'warning | stage "lost in space" | contacts in a stage that no row names: 1', 'check_model looks there');

SELECT * FROM finish();
