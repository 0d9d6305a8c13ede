/*
 * ls_progress.c: how far a run has come, for others to see and to go on from.
 *
 * A row of lead_scoring.progress_row is written in the transaction of each batch,
 * once a run has lasted for a second, and before a survey that may last. The run holds
 * a lock that outlives its transactions: a row without it is what an interrupted run
 * has left, and a rescore by the same rules goes on from there.
 */
#include "ls_progress.h"

#include "ls_attempt.h"
#include "ls_compat.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define NOTE_AFTER_MS 1000

/* For how long an interrupted rescore is worth going on with. */
#define RESUME_WITHIN "1 hour"

/* Runs of the model in $1 that are over, though their rows are there. */
#define INTERRUPTED                                                                    \
	" FROM lead_scoring.progress_row AS p WHERE p.model = $1 AND NOT EXISTS"           \
	" (SELECT FROM lead_scoring.progress AS now WHERE now.id = p.id)"

/* Those that can be gone on with. */
#define IS_WORTH_IT                                                                    \
	" p.what = 'rescore' AND p.updated_at BETWEEN clock_timestamp()"                   \
	" - interval '" RESUME_WITHIN "' AND clock_timestamp()"
#define RESUMABLE INTERRUPTED " AND" IS_WORTH_IT

static LOCKTAG
tag_of(int64 id)
{
	Oid table = get_relname_relid("progress_row", ls_catalog_schema());
	LOCKTAG tag;

	SET_LOCKTAG_OBJECT(tag,
					   MyDatabaseId,
					   RelationRelationId,
					   table,
					   (uint16) (id % 32768));
	return tag;
}

