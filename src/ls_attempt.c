/*
 * ls_attempt.c: do something that may fail without failing oneself.
 */
#include "ls_attempt.h"

#include "ls_compat.h"
#include "ls_guard.h"

#include "access/xact.h"
#include "utils/guc.h"
#include "utils/resowner.h"

/*
 * must_pass: errors that are never swallowed: cancel and shutdown, serialization
 * and deadlock, resources, lock timeout, read-only, corruption.
 */
static bool
must_pass(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case MAKE_SQLSTATE('5', '7', '0', '0', '0'):
		case MAKE_SQLSTATE('4', '0', '0', '0', '0'):
		case MAKE_SQLSTATE('5', '3', '0', '0', '0'):
		case MAKE_SQLSTATE('2', '5', '0', '0', '0'):
			return true;
		default:
			return sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
				   sqlerrcode == ERRCODE_DATA_CORRUPTED ||
				   sqlerrcode == ERRCODE_INDEX_CORRUPTED;
	}
}

/* attempt: do the work in a subtransaction; false where it raised. */
static bool
attempt(void (*work)(void *arg), void *arg, ErrorData **error)
{
	MemoryContext here = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool good = true;

	*error = NULL;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(here);
	PG_TRY();
	{
		work(arg);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(here);
		*error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		good = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(here);
	CurrentResourceOwner = owner;
	return good;
}

/*
 * ls_attempt: do the work in a subtransaction of its own, which takes no
 * transaction id unless the work writes. False where it raised: what it did is
 * undone, and *error says what happened. Not in parallel workers.
 *
 * Errors: those that are never swallowed.
 * Memory: the work runs in the current context; so does *error live there.
 */
bool
ls_attempt(void (*work)(void *arg), void *arg, ErrorData **error)
{
	bool good = attempt(work, arg, error);

	/* Only now: an error must not leave the subtransaction open behind it. */
	if (!good && must_pass((*error)->sqlerrcode))
		ReThrowError(*error);
	return good;
}

/*
 * ls_attempt_briefly: the same, but no lock is waited for longer than an instant:
 * where one is not to be had, that is a failure like others.
 */
bool
ls_attempt_briefly(void (*work)(void *arg), void *arg, ErrorData **error)
{
	int level = NewGUCNestLevel();
	bool good;

	ls_guard_set("lock_timeout", "10ms");
	good = attempt(work, arg, error);
	AtEOXact_GUC(false, level);
	if (!good && (*error)->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE &&
		must_pass((*error)->sqlerrcode))
		ReThrowError(*error);
	return good;
}
