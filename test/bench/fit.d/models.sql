-- 1,000 rules, one fifth of each kind, and a model of the first 10, 100 and
-- 1,000 of them. Rule n is of kind n % 5; the points are whole numbers, so that
-- sums are exact in any order.

BEGIN;

CREATE EXTENSION lead_scoring;

CREATE TABLE bench.rule (n int PRIMARY KEY, condition text NOT NULL, points int NOT NULL);

-- What titles are searched for: 76 words, then pairs of them.
CREATE TEMP TABLE title_word ON COMMIT DROP AS
SELECT row_number() OVER (ORDER BY kind = 'pair', n, kind) - 1 AS k, lower(word) AS word
FROM (
    SELECT kind, n, word FROM bench.word WHERE kind IN ('function', 'role', 'rank', 'top')
    UNION ALL
    SELECT 'pair', f.n + 30 * r.n, f.word || ' ' || r.word
    FROM bench.word AS f, bench.word AS r
    WHERE f.kind = 'function' AND r.kind = 'role'
) AS w;

INSERT INTO bench.rule
SELECT s.n,
       CASE s.n % 5
           WHEN 0 THEN format('title ILIKE %L', '%' || t.word || '%')
           WHEN 1 THEN format('company_size BETWEEN %s AND %s', low, low * 3 + k)
           WHEN 2 THEN format('industry = %L', i.word)
           WHEN 3 THEN format('country IN (%L, %L, %L)',
               (bench.list('country'))[1 + k % 60],
               (bench.list('country'))[1 + (k + 7 + k / 60) % 60],
               (bench.list('country'))[1 + (k + 23) % 60])
           ELSE format('email LIKE %L', '%@' || d.word) END,
       CASE WHEN s.n % 7 = 3 THEN -1 ELSE 1 END * (1 + bench.pick(s.n, 21, 25))
FROM (SELECT n, n / 5 AS k, 5 + 20 * (n / 5) AS low
      FROM generate_series(0, 999) AS n) AS s
JOIN title_word AS t USING (k)
JOIN bench.word AS i ON i.kind = 'industry' AND i.n = k
JOIN bench.word AS d ON d.kind = CASE WHEN k < 12 THEN 'mailbox' ELSE 'domain' END AND d.n = k;

CREATE FUNCTION bench.add_model(rules int) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM lead_scoring.create_model('fit' || rules, 'bench.contacts', 'id');
    INSERT INTO lead_scoring.fit_rule (model, name, condition, points)
    SELECT 'fit' || rules, 'rule ' || n, condition, points
    FROM bench.rule WHERE n < rules;
END
$$;
SELECT bench.add_model(10), bench.add_model(100), bench.add_model(1000);

COMMIT;
