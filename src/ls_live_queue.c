/*
 * ls_live_queue.c: does a contact wait in <model>_queue?
 *
 * The view asks for each contact. It is read here, not in the view's SQL: once a
 * query where it is empty, as nearly always; and who reads the view need not be
 * allowed to read it.
 */
#include "ls_live.h"

#include "ls_compat.h"
#include "ls_key.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"

#include "catalog/pg_class.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

/*
 * ls_live_find_queue: InvalidOid where it is not there, or no table.
 */
Oid
ls_live_find_queue(const LsModelRow *row)
{
	Oid schema = row->objects_schema == NULL
					 ? InvalidOid
					 : get_namespace_oid(row->objects_schema, true);
	Oid relid = OidIsValid(schema)
					? get_relname_relid(psprintf("%s_queue", row->name), schema)
					: InvalidOid;

	if (!OidIsValid(relid) || get_rel_relkind(relid) != RELKIND_RELATION)
		return InvalidOid;
	ls_model_watch(relid);
	return relid;
}

/* index_on: an index that begins with the column; InvalidOid where there is none. */
static Oid
index_on(Relation queue, AttrNumber attno)
{
	Oid found = InvalidOid;
	List *indexes = RelationGetIndexList(queue);
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

/* has_row: a row that meets the keys, as the query sees the table. */
static bool
has_row(Relation queue, Oid index, int nkeys, ScanKey key)
{
	SysScanDesc scan = systable_beginscan(queue,
										  index,
										  OidIsValid(index),
										  GetActiveSnapshot(),
										  nkeys,
										  key);
	bool found = HeapTupleIsValid(systable_getnext(scan));

	systable_endscan(scan);
	return found;
}

static bool
has_contact(Relation queue, Oid index, AttrNumber attno, Datum contact_id)
{
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(queue), attno - 1);
	TypeCacheEntry *type = lookup_type_cache(att->atttypid, TYPECACHE_EQ_OPR_FINFO);
	ScanKeyData key;

	ScanKeyEntryInitializeWithInfo(&key,
								   0,
								   attno,
								   BTEqualStrategyNumber,
								   att->atttypid,
								   att->attcollation,
								   &type->eq_opr_finfo,
								   contact_id);
	return has_row(queue, index, 1, &key);
}

static bool
has_everyone(Relation queue, Oid index, AttrNumber attno)
{
	ScanKeyData key;

	ScanKeyEntryInitialize(&key,
						   SK_ISNULL | SK_SEARCHNULL,
						   attno,
						   InvalidStrategy,
						   InvalidOid,
						   InvalidOid,
						   InvalidOid,
						   (Datum) 0);
	return has_row(queue, index, 1, &key);
}

/* look: is the queue empty, or everyone in it? */
static void
look(LsLiveCall *call, Relation queue, Oid index, AttrNumber attno)
{
	if (call->queue != LS_QUEUE_UNKNOWN)
		return;
	if (!has_row(queue, InvalidOid, 0, NULL))
		call->queue = LS_QUEUE_EMPTY;
	else
		call->queue =
			has_everyone(queue, index, attno) ? LS_QUEUE_EVERYONE : LS_QUEUE_SOME;
}

/*
 * ls_live_is_queued: does the contact, or everyone, wait for the next refresh, as
 * the query sees the queue? Where that cannot be told, it does.
 */
bool
ls_live_is_queued(LsLiveCall *call, Datum contact_id)
{
	Relation queue;
	AttrNumber attno;
	bool found = true;

	if (call->queue == LS_QUEUE_EMPTY || call->queue == LS_QUEUE_EVERYONE)
		return call->queue == LS_QUEUE_EVERYONE;
	queue = OidIsValid(call->queue_relid)
				? try_table_open(call->queue_relid, AccessShareLock)
				: NULL;
	if (queue == NULL)
		return true;
	attno = get_attnum(call->queue_relid, "contact_id");
	if (attno > 0 &&
		TupleDescAttr(RelationGetDescr(queue), attno - 1)->atttypid == call->key_type)
	{
		Oid index = index_on(queue, attno);

		look(call, queue, index, attno);
		found = call->queue == LS_QUEUE_SOME
					? has_contact(queue, index, attno, contact_id)
					: call->queue == LS_QUEUE_EVERYONE;
	}
	table_close(queue, AccessShareLock);
	return found;
}
