-- Documents that cannot be models: what is wrong, and where in the document.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS lead_scoring;
\pset format unaligned
\pset tuples_only on

CREATE SCHEMA export;
CREATE TABLE export.contacts (id int PRIMARY KEY, title text);
CREATE TABLE export.events (contact int, at timestamptz, type text);
SELECT lead_scoring.create_model('x', 'export.contacts', 'id', search_path => 'pg_catalog, pg_temp') \g /dev/null
SELECT lead_scoring.add_event_source('x', 'export.events', 'contact', 'at') \g /dev/null
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES
    ('x', 'Boss', $$title = 'CEO'$$, 30), ('x', 'Clerk', $$title = 'Clerk'$$, -5);
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, max_count) VALUES
    ('x', 'Visit', 'each', $$type = 'page'$$, 5, 3);

SELECT jsonb_pretty(jsonb_build_object('fit_rule', d -> 'fit_rule', 'transition', d -> 'transition')) FROM lead_scoring.export_model('x') AS d;

-- try(path, value): the document with another value there; without it where that is NULL.
CREATE FUNCTION export.try(path text[], value jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT lead_scoring.import_model(CASE WHEN value IS NULL THEN d #- path ELSE jsonb_set(d, path, value) END)
      FROM lead_scoring.export_model('x') AS d
$$;

-- ------------------------------------------------------------- what it is not

\set SHOW_CONTEXT never
SELECT lead_scoring.import_model('[]');
SELECT lead_scoring.import_model('{}');
SELECT lead_scoring.import_model('{"format": "1"}');
\echo :SQLSTATE
SELECT lead_scoring.import_model('{"format": 2}');
\echo :SQLSTATE
SELECT lead_scoring.import_model('{"format": 1}');
\set VERBOSITY terse
SELECT lead_scoring.import_model('{"format": 1, "model": "b2b"}');
SELECT export.try('{model,status}', '"active"');
\set VERBOSITY default
SELECT lead_scoring.import_model('{"format": 1, "model": {"contacts": "export.contacts", "contact_id": "id"}}');
\echo :SQLSTATE
SELECT lead_scoring.import_model(NULL);
SELECT export.try('{fit_rules}', '[]');
SELECT export.try('{fit_rule}', '{"name": "Boss"}');
SELECT export.try('{fit_rule,1}', '"Boss"');
SELECT export.try('{fit_rule,1,pionts}', '5');
\echo :SQLSTATE
SELECT export.try('{fit_rule,1,model}', '"y"');
SELECT export.try('{fit_rule,1,name}', NULL);
SELECT export.try('{engagement_rule,0,points}', 'null');

-- -------------------------------------------------------------- rows that fail

-- The context names rule, column and place in the document.
\set SHOW_CONTEXT errors
SELECT export.try('{fit_rule,1,condition}', '"title = 5"');
\set SHOW_CONTEXT never
SELECT export.try('{fit_rule,1,condition}', '"titel = ''Clerk''"');
SELECT export.try('{fit_rule,1,name}', '"Boss"');
SELECT export.try('{fit_rule,1,points}', '"many"');
SELECT export.try('{fit_rule,0,group_name}', '"none"');
SELECT export.try('{engagement_rule,0,within}', '"soon"');
SELECT export.try('{engagement_rule,0,requires}', '"none"');
SELECT export.try('{event_source,0,relation}', '"export.none"');
SELECT export.try('{model,contacts}', '"export.none"');
SELECT export.try('{model,population}', '"id"');
SELECT export.try('{transition,1,from_stage}', '"none"');
SELECT export.try('{threshold,0,score}', '"sum"');

-- Where in the document, of each.
CREATE FUNCTION export.place(path text[], value jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    context text;
BEGIN
    RETURN export.try(path, value);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
    RETURN substring(context FROM '([^\n]*) of the document');
END
$$;
SELECT export.place('{fit_rule,1,condition}', '"titel = 5"');
SELECT export.place('{fit_rule,1,name}', '"Boss"');
SELECT export.place('{engagement_rule,0,requires}', '"none"');
SELECT export.place('{event_source,0,relation}', '"export.none"');
SELECT export.place('{model,population}', '"id"');
SELECT export.place('{transition,1,from_stage}', '"none"');
SELECT export.place('{threshold,0,score}', '"sum"');
SELECT export.place('{deal_source}', '[{"relation": "export.events", "contact_id": "contact", "amount": "1", "created_at": "at", "closed_at": "at", "won": "true"}, {"relation": "export.events", "contact_id": "contact", "amount": "1", "created_at": "at", "closed_at": "at", "won": "true"}]');

-- ----------------------------------------------------------------- what to do next

SET client_min_messages = notice;
SELECT export.try('{fit_rule,0,points}', '30');
SELECT export.try('{fit_rule,0,points}', '40');
SELECT export.try('{model,name}', '"it''s another"');
SELECT lead_scoring.clone_model('x', 'y');
SET client_min_messages = warning;
CREATE INDEX ON export.events (contact);
SELECT lead_scoring.activate('x') \g /dev/null
SET client_min_messages = notice;
SELECT export.try('{fit_rule,0,points}', '50');
SELECT export.try('{event_source,0,condition}', '"type <> ''bot''"');
SELECT export.try('{model,contact_id}', '"title"');
\set SHOW_CONTEXT errors
SELECT lead_scoring.export_model('none');
SELECT lead_scoring.clone_model('none', 'z');
SET client_min_messages = warning;

DROP SCHEMA export CASCADE;
DELETE FROM lead_scoring.model WHERE name IN ('x', 'y', 'it''s another');
