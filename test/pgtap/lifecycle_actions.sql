-- Actions: when they happen and when not; milestones; conditions on the contact.

\ir live.psql
\ir life.psql

SELECT * FROM no_plan();

CREATE TABLE person (id int PRIMARY KEY, points int, stage text, size int, note text);
CALL make_staged('p', 'person');
DELETE FROM lead_scoring.transition WHERE model = 'p';

-- ------------------------------------------------------------------- edges

INSERT INTO lead_scoring.action (model, name, condition, on_edge, repeat_after) VALUES
    ('p', 'enter', 'total >= 50', 'enter', '0'),
    ('p', 'leave', 'total >= 50', 'leave', '0'),
    ('p', 'change', 'total >= 50', 'change', '0'),
    ('p', 'once', 'total >= 50', 'enter', NULL),
    ('p', 'off', 'total >= 50', 'enter', NULL);
UPDATE lead_scoring.action SET enabled = false WHERE name = 'off';
CALL lead_scoring.refresh('p');
INSERT INTO person VALUES (1, 60, 'lead'), (2, 40, 'lead');
SELECT is(fired('p', '1'), 'change enter (contact), enter enter (contact), once enter (contact)', 'a new contact begins with false');
UPDATE person SET points = 70;
SELECT is(fired('p', '2'), 'change enter (contact), enter enter (contact), once enter (contact)', 'another enters');
SELECT is(fired('p', '1'), 'change enter (contact), enter enter (contact), once enter (contact)', 'while nothing happens to the first');
DELETE FROM person WHERE id = 2;
TRUNCATE p_outbox, p_delivery;
UPDATE person SET points = 10;
SELECT is(fired('p', '1'), 'change leave (contact), leave leave (contact)', 'it leaves');
TRUNCATE p_outbox, p_delivery;
UPDATE person SET points = 50;
SELECT is(fired('p', '1'), 'change enter (contact), enter enter (contact)', 'and enters again: what happens once does not');
SELECT lawful('p', 'edges');

-- --------------------------------------------------------------- repeat_after

DELETE FROM lead_scoring.action WHERE model = 'p';
INSERT INTO lead_scoring.action (model, name, condition, repeat_after) VALUES ('p', 'daily', 'total >= 50', '1 day');
INSERT INTO lead_scoring.action (model, name, condition, on_edge) VALUES ('p', 'once at all', 'total >= 50', 'change');
TRUNCATE person;
CALL lead_scoring.refresh('p');
INSERT INTO person VALUES (1, 60, 'lead');
UPDATE person SET points = 10;
UPDATE person SET points = 60;
SELECT is(fired('p', '1'), 'daily enter (contact), once at all enter (contact)', 'not again within a day');
-- As if the action had happened a day ago.
UPDATE p_score SET memory = regexp_replace(memory, '@(\d+) (?=5:daily)',
    '@' || (substring(memory FROM '@(\d+) 5:daily')::bigint - 86400 * 1000000::bigint) || ' ');
UPDATE person SET note = 'x', points = 70;
SELECT is(fired('p', '1'), 'daily enter (contact), once at all enter (contact)', 'nor later while the condition goes on');
UPDATE person SET points = 10;
UPDATE person SET points = 60;
SELECT is(fired('p', '1'), 'daily enter (contact), once at all enter (contact), daily enter (contact)', 'but when it becomes true again');

-- ------------------------------------------------------ null, and new contacts

DELETE FROM lead_scoring.action WHERE model = 'p';
INSERT INTO lead_scoring.action (model, name, condition, on_edge, repeat_after) VALUES ('p', 'big', 'contact.size > 10', 'change', '0');
TRUNCATE person;
CALL lead_scoring.refresh('p');
INSERT INTO person (id, size) VALUES (1, NULL), (2, 20), (3, 5);
SELECT is(fired('p'), '2: big enter (contact)', 'null is not true');
UPDATE person SET size = NULL;
SELECT is(fired('p'), '2: big enter (contact)', 'nor false');
UPDATE person SET size = 20;
SELECT is(fired('p'), '2: big enter (contact), 1: big enter (contact), 3: big enter (contact)', 'the memory is what it was before');
UPDATE person SET size = NULL;
UPDATE person SET size = 10;
SELECT is(fired('p', '2'), 'big enter (contact), big leave (contact)', 'on both sides');
SELECT is(outcome('SELECT count(*) FROM person WHERE stage IS NOT NULL'), '(0)', 'and no stage was written');
SELECT lawful('p', 'null');

