-- What test/oracle/engagement needs in its database.
SET client_min_messages = warning;
-- The functions are about tables that come with each seed.
SET check_function_bodies = off;

CREATE SCHEMA oracle;
GRANT USAGE ON SCHEMA oracle TO PUBLIC;
CREATE SCHEMA decoy;
CREATE FUNCTION decoy.lower(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ''decoy''';

-- One row a contact, moment and way of scoring. `seen` is the moment up to which
-- events were aggregated.
CREATE TABLE oracle.result (
    model text,
    as_of timestamptz,
    way text,
    id text,
    engagement float8,
    intent float8,
    seen timestamptz,
    error text
);

-- When each contact was active last.
CREATE TABLE oracle.activity (model text, as_of timestamptz, id text, at timestamptz);

-- What intervals of rules are made of.
CREATE TABLE oracle.span (span interval);

-- read(state, as_of, since): the scores, or the error.
CREATE FUNCTION oracle.read(state lead_scoring.engagement, as_of timestamptz, since timestamptz,
                            OUT engagement float8, OUT intent float8, OUT error text)
LANGUAGE plpgsql AS $$
BEGIN
    engagement := lead_scoring.engagement_score(state, as_of, since);
    intent := lead_scoring.intent_score(state, as_of, since);
EXCEPTION WHEN OTHERS THEN
    error := SQLSTATE || ' ' || SQLERRM;
    engagement := NULL;
END
$$;

-- fold(states): merged one by one, from the left or the right.
CREATE FUNCTION oracle.fold(states lead_scoring.engagement[]) RETURNS lead_scoring.engagement
LANGUAGE plpgsql AS $$
DECLARE
    folded lead_scoring.engagement := states[1];
BEGIN
    FOR i IN 2 .. cardinality(states) LOOP
        folded := CASE i % 3 WHEN 0 THEN folded OPERATOR(lead_scoring.||) states[i]
                             WHEN 1 THEN lead_scoring.merge(states[i], folded)
                             ELSE lead_scoring.merge(folded, states[i]) END;
    END LOOP;
    -- Through the text form, as a dump would.
    RETURN folded::text::lead_scoring.engagement;
END
$$;

-- is_planned(what, query): does the query's plan say that?
CREATE FUNCTION oracle.is_planned(what text, query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
        IF strpos(line, what) > 0 THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END
$$;

-- in_workers(on): plan for workers whatever the size.
CREATE FUNCTION oracle.in_workers(is_on boolean) RETURNS void LANGUAGE sql AS $$
    SELECT set_config(s.name, CASE WHEN is_on THEN s.wanted ELSE s.usual END, false)
      FROM (VALUES ('parallel_setup_cost', '0', '1000'), ('parallel_tuple_cost', '0', '0.1'),
                   ('min_parallel_table_scan_size', '0', '8MB'), ('max_parallel_workers_per_gather', '2', '0'),
                   ('parallel_leader_participation', 'off', 'on'), ('enable_sort', 'off', 'on'))
           AS s (name, wanted, usual)
$$;

-- record(model, as_of, way, query): the scores of all contacts from the query's
-- (id, state), aggregated up to `seen`.
CREATE FUNCTION oracle.record(the_model text, the_moment timestamptz, the_way text, states text,
                              seen timestamptz DEFAULT NULL)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TEMPORARY TABLE state AS %s', states);
    INSERT INTO oracle.result
    SELECT the_model, the_moment, the_way, c.id, r.engagement, r.intent, coalesce(record.seen, the_moment), r.error
      FROM oracle.contact AS c
      LEFT JOIN pg_temp.state AS s ON s.id = c.id
     CROSS JOIN LATERAL oracle.read(coalesce(s.state, lead_scoring.engagement_empty(the_model)), the_moment, c.since) AS r;
    DROP TABLE pg_temp.state;
EXCEPTION WHEN OTHERS THEN
    INSERT INTO oracle.result VALUES (the_model, the_moment, the_way, '(all)', NULL, NULL, seen, SQLSTATE || ' ' || SQLERRM);
END
$$;

-- explain(model, as_of, states): the scores as the rows of explain_engagement add up.
CREATE FUNCTION oracle.explain(the_model text, the_moment timestamptz, states text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('
        WITH state AS (%s)
        INSERT INTO oracle.result
        SELECT %L, $1, ''explain'', c.id, coalesce(sum(e.counted) FILTER (WHERE e.dimension = ''engagement''), 0),
               coalesce(sum(e.counted) FILTER (WHERE e.dimension = ''intent''), 0), $1
          FROM oracle.contact AS c LEFT JOIN state AS s ON s.id = c.id
          LEFT JOIN LATERAL lead_scoring.explain_engagement(
                    coalesce(s.state, lead_scoring.engagement_empty(%2$L)), $1, c.since) AS e ON true
         GROUP BY c.id', states, the_model) USING the_moment;
END
$$;

-- activities(model, as_of, states): whose last_activity is wrong.
CREATE FUNCTION oracle.activities(the_model text, the_moment timestamptz, states text)
RETURNS TABLE (id text, wanted timestamptz, got timestamptz) LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format('
        WITH state AS (%s)
        SELECT a.id, a.at, lead_scoring.last_activity(s.state) FROM oracle.activity AS a LEFT JOIN state AS s ON s.id = a.id
         WHERE a.model = %L AND a.as_of = $1 AND a.at IS DISTINCT FROM lead_scoring.last_activity(s.state)',
        states, the_model) USING the_moment;
END
$$;

-- by_sql(model, query, as_of): what a query of to_sql gives. It was written in the
-- caller's session; it may count on finding PostgreSQL's own functions first.
CREATE FUNCTION oracle.by_sql(the_model text, query text, the_moment timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    EXECUTE format('INSERT INTO oracle.result
        SELECT %L, $1, ''to_sql'', contact_id::text, engagement, intent, $1 FROM (%s) AS s',
        the_model, query) USING the_moment;
END
$$;

-- next_changes(model, as_of, tolerance, states): where a score jumps before its
-- next change. Probed are the edges of all intervals, and the last microsecond;
-- of models in which nothing fades (tolerance 1e-6) also now against then.
CREATE FUNCTION oracle.next_changes(the_model text, the_moment timestamptz, tolerance float8, states text)
RETURNS TABLE (id text, next timestamptz, at timestamptz, before text, behind text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TEMPORARY TABLE state AS %s', states);
    CREATE TEMPORARY TABLE next AS
    SELECT c.id, c.since, s.state, lead_scoring.next_change(s.state, the_moment, c.since) AS next
      FROM oracle.contact AS c
     CROSS JOIN LATERAL (SELECT coalesce((SELECT x.state FROM pg_temp.state AS x WHERE x.id = c.id),
                                         lead_scoring.engagement_empty(the_model)) AS state) AS s;
    RETURN QUERY
    WITH edge AS (
        SELECT DISTINCT h.id, h.at + n * s.span AS at
          FROM (SELECT * FROM oracle.happened UNION ALL SELECT c.id, c.since FROM oracle.contact AS c WHERE isfinite(c.since)) AS h
         CROSS JOIN oracle.span AS s CROSS JOIN generate_series(1, 3) AS n
    ), probe AS (
        (SELECT n.id, n.since, n.state, n.next, e.at - interval '1 microsecond' AS from_at, e.at
           FROM pg_temp.next AS n JOIN edge AS e ON e.id = n.id
          WHERE e.at > the_moment AND (e.at < n.next OR n.next IS NULL)
          ORDER BY hashtext(e.at::text) LIMIT 3000)
         UNION ALL
        SELECT n.id, n.since, n.state, n.next, the_moment, coalesce(n.next, the_moment + interval '31536000000 seconds') - interval '1 microsecond'
          FROM pg_temp.next AS n WHERE tolerance < 1e-5
    )
    SELECT p.id, p.next, p.at, f.engagement || ' ' || f.intent, coalesce(t.error, t.engagement || ' ' || t.intent)
      FROM probe AS p CROSS JOIN LATERAL oracle.read(p.state, p.from_at, p.since) AS f
     CROSS JOIN LATERAL oracle.read(p.state, p.at, p.since) AS t
     WHERE CASE WHEN t.error IS NULL THEN (abs(f.engagement - t.engagement) <= tolerance
                                           AND abs(f.intent - t.intent) <= tolerance) IS NOT TRUE
                ELSE t.error NOT LIKE '%cannot be read as of%' END
     UNION ALL
    SELECT n.id, n.next, the_moment, 'not later than now', NULL FROM pg_temp.next AS n WHERE n.next <= the_moment;
    DROP TABLE pg_temp.state, pg_temp.next;
END
$$;

-- verdict(model, mergeable): what differs from to_sql. An error is a difference,
-- unless a state was merged whose rules need the order of events, or read before
-- it was made, or behind an event that it does not have.
CREATE FUNCTION oracle.verdict(the_model text, needs_order boolean)
RETURNS TABLE (what text, way text, as_of timestamptz, id text, wanted text, got text) LANGUAGE sql AS $$
    WITH compared AS (
        SELECT coalesce(r.way, w.way) AS way, coalesce(r.as_of, w.as_of) AS as_of, coalesce(r.id, w.id) AS id,
               s.engagement || ' ' || s.intent AS wanted,
               coalesce(r.error, r.engagement || ' ' || r.intent) AS got,
               CASE WHEN r.error LIKE '%overlap in time%' AND needs_order AND r.way ~ '^(rollup|fold)' THEN 'skipped'
                    WHEN r.error LIKE '%cannot be read as of%' AND (r.seen > r.as_of OR r.way LIKE '% mixed') THEN 'skipped'
                    WHEN r.error LIKE '%cannot be read as of%' AND EXISTS (
                        SELECT FROM oracle.happened AS h WHERE h.id = r.id AND h.at > r.seen AND h.at <= r.as_of) THEN 'skipped'
                    WHEN abs(r.engagement - s.engagement) <= 1.0000001e-6
                     AND abs(r.intent - s.intent) <= 1.0000001e-6 THEN 'equal'
                    ELSE 'differs' END AS what
          FROM (SELECT DISTINCT x.way, x.as_of, c.id FROM oracle.result AS x CROSS JOIN oracle.contact AS c
                 WHERE x.model = the_model) AS w
          FULL JOIN (SELECT * FROM oracle.result AS x WHERE x.model = the_model) AS r
            ON r.way = w.way AND r.as_of = w.as_of AND r.id = w.id
          LEFT JOIN oracle.result AS s
            ON s.model = the_model AND s.way = 'to_sql' AND s.as_of = coalesce(r.as_of, w.as_of) AND s.id = coalesce(r.id, w.id)
    )
    SELECT 'count ' || c.what, c.way, NULL::timestamptz, count(*)::text, NULL, NULL FROM compared AS c GROUP BY 1, 2
     UNION ALL
    SELECT 'count nonzero', c.way, NULL, count(*)::text, NULL, NULL FROM compared AS c
     WHERE c.way = 'to_sql' AND c.wanted <> '0 0' GROUP BY 1, 2
    UNION ALL
    SELECT d.what, d.way, d.as_of, d.id, d.wanted, d.got
      FROM (SELECT c.*, row_number() OVER (PARTITION BY c.way ORDER BY c.as_of, c.id) AS nth
              FROM compared AS c WHERE c.what = 'differs') AS d
     WHERE d.nth <= 4
$$;

-- total_of(model, as_of, id): the total of one contact, by to_sql; NULL where it has none.
CREATE FUNCTION oracle.total_of(query text, the_moment timestamptz, the_id text) RETURNS float8
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    found float8;
BEGIN
    EXECUTE format('SELECT total FROM (%s) AS s WHERE contact_id::text = $2', query)
       INTO found USING the_moment, the_id;
    RETURN found;
END
$$;

-- totals(query, as_of): of all contacts, by to_sql.
CREATE FUNCTION oracle.totals(query text, the_moment timestamptz) RETURNS TABLE (id text, total float8)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT contact_id::text, total FROM (%s) AS s', query) USING the_moment;
END
$$;

-- answers(model, query, from, to): where explain does not add up to the total of to_sql, or
-- explain_change to the difference.
CREATE FUNCTION oracle.answers(the_model text, query text, from_moment timestamptz, to_moment timestamptz)
RETURNS TABLE (what text, id text, wanted text, got text) LANGUAGE plpgsql AS $$
BEGIN
    CREATE TEMPORARY TABLE total AS
    SELECT m.at, t.* FROM (VALUES (from_moment), (to_moment)) AS m (at) CROSS JOIN LATERAL oracle.totals(query, m.at) AS t;
    RETURN QUERY
    SELECT 'explain', t.id, t.total::text, e.points::text
      FROM pg_temp.total AS t
     CROSS JOIN LATERAL (SELECT coalesce(sum(x.points), 0) AS points
                           FROM lead_scoring.explain(the_model, t.id, t.at) AS x) AS e
     WHERE abs(e.points::float8 - t.total) > 1.0000001e-6;
    -- The same numbers on both sides: not one millionth may be missing.
    RETURN QUERY
    SELECT 'explain_change', c.id, d.points::text, e.points::text
      FROM oracle.contact AS c
     CROSS JOIN LATERAL (
        SELECT (SELECT coalesce(sum(x.points), 0) FROM lead_scoring.explain(the_model, c.id, to_moment) AS x)
             - (SELECT coalesce(sum(x.points), 0) FROM lead_scoring.explain(the_model, c.id, from_moment) AS x) AS points) AS d
     CROSS JOIN LATERAL (SELECT coalesce(sum(x.points), 0) AS points
                           FROM lead_scoring.explain_change(the_model, c.id, from_moment, to_moment) AS x) AS e
     WHERE e.points <> d.points;
    DROP TABLE pg_temp.total;
END
$$;

-- How many contacts left their band, or never would, where idle() looked.
CREATE TABLE oracle.idled (leaves boolean);

-- idle(model, query, as_of, n): of n contacts to whom nothing happens any more, those who
-- leave their band at another moment than what_next says.
CREATE FUNCTION oracle.idle(the_model text, query text, the_moment timestamptz, n int)
RETURNS TABLE (what text, id text, at timestamptz, wanted text, got text) LANGUAGE plpgsql AS $$
DECLARE
    one record;
    answer record;
    band text;
    early timestamptz;
BEGIN
    FOR one IN
        SELECT c.id, coalesce((SELECT max(h.at) FROM oracle.happened AS h WHERE h.id = c.id), the_moment) AS start
          FROM oracle.contact AS c ORDER BY hashtext(c.id || the_model) LIMIT n
    LOOP
        SELECT * INTO STRICT answer FROM lead_scoring.what_next(the_model, one.id, one.start) AS x WHERE x.what = 'nothing';
        band := lead_scoring.band(oracle.total_of(query, one.start, one.id), the_model);
        INSERT INTO oracle.idled VALUES (answer.at IS NOT NULL);
        IF answer.at IS NOT NULL AND answer.band = band THEN
            CONTINUE; -- too many changes to look at: that is early, which it may be
        END IF;
        IF answer.at IS NOT NULL AND (lead_scoring.band(oracle.total_of(query, answer.at, one.id), the_model) <> answer.band
                OR lead_scoring.band(oracle.total_of(query, answer.at - interval '1 microsecond', one.id), the_model) <> band) THEN
            RETURN QUERY SELECT 'leaves its band', one.id, answer.at, band || ' then ' || answer.band,
                oracle.total_of(query, answer.at - interval '1 microsecond', one.id) || ' then '
                || oracle.total_of(query, answer.at, one.id);
        END IF;
        -- Before that it is in its band at every edge of an interval.
        SELECT min(e.at) INTO early
          FROM (SELECT DISTINCT h.at + k * s.span AS at
                  FROM (SELECT * FROM oracle.happened UNION ALL SELECT c.id, c.since FROM oracle.contact AS c WHERE isfinite(c.since)) AS h
                 CROSS JOIN oracle.span AS s CROSS JOIN generate_series(1, 3) AS k
                 WHERE h.id = one.id) AS e
         WHERE e.at > one.start AND e.at < coalesce(answer.at, one.start + interval '1800 days')
           AND lead_scoring.band((SELECT coalesce(sum(x.points), 0)::float8
                                    FROM lead_scoring.explain(the_model, one.id, e.at) AS x), the_model) <> band;
        IF early IS NOT NULL THEN
            RETURN QUERY SELECT 'has left before', one.id, answer.at, band, early::text;
        END IF;
    END LOOP;
END
$$;
