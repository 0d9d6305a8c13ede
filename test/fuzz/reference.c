/*
 * reference.c: what rules give, by the letter, from all facts. Slow, and written
 * from the text: it shares nothing with what is tested but the types.
 */
#include "fuzz.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Matches: what is left of them, the latest first. */
typedef struct Matches
{
	LsFact items[FUZZ_MAX_FACTS];
	int n;
} Matches;

static int
later_first(const void *pa, const void *pb)
{
	const LsFact *a = pa;
	const LsFact *b = pb;

	if (a->at_us != b->at_us)
		return a->at_us > b->at_us ? -1 : 1;
	return a->value > b->value ? -1 : a->value < b->value;
}

static __int128
age_of(const LsFact *fact, int64_t now_us)
{
	return (__int128) now_us - fact->at_us;
}

static bool
is_of(const FuzzCase *fc, const LsTiming *rule, const LsFact *fact)
{
	return &fc->tracks[fact->track] == rule->track;
}

/* voided_until: the latest event that voids; INT64_MIN where there is none. */
static int64_t
voided_until(const FuzzCase *fc, const LsTiming *rule, int64_t now_us)
{
	int64_t us = INT64_MIN;

	for (int i = 0; i < fc->n; i++)
		if (is_of(fc, rule, &fc->facts[i]) && fc->facts[i].what == LS_FACT_UNLESS &&
			fc->facts[i].at_us <= now_us && fc->facts[i].at_us > us)
			us = fc->facts[i].at_us;
	return us;
}

/* collect: after, unless, within. */
static void
collect(const FuzzCase *fc,
		const LsTiming *rule,
		int64_t now_us,
		int64_t within_us,
		Matches *matches)
{
	int64_t void_us = voided_until(fc, rule, now_us);

	matches->n = 0;
	for (int i = 0; i < fc->n; i++)
	{
		const LsFact *fact = &fc->facts[i];
		__int128 age_us = age_of(fact, now_us);

		if (!is_of(fc, rule, fact) || fact->what == LS_FACT_UNLESS ||
			(rule->track->kind == LS_TRACK_STREAK && fact->what == LS_FACT_HIT))
			continue;
		if (age_us < 0 || age_us < rule->after_us || fact->at_us <= void_us)
			continue;
		if (within_us == 0 || age_us < within_us)
			matches->items[matches->n++] = *fact;
	}
	qsort(matches->items, matches->n, sizeof(LsFact), later_first);
}

static void
make_distinct(Matches *matches)
{
	int left = 0;

	for (int i = 0; i < matches->n; i++)
	{
		bool is_known = false;

		for (int j = 0; j < left; j++)
			is_known |= matches->items[j].key == matches->items[i].key;
		if (!is_known)
			matches->items[left++] = matches->items[i];
	}
	matches->n = left;
}

static double
decay_of(const LsTiming *rule, __int128 age_us)
{
	double age = (double) age_us;

	if (rule->half_life_us > 0)
		return age / rule->half_life_us > 1000 ? 0 : pow(0.5, age / rule->half_life_us);
	if (rule->linear_over_us > 0)
		return fmax(0, 1 - age / rule->linear_over_us);
	if (rule->decay_every_us > 0)
		return fmax(0,
					1 - rule->decay_percent / 100 *
							(double) (age_us / rule->decay_every_us));
	return rule->expires_after_us > 0 && age_us >= rule->expires_after_us ? 0 : 1;
}

static void
tally_each(const FuzzCase *fc, const LsTiming *rule, int64_t now_us, LsTally *tally)
{
	Matches matches;
	double sum = 0;

	collect(fc, rule, now_us, rule->within_us, &matches);
	if (rule->track->has_key)
		make_distinct(&matches);
	if (rule->max_count > 0 && matches.n > rule->max_count)
		matches.n = rule->max_count;
	for (int i = 0; i < matches.n; i++)
	{
		double left = decay_of(rule, age_of(&matches.items[i], now_us));

		sum += left * (rule->track->has_value ? matches.items[i].value : 1);
		tally->occurrences += left > 0;
	}
	tally->points = rule->points * sum;
	tally->is_counted = tally->occurrences > 0;
	tally->last_us = matches.n > 0 ? matches.items[0].at_us : INT64_MIN;
}

static void
tally_count(const FuzzCase *fc, const LsTiming *rule, int64_t now_us, LsTally *tally)
{
	Matches matches;
	bool is_met;

	collect(fc, rule, now_us, rule->within_us, &matches);
	if (rule->track->has_key)
		make_distinct(&matches);
	is_met = (rule->at_least < 0 || matches.n >= rule->at_least) &&
			 (rule->at_most < 0 || matches.n <= rule->at_most);
	tally->points = is_met ? rule->points : 0;
	tally->occurrences = matches.n;
	tally->is_counted = is_met && matches.n > 0;
	tally->last_us = matches.n > 0 ? matches.items[0].at_us : INT64_MIN;
}

