-- Compiling a model of 1,000 rules: the first call in a session less the second.

CREATE TABLE IF NOT EXISTS bench.compiling (seconds float8);

DO $$
DECLARE
    query text := 'SELECT lead_scoring.fit_score(c, ''fit1000'') FROM bench.contacts AS c LIMIT 1';
    first float8 := (bench.measure(query, true)).seconds;
    again float8 := (bench.measure(query, true)).seconds;
BEGIN
    INSERT INTO bench.compiling VALUES (first - again);
END
$$;
