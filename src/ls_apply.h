/*
 * ls_apply.h: bring rows of <model>_score up to date, many at once.
 */
#ifndef LS_APPLY_H
#define LS_APPLY_H

#include "postgres.h"

#include "datatype/timestamp.h"

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

#endif /* LS_APPLY_H */
