/*
 * ls_adjust.c: what people say of contacts by hand: rows of <model>_adjustment.
 *
 * They are read once the score rows are locked: whoever writes one later waits for
 * the lock with his own commit, and then scores the contact again. Most models have
 * none, so a table without a page is not looked into.
 */
#include "ls_adjust.h"

#include "ls_compat.h"
#include "ls_heap.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

bool ls_adjust_is_removing = false;

/*
 * ls_adjust_is_empty: did nobody ever say anything?
 */
bool
ls_adjust_is_empty(const LsObjects *objects)
{
	Relation rel = table_open(objects->adjustment_relid, AccessShareLock);
	BlockNumber pages = RelationGetNumberOfBlocks(rel);

	table_close(rel, NoLock);
	return pages == 0;
}

static bool
has_row(Relation rel, Oid key_type, LsKey key)
{
	AttrNumber attno = get_attnum(RelationGetRelid(rel), "contact_id");
	Snapshot snapshot;
	bool found;

	if (attno <= 0 ||
		TupleDescAttr(RelationGetDescr(rel), attno - 1)->atttypid != key_type)
		return true;
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	found = ls_heap_has(rel,
						ls_heap_index_on(rel, attno),
						attno,
						ls_key_to_datum(key_type, key),
						snapshot);
	UnregisterSnapshot(snapshot);
	return found;
}

/*
 * ls_adjust_is_silent: did nobody ever say anything of the contact?
 */
bool
ls_adjust_is_silent(const LsObjects *objects, LsKey key)
{
	Relation rel = table_open(objects->adjustment_relid, AccessShareLock);
	bool is_silent =
		RelationGetNumberOfBlocks(rel) == 0 || !has_row(rel, objects->key_type, key);

	table_close(rel, NoLock);
	return is_silent;
}

/*
 * ls_adjust_lock: the table before the score rows: whoever has locked it (TRUNCATE)
 * wants score rows next.
 */
void
ls_adjust_lock(const LsObjects *objects)
{
	LockRelationOid(objects->adjustment_relid, AccessShareLock);
}

/* Columns of the query, in its order. */
enum
{
	C_KEY = 1,
	C_POINTS,
	C_IS_EXCLUDED,
	C_RESET_AT,
	C_SAME_FROM,
	C_SAME_UNTIL,
	C_CHANGES_AT
};

static const char *const query =
	"SELECT contact_id,"
	" coalesce(sum(points) FILTER (WHERE counts AND kind = 'points'), 0),"
	" bool_or(counts AND kind = 'exclude'),"
	" max(valid_from) FILTER (WHERE counts AND kind = 'reset'),"
	" max(since) FILTER (WHERE kind = 'reset'),"
	" min(until) FILTER (WHERE kind = 'reset'), min(until)"
	" FROM (SELECT a.contact_id, a.kind, a.points, a.valid_from,"
	" a.valid_from <= $2 AND (a.valid_until > $2) IS NOT FALSE AS counts,"
	" CASE WHEN a.valid_until <= $2 THEN a.valid_until"
	" WHEN a.valid_from <= $2 THEN a.valid_from END AS since,"
	" CASE WHEN a.valid_from > $2 THEN a.valid_from"
	" WHEN a.valid_until > $2 THEN a.valid_until END AS until"
	" FROM %s AS a WHERE a.contact_id = ANY ($1)) AS said GROUP BY contact_id";

static TimestampTz
get_moment(HeapTuple row, TupleDesc desc, int column, TimestampTz if_null)
{
	bool is_null;
	Datum value = SPI_getbinval(row, desc, column, &is_null);

	return is_null ? if_null : DatumGetTimestampTz(value);
}

static LsAdjustment *
read_row(HeapTuple row, TupleDesc desc)
{
	LsAdjustment *adjustment = palloc(sizeof(LsAdjustment));
	bool is_null;

	adjustment->points = DatumGetFloat8(SPI_getbinval(row, desc, C_POINTS, &is_null));
	adjustment->is_excluded =
		DatumGetBool(SPI_getbinval(row, desc, C_IS_EXCLUDED, &is_null));
	adjustment->reset_at = get_moment(row, desc, C_RESET_AT, DT_NOBEGIN);
	adjustment->same_from = get_moment(row, desc, C_SAME_FROM, DT_NOBEGIN);
	adjustment->same_until = get_moment(row, desc, C_SAME_UNTIL, DT_NOEND);
	adjustment->changes_at = get_moment(row, desc, C_CHANGES_AT, DT_NOEND);
	return adjustment;
}

/*
 * ls_adjust_read: what is said of the contacts as of the moment. Their score rows
 * must be locked, and the changes in the order of their keys.
 *
 * Memory: the current context.
 */
