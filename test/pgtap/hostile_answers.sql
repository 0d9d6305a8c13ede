-- Answers under attack: a model with everything in it, asked by who has the attacker's schema
-- first in his path; by another owner, and by one who may read its views only; and text that
-- would be SQL, wherever somebody may write text.

\set QUIET on
\set ON_ERROR_STOP on
\pset format unaligned
\pset tuples_only on
SET client_min_messages = error;

DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['ls_owner', 'ls_viewer', 'ls_evil'] LOOP
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            EXECUTE format('DROP OWNED BY %I CASCADE; DROP ROLE %I', role, role);
        END IF;
        EXECUTE format('CREATE ROLE %I', role);
    END LOOP;
END
$$;

SELECT * FROM no_plan();

-- ------------------------------------------------------------------- the model

CREATE SCHEMA crm AUTHORIZATION ls_owner;
GRANT USAGE ON SCHEMA crm TO PUBLIC;
SET ROLE ls_owner;
CREATE TABLE crm.contacts (id int PRIMARY KEY, title text, size int, company int, stage text, country text, created timestamptz);
CREATE INDEX ON crm.contacts (company);
CREATE TABLE crm.companies (id int PRIMARY KEY, employees int);
CREATE TABLE crm.events (contact int, type text, at timestamptz);
CREATE INDEX ON crm.events (contact);
CREATE TABLE crm.deals (contact int, amount numeric, opened timestamptz, closed timestamptz, status text);
INSERT INTO crm.companies VALUES (1, 100), (2, 5);
INSERT INTO crm.contacts SELECT g, 'CEO', g * 10, 1 + g % 2, 'lead', 'DE', now() - interval '90 days' FROM generate_series(1, 6) AS g;
INSERT INTO crm.events SELECT 1 + g % 6, 'visit', now() - g * interval '1 day' FROM generate_series(1, 20) AS g;
INSERT INTO crm.deals VALUES (1, 10, now() - interval '2 days', now(), 'won'), (2, 10, now() - interval '2 days', NULL, 'open');
SELECT lead_scoring.create_model('crm', 'crm.contacts', 'id', stage_column => 'stage', created_column => 'created', segments => '{country}') \g /dev/null
SELECT lead_scoring.add_event_source('crm', 'crm.events', 'contact', 'at') \g /dev/null
SELECT lead_scoring.add_lookup('crm', 'company', 'crm.companies', 'id', 'company') \g /dev/null
INSERT INTO lead_scoring.rule_group (model, name, dimension, max_points) VALUES ('crm', 'visits', 'engagement', 30);
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('crm', 'big', 'company.employees > 50', 10), ('crm', 'ceo', 'title = ''CEO''', 20);
INSERT INTO lead_scoring.engagement_rule (model, name, group_name, kind, condition, points, half_life, max_count)
    VALUES ('crm', 'visit', 'visits', 'each', 'type = ''visit''', 15, '14 days', 5);
INSERT INTO lead_scoring.engagement_rule (model, name, kind, points, within) VALUES ('crm', 'silence', 'inactive', -5, '30 days');
INSERT INTO lead_scoring.milestone (model, name, source, condition) VALUES ('crm', 'visited', 'events', 'type = ''visit''');
INSERT INTO lead_scoring.action (model, name, condition, goal) VALUES ('crm', 'call', 'total > 10 AND contact.size > 0', 'visited');
INSERT INTO lead_scoring.deal_source (model, relation, contact_id, amount, created_at, closed_at, won)
    VALUES ('crm', 'crm.deals', 'contact', 'amount', 'opened', 'closed', 'CASE status WHEN ''won'' THEN true WHEN ''lost'' THEN false END');
SELECT lead_scoring.activate('crm', enrol_existing => true) \g /dev/null
INSERT INTO crm.crm_adjustment (contact_id, kind, points, reason) VALUES (1, 'points', 5, 'knows us');
SELECT lead_scoring.snapshot('crm') \g /dev/null
SELECT lead_scoring.clone_model('crm', 'twin') \g /dev/null
SELECT lead_scoring.activate('twin') \g /dev/null
RESET ROLE;

