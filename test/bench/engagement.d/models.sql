-- Models of 8 and of 100 engagement rules, and for each the query that an analyst
-- would write by hand: one pass, an aggregate with FILTER for each rule. They are
-- rules that such a query can compute exactly; sequences and streaks are not.

BEGIN;

CREATE EXTENSION lead_scoring;

-- Columns as in lead_scoring.engagement_rule.
CREATE TABLE bench.rule (
    model         text,
    n             int,
    name          text,
    kind          text,
    condition     text,
    points        float8,
    within        interval,
    max_count     int,
    at_least      int,
    value         text,
    half_life     interval,
    expires_after interval,
    PRIMARY KEY (model, n)
);

INSERT INTO bench.rule VALUES
    ('eight', 1, 'Pricing page', 'each', $$type = 'page_view' AND page = '/pricing'$$, 20,
        '90 days', 3, NULL, NULL, NULL, NULL),
    ('eight', 2, 'Product page', 'each', $$type = 'page_view' AND page = '/product'$$, 15,
        NULL, NULL, NULL, NULL, '14 days', NULL),
    ('eight', 3, 'Opens mails', 'count', $$type = 'email_open'$$, 5,
        '30 days', NULL, 3, NULL, NULL, NULL),
    ('eight', 4, 'Silent for 60 days', 'inactive', NULL, -20,
        '60 days', NULL, NULL, NULL, NULL, NULL),
    ('eight', 5, 'Webinar', 'each', $$type = 'webinar' AND value >= 10$$, 10,
        NULL, 2, NULL, NULL, NULL, '60 days'),
    ('eight', 6, 'Surge data', 'each', $$type = 'surge'$$, 0.125,
        NULL, NULL, NULL, 'value', NULL, NULL),
    ('eight', 7, 'Demo form', 'each', $$type = 'demo_form'$$, 40,
        NULL, 1, NULL, NULL, NULL, NULL),
    ('eight', 8, 'White paper', 'each', $$type = 'download'$$, 10,
        '180 days', 4, NULL, NULL, NULL, NULL);

-- 100 rules about single pages, mails and topics, a fifth of each kind.
INSERT INTO bench.rule
SELECT 'hundred', n, 'rule ' || n,
       CASE n % 5 WHEN 2 THEN 'count' ELSE 'each' END,
       CASE n % 5
           WHEN 0 THEN format($$type = 'page_view' AND page = '/blog/%s'$$, k)
           WHEN 1 THEN format($$type = 'page_view' AND page = '/blog/%s'$$, 20 + k)
           WHEN 2 THEN format($$type = 'page_view' AND page IN ('/blog/%s', '/blog/%s')$$, 40 + k, k)
           WHEN 3 THEN format($$type = 'email_open' AND page = 'mail %s'$$, k)
           ELSE format($$type = 'surge' AND page = 'topic %s'$$, k) END,
       CASE n % 7 WHEN 3 THEN -1 ELSE 1 END * (1 + n % 25),
       CASE n % 5 WHEN 0 THEN (30 + k) * interval '1 day' WHEN 2 THEN interval '90 days' END,
       CASE n % 5 WHEN 0 THEN 3 WHEN 3 THEN 2 END,
       CASE n % 5 WHEN 2 THEN 2 END,
       CASE n % 5 WHEN 4 THEN 'value' END,
       CASE n % 5 WHEN 1 THEN (7 + k) * interval '1 day' END,
       CASE n % 5 WHEN 3 THEN interval '60 days' END
FROM (SELECT n, n / 5 AS k FROM generate_series(0, 99) AS n) AS s;

SELECT count(lead_scoring.create_model(model, 'bench.contacts', 'id')),
       count(lead_scoring.add_event_source(model, 'bench.events', 'contact_id', 'occurred_at'))
FROM (VALUES ('eight'), ('hundred')) AS m (model);
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, within,
    max_count, at_least, value, half_life, expires_after)
SELECT model, name, kind, condition, points, within, max_count, at_least, value, half_life,
       expires_after
FROM bench.rule;

-- as_of(): the moment of all scores.
CREATE FUNCTION bench.as_of() RETURNS timestamptz
LANGUAGE sql IMMUTABLE AS $$ SELECT timestamptz '2026-01-01 00:00:00+00' $$;

-- since(interval): the moment so long before, as a constant of a query.
CREATE FUNCTION bench.since(span interval) RETURNS text
LANGUAGE sql STABLE STRICT AS $$ SELECT format('timestamptz %L', bench.as_of() - span) $$;

-- by_hand(rule): what the rule is worth, as an aggregate expression.
CREATE FUNCTION bench.by_hand(rule bench.rule) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN rule.kind = 'inactive' THEN
            format('CASE WHEN max(occurred_at) <= %s THEN %s ELSE 0 END',
                   bench.since(rule.within), points)
        WHEN rule.kind = 'count' THEN
            format('CASE WHEN count(*) FILTER (WHERE %s) >= %s THEN %s ELSE 0 END',
                   matches, rule.at_least, points)
        WHEN rule.max_count IS NOT NULL THEN
            format('%s * LEAST(%s, count(*) FILTER (WHERE %s))', points, rule.max_count, matches)
        WHEN rule.half_life IS NOT NULL THEN
            format('%s * coalesce(sum(exp(%s * date_part(''epoch'', %s - occurred_at))) FILTER (WHERE %s), 0)',
                   points, -ln(2::float8) / extract(epoch FROM rule.half_life)::float8,
                   bench.since('0'), matches)
        ELSE
            format('%s * coalesce(sum(%s) FILTER (WHERE %s), 0)', points, rule.value, matches)
        END
    FROM (SELECT format('%s::float8', rule.points) AS points,
                 rule.condition || coalesce(' AND occurred_at > '
                     || bench.since(coalesce(rule.within, rule.expires_after)), '') AS matches) AS r
$$;

COMMIT;
