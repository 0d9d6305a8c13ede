/*
 * ls_engagement_node.c: the plan node Engagement Aggregate at work.
 *
 * It does what a HashAggregate with engagement_agg_columns does, and gives the same,
 * in less time (ls_engagement_groups.c says how). When rules change meanwhile, all
 * states of a query are still made by the same.
 */
#include "ls_engagement_node.h"

#include "ls_compat.h"
#include "ls_engagement_groups.h"
#include "ls_fit.h"
#include "ls_guc.h"
#include "ls_match.h"

#include "catalog/objectaccess.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "executor/nodeHash.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/ruleutils.h"
#include "utils/timestamp.h"

/* LsNodeAgg: one of the aggregates. */
typedef struct LsNodeAgg
{
	const Aggref *call;
	ExprState *model;
	ExprState *source;
	ExprState *as_of; /* NULL = lead_scoring.as_of() */
	int first;		  /* of its columns, from 0 */
	int filter;		  /* a column, from 0; -1 = none */
	LsEngagement *engagement;
	LsEventReader reader;
	TimestampTz as_of_us;
} LsNodeAgg;

typedef struct LsNode
{
	CustomScanState css; /* at the beginning */
	PlanState *child;
	int key_column; /* from 0 */
	Oid key_type;
	double expected;
	int naggs;
	LsNodeAgg *aggs;
	int ncolumns;	   /* of the child, that are looked at */
	bool is_bound;	   /* are the models known? */
	LsGroups *groups;  /* NULL = none yet */
	bool is_filled;	   /* have all events come? */
	MemoryContext own; /* of the groups */
} LsNode;

/* ---- beginning --------------------------------------------------------- */

static Node *create_state(CustomScan *plan);
static void begin_node(CustomScanState *css, EState *estate, int eflags);
static TupleTableSlot *exec_node(CustomScanState *css);
static void end_node(CustomScanState *css);
static void rescan_node(CustomScanState *css);
static void explain_node(CustomScanState *css, List *ancestors, ExplainState *es);

static const CustomExecMethods exec_methods = {
	.CustomName = "Engagement Aggregate",
	.BeginCustomScan = begin_node,
	.ExecCustomScan = exec_node,
	.EndCustomScan = end_node,
	.ReScanCustomScan = rescan_node,
	.ExplainCustomScan = explain_node,
};

const CustomScanMethods ls_engagement_node = {
	.CustomName = "Engagement Aggregate",
	.CreateCustomScanState = create_state,
};

static Node *
create_state(CustomScan *plan)
{
	LsNode *node = (LsNode *) newNode(sizeof(LsNode), T_CustomScanState);

	node->css.methods = &exec_methods;
	return (Node *) node;
}

/* check_may_call: as for any aggregate. */
static void
check_may_call(const Aggref *call)
{
	if (!ls_may_execute(call->aggfnoid, GetUserId()))
		aclcheck_error(ACLCHECK_NO_PRIV,
					   OBJECT_AGGREGATE,
					   get_func_name(call->aggfnoid));
	InvokeFunctionExecuteHook(call->aggfnoid);
}

static void
begin_agg(LsNode *node, int number)
{
	CustomScan *plan = (CustomScan *) node->css.ss.ps.plan;
	LsNodeAgg *agg = &node->aggs[number];
	List *fields = plan->custom_private;
	int field = LS_NODE_AGGREGATES + number * LS_NODE_FIELDS;

	agg->call =
		castNode(Aggref,
				 list_nth_node(TargetEntry, plan->custom_scan_tlist, number + 1)->expr);
	check_may_call(agg->call);
	agg->first = list_nth_int(fields, field) - 1;
	agg->filter = list_nth_int(fields, field + 1) - 1;
	agg->model = ExecInitExpr(list_nth(plan->custom_exprs, number * LS_NODE_EXPRS),
							  &node->css.ss.ps);
	agg->source = ExecInitExpr(list_nth(plan->custom_exprs, number * LS_NODE_EXPRS + 1),
							   &node->css.ss.ps);
	agg->as_of = ExecInitExpr(list_nth(plan->custom_exprs, number * LS_NODE_EXPRS + 2),
							  &node->css.ss.ps);
}

