-- What time alone does to stages and actions: a refresh finds it, and nobody is due
-- too late.

\ir live.psql
\ir life.psql

SELECT * FROM no_plan();

CREATE TABLE person (id int PRIMARY KEY, points int, stage text, size int, born timestamptz);
CALL make_staged('p', 'person');
UPDATE lead_scoring.transition SET condition = 'total >= 70' WHERE to_stage = 'mql';
CALL add_transition('p', 'mql', 'lead', $$total < 65 AND stage_age > interval '30 days'$$);
INSERT INTO lead_scoring.action (model, name, condition) VALUES ('p', 'pause', $$score.total < 30 AND score.stage_age > interval '90 days'$$);
CALL lead_scoring.refresh('p');

-- -------------------------------------------------------------- hysteresis

INSERT INTO person VALUES (1, 70, 'lead'), (2, 70, 'lead'), (3, 0, 'lead');
UPDATE person SET points = 60 WHERE id = 1;
SELECT is(outcome('SELECT id, stage FROM person ORDER BY id'), '(1,mql) (2,mql) (3,lead)', 'too soon to step back');
-- The first of these moments at which something may flip.
SELECT is(outcome($$SELECT contact_id, CASE WHEN due_at < stage_since THEN 'before' WHEN due_at <= stage_since + interval '30 days 1 microsecond' THEN 'in 30 days' ELSE 'later' END
                     FROM p_score ORDER BY 1$$), '(1,"in 30 days") (2,"in 30 days") (3,"in 30 days")', 'they are due in time');
SELECT ok(bool_and(due_at > now() + interval '1 hour'), 'but not all the time') FROM p_score;
CALL pass('p', '29 days 23:59');
SELECT is(moves('p', '1'), 'lead > mql (contact)', 'not before the 30 days are over');
CALL pass('p', '1 minute');
SELECT is(moves('p', '1'), 'lead > mql (contact), mql > lead (time)', 'then it steps back, because of the time');
SELECT is(moves('p', '2') || moves('p', '3'), 'lead > mql (contact)', 'and who has the points does not');
SELECT matches(chapters('p', '1'), 'hot/mql > hot/lead \(time\)$', 'the score history says so too');
UPDATE person SET points = 60 WHERE id = 2;
SELECT matches(moves('p', '2'), 'mql > lead \(contact\)$', 'who is there long enough steps back at once');
SELECT lawful('p', 'hysteresis');

-- ------------------------------------------------ a contact that does nothing

SELECT is(fired('p'), '', 'no pause yet');
CALL pass('p', '59 days 23:59');
SELECT is(fired('p', '3'), '', 'nor a minute before the 90 days are over');
CALL pass('p', '1 minute');
SELECT is(fired('p', '3'), 'pause enter (time)', 'a contact that did nothing at all');
CALL pass('p', '400 days');
SELECT is(fired('p', '3'), 'pause enter (time)', 'once');
SELECT is(outcome('SELECT due_at FROM p_score WHERE contact_id = 3'), '()', 'then it is never due again');
SELECT lawful('p', 'a pause');

-- ----------------------------------------------------- when they are due

-- due(condition): an action of that condition, and how long from now a contact of 40
-- points, size 5, in its stage for two days, is due.
DELETE FROM lead_scoring.transition WHERE model = 'p';
CREATE FUNCTION due(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
    said text;
BEGIN
    DELETE FROM lead_scoring.action WHERE model = 'p';
    DELETE FROM person;
    INSERT INTO lead_scoring.action (model, name, condition) VALUES ('p', 'a', condition);
    CALL lead_scoring.refresh('p', n);
    INSERT INTO person VALUES (1, 40, 'lead', 5, now() - interval '10 days');
    PERFORM lead_scoring.flush();
    UPDATE p_score SET stage_since = stage_since - interval '2 days', due_at = now();
    CALL lead_scoring.refresh('p', n);
    SELECT CASE WHEN due_at IS NULL THEN 'never' WHEN due_at < now() THEN 'now'
                ELSE date_trunc('minute', due_at - now() + interval '30 s')::text END INTO said FROM p_score;
    RETURN said;
END
$$;
SELECT is(due(condition), expected, condition)
  FROM (VALUES
    ($$stage_age > interval '3 days'$$, '1 day'),
    ($$stage_age >= '3 days'$$, '1 day'),
    ($$interval '60 hours' < score.stage_age$$, '12:00:00'),
    ($$stage_age BETWEEN '1 day' AND '50 hours'$$, '02:00:00'),
    ($$stage_age > interval '1 day'$$, 'never'),
    ($$stage_age > interval '1 mon'$$, '28 days'),
    ($$NOT (stage_age < '3 days') OR total > 100$$, '1 day'),
    ($$stage_age = '3 days'$$, '1 day'),
    ($$stage_age IN ('3 days', '4 days')$$, '1 day'),
    ($$stage_age > ANY ('{3 days,4 days}'::interval[])$$, '1 day'),
    ($$CASE WHEN stage_age > '3 days' THEN true END$$, '1 day'),
    ($$stage_age IS NOT NULL$$, 'never'),
    ($$total > 40$$, 'never'),
    ($$stage_age > contact.size * interval '1 day'$$, '1 day'),
    ($$extract(epoch FROM stage_age) > 86400 * 5$$, '1 day'),
    ($$contact.born < as_of - interval '11 days'$$, '1 day'),
    ($$size > 3$$, 'never')) AS v (condition, expected);
DELETE FROM lead_scoring.action WHERE model = 'p';

-- ------------------------------------------------------------ points that fade

CREATE TABLE deed (contact int, what text, at timestamptz);
CREATE INDEX ON deed (contact);
CREATE TABLE client (id int PRIMARY KEY, stage text DEFAULT 'lead');
INSERT INTO client SELECT g FROM generate_series(1, 4) AS g;
SELECT lead_scoring.create_model('c', 'client', 'id', stage_column => 'stage');
SELECT lead_scoring.add_event_source('c', 'deed', 'contact', 'at');
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, half_life, max_count)
VALUES ('c', 'visit', 'each', $$what = 'visit'$$, 60, '10 days', 1), ('c', 'flash', 'each', $$what = 'flash'$$, 60, '10 seconds', 1);
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, within, max_count) VALUES ('c', 'call', 'each', $$what = 'call'$$, 80, '2 days', 1);
INSERT INTO lead_scoring.action (model, name, condition, on_edge, repeat_after) VALUES ('c', 'below 30', 'total < 30', 'enter', '0'), ('c', 'above 33', 'total > 33', 'leave', '0');
CALL add_transition('c', 'mql', 'lead', 'total < 40');
SELECT lead_scoring.activate('c');
INSERT INTO deed VALUES (1, 'visit', '2026-01-01 00:00+00');
-- When 60 points of the moment t have become p: t + 10 days x log2(60 / p).
CREATE FUNCTION left_at(t timestamptz, p float8, half_life interval DEFAULT '10 days') RETURNS timestamptz LANGUAGE sql
    RETURN t + half_life * (ln(60 / p) / ln(2));
