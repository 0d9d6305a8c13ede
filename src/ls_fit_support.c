/*
 * ls_fit_support.c: what the planner makes of fit_score(contact, model).
 *
 * A row that is passed to a function is formed for each call: all columns are
 * copied into a datum, of which the function then takes a few. Where the planner
 * knows the columns, fit_score(c, 'm') becomes
 *
 *     fit_score_columns('{id,email,...}', 'm', as_of(), c.id, c.email, ...)
 *
 * All columns are passed, not only those that rules name: plans outlive rules.
 * What may be a NULL row stays as it is, and so does whatever is in doubt.
 */
#include "postgres.h"

#include "ls_columns.h"
#include "ls_compat.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/supportnodes.h"
#include "optimizer/planmain.h"

PG_FUNCTION_INFO_V1(ls_sql_fit_score_support);

/* ---- which rows ------------------------------------------------------- */

/* is_null_extended: is the relation on the inner side of an outer join? */
static bool
is_null_extended(const Node *node, int varno, bool inner)
{
	ListCell *cell;

	if (IsA(node, RangeTblRef))
		return inner && ((const RangeTblRef *) node)->rtindex == varno;
	if (IsA(node, JoinExpr))
	{
		const JoinExpr *join = (const JoinExpr *) node;
		bool full = join->jointype == JOIN_FULL;

		return is_null_extended(join->larg,
								varno,
								inner || full || join->jointype == JOIN_RIGHT) ||
			   is_null_extended(join->rarg,
								varno,
								inner || full || join->jointype == JOIN_LEFT);
	}
	foreach(cell, ((const FromExpr *) node)->fromlist)
		if (is_null_extended(lfirst(cell), varno, inner))
			return true;
	return false;
}

/* expand_relation: c of FROM contacts AS c, where there always is a row. */
static bool
expand_relation(const Var *var, const Query *query, LsColumns *columns)
{
	return var->varlevelsup == 0 &&
		   !is_null_extended((Node *) query->jointree, var->varno, false) &&
		   ls_columns_of_relation(var, query, columns);
}

/* ---- the other call ---------------------------------------------------- */

/* make_call: fit_score_columns(...), or NULL where not all may call it. */
static Node *
make_call(const FuncExpr *old, const LsColumns *columns)
{
	static const Oid types[] = {TEXTARRAYOID, TEXTOID, TIMESTAMPTZOID, ANYOID};
	Oid by_columns =
		ls_columns_sibling(old->funcid, "fit_score_columns", types, lengthof(types));
	Oid clock = ls_columns_sibling(old->funcid, "as_of", NULL, 0);
	Node *as_of;
	List *args;

	if (!OidIsValid(by_columns) || !OidIsValid(clock) ||
		!ls_columns_as_open(old->funcid, by_columns) ||
		!ls_columns_as_open(old->funcid, clock))
		return NULL;
	if (list_length(old->args) == 3)
		as_of = lthird(old->args);
	else
		as_of = (Node *) makeFuncExpr(clock,
									  TIMESTAMPTZOID,
									  NIL,
									  InvalidOid,
									  InvalidOid,
									  COERCE_EXPLICIT_CALL);
	args = list_make3(ls_columns_names(columns), lsecond(old->args), as_of);
	return (Node *) makeFuncExpr(by_columns,
								 FLOAT8OID,
								 list_concat(args, columns->values),
								 InvalidOid,
								 old->inputcollid,
								 COERCE_EXPLICIT_CALL);
}

/* rewrite_call: the call in columns, or NULL. */
static Node *
rewrite_call(const FuncExpr *call, PlannerInfo *root)
{
	LsColumns columns = {NIL, NIL};
	Node *row = linitial(call->args);
	bool expanded = false;
	Node *result;

	/*
	 * Grouping sets make grouped rows NULL, and a row of MERGE may not be there:
	 * of their columns nothing of the kind can be seen.
	 */
	if (root == NULL || root->parse->groupingSets != NIL ||
		root->parse->commandType == CMD_MERGE)
		return NULL;
	if (IsA(row, Var))
		expanded = expand_relation((Var *) row, root->parse, &columns);
	else if (IsA(row, RowExpr))
		expanded = ls_columns_of_row((RowExpr *) row, &columns);
	if (!expanded || columns.values == NIL ||
		list_length(columns.values) + 3 > FUNC_MAX_ARGS)
		return NULL;
	result = make_call(call, &columns);
	if (result != NULL)
		record_plan_function_dependency(root, call->funcid);
	return result;
}

/*
 * fit_score_support(internal) -> internal
 */
Datum
ls_sql_fit_score_support(PG_FUNCTION_ARGS)
{
	Node *request = (Node *) PG_GETARG_POINTER(0);
	Node *result = NULL;

	if (IsA(request, SupportRequestSimplify))
	{
		SupportRequestSimplify *simplify = (SupportRequestSimplify *) request;

		if (list_length(simplify->fcall->args) >= 2)
			result = rewrite_call(simplify->fcall, simplify->root);
	}
	PG_RETURN_POINTER(result);
}
