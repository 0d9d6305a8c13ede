-- Fit: from an own table to a ranked list, and what a score is made of.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS lead_scoring;
RESET client_min_messages;

-- ------------------------------------------------------- the analyst's path

CREATE SCHEMA crm;
CREATE TABLE crm.contacts (
    id           bigint PRIMARY KEY,
    email        text,
    title        text,
    company_size int
);
INSERT INTO crm.contacts VALUES
    (1, 'ada@north.example', 'CEO',           120),
    (2, 'ben@gmail.com',     'ceo & founder', 4),
    (3, 'cleo@blue.example', 'Buyer',         51),
    (4, 'dan@gmail.com',     NULL,            NULL),
    (5, NULL,                'Buyer',         50);

SELECT lead_scoring.create_model('b2b', contacts => 'crm.contacts', contact_id => 'id');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES
    ('b2b', 'Decision maker',  $$title ILIKE '%CEO%'$$, 15),
    ('b2b', 'Over 50 people',  $$company_size > 50$$, 10),
    ('b2b', 'Private mailbox', $$email ILIKE '%@gmail.com'$$, -20);

-- 25, 15 - 20, 10, -20, and 0: 50 is not over 50.
SELECT id, lead_scoring.fit_score(c, 'b2b') FROM crm.contacts c ORDER BY 2 DESC LIMIT 10;

SELECT lead_scoring.activate('b2b');
SELECT c.email, s.contact_id, s.fit, s.engagement, s.intent, s.total, s.band, s.grade,
       s.stage, s.reasons, s.scored_at IS NOT NULL AS scored
FROM crm.b2b_scored s JOIN crm.contacts c ON c.id = s.contact_id
ORDER BY total DESC LIMIT 10;

-- Kept by triggers.
INSERT INTO crm.contacts VALUES (6, 'eva@blue.example', 'CEO', 60);
UPDATE crm.contacts SET title = 'CEO' WHERE id = 3;
DELETE FROM crm.contacts WHERE id = 5;
SELECT contact_id, fit, total, band, grade FROM crm.b2b_score ORDER BY 1;
SELECT * FROM lead_scoring.check_model('b2b') WHERE severity <> 'advice';
SELECT * FROM lead_scoring.verify('b2b');

-- ---------------------------------------------------- where points come from

SELECT e.* FROM crm.contacts c, lead_scoring.explain_fit(c, 'b2b') e WHERE c.id = 2;
SELECT lead_scoring.reasons(c, 'b2b') FROM crm.contacts c WHERE c.id IN (1, 2, 4) ORDER BY id;

-- Group "role" is cut at 20, group "doubts" at -15.
INSERT INTO lead_scoring.rule_group (model, name, dimension, min_points, max_points) VALUES
    ('b2b', 'role',   'fit', NULL, 20),
    ('b2b', 'doubts', 'fit', -15, NULL);
UPDATE lead_scoring.fit_rule SET group_name = 'role'
 WHERE model = 'b2b' AND name IN ('Decision maker', 'Over 50 people');
UPDATE lead_scoring.fit_rule SET group_name = 'doubts' WHERE model = 'b2b' AND points < 0;
INSERT INTO lead_scoring.fit_rule (model, name, group_name, condition, points) VALUES
    ('b2b', 'No title', 'doubts', $$title IS NULL$$, -4),
    ('b2b', 'Known',    NULL,     $$email IS NOT NULL$$, 1.5);

-- 1: 25 cut to 20, + 1.5.  2: 15 - 15 + 1.5.  3, 6: as 1.  4: -24 cut to -15, + 1.5.
SELECT c.id, lead_scoring.fit_score(c, 'b2b') AS fit, sum(e.counted) AS explained
FROM crm.contacts c, lead_scoring.explain_fit(c, 'b2b') e
GROUP BY c.id ORDER BY c.id;
SELECT e.* FROM crm.contacts c, lead_scoring.explain_fit(c, 'b2b') e WHERE c.id = 4;

