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
#include "ls_compat.h"
#include "ls_mark.h"
#include "ls_mixed.h"
#include "ls_progress.h"
#include "ls_survey.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

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

/* next_contacts: a batch of the slice, in the order of the keys; 0 = its end. */
static int
next_contacts(LsRun *run, LsChange **changes)
{
	const LsObjects *objects = run->objects;
	Oid types[2] = {objects->key_type, objects->key_type};
	Datum values[2] = {run->last, run->end};
	int n;

	(void) ls_objects_execute(
		psprintf("SELECT c.%s::%s FROM %s AS c WHERE c.%s IS NOT NULL%s%s"
				 " ORDER BY c.%s LIMIT %d",
				 objects->id,
				 format_type_be(objects->key_type),
				 objects->contacts,
				 objects->id,
				 run->has_last ? psprintf(" AND c.%s > $1", objects->id) : "",
				 run->has_end ? psprintf(" AND c.%s <= $2", objects->id) : "",
				 objects->id,
				 BATCH),
		run->has_end	? 2
		: run->has_last ? 1
						: 0,
		types,
		values);
	if (SPI_tuptable->numvals == 0)
		return 0;
	remember_last(run);
	n = ls_apply_found(run->objects, changes);
	for (int i = 0; i < n; i++)
	{
		(*changes)[i].cause = run->cause;
		(*changes)[i].is_walked = true;
	}
	return n;
}

/* walk_slice: who is to be looked at, in the order of the keys. */
static void
walk_slice(LsRun *run)
{
	int n;

	do
	{
		LsChange *changes = NULL;

		ls_batch_begin(run);
		ls_mixed_begin(run);
		if (run->survey != NULL)
			n = ls_survey_next(run, &changes);
		else
			n = next_contacts(run, &changes);
		ls_batch_recompute(run, changes, n);
		ls_batch_end(run);
	} while (n > 0);
}

/* walk: every contact, slice by slice. */
static void
walk(LsRun *run)
{
	run->is_walking = true;
	/* Who goes on with another run does not know what that has seen. */
	run->knows_orphans = !run->has_last;
	do
	{
		ls_survey_begin(run);
		walk_slice(run);
		ls_survey_end(run);
		run->has_last |= run->has_end;
		if (run->has_end)
			run->last = run->end;
	} while (run->has_end);
	run->is_walking = false;
}

