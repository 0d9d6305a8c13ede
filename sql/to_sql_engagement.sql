-- Behaviour as plain SQL: every kind and control, at the edge of every interval.
--
-- A contact is a case; `expected` was worked out by hand from README.md. The
-- moment is 2026-03-01 00:00 UTC unless said otherwise: "ago" counts from there.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS lead_scoring;
SET jit = off;

CREATE SCHEMA plain;
SET search_path = plain, public;
CREATE TABLE contacts (id int PRIMARY KEY, about text, expected float8 NOT NULL, created timestamptz);
CREATE TABLE events (contact bigint, at timestamptz, kind text, item text, amount float8);
SELECT lead_scoring.create_model('hand', 'plain.contacts', 'id', created_column => 'created') \g /dev/null
INSERT INTO lead_scoring.event_source (model, relation, contact_id, occurred_at)
VALUES ('hand', 'plain.events', 'contact', 'at');

-- given(contact, about, expected, events...): an event is "age kind item amount".
CREATE PROCEDURE given(id int, about text, expected float8, VARIADIC happened text[] DEFAULT '{}')
LANGUAGE sql AS $$
    INSERT INTO contacts VALUES (id, about, expected);
    INSERT INTO events
    SELECT id, (timestamp '2026-03-01 00:00' - translate(split_part(h, ' ', 1), '_', ' ')::interval) AT TIME ZONE 'UTC',
           split_part(h, ' ', 2), nullif(split_part(h, ' ', 3), ''), nullif(split_part(h, ' ', 4), '')::float8
      FROM unnest(happened) AS h;
$$;

CREATE PROCEDURE forget() LANGUAGE sql AS $$
    TRUNCATE contacts, events;
    DELETE FROM lead_scoring.engagement_rule WHERE model = 'hand';
$$;

CREATE FUNCTION scores(model text, as_of timestamptz DEFAULT '2026-03-01 00:00+00')
RETURNS TABLE (id text, fit float8, engagement float8, intent float8, total float8)
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE 'SELECT contact_id::text, fit, engagement, intent, total FROM ('
        || lead_scoring.to_sql(model) || ') AS s' USING as_of;
END
$$;

CREATE VIEW judged AS
    SELECT c.id, c.about, c.expected, s.engagement AS points,
           CASE WHEN abs(s.engagement - c.expected) <= 1e-6 THEN '' ELSE 'WRONG' END AS wrong
      FROM contacts AS c LEFT JOIN scores('hand') AS s ON s.id = c.id::text
     ORDER BY c.id;

-- ---------------------------------------------------------------------- each

-- 5 for each of the 2 latest visits within 7 days.
CALL forget();
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, within, max_count)
VALUES ('hand', 'visits', 'each', $$kind = 'visit'$$, 5, '7 days', 2);
CALL given(1, 'no event', 0);
CALL given(2, 'one', 5, '1day visit');
CALL given(3, 'three are two', 10, '1day visit', '2days visit', '3days visit');
CALL given(4, 'as old as the window: out', 0, '7days visit');
CALL given(5, 'a microsecond younger: in', 5, '6days_23:59:59.999999 visit');
CALL given(6, 'this moment', 5, '0days visit');
CALL given(7, 'a microsecond ahead: not yet', 0, '-00:00:00.000001 visit');
CALL given(8, 'another kind', 0, '1day order');
INSERT INTO contacts VALUES (9, 'never and ever', 0);
INSERT INTO events VALUES (9, '-infinity', 'visit'), (9, 'infinity', 'visit'), (9, NULL, 'visit'),
    (NULL, '2026-02-28 00:00+00', 'visit'), (99, '2026-02-28 00:00+00', 'visit');
TABLE judged;

