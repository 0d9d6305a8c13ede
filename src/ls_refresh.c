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

#include "ls_apply.h"
#include "ls_attempt.h"
#include "ls_claim.h"
#include "ls_compat.h"
#include "ls_config.h"
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
#define REPORT_EVERY_MS 5000

/* LsRun: one call of refresh or rescore. */
typedef struct LsRun
{
	const char *model;
	bool commits; /* a transaction for each batch */
	bool alone;	  /* nobody can write contacts or scores meanwhile */
	LsObjects *objects;
	MemoryContext context; /* of the run */
	MemoryContext batch;   /* of the batch at hand */
	LsGuard guard;
	uint64 done;
	TimestampTz reported;
	bool has_last; /* rescore: the key reached so far */
	Datum last;
	TimestampTz until; /* refresh: who is due by now */
} LsRun;

static LsObjects *
read_objects(const char *name)
{
	LsModelRow *row = ls_catalog_model(name, false);
	Oid contacts = ls_relation_of_model(row, false);
	const char *problem;

	if (!ls_relation_may_change_model(row, GetUserId()))
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("permission denied for model \"%s\"", name),
				errhint("Only who owns its contacts, or is a member of that role, may "
						"refresh its scores."));
	if (!ls_objects_usable(row, contacts, &problem))
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("scores of model \"%s\" cannot be written: %s", name, problem),
				errhint("Call lead_scoring.activate(%s).", quote_literal_cstr(name)));
	return ls_objects_of(row, contacts);
}

/* begin_batch: everything is read again: it may have changed since the commit. */
static void
begin_batch(LsRun *run)
{
	CHECK_FOR_INTERRUPTS();
	MemoryContextReset(run->batch);
	MemoryContextSwitchTo(run->batch);
	run->objects = read_objects(run->model);
	/* The tables before the score rows, as those who write do: whoever has locked
	 * a table (TRUNCATE) wants our rows next. */
	LockRelationOid(run->objects->contacts_relid, AccessShareLock);
	(void) find_all_inheritors(run->objects->contacts_relid, AccessShareLock, NULL);
	if (!run->commits)
		ls_claim_transaction(run->objects->score_relid);
	ls_guard_enter(&run->guard, run->objects->owner, LS_SAFE_PATH);
}

static void
report(LsRun *run)
{
	TimestampTz now = GetCurrentTimestamp();

	if (!TimestampDifferenceExceeds(run->reported, now, REPORT_EVERY_MS))
		return;
	run->reported = now;
	ereport(NOTICE,
			errmsg("model \"%s\": " UINT64_FORMAT " contacts done", run->model, run->done));
}

static void
end_batch(LsRun *run)
{
	ls_guard_leave(&run->guard);
	MemoryContextSwitchTo(run->context);
	if (run->commits)
		SPI_commit();
	report(run);
}

/* lock_rows: gives those of the contacts whose rows nobody else has locked. */
static int
lock_rows(const LsRun *run, const LsChange *changes, int n, LsChange **locked)
{
	Oid types[1] = {get_array_type(run->objects->key_type)};
	Datum values[1] = {ls_apply_keys(run->objects, changes, n)};

	(void) ls_objects_execute(psprintf("SELECT contact_id FROM %s"
									   " WHERE contact_id = ANY ($1)"
									   " FOR UPDATE SKIP LOCKED",
									   run->objects->score),
							  1,
							  types,
							  values);
	return ls_apply_found(run->objects, locked);
}

/* queue_others: contacts that are not among the locked ones. Both are in order. */
static void
queue_others(const LsRun *run,
			 const LsChange *changes,
			 int n,
			 const LsChange *locked,
			 int nlocked)
{
	LsChange *others = palloc(sizeof(LsChange) * n);
	int nothers = 0;
	int at = 0;

	for (int i = 0; i < n; i++)
	{
		if (at < nlocked && ls_apply_compare(&changes[i], &locked[at]) == 0)
			at++;
		else
			others[nothers++] = changes[i];
	}
	if (nothers > 0)
		ls_apply_queue(run->objects, others, nothers, "locked by somebody else");
}

/* LsMissing: contacts of which some may have no score row yet. */
typedef struct LsMissing
{
	const LsObjects *objects;
	const LsChange *changes;
	int n;
} LsMissing;

static void
ensure(void *arg)
{
	const LsMissing *missing = arg;

	ls_apply_ensure(missing->objects, missing->changes, missing->n);
}

/*
 * recompute: the contacts, as far as their rows are free. A row that somebody
 * else is just inserting is waited for, but not long: he may be waiting for one
 * that was inserted here.
 */
static void
recompute(LsRun *run, LsChange *changes, int n)
{
	LsMissing missing = {run->objects, changes, n};
	ErrorData *error;
	LsChange *locked;
	int nlocked;

	if (n == 0)
		return;
	if (run->alone)
	{
		ls_apply_changes(run->objects, changes, n, true);
		run->done += n;
		return;
	}
	(void) ls_attempt_briefly(ensure, &missing, &error);
	nlocked = lock_rows(run, changes, n, &locked);
	if (nlocked < n)
		queue_others(run, changes, n, locked, nlocked);
	if (nlocked > 0)
		ls_apply_changes(run->objects, locked, nlocked, true);
	run->done += nlocked;
}

