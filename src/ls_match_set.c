/*
 * ls_match_set.c: which sets hold a byte string, by hash.
 */
#include "ls_match_set.h"

#include "ls_compat.h"

#include "catalog/pg_type.h"
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
	length = ls_set_trimmed_length(index, bytes, length);
	key = ls_set_key(bytes, length);
	entry = ls_set_entry(index, &key);
	if (entry->key.length < 0)
	{
		if (length > 16)
			key.words[1] = (uint64) (uintptr_t) memcpy(palloc(length), bytes, length);
		entry->key = key;
		index->lengths |= ls_set_length_bit(length);
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
