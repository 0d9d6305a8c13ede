-- Lookups: conditions on a contact's company, and what a lookup must be.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS lead_scoring;
RESET client_min_messages;

CREATE SCHEMA crm;
CREATE TABLE crm.companies (id int PRIMARY KEY, name text, size int, industry text);
CREATE TABLE crm.contacts (id int PRIMARY KEY, name text, title text, company_id int);
CREATE INDEX ON crm.contacts (company_id);
INSERT INTO crm.companies VALUES (1, 'North', 120, 'IT'), (2, 'Blue', 4, 'Food'), (3, 'Red', NULL, 'IT');
INSERT INTO crm.contacts VALUES (1, 'Ada', 'CEO', 1), (2, 'Ben', 'CEO', 2), (3, 'Cleo', 'Buyer', 3),
    (4, 'Dan', 'Buyer', NULL), (5, 'Eva', 'Buyer', 9), (6, 'Blue', NULL, 2);

SELECT lead_scoring.create_model('b2b', 'crm.contacts', 'id');
SELECT lead_scoring.add_lookup('b2b', 'company', 'crm.companies', key => 'id', contact_column => 'company_id');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES
    ('b2b', 'Decision maker', $$title = 'CEO'$$, 15),
    ('b2b', 'Over 50 people', $$company.size > 50$$, 10),
    ('b2b', 'In IT',          $$company.industry = 'IT'$$, 5),
    ('b2b', 'Namesake',       $$contact.name = company.name$$, 1),
    ('b2b', 'No company',     $$company.id IS NULL$$, -7);

-- 15 + 10 + 5; 15; 5; and -7 without a company, also where it is not there; 1.
SELECT id, lead_scoring.fit_score(c, 'b2b') FROM crm.contacts c ORDER BY id;
SELECT e.* FROM crm.contacts c, lead_scoring.explain_fit(c, 'b2b') e WHERE c.id = 1;
SELECT id, lead_scoring.reasons(c, 'b2b') FROM crm.contacts c ORDER BY id;
-- A row of the contact's own columns will do, whatever makes it.
SELECT lead_scoring.fit_score(ROW(1), 'b2b');
SELECT lead_scoring.fit_score(r, 'b2b')
  FROM (VALUES ('CEO', 'Blue', 2), ('CEO', 'x', NULL)) AS r (title, name, company_id);

-- The same as plain SQL; name alone is the contact's.
\pset format unaligned
\pset tuples_only on
SELECT lead_scoring.to_sql('b2b') AS plain
\gset
\echo :plain
\pset format aligned
\pset tuples_only off
PREPARE plain AS :plain;
EXECUTE plain('2026-01-01');
DEALLOCATE plain;

-- Live: the company changes, its contacts follow.
SELECT lead_scoring.activate('b2b');
UPDATE crm.companies SET size = 51 WHERE id = 2;
INSERT INTO crm.companies VALUES (9, 'Late', 60, 'Food');
UPDATE crm.companies SET id = 4 WHERE id = 3;
SELECT contact_id, fit, reasons FROM crm.b2b_scored ORDER BY 1;
SELECT contact_id, fit FROM crm.b2b_score ORDER BY 1;
DELETE FROM crm.companies WHERE id = 1;
SELECT contact_id, fit FROM crm.b2b_score ORDER BY 1;
SELECT * FROM lead_scoring.verify('b2b');
SELECT * FROM lead_scoring.check_model('b2b') WHERE severity <> 'advice';

-- Who is scored may depend on it, too.
UPDATE lead_scoring.model SET population = $$company.industry <> 'IT' OR company.id IS NULL$$ WHERE name = 'b2b';
CALL lead_scoring.refresh('b2b');
UPDATE crm.companies SET industry = 'IT' WHERE id = 9;
SELECT contact_id FROM crm.b2b_score ORDER BY 1;
SELECT contact_id FROM crm.b2b_scored ORDER BY 1;

-- ------------------------------------------------------------ what is refused

\set VERBOSITY default
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES
    ('b2b', 'unqualified', 'size > 50', 1);
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES
    ('b2b', 'unknown', 'company.turnover > 50', 1);
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES
    ('b2b', 'whole row', 'company IS NOT NULL', 1);
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES
    ('b2b', 'other', 'profile.size > 50', 1);

