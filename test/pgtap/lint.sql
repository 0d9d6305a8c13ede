-- The linter in check_model(): a model that nothing is said of, and for each
-- advice a model that has exactly this fault.

\set ON_ERROR_STOP on
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on

SELECT * FROM no_plan();

CREATE SCHEMA crm;
CREATE TABLE crm.contacts (id int PRIMARY KEY, size int, title text, company text, created_at timestamptz);
CREATE TABLE crm.events (contact_id int, occurred_at timestamptz, type text, n int);
CREATE TABLE crm.companies (name text PRIMARY KEY, rich boolean);
CREATE INDEX ON crm.events (contact_id);
INSERT INTO crm.companies VALUES ('a', true), ('b', false);
INSERT INTO crm.contacts SELECT n, n, CASE WHEN n % 7 = 0 THEN 'CEO' END, CASE n % 3 WHEN 0 THEN 'a' WHEN 1 THEN 'b' END, now() FROM generate_series(1, 150) AS n;
INSERT INTO crm.events SELECT n % 150, now() - n * interval '1 day', CASE WHEN n % 2 = 0 THEN 'page' ELSE 'mail' END, n FROM generate_series(1, 120) AS n;

-- sound(model): a model without a fault. fit 0 to 60, engagement -10 to 60, intent 0 to 20.
CREATE FUNCTION pg_temp.sound(model text DEFAULT 'm') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM lead_scoring.model AS m WHERE m.name = sound.model;
    PERFORM lead_scoring.create_model(model, 'crm.contacts', 'id', created_column => 'created_at');
    PERFORM lead_scoring.add_event_source(model, 'crm.events', 'contact_id', 'occurred_at');
    INSERT INTO lead_scoring.lookup VALUES (model, 'company', 'crm.companies', 'name', 'company');
    INSERT INTO lead_scoring.rule_group (model, name, dimension, max_points) VALUES (model, 'visits', 'engagement', 60);
    INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES
        (model, 'Big', 'size > 50', 20), (model, 'Boss', $c$title = 'CEO'$c$, 30),
        (model, 'Rich', 'company.rich AND as_of > created_at', 10);
    INSERT INTO lead_scoring.engagement_rule (model, name, group_name, kind, condition, points, max_count, within) VALUES
        (model, 'Page', 'visits', 'each', $c$type = 'page'$c$, 30, 3, '90 days');
    INSERT INTO lead_scoring.engagement_rule (model, name, dimension, kind, condition, points, at_least, at_most) VALUES
        (model, 'A mail or two', 'intent', 'count', $c$type = 'mail'$c$, 10, 1, 2),
        (model, 'Three mails and more', 'intent', 'count', $c$type = 'mail'$c$, 20, 3, NULL);
    INSERT INTO lead_scoring.engagement_rule (model, name, kind, points, within) VALUES (model, 'Silent', 'inactive', -10, '60 days');
    INSERT INTO lead_scoring.action (model, name, condition) VALUES (model, 'call', $c$score.band = 'very hot' AND contact.size > 10$c$);
END
$$;
CREATE FUNCTION pg_temp.advice(model text DEFAULT 'm') RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(object || ': ' || problem, E'\n' ORDER BY object, problem), '')
      FROM lead_scoring.check_model(model) WHERE severity = 'advice'
$$;

SELECT pg_temp.sound() \g /dev/null
SELECT is(pg_temp.advice(), '', 'a sound model');
SELECT is_empty($$SELECT * FROM lead_scoring.check_model('m')$$, 'of which nothing else is said, either');
SELECT results_eq($$SELECT * FROM lead_scoring.score_bounds('m')$$, $$VALUES
    ('fit', 3::bigint, 0::float8, 60::float8), ('engagement', 2, -10, 60), ('intent', 2, 0, 30), ('total', 7, -10, 150)$$, 'how far its scores reach');
SELECT is_empty($$SELECT * FROM lead_scoring.check_model('m') WHERE suggestion IS NULL OR suggestion !~ '^[A-Z].*\.$'$$, 'suggestions are sentences');

