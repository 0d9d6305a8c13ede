/*
 * ls_cond_utc.c: take the session's time zone out of an expression.
 *
 * PostgreSQL calls an operation on timestamptz stable where its result depends
 * on the TimeZone of the session (as_of - interval '1 month', ts::date). Each
 * has a twin on timestamp without time zone that is immutable. The rewrite
 * replaces the one by the other on `x AT TIME ZONE 'UTC'`.
 */
#include "ls_cond.h"

#include "ls_compat.h"

#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#define MAX_ARGS 4

/*
 * ls_cond_depends_on_session: is the function anything but immutable, or one
 * that PostgreSQL labels immutable although a setting changes its result?
 */
bool
ls_cond_depends_on_session(Oid funcid)
{
	switch (funcid)
	{
		case F_AGE_TIMESTAMPTZ_TIMESTAMPTZ: /* TimeZone */
		case F_INTERVAL_OUT:				/* IntervalStyle */
		case F_FLOAT4OUT:					/* extra_float_digits */
		case F_FLOAT8OUT:
		case F_POINT_OUT:
		case F_LSEG_OUT:
		case F_PATH_OUT:
		case F_BOX_OUT:
		case F_POLY_OUT:
		case F_LINE_OUT:
		case F_CIRCLE_OUT:
		case F_QUOTE_IDENT: /* quote_all_identifiers */
		case F_BYTEAOUT:	/* bytea_output */
			return true;
		default:
			return func_volatile(funcid) != PROVOLATILE_IMMUTABLE;
	}
}

static bool
find_column(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var) || IsA(node, CaseTestExpr))
		return true;
	return expression_tree_walker(node, find_column, context);
}

/*
 * ls_cond_has_column: may the value differ from row to row? (The subject that
 * CASE compares counts as a column: it stands outside of the part at hand.)
 */
bool
ls_cond_has_column(Node *expr)
{
	return find_column(expr, NULL);
}

/* at_utc: timezone('UTC', arg): timestamptz <-> timestamp. */
static Expr *
at_utc(Node *arg)
{
	bool to_local = exprType(arg) == TIMESTAMPTZOID;
	Const *zone = makeConst(TEXTOID,
							-1,
							DEFAULT_COLLATION_OID,
							-1,
							CStringGetTextDatum("UTC"),
							false,
							false);

	return (Expr *) makeFuncExpr(to_local ? F_TIMEZONE_TEXT_TIMESTAMPTZ
										  : F_TIMEZONE_TEXT_TIMESTAMP,
								 to_local ? TIMESTAMPOID : TIMESTAMPTZOID,
								 list_make2(zone, arg),
								 InvalidOid,
								 DEFAULT_COLLATION_OID,
								 COERCE_SQL_SYNTAX);
}

/* localise: the arguments with every timestamptz moved to UTC. */
static List *
localise(List *args, Oid *types)
{
	List *local = NIL;
	ListCell *cell;
	int i = 0;

	foreach(cell, args)
	{
		Node *arg = lfirst(cell);

		if (exprType(arg) == TIMESTAMPTZOID)
			arg = (Node *) at_utc(arg);
		types[i++] = exprType(arg);
		local = lappend(local, arg);
	}
	return local;
}

static Node *
give_back(Expr *local, Oid wanted)
{
	Oid type = exprType((Node *) local);

	if (type == wanted)
		return (Node *) local;
	if (type == TIMESTAMPOID && wanted == TIMESTAMPTZOID)
		return (Node *) at_utc((Node *) local);
	return NULL;
}

/* find_twin: pg_catalog.name(types), where immutable. */
static Oid
find_twin(const char *name, int nargs, const Oid *types)
{
	List *qualified =
		list_make2(makeString(pstrdup("pg_catalog")), makeString(pstrdup(name)));
	Oid funcid = LookupFuncName(qualified, nargs, types, true);

	if (!OidIsValid(funcid) || ls_cond_depends_on_session(funcid))
		return InvalidOid;
	return funcid;
}

