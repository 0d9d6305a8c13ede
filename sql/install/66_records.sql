-- What is kept of single contacts: privacy, duplicates.

CREATE FUNCTION lead_scoring.erase(
    model text, contact_id bigint, OUT object text, OUT rows bigint
) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'ls_sql_erase'
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE ROWS 8;
COMMENT ON FUNCTION lead_scoring.erase(text, bigint) IS
    'Deletes all that the model''s tables keep of the contact: table, number of rows. The contact and its events stay. For who owns the contacts.';

CREATE FUNCTION lead_scoring.erase(
    model text, contact_id uuid, OUT object text, OUT rows bigint
) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'ls_sql_erase'
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE ROWS 8;
COMMENT ON FUNCTION lead_scoring.erase(text, uuid) IS 'The same for keys of type uuid.';

CREATE FUNCTION lead_scoring.erase(
    model text, contact_id text, OUT object text, OUT rows bigint
) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'ls_sql_erase'
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE ROWS 8;
COMMENT ON FUNCTION lead_scoring.erase(text, text) IS
    'The same for keys of type text; for others, it is read as that type.';

CREATE FUNCTION lead_scoring.merge_contacts(
    model text, "from" bigint, "into" bigint, OUT object text, OUT rows bigint
) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'ls_sql_merge_contacts'
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE ROWS 5;
COMMENT ON FUNCTION lead_scoring.merge_contacts(text, bigint, bigint) IS
    'Gives histories, outbox, adjustments and daily scores of a duplicate to another contact, and scores that anew: table, number of rows. Of a day that both have, that of the other stays. The contacts and events are yours to change. For who owns the contacts.';

CREATE FUNCTION lead_scoring.merge_contacts(
    model text, "from" uuid, "into" uuid, OUT object text, OUT rows bigint
) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'ls_sql_merge_contacts'
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE ROWS 5;
COMMENT ON FUNCTION lead_scoring.merge_contacts(text, uuid, uuid) IS
    'The same for keys of type uuid.';

CREATE FUNCTION lead_scoring.merge_contacts(
    model text, "from" text, "into" text, OUT object text, OUT rows bigint
) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'ls_sql_merge_contacts'
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE ROWS 5;
COMMENT ON FUNCTION lead_scoring.merge_contacts(text, text, text) IS
    'The same for keys of type text; for others, they are read as that type.';

CREATE PROCEDURE lead_scoring.prune(model text, older_than interval)
    AS 'MODULE_PATHNAME', 'ls_sql_prune'
    LANGUAGE c;
COMMENT ON PROCEDURE lead_scoring.prune(text, interval) IS
    'Deletes what is older: moves, score histories (but for each contact the latest row, which says what was so then), daily scores, and actions that were delivered or given up; in batches of a transaction each. For who owns the contacts.';

CREATE PROCEDURE lead_scoring.prune(model text, older_than interval, INOUT rows bigint)
    AS 'MODULE_PATHNAME', 'ls_sql_prune'
    LANGUAGE c;
COMMENT ON PROCEDURE lead_scoring.prune(text, interval, bigint) IS
    'The same; rows becomes the number of rows deleted.';
