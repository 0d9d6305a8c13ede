/*
 * ls_apply_row.c: rows of <model>_score, found, locked and changed, one by one.
 *
 * Most commits write one row: to start a statement for it costs more than all else
 * that a commit does. So rows are found through the index, locked in their latest
 * version and changed as the worker of a logical subscription does it. Where
 * anything of the owner's must be told of the change (a trigger, a rule, a generated
 * column), that is left to a statement: see ls_rows_are_plain.
 */
#include "ls_apply_row.h"

#include "ls_compat.h"
#include "ls_engagement.h"
#include "ls_heap.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

struct LsRows
{
	const LsObjects *objects;
	Relation rel;
	Relation index;		  /* on contact_id */
	TupleTableSlot *slot; /* of the row at hand */
	LsRowShape shape;
	Datum *values; /* of one row, all its columns */
	bool *nulls;
	/* From when a row is changed; else NULL. */
	EState *estate;
	ResultRelInfo *result;
	TupleTableSlot *changed;
};

/* is_on_key: does the index find at most one row for each contact? */
static bool
is_on_key(const LsRows *rows, Relation index)
{
	const Form_pg_index form = index->rd_index;

	return form->indisunique && form->indisvalid && form->indimmediate &&
		   form->indnkeyatts == 1 && index->rd_rel->relam == BTREE_AM_OID &&
		   form->indkey.values[0] == rows->shape.columns[LS_SCORE_CONTACT_ID] &&
		   RelationGetIndexPredicate(index) == NIL;
}

/* find_index: the one that rows are found through, open. */
static Relation
find_index(const LsRows *rows, LOCKMODE mode)
{
	List *indexes = RelationGetIndexList(rows->rel);
	ListCell *cell;

	foreach(cell, indexes)
	{
		Relation index = index_open(lfirst_oid(cell), mode);

		if (is_on_key(rows, index))
			return index;
		index_close(index, NoLock);
	}
	ereport(ERROR,
			errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			errmsg("table %s has no primary key on contact_id", rows->objects->score),
			errhint("Add it again: ALTER TABLE %s ADD PRIMARY KEY (contact_id).",
					rows->objects->score));
	return NULL;
}

/* find_equal: how the index compares. */
static RegProcedure
find_equal(Relation index)
{
	Oid family = index->rd_opfamily[0];
	Oid type = index->rd_opcintype[0];

	return get_opcode(get_opfamily_member(family, type, type, BTEqualStrategyNumber));
}

/* complete: the table and its index are open, and their shape is known. */
static LsRows *
complete(LsRows *rows)
{
	int natts = RelationGetNumberOfAttributes(rows->rel);

	rows->slot = table_slot_create(rows->rel, NULL);
	rows->values = palloc(sizeof(Datum) * natts);
	rows->nulls = palloc(sizeof(bool) * natts);
	return rows;
}

/*
 * ls_rows_open: the score table, for reading rows of it, or also for writing them.
 *
 * Errors: 42703, 42804, 55000 where it is not as it was made.
 */
LsRows *
ls_rows_open(const LsObjects *objects, LOCKMODE mode)
{
	LsRows *rows = palloc0(sizeof(LsRows));

	rows->objects = objects;
	rows->rel = table_open(objects->score_relid, mode);
	ls_score_find_columns(objects, RelationGetDescr(rows->rel), rows->shape.columns);
	rows->index = find_index(rows, mode);
	rows->shape.index = RelationGetRelid(rows->index);
	rows->shape.equal = find_equal(rows->index);
	return complete(rows);
}

/*
 * ls_rows_open_known: the same table again; NULL where its shape may be another
 * meanwhile.
 */
LsRows *
ls_rows_open_known(const LsObjects *objects, const LsRowShape *shape, LOCKMODE mode)
{
	LsRows *rows = palloc0(sizeof(LsRows));

	rows->objects = objects;
	rows->shape = *shape;
	rows->rel = try_table_open(objects->score_relid, mode);
	if (rows->rel == NULL)
		return NULL;
	/* To lock it is to hear of what happened to it. */
	if (shape->generation != ls_upkeep_generation)
	{
		table_close(rows->rel, NoLock);
		return NULL;
	}
	rows->index = index_open(shape->index, mode);
	return complete(rows);
}

