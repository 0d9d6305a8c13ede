/*
 * ls_prune.c: prune(model, older_than): what is too old to be kept, in batches of a
 * transaction each where the caller allows it.
 */
#include "postgres.h"

#include "ls_compat.h"
#include "ls_guc.h"
#include "ls_objects.h"
#include "ls_refresh.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ls_sql_prune);

#define BATCH 10000

/* LsPrune: one call. */
typedef struct LsPrune
{
	const char *model;
	bool commits;
	TimestampTz before;
	MemoryContext context; /* of the batch at hand */
	uint64 done;
} LsPrune;

/* LsOld: rows of one table that are too old. */
typedef struct LsOld
{
	const char *suffix;
	const char *order;	   /* a column: they are gone through in its order; or NULL */
	Oid type;			   /* of that column: timestamptz or bigint */
	const char *condition; /* $1 is the moment, %s the other table */
	const char *other;
} LsOld;

/*
 * Of score_history the latest row before the moment stays: it says what was so at
 * the moment, and until the next row. Deliveries go after their row of the outbox.
 */
static const LsOld old_rows[] =
	{{"stage_history", "changed_at", TIMESTAMPTZOID, "t.changed_at < $1", NULL},
	 {"score_history",
	  "changed_at",
	  TIMESTAMPTZOID,
	  "t.changed_at < $1 AND EXISTS (SELECT FROM %s AS later"
	  " WHERE later.contact_id = t.contact_id AND later.changed_at < $1"
	  " AND (later.changed_at, later.id) > (t.changed_at, t.id))",
	  "score_history"},
	 {"outbox",
	  "id",
	  INT8OID,
	  "t.created_at < $1 AND NOT EXISTS (SELECT FROM %s AS d WHERE d.outbox_id = t.id"
	  " AND NOT (d.status IN ('delivered', 'dead') AND d.finished_at < $1))",
	  "delivery"},
	 {"delivery",
	  "outbox_id",
	  INT8OID,
	  "t.status IN ('delivered', 'dead') AND t.finished_at < $1"
	  " AND NOT EXISTS (SELECT FROM %s AS o WHERE o.id = t.outbox_id)",
	  "outbox"},
	 {"score_daily", NULL, InvalidOid, "t.day < ($1 AT TIME ZONE %s)::date", NULL}};

/* condition_of: of what is too old. */
static const char *
condition_of(const LsModelRow *row, const LsOld *old)
{
	if (old->order == NULL)
		return psprintf(old->condition, quote_literal_cstr(row->time_zone));
	if (old->other == NULL)
		return old->condition;
	return psprintf(old->condition, ls_objects_name(row, old->other));
}

/*
 * delete_query: the next ones from $2 on, with their place in the order: who stays
 * is passed once, not with each batch.
 */
static char *
delete_query(const LsModelRow *row, const LsOld *old)
{
	const char *table = ls_objects_name(row, old->suffix);
	const char *order =
		old->order == NULL
			? ""
			: psprintf(" AND t.%s >= $2 ORDER BY t.%s", old->order, old->order);

	return psprintf("DELETE FROM %s AS t WHERE ctid = ANY (ARRAY(SELECT t.ctid"
					" FROM %s AS t WHERE %s%s LIMIT %d FOR UPDATE OF t SKIP LOCKED))"
					" RETURNING %s",
					table,
					table,
					condition_of(row, old),
					order,
					BATCH,
					old->order == NULL ? "NULL::bigint" : old->order);
}

/* prune_batch: the number of rows that are gone; *from is the last one's place. */
static uint64
prune_batch(const LsPrune *prune, const LsOld *old, int64 *from)
{
	LsObjects *objects = ls_objects_open(prune->model, "prune it");
	LsModelRow *row = ls_catalog_model(prune->model, false);
	Oid types[2] = {TIMESTAMPTZOID, old->type};
	Datum values[2] = {TimestampTzGetDatum(prune->before), Int64GetDatum(*from)};
	uint64 n;
	bool is_null;
	LsGuard guard;

	ls_guard_enter(&guard, objects->owner, LS_SAFE_PATH);
	n = ls_objects_execute(delete_query(row, old),
						   old->order == NULL ? 1 : 2,
						   types,
						   values);
	ls_guard_leave(&guard);
	for (uint64 i = 0; i < n && old->order != NULL; i++)
		*from = Max(*from,
					DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i],
												SPI_tuptable->tupdesc,
												1,
												&is_null)));
	return n;
}

static uint64
prune_table(LsPrune *prune, const LsOld *old)
{
	int64 from = PG_INT64_MIN;
	uint64 all = 0;
	uint64 n;

	do
	{
		MemoryContext caller = MemoryContextSwitchTo(prune->context);

		CHECK_FOR_INTERRUPTS();
		n = prune_batch(prune, old, &from);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(prune->context);
		SPI_freetuptable(SPI_tuptable);
		if (prune->commits)
			SPI_commit();
		all += n;
	} while (n > 0);
	return all;
}

/*
 * moment_before: so long before now; days of 24 hours, months of 30 days.
 *
 * Errors: 22023 where that is not in the past.
 */
static TimestampTz
moment_before(const Interval *age)
{
	int64 age_us = ls_catalog_interval_us(age);
	TimestampTz now = GetCurrentTimestamp();

	if (age_us < 0)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("older_than must not be negative"),
				errhint("Give an age, such as interval '1 year'."));
	return age_us >= now - MIN_TIMESTAMP ? DT_NOBEGIN : now - age_us;
}

static uint64
prune_all(LsPrune *prune)
{
	StringInfoData counts;

	initStringInfo(&counts);
	for (int i = 0; i < lengthof(old_rows); i++)
	{
		uint64 n = prune_table(prune, &old_rows[i]);

		prune->done += n;
		appendStringInfo(&counts,
						 "%s%s " UINT64_FORMAT,
						 i == 0 ? "" : ", ",
						 old_rows[i].suffix,
						 n);
	}
	ereport(NOTICE, errmsg("model \"%s\": rows deleted: %s", prune->model, counts.data));
	return prune->done;
}

/*
 * prune(model text, older_than interval [, INOUT rows bigint])
 */
Datum
ls_sql_prune(PG_FUNCTION_ARGS)
{
	LsPrune prune = {.commits = ls_refresh_may_commit(fcinfo)};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("model and older_than must be given"),
				errhint("Call prune('model', interval '1 year')."));
	prune.before = moment_before(PG_GETARG_INTERVAL_P(1));
	prune.model = text_to_cstring(PG_GETARG_TEXT_PP(0));
	if (SPI_connect_ext(prune.commits ? SPI_OPT_NONATOMIC : 0) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	prune.model = pstrdup(prune.model);
	prune.context = AllocSetContextCreate(CurrentMemoryContext,
										  "lead_scoring prune",
										  ALLOCSET_DEFAULT_SIZES);
	(void) prune_all(&prune);
	SPI_finish();
	return ls_refresh_result(fcinfo, 2, prune.done);
}
