-- Sub-scores combined and labelled.

CREATE FUNCTION lead_scoring.total_score(
    fit float8, engagement float8, intent float8, model text, adjustment float8 DEFAULT 0)
    RETURNS float8
    AS 'MODULE_PATHNAME', 'ls_sql_total_score'
    -- STABLE: reads the configuration, as all functions here.
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.total_score(float8, float8, float8, text, float8) IS
    'Total, in points: the weighted sum of the sub-scores, and what was added by hand, within the model''s limits. NULL where one of them is.';

CREATE FUNCTION lead_scoring.band(total float8, model text) RETURNS text
    AS 'MODULE_PATHNAME', 'ls_sql_band'
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.band(float8, text) IS
    'Label of the total, such as hot. NULL below all thresholds.';

CREATE FUNCTION lead_scoring.band_rank(total float8, model text) RETURNS smallint
    AS 'MODULE_PATHNAME', 'ls_sql_band_rank'
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.band_rank(float8, text) IS
    'Place of the total''s band: 1 for the highest. NULL for a NULL total.';

CREATE FUNCTION lead_scoring.grade(fit float8, engagement float8, model text) RETURNS text
    AS 'MODULE_PATHNAME', 'ls_sql_grade'
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.grade(float8, float8, text) IS
    'Label of the fit followed by the label of the engagement, such as A1. NULL where one has none.';

CREATE FUNCTION lead_scoring.model_stamp(model text) RETURNS bigint
    AS 'MODULE_PATHNAME', 'ls_sql_model_stamp'
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.model_stamp(text) IS
    'Fingerprint of all rules that scores follow from: stored scores with another one are behind the rules.';

CREATE FUNCTION lead_scoring.life_stamp(model text) RETURNS bigint
    AS 'MODULE_PATHNAME', 'ls_sql_life_stamp'
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.life_stamp(text) IS
    'Fingerprint of model_stamp() and of stages, transitions, actions and milestones: it changes whenever everyone must be looked at. NULL for a NULL name.';
