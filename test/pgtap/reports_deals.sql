-- Reports: deals, pipeline, errors, lift and monthly.

\ir reports.psql

SELECT plan(20);

-- --------------------------------------------------------------------- deals

SELECT pg_temp.shows(
    $$SELECT contact_id, opened_at, closed_at, outcome, amount, scored_at = opened_at, fit, engagement, total, band, country
        FROM crm.b2b_deals ORDER BY contact_id$$,
    ARRAY['(1,"2025-01-31 23:00:00+00","2025-03-01 12:00:00+00",won,1000,t,40,20,60,hot,FR)', -- the visit in March came later
          '(2,"2025-02-19 23:00:00+00",,open,500,t,5,80,85,"very hot",FR)',                     -- from history
          '(3,"2025-02-11 23:00:00+00","2025-02-20 12:00:00+00",lost,300,t,40,10,50,hot,DE)',
          '(4,"2025-03-31 22:00:00+00","2025-04-21 12:00:00+00",won,200,t,0,0,0,cold,DE)',
          '(6,"2025-06-17 22:00:00+00",,open,700,t,40,20,60,hot,FR)'],                          -- won later
    'deals with the score of when they were opened');
SET lead_scoring.as_of = '2025-02-20 11:59+00';
SELECT pg_temp.shows(
    $$SELECT contact_id, closed_at, outcome, total FROM crm.b2b_deals ORDER BY contact_id$$,
    ARRAY['(1,,open,60)', '(2,,open,85)', '(3,,open,50)'],
    'and as of a moment before');
SET lead_scoring.as_of = '2025-07-01 00:00+00';
SET TimeZone = 'Pacific/Auckland';
SELECT is(count(*), 5::bigint, 'whatever the time zone of the session')
  FROM crm.b2b_deals
 WHERE (contact_id, total, opened_at) IN
       ((1, 60, '2025-01-31 23:00+00'), (2, 85, '2025-02-19 23:00+00'), (3, 50, '2025-02-11 23:00+00'),
        (4, 0, '2025-03-31 22:00+00'), (6, 60, '2025-06-17 22:00+00'));
SET TimeZone = 'UTC';

UPDATE lead_scoring.deal_source SET score_before = '10 days' WHERE model = 'b2b';
SELECT pg_temp.shows(
    $$SELECT contact_id, scored_at, total, band FROM crm.b2b_deals ORDER BY contact_id$$,
    ARRAY['(1,"2025-02-19 12:00:00+00",60,hot)',
          '(2,"2025-02-19 23:00:00+00",85,"very hot")',
          '(3,"2025-02-10 12:00:00+00",50,hot)',
          '(4,"2025-04-11 12:00:00+00",10,cold)',
          '(6,"2025-06-17 22:00:00+00",60,hot)'],
    'score_before: so long before closing');
UPDATE lead_scoring.deal_source SET score_before = NULL WHERE model = 'b2b';

-- ------------------------------------------------------------------ pipeline

SELECT pg_temp.shows(
    $$SELECT month, band, country, deals, open, won, lost, amount, open_amount, won_amount, lost_amount, win_rate,
             mean_amount_won
        FROM crm.b2b_pipeline ORDER BY month, band, country$$,
    ARRAY['(2025-02-01,hot,DE,1,0,0,1,300,,,300,0,)',
          '(2025-02-01,hot,FR,1,0,1,0,1000,,1000,,1,1000)',
          '(2025-02-01,"very hot",FR,1,1,0,0,500,500,,,,)',
          '(2025-04-01,cold,DE,1,0,1,0,200,,200,,1,200)',
          '(2025-06-01,hot,FR,1,1,0,0,700,700,,,,)'],
    'pipeline');

-- -------------------------------------------------------------------- errors

SELECT pg_temp.shows(
    $$SELECT error, contact_id, closed_at, amount, total, band, country FROM crm.b2b_errors ORDER BY error$$,
    ARRAY['("false negative",4,"2025-04-21 12:00:00+00",200,0,cold,DE)',
          '("false positive",3,"2025-02-20 12:00:00+00",300,50,hot,DE)'],
    'hot and lost, cold and won');
SET lead_scoring.as_of = '2025-03-01 00:00+00';
SELECT pg_temp.shows($$SELECT contact_id FROM crm.b2b_errors$$, ARRAY['(3)'], 'as of March');
SET lead_scoring.as_of = '2025-07-01 00:00+00';

-- ---------------------------------------------------------------------- lift

