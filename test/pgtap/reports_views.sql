-- Report views as objects: comments, types, segments, owners, readers, ALTER TABLE, names.

\ir reports.psql

DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['ls_report_owner', 'ls_report_bi', 'ls_report_stranger'] LOOP
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            EXECUTE format('DROP OWNED BY %I CASCADE; DROP ROLE %I', role, role);
        END IF;
        EXECUTE format('CREATE ROLE %I', role);
    END LOOP;
END
$$;

SELECT plan(47);

CREATE FUNCTION pg_temp.fails_in(role name) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    view text;
BEGIN
    FOR view IN SELECT o.name FROM lead_scoring.objects('b2b') AS o WHERE o.kind = 'v' LOOP
        BEGIN
            PERFORM set_config('role', role, true);
            EXECUTE 'SELECT FROM ' || view;
            PERFORM set_config('role', 'none', true);
        EXCEPTION WHEN OTHERS THEN
            PERFORM set_config('role', 'none', true);
            RETURN NEXT view || ': ' || SQLERRM;
        END;
    END LOOP;
END
$$;

-- ------------------------------------------------------- what a BI tool sees

SELECT set_eq($$SELECT suffix FROM lead_scoring.reports()$$,
              $$SELECT suffix FROM lead_scoring.objects('b2b') WHERE kind = 'v' AND suffix <> 'scored'$$,
              'every report is an object of the model');
SELECT is_empty(
    $$SELECT c.relname, a.attname FROM pg_class AS c
        LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
       WHERE c.relnamespace = 'crm'::regnamespace AND c.relkind = 'v' AND c.relname ~ '^b2b_'
         AND (coalesce(obj_description(c.oid, 'pg_class'), '') !~ '^\S.*\.$'
              OR coalesce(col_description(c.oid, a.attnum), '') !~ '^\S.*\.$')$$,
    'views and columns have comments, which are sentences');
SELECT is_empty(
    $$SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_class AS c
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
       WHERE c.relnamespace = 'crm'::regnamespace AND c.relkind = 'v' AND c.relname ~ '^b2b_'
         AND a.attname <> 'contact_id'
         AND a.atttypid NOT IN ('float8'::regtype, 'bigint'::regtype, 'text'::regtype, 'date'::regtype, 'timestamptz'::regtype)$$,
    'columns are of plain types');
SELECT is_empty(
    $$SELECT c.relname FROM pg_class AS c
       WHERE c.relnamespace = 'crm'::regnamespace AND c.relkind = 'v' AND c.relname ~ '^b2b_'
         AND NOT coalesce(c.reloptions @> '{security_invoker=true}', false)$$,
    'views read as whoever asks');
SELECT is_empty(
    $$SELECT c.relname FROM pg_class AS c
       WHERE c.relnamespace = 'crm'::regnamespace AND c.relkind = 'v' AND c.relname ~ '^b2b_' AND c.relname <> 'b2b_scored'
         AND NOT EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'country')$$,
    'each carries the segments');
SELECT is_empty($$SELECT * FROM pg_temp.fails_in('none')$$, 'and can be read');

-- ----------------------------------------------------------------- segments

