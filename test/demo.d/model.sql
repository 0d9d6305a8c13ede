-- The model b2b: who is a good customer for a maker of marketing software in
-- Central Europe, and who wants to buy now? Points are rows; groups cap what
-- belongs together.

BEGIN;

CREATE EXTENSION lead_scoring;

SELECT lead_scoring.create_model('b2b', contacts => 'crm.contacts', contact_id => 'id',
    created_column => 'created_at');

INSERT INTO lead_scoring.rule_group (model, name, dimension, max_points) VALUES
    ('b2b', 'role',    'fit', 30),
    ('b2b', 'company', 'fit', 40);

INSERT INTO lead_scoring.fit_rule (model, name, group_name, condition, points) VALUES
    -- who they are
    ('b2b', 'Decides', 'role',
        $$title ILIKE ANY ('{%CEO%,%chief%,%founder%,CMO%,%geschäftsführer%}')$$, 25),
    ('b2b', 'Leads a team', 'role',
        $$title ILIKE 'head of%' OR title ILIKE 'vp %' OR title ILIKE 'vice president%'
          OR title ILIKE '%director%'$$, 18),
    ('b2b', 'Marketing or sales', 'role',
        $$department IN ('Marketing', 'Sales')$$, 12),
    ('b2b', 'Assistant, student, intern', NULL,
        $$title ~* '\y(assistant|student|intern)\y'$$, -30),

    -- where they work
    ('b2b', '50 to 1,000 people', 'company',
        $$company_size BETWEEN 50 AND 1000$$, 20),
    ('b2b', 'Target industry', 'company',
        $$industry IN ('Software', 'IT services', 'E-commerce')$$, 15),
    ('b2b', 'Over 10 million a year', 'company',
        $$annual_revenue > 10000000$$, 10),
    ('b2b', 'Home market', NULL,
        $$country IN ('DE', 'AT', 'CH')$$, 10),

    -- what we know of them
    ('b2b', 'Replaceable CRM', NULL,
        $$props->>'crm' IN ('Pipedrive', 'Excel')$$, 8),
    ('b2b', 'Asked for prices', NULL,
        $$'pricing' = ANY (tags)$$, 10),
    ('b2b', 'Referral or webinar', NULL,
        $$source IN ('Referral', 'Webinar')$$, 7),
    ('b2b', 'Reachable', NULL,
        $$phone IS NOT NULL AND opted_in$$, 5),
    ('b2b', 'Private mailbox', NULL,
        $$email ILIKE '%@gmail.com' OR email ILIKE '%@yahoo.com'
          OR email ILIKE '%@hotmail.com'$$, -20),
    ('b2b', 'Must not be called', NULL,
        $$'do not call' = ANY (tags)$$, -50);

-- What they did. Bots do not count; what we send them is not their own activity.
SELECT lead_scoring.add_event_source('b2b', 'crm.events',
    contact_id => 'contact_id', occurred_at => 'occurred_at',
    condition => $$coalesce(user_agent, '') !~* 'bot'$$,
    activity => $$type NOT IN ('newsletter_sent', 'mail_bounced', 'surge')$$);

INSERT INTO lead_scoring.rule_group (model, name, dimension, min_points, max_points) VALUES
    ('b2b', 'visits',  'engagement', NULL, 50),
    ('b2b', 'content', 'engagement', NULL, 40),
    ('b2b', 'signals', 'intent',     -20,  60);

-- Each time: so many points, for so many of the latest times, fading or not.
INSERT INTO lead_scoring.engagement_rule (model, name, group_name, dimension, kind,
    condition, points, within, max_count) VALUES
    ('b2b', 'Pricing page', 'visits', 'engagement', 'each',
        $$type = 'page_view' AND props->>'page' = '/pricing'$$, 20, '90 days', 3);
INSERT INTO lead_scoring.engagement_rule (model, name, group_name, kind, condition, points,
    half_life, max_count) VALUES
    ('b2b', 'Product page', 'visits', 'each',
        $$type = 'page_view' AND props->>'page' = '/product'$$, 15, '14 days', 10);
INSERT INTO lead_scoring.engagement_rule (model, name, group_name, kind, condition, points,
    distinct_by, linear_over, max_count) VALUES
    ('b2b', 'White paper', 'content', 'each',
        $$type = 'download'$$, 10, $$props->>'asset'$$, '180 days', 4);
