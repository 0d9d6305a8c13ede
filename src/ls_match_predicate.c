/*
 * ls_match_predicate.c: recognise predicates that an index can decide.
 */
#include "ls_match_int.h"

#include "ls_compat.h"

#include "access/stratnum.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/array.h"
#include "utils/date.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

/*
 * ls_match_is_safe_subject: columns, and functions of columns that never
 * raise: they may be evaluated where SQL's order of evaluation would not.
 */
bool
ls_match_is_safe_subject(Node *node)
{
	List *args = NIL;
	ListCell *cell;

	switch (nodeTag(node))
	{
		case T_Var:
		case T_Const:
			return true;
		case T_RelabelType:
			return ls_match_is_safe_subject((Node *) ((RelabelType *) node)->arg);
		case T_CoalesceExpr:
			args = ((CoalesceExpr *) node)->args;
			break;
		case T_FuncExpr:
			if (((FuncExpr *) node)->funcid != F_LOWER_TEXT &&
				((FuncExpr *) node)->funcid != F_UPPER_TEXT &&
				((FuncExpr *) node)->funcid != F_BTRIM_TEXT)
				return false;
			args = ((FuncExpr *) node)->args;
			break;
		case T_OpExpr:
			set_opfuncid((OpExpr *) node);
			if (((OpExpr *) node)->opfuncid != F_JSONB_OBJECT_FIELD_TEXT &&
				((OpExpr *) node)->opfuncid != F_JSONB_OBJECT_FIELD)
				return false;
			args = ((OpExpr *) node)->args;
			break;
		default:
			return false;
	}
	foreach(cell, args)
		if (!ls_match_is_safe_subject(lfirst(cell)))
			return false;
	return true;
}

/* float_key: an integer in the order of float8: NaN last, -0 = 0. */
static int64
float_key(double value)
{
	int64 bits;

	if (isnan(value))
		return PG_INT64_MAX;
	if (value == 0)
		return 0;
	memcpy(&bits, &value, sizeof(bits));
	return bits >= 0 ? bits : PG_INT64_MIN - bits;
}

/*
 * ls_match_int_key: a value of LS_KEY_INT type as an integer of the same order.
 */
int64
ls_match_int_key(Oid type, Datum value)
{
	switch (type)
	{
		case BOOLOID:
			return DatumGetBool(value);
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		case DATEOID:
			return DatumGetDateADT(value);
		case FLOAT4OID:
			return float_key(DatumGetFloat4(value));
		case FLOAT8OID:
			return float_key(DatumGetFloat8(value));
		default:
			return DatumGetInt64(value);
	}
}

/* family: types whose values may be compared with each other as keys. */
static int
int_family(Oid type)
{
	switch (type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return 1;
		case FLOAT4OID:
		case FLOAT8OID:
			return 2;
		case BOOLOID:
			return 3;
		case DATEOID:
			return 4;
		case TIMESTAMPOID:
			return 5;
		case TIMESTAMPTZOID:
			return 6;
		default:
			return 0;
	}
}

/*
 * ls_match_key_class: how values of a type are compared. `collation` is that of
 * the comparison, InvalidOid for types without.
 */
LsKeyClass
ls_match_key_class(Oid type, Oid collation)
{
	TypeCacheEntry *entry;

	if (int_family(type) != 0)
		return LS_KEY_INT;
	if (type == UUIDOID)
		return LS_KEY_BYTES;
	if ((type == TEXTOID || type == BPCHAROID) && OidIsValid(collation) &&
		get_collation_isdeterministic(collation))
		return LS_KEY_BYTES;
	if (get_typtype(type) != TYPTYPE_BASE || OidIsValid(get_element_type(type)))
		return LS_KEY_NONE;
	entry = lookup_type_cache(type, TYPECACHE_CMP_PROC | TYPECACHE_BTREE_OPFAMILY);
	return OidIsValid(entry->cmp_proc) ? LS_KEY_ORDERED : LS_KEY_NONE;
}

static bool
same_family(Oid a, Oid b)
{
	return a == b || (int_family(a) != 0 && int_family(a) == int_family(b));
}

/*
 * strategy_of: the btree strategy of an operator between the two types, where
 * it is one of the type's default order; 0 = none. BTMaxStrategyNumber + 1
 * stands for <>.
 */
#define NOT_EQUAL (BTMaxStrategyNumber + 1)

