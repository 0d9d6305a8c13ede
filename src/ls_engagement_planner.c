/*
 * ls_engagement_planner.c: what the planner makes of engagement_agg(event, model).
 *
 * To form the row of each event costs as much as to find out what it means. An
 * aggregate has no support function that could say so (as fit_score has, see
 * ls_fit_support.c), so a hook looks at each query before it is planned:
 *
 *     engagement_agg(e, 'm', ...)
 *     engagement_agg_columns('{id,type,...}', 'm', ..., e.id, e.type, ...)
 *
 * It acts from the moment on that the library is loaded, by the first call of one
 * of its functions; nothing depends on it. All columns are passed, not only those
 * that rules name: plans outlive rules. A NULL row becomes an event without a time,
 * which does not count either.
 */
#include "ls_engagement_planner.h"

#include "ls_columns.h"
#include "ls_compat.h"

#include "catalog/pg_aggregate.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/planner.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* LsLevel: a query, and those that it is part of. */
typedef struct LsLevel
{
	const Query *query;
	const struct LsLevel *outer; /* NULL = none */
	List **replaced;			 /* functions; of all levels */
} LsLevel;

static planner_hook_type next_planner = NULL;

/* ---- which calls ------------------------------------------------------ */

/* takes_event: can it be engagement_agg(record, text [, text [, timestamptz]])? */
static bool
takes_event(const Aggref *call)
{
	static const Oid types[] = {TEXTOID, TEXTOID, TIMESTAMPTZOID};
	int n = list_length(call->aggargtypes);

	if (n < 2 || n > 4 || call->aggkind != AGGKIND_NORMAL || call->aggorder != NIL ||
		call->aggdistinct != NIL ||
		!IsA(linitial_node(TargetEntry, call->args)->expr, Var))
		return false;
	for (int i = 1; i < n; i++)
		if (list_nth_oid(call->aggargtypes, i) != types[i - 1])
			return false;
	return true;
}

/* is_ours: by its name; who may make functions in our schema owns the extension. */
static bool
is_ours(Oid funcid)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	const char *schema = NULL;

	if (!HeapTupleIsValid(tuple))
		return false;
	if (strcmp(NameStr(((Form_pg_proc) GETSTRUCT(tuple))->proname), "engagement_agg") ==
		0)
		schema = get_namespace_name(((Form_pg_proc) GETSTRUCT(tuple))->pronamespace);
	ReleaseSysCache(tuple);
	return schema != NULL && strcmp(schema, "lead_scoring") == 0;
}

/* find_twin: the aggregate that takes columns; InvalidOid where not all may. */
static Oid
find_twin(const Aggref *call)
{
	static const Oid types[] = {TEXTARRAYOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, ANYOID};
	static const Oid types_now[] = {TEXTARRAYOID, TEXTOID, TEXTOID, ANYOID};
	Oid twin = list_length(call->args) == 4
				   ? ls_columns_sibling(call->aggfnoid,
										"engagement_agg_columns_at",
										types,
										lengthof(types))
				   : ls_columns_sibling(call->aggfnoid,
										"engagement_agg_columns",
										types_now,
										lengthof(types_now));

	return OidIsValid(twin) && ls_columns_as_open(call->aggfnoid, twin) ? twin
																		: InvalidOid;
}

/* ---- the other call ---------------------------------------------------- */

static void
add_argument(Aggref *call, Expr *value)
{
	AttrNumber number = (AttrNumber) (list_length(call->args) + 1);

	call->args = lappend(call->args, makeTargetEntry(value, number, NULL, false));
	call->aggargtypes = lappend_oid(call->aggargtypes, exprType((Node *) value));
}

/* set_arguments: names, model, source, as_of where it has one, columns. */
static void
set_arguments(Aggref *call, const LsColumns *columns)
{
	List *old = call->args;
	ListCell *cell;

	call->args = NIL;
	call->aggargtypes = NIL;
	add_argument(call, (Expr *) ls_columns_names(columns));
	for_each_from(cell, old, 1)
		add_argument(call, lfirst_node(TargetEntry, cell)->expr);
	if (list_length(old) < 3)
		add_argument(call, (Expr *) makeNullConst(TEXTOID, -1, call->inputcollid));
	foreach(cell, columns->values)
		add_argument(call, lfirst(cell));
}

static void
rewrite_call(Aggref *call, const LsLevel *level)
{
	LsColumns columns = {NIL, NIL};
	const Var *event;
	Oid twin;

	if (!takes_event(call) || !is_ours(call->aggfnoid))
		return;
	event = (const Var *) linitial_node(TargetEntry, call->args)->expr;
	for (Index i = 0; i < event->varlevelsup && level != NULL; i++)
		level = level->outer;
	twin = find_twin(call);
	if (level == NULL || !OidIsValid(twin) ||
		!ls_columns_of_relation(event, level->query, &columns) ||
		columns.values == NIL || list_length(columns.values) + 5 > FUNC_MAX_ARGS)
		return;
	*level->replaced = lappend_oid(*level->replaced, call->aggfnoid);
	call->aggfnoid = twin;
	set_arguments(call, &columns);
}

static bool
rewrite_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		const LsLevel *outer = context;
		LsLevel level = {(Query *) node, outer, outer->replaced};

		return query_tree_walker((Query *) node, rewrite_walker, &level, 0);
	}
	if (IsA(node, Aggref))
		rewrite_call((Aggref *) node, context);
	return expression_tree_walker(node, rewrite_walker, context);
}

/* depend_on: the plan is no longer good where one of the functions changes. */
static void
depend_on(PlannedStmt *plan, List *functions)
{
	ListCell *cell;

	foreach(cell, functions)
	{
		PlanInvalItem *item = makeNode(PlanInvalItem);

		item->cacheId = PROCOID;
		item->hashValue =
			GetSysCacheHashValue1(PROCOID, ObjectIdGetDatum(lfirst_oid(cell)));
		plan->invalItems = lappend(plan->invalItems, item);
	}
}

static PlannedStmt *
plan_query(Query *query, const char *text, int options, ParamListInfo params)
{
	List *replaced = NIL;
	LsLevel level = {query, NULL, &replaced};
	PlannedStmt *plan;

	(void) query_tree_walker(query, rewrite_walker, &level, 0);
	plan = next_planner != NULL ? next_planner(query, text, options, params)
								: standard_planner(query, text, options, params);
	depend_on(plan, replaced);
	return plan;
}

/*
 * ls_engagement_planner_init: once a backend.
 */
void
ls_engagement_planner_init(void)
{
	next_planner = planner_hook;
	planner_hook = plan_query;
}
