/*
 * ls_engagement_cells.c: the facts of an accumulator: packed into cells, joined,
 * and made into states.
 *
 * An aggregate has an accumulator for each contact, and visits them in no order:
 * how fast it is depends on how little memory they take. So facts are spread out
 * only to be reduced, now and then and at the end, in memory that all share.
 */
#include "ls_engagement.h"

#include "ls_compat.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* From so many cells on facts are reduced before more memory is taken. */
#define REDUCE_FROM 128

/* Shared memory beyond so many facts is given back. */
#define KEEP_FACTS 4096

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
	acc->cells = acc->first;
	acc->n = 0;
	acc->cap = LS_ACCUMULATOR_FIRST;
	acc->as_of_us = as_of;
	acc->from_us = PG_INT64_MIN;
	acc->until_us = PG_INT64_MAX;
	acc->last_activity_us = PG_INT64_MIN;
	return acc;
}

/*
 * ls_accumulator_note_activity: the latest counts; others are only needed for
 * the past.
 */
void
ls_accumulator_note_activity(LsAccumulator *acc, int64 at_us)
{
	int64 last_us = acc->last_activity_us;

	if (at_us > last_us)
		acc->last_activity_us = at_us;
	if (last_us != PG_INT64_MIN && last_us != at_us && acc->engagement->uses_activity)
		acc->from_us = Max(acc->from_us, acc->last_activity_us);
}

/* ---- packing ---------------------------------------------------------- */

/* reserve: shared memory for so many facts. */
static LsFact *
reserve(LsEngagement *engagement, int n)
{
	if (engagement->facts != NULL && n <= engagement->facts_cap)
		return engagement->facts;
	if (engagement->facts != NULL)
		pfree(engagement->facts);
	engagement->facts = NULL;
	engagement->facts_cap = Max(n, 64);
	engagement->facts =
		MemoryContextAllocHuge(GetMemoryChunkContext(engagement),
							   sizeof(LsFact) * (Size) engagement->facts_cap);
	return engagement->facts;
}

static void
release(LsEngagement *engagement)
{
	if (engagement->facts_cap <= KEEP_FACTS)
		return;
	pfree(engagement->facts);
	engagement->facts = NULL;
}

/* has_default: do key and value say nothing that the track does not? */
static inline bool
has_default(const LsEngagement *engagement, const LsFact *fact)
{
	bool is_sum = engagement->tracks[fact->track].kind == LS_TRACK_SUM;

	return fact->key == (uint64) is_sum && fact->value == (double) is_sum;
}

/* unpack: the facts, in shared memory, until the next call. */
static LsFacts
unpack(const LsAccumulator *acc)
{
	const LsTrack *tracks = acc->engagement->tracks;
	LsFacts facts = {reserve(acc->engagement, acc->n),
					 0,
					 acc->as_of_us,
					 acc->from_us,
					 acc->until_us};

	for (int i = 0; i < acc->n; i++)
	{
		const LsCell *cell = &acc->cells[i];
		LsFact *fact = &facts.items[facts.n++];
		bool is_sum = tracks[cell->fact.track].kind == LS_TRACK_SUM;

		fact->at_us = cell->fact.at_us;
		fact->track = cell->fact.track;
		fact->what = cell->fact.what;
		fact->key = cell->fact.has_more ? cell[1].more.key : (uint64) is_sum;
		fact->value = cell->fact.has_more ? cell[1].more.value : (double) is_sum;
		i += cell->fact.has_more;
	}
	return facts;
}

/* append: there must be room for two cells. */
static void
append(LsAccumulator *acc, const LsFact *fact)
{
	LsCell *cell = &acc->cells[acc->n++];

	cell->fact.at_us = fact->at_us;
	cell->fact.what = fact->what;
	cell->fact.track = (uint16) fact->track;
	cell->fact.has_more = !has_default(acc->engagement, fact);
	if (!cell->fact.has_more)
		return;
	cell = &acc->cells[acc->n++];
	cell->more.key = fact->key;
	cell->more.value = fact->value;
}

/* reduce: what cannot count any more goes. */
static void
reduce(LsAccumulator *acc)
{
	LsFacts facts = unpack(acc);

	ls_facts_reduce(&facts, acc->engagement->tracks, false);
	acc->from_us = facts.from_us;
	acc->until_us = facts.until_us;
	acc->n = 0;
	for (int i = 0; i < facts.n; i++)
		append(acc, &facts.items[i]);
	release(acc->engagement);
}

