-- Live fit with keys of every type that can be kept, and with names that need
-- quoting wherever they are written.

\ir live.psql

SELECT plan(137);

-- --------------------------------------------------------------------- keys

CREATE DOMAIN number AS int CHECK (value > 0);
CREATE DOMAIN number_of_number AS number;
CREATE DOMAIN code AS varchar(20);
CREATE COLLATION either_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);

CREATE TABLE kind (type text PRIMARY KEY, stored text, keys text[]);
INSERT INTO kind VALUES
    ('int', 'integer', '{1,2,3,2147483647}'),
    ('bigint', 'bigint', '{-9223372036854775808,-1,0,9223372036854775807}'),
    ('uuid', 'uuid', '{00000000-0000-0000-0000-000000000000,11111111-1111-1111-1111-111111111111,
                       7f000000-0000-0000-0000-00000000007f,ffffffff-ffff-ffff-ffff-ffffffffffff}'),
    ('text', 'text', '{"",a,A,"a "}'),
    ('text COLLATE "C"', 'text', '{"it''s","\"q\"","back\\slash","🚀"}'),
    ('text COLLATE "und-x-icu"', 'text', '{a,B,c,D}'),
    ('text COLLATE either_case', 'text', '{a,B,c,D}'),
    ('varchar', 'text', '{x,y,z,"x y z"}'),
    ('varchar(20)', 'text', '{é,ü,"{","}"}'),
    ('number', 'integer', '{1,2,3,4}'),
    ('number_of_number', 'integer', '{1,2,3,4}'),
    ('code', 'text', '{a,b,c,d}');

SELECT format(statement, 'by ' || type, type, keys[1], keys[2], keys[3], keys[4], stored)
  FROM kind CROSS JOIN LATERAL unnest(ARRAY[
    'CREATE TABLE %1$I (id %2$s PRIMARY KEY, title text, size int)',
    'INSERT INTO %1$I VALUES (%3$L, ''CEO'', 60), (%4$L, NULL, 1)',
    'CALL make_live(substr(%1$L, 1, 40), ''%1$I'')',
    'SELECT col_type_is(substr(%1$L, 1, 40) || ''_score'', ''contact_id'', %7$L, %1$L)',
    'SELECT sound(%1$L, ''%1$s: activate'')',
    'INSERT INTO %1$I VALUES (%5$L, ''CEO'', 2), (%6$L, ''none'', 100)',
    'UPDATE %1$I SET size = 51 WHERE id = %4$L',
    'SELECT sound(%1$L, ''%1$s: INSERT and UPDATE'')',
    'DELETE FROM %1$I WHERE id = %6$L',
    'UPDATE %1$I SET id = %6$L WHERE id = %3$L',
    'INSERT INTO %1$I VALUES (%3$L, ''CEO'', 3) ON CONFLICT (id) DO UPDATE SET size = 60',
    'SELECT sound(%1$L, ''%1$s: changed keys'')',
    'SET lead_scoring.apply = queue',
    'UPDATE %1$I SET size = size + 1',
    'DELETE FROM %1$I WHERE id = %4$L',
    'RESET lead_scoring.apply',
    'SELECT sound_after_refresh(%1$L, ''%1$s: queue'')']) WITH ORDINALITY AS t (statement, place)
 ORDER BY type, place \gexec

-- Keys that are equal to their column, but not byte by byte.
INSERT INTO "by text COLLATE either_case" VALUES ('same', 'CEO', 60);
UPDATE "by text COLLATE either_case" SET id = 'SAME' WHERE id = 'Same';
SELECT sound('by text COLLATE either_case', 'a key changes its spelling only');
UPDATE "by text COLLATE either_case" SET size = 1 WHERE id = 'same';
DELETE FROM "by text COLLATE either_case" WHERE id = 'a';
SELECT sound('by text COLLATE either_case', 'and is found by another');

-- Others are refused, clearly.
SELECT format('CREATE TABLE "refused %1$s" (id %1$s PRIMARY KEY, title text, size int)', type)
  FROM unnest('{smallint,numeric,name,char(10),date}'::text[]) AS type \gexec
SELECT throws_ok(format($$CALL make_live('refused', '"refused %s"')$$, type), '0A000',
                 format('contact id "id" has type %s, which cannot be kept live', shown),
                 'a key of type ' || type)
  FROM (VALUES ('smallint', 'smallint'), ('numeric', 'numeric'), ('name', 'name'),
               ('char(10)', 'character'), ('date', 'date')) AS t (type, shown);
SELECT is_empty($$SELECT FROM lead_scoring.model WHERE name = 'refused'$$, 'leave nothing behind');

-- -------------------------------------------------------------------- names

