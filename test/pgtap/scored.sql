-- The view of live scores: what it says of the stored ones, and that it is right
-- whatever they are; at other moments, for other roles, and in parallel.

\ir live.psql

SELECT * FROM no_plan();

-- shown(model, id): fit, engagement, intent, total, freshness.
CREATE FUNCTION shown(model text, id int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found text;
BEGIN
    EXECUTE format('SELECT concat_ws('' '', fit, engagement, intent, total, freshness)
                      FROM %s WHERE contact_id = $1', object_of(model, '_scored'))
    INTO found USING id;
    RETURN found;
END
$$;

CREATE TABLE person (id int PRIMARY KEY, size int, created timestamptz);
INSERT INTO person SELECT g, 10 * g, now() - interval '100 days' FROM generate_series(1, 8) AS g;
CREATE TABLE deed (contact int, what text, at timestamptz, worth float8);
CREATE INDEX ON deed (contact);
-- 1 viewed twice, 2 asked 80 days ago, 3 did something long ago, the others nothing.
INSERT INTO deed VALUES (1, 'view', now() - interval '3 days'), (1, 'view', now() - interval '2 days'),
    (2, 'asked', now() - interval '80 days'), (3, 'view', now() - interval '70 days');

SELECT lead_scoring.create_model('p', 'person', 'id', created_column => 'created');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('p', 'big', 'size > 50', 10);
SELECT lead_scoring.add_event_source('p', 'deed', 'contact', 'at');
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, within, max_count, points, dimension) VALUES
    ('p', 'views', 'each', $$what = 'view'$$, '30 days', 3, 2, 'engagement'),
    ('p', 'asked', 'each', $$what = 'asked'$$, '90 days', 1, 40, 'intent');
INSERT INTO lead_scoring.engagement_rule (model, name, kind, within, points) VALUES ('p', 'silent', 'inactive', '60 days', -5);

-- --------------------------------------------------------------- freshness

\echo # freshness
SELECT lead_scoring.activate('p', initial_scoring => false);
SELECT is(shown('p', 1), '0 4 0 4 new', 'activated without scores: new');
SELECT is(shown('p', 2), '0 -5 40 35 new', 'new, with intent and silence');
CALL lead_scoring.rescore('p', NULL::bigint);
SELECT is(shown('p', 1), '0 4 0 4 current', 'scored: current');
SELECT is(shown('p', 2), '0 -5 40 35 current', 'and so are the others');
SELECT is(shown('p', 6), '10 -5 0 5 current', 'who did nothing is silent since there is the contact');

BEGIN;
UPDATE person SET size = 60 WHERE id = 1;
INSERT INTO deed VALUES (2, 'view', now());
SELECT is(shown('p', 1), '10 4 0 14 pending', 'own writes: pending, and right');
SELECT is(shown('p', 2), '0 2 40 42 pending', 'own events, too');
SELECT is(shown('p', 3), '0 -5 0 -5 current', 'not the others');
SAVEPOINT s;
DELETE FROM person WHERE id = 3;
INSERT INTO person VALUES (9, 99);
SELECT is(shown('p', 3), NULL, 'deleted');
SELECT is(shown('p', 9), '10 0 0 10 new', 'inserted: new');
ROLLBACK TO s;
SELECT is(shown('p', 3), '0 -5 0 -5 current', 'back again');
SELECT is(shown('p', 9), NULL, 'and gone again');
SELECT sound_view('p', 'the view in the transaction');
COMMIT;
SELECT is(shown('p', 1), '10 4 0 14 current', 'committed: current');

SET lead_scoring.apply = queue;
UPDATE person SET size = 1 WHERE id = 1;
RESET lead_scoring.apply;
SELECT is(shown('p', 1), '0 4 0 4 queued', 'in the queue: queued, and right');
SELECT is(shown('p', 2), '0 2 40 42 current', 'not the others');
INSERT INTO p_queue (reason) VALUES ('test');
SELECT is(shown('p', 2), '0 2 40 42 queued', 'everyone is in the queue');
CALL lead_scoring.refresh('p', NULL);
SELECT is(shown('p', 1), '0 4 0 4 current', 'refreshed: current');

UPDATE lead_scoring.fit_rule SET points = 11 WHERE model = 'p';
SELECT is(shown('p', 6), '11 -5 0 6 stale', 'other points: stale, and right');
UPDATE lead_scoring.engagement_rule SET max_count = 1 WHERE model = 'p' AND name = 'views';
SELECT is(shown('p', 1), '0 2 0 2 stale', 'other facts are wanted: stale, from the events');
UPDATE lead_scoring.engagement_rule SET max_count = 3 WHERE model = 'p' AND name = 'views';
UPDATE lead_scoring.fit_rule SET points = 10 WHERE model = 'p';
SELECT is(shown('p', 6), '10 -5 0 5 queued', 'the rules as they were: everyone is looked at, as others have been in between');
CALL lead_scoring.refresh('p', NULL);
SELECT is(shown('p', 6), '10 -5 0 5 current', 'refreshed: current');

-- The condition fails on contact 4 only.
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('p', 'ratio', '1 / (size - 40) > 0', 1);
SELECT is(shown('p', 4), 'stale', 'a rule that fails: no scores');
SELECT is(reasons, 'not scored: division by zero (fit rule "ratio" of model "p")', 'but a reason')
  FROM p_scored WHERE contact_id = 4;
SELECT is(shown('p', 1), '0 4 0 4 stale', 'the others have theirs');
CALL lead_scoring.refresh('p', NULL);
SELECT is(shown('p', 4), 'failed', 'refreshed: failed');
SELECT is(reasons, 'not scored: division by zero (fit rule "ratio" of model "p")', 'with the same reason')
  FROM p_scored WHERE contact_id = 4;
DELETE FROM lead_scoring.fit_rule WHERE model = 'p' AND name = 'ratio';
CALL lead_scoring.refresh('p', NULL);
-- A condition of an engagement rule fails on an event.
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, max_count, points)
VALUES ('p', 'worthy', 'each', '1 / worth > 0', 1, 1);
INSERT INTO deed VALUES (5, 'view', now(), 0);
SELECT is(shown('p', 5), 'failed', 'a rule that fails on an event');
UPDATE lead_scoring.engagement_rule SET condition = '2 / worth > 0' WHERE model = 'p' AND name = 'worthy';
SELECT is(shown('p', 5), 'stale', 'and one that failed otherwise');
SELECT is(reasons, 'not scored: division by zero (engagement rule "worthy" of model "p")', 'with its reason')
  FROM p_scored WHERE contact_id = 5;
