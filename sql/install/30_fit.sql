-- Fit: who they are.

CREATE FUNCTION lead_scoring.fit_score_columns(
    columns text[], model text, as_of timestamptz, VARIADIC "values" "any"
) RETURNS float8
    AS 'MODULE_PATHNAME', 'ls_sql_fit_score_columns'
    -- STABLE: reads the configuration. Columns may be NULL.
    LANGUAGE c STABLE PARALLEL SAFE COST 10;
COMMENT ON FUNCTION lead_scoring.fit_score_columns(text[], text, timestamptz, "any") IS
    'Internal: fit_score of a row that is passed column by column, in points. The planner puts it in the place of fit_score(c, model), so that no row need be formed. NULL for a NULL model or moment.';

CREATE FUNCTION lead_scoring.fit_score_support(internal) RETURNS internal
    AS 'MODULE_PATHNAME', 'ls_sql_fit_score_support'
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.fit_score_support(internal) IS
    'Internal: tells the planner about fit_score. Not to be called.';

CREATE FUNCTION lead_scoring.fit_score(contact record, model text) RETURNS float8
    AS 'MODULE_PATHNAME', 'ls_sql_fit_score'
    -- STABLE: reads the configuration and the clock.
    LANGUAGE c STABLE STRICT PARALLEL SAFE COST 10
    SUPPORT lead_scoring.fit_score_support;
COMMENT ON FUNCTION lead_scoring.fit_score(record, text) IS
    'Fit of a contact, in points, as of lead_scoring.as_of(): the sum of its matching fit rules, after the limits of groups and model. NULL for a NULL row.';

CREATE FUNCTION lead_scoring.fit_score(contact record, model text, as_of timestamptz)
    RETURNS float8
    AS 'MODULE_PATHNAME', 'ls_sql_fit_score'
    LANGUAGE c STABLE STRICT PARALLEL SAFE COST 10
    SUPPORT lead_scoring.fit_score_support;
COMMENT ON FUNCTION lead_scoring.fit_score(record, text, timestamptz) IS
    'Fit of a contact, in points, as of a moment. NULL for a NULL row or moment.';

CREATE FUNCTION lead_scoring.in_population(contact record, model text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'ls_sql_in_population'
    LANGUAGE c STABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION lead_scoring.in_population(record, text) IS
    'Does the model score this contact, as of lead_scoring.as_of()? NULL for a NULL row.';

CREATE FUNCTION lead_scoring.in_population(contact record, model text, as_of timestamptz)
    RETURNS boolean
    AS 'MODULE_PATHNAME', 'ls_sql_in_population'
    LANGUAGE c STABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION lead_scoring.in_population(record, text, timestamptz) IS
    'Does the model score this contact, as of a moment? NULL for a NULL row or moment.';

CREATE FUNCTION lead_scoring.try_fit_score(contact record, model text) RETURNS float8
    AS 'MODULE_PATHNAME', 'ls_sql_try_fit_score'
    -- SAFE: starts no subtransaction in a parallel query, but raises.
    LANGUAGE c STABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION lead_scoring.try_fit_score(record, text) IS
    'fit_score for views, in points. NULL where a condition fails, too.';

CREATE FUNCTION lead_scoring.try_in_population(contact record, model text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'ls_sql_try_in_population'
    LANGUAGE c STABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION lead_scoring.try_in_population(record, text) IS
    'in_population for views: true where the condition fails. NULL for a NULL row.';

CREATE FUNCTION lead_scoring.fit_problem(contact record, model text) RETURNS text
    AS 'MODULE_PATHNAME', 'ls_sql_fit_problem'
    LANGUAGE c STABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION lead_scoring.fit_problem(record, text) IS
    'Why try_fit_score cannot compute the fit of a contact. NULL: it can.';

CREATE FUNCTION lead_scoring.explain_fit(
    contact record, model text,
    OUT rule text, OUT group_name text, OUT condition text, OUT points float8,
    OUT matched boolean, OUT counted float8
) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'ls_sql_explain_fit'
    LANGUAGE c STABLE STRICT PARALLEL SAFE ROWS 20;
COMMENT ON FUNCTION lead_scoring.explain_fit(record, text) IS
    'Where a contact''s fit comes from, as of lead_scoring.as_of(): a row for each enabled rule, and for each limit that added or took points; counted sums to fit_score.';

CREATE FUNCTION lead_scoring.explain_fit(
    contact record, model text, as_of timestamptz,
    OUT rule text, OUT group_name text, OUT condition text, OUT points float8,
    OUT matched boolean, OUT counted float8
) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'ls_sql_explain_fit'
    LANGUAGE c STABLE STRICT PARALLEL SAFE ROWS 20;
COMMENT ON FUNCTION lead_scoring.explain_fit(record, text, timestamptz) IS
    'Where a contact''s fit comes from, as of a moment.';

CREATE FUNCTION lead_scoring.to_sql(model text) RETURNS text
    AS 'MODULE_PATHNAME', 'ls_sql_to_sql'
    -- UNSAFE: reads conditions under other settings in a subtransaction.
    LANGUAGE c STABLE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION lead_scoring.to_sql(text) IS
    'The model as one plain SQL query: contact_id, fit, engagement, intent, total of every contact as of parameter $1 (timestamptz). It needs no function of this extension. NULL for a NULL name.';

-- ----------------------------------------------------------- for conditions

CREATE FUNCTION lead_scoring.try_numeric(value text) RETURNS numeric
    AS 'MODULE_PATHNAME', 'ls_sql_try_numeric'
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.try_numeric(text) IS
    'The number that the text is, for conditions on what may be none. NULL: it is no finite decimal number (of at most 1000 characters, exponent at most 1000). Where a rule calls it, to_sql() does, too.';
