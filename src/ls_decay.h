/*
 * ls_decay.h: how points fade with age. Ages are microseconds, never negative.
 */
#ifndef LS_DECAY_H
#define LS_DECAY_H

#include <math.h>
#include <stdint.h>

/* Beyond so many half-lives nothing is left, as to_sql has it. */
#define LS_DECAY_HALF_LIVES 1000

/*
 * ls_decay_age: from one moment to a later one; the largest age where the
 * difference does not fit.
 */
static inline int64_t
ls_decay_age(int64_t now_us, int64_t at_us)
{
	int64_t age_us;

	return __builtin_sub_overflow(now_us, at_us, &age_us) ? INT64_MAX : age_us;
}

/* ls_decay_later: a moment plus a time; the end of time where it does not fit. */
static inline int64_t
ls_decay_later(int64_t at_us, int64_t time_us)
{
	int64_t later_us;

	return __builtin_add_overflow(at_us, time_us, &later_us) ? INT64_MAX : later_us;
}

/* ls_decay_half_life: 2^-(age / half-life). */
static inline double
ls_decay_half_life(int64_t age_us, int64_t half_life_us)
{
	double half_lives = (double) age_us / (double) half_life_us;

	return half_lives > LS_DECAY_HALF_LIVES ? 0 : exp2(-half_lives);
}

/* ls_decay_linear: from 1 in a line to 0 at that age. */
static inline double
ls_decay_linear(int64_t age_us, int64_t over_us)
{
	return age_us >= over_us ? 0 : 1 - (double) age_us / (double) over_us;
}

/* ls_decay_steps: percent of the whole go with each full step. */
static inline double
ls_decay_steps(int64_t age_us, double percent, int64_t every_us)
{
	double left = 1 - percent / 100 * (double) (age_us / every_us);

	return left < 0 ? 0 : left;
}

#endif /* LS_DECAY_H */