DELETE FROM lead_scoring.engagement_rule WHERE model = 'p' AND name = 'worthy';
DELETE FROM deed WHERE contact = 5;
CALL lead_scoring.refresh('p', NULL);
SELECT sound('p', 'all mended');

-- ----------------------------------------------------------------- reasons

\echo # reasons
SELECT is((SELECT reasons FROM p_scored WHERE contact_id = 1), 'views x2 +4', 'how often and how much');
SELECT is((SELECT reasons FROM p_scored WHERE contact_id = 2), 'asked +40, views +2', 'the strongest first');
SELECT is((SELECT reasons FROM p_scored WHERE contact_id = 6), 'big +10, silent -5', 'of the contact and what it did');
SELECT is((SELECT reasons FROM p_scored WHERE contact_id = 4), 'silent -5', 'of what it did not');
SELECT is((SELECT lead_scoring.reasons(c, 'p') FROM person AS c WHERE id = 2), 'asked +40, views +2', 'the function says the same');
SELECT is((SELECT lead_scoring.reasons(c, 'p', now() - interval '75 days') FROM person AS c WHERE id = 2), 'asked +40', 'and for other days');
SELECT is((SELECT lead_scoring.reasons(r, 'p') FROM (SELECT 60 AS size) AS r), 'big +10', 'without a key: of the row alone');
SELECT is((SELECT lead_scoring.reasons(r, 'p') FROM (SELECT 60 AS size, 'two'::text AS id) AS r), 'big +10', 'so is another type of key');
SELECT throws_ok($$SELECT lead_scoring.live_now('p', lead_scoring.sources_stamp('p'), 'two'::text)$$, '42804', NULL, 'a key of another type is refused');
BEGIN;
INSERT INTO deed VALUES (1, 'view', now()), (1, 'asked', now());
SELECT is((SELECT reasons FROM p_scored WHERE contact_id = 1), 'asked +40, views x3 +6', 'own writes');
ROLLBACK;

