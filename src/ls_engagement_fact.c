/*
 * ls_engagement_fact.c: sets of facts: sorted, reduced, joined.
 *
 * Reducing never changes what can be read at a moment in from_us <= T <
 * until_us, also after any other facts have joined; so it does not matter in
 * which order, and how often, sets are joined and reduced. Only the final
 * reduction of sequences and streaks forgets more, and leaves a mark that
 * ls_facts_can_join looks at.
 */
#include "ls_engagement_fact.h"

#include "ls_decay.h"

#include <stdlib.h>
#include <string.h>

/* rank: what voids comes first, then marks, then matches. */
static inline int
rank(const LsFact *fact)
{
	if (fact->what == LS_FACT_UNLESS)
		return 0;
	return fact->what == LS_FACT_MARK ? 1 : 2;
}

/* compare_facts: by track; then the latest first, of these the largest value. */
static int
compare_facts(const void *pa, const void *pb)
{
	const LsFact *a = pa;
	const LsFact *b = pb;

	if (a->track != b->track)
		return a->track < b->track ? -1 : 1;
	if (rank(a) != rank(b))
		return rank(a) - rank(b);
	if (a->at_us != b->at_us)
		return a->at_us > b->at_us ? -1 : 1;
	if (a->value != b->value)
		return a->value > b->value ? -1 : 1;
	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return a->what < b->what ? -1 : a->what > b->what;
}

/*
 * ls_facts_sort: into the order that reducing needs, and that states are
 * stored in.
 */
void
ls_facts_sort(LsFact *items, int n)
{
	if (n > 24)
	{
		qsort(items, n, sizeof(LsFact), compare_facts);
		return;
	}
	for (int i = 1; i < n; i++)
	{
		LsFact fact = items[i];
		int j = i;

		for (; j > 0 && compare_facts(&items[j - 1], &fact) > 0; j--)
			items[j] = items[j - 1];
		items[j] = fact;
	}
}

/*
 * void_matches: leave out what the latest UNLESS voids, and earlier ones. Hits
 * of a streak are not matches. Gives the number of facts left.
 */
static int
void_matches(LsFacts *facts, const LsTrack *track, LsFact *items, int n)
{
	int64_t unless_us = items[0].at_us;
	int left = 1;

	if (items[0].what != LS_FACT_UNLESS)
		return n;
	for (int i = 1; i < n; i++)
	{
		uint32_t what = items[i].what;
		bool is_match = what != LS_FACT_UNLESS && what != LS_FACT_MARK &&
						(track->kind != LS_TRACK_STREAK || what == LS_FACT_MATCH);

		if (what != LS_FACT_UNLESS && !(is_match && items[i].at_us <= unless_us))
			items[left++] = items[i];
		else if (is_match || items[i].at_us < unless_us)
			ls_facts_readable_from(facts, unless_us);
	}
	return left;
}

/* drop_marks: all but the latest. */
static int
drop_marks(LsFact *items, int n)
{
	int left = 0;

	for (int i = 0; i < n; i++)
		if (items[i].what != LS_FACT_MARK || left == 0 ||
			items[left - 1].what != LS_FACT_MARK)
			items[left++] = items[i];
	return left;
}

/* find_key: the later fact with the same key; NULL where there is none. */
static const LsFact *
find_key(const LsFact *items, int n, uint64_t key)
{
	for (int i = 0; i < n; i++)
		if (items[i].key == key)
			return &items[i];
	return NULL;
}

/*
 * drop_repeated: of equal keys only the latest stays. Once there are more than
 * can count, the others need not be looked at.
 */
static int
drop_repeated(LsFacts *facts, const LsTrack *track, LsFact *items, int n)
{
	int left = 0;

	for (int i = 0; i < n && left <= track->cap; i++)
	{
		const LsFact *by = find_key(items, left, items[i].key);

		if (by == NULL)
			items[left++] = items[i];
		else if (by->at_us > items[i].at_us)
			ls_facts_readable_from(facts, ls_decay_later(by->at_us, track->after_us));
	}
	return left;
}

/*
 * drop_young: of the matches that are too young to count all but some are
 * forgotten, the youngest, which are the last to count.
 */
static int
drop_young(LsFacts *facts, const LsTrack *track, LsFact *items, int n)
{
	int first = 0;

	for (; n - first > LS_TRACK_YOUNG; first++)
		ls_facts_readable_until(facts,
								ls_decay_later(items[first].at_us, track->after_us));
	if (first > 0)
		memmove(items, items + first, sizeof(LsFact) * (n - first));
	return n - first;
}

/* reduce_matches: those that are old enough to count, and those that are not:
 * these do not take the place of others yet. */
static int
reduce_matches(LsFacts *facts, const LsTrack *track, LsFact *items, int n)
{
	int nyoung = 0;
	int left;
	LsFact *old;

	while (nyoung < n && track->after_us > 0 &&
		   ls_decay_later(items[nyoung].at_us, track->after_us) > facts->as_of_us)
		nyoung++;
	old = items + nyoung;
	left = n - nyoung;
	if (track->has_key)
		left = drop_repeated(facts, track, old, left);
	if (left > track->cap)
	{
		left = track->cap;
		ls_facts_readable_from(facts, ls_decay_later(old[0].at_us, track->after_us));
	}
	nyoung = drop_young(facts, track, items, nyoung);
	if (items + nyoung != old)
		memmove(items + nyoung, old, sizeof(LsFact) * left);
	return nyoung + left;
}

