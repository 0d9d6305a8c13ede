-- compare(): bands, qualified contacts and weeks, counted by hand and against
-- the scores of each model taken one by one.

\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET jit = off;
\pset format unaligned
\pset tuples_only on

SELECT plan(24);

CREATE SCHEMA crm;
CREATE TABLE crm.contacts (id bigint PRIMARY KEY, size int, country text, created_at timestamptz);
CREATE TABLE crm.events (contact_id int, occurred_at timestamptz, type text);
CREATE TABLE crm.calls (person bigint, at timestamptz);
SELECT lead_scoring.create_model('a', 'crm.contacts', 'id', created_column => 'created_at') \g /dev/null
SELECT lead_scoring.add_event_source('a', 'crm.events', 'contact_id', 'occurred_at') \g /dev/null
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('a', 'big', 'size > 50', 30);
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, max_count, within) VALUES
    ('a', 'price', 'each', $$type = 'price'$$, 20, 2, '28 days');
SELECT lead_scoring.clone_model('a', 'b') \g /dev/null
UPDATE lead_scoring.fit_rule SET points = 50 WHERE model = 'b';
UPDATE lead_scoring.engagement_rule SET points = 10 WHERE model = 'b';
UPDATE lead_scoring.model SET population = $$country = 'DE'$$ WHERE name = 'b';

-- Totals as of 2026-03-01, in a and in b:
INSERT INTO crm.contacts VALUES
    (1, 60, 'DE', '2026-01-01'),   -- 30 + 40 = 70, 50 + 20 = 70
    (2, 60, 'DE', '2026-01-01'),   -- 30 warm,      50 hot: gained
    (3, 10, 'DE', '2026-01-01'),   -- 40 warm,      20 warm
    (4, 60, 'FR', '2026-01-01'),   -- 30 + 20 = 50, not scored: lost
    (5, 10, 'FR', '2026-01-01'),   -- 0, not scored
    (6, 60, 'DE', '2026-02-20'),   -- 30, 50: gained
    (7, 60, 'DE', '2026-03-02'),   -- not there yet
    (8, NULL, 'DE', NULL);         -- 0, 0; since when is not known
INSERT INTO crm.events VALUES
    (1, '2026-02-10', 'price'), (1, '2026-02-20', 'price'), (1, '2026-02-20', 'x'),
    (3, '2026-02-25', 'price'), (3, '2026-02-26', 'price'), (3, '2026-02-27', 'price'),
    (4, '2026-02-12', 'price'), (99, '2026-02-12', 'price'), (NULL, '2026-02-12', 'price');

SELECT is(lead_scoring.mql_condition('a'), '((score.total >= (50)::double precision))', 'qualified: the way out of the first stage');
SELECT results_eq($$SELECT * FROM lead_scoring.compare('a', 'b', '2026-03-01 00:00+00')$$, $$VALUES
    ('hot', 'hot', 1::bigint, 0::bigint, 0::bigint),
    ('hot', NULL, 1, 0, 1),
    ('warm', 'hot', 2, 2, 0),
    ('warm', 'warm', 1, 0, 0),
    ('cold', 'cold', 1, 0, 0),
    ('cold', NULL, 1, 0, 0)$$, 'bands side by side');
SELECT results_eq($$SELECT sum(contacts), sum(gain_mql), sum(lose_mql) FROM lead_scoring.compare('b', 'a', '2026-03-01 00:00+00')$$,
    $$VALUES (7::numeric, 1::numeric, 2::numeric)$$, 'the other way round');
SELECT results_eq($$SELECT band_a, band_b, contacts, gain_mql, lose_mql FROM lead_scoring.compare('a', 'a', '2026-03-01 00:00+00')$$,
    $$VALUES ('hot', 'hot', 2::bigint, 0::bigint, 0::bigint), ('warm', 'warm', 3, 0, 0), ('cold', 'cold', 2, 0, 0)$$, 'a model with itself');
SET lead_scoring.as_of = '2026-03-01 00:00+00';
SELECT results_eq($$SELECT * FROM lead_scoring.compare('a', 'b')$$, $$SELECT * FROM lead_scoring.compare('a', 'b', '2026-03-01 00:00+00')$$,
    'without a moment that of lead_scoring.as_of');