static void
tally_inactive(const FuzzCase *fc,
			   const LsTiming *rule,
			   const LsMoment *moment,
			   LsTally *tally)
{
	Matches matches;
	__int128 age_us;

	collect(fc, rule, moment->now_us, 0, &matches);
	tally->last_us = matches.n > 0 ? matches.items[0].at_us : INT64_MIN;
	if (matches.n == 0 &&
		(!rule->if_never_created || moment->since_us == INT64_MIN ||
		 moment->since_us == INT64_MAX || moment->since_us > moment->now_us))
		return;
	age_us = (__int128) moment->now_us -
			 (matches.n > 0 ? matches.items[0].at_us : moment->since_us);
	if (age_us < rule->within_us)
		return;
	tally->occurrences = 1;
	if (rule->repeat_every_us > 0)
		tally->occurrences +=
			(int64_t) ((age_us - rule->within_us) / rule->repeat_every_us);
	if (rule->max_count > 0 && tally->occurrences > rule->max_count)
		tally->occurrences = rule->max_count;
	tally->points = rule->points * (double) tally->occurrences;
}

/* ---- sequences -------------------------------------------------------- */

static int
merge_times(Matches *matches)
{
	int left = 0;

	for (int i = 0; i < matches->n; i++)
		if (left > 0 && matches->items[left - 1].at_us == matches->items[i].at_us)
			matches->items[left - 1].what |= matches->items[i].what;
		else
			matches->items[left++] = matches->items[i];
	return left;
}

static bool
meets(const Matches *matches, int i, int step)
{
	return i < matches->n && matches->items[i].what >> step & 1;
}

/* started: of the sequence that event `end` completes, when could it have begun
 * at the latest? False where it completes none. */
static bool
started(const LsTrack *track, const Matches *matches, int end, int64_t *start_us)
{
	int last = track->nsteps - 1;
	int at = end;

	if (track->order == LS_TRACK_ANY)
	{
		*start_us = INT64_MAX;
		for (int step = 0; step <= last; step++)
		{
			for (at = end; at < matches->n && !meets(matches, at, step);)
				at++;
			if (at == matches->n)
				return false;
			if (matches->items[at].at_us < *start_us)
				*start_us = matches->items[at].at_us;
		}
		return true;
	}
	if (!meets(matches, end, last))
		return false;
	for (int step = last - 1; step >= 0; step--)
	{
		at++;
		while (track->order == LS_TRACK_IN_ORDER && at < matches->n &&
			   !meets(matches, at, step))
			at++;
		if (!meets(matches, at, step))
			return false;
	}
	*start_us = matches->items[at].at_us;
	return true;
}

static void
tally_sequence(const FuzzCase *fc, const LsTiming *rule, int64_t now_us, LsTally *tally)
{
	const LsTrack *track = rule->track;
	Matches matches;
	int64_t start_us;

	collect(fc, rule, now_us, 0, &matches);
	matches.n = merge_times(&matches);
	for (int i = 0; i < matches.n; i++)
	{
		int64_t end_us = matches.items[i].at_us;

		if (!started(track, &matches, i, &start_us) ||
			(track->within_us > 0 && end_us - start_us > track->within_us))
			continue;
		tally->last_us = end_us;
		if (rule->expires_after_us > 0 &&
			age_of(&matches.items[i], now_us) >= rule->expires_after_us)
			return;
		tally->points = rule->points;
		tally->occurrences = 1;
		tally->is_counted = true;
		return;
	}
}

/* ---- streaks ---------------------------------------------------------- */

static bool
was_hit(const FuzzCase *fc, const LsTiming *rule, uint64_t key, int64_t now_us)
{
	for (int i = 0; i < fc->n; i++)
		if (is_of(fc, rule, &fc->facts[i]) && fc->facts[i].what == LS_FACT_HIT &&
			fc->facts[i].key == key && fc->facts[i].at_us <= now_us)
			return true;
	return false;
}

static void
tally_streak(const FuzzCase *fc, const LsTiming *rule, int64_t now_us, LsTally *tally)
{
	Matches matches;
	int left = 0;

	collect(fc, rule, now_us, rule->within_us, &matches);
	make_distinct(&matches);
	for (int i = 0; i < matches.n; i++)
	{
		LsFact *fact = &matches.items[i];
		bool is_hit = was_hit(fc, rule, fact->key, now_us);

		if (!is_hit && age_of(fact, now_us) < rule->track->grace_us)
			continue;
		matches.items[left] = *fact;
		matches.items[left++].value = is_hit;
	}
	qsort(matches.items, left, sizeof(LsFact), later_first);
	for (int i = 0; i < rule->at_least; i++)
		if (i >= left || matches.items[i].value == 0)
			return;
	tally->points = rule->points;
	tally->occurrences = rule->at_least;
	tally->is_counted = true;
	tally->last_us = matches.items[0].at_us;
}

/*
 * fuzz_tally: what a rule gives for all the facts of a case.
 */
void
fuzz_tally(const FuzzCase *fc,
		   const LsTiming *rule,
		   const LsMoment *moment,
		   LsTally *tally)
{
	*tally = (LsTally){.last_us = INT64_MIN};
	switch (rule->kind)
	{
		case LS_TIMING_EACH:
		case LS_TIMING_EACH_SUM:
			tally_each(fc, rule, moment->now_us, tally);
			break;
		case LS_TIMING_COUNT:
			tally_count(fc, rule, moment->now_us, tally);
			break;
		case LS_TIMING_INACTIVE:
			tally_inactive(fc, rule, moment, tally);
			break;
		case LS_TIMING_SEQUENCE:
			tally_sequence(fc, rule, moment->now_us, tally);
			break;
		case LS_TIMING_STREAK:
			tally_streak(fc, rule, moment->now_us, tally);
			break;
	}
}
