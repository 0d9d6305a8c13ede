/*
 * ls_passed.c: changes that no rule looks at, in case the rules change meanwhile.
 *
 * An update of columns that no rule looks at notes nothing. Another transaction may
 * change the rules, so that they do, and score everyone before this one commits. So
 * which rules were looked at is remembered, and where they are others at commit, all
 * contacts are stale.
 *
 * So they are where rules go back to those by which everyone was scored last: nobody
 * has scored them since, and what was written in between was not looked at by these.
 */
#include "ls_passed.h"

#include "ls_attempt.h"
#include "ls_catalog.h"
#include "ls_compat.h"
#include "ls_model_cache.h"
#include "ls_pending.h"
#include "ls_relation.h"

#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* LsPassed: a model whose rules something was not for, when first looked at. */
typedef struct LsPassed
{
	const char *model;
	Oid key_type;
	uint64 generation;
	bool has_stamp; /* the model did compile */
	int64 stamp;
} LsPassed;

/* In TopTransactionContext. */
static List *passed = NIL;
static const LsPassed *latest = NULL;

/* LsReturn: a model whose rules are being changed. */
typedef struct LsReturn
{
	const char *model;
	bool is_away;		/* they were not those by which everyone was scored */
	int64 scored_stamp; /* of those */
} LsReturn;

/* In TopTransactionContext. */
static List *returns = NIL;

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

/* ---- what is written --------------------------------------------------- */

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
	passed = lappend(passed, one);
	MemoryContextSwitchTo(old);
	one->has_stamp = stamp_of(one->model, &one->stamp);
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

	if (one->has_stamp && one->generation == ls_model_generation)
		return;
	if (stamp_of(one->model, &stamp) ? !one->has_stamp || stamp != one->stamp
									 : is_there(one->model))
		mark_everyone(one);
}

/* ---- rules that go back ------------------------------------------------- */

static LsReturn *
find_return(const char *model)
{
	ListCell *cell;

	foreach(cell, returns)
		if (strcmp(((const LsReturn *) lfirst(cell))->model, model) == 0)
			return lfirst(cell);
	return NULL;
}

/* is_away: as far as it can be told; nobody waits for that. */
static bool
is_away(const LsModelRow *row)
{
	int64 stamp;

	return !ls_model_is_free(row->name) || !stamp_of(row->name, &stamp) ||
		   stamp != row->scored_stamp;
}

static LsReturn *
add_return(const LsModelRow *row)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	LsReturn *one = palloc0(sizeof(LsReturn));

	one->model = pstrdup(row->name);
	one->scored_stamp = row->scored_stamp;
	returns = lappend(returns, one);
	MemoryContextSwitchTo(old);
	return one;
}

/*
 * ls_passed_change: the rules of the model are about to change; it may not be there.
 * Others may have changed them since this transaction did so first.
 */
void
ls_passed_change(const char *model)
{
	LsReturn *one = find_return(model);
	const LsModelRow *row;

	if (one != NULL && one->is_away)
		return;
	row = ls_catalog_model(model, true);
	if (row == NULL || row->objects_schema == NULL || !row->has_scored_stamp)
		return;
	if (one == NULL)
		one = add_return(row);
	one->is_away = is_away(row);
	one->scored_stamp = row->scored_stamp;
}

/* mark_returned: the model is compiled. */
static void
mark_returned(const LsModel *model)
{
	AttrNumber key = ls_relation_column(model->relid, model->row->contact_id);

	ls_pending_everyone(ls_pending_model(model->row->name,
										 ls_key_stored_type(getBaseType(
											 get_atttype(model->relid, key)))),
						"rules are what they were before others",
						LS_CAUSE_RULES);
}

/* is_live: who activates a model looks at everyone. */
static bool
is_live(const LsModelRow *row)
{
	return strcmp(row->status, "active") == 0 || strcmp(row->status, "shadow") == 0;
}

/*
 * is_back: are the rules those by which everyone was scored? Also with what others have
 * committed, whatever the snapshot.
 */
static bool
is_back(const LsReturn *one)
{
	int64 stamp;

	return stamp_of(one->model, &stamp) && stamp == one->scored_stamp;
}

static void
check_return(const LsReturn *one)
{
	if (one->is_away && is_there(one->model) && is_back(one) &&
		is_live(ls_model_get(one->model)->row))
		mark_returned(ls_model_get(one->model));
}

/* ---- the end of the transaction ------------------------------------------ */

/*
 * ls_passed_check: at the end of the transaction, before what is pending is applied.
 */
void
ls_passed_check(void)
{
	ListCell *cell;

	if (passed == NIL && returns == NIL)
		return;
	AcceptInvalidationMessages();
	PushActiveSnapshot(GetTransactionSnapshot());
	foreach(cell, passed)
		check(lfirst(cell));
	foreach(cell, returns)
		check_return(lfirst(cell));
	PopActiveSnapshot();
}

/* ls_passed_forget: the transaction is over. */
void
ls_passed_forget(void)
{
	passed = NIL;
	latest = NULL;
	returns = NIL;
}