CREATE FUNCTION pg_temp.segments_of(suffix text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(a.attname, ' ' ORDER BY a.attnum)
      FROM pg_attribute AS a, lead_scoring.reports() AS r
     WHERE a.attrelid = ('crm.b2b_' || r.suffix)::regclass AND r.suffix = segments_of.suffix
       AND a.attnum > cardinality(r.columns) / 2
$$;
SELECT is_empty($$SELECT * FROM lead_scoring.check_model('b2b') WHERE object ~ 'view'$$, 'all is as it should be');
GRANT SELECT ON crm.b2b_funnel TO ls_report_bi WITH GRANT OPTION;
GRANT SELECT ON crm.b2b_deals TO PUBLIC;
UPDATE lead_scoring.model SET segments = '{country,title,stage}' WHERE name = 'b2b';
SELECT is((SELECT count(*) FROM lead_scoring.check_model('b2b') WHERE problem = 'has not the segments of now'),
          (SELECT count(*) FROM lead_scoring.reports()), 'check_model tells of other segments than the views have');
SELECT lead_scoring.activate('b2b') IS NULL AS done \gset
SELECT is(pg_temp.segments_of('lift'), 'country title stage', 'more segments');
SELECT is(pg_temp.segments_of('funnel'), 'country title contact_stage', 'one that is called as a column of the view');
SELECT pg_temp.shows(
    $$SELECT stage, contact_stage, title, reached FROM crm.b2b_funnel
       WHERE country = 'DE' AND reached > 0 ORDER BY position, title$$,
    ARRAY['(lead,disqualified,CEO,1)', '(lead,,,1)', '(mql,disqualified,CEO,1)', '(disqualified,disqualified,CEO,1)'],
    'rows by three segments; null is one, too');
UPDATE lead_scoring.model SET segments = '{title}' WHERE name = 'b2b';
SELECT lead_scoring.activate('b2b') IS NULL AS done \gset
SELECT is(pg_temp.segments_of('funnel'), 'title', 'fewer segments');
SELECT is_empty($$SELECT * FROM lead_scoring.check_model('b2b') WHERE object ~ 'view'$$, 'all is as it should be again');
SELECT is((SELECT array_agg(privilege_type || ' ' || is_grantable ORDER BY grantee::text) FROM information_schema.role_table_grants
            WHERE table_name = 'b2b_funnel' AND grantee = 'ls_report_bi'),
          '{"SELECT YES"}', 'grants survive');
SELECT ok(has_table_privilege('ls_report_stranger', 'crm.b2b_deals', 'SELECT'), 'those to everybody, too');
REVOKE ALL ON crm.b2b_deals FROM PUBLIC;
REVOKE ALL ON crm.b2b_funnel FROM ls_report_bi;
UPDATE lead_scoring.model SET segments = '{}' WHERE name = 'b2b';
SELECT lead_scoring.activate('b2b') IS NULL AS done \gset
SELECT is_empty($$SELECT * FROM pg_temp.fails_in('none')$$, 'no segments at all');
SELECT pg_temp.shows($$SELECT detail, cases FROM crm.b2b_velocity WHERE measure = 'deal' AND to_stage = 'won' ORDER BY detail, month$$,
    ARRAY['(all,2)', '(month,1)', '(month,1)'], 'nor details of them');
SELECT pg_temp.shows($$SELECT contacts FROM crm.b2b_freshness$$, ARRAY['(6)'], 'one row for everyone');

-- --------------------------------------------------------------- ALTER TABLE

UPDATE lead_scoring.model SET segments = '{country,title}' WHERE name = 'b2b';
SELECT lead_scoring.activate('b2b') IS NULL AS done \gset
SELECT lives_ok('ALTER TABLE crm.contacts ALTER country TYPE varchar(2)', 'a segment may change its type');
SELECT lives_ok('ALTER TABLE crm.contacts DROP country', 'and go');
SELECT pg_temp.shows($$SELECT DISTINCT country FROM crm.b2b_funnel$$, ARRAY['()'], 'reports show NULL then');
SELECT isnt_empty($$SELECT FROM lead_scoring.check_model('b2b') WHERE object = 'segment "country"'$$, 'and check_model says so');
SELECT lives_ok('ALTER TABLE crm.events ALTER type TYPE varchar(20)', 'nor do milestones stand in the way');
SELECT lives_ok('ALTER TABLE crm.deals ALTER amount TYPE bigint, ALTER opened TYPE timestamp', 'nor deals');
SELECT is_empty($$SELECT * FROM pg_temp.fails_in('none')$$, 'all can be read');
ALTER TABLE crm.deals RENAME TO bargains;
SELECT isnt_empty($$SELECT FROM lead_scoring.check_model('b2b') WHERE object = 'deal source'$$, 'a table of deals that is not there');
UPDATE lead_scoring.deal_source SET relation = 'crm.bargains' WHERE model = 'b2b';
SELECT isnt_empty($$SELECT FROM lead_scoring.check_model('b2b') WHERE object = 'view crm.b2b_deals'$$, 'or is another');
UPDATE lead_scoring.model SET segments = '{title}' WHERE name = 'b2b';
SELECT lead_scoring.activate('b2b') IS NULL AS done \gset
SELECT pg_temp.shows($$SELECT object, problem FROM lead_scoring.check_model('b2b') WHERE object ~ 'deal|view'$$,
    ARRAY['(deals,"1 of 7 are of no contact")'], 'deals of nobody are told of');

-- ------------------------------------------------------------ who is in them

UPDATE lead_scoring.model SET population = 'id <> 2' WHERE name = 'b2b';
INSERT INTO crm.b2b_adjustment (contact_id, kind, valid_from) VALUES (3, 'exclude', '2025-01-01');
INSERT INTO crm.contacts (id, created_at) VALUES (7, '2025-06-01');
SELECT set_eq('SELECT DISTINCT contact_id FROM crm.b2b_stays', ARRAY[1, 4, 5, 6, 7],
              'those whom the model scores, before they are stored');
CALL lead_scoring.refresh('b2b', NULL) \g /dev/null
SELECT set_eq('SELECT DISTINCT contact_id FROM crm.b2b_stays', ARRAY[1, 4, 5, 6, 7], 'and afterwards');
SELECT set_eq('SELECT contact_id FROM crm.b2b_scored', ARRAY[1, 4, 5, 6, 7], 'as <model>_scored has them');
SET lead_scoring.as_of = '2024-12-31 00:00+00';
SELECT is_empty('SELECT FROM crm.b2b_stays', 'who came later was not there');
SET lead_scoring.as_of = '2025-07-01 00:00+00';
UPDATE lead_scoring.model SET population = NULL WHERE name = 'b2b';
DELETE FROM crm.b2b_adjustment;
DELETE FROM crm.contacts WHERE id = 7;
CALL lead_scoring.refresh('b2b', NULL) \g /dev/null

-- ------------------------------------------------------------ whose is what

-- A relation of that name that is somebody else's.
CREATE TABLE crm.other_lift (x int);
SELECT lead_scoring.create_model('other', 'crm.contacts', 'id') IS NULL AS done \gset
SELECT throws_ok($$SELECT lead_scoring.activate('other')$$, '42P07', NULL, 'a table that is called as a report');
DROP TABLE crm.other_lift;
CREATE VIEW crm.other_lift AS SELECT 1::bigint AS decile;
SELECT throws_ok($$SELECT lead_scoring.activate('other')$$, '42P07', NULL, 'nor is a view of that name replaced');
DROP VIEW crm.other_lift;

-- A reader needs SELECT on contacts, events, deals, and the model's tables and views.
GRANT USAGE ON SCHEMA crm TO ls_report_bi, ls_report_stranger;
SELECT isnt_empty($$SELECT * FROM pg_temp.fails_in('ls_report_bi')$$, 'without grants nothing can be read');
SELECT lead_scoring.reader_grants('b2b', 'ls_report_bi') \gexec
SELECT is_empty($$SELECT * FROM pg_temp.fails_in('ls_report_bi')$$, 'with those that reader_grants() names everything can');
SELECT is((SELECT count(*) FROM pg_temp.fails_in('ls_report_stranger')),
          (SELECT count(*) FROM lead_scoring.objects('b2b') WHERE kind = 'v'), 'by him alone');

-- Row-level security of the contacts holds in every report.
ALTER TABLE crm.contacts ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON crm.contacts FOR SELECT TO ls_report_bi USING (id <= 2);
SET ROLE ls_report_bi;
SELECT is((SELECT array_agg(DISTINCT contact_id ORDER BY contact_id)
             FROM (SELECT contact_id FROM crm.b2b_stays UNION ALL SELECT contact_id FROM crm.b2b_deals
                   UNION ALL SELECT contact_id FROM crm.b2b_rising UNION ALL SELECT contact_id FROM crm.b2b_errors) AS x),
          '{1,2}', 'rows of contacts that one may see');
SELECT is((SELECT jsonb_build_array(
              (SELECT max(entered) FROM crm.b2b_funnel),
              (SELECT max(contacts) FROM crm.b2b_response),
              (SELECT sum(cases) FROM crm.b2b_velocity WHERE detail = 'all' AND measure = 'in stage' AND from_stage = 'lead'),
              (SELECT sum(deals) FROM crm.b2b_pipeline),
              (SELECT sum(contacts) FROM crm.b2b_lift),
              (SELECT max(contacts) FROM crm.b2b_rule_stats),
              (SELECT sum(contacts) FROM crm.b2b_distribution WHERE score = 'fit'),
              (SELECT sum(contacts) FROM crm.b2b_freshness),
              (SELECT max(opened) FROM crm.b2b_monthly))),
          '[1, 2, 2, 2, 2, 1, 2, 2, 1]', 'and counts of them alone');
RESET ROLE;

-- -------------------------------------------------------------------- names

CREATE SCHEMA "{model} ""q""";
CREATE TABLE "{model} ""q"""."a{id}b'c" ("{id}" text COLLATE "C" PRIMARY KEY, "seg}{" text, "month" text, "s1" int, "since{" date);
INSERT INTO "{model} ""q"""."a{id}b'c" VALUES ('{open}', 'x{y}', 'May', 1, '2025-01-01'), ('a\b', NULL, NULL, 2, '2025-01-02');
CREATE TABLE "{model} ""q"""."e{stays}" ("who{" varchar, "at}" timestamp, "what is" text);
CREATE INDEX ON "{model} ""q"""."e{stays}" ("who{");
INSERT INTO "{model} ""q"""."e{stays}" VALUES ('{open}', '2025-01-03', 'it''s'), ('a\b', '2025-01-04', '{}');
CREATE TABLE "{model} ""q"""."d{deals}" ("who{" varchar, "$1" numeric, "{{" date, "}}" date, ok boolean);
INSERT INTO "{model} ""q"""."d{deals}" VALUES ('{open}', 5, '2025-01-05', '2025-01-06', true);
\set odd 'it''s {model} "x"'
SELECT lead_scoring.create_model(:'odd', '"{model} ""q"""."a{id}b''c"', '{id}', created_column => 'since{',
           segments => '{"seg}{",month,s1}') IS NULL AS done,
       lead_scoring.add_event_source(:'odd', '"{model} ""q"""."e{stays}"', 'who{', 'at}', 'src{id}''') IS NULL AS done \gset
INSERT INTO lead_scoring.milestone VALUES (:'odd', 'm{id}''"', 'src{id}''', '"what is" = ''it''''s''');
INSERT INTO lead_scoring.deal_source VALUES
    (:'odd', '"{model} ""q"""."d{deals}"', '"who{"', '"$1"', '"{{"', '"}}"', 'ok');
SELECT lives_ok(format('SELECT lead_scoring.activate(%L)', :'odd'), 'names with braces and quotes');
SELECT is_empty(format('SELECT * FROM lead_scoring.check_model(%L) WHERE severity = ''error''', :'odd'), 'check_model knows them');
SELECT pg_temp.shows($$SELECT contact_id, amount, outcome, "seg}{", month, s1 FROM "{model} ""q"""."it's {model} ""x""_deals"$$,
    ARRAY['({open},5,won,x{y},May,1)'], 'deals of them');
SELECT pg_temp.shows(
    $$SELECT milestone, contacts, reached, month, contact_month FROM "{model} ""q"""."it's {model} ""x""_response"
       WHERE start = 'created' AND detail = 'month and segments' ORDER BY s1$$,
    ARRAY['("m{id}''""",1,1,2025-01-01,May)', '("m{id}''""",1,0,2025-01-01,)'], 'and responses');
UPDATE lead_scoring.deal_source SET contact_id = '"who{" || ''''' WHERE model = :'odd';
SELECT lead_scoring.activate(:'odd') IS NULL AS done \gset
SELECT pg_temp.shows($$SELECT contact_id, amount FROM "{model} ""q"""."it's {model} ""x""_deals"$$, ARRAY['({open},5)'],
    'contacts of deals by an expression');
RESET lead_scoring.as_of;
SELECT is(lead_scoring.snapshot(:'odd'), 2::bigint, 'a snapshot');
SELECT lives_ok(format('SELECT lead_scoring.drop_model(%L)', :'odd'), 'and gone');
SELECT is((SELECT count(*) FROM pg_class WHERE relnamespace = '"{model} ""q"""'::regnamespace AND relkind = 'v')::int, 0, 'with all views');

SELECT * FROM finish();
