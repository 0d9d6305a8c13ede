-- What an event source and an engagement rule may be: every refusal, with its
-- code, reason and advice; and what is accepted.

SET client_min_messages = warning;
SET IntervalStyle = postgres;
CREATE EXTENSION IF NOT EXISTS lead_scoring;

CREATE SCHEMA events;
CREATE TABLE events.contacts (id int PRIMARY KEY, email text, created_at timestamptz);
CREATE TABLE events.events (
    id          bigint PRIMARY KEY,
    contact_id  bigint,
    occurred_at timestamptz,
    local_time  timestamp,
    day         date,
    type        text,
    latin       text COLLATE "POSIX",
    plain       text COLLATE "C",
    mail        uuid,
    minutes     numeric,
    clicks      smallint,
    spot        point,
    body        json,
    props       jsonb
);
CREATE VIEW events.seen AS SELECT * FROM events.events;
CREATE MATERIALIZED VIEW events.kept AS SELECT * FROM events.events;
CREATE TABLE events.parts (contact_id int, occurred_at timestamptz) PARTITION BY RANGE (occurred_at);
CREATE SEQUENCE events.numbers;
CREATE TEMP TABLE passing (contact_id int, occurred_at timestamptz);
CREATE INDEX by_type ON events.events (type);
SELECT lead_scoring.create_model('m', 'events.contacts', 'id', created_column => 'created_at');
SELECT lead_scoring.create_model('other', 'events.contacts', 'id');

-- ------------------------------------------------------------- event sources

PREPARE source (text, text, text) AS
    INSERT INTO lead_scoring.event_source (model, name, relation, contact_id, occurred_at)
    VALUES ('m', 'tried', $1, $2, $3);

-- The context names the source.
EXECUTE source('events.nothing', 'contact_id', 'occurred_at');
\echo :SQLSTATE
\set SHOW_CONTEXT never
EXECUTE source('events', 'contact_id', 'occurred_at');
EXECUTE source('events.numbers', 'last_value', 'last_value');
\echo :SQLSTATE
EXECUTE source('events.by_type', 'type', 'type');
SELECT lead_scoring.add_event_source('m', 'passing', 'contact_id', 'occurred_at');
EXECUTE source('events.events', 'contact', 'occurred_at');
\echo :SQLSTATE
EXECUTE source('events.events', 'contact_id', 'at');
EXECUTE source('events.events', 'type', 'occurred_at');
\echo :SQLSTATE
EXECUTE source('events.events', 'mail', 'occurred_at');
EXECUTE source('events.events', 'contact_id', 'type');
\echo :SQLSTATE
EXECUTE source(NULL, 'contact_id', 'occurred_at');
\echo :SQLSTATE
SELECT lead_scoring.add_event_source('m', 'events.events', 'contact_id', 'occurred_at', time_zone => 'Mars/Olympus');
\echo :SQLSTATE
SELECT lead_scoring.add_event_source('m', 'events.events', 'contact_id', 'occurred_at', condition => 'tpye <> ''bot''');
SELECT lead_scoring.add_event_source('m', 'events.events', 'contact_id', 'occurred_at', activity => 'occurred_at < now()');
SELECT lead_scoring.add_event_source('m', 'events.events', NULL, 'occurred_at');
\echo :SQLSTATE
SELECT lead_scoring.add_event_source('nobody', 'events.events', 'contact_id', 'occurred_at');
\echo :SQLSTATE
SELECT lead_scoring.add_event_source('m', 0, 'contact_id', 'occurred_at');

-- Who owns the contacts must be able to read the events.
CREATE ROLE regress_ls_owner;
GRANT ALL ON SCHEMA events TO regress_ls_owner;
CREATE TABLE events.people (id int PRIMARY KEY);
ALTER TABLE events.people OWNER TO regress_ls_owner;
SELECT lead_scoring.create_model('owned', 'events.people', 'id');
SELECT lead_scoring.add_event_source('owned', 'events.events', 'contact_id', 'occurred_at');
\echo :SQLSTATE
GRANT SELECT (contact_id, occurred_at) ON events.events TO regress_ls_owner;
SELECT lead_scoring.add_event_source('owned', 'events.events', 'contact_id', 'occurred_at');
GRANT SELECT ON events.events TO regress_ls_owner;
SELECT lead_scoring.add_event_source('owned', 'events.events', 'contact_id', 'occurred_at');

