-- What test/oracle/live compares with. Scores are computed from nothing, by plain
-- SQL over the rules as they stand in their tables.
CREATE SCHEMA walk;
SET search_path = walk;

CREATE TABLE plain (id int PRIMARY KEY, title text, size int, note text);
CREATE TABLE parts (id int PRIMARY KEY, title text, size int, note text) PARTITION BY RANGE (id);
CREATE TABLE parts_a PARTITION OF parts FOR VALUES FROM (MINVALUE) TO (15);
CREATE TABLE parts_b (spare text, size int, note text, title text, id int NOT NULL) PARTITION BY LIST (id);
ALTER TABLE parts_b DROP COLUMN spare;
CREATE TABLE parts_b1 PARTITION OF parts_b FOR VALUES IN (15, 16, 17, 18, 19, 20);
CREATE TABLE parts_b2 (id int NOT NULL, note text, size int, title text);
ALTER TABLE parts_b ATTACH PARTITION parts_b2 DEFAULT;
ALTER TABLE parts ATTACH PARTITION parts_b FOR VALUES FROM (15) TO (30);
CREATE TABLE parts_c PARTITION OF parts DEFAULT;

CREATE FUNCTION make(name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM lead_scoring.create_model(name, format('walk.%I', name)::regclass, 'id',
                                      search_path => 'pg_catalog, pg_temp');
    INSERT INTO lead_scoring.rule_group (model, name, dimension, min_points, max_points)
    VALUES (name, 'capped', 'fit', -3, 8);
    INSERT INTO lead_scoring.fit_rule (model, name, group_name, condition, points) VALUES
        (name, 'boss', NULL, $c$title ILIKE '%ceo%'$c$, 15),
        (name, 'big', NULL, 'size > 50', 10),
        (name, 'small', 'capped', 'size < 10', -5),
        (name, 'clerk', 'capped', $c$title IN ('clerk', 'intern')$c$, 6),
        (name, 'ratio', 'capped', '1000 / nullif(size, 0) BETWEEN 20 AND 30', 4.5);
    PERFORM lead_scoring.activate(name);
END
$$;

-- The sum of the model's points as SQL over a row c of the contacts.
CREATE FUNCTION fit_sql(model text) RETURNS text LANGUAGE sql AS $$
    WITH rule AS (
        SELECT coalesce(group_name, '') AS g,
               string_agg(format('CASE WHEN (%s) THEN %L::float8 ELSE 0 END', condition, points), ' + ') AS sum
          FROM lead_scoring.fit_rule AS r WHERE r.model = fit_sql.model AND enabled GROUP BY 1
    ), part AS (
        SELECT CASE WHEN g = '' THEN sum
                    ELSE format('least(greatest(%s, %L::float8), %L::float8)', sum,
                                coalesce(min_points, '-Infinity'), coalesce(max_points, 'Infinity')) END AS sum
          FROM rule LEFT JOIN lead_scoring.rule_group AS k ON k.model = fit_sql.model AND k.name = g
    )
    SELECT coalesce(string_agg(format('(%s)', sum), ' + '), '0::float8') FROM part
$$;

-- Fills truth_now: who is scored, and how. fit is NULL where a condition raises,
-- and everybody is there whose population raises.
CREATE PROCEDURE find_truth(model text) LANGUAGE plpgsql AS $$
DECLARE
    m lead_scoring.model;
    sql text;
    contact int;
BEGIN
    SELECT * INTO m FROM lead_scoring.model AS r WHERE r.name = find_truth.model;
    sql := format($q$
                SELECT id, fit, round((%L * fit + coalesce((SELECT sum(points) FROM said
                WHERE kind = 'points' AND contact_id = f.id), 0))::numeric, 6) FROM (
            SELECT id, round(greatest(%s, %L)::numeric, 6)::float8 AS fit FROM %s AS contact
             WHERE (%s) AND ($1 IS NULL OR id = $1)
               AND id NOT IN (SELECT contact_id FROM said WHERE kind = 'exclude')
        ) AS f$q$, m.fit_weight, walk.fit_sql(model), coalesce(m.fit_floor, '-Infinity'), m.contacts,
        coalesce(m.population, 'true'));
    sql := 'INSERT INTO pg_temp.truth_now ' || format('WITH said AS (SELECT * FROM walk.%I WHERE valid_from <= now() AND coalesce(valid_until > now(), true)) ',
                  model || '_adjustment') || sql;
    CREATE TEMP TABLE IF NOT EXISTS truth_now (id int, fit float8, total float8);
    DELETE FROM pg_temp.truth_now;
    BEGIN
        EXECUTE sql USING NULL::int;
    EXCEPTION WHEN division_by_zero THEN
        FOR contact IN EXECUTE format('SELECT id FROM %s', m.contacts) LOOP
            BEGIN
                EXECUTE sql USING contact;
            EXCEPTION WHEN division_by_zero THEN
                INSERT INTO pg_temp.truth_now VALUES (contact, NULL, NULL);
            END;
        END LOOP;
    END;
END
$$;

-- What is wrong with the model; nothing: all is well. Scores of contacts that wait
-- in the queue, or were made by other rules, may be behind, unless settled.
CREATE FUNCTION check_live(model text, settled boolean) RETURNS SETOF text LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    score text := format('walk.%I', model || '_score');
    queue text := format('walk.%I', model || '_queue');
    stamp bigint := lead_scoring.model_stamp(model);
    waiting boolean;
BEGIN
    CALL walk.find_truth(model);
    BEGIN
        RETURN QUERY SELECT 'verify: ' || v::text FROM lead_scoring.verify(model) AS v;
    EXCEPTION WHEN division_by_zero THEN
        RETURN NEXT 'verify: division by zero';
    END;

    EXECUTE format('SELECT EXISTS (SELECT FROM %s) OR EXISTS (SELECT FROM %s WHERE stamp <> $1)', queue, score)
       INTO waiting USING stamp;
    BEGIN
        -- Whose last upkeep failed may be shown without a score until the next one.
        RETURN QUERY EXECUTE format($q$
            SELECT 'view: ' || coalesce(v::text, '-') || ', right: ' || coalesce(t::text, '-')
              FROM (SELECT contact_id, fit, total FROM %1$s) AS v
              FULL JOIN pg_temp.truth_now AS t ON t.id = v.contact_id
             WHERE (v.fit, v.total, v.contact_id) IS DISTINCT FROM (t.fit, t.total, t.id)
               AND NOT ($1 AND v.fit IS NULL AND EXISTS (
                   SELECT FROM %2$s AS s WHERE s.contact_id = v.contact_id AND s.problem IS NOT NULL))
            $q$, format('walk.%I', model || '_scored'), score) USING waiting;
    EXCEPTION WHEN division_by_zero THEN
        -- Right, where upkeep has not met the contact yet.
        IF NOT waiting THEN
            RETURN NEXT 'view: division by zero';
        END IF;
    END;

    RETURN QUERY EXECUTE format($q$
        SELECT 'stored: ' || coalesce(s::text, '-') || ', right: ' || coalesce(t::text, '-')
          FROM (SELECT contact_id, fit, total, stamp FROM %1$s) AS s
          FULL JOIN pg_temp.truth_now AS t ON t.id = s.contact_id
         WHERE (s.fit, s.total, s.contact_id) IS DISTINCT FROM (t.fit, t.total, t.id)
           AND ($1 OR (
               NOT EXISTS (SELECT FROM %2$s AS q
                            WHERE q.contact_id IS NULL OR q.contact_id = coalesce(s.contact_id, t.id))
               AND coalesce(s.stamp = $2,
                            (SELECT scored_stamp = $2 FROM lead_scoring.model WHERE name = $3))))
        $q$, score, queue) USING settled, stamp, model;
    IF settled AND waiting THEN
        RETURN NEXT 'something waits in the queue, or was made by other rules, after a refresh';
    END IF;
END
$$;

-- The same for a line of output; where something is wrong it is mended, so that it
-- is reported once.
CREATE PROCEDURE look(step int, settled boolean) LANGUAGE plpgsql AS $$
DECLARE
    model text;
    found text;
    n bigint;
BEGIN
    FOREACH model IN ARRAY '{plain,parts}'::text[] LOOP
        IF settled THEN
            CALL lead_scoring.refresh(model, n);
        END IF;
        BEGIN
            SELECT string_agg(d, '; ' ORDER BY d) INTO found FROM walk.check_live(model, settled) AS d;
        EXCEPTION WHEN OTHERS THEN
            found := sqlstate || ' ' || sqlerrm;
        END;
        CONTINUE WHEN found IS NULL;
        RAISE INFO 'BAD % %: %', step, model, found;
        CALL lead_scoring.rescore(model, n);
        CALL lead_scoring.refresh(model, n);
    END LOOP;
END
$$;
