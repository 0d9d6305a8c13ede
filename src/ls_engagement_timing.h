/*
 * ls_engagement_timing.h: what a rule gives for the facts of its track, as of a
 * moment.
 */
#ifndef LS_ENGAGEMENT_TIMING_H
#define LS_ENGAGEMENT_TIMING_H

#include "ls_engagement_state.h"

typedef enum LsTimingKind
{
	LS_TIMING_EACH,
	LS_TIMING_EACH_SUM, /* of all matches ever */
	LS_TIMING_COUNT,
	LS_TIMING_INACTIVE,
	LS_TIMING_SEQUENCE,
	LS_TIMING_STREAK
} LsTimingKind;

/* LsTiming: the timing of a rule. Microseconds, 0 = not given; numbers, -1. */
typedef struct LsTiming
{
	LsTimingKind kind;
	const LsTrack *track; /* NULL = last activity */
	double points;
	int64_t within_us;
	int64_t after_us;
	int64_t expires_after_us;
	int64_t half_life_us;
	int64_t linear_over_us;
	double decay_percent;
	int64_t decay_every_us;
	int64_t repeat_every_us;
	int max_count;
	int at_least;
	int at_most;
	bool if_never_created;
} LsTiming;

/* LsMoment: when, and what the rule is asked about. */
typedef struct LsMoment
{
	int64_t now_us;
	int64_t since_us;		  /* when the contact came to be; INT64_MIN = unknown */
	int64_t last_activity_us; /* INT64_MIN = none */
} LsMoment;

/* LsTally: what a rule gives. */
typedef struct LsTally
{
	double points;
	int64_t occurrences; /* that count */
	bool is_counted;	 /* does a rule that requires this one get its points? */
	int64_t last_us;	 /* latest match; INT64_MIN = none */
} LsTally;

/* LsMissing: why a rule gives nothing. */
typedef enum LsMissing
{
	LS_MISSING_NOTHING,	 /* it counts */
	LS_MISSING_ALL,		 /* nothing speaks for it */
	LS_MISSING_MATCHES,	 /* so many of so many */
	LS_MISSING_TOO_MANY, /* the same, at most */
	LS_MISSING_STEPS,	 /* so many of so many */
	LS_MISSING_AGE,		 /* the latest match is too young */
	LS_MISSING_EXPIRED,	 /* the matches are too old */
	LS_MISSING_SILENCE	 /* silence has not lasted long enough */
} LsMissing;

typedef struct LsLack
{
	LsMissing what;
	int has;
	int wants;
} LsLack;

extern void ls_timing_tally(const LsTiming *timing,
							const LsSection *section,
							const LsMoment *moment,
							LsTally *tally);
extern bool ls_timing_completed(const LsTiming *timing,
								const LsSection *section,
								int64_t now_us,
								int64_t *completed_us);
extern int64_t ls_timing_silent_since(const LsTiming *timing,
									  const LsSection *section,
									  const LsMoment *moment,
									  int64_t *last_us);
extern int64_t ls_timing_next(const LsTiming *timing,
							  const LsSection *section,
							  const LsMoment *moment);
extern void ls_timing_rates(const LsTiming *timing,
							const LsSection *section,
							const LsMoment *moment,
							double *falling,
							double *rising);

/* ls_engagement_missing.c */
extern LsLack ls_timing_missing(const LsTiming *timing,
								const LsSection *section,
								const LsMoment *moment,
								const LsTally *tally);

#endif /* LS_ENGAGEMENT_TIMING_H */
