-- explain, explain_change and what_next on contacts whose scores were computed by hand.

\ir live.psql

SELECT * FROM no_plan();

CREATE SCHEMA sales;
CREATE TABLE sales.person (id bigint PRIMARY KEY, title text, size int, mail text, created timestamptz);
CREATE TABLE sales.deed (who bigint, at timestamptz, type text, what text, worth float8);
CREATE INDEX ON sales.deed (who);
INSERT INTO sales.person VALUES
    (1, 'CEO', 600, 'a@b.example', '2025-06-01'), (2, NULL, NULL, 'x@gmail.com', '2025-12-01'),
    (3, 'CEO', 60, 'c@b.example', '2026-02-20'), (4, NULL, 60, NULL, NULL);
INSERT INTO sales.deed VALUES
    (1, '2026-02-15 00:00+00', 'page', '/product', NULL),
    (1, '2026-02-19 10:00+00', 'page', '/pricing', NULL),
    (1, '2026-02-20 08:00+00', 'opened', 'mail 1', NULL),
    (1, '2026-02-20 09:00+00', 'opened', 'mail 1', NULL),
    (1, '2026-02-22 08:00+00', 'opened', 'mail 2', NULL),
    (1, '2026-02-24 10:00+00', 'page', '/pricing', NULL),
    (1, '2026-02-24 10:30+00', 'form', 'demo', NULL),
    (1, '2026-02-28 12:00+00', 'basket', NULL, NULL),
    (3, '2026-02-25 00:00+00', 'form', 'demo', NULL),
    (3, '2026-02-01 00:00+00', 'page', '/pricing', NULL),
    (3, '2026-02-26 00:00+00', 'basket', NULL, NULL),
    (3, '2026-02-27 00:00+00', 'order', NULL, NULL),
    (3, '2026-02-20 08:00+00', 'sent', 'mail 1', NULL),
    (3, '2026-02-20 09:00+00', 'opened', 'mail 1', NULL),
    (3, '2026-02-21 08:00+00', 'sent', 'mail 2', NULL);

SELECT lead_scoring.create_model('s', 'sales.person', 'id', created_column => 'created');
SELECT lead_scoring.add_event_source('s', 'sales.deed', 'who', 'at', activity => $$type <> 'sent'$$);
UPDATE lead_scoring.model SET fit_ceiling = 50, engagement_weight = 0.5, total_ceiling = 100 WHERE name = 's';
INSERT INTO lead_scoring.rule_group (model, name, dimension, max_points) VALUES
    ('s', 'company', 'fit', 25), ('s', 'visits', 'engagement', 40);
INSERT INTO lead_scoring.fit_rule (model, name, group_name, condition, points) VALUES
    ('s', 'Boss', NULL, $$title = 'CEO'$$, 30), ('s', 'Big', 'company', 'size > 50', 20),
    ('s', 'Huge', 'company', 'size > 500', 10), ('s', 'Private', NULL, $$mail LIKE '%@gmail.com'$$, -20);
INSERT INTO lead_scoring.engagement_rule (model, name, group_name, dimension, kind, condition, points, "within", max_count, half_life, requires, "unless", "after") VALUES
    ('s', 'Pricing', 'visits', 'engagement', 'each', $$type = 'page' AND what = '/pricing'$$, 20, '30 days', 3, NULL, NULL, NULL, NULL),
    ('s', 'Product', 'visits', 'engagement', 'each', $$type = 'page' AND what = '/product'$$, 10, NULL, NULL, '14 days', NULL, NULL, NULL),
    ('s', 'Demo', NULL, 'intent', 'each', $$type = 'form' AND what = 'demo'$$, 40, NULL, 1, NULL, 'Product', NULL, NULL),
    ('s', 'Basket', NULL, 'intent', 'each', $$type = 'basket'$$, 15, '14 days', 1, NULL, NULL, $$type = 'order'$$, '1 day');
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, at_least, at_most, "within", distinct_by) VALUES
    ('s', 'Three mails', 'count', $$type = 'opened'$$, 5, 3, NULL, '30 days', 'what'),
    ('s', 'No basket', 'count', $$type = 'basket'$$, -1, NULL, 0, NULL, NULL);
