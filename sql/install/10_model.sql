-- The model, and who may see and change it.

CREATE FUNCTION lead_scoring.may_read(model text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'ls_sql_may_read'
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.may_read(text) IS
    'May the current role read the model''s contacts, and so the model? NULL for a NULL name.';

CREATE FUNCTION lead_scoring.may_change(model text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'ls_sql_may_change'
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.may_change(text) IS
    'Is the current role a member of the role that owns the model''s contacts, and so allowed to change the model? NULL for a NULL name.';

CREATE FUNCTION lead_scoring.may_read(model text, contacts text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'ls_sql_may_read'
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.may_read(text, text) IS
    'The same for a row of lead_scoring.model that is being written: by its relation where the model is not there yet.';

CREATE FUNCTION lead_scoring.may_change(model text, contacts text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'ls_sql_may_change'
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.may_change(text, text) IS
    'The same for a row of lead_scoring.model that is being written: by its relation where the model is not there yet.';

CREATE FUNCTION lead_scoring.contacts_of(model text) RETURNS regclass
    AS 'MODULE_PATHNAME', 'ls_sql_contacts_of'
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.contacts_of(text) IS
    'The relation that the model scores, whatever its name is now. NULL: it is gone.';

CREATE FUNCTION lead_scoring.objects_schema(model text) RETURNS name
    AS 'MODULE_PATHNAME', 'ls_sql_objects_schema'
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.objects_schema(text) IS
    'The schema that the model''s tables and views are in, under whatever name it has now. NULL: there are none yet.';

CREATE TABLE lead_scoring.model (
    name text COLLATE "C" PRIMARY KEY
        CHECK (name <> '' AND octet_length(name) <= 40),
    contacts text NOT NULL,
    contact_id name NOT NULL,
    stage_column name,
    created_column name,
    population text,
    fit_weight float8 NOT NULL DEFAULT 1,
    engagement_weight float8 NOT NULL DEFAULT 1,
    intent_weight float8 NOT NULL DEFAULT 1,
    fit_floor float8,
    fit_ceiling float8,
    engagement_floor float8,
    engagement_ceiling float8,
    intent_floor float8,
    intent_ceiling float8,
    total_floor float8,
    total_ceiling float8,
    status text NOT NULL DEFAULT 'draft'
        CHECK (status IN ('draft', 'active', 'shadow', 'archived')),
    time_zone text NOT NULL DEFAULT 'UTC',
    segments name[] NOT NULL DEFAULT '{}',
    search_path text NOT NULL DEFAULT 'pg_catalog, pg_temp',
    objects_schema name,
    owner name,
    scored_stamp bigint,
    mixed_until xid8,
    description text,
    created_at timestamptz NOT NULL DEFAULT now(),
    reviewed_at timestamptz,
    CHECK (fit_floor <= fit_ceiling),
    CHECK (engagement_floor <= engagement_ceiling),
    CHECK (intent_floor <= intent_ceiling),
    CHECK (total_floor <= total_ceiling)
);
COMMENT ON TABLE lead_scoring.model IS
    'A scoring model of one relation: contacts, companies, deals, anything with a key. Made by create_model(); whoever owns the relation may change it.';
COMMENT ON COLUMN lead_scoring.model.name IS
    'Name of the model, at most 40 bytes. Its tables and views are called <name>_...';
COMMENT ON COLUMN lead_scoring.model.contacts IS
    'The relation that is scored: qualified name of a table, partitioned table or view. Of an active model the trigger on the table counts, so that it may be renamed.';
COMMENT ON COLUMN lead_scoring.model.contact_id IS
    'Column of the relation that is its key.';
COMMENT ON COLUMN lead_scoring.model.stage_column IS
    'Column of the relation that holds the lifecycle stage. NULL: the stage is kept in <name>_score.';
COMMENT ON COLUMN lead_scoring.model.created_column IS
    'Column of the relation that says since when the contact is known. NULL: unknown, so that silence before the first event costs nothing.';
COMMENT ON COLUMN lead_scoring.model.population IS
    'Condition that says who is scored at all. NULL: everyone.';
COMMENT ON COLUMN lead_scoring.model.fit_weight IS
    'Factor of the fit score in the total.';
COMMENT ON COLUMN lead_scoring.model.engagement_weight IS
    'Factor of the engagement score in the total.';
COMMENT ON COLUMN lead_scoring.model.intent_weight IS
    'Factor of the intent score in the total.';
COMMENT ON COLUMN lead_scoring.model.fit_floor IS
    'Lowest fit score, in points. NULL: none.';
COMMENT ON COLUMN lead_scoring.model.fit_ceiling IS
    'Highest fit score, in points. NULL: none.';
COMMENT ON COLUMN lead_scoring.model.engagement_floor IS
    'Lowest engagement score, in points. NULL: none.';
COMMENT ON COLUMN lead_scoring.model.engagement_ceiling IS
    'Highest engagement score, in points. NULL: none.';
COMMENT ON COLUMN lead_scoring.model.intent_floor IS
    'Lowest intent score, in points. NULL: none.';
COMMENT ON COLUMN lead_scoring.model.intent_ceiling IS
    'Highest intent score, in points. NULL: none.';
COMMENT ON COLUMN lead_scoring.model.total_floor IS
    'Lowest total, in points. NULL: none.';
COMMENT ON COLUMN lead_scoring.model.total_ceiling IS
    'Highest total, in points. NULL: none.';
COMMENT ON COLUMN lead_scoring.model.status IS
    'draft, active (kept live by triggers), shadow (live, without stage writes and actions) or archived. Set by functions only.';
COMMENT ON COLUMN lead_scoring.model.time_zone IS
    'Time zone of columns without one, and of the months in reports.';
COMMENT ON COLUMN lead_scoring.model.segments IS
    'Columns of the relation that the report views carry.';
COMMENT ON COLUMN lead_scoring.model.search_path IS
    'Schemas in which the names in conditions are looked up, as of create_model().';
COMMENT ON COLUMN lead_scoring.model.objects_schema IS
    'Schema of <name>_score and its other tables and views. NULL: never activated.';
COMMENT ON COLUMN lead_scoring.model.owner IS
    'Role that owned the relation when the model was created or last activated; upkeep runs as it.';
COMMENT ON COLUMN lead_scoring.model.scored_stamp IS
    'Fingerprint of the rules under which everyone was scored last; refresh() sees to it that it is life_stamp(). NULL: never.';
COMMENT ON COLUMN lead_scoring.model.mixed_until IS
    'When all transactions before this one are over, refresh() scores everyone once more: they may have looked at other rules than those of scored_stamp. NULL: nobody has.';
COMMENT ON COLUMN lead_scoring.model.description IS
    'What the model is for. NULL: nobody said.';
COMMENT ON COLUMN lead_scoring.model.created_at IS
    'When the model was created.';
COMMENT ON COLUMN lead_scoring.model.reviewed_at IS
    'When its rules were last looked over. NULL: never.';

CREATE TABLE lead_scoring.rule_group (
    model text COLLATE "C" NOT NULL
        REFERENCES lead_scoring.model ON UPDATE CASCADE ON DELETE CASCADE,
    name text COLLATE "C" NOT NULL CHECK (name <> ''),
    dimension text NOT NULL CHECK (dimension IN ('fit', 'engagement', 'intent')),
    min_points float8,
    max_points float8,
    description text,
    PRIMARY KEY (model, name),
    CHECK (min_points <= max_points)
);
COMMENT ON TABLE lead_scoring.rule_group IS
    'A cap over several rules of one dimension.';
COMMENT ON COLUMN lead_scoring.rule_group.model IS 'The model.';
COMMENT ON COLUMN lead_scoring.rule_group.name IS 'Name, unique in the model.';
COMMENT ON COLUMN lead_scoring.rule_group.dimension IS
    'fit, engagement or intent: that of its rules.';
COMMENT ON COLUMN lead_scoring.rule_group.min_points IS
    'Lowest sum of its rules, in points. NULL: none.';
COMMENT ON COLUMN lead_scoring.rule_group.max_points IS
    'Highest sum of its rules, in points. NULL: none.';
COMMENT ON COLUMN lead_scoring.rule_group.description IS
    'What it is for. NULL: nobody said.';

CREATE TABLE lead_scoring.fit_rule (
    model text COLLATE "C" NOT NULL
        REFERENCES lead_scoring.model ON UPDATE CASCADE ON DELETE CASCADE,
    name text COLLATE "C" NOT NULL CHECK (name <> ''),
    group_name text COLLATE "C",
    condition text NOT NULL,
    points float8 NOT NULL,
    enabled boolean NOT NULL DEFAULT true,
    description text,
    PRIMARY KEY (model, name),
    FOREIGN KEY (model, group_name)
        REFERENCES lead_scoring.rule_group (model, name) ON UPDATE CASCADE
);
COMMENT ON TABLE lead_scoring.fit_rule IS
    'Points for who a contact is: where the condition is true of its row.';
COMMENT ON COLUMN lead_scoring.fit_rule.model IS 'The model.';
COMMENT ON COLUMN lead_scoring.fit_rule.name IS 'Name, unique among the model''s fit rules.';
COMMENT ON COLUMN lead_scoring.fit_rule.group_name IS
    'Group of dimension fit that caps it. NULL: none.';
COMMENT ON COLUMN lead_scoring.fit_rule.condition IS
    'SQL boolean expression over the contact''s columns; as_of is the moment of scoring. Immutable, no subquery. A null counts as not met.';
COMMENT ON COLUMN lead_scoring.fit_rule.points IS
    'Points where the condition is true; may be negative. Finite.';
COMMENT ON COLUMN lead_scoring.fit_rule.enabled IS 'Does it count?';
COMMENT ON COLUMN lead_scoring.fit_rule.description IS
    'Why the rule is there. NULL: nobody said.';

CREATE TABLE lead_scoring.threshold (
    model text COLLATE "C" NOT NULL
        REFERENCES lead_scoring.model ON UPDATE CASCADE ON DELETE CASCADE,
    score text COLLATE "C" NOT NULL
        CHECK (score IN ('total', 'fit', 'engagement', 'intent')),
    label text COLLATE "C" NOT NULL CHECK (label <> ''),
    min_score float8,
    PRIMARY KEY (model, score, label)
);
CREATE UNIQUE INDEX threshold_min_score
    ON lead_scoring.threshold (model, score, coalesce(min_score, '-Infinity'::float8));
COMMENT ON TABLE lead_scoring.threshold IS
    'A label from a score upwards: bands of the total, letters of the fit, digits of the engagement.';
COMMENT ON COLUMN lead_scoring.threshold.model IS 'The model.';
COMMENT ON COLUMN lead_scoring.threshold.score IS
    'Which score: total, fit, engagement or intent.';
COMMENT ON COLUMN lead_scoring.threshold.label IS 'The label, such as very hot.';
COMMENT ON COLUMN lead_scoring.threshold.min_score IS
    'Lowest score that has the label, in points. NULL: below all others.';
