-- The grids of practice: contacts whose scores were worked out by hand from the
-- grid, read from the states and from the model as plain SQL; what a template
-- finds by itself, what it says it could not find, and what it leaves alone.
--
-- The moment is 2026-03-01 00:00 UTC unless said otherwise.

\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET jit = off;
\pset format unaligned
\pset tuples_only on

SELECT plan(46);

CREATE SCHEMA crm;
CREATE TABLE crm.contacts (
    id int PRIMARY KEY, "Job Title" text, employees int, sector text, email text,
    lead_source text, created_at timestamptz);
CREATE TABLE crm.events (
    contact_id int, occurred_at timestamptz, event_type text, url text, mail_id text, asset text);
CREATE INDEX ON crm.events (contact_id);

-- start(model): no contact, no event, and a model of them.
CREATE PROCEDURE pg_temp.start(model text) LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE crm.contacts, crm.events;
    PERFORM lead_scoring.create_model(model, 'crm.contacts', 'id', created_column => 'created_at');
    PERFORM lead_scoring.add_event_source(model, 'crm.events', 'contact_id', 'occurred_at', activity => $a$event_type <> 'sent'$a$);
END
$$;
CREATE FUNCTION pg_temp.scores(model text, t timestamptz DEFAULT '2026-03-01 00:00+00')
RETURNS TABLE (id int, fit float8, engagement float8, intent float8, total float8, band text)
LANGUAGE sql AS $$
    SELECT s.id, s.fit, s.engagement, s.intent, lead_scoring.total_score(s.fit, s.engagement, s.intent, model),
           lead_scoring.band(lead_scoring.total_score(s.fit, s.engagement, s.intent, model), model)
      FROM (SELECT c.id, lead_scoring.fit_score(c, model, t) AS fit,
                   lead_scoring.engagement_score(e.state, t, c.created_at) AS engagement,
                   lead_scoring.intent_score(e.state, t, c.created_at) AS intent
              FROM crm.contacts AS c
             CROSS JOIN LATERAL (SELECT coalesce(lead_scoring.engagement_agg(e, model, 'events', t),
                                                 lead_scoring.engagement_empty(model)) AS state
                                   FROM crm.events AS e WHERE e.contact_id = c.id) AS e) AS s
     ORDER BY s.id
$$;
CREATE FUNCTION pg_temp.plain(model text, t timestamptz DEFAULT '2026-03-01 00:00+00')
RETURNS TABLE (id int, fit float8, engagement float8, intent float8, total float8)
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE 'SELECT contact_id, fit, engagement, intent, total FROM ('
        || lead_scoring.to_sql(model) || ') AS s ORDER BY 1' USING t;
END
$$;