INSERT INTO lead_scoring.engagement_rule (model, name, kind, points, "within") VALUES ('s', 'Silent', 'inactive', -20, '60 days');
INSERT INTO lead_scoring.engagement_rule (model, name, dimension, kind, steps, step_order, "within", points) VALUES
    ('s', 'Compares', 'intent', 'sequence', ARRAY[$$type = 'page' AND what = '/pricing'$$, $$type = 'page' AND what = '/compare'$$], 'any', '7 days', 25);
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, hit, distinct_by, at_least, points) VALUES
    ('s', 'Every mail', 'streak', $$type = 'sent'$$, $$type = 'opened'$$, 'what', 2, 15);

-- One line: dimension/group rule: points (lost) xtimes [note].
CREATE FUNCTION said(model text, id bigint, as_of timestamptz) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat(dimension, '/' || group_name, ' ', rule, ': ', points, ' (' || nullif(lost, 0) || ')',
                             ' x' || occurrences, ' [' || note || ']'), E'\n')
      FROM lead_scoring.explain(model, id, as_of)
$$;
CREATE FUNCTION plain_total(model text, id bigint, as_of timestamptz) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    found float8;
BEGIN
    EXECUTE format('SELECT total FROM (%s) AS s WHERE contact_id = $2', lead_scoring.to_sql(model))
       INTO found USING as_of, id;
    RETURN found;
END
$$;

-- ------------------------------------------------------------------ explain

\echo # explain
-- Fit: 30 + 20 + 10, company no more than 25, all no more than 50. Engagement: two
-- visits of prices, half of one of the product, no more than 40, and half of that.
-- Intent: the demo counts as the product's page was seen; the basket is 12 hours old.
-- 50 + 20 + 40 = 110 is over 100. What the last limit takes is 10 of 110 for each:
-- of Boss 30 x 50/55 x 1/11 and the 30 x 5/55 of the one before, and so on.
SELECT is(said('s', 1, '2026-03-01 00:00+00'),
$$fit Boss: 30 (5.206612)
fit/company Big: 20 (6.225895)
fit/company Huge: 10 (3.112948)
fit/company limit of group company: -5
fit limit of fit: -5
engagement/visits Pricing: 40 (7.676768) x2
engagement/visits Product: 5 (0.959596) x1 [fades]
engagement Silent: 0 x0 [not silent for long enough]
engagement Three mails: 0 x2 [2 of 3]
engagement/visits limit of group visits: -5
engagement weight 0.5: -20
intent Demo: 40 (3.636364) x1
intent Basket: 0 x0 [too recent]
intent Compares: 0 x0 [1 of 2 steps]
 limit of the total: -10$$, 'who is over all limits');
SELECT is(sum(points)::float8, plain_total('s', 1, '2026-03-01 00:00+00'), 'adds up to the total')
  FROM lead_scoring.explain('s', 1, '2026-03-01 00:00+00');
SELECT is(sum(points), 100::numeric, 'of 100') FROM lead_scoring.explain('s', 1, '2026-03-01 00:00+00');
SELECT is(said('s', 2, '2026-03-01 00:00+00'),
$$fit Private: -20
engagement Silent: -20 x1
engagement No basket: -1 x0
engagement weight 0.5: 10.5$$, 'who never did anything');
-- The demo without the product's page; the mail of the 21st was not opened in three days.
SELECT is(said('s', 3, '2026-03-01 00:00+00'),
$$fit Boss: 30
fit/company Big: 20
engagement/visits Pricing: 20 x1
engagement Every mail: 0 x0 [0 of 2]
engagement Silent: 0 x0 [not silent for long enough]
engagement Three mails: 0 x1 [1 of 3]
engagement weight 0.5: -10
intent Compares: 0 x0 [0 of 2 steps]
intent Demo: 0 x1 [requires Product]$$, 'what is missing');
SELECT is(said('s', 3, '2026-03-05 00:00+00'),
$$fit Boss: 30
fit/company Big: 20
engagement Every mail: 0 x0 [0 of 2]
engagement/visits Pricing: 0 x0 [expired]
engagement Silent: 0 x0 [not silent for long enough]
engagement Three mails: 0 x1 [1 of 3]
intent Compares: 0 x0 [0 of 2 steps]
intent Demo: 0 x1 [requires Product]$$, 'what expires is still told of');
SELECT is(said('s', 4, '2026-03-01 00:00+00'),
$$fit/company Big: 20
engagement No basket: -1 x0
engagement weight 0.5: 0.5$$, 'of whom it is not known since when he is there');
SELECT results_eq($$SELECT rule, kind, condition, last_match, next_change FROM lead_scoring.explain('s', 1, '2026-03-01 00:00+00')
                     WHERE rule IN ('Pricing', 'Silent', 'Basket', 'Compares', 'Product', 'Every mail')$$,
$$VALUES ('Pricing', 'each', $c$type = 'page' AND what = '/pricing'$c$, timestamptz '2026-02-24 10:00+00', timestamptz '2026-03-21 10:00+00'),
         ('Product', 'each', $c$type = 'page' AND what = '/product'$c$, '2026-02-15 00:00+00', NULL),
         ('Silent', 'inactive', NULL, '2026-02-28 12:00+00', '2026-04-29 12:00+00'),
         ('Basket', 'each', $c$type = 'basket'$c$, '2026-02-28 12:00+00', '2026-03-01 12:00+00'),
         ('Compares', 'sequence', $c$(type = 'page' AND what = '/pricing') and (type = 'page' AND what = '/compare')$c$,
          '2026-02-24 10:00+00', NULL)$$,
    'conditions, latest matches, next changes');