-- 2 points a unit; of equally late ones the larger counts; what is no number is 0.
CALL forget();
INSERT INTO lead_scoring.engagement_rule (model, name, kind, points, value, max_count)
VALUES ('hand', 'minutes', 'each', 2, 'amount', 1);
CALL given(1, 'one', 7, '1day visit x 3.5');
CALL given(2, 'the latest', 2, '1day visit x 1', '2days visit x 9');
CALL given(3, 'the larger of two at once', 18, '1day visit x 1', '1day visit x 9', '1day visit x -3');
CALL given(4, 'null is a value of 0', 0, '1day visit', '2days visit x 9');
CALL given(5, 'null is more than -1', 0, '1day visit', '1day visit x -1');
CALL given(6, 'NaN is not the largest', 4, '1day visit x NaN', '1day visit x 2');
CALL given(7, 'nor infinity', 4, '1day visit x Infinity', '1day visit x 2');
CALL given(8, 'minus infinity is 0', 0, '1day visit x -Infinity', '1day visit x -2');
TABLE judged;

-- 16, halved every day: the age in days is the power.
CALL forget();
INSERT INTO lead_scoring.engagement_rule (model, name, kind, points, value, half_life)
VALUES ('hand', 'fading', 'each', 16, 'amount', '1 day');
CALL given(1, 'now', 16, '0days visit x 1');
CALL given(2, 'a half-life', 8, '1day visit x 1');
CALL given(3, 'half of one: 16 / sqrt(2)', 11.313708498985, '12:00 visit x 1');
CALL given(4, 'a sum: 8 + 4 + 2 * 2', 16, '1day visit x 1', '2days visit x 1', '3days visit x 2');
CALL given(5, '1000 half-lives', 0, '1000days visit x 1');
CALL given(6, 'a million', 0, '1000000days visit x 1');
CALL given(7, 'hardly anything of hardly anything', 0, '999days visit x 1e-30', '1day visit x 1e-320');
CALL given(8, 'something of a lot', 16.0, '300days visit x 2.037035976334486e90');
TABLE judged;

-- 10, in a line to 0 over 10 days.
CALL forget();
INSERT INTO lead_scoring.engagement_rule (model, name, kind, points, linear_over, max_count)
VALUES ('hand', 'line', 'each', 10, '10 days', 9);
CALL given(1, 'now', 10, '0days visit');
CALL given(2, '4 days', 6, '4days visit');
CALL given(3, 'all of it', 0, '10days visit');
CALL given(4, 'more', 0, '11days visit');
TABLE judged;

-- 10, less 40 percent every 30 days: a month.
CALL forget();
INSERT INTO lead_scoring.engagement_rule (model, name, kind, points, decay_percent, decay_every, max_count)
VALUES ('hand', 'steps', 'each', 10, 40, '1 mon', 9);
CALL given(1, 'just before the step', 10, '29days_23:59:59.999999 visit');
CALL given(2, 'on it', 6, '30days visit');
CALL given(3, 'the second', 2, '60days visit');
CALL given(4, 'not below 0', 0, '90days visit');
TABLE judged;

-- 10 for less than a day and a half.
CALL forget();
INSERT INTO lead_scoring.engagement_rule (model, name, kind, points, expires_after, max_count)
VALUES ('hand', 'expires', 'each', 10, '1 day 12:00', 9);
CALL given(1, 'just before', 10, '1day_11:59:59.999999 visit');
CALL given(2, 'as old', 0, '1day_12:00 visit');
TABLE judged;

-- One a page, of pages that differ; 3 pages at most.
CALL forget();
INSERT INTO lead_scoring.engagement_rule (model, name, kind, points, value, distinct_by, max_count)
VALUES ('hand', 'pages', 'each', 1, 'amount', 'item', 3);
CALL given(1, 'the latest of each: 2 + 4', 6, '2days visit a 1', '1day visit a 2', '2days visit b 4');
CALL given(2, 'null is one page', 6, '2days visit', '1day visit', '1day visit b 6');
CALL given(3, 'the larger of two at once', 8, '1day visit a 1', '1day visit a 8', '1day visit a 2');
CALL given(4, 'three pages', 7, '1day visit a 1', '2days visit b 2', '3days visit c 4', '4days visit d 8');
TABLE judged;

