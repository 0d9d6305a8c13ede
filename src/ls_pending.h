/*
 * ls_pending.h: what the transaction at hand has changed and not yet applied.
 */
#ifndef LS_PENDING_H
#define LS_PENDING_H

#include "postgres.h"

#include "access/htup.h"
#include "nodes/pg_list.h"

#include "ls_apply.h"
#include "ls_engagement.h"
#include "ls_lookup_note.h"
#include "ls_note.h"

/* LsPendingModel: the changes of one model. */
typedef struct LsPendingModel
{
	char *model;
	Oid key_type;
	const char *everyone; /* why all contacts are stale; NULL = they are not */
	LsCause cause;		  /* of that */
	bool sweep;			  /* contacts were truncated: look for orphans */
	bool swept;			  /* that was done, should the subtransaction commit */
	bool queue;			  /* leave it all to the next refresh: lead_scoring.apply */
	LsNotes notes;
	LsLookupNotes lookups;
} LsPendingModel;

/* LsTaken: what is to be applied of a model. */
typedef struct LsTaken
{
	const char *model;
	const char *everyone;
	LsCause cause;
	bool sweep;
	bool queue;
	int n;
	LsChange *changes;
	MemoryContext context; /* what they are in; NULL = not theirs alone */
	LsLookupNotes lookups;
} LsTaken;

extern LsPendingModel *ls_pending_model(const char *model, Oid key_type);
extern void ls_pending_add(LsPendingModel *pending, const LsChange *change);
extern LsAccumulator *ls_pending_delta(LsPendingModel *pending,
									   LsKey key,
									   LsEngagement *engagement);
extern void ls_pending_everyone(LsPendingModel *pending,
								const char *why,
								LsCause cause);
extern void ls_pending_off(LsPendingModel *pending);
extern void ls_pending_sweep(LsPendingModel *pending, bool truncated);
extern List *ls_pending_models(void);
extern LsTaken *ls_pending_take(LsPendingModel *pending);
extern void ls_pending_release(LsTaken *taken);
extern bool ls_pending_is_empty(const LsPendingModel *pending);
extern bool ls_pending_any(void);
extern bool ls_pending_has_lookups(const char *model);
extern bool ls_pending_has(const char *model, LsKey key);
extern void ls_pending_spoil(const char *model, const LsChange *changes, int n);
extern void ls_pending_copy_down(void);

/* Rows that this transaction has written. */
extern bool ls_pending_is_superseded(HeapTuple tuple);
extern void ls_pending_note_reading(void);
extern bool ls_pending_was_read(HeapTuple tuple);

extern void ls_pending_commit_subxact(void);
extern void ls_pending_abort_subxact(void);
extern void ls_pending_forget(void);

#endif /* LS_PENDING_H */
