-- The linter: rules that hardly mean what they say.

CREATE FUNCTION lead_scoring.lint_scores(model text, OUT object text, OUT problem text, OUT suggestion text)
    RETURNS SETOF record
    LANGUAGE sql STABLE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH bounds AS (
        SELECT array_agg(b.low ORDER BY b.place) AS low, array_agg(b.high ORDER BY b.place) AS high,
               max(b.rules) FILTER (WHERE b.score = 'total') AS rules
          FROM lead_scoring.score_bounds(lint_scores.model) WITH ORDINALITY
               AS b (score, rules, low, high, place)
    ), band AS (
        -- A band reaches up to the next one.
        SELECT array_agg(t.label) FILTER (WHERE (t.min_score IS NULL OR t.min_score <= b.high[4])
                                            AND (t.next IS NULL OR t.next > b.low[4])) AS reachable
          FROM bounds AS b
          LEFT JOIN (SELECT t.label, t.min_score,
                            lead(t.min_score) OVER (ORDER BY t.min_score NULLS FIRST) AS next
                       FROM lead_scoring.threshold AS t
                      WHERE t.model = lint_scores.model AND t.score = 'total') AS t ON true
    ), condition AS (
        SELECT format('transition from "%s" to "%s"', t.from_stage, t.to_stage) AS object,
               t.condition, t.from_stage AS stage, s.outcome
          FROM lead_scoring.transition AS t
          JOIN lead_scoring.stage AS s ON (s.model, s.name) = (t.model, t.from_stage)
         WHERE t.model = lint_scores.model AND t.enabled
        UNION ALL
        SELECT format('action "%s"', a.name), a.condition, NULL, NULL
          FROM lead_scoring.action AS a WHERE a.model = lint_scores.model AND a.enabled
    )
    SELECT format('threshold "%s" of %s', t.label, t.score),
           format('begins at %s, and no contact can have more than %s', t.min_score, b.high),
           'Lower it, give rules more points, or raise the limits that hold them down.'
      FROM lead_scoring.threshold AS t
      JOIN lead_scoring.score_bounds(lint_scores.model) AS b ON b.score = t.score AND b.rules > 0
     WHERE t.model = lint_scores.model AND t.min_score > b.high
    UNION ALL
    SELECT c.object, 'can never fire: a stage with an outcome is left alone',
           'Let it begin at another stage, or delete it.'
      FROM condition AS c WHERE c.outcome IS NOT NULL
    UNION ALL
    SELECT c.object, 'can never fire: no scores that the rules can give meet its condition',
           'Compare its condition with the points of the rules, the bands and the stages.'
      FROM condition AS c, bounds AS b, band AS d
     WHERE c.outcome IS NULL AND b.rules > 0
       AND lead_scoring.is_out_of_reach(lint_scores.model, c.condition, b.low, b.high,
                                        coalesce(d.reachable, '{}'), c.stage);
END;
COMMENT ON FUNCTION lead_scoring.lint_scores(text) IS
    'Thresholds that no contact can reach, transitions and actions that can never fire.';

