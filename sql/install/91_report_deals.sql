-- How long contacts stay where, and their deals: what most reports are built on.

CREATE FUNCTION lead_scoring.report_stays() RETURNS lead_scoring.report
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT 'stays',
        'One row for each stay of a contact in a stage, up to lead_scoring.as_of().',
        ARRAY[
            'contact_id', 'Key of the contact.',
            'stage', 'The stage.',
            'entered_at', 'When it was entered; the first stage when the contact came to be. NULL: before the model was there.',
            'left_at', 'When it was left. NULL: the contact is still there.',
            'next_stage', 'Stage that came next. NULL: the contact is still there.'],
        $sql$
WITH people AS (
    SELECT p.contact_id, p.entered_at, p.stage_now{p.segments} FROM {people} AS p
), first_move AS (
    SELECT DISTINCT ON (h.contact_id) h.contact_id, h.from_stage, h.to_stage, h.changed_at
    FROM {stage_history} AS h
    ORDER BY h.contact_id, h.changed_at, h.id
), stay AS (
    SELECT p.contact_id, f.stage,
        CASE WHEN f.stage = {first stage} THEN p.entered_at END AS entered_at,
        f.left_at, f.next_stage
    FROM people AS p
    LEFT JOIN first_move AS m ON m.contact_id = p.contact_id
    CROSS JOIN LATERAL (
        SELECT CASE WHEN m.contact_id IS NULL THEN p.stage_now
                    ELSE coalesce(m.from_stage, {first stage}) END AS stage,
            CASE WHEN m.changed_at <= lead_scoring.as_of() THEN m.changed_at END AS left_at,
            CASE WHEN m.changed_at <= lead_scoring.as_of() THEN coalesce(m.to_stage, {first stage}) END AS next_stage
    ) AS f
    UNION ALL
    SELECT h.contact_id, coalesce(h.to_stage, {first stage}), h.changed_at,
        lead(h.changed_at) OVER ahead,
        lead(coalesce(h.to_stage, {first stage})) OVER ahead
    FROM {stage_history} AS h
    WHERE h.changed_at <= lead_scoring.as_of()
    WINDOW ahead AS (PARTITION BY h.contact_id ORDER BY h.changed_at, h.id)
)
SELECT p.contact_id, stay.stage, stay.entered_at, stay.left_at, stay.next_stage{p.named}
FROM people AS p
JOIN stay ON stay.contact_id = p.contact_id
$sql$;
END;
COMMENT ON FUNCTION lead_scoring.report_stays() IS 'The view <model>_stays.';

-- deals_sql(model): contact_id, opened_at, closed_at, won, amount of the deals up to the
-- clock, and the moment of the score that is set against the outcome. What happened after
-- the clock is not known yet. Without a deal source, stages tell: a deal
-- is open in the last stage without an outcome, and a stage from which a contact came to
-- an outcome has been a deal.
CREATE FUNCTION lead_scoring.deals_sql(model text) RETURNS text
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    deals lead_scoring.deal_source;
    plain name;
BEGIN
    SELECT * INTO deals FROM lead_scoring.deal_source AS d WHERE d.model = deals_sql.model;
    IF FOUND THEN
        -- A column of which there are statistics, or an expression of which there are none.
        SELECT a.attname INTO plain FROM pg_attribute AS a
         WHERE a.attrelid = deals.relation::regclass AND a.attnum > 0 AND NOT a.attisdropped
           AND deals.contact_id IN (a.attname, quote_ident(a.attname));
        RETURN format($sql$(
        SELECT contact.{id} AS contact_id, (source.deal).opened_at AS opened_at,
            CASE WHEN (source.deal).won IS NOT NULL AND (source.deal).closed_at <= lead_scoring.as_of()
                 THEN (source.deal).closed_at END AS closed_at,
            CASE WHEN (source.deal).closed_at <= lead_scoring.as_of() THEN (source.deal).won END AS won,
            (source.deal).amount AS amount,
            coalesce(CASE WHEN (source.deal).won IS NOT NULL AND (source.deal).closed_at <= lead_scoring.as_of()
                          THEN (source.deal).closed_at - make_interval(secs => lead_scoring.seconds(
                              (SELECT d.score_before FROM lead_scoring.deal_source AS d WHERE d.model = {model}))) END,
                     (source.deal).opened_at) AS moment
        FROM (SELECT %1$s AS contact_id, lead_scoring.deal_of(deal.*, {model}, %2$L) AS deal
              FROM %3$s AS deal OFFSET 0) AS source
        JOIN {contact} AS contact ON %4$s
        WHERE (source.deal).opened_at <= lead_scoring.as_of()
          AND lead_scoring.same_deals({model}, %2$L, %5$L)
    )$sql$,
            coalesce('deal.' || replace(quote_ident(plain), '{', '{open}'), 'NULL'),
            replace(deals.relation, '{', '{open}'), replace(deals.relation::regclass::text, '{', '{open}'),
            CASE WHEN plain IS NULL
                 THEN 'contact.{id}::text COLLATE "C" = (source.deal).contact_id COLLATE "C"'
                 ELSE 'contact.{id} = source.contact_id' END,
            replace(deals.contact_id, '{', '{open}'));
    END IF;
    RETURN $sql$(
        SELECT stay.contact_id, coalesce(stay.entered_at, score.enrolled_at) AS opened_at,
            CASE WHEN next.outcome IS NOT NULL THEN stay.left_at END AS closed_at,
            next.outcome = 'won' AS won,
            NULL::float8 AS amount,
            coalesce(stay.entered_at, score.enrolled_at) AS moment
        FROM {stays} AS stay
        LEFT JOIN {score} AS score ON score.contact_id = stay.contact_id
        LEFT JOIN lead_scoring.stage AS stage ON stage.model = {model} AND stage.name = stay.stage
        LEFT JOIN lead_scoring.stage AS next ON next.model = {model} AND next.name = stay.next_stage
        WHERE stage.outcome IS NULL
          AND coalesce(stay.entered_at, score.enrolled_at) <= lead_scoring.as_of()
          AND (next.outcome IS NOT NULL
               OR stay.left_at IS NULL
              AND stay.stage = (SELECT last.name FROM lead_scoring.stage AS last
                                 WHERE last.model = {model} AND last.outcome IS NULL
                                 ORDER BY last.position DESC LIMIT 1))
          AND lead_scoring.same_deals({model}, NULL, NULL)
    )$sql$;
