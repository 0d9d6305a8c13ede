-- What a condition or an event source may be depends on what PostgreSQL can do:
-- collations that ignore case, JSON (16, 17), virtual generated columns (18).

\set QUIET on
\set ON_ERROR_STOP on
SET client_min_messages = error;

SELECT current_setting('server_version_num')::int / 10000 AS major \gset
SELECT :major >= 17 AS has_17, :major >= 18 AS has_18 \gset
SELECT plan(4 + CASE WHEN :'has_17' THEN 27 ELSE 0 END + CASE WHEN :'has_18' THEN 12 ELSE 0 END);

CREATE SCHEMA later;
CREATE COLLATION later.no_case (PROVIDER = icu, LOCALE = 'und-u-ks-level2', DETERMINISTIC = false);
CREATE TYPE later.mood AS ENUM ('hot', 'cold');
CREATE TABLE later.ran (what text);
CREATE FUNCTION later.spy(what text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    INSERT INTO later.ran VALUES (what);
    RETURN true;
END
$$;
CREATE FUNCTION later.to_json(mood later.mood) RETURNS json LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    PERFORM later.spy('the cast');
    RETURN '1';
END
$$;
CREATE CAST (later.mood AS json) WITH FUNCTION later.to_json(later.mood);
CREATE DOMAIN later.word AS text CHECK (later.spy('the domain'));
CREATE TYPE later.pair AS (a later.word);

CREATE TABLE later.contacts (
    id int PRIMARY KEY,
    name text COLLATE later.no_case,
    plain text,
    props jsonb,
    mood later.mood
);
INSERT INTO later.contacts VALUES
    (1, 'Abc', '{"a": 2}', '{"n": 1, "t": "2026-01-02", "now": "now", "q": {"a": "x"}, "ok": true}', 'hot'),
    (2, 'xAB', '[]', '{"n": "none"}', NULL),
    (3, NULL, 'no JSON', NULL, NULL);
SELECT lead_scoring.create_model('m', 'later.contacts', 'id', search_path => 'later, pg_catalog, pg_temp') \g /dev/null

-- try(condition): the contacts it is true of, or its SQLSTATE. to_sql agrees.
CREATE FUNCTION later.try(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    ids text;
    again text;
BEGIN
    DELETE FROM lead_scoring.fit_rule;
    INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('m', 'r', condition, 1);
    SELECT string_agg(id::text, ' ' ORDER BY id) INTO ids
      FROM later.contacts AS c WHERE lead_scoring.fit_score(c, 'm') > 0;
    EXECUTE 'SELECT string_agg(contact_id::text, '' '' ORDER BY contact_id) FROM ('
         || replace(lead_scoring.to_sql('m'), '$1', 'now()') || ') AS s WHERE fit > 0' INTO again;
    RETURN coalesce(ids, 'none') || CASE WHEN again IS DISTINCT FROM ids THEN ', but to_sql: ' || coalesce(again, 'none') ELSE '' END;
EXCEPTION WHEN OTHERS THEN
    RETURN sqlstate;
END
$$;

-- ------------------------------------------ collations that are not by bytes

SELECT is(later.try($$name LIKE 'ab%'$$), CASE WHEN :'has_18' THEN '1' ELSE '0A000' END,
          'LIKE ignores case with its collation where PostgreSQL can');
SELECT is(later.try(condition), '0A000', condition)
  FROM (VALUES ($$name ILIKE 'ab%'$$), ($$name ~ 'ab'$$), ($$name NOT SIMILAR TO 'ab%'$$)) AS v (condition);
\if :has_18
SELECT is(later.try(condition), expected, condition)
  FROM (VALUES ($$name NOT LIKE '%ab%'$$, 'none'), ($$name LIKE ANY ('{ab_,zz}')$$, '1'),
               ($$name LIKE 'ab%' COLLATE "C"$$, 'none')) AS v (condition, expected);
\endif

-- --------------------------------------------------------------------- JSON

\if :has_17
SELECT is(later.try(condition), expected, condition)
  FROM (VALUES
    ($$JSON_VALUE(props, '$.n' RETURNING int) = 1$$, '1'),
    ($$JSON_VALUE(props, '$.n') = 'none'$$, '2'),
    ($$JSON_VALUE(props, '$.ok' RETURNING boolean)$$, '1'),
    ($$coalesce(JSON_VALUE(props, '$.missing' RETURNING numeric NULL ON EMPTY), 7) = 7$$, '1 2 3'),
    ($$CASE WHEN plain IS JSON THEN JSON_VALUE(plain, '$.a') = '2' END$$, '1'),
    ($$JSON_QUERY(props, '$.q') = '{"a": "x"}'$$, '1'),
    ($$JSON_EXISTS(props, '$.q.a')$$, '1'),
    ($$JSON_EXISTS(props, '$.n ? (@ == $id)' PASSING id AS id)$$, '1'),
    ($$JSON_EXISTS(props, '$.t.datetime("YYYY-MM-DD") ? (@ < "2026-02-01".datetime("YYYY-MM-DD"))')$$, '1'),
    ($$plain IS JSON OBJECT$$, '1'),
    ($$plain IS NOT JSON$$, '3'),
    -- depends on the row before
    ($$JSON_VALUE(props, '$.missing' DEFAULT '7' ON EMPTY) = '7'$$, '0A000'),
    ($$JSON_EXISTS(props, 'strict $.q' TRUE ON ERROR)$$, '0A000'),
    -- depends on the session
    ($$JSON_VALUE(props, '$.t' RETURNING date) < '2026-02-01'$$, '0A000'),
    ($$JSON_VALUE(props, '$.now' RETURNING timestamptz) < as_of$$, '0A000'),
    ($$JSON_VALUE(props, '$.t.datetime()') = '2026-01-02'$$, '0A000'),
    ($$JSON_VALUE(props, '$.t.date()' RETURNING varchar) = '2026-01-02'$$, '0A000'),
    ($$JSON_VALUE(props, '$.t')::date < '2026-02-01'$$, '42P17'),
    ($$JSON_EXISTS(props, '$.t.datetime() ? (@ < $x)' PASSING as_of AS x)$$, '42P17'),
    -- what an ordinary role may have written
    ($$JSON_VALUE(props, '$.n' RETURNING word) = '1'$$, '0A000'),
    ($$JSON_QUERY(props, '$.q' RETURNING pair) IS NULL$$, '0A000'),
    ($$JSON_VALUE(props, '$.n' RETURNING text DEFAULT spy('the default')::text ON ERROR) = 'x'$$, '0A000'),
    ($$JSON_EXISTS(props, '$.n ? (@ == $x)' PASSING spy('the argument') AS x)$$, '42501'),
    ($$JSON_OBJECT('mood': mood) IS NOT NULL$$, '0A000'),
    ($$JSON_ARRAY(mood RETURNING jsonb) IS NOT NULL$$, '0A000'),
    ($$JSON_SCALAR(plain) IS NOT NULL$$, '0A000')) AS v (condition, expected);
SELECT is_empty('SELECT what FROM later.ran', 'nothing of the author''s ran');
\endif

-- -------------------------------------------------- virtual generated columns

\if :has_18
CREATE TABLE later.events (
    contact int,
    secs float8,
    at timestamptz GENERATED ALWAYS AS (to_timestamp(secs)) VIRTUAL,
    stored timestamptz GENERATED ALWAYS AS (to_timestamp(secs)) STORED,
    kind text,
    upper_kind text GENERATED ALWAYS AS (upper(kind)) VIRTUAL,
    whose int GENERATED ALWAYS AS (contact) VIRTUAL
);
CREATE VIEW later.events_seen AS SELECT * FROM later.events;
DELETE FROM lead_scoring.fit_rule;
INSERT INTO later.events (contact, secs, kind)
SELECT 1 + i % 2, extract(epoch FROM timestamptz '2026-01-01 00:00+00' + i * interval '1 day'), 'visit'
  FROM generate_series(1, 5) AS i;

-- What a trigger is given has no values for them.
SELECT throws_ok(format('SELECT lead_scoring.add_event_source(%L, %L, %L, %L, %L)', 'm', relation, contact, at, 'e'),
                 '0A000', NULL, what)
  FROM (VALUES ('later.events', 'contact', 'at', 'a moment that is not stored is refused'),
               ('later.events', 'whose', 'stored', 'so is a key')) AS v (relation, contact, at, what);
SELECT lives_ok(format('SELECT lead_scoring.add_event_source(%L, %L, %L, %L, %L)', 'm', relation, contact, at, name), what)
  FROM (VALUES ('later.events', 'contact', 'stored', 'table', 'one that is stored is not'),
               ('later.events_seen', 'whose', 'at', 'view', 'nor what a view computes'))
    AS v (relation, contact, at, name, what);

PREPARE rule(text, text) AS
    INSERT INTO lead_scoring.engagement_rule (model, name, source, kind, condition, points, within, max_count)
    VALUES ('m', $1, $1, 'each', $2, 5, '60 days', 9);
SELECT throws_ok($$EXECUTE rule('table', 'upper_kind IS NULL')$$, '0A000', NULL, 'nor may a rule name one');
SELECT lives_ok($$EXECUTE rule('view', 'upper_kind = upper(kind)')$$, 'but of the view');
SELECT lives_ok($$EXECUTE rule('table', 'kind IS NOT NULL')$$, 'and any other column');

CREATE FUNCTION later.scores(relation regclass, source text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    scores text;
BEGIN
    EXECUTE format($q$
        SELECT string_agg(format('%%s:%%s', contact, lead_scoring.engagement_score(state, moment)), ' ' ORDER BY contact)
          FROM (SELECT contact, moment, lead_scoring.engagement_agg(e, 'm', %L, moment) AS state
                  FROM %s AS e, (SELECT timestamptz '2026-02-01 00:00+00' AS moment) AS m GROUP BY contact, moment) AS s
        $q$, source, relation) INTO scores;
    RETURN scores;
END
$$;
SELECT is(later.scores('later.events', 'table'), '1:10 2:15', 'events of the table count');
SELECT is(later.scores('later.events_seen', 'view'), '1:10 2:15', 'and those of the view');
\endif

SELECT * FROM finish();
