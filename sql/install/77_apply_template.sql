-- A template becomes rows.

CREATE FUNCTION lead_scoring.full_row(part name, model text, contents jsonb, OUT "row" jsonb, OUT key jsonb)
    RETURNS record
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
    EXECUTE format('SELECT to_jsonb(jsonb_populate_record(NULL::lead_scoring.%I, $1))', part)
       INTO STRICT "row"
      USING lead_scoring.config_defaults(part) || contents || jsonb_build_object('model', model);
    SELECT jsonb_object_agg(a.attname, "row" -> a.attname::text) INTO STRICT key
      FROM pg_index AS i
      JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
     WHERE i.indrelid = to_regclass(format('lead_scoring.%I', part)) AND i.indisprimary;
END
$$;
COMMENT ON FUNCTION lead_scoring.full_row(name, text, jsonb) IS
    'A row of a configuration table as it is stored, from some of its columns; and its primary key alone.';

CREATE FUNCTION lead_scoring.stored_row(part name, key jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    stored jsonb;
BEGIN
    EXECUTE format('SELECT to_jsonb(t) FROM lead_scoring.%I AS t WHERE t.model = $1 AND to_jsonb(t) @> $2', part)
       INTO stored USING key ->> 'model', key;
    RETURN stored;
END
$$;
COMMENT ON FUNCTION lead_scoring.stored_row(name, jsonb) IS
    'The row of a configuration table that has this primary key. NULL: there is none.';

CREATE FUNCTION lead_scoring.is_initial(part name, stored jsonb) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT EXISTS (
        SELECT FROM jsonb_array_elements(lead_scoring.initial_rows() -> part::text) AS i (contents),
                    lead_scoring.full_row(part, stored ->> 'model', i.contents) AS f
         WHERE f."row" = stored);
END;
COMMENT ON FUNCTION lead_scoring.is_initial(name, jsonb) IS
    'Is a row still as create_model() made it?';

CREATE FUNCTION lead_scoring.apply_row(
    part name, model text, contents jsonb, replace boolean, OUT applied boolean, OUT why text
) RETURNS record
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    wanted record;
    stored jsonb;
BEGIN
    SELECT f.* INTO wanted FROM lead_scoring.full_row(part, model, contents) AS f;
    stored := lead_scoring.stored_row(part, wanted.key);
    IF stored = wanted."row" THEN
        applied := true;
        why := 'is there already';
        RETURN;
    END IF;
    IF stored IS NOT NULL AND NOT replace AND NOT lead_scoring.is_initial(part, stored) THEN
        applied := false;
        why := 'another one of this name is there: rename it, or call with replace => true';
        RETURN;
    END IF;
    BEGIN
        EXECUTE format('DELETE FROM lead_scoring.%I AS t WHERE t.model = $1 AND to_jsonb(t) @> $2', part)
          USING model, wanted.key;
        EXECUTE format('INSERT INTO lead_scoring.%1$I SELECT * FROM jsonb_populate_record(NULL::lead_scoring.%1$I, $1)', part)
          USING wanted."row";
        applied := true;
        why := CASE WHEN stored IS NOT NULL THEN 'replaces the row that was there' END;
    EXCEPTION WHEN OTHERS THEN
        -- What is not about the row is raised.
        IF SQLSTATE ~ '^(25|40|53|57|58|XX)' THEN
            RAISE;
        END IF;
        applied := false;
        why := SQLERRM;
    END;
END
$$;
COMMENT ON FUNCTION lead_scoring.apply_row(name, text, jsonb, boolean) IS
    'Puts one row of a template into a model, or says why not.';

CREATE FUNCTION lead_scoring.drop_initial(model text, contents jsonb, OUT part name, OUT rule text)
    RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT p.part, i.contents, f.key
          FROM unnest(ARRAY['threshold', 'transition']::name[]) AS p (part)
         CROSS JOIN jsonb_array_elements(lead_scoring.initial_rows() -> p.part::text) AS i (contents)
         CROSS JOIN LATERAL lead_scoring.full_row(p.part, model, i.contents) AS f
         WHERE contents ? p.part::text
           AND (p.part <> 'threshold'
                OR i.contents ->> 'score' = 'total' AND contents -> 'threshold' @> '[{"score": "total"}]')
           AND NOT EXISTS (SELECT FROM jsonb_array_elements(contents -> p.part::text) AS t (contents)
                            WHERE (t.contents || jsonb_build_object('model', model)) @> f.key)
           AND lead_scoring.stored_row(p.part, f.key) = f."row"
    LOOP
        EXECUTE format('DELETE FROM lead_scoring.%I AS t WHERE t.model = $1 AND to_jsonb(t) @> $2', one.part)
          USING model, one.key;
        part := one.part;
        rule := lead_scoring.name_of_row(one.contents);
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION lead_scoring.drop_initial(text, jsonb) IS
    'Removes bands and transitions that are still as create_model() made them, where a template has others in their place.';
