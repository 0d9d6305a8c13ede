-- Live fit: whatever statement writes contacts, in whatever mode, the function,
-- the score table, the view and the model as plain SQL say the same afterwards.

\ir live.psql

SELECT plan(184);

-- ------------------------------------------------------------- a plain table

CREATE TABLE plain (id int PRIMARY KEY, title text, size int, note text);
CALL make_live('plain', 'plain');
SELECT sound('plain', 'no contact yet');

\set writes plain
\set model plain
\set is_table true
\echo # a plain table
\ir live_statements.psql

\echo # a plain table, applied after each statement
SET lead_scoring.apply = 'statement';
\ir live_statements.psql
RESET lead_scoring.apply;

\echo # a view that can be written
CREATE VIEW window_on_plain AS SELECT note, size, title, id FROM plain;
\set writes window_on_plain
\set is_table false
\ir live_statements.psql

-- ------------------------------------------------------------- foreign keys

\echo # foreign keys
CREATE TABLE company (name text PRIMARY KEY);
CREATE TABLE employee (
    id int PRIMARY KEY,
    title text,
    size int,
    company text REFERENCES company ON UPDATE CASCADE ON DELETE CASCADE,
    former text DEFAULT 'none' REFERENCES company ON UPDATE SET NULL ON DELETE SET DEFAULT
        DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO company VALUES ('none'), ('Acme'), ('Bull'), ('Crow');
CALL make_live('employee', 'employee');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES
    ('employee', 'acme', $$company LIKE 'A%'$$, 100),
    ('employee', 'left', $$former <> 'none'$$, 1000);
CALL lead_scoring.refresh('employee');
INSERT INTO employee SELECT g, 'CEO', g, c, 'none' FROM generate_series(1, 9) AS g,
    LATERAL (SELECT name FROM company WHERE name <> 'none' ORDER BY name OFFSET g % 3 LIMIT 1) AS t (c);
SELECT sound('employee', 'contacts with foreign keys');
UPDATE company SET name = 'Ant' WHERE name = 'Bull';
SELECT sound('employee', 'ON UPDATE CASCADE');
DELETE FROM company WHERE name = 'Acme';
SELECT sound('employee', 'ON DELETE CASCADE');
SELECT is(count(*), 6::bigint, 'which deleted contacts') FROM employee_score;
BEGIN;
UPDATE employee SET former = 'later';
INSERT INTO company VALUES ('later');
COMMIT;
SELECT sound('employee', 'a foreign key checked at commit');
DELETE FROM company WHERE name = 'later';
SELECT sound('employee', 'ON DELETE SET DEFAULT');
UPDATE employee SET former = 'Crow';
UPDATE company SET name = 'Crab' WHERE name = 'Crow';
SELECT sound('employee', 'ON UPDATE SET NULL');

CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree ON DELETE CASCADE ON UPDATE CASCADE,
                   title text, size int);
CALL make_live('tree', 'tree');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points)
VALUES ('tree', 'odd parent', 'parent % 2 = 1', 100);
CALL lead_scoring.refresh('tree');
INSERT INTO tree SELECT g, nullif(g / 2, 0), 'CEO', g FROM generate_series(1, 63) AS g;
UPDATE tree SET id = 100 WHERE id = 5;
SELECT sound('tree', 'ON UPDATE CASCADE among contacts');
DELETE FROM tree WHERE id IN (100, 3);
SELECT sound('tree', 'ON DELETE CASCADE among contacts');

-- --------------------------------------------------------------- population

