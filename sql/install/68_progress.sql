-- How far runs of refresh and rescore have come, and where they were interrupted.

CREATE TABLE lead_scoring.progress_row (
    id bigint PRIMARY KEY,
    model text NOT NULL REFERENCES lead_scoring.model ON UPDATE CASCADE ON DELETE CASCADE,
    what text NOT NULL CHECK (what IN ('refresh', 'rescore')),
    pid integer NOT NULL,
    done bigint NOT NULL,
    total bigint,
    started_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    reached text,
    stamp bigint NOT NULL,
    mark bigint NOT NULL,
    fire_actions boolean NOT NULL,
    surveying bigint
);
CREATE INDEX ON lead_scoring.progress_row (model);
COMMENT ON TABLE lead_scoring.progress_row IS
    'Runs of refresh and rescore that have gone on for a while, and those that were interrupted; written with each batch, and before a long query. Not dumped.';
COMMENT ON COLUMN lead_scoring.progress_row.id IS 'Number of the run, at random.';
COMMENT ON COLUMN lead_scoring.progress_row.model IS 'The model.';
COMMENT ON COLUMN lead_scoring.progress_row.what IS 'refresh or rescore.';
COMMENT ON COLUMN lead_scoring.progress_row.pid IS 'Process that runs it, or did.';
COMMENT ON COLUMN lead_scoring.progress_row.done IS 'Contacts looked at so far.';
COMMENT ON COLUMN lead_scoring.progress_row.total IS
    'Contacts that there are to look at, as counted once. NULL: not counted.';
COMMENT ON COLUMN lead_scoring.progress_row.started_at IS 'When it began.';
COMMENT ON COLUMN lead_scoring.progress_row.updated_at IS 'When its last batch was done, or its query began.';
COMMENT ON COLUMN lead_scoring.progress_row.reached IS
    'Key of the last contact done, as text, in the order of keys. NULL: none yet, or another order.';
COMMENT ON COLUMN lead_scoring.progress_row.stamp IS 'Fingerprint of the rules that it scores by.';
COMMENT ON COLUMN lead_scoring.progress_row.mark IS
    'The row of the queue for everyone when it began; 0: none.';
COMMENT ON COLUMN lead_scoring.progress_row.fire_actions IS
    'Does it fire actions for what is true by now?';
COMMENT ON COLUMN lead_scoring.progress_row.surveying IS
    'Contacts, about, that it has been reading in one query since updated_at. NULL: none.';

ALTER TABLE lead_scoring.progress_row ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE, DELETE ON lead_scoring.progress_row TO PUBLIC;
CREATE POLICY read ON lead_scoring.progress_row FOR SELECT
    USING (lead_scoring.may_read(model));
CREATE POLICY change ON lead_scoring.progress_row
    USING (lead_scoring.may_change(model));
COMMENT ON POLICY read ON lead_scoring.progress_row IS
    'Who may read the contacts may see how far their scores are.';
COMMENT ON POLICY change ON lead_scoring.progress_row IS
    'Who owns the contacts runs it.';

-- A run has a lock of its own from its first row on, whatever else it commits. So what
-- was cancelled or killed is no longer shown.
CREATE VIEW lead_scoring.progress WITH (security_invoker = true) AS
SELECT p.id, p.model, p.what, p.pid, p.done, p.total, p.started_at, p.updated_at, p.surveying
  FROM lead_scoring.progress_row AS p
 WHERE EXISTS (
     SELECT FROM pg_locks AS l
      WHERE l.locktype = 'object' AND l.granted AND l.pid = p.pid
        AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
        AND l.classid = 'pg_class'::regclass
        AND l.objid = 'lead_scoring.progress_row'::regclass
        AND l.objsubid = p.id % 32768);
COMMENT ON VIEW lead_scoring.progress IS
    'Runs of refresh and rescore that go on now, from their second second on, as of their last batch, or as they began to survey contacts. Those inside of somebody''s transaction are not shown.';
COMMENT ON COLUMN lead_scoring.progress.id IS 'Number of the run.';
COMMENT ON COLUMN lead_scoring.progress.model IS 'The model.';
COMMENT ON COLUMN lead_scoring.progress.what IS 'refresh or rescore. A refresh that finds everyone due is a rescore.';
COMMENT ON COLUMN lead_scoring.progress.pid IS 'Process that runs it: pg_cancel_backend(pid) interrupts it.';
COMMENT ON COLUMN lead_scoring.progress.done IS 'Contacts looked at so far.';
COMMENT ON COLUMN lead_scoring.progress.total IS 'Contacts that there are to look at, as counted once. NULL: not counted.';
COMMENT ON COLUMN lead_scoring.progress.started_at IS 'When it began.';
COMMENT ON COLUMN lead_scoring.progress.updated_at IS 'When its last batch was done, or its survey began.';
COMMENT ON COLUMN lead_scoring.progress.surveying IS
    'Contacts, about, that a rescore has been reading in one query since updated_at; done stands still meanwhile. NULL: it is not reading so.';
GRANT SELECT ON lead_scoring.progress TO PUBLIC;
