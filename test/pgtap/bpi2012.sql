-- Real data: the event log of a Dutch bank, 262,200 events of 13,087 applications
-- for a loan, half a year with a change of the clocks in it. At five moments of the
-- log engagement_agg and the model as plain SQL say the same of each application.
--
-- The file is not part of the project: see $LEAD_SCORING_DATA in test/lib.sh.

SET client_min_messages = warning;
SET TimeZone = 'America/New_York'; -- no score may depend on it
\pset format unaligned
\pset tuples_only on

\set data ''
\getenv data LEAD_SCORING_DATA
SELECT :'data' || '/bpi2012_events.csv.gz' AS file \gset
SELECT pg_stat_file(:'file', true) IS NULL AS is_missing \gset
\if :is_missing
\echo '1..0 # SKIP bpi2012_events.csv.gz is not there: LEAD_SCORING_DATA says where'
\quit
\endif

SELECT plan(24);

-- ------------------------------------------------------------------ the log

CREATE SCHEMA bpi;
CREATE TABLE bpi.events (
    case_id    int,
    reg_date   timestamptz,
    amount_req numeric,
    seq        int,
    ts         timestamptz,
    activity   text,
    lifecycle  text,
    resource   text
);
SELECT format('COPY bpi.events FROM PROGRAM %L (FORMAT csv, HEADER match)',
              'gzip -dc ' || :'file') \gexec

CREATE TABLE bpi.applications AS
SELECT case_id, min(reg_date) AS reg_date FROM bpi.events GROUP BY case_id;
ALTER TABLE bpi.applications ADD PRIMARY KEY (case_id);
ANALYZE bpi.events, bpi.applications;

SELECT is(count(*), 262200::bigint, 'all events are there') FROM bpi.events;
SELECT is(count(*), 13087::bigint, 'of all applications') FROM bpi.applications;
SELECT is(array_agg(DISTINCT ts AT TIME ZONE 'Europe/Amsterdam' - ts AT TIME ZONE 'UTC'),
          '{01:00,02:00}', 'under winter time and summer time') FROM bpi.events;

-- ---------------------------------------------------------------- the model

SELECT lead_scoring.create_model('bpi', 'bpi.applications', 'case_id',
    created_column => 'reg_date') IS NULL AS done \gset
SELECT lead_scoring.add_event_source('bpi', 'bpi.events', 'case_id', 'ts', 'log',
    activity => $$lifecycle <> 'SCHEDULE'$$) IS NULL AS done \gset

INSERT INTO lead_scoring.rule_group (model, name, dimension, min_points, max_points) VALUES
    ('bpi', 'work', 'engagement', -15, 30);

INSERT INTO lead_scoring.engagement_rule
SELECT r.*
  FROM jsonb_array_elements($$[
    {"name": "Offer sent", "kind": "each", "condition": "activity = 'O_SENT'",
     "points": 10, "within": "30 days", "max_count": 2},
    {"name": "Worked on", "kind": "each", "condition": "activity LIKE 'W\\_%' AND lifecycle = 'COMPLETE'",
     "group_name": "work", "points": 2.5, "half_life": "7 days"},
    {"name": "Accepted", "kind": "each", "condition": "activity = 'A_ACCEPTED'",
     "points": 1, "value": "amount_req / 1000", "linear_over": "45 days", "max_count": 1},
    {"name": "Offer came back", "kind": "each", "condition": "activity = 'O_SENT_BACK'",
     "dimension": "intent", "points": 25, "decay_percent": 15, "decay_every": "3 days",
     "max_count": 3, "unless": "activity IN ('A_DECLINED', 'A_CANCELLED')"},
    {"name": "File incomplete", "kind": "each", "condition": "activity = 'W_Call_incomplete_file'",
     "points": -4, "distinct_by": "resource", "after": "2 days", "expires_after": "20 days",
     "max_count": 4, "unless": "activity = 'A_APPROVED'", "requires": "Offer sent"},
    {"name": "Called by several", "kind": "count",
     "condition": "activity = 'W_Call_after_offer' AND lifecycle = 'START'",
     "group_name": "work", "points": 8, "within": "14 days", "distinct_by": "resource",
     "at_least": 2, "at_most": 4},
    {"name": "Nothing happens", "kind": "inactive", "points": -10, "within": "14 days",
     "repeat_every": "7 days", "max_count": 4},
    {"name": "Sent, back, approved", "kind": "sequence", "dimension": "intent", "points": 30,
     "steps": ["activity = 'O_SENT'", "activity = 'O_SENT_BACK'", "activity = 'A_APPROVED'"],
     "within": "30 days", "expires_after": "40 days"},
    {"name": "Straight through", "kind": "sequence", "step_order": "consecutive", "points": 5,
     "steps": ["activity = 'A_SUBMITTED'", "activity = 'A_PARTLYSUBMITTED'",
               "activity = 'A_PREACCEPTED'", "activity = 'W_Complete_application' AND lifecycle = 'START'"],
     "within": "1 day"},
    {"name": "Keeps up", "kind": "streak", "condition": "lifecycle = 'SCHEDULE'",
     "hit": "lifecycle = 'COMPLETE'", "distinct_by": "activity", "points": 7, "at_least": 2,
     "grace": "12 hours", "within": "60 days"}
  ]$$) AS rule,
  jsonb_populate_record(NULL::lead_scoring.engagement_rule,
    '{"model": "bpi", "dimension": "engagement", "enabled": true}' || rule) AS r;