CREATE TABLE crm.loose (id int, half int, late int, pair int, other int, code text, when_at date, size int);
CREATE UNIQUE INDEX ON crm.loose (half) WHERE size > 0;
CREATE UNIQUE INDEX ON crm.loose (pair, other);
ALTER TABLE crm.loose ADD UNIQUE (late) DEFERRABLE;
CREATE UNIQUE INDEX ON crm.loose ((other + 1));
CREATE UNIQUE INDEX ON crm.loose (when_at);
CREATE UNIQUE INDEX ON crm.loose (code);
SELECT lead_scoring.add_lookup('b2b', 'x', 'crm.loose', 'id', 'company_id');
SELECT lead_scoring.add_lookup('b2b', 'x', 'crm.loose', 'half', 'company_id');
SELECT lead_scoring.add_lookup('b2b', 'x', 'crm.loose', 'pair', 'company_id');
SELECT lead_scoring.add_lookup('b2b', 'x', 'crm.loose', 'late', 'company_id');
SELECT lead_scoring.add_lookup('b2b', 'x', 'crm.loose', 'other', 'company_id');
SELECT lead_scoring.add_lookup('b2b', 'x', 'crm.loose', 'when_at', 'company_id');
SELECT lead_scoring.add_lookup('b2b', 'x', 'crm.loose', 'nothing', 'company_id');
SELECT lead_scoring.add_lookup('b2b', 'x', 'crm.companies', 'id', 'company.id');
CREATE VIEW crm.big AS SELECT * FROM crm.companies WHERE size > 50;
SELECT lead_scoring.add_lookup('b2b', 'x', 'crm.big', 'id', 'company_id');
CREATE TABLE crm.parent (id int PRIMARY KEY);
CREATE TABLE crm.child () INHERITS (crm.parent);
SELECT lead_scoring.add_lookup('b2b', 'x', 'crm.parent', 'id', 'company_id');
CREATE TEMP TABLE away (id int PRIMARY KEY);
\set VERBOSITY sqlstate
SELECT lead_scoring.add_lookup('b2b', 'x', 'pg_temp.away', 'id', 'company_id');
\set VERBOSITY default
SELECT lead_scoring.add_lookup('b2b', 'contact', 'crm.companies', 'id', 'company_id');
SELECT lead_scoring.add_lookup('b2b', 'score', 'crm.companies', 'id', 'company_id');
SELECT lead_scoring.add_lookup('b2b', 'company', 'crm.companies', 'id', 'company_id');
SELECT lead_scoring.add_lookup('b2b', NULL, 'crm.companies', 'id', 'company_id');
SELECT lead_scoring.add_lookup('b2b', '', 'crm.companies', 'id', 'company_id');
SELECT lead_scoring.add_lookup('none', 'x', 'crm.companies', 'id', 'company_id');
INSERT INTO lead_scoring.lookup VALUES ('b2b', 'x', 'crm.missing', 'id', 'company_id');

-- What conditions use stays: by whichever condition it is named.
DELETE FROM lead_scoring.lookup WHERE model = 'b2b';
UPDATE lead_scoring.model SET population = NULL WHERE name = 'b2b';
UPDATE lead_scoring.lookup SET alias = 'firm' WHERE model = 'b2b';
UPDATE lead_scoring.lookup SET relation = 'crm.loose', key = 'code', contact_column = 'name' WHERE model = 'b2b';
UPDATE lead_scoring.fit_rule SET enabled = false WHERE model = 'b2b' AND condition LIKE '%company.%';
UPDATE lead_scoring.transition SET condition = 'company.size > 5 AND score.total > 80'
 WHERE model = 'b2b' AND from_stage = 'mql';
DELETE FROM lead_scoring.lookup WHERE model = 'b2b';
UPDATE lead_scoring.transition SET condition = 'score.total > 80' WHERE model = 'b2b' AND from_stage = 'mql';
INSERT INTO lead_scoring.action (model, name, condition) VALUES ('b2b', 'call', 'company.size > 5');
DELETE FROM lead_scoring.lookup WHERE model = 'b2b';
DELETE FROM lead_scoring.action WHERE model = 'b2b';
DELETE FROM lead_scoring.lookup WHERE model = 'b2b';
-- The view was made with it.
SELECT count(*) FROM crm.b2b_scored;
SELECT lead_scoring.activate('b2b');
SELECT contact_id, fit FROM crm.b2b_scored ORDER BY 1;

-- ------------------------------------------- what becomes of it later

SELECT lead_scoring.add_lookup('b2b', 'company', 'crm.companies', 'id', 'company_id');
UPDATE lead_scoring.fit_rule SET enabled = true WHERE model = 'b2b';
SELECT lead_scoring.activate('b2b');
ALTER TABLE crm.companies DROP CONSTRAINT companies_pkey;
SELECT * FROM lead_scoring.check_model('b2b') WHERE severity <> 'advice';
SELECT lead_scoring.fit_score(c, 'b2b') FROM crm.contacts c WHERE id = 1;
-- The write succeeds, and waits.
UPDATE crm.companies SET size = 7 WHERE id = 9;
SELECT lookup, lookup_key, reason FROM crm.b2b_queue;
ALTER TABLE crm.companies ADD UNIQUE (id);
CALL lead_scoring.refresh('b2b');
SELECT * FROM lead_scoring.check_model('b2b') WHERE severity <> 'advice';
SELECT * FROM lead_scoring.verify('b2b');
ALTER TABLE crm.companies RENAME TO firms;
SELECT * FROM lead_scoring.check_model('b2b') WHERE severity <> 'advice';
UPDATE lead_scoring.lookup SET relation = 'crm.firms' WHERE model = 'b2b';
SELECT lead_scoring.activate('b2b');
SELECT * FROM lead_scoring.check_model('b2b') WHERE severity <> 'advice';
DROP INDEX crm.contacts_company_id_idx;
SELECT object, problem, suggestion FROM lead_scoring.check_model('b2b') WHERE severity <> 'advice';
ALTER TABLE crm.firms DISABLE TRIGGER b2b_lookup;
SELECT object, problem, suggestion FROM lead_scoring.check_model('b2b') WHERE severity <> 'advice';
ALTER TABLE crm.firms ENABLE TRIGGER b2b_lookup;

-- A materialized view may be a lookup; nothing tells when it is refreshed.
CREATE MATERIALIZED VIEW crm.sizes AS SELECT id, size FROM crm.firms;
SELECT lead_scoring.add_lookup('b2b', 'sizes', 'crm.sizes', 'id', 'company_id');
CREATE UNIQUE INDEX ON crm.sizes (id);
SELECT lead_scoring.add_lookup('b2b', 'sizes', 'crm.sizes', 'id', 'company_id');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('b2b', 'By sizes', 'sizes.size = 60', 100);
SELECT lead_scoring.activate('b2b');

SELECT lead_scoring.deactivate('b2b');
SELECT tgname FROM pg_trigger WHERE tgname LIKE 'b2b%';
SELECT lead_scoring.drop_model('b2b');
SELECT count(*) FROM lead_scoring.lookup;
DROP SCHEMA crm CASCADE;
