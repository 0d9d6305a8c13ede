-- activate() without the rights: an error whose hint is the statement that helps; who
-- follows the hints comes through.

\ir live.psql

SELECT * FROM no_plan();

SET client_min_messages = error;
DROP ROLE IF EXISTS "rights owner";
CREATE ROLE "rights owner";
SET client_min_messages = warning;
CREATE SCHEMA "A place";
CREATE SCHEMA elsewhere;
CREATE TABLE "A place".contacts (id int PRIMARY KEY, firm int);
CREATE INDEX ON "A place".contacts (firm);
CREATE TABLE elsewhere.events (contact int, at timestamptz);
CREATE INDEX ON elsewhere.events (contact);
CREATE TABLE elsewhere.firms (id int PRIMARY KEY, size int);
CREATE VIEW elsewhere.letters AS SELECT contact, at FROM elsewhere.events;
ALTER TABLE "A place".contacts OWNER TO "rights owner";
INSERT INTO "A place".contacts VALUES (1, 1);
GRANT USAGE ON SCHEMA "A place", elsewhere TO "rights owner";
GRANT SELECT ON elsewhere.events, elsewhere.firms, elsewhere.letters TO "rights owner";
SET ROLE "rights owner";
SELECT lead_scoring.create_model('r', '"A place".contacts', 'id');
SELECT lead_scoring.add_event_source('r', 'elsewhere.events', 'contact', 'at');
SELECT lead_scoring.add_event_source('r', 'elsewhere.letters', 'contact', 'at', 'letters');
SELECT lead_scoring.add_lookup('r', 'firm', 'elsewhere.firms', 'id', 'firm');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('r', 'big', 'firm.size > 50', 10);
RESET ROLE;

-- Whoever asks, it is the owner who lacks it.
CREATE FUNCTION told() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text;
    hint text;
BEGIN
    PERFORM lead_scoring.activate('r');
    RETURN 'live';
EXCEPTION WHEN insufficient_privilege THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
    EXECUTE rtrim(hint, '.');
    RETURN message;
END
$$;

SELECT is(told(), 'role "rights owner", which owns the contacts, may not make tables in schema "A place"', 'no CREATE on the schema');
SELECT is(told(), 'role "rights owner", which owns the contacts, may not put triggers on elsewhere.events', 'no TRIGGER on the events');
REVOKE SELECT ON elsewhere.letters FROM "rights owner";
SELECT is(told(), 'role "rights owner", which owns the contacts, may not read elsewhere.letters', 'no SELECT on a view of events, which needs no triggers');
SELECT is(told(), 'role "rights owner", which owns the contacts, may not put triggers on elsewhere.firms', 'no TRIGGER on a lookup');
REVOKE USAGE ON SCHEMA elsewhere FROM "rights owner";
SELECT is(told(), 'role "rights owner", which owns the contacts, may not use schema elsewhere', 'no USAGE on a schema');
SELECT is(told(), 'live', 'who follows the hints comes through');
SELECT is(told(), 'live', 'and again');
INSERT INTO elsewhere.firms VALUES (1, 60);
SELECT is(outcome('SELECT contact_id, fit FROM "A place".r_scored'), '(1,10)', 'it works');
REVOKE SELECT ON elsewhere.events FROM "rights owner";
SELECT lives_ok('INSERT INTO elsewhere.events VALUES (1, now())', 'a right that goes later is no matter of who writes');
SELECT alike(problems('r'), '%error | event source "events" | who owns the contacts may not read elsewhere.events%', 'check_model says so');

SELECT lead_scoring.drop_model('r');
DROP OWNED BY "rights owner" CASCADE;
DROP ROLE "rights owner";
SELECT * FROM finish();