static int
strategy_of(Oid opno, Oid type)
{
	TypeCacheEntry *entry = lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY);
	Oid family = entry->btree_opf;
	Oid negator;
	int strategy;

	if (!OidIsValid(family))
		return 0;
	strategy = get_op_opfamily_strategy(opno, family);
	if (strategy != 0)
		return strategy;
	negator = get_negator(opno);
	if (OidIsValid(negator) &&
		get_op_opfamily_strategy(negator, family) == BTEqualStrategyNumber)
		return NOT_EQUAL;
	return 0;
}

static Datum
key_of(LsKeyClass key_class, const Const *constant)
{
	if (key_class == LS_KEY_INT)
		return Int64GetDatum(
			ls_match_int_key(constant->consttype, constant->constvalue));
	if (constant->constlen == -1)
		return PointerGetDatum(PG_DETOAST_DATUM_PACKED(constant->constvalue));
	return constant->constvalue;
}

/* fill_comparison: subject OP constant. */
static bool
fill_comparison(LsPredicate *p, int strategy, Datum key)
{
	LsBound bound = {true, false, key};

	switch (strategy)
	{
		case BTEqualStrategyNumber:
		case NOT_EQUAL:
			p->kind = LS_PRED_SET;
			p->negated = strategy == NOT_EQUAL;
			p->nvalues = 1;
			p->values = palloc(sizeof(Datum));
			p->values[0] = key;
			return true;
		case BTLessEqualStrategyNumber:
			bound.inclusive = true;
			/* FALLTHROUGH */
		case BTLessStrategyNumber:
			p->kind = LS_PRED_RANGE;
			p->upper = bound;
			return true;
		case BTGreaterEqualStrategyNumber:
			bound.inclusive = true;
			/* FALLTHROUGH */
		case BTGreaterStrategyNumber:
			p->kind = LS_PRED_RANGE;
			p->lower = bound;
			return true;
		default:
			return false;
	}
}

static bool
match_comparison(OpExpr *op, LsPredicate *p)
{
	Node *subject = linitial(op->args);
	Node *other = lsecond(op->args);
	Oid opno = op->opno;
	Oid type;
	int strategy;

	if (IsA(subject, Const) && !IsA(other, Const))
	{
		Node *swap = subject;

		subject = other;
		other = swap;
		opno = get_commutator(opno);
	}
	if (!OidIsValid(opno) || !IsA(other, Const) || !ls_match_is_safe_subject(subject))
		return false;
	type = exprType(subject);
	if (!same_family(type, ((Const *) other)->consttype))
		return false;
	strategy = strategy_of(opno, type);
	p->subject = subject;
	p->collation = op->inputcollid;
	p->key_class = ls_match_key_class(type, op->inputcollid);
	/* The order of strings is the collation's; only equality is of bytes. */
	if (p->key_class == LS_KEY_BYTES && strategy != BTEqualStrategyNumber &&
		strategy != NOT_EQUAL)
		p->key_class = LS_KEY_ORDERED;
	if (strategy == 0 || p->key_class == LS_KEY_NONE)
		return false;
	return fill_comparison(p, strategy, key_of(p->key_class, (Const *) other));
}

static int
compare_values(const void *a, const void *b, void *arg)
{
	const LsPredicate *p = arg;
	Datum left = *(const Datum *) a;
	Datum right = *(const Datum *) b;

	if (p->key_class == LS_KEY_INT)
	{
		int64 x = DatumGetInt64(left);
		int64 y = DatumGetInt64(right);

		return (x > y) - (x < y);
	}
	return DatumGetInt32(FunctionCall2Coll(&lookup_type_cache(exprType(p->subject),
															  TYPECACHE_CMP_PROC_FINFO)
												->cmp_proc_finfo,
										   p->collation,
										   left,
										   right));
}

/* ls_match_sort_values: in order and distinct, as the range index wants them. */
void
ls_match_sort_values(LsPredicate *p)
{
	int distinct = 0;

	if (p->key_class == LS_KEY_BYTES || p->nvalues == 0)
		return;
	qsort_arg(p->values, p->nvalues, sizeof(Datum), compare_values, p);
	for (int i = 0; i < p->nvalues; i++)
		if (i == 0 || compare_values(&p->values[i], &p->values[distinct - 1], p) != 0)
			p->values[distinct++] = p->values[i];
	p->nvalues = distinct;
}

