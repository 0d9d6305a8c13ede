/*
 * ls_lookup_lock.c: contacts that find a company, and companies that find their
 * contacts, at the same time.
 *
 * Who links a contact to a company reads the company, and does not see that
 * somebody is just changing it; who changes the company looks for its contacts, and
 * does not see the one that is just being linked. So the two exclude each other,
 * from before they look until they commit: by locks on buckets of keys, of a kind
 * that nothing else takes. Those who do the same do not mind each other. Nobody
 * waits for a lock: who does not get one within an instant leaves his work to the
 * queue, and who takes it from there passes by those who have one.
 */
#include "ls_lookup_lock.h"

#include "ls_catalog.h"
#include "ls_compat.h"
#include "ls_relation.h"

#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/lsyscache.h"
#include "utils/wait_event.h"

/* Each conflicts with the other, and only the last one with itself. */
#define LINKING ShareLock
#define CHANGING RowExclusiveLock
#define BOTH ShareRowExclusiveLock

/* How often, a millisecond apart, a lock is tried that another's commit may have. */
#define TRIES 10

/* LsBucketLocks: what is wanted, or had. */
typedef struct LsBucketLocks
{
	Oid score;
	LsBuckets linked;
	LsBuckets changed;
} LsBucketLocks;

static LOCKMODE
mode_of(const LsBucketLocks *locks, int bucket)
{
	LsBuckets bit = (LsBuckets) 1 << bucket;

	if ((locks->linked & bit) != 0)
		return (locks->changed & bit) != 0 ? BOTH : LINKING;
	return (locks->changed & bit) != 0 ? CHANGING : NoLock;
}

static LOCKTAG
tag_of(Oid score, int bucket)
{
	LOCKTAG tag;

	/* Number 0 is ls_claim's. */
	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, RelationRelationId, score, 1 + bucket);
	return tag;
}

static void
wait_an_instant(void)
{
	CHECK_FOR_INTERRUPTS();
	(void) WaitLatch(MyLatch,
					 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 1L,
					 PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
}

/* try_lock: *tries is for all locks of a call. */
static bool
try_lock(const LsBucketLocks *locks, int bucket, int *tries)
{
	LOCKTAG tag = tag_of(locks->score, bucket);

	while (LockAcquire(&tag, mode_of(locks, bucket), false, true) ==
		   LOCKACQUIRE_NOT_AVAIL)
	{
		if (--*tries <= 0)
			return false;
		wait_an_instant();
	}
	return true;
}

static void
unlock(const LsBucketLocks *locks, int bucket)
{
	LOCKTAG tag = tag_of(locks->score, bucket);

	(void) LockRelease(&tag, mode_of(locks, bucket), false);
}

/* take: all or none. */
static bool
take(const LsBucketLocks *locks)
{
	int tries = TRIES;

	for (int i = 0; i < LS_LOOKUP_BUCKETS; i++)
	{
		if (mode_of(locks, i) == NoLock || try_lock(locks, i, &tries))
			continue;
		while (--i >= 0)
			if (mode_of(locks, i) != NoLock)
				unlock(locks, i);
		return false;
	}
	return true;
}

/* pass: each for a moment. */
static bool
pass(const LsBucketLocks *locks)
{
	int tries = TRIES;

	for (int i = 0; i < LS_LOOKUP_BUCKETS; i++)
	{
		if (!try_lock(locks, i, &tries))
			return false;
		unlock(locks, i);
	}
	return true;
}

/*
 * ls_lookup_lock: until the end of the transaction: contacts of this score table
 * were linked to keys in some buckets, rows with keys in some were changed. False,
 * and nothing locked, where that is not to be had in an instant.
 */
bool
ls_lookup_lock(Oid score, LsBuckets linked, LsBuckets changed)
{
	LsBucketLocks locks = {score, linked, changed};

	return (linked | changed) == 0 || take(&locks);
}

/*
 * ls_lookup_pass_changers, ls_lookup_pass_linkers: true where all who were changing
 * rows, or linking contacts, when it was called have ended.
 */
bool
ls_lookup_pass_changers(Oid score)
{
	LsBucketLocks locks = {score, LS_ALL_BUCKETS, 0};

	return pass(&locks);
}

bool
ls_lookup_pass_linkers(Oid score)
{
	LsBucketLocks locks = {score, 0, LS_ALL_BUCKETS};

	return pass(&locks);
}

static bool
lock_parts(Oid relid)
{
	ListCell *part;

	if (get_rel_relkind(relid) != RELKIND_PARTITIONED_TABLE)
		return true;
	foreach(part, find_all_inheritors(relid, NoLock, NULL))
		if (!ConditionalLockRelationOid(lfirst_oid(part), AccessShareLock))
			return false;
	return true;
}

/*
 * ls_lookup_lock_tables: those of some lookups (LsLookupRow), before score rows are
 * locked, until the end of the transaction. False, at once, where somebody has one
 * for TRUNCATE or ALTER TABLE.
 */
bool
ls_lookup_lock_tables(List *rows)
{
	ListCell *cell;

	foreach(cell, rows)
	{
		Oid relid = ls_relation_by_name(((LsLookupRow *) lfirst(cell))->relation);

		if (!OidIsValid(relid))
			continue;
		if (!ConditionalLockRelationOid(relid, AccessShareLock) || !lock_parts(relid))
			return false;
	}
	return true;
}
