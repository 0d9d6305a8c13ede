-- Names that need quoting, of all that there is about a lifecycle: stages, actions,
-- channels, milestones, lookups, deals, segments; in queries, views and scripts.

\ir live.psql
\ir life.psql
SET client_min_messages = warning;

SELECT * FROM no_plan();

-- Also such as would be read as placeholders, formats or comments by who writes SQL.
CREATE TABLE odd (number int GENERATED ALWAYS AS IDENTITY, name text);
INSERT INTO odd (name) VALUES
    ('SELECT'), ('Capital Letters'), ('quo"te''s'), ('back\slash\n'), ('100 % %s %I %1$L'), ('$$ $1 $body$ $sql$ $q$'),
    ('dots.and.commas, too'), ('-- comment /* this'), ('*/;'), (E'new\nline\ttab'), ('🚀 Ünï 漢字'),
    ('{people} {model} {zone} {scored} {score}'), ('score'), ('deal'), ('p'), ('s'),
    ('k'), ('{"a": 1}'), ('+3:hot@1 !4:x'), (' leading and trailing '), (repeat('ö', 20)), ('''); DROP TABLE odd; --');

-- make(name): everything is called so.
CREATE PROCEDURE make(n text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE SCHEMA %I', n);
    EXECUTE format('CREATE TABLE %1$I.%2$I (key int PRIMARY KEY, %1$I int, link text, place text)', n, 'contacts ' || n);
    EXECUTE format('CREATE INDEX ON %I.%I (link)', n, 'contacts ' || n);
    EXECUTE format('CREATE TABLE %1$I.%2$I (%1$I text PRIMARY KEY, size int)', n, 'companies ' || n);
    EXECUTE format('CREATE TABLE %1$I.%2$I (whose int, %1$I timestamptz, what text)', n, 'events ' || n);
    EXECUTE format('CREATE INDEX ON %1$I.%2$I (whose)', n, 'events ' || n);
    EXECUTE format('CREATE TABLE %1$I.%2$I (whose int, %1$I numeric, opened timestamptz, closed timestamptz, won boolean)', n, 'deals ' || n);
    PERFORM lead_scoring.create_model(n, format('%I.%I', n, 'contacts ' || n)::regclass, 'key', stage_column => 'place');
    DELETE FROM lead_scoring.stage WHERE model = n;
    INSERT INTO lead_scoring.stage (model, name, label, position, outcome) VALUES
        (n, n, n, 1, NULL), (n, n || ' 2', n, 2, NULL), (n, n || ' 3', NULL, 3, 'won');
    PERFORM lead_scoring.add_event_source(n, format('%I.%I', n, 'events ' || n)::regclass, 'whose', n::name, name => n);
    INSERT INTO lead_scoring.lookup (model, alias, relation, key, contact_column)
    VALUES (n, 'l ' || n, format('%I.%I', n, 'companies ' || n), n, 'link');
    INSERT INTO lead_scoring.rule_group (model, name, dimension, max_points) VALUES (n, n, 'fit', 60), (n, n || ' e', 'engagement', 60);
    INSERT INTO lead_scoring.fit_rule (model, name, group_name, condition, points, description)
    VALUES (n, n, n, format('contact.%I > 5', n), 50, n), (n, n || ' 2', NULL, format('%I.size > 5', 'l ' || n), 10, n);
    INSERT INTO lead_scoring.engagement_rule (model, name, group_name, kind, source, condition, points, dimension)
    VALUES (n, n, n || ' e', 'each', n, format('what = %L', n), 20, 'engagement');
    UPDATE lead_scoring.threshold SET label = n || label WHERE model = n;
    INSERT INTO lead_scoring.milestone (model, name, source, condition) VALUES (n, n, n, format('what = %L', n));
    INSERT INTO lead_scoring.transition (model, from_stage, to_stage, condition, description) VALUES
        (n, n, n || ' 2', format('total >= 50 AND contact.%I > 5', n), n),
        (n, n || ' 2', n || ' 3', format('%L = ANY (milestones) AND stage = %L', n, n || ' 2'), n);
    INSERT INTO lead_scoring.action (model, name, condition, channel, goal, on_edge, payload, description)
    VALUES (n, n, 'total >= 50', n, n, 'change', jsonb_build_object(n, n), n);
    INSERT INTO lead_scoring.deal_source (model, relation, contact_id, amount, created_at, closed_at, won)
    VALUES (n, format('%I.%I', n, 'deals ' || n), 'whose', quote_ident(n), 'opened', 'closed', 'won');
    UPDATE lead_scoring.model SET segments = ARRAY[n, 'place']::name[] WHERE name = n;
    PERFORM lead_scoring.activate(n);
    EXECUTE format('INSERT INTO %I.%I VALUES (%L, 10), (''none'', 1)', n, 'companies ' || n, n);
    EXECUTE format('INSERT INTO %I.%I VALUES (1, 9, %L, %L), (2, 0, NULL, NULL), (3, 9, NULL, %L)', n, 'contacts ' || n, n, n, n);
    EXECUTE format('INSERT INTO %1$I.%2$I VALUES (1, now(), %1$L), (2, now(), %1$L), (1, now(), ''else'')', n, 'events ' || n);
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING '%: %', n, sqlerrm; -- the tests that follow will fail
END
$$;

-- view_errors(model): what reading its views raises.
CREATE FUNCTION view_errors(model text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    target text;
BEGIN
    FOR target IN SELECT name FROM lead_scoring.objects(model) LOOP
        BEGIN
            EXECUTE format('SELECT count(t.*) FROM %s AS t', target);
        EXCEPTION WHEN OTHERS THEN
            RETURN NEXT target || ': ' || sqlerrm;
        END;
    END LOOP;
END
$$;

-- use_all(model): functions that write SQL of their own.
CREATE PROCEDURE use_all(n text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM lead_scoring.preview(n);
    PERFORM lead_scoring.snapshot(n);
    PERFORM lead_scoring.finish_action(n, t.id, true, n) FROM lead_scoring.take_actions(n) AS t;
    PERFORM FROM lead_scoring.explain(n, 1);
    PERFORM FROM lead_scoring.explain_change(n, 1, now() - interval '1 day', now());
    PERFORM FROM lead_scoring.what_next(n, 1);
    EXECUTE format('SELECT count(s.reasons) FROM %s AS s', lead_scoring.object_name(n, 'scored'));
    PERFORM FROM lead_scoring.check_model(n);
    PERFORM lead_scoring.to_sql(n);
    PERFORM lead_scoring.clone_model(n, 'clone');
    PERFORM lead_scoring.activate('clone');
    PERFORM FROM lead_scoring.compare(n, 'clone');
    PERFORM FROM lead_scoring.compare_weeks(n, 'clone');
    PERFORM lead_scoring.deactivate(n);
    PERFORM lead_scoring.promote('clone');
    PERFORM lead_scoring.drop_model('clone');
    PERFORM lead_scoring.activate(n);
    PERFORM FROM lead_scoring.reader_grants(n, n);
    PERFORM FROM lead_scoring.merge_contacts(n, 3::bigint, 1::bigint);
    PERFORM FROM lead_scoring.erase(n, 3::bigint);
    PERFORM FROM lead_scoring.apply_template(n, 'guide');
    PERFORM lead_scoring.deactivate(n);
    PERFORM lead_scoring.activate(n);
    PERFORM lead_scoring.drop_model(n);
EXCEPTION WHEN OTHERS THEN
    RAISE EXCEPTION '%', concat_ws(' ', sqlstate, sqlerrm);
END
$$;

SELECT format(s, name, regexp_replace(name, '\s', ' ', 'g'))
  FROM odd CROSS JOIN LATERAL unnest(ARRAY[
    'CALL make(%1$L)',
    'SELECT lawful(%1$L, %2$L)',
    'SELECT is(replace(moves(%1$L, ''1''), %1$L, ''N''), ''N > N 2 (contact), N 2 > N 3 (contact)'', ''moves of '' || %2$L)',
    'SELECT is(replace(fired(%1$L, ''1''), %1$L, ''N''), ''N enter (contact)'', ''actions of '' || %2$L)',
    'SELECT is(string_agg(e, E''\n''), NULL, ''views of '' || %2$L) FROM view_errors(%1$L) AS e',
    'SELECT is(problems(%1$L), '''', ''no problem of '' || %2$L)',
    'SELECT is(d.n, 1::bigint, ''payload of '' || %2$L) FROM (SELECT count(*) AS n FROM lead_scoring.take_actions(%1$L) WHERE payload ->> %1$L = %1$L AND contact_id = ''1'') AS d',
    'CREATE TEMP TABLE document AS SELECT lead_scoring.export_model(%1$L) AS d',
    'SELECT lives_ok($t$CALL use_all(%1$L)$t$, ''functions on '' || %2$L)',
    'SELECT is((SELECT lead_scoring.import_model(d) FROM document), %1$L, ''import of '' || %2$L)',
    'SELECT is(lead_scoring.export_model(%1$L), d, ''round trip of '' || %2$L) FROM document',
    'DROP TABLE document',
    'DO $do$ BEGIN PERFORM lead_scoring.drop_model(name) FROM lead_scoring.model; END $do$']) WITH ORDINALITY AS t (s, place)
 ORDER BY number, place \gexec

CREATE TABLE plain (id int PRIMARY KEY);
SELECT throws_ok(format('SELECT lead_scoring.create_model(%L, ''plain'', ''id'')', name), '42602', NULL, octet_length(name) || ' bytes are no name')
  FROM unnest(ARRAY['', repeat('x', 41), repeat('ö', 20) || 'x', repeat('x', 10000)]) AS name;

SELECT * FROM finish();
