/*
 * laws.c: whatever is reduced, joined and stored in whatever order, what is read
 * off it is what all the facts give, at any moment at which it may be read.
 */
#include "fuzz.h"

#include "ls_decay.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOMENTS 16

static char problem[600];

static bool
is_near(double a, double b)
{
	return fabs(a - b) <= 1e-9 * (1 + fabs(a) + fabs(b));
}

static bool
is_same(const LsTiming *rule, const LsTally *is, const LsTally *should)
{
	int64_t occurrences = should->occurrences;
	int cap = rule->track->cap;

	if (!is_near(is->points, should->points) || is->is_counted != should->is_counted)
		return false;
	if (rule->kind == LS_TIMING_STREAK && !is->is_counted)
		return true;
	/* More than are kept are not told apart; a sum does not know who faded. */
	if (rule->kind == LS_TIMING_COUNT && occurrences > cap && is->occurrences >= cap)
		occurrences = is->occurrences;
	if (rule->kind == LS_TIMING_EACH_SUM)
		occurrences = is->occurrences;
	return is->occurrences == occurrences && is->last_us == should->last_us;
}

static const char *
complain(const char *what,
		 const FuzzCase *fc,
		 int rule,
		 const LsMoment *moment,
		 const LsTally *is,
		 const LsTally *should)
{
	snprintf(problem,
			 sizeof(problem),
			 "%s: rule %d of kind %d at %lld: %.9g points, %lld times, last %lld; "
			 "should be %.9g, %lld, %lld (%d facts up to %lld)",
			 what,
			 rule,
			 fc->rules[rule].kind,
			 (long long) moment->now_us,
			 is->points,
			 (long long) is->occurrences,
			 (long long) is->last_us,
			 should->points,
			 (long long) should->occurrences,
			 (long long) should->last_us,
			 fc->n,
			 (long long) fc->as_of_us);
	return problem;
}

/* ---- reading ---------------------------------------------------------- */

static bool
readable_moment(const FuzzCase *fc, const LsFacts *facts, int rule, LsMoment *moment)
{
	*moment = (LsMoment){fuzz_moment(fc, &fc->rules[rule]), INT64_MIN, INT64_MIN};
	if (fuzz_chance(15) && facts->from_us > INT64_MIN)
		moment->now_us = facts->from_us;
	if (fuzz_chance(10) && facts->until_us < INT64_MAX)
		moment->now_us = facts->until_us - 1;
	if (fuzz_chance(70))
		moment->since_us =
			fuzz_chance(10) ? INT64_MAX : fuzz_moment(fc, &fc->rules[rule]);
	/* As the server has it. */
	if (moment->since_us == INT64_MAX)
		moment->since_us = INT64_MIN;
	return moment->now_us >= facts->from_us && moment->now_us < facts->until_us;
}

/* fades: may continuous decay, and nothing else, have led from one to the other? */
static bool
fades(const LsTiming *rule,
	  const LsSection *section,
	  const LsMoment *start,
	  const LsMoment *end,
	  const LsTally *before,
	  const LsTally *after)
{
	double falling = 0;
	double rising = 0;
	double secs = (double) ((__int128) end->now_us - start->now_us) / 1e6;
	double slack = 1e-9 * (1 + fabs(before->points));

	if (before->is_counted != after->is_counted)
		return false;
	if (rule->kind != LS_TIMING_STREAK && (before->occurrences != after->occurrences ||
										   before->last_us != after->last_us))
		return false;
	ls_timing_rates(rule, section, start, &falling, &rising);
	return after->points <= before->points + rising * secs + slack &&
		   after->points >= before->points - falling * secs - slack;
}

