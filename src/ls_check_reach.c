/*
 * ls_check_reach.c: can a condition on scores ever be true, given how far scores
 * can reach? PostgreSQL's planner knows how to prove that it cannot.
 */
#include "postgres.h"

#include "ls_attempt.h"
#include "ls_compat.h"
#include "ls_cond.h"
#include "ls_guard.h"
#include "ls_model_cache.h"
#include "ls_relation.h"

#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/value.h"
#include "optimizer/optimizer.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(ls_sql_is_out_of_reach);

/* LsReach: the condition, and what is known of the scores that it looks at. */
typedef struct LsReach
{
	const LsModelRow *row;
	const LsCondScope *scope;
	const char *condition;
	ArrayType *low; /* of fit, engagement, intent, total */
	ArrayType *high;
	ArrayType *bands;
	Datum stage; /* text; 0 = any */
	bool never;
} LsReach;

/* compare: score.column <op> value */
static Expr *
compare(const LsReach *reach, const char *column, char *op, Datum value)
{
	const LsCondRelation *score = linitial(reach->scope->relations);
	AttrNumber attno = get_attnum(score->relid, column);
	Oid type = get_atttype(score->relid, attno);
	Oid collation = type == TEXTOID ? DEFAULT_COLLATION_OID : InvalidOid;
	List *name = list_make2(makeString("pg_catalog"), makeString(op));

	return make_opclause(OpernameGetOprid(name, type, type),
						 BOOLOID,
						 false,
						 (Expr *) makeVar(1, attno, type, -1, collation, 0),
						 (Expr *) makeConst(type,
											-1,
											collation,
											get_typlen(type),
											value,
											false,
											get_typbyval(type)),
						 InvalidOid,
						 collation);
}

/* know_bounds: score.column >= (or <=) each of the bounds that is finite. */
static List *
know_bounds(const LsReach *reach, List *known, ArrayType *bounds, char *op)
{
	static const char *const columns[] = {"fit", "engagement", "intent", "total"};
	Datum *values;
	bool *nulls;
	int n;

	deconstruct_array(bounds,
					  FLOAT8OID,
					  sizeof(float8),
					  FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE,
					  &values,
					  &nulls,
					  &n);
	for (int i = 0; i < Min(n, lengthof(columns)); i++)
		if (!nulls[i] && isfinite(DatumGetFloat8(values[i])))
			known = lappend(known, compare(reach, columns[i], op, values[i]));
	return known;
}

/* know_bands: the band is one of those that can be reached. */
static List *
know_bands(const LsReach *reach, List *known)
{
	List *arms = NIL;
	Datum *values;
	bool *nulls;
	int n;

	deconstruct_array(reach->bands,
					  TEXTOID,
					  -1,
					  false,
					  TYPALIGN_INT,
					  &values,
					  &nulls,
					  &n);
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			arms = lappend(arms, compare(reach, "band", "=", values[i]));
	return arms == NIL ? known : lappend(known, make_orclause(arms));
}

static void
prove(void *arg)
{
	LsReach *reach = arg;
	LsCond *cond;
	List *wanted;
	List *known;
	Expr *expr;
	LsGuard guard;

	reach->scope =
		ls_model_score_scope(reach->row, ls_relation_of_model(reach->row, false));
	cond = ls_cond_read(reach->scope, reach->condition, BOOLOID);
	ls_guard_enter_reading(&guard, reach->scope->owner, LS_SAFE_PATH);
	expr = (Expr *) eval_const_expressions(NULL, cond->expr);
	ls_guard_leave(&guard);
	if (IsA(expr, Const))
	{
		const Const *constant = (const Const *) expr;

		reach->never = constant->constisnull || !DatumGetBool(constant->constvalue);
		return;
	}
	wanted = make_ands_implicit(canonicalize_qual(expr, false));
	known = know_bounds(reach, list_copy(wanted), reach->low, ">=");
	known = know_bounds(reach, known, reach->high, "<=");
	known = know_bands(reach, known);
	if (reach->stage != (Datum) 0)
		known = lappend(known, compare(reach, "stage", "=", reach->stage));
	reach->never = predicate_refuted_by(wanted, known, false);
}

/*
 * is_out_of_reach(model text, condition text, low float8[], high float8[],
 * bands text[], stage text) -> boolean; NULL where the condition cannot be read.
 */
Datum
ls_sql_is_out_of_reach(PG_FUNCTION_ARGS)
{
	LsReach reach = {0};
	ErrorData *error;

	for (int i = 0; i < 5; i++)
		if (PG_ARGISNULL(i))
			PG_RETURN_NULL();
	reach.row = ls_relation_readable_row(PG_GETARG_TEXT_PP(0));
	reach.condition = text_to_cstring(PG_GETARG_TEXT_PP(1));
	reach.low = PG_GETARG_ARRAYTYPE_P(2);
	reach.high = PG_GETARG_ARRAYTYPE_P(3);
	reach.bands = PG_GETARG_ARRAYTYPE_P(4);
	reach.stage = PG_ARGISNULL(5) ? (Datum) 0 : PG_GETARG_DATUM(5);
	if (!ls_attempt(prove, &reach, &error))
		PG_RETURN_NULL();
	PG_RETURN_BOOL(reach.never);
}