CREATE FUNCTION lead_scoring.lint_rules(model text, OUT object text, OUT problem text, OUT suggestion text)
    RETURNS SETOF record
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH cap AS (
        SELECT r.object, r.points, r.group_name,
               lead_scoring.clamp(CASE WHEN r.points > 0 THEN least(g.max_points, d.ceiling)
                                       ELSE greatest(g.min_points, d.floor) END,
                                  CASE WHEN r.points > 0 THEN 0 END,
                                  CASE WHEN r.points < 0 THEN 0 END) AS lasts,
               CASE WHEN r.points > 0 THEN g.max_points <= d.ceiling OR d.ceiling IS NULL
                    ELSE g.min_points >= d.floor OR d.floor IS NULL END
               AND (CASE WHEN r.points > 0 THEN g.max_points ELSE g.min_points END) IS NOT NULL AS by_group,
               r.dimension
          FROM lead_scoring.rule_bounds(lint_rules.model) AS r
          JOIN lead_scoring.model AS m ON m.name = lint_rules.model
          LEFT JOIN lead_scoring.rule_group AS g ON (g.model, g.name) = (m.name, r.group_name)
         CROSS JOIN LATERAL (SELECT
               CASE r.dimension WHEN 'fit' THEN m.fit_floor WHEN 'engagement' THEN m.engagement_floor
                                ELSE m.intent_floor END AS floor,
               CASE r.dimension WHEN 'fit' THEN m.fit_ceiling WHEN 'engagement' THEN m.engagement_ceiling
                                ELSE m.intent_ceiling END AS ceiling) AS d
         WHERE CASE WHEN r.points > 0 THEN least(g.max_points, d.ceiling)
                    ELSE greatest(g.min_points, d.floor) END IS NOT NULL
    ), twin AS (
        SELECT format('fit rule "%s"', f.name) AS object, f.name, f.model, 'fit' AS kind,
               jsonb_build_array(btrim(f.condition, E' \n\t')) AS meaning
          FROM lead_scoring.fit_rule AS f WHERE f.model = lint_rules.model AND f.enabled
        UNION ALL
        SELECT format('engagement rule "%s"', e.name), e.name, e.model, 'engagement',
               to_jsonb(e) - ARRAY['name', 'points', 'group_name', 'description']
               || jsonb_build_object('condition', btrim(e.condition, E' \n\t'))
          FROM lead_scoring.engagement_rule AS e WHERE e.model = lint_rules.model AND e.enabled
    ), tier AS (
        SELECT e.name, coalesce(e.at_least, 0) AS at_least, e.at_most,
               lead(e.name) OVER w AS next, lead(coalesce(e.at_least, 0)) OVER w AS next_least,
               lead(e.at_most) OVER w AS next_most
          FROM lead_scoring.engagement_rule AS e
         WHERE e.model = lint_rules.model AND e.enabled AND e.kind = 'count'
        WINDOW w AS (PARTITION BY to_jsonb(e) - ARRAY['name', 'points', 'group_name', 'description',
                                                      'at_least', 'at_most']
                     ORDER BY coalesce(e.at_least, 0), e.at_most NULLS LAST)
    ), strength AS (
        SELECT r.object, greatest(r.high, -r.low) AS most,
               row_number() OVER (ORDER BY greatest(r.high, -r.low), r.object) AS place,
               count(*) OVER () AS rules
          FROM lead_scoring.rule_bounds(lint_rules.model) AS r
    )
    SELECT c.object,
           CASE WHEN c.lasts = 0 THEN format('never counts: the limits of %s leave it nothing', t.limits)
                ELSE format('gives %s points, of which the limits of %s let %s count at most', c.points, t.limits, c.lasts) END,
           'Change the limits or the points, so that the rule says what it does.'
      FROM cap AS c
     CROSS JOIN LATERAL (SELECT CASE WHEN c.by_group THEN format('group "%s"', c.group_name)
                                     ELSE c.dimension END AS limits) AS t
     WHERE abs(c.lasts) < 0.5 * abs(c.points)
    UNION ALL
    SELECT b.object, format('says the same as %s', a.object),
           'Put their points together in one of them, and delete the other.'
      FROM twin AS a JOIN twin AS b ON b.kind = a.kind AND b.meaning = a.meaning AND b.name > a.name
    UNION ALL
    SELECT format('engagement rule "%s"', t.name),
           CASE WHEN t.next_least <= t.at_most
                THEN format('overlaps with "%s": both count from %s to %s matches', t.next, t.next_least, t.at_most)
                ELSE format('leaves a gap before "%s": neither counts from %s to %s matches', t.next, t.at_most + 1, t.next_least - 1) END,
           'Let the next range begin where this one ends, plus one.'
      FROM tier AS t
     WHERE t.at_most IS NOT NULL
       AND (t.next_least > t.at_most + 1
            OR t.next_least > t.at_least AND t.next_least <= t.at_most
               AND (t.next_most IS NULL OR t.next_most > t.at_most))
    UNION ALL
    SELECT 'model',
           format('has %s rules, and the weakest half of them together give %s of %s points at most',
                  s.rules, trim_scale(round(s.weak::numeric, 6)), trim_scale(round(s.all_points::numeric, 6))),
           'Look for those that can go: fewer rules are easier to explain, and score nearly the same.'
      FROM (SELECT max(s.rules) AS rules, sum(s.most) AS all_points,
                   sum(s.most) FILTER (WHERE s.place <= s.rules / 2) AS weak
              FROM strength AS s WHERE s.most < 'Infinity') AS s
     WHERE s.rules > 30 AND s.weak < 0.1 * s.all_points;
END;
COMMENT ON FUNCTION lead_scoring.lint_rules(text) IS
    'Rules that limits mute, that say the same, whose ranges overlap or leave a gap, and too many rules for what they add.';

CREATE FUNCTION lead_scoring.lint_review(model text, OUT object text, OUT problem text, OUT suggestion text)
    RETURNS SETOF record
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT 'model',
           CASE WHEN m.reviewed_at IS NULL
                THEN format('nobody has looked it over since it was made on %s', (m.created_at AT TIME ZONE 'UTC')::date)
                ELSE format('nobody has looked it over since %s', (m.reviewed_at AT TIME ZONE 'UTC')::date) END,
           format('Compare its bands with who bought, then UPDATE lead_scoring.model SET reviewed_at = now() WHERE name = %L.', m.name)
      FROM lead_scoring.model AS m
     WHERE m.name = lint_review.model
       AND coalesce(m.reviewed_at, m.created_at) < now() - interval '6 months';
END;
COMMENT ON FUNCTION lead_scoring.lint_review(text) IS
    'A model that nobody has reviewed for six months.';

CREATE FUNCTION lead_scoring.lint_problems(model text, OUT object text, OUT problem text, OUT suggestion text)
    RETURNS SETOF record
    LANGUAGE sql STABLE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT l.* FROM lead_scoring.lint_scores(lint_problems.model) AS l
    UNION ALL
    SELECT l.* FROM lead_scoring.lint_rules(lint_problems.model) AS l
    UNION ALL
    SELECT l.* FROM lead_scoring.lint_review(lint_problems.model) AS l;
END;
COMMENT ON FUNCTION lead_scoring.lint_problems(text) IS
    'What the linter says of a model by its rows alone; see sample_problems() for what it sees in contacts and events.';
