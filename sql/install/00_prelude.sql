-- lead_scoring: the install script, made of sql/install/*.sql in order.
\echo Use "CREATE EXTENSION lead_scoring" to load this file. \quit

SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);

-- A schema that somebody else owns could hold traps for those who use ours.
DO $$
DECLARE
    schema_owner text;
BEGIN
    SELECT pg_get_userbyid(nspowner) INTO schema_owner
      FROM pg_namespace WHERE nspname = 'lead_scoring';
    IF schema_owner <> current_user THEN
        RAISE EXCEPTION 'schema "lead_scoring" belongs to role "%"', schema_owner
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'Drop or rename it; CREATE EXTENSION makes its own.';
    END IF;
END
$$;

COMMENT ON SCHEMA lead_scoring IS
    'Lead scoring: configuration tables, functions and types. Scores are in views and tables beside each model''s contacts.';

GRANT USAGE ON SCHEMA lead_scoring TO PUBLIC;
