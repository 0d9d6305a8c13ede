-- One contact whose score cannot be written, or not be computed, does not stop the
-- others: refresh and rescore do those, say who it is, and come to an end.

\ir live.psql

SELECT plan(26);
SET statement_timeout = '30s';

CREATE TABLE poison (id int PRIMARY KEY, title text, size int, note text);
INSERT INTO poison SELECT g, 'CEO', g FROM generate_series(1, 2500) AS g;
CALL make_live('poison', 'poison');

CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE 'not this one'; END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON poison_score
    FOR EACH ROW WHEN (NEW.contact_id IN (7, 2007)) EXECUTE FUNCTION refuse();
ALTER TABLE poison_score ADD CONSTRAINT small CHECK (contact_id <> 9 OR fit < 30);

-- Who is not as the rules of now would have it.
CREATE VIEW odd AS
    SELECT s.contact_id, s.fit = p.fit AS is_right, s.problem
      FROM poison AS c
     CROSS JOIN LATERAL (SELECT lead_scoring.fit_score(c, 'poison') AS fit) AS p
      LEFT JOIN poison_score AS s ON s.contact_id = c.id
     WHERE s.fit IS DISTINCT FROM p.fit;

SET client_min_messages = error;
UPDATE poison SET size = 60 WHERE id < 20;
CALL lead_scoring.refresh('poison');
SELECT results_eq('SELECT contact_id FROM odd', 'VALUES (7)', 'refresh: queued with others');
SELECT results_eq('SELECT contact_id, reason FROM poison_queue',
                  $$VALUES (7, 'its score could not be written: not this one')$$,
                  'it stays in the queue, alone, with the reason');
UPDATE lead_scoring.fit_rule SET points = 25 WHERE model = 'poison' AND name = 'boss';
CALL lead_scoring.refresh('poison');
SELECT set_eq('SELECT contact_id FROM odd', 'VALUES (7), (9), (2007)',
              'refresh, where everyone is behind the rules');
SELECT alike((SELECT problem FROM poison_score WHERE contact_id = 9),
             'could not be written: % violates check constraint "small"',
             'a problem that can be written is');
SELECT is((SELECT fit FROM poison_score WHERE contact_id = 9), NULL, 'and there is no score');
SELECT is((SELECT reasons LIKE 'not scored: could not be written: %' FROM poison_scored
            WHERE contact_id = 9), true, 'the view says why');
CALL lead_scoring.refresh('poison');
CALL lead_scoring.refresh('poison');
CALL lead_scoring.rescore('poison');
SELECT set_eq('SELECT contact_id FROM odd', 'VALUES (7), (9), (2007)', 'and again');
SELECT results_eq('SELECT contact_id FROM poison_queue ORDER BY 1', 'VALUES (7), (2007)',
                  'once in the queue, however often');
SELECT is(count(*), 3::bigint, 'check_model names each')
  FROM lead_scoring.check_model('poison')
 WHERE severity = 'error' AND object IN ('contact 7', 'contact 9', 'contact 2007');
SELECT is_empty($$SELECT * FROM lead_scoring.verify('poison')$$, 'verify expects nothing of them');

DELETE FROM poison WHERE id > 2000 AND id <> 2007;
INSERT INTO poison VALUES (3000, 'CEO', 1);
SELECT set_eq('SELECT contact_id FROM odd', 'VALUES (7), (9), (2007)', 'other writes go on');
DELETE FROM poison_score WHERE contact_id IN (7, 8);
CALL lead_scoring.rescore('poison');
SELECT set_eq('SELECT id FROM poison LEFT JOIN poison_score ON contact_id = id WHERE contact_id IS NULL',
              'VALUES (7)', 'nor does it stop who has no row yet');
SELECT lives_ok($$SELECT lead_scoring.activate('poison')$$, 'nor an activation');

-- Nor one that cannot be deleted.
CREATE TRIGGER refuse_delete BEFORE DELETE ON poison_score
    FOR EACH ROW WHEN (OLD.contact_id = 2007) EXECUTE FUNCTION refuse();
DELETE FROM poison WHERE id IN (2006, 2007, 3000);
CALL lead_scoring.rescore('poison');
SELECT is(count(*), 1::bigint, 'one row is left behind')
  FROM poison_score WHERE contact_id > 2000;

-- More than can be remembered: the error comes out.
ALTER TABLE poison_score DISABLE TRIGGER refuse;
CALL lead_scoring.refresh('poison');
CREATE TRIGGER refuse_all BEFORE UPDATE ON poison_score FOR EACH ROW EXECUTE FUNCTION refuse();
UPDATE lead_scoring.fit_rule SET points = 5 WHERE model = 'poison' AND name = 'boss';
SELECT throws_ok($$CALL lead_scoring.rescore('poison')$$, 'P0001', 'not this one',
                 'where nothing can be written, that is an error');
DROP TRIGGER refuse_all ON poison_score;
DROP TRIGGER refuse_delete ON poison_score;
DROP TRIGGER refuse ON poison_score;
ALTER TABLE poison_score DROP CONSTRAINT small;
SELECT sound_after_refresh('poison', 'once all is gone that refused');
SELECT is(problems('poison'), '', 'no problem is left');

-- A new rule, or population, that fails for somebody: the view goes on at once.
INSERT INTO lead_scoring.fit_rule (model, name, condition, points)
VALUES ('poison', 'share', '100 / (size - 30) > 1', 3);
SELECT is(count(*), 2000::bigint, 'a new rule that fails: the view shows all')
  FROM poison_scored;
SELECT results_eq($$SELECT contact_id, total, reasons FROM poison_scored WHERE fit IS NULL$$,
                  $$VALUES (30, NULL::float8,
                            'not scored: division by zero (fit rule "share" of model "poison")')$$,
                  'and why there is no score, before a refresh');
CALL lead_scoring.refresh('poison');
SELECT results_eq($$SELECT contact_id, reasons FROM poison_scored WHERE fit IS NULL$$,
                  $$VALUES (30, 'not scored: division by zero (fit rule "share" of model "poison")')$$,
                  'the same after a refresh');
DELETE FROM lead_scoring.fit_rule WHERE model = 'poison' AND name = 'share';
UPDATE lead_scoring.model SET population = '100 / (size - 50) <> 1' WHERE name = 'poison';
SELECT results_eq($$SELECT contact_id, fit FROM poison_scored WHERE reasons LIKE 'not scored: %'$$,
                  'VALUES (50, NULL::float8)', 'a population that fails');
CALL lead_scoring.refresh('poison');
SELECT results_eq($$SELECT contact_id, fit FROM poison_scored WHERE reasons LIKE 'not scored: %'$$,
                  'VALUES (50, NULL::float8)', 'after a refresh, too');
UPDATE lead_scoring.model SET population = NULL WHERE name = 'poison';
CALL lead_scoring.refresh('poison');

-- But a parallel query cannot go on after an error.
INSERT INTO lead_scoring.fit_rule (model, name, condition, points)
VALUES ('poison', 'share', '100 / (size - 30) > 1', 3);
BEGIN;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SELECT alike(outcome('SELECT sum(total) FROM poison_scored'), '22012: division by zero%',
             'a parallel query raises (README: Limits)');
SET LOCAL max_parallel_workers_per_gather = 0;
SELECT lives_ok('SELECT sum(total) FROM poison_scored', 'and does not without workers');
COMMIT;
CALL lead_scoring.refresh('poison');
SET parallel_setup_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT lives_ok('SELECT sum(total) FROM poison_scored', 'nor after a refresh');

SELECT * FROM finish();