/* ls_rows_shape: as of the generation, which is taken before they are opened. */
LsRowShape
ls_rows_shape(const LsRows *rows, uint64 generation)
{
	LsRowShape shape = rows->shape;

	shape.generation = generation;
	return shape;
}

Relation
ls_rows_table(const LsRows *rows)
{
	return rows->rel;
}

/* ---- reading ------------------------------------------------------------ */

/* set_out: by what the columns are for. */
static void
set_out(const LsRows *rows, HeapTuple tuple, LsScoreRow *row)
{
	heap_deform_tuple(tuple, RelationGetDescr(rows->rel), rows->values, rows->nulls);
	for (int i = 0; i < LS_SCORE_COLUMNS; i++)
	{
		row->values[i] = rows->values[rows->shape.columns[i] - 1];
		row->nulls[i] = rows->nulls[rows->shape.columns[i] - 1];
	}
}

/* take: a row. One that only holds a lock is no score yet. */
static bool
take(LsRows *rows, HeapTuple tuple, LsChange *change)
{
	LsScoreRow row;
	Datum key;

	set_out(rows, tuple, &row);
	key = row.values[LS_SCORE_CONTACT_ID];
	/* Who writes the table by hand may have moved it, while we waited. */
	if (ls_key_compare(ls_key_from_datum(rows->objects->key_type, key), change->key) !=
		0)
		return false;
	change->row = tuple;
	change->stored = ls_rows_stored(&row);
	return true;
}

/*
 * lock_row: the latest version; false where it is not to be had. Versions between are
 * not locked (TUPLE_LOCK_FLAG_LOCK_UPDATE_IN_PROGRESS): nobody shares such a lock, and
 * who locks them waits, whatever `wait` says, for whoever has updated one since.
 */
static bool
lock_row(LsRows *rows, Snapshot snapshot, LockWaitPolicy wait)
{
	TM_FailureData failure;
	ItemPointerData tid = rows->slot->tts_tid;
	TM_Result result = table_tuple_lock(rows->rel,
										&tid,
										snapshot,
										rows->slot,
										GetCurrentCommandId(true),
										LockTupleNoKeyExclusive,
										wait,
										TUPLE_LOCK_FLAG_FIND_LAST_VERSION,
										&failure);

	if (result != TM_Ok && result != TM_Deleted && result != TM_WouldBlock)
		elog(ERROR, "unexpected result of locking a score row: %d", result);
	return result == TM_Ok;
}

/*
 * is_as_surveyed: is the row in the slot the version that was surveyed, and nobody
 * has locked it since? A lock stays in the row when who had it is gone.
 */
static bool
is_as_surveyed(const LsRows *rows, const LsSurveyed *surveyed)
{
	bool should_free;
	const HeapTupleHeader row =
		ExecFetchSlotHeapTuple(rows->slot, false, &should_free)->t_data;

	return ItemPointerEquals(&rows->slot->tts_tid, (ItemPointer) &surveyed->tid) &&
		   HeapTupleHeaderGetRawXmin(row) == surveyed->xmin &&
		   HeapTupleHeaderGetRawXmax(row) == surveyed->xmax &&
		   (row->t_infomask & HEAP_XMAX_IS_MULTI) == 0;
}

/*
 * lock: and see whether it is untouched since it was surveyed. Our own lock then hides
 * that of somebody who came and went just before it; so nobody may have gone meanwhile.
 */
static bool
lock(LsRows *rows, LsChange *change, Snapshot snapshot, LockWaitPolicy wait)
{
	const LsSurveyed *surveyed = change->surveyed;
	uint64 completed;

	change->is_untouched = false;
	if (surveyed == NULL || !surveyed->has_row)
		return lock_row(rows, snapshot, wait);
	completed = ls_transactions_completed();
	pg_read_barrier();
	change->is_untouched = is_as_surveyed(rows, surveyed);
	if (!lock_row(rows, snapshot, wait))
		return false;
	pg_read_barrier();
	change->is_untouched &=
		completed == ls_transactions_completed() &&
		ItemPointerEquals(&rows->slot->tts_tid, (ItemPointer) &surveyed->tid);
	return true;
}

