/*
 * ls_engagement_node_events.c: the plan node Engagement Aggregate reads events.
 *
 * All of one query are by the rules of a model as they were when the first one came.
 */
#include "ls_engagement_node_state.h"

#include "ls_compat.h"
#include "ls_guc.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* After so many events memory is released, wherever they went. */
#define MAX_EVENTS 1024

/* ---- which models, as of when ------------------------------------------ */

/* get_text: NULL where it is null. */
static text *
get_text(LsNode *node, ExprState *expr)
{
	bool is_null;
	Datum value = ExecEvalExpr(expr, node->css.ss.ps.ps_ExprContext, &is_null);

	return is_null ? NULL : DatumGetTextPP(value);
}

/* describe: the child's columns that are this aggregate's. */
static TupleDesc
describe(const LsNodeAgg *agg)
{
	List *arguments = NIL;
	int nhead = agg->as_of == NULL ? 3 : 4;
	ListCell *cell;

	for_each_from(cell, agg->call->args, nhead)
		arguments = lappend(arguments, lfirst_node(TargetEntry, cell)->expr);
	return ls_event_describe((Node *) linitial_node(TargetEntry, agg->call->args)->expr,
							 arguments);
}

/* bind: to the model, with the first event of all. */
static void
bind(LsNode *node, LsNodeAgg *agg)
{
	MemoryContext old = MemoryContextSwitchTo(node->css.ss.ps.state->es_query_cxt);

	agg->engagement = ls_event_bind(&agg->reader,
									get_text(node, agg->model),
									get_text(node, agg->source));
	agg->as_of_us = ls_guc_as_of();
	ls_event_map(&agg->reader, describe(agg));
	node->ncolumns =
		Max(node->ncolumns, agg->first + ls_event_last_column(&agg->reader));
	agg->is_bound = true;
	MemoryContextSwitchTo(old);
}

/*
 * ls_node_make_ready: with the first event for a table; as_of may be another one in
 * each scan.
 */
void
ls_node_make_ready(LsNode *node, int number)
{
	LsNodeAgg *agg = &node->aggs[number];
	LsFrame frame;

	if (!agg->is_bound)
		bind(node, agg);
	if (node->shared != NULL)
		ls_node_agree(node, number, agg->engagement);
	if (agg->as_of != NULL)
	{
		bool is_null;
		Datum value =
			ExecEvalExpr(agg->as_of, node->css.ss.ps.ps_ExprContext, &is_null);

		agg->as_of_us = ls_event_as_of(value, is_null);
	}
	frame = ls_frame_of(agg->engagement, agg->as_of_us, NULL);
	ls_groups_set_frame(node->groups, number, &frame);
	agg->is_ready = true;
}

/* ---- events ------------------------------------------------------------- */

/* form_rest: what follows from the key, in the current context. */
static MinimalTuple
form_rest(LsNode *node, const TupleTableSlot *slot)
{
	TupleTableSlot *rest = node->follower;

	ExecClearTuple(rest);
	for (int i = 0; i < node->nrest; i++)
	{
		rest->tts_values[i] = slot->tts_values[node->rest[i]];
		rest->tts_isnull[i] = slot->tts_isnull[node->rest[i]];
	}
	ExecStoreVirtualTuple(rest);
	return ExecCopySlotMinimalTuple(rest);
}

/* hash_key: that of the event's contact. Its bytes are those of the event. */
static inline LsHashed
hash_key(const LsNode *node, const TupleTableSlot *slot)
{
	LsHashed of = {.is_null = slot->tts_isnull[node->key_column]};

	if (of.is_null)
		return of;
	of.key = ls_key_from_datum(node->key_type, slot->tts_values[node->key_column]);
	of.hash = ls_hash_key(of.key);
	return of;
}

static inline bool
passes(const LsNodeAgg *agg, const TupleTableSlot *slot)
{
	return agg->filter < 0 || (!slot->tts_isnull[agg->filter] &&
							   DatumGetBool(slot->tts_values[agg->filter]));
}

/* read_event: for one of the aggregates. */
static inline void
read_event(LsNode *node, int number, TupleTableSlot *slot, LsItem *item)
{
	LsNodeAgg *agg = &node->aggs[number];
	LsEventRow event = {.values = slot->tts_values + agg->first,
						.nulls = slot->tts_isnull + agg->first};

	item->agg = passes(agg, slot) ? number : -1;
	if (item->agg < 0)
		return;
	if (unlikely(!agg->is_ready))
	{
		ls_node_make_ready(node, number);
		slot_getsomeattrs(slot, node->ncolumns);
	}
	ls_event_read(&agg->reader, &event, agg->as_of_us, &item->parcel);
}

/* add_event: an item for each aggregate. */
static inline void
add_event(LsNode *node, TupleTableSlot *slot)
{
	LsHashed of = hash_key(node, slot);

	if (node->follower != NULL)
		of.rest = form_rest(node, slot);
	if (node->nparts > 1 && ls_hash_part(of.hash, node->nparts) != node->part)
	{
		for (int i = 0; i < node->naggs; i++)
		{
			LsItem *item = ls_node_foreign_item(node, &of);

			read_event(node, i, slot, item);
			ls_node_send(node, item);
		}
		return;
	}
	if (of.key.bytes != NULL)
		of.key = ls_key_copy(of.key);
	for (int i = 0; i < node->naggs; i++)
		read_event(node, i, slot, ls_groups_item(node->groups, &of));
}

/*
 * ls_node_begin_groups: a table without any.
 */
void
ls_node_begin_groups(LsNode *node)
{
	node->groups = ls_groups_new(node->own,
								 node->naggs,
								 node->expected / node->nparts,
								 get_hash_memory_limit());
	for (int i = 0; i < node->naggs; i++)
		node->aggs[i].is_ready = false;
}

/*
 * ls_node_read_events: all that the child has, in batches; into the table, or sent
 * to other processes.
 */
void
ls_node_read_events(LsNode *node)
{
	ExprContext *econtext = node->css.ss.ps.ps_ExprContext;
	int nevents = 0;

	node->has_read = true;
	for (;;)
	{
		TupleTableSlot *slot = ExecProcNode(node->child);
		MemoryContext old;

		if (TupIsNull(slot))
			break;
		if (node->groups->n + node->naggs > LS_BATCH || ++nevents > MAX_EVENTS)
		{
			ls_groups_bring(node->groups);
			ResetExprContext(econtext);
			nevents = 0;
		}
		slot_getsomeattrs(slot, node->ncolumns);
		old = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
		add_event(node, slot);
		MemoryContextSwitchTo(old);
	}
	ls_groups_bring(node->groups);
	ResetExprContext(econtext);
}
