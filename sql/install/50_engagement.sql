-- Engagement and intent: what they did, as a state that scores are read off.

CREATE TYPE lead_scoring.engagement;

CREATE FUNCTION lead_scoring.engagement_in(cstring) RETURNS lead_scoring.engagement
    AS 'MODULE_PATHNAME', 'ls_sql_engagement_in'
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.engagement_in(cstring) IS
    'Text form to state: hexadecimal digits of the binary form.';
CREATE FUNCTION lead_scoring.engagement_out(lead_scoring.engagement) RETURNS cstring
    AS 'MODULE_PATHNAME', 'ls_sql_engagement_out'
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.engagement_out(lead_scoring.engagement) IS
    'State to text form.';
CREATE FUNCTION lead_scoring.engagement_recv(internal) RETURNS lead_scoring.engagement
    AS 'MODULE_PATHNAME', 'ls_sql_engagement_recv'
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.engagement_recv(internal) IS 'Binary form to state.';
CREATE FUNCTION lead_scoring.engagement_send(lead_scoring.engagement) RETURNS bytea
    AS 'MODULE_PATHNAME', 'ls_sql_engagement_send'
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.engagement_send(lead_scoring.engagement) IS
    'State to binary form.';

CREATE TYPE lead_scoring.engagement (
    INPUT = lead_scoring.engagement_in,
    OUTPUT = lead_scoring.engagement_out,
    RECEIVE = lead_scoring.engagement_recv,
    SEND = lead_scoring.engagement_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = double,
    STORAGE = extended
);
COMMENT ON TYPE lead_scoring.engagement IS
    'What a contact did, as far as the engagement rules of a model may need it: a few hundred bytes, without points. Scores are read off it as of a moment.';

CREATE FUNCTION lead_scoring.engagement_eq(
    a lead_scoring.engagement, b lead_scoring.engagement) RETURNS boolean
    AS 'MODULE_PATHNAME', 'ls_sql_engagement_eq'
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.engagement_eq(lead_scoring.engagement, lead_scoring.engagement) IS
    'Are two states the same, byte by byte? NULL where one is NULL.';
CREATE FUNCTION lead_scoring.engagement_ne(
    a lead_scoring.engagement, b lead_scoring.engagement) RETURNS boolean
    AS 'MODULE_PATHNAME', 'ls_sql_engagement_ne'
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.engagement_ne(lead_scoring.engagement, lead_scoring.engagement) IS
    'Do two states differ? NULL where one is NULL.';
CREATE FUNCTION lead_scoring.engagement_hash(lead_scoring.engagement) RETURNS integer
    AS 'MODULE_PATHNAME', 'ls_sql_engagement_hash'
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.engagement_hash(lead_scoring.engagement) IS
    'Hash of a state.';
CREATE OPERATOR lead_scoring.= (
    LEFTARG = lead_scoring.engagement,
    RIGHTARG = lead_scoring.engagement,
    FUNCTION = lead_scoring.engagement_eq,
    COMMUTATOR = OPERATOR(lead_scoring.=),
    NEGATOR = OPERATOR(lead_scoring.<>),
    RESTRICT = eqsel,
    JOIN = eqjoinsel,
    HASHES
);
COMMENT ON OPERATOR lead_scoring.= (lead_scoring.engagement, lead_scoring.engagement) IS
    'Are two states the same, byte by byte?';
CREATE OPERATOR lead_scoring.<> (
    LEFTARG = lead_scoring.engagement,
    RIGHTARG = lead_scoring.engagement,
    FUNCTION = lead_scoring.engagement_ne,
    COMMUTATOR = OPERATOR(lead_scoring.<>),
    NEGATOR = OPERATOR(lead_scoring.=),
    RESTRICT = neqsel,
    JOIN = neqjoinsel
);
COMMENT ON OPERATOR lead_scoring.<> (lead_scoring.engagement, lead_scoring.engagement) IS
    'Do two states differ?';
-- So that rows that hold states can be compared, as EXCEPT and DISTINCT do.
CREATE OPERATOR CLASS lead_scoring.engagement_ops DEFAULT FOR TYPE lead_scoring.engagement
    USING hash AS
    OPERATOR 1 lead_scoring.=,
    FUNCTION 1 lead_scoring.engagement_hash(lead_scoring.engagement);