/* set_key: of the scan. */
static void
set_key(const LsRows *rows, ScanKey key)
{
	ScanKeyEntryInitialize(key,
						   0,
						   1,
						   BTEqualStrategyNumber,
						   InvalidOid,
						   rows->index->rd_indcollation[0],
						   rows->shape.equal,
						   (Datum) 0);
}

/* LsFinder: how rows are found. */
typedef struct LsFinder
{
	LsRows *rows;
	Snapshot snapshot;
	BlockNumber nblocks;
	IndexScanDesc scan;
	ScanKeyData key;
} LsFinder;

static void
begin_find(LsFinder *finder, LsRows *rows)
{
	finder->rows = rows;
	finder->snapshot = RegisterSnapshot(GetLatestSnapshot());
	finder->nblocks = RelationGetNumberOfBlocks(rows->rel);
	finder->scan = ls_index_beginscan(rows->rel, rows->index, finder->snapshot, 1);
	set_key(rows, &finder->key);
}

static void
end_find(LsFinder *finder)
{
	ExecClearTuple(finder->rows->slot);
	index_endscan(finder->scan);
	UnregisterSnapshot(finder->snapshot);
}

/* is_of: is the row in the slot that of the contact? */
static bool
is_of(LsRows *rows, LsKey key)
{
	bool is_null;
	Datum found =
		slot_getattr(rows->slot, rows->shape.columns[LS_SCORE_CONTACT_ID], &is_null);

	return !is_null &&
		   ls_key_compare(ls_key_from_datum(rows->objects->key_type, found), key) == 0;
}

/* find_surveyed: where it was; false where something else is there by now. */
static bool
find_surveyed(LsFinder *finder, const LsChange *change)
{
	LsRows *rows = finder->rows;
	const LsSurveyed *surveyed = change->surveyed;
	ItemPointerData tid;

	if (surveyed == NULL || !surveyed->has_row)
		return false;
	tid = surveyed->tid;
	return ItemPointerGetBlockNumber(&tid) < finder->nblocks &&
		   table_tuple_fetch_row_version(rows->rel,
										 &tid,
										 finder->snapshot,
										 rows->slot) &&
		   is_of(rows, change->key);
}

/* find: the row of the change, into the slot. */
static bool
find(LsFinder *finder, const LsChange *change)
{
	LsRows *rows = finder->rows;

	if (find_surveyed(finder, change))
		return true;
	finder->key.sk_argument = ls_key_to_datum(rows->objects->key_type, change->key);
	index_rescan(finder->scan, &finder->key, 1, NULL, 0);
	return index_getnext_slot(finder->scan, ForwardScanDirection, rows->slot);
}

/* walk: find the rows of the changes, and do with each what `visit` does. */
static int
walk(LsRows *rows,
	 LsChange *changes,
	 int n,
	 bool (*visit)(LsRows *rows,
				   LsChange *change,
				   Snapshot snapshot,
				   LockWaitPolicy wait),
	 LockWaitPolicy wait)
{
	LsFinder finder;
	int missing = 0;

	begin_find(&finder, rows);
	for (int i = 0; i < n; i++)
	{
		LsChange *change = &changes[i];

		CHECK_FOR_INTERRUPTS();
		change->row = NULL;
		change->stored = NULL;
		if (!find(&finder, change) || !visit(rows, change, finder.snapshot, wait) ||
			!take(rows, ExecCopySlotHeapTuple(rows->slot), change))
			missing++;
	}
	end_find(&finder);
	return missing;
}

/*
 * ls_rows_lock: find the rows of the changes, which are in the order of their keys,
 * and lock them; the changes then know what is stored. Gives the number of those
 * that have none, or one that is not to be had without waiting.
 *
 * Memory: rows are in the current context.
 */
int
ls_rows_lock(LsRows *rows, LsChange *changes, int n, LockWaitPolicy wait)
{
	return walk(rows, changes, n, lock, wait);
}

static bool
leave(LsRows *rows, LsChange *change, Snapshot snapshot, LockWaitPolicy wait)
{
	return true;
}

