/*
 * ls_engagement_streak.c: streaks: occasions, hits, and which of them are worth
 * keeping.
 */
#include "ls_engagement_fact.h"

#include "ls_decay.h"

#include <stdlib.h>
#include <string.h>

/* compare_keys: by key; its occasions first, the latest first; then its hits,
 * the earliest first. */
static int
compare_keys(const void *pa, const void *pb)
{
	const LsFact *a = pa;
	const LsFact *b = pb;

	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	if (a->what != b->what)
		return a->what < b->what ? -1 : 1;
	if (a->at_us == b->at_us)
		return 0;
	return (a->at_us > b->at_us) == (a->what == LS_FACT_MATCH) ? -1 : 1;
}

/*
 * keep_one_each: of a key, the latest occasion and the earliest hit; they come to
 * stand side by side.
 */
static int
keep_one_each(LsFacts *facts, LsFact *items, int n)
{
	int left = 0;

	qsort(items, n, sizeof(LsFact), compare_keys);
	for (int i = 0; i < n; i++)
	{
		const LsFact *last = left > 0 ? &items[left - 1] : NULL;

		if (last == NULL || last->key != items[i].key || last->what != items[i].what)
			items[left++] = items[i];
		else if (last->what == LS_FACT_MATCH && last->at_us > items[i].at_us)
			ls_facts_readable_from(facts, last->at_us);
	}
	return left;
}

/* ---- storing ---------------------------------------------------------- */

/* LsOccasion: an occasion and its hit, or a hit whose occasion is not known. */
typedef struct LsOccasion
{
	LsFact match;
	LsFact hit;
	bool has_match;
	bool has_hit;
	bool is_hit; /* as of the facts' moment */
	bool is_kept;
	int64_t counted_us; /* from when it is a hit or a miss */
} LsOccasion;

/* compare_occasions: the latest first, of these those that were hit; at the end
 * the hits without an occasion, the latest first. */
static int
compare_occasions(const void *pa, const void *pb)
{
	const LsOccasion *a = pa;
	const LsOccasion *b = pb;
	const LsFact *fact_a = a->has_match ? &a->match : &a->hit;
	const LsFact *fact_b = b->has_match ? &b->match : &b->hit;

	if (a->has_match != b->has_match)
		return a->has_match ? -1 : 1;
	if (fact_a->at_us != fact_b->at_us)
		return fact_a->at_us > fact_b->at_us ? -1 : 1;
	if (a->is_hit != b->is_hit)
		return a->is_hit ? -1 : 1;
	return fact_a->key < fact_b->key ? -1 : fact_a->key > fact_b->key;
}

static void
note_counted(const LsFacts *facts, const LsTrack *track, LsOccasion *occasion)
{
	int64_t at_us = occasion->match.at_us;
	int64_t hit_us = occasion->has_hit ? occasion->hit.at_us : INT64_MAX;

	occasion->is_hit = hit_us <= facts->as_of_us;
	occasion->counted_us = ls_decay_later(at_us, track->grace_us);
	if (hit_us < occasion->counted_us)
		occasion->counted_us = hit_us > at_us ? hit_us : at_us;
}

/* to_occasions: in order; gives their number. */
static int
to_occasions(const LsFacts *facts,
			 const LsTrack *track,
			 const LsFact *items,
			 int n,
			 LsOccasion *occasions)
{
	int count = 0;

	for (int i = 0; i < n; count++)
	{
		LsOccasion *occasion = &occasions[count];

		memset(occasion, 0, sizeof(LsOccasion));
		occasion->has_match = items[i].what == LS_FACT_MATCH;
		if (occasion->has_match)
			occasion->match = items[i++];
		occasion->has_hit =
			i < n && items[i].what == LS_FACT_HIT &&
			(!occasion->has_match || items[i].key == occasion->match.key);
		if (occasion->has_hit)
			occasion->hit = items[i++];
		if (occasion->has_match)
			note_counted(facts, track, occasion);
	}
	qsort(occasions, count, sizeof(LsOccasion), compare_occasions);
	return count;
}

/*
 * count_needed: how many occasions the streak can depend on: where enough later
 * ones count for good, older ones never will. `from_us` = from when that is so.
 */