-- ----------------------------------------------------------- rules that change

DELETE FROM lead_scoring.action WHERE model = 'p';
INSERT INTO lead_scoring.action (model, name, condition, repeat_after) VALUES ('p', 'hot', 'total >= 50', '0');
TRUNCATE person;
CALL lead_scoring.refresh('p');
INSERT INTO person VALUES (1, 20, 'lead'), (2, 20, 'lead'), (3, 60, 'lead'), (4, 20, 'lead');
SELECT is(fired('p'), '3: hot enter (contact)', 'one is hot');
-- From 20 points on: 50 instead of 20.
UPDATE lead_scoring.fit_rule SET points = 40 WHERE model = 'p' AND name = 'at least 20';
UPDATE person SET points = 25 WHERE id = 2;
CALL lead_scoring.refresh('p');
SELECT is(outcome('SELECT contact_id, total FROM p_score ORDER BY 1'), '(1,50) (2,50) (3,90) (4,50)', 'then four');
SELECT is(fired('p', '1') || fired('p', '4'), '', 'for whom the rules alone made it true, nothing happens');
SELECT is(fired('p', '2'), 'hot enter (contact)', 'who was changed as well is hot now');
UPDATE person SET points = 10 WHERE id = 1;
UPDATE person SET points = 20 WHERE id = 1;
SELECT is(fired('p', '1'), 'hot enter (contact)', 'until it becomes true again');

INSERT INTO lead_scoring.action (model, name, condition, repeat_after) VALUES ('p', 'warm', 'total >= 20', '0');
UPDATE person SET points = 30 WHERE id = 1;
UPDATE person SET points = 10 WHERE id = 4;
CALL lead_scoring.refresh('p');
SELECT is(fired('p') !~ 'warm', true, 'a new action does not happen to whom it would have before');
UPDATE person SET points = 20 WHERE id = 4;
SELECT is(fired('p', '4'), 'hot enter (contact), warm enter (contact)', 'to others it does');
UPDATE lead_scoring.action SET condition = 'total >= 10', enabled = false WHERE name = 'warm';
INSERT INTO person VALUES (5, 10, 'lead'), (6, 0, 'lead');
UPDATE lead_scoring.action SET enabled = true WHERE name = 'warm';
CALL lead_scoring.refresh('p');
UPDATE person SET points = 15 WHERE id = 5;
SELECT is(fired('p', '5'), '', 'what was disabled is not made up for');
UPDATE person SET points = 10 WHERE id = 6;
SELECT is(fired('p', '6'), 'warm enter (contact)', 'from then on it happens');
-- A name that was there before is another action.
DELETE FROM lead_scoring.action WHERE model = 'p';
SELECT lawful('p', 'rules that change');

-- Transitions do follow rules: a contact is where its scores say.
CALL add_transition('p', 'lead', 'mql', 'total >= 50');
CALL lead_scoring.refresh('p');
SELECT is(moves('p', '3'), 'lead > mql (rule change)', 'a new transition');
SELECT is(outcome('SELECT id, stage FROM person ORDER BY id'), '(1,mql) (2,mql) (3,mql) (4,mql) (5,lead) (6,lead)', 'moves whom it concerns');
SELECT is(chapters('p', '2'), 'none/none > warm/lead (contact), warm/lead > hot/lead (contact), hot/lead > hot/mql (rule change)',
          'with its cause, as the scores of a write have theirs');
