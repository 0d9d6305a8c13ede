/*
 * ls_heap.h: rows of plain tables, found and written without a statement.
 */
#ifndef LS_HEAP_H
#define LS_HEAP_H

#include "postgres.h"

#include "access/genam.h"
#include "access/htup.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

extern bool ls_heap_is_plain(Relation rel, AttrNumber key, Oid key_index);
extern bool ls_heap_may_replace(Relation rel, HeapTuple old_row, HeapTuple new_row);
extern HeapTuple ls_heap_fetch(Relation rel, IndexScanDesc scan, Snapshot snapshot);
extern Oid ls_heap_index_on(Relation rel, AttrNumber attno);
extern bool ls_heap_has(Relation rel,
						Oid index,
						AttrNumber attno,
						Datum value,
						Snapshot snapshot);
extern bool ls_heap_lock(Oid relid, HeapTuple row);
extern bool ls_heap_replace(Oid relid, HeapTuple old_row, HeapTuple new_row);
extern void ls_heap_append(Oid relid, HeapTuple row);

#endif /* LS_HEAP_H */
