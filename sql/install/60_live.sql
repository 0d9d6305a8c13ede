-- Live: what activation makes, and what keeps it true.

CREATE FUNCTION lead_scoring.contact_changed() RETURNS trigger
    AS 'MODULE_PATHNAME', 'ls_sql_contact_changed'
    LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION lead_scoring.contact_changed() IS
    'Trigger on contacts, with the model as its argument: notes what changed; scores follow at commit. Made by activate().';

CREATE FUNCTION lead_scoring.event_changed() RETURNS trigger
    AS 'MODULE_PATHNAME', 'ls_sql_event_changed'
    LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION lead_scoring.event_changed() IS
    'Trigger on events, with the model as its argument: notes whose events changed; scores follow at commit. Made by activate().';

CREATE FUNCTION lead_scoring.flush() RETURNS void
    AS 'MODULE_PATHNAME', 'ls_sql_flush'
    LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION lead_scoring.flush() IS
    'Writes the scores of what this transaction has changed so far, without waiting for its commit.';

-- The trigger function may be put on a table by its owner only through activate(),
-- which runs as him: so he needs EXECUTE, as everybody may own contacts.

CREATE FUNCTION lead_scoring.key_type(model text) RETURNS regtype
    AS 'MODULE_PATHNAME', 'ls_sql_key_type'
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.key_type(text) IS
    'Type of contact_id in the model''s tables: that of the contacts'' key, without its domain. NULL for a NULL name.';

CREATE FUNCTION lead_scoring.objects_sql(model text) RETURNS text
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    m lead_scoring.model;
    contacts regclass;
    kind "char";
    key_type text;
    target text;
    script text := '';
