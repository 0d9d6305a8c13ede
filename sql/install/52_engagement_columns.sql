-- engagement_agg in columns: what the planner makes of it (ls_engagement_planner.c).

CREATE FUNCTION lead_scoring.engagement_accumulate_columns(
    internal, columns text[], model text, source text, VARIADIC "any") RETURNS internal
    AS 'MODULE_PATHNAME', 'ls_sql_engagement_accumulate_columns'
    LANGUAGE c STABLE PARALLEL SAFE COST 10;
COMMENT ON FUNCTION
    lead_scoring.engagement_accumulate_columns(internal, text[], text, text, "any") IS
    'Transition function of engagement_agg_columns.';
CREATE FUNCTION lead_scoring.engagement_accumulate_columns_at(
    internal, columns text[], model text, source text, as_of timestamptz, VARIADIC "any")
    RETURNS internal
    AS 'MODULE_PATHNAME', 'ls_sql_engagement_accumulate_columns_at'
    LANGUAGE c STABLE PARALLEL SAFE COST 10;
COMMENT ON FUNCTION lead_scoring.engagement_accumulate_columns_at(
    internal, text[], text, text, timestamptz, "any") IS
    'Transition function of engagement_agg_columns_at.';
CREATE AGGREGATE lead_scoring.engagement_agg_columns(
    columns text[], model text, source text, VARIADIC "any") (
    SFUNC = lead_scoring.engagement_accumulate_columns,
    STYPE = internal,
    SSPACE = 96,
    FINALFUNC = lead_scoring.engagement_finish,
    COMBINEFUNC = lead_scoring.engagement_combine,
    SERIALFUNC = lead_scoring.engagement_serialize,
    DESERIALFUNC = lead_scoring.engagement_deserialize,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE lead_scoring.engagement_agg_columns(text[], text, text, "any") IS
    'What the planner makes of engagement_agg(event, model [, source]) where it sees the columns of the event: their names, then their values.';
CREATE AGGREGATE lead_scoring.engagement_agg_columns_at(
    columns text[], model text, source text, as_of timestamptz, VARIADIC "any") (
    SFUNC = lead_scoring.engagement_accumulate_columns_at,
    STYPE = internal,
    SSPACE = 96,
    FINALFUNC = lead_scoring.engagement_finish,
    COMBINEFUNC = lead_scoring.engagement_combine,
    SERIALFUNC = lead_scoring.engagement_serialize,
    DESERIALFUNC = lead_scoring.engagement_deserialize,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE
    lead_scoring.engagement_agg_columns_at(text[], text, text, timestamptz, "any") IS
    'What the planner makes of engagement_agg(event, model, source, as_of) where it sees the columns of the event: their names, then their values.';
