-- What check_model() says of event sources and engagement rules.

CREATE FUNCTION lead_scoring.sample_problems(
    model text, OUT severity text, OUT object text, OUT problem text, OUT suggestion text
) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'ls_sql_sample_problems'
    LANGUAGE c STABLE STRICT PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION lead_scoring.sample_problems(text) IS
    'What up to 10,000 events of each source and as many contacts show: conditions that are mostly null, or true of none or of all, values that are NaN or infinite, expressions that fail, events that do not reach back as far as a rule looks. Runs as the owner of the contacts.';

CREATE FUNCTION lead_scoring.event_problems(
    model text, OUT severity text, OUT object text, OUT problem text, OUT suggestion text
) RETURNS SETOF record
    LANGUAGE sql STABLE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT 'warning', format('engagement rule "%s"', r.name),
           'counts every match there ever was: it has no max_count, its group no limit',
           'Set max_count, or the limits of its group.'
      FROM lead_scoring.engagement_rule AS r
      LEFT JOIN lead_scoring.rule_group AS g ON (g.model, g.name) = (r.model, r.group_name)
     WHERE r.model = event_problems.model AND r.enabled
       AND r.kind = 'each' AND r.max_count IS NULL
       AND CASE WHEN r.points < 0 THEN g.min_points ELSE g.max_points END IS NULL
    UNION ALL
    SELECT 'error', format('engagement rule "%s"', r.name),
           format('requires "%s", which %s: it gives no points', r.requires,
                  CASE WHEN other.name IS NULL THEN 'does not exist'
                       WHEN other.enabled THEN 'is of kind inactive'
                       ELSE 'is not enabled' END),
           'Name another rule in requires, or disable this one too.'
      FROM lead_scoring.engagement_rule AS r
      LEFT JOIN lead_scoring.engagement_rule AS other
        ON (other.model, other.name) = (r.model, r.requires)
     WHERE r.model = event_problems.model AND r.enabled AND r.requires IS NOT NULL
       AND (other.name IS NULL OR NOT other.enabled OR other.kind = 'inactive')
    UNION ALL
    SELECT s.severity, s.object, s.problem, s.suggestion
      FROM lead_scoring.sample_problems(
               CASE WHEN lead_scoring.may_change(event_problems.model)
                     AND NOT EXISTS (SELECT FROM lead_scoring.rule_problems(event_problems.model))
                    THEN event_problems.model END) AS s;
END;
COMMENT ON FUNCTION lead_scoring.event_problems(text) IS
    'Engagement rules that hardly mean what they say; events are looked at for who owns the contacts, once all conditions can be read.';
