/*
 * ls_notify.c: notifications that are sent when the transaction commits.
 *
 * PostgreSQL would keep them till then, too; but a transaction that has notified
 * cannot be prepared any more, and whether it will be is known at its end only. One
 * that is prepared does not notify: what it was about is in the outbox.
 */
#include "ls_notify.h"

#include "ls_compat.h"

#include "access/xact.h"
#include "commands/async.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

/* A fuller queue of notifications is left alone: a full one fails the commit. */
#define MAX_QUEUE_USAGE 0.9

typedef struct LsNotification
{
	int nest_level; /* of the (sub)transaction that it is of */
	const char *channel;
	const char *payload;
} LsNotification;

/* In TopTransactionContext, and so is all in it. */
static List *waiting = NIL;

static bool
is_waiting(const char *channel, const char *payload, int nest_level)
{
	ListCell *cell;

	foreach(cell, waiting)
	{
		const LsNotification *other = lfirst(cell);

		if (other->nest_level <= nest_level && strcmp(other->channel, channel) == 0 &&
			strcmp(other->payload, payload) == 0)
			return true;
	}
	return false;
}

/*
 * ls_notify_later: once for each channel and payload, should the current
 * subtransaction and the transaction commit.
 */
void
ls_notify_later(const char *channel, const char *payload)
{
	int nest_level = GetCurrentTransactionNestLevel();
	LsNotification *notification;
	MemoryContext old;

	if (is_waiting(channel, payload, nest_level))
		return;
	old = MemoryContextSwitchTo(TopTransactionContext);
	notification = palloc(sizeof(LsNotification));
	notification->nest_level = nest_level;
	notification->channel = pstrdup(channel);
	notification->payload = pstrdup(payload);
	waiting = lappend(waiting, notification);
	MemoryContextSwitchTo(old);
}

static void
warn_of_full_queue(const char *channel)
{
	ereport(WARNING,
			errcode(ERRCODE_WARNING),
			errmsg("nobody is notified on channel \"%s\"", channel),
			errdetail("The queue of notifications is nearly full."),
			errhint("Look for a session that listens and stays in a transaction. The "
					"action itself is in the outbox."));
}

/*
 * ls_notify_send: the transaction is about to commit.
 */
void
ls_notify_send(void)
{
	ListCell *cell;
	double usage;

	if (waiting == NIL)
		return;
	usage = DatumGetFloat8(DirectFunctionCall1(pg_notification_queue_usage, (Datum) 0));
	foreach(cell, waiting)
	{
		const LsNotification *notification = lfirst(cell);

		if (usage < MAX_QUEUE_USAGE)
			Async_Notify(notification->channel, notification->payload);
		else
			warn_of_full_queue(notification->channel);
	}
	ls_notify_forget();
}

/*
 * ls_notify_forget: the transaction is over, or prepared; its memory is going anyway.
 */
void
ls_notify_forget(void)
{
	waiting = NIL;
}

void
ls_notify_commit_subxact(void)
{
	int nest_level = GetCurrentTransactionNestLevel();
	ListCell *cell;

	foreach(cell, waiting)
	{
		LsNotification *notification = lfirst(cell);

		notification->nest_level = Min(notification->nest_level, nest_level - 1);
	}
}

void
ls_notify_abort_subxact(void)
{
	int nest_level = GetCurrentTransactionNestLevel();
	ListCell *cell;

	foreach(cell, waiting)
		if (((LsNotification *) lfirst(cell))->nest_level >= nest_level)
			waiting = foreach_delete_current(waiting, cell);
}