-- These are good.
SELECT lead_scoring.add_event_source('other', 'events.seen', 'contact_id', 'local_time', 'view', 'Europe/Paris');
SELECT lead_scoring.add_event_source('other', 'events.kept', 'clicks', 'day', 'matview', condition => 'type <> ''bot''');
SELECT lead_scoring.add_event_source('other', 'events.parts', 'contact_id', 'occurred_at', 'parts');
SELECT lead_scoring.add_event_source('other', 'events.parts', 'contact_id', 'occurred_at', 'parts');
\echo :SQLSTATE

-- ------------------------------------------------------------- kinds, columns

-- A row is what is given, over these.
PREPARE rule (jsonb) AS
    INSERT INTO lead_scoring.engagement_rule
    SELECT r.*
      FROM jsonb_populate_record(NULL::lead_scoring.engagement_rule,
        '{"model": "m", "name": "tried", "dimension": "engagement", "points": 1,
          "enabled": true}' || $1) AS r;

-- The model has no source yet.
EXECUTE rule('{"kind": "each"}');
\echo :SQLSTATE
EXECUTE rule('{"kind": "inactive", "within": "60 days"}');
SELECT lead_scoring.add_event_source('m', 'events.events', 'contact_id', 'occurred_at');

\set SHOW_CONTEXT errors
EXECUTE rule('{"kind": "every"}');
\echo :SQLSTATE
EXECUTE rule('{"kind": "each", "condition": "type = 5"}');
\set SHOW_CONTEXT never
EXECUTE rule('{"kind": null}');
\echo :SQLSTATE
EXECUTE rule('{"kind": "each", "dimension": "fit"}');
EXECUTE rule('{"kind": "each", "dimension": null}');
EXECUTE rule('{"kind": "each", "points": null}');
EXECUTE rule('{"kind": "each", "points": "NaN"}');
\echo :SQLSTATE
EXECUTE rule('{"kind": "each", "points": "-infinity"}');

-- Each column with a kind that has no use for it.
\set VERBOSITY terse
EXECUTE rule('{"kind": "sequence", "condition": "true"}');
EXECUTE rule('{"kind": "count", "at_least": 1, "max_count": 1}');
EXECUTE rule('{"kind": "sequence", "max_count": 1}');
EXECUTE rule('{"kind": "each", "at_least": 1}');
EXECUTE rule('{"kind": "streak", "condition": "true", "at_least": 1, "at_most": 1}');
EXECUTE rule('{"kind": "sequence", "distinct_by": "type"}');
EXECUTE rule('{"kind": "inactive", "within": "1 day", "distinct_by": "type"}');
EXECUTE rule('{"kind": "count", "at_least": 1, "value": "clicks"}');
EXECUTE rule('{"kind": "inactive", "within": "1 day", "unless": "true"}');
EXECUTE rule('{"kind": "inactive", "within": "1 day", "after": "1 day"}');
EXECUTE rule('{"kind": "each", "repeat_every": "1 day"}');
EXECUTE rule('{"kind": "count", "at_least": 1, "if_never": "skip"}');
EXECUTE rule('{"kind": "each", "steps": ["true", "false"]}');
EXECUTE rule('{"kind": "each", "step_order": "any"}');
EXECUTE rule('{"kind": "each", "hit": "true"}');
EXECUTE rule('{"kind": "each", "grace": "1 day"}');
EXECUTE rule('{"kind": "count", "at_least": 1, "half_life": "1 day"}');
EXECUTE rule('{"kind": "count", "at_least": 1, "linear_over": "1 day"}');
EXECUTE rule('{"kind": "count", "at_least": 1, "decay_percent": 5}');
EXECUTE rule('{"kind": "count", "at_least": 1, "decay_every": "1 day"}');
EXECUTE rule('{"kind": "count", "at_least": 1, "expires_after": "1 day"}');
\set VERBOSITY default
EXECUTE rule('{"kind": "streak", "condition": "true", "at_least": 1, "expires_after": "1 day"}');
\echo :SQLSTATE

