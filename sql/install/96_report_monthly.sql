-- Month by month: leads against deals.

CREATE FUNCTION lead_scoring.report_monthly() RETURNS lead_scoring.report
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT 'monthly',
        'Month by month up to lead_scoring.as_of(), and for each band: contacts at or above it, against deals of contacts that were at or above it when the deal was opened. The lowest band has all of them. Rows of one band may be added up over segments, counts of what happened in a month over months.',
        ARRAY[
            'month', 'First day of the month.',
            'band', 'The band.',
            'min_score', 'Lowest total that it has, in points. NULL: it is below all others.',
            'contacts', 'Contacts at or above it at the end of the month. NULL before the history of the scores begins.',
            'rose', 'How often a contact came to it or above from below, in the month. NULL before the history of the scores begins.',
            'jumped', 'Contacts at or above it whose total rose by 30 points or more within seven days, on some day of the month. NULL before there were daily scores.',
            'opened', 'Deals opened in the month.',
            'won', 'Deals won in the month.',
            'lost', 'Deals lost in the month.',
            'won_amount', 'What the won ones are worth. NULL: no amount is known.'],
        $sql$
WITH band AS (
    SELECT t.label, t.min_score FROM lead_scoring.threshold AS t WHERE t.model = {model} AND t.score = 'total'
), people AS (
    SELECT p.contact_id{p.segments} FROM {people} AS p
), change AS (
    SELECT h.contact_id, h.changed_at, h.total,
        row_number() OVER past = 1 AS is_first,
        h.from_band IS NULL AND h.from_stage IS NULL AS is_entry,
        CASE WHEN row_number() OVER past > 1 THEN lag(h.total) OVER past
             WHEN h.cause = 'activation' AND h.from_band IS NULL THEN h.total
             ELSE coalesce(came_from.min_score, CASE WHEN came_from.label IS NOT NULL THEN '-Infinity'::float8 END) END AS before
    FROM {score_history} AS h
    LEFT JOIN band AS came_from ON came_from.label = h.from_band
    WHERE h.changed_at <= lead_scoring.as_of()
    WINDOW past AS (PARTITION BY h.contact_id ORDER BY h.changed_at, h.id)
), daily AS (
    SELECT d.contact_id, d.day, d.total,
        d.total - first_value(d.total) OVER (PARTITION BY d.contact_id ORDER BY d.day
                                             RANGE BETWEEN interval '7 days' PRECEDING AND CURRENT ROW) AS rise
    FROM {score_daily} AS d
    WHERE d.day <= (lead_scoring.as_of() AT TIME ZONE {zone})::date
), deal AS MATERIALIZED (
    -- Not once a band: to know the score of then costs more than all else.
    SELECT d.contact_id, d.opened_at, d.closed_at, d.outcome, d.amount, d.total FROM {deals} AS d
), fact AS (
    SELECT date_trunc('month', c.changed_at AT TIME ZONE {zone})::date AS month, band.label, band.min_score,
        -- The first row that history has of a contact begins his count.
        sum(CASE WHEN over.now THEN 1 ELSE 0 END
            - CASE WHEN over.before AND NOT c.is_first THEN 1 ELSE 0 END)::bigint AS net,
        count(*) FILTER (WHERE over.now AND NOT over.before) AS rose,
        NULL::bigint AS jumped, 0::bigint AS opened, 0::bigint AS won, 0::bigint AS lost, NULL::float8 AS won_amount{p.segments}
    FROM change AS c
    JOIN people AS p ON p.contact_id = c.contact_id
    CROSS JOIN band
    CROSS JOIN LATERAL (
        SELECT c.total IS NOT NULL AND (c.total >= band.min_score) IS NOT FALSE AS now,
            c.before IS NOT NULL AND (c.before >= band.min_score) IS NOT FALSE AS before
    ) AS over
    GROUP BY 1, 2, 3{p.segments}
    UNION ALL
    SELECT date_trunc('month', d.day)::date, band.label, band.min_score, 0, 0,
        count(DISTINCT d.contact_id) FILTER (WHERE d.rise >= 30), 0, 0, 0, NULL{p.segments}
    FROM daily AS d
    JOIN people AS p ON p.contact_id = d.contact_id
    JOIN band ON (d.total >= band.min_score) IS NOT FALSE
    GROUP BY 1, 2, 3{p.segments}
    UNION ALL
    SELECT date_trunc('month', one.at AT TIME ZONE {zone})::date, band.label, band.min_score, 0, 0, NULL,
        count(*) FILTER (WHERE one.what = 'opened'),
        count(*) FILTER (WHERE one.what = 'won'),
        count(*) FILTER (WHERE one.what = 'lost'),
        sum(d.amount) FILTER (WHERE one.what = 'won'){p.segments}
    FROM deal AS d
    JOIN people AS p ON p.contact_id = d.contact_id
    CROSS JOIN LATERAL (VALUES ('opened', d.opened_at), (d.outcome, d.closed_at)) AS one (what, at)
    JOIN band ON band.min_score IS NULL OR d.total >= band.min_score
    WHERE one.at IS NOT NULL
    GROUP BY 1, 2, 3{p.segments}
), filled AS (
    SELECT f.month, f.label, f.min_score, f.net, f.rose, f.jumped, f.opened, f.won, f.lost, f.won_amount{f.segments}
    FROM fact AS f
    UNION ALL
    SELECT month.day::date, f.label, f.min_score, 0, 0, NULL, 0, 0, 0, NULL{f.segments}
    FROM (SELECT band.label, band.min_score{f.segments} FROM (SELECT DISTINCT true{f.segments} FROM fact AS f) AS f CROSS JOIN band) AS f
    CROSS JOIN generate_series((SELECT min(g.month) FROM fact AS g),
                               lead_scoring.as_of() AT TIME ZONE {zone}, interval '1 month') AS month (day)
), summed AS (
    SELECT f.month, f.label, f.min_score, sum(f.net) AS net, sum(f.rose)::bigint AS rose, sum(f.jumped)::bigint AS jumped,
        sum(f.opened)::bigint AS opened, sum(f.won)::bigint AS won, sum(f.lost)::bigint AS lost,
        sum(f.won_amount) AS won_amount{f.segments}
    FROM filled AS f
    GROUP BY f.month, f.label, f.min_score{f.segments}
)
SELECT s.month, s.label AS band, s.min_score,
    CASE WHEN s.month >= known.month
         THEN (sum(s.net) OVER (PARTITION BY s.label{s.segments} ORDER BY s.month))::bigint END AS contacts,
    CASE WHEN s.month >= known.month THEN s.rose END AS rose, s.jumped, s.opened, s.won, s.lost, s.won_amount{s.named}
FROM summed AS s
-- Who enters history with a move was there before it was pruned.
CROSS JOIN (
    SELECT date_trunc('month', greatest(min(c.changed_at), max(c.changed_at) FILTER (WHERE c.is_first AND NOT c.is_entry))
                               AT TIME ZONE {zone})::date AS month
    FROM change AS c
) AS known
$sql$;
END;
COMMENT ON FUNCTION lead_scoring.report_monthly() IS 'The view <model>_monthly.';
