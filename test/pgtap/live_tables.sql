-- Live fit on tables of every kind: partitioned in two levels, with children,
-- loaded past the triggers, and views.

\ir live.psql

SELECT plan(81);

-- -------------------------------------------------------- partitioned contacts

CREATE TABLE parts (id int PRIMARY KEY, title text, size int, note text) PARTITION BY RANGE (id);
CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (MINVALUE) TO (50);
CREATE TABLE parts_mid PARTITION OF parts FOR VALUES FROM (50) TO (1000) PARTITION BY RANGE (id);
CREATE TABLE parts_mid_a PARTITION OF parts_mid FOR VALUES FROM (50) TO (150);
-- Other columns in another order, one of them dropped.
CREATE TABLE parts_mid_b (gone text, size int, note text, spare int, title text, id int NOT NULL);
ALTER TABLE parts_mid_b DROP COLUMN gone, DROP COLUMN spare;
ALTER TABLE parts_mid ATTACH PARTITION parts_mid_b FOR VALUES FROM (150) TO (450);
CREATE TABLE parts_mid_c PARTITION OF parts_mid DEFAULT;
CREATE TABLE parts_rest PARTITION OF parts DEFAULT PARTITION BY HASH (id);
CREATE TABLE parts_rest_0 PARTITION OF parts_rest FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE parts_rest_1 PARTITION OF parts_rest FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO parts SELECT g, 'CEO', g FROM generate_series(1, 1200, 7) AS g;
CALL make_live('parts', 'parts');
SELECT sound('parts', 'activated with contacts in all partitions');
SELECT is(problems('parts'), '', 'and without a problem');
TRUNCATE parts;
SELECT sound('parts', 'TRUNCATE of all partitions');

\set writes parts
\set model parts
\set is_table true
\echo # a partitioned table
\ir live_statements.psql

\echo # partitions
INSERT INTO parts SELECT g, 'CEO', g FROM generate_series(1, 1200, 7) AS g;
UPDATE parts SET id = 2 WHERE id = 8;
UPDATE parts SET id = 60, size = 2 WHERE id = 15;
UPDATE parts SET id = 200 WHERE id = 64;
UPDATE parts SET id = 2200, title = NULL WHERE id = 204;
UPDATE parts SET id = -1, size = 60 WHERE id = 1149;
SELECT sound('parts', 'contacts move between partitions of both levels');
BEGIN;
UPDATE parts SET id = 61 WHERE id = 60;
UPDATE parts SET id = 261 WHERE id = 61;
UPDATE parts SET size = 0 WHERE id = 261;
SAVEPOINT a;
UPDATE parts SET id = 3 WHERE id = 261;
ROLLBACK TO a;
COMMIT;
SELECT sound('parts', 'one contact moves several times');

\set writes parts_mid_b
INSERT INTO :writes (id, title, size) VALUES (161, 'CEO', 60), (163, 'none', 100);
UPDATE :writes SET size = 1 WHERE id BETWEEN 160 AND 260;
DELETE FROM :writes WHERE id BETWEEN 200 AND 220;
SELECT sound('parts', 'writes straight to a leaf with other columns');
\set writes parts_mid
INSERT INTO :writes (id, title, size) VALUES (165, 'CEO', 60), (900, 'none', 100);
UPDATE :writes SET size = 100, id = id + 1 WHERE id IN (165, 449, 900);
DELETE FROM :writes WHERE id BETWEEN 300 AND 310;
SELECT sound('parts', 'writes to the partition between');
COPY parts_mid_a (title, id) FROM PROGRAM $$printf 'CEO\t51\nnone\t52\n'$$;
SELECT sound('parts', 'COPY into a leaf');
MERGE INTO parts_rest AS t USING (VALUES (1002), (1100), (1101)) AS s (id) ON t.id = s.id
 WHEN MATCHED THEN UPDATE SET size = 3
 WHEN NOT MATCHED THEN INSERT (id, title, size) VALUES (s.id, 'CEO', 100);
SELECT sound('parts', 'MERGE into the partition between');

SET lead_scoring.apply = 'statement';
BEGIN;
INSERT INTO parts VALUES (53, 'CEO', 60);
SELECT is(fit, 25::float8, 'statement mode: a transaction sees its scores') FROM parts_score
 WHERE contact_id = 53;
UPDATE parts_mid_a SET size = 1 WHERE id = 53;
SELECT is(fit, 10::float8, 'also of writes straight to a partition') FROM parts_score
 WHERE contact_id = 53;