/* check_next: up to the next change a rule gives the same, fading aside. */
static const char *
check_next(const FuzzCase *fc,
		   const LsFacts *facts,
		   const LsSection *sections,
		   int rule,
		   const LsMoment *start)
{
	const LsTiming *timing = &fc->rules[rule];
	const LsSection *section = &sections[timing->track - fc->tracks];
	int64_t next_us = ls_timing_next(timing, section, start);
	LsMoment moment = *start;
	LsTally before;
	LsTally after;

	if (next_us <= start->now_us)
		return "the next change is not later";
	ls_timing_tally(timing, section, start, &before);
	for (int i = 0; i < MOMENTS; i++)
	{
		moment.now_us = fuzz_moment(fc, timing);
		if (i == 0)
			moment.now_us = next_us - 1;
		if (moment.now_us <= start->now_us || moment.now_us >= next_us ||
			moment.now_us >= facts->until_us || next_us == INT64_MIN)
			continue;
		ls_timing_tally(timing, section, &moment, &after);
		if (!fades(timing, section, start, &moment, &before, &after))
			return complain("changed before next", fc, rule, &moment, &after, &before);
	}
	return NULL;
}

static const char *
check_sections(const FuzzCase *fc,
			   const LsFacts *facts,
			   const LsSection *sections,
			   const char *what)
{
	const char *wrong = NULL;

	for (int i = 0; i < MOMENTS * fc->nrules && wrong == NULL; i++)
	{
		int rule = i % fc->nrules;
		const LsTiming *timing = &fc->rules[rule];
		LsMoment moment;
		LsTally is;
		LsTally should;

		if (!readable_moment(fc, facts, rule, &moment))
			continue;
		ls_timing_tally(timing, &sections[timing->track - fc->tracks], &moment, &is);
		fuzz_tally(fc, timing, &moment, &should);
		if (!is_same(timing, &is, &should))
			return complain(what, fc, rule, &moment, &is, &should);
		wrong = check_next(fc, facts, sections, rule, &moment);
	}
	return wrong;
}

/* check_set: stored and read, it says what all facts say. */
static const char *
check_set(const FuzzCase *fc, const FuzzSet *set, bool is_final, const char *what)
{
	LsSection sections[FUZZ_MAX_TRACKS];
	size_t size;
	size_t limit = sizeof(LsState) + 8;
	LsState *state = fuzz_write(set, fc, &size);
	const char *wrong = ls_state_check(state, size);

	for (int i = 0; i < fc->ntracks; i++)
		limit += ls_track_max_size(&fc->tracks[i]);
	if (wrong == NULL && !ls_state_fits(state, fc->tracks, fc->ntracks, is_final))
		wrong = "the state does not fit its tracks";
	if (wrong == NULL && is_final && size > limit)
		wrong = "the state is larger than it can be";
	if (wrong == NULL)
	{
		fuzz_read(state, sections);
		wrong = check_sections(fc, &set->facts, sections, what);
	}
	free(state);
	return wrong;
}

/* ---- reducing --------------------------------------------------------- */

static void
add_all(const FuzzCase *fc, FuzzSet *set)
{
	fuzz_begin(set, fc->as_of_us);
	for (int i = 0; i < fc->n; i++)
	{
		fuzz_add(set, &fc->facts[i]);
		if (fuzz_chance(5))
			ls_facts_reduce(&set->facts, fc->tracks, false);
	}
}

static bool
is_equal(const FuzzSet *a, const FuzzSet *b)
{
	return a->facts.n == b->facts.n && a->facts.from_us == b->facts.from_us &&
		   a->facts.until_us == b->facts.until_us &&
		   (a->facts.n == 0 ||
			memcmp(a->facts.items, b->facts.items, sizeof(LsFact) * a->facts.n) == 0);
}

/* is_idempotent: what was reduced is left alone by the next reduction. */
static bool
is_idempotent(const FuzzCase *fc, const FuzzSet *set, bool is_final)
{
	FuzzSet copy;
	bool same;

	fuzz_begin(&copy, set->facts.as_of_us);
	(void) fuzz_join(&copy, set, fc->tracks);
	ls_facts_reduce(&copy.facts, fc->tracks, is_final);
	same = is_equal(&copy, set);
	fuzz_free(&copy);
	return same;
}

static const char *
check_reduced(const FuzzCase *fc, bool is_final)
{
	FuzzSet set;
	const char *wrong;

	add_all(fc, &set);
	ls_facts_reduce(&set.facts, fc->tracks, is_final);
	wrong = check_set(fc, &set, is_final, is_final ? "final" : "reduced");
	if (wrong == NULL &&
		(set.facts.from_us > fc->as_of_us || set.facts.until_us <= fc->as_of_us))
		wrong = "it cannot be read as of its own moment";
	if (wrong == NULL && !is_idempotent(fc, &set, is_final))
		wrong = is_final ? "a final reduction is not idempotent"
						 : "a reduction is not idempotent";
	fuzz_free(&set);
	return wrong;
}

