-- What the report views are made of.

CREATE FUNCTION lead_scoring.column_text("row" record, "column" name) RETURNS text
    AS 'MODULE_PATHNAME', 'ls_sql_column_text'
    -- STABLE: as a value is written, so it depends on DateStyle and the like.
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.column_text(record, name) IS
    'Value of a column of a row, by its name, as text. NULL where it is null, or the row has no such column.';

CREATE FUNCTION lead_scoring.seconds(duration interval) RETURNS float8
    AS 'MODULE_PATHNAME', 'ls_sql_seconds'
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.seconds(interval) IS
    'Length of an interval in seconds, a month being 30 days and a day 86,400 seconds, as in rules. NULL for NULL.';

CREATE TYPE lead_scoring.milestone_reached AS (
    names text[],
    reached_at timestamptz
);
COMMENT ON TYPE lead_scoring.milestone_reached IS 'Milestones that an event reaches.';
COMMENT ON COLUMN lead_scoring.milestone_reached.names IS 'Their names.';
COMMENT ON COLUMN lead_scoring.milestone_reached.reached_at IS 'When the event happened.';

CREATE FUNCTION lead_scoring.milestones_of(event record, model text, source text)
    RETURNS lead_scoring.milestone_reached
    AS 'MODULE_PATHNAME', 'ls_sql_milestones_of'
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.milestones_of(record, text, text) IS
    'Which of the model''s milestones an event of the source reaches, and when. NULL: none, or it does not count.';

CREATE TYPE lead_scoring.deal AS (
    contact_id text,
    amount float8,
    opened_at timestamptz,
    closed_at timestamptz,
    won boolean
);
COMMENT ON TYPE lead_scoring.deal IS 'A deal, as lead_scoring.deal_source reads it.';
COMMENT ON COLUMN lead_scoring.deal.contact_id IS 'Key of the contact, as text. NULL: of nobody.';
COMMENT ON COLUMN lead_scoring.deal.amount IS 'What it is worth. NULL: not known.';
COMMENT ON COLUMN lead_scoring.deal.opened_at IS 'When it was opened. NULL: not yet.';
COMMENT ON COLUMN lead_scoring.deal.closed_at IS 'When it was closed. NULL: not yet.';
COMMENT ON COLUMN lead_scoring.deal.won IS 'Was it won? NULL: that is open.';

CREATE FUNCTION lead_scoring.deal_of(deal record, model text, relation text)
    RETURNS lead_scoring.deal
    AS 'MODULE_PATHNAME', 'ls_sql_deal_of'
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.deal_of(record, text, text) IS
    'A row of the relation that holds the model''s deals, read as lead_scoring.deal_source says. It raises where they are in another relation by now: activate() must be called.';

