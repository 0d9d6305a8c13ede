-- The matcher: patterns that overlap in every way, against LIKE itself; and
-- what compiled models and the cache take of memory.

\set QUIET on
\set ON_ERROR_STOP on
SET client_min_messages = error;

SELECT plan(15);

-- ----------------------------------------------------------------- patterns

-- Words over the first k letters of a small alphabet: suffixes of one are
-- beginnings of others.
CREATE FUNCTION pg_temp.word(length int, k int) RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT coalesce(string_agg(substr('abcdABäß€xyz', 1 + floor(random() * k)::int, 1), ''), '')
      FROM generate_series(1, length)
$$;
CREATE TABLE public.words (id int PRIMARY KEY, t text);

CREATE FUNCTION pg_temp.differ(seed float8, rules int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    expected text;
    differ bigint;
BEGIN
    PERFORM setseed(seed);
    TRUNCATE public.words;
    INSERT INTO public.words
    SELECT i, pg_temp.word(floor(random() * 30)::int, 2 + i % 11) FROM generate_series(1, 1000) AS i;
    PERFORM lead_scoring.create_model('words', 'public.words', 'id');
    INSERT INTO lead_scoring.fit_rule (model, name, condition, points)
    SELECT 'words', i, format('t %s %L', (ARRAY['LIKE', 'ILIKE', 'NOT LIKE', 'LIKE', 'NOT ILIKE'])[1 + i % 5],
               CASE i % 4 WHEN 0 THEN '%' || p || '%' WHEN 1 THEN p || '%' WHEN 2 THEN '%' || p ELSE p END),
           1 + i % 17
      FROM (SELECT i, pg_temp.word(1 + floor(random() * 6)::int, 2 + i % 11) AS p
              FROM generate_series(1, rules) AS i) AS s;
    SELECT string_agg(format('CASE WHEN %s THEN %s ELSE 0 END', condition, points), ' + ')
      INTO expected FROM lead_scoring.fit_rule WHERE model = 'words';
    EXECUTE format('SELECT count(*) FROM public.words AS c WHERE lead_scoring.fit_score(c, ''words'') IS DISTINCT FROM (%s)::float8', expected)
    INTO differ;
    PERFORM lead_scoring.drop_model('words');
    RETURN differ;
END
$$;
SELECT is(pg_temp.differ(seed, rules), 0::bigint, format('%s patterns, seed %s', rules, seed))
  FROM unnest(ARRAY[0.1, 0.2, 0.3]) AS seed, unnest(ARRAY[3, 40, 600]) AS rules;

-- ------------------------------------------------------------- conjunctions

-- All pairs of predicates on plain columns, against SQL itself; values that are
-- null, at the ends of their types, compressed and out of line among them.
CREATE TABLE public.plain (id int PRIMARY KEY, t text, v varchar(9), k char(6), i int, l bigint, s smallint, f float8, b boolean,
                           d date, u uuid, z text COLLATE "C");
INSERT INTO public.plain
SELECT g, (ARRAY['a', 'ab', '', NULL, repeat('x', 100000), (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 5000) AS n)])[1 + g % 6],
       (ARRAY['a', 'b ', NULL, 'a '])[1 + g % 4], (ARRAY['a', 'b', NULL])[1 + g % 3],
       (ARRAY[1, 2, NULL, -2147483648, 2147483647])[1 + g % 5],
       (ARRAY[1, NULL, -9223372036854775808, 9223372036854775807])[1 + g / 2 % 4],
       (ARRAY[1, 2, NULL])[1 + g / 3 % 3]::smallint, (ARRAY['0', '-0', 'NaN', 'Infinity', '-Infinity', '1.5', NULL])[1 + g % 7]::float8,
       (ARRAY[true, false, NULL])[1 + g / 5 % 3], (ARRAY['2026-01-01', 'infinity', NULL])[1 + g / 7 % 3]::date,
       CASE g % 3 WHEN 0 THEN md5('1')::uuid WHEN 1 THEN md5('2')::uuid END, (ARRAY['a', 'B', NULL])[1 + g / 4 % 3]
  FROM generate_series(1, 300) AS g;
CREATE FUNCTION pg_temp.pairs_differ() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    atoms text[] := ARRAY[
        $c$t = 'a'$c$, $c$t <> 'ab'$c$, $c$t IN ('', 'a', 'zz')$c$, $c$t NOT IN ('a', 'b')$c$, 't IS NULL', 't IS NOT NULL',
        $c$t = repeat('x', 100000)$c$, $c$t IN ('a', NULL)$c$, $c$v = 'a'$c$, $c$v IN ('a ', 'b ')$c$, $c$k = 'a '$c$,
        $c$k <> 'b'$c$, 'i = 1', 'i > 1', 'i <= 2147483647', 'i < -2147483648', 'i NOT IN (1, NULL)',
        'l >= 9223372036854775807', 'l > 9223372036854775807', 'l < -9223372036854775807', 's IN (1, 3)', 's <> 1', 'f = 0',
        'f > 0', $c$f = 'NaN'$c$, $c$f < 'Infinity'$c$, $c$f <= '-Infinity'$c$, 'b', 'NOT b', 'b IS NOT TRUE', 'b IS UNKNOWN',
        $c$d >= '2026-01-01'$c$, $c$d = 'infinity'$c$, $c$u = 'c4ca4238-a0b9-2382-0dcc-509a6f75849b'$c$, $c$z = 'B'$c$];
    expected text;
    differ bigint;
