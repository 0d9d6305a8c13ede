/*
 * ls_engagement_next.c: when a rule's points change by themselves, and how fast
 * they fade meanwhile.
 */
#include "ls_engagement_timing.h"

#include "ls_decay.h"

#include <math.h>

/* sooner: a moment is a candidate if it is still to come. */
static inline void
sooner(int64_t *next_us, int64_t now_us, int64_t us)
{
	if (us > now_us && us < *next_us)
		*next_us = us;
}

/* next_multiple: the first multiple beyond an age; the largest age where none is. */
static int64_t
next_multiple(int64_t age_us, int64_t every_us)
{
	return ls_decay_later(age_us - age_us % every_us, every_us);
}

/* next_decay: when a match that counts loses a step, or its last point. */
static void
next_decay(const LsTiming *timing, int64_t at_us, int64_t now_us, int64_t *next_us)
{
	int64_t age_us = ls_decay_age(now_us, at_us);
	int64_t end_us = INT64_MAX;

	if (timing->half_life_us > 0)
	{
		if (__builtin_mul_overflow(timing->half_life_us, LS_DECAY_HALF_LIVES, &end_us))
			return;
		end_us = ls_decay_later(end_us, 1);
	}
	else if (timing->linear_over_us > 0)
		end_us = timing->linear_over_us;
	else if (timing->decay_every_us > 0)
	{
		if (ls_decay_steps(age_us, timing->decay_percent, timing->decay_every_us) > 0)
			end_us = next_multiple(age_us, timing->decay_every_us);
	}
	else if (timing->expires_after_us > 0)
		end_us = timing->expires_after_us;
	if (end_us != INT64_MAX)
		sooner(next_us, now_us, ls_decay_later(at_us, end_us));
}

/* next_list: matches come of age, leave the window, fade. */
static void
next_list(const LsTiming *timing,
		  const LsSection *section,
		  int64_t now_us,
		  int64_t *next_us)
{
	sooner(next_us, now_us, section->unless_us);
	for (int i = 0; i < section->n; i++)
	{
		int64_t at_us = section->times_us[i];

		sooner(next_us, now_us, ls_decay_later(at_us, timing->after_us));
		if (timing->within_us > 0)
			sooner(next_us, now_us, ls_decay_later(at_us, timing->within_us));
		if (at_us <= now_us)
			next_decay(timing, at_us, now_us, next_us);
	}
}

/* next_inactive: silence begins, ends, lasts long enough. */
static void
next_inactive(const LsTiming *timing,
			  const LsSection *section,
			  const LsMoment *moment,
			  int64_t *next_us)
{
	int64_t now_us = moment->now_us;
	int64_t last_us;
	int64_t since_us = ls_timing_silent_since(timing, section, moment, &last_us);
	int64_t due_us;
	int64_t age_us;

	for (int i = 0; i < section->n; i++)
		sooner(next_us, now_us, section->times_us[i]);
	if (timing->track == NULL)
		sooner(next_us, now_us, moment->last_activity_us);
	if (timing->if_never_created)
		sooner(next_us, now_us, moment->since_us);
	if (since_us == INT64_MIN)
		return;
	due_us = ls_decay_later(since_us, timing->within_us);
	sooner(next_us, now_us, due_us);
	if (timing->repeat_every_us == 0 || due_us > now_us)
		return;
	age_us = ls_decay_age(now_us, due_us);
	if (timing->max_count < 0 ||
		age_us / timing->repeat_every_us < timing->max_count - 1)
		sooner(next_us,
			   now_us,
			   ls_decay_later(due_us, next_multiple(age_us, timing->repeat_every_us)));
}

static void
next_sequence(const LsTiming *timing,
			  const LsSection *section,
			  int64_t now_us,
			  int64_t *next_us)
{
	int64_t end_us;

	sooner(next_us, now_us, section->unless_us);
	for (int i = 0; i < section->n; i++)
		sooner(next_us, now_us, section->times_us[i]);
	if (timing->expires_after_us > 0 &&
		ls_timing_completed(timing, section, now_us, &end_us))
		sooner(next_us, now_us, ls_decay_later(end_us, timing->expires_after_us));
}

static void
next_streak(const LsTiming *timing,
			const LsSection *section,
			int64_t now_us,
			int64_t *next_us)
{
	sooner(next_us, now_us, section->unless_us);
	for (int i = 0; i < section->n; i++)
	{
		int64_t at_us = section->times_us[i];

		sooner(next_us, now_us, at_us);
		sooner(next_us, now_us, ls_decay_later(at_us, timing->track->grace_us));
		if (timing->within_us > 0)
			sooner(next_us, now_us, ls_decay_later(at_us, timing->within_us));
	}
}

/*
 * ls_timing_next: the earliest later moment at which the rule may give something
 * else, but for continuous decay; INT64_MAX = never. It may be early, never late.
 */
int64_t
ls_timing_next(const LsTiming *timing, const LsSection *section, const LsMoment *moment)
{
	int64_t next_us = INT64_MAX;

	switch (timing->kind)
	{
		case LS_TIMING_EACH:
		case LS_TIMING_EACH_SUM:
		case LS_TIMING_COUNT:
			next_list(timing, section, moment->now_us, &next_us);
			break;
		case LS_TIMING_INACTIVE:
			next_inactive(timing, section, moment, &next_us);
			break;
		case LS_TIMING_SEQUENCE:
			next_sequence(timing, section, moment->now_us, &next_us);
			break;
		case LS_TIMING_STREAK:
			next_streak(timing, section, moment->now_us, &next_us);
			break;
	}
	return next_us;
}

/*
 * ls_timing_rates: bounds on the points that continuous decay takes (falling)
 * and gives back, where points are negative (rising), in a second from the
 * moment on. Decay only gets slower with time.
 */
void
ls_timing_rates(const LsTiming *timing,
				const LsSection *section,
				const LsMoment *moment,
				double *falling,
				double *rising)
{
	bool is_sum = timing->kind == LS_TIMING_EACH_SUM;

	if ((timing->kind != LS_TIMING_EACH && !is_sum) ||
		(timing->half_life_us == 0 && timing->linear_over_us == 0))
		return;
	for (int i = 0; i < section->n; i++)
	{
		int64_t at_us = section->times_us[i];
		double points = timing->points;
		double rate;

		if (section->columns & LS_SECTION_VALUES)
			points *= section->values[i];
		if (timing->half_life_us > 0)
			rate = points * M_LN2 * 1e6 / (double) timing->half_life_us *
				   ls_decay_half_life(ls_decay_age(moment->now_us, at_us),
									  timing->half_life_us);
		else
			rate = points * 1e6 / (double) timing->linear_over_us;
		if (at_us > moment->now_us)
			continue;
		*(rate > 0 ? falling : rising) += fabs(rate);
	}
}
