-- Live fit beside triggers of the user's own that change, delete, insert again or
-- suppress the rows at hand, and beside triggers on the score table.

\ir live.psql

SELECT plan(221);

-- Rows 1 to 6 go through all statements; a shape says what the trigger does.
CREATE TABLE shape (number int PRIMARY KEY, what text, events text, body text);
INSERT INTO shape VALUES
(1, 'BEFORE changes the row', 'BEFORE INSERT OR UPDATE ON %I FOR EACH ROW',
 $$ NEW.size := NEW.size + 50; RETURN NEW; $$),
(2, 'BEFORE suppresses the write', 'BEFORE INSERT OR UPDATE OR DELETE ON %I FOR EACH ROW',
 $$ IF coalesce(NEW.id, OLD.id) % 2 = 0 THEN RETURN NULL; END IF;
    RETURN coalesce(NEW, OLD); $$),
(3, 'AFTER updates the same row', 'AFTER INSERT OR UPDATE ON %I FOR EACH ROW',
 $$ IF pg_trigger_depth() = 1 THEN
        EXECUTE format('UPDATE %I SET size = size + 50 WHERE id = $1', TG_TABLE_NAME) USING NEW.id;
    END IF; RETURN NULL; $$),
(4, 'AFTER changes the row back', 'AFTER UPDATE ON %I FOR EACH ROW',
 $$ IF pg_trigger_depth() = 1 THEN
        EXECUTE format('UPDATE %I SET size = $1, title = $2 WHERE id = $3', TG_TABLE_NAME)
          USING OLD.size, OLD.title, NEW.id;
    END IF; RETURN NULL; $$),
(5, 'AFTER deletes the row', 'AFTER INSERT OR UPDATE ON %I FOR EACH ROW',
 $$ EXECUTE format('DELETE FROM %I WHERE id = $1 AND id %% 2 = 0', TG_TABLE_NAME) USING NEW.id;
    RETURN NULL; $$),
(6, 'AFTER inserts the row again', 'AFTER DELETE ON %I FOR EACH ROW',
 $$ EXECUTE format('INSERT INTO %I VALUES ($1, $2, 60)', TG_TABLE_NAME) USING OLD.id, OLD.title;
    RETURN NULL; $$),
(7, 'BEFORE replaces the row', 'BEFORE UPDATE ON %I FOR EACH ROW',
 $$ IF pg_trigger_depth() = 1 THEN
        EXECUTE format('DELETE FROM %I WHERE id = $1', TG_TABLE_NAME) USING OLD.id;
        EXECUTE format('INSERT INTO %I VALUES ($1, $2, 100)', TG_TABLE_NAME) USING NEW.id, NEW.title;
        RETURN NULL;
    END IF; RETURN NEW; $$),
(8, 'BEFORE DELETE updates instead', 'BEFORE DELETE ON %I FOR EACH ROW',
 $$ EXECUTE format('UPDATE %I SET size = 1 WHERE id = $1', TG_TABLE_NAME) USING OLD.id;
    RETURN NULL; $$),
(9, 'AFTER STATEMENT updates all rows', 'AFTER INSERT OR UPDATE OR DELETE ON %I',
 $$ IF pg_trigger_depth() = 1 THEN
        EXECUTE format('UPDATE %I SET size = size + 1', TG_TABLE_NAME);
    END IF; RETURN NULL; $$),
(10, 'AFTER updates the row in blocks that fail or not', 'AFTER INSERT OR UPDATE ON %I FOR EACH ROW',
 $$ IF pg_trigger_depth() = 1 THEN
        BEGIN
            EXECUTE format('UPDATE %I SET size = 2 WHERE id = $1', TG_TABLE_NAME) USING NEW.id;
            RAISE division_by_zero;
        EXCEPTION WHEN division_by_zero THEN
            EXECUTE format('UPDATE %I SET size = 3 WHERE id = $1 AND id %% 2 = 0', TG_TABLE_NAME)
              USING NEW.id;
        END;
        BEGIN
            EXECUTE format('UPDATE %I SET title = $2 WHERE id = $1 AND id %% 3 = 0', TG_TABLE_NAME)
              USING NEW.id, 'CEO in a block';
        EXCEPTION WHEN division_by_zero THEN
            RETURN NULL;
        END;
    END IF; RETURN NULL; $$),
(11, 'AFTER changes the key', 'AFTER INSERT ON %I FOR EACH ROW',
 $$ EXECUTE format('UPDATE %1$I SET id = (SELECT max(id) + 100 FROM %1$I) WHERE id = $1 AND id %% 2 = 0',
                   TG_TABLE_NAME)
      USING NEW.id;
    RETURN NULL; $$),
(12, 'a constraint trigger updates at commit',
 'AFTER INSERT OR UPDATE ON %I DEFERRABLE INITIALLY DEFERRED FOR EACH ROW',
 $$ EXECUTE format('UPDATE %I SET size = 60 WHERE id = $1 AND size <> 60', TG_TABLE_NAME)
      USING NEW.id;
    RETURN NULL; $$),