COMMENT ON OPERATOR FAMILY lead_scoring.engagement_ops USING hash IS
    'Equality of engagement states.';
COMMENT ON OPERATOR CLASS lead_scoring.engagement_ops USING hash IS
    'Equality of engagement states.';

-- ---- from events to states

CREATE FUNCTION lead_scoring.engagement_accumulate(internal, event record, model text)
    RETURNS internal
    AS 'MODULE_PATHNAME', 'ls_sql_engagement_accumulate'
    -- STABLE: reads the configuration and the clock.
    LANGUAGE c STABLE PARALLEL SAFE COST 10;
COMMENT ON FUNCTION lead_scoring.engagement_accumulate(internal, record, text) IS
    'Transition function of engagement_agg(event, model).';
CREATE FUNCTION lead_scoring.engagement_accumulate(
    internal, event record, model text, source text) RETURNS internal
    AS 'MODULE_PATHNAME', 'ls_sql_engagement_accumulate'
    LANGUAGE c STABLE PARALLEL SAFE COST 10;
COMMENT ON FUNCTION lead_scoring.engagement_accumulate(internal, record, text, text) IS
    'Transition function of engagement_agg(event, model, source).';
CREATE FUNCTION lead_scoring.engagement_accumulate(
    internal, event record, model text, source text, as_of timestamptz) RETURNS internal
    AS 'MODULE_PATHNAME', 'ls_sql_engagement_accumulate'
    LANGUAGE c STABLE PARALLEL SAFE COST 10;
COMMENT ON FUNCTION
    lead_scoring.engagement_accumulate(internal, record, text, text, timestamptz) IS
    'Transition function of engagement_agg(event, model, source, as_of).';
CREATE FUNCTION lead_scoring.engagement_accumulate(
    internal, event record, model text, source text, as_of timestamptz, since timestamptz)
    RETURNS internal
    AS 'MODULE_PATHNAME', 'ls_sql_engagement_accumulate'
    LANGUAGE c STABLE PARALLEL SAFE COST 10;
COMMENT ON FUNCTION lead_scoring.engagement_accumulate(
    internal, record, text, text, timestamptz, timestamptz) IS
    'Transition function of engagement_agg_since.';
CREATE FUNCTION lead_scoring.engagement_combine(internal, internal) RETURNS internal
    AS 'MODULE_PATHNAME', 'ls_sql_engagement_combine'
    LANGUAGE c STABLE PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.engagement_combine(internal, internal) IS
    'Combine function of engagement_agg and rollup.';
CREATE FUNCTION lead_scoring.engagement_serialize(internal) RETURNS bytea
    AS 'MODULE_PATHNAME', 'ls_sql_engagement_serialize'
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.engagement_serialize(internal) IS
    'Serialization function of engagement_agg and rollup.';
CREATE FUNCTION lead_scoring.engagement_deserialize(bytea, internal) RETURNS internal
    AS 'MODULE_PATHNAME', 'ls_sql_engagement_deserialize'
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.engagement_deserialize(bytea, internal) IS
    'Deserialization function of engagement_agg and rollup.';
CREATE FUNCTION lead_scoring.engagement_finish(internal) RETURNS lead_scoring.engagement
    AS 'MODULE_PATHNAME', 'ls_sql_engagement_finish'
    LANGUAGE c STABLE PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.engagement_finish(internal) IS
    'Final function of engagement_agg and rollup.';

