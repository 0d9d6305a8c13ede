/*
 * ls_engagement_accumulate.c: events -> facts -> states.
 *
 * The hot path. An event costs one match of the source's rules and, for what it
 * meets, one fact at the end of an array; facts are sorted and reduced only now
 * and then, and at the end.
 */
#include "ls_engagement.h"

#include "ls_compat.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* From so many facts on they are reduced before more memory is taken. */
#define REDUCE_FROM 64

/* Stands for a null among the values that matches are told apart by. */
#define KEY_OF_NULL UINT64CONST(0x6e756c6c6e756c6c)

/* What ls_engagement_fact.h wants. */
void *
ls_facts_alloc(size_t size)
{
	return palloc(size);
}

void
ls_facts_free(void *memory)
{
	pfree(memory);
}

/*
 * ls_accumulator_new: without events, up to a moment.
 *
 * Memory: all in `context`, now and later.
 */
LsAccumulator *
ls_accumulator_new(LsEngagement *engagement, TimestampTz as_of, MemoryContext context)
{
	LsAccumulator *acc = MemoryContextAlloc(context, sizeof(LsAccumulator));

	acc->engagement = engagement;
	acc->facts.items = acc->first;
	acc->facts.n = 0;
	acc->facts.as_of_us = as_of;
	acc->facts.from_us = PG_INT64_MIN;
	acc->facts.until_us = PG_INT64_MAX;
	acc->last_activity_us = PG_INT64_MIN;
	acc->cap = LS_ACCUMULATOR_FIRST;
	return acc;
}

static void
resize(LsAccumulator *acc, int64 cap)
{
	Size size = sizeof(LsFact) * cap;

	if (acc->facts.items != acc->first)
		acc->facts.items = repalloc_huge(acc->facts.items, size);
	else
	{
		acc->facts.items = MemoryContextAllocHuge(GetMemoryChunkContext(acc), size);
		memcpy(acc->facts.items, acc->first, sizeof(LsFact) * acc->facts.n);
	}
	acc->cap = cap;
}

/* make_room: for n more facts. */
static void
make_room(LsAccumulator *acc, int n)
{
	int64 wanted = (int64) acc->facts.n + n;

	CHECK_FOR_INTERRUPTS();
	if (acc->cap >= REDUCE_FROM)
		ls_facts_reduce(&acc->facts, acc->engagement->tracks, false);
	wanted = Max((int64) acc->facts.n + n, (int64) acc->facts.n * 2);
	if (wanted > PG_INT32_MAX / 2)
		ereport(ERROR,
				errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				errmsg("a contact has too many events"),
				errdetail("There are %d matches that rules of model \"%s\" may need.",
						  acc->facts.n,
						  acc->engagement->model->row->name),
				errhint("Give its sequences a span (within), or leave out what robots "
						"did in the source's condition."));
	if (wanted > acc->cap)
		resize(acc, Max(wanted, (int64) acc->cap * 2));
}

static inline LsFact *
next_fact(LsAccumulator *acc)
{
	if (acc->facts.n == acc->cap)
		make_room(acc, 1);
	return &acc->facts.items[acc->facts.n++];
}

/* note_activity: the latest counts; others are only needed for the past. */
static inline void
note_activity(LsAccumulator *acc, int64 at_us)
{
	int64 last_us = acc->last_activity_us;

	if (at_us > last_us)
		acc->last_activity_us = at_us;
	if (last_us != PG_INT64_MIN && last_us != at_us && acc->engagement->uses_activity)
		ls_facts_readable_from(&acc->facts, acc->last_activity_us);
}

static uint64
key_of(LsEventSource *source, int number)
{
	const LsHash *hash = &source->hashes[number];
	bool is_null;
	Datum value = ls_match_value(source->matcher, number, &is_null);

	if (is_null)
		return KEY_OF_NULL;
	return DatumGetUInt64(
		FunctionCall2Coll(hash->function, hash->collation, value, UInt64GetDatum(0)));
}

/* value_of: what is no number counts as 0. */
static double
value_of(LsEventSource *source, int number)
{
	bool is_null;
	Datum value = ls_match_value(source->matcher, number, &is_null);

	if (is_null || !isfinite(DatumGetFloat8(value)))
		return 0;
	return DatumGetFloat8(value);
}

static inline void
add_match(LsAccumulator *acc, LsEventSource *source, const LsFeed *feed, int64 at_us)
{
	LsFact *fact;

	if (at_us < feed->counts_from || at_us >= feed->counts_until)
		return;
	if (feed->track < 0)
	{
		note_activity(acc, at_us);
		return;
	}
	fact = next_fact(acc);
	fact->at_us = at_us;
	fact->track = feed->track;
	fact->what = feed->what;
	if (acc->engagement->tracks[feed->track].kind == LS_TRACK_SUM)
	{
		fact->key = 1;
		fact->value = feed->value < 0 ? 1 : value_of(source, feed->value);
		return;
	}
	fact->key = feed->distinct < 0 ? 0 : key_of(source, feed->distinct);
	fact->value = feed->value < 0 ? 0 : value_of(source, feed->value);
}

