-- Deals against the scores from before their outcome was known.

CREATE FUNCTION lead_scoring.report_pipeline() RETURNS lead_scoring.report
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT 'pipeline',
        'Deals opened in a month and what they are worth, by the band of their contact at that time; what became of them by lead_scoring.as_of(). Counts and amounts of rows may be added up, rates may not.',
        ARRAY[
            'month', 'First day of the month in which they were opened.',
            'band', 'Band of the contact when the deal was opened. NULL: none.',
            'deals', 'Number of deals.',
            'open', 'Those that are open.',
            'won', 'Those that were won.',
            'lost', 'Those that were lost.',
            'amount', 'What all of them are worth. NULL: no amount is known.',
            'open_amount', 'What the open ones are worth. NULL: no amount is known.',
            'won_amount', 'What the won ones are worth: revenue. NULL: no amount is known.',
            'lost_amount', 'What the lost ones were worth. NULL: no amount is known.',
            'win_rate', 'Share of the closed ones that were won, 0 to 1. NULL: none is closed.',
            'mean_amount_won', 'What a won one is worth on average. NULL: no amount is known.'],
        $sql$
WITH counted AS (
    SELECT date_trunc('month', d.opened_at AT TIME ZONE {zone})::date AS month, d.band,
        count(*) AS deals,
        count(*) FILTER (WHERE d.outcome = 'open') AS open,
        count(*) FILTER (WHERE d.outcome = 'won') AS won,
        count(*) FILTER (WHERE d.outcome = 'lost') AS lost,
        sum(d.amount) AS amount,
        sum(d.amount) FILTER (WHERE d.outcome = 'open') AS open_amount,
        sum(d.amount) FILTER (WHERE d.outcome = 'won') AS won_amount,
        sum(d.amount) FILTER (WHERE d.outcome = 'lost') AS lost_amount,
        avg(d.amount) FILTER (WHERE d.outcome = 'won') AS mean_amount_won{p.segments}
    FROM {deals} AS d
    JOIN {people} AS p ON p.contact_id = d.contact_id
    GROUP BY 1, 2{p.segments}
)
SELECT c.month, c.band, c.deals, c.open, c.won, c.lost,
    c.amount, c.open_amount, c.won_amount, c.lost_amount,
    c.won::float8 / nullif(c.won + c.lost, 0) AS win_rate,
    c.mean_amount_won{c.named}
FROM counted AS c
$sql$;
END;
COMMENT ON FUNCTION lead_scoring.report_pipeline() IS 'The view <model>_pipeline.';

CREATE FUNCTION lead_scoring.report_errors() RETURNS lead_scoring.report
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT 'errors',
        'Deals whose outcome the score did not foresee, one row each: lost although the contact was in the upper half of the bands, won although it was in the lowest one. What they have in common shows which rule is wrong, or missing.',
        ARRAY[
            'error', 'false positive (hot and lost) or false negative (cold and won).',
            'contact_id', 'Key of the contact.',
            'opened_at', 'When the deal was opened.',
            'closed_at', 'When it was closed.',
            'amount', 'What it is worth. NULL: not known.',
            'scored_at', 'The moment of the scores.',
            'fit', 'Fit score then, in points.',
            'engagement', 'Engagement score then, in points.',
            'intent', 'Intent score then, in points.',
            'total', 'Total then, in points.',
            'band', 'Band then.'],
        $sql$
WITH band AS (
    SELECT t.label, row_number() OVER (ORDER BY t.min_score DESC NULLS LAST) AS rank, count(*) OVER () AS bands
    FROM lead_scoring.threshold AS t
    WHERE t.model = {model} AND t.score = 'total'
)
SELECT CASE d.outcome WHEN 'lost' THEN 'false positive' ELSE 'false negative' END AS error,
    d.contact_id, d.opened_at, d.closed_at, d.amount, d.scored_at,
    d.fit, d.engagement, d.intent, d.total, d.band{p.named}
