-- The user's own write never fails because of scoring: it goes through, the contact has
-- no score rather than a wrong one, check_model says why, and a WARNING appears once in a
-- session for each model.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS lead_scoring;
CREATE SCHEMA faults;
CREATE TABLE faults.contacts (id int PRIMARY KEY, size int, firm int, stage text DEFAULT 'lead');
CREATE TABLE faults.events (contact int, worth int, at timestamptz DEFAULT now());
CREATE INDEX ON faults.events (contact);
INSERT INTO faults.contacts SELECT g, g FROM generate_series(1, 6) AS g;

-- Of one model the contact's row is all, the other one has a stage column and events.
SELECT lead_scoring.create_model('bare', 'faults.contacts', 'id');
SELECT lead_scoring.create_model('full', 'faults.contacts', 'id', stage_column => 'stage');
SELECT lead_scoring.add_event_source('full', 'faults.events', 'contact', 'at');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES
    ('bare', 'ratio', '10 / size >= 2', 5), ('full', 'ratio', '10 / (size - 1) >= 2', 5);
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, max_count)
VALUES ('full', 'worth it', 'each', '10 / worth >= 2', 3, 2);
UPDATE faults.contacts SET size = 9 WHERE id = 1;
SELECT lead_scoring.activate('bare');
SELECT lead_scoring.activate('full');

-- A condition on the contact.
UPDATE faults.contacts SET size = 0 WHERE id = 1;
UPDATE faults.contacts SET size = 0 WHERE id = 2;
UPDATE faults.contacts SET size = 1 WHERE id = 3;
UPDATE faults.contacts SET size = 1 WHERE id = 4;
INSERT INTO faults.contacts VALUES (7, 1), (8, 0);

-- A condition on events, in another session.
\c -
SET client_min_messages = warning;
INSERT INTO faults.events VALUES (5, 0);
INSERT INTO faults.events VALUES (6, 0), (6, 2);
SELECT contact_id, fit, engagement, total, freshness, reasons FROM faults.full_scored ORDER BY contact_id;
SELECT contact_id, fit, total, problem FROM faults.bare_score ORDER BY contact_id;
SELECT severity, object, problem FROM lead_scoring.check_model('full') WHERE severity = 'error';
SELECT * FROM lead_scoring.verify('full');
SELECT * FROM lead_scoring.verify('bare');

-- A broken model, in each mode.
ALTER TABLE faults.contacts RENAME COLUMN size TO people;
UPDATE faults.contacts SET people = 5 WHERE id = 1;
\c -
SET client_min_messages = warning;
SET lead_scoring.apply = statement;
UPDATE faults.contacts SET people = 5 WHERE id = 3;
INSERT INTO faults.events VALUES (5, 5);
\c -
SET client_min_messages = warning;
SET lead_scoring.apply = queue;
UPDATE faults.contacts SET people = 5 WHERE id = 4;
SELECT DISTINCT object, problem FROM lead_scoring.check_model('bare') WHERE severity = 'error' ORDER BY 1;

-- Mended.
RESET lead_scoring.apply;
UPDATE lead_scoring.fit_rule SET condition = replace(condition, 'size', 'people') WHERE model IN ('bare', 'full');
UPDATE faults.contacts SET people = 5;
UPDATE faults.events SET worth = 5;
CALL lead_scoring.refresh('bare');
CALL lead_scoring.refresh('full');
SELECT contact_id, fit, engagement, total, freshness FROM faults.full_scored ORDER BY contact_id;
SELECT * FROM lead_scoring.verify('full');
SELECT * FROM lead_scoring.verify('bare');
SELECT object, problem FROM lead_scoring.check_model('bare') WHERE severity = 'error';

-- Who drops a model after writing, in one transaction, hears nothing of scores.
\c -
SET client_min_messages = warning;
BEGIN;
UPDATE faults.contacts SET people = 7;
INSERT INTO faults.events VALUES (5, 5);
SELECT lead_scoring.drop_model('bare');
SELECT lead_scoring.drop_model('full');
COMMIT;
DROP SCHEMA faults CASCADE;

-- So does who has written what no rule looks at, and hears of other rules.
CREATE TABLE contact (id int PRIMARY KEY, size int, note text);
INSERT INTO contact VALUES (1, 100, 'a');
SELECT lead_scoring.create_model('m', 'contact', 'id');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('m', 'big', 'size > 50', 5);
SELECT lead_scoring.activate('m');
UPDATE contact SET size = size;
BEGIN;
UPDATE contact SET note = 'x';
UPDATE lead_scoring.fit_rule SET points = 6 WHERE model = 'm';
COMMIT;
SELECT contact_id, reason, cause FROM m_queue;
BEGIN;
UPDATE contact SET note = 'x';
SELECT lead_scoring.deactivate('m');
COMMIT;
SELECT lead_scoring.activate('m');
UPDATE contact SET size = size;
BEGIN;
UPDATE contact SET note = 'x';
SELECT lead_scoring.drop_model('m');
COMMIT;
DROP TABLE contact;