/* passes: does the event count at all, and when was it? */
static inline bool
passes(LsAccumulator *acc, const LsEventReader *reader, HeapTuple event, int64 *at_us)
{
	LsEventSource *source = reader->source;
	const int *numbers;
	bool no_time;
	bool no_contact;

	ls_match_load_row(source->matcher, reader->map, event);
	*at_us = DatumGetTimestampTz(
		ls_match_value(source->matcher, LS_EVENT_OCCURRED_AT, &no_time));
	(void) ls_match_value(source->matcher, LS_EVENT_CONTACT_ID, &no_contact);
	if (no_time || no_contact || TIMESTAMP_NOT_FINITE(*at_us))
		return false;
	if (source->gate != NULL)
	{
		ls_match_load_row(source->gate, reader->gate, event);
		if (ls_match_list(source->gate, 0, &numbers) == 0)
			return false;
	}
	if (*at_us <= acc->facts.as_of_us)
		return true;
	ls_facts_readable_until(&acc->facts, *at_us);
	return false;
}

/*
 * ls_accumulator_add: one event.
 *
 * Errors: what a condition raises, with the rule's name.
 */
void
ls_accumulator_add(LsAccumulator *acc, const LsEventReader *reader, HeapTuple event)
{
	LsEventSource *source = reader->source;
	const int *numbers;
	int64 at_us;
	int n;

	if (!passes(acc, reader, event, &at_us))
		return;
	n = ls_match_list(source->matcher, 0, &numbers);
	for (int i = 0; i < source->always.n; i++)
		add_match(acc, source, &source->always.items[i], at_us);
	for (int i = 0; i < n; i++)
	{
		const LsFeeds *feeds = &source->feeds[numbers[i]];

		for (int j = 0; j < feeds->n; j++)
			add_match(acc, source, &feeds->items[j], at_us);
	}
}

/* ---- joining ---------------------------------------------------------- */

static void
join(LsAccumulator *acc, const LsFacts *facts, int64 last_activity_us)
{
	if (!ls_facts_can_join(&acc->facts, facts, acc->engagement->tracks))
		ls_facts_readable_from(&acc->facts, PG_INT64_MAX);
	if (acc->facts.n + (int64) facts->n > acc->cap)
		make_room(acc, facts->n);
	memcpy(acc->facts.items + acc->facts.n, facts->items, sizeof(LsFact) * facts->n);
	acc->facts.n += facts->n;
	acc->facts.as_of_us = Max(acc->facts.as_of_us, facts->as_of_us);
	ls_facts_readable_from(&acc->facts, facts->from_us);
	ls_facts_readable_until(&acc->facts, facts->until_us);
	if (last_activity_us != PG_INT64_MIN)
		note_activity(acc, last_activity_us);
}

/*
 * ls_accumulator_join: add another's facts. Where that is not the same as adding
 * its events, the result can never be read, which is said then.
 */
void
ls_accumulator_join(LsAccumulator *acc, const LsAccumulator *other)
{
	join(acc, &other->facts, other->last_activity_us);
}

/*
 * ls_accumulator_join_state: the same with a state of the same fingerprint.
 */
void
ls_accumulator_join_state(LsAccumulator *acc, const LsState *state)
{
	LsFact few[32];
	int n = ls_state_count(state);
	LsFacts facts = {few, n, state->as_of_us, state->from_us, state->until_us};

	if (n > lengthof(few))
		facts.items = palloc(sizeof(LsFact) * n);
	(void) ls_state_facts(state, facts.items);
	join(acc, &facts, state->last_activity_us);
	if (n > lengthof(few))
		pfree(facts.items);
}

/* check_sums: many finite values may add up to more than a number can be. */
static void
check_sums(const LsAccumulator *acc)
{
	for (int i = 0; i < acc->facts.n; i++)
		if (unlikely(!isfinite(acc->facts.items[i].value)))
			ereport(ERROR,
					errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					errmsg("the values of a contact's events add up to more than a "
						   "number can be"),
					errdetail("They are for a rule of model \"%s\" that has a value.",
							  acc->engagement->model->row->name),
					errhint("Divide the rule's value, or give the rule a max_count."));
}

/*
 * ls_accumulator_state: what was accumulated, as a value; a final one is made as
 * small as it can be.
 *
 * Errors: 22003 where a sum is not finite.
 */
LsState *
ls_accumulator_state(LsAccumulator *acc, bool is_final)
{
	LsEngagement *engagement = acc->engagement;
	const char *name = engagement->model->row->name;
	Size size;
	LsState *state;

	ls_facts_reduce(&acc->facts, engagement->tracks, is_final);
	check_sums(acc);
	size = ls_state_size(&acc->facts, engagement->tracks, strlen(name));
	state = palloc0(size);
	SET_VARSIZE(state, size);
	ls_state_write(state, &acc->facts, engagement->tracks, name);
	state->fingerprint = engagement->fingerprint;
	state->last_activity_us = acc->last_activity_us;
	return state;
}
