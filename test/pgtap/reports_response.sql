-- Reports: response and workflow.

\ir reports.psql

SELECT plan(12);

SELECT pg_temp.shows(
    $$SELECT start, start_name, milestone, contacts, reached, waiting, median_hours, mean_hours,
             round(p90_hours::numeric, 4), longest_wait_hours
        FROM crm.b2b_response WHERE detail = 'all' ORDER BY start, start_name$$,
    ARRAY['(band,hot,call,1,1,0,585,585,585.0000,)',
          '(band,"very hot",call,1,1,0,585,585,585.0000,)',
          '(band,warm,call,1,1,0,585,585,585.0000,)',
          -- Anna 122 h, Ben 1 h, Finn 3 h; Eve waits, Cleo is lost, Dan has bought.
          '(created,,call,6,3,1,3,42,98.2000,3375)',
          -- Ben 130 h; Anna was called before, Finn too; Cleo is lost, Dan has bought.
          '(deal,,call,5,1,0,130,130,130.0000,)',
          '(stage,mql,call,4,2,1,313,313,561.8000,1935)',
          '(stage,opportunity,call,2,1,0,120,120,120.0000,)',
          '(stage,sql,call,2,2,0,193,193,345.8000,)'],
    'how long after what the call came');

SELECT pg_temp.shows(
    $$SELECT detail, month, country, contacts, reached, waiting, median_hours FROM crm.b2b_response
       WHERE start = 'created' ORDER BY detail, month, country$$,
    ARRAY['(all,,,6,3,1,3)',
          '(month,2025-01-01,,2,2,0,61.5)', '(month,2025-02-01,,3,0,1,)', '(month,2025-06-01,,1,1,0,3)',
          '("month and segments",2025-01-01,FR,2,2,0,61.5)', '("month and segments",2025-02-01,DE,2,0,0,)',
          '("month and segments",2025-02-01,FR,1,0,1,)', '("month and segments",2025-06-01,FR,1,1,0,3)',
          '(segments,,DE,2,0,0,)', '(segments,,FR,4,3,1,3)'],
    'by month of the start and segment');

SET lead_scoring.as_of = '2025-04-20 00:00+00';
SELECT pg_temp.shows(
    $$SELECT waiting, longest_wait_hours FROM crm.b2b_response WHERE detail = 'all' AND start = 'deal'$$,
    ARRAY['(1,458)'], 'Dan waited since his deal was opened, until he bought');
SET lead_scoring.as_of = '2025-01-15 10:00+00';
SELECT pg_temp.shows(
    $$SELECT start, start_name, contacts, reached, waiting, longest_wait_hours FROM crm.b2b_response
       WHERE detail = 'all' ORDER BY start, start_name$$,
    ARRAY['(created,,1,0,1,121)', '(stage,mql,1,0,1,1)', '(stage,sql,1,0,1,1)'],
    'an hour before the call, of whom was there by then');
SET lead_scoring.as_of = '2025-01-15 11:00+00';
SELECT pg_temp.shows(
    $$SELECT start, start_name, contacts, reached, waiting, mean_hours FROM crm.b2b_response
       WHERE detail = 'all' ORDER BY start, start_name$$,
    ARRAY['(created,,1,1,0,122)', '(stage,mql,1,1,0,2)', '(stage,sql,1,1,0,2)'],
    'and at that moment');

-- Milestones are read when the report is.
SET lead_scoring.as_of = '2025-07-01 00:00+00';
INSERT INTO lead_scoring.milestone (model, name, source) VALUES ('b2b', 'seen', 'events');
UPDATE lead_scoring.milestone SET condition = 'type = ''call'' AND extract(hour FROM at AT TIME ZONE ''UTC'') < 12'
 WHERE model = 'b2b' AND name = 'call';
