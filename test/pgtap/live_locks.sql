-- Which locks upkeep takes on tables, and what becomes of constraints that are deferred.

\ir live.psql
\ir life.psql
SET client_min_messages = error;

SELECT plan(30);

CREATE TABLE firm (id int PRIMARY KEY, size int);
CREATE TABLE person (id int PRIMARY KEY, points int, stage text DEFAULT 'lead', firm int);
CREATE INDEX ON person (firm);
CREATE TABLE deed (contact int, at timestamptz DEFAULT clock_timestamp());
CREATE INDEX ON deed (contact);
CALL make_staged('m', 'person', live => false);
SELECT lead_scoring.add_event_source('m', 'deed', 'contact', 'at') \g /dev/null
SELECT lead_scoring.add_lookup('m', 'firm', 'firm', 'id', 'firm') \g /dev/null
INSERT INTO lead_scoring.engagement_rule (model, name, kind, points, max_count) VALUES ('m', 'any', 'each', 50, 1);
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('m', 'firm', 'firm.size > 5', 5);
INSERT INTO lead_scoring.action (model, name, condition, on_edge, repeat_after) VALUES ('m', 'hot', 'total >= 50', 'change', '0');

-- ------------------------------------------------------------------- locks

-- strongest(pattern): lock of each kind of table that this transaction holds.
CREATE TABLE mode (mode text, rank int);
INSERT INTO mode VALUES ('AccessShareLock', 1), ('RowShareLock', 2), ('RowExclusiveLock', 3), ('ShareUpdateExclusiveLock', 4),
    ('ShareLock', 5), ('ShareRowExclusiveLock', 6), ('ExclusiveLock', 7), ('AccessExclusiveLock', 8);
CREATE FUNCTION strongest(pattern text) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(relname || ' ' || mode, ', ' ORDER BY relname), '')
      FROM (SELECT DISTINCT ON (relname) relname, mode
              FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation JOIN mode AS m USING (mode)
             WHERE l.pid = pg_backend_pid() AND locktype = 'relation' AND relkind IN ('r', 'v') AND relname ~ pattern
             ORDER BY relname, rank DESC) AS s
$$;
\set theirs '^(firm|person|deed)$'
-- more_than(mode): tables and views with a stronger lock, but for the catalogs.
CREATE FUNCTION more_than(mode text) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(DISTINCT relname, ', ' ORDER BY relname), '')
      FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation JOIN mode AS m USING (mode)
     WHERE l.pid = pg_backend_pid() AND locktype = 'relation' AND relkind IN ('r', 'v') AND relnamespace <> 'pg_catalog'::regnamespace AND relname !~ '^__'
       AND rank > (SELECT rank FROM mode AS o WHERE o.mode = more_than.mode)
$$;

BEGIN;
SELECT lead_scoring.activate('m') \g /dev/null
SELECT is(strongest(:'theirs'), 'deed ShareRowExclusiveLock, firm ShareRowExclusiveLock, person ShareRowExclusiveLock', 'activate holds writers, not readers');
COMMIT;
INSERT INTO firm VALUES (1, 10);
INSERT INTO person VALUES (1, 0, 'lead', 1), (2, 0, 'lead', 1), (3, 0, 'lead', NULL);
BEGIN;
INSERT INTO deed VALUES (1);
INSERT INTO deed VALUES (2);
SELECT is(strongest('^(firm|person|m_.*)$'), '', 'an event locks nothing else before the commit');
SELECT lead_scoring.flush() \g /dev/null
SELECT is(strongest(:'theirs'), 'deed RowExclusiveLock, firm AccessShareLock, person RowExclusiveLock', 'which writes stages');
SELECT is(more_than('RowExclusiveLock'), '', 'and takes no lock that writers would mind');
ROLLBACK;
BEGIN;
UPDATE person SET points = 60 WHERE id = 1;
SELECT lead_scoring.flush() \g /dev/null
SELECT is(strongest(:'theirs'), 'deed AccessShareLock, firm AccessShareLock, person RowExclusiveLock', 'a contact');
SELECT is(more_than('RowExclusiveLock'), '', 'nothing more');
ROLLBACK;
BEGIN;
UPDATE firm SET size = 1;
SELECT lead_scoring.flush() \g /dev/null
SELECT is(more_than('RowExclusiveLock'), '', 'a lookup: nothing more');
ROLLBACK;
BEGIN;
UPDATE m_score SET due_at = scored_at, scored_at = scored_at - interval '1 second';
CALL lead_scoring.refresh('m');
SELECT is(more_than('RowExclusiveLock'), '', 'refresh: nothing more');
CALL lead_scoring.rescore('m');
SELECT is(more_than('RowExclusiveLock'), '', 'nor rescore');
ROLLBACK;
BEGIN;
UPDATE lead_scoring.fit_rule SET points = 6 WHERE name = 'firm';
SELECT is(strongest('^(firm|person|deed|m_.*)$'), '', 'a rule: none of the model''s tables');
SELECT is(more_than('RowExclusiveLock'), '', 'and no lock that others would mind');
ROLLBACK;
BEGIN;
SELECT count(*) FROM m_scored \g /dev/null
SELECT is(more_than('AccessShareLock'), '', 'the view reads');
SELECT count(*) FROM lead_scoring.verify('m') \g /dev/null
SELECT is(more_than('AccessShareLock'), '', 'so does verify');
ROLLBACK;
BEGIN;
SELECT lead_scoring.activate('m') \g /dev/null
SELECT is(strongest(:'theirs'), 'deed AccessExclusiveLock, firm AccessExclusiveLock, person AccessExclusiveLock', 'activate, again, takes triggers off: nobody reads');
ROLLBACK;
BEGIN;
SELECT lead_scoring.deactivate('m') \g /dev/null
SELECT is(strongest(:'theirs'), 'deed AccessExclusiveLock, firm AccessExclusiveLock, person AccessExclusiveLock', 'so does deactivate');
SELECT is(strongest('^m_(score|.*history|outbox|delivery|queue)$'), '', 'which leaves the model''s tables alone');
ROLLBACK;
SELECT sound('m', 'all as before');

