-- How soon people react, and what actions lead to.

CREATE FUNCTION lead_scoring.report_response() RETURNS lead_scoring.report
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT 'response',
        'How long after something happened to a contact a milestone followed, such as the first call by sales, and how many still wait for it as of lead_scoring.as_of(). Rows of one detail are about the same contacts as rows of another: choose one.',
        ARRAY[
            'start', 'What the time begins with: created (the contact came to be), stage (a stage without outcome was entered first, but for the first one), band (the total came to that band or a higher one first) or deal (the first one was opened).',
            'start_name', 'Name of the stage or band. NULL: created or deal.',
            'milestone', 'The milestone that was to follow.',
            'detail', 'What the contacts of the row have in common: all, month, segments, or month and segments.',
            'month', 'First day of the month in which the time began. NULL: of all months.',
            'contacts', 'Contacts to which it happened.',
            'reached', 'Those whom the milestone followed.',
            'waiting', 'Those who still wait for it, and are in no won or lost stage and have won no deal.',
            'median_hours', 'Half of those whom it followed waited at most so many hours. NULL: it followed none.',
            'mean_hours', 'Hours that they waited on average. NULL: it followed none.',
            'p90_hours', 'Nine in ten of them waited at most so many hours. NULL: it followed none.',
            'longest_wait_hours', 'Hours for which the first of those who still wait has been waiting. NULL: nobody waits.'],
        $sql$
WITH people AS (
    SELECT p.contact_id, p.since{p.segments} FROM {people} AS p
), band AS (
    SELECT t.label, t.min_score FROM lead_scoring.threshold AS t WHERE t.model = {model} AND t.score = 'total'
), started AS (
    SELECT p.contact_id, 'created' AS start, NULL::text AS name, p.since AS at FROM people AS p
    UNION ALL
    SELECT s.contact_id, 'stage', s.stage, min(s.entered_at)
    FROM {stays} AS s
    JOIN lead_scoring.stage AS stage ON stage.model = {model} AND stage.name = s.stage
    WHERE stage.outcome IS NULL AND stage.name <> {first stage}
    GROUP BY s.contact_id, s.stage
    UNION ALL
    SELECT h.contact_id, 'band', band.label, min(h.changed_at)
    FROM {score_history} AS h
    JOIN band AS came ON came.label = h.band
    JOIN band ON band.min_score <= came.min_score
    WHERE h.changed_at <= lead_scoring.as_of()
      AND NOT (h.cause = 'activation' AND h.from_band IS NULL)
    GROUP BY h.contact_id, band.label
    UNION ALL
    SELECT d.contact_id, 'deal', NULL, min(d.opened_at) FROM {deals source} AS d GROUP BY d.contact_id
), reached AS (
    SELECT r.contact_id, r.milestone, r.reached_at FROM {milestones} AS r
), closed AS (
    SELECT s.contact_id
    FROM {stays} AS s
    JOIN lead_scoring.stage AS stage ON stage.model = {model} AND stage.name = s.stage
    WHERE s.left_at IS NULL AND stage.outcome IS NOT NULL
    UNION
    SELECT d.contact_id FROM {deals source} AS d WHERE d.won
), followed AS (
    SELECT s.contact_id, s.start, s.name, s.at, m.name AS milestone, min(r.reached_at) AS reached_at
    FROM started AS s
    JOIN lead_scoring.milestone AS m ON m.model = {model}
    LEFT JOIN reached AS r ON r.contact_id = s.contact_id AND r.milestone = m.name AND r.reached_at >= s.at
    WHERE isfinite(s.at)
    GROUP BY s.contact_id, s.start, s.name, s.at, m.name
), response AS (
    SELECT f.start, f.name, f.milestone, date_trunc('month', f.at AT TIME ZONE {zone})::date AS month,
        extract(epoch FROM f.reached_at - f.at)::float8 / 3600 AS hours,
        CASE WHEN f.reached_at IS NULL AND closed.contact_id IS NULL
             THEN extract(epoch FROM lead_scoring.as_of() - f.at)::float8 / 3600 END AS waiting_hours{p.segments}
    FROM followed AS f
    JOIN people AS p ON p.contact_id = f.contact_id
    LEFT JOIN closed ON closed.contact_id = f.contact_id
)
SELECT r.start, r.name AS start_name, r.milestone, {r.detail} AS detail, r.month,
    count(*) AS contacts,
    count(r.hours) AS reached,
    count(r.waiting_hours) AS waiting,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY r.hours) AS median_hours,
    avg(r.hours) AS mean_hours,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY r.hours) AS p90_hours,
    max(r.waiting_hours) AS longest_wait_hours{r.named}