\echo # population
CREATE TABLE peopled (id int PRIMARY KEY, title text, size int, note text);
INSERT INTO peopled VALUES (1, 'CEO', 60), (2, 'CEO', NULL), (3, 'CEO', 5000);
CALL make_live('peopled', 'peopled', 'id', 'size < 1000');
SELECT sound('peopled', 'activated with contacts out of the population');
SELECT is(array_agg(contact_id), '{1}', 'who have no score') FROM peopled_score;
UPDATE peopled SET size = 10 WHERE id = 2;
SELECT sound('peopled', 'a contact enters the population');
UPDATE peopled SET size = 1000 WHERE id = 1;
SELECT sound('peopled', 'a contact leaves it');
SELECT is(array_agg(contact_id), '{2}', 'and loses its score') FROM peopled_score;
BEGIN;
UPDATE peopled SET size = 10 WHERE id = 3;
UPDATE peopled SET size = NULL WHERE id = 3;
INSERT INTO peopled VALUES (4, 'CEO', 2000);
UPDATE peopled SET size = 2 WHERE id = 4;
COMMIT;
SELECT sound('peopled', 'in and out in one transaction');
UPDATE lead_scoring.model SET population = 'size >= 1000' WHERE name = 'peopled';
SELECT sound_after_refresh('peopled', 'another population');
SELECT is(array_agg(contact_id), '{1}', 'whose contacts alone have scores') FROM peopled_score;
UPDATE lead_scoring.model SET population = NULL WHERE name = 'peopled';
SELECT sound_after_refresh('peopled', 'no population any more');

-- ---------------------------------------------------------------- NULL keys

\echo # keys that may be NULL
CREATE TABLE keyless (id int UNIQUE, title text, size int, note text);
INSERT INTO keyless VALUES (NULL, 'CEO', 60), (1, 'CEO', 60), (NULL, 'CEO', 1);
CALL make_live('keyless', 'keyless');
SELECT sound('keyless', 'NULL keys at activation');
INSERT INTO keyless VALUES (NULL, 'CEO', 60), (2, 'CEO', 60);
SELECT sound('keyless', 'INSERT of a NULL key');
UPDATE keyless SET id = NULL WHERE id = 1;
SELECT sound('keyless', 'a key becomes NULL');
UPDATE keyless SET id = 3 WHERE size = 1;
SELECT sound('keyless', 'a NULL key becomes one');
UPDATE keyless SET size = 7 WHERE id IS NULL;
DELETE FROM keyless WHERE id IS NULL;
SELECT sound('keyless', 'UPDATE and DELETE of NULL keys');

-- ---------------------------------------------------- what must write nothing

\echo # no write without need
INSERT INTO plain VALUES (1, 'CEO', 60, 'a'), (2, 'none', 1, 'b');
CREATE VIEW now_stored AS
    SELECT contact_id, xmin::text AS writer, ctid::text AS place, xmax::text AS locker, scored_at
      FROM plain_score;
CREATE TEMP TABLE before AS TABLE now_stored;
UPDATE plain SET note = 'other';
SELECT set_eq('TABLE now_stored', 'TABLE before', 'UPDATE of a column that no rule knows');
UPDATE plain SET title = title, size = size;
SELECT set_eq('TABLE now_stored', 'TABLE before', 'UPDATE to the same values');
BEGIN;
SAVEPOINT s;
UPDATE plain SET size = 99;
ROLLBACK TO s;
UPDATE plain SET note = 'third';
COMMIT;
SELECT set_eq('TABLE now_stored', 'TABLE before', 'UPDATE that was rolled back');
SET lead_scoring.apply = 'statement';
UPDATE plain SET note = 'fourth';
SET lead_scoring.apply = 'commit';
SELECT set_eq('TABLE now_stored', 'TABLE before', 'the same after each statement');
UPDATE plain SET size = 61 WHERE id = 1;
SELECT set_eq('SELECT contact_id, writer, place, scored_at FROM now_stored',
              'SELECT contact_id, writer, place, scored_at FROM before',
              'UPDATE of a column that changes no score');
SET lead_scoring.apply = 'queue';
UPDATE plain SET note = 'fifth';
RESET lead_scoring.apply;
SELECT is_empty('TABLE plain_queue', 'nor does it queue anything');
DELETE FROM plain_queue;
CALL lead_scoring.refresh('plain');
CALL lead_scoring.rescore('plain');
SELECT set_eq('SELECT contact_id, writer, place, scored_at FROM now_stored',
              'SELECT contact_id, writer, place, scored_at FROM before',
              'refresh and rescore of scores that are right');
SELECT is_empty('TABLE plain_queue', 'and nothing was queued');

-- ------------------------------------------------------ transactions, savepoints