-- The limits of the model come last: from -10 to 20.
UPDATE lead_scoring.model SET fit_floor = -10, fit_ceiling = 20 WHERE name = 'b2b';
SELECT c.id, lead_scoring.fit_score(c, 'b2b') AS fit, sum(e.counted) AS explained
FROM crm.contacts c, lead_scoring.explain_fit(c, 'b2b') e
GROUP BY c.id ORDER BY c.id;
SELECT e.* FROM crm.contacts c, lead_scoring.explain_fit(c, 'b2b') e
WHERE c.id = 4 AND matched;

-- A rule that is not enabled does not count.
UPDATE lead_scoring.fit_rule SET enabled = false WHERE model = 'b2b' AND name = 'Known';
SELECT c.id, lead_scoring.fit_score(c, 'b2b') AS fit FROM crm.contacts c ORDER BY id;
SELECT e.rule FROM crm.contacts c, lead_scoring.explain_fit(c, 'b2b') e WHERE c.id = 1;

-- The rules have changed: the view is right, the table waits for refresh.
SELECT contact_id, s.total AS stored, v.total AS shown
FROM crm.b2b_score s JOIN crm.b2b_scored v USING (contact_id) ORDER BY 1;
SELECT * FROM lead_scoring.check_model('b2b') WHERE severity <> 'advice';
CALL lead_scoring.refresh('b2b');
SELECT contact_id, total FROM crm.b2b_score ORDER BY 1;

-- ------------------------------------------------------------- plain SQL

SELECT lead_scoring.to_sql('b2b') AS sql \gset
\echo :sql
PREPARE plain AS :sql;
CREATE TEMP TABLE plain AS EXECUTE plain ('2026-01-01 00:00+00');
SELECT * FROM plain ORDER BY contact_id;
SELECT count(*) AS agree, count(*) FILTER (WHERE p.fit = lead_scoring.fit_score(c, 'b2b')) AS fit,
       count(*) FILTER (WHERE p.total = s.total) AS total
FROM plain p JOIN crm.contacts c ON c.id = p.contact_id JOIN crm.b2b_scored s USING (contact_id);

-- ------------------------------------------------- total, bands and grades

UPDATE lead_scoring.model
   SET fit_weight = 2, engagement_weight = 0.5, intent_weight = 3, total_floor = 0, total_ceiling = 100
 WHERE name = 'b2b';
-- 2 * 10 + 0.5 * 20 + 3 * 5 = 45; at least 0; at most 100; unknown where a part is.
SELECT lead_scoring.total_score(10, 20, 5, 'b2b') AS weighted,
       lead_scoring.total_score(-10, 0, 0, 'b2b') AS floor,
       lead_scoring.total_score(60, 0, 0, 'b2b') AS ceiling,
       lead_scoring.total_score(60, NULL, 0, 'b2b') AS unknown;
SELECT contact_id, fit, total, band FROM crm.b2b_scored ORDER BY 1;

-- A label begins at its score. Compared are 6 decimals: 79.9999996 is 80.
SELECT total, lead_scoring.band(total, 'b2b'), lead_scoring.band_rank(total, 'b2b')
FROM (VALUES (100::float8), (80), (79.9999996), (79.9999994), (79.999999), (50), (49.999999),
             (20), (19.999999), (0), (-1e9), (NULL)) AS v (total);
SELECT fit, engagement, lead_scoring.grade(fit, engagement, 'b2b')
FROM (VALUES (30::float8, 50::float8), (29.999999, 49.999999), (10, 20), (9.999999, 19.999999),
             (-5, 0), (NULL, 0)) AS v (fit, engagement);
-- Without a label below all others there is none.
DELETE FROM lead_scoring.threshold WHERE model = 'b2b' AND min_score IS NULL;
SELECT lead_scoring.band(19, 'b2b') IS NULL AS no_band,
       lead_scoring.band_rank(19, 'b2b') AS last_rank,
       lead_scoring.grade(9, 50, 'b2b') IS NULL AS no_grade;