COMMIT;
RESET lead_scoring.apply;
SELECT sound('parts', 'and afterwards');

BEGIN;
INSERT INTO parts VALUES (54, 'CEO', 60), (451, 'CEO', 60);
TRUNCATE parts_mid_a;
COMMIT;
SELECT sound('parts', 'TRUNCATE of a leaf');
TRUNCATE parts_mid;
SELECT sound('parts', 'TRUNCATE of the partition between');
SET lead_scoring.apply = 'queue';
TRUNCATE parts_low;
RESET lead_scoring.apply;
SELECT sound_after_refresh('parts', 'TRUNCATE of a leaf, queued');

CREATE TABLE parts_new PARTITION OF parts_mid FOR VALUES FROM (500) TO (600);
INSERT INTO parts VALUES (501, 'CEO', 60), (502, 'CEO', 1), (700, 'CEO', 5);
UPDATE parts_new SET size = 3 WHERE id = 501;
UPDATE parts SET id = 503 WHERE id = 700;
SELECT sound('parts', 'a partition that is made later');
SELECT alike(problems('parts'), '%parts_new%is missing%', 'check_model says that its TRUNCATE would not be seen');
TRUNCATE parts_new;
SELECT flagged('parts', 'TRUNCATE of it');
SELECT lead_scoring.activate('parts') IS NULL AS done \gset
SELECT is(problems('parts'), '', 'activate() again gives it the trigger');
INSERT INTO parts VALUES (501, 'CEO', 60);
TRUNCATE parts_new;
SELECT sound('parts', 'so that its TRUNCATE is seen');

CREATE TABLE parts_loose (note text, id int NOT NULL, size int, title text);
INSERT INTO parts_loose SELECT NULL, g, g, 'CEO' FROM generate_series(620, 640) AS g;
ALTER TABLE parts_mid ATTACH PARTITION parts_loose FOR VALUES FROM (600) TO (650);
SELECT flagged('parts', 'ATTACH PARTITION');
UPDATE parts SET size = 1 WHERE id = 620;
INSERT INTO parts_loose (id, title, size) VALUES (641, 'CEO', 60);
SELECT sound('parts', 'writes to it');
ALTER TABLE parts_mid DETACH PARTITION parts_loose;
SELECT flagged('parts', 'DETACH PARTITION');
INSERT INTO parts_loose (id, title, size) VALUES (642, 'CEO', 60);
TRUNCATE parts_loose;
SELECT sound('parts', 'writes to what is no longer a partition');
INSERT INTO parts VALUES (55, 'CEO', 60);
DROP TABLE parts_mid_a;
SELECT flagged('parts', 'DROP of a partition');

-- A parallel restore makes the triggers in any order: those of the partitions
-- must not be taken for those of the whole table.
CREATE TABLE restored (id int PRIMARY KEY, title text, size int, note text) PARTITION BY RANGE (id);
CREATE TABLE restored_0 PARTITION OF restored FOR VALUES FROM (0) TO (10);
CREATE TABLE restored_1 PARTITION OF restored FOR VALUES FROM (10) TO (20);
CALL make_live('restored', 'restored');
SELECT format('DROP TRIGGER %I ON restored; %s', tgname, pg_get_triggerdef(oid))
  FROM pg_trigger WHERE tgrelid = 'restored'::regclass ORDER BY tgname \gexec
SELECT is(substring(lead_scoring.to_sql('restored') FROM 'JOIN (\S+) AS contact'), 'public.restored',
          'triggers in another order: the contacts are those of all partitions');
INSERT INTO restored VALUES (1, 'CEO', 60), (11, 'CEO', 60);
SELECT sound('restored', 'and are scored');

-- ---------------------------------------------------------------- inheritance

\echo # inheritance
CREATE TABLE parent (id int PRIMARY KEY, title text, size int, note text);
CALL make_live('parent', 'parent');
CREATE TABLE child (extra text, PRIMARY KEY (id)) INHERITS (parent);
INSERT INTO parent VALUES (1, 'CEO', 60);
SELECT sound('parent', 'a child without contacts');
INSERT INTO child VALUES (2, 'CEO', 60), (3, 'CEO', 1);
SELECT flagged('parent', 'writes to the child');
UPDATE parent SET size = 2;
SELECT ok(outcome($$SELECT lead_scoring.verify('parent')$$) <> '', 'writes through the parent to the child: verify finds them');
CREATE TRIGGER parent_contact AFTER INSERT OR UPDATE OR DELETE ON child
    FOR EACH ROW EXECUTE FUNCTION lead_scoring.contact_changed('parent');
