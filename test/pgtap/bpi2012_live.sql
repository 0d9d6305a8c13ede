-- Real data, live: the applications of bpi2012.sql, whose events come in month by month as a
-- bank's own system would write them. Milestones move them from stage to stage; then every
-- report view says what plain SQL over the log says, the scores of any day are those of the
-- model as plain SQL, and explain and explain_change add up to them.
--
-- The file is not part of the project: see $LEAD_SCORING_DATA in test/lib.sh.

SET client_min_messages = warning;
SET TimeZone = 'America/New_York'; -- nothing may depend on it
SET jit = off;
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

SELECT plan(32);

-- alike(query, query, what): both have the same rows, in their text form.
CREATE FUNCTION pg_temp.alike(seen text, expected text, what text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    rows text[][];
BEGIN
    EXECUTE format('SELECT ARRAY[coalesce((SELECT string_agg(q::text, E''\n'' ORDER BY q::text COLLATE "C") FROM (%s) AS q), ''''),
                                 coalesce((SELECT string_agg(q::text, E''\n'' ORDER BY q::text COLLATE "C") FROM (%s) AS q), '''')]', seen, expected) INTO rows;
    RETURN is(rows[1], rows[2], what);
END
$$;

CREATE SCHEMA bpi;
CREATE TABLE bpi.log (
    case_id int, reg_date timestamptz, amount_req numeric, seq int, ts timestamptz,
    activity text, lifecycle text, resource text);
SELECT format('COPY bpi.log FROM PROGRAM %L (FORMAT csv, HEADER match)', 'gzip -dc ' || :'file') \gexec
CREATE TABLE bpi.events (LIKE bpi.log);
CREATE INDEX ON bpi.events (case_id);
CREATE TABLE bpi.applications AS
SELECT case_id, min(reg_date) AS reg_date, min(amount_req) AS amount,
       CASE WHEN min(amount_req) < 10000 THEN 'small' ELSE 'large' END AS size, NULL::text AS stage
  FROM bpi.log GROUP BY case_id;
ALTER TABLE bpi.applications ADD PRIMARY KEY (case_id);
-- An offer is the deal; it is over once the application is approved or refused.
CREATE VIEW bpi.deals AS
SELECT e.case_id, min(amount_req) AS amount,
       min(ts) FILTER (WHERE activity = 'O_SENT') AS opened_at,
       min(ts) FILTER (WHERE activity IN ('A_APPROVED', 'A_DECLINED', 'A_CANCELLED')) AS closed_at,
       CASE WHEN bool_or(activity = 'A_APPROVED') THEN true
            WHEN bool_or(activity IN ('A_DECLINED', 'A_CANCELLED')) THEN false END AS won
  FROM bpi.events AS e GROUP BY e.case_id HAVING bool_or(activity = 'O_SENT');
ANALYZE bpi.log, bpi.applications;

-- ---------------------------------------------------------------- the model

SELECT lead_scoring.create_model('loans', 'bpi.applications', 'case_id', stage_column => 'stage',
           created_column => 'reg_date', time_zone => 'Europe/Amsterdam', segments => '{size}') IS NULL AS made,
       lead_scoring.add_event_source('loans', 'bpi.events', 'case_id', 'ts', 'log',
           activity => $$lifecycle <> 'SCHEDULE'$$) IS NULL AS done \gset
INSERT INTO lead_scoring.fit_rule (model, name, condition, points)
    VALUES ('loans', 'Five to twenty thousand', 'amount BETWEEN 5000 AND 20000', 10);
INSERT INTO lead_scoring.engagement_rule (model, name, dimension, kind, condition, points, max_count, within) VALUES
    ('loans', 'Preaccepted', 'engagement', 'each', $$activity = 'A_PREACCEPTED'$$, 10, 1, NULL),
    ('loans', 'Accepted', 'engagement', 'each', $$activity = 'A_ACCEPTED'$$, 20, 1, NULL),
    ('loans', 'Offer came back', 'intent', 'each', $$activity = 'O_SENT_BACK'$$, 25, 2, '30 days'),
    ('loans', 'File incomplete', 'intent', 'each', $$activity = 'W_Call_incomplete_file' AND lifecycle = 'START'$$, -2, 5, '20 days');
INSERT INTO lead_scoring.engagement_rule (model, name, kind, points, within)
    VALUES ('loans', 'Nothing happens', 'inactive', -15, '14 days');
INSERT INTO lead_scoring.milestone (model, name, source, condition) VALUES
    ('loans', 'preaccepted', 'log', $$activity = 'A_PREACCEPTED'$$),
    ('loans', 'accepted', 'log', $$activity = 'A_ACCEPTED'$$),
    ('loans', 'offered', 'log', $$activity = 'O_SENT'$$),
    ('loans', 'approved', 'log', $$activity = 'A_APPROVED'$$),
    ('loans', 'refused', 'log', $$activity IN ('A_DECLINED', 'A_CANCELLED')$$),
    ('loans', 'called', 'log', $$activity = 'W_Call_after_offer' AND lifecycle = 'START'$$);
-- Which milestone leads to which stage.
CREATE TABLE bpi.step (n int, stage text, milestone text, activities text[]);
INSERT INTO bpi.step VALUES
    (1, 'lead', NULL, '{}'), (2, 'mql', 'preaccepted', '{A_PREACCEPTED}'), (3, 'sql', 'accepted', '{A_ACCEPTED}'),
    (4, 'opportunity', 'offered', '{O_SENT}'), (5, 'customer', 'approved', '{A_APPROVED}'),
    (6, 'disqualified', 'refused', '{A_DECLINED,A_CANCELLED}');
DELETE FROM lead_scoring.transition WHERE model = 'loans';
INSERT INTO lead_scoring.transition (model, from_stage, to_stage, condition)
SELECT 'loans', a.stage, b.stage, format('%L = ANY (milestones)', b.milestone)
  FROM bpi.step AS a JOIN bpi.step AS b ON a.n < b.n AND a.n < 5;
INSERT INTO lead_scoring.action (model, name, condition, goal, goal_within)
    VALUES ('loans', 'call', 'score.stage = ''opportunity''', 'called', '7 days');
INSERT INTO lead_scoring.deal_source (model, relation, contact_id, amount, created_at, closed_at, won)
    VALUES ('loans', 'bpi.deals', 'case_id', 'amount', 'opened_at', 'closed_at', 'won');
SELECT lead_scoring.activate('loans') IS NULL AS done \gset

SELECT format('INSERT INTO bpi.events SELECT * FROM bpi.log
                WHERE ts AT TIME ZONE ''UTC'' >= %L AND ts AT TIME ZONE ''UTC'' < %L ORDER BY ts', m, m + interval '1 month')
  FROM generate_series(timestamp '2011-09-01', '2012-03-01', '1 month') AS m \gexec
ANALYZE bpi.events;
SELECT is(count(*), 262200::bigint, 'all events have come in') FROM bpi.events;
SELECT is_empty($$SELECT * FROM lead_scoring.verify('loans')$$, 'verify() finds nothing');
SELECT is_empty($$SELECT * FROM lead_scoring.check_model('loans') WHERE severity <> 'advice'$$, 'nor does check_model()');

SELECT format('CREATE FUNCTION pg_temp.plain(timestamptz) RETURNS TABLE
    (contact_id int, fit float8, engagement float8, intent float8, total float8)
    LANGUAGE sql STABLE AS %L', lead_scoring.to_sql('loans')) \gexec
CREATE TEMP TABLE plain AS SELECT p.* FROM pg_temp.plain(now()) AS p;
SELECT is((SELECT count(*) FROM plain AS p JOIN bpi.loans_scored AS s USING (contact_id)
            WHERE abs(p.total - s.total) <= 1e-6 AND abs(p.intent - s.intent) <= 1e-6), 13087::bigint,
          'the view has the totals of plain SQL');

-- ------------------------------------------------------------------- stages

-- At the end of a month an application is where its farthest milestone leads, until it is
-- approved or refused.
CREATE TEMP TABLE path AS
SELECT DISTINCT case_id, n FROM (
    SELECT case_id, month, max(max(n)) OVER (PARTITION BY case_id ORDER BY month) AS n
      FROM (SELECT l.case_id, date_trunc('month', l.ts AT TIME ZONE 'UTC') AS month,
                   coalesce(max(s.n) FILTER (WHERE l.activity = ANY (s.activities)), 1) AS n
              FROM bpi.log AS l CROSS JOIN bpi.step AS s GROUP BY 1, 2) AS q
     GROUP BY case_id, month, n) AS p;
CREATE INDEX ON path (case_id, n);
ANALYZE path;
DELETE FROM path AS p WHERE n = 6 AND EXISTS (SELECT FROM path AS q WHERE q.case_id = p.case_id AND q.n = 5);
SELECT pg_temp.alike(
    $$SELECT stage, count(*) FROM bpi.applications GROUP BY stage ORDER BY stage$$,
    $$SELECT s.stage, count(*) FROM (SELECT case_id, max(n) AS n FROM path GROUP BY 1) AS p JOIN bpi.step AS s USING (n)
       GROUP BY s.stage ORDER BY s.stage$$, 'each is where its milestones lead');
SELECT pg_temp.alike(
    $$SELECT cohort_month, size, stage, entered, reached FROM bpi.loans_funnel ORDER BY 1, 2, 3$$,
    $$SELECT a.month, a.size, s.stage, max(a.entered),
             count(*) FILTER (WHERE EXISTS (SELECT FROM path AS p
                                             WHERE p.case_id = a.case_id AND p.n >= s.n AND (s.n = 6 OR p.n < 6))
                                    OR s.n = 1)
        FROM (SELECT case_id, size, date_trunc('month', reg_date AT TIME ZONE 'Europe/Amsterdam')::date AS month,
                     count(*) OVER (PARTITION BY size, date_trunc('month', reg_date AT TIME ZONE 'Europe/Amsterdam')) AS entered
                FROM bpi.applications) AS a CROSS JOIN bpi.step AS s
       GROUP BY 1, 2, 3 ORDER BY 1, 2, 3$$, '_funnel counts who reached what');
SELECT is((SELECT count(*) FROM bpi.loans_stays),
          (SELECT count(*) FROM path WHERE n > 1) + 13087, '_stays: one for each stage, and the first');
SELECT is((SELECT sum(fired) FROM bpi.loans_workflow), (SELECT count(*)::numeric FROM path WHERE n = 4),
          '_workflow: the action fired for whoever was an opportunity');
SELECT is(count(*), 10::bigint, 'ten are taken')
  FROM (SELECT lead_scoring.finish_action('loans', t.id, true) FROM lead_scoring.take_actions('loans', 10) AS t) AS f;
SELECT is((SELECT sum(delivered) FROM bpi.loans_workflow), 10::numeric, 'and delivered');

-- -------------------------------------------------------- milestones and deals

-- The first of each application; all come after its registration.
CREATE TEMP TABLE reached AS
SELECT m.name, l.case_id, min(l.ts) AS at
  FROM (VALUES ('preaccepted', 'A_PREACCEPTED', NULL), ('accepted', 'A_ACCEPTED', NULL), ('offered', 'O_SENT', NULL),
               ('approved', 'A_APPROVED', NULL), ('called', 'W_Call_after_offer', 'START'),
               ('refused', 'A_DECLINED', NULL), ('refused', 'A_CANCELLED', NULL)) AS m (name, activity, lifecycle)
  JOIN bpi.log AS l ON l.activity = m.activity AND l.lifecycle = coalesce(m.lifecycle, l.lifecycle)
 GROUP BY 1, 2;
SELECT pg_temp.alike(
    $$SELECT milestone, contacts, reached, round(median_hours::numeric, 4), round(p90_hours::numeric, 4)
        FROM bpi.loans_response WHERE start = 'created' AND detail = 'all' ORDER BY 1$$,
    $$SELECT name, 13087::bigint, count(*),
             round((percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM at - reg_date)::float8) / 3600)::numeric, 4),
             round((percentile_cont(0.9) WITHIN GROUP (ORDER BY extract(epoch FROM at - reg_date)::float8) / 3600)::numeric, 4)
        FROM reached JOIN bpi.applications USING (case_id) GROUP BY 1 ORDER BY 1$$,
    '_response: from registration to each milestone');

SELECT pg_temp.alike(
    $$SELECT month, size, sum(deals)::bigint, sum(open)::bigint, sum(won)::bigint, sum(lost)::bigint, sum(amount)::numeric, sum(won_amount)::numeric
        FROM bpi.loans_pipeline GROUP BY 1, 2 ORDER BY 1, 2$$,
    $$SELECT date_trunc('month', opened_at AT TIME ZONE 'Europe/Amsterdam')::date, size, count(*),
             count(*) FILTER (WHERE closed_at IS NULL), count(*) FILTER (WHERE won), count(*) FILTER (WHERE NOT won),
             sum(d.amount), sum(d.amount) FILTER (WHERE won)
        FROM bpi.deals AS d JOIN bpi.applications USING (case_id) GROUP BY 1, 2 ORDER BY 1, 2$$,
    '_pipeline: deals of a month, and what they are worth');
SELECT pg_temp.alike(
    $$SELECT to_stage, cases, round(median_days::numeric, 6) FROM bpi.loans_velocity
       WHERE measure = 'deal' AND detail = 'all' ORDER BY 1$$,
    $$SELECT CASE WHEN won THEN 'won' ELSE 'lost' END, count(*),
             round((percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM closed_at - opened_at)::float8) / 86400)::numeric, 6)
        FROM bpi.deals WHERE closed_at IS NOT NULL GROUP BY 1 ORDER BY 1$$, '_velocity: from the offer to the end');
