/*
 * ls_pending.c: what the transaction at hand has changed and not yet applied.
 *
 * One list of models for each level of subtransaction that has changes. A level
 * that commits is merged into the one above, one that aborts is forgotten. All
 * of it is in TopTransactionContext.
 */
#include "ls_pending.h"

#include "ls_compat.h"

#include "access/xact.h"
#include "utils/memutils.h"

/* The hash table from key to its place in `changes`. */
typedef struct LsKeySlot
{
	LsKey key;
	uint32 hash;
	int place;
	char status;
} LsKeySlot;

#define SH_PREFIX keytab
#define SH_ELEMENT_TYPE LsKeySlot
#define SH_KEY_TYPE LsKey
#define SH_KEY key
#define SH_HASH_KEY(table, key) ls_key_hash(key)
#define SH_EQUAL(table, a, b) (ls_key_compare((a), (b)) == 0)
#define SH_STORE_HASH
#define SH_GET_HASH(table, slot) (slot)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

typedef struct LsKeyTable
{
	keytab_hash *hash;
} LsKeyTable;

typedef struct LsLevel
{
	int nest_level; /* of the (sub)transaction */
	MemoryContext context;
	List *models; /* of LsPendingModel */
	struct LsLevel *above;
} LsLevel;

static LsLevel *current = NULL;

static LsLevel *
get_level(void)
{
	int nest_level = GetCurrentTransactionNestLevel();
	LsLevel *level;
	MemoryContext context;

	if (current != NULL && current->nest_level == nest_level)
		return current;
	context = AllocSetContextCreate(TopTransactionContext,
									"lead_scoring pending",
									ALLOCSET_DEFAULT_SIZES);
	level = MemoryContextAllocZero(context, sizeof(LsLevel));
	level->context = context;
	level->nest_level = nest_level;
	level->above = current;
	current = level;
	return level;
}

static LsPendingModel *
find_model(const LsLevel *level, const char *model)
{
	ListCell *cell;

	foreach(cell, level->models)
		if (strcmp(((LsPendingModel *) lfirst(cell))->model, model) == 0)
			return lfirst(cell);
	return NULL;
}

static LsPendingModel *
add_model(LsLevel *level, const char *model, Oid key_type)
{
	MemoryContext old = MemoryContextSwitchTo(level->context);
	LsPendingModel *pending = palloc0(sizeof(LsPendingModel));

	pending->model = pstrdup(model);
	pending->key_type = key_type;
	pending->room = 8;
	pending->changes = palloc(sizeof(LsChange) * pending->room);
	pending->table = palloc(sizeof(LsKeyTable));
	pending->table->hash = keytab_create(level->context, 8, NULL);
	level->models = lappend(level->models, pending);
	MemoryContextSwitchTo(old);
	return pending;
}

/*
 * ls_pending_model: the changes of the model in the current subtransaction.
 */
LsPendingModel *
ls_pending_model(const char *model, Oid key_type)
{
	LsLevel *level = get_level();
	LsPendingModel *pending = find_model(level, model);

	return pending != NULL ? pending : add_model(level, model, key_type);
}

static void
add_change(LsPendingModel *pending, const LsChange *change)
{
	MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(pending));
	bool found;
	LsKeySlot *slot = keytab_insert(pending->table->hash, change->key, &found);
	LsCause cause = change->cause;

	if (!found)
	{
		/* The table must not keep the caller's bytes. */
		slot->key = ls_key_copy(change->key);
		slot->place = pending->n++;
		if (pending->n > pending->room)
		{
			pending->room *= 2;
			pending->changes = repalloc_huge(pending->changes,
											 sizeof(LsChange) * (Size) pending->room);
		}
	}
	else if (!pending->changes[slot->place].applied)
		cause = Max(cause, pending->changes[slot->place].cause);
	pending->changes[slot->place] = *change;
	pending->changes[slot->place].cause = cause;
	pending->changes[slot->place].key = slot->key;
	if (change->problem != NULL)
		pending->changes[slot->place].problem = pstrdup(change->problem);
	MemoryContextSwitchTo(old);
}

/*
 * ls_pending_add: note a change; a later one of the same contact replaces it, but
 * not a stronger cause.
 */
void
ls_pending_add(LsPendingModel *pending, const LsChange *change)
{
	add_change(pending, change);
}

/*
 * ls_pending_sweep: contacts were truncated.
 */
void
ls_pending_sweep(LsPendingModel *pending, bool truncated)
{
	if (!truncated)
		return;
	pending->sweep = true;
	pending->swept = false;
}

