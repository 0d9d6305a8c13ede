/*
 * ls_apply.h: bring rows of <model>_score up to date, many at once.
 */
#ifndef LS_APPLY_H
#define LS_APPLY_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "ls_engagement_state.h"
#include "ls_key.h"
#include "ls_objects.h"

typedef enum LsOutcome
{
	LS_SCORED,	  /* fit is known */
	LS_FAILED,	  /* a condition raised: problem */
	LS_GONE,	  /* no contact, or not of the population: no row */
	LS_RECOMPUTE, /* look at the contacts */
} LsOutcome;

/* LsChange: what a score row must become. */
typedef struct LsChange
{
	LsKey key;
	LsOutcome outcome;
	double fit;
	const LsState *state; /* NULL where the model has no engagement rules */
	double engagement;
	double intent;
	TimestampTz since;		   /* when the contact came to be; -infinity = unknown */
	TimestampTz last_activity; /* -infinity = none */
	TimestampTz due_at;		   /* infinity = never */
	const char *problem;
	int64 stamp;  /* of the rules that said so */
	bool applied; /* written already, should its subtransaction commit */
} LsChange;

extern void ls_apply_evaluate(LsModel *model,
							  const LsTableMap *map,
							  HeapTuple contact,
							  TimestampTz as_of,
							  LsChange *change);
extern void ls_apply_ensure(const LsObjects *objects, const LsChange *changes, int n);
extern void ls_apply_changes(const LsObjects *objects,
							 LsChange *changes,
							 int n,
							 bool is_locked);
extern void ls_apply_queue(const LsObjects *objects,
						   const LsChange *changes,
						   int n,
						   const char *reason);
extern int ls_apply_found(const LsObjects *objects, LsChange **changes);
extern Datum ls_apply_keys(const LsObjects *objects, const LsChange *changes, int n);
extern int ls_apply_compare(const void *a, const void *b);
extern int ls_apply_orphans(const LsObjects *objects,
							const LsKey *last,
							LsChange **changes);
extern void ls_apply_sweep(const LsObjects *objects);
extern void ls_apply_problem(const LsObjects *objects,
							 LsChange *change,
							 const char *problem);

/* ls_apply_state.c */
extern TimestampTz ls_apply_since(const LsModel *model,
								  TupleDesc desc,
								  HeapTuple contact);
extern void ls_apply_states(const LsObjects *objects,
							LsChange *changes,
							int n,
							TimestampTz as_of);

/* ls_apply_write.c */
extern void ls_apply_upsert(const LsObjects *objects,
							const LsChange *changes,
							int n,
							TimestampTz as_of);
extern Datum ls_apply_some_keys(const LsObjects *objects,
								const LsChange *changes,
								int n,
								int outcomes);

#define LS_ANY_OUTCOME (~0)
#define LS_OUTCOME(outcome) (1 << (outcome))

#endif /* LS_APPLY_H */