CREATE SCHEMA tool;
GRANT USAGE ON SCHEMA tool TO PUBLIC;
CREATE TABLE tool.question (call text, writes boolean DEFAULT false);
INSERT INTO tool.question (call)
SELECT format('SELECT count(v.*) FROM %s AS v', name) FROM lead_scoring.objects('crm') WHERE kind = 'v';
INSERT INTO tool.question (call) VALUES
    ($$SELECT sum(points) FROM lead_scoring.explain('crm', 1)$$),
    ($$SELECT sum(points) FROM lead_scoring.explain('crm', '1'::text, now() - interval '9 days')$$),
    ($$SELECT sum(points) FROM lead_scoring.explain_change('crm', 1, now() - interval '9 days', now())$$),
    ($$SELECT count(*) FROM lead_scoring.what_next('crm', 1)$$),
    ($$SELECT lead_scoring.export_model('crm')$$),
    ($$SELECT lead_scoring.to_sql('crm')$$),
    ($$SELECT count(*) FROM lead_scoring.compare('crm', 'twin')$$),
    ($$SELECT count(*) FROM lead_scoring.compare_weeks('crm', 'twin')$$),
    ($$SELECT count(*) FROM lead_scoring.reader_grants('crm', 'x')$$);
INSERT INTO tool.question VALUES
    ($$SELECT count(*) FROM lead_scoring.preview('crm')$$, true),
    ($$SELECT count(*) FROM lead_scoring.check_model('crm')$$, true),
    ($$SELECT count(*) FROM lead_scoring.verify('crm')$$, true),
    ($$SELECT lead_scoring.import_model(jsonb_set(lead_scoring.export_model('crm'), '{model,description}', '"x"'))$$, true),
    ($$SELECT lead_scoring.clone_model('crm', 'third')$$, true),
    ($$SELECT count(*) FROM lead_scoring.apply_template('crm', 'hubspot', '{"title": "title"}')$$, true),
    ($$SELECT lead_scoring.snapshot('crm')$$, true),
    ($$SELECT count(*) FROM lead_scoring.erase('crm', 6)$$, true),
    ($$SELECT count(*) FROM lead_scoring.merge_contacts('crm', 5, 4)$$, true),
    ($$CALL lead_scoring.prune('crm', interval '1 year')$$, true),
    ($$CALL lead_scoring.refresh('crm')$$, true),
    ($$SELECT lead_scoring.deactivate('crm'), lead_scoring.promote('twin')$$, true),
    ($$SELECT lead_scoring.deactivate('crm')$$, true),
    ($$SELECT lead_scoring.activate('crm')$$, true),
    ($$UPDATE lead_scoring.fit_rule SET points = points + 1 WHERE model = 'crm'$$, true),
    ($$INSERT INTO crm.contacts VALUES (70, 'CEO', 5, 1, 'lead', 'DE', now()); INSERT INTO crm.events VALUES (70, 'visit', now()); SELECT lead_scoring.flush()$$, true),
    ($$SELECT lead_scoring.drop_model('crm')$$, true);