SELECT pg_temp.alike(
    $$SELECT month, sum(opened)::bigint, sum(won)::bigint, sum(lost)::bigint FROM bpi.loans_monthly
       WHERE min_score IS NULL AND month < '2012-04-01' GROUP BY 1 ORDER BY 1$$,
    $$SELECT date_trunc('month', at AT TIME ZONE 'Europe/Amsterdam')::date, count(*) FILTER (WHERE what = 'opened'),
             count(*) FILTER (WHERE what = 'won'), count(*) FILTER (WHERE what = 'lost')
        FROM bpi.deals AS d CROSS JOIN LATERAL (VALUES ('opened', opened_at), (CASE WHEN won THEN 'won' ELSE 'lost' END, closed_at)) AS f (what, at)
       WHERE at IS NOT NULL GROUP BY 1 ORDER BY 1$$, '_monthly: opened, won and lost');
-- Of every 500th deal, the score of the moment it was opened.
CREATE TEMP TABLE sample AS
SELECT contact_id, opened_at, total FROM (SELECT *, row_number() OVER (ORDER BY contact_id) AS n FROM bpi.loans_deals) AS d WHERE n % 500 = 0;
SELECT is((SELECT count(*) FROM sample AS s CROSS JOIN LATERAL pg_temp.plain(s.opened_at) AS p
            WHERE p.contact_id = s.contact_id AND abs(p.total - s.total) <= 1e-6), 10::bigint,
          '_deals has the scores of then');