CREATE AGGREGATE lead_scoring.engagement_agg(event record, model text) (
    SFUNC = lead_scoring.engagement_accumulate,
    STYPE = internal,
    SSPACE = 96,
    FINALFUNC = lead_scoring.engagement_finish,
    COMBINEFUNC = lead_scoring.engagement_combine,
    SERIALFUNC = lead_scoring.engagement_serialize,
    DESERIALFUNC = lead_scoring.engagement_deserialize,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE lead_scoring.engagement_agg(record, text) IS
    'State of a contact from its events in the model''s only event source, up to lead_scoring.as_of(). Events without contact or finite time do not count. NULL without rows.';
CREATE AGGREGATE lead_scoring.engagement_agg(event record, model text, source text) (
    SFUNC = lead_scoring.engagement_accumulate,
    STYPE = internal,
    SSPACE = 96,
    FINALFUNC = lead_scoring.engagement_finish,
    COMBINEFUNC = lead_scoring.engagement_combine,
    SERIALFUNC = lead_scoring.engagement_serialize,
    DESERIALFUNC = lead_scoring.engagement_deserialize,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE lead_scoring.engagement_agg(record, text, text) IS
    'State of a contact from its events in one event source, up to lead_scoring.as_of(). A NULL source is the model''s only one. NULL without rows.';
CREATE AGGREGATE lead_scoring.engagement_agg(
    event record, model text, source text, as_of timestamptz) (
    SFUNC = lead_scoring.engagement_accumulate,
    STYPE = internal,
    SSPACE = 96,
    FINALFUNC = lead_scoring.engagement_finish,
    COMBINEFUNC = lead_scoring.engagement_combine,
    SERIALFUNC = lead_scoring.engagement_serialize,
    DESERIALFUNC = lead_scoring.engagement_deserialize,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE lead_scoring.engagement_agg(record, text, text, timestamptz) IS
    'State of a contact from its events in one event source, up to a moment, the same for all events. A NULL source is the model''s only one. NULL without rows.';

-- Another name than engagement_agg: what people call has three signatures.
CREATE AGGREGATE lead_scoring.engagement_agg_since(
    event record, model text, source text, as_of timestamptz, since timestamptz) (
    SFUNC = lead_scoring.engagement_accumulate,
    STYPE = internal,
    SSPACE = 320,
    FINALFUNC = lead_scoring.engagement_finish,
    COMBINEFUNC = lead_scoring.engagement_combine,
    SERIALFUNC = lead_scoring.engagement_serialize,
    DESERIALFUNC = lead_scoring.engagement_deserialize,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE
    lead_scoring.engagement_agg_since(record, text, text, timestamptz, timestamptz) IS
    'The same of events at or after `since` only, as adjustments of kind reset want it. A NULL since is of all events.';

CREATE FUNCTION lead_scoring.engagement_empty(model text) RETURNS lead_scoring.engagement
    AS 'MODULE_PATHNAME', 'ls_sql_engagement_empty'
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.engagement_empty(text) IS
    'State of a contact without events. NULL for a NULL model.';

-- ---- from states to states

CREATE FUNCTION lead_scoring.merge(a lead_scoring.engagement, b lead_scoring.engagement)
    RETURNS lead_scoring.engagement
    AS 'MODULE_PATHNAME', 'ls_sql_merge'
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.merge(lead_scoring.engagement, lead_scoring.engagement) IS
    'State of the events of both, which must be different events. NULL where one is NULL.';
CREATE OPERATOR lead_scoring.|| (
    LEFTARG = lead_scoring.engagement,
    RIGHTARG = lead_scoring.engagement,
    FUNCTION = lead_scoring.merge,
    COMMUTATOR = OPERATOR(lead_scoring.||)
);
COMMENT ON OPERATOR lead_scoring.|| (lead_scoring.engagement, lead_scoring.engagement) IS
    'Merges two states, as lead_scoring.merge() does.';

CREATE FUNCTION lead_scoring.rollup_accumulate(internal, lead_scoring.engagement)
    RETURNS internal
    AS 'MODULE_PATHNAME', 'ls_sql_rollup_accumulate'
    LANGUAGE c STABLE PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.rollup_accumulate(internal, lead_scoring.engagement) IS
    'Transition function of rollup.';
CREATE AGGREGATE lead_scoring.rollup(lead_scoring.engagement) (
    SFUNC = lead_scoring.rollup_accumulate,
    STYPE = internal,
    SSPACE = 96,
    FINALFUNC = lead_scoring.engagement_finish,
    COMBINEFUNC = lead_scoring.engagement_combine,
    SERIALFUNC = lead_scoring.engagement_serialize,
    DESERIALFUNC = lead_scoring.engagement_deserialize,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE lead_scoring.rollup(lead_scoring.engagement) IS
    'State of the events of all, such as a company''s contacts or several sources. NULL states are left out; NULL without any.';
