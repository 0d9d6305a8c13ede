-- The reference of README.md in Markdown, from the COMMENTs of this database:
-- psql -XAtq -f reference.sql. The example model that it makes is rolled back.

BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE SCHEMA "reference of lead_scoring";
CREATE TABLE "reference of lead_scoring".contacts (id bigint PRIMARY KEY);
SELECT lead_scoring.create_model('model', '"reference of lead_scoring".contacts', 'id')::text
    || lead_scoring.activate('model')::text AS nothing \gset

-- Functions that are for other functions, triggers and views.
CREATE TEMP TABLE inner_function (name text) ON COMMIT DROP;
INSERT INTO inner_function VALUES
    ('event_changed'), ('followed'), ('followed_triggers_sql'), ('has_index'),
    ('contact_row'), ('contact_row_sql'), ('lookup_changed'), ('lookup_joins'), ('live_source_sql'),
    ('live_now'), ('uses_as_of'), ('stage_then'), ('live_column_sql'), ('is_watched'),
    ('sources_stamp'), ('same_sources'), ('state_sql'), ('contact_since'),
    ('index_problems'), ('add_defaults'), ('check_config'), ('check_rules'), ('event_problems'),
    ('sample_problems'), ('config_changed'), ('config_restored'), ('contact_changed'),
    ('current_path'), ('qualified_name'), ('deactivation_sql'), ('drop_sql'), ('engagement_accumulate'),
    ('engagement_accumulate_columns'), ('engagement_accumulate_columns_at'),
    ('engagement_agg_columns'), ('engagement_agg_columns_at'),
    ('engagement_combine'), ('engagement_deserialize'), ('engagement_finish'),
    ('engagement_in'), ('engagement_out'), ('engagement_recv'), ('engagement_send'),
    ('engagement_serialize'), ('rollup_accumulate'), ('fit_problem'),
    ('fit_score_columns'), ('fit_score_support'), ('may_change'), ('may_read'),
    ('model_stamp'), ('objects_sql'), ('rule_problems'), ('score_problems'),
    ('scored_view_sql'), ('trigger_problems'), ('triggers_sql'), ('try_fit_score'),
    ('try_in_population'), ('upkeep_problem');
INSERT INTO inner_function VALUES
    ('check_document'), ('check_document_row'), ('config_columns'), ('config_defaults'),
    ('config_parts'), ('document_rows'), ('export_part'), ('import_rows'), ('import_steps'),
    ('lock_model'), ('make_shadow'), ('name_of_row'), ('initial_rows'), ('needs_activation');
INSERT INTO inner_function VALUES
    ('apply_row'), ('check_mapping'), ('drop_initial'), ('events_of_template'), ('fill_roles'),
    ('fill_row'), ('find_column'), ('full_row'), ('is_initial'), ('resolve_roles'),
    ('stored_row'), ('values_sql'), ('score_condition_sql'), ('score_lateral_sql'), ('compare_sql');
INSERT INTO inner_function VALUES
    ('clamp'), ('is_out_of_reach'), ('lint_problems'), ('lint_review'), ('lint_rules'),
    ('lint_scores'), ('rule_bounds');
INSERT INTO inner_function VALUES
    ('column_text'), ('deal_of'), ('deals_sql'), ('is_report'), ('milestones_of'), ('milestones_sql'),
    ('old_reports_sql'), ('people_sql'), ('everyone_sql'), ('report_columns'), ('report_name'), ('report_query'),
    ('report_view_sql'), ('reports'), ('reports_sql'), ('same_deals'), ('state_then_sql'), ('by_hand_then_sql'), ('seconds'),
    ('deal_problems'), ('deal_problems_sql'), ('report_problems'), ('rule_stats_accumulate'), ('rule_stats_finish'),
    ('snapshot_sql'), ('stored_state'),
    ('segment_names');
INSERT INTO inner_function VALUES
    ('adjustment_sql'), ('history_sql'), ('life_problems_sql'), ('life_stamp'), ('missing_table_sql'),
    ('objects'), ('object_name'), ('outbox_sql'), ('sequences_sql'), ('adjustment_changed'),
    ('adjustment_triggers_sql'), ('refuse_superuser'), ('by_hand_sql'), ('score_problems_sql'), ('verify_sql'),
    ('score_bounds'), ('rule_stats'), ('engagement_eq'), ('engagement_ne'), ('engagement_hash');
INSERT INTO inner_function SELECT 'report_' || r.suffix FROM lead_scoring.reports() AS r;

-- cell(text): fit for a cell of a table.
CREATE FUNCTION pg_temp.cell(content text) RETURNS text LANGUAGE sql AS $$
    SELECT replace(replace(replace(content, '<', '&lt;'), '|', '\|'), '...', '…')
