-- apply_template(): roles are resolved, rows filled in, and put into the model.

CREATE FUNCTION lead_scoring.events_of_template(
    model text, named text, OUT relation regclass, OUT source text
) RETURNS record
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    names text[] := (SELECT array_agg(s.name ORDER BY s.name)
                       FROM lead_scoring.event_source AS s WHERE s.model = model);
    chosen text := coalesce(named, CASE WHEN cardinality(names) = 1 THEN names[1]
                                        WHEN 'events' = ANY (names) THEN 'events' END);
BEGIN
    IF named IS NOT NULL AND named <> ALL (coalesce(names, '{}')) THEN
        RAISE EXCEPTION 'event source "%" of model "%" does not exist', named, model
            USING ERRCODE = 'undefined_object',
                  HINT = 'Add it with lead_scoring.add_event_source().';
    END IF;
    IF chosen IS NULL AND names IS NOT NULL THEN
        RAISE EXCEPTION 'model "%" has several event sources', model
            USING ERRCODE = 'ambiguous_parameter',
                  HINT = format('Say which in the mapping: {"event_source": %s}.', to_jsonb(names[1]));
    END IF;
    SELECT to_regclass(s.relation) INTO relation
      FROM lead_scoring.event_source AS s WHERE s.model = model AND s.name = chosen;
    source := CASE WHEN cardinality(names) > 1 THEN chosen END;
END
$$;
COMMENT ON FUNCTION lead_scoring.events_of_template(text, text) IS
    'The events that a template is about, and the name of their source where rules must say it (else NULL).';

CREATE FUNCTION lead_scoring.fill_row(
    contents jsonb, sqls jsonb, problems jsonb, OUT filled jsonb, OUT missing text, OUT without text
) RETURNS record
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH value AS (
        SELECT e.key, e.value, one.content, one.place, f.filled, f.missing,
               e.value #>> '{}' LIKE '{%?}' AND f.missing IS NOT NULL AS is_optional
          FROM jsonb_each(contents) AS e
         CROSS JOIN LATERAL jsonb_array_elements(
                   CASE jsonb_typeof(e.value) WHEN 'array' THEN e.value
                        ELSE jsonb_build_array(e.value) END) WITH ORDINALITY AS one (content, place)
         CROSS JOIN LATERAL lead_scoring.fill_roles(one.content #>> '{}', sqls) AS f
    )
    SELECT (SELECT jsonb_object_agg(v.key, v.filled)
              FROM (SELECT key, CASE jsonb_typeof(min(value::text)::jsonb)
                                WHEN 'array' THEN jsonb_agg(filled ORDER BY place)
                                WHEN 'string' THEN to_jsonb(min(filled))
                                ELSE min(content::text)::jsonb END AS filled
                      FROM value WHERE NOT is_optional GROUP BY key) AS v),
           (SELECT problems ->> missing[1] FROM value
             WHERE missing IS NOT NULL AND NOT is_optional ORDER BY key, place LIMIT 1),
           (SELECT format('without %s: %s', key, problems ->> missing[1]) FROM value
             WHERE is_optional ORDER BY key LIMIT 1);
END;
COMMENT ON FUNCTION lead_scoring.fill_row(jsonb, jsonb, jsonb) IS
    'A row of a template with its roles filled in; missing: why it cannot be (NULL: it can); without: which column was left out for want of an optional role (NULL: none).';

CREATE FUNCTION lead_scoring.apply_template(
    model text, template text, mapping jsonb DEFAULT '{}', replace boolean DEFAULT false,
    OUT kind text, OUT rule text, OUT applied boolean, OUT why text
) RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    chosen jsonb := (SELECT t.contents FROM lead_scoring.templates() AS t WHERE t.template = template);
    events record;
    roles record;
    one record;
    filled record;
    done integer := 0;
    of integer := 0;
BEGIN
    IF model IS NULL OR template IS NULL THEN
        RAISE EXCEPTION 'model and template must be given'
            USING ERRCODE = 'null_value_not_allowed',
                  HINT = 'Call apply_template(''b2b'', ''hubspot'').';
    END IF;
    IF chosen IS NULL THEN
        RAISE EXCEPTION 'template "%" does not exist', template
            USING ERRCODE = 'undefined_object',
                  HINT = format('Choose one of %s.',
                      (SELECT string_agg(t.template, ', ') FROM lead_scoring.templates() AS t));
    END IF;
    PERFORM lead_scoring.check_mapping(mapping);
    IF lead_scoring.lock_model(model) IS NOT TRUE THEN
        RAISE EXCEPTION 'model "%" does not exist', model
            USING ERRCODE = 'undefined_object',
                  HINT = 'Make it with lead_scoring.create_model().';
    END IF;
    events := lead_scoring.events_of_template(model, mapping ->> 'event_source');
    roles := lead_scoring.resolve_roles(lead_scoring.contacts_of(model), events.relation, mapping);
    FOR one IN SELECT d.* FROM lead_scoring.drop_initial(model, chosen) AS d LOOP
        kind := one.part;
        rule := one.rule;
        applied := true;
        why := 'was made with the model and is not in the template: removed';
        RETURN NEXT;
    END LOOP;
    FOR one IN
        SELECT p.part, r.contents FROM lead_scoring.config_parts() AS p
         CROSS JOIN LATERAL jsonb_array_elements(chosen -> p.part::text) WITH ORDINALITY AS r (contents, nth)
         ORDER BY p.place, r.nth
    LOOP
        kind := one.part;
        rule := lead_scoring.name_of_row(one.contents);
        filled := lead_scoring.fill_row(one.contents, roles.sqls, roles.problems);
        applied := false;
        why := filled.missing;
        IF filled.missing IS NULL THEN
            -- Silence of any activity is about all sources.
            IF kind = 'engagement_rule' AND events.source IS NOT NULL
               AND (one.contents ? 'condition' OR one.contents ->> 'kind' <> 'inactive') THEN
                filled.filled := filled.filled || jsonb_build_object('source', events.source);
            END IF;
            SELECT a.applied, concat_ws('; ', a.why, filled.without) INTO applied, why
              FROM lead_scoring.apply_row(one.part, model, filled.filled, replace) AS a;
            why := nullif(why, '');
        END IF;
        of := of + 1;
        done := done + applied::integer;
        RETURN NEXT;
    END LOOP;
    RAISE NOTICE 'template "%": % of % rows are in model "%"', template, done, of, model
        USING HINT = CASE WHEN done < of THEN 'Column why says what to map, as in mapping => ''{"title": "job_title"}''. ' ELSE '' END
            || CASE WHEN (SELECT m.status IN ('active', 'shadow') AND m.objects_schema IS NOT NULL
                            FROM lead_scoring.model AS m WHERE m.name = model)
                    THEN 'Then CALL lead_scoring.refresh(' ELSE 'Then SELECT lead_scoring.activate(' END
            || quote_literal(model) || ').';
END
$$;
COMMENT ON FUNCTION lead_scoring.apply_template(text, text, jsonb, boolean) IS
    'Puts a grid of practice (hubspot, guide, saas, ecommerce) into a model as ordinary rows. mapping: roles of template_roles(), and event_source, to columns, values or SQL conditions; else they are found by usual names. A row a rule, band, transition or action: is it in the model, and why not. Rows of the same name with other content stay, unless replace. NULL is refused.';
