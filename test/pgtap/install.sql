-- CREATE EXTENSION where somebody has been before: in a schema of another role's, beside
-- objects that have our names, with a path that leads astray.

\set QUIET on
\set ON_ERROR_STOP on
SET client_min_messages = error;
\pset format unaligned
\pset tuples_only on

SELECT plan(17);

DROP EXTENSION lead_scoring CASCADE;
DROP SCHEMA lead_scoring;
DROP ROLE IF EXISTS ls_trapper;
CREATE ROLE ls_trapper;

-- attempt(before): SQLSTATE of CREATE EXTENSION after that, which is undone; what is left.
CREATE FUNCTION attempt(before text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    said text := 'installed';
BEGIN
    EXECUTE before;
    BEGIN
        CREATE EXTENSION lead_scoring;
    EXCEPTION WHEN OTHERS THEN
        said := sqlstate;
    END;
    IF said <> 'installed' THEN
        said := said || ' ' || (SELECT count(*) FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid
                                 WHERE extname = 'lead_scoring' AND refclassid = 'pg_extension'::regclass);
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'LS000', MESSAGE = said;
EXCEPTION WHEN SQLSTATE 'LS000' THEN
    RETURN sqlerrm;
END
$$;

SELECT is(attempt('CREATE SCHEMA lead_scoring AUTHORIZATION ls_trapper'), '42501 0', 'a schema of somebody else''s');
SELECT is(attempt('CREATE SCHEMA lead_scoring'), 'installed', 'one''s own, empty');
SELECT is(attempt('CREATE SCHEMA lead_scoring; ' || object), state || ' 0', object)
  FROM (VALUES
    ('CREATE TABLE lead_scoring.model ()', '42P07'),
    ('CREATE TABLE lead_scoring.fit_rule (name text)', '42P07'),
    ('CREATE VIEW lead_scoring.model AS SELECT 1 AS a', '42P07'),
    ('CREATE MATERIALIZED VIEW lead_scoring.threshold AS SELECT 1 AS a', '42P07'),
    ('CREATE SEQUENCE lead_scoring.stage', '42P07'),
    ('CREATE TYPE lead_scoring.engagement AS (a int)', '42710'),
    ('CREATE DOMAIN lead_scoring.engagement AS bytea', '42710'),
    ('CREATE FUNCTION lead_scoring.as_of() RETURNS timestamptz LANGUAGE sql AS ''SELECT now()''', '42723'),
    ('CREATE FUNCTION lead_scoring.create_model(model text, contacts regclass, contact_id name) RETURNS void LANGUAGE sql AS ''''', 'installed'),
    ('CREATE FUNCTION lead_scoring.fit_score(contact record, model text) RETURNS float8 LANGUAGE plpgsql AS ''BEGIN RETURN 1; END''', '42723'),
    ('CREATE PROCEDURE lead_scoring.refresh(model text) LANGUAGE sql AS ''''', '42723'),
    ('CREATE FUNCTION lead_scoring.contact_changed() RETURNS trigger LANGUAGE plpgsql AS ''BEGIN RETURN NULL; END''', '42723')
    ) AS t (object, state)
 WHERE state <> 'installed';

-- Of functions the arguments are part of the name: what others have put beside ours is theirs.
SELECT is(attempt($$CREATE SCHEMA lead_scoring;
    CREATE FUNCTION lead_scoring.fit_score(contact record, model name) RETURNS float8 LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'$$),
          'installed', 'a function of other arguments is not in the way');

-- The path of who installs it.
CREATE SCHEMA trap;
CREATE TABLE trap.caught (what text);
CREATE FUNCTION trap.spy(what text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN INSERT INTO trap.caught VALUES (what); RETURN true; END';
CREATE FUNCTION trap.same(a name, b name) RETURNS boolean LANGUAGE sql AS $$SELECT trap.spy('name = name')$$;
CREATE FUNCTION trap.same(a name, b text) RETURNS boolean LANGUAGE sql AS $$SELECT trap.spy('name = text')$$;
CREATE FUNCTION trap.same(a text, b text) RETURNS boolean LANGUAGE sql AS $$SELECT trap.spy('text = text')$$;
CREATE OPERATOR trap.= (LEFTARG = name, RIGHTARG = name, FUNCTION = trap.same);
CREATE OPERATOR trap.= (LEFTARG = name, RIGHTARG = text, FUNCTION = trap.same);
CREATE OPERATOR trap.= (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.same);
CREATE OPERATOR trap.<> (LEFTARG = name, RIGHTARG = name, FUNCTION = trap.same);
CREATE FUNCTION trap.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS $$SELECT trap.spy('set_config')::text$$;
CREATE FUNCTION trap.pg_get_userbyid(oid) RETURNS name LANGUAGE sql AS $$SELECT trap.spy('pg_get_userbyid')::text::name$$;
CREATE FUNCTION trap.format(text, VARIADIC text[]) RETURNS text LANGUAGE sql AS $$SELECT trap.spy('format')::text$$;
CREATE TABLE trap.pg_namespace (nspname text, nspowner oid);
SET search_path = trap, pg_catalog, public;
CREATE EXTENSION lead_scoring;
RESET search_path;
SELECT is(array_agg(what), NULL, 'nothing of a trap is called') FROM trap.caught;
SELECT is(count(*), 0::bigint, 'nor depended upon')
  FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
  JOIN pg_depend AS u ON (u.classid, u.objid) = (d.classid, d.objid)
  LEFT JOIN pg_proc AS p ON u.refclassid = 'pg_proc'::regclass AND p.oid = u.refobjid
  LEFT JOIN pg_operator AS o ON u.refclassid = 'pg_operator'::regclass AND o.oid = u.refobjid
 WHERE extname = 'lead_scoring' AND 'trap'::regnamespace IN (p.pronamespace, o.oprnamespace);
SELECT is(current_setting('search_path'), '"$user", public', 'the session''s path is its own');

DROP SCHEMA trap CASCADE;
DROP ROLE ls_trapper;
SELECT * FROM finish();
