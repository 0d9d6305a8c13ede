-- Models as documents: a model that uses every column of every table goes out
-- and comes back; what the document lacks goes; nothing depends on the session;
-- clones.

\set ON_ERROR_STOP on
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on

DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['ls_export_owner', 'ls_export_reader', 'ls_export_stranger'] LOOP
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            EXECUTE format('DROP OWNED BY %I CASCADE; DROP ROLE %I', role, role);
        END IF;
        EXECUTE format('CREATE ROLE %I', role);
    END LOOP;
END
$$;

SELECT plan(47);

-- ------------------------------------------------------------------ a model

CREATE SCHEMA "C r m";
GRANT USAGE, CREATE ON SCHEMA "C r m" TO ls_export_owner;
GRANT USAGE ON SCHEMA "C r m" TO ls_export_reader;
SET ROLE ls_export_owner;
CREATE TABLE "C r m"."Contacts" (
    "Id" bigint PRIMARY KEY, title text, size int, stage text, created_at timestamptz,
    country text, company int);
CREATE TABLE "C r m".companies (id int PRIMARY KEY, size int);
CREATE TABLE "C r m".events (contact bigint, at timestamp, type text, what text, amount float8);
CREATE TABLE "C r m".deals (contact bigint, eur numeric, opened timestamptz, closed timestamptz, won boolean);
GRANT SELECT ON "C r m"."Contacts" TO ls_export_reader;
INSERT INTO "C r m"."Contacts" VALUES (1, 'CEO', 60, 'lead', '2026-01-01', 'DE', 1), (2, 'x', 5, 'lead', '2026-02-01', NULL, 1);
CREATE INDEX ON "C r m".events (contact);
INSERT INTO "C r m".events VALUES (1, '2026-02-20', 'page', '/pricing', 2);

SELECT lead_scoring.create_model('it''s "one"', '"C r m"."Contacts"', 'Id', stage_column => 'stage',
    created_column => 'created_at', population => '"Id" > 0', time_zone => 'Europe/Berlin',
    segments => '{country,size}', description => E'Why:\n"so"', search_path => '"C r m", pg_temp') \g /dev/null
UPDATE lead_scoring.model SET fit_weight = 1.5, engagement_weight = 0.1, intent_weight = 2,
    fit_floor = -50, fit_ceiling = 100, engagement_floor = -1e-7, engagement_ceiling = 1e15,
    intent_floor = 0, intent_ceiling = 0.30000000000000004, total_floor = -10, total_ceiling = 120,
    reviewed_at = '2026-01-31 23:30:00.123456+00' WHERE name = 'it''s "one"';
-- What functions set is no part of a document.
CREATE TEMP TABLE m AS SELECT 'it''s "one"'::text AS model;
INSERT INTO lead_scoring.lookup SELECT model, 'company', '"C r m".companies', 'id', 'company' FROM m;
UPDATE lead_scoring.model SET population = '"Id" > 0 AND company.size IS DISTINCT FROM 1' WHERE name = 'it''s "one"';
INSERT INTO lead_scoring.event_source SELECT model, 'web', '"C r m".events', 'contact', 'at', 'Asia/Kathmandu', $$type <> 'bot'$$, $$type <> 'sent'$$ FROM m;
INSERT INTO lead_scoring.rule_group
    SELECT model, v.* FROM m, (VALUES ('g', 'engagement', -5.5, 40, 'All visits'), ('f', 'fit', NULL, 30, NULL)) AS v;
INSERT INTO lead_scoring.fit_rule SELECT model, v.* FROM m, (VALUES
    ('Boss', 'f', $$title ILIKE '%CEO%'$$, 30, true, 'Decides'),
    ('aa', NULL, E'company.size > 50 -- "many"\n', 0.1, false, NULL)) AS v;
