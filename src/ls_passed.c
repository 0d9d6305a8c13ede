/*
 * ls_passed.c: changes that no rule looks at, in case the rules change meanwhile.
 *
 * An update of columns that no rule looks at notes nothing. Another transaction may
 * change the rules, so that they do, and score everyone before this one commits. So
 * which rules were looked at is remembered, and where they are others at commit, all
 * contacts are stale.
 */
#include "ls_passed.h"

#include "ls_attempt.h"
#include "ls_catalog.h"
#include "ls_compat.h"
#include "ls_model_cache.h"
#include "ls_pending.h"

#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* LsPassed: a model whose rules something was not for, when first looked at. */
typedef struct LsPassed
{
	const char *model;
	Oid key_type;
	uint64 generation;
	int64 stamp;
} LsPassed;

/* In TopTransactionContext. */
static List *passed = NIL;
static const LsPassed *latest = NULL;

/* LsStamp: of a model, to be found. */
typedef struct LsStamp
{
	const char *model;
	int64 stamp;
	bool is_there;
} LsStamp;

static void
read_stamp(void *arg)
{
	LsStamp *found = arg;

	found->stamp = ls_model_get(found->model)->life_stamp;
}

static void
read_name(void *arg)
{
	LsStamp *found = arg;

	found->is_there = ls_catalog_model(found->model, true) != NULL;
}

/* is_there: or has this transaction dropped it? */
static bool
is_there(const char *model)
{
	LsStamp found = {model};
	ErrorData *error;

	return ls_attempt(read_name, &found, &error) && found.is_there;
}

/* stamp_of: false where the model does not compile. */
static bool
stamp_of(const char *model, int64 *stamp)
{
	LsStamp found = {model};
	ErrorData *error;

	if (ls_model_is_current(model))
		read_stamp(&found);
	else if (!ls_attempt(read_stamp, &found, &error))
		return false;
	*stamp = found.stamp;
	return true;
}

static void
mark_everyone(const LsPassed *one)
{
	ls_pending_everyone(
		ls_pending_model(one->model, one->key_type),
		"rules changed while a transaction wrote what they did not look at",
		LS_CAUSE_RULES);
}

static const LsPassed *
find(const char *model)
{
	ListCell *cell;

	foreach(cell, passed)
		if (strcmp(((LsPassed *) lfirst(cell))->model, model) == 0)
			return lfirst(cell);
	return NULL;
}

static const LsPassed *
add(const char *model, Oid key_type)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	LsPassed *one = palloc0(sizeof(LsPassed));

	one->model = pstrdup(model);
	one->key_type = key_type;
	one->generation = ls_model_generation;
	if (stamp_of(one->model, &one->stamp))
		passed = lappend(passed, one);
	else
		mark_everyone(one);
	MemoryContextSwitchTo(old);
	return one;
}

/*
 * ls_passed_note: something was changed that the rules of the model do not look at.
 */
void
ls_passed_note(const char *model, Oid key_type)
{
	if (latest != NULL && strcmp(latest->model, model) == 0)
		return;
	latest = find(model);
	if (latest == NULL)
		latest = add(model, key_type);
}

/* check: it has the stamp of the first look; by later ones the rules are newer. */
static void
check(const LsPassed *one)
{
	int64 stamp;

	if (one->generation == ls_model_generation)
		return;
	if (stamp_of(one->model, &stamp) ? stamp != one->stamp : is_there(one->model))
		mark_everyone(one);
}

/*
 * ls_passed_check: at the end of the transaction, before what is pending is applied.
 */
void
ls_passed_check(void)
{
	ListCell *cell;

	if (passed == NIL)
		return;
	AcceptInvalidationMessages();
	PushActiveSnapshot(GetTransactionSnapshot());
	foreach(cell, passed)
		check(lfirst(cell));
	PopActiveSnapshot();
}

/* ls_passed_forget: the transaction is over. */
void
ls_passed_forget(void)
{
	passed = NIL;
	latest = NULL;
}
