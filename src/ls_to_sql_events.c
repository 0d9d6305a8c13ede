/*
 * ls_to_sql_events.c: events and what they add up to, as plain SQL.
 *
 * One CTE for each event source in use, one for each rule, and the ledger: a
 * row for each contact and rule that gives points.
 */
#include "ls_to_sql.h"

#include "ls_compat.h"
#include "ls_guard.h"
#include "ls_relation.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"

/* ---- reading ---------------------------------------------------------- */

/* collation_name: so that it is found under any path. */
static const char *
collation_name(const LsWriter *w, Oid collation)
{
	LsGuard guard;
	const char *name;

	ls_guard_enter_reading(&guard, w->scope->owner, LS_SAFE_PATH);
	name = generate_collation_name(collation);
	ls_guard_leave(&guard);
	return name;
}

static Oid
collation_of(Oid relid, const char *column)
{
	Oid type;
	int32 typmod;
	Oid collation;

	get_atttypetypmodcoll(relid,
						  ls_relation_column(relid, column),
						  &type,
						  &typmod,
						  &collation);
	return collation;
}

/*
 * contact_id_sql: of an event. Where its collation is not that of the contacts'
 * key, the key's decides: the two could not be compared.
 */
static const char *
contact_id_sql(const LsWriter *w, Oid relid, const char *column)
{
	const char *sql = psprintf("event.%s", quote_identifier(column));
	Oid collation = collation_of(relid, column);
	Oid of_key = collation_of(w->model->relid, w->model->row->contact_id);

	if (!OidIsValid(collation) || !OidIsValid(of_key) || collation == of_key)
		return sql;
	return psprintf("(%s COLLATE %s)", sql, collation_name(w, of_key));
}

static LsWrittenSource *
read_source(const LsWriter *w, LsSourceRow *row, int number)
{
	LsWrittenSource *source = palloc0(sizeof(LsWrittenSource));
	AttrNumber attno;

	source->row = row;
	source->number = number;
	source->relid = ls_relation_by_name(row->relation);
	if (!OidIsValid(source->relid))
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("relation \"%s\" of event source \"%s\" does not exist",
					   row->relation,
					   row->name),
				errhint("Write its name of now into lead_scoring.event_source.relation."));
	source->scope = ls_model_event_scope(w->model->row, w->model->relid, source->relid);
	source->contact_id = contact_id_sql(w, source->relid, row->contact_id);
	attno = ls_relation_column(source->relid, row->occurred_at);
	source->occurred_at =
		ls_to_sql_in_utc(psprintf("event.%s", quote_identifier(row->occurred_at)),
						 get_atttype(source->relid, attno),
						 row->time_zone != NULL ? row->time_zone
												: w->model->row->time_zone);
	return source;
}

/* source_of: the one that the rule names, or else the model's only one. */
static LsWrittenSource *
source_of(const LsWriter *w, const LsEngagementRow *row)
{
	ListCell *cell;

	foreach(cell, w->sources)
	{
		LsWrittenSource *source = lfirst(cell);

		if (row->source == NULL ? list_length(w->sources) == 1
								: strcmp(source->row->name, row->source) == 0)
			return source;
	}
	ereport(ERROR,
			errcode(ERRCODE_UNDEFINED_OBJECT),
			errmsg("engagement rule \"%s\" does not say which event source it means",
				   row->name),
			errhint("Give a source of lead_scoring.event_source."));
	return NULL;
}

static bool
watches_all(const LsEngagementRow *row)
{
	return row->kind == LS_KIND_INACTIVE && row->source == NULL &&
		   row->condition == NULL;
}

/*
 * ls_to_sql_read_events: the model's event sources and its enabled rules.
 */
void
ls_to_sql_read_events(LsWriter *w)
{
	const char *model = w->model->row->name;
	ListCell *cell;

	foreach(cell, ls_catalog_sources(model))
		w->sources =
			lappend(w->sources,
					read_source(w, lfirst(cell), foreach_current_index(cell) + 1));
	foreach(cell, ls_catalog_engagement_rules(model))
	{
		LsWrittenRule *rule = palloc0(sizeof(LsWrittenRule));

		rule->row = lfirst(cell);
		if (!rule->row->enabled)
			continue;
		rule->number = list_length(w->rules) + 1;
		if (!watches_all(rule->row))
			rule->source = source_of(w, rule->row);
		w->rules = lappend(w->rules, rule);
	}
}

/* ---- event sources ---------------------------------------------------- */

/*
 * ls_to_sql_source_condition: a condition of an event source, in parentheses.
 */
const char *
ls_to_sql_source_condition(const LsWriter *w,
						   const LsWrittenSource *source,
						   const char *column,
						   const char *text)
{
	LsPlace place = {.kind = "event source",
					 .name = source->row->name,
					 .column = column,
					 .model = w->model->row->name,
					 .text = text};

	return psprintf("(%s)", ls_to_sql_expression(place, source->scope, false, BOOLOID));
}

static bool
is_used(const LsWriter *w, const LsWrittenSource *source)
{
	ListCell *cell;

	foreach(cell, w->rules)
	{
		const LsWrittenRule *rule = lfirst(cell);

		if (rule->source == source || rule->source == NULL)
			return true;
	}
	return false;
}

