/*
 * ls_engagement_cells.c: the facts of an accumulator: packed into cells, joined,
 * and made into states.
 *
 * Most facts take one cell: a time within a thousand years of 2000, and a track
 * among the first. A value takes one more. What does not fit is written out.
 *
 *     bits   63 - 56           55 - 0
 *     short  2 x track + 1     at + 2^55                   then the value
 *            2 x track         at + 2^55
 *     long   255               bit 48: key and value       then at, key and value
 *                              47 - 32 track, 31 - 0 what
 *
 * Facts are spread out only to be reduced, now and then and at the end, in memory
 * that all share.
 */
#include "ls_engagement.h"

#include "ls_compat.h"
#include "ls_engagement_cells.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* From so many cells on facts are reduced before more memory is taken. */
#define REDUCE_FROM 256

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
 * ls_frame_of: of accumulators without events, up to a moment.
 */
LsFrame
ls_frame_of(LsEngagement *engagement, TimestampTz as_of, MemoryContext context)
{
	return (LsFrame){engagement, context, NULL, as_of, PG_INT64_MIN, PG_INT64_MAX};
}

/*
 * ls_accumulator_start: without events. The frame must stay as long as it.
 */
LsAccumulator *
ls_accumulator_start(LsAccumulator *acc, LsFrame *frame)
{
	acc->frame = frame;
	acc->last_activity_us = PG_INT64_MIN;
	acc->cells = acc->first;
	acc->n = 0;
	acc->cap = LS_ACCUMULATOR_FIRST;
	acc->has_own_frame = false;
	acc->has_earlier_activity = false;
	return acc;
}

/* LsAlone: one that has a frame of its own from the beginning. */
typedef struct LsAlone
{
	LsAccumulator acc;
	LsFrame frame;
} LsAlone;

/*
 * ls_accumulator_new_alone: without events, with a copy of the frame.
 *
 * Memory: all in the frame's context, now and later.
 */
LsAccumulator *
ls_accumulator_new_alone(const LsFrame *frame)
{
	LsAlone *alone = MemoryContextAlloc(frame->context, sizeof(LsAlone));

	alone->frame = *frame;
	ls_accumulator_start(&alone->acc, &alone->frame);
	alone->acc.has_own_frame = true;
	return &alone->acc;
}

/*
 * ls_accumulator_new: without events, up to a moment, with a frame of its own.
 *
 * Memory: all in `context`, now and later.
 */
LsAccumulator *
ls_accumulator_new(LsEngagement *engagement, TimestampTz as_of, MemoryContext context)
{
	LsFrame frame = ls_frame_of(engagement, as_of, context);

	return ls_accumulator_new_alone(&frame);
}

/*
 * ls_accumulator_own_frame: the accumulator's frame, to be changed.
 */
LsFrame *
ls_accumulator_own_frame(LsAccumulator *acc)
{
	LsFrame *frame;

	if (acc->has_own_frame)
		return acc->frame;
	frame = MemoryContextAlloc(acc->frame->context, sizeof(LsFrame));
	*frame = *acc->frame;
	acc->frame = frame;
	acc->has_own_frame = true;
	return frame;
}

/*
 * ls_accumulator_is_empty: is it as it was when new, but for its moment?
 */
bool
ls_accumulator_is_empty(const LsAccumulator *acc)
{
	return acc->n == 0 && acc->frame->from_us == PG_INT64_MIN &&
		   acc->frame->until_us == PG_INT64_MAX &&
		   acc->last_activity_us == PG_INT64_MIN;
}

