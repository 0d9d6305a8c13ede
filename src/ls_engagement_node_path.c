/*
 * ls_engagement_node_path.c: where a query may be answered by the plan node
 * Engagement Aggregate.
 *
 * That is where it groups by one column or expression of the types that contacts
 * have, and has no aggregates but engagement_agg_columns, each of one model, source
 * and moment. It stands beside what PostgreSQL makes of the query, costs less than a
 * HashAggregate, and is out of the question where that is: enable_hashagg = off.
 */
#include "ls_engagement_node.h"

#include "ls_compat.h"
#include "ls_key.h"

#include "catalog/pg_aggregate.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/planner.h"
#include "optimizer/prep.h"
#include "optimizer/tlist.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"
#include "utils/typcache.h"

static create_upper_paths_hook_type next_hook = NULL;

/* LsShape: what the node is to do. */
typedef struct LsShape
{
	Expr *key;
	Oid key_type; /* as ls_key_stored_type has it */
	List *calls;  /* of Aggref, each once */
	List *rest;	  /* what follows from the key: variables, each once */
	List *having;
} LsShape;

static Plan *plan_node(PlannerInfo *root,
					   RelOptInfo *rel,
					   CustomPath *path,
					   List *tlist,
					   List *clauses,
					   List *custom_plans);

static const CustomPathMethods path_methods = {
	.CustomName = "Engagement Aggregate",
	.PlanCustomPath = plan_node,
};

/* ---- which queries ------------------------------------------------------ */

/* is_ours: by its name; who may make functions in our schema owns the extension. */
static bool
is_ours(Oid funcid, bool *has_as_of)
{
	char *name = get_func_name(funcid);
	char *schema;

	if (name == NULL)
		return false;
	*has_as_of = strcmp(name, "engagement_agg_columns_at") == 0;
	if (!*has_as_of && strcmp(name, "engagement_agg_columns") != 0)
		return false;
	schema = get_namespace_name(get_func_namespace(funcid));
	return schema != NULL && strcmp(schema, "lead_scoring") == 0;
}

static Expr *
argument(const Aggref *call, int number)
{
	return list_nth_node(TargetEntry, call->args, number)->expr;
}

/* is_fixed: is it the same text in all scans of the query? */
static bool
is_fixed(const Expr *value)
{
	return IsA(value, Const) ||
		   (IsA(value, Param) && ((const Param *) value)->paramkind == PARAM_EXTERN);
}

/* is_of_scan: is it the same for all events of a scan? */
static bool
is_of_scan(Expr *value)
{
	return !contain_var_clause((Node *) value) &&
		   !contain_volatile_functions((Node *) value) &&
		   !contain_subplans((Node *) value);
}

static bool
takes_call(Aggref *call)
{
	bool has_as_of;

	return call->aggkind == AGGKIND_NORMAL && call->agglevelsup == 0 &&
		   call->aggsplit == AGGSPLIT_SIMPLE && call->aggorder == NIL &&
		   call->aggdistinct == NIL && is_ours(call->aggfnoid, &has_as_of) &&
		   list_length(call->args) > (has_as_of ? 4 : 3) &&
		   IsA(argument(call, 0), Const) && is_fixed(argument(call, 1)) &&
		   is_fixed(argument(call, 2)) &&
		   (!has_as_of || is_of_scan(argument(call, 3))) &&
		   !contain_subplans((Node *) call->args) &&
		   !contain_volatile_functions((Node *) call->args) &&
		   !contain_subplans((Node *) call->aggfilter) &&
		   !contain_volatile_functions((Node *) call->aggfilter);
}

/*
 * collect: what is wanted of a group. True where there is something that the node
 * cannot give. Variables that are no part of the key follow from it: the parser has
 * seen to that.
 */
static bool
collect(Node *node, void *context)
{
	LsShape *shape = context;

	if (node == NULL || equal(node, shape->key))
		return false;
	if (IsA(node, Aggref))
	{
		shape->calls = list_append_unique(shape->calls, node);
		return !takes_call((Aggref *) node);
	}
	if (IsA(node, Var) || IsA(node, PlaceHolderVar))
	{
		shape->rest = list_append_unique(shape->rest, node);
		return false;
	}
	return IsA(node, GroupingFunc) || expression_tree_walker(node, collect, context);
}

/* takes_key: are equal ones the same, byte by byte? */
static bool
takes_key(LsShape *shape, const SortGroupClause *clause)
{
	Oid type = getBaseType(exprType((Node *) shape->key));
	Oid collation = exprCollation((Node *) shape->key);

	shape->key_type = ls_key_stored_type(type);
	return OidIsValid(shape->key_type) && clause->hashable &&
		   clause->eqop == lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr &&
		   (shape->key_type != TEXTOID ||
			(OidIsValid(collation) && get_collation_isdeterministic(collation))) &&
		   contain_var_clause((Node *) shape->key) &&
		   !expression_returns_set((Node *) shape->key) &&
		   !contain_volatile_functions((Node *) shape->key) &&
		   !contain_subplans((Node *) shape->key);
}

