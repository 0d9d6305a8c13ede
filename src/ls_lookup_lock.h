/*
 * ls_lookup_lock.h: contacts that find a company, and companies that find their
 * contacts, at the same time.
 */
#ifndef LS_LOOKUP_LOCK_H
#define LS_LOOKUP_LOCK_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "storage/lockdefs.h"

/* Keys of lookups fall into so many buckets, by their hash. */
#define LS_LOOKUP_BUCKETS 64

/* LsBuckets: a bit for each. */
typedef uint64 LsBuckets;

#define LS_ALL_BUCKETS (~(LsBuckets) 0)

static inline LsBuckets
ls_lookup_bucket(uint32 hash)
{
	return (LsBuckets) 1 << (hash % LS_LOOKUP_BUCKETS);
}

extern bool ls_lookup_lock(Oid score, LsBuckets linked, LsBuckets changed);
extern bool ls_lookup_pass_changers(Oid score);
extern bool ls_lookup_pass_linkers(Oid score);
extern bool ls_lookup_lock_tables(List *rows);

#endif /* LS_LOOKUP_LOCK_H */
