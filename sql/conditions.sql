-- What a condition may be: what is refused, where and with which advice; what is
-- accepted; and that nothing of it depends on the session.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS lead_scoring;
CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE SCHEMA conditions;
CREATE TYPE conditions.mood AS ENUM ('cold', 'hot');
CREATE DOMAIN conditions.word AS text CHECK (VALUE <> '');
CREATE TABLE conditions.contacts (
    id           int PRIMARY KEY,
    title        text,
    dropped      text,
    "Job ""Title" text,
    company_size int,
    score        float8,
    vip          boolean,
    born         date,
    local_time   timestamp,
    created_at   timestamptz,
    span         interval,
    mood         conditions.mood,
    word         conditions.word,
    tags         text[],
    props        jsonb,
    raw          bytea,
    as_of        text,
    low          text GENERATED ALWAYS AS (lower(title)) STORED
);
ALTER TABLE conditions.contacts DROP COLUMN dropped;
INSERT INTO conditions.contacts VALUES
    (1, 'CEO', 'Boss', 60, 'NaN', true, '2024-01-02', '2024-01-02 00:00', '2024-01-02 00:00+00',
     '1 month', 'hot', 'a', '{a,NULL}', '{"page": "/pricing"}', '\x00', 'column'),
    (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

SET search_path = conditions, public;
SELECT lead_scoring.create_model('c', 'contacts', 'id');
RESET search_path;

PREPARE try (text) AS
    INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('c', 'r', $1, 1);

-- ------------------------------------------------- what cannot be understood

-- The context names rule and model; the query is the condition.
EXECUTE try('title =');
\echo :SQLSTATE
\set SHOW_CONTEXT never
EXECUTE try('');
\echo :SQLSTATE
EXECUTE try(E' \n\t');
EXECUTE try('(title = ''CEO''');
EXECUTE try('title = ''a''; DROP TABLE contacts');
EXECUTE try('SELECT vip');
EXECUTE try('vip AS x');
\echo :SQLSTATE
EXECUTE try('vip, vip');
EXECUTE try('vip FROM contacts');
EXECUTE try('vip ORDER BY 1');
EXECUTE try('contact.*');
EXECUTE try('-- nothing but a comment');
EXECUTE try('titel = ''CEO''');
\echo :SQLSTATE
EXECUTE try('dropped = ''x''');
EXECUTE try('is_ceo(title)');
\echo :SQLSTATE
EXECUTE try('title > 5');
EXECUTE try('company_size = ''many''');
\echo :SQLSTATE
EXECUTE try('company_size');
\echo :SQLSTATE
EXECUTE try('contact');

-- ------------------------------------------------------ what is not one row

EXECUTE try('company_size > (SELECT avg(company_size) FROM contacts)');
\echo :SQLSTATE
EXECUTE try('vip AND EXISTS (SELECT 1)');
EXECUTE try('company_size IN (SELECT 1)');
EXECUTE try('vip OR count(*) > 3');
\echo :SQLSTATE
EXECUTE try('max(company_size) > 3');
EXECUTE try('row_number() OVER () > 3');
\echo :SQLSTATE
EXECUTE try('company_size > $1');
\echo :SQLSTATE
EXECUTE try('contact IS NOT NULL');
EXECUTE try('ctid = ''(0,1)''');
EXECUTE try('title::word = ''x''');
EXECUTE try('xmlelement(name a, title) IS NOT NULL');

-- --------------------------------- what depends on the clock or the session

EXECUTE try('created_at < now() - interval ''90 days''');
\echo :SQLSTATE
EXECUTE try('created_at < current_timestamp');
\echo :SQLSTATE
EXECUTE try('born < current_date');
EXECUTE try('born = ''today''');
EXECUTE try('created_at BETWEEN ''2024-01-01'' AND ''now''');
EXECUTE try('born = ANY (''{2024-01-01,tomorrow}'')');
EXECUTE try('random() > 0.5');
EXECUTE try('created_at + interval ''90 days'' < as_of');
\echo :SQLSTATE
EXECUTE try('as_of > created_at + interval ''90 days''');
EXECUTE try('created_at::date = ''2024-01-01''');
EXECUTE try('extract(year FROM created_at) = 2024');
EXECUTE try('date_trunc(''month'', created_at) = ''2024-01-01''');
EXECUTE try('age(as_of, created_at) > interval ''1 year''');
EXECUTE try('local_time::timestamptz < as_of');
EXECUTE try('concat(title, ''!'') = ''CEO!''');
EXECUTE try('to_tsvector(title) @@ ''ceo''');
-- These are refused, too.
\set VERBOSITY sqlstate
EXECUTE try('unnest(tags) = ''x''');
EXECUTE try('current_user = title');
EXECUTE try('title || company_size = ''CEO60''');
EXECUTE try('created_at < local_time');
EXECUTE try('created_at::text LIKE ''2024%''');
EXECUTE try('title::date = ''2024-01-02''');
EXECUTE try('score::text = ''NaN''');
EXECUTE try('span::text = ''1 mon''');
EXECUTE try('raw::text = ''\x00''');
EXECUTE try('title % ''CEO''');
EXECUTE try('current_setting(''x'') = title');
EXECUTE try('lead_scoring.as_of() > created_at');
\set VERBOSITY default

-- Events are about themselves alone.
INSERT INTO lead_scoring.event_source (model, relation, contact_id, occurred_at, condition)
VALUES ('c', 'conditions.contacts', 'id', 'created_at', 'created_at < as_of');
\echo :SQLSTATE

-- --------------------------------------------------- what is not to be trusted

CREATE FUNCTION conditions.is_ceo(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT $1 = 'CEO' $$;
CREATE OPERATOR conditions.=== (FUNCTION = conditions.is_ceo, RIGHTARG = text);
EXECUTE try('is_ceo(title)');
\echo :SQLSTATE
EXECUTE try('=== title');
EXECUTE try('coalesce(vip, is_ceo(title))');

-- ------------------------------------------------------------ what is too much

\set VERBOSITY terse
EXECUTE try(repeat('x', 1024 * 1024));
\echo :SQLSTATE
\set VERBOSITY default
EXECUTE try(repeat('(', 10000) || 'vip' || repeat(')', 10000));
\echo :SQLSTATE
EXECUTE try('vip AND 1 / 0 = 1');
\echo :SQLSTATE

-- ---------------------------------------------------------- points and groups

INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('c', 'r', 'vip', 'NaN');
\echo :SQLSTATE
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('c', 'r', 'vip', '-Infinity');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('nothing', 'r', 'vip', 1);
\echo :SQLSTATE
INSERT INTO lead_scoring.fit_rule (model, name, group_name, condition, points) VALUES ('c', 'r', 'nothing', 'vip', 1);
\echo :SQLSTATE
INSERT INTO lead_scoring.rule_group (model, name, dimension, max_points) VALUES ('c', 'g', 'fit', 'Infinity');
UPDATE lead_scoring.model SET fit_floor = 'NaN' WHERE name = 'c';

-- ------------------------------------------------------------------ create_model

SELECT lead_scoring.create_model('m', 'conditions.nowhere', 'id');
\echo :SQLSTATE
SELECT lead_scoring.create_model('m', 'conditions.contacts', 'nokey');
\echo :SQLSTATE
SELECT lead_scoring.create_model('m', 'conditions.contacts', 'title');
\echo :SQLSTATE
SELECT lead_scoring.create_model('c', 'conditions.contacts', 'id');
\echo :SQLSTATE
SELECT lead_scoring.create_model('', 'conditions.contacts', 'id');
\echo :SQLSTATE
SELECT lead_scoring.create_model(repeat('é', 21), 'conditions.contacts', 'id');
SELECT lead_scoring.create_model('m', 'conditions.contacts_pkey', 'id');
\echo :SQLSTATE
SELECT lead_scoring.create_model('m', 'conditions.contacts', 'id', stage_column => 'nostage');
SELECT lead_scoring.create_model('m', 'conditions.contacts', 'id', time_zone => 'Mars');
\echo :SQLSTATE
SELECT lead_scoring.create_model('m', 'conditions.contacts', 'id', population => 'titel IS NULL');
\echo :SQLSTATE
SELECT lead_scoring.create_model('m', 'conditions.contacts', NULL);
\echo :SQLSTATE

-- Unique, but not for all rows, not at once, or not alone.
CREATE TABLE conditions.keys (a int, b int, c int, d int, UNIQUE (a, b), UNIQUE (c) DEFERRABLE);
CREATE UNIQUE INDEX ON conditions.keys (d) WHERE d > 0;
\set VERBOSITY terse
SELECT lead_scoring.create_model('m', 'conditions.keys', 'a');
SELECT lead_scoring.create_model('m', 'conditions.keys', 'c');
SELECT lead_scoring.create_model('m', 'conditions.keys', 'd');
\set VERBOSITY default

-- ------------------------------------------------- nothing of it was written

SELECT (SELECT string_agg(name, ', ') FROM lead_scoring.model WHERE contacts LIKE 'conditions.%') AS models,
       (SELECT count(*) FROM lead_scoring.fit_rule WHERE model = 'c') AS rules,
       (SELECT count(*) FROM lead_scoring.rule_group WHERE model = 'c') AS groups,
       (SELECT count(*) FROM lead_scoring.stage WHERE model = 'm') AS stages;
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES
    ('c', 'good', 'vip', 5), ('c', 'bad', 'vup', 1);
SELECT count(*) FROM lead_scoring.fit_rule WHERE model = 'c';
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('c', 'good', 'vip', 5);
UPDATE lead_scoring.fit_rule SET condition = 'vup', points = 7 WHERE model = 'c';
SELECT condition, points FROM lead_scoring.fit_rule WHERE model = 'c';
SELECT id, lead_scoring.fit_score(c, 'c') FROM conditions.contacts AS c ORDER BY id;

-- ------------------------------------------------------------ what is accepted

DELETE FROM lead_scoring.fit_rule WHERE model = 'c';
INSERT INTO lead_scoring.fit_rule (model, name, condition, points)
SELECT 'c', to_char(n, 'FM00'), condition, n
  FROM unnest(ARRAY[
    'true', 'NULL', '''yes''', 'title = NULL',
    '"Job ""Title" = ''Boss''', 'contact."Job ""Title" IS NULL', 'low = ''ceo'' -- stored',
    'company_size IN (1, 60, NULL)', 'company_size NOT IN (1, 2, NULL)', 'score > ''Infinity''',
    'vip IS NOT FALSE', 'mood = ''hot''', '''hot''::mood = mood', 'word = ''a''', 'word::text LIKE ''_''',
    '''a'' = ANY (tags)', 'props->>''page'' ILIKE ''/PRICING''', 'title = ''now''',
    'contact.as_of = ''column''', 'as_of > ''2024-02-29 00:00+00''', 'NOT (as_of > ''2024-02-29 00:00+00'')',
    'created_at < as_of - interval ''1 month''', 'born < (as_of - interval ''1 month'')::date',
    '(created_at AT TIME ZONE ''UTC'')::date = ''2024-01-02''', 'extract(dow FROM as_of) = 6',
    'CASE WHEN company_size > 50 THEN vip ELSE false END', 'CASE title WHEN ''CEO'' THEN true END',
    'similarity(title, ''ceos'') > 0.3', 'title COLLATE "C" > ''CEA''',
    repeat('(', 200) || 'vip' || repeat(')', 200)]) WITH ORDINALITY AS c (condition, n);
SELECT e.rule, left(e.condition, 60) AS condition,
       bool_or(e.matched) FILTER (WHERE c.id = 1) AS of_one,
       bool_or(e.matched) FILTER (WHERE c.id = 2) AS of_nulls
  FROM conditions.contacts AS c, lead_scoring.explain_fit(c, 'c', '2024-03-02 00:00+00') AS e
 GROUP BY e.rule, e.condition ORDER BY e.rule;

-- ------------------------------------------- whoever asks, from wherever

CREATE SCHEMA decoy;
CREATE TYPE decoy.mood AS ENUM ('tepid');
CREATE FUNCTION decoy.similarity(text, text) RETURNS float4 LANGUAGE sql IMMUTABLE AS 'SELECT 0::float4';
CREATE OPERATOR decoy.~~ (FUNCTION = textnlike, LEFTARG = text, RIGHTARG = text);
CREATE ROLE regress_ls_reader;
GRANT USAGE ON SCHEMA conditions, decoy TO regress_ls_reader;
GRANT SELECT ON conditions.contacts TO regress_ls_reader;

SELECT id, lead_scoring.fit_score(c, 'c', '2024-03-02 00:00+00') FROM conditions.contacts AS c ORDER BY id;
SET TimeZone = 'Pacific/Chatham';
SET DateStyle = 'SQL, DMY';
SET IntervalStyle = 'sql_standard';
SET extra_float_digits = -10;
SET bytea_output = 'escape';
SET transform_null_equals = on;
SET standard_conforming_strings = off;
SET escape_string_warning = off;
SET search_path = decoy, pg_catalog;
SET ROLE regress_ls_reader;
SELECT id, lead_scoring.fit_score(c, 'c', '2024-03-02 00:00+00') FROM conditions.contacts AS c ORDER BY id;
RESET ROLE;

-- Conditions written here are read as anywhere else: in UTC, months first,
-- backslashes as they are, under the path of the model.
DELETE FROM lead_scoring.fit_rule WHERE model = 'c';
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES
    ('c', 'zone', $$created_at = '2024-01-02'$$, 1),
    ('c', 'order', $$born = '01/02/2024'$$, 10),
    ('c', 'strings', $$title || '\' LIKE 'CEO\\'$$, 100),
    ('c', 'nulls', $$coalesce(title = NULL, true)$$, 1000),
    ('c', 'names', $$mood = 'hot'::mood AND similarity(title, 'ceos') > 0.3$$, 10000);
SELECT id, lead_scoring.fit_score(c, 'c', '2024-03-02 00:00+00') FROM conditions.contacts AS c ORDER BY id;
RESET ALL;
SET client_min_messages = warning;
SELECT id, lead_scoring.fit_score(c, 'c', '2024-03-02 00:00+00') FROM conditions.contacts AS c ORDER BY id;

-- ----------------------------------------------------- who may write a rule

SET ROLE regress_ls_reader;
SELECT count(*) FROM lead_scoring.fit_rule WHERE model = 'c';
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('c', 'mine', 'vip', 1);
\echo :SQLSTATE
SELECT lead_scoring.create_model('mine', 'conditions.contacts', 'id');
\echo :SQLSTATE
UPDATE lead_scoring.fit_rule SET points = 0 RETURNING name;
DELETE FROM lead_scoring.model RETURNING name;
RESET ROLE;

-- An immutable function of one's own would run for others.
CREATE TABLE conditions.own (id int PRIMARY KEY, title text);
ALTER TABLE conditions.own OWNER TO regress_ls_reader;
GRANT CREATE ON SCHEMA conditions TO regress_ls_reader;
SET ROLE regress_ls_reader;
SELECT lead_scoring.create_model('own', 'conditions.own', 'id');
CREATE FUNCTION conditions.hidden(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('own', 'mine', 'conditions.hidden(title)', 1);
\echo :SQLSTATE
RESET ROLE;

-- --------------------------------------------- what fails at run time only

\set SHOW_CONTEXT errors
DELETE FROM lead_scoring.fit_rule WHERE model = 'c';
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES
    ('c', 'Ratio', '1 / (company_size - 60) >= 0', 1),
    ('c', 'Number', 'title = ''7'' AND title::int > 5', 1);
SELECT lead_scoring.fit_score(c, 'c') FROM conditions.contacts AS c WHERE id = 1;
\echo :SQLSTATE
SELECT lead_scoring.fit_score(c, 'c') FROM conditions.contacts AS c WHERE id = 2;
DELETE FROM lead_scoring.fit_rule WHERE model = 'c' AND name = 'Ratio';
SELECT lead_scoring.fit_score(c, 'c') FROM conditions.contacts AS c WHERE id = 1;

-- A column that is gone: the rule is named.
ALTER TABLE conditions.contacts RENAME title TO job;
SELECT lead_scoring.fit_score(c, 'c') FROM conditions.contacts AS c WHERE id = 1;
\echo :SQLSTATE
ALTER TABLE conditions.contacts RENAME job TO title;
SELECT lead_scoring.fit_score(c, 'c') FROM conditions.contacts AS c WHERE id = 1;

-- ------------------------------------------------------------------------ end

DELETE FROM lead_scoring.model WHERE contacts LIKE 'conditions.%';
DROP SCHEMA conditions, decoy CASCADE;
DROP ROLE regress_ls_reader;
