-- Reports: distribution, freshness, rising; snapshot().

\ir reports.psql

SELECT plan(16);

-- Totals by now: Anna 70, Ben 0, Cleo 60, Dan 10, Eve 60, Finn 70.
SELECT pg_temp.shows(
    $$SELECT score, label, from_points, to_points, country, contacts, share FROM crm.b2b_distribution
       WHERE score IN ('total', 'fit') ORDER BY country, score, from_points$$,
    ARRAY['(fit,C,0,10,DE,1,0.5)', '(fit,A,40,50,DE,1,0.5)',
          '(total,cold,10,20,DE,1,0.5)', '(total,hot,60,70,DE,1,0.5)',
          '(fit,C,0,10,FR,1,0.25)', '(fit,A,40,50,FR,3,0.75)',
          '(total,cold,0,10,FR,1,0.25)', '(total,hot,60,70,FR,1,0.25)', '(total,hot,70,80,FR,2,0.5)'],
    'distribution');
SET lead_scoring.as_of = '2025-02-20 00:00+00';
-- Anna 60 by then, Ben 0, Cleo 60, Dan 0, Eve 40.
SELECT pg_temp.shows(
    $$SELECT label, sum(contacts) FROM crm.b2b_distribution WHERE score = 'total' GROUP BY label ORDER BY label$$,
    ARRAY['(cold,2)', '(hot,2)', '(warm,1)'], 'distribution as of February');
INSERT INTO lead_scoring.threshold VALUES ('b2b', 'total', 'odd', 55);
SELECT pg_temp.shows(
    $$SELECT label, from_points, to_points, sum(contacts) FROM crm.b2b_distribution
       WHERE score = 'total' AND country = 'FR' GROUP BY 1, 2, 3 ORDER BY from_points$$,
    ARRAY['(cold,0,10,1)', '(warm,40,50,1)', '(odd,60,70,1)'], 'labels are read when the report is');
DELETE FROM lead_scoring.threshold WHERE label = 'odd';
UPDATE lead_scoring.fit_rule SET points = -15;
SELECT pg_temp.shows(
    $$SELECT label, from_points, to_points, contacts FROM crm.b2b_distribution
       WHERE score = 'fit' AND country = 'FR' ORDER BY from_points$$,
    ARRAY['(C,-20,-10,2)', '(C,0,10,1)'], 'points below zero');
UPDATE lead_scoring.fit_rule SET points = 40;
RESET lead_scoring.as_of;
CALL lead_scoring.refresh('b2b', NULL) \g /dev/null

-- ---------------------------------------------------------------- freshness

SELECT pg_temp.shows(
    $$SELECT country, contacts, unscored, due, oldest_due_at, stale, queued, oldest_queued_at, failed,
             oldest_scored_at > now() - interval '1 hour' FROM crm.b2b_freshness ORDER BY country$$,
    ARRAY['(DE,2,0,0,,0,0,,0,t)', '(FR,4,0,0,,0,0,,0,t)'], 'all is fresh');
UPDATE crm.b2b_score SET due_at = '2026-01-01' WHERE contact_id = 1;
UPDATE crm.b2b_score SET due_at = '2026-02-01' WHERE contact_id = 2;
UPDATE crm.b2b_score SET stamp = stamp + 1 WHERE contact_id = 3;
UPDATE crm.b2b_score SET problem = 'no' WHERE contact_id = 5;
DELETE FROM crm.b2b_score WHERE contact_id = 6;
INSERT INTO crm.b2b_queue (contact_id, reason, queued_at) VALUES (1, 'x', '2026-03-02'), (1, 'x', '2026-03-01');
SELECT pg_temp.shows(
    $$SELECT country, contacts, unscored, due, oldest_due_at, stale, queued, oldest_queued_at, failed
        FROM crm.b2b_freshness ORDER BY country$$,
    ARRAY['(DE,2,0,0,,1,0,,0)',
          '(FR,4,1,2,"2026-01-01 00:00:00+00",0,1,"2026-03-01 00:00:00+00",1)'], 'what waits');
SET lead_scoring.as_of = '2026-01-15 00:00+00';
SELECT is((SELECT sum(due) FROM crm.b2b_freshness)::int, 1, 'what was due then');
RESET lead_scoring.as_of;
INSERT INTO crm.b2b_queue (contact_id, reason, queued_at) VALUES (NULL, 'all', '2026-02-15');
SELECT pg_temp.shows(
    $$SELECT country, queued, oldest_queued_at FROM crm.b2b_freshness ORDER BY country$$,
    ARRAY['(DE,2,"2026-02-15 00:00:00+00")', '(FR,4,"2026-02-15 00:00:00+00")'], 'everyone waits');
CALL lead_scoring.refresh('b2b', NULL) \g /dev/null
SELECT is_empty('SELECT FROM crm.b2b_freshness WHERE unscored + due + stale + queued + failed > 0',
                'refresh() is what it waited for');

-- ----------------------------------------------------------------- snapshot

SET lead_scoring.as_of = '2025-02-14 12:00+00';
SELECT is(lead_scoring.snapshot('b2b'), 5::bigint, 'the scores of a day in the past are kept');
SET lead_scoring.as_of = '2025-02-14 22:59+00';
SELECT is(lead_scoring.snapshot('b2b'), 0::bigint, 'of each day once; rows that have not changed are not written');
-- It is the next day in Paris already. Nobody has done anything since but Cleo, on the 14th.
SET lead_scoring.as_of = '2025-02-14 23:30+00';
SELECT is(lead_scoring.snapshot('b2b'), 5::bigint, 'days are those of the model''s time zone');
SET lead_scoring.as_of = '2025-02-05 08:59+00';
SELECT lead_scoring.snapshot('b2b') AS done \gset
SET lead_scoring.as_of = '2025-02-05 09:00+00';
SELECT lead_scoring.snapshot('b2b') AS done \gset
SET lead_scoring.as_of = '2025-01-14 08:00+00';
SELECT lead_scoring.snapshot('b2b') AS done \gset
SET lead_scoring.as_of = '2025-02-15 12:00+00';
-- Cleo's first visit of the 5th is in: the latest call of a day counts. Eve has come since.
SELECT pg_temp.shows(
    $$SELECT contact_id, day, total, band, total_week_before, week_change, total_month_before, month_change
        FROM crm.b2b_rising ORDER BY contact_id$$,
    ARRAY['(1,2025-02-15,60,hot,60,0,50,10)',
          '(2,2025-02-15,0,cold,0,0,,)',
          '(3,2025-02-15,60,hot,50,10,,)',
          '(4,2025-02-15,0,cold,0,0,,)',
          '(5,2025-02-15,40,warm,,,,)'], 'who rises');
SET lead_scoring.as_of = '2025-02-10 12:00+00';
SELECT pg_temp.shows(
    $$SELECT contact_id, day, total, week_change FROM crm.b2b_rising ORDER BY contact_id$$,
    ARRAY['(1,2025-02-05,60,)', '(2,2025-02-05,0,)', '(3,2025-02-05,50,)', '(4,2025-02-05,0,)'],
    'as of a day before: the latest that there was');
SET lead_scoring.as_of = '2999-01-01 00:00+00';
SELECT throws_ok($$SELECT lead_scoring.snapshot('b2b')$$, '22023', 'scores of a moment to come cannot be kept',
                 'days to come are not kept');
RESET lead_scoring.as_of;
SELECT throws_ok($$SELECT lead_scoring.snapshot('none')$$, '42704', NULL, 'no such model');

SELECT * FROM finish();
