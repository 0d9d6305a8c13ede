/*
 * ls_check_sample.c: a query that tries conditions on some of the rows that they
 * are about.
 */
#include "ls_check_sample.h"

#include "ls_attempt.h"
#include "ls_compat.h"
#include "ls_guard.h"
#include "ls_relation.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#define SAMPLE_ROWS 10000

static char *
print(const LsSample *sample, const char *text, Oid type)
{
	LsCond *cond = ls_cond_read(sample->scope, text, type);

	return ls_cond_deparse(cond->expr, sample->shown, true);
}

static void
add_condition(LsSample *sample, const char *name, const char *text)
{
	LsSampleCondition *condition;

	if (text == NULL)
		return;
	condition = palloc0(sizeof(LsSampleCondition));
	condition->name = name;
	condition->sql = print(sample, text, BOOLOID);
	sample->conditions = lappend(sample->conditions, condition);
}

static void
add_conditions(LsSample *sample)
{
	const LsEngagementRow *rule = sample->rule;
	ListCell *cell;

	if (sample->fit != NULL)
		add_condition(sample, "condition", sample->fit->condition);
	else if (rule == NULL)
	{
		add_condition(sample, "condition", sample->source->condition);
		add_condition(sample, "activity", sample->source->activity);
	}
	else
	{
		add_condition(sample, "condition", rule->condition);
		add_condition(sample, "unless", rule->unless);
		add_condition(sample, "hit", rule->hit);
		foreach(cell, rule->steps)
			add_condition(sample,
						  psprintf("steps[%d]", foreach_current_index(cell) + 1),
						  lfirst(cell));
	}
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

static void
write_age(StringInfo sql, const LsSample *sample)
{
	if (sample->source == NULL || sample->rule != NULL)
		appendStringInfoString(sql, "NULL");
	else
		appendStringInfo(sql,
						 "extract(epoch FROM now() - min(event.%s) FILTER "
						 "(WHERE isfinite(event.%s)))::int8",
						 quote_identifier(sample->source->occurred_at),
						 quote_identifier(sample->source->occurred_at));
}

/*
 * write_rows: spread over the whole of a big table, as its first rows are often
 * the oldest.
 */
static void
write_rows(StringInfo sql, Oid relid)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Form_pg_class class;
	double share = 1.0;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	class = (Form_pg_class) GETSTRUCT(tuple);
	if (class->relkind == RELKIND_RELATION || class->relkind == RELKIND_MATVIEW ||
		class->relkind == RELKIND_PARTITIONED_TABLE)
		share = class->reltuples > 0 ? SAMPLE_ROWS / class->reltuples : 1.0;
	ReleaseSysCache(tuple);
	appendStringInfo(sql, "SELECT * FROM %s", ls_relation_name(relid));
	if (share < 0.5)
		appendStringInfo(sql,
						 " TABLESAMPLE SYSTEM (%.9f) REPEATABLE (0)",
						 100.0 * share);
	/* Of a sample the end is not cut off, unless statistics are far out. */
	appendStringInfo(sql, " LIMIT %d", share < 0.5 ? 2 * SAMPLE_ROWS : SAMPLE_ROWS);
}

static char *
write_query(LsSample *sample)
{
	const LsCondRelation *first = linitial(sample->shown->relations);
	StringInfoData sql;
	ListCell *cell;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT count(*), count(");
	write_bad_value(&sql, sample);
	appendStringInfoString(&sql, "), ");
	write_age(&sql, sample);
	foreach(cell, sample->conditions)
	{
		const LsSampleCondition *condition = lfirst(cell);

		appendStringInfo(&sql,
						 ", count(*) FILTER (WHERE (%s) IS NULL)"
						 ", count(*) FILTER (WHERE (%s))",
						 condition->sql,
						 condition->sql);
	}
	appendStringInfoString(&sql, " FROM (");
	write_rows(&sql, first->relid);
	appendStringInfo(&sql,
					 ") AS %s%s CROSS JOIN (SELECT now()) AS moment (as_of)",
					 first->alias,
					 sample->joins);
	if (sample->filter != NULL)
		appendStringInfo(&sql, " WHERE %s", print(sample, sample->filter, BOOLOID));
	return sql.data;
}

static int64
count_of(int column)
{
	bool is_null;
	Datum value =
		SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &is_null);

	return is_null ? 0 : DatumGetInt64(value);
}

/* take: read, write and run the query, as the owner of the contacts. */
static void
take(void *arg)
{
	LsSample *sample = arg;
	ListCell *cell;
	LsGuard guard;
	char *sql;

	add_conditions(sample);
	sql = write_query(sample);
	ls_guard_enter(&guard, sample->scope->owner, LS_SAFE_PATH);
	SPI_connect();
	if (SPI_execute(sql, true, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "query on a sample failed");
	sample->nrows = count_of(1);
	sample->nbad = count_of(2);
	sample->oldest_age_secs = count_of(3);
	foreach(cell, sample->conditions)
	{
		LsSampleCondition *condition = lfirst(cell);

		condition->nulls = count_of(4 + 2 * foreach_current_index(cell));
		condition->trues = count_of(5 + 2 * foreach_current_index(cell));
	}
	SPI_finish();
	ls_guard_leave(&guard);
}

/*
 * ls_sample_take: try the sample's conditions on about SAMPLE_ROWS rows. False
 * where that raises: then `error` says what.
 */
bool
ls_sample_take(LsSample *sample, ErrorData **error)
{
	return ls_attempt(take, sample, error);
}