SELECT is(count(*), 10::bigint, 'the model has ten rules')
FROM lead_scoring.engagement_rule WHERE model = 'bpi';
SELECT is(count(DISTINCT kind), 5::bigint, 'of all kinds')
FROM lead_scoring.engagement_rule WHERE model = 'bpi';

-- -------------------------------------------------------- both say the same

SELECT format('CREATE FUNCTION pg_temp.plain(timestamptz) RETURNS TABLE
    (contact_id int, fit float8, engagement float8, intent float8, total float8)
    LANGUAGE sql STABLE AS %L', lead_scoring.to_sql('bpi')) \gexec

CREATE FUNCTION pg_temp.aggregated(as_of timestamptz)
RETURNS TABLE (contact_id int, engagement float8, intent float8) LANGUAGE sql STABLE AS $$
    SELECT a.case_id, lead_scoring.engagement_score(s.state, as_of, a.reg_date),
           lead_scoring.intent_score(s.state, as_of, a.reg_date)
      FROM bpi.applications AS a
      JOIN (SELECT e.case_id, lead_scoring.engagement_agg(e, 'bpi', 'log', as_of) AS state
              FROM bpi.events AS e GROUP BY e.case_id) AS s USING (case_id)
$$;

-- In the hour that came twice; a day of work; the year's end; the middle of a
-- burst; the very last event.
CREATE TEMP TABLE moment (n int, as_of timestamptz);
INSERT INTO moment VALUES
    (1, '2011-10-30 02:30:00+02'),
    (2, '2011-11-15 11:21:33.123+01'),
    (3, '2012-01-01 00:00:00+01'),
    (4, (SELECT ts FROM bpi.events ORDER BY ts OFFSET 200000 LIMIT 1)),
    (5, (SELECT max(ts) FROM bpi.events));

CREATE TEMP TABLE compared AS
SELECT m.n, b.*
FROM moment AS m
CROSS JOIN LATERAL (SELECT *
                      FROM pg_temp.aggregated(m.as_of) AS a
                      FULL JOIN pg_temp.plain(m.as_of) AS p
                           (plain_id, fit, plain_engagement, plain_intent, total)
                             ON p.plain_id = a.contact_id) AS b;

SELECT is(count(*) FILTER (WHERE contact_id = plain_id
                             AND abs(engagement - plain_engagement) <= 1e-6
                             AND abs(intent - plain_intent) <= 1e-6),
          13087::bigint, 'they agree on all at moment ' || n)
FROM compared GROUP BY n ORDER BY n;
SELECT cmp_ok(count(DISTINCT (engagement, intent)), '>', 100::bigint,
              'and not because all are alike, at moment ' || n)
FROM compared GROUP BY n ORDER BY n;

-- explain_engagement adds up, and each rule matters to somebody.
CREATE TEMP TABLE explained AS
SELECT m.n, s.case_id, x.*
FROM moment AS m
CROSS JOIN LATERAL (SELECT e.case_id, lead_scoring.engagement_agg(e, 'bpi', 'log', m.as_of) AS state
                      FROM bpi.events AS e GROUP BY e.case_id) AS s
JOIN bpi.applications AS a USING (case_id)
CROSS JOIN LATERAL lead_scoring.explain_engagement(s.state, m.as_of, a.reg_date) AS x
WHERE m.n IN (1, 4);
SELECT is_empty(
    $$SELECT c.n, contact_id, max(c.engagement), max(c.intent)
        FROM compared AS c
        LEFT JOIN explained AS x ON (x.n, x.case_id) = (c.n, c.contact_id)
       WHERE c.n IN (1, 4)
       GROUP BY c.n, contact_id
      HAVING abs(coalesce(sum(counted) FILTER (WHERE dimension = 'engagement'), 0) - max(c.engagement)) > 1e-5
          OR abs(coalesce(sum(counted) FILTER (WHERE dimension = 'intent'), 0) - max(c.intent)) > 1e-5$$,
    'explain_engagement adds up to the scores');
SELECT is_empty(
    $$SELECT name FROM lead_scoring.engagement_rule
       WHERE model = 'bpi' AND name NOT IN (SELECT rule FROM explained WHERE counted <> 0)$$,
    'every rule gives points to somebody');

-- Parts of the events, in parallel; beside another aggregate it is PostgreSQL that
-- aggregates.
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
CREATE FUNCTION pg_temp.plan_of(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query;
END
$$;
\set aggregation 'SELECT e.case_id, lead_scoring.engagement_agg(e, ''bpi'', ''log'', ''2012-02-01 00:00+00'') AS state FROM bpi.events AS e GROUP BY e.case_id HAVING count(*) > 0'
SELECT ok(string_agg(line, '') LIKE '%Partial%', 'the plan is parallel')
FROM pg_temp.plan_of(:'aggregation') AS line;
CREATE TEMP TABLE in_parallel AS :aggregation;
SET max_parallel_workers_per_gather = 0;
CREATE TEMP TABLE in_one AS SELECT e.case_id, lead_scoring.engagement_agg(e, 'bpi', 'log', '2012-02-01 00:00+00') AS state FROM bpi.events AS e GROUP BY e.case_id;
SELECT is(count(*), 13087::bigint, 'and gives the same scores')
FROM in_parallel AS a JOIN in_one AS b USING (case_id)
WHERE abs(lead_scoring.engagement_score(a.state, '2012-02-01 00:00+00')
          - lead_scoring.engagement_score(b.state, '2012-02-01 00:00+00')) <= 1e-6
  AND lead_scoring.intent_score(a.state, '2012-02-01 00:00+00')
    = lead_scoring.intent_score(b.state, '2012-02-01 00:00+00');

-- ----------------------------------------------- the same log, by the clock

-- As a bank's own system shows it: without a zone. No event is in the hour that
-- came twice.
CREATE VIEW bpi.by_the_clock AS
SELECT case_id, amount_req, ts AT TIME ZONE 'Europe/Amsterdam' AS at, activity, lifecycle, resource
FROM bpi.events;
SELECT is_empty(
    $$SELECT ts FROM bpi.events
       WHERE ts AT TIME ZONE 'Europe/Amsterdam' AT TIME ZONE 'Europe/Amsterdam' <> ts$$,
    'the clock tells the moments apart');
UPDATE lead_scoring.event_source
   SET relation = 'bpi.by_the_clock', occurred_at = 'at', time_zone = 'Europe/Amsterdam'
 WHERE model = 'bpi';
SELECT is(count(*), 13087::bigint, 'scores are the same, of a view with local times')
FROM (SELECT e.case_id, lead_scoring.engagement_agg(e, 'bpi', 'log', m.as_of) AS state
        FROM bpi.by_the_clock AS e, moment AS m WHERE m.n = 4 GROUP BY e.case_id) AS s
JOIN bpi.applications AS a USING (case_id)
JOIN moment AS m ON m.n = 4
JOIN compared AS c ON c.n = 4 AND c.contact_id = s.case_id
WHERE lead_scoring.engagement_score(s.state, m.as_of, a.reg_date) = c.engagement
  AND lead_scoring.intent_score(s.state, m.as_of, a.reg_date) = c.intent;

SELECT is_empty($$SELECT * FROM lead_scoring.check_model('bpi') WHERE problem NOT LIKE '%no max_count%'$$,
                'check_model() finds nothing else than a rule without limit');

-- ------------------------------------------------- as a document, and beside another

SELECT lead_scoring.import_model(jsonb_set(lead_scoring.export_model('bpi'), '{model,name}', '"again"')) AS again \gset
SELECT is(lead_scoring.model_fingerprint('again'), lead_scoring.model_fingerprint('bpi'), 'as a document, and back');
-- Applications that were registered by then, each in the band of its scores.
SELECT is((sum(contacts), sum(contacts) FILTER (WHERE band_a = band_b), sum(gain_mql + lose_mql))::text,
          (SELECT format('(%s,%s,0)', count(*), count(*)) FROM bpi.applications, moment AS m WHERE m.n = 4 AND reg_date <= m.as_of),
          'the two agree on every application')
  FROM lead_scoring.compare('bpi', 'again', (SELECT as_of FROM moment WHERE n = 4));

SELECT * FROM finish();