FROM response AS r
GROUP BY r.start, r.name, r.milestone, GROUPING SETS ((), (r.month){r.sets})
$sql$;
END;
COMMENT ON FUNCTION lead_scoring.report_response() IS 'The view <model>_response.';

CREATE FUNCTION lead_scoring.report_workflow() RETURNS lead_scoring.report
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT 'workflow',
        'What became of the actions of a month by lead_scoring.as_of(): carried out, and followed by their goal in time. Counts of rows may be added up, rates may not.',
        ARRAY[
            'month', 'First day of the month in which they fired.',
            'action', 'The action.',
            'goal', 'Milestone that it is to lead to. NULL: none, or the action is gone.',
            'fired', 'How often it fired.',
            'delivered', 'How often it was carried out.',
            'dead', 'How often that was given up.',
            'waiting', 'How often it is still to be carried out.',
            'reached', 'How often the goal followed within goal_within.',
            'missed', 'How often it did not, and the time is over.',
            'pending', 'How often the time is not over yet.',
            'delivery_rate', 'Share of those fired that were delivered, 0 to 1.',
            'goal_rate', 'Share of those reached or missed that were reached, 0 to 1. NULL: there are none.'],
        $sql$
WITH reached AS (
    SELECT r.contact_id, r.milestone, r.reached_at FROM {milestones} AS r
), fired AS (
    SELECT o.id, o.contact_id, o.type, o.created_at,
        CASE WHEN d.finished_at <= lead_scoring.as_of() THEN d.status ELSE 'waiting' END AS status,
        a.goal,
        o.created_at + make_interval(secs => lead_scoring.seconds(a.goal_within)) AS goal_until
    FROM {outbox} AS o
    LEFT JOIN {delivery} AS d ON d.outbox_id = o.id
    LEFT JOIN lead_scoring.action AS a ON a.model = {model} AND a.name = o.type
    WHERE o.created_at <= lead_scoring.as_of()
), followed AS (
    SELECT f.id FROM fired AS f
    JOIN reached AS r ON r.contact_id = f.contact_id AND r.milestone = f.goal
                     AND r.reached_at > f.created_at AND r.reached_at <= f.goal_until
    GROUP BY f.id
), counted AS (
    SELECT date_trunc('month', f.created_at AT TIME ZONE {zone})::date AS month, f.type, f.goal,
        count(*) AS fired,
        count(*) FILTER (WHERE f.status = 'delivered') AS delivered,
        count(*) FILTER (WHERE f.status = 'dead') AS dead,
        count(followed.id) AS reached,
        count(*) FILTER (WHERE f.goal IS NOT NULL AND followed.id IS NULL AND f.goal_until <= lead_scoring.as_of()) AS missed,
        count(*) FILTER (WHERE f.goal IS NOT NULL AND followed.id IS NULL AND f.goal_until > lead_scoring.as_of()) AS pending{p.segments}
    FROM fired AS f
    JOIN {people} AS p ON p.contact_id = f.contact_id
    LEFT JOIN followed ON followed.id = f.id
    GROUP BY 1, 2, 3{p.segments}
)
SELECT c.month, c.type AS action, c.goal, c.fired, c.delivered, c.dead,
    c.fired - c.delivered - c.dead AS waiting,
    c.reached, c.missed, c.pending,
    c.delivered::float8 / c.fired AS delivery_rate,
    c.reached::float8 / nullif(c.reached + c.missed, 0) AS goal_rate{c.named}
FROM counted AS c
$sql$;
END;
COMMENT ON FUNCTION lead_scoring.report_workflow() IS 'The view <model>_workflow.';