-- Each kind without what it needs.
EXECUTE rule('{"kind": "count"}');
\echo :SQLSTATE
EXECUTE rule('{"kind": "inactive"}');
EXECUTE rule('{"kind": "sequence"}');
EXECUTE rule('{"kind": "streak"}');
EXECUTE rule('{"kind": "streak", "condition": "true"}');
EXECUTE rule('{"kind": "streak", "condition": "true", "at_least": 3}');
EXECUTE rule('{"kind": "streak", "condition": "true", "at_least": 3, "distinct_by": "mail"}');

-- -------------------------------------------------- numbers, times, intervals

EXECUTE rule('{"kind": "each", "max_count": 0}');
\echo :SQLSTATE
EXECUTE rule('{"kind": "each", "max_count": 1001}');
EXECUTE rule('{"kind": "count", "at_least": 0}');
EXECUTE rule('{"kind": "count", "at_least": 1001}');
EXECUTE rule('{"kind": "count", "at_most": -1}');
EXECUTE rule('{"kind": "count", "at_most": 1000}');
EXECUTE rule('{"kind": "count", "at_least": 3, "at_most": 2}');
\echo :SQLSTATE
EXECUTE rule('{"kind": "inactive", "within": "1 day", "max_count": 2}');
\echo :SQLSTATE
EXECUTE rule('{"kind": "each", "counts_from": "2026-02-01 00:00+00", "counts_until": "2026-01-01 00:00+00"}');
\echo :SQLSTATE
EXECUTE rule('{"kind": "each", "counts_from": "2026-02-01 00:00+00", "counts_until": "2026-02-01 00:00+00"}');
EXECUTE rule('{"kind": "each", "counts_from": "infinity"}');

EXECUTE rule('{"kind": "each", "max_count": 1, "within": "0"}');
\echo :SQLSTATE
EXECUTE rule('{"kind": "each", "max_count": 1, "within": "1000 years 1 day"}');
\set VERBOSITY terse
EXECUTE rule('{"kind": "each", "max_count": 1, "within": "-1 day"}');
EXECUTE rule('{"kind": "each", "max_count": 1, "within": "1 month -30 days"}');
EXECUTE rule('{"kind": "each", "max_count": 1, "within": "100000000 years"}');
EXECUTE rule('{"kind": "each", "max_count": 1, "after": "0"}');
EXECUTE rule('{"kind": "inactive", "within": "1 day", "repeat_every": "0"}');
EXECUTE rule('{"kind": "streak", "condition": "true", "hit": "true", "at_least": 3, "distinct_by": "mail", "grace": "0"}');
EXECUTE rule('{"kind": "each", "half_life": "0"}');
EXECUTE rule('{"kind": "each", "max_count": 1, "linear_over": "-1 hour"}');
EXECUTE rule('{"kind": "each", "max_count": 1, "decay_percent": 10, "decay_every": "0"}');
EXECUTE rule('{"kind": "each", "max_count": 1, "expires_after": "-1 microsecond"}');
\set VERBOSITY default

EXECUTE rule('{"kind": "each", "max_count": 1, "decay_percent": 0, "decay_every": "1 day"}');
\echo :SQLSTATE
EXECUTE rule('{"kind": "each", "max_count": 1, "decay_percent": 100.5, "decay_every": "1 day"}');
EXECUTE rule('{"kind": "each", "max_count": 1, "decay_percent": "NaN", "decay_every": "1 day"}');
EXECUTE rule('{"kind": "each", "max_count": 1, "decay_percent": 10}');
\echo :SQLSTATE
EXECUTE rule('{"kind": "each", "max_count": 1, "decay_every": "1 day"}');
EXECUTE rule('{"kind": "each", "max_count": 1, "half_life": "1 day", "linear_over": "1 day"}');
\echo :SQLSTATE
EXECUTE rule('{"kind": "each", "max_count": 1, "expires_after": "1 day", "decay_percent": 10, "decay_every": "1 day"}');

