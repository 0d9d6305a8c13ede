-- Row-level security: whoever sees a part of the contacts, events or deals sees in every
-- report what there would be if the rest did not exist.

\ir reports.psql

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'ls_policy_reader') THEN
        DROP OWNED BY ls_policy_reader CASCADE;
        DROP ROLE ls_policy_reader;
    END IF;
    CREATE ROLE ls_policy_reader;
END
$$;

SELECT * FROM no_plan();

INSERT INTO crm.b2b_outbox (contact_id, aggregatetype, aggregateid, type, payload, created_at)
SELECT g, 'b2b', g::text, 'alert', '{}', '2025-01-14 09:00' FROM generate_series(1, 6) AS g;
SELECT lead_scoring.snapshot('b2b') IS NULL AS done \gset
GRANT USAGE ON SCHEMA crm TO ls_policy_reader;
SELECT lead_scoring.reader_grants('b2b', 'ls_policy_reader') \gexec

-- seen(role): every view's rows.
CREATE FUNCTION pg_temp.seen(role name) RETURNS TABLE (view text, rows text) LANGUAGE plpgsql AS $$
BEGIN
    FOR view IN SELECT o.suffix FROM lead_scoring.objects('b2b') AS o WHERE o.kind = 'v' ORDER BY 1 LOOP
        PERFORM set_config('role', role, true);
        EXECUTE format('SELECT string_agg(q::text, E''\n'' ORDER BY q::text) FROM crm.%I AS q', 'b2b_' || view) INTO rows;
        PERFORM set_config('role', 'none', true);
        RETURN NEXT;
    END LOOP;
END
$$;
CREATE TEMP TABLE reader (view text, rows text);
-- What a superuser sees now, and the reader saw then.
CREATE FUNCTION pg_temp.same_as(what text, unless text DEFAULT '') RETURNS SETOF text LANGUAGE sql AS $$
    SELECT is(r.rows, n.rows, format('%s: %s', n.view, what))
      FROM pg_temp.seen('none') AS n JOIN reader AS r USING (view) WHERE n.view <> unless ORDER BY n.view
$$;

CREATE TEMP TABLE everything AS SELECT * FROM pg_temp.seen('none');
INSERT INTO reader SELECT * FROM pg_temp.seen('ls_policy_reader');
SELECT pg_temp.same_as('the reader sees all at first');

-- ----------------------------------------------------------------- contacts

ALTER TABLE crm.contacts ENABLE ROW LEVEL SECURITY;
CREATE POLICY french ON crm.contacts FOR SELECT TO ls_policy_reader USING (country = 'FR');
TRUNCATE reader;
INSERT INTO reader SELECT * FROM pg_temp.seen('ls_policy_reader');
SELECT is((SELECT count(*) FROM reader AS r JOIN everything AS e USING (view) WHERE r.rows IS DISTINCT FROM e.rows),
          (SELECT count(*) FROM everything), 'with a policy on contacts every view changes');
SET ROLE ls_policy_reader;
SELECT throws_ok(format(call, 3), 'P0002', NULL, 'of a hidden contact: ' || call)
  FROM unnest(ARRAY[$$SELECT * FROM lead_scoring.explain('b2b', %s)$$,
                    $$SELECT * FROM lead_scoring.explain_change('b2b', %s, '2025-02-01', '2025-03-01')$$,
                    $$SELECT * FROM lead_scoring.what_next('b2b', %s)$$]) AS call;
SELECT is(sum(contacts), 4::numeric, 'compare() has those that he sees') FROM lead_scoring.compare('b2b', 'b2b');
SELECT isnt_empty($$SELECT * FROM lead_scoring.explain('b2b', 1)$$, 'of one that he sees there is an answer');
RESET ROLE;

BEGIN;
DELETE FROM crm.contacts WHERE country <> 'FR';
SELECT lead_scoring.flush() \g /dev/null
SELECT pg_temp.same_as('as if there were no others');
ROLLBACK;

-- ------------------------------------------------------------ events, deals

ALTER TABLE crm.contacts DISABLE ROW LEVEL SECURITY;
ALTER TABLE crm.events ENABLE ROW LEVEL SECURITY;
CREATE POLICY visits ON crm.events FOR SELECT TO ls_policy_reader USING (type <> 'call' OR contact_id <> 2);
ALTER TABLE crm.deals ENABLE ROW LEVEL SECURITY;
CREATE POLICY small ON crm.deals FOR SELECT TO ls_policy_reader USING (amount < 600);
TRUNCATE reader;
INSERT INTO reader SELECT * FROM pg_temp.seen('ls_policy_reader');
SELECT is((SELECT string_agg(view, ' ' ORDER BY view) FROM reader AS r JOIN everything AS e USING (view) WHERE r.rows IS DISTINCT FROM e.rows),
          'deals lift monthly pipeline response rule_stats velocity', 'with policies on events and deals, those change that show them');
BEGIN;
DELETE FROM crm.deals WHERE NOT coalesce(amount < 600, false);
DELETE FROM crm.events WHERE type = 'call' AND contact_id = 2;
SELECT lead_scoring.flush() \g /dev/null
-- Scores are of all events, whoever looks at them.
SELECT pg_temp.same_as('as if there were no others', 'scored');
ROLLBACK;

SELECT is(r.rows, e.rows, 'scores are as they are kept, of all events')
  FROM reader AS r JOIN everything AS e USING (view) WHERE view = 'scored';

-- ------------------------------------------------------- the tables themselves

-- As README.md says: whoever may read the views may read the tables behind them, and a policy
-- of their own hides there what is hidden of the contacts.
ALTER TABLE crm.contacts ENABLE ROW LEVEL SECURITY;
SET ROLE ls_policy_reader;
SELECT is(count(*), 6::bigint, 'the table of scores has no policy of its own') FROM crm.b2b_score;
RESET ROLE;
SELECT format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY; CREATE POLICY as_contacts ON %1$s FOR SELECT USING (contact_id IN (SELECT id FROM crm.contacts))', name)
  FROM lead_scoring.objects('b2b') WHERE suffix IN ('score', 'stage_history', 'score_history', 'score_daily', 'adjustment', 'outbox', 'queue') \gexec
TRUNCATE reader;
INSERT INTO reader SELECT * FROM pg_temp.seen('ls_policy_reader');
SET ROLE ls_policy_reader;
SELECT is(count(*), 4::bigint, 'but may be given one') FROM crm.b2b_score;
SELECT is(count(*), 0::bigint, 'history, too') FROM crm.b2b_stage_history WHERE contact_id = 3;
RESET ROLE;
BEGIN;
DELETE FROM crm.deals WHERE NOT coalesce(amount < 600, false);
DELETE FROM crm.events WHERE type = 'call' AND contact_id = 2;
DELETE FROM crm.contacts WHERE country <> 'FR';
SELECT lead_scoring.flush() \g /dev/null
SELECT pg_temp.same_as('the same with policies there', 'scored');
ROLLBACK;
UPDATE crm.contacts SET title = 'CEO' WHERE id = 2;
SELECT is(fit, 40::float8, 'which do not hold for upkeep') FROM crm.b2b_score WHERE contact_id = 2;

SELECT * FROM finish();
DROP OWNED BY ls_policy_reader CASCADE;
DROP ROLE ls_policy_reader;
