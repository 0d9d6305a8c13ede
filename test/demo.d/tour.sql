-- What the demo prints, for a terminal of 120 columns.

\set QUIET on
\pset pager off
\pset border 1
\pset linestyle unicode
\pset footer off
\pset null ''
SET client_min_messages = warning;
SET TimeZone = 'UTC';

-- The events end with 2025. Scores are a function of the moment, and views show
-- those of the moment that this setting says.
\set now '2026-01-01 00:00+00'
SET lead_scoring.as_of = :'now';

-- reason: each rule that counts for a contact, from its columns and its events.
CREATE TEMP VIEW reason AS
SELECT c.id, x.rule, x.counted
FROM crm.contacts AS c
CROSS JOIN LATERAL (SELECT lead_scoring.engagement_agg(e, 'b2b') AS state
                    FROM crm.events AS e
                    WHERE e.contact_id = c.id) AS s
CROSS JOIN LATERAL (
    SELECT rule, counted FROM lead_scoring.explain_fit(c, 'b2b')
    UNION ALL
    SELECT rule, counted
    FROM lead_scoring.explain_engagement(s.state, lead_scoring.as_of(), c.created_at)) AS x
WHERE x.counted <> 0;

\echo '━━━ 1. Whom should we call, and why?  The ten best contacts of 5,000, on 1 January 2026'
\echo

-- A line about who it is, then the reasons, wrapped between two of them.
\pset format unaligned
\pset tuples_only on
SELECT format(E'%s.  %s  %s  %s\n               %s\n',
           lpad((row_number() OVER (ORDER BY best.total DESC, c.id))::text, 2),
           lpad(round(best.total)::text, 3),
           rpad(best.band, 8),
           concat_ws(', ', c.first_name || ' ' || c.last_name, c.title, c.company_name),
           rtrim(regexp_replace(reasons.list, '(.{1,100})(?: · |$)',
                                E'\\1\n               ', 'g'), E'\n '))
FROM (SELECT * FROM crm.b2b_scored ORDER BY total DESC, contact_id LIMIT 10) AS best
JOIN crm.contacts AS c ON c.id = best.contact_id
CROSS JOIN LATERAL (
    SELECT string_agg(to_char(r.counted, 'FMSG990') || ' ' || r.rule, ' · '
                      ORDER BY r.counted DESC, r.rule) AS list
    FROM reason AS r
    WHERE r.id = c.id) AS reasons
ORDER BY best.total DESC, c.id;
\pset format aligned
\pset tuples_only off

\echo '━━━ 2. How are they spread?  Contacts in each band'
\echo

SELECT band,
       count(*) AS contacts,
       to_char(100.0 * count(*) / sum(count(*)) OVER (), '990.0') || ' %' AS share,
       round(min(total)) AS lowest,
       floor(max(total)) AS highest,
       rpad(repeat('█', ceil(60.0 * count(*) / max(count(*)) OVER ())::int), 60) AS " "
FROM crm.b2b_scored
GROUP BY band
ORDER BY min(total) DESC;

-- A month ago the score is what it would have been then, a month ahead what it
-- will be if nothing happens.
CREATE TEMP TABLE scores AS
SELECT c.id,
       m.month,
       lead_scoring.fit_score(c, 'b2b') AS fit,
       lead_scoring.engagement_score(s.state, m.as_of, c.created_at) AS engagement,
       lead_scoring.intent_score(s.state, m.as_of, c.created_at) AS intent,
       lead_scoring.total_score(
           lead_scoring.fit_score(c, 'b2b'),
           lead_scoring.engagement_score(s.state, m.as_of, c.created_at),
           lead_scoring.intent_score(s.state, m.as_of, c.created_at), 'b2b') AS total
FROM (VALUES (-1, timestamptz '2025-12-01 00:00+00'), (0, :'now'), (1, '2026-02-01 00:00+00'))
     AS m (month, as_of)
CROSS JOIN crm.contacts AS c
JOIN LATERAL (SELECT lead_scoring.engagement_agg(e, 'b2b', 'events', m.as_of) AS state
              FROM crm.events AS e
              WHERE e.contact_id = c.id) AS s ON s.state IS NOT NULL
WHERE c.created_at <= m.as_of;

\echo '━━━ 3. Who wants to buy now?  200,000 events; totals on 1 January, a month before and a month ahead'
\echo

