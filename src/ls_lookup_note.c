/*
 * ls_lookup_note.c: what a transaction has changed in lookups and in the contacts'
 * links to them, until it is applied.
 */
#include "ls_lookup_note.h"

#include "ls_compat.h"

#include "fmgr.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* The hash table of keys that are known already. */
typedef struct LsChangedSlot
{
	Datum key;
	uint32 hash;
	char status;
} LsChangedSlot;

static inline uint32
hash_key(const LsChangedKeys *keys, Datum key)
{
	return datum_image_hash(key, keys->typbyval, keys->typlen);
}

static inline bool
is_same_key(const LsChangedKeys *keys, Datum a, Datum b)
{
	return datum_image_eq(a, b, keys->typbyval, keys->typlen);
}

#define SH_PREFIX changed
#define SH_ELEMENT_TYPE LsChangedSlot
#define SH_KEY_TYPE Datum
#define SH_KEY key
#define SH_HASH_KEY(table, key) hash_key((table)->private_data, (key))
#define SH_EQUAL(table, a, b) is_same_key((table)->private_data, (a), (b))
#define SH_STORE_HASH
#define SH_GET_HASH(table, slot) (slot)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static LsChangedKeys *
find_keys(const LsLookupNotes *notes, const char *alias, Oid type)
{
	ListCell *cell;

	foreach(cell, notes->keys)
	{
		LsChangedKeys *keys = lfirst(cell);

		if (keys->type == type && strcmp(keys->alias, alias) == 0)
			return keys;
	}
	return NULL;
}

/* add_keys: in the notes' own context. */
static LsChangedKeys *
add_keys(LsLookupNotes *notes, const char *alias, Oid type)
{
	LsChangedKeys *keys = palloc0(sizeof(LsChangedKeys));

	strlcpy(keys->alias, alias, NAMEDATALEN);
	keys->type = type;
	get_typlenbyval(type, &keys->typlen, &keys->typbyval);
	keys->room = 8;
	keys->keys = palloc(sizeof(Datum) * keys->room);
	keys->table = changed_create(notes->context, 8, keys);
	notes->keys = lappend(notes->keys, keys);
	return keys;
}

static void
add_key(LsLookupNotes *notes, LsChangedKeys *keys, Datum key)
{
	LsChangedSlot *slot;
	bool found;

	if (keys->typlen == -1)
		key = PointerGetDatum(PG_DETOAST_DATUM_PACKED(key));
	slot = changed_insert(keys->table, key, &found);
	if (found)
		return;
	/* The table must not keep the caller's bytes. */
	slot->key = datumCopy(key, keys->typbyval, keys->typlen);
	if (keys->n == keys->room)
	{
		keys->room *= 2;
		keys->keys = repalloc_huge(keys->keys, sizeof(Datum) * (Size) keys->room);
	}
	keys->keys[keys->n++] = slot->key;
	notes->n++;
}

/*
 * ls_lookup_note_key: the row with this key was changed. The type is no domain.
 */
void
ls_lookup_note_key(LsLookupNotes *notes,
				   const char *alias,
				   Oid type,
				   Datum key,
				   LsBuckets bucket)
{
	LsChangedKeys *keys;
	MemoryContext old;

	if (notes->context == NULL)
		notes->context = AllocSetContextCreate(notes->parent,
											   "lead_scoring lookup notes",
											   ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(notes->context);
	keys = find_keys(notes, alias, type);
	if (keys == NULL)
		keys = add_keys(notes, alias, type);
	add_key(notes, keys, key);
	notes->changed |= bucket;
	MemoryContextSwitchTo(old);
}

/*
 * ls_lookup_note_merge: with what another level of subtransaction has.
 */
void
ls_lookup_note_merge(LsLookupNotes *into, const LsLookupNotes *from)
{
	ListCell *cell;

	into->linked |= from->linked;
	foreach(cell, from->keys)
	{
		const LsChangedKeys *keys = lfirst(cell);

		for (int i = 0; i < keys->n; i++)
			ls_lookup_note_key(into, keys->alias, keys->type, keys->keys[i], 0);
	}
	into->changed |= from->changed;
}

/*
 * ls_lookup_note_take: all of them, which are then forgotten. Their memory is left
 * to the caller.
 */
LsLookupNotes
ls_lookup_note_take(LsLookupNotes *notes)
{
	LsLookupNotes taken = *notes;

	memset(notes, 0, sizeof(LsLookupNotes));
	notes->parent = taken.parent;
	return taken;
}