SELECT matches(chapters('p', '4'), 'warm/lead > hot/lead \(rule change\), ', 'and those of the refresh');
SELECT lawful('p', 'transitions that change');

-- --------------------------------------------------------- the stage as a cause

INSERT INTO lead_scoring.action (model, name, condition, repeat_after) VALUES ('p', 'customer', $$score.stage = 'customer'$$, '0');
CALL lead_scoring.refresh('p');
UPDATE person SET stage = 'customer' WHERE id = 5;
SELECT is(fired('p', '5'), 'customer enter (manual)', 'a person moves it, and that is why');
SELECT lawful('p', 'a stage');

-- --------------------------------------------------------- events and their age

CREATE TABLE deed (contact int, what text, at timestamptz, won boolean);
CREATE TABLE deal (contact int, opened timestamptz, won boolean);
CREATE INDEX ON deed (contact);
CREATE INDEX ON deal (contact);
CREATE TABLE company (name text PRIMARY KEY, size int);
CREATE TABLE client (id int PRIMARY KEY, company text, country text, stage varchar(20));
CREATE INDEX ON client (company);
SELECT lead_scoring.create_model('c', 'client', 'id', stage_column => 'stage');
SELECT lead_scoring.add_event_source('c', 'deed', 'contact', 'at');
SELECT lead_scoring.add_event_source('c', 'deal', 'contact', 'opened', 'deals');
SELECT lead_scoring.add_lookup('c', 'company', 'company', 'name', 'company');
INSERT INTO lead_scoring.engagement_rule (model, name, source, kind, condition, points, max_count) VALUES ('c', 'visit', 'events', 'each', $$what = 'visit'$$, 30, 3);
INSERT INTO lead_scoring.milestone (model, name, source, condition) VALUES
    ('c', 'asked for a demo', 'events', $$what = 'demo'$$), ('c', 'deal', 'deals', NULL), ('c', 'won', 'deals', 'won');
DELETE FROM lead_scoring.transition WHERE model = 'c';
CALL add_transition('c', 'lead', 'sql', $$'asked for a demo' = ANY (milestones)$$);
CALL add_transition('c', 'sql', 'opportunity', $$'deal' = ANY (score.milestones)$$);
CALL add_transition('c', 'opportunity', 'customer', $$'won' = ANY (milestones)$$);
CALL add_transition('c', 'lead', 'disqualified', $$contact.country = 'XX'$$);
CALL add_transition('c', 'lead', 'mql', $$company.size > 100$$);
INSERT INTO lead_scoring.action (model, name, condition, max_age) VALUES ('c', 'fresh', 'engagement >= 30', '7 days');
INSERT INTO lead_scoring.action (model, name, condition) VALUES
    ('c', 'milestones', $$milestones @> '{asked for a demo,won}'$$), ('c', 'big', 'company.size > 100');
INSERT INTO company VALUES ('small', 5), ('big', 500);
SELECT lead_scoring.activate('c');
INSERT INTO client SELECT g, NULL, 'DE', 'lead' FROM generate_series(1, 9) AS g;

INSERT INTO deed VALUES (1, 'visit', now() - interval '8 days'), (2, 'visit', now() - interval '6 days');
SELECT is(fired('c'), '2: fresh enter (event)', 'what became true long ago is not news');
INSERT INTO deed VALUES (1, 'visit', now());
SELECT is(fired('c', '1'), '', 'nor when it goes on');

