-- Stages, the moves between them, and what they set off.

CREATE TABLE lead_scoring.stage (
    model text COLLATE "C" NOT NULL
        REFERENCES lead_scoring.model ON UPDATE CASCADE ON DELETE CASCADE,
    name text COLLATE "C" NOT NULL CHECK (name <> ''),
    label text,
    position integer NOT NULL,
    outcome text CHECK (outcome IN ('won', 'lost')),
    PRIMARY KEY (model, name),
    UNIQUE (model, position)
);
COMMENT ON TABLE lead_scoring.stage IS 'A stage of the lifecycle.';
COMMENT ON COLUMN lead_scoring.stage.model IS 'The model.';
COMMENT ON COLUMN lead_scoring.stage.name IS
    'The value in the stage column of the contacts.';
COMMENT ON COLUMN lead_scoring.stage.label IS 'What people call it. NULL: its name.';
COMMENT ON COLUMN lead_scoring.stage.position IS 'Its place in the order, from 1.';
COMMENT ON COLUMN lead_scoring.stage.outcome IS
    'won or lost: the end of the road, left alone. NULL: neither.';

CREATE TABLE lead_scoring.transition (
    model text COLLATE "C" NOT NULL
        REFERENCES lead_scoring.model ON UPDATE CASCADE ON DELETE CASCADE,
    from_stage text COLLATE "C" NOT NULL,
    to_stage text COLLATE "C" NOT NULL,
    condition text NOT NULL,
    enabled boolean NOT NULL DEFAULT true,
    description text,
    PRIMARY KEY (model, from_stage, to_stage),
    FOREIGN KEY (model, from_stage)
        REFERENCES lead_scoring.stage (model, name) ON UPDATE CASCADE ON DELETE CASCADE,
    FOREIGN KEY (model, to_stage)
        REFERENCES lead_scoring.stage (model, name) ON UPDATE CASCADE ON DELETE CASCADE,
    CHECK (from_stage <> to_stage)
);
COMMENT ON TABLE lead_scoring.transition IS 'An automatic move from a stage to another.';
COMMENT ON COLUMN lead_scoring.transition.model IS 'The model.';
COMMENT ON COLUMN lead_scoring.transition.from_stage IS 'Stage that is left.';
COMMENT ON COLUMN lead_scoring.transition.to_stage IS 'Stage that is entered.';
COMMENT ON COLUMN lead_scoring.transition.condition IS
    'When: SQL boolean expression over score (fit, engagement, intent, total, band, stage, stage_age, milestones) and contact.';
COMMENT ON COLUMN lead_scoring.transition.enabled IS 'Does it happen?';
COMMENT ON COLUMN lead_scoring.transition.description IS
    'Why it is there. NULL: nobody said.';

CREATE TABLE lead_scoring.milestone (
    model text COLLATE "C" NOT NULL
        REFERENCES lead_scoring.model ON UPDATE CASCADE ON DELETE CASCADE,
    name text COLLATE "C" NOT NULL CHECK (name <> ''),
    source text COLLATE "C" NOT NULL,
    condition text,
    description text,
    PRIMARY KEY (model, name),
    FOREIGN KEY (model, source)
        REFERENCES lead_scoring.event_source (model, name) ON UPDATE CASCADE
);
COMMENT ON TABLE lead_scoring.milestone IS
    'What counts as sales having made contact, a demo asked for, and the like.';
COMMENT ON COLUMN lead_scoring.milestone.model IS 'The model.';
COMMENT ON COLUMN lead_scoring.milestone.name IS 'Name, unique in the model.';
COMMENT ON COLUMN lead_scoring.milestone.source IS 'The event source.';
COMMENT ON COLUMN lead_scoring.milestone.condition IS
    'Which events reach it. NULL: every event.';
COMMENT ON COLUMN lead_scoring.milestone.description IS
    'What it means. NULL: nobody said.';

