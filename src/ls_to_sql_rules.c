/*
 * ls_to_sql_rules.c: engagement rules as plain SQL.
 *
 * A rule becomes a CTE that gives contact_id, points and counted: whether it has
 * a match that counts, which is what rules that require it look at.
 */
#include "ls_to_sql.h"

#include "ls_compat.h"

#include "catalog/pg_type.h"

/* ---- each ------------------------------------------------------------- */

/* decay_sql: what is left of a match, from 1 to 0; NULL = all of it. */
static const char *
decay_sql(const LsEngagementRow *row)
{
	const char *age = "extract(epoch FROM " LS_TO_SQL_AS_OF " - occurred_at)";

	if (row->half_life_us != 0)
	{
		const char *lives =
			psprintf("%s::float8 / %s", age, ls_to_sql_seconds(row->half_life_us));

		return psprintf("CASE WHEN %s > 1000 THEN 0\n"
						"                ELSE power(2::float8, -(%s)) END",
						lives,
						lives);
	}
	if (row->linear_over_us != 0)
		return psprintf("GREATEST(0, 1 - %s::float8 / %s)",
						age,
						ls_to_sql_seconds(row->linear_over_us));
	/* Whole steps are counted exactly, in numeric. */
	if (row->decay_every_us != 0)
		return psprintf("GREATEST(0, 1 - %s::float8 / 100 * div(%s, %s)::float8)",
						ls_to_sql_number(row->decay_percent),
						age,
						ls_to_sql_seconds(row->decay_every_us));
	if (row->expires_after_us != 0)
		return psprintf("CASE WHEN occurred_at > %s THEN 1 ELSE 0 END::float8",
						ls_to_sql_ago(row->expires_after_us));
	return NULL;
}

/* points_sql: of one match. PostgreSQL raises where a product underflows. */
static const char *
points_sql(const LsEngagementRow *row, bool decays)
{
	const char *points = psprintf("%s::float8", ls_to_sql_number(row->points));

	if (decays)
		points = psprintf("%s * decay", points);
	if (row->value == NULL)
		return points;
	return psprintf("CASE WHEN abs(value) < 1e-100%s THEN 0\n"
					"            ELSE %s * value END",
					decays ? " OR abs(value) < 1 AND decay < 1e-150" : "",
					points);
}

/* write_most_recent: the stage with the latest max_count matches. */
static const char *
write_most_recent(LsWriter *w, const LsEngagementRow *row, const char *from)
{
	if (row->max_count < 0)
		return from;
	ls_to_sql_stage(w, "numbered");
	appendStringInfo(
		&w->sql,
		"        SELECT *, row_number() OVER (\n"
		"            PARTITION BY contact_id ORDER BY occurred_at DESC%s) AS nth\n"
		"        FROM %s\n"
		"    )",
		row->value != NULL ? ", value DESC" : "",
		from);
	return "numbered";
}

static void
write_each(LsWriter *w, const LsWrittenRule *rule)
{
	const LsEngagementRow *row = rule->row;
	const char *decay = decay_sql(row);
	const char *from = ls_to_sql_matches(w, rule);
	const char *limit = "";

	from = write_most_recent(w, row, from);
	if (row->max_count >= 0)
		limit = psprintf(" WHERE nth <= %d", row->max_count);
	if (decay != NULL)
	{
		ls_to_sql_stage(w, "aged");
		appendStringInfo(&w->sql,
						 "        SELECT *,\n"
						 "            %s AS decay\n"
						 "        FROM %s%s\n"
						 "    )",
						 decay,
						 from,
						 limit);
		from = "aged";
		limit = "";
	}
	appendStringInfo(&w->sql,
					 "\n    SELECT contact_id,\n"
					 "        sum(%s) AS points,\n"
					 "        %s AS counted\n"
					 "    FROM %s%s\n"
					 "    GROUP BY contact_id\n",
					 points_sql(row, decay != NULL),
					 decay != NULL ? "bool_or(decay > 0)" : "true",
					 from,
					 limit);
}

/* ---- count ------------------------------------------------------------ */

/* range_sql: the conditions on the number of matches. */
static List *
range_sql(const LsEngagementRow *row, const char *number)
{
	List *conditions = NIL;

	if (row->at_least >= 0)
		conditions = lappend(conditions, psprintf("%s >= %d", number, row->at_least));
	if (row->at_most >= 0)
		conditions = lappend(conditions, psprintf("%s <= %d", number, row->at_most));
	return conditions;
}