SELECT is((SELECT count(*) FROM bpi.loans_deals), (SELECT count(*) FROM bpi.deals), 'of all deals');
SELECT pg_temp.alike(
    $$SELECT error, count(*) FROM bpi.loans_errors GROUP BY 1 ORDER BY 1$$,
    $$SELECT * FROM (SELECT CASE WHEN outcome = 'lost' AND band IN ('hot', 'very hot') THEN 'false positive'
                  WHEN outcome = 'won' AND band = 'cold' THEN 'false negative' END AS error, count(*)
        FROM bpi.loans_deals GROUP BY 1) AS q WHERE error IS NOT NULL ORDER BY 1$$, '_errors has those that surprise');

-- ------------------------------------------------------------ rules and scores

-- Each application as of its offer, or as of now where there was none.
CREATE TEMP TABLE judged AS
SELECT a.case_id, a.size, a.amount, coalesce(d.opened_at, now()) AS at, d.case_id IS NOT NULL AS dealt, d.won IS TRUE AS won
  FROM bpi.applications AS a LEFT JOIN bpi.deals AS d USING (case_id);
SELECT pg_temp.alike(
    $$SELECT rule, size, contacts, matched, won, matched_won FROM bpi.loans_rule_stats
       WHERE rule IN ('Preaccepted', 'Accepted', 'Five to twenty thousand') ORDER BY 1, 2$$,
    $$SELECT r.rule, j.size, count(*), count(*) FILTER (WHERE r.matched), count(*) FILTER (WHERE won),
             count(*) FILTER (WHERE won AND r.matched)
        FROM judged AS j
        LEFT JOIN reached AS p ON p.case_id = j.case_id AND p.name = 'preaccepted' AND p.at <= j.at
        LEFT JOIN reached AS c ON c.case_id = j.case_id AND c.name = 'accepted' AND c.at <= j.at
       CROSS JOIN LATERAL (VALUES ('Preaccepted', p.at IS NOT NULL), ('Accepted', c.at IS NOT NULL),
                                  ('Five to twenty thousand', j.amount BETWEEN 5000 AND 20000)) AS r (rule, matched)
       GROUP BY 1, 2 ORDER BY 1, 2$$, '_rule_stats: who matches, and wins');
