/*
 * ls_match_set.c: which sets hold a byte string, by hash.
 */
#include "ls_match_int.h"

#include "ls_compat.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/uuid.h"

typedef struct LsPendingSet
{
	bool negated;
	int nvalues;
	Datum *values;
	LsTarget target;
} LsPendingSet;

/*
 * ls_set_insert: a SET over LS_KEY_BYTES.
 */
void
ls_set_insert(LsSetIndex **index,
			  const LsSubject *subject,
			  const LsPredicate *predicate,
			  const LsTarget *target)
{
	LsPendingSet set = {predicate->negated,
						predicate->nvalues,
						predicate->values,
						*target};

	if (*index == NULL)
	{
		*index = palloc0(sizeof(LsSetIndex));
		(*index)->trim_blanks = subject->type == BPCHAROID;
		(*index)->is_fixed = subject->type == UUIDOID;
	}
	(*index)->sets = ls_match_note((*index)->sets, &set, sizeof(set), target);
}

static void
get_bytes(const LsSetIndex *index, Datum value, const char **bytes, int *length)
{
	if (index->is_fixed)
	{
		*bytes = (const char *) DatumGetUUIDP(value)->data;
		*length = UUID_LEN;
		return;
	}
	*bytes = VARDATA_ANY(DatumGetPointer(value));
	*length = VARSIZE_ANY_EXHDR(DatumGetPointer(value));
}

static int
trimmed_length(const LsSetIndex *index, const char *bytes, int length)
{
	if (index->trim_blanks)
		while (length > 0 && bytes[length - 1] == ' ')
			length--;
	return length;
}

static inline uint64
load_word(const char *bytes)
{
	uint64 word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

static inline uint32
load_half(const char *bytes)
{
	uint32 half;

	memcpy(&half, bytes, sizeof(half));
	return half;
}

/* make_key: bytes beyond the string are not touched. */
static inline LsSetKey
make_key(const char *bytes, int length)
{
	LsSetKey key = {length, {0, 0}};

	if (length > 16)
	{
		key.words[0] = hash_bytes_extended((const unsigned char *) bytes, length, 0);
		key.words[1] = (uint64) (uintptr_t) bytes;
	}
	else if (length >= 8)
	{
		key.words[0] = load_word(bytes);
		key.words[1] = load_word(bytes + length - 8);
	}
	else if (length >= 4)
	{
		key.words[0] = load_half(bytes);
		key.words[1] = load_half(bytes + length - 4);
	}
	else if (length > 0)
		key.words[0] = (uint64) (uint8) bytes[0] |
					   (uint64) (uint8) bytes[length / 2] << 8 |
					   (uint64) (uint8) bytes[length - 1] << 16;
	return key;
}

static inline const char *
long_bytes(const LsSetKey *key)
{
	return (const char *) (uintptr_t) key->words[1];
}

static inline bool
same_key(const LsSetKey *a, const LsSetKey *b)
{
	if (a->length != b->length || a->words[0] != b->words[0])
		return false;
	return a->length <= 16 ? a->words[1] == b->words[1]
						   : memcmp(long_bytes(a), long_bytes(b), a->length) == 0;
}

/* first_place: where the search for a key begins. */
static inline uint32
first_place(const LsSetIndex *index, const LsSetKey *key)
{
	uint64 mixed = key->words[0] * UINT64_C(0x9E3779B97F4A7C15);

	if (key->length <= 16)
		mixed = (mixed ^ (mixed >> 32) ^ key->words[1]) * UINT64_C(0xC2B2AE3D27D4EB4F);
	return (uint32) (mixed >> 32) & index->mask;
}

/* find_entry: the key's, or the free one where it belongs. */
static inline LsSetEntry *
find_entry(const LsSetIndex *index, const LsSetKey *key)
{
	for (uint32 at = first_place(index, key);; at = (at + 1) & index->mask)
	{
		LsSetEntry *entry = &index->entries[at];

		if (entry->key.length < 0 || same_key(&entry->key, key))
			return entry;
	}
}

static uint64
length_bit(int length)
{
	return UINT64_C(1) << Min(length, 63);
}

/*
 * ls_set_find: what a value does; never NULL.
 */
const LsPayload *
ls_set_find(const LsSetIndex *index, const char *bytes, int length)
{
	const LsSetEntry *entry;
	LsSetKey key;

	length = trimmed_length(index, bytes, length);
	if ((index->lengths & length_bit(length)) == 0)
		return &index->otherwise;
	key = make_key(bytes, length);
	entry = find_entry(index, &key);
	return entry->key.length < 0 ? &index->otherwise : &entry->payload;
}

static void
make_table(LsSetIndex *index)
{
	uint32 size = 4;
	int nvalues = 0;
	ListCell *cell;

	foreach(cell, index->sets)
		nvalues += ((LsPendingSet *) lfirst(cell))->nvalues;
	while (size < 2 * (uint32) nvalues)
		size *= 2;
	index->mask = size - 1;
	index->entries = palloc0(sizeof(LsSetEntry) * size);
	for (uint32 i = 0; i < size; i++)
		index->entries[i].key.length = -1;
}

static LsSetEntry *
enter_value(LsSetIndex *index, Datum value)
{
	const char *bytes;
	int length;
	LsSetKey key;
	LsSetEntry *entry;

	get_bytes(index, value, &bytes, &length);
	length = trimmed_length(index, bytes, length);
	key = make_key(bytes, length);
	entry = find_entry(index, &key);
	if (entry->key.length < 0)
	{
		if (length > 16)
			key.words[1] = (uint64) (uintptr_t) memcpy(palloc(length), bytes, length);
		entry->key = key;
		index->lengths |= length_bit(length);
	}
	return entry;
}

/* enter_positive: IN counts once for a value that it names twice. */
static void
enter_positive(LsSetIndex *index, const LsPendingSet *set)
{
	bool *own = palloc0(sizeof(bool) * (index->mask + 1));

	for (int i = 0; i < set->nvalues; i++)
	{
		LsSetEntry *entry = enter_value(index, set->values[i]);

		if (!own[entry - index->entries])
			ls_payload_add(&entry->payload, &set->target);
		own[entry - index->entries] = true;
	}
	pfree(own);
}

/* enter_negated: NOT IN counts for every value of the table but its own. */
static void
enter_negated(LsSetIndex *index, const LsPendingSet *set)
{
	bool *own = palloc0(sizeof(bool) * (index->mask + 1));

	for (int i = 0; i < set->nvalues; i++)
		own[enter_value(index, set->values[i]) - index->entries] = true;
	for (uint32 at = 0; at <= index->mask; at++)
		if (index->entries[at].key.length >= 0 && !own[at])
			ls_payload_add(&index->entries[at].payload, &set->target);
	ls_payload_add(&index->otherwise, &set->target);
	pfree(own);
}

/*
 * ls_set_finish: all sets are in; build the table.
 */
void
ls_set_finish(LsSetIndex *index)
{
	ListCell *cell;

	make_table(index);
	/* Every value first: NOT IN speaks of all of them. */
	foreach(cell, index->sets)
	{
		const LsPendingSet *set = lfirst(cell);

		for (int i = 0; i < set->nvalues; i++)
			(void) enter_value(index, set->values[i]);
	}
	foreach(cell, index->sets)
	{
		const LsPendingSet *set = lfirst(cell);

		CHECK_FOR_INTERRUPTS();
		if (set->negated)
			enter_negated(index, set);
		else
			enter_positive(index, set);
	}
	index->sets = NIL;
}
