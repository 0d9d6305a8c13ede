-- The catalog: everything has a COMMENT, every function the labels that are
-- listed here, every table is dumped, nothing runs with another's rights.

SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on

SELECT plan(12);

-- ----------------------------------------------------------------- comments

-- From 17 on the row types of tables and views and the array types are members
-- too; they are part of what they were made for.
CREATE VIEW pg_temp.member AS
SELECT classid, objid
  FROM pg_depend AS d
 WHERE deptype = 'e' AND refclassid = 'pg_extension'::regclass
   AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'lead_scoring')
   AND NOT (classid = 'pg_type'::regclass
            AND EXISTS (SELECT FROM pg_depend AS i
                         WHERE i.classid = d.classid AND i.objid = d.objid AND i.deptype = 'i'));

SELECT cmp_ok(count(*), '>', 50::bigint, 'the extension has members') FROM pg_temp.member;

SELECT is_empty(
    $$SELECT pg_describe_object(classid, objid, 0) FROM pg_temp.member
       WHERE NOT EXISTS (SELECT FROM pg_description AS d
                          WHERE d.classoid = classid AND d.objoid = objid AND d.objsubid = 0)$$,
    'every member of the extension has a comment');

-- Columns of tables, of views and of composite types.
CREATE FUNCTION pg_temp.columns_without_comment(relations oid[]) RETURNS SETOF text
LANGUAGE sql AS $$
    SELECT format('%s.%I', attrelid::regclass, attname)
      FROM pg_attribute
     WHERE attrelid = ANY (relations) AND attnum > 0 AND NOT attisdropped
       AND col_description(attrelid, attnum) IS NULL
$$;

SELECT is_empty(
    $$SELECT pg_temp.columns_without_comment(array_agg(coalesce(t.typrelid, objid)))
        FROM pg_temp.member
        LEFT JOIN pg_type AS t ON t.oid = objid AND classid = 'pg_type'::regclass
       WHERE classid IN ('pg_class'::regclass, 'pg_type'::regclass)$$,
    'every column has a comment');

SELECT is_empty(
    $$SELECT polname, polrelid::regclass FROM pg_policy
       WHERE polrelid IN (SELECT objid FROM pg_temp.member)
         AND obj_description(oid, 'pg_policy') IS NULL$$,
    'every policy has a comment');

SELECT isnt(obj_description('lead_scoring'::regnamespace, 'pg_namespace'), NULL,
            'the schema has a comment');

SELECT is_empty(
    $$SELECT description FROM pg_description
       WHERE (classoid, objoid) IN (SELECT classid, objid FROM pg_temp.member)
         AND description !~ '^\S.*[.?]$'$$,
    'comments are sentences');

-- What activation makes is documented too.
CREATE TABLE public.contact (id int PRIMARY KEY);
SELECT lead_scoring.create_model('m', 'public.contact', 'id') IS NULL AS done \gset
SELECT lead_scoring.activate('m') IS NULL AS done \gset

SELECT set_eq(
    $$SELECT relname::text FROM pg_class
       WHERE relname ~ '^m_' AND relkind IN ('r', 'v') AND obj_description(oid, 'pg_class') IS NOT NULL$$,
    ARRAY(SELECT 'm_' || suffix FROM lead_scoring.objects('m')),
    'the tables and the view of a model have comments');
SELECT is_empty(
    $$SELECT pg_temp.columns_without_comment(array_agg(oid))
        FROM pg_class WHERE relname ~ '^m_' AND relkind IN ('r', 'v')$$,
    'and so have their columns');

-- ------------------------------------------------------------------- labels