SELECT pg_temp.alike(
    $$SELECT size, sum(contacts)::bigint, sum(dealt)::bigint, sum(won)::bigint, round(max(gain)::numeric, 9) FROM bpi.loans_lift GROUP BY 1 ORDER BY 1$$,
    $$SELECT size, count(*), count(*) FILTER (WHERE dealt), count(*) FILTER (WHERE won), 1.000000000 FROM judged GROUP BY 1 ORDER BY 1$$,
    '_lift has everybody');
SELECT pg_temp.alike(
    $$SELECT sum(contacts)::bigint, sum(unscored + due + stale + queued + failed)::bigint FROM bpi.loans_freshness$$,
    $$VALUES (13087::bigint, 0::bigint)$$, '_freshness: nothing waits');

-- -------------------------------------------------------------- another day

SET lead_scoring.as_of = '2012-01-15 12:00+01';
CREATE TEMP TABLE plain_then AS SELECT p.* FROM pg_temp.plain('2012-01-15 12:00+01') AS p;
SELECT is((SELECT count(*) FROM plain_then AS p JOIN bpi.loans_scored AS s USING (contact_id)
            WHERE abs(p.total - s.total) <= 1e-6 AND abs(p.intent - s.intent) <= 1e-6), 13087::bigint,
          'in the middle of January the view has the totals of plain SQL as of then');
