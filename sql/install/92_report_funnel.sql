-- How many go how far, and how long it takes.

CREATE FUNCTION lead_scoring.report_funnel() RETURNS lead_scoring.report
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT 'funnel',
        'Of the contacts that came in a month: how many reached each stage by lead_scoring.as_of(). A contact has reached a stage once it has been in that one or in a later one; lost stages count by themselves. Counts of rows may be added up, rates may not.',
        ARRAY[
            'cohort_month', 'First day of the month in which the contacts came to be, or entered the model where that is not known. NULL: neither is known.',
            'stage', 'The stage.',
            'label', 'What people call it.',
            'position', 'Its place in the order.',
            'outcome', 'won or lost: the end of the road. NULL: neither.',
            'entered', 'Contacts that came in that month.',
            'reached_before', 'Those that reached the stage before. NULL for lost stages, which may come after any.',
            'reached', 'Those that reached this stage.',
            'rate_from_before', 'Share of those of the stage before that reached this one, 0 to 1. NULL where there were none, and for lost stages.',
            'rate', 'Share of those that entered that reached this stage, 0 to 1.'],
        $sql$
WITH road AS (
    SELECT s.name, coalesce(s.label, s.name) AS label, s.position, s.outcome,
        CASE WHEN s.outcome IS DISTINCT FROM 'lost'
             THEN lag(s.position) OVER (PARTITION BY s.outcome IS DISTINCT FROM 'lost' ORDER BY s.position) END AS before
    FROM lead_scoring.stage AS s
    WHERE s.model = {model}
), reached AS (
    SELECT stay.contact_id,
        max(road.position) FILTER (WHERE road.outcome IS DISTINCT FROM 'lost') AS furthest,
        array_agg(DISTINCT road.name ORDER BY road.name) FILTER (WHERE road.outcome = 'lost') AS lost
    FROM {stays} AS stay
    JOIN road ON road.name = stay.stage
    GROUP BY stay.contact_id
), cohort AS (
    SELECT date_trunc('month', p.entered_at AT TIME ZONE {zone})::date AS month,
        reached.furthest, reached.lost, count(*) AS contacts{p.segments}
    FROM {everyone} AS p
    LEFT JOIN reached ON reached.contact_id = p.contact_id
    GROUP BY 1, 2, 3{p.segments}
), stage AS (
    SELECT c.month, road.name, road.label, road.position, road.outcome,
        sum(c.contacts)::bigint AS entered,
        CASE WHEN road.outcome = 'lost' THEN NULL
             WHEN road.before IS NULL THEN sum(c.contacts)::bigint
             ELSE coalesce(sum(c.contacts) FILTER (WHERE c.furthest >= road.before), 0)::bigint END AS reached_before,
        CASE WHEN road.outcome = 'lost' THEN coalesce(sum(c.contacts) FILTER (WHERE road.name = ANY (c.lost)), 0)::bigint
             WHEN road.before IS NULL THEN sum(c.contacts)::bigint
             ELSE coalesce(sum(c.contacts) FILTER (WHERE c.furthest >= road.position), 0)::bigint END AS reached{c.segments}
    FROM cohort AS c
    CROSS JOIN road
    GROUP BY c.month, road.name, road.label, road.position, road.outcome, road.before{c.segments}
)
SELECT s.month AS cohort_month, s.name AS stage, s.label, s.position::bigint AS position, s.outcome,
    s.entered, s.reached_before, s.reached,
    s.reached::float8 / nullif(s.reached_before, 0) AS rate_from_before,
    s.reached::float8 / s.entered AS rate{s.named}
FROM stage AS s
$sql$;
END;
COMMENT ON FUNCTION lead_scoring.report_funnel() IS 'The view <model>_funnel.';

