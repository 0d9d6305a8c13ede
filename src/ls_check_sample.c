/*
 * ls_check_sample.c: sample_problems: what shows only when conditions meet
 * events: a condition that is mostly null, a value that is no finite number, an
 * expression that raises.
 */
#include "postgres.h"

#include "ls_attempt.h"
#include "ls_compat.h"
#include "ls_guard.h"
#include "ls_model_cache.h"
#include "ls_relation.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(ls_sql_sample_problems);

#define SAMPLE_ROWS 10000

/* LsSample: the query on a rule, or on a source, and what it found. */
typedef struct LsSample
{
	LsCondScope *scope;
	const LsSourceRow *source;
	const LsEngagementRow *rule; /* NULL: the source itself */
	List *names;				 /* of char *: what each condition is called */
	List *nulls;				 /* of char *: SQL that is null where it is */
	int64 counts[32];			 /* events, bad values, then one for each of `nulls` */
} LsSample;

static void
add_condition(LsSample *sample, const char *name, const char *text)
{
	LsCond *cond;

	if (text == NULL)
		return;
	cond = ls_cond_read(sample->scope, text, BOOLOID);
	sample->names = lappend(sample->names, pstrdup(name));
	sample->nulls =
		lappend(sample->nulls, ls_cond_deparse(cond->expr, sample->scope, true));
}

static void
add_conditions(LsSample *sample)
{
	const LsEngagementRow *rule = sample->rule;
	ListCell *cell;

	if (rule == NULL)
	{
		add_condition(sample, "condition", sample->source->condition);
		add_condition(sample, "activity", sample->source->activity);
		return;
	}
	add_condition(sample, "condition", rule->condition);
	add_condition(sample, "unless", rule->unless);
	add_condition(sample, "hit", rule->hit);
	foreach(cell, rule->steps)
		add_condition(sample,
					  psprintf("steps[%d]", foreach_current_index(cell) + 1),
					  lfirst(cell));
}

static char *
print(const LsSample *sample, const char *text, Oid type)
{
	LsCond *cond = ls_cond_read(sample->scope, text, type);

	return ls_cond_deparse(cond->expr, sample->scope, true);
}

/* write_bad_value: 1 where the event matches and its value is not finite. */
static void
write_bad_value(StringInfo sql, const LsSample *sample)
{
	const LsEngagementRow *rule = sample->rule;

	if (rule == NULL || rule->value == NULL)
	{
		appendStringInfoString(sql, "NULL");
		return;
	}
	appendStringInfo(sql,
					 "CASE WHEN (%s) THEN CASE WHEN (%s)::float8 IN "
					 "('NaN', 'Infinity', '-Infinity') THEN 1 END END",
					 rule->condition == NULL ? "true"
											 : print(sample, rule->condition, BOOLOID),
					 print(sample, rule->value, FLOAT8OID));
}

static char *
write_query(LsSample *sample)
{
	const LsCondRelation *event;
	StringInfoData sql;
	ListCell *cell;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT count(*), count(");
	write_bad_value(&sql, sample);
	appendStringInfoChar(&sql, ')');
	foreach(cell, sample->nulls)
		appendStringInfo(&sql,
						 ", count(*) FILTER (WHERE (%s) IS NULL)",
						 (char *) lfirst(cell));
	event = linitial(sample->scope->relations);
	appendStringInfo(&sql,
					 " FROM (SELECT * FROM %s LIMIT %d) AS event",
					 ls_relation_name(event->relid),
					 SAMPLE_ROWS);
	if (sample->rule != NULL && sample->source->condition != NULL)
		appendStringInfo(&sql,
						 " WHERE %s",
						 print(sample, sample->source->condition, BOOLOID));
	return sql.data;
}

/* take: read, write and run the query, as the owner of the contacts. */
static void
take(void *arg)
{
	LsSample *sample = arg;
	LsGuard guard;
	char *sql;

	add_conditions(sample);
	sql = write_query(sample);
	ls_guard_enter(&guard, sample->scope->owner, LS_SAFE_PATH);
	SPI_connect();
	if (SPI_execute(sql, true, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "query on a sample of events failed");
	for (int i = 0; i < SPI_tuptable->tupdesc->natts; i++)
	{
		bool is_null;

		sample->counts[i] = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
														SPI_tuptable->tupdesc,
														i + 1,
														&is_null));
	}
	SPI_finish();
	ls_guard_leave(&guard);
}

