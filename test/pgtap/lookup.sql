-- Lookups in queries: whatever the types of the keys, and whoever asks, fit_score with
-- the contact alone, with its lookups joined, and the model as plain SQL agree.

\ir live.psql
SET client_min_messages = error;

SELECT * FROM no_plan();

-- ------------------------------------------------------------------- tools

-- Fit by three ways, where they differ. No row: they agree.
CREATE FUNCTION ways(model text, contacts regclass) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format($q$
        WITH plain AS MATERIALIZED (SELECT contact_id::text, fit FROM (%1$s) AS p),
        alone AS MATERIALIZED (
            SELECT c.id::text AS contact_id, lead_scoring.fit_score(c.*, %2$L) AS fit FROM %3$s AS c),
        joined AS MATERIALIZED (
            SELECT c.id::text AS contact_id, lead_scoring.fit_score(%4$s, %2$L) AS fit FROM %3$s AS c%5$s)
        SELECT 'alone: ' || d::text FROM (TABLE plain EXCEPT ALL TABLE alone) AS d
        UNION ALL
        SELECT 'joined: ' || d::text FROM (TABLE plain EXCEPT ALL TABLE joined) AS d
        UNION ALL
        SELECT 'too many: ' || d::text FROM (TABLE joined EXCEPT ALL TABLE alone) AS d
        $q$, lead_scoring.to_sql(model), model, contacts,
        lead_scoring.contact_row_sql(model, 'c'), lead_scoring.lookup_joins(model, 'c'))
        USING now();
END
$$;

-- ------------------------------------------------------------ types of keys

-- A company for each value, and contacts of all of them and of none.
CREATE SCHEMA t;
SET search_path = public, t;
CREATE DOMAIN t.number AS int CHECK (VALUE > -1000);
CREATE TYPE t.mood AS ENUM ('cold', 'hot', 'x''y');
CREATE COLLATION t.nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);

-- Whether it is refused, else what is wrong: in queries, and after changes.
CREATE FUNCTION try_types(key_type text, contact_type text, key_values text[], contact_values text[])
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
    found text;
BEGIN
    DROP TABLE IF EXISTS t.company, t.contact CASCADE;
    EXECUTE format('CREATE TABLE t.company (size int, key %s UNIQUE)', key_type);
    EXECUTE format('CREATE TABLE t.contact (company %s, id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY)', contact_type);
    EXECUTE format('INSERT INTO t.company SELECT 10 * n, v::%s FROM unnest($1) WITH ORDINALITY AS u (v, n)',
                   split_part(key_type, ' COLLATE', 1)) USING key_values;
    EXECUTE format('INSERT INTO t.contact (company) SELECT v::%s FROM unnest($1) AS v',
                   split_part(contact_type, ' COLLATE', 1)) USING contact_values;
    PERFORM lead_scoring.create_model('types', 't.contact', 'id');
    PERFORM lead_scoring.add_lookup('types', 'company', 't.company', 'key', 'company');
    INSERT INTO lead_scoring.fit_rule (model, name, condition, points)
    SELECT 'types', 'size ' || s, 'company.size % 37 = ' || s, s FROM generate_series(0, 36) AS s;
    INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES
        ('types', 'none', 'company.size IS NULL', -3);
    PERFORM lead_scoring.activate('types');
    found := concat((SELECT string_agg(d, '; ') FROM ways('types', 't.contact') AS d),
                    (SELECT string_agg(d, '; ') FROM differences('types') AS d));
    UPDATE t.company SET size = size + 1;
    PERFORM lead_scoring.flush();
    found := found || coalesce((SELECT ' updated: ' || string_agg(d, '; ') FROM differences('types') AS d), '');
    SET lead_scoring.apply = 'queue';
    SET DateStyle = 'SQL, DMY';
    SET extra_float_digits = -10;
    UPDATE t.company SET size = size + 1;
    PERFORM lead_scoring.flush();
    RESET lead_scoring.apply;
    RESET DateStyle;
    RESET extra_float_digits;
    CALL lead_scoring.refresh('types', n);
    found := found || coalesce((SELECT ' queued: ' || string_agg(d, '; ') FROM differences('types') AS d), '');
    PERFORM lead_scoring.drop_model('types');
    RETURN found;
