-- Updates of columns that no rule looks at fire no trigger; all others do.

\ir live.psql

SELECT plan(40);

-- fired(statement): how often the triggers of a statement are called.
CREATE FUNCTION fired(statement text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    line text;
    calls bigint := 0;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || statement LOOP
        calls := calls + coalesce((regexp_match(line, 'Trigger (?!.*statement).*calls=(\d+)'))[1]::bigint, 0);
    END LOOP;
    RETURN calls;
END
$$;
-- How the scores of a model differ from what plain SQL says.
CREATE FUNCTION wrong(model text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM %s AS s FULL JOIN (%s) AS t USING (contact_id)
                     WHERE (s.fit, s.total) IS DISTINCT FROM (t.fit, t.total)',
                   object_of(model, '_score'), lead_scoring.to_sql(model)) INTO n USING now();
    RETURN n + (SELECT count(*) FROM lead_scoring.verify(model));
END
$$;

CREATE TABLE firm (id int PRIMARY KEY, size int);
INSERT INTO firm VALUES (1, 10), (2, 20);
CREATE TABLE person (id int PRIMARY KEY, title text, size int, note text, other text, firm int, born timestamptz);
CREATE INDEX ON person (firm);
INSERT INTO person SELECT g, 'clerk', g, 'n', 'o', 1, now() FROM generate_series(1, 5) AS g;
SELECT lead_scoring.create_model('m', 'person', 'id', created_column => 'born') IS NULL AS done \g /dev/null
INSERT INTO lead_scoring.lookup (model, alias, relation, key, contact_column)
VALUES ('m', 'company', 'public.firm', 'id', 'firm');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES
    ('m', 'boss', $$title = 'CEO'$$, 10), ('m', 'big', 'size > 50', 5), ('m', 'firm', 'company.size > 15', 3);
SELECT lead_scoring.activate('m') IS NULL AS done \g /dev/null

-- ------------------------------------------------------------- which do

-- What the session knows of the model it knows from the first row on.
UPDATE person SET size = 7 WHERE id = 1;
SELECT is(fired('UPDATE person SET note = note || note'), 0::bigint, 'a column that no rule looks at: none fires');
SELECT is(fired('UPDATE person SET note = note, other = other'), 0::bigint, 'nor for two of them');
SELECT is(fired('UPDATE person SET title = title'), 5::bigint, 'one that a rule looks at: all do');
SELECT is(fired($$UPDATE person SET note = 'x', size = 60 WHERE id = 2$$), 1::bigint, 'both in one command');
SELECT is(fired('UPDATE person SET firm = 2 WHERE id = 3'), 1::bigint, 'what a lookup is by');
SELECT is(fired($$UPDATE person SET born = now() - interval '1 day' WHERE id = 3$$), 1::bigint, 'the time of birth');
SELECT is(fired('UPDATE person SET id = 6 WHERE id = 5'), 1::bigint, 'the key');
SELECT is(fired($$INSERT INTO person (id, note) VALUES (7, 'new')$$), 1::bigint, 'a new row');
SELECT is(fired('DELETE FROM person WHERE id = 7'), 1::bigint, 'a row that goes');
SELECT is(fired($$INSERT INTO person (id, note) VALUES (1, 'y') ON CONFLICT (id) DO UPDATE SET note = excluded.note$$), 0::bigint,
    'ON CONFLICT: not for a column that no rule looks at');
SELECT is(fired($$INSERT INTO person (id, note) VALUES (8, 'y') ON CONFLICT (id) DO UPDATE SET note = excluded.note$$), 1::bigint,
    'for the row that is new it does');
SELECT is(fired($$INSERT INTO person (id, size) VALUES (1, 70) ON CONFLICT (id) DO UPDATE SET size = excluded.size$$), 1::bigint,
    'and for a column that one does');
SELECT is(fired($$WITH gone AS (DELETE FROM person WHERE id = 8 RETURNING id) UPDATE person SET note = 'z' WHERE id <> 8$$), 1::bigint,
    'of two commands in one, the one that counts');
SELECT is(wrong('m'), 0::bigint, 'all scores are right');

-- ---------------------------------------------------- when the rules change

PREPARE change(text) AS UPDATE person SET note = $1 WHERE id = 1;
EXECUTE change('a');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('m', 'note', $$note = 'good'$$, 100);
CALL lead_scoring.refresh('m');
EXECUTE change('good');
SELECT is((SELECT total FROM m_score WHERE contact_id = 1), 105::float8,
    'a command that is prepared fires for what it did not, once a rule looks at it');
SELECT is(fired($$UPDATE person SET note = 'bad' WHERE id = 1$$), 1::bigint, 'so does each');
DELETE FROM lead_scoring.fit_rule WHERE model = 'm' AND name = 'note';
CALL lead_scoring.refresh('m');
UPDATE person SET size = size;
SELECT is(fired($$UPDATE person SET note = 'good' WHERE id = 1$$), 0::bigint, 'and not, when none does any more');
ALTER TABLE person RENAME COLUMN note TO remark;
ALTER TABLE person RENAME COLUMN other TO note;
UPDATE person SET size = size;
SELECT is(fired($$UPDATE person SET remark = 'r', note = 'r'$$), 0::bigint, 'names may change');
SELECT is(wrong('m'), 0::bigint, 'all scores are right');
-- In the transaction that changes the rules, too.
BEGIN;
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('m', 'note', $$remark = 'good'$$, 100);
UPDATE person SET remark = 'good' WHERE id = 2;
COMMIT;
SELECT is((SELECT total FROM m_scored WHERE contact_id = 2), 105::float8, 'rules and rows in one transaction');
CALL lead_scoring.refresh('m');
SELECT is(wrong('m'), 0::bigint, 'all scores are right');

-- --------------------------------------------------- what others do to a row

CREATE FUNCTION set_size() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    new.size := 99;
    RETURN new;
END
$$;
CREATE TRIGGER set_size BEFORE UPDATE ON person FOR EACH ROW EXECUTE FUNCTION set_size();
SELECT is(fired($$UPDATE person SET note = 'q' WHERE id = 4$$), 2::bigint, 'a trigger of the owner''s may change others: it fires');
SELECT is((SELECT total FROM m_score WHERE contact_id = 4), 5::float8, 'and has');
DROP TRIGGER set_size ON person;
UPDATE person SET size = size;
SELECT is(fired($$UPDATE person SET note = 'q' WHERE id = 4$$), 0::bigint, 'without it, it does not');
ALTER TABLE person ADD COLUMN length int GENERATED ALWAYS AS (length(note)) STORED;
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('m', 'long', 'length > 3', 50);
CALL lead_scoring.refresh('m');
UPDATE person SET note = 'long enough' WHERE id = 4;
SELECT is((SELECT total FROM m_score WHERE contact_id = 4), 55::float8, 'a generated column may follow from it: it fires');
SELECT is(wrong('m'), 0::bigint, 'all scores are right');
ALTER TABLE person DROP COLUMN length CASCADE;
DELETE FROM lead_scoring.fit_rule WHERE model = 'm' AND name = 'long';
CALL lead_scoring.refresh('m');

-- Triggers of the owner's are his own, whatever their argument.
CREATE TABLE seen (id int, by text);
CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO seen VALUES (new.id, tg_argv[0]);
    RETURN NULL;
END
$$;
CREATE TRIGGER see AFTER UPDATE ON person FOR EACH ROW EXECUTE FUNCTION see('m');
CREATE TRIGGER a_see AFTER UPDATE OF note ON person FOR EACH ROW EXECUTE FUNCTION see('first');
UPDATE person SET size = size WHERE id = 1;
UPDATE person SET note = 'seen' WHERE id = 1;
SELECT results_eq('SELECT by, count(*) FROM seen GROUP BY by ORDER BY by', $$VALUES ('first', 1::bigint), ('m', 2)$$,
    'triggers of others fire all the same');
DROP TRIGGER see ON person;
DROP TRIGGER a_see ON person;

-- ------------------------------------------- several models, tables of parts

SELECT lead_scoring.create_model('second', 'person', 'id') IS NULL AS done \g /dev/null
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('second', 'note', $$note = 'good'$$, 1);
SELECT lead_scoring.activate('second') IS NULL AS done \g /dev/null
UPDATE person SET size = size;
SELECT is(fired($$UPDATE person SET note = 'good' WHERE id = 1$$), 1::bigint, 'of two models one looks at it');
SELECT is((SELECT total FROM second_score WHERE contact_id = 1), 1::float8, 'and counts it');
SELECT is(wrong('m') + wrong('second'), 0::bigint, 'all scores are right');

CREATE TABLE people (id int PRIMARY KEY, size int, gone text, note text) PARTITION BY RANGE (id);
ALTER TABLE people DROP COLUMN gone;
CREATE TABLE people_1 (note text, id int NOT NULL, size int);
ALTER TABLE people ATTACH PARTITION people_1 FOR VALUES FROM (0) TO (10);
CREATE TABLE people_2 PARTITION OF people FOR VALUES FROM (10) TO (20);
INSERT INTO people VALUES (1, 60, 'n'), (11, 60, 'n');
SELECT lead_scoring.create_model('parts', 'people', 'id') IS NULL AS done \g /dev/null
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('parts', 'big', 'size > 50', 5);
SELECT lead_scoring.activate('parts') IS NULL AS done \g /dev/null
UPDATE people SET size = 61;
SELECT is(fired($$UPDATE people SET note = 'x'$$), 0::bigint, 'partitions: none fires');
SELECT is(fired($$UPDATE people SET size = 1 WHERE id = 1$$) + fired($$UPDATE people_2 SET size = 1$$), 2::bigint,
    'but for what a rule looks at, in each by its own columns');
SELECT is(fired($$UPDATE people_1 SET note = 'y'$$) + fired($$UPDATE people_2 SET note = 'y'$$), 0::bigint,
    'as each is written alone');
SELECT is(wrong('parts'), 0::bigint, 'all scores are right');

SELECT is(fired('UPDATE people SET id = 12 WHERE id = 1'), 2::bigint, 'a row that moves is deleted here, and inserted there');
SELECT is(wrong('parts'), 0::bigint, 'all scores are right');

-- ---------------------------------------------------- by way of something else

CREATE VIEW short AS SELECT id, size AS length, note AS hint FROM person;
UPDATE person SET size = size;
SELECT is(fired('UPDATE short SET length = 80 WHERE id = 2'), 1::bigint, 'a view: the trigger of the model that looks at it');
SELECT is(fired($$WITH changed AS (UPDATE short SET length = 81 WHERE id = 2 RETURNING id) SELECT FROM changed$$), 1::bigint, 'in a CTE');
CREATE FUNCTION change(id int) RETURNS void LANGUAGE sql BEGIN ATOMIC
    UPDATE short SET length = 82 WHERE short.id = change.id;
END;
SELECT change(2) IS NULL AS done \g /dev/null
ALTER TABLE person ADD FOREIGN KEY (firm) REFERENCES firm ON UPDATE CASCADE;
UPDATE firm SET id = 3 WHERE id = 2;
DO $$
DECLARE
    c CURSOR FOR SELECT FROM person WHERE id = 4 FOR UPDATE;
BEGIN
    OPEN c;
    MOVE c;
    UPDATE person SET size = 90 WHERE CURRENT OF c;
END
$$;
SELECT results_eq('SELECT contact_id, total FROM m_score WHERE contact_id IN (2, 3, 4) ORDER BY 1', 'VALUES (2, 105::float8), (3, 3), (4, 5)',
    'a function, a foreign key, a cursor');
SELECT is(wrong('m') + wrong('second'), 0::bigint, 'all scores are right');

SELECT * FROM finish();
