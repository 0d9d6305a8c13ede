/*
 * ls_to_sql_sequence.c: rules of kind sequence as plain SQL, with window
 * functions over a contact's events in the order of time: no self-join.
 */
#include "ls_to_sql.h"

#include "ls_compat.h"

#include "catalog/pg_type.h"

/* any_step: "step_1 OR step_2 OR ...". */
static const char *
any_step(int nsteps)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 1; i <= nsteps; i++)
		appendStringInfo(&text, "%sstep_%d", i > 1 ? " OR " : "", i);
	return text.data;
}

/* write_steps: the events, each with the steps that it meets. */
static const char *
write_steps(LsWriter *w, const LsWrittenRule *rule)
{
	const LsEngagementRow *row = rule->row;
	StringInfoData columns;
	ListCell *cell;

	initStringInfo(&columns);
	foreach(cell, row->steps)
	{
		int step = foreach_current_index(cell) + 1;

		appendStringInfo(&columns,
						 ",\n            %s AS step_%d",
						 ls_to_sql_of_event(w,
											rule,
											psprintf("steps[%d]", step),
											lfirst(cell),
											BOOLOID),
						 step);
	}
	ls_to_sql_first_stage(w,
						  rule,
						  columns.data,
						  ls_to_sql_counts(row, rule->source->occurred_at));
	return ls_to_sql_valid(w, rule, "match");
}

/* in_span: "moment is not null, and not too long before this event". */
static char *
in_span(const LsEngagementRow *row, const char *moment)
{
	if (row->within_us == 0)
		return psprintf("%s IS NOT NULL", moment);
	return psprintf("%s >= occurred_at - interval '%s seconds'",
					moment,
					ls_to_sql_seconds(row->within_us));
}

/*
 * write_in_order: started_<n> is the latest start of a chain of steps 1 to n
 * that ends with this event: that of the best chain of one step less among
 * earlier events.
 */
static List *
write_in_order(LsWriter *w, const LsWrittenRule *rule, const char *from)
{
	int nsteps = list_length(rule->row->steps);

	ls_to_sql_stage(w, "chain_1");
	appendStringInfo(
		&w->sql,
		"        SELECT *, CASE WHEN step_1 THEN occurred_at END AS started_1\n"
		"        FROM %s\n"
		"        WHERE %s\n"
		"    )",
		from,
		any_step(nsteps));
	for (int n = 2; n <= nsteps; n++)
	{
		ls_to_sql_stage(w, n < nsteps ? psprintf("chain_%d", n) : "completed");
		appendStringInfo(
			&w->sql,
			"        SELECT *, CASE WHEN step_%d THEN max(started_%d) OVER earlier END"
			" AS started_%d\n"
			"        FROM chain_%d\n"
			"        WINDOW earlier AS (PARTITION BY contact_id ORDER BY occurred_at\n"
			"            GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)\n"
			"    )",
			n,
			n - 1,
			n,
			n - 1);
	}
	return list_make1(in_span(rule->row, psprintf("started_%d", nsteps)));
}

/* write_any: latest_<n> is when step n was last met, up to this event. */
static List *
write_any(LsWriter *w, const LsWrittenRule *rule, const char *from)
{
	int nsteps = list_length(rule->row->steps);
	List *conditions = NIL;

	ls_to_sql_stage(w, "completed");
	appendStringInfoString(&w->sql, "        SELECT contact_id, occurred_at");
	for (int n = 1; n <= nsteps; n++)
	{
		appendStringInfo(&w->sql,
						 ",\n            max(occurred_at) FILTER (WHERE step_%d)"
						 " OVER so_far AS latest_%d",
						 n,
						 n);
		conditions = lappend(conditions, in_span(rule->row, psprintf("latest_%d", n)));
	}
	appendStringInfo(
		&w->sql,
		"\n        FROM %s\n"
		"        WHERE %s\n"
		"        WINDOW so_far AS (PARTITION BY contact_id ORDER BY occurred_at)\n"
		"    )",
		from,
		any_step(nsteps));
	return conditions;
}

/* write_consecutive: moments at which any step was met, as neighbours. */
static List *
write_consecutive(LsWriter *w, const LsWrittenRule *rule, const char *from)
{
	int nsteps = list_length(rule->row->steps);

	ls_to_sql_stage(w, "met");
	appendStringInfoString(&w->sql, "        SELECT contact_id, occurred_at");
	for (int n = 1; n <= nsteps; n++)
		appendStringInfo(&w->sql, ",\n            bool_or(step_%d) AS step_%d", n, n);
	appendStringInfo(&w->sql,
					 "\n        FROM %s\n"
					 "        WHERE %s\n"
					 "        GROUP BY contact_id, occurred_at\n"
					 "    )",
					 from,
					 any_step(nsteps));
	ls_to_sql_stage(w, "completed");
	appendStringInfo(&w->sql,
					 "        SELECT contact_id, occurred_at,\n"
					 "            lag(occurred_at, %d) OVER moments AS started,\n"
					 "            step_%d",
					 nsteps - 1,
					 nsteps);
	for (int n = nsteps - 1; n >= 1; n--)
		appendStringInfo(&w->sql,
						 "\n            AND lag(step_%d, %d) OVER moments",
						 n,
						 nsteps - n);
	appendStringInfoString(
		&w->sql,
		" AS all_met\n"
		"        FROM met\n"
		"        WINDOW moments AS (PARTITION BY contact_id ORDER BY occurred_at)\n"
		"    )");
	return list_make2("all_met", in_span(rule->row, "started"));
}

/*
 * ls_to_sql_write_sequence: points where any completion is recent enough.
 */
void
ls_to_sql_write_sequence(LsWriter *w, const LsWrittenRule *rule)
{
	const LsEngagementRow *row = rule->row;
	const char *from = write_steps(w, rule);
	List *conditions;

	if (row->step_order == LS_ORDER_IN_ORDER)
		conditions = write_in_order(w, rule, from);
	else if (row->step_order == LS_ORDER_ANY)
		conditions = write_any(w, rule, from);
	else
		conditions = write_consecutive(w, rule, from);
	if (row->expires_after_us != 0)
		conditions =
			lappend(conditions,
					psprintf("occurred_at > %s", ls_to_sql_ago(row->expires_after_us)));
	appendStringInfo(&w->sql,
					 "\n    SELECT contact_id, %s::float8 AS points, true AS counted\n"
					 "    FROM completed\n",
					 ls_to_sql_number(row->points));
	ls_to_sql_where(&w->sql, conditions, "    ");
	appendStringInfoString(&w->sql, "    GROUP BY contact_id\n");
}
