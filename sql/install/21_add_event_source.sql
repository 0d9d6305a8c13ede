-- Where a model's events are.

CREATE FUNCTION lead_scoring.add_event_source(
    model text,
    relation regclass,
    contact_id name,
    occurred_at name,
    name text DEFAULT 'events',
    time_zone text DEFAULT NULL,
    condition text DEFAULT NULL,
    activity text DEFAULT NULL
) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
    IF model IS NULL OR relation IS NULL OR contact_id IS NULL OR occurred_at IS NULL
        OR name IS NULL
    THEN
        RAISE EXCEPTION 'model, relation, contact_id, occurred_at and name must be given'
            USING ERRCODE = 'null_value_not_allowed',
                  HINT = 'Call add_event_source(''b2b'', ''crm.events'', contact_id => ''contact_id'', occurred_at => ''occurred_at'').';
    END IF;
    IF EXISTS (SELECT FROM lead_scoring.event_source AS s
                WHERE s.model = add_event_source.model AND s.name = add_event_source.name)
    THEN
        RAISE EXCEPTION 'model "%" has an event source "%" already', model, name
            USING ERRCODE = 'duplicate_object',
                  HINT = 'Give the new one another name, or update lead_scoring.event_source.';
    END IF;
    INSERT INTO lead_scoring.event_source (model, name, relation, contact_id, occurred_at,
        time_zone, condition, activity)
    VALUES (model, name, lead_scoring.qualified_name(relation), contact_id, occurred_at,
        time_zone, condition, activity);
END
$$;
COMMENT ON FUNCTION lead_scoring.add_event_source(text, regclass, name, name, text, text, text, text) IS
    'Tells a model where events are: relation, its column with the contact''s key, its column with the time; which events count (condition), and which are the contact''s own activity.';
