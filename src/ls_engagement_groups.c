/*
 * ls_engagement_groups.c: accumulators by contact.
 *
 * What such a table costs is waiting for memory: nothing of it is in the
 * processor's cache when an event comes. So events are not brought to their
 * accumulators one by one, but in batches, each step for all of them, and what the
 * next step needs is asked for beforehand:
 *
 *     an item comes      hash of its key             asks for the bucket
 *     bring, find        bucket -> group             asks for the accumulator
 *     bring, reach       accumulator -> cells        asks for the last of its cells
 *     bring, take        cells
 *
 * The hash of a number is a permutation of it, so it is the key, and the bucket says
 * all. Of byte strings the key is looked at, too. Groups lie in slabs in the order in
 * which they came, and are read in it.
 *
 * Where the table is full, items of contacts that are not in it go to files
 * (ls_engagement_spill.c), and from there into a table of their own.
 */
#include "ls_engagement_groups.h"

#include "ls_compat.h"

#include "access/htup_details.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/memutils.h"

#define LINE 64
#define MIN_BUCKETS 256

/* ---- memory ----------------------------------------------------------- */

static Size
slab_size(const LsGroups *groups)
{
	return sizeof(LsAccumulator) * groups->naggs * LS_SLAB + LINE +
		   sizeof(LsGroupKey) * LS_SLAB;
}

/* has_room: for so much more? */
static bool
has_room(const LsGroups *groups, Size size)
{
	return MemoryContextMemAllocated(groups->context, true) + size <= groups->limit;
}