CREATE FUNCTION lead_scoring.same_deals(model text, relation text, contact_id text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'ls_sql_same_deals'
    LANGUAGE c STABLE PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.same_deals(text, text, text) IS
    'True where the model''s deals are in this relation (NULL: nowhere) and say so whose they are; else it raises: activate() must be called. NULL for a NULL model.';

CREATE FUNCTION lead_scoring.stored_state(
    state lead_scoring.engagement, moment timestamptz, model text
) RETURNS lead_scoring.engagement
    AS 'MODULE_PATHNAME', 'ls_sql_stored_state'
    LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION lead_scoring.stored_state(lead_scoring.engagement, timestamptz, text) IS
    'The state, where it was made by the rules of now and says what the contact had done by the moment. NULL: the events must be read.';

CREATE TYPE lead_scoring.report AS (
    suffix text,
    about text,
    columns text[],
    query text
);
COMMENT ON TYPE lead_scoring.report IS
    'A report view of every model. Its query names what the model is in braces: see lead_scoring.report_query().';
COMMENT ON COLUMN lead_scoring.report.suffix IS 'The view is called <model>_<suffix>.';
COMMENT ON COLUMN lead_scoring.report.about IS 'Comment on the view.';
COMMENT ON COLUMN lead_scoring.report.columns IS
    'Its columns before those of the segments: each name followed by its comment.';
COMMENT ON COLUMN lead_scoring.report.query IS 'What it selects.';

-- The functions below write parts of queries with names in braces, for report_query();
-- a brace of the user's is written {open}.

-- people_sql(model): those whom the model scores, as of the clock: contact_id, the
-- contact's row, since, entered_at, enrolled_at, stage_now, what is stored, and the
-- segments as s1, s2, ... Whoever has a score that is kept and made by the rules of now is
-- one of them; of the others <model>_scored decides the same way.
CREATE FUNCTION lead_scoring.people_sql(model text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format($sql$(
        SELECT contact.{id} AS contact_id, contact.*::{contact} AS contact,
            lead_scoring.contact_since(contact.*, {model}) AS since,
            coalesce(lead_scoring.contact_since(contact.*, {model}),
                     CASE WHEN score.enrolled_at <= lead_scoring.as_of() THEN score.enrolled_at END) AS entered_at,
            score.enrolled_at, score.problem, score.engagement_state,
            coalesce(CASE WHEN (SELECT m.stage_column FROM lead_scoring.model AS m WHERE m.name = {model}) IS NULL
                          THEN score.stage
                          ELSE lead_scoring.column_text(contact.*,
                              (SELECT m.stage_column FROM lead_scoring.model AS m WHERE m.name = {model})) END,
                     {first stage}) AS stage_now%1$s
        FROM {contact} AS contact
        LEFT JOIN {score} AS score ON score.contact_id = contact.{id}
        WHERE contact.{id} IS NOT NULL
          AND CASE WHEN %2$s (score.problem IS NOT NULL OR score.stamp = lead_scoring.model_stamp({model})) THEN true
                   ELSE lead_scoring.try_in_population(contact.*, {model}) END
          AND NOT (EXISTS (SELECT FROM {adjustment})
                   AND EXISTS (SELECT FROM {adjustment} AS a
                                WHERE a.contact_id = contact.{id} AND a.kind = 'exclude'
                                  AND a.valid_from <= lead_scoring.as_of()
                                  AND (a.valid_until > lead_scoring.as_of()) IS NOT FALSE))
          AND (lead_scoring.contact_since(contact.*, {model}) <= lead_scoring.as_of()) IS NOT FALSE
    )$sql$,
        (SELECT string_agg(format(E',\n            lead_scoring.column_text(contact.*, %L) AS s%s',
                                  replace(s.name, '{', '{open}'), s.place), '' ORDER BY s.place)
           FROM unnest(m.segments) WITH ORDINALITY AS s (name, place)),
        CASE WHEN lead_scoring.is_watched(m.name) THEN '' ELSE 'false AND' END)
      FROM lead_scoring.model AS m WHERE m.name = people_sql.model;
END;
COMMENT ON FUNCTION lead_scoring.people_sql(text) IS
    'The part of report views that gives the contacts, with their segments. NULL for a NULL name.';

-- The same, for who groups all of them by their segments: the planner takes those for few.
CREATE FUNCTION lead_scoring.everyone_sql(model text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT regexp_replace(lead_scoring.people_sql(everyone_sql.model), '\)$', E'    OFFSET 0\n    )');
END;
COMMENT ON FUNCTION lead_scoring.everyone_sql(text) IS
    'people_sql(), read as a whole. NULL for a NULL name.';

-- state_then_sql(model): the state of one of `people`, p, as of at.moment: the stored one
-- where that is kept by triggers and will do, else from the events that by_hand has left.
CREATE FUNCTION lead_scoring.state_then_sql(model text) RETURNS text
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    events text := lead_scoring.state_sql(model, 'p.contact_id', 'at.moment', 'by_hand.reset_at');
BEGIN
    events := replace(events, '{', '{open}');
    IF NOT lead_scoring.is_watched(model) THEN
        RETURN events;
    END IF;
    RETURN format('CASE WHEN stored.state IS NOT NULL THEN stored.state ELSE %s END', events);
END
$$;
COMMENT ON FUNCTION lead_scoring.state_then_sql(text) IS
    'The part of report views that gives the engagement state of a moment. NULL for a NULL name.';

-- milestones_sql(model): contact_id, milestone, reached_at of events up to the clock.
CREATE FUNCTION lead_scoring.milestones_sql(model text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT coalesce('(' || string_agg(format($sql$
        SELECT contact.{id} AS contact_id, unnest((event.reached).names) AS milestone,
            (event.reached).reached_at AS reached_at
        FROM (SELECT event.%s AS contact_id, lead_scoring.milestones_of(event.*, {model}, %L) AS reached
              FROM %s AS event OFFSET 0) AS event
        JOIN {contact} AS contact ON contact.{id} = event.contact_id
        WHERE (event.reached).reached_at <= lead_scoring.as_of()
          AND lead_scoring.same_sources({model}, %s)$sql$,
            replace(quote_ident(s.contact_id), '{', '{open}'), replace(s.name, '{', '{open}'),
            replace(s.relation, '{', '{open}'), lead_scoring.sources_stamp(milestones_sql.model)),
        E'\n        UNION ALL' ORDER BY s.name) || E'\n    )',
        format($sql$(
        SELECT contact.{id} AS contact_id, NULL::text AS milestone, NULL::timestamptz AS reached_at
        FROM {contact} AS contact
        WHERE false AND lead_scoring.same_sources({model}, %s)
    )$sql$, lead_scoring.sources_stamp(milestones_sql.model)))
      FROM lead_scoring.event_source AS s WHERE s.model = milestones_sql.model;
END;
COMMENT ON FUNCTION lead_scoring.milestones_sql(text) IS
    'The part of report views that gives who reached which milestone when. NULL for a NULL name.';

CREATE FUNCTION lead_scoring.by_hand_then_sql(model text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT replace(lead_scoring.by_hand_sql(by_hand_then_sql.model, 'p.contact_id', 'at.moment'), '{', '{open}');
END;
COMMENT ON FUNCTION lead_scoring.by_hand_then_sql(text) IS
    'The part of report views that gives what people said of one of those contacts by hand, as of at.moment. NULL for a NULL name.';
