/*
 * ls_heap.c: rows of plain tables, found and written without a statement.
 *
 * To start a statement costs more than all else that most commits do. A table is plain
 * if nothing in it could refuse a row, and nothing has to hear of one, but its indexes;
 * and these only hold what is short. What can go wrong then is the storage itself. So
 * rows may be written outside of a subtransaction, and a commit needs no second
 * transaction id.
 */
#include "ls_heap.h"

#include "ls_compat.h"

#include "access/heapam.h"
#include "access/heaptoast.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "storage/bufmgr.h"
#include "utils/datum.h"
#include "utils/rel.h"
#include "utils/typcache.h"

/* ---- the table ---------------------------------------------------------- */

/*
 * is_plain_index: on columns that are always short, so that there is room for them
 * in the index; and is nothing unique but the key, which stays?
 */
static bool
is_plain_index(Relation rel, Relation index, AttrNumber key, Oid key_index)
{
	const Form_pg_index form = index->rd_index;

	if (index->rd_rel->relam != BTREE_AM_OID || RelationGetIndexExpressions(index) ||
		RelationGetIndexPredicate(index) ||
		(form->indisunique && RelationGetRelid(index) != key_index))
		return false;
	for (int i = 0; i < form->indnatts; i++)
	{
		AttrNumber attno = form->indkey.values[i];

		if (attno <= 0 || (attno != key &&
						   TupleDescAttr(RelationGetDescr(rel), attno - 1)->attlen < 0))
			return false;
	}
	return true;
}

static bool
has_plain_indexes(Relation rel, AttrNumber key, Oid key_index)
{
	bool are_plain = true;
	ListCell *cell;

	foreach(cell, RelationGetIndexList(rel))
	{
		Relation index = index_open(lfirst_oid(cell), AccessShareLock);

		are_plain = are_plain && is_plain_index(rel, index, key, key_index);
		index_close(index, NoLock);
	}
	return are_plain;
}

/*
 * ls_heap_is_plain: for rows as we write them: with a key that is not too long for
 * `key_index`, nor for other indexes, and NULL only where that is allowed.
 */
bool
ls_heap_is_plain(Relation rel, AttrNumber key, Oid key_index)
{
	const TupleConstr *constr = RelationGetDescr(rel)->constr;

	return rel->rd_rel->relkind == RELKIND_RELATION && !rel->rd_rel->relispartition &&
		   rel->rd_rel->relam == HEAP_TABLE_AM_OID && rel->trigdesc == NULL &&
		   rel->rd_rules == NULL &&
		   (constr == NULL || (constr->num_check == 0 && !ls_has_generated(constr))) &&
		   has_plain_indexes(rel, key, key_index);
}

/* ---- finding ------------------------------------------------------------ */

/* is_short_of_room: would the page be full, were the row changed once or twice? */
static bool
is_short_of_room(Buffer buffer, HeapTuple row)
{
	return PageGetHeapFreeSpace(BufferGetPage(buffer)) < 2 * row->t_len;
}

/* copy_visible: of the versions that the index leads to; NULL = none. */
static HeapTuple
copy_visible(Relation rel, Buffer buffer, IndexScanDesc scan, Snapshot snapshot)
{
	ItemPointerData tid = scan->xs_heaptid;
	HeapTupleData row;
	HeapTuple copy = NULL;
	bool is_dead;
	bool is_short;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if (heap_hot_search_buffer(&tid, rel, buffer, snapshot, &row, &is_dead, true))
		copy = heap_copytuple(&row);
	is_short = copy == NULL || is_short_of_room(buffer, copy);
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	scan->kill_prior_tuple = copy == NULL && is_dead;
	if (is_short)
		heap_page_prune_opt(rel, buffer);
	return copy;
}

/*
 * ls_heap_fetch: the next row that a scan finds. A page is not tidied up each time that
 * a row of it was changed, as other scans do it, but when there is no room for more.
 *
 * Memory: the current context.
 */