static void
put(ReturnSetInfo *result,
	const char *severity,
	const LsSample *sample,
	const char *problem,
	const char *suggestion)
{
	Datum values[4];
	bool nulls[4] = {false, false, false, false};

	values[0] = CStringGetTextDatum(severity);
	values[1] = CStringGetTextDatum(
		sample->rule == NULL ? psprintf("event source \"%s\"", sample->source->name)
							 : psprintf("engagement rule \"%s\"", sample->rule->name));
	values[2] = CStringGetTextDatum(problem);
	values[3] = CStringGetTextDatum(suggestion);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static void
report(ReturnSetInfo *result, const LsSample *sample)
{
	int64 nevents = sample->counts[0];
	ListCell *cell;

	if (sample->counts[1] > 0)
		put(result,
			"warning",
			sample,
			psprintf("value is NaN or infinite for " INT64_FORMAT " of " INT64_FORMAT
					 " events looked at",
					 sample->counts[1],
					 nevents),
			"Such a value counts as 0: correct the events, or leave them out by the "
			"condition.");
	foreach(cell, sample->names)
	{
		int64 nulls = sample->counts[2 + foreach_current_index(cell)];

		if (2 * nulls > nevents)
			put(result,
				"warning",
				sample,
				psprintf("%s is null for " INT64_FORMAT " of " INT64_FORMAT
						 " events looked at",
						 (char *) lfirst(cell),
						 nulls,
						 nevents),
				"Null is not true: compare with IS NOT DISTINCT FROM, or use coalesce(), "
				"where such events should match.");
	}
}

static void
look_at(ReturnSetInfo *result,
		LsCondScope *scope,
		const LsSourceRow *source,
		const LsEngagementRow *rule)
{
	LsSample sample = {.scope = scope, .source = source, .rule = rule};
	ErrorData *error;

	if (ls_attempt(take, &sample, &error))
		report(result, &sample);
	else
		put(result,
			"error",
			&sample,
			psprintf("fails on the events: %s", error->message),
			"Put the case that fails outside of the expression.");
}

static void
look_at_source(ReturnSetInfo *result,
			   const LsModelRow *row,
			   Oid contacts,
			   List *sources,
			   const LsSourceRow *source)
{
	Oid relid = ls_relation_by_name(source->relation);
	LsCondScope *scope;
	ListCell *cell;

	if (!OidIsValid(relid))
		return;
	scope = ls_model_event_scope(row, contacts, relid);
	look_at(result, scope, source, NULL);
	foreach(cell, ls_catalog_engagement_rules(row->name))
	{
		const LsEngagementRow *rule = lfirst(cell);

		if (rule->enabled && ls_catalog_source_of(rule, sources) == source)
			look_at(result, scope, source, rule);
	}
}

/*
 * sample_problems(model text) -> setof (severity, object, problem, suggestion): the
 * enabled rules on at most SAMPLE_ROWS events of each source; as the owner of the
 * contacts, restricted.
 */
Datum
ls_sql_sample_problems(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	LsModelRow *row;
	List *sources;
	ListCell *cell;
	Oid contacts;

	InitMaterializedSRF(fcinfo, 0);
	row = ls_relation_readable_row(PG_GETARG_TEXT_PP(0));
	contacts = ls_relation_of_model(row, false);
	if (!ls_relation_may_change(contacts, GetUserId()))
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("permission denied for the events of model \"%s\"", row->name),
				errhint("Only who owns its contacts, or is a member of that role, may "
						"check them."));
	sources = ls_catalog_sources(row->name);
	foreach(cell, sources)
		look_at_source(result, row, contacts, sources, lfirst(cell));
	return (Datum) 0;
}
