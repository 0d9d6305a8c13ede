/*
 * ls_survey_rows.c: rows of a survey's result, some at a time.
 *
 * SPI would give each lot memory of its own, which costs more than the copies.
 */
#include "ls_survey.h"

#include "executor/tuptable.h"
#include "tcop/dest.h"
#include "tcop/pquery.h"

/* LsReceiver: where the rows go. */
typedef struct LsReceiver
{
	DestReceiver base;
	MemoryContext context;
	HeapTuple *rows;
	int n;
} LsReceiver;

static bool
receive(TupleTableSlot *slot, DestReceiver *self)
{
	LsReceiver *receiver = (LsReceiver *) self;
	MemoryContext old = MemoryContextSwitchTo(receiver->context);

	receiver->rows[receiver->n++] = ExecCopySlotHeapTuple(slot);
	MemoryContextSwitchTo(old);
	return true;
}

static void
start_receiver(DestReceiver *self, int operation, TupleDesc desc)
{
}

static void
end_receiver(DestReceiver *self)
{
}

/*
 * ls_survey_fetch: the next rows, at most `limit`; gives their number.
 *
 * Memory: copies, in the current context.
 */
int
ls_survey_fetch(Portal portal, HeapTuple *rows, int limit)
{
	LsReceiver receiver = {.context = CurrentMemoryContext, .rows = rows};

	receiver.base.receiveSlot = receive;
	receiver.base.rStartup = start_receiver;
	receiver.base.rShutdown = end_receiver;
	receiver.base.rDestroy = end_receiver;
	receiver.base.mydest = DestNone;
	(void) PortalRunFetch(portal, FETCH_FORWARD, limit, &receiver.base);
	return receiver.n;
}
