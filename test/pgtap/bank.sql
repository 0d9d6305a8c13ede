-- Real data: 45,211 contacts of a bank's phone campaign, of whom 11.7 % bought. Fit alone,
-- a deal for each call: preview, reports, explain, export and compare against plain SQL.
--
-- The file is not part of the project: see $LEAD_SCORING_DATA in test/lib.sh.

SET client_min_messages = warning;
SET jit = off;
\pset format unaligned
\pset tuples_only on

\set data ''
\getenv data LEAD_SCORING_DATA
SELECT :'data' || '/bank-full.csv' AS file \gset
SELECT pg_stat_file(:'file', true) IS NULL AS is_missing \gset
\if :is_missing
\echo '1..0 # SKIP bank-full.csv is not there: LEAD_SCORING_DATA says where'
\quit
\endif

SELECT plan(19);

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

CREATE SCHEMA bank;
CREATE TABLE bank.contacts (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, age int, job text, marital text, education text, "default" text,
    balance int, housing text, loan text, contact text, day int, month text, duration int, campaign int,
    pdays int, previous int, poutcome text, y text);
COPY bank.contacts (age, job, marital, education, "default", balance, housing, loan, contact, day, month,
                    duration, campaign, pdays, previous, poutcome, y)
FROM :'file' (FORMAT csv, HEADER, DELIMITER ';');
-- Rows are in the order of their dates, from May 2008 on: where months go back, a year begins.
CREATE TABLE bank.calls AS
SELECT id, (make_date(2008 + (count(*) FILTER (WHERE m < before) OVER (ORDER BY id))::int, m, day) + time '12:00') AT TIME ZONE 'UTC' AS at,
       y = 'yes' AS bought
  FROM (SELECT id, day, y, m, lag(m) OVER (ORDER BY id) AS before
          FROM (SELECT id, day, y, (strpos('janfebmaraprmayjunjulaugsepoctnovdec', month) + 2) / 3 AS m FROM bank.contacts) AS c) AS d;
SELECT is((count(*), count(*) FILTER (WHERE bought), min(at)::date, max(at)::date)::text,
          '(45211,5289,2008-05-05,2010-11-17)', 'all contacts are there, from May 2008 to November 2010') FROM bank.calls;

-- ---------------------------------------------------------------- the model

-- duration is known only afterwards.
CREATE TABLE bank.rule (name text, condition text, points float8);
INSERT INTO bank.rule VALUES
    ('Bought before', $$poutcome = 'success'$$, 40),
    ('Student or pensioner', $$job IN ('student', 'retired')$$, 20),
    ('Off season', $$month IN ('mar', 'sep', 'oct', 'dec')$$, 20),
    ('Mobile', $$contact = 'cellular'$$, 8),
    ('Savings', $$balance > 1500$$, 6.5),
    ('Studied', $$education LIKE 'tert%'$$, 5),
    ('Blue collar', $$job ILIKE '%BLUE%'$$, -5),
    ('House to pay for', $$housing = 'yes' OR loan = 'yes'$$, -10),
    ('Called too often', $$campaign > 5 AND NOT (pdays BETWEEN 1 AND 90)$$, -7.25);
SELECT lead_scoring.create_model('phone', 'bank.contacts', 'id', segments => '{marital}') IS NULL AS done \gset
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) SELECT 'phone', r.* FROM bank.rule AS r;
INSERT INTO lead_scoring.deal_source (model, relation, contact_id, amount, created_at, closed_at, won)
    VALUES ('phone', 'bank.calls', 'id', '1', 'at', 'at', 'bought');

-- The same by hand.
CREATE TEMP TABLE plain AS
SELECT id, marital, y = 'yes' AS bought,
       40 * (poutcome = 'success')::int + 20 * (job = 'student' OR job = 'retired')::int
       + 20 * (month = ANY ('{mar,sep,oct,dec}'))::int + 8 * (contact = 'cellular')::int + 6.5 * (balance > 1500)::int
       + 5 * (left(education, 4) = 'tert')::int - 5 * (strpos(job, 'blue') > 0)::int
       - 10 * (housing = 'yes' OR loan = 'yes')::int - 7.25 * (campaign > 5 AND (pdays < 1 OR pdays > 90))::int AS total
  FROM bank.contacts;
CREATE FUNCTION pg_temp.band(total numeric) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN total >= 80 THEN 'very hot' WHEN total >= 50 THEN 'hot' WHEN total >= 20 THEN 'warm' ELSE 'cold' END
$$;

SELECT pg_temp.alike(
    $$SELECT label, contacts FROM lead_scoring.preview('phone') WHERE what = 'band'$$,
    $$SELECT pg_temp.band(total), count(*) FROM plain GROUP BY 1$$, 'preview counts the bands');
SELECT lead_scoring.activate('phone') IS NULL AS done \gset
SELECT is(count(*), 45211::bigint, 'everyone has the total by hand')
  FROM plain AS p JOIN bank.phone_scored AS s ON s.contact_id = p.id
 WHERE s.total = p.total AND s.band = pg_temp.band(p.total);
SELECT is_empty($$SELECT * FROM lead_scoring.verify('phone')$$, 'verify() finds nothing');
SELECT is_empty($$SELECT * FROM lead_scoring.check_model('phone') WHERE severity <> 'advice'$$, 'nor does check_model()');

-- ----------------------------------------------------------------- the reports

