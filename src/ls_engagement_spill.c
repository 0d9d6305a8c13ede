/*
 * ls_engagement_spill.c: what does not fit into a table of accumulators waits in
 * temporary files, divided by the hash of its key: so that what a file has may fit.
 * Where it does not, it is divided further, by other bits; and each table finishes
 * some groups, so it comes to an end.
 */
#include "ls_engagement_groups.h"

#include "ls_compat.h"
#include "ls_engagement_cells.h"

#include "access/htup_details.h"
#include "port/pg_bitutils.h"
#include "storage/buffile.h"
#include "utils/memutils.h"

#define MIN_SPILLS 4
#define MAX_SPILLS 64

/*
 * LsPacked: an item. Behind it, of 8 bytes each: the key where it is a large number,
 * the time where no cell says it, and the cells; then the bytes of the key.
 */
typedef struct LsPacked
{
	int32 key; /* a small number, or the length of its bytes */
	int16 agg;
	uint8 n; /* cells */
	uint8 flags;
} LsPacked;

#define PACKED_NULL 1
#define PACKED_SMALL 2
#define PACKED_LARGE 4
#define PACKED_BYTES 8
#define PACKED_TIME 16
#define PACKED_ACTIVITY 32
#define PACKED_FUTURE 64
#define PACKED_REST 128

/* ---- packing ---------------------------------------------------------- */

/* size_behind: of what follows it. */
static inline Size
size_behind(const LsPacked *packed)
{
	Size words = packed->n + ((packed->flags & PACKED_LARGE) != 0) +
				 ((packed->flags & PACKED_TIME) != 0);

	return sizeof(uint64) * words +
		   (packed->flags & (PACKED_BYTES | PACKED_REST) ? MAXALIGN(packed->key) : 0);
}

/* has_time: does the first cell say when the event was? */
static inline bool
has_time(const LsCell *cells, int n)
{
	return n > 0 && !ls_cell_is_long(cells[0].head);
}

static inline Size
rest_size(const LsItem *item)
{
	return item->of.rest == NULL ? 0 : MAXALIGN(item->of.rest->t_len);
}

/*
 * ls_spill_max_size: the item packed has no more bytes.
 */
Size
ls_spill_max_size(const LsItem *item)
{
	return sizeof(LsPacked) + sizeof(uint64) * (2 + LS_PARCEL_CELLS) + rest_size(item) +
		   MAXALIGN(item->of.key.length);
}

/* head_of: what the item needs. */
static inline LsPacked
head_of(const LsItem *item)
{
	const LsParcel *parcel = &item->parcel;
	LsPacked head = {.agg = (int16) item->agg};

	if (item->of.is_null)
		head.flags = PACKED_NULL;
	else if (item->of.key.bytes != NULL)
	{
		head.flags = PACKED_BYTES;
		head.key = item->of.key.length;
	}
	else if (item->of.rest == NULL &&
			 (int32) item->of.key.number == item->of.key.number)
	{
		head.flags = PACKED_SMALL;
		head.key = (int32) item->of.key.number;
	}
	else
		head.flags = PACKED_LARGE;
	if (item->of.rest != NULL)
	{
		head.flags |= PACKED_REST;
		head.key += (int32) rest_size(item);
	}
	if (item->agg < 0)
		return head;
	head.n = (uint8) parcel->n;
	if (parcel->is_activity)
		head.flags |= PACKED_ACTIVITY;
	if (parcel->is_future)
		head.flags |= PACKED_FUTURE;
	if (parcel->is_future || (parcel->is_activity && !has_time(parcel->cells, head.n)))
		head.flags |= PACKED_TIME;
	return head;
}

/*
 * ls_spill_pack: the item as bytes; gives where they end.
 */
char *
ls_spill_pack(const LsItem *item, char *to)
{
	LsPacked head = head_of(item);
	int64 *word = (int64 *) (to + sizeof(LsPacked));

	*(LsPacked *) to = head;
	if (head.flags & PACKED_LARGE)
		*word++ = item->of.key.number;
	if (head.flags & PACKED_TIME)
		*word++ = item->parcel.at_us;
	for (int i = 0; i < head.n; i++)
		*word++ = item->parcel.cells[i].at_us;
	to = (char *) word;
	if (head.flags & PACKED_REST)
	{
		memcpy(to, item->of.rest, item->of.rest->t_len);
		to += rest_size(item);
	}
	if (head.flags & PACKED_BYTES)
	{
		memcpy(to, item->of.key.bytes, item->of.key.length);
		to += MAXALIGN(item->of.key.length);
	}
	return to;
}

/* unpack_behind: what is behind the cells, copied to the current context. */
static void
unpack_behind(const LsPacked *packed, const char *bytes, LsHashed *of)
{
	int length = packed->key;

	if (packed->flags & PACKED_REST)
	{
		Size size;

		of->rest = ls_copy_minimal_tuple((MinimalTuple) bytes);
		size = MAXALIGN(of->rest->t_len);
		bytes += size;
		length -= (int) size;
	}
	if (packed->flags & PACKED_BYTES)
	{
		of->key.bytes = bytes;
		of->key.length = length;
		of->key = ls_key_copy(of->key);
	}
}

/* unpack: into the batch. */
static void
unpack(LsGroups *groups, const LsPacked *packed)
{
	const int64 *word = (const int64 *) (packed + 1);
	LsHashed of = {.is_null = (packed->flags & PACKED_NULL) != 0};
	const int64 *time = NULL;
	LsItem *item;

	if (packed->flags & PACKED_SMALL)
		of.key.number = packed->key;
	if (packed->flags & PACKED_LARGE)
		of.key.number = *word++;
	if (packed->flags & PACKED_TIME)
		time = word++;
	if (packed->flags & (PACKED_BYTES | PACKED_REST))
		unpack_behind(packed, (const char *) (word + packed->n), &of);
	of.hash = of.is_null ? 0 : ls_hash_key(of.key);
	item = ls_groups_item(groups, &of);
	item->agg = packed->agg;
	item->parcel.n = packed->n;
	memcpy(item->parcel.cells, word, sizeof(LsCell) * packed->n);
	item->parcel.is_activity = (packed->flags & PACKED_ACTIVITY) != 0;
	item->parcel.is_future = (packed->flags & PACKED_FUTURE) != 0;
	item->parcel.at_us = time != NULL ? *time
						 : has_time(item->parcel.cells, packed->n)
							 ? ls_cell_at(item->parcel.cells[0].head)
							 : 0;
}

/*
 * ls_spill_size: of a packed item.
 */
Size
ls_spill_size(const void *packed)
{
	return sizeof(LsPacked) + size_behind(packed);
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

/* reserve: memory for a packed item, until the next one. */
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
 * ls_spill_put: the item will come again, with another table.
 */
void
ls_spill_put(LsGroups *groups, const LsItem *item)
{
	LsSpill *spill = spill_of(groups, item);
	char *packed = reserve(groups, ls_spill_max_size(item));
	Size size = ls_spill_pack(item, packed) - packed;

	BufFileWrite(spill->file, packed, size);
	groups->written += size;
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
	LsPacked head;
	Size got = BufFileRead(reader->file, &head, sizeof(head));
	Size size;
	char *packed;

	if (got == 0)
		return NULL;
	size = got == sizeof(head) ? size_behind(&head) : 0;
	packed = reserve(reader->groups, sizeof(head) + size);
	memcpy(packed, &head, sizeof(head));
	if (got != sizeof(head) ||
		(size > 0 && BufFileRead(reader->file, packed + sizeof(head), size) != size))
		elog(ERROR, "a temporary file of an engagement aggregate ends early");
	return packed;
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
