/*
 * ls_pending.c: what the transaction at hand has changed and not yet applied.
 *
 * One list of models for each level of subtransaction that has changes. A level
 * that commits is merged into the one above, one that aborts is forgotten. All
 * of it is in TopTransactionContext.
 *
 * No event may come into a state twice: once as part of a delta, and once as it
 * is read from its table. So a contact has one note, which says either; what is
 * applied in a subtransaction stands for what the levels above have of the contact
 * (`covers`); and events that may have been read before their trigger fired are no
 * part of a delta.
 */
#include "ls_pending.h"

#include "ls_compat.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "utils/memutils.h"

typedef struct LsLevel
{
	int nest_level; /* of the (sub)transaction */
	MemoryContext context;
	List *models; /* of LsPendingModel */
	struct LsLevel *above;
} LsLevel;

static LsLevel *current = NULL;

/* Have events been read, and by which command at the latest? */
static bool was_reading = false;
static CommandId read_until = 0;

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
	pending->notes.parent = level->context;
	pending->lookups.parent = level->context;
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

/*
 * ls_pending_add: note a change, together with earlier ones of the contact.
 */
void
ls_pending_add(LsPendingModel *pending, const LsChange *change)
{
	LsNote newer = {.cause = change->cause,
					.outcome = change->outcome,
					.events = change->events,
					.fit = change->fit,
					.since = change->since,
					.problem = change->problem,
					.stamp = change->stamp};

	ls_note_combine(&pending->notes, ls_note_get(&pending->notes, change->key), &newer);
}

/*
 * ls_pending_delta: where to add a new event of the contact; NULL where its events
 * will be read anyway.
 */
