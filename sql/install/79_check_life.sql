-- What check_model says of stages and actions.

CREATE FUNCTION lead_scoring.life_problems_sql(model text) RETURNS text
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    m lead_scoring.model;
    stage text;
    stages text[];
BEGIN
    SELECT * INTO STRICT m FROM lead_scoring.model AS r WHERE r.name = model;
    stages := ARRAY(SELECT s.name FROM lead_scoring.stage AS s WHERE s.model = m.name ORDER BY 1);
    -- A column that is gone is what report_problems() tells.
    stage := coalesce((SELECT format('c.%I::text', a.attname) FROM pg_attribute AS a
                        WHERE a.attrelid = lead_scoring.contacts_of(model) AND a.attname = m.stage_column
                          AND a.attnum > 0 AND NOT a.attisdropped), 's.stage');
    RETURN format($sql$
        (SELECT format('stage "%%s"', %5$s), 'contacts in a stage that no row names: ' || count(*)
           FROM %1$s AS s JOIN %2$s AS c ON c.%3$I = s.contact_id
          WHERE %4$L AND %5$s <> ALL (%6$L::text[])
          GROUP BY %5$s ORDER BY count(*) DESC, 1 LIMIT 20)
        UNION ALL
        SELECT 'outbox', 'actions that were given up: ' || count(*)
          FROM %7$s WHERE status = 'dead' HAVING count(*) > 0
        $sql$, lead_scoring.object_name(model, 'score'), lead_scoring.contacts_of(model),
        m.contact_id, stages <> '{}', stage, stages, lead_scoring.object_name(model, 'delivery'));
END
$$;
COMMENT ON FUNCTION lead_scoring.life_problems_sql(text) IS
    'The part of score_problems() about stages and actions. NULL for a NULL name.';

-- Populations that differ are believed to have nobody in common.
CREATE FUNCTION lead_scoring.stage_rival(model text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT min(o.name)
      FROM lead_scoring.model AS m
      JOIN lead_scoring.model AS o ON o.stage_column = m.stage_column AND o.name <> m.name
     WHERE m.name = stage_rival.model
       AND o.status = 'active' AND o.objects_schema IS NOT NULL
       AND (o.population = m.population) IS NOT FALSE
       AND lead_scoring.contacts_of(o.name) = lead_scoring.contacts_of(m.name);
END;
COMMENT ON FUNCTION lead_scoring.stage_rival(text) IS
    'Another active model that moves the same contacts through the same stage column. NULL: there is none.';