BEGIN
    PERFORM lead_scoring.create_model('plain', 'public.plain', 'id');
    INSERT INTO lead_scoring.fit_rule (model, name, condition, points)
    SELECT 'plain', n || ' ' || k, format('%s AND %s', a, b), n * 40 + k
      FROM unnest(atoms) WITH ORDINALITY AS x (a, n), unnest(atoms) WITH ORDINALITY AS y (b, k);
    SELECT string_agg(format('(CASE WHEN %s THEN %s ELSE 0 END)', condition, points), ' + ')
      INTO expected FROM lead_scoring.fit_rule WHERE model = 'plain';
    EXECUTE format('SELECT count(*) FROM public.plain AS c WHERE lead_scoring.fit_score(c, ''plain'') IS DISTINCT FROM (%s)::float8', expected)
    INTO differ;
    PERFORM lead_scoring.drop_model('plain');
    RETURN differ;
END
$$;
SELECT is(pg_temp.pairs_differ(), 0::bigint, 'conjunctions of plain predicates');

-- ------------------------------------------------------------------ memory

CREATE FUNCTION pg_temp.memory() RETURNS numeric LANGUAGE sql AS $$
    SELECT coalesce(sum(total_bytes), 0) FROM pg_backend_memory_contexts WHERE name LIKE 'lead\_scoring%'
$$;
CREATE FUNCTION pg_temp.call(model text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN lead_scoring.fit_score(c, model) FROM public.words AS c LIMIT 1;
EXCEPTION WHEN undefined_object THEN
    RETURN 'none';
END
$$;
INSERT INTO public.words VALUES (-1, 'x');
SELECT lead_scoring.create_model('large', 'public.words', 'id') \g /dev/null
INSERT INTO lead_scoring.fit_rule (model, name, condition, points)
SELECT 'large', i,
       CASE i % 4 WHEN 0 THEN format('t ILIKE %L', '%' || left(md5(i::text), 12) || '%')
                  WHEN 1 THEN format('t LIKE %L', '%@' || left(md5(i::text), 12) || '.example')
                  WHEN 2 THEN format('id BETWEEN %s AND %s', i, 3 * i)
                  ELSE format('t IN (%L, %L)', md5(i::text), left(md5(i::text), 8)) END, 1
  FROM generate_series(1, 1000) AS i;
SELECT pg_temp.memory() AS before \gset
SELECT isnt(pg_temp.call('large'), 'none', 'a model of 1,000 rules');
SELECT cmp_ok(pg_temp.memory() - :before, '<', 300000::numeric, 'takes less than 300 bytes a rule');

SELECT pg_temp.memory() AS before \gset
SELECT count(pg_temp.call('unknown ' || i)) FROM generate_series(1, 3000) AS i \g /dev/null
SELECT is(pg_temp.memory(), :before::numeric, 'names of models that do not exist leave nothing');

CREATE FUNCTION pg_temp.make_and_drop(name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM lead_scoring.create_model(name, 'public.words', 'id');
    INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES (name, 'any', $q$t LIKE '%x%'$q$, 1);
    PERFORM pg_temp.call(name);
    PERFORM lead_scoring.drop_model(name);
END
$$;
-- Memory comes in blocks: of models whose names are as long, and after some of them.
SELECT format('SELECT pg_temp.make_and_drop(%L)', 'passing ' || i) FROM generate_series(10, 19) AS i \gexec
SELECT pg_temp.call('large') \g /dev/null
SELECT pg_temp.memory() AS before \gset
SELECT format('SELECT pg_temp.make_and_drop(%L)', 'passing ' || i) FROM generate_series(20, 59) AS i \gexec
SELECT pg_temp.call('large') \g /dev/null
SELECT is(pg_temp.memory(), :before::numeric, 'nor do models that were dropped');

-- 2 MB of patterns.
SELECT lead_scoring.create_model('patterns', 'public.words', 'id') \g /dev/null
INSERT INTO lead_scoring.fit_rule (model, name, condition, points)
SELECT 'patterns', r, format('t LIKE ANY (%L::text[])', array_agg('%' || left(md5(r || ' ' || g), 30) || '%')), 1
  FROM generate_series(1, 40) AS r, generate_series(1, 1700) AS g GROUP BY r;
SELECT pg_temp.memory() AS before \gset
SELECT pg_temp.call('patterns') \g /dev/null
SELECT cmp_ok(pg_temp.memory() - :before, '<', 25::numeric * 40 * 1700 * 30, 'a pattern takes less than 25 bytes a byte');

SELECT * FROM finish();