HeapTuple
ls_heap_fetch(Relation rel, IndexScanDesc scan, Snapshot snapshot)
{
	HeapTuple row = NULL;
	ItemPointer tid;

	while (row == NULL && (tid = index_getnext_tid(scan, ForwardScanDirection)) != NULL)
	{
		Buffer buffer = ReadBuffer(rel, ItemPointerGetBlockNumber(tid));

		row = copy_visible(rel, buffer, scan, snapshot);
		ReleaseBuffer(buffer);
	}
	return row;
}

/*
 * ls_heap_index_on: an index that begins with the column; InvalidOid where there is
 * none.
 */
Oid
ls_heap_index_on(Relation rel, AttrNumber attno)
{
	Oid found = InvalidOid;
	List *indexes = RelationGetIndexList(rel);
	ListCell *cell;

	foreach(cell, indexes)
	{
		Relation index = index_open(lfirst_oid(cell), AccessShareLock);

		if (index->rd_index->indisvalid && index->rd_index->indkey.values[0] == attno &&
			index->rd_rel->relam == BTREE_AM_OID &&
			RelationGetIndexPredicate(index) == NIL)
			found = RelationGetRelid(index);
		index_close(index, AccessShareLock);
	}
	list_free(indexes);
	return found;
}

/*
 * ls_heap_has: a row with this value in the column. The index may be InvalidOid.
 */
bool
ls_heap_has(Relation rel, Oid index, AttrNumber attno, Datum value, Snapshot snapshot)
{
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), attno - 1);
	TypeCacheEntry *type = lookup_type_cache(att->atttypid, TYPECACHE_EQ_OPR_FINFO);
	ScanKeyData key;
	SysScanDesc scan;
	bool found;

	ScanKeyEntryInitializeWithInfo(&key,
								   0,
								   attno,
								   BTEqualStrategyNumber,
								   att->atttypid,
								   att->attcollation,
								   &type->eq_opr_finfo,
								   value);
	scan = systable_beginscan(rel, index, OidIsValid(index), snapshot, 1, &key);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	return found;
}

/* ---- writing ------------------------------------------------------------ */

/*
 * ls_heap_may_replace: may this row be replaced by that one?
 *
 * Errors: 55000 where a publication is against it.
 */
bool
ls_heap_may_replace(Relation rel, HeapTuple old_row, HeapTuple new_row)
{
	CheckCmdReplicaIdentity(rel, CMD_UPDATE);
	return !HeapTupleHasExternal(old_row) && new_row->t_len <= TOAST_TUPLE_THRESHOLD;
}

/* LsIndexEntry: what an index is to hold of a row. */
typedef struct LsIndexEntry
{
	Datum values[INDEX_MAX_KEYS];
	bool nulls[INDEX_MAX_KEYS];
} LsIndexEntry;

static void
read_entry(Relation index, TupleTableSlot *slot, LsIndexEntry *entry)
{
	const Form_pg_index form = index->rd_index;

	for (int i = 0; i < form->indnatts; i++)
		entry->values[i] = slot_getattr(slot, form->indkey.values[i], &entry->nulls[i]);
}

static bool
is_same_entry(Relation index, const LsIndexEntry *a, const LsIndexEntry *b)
{
	for (int i = 0; i < index->rd_index->indnatts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(index), i);

		if (a->nulls[i] != b->nulls[i] ||
			(!a->nulls[i] &&
			 !datum_image_eq(a->values[i], b->values[i], att->attbyval, att->attlen)))
			return false;
	}
	return true;
}

/* is_unchanged: is it as that of the row before? A hint that the index may use. */
static bool
is_unchanged(Relation index, TupleTableSlot *old_slot, const LsIndexEntry *entry)
{
	LsIndexEntry old_entry;

	if (old_slot == NULL)
		return false;
	read_entry(index, old_slot, &old_entry);
	return is_same_entry(index, &old_entry, entry);
}