/* ---- joining ---------------------------------------------------------- */

#define MAX_PARTS 5

/* split: the facts at random over sets, some of which look back from earlier. */
static void
split(const FuzzCase *fc, FuzzSet *parts, int nparts, bool is_final)
{
	bool is_together = fuzz_chance(50);

	for (int i = 0; i < nparts; i++)
		fuzz_begin(&parts[i],
				   is_together ? fc->as_of_us : fuzz_moment(fc, &fc->rules[0]));
	for (int i = 0; i < fc->n; i++)
		fuzz_add(&parts[fuzz_below(nparts)], &fc->facts[i]);
	for (int i = 0; i < nparts; i++)
		if (fuzz_chance(70))
			ls_facts_reduce(&parts[i].facts, fc->tracks, is_final && fuzz_chance(70));
}

static const char *
check_split(const FuzzCase *fc, bool is_final)
{
	int nparts = 2 + fuzz_below(MAX_PARTS - 1);
	FuzzSet parts[MAX_PARTS];
	bool can_join = true;
	const char *wrong = NULL;

	split(fc, parts, nparts, is_final);
	for (int left = nparts; left > 1 && can_join; left--)
	{
		FuzzSet last = parts[left - 1];
		FuzzSet *target = &parts[fuzz_below(left - 1)];

		can_join = fuzz_join(target, &last, fc->tracks);
		if (fuzz_chance(50))
			ls_facts_reduce(&target->facts, fc->tracks, is_final && fuzz_chance(50));
	}
	if (can_join)
	{
		ls_facts_reduce(&parts[0].facts, fc->tracks, true);
		wrong = check_set(fc, &parts[0], true, is_final ? "joined states" : "joined");
	}
	else if (!is_final)
		wrong = "sets that forgot nothing for good cannot be joined";
	for (int i = 0; i < nparts; i++)
		fuzz_free(&parts[i]);
	return wrong;
}

static int
earlier_first(const void *pa, const void *pb)
{
	const LsFact *a = pa;
	const LsFact *b = pb;

	return a->at_us < b->at_us ? -1 : a->at_us > b->at_us;
}

/* check_live: a stored state, joined again and again by what came later. */
static const char *
check_live(const FuzzCase *fc)
{
	FuzzCase known = *fc;
	FuzzSet state;
	const char *wrong = NULL;
	int at = 0;

	qsort(known.facts, known.n, sizeof(LsFact), earlier_first);
	fuzz_begin(&state, known.facts[0].at_us);
	while (at < fc->n && wrong == NULL)
	{
		FuzzSet later;
		int n = 1 + fuzz_below(fuzz_chance(50) ? 3 : 60);

		fuzz_begin(&later, fc->as_of_us);
		for (; n > 0 && at < fc->n; at++, n--)
			fuzz_add(&later, &known.facts[at]);
		later.facts.as_of_us = known.facts[at - 1].at_us;
		known.n = at;
		known.as_of_us = later.facts.as_of_us;
		if (!fuzz_join(&state, &later, fc->tracks))
		{
			fuzz_free(&state);
			fuzz_begin(&state, known.as_of_us);
			for (int i = 0; i < at; i++)
				fuzz_add(&state, &known.facts[i]);
		}
		fuzz_free(&later);
		ls_facts_reduce(&state.facts, fc->tracks, true);
		wrong = check_set(&known, &state, true, "live");
	}
	fuzz_free(&state);
	return wrong;
}