\echo # savepoints
BEGIN;
UPDATE plain SET size = 11 WHERE id = 1;
SAVEPOINT a;
UPDATE plain SET size = 99 WHERE id = 1;
INSERT INTO plain VALUES (3, 'CEO', 100);
SAVEPOINT b;
DELETE FROM plain WHERE id = 2;
ROLLBACK TO a;
INSERT INTO plain VALUES (4, 'CEO', 100);
SAVEPOINT c;
UPDATE plain SET size = 2 WHERE id = 4;
RELEASE c;
COMMIT;
SELECT sound('plain', 'savepoints rolled back and released');

BEGIN;
SELECT format('SAVEPOINT s%1$s; %2$s', g,
              CASE g % 3 WHEN 0 THEN format('UPDATE plain SET size = %s WHERE id = 1', g)
                         WHEN 1 THEN format('INSERT INTO plain VALUES (%s, ''CEO'', %1$s)', 1000 + g)
                         ELSE format('DELETE FROM plain WHERE id = %s', 998 + g) END)
  FROM generate_series(1, 70) AS g \gexec
ROLLBACK TO s64;
UPDATE plain SET size = 77 WHERE id = 2;
RELEASE s50;
UPDATE plain SET title = 'none' WHERE id = 1040;
ROLLBACK TO s33;
COMMIT;
SELECT sound('plain', 'savepoints nested 70 deep');

