/*
 * ls_note.h: what is known of each contact that changed, until it is applied.
 */
#ifndef LS_NOTE_H
#define LS_NOTE_H

#include "postgres.h"

#include "ls_apply.h"
#include "ls_engagement.h"

/*
 * LsNote: of one contact. The events that a delta is made of are in no stored state
 * yet.
 */
typedef struct LsNote
{
	LsKey key;
	LsCause cause;
	LsOutcome outcome;
	LsEvents events;
	bool applied; /* written already, should its subtransaction commit */
	bool covers;  /* stands for what the levels above have of the contact, too */
	double fit;
	TimestampTz since;
	const char *problem;
	int64 stamp;
	LsAccumulator *delta; /* where events are to be merged; else NULL */
} LsNote;

/* LsNotes: by key. */
typedef struct LsNotes
{
	int n;
	int room;
	LsNote *items;		   /* the keys are distinct */
	MemoryContext parent;  /* where the next one is made */
	MemoryContext context; /* of all of them; NULL = none yet */
	struct LsKeyTable *table;
} LsNotes;

extern LsNote *ls_note_find(const LsNotes *notes, LsKey key);
extern LsNote *ls_note_get(LsNotes *notes, LsKey key);
extern void ls_note_renew(LsNote *note);
extern void ls_note_combine(LsNotes *notes, LsNote *note, const LsNote *newer);
extern void ls_note_read_events(LsNote *note);
extern LsAccumulator *ls_note_delta(LsNotes *notes,
									LsKey key,
									LsEngagement *engagement);
extern MemoryContext ls_note_empty(LsNotes *notes);

#endif /* LS_NOTE_H */
