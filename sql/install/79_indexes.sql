-- Can what belongs together be found?

CREATE FUNCTION lead_scoring.has_index(relation regclass, "column" name) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT NOT EXISTS (SELECT FROM pg_class AS c
                         JOIN pg_attribute AS a
                           ON a.attrelid = c.oid AND a.attname = has_index."column"
                              AND NOT a.attisdropped
                        WHERE c.oid = has_index.relation AND c.relkind IN ('r', 'p'))
        OR EXISTS (SELECT FROM pg_index AS i
                     JOIN pg_attribute AS a
                       ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                    WHERE i.indrelid = has_index.relation AND a.attname = has_index."column"
                      AND i.indisvalid AND i.indpred IS NULL);
END;
COMMENT ON FUNCTION lead_scoring.has_index(regclass, name) IS
    'Has the table an index of all rows that begins with the column? True also where there is no such table or column.';

CREATE FUNCTION lead_scoring.index_problems(
    model text, OUT object text, OUT problem text, OUT suggestion text
) RETURNS SETOF record
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format('event source "%s"', s.name),
           format('%s has no index that begins with column "%s": each write of an event reads all events',
                  s.relation, s.contact_id),
           format('CREATE INDEX ON %s (%I).', s.relation, s.contact_id)
      FROM lead_scoring.event_source AS s
     WHERE s.model = index_problems.model
       AND NOT lead_scoring.has_index(to_regclass(s.relation), s.contact_id)
    UNION ALL
    SELECT format('lookup "%s"', l.alias),
           format('%s has no index that begins with column "%s": each write of a row of %s reads all contacts',
                  lead_scoring.contacts_of(l.model), l.contact_column, l.relation),
           format('CREATE INDEX ON %s (%I).', lead_scoring.contacts_of(l.model), l.contact_column)
      FROM lead_scoring.lookup AS l
      JOIN pg_class AS c ON c.oid = to_regclass(l.relation) AND c.relkind IN ('r', 'p')
     WHERE l.model = index_problems.model
       AND NOT lead_scoring.has_index(lead_scoring.contacts_of(l.model), l.contact_column)
    UNION ALL
    -- Triggers know contacts by keys that are numbers, uuids or texts, as the contacts' are.
    SELECT format('event source "%s"', s.name),
           format('column "%s" of %s has type %s, and the key of the contacts %s: each write of an event makes all contacts wait for refresh()',
                  s.contact_id, s.relation, format_type(theirs.type, NULL), format_type(ours.type, NULL)),
           format('ALTER TABLE %s ALTER COLUMN %I TYPE %s.', s.relation, s.contact_id, format_type(ours.type, NULL))
      FROM lead_scoring.event_source AS s
      JOIN lead_scoring.model AS m ON m.name = s.model
     CROSS JOIN LATERAL (SELECT a.atttypid,
                                CASE WHEN base.oid = ANY ('{int2,int4,int8}'::regtype[]) THEN 'int8'::regtype
                                     WHEN base.oid = 'varchar'::regtype THEN 'text'::regtype ELSE base.oid::regtype END
                           FROM pg_class AS c
                           JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = m.contact_id
                           JOIN pg_type AS t ON t.oid = a.atttypid
                           JOIN pg_type AS base ON base.oid = coalesce(nullif(t.typbasetype, 0), t.oid)
                          WHERE c.oid = lead_scoring.contacts_of(m.name) AND c.relkind IN ('r', 'p')) AS ours (type, kind)
     CROSS JOIN LATERAL (SELECT a.atttypid,
                                CASE WHEN base.oid = ANY ('{int2,int4,int8}'::regtype[]) THEN 'int8'::regtype
                                     WHEN base.oid = 'varchar'::regtype THEN 'text'::regtype ELSE base.oid::regtype END
                           FROM pg_class AS c
                           JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = s.contact_id
                           JOIN pg_type AS t ON t.oid = a.atttypid
                           JOIN pg_type AS base ON base.oid = coalesce(nullif(t.typbasetype, 0), t.oid)
                          WHERE c.oid = to_regclass(s.relation) AND c.relkind IN ('r', 'p')) AS theirs (type, kind)
     WHERE s.model = index_problems.model AND ours.kind <> theirs.kind;
END;
COMMENT ON FUNCTION lead_scoring.index_problems(text) IS
    'Event sources and lookups of the model of which those that belong together cannot be found by an index, or not be told by a trigger.';