static int
reduce_list(LsFacts *facts, const LsTrack *track, LsFact *items, int n)
{
	int head = items[0].what == LS_FACT_UNLESS ? 1 : 0;

	n = void_matches(facts, track, items, n) - head;
	return head + reduce_matches(facts, track, items + head, n);
}

/* reduce_sum: one fact, decayed to the moment of the latest. */
static int
reduce_sum(LsFacts *facts, const LsTrack *track, LsFact *items, int n)
{
	if (n > 1 && items[n - 1].at_us < items[0].at_us)
		ls_facts_readable_from(facts, items[0].at_us);
	for (int i = 1; i < n; i++)
	{
		double value = items[i].value;

		if (track->half_life_us > 0)
			value *= ls_decay_half_life(ls_decay_age(items[0].at_us, items[i].at_us),
										track->half_life_us);
		items[0].value += value;
		items[0].key += items[i].key;
	}
	return n > 0 ? 1 : 0;
}

static int
reduce_track(LsFacts *facts, const LsTrack *track, LsFact *items, int n, bool is_final)
{
	switch (track->kind)
	{
		case LS_TRACK_LIST:
			return reduce_list(facts, track, items, n);
		case LS_TRACK_SUM:
			return reduce_sum(facts, track, items, n);
		case LS_TRACK_SEQUENCE:
			n = drop_marks(items, void_matches(facts, track, items, n));
			return ls_sequence_reduce(facts, track, items, n, is_final);
		case LS_TRACK_STREAK:
			n = drop_marks(items, void_matches(facts, track, items, n));
			return ls_streak_reduce(facts, track, items, n, is_final);
	}
	return n;
}

/*
 * ls_facts_reduce: sort, and forget what cannot count. A final reduction is for
 * storing: it makes sequences and streaks small too.
 */
void
ls_facts_reduce(LsFacts *facts, const LsTrack *tracks, bool is_final)
{
	int left = 0;
	int start = 0;

	ls_facts_sort(facts->items, facts->n);
	while (start < facts->n)
	{
		uint32_t track = facts->items[start].track;
		LsFact *first = facts->items + left;
		int n = 0;

		for (; start < facts->n && facts->items[start].track == track; start++)
			first[n++] = facts->items[start];
		left += reduce_track(facts, &tracks[track], first, n, is_final);
	}
	facts->n = left;
}

/* ---- joining ---------------------------------------------------------- */

static const LsFact *
find_mark(const LsFacts *facts, uint32_t track)
{
	for (int i = 0; i < facts->n; i++)
		if (facts->items[i].track == track && facts->items[i].what == LS_FACT_MARK)
			return &facts->items[i];
	return NULL;
}

static const LsFact *
find_fact(const LsFacts *facts, uint32_t track, uint64_t key, uint32_t what)
{
	for (int i = 0; i < facts->n; i++)
		if (facts->items[i].track == track && facts->items[i].key == key &&
			facts->items[i].what == what)
			return &facts->items[i];
	return NULL;
}

/*
 * streak_fits: an occasion that takes the place of an earlier one may have to
 * wait for its hit, while the earlier one has outdone what was forgotten; one
 * that is new may have had its hit.
 */
static bool
streak_fits(const LsFacts *set, const LsFact *mark, const LsFact *fact)
{
	const LsFact *known;

	if (fact->what != LS_FACT_MATCH)
		return true;
	known = find_fact(set, fact->track, fact->key, LS_FACT_MATCH);
	if (known != NULL)
		return fact->at_us <= known->at_us;
	return mark->at_us != LS_STREAK_FORGOT_HITS ||
		   find_fact(set, fact->track, fact->key, LS_FACT_HIT) != NULL;
}

/* fits: may the fact join a set that has forgotten some of its track? */
static bool
fits(const LsFacts *set, const LsFact *mark, const LsTrack *track, const LsFact *fact)
{
	if (track->kind == LS_TRACK_STREAK)
		return streak_fits(set, mark, fact);
	return fact->what != LS_FACT_MARK && fact->at_us > mark->at_us;
}

static bool
all_fit(const LsFacts *set, const LsFacts *others, const LsTrack *tracks)
{
	const LsFact *mark = NULL;
	bool has_mark = false;

	for (int i = 0; i < set->n && !has_mark; i++)
		has_mark = set->items[i].what == LS_FACT_MARK;
	if (!has_mark)
		return true;
	for (int i = 0; i < others->n; i++)
	{
		const LsFact *fact = &others->items[i];

		mark = find_mark(set, fact->track);
		if (mark != NULL && !fits(set, mark, &tracks[fact->track], fact))
			return false;
	}
	return true;
}

/*
 * ls_facts_can_join: is the union of two sets what one set of all their events
 * would be? Where not, the events must be read again.
 */
bool
ls_facts_can_join(const LsFacts *a, const LsFacts *b, const LsTrack *tracks)
{
	return all_fit(a, b, tracks) && all_fit(b, a, tracks);
}
