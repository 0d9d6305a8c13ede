-- What test/oracle/life runs: a stage machine in plain SQL, beside the one that is tested.
\set QUIET on
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE SCHEMA life;
SET search_path = life;

CREATE TABLE person (id int PRIMARY KEY, points int, stage text);
SELECT lead_scoring.create_model('m', 'life.person', 'id', stage_column => 'stage') \g /dev/null
INSERT INTO lead_scoring.fit_rule (model, name, condition, points)
SELECT 'm', 'at least ' || p, 'points >= ' || p, 10 FROM generate_series(10, 100, 10) AS p;
DELETE FROM lead_scoring.transition WHERE model = 'm';
-- Up, down, past a stage, and round in a circle. lo <= total < hi.
CREATE TABLE edge (from_stage text, to_stage text, lo int, hi int);
INSERT INTO edge VALUES ('lead', 'mql', 50, 1000), ('lead', 'sql', 90, 1000), ('mql', 'sql', 80, 1000),
    ('mql', 'lead', -1000, 30), ('sql', 'mql', -1000, 60), ('sql', 'opportunity', 100, 1000),
    ('opportunity', 'lead', -1000, 10), ('opportunity', 'sql', 40, 50), ('mql', 'opportunity', 60, 70), ('opportunity', 'mql', 60, 70);
INSERT INTO lead_scoring.transition (model, from_stage, to_stage, condition)
SELECT 'm', from_stage, to_stage, format('total >= %s AND total < %s', lo, hi) FROM edge;
INSERT INTO lead_scoring.action (model, name, condition, on_edge, repeat_after) VALUES
    ('m', 'hot', 'total >= 50', 'change', '0'), ('m', 'sold to', $$score.stage = 'opportunity'$$, 'enter', '0'), ('m', 'once', 'total >= 70', 'enter', NULL);
SELECT lead_scoring.activate('m') \g /dev/null

-- The machine: where everybody is, which transitions wait, what has been done.
CREATE TABLE place (id int PRIMARY KEY, stage text, hot boolean DEFAULT false, sold boolean DEFAULT false, seventy boolean DEFAULT false, was_once boolean DEFAULT false);
CREATE TABLE held (id int, to_stage text, PRIMARY KEY (id, to_stage));
CREATE TABLE move (number bigint GENERATED ALWAYS AS IDENTITY, id int, from_stage text, to_stage text, by_hand boolean);
CREATE TABLE done (id int, action text, edge text);
CREATE TEMP TABLE entered (id int, stage text);