SELECT results_eq($$SELECT * FROM lead_scoring.compare('a', 'b', NULL)$$, $$SELECT * FROM lead_scoring.compare('a', 'b')$$, 'a null moment, too');

-- The totals behind it are those of the model as plain SQL.
CREATE FUNCTION pg_temp.plain(model text, t timestamptz) RETURNS TABLE (id bigint, total float8) LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE 'SELECT contact_id, total FROM (' || lead_scoring.to_sql(model) || ') AS s' USING t;
END
$$;
CREATE FUNCTION pg_temp.sides(a text, b text, t timestamptz[])
RETURNS TABLE (as_of timestamptz, id bigint, total_a float8, total_b float8) LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE 'SELECT as_of, contact_id, total_a, total_b FROM (' || lead_scoring.compare_sql(a, b) || ') AS s' USING t;
END
$$;
CREATE FUNCTION pg_temp.differences(a text, b text, t timestamptz) RETURNS SETOF record LANGUAGE sql AS $$
    SELECT s.id, s.total_a, s.total_b FROM pg_temp.sides(a, b, ARRAY[t - interval '1 day', t]) AS s WHERE as_of = t
    EXCEPT
    SELECT c.id, CASE WHEN c.created_at <= t OR c.created_at IS NULL THEN pa.total END, CASE WHEN c.created_at <= t OR c.created_at IS NULL THEN pb.total END
      FROM crm.contacts AS c LEFT JOIN pg_temp.plain(a, t) AS pa USING (id) LEFT JOIN pg_temp.plain(b, t) AS pb USING (id)
$$;
SELECT is_empty($$SELECT * FROM pg_temp.differences('a', 'b', '2026-03-01 00:00+00') AS d (id bigint, a float8, b float8)$$, 'totals are those of to_sql()');

-- --------------------------------------------------------------------- weeks

-- a: contact 1 has 30 + 20 from 10 February on, contact 4 from the 12th.
-- b: contact 2 has 50 all the time, 1 too, 6 since it is there.
SELECT results_eq($$SELECT * FROM lead_scoring.compare_weeks('a', 'b', 4)$$, $$VALUES
    ('2026-02-08 00:00+00'::timestamptz, 0::bigint, 2::bigint, 0::bigint, 0::bigint, 2::bigint, 0::bigint),
    ('2026-02-15 00:00+00', 2, 2, 2, 0, 1, 1),
    ('2026-02-22 00:00+00', 2, 3, 0, 1, 2, 1),
    ('2026-03-01 00:00+00', 2, 3, 0, 0, 2, 1)$$, 'week by week');
-- 28 days after the 12th, contact 4 is out of the window of a: a week in which one is lost.
SELECT results_eq($$SELECT mql_a, mql_b, new_mql_a, new_mql_b FROM lead_scoring.compare_weeks('a', 'b', 2, '2026-03-15 00:00+00')$$,
    $$VALUES (2::bigint, 4::bigint, 0::bigint, 1::bigint), (1, 4, 0, 0)$$, 'another end');
SET timezone = 'America/New_York'; -- summer time began on 8 March
SELECT results_eq($$SELECT week_end FROM lead_scoring.compare_weeks('a', 'b', 2, '2026-03-15 00:00+00')$$,
    $$VALUES ('2026-03-08 00:00+00'::timestamptz), ('2026-03-15 00:00+00')$$, 'a week is a week in any time zone');
RESET timezone;
SELECT throws_ok($$SELECT * FROM lead_scoring.compare_weeks('a', 'b', 0)$$, '22023', 'weeks must be from 1 to 520');

-- ----------------------------------------------------------- what is qualified

UPDATE lead_scoring.transition SET condition = $$score.band = 'hot' AND country = 'DE' AND as_of >= created_at$$ WHERE model = 'a' AND from_stage = 'lead';
SELECT results_eq($$SELECT gain_mql, lose_mql FROM lead_scoring.compare('a', 'b') WHERE band_a = 'hot'$$,
    $$VALUES (0::bigint, 0::bigint), (0, 0)$$, 'a condition on band, columns and the moment');
