/*
 * ls_engagement_spill.c: what does not fit into a table of accumulators waits in
 * temporary files, divided by the hash of its key: so that what a file has may fit.
 * Where it does not, it is divided further, by other bits; and each table finishes
 * some groups, so it comes to an end.
 */
#include "ls_engagement_groups.h"

#include "ls_compat.h"

#include "port/pg_bitutils.h"
#include "storage/buffile.h"
#include "utils/memutils.h"

#define MIN_SPILLS 4
#define MAX_SPILLS 64

/* LsPacked: an item; then come its cells, and the bytes of its key. */
typedef struct LsPacked
{
	uint32 size;	  /* of all of it */
	int32 key_length; /* -1 = a number, -2 = null */
	int64 number;
	int64 at_us;
	int16 agg;
	uint8 n;
	bool is_activity;
	bool is_future;
} LsPacked;

/* ---- packing ---------------------------------------------------------- */

static char *
reserve(LsGroups *groups, Size size)
{
	if (size > groups->packed_size)
	{
		if (groups->packed != NULL)
			pfree(groups->packed);
		groups->packed = NULL;
		groups->packed_size = Max(size, 256);
		groups->packed = MemoryContextAlloc(groups->kept, groups->packed_size);
	}
	return groups->packed;
}

/*
 * ls_spill_pack: the item as bytes, the first four of which are their number.
 *
 * Memory: until the next one.
 */
void *
ls_spill_pack(LsGroups *groups, const LsItem *item)
{
	const LsParcel *parcel = &item->parcel;
	int key_length = item->of.key.bytes == NULL ? 0 : item->of.key.length;
	uint32 n = item->agg < 0 ? 0 : parcel->n;
	Size size = sizeof(LsPacked) + sizeof(LsCell) * n + key_length;
	char *bytes = reserve(groups, size);
	LsPacked *packed = (LsPacked *) bytes;

	*packed = (LsPacked){.size = (uint32) size,
						 .key_length = key_length,
						 .number = item->of.key.number,
						 .agg = (int16) item->agg,
						 .n = (uint8) n};
	if (item->of.key.bytes == NULL)
		packed->key_length = item->of.is_null ? -2 : -1;
	if (item->agg >= 0)
	{
		packed->at_us = parcel->at_us;
		packed->is_activity = parcel->is_activity;
		packed->is_future = parcel->is_future;
	}
	bytes += sizeof(LsPacked);
	memcpy(bytes, parcel->cells, sizeof(LsCell) * n);
	if (key_length > 0)
		memcpy(bytes + sizeof(LsCell) * n, item->of.key.bytes, key_length);
	return packed;
}

/* unpack: into the batch. Bytes of its key are copied to the current context. */
static void
unpack(LsGroups *groups, const LsPacked *packed)
{
	const char *cells = (const char *) (packed + 1);
	LsHashed of = {.key.number = packed->number, .is_null = packed->key_length == -2};
	LsItem *item;

	if (packed->key_length >= 0)
	{
		of.key.bytes = cells + sizeof(LsCell) * packed->n;
		of.key.length = packed->key_length;
		of.key = ls_key_copy(of.key);
	}
	of.hash = of.is_null ? 0 : ls_hash_key(of.key);
	item = ls_groups_item(groups, &of);
	item->agg = packed->agg;
	item->parcel.at_us = packed->at_us;
	item->parcel.n = packed->n;
	item->parcel.is_activity = packed->is_activity;
	item->parcel.is_future = packed->is_future;
	memcpy(item->parcel.cells, cells, sizeof(LsCell) * packed->n);
}

/*
 * ls_spill_unpack: items into the table, as long as `next` gives any.
 */
