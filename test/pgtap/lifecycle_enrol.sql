-- Who enrols later, after an activation that moved nobody: what was true all the time
-- counts as if it became so now, once; preview says the same before.

\ir live.psql
\ir life.psql

SELECT * FROM no_plan();

CREATE FUNCTION announced(model text) RETURNS text LANGUAGE sql
RETURN (SELECT string_agg(p.label || ' ' || p.contacts, ', ' ORDER BY p.what DESC, p.label)
          FROM lead_scoring.preview(model) AS p WHERE p.what IN ('move', 'action'));

-- ---------------------------------------------------- of a model that is live

CREATE TABLE person (id int PRIMARY KEY, points int, stage text);
INSERT INTO person VALUES (1, 60, 'lead'), (2, 90, 'lead'), (3, 40, 'lead'), (4, 90, 'mql'), (5, 90, 'customer');
CALL make_staged('e', 'person', live => false);
INSERT INTO lead_scoring.action (model, name, condition, on_edge, repeat_after) VALUES
    ('e', 'call', 'total >= 50', 'enter', NULL),
    ('e', 'note', 'total >= 50', 'leave', NULL),
    ('e', 'ping', 'total >= 70', 'change', '0 s');
SELECT lead_scoring.activate('e');
SELECT is(moves('e') || fired('e'), '', 'a silent activation moves nobody');
UPDATE person SET stage = 'lead' WHERE id = 4;
UPDATE person SET points = 50 WHERE id = 3;
SELECT is(moves('e', '3') || '; ' || fired('e', '3'), 'lead > mql (contact); call enter (contact)', 'what becomes true later counts');
-- 1 and 2 by both transitions; 4 was put where it is by a person; 3 was called already.
SELECT is(announced('e'), 'lead -> mql 2, mql -> sql 1, call 4, ping 3', 'preview says what enrolling them would do');
SELECT lead_scoring.activate('e', enrol_existing => true);
SELECT is(outcome('SELECT id, stage FROM person ORDER BY id'), '(1,mql) (2,sql) (3,mql) (4,lead) (5,customer)',
          'enrolled, they move, but for whom a person has put somewhere, and who has arrived');
SELECT is(moves('e', '2'), 'lead > mql (activation), mql > sql (activation)', 'because of the activation');
SELECT is(outcome($$SELECT contact_id, string_agg(type, ' ' ORDER BY type) FROM e_outbox GROUP BY 1 ORDER BY 1$$),
          '(1,call) (2,"call ping") (3,call) (4,"call ping") (5,"call ping")', 'what is true happens, once, and no edge that was not');
SELECT is(announced('e'), NULL, 'after that, preview has nothing to say');
SELECT lead_scoring.activate('e', enrol_existing => true);
CALL lead_scoring.rescore('e', fire_actions => true);
SELECT is(outcome('SELECT count(*) FROM e_outbox') || outcome('SELECT count(*) FROM e_stage_history'), '(8)(5)', 'nor does it happen again');
SELECT lawful('e', 'enrolled while live');

-- ----------------------------------------------- of a model that was live once

CREATE TABLE customer (id int PRIMARY KEY, points int, stage text);
INSERT INTO customer VALUES (1, 60, 'lead');
CALL make_staged('d', 'customer', live => false);
INSERT INTO lead_scoring.action (model, name, condition) VALUES ('d', 'call', 'total >= 50');
SELECT lead_scoring.activate('d');
SELECT lead_scoring.deactivate('d');
SELECT is(announced('d'), 'lead -> mql 1, call 1', 'deactivated: what enrolling would do');
SELECT lead_scoring.activate('d', enrol_existing => true);
SELECT is(moves('d') || '; ' || fired('d'), '1: lead > mql (activation); 1: call enter (activation)', 'and does');
SELECT lawful('d', 'activated again');

-- ------------------------------------------------------------------- a shadow

SELECT lead_scoring.clone_model('d', 'shade');
SELECT lead_scoring.activate('shade');
SELECT lead_scoring.drop_model('d');
UPDATE customer SET stage = 'mql', points = 90;
SELECT is(fired('shade'), '', 'a shadow only looks on');
SELECT lead_scoring.promote('shade', enrol_existing => true);
SELECT is(outcome('SELECT stage FROM customer') || fired('shade'), '(sql)1: call enter (activation)', 'promoted with all that is there: it moves and fires');
SELECT lead_scoring.drop_model('shade');

-- --------------------------------------------------------------- a large base

UPDATE customer SET stage = 'lead', points = 60;
CALL make_staged('l', 'customer', live => false);
INSERT INTO lead_scoring.action (model, name, condition) VALUES ('l', 'call', 'total >= 50');
SELECT throws_ok($$SELECT lead_scoring.activate('l', enrol_existing => true, initial_scoring => false)$$, '22023',
                 'enrol_existing needs initial_scoring', 'who is not looked at is not enrolled');
SELECT lead_scoring.activate('l', initial_scoring => false);
CALL lead_scoring.rescore('l', fire_actions => true);
SELECT is(moves('l') || '; ' || fired('l'), '1: lead > mql (activation); 1: call enter (activation)', 'but a first rescore may enrol');
SELECT lawful('l', 'enrolled by rescore');

SELECT * FROM finish();