/* write_source: the events that count at all. */
static void
write_source(LsWriter *w, const LsWrittenSource *source)
{
	const char *at = source->occurred_at;
	List *conditions = list_make4(psprintf("%s IS NOT NULL", source->contact_id),
								  psprintf("%s > '-infinity'", at),
								  psprintf("%s < 'infinity'", at),
								  psprintf("%s <= " LS_TO_SQL_AS_OF, at));

	if (source->row->condition != NULL)
		conditions =
			lappend(conditions,
					(char *) ls_to_sql_source_condition(w,
														source,
														"condition",
														source->row->condition));
	if (w->adjustment != NULL)
		conditions = lappend(conditions,
							 (char *) ls_to_sql_not_reset(w, source->contact_id, at));
	appendStringInfo(&w->sql,
					 "-- event source %s\n"
					 "events_%d AS NOT MATERIALIZED (\n"
					 "    SELECT event.*\n"
					 "    FROM %s AS event\n",
					 ls_to_sql_in_comment(source->row->name),
					 source->number,
					 ls_relation_name(source->relid));
	ls_to_sql_where(&w->sql, conditions, "    ");
	appendStringInfoString(&w->sql, "),\n");
}

/*
 * ls_to_sql_write_sources: the CTE of each that a rule uses.
 */
void
ls_to_sql_write_sources(LsWriter *w)
{
	ListCell *cell;

	foreach(cell, w->sources)
		if (is_used(w, lfirst(cell)))
			write_source(w, lfirst(cell));
}

/* ---- the ledger ------------------------------------------------------- */

/* required_sql: only where the required rule has a match that counts. */
static const char *
required_sql(const LsWriter *w, const LsEngagementRow *row)
{
	ListCell *cell;

	if (row->requires == NULL)
		return "";
	foreach(cell, w->rules)
	{
		const LsWrittenRule *rule = lfirst(cell);

		if (strcmp(rule->row->name, row->requires) == 0)
			return psprintf("\n    WHERE contact_id IN"
							" (SELECT contact_id FROM rule_%d WHERE counted)",
							rule->number);
	}
	return psprintf("\n    -- requires %s, which does not count\n    WHERE false",
					ls_to_sql_in_comment(row->requires));
}

static void
write_entry(LsWriter *w, const LsWrittenRule *rule)
{
	const LsEngagementRow *row = rule->row;

	appendStringInfo(&w->sql,
					 "%s    -- %s\n"
					 "    SELECT contact_id, '%s'::text AS dimension, %s::text AS "
					 "group_name, points\n"
					 "    FROM rule_%d%s\n",
					 rule->number > 1 ? "    UNION ALL\n" : "",
					 ls_to_sql_in_comment(row->name),
					 row->is_intent ? "intent" : "engagement",
					 row->group_name != NULL ? quote_literal_cstr(row->group_name)
											 : "NULL",
					 rule->number,
					 required_sql(w, row));
}

/*
 * ls_to_sql_write_ledger: the CTEs of all rules, and what they give.
 */
void
ls_to_sql_write_ledger(LsWriter *w)
{
	ListCell *cell;

	foreach(cell, w->rules)
		ls_to_sql_write_rule(w, lfirst(cell));
	appendStringInfoString(&w->sql,
						   "-- the points of every contact and rule\nledger AS (\n");
	foreach(cell, w->rules)
		write_entry(w, lfirst(cell));
	appendStringInfoString(&w->sql, ")\n");
}

static bool
has_rules(const LsWriter *w, const char *dimension, const char *group)
{
	bool is_intent = strcmp(dimension, "intent") == 0;
	ListCell *cell;

	foreach(cell, w->rules)
	{
		const LsEngagementRow *row = ((LsWrittenRule *) lfirst(cell))->row;

		if (row->is_intent != is_intent)
			continue;
		if (group == NULL
				? row->group_name == NULL
				: row->group_name != NULL && strcmp(row->group_name, group) == 0)
			return true;
	}
	return false;
}

/* sum_sql: of the rules of a group (NULL = of those without), before limits. */
static const char *
sum_sql(const LsWriter *w, const char *dimension, const char *group)
{
	if (!has_rules(w, dimension, group))
		return "0::float8";
	if (group == NULL)
		return psprintf("COALESCE(sum(points) FILTER (WHERE dimension = '%s'"
						" AND group_name IS NULL), 0)",
						dimension);
	return psprintf("COALESCE(sum(points) FILTER (WHERE group_name = %s), 0)",
					quote_literal_cstr(group));
}

/*
 * ls_to_sql_dimension: engagement or intent before the model's limits, as an
 * aggregate over a contact's entries in the ledger.
 */
const char *
ls_to_sql_dimension(const LsWriter *w, const char *dimension)
{
	StringInfoData sql;
	ListCell *cell;

	initStringInfo(&sql);
	appendStringInfoString(&sql, sum_sql(w, dimension, NULL));
	foreach(cell, ls_catalog_groups(w->model->row->name))
	{
		const LsGroupRow *group = lfirst(cell);

		if (strcmp(group->dimension, dimension) != 0)
			continue;
		appendStringInfo(&sql,
						 "\n            -- group %s\n            + %s",
						 ls_to_sql_in_comment(group->name),
						 ls_to_sql_clamped(sum_sql(w, dimension, group->name),
										   group->limits));
	}
	return sql.data;
}