static LsBucket *
new_buckets(LsGroups *groups, uint32 n)
{
	return MemoryContextAllocExtended(groups->context,
									  sizeof(LsBucket) * (Size) n,
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

/* begin_table: an empty one, as large as it will probably be. */
static void
begin_table(LsGroups *groups)
{
	double wanted = Min(groups->expected * 4 / 3, (double) (UINT32_C(1) << 30));
	uint32 n = MIN_BUCKETS;

	while (n < wanted && sizeof(LsBucket) * n * 8 <= groups->limit)
		n *= 2;
	groups->buckets = new_buckets(groups, n);
	groups->mask = n - 1;
	groups->ngroups = 0;
	groups->null_group = 0;
	groups->slabs = NULL;
	groups->nslabs = 0;
	groups->is_full = false;
	groups->next_group = 0;
	groups->ntables++;
}

/*
 * ls_groups_new: an empty table, of groups with so many accumulators.
 *
 * Memory: contexts below `context`, of at most `limit` bytes but for what its groups
 * grow by.
 */
LsGroups *
ls_groups_new(MemoryContext context, int naggs, double expected, Size limit)
{
	LsGroups *groups = MemoryContextAllocZero(context, sizeof(LsGroups));

	groups->kept = context;
	groups->context =
		AllocSetContextCreate(context, "engagement groups", ALLOCSET_DEFAULT_SIZES);
	groups->frames = MemoryContextAllocZero(context, sizeof(LsFrame) * naggs);
	groups->naggs = naggs;
	groups->expected = expected;
	groups->limit = limit;
	groups->shift = 64;
	begin_table(groups);
	return groups;
}

/*
 * ls_groups_set_frame: what these accumulators begin with, in the table's memory;
 * before the first item for one of them.
 */
void
ls_groups_set_frame(LsGroups *groups, int agg, const LsFrame *frame)
{
	groups->frames[agg] = *frame;
	groups->frames[agg].context = groups->context;
}

/* count_memory: for EXPLAIN. */
static void
count_memory(LsGroups *groups)
{
	groups->peak = Max(groups->peak, MemoryContextMemAllocated(groups->context, true));
}

/* ---- groups ------------------------------------------------------------ */

static inline LsGroupKey *
key_of(const LsGroups *groups, uint32 group)
{
	return &groups->slabs[(group - 1) >> LS_SLAB_BITS].keys[(group - 1) % LS_SLAB];
}

static inline LsAccumulator *
accs_of(const LsGroups *groups, uint32 group)
{
	return groups->slabs[(group - 1) >> LS_SLAB_BITS].accs +
		   (Size) ((group - 1) % LS_SLAB) * groups->naggs;
}

static void
add_slab(LsGroups *groups)
{
	char *memory = MemoryContextAllocHuge(groups->context, slab_size(groups));
	LsSlab *slab;

	if (groups->slabs == NULL)
		groups->slabs = MemoryContextAlloc(groups->context, sizeof(LsSlab) * 16);
	else if (groups->nslabs >= 16 && pg_nextpower2_32(groups->nslabs) == groups->nslabs)
		groups->slabs =
			repalloc_huge(groups->slabs, sizeof(LsSlab) * groups->nslabs * 2);
	slab = &groups->slabs[groups->nslabs++];
	slab->keys = (LsGroupKey *) memory;
	slab->accs =
		(LsAccumulator *) TYPEALIGN(LINE, memory + sizeof(LsGroupKey) * LS_SLAB);
}

/* new_group: its number. The next one may have no room. */
static uint32
new_group(LsGroups *groups, const LsItem *item)
{
	uint32 group = ++groups->ngroups;
	LsAccumulator *accs;
	MemoryContext old;

	if ((group - 1) % LS_SLAB == 0)
		add_slab(groups);
	accs = accs_of(groups, group);
	for (int i = 0; i < groups->naggs; i++)
		accs[i].frame = NULL;
	old = MemoryContextSwitchTo(groups->context);
	key_of(groups, group)->key = ls_key_copy(item->of.key);
	key_of(groups, group)->rest =
		item->of.rest == NULL ? NULL : ls_copy_minimal_tuple(item->of.rest);
	MemoryContextSwitchTo(old);
	if (group % LS_SLAB == 0 && !has_room(groups, slab_size(groups)))
		groups->is_full = true;
	return group;
}

/* grow: twice as many buckets, where there is room. */
static void
grow(LsGroups *groups)
{
	LsBucket *old = groups->buckets;
	uint32 n = groups->mask + 1;

	if (n >= UINT32_C(1) << 31 || !has_room(groups, sizeof(LsBucket) * (Size) n * 2))
	{
		groups->is_full = true;
		return;
	}
	groups->buckets = new_buckets(groups, n * 2);
	groups->mask = n * 2 - 1;
	for (uint32 i = 0; i < n; i++)
	{
		uint32 at = (uint32) old[i].hash & groups->mask;

		if (old[i].group == 0)
			continue;
		while (groups->buckets[at].group != 0)
			at = (at + 1) & groups->mask;
		groups->buckets[at] = old[i];
	}
	pfree(old);
}

/* is_of: is it the group of this key? Numbers are equal where their hashes are. */
static inline bool
is_of(const LsGroups *groups, const LsBucket *bucket, const LsItem *item)
{
	return bucket->hash == item->of.hash &&
		   (item->of.key.bytes == NULL ||
			ls_key_compare(key_of(groups, bucket->group)->key, item->of.key) == 0);
}

static uint32
find_null(LsGroups *groups, const LsItem *item)
{
	if (groups->null_group == 0 && !groups->is_full)
		groups->null_group = new_group(groups, item);
	return groups->null_group;
}

/* find: the item's group, a new one where there is none; 0 where there is no room. */
static inline uint32
find(LsGroups *groups, const LsItem *item)
{
	uint32 at = (uint32) item->of.hash & groups->mask;
	uint32 group;

	if (unlikely(item->of.is_null))
		return find_null(groups, item);
	while (groups->buckets[at].group != 0)
	{
		if (likely(is_of(groups, &groups->buckets[at], item)))
			return groups->buckets[at].group;
		at = (at + 1) & groups->mask;
	}
	if (groups->is_full)
		return 0;
	group = new_group(groups, item);
	groups->buckets[at] = (LsBucket){item->of.hash, group};
	if ((uint64) groups->ngroups * 4 > (uint64) groups->mask * 3)
		grow(groups);
	return group;
}

/* ---- items ------------------------------------------------------------- */

/* reach: the item's accumulator, or NULL: then it went to a file. */
static inline LsAccumulator *
reach(LsGroups *groups, const LsItem *item)
{
	uint32 group = find(groups, item);

	if (unlikely(group == 0))
	{
		ls_spill_put(groups, item);
		return NULL;
	}
	if (item->agg < 0)
		return NULL;
	return accs_of(groups, group) + item->agg;
}

static inline void
take(LsGroups *groups, const LsItem *item, LsAccumulator *acc)
{
	if (acc->frame == NULL)
		ls_accumulator_start(acc, &groups->frames[item->agg]);
	ls_accumulator_take(acc, &item->parcel);
}

/* take_full: of one event more than fits an item. */
static void
take_full(LsParcel *parcel)
{
	LsItem *item = (LsItem *) parcel;
	LsAccumulator *acc = reach(item->groups, item);

	if (acc != NULL)
		take(item->groups, item, acc);
}

/*
 * ls_groups_item: a place in the batch, which must not be full. The accumulator's
 * number and the parcel are to be filled in.
 */
LsItem *
ls_groups_item(LsGroups *groups, const LsHashed *of)
{
	LsItem *item = &groups->items[groups->n++];

	item->parcel.acc = NULL;
	item->parcel.full = take_full;
	item->groups = groups;
	item->of = *of;
	ls_prefetch(&groups->buckets[(uint32) item->of.hash & groups->mask]);
	return item;
}

/*
 * ls_groups_bring: all items of the batch to their accumulators.
 */
void
ls_groups_bring(LsGroups *groups)
{
	LsItem *end = groups->items + groups->n;

	CHECK_FOR_INTERRUPTS();
	for (LsItem *item = groups->items; item < end; item++)
	{
		item->parcel.acc = reach(groups, item);
		ls_prefetch(item->parcel.acc);
	}
	for (LsItem *item = groups->items; item < end; item++)
	{
		const LsAccumulator *acc = item->parcel.acc;

		if (acc != NULL && acc->frame != NULL && acc->cells != acc->first)
			ls_prefetch(acc->cells + acc->n);
	}
	for (LsItem *item = groups->items; item < end; item++)
		if (item->parcel.acc != NULL)
			take(groups, item, item->parcel.acc);
	groups->n = 0;
	/* Groups grow; those that are there stay. */
	if (!groups->is_full && groups->ngroups > 0 && !has_room(groups, 0))
		groups->is_full = true;
}

/* ---- reading ------------------------------------------------------------ */

/*
 * ls_groups_finish: all items have come.
 */
void
ls_groups_finish(LsGroups *groups)
{
	ls_groups_bring(groups);
	count_memory(groups);
	ls_spill_end(groups);
}

/* next_table: of items that wait in a file; false = none. */
static bool
next_table(LsGroups *groups)
{
	if (groups->waiting == NIL)
		return false;
	MemoryContextReset(groups->context);
	begin_table(groups);
	ls_spill_load(groups);
	ls_groups_finish(groups);
	return true;
}

/*
 * ls_groups_next: the next group's accumulators; one without events has no frame.
 * NULL = that was all. What its key points to stays until the next one.
 */
const LsAccumulator *
ls_groups_next(LsGroups *groups, LsHashed *of)
{
	const LsGroupKey *key;

	while (groups->next_group == groups->ngroups)
		if (!next_table(groups))
			return NULL;
	groups->next_group++;
	key = key_of(groups, groups->next_group);
	of->key = key->key;
	of->is_null = groups->next_group == groups->null_group;
	of->rest = key->rest;
	return accs_of(groups, groups->next_group);
}

/*
 * ls_groups_rewind: to be read again. False where not all of them are there.
 */
bool
ls_groups_rewind(LsGroups *groups)
{
	if (groups->ntables > 1 || groups->waiting != NIL)
		return false;
	groups->next_group = 0;
	return true;
}

/*
 * ls_groups_end: nothing of it is needed any more.
 */
void
ls_groups_end(LsGroups *groups)
{
	ls_spill_forget(groups);
	MemoryContextDelete(groups->context);
}
