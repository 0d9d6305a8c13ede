-- The tables of a live model that are not its scores: what happened to them, what is to
-- be done, and what people say by hand.

CREATE FUNCTION lead_scoring.objects(model text, OUT suffix text, OUT kind "char", OUT name text)
    RETURNS SETOF record
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT o.suffix, o.kind,
           CASE WHEN s.name IS NOT NULL THEN format('%I.%I', s.name, m.name || '_' || o.suffix) END
      FROM lead_scoring.model AS m
     CROSS JOIN LATERAL (SELECT lead_scoring.objects_schema(m.name) AS name OFFSET 0) AS s
     CROSS JOIN (VALUES (-13, 'rule_stats', 'v'::"char"),
                        (-12, 'monthly', 'v'),
                        (-11, 'rising', 'v'),
                        (-10, 'freshness', 'v'),
                        (-9, 'distribution', 'v'),
                        (-8, 'lift', 'v'),
                        (-7, 'errors', 'v'),
                        (-6, 'pipeline', 'v'),
                        (-5, 'workflow', 'v'),
                        (-4, 'response', 'v'),
                        (-3, 'velocity', 'v'),
                        (-3, 'funnel', 'v'),
                        (-2, 'deals', 'v'),
                        (-1, 'stays', 'v'),
                        (1, 'scored', 'v'),
                        (2, 'score', 'r'),
                        (3, 'queue', 'r'),
                        (4, 'stage_history', 'r'),
                        (5, 'score_history', 'r'),
                        (6, 'outbox', 'r'),
                        (7, 'delivery', 'r'),
                        (8, 'adjustment', 'r'),
                        (9, 'score_daily', 'r')) AS o (place, suffix, kind)
     WHERE m.name = objects.model
     ORDER BY o.place;
END;
COMMENT ON FUNCTION lead_scoring.objects(text) IS
    'Tables (r) and views (v) that activation makes for the model, views first: suffix of the name, kind, quoted name. name is NULL before the first activation.';

-- missing_table_sql(model, suffix, columns, rest): the table, where it is not there.
CREATE FUNCTION lead_scoring.missing_table_sql(
    model text, suffix text, definition text, comments text
) RETURNS text
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    target text;
BEGIN
    SELECT o.name INTO STRICT target
      FROM lead_scoring.objects(model) AS o WHERE o.suffix = missing_table_sql.suffix;
    IF to_regclass(target) IS NOT NULL THEN
        RETURN '';
    END IF;
    RETURN format(definition, target, format_type(lead_scoring.key_type(model), NULL),
                  quote_literal(model))
        || format(comments, target);
END
$$;
COMMENT ON FUNCTION lead_scoring.missing_table_sql(text, text, text, text) IS
    'The SQL that makes one table of the model. Empty where it is there; NULL for a NULL argument.';

