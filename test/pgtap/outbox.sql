-- Workers: take_actions hands each action to one caller, finish_action says what
-- became of it; who is tried in vain too often is dead.

\ir live.psql

SELECT * FROM no_plan();

CREATE PROCEDURE make_acting(model text, contacts regclass) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM lead_scoring.create_model(model, contacts, 'id');
    INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES (model, 'big', 'size > 50', 60);
    INSERT INTO lead_scoring.action (model, name, condition, payload)
    VALUES (model, 'call', 'score.total >= 50', '{"desk": 7}');
    PERFORM lead_scoring.activate(model);
END
$$;

CREATE TABLE person (id int PRIMARY KEY, size int);
CALL make_acting('p', 'person');
INSERT INTO person SELECT g, 10 * g FROM generate_series(1, 10) AS g;

-- Contacts 6 to 10 have 60 points.
SELECT is(outcome($$SELECT contact_id, aggregatetype, aggregateid, type, payload ->> 'desk' FROM p_outbox ORDER BY contact_id$$),
          '(6,p,6,call,7) (7,p,7,call,7) (8,p,8,call,7) (9,p,9,call,7) (10,p,10,call,7)', 'an action each');
SELECT is(outcome($$SELECT status, attempts, count(*), count(taken_at), count(finished_at), count(result) FROM p_delivery GROUP BY 1, 2$$),
          '(waiting,0,5,0,0,0)', 'they wait');

CREATE TABLE took AS SELECT * FROM lead_scoring.take_actions('p', 2);
SELECT is(outcome($$SELECT count(*), count(DISTINCT id), min(attempts), max(attempts), min(action) FROM took$$), '(2,2,1,1,call)', 'two are taken');
SELECT is(outcome($$SELECT t.* FROM took AS t EXCEPT
                    SELECT o.id, o.contact_id::text, o.type, o.payload, 1, o.created_at FROM p_outbox AS o$$),
          '', 'as the outbox has them');
SELECT is(outcome($$SELECT status, attempts, count(*), count(taken_at) FROM p_delivery
                     WHERE status = 'waiting' OR due_at BETWEEN now() + interval '4 minutes' AND clock_timestamp() + interval '5 minutes'
                     GROUP BY 1, 2 ORDER BY 1$$),
          '(taken,1,2,2) (waiting,0,3,0)', 'for five minutes');
INSERT INTO took SELECT * FROM lead_scoring.take_actions('p');
SELECT is(outcome($$SELECT count(*), count(DISTINCT id), max(attempts) FROM took$$), '(5,5,1)', 'then the other three, and no other');
SELECT is(outcome($$SELECT * FROM lead_scoring.take_actions('p')$$), '', 'then none');
SELECT is(problems('p'), '', 'which is no problem');

-- ------------------------------------------------------------------ finished

SELECT min(id) AS one, min(id) + 1 AS two, min(id) + 2 AS three, min(id) + 3 AS four, max(id) AS five FROM took \gset

SELECT is(lead_scoring.finish_action('p', :one, true), 'delivered', 'delivered');
SELECT is(lead_scoring.finish_action('p', :one, true, 'again'), 'delivered', 'to say it twice changes nothing');
SELECT is(lead_scoring.finish_action('p', :one, false, 'no'), 'delivered', 'nor to say that it failed');
SELECT is(outcome(format($$SELECT status, attempts, finished_at >= taken_at, result FROM p_delivery WHERE outbox_id = %s$$, :one)),
          '(delivered,1,t,)', 'it is as it was said first');