-- A demo asked for, a deal opened, and won: each moves at once.
INSERT INTO deed VALUES (3, 'demo', now());
SELECT is(moves('c', '3'), 'lead > sql (event)', 'a demo moves it at once');
INSERT INTO deal VALUES (3, now(), NULL);
SELECT is(moves('c', '3'), 'lead > sql (event), sql > opportunity (event)', 'an event in another source too');
UPDATE deal SET won = true;
SELECT is(moves('c', '3'), 'lead > sql (event), sql > opportunity (event), opportunity > customer (event)', 'and its update');
SELECT is(fired('c', '3'), 'milestones enter (event)', 'actions know milestones');
DELETE FROM deal;
SELECT is(outcome('SELECT stage FROM client WHERE id = 3'), '(customer)', 'there is no way back');
INSERT INTO deal VALUES (4, now(), true);
INSERT INTO deed VALUES (4, 'demo', now() - interval '2 years');
SELECT is(moves('c', '4'), 'lead > sql (event), sql > opportunity (event), opportunity > customer (event)', 'the other way round: all at the end');
INSERT INTO deed VALUES (5, 'demo', now() + interval '1 hour');
SELECT is(moves('c', '5'), '', 'what is to come has not come');
SELECT ok(due_at BETWEEN now() AND now() + interval '1 hour', 'but the contact is due then') FROM c_score WHERE contact_id = 5;
INSERT INTO deed VALUES (77, 'demo', now());
INSERT INTO client VALUES (77, NULL, 'DE', NULL);
SELECT is(moves('c', '77'), 'lead > sql (contact)', 'a demo that was there before the contact');

-- The contact's columns, and those of its company.
UPDATE client SET country = 'XX' WHERE id = 6;
SELECT is(moves('c', '6'), 'lead > disqualified (contact)', 'a column that no rule names');
UPDATE client SET company = 'small' WHERE id IN (7, 8);
SELECT is(moves('c', '7') || fired('c', '7'), '', 'a small company');
UPDATE client SET company = 'big' WHERE id = 7;
SELECT is(moves('c', '7') || '; ' || fired('c', '7'), 'lead > mql (contact); big enter (contact)', 'a big one');
UPDATE company SET size = 101 WHERE name = 'small';
CALL lead_scoring.refresh('c');
CALL lead_scoring.rescore('c');
SELECT matches(moves('c', '8'), '^lead > mql', 'a company that grows');
SELECT lawful('c', 'milestones and companies');

-- ------------------------------------------------------------ who comes back

CREATE TABLE guest (id int PRIMARY KEY, points int, stage text, here boolean DEFAULT true);
CALL make_staged('g', 'guest', live => false);
UPDATE lead_scoring.model SET population = 'here' WHERE name = 'g';
INSERT INTO lead_scoring.action (model, name, condition, repeat_after) VALUES
    ('g', 'once', 'total >= 50', NULL), ('g', 'often', 'total >= 50', '0'), ('g', 'daily', 'total >= 50', '1 day');
SELECT lead_scoring.activate('g');
INSERT INTO guest VALUES (1, 60), (2, 60), (3, 10);
UPDATE guest SET here = false;
SELECT is(outcome('SELECT count(*) FROM g_score'), '(0)', 'all have left the population');
UPDATE guest SET here = true, points = 60;
SELECT is(fired('g', '1'), 'daily enter (contact), often enter (contact), once enter (contact), often enter (contact)',
          'back again: what happens once a contact has happened, and so has what was today');
SELECT is(fired('g', '3'), 'daily enter (contact), often enter (contact), once enter (contact)', 'to others it has not');
INSERT INTO g_adjustment (contact_id, kind) VALUES (2, 'exclude');
UPDATE g_outbox SET created_at = created_at - interval '2 days';
SELECT is(outcome($$SELECT label, contacts FROM lead_scoring.preview('g') WHERE what = 'action'$$), '', 'an excluded contact has nothing to come');
DELETE FROM g_adjustment;
SELECT is(outcome($$SELECT type, count(*) FROM g_outbox WHERE contact_id = 2 GROUP BY 1 ORDER BY 1$$), '(daily,2) (often,3) (once,1)',
          'nor once more when no longer excluded by hand, but for what may be by now');
