/*
 * ls_lookup_lock.c: contacts that find a company, and companies that find their
 * contacts, at the same time.
 *
 * Who links a contact to a company reads the company, and does not see that
 * somebody is just changing it; who changes the company looks for its contacts, and
 * does not see the one that is just being linked. So the two exclude each other,
 * from before they look until they commit: by locks on buckets of keys, of a kind
 * that nothing else takes. Those who do the same do not mind each other. Nobody
 * waits for longer than an instant: whoever does not get a lock leaves his work to
 * the queue, and whoever takes it from there passes by those who still have one.
 */
#include "ls_lookup_lock.h"

#include "ls_attempt.h"
#include "ls_compat.h"
#include "ls_lookup.h"

#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/lsyscache.h"

/* Each conflicts with the other, and only the last one with itself. */
#define LINKING ShareLock
#define CHANGING RowExclusiveLock
#define BOTH ShareRowExclusiveLock

/* LsBucketLocks: what is wanted. */
typedef struct LsBucketLocks
{
	Oid score;
	LsBuckets linked;
	LsBuckets changed;
	bool pass; /* release each at once */
} LsBucketLocks;

static LOCKMODE
mode_of(const LsBucketLocks *locks, int bucket)
{
	LsBuckets bit = (LsBuckets) 1 << bucket;

	if ((locks->linked & bit) != 0)
		return (locks->changed & bit) != 0 ? BOTH : LINKING;
	return (locks->changed & bit) != 0 ? CHANGING : NoLock;
}

/* take_locks: in one order, so that two never wait for each other. */
static void
take_locks(void *arg)
{
	const LsBucketLocks *locks = arg;

	for (int i = 0; i < LS_LOOKUP_BUCKETS; i++)
	{
		LOCKMODE mode = mode_of(locks, i);
		LOCKTAG tag;

		if (mode == NoLock)
			continue;
		/* Number 0 is ls_claim's. */
		SET_LOCKTAG_OBJECT(tag, MyDatabaseId, RelationRelationId, locks->score, 1 + i);
		(void) LockAcquire(&tag, mode, false, false);
		if (locks->pass)
			(void) LockRelease(&tag, mode, false);
	}
}

static bool
try_locks(LsBucketLocks *locks)
{
	ErrorData *error;

	if (ls_attempt_briefly(take_locks, locks, &error))
		return true;
	if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
		ReThrowError(error);
	return false;
}

/*
 * ls_lookup_lock: until the end of the transaction: contacts of this score table
 * were linked to keys in some buckets, rows with keys in some were changed. False,
 * and nothing locked, where that is not to be had in an instant.
 */
bool
ls_lookup_lock(Oid score, LsBuckets linked, LsBuckets changed)
{
	LsBucketLocks locks = {score, linked, changed, false};

	return (linked | changed) == 0 || try_locks(&locks);
}

/*
 * ls_lookup_pass_changers, ls_lookup_pass_linkers: true where all who were changing
 * rows, or linking contacts, when it was called have ended.
 */
bool
ls_lookup_pass_changers(Oid score)
{
	LsBucketLocks locks = {score, LS_ALL_BUCKETS, 0, true};

	return try_locks(&locks);
}

bool
ls_lookup_pass_linkers(Oid score)
{
	LsBucketLocks locks = {score, 0, LS_ALL_BUCKETS, true};

	return try_locks(&locks);
}

/*
 * ls_lookup_lock_tables: against TRUNCATE and ALTER TABLE, before score rows are
 * locked. False, at once, where one is not to be had.
 */
bool
ls_lookup_lock_tables(List *lookups)
{
	ListCell *cell;
	ListCell *part;

	foreach(cell, lookups)
	{
		Oid relid = ((LsLookup *) lfirst(cell))->relid;

		if (!ConditionalLockRelationOid(relid, AccessShareLock))
			return false;
		if (get_rel_relkind(relid) != RELKIND_PARTITIONED_TABLE)
			continue;
		foreach(part, find_all_inheritors(relid, NoLock, NULL))
			if (!ConditionalLockRelationOid(lfirst_oid(part), AccessShareLock))
				return false;
	}
	return true;
}
