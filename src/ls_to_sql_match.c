/*
 * ls_to_sql_match.c: which events a rule looks at, as plain SQL.
 *
 * Inside a rule each stage is a CTE of its own over the stage before: match,
 * then valid (unless), then latest (distinct_by).
 */
#include "ls_to_sql.h"

#include "ls_compat.h"
#include "catalog/pg_type.h"
#include "utils/timestamp.h"

/*
 * ls_to_sql_of_event: an expression of a rule over its event, in parentheses.
 */
const char *
ls_to_sql_of_event(const LsWriter *w,
				   const LsWrittenRule *rule,
				   const char *column,
				   const char *text,
				   Oid type)
{
	LsPlace place = {.kind = "engagement rule",
					 .name = rule->row->name,
					 .column = column,
					 .model = w->model->row->name,
					 .text = text};

	return psprintf("(%s)",
					ls_to_sql_expression(place, rule->source->scope, false, type));
}

/* ls_to_sql_counts: the conditions of counts_from and counts_until. */
List *
ls_to_sql_counts(const LsEngagementRow *row, const char *occurred_at)
{
	List *conditions = NIL;

	if (row->counts_from != DT_NOBEGIN)
		conditions = lappend(conditions,
							 psprintf("%s >= %s",
									  occurred_at,
									  ls_to_sql_moment(row->counts_from)));
	if (row->counts_until != DT_NOEND)
		conditions = lappend(conditions,
							 psprintf("%s < %s",
									  occurred_at,
									  ls_to_sql_moment(row->counts_until)));
	return conditions;
}

/* ls_to_sql_window: those and the conditions of after and within. */
List *
ls_to_sql_window(const LsEngagementRow *row, const char *occurred_at)
{
	List *conditions = ls_to_sql_counts(row, occurred_at);

	if (row->after_us != 0)
		conditions =
			lappend(conditions,
					psprintf("%s <= %s", occurred_at, ls_to_sql_ago(row->after_us)));
	if (row->within_us != 0)
		conditions =
			lappend(conditions,
					psprintf("%s > %s", occurred_at, ls_to_sql_ago(row->within_us)));
	return conditions;
}

/* ls_to_sql_first_stage: the events that meet the conditions, with `columns`. */
void
ls_to_sql_first_stage(LsWriter *w,
					  const LsWrittenRule *rule,
					  const char *columns,
					  List *conditions)
{
	const LsWrittenSource *source = rule->source;

	appendStringInfo(&w->sql,
					 "    WITH match AS (\n"
					 "        SELECT %s AS contact_id,\n"
					 "            %s AS occurred_at%s\n"
					 "        FROM events_%d AS event\n",
					 source->contact_id,
					 source->occurred_at,
					 columns,
					 source->number);
	ls_to_sql_where(&w->sql, conditions, "        ");
	appendStringInfoString(&w->sql, "    )");
}

/* ls_to_sql_stage: begin the next stage. */
void
ls_to_sql_stage(LsWriter *w, const char *name)
{
	appendStringInfo(&w->sql, ",\n    %s AS (\n", name);
}

/*
 * ls_to_sql_valid: the stage without what `unless` voids. Gives the name of the
 * stage to go on with.
 */
const char *
ls_to_sql_valid(LsWriter *w, const LsWrittenRule *rule, const char *from)
{
	const LsWrittenSource *source = rule->source;

	if (rule->row->unless == NULL)
		return from;
	ls_to_sql_stage(w, "void");
	appendStringInfo(&w->sql,
					 "        SELECT %s AS contact_id, max(%s) AS until\n"
					 "        FROM events_%d AS event\n"
					 "        WHERE %s\n"
					 "        GROUP BY 1\n"
					 "    )",
					 source->contact_id,
					 source->occurred_at,
					 source->number,
					 ls_to_sql_of_event(w, rule, "unless", rule->row->unless, BOOLOID));
	ls_to_sql_stage(w, "valid");
	appendStringInfo(
		&w->sql,
		"        SELECT %s.*\n"
		"        FROM %s LEFT JOIN void ON void.contact_id = %s.contact_id\n"
		"        WHERE void.until IS NULL OR %s.occurred_at > void.until\n"
		"    )",
		from,
		from,
		from,
		from);
	return "valid";
}

/*
 * ls_to_sql_latest: the stage with the latest match for each value of
 * distinct_by; of equally late ones the larger value.
 */
const char *
ls_to_sql_latest(LsWriter *w, const LsWrittenRule *rule, const char *from)
{
	if (rule->row->distinct_by == NULL)
		return from;
	ls_to_sql_stage(w, "latest");
	appendStringInfo(&w->sql,
					 "        SELECT DISTINCT ON (contact_id, distinct_by) *\n"
					 "        FROM %s\n"
					 "        ORDER BY contact_id, distinct_by, occurred_at DESC%s\n"
					 "    )",
					 from,
					 rule->row->value != NULL ? ", value DESC" : "");
	return "latest";
}

/*
 * ls_to_sql_matches: all stages of a rule of kind each or count. Gives the name
 * of the last.
 */
const char *
ls_to_sql_matches(LsWriter *w, const LsWrittenRule *rule)
{
	const LsEngagementRow *row = rule->row;
	List *conditions = ls_to_sql_window(row, rule->source->occurred_at);
	const char *columns = "";
	const char *stage = "match";

	if (row->condition != NULL)
		conditions =
			lcons((char *)
					  ls_to_sql_of_event(w, rule, "condition", row->condition, BOOLOID),
				  conditions);
	/* Null, NaN and infinity count as 0. */
	if (row->value != NULL)
		columns =
			psprintf(",\n            COALESCE(NULLIF(NULLIF(NULLIF(%s::float8, 'NaN'),"
					 " 'Infinity'), '-Infinity'), 0) AS value",
					 ls_to_sql_of_event(w, rule, "value", row->value, FLOAT8OID));
	if (row->distinct_by != NULL)
		columns = psprintf("%s,\n            %s AS distinct_by",
						   columns,
						   ls_to_sql_of_event(w,
											  rule,
											  "distinct_by",
											  row->distinct_by,
											  InvalidOid));
	ls_to_sql_first_stage(w, rule, columns, conditions);
	stage = ls_to_sql_valid(w, rule, stage);
	return ls_to_sql_latest(w, rule, stage);
}