INSERT INTO lead_scoring.engagement_rule (model, name, group_name, dimension, source, kind, condition, points, within,
    max_count, distinct_by, value, "unless", "after", requires, counts_from, counts_until, expires_after, enabled, description)
    SELECT model, 'each', 'g', 'engagement', 'web', 'each', $$type = 'page'$$, 20, '1 mon 2 days 03:04:05.5', 3, 'what',
        'amount', $$type = 'order'$$, '1 day', NULL, '2026-01-01 00:00+00', 'infinity', '90 days', true, 'Visits' FROM m;
INSERT INTO lead_scoring.engagement_rule (model, name, source, kind, condition, points, at_least, at_most, requires)
    SELECT model, 'count', 'web', 'count', $$type = 'page'$$, -2, 1, 3, 'each' FROM m;
UPDATE lead_scoring.engagement_rule SET requires = 'count' WHERE name = 'each'; -- a circle
INSERT INTO lead_scoring.engagement_rule (model, name, kind, points, within, repeat_every, max_count, if_never)
    SELECT model, 'silent', 'inactive', -5, '60 days', '30 days', 4, 'skip' FROM m;
INSERT INTO lead_scoring.engagement_rule (model, name, dimension, source, kind, steps, step_order, within, points)
    SELECT model, 'both', 'intent', 'web', 'sequence', ARRAY[$$what = '/pricing'$$, $$what = 'a,"b"{}\'$$], 'any', '7 days', 25 FROM m;
INSERT INTO lead_scoring.engagement_rule (model, name, source, kind, condition, hit, distinct_by, at_least, grace, points)
    SELECT model, 'row', 'web', 'streak', $$type = 'sent'$$, $$type = 'opened'$$, 'what', 3, '2 days', 15 FROM m;
INSERT INTO lead_scoring.engagement_rule (model, name, source, kind, condition, points, half_life)
    SELECT model, 'fades', 'web', 'each', $$type = 'page'$$, 1, '14 days' FROM m;
INSERT INTO lead_scoring.engagement_rule (model, name, source, kind, points, max_count, linear_over)
    SELECT model, 'line', 'web', 'each', 1, 1, '1 year' FROM m;
INSERT INTO lead_scoring.engagement_rule (model, name, source, kind, points, max_count, decay_percent, decay_every)
    SELECT model, 'steps', 'web', 'each', 1, 1, 33.3, '30 days' FROM m;
UPDATE lead_scoring.stage SET label = NULL WHERE model = (SELECT model FROM m) AND name = 'lead';
UPDATE lead_scoring.transition SET enabled = false WHERE model = (SELECT model FROM m) AND to_stage = 'sql';
INSERT INTO lead_scoring.milestone SELECT model, 'called', 'web', $$type = 'call'$$, 'By sales' FROM m;
INSERT INTO lead_scoring.action SELECT model, 'alert', 'score.total >= 80', 'change', '30 days', '2 days', 'called', '3 days',
    'hot_leads', '{"to": ["a", null], "n": 1.50}', true, 'At once' FROM m;
INSERT INTO lead_scoring.deal_source SELECT model, '"C r m".deals', 'contact', 'eur * 2', 'opened', 'closed', 'won', '7 days' FROM m;

CREATE FUNCTION pg_temp.doc(model text DEFAULT NULL) RETURNS jsonb LANGUAGE sql AS $$
    SELECT lead_scoring.export_model(coalesce($1, (SELECT model FROM m)))
$$;
CREATE TEMP TABLE original AS SELECT pg_temp.doc() AS document;

-- Nobody forgets a table or a column here that comes later.
SELECT set_eq(
    $$SELECT c.relname FROM pg_extension AS x JOIN pg_class AS c ON c.oid = ANY (x.extconfig)
       WHERE x.extname = 'lead_scoring' AND c.relname <> 'model'
         AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'model' AND attnum > 0)$$,
    $$SELECT part FROM lead_scoring.config_parts()$$,
    'a document has every configuration table of a model');
