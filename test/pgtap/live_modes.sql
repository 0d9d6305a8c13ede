-- lead_scoring.apply, changed in the middle of transactions: the view is right after each
-- statement, verify finds nothing, and after a refresh all is stored. And what many single
-- writes in one transaction cost in transaction ids.

\ir live.psql

SELECT * FROM no_plan();

CREATE TABLE contacts (id int PRIMARY KEY, title text, size int, note text);
CREATE TABLE events (id bigserial PRIMARY KEY, contact int, what text, worth int, at timestamptz DEFAULT clock_timestamp() - interval '1 minute');
CREATE INDEX ON events (contact);
INSERT INTO contacts SELECT g, 'CEO', g FROM generate_series(1, 20) AS g;
CALL make_live('m', 'contacts');
SELECT lead_scoring.add_event_source('m', 'events', 'contact', 'at');
CALL add_behaviour('m');
SELECT lead_scoring.activate('m');
SELECT sound('m', 'live');

-- One transaction that goes through the modes in the order given, with a write of each
-- kind in each mode; the contacts overlap from mode to mode. flush: after which mode.
CREATE PROCEDURE through(modes text[], flush int DEFAULT 0) LANGUAGE plpgsql AS $$
DECLARE
    mode text;
    place int := 0;
BEGIN
    FOREACH mode IN ARRAY modes LOOP
        place := place + 1;
        PERFORM set_config('lead_scoring.apply', mode, true);
        INSERT INTO events (contact, what) SELECT g, 'view' FROM generate_series(place * 3, place * 3 + 4) AS g;
        INSERT INTO events (contact, what, at) VALUES (place * 3 + 1, 'asked', now() - interval '3 days');
        UPDATE contacts SET size = size + 30 WHERE id BETWEEN place * 3 AND place * 3 + 4;
        DELETE FROM events WHERE id IN (SELECT min(id) FROM events WHERE contact = place * 3 + 2);
        IF flush = place THEN
            PERFORM lead_scoring.flush();
        END IF;
    END LOOP;
END
$$;

CREATE FUNCTION orders() RETURNS SETOF text[] LANGUAGE sql AS $$
    SELECT ARRAY[a, b, c, d] FROM unnest('{commit,statement,queue,off}'::text[]) AS a,
           unnest('{commit,statement,queue,off}'::text[]) AS b, unnest('{commit,statement,queue,off}'::text[]) AS c,
           unnest('{commit,statement,queue,off}'::text[]) AS d
     WHERE a <> b AND c NOT IN (a, b) AND d NOT IN (a, b, c) ORDER BY 1
$$;

-- Each order of the four modes, with flush() after another one each time.
SELECT format($q$
BEGIN;
CALL through(%1$L, %2$s);
SELECT sound_view('m', %3$L || ', before the commit');
COMMIT;
SELECT * FROM sound_after_refresh('m', %3$L);
$q$, modes, number % 5, format('%s, flush after %s', array_to_string(modes, ' '), number % 5))
  FROM orders() WITH ORDINALITY AS o (modes, number)
\gexec

-- And taken back in part.
BEGIN;
SET LOCAL lead_scoring.apply = statement;
INSERT INTO events (contact, what) VALUES (1, 'asked'), (2, 'view');
SAVEPOINT a;
SET LOCAL lead_scoring.apply = queue;
UPDATE contacts SET size = 1000 WHERE id IN (2, 3);
SAVEPOINT b;
SET LOCAL lead_scoring.apply = commit;
DELETE FROM events WHERE contact IN (1, 4);
SELECT lead_scoring.flush() \g /dev/null
SELECT sound_view('m', 'three modes, three levels');
ROLLBACK TO a;
SELECT sound_view('m', 'two of them taken back');
INSERT INTO events (contact, what) VALUES (3, 'asked');
COMMIT;
SELECT * FROM sound_after_refresh('m', 'and committed');

-- ---------------------------------------------------------- transaction ids

-- A rule that may raise, so that it is tried in a subtransaction.
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('m', 'may raise', '1000 / (size + 1) > 3', 1);
CALL lead_scoring.refresh('m');
CREATE PROCEDURE write_singly(mode text, what text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('lead_scoring.apply', mode, true);
    FOR i IN 1 .. 1000 LOOP
        IF what = 'events' THEN
            INSERT INTO events (contact, what) VALUES (1 + i % 20, 'view');
        ELSE
            UPDATE contacts SET size = i WHERE id = 1 + i % 20;
        END IF;
    END LOOP;
END
$$;
-- A few are of those who ask, of the transaction, its commit, and of autovacuum.
SELECT pg_current_xact_id() AS before \gset
CALL write_singly('commit', 'events');
CALL write_singly('commit', 'contacts');
SELECT cmp_ok(pg_current_xact_id()::text::bigint - :before, '<=', 50::bigint, '2,000 single writes take no transaction id each');
SELECT sound('m', 'after them');
SELECT pg_current_xact_id() AS before \gset
CALL write_singly('statement', 'events');
SELECT cmp_ok(pg_current_xact_id()::text::bigint - :before, '<=', 50::bigint, 'nor do events that are scored after each statement');
SELECT sound('m', 'after these');
SELECT pg_current_xact_id() AS before \gset
CALL write_singly('statement', 'contacts');
SELECT cmp_ok(pg_current_xact_id()::text::bigint - :before, '<=', 50::bigint, 'nor do updates of contacts, news or not');
SELECT sound('m', 'after those');

SELECT * FROM finish();