-- A new model has no rules yet: that is no fault.
SELECT lead_scoring.create_model('new', 'crm.contacts', 'id') \g /dev/null
SELECT is(pg_temp.advice('new'), '', 'a model without rules');

-- --------------------------------------------------------------- thresholds

SELECT pg_temp.sound() \g /dev/null
INSERT INTO lead_scoring.threshold VALUES ('m', 'total', 'boiling', 150.000001);
SELECT is(pg_temp.advice(), 'threshold "boiling" of total: begins at 150.000001, and no contact can have more than 150', 'above the highest total');
UPDATE lead_scoring.threshold SET min_score = 150 WHERE label = 'boiling';
SELECT is(pg_temp.advice(), '', 'not one that can just be reached');
UPDATE lead_scoring.model SET intent_ceiling = 20, intent_weight = 0.5, engagement_weight = -1, total_ceiling = 79 WHERE name = 'm';
SELECT results_eq($$SELECT low, high FROM lead_scoring.score_bounds('m')$$, $$VALUES
    (0::float8, 60::float8), (-10, 60), (0, 20), (-60, 79)$$, 'limits and weights');
UPDATE lead_scoring.engagement_rule SET value = 'n' WHERE model = 'm' AND name = 'Page';
SELECT results_eq($$SELECT low, high FROM lead_scoring.score_bounds('m') WHERE score IN ('engagement', 'total')$$, $$VALUES
    ('-Infinity'::float8, 60::float8), ('-60'::float8, 79)$$, 'a value may be anything, as far as a group lets it');
UPDATE lead_scoring.engagement_rule SET value = NULL, max_count = NULL, within = NULL, group_name = NULL WHERE model = 'm' AND name = 'Page';
UPDATE lead_scoring.model SET engagement_weight = 0, total_ceiling = NULL WHERE name = 'm';
SELECT results_eq($$SELECT low, high FROM lead_scoring.score_bounds('m') WHERE score IN ('engagement', 'total')$$, $$VALUES
    (-10::float8, 'Infinity'::float8), (0, 70)$$, 'without an end, and without weight');

-- ------------------------------------------------------------ muted by limits

SELECT pg_temp.sound() \g /dev/null
INSERT INTO lead_scoring.rule_group (model, name, dimension, max_points) VALUES ('m', 'small', 'fit', 5), ('m', 'none', 'fit', 0);
UPDATE lead_scoring.fit_rule SET group_name = 'small' WHERE model = 'm' AND name = 'Rich';
SELECT is(pg_temp.advice(), '', 'half of its points are left');
UPDATE lead_scoring.rule_group SET max_points = 4 WHERE model = 'm' AND name = 'small';
SELECT is(pg_temp.advice(), 'fit rule "Rich": gives 10 points, of which the limits of group "small" let 4 count at most', 'less than half');
UPDATE lead_scoring.fit_rule SET group_name = 'none' WHERE model = 'm' AND name = 'Rich';
SELECT is(pg_temp.advice(), 'fit rule "Rich": never counts: the limits of group "none" leave it nothing', 'none');
UPDATE lead_scoring.fit_rule SET group_name = NULL, points = -1 WHERE model = 'm' AND name = 'Rich';
UPDATE lead_scoring.model SET fit_floor = 0 WHERE name = 'm';
SELECT is(pg_temp.advice(), 'fit rule "Rich": never counts: the limits of fit leave it nothing', 'below a floor');
DELETE FROM lead_scoring.fit_rule WHERE model = 'm' AND name <> 'Rich';
UPDATE lead_scoring.fit_rule SET points = 40 WHERE model = 'm';
UPDATE lead_scoring.model SET fit_floor = NULL, fit_ceiling = 10, total_floor = 0 WHERE name = 'm';
DELETE FROM lead_scoring.threshold WHERE model = 'm' AND score = 'fit';
SELECT is(pg_temp.advice(), 'fit rule "Rich": gives 40 points, of which the limits of fit let 10 count at most', 'above a ceiling');

-- --------------------------------------------------------- none, and all of them