SELECT is(said('s', 1, '2026-02-16 00:00+00'),
$$fit Boss: 30 (2.727273)
fit/company Big: 20 (4.848485)
fit/company Huge: 10 (2.424242)
fit/company limit of group company: -5
fit limit of fit: -5
engagement/visits Product: 9.516952 x1 [fades]
engagement No basket: -1 x0
engagement Silent: 0 x0 [not silent for long enough]
engagement weight 0.5: -4.258476$$, 'two weeks before: what had not happened does not count');
SELECT is(sum(points)::float8, plain_total('s', 1, '2026-02-16 00:00+00'), 'that adds up, too')
  FROM lead_scoring.explain('s', 1, '2026-02-16 00:00+00');

SET lead_scoring.as_of = '2026-02-16 00:00+00';
SELECT is((SELECT sum(points) FROM lead_scoring.explain('s', 1)), 54.258476, 'without a moment: as of the clock');
RESET lead_scoring.as_of;
SELECT is_empty($$SELECT lead_scoring.explain('s', NULL::bigint)$$, 'nobody');
SELECT is_empty($$SELECT lead_scoring.explain('s', 1, NULL)$$, 'at no time');
SELECT throws_ok($$SELECT lead_scoring.explain('none', 1)$$, '42704', 'model "none" does not exist', 'no such model');
SELECT throws_ok($$SELECT lead_scoring.explain('s', 9)$$, 'P0002', 'contact 9 of model "s" does not exist', 'no such contact');
SELECT throws_ok($$SELECT lead_scoring.explain('s', 'nine')$$, '22P02', 'invalid input syntax for type bigint: "nine"', 'no key');
SELECT throws_ok($$SELECT lead_scoring.explain('s', 1, 'infinity')$$, '22008', 'the moment must be finite', 'no moment');
SELECT is(sum(points), 100::numeric, 'the key as text') FROM lead_scoring.explain('s', '1', '2026-03-01 00:00+00');

-- Points that add up to something else, as scores are rounded.
UPDATE lead_scoring.engagement_rule SET half_life = '9 days 11:11:11' WHERE model = 's' AND name = 'Product';
UPDATE lead_scoring.model SET engagement_weight = 0.3333333 WHERE name = 's';
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('s', 'Third', 'size > 0', 1 / 3.0::float8),
    ('s', 'Same', 'size >= 60', 1 / 3.0::float8), ('s', 'Again', 'id = 4', 1 / 3.0::float8);
SELECT is(sum(points)::float8, plain_total('s', id, at), format('contact %s as of %s', id, at))
  FROM generate_series(1, 4) AS id
 CROSS JOIN generate_series(timestamptz '2026-02-15 12:00+00', '2026-04-30', '4 days 5:06:07') AS at
 CROSS JOIN LATERAL lead_scoring.explain('s', id, at)
 GROUP BY id, at ORDER BY id, at;
SELECT ok(EXISTS (SELECT FROM lead_scoring.explain('s', 4, '2026-03-01') WHERE kind = 'rounding' AND points = 0.000001),
          'three thirds are one');