CREATE TABLE lead_scoring.action (
    model text COLLATE "C" NOT NULL
        REFERENCES lead_scoring.model ON UPDATE CASCADE ON DELETE CASCADE,
    name text COLLATE "C" NOT NULL CHECK (name <> ''),
    condition text NOT NULL,
    on_edge text NOT NULL DEFAULT 'enter' CHECK (on_edge IN ('enter', 'leave', 'change')),
    repeat_after interval CHECK (repeat_after >= '0'),
    max_age interval CHECK (max_age > '0'),
    goal text COLLATE "C",
    goal_within interval NOT NULL DEFAULT '7 days' CHECK (goal_within > '0'),
    channel name CHECK (channel <> ''),
    payload jsonb,
    enabled boolean NOT NULL DEFAULT true,
    description text,
    PRIMARY KEY (model, name),
    FOREIGN KEY (model, goal)
        REFERENCES lead_scoring.milestone (model, name) ON UPDATE CASCADE
);
COMMENT ON TABLE lead_scoring.action IS
    'Something to do when a condition becomes true of a contact: a row in <model>_outbox.';
COMMENT ON COLUMN lead_scoring.action.model IS 'The model.';
COMMENT ON COLUMN lead_scoring.action.name IS 'Name, unique in the model.';
COMMENT ON COLUMN lead_scoring.action.condition IS
    'When: SQL boolean expression over score and contact, as for transitions.';
COMMENT ON COLUMN lead_scoring.action.on_edge IS
    'enter (becomes true), leave (becomes false) or change (both).';
COMMENT ON COLUMN lead_scoring.action.repeat_after IS
    'It may happen again after this time. NULL: once a contact.';
COMMENT ON COLUMN lead_scoring.action.max_age IS
    'It does not happen where the latest match is older. NULL: whatever its age.';
COMMENT ON COLUMN lead_scoring.action.goal IS
    'Milestone that it is to lead to. NULL: none.';
COMMENT ON COLUMN lead_scoring.action.goal_within IS
    'Time in which the goal is to be reached.';
COMMENT ON COLUMN lead_scoring.action.channel IS
    'Channel that is notified at commit. NULL: none.';
COMMENT ON COLUMN lead_scoring.action.payload IS
    'Added to the payload of the outbox row. NULL: nothing.';
COMMENT ON COLUMN lead_scoring.action.enabled IS 'Does it happen?';
COMMENT ON COLUMN lead_scoring.action.description IS
    'Why it is there. NULL: nobody said.';

CREATE TABLE lead_scoring.deal_source (
    model text COLLATE "C" NOT NULL
        REFERENCES lead_scoring.model ON UPDATE CASCADE ON DELETE CASCADE,
    relation text NOT NULL,
    contact_id text NOT NULL,
    amount text NOT NULL,
    created_at text NOT NULL,
    closed_at text NOT NULL,
    won text NOT NULL,
    score_before interval,
    PRIMARY KEY (model)
);
COMMENT ON TABLE lead_scoring.deal_source IS 'Where opportunities and revenue are.';
COMMENT ON COLUMN lead_scoring.deal_source.model IS 'The model.';
COMMENT ON COLUMN lead_scoring.deal_source.relation IS 'Qualified name of the relation.';
COMMENT ON COLUMN lead_scoring.deal_source.contact_id IS
    'Column or expression: the contact''s key.';
COMMENT ON COLUMN lead_scoring.deal_source.amount IS
    'Column or expression: what the deal is worth, in the currency of the reports.';
COMMENT ON COLUMN lead_scoring.deal_source.created_at IS
    'Column or expression: when the deal was opened.';
COMMENT ON COLUMN lead_scoring.deal_source.closed_at IS
    'Column or expression: when it was closed; null while it is open.';
COMMENT ON COLUMN lead_scoring.deal_source.won IS
    'Column or expression: true won, false lost, null open.';
COMMENT ON COLUMN lead_scoring.deal_source.score_before IS
    'Which score is set against the outcome: that of this long before closing. NULL: that of when the deal was opened.';
