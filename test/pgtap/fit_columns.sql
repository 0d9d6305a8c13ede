-- fit_score(c, model) without a row: what the planner makes of it gives what the
-- plain call gives, in every shape of query, to everyone; and where the planner
-- leaves the plain call, it is there.
--
-- In a query of tool.shape, fit(...) stands for fit_score, and for a function in
-- plpgsql that calls it with the row at hand: there the planner sees nothing.

\set QUIET on
\set ON_ERROR_STOP on
SET client_min_messages = error;
SET lead_scoring.as_of = '2026-03-01 00:00+00';

SELECT current_setting('server_version_num')::int >= 170000 AS has_17,
       current_setting('server_version_num')::int >= 180000 AS has_18 \gset
SELECT plan(170 + CASE WHEN :'has_17' THEN 4 ELSE 0 END + CASE WHEN :'has_18' THEN 7 ELSE 0 END);

DROP SCHEMA IF EXISTS tool, crm CASCADE;
CREATE ROLE fc_reader;

-- ------------------------------------------------------------------- tools

CREATE SCHEMA tool;
GRANT USAGE ON SCHEMA tool TO PUBLIC;
CREATE FUNCTION tool.plain(contact record, model text) RETURNS float8
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN lead_scoring.fit_score(contact, model);
END
$$;
CREATE FUNCTION tool.plain(contact record, model text, as_of timestamptz) RETURNS float8
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN lead_scoring.fit_score(contact, model, as_of);
END
$$;

CREATE FUNCTION tool.say(query text, fit text) RETURNS text LANGUAGE sql AS $$
    SELECT regexp_replace(query, '\mfit\(', fit || '(', 'g')
$$;