FROM {deals} AS d
JOIN band ON band.label = d.band
JOIN {people} AS p ON p.contact_id = d.contact_id
WHERE CASE d.outcome WHEN 'lost' THEN 2 * band.rank <= band.bands
                     WHEN 'won' THEN band.rank = band.bands AND band.bands > 1 END
$sql$;
END;
COMMENT ON FUNCTION lead_scoring.report_errors() IS 'The view <model>_errors.';

CREATE FUNCTION lead_scoring.report_lift() RETURNS lead_scoring.report
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT 'lift',
        'Do higher scores win more often? Contacts by tenths of the total: of when their first deal was opened, or as of lead_scoring.as_of() where they had none, so that these have lost what silence costs: win_rate is about deals alone. Equal totals are in the same tenth, so that some may be larger, or missing. Counts of rows may be added up, rates may not.',
        ARRAY[
            'decile', 'Tenth of all contacts, 1 for the highest totals.',
            'lowest_total', 'Lowest total in it, in points.',
            'highest_total', 'Highest total in it, in points.',
            'contacts', 'Number of contacts.',
            'dealt', 'Those that had a deal by now.',
            'won', 'Those that won one.',
            'rate', 'Share of all of them that won, 0 to 1.',
            'win_rate', 'Share of those that had a deal that won, 0 to 1. NULL: none had.',
            'lift', 'rate against that of all tenths: 2 is twice as often. NULL: nobody won.',
            'contacts_share', 'Share of all contacts that are in this tenth or a higher one, 0 to 1.',
            'gain', 'Share of all who won that are in this tenth or a higher one, 0 to 1. NULL: nobody won.'],
        $sql$
WITH dealt AS (
    SELECT d.contact_id, (array_agg(d.total ORDER BY d.opened_at))[1] AS total, bool_or(d.outcome = 'won') AS won
    FROM {deals} AS d
    GROUP BY d.contact_id
), ranked AS (
    SELECT t.total, d.contact_id IS NOT NULL AS dealt, coalesce(d.won, false) AS won,
        1 + 10 * (rank() OVER (ORDER BY t.total DESC) - 1) / count(*) OVER () AS decile{p.segments}
    FROM {people} AS p
    JOIN {scored} AS s ON s.contact_id = p.contact_id
    LEFT JOIN dealt AS d ON d.contact_id = p.contact_id
    CROSS JOIN LATERAL (SELECT CASE WHEN d.contact_id IS NULL THEN s.total ELSE d.total END AS total OFFSET 0) AS t
    WHERE t.total IS NOT NULL
), tenth AS (
    SELECT r.decile, min(r.total) AS lowest, max(r.total) AS highest, count(*) AS contacts,
        count(*) FILTER (WHERE r.dealt) AS dealt, count(*) FILTER (WHERE r.won) AS won{r.segments}
    FROM ranked AS r
    GROUP BY r.decile{r.segments}
), summed AS (
    SELECT t.*,
        sum(t.contacts) OVER everyone AS all_contacts, sum(t.won) OVER everyone AS all_won,
        sum(t.contacts) OVER higher AS higher_contacts, sum(t.won) OVER higher AS higher_won
    FROM tenth AS t
    WINDOW everyone AS (PARTITION BY true{t.segments}),
        higher AS (PARTITION BY true{t.segments} ORDER BY t.decile)
)
SELECT s.decile, s.lowest AS lowest_total, s.highest AS highest_total, s.contacts, s.dealt, s.won,
    s.won::float8 / s.contacts AS rate,
    s.won::float8 / nullif(s.dealt, 0) AS win_rate,
    (s.won::float8 / s.contacts) / nullif(s.all_won::float8 / s.all_contacts::float8, 0) AS lift,
    s.higher_contacts::float8 / s.all_contacts::float8 AS contacts_share,
    s.higher_won::float8 / nullif(s.all_won, 0)::float8 AS gain{s.named}
FROM summed AS s
$sql$;
END;
COMMENT ON FUNCTION lead_scoring.report_lift() IS 'The view <model>_lift.';
