-- Where events are, and what behaviour is worth.

CREATE TABLE lead_scoring.lookup (
    model text COLLATE "C" NOT NULL
        REFERENCES lead_scoring.model ON UPDATE CASCADE ON DELETE CASCADE,
    alias name NOT NULL,
    relation text NOT NULL,
    key name NOT NULL,
    contact_column name NOT NULL,
    PRIMARY KEY (model, alias)
);
COMMENT ON TABLE lead_scoring.lookup IS
    'A relation with at most one row for a contact, such as its company, that conditions may name.';
COMMENT ON COLUMN lead_scoring.lookup.model IS 'The model.';
COMMENT ON COLUMN lead_scoring.lookup.alias IS
    'Name of the relation in conditions, as in company.size > 50.';
COMMENT ON COLUMN lead_scoring.lookup.relation IS 'Qualified name of the relation.';
COMMENT ON COLUMN lead_scoring.lookup.key IS 'Its unique column that the contact refers to.';
COMMENT ON COLUMN lead_scoring.lookup.contact_column IS
    'Column of the contact that holds the key.';

CREATE TABLE lead_scoring.event_source (
    model text COLLATE "C" NOT NULL
        REFERENCES lead_scoring.model ON UPDATE CASCADE ON DELETE CASCADE,
    name text COLLATE "C" NOT NULL DEFAULT 'events' CHECK (name <> ''),
    relation text NOT NULL,
    contact_id name NOT NULL,
    occurred_at name NOT NULL,
    time_zone text,
    condition text,
    activity text,
    PRIMARY KEY (model, name)
);
COMMENT ON TABLE lead_scoring.event_source IS
    'A relation that holds events of the contacts.';
COMMENT ON COLUMN lead_scoring.event_source.model IS 'The model.';
COMMENT ON COLUMN lead_scoring.event_source.name IS 'Name, unique in the model.';
COMMENT ON COLUMN lead_scoring.event_source.relation IS
    'Qualified name of the table, partitioned table or view.';
COMMENT ON COLUMN lead_scoring.event_source.contact_id IS
    'Its column that holds the contact''s key.';
COMMENT ON COLUMN lead_scoring.event_source.occurred_at IS
    'Its column that says when the event happened.';
COMMENT ON COLUMN lead_scoring.event_source.time_zone IS
    'Time zone of occurred_at where its type has none. NULL: that of the model.';
COMMENT ON COLUMN lead_scoring.event_source.condition IS
    'Which events count at all (no bots, no test traffic). NULL: all.';
COMMENT ON COLUMN lead_scoring.event_source.activity IS
    'Which of them count as the contact''s own activity (not sends and bounces). NULL: all.';

CREATE TABLE lead_scoring.engagement_rule (
    model text COLLATE "C" NOT NULL
        REFERENCES lead_scoring.model ON UPDATE CASCADE ON DELETE CASCADE,
    name text COLLATE "C" NOT NULL CHECK (name <> ''),
    group_name text COLLATE "C",
    dimension text NOT NULL DEFAULT 'engagement'
        CHECK (dimension IN ('engagement', 'intent')),
    source text COLLATE "C",
    kind text NOT NULL CHECK (kind IN ('each', 'count', 'inactive', 'sequence', 'streak')),
    condition text,
    points float8 NOT NULL,
    within interval,
    max_count integer,
    at_least integer,
    at_most integer,
    distinct_by text,
    value text,
    "unless" text,
    "after" interval,
    requires text COLLATE "C",
    counts_from timestamptz,
    counts_until timestamptz,
    repeat_every interval,
    if_never text CHECK (if_never IN ('created', 'skip')),
    steps text[],
    step_order text CHECK (step_order IN ('in_order', 'any', 'consecutive')),
    hit text,
    grace interval,
    half_life interval,
    linear_over interval,
    decay_percent float8,
    decay_every interval,
    expires_after interval,
    enabled boolean NOT NULL DEFAULT true,
    description text,
    PRIMARY KEY (model, name),
    FOREIGN KEY (model, group_name)
        REFERENCES lead_scoring.rule_group (model, name) ON UPDATE CASCADE,
    FOREIGN KEY (model, source)
        REFERENCES lead_scoring.event_source (model, name) ON UPDATE CASCADE
);
COMMENT ON TABLE lead_scoring.engagement_rule IS
    'Points for what a contact did, and when. Every interval is a number of seconds; a month has 30 days.';