static void
write_count(LsWriter *w, const LsWrittenRule *rule)
{
	const LsEngagementRow *row = rule->row;
	const char *points = ls_to_sql_number(row->points);
	const char *from = ls_to_sql_matches(w, rule);

	ls_to_sql_stage(w, "tally");
	appendStringInfo(
		&w->sql,
		"        SELECT contact_id, count(*) AS n FROM %s GROUP BY contact_id\n"
		"    )\n",
		from);
	if (row->at_least > 0)
	{
		appendStringInfo(
			&w->sql,
			"    SELECT contact_id, %s::float8 AS points, true AS counted\n"
			"    FROM tally\n",
			points);
		ls_to_sql_where(&w->sql, range_sql(row, "n"), "    ");
		return;
	}
	/* None may be in range, too. */
	appendStringInfo(&w->sql,
					 "    SELECT contacts.contact_id, %s::float8 AS points,\n"
					 "        tally.n IS NOT NULL AS counted\n"
					 "    FROM contacts LEFT JOIN tally ON tally.contact_id = "
					 "contacts.contact_id\n",
					 points);
	ls_to_sql_where(&w->sql, range_sql(row, "COALESCE(tally.n, 0)"), "    ");
}

/* ---- inactive --------------------------------------------------------- */

/* write_activity: all activity, in all sources. */
static void
write_activity(LsWriter *w, const LsWrittenRule *rule)
{
	ListCell *cell;

	appendStringInfoString(&w->sql, "    WITH match AS (\n");
	foreach(cell, w->sources)
	{
		LsWrittenSource *source = lfirst(cell);
		List *conditions = ls_to_sql_counts(rule->row, source->occurred_at);

		if (source->row->activity != NULL)
			conditions =
				lcons((char *) ls_to_sql_source_condition(w,
														  source,
														  "activity",
														  source->row->activity),
					  conditions);
		if (foreach_current_index(cell) > 0)
			appendStringInfoString(&w->sql, "        UNION ALL\n");
		appendStringInfo(&w->sql,
						 "        SELECT %s AS contact_id,\n"
						 "            %s AS occurred_at\n"
						 "        FROM events_%d AS event\n",
						 source->contact_id,
						 source->occurred_at,
						 source->number);
		ls_to_sql_where(&w->sql, conditions, "        ");
	}
	if (w->sources == NIL)
		appendStringInfoString(
			&w->sql,
			"        SELECT contact_id, NULL::timestamptz AS occurred_at\n"
			"        FROM contacts\n");
	appendStringInfoString(&w->sql, "    )");
}

static void
write_watched(LsWriter *w, const LsWrittenRule *rule)
{
	const LsEngagementRow *row = rule->row;
	List *conditions;

	if (rule->source == NULL)
	{
		write_activity(w, rule);
		return;
	}
	conditions = ls_to_sql_counts(row, rule->source->occurred_at);
	if (row->condition != NULL)
		conditions =
			lcons((char *)
					  ls_to_sql_of_event(w, rule, "condition", row->condition, BOOLOID),
				  conditions);
	ls_to_sql_first_stage(w, rule, "", conditions);
}

/* times_sql: how often the points are given by now. */
static const char *
times_sql(const LsEngagementRow *row)
{
	const char *times;

	if (row->repeat_every_us == 0)
		return "";
	times =
		psprintf("1 + div(extract(epoch FROM " LS_TO_SQL_AS_OF " - since) - %s, %s)",
				 ls_to_sql_seconds(row->within_us),
				 ls_to_sql_seconds(row->repeat_every_us));
	if (row->max_count >= 0)
		times = psprintf("LEAST(%d, %s)", row->max_count, times);
	return psprintf("\n        * (%s)::float8", times);
}