DELETE FROM lead_scoring.fit_rule WHERE model = 's' AND name IN ('Third', 'Same', 'Again');
UPDATE lead_scoring.engagement_rule SET half_life = '14 days' WHERE model = 's' AND name = 'Product';
UPDATE lead_scoring.model SET engagement_weight = 0.5 WHERE name = 's';

-- ------------------------------------------------------- adjustments, population

\echo # adjustments and population
SELECT lead_scoring.activate('s');
INSERT INTO sales.s_adjustment (contact_id, kind, dimension, points, reason, valid_from, valid_until) VALUES
    (2, 'points', 'intent', 7, 'met at the fair', '2026-02-01', '2026-04-01'),
    (2, 'points', NULL, 3, NULL, '2026-03-10', NULL),
    (3, 'reset', NULL, NULL, 'a new person', '2026-02-10', NULL),
    (4, 'exclude', NULL, NULL, 'a competitor', '2026-03-01', '2026-03-02');
SELECT is(said('s', 2, '2026-03-01 00:00+00'),
$$fit Private: -20
engagement Silent: -20 x1
engagement No basket: -1 x0
engagement weight 0.5: 10.5
intent adjustment: met at the fair: 7
 adjustment: 0 [not yet]$$, 'adjustments');
SELECT is(sum(points)::float8, plain_total('s', 2, at), 'add up as of ' || at)
  FROM unnest('{2026-01-31,2026-02-02,2026-03-11,2026-04-02}'::timestamptz[]) AS at
 CROSS JOIN LATERAL lead_scoring.explain('s', 2, at) GROUP BY at ORDER BY at;
SELECT is(said('s', 3, '2026-03-01 00:00+00'),
$$fit Boss: 30
fit/company Big: 20
engagement Every mail: 0 x0 [0 of 2]
engagement Silent: 0 x0 [not silent for long enough]
engagement Three mails: 0 x1 [1 of 3]
intent Demo: 0 x1 [requires Product]
 reset: a new person: 0 [events before 2026-02-10 00:00:00+00 do not count]$$, 'a reset');
SELECT results_eq($$SELECT rule, points, note FROM lead_scoring.explain('s', 4, '2026-03-01 12:00+00')$$,
                  $$VALUES ('not scored', NULL::numeric, 'excluded by hand: a competitor')$$, 'who is excluded');
UPDATE lead_scoring.model SET population = 'size IS NOT NULL' WHERE name = 's';
SELECT results_eq($$SELECT rule, points, note FROM lead_scoring.explain('s', 2)$$,
                  $$VALUES ('not scored', NULL::numeric, 'outside of the population')$$, 'who is not of the population');
UPDATE lead_scoring.model SET population = NULL WHERE name = 's';

-- ------------------------------------------------------------- explain_change

\echo # explain_change
CREATE FUNCTION changed(id bigint, "from" timestamptz, "to" timestamptz) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat(reason, ' ' || rule, ': ', points, ' (' || before || ' -> ' || after || ')'), E'\n')
      FROM lead_scoring.explain_change('s', id, "from", "to")
$$;
-- After 30 days one visit of the prices expires, the basket has expired, too; four more
-- half-lives leave 10 / 2^5 of the product's page. Nothing new happened.
SELECT is(changed(1, '2026-03-02 00:00+00', '2026-03-22 00:00+00'),
$$came of age or expired Basket: -15 (15 -> 0)
expired Pricing: -20 (40 -> 20)
decayed Product: -2.990709 (4.758476 -> 1.767767)
limits limit of group visits: 4.758476 (-4.758476 -> 0)
limits limit of the total: 24.116117 (-25 -> -0.883883)
weights weight 0.5: 9.116116 (-20 -> -10.883884)$$, 'what time does');
-- The visit of the 24th, and the form. The total goes from 50 + 0.5 x 26.616198 to 100.
SELECT is(changed(1, '2026-02-20 12:00+00', '2026-02-24 12:00+00'),
$$new events Pricing: 20 (20 -> 40)
decayed Product: -1.368362 (7.616198 -> 6.247836)
new events Demo: 40 (0 -> 40)
limits limit of group visits: -6.247836 (0 -> -6.247836)
limits limit of the total: -9.5 (0 -> -9.5)
weights weight 0.5: -6.191901 (-13.308099 -> -19.5)$$, 'what events do');
SELECT is(changed(2, '2026-03-01 00:00+00', '2026-03-05 00:00+00'), NULL, 'nothing changes');
SELECT is(changed(2, '2026-01-20 00:00+00', '2026-02-05 00:00+00'),
$$silence Silent: -20 (0 -> -20)
weights weight 0.5: 10 (0.5 -> 10.5)
adjustments adjustment: met at the fair: 7 (0 -> 7)$$, 'silence, and an adjustment');
SELECT is(changed(3, '2026-02-09 00:00+00', '2026-02-11 00:00+00'),
$$reset Pricing: -20 (20 -> 0)
weights weight 0.5: 10 (-9.5 -> 0.5)$$, 'a reset');
SELECT is(changed(4, '2026-02-20 00:00+00', '2026-03-01 12:00+00'),
          'not scored any more, excluded by hand: a competitor: -19.5 (19.5 -> 0)', 'an exclusion');