CREATE TRIGGER parent_truncate AFTER TRUNCATE ON child
    FOR EACH STATEMENT EXECUTE FUNCTION lead_scoring.contact_changed('parent');
CALL lead_scoring.rescore('parent');
SELECT sound('parent', 'a child with the triggers');
INSERT INTO child VALUES (4, 'CEO', 60), (5, 'CEO', 1);
UPDATE parent SET size = size + 60 WHERE id > 1;
UPDATE child SET title = 'none' WHERE id = 4;
DELETE FROM parent WHERE id = 3;
SELECT sound('parent', 'writes to it and through the parent');
SELECT is(substring(lead_scoring.to_sql('parent') FROM 'JOIN (\S+) AS contact'), 'public.parent',
          'the contacts are still those of the parent');
TRUNCATE child;
SELECT sound('parent', 'TRUNCATE of the child');

-- ------------------------------------------------------ what no trigger can see

\echo # past the triggers
CREATE TABLE loaded (id int PRIMARY KEY, title text, size int, note text);
INSERT INTO loaded SELECT g, 'CEO', g FROM generate_series(1, 20) AS g;
CALL make_live('loaded', 'loaded');
SET session_replication_role = 'replica';
INSERT INTO loaded VALUES (21, 'CEO', 60);
RESET session_replication_role;
SELECT flagged('loaded', 'INSERT of a replica');
SET session_replication_role = 'replica';
UPDATE loaded SET size = 60 WHERE id = 1;
RESET session_replication_role;
SELECT flagged('loaded', 'UPDATE of a replica');
SET session_replication_role = 'replica';
DELETE FROM loaded WHERE id = 1;
RESET session_replication_role;
SELECT flagged('loaded', 'DELETE of a replica');
ALTER TABLE loaded DISABLE TRIGGER ALL;
UPDATE loaded SET size = size + 50;
SELECT alike(problems('loaded'), '%error | trigger loaded_contact on % | is disabled%',
             'check_model names disabled triggers');
ALTER TABLE loaded ENABLE TRIGGER ALL;
SELECT flagged('loaded', 'disabled triggers');
ALTER TABLE loaded ALTER COLUMN size TYPE bigint USING size - 50;
SELECT flagged('loaded', 'ALTER TYPE with USING');
UPDATE loaded SET size = 60 WHERE id = 20;
SELECT sound('loaded', 'writes after it');

-- ------------------------------------------------------- contacts that are a view

\echo # contacts that are a view
CREATE VIEW joined AS
SELECT l.id, l.title || ' CEO' AS title, p.size FROM loaded AS l LEFT JOIN parent AS p USING (id);
CALL make_live('joined', 'joined');
SELECT sound('joined', 'activated');
UPDATE loaded SET title = 'none' WHERE id = 2;
DELETE FROM loaded WHERE id = 3;
SELECT is_empty($$SELECT contact_id, fit, total FROM joined_scored
                  EXCEPT ALL SELECT id, lead_scoring.fit_score(j, 'joined'), lead_scoring.fit_score(j, 'joined')
                           FROM joined AS j$$, 'the view of scores is live');
SELECT flagged('joined', 'writes below the view');
SELECT is(problems('joined'), '', 'no trigger is missed');
CREATE TABLE joined_calls (id int, at timestamptz);
CREATE INDEX ON joined_calls (id);
INSERT INTO joined_calls SELECT id, now() - interval '1 day' FROM joined;
SELECT lead_scoring.add_event_source('joined', 'joined_calls', 'id', 'at') \g /dev/null
INSERT INTO lead_scoring.engagement_rule (model, name, kind, points, max_count) VALUES ('joined', 'call', 'each', 3, 1);
SELECT lead_scoring.activate('joined') \g /dev/null
SELECT is(outcome('SELECT DISTINCT engagement, freshness FROM joined_scored'), '(3,unwatched)', 'with events in a table');
SELECT is(problems('joined'), '', 'whose triggers nobody would hear, so that none is missed, either');
SELECT lives_ok($$SELECT lead_scoring.deactivate('joined')$$, 'deactivate');
SELECT lives_ok($$SELECT lead_scoring.drop_model('joined')$$, 'and drop_model');

SELECT * FROM finish();
