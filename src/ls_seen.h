/*
 * ls_seen.h: do two queries see the same?
 */
#ifndef LS_SEEN_H
#define LS_SEEN_H

#include "postgres.h"

#include "access/xact.h"
#include "utils/snapmgr.h"

/*
 * LsSeen: byte by byte equal where two snapshots see the same: below the same
 * xmax transactions only end, so as many running are the same ones.
 */
typedef struct LsSeen
{
	SubTransactionId subxact;
	TransactionId xmin;
	TransactionId xmax;
	uint32 xcnt;
	int32 subxcnt;
	CommandId curcid;
} LsSeen;

/* ls_seen: of the query at hand. */
static inline LsSeen
ls_seen(void)
{
	Snapshot snapshot = GetActiveSnapshot();
	LsSeen mark;

	memset(&mark, 0, sizeof(mark));
	mark.subxact = GetCurrentSubTransactionId();
	mark.xmin = snapshot->xmin;
	mark.xmax = snapshot->xmax;
	mark.xcnt = snapshot->xcnt;
	mark.subxcnt = snapshot->subxcnt;
	mark.curcid = snapshot->curcid;
	return mark;
}

#endif /* LS_SEEN_H */
