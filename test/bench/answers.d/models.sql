-- Two models of the contacts: `still`, whose scores change in steps only, and
-- `fading`, where the points of a visit fade all the time. Ten fit rules and eight
-- engagement rules each.

CREATE EXTENSION lead_scoring;

BEGIN;

SELECT lead_scoring.create_model(model, 'bench.contacts', 'id', created_column => 'created_at'),
       lead_scoring.add_event_source(model, 'bench.events', 'contact_id', 'occurred_at',
                                     activity => $$type <> 'sent'$$)
FROM unnest('{still,fading}'::text[]) AS m (model);

INSERT INTO lead_scoring.rule_group (model, name, dimension, max_points)
SELECT model, 'visits', 'engagement', 60 FROM unnest('{still,fading}'::text[]) AS m (model);

INSERT INTO lead_scoring.fit_rule (model, name, condition, points)
SELECT m.model, r.*
FROM unnest('{still,fading}'::text[]) AS m (model)
CROSS JOIN (VALUES
    ('Decision maker', $$title ILIKE '%CEO%' OR title ILIKE '%Founder%'$$, 15),
    ('Manager', $$title ILIKE '%manager%'$$, 5),
    ('Director', $$title ILIKE '%director%'$$, 8),
    ('Over 50 people', $$company_size > 50$$, 10),
    ('Over 1,000 people', $$company_size > 1000$$, 5),
    ('Software', $$industry ILIKE '%software%'$$, 10),
    ('Retail', $$industry ILIKE '%retail%'$$, -15),
    ('Home market', $$country IN ('DE', 'AT', 'CH')$$, 10),
    ('Private mailbox', $$email LIKE '%@gmail.com'$$, -20),
    ('No title', $$title IS NULL$$, -5)) AS r (name, condition, points);

INSERT INTO lead_scoring.engagement_rule (model, name, group_name, kind, condition, points, within, max_count)
SELECT m.model, 'Pricing page', 'visits', 'each', $$type = 'page' AND page = '/pricing'$$, 20, '30 days', 3
FROM unnest('{still,fading}'::text[]) AS m (model);
INSERT INTO lead_scoring.engagement_rule (model, name, group_name, kind, condition, points, max_count, half_life, expires_after)
VALUES ('fading', 'Product page', 'visits', 'each', $$type = 'page' AND page = '/product'$$, 10, 5, '14 days', NULL),
       ('still', 'Product page', 'visits', 'each', $$type = 'page' AND page = '/product'$$, 10, 5, NULL, '14 days');
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, at_least, within, distinct_by)
SELECT m.model, 'Opens three mails', 'count', $$type = 'opened'$$, 5, 3, '90 days', 'page'
FROM unnest('{still,fading}'::text[]) AS m (model);
INSERT INTO lead_scoring.engagement_rule (model, name, kind, points, within)
SELECT m.model, 'Silent for 60 days', 'inactive', -20, '60 days'
FROM unnest('{still,fading}'::text[]) AS m (model);
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, within)
SELECT m.model, 'Opens nothing', 'inactive', $$type = 'opened'$$, -15, '60 days'
FROM unnest('{still,fading}'::text[]) AS m (model);
INSERT INTO lead_scoring.engagement_rule (model, name, dimension, kind, steps, step_order, within, expires_after, points)
SELECT m.model, 'Compares prices', 'intent', 'sequence',
       ARRAY[$$type = 'page' AND page = '/pricing'$$, $$type = 'page' AND page = '/compare'$$],
       'any', '7 days', '30 days', 25
FROM unnest('{still,fading}'::text[]) AS m (model);
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, hit, distinct_by, at_least, points)
SELECT m.model, 'Opens every mail', 'streak', $$type = 'sent'$$, $$type = 'opened'$$, 'page', 3, 15
FROM unnest('{still,fading}'::text[]) AS m (model);
INSERT INTO lead_scoring.engagement_rule (model, name, dimension, kind, condition, within, max_count, points)
SELECT m.model, 'Demo form', 'intent', 'each', $$type = 'form' AND page = 'demo'$$, '90 days', 1, 30
FROM unnest('{still,fading}'::text[]) AS m (model);

COMMIT;

SELECT lead_scoring.activate(model) FROM unnest('{still,fading}'::text[]) AS m (model);
VACUUM (FREEZE, ANALYZE) bench.still_score, bench.fading_score;