-- Totals: Ben 85; Anna, Eve, Finn 60; Cleo 50; Dan 0. Won: Anna and Dan.
SELECT pg_temp.shows(
    $$SELECT decile, country, lowest_total, highest_total, contacts, dealt, won, round(rate::numeric, 4), win_rate, round(lift::numeric, 4),
             contacts_share, gain
        FROM crm.b2b_lift ORDER BY decile$$,
    ARRAY['(1,FR,85,85,1,1,0,0.0000,0,0.0000,0.25,0)',
          '(2,FR,60,60,3,2,1,0.3333,0.5,1.3333,1,1)',
          '(7,DE,50,50,1,1,0,0.0000,0,0.0000,0.5,0)',
          '(9,DE,0,0,1,1,1,1.0000,1,2.0000,1,1)'],
    'lift');
SET lead_scoring.as_of = '2025-03-31 00:00+00';
-- Dan had no deal by then: 0. Eve had not visited: 40. Finn was not there.
SELECT pg_temp.shows(
    $$SELECT decile, country, lowest_total, contacts, won FROM crm.b2b_lift ORDER BY decile$$,
    ARRAY['(1,FR,85,1,0)', '(3,FR,60,1,1)', '(5,DE,50,1,0)', '(7,FR,40,1,0)', '(9,DE,0,1,0)'],
    'lift as of March');
SET lead_scoring.as_of = '2025-07-01 00:00+00';

-- ------------------------------------------------------------------- monthly

INSERT INTO crm.b2b_score_daily (day, contact_id, total, band) VALUES
    ('2025-06-23', 1, 25, 'warm'), ('2025-06-30', 1, 60, 'hot'),
    ('2025-06-22', 2, 5, 'cold'), ('2025-06-30', 2, 85, 'very hot'),  -- eight days before: not within a week
    ('2025-07-02', 5, 90, 'very hot'), ('2025-06-30', 5, 10, 'cold'); -- in July
-- Ben: cold from January on, very hot from February on.
SELECT pg_temp.shows(
    $$SELECT month, band, contacts, rose, jumped, opened, won, lost, won_amount FROM crm.b2b_monthly
       WHERE country = 'FR' AND month BETWEEN '2025-01-01' AND '2025-03-01' ORDER BY month, min_score NULLS FIRST$$,
    ARRAY['(2025-01-01,cold,1,1,,0,0,0,)', '(2025-01-01,warm,0,0,,0,0,0,)',
          '(2025-01-01,hot,0,0,,0,0,0,)', '(2025-01-01,"very hot",0,0,,0,0,0,)',
          '(2025-02-01,cold,1,0,,2,0,0,)', '(2025-02-01,warm,1,1,,2,0,0,)',
          '(2025-02-01,hot,1,1,,2,0,0,)', '(2025-02-01,"very hot",1,1,,1,0,0,)',
          '(2025-03-01,cold,1,0,,0,1,0,1000)', '(2025-03-01,warm,1,0,,0,1,0,1000)',
          '(2025-03-01,hot,1,0,,0,1,0,1000)', '(2025-03-01,"very hot",1,0,,0,0,0,)'],
    'months of France');
SELECT pg_temp.shows(
    $$SELECT month, country, contacts, opened, won, lost, won_amount FROM crm.b2b_monthly
       WHERE band = 'cold' ORDER BY country, month$$,
    ARRAY['(2025-01-01,DE,0,0,0,0,)', '(2025-02-01,DE,0,1,0,1,)', '(2025-03-01,DE,0,0,0,0,)',
          '(2025-04-01,DE,0,1,1,0,200)', '(2025-05-01,DE,0,0,0,0,)', '(2025-06-01,DE,0,0,0,0,)',
          '(2025-07-01,DE,0,0,0,0,)',
          '(2025-01-01,FR,1,0,0,0,)', '(2025-02-01,FR,1,2,0,0,)', '(2025-03-01,FR,1,0,1,0,1000)',
          '(2025-04-01,FR,1,0,0,0,)', '(2025-05-01,FR,1,0,0,0,)', '(2025-06-01,FR,1,1,0,0,)',
          '(2025-07-01,FR,1,0,0,0,)'],
    'every month is there, up to the clock');
SELECT pg_temp.shows(
    $$SELECT band, jumped FROM crm.b2b_monthly WHERE country = 'FR' AND month = '2025-06-01'
       ORDER BY min_score NULLS FIRST$$,
    ARRAY['(cold,1)', '(warm,1)', '(hot,1)', '("very hot",0)'],
    'who rose by 30 points within a week');
