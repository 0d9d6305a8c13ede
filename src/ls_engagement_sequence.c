/*
 * ls_engagement_sequence.c: sequences: were all steps met, in the right order
 * and close enough together, and when were they last?
 *
 * Dynamic programming over the distinct times at which steps were met, oldest
 * first: for each number of steps, the chain that began last. A chain that began
 * later can do all that one that began earlier can.
 */
#include "ls_engagement_fact.h"

#include "ls_decay.h"

#include <string.h>

/* LsChain: times by their position in the array, one for each step. */
typedef struct LsChain
{
	bool is_found;
	int64_t start_us;
	int at[LS_TRACK_MAX_STEPS];
} LsChain;

typedef struct LsScan
{
	const LsTrack *track;
	const int64_t *times_us; /* the latest first */
	const uint32_t *steps;
	int n;
	LsChain best[LS_TRACK_MAX_STEPS]; /* in order: of so many steps; any: the step */
	LsChain done;					  /* the chain that was completed last */
	int64_t done_us;
} LsScan;

static bool
is_within(const LsScan *scan, int64_t start_us, int64_t end_us)
{
	return scan->track->within_us == 0 ||
		   ls_decay_age(end_us, start_us) <= scan->track->within_us;
}

static void
complete(LsScan *scan, const LsChain *chain, int i)
{
	scan->done = *chain;
	scan->done_us = scan->times_us[i];
}

static void
extend_in_order(LsScan *scan, int i)
{
	int64_t now_us = scan->times_us[i];

	for (int step = scan->track->nsteps - 1; step >= 0; step--)
	{
		LsChain chain = {.is_found = true, .start_us = now_us};

		if (!(scan->steps[i] >> step & 1))
			continue;
		if (step > 0)
			chain = scan->best[step - 1];
		if (!chain.is_found || !is_within(scan, chain.start_us, now_us))
			continue;
		chain.at[step] = i;
		if (step == scan->track->nsteps - 1)
			complete(scan, &chain, i);
		else if (!scan->best[step].is_found ||
				 chain.start_us >= scan->best[step].start_us)
			scan->best[step] = chain;
	}
}

static void
extend_any(LsScan *scan, int i)
{
	LsChain chain = {.is_found = true, .start_us = INT64_MAX};

	if (scan->steps[i] == 0)
		return;
	for (int step = 0; step < scan->track->nsteps; step++)
	{
		LsChain *last = &scan->best[step];

		if (scan->steps[i] >> step & 1)
		{
			last->is_found = true;
			last->start_us = scan->times_us[i];
			last->at[0] = i;
		}
		chain.is_found &= last->is_found;
		chain.at[step] = last->at[0];
		if (last->start_us < chain.start_us)
			chain.start_us = last->start_us;
	}
	if (chain.is_found && is_within(scan, chain.start_us, scan->times_us[i]))
		complete(scan, &chain, i);
}

static void
extend_consecutive(LsScan *scan, int i)
{
	int nsteps = scan->track->nsteps;
	int first = i + nsteps - 1;
	LsChain chain = {.is_found = true};

	if (first >= scan->n)
		return;
	for (int step = 0; step < nsteps; step++)
	{
		chain.at[step] = first - step;
		if (!(scan->steps[first - step] >> step & 1))
			return;
	}
	chain.start_us = scan->times_us[first];
	if (is_within(scan, chain.start_us, scan->times_us[i]))
		complete(scan, &chain, i);
}

/* scan_all: what was met at or before a moment. */
static void
scan_all(LsScan *scan, int64_t now_us)
{
	for (int i = scan->n - 1; i >= 0 && scan->times_us[i] <= now_us; i--)
		switch (scan->track->order)
		{
			case LS_TRACK_IN_ORDER:
				extend_in_order(scan, i);
				break;
			case LS_TRACK_ANY:
				extend_any(scan, i);
				break;
			case LS_TRACK_CONSECUTIVE:
				extend_consecutive(scan, i);
				break;
		}
}