CREATE FUNCTION lead_scoring.report_velocity() RETURNS lead_scoring.report
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT 'velocity',
        'How long it takes, of what was over by lead_scoring.as_of(). Rows of one detail are about the same cases as rows of another: choose one.',
        ARRAY[
            'measure', 'in stage (a stay), to next stage (from entering it first to reaching the next one or a later one), to won (from coming in to the first won stage or deal) or deal (from opened to closed).',
            'from_stage', 'Stage that the time begins with; of a deal: opened. NULL: when the contact came in.',
            'to_stage', 'Stage that the time ends with; of a deal: won or lost. NULL: any.',
            'detail', 'What the cases of the row have in common: all, month, segments, or month and segments.',
            'month', 'First day of the month in which the time ended. NULL: of all months.',
            'cases', 'How many.',
            'median_days', 'Half of them took at most so many days.',
            'mean_days', 'Days on average.',
            'p90_days', 'Nine in ten took at most so many days.'],
        $sql$
WITH people AS (
    SELECT p.contact_id, p.entered_at{p.segments} FROM {people} AS p
), stage AS (
    SELECT s.name, s.position, s.outcome, lead(s.position) OVER road AS next_position, lead(s.name) OVER road AS next_name
    FROM lead_scoring.stage AS s
    WHERE s.model = {model} AND s.outcome IS DISTINCT FROM 'lost'
    WINDOW road AS (ORDER BY s.position)
), stay AS (
    SELECT s.contact_id, s.stage, s.entered_at, s.left_at, stage.position, stage.outcome
    FROM {stays} AS s
    LEFT JOIN stage ON stage.name = s.stage
), entry AS (
    SELECT s.contact_id, s.stage, s.position, min(s.entered_at) AS at
    FROM stay AS s
    WHERE s.position IS NOT NULL
    GROUP BY s.contact_id, s.stage, s.position
), won AS (
    SELECT w.contact_id, min(w.at) AS at
    FROM (SELECT s.contact_id, s.entered_at AS at FROM stay AS s WHERE s.outcome = 'won'
          UNION ALL
          SELECT d.contact_id, d.closed_at FROM {deals source} AS d WHERE d.won) AS w
    GROUP BY w.contact_id
), span AS (
    SELECT 'in stage' AS measure, s.stage AS from_stage, NULL::text AS to_stage,
        s.contact_id, s.entered_at AS began, s.left_at AS ended
    FROM stay AS s
    UNION ALL
    SELECT 'to next stage', f.stage, stage.next_name, f.contact_id, f.at, min(t.at)
    FROM entry AS f
    JOIN stage ON stage.name = f.stage
    JOIN entry AS t ON t.contact_id = f.contact_id AND t.position >= stage.next_position AND t.at >= f.at
    GROUP BY f.stage, stage.next_name, f.contact_id, f.at
    UNION ALL
    SELECT 'to won', NULL, NULL, p.contact_id, p.entered_at, won.at
    FROM people AS p
    JOIN won ON won.contact_id = p.contact_id
    UNION ALL
    SELECT 'deal', 'opened', CASE WHEN d.won THEN 'won' ELSE 'lost' END, d.contact_id, d.opened_at, d.closed_at
    FROM {deals source} AS d
    WHERE d.won IS NOT NULL
), timed AS (
    SELECT span.measure, span.from_stage, span.to_stage,
        date_trunc('month', span.ended AT TIME ZONE {zone})::date AS month,
        extract(epoch FROM span.ended - span.began)::float8 / 86400 AS days{p.segments}
    FROM span
    JOIN people AS p ON p.contact_id = span.contact_id
    WHERE span.ended >= span.began AND isfinite(span.began) AND isfinite(span.ended)
)
SELECT t.measure, t.from_stage, t.to_stage, {t.detail} AS detail, t.month,
    count(*) AS cases,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY t.days) AS median_days,
    avg(t.days) AS mean_days,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY t.days) AS p90_days{t.named}
FROM timed AS t
GROUP BY t.measure, t.from_stage, t.to_stage, GROUPING SETS ((), (t.month){t.sets})
$sql$;
END;
COMMENT ON FUNCTION lead_scoring.report_velocity() IS 'The view <model>_velocity.';