SELECT is(changed(4, '2026-03-01 12:00+00', '2026-03-03 00:00+00'),
          'scored now, before excluded by hand: a competitor: 19.5 (0 -> 19.5)', 'and its end');
SELECT is(coalesce(sum(points), 0)::float8, round((plain_total('s', id, t) - plain_total('s', id, f))::numeric, 6)::float8,
          format('contact %s from %s to %s', id, f, t))
  FROM generate_series(1, 3) AS id
 CROSS JOIN generate_series(timestamptz '2026-02-08 12:00+00', '2026-03-12', '5 days 5:06:07') AS f
 CROSS JOIN LATERAL (VALUES (f), (f + interval '1 hour'), (f + interval '3 days'), (f + interval '40 days')) AS v (t)
  LEFT JOIN LATERAL lead_scoring.explain_change('s', id, f, t) ON true
 GROUP BY id, f, t ORDER BY id, f, t;
SELECT throws_ok($$SELECT lead_scoring.explain_change('s', 1, '2026-03-02', '2026-03-01')$$, '22023', NULL, 'backwards');

-- ------------------------------------------------------------------ what_next

\echo # what_next
INSERT INTO sales.person VALUES
    (5, 'CEO', NULL, NULL, '2026-02-01'), (6, 'CEO', NULL, NULL, '2026-02-01'), (7, 'CEO', 60, NULL, '2025-02-01'),
    (8, 'CEO', 600, NULL, '2026-02-01');
INSERT INTO sales.deed VALUES
    (6, '2026-02-28 00:00+00', 'page', '/product', NULL),
    (7, '2026-02-20 00:00+00', 'page', '/pricing', NULL),
    (7, '2026-02-24 00:00+00', 'page', '/compare', NULL),
    (7, '2025-12-20 00:00+00', 'page', '/pricing', NULL),
    (8, '2026-02-24 00:00+00', 'page', '/compare', NULL),
    (8, '2026-02-24 10:00+00', 'opened', 'mail 7', NULL),
    (8, '2026-02-25 10:00+00', 'opened', 'mail 8', NULL);
DELETE FROM sales.s_adjustment WHERE kind <> 'points';
CREATE FUNCTION next(id bigint, as_of timestamptz) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', what, rule, adds, total, band, at), E'\n') FROM lead_scoring.what_next('s', id, as_of)
$$;
-- 30 - 0.5 for no basket, which ends with a basket only.
SELECT is(next(5, '2026-03-01 00:00+00'), 'nothing -10 19.5 cold 2026-04-02 00:00:00+00', 'nothing that is one event away; silent after 60 days');
-- One day after the product's page 29.5 + 5 x 2^(-1/14), and 40 for the form. Silence
-- takes 10, and the page gives 5 x 2^(-60/14).
SELECT is(next(6, '2026-03-01 00:00+00'),
$$match Demo 40 74.258476 hot
nothing -14.502121 19.756355 cold 2026-04-29 00:00:00+00$$, 'a form would count');
-- 30 + 20 + 0.5 x (20 - 1) + 25: nothing is higher. The visit of 20 Feb counts for 30 days.
SELECT is(next(7, '2026-03-01 00:00+00'), 'nothing -10 74.5 hot 2026-03-22 00:00:00+00', 'who is in the highest band');
-- 50 - 0.5: with any of 0.5 and more. The mail is the third; the page is the second step.
SELECT is(next(8, '2026-03-01 00:00+00'),
$$match No basket 0.5 50 hot
match Three mails 2.5 52 hot
match Product 5 54.5 hot
match Compares 35 84.5 very hot
match Pricing 35 84.5 very hot
nothing$$, 'the nearest first; silence alone leaves him where he is');
SELECT is(next(4, '2026-03-01 00:00+00'),
$$match No basket 0.5 20 warm
match Product 5 24.5 warm
match Pricing 10 29.5 warm
nothing$$, 'who stays for ever');
UPDATE lead_scoring.model SET population = 'size IS NULL OR size > 60' WHERE name = 's';
SELECT is_empty($$SELECT lead_scoring.what_next('s', 7)$$, 'who is not scored');
UPDATE lead_scoring.model SET population = NULL WHERE name = 's';

