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

/* keep_one_each: of a key, the latest occasion and the earliest hit. */
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
	ls_facts_sort(items, left);
	return left;
}

static const LsFact *
find_fact(const LsFact *items, int n, uint64_t key, uint32_t what)
{
	for (int i = 0; i < n; i++)
		if (items[i].what == what && items[i].key == key)
			return &items[i];
	return NULL;
}

/* counted_from: the moment from which an occasion is a hit or a miss. */
static int64_t
counted_from(const LsTrack *track, const LsFact *items, int n, const LsFact *occasion)
{
	const LsFact *hit = find_fact(items, n, occasion->key, LS_FACT_HIT);
	int64_t from_us = ls_decay_later(occasion->at_us, track->grace_us);

	if (hit != NULL && hit->at_us < from_us)
		from_us = hit->at_us > occasion->at_us ? hit->at_us : occasion->at_us;
	return from_us;
}

/*
 * oldest_needed: the time of the oldest occasion that the streak can depend on:
 * where enough later ones count, older ones never will. `from_us` = from when
 * that is so; `has_miss`: one of these was no hit, and would stop to count where
 * a younger one with its key comes. INT64_MIN where all are needed.
 */
static int64_t
oldest_needed(const LsFacts *facts,
			  const LsTrack *track,
			  const LsFact *items,
			  int n,
			  int64_t *from_us,
			  bool *has_miss)
{
	int counted = 0;

	*from_us = INT64_MIN;
	*has_miss = false;
	for (int i = 0; i < n; i++)
	{
		int64_t us;

		if (items[i].what != LS_FACT_MATCH)
			continue;
		us = counted_from(track, items, n, &items[i]);
		if (us > facts->as_of_us)
			continue;
		if (us > *from_us)
			*from_us = us;
		*has_miss |= find_fact(items, n, items[i].key, LS_FACT_HIT) == NULL;
		if (++counted == track->cap)
			return items[i].at_us;
	}
	return INT64_MIN;
}

/* drop_old_occasions: true if some went that a miss made superfluous. */
static bool
drop_old_occasions(LsFacts *facts, const LsTrack *track, LsFact *items, int *n)
{
	int64_t from_us;
	bool has_miss;
	int64_t oldest_us = oldest_needed(facts, track, items, *n, &from_us, &has_miss);
	bool dropped = false;
	int noccasions = 0;
	int left = 0;

	for (int i = 0; i < *n; i++)
	{
		bool is_occasion = items[i].what == LS_FACT_MATCH;

		if (is_occasion && items[i].at_us < oldest_us)
		{
			ls_facts_readable_from(facts, from_us);
			dropped = true;
		}
		else if (is_occasion && noccasions == track->cap + LS_TRACK_YOUNG)
		{
			/* Too many wait for their hit: exact now, but not for long. */
			ls_facts_readable_from(facts, facts->as_of_us);
			ls_facts_readable_until(facts, ls_decay_later(facts->as_of_us, 1));
		}
		else
		{
			noccasions += is_occasion;
			items[left++] = items[i];
		}
	}
	*n = left;
	return dropped && has_miss;
}

/* drop_orphans: hits without an occasion, but for the latest. True if some went. */
static bool
drop_orphans(LsFact *items, int *n)
{
	int norphans = 0;
	int left = 0;

	for (int i = 0; i < *n; i++)
		if (items[i].what == LS_FACT_MATCH ||
			find_fact(items, *n, items[i].key, LS_FACT_MATCH) != NULL ||
			norphans++ < LS_TRACK_YOUNG)
			items[left++] = items[i];
	norphans = *n - left;
	*n = left;
	return norphans > 0;
}

/*
 * ls_streak_is_miss: did the latest occasion with the key count, and not hit?
 */
bool
ls_streak_is_miss(const LsFacts *facts, const LsTrack *track, const LsFact *fact)
{
	bool is_miss = false;

	for (int i = 0; i < facts->n; i++)
	{
		const LsFact *item = &facts->items[i];

		if (item->track != fact->track || item->key != fact->key)
			continue;
		if (item->what == LS_FACT_HIT)
			return false;
		is_miss |= item->what == LS_FACT_MATCH &&
				   ls_decay_later(item->at_us, track->grace_us) <= facts->as_of_us;
	}
	return is_miss;
}

/*
 * ls_streak_reduce: a state for storing keeps the occasions that can still
 * matter and a few hits whose occasion is not known; a mark says what was
 * forgotten that other facts could have made matter.
 */
int
ls_streak_reduce(LsFacts *facts,
				 const LsTrack *track,
				 LsFact *items,
				 int n,
				 bool is_final)
{
	int head = 0;
	bool forgot_occasions;
	bool forgot_hits;
	LsFact mark = {.track = items[0].track,
				   .what = LS_FACT_MARK,
				   .at_us = LS_STREAK_FORGOT_OCCASIONS};

	while (head < n &&
		   (items[head].what == LS_FACT_UNLESS || items[head].what == LS_FACT_MARK))
		head++;
	n = keep_one_each(facts, items + head, n - head);
	if (!is_final)
		return head + n;
	forgot_occasions = drop_old_occasions(facts, track, items + head, &n);
	forgot_hits = drop_orphans(items + head, &n);
	if (!forgot_occasions && !forgot_hits)
		return head + n;
	if (head == 0 || items[head - 1].what != LS_FACT_MARK)
	{
		memmove(items + head + 1, items + head, sizeof(LsFact) * n);
		items[head++] = mark;
	}
	if (forgot_hits)
		items[head - 1].at_us = LS_STREAK_FORGOT_HITS;
	return head + n;
}