/* rewrite_cast: timestamptz(x), timestamp(x): conversions by the session's zone. */
static Node *
rewrite_cast(FuncExpr *call, const char *name, List *local, const Oid *types)
{
	if (list_length(local) != 1)
		return NULL;
	if (strcmp(name, "timestamp") == 0 && types[0] == TIMESTAMPOID)
		return linitial(local);
	if (strcmp(name, "timestamptz") != 0)
		return NULL;
	if (types[0] == TIMESTAMPOID)
		return (Node *) at_utc(linitial(local));
	if (types[0] == DATEOID)
		return (Node *) at_utc((Node *) makeFuncExpr(F_TIMESTAMP_DATE,
													 TIMESTAMPOID,
													 local,
													 InvalidOid,
													 InvalidOid,
													 call->funcformat));
	return NULL;
}

static Node *
rewrite_call(FuncExpr *call)
{
	char *name = get_func_name(call->funcid);
	Oid types[MAX_ARGS];
	List *local;
	Node *cast;
	Oid twin;
	FuncExpr *moved;

	if (name == NULL || list_length(call->args) > MAX_ARGS || call->funcretset ||
		call->funcvariadic || get_func_namespace(call->funcid) != PG_CATALOG_NAMESPACE)
		return NULL;
	local = localise(call->args, types);
	cast = rewrite_cast(call, name, local, types);
	if (cast != NULL)
		return cast;
	twin = find_twin(name, list_length(local), types);
	if (!OidIsValid(twin))
		return NULL;
	moved = makeFuncExpr(twin,
						 get_func_rettype(twin),
						 local,
						 call->funccollid,
						 call->inputcollid,
						 call->funcformat);
	return give_back((Expr *) moved, call->funcresulttype);
}

static Node *
rewrite_operator(OpExpr *op)
{
	char *name = get_opname(op->opno);
	Oid types[MAX_ARGS];
	List *local;
	Oid twin;
	Expr *moved;

	if (name == NULL || list_length(op->args) != 2)
		return NULL;
	local = localise(op->args, types);
	twin = OpernameGetOprid(list_make2(makeString(pstrdup("pg_catalog")),
									   makeString(name)),
							types[0],
							types[1]);
	if (!OidIsValid(twin) || ls_cond_depends_on_session(get_opcode(twin)))
		return NULL;
	moved = make_opclause(twin,
						  get_op_rettype(twin),
						  op->opretset,
						  linitial(local),
						  lsecond(local),
						  op->opcollid,
						  op->inputcollid);
	set_opfuncid((OpExpr *) moved);
	return give_back(moved, op->opresulttype);
}

static Node *
rewrite_mutator(Node *node, void *context)
{
	bool with_columns = *(bool *) context;
	Node *moved = NULL;

	if (node == NULL)
		return NULL;
	node = expression_tree_mutator(node, rewrite_mutator, context);
	if (!IsA(node, FuncExpr) && !IsA(node, OpExpr))
		return node;
	if (!with_columns && ls_cond_has_column(node))
		return node;
	if (IsA(node, FuncExpr) && ls_cond_depends_on_session(((FuncExpr *) node)->funcid))
		moved = rewrite_call((FuncExpr *) node);
	else if (IsA(node, OpExpr))
	{
		set_opfuncid((OpExpr *) node);
		if (ls_cond_depends_on_session(((OpExpr *) node)->opfuncid))
			moved = rewrite_operator((OpExpr *) node);
	}
	return moved != NULL ? moved : node;
}

/*
 * ls_cond_utc_rewrite: the same expression as read in UTC. Without
 * with_columns only the parts that name no column are touched: those are
 * computed once; the others serve to print a hint.
 */
Node *
ls_cond_utc_rewrite(Node *expr, bool with_columns)
{
	return rewrite_mutator(expr, &with_columns);
}
