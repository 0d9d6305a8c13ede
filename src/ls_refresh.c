/*
 * ls_refresh.c: refresh (whoever is due) and rescore (everyone), in batches.
 *
 * A batch: make sure that there are score rows, lock them, and only then read
 * the contacts, with a snapshot taken after the lock; so what was committed
 * before is seen, and what comes after waits or is applied by its own commit.
 * Rows that somebody else has locked are left to him or to the queue. Each batch
 * is a transaction of its own where the caller allows it.
 */
#include "ls_refresh.h"

#include "ls_adjust.h"
#include "ls_attempt.h"
#include "ls_batch.h"
#include "ls_claim.h"
#include "ls_compat.h"
#include "ls_config.h"
#include "ls_flush.h"
#include "ls_guc.h"
#include "ls_relation.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ls_sql_refresh);
PG_FUNCTION_INFO_V1(ls_sql_rescore);

#define BATCH 1000

/* ---- the queue ----------------------------------------------------------- */

/* take_queue: move a batch of contacts from the queue. */
static int
take_queue(LsRun *run, LsChange **changes)
{
	(void) ls_objects_execute(
		psprintf("WITH taken AS (DELETE FROM %s WHERE id IN"
				 " (SELECT id FROM %s WHERE contact_id IS NOT NULL"
				 " ORDER BY id LIMIT %d FOR UPDATE SKIP LOCKED)"
				 " RETURNING contact_id, cause) SELECT contact_id, cause FROM taken",
				 run->objects->queue,
				 run->objects->queue,
				 BATCH),
		0,
		NULL,
		NULL);
	return ls_apply_found(run->objects, changes);
}

/*
 * drain_queue: contacts that were queued before the call. Those that cannot be
 * locked come back to the queue, and wait for the next call.
 */
static void
drain_queue(LsRun *run)
{
	int n;
	int64 batches;

	ls_batch_drain_lookups(run);
	ls_batch_begin(run);
	(void) ls_objects_execute(
		psprintf("SELECT count(*) FROM %s WHERE contact_id IS NOT NULL",
				 run->objects->queue),
		0,
		NULL,
		NULL);
	batches = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
										  SPI_tuptable->tupdesc,
										  1,
										  &(bool){false})) /
				  BATCH +
			  1;
	ls_batch_end(run);
	do
	{
		LsChange *changes = NULL;

		ls_batch_begin(run);
		n = take_queue(run, &changes);
		if (!ls_batch_pass_lookups(run, changes, n))
			n = 0;
		ls_batch_recompute(run, changes, n);
		ls_batch_end(run);
	} while (n > 0 && --batches > 0);
}

/* find_mark: the latest row that says that all are stale; 0 = none. */
static int64
find_mark(const LsRun *run)
{
	bool is_null;
	Datum id;

	(void) ls_objects_execute(psprintf("SELECT max(id) FROM %s"
									   " WHERE contact_id IS NULL AND lookup IS NULL",
									   run->objects->queue),
							  0,
							  NULL,
							  NULL);
	id = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null);
	return is_null ? 0 : DatumGetInt64(id);
}

/* delete_marks: those that were there when the walk began. */
static void
delete_marks(const LsRun *run, int64 mark)
{
	Oid types[1] = {INT8OID};
	Datum values[1] = {Int64GetDatum(mark)};

	(void) ls_objects_execute(
		psprintf("DELETE FROM %s WHERE id IN (SELECT id FROM %s"
				 " WHERE contact_id IS NULL AND lookup IS NULL AND id <= $1"
				 " FOR UPDATE SKIP LOCKED)",
				 run->objects->queue,
				 run->objects->queue),
		1,
		types,
		values);
}

/* ---- everyone ---------------------------------------------------------- */

/* remember_last: the key that the walk has reached, past this batch. */
static void
remember_last(LsRun *run)
{
	bool is_null;
	uint64 rows = SPI_tuptable->numvals;
	Datum last =
		SPI_getbinval(SPI_tuptable->vals[rows - 1], SPI_tuptable->tupdesc, 1, &is_null);
	int16 typlen;
	bool typbyval;
	MemoryContext old = MemoryContextSwitchTo(run->context);

	get_typlenbyval(run->objects->key_type, &typlen, &typbyval);
	run->last = datumCopy(last, typbyval, typlen);
	run->has_last = true;
	MemoryContextSwitchTo(old);
}

