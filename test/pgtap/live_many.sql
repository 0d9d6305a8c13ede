-- More contacts in one transaction than are applied at once: in parts, each of which has
-- some that are new, some that are there, and some that go.

\ir live.psql
SET client_min_messages = error;

SELECT plan(7);

CREATE TABLE many (id int PRIMARY KEY, title text, size int, note text);
CREATE TABLE deed (contact int, at timestamptz);
CREATE INDEX ON deed (contact);
INSERT INTO many SELECT 2 * g, 'CEO', g % 100 FROM generate_series(1, 55000) AS g;
SELECT lead_scoring.create_model('many', 'many', 'id') \g /dev/null
SELECT lead_scoring.add_event_source('many', 'deed', 'contact', 'at') \g /dev/null
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('many', 'boss', $$title = 'CEO'$$, 15), ('many', 'big', 'size > 50', 10);
INSERT INTO lead_scoring.engagement_rule (model, name, kind, points, max_count) VALUES ('many', 'any', 'each', 3, 5);
SELECT lead_scoring.activate('many') \g /dev/null

BEGIN;
INSERT INTO many SELECT 2 * g - 1, 'clerk', g % 100 FROM generate_series(55000, 1, -1) AS g;
UPDATE many SET size = 99 - size WHERE id % 2 = 0;
INSERT INTO deed SELECT g, now() FROM generate_series(1, 120000, 3) AS g;
COMMIT;
SELECT sound('many', 'new contacts, changes and events');
SELECT is(count(*), 110000::bigint, 'of all contacts') FROM many_score;
SELECT is(count(*), 0::bigint, 'nobody waits') FROM many_queue;

BEGIN;
DELETE FROM many WHERE id % 10 = 3;
INSERT INTO deed SELECT g, now() FROM generate_series(1, 110000) AS g;
SAVEPOINT a;
UPDATE many SET title = 'none';
SELECT lead_scoring.flush() \g /dev/null
ROLLBACK TO a;
COMMIT;
SELECT sound('many', 'some go, and what was rolled back');
SELECT is(count(*), 99000::bigint, 'of those that are left') FROM many_score;
SELECT is(count(*), 0::bigint, 'nobody waits') FROM many_queue;
SELECT is(problems('many'), '', 'without a problem');

SELECT * FROM finish();