static void
merge_model(LsLevel *into, const LsPendingModel *from)
{
	LsPendingModel *pending = find_model(into, from->model);

	if (pending == NULL)
		pending = add_model(into, from->model, from->key_type);
	for (int i = 0; i < from->n; i++)
		add_change(pending, &from->changes[i]);
	if (from->everyone != NULL)
		pending->everyone = from->everyone;
	ls_pending_sweep(pending, from->sweep);
	pending->queue |= from->queue;
}

static bool
is_level_of_subxact(void)
{
	return current != NULL && current->nest_level == GetCurrentTransactionNestLevel();
}

/*
 * ls_pending_commit_subxact: its changes are now those of its parent.
 */
void
ls_pending_commit_subxact(void)
{
	LsLevel *level = current;
	ListCell *cell;

	if (!is_level_of_subxact())
		return;
	if (level->above == NULL || level->above->nest_level < level->nest_level - 1)
	{
		level->nest_level--;
		return;
	}
	foreach(cell, level->models)
		merge_model(level->above, lfirst(cell));
	current = level->above;
	MemoryContextDelete(level->context);
}

/*
 * ls_pending_abort_subxact: its changes never were.
 */
void
ls_pending_abort_subxact(void)
{
	LsLevel *level = current;

	if (!is_level_of_subxact())
		return;
	current = level->above;
	MemoryContextDelete(level->context);
}

/*
 * ls_pending_forget: the transaction is over; its memory is going anyway.
 */
void
ls_pending_forget(void)
{
	current = NULL;
}

bool
ls_pending_any(void)
{
	return current != NULL;
}

/*
 * ls_pending_has: has this transaction changed the contact, or all, and not yet
 * applied it?
 */
bool
ls_pending_has(const char *model, LsKey key)
{
	for (LsLevel *level = current; level != NULL; level = level->above)
	{
		const LsPendingModel *pending = find_model(level, model);
		const LsKeySlot *slot;

		if (pending == NULL)
			continue;
		if (pending->everyone != NULL || (pending->sweep && !pending->swept))
			return true;
		slot = keytab_lookup(pending->table->hash, key);
		if (slot != NULL && !pending->changes[slot->place].applied)
			return true;
	}
	return false;
}

/*
 * ls_pending_models: what the current level has (LsPendingModel).
 */
List *
ls_pending_models(void)
{
	return list_copy(current->models);
}

/*
 * ls_pending_take: a copy of the model's changes that are not applied yet; from
 * now on they count as applied. Inside a subtransaction they stay, marked, to
 * replace those of its parent should it commit.
 *
 * Memory: the copy is in the current context; keys are shared.
 */
LsPendingModel *
ls_pending_take(LsPendingModel *pending)
{
	LsPendingModel *copy = palloc(sizeof(LsPendingModel));

	*copy = *pending;
	copy->n = 0;
	copy->changes =
		palloc_extended(sizeof(LsChange) * (Size) Max(pending->n, 1), MCXT_ALLOC_HUGE);
	for (int i = 0; i < pending->n; i++)
		if (!pending->changes[i].applied)
		{
			copy->changes[copy->n++] = pending->changes[i];
			pending->changes[i].applied = true;
		}
	copy->sweep = pending->sweep && !pending->swept;
	pending->swept = true;
	pending->everyone = NULL;
	pending->queue = false;
	if (current->above == NULL)
	{
		/* Nothing above that a later merge could bring back. */
		keytab_reset(pending->table->hash);
		pending->n = 0;
		pending->sweep = false;
	}
	return copy;
}

/* ls_pending_is_empty: is there nothing (more) to apply? */
bool
ls_pending_is_empty(const LsPendingModel *pending)
{
	for (int i = 0; i < pending->n; i++)
		if (!pending->changes[i].applied)
			return false;
	return pending->everyone == NULL && (!pending->sweep || pending->swept);
}

/* copy_missing: changes that this level does not replace. */
static void
copy_missing(LsLevel *into, const LsPendingModel *from)
{
	LsPendingModel *pending = find_model(into, from->model);

	if (pending == NULL)
		pending = add_model(into, from->model, from->key_type);
	for (int i = 0; i < from->n; i++)
		if (!from->changes[i].applied &&
			keytab_lookup(pending->table->hash, from->changes[i].key) == NULL)
			add_change(pending, &from->changes[i]);
	if (from->everyone != NULL)
		pending->everyone = from->everyone;
	ls_pending_sweep(pending, from->sweep);
	pending->queue |= from->queue;
}

/*
 * ls_pending_copy_down: give the current level what those above it have, so that
 * it can be applied here; above it stays, in case this level aborts.
 */
void
ls_pending_copy_down(void)
{
	LsLevel *level = get_level();
	ListCell *cell;

	for (LsLevel *above = level->above; above != NULL; above = above->above)
		foreach(cell, above->models)
			copy_missing(level, lfirst(cell));
}