-- outcome(role, call): ok or SQLSTATE; it is undone.
CREATE FUNCTION tool.outcome(role name, statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('role', role, true);
    EXECUTE statement;
    RAISE EXCEPTION USING ERRCODE = 'LS000';
EXCEPTION WHEN OTHERS THEN
    RETURN CASE WHEN SQLSTATE = 'LS000' THEN 'ok' ELSE SQLSTATE END;
END
$$;
SELECT is(tool.outcome('ls_owner', call), 'ok', 'the owner: ' || call) FROM tool.question;
SELECT is(tool.outcome(session_user, call), 'ok', 'a superuser: ' || call) FROM tool.question;

-- ------------------------------------------------ another owner; a viewer; nobody

CREATE SCHEMA evil AUTHORIZATION ls_evil;
GRANT USAGE ON SCHEMA evil TO PUBLIC;
SET ROLE ls_evil;
CREATE TABLE evil.contacts (id int PRIMARY KEY, title text);
SELECT lead_scoring.create_model('evil', 'evil.contacts', 'id') \g /dev/null
SELECT lead_scoring.activate('evil') \g /dev/null
RESET ROLE;
GRANT USAGE ON SCHEMA lead_scoring TO PUBLIC;
SELECT format('GRANT SELECT ON %s TO ls_viewer', name) FROM lead_scoring.objects('crm') WHERE kind = 'v' \gexec
SELECT alike(tool.outcome(role, call), CASE WHEN call LIKE 'UPDATE%' OR call LIKE '%reader_grants%' THEN '%' ELSE '_____' END, role || ': ' || call)
  FROM tool.question, unnest(ARRAY['ls_evil', 'ls_viewer']) AS role;
SELECT is(tool.outcome('ls_evil', format('SELECT * FROM lead_scoring.%I(%L, %L)', f, a, b)), '42501', f || ' with one of his own')
  FROM unnest(ARRAY['compare', 'compare_weeks']) AS f, (VALUES ('evil', 'crm'), ('crm', 'evil')) AS m (a, b);
SELECT is(sum(points), 30::float8, 'another one''s UPDATE changes nothing') FROM lead_scoring.fit_rule WHERE model = 'crm';
-- A viewer learns neither rules nor scores from what an error says.
CREATE FUNCTION tool.complaint(role name, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    said text;
    more text;
BEGIN
    PERFORM set_config('role', role, true);
    EXECUTE statement;
    RAISE EXCEPTION USING ERRCODE = 'LS000';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS said = PG_EXCEPTION_DETAIL, more = PG_EXCEPTION_CONTEXT;
    RETURN concat_ws(' ', SQLERRM, said, more);
END
$$;
SELECT is(string_agg(call, E'\n'), NULL, 'no error tells a rule')
  FROM tool.question, unnest(ARRAY['ls_evil', 'ls_viewer']) AS role
 WHERE call NOT LIKE 'INSERT%' AND tool.complaint(role, call) ~ 'CEO|employees|visited|visits';

-- ------------------------------------------------------- the attacker's schema first

CREATE SEQUENCE tool.called;
GRANT USAGE ON SEQUENCE tool.called TO PUBLIC;
CREATE FUNCTION tool.spy() RETURNS boolean LANGUAGE sql AS $$ SELECT nextval('tool.called') > 0 $$;
SET ROLE ls_evil;
-- Every name that SQL of ours uses without arguments of types of ours: functions, operators, types, relations.
DO $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT DISTINCT p.proname, oidvectortypes(p.proargtypes) AS arguments, format_type(p.prorettype, NULL) AS result,
               p.proretset
          FROM pg_proc AS p
         WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f'
           AND p.proname IN ('now', 'clock_timestamp', 'date_trunc', 'lower', 'round', 'floor', 'abs', 'length', 'format', 'concat_ws',
                             'quote_ident', 'quote_literal', 'to_regclass', 'timezone', 'replace', 'left', 'md5', 'row_number',
                             'generate_series', 'unnest', 'jsonb_array_elements', 'jsonb_each', 'jsonb_object_keys', 'jsonb_typeof', 'set_config',
                             'current_setting', 'has_table_privilege', 'pg_get_viewdef', 'obj_description', 'array_length', 'cardinality',
                             'int4eq', 'texteq', 'random', 'pg_has_role', 'array_to_string', 'string_to_array', 'make_interval', 'extract', 'date_part')
           AND p.prorettype <> ALL (ARRAY['internal', 'trigger', 'record', 'anyelement', 'anyarray', 'cstring', 'void']::regtype[])
           AND NOT ('internal'::regtype = ANY (p.proargtypes)) AND NOT ('"any"'::regtype = ANY (p.proargtypes))
    LOOP
        BEGIN
            EXECUTE format('CREATE FUNCTION evil.%I(%s) RETURNS %s %s LANGUAGE sql AS %L', one.proname, one.arguments,
                           CASE WHEN one.proretset THEN 'SETOF' ELSE '' END, one.result,
                           format('SELECT NULL::%s FROM tool.spy()', one.result));
        EXCEPTION WHEN OTHERS THEN
            NULL;
        END;
    END LOOP;
    FOR one IN
        SELECT o.oprname, format_type(o.oprleft, NULL) AS a, format_type(o.oprright, NULL) AS b, format_type(o.oprresult, NULL) AS result, o.oid
          FROM pg_operator AS o
         WHERE o.oprnamespace = 'pg_catalog'::regnamespace AND o.oprleft <> 0
           AND o.oprname IN ('=', '<>', '<', '<=', '>', '>=', '||', '+', '-', '*', '/', '~', '~~', '->', '->>', '@>', '&&')
           AND o.oprleft IN (23, 20, 21, 25, 19, 701, 1700, 1184, 1186, 3802, 16, 26, 1043, 1082, 1009)
           AND o.oprright IN (23, 20, 21, 25, 19, 701, 1700, 1184, 1186, 3802, 16, 26, 1043, 1082, 1009)
    LOOP
        EXECUTE format('CREATE FUNCTION evil.op_%s(%s, %s) RETURNS %s LANGUAGE sql AS %L', one.oid, one.a, one.b, one.result,
                       format('SELECT NULL::%s FROM tool.spy()', one.result));
        EXECUTE format('CREATE OPERATOR evil.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = evil.op_%s)', one.oprname, one.a, one.b, one.oid);
    END LOOP;
    FOR one IN SELECT c.relname FROM pg_class AS c WHERE c.relnamespace IN ('lead_scoring'::regnamespace, 'crm'::regnamespace) AND c.relkind IN ('r', 'v')
               UNION SELECT unnest(ARRAY['pg_class', 'pg_attribute', 'pg_trigger', 'pg_proc', 'pg_type', 'pg_roles', 'pg_namespace', 'pg_index', 'pg_depend', 'pg_rewrite'])
    LOOP
        BEGIN
            EXECUTE format('CREATE VIEW evil.%I AS SELECT 1 AS name, 2 AS model WHERE tool.spy()', one.relname);
            EXECUTE format('GRANT SELECT ON evil.%I TO PUBLIC', one.relname);
        EXCEPTION WHEN OTHERS THEN
            NULL;
        END;
    END LOOP;
END
$$;
RESET ROLE;
SELECT cmp_ok(count(*), '>', 100::bigint, 'the trap has many operators') FROM pg_operator WHERE oprnamespace = 'evil'::regnamespace;
CREATE FUNCTION tool.spied(role name, call text) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    was bigint := (SELECT last_value + is_called::int FROM tool.called);
BEGIN
    PERFORM tool.outcome(role, 'SET LOCAL search_path = evil, pg_temp, pg_catalog, public; ' || call);
    RETURN was <> (SELECT last_value + is_called::int FROM tool.called);
END
$$;
SELECT ok(tool.spied(session_user, 'SELECT now()'), 'and catches who does not look out');
-- Of the questions, what is the asker's own SQL is qualified here.
UPDATE tool.question SET call = replace(replace(replace(replace(replace(call, 'sum(', 'pg_catalog.sum('), 'count(', 'pg_catalog.count('),
    'now() - interval ''9 days''', 'timestamptz ''2026-01-01'''), 'now()', 'timestamptz ''2026-01-02'''), 'jsonb_set(', 'pg_catalog.jsonb_set(');
UPDATE tool.question SET call = replace(replace(call, 'points + 1', '7'), 'model = ''crm''', 'true');
SELECT is(string_agg(role || ': ' || call, E'\n'), NULL, 'nobody is led astray by his path')
  FROM tool.question, unnest(ARRAY[session_user::text, 'ls_owner']) AS role
 WHERE tool.spied(role, call);

-- --------------------------------------------------------------- text that is SQL

CREATE TABLE tool.canary (a int);
CREATE TABLE tool.payload (n int GENERATED ALWAYS AS IDENTITY, text text);
INSERT INTO tool.payload (text) VALUES
    ($$'; DROP TABLE tool.canary; --$$), ($$x') OR tool.spy() --$$), ($$true) OR (tool.spy()$$), ($$true; SELECT tool.spy()$$),
    ($$(SELECT tool.spy())$$), ($$tool.spy()$$), ($$1 UNION SELECT tool.spy()$$), ($$"id" FROM crm.contacts WHERE tool.spy() --$$),
    ($$true /* $$), ('$q$ || tool.spy() || $q$'), ('$sql$ || tool.spy() || $sql$'), ($${zone} || tool.spy()$$), ($$%s %L %I %1$s$$), (E'true\n\\! true'),
    ($$UTC'; SELECT tool.spy(); --$$), ($$Europe/Paris') + (tool.spy()$$);
-- Where text may be written: %1$L is the payload.
CREATE TABLE tool.place (n int GENERATED ALWAYS AS IDENTITY, statement text);
INSERT INTO tool.place (statement) VALUES
    ($$UPDATE lead_scoring.fit_rule SET condition = %1$L WHERE model = 'crm' AND name = 'ceo'$$),
    ($$UPDATE lead_scoring.engagement_rule SET condition = %1$L WHERE model = 'crm' AND name = 'visit'$$),
    ($$UPDATE lead_scoring.engagement_rule SET value = %1$L WHERE model = 'crm' AND name = 'visit'$$),
    ($$UPDATE lead_scoring.engagement_rule SET distinct_by = %1$L WHERE model = 'crm' AND name = 'visit'$$),
    ($$UPDATE lead_scoring.engagement_rule SET "unless" = %1$L WHERE model = 'crm' AND name = 'visit'$$),
    ($$UPDATE lead_scoring.event_source SET condition = %1$L, activity = %1$L WHERE model = 'crm'$$),
    ($$UPDATE lead_scoring.event_source SET relation = %1$L WHERE model = 'crm'$$),
    ($$UPDATE lead_scoring.event_source SET time_zone = %1$L WHERE model = 'crm'$$),
    ($$UPDATE lead_scoring.lookup SET relation = %1$L WHERE model = 'crm'$$),
    ($$UPDATE lead_scoring.milestone SET name = %1$L, condition = NULL WHERE model = 'crm'; UPDATE lead_scoring.action SET goal = %1$L WHERE model = 'crm'$$),
    ($$UPDATE lead_scoring.action SET name = left(%1$L, 20), condition = 'true', payload = jsonb_build_object('x', %1$L::text), channel = left(%1$L, 30) WHERE model = 'crm'$$),
    ($$UPDATE lead_scoring.transition SET condition = %1$L WHERE model = 'crm' AND from_stage = 'lead'$$),
    ($$UPDATE lead_scoring.model SET population = %1$L WHERE name = 'crm'$$),
    ($$UPDATE lead_scoring.model SET time_zone = %1$L WHERE name = 'crm'$$),
    ($$UPDATE lead_scoring.model SET segments = ARRAY[%1$L]::name[] WHERE name = 'crm'$$),
    ($$UPDATE lead_scoring.model SET search_path = %1$L WHERE name = 'crm'$$),
    ($$UPDATE lead_scoring.deal_source SET won = %1$L WHERE model = 'crm'$$),
    ($$UPDATE lead_scoring.deal_source SET amount = %1$L, contact_id = %1$L, created_at = %1$L WHERE model = 'crm'$$),
    ($$UPDATE lead_scoring.deal_source SET relation = %1$L WHERE model = 'crm'$$),
    ($$UPDATE lead_scoring.threshold SET label = %1$L WHERE model = 'crm' AND label = 'hot'; UPDATE lead_scoring.stage SET label = %1$L WHERE model = 'crm' AND name = 'mql'$$),
    ($$UPDATE lead_scoring.rule_group SET name = %1$L WHERE model = 'crm'$$),
    ($$UPDATE crm.crm_adjustment SET reason = %1$L, author = %1$L$$),
    ($$SELECT lead_scoring.apply_template('crm', 'hubspot', jsonb_build_object('title', %1$L::text, 'page_view', %1$L::text), true)$$),
    ($$SELECT lead_scoring.apply_template('crm', %1$L)$$),
    ($$SELECT lead_scoring.import_model(jsonb_set(lead_scoring.export_model('crm'), '{fit_rule,0,condition}', to_jsonb(%1$L::text)))$$),
    ($$SELECT lead_scoring.import_model(jsonb_set(lead_scoring.export_model('crm'), '{model,contacts}', to_jsonb(%1$L::text)))$$),
    ($$SELECT lead_scoring.import_model(jsonb_set(lead_scoring.export_model('crm'), '{model,name}', to_jsonb(left(%1$L, 40))))$$),
    ($$SELECT lead_scoring.import_model(jsonb_set(lead_scoring.export_model('crm'), '{fit_rule,0}', jsonb_build_object(%1$L::text, 1)))$$),
    ($$SELECT lead_scoring.import_model(lead_scoring.export_model('crm') || jsonb_build_object(%1$L::text, '[]'::jsonb))$$),
    ($$SELECT lead_scoring.clone_model('crm', left(%1$L, 40))$$),
    ($$SELECT lead_scoring.compare('crm', %1$L)$$), ($$SELECT lead_scoring.explain('crm', %1$L::text)$$),
    ($$SELECT lead_scoring.reader_grants('crm', %1$L)$$), ($$SELECT lead_scoring.finish_action('crm', 1, false, %1$L)$$);

-- What follows when it was taken: all that writes or runs SQL of it.
CREATE FUNCTION tool.inject(place text, payload text) RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    was bigint := (SELECT last_value + is_called::int FROM tool.called);
    state text;
    one text;
BEGIN
    BEGIN
        PERFORM set_config('role', 'ls_owner', true);
        EXECUTE format(place, payload);
        PERFORM set_config('role', 'none', true);
        FOR one IN SELECT unnest(ARRAY[$q$SELECT lead_scoring.activate('crm', initial_scoring => false)$q$, $q$SELECT count(v.*) FROM crm.crm_scored AS v$q$,
                $q$SELECT lead_scoring.to_sql('crm')$q$, $q$SELECT count(*) FROM lead_scoring.check_model('crm')$q$,
                $q$SELECT count(*) FROM lead_scoring.explain('crm', 1)$q$, $q$SELECT count(v.*) FROM crm.crm_workflow AS v$q$,
                $q$SELECT count(v.*) FROM crm.crm_response AS v$q$, $q$SELECT count(v.*) FROM crm.crm_deals AS v$q$,
                $q$SELECT count(v.*) FROM crm.crm_funnel AS v$q$, $q$SELECT count(*) FROM lead_scoring.preview('crm')$q$,
                $q$SELECT count(*) FROM lead_scoring.compare('crm', 'twin')$q$]) LOOP
            BEGIN
                EXECUTE one;
            EXCEPTION WHEN OTHERS THEN
                -- Refused now is as good as refused before; an error of ours is not.
                IF SQLSTATE IN ('42601', 'XX000') THEN
                    state := concat_ws(' ', state, one, SQLSTATE, SQLERRM);
                END IF;
            END;
        END LOOP;
        RAISE EXCEPTION USING ERRCODE = 'LS000';
    EXCEPTION WHEN OTHERS THEN
        IF SQLSTATE = 'XX000' THEN
            state := concat_ws(' ', state, SQLSTATE, SQLERRM);
        END IF;
    END;
    IF was <> (SELECT last_value + is_called::int FROM tool.called) THEN
        state := concat_ws(' ', state, 'IT RAN');
    END IF;
    RETURN state;
END
$$;
-- Each place with a fourth of the texts, each text in a fourth of the places: time is short.
SELECT is(string_agg(p.text || ' -> ' || i.state, E'\n'), NULL, 'no SQL gets in: ' || place.statement)
  FROM tool.place AS place JOIN tool.payload AS p ON (p.n + place.n) % 4 = 0 CROSS JOIN LATERAL tool.inject(place.statement, p.text) AS i (state)
 GROUP BY place.statement;
SELECT has_table('tool', 'canary', 'nothing was dropped');

SELECT * FROM finish();
SET client_min_messages = error;
DROP SCHEMA crm, evil, tool CASCADE;
DROP OWNED BY ls_owner, ls_viewer, ls_evil CASCADE;
DROP ROLE ls_owner, ls_viewer, ls_evil;