CREATE TABLE odd (model text, schema text, contacts text, key text, title text, size text);
INSERT INTO odd VALUES
    ('SELECT', 'table', 'order', 'group', 'user', 'limit'),
    ('Capital Letters', 'My Schema', 'All Contacts', 'Contact ID', 'Job Title', 'Company Size'),
    ('quo"te', 'quo"te', 'con"ta"cts', 'i"d', '"', 'si""ze'),
    ('apo''strophe''s', 'a''b', 'c''d', 'e''f', 'g''', '''h'),
    ('back\slash', 'a\b', 'c\d', 'e\f', '\n', '\\'),
    ('100 % %s %I %1$L', '%s', '%I', '%L', '%%', '%1$s'),
    ('$$ $1 $body$', '$$', '$1', '$2', '$q$', '$$$'),
    ('dots.and.commas, too', 'a.b', 'c.d', 'e.f', 'g,h', '(i)'),
    ('-- comment /* this', '/*', '--', '*/', ';', '--x'),
    ('🚀 Modèl Ünïcode 漢字', 'Schéma 🚀', 'Kontakte ☎', 'schlüssel', 'Größe', '漢字'),
    (repeat('m', 40), repeat('s', 63), repeat('t', 63), repeat('k', 63), repeat('a', 63), repeat('b', 63)),
    (repeat('é', 20), repeat('漢', 21), repeat('é', 31), repeat('🚀', 15), repeat('漢', 20) || 'abc', repeat('ü', 31)),
    (E'new\nline\ttab', E'a\nb', E'c\nd', E'e\nf', E'g\th', E'i\rj'),
    ('contact', 'contact', 'contact', 'contact', 'score', 'live'),
    ('c', 'c', 'c', 'c', 's', 'k'),
    ('score', 'score', 'score', 'model', 'q', 'computed'),
    ('as_of', 'moment', 'as_of', 'as_of', 'points', 'moment'),
    ('fit', 'excluded', 'excluded', 'contact_id', 'fit', 'total'),
    ('null', 'public2', 'true', 'id', 'now', 'current_user');

CREATE PROCEDURE make_odd(name text) LANGUAGE plpgsql AS $$
DECLARE
    o odd;
BEGIN
    SELECT * INTO o FROM odd WHERE model = name;
    PERFORM lead_scoring.create_model(name, format('%I.%I', o.schema, o.contacts)::regclass,
        o.key::name, population => format('%I IS DISTINCT FROM 7', o.size));
    INSERT INTO lead_scoring.fit_rule (model, name, condition, points)
    VALUES (name, o.title, format('contact.%I LIKE %L', o.title, 'CEO%'), 15),
           (name, o.size, format('%I > 50', o.size), 10);
    PERFORM lead_scoring.activate(name);
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING '%', sqlerrm; -- the tests that follow will fail
END
$$;
CREATE PROCEDURE make_again(name text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM lead_scoring.deactivate(name);
    PERFORM lead_scoring.activate(name);
EXCEPTION WHEN undefined_object THEN
    RETURN;
END
$$;
CREATE PROCEDURE drop_odd(name text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM lead_scoring.drop_model(m.name) FROM lead_scoring.model AS m WHERE m.name = drop_odd.name;
    EXECUTE (SELECT format('DROP SCHEMA %I CASCADE', schema) FROM odd WHERE model = name);
END
$$;

SELECT format(statement, schema, contacts, key, title, size, model, regexp_replace(model, '\s', ' ', 'g'))
  FROM odd CROSS JOIN LATERAL unnest(ARRAY[
    'CREATE SCHEMA %1$I',
    'CREATE TABLE %1$I.%2$I (%3$I int PRIMARY KEY, %4$I text, %5$I int)',
    'INSERT INTO %1$I.%2$I VALUES (1, ''CEO'', 60), (2, NULL, 1), (3, ''none'', NULL)',
    'CALL make_odd(%6$L)',
    'INSERT INTO %1$I.%2$I VALUES (4, ''CEO 2'', 60), (5, ''CEO'', 7)',
    'UPDATE %1$I.%2$I SET %5$I = 51, %4$I = ''CEO'' WHERE %3$I > 1',
    'UPDATE %1$I.%2$I SET %3$I = 6 WHERE %3$I = 4',
    'DELETE FROM %1$I.%2$I WHERE %3$I = 3',
    'SELECT sound(%6$L, ''model '' || %7$L)',
    'SELECT is(problems(%6$L), '''', ''without a problem'')',
    'CALL make_again(%6$L)',
    'TRUNCATE %1$I.%2$I',
    'SELECT sound(%6$L, ''live again'')',
    'CALL drop_odd(%6$L)']) WITH ORDINALITY AS t (statement, place)
 ORDER BY model, place \gexec

SELECT * FROM finish();
