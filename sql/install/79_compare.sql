-- Two models side by side: who would be where.

CREATE FUNCTION lead_scoring.score_condition_sql(model text, condition text) RETURNS text
    AS 'MODULE_PATHNAME', 'ls_sql_score_condition_sql'
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.score_condition_sql(text, text) IS
    'A transition''s condition as SQL over score, contact and moment. NULL where it looks at stage_age, milestones or a lookup, too.';

CREATE FUNCTION lead_scoring.mql_condition(model text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH way AS (
        SELECT lead_scoring.score_condition_sql(t.model, t.condition) AS sql
          FROM lead_scoring.transition AS t
          JOIN lead_scoring.stage AS mine ON (mine.model, mine.name) = (t.model, t.from_stage)
          JOIN lead_scoring.stage AS next ON (next.model, next.name) = (t.model, t.to_stage)
         WHERE t.model = mql_condition.model AND t.enabled
           AND next.outcome IS NULL AND next.position > mine.position
           AND mine.position = (SELECT min(s.position) FROM lead_scoring.stage AS s
                                 WHERE s.model = mql_condition.model)
    )
    SELECT coalesce(
        (SELECT string_agg('(' || w.sql || ')', ' OR ' ORDER BY w.sql) FROM way AS w),
        (SELECT format('(score.total >= %s)', t.min_score)
           FROM lead_scoring.threshold AS t
          WHERE t.model = mql_condition.model AND t.score = 'total' AND t.min_score IS NOT NULL
          ORDER BY t.label = 'hot' DESC, t.min_score DESC LIMIT 1),
        'false');
END;
COMMENT ON FUNCTION lead_scoring.mql_condition(text) IS
    'When compare() takes a contact for qualified by marketing: the conditions of the transitions out of the first stage, where scores and columns alone decide them; else the threshold hot (else the highest) of the total. NULL for a NULL name.';

CREATE FUNCTION lead_scoring.score_lateral_sql(model text, side text) RETURNS text
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    m lead_scoring.model;
    first_stage text;
    joins text;
    states text;
BEGIN
    SELECT * INTO STRICT m FROM lead_scoring.model AS r WHERE r.name = model;
    SELECT s.name INTO first_stage FROM lead_scoring.stage AS s
     WHERE s.model = m.name ORDER BY s.position LIMIT 1;
    -- Each source is aggregated once for all contacts.
    SELECT string_agg(format($sql$
LEFT JOIN (SELECT moment.as_of, event.%4$I AS id,
                  lead_scoring.engagement_agg(event.*, %1$L, %5$L, moment.as_of) AS state
             FROM moment CROSS JOIN %3$s AS event GROUP BY 1, 2) AS %2$s
       ON %2$s.as_of = moment.as_of AND %2$s.id = contact.%6$I$sql$,
               model, side || s.place, s.relation, s.contact_id, s.name, m.contact_id), '' ORDER BY s.place),
           string_agg(format('(%s.state)', side || s.place), ', ' ORDER BY s.place)
      INTO joins, states
      FROM (SELECT e.*, row_number() OVER (ORDER BY e.name) AS place
              FROM lead_scoring.event_source AS e WHERE e.model = m.name) AS s;
    RETURN format($sql$%3$s
CROSS JOIN LATERAL (
    SELECT CASE WHEN now.since > moment.as_of THEN NULL
                WHEN lead_scoring.in_population(contact.*, %2$L, moment.as_of)
                THEN lead_scoring.fit_score(contact.*, %2$L, moment.as_of) END AS fit,
           lead_scoring.engagement_score(now.state, moment.as_of, now.since) AS engagement,
           lead_scoring.intent_score(now.state, moment.as_of, now.since) AS intent
      FROM (SELECT coalesce(%4$s lead_scoring.engagement_empty(%2$L)) AS state,
                   lead_scoring.contact_since(contact.*, %2$L) AS since OFFSET 0) AS now
    OFFSET 0) AS %1$s_parts
CROSS JOIN LATERAL (
    SELECT score.total, score.band, score.total IS NOT NULL AND coalesce(%5$s, false) AS mql
      FROM (SELECT p.*, lead_scoring.band(p.total, %2$L) AS band, %6$L::text AS stage
              FROM (SELECT %1$s_parts.*, lead_scoring.total_score(%1$s_parts.fit,
                               %1$s_parts.engagement, %1$s_parts.intent, %2$L) AS total
                    OFFSET 0) AS p
            OFFSET 0) AS score
    OFFSET 0) AS %1$s$sql$,
        side, model, coalesce(joins, ''),
        CASE WHEN states IS NOT NULL
             THEN format(CASE WHEN states LIKE '%, %' THEN '(SELECT lead_scoring.rollup(one.state) FROM (VALUES %s) AS one (state)),'
                              ELSE '%s,' END, states)
             ELSE '' END,
        lead_scoring.mql_condition(model), first_stage);
END
$$;
COMMENT ON FUNCTION lead_scoring.score_lateral_sql(text, text) IS
    'The joins that give total, band and mql of contact as of moment.as_of, under the alias side. NULL for a NULL argument.';

CREATE FUNCTION lead_scoring.compare_sql(model_a text, model_b text) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    contacts regclass := lead_scoring.contacts_of(model_a);
BEGIN
    IF contacts IS NULL OR lead_scoring.contacts_of(model_b) IS NULL THEN
        RAISE EXCEPTION 'two models with their contacts must be given'
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Call compare(''b2b'', ''b2b_next'').';
    END IF;
    IF contacts <> lead_scoring.contacts_of(model_b) THEN
        RAISE EXCEPTION 'models "%" and "%" do not score the same relation', model_a, model_b
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('One scores %s, the other %s.', contacts, lead_scoring.contacts_of(model_b)),
                  HINT = 'Make the other one with lead_scoring.clone_model().';
    END IF;
    RETURN format($sql$
WITH moment AS (SELECT m.as_of FROM unnest($1) AS m (as_of))
SELECT moment.as_of, contact.%1$I AS contact_id,
       side_a.total AS total_a, CASE WHEN side_a.total IS NOT NULL THEN coalesce(side_a.band, '(none)') END AS band_a,
       side_a.mql AS mql_a,
       side_b.total AS total_b, CASE WHEN side_b.total IS NOT NULL THEN coalesce(side_b.band, '(none)') END AS band_b,
       side_b.mql AS mql_b
  FROM moment CROSS JOIN %2$s AS contact%3$s%4$s
 WHERE contact.%1$I IS NOT NULL$sql$,
        (SELECT m.contact_id FROM lead_scoring.model AS m WHERE m.name = model_a), contacts,
        lead_scoring.score_lateral_sql(model_a, 'side_a'),
        lead_scoring.score_lateral_sql(model_b, 'side_b'));
END
$$;
COMMENT ON FUNCTION lead_scoring.compare_sql(text, text) IS
    'The query behind compare(): a row a contact and moment of $1 (timestamptz[]), with what either model makes of it.';

CREATE FUNCTION lead_scoring.compare(
    model_a text, model_b text, as_of timestamptz DEFAULT lead_scoring.as_of(),
    OUT band_a text, OUT band_b text, OUT contacts bigint, OUT gain_mql bigint, OUT lose_mql bigint
) RETURNS SETOF record
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
    RETURN QUERY EXECUTE format($sql$
        SELECT c.band_a, c.band_b, count(*),
               count(*) FILTER (WHERE c.mql_b AND NOT c.mql_a),
               count(*) FILTER (WHERE c.mql_a AND NOT c.mql_b)
          FROM (%s) AS c
         WHERE c.total_a IS NOT NULL OR c.total_b IS NOT NULL
         GROUP BY c.band_a, c.band_b
         ORDER BY min(lead_scoring.band_rank(c.total_a, %L)) NULLS LAST,
                  min(lead_scoring.band_rank(c.total_b, %L)) NULLS LAST
        $sql$, lead_scoring.compare_sql(model_a, model_b), model_a, model_b)
      USING ARRAY[coalesce(as_of, lead_scoring.as_of())];
END
$$;
COMMENT ON FUNCTION lead_scoring.compare(text, text, timestamptz) IS
    'Two models of the same contacts side by side, by their rules alone: contacts (those that were there by as_of, where the models have a created_column) in each pair of bands (NULL: not scored by that model; (none): below all bands), and how many of them only the second (gain_mql) or only the first (lose_mql) takes for qualified by marketing, see mql_condition().';

CREATE FUNCTION lead_scoring.compare_weeks(
    model_a text, model_b text, weeks integer DEFAULT 8, as_of timestamptz DEFAULT lead_scoring.as_of(),
    OUT week_end timestamptz, OUT mql_a bigint, OUT mql_b bigint, OUT new_mql_a bigint,
    OUT new_mql_b bigint, OUT gain_mql bigint, OUT lose_mql bigint
) RETURNS SETOF record
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
    IF weeks IS NULL OR weeks < 1 OR weeks > 520 THEN
        RAISE EXCEPTION 'weeks must be from 1 to 520'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Eight weeks are a good start.';
    END IF;
    -- A week is so many seconds, in any time zone.
    RETURN QUERY EXECUTE format($sql$
        SELECT c.as_of, count(*) FILTER (WHERE c.mql_a), count(*) FILTER (WHERE c.mql_b),
               count(*) FILTER (WHERE c.mql_a AND NOT c.before_a),
               count(*) FILTER (WHERE c.mql_b AND NOT c.before_b),
               count(*) FILTER (WHERE c.mql_b AND NOT c.mql_a),
               count(*) FILTER (WHERE c.mql_a AND NOT c.mql_b)
          FROM (SELECT b.*, lag(b.mql_a) OVER w AS before_a, lag(b.mql_b) OVER w AS before_b
                  FROM (%s) AS b WINDOW w AS (PARTITION BY b.contact_id ORDER BY b.as_of)) AS c
         WHERE c.before_a IS NOT NULL
         GROUP BY c.as_of ORDER BY c.as_of
        $sql$, lead_scoring.compare_sql(model_a, model_b))
      USING (SELECT array_agg(coalesce(as_of, lead_scoring.as_of()) - make_interval(secs => 604800 * w.n))
               FROM generate_series(0, weeks) AS w (n));
END
$$;
COMMENT ON FUNCTION lead_scoring.compare_weeks(text, text, integer, timestamptz) IS
    'The same week by week up to a moment: contacts that either model takes for qualified at the end of the week (mql_a, mql_b), that came to be so in it (new_mql_a, new_mql_b), and that only the second or only the first so takes. Events are as of then, the contacts'' columns are today''s.';