END
$$;
COMMENT ON FUNCTION lead_scoring.deals_sql(text) IS
    'The part of report views that gives the deals. NULL for a NULL name.';

-- The score is that of a moment before the outcome was known: as history has it, and where
-- history does not reach back so far, as rules and events have it.
CREATE FUNCTION lead_scoring.report_deals() RETURNS lead_scoring.report
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT 'deals',
        'One row a deal of a contact, up to lead_scoring.as_of(), with the score of the moment when it was opened, or as long before closing as score_before of lead_scoring.deal_source says. Without a deal source: for each contact that came from a stage to a won or lost one, or is in the last stage before.',
        ARRAY[
            'contact_id', 'Key of the contact.',
            'opened_at', 'When the deal was opened.',
            'closed_at', 'When it was closed. NULL: it is open.',
            'outcome', 'open, won or lost.',
            'amount', 'What it is worth. NULL: not known.',
            'scored_at', 'The moment of the scores.',
            'fit', 'Fit score then, in points; before the history of the model began, by the contact''s columns of today. NULL: could not be computed.',
            'engagement', 'Engagement score then, in points. NULL: could not be computed.',
            'intent', 'Intent score then, in points. NULL: could not be computed.',
            'total', 'Total then, in points. NULL: could not be computed.',
            'band', 'Label of the total then. NULL: none.'],
        $sql$
SELECT p.contact_id, deal.opened_at, deal.closed_at,
    CASE WHEN deal.closed_at IS NULL THEN 'open' WHEN deal.won THEN 'won' ELSE 'lost' END AS outcome,
    deal.amount,
    at.moment AS scored_at,
    was.fit, was.engagement, was.intent, was.total,
    CASE WHEN known.id IS NULL THEN lead_scoring.band(was.total, {model}) ELSE known.band END AS band{p.named}
FROM {people} AS p
JOIN {deals source} AS deal ON deal.contact_id = p.contact_id
CROSS JOIN LATERAL (SELECT deal.moment) AS at
CROSS JOIN LATERAL ({by hand}) AS by_hand
LEFT JOIN LATERAL (
    SELECT h.id, h.fit, h.engagement, h.intent, h.total, h.band
    FROM {score_history} AS h
    WHERE h.contact_id = p.contact_id AND h.changed_at <= at.moment
    ORDER BY h.changed_at DESC, h.id DESC
    LIMIT 1
) AS known ON true
CROSS JOIN LATERAL (
    SELECT CASE WHEN known.id IS NULL AND p.problem IS NULL
                THEN lead_scoring.stored_state(p.engagement_state, at.moment, {model}) END AS state
    OFFSET 0
) AS stored
CROSS JOIN LATERAL (
    SELECT CASE WHEN known.id IS NULL AND p.problem IS NULL
                THEN lead_scoring.fit_score(p.contact, {model}, at.moment) END AS fit,
        CASE WHEN known.id IS NULL AND p.problem IS NULL THEN {state then} END AS state
    OFFSET 0
) AS now
CROSS JOIN LATERAL (
    SELECT CASE WHEN known.id IS NULL THEN now.fit ELSE known.fit END AS fit,
        CASE WHEN known.id IS NULL THEN lead_scoring.engagement_score(now.state, at.moment, p.since)
             ELSE known.engagement END AS engagement,
        CASE WHEN known.id IS NULL THEN lead_scoring.intent_score(now.state, at.moment, p.since)
             ELSE known.intent END AS intent
    OFFSET 0
) AS part
CROSS JOIN LATERAL (
    SELECT part.fit, part.engagement, part.intent,
        CASE WHEN known.id IS NULL THEN lead_scoring.total_score(part.fit, part.engagement, part.intent, {model}, by_hand.points)
             ELSE known.total END AS total
    OFFSET 0
) AS was
$sql$;
END;
COMMENT ON FUNCTION lead_scoring.report_deals() IS 'The view <model>_deals.';