$$;

-- short(text): types as people write them.
CREATE FUNCTION pg_temp.short(content text) RETURNS text LANGUAGE sql AS $$
    SELECT regexp_replace(replace(replace(replace(content,
               'double precision', 'float8'),
               'timestamp with time zone', 'timestamptz'),
               'timestamp without time zone', 'timestamp'),
               '::[a-z]+(\[\])?', '', 'g')
$$;

-- ------------------------------------------------------- tables and views

CREATE FUNCTION pg_temp.relation(relid regclass, shown text) RETURNS SETOF text
LANGUAGE sql AS $$
    SELECT format(E'\n#### `%s`\n\n', shown)
           || pg_temp.cell(replace(obj_description(relid, 'pg_class'), 'model model', 'the model'))
           || E'\n\n| column | type | |\n|---|---|---|'
    UNION ALL
    (SELECT format('| `%s` | %s | %s |', a.attname,
                   CASE WHEN shown LIKE '<model>%' AND a.attname = 'contact_id'
                        THEN 'that of the key'
                        ELSE pg_temp.short(format_type(a.atttypid, a.atttypmod)) END,
                   pg_temp.cell(col_description(a.attrelid, a.attnum)))
       FROM pg_attribute AS a
       JOIN pg_class AS c ON c.oid = a.attrelid
      WHERE a.attrelid = relid AND a.attnum > 0 AND NOT a.attisdropped
      ORDER BY a.attnum)
$$;

\echo '### Tables that you edit'
SELECT pg_temp.relation(c.oid, 'lead_scoring.' || c.relname)
  FROM pg_class AS c
  JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid
                     AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
                     AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'lead_scoring')
 WHERE c.relkind IN ('r', 'p', 'v')
   AND c.relname <> 'progress_row'
 ORDER BY c.oid;

\echo
\echo '### What activation makes'
SELECT pg_temp.relation(c.oid, replace(c.relname, 'model_', '<model>_'))
  FROM pg_class AS c
 WHERE c.relnamespace = '"reference of lead_scoring"'::regnamespace
   AND c.relkind IN ('r', 'v') AND c.relname <> 'contacts'
 ORDER BY c.relkind DESC, c.oid;

-- -------------------------------------------------------------- functions

CREATE FUNCTION pg_temp.call(function oid) RETURNS text LANGUAGE sql AS $$
    SELECT p.proname || '('
           || coalesce((SELECT string_agg(regexp_replace(argument, '^(INOUT|IN) ', ''), ', ' ORDER BY place)
                          FROM unnest(string_to_array(pg_get_function_arguments(p.oid), ', '))
                               WITH ORDINALITY AS a (argument, place)
                         WHERE argument !~ '^OUT '), '')
           || ')'
      FROM pg_proc AS p WHERE p.oid = function
$$;

CREATE FUNCTION pg_temp.result(function oid) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN p.prokind = 'p' OR p.prorettype = 'void'::regtype THEN ''
                WHEN p.proretset
                THEN 'rows of ' || (SELECT string_agg('`' || name || '`', ', ' ORDER BY place)
                                      FROM unnest(p.proargnames, p.proargmodes)
                                           WITH ORDINALITY AS a (name, mode, place)
                                     WHERE mode IN ('o', 't'))
                ELSE pg_get_function_result(p.oid) END
      FROM pg_proc AS p WHERE p.oid = function
$$;

\echo
\echo '### Functions and procedures'
\echo
\echo 'All are in schema `lead_scoring`. Procedures are run with `CALL`.'
\echo
\echo '| call | gives | |'
\echo '|---|---|---|'
SELECT format('| %s`%s` | %s | %s |', CASE p.prokind WHEN 'p' THEN 'CALL ' ELSE '' END,
              pg_temp.short(pg_temp.call(p.oid)), pg_temp.short(pg_temp.result(p.oid)),
              pg_temp.cell(obj_description(p.oid, 'pg_proc')))
  FROM pg_proc AS p
  JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                     AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
                     AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'lead_scoring')
 WHERE p.proname NOT IN (SELECT name FROM inner_function)
 ORDER BY p.proname COLLATE "C", p.pronargs, p.oid;

-- --------------------------------------------------------------- settings

\echo
\echo '### Settings'
\echo
\echo '| setting | default | |'
\echo '|---|---|---|'
SELECT format('| `%s` | %s | %s |', name,
              CASE boot_val WHEN '' THEN 'empty' ELSE '`' || boot_val || '`' END,
              pg_temp.cell(concat_ws(' ', short_desc, nullif(extra_desc, ''))))
  FROM pg_settings WHERE name LIKE 'lead_scoring.%' ORDER BY name;

ROLLBACK;