-- ------------------------------------------------------------- other moments

\echo # other moments
-- The visits of contact 1 end in 27 and 28 days; silence begins after 58.
SELECT set_config('lead_scoring.as_of', (now() + interval '27 days 12 hours')::text, false);
SELECT is(shown('p', 1), '0 2 0 2 due', 'in 27 days: due');
SELECT sound_view('p', 'the view in 27 days');
SELECT set_config('lead_scoring.as_of', (now() + interval '70 days')::text, false);
SELECT is(shown('p', 1), '0 -5 0 -5 due', 'in 70 days');
SELECT sound_view('p', 'the view in 70 days');
SELECT set_config('lead_scoring.as_of', (now() - interval '60 hours')::text, false);
SELECT is(shown('p', 1), '0 2 0 2 past', 'two and a half days ago: past');
SELECT is(shown('p', 4), '0 -5 0 -5 past', 'who does nothing');
SELECT sound_view('p', 'the view then');
SELECT set_config('lead_scoring.as_of', (now() - interval '75 days')::text, false);
SELECT is(shown('p', 2), '0 0 40 40 past', '75 days ago');
SELECT sound_view('p', 'the view then');
RESET lead_scoring.as_of;

-- Stages are those of then, from the history of moves.
DELETE FROM p_stage_history;
UPDATE p_score SET enrolled_at = now() - interval '50 days', stage = 'sql', stage_since = now() - interval '10 days' WHERE contact_id IN (1, 2);
INSERT INTO p_stage_history (contact_id, from_stage, to_stage, changed_at, cause) VALUES
    (1, 'lead', 'mql', now() - interval '20 days', 'event'), (1, 'mql', 'sql', now() - interval '10 days', 'event');
