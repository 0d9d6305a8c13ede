-- ALTER and DROP of what a lifecycle, lookups, milestones and reports look at: the command works,
-- later writes work, check_model names what no longer does; and what is written under another
-- name is not lost.

\ir live.psql
SET client_min_messages = error;

SELECT * FROM no_plan();

CREATE SCHEMA crm;
CREATE TABLE crm.contacts (
    id int PRIMARY KEY, title text, size int, company int, stage text, country text,
    created timestamptz DEFAULT now(), flag boolean DEFAULT true);
CREATE INDEX ON crm.contacts (company);
CREATE TABLE crm.companies (id int PRIMARY KEY, employees int);
CREATE TABLE crm.events (contact int, type text, at timestamptz, page text);
CREATE INDEX ON crm.events (contact);
CREATE TABLE crm.deals (contact int, amount numeric, opened timestamptz, closed timestamptz, status text);
INSERT INTO crm.companies VALUES (1, 100), (2, 5);
INSERT INTO crm.contacts (id, title, size, company, stage, country)
SELECT g, 'CEO', g * 10, 1 + g % 2, 'lead', 'DE' FROM generate_series(1, 6) AS g;
INSERT INTO crm.events SELECT 1 + g % 6, 'visit', now() - g * interval '1 day', '/x' FROM generate_series(1, 20) AS g;
INSERT INTO crm.deals VALUES (1, 10, now() - interval '2 days', NULL, 'open');
SELECT lead_scoring.create_model('m', 'crm.contacts', 'id', stage_column => 'stage', created_column => 'created', segments => '{country}');
SELECT lead_scoring.add_event_source('m', 'crm.events', 'contact', 'at');
SELECT lead_scoring.add_lookup('m', 'company', 'crm.companies', 'id', 'company');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES
    ('m', 'big', 'company.employees > 50', 10), ('m', 'ceo', 'title = ''CEO''', 20);
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, max_count) VALUES ('m', 'visit', 'each', 'page = ''/x''', 5, 9);
INSERT INTO lead_scoring.milestone (model, name, source, condition) VALUES ('m', 'visited', 'events', 'type = ''visit''');
INSERT INTO lead_scoring.transition (model, from_stage, to_stage, condition) VALUES ('m', 'lead', 'opportunity', 'total > 900 AND contact.flag');
INSERT INTO lead_scoring.action (model, name, condition, goal) VALUES ('m', 'call', 'total > 900 AND contact.size > 0', 'visited');
INSERT INTO lead_scoring.deal_source (model, relation, contact_id, amount, created_at, closed_at, won)
    VALUES ('m', 'crm.deals', 'contact', 'amount', 'opened', 'closed', 'status = ''won''');
SELECT lead_scoring.activate('m');

