-- What a stored score row says of a contact, and what is to be computed.

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

CREATE FUNCTION lead_scoring.uses_as_of(model text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'ls_sql_uses_as_of'
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.uses_as_of(text) IS
    'Does the model''s population, or a fit rule, use as_of? NULL for a NULL name.';

CREATE TYPE lead_scoring.live AS (
    shown boolean,
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
COMMENT ON COLUMN lead_scoring.live.shown IS 'Is the contact scored at all?';
COMMENT ON COLUMN lead_scoring.live.fit IS 'Fit score, in points. NULL: cannot be computed.';
COMMENT ON COLUMN lead_scoring.live.engagement IS 'Engagement score, in points. NULL: cannot be computed.';
COMMENT ON COLUMN lead_scoring.live.intent IS 'Intent score, in points. NULL: cannot be computed.';
COMMENT ON COLUMN lead_scoring.live.total IS 'Total, in points. NULL: cannot be computed.';
COMMENT ON COLUMN lead_scoring.live.last_activity IS 'Latest activity. NULL: none yet.';
COMMENT ON COLUMN lead_scoring.live.band IS 'Label of the total. NULL: none.';
COMMENT ON COLUMN lead_scoring.live.grade IS 'Fit letter and engagement digit. NULL: none.';
COMMENT ON COLUMN lead_scoring.live.freshness IS 'How the stored row stands, as in the view.';
COMMENT ON COLUMN lead_scoring.live.problem IS 'Why there are no scores. NULL: there are.';

CREATE FUNCTION lead_scoring.live_now(
    model text, sources bigint, contact_id anyelement, contact record DEFAULT NULL,
    fit float8 DEFAULT NULL, band text DEFAULT NULL, grade text DEFAULT NULL,
    state lead_scoring.engagement DEFAULT NULL, since timestamptz DEFAULT NULL,
    scored_at timestamptz DEFAULT NULL, due_at timestamptz DEFAULT NULL,
    stamp bigint DEFAULT NULL, problem text DEFAULT NULL
) RETURNS lead_scoring.live
    AS 'MODULE_PATHNAME', 'ls_sql_live_now'
    LANGUAGE c STABLE PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.live_now(text, bigint, anyelement, record, float8, text, text, lead_scoring.engagement, timestamptz, timestamptz, timestamptz, bigint, text) IS
    'The scores of a contact as of lead_scoring.as_of(), from its row of <model>_score where that is right; else from its own, which is read where it is NULL, and its events. NULL: the scores are those that are stored.';

-- Cheap, for it is called only where somebody has moved since: else every scan of the view
-- would look so costly that it is compiled by JIT, which takes longer than the scan.
CREATE FUNCTION lead_scoring.stage_then(
    model text, contact_id anyelement, OUT stage text, OUT since timestamptz
) RETURNS record
    AS 'MODULE_PATHNAME', 'ls_sql_stage_then'
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.stage_then(text, anyelement) IS
    'Stage of a contact as of lead_scoring.as_of(), by the history of its moves, and since when. NULL where that is not known, or for a NULL argument.';

-- RESTRICTED where events may have to be read: tables may be temporary.
CREATE FUNCTION lead_scoring.reasons(contact record, model text) RETURNS text
    AS 'MODULE_PATHNAME', 'ls_sql_reasons'
    LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 1000;
COMMENT ON FUNCTION lead_scoring.reasons(record, text) IS
    'The three strongest rules that count for a contact, with how often and their points, as of lead_scoring.as_of(); of its events, too, where the row has the contact''s key. Empty where none counts; NULL for a NULL row.';

CREATE FUNCTION lead_scoring.reasons(contact record, model text, as_of timestamptz)
    RETURNS text
    AS 'MODULE_PATHNAME', 'ls_sql_reasons'
    LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 1000;
COMMENT ON FUNCTION lead_scoring.reasons(record, text, timestamptz) IS
    'The three strongest rules that count for a contact, as of a moment. Empty where none counts; NULL for a NULL row or moment.';

CREATE FUNCTION lead_scoring.reasons(
    contact record, model text, as_of timestamptz, state lead_scoring.engagement
) RETURNS text
    AS 'MODULE_PATHNAME', 'ls_sql_reasons'
    LANGUAGE c STABLE PARALLEL RESTRICTED COST 1000;
COMMENT ON FUNCTION lead_scoring.reasons(record, text, timestamptz, lead_scoring.engagement) IS
    'The same with the state of the contact at hand. A NULL state, or one that cannot be read as of that moment, is made of the contact''s events; NULL for a NULL row, model or moment.';