-- A function that reads the configuration or the clock is STABLE. One that may
-- start a subtransaction, or calls one that does, is not PARALLEL SAFE. What
-- writes is VOLATILE and UNSAFE.
CREATE TABLE pg_temp.label (signature text, volatility text, on_null text, parallel text);
INSERT INTO pg_temp.label VALUES
    ('activate(text, boolean, boolean)', 'volatile', 'strict', 'unsafe'),
    ('add_event_source(text, regclass, name, name, text, text, text, text)',
     'volatile', 'called', 'unsafe'),
    ('add_defaults(text)', 'volatile', 'called', 'unsafe'),
    ('add_lookup(text, name, regclass, name, name)', 'volatile', 'called', 'unsafe'),
    ('as_of()', 'stable', 'called', 'safe'),
    ('band(double precision, text)', 'stable', 'strict', 'safe'),
    ('band_rank(double precision, text)', 'stable', 'strict', 'safe'),
    ('check_config()', 'volatile', 'called', 'unsafe'),
    ('check_rules()', 'volatile', 'called', 'unsafe'),
    ('check_model(text)', 'stable', 'strict', 'unsafe'),
    ('config_changed()', 'volatile', 'called', 'unsafe'),
    ('config_restored()', 'volatile', 'called', 'unsafe'),
    ('contact_changed()', 'volatile', 'called', 'unsafe'),
    ('contact_row(record, "any")', 'stable', 'called', 'safe'),
    ('contact_row_sql(text, text)', 'stable', 'strict', 'safe'),
    ('lookup_joins(text, text)', 'stable', 'strict', 'safe'),
    ('create_model(text, regclass, name, name, name, text, text, name[], text, text)',
     'volatile', 'called', 'unsafe'),
    ('current_path()', 'stable', 'called', 'restricted'),
    ('qualified_name(regclass)', 'stable', 'strict', 'safe'),
    ('deactivate(text)', 'volatile', 'strict', 'unsafe'),
    ('deactivation_sql(text)', 'stable', 'strict', 'safe'),
    ('drop_model(text)', 'volatile', 'strict', 'unsafe'),
    ('adjustment_sql(text)', 'stable', 'strict', 'safe'),
    ('drop_sql(text)', 'stable', 'strict', 'safe'),
    ('history_sql(text)', 'stable', 'strict', 'safe'),
    ('life_stamp(text)', 'stable', 'strict', 'safe'),
    ('missing_table_sql(text, text, text, text)', 'stable', 'strict', 'safe'),
    ('objects(text)', 'stable', 'strict', 'safe'),
    ('refuse_superuser(regclass)', 'stable', 'strict', 'safe'),
    ('promote(text, boolean)', 'volatile', 'strict', 'unsafe'),
    ('sequences_sql(text)', 'stable', 'strict', 'safe'),
    ('outbox_sql(text)', 'stable', 'strict', 'safe'),
    ('engagement_accumulate(internal, record, text)', 'stable', 'called', 'safe'),
    ('engagement_accumulate(internal, record, text, text)', 'stable', 'called', 'safe'),
    ('engagement_accumulate(internal, record, text, text, timestamp with time zone)',
     'stable', 'called', 'safe'),
    ('engagement_accumulate_columns(internal, text[], text, text, "any")',
     'stable', 'called', 'safe'),
    ('engagement_accumulate_columns_at(internal, text[], text, text, timestamp with time zone, "any")',
     'stable', 'called', 'safe'),
    ('engagement_agg_columns(text[], text, text, "any")', 'immutable', 'called', 'safe'),
    ('engagement_agg_columns_at(text[], text, text, timestamp with time zone, "any")',
     'immutable', 'called', 'safe'),
    ('engagement_agg(record, text)', 'immutable', 'called', 'safe'),
    ('engagement_agg(record, text, text)', 'immutable', 'called', 'safe'),
    ('engagement_agg(record, text, text, timestamp with time zone)',
     'immutable', 'called', 'safe'),
    ('engagement_combine(internal, internal)', 'stable', 'called', 'safe'),
    ('engagement_deserialize(bytea, internal)', 'stable', 'strict', 'safe'),
    ('engagement_empty(text)', 'stable', 'strict', 'safe'),
    ('engagement_eq(lead_scoring.engagement, lead_scoring.engagement)',
     'immutable', 'strict', 'safe'),
    ('engagement_ne(lead_scoring.engagement, lead_scoring.engagement)',
     'immutable', 'strict', 'safe'),
    ('engagement_hash(lead_scoring.engagement)', 'immutable', 'strict', 'safe'),
    ('engagement_finish(internal)', 'stable', 'called', 'safe'),
    ('engagement_in(cstring)', 'immutable', 'strict', 'safe'),
    ('engagement_out(lead_scoring.engagement)', 'immutable', 'strict', 'safe'),
    ('engagement_recv(internal)', 'immutable', 'strict', 'safe'),
    ('engagement_score(lead_scoring.engagement, timestamp with time zone, timestamp with time zone)',
     'stable', 'called', 'safe'),
    ('engagement_send(lead_scoring.engagement)', 'immutable', 'strict', 'safe'),
    ('engagement_serialize(internal)', 'stable', 'strict', 'safe'),
    ('explain_engagement(lead_scoring.engagement, timestamp with time zone, timestamp with time zone)',
     'stable', 'called', 'safe'),
    ('intent_score(lead_scoring.engagement, timestamp with time zone, timestamp with time zone)',
     'stable', 'called', 'safe'),
    ('last_activity(lead_scoring.engagement)', 'stable', 'strict', 'safe'),
    ('merge(lead_scoring.engagement, lead_scoring.engagement)', 'stable', 'strict', 'safe'),
    ('next_change(lead_scoring.engagement, timestamp with time zone, timestamp with time zone, double precision)',
     'stable', 'called', 'safe'),
    ('rollup(lead_scoring.engagement)', 'immutable', 'called', 'safe'),
    ('rollup_accumulate(internal, lead_scoring.engagement)', 'stable', 'called', 'safe'),
    ('contact_since(record, text)', 'stable', 'strict', 'safe'),
    ('event_changed()', 'volatile', 'called', 'unsafe'),
    ('followed(text)', 'stable', 'strict', 'safe'),
    ('has_index(regclass, name)', 'stable', 'called', 'safe'),
    ('followed_triggers_sql(text)', 'stable', 'strict', 'safe'),
    ('lookup_changed()', 'volatile', 'called', 'unsafe'),
    ('adjustment_changed()', 'volatile', 'called', 'unsafe'),
    ('erase(text, bigint)', 'volatile', 'strict', 'unsafe'),
    ('erase(text, text)', 'volatile', 'strict', 'unsafe'),
    ('erase(text, uuid)', 'volatile', 'strict', 'unsafe'),
    ('merge_contacts(text, bigint, bigint)', 'volatile', 'strict', 'unsafe'),
    ('merge_contacts(text, text, text)', 'volatile', 'strict', 'unsafe'),
    ('merge_contacts(text, uuid, uuid)', 'volatile', 'strict', 'unsafe'),
    ('preview(text)', 'stable', 'strict', 'unsafe'),
    ('prune(text, interval)', 'volatile', 'called', 'unsafe'),
    ('prune(text, interval, bigint)', 'volatile', 'called', 'unsafe'),
    ('adjustment_triggers_sql(text)', 'stable', 'strict', 'safe'),
    ('by_hand_sql(text, text, text)', 'stable', 'strict', 'safe'),
    ('engagement_accumulate(internal, record, text, text, timestamp with time zone, timestamp with time zone)',
        'stable', 'called', 'safe'),
    ('engagement_agg_since(record, text, text, timestamp with time zone, timestamp with time zone)',
        'immutable', 'called', 'safe'),
    ('same_sources(text, bigint)', 'stable', 'strict', 'safe'),
    ('is_watched(text)', 'stable', 'strict', 'safe'),
    ('live_column_sql(text, text)', 'stable', 'strict', 'safe'),
    ('live_source_sql(text)', 'stable', 'strict', 'safe'),
    ('live_now(text, bigint, anyelement, record, double precision, text, text, lead_scoring.engagement, timestamp with time zone, timestamp with time zone, timestamp with time zone, bigint, text)',
     'stable', 'called', 'safe'),
    ('stage_then(text, anyelement)', 'stable', 'strict', 'safe'),
    ('stage_rival(text)', 'stable', 'strict', 'safe'),
    ('uses_as_of(text)', 'stable', 'strict', 'safe'),
    ('sources_stamp(text)', 'stable', 'strict', 'safe'),
    ('state_sql(text, text, text, text)', 'stable', 'strict', 'safe'),
    ('explain(text, bigint, timestamp with time zone)', 'stable', 'called', 'restricted'),
    ('explain_change(text, bigint, timestamp with time zone, timestamp with time zone)', 'stable', 'called', 'restricted'),
    ('what_next(text, bigint, timestamp with time zone)', 'stable', 'called', 'restricted'),
    ('explain(text, uuid, timestamp with time zone)', 'stable', 'called', 'restricted'),
    ('explain_change(text, uuid, timestamp with time zone, timestamp with time zone)', 'stable', 'called', 'restricted'),
    ('what_next(text, uuid, timestamp with time zone)', 'stable', 'called', 'restricted'),
    ('explain(text, text, timestamp with time zone)', 'stable', 'called', 'restricted'),
    ('explain_change(text, text, timestamp with time zone, timestamp with time zone)', 'stable', 'called', 'restricted'),
    ('what_next(text, text, timestamp with time zone)', 'stable', 'called', 'restricted'),
    ('explain_fit(record, text)', 'stable', 'strict', 'safe'),
    ('explain_fit(record, text, timestamp with time zone)', 'stable', 'strict', 'safe'),
    ('fit_score(record, text)', 'stable', 'strict', 'safe'),
    ('fit_score(record, text, timestamp with time zone)', 'stable', 'strict', 'safe'),
    ('fit_score_columns(text[], text, timestamp with time zone, "any")', 'stable', 'called', 'safe'),
    ('fit_score_support(internal)', 'immutable', 'strict', 'safe'),
    ('flush()', 'volatile', 'called', 'unsafe'),
    ('grade(double precision, double precision, text)', 'stable', 'strict', 'safe'),
    ('fit_problem(record, text)', 'stable', 'strict', 'safe'),
    ('try_fit_score(record, text)', 'stable', 'strict', 'safe'),
    ('try_in_population(record, text)', 'stable', 'strict', 'safe'),
    ('try_numeric(text)', 'immutable', 'strict', 'safe'),
    ('in_population(record, text)', 'stable', 'strict', 'safe'),
    ('in_population(record, text, timestamp with time zone)', 'stable', 'strict', 'safe'),
    ('may_change(text)', 'stable', 'strict', 'safe'),
    ('may_change(text, text)', 'stable', 'strict', 'safe'),
    ('may_read(text)', 'stable', 'strict', 'safe'),
    ('may_read(text, text)', 'stable', 'strict', 'safe'),
    ('refresh(text)', 'volatile', 'called', 'unsafe'),
    ('rescore(text, boolean)', 'volatile', 'called', 'unsafe'),
    ('rescore(text, boolean, bigint)', 'volatile', 'called', 'unsafe'),
    ('index_problems(text)', 'stable', 'strict', 'safe'),
    ('key_type(text)', 'stable', 'strict', 'safe'),
    ('contacts_of(text)', 'stable', 'strict', 'safe'),
    ('objects_schema(text)', 'stable', 'strict', 'safe'),
    ('model_stamp(text)', 'stable', 'strict', 'safe'),
    ('objects_sql(text)', 'stable', 'strict', 'safe'),
    ('object_name(text, text)', 'stable', 'called', 'safe'),
    ('take_actions(text, integer)', 'volatile', 'called', 'unsafe'),
    ('finish_action(text, bigint, boolean, text)', 'volatile', 'called', 'unsafe'),
    ('life_problems_sql(text)', 'stable', 'strict', 'safe'),
    ('reasons(record, text)', 'stable', 'strict', 'restricted'),
    ('reasons(record, text, timestamp with time zone)', 'stable', 'strict', 'restricted'),
    ('reasons(record, text, timestamp with time zone, lead_scoring.engagement)', 'stable', 'called', 'restricted'),
    ('refresh(text, bigint)', 'volatile', 'called', 'unsafe'),
    ('rescore(text, bigint)', 'volatile', 'called', 'unsafe'),
    ('rule_problems(text)', 'stable', 'strict', 'unsafe'),
    ('event_problems(text)', 'stable', 'strict', 'unsafe'),
    ('sample_problems(text)', 'stable', 'strict', 'unsafe'),
    ('score_problems(text)', 'stable', 'strict', 'unsafe'),
    ('scored_view_sql(text)', 'stable', 'strict', 'safe'),
    ('to_sql(text)', 'stable', 'strict', 'unsafe'),
    ('total_score(double precision, double precision, double precision, text, double precision)',
     'stable', 'strict', 'safe'),
    ('trigger_problems(text)', 'stable', 'strict', 'safe'),
    ('triggers_sql(text)', 'stable', 'strict', 'safe'),
    ('upkeep_problem(text)', 'stable', 'strict', 'safe'),
    ('verify(text)', 'stable', 'strict', 'unsafe'),
    ('verify_sql(text)', 'stable', 'strict', 'safe'),
    ('score_problems_sql(text)', 'stable', 'strict', 'unsafe');

