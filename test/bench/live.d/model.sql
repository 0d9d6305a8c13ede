-- A model of five rules about the contact, and eight about what it did.

BEGIN;
CREATE EXTENSION lead_scoring;
SELECT lead_scoring.create_model('live', 'bench.contacts', 'id', created_column => 'created_at');
SELECT lead_scoring.add_event_source('live', 'bench.events', 'contact_id', 'occurred_at');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES
    ('live', 'Decides', $$title IN ('CEO', 'Head of Sales')$$, 20),
    ('live', 'Intern', $$title ILIKE '%intern%'$$, -15),
    ('live', 'Large', 'size > 250', 15),
    ('live', 'Small', 'size < 10', -5),
    ('live', 'Home market', $$country IN ('DE', 'FR')$$, 10);
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, within,
    max_count, at_least, value, half_life, expires_after) VALUES
    ('live', 'Pricing page', 'each', $$type = 'page_view' AND page = '/pricing'$$, 20,
        '90 days', 3, NULL, NULL, NULL, NULL),
    ('live', 'Product page', 'each', $$type = 'page_view' AND page = '/product'$$, 15,
        NULL, NULL, NULL, NULL, '14 days', NULL),
    ('live', 'Opens mails', 'count', $$type = 'email_open'$$, 5,
        '30 days', NULL, 3, NULL, NULL, NULL),
    ('live', 'Silent for 60 days', 'inactive', NULL, -20,
        '60 days', NULL, NULL, NULL, NULL, NULL),
    ('live', 'Webinar', 'each', $$type = 'webinar' AND value >= 10$$, 10,
        NULL, 2, NULL, NULL, NULL, '60 days'),
    ('live', 'Surge data', 'each', $$type = 'surge'$$, 0.125,
        NULL, NULL, NULL, 'value', NULL, NULL),
    ('live', 'Demo form', 'each', $$type = 'demo_form'$$, 40,
        NULL, 1, NULL, NULL, NULL, NULL),
    ('live', 'White paper', 'each', $$type = 'download'$$, 10,
        '180 days', 4, NULL, NULL, NULL, NULL);
COMMIT;

SELECT lead_scoring.activate('live');
VACUUM ANALYZE bench.live_score, bench.live_queue;
