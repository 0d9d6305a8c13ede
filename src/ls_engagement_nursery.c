/*
 * ls_engagement_nursery.c: where the accumulators of an aggregate come from.
 *
 * A hashed aggregate keeps one for each contact, until the end. They lie side by
 * side, each in a line of the processor's cache, for its memory is what such an
 * aggregate waits for. A sorted one has one at a time.
 */
#include "ls_engagement.h"

#include "ls_compat.h"

#include "nodes/execnodes.h"
#include "utils/memutils.h"

/* How many moments of one query share their frames. */
#define MAX_FRAMES 8

/* A line of the cache, and so many accumulators are made together. */
#define LINE 64
#define FIRST_SLAB 16
#define LAST_SLAB 16384

StaticAssertDecl(sizeof(LsAccumulator) == LINE, "an accumulator fits a cache line");

/* share_frame: one that is like the wanted; NULL where there are too many. */
static LsFrame *
share_frame(LsNursery *nursery, const LsFrame *wanted)
{
	MemoryContext old;
	LsFrame *frame;
	ListCell *cell;

	foreach(cell, nursery->frames)
		if (memcmp(lfirst(cell), wanted, sizeof(LsFrame)) == 0)
			return lfirst(cell);
	if (list_length(nursery->frames) >= MAX_FRAMES)
		return NULL;
	old = MemoryContextSwitchTo(GetMemoryChunkContext(nursery));
	frame = palloc(sizeof(LsFrame));
	*frame = *wanted;
	nursery->frames = lappend(nursery->frames, frame);
	MemoryContextSwitchTo(old);
	return frame;
}

/* is_hashed: is it an aggregate that keeps all of its groups? */
static bool
is_hashed(FunctionCallInfo fcinfo)
{
	return IsA(fcinfo->context, AggState) &&
		   ((const AggState *) fcinfo->context)->aggstrategy == AGG_HASHED;
}

/* forget_slab: the context is reset, and all accumulators are gone. */
static void
forget_slab(void *arg)
{
	LsNursery *nursery = arg;

	nursery->context = NULL;
	for (int i = 0; i < LS_QUEUE_LENGTH; i++)
		nursery->queue.parcels[i].acc = NULL;
}

static void
new_slab(LsNursery *nursery, MemoryContext context)
{
	char *memory;

	if (nursery->context != context)
	{
		nursery->reset.func = forget_slab;
		nursery->reset.arg = nursery;
		MemoryContextRegisterResetCallback(context, &nursery->reset);
		nursery->context = context;
		nursery->size = FIRST_SLAB;
	}
	else
		nursery->size = Min(nursery->size * 2, LAST_SLAB);
	memory = MemoryContextAlloc(context, (Size) LINE * (nursery->size + 1));
	nursery->next = (LsAccumulator *) TYPEALIGN(LINE, memory);
	nursery->end = nursery->next + nursery->size;
}

/*
 * ls_nursery_get: a new accumulator for the aggregate that is at work. `wanted` is
 * the frame that it begins with, but for the context.
 *
 * Memory: all of it in the aggregate's context. The nursery must be in one that is
 * there as long as the aggregate.
 */
LsAccumulator *
ls_nursery_get(LsNursery *nursery, FunctionCallInfo fcinfo, const LsFrame *wanted)
{
	LsFrame frame = *wanted;
	LsFrame *shared;

	frame.context = ls_aggregate_context(fcinfo);
	frame.queue = is_hashed(fcinfo) ? &nursery->queue : NULL;
	shared = share_frame(nursery, &frame);
	if (frame.queue != NULL &&
		(nursery->context != frame.context || nursery->next == nursery->end))
		new_slab(nursery, frame.context);
	if (shared == NULL)
		return ls_accumulator_new_alone(&frame);
	if (frame.queue != NULL)
		return ls_accumulator_start(nursery->next++, shared);
	return ls_accumulator_start(MemoryContextAlloc(frame.context,
												   sizeof(LsAccumulator)),
								shared);
}

/*
 * ls_nursery_settle: before an accumulator is read: bring what waits for it.
 */
void
ls_nursery_settle(const LsAccumulator *acc)
{
	if (acc->frame->queue != NULL)
		ls_queue_bring(acc->frame->queue);
}