-- What the events of those rows are.
CREATE TABLE sales.event_of (rule text, type text, what text);
INSERT INTO sales.event_of VALUES ('Pricing', 'page', '/pricing'), ('Product', 'page', '/product'), ('Demo', 'form', 'demo'),
    ('No basket', 'basket', 'b'), ('Basket', 'basket', 'b'), ('Three mails', 'opened', 'mail 99'), ('Silent', 'chat', 'hello'),
    ('Every mail', 'opened', 'mail 2');
-- happens(id, as_of): where the total after the event is another than foretold.
CREATE FUNCTION happens(id bigint, as_of timestamptz) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    one record;
    found float8;
BEGIN
    FOR one IN
        SELECT n.*, e.type, coalesce(e.what, substring(n.condition FROM '/[a-z]+')) AS happened,
               coalesce(e.type, 'page') AS kind
          FROM lead_scoring.what_next('s', id, as_of) AS n LEFT JOIN sales.event_of AS e USING (rule)
         WHERE n.what = 'match'
    LOOP
        BEGIN
            INSERT INTO sales.deed VALUES (id, as_of, one.kind, one.happened);
            found := plain_total('s', id, as_of);
            RAISE EXCEPTION USING ERRCODE = 'UNDO1';
        EXCEPTION WHEN SQLSTATE 'UNDO1' THEN
            IF abs(found - one.total) > 1e-6 OR lead_scoring.band(found, 's') <> one.band THEN
                RETURN NEXT format('%s: %s, not %s', one.rule, found, one.total);
            END IF;
        END;
    END LOOP;
END
$$;
-- leaves(id, as_of): where the band is not that until the moment, or is the same then.
CREATE FUNCTION leaves(id bigint, as_of timestamptz) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    band text := lead_scoring.band(plain_total('s', id, as_of), 's');
    one record;
BEGIN
    SELECT * INTO STRICT one FROM lead_scoring.what_next('s', id, as_of) WHERE what = 'nothing';
    DELETE FROM sales.deed AS d WHERE d.who = id AND d.at > as_of;
    IF one.at IS NOT NULL AND lead_scoring.band(plain_total('s', id, one.at), 's') <> one.band THEN
        RETURN NEXT format('%s at %s, not %s', plain_total('s', id, one.at), one.at, one.band);
    END IF;
    IF one.at IS NOT NULL AND lead_scoring.band(plain_total('s', id, one.at - interval '1 microsecond'), 's') <> band
        OR one.band = band THEN
        RETURN NEXT format('not %s until %s', band, one.at);
    END IF;
    RETURN QUERY
    SELECT format('%s at %s', plain_total('s', id, t), t)
      FROM generate_series(as_of, least(one.at, as_of + interval '5 years'), (coalesce(one.at, as_of + interval '5 years') - as_of) / 40) AS t
     WHERE t < coalesce(one.at, 'infinity') AND lead_scoring.band(plain_total('s', id, t), 's') <> band;
END
$$;
SELECT is(string_agg(h, '; '), NULL, format('contact %s as of %s: what happens', id, at))
  FROM generate_series(1, 8) AS id
 CROSS JOIN unnest('{2026-02-16 00:00+00,2026-02-25 12:00+00,2026-03-01 00:00+00}'::timestamptz[]) AS at
  LEFT JOIN LATERAL happens(id, at) AS h ON true
 GROUP BY id, at ORDER BY id, at;