INSERT INTO lead_scoring.transition (model, from_stage, to_stage, condition) VALUES
    ('a', 'lead', 'sql', $$score.total >= 40 AND score.stage = 'lead'$$),
    ('a', 'lead', 'opportunity', $$'demo' = ANY (score.milestones)$$),
    ('a', 'lead', 'disqualified', 'true'), ('a', 'sql', 'mql', 'true');
SELECT unalike(lead_scoring.mql_condition('a'), '%milestones%', 'what a history alone tells is left out');
SELECT results_eq($$SELECT sum(gain_mql), sum(lose_mql) FROM lead_scoring.compare('a', 'b')$$, $$VALUES (2::numeric, 2::numeric)$$,
    'several ways out, one of them from 40 on; not back, not to the end');
UPDATE lead_scoring.transition SET condition = $$score.total >= 50 AND score.stage_age > interval '1 day'$$ WHERE model = 'a' AND from_stage = 'lead' AND to_stage <> 'disqualified';
SELECT is(lead_scoring.mql_condition('a'), '(score.total >= 50)', 'else the threshold hot');
UPDATE lead_scoring.threshold SET label = 'warmer' WHERE model = 'a' AND label = 'hot';
SELECT is(lead_scoring.mql_condition('a'), '(score.total >= 80)', 'else the highest');
DELETE FROM lead_scoring.threshold WHERE model = 'a' AND score = 'total';
SELECT is(lead_scoring.mql_condition('a'), 'false', 'else nobody is');
SELECT results_eq($$SELECT DISTINCT band_a FROM lead_scoring.compare('a', 'b')$$, $$VALUES ('(none)')$$, 'below all bands');

-- --------------------------------------------- lookups, sources, no events at all

CREATE TABLE crm.companies (country text PRIMARY KEY, rich boolean);
INSERT INTO crm.companies VALUES ('DE', true), ('FR', false);
INSERT INTO lead_scoring.lookup VALUES ('b', 'company', 'crm.companies', 'country', 'country');
UPDATE lead_scoring.fit_rule SET condition = 'company.rich' WHERE model = 'b';
UPDATE lead_scoring.engagement_rule SET source = 'events' WHERE model = 'b';
SELECT lead_scoring.add_event_source('b', 'crm.calls', 'person', 'at', name => 'calls') \g /dev/null
INSERT INTO lead_scoring.engagement_rule (model, name, source, kind, points, max_count) VALUES ('b', 'call', 'calls', 'each', 7, 1);
INSERT INTO crm.calls VALUES (3, '2026-02-01'), (8, '2026-02-01');
SELECT lead_scoring.create_model('c', 'crm.contacts', 'id') \g /dev/null
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('c', 'big', 'size > 50', 30);
SELECT is_empty($$SELECT * FROM pg_temp.differences('b', 'c', '2026-03-01 00:00+00') AS d (id bigint, a float8, b float8) WHERE id <> 7$$, 'lookups, two sources, none');
SELECT is(total_a, 77::float8, 'by hand') FROM pg_temp.sides('b', 'c', '{2026-03-01 00:00+00}') WHERE id = 3; -- 50 + 20 + 7

-- ---------------------------------------------------------------------- errors

SELECT throws_ok($$SELECT * FROM lead_scoring.compare('a', 'none')$$, '42704', NULL, 'an unknown model');
SELECT throws_ok($$SELECT * FROM lead_scoring.compare('a', NULL)$$, '22023', 'two models with their contacts must be given');
SELECT lead_scoring.create_model('d', 'crm.companies', 'country') \g /dev/null
SELECT throws_ok($$SELECT * FROM lead_scoring.compare('a', 'd')$$, '22023', 'models "a" and "d" do not score the same relation');

-- As the caller: who may not read the events may not compare.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'ls_compare_reader') THEN
        DROP OWNED BY ls_compare_reader; DROP ROLE ls_compare_reader;
    END IF;
    CREATE ROLE ls_compare_reader;
END
$$;
GRANT USAGE ON SCHEMA crm TO ls_compare_reader;
GRANT SELECT ON crm.contacts TO ls_compare_reader;
SET ROLE ls_compare_reader;
SELECT throws_ok($$SELECT * FROM lead_scoring.compare('a', 'c')$$, '42501', 'permission denied for table events');
RESET ROLE;
DROP OWNED BY ls_compare_reader;
DROP ROLE ls_compare_reader;

SELECT * FROM finish();