LsAccumulator *
ls_pending_delta(LsPendingModel *pending, LsKey key, LsEngagement *engagement)
{
	return ls_note_delta(&pending->notes, key, engagement);
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

/*
 * ls_pending_everyone: all contacts are stale. Of several causes the one that sets
 * nothing off stands: it cannot be told any more who changed by which.
 */
void
ls_pending_everyone(LsPendingModel *pending, const char *why, LsCause cause)
{
	pending->cause = pending->everyone == NULL ? cause : Min(pending->cause, cause);
	pending->everyone = why;
}

/*
 * ls_pending_off: nobody noted what was written. Whoever restores contacts and events
 * wants no actions for them, as after a change of rules.
 */
void
ls_pending_off(LsPendingModel *pending)
{
	ls_pending_everyone(pending, "lead_scoring.apply was off", LS_CAUSE_RULES);
}

/* ---- levels ------------------------------------------------------------- */

static void
merge_rest(LsPendingModel *into, const LsPendingModel *from)
{
	if (from->everyone != NULL)
		ls_pending_everyone(into, from->everyone, from->cause);
	ls_pending_sweep(into, from->sweep);
	into->queue |= from->queue;
	ls_lookup_note_merge(&into->lookups, &from->lookups);
}

/* merge_note: of a level that commits. */
static void
merge_note(LsPendingModel *pending, const LsNote *newer)
{
	LsNote *note = ls_note_get(&pending->notes, newer->key);

	if (newer->covers)
		ls_note_renew(note);
	ls_note_combine(&pending->notes, note, newer);
	note->applied = newer->applied;
	note->covers |= newer->covers;
}

static void
merge_model(LsLevel *into, const LsPendingModel *from)
{
	LsPendingModel *pending = find_model(into, from->model);

	if (pending == NULL)
		pending = add_model(into, from->model, from->key_type);
	for (int i = 0; i < from->notes.n; i++)
		merge_note(pending, &from->notes.items[i]);
	merge_rest(pending, from);
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

/* copy_note: of a level above, unless this one stands for it already. */
static void
copy_note(LsPendingModel *pending, const LsNote *older)
{
	LsNote *note = ls_note_find(&pending->notes, older->key);
	LsNote newer;

	if (note != NULL && note->covers)
		return;
	if (note == NULL)
	{
		note = ls_note_get(&pending->notes, older->key);
		note->applied = older->applied;
	}
	if (!older->applied)
	{
		newer = *note;
		ls_note_renew(note);
		ls_note_combine(&pending->notes, note, older);
		ls_note_combine(&pending->notes, note, &newer);
	}
	note->covers = older->covers;
}

static void
copy_model(LsLevel *into, const LsPendingModel *from)
{
	LsPendingModel *pending = find_model(into, from->model);

	if (pending == NULL)
		pending = add_model(into, from->model, from->key_type);
	for (int i = 0; i < from->notes.n; i++)
		copy_note(pending, &from->notes.items[i]);
	merge_rest(pending, from);
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
			copy_model(level, lfirst(cell));
}

/* ---- taking ------------------------------------------------------------- */

/*
 * ls_pending_models: what the current level has (LsPendingModel).
 */
List *
ls_pending_models(void)
{
	return list_copy(current->models);
}

/* is_nothing: events that do not count, say. */
static bool
is_nothing(const LsNote *note)
{
	return note->outcome == LS_AS_STORED && note->events != LS_EVENTS_READ &&
		   (note->delta == NULL || ls_accumulator_is_empty(note->delta));
}

static void
take_note(LsTaken *taken, LsNote *note)
{
	LsChange *change = &taken->changes[taken->n];

	if (note->applied)
		return;
	note->applied = true;
	note->covers = true;
	if (is_nothing(note))
		return;
	memset(change, 0, sizeof(LsChange));
	change->key = note->key;
	change->cause = note->cause;
	change->outcome = note->outcome;
	change->events = note->events;
	change->delta = note->delta;
	change->fit = note->fit;
	change->since = note->since;
	change->last_activity = DT_NOBEGIN;
	change->due_at = DT_NOEND;
	change->problem = note->problem;
	change->stamp = note->stamp;
	taken->n++;
}

/*
 * ls_pending_take: a copy of the model's changes that are not applied yet; from
 * now on they count as applied. Inside a subtransaction they stay, marked, to
 * replace those of its parent should it commit.
 *
 * Memory: the copy is in the current context; keys and deltas are in its own, or
 * stay where they are. Call ls_pending_release.
 */
LsTaken *
ls_pending_take(LsPendingModel *pending)
{
	LsTaken *taken = palloc0(sizeof(LsTaken));

	taken->model = pending->model;
	taken->everyone = pending->everyone;
	taken->cause = pending->cause;
	taken->sweep = pending->sweep && !pending->swept;
	taken->queue = pending->queue;
	taken->changes = palloc_extended(sizeof(LsChange) * (Size) Max(pending->notes.n, 1),
									 MCXT_ALLOC_HUGE);
	for (int i = 0; i < pending->notes.n; i++)
		take_note(taken, &pending->notes.items[i]);
	taken->lookups = ls_lookup_note_take(&pending->lookups);
	pending->swept = true;
	pending->everyone = NULL;
	pending->queue = false;
	if (current->above == NULL)
	{
		/* Nothing above that a later merge could bring back. */
		taken->context = ls_note_empty(&pending->notes);
		pending->sweep = false;
	}
	return taken;
}

/* ls_pending_release: it is applied. */
void
ls_pending_release(LsTaken *taken)
{
	if (taken->context != NULL)
		MemoryContextDelete(taken->context);
	if (taken->lookups.context != NULL)
		MemoryContextDelete(taken->lookups.context);
}

/*
 * ls_pending_forget: the transaction is over; its memory is going anyway.
 */
void
ls_pending_forget(void)
{
	current = NULL;
	was_reading = false;
}

/* ---- questions ---------------------------------------------------------- */

bool
ls_pending_any(void)
{
	return current != NULL;
}

/* ls_pending_is_empty: is there nothing (more) to apply? */
bool
ls_pending_is_empty(const LsPendingModel *pending)
{
	for (int i = 0; i < pending->notes.n; i++)
		if (!pending->notes.items[i].applied)
			return false;
	return pending->everyone == NULL && (!pending->sweep || pending->swept) &&
		   ls_lookup_note_is_empty(&pending->lookups);
}

/*
 * ls_pending_has_lookups: has this transaction changed lookups of the model, and not
 * yet applied it?
 */
bool
ls_pending_has_lookups(const char *model)
{
	for (LsLevel *level = current; level != NULL; level = level->above)
	{
		const LsPendingModel *pending = find_model(level, model);

		if (pending != NULL && !ls_lookup_note_is_empty(&pending->lookups))
			return true;
	}
	return false;
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
		const LsNote *note;

		if (pending == NULL)
			continue;
		if (pending->everyone != NULL || (pending->sweep && !pending->swept))
			return true;
		note = ls_note_find(&pending->notes, key);
		if (note != NULL && !note->applied)
			return true;
	}
	return false;
}

/*
 * ls_pending_spoil: the events of the contacts are about to be read: what is
 * pending of them must not be merged after that.
 */
void
ls_pending_spoil(const char *model, const LsChange *changes, int n)
{
	for (LsLevel *level = current; level != NULL; level = level->above)
	{
		const LsPendingModel *pending = find_model(level, model);

		for (int i = 0; pending != NULL && pending->notes.n > 0 && i < n; i++)
		{
			LsNote *note = ls_note_find(&pending->notes, changes[i].key);

			if (note != NULL && !note->applied)
				ls_note_read_events(note);
		}
	}
}

/*
 * ls_pending_is_superseded: did this transaction change the row again since?
 */
bool
ls_pending_is_superseded(HeapTuple tuple)
{
	HeapTupleHeader header = tuple->t_data;

	if ((header->t_infomask & HEAP_XMAX_INVALID) != 0 ||
		HEAP_XMAX_IS_LOCKED_ONLY(header->t_infomask))
		return false;
	return TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetUpdateXid(header));
}

/*
 * ls_pending_note_reading: events may have been read, among them those whose
 * triggers have not fired yet: of a statement that is not at its end.
 */
void
ls_pending_note_reading(void)
{
	was_reading = true;
	read_until = GetCurrentCommandId(false);
}

/*
 * ls_pending_was_read: may the row, which a trigger of its insertion has at hand,
 * have been read before?
 */
bool
ls_pending_was_read(HeapTuple tuple)
{
	HeapTupleHeader header = tuple->t_data;

	return was_reading &&
		   (!TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(header)) ||
			HeapTupleHeaderGetCmin(header) < read_until);
}