CREATE FUNCTION staged(id int, days int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found text;
BEGIN
    PERFORM set_config('lead_scoring.as_of', (now() - days * interval '1 day')::text, true);
    SELECT concat_ws(' ', stage, extract(day FROM now() - stage_since)) INTO found FROM p_scored WHERE contact_id = id;
    PERFORM set_config('lead_scoring.as_of', '', true);
    RETURN found;
END
$$;
SELECT is((SELECT stage FROM p_scored WHERE contact_id = 1), 'sql', 'the stage of now');
SELECT is(staged(1, 5), 'sql 10', 'since it was entered');
SELECT is(staged(1, 10), 'sql 10', 'at that moment');
SELECT is(staged(1, 11), 'mql 20', 'the one before');
SELECT is(staged(1, 30), 'lead 50', 'the first one, since the contact is there');
SELECT is(staged(1, 51), '', 'none, before that');
SELECT is(staged(2, 30), '', 'not known without a history');

-- Nothing is stored of what fades all the time.
UPDATE lead_scoring.engagement_rule SET "within" = NULL, half_life = '1 day' WHERE model = 'p' AND name = 'views';
CALL lead_scoring.refresh('p', NULL);
UPDATE p_score SET engagement = 77, intent = 78 WHERE contact_id IN (1, 2);
SELECT is((SELECT count(*) FROM p_scored WHERE contact_id = 1 AND engagement > 0.7 AND engagement < 0.76
              AND intent = 0 AND freshness = 'current'), 1::bigint, 'half-lives are read off the state');
SELECT is((SELECT engagement FROM p_scored WHERE contact_id = 3), -5::float8, 'what is left of an old visit is nothing');
CALL lead_scoring.rescore('p', NULL::bigint);
UPDATE lead_scoring.engagement_rule SET "within" = '30 days', half_life = NULL WHERE model = 'p' AND name = 'views';
CALL lead_scoring.refresh('p', NULL);

-- ----------------------------------------------------------------- in parallel

\echo # in parallel
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET min_parallel_index_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
ALTER TABLE person SET (parallel_workers = 2);
ALTER TABLE deed SET (parallel_workers = 2);
CREATE FUNCTION plan_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    line text;
    plan text := '';
BEGIN
    FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
        plan := plan || line || E'\n';
    END LOOP;
    RETURN plan;
END
$$;
ANALYZE person, deed, p_score;
SELECT matches(plan_of('SELECT sum(total) FROM p_scored'), 'Gather.*Parallel', 'the view is read in parallel');
SELECT is((SELECT sum(total) FROM p_scored), (SELECT sum(total) FROM p_score)::float8, 'and right');
BEGIN;
INSERT INTO deed VALUES (2, 'view', now());
UPDATE person SET size = 600 WHERE id = 3;
SELECT is((SELECT sum(total) FROM p_scored), (SELECT sum(total) + 2 + 10 FROM p_score)::float8,
          'with what this transaction has written');
COMMIT;
SET lead_scoring.apply = queue;
INSERT INTO deed VALUES (1, 'view', now());
RESET lead_scoring.apply;
SELECT is((SELECT sum(total) FROM p_scored), (SELECT sum(total) + 2 FROM p_score)::float8, 'and with what is queued');
CALL lead_scoring.refresh('p', NULL);
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET min_parallel_index_scan_size;

-- ---------------------------------------------------------------------- plans

\echo # plans
INSERT INTO person SELECT g, g % 100, now() FROM generate_series(1000, 21000) AS g;
ANALYZE person, p_score;
SELECT unalike(plan_of('SELECT * FROM p_scored WHERE contact_id = 5'), '%Seq Scan%', 'one contact is found by index');
SELECT unalike(plan_of('SELECT * FROM p_scored WHERE contact_id IN (5, 7, 1003)'), '%Seq Scan%', 'and some');
SELECT unalike(plan_of('SELECT * FROM person AS p JOIN p_scored AS s ON s.contact_id = p.id WHERE p.id < 4'), '%Seq Scan%',
              'and those of a join');
SELECT matches(plan_of('SELECT contact_id, total FROM p_score ORDER BY band_rank, total DESC LIMIT 50'),
               'Incremental Sort.*\n.*\n.*\n +->  Index Scan using p_score_band_rank_idx', 'the best by the index on the band');
SELECT unalike(plan_of('SELECT contact_id, total FROM p_score ORDER BY band_rank, total DESC LIMIT 50'), '%Gather%', 'alone');

-- ---------------------------------------------------------------------- rights

\echo # rights
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'scored_reader') THEN
        EXECUTE 'DROP OWNED BY scored_reader; DROP ROLE scored_reader';
    END IF;
    CREATE ROLE scored_reader;
END
$$;
GRANT SELECT ON person, p_score, p_scored TO scored_reader;
SET ROLE scored_reader;
SELECT is(shown('p', 1), '0 6 0 6 current', 'who may read contacts and scores may read the view');
SELECT set_config('lead_scoring.as_of', (now() - interval '75 days')::text, false);
SELECT throws_ok($$SELECT shown('p', 1)$$, '42501', 'permission denied for table deed', 'who may not read events cannot look back');
RESET lead_scoring.as_of;
RESET ROLE;
ALTER TABLE person ENABLE ROW LEVEL SECURITY;
CREATE POLICY part ON person USING (id <= 2 OR id > 2000);
SET ROLE scored_reader;
SELECT is(array_agg(contact_id ORDER BY contact_id), ARRAY[1, 2], 'contacts that one may not see are not shown')
  FROM p_scored WHERE contact_id < 2000;
RESET ROLE;
DROP OWNED BY scored_reader;
DROP ROLE scored_reader;
ALTER TABLE person DISABLE ROW LEVEL SECURITY;

