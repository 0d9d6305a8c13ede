/*
 * ls_pending.h: what the transaction at hand has changed and not yet applied.
 */
#ifndef LS_PENDING_H
#define LS_PENDING_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "ls_apply.h"

#define LS_WAS_OFF "lead_scoring.apply was off"

/* LsPendingModel: the changes of one model. */
typedef struct LsPendingModel
{
	char *model;
	Oid key_type;
	const char *everyone; /* why all contacts are stale; NULL = they are not */
	bool sweep;			  /* contacts were truncated: look for orphans */
	bool swept;			  /* that was done, should the subtransaction commit */
	bool queue;			  /* leave it all to the next refresh: lead_scoring.apply */
	int n;
	int room;
	LsChange *changes; /* the keys are distinct */
	struct LsKeyTable *table;
} LsPendingModel;

extern LsPendingModel *ls_pending_model(const char *model, Oid key_type);
extern void ls_pending_add(LsPendingModel *pending, const LsChange *change);
extern void ls_pending_sweep(LsPendingModel *pending, bool truncated);
extern List *ls_pending_models(void);
extern LsPendingModel *ls_pending_take(LsPendingModel *pending);
extern bool ls_pending_is_empty(const LsPendingModel *pending);
extern bool ls_pending_any(void);
extern bool ls_pending_has(const char *model, LsKey key);
extern void ls_pending_copy_down(void);

extern void ls_pending_commit_subxact(void);
extern void ls_pending_abort_subxact(void);
extern void ls_pending_forget(void);

#endif /* LS_PENDING_H */
