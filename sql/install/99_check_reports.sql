-- What check_model() says of deals and report views.

CREATE FUNCTION lead_scoring.deal_problems(
    model text, OUT kind text, OUT name text, OUT problem text, OUT hint text
) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'ls_sql_deal_problems'
    -- UNSAFE: tries each expression in a subtransaction.
    LANGUAGE c STABLE STRICT PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION lead_scoring.deal_problems(text) IS
    'Why the deals of the model cannot be read.';

-- Only a plain column is looked at: an expression may fail on a row.
CREATE FUNCTION lead_scoring.deal_problems_sql(model text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT coalesce((
        SELECT format($sql$
        UNION ALL
        SELECT 'deals', format('%%s of %%s are of no contact', count(*) FILTER (WHERE known.id IS NULL), count(*))
          FROM %4$s AS deal
          LEFT JOIN (SELECT DISTINCT c.%2$I::text COLLATE "C" AS id FROM %1$s AS c) AS known
                 ON known.id = deal.%3$I::text COLLATE "C"
        HAVING count(*) > count(known.id)
        $sql$, lead_scoring.contacts_of(m.name), m.contact_id, a.attname, d.relation)
          FROM lead_scoring.model AS m
          JOIN lead_scoring.deal_source AS d ON d.model = m.name
          JOIN pg_attribute AS a ON a.attrelid = to_regclass(d.relation) AND a.attnum > 0
                                AND NOT a.attisdropped
                                AND d.contact_id IN (a.attname, quote_ident(a.attname))
         WHERE m.name = deal_problems_sql.model), '');
END;
COMMENT ON FUNCTION lead_scoring.deal_problems_sql(text) IS
    'The part of score_problems() about deals. Empty where there are none; NULL for a NULL name.';

CREATE FUNCTION lead_scoring.report_problems(
    model text, OUT severity text, OUT object text, OUT problem text, OUT suggestion text
) RETURNS SETOF record
    LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    m lead_scoring.model;
    deals lead_scoring.deal_source;
    sources text;
    again text := 'Call lead_scoring.activate(' || quote_literal(model) || ') again.';
BEGIN
    SELECT * INTO m FROM lead_scoring.model AS r WHERE r.name = model;
    RETURN QUERY
        SELECT 'error', concat_ws(' ', p.kind, '"' || p.name || '"'), p.problem,
               coalesce(p.hint, 'Correct it in lead_scoring.deal_source.')
          FROM lead_scoring.deal_problems(model) AS p;
    RETURN QUERY
        SELECT 'error', format('segment "%s"', s.name), 'the contacts have no such column: reports show NULL',
               'Correct lead_scoring.model.segments. ' || again
          FROM unnest(m.segments) AS s (name)
         WHERE NOT EXISTS (SELECT FROM pg_attribute AS a
                            WHERE a.attrelid = lead_scoring.contacts_of(model) AND a.attname = s.name
                              AND a.attnum > 0 AND NOT a.attisdropped);
    RETURN QUERY
        SELECT 'error', format('created column "%s"', m.created_column),
               format('%s has no such column', lead_scoring.contacts_of(model)),
               'Write its name of now into lead_scoring.model.created_column, or NULL.'
         WHERE m.created_column IS NOT NULL
           AND NOT EXISTS (SELECT FROM pg_attribute AS a
                            WHERE a.attrelid = lead_scoring.contacts_of(model) AND a.attname = m.created_column
                              AND a.attnum > 0 AND NOT a.attisdropped);
    IF m.status = 'active' AND lead_scoring.stage_rival(model) IS NOT NULL THEN
        RETURN QUERY
            SELECT 'error', format('stage column "%s"', m.stage_column),
                   format('model "%s" moves the same contacts through it', lead_scoring.stage_rival(model)),
                   'Deactivate one of them, or give them populations that have nobody in common.';
    END IF;
    IF m.objects_schema IS NULL THEN
        RETURN;
    END IF;
    SELECT * INTO deals FROM lead_scoring.deal_source AS d WHERE d.model = m.name;
    IF NOT EXISTS (SELECT FROM lead_scoring.rule_problems(model)) THEN
        sources := lead_scoring.sources_stamp(model);
    END IF;
    RETURN QUERY
        SELECT 'error', 'view ' || o.name, c.problem, again
          FROM lead_scoring.reports() AS r
          JOIN lead_scoring.objects(model) AS o ON o.suffix = r.suffix
         CROSS JOIN LATERAL (SELECT CASE
            WHEN to_regclass(o.name) IS NULL THEN 'is missing'
            WHEN lead_scoring.report_columns(r.columns)
                 || ARRAY(SELECT s::text FROM lead_scoring.segment_names(m.segments, lead_scoring.report_columns(r.columns)) AS s)
                 <> ARRAY(SELECT a.attname::text FROM pg_attribute AS a
                           WHERE a.attrelid = to_regclass(o.name) AND a.attnum > 0 ORDER BY a.attnum)
            THEN 'has not the segments of now'
            WHEN r.suffix = 'response'
                 AND strpos(pg_get_viewdef(to_regclass(o.name)), sources) = 0
            THEN 'is about other event sources than those of now'
            WHEN r.suffix = 'deals' AND strpos(pg_get_viewdef(to_regclass(o.name)),
                'same_deals(' || (SELECT string_agg(coalesce('''' || replace(t.text, '''', '''''') || '''', 'NULL') || '::text', ', ' ORDER BY t.place)
                                    FROM unnest(ARRAY[model, deals.relation, deals.contact_id]) WITH ORDINALITY AS t (text, place)) || ')') = 0
            THEN 'is about other deals than those of now' END) AS c (problem)
         WHERE c.problem IS NOT NULL;
END
$$;
COMMENT ON FUNCTION lead_scoring.report_problems(text) IS
    'Segments that are no columns, deals that cannot be read, and report views that activate() should make anew.';