static void
resize(LsAccumulator *acc, int64 cap)
{
	Size size = sizeof(LsCell) * cap;

	if (acc->cells != acc->first)
		acc->cells = repalloc_huge(acc->cells, size);
	else
	{
		acc->cells = MemoryContextAllocHuge(GetMemoryChunkContext(acc), size);
		memcpy(acc->cells, acc->first, sizeof(LsCell) * acc->n);
	}
	acc->cap = cap;
}

/*
 * ls_accumulator_make_room: for n more cells.
 *
 * Errors: 54000 where a contact has too many that may be needed.
 */
void
ls_accumulator_make_room(LsAccumulator *acc, int n)
{
	int64 wanted;

	CHECK_FOR_INTERRUPTS();
	if (acc->cap >= REDUCE_FROM)
		reduce(acc);
	wanted = Max((int64) acc->n + n, (int64) acc->n * 2);
	if (wanted > PG_INT32_MAX / 4)
		ereport(ERROR,
				errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				errmsg("a contact has too many events"),
				errdetail("There are %d matches that rules of model \"%s\" may need.",
						  acc->n,
						  acc->engagement->model->row->name),
				errhint("Give its sequences a span (within), or leave out what robots "
						"did in the source's condition."));
	if (wanted > acc->cap)
		resize(acc, Max(wanted, (int64) acc->cap * 2));
}

/* ---- joining ---------------------------------------------------------- */

static bool
can_join(const LsAccumulator *acc, const LsFacts *facts)
{
	LsFacts own;

	/* Only what was forgotten for good stands in the way. */
	if (!acc->engagement->forgets_when_final)
		return true;
	own = unpack(acc);
	return ls_facts_can_join(&own, facts, acc->engagement->tracks);
}

static void
join(LsAccumulator *acc, const LsFacts *facts, int64 last_activity_us)
{
	if (!can_join(acc, facts))
		acc->from_us = PG_INT64_MAX;
	if (acc->n + (int64) facts->n * 2 > acc->cap)
		ls_accumulator_make_room(acc, facts->n * 2);
	for (int i = 0; i < facts->n; i++)
		append(acc, &facts->items[i]);
	acc->as_of_us = Max(acc->as_of_us, facts->as_of_us);
	acc->from_us = Max(acc->from_us, facts->from_us);
	acc->until_us = Min(acc->until_us, facts->until_us);
	if (last_activity_us != PG_INT64_MIN)
		ls_accumulator_note_activity(acc, last_activity_us);
}

/*
 * ls_accumulator_join: add another's facts; both were never final, so nothing
 * was forgotten that could be needed.
 */
void
ls_accumulator_join(LsAccumulator *acc, const LsAccumulator *other)
{
	if (acc->n + (int64) other->n > acc->cap)
		ls_accumulator_make_room(acc, other->n);
	memcpy(acc->cells + acc->n, other->cells, sizeof(LsCell) * other->n);
	acc->n += other->n;
	acc->as_of_us = Max(acc->as_of_us, other->as_of_us);
	acc->from_us = Max(acc->from_us, other->from_us);
	acc->until_us = Min(acc->until_us, other->until_us);
	if (other->last_activity_us != PG_INT64_MIN)
		ls_accumulator_note_activity(acc, other->last_activity_us);
}

/*
 * ls_accumulator_join_state: add the facts of a state of the same fingerprint.
 * Where that is not the same as adding its events, the result can never be read,
 * which is said then.
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

/* ---- states ----------------------------------------------------------- */

/* check_sums: many finite values may add up to more than a number can be. */
static void
check_sums(const LsAccumulator *acc, const LsFacts *facts)
{
	for (int i = 0; i < facts->n; i++)
		if (unlikely(!isfinite(facts->items[i].value)))
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
 * small as it can be. The accumulator stays as it is: in a window more may come.
 *
 * Errors: 22003 where a sum is not finite.
 */
LsState *
ls_accumulator_state(const LsAccumulator *acc, bool is_final)
{
	LsEngagement *engagement = acc->engagement;
	const char *name = engagement->model->row->name;
	LsFacts facts = unpack(acc);
	Size size;
	LsState *state;

	ls_facts_reduce(&facts, engagement->tracks, is_final);
	check_sums(acc, &facts);
	size = ls_state_size(&facts, engagement->tracks, strlen(name));
	state = palloc0(size);
	SET_VARSIZE(state, size);
	ls_state_write(state, &facts, engagement->tracks, name);
	state->fingerprint = engagement->fingerprint;
	state->last_activity_us = acc->last_activity_us;
	release(engagement);
	return state;
}
