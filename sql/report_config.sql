-- Milestones, deal sources and stages: what cannot work is refused when it is written.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS lead_scoring;
\pset format unaligned
\pset tuples_only on

CREATE SCHEMA report;
CREATE TABLE report.contacts (id int PRIMARY KEY, title text);
CREATE TABLE report.events (contact int, at timestamptz, type text);
CREATE TABLE report.deals (
    contact int, "who else" bigint, code text, amount numeric, eur money, opened date, closed timestamp,
    state text, won boolean);
CREATE TYPE report.pair AS (a int, b int);
SELECT lead_scoring.create_model('x', 'report.contacts', 'id', search_path => 'pg_catalog, pg_temp') \g /dev/null
SELECT lead_scoring.add_event_source('x', 'report.events', 'contact', 'at') \g /dev/null

-- ----------------------------------------------------------------- milestones

INSERT INTO lead_scoring.milestone (model, name, source) VALUES ('x', 'any', 'events');
INSERT INTO lead_scoring.milestone (model, name, source, condition)
    VALUES ('x', 'call', 'events', 'type = ''call'' AND extract(hour FROM at AT TIME ZONE ''UTC'') < 12');
INSERT INTO lead_scoring.milestone (model, name, source, condition) VALUES ('x', 'm', 'calls', 'true');
INSERT INTO lead_scoring.milestone (model, name, source, condition) VALUES ('x', 'm', 'events', 'kind = ''call''');
INSERT INTO lead_scoring.milestone (model, name, source, condition) VALUES ('x', 'm', 'events', 'title = ''CEO''');
INSERT INTO lead_scoring.milestone (model, name, source, condition) VALUES ('x', 'm', 'events', 'type');
INSERT INTO lead_scoring.milestone (model, name, source, condition) VALUES ('x', 'm', 'events', 'at < now()');
INSERT INTO lead_scoring.milestone (model, name, source, condition) VALUES ('x', 'm', 'events', 'at > as_of');
INSERT INTO lead_scoring.milestone (model, name, source, condition) VALUES ('x', 'm', 'events', '1 / 0 = 1');
INSERT INTO lead_scoring.milestone (model, name, source, condition) VALUES ('x', 'm', 'events', 'type = (SELECT ''call'')');
INSERT INTO lead_scoring.milestone (model, name, source, condition) VALUES ('x', 'm', NULL, 'true');
UPDATE lead_scoring.milestone SET condition = 'type >' WHERE name = 'call';
SELECT name, source, condition FROM lead_scoring.milestone ORDER BY name;

-- --------------------------------------------------------------------- deals

-- try(column, text): the good row with another text in that column.
CREATE FUNCTION report.try(text, text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    row lead_scoring.deal_source := jsonb_populate_record(NULL::lead_scoring.deal_source, jsonb_set(
        '{"model": "x", "relation": "report.deals", "contact_id": "contact", "amount": "amount",
          "created_at": "opened", "closed_at": "closed", "won": "won"}', ARRAY[$1], coalesce(to_jsonb($2), 'null')));
BEGIN
    INSERT INTO lead_scoring.deal_source SELECT row.*;
    DELETE FROM lead_scoring.deal_source WHERE model = 'x';
END
$$;
\set SHOW_CONTEXT never
SELECT report.try('relation', 'report.deals');
SELECT report.try('relation', 'report.none');
SELECT report.try('relation', 'deals');
SELECT report.try('relation', NULL);
SELECT report.try('contact_id', '"who else"');
SELECT report.try('contact_id', 'contact::smallint');
SELECT report.try('contact_id', 'code::int');
SELECT report.try('contact_id', 'code');
SELECT report.try('contact_id', 'amount');
SELECT report.try('contact_id', 'who');
SELECT report.try('amount', '1');
SELECT report.try('amount', 'CASE state WHEN ''lost'' THEN 0 ELSE amount * 1.2 END');
SELECT report.try('amount', 'eur');
SELECT report.try('amount', 'code');
SELECT report.try('amount', '1 / 0');
SELECT report.try('created_at', 'closed');
SELECT report.try('created_at', 'opened + 1');
SELECT report.try('created_at', 'closed AT TIME ZONE ''Europe/Paris''');
SELECT report.try('created_at', 'amount');
SELECT report.try('closed_at', 'CASE WHEN won IS NOT NULL THEN closed END');
SELECT report.try('closed_at', '''now''::timestamp');
SELECT report.try('closed_at', 'current_date');
SELECT report.try('closed_at', 'state');
SELECT report.try('closed_at', NULL);
SELECT report.try('won', 'CASE state WHEN ''won'' THEN true WHEN ''lost'' THEN false END');
SELECT report.try('won', 'deal.state = ''won''');
SELECT report.try('won', 'state');
SELECT report.try('won', 'contact.title = ''CEO''');
SELECT report.try('score_before', '30 days');
SELECT report.try('score_before', '-1 days');
-- The context names the model and the column.
\set SHOW_CONTEXT errors
INSERT INTO lead_scoring.deal_source VALUES ('x', 'report.deals', 'contact', 'amount', 'opened', 'closed', 'state > 5');
\set SHOW_CONTEXT never
CREATE ROLE report_owner;
GRANT USAGE, CREATE ON SCHEMA report TO report_owner;
SET ROLE report_owner;
CREATE TABLE report.leads (id int PRIMARY KEY);
SELECT lead_scoring.create_model('y', 'report.leads', 'id') \g /dev/null
INSERT INTO lead_scoring.deal_source VALUES ('y', 'report.deals', 'contact', 'amount', 'opened', 'closed', 'won');
RESET ROLE;
CREATE TEMP TABLE deals (LIKE report.deals);
SELECT report.try('relation', 'pg_temp.deals');

-- --------------------------------------------------------------------- stages

INSERT INTO lead_scoring.stage (model, name, position) VALUES ('x', 'before', 0);
INSERT INTO lead_scoring.stage (model, name, position) VALUES ('x', 'before', -1);
INSERT INTO lead_scoring.stage (model, name, position) VALUES ('x', 'twin', 2);
INSERT INTO lead_scoring.stage (model, name, position, outcome) VALUES ('x', 'drawn', 7, 'drawn');
INSERT INTO lead_scoring.stage (model, name, position) VALUES ('x', 'after', 7);
SELECT name, position FROM lead_scoring.stage WHERE model = 'x' ORDER BY position;

-- A dump brings what it had, in any order.
SET check_function_bodies = off;
INSERT INTO lead_scoring.milestone (model, name, source, condition) VALUES ('x', 'old', 'events', 'gone = 1');
INSERT INTO lead_scoring.deal_source VALUES ('x', 'report.gone', 'c', 'a', 'o', 'c', 'w');
RESET check_function_bodies;
SELECT object, problem, suggestion FROM lead_scoring.check_model('x') WHERE object ~ 'deal|milestone';
UPDATE lead_scoring.deal_source SET relation = 'report.deals';
UPDATE lead_scoring.deal_source SET relation = 'report.deals', contact_id = 'contact', amount = 'amount', created_at = 'opened',
    closed_at = 'closed', won = 'won';
ALTER TABLE report.deals DROP won, ALTER amount TYPE text;
SELECT object, problem, suggestion FROM lead_scoring.check_model('x') WHERE object ~ 'deal';

SELECT lead_scoring.drop_model('x'), lead_scoring.drop_model('y') \g /dev/null
DROP SCHEMA report CASCADE;
DROP ROLE report_owner;