-- A basket for 2 hours and up to 3 days, unless an order came.
CALL forget();
INSERT INTO lead_scoring.engagement_rule
    (model, name, kind, condition, points, "unless", "after", within, distinct_by, max_count)
VALUES ('hand', 'basket', 'each', $$kind = 'basket'$$, 7, $$kind = 'order'$$, '2 hours', '3 days', 'item', 9);
CALL given(1, 'as old as after: in', 7, '02:00 basket a');
CALL given(2, 'a microsecond younger: out', 0, '01:59:59.999999 basket a');
CALL given(3, 'too young for distinct_by, too', 7, '01:00 basket a', '03:00 basket a');
CALL given(4, 'ordered', 0, '05:00 basket a', '04:00 order');
CALL given(5, 'ordered at that moment', 0, '05:00 basket a', '05:00 order');
CALL given(6, 'ordered before', 7, '05:00 basket a', '05:00:00.000001 order');
CALL given(7, 'an order is void at once', 0, '05:00 basket a', '00:30 order');
CALL given(8, 'the order is still to come', 7, '05:00 basket a', '-00:30 order');
CALL given(9, 'two', 14, '05:00 basket a', '06:00 basket b', '3days basket c');
TABLE judged;

-- February: from its first moment to before that of March. T is March 1.
CALL forget();
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, counts_from, counts_until)
VALUES ('hand', 'february', 'each', $$kind = 'visit'$$, 1, '2026-02-01 00:00+00', '2026-03-01 00:00+00');
CALL given(1, 'first', 1, '28days visit');
CALL given(2, 'before', 0, '28days_00:00:00.000001 visit');
CALL given(3, 'last', 1, '00:00:00.000001 visit');
CALL given(4, 'behind', 0, '0days visit');
TABLE judged;
-- What unless says counts whenever it was.
UPDATE lead_scoring.engagement_rule SET max_count = 9, "unless" = $$kind = 'order'$$ WHERE model = 'hand';
CALL given(5, 'an order in March', 0, '1day visit', '0days order');
CALL given(6, 'an order in January', 1, '1day visit', '40days order');
TABLE judged;

-- --------------------------------------------------------------------- count

-- Two or three mails opened in a month: +5, once.
CALL forget();
INSERT INTO lead_scoring.engagement_rule
    (model, name, kind, condition, points, at_least, at_most, within, distinct_by, "unless")
VALUES ('hand', 'opens', 'count', $$kind = 'open'$$, 5, 2, 3, '1 mon', 'item', $$kind = 'spam'$$);
CALL given(1, 'none', 0);
CALL given(2, 'one', 0, '1day open a');
CALL given(3, 'two', 5, '1day open a', '2days open b');
CALL given(4, 'one mail twice', 0, '1day open a', '2days open a');
CALL given(5, 'three, null among them', 5, '1day open a', '2days open b', '3days open', '4days open');
CALL given(6, 'four', 0, '1day open a', '2days open b', '3days open c', '4days open d');
CALL given(7, 'of four one is too old', 5, '1day open a', '2days open b', '3days open c', '30days open d');
CALL given(8, 'two are void', 0, '1day open a', '2days open b', '3days open c', '2days spam');
TABLE judged;
-- At most one, or none at all: everybody else has it.
UPDATE lead_scoring.engagement_rule SET at_least = NULL, at_most = 1 WHERE model = 'hand';
UPDATE contacts SET expected = CASE WHEN id IN (1, 2, 4, 8) THEN 5 ELSE 0 END;
TABLE judged;
UPDATE lead_scoring.engagement_rule SET at_most = 0 WHERE model = 'hand';
UPDATE contacts SET expected = CASE WHEN id = 1 THEN 5 ELSE 0 END;
TABLE judged;

-- ------------------------------------------------------------------ inactive

