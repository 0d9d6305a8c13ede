/*
 * ls_lookup_note.h: what a transaction has changed in lookups and in the contacts'
 * links to them, until it is applied.
 */
#ifndef LS_LOOKUP_NOTE_H
#define LS_LOOKUP_NOTE_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "ls_lookup_lock.h"

/* LsChangedKeys: the keys of one lookup whose rows were changed. */
typedef struct LsChangedKeys
{
	char alias[NAMEDATALEN];
	Oid type; /* of the keys, no domain */
	int16 typlen;
	bool typbyval;
	int n;
	int room;
	Datum *keys; /* distinct */
	struct changed_hash *table;
} LsChangedKeys;

/* LsLookupNotes: of one model. */
typedef struct LsLookupNotes
{
	LsBuckets linked;	   /* of keys that contacts were newly linked to */
	LsBuckets changed;	   /* of keys whose rows were changed */
	int n;				   /* such keys, of all lookups */
	List *keys;			   /* of LsChangedKeys */
	MemoryContext parent;  /* where the next one is made */
	MemoryContext context; /* of all of them; NULL = none yet */
} LsLookupNotes;

extern void ls_lookup_note_key(LsLookupNotes *notes,
							   const char *alias,
							   Oid type,
							   Datum key,
							   LsBuckets bucket);
extern void ls_lookup_note_merge(LsLookupNotes *into, const LsLookupNotes *from);
extern LsLookupNotes ls_lookup_note_take(LsLookupNotes *notes);

static inline bool
ls_lookup_note_is_empty(const LsLookupNotes *notes)
{
	return notes->n == 0 && notes->linked == 0;
}

#endif /* LS_LOOKUP_NOTE_H */
