-- Rules that go back to what they were at the latest rescore: what was written in between
-- was looked at by others, and nobody has scored since.

\ir live.psql

SELECT plan(17);

CREATE TABLE firm (id int PRIMARY KEY, size int);
CREATE TABLE person (id int PRIMARY KEY, size int, note text, firm int);
CREATE TABLE deed (id int PRIMARY KEY, contact int, what text, at timestamptz);
CREATE INDEX ON person (firm);
CREATE INDEX ON deed (contact);
SELECT lead_scoring.create_model('m', 'person', 'id') IS NULL AS done,
       lead_scoring.add_event_source('m', 'deed', 'contact', 'at') IS NULL AS done \g /dev/null
INSERT INTO lead_scoring.lookup (model, alias, relation, key, contact_column)
VALUES ('m', 'company', 'public.firm', 'id', 'firm');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES
    ('m', 'note', $$note = 'good'$$, 10), ('m', 'firm', 'company.size > 15', 100);
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points) VALUES ('m', 'saw', 'each', $$what = 'view'$$, 1);
INSERT INTO firm VALUES (1, 10);
INSERT INTO person VALUES (1, 60, 'n', NULL), (2, 10, 'n', NULL), (3, 60, 'n', 1);
INSERT INTO deed VALUES (1, 1, 'call', now());
SELECT lead_scoring.activate('m') IS NULL AS done \g /dev/null

-- totals(): of everyone, as they are stored.
CREATE FUNCTION totals() RETURNS text LANGUAGE sql AS
    $$SELECT string_agg(contact_id || ':' || total, ' ' ORDER BY contact_id) FROM m_score$$;
CREATE FUNCTION seen() RETURNS text LANGUAGE sql AS
    $$SELECT string_agg(contact_id || ':' || total, ' ' ORDER BY contact_id) FROM m_scored$$;
CREATE FUNCTION queued() RETURNS SETOF text LANGUAGE sql AS
    $$SELECT reason FROM m_queue WHERE contact_id IS NULL$$;
SELECT is(totals(), '1:0 2:0 3:0', 'nobody has anything');

-- ------------------------------------------------- columns, lookups and events

UPDATE lead_scoring.fit_rule SET enabled = false WHERE model = 'm';
UPDATE lead_scoring.engagement_rule SET enabled = false WHERE model = 'm';
UPDATE person SET note = 'good' WHERE id = 1;
UPDATE deed SET what = 'view';
UPDATE firm SET size = 20;
UPDATE lead_scoring.fit_rule SET enabled = true WHERE model = 'm';
SELECT is_empty('SELECT queued()', 'rules that are others still are no reason');
UPDATE lead_scoring.engagement_rule SET enabled = true WHERE model = 'm';
SELECT is(queued(), 'rules are what they were before others', 'those that were left are one for everyone');
SELECT is(seen(), '1:11 2:0 3:100', 'the view knows at once');
SELECT is_empty($$SELECT * FROM lead_scoring.verify('m')$$, 'nobody is wrong unmarked');
CALL lead_scoring.refresh('m');
SELECT is(totals(), '1:11 2:0 3:100', 'a refresh finds all');
SELECT is_empty('SELECT queued()', 'and is done');
SELECT is_empty($$SELECT * FROM lead_scoring.verify('m')$$, 'all is right');

-- ------------------------------------------------------------- the population

UPDATE lead_scoring.model SET population = 'size > 50' WHERE name = 'm';
CALL lead_scoring.refresh('m');
SELECT is(totals(), '1:11 3:100', 'those of some size');
UPDATE lead_scoring.model SET population = 'size > 500' WHERE name = 'm';
UPDATE person SET size = size + 1;
UPDATE person SET size = 70 WHERE id = 2;
UPDATE lead_scoring.model SET population = 'size > 50' WHERE name = 'm';
SELECT is(seen(), '1:11 2:0 3:100', 'who was put out meanwhile, and who would have come in');
CALL lead_scoring.refresh('m');
SELECT is(totals(), '1:11 2:0 3:100', 'are found');
SELECT is_empty($$SELECT * FROM lead_scoring.verify('m')$$, 'all is right');

-- ------------------------------------------------------------ what is no return

UPDATE lead_scoring.fit_rule SET description = 'said' WHERE model = 'm';
SELECT is_empty('SELECT queued()', 'words change no rules');
UPDATE lead_scoring.fit_rule SET points = 20 WHERE model = 'm' AND name = 'note';
BEGIN;
UPDATE lead_scoring.fit_rule SET points = 10 WHERE model = 'm' AND name = 'note';
UPDATE lead_scoring.fit_rule SET points = 30 WHERE model = 'm' AND name = 'note';
COMMIT;
SELECT is_empty('SELECT queued()', 'nor is it one that is over before it is committed');
BEGIN;
SELECT lead_scoring.deactivate('m') IS NULL AS done \g /dev/null
UPDATE lead_scoring.fit_rule SET points = 10 WHERE model = 'm' AND name = 'note';
COMMIT;
SELECT is_empty('SELECT queued()', 'nor in a model that is not live');
UPDATE person SET note = 'bad' WHERE id = 1;
SELECT lead_scoring.activate('m') IS NULL AS done \g /dev/null
SELECT is(totals(), '1:1 2:0 3:100', 'activation looks at everyone');
UPDATE lead_scoring.fit_rule SET points = 30 WHERE model = 'm' AND name = 'note';
DO $$
BEGIN
    UPDATE lead_scoring.fit_rule SET points = 10 WHERE model = 'm' AND name = 'note';
    PERFORM lead_scoring.drop_model('m');
END
$$;
SELECT is_empty($$SELECT FROM lead_scoring.model WHERE name = 'm'$$, 'who drops the model hears nothing');

SELECT * FROM finish();