-- Models as documents.
INSERT INTO pg_temp.label VALUES
    ('check_document(jsonb)', 'stable', 'strict', 'safe'),
    ('check_document_row(name, text, jsonb)', 'stable', 'called', 'safe'),
    ('clone_model(text, text)', 'volatile', 'strict', 'unsafe'),
    ('config_columns(name)', 'stable', 'strict', 'safe'),
    ('config_defaults(name)', 'stable', 'strict', 'safe'),
    ('config_parts()', 'immutable', 'called', 'safe'),
    ('document_rows(jsonb)', 'immutable', 'strict', 'safe'),
    ('export_model(text)', 'stable', 'strict', 'safe'),
    ('export_part(text, name, text)', 'stable', 'called', 'safe'),
    ('import_model(jsonb)', 'volatile', 'strict', 'unsafe'),
    ('import_rows(jsonb)', 'volatile', 'strict', 'unsafe'),
    ('import_steps(jsonb)', 'volatile', 'strict', 'unsafe'),
    ('lock_model(text)', 'volatile', 'strict', 'unsafe'),
    ('make_shadow(text)', 'volatile', 'strict', 'unsafe'),
    ('model_fingerprint(text)', 'stable', 'strict', 'safe'),
    ('needs_activation(jsonb, jsonb)', 'immutable', 'called', 'safe'),
    ('name_of_row(jsonb)', 'immutable', 'strict', 'safe');