/* find_key: what is grouped by, constants aside; false where that is not one thing. */
static bool
find_key(PlannerInfo *root, LsShape *shape, const SortGroupClause **clause)
{
	ListCell *cell;

	foreach(cell, ls_group_clause(root))
	{
		const SortGroupClause *one = lfirst_node(SortGroupClause, cell);
		Expr *expr =
			get_sortgroupref_tle(one->tleSortGroupRef, root->processed_tlist)->expr;

		if (IsA(expr, Const))
			continue;
		if (shape->key != NULL)
			return false;
		shape->key = expr;
		*clause = one;
	}
	return shape->key != NULL;
}

static bool
find_shape(PlannerInfo *root, const GroupPathExtraData *extra, LsShape *shape)
{
	const SortGroupClause *clause = NULL;

	if (root->parse->groupingSets != NIL || !find_key(root, shape, &clause))
		return false;
	shape->having = (List *) extra->havingQual;
	return takes_key(shape, clause) &&
		   !collect((Node *) root->upper_targets[UPPERREL_GROUP_AGG]->exprs, shape) &&
		   !collect((Node *) shape->having, shape) && shape->calls != NIL &&
		   list_length(shape->calls) <= LS_NODE_MAX_AGGREGATES;
}

/* ---- the child ----------------------------------------------------------- */

/* nhead: of its arguments, before the columns. */
static int
nhead(const Aggref *call)
{
	bool has_as_of;

	(void) is_ours(call->aggfnoid, &has_as_of);
	return has_as_of ? 4 : 3;
}

/* find_columns: from which on these are side by side; 0 = nowhere. */
static int
find_columns(const List *columns, const List *wanted)
{
	int n = list_length(wanted);

	for (int first = 0; first + n <= list_length(columns); first++)
	{
		int i = 0;

		while (i < n && equal(list_nth(columns, first + i), list_nth(wanted, i)))
			i++;
		if (i == n)
			return first + 1;
	}
	return 0;
}

/* place: these columns, where they are already or at the end; gives the first. */
static int
place(List **columns, List *wanted)
{
	int first = find_columns(*columns, wanted);

	if (first > 0)
		return first;
	first = list_length(*columns) + 1;
	*columns = list_concat(*columns, wanted);
	return first;
}

/* lay_out: the columns of the child; gives custom_private (ls_engagement_node.h). */
static List *
lay_out(const LsShape *shape, double ngroups, List **columns)
{
	List *aggregates = NIL;
	List *fields;
	ListCell *cell;

	foreach(cell, shape->calls)
	{
		const Aggref *call = lfirst_node(Aggref, cell);
		List *wanted = NIL;

		for (int i = nhead(call); i < list_length(call->args); i++)
			wanted = lappend(wanted, argument(call, i));
		aggregates = lappend_int(aggregates, place(columns, wanted));
		aggregates = lappend_int(aggregates,
								 call->aggfilter == NULL
									 ? 0
									 : place(columns, list_make1(call->aggfilter)));
	}
	fields = list_make4_int(place(columns, list_make1(shape->key)),
							(int) shape->key_type,
							(int) Min(ngroups, (double) PG_INT32_MAX),
							list_length(shape->calls));
	foreach(cell, shape->rest)
		aggregates = lappend_int(aggregates, place(columns, list_make1(lfirst(cell))));
	return list_concat(fields, aggregates);
}

static Path *
make_child(PlannerInfo *root, RelOptInfo *input, Path *path, List *columns)
{
	PathTarget *target = create_empty_pathtarget();
	ListCell *cell;

	foreach(cell, columns)
		add_column_to_pathtarget(target, lfirst(cell), 0);
	set_pathtarget_cost_width(root, target);
	return (Path *) create_projection_path(root, input, path, target);
}

/* ---- paths --------------------------------------------------------------- */

/* cost_node: a HashAggregate's, less half of what it has to do for an event. */
static void
cost_node(PlannerInfo *root,
		  CustomPath *path,
		  Path *child,
		  double ngroups,
		  List *having)
{
	AggClauseCosts costs;
	Cost saved;

	MemSet(&costs, 0, sizeof(costs));
	get_agg_clause_costs(root, AGGSPLIT_SIMPLE, &costs);
	ls_cost_hashagg(&path->path, root, &costs, ngroups, having, child);
	saved = (costs.transCost.per_tuple + cpu_operator_cost) / 2 * child->rows;
	path->path.startup_cost -= saved;
	path->path.total_cost -= saved;
}