SELECT pg_temp.sound() \g /dev/null
UPDATE lead_scoring.fit_rule SET condition = $$title = 'Ceo'$$ WHERE model = 'm' AND name = 'Boss';
SELECT is(pg_temp.advice(), 'fit rule "Boss": condition matches none of 150 contacts looked at', 'a rule that never matches');
UPDATE lead_scoring.fit_rule SET condition = 'size > 0' WHERE model = 'm' AND name = 'Boss';
SELECT is(pg_temp.advice(), 'fit rule "Boss": condition matches all of 150 contacts looked at', 'one that always does');
UPDATE lead_scoring.model SET population = 'size <= 99' WHERE name = 'm';
SELECT is(pg_temp.advice(), '', 'fewer than a hundred contacts say nothing');
UPDATE lead_scoring.model SET population = 'size > 49' WHERE name = 'm';
UPDATE lead_scoring.fit_rule SET condition = $$title = 'CEO'$$ WHERE model = 'm' AND name = 'Boss';
UPDATE lead_scoring.fit_rule SET condition = 'size > 49' WHERE model = 'm' AND name = 'Big';
SELECT is(pg_temp.advice(), 'fit rule "Big": condition matches all of 101 contacts looked at', 'of those in the population');
UPDATE lead_scoring.fit_rule SET condition = '1 / (size - 60) > 0' WHERE model = 'm' AND name = 'Big';
SELECT is(pg_temp.advice(), '', 'what fails is told elsewhere');

SELECT pg_temp.sound() \g /dev/null
UPDATE lead_scoring.engagement_rule SET condition = $$type = 'Page'$$ WHERE model = 'm' AND name = 'Page';
SELECT is(pg_temp.advice(), 'engagement rule "Page": condition matches none of 120 events looked at', 'behaviour that never is');
UPDATE lead_scoring.engagement_rule SET condition = $$type IN ('page', 'mail')$$ WHERE model = 'm' AND name = 'Page';
SELECT is(pg_temp.advice(), 'engagement rule "Page": condition matches all of 120 events looked at', 'and that always is');
UPDATE lead_scoring.engagement_rule SET condition = NULL, "unless" = $$type = 'order'$$ WHERE model = 'm' AND name = 'Page';
SELECT is(pg_temp.advice(), '', 'no condition is meant for all; what did not happen yet is no fault');
INSERT INTO lead_scoring.engagement_rule (model, name, kind, steps, within, points) VALUES
    ('m', 'steps', 'sequence', ARRAY[$$type = 'page'$$, $$type = 'demo'$$], '7 days', 1);
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, hit, distinct_by, at_least, points) VALUES
    ('m', 'row', 'streak', $$type = 'mail'$$, $$type = 'open'$$, 'n', 3, 1);
SELECT is(pg_temp.advice(), E'engagement rule "row": hit matches none of 120 events looked at\nengagement rule "steps": steps[2] matches none of 120 events looked at', 'hits and steps');
SELECT pg_temp.sound() \g /dev/null
UPDATE lead_scoring.event_source SET condition = $$type = 'x'$$ WHERE model = 'm';
SELECT is(pg_temp.advice(), 'event source "events": condition matches none of 120 events looked at', 'a source of which nothing counts');

-- ------------------------------------------------------------------- retention

SELECT pg_temp.sound() \g /dev/null
UPDATE lead_scoring.engagement_rule SET within = '121 days' WHERE model = 'm' AND name = 'Page';
SELECT is(pg_temp.advice(), 'event source "events": its oldest event is 120.0 days old, while engagement rule "Page" looks back 121.0 days', 'events that are gone too early');
UPDATE lead_scoring.engagement_rule SET within = '120 days' WHERE model = 'm' AND name = 'Page';
SELECT is(pg_temp.advice(), '', 'just long enough');
UPDATE lead_scoring.engagement_rule SET within = '200 days' WHERE model = 'm' AND name = 'Silent';
SELECT is(pg_temp.advice(), 'event source "events": its oldest event is 120.0 days old, while engagement rule "Silent" looks back 200.0 days', 'silence looks back, too');

-- ------------------------------------------------------------ twins and ranges

