-- The matcher: patterns that overlap in every way, against LIKE itself; and
-- what compiled models and the cache take of memory.

\set QUIET on
\set ON_ERROR_STOP on
SET client_min_messages = error;

SELECT plan(14);

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
SELECT pg_temp.make_and_drop('first') \g /dev/null
SELECT pg_temp.memory() AS before \gset
SELECT format('SELECT pg_temp.make_and_drop(%L)', 'passing' || i) FROM generate_series(1, 20) AS i \gexec
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