INSERT INTO lead_scoring.engagement_rule (model, name, group_name, kind, condition, points,
    value, expires_after, max_count) VALUES
    ('b2b', 'Minutes in a webinar', 'content', 'each',
        $$type = 'webinar'$$, 0.5, $$(props->>'minutes')::float8$$, '60 days', 2);
INSERT INTO lead_scoring.engagement_rule (model, name, dimension, group_name, kind, condition,
    points, value, decay_percent, decay_every, max_count) VALUES
    ('b2b', 'Reads about the subject', 'intent', 'signals', 'each',
        $$type = 'surge'$$, 0.25, $$(props->>'score')::float8$$, 50, '7 days', 1);
INSERT INTO lead_scoring.engagement_rule (model, name, dimension, group_name, kind, condition,
    points, "unless", half_life, max_count) VALUES
    ('b2b', 'Demo form', 'intent', 'signals', 'each',
        $$type = 'demo_form'$$, 40, $$type = 'order'$$, '30 days', 1);
INSERT INTO lead_scoring.engagement_rule (model, name, dimension, group_name, kind, condition,
    points, "unless", "after", within, max_count) VALUES
    ('b2b', 'Trial of a week, no order', 'intent', 'signals', 'each',
        $$type = 'trial'$$, -10, $$type = 'order'$$, '7 days', '90 days', 1);
INSERT INTO lead_scoring.engagement_rule (model, name, dimension, group_name, kind, condition,
    points, within, max_count, requires) VALUES
    ('b2b', 'Compares after the demo', 'intent', 'signals', 'each',
        $$type = 'page_view' AND props->>'page' = '/compare'$$, 10, '30 days', 2, 'Demo form');
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, max_count,
    counts_from, counts_until) VALUES
    ('b2b', 'Autumn campaign', 'each', $$type = 'page_view'$$, 1, 10, '2025-10-01 00:00+00', '2025-11-15 00:00+00');

-- How often: three different newsletters in three months; no page since half a year.
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, within, at_least,
    at_most, distinct_by) VALUES
    ('b2b', 'Opens newsletters', 'count', $$type = 'newsletter_opened'$$, 5, '92 days', 3, NULL, $$props->>'mail'$$),
    ('b2b', 'No visit for half a year', 'count', $$type = 'page_view'$$, -10, '182 days', NULL, 0, NULL);

-- Silence, a sequence, a streak.
INSERT INTO lead_scoring.engagement_rule (model, name, kind, points, within, repeat_every, max_count) VALUES
    ('b2b', 'Silent for 60 days', 'inactive', -20, '60 days', '30 days', 3);
INSERT INTO lead_scoring.engagement_rule (model, name, dimension, kind, points, steps, step_order,
    within, expires_after) VALUES
    ('b2b', 'Pricing and comparison', 'intent', 'sequence', 25, ARRAY[
        $$type = 'page_view' AND props->>'page' = '/pricing'$$,
        $$type = 'page_view' AND props->>'page' = '/compare'$$], 'any', '7 days', '30 days');
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, hit, distinct_by, at_least,
    points) VALUES
    ('b2b', 'Three newsletters in a row', 'streak', $$type = 'newsletter_sent'$$,
        $$type = 'newsletter_opened'$$, $$props->>'mail'$$, 3, 15);

-- Who asked for a demo goes straight to sales; sales is told of the very hot ones.
INSERT INTO lead_scoring.milestone (model, name, source, condition) VALUES
    ('b2b', 'demo', 'events', $$type = 'demo_form'$$);
INSERT INTO lead_scoring.transition (model, from_stage, to_stage, condition) VALUES
    ('b2b', 'lead', 'sql', $$'demo' = ANY (milestones)$$);
INSERT INTO lead_scoring.action (model, name, condition, channel, payload) VALUES
    ('b2b', 'alert sales', $$band = 'very hot'$$, 'hot_leads', '{"queue": "inside sales"}'),
    ('b2b', 'long term', $$total < 20 AND stage_age > interval '90 days'$$, NULL, NULL);

-- Where deals are, for the reports.
INSERT INTO lead_scoring.deal_source (model, relation, contact_id, amount, created_at, closed_at, won) VALUES
    ('b2b', 'crm.deals', 'contact_id', 'amount', 'opened_at', 'closed_at',
        $$CASE state WHEN 'won' THEN true WHEN 'lost' THEN false END$$);

-- Scores everyone, and keeps the scores right from here on.
SELECT lead_scoring.activate('b2b');

COMMIT;
