-- Lookups: what conditions may say of a contact's company.

CREATE FUNCTION lead_scoring.add_lookup(
    model text,
    alias name,
    relation regclass,
    key name,
    contact_column name
) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
    IF model IS NULL OR alias IS NULL OR relation IS NULL OR key IS NULL
        OR contact_column IS NULL
    THEN
        RAISE EXCEPTION 'model, alias, relation, key and contact_column must be given'
            USING ERRCODE = 'null_value_not_allowed',
                  HINT = 'Call add_lookup(''b2b'', ''company'', ''crm.companies'', key => ''id'', contact_column => ''company_id'').';
    END IF;
    IF EXISTS (SELECT FROM lead_scoring.lookup AS l
                WHERE l.model = add_lookup.model AND l.alias = add_lookup.alias)
    THEN
        RAISE EXCEPTION 'model "%" has a lookup "%" already', model, alias
            USING ERRCODE = 'duplicate_object',
                  HINT = 'Give the new one another alias, or update lead_scoring.lookup.';
    END IF;
    INSERT INTO lead_scoring.lookup (model, alias, relation, key, contact_column)
    VALUES (model, alias, lead_scoring.qualified_name(relation), key, contact_column);
END
$$;
COMMENT ON FUNCTION lead_scoring.add_lookup(text, name, regclass, name, name) IS
    'Lets a model''s conditions name columns of another relation, as alias.column: that of the row whose unique key is in the contact''s column. NULL where there is no such row.';

CREATE FUNCTION lead_scoring.contact_row(contact record, VARIADIC lookups "any")
    RETURNS record
    AS 'MODULE_PATHNAME', 'ls_sql_contact_row'
    -- STABLE: the type of the row is the session's.
    LANGUAGE c STABLE PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.contact_row(record, "any") IS
    'Internal: a contact with the rows of its lookups, by their alias, as one value that fit_score() and others take for the contact: who joins spares them the look-up. NULL for a NULL contact.';

CREATE FUNCTION lead_scoring.lookup_joins(model text, contact text) RETURNS text
    AS 'MODULE_PATHNAME', 'ls_sql_lookup_joins'
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.lookup_joins(text, text) IS
    'The SQL that joins the model''s lookups, as lookup_1 and so on, to contacts under this alias; empty where it has none. NULL for a NULL argument.';

CREATE FUNCTION lead_scoring.contact_row_sql(model text, contact text) RETURNS text
    AS 'MODULE_PATHNAME', 'ls_sql_contact_row_sql'
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.contact_row_sql(text, text) IS
    'The SQL of a contact under this alias, with its lookups where lookup_joins() joins them. NULL for a NULL argument.';

CREATE FUNCTION lead_scoring.lookup_changed() RETURNS trigger
    AS 'MODULE_PATHNAME', 'ls_sql_lookup_changed'
    LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION lead_scoring.lookup_changed() IS
    'Trigger on lookups, with the model as its argument: notes which rows changed; the scores of their contacts follow at commit. Made by activate().';