BEGIN;
SELECT is(string_agg(l, '; '), NULL, format('contact %s as of %s: if nothing happens', id, at))
  FROM generate_series(1, 8) AS id
 CROSS JOIN unnest('{2026-03-01 00:00+00,2026-02-25 12:00+00,2026-02-16 00:00+00}'::timestamptz[]) AS at
  LEFT JOIN LATERAL leaves(id, at) AS l ON true
 GROUP BY id, at ORDER BY at DESC, id;
ROLLBACK;
-- A rule on the contact that time changes, and an adjustment that ends.
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('s', 'New', $c$created > as_of - interval '50 days'$c$, -15);
SELECT is(next(5, '2026-03-01 00:00+00'),
$$match Pricing 10 24.5 warm
nothing 15 29.5 warm 2026-03-23 00:00:00+00$$, 'who is not new any more');
INSERT INTO sales.s_adjustment (contact_id, points, valid_from, valid_until) VALUES (5, 40, '2026-02-28', '2026-03-05 12:00+00');
SELECT is(next(5, '2026-03-01 00:00+00'), 'nothing -40 14.5 cold 2026-03-05 12:00:00+00', 'an adjustment that ends');
DELETE FROM lead_scoring.fit_rule WHERE model = 's' AND name = 'New';

-- ------------------------------------------------------------- keys and rights

\echo # keys and rights
CREATE TABLE sales.firm (id uuid PRIMARY KEY, size int);
INSERT INTO sales.firm VALUES ('00000000-0000-0000-0000-000000000001', 70);
CREATE TABLE sales.site (domain varchar(20) PRIMARY KEY, size int);
INSERT INTO sales.site VALUES ('a.example', 70);
CREATE TABLE sales.small (id int PRIMARY KEY, size int);
INSERT INTO sales.small VALUES (1, 70);
CREATE TABLE sales.dated (day date PRIMARY KEY, size int);
INSERT INTO sales.dated VALUES ('2026-01-01', 70);
SELECT lead_scoring.create_model(m, ('sales.' || m)::regclass, k::name) FROM (VALUES ('firm', 'id'), ('site', 'domain'), ('small', 'id'), ('dated', 'day')) AS v (m, k);
INSERT INTO lead_scoring.fit_rule (model, name, condition, points)
SELECT m, 'big', 'size > 50', 7 FROM unnest('{firm,site,small,dated}'::text[]) AS m;
SELECT is(sum(points), 7::numeric, 'a key of type uuid') FROM lead_scoring.explain('firm', '00000000-0000-0000-0000-000000000001'::uuid);
SELECT is(sum(points), 7::numeric, 'the same as text') FROM lead_scoring.explain('firm', '00000000-0000-0000-0000-000000000001');
SELECT is(sum(points), 7::numeric, 'a key of type varchar') FROM lead_scoring.explain('site', 'a.example'::varchar);
SELECT is(sum(points), 7::numeric, 'a key of type integer') FROM lead_scoring.explain('small', 1);
SELECT throws_ok($$SELECT lead_scoring.explain('small', 5000000000)$$, 'P0002', NULL, 'beyond all integers');
SELECT is(sum(points), 7::numeric, 'a key of another type') FROM lead_scoring.explain('dated', '2026-01-01');
SELECT is((SELECT count(*) FROM lead_scoring.what_next('site', 'a.example')), 1::bigint, 'without events');
SELECT is_empty($$SELECT lead_scoring.explain_change('small', 1, '2026-01-01', '2026-02-01')$$, 'nothing changes without events');

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'explain_reader') THEN
        EXECUTE 'DROP OWNED BY explain_reader; DROP ROLE explain_reader';
    END IF;
    CREATE ROLE explain_reader;