-- after(ddl): what check_model says once it is done and others have written; or what failed.
-- contacts, events, companies: their names then.
CREATE FUNCTION after(ddl text, contacts text, events text, companies text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE ddl;
    EXECUTE format('UPDATE %s SET title = title || ''x'' WHERE id = 1', contacts);
    EXECUTE format('INSERT INTO %s (page) VALUES (''/x'')', events);
    EXECUTE format('UPDATE %s SET page = page || ''y''', events);
    EXECUTE format('UPDATE %s SET employees = employees + 1', companies);
    PERFORM lead_scoring.flush();
    RETURN (SELECT string_agg(concat_ws(' ', c.severity, c.object, c.problem), '; ')
              FROM lead_scoring.check_model('m') AS c WHERE c.severity <> 'advice');
EXCEPTION WHEN OTHERS THEN
    RETURN concat_ws(' ', 'FAILED', sqlstate, sqlerrm);
END
$$;
CREATE TABLE change (ddl text, contacts text DEFAULT 'crm.contacts', events text DEFAULT 'crm.events', companies text DEFAULT 'crm.companies', said text);
INSERT INTO change (ddl, said) VALUES
    ('ALTER TABLE crm.contacts DROP flag', 'error transition "lead to opportunity" column contact.flag does not exist'),
    ('ALTER TABLE crm.contacts DROP size', 'error action "call" column contact.size does not exist'),
    ('ALTER TABLE crm.contacts DROP stage', 'error stage column "stage" crm.contacts has no such column'),
    ('ALTER TABLE crm.contacts RENAME stage TO lifecycle', 'error stage column "stage" crm.contacts has no such column'),
    ('ALTER TABLE crm.contacts DROP created', 'error created column "created" crm.contacts has no such column'),
    ('ALTER TABLE crm.contacts DROP country', 'error segment "country"'),
    ('ALTER TABLE crm.contacts DROP company', 'error lookup "company" column "company" of relation crm.contacts does not exist'),
    ('ALTER TABLE crm.companies RENAME id TO number', 'error lookup "company" column "id" of relation crm.companies does not exist'),
    ('ALTER TABLE crm.companies DROP CONSTRAINT companies_pkey', 'error lookup "company" column "id" of crm.companies is not unique'),
    ('ALTER TABLE crm.events DROP type', 'error milestone "visited" column "type" does not exist'),
    ('ALTER TABLE crm.events RENAME contact TO who', 'error event source "events" column "contact" of crm.events does not exist'),
    ('ALTER TABLE crm.events RENAME at TO happened', 'error event source "events" column "at" of crm.events does not exist'),
    ('ALTER TABLE crm.deals DROP status', 'error won of deal source column "status" does not exist'),
    ('ALTER TABLE crm.deals RENAME TO chances', 'error deal source relation crm.deals does not exist'),
    ('DROP TABLE crm.deals CASCADE', 'error deal source relation crm.deals does not exist');
INSERT INTO change (ddl, events, said) VALUES
    ('ALTER TABLE crm.events RENAME TO happenings', 'crm.happenings', 'error event source "events" relation crm.events does not exist'),
    ('ALTER TABLE crm.events SET SCHEMA public', 'public.events', 'error event source "events" relation crm.events does not exist');
INSERT INTO change (ddl, companies, said) VALUES
    ('ALTER TABLE crm.companies RENAME TO firms', 'crm.firms', 'error lookup "company" relation crm.companies does not exist');
INSERT INTO change (ddl, contacts, events, companies, said) VALUES
    ('ALTER SCHEMA crm RENAME TO sales', 'sales.contacts', 'sales.events', 'sales.companies', 'error event source "events" relation crm.events does not exist');
SELECT format(E'BEGIN;\nSELECT matches(after(%L, %L, %L, %L), %L, %1$L);\nROLLBACK;', ddl, contacts, events, companies,
              regexp_replace(said, '([.()])', '\\\1', 'g')) FROM change \gexec

BEGIN;
SELECT is(after('ALTER TABLE crm.contacts RENAME TO people', 'crm.people', 'crm.events', 'crm.companies'), NULL, 'contacts may be renamed');
ROLLBACK;
SELECT throws_ok('DROP TABLE crm.events', '2BP01', NULL, 'a table of events that reports look at is not dropped without CASCADE');

-- ------------------------------------------------- under another name for a while

ALTER TABLE crm.events RENAME TO happenings;
INSERT INTO crm.happenings VALUES (1, 'visit', now(), '/x');
SELECT throws_matching('TABLE crm.m_scored', 'relation crm.events of event source "events" does not exist', 'the view says what it lacks');
SELECT is(count(*), 1::bigint, 'whose events came is known') FROM crm.m_queue WHERE contact_id = 1;
ALTER TABLE crm.happenings RENAME TO events;
SELECT sound_view('m', 'events are back under their name');
CALL lead_scoring.refresh('m');
SELECT sound('m', 'and applied');
ALTER TABLE crm.companies RENAME TO firms;
UPDATE crm.firms SET employees = 200;
ALTER TABLE crm.firms RENAME TO companies;
SELECT sound_view('m', 'a lookup, too');
CALL lead_scoring.refresh('m');
SELECT sound('m', 'and its changes');

-- Nobody else's table is taken for it.
DROP ROLE IF EXISTS ls_ddl_stranger;
CREATE ROLE ls_ddl_stranger;
CREATE TABLE forged (contact int, at timestamptz);
CREATE TRIGGER forged AFTER INSERT ON forged FOR EACH ROW EXECUTE FUNCTION lead_scoring.event_changed('m');
ALTER TABLE forged OWNER TO ls_ddl_stranger;
ALTER TABLE crm.events RENAME TO happenings;
INSERT INTO forged VALUES (2, now());
SELECT is(count(*), 0::bigint, 'a forged trigger on somebody else''s table is ignored') FROM crm.m_queue;

-- ---------------------------------------------------------- for good, and corrected

INSERT INTO crm.happenings VALUES (1, 'visit', now(), '/x');
UPDATE lead_scoring.event_source SET relation = 'crm.happenings';
SELECT throws_matching('TABLE crm.m_scored', 'have changed since it was activated', 'the view waits for activate()');
SELECT lead_scoring.activate('m');
SELECT sound('m', 'the new name, once it is told');
SELECT is(problems('m'), '', 'and no problem');
ALTER SCHEMA crm RENAME TO sales;
UPDATE sales.contacts SET title = title || 'x';
INSERT INTO sales.happenings VALUES (3, 'visit', now(), '/x');
UPDATE lead_scoring.event_source SET relation = 'sales.happenings';
UPDATE lead_scoring.lookup SET relation = 'sales.companies';
UPDATE lead_scoring.deal_source SET relation = 'sales.deals';
SELECT lead_scoring.activate('m');
SELECT sound('m', 'a schema of another name, once it is told');
SELECT is(problems('m'), '', 'and no problem either');

-- ------------------------------------------------------------------ DROP OWNED BY

DROP ROLE IF EXISTS ls_ddl_owner;
CREATE ROLE ls_ddl_owner;
CREATE SCHEMA own AUTHORIZATION ls_ddl_owner;
SET ROLE ls_ddl_owner;
CREATE TABLE own.contacts (id int PRIMARY KEY, size int);
SELECT lead_scoring.create_model('own', 'own.contacts', 'id');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('own', 'big', 'size > 5', 10);
INSERT INTO own.contacts VALUES (1, 10);
SELECT lead_scoring.activate('own');
RESET ROLE;
SELECT lives_ok('DROP OWNED BY ls_ddl_owner CASCADE', 'DROP OWNED BY of who owns a live model');
SELECT matches(problems('own'), 'relation own\.contacts does not exist', 'check_model tells what is left');
SELECT lives_ok($$SELECT lead_scoring.drop_model('own')$$, 'and that can be cleared up');
SELECT is(problems('m'), '', 'others are as before');

SELECT * FROM finish();
DROP TABLE forged;
DROP ROLE ls_ddl_owner, ls_ddl_stranger;
