/*
 * ls_apply_replace.c: a score row is replaced, if nobody else has touched it.
 *
 * In a table as activate() makes it, or with plain indexes more. What is checked before
 * is all that could go wrong but for the storage itself; so this may be done outside of
 * a subtransaction, and a commit needs no second transaction id.
 */
#include "ls_apply_row.h"

#include "ls_compat.h"

#include "access/genam.h"
#include "access/heaptoast.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "executor/executor.h"
#include "utils/datum.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* ---- the table ---------------------------------------------------------- */

/* is_given: will the column never be null? */
static bool
is_given(const LsRowShape *shape, AttrNumber attno)
{
	return attno == shape->columns[LS_SCORE_CONTACT_ID] ||
		   attno == shape->columns[LS_SCORE_BY_HAND] ||
		   attno == shape->columns[LS_SCORE_SCORED_AT] ||
		   attno == shape->columns[LS_SCORE_STAMP];
}

/* is_ours: do we write the column? */
static bool
is_ours(const LsRowShape *shape, AttrNumber attno)
{
	for (int i = 0; i < LS_SCORE_WRITTEN; i++)
		if (shape->columns[i] == attno)
			return true;
	return false;
}

/* has_plain_columns: can none of what we write be refused? */
static bool
has_plain_columns(Relation rel, const LsRowShape *shape)
{
	TupleDesc desc = RelationGetDescr(rel);

	if (desc->constr != NULL && desc->constr->num_check > 0)
		return false;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attnotnull && !att->attisdropped && is_ours(shape, att->attnum) &&
			!is_given(shape, att->attnum))
			return false;
	}
	return true;
}

/* is_plain_filter: of a partial index: `column IS NOT NULL`. */
static bool
is_plain_filter(List *filter)
{
	const NullTest *test = filter == NIL ? NULL : linitial(filter);

	return filter == NIL || (list_length(filter) == 1 && IsA(test, NullTest) &&
							 test->nulltesttype == IS_NOT_NULL && IsA(test->arg, Var));
}

/*
 * is_plain_index: on columns that are always short, so that there is room for them
 * in the index; and is nothing unique but the key, which stays?
 */
static bool
is_plain_index(Relation rel, const LsRowShape *shape, Relation index)
{
	const Form_pg_index form = index->rd_index;

	if (index->rd_rel->relam != BTREE_AM_OID || RelationGetIndexExpressions(index) ||
		!is_plain_filter(RelationGetIndexPredicate(index)) ||
		(form->indisunique && RelationGetRelid(index) != shape->index))
		return false;
	for (int i = 0; i < form->indnatts; i++)
	{
		AttrNumber attno = form->indkey.values[i];

		if (attno <= 0 ||
			(TupleDescAttr(RelationGetDescr(rel), attno - 1)->attlen < 0 &&
			 attno != shape->columns[LS_SCORE_CONTACT_ID]))
			return false;
	}
	return true;
}

/*
 * ls_replace_is_safe: is there nothing in the table that could refuse a row?
 */
bool
ls_replace_is_safe(Relation rel, const LsRowShape *shape)
{
	bool is_plain = has_plain_columns(rel, shape);
	ListCell *cell;

	foreach(cell, RelationGetIndexList(rel))
	{
		Relation index = index_open(lfirst_oid(cell), AccessShareLock);

		is_plain = is_plain && is_plain_index(rel, shape, index);
		index_close(index, NoLock);
	}
	return is_plain;
}

/*
 * ls_replace_may: may this row be replaced by that one?
 *
 * Errors: 55000 where a publication is against it.
 */
bool
ls_replace_may(Relation rel, HeapTuple old_row, HeapTuple new_row)
{
	CheckCmdReplicaIdentity(rel, CMD_UPDATE);
	return !HeapTupleHasExternal(old_row) && new_row->t_len <= TOAST_TUPLE_THRESHOLD;
}

/* ---- one row ------------------------------------------------------------ */

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

/* is_wanted: is the row one of those that the index has? */
static bool
is_wanted(Relation index, TupleTableSlot *slot)
{
	List *filter = RelationGetIndexPredicate(index);
	bool is_null = false;

	if (filter != NIL)
		(void) slot_getattr(slot,
							((Var *) ((NullTest *) linitial(filter))->arg)->varattno,
							&is_null);
	return !is_null;
}

/* is_same_entry: as that of the row before? A hint that the index may use. */
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

static void
insert_entry(Relation rel,
			 Relation index,
			 TupleTableSlot *old_slot,
			 TupleTableSlot *new_slot)
{
	LsIndexEntry old_entry;
	LsIndexEntry new_entry;

	if (!is_wanted(index, new_slot))
		return;
	read_entry(index, old_slot, &old_entry);
	read_entry(index, new_slot, &new_entry);
	(void) index_insert(index,
						new_entry.values,
						new_entry.nulls,
						&new_slot->tts_tid,
						rel,
						index->rd_index->indisunique ? UNIQUE_CHECK_YES
													 : UNIQUE_CHECK_NO,
						is_same_entry(index, &old_entry, &new_entry),
						NULL);
}

/* insert_entries: of a row that its indexes do not know yet. */
static void
insert_entries(Relation rel, HeapTuple old_row, TupleTableSlot *new_slot)
{
	TupleTableSlot *old_slot =
		MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsHeapTuple);
	ListCell *cell;

	ExecStoreHeapTuple(old_row, old_slot, false);
	foreach(cell, RelationGetIndexList(rel))
	{
		Relation index = index_open(lfirst_oid(cell), RowExclusiveLock);

		if (index->rd_index->indisready)
			insert_entry(rel, index, old_slot, new_slot);
		index_close(index, NoLock);
	}
	ExecDropSingleTupleTableSlot(old_slot);
}

/*
 * ls_replace_row: false, and nothing written, where somebody else is writing the row,
 * or has written it since. The table is locked, and it is safe.
 */
bool
ls_replace_row(Oid relid, HeapTuple old_row, HeapTuple new_row)
{
	Relation rel = table_open(relid, NoLock);
	TupleTableSlot *slot =
		MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsHeapTuple);
	TM_FailureData failure;
	LockTupleMode lock;
	LsIndexUpdate indexes;
	TM_Result result;

	ExecStoreHeapTuple(new_row, slot, false);
	result = table_tuple_update(rel,
								&old_row->t_self,
								slot,
								GetCurrentCommandId(true),
								InvalidSnapshot,
								InvalidSnapshot,
								false,
								&failure,
								&lock,
								&indexes);
	if (result == TM_Ok && ls_must_update_indexes(indexes))
		insert_entries(rel, old_row, slot);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
	if (result == TM_Ok)
		CommandCounterIncrement();
	return result == TM_Ok;
}