/* readable_from: what the frame says, and what forgetting activity says. */
static int64
readable_from(const LsAccumulator *acc)
{
	int64 from_us = acc->frame->from_us;

	if (acc->has_earlier_activity && acc->frame->engagement->uses_activity)
		from_us = Max(from_us, acc->last_activity_us);
	return from_us;
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

/* unpack_fact: the fact that begins there; gives where the next begins. */
static inline const LsCell *
unpack_fact(const LsCell *cell, const LsTrack *tracks, LsFact *fact)
{
	uint64 head = (cell++)->head;
	bool is_sum;

	if (likely(!ls_cell_is_long(head)))
	{
		fact->track = ls_cell_track(head);
		fact->what = LS_FACT_MATCH;
		fact->at_us = ls_cell_at(head);
		is_sum = tracks[fact->track].kind == LS_TRACK_SUM;
		fact->key = is_sum;
		fact->value = ls_cell_has_value(head) ? (cell++)->value : is_sum;
		return cell;
	}
	fact->track = ls_cell_long_track(head);
	fact->what = (uint32) head;
	fact->at_us = (cell++)->at_us;
	is_sum = tracks[fact->track].kind == LS_TRACK_SUM;
	fact->key = is_sum;
	fact->value = is_sum;
	if (!ls_cell_has_more(head))
		return cell;
	fact->key = (cell++)->key;
	fact->value = (cell++)->value;
	return cell;
}

/* unpack: the facts, in shared memory, until the next call. */
static LsFacts
unpack(const LsAccumulator *acc)
{
	LsEngagement *engagement = acc->frame->engagement;
	const LsCell *end = acc->cells + acc->n;
	LsFacts facts = {reserve(engagement, acc->n),
					 0,
					 acc->frame->as_of_us,
					 readable_from(acc),
					 acc->frame->until_us};

	for (const LsCell *cell = acc->cells; cell < end;)
		cell = unpack_fact(cell, engagement->tracks, &facts.items[facts.n++]);
	return facts;
}

/* LsForm: what a fact needs. */
typedef struct LsForm
{
	bool is_short;
	bool has_more; /* of a short one: a value */
} LsForm;

static inline LsForm
form_of(const LsFact *fact, const LsEngagement *engagement)
{
	bool is_sum = engagement->tracks[fact->track].kind == LS_TRACK_SUM;
	bool has_key = fact->key != (uint64) is_sum;
	bool has_value = fact->value != (double) is_sum;

	return (LsForm){fact->what == LS_FACT_MATCH && !has_key &&
						fact->track < LS_CELL_TRACKS && ls_cell_is_near(fact->at_us),
					has_key || has_value};
}

/* append: there must be room. */
static void
append(LsAccumulator *acc, const LsFact *fact)
{
	LsForm form = form_of(fact, acc->frame->engagement);
	LsCell *to = acc->cells + acc->n;
	LsCell *end;

	if (form.is_short)
		end =
			ls_cell_put_short(to, fact->track, fact->at_us, form.has_more, fact->value);
	else
		end = ls_cell_put_long(to, fact, form.has_more);
	acc->n = (uint32) (end - acc->cells);
}

static int64
count_cells(const LsFacts *facts, const LsEngagement *engagement)
{
	int64 n = 0;

	for (int i = 0; i < facts->n; i++)
	{
		LsForm form = form_of(&facts->items[i], engagement);

		n += (form.is_short ? 1 : 2) * (form.has_more ? 2 : 1);
	}
	return n;
}

static void
set_bounds(LsAccumulator *acc, int64 as_of_us, int64 from_us, int64 until_us)
{
	LsFrame *frame = acc->frame;

	if (as_of_us == frame->as_of_us && from_us == frame->from_us &&
		until_us == frame->until_us)
		return;
	frame = ls_accumulator_own_frame(acc);
	frame->as_of_us = as_of_us;
	frame->from_us = from_us;
	frame->until_us = until_us;
}

static void
resize(LsAccumulator *acc, int64 cap)
{
	Size size = sizeof(LsCell) * cap;

	if (acc->cells != acc->first)
		acc->cells = repalloc_huge(acc->cells, size);
	else
	{
		acc->cells = MemoryContextAllocHuge(acc->frame->context, size);
		memcpy(acc->cells, acc->first, sizeof(LsCell) * acc->n);
	}
	acc->cap = (uint32) cap;
}

/* reduce: what cannot count any more goes. */
static void
reduce(LsAccumulator *acc)
{
	LsEngagement *engagement = acc->frame->engagement;
	LsFacts facts = unpack(acc);

	ls_facts_reduce(&facts, engagement->tracks, false);
	set_bounds(acc, facts.as_of_us, facts.from_us, facts.until_us);
	acc->n = 0;
	/* The sum of two short facts takes more room than they. */
	if (count_cells(&facts, engagement) > acc->cap)
		resize(acc, count_cells(&facts, engagement));
	for (int i = 0; i < facts.n; i++)
		append(acc, &facts.items[i]);
	release(engagement);
}

/*
 * ls_accumulator_make_room: for n more cells.
 *
 * Errors: 54000 where a contact has too many that may be needed.
 */
void
ls_accumulator_make_room(LsAccumulator *acc, int64 n)
{
	int64 wanted;

	CHECK_FOR_INTERRUPTS();
	if (acc->cap >= REDUCE_FROM)
		reduce(acc);
	wanted = Max(acc->n + n, (int64) acc->n * 2);
	if (wanted > PG_INT32_MAX / 4)
		ereport(ERROR,
				errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				errmsg("a contact has too many events"),
				errdetail("There are %u matches that rules of model \"%s\" may need.",
						  acc->n,
						  acc->frame->engagement->model->row->name),
				errhint("Give its sequences a span (within), or leave out what robots "
						"did in the source's condition."));
	if (wanted > acc->cap)
		resize(acc, Max(wanted, (int64) acc->cap * 2));
}

/*
 * ls_accumulator_add_fact: any fact of its tracks.
 */
void
ls_accumulator_add_fact(LsAccumulator *acc, const LsFact *fact)
{
	if (acc->n + LS_CELLS_OF_FACT > acc->cap)
		ls_accumulator_make_room(acc, LS_CELLS_OF_FACT);
	append(acc, fact);
}

/*
 * ls_accumulator_take: what an event brings.
 */
void
ls_accumulator_take(LsAccumulator *acc, const LsParcel *parcel)
{
	if (unlikely(parcel->is_future))
	{
		if (parcel->at_us < acc->frame->until_us)
			ls_accumulator_own_frame(acc)->until_us = parcel->at_us;
		return;
	}
	if (parcel->is_activity)
		ls_accumulator_note_activity(acc, parcel->at_us);
	if (acc->n + parcel->n > acc->cap)
		ls_accumulator_make_room(acc, parcel->n);
	for (uint32 i = 0; i < parcel->n; i++)
		acc->cells[acc->n++] = parcel->cells[i];
}

/* ---- joining ---------------------------------------------------------- */

static bool
can_join(const LsAccumulator *acc, const LsFacts *facts)
{
	LsFacts own;

	/* Only what was forgotten for good stands in the way. */
	if (!acc->frame->engagement->forgets_when_final)
		return true;
	own = unpack(acc);
	return ls_facts_can_join(&own, facts, acc->frame->engagement->tracks);
}

/* join_bounds: and last activities. */
static void
join_bounds(LsAccumulator *acc,
			const LsFrame *other,
			int64 last_activity_us,
			bool has_earlier_activity)
{
	const LsFrame *own = acc->frame;

	if (other != own)
		set_bounds(acc,
				   Max(own->as_of_us, other->as_of_us),
				   Max(own->from_us, other->from_us),
				   Min(own->until_us, other->until_us));
	if (last_activity_us != PG_INT64_MIN)
		ls_accumulator_note_activity(acc, last_activity_us);
	acc->has_earlier_activity |= has_earlier_activity;
}

static void
join_facts(LsAccumulator *acc, const LsFacts *facts, int64 last_activity_us)
{
	LsFrame other = {.as_of_us = facts->as_of_us,
					 .from_us = facts->from_us,
					 .until_us = facts->until_us};
	int64 room = (int64) facts->n * LS_CELLS_OF_FACT;

	if (!can_join(acc, facts))
		other.from_us = PG_INT64_MAX;
	if (acc->n + room > acc->cap)
		ls_accumulator_make_room(acc, room);
	for (int i = 0; i < facts->n; i++)
		append(acc, &facts->items[i]);
	join_bounds(acc, &other, last_activity_us, false);
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

	/* Where nothing was ever forgotten for good, it is as it stands. */
	if (!acc->frame->engagement->forgets_when_final)
	{
		if (acc->n + other->n > acc->cap)
			ls_accumulator_make_room(acc, other->n);
		memcpy(acc->cells + acc->n, other->cells, sizeof(LsCell) * other->n);
		acc->n += other->n;
		join_bounds(acc,
					other->frame,
					other->last_activity_us,
					other->has_earlier_activity);
		return;
	}
	/* Those in shared memory go when the others are unpacked. */
	facts = unpack(other);
	size = sizeof(LsFact) * (Size) facts.n;
	facts.items = memcpy(palloc_extended(size + 1, MCXT_ALLOC_HUGE), facts.items, size);
	join_facts(acc, &facts, other->last_activity_us);
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
	join_facts(acc, &facts, state->last_activity_us);
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
							  acc->frame->engagement->model->row->name),
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
	LsEngagement *engagement = acc->frame->engagement;
	const char *name = engagement->model->row->name;
	LsFacts facts = unpack(acc);
	LsState *state;

	ls_facts_reduce(&facts, engagement->tracks, true);
	check_sums(acc, &facts);
	state = palloc(ls_state_room(facts.n, (int) strlen(name)));
	SET_VARSIZE(state, ls_state_write(state, &facts, engagement->tracks, name));
	state->fingerprint = engagement->fingerprint;
	state->last_activity_us = acc->last_activity_us;
	release(engagement);
	return state;
}