static void
insert_entry(Relation rel,
			 Relation index,
			 TupleTableSlot *old_slot,
			 TupleTableSlot *slot)
{
	LsIndexEntry entry;
	IndexUniqueCheck check =
		index->rd_index->indisunique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO;

	if (!index->rd_index->indisready)
		return;
	read_entry(index, slot, &entry);
	(void) index_insert(index,
						entry.values,
						entry.nulls,
						&slot->tts_tid,
						rel,
						check,
						is_unchanged(index, old_slot, &entry),
						NULL);
}

/* insert_entries: of a row that its indexes do not know yet; old_slot may be NULL. */
static void
insert_entries(Relation rel, TupleTableSlot *old_slot, TupleTableSlot *slot)
{
	ListCell *cell;

	foreach(cell, RelationGetIndexList(rel))
	{
		Relation index = index_open(lfirst_oid(cell), RowExclusiveLock);

		insert_entry(rel, index, old_slot, slot);
		index_close(index, NoLock);
	}
}

static TupleTableSlot *
make_slot(Relation rel, HeapTuple row)
{
	TupleTableSlot *slot =
		MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsHeapTuple);

	ExecStoreHeapTuple(row, slot, false);
	return slot;
}

/* lock: the version of a row that was read; false where somebody else has it. */
static bool
lock(Relation rel, ItemPointer tid)
{
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TM_FailureData failure;
	TM_Result result = table_tuple_lock(rel,
										tid,
										InvalidSnapshot,
										slot,
										GetCurrentCommandId(true),
										LockTupleNoKeyExclusive,
										LockWaitSkip,
										0,
										&failure);

	ExecDropSingleTupleTableSlot(slot);
	return result == TM_Ok;
}

/*
 * ls_heap_lock: the row as it was read; false where somebody else has it, or has
 * written it since. The table is locked.
 */
bool
ls_heap_lock(Oid relid, HeapTuple row)
{
	Relation rel = table_open(relid, NoLock);
	bool is_done = lock(rel, &row->t_self);

	table_close(rel, NoLock);
	return is_done;
}

/* update: with the new row's place in the slot, and whether indexes must know it. */
static bool
update(Relation rel, ItemPointer old_tid, TupleTableSlot *slot, LsIndexUpdate *indexes)
{
	TM_FailureData failure;
	LockTupleMode mode;

	/* It would wait; but nobody else can have the row. */
	return table_tuple_update(rel,
							  old_tid,
							  slot,
							  GetCurrentCommandId(true),
							  InvalidSnapshot,
							  InvalidSnapshot,
							  true,
							  &failure,
							  &mode,
							  indexes) == TM_Ok;
}

/*
 * ls_heap_replace: false, and nothing written, where somebody else is writing the row,
 * or has written it since. The table is plain, and locked.
 */
bool
ls_heap_replace(Oid relid, HeapTuple old_row, HeapTuple new_row)
{
	Relation rel = table_open(relid, NoLock);
	TupleTableSlot *slot = make_slot(rel, new_row);
	LsIndexUpdate indexes;
	bool is_done =
		lock(rel, &old_row->t_self) && update(rel, &old_row->t_self, slot, &indexes);

	if (is_done && ls_must_update_indexes(indexes))
	{
		TupleTableSlot *old_slot = make_slot(rel, old_row);

		insert_entries(rel, old_slot, slot);
		ExecDropSingleTupleTableSlot(old_slot);
	}
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
	if (is_done)
		CommandCounterIncrement();
	return is_done;
}

/*
 * ls_heap_append: a new row. The table is plain, and locked.
 */
void
ls_heap_append(Oid relid, HeapTuple row)
{
	Relation rel = table_open(relid, NoLock);
	TupleTableSlot *slot = make_slot(rel, row);

	table_tuple_insert(rel, slot, GetCurrentCommandId(true), 0, NULL);
	insert_entries(rel, NULL, slot);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
	CommandCounterIncrement();
}
