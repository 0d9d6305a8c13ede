/*
 * ls_check_seen.c: sample_problems: what shows only when conditions meet events
 * and contacts: one that is mostly null, or true of all or none; a value that is
 * no finite number; an expression that raises; events that do not reach back as
 * far as a rule looks.
 */
#include "postgres.h"

#include "ls_check_sample.h"
#include "ls_compat.h"
#include "ls_lookup.h"
#include "ls_model_cache.h"
#include "ls_relation.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(ls_sql_sample_problems);

/* To say that all or none of the rows meet a condition. */
#define ENOUGH_ROWS 100

/* LsSeen: the model whose rules are tried, and where findings go. */
typedef struct LsSeen
{
	ReturnSetInfo *result;
	const LsModelRow *row;
	Oid contacts;
	List *sources;
	List *rules;
} LsSeen;

static const char *
object_of(const LsSample *sample)
{
	if (sample->fit != NULL)
		return psprintf("fit rule \"%s\"", sample->fit->name);
	if (sample->rule != NULL)
		return psprintf("engagement rule \"%s\"", sample->rule->name);
	return psprintf("event source \"%s\"", sample->source->name);
}

static void
put(const LsSeen *seen,
	const char *severity,
	const LsSample *sample,
	const char *problem,
	const char *suggestion)
{
	Datum values[4];
	bool nulls[4] = {false, false, false, false};

	values[0] = CStringGetTextDatum(severity);
	values[1] = CStringGetTextDatum(object_of(sample));
	values[2] = CStringGetTextDatum(problem);
	values[3] = CStringGetTextDatum(suggestion);
	tuplestore_putvalues(seen->result->setResult, seen->result->setDesc, values, nulls);
}

/* is_expected: may such a condition well be true of none, or of all? */
static bool
is_expected(const LsSample *sample, const LsSampleCondition *condition, bool none)
{
	if (strcmp(condition->name, "unless") == 0)
		return true; /* what did not happen yet */
	if (sample->source != NULL && sample->rule == NULL)
		return !none; /* of a source: all events may count */
	return !none && strcmp(condition->name, "condition") != 0;
}

static void
report_condition(const LsSeen *seen,
				 const LsSample *sample,
				 const LsSampleCondition *condition)
{
	const char *rows = sample->source == NULL ? "contacts" : "events";

	if (sample->source != NULL && 2 * condition->nulls > sample->nrows)
		put(seen,
			"warning",
			sample,
			psprintf("%s is null for " INT64_FORMAT " of " INT64_FORMAT
					 " events looked at",
					 condition->name,
					 condition->nulls,
					 sample->nrows),
			"Null is not true: compare with IS NOT DISTINCT FROM, or use coalesce(), "
			"where such events should match.");
	else if (sample->nrows < ENOUGH_ROWS)
		return;
	else if (condition->trues == 0 && !is_expected(sample, condition, true))
		put(seen,
			"advice",
			sample,
			psprintf("%s matches none of " INT64_FORMAT " %s looked at",
					 condition->name,
					 sample->nrows,
					 rows),
			"Look for a misspelt value or a wrong column; or disable the rule.");
	else if (condition->trues == sample->nrows &&
			 !is_expected(sample, condition, false))
		put(seen,
			"advice",
			sample,
			psprintf("%s matches all of " INT64_FORMAT " %s looked at",
					 condition->name,
					 sample->nrows,
					 rows),
			"What is true of all tells nobody apart: make it narrower, or leave it "
			"out.");
}

/* look_back_us: how far back the rule looks; 0 = its matches count for ever. */
static int64
look_back_us(const LsEngagementRow *rule)
{
	if (rule->kind == LS_KIND_SEQUENCE)
		return rule->expires_after_us > 0 ? rule->within_us + rule->expires_after_us
										  : rule->within_us;
	return Max(rule->within_us, rule->expires_after_us);
}

/* report_age: events that were deleted before a rule has done with them. */
static void
report_age(const LsSeen *seen, const LsSample *sample)
{
	const LsEngagementRow *longest = NULL;
	int64 secs = 0;
	ListCell *cell;

	foreach(cell, seen->rules)
	{
		const LsEngagementRow *rule = lfirst(cell);

		if (!rule->enabled || look_back_us(rule) / USECS_PER_SEC <= secs ||
			(ls_catalog_source_of(rule, seen->sources) != sample->source &&
			 !ls_catalog_watches_all(rule)))
			continue;
		longest = rule;
		secs = look_back_us(rule) / USECS_PER_SEC;
	}
	if (longest == NULL || sample->nrows < ENOUGH_ROWS ||
		sample->oldest_age_secs >= secs)
		return;
	put(seen,
		"advice",
		sample,
		psprintf(
			"its oldest event is %.1f days old, while engagement rule \"%s\" looks "
			"back %.1f days",
			(double) sample->oldest_age_secs / SECS_PER_DAY,
			longest->name,
			(double) secs / SECS_PER_DAY),
		"Where old events are deleted, keep them for as long as rules look back; nothing "
		"is wrong where there are no older ones.");
}