SELECT is_empty(
    $$SELECT p.part, c.name
        FROM (SELECT part FROM lead_scoring.config_parts() UNION ALL SELECT 'model') AS p (part),
             lead_scoring.config_columns(p.part) AS c
       WHERE NOT EXISTS (
             SELECT FROM original, jsonb_array_elements(CASE p.part WHEN 'model' THEN jsonb_build_array(document -> 'model')
                                                        ELSE document -> p.part::text END) AS row
              WHERE row ->> c.name::text IS NOT NULL)$$,
    'this model uses every column of every table');
SELECT is_empty(
    $$SELECT a.attname FROM pg_attribute AS a
       WHERE a.attrelid = 'lead_scoring.model'::regclass AND a.attnum > 0 AND NOT a.attisdropped
         AND a.attname NOT IN (SELECT name FROM lead_scoring.config_columns('model'))
         AND a.attname NOT IN ('status', 'objects_schema', 'owner', 'scored_stamp', 'mixed_until', 'created_at')$$,
    'of the model itself all is exported but what functions set');

-- ------------------------------------------------------ what is in a document

SELECT is(document -> 'model', jsonb_build_object('name', 'it''s "one"', 'contacts', '"C r m"."Contacts"',
    'contact_id', 'Id', 'stage_column', 'stage', 'created_column', 'created_at', 'population', '"Id" > 0 AND company.size IS DISTINCT FROM 1',
    'fit_weight', 1.5, 'engagement_weight', 0.1, 'intent_weight', 2, 'fit_floor', -50, 'fit_ceiling', 100,
    'engagement_floor', -1e-7, 'engagement_ceiling', 1e15, 'intent_floor', 0,
    'intent_ceiling', 0.30000000000000004, 'total_floor', -10, 'total_ceiling', 120,
    'time_zone', 'Europe/Berlin', 'segments', '["country", "size"]'::jsonb, 'search_path', '"C r m", pg_temp',
    'description', E'Why:\n"so"', 'reviewed_at', '2026-01-31T23:30:00.123456+00:00'), 'the model')
  FROM original;
SELECT is(document -> 'fit_rule',
    $$[{"name": "Boss", "group_name": "f", "condition": "title ILIKE '%CEO%'", "points": 30, "enabled": true, "description": "Decides"},
       {"name": "aa", "condition": "company.size > 50 -- \"many\"\n", "points": 0.1, "enabled": false}]$$::jsonb,
    'its fit rules, in the order of bytes; nulls are left out') FROM original;
SELECT is(document #> '{engagement_rule,1}',
    $${"name": "count", "dimension": "engagement", "source": "web", "kind": "count", "condition": "type = 'page'",
       "points": -2, "at_least": 1, "at_most": 3, "requires": "each", "enabled": true}$$::jsonb, 'a rule of behaviour') FROM original;
SELECT is(jsonb_path_query_array(document, '$.engagement_rule[*].name'),
    '["both", "count", "each", "fades", "line", "row", "silent", "steps"]', 'rules are sorted by name') FROM original;
SELECT is(jsonb_path_query_array(document, '$.threshold[*].label'),
    '["1", "2", "3", "A", "B", "C", "very hot", "hot", "warm", "cold"]', 'thresholds from the highest down') FROM original;