SELECT pg_temp.shows(
    $$SELECT milestone, contacts, reached, waiting, median_hours FROM crm.b2b_response
       WHERE detail = 'all' AND start = 'created' ORDER BY milestone$$,
    -- seen: 48, 1, 105.5 (Cleo's visit), 1536 (Dan), 1200 (Eve), 3; Finn was called after noon
    ARRAY['(call,6,2,1,61.5)', '(seen,6,6,0,76.75)'],
    'another milestone shows, and a changed one, without another activation');
DELETE FROM lead_scoring.milestone WHERE name = 'seen';
UPDATE lead_scoring.milestone SET condition = 'type = ''call''' WHERE model = 'b2b';
UPDATE lead_scoring.event_source SET condition = 'contact_id <> 6' WHERE model = 'b2b';
SELECT throws_ok('TABLE crm.b2b_response', '55000', NULL, 'other event sources than at activation');
SELECT lead_scoring.activate('b2b') IS NULL AS done \gset
SELECT pg_temp.shows(
    $$SELECT reached, waiting FROM crm.b2b_response WHERE detail = 'all' AND start = 'created'$$,
    ARRAY['(2,1)'],
    'an event that does not count reaches no milestone');
UPDATE lead_scoring.event_source SET condition = NULL WHERE model = 'b2b';
SELECT lead_scoring.activate('b2b') IS NULL AS done \gset

-- ----------------------------------------------------------------- workflow

INSERT INTO crm.b2b_outbox (contact_id, aggregatetype, aggregateid, type, payload, created_at)
    OVERRIDING SYSTEM VALUE
SELECT f.contact_id, 'b2b', f.contact_id::text, f.type, '{}', f.at
  FROM (VALUES (1, 'alert', timestamptz '2025-01-15 09:00'),   -- called two hours later
               (2, 'alert', '2025-02-23 09:00'),               -- called just in time
               (2, 'alert', '2025-02-23 08:59'),               -- and too late for this one
               (5, 'alert', '2025-04-11 09:00'),               -- never called
               (6, 'alert', '2025-06-30 12:00'),               -- there is time left
               (6, 'letter', '2025-06-30 12:00'),              -- no action of that name any more
               (6, 'alert', '2025-07-01 12:00'),               -- not yet
               (6, 'alert', '2025-06-15 12:00')) AS f (contact_id, type, at); -- a call at that moment is not a consequence
INSERT INTO crm.b2b_delivery (outbox_id, status, finished_at)
SELECT o.id, d.status, d.at
  FROM crm.b2b_outbox AS o
  JOIN (VALUES (timestamptz '2025-01-15 09:00', 'delivered', timestamptz '2025-01-15 09:01'),
               ('2025-02-23 09:00', 'delivered', '2025-02-23 09:01'),
               ('2025-02-23 08:59', 'dead', '2025-02-23 12:00'),
               ('2025-04-11 09:00', 'taken', NULL),
               ('2025-06-30 12:00', 'delivered', '2025-07-01 00:00:01')) AS d (created_at, status, at)
    ON d.created_at = o.created_at;
SELECT pg_temp.shows(
    $$SELECT month, action, goal, country, fired, delivered, dead, waiting, reached, missed, pending,
             round(delivery_rate::numeric, 2), goal_rate
        FROM crm.b2b_workflow ORDER BY month, action$$,
    ARRAY['(2025-01-01,alert,call,FR,1,1,0,0,1,0,0,1.00,1)',
          '(2025-02-01,alert,call,FR,2,1,1,0,1,1,0,0.50,0.5)',
          '(2025-04-01,alert,call,FR,1,0,0,1,0,1,0,0.00,0)',
          '(2025-06-01,alert,call,FR,2,0,0,2,0,1,1,0.00,0)',
          '(2025-06-01,letter,,FR,1,0,0,1,0,0,0,0.00,)'],
    'what became of the actions');
SET lead_scoring.as_of = '2025-02-24 09:00+00';
SELECT pg_temp.shows(
    $$SELECT month, fired, delivered, dead, waiting, reached, missed, pending FROM crm.b2b_workflow ORDER BY month$$,
    ARRAY['(2025-01-01,1,1,0,0,1,0,0)', '(2025-02-01,2,1,1,0,0,0,2)'],
    'and what was known of it then');
SET lead_scoring.as_of = '2025-02-23 09:00:30+00';
SELECT pg_temp.shows(
    $$SELECT month, delivered, dead, waiting FROM crm.b2b_workflow ORDER BY month$$,
    ARRAY['(2025-01-01,1,0,0)', '(2025-02-01,0,0,2)'],
    'before it was delivered');
SET lead_scoring.as_of = '2025-07-01 00:00+00';
UPDATE lead_scoring.action SET goal_within = '1 hour' WHERE model = 'b2b';
SELECT pg_temp.shows(
    $$SELECT month, reached, missed, pending FROM crm.b2b_workflow WHERE action = 'alert' ORDER BY month$$,
    ARRAY['(2025-01-01,0,1,0)', '(2025-02-01,0,2,0)', '(2025-04-01,0,1,0)', '(2025-06-01,0,2,0)'],
    'goals are those of now');

SELECT * FROM finish();