CREATE FUNCTION dive(depth int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE plain SET size = depth, title = 'CEO' WHERE id = 1 + depth % 4;
    PERFORM dive(depth + 1) WHERE depth < 70;
    UPDATE plain SET size = 1000 / (depth % 7) WHERE id = 2;
EXCEPTION WHEN division_by_zero THEN
    INSERT INTO plain VALUES (2000 + depth, 'CEO', depth);
END
$$;
SELECT dive(1) IS NULL AS done \gset
SELECT sound('plain', 'blocks with EXCEPTION nested 70 deep');
SET lead_scoring.apply = 'statement';
DELETE FROM plain WHERE id > 2000;
SELECT dive(1) IS NULL AS done \gset
SELECT sound('plain', 'the same after each statement');
RESET lead_scoring.apply;

\echo # errors, and the session after them
\set ON_ERROR_STOP off
\set VERBOSITY sqlstate
BEGIN;
UPDATE plain SET size = 1 WHERE id = 1;
SELECT 1 / 0;
COMMIT;
INSERT INTO plain VALUES (5, 'CEO', 60), (1, 'twice', 1);
UPDATE plain SET size = 100 / (id - 2);
\set ON_ERROR_STOP on
\set VERBOSITY default
INSERT INTO plain VALUES (5, 'none', 60);
SELECT sound('plain', 'an error, then the next transaction');

INSERT INTO lead_scoring.fit_rule (model, name, condition, points)
VALUES ('plain', 'slow', $$length(repeat(note, 100000000)) = 0$$, 1);
\set ON_ERROR_STOP off
\set VERBOSITY sqlstate
SET statement_timeout = '40ms';
UPDATE plain SET note = 'x', size = 3 WHERE id = 1;
\set state :SQLSTATE
RESET statement_timeout;
\set ON_ERROR_STOP on
\set VERBOSITY default
DELETE FROM lead_scoring.fit_rule WHERE model = 'plain' AND name = 'slow';
SELECT is(:'state'::text, '57014', 'a write can be cancelled while it is scored');
SELECT ok(pg_current_xact_id_if_assigned() IS NULL, 'which ends its transaction');
UPDATE plain SET size = 4 WHERE id = 1;
SELECT sound_after_refresh('plain', 'and the session can go on');

\echo # procedures that commit
CREATE PROCEDURE by_steps() LANGUAGE plpgsql AS $$
BEGIN
    FOR step IN 1 .. 6 LOOP
        UPDATE plain SET size = 50 * step, title = 'CEO' WHERE id = step;
        INSERT INTO plain VALUES (3000 + step, 'CEO', step);
        CASE step % 3 WHEN 0 THEN ROLLBACK; WHEN 1 THEN COMMIT; ELSE NULL; END CASE;
    END LOOP;
END
$$;
CALL by_steps();
SELECT sound('plain', 'COMMIT and ROLLBACK in a procedure');
SET lead_scoring.apply = 'statement';
DELETE FROM plain WHERE id > 3000;
CALL by_steps();
RESET lead_scoring.apply;
SELECT sound('plain', 'the same after each statement');

\echo # long values
ALTER TABLE plain ALTER COLUMN title SET STORAGE EXTERNAL;
INSERT INTO plain VALUES (4000, repeat('x', 10000) || 'CEO' || repeat('y', 10000), 60, repeat('z', 20000));
UPDATE plain SET note = 'short' WHERE id = 4000;
SELECT sound('plain', 'a long value stays as it is');
UPDATE plain SET title = replace(title, 'CEO', 'none') WHERE id = 4000;
SELECT sound('plain', 'a long value changes');

\echo # more contacts than a batch
CREATE TABLE crowd (id text PRIMARY KEY, title text, size int, note text);
INSERT INTO crowd SELECT CASE g % 2 WHEN 0 THEN 'a' ELSE 'B' END || g, 'CEO', g % 100 FROM generate_series(1, 2500) AS g;
CALL make_live('crowd', 'crowd');
SELECT sound('crowd', 'activated');
UPDATE lead_scoring.fit_rule SET points = points + 1 WHERE model = 'crowd';
SELECT sound_after_refresh('crowd', 'a rule changes');
SET lead_scoring.apply = 'queue';
UPDATE crowd SET size = size + 1;
UPDATE crowd SET size = size + 1;
DELETE FROM crowd WHERE size > 90;
SELECT sound_after_refresh('crowd', 'all in the queue, twice');
SET lead_scoring.apply = 'commit';
UPDATE crowd SET size = 101 - size;
DELETE FROM crowd WHERE size > 90;
SELECT sound('crowd', 'in one transaction');
RESET lead_scoring.apply;
BEGIN;
SET LOCAL lead_scoring.apply = 'queue';
INSERT INTO crowd SELECT 'c' || g, 'CEO', g % 100 FROM generate_series(1, 30000) AS g;
SELECT lead_scoring.flush() IS NULL AS done \gset
SELECT is(count(*), 30000::bigint, 'many more wait') FROM crowd_queue;
SET LOCAL statement_timeout = '5s';
SELECT is(count(*), 0::bigint, 'whom verify does not look for one by one') FROM lead_scoring.verify('crowd');
ROLLBACK;

-- ----------------------------------------------------------- lead_scoring.apply

\echo # statement
TRUNCATE plain;
SET lead_scoring.apply = 'statement';
BEGIN;
INSERT INTO plain VALUES (1, 'CEO', 60), (2, 'none', 1);
SELECT results_eq('SELECT contact_id, fit FROM plain_score ORDER BY 1',
                  'VALUES (1, 25::float8), (2, -5)', 'the transaction sees its scores');
SAVEPOINT a;
UPDATE plain SET size = 1 WHERE id = 1;
SELECT results_eq('SELECT contact_id, fit FROM plain_score ORDER BY 1',
                  'VALUES (1, 10::float8), (2, -5)', 'those of a subtransaction too');
ROLLBACK TO a;
SELECT results_eq('SELECT contact_id, fit FROM plain_score ORDER BY 1',
                  'VALUES (1, 25::float8), (2, -5)', 'till it is rolled back');
DELETE FROM plain WHERE id = 2;
SELECT results_eq('SELECT contact_id, fit FROM plain_score ORDER BY 1',
                  'VALUES (1, 25::float8)', 'and a DELETE');
TRUNCATE plain;
SELECT is_empty('TABLE plain_score', 'and a TRUNCATE');
COMMIT;
SELECT sound('plain', 'afterwards');
BEGIN;
INSERT INTO plain VALUES (1, 'CEO', 60);
UPDATE plain SET size = 1;
ROLLBACK;
SELECT sound('plain', 'after a ROLLBACK');

\echo # flush()
SET lead_scoring.apply = 'commit';
BEGIN;
INSERT INTO plain VALUES (1, 'CEO', 60), (2, 'CEO', 60), (3, 'CEO', 60);
SELECT is_empty('TABLE plain_score', 'scores wait for the commit');
SELECT lead_scoring.flush() IS NULL AS done \gset
SELECT is(count(*), 3::bigint, 'or for flush()') FROM plain_score;
UPDATE plain SET size = 1 WHERE id = 2;
DELETE FROM plain WHERE id = 3;
COMMIT;
SELECT sound('plain', 'changes after flush()');
BEGIN;
UPDATE plain SET size = 100 WHERE id = 1;
SAVEPOINT a;
UPDATE plain SET size = 2 WHERE id = 1;
SELECT lead_scoring.flush() IS NULL AS done \gset
RELEASE a;
COMMIT;
SELECT sound('plain', 'flush() in a savepoint that is released');
BEGIN;
UPDATE plain SET size = 100 WHERE id = 1;
SAVEPOINT a;
UPDATE plain SET size = 2 WHERE id = 1;
SELECT lead_scoring.flush() IS NULL AS done \gset
ROLLBACK TO a;
COMMIT;
SELECT sound('plain', 'flush() in a savepoint that is rolled back');
SELECT lives_ok('SELECT lead_scoring.flush()', 'flush() of nothing');

\echo # queue
SET lead_scoring.apply = 'queue';
INSERT INTO plain VALUES (4, 'CEO', 60), (5, 'CEO', 60);
UPDATE plain SET size = 3 WHERE id = 1;
DELETE FROM plain WHERE id = 2;
SELECT ok(bool_and(contact_id IS NOT NULL), 'contacts wait in the queue') FROM plain_queue;
SELECT alike(problems('plain'), '%warning | queue | %wait for refresh()%',
             'check_model says that they do');
SELECT sound_after_refresh('plain', 'INSERT, UPDATE and DELETE');
BEGIN;
INSERT INTO plain VALUES (6, 'CEO', 60);
TRUNCATE plain;
INSERT INTO plain VALUES (7, 'CEO', 60);
COMMIT;
SELECT sound_after_refresh('plain', 'TRUNCATE');
BEGIN;
INSERT INTO plain VALUES (8, 'CEO', 60);
ROLLBACK;
SELECT is_empty('TABLE plain_queue', 'a ROLLBACK leaves nothing in the queue');

\echo # off
SET lead_scoring.apply = 'off';
INSERT INTO plain SELECT g, 'CEO', g FROM generate_series(10, 20) AS g;
DELETE FROM plain WHERE id = 7;
SELECT is(count(*), 1::bigint, 'one row says that all are stale') FROM
    (SELECT DISTINCT contact_id, reason FROM plain_queue) AS q WHERE contact_id IS NULL;
SELECT alike(problems('plain'), '%warning | queue | all scores may be behind: lead_scoring.apply was off%',
             'check_model says so');
SELECT sound_after_refresh('plain', 'off, then refresh');
UPDATE plain SET size = 2 WHERE id < 15;
RESET lead_scoring.apply;
CALL lead_scoring.rescore('plain');
SELECT sound('plain', 'off, then rescore');
SELECT is(problems('plain'), '', 'after which there is no problem any more');

DROP ROLE IF EXISTS live_writer;
CREATE ROLE live_writer;
GRANT INSERT, UPDATE, DELETE, SELECT ON plain TO live_writer;
SET ROLE live_writer;
SET lead_scoring.apply = 'off';
INSERT INTO plain VALUES (30, 'CEO', 60);
RESET ROLE;
SELECT sound('plain', 'only the owner can switch scoring off');
RESET lead_scoring.apply;
REVOKE ALL ON plain FROM live_writer;
DROP ROLE live_writer;

\echo # more contacts than fit into memory
SET lead_scoring.pending_limit = 10;
INSERT INTO plain SELECT g, 'CEO', g FROM generate_series(100, 124) AS g;
SELECT ok(count(*) BETWEEN 10 AND 25, 'those beyond the limit are queued') FROM plain_queue;
SELECT sound_after_refresh('plain', 'beyond the limit');
BEGIN;
UPDATE plain SET size = size + 1 WHERE id BETWEEN 100 AND 107;
SAVEPOINT a;
UPDATE plain SET size = 1 WHERE id BETWEEN 100 AND 124;
ROLLBACK TO a;
UPDATE plain SET size = 60 WHERE id = 101;
SAVEPOINT b;
UPDATE plain SET size = 2 WHERE id BETWEEN 101 AND 115;
RELEASE b;
COMMIT;
SELECT sound_after_refresh('plain', 'beyond the limit in savepoints');
SET lead_scoring.pending_limit = 10;
DELETE FROM plain WHERE id BETWEEN 100 AND 124;
SELECT sound_after_refresh('plain', 'DELETE beyond the limit');
RESET lead_scoring.pending_limit;

-- --------------------------------------------------------------- rules change

\echo # rules change
UPDATE lead_scoring.fit_rule SET points = 16 WHERE model = 'plain' AND name = 'boss';
SELECT alike(problems('plain'), '%warning | scores | %made by other rules than those of now%',
             'check_model says that scores are behind the rules');
SELECT sound_after_refresh('plain', 'other points');
UPDATE lead_scoring.fit_rule SET enabled = false WHERE model = 'plain' AND name = 'boss';
UPDATE plain SET size = 100 WHERE id = 10;
SELECT sound_after_refresh('plain', 'a rule is disabled');
BEGIN;
INSERT INTO plain VALUES (40, 'CEO', 60);
UPDATE lead_scoring.fit_rule SET enabled = true, points = 20 WHERE model = 'plain' AND name = 'boss';
INSERT INTO plain VALUES (41, 'CEO', 60);
COMMIT;
SELECT sound_after_refresh('plain', 'a rule changes after a write of the same transaction');
BEGIN;
UPDATE lead_scoring.fit_rule SET points = 99 WHERE model = 'plain' AND name = 'boss';
INSERT INTO plain VALUES (42, 'CEO', 60);
SELECT lead_scoring.flush() IS NULL AS done \gset
ROLLBACK;
INSERT INTO plain VALUES (42, 'CEO', 60);
SELECT sound('plain', 'a rule change is rolled back');
BEGIN;
INSERT INTO plain VALUES (43, 'CEO', 60);
SAVEPOINT a;
UPDATE lead_scoring.fit_rule SET points = 99 WHERE model = 'plain' AND name = 'boss';
UPDATE plain SET size = 61 WHERE id = 43;
SELECT lead_scoring.flush() IS NULL AS done \gset
ROLLBACK TO a;
UPDATE plain SET size = 62 WHERE id = 43;
COMMIT;
SELECT sound('plain', 'a rule change is rolled back to a savepoint');
UPDATE lead_scoring.threshold SET min_score = 3 WHERE model = 'plain' AND label = 'hot';
SELECT sound_after_refresh('plain', 'another threshold');
SELECT is_empty($$SELECT * FROM plain_score JOIN plain_scored USING (contact_id)
                   WHERE plain_score.band IS DISTINCT FROM plain_scored.band$$,
                'the same bands in table and view');

\echo # the clock
CREATE TABLE dated (id int PRIMARY KEY, seen timestamptz);
SELECT lead_scoring.create_model('dated', 'dated', 'id') IS NULL AS done \gset
INSERT INTO lead_scoring.fit_rule (model, name, condition, points)
VALUES ('dated', 'seen', 'seen < as_of', 10);
SELECT lead_scoring.activate('dated') IS NULL AS done \gset
BEGIN;
INSERT INTO dated VALUES (1, clock_timestamp() + interval '20 ms');
SELECT pg_sleep(0.04) IS NULL AS done \gset
COMMIT;
SELECT is_empty($$SELECT * FROM lead_scoring.verify('dated')$$,
                'scores are as of the moment that they say, however long the transaction');
SELECT ok(due_at > scored_at AND due_at <= scored_at + interval '1 day', 'and are due when they can change')
FROM dated_score;

SET lead_scoring.as_of = '2020-01-01';
INSERT INTO dated VALUES (2, '2021-01-01'), (3, '2019-01-01');
SELECT results_eq('SELECT contact_id, fit FROM dated_score WHERE contact_id > 1 ORDER BY 1', 'VALUES (2, 10::float8), (3, 10)',
                  'stored scores know no other clock');
SELECT results_eq('SELECT contact_id, fit FROM dated_scored WHERE contact_id > 1 ORDER BY 1', 'VALUES (2, 0::float8), (3, 10)',
                  'than the view');
SELECT is_empty($$SELECT * FROM lead_scoring.verify('dated')$$, 'nor does verify');
RESET lead_scoring.as_of;

-- ------------------------------------------------------- conditions that fail

\echo # conditions that fail
CREATE TABLE fails (id int PRIMARY KEY, title text, size int);
CALL make_live('fails', 'fails');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points)
VALUES ('fails', 'inverse', '100 / size > 1', 30);
CALL lead_scoring.refresh('fails');
SELECT lives_ok($$INSERT INTO fails VALUES (1, 'CEO', 10), (2, 'CEO', 0), (3, 'CEO', 60)$$,
                'the write succeeds');