void
ls_spill_unpack(LsGroups *groups, const void *(*next)(void *arg), void *arg)
{
	MemoryContext keys =
		AllocSetContextCreate(groups->kept, "engagement keys", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(keys);
	const void *packed;

	while ((packed = next(arg)) != NULL)
	{
		unpack(groups, packed);
		if (groups->n == LS_BATCH)
		{
			ls_groups_bring(groups);
			MemoryContextReset(keys);
		}
	}
	ls_groups_bring(groups);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(keys);
}

/* ---- writing ---------------------------------------------------------- */

/* begin_spill: buffers of the files take a quarter of the memory at most. */
static void
begin_spill(LsGroups *groups)
{
	Size affordable = groups->limit / 4 / BLCKSZ;
	int n = MIN_SPILLS;

	while (n * 2 <= affordable && n < MAX_SPILLS)
		n *= 2;
	groups->shift -= pg_leftmost_one_pos32(n);
	if (groups->shift < 0)
		groups->shift = 64 - pg_leftmost_one_pos32(n);
	groups->nspills = n;
	groups->spills = MemoryContextAllocZero(groups->kept, sizeof(LsSpill) * n);
}

static LsSpill *
spill_of(LsGroups *groups, const LsItem *item)
{
	LsSpill *spill;

	if (groups->spills == NULL)
		begin_spill(groups);
	spill = &groups->spills[item->of.hash >> groups->shift & (groups->nspills - 1)];
	if (spill->file == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(groups->kept);

		spill->file = BufFileCreateTemp(false);
		spill->shift = groups->shift;
		MemoryContextSwitchTo(old);
	}
	return spill;
}

/*
 * ls_spill_put: the item will come again, with another table.
 */
void
ls_spill_put(LsGroups *groups, const LsItem *item)
{
	LsSpill *spill = spill_of(groups, item);
	LsPacked *packed = ls_spill_pack(groups, item);

	BufFileWrite(spill->file, packed, packed->size);
	groups->written += packed->size;
}

/*
 * ls_spill_end: no more of this table.
 */
void
ls_spill_end(LsGroups *groups)
{
	MemoryContext old = MemoryContextSwitchTo(groups->kept);

	for (int i = 0; i < groups->nspills; i++)
		if (groups->spills[i].file != NULL)
		{
			LsSpill *waiting = palloc(sizeof(LsSpill));

			*waiting = groups->spills[i];
			groups->waiting = lappend(groups->waiting, waiting);
		}
	if (groups->spills != NULL)
		pfree(groups->spills);
	groups->spills = NULL;
	groups->nspills = 0;
	MemoryContextSwitchTo(old);
}

/* ---- reading ---------------------------------------------------------- */

/* LsSpillReader: a file that is being read. */
typedef struct LsSpillReader
{
	LsGroups *groups;
	struct BufFile *file;
} LsSpillReader;

/* read_next: NULL at the end. */
static const void *
read_next(void *arg)
{
	LsSpillReader *reader = arg;
	uint32 size;
	Size got = BufFileRead(reader->file, &size, sizeof(size));
	char *bytes;

	if (got == 0)
		return NULL;
	bytes = reserve(reader->groups, size);
	if (got != sizeof(size) ||
		BufFileRead(reader->file, bytes + sizeof(size), size - sizeof(size)) !=
			size - sizeof(size))
		elog(ERROR, "a temporary file of an engagement aggregate ends early");
	((LsPacked *) bytes)->size = size;
	return bytes;
}

/*
 * ls_spill_load: all items of a file that waits, into the table.
 */
void
ls_spill_load(LsGroups *groups)
{
	LsSpill *spill = llast(groups->waiting);
	LsSpillReader reader = {groups, spill->file};

	groups->waiting = list_delete_last(groups->waiting);
	groups->shift = spill->shift;
	if (BufFileSeek(spill->file, 0, 0, SEEK_SET) != 0)
		ereport(ERROR,
				errcode_for_file_access(),
				errmsg("could not rewind a temporary file of an engagement aggregate"));
	ls_spill_unpack(groups, read_next, &reader);
	BufFileClose(spill->file);
	pfree(spill);
}

/*
 * ls_spill_forget: all files.
 */
void
ls_spill_forget(LsGroups *groups)
{
	ListCell *cell;

	ls_spill_end(groups);
	foreach(cell, groups->waiting)
		BufFileClose(((LsSpill *) lfirst(cell))->file);
	list_free_deep(groups->waiting);
	groups->waiting = NIL;
}
