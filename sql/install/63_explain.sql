-- Why a contact has its total: by the contact's key, as of any moment. Whoever may read
-- contacts, events and adjustments may ask; no activation is needed.

CREATE FUNCTION lead_scoring.explain(
    model text, contact_id bigint, as_of timestamptz DEFAULT lead_scoring.as_of()
) RETURNS TABLE (
    dimension text, group_name text, rule text, kind text, condition text, points numeric,
    lost numeric, occurrences bigint, last_match timestamptz, next_change timestamptz, note text
)
    AS 'MODULE_PATHNAME', 'ls_sql_explain'
    -- RESTRICTED: tables may be temporary.
    LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 20 COST 1000;
COMMENT ON FUNCTION lead_scoring.explain(text, bigint, timestamptz) IS
    'Where the total of a contact comes from, as of a moment: a row for each rule that counts or nearly counts, each limit, weight and adjustment. points, in points, adds up to the total exactly; lost: of them, what limits took. No rows for a NULL argument.';

CREATE FUNCTION lead_scoring.explain(
    model text, contact_id uuid, as_of timestamptz DEFAULT lead_scoring.as_of()
) RETURNS TABLE (
    dimension text, group_name text, rule text, kind text, condition text, points numeric,
    lost numeric, occurrences bigint, last_match timestamptz, next_change timestamptz, note text
)
    AS 'MODULE_PATHNAME', 'ls_sql_explain'
    LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 20 COST 1000;
COMMENT ON FUNCTION lead_scoring.explain(text, uuid, timestamptz) IS
    'The same for a key of type uuid.';

CREATE FUNCTION lead_scoring.explain(
    model text, contact_id text, as_of timestamptz DEFAULT lead_scoring.as_of()
) RETURNS TABLE (
    dimension text, group_name text, rule text, kind text, condition text, points numeric,
    lost numeric, occurrences bigint, last_match timestamptz, next_change timestamptz, note text
)
    AS 'MODULE_PATHNAME', 'ls_sql_explain'
    LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 20 COST 1000;
COMMENT ON FUNCTION lead_scoring.explain(text, text, timestamptz) IS
    'The same for a key of type text, or of any type: it is read as text.';

CREATE FUNCTION lead_scoring.explain_change(
    model text, contact_id bigint, "from" timestamptz, "to" timestamptz
) RETURNS TABLE (
    reason text, dimension text, group_name text, rule text, before numeric, after numeric,
    points numeric
)
    AS 'MODULE_PATHNAME', 'ls_sql_explain_change'
    LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 20 COST 2000;
COMMENT ON FUNCTION lead_scoring.explain_change(text, bigint, timestamptz, timestamptz) IS
    'What changed the total of a contact between two moments: new events, what expired, decayed or came of age, silence, adjustments, a reset, limits. points, in points, adds up to the difference exactly; the contact''s own columns are those of today. No rows for a NULL argument.';

CREATE FUNCTION lead_scoring.explain_change(
    model text, contact_id uuid, "from" timestamptz, "to" timestamptz
) RETURNS TABLE (
    reason text, dimension text, group_name text, rule text, before numeric, after numeric,
    points numeric
)
    AS 'MODULE_PATHNAME', 'ls_sql_explain_change'
    LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 20 COST 2000;
COMMENT ON FUNCTION lead_scoring.explain_change(text, uuid, timestamptz, timestamptz) IS
    'The same for a key of type uuid.';

CREATE FUNCTION lead_scoring.explain_change(
    model text, contact_id text, "from" timestamptz, "to" timestamptz
) RETURNS TABLE (
    reason text, dimension text, group_name text, rule text, before numeric, after numeric,
    points numeric
)
    AS 'MODULE_PATHNAME', 'ls_sql_explain_change'
    LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 20 COST 2000;
COMMENT ON FUNCTION lead_scoring.explain_change(text, text, timestamptz, timestamptz) IS
    'The same for a key of type text, or of any type: it is read as text.';

CREATE FUNCTION lead_scoring.what_next(
    model text, contact_id bigint, as_of timestamptz DEFAULT lead_scoring.as_of()
) RETURNS TABLE (
    what text, rule text, dimension text, condition text, adds numeric, total float8, band text,
    at timestamptz
)
    AS 'MODULE_PATHNAME', 'ls_sql_what_next'
    LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 5 COST 5000;
COMMENT ON FUNCTION lead_scoring.what_next(text, bigint, timestamptz) IS
    'What would bring a contact into a higher band: a row (match) for each rule of which one more match would do, the nearest first, with what that adds to the total, in points. And one row (nothing): when it leaves its band if nothing happens; at is NULL where it does not within five years. No rows for a NULL argument, or a contact that is not scored.';

CREATE FUNCTION lead_scoring.what_next(
    model text, contact_id uuid, as_of timestamptz DEFAULT lead_scoring.as_of()
) RETURNS TABLE (
    what text, rule text, dimension text, condition text, adds numeric, total float8, band text,
    at timestamptz
)
    AS 'MODULE_PATHNAME', 'ls_sql_what_next'
    LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 5 COST 5000;
COMMENT ON FUNCTION lead_scoring.what_next(text, uuid, timestamptz) IS
    'The same for a key of type uuid.';

CREATE FUNCTION lead_scoring.what_next(
    model text, contact_id text, as_of timestamptz DEFAULT lead_scoring.as_of()
) RETURNS TABLE (
    what text, rule text, dimension text, condition text, adds numeric, total float8, band text,
    at timestamptz
)
    AS 'MODULE_PATHNAME', 'ls_sql_what_next'
    LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 5 COST 5000;
COMMENT ON FUNCTION lead_scoring.what_next(text, text, timestamptz) IS
    'The same for a key of type text, or of any type: it is read as text.';