static void
begin_scan(LsScan *scan,
		   const LsTrack *track,
		   const int64_t *times_us,
		   const uint32_t *steps,
		   int n)
{
	scan->track = track;
	scan->times_us = times_us;
	scan->steps = steps;
	scan->n = n;
	scan->done.is_found = false;
	for (int step = 0; step < track->nsteps; step++)
		scan->best[step].is_found = false;
}

/*
 * ls_sequence_completed: was it completed at or before a moment, and when last?
 * Times are distinct, the latest first, each with the steps that were met.
 */
bool
ls_sequence_completed(const LsTrack *track,
					  const int64_t *times_us,
					  const uint32_t *steps,
					  int n,
					  int64_t now_us,
					  int64_t *completed_us)
{
	LsScan scan;

	begin_scan(&scan, track, times_us, steps, n);
	scan_all(&scan, now_us);
	*completed_us = scan.done_us;
	return scan.done.is_found;
}

/* ---- progress --------------------------------------------------------- */

/* count_last: of steps in a row, with nothing between, how many were met last? */
static int
count_last(const LsScan *scan)
{
	for (int length = scan->track->nsteps - 1; length > 0; length--)
	{
		bool is_met = length <= scan->n;

		for (int step = 0; is_met && step < length; step++)
			is_met = scan->steps[length - 1 - step] >> step & 1;
		if (is_met)
			return length;
	}
	return 0;
}

/* count_open: steps of the longest chain that may still be completed. */
static int
count_open(const LsScan *scan, int64_t now_us)
{
	bool is_any = scan->track->order == LS_TRACK_ANY;
	int n = 0;

	for (int step = 0; step < scan->track->nsteps - !is_any; step++)
		if (scan->best[step].is_found &&
			is_within(scan, scan->best[step].start_us, now_us))
			n = is_any ? n + 1 : step + 1;
	return n;
}

/*
 * ls_sequence_progress: how many steps have been met, so that the others may still
 * follow in time. What lies at or before `unless_us` is void.
 */
int
ls_sequence_progress(const LsTrack *track,
					 const int64_t *times_us,
					 const uint32_t *steps,
					 int n,
					 int64_t unless_us,
					 int64_t now_us)
{
	LsScan scan;
	int first = 0;

	while (first < n && times_us[first] > now_us)
		first++;
	while (n > first && unless_us <= now_us && times_us[n - 1] <= unless_us)
		n--;
	begin_scan(&scan, track, times_us + first, steps + first, n - first);
	scan_all(&scan, now_us);
	if (track->order != LS_TRACK_CONSECUTIVE)
		return count_open(&scan, now_us);
	n = count_last(&scan);
	return n > 0 && is_within(&scan, scan.times_us[n - 1], now_us) ? n : 0;
}

/* ---- reducing --------------------------------------------------------- */

/* merge_times: one fact for each time, with all steps that were met then. */
static int
merge_times(LsFact *items, int n)
{
	int left = 0;

	for (int i = 0; i < n; i++)
		if (left > 0 && items[left - 1].at_us == items[i].at_us)
			items[left - 1].what |= items[i].what;
		else
			items[left++] = items[i];
	return left;
}

/*
 * drop_superseded: what lies more than a span before the last completion cannot
 * be part of a later one. (Where neighbours matter, it can: something that comes
 * to lie between them would bring an older completion back.)
 */
static int
drop_superseded(LsFacts *facts, const LsScan *scan, int n)
{
	int64_t within_us = scan->track->within_us;
	int left = n;

	if (!scan->done.is_found || within_us == 0 ||
		scan->track->order == LS_TRACK_CONSECUTIVE)
		return n;
	while (left > 0 &&
		   ls_decay_age(scan->done_us, scan->times_us[left - 1]) > within_us)
		left--;
	if (left < n)
		ls_facts_readable_from(facts, scan->done_us);
	return left;
}

static void
keep_chain(const LsChain *chain, bool *keep, int length)
{
	for (int step = 0; chain->is_found && step < length; step++)
		keep[chain->at[step]] = true;
}

