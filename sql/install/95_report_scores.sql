-- The scores as a whole: how they are spread, how fresh they are, how they move.

CREATE FUNCTION lead_scoring.report_distribution() RETURNS lead_scoring.report
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT 'distribution',
        'Histogram of the scores as of lead_scoring.as_of(), ten points a bar; a bar that a threshold cuts is two. Counts of rows of one score may be added up.',
        ARRAY[
            'score', 'total, fit, engagement or intent.',
            'label', 'Band of the total, or label of the other scores. NULL: none.',
            'from_points', 'Lower end of the bar, in points; it is part of it. NULL: the score cannot be computed.',
            'to_points', 'Upper end of the bar, in points; it is not part of it. NULL: the score cannot be computed.',
            'contacts', 'Number of contacts.',
            'share', 'Their share among all, 0 to 1.'],
        $sql$
WITH scores AS MATERIALIZED (
    SELECT s.total, s.fit, s.engagement, s.intent{p.segments}
    FROM {people} AS p
    JOIN {scored} AS s ON s.contact_id = p.contact_id
), bound AS (
    SELECT t.score, array_agg(coalesce(t.min_score, '-Infinity') ORDER BY t.min_score NULLS FIRST) AS points,
        array_agg(t.label ORDER BY t.min_score NULLS FIRST) AS labels
    FROM lead_scoring.threshold AS t
    WHERE t.model = {model}
    GROUP BY t.score
), bar AS (
    SELECT 'total' AS score, width_bucket(s.total, (SELECT b.points FROM bound AS b WHERE b.score = 'total')) AS place,
        floor(s.total / 10) * 10 AS points, count(*) AS contacts{s.segments}
    FROM scores AS s
    GROUP BY 2, 3{s.segments}
    UNION ALL
    SELECT 'fit' AS score, width_bucket(s.fit, (SELECT b.points FROM bound AS b WHERE b.score = 'fit')) AS place,
        floor(s.fit / 10) * 10 AS points, count(*) AS contacts{s.segments}
    FROM scores AS s
    GROUP BY 2, 3{s.segments}
    UNION ALL
    SELECT 'engagement' AS score, width_bucket(s.engagement, (SELECT b.points FROM bound AS b WHERE b.score = 'engagement')) AS place,
        floor(s.engagement / 10) * 10 AS points, count(*) AS contacts{s.segments}
    FROM scores AS s
    GROUP BY 2, 3{s.segments}
    UNION ALL
    SELECT 'intent' AS score, width_bucket(s.intent, (SELECT b.points FROM bound AS b WHERE b.score = 'intent')) AS place,
        floor(s.intent / 10) * 10 AS points, count(*) AS contacts{s.segments}
    FROM scores AS s
    GROUP BY 2, 3{s.segments}
)
SELECT b.score, bound.labels[b.place] AS label, b.points AS from_points, b.points + 10 AS to_points, b.contacts,
    b.contacts::float8 / sum(b.contacts) OVER (PARTITION BY b.score{b.segments})::float8 AS share{b.named}
FROM bar AS b
LEFT JOIN bound ON bound.score = b.score
$sql$;
END;
COMMENT ON FUNCTION lead_scoring.report_distribution() IS 'The view <model>_distribution.';

CREATE FUNCTION lead_scoring.report_freshness() RETURNS lead_scoring.report
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT 'freshness',
        'What waits for lead_scoring.refresh(): until then stored scores may be behind, <model>_scored is right.',
        ARRAY[
            'contacts', 'Number of contacts.',
            'unscored', 'Those whose score was not stored yet.',
            'due', 'Those whose score time alone may have changed by lead_scoring.as_of().',
            'oldest_due_at', 'Since when the first of them is due. NULL: none is.',
            'stale', 'Those whose score was made by other rules than those of now.',
            'queued', 'Those who wait in the queue.',
            'oldest_queued_at', 'Since when the first of them waits. NULL: none does.',
            'failed', 'Those whose score could not be computed: check_model() says why.',
            'oldest_scored_at', 'When the first of them was scored last. NULL: nobody was.'],
        $sql$
WITH queue AS (
    SELECT q.contact_id, min(q.queued_at) AS queued_at FROM {queue} AS q GROUP BY q.contact_id
), everyone AS (
    SELECT min(q.queued_at) AS queued_at FROM {queue} AS q WHERE q.contact_id IS NULL
)
SELECT count(*) AS contacts,
    count(*) FILTER (WHERE s.contact_id IS NULL) AS unscored,
    count(*) FILTER (WHERE s.due_at <= lead_scoring.as_of()) AS due,
    min(s.due_at) FILTER (WHERE s.due_at <= lead_scoring.as_of()) AS oldest_due_at,
    count(*) FILTER (WHERE s.stamp <> lead_scoring.model_stamp({model})) AS stale,
    count(*) FILTER (WHERE e.queued_at IS NOT NULL OR q.queued_at IS NOT NULL) AS queued,
    min(least(e.queued_at, q.queued_at)) AS oldest_queued_at,
    count(*) FILTER (WHERE s.problem IS NOT NULL) AS failed,
    min(s.scored_at) AS oldest_scored_at{p.named}
FROM {everyone} AS p
CROSS JOIN everyone AS e
LEFT JOIN {score} AS s ON s.contact_id = p.contact_id
LEFT JOIN queue AS q ON q.contact_id = p.contact_id
GROUP BY ({p.list})
$sql$;
END;
COMMENT ON FUNCTION lead_scoring.report_freshness() IS 'The view <model>_freshness.';

CREATE FUNCTION lead_scoring.report_rising() RETURNS lead_scoring.report
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT 'rising',
        'Who rose or fell, one row a contact: the latest of the daily scores up to lead_scoring.as_of() against those of a week and of 30 days before. lead_scoring.snapshot() keeps them.',
        ARRAY[
            'contact_id', 'Key of the contact.',
            'day', 'Day of the latest daily scores.',
            'total', 'Total then, in points.',
            'band', 'Band then. NULL: none.',
            'stage', 'Stage then. NULL: none.',
            'total_week_before', 'Total seven days before, or up to three days earlier where that day is missing. NULL: not known.',
            'week_change', 'Change since, in points. NULL: not known.',
            'total_month_before', 'Total 30 days before, or up to three days earlier. NULL: not known.',
            'month_change', 'Change since, in points. NULL: not known.'],
        $sql$
WITH latest AS (
    SELECT max(d.day) AS day FROM {score_daily} AS d
    WHERE d.day <= (lead_scoring.as_of() AT TIME ZONE {zone})::date
), before AS (
    SELECT d.contact_id,
        (array_agg(d.total ORDER BY d.day DESC) FILTER (WHERE d.day > l.day - 11)) [1] AS week,
        (array_agg(d.total ORDER BY d.day DESC) FILTER (WHERE d.day < l.day - 29)) [1] AS month
    FROM latest AS l
    JOIN {score_daily} AS d ON d.day BETWEEN l.day - 10 AND l.day - 7 OR d.day BETWEEN l.day - 33 AND l.day - 30
    GROUP BY d.contact_id
)
SELECT p.contact_id, d.day, d.total, d.band, d.stage,
    b.week AS total_week_before, d.total - b.week AS week_change,
    b.month AS total_month_before, d.total - b.month AS month_change{p.named}
FROM latest AS l
JOIN {score_daily} AS d ON d.day = l.day
JOIN {people} AS p ON p.contact_id = d.contact_id
LEFT JOIN before AS b ON b.contact_id = d.contact_id
$sql$;
END;
COMMENT ON FUNCTION lead_scoring.report_rising() IS 'The view <model>_rising.';