SELECT cmp_ok(count(DISTINCT total), '>', 20::bigint, 'which differ') FROM plain_then;
-- Who was there by then. Bars are ten points wide, and thresholds cut them: at 20, 50 and 80.
SELECT pg_temp.alike(
    $$SELECT from_points, sum(contacts)::bigint FROM bpi.loans_distribution WHERE score = 'total' GROUP BY 1 ORDER BY 1$$,
    $$SELECT floor(total / 10) * 10, count(*) FROM plain_then AS p JOIN bpi.applications AS a ON a.case_id = p.contact_id
       WHERE a.reg_date <= '2012-01-15 12:00+01' GROUP BY 1 ORDER BY 1$$, '_distribution is that of plain SQL');
SELECT is((SELECT array_agg(DISTINCT reasons) FROM bpi.loans_scored AS s JOIN bpi.applications AS a ON a.case_id = s.contact_id
            WHERE s.total = 65 AND s.intent = 25 AND a.amount BETWEEN 5000 AND 20000),
          ARRAY['Offer came back +25, Accepted +20, Five to twenty thousand +10'],
          'reasons of 65 points: offer back, accepted, preaccepted and an amount that fits');
RESET lead_scoring.as_of;

CREATE TEMP TABLE few AS SELECT case_id FROM bpi.applications WHERE case_id % 65 = 0;
SELECT cmp_ok(count(*), '>', 50::bigint, 'of every 65th:') FROM few;
SELECT is_empty(
    $$SELECT f.case_id, p.total, sum(e.points) FROM few AS f JOIN plain_then AS p ON p.contact_id = f.case_id
        LEFT JOIN LATERAL lead_scoring.explain('loans', f.case_id, '2012-01-15 12:00+01') AS e ON true
       GROUP BY 1, 2 HAVING coalesce(sum(e.points), 0) <> p.total::numeric$$, 'explain adds up to the total');