END
$$;
GRANT USAGE ON SCHEMA sales TO explain_reader;
SET ROLE explain_reader;
SELECT throws_ok($$SELECT lead_scoring.explain('s', 1)$$, '42501', 'permission denied for model "s"', 'no rights');
RESET ROLE;
GRANT SELECT (id, title) ON sales.person TO explain_reader;
SET ROLE explain_reader;
SELECT throws_ok($$SELECT lead_scoring.explain('s', 1)$$, '42501', 'permission denied for table person', 'some columns of the contacts');
RESET ROLE;
GRANT SELECT ON sales.person TO explain_reader;
SET ROLE explain_reader;
SELECT throws_ok($$SELECT lead_scoring.explain('s', 1)$$, '42501', 'permission denied for table s_adjustment', 'not the adjustments');
RESET ROLE;
GRANT SELECT ON sales.s_adjustment TO explain_reader;
SET ROLE explain_reader;
SELECT throws_ok($$SELECT lead_scoring.explain('s', 1)$$, '42501', 'permission denied for table deed', 'not the events');
RESET ROLE;
GRANT SELECT ON sales.deed TO explain_reader;
SET ROLE explain_reader;
SELECT is(sum(points), 100::numeric, 'all that is read') FROM lead_scoring.explain('s', 1, '2026-03-01 00:00+00');
RESET ROLE;
ALTER TABLE sales.person ENABLE ROW LEVEL SECURITY;
CREATE POLICY part ON sales.person USING (id > 1);
SET ROLE explain_reader;
SELECT throws_ok($$SELECT lead_scoring.explain('s', 1)$$, 'P0002', NULL, 'a contact that one may not see');
SELECT throws_ok($$SELECT lead_scoring.explain_change('s', 1, now(), now())$$, 'P0002', NULL, 'nor its changes');
SELECT throws_ok($$SELECT lead_scoring.what_next('s', 1)$$, 'P0002', NULL, 'nor what is next');
SELECT lives_ok($$SELECT lead_scoring.explain('s', 2)$$, 'others are there');
RESET ROLE;
DROP OWNED BY explain_reader;
DROP ROLE explain_reader;

-- -------------------------------------------------------------- of companies

-- Each contact has a company of its size: its rows are read again and again.
CREATE SCHEMA desks;
CREATE TABLE desks.firm (id int PRIMARY KEY, size int, name text);
CREATE TABLE desks.person (id int PRIMARY KEY, firm_id int, title text);
CREATE TABLE desks.deed (person int, at timestamptz);
CREATE INDEX ON desks.person (firm_id);
CREATE INDEX ON desks.deed (person);
INSERT INTO desks.firm SELECT g, 10 * g, repeat('x', 20 * g) FROM generate_series(1, 8) AS g;
INSERT INTO desks.person SELECT g, nullif(g, 9), CASE WHEN g % 2 = 0 THEN 'CEO' END FROM generate_series(1, 9) AS g;
INSERT INTO desks.deed SELECT g, '2026-01-01 00:00+00' FROM generate_series(1, 9) AS g;
SELECT lead_scoring.create_model('desks', 'desks.person', 'id') \g /dev/null
SELECT lead_scoring.add_lookup('desks', 'firm', 'desks.firm', 'id', 'firm_id') \g /dev/null
SELECT lead_scoring.add_event_source('desks', 'desks.deed', 'person', 'at') \g /dev/null
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES
    ('desks', 'boss', $$title = 'CEO'$$, 10), ('desks', 'big', 'firm.size > 40', 20),
    ('desks', 'named', $$firm.name LIKE 'xxx%'$$, 3);
INSERT INTO lead_scoring.engagement_rule (model, name, kind, points, max_count) VALUES ('desks', 'deed', 'each', 15, 3);
SELECT lead_scoring.activate('desks') \g /dev/null
CREATE FUNCTION told(id int) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(rule || ' ' || points, ', ' ORDER BY rule) FROM lead_scoring.explain('desks', id)
$$;
SELECT is(string_agg(told(id), '; ' ORDER BY id), 'deed 15, named 3; boss 10, deed 15, named 3; deed 15, named 3; boss 10, deed 15, named 3; '
              'big 20, deed 15, named 3; big 20, boss 10, deed 15, named 3; big 20, deed 15, named 3; big 20, boss 10, deed 15, named 3; deed 15',
          'time ' || n || ' that they are explained: rules about companies are there')
  FROM desks.person, generate_series(1, 3) AS n GROUP BY n ORDER BY n;
SELECT is((SELECT string_agg(concat_ws(' ', what, rule, adds), ', ') FROM lead_scoring.what_next('desks', 6)), 'match deed 15, nothing',
          'what would be next starts from all of them') FROM generate_series(1, 2);
SET lead_scoring.as_of = '2026-02-01 00:00+00';
SELECT is(string_agg(total::text, ' ' ORDER BY contact_id), '18 28 18 28 38 48 38 48 15', 'another day in the view')
  FROM desks.desks_scored, generate_series(1, 2) AS n GROUP BY n;
RESET lead_scoring.as_of;

SELECT * FROM finish();
