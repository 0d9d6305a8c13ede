/*
 * ls_engagement_change.c: next_change(state, as_of, since, fit): when a score
 * next changes by itself.
 *
 * What jumps is known: windows that close, matches that expire, silence. What
 * fades continuously matters where the total, or a sub-score, crosses a
 * threshold. That moment is approached from the left: at each step, no threshold
 * can be reached before the distance to it, divided by the fastest that points
 * can fade from there on. So the answer may be early, never late.
 */
#include "ls_engagement.h"

#include "ls_band.h"
#include "ls_compat.h"
#include "ls_decay.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ls_sql_next_change);

#define MAX_STEPS 64
#define NEAR_US USECS_PER_SEC

/* Scores are rounded to 6 decimals before they are compared, or added up. */
#define ROUNDING 5e-7

/* LsFading: a score, and bounds on how it moves, in points a second. */
typedef struct LsFading
{
	const char *score;
	double points;
	double falling;
	double rising;
	double slack; /* by which rounding may have moved it */
} LsFading;

/* next_jump: the earliest moment at which a rule gives something else. */
static int64
next_jump(const LsEngagement *engagement, const LsMoment *moment)
{
	static const LsSection empty = {.unless_us = PG_INT64_MIN};
	int64 next_us = PG_INT64_MAX;

	for (int i = 0; i < engagement->nrules; i++)
	{
		const LsBehaviour *rule = &engagement->rules[i];
		const LsSection *section =
			rule->track < 0 ? &empty : &engagement->sections[rule->track];

		next_us = Min(next_us, ls_timing_next(&rule->timing, section, moment));
	}
	return next_us;
}

/* rates_of: how a sub-score moves; its points are yet to be found. */
static LsFading
rates_of(const LsEngagement *engagement, const LsMoment *moment, bool is_intent)
{
	LsFading fading = {.score = is_intent ? "intent" : "engagement"};

	for (int i = 0; i < engagement->nrules; i++)
	{
		const LsBehaviour *rule = &engagement->rules[i];

		if (rule->row->is_intent == is_intent && rule->track >= 0)
			ls_timing_rates(&rule->timing,
							&engagement->sections[rule->track],
							moment,
							&fading.falling,
							&fading.rising);
	}
	return fading;
}

static bool
is_fading(const LsFading *fading)
{
	return fading->falling > 0 || fading->rising > 0;
}

static void
add_weighted(LsFading *total, const LsFading *part, double weight)
{
	total->points += weight * part->points;
	total->slack += fabs(weight) * ROUNDING;
	total->falling += weight > 0 ? weight * part->falling : -weight * part->rising;
	total->rising += weight > 0 ? weight * part->rising : -weight * part->falling;
}

/* secs_to_any: how long the score certainly stays between these thresholds. */
static double
secs_to_any(List *thresholds, const LsFading *fading)
{
	double least = INFINITY;
	ListCell *cell;

	foreach(cell, thresholds)
	{
		const LsThresholdRow *threshold = lfirst(cell);
		double above = fading->points - (threshold->min_score - ROUNDING);
		double rate = above >= 0 ? fading->falling : fading->rising;

		if (ls_band_is_of(threshold, fading->score) && rate > 0)
			least = Min(least, Max(fabs(above) - fading->slack, 0) / rate);
	}
	return least;
}

/* secs_to_threshold: of the model, or in a condition of its lifecycle. */
static double
secs_to_threshold(const LsModel *model, const LsFading *fading)
{
	return Min(secs_to_any(model->thresholds, fading),
			   secs_to_any(model->watched, fading));
}

/*
 * secs_to_rounding: how long the score, rounded, certainly stays what it is: what
 * is left to fade may be too little to change it ever.
 */
static double
secs_to_rounding(const LsFading *fading)
{
	double above = fading->points - (rint(fading->points * 1e6) / 1e6 - ROUNDING);
	double least = INFINITY;

	if (fading->falling > 0)
		least = Max(above, 0) / fading->falling;
	if (fading->rising > 0)
		least = Min(least, Max(2 * ROUNDING - above, 0) / fading->rising);
	return least;
}

/*
 * secs_unchanged: the same for all scores. The total is made of rounded ones, and of
 * the rest, which does not fade.
 */
static double
secs_unchanged(LsEngagement *engagement, const LsMoment *moment, double rest)
{
	const LsModelRow *row = engagement->model->row;
	LsFading behaviour = rates_of(engagement, moment, false);
	LsFading intent = rates_of(engagement, moment, true);
	LsFading total = {.score = "total", .points = rest};
	double secs;

	if (!is_fading(&behaviour) && !is_fading(&intent))
		return INFINITY;
	behaviour.points = ls_engagement_points(engagement, moment, false);
	intent.points = ls_engagement_points(engagement, moment, true);
	add_weighted(&total, &behaviour, row->engagement_weight);
	add_weighted(&total, &intent, row->intent_weight);
	total.points = ls_points_clamp(total.points, row->total);
	secs = Max(secs_to_threshold(engagement->model, &total),
			   Min(secs_to_rounding(&behaviour), secs_to_rounding(&intent)));
	secs = Min(secs, secs_to_threshold(engagement->model, &behaviour));
	return Min(secs, secs_to_threshold(engagement->model, &intent));
}

/* next_crossing: of a threshold, before `end_us`; else end_us. */
static int64
next_crossing(LsEngagement *engagement, LsMoment moment, double rest, int64 end_us)
{
	int64 start_us = moment.now_us;

	for (int i = 0; i < MAX_STEPS; i++)
	{
		double secs = secs_unchanged(engagement, &moment, rest);
		double left = (double) ls_decay_age(end_us, moment.now_us);

		if (!(secs * 1e6 < left))
			return end_us;
		if (secs * 1e6 < NEAR_US)
			break;
		moment.now_us += (int64) (secs * 1e6);
	}
	return Max(moment.now_us, start_us + 1);
}

/*
 * ls_engagement_next_change: of a state that is open; INT64_MAX = never.
 * adjustment: points that are added to the total.
 */
int64
ls_engagement_next_change(LsEngagement *engagement,
						  const LsMoment *moment,
						  double fit,
						  double adjustment)
{
	double rest = engagement->model->row->fit_weight * fit + adjustment;

	return next_crossing(engagement, *moment, rest, next_jump(engagement, moment));
}

/*
 * next_change(state engagement, as_of timestamptz, since timestamptz, fit float8)
 * -> timestamptz; NULL = never
 */
Datum
ls_sql_next_change(PG_FUNCTION_ARGS)
{
	const LsState *state;
	LsMoment moment;
	LsEngagement *engagement = ls_engagement_open_call(fcinfo, &state, &moment);
	int64 next_us;

	if (engagement == NULL)
		PG_RETURN_NULL();
	next_us = ls_engagement_next_change(engagement,
										&moment,
										PG_ARGISNULL(3) ? 0 : PG_GETARG_FLOAT8(3),
										0);
	ls_engagement_close(engagement);
	next_us = Min(next_us, state->until_us);
	if (!IS_VALID_TIMESTAMP(next_us))
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(next_us);
}
