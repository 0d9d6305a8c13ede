-- The life of a model: triggers, activation, and back.

CREATE FUNCTION lead_scoring.triggers_sql(model text) RETURNS text
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    contacts regclass;
    part regclass;
    script text;
BEGIN
    contacts := lead_scoring.contacts_of(model);
    script := lead_scoring.deactivation_sql(model) || format($sql$
CREATE TRIGGER %1$I AFTER INSERT OR UPDATE OR DELETE ON %2$s
    FOR EACH ROW EXECUTE FUNCTION lead_scoring.contact_changed(%3$L);
$sql$, model || '_contact', contacts, model);
    -- A statement on a partition fires the statement triggers of that one only.
    FOR part IN
        SELECT contacts UNION SELECT relid FROM pg_partition_tree(contacts)
    LOOP
        script := script || format($sql$
CREATE TRIGGER %1$I AFTER INSERT OR UPDATE OR DELETE ON %3$s
    FOR EACH STATEMENT EXECUTE FUNCTION lead_scoring.contact_changed(%4$L);
CREATE TRIGGER %2$I AFTER TRUNCATE ON %3$s
    FOR EACH STATEMENT EXECUTE FUNCTION lead_scoring.contact_changed(%4$L);
$sql$, model || '_statement', model || '_truncate', part, model);
    END LOOP;
    RETURN script || lead_scoring.followed_triggers_sql(model)
        || lead_scoring.adjustment_triggers_sql(model);
END
$$;
COMMENT ON FUNCTION lead_scoring.triggers_sql(text) IS
    'The SQL that puts the model''s triggers on its contacts. NULL for a NULL name.';

-- followed(model): the tables besides the contacts whose changes change scores. A view
-- has no triggers.
CREATE FUNCTION lead_scoring.followed(model text, OUT relation regclass, OUT kind text)
    RETURNS SETOF record
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT c.oid::regclass, source.kind
      FROM (SELECT to_regclass(s.relation) AS relation, 'event' AS kind
              FROM lead_scoring.event_source AS s WHERE s.model = followed.model
            UNION
            SELECT to_regclass(l.relation), 'lookup'
              FROM lead_scoring.lookup AS l WHERE l.model = followed.model) AS source
      JOIN pg_class AS c ON c.oid = source.relation AND c.relkind IN ('r', 'p')
     ORDER BY c.oid, source.kind;
END;
COMMENT ON FUNCTION lead_scoring.followed(text) IS
    'Tables of the model''s event sources (event) and lookups (lookup), which have triggers of it. Nothing for a NULL name.';

CREATE FUNCTION lead_scoring.followed_triggers_sql(model text) RETURNS text
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    one record;
    part regclass;
    script text := '';
BEGIN
    FOR one IN
        SELECT f.relation, f.kind, model || '_' || f.kind AS name
          FROM lead_scoring.followed(model) AS f
          JOIN pg_class AS c ON c.oid = f.relation
           -- Those of another role stay, and cannot be dropped by us.
         WHERE pg_has_role(current_user, c.relowner, 'USAGE')
            OR NOT EXISTS (SELECT FROM pg_trigger AS t
                            WHERE t.tgrelid = c.oid AND t.tgname = model || '_' || f.kind)
    LOOP
        script := script || format($sql$
CREATE TRIGGER %1$I AFTER INSERT OR UPDATE OR DELETE ON %2$s
    FOR EACH ROW EXECUTE FUNCTION lead_scoring.%3$I(%4$L);
$sql$, one.name, one.relation, one.kind || '_changed', model);
        -- A statement on a partition fires the statement triggers of that one only.
        FOR part IN
            SELECT one.relation UNION SELECT relid FROM pg_partition_tree(one.relation)
        LOOP
            script := script || format($sql$
CREATE TRIGGER %1$I AFTER INSERT OR UPDATE OR DELETE ON %3$s
    FOR EACH STATEMENT EXECUTE FUNCTION lead_scoring.%4$I(%5$L);
CREATE TRIGGER %2$I AFTER TRUNCATE ON %3$s
    FOR EACH STATEMENT EXECUTE FUNCTION lead_scoring.%4$I(%5$L);
$sql$, one.name || '_statement', one.name || '_truncate', part, one.kind || '_changed', model);
        END LOOP;
    END LOOP;
    RETURN script;
END
$$;
COMMENT ON FUNCTION lead_scoring.followed_triggers_sql(text) IS
    'The SQL that puts the model''s triggers on its events and lookups. NULL for a NULL name.';