/* choose: what may be needed once no earlier facts can come. */
static void
choose(const LsScan *scan, bool *keep, uint32_t *steps)
{
	int nsteps = scan->track->nsteps;

	memset(keep, 0, sizeof(bool) * scan->n);
	keep_chain(&scan->done, keep, nsteps);
	if (scan->track->order == LS_TRACK_IN_ORDER)
		for (int step = 0; step < nsteps - 1; step++)
			keep_chain(&scan->best[step], keep, step + 1);
	if (scan->track->order == LS_TRACK_ANY)
		for (int step = 0; step < nsteps; step++)
			keep_chain(&scan->best[step], keep, 1);
	if (scan->track->order != LS_TRACK_CONSECUTIVE)
		return;
	for (int i = 0; i < nsteps - 1; i++)
		keep[i] = true;
	/* The two ends must not become neighbours: an event without steps parts them. */
	if (scan->done.is_found && scan->done.at[nsteps - 1] > nsteps - 1)
	{
		int between = scan->done.at[nsteps - 1] - 1;

		keep[between] = true;
		steps[between] = 0;
	}
}

/* LsColumns: facts as the scan wants them, in memory of the caller's. */
typedef struct LsColumns
{
	int64_t *times_us;
	uint32_t *steps;
	bool *keep;
} LsColumns;

static LsColumns
to_columns(const LsFact *items, int n, void *memory)
{
	LsColumns columns;

	columns.times_us = memory;
	columns.steps = (uint32_t *) (columns.times_us + n);
	columns.keep = (bool *) (columns.steps + n);
	for (int i = 0; i < n; i++)
	{
		columns.times_us[i] = items[i].at_us;
		columns.steps[i] = items[i].what;
	}
	return columns;
}

/* forget: all but what was chosen; gives what is left. */
static int
forget(LsFacts *facts, LsScan *scan, const LsColumns *columns, LsFact *items, int n)
{
	int left = 0;

	choose(scan, columns->keep, columns->steps);
	for (int i = 0; i < n; i++)
		if (columns->keep[i])
		{
			items[left] = items[i];
			items[left++].what = columns->steps[i];
		}
	if (left < n && scan->done.is_found)
		ls_facts_readable_from(facts, scan->done_us);
	return left;
}

/* reduce_times: the facts without UNLESS and MARK; gives what is left of them. */
static int
reduce_times(LsFacts *facts,
			 const LsTrack *track,
			 LsFact *items,
			 int n,
			 bool is_final,
			 bool *forgot)
{
	void *memory =
		ls_facts_alloc((sizeof(int64_t) + sizeof(uint32_t) + sizeof(bool)) * n);
	LsColumns columns = to_columns(items, n, memory);
	LsScan scan;
	int left;

	begin_scan(&scan, track, columns.times_us, columns.steps, n);
	scan_all(&scan, INT64_MAX);
	n = left = drop_superseded(facts, &scan, n);
	/* A few stay: who forgets nothing can be joined with anything. */
	if (is_final && n > 2 * track->nsteps)
		left = forget(facts, &scan, &columns, items, n);
	*forgot = left < n;
	ls_facts_free(memory);
	return left;
}

/*
 * ls_sequence_reduce: a state for storing keeps the chains that may still be
 * completed and the one that was completed last; a mark says up to when.
 */
int
ls_sequence_reduce(LsFacts *facts,
				   const LsTrack *track,
				   LsFact *items,
				   int n,
				   bool is_final)
{
	int head = 0;
	bool forgot = false;
	LsFact mark = {.track = items[0].track, .what = LS_FACT_MARK};

	while (head < n &&
		   (items[head].what == LS_FACT_UNLESS || items[head].what == LS_FACT_MARK))
		head++;
	n = merge_times(items + head, n - head);
	if (n == 0)
		return head;
	mark.at_us = items[head].at_us;
	if (is_final || n > 64)
		n = reduce_times(facts, track, items + head, n, is_final, &forgot);
	if (!forgot)
		return head + n;
	if (head > 0 && items[head - 1].what == LS_FACT_MARK)
		head--;
	else
		memmove(items + head + 1, items + head, sizeof(LsFact) * n);
	items[head] = mark;
	return head + 1 + n;
}
