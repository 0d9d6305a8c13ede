-- Workers: who carries out what the outbox says.
--
-- Both run as their caller, who needs USAGE on the schema, SELECT on a column of
-- the contacts (to know the model) and on <model>_outbox, and SELECT and UPDATE on
-- <model>_delivery. The outbox itself is never written.

CREATE FUNCTION lead_scoring.object_name(model text, suffix text) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    target text;
BEGIN
    SELECT o.name INTO target
      FROM lead_scoring.objects(model) AS o WHERE o.suffix = object_name.suffix;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'model "%" does not exist', model
            USING ERRCODE = 'undefined_object',
                  HINT = 'Look at lead_scoring.model for the names of those you may see.';
    ELSIF target IS NULL THEN
        RAISE EXCEPTION 'model "%" was never activated', model
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = format('Call lead_scoring.activate(%L).', model);
    END IF;
    RETURN target;
END
$$;
COMMENT ON FUNCTION lead_scoring.object_name(text, text) IS
    'Quoted name of a table or view of the model, such as that of suffix outbox. A NULL or unknown name is refused.';

-- A superuser who writes to somebody's table runs its triggers as a superuser.
CREATE FUNCTION lead_scoring.refuse_superuser(target regclass) RETURNS void
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    owner name;
BEGIN
    SELECT r.rolname INTO owner
      FROM pg_class AS c JOIN pg_roles AS r ON r.oid = c.relowner
     WHERE c.oid = target AND NOT r.rolsuper;
    IF FOUND AND EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = current_user AND r.rolsuper) THEN
        RAISE EXCEPTION 'a superuser may not work on actions of role "%"', owner
            USING ERRCODE = 'insufficient_privilege',
                  DETAIL = format('What triggers on %s do, they would do as a superuser.', target),
                  HINT = 'SET ROLE to the role of the worker, or to the owner.';
    END IF;
END
$$;
COMMENT ON FUNCTION lead_scoring.refuse_superuser(regclass) IS
    'Internal: raises where a superuser is about to write to a table of somebody who is none. Nothing for a NULL table.';

CREATE FUNCTION lead_scoring.take_actions(
    model text, at_most integer DEFAULT 100,
    OUT id bigint, OUT contact_id text, OUT action text, OUT payload jsonb,
    OUT attempts integer, OUT created_at timestamptz
) RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    outbox text := lead_scoring.object_name(model, 'outbox');
    delivery text := lead_scoring.object_name(model, 'delivery');
    moment timestamptz := clock_timestamp();
    ids bigint[];
BEGIN
    PERFORM lead_scoring.refuse_superuser(delivery::regclass);
    IF at_most IS NULL OR at_most < 1 THEN
        RAISE EXCEPTION 'at_most must be at least 1'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('It is %s.', coalesce(at_most::text, 'null'));
    END IF;
    LOOP
        EXECUTE format($sql$
            SELECT array_agg(due.outbox_id)
              FROM (SELECT d.outbox_id
                      FROM %1$s AS d JOIN %2$s AS o ON o.id = d.outbox_id
                     WHERE d.status IN ('waiting', 'taken') AND d.due_at <= $1
                     ORDER BY d.due_at
                     LIMIT $2
                       FOR UPDATE OF d SKIP LOCKED) AS due
            $sql$, delivery, outbox) INTO ids USING moment, at_most;
        EXIT WHEN ids IS NULL;
        -- Whoever had it for the fifth time did not come back either: it is given up.
        EXECUTE format($sql$
            UPDATE %1$s SET status = 'dead', finished_at = $2, result = 'no worker said what became of it'
             WHERE outbox_id = ANY ($1) AND status = 'taken' AND attempts >= 5
            $sql$, delivery) USING ids, moment;
        RETURN QUERY EXECUTE format($sql$
            WITH taken AS (
                UPDATE %1$s AS d
                   SET status = 'taken', attempts = d.attempts + 1,
                       taken_at = $2, finished_at = NULL, due_at = $2 + interval '5 minutes'
                 WHERE d.outbox_id = ANY ($1) AND d.status <> 'dead'
                RETURNING d.outbox_id, d.attempts
            )
            SELECT o.id, o.contact_id::text, o.type, o.payload, t.attempts, o.created_at
              FROM taken AS t JOIN %2$s AS o ON o.id = t.outbox_id
             ORDER BY o.id
            $sql$, delivery, outbox) USING ids, moment;
        EXIT WHEN FOUND;
    END LOOP;
END
$$;
COMMENT ON FUNCTION lead_scoring.take_actions(text, integer) IS
    'Hands out at most so many actions that are due, each to one caller alone, for 5 minutes: whoever has not called finish_action() by then loses it to the next. After the fifth time it is dead. NULL is refused.';

CREATE FUNCTION lead_scoring.finish_action(
    model text, id bigint, ok boolean, result text DEFAULT NULL
) RETURNS text
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    delivery text := lead_scoring.object_name(model, 'delivery');
    status text;
BEGIN
    PERFORM lead_scoring.refuse_superuser(delivery::regclass);
    IF ok IS NULL THEN
        RAISE EXCEPTION 'ok must be true or false'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
    -- Said twice, it changes nothing; and who succeeded after all is believed.
    EXECUTE format($sql$
        UPDATE %1$s AS d
           SET status = CASE WHEN $2 THEN 'delivered' WHEN d.attempts >= 5 THEN 'dead' ELSE 'waiting' END,
               finished_at = CASE WHEN $2 OR d.attempts >= 5 THEN clock_timestamp() END,
               due_at = CASE WHEN $2 OR d.attempts >= 5 THEN d.due_at
                             ELSE clock_timestamp() + interval '1 minute' * 4 ^ (d.attempts - 1) END,
               result = $3
         WHERE d.outbox_id = $1
           AND CASE WHEN $2 THEN d.status <> 'delivered' ELSE d.status = 'taken' END
        RETURNING d.status
        $sql$, delivery) INTO status USING id, ok, result;
    IF status IS NULL THEN
        EXECUTE format('SELECT d.status FROM %s AS d WHERE d.outbox_id = $1', delivery)
           INTO status USING id;
    END IF;
    IF status IS NULL THEN
        RAISE EXCEPTION 'model "%" has no action %', model, coalesce(id::text, 'null')
            USING ERRCODE = 'no_data_found',
                  HINT = 'Use an id that lead_scoring.take_actions() gave.';
    END IF;
    RETURN status;
END
$$;
COMMENT ON FUNCTION lead_scoring.finish_action(text, bigint, boolean, text) IS
    'Says whether an action was carried out, and if you like why not; returns what it is then: delivered; waiting (again, in 1, 4, 16, 64 minutes); dead after the fifth failure. Saying it again changes nothing. A NULL result says nothing; other NULLs are refused.';