static int
count_needed(const LsFacts *facts,
			 const LsTrack *track,
			 const LsOccasion *occasions,
			 int n,
			 int64_t *from_us)
{
	int counted = 0;
	int i = 0;

	*from_us = INT64_MIN;
	for (; i < n && counted < track->cap; i++)
	{
		if (occasions[i].counted_us > facts->as_of_us)
			continue;
		counted++;
		if (occasions[i].counted_us > *from_us)
			*from_us = occasions[i].counted_us;
	}
	while (counted == track->cap && i < n &&
		   occasions[i].match.at_us == occasions[i - 1].match.at_us)
		i++;
	return i;
}

/* keep_counted: exact now, but not for long: those that count at this moment. */
static void
keep_counted(LsFacts *facts, const LsTrack *track, LsOccasion *occasions, int n)
{
	int left = 0;

	ls_facts_readable_from(facts, facts->as_of_us);
	ls_facts_readable_until(facts, ls_decay_later(facts->as_of_us, 1));
	for (int i = 0; i < n; i++)
	{
		occasions[i].is_kept =
			left < track->cap && occasions[i].counted_us <= facts->as_of_us;
		left += occasions[i].is_kept;
	}
}

/* mark_kept: the occasions to keep; gives what was forgotten. */
static int64_t
mark_kept(LsFacts *facts, const LsTrack *track, LsOccasion *occasions, int n)
{
	int noccasions = 0;
	int needed;
	int64_t from_us;

	while (noccasions < n && occasions[noccasions].has_match)
		noccasions++;
	needed = count_needed(facts, track, occasions, noccasions, &from_us);
	for (int i = 0; i < needed; i++)
		occasions[i].is_kept = true;
	if (needed < noccasions)
		ls_facts_readable_from(facts, from_us);
	if (needed > track->cap + LS_TRACK_YOUNG)
		keep_counted(facts, track, occasions, needed);
	else if (needed == noccasions)
		return LS_STREAK_FORGOT_NOTHING;
	return LS_STREAK_FORGOT_OCCASIONS;
}

/* put_kept: the facts to keep, back into items; gives their number. */
static int
put_kept(LsFact *items, const LsOccasion *occasions, int n, int64_t *forgot)
{
	int left = 0;
	int norphans = 0;

	for (int i = 0; i < n; i++)
	{
		if (occasions[i].is_kept)
			items[left++] = occasions[i].match;
		if (occasions[i].is_kept && occasions[i].has_hit)
			items[left++] = occasions[i].hit;
	}
	for (int i = 0; i < n; i++)
		if (!occasions[i].is_kept && occasions[i].has_hit)
			items[left + norphans++] = occasions[i].hit;
	ls_facts_sort(items + left, norphans);
	if (norphans > LS_TRACK_YOUNG)
	{
		norphans = LS_TRACK_YOUNG;
		*forgot = LS_STREAK_FORGOT_HITS;
	}
	return left + norphans;
}

/* reduce_for_good: occasions and hits, of a key side by side. */
static int
reduce_for_good(LsFacts *facts,
				const LsTrack *track,
				LsFact *items,
				int n,
				int64_t *forgot)
{
	LsOccasion *occasions = ls_facts_alloc(sizeof(LsOccasion) * (n + 1));

	n = to_occasions(facts, track, items, n, occasions);
	*forgot = mark_kept(facts, track, occasions, n);
	n = put_kept(items, occasions, n, forgot);
	ls_facts_free(occasions);
	return n;
}

/*
 * ls_streak_reduce: a state for storing keeps the occasions that can still
 * matter and a few hits whose occasion is not known; a mark says what was
 * forgotten.
 */
int
ls_streak_reduce(LsFacts *facts,
				 const LsTrack *track,
				 LsFact *items,
				 int n,
				 bool is_final)
{
	int head = 0;
	LsFact mark = {.track = items[0].track, .what = LS_FACT_MARK};

	while (head < n &&
		   (items[head].what == LS_FACT_UNLESS || items[head].what == LS_FACT_MARK))
		head++;
	n = keep_one_each(facts, items + head, n - head);
	mark.at_us = LS_STREAK_FORGOT_NOTHING;
	if (is_final)
		n = reduce_for_good(facts, track, items + head, n, &mark.at_us);
	ls_facts_sort(items + head, n);
	if (mark.at_us == LS_STREAK_FORGOT_NOTHING)
		return head + n;
	if (head > 0 && items[head - 1].what == LS_FACT_MARK)
	{
		if (items[head - 1].at_us < mark.at_us)
			items[head - 1].at_us = mark.at_us;
		return head + n;
	}
	memmove(items + head + 1, items + head, sizeof(LsFact) * n);
	items[head] = mark;
	return head + 1 + n;
}