void
ls_adjust_read(const LsObjects *objects, LsChange *changes, int n, TimestampTz as_of)
{
	Oid types[2] = {get_array_type(objects->key_type), TIMESTAMPTZOID};
	Datum values[2];

	for (int i = 0; i < n; i++)
		changes[i].adjustment = NULL;
	if (ls_adjust_is_empty(objects))
		return;
	values[0] = ls_apply_some_keys(objects, changes, n, LS_ANY_OUTCOME);
	values[1] = TimestampTzGetDatum(as_of);
	(void) ls_objects_execute(psprintf(query, objects->adjustment), 2, types, values);
	for (uint64 i = 0; i < SPI_tuptable->numvals; i++)
	{
		HeapTuple row = SPI_tuptable->vals[i];
		TupleDesc desc = SPI_tuptable->tupdesc;
		bool is_null;
		Datum key = SPI_getbinval(row, desc, C_KEY, &is_null);
		LsChange *change =
			ls_apply_find(changes, n, ls_key_from_datum(objects->key_type, key));

		if (change != NULL)
			change->adjustment = read_row(row, desc);
	}
}

/*
 * ls_adjust_exclude: who is excluded is as if outside of the population.
 */
void
ls_adjust_exclude(LsChange *changes, int n)
{
	for (int i = 0; i < n; i++)
		if (changes[i].adjustment != NULL && changes[i].adjustment->is_excluded &&
			changes[i].outcome != LS_GONE)
			changes[i].outcome = LS_OUTSIDE;
}

/*
 * ls_adjust_due: scores change when what is said begins, or ends.
 */
void
ls_adjust_due(LsChange *changes, int n)
{
	for (int i = 0; i < n; i++)
		if (changes[i].adjustment != NULL)
			changes[i].due_at =
				Min(changes[i].due_at, changes[i].adjustment->changes_at);
}

/*
 * ls_adjust_confirm: scores that were right already, and so were not written, are
 * right as of the moment, not as of when they were: what is said may have been dated
 * back to then.
 */
void
ls_adjust_confirm(const LsObjects *objects,
				  const LsChange *changes,
				  int n,
				  TimestampTz as_of)
{
	Oid types[2] = {get_array_type(objects->key_type), TIMESTAMPTZOID};
	Datum values[2];
	LsChange *said =
		palloc_extended(sizeof(LsChange) * (Size) Max(n, 1), MCXT_ALLOC_HUGE);
	int nsaid = 0;

	for (int i = 0; i < n; i++)
		if (changes[i].adjustment != NULL && changes[i].outcome == LS_SCORED)
			said[nsaid++] = changes[i];
	if (nsaid == 0)
		return;
	values[0] = ls_apply_some_keys(objects, said, nsaid, LS_ANY_OUTCOME);
	values[1] = TimestampTzGetDatum(as_of);
	(void)
		ls_objects_execute(psprintf("UPDATE %s SET scored_at = $2"
									" WHERE contact_id = ANY ($1) AND scored_at < $2",
									objects->score),
						   2,
						   types,
						   values);
}

/*
 * ls_adjust_bound_state: the state that was made of the events since the reset says
 * nothing of moments at which there was another reset, or none.
 */
void
ls_adjust_bound_state(const LsChange *change)
{
	LsState *state = (LsState *) change->state;

	if (change->adjustment == NULL)
		return;
	state->from_us = Max(state->from_us, change->adjustment->same_from);
	state->until_us = Min(state->until_us, change->adjustment->same_until);
}

/*
 * ls_adjust_resets: from when on the events of each contact count, as timestamptz[];
 * 0 where all events of all of them do.
 */
Datum
ls_adjust_resets(const LsChange *changes, int n)
{
	Datum *resets = palloc_extended(sizeof(Datum) * (Size) Max(n, 1), MCXT_ALLOC_HUGE);
	bool any = false;

	for (int i = 0; i < n; i++)
	{
		bool has_reset = ls_adjust_has_reset(&changes[i]);

		any |= has_reset;
		resets[i] = TimestampTzGetDatum(has_reset ? changes[i].adjustment->reset_at
												  : DT_NOBEGIN);
	}
	if (!any)
		return (Datum) 0;
	return PointerGetDatum(construct_array(resets,
										   n,
										   TIMESTAMPTZOID,
										   sizeof(TimestampTz),
										   FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

/*
 * ls_adjust_returned: contacts without a score whose exclusion is over, after
 * `last` in the order of the keys. Those outside of the population are among them.
 */
int
ls_adjust_returned(const LsObjects *objects,
				   const Datum *last,
				   TimestampTz as_of,
				   int limit,
				   LsChange **changes)
{
	Oid types[2] = {TIMESTAMPTZOID, objects->key_type};
	Datum values[2] = {TimestampTzGetDatum(as_of)};

	if (ls_adjust_is_empty(objects))
		return 0;
	if (last != NULL)
		values[1] = *last;
	(void) ls_objects_execute(
		psprintf(
			"SELECT DISTINCT a.contact_id FROM %s AS a"
			" WHERE a.kind = 'exclude' AND a.valid_until <= $1%s"
			" AND NOT EXISTS (SELECT FROM %s AS s WHERE s.contact_id = a.contact_id)"
			" AND NOT EXISTS (SELECT FROM %s AS other"
			" WHERE other.contact_id = a.contact_id AND other.kind = 'exclude'"
			" AND other.valid_from <= $1 AND (other.valid_until > $1) IS NOT FALSE)"
			" ORDER BY a.contact_id LIMIT %d",
			objects->adjustment,
			last != NULL ? " AND a.contact_id > $2" : "",
			objects->score,
			objects->adjustment,
			limit),
		last != NULL ? 2 : 1,
		types,
		values);
	return ls_apply_found(objects, changes);
}