SELECT pg_temp.sound() \g /dev/null
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('m', 'Large', E' size > 50\n', 3);
SELECT is(pg_temp.advice(), 'fit rule "Large": says the same as fit rule "Big"', 'two rules with one condition');
UPDATE lead_scoring.fit_rule SET enabled = false WHERE model = 'm' AND name = 'Large';
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, max_count, within) VALUES
    ('m', 'Page of late', 'each', $$type = 'page'$$, 30, 3, '30 days'), ('m', 'Site', 'each', $$type = 'page'$$, 1, 3, '90 days');
SELECT is(pg_temp.advice(), 'engagement rule "Site": says the same as engagement rule "Page"', 'behaviour: with the same windows');

SELECT pg_temp.sound() \g /dev/null
UPDATE lead_scoring.engagement_rule SET at_most = 4 WHERE model = 'm' AND name = 'A mail or two';
SELECT is(pg_temp.advice(), 'engagement rule "A mail or two": overlaps with "Three mails and more": both count from 3 to 4 matches', 'ranges that overlap');
UPDATE lead_scoring.engagement_rule SET at_most = 2 WHERE model = 'm' AND name = 'A mail or two';
UPDATE lead_scoring.engagement_rule SET at_least = 5 WHERE model = 'm' AND name = 'Three mails and more';
SELECT is(pg_temp.advice(), 'engagement rule "A mail or two": leaves a gap before "Three mails and more": neither counts from 3 to 4 matches', 'ranges with a gap');
UPDATE lead_scoring.engagement_rule SET at_most = NULL WHERE model = 'm' AND name = 'A mail or two';
SELECT is(pg_temp.advice(), '', 'more on top of it is meant so');
UPDATE lead_scoring.engagement_rule SET at_most = 2, within = '9 days' WHERE model = 'm' AND name = 'A mail or two';
SELECT is(pg_temp.advice(), '', 'other windows are other things');

-- ------------------------------------------------------------------- too many

SELECT pg_temp.sound() \g /dev/null
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) SELECT 'm', 'r' || n, 'size > ' || n, 0.1 FROM generate_series(60, 82) AS n;
SELECT is(pg_temp.advice(), '', 'thirty rules');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('m', 'one more', 'size > 83', 0.1);
SELECT is(pg_temp.advice(), 'model: has 31 rules, and the weakest half of them together give 1.5 of 192.4 points at most', 'many that add little');
UPDATE lead_scoring.fit_rule SET points = 10 WHERE model = 'm';
SELECT is(pg_temp.advice(), '', 'many that add much');

-- --------------------------------------------------------------------- review

SELECT pg_temp.sound() \g /dev/null
UPDATE lead_scoring.model SET reviewed_at = now() - interval '6 months 1 second' WHERE name = 'm';
SELECT is(pg_temp.advice(), format('model: nobody has looked it over since %s', ((now() - interval '6 months 1 second') AT TIME ZONE 'UTC')::date), 'not reviewed for six months');
UPDATE lead_scoring.model SET reviewed_at = now() - interval '6 months' + interval '1 hour' WHERE name = 'm';
SELECT is(pg_temp.advice(), '', 'reviewed in time');
UPDATE lead_scoring.model SET reviewed_at = NULL, created_at = '2025-01-02' WHERE name = 'm';
SELECT is(pg_temp.advice(), 'model: nobody has looked it over since it was made on 2025-01-02', 'or never');

-- ------------------------------------------------------ what can never fire

CREATE FUNCTION pg_temp.never(condition text, stage text DEFAULT NULL) RETURNS boolean LANGUAGE sql AS $$
    SELECT lead_scoring.is_out_of_reach('m', condition, '{0,-10,0,-10}', '{60,60,20,140}', '{cold,warm,hot}', stage)
$$;
SELECT pg_temp.sound() \g /dev/null
SELECT ok(pg_temp.never(c), 'never: ' || c) FROM unnest(ARRAY[
    'false', 'NULL', 'score.total > 140', 'score.total >= 140.5', '141 <= score.total', 'score.fit < 0', 'score.intent = 21',
    'score.total >= 80 AND score.total < 50', 'score.fit > 60 OR score.engagement < -10', 'score.total > 140 AND size > 1',
    $$score.band = 'boiling'$$, $$score.band IN ('boiling', 'very hot')$$, $$score.band = 'hot' AND score.band = 'cold'$$,
    'score.total BETWEEN 200 AND 300', 'score.total IS NULL AND score.total > 3']) AS c;
