/*
 * ls_note.c: what is known of each contact that changed, until it is applied.
 *
 * No event may come into a state twice: once as part of a delta, and once as it
 * is read from its table. So a contact has one note, which says either.
 */
#include "ls_note.h"

#include "ls_compat.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

/* The hash table from key to its place in `items`. */
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

static void
make_room(LsNotes *notes)
{
	MemoryContext old;

	if (notes->n < notes->room)
		return;
	if (notes->context == NULL)
	{
		notes->context = AllocSetContextCreate(notes->parent,
											   "lead_scoring notes",
											   ALLOCSET_DEFAULT_SIZES);
		old = MemoryContextSwitchTo(notes->context);
		notes->room = 8;
		notes->items = palloc(sizeof(LsNote) * notes->room);
		notes->table = palloc(sizeof(LsKeyTable));
		notes->table->hash = keytab_create(notes->context, 8, NULL);
		MemoryContextSwitchTo(old);
		return;
	}
	notes->room *= 2;
	notes->items = repalloc_huge(notes->items, sizeof(LsNote) * (Size) notes->room);
}

/*
 * ls_note_find: NULL where there is none.
 */
LsNote *
ls_note_find(const LsNotes *notes, LsKey key)
{
	const LsKeySlot *slot;

	if (notes->n == 0)
		return NULL;
	slot = keytab_lookup(notes->table->hash, key);
	return slot == NULL ? NULL : &notes->items[slot->place];
}

/*
 * ls_note_renew: what it said is done, or taken back; it says nothing now.
 */
void
ls_note_renew(LsNote *note)
{
	note->cause = LS_CAUSE_EVENT;
	note->outcome = LS_AS_STORED;
	note->events = LS_EVENTS_KEPT;
	note->applied = false;
	note->problem = NULL;
	note->delta = NULL;
}

/*
 * ls_note_get: one to add to. Where there is none, or it is applied, one that says
 * nothing. Good until the next call.
 */
LsNote *
ls_note_get(LsNotes *notes, LsKey key)
{
	bool found;
	LsKeySlot *slot;
	LsNote *note;

	make_room(notes);
	slot = keytab_insert(notes->table->hash, key, &found);
	if (!found)
	{
		MemoryContext old = MemoryContextSwitchTo(notes->context);

		/* The table must not keep the caller's bytes. */
		slot->key = ls_key_copy(key);
		slot->place = notes->n++;
		note = &notes->items[slot->place];
		memset(note, 0, sizeof(LsNote));
		note->key = slot->key;
		ls_note_renew(note);
		MemoryContextSwitchTo(old);
		return note;
	}
	note = &notes->items[slot->place];
	if (note->applied)
		ls_note_renew(note);
	return note;
}

/*
 * ls_note_read_events: they are read when it is applied, and no delta is needed.
 */
void
ls_note_read_events(LsNote *note)
{
	note->events = LS_EVENTS_READ;
	note->delta = NULL;
}

/* is_same_model: was the delta made by these very rules? */
static bool
is_same_model(const LsAccumulator *delta, const LsEngagement *engagement)
{
	return delta->frame->engagement == engagement;
}

/* join_delta: other new events. */
static void
join_delta(LsNotes *notes, LsNote *note, const LsAccumulator *delta)
{
	if (note->delta == NULL)
		note->delta = ls_accumulator_new(delta->frame->engagement,
										 delta->frame->as_of_us,
										 notes->context);
	if (is_same_model(note->delta, delta->frame->engagement))
		ls_accumulator_join(note->delta, delta);
	else
		ls_note_read_events(note);
}

/*
 * ls_note_combine: with what a newer note says of the same contact. A later change
 * replaces what is known of the contact; events once to be read are read.
 */
void
ls_note_combine(LsNotes *notes, LsNote *note, const LsNote *newer)
{
	note->cause = Max(note->cause, newer->cause);
	if (newer->outcome != LS_AS_STORED)
	{
		note->outcome = newer->outcome;
		note->fit = newer->fit;
		note->since = newer->since;
		note->stamp = newer->stamp;
		note->problem = newer->problem == NULL
							? NULL
							: MemoryContextStrdup(notes->context, newer->problem);
	}
	if (newer->events == LS_EVENTS_READ)
		ls_note_read_events(note);
	else if (newer->events == LS_EVENTS_MERGE && note->events != LS_EVENTS_READ)
	{
		note->events = LS_EVENTS_MERGE;
		join_delta(notes, note, newer->delta);
	}
}

/* A contact with so many new matches is cheaper to read. */
#define MAX_DELTA 65536

/*
 * ls_note_delta: where to add a new event of the contact; NULL where its events
 * will be read anyway.
 */
LsAccumulator *
ls_note_delta(LsNotes *notes, LsKey key, LsEngagement *engagement)
{
	LsNote *note = ls_note_get(notes, key);

	if (note->events == LS_EVENTS_READ)
		return NULL;
	if (note->delta == NULL)
		note->delta = ls_accumulator_new(engagement, DT_NOBEGIN, notes->context);
	else if (!is_same_model(note->delta, engagement) || note->delta->n > MAX_DELTA)
	{
		ls_note_read_events(note);
		return NULL;
	}
	note->events = LS_EVENTS_MERGE;
	return note->delta;
}

/*
 * ls_note_empty: forget them all. Their memory is left to the caller; NULL = none.
 */
MemoryContext
ls_note_empty(LsNotes *notes)
{
	MemoryContext context = notes->context;

	notes->n = 0;
	notes->room = 0;
	notes->items = NULL;
	notes->table = NULL;
	notes->context = NULL;
	return context;
}