/* next_contacts: a batch of contacts in the order of their keys; 0 = the end. */
static int
next_contacts(LsRun *run, LsChange **changes)
{
	const LsObjects *objects = run->objects;
	Oid types[1] = {objects->key_type};
	Datum values[1] = {run->last};
	int n;

	(void) ls_objects_execute(
		psprintf("SELECT c.%s::%s FROM %s AS c WHERE c.%s IS NOT NULL%s"
				 " ORDER BY c.%s LIMIT %d",
				 objects->id,
				 format_type_be(objects->key_type),
				 objects->contacts,
				 objects->id,
				 run->has_last ? psprintf(" AND c.%s > $1", objects->id) : "",
				 objects->id,
				 BATCH),
		run->has_last ? 1 : 0,
		types,
		values);
	if (SPI_tuptable->numvals == 0)
		return 0;
	remember_last(run);
	n = ls_apply_found(run->objects, changes);
	for (int i = 0; i < n; i++)
		(*changes)[i].cause = run->is_activation ? LS_CAUSE_ACTIVATION : LS_CAUSE_RULES;
	return n;
}

/*
 * note_scored: everyone was scored under these rules. Who has the row locked
 * notes the same, or is changing the model.
 */
static void
note_scored(const LsRun *run, int64 stamp)
{
	Oid types[2] = {TEXTOID, INT8OID};
	Datum values[2] = {CStringGetTextDatum(run->model), Int64GetDatum(stamp)};

	ls_config_by_function = true;
	PG_TRY();
	{
		(void)
			ls_objects_execute("UPDATE lead_scoring.model SET scored_stamp = $2"
							   " WHERE name = (SELECT name FROM lead_scoring.model"
							   " WHERE name = $1 AND scored_stamp IS DISTINCT FROM $2"
							   " FOR NO KEY UPDATE SKIP LOCKED)",
							   2,
							   types,
							   values);
	}
	PG_FINALLY();
	{
		ls_config_by_function = false;
	}
	PG_END_TRY();
}

/* walk: every contact, in the order of the keys. */
static void
walk(LsRun *run)
{
	int n;

	run->has_last = false;
	do
	{
		LsChange *changes = NULL;

		ls_batch_begin(run);
		n = next_contacts(run, &changes);
		ls_batch_recompute(run, changes, n);
		ls_batch_end(run);
	} while (n > 0);
}

/*
 * rescore: what says that all are stale is taken away only when all are done,
 * so that an interrupted run leaves it behind.
 */
static void
rescore(LsRun *run)
{
	int64 stamp;
	int64 mark;

	drain_queue(run);
	ls_batch_begin(run);
	stamp = ls_model_get(run->model)->life_stamp;
	run->is_activation |= !ls_model_get(run->model)->row->has_scored_stamp;
	mark = find_mark(run);
	ls_batch_end(run);
	walk(run);
	ls_batch_begin(run);
	ls_batch_sweep(run);
	ls_batch_end(run);
	ls_batch_begin(run);
	delete_marks(run, mark);
	note_scored(run, stamp);
	ls_batch_end(run);
}

/* ---- who is due --------------------------------------------------------- */

/* next_due: a batch of contacts that are due, or behind the rules. */
static int
next_due(LsRun *run, LsChange **changes)
{
	Oid types[3] = {TIMESTAMPTZOID, INT8OID, get_array_type(run->objects->key_type)};
	Datum values[3] = {TimestampTzGetDatum(run->until),
					   Int64GetDatum(ls_model_get(run->model)->stamp),
					   ls_batch_given_up(run)};
	const char *others = run->ngiven_up > 0 ? " AND contact_id <> ALL ($3)" : "";

	(void) ls_objects_execute(
		psprintf("SELECT contact_id FROM %s WHERE (due_at <= $1"
				 " AND scored_at < $1 OR stamp < $2 OR stamp > $2)%s LIMIT %d"
				 " FOR UPDATE SKIP LOCKED",
				 run->objects->score,
				 others,
				 BATCH),
		run->ngiven_up > 0 ? 3 : 2,
		types,
		values);
	return ls_apply_found(run->objects, changes);
}