SELECT results_eq('SELECT contact_id, fit, total FROM fails_score ORDER BY 1',
                  'VALUES (1, 45::float8, 45::float8), (2, NULL, NULL), (3, 25, 25)',
                  'the other contacts have their scores, that one has none');
SELECT ok(due_at <= clock_timestamp(), 'it is due') FROM fails_score WHERE contact_id = 2;
SELECT results_eq('SELECT contact_id, fit, total, band FROM fails_scored ORDER BY 1',
                  $$VALUES (1, 45::float8, 45::float8, 'warm'), (2, NULL, NULL, NULL), (3, 25, 25, 'warm')$$,
                  'so it is in the view');
SELECT alike(reasons, 'not scored: division by zero%', 'which says why') FROM fails_scored
 WHERE contact_id = 2;
SELECT alike(problems('fails'), 'error | contact 2 | division by zero%fit rule "inverse"%',
             'check_model names contact and rule');
SELECT is(outcome($$SELECT lead_scoring.verify('fails')$$), '', 'verify does not stumble over it');
SELECT lives_ok($$CALL lead_scoring.refresh('fails')$$, 'nor does refresh');
SELECT lives_ok($$CALL lead_scoring.rescore('fails')$$, 'nor rescore');
UPDATE fails SET title = 'none';
SELECT results_eq('SELECT contact_id, fit FROM fails_score ORDER BY 1',
                  'VALUES (1, 30::float8), (2, NULL), (3, 10)', 'writes of it and others go on');