EXCEPTION WHEN datatype_mismatch THEN
    RETURN 'refused';
END
$$;
SELECT is(try_types(k, c, kv::text[], coalesce(cv, kv)::text[]), '', format('key %s, contact %s', k, c))
  FROM (VALUES
    ('int', 'int', '{1,2,-5}', '{1,2,-5,4,NULL,1}'),
    ('bigint', 'int', '{1,2,-5,9000000000}', '{1,2,-5,4,NULL,1}'),
    ('int', 'bigint', '{1,2,-5}', '{1,2,9000000000,4294967297,NULL}'),
    ('smallint', 'bigint', '{1,2,-5}', '{1,2,65537,NULL}'),
    ('t.number', 'int', '{1,2,-5}', '{1,2,7,NULL}'),
    ('int', 't.number', '{1,2,-5}', '{1,2,7,NULL}'),
    ('uuid', 'uuid', '{00000000-0000-0000-0000-000000000001,00000000-0000-0000-0000-000000000002}', NULL),
    ('text', 'text', '{a,A," a","",é}', '{a,A," a","",é,E,NULL}'),
    ('varchar(3)', 'text', '{a,A,abc}', '{a,A,abcd,NULL}'),
    ('text', 'varchar', '{a,A,abc}', '{a,A,abcd,NULL}'),
    ('char(4)', 'char(6)', '{a,b}', '{a,"b  ",c,NULL}'),
    ('text COLLATE "C"', 'text', '{a,A}', '{a,A,b}'),
    ('text', 'text COLLATE "C"', '{a,A}', '{a,A,b}'),
    ('text COLLATE t.nocase', 'text', '{abc,def}', '{abc,ABC,Def,x,NULL}'),
    ('text COLLATE t.nocase', 'text COLLATE t.nocase', '{abc,def}', '{abc,ABC,Def,x}'),
    ('numeric', 'numeric', '{1,2.5}', '{1.00,2.5,2.50,NaN,NULL}'),
    ('float8', 'float8', '{0,1.5,0.1,NaN}', '{-0,1.5,0.1,NaN,2}'),
    ('date', 'date', '{2026-02-01,2026-01-02}', '{2026-02-01,2026-01-02,2026-03-03}'),
    ('timestamptz', 'timestamptz', '{2026-02-01 10:00+02,infinity}', '{2026-02-01 08:00+00,infinity,2026-01-01}'),
    ('interval', 'interval', '{1 day,2 hours}', '{24 hours,120 minutes,1 min}'),
    ('bytea', 'bytea', '{\\x00ff,\\x01}', '{\\x00ff,\\x02}'),
    ('boolean', 'boolean', '{t,f}', '{t,f,NULL}'),
    ('t.mood', 't.mood', '{cold,hot,x''y}', '{cold,x''y,NULL}'),
    ('name', 'name', '{a,b}', '{a,c}'),
    ('inet', 'inet', '{10.0.0.1,10.0.0.0/8}', '{10.0.0.1,10.0.0.0/8,10.0.0.2}')) AS v (k, c, kv, cv);
SELECT is(try_types(k, c, '{}', '{}'), 'refused', format('key %s, contact %s', k, c))
  FROM (VALUES ('text', 'int'), ('int', 'text'), ('bigint', 'numeric'), ('char(4)', 'text'), ('uuid', 'text'),
               ('timestamptz', 'timestamp'), ('date', 'timestamptz'), ('t.mood', 'text'), ('int[]', 'int[]')) AS v (k, c);

-- An operator of an extension, in a schema that is in nobody's path.
SELECT count(*) > 0 AS has_citext FROM pg_available_extensions WHERE name = 'citext' \gset
\if :has_citext
CREATE SCHEMA far;
CREATE EXTENSION citext SCHEMA far;
SELECT is(try_types('far.citext', 'far.citext', '{abc,def}', '{ABC,Def,x,NULL}'), '', 'citext');
SELECT is(try_types('far.citext', 'text', '{}', '{}'), 'refused', 'citext and text');
\endif
RESET search_path;

-- ----------------------------------------------------------- names that clash