-- Two models side by side.
INSERT INTO pg_temp.label VALUES
    ('compare(text, text, timestamp with time zone)', 'stable', 'called', 'safe'),
    ('compare_sql(text, text)', 'stable', 'called', 'safe'),
    ('compare_weeks(text, text, integer, timestamp with time zone)', 'stable', 'called', 'safe'),
    ('mql_condition(text)', 'stable', 'strict', 'safe'),
    ('score_condition_sql(text, text)', 'stable', 'strict', 'safe'),
    ('score_lateral_sql(text, text)', 'stable', 'strict', 'safe');

-- The linter.
INSERT INTO pg_temp.label VALUES
    ('clamp(double precision, double precision, double precision)', 'immutable', 'called', 'safe'),
    ('is_out_of_reach(text, text, double precision[], double precision[], text[], text)', 'stable', 'called', 'unsafe'),
    ('lint_problems(text)', 'stable', 'strict', 'unsafe'),
    ('lint_review(text)', 'stable', 'strict', 'safe'),
    ('lint_rules(text)', 'stable', 'strict', 'safe'),
    ('lint_scores(text)', 'stable', 'strict', 'unsafe'),
    ('rule_bounds(text)', 'stable', 'strict', 'safe'),
    ('score_bounds(text)', 'stable', 'strict', 'safe');