/*
 * ls_rows_read: the same, but nothing is locked, and nothing waited for.
 */
void
ls_rows_read(LsRows *rows, LsChange *changes, int n)
{
	(void) walk(rows, changes, n, leave, LockWaitSkip);
}

/*
 * ls_rows_read_one: the same for one row, of a plain heap (ls_heap_is_plain). False
 * where there is none.
 */
bool
ls_rows_read_one(LsRows *rows, LsChange *change)
{
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	IndexScanDesc scan = ls_index_beginscan(rows->rel, rows->index, snapshot, 1);
	ScanKeyData key;
	HeapTuple row;

	set_key(rows, &key);
	key.sk_argument = ls_key_to_datum(rows->objects->key_type, change->key);
	index_rescan(scan, &key, 1, NULL, 0);
	row = ls_heap_fetch(rows->rel, scan, snapshot);
	index_endscan(scan);
	UnregisterSnapshot(snapshot);
	change->stored = NULL;
	return row != NULL && take(rows, row, change);
}

/* ---- writing ------------------------------------------------------------ */

/*
 * ls_rows_are_plain: may rows be changed here? Nothing else has to know.
 */
bool
ls_rows_are_plain(const LsRows *rows)
{
	Relation rel = rows->rel;
	TupleDesc desc = RelationGetDescr(rel);

	return rel->trigdesc == NULL && rel->rd_rules == NULL &&
		   rel->rd_rel->relkind == RELKIND_RELATION && !rel->rd_rel->relispartition &&
		   (desc->constr == NULL || !ls_has_generated(desc->constr));
}

/* begin_update: in the context of `rows`, whatever the current one. */
static void
begin_update(LsRows *rows)
{
	MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(rows));

	rows->estate = CreateExecutorState();
	rows->estate->es_snapshot = RegisterSnapshot(GetLatestSnapshot());
	rows->estate->es_output_cid = GetCurrentCommandId(true);
	rows->result = makeNode(ResultRelInfo);
	InitResultRelInfo(rows->result, rows->rel, 0, NULL, 0);
	ExecOpenIndices(rows->result, false);
	rows->changed =
		MakeSingleTupleTableSlot(RelationGetDescr(rows->rel), &TTSOpsHeapTuple);
	MemoryContextSwitchTo(old);
}

/* end_update: what was written can be seen from here on. */
static void
end_update(LsRows *rows)
{
	ExecDropSingleTupleTableSlot(rows->changed);
	ExecCloseIndices(rows->result);
	UnregisterSnapshot(rows->estate->es_snapshot);
	FreeExecutorState(rows->estate);
	CommandCounterIncrement();
}

/*
 * ls_rows_form: what the row of the change is to become.
 */
HeapTuple
ls_rows_form(const LsRows *rows, const LsChange *change, LsScoreValues *values)
{
	int columns[LS_SCORE_WRITTEN];

	for (int i = 0; i < LS_SCORE_WRITTEN; i++)
		columns[i] = rows->shape.columns[i];
	return heap_modify_tuple_by_cols(change->row,
									 RelationGetDescr(rows->rel),
									 LS_SCORE_WRITTEN,
									 columns,
									 values->values,
									 values->nulls);
}

/*
 * ls_rows_update: change a row that is locked, in a table that is plain.
 */
void
ls_rows_update(LsRows *rows, const LsChange *change, LsScoreValues *values)
{
	HeapTuple row = ls_rows_form(rows, change, values);

	if (rows->estate == NULL)
		begin_update(rows);
	rows->slot->tts_tid = change->row->t_self;
	ExecStoreHeapTuple(row, rows->changed, true);
	ExecSimpleRelationUpdate(rows->result,
							 rows->estate,
							 NULL,
							 /* that is for triggers */ rows->slot,
							 rows->changed);
	ExecClearTuple(rows->changed);
	ResetPerTupleExprContext(rows->estate);
}

void
ls_rows_close(LsRows *rows)
{
	if (rows->estate != NULL)
		end_update(rows);
	ExecDropSingleTupleTableSlot(rows->slot);
	index_close(rows->index, NoLock);
	table_close(rows->rel, NoLock);
}