-- ------------------------------------------------------- what nobody watches

\echo # what nobody watches
SELECT lead_scoring.deactivate('p');
UPDATE person SET size = 100 WHERE id = 1;
INSERT INTO deed VALUES (1, 'asked', now());
SELECT is(shown('p', 1), '10 6 40 56 stale', 'deactivated: stale, and right');
SELECT lead_scoring.activate('p');
SELECT is(shown('p', 1), '10 6 40 56 current', 'activated: current');
CREATE VIEW people AS SELECT id, size * 2 AS size, created FROM person WHERE id < 9;
SELECT lead_scoring.create_model('v', 'people', 'id', created_column => 'created');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('v', 'big', 'size > 50', 10);
SELECT lead_scoring.add_event_source('v', 'deed', 'contact', 'at');
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, max_count, points)
VALUES ('v', 'views', 'each', $$what = 'view'$$, 9, 2);
SELECT lead_scoring.activate('v');
SELECT is(shown('v', 2), '0 4 0 4 unwatched', 'contacts that are a view: unwatched');
UPDATE person SET size = 26 WHERE id = 2;
INSERT INTO deed VALUES (2, 'view', now());
SELECT is(shown('v', 2), '10 6 0 16 unwatched', 'and right');
SELECT is(array_agg(d), NULL, 'all of them') FROM differences('v', false) AS d WHERE d NOT LIKE 'verify: %';
SELECT is(outcome($$SELECT * FROM lead_scoring.verify('v')$$), '(2,0,10,4,16)', 'verify finds what the stored scores do not know');

-- What the planner believes that each contact costs: much, and JIT would take longer than
-- to read them all.
CREATE FUNCTION cost_of(query text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
    RETURN plan->0->'Plan'->>'Total Cost';
END
$$;
SELECT cmp_ok(cost_of('SELECT contact_id, fit, engagement, intent, total, band, grade, stage, stage_since,
                              last_activity, scored_at, freshness FROM p_scored'), '<',
              3 * cost_of('SELECT c.id, s.* FROM person AS c LEFT JOIN p_score AS s ON s.contact_id = c.id'),
              'a scan of the view does not look costly');

-- A rule that uses as_of: before and after the model is activated anew.
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('p', 'new', $$created > as_of - interval '10 days'$$, 1);
SELECT is(shown('p', 1), '10 6 40 56 stale', 'a rule that uses as_of: stale');
CALL lead_scoring.refresh('p', NULL);
SELECT is(shown('p', 1), '10 6 40 56 current', 'and current, with fit as of now');
INSERT INTO person VALUES (9, 1, now());
SELECT is(shown('p', 9), '1 0 0 1 current', 'a new contact');
SELECT set_config('lead_scoring.as_of', (now() + interval '12 hours')::text, false);
SELECT sound_view('p', 'in half a day');
RESET lead_scoring.as_of;
UPDATE p_score SET fit = 0, total = 0 WHERE contact_id = 9;
SELECT is(shown('p', 9), '1 0 0 1 due', 'what depends on the moment is due once it has changed');
UPDATE p_score SET fit = 1, total = 1 WHERE contact_id = 9;
SELECT set_config('lead_scoring.as_of', (now() + interval '11 days')::text, false);
SELECT is(shown('p', 9), '0 0 0 0 due', 'it is not new for ever');
RESET lead_scoring.as_of;
SELECT lead_scoring.activate('p');
SELECT is(shown('p', 9), '1 0 0 1 current', 'activated again: the view has the contact''s row at hand');
SELECT set_config('lead_scoring.as_of', (now() + interval '11 days')::text, false);
SELECT is(shown('p', 9), '0 0 0 0 due', 'and is right in 11 days');
SELECT sound_view('p', 'all then');
RESET lead_scoring.as_of;
BEGIN;
UPDATE person SET created = '2000-01-01' WHERE id = 9;
SELECT is(shown('p', 9), '0 -5 0 -5 pending', 'own writes');
COMMIT;
SELECT sound('p', 'and after the commit');

SELECT * FROM finish();