/* ---- the queue ----------------------------------------------------------- */

/* take_queue: move a batch of contacts from the queue. */
static int
take_queue(LsRun *run, LsChange **changes)
{
	(void) ls_objects_execute(
		psprintf("WITH taken AS (DELETE FROM %s WHERE id IN"
				 " (SELECT id FROM %s WHERE contact_id IS NOT NULL"
				 " ORDER BY id LIMIT %d FOR UPDATE SKIP LOCKED)"
				 " RETURNING contact_id) SELECT DISTINCT contact_id FROM taken",
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

	begin_batch(run);
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
	end_batch(run);
	do
	{
		LsChange *changes = NULL;

		begin_batch(run);
		n = take_queue(run, &changes);
		recompute(run, changes, n);
		end_batch(run);
	} while (n > 0 && --batches > 0);
}

/* find_mark: the latest row that says that all are stale; 0 = none. */
static int64
find_mark(const LsRun *run)
{
	bool is_null;
	Datum id;

	(void)
		ls_objects_execute(psprintf("SELECT max(id) FROM %s WHERE contact_id IS NULL",
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
				 " WHERE contact_id IS NULL AND id <= $1 FOR UPDATE SKIP LOCKED)",
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
	return ls_apply_found(run->objects, changes);
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

		begin_batch(run);
		n = next_contacts(run, &changes);
		recompute(run, changes, n);
		end_batch(run);
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
	begin_batch(run);
	stamp = ls_model_get(run->model)->stamp;
	mark = find_mark(run);
	end_batch(run);
	walk(run);
	begin_batch(run);
	ls_apply_sweep(run->objects);
	end_batch(run);
	begin_batch(run);
	delete_marks(run, mark);
	note_scored(run, stamp);
	end_batch(run);
}

/* ---- who is due --------------------------------------------------------- */

/* next_due: a batch of contacts that are due, or behind the rules. */
static int
next_due(LsRun *run, LsChange **changes)
{
	Oid types[2] = {TIMESTAMPTZOID, INT8OID};
	Datum values[2] = {TimestampTzGetDatum(run->until),
					   Int64GetDatum(ls_model_get(run->model)->stamp)};

	(void) ls_objects_execute(
		psprintf("SELECT contact_id FROM %s WHERE due_at <= $1"
				 " AND scored_at < $1 OR stamp < $2 OR stamp > $2 LIMIT %d"
				 " FOR UPDATE SKIP LOCKED",
				 run->objects->score,
				 BATCH),
		2,
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

	begin_batch(run);
	model = ls_model_get(run->model);
	due = !model->row->has_scored_stamp || model->row->scored_stamp != model->stamp;
	due = due || find_mark(run) > 0;
	end_batch(run);
	return due;
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
	do
	{
		LsChange *changes = NULL;

		begin_batch(run);
		n = next_due(run, &changes);
		if (n > 0)
			ls_apply_changes(run->objects, changes, n, true);
		run->done += n;
		end_batch(run);
	} while (n > 0);
}

/* ---- the calls ---------------------------------------------------------- */

static uint64
run_batches(const char *model, bool commits, bool alone, void (*work)(LsRun *run))
{
	LsRun run = {.model = model, .commits = commits, .alone = alone};

	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				errmsg("scores cannot be recomputed in a transaction with a fixed "
					   "snapshot"),
				errhint("Run it at isolation level READ COMMITTED."));
	if (SPI_connect_ext(commits ? SPI_OPT_NONATOMIC : 0) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	run.context = CurrentMemoryContext;
	run.batch = AllocSetContextCreate(run.context,
									  "lead_scoring batch",
									  ALLOCSET_DEFAULT_SIZES);
	run.model = pstrdup(model);
	run.reported = run.until = GetCurrentTimestamp();
	work(&run);
	SPI_finish();
	return run.done;
}

/*
 * ls_refresh_everyone: score all contacts in the current transaction, which has
 * locked them against writes. Gives their number.
 */
uint64
ls_refresh_everyone(const char *model)
{
	return run_batches(model, false, true, rescore);
}

/* call: of a procedure (model text [, INOUT contacts bigint]). */
static Datum
call(FunctionCallInfo fcinfo, void (*work)(LsRun *run))
{
	bool commits = fcinfo->context != NULL && IsA(fcinfo->context, CallContext) &&
				   !((CallContext *) fcinfo->context)->atomic;
	Datum values[1];
	bool nulls[1] = {false};
	TupleDesc desc;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("model must be given"),
				errhint("Name a model of lead_scoring.model."));
	values[0] = Int64GetDatum((int64) run_batches(text_to_cstring(PG_GETARG_TEXT_PP(0)),
												  commits,
												  false,
												  work));
	if (PG_NARGS() == 1)
		PG_RETURN_VOID();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "procedure must return a row");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
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