/* check_symmetry: a with b is b with a. */
static const char *
check_symmetry(const FuzzCase *fc)
{
	FuzzSet parts[2];
	FuzzSet left;
	FuzzSet right;
	const char *wrong = NULL;

	split(fc, parts, 2, true);
	fuzz_begin(&left, INT64_MIN);
	fuzz_begin(&right, INT64_MIN);
	for (int i = 0; i < 2; i++)
	{
		(void) fuzz_join(&left, &parts[i], fc->tracks);
		(void) fuzz_join(&right, &parts[1 - i], fc->tracks);
	}
	if (ls_facts_can_join(&parts[0].facts, &parts[1].facts, fc->tracks) !=
		ls_facts_can_join(&parts[1].facts, &parts[0].facts, fc->tracks))
		wrong = "whether two sets can be joined depends on their order";
	ls_facts_reduce(&left.facts, fc->tracks, true);
	ls_facts_reduce(&right.facts, fc->tracks, true);
	if (wrong == NULL && !is_equal(&left, &right))
		wrong = "the order of joining matters";
	fuzz_free(&left);
	fuzz_free(&right);
	fuzz_free(&parts[0]);
	fuzz_free(&parts[1]);
	return wrong;
}

/* join_parts: the facts at random over sets that are joined in random order. */
static void
join_parts(const FuzzCase *fc, FuzzSet *all)
{
	FuzzSet parts[MAX_PARTS];

	for (int i = 0; i < MAX_PARTS; i++)
		fuzz_begin(&parts[i], fc->as_of_us);
	for (int i = 0; i < fc->n; i++)
		fuzz_add(&parts[fuzz_below(MAX_PARTS)], &fc->facts[i]);
	fuzz_begin(all, fc->as_of_us);
	for (int i = 0; i < MAX_PARTS; i++)
	{
		if (fuzz_chance(70))
			ls_facts_reduce(&parts[i].facts, fc->tracks, false);
		(void) fuzz_join(all, &parts[i], fc->tracks);
		if (fuzz_chance(50))
			ls_facts_reduce(&all->facts, fc->tracks, false);
		fuzz_free(&parts[i]);
	}
	ls_facts_reduce(&all->facts, fc->tracks, true);
}

static bool
is_alike(const LsFact *a, const LsFact *b)
{
	return a->track == b->track && a->what == b->what && a->at_us == b->at_us &&
		   a->key == b->key && is_near(a->value, b->value);
}

/* may_know_longer: something is voided, or superseded, before it is forgotten for
 * another reason in one order, and after that in another. */
static bool
may_know_longer(const FuzzCase *fc)
{
	for (int i = 0; i < fc->ntracks; i++)
		if (fc->tracks[i].has_unless || fc->tracks[i].kind == LS_TRACK_SEQUENCE)
			return true;
	return false;
}

/* may_keep_others: the same where too many matches are too young to count. */
static bool
may_keep_others(const FuzzCase *fc)
{
	for (int i = 0; i < fc->ntracks; i++)
		if (fc->tracks[i].has_unless && fc->tracks[i].after_us > 0)
			return true;
	return false;
}

/* check_order: how events were split, and in which order they came, is not seen. */
static const char *
check_order(const FuzzCase *fc)
{
	FuzzSet left;
	FuzzSet right;
	const char *wrong = NULL;

	join_parts(fc, &left);
	join_parts(fc, &right);
	if (left.facts.n != right.facts.n && !may_keep_others(fc))
		wrong = "how much is left depends on how events were split";
	for (int i = 0; i < left.facts.n && wrong == NULL && !may_keep_others(fc); i++)
		if (!is_alike(&left.facts.items[i], &right.facts.items[i]))
			wrong = "what is left depends on how events were split";
	if (wrong == NULL && !may_know_longer(fc) &&
		(left.facts.from_us != right.facts.from_us ||
		 left.facts.until_us != right.facts.until_us))
		wrong = "when a state can be read depends on how events were split";
	fuzz_free(&left);
	fuzz_free(&right);
	return wrong;
}

/*
 * fuzz_laws: NULL, or the law that a case breaks.
 */
const char *
fuzz_laws(const FuzzCase *fc)
{
	const char *wrong = check_reduced(fc, false);

	if (wrong == NULL)
		wrong = check_reduced(fc, true);
	if (wrong == NULL)
		wrong = check_split(fc, false);
	if (wrong == NULL)
		wrong = check_split(fc, true);
	if (wrong == NULL)
		wrong = check_live(fc);
	if (wrong == NULL)
		wrong = check_symmetry(fc);
	return wrong != NULL ? wrong : check_order(fc);
}
