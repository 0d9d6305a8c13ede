/*
 * fuzz.h: random tracks, rules and facts, and what rules give for them by the
 * letter of README.md, over all facts and without any cleverness.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "ls_engagement_timing.h"

#define FUZZ_MAX_TRACKS 3
#define FUZZ_MAX_RULES 6
#define FUZZ_MAX_FACTS 400

/* FuzzSet: a set of facts in the making, as the server's accumulator has it. */
typedef struct FuzzSet
{
	LsFacts facts;
	int cap;
} FuzzSet;

/* FuzzCase: some rules, what they are read off, and what happened. */
typedef struct FuzzCase
{
	LsTrack tracks[FUZZ_MAX_TRACKS];
	int ntracks;
	LsTiming rules[FUZZ_MAX_RULES];
	int nrules;
	LsFact facts[FUZZ_MAX_FACTS]; /* in any order, all at or before as_of */
	int n;
	int64_t as_of_us;
	int64_t base_us; /* times are base + 0..range units, or next to that */
	int64_t unit_us;
	int range;
} FuzzCase;

/* random.c */
extern void fuzz_seed(uint64_t seed);
extern uint64_t fuzz_random(void);
extern int fuzz_below(int n);
extern bool fuzz_chance(int percent);
extern void fuzz_case(FuzzCase *fc);
extern int64_t fuzz_moment(const FuzzCase *fc, const LsTiming *rule);

/* reference.c */
extern void fuzz_tally(const FuzzCase *fc,
					   const LsTiming *rule,
					   const LsMoment *moment,
					   LsTally *tally);

/* state.c */
extern void fuzz_begin(FuzzSet *set, int64_t as_of_us);
extern void fuzz_add(FuzzSet *set, const LsFact *fact);
extern bool fuzz_join(FuzzSet *set, const FuzzSet *other, const LsTrack *tracks);
extern void fuzz_free(FuzzSet *set);
extern LsState *fuzz_write(const FuzzSet *set, const FuzzCase *fc, size_t *size);
extern void fuzz_read(const LsState *state, LsSection *sections);

/* laws.c */
extern const char *fuzz_laws(const FuzzCase *fc);

/* bytes.c */
extern const char *fuzz_bytes(const FuzzCase *fc);

#endif /* FUZZ_H */
