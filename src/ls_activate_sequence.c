/*
 * ls_activate_sequence.c: numbers that a crash must not give out again.
 *
 * With wal_level = minimal a sequence that was used in the transaction that has made
 * it is written out with a promise that the next numbers are logged already, and they
 * are not: after a crash PostgreSQL gives them out once more, and the histories would
 * have two rows of a number. setval() takes the promise back.
 */
#include "postgres.h"

#include "ls_activate.h"

#include "ls_compat.h"
#include "ls_guard.h"
#include "ls_objects.h"
#include "ls_relation.h"

#include "access/relation.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "fmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/rel.h"

/* Tables that have an id of their own. */
static const char *const numbered[] = {"stage_history",
									   "score_history",
									   "outbox",
									   "queue",
									   "adjustment"};

/* is_unlogged_yet: is what is written to it logged only when the transaction commits?
 */
static bool
is_unlogged_yet(Oid relid)
{
	Relation rel = relation_open(relid, AccessShareLock);
	bool is_unlogged = rel->rd_rel->relpersistence == RELPERSISTENCE_PERMANENT &&
					   !RelationNeedsWAL(rel);

	relation_close(rel, NoLock);
	return is_unlogged;
}

static void
settle_sequence(Oid relid)
{
	LOCAL_FCINFO(fcinfo, 1);
	Datum last;

	InitFunctionCallInfoData(*fcinfo, NULL, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = ObjectIdGetDatum(relid);
	fcinfo->args[0].isnull = false;
	last = pg_sequence_last_value(fcinfo);
	if (!fcinfo->isnull)
		(void) DirectFunctionCall2(setval_oid, ObjectIdGetDatum(relid), last);
}

/*
 * ls_activate_settle_sequences: of tables that this transaction has made.
 */
void
ls_activate_settle_sequences(const LsModelRow *row, Oid owner)
{
	LsGuard guard;
	ListCell *cell;

	ls_guard_enter(&guard, owner, LS_SAFE_PATH);
	for (int i = 0; i < lengthof(numbered); i++)
		foreach(cell, getOwnedSequences(ls_objects_relid(row, numbered[i])))
			if (is_unlogged_yet(lfirst_oid(cell)))
				settle_sequence(lfirst_oid(cell));
	ls_guard_leave(&guard);
}
