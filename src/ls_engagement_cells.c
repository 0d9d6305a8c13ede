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
 * ls_accumulator_is_empty: is it as it was when new, but for its moment?
 */
bool
ls_accumulator_is_empty(const LsAccumulator *acc)
{
	return acc->n == 0 && acc->from_us == PG_INT64_MIN &&
		   acc->until_us == PG_INT64_MAX && acc->last_activity_us == PG_INT64_MIN;
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

/* join_cells: where nothing was ever forgotten for good. */
static void
join_cells(LsAccumulator *acc, const LsAccumulator *other)
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
 * ls_accumulator_join: add another's facts. Where that is not the same as adding
 * its events, the result can never be read, which is said then.
 */
void
ls_accumulator_join(LsAccumulator *acc, const LsAccumulator *other)
{
	LsFacts facts;
	Size size;

	if (!acc->engagement->forgets_when_final)
	{
		join_cells(acc, other);
		return;
	}
	/* Those in shared memory go when the others are unpacked. */
	facts = unpack(other);
	size = sizeof(LsFact) * (Size) facts.n;
	facts.items = memcpy(palloc_extended(size + 1, MCXT_ALLOC_HUGE), facts.items, size);
	join(acc, &facts, other->last_activity_us);
	pfree(facts.items);
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
 * ls_accumulator_state: what was accumulated, as a value, made as small as it can
 * be. The accumulator stays as it is: in a window more may come.
 *
 * Errors: 22003 where a sum is not finite.
 */
LsState *
ls_accumulator_state(const LsAccumulator *acc)
{
	LsEngagement *engagement = acc->engagement;
	const char *name = engagement->model->row->name;
	LsFacts facts = unpack(acc);
	Size size;
	LsState *state;

	ls_facts_reduce(&facts, engagement->tracks, true);
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

/* ---- between processes -------------------------------------------------- */

/* LsWire: an accumulator on its way; its cells follow. */
typedef struct LsWire
{
	uint64 fingerprint;
	int64 as_of_us;
	int64 from_us;
	int64 until_us;
	int64 last_activity_us;
	int64 n;
	char model[LS_STATE_MAX_NAME + 1];
} LsWire;

/*
 * ls_accumulator_send: as bytes that ls_accumulator_receive understands, in
 * another process of the same server.
 */
bytea *
ls_accumulator_send(const LsAccumulator *acc)
{
	Size size = VARHDRSZ + sizeof(LsWire) + sizeof(LsCell) * (Size) acc->n;
	bytea *bytes = palloc_extended(size, MCXT_ALLOC_HUGE);
	LsWire wire = {acc->engagement->fingerprint,
				   acc->as_of_us,
				   acc->from_us,
				   acc->until_us,
				   acc->last_activity_us,
				   acc->n};

	if (size > MaxAllocSize)
		ereport(ERROR,
				errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				errmsg("a contact has too many events for a parallel query"),
				errhint("Set max_parallel_workers_per_gather = 0."));
	strlcpy(wire.model, acc->engagement->model->row->name, sizeof(wire.model));
	SET_VARSIZE(bytes, size);
	memcpy(VARDATA(bytes), &wire, sizeof(LsWire));
	memcpy(VARDATA(bytes) + sizeof(LsWire), acc->cells, sizeof(LsCell) * acc->n);
	return bytes;
}

/* are_sound: nothing that a process of ours sends is not. */
static bool
are_sound(const LsAccumulator *acc)
{
	for (int i = 0; i < acc->n; i++)
	{
		if (acc->cells[i].fact.track >= acc->engagement->ntracks)
			return false;
		i += acc->cells[i].fact.has_more;
		if (i >= acc->n)
			return false;
	}
	return true;
}

/*
 * ls_accumulator_receive: of the model that it names.
 *
 * Errors: 40001 where the rules are others by now; XX001.
 */
LsAccumulator *
ls_accumulator_receive(FunctionCallInfo fcinfo, const bytea *bytes)
{
	Size size = VARSIZE_ANY_EXHDR(bytes);
	LsWire wire;
	LsAccumulator *acc = NULL;

	if (size >= sizeof(LsWire))
	{
		/* A bytea may stand where it likes. */
		memcpy(&wire, VARDATA_ANY(bytes), sizeof(LsWire));
		wire.model[LS_STATE_MAX_NAME] = '\0';
		if (wire.n >= 0 && wire.n == (size - sizeof(LsWire)) / sizeof(LsCell) &&
			size == sizeof(LsWire) + sizeof(LsCell) * (Size) wire.n)
			acc = ls_accumulator_new(ls_engagement_of_name(fcinfo,
														   wire.model,
														   strlen(wire.model)),
									 wire.as_of_us,
									 CurrentMemoryContext);
	}
	if (acc != NULL && acc->engagement->fingerprint != wire.fingerprint)
		ls_accumulator_refuse_change(acc);
	if (acc != NULL)
	{
		if (wire.n > acc->cap)
			resize(acc, wire.n);
		memcpy(acc->cells,
			   VARDATA_ANY(bytes) + sizeof(LsWire),
			   sizeof(LsCell) * (Size) wire.n);
		acc->n = (int) wire.n;
		acc->from_us = wire.from_us;
		acc->until_us = wire.until_us;
		acc->last_activity_us = wire.last_activity_us;
	}
	if (acc == NULL || !are_sound(acc))
		ereport(ERROR,
				errcode(ERRCODE_DATA_CORRUPTED),
				errmsg("malformed engagement state between parallel processes"),
				errhint("Set max_parallel_workers_per_gather = 0, and report it."));
	return acc;
}

/*
 * ls_accumulator_refuse_change: all states of a query are made by the same rules.
 *
 * Errors: 40001.
 */
void
ls_accumulator_refuse_change(const LsAccumulator *acc)
{
	ereport(ERROR,
			errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			errmsg("rules of model \"%s\" changed while events were aggregated",
				   acc->engagement->model->row->name),
			errhint("Run the query again."));
}
