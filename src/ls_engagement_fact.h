/*
 * ls_engagement_fact.h: what is remembered of a contact's events.
 *
 * A fact is one match of one track. A set of facts is all that a score will
 * ever need; reducing it forgets what cannot count any more, whatever other
 * facts may come, and notes from which moment on that is so.
 */
#ifndef LS_ENGAGEMENT_FACT_H
#define LS_ENGAGEMENT_FACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum LsTrackKind
{
	LS_TRACK_LIST,	   /* the latest matches */
	LS_TRACK_SUM,	   /* how many, and their decayed sum */
	LS_TRACK_SEQUENCE, /* when which steps were met */
	LS_TRACK_STREAK	   /* occasions, and hits */
} LsTrackKind;

typedef enum LsTrackOrder
{
	LS_TRACK_IN_ORDER,
	LS_TRACK_ANY,
	LS_TRACK_CONSECUTIVE
} LsTrackOrder;

#define LS_TRACK_MAX_STEPS 16

/* LsTrack: what rules have accumulated. Times are microseconds, 0 = not given. */
typedef struct LsTrack
{
	uint64_t id; /* hash of all that shapes it; tracks are in its order */
	LsTrackKind kind;
	int cap;		 /* LIST: how many matches are kept; STREAK: at_least */
	bool has_key;	 /* of equal keys only the latest counts */
	bool has_value;	 /* matches carry a number */
	bool has_unless; /* some events void what was before */
	int64_t after_us;
	int64_t half_life_us; /* SUM */
	int64_t within_us;	  /* SEQUENCE: the span */
	int64_t grace_us;	  /* STREAK */
	int nsteps;			  /* SEQUENCE */
	LsTrackOrder order;
} LsTrack;

/* What a fact is about. For sequences any other number is a set of steps. */
#define LS_FACT_MATCH 0u /* streak: an occasion */
#define LS_FACT_HIT 1u
#define LS_FACT_UNLESS 0x80000000u
#define LS_FACT_MARK 0x40000000u /* facts were forgotten for good */

/* What the time of a mark says: of a sequence, up to when; of a streak, what. */
#define LS_STREAK_FORGOT_NOTHING 0
#define LS_STREAK_FORGOT_OCCASIONS 1
#define LS_STREAK_FORGOT_HITS 2

/* LsFact: one match; for a SUM, many: `key` is their number. */
typedef struct LsFact
{
	int64_t at_us;
	uint64_t key;
	double value;
	uint32_t track;
	uint32_t what;
} LsFact;

/*
 * LsFacts: a set of facts, and when it may be read: from_us <= T < until_us.
 * as_of_us: the moment up to which events are in it.
 */
typedef struct LsFacts
{
	LsFact *items;
	int n;
	int64_t as_of_us;
	int64_t from_us;
	int64_t until_us;
} LsFacts;

#define LS_NEVER_US INT64_MIN
#define LS_ALWAYS_US INT64_MAX

/* How many matches that are too young to count, or orphans, are kept. */
#define LS_TRACK_YOUNG 32

/* Memory for a moment: the server's, or a test's own. */
extern void *ls_facts_alloc(size_t size);
extern void ls_facts_free(void *memory);

extern void ls_facts_sort(LsFact *items, int n);
extern void ls_facts_reduce(LsFacts *facts, const LsTrack *tracks, bool is_final);
extern bool ls_facts_can_join(const LsFacts *a,
							  const LsFacts *b,
							  const LsTrack *tracks);

/* ls_engagement_sequence.c */
extern bool ls_sequence_completed(const LsTrack *track,
								  const int64_t *times_us,
								  const uint32_t *steps,
								  int n,
								  int64_t now_us,
								  int64_t *completed_us);
extern int ls_sequence_progress(const LsTrack *track,
								const int64_t *times_us,
								const uint32_t *steps,
								int n,
								int64_t unless_us,
								int64_t now_us);
extern int ls_sequence_reduce(LsFacts *facts,
							  const LsTrack *track,
							  LsFact *items,
							  int n,
							  bool is_final);

/* ls_engagement_streak.c */
extern int ls_streak_reduce(LsFacts *facts,
							const LsTrack *track,
							LsFact *items,
							int n,
							bool is_final);

static inline void
ls_facts_readable_from(LsFacts *facts, int64_t us)
{
	if (us > facts->from_us)
		facts->from_us = us;
}

static inline void
ls_facts_readable_until(LsFacts *facts, int64_t us)
{
	if (us < facts->until_us)
		facts->until_us = us;
}

#endif /* LS_ENGAGEMENT_FACT_H */