-- Templates.
INSERT INTO pg_temp.label VALUES
    ('apply_row(name, text, jsonb, boolean)', 'volatile', 'called', 'unsafe'),
    ('apply_template(text, text, jsonb, boolean)', 'volatile', 'called', 'unsafe'),
    ('check_mapping(jsonb)', 'stable', 'called', 'safe'),
    ('drop_initial(text, jsonb)', 'volatile', 'called', 'unsafe'),
    ('events_of_template(text, text)', 'stable', 'called', 'safe'),
    ('fill_roles(text, jsonb)', 'immutable', 'strict', 'safe'),
    ('fill_row(jsonb, jsonb, jsonb)', 'stable', 'called', 'safe'),
    ('find_column(regclass, text, jsonb)', 'stable', 'called', 'safe'),
    ('full_row(name, text, jsonb)', 'stable', 'called', 'safe'),
    ('initial_rows()', 'immutable', 'called', 'safe'),
    ('is_initial(name, jsonb)', 'stable', 'called', 'safe'),
    ('resolve_roles(regclass, regclass, jsonb)', 'stable', 'called', 'safe'),
    ('stored_row(name, jsonb)', 'stable', 'called', 'safe'),
    ('template_roles()', 'immutable', 'called', 'safe'),
    ('templates()', 'immutable', 'called', 'safe'),
    ('values_sql(jsonb, boolean, regclass, text)', 'stable', 'called', 'safe');

