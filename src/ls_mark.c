/*
 * ls_mark.c: the row of the queue that says that the scores of everyone are stale.
 *
 * Who commits one may have drawn its number long before, and have written what a walk
 * that has begun meanwhile does not see. So a walk takes away what it has seen when it
 * began: one row, by its number.
 */
#include "ls_mark.h"

#include "ls_compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"

/* Rows of the queue that say that all are stale. */
#define MARKS "contact_id IS NULL AND lookup IS NULL"

/* count_marks: 2 is several. */
static uint64
count_marks(const LsRun *run)
{
	return ls_objects_execute(psprintf("SELECT id FROM %s WHERE " MARKS " LIMIT 2",
									   run->objects->queue),
							  0,
							  NULL,
							  NULL);
}

/*
 * ls_mark_is_set: does a row of the queue say that all are stale?
 */
bool
ls_mark_is_set(const LsRun *run)
{
	return count_marks(run) > 0;
}

static int64
get_id(void)
{
	bool is_null;

	return DatumGetInt64(
		SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
}

/*
 * join_marks: a new one takes the place of those that can be seen; 0 where somebody
 * else is just doing that.
 */
static int64
join_marks(const LsRun *run)
{
	uint64 n = ls_objects_execute(
		psprintf("WITH marks AS (DELETE FROM %s WHERE id IN"
				 " (SELECT id FROM %s WHERE " MARKS " FOR UPDATE SKIP LOCKED)"
				 " RETURNING id, reason, cause, queued_at)"
				 " INSERT INTO %s (contact_id, reason, cause, queued_at)"
				 " SELECT NULL, (array_agg(reason ORDER BY id DESC))[1],"
				 " CASE WHEN bool_or(cause = '%s') THEN '%s' ELSE min(cause) END,"
				 " min(queued_at) FROM marks HAVING count(*) > 0 RETURNING id",
				 run->objects->queue,
				 run->objects->queue,
				 run->objects->queue,
				 ls_apply_cause_name(LS_CAUSE_RULES),
				 ls_apply_cause_name(LS_CAUSE_RULES)),
		0,
		NULL,
		NULL);

	return n == 0 ? 0 : get_id();
}

/*
 * ls_mark_take: the one row that says that all are stale, for ls_mark_delete; 0 = none.
 * Who commits another one later has another number, be it a smaller one: what he has
 * written is not seen by this walk, or not by all of it.
 */
int64
ls_mark_take(const LsRun *run)
{
	uint64 n = count_marks(run);

	return n == 0 ? 0 : n == 1 ? get_id() : join_marks(run);
}

/*
 * ls_mark_cause: of that with which the walk begins.
 */
LsCause
ls_mark_cause(const LsRun *run)
{
	Oid types[1] = {INT8OID};
	Datum values[1] = {Int64GetDatum(run->mark)};

	if (ls_objects_execute(psprintf("SELECT cause FROM %s WHERE id = $1",
									run->objects->queue),
						   1,
						   types,
						   values) == 0)
		return LS_CAUSE_RULES;
	return ls_apply_cause_of(
		SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
}

/*
 * ls_mark_delete: that with which the walk began.
 */
void
ls_mark_delete(const LsRun *run)
{
	Oid types[1] = {INT8OID};
	Datum values[1] = {Int64GetDatum(run->mark)};

	if (run->mark != 0)
		(void) ls_objects_execute(
			psprintf("DELETE FROM %s WHERE id IN"
					 " (SELECT id FROM %s WHERE id = $1 FOR UPDATE SKIP LOCKED)",
					 run->objects->queue,
					 run->objects->queue),
			1,
			types,
			values);
}
