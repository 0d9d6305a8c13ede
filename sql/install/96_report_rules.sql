-- What each rule is good for.

CREATE TYPE lead_scoring.rule_stat AS (
    segments text[],
    dimension text,
    rule text,
    contacts bigint,
    won bigint,
    matched bigint,
    matched_won bigint,
    last_match timestamptz
);
COMMENT ON TYPE lead_scoring.rule_stat IS 'How often a rule matches among some contacts.';
COMMENT ON COLUMN lead_scoring.rule_stat.segments IS 'What the contacts have in common.';
COMMENT ON COLUMN lead_scoring.rule_stat.dimension IS 'fit, engagement or intent.';
COMMENT ON COLUMN lead_scoring.rule_stat.rule IS 'Name of the rule.';
COMMENT ON COLUMN lead_scoring.rule_stat.contacts IS 'Number of contacts.';
COMMENT ON COLUMN lead_scoring.rule_stat.won IS 'Those that won.';
COMMENT ON COLUMN lead_scoring.rule_stat.matched IS 'Those that the rule gives points.';
COMMENT ON COLUMN lead_scoring.rule_stat.matched_won IS 'Those of them that won.';
COMMENT ON COLUMN lead_scoring.rule_stat.last_match IS 'Latest event that matched. NULL: none did, or the rule is not about single events.';

CREATE FUNCTION lead_scoring.rule_stats_accumulate(
    internal, contact record, state lead_scoring.engagement, moment timestamptz,
    since timestamptz, won boolean, segments text[], model text
) RETURNS internal
    AS 'MODULE_PATHNAME', 'ls_sql_rule_stats_accumulate'
    LANGUAGE c STABLE PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.rule_stats_accumulate(
    internal, record, lead_scoring.engagement, timestamptz, timestamptz, boolean, text[], text) IS
    'Part of the aggregate rule_stats.';

CREATE FUNCTION lead_scoring.rule_stats_finish(internal) RETURNS lead_scoring.rule_stat[]
    AS 'MODULE_PATHNAME', 'ls_sql_rule_stats_finish'
    LANGUAGE c STABLE PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.rule_stats_finish(internal) IS
    'Part of the aggregate rule_stats.';

CREATE AGGREGATE lead_scoring.rule_stats(
    contact record, state lead_scoring.engagement, moment timestamptz, since timestamptz,
    won boolean, segments text[], model text
) (
    SFUNC = lead_scoring.rule_stats_accumulate,
    STYPE = internal,
    FINALFUNC = lead_scoring.rule_stats_finish,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE lead_scoring.rule_stats(
    record, lead_scoring.engagement, timestamptz, timestamptz, boolean, text[], text) IS
    'How often each enabled rule of the model matches, in one pass, for each combination of segments: contact, its engagement state, the moment as of which both are looked at, when the contact came to be (for silence rules), whether it won, and its segments. Contacts without row, state, moment or segments are left out. NULL without any.';

CREATE FUNCTION lead_scoring.report_rule_stats() RETURNS lead_scoring.report
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT 'rule_stats',
        'What each enabled rule is good for: whom it gives points, and how often these win. Contacts are looked at as of when their first deal was opened, or as of lead_scoring.as_of() where they had none. Counts of rows of one rule may be added up, rates may not.',
        ARRAY[
            'dimension', 'fit, engagement or intent.',
            'rule', 'Name of the rule.',
            'group_name', 'Group that caps it. NULL: none.',
            'points', 'Points of the rule.',
            'matches', 'never, sometimes or always: the first and the last tell contacts apart no more than no rule would.',
            'contacts', 'Number of contacts.',
            'matched', 'Those that the rule gives points.',
            'share', 'Their share, 0 to 1.',
            'won', 'Contacts that won a deal by now.',
            'matched_won', 'Those of them that the rule gives points.',
            'matched_rate', 'Share of those matched that won, 0 to 1. NULL: none matched.',
            'unmatched_rate', 'Share of the others that won, 0 to 1. NULL: there are none.',
            'lift', 'Share of those matched that won against the share among all: 2 is twice as often. NULL: nobody won, or none matched.',
            'last_match', 'Latest event that matched, of any contact. NULL: none did, or the rule is not about single events.'],
        $sql$
WITH dealt AS (
    SELECT d.contact_id, (array_agg(d.moment ORDER BY d.opened_at))[1] AS moment, bool_or(d.won IS TRUE) AS won
    FROM {deals source} AS d
    GROUP BY d.contact_id
), counted AS (
    SELECT lead_scoring.rule_stats(p.contact, CASE WHEN p.problem IS NULL THEN now.state END,
                                   at.moment, p.since, d.won, ARRAY[{p.list}]::text[], {model}) AS rules
    FROM {people} AS p
    LEFT JOIN dealt AS d ON d.contact_id = p.contact_id
    CROSS JOIN LATERAL (
        SELECT coalesce(d.moment, lead_scoring.as_of()) AS moment OFFSET 0
    ) AS at
    CROSS JOIN LATERAL ({by hand}) AS by_hand
    CROSS JOIN LATERAL (
        SELECT lead_scoring.stored_state(p.engagement_state, at.moment, {model}) AS state OFFSET 0
    ) AS stored
    CROSS JOIN LATERAL (SELECT {state then} AS state OFFSET 0) AS now
), stat AS (
    SELECT r.dimension, r.rule, r.contacts, r.won, r.matched, r.matched_won, r.last_match{r.elements}
    FROM counted AS c
    CROSS JOIN LATERAL unnest(c.rules) AS r
), rule AS (
    SELECT 'fit' AS dimension, f.name, f.group_name, f.points FROM lead_scoring.fit_rule AS f WHERE f.model = {model}
    UNION ALL
    SELECT e.dimension, e.name, e.group_name, e.points FROM lead_scoring.engagement_rule AS e WHERE e.model = {model}
)
SELECT r.dimension, r.rule, rule.group_name, rule.points,
    CASE r.matched WHEN 0 THEN 'never' WHEN r.contacts THEN 'always' ELSE 'sometimes' END AS matches,
    r.contacts, r.matched, r.matched::float8 / r.contacts AS share,
    r.won, r.matched_won,
    r.matched_won::float8 / nullif(r.matched, 0) AS matched_rate,
    (r.won - r.matched_won)::float8 / nullif(r.contacts - r.matched, 0) AS unmatched_rate,
    (r.matched_won::float8 / nullif(r.matched, 0)) / (nullif(r.won, 0)::float8 / r.contacts) AS lift,
    r.last_match{r.named}
FROM stat AS r
LEFT JOIN rule ON rule.dimension = r.dimension AND rule.name = r.rule
$sql$;
END;
COMMENT ON FUNCTION lead_scoring.report_rule_stats() IS 'The view <model>_rule_stats.';