INSERT INTO pg_temp.label VALUES
    ('column_text(record, name)', 'stable', 'strict', 'safe'),
    ('deal_of(record, text, text)', 'stable', 'strict', 'safe'),
    ('deals_sql(text)', 'stable', 'strict', 'safe'),
    ('is_report(text)', 'stable', 'strict', 'safe'),
    ('milestones_of(record, text, text)', 'stable', 'strict', 'safe'),
    ('milestones_sql(text)', 'stable', 'strict', 'safe'),
    ('old_reports_sql(text)', 'stable', 'strict', 'safe'),
    ('people_sql(text)', 'stable', 'strict', 'safe'),
    ('report_columns(text[])', 'immutable', 'strict', 'safe'),
    ('report_name(lead_scoring.model, text, text[])', 'stable', 'strict', 'safe'),
    ('report_query(text, lead_scoring.report)', 'stable', 'strict', 'safe'),
    ('report_view_sql(text, lead_scoring.report)', 'stable', 'strict', 'safe'),
    ('reports()', 'immutable', 'called', 'safe'),
    ('reports_sql(text)', 'stable', 'strict', 'safe'),
    ('same_deals(text, text, text)', 'stable', 'called', 'safe'),
    ('everyone_sql(text)', 'stable', 'strict', 'safe'),
    ('by_hand_then_sql(text)', 'stable', 'strict', 'safe'),
    ('deal_problems(text)', 'stable', 'strict', 'unsafe'),
    ('deal_problems_sql(text)', 'stable', 'strict', 'safe'),
    ('reader_grants(text, name)', 'stable', 'strict', 'safe'),
    ('report_problems(text)', 'stable', 'strict', 'unsafe'),
    ('rule_stats(record, lead_scoring.engagement, timestamp with time zone, timestamp with time zone, boolean, text[], text)',
     'immutable', 'called', 'safe'),
    ('rule_stats_accumulate(internal, record, lead_scoring.engagement, timestamp with time zone, timestamp with time zone, boolean, text[], text)',
     'stable', 'called', 'safe'),
    ('rule_stats_finish(internal)', 'stable', 'called', 'safe'),
    ('snapshot(text)', 'volatile', 'strict', 'unsafe'),
    ('snapshot_sql(text)', 'stable', 'strict', 'safe'),
    ('state_then_sql(text)', 'stable', 'strict', 'safe'),
    ('stored_state(lead_scoring.engagement, timestamp with time zone, text)', 'stable', 'strict', 'safe'),
    ('seconds(interval)', 'immutable', 'strict', 'safe'),
    ('segment_names(name[], text[])', 'immutable', 'strict', 'safe');
INSERT INTO pg_temp.label
SELECT format('report_%s()', r.suffix), 'immutable', 'called', 'safe' FROM lead_scoring.reports() AS r;

SELECT set_eq(
    $$SELECT p.proname || '(' || oidvectortypes(p.proargtypes) || ')' AS signature,
             CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable'
                                ELSE 'volatile' END AS volatility,
             CASE WHEN p.proisstrict THEN 'strict' ELSE 'called' END AS on_null,
             CASE p.proparallel WHEN 's' THEN 'safe' WHEN 'r' THEN 'restricted'
                                ELSE 'unsafe' END AS parallel
        FROM pg_proc AS p JOIN pg_temp.member AS m ON m.objid = p.oid
       WHERE m.classid = 'pg_proc'::regclass$$,
    $$SELECT * FROM pg_temp.label$$,
    'functions are labelled as listed: volatility, NULL arguments, PARALLEL');

-- ------------------------------------------------------------- dumps, rights

SELECT is_empty(
    $$SELECT c.relname FROM pg_temp.member AS m JOIN pg_class AS c ON c.oid = m.objid
       WHERE m.classid = 'pg_class'::regclass AND c.relkind IN ('r', 'p', 'S')
         -- How far a run has come is of no use elsewhere.
         AND c.relname <> 'progress_row'
         AND c.oid <> ALL (SELECT unnest(extconfig) FROM pg_extension
                            WHERE extname = 'lead_scoring')$$,
    'every table is registered for dumps');

SELECT is_empty(
    $$SELECT p.oid::regprocedure FROM pg_proc AS p JOIN pg_temp.member AS m ON m.objid = p.oid
       WHERE m.classid = 'pg_proc'::regclass
         AND (p.prosecdef OR p.proleakproof)$$,
    'no function is SECURITY DEFINER or LEAKPROOF');

SELECT is_empty(
    $$SELECT p.oid::regprocedure
        FROM pg_proc AS p JOIN pg_temp.member AS m ON m.objid = p.oid
        JOIN pg_language AS l ON l.oid = p.prolang
       WHERE m.classid = 'pg_proc'::regclass AND p.prokind <> 'a'
         AND l.lanname <> 'c' AND p.prosqlbody IS NULL
         AND NOT coalesce(p.proconfig @> '{"search_path=pg_catalog, pg_temp"}', false)$$,
    'every function whose body is text has its own search_path');

SELECT * FROM finish();