SELECT c.first_name || ' ' || c.last_name AS name,
       left(c.title, 24) AS title,
       now.fit,
       round(now.engagement) AS engagement,
       round(now.intent) AS intent,
       round(before.total) AS "1 Dec",
       round(now.total) AS "1 Jan",
       round(ahead.total) AS "1 Feb",
       lead_scoring.band(now.total, 'b2b') AS "band on 1 Jan"
FROM scores AS now
LEFT JOIN scores AS before ON before.id = now.id AND before.month = -1
JOIN scores AS ahead ON ahead.id = now.id AND ahead.month = 1
JOIN crm.contacts AS c ON c.id = now.id
WHERE now.month = 0
ORDER BY now.total DESC, c.id
LIMIT 10;

\echo 'Why the first of them? What they did, what it is worth on 1 January, and when that changes by itself'
\echo

SELECT x.dimension,
       x.rule,
       x.occurrences AS times,
       to_char(x.last_match, 'DD Mon YYYY') AS "last time",
       round(x.points::numeric, 1) AS points,
       round(x.counted::numeric, 1) AS counts,
       CASE WHEN x.next_change < '2027-01-01' THEN to_char(x.next_change, 'DD Mon YYYY') END
           AS "next change"
FROM (SELECT id FROM scores WHERE month = 0 ORDER BY total DESC, id LIMIT 1) AS best
JOIN crm.contacts AS c USING (id)
CROSS JOIN LATERAL (SELECT lead_scoring.engagement_agg(e, 'b2b', 'events', :'now') AS state
                    FROM crm.events AS e
                    WHERE e.contact_id = c.id) AS s
CROSS JOIN LATERAL lead_scoring.explain_engagement(s.state, :'now', c.created_at) AS x
WHERE x.counted <> 0
ORDER BY x.dimension, x.counted DESC, x.rule;

\echo 'No date: it fades a little all the time, or it stays.'
\echo

-- The best contact who must not be called and has a group at its cap: there is
-- most to explain.
SELECT c.id,
       c.first_name || ' ' || c.last_name AS name,
       s.fit,
       s.total,
       s.band
FROM crm.b2b_scored AS s
JOIN crm.contacts AS c ON c.id = s.contact_id
WHERE 'do not call' = ANY (c.tags)
  AND EXISTS (SELECT FROM lead_scoring.explain_fit(c, 'b2b') AS e
              WHERE e.points IS NULL)
ORDER BY s.fit DESC, c.id
LIMIT 1 \gset one_
SELECT format('%s (contact %s): %s points',
              :'one_name', :'one_id', :'one_fit') AS heading \gset one_

\echo '━━━ 4. Who they are: every rule that makes up the fit of' :one_heading
\echo

SELECT e.rule,
       e.group_name AS "group",
       CASE WHEN length(flat.condition) <= 50 THEN flat.condition
            ELSE left(flat.condition, 49) || '…' END AS condition,
       lpad(to_char(e.points, 'FMSG990'), 6) AS points,
       CASE WHEN e.matched THEN 'yes' END AS matches,
       CASE WHEN e.matched THEN lpad(to_char(e.counted, 'FMSG990'), 6) END AS counts
FROM crm.contacts AS c
CROSS JOIN LATERAL lead_scoring.explain_fit(c, 'b2b') AS e
CROSS JOIN LATERAL (SELECT regexp_replace(e.condition, '\s+', ' ', 'g') AS condition) AS flat
WHERE c.id = :one_id
ORDER BY e.matched IS TRUE DESC, e.counted DESC, e.rule;

\echo 'A row "(limits of ...)" is what the cap of a group took away. "counts" adds up to the fit.'
\echo
\echo '━━━ 5. The scores follow the data:' :one_name 'may be called again'
\echo

UPDATE crm.contacts SET tags = array_remove(tags, 'do not call') WHERE id = :one_id;
SELECT round(:one_total) AS "score before", :'one_band' AS "band before",
       round(total) AS "score now", band AS "band now"
FROM crm.b2b_scored
WHERE contact_id = :one_id;
UPDATE crm.contacts SET tags = tags || 'do not call'::text WHERE id = :one_id;

