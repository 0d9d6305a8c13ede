/*
 * ls_engagement_missing.c: what a rule that gives nothing lacks.
 */
#include "ls_engagement_timing.h"

#include "ls_decay.h"

/* newest: latest fact up to the moment, but for hits; INT64_MIN = none. */
static int64_t
newest(const LsTiming *timing, const LsSection *section, int64_t now_us)
{
	bool has_hits = timing->kind == LS_TIMING_STREAK;

	for (int i = 0; i < section->n; i++)
		if (section->times_us[i] <= now_us &&
			!(has_hits && section->steps[i] == LS_FACT_HIT))
			return section->times_us[i];
	return INT64_MIN;
}

/* why_no_match: there are matches, but none counts. */
static LsMissing
why_no_match(const LsTiming *timing, const LsSection *section, const LsMoment *moment)
{
	int64_t newest_us = newest(timing, section, moment->now_us);

	if (newest_us == INT64_MIN)
		return LS_MISSING_ALL;
	if (ls_decay_age(moment->now_us, newest_us) < timing->after_us)
		return LS_MISSING_AGE;
	return LS_MISSING_EXPIRED;
}

static LsMissing
missing_count(const LsTiming *timing,
			  const LsSection *section,
			  const LsMoment *moment,
			  const LsTally *tally,
			  LsLack *lack)
{
	lack->has = (int) tally->occurrences;
	/* Where nothing should have happened nothing is missing. */
	if (timing->at_most == 0 && tally->occurrences > 0)
		return LS_MISSING_ALL;
	if (timing->at_most > 0 && tally->occurrences > timing->at_most)
	{
		lack->wants = timing->at_most;
		return LS_MISSING_TOO_MANY;
	}
	lack->wants = timing->at_least;
	if (tally->occurrences > 0)
		return LS_MISSING_MATCHES;
	return why_no_match(timing, section, moment);
}

static LsMissing
missing_sequence(const LsTiming *timing,
				 const LsSection *section,
				 const LsMoment *moment,
				 const LsTally *tally,
				 LsLack *lack)
{
	lack->wants = timing->track->nsteps;
	lack->has = ls_sequence_progress(timing->track,
									 section->times_us,
									 section->steps,
									 section->n,
									 section->unless_us,
									 moment->now_us);
	if (lack->has > 0)
		return LS_MISSING_STEPS;
	if (tally->last_us != INT64_MIN)
		return LS_MISSING_EXPIRED;
	return newest(timing, section, moment->now_us) != INT64_MIN ? LS_MISSING_STEPS
																: LS_MISSING_ALL;
}

static LsMissing
missing_streak(const LsTiming *timing,
			   const LsSection *section,
			   const LsMoment *moment,
			   const LsTally *tally,
			   LsLack *lack)
{
	lack->has = (int) tally->occurrences;
	lack->wants = timing->at_least;
	return newest(timing, section, moment->now_us) != INT64_MIN ? LS_MISSING_MATCHES
																: LS_MISSING_ALL;
}

/* missing_silence: is it there, but not yet long enough? */
static LsMissing
missing_silence(const LsTiming *timing,
				const LsSection *section,
				const LsMoment *moment)
{
	int64_t last_us;

	return ls_timing_silent_since(timing, section, moment, &last_us) == INT64_MIN
			   ? LS_MISSING_ALL
			   : LS_MISSING_SILENCE;
}

/*
 * ls_timing_missing: why the rule gives nothing, as the tally says; what it
 * requires is not looked at.
 */
LsLack
ls_timing_missing(const LsTiming *timing,
				  const LsSection *section,
				  const LsMoment *moment,
				  const LsTally *tally)
{
	LsLack lack = {LS_MISSING_NOTHING, 0, 0};

	switch (timing->kind)
	{
		case LS_TIMING_EACH:
		case LS_TIMING_EACH_SUM:
			if (!tally->is_counted)
				lack.what = why_no_match(timing, section, moment);
			break;
		case LS_TIMING_COUNT:
			if (tally->occurrences < timing->at_least ||
				(timing->at_most >= 0 && tally->occurrences > timing->at_most))
				lack.what = missing_count(timing, section, moment, tally, &lack);
			break;
		case LS_TIMING_INACTIVE:
			if (tally->occurrences == 0)
				lack.what = missing_silence(timing, section, moment);
			break;
		case LS_TIMING_SEQUENCE:
			if (!tally->is_counted)
				lack.what = missing_sequence(timing, section, moment, tally, &lack);
			break;
		case LS_TIMING_STREAK:
			if (!tally->is_counted)
				lack.what = missing_streak(timing, section, moment, tally, &lack);
			break;
	}
	return lack;
}