-- What must be kept, must be bounded.
EXECUTE rule('{"kind": "each", "within": "1 day"}');
\echo :SQLSTATE
\set VERBOSITY terse
EXECUTE rule('{"kind": "each", "after": "1 day"}');
EXECUTE rule('{"kind": "each", "max_count": 1, "after": "24 hours", "within": "1 day"}');
EXECUTE rule('{"kind": "each", "max_count": 1, "after": "2 days", "expires_after": "1 day"}');
EXECUTE rule('{"kind": "each", "max_count": 1, "after": "1 day", "linear_over": "1 day"}');
EXECUTE rule('{"kind": "count", "at_least": 1, "after": "1 month", "within": "30 days"}');
EXECUTE rule('{"kind": "each", "unless": "type = ''order''"}');
EXECUTE rule('{"kind": "each", "distinct_by": "type"}');
EXECUTE rule('{"kind": "each", "linear_over": "1 day"}');
EXECUTE rule('{"kind": "each", "decay_percent": 10, "decay_every": "1 day"}');
EXECUTE rule('{"kind": "each", "expires_after": "1 day"}');
\set VERBOSITY default

-- ------------------------------------------------------------------ sequences

EXECUTE rule('{"kind": "sequence", "steps": ["true"]}');
\echo :SQLSTATE
EXECUTE rule('{"kind": "sequence", "steps": []}');
EXECUTE rule('{"kind": "sequence", "steps": ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17"]}');
EXECUTE rule('{"kind": "sequence", "steps": [["true", "true"], ["true", "true"]]}');
EXECUTE rule('{"kind": "sequence", "steps": ["type = ''a''", null]}');
\echo :SQLSTATE
EXECUTE rule('{"kind": "sequence", "step_order": "random", "steps": ["type = ''a''", "type = ''b''"]}');
EXECUTE rule('{"kind": "sequence", "step_order": "any", "steps": ["type = ''a''", "clicks > 3", "type=''a''"]}');
\echo :SQLSTATE
EXECUTE rule('{"kind": "sequence", "steps": ["type = ''a''", "typ = ''b''"]}');
\echo :SQLSTATE
EXECUTE rule('{"kind": "inactive", "within": "1 day", "if_never": "penalty"}');

-- ---------------------------------------------------------------- expressions

EXECUTE rule('{"kind": "each", "condition": "type = ''a'' AND clicks"}');
\echo :SQLSTATE
EXECUTE rule('{"kind": "each", "condition": "occurred_at > as_of - interval ''1 day''"}');
\echo :SQLSTATE
EXECUTE rule('{"kind": "each", "condition": "email LIKE ''%@a.example''"}');
EXECUTE rule('{"kind": "each", "condition": "clicks > 1/0"}');
EXECUTE rule('{"kind": "each", "max_count": 1, "unless": "sum(clicks) > 1"}');
EXECUTE rule('{"kind": "streak", "condition": "true", "hit": "type", "at_least": 3, "distinct_by": "mail"}');
EXECUTE rule('{"kind": "each", "value": "type"}');
\echo :SQLSTATE
EXECUTE rule('{"kind": "each", "value": "clicks > 3"}');
EXECUTE rule('{"kind": "each", "value": "occurred_at - now()"}');
EXECUTE rule('{"kind": "each", "value": "clicks + 1/0"}');
EXECUTE rule('{"kind": "each", "value": "props->''score''"}');
EXECUTE rule('{"kind": "count", "at_least": 1, "distinct_by": "body"}');
\echo :SQLSTATE
EXECUTE rule('{"kind": "count", "at_least": 1, "distinct_by": "spot"}');
EXECUTE rule('{"kind": "count", "at_least": 1, "distinct_by": "array[spot]"}');
EXECUTE rule('{"kind": "count", "at_least": 1, "distinct_by": "row(type, body)"}');
EXECUTE rule('{"kind": "count", "at_least": 1, "distinct_by": "event"}');
EXECUTE rule('{"kind": "count", "at_least": 1, "distinct_by": "mial"}');
EXECUTE rule('{"kind": "count", "at_least": 1, "distinct_by": "latin || plain"}');
\echo :SQLSTATE

-- ------------------------------------------------- groups, sources, other rules

INSERT INTO lead_scoring.rule_group (model, name, dimension, max_points) VALUES
    ('m', 'pages', 'engagement', 50), ('m', 'signals', 'intent', 50);
