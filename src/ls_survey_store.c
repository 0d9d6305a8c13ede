/*
 * ls_survey_store.c: what a survey has found, or who is due, kept over the transactions
 * of the batches, in the order of the keys.
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
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplesort.h"
#include "utils/tuplestore.h"
#include "utils/typcache.h"

/* Columns of an entry. */
enum
{
	E_KEY,
	E_OUTCOME,
	E_FIT,
	E_SINCE,
	E_STAGE, /* what the stage column says; null = nothing, or there is none */
	E_TID,	 /* null = there is no score row */
	E_XMIN,
	E_XMAX,
	E_STATE, /* null = there are no events */
	E_COLUMNS
};

struct LsSurveyStore
{
	MemoryContext context;
	Oid key_type;
	int64 stamp; /* of the rules that it is by */
	bool is_alone;
	bool has_column; /* of the stage */
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

	const Oid types[E_COLUMNS] = {key_type,
								  INT2OID,
								  FLOAT8OID,
								  TIMESTAMPTZOID,
								  TEXTOID,
								  TIDOID,
								  XIDOID,
								  XIDOID,
								  BYTEAOID};

	for (int i = 0; i < E_COLUMNS; i++)
		TupleDescInitEntry(desc, i + 1, NULL, types[i], -1, 0);
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
 * ls_survey_store_new: by the rules of that stamp; keys are in the order of the
 * collation.
 */
LsSurveyStore *
ls_survey_store_new(const LsRun *run, int64 stamp, Oid collation)
{
	Oid key_type = run->objects->key_type;
	MemoryContext context = AllocSetContextCreate(run->context,
												  "lead_scoring survey",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	LsSurveyStore *store = palloc0(sizeof(LsSurveyStore));

	store->context = context;
	store->key_type = key_type;
	store->stamp = stamp;
	store->is_alone = run->alone;
	store->desc = make_desc(key_type, collation);
	store->in = MakeSingleTupleTableSlot(store->desc, &TTSOpsVirtual);
	store->out = MakeSingleTupleTableSlot(store->desc, &TTSOpsMinimalTuple);
	store->sort = begin_sort(store->desc, key_type, collation);
	MemoryContextSwitchTo(old);
	return store;
}

/*
 * ls_survey_store_put: a contact that must be looked at, and what is known of it.
 */
void
ls_survey_store_put(LsSurveyStore *store, const LsChange *change)
{
	const LsSurveyed *surveyed = change->surveyed;
	TupleTableSlot *slot = store->in;
	Datum *values = slot->tts_values;

	ExecClearTuple(slot);
	memset(slot->tts_isnull, false, E_COLUMNS);
	values[E_KEY] = ls_key_to_datum(store->key_type, change->key);
	values[E_OUTCOME] = Int16GetDatum(change->outcome);
	values[E_FIT] = Float8GetDatum(change->fit);
	values[E_SINCE] = TimestampTzGetDatum(change->since);
	store->has_column = change->has_column;
	slot->tts_isnull[E_STAGE] = change->column_stage == NULL;
	if (change->column_stage != NULL)
		values[E_STAGE] = CStringGetTextDatum(change->column_stage);
	slot->tts_isnull[E_TID] = !surveyed->has_row;
	values[E_TID] = PointerGetDatum(&surveyed->tid);
	values[E_XMIN] = TransactionIdGetDatum(surveyed->xmin);
	values[E_XMAX] = TransactionIdGetDatum(surveyed->xmax);
	slot->tts_isnull[E_STATE] = surveyed->state == NULL;
	values[E_STATE] = PointerGetDatum(surveyed->state);
	ExecStoreVirtualTuple(slot);
	tuplesort_puttupleslot(store->sort, slot);
}

/*
 * ls_survey_store_put_key: a contact that must be looked at, of which nothing is known.
 */
void
ls_survey_store_put_key(LsSurveyStore *store, Datum key)
{
	TupleTableSlot *slot = store->in;

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, E_COLUMNS);
	slot->tts_isnull[E_KEY] = slot->tts_isnull[E_OUTCOME] = false;
	slot->tts_values[E_KEY] = key;
	slot->tts_values[E_OUTCOME] = Int16GetDatum(LS_RECOMPUTE);
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

/* take_surveyed: what the slot says of the score row and the events. */
static LsSurveyed *
take_surveyed(const LsSurveyStore *store)
{
	const Datum *values = store->out->tts_values;
	const bool *nulls = store->out->tts_isnull;
	LsSurveyed *surveyed = palloc0(sizeof(LsSurveyed));

	surveyed->is_alone = store->is_alone;
	surveyed->has_row = !nulls[E_TID];
	if (surveyed->has_row)
		surveyed->tid = *(ItemPointer) DatumGetPointer(values[E_TID]);
	surveyed->xmin = DatumGetTransactionId(values[E_XMIN]);
	surveyed->xmax = DatumGetTransactionId(values[E_XMAX]);
	/* A copy has the header of four bytes that a state must have, and is aligned. */
	if (!nulls[E_STATE])
		surveyed->state = (const LsState *) PG_DETOAST_DATUM_COPY(values[E_STATE]);
	return surveyed;
}

/* take: what the slot says. */
static void
take(const LsSurveyStore *store, LsChange *change)
{
	TupleTableSlot *slot = store->out;

	slot_getallattrs(slot);
	change->key =
		ls_key_copy(ls_key_from_datum(store->key_type, slot->tts_values[E_KEY]));
	change->outcome = (LsOutcome) DatumGetInt16(slot->tts_values[E_OUTCOME]);
	if (change->outcome == LS_RECOMPUTE)
		return;
	change->fit = DatumGetFloat8(slot->tts_values[E_FIT]);
	change->since = DatumGetTimestampTz(slot->tts_values[E_SINCE]);
	change->has_column = store->has_column;
	if (!slot->tts_isnull[E_STAGE])
		change->column_stage = TextDatumGetCString(slot->tts_values[E_STAGE]);
	change->stamp = store->stamp;
	change->events = LS_EVENTS_SURVEYED;
	change->surveyed = take_surveyed(store);
}

/* forget: keys of a view may repeat; which of the contacts counts is as before. */
static void
forget(LsChange *change)
{
	change->outcome = LS_RECOMPUTE;
	change->events = LS_EVENTS_READ;
	change->surveyed = NULL;
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
		if (n == 0 || ls_apply_compare(&changes[n - 1], &changes[n]) != 0)
			n++;
		else
			forget(&changes[n - 1]);
	}
	ExecClearTuple(store->out);
	return n;
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
