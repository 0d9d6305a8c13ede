/*
 * ls_lookup_fetch.c: the row of a lookup for a contact, where a query did not
 * join it.
 *
 * It is read by a kept plan, as whoever runs the query and with its snapshot; so
 * privileges and row-level security are his. Rows are remembered while the
 * snapshot stands, for many contacts share a company.
 */
#include "ls_lookup_fetch.h"

#include "ls_compat.h"
#include "ls_objects.h"
#include "ls_relation.h"
#include "ls_seen.h"

#include "access/htup_details.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

#define MAX_REMEMBERED 1000

typedef struct LsRemembered
{
	Datum value; /* of the contact's column */
	uint32 hash;
	HeapTuple row; /* NULL: there is none */
	char status;
} LsRemembered;

#define SH_PREFIX rows
#define SH_ELEMENT_TYPE LsRemembered
#define SH_KEY_TYPE Datum
#define SH_KEY value
#define SH_HASH_KEY(table, key) hash_value((table)->private_data, (key))
#define SH_EQUAL(table, a, b) is_same_value((table)->private_data, (a), (b))
#define SH_STORE_HASH
#define SH_GET_HASH(table, slot) (slot)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#include "lib/simplehash.h"

struct LsLookupFetch
{
	const char *sql;
	Oid type; /* of the contact's column */
	int16 typlen;
	bool typbyval;
	MemoryContext memory; /* of what is remembered */
	rows_hash *rows;
	LsSeen mark; /* of the snapshot that they were read with */
};

static inline uint32
hash_value(const LsLookupFetch *fetch, Datum value)
{
	return datum_image_hash(value, fetch->typbyval, fetch->typlen);
}

static inline bool
is_same_value(const LsLookupFetch *fetch, Datum a, Datum b)
{
	return datum_image_eq(a, b, fetch->typbyval, fetch->typlen);
}

#define SH_PREFIX rows
#define SH_ELEMENT_TYPE LsRemembered
#define SH_KEY_TYPE Datum
#define SH_KEY value
#define SH_HASH_KEY(table, key) hash_value((table)->private_data, (key))
#define SH_EQUAL(table, a, b) is_same_value((table)->private_data, (a), (b))
#define SH_STORE_HASH
#define SH_GET_HASH(table, slot) (slot)->hash
#define SH_SCOPE static inline
#define SH_DEFINE
#include "lib/simplehash.h"

/* plan_now: while it may not choose a scan that the table will outgrow. */
static void
plan_now(LsLookupFetch *fetch)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	ls_objects_plan_now(ls_objects_plan(fetch->sql, 1, &fetch->type));
	SPI_finish();
}

/*
 * ls_lookup_fetch_open: for lookups by values of the contact's column; *desc is
 * that of the rows.
 *
 * Errors: 42501 where the current role may not read the relation.
 * Memory: the current context.
 */
LsLookupFetch *
ls_lookup_fetch_open(const LsLookup *lookup, TupleDesc *desc)
{
	LsLookupFetch *fetch = palloc0(sizeof(LsLookupFetch));
	char *name = ls_relation_name(lookup->relid);
	char *key = psprintf("found.%s", quote_identifier(lookup->row->key));

	fetch->sql = psprintf("SELECT (found.*)::%s FROM %s AS found WHERE %s",
						  name,
						  name,
						  ls_lookup_equals(lookup, key, "$1", false));
	fetch->type = getBaseType(lookup->contact_type);
	get_typlenbyval(fetch->type, &fetch->typlen, &fetch->typbyval);
	fetch->memory = AllocSetContextCreate(CurrentMemoryContext,
										  "lead_scoring lookup rows",
										  ALLOCSET_SMALL_SIZES);
	*desc = lookup_rowtype_tupdesc_copy(get_rel_type_id(lookup->relid), -1);
	plan_now(fetch);
	return fetch;
}

/* forget_others: what was read with another snapshot, or is too much. */
static void
forget_others(LsLookupFetch *fetch)
{
	LsSeen mark = ls_seen();

	if (fetch->rows != NULL && memcmp(&mark, &fetch->mark, sizeof(mark)) == 0 &&
		fetch->rows->members < MAX_REMEMBERED)
		return;
	MemoryContextReset(fetch->memory);
	fetch->rows = rows_create(fetch->memory, 64, fetch);
	fetch->mark = mark;
}

/* copy_row: the row in SPI_tuptable, for good. */
static HeapTuple
copy_row(LsLookupFetch *fetch)
{
	bool is_null;
	Datum value;
	HeapTupleData tuple;
	MemoryContext old;
	HeapTuple copy;

	if (SPI_processed == 0)
		return NULL;
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null);
	if (is_null)
		return NULL;
	tuple.t_data = DatumGetHeapTupleHeader(value);
	tuple.t_len = HeapTupleHeaderGetDatumLength(tuple.t_data);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	old = MemoryContextSwitchTo(fetch->memory);
	copy = heap_copytuple(&tuple);
	MemoryContextSwitchTo(old);
	return copy;
}

static HeapTuple
read_row(LsLookupFetch *fetch, Datum value)
{
	HeapTuple row;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_plan(ls_objects_plan(fetch->sql, 1, &fetch->type),
						 &value,
						 NULL,
						 true,
						 1) != SPI_OK_SELECT)
		elog(ERROR, "reading a lookup failed");
	row = copy_row(fetch);
	SPI_finish();
	return row;
}

/*
 * ls_lookup_fetch: the row that a contact with this value has; NULL where there is
 * none. It may find that ls_model_generation has changed: then neither the row
 * nor `fetch` is of use any more.
 *
 * Memory: the row is good until the next call.
 */
HeapTuple
ls_lookup_fetch(LsLookupFetch *fetch, Datum value)
{
	LsRemembered *known;
	HeapTuple row;
	bool found;
	MemoryContext old;

	forget_others(fetch);
	if (fetch->typlen == -1)
		value = PointerGetDatum(PG_DETOAST_DATUM_PACKED(value));
	known = rows_lookup(fetch->rows, value);
	if (known != NULL)
		return known->row;
	row = read_row(fetch, value);
	old = MemoryContextSwitchTo(fetch->memory);
	known = rows_insert(fetch->rows,
						datumCopy(value, fetch->typbyval, fetch->typlen),
						&found);
	MemoryContextSwitchTo(old);
	known->row = row;
	return row;
}
