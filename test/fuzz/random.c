/*
 * random.c: cases. Times are few, so that many are equal and many intervals end
 * exactly where something happens.
 */
#include "fuzz.h"

#include "ls_decay.h"

#include <string.h>

/* Of timestamptz. */
#define FIRST_US INT64_C(-211813488000000000)
#define LAST_US INT64_C(9223371331199999999)

static uint64_t state;

void
fuzz_seed(uint64_t seed)
{
	state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

/* splitmix64 */
uint64_t
fuzz_random(void)
{
	uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

int
fuzz_below(int n)
{
	return (int) (fuzz_random() % (uint64_t) n);
}

bool
fuzz_chance(int percent)
{
	return fuzz_below(100) < percent;
}

static int64_t
random_time(const FuzzCase *fc)
{
	int64_t us = fc->base_us + fc->unit_us * fuzz_below(fc->range);

	if (fc->unit_us > 1 && fuzz_chance(10))
		us += fuzz_below(3) - 1;
	return us < FIRST_US ? FIRST_US : us > LAST_US ? LAST_US : us;
}

static int64_t
random_interval(const FuzzCase *fc)
{
	return fc->unit_us * (1 + fuzz_below(fc->range / 2));
}

static void
random_decay(const FuzzCase *fc, LsTiming *rule)
{
	switch (fuzz_below(5))
	{
		case 0:
			rule->half_life_us = fuzz_chance(10) ? 1 : random_interval(fc);
			break;
		case 1:
			rule->linear_over_us = random_interval(fc);
			break;
		case 2:
			rule->decay_percent = 1 + fuzz_below(100);
			rule->decay_every_us = random_interval(fc);
			break;
		case 3:
			rule->expires_after_us = random_interval(fc);
			break;
	}
}

/* random_each: and count, which is read off the same. */
static void
random_each(const FuzzCase *fc, LsTrack *track, LsTiming *rule)
{
	track->kind = LS_TRACK_LIST;
	track->cap = fuzz_chance(80) ? 1 + fuzz_below(4) : 1 + fuzz_below(40);
	track->has_key = fuzz_chance(40);
	track->has_value = fuzz_chance(40);
	track->has_unless = fuzz_chance(30);
	track->after_us = fuzz_chance(30) ? random_interval(fc) : 0;
	rule->kind = LS_TIMING_EACH;
	rule->max_count = track->cap;
	random_decay(fc, rule);
	if (fuzz_chance(40))
	{
		*rule = (LsTiming){.kind = LS_TIMING_COUNT, .points = rule->points};
		rule->max_count = -1;
		rule->at_most = fuzz_chance(50) ? fuzz_below(track->cap) : -1;
		rule->at_least = fuzz_chance(60) ? 1 + fuzz_below(track->cap) : -1;
		track->has_value = false;
	}
	rule->within_us = fuzz_chance(50) ? random_interval(fc) : 0;
}

static void
random_inactive(const FuzzCase *fc, LsTrack *track, LsTiming *rule)
{
	track->kind = LS_TRACK_LIST;
	track->cap = 1;
	rule->kind = LS_TIMING_INACTIVE;
	rule->within_us = random_interval(fc);
	rule->if_never_created = fuzz_chance(60);
	if (fuzz_chance(50))
	{
		rule->repeat_every_us = random_interval(fc);
		rule->max_count = fuzz_chance(50) ? 1 + fuzz_below(3) : -1;
	}
}

static void
random_sequence(const FuzzCase *fc, LsTrack *track, LsTiming *rule)
{
	track->kind = LS_TRACK_SEQUENCE;
	track->nsteps = fuzz_chance(90) ? 2 + fuzz_below(4) : LS_TRACK_MAX_STEPS;
	track->order = (LsTrackOrder) fuzz_below(3);
	track->within_us = fuzz_chance(60) ? random_interval(fc) : 0;
	track->has_unless = fuzz_chance(30);
	rule->kind = LS_TIMING_SEQUENCE;
	rule->expires_after_us = fuzz_chance(50) ? random_interval(fc) : 0;
}

static void
random_streak(const FuzzCase *fc, LsTrack *track, LsTiming *rule)
{
	track->kind = LS_TRACK_STREAK;
	track->cap = 1 + fuzz_below(4);
	track->grace_us = random_interval(fc);
	track->has_unless = fuzz_chance(30);
	rule->kind = LS_TIMING_STREAK;
	rule->at_least = track->cap;
	rule->within_us = fuzz_chance(50) ? random_interval(fc) : 0;
}

/* random_track: and a rule that is read off it. */
static void
random_track(const FuzzCase *fc, LsTrack *track, LsTiming *rule)
{
	*track = (LsTrack){0};
	*rule = (LsTiming){.points = 1 + fuzz_below(50), .max_count = -1};
	rule->at_least = rule->at_most = -1;
	if (fuzz_chance(20))
		rule->points = -rule->points;
	switch (fuzz_below(6))
	{
		case 0:
			random_inactive(fc, track, rule);
			break;
		case 1:
			random_sequence(fc, track, rule);
			break;
		case 2:
			random_streak(fc, track, rule);
			break;
		case 3:
			track->kind = LS_TRACK_SUM;
			track->has_value = fuzz_chance(50);
			rule->kind = LS_TIMING_EACH_SUM;
			if (fuzz_chance(60))
				rule->half_life_us = track->half_life_us = random_interval(fc);
			break;
		default:
			random_each(fc, track, rule);
	}
	rule->after_us = track->after_us;
	rule->track = track;
}

/* random_reader: another rule that is read off the same track. */
static void
random_reader(const FuzzCase *fc, const LsTiming *first, LsTiming *rule)
{
	*rule = *first;
	rule->points = 1 + fuzz_below(50);
	if (rule->kind == LS_TIMING_EACH || rule->kind == LS_TIMING_COUNT ||
		rule->kind == LS_TIMING_STREAK)
		rule->within_us = fuzz_chance(50) ? random_interval(fc) : 0;
	if (rule->kind == LS_TIMING_SEQUENCE)
		rule->expires_after_us = fuzz_chance(50) ? random_interval(fc) : 0;
	if (rule->kind == LS_TIMING_INACTIVE)
		rule->within_us = random_interval(fc);
}

static LsFact
random_fact(const FuzzCase *fc, int keys)
{
	LsFact fact = {.at_us = random_time(fc),
				   .track = (uint32_t) fuzz_below(fc->ntracks)};
	const LsTrack *track = &fc->tracks[fact.track];
	bool is_void = track->has_unless && fuzz_chance(5);

	if (is_void)
		fact.what = LS_FACT_UNLESS;
	else if (track->kind == LS_TRACK_SEQUENCE)
		fact.what = 1u << fuzz_below(track->nsteps);
	else if (track->kind == LS_TRACK_STREAK)
		fact.what = fuzz_chance(50) ? LS_FACT_MATCH : LS_FACT_HIT;
	if (!is_void && (track->has_key || track->kind == LS_TRACK_STREAK))
		fact.key = (uint64_t) fuzz_below(keys);
	if (track->has_value)
		fact.value = fuzz_below(7) - 3 + (fuzz_chance(30) ? 0.5 : 0);
	if (track->kind == LS_TRACK_SUM)
	{
		fact.key = 1;
		fact.value = track->has_value ? fact.value : 1;
	}
	return fact;
}

void
fuzz_case(FuzzCase *fc)
{
	static const int ranges[] = {6, 20, 100, 1000};
	static const int counts[] = {4, 12, 40, 120, FUZZ_MAX_FACTS};
	int keys = fuzz_chance(70) ? 1 + fuzz_below(6) : 200;

	fc->range = ranges[fuzz_below(4)];
	fc->unit_us = fuzz_chance(50) ? 1 : fuzz_chance(50) ? 86400000000 : 500000000;
	fc->base_us = fuzz_chance(95)	? 0
				  : fuzz_chance(50) ? FIRST_US
									: LAST_US - fc->unit_us * fc->range;
	fc->ntracks = 1 + fuzz_below(FUZZ_MAX_TRACKS);
	fc->nrules = 0;
	for (int i = 0; i < fc->ntracks; i++)
	{
		LsTiming *rule = &fc->rules[fc->nrules++];

		random_track(fc, &fc->tracks[i], rule);
		if (fuzz_chance(40))
			random_reader(fc, rule, &fc->rules[fc->nrules++]);
	}
	fc->n = fuzz_below(counts[fuzz_below(5)]) + 1;
	fc->as_of_us = random_time(fc);
	for (int i = 0; i < fc->n; i++)
	{
		fc->facts[i] = random_fact(fc, keys);
		if (fc->facts[i].at_us > fc->as_of_us)
			fc->as_of_us = fc->facts[i].at_us;
	}
}

/*
 * fuzz_moment: one at which something may happen, or next to it, or any.
 */
int64_t
fuzz_moment(const FuzzCase *fc, const LsTiming *rule)
{
	const LsTrack *track = rule->track;
	int64_t intervals[] = {0,
						   rule->within_us,
						   rule->after_us,
						   rule->expires_after_us,
						   rule->linear_over_us,
						   rule->decay_every_us,
						   rule->half_life_us,
						   track != NULL ? track->grace_us : 0,
						   rule->within_us + rule->repeat_every_us};
	int64_t us = fuzz_chance(70)   ? fc->facts[fuzz_below(fc->n)].at_us
				 : fuzz_chance(50) ? fc->as_of_us
								   : fc->base_us;

	if (us == fc->base_us)
		us = ls_decay_later(us, fc->unit_us * fuzz_below(3 * fc->range));

	if (__builtin_add_overflow(us, intervals[fuzz_below(9)] + fuzz_below(3) - 1, &us))
		us = LAST_US;
	return us < FIRST_US ? FIRST_US : us > LAST_US ? LAST_US : us;
}
