/*
 * ls_live_rows.c: has a table of the model, <model>_queue say, a row of a contact?
 *
 * The view asks for each contact. That is looked up here, not in the view's SQL:
 * once a query where the table is empty, as nearly always; and who reads the view
 * need not be allowed to read the table.
 */
#include "ls_live.h"

#include "ls_compat.h"
#include "ls_heap.h"
#include "ls_key.h"

#include "access/genam.h"
#include "access/relation.h"
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
 * ls_live_find_rows: of the table <model>_<suffix>.
 */
LsLiveRows
ls_live_find_rows(const LsModelRow *row, const char *suffix)
{
	LsLiveRows rows = {InvalidOid, LS_ROWS_UNKNOWN};
	Oid schema = row->objects_schema == NULL
					 ? InvalidOid
					 : get_namespace_oid(row->objects_schema, true);

	if (OidIsValid(schema))
		rows.relid = get_relname_relid(psprintf("%s_%s", row->name, suffix), schema);
	if (OidIsValid(rows.relid))
		ls_model_watch(rows.relid);
	return rows;
}

/* has_row: a row that meets the keys, as the query sees the table. */
static bool
has_row(Relation rel, Oid index, int nkeys, ScanKey key)
{
	SysScanDesc scan = systable_beginscan(rel,
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
has_everyone(Relation rel, Oid index, AttrNumber attno)
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
	return has_row(rel, index, 1, &key);
}

/* look: is the table empty, or has it a row for everyone? */
static LsRowsState
look(Relation rel, Oid index, AttrNumber attno)
{
	if (!has_row(rel, InvalidOid, 0, NULL))
		return LS_ROWS_NONE;
	return has_everyone(rel, index, attno) ? LS_ROWS_EVERYONE : LS_ROWS_SOME;
}

static bool
is_in(LsLiveRows *rows, Relation rel, Oid key_type, Datum contact_id)
{
	AttrNumber attno = get_attnum(rows->relid, "contact_id");
	Oid index;

	if (rel->rd_rel->relkind != RELKIND_RELATION || attno <= 0 ||
		TupleDescAttr(RelationGetDescr(rel), attno - 1)->atttypid != key_type)
		return true;
	index = ls_heap_index_on(rel, attno);
	if (rows->state == LS_ROWS_UNKNOWN)
		rows->state = look(rel, index, attno);
	if (rows->state == LS_ROWS_SOME)
		return ls_heap_has(rel, index, attno, contact_id, GetActiveSnapshot());
	return rows->state == LS_ROWS_EVERYONE;
}

/*
 * ls_live_is_in: has the table a row of the contact, or one for everyone, as the
 * query sees it? Where that cannot be told, it has.
 */
bool
ls_live_is_in(LsLiveRows *rows, Oid key_type, Datum contact_id)
{
	Relation rel;
	bool found;

	if (rows->state == LS_ROWS_NONE || rows->state == LS_ROWS_EVERYONE)
		return rows->state == LS_ROWS_EVERYONE;
	rel = OidIsValid(rows->relid) ? try_relation_open(rows->relid, AccessShareLock)
								  : NULL;
	if (rel == NULL)
		return true;
	found = is_in(rows, rel, key_type, contact_id);
	relation_close(rel, AccessShareLock);
	return found;
}