/* fill_set: the elements of IN's array. A null element: only IN is decided. */
static bool
fill_set(LsPredicate *p, const Const *list)
{
	ArrayType *array = DatumGetArrayTypeP(list->constvalue);
	Oid type = ARR_ELEMTYPE(array);
	Const element = {.consttype = type};
	Datum *values;
	bool *nulls;
	int n;
	int16 length;
	bool byval;
	char align;

	get_typlenbyvalalign(type, &length, &byval, &align);
	element.constlen = length;
	deconstruct_array(array, type, element.constlen, byval, align, &values, &nulls, &n);
	p->kind = LS_PRED_SET;
	p->values = palloc(sizeof(Datum) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		element.constvalue = values[i];
		if (!nulls[i])
			p->values[p->nvalues++] = key_of(p->key_class, &element);
		else if (p->negated)
			return false;
	}
	ls_match_sort_values(p);
	return true;
}

/* match_in: subject = ANY (array) and subject <> ALL (array). */
static bool
match_in(ScalarArrayOpExpr *op, LsPredicate *p)
{
	Node *subject = linitial(op->args);
	Node *list = lsecond(op->args);
	Oid type = exprType(subject);
	int strategy;

	if (!IsA(list, Const) || ((Const *) list)->constisnull ||
		!ls_match_is_safe_subject(subject) ||
		!same_family(type, get_element_type(((Const *) list)->consttype)))
		return false;
	strategy = strategy_of(op->opno, type);
	if (strategy != (op->useOr ? BTEqualStrategyNumber : NOT_EQUAL))
		return false;
	p->subject = subject;
	p->collation = op->inputcollid;
	p->key_class = ls_match_key_class(type, op->inputcollid);
	p->negated = !op->useOr;
	return p->key_class != LS_KEY_NONE && fill_set(p, (Const *) list);
}

static bool
fill_boolean(LsPredicate *p, Node *subject, bool value)
{
	p->subject = subject;
	p->key_class = LS_KEY_INT;
	return fill_comparison(p, BTEqualStrategyNumber, Int64GetDatum(value));
}

static bool
match_boolean_test(BooleanTest *test, LsPredicate *p)
{
	Node *subject = (Node *) test->arg;

	if (!ls_match_is_safe_subject(subject))
		return false;
	switch (test->booltesttype)
	{
		case IS_TRUE:
			return fill_boolean(p, subject, true);
		case IS_FALSE:
			return fill_boolean(p, subject, false);
		case IS_UNKNOWN:
		case IS_NOT_UNKNOWN:
			p->kind = LS_PRED_NULL;
			p->subject = subject;
			p->negated = test->booltesttype == IS_NOT_UNKNOWN;
			return true;
		default:
			return false;
	}
}

static bool
match_null_test(NullTest *test, LsPredicate *p)
{
	if (test->argisrow || !ls_match_is_safe_subject((Node *) test->arg))
		return false;
	p->kind = LS_PRED_NULL;
	p->subject = (Node *) test->arg;
	p->negated = test->nulltesttype == IS_NOT_NULL;
	return true;
}

/*
 * ls_match_predicate: is the expression true exactly where one predicate on one
 * subject is? Conjunctions and disjunctions are ls_match_access's business.
 */
bool
ls_match_predicate(Node *expr, LsPredicate *p)
{
	bool is_whole_truth;

	memset(p, 0, sizeof(LsPredicate));
	switch (nodeTag(expr))
	{
		case T_Var:
			return exprType(expr) == BOOLOID && fill_boolean(p, expr, true);
		case T_BoolExpr:
			if (((BoolExpr *) expr)->boolop != NOT_EXPR)
				return false;
			expr = linitial(((BoolExpr *) expr)->args);
			return IsA(expr, Var) && fill_boolean(p, expr, false);
		case T_BooleanTest:
			return match_boolean_test((BooleanTest *) expr, p);
		case T_NullTest:
			return match_null_test((NullTest *) expr, p);
		case T_ScalarArrayOpExpr:
			return match_in((ScalarArrayOpExpr *) expr, p);
		case T_OpExpr:
			if (list_length(((OpExpr *) expr)->args) != 2)
				return false;
			if (ls_match_like(expr, p, &is_whole_truth))
				return is_whole_truth;
			return match_comparison((OpExpr *) expr, p);
		default:
			return false;
	}
}