-- -3 after 10 days of silence, again every 2 days, 4 times at most.
CALL forget();
INSERT INTO lead_scoring.engagement_rule (model, name, kind, points, within, repeat_every, max_count)
VALUES ('hand', 'silent', 'inactive', -3, '10 days', '2 days', 4);
CALL given(1, 'nothing known: no penalty', 0);
CALL given(2, 'a microsecond to go', 0, '9days_23:59:59.999999 visit');
CALL given(3, '10 days', -3, '10days visit', '30days visit');
CALL given(4, 'just before the second', -3, '11days_23:59:59.999999 visit');
CALL given(5, 'the second', -6, '12days visit');
CALL given(6, 'the fourth', -12, '16days visit');
CALL given(7, 'no fifth', -12, '600days visit');
CALL given(8, 'the future says nothing', -3, '10days visit', '-1days visit');
INSERT INTO contacts VALUES
    (9, 'created 10 days ago', -3, '2026-02-19 00:00+00'), (10, 'a microsecond later', 0, '2026-02-19 00:00:00.000001+00'),
    (11, 'created tomorrow', 0, '2026-03-02 00:00+00'), (12, 'ever', 0, '-infinity'), (13, 'never', 0, 'infinity'),
    (14, 'active since', 0, '2020-01-01 00:00+00');
INSERT INTO events VALUES (14, '2026-02-28 00:00+00');
TABLE judged;
-- With a condition who never did it is skipped, unless told otherwise.
UPDATE lead_scoring.engagement_rule SET condition = $$kind = 'visit'$$ WHERE model = 'hand';
UPDATE contacts SET expected = 0 WHERE id = 9;
TABLE judged;
UPDATE lead_scoring.engagement_rule SET if_never = 'created', repeat_every = NULL, max_count = NULL WHERE model = 'hand';
UPDATE contacts SET expected = CASE WHEN id IN (3, 4, 5, 6, 7, 8, 9, 14) THEN -3 ELSE 0 END;
TABLE judged;

-- All sources' activity; a source of its own; not what was sent.
CALL forget();
CREATE TABLE calls (who int, day date, duration int);
INSERT INTO lead_scoring.event_source (model, name, relation, contact_id, occurred_at, condition)
VALUES ('hand', 'calls', 'plain.calls', 'who', 'day', 'duration > 0');
UPDATE lead_scoring.event_source SET activity = $$kind <> 'sent'$$ WHERE model = 'hand' AND name = 'events';
INSERT INTO lead_scoring.engagement_rule (model, name, kind, source, points, within)
VALUES ('hand', 'all', 'inactive', NULL, -1, '10 days'),
       ('hand', 'events', 'inactive', 'events', -10, '10 days'),
       ('hand', 'calls', 'inactive', 'calls', -100, '10 days');
CALL given(1, 'sent: an event, but no activity', 0, '1day sent');
CALL given(2, 'sent lately, visited before', -1, '1day sent', '11days visit');
CALL given(3, 'visited before, called lately', -10, '11days visit');
CALL given(4, 'called before, visited lately', -100, '1day visit');
CALL given(5, 'all before', -111, '20days visit');
CALL given(6, 'nobody answered', 0);
INSERT INTO calls VALUES (3, '2026-02-28', 5), (4, '2026-01-01', 5), (5, '2026-01-01', 5), (6, '2026-01-01', 0);
TABLE judged;
DELETE FROM lead_scoring.engagement_rule WHERE model = 'hand';
DELETE FROM lead_scoring.event_source WHERE model = 'hand' AND name = 'calls';
UPDATE lead_scoring.event_source SET activity = NULL WHERE model = 'hand';

-- ------------------------------------------------------------------ sequence

