/*
 * ls_engagement_timing.c: what a rule gives as of a moment. The boundaries are
 * those of README.md: a match counts while its age is below `within`.
 */
#include "ls_engagement_timing.h"

#include "ls_decay.h"

#include <math.h>

static const LsTally nothing = {.last_us = INT64_MIN};

/* decay: what is left of a match's points at an age. */
static inline double
decay(const LsTiming *timing, int64_t age_us)
{
	if (timing->half_life_us > 0)
		return ls_decay_half_life(age_us, timing->half_life_us);
	if (timing->linear_over_us > 0)
		return ls_decay_linear(age_us, timing->linear_over_us);
	if (timing->decay_every_us > 0)
		return ls_decay_steps(age_us, timing->decay_percent, timing->decay_every_us);
	if (timing->expires_after_us > 0)
		return age_us < timing->expires_after_us ? 1 : 0;
	return 1;
}

static bool
is_repeated(const LsSection *section, int i, int first)
{
	for (int j = first; j < i; j++)
		if (section->keys[j] == section->keys[i])
			return true;
	return false;
}

/* LsWalk: over the matches of a list that are kept at a moment. */
typedef struct LsWalk
{
	const LsTiming *timing;
	const LsSection *section;
	int64_t now_us;
	int first; /* the latest that is old enough */
	int i;
	int64_t age_us; /* of match i - 1 */
} LsWalk;

static inline void
begin_walk(LsWalk *walk,
		   const LsTiming *timing,
		   const LsSection *section,
		   int64_t now_us)
{
	int i = 0;

	while (i < section->n &&
		   (section->times_us[i] > now_us ||
			ls_decay_age(now_us, section->times_us[i]) < timing->after_us))
		i++;
	walk->timing = timing;
	walk->section = section;
	walk->now_us = now_us;
	walk->first = i;
	walk->i = i;
}

/* next_match: the next older one that is kept; false where there is none. */
static inline bool
next_match(LsWalk *walk)
{
	const LsSection *section = walk->section;

	while (walk->i < section->n)
	{
		int i = walk->i++;
		int64_t at_us = section->times_us[i];

		walk->age_us = ls_decay_age(walk->now_us, at_us);
		if (walk->timing->within_us > 0 && walk->age_us >= walk->timing->within_us)
			return false;
		if (at_us <= section->unless_us && section->unless_us <= walk->now_us)
			return false;
		if (walk->timing->after_us == 0 || !(section->columns & LS_SECTION_KEYS) ||
			!is_repeated(section, i, walk->first))
			return true;
	}
	return false;
}

static void
tally_each(const LsTiming *timing,
		   const LsSection *section,
		   const LsMoment *moment,
		   LsTally *tally)
{
	double sum = 0;
	int used = 0;
	LsWalk walk;

	begin_walk(&walk, timing, section, moment->now_us);
	while (used < timing->max_count && next_match(&walk))
	{
		double left = decay(timing, walk.age_us);

		if (used++ == 0)
			tally->last_us = section->times_us[walk.i - 1];
		if (left <= 0)
			continue;
		tally->occurrences++;
		sum += section->columns & LS_SECTION_VALUES ? left * section->values[walk.i - 1]
													: left;
	}
	tally->points = timing->points * sum;
	tally->is_counted = tally->occurrences > 0;
}

static void
tally_sum(const LsTiming *timing,
		  const LsSection *section,
		  const LsMoment *moment,
		  LsTally *tally)
{
	double left;
	double sum;

	if (section->n == 0 || section->times_us[0] > moment->now_us)
		return;
	tally->last_us = section->times_us[0];
	left = decay(timing, ls_decay_age(moment->now_us, tally->last_us));
	if (left <= 0)
		return;
	sum = section->columns & LS_SECTION_VALUES ? section->values[0]
											   : (double) section->keys[0];
	tally->points = timing->points * left * sum;
	tally->occurrences = (int64_t) section->keys[0];
	tally->is_counted = true;
}

static void
tally_count(const LsTiming *timing,
			const LsSection *section,
			const LsMoment *moment,
			LsTally *tally)
{
	LsWalk walk;

	begin_walk(&walk, timing, section, moment->now_us);
	while (next_match(&walk))
		if (tally->occurrences++ == 0)
			tally->last_us = section->times_us[walk.i - 1];
	if (tally->occurrences < timing->at_least ||
		(timing->at_most >= 0 && tally->occurrences > timing->at_most))
		return;
	tally->points = timing->points;
	tally->is_counted = tally->occurrences > 0;
}

/*
 * ls_timing_silent_since: the moment from which silence counts; INT64_MIN = it
 * does not. `last_us` = the match that it began with, INT64_MIN = none.
 */
int64_t
ls_timing_silent_since(const LsTiming *timing,
					   const LsSection *section,
					   const LsMoment *moment,
					   int64_t *last_us)
{
	*last_us = INT64_MIN;
	if (timing->track == NULL && moment->last_activity_us <= moment->now_us)
		*last_us = moment->last_activity_us;
	for (int i = 0; i < section->n && *last_us == INT64_MIN; i++)
		if (section->times_us[i] <= moment->now_us)
			*last_us = section->times_us[i];
	if (*last_us != INT64_MIN)
		return *last_us;
	return timing->if_never_created && moment->since_us <= moment->now_us
			   ? moment->since_us
			   : INT64_MIN;
}