BEGIN
    SELECT * INTO STRICT m FROM lead_scoring.model AS r WHERE r.name = model;
    contacts := lead_scoring.contacts_of(model);
    SELECT c.relkind INTO STRICT kind FROM pg_class AS c WHERE c.oid = contacts;
    key_type := format_type(lead_scoring.key_type(model), NULL);

    target := format('%I.%I', lead_scoring.objects_schema(model), model || '_score');
    IF to_regclass(target) IS NULL THEN
        script := script || format($sql$
-- What an event leaves as it is comes first, as only what lies between the first and the
-- last byte that change goes into the write-ahead log; and what is as wide lies together.
CREATE TABLE %1$s (
    contact_id %2$s PRIMARY KEY,
    band_rank smallint,
    by_hand boolean NOT NULL DEFAULT false,
    fit float8,
    since timestamptz,
    enrolled_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    stage_since timestamptz,
    due_at timestamptz,
    stamp bigint NOT NULL,
    band text,
    grade text,
    stage text,
    memory text,
    problem text,
    engagement float8,
    intent float8,
    total float8,
    last_activity timestamptz,
    scored_at timestamptz NOT NULL,
    engagement_state lead_scoring.engagement
) WITH (fillfactor = 50);
CREATE INDEX ON %1$s (band_rank);
-- The upper bands are small. The planner takes all for as large, and sorts in parallel.
ALTER TABLE %1$s ALTER COLUMN band_rank SET (n_distinct = 1000);
-- Nothing else is indexed: what changes neither the band nor due_at writes to no index,
-- where its page has room (hence the fillfactor: each row may come to be a second time).
CREATE INDEX ON %1$s (due_at);
COMMENT ON TABLE %1$s IS 'Scores of the contacts of model %3$s as of scored_at, kept by triggers.';
COMMENT ON COLUMN %1$s.contact_id IS 'Key of the contact.';
COMMENT ON COLUMN %1$s.fit IS 'Fit score, in points. NULL: could not be computed, see problem.';
COMMENT ON COLUMN %1$s.engagement IS 'Engagement score, in points. NULL: could not be computed, see problem.';
COMMENT ON COLUMN %1$s.intent IS 'Intent score, in points. NULL: could not be computed, see problem.';
COMMENT ON COLUMN %1$s.total IS 'Total, in points. NULL: could not be computed, see problem.';
COMMENT ON COLUMN %1$s.band IS 'Label of the total. NULL: none.';
COMMENT ON COLUMN %1$s.band_rank IS 'Place of the band: 1 for the highest. NULL: none.';
COMMENT ON COLUMN %1$s.grade IS 'Fit letter and engagement digit. NULL: none.';
COMMENT ON COLUMN %1$s.stage IS 'Lifecycle stage. NULL: none yet.';
COMMENT ON COLUMN %1$s.stage_since IS 'When the stage was entered. NULL: no stage yet.';
COMMENT ON COLUMN %1$s.by_hand IS 'Did a person, not a transition, put the contact into its stage?';
COMMENT ON COLUMN %1$s.memory IS 'Which actions have happened and whose conditions hold, and which transitions wait until their condition was false once. NULL: nothing to remember.';
COMMENT ON COLUMN %1$s.since IS 'When the contact came to be, from created_column of the model. NULL: unknown.';
COMMENT ON COLUMN %1$s.enrolled_at IS 'When the contact entered the model.';
COMMENT ON COLUMN %1$s.engagement_state IS 'What the contact did, as far as rules may need it. NULL: the model has no engagement rules, or it could not be computed.';
COMMENT ON COLUMN %1$s.last_activity IS 'Latest activity. NULL: none yet.';
COMMENT ON COLUMN %1$s.scored_at IS 'As of when the row is right.';
COMMENT ON COLUMN %1$s.due_at IS 'When time alone may change it; never late. NULL: never.';
COMMENT ON COLUMN %1$s.stamp IS 'Fingerprint of the rules that made it.';
COMMENT ON COLUMN %1$s.problem IS 'Why the last upkeep failed. NULL: it did not.';
$sql$, target, key_type, replace(model, '''', ''''''));
    ELSIF NOT EXISTS (SELECT FROM pg_attribute AS a
                       WHERE a.attrelid = to_regclass(target) AND NOT a.attisdropped
                         AND a.attname = 'engagement_state') THEN
        -- The column goes with the extension, the table does not.
        script := script || format('ALTER TABLE %s ADD COLUMN engagement_state lead_scoring.engagement;', target);
    END IF;

    target := format('%I.%I', lead_scoring.objects_schema(model), model || '_queue');
    IF to_regclass(target) IS NULL THEN
        script := script || format($sql$
CREATE TABLE %1$s (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    contact_id %2$s,
    lookup name,
    lookup_key text,
    reason text NOT NULL,
    cause text NOT NULL DEFAULT 'event',
    queued_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ON %1$s (contact_id);
CREATE INDEX ON %1$s (id) WHERE lookup IS NOT NULL;
COMMENT ON TABLE %1$s IS 'Contacts of model %3$s that the next refresh looks at.';
COMMENT ON COLUMN %1$s.id IS 'Order of arrival.';
COMMENT ON COLUMN %1$s.contact_id IS 'Key of the contact. NULL: everyone, or, with lookup, those whose row there has lookup_key.';
COMMENT ON COLUMN %1$s.lookup IS 'Alias of a lookup whose row was changed. NULL: none.';
COMMENT ON COLUMN %1$s.lookup_key IS 'Key of the changed row. NULL: none.';
COMMENT ON COLUMN %1$s.reason IS 'Why it could not be done at once.';
COMMENT ON COLUMN %1$s.cause IS 'What changed: event, contact, rule change, time, manual, adjustment or activation.';
COMMENT ON COLUMN %1$s.queued_at IS 'Since when it waits.';
$sql$, target, key_type, replace(model, '''', ''''''));
    END IF;

    script := script || lead_scoring.history_sql(model) || lead_scoring.outbox_sql(model)
        || lead_scoring.adjustment_sql(model) || lead_scoring.scored_view_sql(model)
        || lead_scoring.reports_sql(model);
    IF kind IN ('r', 'p') THEN
        script := script || lead_scoring.triggers_sql(model);
    END IF;
    RETURN script;
END
$$;
COMMENT ON FUNCTION lead_scoring.objects_sql(text) IS
    'The SQL that activate() runs as the owner of the contacts, for what is not there yet. NULL for a NULL name.';
