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
#include "catalog/pg_aggregate.h"
#include "catalog/pg_proc.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "executor/nodeHash.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"
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
	bool is_bound;	  /* is the model known? From then on, until the end */
	bool is_ready;	  /* is as_of known? For this scan */
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
	LsGroups *groups;  /* of all events; NULL = none were read yet */
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

/* check_component: the aggregate's owner must be allowed to call its functions. */
static void
check_component(Oid funcid, Oid owner)
{
	if (!ls_may_execute(funcid, owner))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FUNCTION, get_func_name(funcid));
	InvokeFunctionExecuteHook(funcid);
}

/* check_may_call: what is checked of any aggregate. */
static void
check_may_call(Oid funcid)
{
	HeapTuple function = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	HeapTuple aggregate = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(funcid));
	Oid owner;

	if (!HeapTupleIsValid(function) || !HeapTupleIsValid(aggregate))
		elog(ERROR, "cache lookup failed for aggregate %u", funcid);
	if (!ls_may_execute(funcid, GetUserId()))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_AGGREGATE, get_func_name(funcid));
	InvokeFunctionExecuteHook(funcid);
	owner = ((Form_pg_proc) GETSTRUCT(function))->proowner;
	check_component(((Form_pg_aggregate) GETSTRUCT(aggregate))->aggtransfn, owner);
	check_component(((Form_pg_aggregate) GETSTRUCT(aggregate))->aggfinalfn, owner);
	ReleaseSysCache(aggregate);
	ReleaseSysCache(function);
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
	check_may_call(agg->call->aggfnoid);
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
	{
		begin_agg(node, i);
		node->ncolumns = Max(node->ncolumns, node->aggs[i].filter + 1);
	}
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

/* make_ready: with the first event of a scan; as_of may be another one in each. */
static void
make_ready(LsNode *node, LsNodeAgg *agg)
{
	LsFrame frame;

	if (!agg->is_bound)
		bind(node, agg);
	if (agg->as_of != NULL)
	{
		bool is_null;
		Datum value =
			ExecEvalExpr(agg->as_of, node->css.ss.ps.ps_ExprContext, &is_null);

		agg->as_of_us = ls_event_as_of(value, is_null);
	}
	frame = ls_frame_of(agg->engagement, agg->as_of_us, NULL);
	ls_groups_set_frame(node->groups, (int) (agg - node->aggs), &frame);
	agg->is_ready = true;
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

/* read_event: for one of the aggregates. */
static inline void
read_event(LsNode *node, LsNodeAgg *agg, TupleTableSlot *slot, LsItem *item)
{
	LsEventRow event = {.values = slot->tts_values + agg->first,
						.nulls = slot->tts_isnull + agg->first};

	if (unlikely(!agg->is_ready))
	{
		make_ready(node, agg);
		slot_getsomeattrs(slot, node->ncolumns);
	}
	ls_event_read(&agg->reader, &event, agg->as_of_us, &item->parcel);
}

/* add_event: an item for each aggregate. */
static inline void
add_event(LsNode *node, TupleTableSlot *slot)
{
	bool is_null;
	LsKey key = key_of(node, slot, &is_null);

	for (int i = 0; i < node->naggs; i++)
	{
		LsItem *item = ls_groups_item(node->groups, key, is_null);

		item->agg = passes(&node->aggs[i], slot) ? i : -1;
		if (item->agg >= 0)
			read_event(node, &node->aggs[i], slot, item);
	}
}

static void
begin_scan(LsNode *node)
{
	node->groups =
		ls_groups_new(node->own, node->naggs, node->expected, get_hash_memory_limit());
	for (int i = 0; i < node->naggs; i++)
		node->aggs[i].is_ready = false;
}

/* add_all: events in batches. */
static void
add_all(LsNode *node)
{
	ExprContext *econtext = node->css.ss.ps.ps_ExprContext;

	for (;;)
	{
		TupleTableSlot *slot = ExecProcNode(node->child);
		MemoryContext old;

		if (TupIsNull(slot))
			break;
		if (node->groups->n + node->naggs > LS_BATCH)
		{
			ls_groups_bring(node->groups);
			ResetExprContext(econtext);
		}
		slot_getsomeattrs(slot, node->ncolumns);
		old = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
		add_event(node, slot);
		MemoryContextSwitchTo(old);
	}
	ls_groups_finish(node->groups);
	ResetExprContext(econtext);
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

	if (node->groups == NULL)
	{
		begin_scan(node);
		add_all(node);
	}
	accs = ls_groups_next(node->groups, &key, &is_null);
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
		ls_groups_end(node->groups);
	node->groups = NULL;
	MemoryContextReset(node->own);
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
		(node->groups == NULL || ls_groups_rewind(node->groups)))
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