UPDATE fails SET size = 20 WHERE id = 2;
SELECT sound('fails', 'the contact is changed');
SELECT is(problems('fails'), '', 'and there is no problem any more');
UPDATE fails SET size = 0 WHERE id = 1;
UPDATE lead_scoring.fit_rule SET condition = '100 / nullif(size, 0) > 1'
 WHERE model = 'fails' AND name = 'inverse';
SELECT sound_after_refresh('fails', 'the rule is changed');
UPDATE lead_scoring.model SET population = '10 / size < 100' WHERE name = 'fails';
SELECT lives_ok($$CALL lead_scoring.refresh('fails')$$, 'a population that fails');
SELECT lives_ok($$UPDATE fails SET size = 0 WHERE id = 2$$, 'does not stop an UPDATE');
SELECT lives_ok($$INSERT INTO fails VALUES (4, 'none', 0)$$, 'nor an INSERT');
SELECT is(outcome('SELECT contact_id, fit FROM fails_scored ORDER BY 1'), '(1,) (2,) (3,10) (4,)',
          'nor the view');
SELECT alike(problems('fails'), 'error | contact 1 | division by zero%population%',
             'check_model names it');
SELECT is(outcome($$SELECT lead_scoring.verify('fails')$$), '', 'verify does not stumble over it');
UPDATE fails SET size = 1 WHERE size = 0;
SELECT sound('fails', 'the contacts are changed');
SET lead_scoring.apply = 'queue';
INSERT INTO fails VALUES (5, 'CEO', 0);
RESET lead_scoring.apply;
SELECT is(outcome($$SELECT lead_scoring.verify('fails')$$), '',
          'verify does not stumble over one that waits in the queue either');
SELECT lives_ok($$CALL lead_scoring.refresh('fails')$$, 'nor refresh');

SELECT * FROM finish();