-- a, b, c in 2 days, the last less than 10 days ago; what happened before a stop is void.
CALL forget();
INSERT INTO lead_scoring.engagement_rule (model, name, kind, steps, points, within, expires_after, "unless")
VALUES ('hand', 'abc', 'sequence', ARRAY[$$kind = 'a'$$, $$kind = 'b'$$, $$kind = 'c'$$], 8, '2 days', '10 days', $$kind = 'stop'$$);
CALL given(1, 'nothing', 0);
CALL given(2, 'in order', 8, '3days a', '2days b', '1day c');
CALL given(3, 'out of order', 0, '3days b', '2days a', '1day c');
CALL given(4, 'two at once', 0, '3days a', '2days b', '2days c');
CALL given(5, 'a microsecond too long', 0, '3days_00:00:00.000001 a', '2days b', '1day c');
CALL given(6, 'from the second a', 8, '9days a', '2days_23:00 a', '2days b', '1day c');
CALL given(7, 'b before the second a', 0, '4days a', '3days b', '2days a', '1day c');
CALL given(8, 'expired', 0, '12days a', '11days b', '10days c');
CALL given(9, 'about to expire', 8, '11days a', '10days b', '9days_23:59:59.999999 c');
CALL given(10, 'expired, but completed once more', 8, '12days a', '11days b', '10days c', '3days a', '2days b', '2days a', '1day c');
CALL given(11, 'the first is void', 0, '3days a', '3days stop', '2days b', '1day c');
CALL given(12, 'the last is still to come', 0, '1day a', '1hour b', '-00:00:00.000001 c');
CALL given(13, 'with others between', 8, '3days a', '2days_12:00 a', '2days b', '2days b', '1day_12:00 x', '1day c');
TABLE judged;
-- In any order.
UPDATE lead_scoring.engagement_rule SET step_order = 'any' WHERE model = 'hand';
UPDATE contacts SET expected = 8 WHERE id IN (3, 4, 7);
TABLE judged;
-- Consecutive: 13 has b and then nothing but c, and a, a, b is a, b from the second a.
UPDATE lead_scoring.engagement_rule SET step_order = 'consecutive' WHERE model = 'hand';
UPDATE contacts SET expected = 0 WHERE id IN (3, 4, 7);
CALL given(14, 'a repeated in between', 0, '3days a', '2days b', '1day_12:00 a', '1day c');
CALL given(15, 'the moment counts: b and a together', 8, '3days a', '2days b', '2days a', '1day c');
UPDATE contacts SET expected = 8 WHERE id = 10;
TABLE judged;

-- Three equal steps in 48 hours; one event in any order serves several.
CALL forget();
INSERT INTO lead_scoring.engagement_rule (model, name, kind, steps, points, within)
VALUES ('hand', 'thrice', 'sequence', array_fill($$kind = 'price'$$::text, ARRAY[3]), 1, '48 hours');
INSERT INTO lead_scoring.engagement_rule (model, name, kind, steps, points, step_order, counts_from)
VALUES ('hand', 'both', 'sequence', ARRAY[$$item = 'x'$$, 'amount > 5'], 10, 'any', '2026-02-01 00:00+00');
CALL given(1, 'two', 0, '2days price', '1day price');
CALL given(2, 'three', 1, '3days price', '2days price', '1day price');
CALL given(3, 'three, two of them at once', 0, '3days price', '1day price', '1day price');
CALL given(4, 'four in 3 days', 1, '4days price', '3days price', '2days price', '1day price');
CALL given(5, 'one for both', 10, '1day order x 6');
CALL given(6, 'two, far apart', 10, '20days order x 1', '1day order y 6');
CALL given(7, 'one in January', 0, '40days order x 1', '1day order y 6');
CALL given(8, 'a null step', 0, '1day order x');
TABLE judged;

-- -------------------------------------------------------------------- streak