CREATE TABLE "Odd" (id int PRIMARY KEY, "Company" text, lookup_1 int, l int, c int, found int, k int, size int, "when" int);
CREATE TABLE "Firm ""x""" ("the key" int PRIMARY KEY, "Company" text, size int, id int, "when" int, contact_id int, as_of int);
INSERT INTO "Odd" SELECT g, 'f' || g, g, g, g, g, g, 10 * g, g % 4 FROM generate_series(1, 9) AS g;
INSERT INTO "Firm ""x""" SELECT g, 'f' || (g + g % 2), 100 * g, -g, g, g, g FROM generate_series(1, 5) AS g;
SELECT lead_scoring.create_model('odd', '"Odd"', 'id');
SELECT lead_scoring.add_lookup('odd', 'Company', '"Firm ""x"""', 'the key', 'when');
SELECT lead_scoring.add_lookup('odd', 'select', '"Firm ""x"""', 'the key', 'l');
SELECT lead_scoring.add_lookup('odd', 'lookup_1', '"Odd"', 'id', 'k');
SELECT lead_scoring.add_lookup('odd', 'found', '"Odd"', 'id', 'when');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES
    ('odd', 'a', '"Company".size > 150 AND size > 20', 1),
    ('odd', 'b', '"Company" = "Company"."Company"', 2),
    ('odd', 'c', '"select"."when" = "when"', 4),
    ('odd', 'd', 'lookup_1 = lookup_1.lookup_1', 8),
    ('odd', 'e', 'found.k = k', 16),
    ('odd', 'f', '"Company".as_of > 2 AND as_of > ''2000-01-01''', 32);
SELECT lives_ok($$SELECT lead_scoring.activate('odd')$$, 'any alias and column');
SELECT is(array_agg(w), NULL, 'names that clash: queries') FROM ways('odd', '"Odd"') AS w;
SELECT sound('odd', 'names that clash');
-- a is for 3, 6, 7; b for 2; c and e for 1, 2, 3; d for all; f for 3, 7.
SELECT is(string_agg(format('%s:%s', contact_id, fit), ' ' ORDER BY contact_id),
          '1:28 2:30 3:61 4:8 5:8 6:9 7:41 8:8 9:8', 'as computed by hand') FROM odd_score;
UPDATE "Firm ""x""" SET "when" = 0;
UPDATE "Odd" SET k = 3 WHERE id > 5;
SELECT sound('odd', 'names that clash: updates, a lookup in the contacts themselves');
SELECT is(lead_scoring.export_model('odd') -> 'lookup' -> 0 ->> 'alias', 'Company', 'lookups are in the document');
SELECT lives_ok($$SELECT lead_scoring.clone_model('odd', 'twin')$$, 'and in clones');
SELECT is(array_agg(w), NULL, 'which score the same') FROM ways('twin', '"Odd"') AS w;
SELECT lead_scoring.deactivate('odd');
SELECT lives_ok($$UPDATE lead_scoring.model SET name = 'even', population = '"Company".size > 0' WHERE name = 'odd'$$,
                'a model gets another name, and its lookups with it');
SELECT is(array_agg(alias::text ORDER BY alias), '{Company,found,lookup_1,select}', 'all of them')
  FROM lead_scoring.lookup WHERE model = 'even';
SELECT is(count(*), 7::bigint, 'and its population is by a lookup')
  FROM "Odd" AS o WHERE lead_scoring.in_population(o, 'even');

-- --------------------------------------------------- rows of all kinds

CREATE TABLE firm (id int PRIMARY KEY, size int);
CREATE TABLE person (id int PRIMARY KEY, firm_id int, name text) PARTITION BY RANGE (id);
CREATE TABLE person_a PARTITION OF person FOR VALUES FROM (0) TO (500);
CREATE TABLE person_b (spare int, name text, firm_id int, id int NOT NULL);
ALTER TABLE person_b DROP COLUMN spare;
ALTER TABLE person ATTACH PARTITION person_b FOR VALUES FROM (500) TO (5000);
INSERT INTO firm SELECT g, g FROM generate_series(1, 100) AS g;
INSERT INTO person SELECT g, nullif(g % 110, 0), 'n' || g FROM generate_series(1, 3000) AS g;
CREATE VIEW shown AS SELECT name, firm_id, id FROM person WHERE id % 2 = 0;
SELECT lead_scoring.create_model('rows', 'person', 'id');
SELECT lead_scoring.add_lookup('rows', 'firm', 'firm', 'id', 'firm_id');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES
    ('rows', 'big', 'firm.size > 50', 10),
    ('rows', 'none', 'firm.id IS NULL', 1),
    ('rows', 'seven', 'id % 10 = 7', 100);