-- All rows of the query in one text, or its error. What it writes is undone.
CREATE FUNCTION tool.outcome(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    rows text;
    detail text;
    hint text;
BEGIN
    EXECUTE format('WITH q AS (%s) SELECT string_agg(coalesce(q::text, ''none''), E''\n'' ORDER BY q::text) FROM q', query)
    INTO rows;
    RAISE EXCEPTION USING ERRCODE = 'LS000', MESSAGE = coalesce(rows, 'nothing');
EXCEPTION
    WHEN SQLSTATE 'LS000' THEN
        RETURN SQLERRM;
    WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
        RETURN concat_ws(E'\n', SQLSTATE, SQLERRM, nullif(detail, ''), nullif(hint, ''));
END
$$;

CREATE FUNCTION tool.plan_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    line text;
    lines text := '';
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (VERBOSE, COSTS OFF) ' || query LOOP
        lines := lines || line || E'\n';
    END LOOP;
    RETURN lines;
END
$$;

-- Is fit_score in the plan in columns, as a plain call, both?
CREATE FUNCTION tool.planned(query text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', CASE WHEN plan ~ 'fit_score_columns\(' THEN 'columns' END,
                     CASE WHEN plan ~ 'fit_score\(' THEN 'plain' END)
      FROM tool.plan_of(query) AS plan
$$;

-- ---------------------------------------------------------------- the model

CREATE SCHEMA crm;
GRANT USAGE ON SCHEMA crm TO PUBLIC;
CREATE TABLE crm.contacts (
    gone1 int,
    id int PRIMARY KEY,
    email text,
    gone2 text,
    title text,
    size int,
    made timestamptz
);
INSERT INTO crm.contacts
SELECT 0, i, CASE WHEN i % 3 > 0 THEN 'a' || i || '@x.example' END, 'gone',
       CASE i % 4 WHEN 0 THEN 'CEO' WHEN 1 THEN 'The ceo of it' WHEN 2 THEN 'Buyer' END,
       CASE WHEN i % 5 > 0 THEN i END, '2026-02-01 00:00+00'::timestamptz + i * interval '1 day'
  FROM generate_series(1, 60) AS i;
ALTER TABLE crm.contacts DROP COLUMN gone1, DROP COLUMN gone2;
ALTER TABLE crm.contacts ADD COLUMN note text DEFAULT 'added later';
-- Out of line, and compressed.
INSERT INTO crm.contacts
SELECT 61, string_agg(md5(i::text), '' ORDER BY i), 'ceo ' || repeat('x', 100000), 7, '2026-02-02 00:00+00', 'long'
  FROM generate_series(1, 1000) AS i;
INSERT INTO crm.contacts (id, note) VALUES (62, NULL);

CREATE FUNCTION tool.add_model(name text, relation regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM lead_scoring.create_model(name, relation, 'id');
    INSERT INTO lead_scoring.fit_rule (model, name, condition, points)
    SELECT add_model.name, v.*
      FROM (VALUES ('boss', $c$title ILIKE '%ceo%'$c$, 1),
                   ('size', $c$size BETWEEN 10 AND 40$c$, 10),
                   ('mail', $c$email IS NULL$c$, 100),
                   ('md5', $c$email LIKE '%c4ca4238%'$c$, 1000),
                   ('note', $c$note = 'added later'$c$, 10000),
                   ('new', $c$made > as_of - interval '10 days'$c$, 100000),
                   ('raw', $c$length(title) + size > 30$c$, 1000000)) AS v;
END
$$;
SELECT tool.add_model('m', 'crm.contacts') \g /dev/null

-- ---------------------------------------------------------------- relations

CREATE VIEW crm.few AS SELECT * FROM crm.contacts WHERE id < 20;
CREATE VIEW crm.loud AS
    SELECT id, upper(email) AS email, upper(title) AS title, size + 1 AS size, made, note
      FROM crm.contacts;
CREATE VIEW crm.few_loud AS SELECT * FROM crm.loud WHERE size > 10;
CREATE VIEW crm.barrier WITH (security_barrier) AS SELECT * FROM crm.contacts WHERE id < 30;
CREATE VIEW crm.limited AS SELECT * FROM crm.contacts ORDER BY id LIMIT 9;
CREATE MATERIALIZED VIEW crm.kept AS SELECT note, made, size, title, email, id FROM crm.contacts;
CREATE VIEW crm.short AS SELECT id, title FROM crm.contacts;
CREATE VIEW crm.other AS SELECT id, email, title, size::bigint AS size, made, note FROM crm.contacts;

CREATE FUNCTION crm.some() RETURNS SETOF crm.contacts LANGUAGE sql STABLE AS $$
    SELECT * FROM crm.contacts WHERE id < 12
$$;
CREATE FUNCTION crm.opaque() RETURNS SETOF crm.contacts LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY SELECT * FROM crm.contacts WHERE id < 12;
    RETURN NEXT NULL;
END
$$;
CREATE FUNCTION crm.one(id int) RETURNS crm.contacts LANGUAGE sql STABLE AS $$
    SELECT c FROM crm.contacts AS c WHERE c.id = one.id
$$;

-- Partitions and children with other column numbers.
CREATE TABLE crm.parted (id int, email text, title text, size int, made timestamptz, note text)
    PARTITION BY RANGE (id);
CREATE TABLE crm.parted_1 PARTITION OF crm.parted FOR VALUES FROM (0) TO (30);
CREATE TABLE crm.parted_2 (gone text, note text, size int, title text, made timestamptz, id int, email text);
ALTER TABLE crm.parted_2 DROP COLUMN gone;
ALTER TABLE crm.parted ATTACH PARTITION crm.parted_2 FOR VALUES FROM (30) TO (1000);
CREATE UNIQUE INDEX ON crm.parted (id);
INSERT INTO crm.parted SELECT id, email, title, size, made, note FROM crm.contacts;
SELECT tool.add_model('p', 'crm.parted') \g /dev/null

CREATE TABLE crm.parent (LIKE crm.contacts INCLUDING ALL);
CREATE TABLE crm.child (more int, note text, size int, title text, made timestamptz, id int NOT NULL, email text);
ALTER TABLE crm.child INHERIT crm.parent;
INSERT INTO crm.parent SELECT * FROM crm.contacts WHERE id < 10;
INSERT INTO crm.child (more, note, size, title, made, id, email)
    SELECT 1, note, size, title, made, id, email FROM crm.contacts WHERE id >= 10;
CREATE TYPE crm.contact AS (id int, email text, title text, size int, made timestamptz, note text);
CREATE TABLE crm.typed OF crm.contact;
INSERT INTO crm.typed SELECT * FROM crm.few;
ANALYZE;

-- ----------------------------------------------------------------- the shapes

CREATE TABLE tool.shape (n int GENERATED ALWAYS AS IDENTITY, query text, planned text);
INSERT INTO tool.shape (query, planned) VALUES
    -- tables
    ($$SELECT id, fit(c, 'm') FROM crm.contacts AS c$$, 'columns'),
    ($$SELECT id, fit(c, 'm', '2026-02-20 00:00+00') FROM crm.contacts AS c$$, 'columns'),
    ($$SELECT id, fit(c, 'm', made) FROM crm.contacts AS c$$, 'columns'),
    ($$SELECT id, fit(c, 'm', nullif(made, '2026-02-03 00:00+00')) FROM crm.contacts AS c$$, 'columns'),
    ($$SELECT id, fit(c, CASE WHEN id % 3 = 0 THEN 'm' WHEN id % 3 = 1 THEN 'p' END) FROM crm.contacts AS c$$, 'columns'),
    ($$SELECT id, fit(c, NULL) FROM crm.contacts AS c$$, ''),
    ($$SELECT i, fit(c, 'm') FROM crm.contacts AS c (i, n, t, s)$$, 'columns'),
    ($$SELECT id FROM crm.contacts AS c WHERE fit(c, 'm') > 100$$, 'columns'),
    ($$SELECT id, fit(c, 'm') FROM crm.contacts AS c ORDER BY fit(c, 'm') DESC, id LIMIT 7$$, 'columns'),
    ($$SELECT id, fit(c, 'm') FROM ONLY crm.parent AS c$$, 'columns'),
    ($$SELECT id, fit(c, 'm') FROM crm.typed AS c$$, 'columns'),
    ($$SELECT id, fit(c, 'm') FROM crm.kept AS c$$, 'columns'),
    ($$SELECT id, fit(c, 'm') FROM crm.contacts AS c TABLESAMPLE SYSTEM (100)$$, 'columns'),
    ($$SELECT ctid, tableoid, fit(c, 'm') FROM crm.contacts AS c$$, 'columns'),
    -- partitions, inheritance
    ($$SELECT id, fit(c, 'p') FROM crm.parted AS c$$, 'columns'),
    ($$SELECT id, fit(c, 'p') FROM crm.parted_2 AS c$$, 'columns'),
    ($$SELECT id, fit(c, 'm') FROM crm.parent AS c$$, 'columns'),
    ($$SELECT id, fit(c, 'm') FROM crm.child AS c$$, 'columns'),
    ($$SELECT id, fit(c::crm.parent, 'm') FROM crm.child AS c$$, 'plain'),
    -- views, subqueries, functions
    ($$SELECT id, fit(c, 'm') FROM crm.few AS c$$, 'columns'),
    ($$SELECT id, fit(c, 'm') FROM crm.loud AS c$$, 'columns'),
    ($$SELECT id, fit(c, 'm') FROM crm.few_loud AS c$$, 'columns'),
    ($$SELECT id, fit(c, 'm') FROM crm.barrier AS c WHERE fit(c, 'm') > 1$$, 'columns'),
    ($$SELECT id, fit(c, 'm') FROM crm.limited AS c$$, 'columns'),
    ($$SELECT id, fit(c, 'm') FROM (SELECT * FROM crm.contacts WHERE size > 3) AS c$$, 'columns'),
    ($$SELECT id, fit(c, 'm') FROM (SELECT * FROM crm.contacts OFFSET 0) AS c$$, 'columns'),
    ($$SELECT fit(c, 'm') FROM (SELECT 1 AS n, id, email, title, size, made, note, 'x'::text AS title FROM crm.contacts) AS c$$, 'columns'),
    ($$SELECT id, fit(c, 'm') FROM (SELECT DISTINCT note, made, email, size, id, title FROM crm.contacts) AS c$$, 'columns'),
    ($$SELECT id, fit(c, 'm') FROM (SELECT c, id FROM crm.contacts AS c) AS s$$, 'columns'),
    ($$SELECT id, fit(c, 'm') FROM (SELECT c, id FROM crm.contacts AS c OFFSET 0) AS s$$, 'plain'),
    ($$SELECT fit(u, 'm') FROM (SELECT * FROM crm.few UNION ALL SELECT * FROM crm.loud) AS u$$, 'columns'),
    ($$SELECT f FROM (SELECT fit(a, 'm') AS f FROM crm.few AS a UNION ALL SELECT fit(b, 'm') FROM crm.loud AS b) AS u$$, 'columns'),
    ($$SELECT fit(u, 'm') FROM (SELECT * FROM crm.few UNION SELECT * FROM crm.loud) AS u$$, 'columns'),
    ($$WITH c AS (SELECT * FROM crm.contacts) SELECT id, fit(c, 'm') FROM c$$, 'columns'),
    ($$WITH c AS MATERIALIZED (SELECT * FROM crm.contacts) SELECT id, fit(c, 'm') FROM c$$, 'columns'),
    ($$SELECT fit(v, 'm') FROM (VALUES (1, 'c4ca4238', 'CEO', 20, '2026-02-28'::timestamptz, 'x'), (2, NULL, NULL, 3, NULL, NULL)) AS v (id, email, title, size, made, note)$$, 'columns'),
    ($$SELECT id, fit(c, 'm') FROM crm.some() AS c$$, 'columns'),
    ($$SELECT id, fit(c, 'm') FROM crm.opaque() AS c$$, 'columns'),
    ($$SELECT id, fit(c, 'm') FROM crm.opaque() WITH ORDINALITY AS c$$, 'columns'),
    ($$SELECT id, fit(c, 'm') FROM crm.one(4) AS c$$, 'columns'),
    ($$SELECT fit(crm.one(4), 'm')$$, 'plain'),
    ($$SELECT fit(ROW(1, 'x', 'CEO', 20, now(), 'n')::crm.contacts, 'm')$$, 'columns'),
    ($$SELECT fit(ROW(NULL, NULL, NULL, NULL, NULL, NULL)::crm.contacts, 'm')$$, 'plain'),
    ($$SELECT fit(NULL::crm.contacts, 'm')$$, ''),
    ($$SELECT fit(ROW(1, 'x', 'CEO'), 'm')$$, 'plain'),
    -- LATERAL, subqueries that look outside
    ($$SELECT id, f FROM crm.contacts AS c, LATERAL (SELECT fit(c, 'm') AS f) AS l$$, 'columns'),
    ($$SELECT id, f FROM crm.contacts AS c, LATERAL (SELECT fit(c, 'm') AS f OFFSET 0) AS l$$, 'plain'),
    ($$SELECT id, f FROM crm.contacts AS c, LATERAL fit(c, 'm') AS f$$, 'columns'),
    ($$SELECT id, f FROM crm.loud AS c, LATERAL fit(c, 'm') AS f$$, 'columns'),
    ($$SELECT c.id, f FROM crm.few AS x LEFT JOIN crm.loud AS c ON c.id = x.id + 17, LATERAL fit(c, 'm') AS f$$, 'plain'),
    ($$SELECT x.id, s.f FROM crm.few AS x LEFT JOIN (SELECT c.id, f FROM crm.contacts AS c, LATERAL fit(c, 'm') AS f) AS s ON s.id = x.id + 50$$, 'columns'),
    ($$SELECT id, (SELECT fit(c, 'm')) FROM crm.contacts AS c$$, 'plain'),
    ($$SELECT id, (SELECT max(fit(d, 'm')) FROM crm.few AS d WHERE d.id < c.id) FROM crm.few AS c$$, 'columns'),
    ($$SELECT id FROM crm.contacts AS c WHERE EXISTS (SELECT FROM crm.few AS d WHERE d.id = c.id AND fit(d, 'm') > 100 AND fit(c, 'm') > 100)$$, 'columns'),
    ($$SELECT id FROM crm.contacts AS c WHERE NOT EXISTS (SELECT FROM crm.few AS d WHERE d.id = c.id AND fit(d, 'm') > 100)$$, 'columns'),
    ($$SELECT id FROM crm.contacts AS c WHERE fit(c, 'm') IN (SELECT fit(d, 'm') FROM crm.few AS d)$$, 'columns'),
    -- joins
    ($$SELECT c.id, fit(c, 'm'), fit(d, 'p') FROM crm.contacts AS c JOIN crm.parted AS d ON d.id = c.size$$, 'columns'),
    ($$SELECT x.id, fit(c, 'm') FROM crm.few AS x LEFT JOIN crm.contacts AS c ON c.id = x.id + 50$$, 'plain'),
    ($$SELECT x.id, fit(x, 'm') FROM crm.few AS x LEFT JOIN crm.contacts AS c ON c.id = x.id + 50$$, 'columns'),
    ($$SELECT x.id, fit(c, 'm') FROM crm.contacts AS c RIGHT JOIN crm.few AS x ON c.id = x.id + 50$$, 'plain'),
    ($$SELECT x.id, fit(x, 'm'), fit(c, 'm') FROM crm.few AS x FULL JOIN crm.contacts AS c ON c.id = x.id + 50$$, 'plain'),
    ($$SELECT x.id FROM crm.few AS x LEFT JOIN crm.contacts AS c ON c.id = x.id + 50 WHERE fit(c, 'm') > 1$$, 'plain'),
    ($$SELECT x.id, c.id FROM crm.few AS x LEFT JOIN crm.contacts AS c ON c.id = x.id + 50 AND fit(x, 'm') > 1$$, 'columns'),
    ($$SELECT x.id, s.f FROM crm.few AS x LEFT JOIN (SELECT c.id, fit(c, 'm') AS f FROM crm.contacts AS c) AS s ON s.id = x.id + 50$$, 'plain'),
    ($$SELECT x.id, s.f FROM crm.few AS x LEFT JOIN (SELECT c.id, fit(c, 'm') AS f FROM crm.contacts AS c OFFSET 0) AS s ON s.id = x.id + 50$$, 'columns'),
    ($$SELECT x.id, fit(v, 'm') FROM crm.few AS x LEFT JOIN crm.loud AS v ON v.id = x.id + 50$$, 'plain'),
    ($$SELECT x.id, fit(v, 'm') FROM crm.few AS x LEFT JOIN crm.limited AS v ON v.id = x.id$$, 'plain'),
    ($$SELECT x.id, s.f FROM crm.few AS x LEFT JOIN (SELECT a.id, fit(a, 'm') AS f FROM crm.few AS a UNION ALL SELECT b.id, fit(b, 'm') FROM crm.loud AS b) AS s ON s.id = x.id + 50$$, 'columns'),
    ($$SELECT fit(j, 'm') FROM (crm.contacts AS c JOIN (SELECT 1 AS one) AS o ON true) AS j$$, 'columns'),
    ($$SELECT fit(c, 'm') FROM (SELECT FROM generate_series(1, 2)) AS g LEFT JOIN (SELECT * FROM crm.few) AS c ON false$$, 'plain'),
    -- aggregates and windows
    ($$SELECT sum(fit(c, 'm')), count(*) FILTER (WHERE fit(c, 'm') > 1) FROM crm.contacts AS c$$, 'columns'),
    ($$SELECT title, avg(fit(c, 'm')) FROM crm.contacts AS c GROUP BY title HAVING max(fit(c, 'm')) > 1$$, 'columns'),
    ($$SELECT fit(c, 'm'), count(*) FROM crm.contacts AS c GROUP BY 1$$, 'columns'),
    ($$SELECT fit(c, 'm'), count(*) FROM crm.contacts AS c, generate_series(1, 2) GROUP BY c.id$$, 'columns'),
    ($$SELECT title, fit(c, 'm'), count(*) FROM crm.contacts AS c GROUP BY GROUPING SETS ((c, title), (title), ())$$, 'plain'),
    ($$SELECT fit(c, 'm'), count(*) FROM crm.contacts AS c GROUP BY ROLLUP (fit(c, 'm'))$$, 'plain'),
    ($$SELECT id, rank() OVER (PARTITION BY title ORDER BY fit(c, 'm')) FROM crm.contacts AS c$$, 'columns'),
    ($$SELECT DISTINCT ON (title) title, fit(c, 'm') FROM crm.contacts AS c ORDER BY title, fit(c, 'm') DESC$$, 'columns'),
    ($$SELECT DISTINCT fit(c, 'm') FROM crm.contacts AS c$$, 'columns'),
    ($$SELECT fit(c, 'm') FROM crm.few AS c UNION SELECT fit(c, 'm') FROM crm.loud AS c$$, 'columns'),
    ($$SELECT id, fit(c, 'm'), row_to_json(c)::text, c::text FROM crm.contacts AS c$$, 'columns'),
    -- writes
    ($$INSERT INTO crm.contacts AS c (id, title) VALUES (100, 'CEO') RETURNING fit(c, 'm')$$, 'columns'),
    ($$INSERT INTO crm.parted AS c (id, title) VALUES (10000 % 999, 'CEO'), (99, 'CEO'), (101, 'ceo') RETURNING id, fit(c, 'p')$$, 'columns'),
    ($$UPDATE crm.contacts AS c SET title = 'ceo', size = 20 WHERE fit(c, 'm') < 100 RETURNING id, fit(c, 'm')$$, 'columns'),
    ($$UPDATE crm.contacts AS c SET size = fit(c, 'm') / 1e5 FROM crm.parted AS d WHERE d.id = c.id RETURNING c.id, fit(c, 'm'), fit(d, 'p')$$, 'columns'),
    ($$UPDATE crm.parted AS c SET id = 70 - id, title = 'ceo' WHERE id BETWEEN 20 AND 25 RETURNING id, fit(c, 'p')$$, 'columns'),
    ($$UPDATE crm.few AS c SET title = 'ceo' RETURNING id, fit(c, 'm')$$, 'columns'),
    ($$UPDATE crm.parent AS c SET size = 20 RETURNING id, fit(c, 'm')$$, 'columns'),
    ($$DELETE FROM crm.contacts AS c WHERE fit(c, 'm') > 100 RETURNING id, fit(c, 'm')$$, 'columns'),
    ($$DELETE FROM crm.parted AS c RETURNING id, fit(c, 'p')$$, 'columns'),
    ($$INSERT INTO crm.contacts AS c (id, title) VALUES (1, 'CEO'), (2, 'x') ON CONFLICT (id) DO UPDATE SET size = fit(c, 'm') / 1e5, title = excluded.title WHERE fit(c, 'm') > 0 RETURNING id, size, fit(c, 'm')$$, 'columns'),
    ($$INSERT INTO crm.parted AS c (id, title) VALUES (1, 'CEO'), (41, 'x') ON CONFLICT (id) DO UPDATE SET size = fit(c, 'p') / 1e5, title = excluded.title RETURNING id, size, fit(c, 'p')$$, 'columns'),
    ($$INSERT INTO crm.contacts AS c (id, title) VALUES (1, 'CEO'), (2, 'x') ON CONFLICT (id) DO UPDATE SET size = fit(excluded, 'm') RETURNING id, size$$, ''), -- not shown
    ($$SELECT id, fit(c, 'm') FROM crm.contacts AS c WHERE id < 9 FOR UPDATE$$, 'columns'),
    -- errors
    ($$SELECT fit(c, 'none') FROM crm.contacts AS c$$, 'columns'),
    ($$SELECT fit(c, repeat('x', 100)) FROM crm.contacts AS c$$, 'columns'),
    ($$SELECT fit(c, 'm') FROM crm.short AS c$$, 'columns'),
    ($$SELECT fit(c, 'm') FROM crm.other AS c$$, 'columns'),
    ($$SELECT fit(c, 'none') FROM crm.contacts AS c WHERE false$$, 'columns');
\if :has_17
-- Either side may be missing.
INSERT INTO tool.shape (query, planned) VALUES
    ($$MERGE INTO crm.parted AS c USING (VALUES (5), (300)) AS s (id) ON c.id = s.id
       WHEN MATCHED THEN UPDATE SET title = 'ceo'
       WHEN NOT MATCHED THEN INSERT (id, title) VALUES (s.id, 'ceo')
       RETURNING merge_action(), c.id, fit(c, 'p')$$, 'plain'),
    ($$MERGE INTO crm.parted AS c USING crm.few AS s ON c.id = s.id + 10
       WHEN MATCHED THEN DELETE
       WHEN NOT MATCHED BY SOURCE THEN UPDATE SET size = 20
       WHEN NOT MATCHED THEN INSERT (id, title) VALUES (s.id + 300, s.title)
       RETURNING merge_action(), c.id, fit(c, 'p'), fit(s, 'm')$$, 'plain'),
    ($$MERGE INTO crm.parted AS c USING crm.contacts AS s ON c.id = s.id + 10
       WHEN MATCHED AND fit(s, 'm') > fit(c, 'p') THEN DO NOTHING
       WHEN MATCHED THEN UPDATE SET size = fit(s, 'm') / 1e5
       WHEN NOT MATCHED BY SOURCE AND fit(c, 'p') > 100 THEN DELETE
       RETURNING merge_action(), c.*$$, ''), -- not shown
    ($$MERGE INTO crm.few AS c USING crm.loud AS s ON c.id = s.id
       WHEN MATCHED THEN UPDATE SET size = s.size
       RETURNING c.id, fit(c, 'm'), fit(s, 'm')$$, 'plain');
\endif

SELECT is(tool.outcome(tool.say(query, 'lead_scoring.fit_score')), tool.outcome(tool.say(query, 'tool.plain')), query)
  FROM tool.shape ORDER BY n;
SELECT is(string_agg(format('%s: %s', query, found), E'\n'), NULL, 'plans are in columns where they should be')
  FROM (SELECT query, planned, tool.planned(tool.say(query, 'lead_scoring.fit_score')) AS found
          FROM tool.shape) AS s
 WHERE found <> planned;
SELECT isnt(tool.outcome($$SELECT lead_scoring.fit_score(c, 'm') FROM crm.contacts AS c$$),
            tool.outcome($$SELECT lead_scoring.fit_score(c, 'm', '2026-04-01 00:00+00') FROM crm.contacts AS c$$),
            'the moment counts');
-- Under other plans the same.
CREATE FUNCTION tool.all_outcomes(fit text) RETURNS text LANGUAGE sql AS $$
    SELECT md5(string_agg(tool.outcome(tool.say(query, fit)), E'\n' ORDER BY n)) FROM tool.shape
$$;
SELECT tool.all_outcomes('tool.plain') AS expected \gset
CREATE TABLE tool.setting (name text, value text);
INSERT INTO tool.setting VALUES ('enable_hashjoin', 'off'), ('enable_nestloop', 'off'), ('enable_mergejoin', 'off'),
    ('enable_hashagg', 'off'), ('enable_partitionwise_join', 'on'), ('enable_partitionwise_aggregate', 'on'),
    ('join_collapse_limit', '1'), ('jit_above_cost', '0'), ('lead_scoring.as_of', '2026-03-01 00:00+00');
DO $$
DECLARE
    setting tool.setting;
BEGIN
    CREATE TABLE tool.under (name text, found text);
    FOR setting IN SELECT * FROM tool.setting LOOP
        PERFORM set_config(setting.name, setting.value, false);
        INSERT INTO tool.under SELECT setting.name, tool.all_outcomes('lead_scoring.fit_score');
        EXECUTE 'RESET ' || CASE setting.name WHEN 'lead_scoring.as_of' THEN 'work_mem' ELSE setting.name END;
    END LOOP;
END
$$;
SELECT is(found, :'expected', 'all the same with ' || name) FROM tool.under;

SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
ALTER TABLE crm.contacts SET (parallel_workers = 2);
SELECT matches(tool.plan_of($$SELECT sum(lead_scoring.fit_score(c, 'm')) FROM crm.contacts AS c$$),
               'Gather.*Partial Aggregate.*fit_score_columns', 'workers score in columns');
SELECT is(tool.all_outcomes('lead_scoring.fit_score'), :'expected', 'all the same in parallel');
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;
ALTER TABLE crm.contacts RESET (parallel_workers);

-- MERGE may show a row that is not there: it stays as it is.
CREATE FUNCTION tool.merged(fit text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE tool.say($q$MERGE INTO crm.contacts AS c USING crm.few AS x ON c.id = x.id + 50 AND fit(c, 'm') > 1
        WHEN MATCHED AND fit(c, 'm') > 100 THEN DELETE
        WHEN MATCHED THEN UPDATE SET size = fit(x, 'm') / 1e5
        WHEN NOT MATCHED AND fit(x, 'm') > 1 THEN INSERT (id, size) VALUES (x.id + 500, 0)$q$, fit);
    RETURN tool.outcome('SELECT * FROM crm.contacts');
END
$$;
BEGIN;
SELECT md5(tool.merged('tool.plain')) AS merged \gset
ROLLBACK;
BEGIN;
SELECT is(md5(tool.merged('lead_scoring.fit_score')), :'merged', 'MERGE');
ROLLBACK;
SELECT is(tool.planned($$MERGE INTO crm.contacts AS c USING crm.few AS x ON c.id = x.id AND lead_scoring.fit_score(c, 'm') > 0
                         WHEN MATCHED THEN DELETE$$), 'plain', 'MERGE stays as it is');

-- ------------------------------------------------------------- generic plans

SET plan_cache_mode = force_generic_plan;
PREPARE scores (text) AS
    SELECT string_agg(id || ' ' || lead_scoring.fit_score(c, $1), ',' ORDER BY id) AS scores FROM crm.few AS c;
PREPARE plain (text) AS
    SELECT string_agg(id || ' ' || tool.plain(c, $1), ',' ORDER BY id) AS scores FROM crm.few AS c;
CREATE FUNCTION tool.same(what text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    scores text;
    expected text;
BEGIN
    EXECUTE $q$EXECUTE scores ('m')$q$ INTO scores;
    EXECUTE $q$EXECUTE plain ('m')$q$ INTO expected;
    RETURN is(scores, expected, 'prepared: ' || what);
END
$$;
SELECT matches(tool.plan_of($$EXECUTE scores ('m')$$), 'fit_score_columns\(.*\$1', 'a generic plan is in columns');
SELECT tool.same('at first');
UPDATE lead_scoring.fit_rule SET points = 2 WHERE model = 'm' AND name = 'boss';
SELECT tool.same('after other points');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('m', 'id', 'id % 2 = 0', 0.5);
SELECT tool.same('after a rule about another column');
DELETE FROM lead_scoring.fit_rule WHERE model = 'm' AND name IN ('id', 'note');
SELECT tool.same('after rules are gone');
ALTER TABLE crm.contacts ADD COLUMN more int DEFAULT 3;
SELECT tool.same('after a new column');
ALTER TABLE crm.contacts DROP COLUMN more;
SELECT tool.same('after it is gone again');

-- `title` and `note` change places, then one of them goes and comes back.
PREPARE scores_of_table AS SELECT id, lead_scoring.fit_score(c, 'm') FROM crm.contacts AS c;
CREATE FUNCTION tool.of_table() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    rows text;
BEGIN
    CREATE TEMP TABLE found AS EXECUTE scores_of_table;
    SELECT string_agg(f::text, E'\n' ORDER BY f::text) INTO rows FROM found AS f;
    DROP TABLE found;
    RETURN rows;
END
$$;
SELECT is(tool.of_table(), tool.outcome($$SELECT id, tool.plain(c, 'm') FROM crm.contacts AS c$$), 'prepared: a table');
ALTER TABLE crm.contacts RENAME COLUMN note TO title2;
ALTER TABLE crm.contacts RENAME COLUMN title TO note;
ALTER TABLE crm.contacts RENAME COLUMN title2 TO title;
SELECT is(tool.of_table(), tool.outcome($$SELECT id, tool.plain(c, 'm') FROM crm.contacts AS c$$),
          'prepared: columns go by their names when these change places');
ALTER TABLE crm.contacts DROP COLUMN title CASCADE;
SELECT throws_like('SELECT tool.of_table()', '%"title"%', 'prepared: a column that a rule needs is gone');
ALTER TABLE crm.contacts ADD COLUMN title text DEFAULT 'ceo';
SELECT is(tool.of_table(), tool.outcome($$SELECT id, tool.plain(c, 'm') FROM crm.contacts AS c$$),
          'prepared: it is back, in another place');
RESET plan_cache_mode;

-- In plpgsql, where the model changes from call to call.
CREATE FUNCTION tool.each_model(names text[]) RETURNS float8[] LANGUAGE plpgsql AS $$
DECLARE
    scores float8[];
    name text;
    score float8;
BEGIN
    FOREACH name IN ARRAY names LOOP
        score := lead_scoring.fit_score(ROW(1, NULL, 'CEO', 20, now(), 'n')::crm.parted, name);
        scores := scores || score;
    END LOOP;
    RETURN scores;
END
$$;
SELECT tool.add_model('q', 'crm.parted') \g /dev/null
UPDATE lead_scoring.fit_rule SET points = 7 WHERE model = 'q' AND name = 'boss';
SELECT is(tool.each_model('{p,q,NULL,p}'), '{100111,100117,NULL,100111}', 'each call has its own model');

-- -------------------------------------------------------------- many columns

SELECT format('CREATE TABLE crm.wide%s (id int PRIMARY KEY, %s)', n,
              (SELECT string_agg(format('c%s int', i), ', ') FROM generate_series(2, n) AS i))
  FROM unnest(ARRAY[97, 98]) AS n \gexec
INSERT INTO crm.wide97 (id, c97) VALUES (1, 5);
INSERT INTO crm.wide98 (id, c97) VALUES (1, 5);
SELECT lead_scoring.create_model('wide', 'crm.wide97', 'id') \g /dev/null
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('wide', 'last', 'c97 = 5', 3);
SELECT is(lead_scoring.fit_score(c, 'wide'), 3::float8, 'a row of 97 columns') FROM crm.wide97 AS c;
SELECT is(lead_scoring.fit_score(c, 'wide'), 3::float8, 'a row of 98 columns') FROM crm.wide98 AS c;
SELECT is(tool.planned($$SELECT lead_scoring.fit_score(c, 'wide') FROM crm.wide97 AS c$$), 'columns',
          'as many columns as a call has arguments');
SELECT is(tool.planned($$SELECT lead_scoring.fit_score(c, 'wide') FROM crm.wide98 AS c$$), 'plain',
          'one too many');

-- --------------------------------------------- one value, read by several rules

CREATE TABLE crm.tagged (id int PRIMARY KEY, tags text[]);
INSERT INTO crm.tagged VALUES (1, '{a}'), (2, NULL), (3, '{}');
CREATE VIEW crm.more_tags AS
    SELECT id, array_append(array_append(tags, 'b'), 'c') AS tags FROM crm.tagged;
SELECT lead_scoring.create_model('tags', 'crm.tagged', 'id') \g /dev/null
INSERT INTO lead_scoring.fit_rule (model, name, condition, points)
SELECT 'tags', i::text, $$cardinality(array_append(tags, 'd')) = 4$$, 1 FROM generate_series(1, 3) AS i;
SELECT is(array_agg(lead_scoring.fit_score(c, 'tags') ORDER BY id), array_agg(tool.plain(c, 'tags') ORDER BY id),
          'no rule changes what the next one reads')
  FROM crm.more_tags AS c;
SELECT is(tool.planned($$SELECT lead_scoring.fit_score(c, 'tags') FROM crm.more_tags AS c$$), 'columns',
          'where it is passed in columns');

-- -------------------------------------------------------- outside of queries

SELECT throws_ok($$CREATE INDEX ON crm.contacts (lead_scoring.fit_score(contacts, 'm'))$$, '42P17', NULL,
                 'no index on a score: it is not immutable');
SET constraint_exclusion = on;
CREATE TABLE crm.checked (id int PRIMARY KEY, email text, title text, size int, made timestamptz, note text);
ALTER TABLE crm.checked ADD CHECK (lead_scoring.fit_score(checked, 'p') < 1000000);
SELECT lives_ok($$INSERT INTO crm.checked (id, email) VALUES (1, 'x')$$, 'a CHECK calls it plainly');
SELECT throws_ok($$INSERT INTO crm.checked VALUES (4, 'x', repeat('y', 30), 9)$$, '23514', NULL,
                 'and is obeyed');
SELECT is((SELECT array_agg(c.id) FROM crm.contacts AS x, crm.checked AS c WHERE x.id = c.id), '{1}',
          'a plan may look at it');
RESET constraint_exclusion;
CREATE FUNCTION tool.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'refused' USING ERRCODE = 'LS001';
END
$$;
CREATE TRIGGER refuse BEFORE INSERT ON crm.checked FOR EACH ROW
    WHEN (lead_scoring.fit_score(NEW, 'p') > 99) EXECUTE FUNCTION tool.refuse();
SELECT lives_ok($$INSERT INTO crm.checked (id, email) VALUES (5, 'x')$$, 'a trigger''s WHEN calls it: 0');
SELECT throws_ok($$INSERT INTO crm.checked (id) VALUES (6)$$, 'LS001', NULL, 'and 100');
CREATE VIEW crm.scored AS SELECT id, lead_scoring.fit_score(c, 'm') AS fit FROM crm.contacts AS c;
SELECT matches(pg_get_viewdef('crm.scored'), 'lead_scoring.fit_score\(c\.\*, ''m''', 'a view keeps what was written');

-- ----------------------------------------------------------------- privileges

GRANT SELECT (id, title), INSERT, UPDATE ON crm.contacts TO fc_reader;
GRANT USAGE ON SCHEMA lead_scoring TO fc_reader;
GRANT SELECT ON crm.parted TO fc_reader;
CREATE FUNCTION tool.outcome_for(role name, query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found text;
BEGIN
    PERFORM set_config('role', role, true);
    found := tool.outcome(query);
    PERFORM set_config('role', 'none', true);
    RETURN found;
END
$$;
SELECT is(tool.outcome_for('fc_reader', query), E'42501\npermission denied for table contacts',
          'the whole row needs SELECT on all columns: ' || query)
  FROM (VALUES ($$SELECT lead_scoring.fit_score(c, 'm') FROM crm.contacts AS c$$),
               ($$SELECT id FROM crm.contacts AS c WHERE lead_scoring.fit_score(c, 'm') > 0$$),
               ($$INSERT INTO crm.contacts AS c (id) VALUES (900) RETURNING lead_scoring.fit_score(c, 'm')$$)) AS v (query);
GRANT SELECT ON crm.contacts TO fc_reader;
ALTER TABLE crm.contacts ENABLE ROW LEVEL SECURITY;
CREATE POLICY low ON crm.contacts TO fc_reader USING (id < 5);
SELECT is(tool.outcome_for('fc_reader', $$SELECT id, lead_scoring.fit_score(c, 'm') FROM crm.contacts AS c$$),
          tool.outcome($$SELECT id, tool.plain(c, 'm') FROM crm.contacts AS c WHERE id < 5$$),
          'row-level security decides which rows are seen');
-- A rule that raises on what is hidden is not reached.
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('m', 'secret', '1 / (id - 7) > 0', 1);
SELECT is(tool.outcome_for('fc_reader', $$SELECT count(*) FROM crm.contacts AS c WHERE lead_scoring.fit_score(c, 'm') >= 0$$),
          '(4)', 'and comes first');
CREATE FUNCTION tool.place(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    place text;
BEGIN
    EXECUTE query;
    RETURN '';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS place = PG_EXCEPTION_CONTEXT;
    RETURN concat_ws(' ', SQLSTATE, split_part(place, E'\n', 1));
END
$$;
SELECT is(tool.place(format('SELECT %s(c, %L) FROM crm.contacts AS c', fit, 'm')), '22012 fit rule "secret" of model "m"',
          'a rule that raises is named: ' || fit)
  FROM unnest(ARRAY['lead_scoring.fit_score', 'tool.plain']) AS fit;
DELETE FROM lead_scoring.fit_rule WHERE model = 'm' AND name = 'secret';

-- Who may call one may call the other, or the planner leaves the call alone.
BEGIN;
REVOKE EXECUTE ON FUNCTION lead_scoring.fit_score(record, text) FROM PUBLIC;
SELECT is(tool.outcome_for('fc_reader', $$SELECT lead_scoring.fit_score(c, 'p') FROM crm.parted AS c$$),
          E'42501\npermission denied for function fit_score', 'a revoked fit_score stays revoked');
ROLLBACK;
BEGIN;
REVOKE EXECUTE ON FUNCTION lead_scoring.fit_score_columns FROM PUBLIC;
SELECT is(tool.planned($$SELECT lead_scoring.fit_score(c, 'p') FROM crm.parted AS c$$), 'plain',
          'a revoked fit_score_columns is not needed');
ROLLBACK;
PREPARE scores_of_parted AS SELECT max(lead_scoring.fit_score(c, 'p')) FROM crm.parted AS c;
SELECT lives_ok('EXECUTE scores_of_parted', 'prepared, then revoked');
REVOKE EXECUTE ON FUNCTION lead_scoring.fit_score(record, text) FROM PUBLIC;
SET ROLE fc_reader;
SELECT throws_ok('EXECUTE scores_of_parted', '42501', NULL, 'the plan is made anew');
RESET ROLE;
GRANT EXECUTE ON FUNCTION lead_scoring.fit_score(record, text) TO PUBLIC;

-- -------------------------------------------- called by hand, with nonsense

CREATE TABLE tool.nonsense (call text, expected text);
INSERT INTO tool.nonsense VALUES
    ($$'{id,email,title,size,made}', 'p', now(), 1, NULL::text, 'CEO'::text, 20, now()$$, '42703'),
    ($$'{id,email,title,size,made,note}', 'p', now(), 1, NULL::text, 'CEO'::text, 20, now(), 'x'::text$$, 'ok'),
    ($$'{note,made,size,title,email,id}', 'p', now(), 'x'::text, now(), 20, 'CEO'::text, NULL::text, 1$$, 'ok'),
    ($$'{note,made,size,title,email,id}', 'p', now(), 1, 'CEO'::text, NULL::text, 20, now(), 'x'::text$$, '42804'),
    ($$'{id,email,title,size,made,note}', 'p', now(), 1, 2, 3, 4, 5, 6$$, '42804'),
    ($$'{id,email,title,size,made,note}', 'p', now(), 1, NULL, 'CEO', 20, NULL, 'x'$$, '42804'),
    ($$'{id,email,title,size,made,note}', 'p', now(), 1$$, '22023'),
    ($$'{id}', 'p', now(), 1, 2$$, '22023'),
    ($$'{}', 'p', now(), 1$$, '22023'),
    ($$NULL, 'p', now(), 1$$, '22023'),
    ($$'{NULL}', 'p', now(), 1$$, '22023'),
    ($$'{{id,email},{title,size}}', 'p', now(), 1, ''::text, ''::text, 1$$, '42703'),
    ($$ARRAY[random()::text], 'p', now(), 1$$, '22023'),
    ($$'{tags}', 'tags', now(), ARRAY['x']$$, 'ok'),
    ($$'{tags}', 'tags', now(), VARIADIC ARRAY['x']$$, 'ok'),
    ($$'{tags}', 'tags', now(), VARIADIC ARRAY[1]$$, '42804'),
    ($$'{tags}', 'tags', now(), VARIADIC NULL::text[]$$, 'ok'),
    ($$'{id}', 'none', now(), 1$$, '42704'),
    ($$'{id}', NULL, now(), 1$$, 'null'),
    ($$'{id}', 'p', NULL, 1$$, 'null');
CREATE FUNCTION tool.called(arguments text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    score float8;
BEGIN
    EXECUTE format('SELECT lead_scoring.fit_score_columns(%s)', arguments) INTO score;
    RETURN CASE WHEN score IS NULL THEN 'null' ELSE 'ok' END;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END
$$;
SELECT is(tool.called(call), expected, call) FROM tool.nonsense;

-- -------------------------------------------------------------- PostgreSQL 18

\if :has_18
CREATE TABLE crm.virtual (id int PRIMARY KEY, email text, title text, size int, made timestamptz,
                          note text, twice int GENERATED ALWAYS AS (size * 2) VIRTUAL);
INSERT INTO crm.virtual SELECT id, email, title, size, made, note FROM crm.parted;
SELECT is(tool.outcome(tool.say(query, 'lead_scoring.fit_score')), tool.outcome(tool.say(query, 'tool.plain')), query)
  FROM (VALUES ($$SELECT id, fit(c, 'p') FROM crm.virtual AS c$$),
               ($$INSERT INTO crm.parted AS c (id) VALUES (200) RETURNING fit(old, 'p'), fit(new, 'p')$$),
               ($$UPDATE crm.parted AS c SET title = 'ceo' RETURNING id, fit(old, 'p'), fit(new, 'p')$$),
               ($$DELETE FROM crm.parted AS c RETURNING id, fit(old, 'p'), fit(new, 'p')$$),
               ($$UPDATE crm.virtual AS c SET size = 20 RETURNING id, fit(old, 'p'), fit(new, 'p'), fit(c, 'p')$$),
               ($$SELECT id, fit(c, 'p') FROM crm.virtual AS c GROUP BY c.id, c$$),
               ($$MERGE INTO crm.parted AS c USING crm.virtual AS s ON c.id = s.id + 10
                  WHEN MATCHED THEN DELETE
                  WHEN NOT MATCHED THEN INSERT (id, title) VALUES (s.id + 300, s.title)
                  RETURNING merge_action(), fit(old, 'p'), fit(new, 'p'), fit(s, 'p')$$)) AS v (query);
\endif

DROP OWNED BY fc_reader;
DROP ROLE fc_reader;
SELECT * FROM finish();
