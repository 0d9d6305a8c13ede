-- What a stored score row says of a contact, and what is to be computed.

CREATE FUNCTION lead_scoring.same_facts(
    a lead_scoring.engagement, b lead_scoring.engagement) RETURNS boolean
    AS 'MODULE_PATHNAME', 'ls_sql_same_facts'
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.same_facts(lead_scoring.engagement, lead_scoring.engagement) IS
    'Are two states the same but for the moment at which they were made? NULL where one is NULL.';

CREATE FUNCTION lead_scoring.sources_stamp(model text) RETURNS bigint
    AS 'MODULE_PATHNAME', 'ls_sql_sources_stamp'
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.sources_stamp(text) IS
    'Fingerprint of the model''s event sources. NULL for a NULL name.';

CREATE FUNCTION lead_scoring.same_sources(model text, sources bigint) RETURNS boolean
    AS 'MODULE_PATHNAME', 'ls_sql_same_sources'
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.same_sources(text, bigint) IS
    'True where the model''s event sources have this fingerprint; else it raises: activate() must be called. NULL for a NULL argument.';

CREATE FUNCTION lead_scoring.contact_since(contact record, model text) RETURNS timestamptz
    AS 'MODULE_PATHNAME', 'ls_sql_contact_since'
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.contact_since(record, text) IS
    'When the contact came to be, from the model''s created_column, for silence rules. NULL where that is not known.';

CREATE TYPE lead_scoring.live AS (
    anew boolean,
    has_state boolean,
    fit float8,
    engagement float8,
    intent float8,
    total float8,
    last_activity timestamptz,
    band text,
    grade text,
    freshness text,
    problem text
);
COMMENT ON TYPE lead_scoring.live IS
    'Scores of one contact as of lead_scoring.as_of(), as the views work with them.';
COMMENT ON COLUMN lead_scoring.live.anew IS 'Are all others but has_state and freshness to be computed by live_anew()?';
COMMENT ON COLUMN lead_scoring.live.has_state IS 'May it read the stored engagement state?';
COMMENT ON COLUMN lead_scoring.live.fit IS 'Fit score, in points. NULL: cannot be computed, or anew.';
COMMENT ON COLUMN lead_scoring.live.engagement IS 'Engagement score, in points. NULL: cannot be computed, or anew.';
COMMENT ON COLUMN lead_scoring.live.intent IS 'Intent score, in points. NULL: cannot be computed, or anew.';
COMMENT ON COLUMN lead_scoring.live.total IS 'Total, in points. NULL: cannot be computed, or anew.';
COMMENT ON COLUMN lead_scoring.live.last_activity IS 'Latest activity. NULL: none yet, or anew.';
COMMENT ON COLUMN lead_scoring.live.band IS 'Label of the total. NULL: none, or anew.';
COMMENT ON COLUMN lead_scoring.live.grade IS 'Fit letter and engagement digit. NULL: none, or anew.';
COMMENT ON COLUMN lead_scoring.live.freshness IS 'How the stored row stands, as in the view.';
COMMENT ON COLUMN lead_scoring.live.problem IS 'Why there are no scores. NULL: there are, or anew.';

CREATE FUNCTION lead_scoring.live_now(
    model text, sources bigint, contact_id anyelement, fit float8, band text,
    grade text, state lead_scoring.engagement, since timestamptz, scored_at timestamptz,
    due_at timestamptz, stamp bigint, problem text
) RETURNS lead_scoring.live
    AS 'MODULE_PATHNAME', 'ls_sql_live_now'
    LANGUAGE c STABLE PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.live_now(text, bigint, anyelement, float8, text, text, lead_scoring.engagement, timestamptz, timestamptz, timestamptz, bigint, text) IS
    'The scores that a row of <model>_score stands for as of lead_scoring.as_of(). NULL: those that are in it.';

CREATE FUNCTION lead_scoring.live_anew(
    model text, sources bigint, freshness text, fit float8, problem text,
    state lead_scoring.engagement, since timestamptz, by_hand float8
) RETURNS lead_scoring.live
    AS 'MODULE_PATHNAME', 'ls_sql_live_anew'
    LANGUAGE c STABLE PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.live_anew(text, bigint, text, float8, text, lead_scoring.engagement, timestamptz, float8) IS
    'The scores of a contact from its fit and its state as of lead_scoring.as_of(). NULL for a NULL model, sources or freshness.';