static void
write_inactive(LsWriter *w, const LsWrittenRule *rule)
{
	const LsEngagementRow *row = rule->row;

	write_watched(w, rule);
	ls_to_sql_stage(w, "last");
	appendStringInfoString(&w->sql,
						   "        SELECT contact_id, max(occurred_at) AS since\n"
						   "        FROM match GROUP BY contact_id\n"
						   "    )");
	if (row->if_never_created)
	{
		ls_to_sql_stage(w, "silent");
		appendStringInfoString(
			&w->sql,
			"        SELECT contacts.contact_id,\n"
			"            COALESCE(last.since, contacts.created_at) AS since\n"
			"        FROM contacts LEFT JOIN last ON last.contact_id = contacts.contact_id\n"
			"    )");
	}
	appendStringInfo(&w->sql,
					 "\n    SELECT contact_id, %s::float8%s AS points,\n"
					 "        false AS counted\n"
					 "    FROM %s\n"
					 "    WHERE since > '-infinity' AND since <= %s\n",
					 ls_to_sql_number(row->points),
					 times_sql(row),
					 row->if_never_created ? "silent" : "last",
					 ls_to_sql_ago(row->within_us));
}

/* ---- streak ----------------------------------------------------------- */

/*
 * write_occasions: occasions and hits together, so that each occasion can be
 * told whether anything with its value hit.
 */
static void
write_occasions(LsWriter *w, const LsWrittenRule *rule)
{
	const LsEngagementRow *row = rule->row;
	const char *occasion =
		ls_to_sql_of_event(w, rule, "condition", row->condition, BOOLOID);
	const char *hit = ls_to_sql_of_event(w, rule, "hit", row->hit, BOOLOID);
	const char *value =
		ls_to_sql_of_event(w, rule, "distinct_by", row->distinct_by, InvalidOid);

	ls_to_sql_first_stage(w,
						  rule,
						  psprintf(",\n            %s AS distinct_by"
								   ",\n            %s AS is_occasion"
								   ",\n            COALESCE(%s, false) AS is_hit",
								   value,
								   occasion,
								   hit),
						  list_make1(psprintf("(%s OR %s)", occasion, hit)));
	ls_to_sql_stage(w, "judged");
	appendStringInfoString(
		&w->sql,
		"        SELECT *, bool_or(is_hit) OVER (\n"
		"            PARTITION BY contact_id, distinct_by) AS was_hit\n"
		"        FROM match\n"
		"    )");
	ls_to_sql_stage(w, "occasion");
	appendStringInfoString(&w->sql, "        SELECT * FROM judged\n");
	ls_to_sql_where(&w->sql,
					lcons("is_occasion", ls_to_sql_window(row, "occurred_at")),
					"        ");
	appendStringInfoString(&w->sql, "    )");
}

static void
write_streak(LsWriter *w, const LsWrittenRule *rule)
{
	const LsEngagementRow *row = rule->row;
	const char *from;

	write_occasions(w, rule);
	from = ls_to_sql_latest(w, rule, ls_to_sql_valid(w, rule, "occasion"));
	ls_to_sql_stage(w, "numbered");
	appendStringInfo(&w->sql,
					 "        SELECT *, row_number() OVER (\n"
					 "            PARTITION BY contact_id"
					 " ORDER BY occurred_at DESC, was_hit DESC) AS nth\n"
					 "        FROM %s\n"
					 "        WHERE was_hit OR occurred_at <= %s\n"
					 "    )",
					 from,
					 ls_to_sql_ago(row->grace_us));
	appendStringInfo(&w->sql,
					 "\n    SELECT contact_id, %s::float8 AS points, true AS counted\n"
					 "    FROM numbered\n"
					 "    WHERE nth <= %d\n"
					 "    GROUP BY contact_id\n"
					 "    HAVING count(*) = %d AND bool_and(was_hit)\n",
					 ls_to_sql_number(row->points),
					 row->at_least,
					 row->at_least);
}

/*
 * ls_to_sql_write_rule: its CTE. Materialized, or the planner would flatten all
 * rules into the ledger, in a time that grows with the square of their number.
 */
void
ls_to_sql_write_rule(LsWriter *w, const LsWrittenRule *rule)
{
	static void (*const writers[])(LsWriter *, const LsWrittenRule *) = {
		[LS_KIND_EACH] = write_each,
		[LS_KIND_COUNT] = write_count,
		[LS_KIND_INACTIVE] = write_inactive,
		[LS_KIND_SEQUENCE] = ls_to_sql_write_sequence,
		[LS_KIND_STREAK] = write_streak,
	};

	appendStringInfo(&w->sql,
					 "-- %s\nrule_%d AS MATERIALIZED (\n",
					 ls_to_sql_in_comment(rule->row->name),
					 rule->number);
	writers[rule->row->kind](w, rule);
	appendStringInfoString(&w->sql, "),\n");
}
