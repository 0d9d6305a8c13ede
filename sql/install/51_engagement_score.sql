-- Scores read off engagement states, and why.

CREATE FUNCTION lead_scoring.engagement_score(
    state lead_scoring.engagement,
    as_of timestamptz DEFAULT lead_scoring.as_of(),
    since timestamptz DEFAULT NULL
) RETURNS float8
    AS 'MODULE_PATHNAME', 'ls_sql_engagement_score'
    LANGUAGE c STABLE PARALLEL SAFE;
COMMENT ON FUNCTION
    lead_scoring.engagement_score(lead_scoring.engagement, timestamptz, timestamptz) IS
    'Engagement as of a moment, in points; since = when the contact came to be, for silence rules. NULL for a NULL state or moment; a NULL since means no penalty for who never did anything.';
CREATE FUNCTION lead_scoring.intent_score(
    state lead_scoring.engagement,
    as_of timestamptz DEFAULT lead_scoring.as_of(),
    since timestamptz DEFAULT NULL
) RETURNS float8
    AS 'MODULE_PATHNAME', 'ls_sql_intent_score'
    LANGUAGE c STABLE PARALLEL SAFE;
COMMENT ON FUNCTION
    lead_scoring.intent_score(lead_scoring.engagement, timestamptz, timestamptz) IS
    'Intent as of a moment, in points; since as for engagement_score. NULL for a NULL state or moment.';
CREATE FUNCTION lead_scoring.last_activity(state lead_scoring.engagement)
    RETURNS timestamptz
    AS 'MODULE_PATHNAME', 'ls_sql_last_activity'
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.last_activity(lead_scoring.engagement) IS
    'When the contact was active last. NULL where it never was.';

CREATE FUNCTION lead_scoring.next_change(
    state lead_scoring.engagement,
    as_of timestamptz DEFAULT lead_scoring.as_of(),
    since timestamptz DEFAULT NULL,
    fit float8 DEFAULT 0
) RETURNS timestamptz
    AS 'MODULE_PATHNAME', 'ls_sql_next_change'
    LANGUAGE c STABLE PARALLEL SAFE;
COMMENT ON FUNCTION
    lead_scoring.next_change(lead_scoring.engagement, timestamptz, timestamptz, float8) IS
    'The earliest moment after as_of at which a score jumps by itself, or fades across a threshold (of the total for a contact of this fit); it may be early, never late. NULL where nothing changes without a new event.';

CREATE FUNCTION lead_scoring.explain_engagement(
    state lead_scoring.engagement,
    as_of timestamptz DEFAULT lead_scoring.as_of(),
    since timestamptz DEFAULT NULL,
    OUT dimension text, OUT rule text, OUT group_name text, OUT kind text,
    OUT occurrences bigint, OUT last_match timestamptz, OUT points float8,
    OUT counted float8, OUT next_change timestamptz
) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'ls_sql_explain_engagement'
    LANGUAGE c STABLE PARALLEL SAFE ROWS 20;
COMMENT ON FUNCTION
    lead_scoring.explain_engagement(lead_scoring.engagement, timestamptz, timestamptz) IS
    'Where engagement and intent come from: a row for each enabled rule, and for each limit that added or took points; counted sums to the scores. No rows for a NULL state or moment.';