-- The last 2 newsletters sent were opened; 3 days to do so. A stop voids.
CALL forget();
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, hit, distinct_by, points, at_least, within, "unless")
VALUES ('hand', 'reader', 'streak', $$kind = 'sent'$$, $$kind = 'open'$$, 'item', 6, 2, '60 days', $$kind = 'stop'$$);
CALL given(1, 'only one', 0, '9days sent a', '8days open a');
CALL given(2, 'two', 6, '19days sent a', '18days open a', '9days sent b', '1day open b');
CALL given(3, 'the last was not', 0, '39days sent a', '38days open a', '19days sent b', '18days open b', '9days sent c');
CALL given(4, 'the last is young', 6, '39days sent a', '38days open a', '19days sent b', '18days open b', '2days_23:59:59.999999 sent c');
CALL given(5, 'as old as the grace', 0, '39days sent a', '38days open a', '19days sent b', '18days open b', '3days sent c');
CALL given(6, 'young, but opened: it counts', 6, '19days sent a', '9days sent b', '8days open b', '1day sent c', '1hour open c');
CALL given(7, 'another was opened', 0, '19days sent a', '18days open a', '9days sent b', '8days open x');
CALL given(8, 'sent again: as of the second time', 0, '39days sent a', '38days open a', '19days sent b', '9days sent a');
CALL given(9, 'null is a newsletter', 6, '19days sent', '18days open', '9days sent b', '8days open b');
CALL given(10, 'one is out of the window', 0, '60days sent a', '59days open a', '9days sent b', '8days open b');
CALL given(11, 'of two at once the opened one first', 6, '19days sent a', '19days sent b', '18days open b', '9days sent c', '8days open c');
CALL given(12, 'void', 0, '19days sent a', '18days open a', '9days sent b', '8days open b', '10days stop');
CALL given(13, 'opened before it was sent', 6, '19days sent a', '20days open a', '9days sent b', '90days open b');
CALL given(14, 'opened tomorrow', 0, '19days sent a', '18days open a', '9days sent b', '-1day open b');
TABLE judged;

-- ------------------------------------------------------------------ requires

CALL forget();
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, at_least, at_most, requires, enabled)
VALUES ('hand', 'count', 'count', $$kind = 'a'$$, 1, NULL, 2, NULL, true),
       ('hand', 'after count', 'count', $$kind = 'b'$$, 10, 1, NULL, 'count', true),
       ('hand', 'not transitive', 'count', $$kind = 'c'$$, 100, 1, NULL, 'after count', true),
       ('hand', 'off', 'count', NULL, 5, 1, NULL, NULL, false),
       ('hand', 'after off', 'count', NULL, 5, 1, NULL, 'off', true);
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, expires_after, max_count)
VALUES ('hand', 'each', 'each', $$kind = 'd'$$, 1000, '1 day', 3);
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, within, if_never, requires)
VALUES ('hand', 'after each', 'inactive', $$kind = 'e'$$, 10000, '1 day', 'skip', 'each');
CALL given(1, 'none is in range, but no match', 1, '1day b');
CALL given(2, 'one', 11, '1day a', '1day b');
CALL given(3, 'three are out of range', 0, '1day a', '2days a', '3days a', '1day b');
CALL given(4, 'what is required need not get its points', 101, '1day b', '1day c');
CALL given(5, 'required and expired', 1, '1day d', '5days e');
CALL given(6, 'required and there', 11001, '01:00 d', '5days e');
TABLE judged;
UPDATE lead_scoring.engagement_rule SET points = 0 WHERE model = 'hand' AND name = 'each';
SELECT id, points FROM judged WHERE id = 6; -- still a match: 10001

-- ------------------------------------------- groups, limits, the total, texts