-- fails(id): one attempt more that fails; what comes of it, and when it is due again.
CREATE FUNCTION fails(id bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    n int;
    said text;
    r record;
BEGIN
    UPDATE p_delivery SET due_at = now() WHERE outbox_id = id;
    SELECT t.attempts INTO n FROM lead_scoring.take_actions('p') AS t WHERE t.id = fails.id;
    said := lead_scoring.finish_action('p', id, false, 'line ' || n);
    SELECT * INTO r FROM p_delivery WHERE outbox_id = id;
    RETURN format('%s %s %s: %s, %s', n, said, r.status, r.result,
                  CASE WHEN r.finished_at IS NULL THEN date_trunc('second', r.due_at - clock_timestamp() + interval '0.9 s') END);
END
$$;
SELECT is(lead_scoring.finish_action('p', :two, false, 'engaged'), 'waiting', 'it failed: it waits again');
CREATE TABLE before AS SELECT * FROM p_delivery WHERE outbox_id = :two;
SELECT is(lead_scoring.finish_action('p', :two, false, 'engaged, I said'), 'waiting', 'to say it twice');
SELECT is(outcome($$SELECT * FROM before EXCEPT SELECT * FROM p_delivery$$), '', 'changes nothing');
SELECT is(outcome($$SELECT attempts, result, due_at - now() BETWEEN '59 s' AND '60 s' FROM before$$), '(1,engaged,t)', 'for a minute');
SELECT is(outcome($$SELECT * FROM lead_scoring.take_actions('p')$$), '', 'and is not handed out before');
SELECT is(fails(:two), '2 waiting waiting: line 2, 00:04:00', 'the second time: four minutes');
SELECT is(fails(:two), '3 waiting waiting: line 3, 00:16:00', 'the third: 16');
SELECT is(fails(:two), '4 waiting waiting: line 4, 01:04:00', 'the fourth: 64');
SELECT is(fails(:two), '5 dead dead: line 5, ', 'the fifth is the last');
SELECT is(fails(:two), ' dead dead: line 5, ', 'it is not handed out any more');
SELECT is(problems('p'), 'warning | outbox | actions that were given up: 1', 'check_model knows');
UPDATE p_delivery SET status = 'waiting' WHERE outbox_id = :two;
SELECT is(fails(:two), '6 dead dead: line 6, ', 'one more attempt, by hand');
SELECT is(lead_scoring.finish_action('p', :two, true, 'late'), 'delivered', 'whoever did it after all is believed');
SELECT is(problems('p'), '', 'check_model too');

-- ----------------------------------------------------- workers that are gone

UPDATE p_delivery SET due_at = now() WHERE outbox_id = :three;
SELECT is(outcome($$SELECT id, attempts FROM lead_scoring.take_actions('p')$$), format('(%s,2)', :three), 'after its five minutes another has it');
SELECT is(lead_scoring.finish_action('p', :three, true), 'delivered', 'and delivers it');
SELECT is(lead_scoring.finish_action('p', :three, false, 'I gave up'), 'delivered', 'the first one comes too late');

UPDATE p_delivery SET due_at = now() - interval '1 hour', attempts = 5 WHERE outbox_id = :four;
UPDATE p_delivery SET due_at = now() WHERE outbox_id = :five;
SELECT is(outcome($$SELECT id, attempts FROM lead_scoring.take_actions('p', 1)$$), format('(%s,2)', :five),
          'nobody came back five times: it is given up, and the next one handed out');
SELECT is(outcome(format($$SELECT status, attempts, result, finished_at IS NOT NULL FROM p_delivery WHERE outbox_id = %s$$, :four)),
          '(dead,5,"no worker said what became of it",t)', 'with a reason');
SELECT is(outcome($$SELECT * FROM lead_scoring.take_actions('p', 1)$$), '', 'nothing is left');

-- --------------------------------------------------------------------- errors

SELECT throws_ok($$SELECT lead_scoring.finish_action('p', 4711, true)$$, 'P0002', 'model "p" has no action 4711', 'an unknown action');
SELECT throws_ok($$SELECT lead_scoring.finish_action('p', NULL, true)$$, 'P0002', 'model "p" has no action null', 'none');
SELECT throws_ok($$SELECT lead_scoring.finish_action('p', 1, NULL)$$, '22004', 'ok must be true or false', 'neither true nor false');
SELECT throws_ok($$SELECT lead_scoring.take_actions('none')$$, '42704', 'model "none" does not exist', 'an unknown model');
SELECT throws_ok($$SELECT lead_scoring.finish_action(NULL, 1, true)$$, '42704', NULL, 'no model');
SELECT throws_ok($$SELECT lead_scoring.take_actions('p', 0)$$, '22023', 'at_most must be at least 1', 'no number');
SELECT throws_ok($$SELECT lead_scoring.take_actions('p', NULL)$$, '22023', 'at_most must be at least 1', 'NULL is none');
SELECT lead_scoring.create_model('draft', 'person', 'id');
SELECT throws_ok($$SELECT lead_scoring.take_actions('draft')$$, '55000', 'model "draft" was never activated', 'a draft');

-- ---------------------------------------------------- keys, and other models

CREATE TABLE by_uuid (id uuid PRIMARY KEY, size int);
CREATE TABLE by_text (id text PRIMARY KEY, size int);
CALL make_acting('Uu "1"', 'by_uuid');
CALL make_acting('t', 'by_text');
INSERT INTO by_uuid VALUES ('00000000-0000-0000-0000-00000000000a', 99);
INSERT INTO by_text VALUES (E'o''hara "x"\\', 99);
SELECT is(outcome($$SELECT contact_id FROM lead_scoring.take_actions('Uu "1"')$$), '(00000000-0000-0000-0000-00000000000a)', 'a uuid');
SELECT is(contact_id, E'o''hara "x"\\', 'a text') FROM lead_scoring.take_actions('t');

SELECT lead_scoring.deactivate('p');
UPDATE p_delivery SET status = 'waiting', due_at = now() WHERE outbox_id = :one;
SELECT is(outcome($$SELECT id FROM lead_scoring.take_actions('p')$$), format('(%s)', :one), 'a model that is no longer live: what was fired is done');

-- -------------------------------------------------- what a worker may and needs

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'ls_worker') THEN
        DROP OWNED BY ls_worker CASCADE;
        DROP ROLE ls_worker;
    END IF;
