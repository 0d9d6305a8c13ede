/*
 * ls_engagement_node.c: the plan node Engagement Aggregate at work.
 *
 * It does what a HashAggregate with engagement_agg_columns does, and gives the same,
 * in less time: ls_engagement_groups.c says how.
 */
#include "ls_engagement_node_state.h"

#include "ls_compat.h"

#include "catalog/objectaccess.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_proc.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"

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
	.EstimateDSMCustomScan = ls_node_estimate_shared,
	.InitializeDSMCustomScan = ls_node_begin_shared,
	.ReInitializeDSMCustomScan = ls_node_again_shared,
	.InitializeWorkerCustomScan = ls_node_join_shared,
	.ShutdownCustomScan = ls_node_shut_down,
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

/* begin_rest: columns that follow from the key are kept as a row of their own. */
static void
begin_rest(LsNode *node)
{
	TupleDesc given = node->css.ss.ss_ScanTupleSlot->tts_tupleDescriptor;
	List *fields = ((CustomScan *) node->css.ss.ps.plan)->custom_private;
	int first = 1 + node->naggs;
	TupleDesc desc;

	node->nrest = given->natts - first;
	if (node->nrest == 0)
		return;
	desc = CreateTemplateTupleDesc(node->nrest);
	node->rest = palloc(sizeof(int) * node->nrest);
	for (int i = 0; i < node->nrest; i++)
	{
		node->rest[i] =
			list_nth_int(fields,
						 LS_NODE_AGGREGATES + node->naggs * LS_NODE_FIELDS + i) -
			1;
		node->ncolumns = Max(node->ncolumns, node->rest[i] + 1);
		TupleDescCopyEntry(desc, i + 1, given, first + i + 1);
	}
	node->follower = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	node->follower_given = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
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
	node->nparts = 1;
	node->ncolumns = node->key_column + 1;
	node->naggs = list_nth_int(fields, LS_NODE_NAGGREGATES);
	node->aggs = palloc0(sizeof(LsNodeAgg) * node->naggs);
	for (int i = 0; i < node->naggs; i++)
	{
		begin_agg(node, i);
		node->ncolumns = Max(node->ncolumns, node->aggs[i].filter + 1);
	}
	begin_rest(node);
	node->own = AllocSetContextCreate(CurrentMemoryContext,
									  "engagement aggregate",
									  ALLOCSET_DEFAULT_SIZES);
}

/* ---- groups -------------------------------------------------------------- */

/* store_rest: what follows from the key. */
static void
store_rest(LsNode *node, MinimalTuple rest)
{
	TupleTableSlot *to = node->css.ss.ss_ScanTupleSlot;
	TupleTableSlot *from = node->follower_given;
	int first = 1 + node->naggs;

	ExecStoreMinimalTuple(rest, from, false);
	slot_getallattrs(from);
	for (int i = 0; i < node->nrest; i++)
	{
		to->tts_values[first + i] = from->tts_values[i];
		to->tts_isnull[first + i] = from->tts_isnull[i];
	}
}

static TupleTableSlot *
store_group(LsNode *node, const LsHashed *of, const LsAccumulator *accs)
{
	TupleTableSlot *slot = node->css.ss.ss_ScanTupleSlot;

	ExecClearTuple(slot);
	slot->tts_isnull[0] = of->is_null;
	slot->tts_values[0] =
		of->is_null ? (Datum) 0 : ls_key_to_datum(node->key_type, of->key);
	for (int i = 0; i < node->naggs; i++)
	{
		slot->tts_isnull[i + 1] = accs[i].frame == NULL;
		slot->tts_values[i + 1] = accs[i].frame == NULL
									  ? (Datum) 0
									  : PointerGetDatum(ls_accumulator_state(&accs[i]));
	}
	if (of->rest != NULL)
		store_rest(node, of->rest);
	return ExecStoreVirtualTuple(slot);
}

/*
 * ls_node_forget_groups: but for what EXPLAIN says of them.
 */
void
ls_node_forget_groups(LsNode *node)
{
	if (node->groups == NULL)
		return;
	node->usage.ntables += node->groups->ntables;
	node->usage.peak = Max(node->usage.peak, node->groups->peak);
	node->usage.written += node->groups->written;
	ls_groups_end(node->groups);
	node->groups = NULL;
	MemoryContextReset(node->own);
}

/* next_table: false = there is none left. */
static bool
next_table(LsNode *node)
{
	if (node->shared != NULL)
		return ls_node_next_part(node);
	if (node->groups != NULL)
		return false;
	ls_node_begin_groups(node);
	ls_node_read_events(node);
	ls_groups_finish(node->groups);
	return true;
}

static TupleTableSlot *
next_group(ScanState *ss)
{
	LsNode *node = (LsNode *) ss;
	const LsAccumulator *accs = NULL;
	LsHashed of;
	MemoryContext old;
	TupleTableSlot *slot;

	while (node->groups == NULL || (accs = ls_groups_next(node->groups, &of)) == NULL)
		if (!next_table(node))
			return ExecClearTuple(ss->ss_ScanTupleSlot);
	old = MemoryContextSwitchTo(ss->ps.ps_ExprContext->ecxt_per_tuple_memory);
	slot = store_group(node, &of, accs);
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
end_node(CustomScanState *css)
{
	LsNode *node = (LsNode *) css;

	ls_node_forget_groups(node);
	ExecEndNode(node->child);
}

static void
rescan_node(CustomScanState *css)
{
	LsNode *node = (LsNode *) css;

	if (css->ss.ps.chgParam == NULL && node->child->chgParam == NULL &&
		node->shared == NULL &&
		(node->groups == NULL ? !node->has_read : ls_groups_rewind(node->groups)))
		return;
	ls_node_forget_groups(node);
	node->has_read = false;
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
	if (!es->analyze)
		return;
	ls_node_forget_groups(node);
	if (node->usage.ntables == 0)
		return;
	ExplainPropertyInteger("Batches", NULL, node->usage.ntables, es);
	ExplainPropertyInteger("Memory Usage", "kB", (node->usage.peak + 1023) / 1024, es);
	if (node->usage.written > 0)
		ExplainPropertyInteger("Disk Usage",
							   "kB",
							   (node->usage.written + 1023) / 1024,
							   es);
}