CALL forget();
INSERT INTO lead_scoring.rule_group (model, name, dimension, min_points, max_points) VALUES
    ('hand', 'web', 'engagement', NULL, 20), ('hand', 'doubts', 'engagement', -4, NULL),
    ('hand', 'it''s "buying"', 'intent', 2, 6);
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, dimension, group_name) VALUES
    ('hand', 'a', 'each', $$kind = 'a'$$, 8, 'engagement', 'web'),
    ('hand', 'b', 'each', $$kind = 'b'$$, 8, 'engagement', 'web'),
    ('hand', E'c\n-- over\ntwo lines', 'each', $$kind = 'c'$$, -3, 'engagement', 'doubts'),
    ('hand', 'd', 'each', $$kind = 'd'$$, 1.5, 'engagement', NULL),
    ('hand', 'e', 'each', $$kind = 'e'$$, 3, 'intent', 'it''s "buying"'),
    ('hand', 'f', 'each', $$kind = 'f'$$, 1 / 3.0, 'intent', NULL);
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('hand', 'first', 'id = 1', 4);
UPDATE lead_scoring.model SET fit_weight = 1, engagement_weight = 2, intent_weight = 10,
       engagement_floor = -2, engagement_ceiling = 25, total_ceiling = 100 WHERE name = 'hand';
CALL given(1, 'no event: the group''s least', 0);
CALL given(2, 'a, b, b cut at 20; d', 21.5, '1day a', '1day b', '2days b', '1day d');
CALL given(3, 'c twice cut at -4, then at -2', -2, '1day c', '2days c');
CALL given(4, 'everything cut at 25', 25, '1day a', '2days a', '3days a', '1day d', '2days d', '3days d', '4days d', '1day e', '2days e', '3days e');
CALL given(5, 'a third', 0, '1day f', '2days e', '3days e', '1day c', '1day d', '2days d');
-- 1: 4 + 2 * 0 + 10 * 2.  2: 43 + 20.  3: -4 + 20.  4: 50 + 60, cut.  5: intent 6 and a third.
SELECT j.*, s.fit, s.intent, s.total FROM judged AS j JOIN scores('hand') AS s ON s.id = j.id::text ORDER BY j.id;
UPDATE lead_scoring.model SET population = 'id < 3' WHERE name = 'hand';
SELECT id, engagement FROM scores('hand') ORDER BY id;
UPDATE lead_scoring.model SET population = NULL WHERE name = 'hand';

-- ------------------------------------------------------------- names and types

-- A partitioned table with names of our own making; a time without zone, in
-- Paris; the other key type; a condition that only this session's path knows.
CREATE TYPE plain.mood AS ENUM ('cold', 'hot');
CREATE TABLE "Leads" ("Contact Id" varchar(9) COLLATE "C" PRIMARY KEY, "created at" date, as_of date, fit int, contact text);
CREATE TABLE "Web ""Log""" ("contact_id" text, "occurred_at" timestamp, as_of text, "moment" int, value int, "Mood" mood, event text, step_1 int)
    PARTITION BY LIST (value);
CREATE TABLE log_1 PARTITION OF "Web ""Log""" FOR VALUES IN (1);
CREATE TABLE log_2 PARTITION OF "Web ""Log""" DEFAULT;
SELECT lead_scoring.create_model('names', 'plain."Leads"', 'Contact Id', created_column => 'created at', time_zone => 'Asia/Tokyo') \g /dev/null
INSERT INTO lead_scoring.fit_rule (model, name, condition, points)
VALUES ('names', 'old', $$contact.as_of < as_of AT TIME ZONE 'UTC'$$, 1);
INSERT INTO lead_scoring.event_source (model, relation, contact_id, occurred_at, time_zone, condition)
VALUES ('names', 'plain."Web ""Log"""', 'contact_id', 'occurred_at', 'Europe/Paris', $$event.event <> 'bot'$$);
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, value, within, max_count, distinct_by)
VALUES ('names', 'each', 'each', $$"Mood" = 'hot' AND event.as_of = 'x' -- by name$$, 1, 'value', '1 day', 5, '"moment"');
INSERT INTO lead_scoring.engagement_rule (model, name, kind, points, within)
VALUES ('names', 'silent', 'inactive', -50, '36 hours');
INSERT INTO lead_scoring.engagement_rule (model, name, kind, points, steps, step_order)
VALUES ('names', 'steps', 'sequence', 100, ARRAY['step_1 = 1', $$"Mood" = 'cold'$$], 'consecutive');
INSERT INTO "Leads" VALUES
    ('A', '2025-01-01', '2025-01-01', 7, 'x'), ('b', '2026-03-29', NULL, 7, 'x'), ('c', '2026-03-28', NULL, 7, 'x');
