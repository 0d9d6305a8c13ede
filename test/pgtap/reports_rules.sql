-- Reports: rule_stats, against the rules one by one.

\ir reports.psql

SELECT plan(9);

INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES
    ('b2b', 'Everybody', 'true', 1), ('b2b', 'Nobody', 'title = ''king''', 100);
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, max_count, at_least, within, dimension, requires) VALUES
    ('b2b', 'Twice', 'count', 'type = ''visit''', 0, NULL, 2, NULL, 'intent', NULL),
    ('b2b', 'Silent', 'inactive', NULL, -5, NULL, NULL, '60 days', 'engagement', NULL),
    ('b2b', 'Called', 'each', 'type = ''call''', 3, 1, NULL, NULL, 'engagement', 'Visit');

-- Won: Anna and Dan. As of their deals Anna and Finn had come twice, Cleo once, Dan never;
-- Eve, who has none, came twice but not for 60 days. Anna and Finn were called; Ben was
-- too, but never came.
CREATE VIEW pg_temp.shown AS SELECT country, dimension, rule, points, matches, contacts, matched, share, won, matched_won,
    round(matched_rate::numeric, 4) AS a, round(unmatched_rate::numeric, 4) AS b, round(lift::numeric, 4) AS c, last_match
    FROM crm.b2b_rule_stats ORDER BY country, dimension, rule;
CREATE FUNCTION pg_temp.as_expected(what text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT pg_temp.shows('TABLE pg_temp.shown', ARRAY[
        '(DE,engagement,Called,3,never,2,0,0,1,0,,0.5000,,)',
        '(DE,engagement,Silent,-5,never,2,0,0,1,0,,0.5000,,)',
        '(DE,engagement,Visit,10,sometimes,2,1,0.5,1,0,0.0000,1.0000,0.0000,"2025-02-05 09:00:00+00")',
        '(DE,fit,Chief,40,sometimes,2,1,0.5,1,0,0.0000,1.0000,0.0000,)',
        '(DE,fit,Everybody,1,always,2,2,1,1,1,0.5000,,1.0000,)',
        '(DE,fit,Nobody,100,never,2,0,0,1,0,,0.5000,,)',
        '(DE,intent,Twice,0,never,2,0,0,1,0,,0.5000,,)',
        '(FR,engagement,Called,3,sometimes,4,2,0.5,1,1,0.5000,0.0000,2.0000,"2025-06-15 12:00:00+00")',
        '(FR,engagement,Silent,-5,sometimes,4,1,0.25,1,0,0.0000,0.3333,0.0000,)',
        '(FR,engagement,Visit,10,sometimes,4,3,0.75,1,1,0.3333,0.0000,1.3333,"2025-06-17 09:00:00+00")',
        '(FR,fit,Chief,40,sometimes,4,3,0.75,1,1,0.3333,0.0000,1.3333,)',
        '(FR,fit,Everybody,1,always,4,4,1,1,1,0.2500,,1.0000,)',
        '(FR,fit,Nobody,100,never,4,0,0,1,0,,0.2500,,)',
        '(FR,intent,Twice,0,sometimes,4,3,0.75,1,1,0.3333,0.0000,1.3333,"2025-06-17 09:00:00+00")'], what)
$$;

SELECT pg_temp.as_expected('rules that are new, from the events');
RESET lead_scoring.as_of;
CALL lead_scoring.refresh('b2b', NULL) \g /dev/null
SET lead_scoring.as_of = '2025-07-01 00:00+00';
SELECT pg_temp.as_expected('and from stored states, as far as they reach back');

-- As the functions for single contacts say.
SELECT is((SELECT sum(matched) FROM crm.b2b_rule_stats WHERE rule = 'Chief'),
          (SELECT sum(1) FROM crm.contacts AS c, lead_scoring.explain_fit(c, 'b2b') AS e WHERE e.matched AND e.rule = 'Chief')::numeric,
          'fit rules match whom explain_fit says');

SET lead_scoring.as_of = '2025-02-12 12:00+00';
-- Anna's deal was opened, Cleo's too; Ben was called, Eve is new.
SELECT pg_temp.shows(
    $$SELECT rule, sum(contacts), sum(matched), sum(won) FROM crm.b2b_rule_stats
       WHERE rule IN ('Visit', 'Called', 'Silent') GROUP BY rule ORDER BY rule$$,
    ARRAY['(Called,5,1,0)', '(Silent,5,0,0)', '(Visit,5,2,0)'],
    'rules as of a day in the past');
SET lead_scoring.as_of = '2025-07-01 00:00+00';

UPDATE lead_scoring.fit_rule SET enabled = false WHERE name = 'Nobody';
SELECT is_empty($$SELECT FROM crm.b2b_rule_stats WHERE rule = 'Nobody'$$, 'only what is enabled');

-- A contact on whom a condition fails is left out, not the report.
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('b2b', 'Ratio', '100 / (id - 4) > 0', 1);
RESET lead_scoring.as_of;
CALL lead_scoring.refresh('b2b', NULL) \g /dev/null
SET lead_scoring.as_of = '2025-07-01 00:00+00';
SELECT pg_temp.shows(
    $$SELECT rule, sum(contacts), sum(matched), sum(won) FROM crm.b2b_rule_stats WHERE rule = 'Ratio' GROUP BY rule$$,
    ARRAY['(Ratio,5,2,1)'], 'whoever cannot be scored is left out');
SELECT pg_temp.shows($$SELECT contact_id, total, band FROM crm.b2b_deals WHERE contact_id = 4$$,
    ARRAY['(4,,)'], 'and his deals have no score');
SELECT is((SELECT sum(contacts) FROM crm.b2b_lift)::int, 5, 'nor has he a tenth');
SELECT is((SELECT sum(contacts) FROM crm.b2b_distribution WHERE score = 'total' AND from_points IS NULL)::int, 1,
          'nor a bar');

SELECT * FROM finish();
