-- What people say of single contacts by hand: rows of <model>_adjustment.

CREATE FUNCTION lead_scoring.adjustment_changed() RETURNS trigger
    AS 'MODULE_PATHNAME', 'ls_sql_adjustment_changed'
    LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION lead_scoring.adjustment_changed() IS
    'Trigger on <model>_adjustment, with the model as its argument: notes whom adjustments are about; scores follow at commit. Made by activate().';

-- by_hand_sql(model, id, moment): one row; id and moment are SQL expressions. Most
-- models have no adjustments: that is asked once a query, not once a contact.
CREATE FUNCTION lead_scoring.by_hand_sql(model text, id text, moment text) RETURNS text
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    target text;
BEGIN
    SELECT o.name INTO target FROM lead_scoring.objects(model) AS o WHERE o.suffix = 'adjustment';
    IF target IS NULL THEN
        RETURN 'SELECT 0::float8 AS points, NULL::timestamptz AS reset_at, false AS is_excluded';
    END IF;
    RETURN format($sql$
    SELECT coalesce(sum(a.points) FILTER (WHERE a.kind = 'points'), 0) AS points,
        max(a.valid_from) FILTER (WHERE a.kind = 'reset') AS reset_at,
        coalesce(bool_or(a.kind = 'exclude'), false) AS is_excluded
    FROM %1$s AS a
    WHERE EXISTS (SELECT FROM %1$s)
      AND a.contact_id = %2$s
      AND a.valid_from <= %3$s AND (a.valid_until > %3$s) IS NOT FALSE$sql$, target, id, moment);
END
$$;
COMMENT ON FUNCTION lead_scoring.by_hand_sql(text, text, text) IS
    'The SQL of what adjustments say of a contact at a moment: points, reset_at (NULL: all events count), is_excluded. NULL for a NULL argument.';

CREATE FUNCTION lead_scoring.adjustment_triggers_sql(model text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT string_agg(format($sql$
CREATE TRIGGER %I AFTER %s ON %I.%I
    FOR EACH %s EXECUTE FUNCTION lead_scoring.adjustment_changed(%L);
$sql$, m.name || t.suffix, t.event, lead_scoring.objects_schema(m.name), m.name || '_adjustment', t.each, m.name), '')
      FROM lead_scoring.model AS m
     CROSS JOIN (VALUES ('_adjustment', 'INSERT OR UPDATE OR DELETE', 'ROW'),
                        ('_adjustment_statement', 'INSERT OR UPDATE OR DELETE', 'STATEMENT'),
                        ('_adjustment_truncate', 'TRUNCATE', 'STATEMENT')) AS t (suffix, event, each)
     WHERE m.name = adjustment_triggers_sql.model;
END;
COMMENT ON FUNCTION lead_scoring.adjustment_triggers_sql(text) IS
    'The SQL that puts the model''s triggers on its adjustments. NULL for a NULL name, or one that there is not.';