static void
tally_inactive(const LsTiming *timing,
			   const LsSection *section,
			   const LsMoment *moment,
			   LsTally *tally)
{
	int64_t since_us = ls_timing_silent_since(timing, section, moment, &tally->last_us);
	int64_t age_us;

	if (since_us == INT64_MIN)
		return;
	age_us = ls_decay_age(moment->now_us, since_us);
	if (age_us < timing->within_us)
		return;
	tally->occurrences = 1;
	if (timing->repeat_every_us > 0)
		tally->occurrences += (age_us - timing->within_us) / timing->repeat_every_us;
	if (timing->max_count > 0 && tally->occurrences > timing->max_count)
		tally->occurrences = timing->max_count;
	tally->points = timing->points * (double) tally->occurrences;
}

/*
 * ls_timing_completed: was the sequence completed, and when last?
 */
bool
ls_timing_completed(const LsTiming *timing,
					const LsSection *section,
					int64_t now_us,
					int64_t *end_us)
{
	int n = section->n;

	/* Should the voiding event lie ahead, what it will void still counts. */
	while (n > 0 && section->unless_us <= now_us &&
		   section->times_us[n - 1] <= section->unless_us)
		n--;
	return ls_sequence_completed(timing->track,
								 section->times_us,
								 section->steps,
								 n,
								 now_us,
								 end_us);
}

static void
tally_sequence(const LsTiming *timing,
			   const LsSection *section,
			   const LsMoment *moment,
			   LsTally *tally)
{
	int64_t end_us;

	if (!ls_timing_completed(timing, section, moment->now_us, &end_us))
		return;
	tally->last_us = end_us;
	if (timing->expires_after_us > 0 &&
		ls_decay_age(moment->now_us, end_us) >= timing->expires_after_us)
		return;
	tally->occurrences = 1;
	tally->points = timing->points;
	tally->is_counted = true;
}

/* ---- streaks ---------------------------------------------------------- */

static bool
was_hit(const LsSection *section, uint64_t key, int64_t now_us)
{
	for (int i = section->n - 1; i >= 0; i--)
		if (section->steps[i] == LS_FACT_HIT && section->keys[i] == key)
			return section->times_us[i] <= now_us;
	return false;
}

/* count_tied: occasions at the moment of occasion i, hit and missed; gives the
 * position behind them. */
static int
count_tied(const LsTiming *timing,
		   const LsSection *section,
		   int64_t now_us,
		   int i,
		   int *hits,
		   int *misses)
{
	int64_t at_us = section->times_us[i];

	*hits = *misses = 0;
	for (; i < section->n && section->times_us[i] == at_us; i++)
	{
		if (section->steps[i] != LS_FACT_MATCH)
			continue;
		if (was_hit(section, section->keys[i], now_us))
			(*hits)++;
		else if (ls_decay_age(now_us, at_us) >= timing->track->grace_us)
			(*misses)++;
	}
	return i;
}

static void
tally_streak(const LsTiming *timing,
			 const LsSection *section,
			 const LsMoment *moment,
			 LsTally *tally)
{
	for (int i = 0; i < section->n && tally->occurrences < timing->at_least;)
	{
		int64_t at_us = section->times_us[i];
		int64_t age_us = ls_decay_age(moment->now_us, at_us);
		int hits;
		int misses;

		if (at_us > moment->now_us)
		{
			i++;
			continue;
		}
		if ((timing->within_us > 0 && age_us >= timing->within_us) ||
			(at_us <= section->unless_us && section->unless_us <= moment->now_us))
			break;
		i = count_tied(timing, section, moment->now_us, i, &hits, &misses);
		if (hits > 0 && tally->last_us == INT64_MIN)
			tally->last_us = at_us;
		tally->occurrences += hits;
		if (misses > 0)
			break;
	}
	if (tally->occurrences < timing->at_least)
		return;
	tally->occurrences = timing->at_least;
	tally->points = timing->points;
	tally->is_counted = true;
}

/*
 * ls_timing_tally: what the rule gives. The section is empty where there are no
 * facts; `requires`, groups and limits are not looked at here.
 */
void
ls_timing_tally(const LsTiming *timing,
				const LsSection *section,
				const LsMoment *moment,
				LsTally *tally)
{
	*tally = nothing;
	switch (timing->kind)
	{
		case LS_TIMING_EACH:
			tally_each(timing, section, moment, tally);
			break;
		case LS_TIMING_EACH_SUM:
			tally_sum(timing, section, moment, tally);
			break;
		case LS_TIMING_COUNT:
			tally_count(timing, section, moment, tally);
			break;
		case LS_TIMING_INACTIVE:
			tally_inactive(timing, section, moment, tally);
			break;
		case LS_TIMING_SEQUENCE:
			tally_sequence(timing, section, moment, tally);
			break;
		case LS_TIMING_STREAK:
			tally_streak(timing, section, moment, tally);
			break;
	}
}