-- --------------------------------------------------------------- rounding

-- 0.1 + 0.2 is 0.3; 0.0000004 is 0, and never -0.
SELECT lead_scoring.create_model('sums', 'crm.contacts', 'id');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES
    ('sums', 'a', 'id = 1', 0.1), ('sums', 'b', 'id = 1', 0.2),
    ('sums', 'c', 'id = 2', 0.0000004), ('sums', 'd', 'id = 3', -0.0000004),
    ('sums', 'e', 'id = 4', 0.0000006), ('sums', 'f', 'id = 6', 1e305), ('sums', 'g', 'id = 6', 1e305);
SELECT id, lead_scoring.fit_score(c, 'sums') FROM crm.contacts c WHERE id < 6 ORDER BY id;
-- 2e305 cannot be rounded to 6 decimals; a limit comes before the rounding.
SELECT lead_scoring.fit_score(c, 'sums') FROM crm.contacts c WHERE id = 6;
UPDATE lead_scoring.model SET fit_ceiling = 1e6 WHERE name = 'sums';
SELECT lead_scoring.fit_score(c, 'sums') FROM crm.contacts c WHERE id = 6;

-- ------------------------------------------------------------ rows of any kind

SELECT lead_scoring.fit_score(NULL::crm.contacts, 'b2b') IS NULL AS null_row,
       lead_scoring.fit_score(NULL::record, 'b2b') IS NULL AS null_record,
       lead_scoring.fit_score(c, NULL) IS NULL AS null_model,
       lead_scoring.fit_score(c, 'b2b', NULL) IS NULL AS null_moment
FROM crm.contacts c WHERE id = 1;
-- A row of nulls is not a NULL row: it has no title, -4.
SELECT lead_scoring.fit_score(ROW(NULL, NULL, NULL, NULL)::crm.contacts, 'b2b');
SELECT lead_scoring.fit_score(ROW(9, 'x@y.example', 'CEO', 60)::crm.contacts, 'b2b');

CREATE VIEW crm.bosses AS
    SELECT company_size, upper(title) AS title, email FROM crm.contacts WHERE title IS NOT NULL;
SELECT title, lead_scoring.fit_score(b, 'b2b') FROM crm.bosses b ORDER BY company_size;
SELECT lead_scoring.fit_score(s, 'b2b')
FROM (SELECT 'x@gmail.com'::text AS email, 'CEO'::text AS title, 7 AS company_size) s;