/* make_node: over this path of the input, which nprocesses share. */
static CustomPath *
make_node(PlannerInfo *root,
		  RelOptInfo *grouped,
		  const LsShape *shape,
		  RelOptInfo *input,
		  Path *events,
		  double nprocesses)
{
	CustomPath *path = makeNode(CustomPath);
	double ngroups = estimate_num_groups(root,
										 list_make1(shape->key),
										 events->rows * nprocesses,
										 NULL,
										 NULL);
	List *columns = NIL;
	List *fields = lay_out(shape, ngroups, &columns);
	Path *child = make_child(root, input, events, columns);

	path->path.pathtype = T_CustomScan;
	path->path.parent = grouped;
	path->path.pathtarget = grouped->reltarget;
	path->path.parallel_safe = grouped->consider_parallel && child->parallel_safe;
	cost_node(root, path, child, Max(ngroups / nprocesses, 1), shape->having);
	path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
	path->custom_paths = list_make1(child);
	path->custom_private =
		list_make5(shape->key, shape->calls, shape->rest, shape->having, fields);
	path->methods = &path_methods;
	return path;
}

/* count_processes: as the planner does; the leader has less time the more there are. */
static double
count_processes(const Path *path)
{
	double leader =
		parallel_leader_participation ? 1 - 0.3 * path->parallel_workers : 0;

	return path->parallel_workers + Max(leader, 0);
}

/* make_parallel: over a partial path; NULL where that cannot be. */
static Path *
make_parallel(PlannerInfo *root,
			  RelOptInfo *grouped,
			  const LsShape *shape,
			  RelOptInfo *input,
			  Path *events)
{
	CustomPath *path =
		make_node(root, grouped, shape, input, events, count_processes(events));
	/* Most events are sent to another process. */
	Cost sending = cpu_tuple_cost * events->rows;

	if (!path->path.parallel_safe)
		return NULL;
	path->path.startup_cost += sending;
	path->path.total_cost += sending;
	path->path.parallel_aware = true;
	path->path.parallel_workers = events->parallel_workers;
	return &path->path;
}

/* offer_parallel: to the levels above, and gathered. Each may free what it is given. */
static void
offer_parallel(PlannerInfo *root,
			   RelOptInfo *grouped,
			   const LsShape *shape,
			   RelOptInfo *input)
{
	Path *events;
	Path *above;
	Path *here;
	double rows;

	if (!grouped->consider_parallel || input->partial_pathlist == NIL)
		return;
	events = linitial(input->partial_pathlist);
	above = make_parallel(root, grouped, shape, input, events);
	here = make_parallel(root, grouped, shape, input, events);
	if (above == NULL || here == NULL)
		return;
	rows = here->rows * count_processes(here);
	add_partial_path(grouped, above);
	add_path(grouped,
			 (Path *) create_gather_path(root,
										 grouped,
										 here,
										 grouped->reltarget,
										 NULL,
										 &rows));
}

static void
offer_node(PlannerInfo *root,
		   UpperRelationKind stage,
		   RelOptInfo *input,
		   RelOptInfo *grouped,
		   void *extra)
{
	LsShape shape = {0};

	if (next_hook != NULL)
		next_hook(root, stage, input, grouped, extra);
	if (stage == UPPERREL_GROUP_AGG && enable_hashagg && root->parse->hasAggs &&
		grouped->reloptkind == RELOPT_UPPER_REL && find_shape(root, extra, &shape))
	{
		add_path(grouped,
				 (Path *) make_node(root,
									grouped,
									&shape,
									input,
									input->cheapest_total_path,
									1));
		offer_parallel(root, grouped, &shape, input);
	}
}

/* ---- the plan -------------------------------------------------------------- */

/* add_column: to what the node gives. */
static void
add_column(CustomScan *plan, Expr *value)
{
	AttrNumber number = (AttrNumber) (list_length(plan->custom_scan_tlist) + 1);

	plan->custom_scan_tlist =
		lappend(plan->custom_scan_tlist, makeTargetEntry(value, number, NULL, false));
}

static Plan *
plan_node(PlannerInfo *root,
		  RelOptInfo *rel,
		  CustomPath *path,
		  List *tlist,
		  List *clauses,
		  List *custom_plans)
{
	CustomScan *plan = makeNode(CustomScan);
	List *fields = path->custom_private;
	ListCell *cell;

	plan->scan.plan.targetlist = tlist;
	plan->scan.plan.qual = lfourth(fields);
	plan->flags = path->flags;
	plan->custom_plans = custom_plans;
	plan->custom_private = llast(fields);
	add_column(plan, linitial(fields));
	foreach(cell, (List *) lsecond(fields))
	{
		Aggref *call = lfirst_node(Aggref, cell);

		add_column(plan, (Expr *) call);
		plan->custom_exprs = lappend(plan->custom_exprs, argument(call, 1));
		plan->custom_exprs = lappend(plan->custom_exprs, argument(call, 2));
		plan->custom_exprs =
			lappend(plan->custom_exprs, nhead(call) == 4 ? argument(call, 3) : NULL);
	}
	foreach(cell, (List *) lthird(fields))
		add_column(plan, lfirst(cell));
	plan->methods = &ls_engagement_node;
	return &plan->scan.plan;
}

/*
 * ls_engagement_node_init: once a backend.
 */
void
ls_engagement_node_init(void)
{
	RegisterCustomScanMethods(&ls_engagement_node);
	next_hook = create_upper_paths_hook;
	create_upper_paths_hook = offer_node;
}
