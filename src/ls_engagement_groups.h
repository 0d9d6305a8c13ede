/*
 * ls_engagement_groups.h: accumulators by contact: the table of an engagement
 * aggregate, and what does not fit into it.
 */
#ifndef LS_ENGAGEMENT_GROUPS_H
#define LS_ENGAGEMENT_GROUPS_H

#include "ls_engagement.h"
#include "ls_key.h"

/* LsItem: what an event brings to one of the accumulators of its contact. */
typedef struct LsItem
{
	LsParcel parcel; /* at the beginning: `full` looks for the rest */
	struct LsGroups *groups;
	LsKey key; /* its bytes stay until the batch is brought */
	uint64 hash;
	int agg; /* which accumulator; -1 = there must be a group, no more */
	bool is_null;
} LsItem;

/* So many items wait for their accumulators' memory together. */
#define LS_BATCH 64

/* LsBucket: an entry of the table. */
typedef struct LsBucket
{
	uint64 hash;
	uint32 group; /* its number from 1; 0 = none */
} LsBucket;

/* LsSlab: so many groups side by side. */
#define LS_SLAB_BITS 8
#define LS_SLAB (1 << LS_SLAB_BITS)

typedef struct LsSlab
{
	LsAccumulator *accs; /* in lines of the processor's cache; of a group together */
	LsKey *keys;
} LsSlab;

/* LsSpill: items that wait in a file for a table of their own. */
typedef struct LsSpill
{
	struct BufFile *file;
	int shift; /* which bits of the hash divide it further */
	int64 n;
} LsSpill;

/* LsGroups: the table. */
typedef struct LsGroups
{
	MemoryContext context; /* of all groups: reset with the table */
	MemoryContext kept;	   /* of the rest */
	LsFrame *frames;	   /* of the accumulators of a group */
	int naggs;			   /* accumulators of a group */
	Size limit;			   /* bytes */
	double expected;
	bool is_full;

	LsBucket *buckets;
	uint32 mask;
	uint32 ngroups;
	uint32 null_group; /* its number; 0 = none yet */
	LsSlab *slabs;
	int nslabs;

	int n; /* items of the batch */
	LsItem items[LS_BATCH];

	List *waiting;	   /* of LsSpill */
	LsSpill *spills;   /* that what does not fit goes to; NULL = none */
	int nspills;	   /* a power of 2 */
	int shift;		   /* as in LsSpill, of what is being read */
	uint32 next_group; /* to be given */

	Size peak; /* for EXPLAIN: bytes of memory and of disk, tables */
	int64 written;
	int64 ntables;
} LsGroups;

extern LsGroups *ls_groups_new(MemoryContext context,
							   int naggs,
							   double expected,
							   Size limit);
extern void ls_groups_set_frame(LsGroups *groups, int agg, const LsFrame *frame);
extern LsItem *ls_groups_item(LsGroups *groups, LsKey key, bool is_null);
extern void ls_groups_bring(LsGroups *groups);
extern void ls_groups_finish(LsGroups *groups);
extern const LsAccumulator *ls_groups_next(LsGroups *groups, LsKey *key, bool *is_null);
extern bool ls_groups_rewind(LsGroups *groups);
extern void ls_groups_end(LsGroups *groups);

/* ls_engagement_spill.c */
extern void ls_spill_put(LsGroups *groups, const LsItem *item);
extern void ls_spill_end(LsGroups *groups);
extern void ls_spill_load(LsGroups *groups);
extern void ls_spill_forget(LsGroups *groups);

#endif /* LS_ENGAGEMENT_GROUPS_H */