-- Somebody who fits well, has not done much, and was never asked. These events are
-- of this very moment, as everything that triggers see.
RESET lead_scoring.as_of;
SELECT s.contact_id AS id, c.first_name || ' ' || c.last_name AS name
FROM crm.b2b_score AS s
JOIN crm.contacts AS c ON c.id = s.contact_id
WHERE s.stage = 'lead' AND s.total < 20 AND s.fit BETWEEN 30 AND 40
ORDER BY s.fit DESC, s.contact_id
LIMIT 1 \gset lead_

\echo '━━━ 6. The lifecycle follows the scores:' :lead_name 'reads about prices, then asks for a demo'
\echo

INSERT INTO crm.events (contact_id, type, props, occurred_at, received_at) VALUES
    (:lead_id, 'page_view', '{"page": "/pricing"}', now(), now());
INSERT INTO crm.events (contact_id, type, props, occurred_at, received_at) VALUES
    (:lead_id, 'demo_form', '{}', now(), now());
SELECT h.from_stage AS "from", h.to_stage AS "to", h.cause,
       round(h.fit) AS fit, round(h.engagement) AS engagement, round(h.intent) AS intent,
       round(h.total) AS total
FROM crm.b2b_stage_history AS h
WHERE h.contact_id = :lead_id
ORDER BY h.id;

\echo 'What waits in the outbox for a worker, written with the same commit'
\echo

SELECT o.type AS action, o.payload->>'queue' AS queue, round((o.payload->>'total')::numeric) AS total,
       o.payload->>'stage' AS stage, d.status
FROM crm.b2b_outbox AS o
JOIN crm.b2b_delivery AS d ON d.outbox_id = o.id
WHERE o.contact_id = :lead_id;

SET lead_scoring.as_of = :'now';

-- Who is nearest to the highest band.
SELECT s.contact_id AS id,
       format('%s %s has %s points: %s', c.first_name, c.last_name, floor(s.total), s.band) AS heading
FROM crm.b2b_scored AS s
JOIN crm.contacts AS c ON c.id = s.contact_id
WHERE s.band = 'hot'
ORDER BY s.total DESC, s.contact_id
LIMIT 1 \gset next_

\echo '━━━ 7. What next?' :next_heading
\echo

SELECT CASE what WHEN 'match' THEN rule ELSE '(if nothing happens)' END AS "one more",
       to_char(round(adds, 1), 'FMSG990.0') AS adds,
       round(total) AS total,
       band,
       to_char(at, 'DD Mon YYYY') AS "on"
FROM lead_scoring.what_next('b2b', :next_id)
LIMIT 8;

\echo '━━━ 8. Do high scores mean business?  Tenths of the contacts, by the score when their deal was opened'
\echo

SELECT decile AS tenth,
       ceil(lowest_total) AS "from",
       contacts,
       dealt AS deals,
       won,
       to_char(100 * win_rate, '990') || ' %' AS "deals won",
       to_char(100 * gain, '990') || ' %' AS "of all wins so far",
       rpad(repeat('█', ceil(50.0 * won / max(won) OVER ())::int), 50) AS " "
FROM crm.b2b_lift
ORDER BY decile;

\echo 'Which rules earn their points? Those whose contacts win most often, and those that tell nobody apart'
\echo

SELECT rule,
       CASE WHEN points > 0 THEN '+' ELSE '' END || points AS points,
       matched AS contacts,
       matched_won AS won,
       CASE WHEN matches = 'sometimes' THEN to_char(lift, '990.0') || ' times the average'
            ELSE matches || ' matches' END AS wins
FROM (SELECT *, row_number() OVER (ORDER BY lift DESC NULLS LAST, rule) AS place FROM crm.b2b_rule_stats) AS r
WHERE place <= 6 OR matches <> 'sometimes'
ORDER BY place;

\echo 'More views: the funnel, how fast it is, how long sales took to call, the pipeline, the months.'
\echo
\echo '━━━ 9. No lock-in: the same model as plain SQL, for any PostgreSQL'
\echo

\pset format unaligned
\pset tuples_only on
SELECT CASE WHEN n <= 46 THEN line ELSE format('... and %s lines more', max(n) OVER () - 46) END
FROM string_to_table(lead_scoring.to_sql('b2b'), E'\n') WITH ORDINALITY AS sql (line, n)
ORDER BY n
LIMIT 47;
\echo