SET lead_scoring.as_of = '2025-02-10 00:00+00';
SELECT pg_temp.shows(
    $$SELECT month, band, contacts, rose, opened FROM crm.b2b_monthly WHERE country = 'FR'
       AND band IN ('cold', 'hot') ORDER BY month, band$$,
    ARRAY['(2025-01-01,cold,1,1,0)', '(2025-01-01,hot,0,0,0)', '(2025-02-01,cold,1,0,1)', '(2025-02-01,hot,1,1,1)'],
    'months as of February');
SET lead_scoring.as_of = '2025-07-01 00:00+00';

SET lead_scoring.as_of = '2025-07-01 00:00+00';
DELETE FROM crm.b2b_score_history WHERE changed_at < '2025-02-01';
SELECT pg_temp.shows(
    $$SELECT month, band, contacts, rose FROM crm.b2b_monthly WHERE country = 'FR'
       AND band IN ('cold', 'hot') AND month < '2025-03-01' ORDER BY month, band$$,
    ARRAY['(2025-02-01,cold,1,0)', '(2025-02-01,hot,1,1)'],
    'where history was pruned it begins later, and nobody rose who was there');
INSERT INTO crm.b2b_score_history (contact_id, changed_at, cause, total, band) VALUES (1, '2025-01-11', 'contact', 0, 'cold');
SELECT pg_temp.shows(
    $$SELECT month, band, contacts FROM crm.b2b_monthly WHERE country = 'FR'
       AND band = 'cold' AND month < '2025-03-01' ORDER BY month$$,
    ARRAY['(2025-01-01,cold,)', '(2025-02-01,cold,2)'],
    'even if somebody is known from before');
DELETE FROM crm.b2b_score_history WHERE changed_at < '2025-07-01';
INSERT INTO crm.b2b_score_history (contact_id, changed_at, cause, total, band) VALUES
    (1, '2025-05-10', 'activation', 60, 'hot'), (2, '2025-05-10', 'activation', 10, 'cold'),
    (2, '2025-06-10', 'event', 60, 'hot');
SELECT pg_temp.shows(
    $$SELECT month, contacts, rose, opened FROM crm.b2b_monthly WHERE country = 'FR' AND band = 'hot'
       AND month BETWEEN '2025-02-01' AND '2025-06-01' ORDER BY month$$,
    ARRAY['(2025-02-01,,,1)', '(2025-03-01,,,0)', '(2025-04-01,,,0)', '(2025-05-01,1,0,0)', '(2025-06-01,2,1,1)'],
    -- Ben's deal of February is not hot any more: no history says so.
    'before it begins nothing is known; who is there at activation has not risen');
DELETE FROM crm.b2b_score_history WHERE changed_at < '2025-07-01';

-- What people say by hand counts as of then.
INSERT INTO crm.b2b_adjustment (contact_id, kind, points, valid_from, valid_until) VALUES
    (3, 'points', -25, '2025-02-01', '2025-03-01'),
    (1, 'reset', NULL, '2025-01-13', NULL);
SELECT pg_temp.shows(
    $$SELECT contact_id, total, band FROM crm.b2b_deals WHERE contact_id IN (1, 3) ORDER BY contact_id$$,
    ARRAY['(1,50,hot)', '(3,25,warm)'], 'adjustments');
TRUNCATE crm.b2b_adjustment;

-- --------------------------------------------------------------- what changes

UPDATE lead_scoring.deal_source SET won = 'status = ''won''' WHERE model = 'b2b';
SELECT pg_temp.shows(
    $$SELECT contact_id, outcome FROM crm.b2b_deals WHERE outcome <> 'won' ORDER BY contact_id$$,
    ARRAY['(2,open)', '(3,lost)', '(6,open)'],
    'expressions are read when the report is; a deal without closing date is open');
CREATE TABLE crm.other_deals (LIKE crm.deals);
UPDATE lead_scoring.deal_source SET relation = 'crm.other_deals' WHERE model = 'b2b';
SELECT throws_ok('TABLE crm.b2b_pipeline', '55000',
    'the deal source of model "b2b" has changed since it was activated', 'deals in another table');
SELECT lead_scoring.activate('b2b') IS NULL AS done \gset
SELECT is_empty('TABLE crm.b2b_pipeline', 'are found by another activation');

SELECT * FROM finish();