/* count_number: that a query gives. */
static uint64
count_number(const char *sql, int nargs, Oid *types, Datum *values)
{
	bool is_null;

	(void) ls_objects_execute(sql, nargs, types, values);
	return (uint64) DatumGetInt64(
		SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
}

/* count_contacts: for who looks on; 0 where nobody can. */
static uint64
count_contacts(const LsRun *run)
{
	if (!run->commits)
		return 0;
	return count_number(psprintf("SELECT count(*) FROM %s", run->objects->contacts),
						0,
						NULL,
						NULL);
}

/*
 * find_cause: where the rules are those by which everyone was scored last, it is what
 * made all stale, a TRUNCATE of events say.
 */
static LsCause
find_cause(const LsRun *run)
{
	if (run->is_activation)
		return LS_CAUSE_ACTIVATION;
	return run->mark == 0 || ls_model_is_mixed(ls_model_get(run->model))
			   ? LS_CAUSE_RULES
			   : ls_mark_cause(run);
}

/*
 * rescore: what says that all are stale is taken away only when all are done,
 * so that an interrupted run leaves it behind.
 */
static void
rescore_all(LsRun *run, bool is_refresh)
{
	run->what = "rescore";
	drain_queue(run);
	ls_batch_begin(run);
	run->stamp = ls_model_get(run->model)->life_stamp;
	run->is_activation |= !ls_model_get(run->model)->row->has_scored_stamp;
	run->mark = ls_mark_take(run);
	run->cause = find_cause(run);
	run->has_last = false;
	ls_progress_resume(run, is_refresh);
	ls_mixed_open(run);
	run->total = count_contacts(run);
	ls_batch_end(run);
	walk(run);
	ls_batch_begin(run);
	ls_batch_sweep(run);
	ls_batch_end(run);
	ls_batch_begin(run);
	ls_mark_delete(run);
	ls_mixed_end(run, run->stamp);
	ls_progress_end(run);
	ls_batch_end(run);
}

/*
 * ls_refresh_all: everyone.
 */
void
ls_refresh_all(LsRun *run)
{
	rescore_all(run, false);
}

/* ---- who is due --------------------------------------------------------- */

/* Who is due by $1. */
#define DUE "due_at <= $1 AND scored_at < $1"

/*
 * open_due: those of now, in no order, and not locked. An index scan remembers which
 * entries are of rows that are no more; one for a bitmap visits these each time anew.
 */
static Portal
open_due(const LsRun *run)
{
	Oid types[1] = {TIMESTAMPTZOID};
	Datum values[1] = {TimestampTzGetDatum(run->until)};
	SPIPlanPtr plan = ls_objects_plan(psprintf("SELECT contact_id FROM %s WHERE " DUE,
											   run->objects->score),
									  1,
									  types);
	int guc_level = NewGUCNestLevel();
	Portal portal;

	ls_guard_set("enable_bitmapscan", "off");
	ls_objects_plan_now(plan);
	portal = SPI_cursor_open(NULL, plan, values, NULL, false);
	AtEOXact_GUC(true, guc_level);
	return portal;
}

/* put_due: a part of them into the store; gives their number. */
static uint64
put_due(LsRun *run)
{
	const SPITupleTable *rows = SPI_tuptable;
	bool is_null;

	if (run->survey == NULL && rows->numvals > 0)
		run->survey =
			ls_survey_store_new(run, 0, TupleDescAttr(rows->tupdesc, 0)->attcollation);
	for (uint64 i = 0; i < rows->numvals; i++)
		ls_survey_store_put_key(run->survey,
								SPI_getbinval(rows->vals[i],
											  rows->tupdesc,
											  1,
											  &is_null));
	return rows->numvals;
}

/*
 * find_due: whoever is due is put aside, for the batches to take. So these come to each
 * once, also to those whose rows they pass over, and are counted beforehand.
 */
static void
find_due(LsRun *run)
{
	Portal portal = open_due(run);
	uint64 n;

	run->total = run->done;
	do
	{
		SPI_cursor_fetch(portal, true, BATCH);
		n = put_due(run);
		run->total += n;
		SPI_freetuptable(SPI_tuptable);
	} while (n == BATCH);
	SPI_cursor_close(portal);
	if (run->survey != NULL)
		ls_survey_store_finish(run->survey);
}

/*
 * next_due: a batch of those, as far as they are still due. They are not locked here:
 * a statement that locks rows may wait, whatever it says, for who has updated one
 * since. Who is due by time alone is as he was, and his state says what he did until
 * its own time ends. False at the end.
 */
static bool
next_due(LsRun *run, LsChange **changes, int *n)
{
	Oid types[2] = {TIMESTAMPTZOID, get_array_type(run->objects->key_type)};
	Datum values[2] = {TimestampTzGetDatum(run->until)};

	*n = ls_survey_next(run, changes);
	if (*n == 0)
		return false;
	values[1] = ls_apply_keys(run->objects, *changes, *n);
	(void) ls_objects_execute(
		psprintf("SELECT contact_id FROM %s WHERE contact_id = ANY ($2) AND " DUE,
				 run->objects->score),
		2,
		types,
		values);
	*n = ls_apply_found(run->objects, changes);
	for (int i = 0; i < *n; i++)
	{
		(*changes)[i].outcome = LS_AS_STORED;
		(*changes)[i].events = LS_EVENTS_KEPT;
	}
	return true;
}

/* take_found: batch by batch. */
static void
take_found(LsRun *run)
{
	bool more;

	do
	{
		LsChange *changes = NULL;
		int n;

		ls_batch_begin(run);
		more = next_due(run, &changes, &n);
		ls_batch_apply(run, changes, n);
		ls_batch_end(run);
	} while (more);
	ls_survey_end(run);
}

/*
 * take_due: whoever is due by now, until nobody is left but whom others have locked
 * all the time. The last look costs the next refresh less: see open_due.
 */
static void
take_due(LsRun *run)
{
	uint64 before;

	do
	{
		before = run->done;
		ls_batch_begin(run);
		find_due(run);
		ls_batch_end(run);
		if (run->survey != NULL)
			take_found(run);
	} while (run->done > before);
}

/* is_everyone_due: do the rules say so, a row of the queue, or who did not see them? */
static bool
is_everyone_due(LsRun *run)
{
	bool due;

	ls_batch_begin(run);
	due = ls_progress_is_interrupted(run);
	due = due || ls_model_is_mixed(ls_model_get(run->model)) || ls_mark_is_set(run) ||
		  ls_mixed_look(run);
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

/*
 * ls_refresh_due: whoever is due or queued, or everyone.
 */
void
ls_refresh_due(LsRun *run)
{
	if (is_everyone_due(run))
	{
		rescore_all(run, true);
		return;
	}
	drain_queue(run);
	take_returned(run);
	take_due(run);
	if (run->progress_id == 0 && !run->has_left)
		return;
	ls_batch_begin(run);
	ls_progress_end(run);
	ls_batch_end(run);
}
