/*
 * ls_engagement_groups.h: accumulators by contact: the table of an engagement
 * aggregate, and what does not fit into it.
 */
#ifndef LS_ENGAGEMENT_GROUPS_H
#define LS_ENGAGEMENT_GROUPS_H

#include "postgres.h"

#include "access/htup.h"
#include "common/hashfn.h"

#include "ls_engagement.h"
#include "ls_key.h"

/* LsHashed: a key, and its hash: of a number a permutation. */
typedef struct LsHashed
{
	LsKey key;
	uint64 hash;
	bool is_null;
	MinimalTuple rest; /* what else follows from the key; NULL = nothing */
} LsHashed;

/* LsGroupKey: of a group. */
typedef struct LsGroupKey
{
	LsKey key;
	MinimalTuple rest;
} LsGroupKey;

/* LsItem: what an event brings to one of the accumulators of its contact. */
typedef struct LsItem
{
	LsParcel parcel; /* at the beginning: `full` looks for the rest */
	struct LsGroups *groups;
	LsHashed of; /* what it points to stays until the batch is brought */
	int agg;	 /* which accumulator; -1 = there must be a group, no more */
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
	LsGroupKey *keys;
} LsSlab;

/* LsSpill: items that wait in a file for a table of their own. */
typedef struct LsSpill
{
	struct BufFile *file;
	int shift; /* which bits of the hash divide it further */
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
	char *packed;	   /* an item as bytes; NULL = none yet */
	Size packed_size;

	Size peak; /* for EXPLAIN: bytes of memory and of disk, tables */
	int64 written;
	int64 ntables;
} LsGroups;

extern LsGroups *ls_groups_new(MemoryContext context,
							   int naggs,
							   double expected,
							   Size limit);
extern void ls_groups_set_frame(LsGroups *groups, int agg, const LsFrame *frame);
extern LsItem *ls_groups_item(LsGroups *groups, const LsHashed *of);
extern void ls_groups_bring(LsGroups *groups);
extern void ls_groups_finish(LsGroups *groups);
extern const LsAccumulator *ls_groups_next(LsGroups *groups, LsHashed *of);
extern bool ls_groups_rewind(LsGroups *groups);
extern void ls_groups_end(LsGroups *groups);

/* ls_hash_bytes: of a key that is no number. */
static inline uint64
ls_hash_bytes(const char *bytes, int length)
{
	return hash_bytes_extended((const unsigned char *) bytes, length, 0);
}

/* ls_hash_number: the last steps of MurmurHash3, none of which loses anything. */
static inline uint64
ls_hash_number(uint64 number)
{
	number ^= number >> 33;
	number *= UINT64CONST(0xff51afd7ed558ccd);
	number ^= number >> 33;
	number *= UINT64CONST(0xc4ceb9fe1a85ec53);
	return number ^ number >> 33;
}

static inline uint64
ls_hash_key(LsKey key)
{
	return key.bytes == NULL ? ls_hash_number((uint64) key.number)
							 : ls_hash_bytes(key.bytes, key.length);
}

/* ls_hash_part: one of n parts; of bits that neither tables nor files look at first. */
static inline int
ls_hash_part(uint64 hash, int n)
{
	return (int) ((hash >> 32 & 0xffff) * (uint64) n >> 16);
}

/* ls_engagement_spill.c */
extern Size ls_spill_max_size(const LsItem *item);
extern char *ls_spill_pack(const LsItem *item, char *to);
extern Size ls_spill_size(const void *packed);
extern void ls_spill_unpack(LsGroups *groups,
							const void *(*next)(void *arg),
							void *arg);
extern void ls_spill_put(LsGroups *groups, const LsItem *item);
extern void ls_spill_end(LsGroups *groups);
extern void ls_spill_load(LsGroups *groups);
extern void ls_spill_forget(LsGroups *groups);

#endif /* LS_ENGAGEMENT_GROUPS_H */