-- look(): once at each contact whose total or stage has changed.
CREATE PROCEDURE look() LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE entered;
    -- What a person did; what is true of the transitions out of there waits.
    WITH moved AS (
        INSERT INTO move (id, from_stage, to_stage, by_hand)
        SELECT p.id, l.stage, p.stage, true FROM person AS p JOIN place AS l USING (id) WHERE p.stage <> l.stage ORDER BY p.id
        RETURNING id, to_stage
    ), freed AS (
        DELETE FROM held USING moved WHERE held.id = moved.id
    ) UPDATE place AS l SET stage = m.to_stage FROM moved AS m WHERE m.id = l.id;
    INSERT INTO held
    SELECT m.id, e.to_stage
      FROM (SELECT DISTINCT ON (id) * FROM move ORDER BY id, number DESC) AS m
      JOIN changed USING (id) JOIN person AS p USING (id) JOIN edge AS e ON e.from_stage = m.to_stage
     WHERE m.by_hand AND changed.by_hand AND p.points / 10 * 10 >= e.lo AND p.points / 10 * 10 < e.hi
        ON CONFLICT DO NOTHING;
    LOOP
        DELETE FROM held USING place AS l, person AS p, edge AS e
         WHERE l.id = held.id AND p.id = held.id AND (e.from_stage, e.to_stage) = (l.stage, held.to_stage)
           AND NOT (p.points / 10 * 10 >= e.lo AND p.points / 10 * 10 < e.hi);
        WITH next AS (
            SELECT DISTINCT ON (l.id) l.id, e.from_stage, e.to_stage
              FROM place AS l JOIN changed USING (id) JOIN person AS p USING (id) JOIN edge AS e ON e.from_stage = l.stage
              JOIN lead_scoring.stage AS s ON s.model = 'm' AND s.name = e.to_stage
             WHERE p.points / 10 * 10 >= e.lo AND p.points / 10 * 10 < e.hi
               AND NOT EXISTS (SELECT FROM held AS h WHERE (h.id, h.to_stage) = (l.id, e.to_stage))
               AND NOT EXISTS (SELECT FROM entered AS n WHERE (n.id, n.stage) = (l.id, e.to_stage))
             ORDER BY l.id, s.position DESC
        ), moved AS (
            INSERT INTO move (id, from_stage, to_stage, by_hand) SELECT id, from_stage, to_stage, false FROM next RETURNING id, to_stage
        ), noted AS (
            INSERT INTO entered SELECT id, to_stage FROM moved
        ), freed AS (
            DELETE FROM held USING moved WHERE held.id = moved.id
        ) UPDATE place AS l SET stage = m.to_stage FROM moved AS m WHERE m.id = l.id;
        EXIT WHEN NOT FOUND;
    END LOOP;
    INSERT INTO done
    SELECT p.id, a.action, a.edge
      FROM person AS p JOIN place AS l USING (id) JOIN changed USING (id),
           LATERAL (VALUES ('hot', CASE WHEN p.points >= 50 AND NOT l.hot THEN 'enter' WHEN p.points < 50 AND l.hot THEN 'leave' END),
                           ('sold to', CASE WHEN l.stage = 'opportunity' AND NOT l.sold THEN 'enter' END),
                           ('once', CASE WHEN p.points >= 70 AND NOT l.seventy AND NOT l.was_once THEN 'enter' END)) AS a (action, edge)
     WHERE a.edge IS NOT NULL;
    UPDATE place AS l SET hot = p.points >= 50, sold = l.stage = 'opportunity', seventy = p.points >= 70,
           was_once = was_once OR p.points >= 70
      FROM person AS p JOIN changed USING (id) WHERE p.id = l.id;
END
$$;

-- walk(steps, contacts): random totals for everybody, random stages for some.
CREATE TEMP TABLE changed (id int PRIMARY KEY, by_hand boolean);
CREATE PROCEDURE walk(steps int, contacts int) LANGUAGE plpgsql AS $$
BEGIN
    -- They enter the model as leads without points.
    INSERT INTO person SELECT g, 0, 'lead' FROM generate_series(1, contacts) AS g;
    INSERT INTO place (id, stage) SELECT id, 'lead' FROM person;
    COMMIT;
    FOR i IN 1 .. steps LOOP
        TRUNCATE changed;
        IF i % 10 = 0 THEN
            WITH u AS (UPDATE person SET stage = (ARRAY['lead', 'mql', 'sql', 'opportunity'])[1 + floor(random() * 4)::int]
                        WHERE random() < 0.2 RETURNING id)
            INSERT INTO changed SELECT id, true FROM u;
            -- Who got the stage that he had was not touched.
            DELETE FROM changed USING person AS p JOIN place AS l USING (id) WHERE p.id = changed.id AND p.stage = l.stage;
        ELSE
            -- Nobody looks at whom nothing has changed of.
            WITH before AS MATERIALIZED (SELECT id, points FROM person),
                 u AS (UPDATE person SET points = floor(random() * 11)::int * 10 RETURNING id, points)
            INSERT INTO changed SELECT u.id, false FROM u JOIN before USING (id) WHERE u.points <> before.points;
        END IF;
        CALL look();
        COMMIT;
    END LOOP;
END
$$;