SELECT string_agg(format($$SELECT %L AS rule, marital, count(*), count(*) FILTER (WHERE %s), count(*) FILTER (WHERE y = 'yes'),
                                  count(*) FILTER (WHERE y = 'yes' AND (%s)) FROM bank.contacts GROUP BY marital$$,
                         name, condition, condition), ' UNION ALL ') AS counts FROM bank.rule \gset
SELECT pg_temp.alike('SELECT rule, marital, contacts, matched, won, matched_won FROM bank.phone_rule_stats',
                     :'counts', '_rule_stats: who matches, and buys');
SELECT pg_temp.alike(
    $$SELECT from_points, sum(contacts) FROM bank.phone_distribution WHERE score = 'total' GROUP BY 1$$,
    $$SELECT floor(total / 10) * 10, count(*) FROM plain GROUP BY 1$$, '_distribution has the bars');
SELECT pg_temp.alike(
    $$SELECT error, marital, count(*) FROM bank.phone_errors GROUP BY 1, 2$$,
    $$SELECT CASE WHEN bought THEN 'false negative' ELSE 'false positive' END, marital, count(*) FROM plain
       WHERE total < 20 AND bought OR total >= 50 AND NOT bought GROUP BY 1, 2$$,
    '_errors: hot and not bought, cold and bought');
SELECT pg_temp.alike(
    $$SELECT month, sum(deals), sum(won), sum(lost) FROM bank.phone_pipeline GROUP BY 1$$,
    $$SELECT date_trunc('month', at AT TIME ZONE 'UTC')::date, count(*), count(*) FILTER (WHERE bought), count(*) FILTER (WHERE NOT bought)
        FROM bank.calls GROUP BY 1$$, '_pipeline: calls of each month');
SELECT pg_temp.alike(
    $$SELECT band, sum(deals), sum(won) FROM bank.phone_pipeline GROUP BY 1$$,
    $$SELECT pg_temp.band(total), count(*), count(*) FILTER (WHERE bought) FROM plain GROUP BY 1$$,
    '_pipeline: calls by band');
-- Equal totals are in the same tenth: that of the first of them.
SELECT pg_temp.alike(
    $$SELECT decile, sum(contacts), sum(won) FROM bank.phone_lift GROUP BY 1$$,
    $$SELECT floor(10 * (place - 1) / 45211.0)::int + 1, count(*), count(*) FILTER (WHERE bought)
        FROM (SELECT bought, rank() OVER (ORDER BY total DESC) AS place FROM plain) AS r GROUP BY 1$$,
    '_lift: tenths by total');
SELECT cmp_ok(sum(won) / sum(contacts), '>', 3 * 0.117, 'of the best tenth more than three times as many buy')
  FROM bank.phone_lift WHERE decile = 1;
SELECT pg_temp.alike(
    $$SELECT measure, to_stage, cases, median_days FROM bank.phone_velocity WHERE measure = 'deal' AND detail = 'all'$$,
    $$VALUES ('deal', 'lost', 39922, 0::float8), ('deal', 'won', 5289, 0::float8)$$, '_velocity: at once');
SELECT pg_temp.alike(
    $$SELECT stage, sum(reached) FROM bank.phone_funnel WHERE stage IN ('lead', 'mql') GROUP BY 1$$,
    $$SELECT * FROM (VALUES ('lead', 45211)) AS v UNION ALL SELECT 'mql', 0$$, '_funnel: who was there before stays where he was');

-- ----------------------------------------------------------------- one by one

SELECT is_empty(
    $$SELECT p.id FROM plain AS p LEFT JOIN LATERAL lead_scoring.explain('phone', p.id) AS e ON true
       WHERE p.id % 100 = 0 GROUP BY p.id, p.total HAVING coalesce(sum(e.points), 0) <> p.total$$, 'explain adds up');
SELECT is(array_agg(DISTINCT (w.what, w.at)::text), '{"(nothing,)"}', 'what_next: no event matters here, and nothing fades')
  FROM (SELECT id FROM plain WHERE id % 1000 = 0) AS p CROSS JOIN LATERAL lead_scoring.what_next('phone', p.id) AS w;

-- ------------------------------------------------- as a document, and beside another

SELECT lead_scoring.import_model(jsonb_set(lead_scoring.export_model('phone'), '{model,name}', '"again"')) AS done \gset
SELECT is(lead_scoring.model_fingerprint('again'), lead_scoring.model_fingerprint('phone'), 'as a document, and back');
UPDATE lead_scoring.fit_rule SET points = 30 WHERE model = 'again' AND name = 'Mobile';
SELECT pg_temp.alike(
    $$SELECT band_a, band_b, sum(contacts), sum(gain_mql), sum(lose_mql) FROM lead_scoring.compare('phone', 'again')
       WHERE contacts > 0 GROUP BY 1, 2$$,
    $$SELECT pg_temp.band(total), pg_temp.band(total + 22 * (contact = 'cellular')::int), count(*),
             count(*) FILTER (WHERE total < 50 AND total + 22 * (contact = 'cellular')::int >= 50), 0
        FROM plain JOIN bank.contacts USING (id) GROUP BY 1, 2$$, 'compare: band by band');
SELECT is((SELECT count(*) FROM lead_scoring.apply_template('again', 'hubspot') WHERE NOT applied AND why IS NULL), 0::bigint,
          'a template that does not fit says why');

SELECT * FROM finish();