static void
begin_node(CustomScanState *css, EState *estate, int eflags)
{
	LsNode *node = (LsNode *) css;
	CustomScan *plan = (CustomScan *) css->ss.ps.plan;
	List *fields = plan->custom_private;

	node->child = ExecInitNode(linitial(plan->custom_plans),
							   estate,
							   eflags & ~(EXEC_FLAG_REWIND | EXEC_FLAG_BACKWARD |
										  EXEC_FLAG_MARK));
	css->custom_ps = list_make1(node->child);
	node->key_column = list_nth_int(fields, LS_NODE_KEY_COLUMN) - 1;
	node->key_type = (Oid) list_nth_int(fields, LS_NODE_KEY_TYPE);
	node->expected = list_nth_int(fields, LS_NODE_GROUPS);
	node->ncolumns = node->key_column + 1;
	node->naggs = list_length(plan->custom_scan_tlist) - 1;
	node->aggs = palloc0(sizeof(LsNodeAgg) * node->naggs);
	for (int i = 0; i < node->naggs; i++)
		begin_agg(node, i);
	node->own = AllocSetContextCreate(CurrentMemoryContext,
									  "engagement aggregate",
									  ALLOCSET_DEFAULT_SIZES);
}

/* ---- which models, as of when ------------------------------------------ */

/* get_text: NULL where it is null. */
static text *
get_text(LsNode *node, ExprState *expr)
{
	bool is_null;
	Datum value = ExecEvalExpr(expr, node->css.ss.ps.ps_ExprContext, &is_null);

	return is_null ? NULL : DatumGetTextPP(value);
}