SELECT ok(NOT pg_temp.never(c), 'perhaps: ' || c) FROM unnest(ARRAY[
    'true', 'score.total >= 140', 'score.total > 139.999', 'score.fit <= 0', 'score.fit > 60 OR size > 3', $$score.band = 'hot'$$,
    $$score.band <> 'hot'$$, $$score.band IN ('boiling', 'hot')$$, 'score.total > 30 AND score.total < 31', 'score.fit + score.intent > 1000',
    $$score.stage_age > interval '90 days' AND score.total < 30$$, $$'demo' = ANY (score.milestones)$$, 'company.rich', 'as_of > created_at',
    $$score.stage = 'sql'$$]) AS c;
SELECT ok(pg_temp.never($$score.stage = 'sql'$$, 'lead'), 'another stage than the one it begins at');
SELECT ok(NOT pg_temp.never($$score.stage = 'lead'$$, 'lead'), 'the very stage');
SELECT is(pg_temp.never('score.totl > 1'), NULL, 'what cannot be read is not judged');

UPDATE lead_scoring.transition SET condition = 'score.total > 150' WHERE model = 'm' AND from_stage = 'mql';
SELECT is(pg_temp.advice(), 'transition from "mql" to "sql": can never fire: no scores that the rules can give meet its condition', 'a transition that can never fire');
UPDATE lead_scoring.transition SET condition = 'score.total > 149' WHERE model = 'm' AND from_stage = 'mql';
INSERT INTO lead_scoring.transition (model, from_stage, to_stage, condition) VALUES ('m', 'customer', 'lead', 'true');
SELECT is(pg_temp.advice(), 'transition from "customer" to "lead": can never fire: a stage with an outcome is left alone', 'out of an outcome');
DELETE FROM lead_scoring.transition WHERE model = 'm' AND from_stage = 'customer';
UPDATE lead_scoring.action SET condition = $$score.band = 'lukewarm'$$ WHERE model = 'm';
SELECT is(pg_temp.advice(), 'action "call": can never fire: no scores that the rules can give meet its condition', 'an action, for a band that there is not');
UPDATE lead_scoring.action SET enabled = false WHERE model = 'm';
SELECT is(pg_temp.advice(), '', 'unless it is disabled');

-- ------------------------------------------------------------------- templates

-- The grids have no such fault where all of them was applied.
SELECT lead_scoring.create_model(template, 'crm.contacts', 'id', created_column => 'created_at'),
       lead_scoring.add_event_source(template, 'crm.events', 'contact_id', 'occurred_at')
  FROM lead_scoring.templates() \g /dev/null
SELECT is(string_agg(rule, ', '), NULL, template || ' is applied') FROM lead_scoring.templates() AS t
  LEFT JOIN LATERAL (SELECT * FROM lead_scoring.apply_template(t.template, t.template,
       '{"company_size": "size", "industry": "company", "off_target_sector": "b", "email": "title", "lead_source": "title", "page": "type", "mail": "n"}') AS a WHERE NOT applied) AS a ON true
 GROUP BY template;
SELECT is_empty(format('SELECT * FROM lead_scoring.lint_problems(%L)', template), template || ': nothing is said of it')
  FROM lead_scoring.templates();

-- Big tables are looked at all over: the newest events are in the sample.
SELECT pg_temp.sound() \g /dev/null
TRUNCATE crm.events;
INSERT INTO crm.events SELECT n % 150, now() - (60000 - n) * interval '3 minutes', CASE WHEN n > 50000 THEN 'page' ELSE 'mail' END, n FROM generate_series(1, 60000) AS n;
ANALYZE crm.events;
SELECT is(pg_temp.advice(), '', 'what is only among the latest of many events was seen');

SELECT * FROM finish();