/* hold: until ls_progress_release; false where somebody else does. */
static bool
hold(LsRun *run, int64 id)
{
	LOCKTAG tag = tag_of(id);

	if (LockAcquire(&tag, ExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
		return false;
	run->progress_id = id;
	run->progress_tag = tag;
	return true;
}

/*
 * ls_progress_release: the run is over, in whatever way.
 */
void
ls_progress_release(LsRun *run)
{
	if (run->progress_id == 0)
		return;
	(void) LockRelease(&run->progress_tag, ExclusiveLock, true);
	run->progress_id = 0;
}

static Datum
get(int column, bool *is_null)
{
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, is_null);
}

/* execute: a statement on the rows of the model, which is $1. */
static uint64
execute(const LsRun *run, const char *sql, int nargs, Oid *types, Datum *values)
{
	types[0] = TEXTOID;
	values[0] = CStringGetTextDatum(run->model);
	return ls_objects_execute(sql, nargs, types, values);
}

/* ---- while it runs ------------------------------------------------------- */

/* key_text: '' where the run goes in no order, or has not begun. */
static Datum
key_text(const LsRun *run)
{
	Oid function;
	bool is_varlena;

	if (!run->is_walking || !run->has_last)
		return CStringGetTextDatum("");
	getTypeOutputInfo(run->objects->key_type, &function, &is_varlena);
	return CStringGetTextDatum(OidOutputFunctionCall(function, run->last));
}

static void
insert_row(LsRun *run)
{
	Oid types[5] = {TEXTOID, TEXTOID, INT4OID, TIMESTAMPTZOID, INT8OID};
	Datum values[5];
	int64 id;

	if (!pg_strong_random(&id, sizeof(id)))
		return;
	id = (int64) ((uint64) id >> 1) | 1;
	values[1] = CStringGetTextDatum(run->what);
	values[2] = Int32GetDatum(MyProcPid);
	values[3] = TimestampTzGetDatum(run->until);
	values[4] = Int64GetDatum(id);
	/* Whoever sees the row finds the lock. */
	if (!hold(run, id))
		return;
	(void) execute(run,
				   "INSERT INTO lead_scoring.progress_row (id, model, what, pid,"
				   " started_at, updated_at, done, stamp, mark, fire_actions)"
				   " VALUES ($5, $1, $2, $3, $4, $4, 0, 0, 0, false)",
				   5,
				   types,
				   values);
}

static void
update_row(const LsRun *run)
{
	Oid types[10] = {TEXTOID,
					 INT8OID,
					 TEXTOID,
					 INT8OID,
					 INT8OID,
					 TEXTOID,
					 INT8OID,
					 INT8OID,
					 BOOLOID,
					 INT8OID};
	Datum values[10];

	values[1] = Int64GetDatum(run->progress_id);
	values[2] = CStringGetTextDatum(run->what);
	values[3] = Int64GetDatum((int64) (run->done_before + run->done));
	values[4] = Int64GetDatum((int64) run->total);
	values[5] = key_text(run);
	values[6] = Int64GetDatum(run->stamp);
	values[7] = Int64GetDatum(run->mark);
	values[8] = BoolGetDatum(run->fire_actions);
	values[9] = Int64GetDatum((int64) run->surveying);
	(void) execute(run,
				   "UPDATE lead_scoring.progress_row SET what = $3, done = $4,"
				   " total = nullif($5, 0), reached = nullif($6, ''), stamp = $7,"
				   " mark = $8, fire_actions = $9, surveying = nullif($10, 0),"
				   " updated_at = clock_timestamp() WHERE model = $1 AND id = $2",
				   10,
				   types,
				   values);
}

/* write_row: a lock that is not to be had is one of another run with a like number. */
static void
write_row(LsRun *run)
{
	if (run->progress_id == 0)
		insert_row(run);
	if (run->progress_id != 0)
		update_row(run);
}

/*
 * ls_progress_has_lasted: is it a run that others may want to see?
 */
bool
ls_progress_has_lasted(const LsRun *run)
{
	return run->progress_id != 0 ||
		   TimestampDifferenceExceeds(run->until, GetCurrentTimestamp(), NOTE_AFTER_MS);
}

/*
 * ls_progress_note: at the end of a batch, as the owner, inside SPI. A run that is
 * over soon writes nothing.
 */
void
ls_progress_note(LsRun *run)
{
	bool has_news = run->progress_id != 0 || run->done > 0;

	if (run->commits &&
		(run->surveying > 0 || (has_news && ls_progress_has_lasted(run))))
		write_row(run);
}

/*
 * ls_progress_end: with the last batch: nothing is left to go on with, but where a
 * rescore was begun and interrupted meanwhile, or any while only those were looked at
 * who were due.
 */
void
ls_progress_end(LsRun *run)
{
	Oid types[4] = {TEXTOID, INT8OID, TEXTOID, TIMESTAMPTZOID};
	Datum values[4] = {0,
					   Int64GetDatum(run->progress_id),
					   CStringGetTextDatum(run->what),
					   TimestampTzGetDatum(run->until)};

	(void) execute(run,
				   "DELETE FROM lead_scoring.progress_row WHERE id IN"
				   " (SELECT p.id" INTERRUPTED " AND (($3 = 'rescore'"
				   " AND p.started_at < $4) OR (" IS_WORTH_IT ") IS NOT TRUE)"
				   " UNION ALL SELECT $2)",
				   4,
				   types,
				   values);
	run->is_over = true;
}

/* ---- after it was interrupted -------------------------------------------- */

/*
 * ls_progress_is_interrupted: is there a rescore that did not come to its end? What
 * others have left is noted, too: this run clears it away.
 */
bool
ls_progress_is_interrupted(LsRun *run)
{
	Oid types[1];
	Datum values[1];

	run->has_left = execute(run, "SELECT" INTERRUPTED, 1, types, values) > 0;
	return run->has_left && execute(run, "SELECT" RESUMABLE, 1, types, values) > 0;
}

/* LsReached: a key in the making. */
typedef struct LsReached
{
	const LsRun *run;
	char *text;
	Datum key;
} LsReached;

static void
read_key(void *arg)
{
	LsReached *reached = arg;
	Oid function;
	Oid ioparam;

	getTypeInputInfo(reached->run->objects->key_type, &function, &ioparam);
	reached->key = OidInputFunctionCall(function, reached->text, ioparam, -1);
}

/* take_reached: false where the keys have another type by now. */
static bool
take_reached(LsRun *run, Datum written)
{
	LsReached reached = {run, TextDatumGetCString(written)};
	MemoryContext old;
	ErrorData *error;
	int16 typlen;
	bool typbyval;

	if (!ls_attempt(read_key, &reached, &error))
		return false;
	old = MemoryContextSwitchTo(run->context);
	get_typlenbyval(run->objects->key_type, &typlen, &typbyval);
	run->last = datumCopy(reached.key, typbyval, typlen);
	run->has_last = true;
	MemoryContextSwitchTo(old);
	return true;
}

/*
 * count_reached: how many contacts need not be looked at again. The run that was
 * interrupted had found some more in order, further on.
 */
static uint64
count_reached(const LsRun *run)
{
	Oid types[1] = {run->objects->key_type};
	Datum values[1] = {run->last};
	bool is_null;

	(void) ls_objects_execute(psprintf("SELECT count(*) FROM %s AS c WHERE c.%s <= $1",
									   run->objects->contacts,
									   run->objects->id),
							  1,
							  types,
							  values);
	return (uint64) DatumGetInt64(get(1, &is_null));
}

/*
 * take_over: what the interrupted run has left in SPI_tuptable. Its row is locked,
 * and gone with the same transaction that writes our own.
 */
static bool
take_over(LsRun *run)
{
	Oid types[2] = {TEXTOID, INT8OID};
	Datum values[2];
	bool is_null;
	bool fire_actions = DatumGetBool(get(3, &is_null));

	values[1] = get(1, &is_null);
	if (!take_reached(run, get(2, &is_null)))
		return false;
	run->done_before = count_reached(run);
	run->fire_actions = fire_actions;
	(void) execute(run,
				   "DELETE FROM lead_scoring.progress_row WHERE model = $1 AND id = $2",
				   2,
				   types,
				   values);
	return true;
}

/*
 * ls_progress_resume: go on where a rescore by the same rules was interrupted. A
 * rescore wants actions to fire as that did; a refresh takes it as it is.
 */
void
ls_progress_resume(LsRun *run, bool is_refresh)
{
	Oid types[5] = {TEXTOID, INT8OID, INT8OID, BOOLOID, BOOLOID};
	Datum values[5];

	values[1] = Int64GetDatum(run->stamp);
	values[2] = Int64GetDatum(run->mark);
	values[3] = BoolGetDatum(run->fire_actions);
	values[4] = BoolGetDatum(is_refresh);
	if (!run->commits ||
		execute(run,
				"SELECT p.id, p.reached, p.fire_actions" RESUMABLE
				" AND p.stamp = $2 AND p.mark = $3 AND p.reached IS NOT NULL"
				" AND (p.fire_actions = $4 OR $5)"
				" ORDER BY p.done DESC LIMIT 1 FOR UPDATE OF p SKIP LOCKED",
				5,
				types,
				values) == 0)
		return;
	if (!take_over(run))
		return;
	run->is_walking = true;
	write_row(run);
	ereport(NOTICE,
			errmsg("model \"%s\": goes on where a rescore was interrupted, after " UINT64_FORMAT
				   " contacts",
				   run->model,
				   run->done_before));
}