CREATE FUNCTION lead_scoring.deactivation_sql(model text) RETURNS text
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    found text;
BEGIN
    SELECT coalesce(string_agg(format('DROP TRIGGER %I ON %s;', t.tgname, t.tgrelid::regclass),
                               E'\n' ORDER BY t.tgrelid, t.tgname), '')
      INTO found
      FROM pg_trigger AS t
      JOIN pg_class AS c ON c.oid = t.tgrelid
     -- Also from tables that are no longer among its event sources and lookups.
     WHERE (t.tgfoid = 'lead_scoring.contact_changed'::regproc
            AND t.tgrelid IN (SELECT lead_scoring.contacts_of(model)
                               UNION SELECT relid
                                       FROM pg_partition_tree(lead_scoring.contacts_of(model)))
         OR t.tgfoid IN ('lead_scoring.event_changed'::regproc,
                         'lead_scoring.lookup_changed'::regproc,
                         'lead_scoring.adjustment_changed'::regproc)
            AND pg_has_role(current_user, c.relowner, 'USAGE'))
       AND t.tgparentid = 0
       AND t.tgargs = convert_to(model, getdatabaseencoding()) || '\x00'::bytea;
    RETURN found;
END
$$;
COMMENT ON FUNCTION lead_scoring.deactivation_sql(text) IS
    'The SQL that takes the model''s triggers off its contacts, events and adjustments. NULL for a NULL name.';

CREATE FUNCTION lead_scoring.drop_sql(model text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT lead_scoring.deactivation_sql(drop_sql.model)
        || string_agg(format(E'\nDROP %s IF EXISTS %s;',
                             CASE o.kind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, o.name), '')
      FROM lead_scoring.objects(drop_sql.model) AS o;
END;
COMMENT ON FUNCTION lead_scoring.drop_sql(text) IS
    'The SQL that removes what activation made. NULL for a NULL name.';

CREATE FUNCTION lead_scoring.activate(
    model text,
    enrol_existing boolean DEFAULT false,
    initial_scoring boolean DEFAULT true
) RETURNS void
    AS 'MODULE_PATHNAME', 'ls_sql_activate'
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION lead_scoring.activate(text, boolean, boolean) IS
    'Makes the model live: its tables, view and triggers, and the scores of the contacts that are there; may be called again. enrol_existing: contacts that exist already enter the lifecycle too; without initial_scoring they wait for rescore().';

CREATE FUNCTION lead_scoring.promote(model text, enrol_existing boolean DEFAULT false)
    RETURNS void
    AS 'MODULE_PATHNAME', 'ls_sql_promote'
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION lead_scoring.promote(text, boolean) IS
    'A live shadow becomes active: it moves stages and fires actions from now on. Contacts keep their stage and nothing happens for what is true already, unless enrol_existing.';

CREATE FUNCTION lead_scoring.deactivate(model text) RETURNS void
    AS 'MODULE_PATHNAME', 'ls_sql_deactivate'
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION lead_scoring.deactivate(text) IS
    'Takes the model''s triggers off and makes it a draft; its tables stay.';

CREATE FUNCTION lead_scoring.drop_model(model text) RETURNS void
    AS 'MODULE_PATHNAME', 'ls_sql_drop_model'
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION lead_scoring.drop_model(text) IS
    'Removes the model with its rules, triggers, tables and views. The contacts stay as they are.';

CREATE PROCEDURE lead_scoring.refresh(model text)
    AS 'MODULE_PATHNAME', 'ls_sql_refresh'
    LANGUAGE c;
COMMENT ON PROCEDURE lead_scoring.refresh(text) IS
    'Brings up to date whoever is due, queued or behind the rules, in batches of a transaction each.';

CREATE PROCEDURE lead_scoring.refresh(model text, INOUT contacts bigint)
    AS 'MODULE_PATHNAME', 'ls_sql_refresh'
    LANGUAGE c;
COMMENT ON PROCEDURE lead_scoring.refresh(text, bigint) IS
    'The same; contacts becomes the number of contacts looked at.';

CREATE PROCEDURE lead_scoring.rescore(model text, fire_actions boolean DEFAULT false)
    AS 'MODULE_PATHNAME', 'ls_sql_rescore'
    LANGUAGE c;
COMMENT ON PROCEDURE lead_scoring.rescore(text, boolean) IS
    'Brings everyone up to date, in batches of a transaction each; goes on where one by the same rules was interrupted in the last hour. Unchanged rows are not written. fire_actions: actions fire also for what is true by now because rules changed.';

CREATE PROCEDURE lead_scoring.rescore(model text, INOUT contacts bigint)
    AS 'MODULE_PATHNAME', 'ls_sql_rescore_contacts'
    LANGUAGE c;
COMMENT ON PROCEDURE lead_scoring.rescore(text, bigint) IS
    'The same, without actions; contacts becomes the number of contacts looked at.';

CREATE PROCEDURE lead_scoring.rescore(model text, fire_actions boolean, INOUT contacts bigint)
    AS 'MODULE_PATHNAME', 'ls_sql_rescore'
    LANGUAGE c;
COMMENT ON PROCEDURE lead_scoring.rescore(text, boolean, bigint) IS
    'The same; contacts becomes the number of contacts looked at.';