/* is_everyone_due: do the rules, or a row of the queue, say so? */
static bool
is_everyone_due(LsRun *run)
{
	LsModel *model;
	bool due;

	ls_batch_begin(run);
	model = ls_model_get(run->model);
	due =
		!model->row->has_scored_stamp || model->row->scored_stamp != model->life_stamp;
	due = due || find_mark(run) > 0;
	ls_batch_end(run);
	return due;
}

/*
 * take_returned: who was excluded by hand, and no longer is: there is no score row
 * that could be due.
 */
static void
take_returned(LsRun *run)
{
	int n;

	run->has_last = false;
	do
	{
		LsChange *changes = NULL;

		ls_batch_begin(run);
		n = ls_adjust_returned(run->objects,
							   run->has_last ? &run->last : NULL,
							   run->until,
							   BATCH,
							   &changes);
		if (n > 0)
			remember_last(run);
		ls_batch_recompute(run, changes, n);
		ls_batch_end(run);
	} while (n > 0);
}

static void
refresh(LsRun *run)
{
	int n;

	if (is_everyone_due(run))
	{
		rescore(run);
		return;
	}
	drain_queue(run);
	take_returned(run);
	do
	{
		LsChange *changes = NULL;

		ls_batch_begin(run);
		n = next_due(run, &changes);
		ls_batch_apply(run, changes, n);
		ls_batch_end(run);
	} while (n > 0);
}

/* ---- the calls ---------------------------------------------------------- */

static uint64
run_batches(LsRun run, void (*work)(LsRun *run))
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				errmsg("scores cannot be recomputed in a transaction with a fixed "
					   "snapshot"),
				errhint("Run it at isolation level READ COMMITTED."));
	/* Events that are about to be read must not be merged later. */
	ls_flush_now();
	if (SPI_connect_ext(run.commits ? SPI_OPT_NONATOMIC : 0) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	run.context = CurrentMemoryContext;
	run.batch = AllocSetContextCreate(run.context,
									  "lead_scoring batch",
									  ALLOCSET_DEFAULT_SIZES);
	run.model = pstrdup(run.model);
	run.reported = run.until = GetCurrentTimestamp();
	work(&run);
	SPI_finish();
	return run.done;
}

/*
 * ls_refresh_everyone: score all contacts in the current transaction, which has
 * locked them against writes. is_new: they were in no lifecycle of the model so far;
 * enrol: transitions and actions are for them, too. Gives their number.
 */
uint64
ls_refresh_everyone(const char *model, bool is_new, bool enrol)
{
	LsRun run = {.model = model,
				 .alone = true,
				 .is_activation = is_new,
				 .fire_actions = enrol};

	return run_batches(run, rescore);
}

/*
 * ls_refresh_may_commit: is it a procedure, called where it may commit?
 */
bool
ls_refresh_may_commit(FunctionCallInfo fcinfo)
{
	return fcinfo->context != NULL && IsA(fcinfo->context, CallContext) &&
		   !((CallContext *) fcinfo->context)->atomic;
}

/*
 * ls_refresh_result: of a procedure: a row of one number, where it has an argument
 * for that beyond `nargs` others.
 */
Datum
ls_refresh_result(FunctionCallInfo fcinfo, int nargs, uint64 number)
{
	Datum values[1] = {Int64GetDatum((int64) number)};
	bool nulls[1] = {false};
	TupleDesc desc;

	if (PG_NARGS() == nargs)
		PG_RETURN_VOID();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "procedure must return a row");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/* call: of a procedure (model text [, INOUT contacts bigint]). */
static Datum
call(FunctionCallInfo fcinfo, void (*work)(LsRun *run))
{
	LsRun run;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("model must be given"),
				errhint("Name a model of lead_scoring.model."));
	run = (LsRun){.model = text_to_cstring(PG_GETARG_TEXT_PP(0)),
				  .commits = ls_refresh_may_commit(fcinfo)};
	return ls_refresh_result(fcinfo, 1, run_batches(run, work));
}

/*
 * refresh(model text, INOUT contacts bigint): whoever is due, queued or behind
 * the rules.
 */
Datum
ls_sql_refresh(PG_FUNCTION_ARGS)
{
	return call(fcinfo, refresh);
}

/*
 * rescore(model text, INOUT contacts bigint): everyone.
 */
Datum
ls_sql_rescore(PG_FUNCTION_ARGS)
{
	return call(fcinfo, rescore);
}