ANALYZE;
-- By hand: 50 of each 110 numbers are over 50; 10 are nobody's.
CREATE FUNCTION expected(n int) RETURNS float8 LANGUAGE sql IMMUTABLE AS $$
    SELECT (CASE WHEN n % 110 BETWEEN 51 AND 100 THEN 10 WHEN n % 110 = 0 OR n % 110 > 100 THEN 1 ELSE 0 END
            + CASE WHEN n % 10 = 7 THEN 100 ELSE 0 END)::float8
$$;
CREATE FUNCTION agree(query text, what text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    differing bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM (%s) AS q (id, fit) WHERE fit IS DISTINCT FROM expected(id)', query) INTO differing;
    RETURN is(differing, 0::bigint, what);
END
$$;
SELECT agree($$SELECT id, lead_scoring.fit_score(p, 'rows') FROM person AS p$$, 'partitions, in columns');
SELECT agree($$SELECT id, lead_scoring.fit_score(p, 'rows') FROM person_b AS p$$, 'one partition');
SELECT agree($$SELECT id, lead_scoring.fit_score(p, 'rows') FROM shown AS p$$, 'a view');
SELECT agree($$SELECT id, lead_scoring.fit_score(p, 'rows', now()) FROM (SELECT id, firm_id FROM person OFFSET 0) AS p$$, 'a subquery');
SELECT agree($$SELECT p.id, lead_scoring.fit_score(p.*, 'rows') FROM firm AS f RIGHT JOIN person AS p ON p.firm_id = f.id$$, 'an outer join');
SELECT agree($$SELECT p.id, coalesce(lead_scoring.fit_score(p.*, 'rows'), 0) FROM generate_series(1, 3000) AS g LEFT JOIN person AS p ON p.id = g$$,
             'rows that may be NULL');
SELECT agree($$SELECT p.id, lead_scoring.fit_score(lead_scoring.contact_row(p.*, f.*), 'rows') FROM person AS p LEFT JOIN firm AS f ON f.id = p.firm_id$$,
             'joined');
SELECT agree($$SELECT p.id, lead_scoring.fit_score(lead_scoring.contact_row(p, f), 'rows')
                 FROM shown AS p LEFT JOIN (SELECT size, id FROM firm OFFSET 0) AS f ON f.id = p.firm_id$$,
             'joined, of other types with the same columns');
SELECT is(outcome($$SELECT lead_scoring.fit_score(lead_scoring.contact_row(NULL::person, NULL::firm), 'rows')$$), '()', 'no contact');
SELECT is(outcome($$SELECT lead_scoring.fit_score(lead_scoring.contact_row(p, 1), 'rows') FROM person AS p LIMIT 1$$),
          '42804: contact_row() takes rows only', 'contact_row of a number');
SELECT is(outcome($$SELECT lead_scoring.fit_score(lead_scoring.contact_row(p, f, f), 'rows') FROM person AS p, firm AS f LIMIT 1$$),
          '42703: the row has no column "firm_id", which lookup "firm" is by', 'more rows than lookups');
SELECT is(outcome($$SELECT lead_scoring.fit_score(lead_scoring.contact_row(f, p), 'rows') FROM person AS p, firm AS f LIMIT 1$$),
          '42703: the row has no column "size", which the model''s conditions need', 'rows in the wrong order');
SELECT is(outcome($$SELECT lead_scoring.fit_score(lead_scoring.contact_row(p, ROW(1::bigint, 2)), 'rows') FROM person AS p LIMIT 1$$),
          '42703: the row has no column "size", which the model''s conditions need', 'a row without names');
SELECT is(outcome($$SELECT lead_scoring.fit_score(r, 'rows') FROM (SELECT 1 AS id, '1'::text AS firm_id) AS r$$),
          '42804: column "firm_id" of the row has type text, but lookup "firm" is by type integer', 'another type');

-- In workers, each row by the leader's snapshot.
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
CREATE FUNCTION plan_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    line text;
    plan text := '';
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (VERBOSE, COSTS OFF) ' || query LOOP
        plan := plan || line || E'\n';
    END LOOP;
    RETURN plan;
END
$$;
SELECT matches(plan_of($$SELECT sum(lead_scoring.fit_score(p, 'rows')) FROM person AS p$$),
               'Gather.*Partial Aggregate.*fit_score_columns', 'a parallel plan, in columns');
BEGIN;
UPDATE firm SET size = size + 50 WHERE id <= 50;
SELECT is((SELECT sum(lead_scoring.fit_score(p, 'rows')) FROM person AS p),
          (SELECT sum(expected(g) + CASE WHEN g % 110 BETWEEN 1 AND 50 THEN 10 ELSE 0 END) FROM generate_series(1, 3000) AS g),
          'workers see what the transaction has written');
ROLLBACK;
SELECT is((SELECT sum(lead_scoring.fit_score(p, 'rows')) FROM person AS p),
          (SELECT sum(expected(g)) FROM generate_series(1, 3000) AS g), 'and not what it has not');
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;

-- One place in the code, rows that change: what is remembered is forgotten.
CREATE FUNCTION in_turn() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    p person;
    seen text := '';
BEGIN
    SELECT * INTO p FROM person WHERE id = 1;
    FOR step IN 1..6 LOOP
        BEGIN
            UPDATE firm SET size = 10 * step * step WHERE id = 1;
            seen := seen || lead_scoring.fit_score(p, 'rows') || ' ';
            IF step % 2 = 0 THEN
                RAISE division_by_zero;
            END IF;
        EXCEPTION WHEN division_by_zero THEN
            NULL;
        END;
        seen := seen || lead_scoring.fit_score(p, 'rows') || ', ';
    END LOOP;
    ALTER TABLE firm RENAME size TO old;
    ALTER TABLE firm ADD size int DEFAULT 51;
    RETURN seen || lead_scoring.fit_score(p, 'rows');
END
$$;
-- 10; 40, back to 10; 90; 160, back to 90; 250; 360, back to 250; the new column: 51.
SELECT is(in_turn(), '0 0, 0 0, 10 10, 10 10, 10 10, 10 10, 10', 'a score in a loop follows its company');
ALTER TABLE firm DROP size;
ALTER TABLE firm RENAME old TO size;

-- ----------------------------------------------------------------- who may

DROP ROLE IF EXISTS lk_owner, lk_reader, lk_half;
CREATE ROLE lk_owner;
CREATE ROLE lk_reader;
CREATE ROLE lk_half;
CREATE SCHEMA own AUTHORIZATION lk_owner;
GRANT USAGE ON SCHEMA own TO lk_reader, lk_half;
CREATE SCHEMA firms;
CREATE TABLE firms.firm (id int PRIMARY KEY, size int, secret text);
INSERT INTO firms.firm VALUES (1, 100, 'a'), (2, 100, 'b');
SET ROLE lk_owner;
CREATE TABLE own.person (id int PRIMARY KEY, firm_id int);
CREATE INDEX ON own.person (firm_id);
INSERT INTO own.person VALUES (1, 1), (2, 2), (3, NULL);
GRANT SELECT ON own.person TO lk_reader, lk_half;
SELECT lead_scoring.create_model('own', 'own.person', 'id');
SELECT is(outcome($$SELECT lead_scoring.add_lookup('own', 'firm', 'firms.firm', 'id', 'firm_id')$$),
          '42501: permission denied for schema firms', 'a relation that one cannot name');
RESET ROLE;
GRANT USAGE ON SCHEMA firms TO lk_owner, lk_reader, lk_half;
GRANT SELECT (id, size) ON firms.firm TO lk_owner;
SET ROLE lk_owner;
SELECT is(outcome($$SELECT lead_scoring.add_lookup('own', 'firm', 'firms.firm', 'id', 'firm_id')$$),
          '42501: role "lk_owner", which owns the contacts, may not read firms.firm', 'or not read all of');
RESET ROLE;
GRANT SELECT ON firms.firm TO lk_owner, lk_reader;
SET ROLE lk_owner;
SELECT lead_scoring.add_lookup('own', 'firm', 'firms.firm', 'id', 'firm_id');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('own', 'big', 'firm.size > 50', 10);
SELECT is(outcome($$SELECT lead_scoring.activate('own')$$), '42501: role "lk_owner", which owns the contacts, may not put triggers on firms.firm', 'triggers need the privilege');
RESET ROLE;
GRANT TRIGGER ON firms.firm TO lk_owner;
SET ROLE lk_owner;
SELECT lives_ok($$SELECT lead_scoring.activate('own')$$, 'with it the model is live');
GRANT SELECT ON own.own_score, own.own_queue, own.own_scored, own.own_adjustment TO lk_reader, lk_half;
RESET ROLE;
UPDATE firms.firm SET size = 7 WHERE id = 1;
SELECT sound('own', 'somebody else''s companies change');
SET ROLE lk_reader;
SELECT is(outcome($$SELECT id, lead_scoring.fit_score(p, 'own') FROM own.person AS p ORDER BY id$$), '(1,0) (2,10) (3,0)', 'a reader of both');
SELECT is(outcome($$SELECT contact_id, fit FROM own.own_scored ORDER BY 1$$), '(1,0) (2,10) (3,0)', 'and of the view');
SET ROLE lk_half;
SELECT is(outcome($$SELECT id, lead_scoring.fit_score(p, 'own') FROM own.person AS p ORDER BY id$$),
          '42501: permission denied for table firm', 'who may not read companies');
SELECT is(outcome($$SELECT contact_id, fit FROM own.own_scored ORDER BY 1$$), '(1,0) (2,10) (3,0)', 'sees what is stored');
SELECT is(outcome($$SELECT contact_id, reasons FROM own.own_scored ORDER BY 1$$), '42501: permission denied for table firm', 'not what it comes from');
SELECT is(outcome($$SELECT lead_scoring.reasons(p, 'own') FROM own.person AS p WHERE id = 2$$),
          '42501: permission denied for table firm', 'nor the reasons');
RESET ROLE;
-- Row-level security: each reader by his own rights, one after the other.
ALTER TABLE firms.firm ENABLE ROW LEVEL SECURITY;
CREATE POLICY reader ON firms.firm FOR SELECT TO lk_reader USING (secret = 'a');
CREATE POLICY owner ON firms.firm FOR SELECT TO lk_owner USING (true);
UPDATE firms.firm SET size = 200;
CREATE FUNCTION scores() RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(lead_scoring.fit_score(p, 'own')::text, ' ' ORDER BY id) FROM own.person AS p
$$;
SELECT is(scores(), '10 10 0', 'who owns everything sees all companies');
SET ROLE lk_reader;
SELECT is(scores(), '10 0 0', 'a reader those that policies show');
SELECT is(outcome($$SELECT contact_id, reasons FROM own.own_scored ORDER BY 1$$), '(1,"big +10") (2,"") (3,"")', 'and the reasons so');
SELECT is(outcome($$SELECT contact_id, fit FROM own.own_scored ORDER BY 1$$), '(1,10) (2,10) (3,0)', 'but the stored score is the owner''s');
SET ROLE lk_owner;
SELECT is(scores(), '10 10 0', 'the owner all');
RESET ROLE;
SELECT is(outcome($$SELECT contact_id, fit FROM own.own_score ORDER BY 1$$), '(1,10) (2,10) (3,0)', 'upkeep sees what the owner of the contacts sees');
DROP POLICY owner ON firms.firm;
REVOKE SELECT ON firms.firm FROM lk_owner;
SELECT is(problems('own'), 'error | lookup "firm" | who owns the contacts may not read firms.firm', 'a privilege that is gone');
UPDATE firms.firm SET size = 1;
SELECT is(outcome($$SELECT lookup, lookup_key FROM own.own_queue ORDER BY 2$$), '(firm,1) (firm,2)', 'writes succeed, and wait');
GRANT SELECT ON firms.firm TO lk_owner;
ALTER TABLE firms.firm DISABLE ROW LEVEL SECURITY;
CALL lead_scoring.refresh('own');
SELECT sound('own', 'until the privilege is there again');

DROP SCHEMA own, firms CASCADE;
DROP OWNED BY lk_owner, lk_reader, lk_half;
DROP ROLE lk_owner, lk_reader, lk_half;
SELECT * FROM finish();
