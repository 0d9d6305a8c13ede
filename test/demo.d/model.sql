-- The model b2b: who is a good customer for a maker of marketing software in
-- Central Europe? Points are rows; groups cap what belongs together.

BEGIN;

CREATE EXTENSION lead_scoring;

SELECT lead_scoring.create_model('b2b', contacts => 'crm.contacts', contact_id => 'id');

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

-- Scores everyone, and keeps the scores right from here on.
SELECT lead_scoring.activate('b2b');

COMMIT;