SELECT is(document #> '{action,0,payload}', '{"to": ["a", null], "n": 1.50}'::jsonb, 'a payload keeps its nulls') FROM original;
SELECT is(jsonb_path_query_first(document, '$.engagement_rule[*] ? (@.name == "each").within')::text,
    '"1 mon 2 days 03:04:05.5"', 'an interval reads as it was written') FROM original;

-- What is NULL in a column with a default is said; there is no such column yet.
SELECT is_empty($$SELECT p.part, c.name FROM lead_scoring.config_parts() AS p, lead_scoring.config_columns(p.part) AS c
    JOIN pg_attribute AS a ON a.attname = c.name
   WHERE a.attrelid = ('lead_scoring.' || p.part)::regclass AND c.fallback IS NOT NULL AND NOT a.attnotnull$$,
    'every column with a default is NOT NULL');

-- ------------------------------------------------------ sessions do not matter

SET timezone = 'Pacific/Chatham';
SET datestyle = 'SQL, DMY';
SET intervalstyle = 'iso_8601';
SET extra_float_digits = -10;
SELECT is(pg_temp.doc(), document, 'the same in a session with other settings') FROM original;
SELECT is(lead_scoring.import_model(jsonb_set(document, '{model,name}', '"again"')), 'again', 'imported there') FROM original;
RESET timezone;
RESET datestyle;
RESET intervalstyle;
RESET extra_float_digits;
SELECT is(pg_temp.doc('again') #- '{model,name}', document #- '{model,name}', 'and it is the same again') FROM original;
SELECT is(lead_scoring.model_fingerprint('again'), lead_scoring.model_fingerprint((SELECT model FROM m)),
          'so is its fingerprint, which the name does not matter for');
SELECT matches(lead_scoring.model_fingerprint('again'), '^[0-9a-f]{64}$', 'a SHA-256 in hexadecimal');
SELECT is(status, 'draft', 'an imported model is a draft') FROM lead_scoring.model WHERE name = 'again';
SELECT is(m.owner, 'ls_export_owner'::name, 'of the owner of its contacts') FROM lead_scoring.model AS m WHERE name = 'again';
UPDATE lead_scoring.fit_rule SET points = 31 WHERE model = 'again' AND name = 'Boss';
SELECT isnt(lead_scoring.model_fingerprint('again'), lead_scoring.model_fingerprint((SELECT model FROM m)),
            'another rule, another fingerprint');

-- ---------------------------------------------------- a round trip does nothing

SELECT lead_scoring.activate(model) FROM m \g /dev/null
CREATE FUNCTION pg_temp.writes() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    part name;
BEGIN
    FOR part IN SELECT c.part FROM lead_scoring.config_parts() AS c UNION ALL SELECT 'model' LOOP
        RETURN QUERY EXECUTE format('SELECT %L || ctid || xmin || t::text FROM lead_scoring.%I AS t', part, part);
    END LOOP;
END
$$;
CREATE TEMP TABLE before AS SELECT * FROM pg_temp.writes() AS w;
SELECT is(pg_temp.doc(), document, 'an active model is exported the same') FROM original;
SELECT is(lead_scoring.import_model(pg_temp.doc()), model, 'import of what was exported') FROM m;
SELECT results_eq($$SELECT * FROM pg_temp.writes() AS w ORDER BY w$$, $$SELECT w FROM before ORDER BY w$$,
                  'writes no row');

-- The same said otherwise: rows are written, and say the same.
SELECT lead_scoring.model_stamp(model) AS stamp FROM m \gset
SELECT lead_scoring.import_model(pg_temp.doc() || jsonb_build_object('action',
    jsonb_set(pg_temp.doc() -> 'action', '{0,payload,n}', '1.5'), 'rule_group',
    jsonb_set(pg_temp.doc() -> 'rule_group', '{0,description}', 'null'))) \g /dev/null
SELECT is(pg_temp.doc(), document, 'explicit nulls, other zeros: the same') FROM original;
SELECT is(lead_scoring.model_stamp(model), :stamp, 'and stored scores stay good') FROM m;
SELECT is_empty(format('SELECT * FROM lead_scoring.verify(%L)', model), 'verify() agrees') FROM m;

-- --------------------------------------------------------- changes of a live model

CREATE TEMP TABLE changed AS
    SELECT jsonb_set(jsonb_set(jsonb_set(jsonb_set(document,
               '{fit_rule}', '[{"name": "Big", "condition": "contact.size > 50", "points": 7}]'),
               '{stage}', '[{"name": "sql", "position": 2}, {"name": "mql", "position": 3}, {"name": "lead", "position": 1}]'),
               '{rule_group,0}', '{"name": "f", "dimension": "engagement", "max_points": 5}'),
               '{threshold}', '[{"score": "total", "label": "hot", "min_score": 80}, {"score": "total", "label": "very hot", "min_score": 50}]')
           - 'transition' AS document
      FROM original;
SELECT is(lead_scoring.import_model(document), model, 'an active model is changed') FROM changed, m;
SELECT is(pg_temp.doc() -> 'fit_rule', '[{"name": "Big", "condition": "contact.size > 50", "points": 7, "enabled": true}]'::jsonb,
          'rules that the document lacks are gone, what it does not say has its default');
SELECT is(pg_temp.doc() -> 'transition', '[]', 'so is a part that it lacks');
SELECT is(pg_temp.doc() -> 'stage', '[{"name": "lead", "position": 1}, {"name": "sql", "position": 2}, {"name": "mql", "position": 3}]',
          'stages may change places');
SELECT is(pg_temp.doc() #> '{rule_group,0,dimension}', '"engagement"', 'and a group its dimension');
SELECT is(status, 'active', 'it stays active') FROM lead_scoring.model JOIN m ON m.model = name;
SELECT isnt(lead_scoring.model_stamp(model), :stamp, 'stored scores are behind the rules') FROM m;
SELECT is(fit, 7::float8, 'the view is right at once') FROM "C r m"."it's ""one""_scored" WHERE contact_id = 1;
DO $$ DECLARE model text := (SELECT m.model FROM m); BEGIN CALL lead_scoring.refresh(model); END $$;
SELECT is(fit, 7::float8, 'and after refresh() the table') FROM "C r m"."it's ""one""_score" WHERE contact_id = 1;

-- All or nothing.
CREATE TEMP TABLE now AS SELECT pg_temp.doc() AS document;
SELECT throws_ok(format('SELECT lead_scoring.import_model(%L)', jsonb_set(original.document, '{action,0,condition}', '"score.totl > 1"')),
                 '42703') FROM original;
SELECT is(pg_temp.doc(), document, 'a bad row at the end: nothing has changed') FROM now;
SELECT is(lead_scoring.import_model(document), model, 'the old document') FROM original, m;
SELECT is(pg_temp.doc(), document, 'brings the old model back') FROM original;

-- ------------------------------------------------------------------ who may

SET ROLE ls_export_reader;
SELECT ok(lead_scoring.export_model('it''s "one"') IS NOT NULL, 'who reads the contacts may export');
SELECT throws_ok(format('SELECT lead_scoring.import_model(%L)', lead_scoring.export_model('it''s "one"') - 'fit_rule'), '42501',
                 'permission denied for model "it''s "one""', 'but not import');
SELECT throws_ok(format('SELECT lead_scoring.import_model(%L)', jsonb_set(lead_scoring.export_model('it''s "one"'), '{model,name}', '"mine"')),
                 '42501', 'must be owner of "C r m"."Contacts" to score it', 'nor under another name');
SET ROLE ls_export_stranger;
SELECT throws_ok($$SELECT lead_scoring.export_model('it''s "one"')$$, '42704', NULL, 'a stranger does not see it');
RESET ROLE;

-- -------------------------------------------------------------------- clones

SET ROLE ls_export_owner;
SELECT lead_scoring.clone_model(model, 'clone') FROM m \g /dev/null
SELECT is(lead_scoring.model_fingerprint('clone'), lead_scoring.model_fingerprint(model), 'a clone says the same') FROM m;
SELECT is(status, 'shadow', 'it is a shadow') FROM lead_scoring.model WHERE name = 'clone';
SELECT is_empty($$SELECT * FROM lead_scoring.check_model('clone') WHERE severity = 'error'$$, 'nothing is wrong with it');
SELECT throws_ok($$SELECT lead_scoring.clone_model('it''s "one"', 'clone')$$, '42710', 'model "clone" already exists');
SELECT throws_ok($$SELECT lead_scoring.make_shadow('it''s "one"')$$, '55000', 'model "it''s "one"" was active already',
                 'an active model does not become a shadow');
RESET ROLE;

SELECT * FROM finish();
DROP OWNED BY ls_export_owner, ls_export_reader, ls_export_stranger CASCADE;
DROP ROLE ls_export_owner, ls_export_reader, ls_export_stranger;
