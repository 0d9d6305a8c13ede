/*
 * ls_claim.c: who writes the score rows of a model for longer than an instant.
 *
 * Commits, and batches of refresh, wait for each other's score rows: for an
 * instant. A refresh inside somebody's transaction holds its rows until that
 * ends, and the transaction may want next what a waiting writer holds. So it
 * claims the score table for its transaction; whoever finds it claimed waits for
 * no score row, and leaves the contacts to the queue.
 *
 * A claim is a lock of a kind that nothing else takes. Several transactions may
 * have one at a time, as they pass over each other's rows.
 */
#include "ls_claim.h"

#include "ls_compat.h"

#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "storage/lock.h"

#define CLAIM_INSTANT RowExclusiveLock
#define CLAIM_TRANSACTION ShareLock

static LOCKTAG
tag_of(Oid score)
{
	LOCKTAG tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, RelationRelationId, score, 0);
	return tag;
}

/*
 * ls_claim_instant: false, at once, where another transaction has claimed the
 * score table.
 */
bool
ls_claim_instant(Oid score)
{
	LOCKTAG tag = tag_of(score);

	return LockAcquire(&tag, CLAIM_INSTANT, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

/*
 * ls_claim_release: an instant is over before the end of the transaction.
 */
void
ls_claim_release(Oid score)
{
	LOCKTAG tag = tag_of(score);

	(void) LockRelease(&tag, CLAIM_INSTANT, false);
}

/*
 * ls_claim_transaction: until the end of the transaction. Waits for those whose
 * instant it is.
 */
void
ls_claim_transaction(Oid score)
{
	LOCKTAG tag = tag_of(score);

	(void) LockAcquire(&tag, CLAIM_TRANSACTION, false, false);
}