-- At 2026-03-29 02:00 clocks in Paris went to 03:00: T is 2026-03-29 14:00 there,
-- 24 hours before that 2026-03-28 13:00, not 14:00.
INSERT INTO "Web ""Log""" VALUES
    ('A', '2026-03-28 13:00:00', 'x', 1, 1, 'hot', 'visit', 1),
    ('A', '2026-03-28 13:00:00.000001', 'x', 2, 2, 'hot', 'visit', 0),
    ('A', '2026-03-29 14:00:00', 'x', 3, 4, 'hot', 'visit', 0),
    ('A', '2026-03-29 14:00:00.000001', 'x', 4, 8, 'hot', 'visit', 0),
    ('A', '2026-03-29 12:00:00', 'x', 5, 16, 'hot', 'bot', 0),
    ('A', '2026-03-28 20:00:00', NULL, 6, 32, 'cold', 'visit', 0);
-- A: 2 + 4, the sequence 100.  b, c: created 21 and 45 hours ago, at midnight in Tokyo.
SELECT id, fit, engagement FROM scores('names', '2026-03-29 12:00+00') ORDER BY id;
-- 36 hours after that of b it is 03:00 UTC of the 30th.
SELECT engagement FROM scores('names', '2026-03-30 03:00+00') WHERE id = 'b';
SELECT engagement FROM scores('names', '2026-03-30 02:59:59.999999+00') WHERE id = 'b';

-- Whatever the settings are, when it is written and when it is run.
SELECT lead_scoring.to_sql('names') AS written \gset
\echo :written
SET TimeZone = 'Pacific/Chatham'; SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'sql_standard';
SET search_path = pg_catalog;
SELECT lead_scoring.to_sql('names') = :'written' AS same_text;
SELECT id, fit, engagement FROM plain.scores('names', '2026-03-29 12:00+00') ORDER BY id;
RESET TimeZone; RESET DateStyle; RESET IntervalStyle;
SET search_path = plain, public;

-- ------------------------------------------------------- the way out

-- The same data in a database that has never heard of the extension.
SELECT format('CREATE TABLE plain.contacts AS SELECT * FROM json_populate_recordset(NULL::plain.c, %L)',
              (SELECT json_agg(c) FROM contacts AS c)) AS contacts,
       format('CREATE TABLE plain.events AS SELECT * FROM json_populate_recordset(NULL::plain.e, %L)',
              (SELECT json_agg(e) FROM events AS e)) AS events,
       lead_scoring.to_sql('hand') AS written, current_database() AS here \gset
CREATE DATABASE lead_scoring_plain;
\c lead_scoring_plain
SELECT count(*) AS extensions FROM pg_extension WHERE extname = 'lead_scoring';
CREATE SCHEMA plain;
CREATE TYPE plain.c AS (id int, about text, expected float8, created timestamptz);
CREATE TYPE plain.e AS (contact bigint, at timestamptz, kind text, item text, amount float8);
:contacts;
:events;
PREPARE written AS :written;
EXECUTE written ('2026-03-01 00:00+00');
\c :here
DROP DATABASE lead_scoring_plain;

-- ------------------------------------------------------------------ errors

\set SHOW_CONTEXT always
SET search_path = plain, public;
ALTER TABLE events RENAME COLUMN kind TO sort;
SELECT lead_scoring.to_sql('hand');
DROP TABLE events;
SELECT lead_scoring.to_sql('hand');

SET client_min_messages = warning;
DELETE FROM lead_scoring.model WHERE name IN ('hand', 'names');
DROP SCHEMA plain CASCADE;
