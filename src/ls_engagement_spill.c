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

/* LsSpillHead: before the bytes of the key, and the cells. */
typedef struct LsSpillHead
{
	int64 number;
	int64 at_us;
	int32 key_length; /* -1 = a number, -2 = null */
	int16 agg;
	uint8 n;
	bool is_activity;
	bool is_future;
} LsSpillHead;

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

static void
put(LsGroups *groups, LsSpill *spill, const void *bytes, Size size)
{
	if (size == 0)
		return;
	/* Only in the newest version it takes constants. */
	BufFileWrite(spill->file, unconstify(void *, bytes), size);
	groups->written += size;
}

/*
 * ls_spill_put: the item will come again, with another table.
 */
void
ls_spill_put(LsGroups *groups, const LsItem *item)
{
	const LsParcel *parcel = &item->parcel;
	LsSpill *spill = spill_of(groups, item);
	LsSpillHead head;

	memset(&head, 0, sizeof(head));
	head.agg = (int16) item->agg;
	head.number = item->of.key.number;
	head.key_length = item->of.is_null			   ? -2
					  : item->of.key.bytes == NULL ? -1
												   : item->of.key.length;
	if (item->agg >= 0)
	{
		head.at_us = parcel->at_us;
		head.n = (uint8) parcel->n;
		head.is_activity = parcel->is_activity;
		head.is_future = parcel->is_future;
	}
	put(groups, spill, &head, sizeof(head));
	if (head.key_length > 0)
		put(groups, spill, item->of.key.bytes, head.key_length);
	put(groups, spill, parcel->cells, sizeof(LsCell) * head.n);
	spill->n++;
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

static void
get(LsSpill *spill, void *bytes, Size size)
{
	if (size > 0 && BufFileRead(spill->file, bytes, size) != size)
		elog(ERROR, "a temporary file of an engagement aggregate ends early");
}

/* load_item: into the batch. */
static void
load_item(LsGroups *groups, LsSpill *spill)
{
	LsSpillHead head;
	LsHashed of = {.is_null = false};
	LsItem *item;

	get(spill, &head, sizeof(head));
	of.key.number = head.number;
	of.is_null = head.key_length == -2;
	if (head.key_length >= 0)
	{
		char *bytes = palloc(head.key_length + 1);

		get(spill, bytes, head.key_length);
		of.key.bytes = bytes;
		of.key.length = head.key_length;
	}
	of.hash = of.is_null ? 0 : ls_hash_key(of.key);
	item = ls_groups_item(groups, &of);
	item->agg = head.agg;
	item->parcel.at_us = head.at_us;
	item->parcel.n = head.n;
	item->parcel.is_activity = head.is_activity;
	item->parcel.is_future = head.is_future;
	get(spill, item->parcel.cells, sizeof(LsCell) * head.n);
}

/*
 * ls_spill_load: all items of a file that waits, into the table.
 */
void
ls_spill_load(LsGroups *groups)
{
	LsSpill *spill = llast(groups->waiting);
	MemoryContext keys =
		AllocSetContextCreate(groups->kept, "engagement keys", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(keys);

	groups->waiting = list_delete_last(groups->waiting);
	groups->shift = spill->shift;
	if (BufFileSeek(spill->file, 0, 0, SEEK_SET) != 0)
		ereport(ERROR,
				errcode_for_file_access(),
				errmsg("could not rewind a temporary file of an engagement aggregate"));
	for (int64 i = 0; i < spill->n; i++)
	{
		if (groups->n == LS_BATCH)
		{
			ls_groups_bring(groups);
			MemoryContextReset(keys);
		}
		load_item(groups, spill);
	}
	ls_groups_bring(groups);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(keys);
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