END
$$;
CREATE ROLE ls_worker;
CREATE FUNCTION by_worker(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    said text;
BEGIN
    SET LOCAL ROLE ls_worker;
    EXECUTE query INTO said;
    RESET ROLE;
    RETURN coalesce(said, 'nothing');
EXCEPTION WHEN OTHERS THEN
    RETURN sqlstate;
END
$$;
UPDATE p_delivery SET status = 'waiting', due_at = now() WHERE outbox_id = :one;
\set take 'SELECT id::text FROM lead_scoring.take_actions(''p'', 5)'
SELECT is(by_worker(:'take'), '42704', 'a stranger does not see the model');
GRANT SELECT (id) ON person TO ls_worker;
SELECT is(by_worker(:'take'), '42501', 'a reader of contacts may not take');
GRANT SELECT ON p_outbox, p_delivery TO ls_worker;
SELECT is(by_worker(:'take'), '42501', 'nor a reader of the outbox');
GRANT UPDATE ON p_delivery TO ls_worker;
SELECT is(by_worker(:'take'), :'one', 'a worker may');
SELECT is(by_worker(format('SELECT lead_scoring.finish_action(%L, %s, false)', 'p', :'one')), 'waiting', 'and finish');
SELECT is(by_worker(statement), '42501', 'but not: ' || statement)
  FROM (VALUES ('UPDATE p_outbox SET type = type'), ('DELETE FROM p_outbox'), ('DELETE FROM p_delivery'),
               ('INSERT INTO p_outbox (contact_id) VALUES (1)'), ('SELECT size FROM person')) AS v (statement);
DROP OWNED BY ls_worker CASCADE;
DROP ROLE ls_worker;

SELECT * FROM finish();