-- A partition whose columns are in another order.
CREATE TABLE crm.leads (id int, title text, size int, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE crm.leads_1 PARTITION OF crm.leads FOR VALUES FROM (1) TO (100);
CREATE TABLE crm.leads_2 (gone text, size int, id int NOT NULL, title text);
ALTER TABLE crm.leads_2 DROP COLUMN gone;
ALTER TABLE crm.leads ATTACH PARTITION crm.leads_2 FOR VALUES FROM (100) TO (200);
INSERT INTO crm.leads VALUES (1, 'CEO', 7), (100, 'CEO', 700);
SELECT lead_scoring.create_model('leads', 'crm.leads', 'id');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES
    ('leads', 'CEO', $$title = 'CEO'$$, 1), ('leads', 'big', 'size >= 700', 10);
SELECT id, lead_scoring.fit_score(l, 'leads') FROM crm.leads l ORDER BY id;
SELECT id, lead_scoring.fit_score(l, 'leads') FROM crm.leads_2 l;
SELECT lead_scoring.activate('leads');
UPDATE crm.leads_2 SET title = NULL;
INSERT INTO crm.leads_1 VALUES (2, NULL, 1000);
SELECT contact_id, total FROM crm.leads_scored ORDER BY 1;
SELECT contact_id, total FROM crm.leads_score ORDER BY 1;

-- What a row must have.
SELECT lead_scoring.fit_score(s, 'b2b') FROM (SELECT 'CEO'::text AS title) s;
SELECT lead_scoring.fit_score(s, 'b2b')
FROM (SELECT 'CEO'::text AS title, 'x'::text AS email, 60::bigint AS company_size) s;
SELECT lead_scoring.fit_score(ROW(9, 'x@y.example', 'CEO', 60), 'b2b');

-- ------------------------------------------------------------------ errors

\set SHOW_CONTEXT never
SELECT lead_scoring.fit_score(c, 'b2c') FROM crm.contacts c;
SELECT lead_scoring.to_sql('b2c');
SELECT lead_scoring.band(1, 'b2c');
SELECT lead_scoring.activate('b2c');
CALL lead_scoring.refresh('b2c');
SELECT * FROM lead_scoring.check_model('b2c') WHERE severity <> 'advice';
SELECT * FROM lead_scoring.verify('sums');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('b2b', 'x', 'true', 'NaN');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('b2b', 'x', 'true', 'Infinity');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('b2c', 'x', 'true', 1);
INSERT INTO lead_scoring.rule_group (model, name, dimension, max_points)
VALUES ('b2b', 'x', 'fit', '-Infinity');
INSERT INTO lead_scoring.rule_group (model, name, dimension, min_points, max_points)
VALUES ('b2b', 'x', 'fit', 2, 1);
UPDATE lead_scoring.model SET total_ceiling = 'NaN' WHERE name = 'b2b';
UPDATE lead_scoring.threshold SET min_score = 'NaN' WHERE model = 'b2b' AND label = 'hot';
SELECT lead_scoring.create_model('b2b', 'crm.contacts', 'id');

-- ------------------------------------------------------------- population

UPDATE lead_scoring.model SET population = $$email NOT LIKE '%@gmail.com'$$ WHERE name = 'b2b';
CALL lead_scoring.refresh('b2b', NULL) \gset
SELECT contact_id, total FROM crm.b2b_scored ORDER BY 1;
SELECT contact_id, total FROM crm.b2b_score ORDER BY 1;
-- fit_score is asked for one row: it answers.
SELECT id, lead_scoring.fit_score(c, 'b2b') AS fit, lead_scoring.in_population(c, 'b2b')
FROM crm.contacts c ORDER BY id;

-- ------------------------------------------------------------- and back

SELECT lead_scoring.deactivate('b2b');
UPDATE crm.contacts SET title = NULL WHERE id = 1;
SELECT contact_id, total FROM crm.b2b_score ORDER BY 1;
SET client_min_messages = warning;
SELECT lead_scoring.activate('b2b');
SELECT contact_id, total FROM crm.b2b_score ORDER BY 1;
SELECT lead_scoring.drop_model(name) FROM lead_scoring.model WHERE name IN ('b2b', 'sums', 'leads');
SELECT relname FROM pg_class WHERE relnamespace = 'crm'::regnamespace AND relkind IN ('r', 'v', 'S')
ORDER BY 1;

DROP SCHEMA crm CASCADE;

-- try_numeric: as the cast, or null.
SELECT v, lead_scoring.try_numeric(v) AS n
  FROM unnest(ARRAY['12', ' -1.50 ', '+.5', '5.', '1e3', '1E-2', '', ' ', '.', '-', 'x', '1x', '1 2', '1e', '1e+',
                    'NaN', 'Infinity', '0x1F', '1_000', '1,5', '1e1000', '1e1001', '1e99999999999']) WITH ORDINALITY AS t (v, place)
 WHERE length(lead_scoring.try_numeric(v)::text) IS NULL OR length(lead_scoring.try_numeric(v)::text) < 100
 ORDER BY place;
SELECT lead_scoring.try_numeric(NULL) IS NULL AS null, lead_scoring.try_numeric(repeat('1', 1000)) = repeat('1', 1000)::numeric AS long,
       lead_scoring.try_numeric(repeat('1', 1001)) IS NULL AS longer;