static void
report(const LsSeen *seen, const LsSample *sample)
{
	ListCell *cell;

	if (sample->nbad > 0)
		put(seen,
			"warning",
			sample,
			psprintf("value is NaN or infinite for " INT64_FORMAT " of " INT64_FORMAT
					 " events looked at",
					 sample->nbad,
					 sample->nrows),
			"Such a value counts as 0: correct the events, or leave them out by the "
			"condition.");
	foreach(cell, sample->conditions)
		report_condition(seen, sample, lfirst(cell));
	if (sample->source != NULL && sample->rule == NULL)
		report_age(seen, sample);
}

static void
look_at(const LsSeen *seen, LsSample sample)
{
	ErrorData *error;

	if (ls_sample_take(&sample, &error))
		report(seen, &sample);
	else if (sample.source != NULL)
		put(seen,
			"error",
			&sample,
			psprintf("fails on the events: %s", error->message),
			"Put the case that fails outside of the expression.");
}

static void
look_at_source(const LsSeen *seen, const LsSourceRow *source)
{
	Oid relid = ls_relation_by_name(source->relation);
	LsSample sample = {.joins = "", .source = source};
	ListCell *cell;

	if (!OidIsValid(relid))
		return;
	sample.scope = ls_model_event_scope(seen->row, seen->contacts, relid);
	sample.shown = sample.scope;
	look_at(seen, sample);
	sample.filter = source->condition;
	foreach(cell, seen->rules)
	{
		sample.rule = lfirst(cell);
		if (sample.rule->enabled &&
			ls_catalog_source_of(sample.rule, seen->sources) == source)
			look_at(seen, sample);
	}
}

/* show_joined: the scope with lookups called as ls_lookup_joins calls them. */
static LsCondScope *
show_joined(const LsCondScope *scope)
{
	LsCondScope *shown = palloc(sizeof(LsCondScope));
	ListCell *cell;

	*shown = *scope;
	shown->relations = NIL;
	foreach(cell, scope->relations)
	{
		LsCondRelation *relation = palloc(sizeof(LsCondRelation));

		*relation = *(LsCondRelation *) lfirst(cell);
		if (foreach_current_index(cell) > 0)
			relation->alias = psprintf("lookup_%d", foreach_current_index(cell));
		shown->relations = lappend(shown->relations, relation);
	}
	return shown;
}

/* look_at_contacts: fit rules. What fails is told by the contacts it fails for. */
static void
look_at_contacts(const LsSeen *seen)
{
	List *lookups = ls_lookup_find_all(seen->row, seen->contacts);
	LsSample sample = {.filter = seen->row->population};
	ListCell *cell;

	sample.scope = ls_model_scope_with(seen->row, seen->contacts, lookups);
	sample.shown = show_joined(sample.scope);
	sample.joins = ls_lookup_joins(lookups, "contact");
	foreach(cell, ls_catalog_fit_rules(seen->row->name))
	{
		sample.fit = lfirst(cell);
		if (sample.fit->enabled)
			look_at(seen, sample);
	}
}

/*
 * sample_problems(model text) -> setof (severity, object, problem, suggestion): the
 * enabled rules on some of the events of each source, and of the contacts; as the
 * owner of the contacts, restricted.
 */
Datum
ls_sql_sample_problems(PG_FUNCTION_ARGS)
{
	LsSeen seen = {.result = (ReturnSetInfo *) fcinfo->resultinfo};
	ListCell *cell;

	InitMaterializedSRF(fcinfo, 0);
	seen.row = ls_relation_readable_row(PG_GETARG_TEXT_PP(0));
	seen.contacts = ls_relation_of_model(seen.row, false);
	if (!ls_relation_may_change(seen.contacts, GetUserId()))
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("permission denied for the events of model \"%s\"",
					   seen.row->name),
				errhint("Only who owns its contacts, or is a member of that role, may "
						"check them."));
	seen.sources = ls_catalog_sources(seen.row->name);
	seen.rules = ls_catalog_engagement_rules(seen.row->name);
	foreach(cell, seen.sources)
		look_at_source(&seen, lfirst(cell));
	look_at_contacts(&seen);
	return (Datum) 0;
}
