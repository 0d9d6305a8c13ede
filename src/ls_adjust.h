/*
 * ls_adjust.h: what people say of a contact by hand: rows of <model>_adjustment.
 */
#ifndef LS_ADJUST_H
#define LS_ADJUST_H

#include "postgres.h"

#include "ls_apply.h"

/* LsAdjustment: what the rows of one contact come to, as of a moment. */
typedef struct LsAdjustment
{
	double points;			/* added to the total */
	bool is_excluded;		/* not scored at all */
	TimestampTz reset_at;	/* events before it do not count; -infinity = all do */
	TimestampTz same_from;	/* the reset is the same from here ... */
	TimestampTz same_until; /* ... until here; -infinity, infinity = for ever */
	TimestampTz changes_at; /* when any row begins or ends; infinity = never */
} LsAdjustment;

/* Upkeep itself deletes from the table; its triggers need not look. */
extern bool ls_adjust_is_removing;

extern bool ls_adjust_is_empty(const LsObjects *objects);
extern bool ls_adjust_is_silent(const LsObjects *objects, LsKey key);
extern void ls_adjust_lock(const LsObjects *objects);
extern void ls_adjust_read(const LsObjects *objects,
						   LsChange *changes,
						   int n,
						   TimestampTz as_of);
extern void ls_adjust_exclude(LsChange *changes, int n);
extern void ls_adjust_due(LsChange *changes, int n);
extern void ls_adjust_confirm(const LsObjects *objects,
							  const LsChange *changes,
							  int n,
							  TimestampTz as_of);
extern void ls_adjust_bound_state(const LsChange *change);
extern Datum ls_adjust_resets(const LsChange *changes, int n);
extern int ls_adjust_returned(const LsObjects *objects,
							  const Datum *last,
							  TimestampTz as_of,
							  int limit,
							  LsChange **changes);

/* ls_adjust_points: what is added to the total of the contact. */
static inline double
ls_adjust_points(const LsChange *change)
{
	return change->adjustment == NULL ? 0 : change->adjustment->points;
}

/*
 * ls_adjust_has_reset: do some of the contact's events not count? Then new ones must
 * not be joined to its state unseen.
 */
static inline bool
ls_adjust_has_reset(const LsChange *change)
{
	return change->adjustment != NULL && change->adjustment->reset_at != DT_NOBEGIN;
}

#endif /* LS_ADJUST_H */
