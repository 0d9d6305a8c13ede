-- Reports where stages tell of deals, and where nobody says when contacts came to be.

\set no_deals 1
\ir reports.psql

SELECT plan(10);

SELECT pg_temp.shows(
    $$SELECT contact_id, opened_at, closed_at, outcome, amount, scored_at = opened_at, total, band FROM crm.b2b_deals ORDER BY contact_id$$,
    ARRAY['(1,"2025-02-01 09:00:00+00","2025-03-03 09:00:00+00",won,,t,60,hot)',      -- from opportunity
          '(2,"2025-02-20 09:00:00+00",,open,,t,85,"very hot")',                      -- is in opportunity
          '(3,"2025-02-10 23:30:00+00","2025-02-20 23:30:00+00",lost,,t,50,hot)',     -- from mql
          '(6,"2025-06-15 09:00:00+00","2025-06-20 09:00:00+00",won,,t,40,warm)'],    -- from the first stage, at once
    'deals by stages');
SELECT pg_temp.shows(
    $$SELECT month, band, sum(deals), sum(open), sum(won), sum(lost), sum(amount) FROM crm.b2b_pipeline GROUP BY 1, 2 ORDER BY 1, 2$$,
    ARRAY['(2025-02-01,hot,2,0,1,1,)', '(2025-02-01,"very hot",1,1,0,0,)', '(2025-06-01,warm,1,0,1,0,)'],
    'pipeline by stages');
SELECT pg_temp.shows($$SELECT error, contact_id FROM crm.b2b_errors$$, ARRAY['("false positive",3)'], 'errors by stages');
SELECT pg_temp.shows(
    $$SELECT rule, sum(contacts), sum(matched), sum(won), sum(matched_won) FROM crm.b2b_rule_stats GROUP BY 1 ORDER BY 1$$,
    -- Finn had not come when his deal began.
    ARRAY['(Chief,6,4,2,2)', '(Visit,6,4,2,1)'], 'rules by stages');
SET lead_scoring.as_of = '2025-02-15 00:00+00';
SELECT pg_temp.shows($$SELECT contact_id, outcome FROM crm.b2b_deals ORDER BY contact_id$$, ARRAY['(1,open)'],
    'as of a day in the past');
SET lead_scoring.as_of = '2025-07-01 00:00+00';
SELECT pg_temp.shows(
    $$SELECT measure, from_stage, to_stage, cases, round(mean_days::numeric, 4) FROM crm.b2b_velocity
       WHERE detail = 'all' AND measure IN ('deal', 'to won') ORDER BY 1, 2, 3$$,
    -- Anna 30 and 52 days, Cleo 10, Finn 5.
    ARRAY['(deal,opened,lost,1,10.0000)', '(deal,opened,won,2,17.5000)', '("to won",,,2,28.5000)'],
    'velocity by stages');
INSERT INTO lead_scoring.deal_source VALUES ('b2b', 'crm.deals', 'contact', 'amount', 'opened', 'closed', 'true');
SELECT throws_ok('TABLE crm.b2b_lift', '55000', NULL, 'a deal source that is new');
DELETE FROM lead_scoring.deal_source;

-- Nothing says when they came to be: they have been there, and their months are not known.
UPDATE lead_scoring.model SET created_column = NULL WHERE name = 'b2b';
SELECT lead_scoring.activate('b2b') IS NULL AS done \gset
SET lead_scoring.as_of = '2025-01-05 00:00+00';
SELECT pg_temp.shows(
    $$SELECT cohort_month, stage, sum(entered), sum(reached) FROM crm.b2b_funnel GROUP BY 1, 2 HAVING sum(reached) > 0 ORDER BY 2$$,
    ARRAY['(,lead,6,6)'], 'without created_column everybody was there, in his first known stage');
SET lead_scoring.as_of = '2025-07-01 00:00+00';
SELECT pg_temp.shows(
    $$SELECT measure, from_stage, cases FROM crm.b2b_velocity WHERE detail = 'all' AND from_stage IN ('lead', 'mql') ORDER BY 1, 2$$,
    ARRAY['("in stage",mql,3)', '("to next stage",mql,2)'], 'how long they had been in their first stage is not known');
SELECT pg_temp.shows(
    $$SELECT DISTINCT start FROM crm.b2b_response ORDER BY 1$$, ARRAY['(band)', '(deal)', '(stage)'],
    'nor how long they waited since they came');

SELECT * FROM finish();
