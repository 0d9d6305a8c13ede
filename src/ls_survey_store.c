/*
 * ls_survey_store.c: what a survey has found, kept over the transactions of its
 * batches, in the order of the keys.
 *
 * Beyond work_mem it is in a temporary file, which no transaction's end removes: who
 * makes a store frees it, after an error too.
 */
#include "ls_survey.h"

#include "ls_compat.h"

#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplesort.h"
#include "utils/tuplestore.h"
#include "utils/typcache.h"

enum
{
	E_KEY,
	E_COLUMNS
};

struct LsSurveyStore
{
	MemoryContext context;
	Oid key_type;
	TupleDesc desc;
	TupleTableSlot *in;	 /* what is put */
	TupleTableSlot *out; /* what is taken */
	Tuplesortstate *sort;
	Tuplestorestate *store;
};

static TupleDesc
make_desc(Oid key_type, Oid collation)
{
	TupleDesc desc = CreateTemplateTupleDesc(E_COLUMNS);

	TupleDescInitEntry(desc, E_KEY + 1, "key", key_type, -1, 0);
	TupleDescInitEntryCollation(desc, E_KEY + 1, collation);
	return desc;
}

static Tuplesortstate *
begin_sort(TupleDesc desc, Oid key_type, Oid collation)
{
	AttrNumber column = E_KEY + 1;
	Oid less = lookup_type_cache(key_type, TYPECACHE_LT_OPR)->lt_opr;
	bool nulls_first = false;

	return tuplesort_begin_heap(desc,
								1,
								&column,
								&less,
								&collation,
								&nulls_first,
								work_mem,
								NULL,
								TUPLESORT_NONE);
}

/*
 * ls_survey_store_new: for keys of a stored type, in the order of the collation.
 */
LsSurveyStore *
ls_survey_store_new(MemoryContext parent, Oid key_type, Oid collation)
{
	MemoryContext context =
		AllocSetContextCreate(parent, "lead_scoring survey", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	LsSurveyStore *store = palloc0(sizeof(LsSurveyStore));

	store->context = context;
	store->key_type = key_type;
	store->desc = make_desc(key_type, collation);
	store->in = MakeSingleTupleTableSlot(store->desc, &TTSOpsVirtual);
	store->out = MakeSingleTupleTableSlot(store->desc, &TTSOpsMinimalTuple);
	store->sort = begin_sort(store->desc, key_type, collation);
	MemoryContextSwitchTo(old);
	return store;
}

/*
 * ls_survey_store_put: a contact that must be looked at.
 */
void
ls_survey_store_put(LsSurveyStore *store, const LsChange *change)
{
	TupleTableSlot *slot = store->in;

	ExecClearTuple(slot);
	memset(slot->tts_isnull, false, E_COLUMNS);
	slot->tts_values[E_KEY] = ls_key_to_datum(store->key_type, change->key);
	ExecStoreVirtualTuple(slot);
	tuplesort_puttupleslot(store->sort, slot);
}

/*
 * ls_survey_store_finish: nothing more is put. What is in a file is all written
 * before the transaction ends.
 */
void
ls_survey_store_finish(LsSurveyStore *store)
{
	MemoryContext old = MemoryContextSwitchTo(store->context);

	tuplesort_performsort(store->sort);
	store->store = tuplestore_begin_heap(false, true, work_mem);
	while (tuplesort_gettupleslot(store->sort, true, false, store->out, NULL))
		tuplestore_puttupleslot(store->store, store->out);
	ExecClearTuple(store->out);
	tuplesort_end(store->sort);
	store->sort = NULL;
	if (tuplestore_advance(store->store, true))
		tuplestore_rescan(store->store);
	MemoryContextSwitchTo(old);
}

/* take: what the slot says. */
static void
take(const LsSurveyStore *store, LsChange *change)
{
	TupleTableSlot *slot = store->out;

	slot_getallattrs(slot);
	change->key =
		ls_key_copy(ls_key_from_datum(store->key_type, slot->tts_values[E_KEY]));
	change->outcome = LS_RECOMPUTE;
}

/*
 * ls_survey_store_take: the next contacts, each once; gives their number.
 *
 * Memory: the current context.
 */
int
ls_survey_store_take(LsSurveyStore *store, LsChange *changes, int limit)
{
	int n = 0;

	while (n < limit && tuplestore_gettupleslot(store->store, true, false, store->out))
	{
		take(store, &changes[n]);
		/* Keys of a view may repeat. */
		if (n == 0 || ls_apply_compare(&changes[n - 1], &changes[n]) != 0)
			n++;
	}
	ExecClearTuple(store->out);
	return n;
}

Oid
ls_survey_store_key_type(const LsSurveyStore *store)
{
	return store->key_type;
}

/*
 * ls_survey_store_free: also in the middle of making it, when that has failed.
 */
void
ls_survey_store_free(LsSurveyStore *store)
{
	if (store->store != NULL)
		tuplestore_end(store->store);
	MemoryContextDelete(store->context);
}
