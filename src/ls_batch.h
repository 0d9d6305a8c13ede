/*
 * ls_batch.h: a batch of contacts that refresh or rescore brings up to date.
 */
#ifndef LS_BATCH_H
#define LS_BATCH_H

#include "postgres.h"

#include "storage/lock.h"

#include "ls_apply.h"

/* LsRun: one call of refresh or rescore. */
typedef struct LsRun
{
	const char *model;
	bool commits; /* a transaction for each batch */
	bool alone;	  /* nobody can write contacts or scores meanwhile */
	LsObjects *objects;
	Oid key_type;		   /* of its keys; InvalidOid before the first batch */
	MemoryContext context; /* of the run */
	MemoryContext batch;   /* of the batch at hand */
	LsGuard guard;
	bool is_activation; /* contacts that are there already enter the lifecycle */
	LsCause cause;		/* rescore: why everyone is looked at */
	bool fire_actions;	/* also for what is true by now because rules changed */
	const char *what;	/* refresh or rescore */
	uint64 done;
	uint64 total;		/* contacts to look at; 0 = not counted */
	uint64 done_before; /* by the run that this one goes on with */
	uint64 surveying;	/* contacts of the slice to be read next, about; 0 = none */
	bool is_walking;	/* in the order of the keys */
	int64 stamp;		/* rescore: of the rules when it began */
	bool is_last;		/* rescore: nobody who writes has seen other rules */
	bool has_mixed;		/* rescore: it is known that there are scores ... */
	int64 mixed_stamp;	/* ... by these rules, too */
	int64 mark;			/* rescore: row of the queue for everyone; 0 = none */
	int64 progress_id;	/* of its row, which is locked; 0 = none */
	LOCKTAG progress_tag;
	bool has_left; /* others of the model that were interrupted have left rows */
	bool is_over;
	TimestampTz reported;
	bool has_last; /* rescore: the key reached so far */
	Datum last;
	bool
		has_end; /* rescore: where the slice at hand ends; else with the last contact */
	Datum end;
	bool knows_orphans; /* rescore: all scores were looked at so far, and ... */
	bool has_orphans;	/* ... some are of nobody */
	struct LsSurveyStore *survey; /* who is to be looked at; NULL = all of the slice */
	TimestampTz until;			  /* refresh: who is due by now */
	int ngiven_up;
	LsChange *given_up; /* contacts whose score cannot be written, in order */
} LsRun;

extern void ls_batch_begin(LsRun *run);
extern void ls_batch_end(LsRun *run);
extern void ls_batch_apply(LsRun *run, LsChange *changes, int n);
extern void ls_batch_recompute(LsRun *run, LsChange *changes, int n);
extern void ls_batch_sweep(LsRun *run);
extern void ls_batch_report(LsRun *run);
extern void ls_batch_set_silent(const LsRun *run, LsChange *changes, int n);

/* ls_batch_lookup.c */
extern void ls_batch_lock_lookups(const LsRun *run);
extern void ls_batch_drain_lookups(LsRun *run);
extern bool ls_batch_pass_lookups(const LsRun *run, const LsChange *changes, int n);

#endif /* LS_BATCH_H */
