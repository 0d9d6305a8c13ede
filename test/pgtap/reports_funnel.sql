-- Reports: stays, funnel and velocity.

\ir reports.psql

SELECT plan(12);

SELECT pg_temp.shows(
    $$SELECT contact_id, stage, entered_at, left_at, next_stage, country FROM crm.b2b_stays
       WHERE contact_id IN (1, 4) ORDER BY contact_id, entered_at, left_at$$,
    ARRAY['(1,lead,"2025-01-10 09:00:00+00","2025-01-15 09:00:00+00",mql,FR)',
          '(1,mql,"2025-01-15 09:00:00+00","2025-01-15 09:00:00+00",sql,FR)',
          '(1,sql,"2025-01-15 09:00:00+00","2025-02-01 09:00:00+00",opportunity,FR)',
          '(1,opportunity,"2025-02-01 09:00:00+00","2025-03-03 09:00:00+00",customer,FR)',
          '(1,customer,"2025-03-03 09:00:00+00",,,FR)',
          '(4,lead,"2025-02-05 09:00:00+00",,,DE)'],
    'stays of who moved and of who never did');

SELECT pg_temp.shows(
    $$SELECT country, cohort_month, string_agg(stage || ' ' || reached, ', ' ORDER BY position), min(entered), max(entered)
        FROM crm.b2b_funnel GROUP BY 1, 2 ORDER BY 1, 2$$,
    ARRAY['(DE,2025-02-01,"lead 2, mql 1, sql 0, opportunity 0, customer 0, disqualified 1",2,2)',
          '(FR,2025-01-01,"lead 2, mql 2, sql 2, opportunity 2, customer 1, disqualified 0",2,2)',
          '(FR,2025-02-01,"lead 1, mql 1, sql 0, opportunity 0, customer 0, disqualified 0",1,1)',
          '(FR,2025-06-01,"lead 1, mql 1, sql 1, opportunity 1, customer 1, disqualified 0",1,1)'],
    'the funnel counts who reached a stage or a later one');

SELECT pg_temp.shows(
    $$SELECT stage, label, position, outcome, reached_before, reached, rate_from_before, rate FROM crm.b2b_funnel
       WHERE country = 'DE' ORDER BY position$$,
    ARRAY['(lead,Lead,1,,2,2,1,1)',
          '(mql,"Marketing qualified lead",2,,2,1,0.5,0.5)',
          '(sql,"Sales qualified lead",3,,1,0,0,0)',
          '(opportunity,Opportunity,4,,0,0,,0)',
          '(customer,Customer,5,won,0,0,,0)',
          '(disqualified,Disqualified,6,lost,,1,,0.5)'],
    'and rates from stage to stage');

SET lead_scoring.as_of = '2025-02-15 00:00+00';
SELECT pg_temp.shows(
    $$SELECT country, cohort_month, string_agg(stage || ' ' || reached, ', ' ORDER BY position)
        FROM crm.b2b_funnel GROUP BY 1, 2 ORDER BY 1, 2$$,
    ARRAY['(DE,2025-02-01,"lead 2, mql 1, sql 0, opportunity 0, customer 0, disqualified 0")',
          '(FR,2025-01-01,"lead 2, mql 2, sql 2, opportunity 1, customer 0, disqualified 0")',
          '(FR,2025-02-01,"lead 1, mql 0, sql 0, opportunity 0, customer 0, disqualified 0")'],
    'the funnel of a day in the past');
SELECT pg_temp.shows(
    $$SELECT contact_id, stage, left_at, next_stage FROM crm.b2b_stays
       WHERE contact_id IN (2, 5, 6) ORDER BY contact_id, entered_at$$,
    ARRAY['(2,lead,"2025-01-30 09:00:00+00",mql)',
          '(2,mql,"2025-02-09 09:00:00+00",sql)',
          '(2,sql,,)',
          '(5,lead,,)'],
    'and its stays: who moved later had not, who came later was not there');
