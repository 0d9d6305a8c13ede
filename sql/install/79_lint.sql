-- What a model can come to, by its rules alone.

CREATE FUNCTION lead_scoring.rule_bounds(
    model text, OUT dimension text, OUT object text, OUT group_name text, OUT points float8,
    OUT low float8, OUT high float8
) RETURNS SETOF record
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- Points times a number between 0 and most; a value of the event may be anything.
    SELECT r.dimension, r.object, r.group_name, r.points,
           CASE WHEN r.any_value THEN '-Infinity' WHEN r.points < 0 THEN r.points * r.most ELSE 0 END,
           CASE WHEN r.any_value THEN 'Infinity' WHEN r.points > 0 THEN r.points * r.most ELSE 0 END
      FROM (
        SELECT 'fit' AS dimension, format('fit rule "%s"', f.name) AS object, f.group_name,
               f.points, 1::float8 AS most, false AS any_value
          FROM lead_scoring.fit_rule AS f
         WHERE f.model = rule_bounds.model AND f.enabled
        UNION ALL
        SELECT e.dimension, format('engagement rule "%s"', e.name), e.group_name, e.points,
               CASE WHEN e.kind = 'each' OR e.kind = 'inactive' AND e.repeat_every IS NOT NULL
                    THEN coalesce(e.max_count, 'Infinity'::float8) ELSE 1 END,
               e.value IS NOT NULL AND e.points <> 0
          FROM lead_scoring.engagement_rule AS e
         WHERE e.model = rule_bounds.model AND e.enabled) AS r;
END;
COMMENT ON FUNCTION lead_scoring.rule_bounds(text) IS
    'The least and the most that each enabled rule of a model can give, in points. No row for a NULL name.';

CREATE FUNCTION lead_scoring.clamp(x float8, low float8, high float8) RETURNS float8
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT least(greatest(x, low), high);
END;
COMMENT ON FUNCTION lead_scoring.clamp(float8, float8, float8) IS
    'A number held within limits; a NULL limit does nothing. NULL only without any of the three.';

CREATE FUNCTION lead_scoring.score_bounds(
    model text, OUT score text, OUT rules bigint, OUT low float8, OUT high float8
) RETURNS SETOF record
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH grouped AS (
        SELECT r.dimension, count(*) AS rules,
               lead_scoring.clamp(sum(r.low), min(g.min_points), min(g.max_points)) AS low,
               lead_scoring.clamp(sum(r.high), min(g.min_points), min(g.max_points)) AS high
          FROM lead_scoring.rule_bounds(score_bounds.model) AS r
          LEFT JOIN lead_scoring.rule_group AS g
            ON g.model = score_bounds.model AND g.name = r.group_name
         GROUP BY r.dimension, r.group_name
    ), part AS (
        SELECT d.place, d.dimension, d.weight, coalesce(sum(s.rules), 0)::bigint AS rules,
               lead_scoring.clamp(coalesce(sum(s.low), 0), d.floor, d.ceiling) AS low,
               lead_scoring.clamp(coalesce(sum(s.high), 0), d.floor, d.ceiling) AS high
          FROM lead_scoring.model AS m
         CROSS JOIN LATERAL (VALUES
               (1, 'fit', m.fit_weight, m.fit_floor, m.fit_ceiling),
               (2, 'engagement', m.engagement_weight, m.engagement_floor, m.engagement_ceiling),
               (3, 'intent', m.intent_weight, m.intent_floor, m.intent_ceiling))
               AS d (place, dimension, weight, floor, ceiling)
          LEFT JOIN grouped AS s ON s.dimension = d.dimension
         WHERE m.name = score_bounds.model
         GROUP BY d.place, d.dimension, d.weight, d.floor, d.ceiling
    ), bound AS (
        SELECT p.place, p.dimension AS score, p.rules, p.low, p.high FROM part AS p
        UNION ALL
        SELECT 4, 'total', sum(p.rules)::bigint,
               lead_scoring.clamp(sum(CASE WHEN p.weight = 0 THEN 0
                                           ELSE p.weight * CASE WHEN p.weight > 0 THEN p.low ELSE p.high END END),
                                  m.total_floor, m.total_ceiling),
               lead_scoring.clamp(sum(CASE WHEN p.weight = 0 THEN 0
                                           ELSE p.weight * CASE WHEN p.weight > 0 THEN p.high ELSE p.low END END),
                                  m.total_floor, m.total_ceiling)
          FROM part AS p, lead_scoring.model AS m
         WHERE m.name = score_bounds.model
         GROUP BY m.total_floor, m.total_ceiling
    )
    SELECT b.score, b.rules, round(b.low * 1e6) / 1e6, round(b.high * 1e6) / 1e6
      FROM bound AS b ORDER BY b.place;
END;
COMMENT ON FUNCTION lead_scoring.score_bounds(text) IS
    'The least and the most that fit, engagement, intent and total can be by a model''s rules alone, in points, and how many enabled rules there are. No row for a NULL name.';

CREATE FUNCTION lead_scoring.is_out_of_reach(
    model text, condition text, low float8[], high float8[], bands text[], stage text DEFAULT NULL
) RETURNS boolean
    AS 'MODULE_PATHNAME', 'ls_sql_is_out_of_reach'
    -- UNSAFE: reads the condition in a subtransaction.
    LANGUAGE c STABLE PARALLEL UNSAFE;
COMMENT ON FUNCTION lead_scoring.is_out_of_reach(text, text, float8[], float8[], text[], text) IS
    'Can this condition on scores never be true while fit, engagement, intent and total are within these bounds, the band is one of these and the stage this one (NULL: any)? NULL where it cannot be read.';