UPDATE guest SET points = 10;
UPDATE guest SET points = 60;
SELECT is(outcome($$SELECT count(*) FROM g_outbox WHERE type = 'once'$$), '(3)', 'it stays so');
DELETE FROM guest WHERE id = 1;
INSERT INTO guest VALUES (1, 60);
SELECT is(fired('g', '1'), 'daily enter (contact), often enter (contact), once enter (contact)', 'who was deleted is somebody new');
-- A stage that cannot be written does not make it forget.
UPDATE guest SET here = false, stage = NULL WHERE id = 2;
ALTER TABLE guest ADD CONSTRAINT no_stage CHECK (id <> 2 OR stage IS NULL);
SET client_min_messages = error;
UPDATE guest SET here = true WHERE id = 2;
ALTER TABLE guest DROP CONSTRAINT no_stage;
CALL lead_scoring.refresh('g');
SET client_min_messages = warning;
SELECT is(outcome($$SELECT stage, (SELECT count(*) FROM g_outbox WHERE type = 'once' AND contact_id = 2) FROM guest WHERE id = 2$$),
          '(mql,1)', 'held back in between');
SELECT sound('g', 'who comes back');
SELECT lead_scoring.drop_model('g');

-- ------------------------------------------------------ when all are looked at again

-- Facts that made all scores stale set off what follows from them; rules do not, nor does
-- what was written while lead_scoring.apply was off.
CREATE TABLE talk (contact int, at timestamptz);
CREATE INDEX ON talk (contact);
CREATE TABLE talker (id int PRIMARY KEY, points int DEFAULT 0, stage text DEFAULT 'lead');
CALL make_staged('t', 'talker', live => false);
SELECT lead_scoring.add_event_source('t', 'talk', 'contact', 'at');
INSERT INTO lead_scoring.engagement_rule (model, name, kind, points, max_count) VALUES ('t', 'any', 'each', 50, 1);
INSERT INTO lead_scoring.action (model, name, condition, on_edge, repeat_after) VALUES ('t', 'hot', 'total >= 50', 'change', '0');
CALL add_transition('t', 'mql', 'lead', 'total < 10');
SELECT lead_scoring.activate('t');
INSERT INTO talker VALUES (1), (2);
INSERT INTO talk VALUES (1, now() - interval '1 day');
TRUNCATE talk;
SELECT is(outcome('SELECT contact_id, reason, cause FROM t_queue'), '(,"events were truncated",event)', 'TRUNCATE of events makes all stale');
CALL lead_scoring.refresh('t');
SELECT is(fired('t'), '1: hot enter (event), 1: hot leave (event)', 'and sets off what follows from it');
SELECT is(moves('t', '1'), 'lead > mql (event), mql > lead (event)', 'with its cause');
SELECT is(chapters('t', '1'), 'none/none > cold/lead (contact), cold/lead > hot/mql (event), hot/mql > cold/lead (event)', 'in both histories');
SET lead_scoring.apply = off;
INSERT INTO talk VALUES (2, now() - interval '1 day');
RESET lead_scoring.apply;
TRUNCATE talk;
INSERT INTO talk VALUES (2, now() - interval '1 day'), (1, now());
CALL lead_scoring.refresh('t');
SELECT is(fired('t', '1'), 'hot enter (event), hot leave (event), hot enter (event)', 'who is noted himself');
SELECT is(fired('t', '2'), 'hot enter (event)', 'also where upkeep was off in between');
TRUNCATE talk;
SET lead_scoring.apply = off;
TRUNCATE talk;
RESET lead_scoring.apply;
CALL lead_scoring.refresh('t');
SELECT is(fired('t', '2'), 'hot enter (event)', 'off and TRUNCATE together: nothing');
SELECT is(outcome('SELECT DISTINCT total FROM t_score'), '(0)', 'though they have lost their points');
INSERT INTO talk VALUES (2, now() - interval '1 day');
UPDATE lead_scoring.engagement_rule SET points = 60 WHERE model = 't';
TRUNCATE talk;
CALL lead_scoring.refresh('t');
SELECT is(fired('t', '2'), 'hot enter (event), hot enter (event)', 'rules and TRUNCATE together: nothing');
SELECT lawful('t', 'when all were looked at again');
SELECT lead_scoring.drop_model('t');

SELECT * FROM finish();
