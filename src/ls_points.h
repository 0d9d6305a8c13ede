/*
 * ls_points.h: arithmetic of points: the same in C and in to_sql.
 */
#ifndef LS_POINTS_H
#define LS_POINTS_H

#include <math.h>
#include <stdbool.h>

/* LsLimits: a clamp; a missing bound is -INFINITY or INFINITY. */
typedef struct LsLimits
{
	double min;
	double max;
} LsLimits;

/*
 * ls_points_clamp: the maximum wins where both bounds cross, as
 * LEAST(GREATEST(points, min), max) does.
 */
static inline double
ls_points_clamp(double points, LsLimits limits)
{
	if (points < limits.min)
		points = limits.min;
	if (points > limits.max)
		points = limits.max;
	return points;
}

/*
 * ls_points_round: to 6 decimals, half to even, as
 * round(points * 1e6) / 1e6 does in SQL. False where that is out of range.
 */
static inline bool
ls_points_round(double points, double *rounded)
{
	double scaled = points * 1e6;

	if (!isfinite(scaled))
		return false;
	*rounded = rint(scaled) / 1e6;
	if (*rounded == 0)
		*rounded = 0; /* no -0 */
	return true;
}

#endif /* LS_POINTS_H */