/* find_as_of: it may be another one in each scan. */
static void
find_as_of(LsNode *node, LsNodeAgg *agg)
{
	bool is_null;
	Datum value;

	if (agg->as_of == NULL)
		return;
	value = ExecEvalExpr(agg->as_of, node->css.ss.ps.ps_ExprContext, &is_null);
	agg->as_of_us = ls_event_as_of(value, is_null);
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

/* bind_agg: once a query, with its first event. */
static void
bind_agg(LsNode *node, LsNodeAgg *agg)
{
	text *model = get_text(node, agg->model);
	text *source = get_text(node, agg->source);

	agg->engagement = ls_event_bind(&agg->reader, model, source);
	agg->as_of_us = ls_guc_as_of();
	find_as_of(node, agg);
	ls_event_map(&agg->reader, describe(agg));
	node->ncolumns =
		Max(node->ncolumns,
			Max(agg->first + ls_event_last_column(&agg->reader), agg->filter + 1));
}

static void
bind(LsNode *node)
{
	for (int i = 0; i < node->naggs; i++)
	{
		LsNodeAgg *agg = &node->aggs[i];

		if (!node->is_bound)
			bind_agg(node, agg);
		else
			find_as_of(node, agg);
	}
	node->is_bound = true;
}

static void
begin_groups(LsNode *node)
{
	LsFrame frames[LS_NODE_MAX_AGGREGATES];
	MemoryContext old = MemoryContextSwitchTo(node->css.ss.ps.state->es_query_cxt);

	bind(node);
	MemoryContextSwitchTo(old);
	for (int i = 0; i < node->naggs; i++)
		frames[i] =
			ls_frame_of(node->aggs[i].engagement, node->aggs[i].as_of_us, node->own);
	node->groups = ls_groups_new(node->own,
								 frames,
								 node->naggs,
								 node->expected,
								 get_hash_memory_limit());
}

/* ---- events ------------------------------------------------------------- */

/* key_of: its bytes stay until the batch is brought. */
static inline LsKey
key_of(const LsNode *node, const TupleTableSlot *slot, bool *is_null)
{
	LsKey key = {0};

	*is_null = slot->tts_isnull[node->key_column];
	if (*is_null)
		return key;
	key = ls_key_from_datum(node->key_type, slot->tts_values[node->key_column]);
	return key.bytes == NULL ? key : ls_key_copy(key);
}

static inline bool
passes(const LsNodeAgg *agg, const TupleTableSlot *slot)
{
	return agg->filter < 0 || (!slot->tts_isnull[agg->filter] &&
							   DatumGetBool(slot->tts_values[agg->filter]));
}

/* add_event: an item for each aggregate. */
static inline void
add_event(LsNode *node, const TupleTableSlot *slot)
{
	bool is_null;
	LsKey key = key_of(node, slot, &is_null);

	for (int i = 0; i < node->naggs; i++)
	{
		LsNodeAgg *agg = &node->aggs[i];
		LsItem *item = ls_groups_item(node->groups, key, is_null);
		LsEventRow event = {.values = slot->tts_values + agg->first,
							.nulls = slot->tts_isnull + agg->first};

		item->agg = passes(agg, slot) ? i : -1;
		if (item->agg >= 0)
			ls_event_read(&agg->reader, &event, agg->as_of_us, &item->parcel);
	}
}

/* fill: with all events. */
static void
fill(LsNode *node)
{
	ExprContext *econtext = node->css.ss.ps.ps_ExprContext;
	MemoryContext scratch = econtext->ecxt_per_tuple_memory;

	for (;;)
	{
		TupleTableSlot *slot = ExecProcNode(node->child);
		MemoryContext old;

		if (TupIsNull(slot))
			break;
		if (node->groups == NULL)
			begin_groups(node);
		if (node->groups->n + node->naggs > LS_BATCH)
		{
			ls_groups_bring(node->groups);
			ResetExprContext(econtext);
		}
		slot_getsomeattrs(slot, node->ncolumns);
		old = MemoryContextSwitchTo(scratch);
		add_event(node, slot);
		MemoryContextSwitchTo(old);
	}
	if (node->groups != NULL)
		ls_groups_finish(node->groups);
	ResetExprContext(econtext);
	node->is_filled = true;
}

/* ---- groups -------------------------------------------------------------- */

static TupleTableSlot *
store_group(LsNode *node, LsKey key, bool is_null, const LsAccumulator *accs)
{
	TupleTableSlot *slot = node->css.ss.ss_ScanTupleSlot;

	ExecClearTuple(slot);
	slot->tts_isnull[0] = is_null;
	slot->tts_values[0] = is_null ? (Datum) 0 : ls_key_to_datum(node->key_type, key);
	for (int i = 0; i < node->naggs; i++)
	{
		slot->tts_isnull[i + 1] = accs[i].frame == NULL;
		slot->tts_values[i + 1] = accs[i].frame == NULL
									  ? (Datum) 0
									  : PointerGetDatum(ls_accumulator_state(&accs[i]));
	}
	return ExecStoreVirtualTuple(slot);
}

static TupleTableSlot *
next_group(ScanState *ss)
{
	LsNode *node = (LsNode *) ss;
	const LsAccumulator *accs;
	LsKey key;
	bool is_null;
	MemoryContext old;
	TupleTableSlot *slot;

	if (!node->is_filled)
		fill(node);
	accs = node->groups == NULL ? NULL : ls_groups_next(node->groups, &key, &is_null);
	if (accs == NULL)
		return ExecClearTuple(ss->ss_ScanTupleSlot);
	old = MemoryContextSwitchTo(ss->ps.ps_ExprContext->ecxt_per_tuple_memory);
	slot = store_group(node, key, is_null, accs);
	MemoryContextSwitchTo(old);
	return slot;
}

static bool
recheck_group(ScanState *ss, TupleTableSlot *slot)
{
	return true;
}

static TupleTableSlot *
exec_node(CustomScanState *css)
{
	return ExecScan(&css->ss, next_group, recheck_group);
}

/* ---- the end, and again -------------------------------------------------- */

static void
forget_groups(LsNode *node)
{
	if (node->groups != NULL)
		ls_groups_clear(node->groups);
	node->groups = NULL;
	MemoryContextReset(node->own);
	node->is_filled = false;
}

static void
end_node(CustomScanState *css)
{
	LsNode *node = (LsNode *) css;

	forget_groups(node);
	ExecEndNode(node->child);
}

static void
rescan_node(CustomScanState *css)
{
	LsNode *node = (LsNode *) css;

	if (css->ss.ps.chgParam == NULL && node->child->chgParam == NULL &&
		node->is_filled && (node->groups == NULL || ls_groups_rewind(node->groups)))
		return;
	forget_groups(node);
	if (css->ss.ps.chgParam != NULL)
		UpdateChangedParamSet(node->child, css->ss.ps.chgParam);
	if (node->child->chgParam == NULL)
		ExecReScan(node->child);
}

/* ---- EXPLAIN -------------------------------------------------------------- */

static void
explain_key(CustomScanState *css, List *ancestors, ExplainState *es)
{
	CustomScan *plan = (CustomScan *) css->ss.ps.plan;
	List *context =
		set_deparse_context_plan(es->deparse_cxt, css->ss.ps.plan, ancestors);
	TargetEntry *key = linitial_node(TargetEntry, plan->custom_scan_tlist);
	bool with_prefix = list_length(es->rtable) > 1 || es->verbose;

	ExplainPropertyText("Group Key",
						deparse_expression((Node *) key->expr,
										   context,
										   with_prefix,
										   false),
						es);
}

static void
explain_node(CustomScanState *css, List *ancestors, ExplainState *es)
{
	LsNode *node = (LsNode *) css;

	explain_key(css, ancestors, es);
	if (!es->analyze || node->groups == NULL)
		return;
	ExplainPropertyInteger("Batches", NULL, node->groups->ntables, es);
	ExplainPropertyInteger("Memory Usage",
						   "kB",
						   (node->groups->peak + 1023) / 1024,
						   es);
	if (node->groups->written > 0)
		ExplainPropertyInteger("Disk Usage",
							   "kB",
							   (node->groups->written + 1023) / 1024,
							   es);
}
