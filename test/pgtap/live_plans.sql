-- A session keeps plans for each role; when it has enough of them, those of other
-- transactions that were used least recently give way; within one, others are made for
-- the moment.
\set QUIET 1
\set ON_ERROR_STOP 1
\pset format unaligned
\pset tuples_only true
\pset pager off
SET client_min_messages = warning;
SELECT plan(7);

CREATE TABLE contact (id int PRIMARY KEY, title text);
CREATE TABLE event (contact int, at timestamptz);
CREATE INDEX ON event (contact);
SELECT lead_scoring.create_model('m', 'contact', 'id') IS NULL AS done \gset
SELECT lead_scoring.add_event_source('m', 'event', 'contact', 'at') IS NULL AS done \gset
INSERT INTO lead_scoring.engagement_rule (model, name, kind, points, max_count) VALUES ('m', 'any', 'each', 3, 5);
SELECT lead_scoring.activate('m') IS NULL AS done \gset
INSERT INTO event VALUES (1, now() - interval '1 day');
GRANT SELECT ON contact, event, m_scored, m_score, m_queue, m_adjustment, m_stage_history TO PUBLIC;

-- Not applied yet: the view reads contact and events, as whoever asks.
-- More roles than plans are kept; none outlives the test.
CREATE FUNCTION ask(n int) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    engagement float8;
BEGIN
    EXECUTE format('CREATE ROLE ls_plan_%s', n);
    EXECUTE format('SET LOCAL ROLE ls_plan_%s', n);
    SELECT s.engagement INTO engagement FROM m_scored AS s;
    RESET ROLE;
    RETURN engagement;
END
$$;
BEGIN;
INSERT INTO contact VALUES (1, 'CEO');
SELECT is(sum(ask(n)), 600 * 3::float8, 'every role reads the score') FROM generate_series(1, 600) AS n;
SELECT is((SELECT engagement FROM m_scored), 3::float8, 'and so do we');

ROLLBACK;

-- What is kept, of all statements on the table of events.
CREATE FUNCTION kept(relation text) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM pg_backend_memory_contexts
     WHERE name = 'CachedPlanSource' AND ident LIKE 'SELECT lead_scoring.engagement_agg(%' || relation || ' AS e%'
$$;
SELECT kept('event') AS before \gset
BEGIN;
INSERT INTO contact VALUES (1, 'CEO');
SELECT is(sum(ask(n)), 600 * 3::float8, 'others ask in another transaction')
  FROM generate_series(601, 1200) AS n;
ROLLBACK;
SELECT cmp_ok(kept('event'), '<=', :before::bigint, 'there are no more plans than before');

CREATE TABLE newer (contact int, at timestamptz);
CREATE INDEX ON newer (contact);
SELECT lead_scoring.create_model('n', 'contact', 'id') IS NULL AS done \gset
SELECT lead_scoring.add_event_source('n', 'newer', 'contact', 'at') IS NULL AS done \gset
INSERT INTO lead_scoring.engagement_rule (model, name, kind, points, max_count) VALUES ('n', 'any', 'each', 3, 5);
SELECT lead_scoring.activate('n') IS NULL AS done \gset
BEGIN;
INSERT INTO newer VALUES (2, now());
INSERT INTO contact VALUES (2, 'CEO');
SELECT is((SELECT sum(engagement) FROM n_scored), 3::float8, 'a model that comes later');
COMMIT;
SELECT cmp_ok(kept('newer'), '>', 0::bigint, 'its plan is kept');
SELECT cmp_ok(kept('event'), '<', :before::bigint, 'and another gave way');

SELECT * FROM finish();