(13, 'AFTER updates the row in a block', 'AFTER INSERT OR UPDATE ON %I FOR EACH ROW',
 $$ IF pg_trigger_depth() = 1 THEN
        EXECUTE format('UPDATE %I SET size = 2 WHERE id = $1', TG_TABLE_NAME) USING NEW.id;
    END IF; RETURN NULL;
    EXCEPTION WHEN division_by_zero THEN RETURN NULL; $$);

SELECT format('CREATE FUNCTION shape_%s() RETURNS trigger LANGUAGE plpgsql AS %L', number,
              'BEGIN ' || body || ' END')
  FROM shape \gexec

-- The model's triggers are called shape_...: those of the user fire before them
-- (a), or after them (z).
SELECT format(statement, name, number, events, what, mode)
  FROM (SELECT *, format('shape_%s_%s_%s', number, first, mode) AS name
          FROM shape, (VALUES ('a'), ('z')) AS f (first),
               (VALUES ('commit'), ('statement')) AS m (mode)) AS s
 CROSS JOIN LATERAL unnest(ARRAY[
    'CREATE TABLE %1$I (id int PRIMARY KEY, title text, size int, note text)',
    'CALL make_live(%1$L, %1$L)',
    CASE WHEN events LIKE '%DEFERRABLE%' THEN 'CREATE CONSTRAINT TRIGGER ' ELSE 'CREATE TRIGGER ' END
        || first || '_user ' || format(events, name) || ' EXECUTE FUNCTION shape_%2$s()',
    'SET lead_scoring.apply = %5$L',
    $$INSERT INTO %1$I SELECT g, CASE WHEN g < 4 THEN 'CEO' END, 10 * g FROM generate_series(1, 6) AS g$$,
    $$SELECT sound(%1$L, '%4$s (%1$s): INSERT')$$,
    $$UPDATE %1$I SET size = size - 5, title = 'vice ' || title WHERE id <> 5$$,
    $$UPDATE %1$I SET note = 'x'$$,
    $$SELECT sound(%1$L, '%4$s (%1$s): UPDATE')$$,
    $$DELETE FROM %1$I WHERE id IN (1, 2, 102)$$,
    $$SELECT sound(%1$L, '%4$s (%1$s): DELETE')$$,
    -- One string is one transaction.
    $$INSERT INTO %1$I VALUES (3, 'CEO', 2), (4, 'CEO', 2), (7, 'CEO', 60), (8, 'CEO', 60)
          ON CONFLICT (id) DO UPDATE SET size = excluded.size, title = 'none';
      UPDATE %1$I SET size = 100 - size WHERE id > 4; DELETE FROM %1$I WHERE id IN (5, 8);
      UPDATE %1$I SET size = 99 WHERE id = 3$$,
    $$SELECT sound(%1$L, '%4$s (%1$s): several')$$,
    'RESET lead_scoring.apply']) WITH ORDINALITY AS t (statement, place)
 ORDER BY name, place \gexec

-- ---------------------------------------------------- triggers on the scores

\echo # triggers on the scores
CREATE TABLE loop (id int PRIMARY KEY, title text, size int, note text);
CALL make_live('loop', 'loop');
CREATE FUNCTION grow() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE loop SET size = size + 25 WHERE id = NEW.contact_id AND size < 60;
    RETURN NULL;
END
$$;
CREATE TRIGGER grow AFTER INSERT OR UPDATE ON loop_score FOR EACH ROW EXECUTE FUNCTION grow();
INSERT INTO loop VALUES (1, 'CEO', 1), (2, NULL, 59);
-- A new row is inserted empty, to be locked, and then filled: the trigger fires twice.
SELECT is(array_agg(size ORDER BY id), '{51,84}', 'a trigger on the scores may write contacts') FROM loop;
SELECT sound('loop', 'which the view shows', false);
SELECT isnt_empty('TABLE loop_queue', 'and whose scores wait in the queue');
CALL lead_scoring.refresh('loop');
CALL lead_scoring.refresh('loop');
CALL lead_scoring.refresh('loop');
SELECT sound('loop', 'until refreshes have come to an end');
DROP TRIGGER grow ON loop_score;

CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'no score for %', NEW.contact_id;
END
$$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON loop_score FOR EACH ROW
    WHEN (NEW.contact_id = 3) EXECUTE FUNCTION refuse();
SET client_min_messages = error;
SELECT lives_ok($$INSERT INTO loop VALUES (3, 'CEO', 60), (4, 'CEO', 60)$$,
                'a trigger on the scores that fails does not stop writes');
SELECT lives_ok($$UPDATE loop SET size = 61$$, 'however many');
RESET client_min_messages;
SELECT sound('loop', 'the view is right', false);
SELECT alike(problems('loop'), '%warning | queue | %wait for refresh()%scores could not be written%',
             'check_model says that scores could not be written');
DROP TRIGGER refuse ON loop_score;
SELECT sound_after_refresh('loop', 'once the trigger is gone');

ALTER TABLE loop_score ADD CONSTRAINT small CHECK (fit < 20) NOT VALID;
SET client_min_messages = error;
SELECT lives_ok($$UPDATE loop SET size = 100$$, 'nor does a constraint of the scores');
RESET client_min_messages;
ALTER TABLE loop_score DROP CONSTRAINT small;
SELECT sound_after_refresh('loop', 'once it is gone');

SELECT * FROM finish();