COMMENT ON COLUMN lead_scoring.engagement_rule.model IS 'The model.';
COMMENT ON COLUMN lead_scoring.engagement_rule.name IS
    'Name, unique among the model''s engagement rules.';
COMMENT ON COLUMN lead_scoring.engagement_rule.group_name IS
    'Group of the same dimension that caps it. NULL: none.';
COMMENT ON COLUMN lead_scoring.engagement_rule.dimension IS
    'engagement or intent: the score that it adds to.';
COMMENT ON COLUMN lead_scoring.engagement_rule.source IS
    'The event source. NULL: the model''s only one; for inactive, activity in any.';
COMMENT ON COLUMN lead_scoring.engagement_rule.kind IS
    'each, count, inactive, sequence or streak.';
COMMENT ON COLUMN lead_scoring.engagement_rule.condition IS
    'Which events match: SQL boolean expression over the event''s columns. NULL: every event.';
COMMENT ON COLUMN lead_scoring.engagement_rule.points IS
    'Points for a match (each) or for all together; may be negative. Finite.';
COMMENT ON COLUMN lead_scoring.engagement_rule.within IS
    'Only matches younger than this count; the span of a sequence; the silence of inactive. NULL: ever.';
COMMENT ON COLUMN lead_scoring.engagement_rule.max_count IS
    'How many of the latest matches count at most. NULL: all.';
COMMENT ON COLUMN lead_scoring.engagement_rule.at_least IS
    'count, streak: how many matches there must be. NULL: any number.';
COMMENT ON COLUMN lead_scoring.engagement_rule.at_most IS
    'count: how many matches there may be. NULL: any number.';
COMMENT ON COLUMN lead_scoring.engagement_rule.distinct_by IS
    'Expression over the event: of matches with equal values only the latest counts. NULL: all count.';
COMMENT ON COLUMN lead_scoring.engagement_rule.value IS
    'each: number over the event that its points are multiplied with; null counts as 0. NULL: 1.';
COMMENT ON COLUMN lead_scoring.engagement_rule."unless" IS
    'Condition: matches at or before the latest event that meets it do not count. NULL: none.';
COMMENT ON COLUMN lead_scoring.engagement_rule."after" IS
    'A match counts only once it is this old. NULL: at once.';
COMMENT ON COLUMN lead_scoring.engagement_rule.requires IS
    'Name of a rule without whose match this one gives nothing. NULL: none.';
COMMENT ON COLUMN lead_scoring.engagement_rule.counts_from IS
    'Earlier events do not count. NULL: all count.';
COMMENT ON COLUMN lead_scoring.engagement_rule.counts_until IS
    'Events from this moment on do not count. NULL: all count.';
COMMENT ON COLUMN lead_scoring.engagement_rule.repeat_every IS
    'inactive: the points come again after each further such time. NULL: once.';
COMMENT ON COLUMN lead_scoring.engagement_rule.if_never IS
    'inactive, without any match: created (silence counts from created_column) or skip. NULL: created without a condition, skip with one.';
COMMENT ON COLUMN lead_scoring.engagement_rule.steps IS
    'sequence: the conditions that must all be met.';
COMMENT ON COLUMN lead_scoring.engagement_rule.step_order IS
    'sequence: in_order, any or consecutive. NULL: in_order.';
COMMENT ON COLUMN lead_scoring.engagement_rule.hit IS
    'streak: condition that the occasion was taken.';
COMMENT ON COLUMN lead_scoring.engagement_rule.grace IS
    'streak: a younger occasion that was not taken yet is left out. NULL: 3 days.';
COMMENT ON COLUMN lead_scoring.engagement_rule.half_life IS
    'each: the points halve every such time. NULL: they do not.';
COMMENT ON COLUMN lead_scoring.engagement_rule.linear_over IS
    'each: the points fall to 0 in a line over this time. NULL: they do not.';
COMMENT ON COLUMN lead_scoring.engagement_rule.decay_percent IS
    'each: percent of the points that go with every decay_every, over 0 to 100. NULL: none.';
COMMENT ON COLUMN lead_scoring.engagement_rule.decay_every IS
    'each: see decay_percent. NULL: no decay in steps.';
COMMENT ON COLUMN lead_scoring.engagement_rule.expires_after IS
    'Full points until the match is this old, then none. NULL: never.';
COMMENT ON COLUMN lead_scoring.engagement_rule.enabled IS 'Does it count?';
COMMENT ON COLUMN lead_scoring.engagement_rule.description IS
    'Why the rule is there. NULL: nobody said.';
