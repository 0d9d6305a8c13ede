-- A session keeps plans for each role; when it has enough of them, others are made
-- for the moment, and that goes as well.
\set QUIET 1
\set ON_ERROR_STOP 1
\pset format unaligned
\pset tuples_only true
\pset pager off
SET client_min_messages = warning;
BEGIN;
SELECT plan(2);

CREATE TABLE contact (id int PRIMARY KEY, title text);
CREATE TABLE event (contact int, at timestamptz);
CREATE INDEX ON event (contact);
SELECT lead_scoring.create_model('m', 'contact', 'id') IS NULL AS done \gset
SELECT lead_scoring.add_event_source('m', 'event', 'contact', 'at') IS NULL AS done \gset
INSERT INTO lead_scoring.engagement_rule (model, name, kind, points, max_count) VALUES ('m', 'any', 'each', 3, 5);
SELECT lead_scoring.activate('m') IS NULL AS done \gset
INSERT INTO event VALUES (1, now() - interval '1 day');
-- Not applied yet: the view reads contact and events, as whoever asks.
INSERT INTO contact VALUES (1, 'CEO');
GRANT SELECT ON contact, event, m_scored, m_score, m_queue, m_adjustment, m_stage_history TO PUBLIC;

-- More roles than plans are kept.
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
SELECT is(sum(ask(n)), 600 * 3::float8, 'every role reads the score') FROM generate_series(1, 600) AS n;
SELECT is((SELECT engagement FROM m_scored), 3::float8, 'and so do we');

SELECT * FROM finish();
ROLLBACK;