EXECUTE rule('{"kind": "each", "group_name": "signals"}');
\echo :SQLSTATE
EXECUTE rule('{"kind": "each", "group_name": "pages", "dimension": "intent"}');
EXECUTE rule('{"kind": "each", "group_name": "nothing"}');
\echo :SQLSTATE
EXECUTE rule('{"kind": "each", "source": "nothing"}');
\echo :SQLSTATE
EXECUTE rule('{"kind": "each", "model": "other"}');
\echo :SQLSTATE
EXECUTE rule('{"kind": "inactive", "within": "1 day", "condition": "true", "model": "other"}');
EXECUTE rule('{"kind": "each", "requires": "tried"}');
\echo :SQLSTATE
EXECUTE rule('{"kind": "each", "requires": "nothing"}');
\echo :SQLSTATE

-- ------------------------------------------------------------ all this is good

EXECUTE rule('{"name": "each", "kind": "each", "group_name": "pages", "condition": "type = ''page_view''",
    "within": "90 days", "max_count": 3, "distinct_by": "type || coalesce(props->>''page'', '''')", "value": "minutes",
    "unless": "type = ''order''", "after": "1 hour", "decay_percent": 100, "decay_every": "1000 years",
    "counts_from": "2026-01-01 00:00+00", "counts_until": "2026-01-01 00:00:00.000001+00"}');
EXECUTE rule('{"name": "each, for ever", "kind": "each", "dimension": "intent", "value": "clicks", "half_life": "14 days"}');
EXECUTE rule('{"name": "count", "kind": "count", "at_least": 500, "requires": "each"}');
EXECUTE rule('{"name": "count, none", "kind": "count", "at_most": 0, "within": "1 microsecond", "distinct_by": "mail"}');
EXECUTE rule('{"name": "inactive", "kind": "inactive", "within": "60 days", "points": -20, "repeat_every": "30 days", "max_count": 3}');
EXECUTE rule('{"name": "inactive, one source", "kind": "inactive", "within": "60 days", "if_never": "created", "source": "events"}');
EXECUTE rule('{"name": "sequence", "kind": "sequence", "steps": ["type = ''a''", "type = ''a''", "type = ''a''"],
    "within": "48 hours", "expires_after": "1 year", "unless": "type = ''order''", "requires": "count"}');
EXECUTE rule('{"name": "streak", "kind": "streak", "condition": "type = ''sent''", "hit": "type = ''opened''",
    "distinct_by": "mail", "at_least": 3, "grace": "1 day", "within": "1 year"}');
EXECUTE rule('{"name": "in all sources", "kind": "inactive", "within": "60 days", "model": "other"}');
-- Another rule may come with the same statement, before or after.
INSERT INTO lead_scoring.engagement_rule (model, name, kind, points, requires) VALUES
    ('m', 'first', 'each', 1, 'second'), ('m', 'second', 'each', 1, 'first');

-- Silence is no match.
EXECUTE rule('{"kind": "each", "requires": "inactive"}');
\echo :SQLSTATE
UPDATE lead_scoring.engagement_rule SET requires = 'inactive' WHERE name = 'count';
UPDATE lead_scoring.engagement_rule SET kind = 'inactive', within = '1 day' WHERE name = 'second';
\echo :SQLSTATE
-- Together they must not ask for too large a state.
EXECUTE rule('{"kind": "each", "max_count": 1000}');
\echo :SQLSTATE
EXECUTE rule('{"name": "much", "kind": "each", "max_count": 1000, "enabled": false}');
UPDATE lead_scoring.engagement_rule SET enabled = true WHERE name = 'much';
-- Updates are looked at as a whole, too.
UPDATE lead_scoring.engagement_rule SET at_least = NULL WHERE name = 'count';
UPDATE lead_scoring.engagement_rule SET source = NULL WHERE name = 'inactive, one source';

-- A second source, while rules do not say which.
SELECT lead_scoring.add_event_source('m', 'events.parts', 'contact_id', 'occurred_at', 'parts');
\echo :SQLSTATE
UPDATE lead_scoring.engagement_rule SET source = 'events'
 WHERE model = 'm' AND source IS NULL AND (kind <> 'inactive' OR condition IS NOT NULL);