-- Every role that a template names is known, and used by some template or role.
SELECT set_eq(
    $$WITH RECURSIVE used AS (
        SELECT m[1] AS role FROM lead_scoring.templates(), regexp_matches(contents::text, '\{([a-z_]+)\??\}', 'g') AS m
        UNION
        SELECT m[1] FROM used JOIN lead_scoring.template_roles() AS r USING (role),
               regexp_matches(r.fallback #>> '{}', '\{([a-z_]+)\??\}', 'g') AS m
         WHERE r.kind = 'condition')
      SELECT role FROM used$$,
    $$SELECT role FROM lead_scoring.template_roles()$$, 'roles are those that templates name');

-- ------------------------------------------------------------------- hubspot

CALL pg_temp.start('hub');
CREATE TEMP TABLE report AS
    SELECT * FROM lead_scoring.apply_template('hub', 'hubspot', '{"off_target_sector": ["Retail", "Public%"]}');
SELECT is_empty('SELECT * FROM report WHERE NOT applied', 'hubspot: everything was found');
SELECT is_empty($$SELECT * FROM report WHERE why <> 'is there already'$$, 'and nothing was left out');
SELECT results_eq('SELECT kind, count(*) FROM report GROUP BY kind ORDER BY kind',
    $$VALUES ('action', 5::bigint), ('engagement_rule', 10), ('fit_rule', 4), ('threshold', 4)$$, 'the whole grid');
SELECT is(condition, $$"Job Title" ILIKE '%CEO%'$$, 'a column of another spelling was found')
  FROM lead_scoring.fit_rule WHERE model = 'hub' AND name = 'CEO';

INSERT INTO crm.contacts VALUES
    (1, 'CEO & founder',        60,   'IT',            NULL, NULL, '2026-01-10'),  -- 15 + 10 + 10
    (2, 'Assistant to the CEO', 50,   'saas',          NULL, NULL, '2025-10-01'),  -- 15, 10; silent since it is known: -20
    (3, 'Buyer',                51,   'Public sector', NULL, NULL, '2025-10-01'),  -- 10, -15
    (4, NULL,                   NULL, NULL,            NULL, NULL, '2026-02-20'),
    (5, 'Chief',                1000, 'Retailer',      NULL, NULL, '2026-02-20');  -- 10
INSERT INTO crm.events (contact_id, event_type, url, mail_id, occurred_at) VALUES
    (1, 'page_view', 'https://x.example/pricing?a=1', NULL, '2026-02-20 10:00+00'),  -- intent 20
    (1, 'page_view', '/pricing',    NULL, '2026-02-21 10:00+00'),                    -- counts once
    (1, 'page_view', '/compare/us', NULL, '2026-02-24 10:00+00'),                    -- intent 25, with the price
    (1, 'download',  NULL,          NULL, '2026-02-01 10:00+00'),                    -- 10
    (1, 'webinar',   NULL,          NULL, '2026-02-03 10:00+00'),                    -- 25
    (1, 'demo',      NULL,          NULL, '2026-02-24 11:00+00'),                    -- intent 30
    (1, 'page_view', '/products/1', NULL, '2026-02-10 10:00+00'),                    -- 15; there was activity since
    (1, 'opened',    NULL,          'm1', '2026-02-05 10:00+00'),
    (1, 'opened',    NULL,          'm2', '2026-02-10 12:00+00'),
    (1, 'opened',    NULL,          'm3', '2026-02-25 12:00+00'),                    -- the third mail: 5
    (3, 'opened',    NULL,          'm1', '2025-12-20 10:00+00'),                    -- mail unread for 71 days: -15
    (3, 'page_view', '/products/1', NULL, '2026-02-10 10:00+00'),                    -- 15, then 19 days of nothing: -10
    (4, 'page_view', '/pricing',    NULL, '2026-02-10 00:00+00'),
    (4, 'page_view', '/compare/us', NULL, '2026-02-17 00:00+00'),                    -- 7 days apart: 20 + 25
    (4, 'opened',    NULL,          'm1', '2026-02-17 10:00+00'),
    (4, 'opened',    NULL,          'm1', '2026-02-17 11:00+00'),
    (4, 'opened',    NULL,          'm2', '2026-02-17 12:00+00'),                    -- two mails only
    (5, 'page_view', '/pricing',    NULL, '2026-02-10 00:00+00'),
    (5, 'page_view', '/compare/us', NULL, '2026-02-17 00:00:01+00');                 -- a second more: 20
SELECT results_eq($$SELECT * FROM pg_temp.scores('hub')$$, $$VALUES
    (1, 35::float8, 55::float8, 75::float8, 165::float8, 'very hot'),
    (2, 25, -20,  0,   5, 'cold'),
    (3, -5, -10,  0, -15, 'cold'),
    (4,  0,   0, 45,  45, 'warm'),
    (5, 10,   0, 20,  30, 'warm')$$, 'hubspot: scores');
SELECT results_eq($$SELECT id, fit, engagement, intent, total FROM pg_temp.scores('hub')$$,
                  $$SELECT * FROM pg_temp.plain('hub')$$, 'hubspot: as plain SQL');
-- 60 days after the last mail, to the second: 10 + 25 + 15 - 10 - 20 - 15, and the window of mails is empty.
SELECT results_eq($$SELECT engagement, total FROM pg_temp.scores('hub', '2026-04-26 12:00+00') WHERE id = 1$$,
                  'VALUES (5::float8, 115::float8)', 'hubspot: 60 days later');
SELECT results_eq($$SELECT engagement, total FROM pg_temp.scores('hub', '2026-04-26 11:59:59+00') WHERE id = 1$$,
                  'VALUES (40::float8, 150::float8)', 'hubspot: a second before');
SELECT results_eq($$SELECT name COLLATE "default", condition FROM lead_scoring.action WHERE model = 'hub' ORDER BY name$$, $$VALUES
    ('immediate alert', 'score.band = ''very hot'''), ('long term', 'score.band = ''cold'''),
    ('pause', 'score.total < 30 AND score.stage_age > interval ''90 days'''),
    ('priority sequence', 'score.band = ''hot'''), ('standard nurturing', 'score.band = ''warm''')$$, 'hubspot: actions');
SELECT results_eq($$SELECT label COLLATE "default", min_score FROM lead_scoring.threshold WHERE model = 'hub' AND score = 'total' ORDER BY 2 DESC NULLS LAST$$,
    $$VALUES ('very hot', 80::float8), ('hot', 50), ('warm', 20), ('cold', NULL)$$, 'hubspot: bands');

-- --------------------------------------------------------------------- guide

CALL pg_temp.start('guide');
CREATE TEMP TABLE guided AS SELECT * FROM lead_scoring.apply_template('guide', 'guide', '{"off_target_sector": "Public"}');
SELECT is_empty('SELECT * FROM guided WHERE NOT applied', 'guide: everything was found');
INSERT INTO crm.contacts VALUES
    (1, 'Head of Sales', 51,  'public', 'a@gmail.com',   NULL, '2026-01-10'),  -- 10 + 5 - 10 - 20
    (2, NULL,            10,  NULL,     'b@acme.example', NULL, '2026-01-30'),  -- silent for 30 days to the second
    (3, 'Clerk',         NULL, 'IT',    'c@acme.example', NULL, '2026-01-10'),
    (4, 'CEO',           200, 'IT',     'd@acme.example', NULL, '2026-01-10');  -- 10 + 5
INSERT INTO crm.events (contact_id, event_type, url, mail_id, asset, occurred_at) VALUES
    (1, 'download',  NULL, NULL, 'w1', '2026-02-20'),            -- 25
    (1, 'download',  NULL, NULL, 'w1', '2026-02-21'),            -- the same paper
    (1, 'page_view', '/products/1', NULL, NULL, '2026-02-21'),   -- intent 20
    (1, 'sent',   NULL, 'n1', NULL, '2026-02-02'), (1, 'opened', NULL, 'n1', NULL, '2026-02-03'),
    (1, 'sent',   NULL, 'n2', NULL, '2026-02-09'), (1, 'opened', NULL, 'n2', NULL, '2026-02-10'),
    (1, 'sent',   NULL, 'n3', NULL, '2026-02-16'), (1, 'opened', NULL, 'n3', NULL, '2026-02-17'),  -- 15
    (2, 'sent',   NULL, 'n3', NULL, '2026-02-16'),               -- to be written to is no activity: -30
    (3, 'download', NULL, NULL, 'w2', '2026-02-20'),             -- 25
    (3, 'sent',   NULL, 'n1', NULL, '2026-02-02'), (3, 'opened', NULL, 'n1', NULL, '2026-02-03'),
    (3, 'sent',   NULL, 'n2', NULL, '2026-02-09'),               -- one missed: 0
    (3, 'sent',   NULL, 'n3', NULL, '2026-02-16'), (3, 'opened', NULL, 'n3', NULL, '2026-02-17'),
    (4, 'download', NULL, NULL, 'w1', '2026-02-20'), (4, 'download', NULL, NULL, 'w2', '2026-02-21'),  -- 50
    (4, 'page_view', '/pricing', NULL, NULL, '2026-02-22');      -- intent 20
SELECT results_eq($$SELECT * FROM pg_temp.scores('guide')$$, $$VALUES
    (1, -15::float8, 40::float8, 20::float8, 45::float8, 'warm'),
    (2,   0, -30,  0, -30, 'cold'),
    (3,   0,  25,  0,  25, 'warm'),
    (4,  15,  50, 20,  85, 'very hot')$$, 'guide: scores');
SELECT results_eq($$SELECT id, fit, engagement, intent, total FROM pg_temp.scores('guide')$$,
                  $$SELECT * FROM pg_temp.plain('guide')$$, 'guide: as plain SQL');
SELECT results_eq($$SELECT from_stage COLLATE "default", to_stage COLLATE "default", condition FROM lead_scoring.transition WHERE model = 'guide'$$,
    $$VALUES ('lead', 'mql', 'score.total >= 80')$$, 'guide: qualified at 80, and no further by itself');
SELECT results_eq($$SELECT rule, applied, why FROM guided WHERE kind = 'transition' ORDER BY rule$$, $$VALUES
    ('lead to mql', true, 'replaces the row that was there'),
    ('mql to sql', true, 'was made with the model and is not in the template: removed')$$, 'guide: says so');

-- ---------------------------------------------------------------------- saas

CALL pg_temp.start('saas');
SELECT is_empty($$SELECT * FROM lead_scoring.apply_template('saas', 'saas') WHERE NOT applied$$, 'saas: everything was found');
INSERT INTO crm.contacts VALUES
    (1, NULL, 200, NULL, NULL, 'Referral', '2026-01-10'),           -- 15 + 15
    (2, NULL, 30,  NULL, NULL, 'ads',      '2026-02-20'),           -- 5
    (3, NULL, 500, NULL, NULL, 'partner',  '2026-02-15 00:00+00'),  -- 15 + 15; 14 days without use: -20
    (4, NULL, 501, NULL, NULL, 'referral', '2026-02-15 00:00:01+00'); -- 20 + 15; a second less
INSERT INTO crm.events (contact_id, event_type, url, occurred_at) VALUES
    (1, 'page_view', '/pricing', '2026-02-20'),    -- intent 15
    (1, 'page_view', '/docs/api', '2026-02-20'),   -- 10
    (1, 'signup', NULL, '2026-02-20'),             -- intent 20
    (1, 'login', NULL, '2026-02-22 00:00:01'), (1, 'login', NULL, '2026-02-23'), (1, 'login', NULL, '2026-02-24'),
    (1, 'login', NULL, '2026-02-25'), (1, 'session', NULL, '2026-02-28'),  -- five in seven days: 25
    (2, 'signup', NULL, '2026-02-25'),             -- intent 20
    (2, 'login', NULL, '2026-02-22 00:00'), (2, 'login', NULL, '2026-02-23'), (2, 'login', NULL, '2026-02-24'),
    (2, 'login', NULL, '2026-02-25'), (2, 'login', NULL, '2026-02-26'),    -- one is seven days old: 0
    (3, 'page_view', '/pricing', '2026-02-20'), (3, 'page_view', '/integrations', '2026-02-20'),
    (4, 'page_view', '/plans', '2026-02-20');
SELECT results_eq($$SELECT * FROM pg_temp.scores('saas')$$, $$VALUES
    (1, 30::float8, 35::float8, 35::float8, 100::float8, 'hot'),
    (2,  5,   0, 20, 25, 'cold'),
    (3, 30, -10, 15, 35, 'cold'),
    (4, 35,   0, 15, 50, 'warm')$$, 'saas: scores');
SELECT results_eq($$SELECT id, fit, engagement, intent, total FROM pg_temp.scores('saas')$$,
                  $$SELECT * FROM pg_temp.plain('saas')$$, 'saas: as plain SQL');
SELECT results_eq($$SELECT name COLLATE "default", condition FROM lead_scoring.action WHERE model = 'saas' ORDER BY name$$, $$VALUES
    ('education', 'score.band = ''cold'''), ('to a sales rep', 'score.band = ''hot'''), ('use cases', 'score.band = ''warm''')$$,
    'saas: actions');
SELECT results_eq($$SELECT label COLLATE "default", min_score FROM lead_scoring.threshold WHERE model = 'saas' AND score = 'total' ORDER BY 2 DESC NULLS LAST$$,
    $$VALUES ('hot', 70::float8), ('warm', 40), ('cold', NULL)$$, 'saas: three bands');
SELECT is(count(*), 6::bigint, 'saas: grades stay') FROM lead_scoring.threshold WHERE model = 'saas' AND score <> 'total';

-- ----------------------------------------------------------------- ecommerce

CALL pg_temp.start('shop');
SELECT is_empty($$SELECT * FROM lead_scoring.apply_template('shop', 'ecommerce') WHERE NOT applied$$, 'ecommerce: everything was found');
INSERT INTO crm.contacts (id, created_at) SELECT id, '2026-01-20' FROM generate_series(1, 6) AS id;
INSERT INTO crm.events (contact_id, event_type, url, occurred_at) VALUES
    (1, 'add_to_cart', NULL, '2026-02-28 22:00'),  -- 30
    (1, 'page_view', '/shipping', '2026-02-28'),   -- 20
    (1, 'page_view', '/product/1', '2026-02-26'), (1, 'page_view', '/product/1', '2026-02-27'),
    (1, 'page_view', '/product/2', '2026-02-28'),  -- 15
    (2, 'basket', NULL, '2026-02-28 23:00'),       -- an hour old: 30
    (3, 'basket', NULL, '2026-02-28 23:00:01'),    -- not yet
    (4, 'basket', NULL, '2026-02-20'), (4, 'order', NULL, '2026-02-21'),  -- bought
    (5, 'basket', NULL, '2026-02-20'), (5, 'order', NULL, '2026-02-21'), (5, 'basket', NULL, '2026-02-25'),  -- and again: 30
    (6, 'page_view', '/product/1', '2026-01-15 00:00'), (6, 'page_view', '/product/1', '2026-01-14'); -- two visits, 45 days: -15
SELECT results_eq($$SELECT * FROM pg_temp.scores('shop')$$, $$VALUES
    (1, 0::float8, 15::float8, 50::float8, 65::float8, 'hot'),
    (2, 0,   0, 30,  30, 'warm'),
    (3, 0,   0,  0,   0, 'cold'),
    (4, 0,   0,  0,   0, 'cold'),
    (5, 0,   0, 30,  30, 'warm'),
    (6, 0, -15,  0, -15, 'cold')$$, 'ecommerce: scores');
SELECT results_eq($$SELECT id, fit, engagement, intent, total FROM pg_temp.scores('shop')$$,
                  $$SELECT * FROM pg_temp.plain('shop')$$, 'ecommerce: as plain SQL');
SELECT is(condition, 'score.band = ''hot''', 'ecommerce: the action') FROM lead_scoring.action WHERE model = 'shop';

-- ----------------------------------------------------- again, and other content

SELECT is_empty($$SELECT * FROM lead_scoring.apply_template('hub', 'hubspot', '{"off_target_sector": ["Retail", "Public%"]}')
                   WHERE NOT applied OR why <> 'is there already'$$, 'a second time changes nothing');
UPDATE lead_scoring.fit_rule SET points = 99 WHERE model = 'hub' AND name = 'CEO';
UPDATE lead_scoring.threshold SET min_score = 99 WHERE model = 'hub' AND label = 'very hot';
SELECT results_eq($$SELECT kind, rule, why FROM lead_scoring.apply_template('hub', 'hubspot') WHERE NOT applied$$, $$VALUES
    ('fit_rule', 'CEO', 'another one of this name is there: rename it, or call with replace => true'),
    ('fit_rule', 'Off-target sector', 'role off_target_sector: it is not known which values mean it'),
    ('threshold', 'very hot', 'another one of this name is there: rename it, or call with replace => true')$$,
    'rows that were edited stay');
SELECT is(points, 99::float8, 'as they were') FROM lead_scoring.fit_rule WHERE model = 'hub' AND name = 'CEO';
SELECT results_eq($$SELECT kind, rule, why FROM lead_scoring.apply_template('hub', 'hubspot', '{"ceo": ["%CEO%", "%PDG%"]}', true)
                     WHERE applied AND why IS DISTINCT FROM 'is there already'$$, $$VALUES
    ('fit_rule', 'CEO', 'replaces the row that was there'),
    ('threshold', 'very hot', 'replaces the row that was there')$$, 'unless they may be replaced');
SELECT is(condition, $$"Job Title" ILIKE ANY (ARRAY['%CEO%', '%PDG%'])$$, 'with the values that were mapped')
  FROM lead_scoring.fit_rule WHERE model = 'hub' AND name = 'CEO';
SELECT is(count(*), 4::bigint, 'a rule that it cannot fill in stays, too') FROM lead_scoring.fit_rule WHERE model = 'hub';

-- ------------------------------------------------------------ what is not there

CREATE TYPE crm.happening AS ENUM ('page', 'order', 'open', 'mail_sent');
CREATE TABLE crm.people (id int PRIMARY KEY, title text, size text, mail text);
CREATE TABLE crm.logs (person int, at timestamptz, type crm.happening, props jsonb);
CREATE TABLE crm.calls (person int, at timestamptz, kind text);
SELECT lead_scoring.create_model('poor', 'crm.people', 'id') \g /dev/null
SELECT results_eq($$SELECT rule, applied, why FROM lead_scoring.apply_template('poor', 'guide') WHERE kind LIKE '%rule'$$, $$VALUES
    ('Over 50 employees', false, 'role company_size: column size of crm.people is of type text'),
    ('Manager or decision maker', true, NULL),
    ('Non-priority sector', false, 'role industry: crm.people has no column industry, sector, branch'),
    ('Private mail address', true, NULL),
    ('Strategic white paper', false, 'role strategic_white_paper: the model has no event source'),
    ('Pricing or product page', false, 'role pricing_page: the model has no event source'),
    ('Three newsletters in a row', false, 'role newsletter_sent: the model has no event source'),
    ('Silent for 30 days', false, 'model "poor" has no event source')$$, 'without events, and with other columns');
SELECT lead_scoring.add_event_source('poor', 'crm.logs', 'person', 'at', name => 'logs') \g /dev/null
SELECT results_eq($$SELECT rule, applied, why FROM lead_scoring.apply_template('poor', 'guide', '{"company_size": "length(size)"}') WHERE kind LIKE '%rule'$$, $$VALUES
    ('Over 50 employees', true, NULL),
    ('Manager or decision maker', true, 'is there already'),
    ('Non-priority sector', false, 'role industry: crm.people has no column industry, sector, branch'),
    ('Private mail address', true, 'is there already'),
    ('Strategic white paper', false, 'role download: it is not known which values mean it'),
    ('Pricing or product page', true, NULL),
    ('Three newsletters in a row', false, 'role mail: crm.logs has no column mail, mail_id, email_id, message_id, newsletter, newsletter_id, campaign, campaign_id'),
    ('Silent for 30 days', true, NULL)$$, 'with events of an enum, and an expression');
SELECT is(condition, $$(type = 'page' AND (props->>'page') ILIKE ANY (ARRAY['%/pricing%', '%/prices%', '%/plans%'])) OR (type = 'page' AND (props->>'page') ILIKE '%/product%')$$,
          'only labels that the enum has, and the page out of a document')
  FROM lead_scoring.engagement_rule WHERE model = 'poor' AND name = 'Pricing or product page';
SELECT results_eq($$SELECT rule, why FROM lead_scoring.apply_template('poor', 'guide', '{"industry": "titel", "off_target_sector": "x", "mail": "props ->> ''mail''", "strategic_white_paper": "type = ''order''", "product_page": null}')
                     WHERE NOT applied ORDER BY rule COLLATE "C"$$, $$VALUES
    ('Non-priority sector', 'column "titel" does not exist'),
    ('Over 50 employees', 'role company_size: column size of crm.people is of type text'),
    ('Pricing or product page', 'role product_page: the mapping leaves it out')$$, 'what is mapped wrongly or left out');
SELECT is(distinct_by, $$(props ->> 'mail')$$, 'an expression as a column') FROM lead_scoring.engagement_rule WHERE model = 'poor' AND name = 'Three newsletters in a row';

-- Several sources: one has to be named, and the rules name it.
UPDATE lead_scoring.engagement_rule SET source = 'logs' WHERE model = 'poor' AND kind <> 'inactive';
SELECT lead_scoring.add_event_source('poor', 'crm.calls', 'person', 'at', name => 'calls') \g /dev/null
SELECT throws_ok($$SELECT lead_scoring.apply_template('poor', 'hubspot')$$, '42P08', 'model "poor" has several event sources');
SELECT throws_ok($$SELECT lead_scoring.apply_template('poor', 'hubspot', '{"event_source": "none"}')$$, '42704', NULL, 'an unknown one');
SELECT results_eq($$SELECT rule FROM lead_scoring.apply_template('poor', 'saas', '{"event_source": "calls", "used": ["called", "it''s"]}') WHERE applied AND kind = 'engagement_rule'$$,
    $$VALUES ('Signed up'), ('Uses the product'), ('Does not use the product')$$, 'of a source by its name');
SELECT results_eq($$SELECT source COLLATE "default", condition FROM lead_scoring.engagement_rule WHERE model = 'poor' AND name LIKE '%se%the product'$$,
    $$VALUES ('calls', 'kind IN (''called'', ''it''''s'')'), ('calls', 'kind IN (''called'', ''it''''s'')')$$, 'which its rules say');
SELECT is(source, NULL, 'but silence is about all') FROM lead_scoring.engagement_rule WHERE model = 'poor' AND name = 'Silent for 30 days';

-- Roles are filled in once: what looks like one in a mapping stays.
SELECT is(lead_scoring.fill_roles('a {x} {y?} {z} {"k": 1} {', '{"x": "{y}", "y": "2"}'), ROW('a {y} 2  {"k": 1} {'::text, '{z}'::text[]), 'one pass');
SELECT is(lead_scoring.fill_roles('', '{}'), ROW(''::text, NULL::text[]), 'nothing to fill in');

-- A live model: stored scores follow.
SELECT lead_scoring.activate('shop') \g /dev/null
SELECT is_empty($$SELECT * FROM lead_scoring.apply_template('shop', 'ecommerce') WHERE why <> 'is there already'$$, 'live: the same');
SELECT is_empty($$SELECT * FROM lead_scoring.verify('shop')$$, 'live: scores agree');

SELECT * FROM finish();