SELECT is_empty($$SELECT FROM crm.b2b_velocity WHERE from_stage = 'opportunity' OR to_stage IN ('won', 'lost')$$,
    'and nothing was over that ended later');

SET lead_scoring.as_of = '2025-07-01 00:00+00';
SELECT pg_temp.shows(
    $$SELECT measure, from_stage, to_stage, cases, round(median_days::numeric, 4), round(mean_days::numeric, 4),
             round(p90_days::numeric, 4)
        FROM crm.b2b_velocity WHERE detail = 'all' ORDER BY measure, from_stage, to_stage$$,
    ARRAY['(deal,opened,lost,1,8.5417,8.5417,8.5417)',
          '(deal,opened,won,2,24.5625,24.5625,27.7458)',
          '("in stage",lead,,5,10.0000,18.0000,40.0000)',
          '("in stage",mql,,3,10.0000,6.6667,10.0000)',
          '("in stage",opportunity,,1,30.0000,30.0000,30.0000)',
          '("in stage",sql,,2,14.0000,14.0000,16.4000)',
          '("to next stage",lead,mql,5,10.0000,18.0000,40.0000)',
          '("to next stage",mql,sql,2,5.0000,5.0000,9.0000)',
          '("to next stage",opportunity,customer,1,30.0000,30.0000,30.0000)',
          '("to next stage",sql,opportunity,2,14.0000,14.0000,16.4000)',
          '("to won",,,3,50.1250,43.4167,70.1250)'],
    'velocity');
SELECT pg_temp.shows(
    $$SELECT detail, month, country, cases, mean_days FROM crm.b2b_velocity
       WHERE measure = 'in stage' AND from_stage = 'lead' ORDER BY detail, month, country$$,
    ARRAY['(all,,,5,18)',
          '(month,2025-01-01,,2,7.5)', '(month,2025-02-01,,1,10)', '(month,2025-04-01,,1,60)', '(month,2025-06-01,,1,5)',
          '("month and segments",2025-01-01,FR,2,7.5)', '("month and segments",2025-02-01,DE,1,10)',
          '("month and segments",2025-04-01,FR,1,60)', '("month and segments",2025-06-01,FR,1,5)',
          '(segments,,DE,1,10)', '(segments,,FR,4,20)'],
    'by month and segment');

-- Stages are read when the report is.
UPDATE lead_scoring.stage SET label = 'Fit for marketing' WHERE model = 'b2b' AND name = 'mql';
INSERT INTO lead_scoring.stage VALUES ('b2b', 'churned', NULL, 9, NULL);
SELECT pg_temp.shows(
    $$SELECT DISTINCT stage, label, position FROM crm.b2b_funnel WHERE stage IN ('mql', 'churned') ORDER BY 1$$,
    ARRAY['(churned,churned,9)', '(mql,"Fit for marketing",2)'],
    'other stages show without another activation');

-- A value of the stage column that no stage has.
UPDATE crm.contacts SET stage = 'on holiday' WHERE id = 4;
SELECT pg_temp.shows(
    $$SELECT stage, entered_at FROM crm.b2b_stays WHERE contact_id = 4$$,
    ARRAY['(lead,"2025-02-05 09:00:00+00")'],
    'what happened since shows not as of then');
RESET lead_scoring.as_of;
SELECT pg_temp.shows(
    $$SELECT stage, entered_at > now() - interval '1 hour', left_at FROM crm.b2b_stays
       WHERE contact_id = 4 AND left_at IS NULL$$,
    ARRAY['("on holiday",t,)'],
    'but now; a stage that is none is shown as it is');
SELECT pg_temp.shows(
    $$SELECT stage, reached FROM crm.b2b_funnel WHERE country = 'DE' AND reached > 0 ORDER BY position$$,
    ARRAY['(lead,2)', '(mql,1)', '(disqualified,1)'],
    'and counts for none');

SELECT * FROM finish();