CREATE FUNCTION lead_scoring.history_sql(model text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT lead_scoring.missing_table_sql(history_sql.model, 'stage_history', $sql$
CREATE TABLE %1$s (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    contact_id %2$s NOT NULL,
    from_stage text,
    to_stage text,
    changed_at timestamptz NOT NULL,
    cause text NOT NULL,
    fit float8,
    engagement float8,
    intent float8,
    total float8
);
CREATE INDEX ON %1$s (contact_id, changed_at);
CREATE INDEX ON %1$s (changed_at);
$sql$, $sql$
COMMENT ON TABLE %1$s IS 'Moves of contacts from stage to stage, with the scores of that moment.';
COMMENT ON COLUMN %1$s.id IS 'Order in which they were recorded.';
COMMENT ON COLUMN %1$s.contact_id IS 'Key of the contact.';
COMMENT ON COLUMN %1$s.from_stage IS 'Stage that was left. NULL: none.';
COMMENT ON COLUMN %1$s.to_stage IS 'Stage that was entered. NULL: none.';
COMMENT ON COLUMN %1$s.changed_at IS 'When.';
COMMENT ON COLUMN %1$s.cause IS 'event, contact, rule change, time, manual, adjustment or activation.';
COMMENT ON COLUMN %1$s.fit IS 'Fit score then, in points. NULL: could not be computed.';
COMMENT ON COLUMN %1$s.engagement IS 'Engagement score then, in points. NULL: could not be computed.';
COMMENT ON COLUMN %1$s.intent IS 'Intent score then, in points. NULL: could not be computed.';
COMMENT ON COLUMN %1$s.total IS 'Total then, in points. NULL: could not be computed.';
$sql$) || lead_scoring.missing_table_sql(history_sql.model, 'score_history', $sql$
CREATE TABLE %1$s (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    contact_id %2$s NOT NULL,
    changed_at timestamptz NOT NULL,
    cause text NOT NULL,
    fit float8,
    engagement float8,
    intent float8,
    total float8,
    from_band text,
    band text,
    grade text,
    from_stage text,
    stage text
);
CREATE INDEX ON %1$s (contact_id, changed_at);
CREATE INDEX ON %1$s (changed_at);
$sql$, $sql$
COMMENT ON TABLE %1$s IS 'Scores of contacts whenever their band or stage changed, and when they entered the model.';
COMMENT ON COLUMN %1$s.id IS 'Order in which they were recorded.';
COMMENT ON COLUMN %1$s.contact_id IS 'Key of the contact.';
COMMENT ON COLUMN %1$s.changed_at IS 'When.';
COMMENT ON COLUMN %1$s.cause IS 'event, contact, rule change, time, manual, adjustment or activation.';
COMMENT ON COLUMN %1$s.fit IS 'Fit score from then on, in points. NULL: could not be computed.';
COMMENT ON COLUMN %1$s.engagement IS 'Engagement score from then on, in points. NULL: could not be computed.';
COMMENT ON COLUMN %1$s.intent IS 'Intent score from then on, in points. NULL: could not be computed.';
COMMENT ON COLUMN %1$s.total IS 'Total from then on, in points. NULL: could not be computed.';
COMMENT ON COLUMN %1$s.from_band IS 'Band before. NULL: none, or the contact entered the model.';
COMMENT ON COLUMN %1$s.band IS 'Band from then on. NULL: none.';
COMMENT ON COLUMN %1$s.grade IS 'Grade from then on. NULL: none.';
COMMENT ON COLUMN %1$s.from_stage IS 'Stage before. NULL: none, or the contact entered the model.';
COMMENT ON COLUMN %1$s.stage IS 'Stage from then on. NULL: none.';
$sql$) || lead_scoring.missing_table_sql(history_sql.model, 'score_daily', $sql$
CREATE TABLE %1$s (
    day date NOT NULL,
    contact_id %2$s NOT NULL,
    fit float8,
    engagement float8,
    intent float8,
    total float8,
    band text,
    stage text,
    PRIMARY KEY (contact_id, day)
);
CREATE INDEX ON %1$s (day);
$sql$, $sql$
COMMENT ON TABLE %1$s IS 'Scores of contacts day by day, as lead_scoring.snapshot() found them.';
COMMENT ON COLUMN %1$s.day IS 'Day in the time zone of the model.';
COMMENT ON COLUMN %1$s.contact_id IS 'Key of the contact.';
COMMENT ON COLUMN %1$s.fit IS 'Fit score, in points. NULL: could not be computed.';
COMMENT ON COLUMN %1$s.engagement IS 'Engagement score, in points. NULL: could not be computed.';
COMMENT ON COLUMN %1$s.intent IS 'Intent score, in points. NULL: could not be computed.';
COMMENT ON COLUMN %1$s.total IS 'Total, in points. NULL: could not be computed.';
COMMENT ON COLUMN %1$s.band IS 'Label of the total. NULL: none.';
COMMENT ON COLUMN %1$s.stage IS 'Lifecycle stage. NULL: none.';
$sql$);
END;
COMMENT ON FUNCTION lead_scoring.history_sql(text) IS
    'The SQL that makes the model''s tables of what happened, where they are not there. NULL for a NULL name.';

CREATE FUNCTION lead_scoring.outbox_sql(model text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT lead_scoring.missing_table_sql(outbox_sql.model, 'outbox', $sql$
CREATE TABLE %1$s (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    contact_id %2$s NOT NULL,
    aggregatetype text NOT NULL,
    aggregateid text NOT NULL,
    type text NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX ON %1$s (contact_id);
CREATE INDEX ON %1$s (type, created_at);
$sql$, $sql$
COMMENT ON TABLE %1$s IS 'Actions that are to be carried out, one row each time. Rows are never changed.';
COMMENT ON COLUMN %1$s.id IS 'Number of the row; not in the order of commits.';
COMMENT ON COLUMN %1$s.contact_id IS 'Key of the contact.';
COMMENT ON COLUMN %1$s.aggregatetype IS 'The model.';
COMMENT ON COLUMN %1$s.aggregateid IS 'Key of the contact, as text.';
COMMENT ON COLUMN %1$s.type IS 'The action.';
COMMENT ON COLUMN %1$s.payload IS 'Contact, scores, band, stage and reasons of that moment, and the payload of the action.';
COMMENT ON COLUMN %1$s.created_at IS 'When its condition became true.';
$sql$) || lead_scoring.missing_table_sql(outbox_sql.model, 'delivery', $sql$
CREATE TABLE %1$s (
    outbox_id bigint PRIMARY KEY,
    status text NOT NULL DEFAULT 'waiting'
        CHECK (status IN ('waiting', 'taken', 'delivered', 'dead')),
    attempts integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    taken_at timestamptz,
    finished_at timestamptz,
    result text
);
CREATE INDEX ON %1$s (due_at) WHERE status IN ('waiting', 'taken');
$sql$, $sql$
COMMENT ON TABLE %1$s IS 'How far the carrying out of each row of the outbox has come.';
COMMENT ON COLUMN %1$s.outbox_id IS 'The row of the outbox.';
COMMENT ON COLUMN %1$s.status IS 'waiting, taken (a worker has it until due_at), delivered, or dead (given up).';
COMMENT ON COLUMN %1$s.attempts IS 'How often a worker took it.';
COMMENT ON COLUMN %1$s.due_at IS 'From when on a worker may take it.';
COMMENT ON COLUMN %1$s.taken_at IS 'When a worker took it last. NULL: none did.';
COMMENT ON COLUMN %1$s.finished_at IS 'When it was delivered or given up. NULL: it is not.';
COMMENT ON COLUMN %1$s.result IS 'What the worker said of its last attempt. NULL: nothing.';
$sql$);
END;
COMMENT ON FUNCTION lead_scoring.outbox_sql(text) IS
    'The SQL that makes the model''s outbox, where it is not there. NULL for a NULL name.';

CREATE FUNCTION lead_scoring.adjustment_sql(model text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT lead_scoring.missing_table_sql(adjustment_sql.model, 'adjustment', $sql$
CREATE TABLE %1$s (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    contact_id %2$s NOT NULL,
    kind text NOT NULL DEFAULT 'points'
        CONSTRAINT "kind is points, reset or exclude" CHECK (kind IN ('points', 'reset', 'exclude')),
    dimension text
        CONSTRAINT "dimension is fit, engagement or intent" CHECK (dimension IN ('fit', 'engagement', 'intent')),
    points float8
        CONSTRAINT "points are a number of at most 1e12" CHECK (points BETWEEN -1e12 AND 1e12),
    reason text,
    author text NOT NULL DEFAULT current_user,
    valid_from timestamptz NOT NULL DEFAULT now(),
    valid_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT "points are given for kind points alone" CHECK ((kind = 'points') = (points IS NOT NULL)),
    CONSTRAINT "valid_from is before valid_until" CHECK (valid_from < valid_until)
);
CREATE INDEX ON %1$s (contact_id);
CREATE INDEX ON %1$s (valid_until) WHERE kind = 'exclude';
$sql$, $sql$
COMMENT ON TABLE %1$s IS 'What people say of single contacts by hand.';
COMMENT ON COLUMN %1$s.id IS 'Number of the row.';
COMMENT ON COLUMN %1$s.contact_id IS 'Key of the contact.';
COMMENT ON COLUMN %1$s.kind IS 'points (added to the total), reset (events before valid_from do not count) or exclude (the contact is not scored).';
COMMENT ON COLUMN %1$s.dimension IS 'What the points are about: fit, engagement or intent. NULL: nothing in particular.';
COMMENT ON COLUMN %1$s.points IS 'Points that are added to the total; may be negative. NULL: of another kind.';
COMMENT ON COLUMN %1$s.reason IS 'Why. NULL: nobody said.';
COMMENT ON COLUMN %1$s.author IS 'Who says so.';
COMMENT ON COLUMN %1$s.valid_from IS 'From when on it counts.';
COMMENT ON COLUMN %1$s.valid_until IS 'Until when it counts; that moment itself no more. NULL: for ever.';
COMMENT ON COLUMN %1$s.created_at IS 'When it was written.';
$sql$);
END;
COMMENT ON FUNCTION lead_scoring.adjustment_sql(text) IS
    'The SQL that makes the model''s table of adjustments, where it is not there. NULL for a NULL name.';