SELECT is_empty(
    $$SELECT f.case_id FROM few AS f JOIN plain_then AS p ON p.contact_id = f.case_id JOIN plain AS n ON n.contact_id = f.case_id
        LEFT JOIN LATERAL lead_scoring.explain_change('loans', f.case_id, '2012-01-15 12:00+01', now()) AS e ON true
       GROUP BY 1, p.total, n.total HAVING coalesce(sum(e.points), 0) <> (n.total - p.total)::numeric$$,
    'explain_change to the difference');
CREATE TEMP TABLE next AS
SELECT f.case_id, p.total AS before, w.* FROM few AS f JOIN plain_then AS p ON p.contact_id = f.case_id
 CROSS JOIN LATERAL lead_scoring.what_next('loans', f.case_id, '2012-01-15 12:00+01') AS w;
SELECT is(count(*) FILTER (WHERE what = 'nothing'), (SELECT count(*) FROM few), 'what_next says of each when it leaves its band') FROM next;
SELECT is_empty(
    $$SELECT * FROM next WHERE what = 'match'
         AND (abs(before + adds - total) > 1e-6 OR lead_scoring.band_rank(total, 'loans') >= lead_scoring.band_rank(before, 'loans'))$$,
    'and which single match leads to a higher one');
-- The total at the very moment, and just before, by plain SQL: of three.
CREATE TEMP TABLE leaving AS SELECT * FROM next WHERE what = 'nothing' AND at IS NOT NULL ORDER BY case_id LIMIT 3;
SELECT is((SELECT count(*) FROM leaving AS l
             CROSS JOIN LATERAL pg_temp.plain(l.at) AS then_ CROSS JOIN LATERAL pg_temp.plain(l.at - interval '1 second') AS before_
            WHERE then_.contact_id = l.case_id AND before_.contact_id = l.case_id
              AND lead_scoring.band(then_.total, 'loans') = l.band
              AND lead_scoring.band(before_.total, 'loans') = lead_scoring.band(l.before, 'loans')
              AND l.band <> lead_scoring.band(l.before, 'loans')
              -- Nothing happens: no event between.
              AND NOT EXISTS (SELECT FROM bpi.events AS e WHERE e.case_id = l.case_id AND e.ts > '2012-01-15 12:00+01' AND e.ts <= l.at))
          + (SELECT count(*) FROM leaving AS l
              WHERE EXISTS (SELECT FROM bpi.events AS e WHERE e.case_id = l.case_id AND e.ts > '2012-01-15 12:00+01' AND e.ts <= l.at)),
          (SELECT count(*) FROM leaving), 'at that moment, and not before');

-- ------------------------------------------------------------- beside another

SELECT lead_scoring.clone_model('loans', 'bolder') IS NULL AS done \gset
UPDATE lead_scoring.engagement_rule SET points = 50 WHERE model = 'bolder' AND name = 'Accepted';
SELECT is((SELECT sum(contacts) FILTER (WHERE band_a <> band_b) FROM lead_scoring.compare('loans', 'bolder')),
          (SELECT count(*)::numeric FROM plain AS p JOIN reached AS r ON r.case_id = p.contact_id AND r.name = 'accepted'
            WHERE lead_scoring.band(p.total + 30, 'loans') <> lead_scoring.band(p.total, 'loans')),
          'compare: as many change their band as 30 points for acceptance make');
-- Where milestones decide, hot ones are qualified.
SELECT is((SELECT sum(gain_mql - lose_mql) FROM lead_scoring.compare('loans', 'bolder')),
          (SELECT count(*)::numeric FROM plain AS p JOIN reached AS r ON r.case_id = p.contact_id AND r.name = 'accepted'
            WHERE p.total < 50 AND p.total + 30 >= 50), 'and as many more are hot');

SELECT * FROM finish();