-- --------------------------------------------------- constraints that are deferred

-- At commit nobody would look at them any more: a row that violates one must not get through.
\echo # deferred constraints
DELETE FROM person WHERE id > 1;
ALTER TABLE m_score ADD CONSTRAINT one_each UNIQUE (total) DEFERRABLE INITIALLY DEFERRED;
INSERT INTO person VALUES (4, 10);
SELECT is(outcome('SELECT contact_id, total FROM m_score ORDER BY 1'), '(1,5) (4,10)', 'a deferred constraint on the scores');
INSERT INTO person VALUES (5, 10);
SELECT is(outcome('SELECT id FROM person ORDER BY 1'), '(1) (4) (5)', 'that would be violated: the write succeeds');
SELECT is(outcome('SELECT contact_id, total FROM m_score ORDER BY 1'), '(1,5) (4,10)', 'the score is not written');
SELECT matches(outcome('SELECT contact_id, reason FROM m_queue'), '^\(5,"scores could not be written: ', 'and the contact waits');
INSERT INTO deed VALUES (1);
INSERT INTO deed VALUES (4);
SELECT is(outcome('SELECT contact_id, total FROM m_score ORDER BY 1'), '(1,55) (4,60)', 'others are written');
ALTER TABLE m_score DROP CONSTRAINT one_each;
SELECT sound_after_refresh('m', 'once it is gone');

CREATE TABLE allowed (id int PRIMARY KEY);
INSERT INTO allowed VALUES (1), (4), (5);
ALTER TABLE m_score_history ADD FOREIGN KEY (contact_id) REFERENCES allowed DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE m_outbox ADD FOREIGN KEY (contact_id) REFERENCES allowed DEFERRABLE INITIALLY DEFERRED;
INSERT INTO person VALUES (7, 60);
INSERT INTO deed VALUES (7), (5);
INSERT INTO deed VALUES (7);
SELECT is(outcome('SELECT contact_id FROM m_score ORDER BY 1'), '(1) (4) (5)', 'a deferred foreign key on the records: no score without them');
CALL lead_scoring.refresh('m');
SELECT is(outcome('SELECT contact_id, total FROM m_score ORDER BY 1'), '(1,55) (4,60) (5,60) (7,)', 'nor by a refresh, which does the others');
SELECT is(outcome('SELECT contact_id FROM m_score_history UNION SELECT contact_id FROM m_outbox EXCEPT SELECT id FROM allowed'), '', 'no record violates it');
SELECT matches(problems('m'), 'contact 7 \| could not be written: .*violates foreign key constraint', 'check_model tells');
INSERT INTO allowed VALUES (7);
CALL lead_scoring.refresh('m');
SELECT sound('m', 'once it is allowed');
SELECT is(array_agg(u), NULL, 'and the records') FROM unlawful('m') AS u;

SELECT * FROM finish();