SELECT lead_scoring.add_event_source('m', 'events.parts', 'contact_id', 'occurred_at', 'parts');
EXECUTE rule('{"kind": "each"}');
EXECUTE rule('{"kind": "each", "condition": "type = ''a''", "source": "parts"}');
DELETE FROM lead_scoring.event_source WHERE model = 'm' AND name = 'events';
\echo :SQLSTATE

-- Names are followed: of a source, of a model.
UPDATE lead_scoring.event_source SET name = 'web' WHERE model = 'm' AND name = 'events';
UPDATE lead_scoring.model SET name = 'renamed' WHERE name = 'm';
SELECT name, group_name, source, kind, requires
  FROM lead_scoring.engagement_rule WHERE model = 'renamed' ORDER BY name;

-- While a dump is restored, what is about other rows is taken as it comes. (By a
-- superuser, everything: the rows were right when they were dumped.)
SET check_function_bodies = off;
EXECUTE rule('{"model": "renamed", "kind": "each", "name": "dumped", "condition": "typ = 1", "requires": "nothing"}');
RESET check_function_bodies;

-- ---------------------------------------------------- what check_model finds

-- What cannot be read is named; then nothing else is tried on the events.
ALTER TABLE events.events RENAME COLUMN minutes TO seconds;
\pset format unaligned
\pset tuples_only on
SELECT * FROM lead_scoring.check_model('renamed') WHERE severity <> 'advice' ORDER BY object, problem;
ALTER TABLE events.events RENAME COLUMN seconds TO minutes;
DELETE FROM lead_scoring.engagement_rule WHERE name = 'dumped';
SELECT * FROM lead_scoring.check_model('renamed') WHERE severity <> 'advice' ORDER BY object, problem;

INSERT INTO events.events (id, contact_id, occurred_at, type, minutes, clicks, props)
SELECT n, n % 7, '2026-01-01 00:00+00', CASE WHEN n <= 40 THEN 'order' END,
       CASE WHEN n % 20 = 0 THEN numeric 'NaN' ELSE n END, n, '{"minutes": "three"}'
  FROM generate_series(1, 100) AS n;
UPDATE lead_scoring.engagement_rule SET enabled = false WHERE name = 'count';
DELETE FROM lead_scoring.engagement_rule WHERE name = 'second';
UPDATE lead_scoring.engagement_rule SET condition = NULL WHERE name = 'each';
UPDATE lead_scoring.engagement_rule SET value = 'clicks / (clicks - 3)' WHERE name = 'each, for ever';
SELECT * FROM lead_scoring.check_model('renamed') WHERE severity <> 'advice' ORDER BY object, problem;
-- Values matter where the rule matches; a source's condition goes before.
UPDATE lead_scoring.engagement_rule SET condition = 'minutes < 50' WHERE name = 'each';
UPDATE lead_scoring.event_source SET condition = 'type = ''order'' AND clicks <> 3' WHERE model = 'renamed' AND name = 'web';
SELECT * FROM lead_scoring.check_model('renamed') WHERE severity <> 'advice' ORDER BY object, problem;
-- Keys that are equal but not spelt alike.
CREATE COLLATION events.either_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE events.mails (address text COLLATE events.either_case, at timestamptz);
CREATE TABLE events.by_mail (address text PRIMARY KEY, other text COLLATE events.either_case UNIQUE);
SELECT lead_scoring.create_model('mail', 'events.by_mail', 'address');
SELECT lead_scoring.add_event_source('mail', 'events.mails', 'address', 'at');
SELECT lead_scoring.create_model('case', 'events.by_mail', 'other');
SELECT lead_scoring.add_event_source('case', 'events.mails', 'address', 'at');
DELETE FROM lead_scoring.model WHERE name IN ('mail', 'case');
-- A goal is a milestone.
INSERT INTO lead_scoring.action (model, name, condition, goal) VALUES ('renamed', 'call', 'total > 1', 'nothing');
DROP TABLE events.events CASCADE;
SELECT * FROM lead_scoring.check_model('renamed') WHERE severity <> 'advice' ORDER BY object, problem;

ALTER TABLE events.people OWNER TO CURRENT_USER;
DROP OWNED BY regress_ls_owner;
DROP ROLE regress_ls_owner;
