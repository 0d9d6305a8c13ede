-- apply_template(): calls that cannot be meant, and what is said of them.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS lead_scoring;
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never

CREATE SCHEMA grids;
CREATE TABLE grids.contacts (id int PRIMARY KEY, title text, employees int);
CREATE TABLE grids.events (contact int, at timestamptz, type text, page text);
SELECT lead_scoring.create_model('g', 'grids.contacts', 'id') \g /dev/null
SELECT lead_scoring.add_event_source('g', 'grids.events', 'contact', 'at') \g /dev/null

SELECT lead_scoring.apply_template('g', 'none');
SELECT lead_scoring.apply_template('g', NULL);
SELECT lead_scoring.apply_template('none', 'guide');
\echo :SQLSTATE
SELECT lead_scoring.apply_template(NULL, 'guide');
SELECT lead_scoring.apply_template('g', 'guide', NULL);
SELECT lead_scoring.apply_template('g', 'guide', '["title"]');
\echo :SQLSTATE
\set VERBOSITY terse
SELECT lead_scoring.apply_template('g', 'guide', '{"titel": "title"}');
\set VERBOSITY default
SELECT lead_scoring.apply_template('g', 'guide', '{"title": ["title"]}');
SELECT lead_scoring.apply_template('g', 'guide', '{"ceo": {"is": "x"}}');
SELECT lead_scoring.apply_template('g', 'guide', '{"event_source": "web"}');
\echo :SQLSTATE

-- What was refused has left nothing; what a row is refused for is its reason.
SELECT count(*) FROM lead_scoring.fit_rule WHERE model = 'g';
SET client_min_messages = notice;
SELECT kind, rule, applied, why FROM lead_scoring.apply_template('g', 'guide', '{"company_size": "title", "page": "pages"}');
SELECT lead_scoring.activate('g') \g /dev/null
SELECT count(*) FROM lead_scoring.apply_template('g', 'guide', '{"company_size": "employees"}');
SET client_min_messages = warning;

DROP SCHEMA grids CASCADE;
DELETE FROM lead_scoring.model WHERE name = 'g';
