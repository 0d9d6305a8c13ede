-- Fit: who they are.

CREATE FUNCTION lead_scoring.fit_score(contact record, model text) RETURNS float8
    AS 'MODULE_PATHNAME', 'ls_sql_fit_score'
    -- STABLE: reads the configuration and the clock.
    LANGUAGE c STABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION lead_scoring.fit_score(record, text) IS
    'Fit of a contact, in points, as of lead_scoring.as_of(): the sum of its matching fit rules, after the limits of groups and model. NULL for a NULL row.';

CREATE FUNCTION lead_scoring.fit_score(contact record, model text, as_of timestamptz)
    RETURNS float8
    AS 'MODULE_PATHNAME', 'ls_sql_fit_score'
    LANGUAGE c STABLE STRICT PARALLEL SAFE COST 10;
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