DELETE FROM deed;
INSERT INTO deed VALUES (1, 'visit', now()), (2, 'visit', now() - interval '7 days'), (3, 'call', now() - interval '1 day');
-- 1 goes below 50 (hot), then 40, 33, 30; 2 has 36.9 and goes below 33 next; 3 loses its points.
SELECT is(outcome('SELECT contact_id, round(total), stage FROM c_score ORDER BY 1'), '(1,60,mql) (2,37,lead) (3,80,sql) (4,0,lead)', 'what they have');
SELECT ok(due_at BETWEEN now() AND left_at(at, 50), 'one crosses a band') FROM c_score JOIN deed ON contact = contact_id WHERE contact_id = 1;
SELECT ok(due_at BETWEEN now() + interval '1 day' AND left_at(at, 33), 'one the threshold of an action') FROM c_score JOIN deed ON contact = contact_id WHERE contact_id = 2;
SELECT is(due_at, at + interval '2 days', 'one loses its points') FROM c_score JOIN deed ON contact = contact_id WHERE contact_id = 3;

-- Of a half-life of ten seconds: 33.0 points after 8.6 s, 30 after 10 s.
TRUNCATE c_outbox, c_delivery;
INSERT INTO deed VALUES (4, 'flash', clock_timestamp() - interval '8.2 s');
SELECT is(fired('c', '4'), '', 'above both');
SELECT ok(due_at <= left_at(at, 33, '10 s'), 'due in time') FROM c_score JOIN deed ON contact = contact_id WHERE contact_id = 4;
CREATE PROCEDURE refresh_until_fired(model text, contact text, n int) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. 100 LOOP
        CALL lead_scoring.refresh(model);
        EXIT WHEN (SELECT count(*) FROM c_outbox WHERE contact_id::text = contact) >= n;
        PERFORM pg_sleep(0.1);
        COMMIT;
    END LOOP;
END
$$;
-- A session that knows nothing of the model yet, as schedulers start one each time.
\setenv PGDATABASE :DBNAME
\! psql -Xq -c "CALL lead_scoring.refresh('c')"
CALL refresh_until_fired('c', '4', 2);
SELECT is(fired('c', '4'), 'above 33 leave (time), below 30 enter (time)', 'nothing but time went by');
SELECT ok(created_at >= left_at(at, 33, '10 s') AND created_at < left_at(at, 33, '10 s') + interval '1.3 s', 'the first not too early, nor late')
  FROM c_outbox JOIN deed ON contact = contact_id WHERE contact_id = 4 AND c_outbox.type = 'above 33';
SELECT ok(created_at >= left_at(at, 30, '10 s'), 'nor the second')
  FROM c_outbox JOIN deed ON contact = contact_id WHERE contact_id = 4 AND c_outbox.type = 'below 30';
SELECT matches(chapters('c', '4'), '\(event\)$', 'no band was crossed since');
SELECT is(string_agg(u, E'\n'), NULL, 'the records') FROM unlawful('c') AS u;

-- An event that has not come yet.
INSERT INTO deed VALUES (3, 'visit', clock_timestamp() + interval '0.5 s');
SELECT is(fired('c', '3'), '', 'nothing happens now');
SELECT is((SELECT count(*) FROM c_score JOIN deed ON contact = contact_id WHERE contact_id = 3 AND what = 'visit' AND due_at <= at), 1::bigint, 'but it is due');

SELECT * FROM finish();
