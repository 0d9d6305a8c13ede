/*
 * ls_match_access.c: by which predicates the rows of a condition are found.
 *
 * In the manner of content-based publish/subscribe: a conjunction is reached by
 * its most selective predicate, a disjunction by one of each branch, and what
 * was reached is decided by the executor.
 */
#include "ls_match_int.h"

#include "ls_compat.h"

#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#define RANK_NONE 100

/* rank: the lower, the fewer rows a predicate is likely to reach. */
static int
rank(const LsPredicate *p)
{
	if (p->negated)
		return RANK_NONE;
	switch (p->kind)
	{
		case LS_PRED_SET:
			return 1;
		case LS_PRED_PATTERN:
			return 2;
		case LS_PRED_RANGE:
			return p->lower.given && p->upper.given ? 3 : 4;
		default:
			return 5;
	}
}

static int
worst_rank(const LsAccess *access)
{
	int worst = 0;
	ListCell *cell;

	if (access->kind != LS_ACCESS_EXACT && access->kind != LS_ACCESS_GUARDED)
		return RANK_NONE;
	foreach(cell, access->predicates)
		worst = Max(worst, rank(lfirst(cell)));
	return worst;
}

static bool
same_subject(const LsPredicate *a, const LsPredicate *b)
{
	return a->key_class == b->key_class && a->collation == b->collation &&
		   equal(a->subject, b->subject);
}

static int
compare_keys(const LsPredicate *p, Datum a, Datum b)
{
	int64 x = DatumGetInt64(a);
	int64 y = DatumGetInt64(b);
	TypeCacheEntry *type;

	if (p->key_class == LS_KEY_INT)
		return (x > y) - (x < y);
	type = lookup_type_cache(exprType(p->subject), TYPECACHE_CMP_PROC_FINFO);
	return DatumGetInt32(FunctionCall2Coll(&type->cmp_proc_finfo, p->collation, a, b));
}

/* tighten: the narrower of two bounds; sign is 1 for lower, -1 for upper. */
static LsBound
tighten(const LsPredicate *p, LsBound a, LsBound b, int sign)
{
	int order;

	if (!a.given || !b.given)
		return a.given ? a : b;
	order = sign * compare_keys(p, a.value, b.value);
	if (order == 0)
		return a.inclusive ? b : a;
	return order > 0 ? a : b;
}

static bool
is_empty(const LsPredicate *p)
{
	int order;

	if (!p->lower.given || !p->upper.given)
		return false;
	order = compare_keys(p, p->lower.value, p->upper.value);
	return order > 0 || (order == 0 && !(p->lower.inclusive && p->upper.inclusive));
}

/* merge_ranges: a conjunction of ranges on one subject is a range. */
static bool
merge_ranges(List *args, LsPredicate *merged)
{
	ListCell *cell;

	foreach(cell, args)
	{
		LsPredicate p;

		if (!ls_match_predicate(lfirst(cell), &p) || p.kind != LS_PRED_RANGE)
			return false;
		if (cell == list_head(args))
			*merged = p;
		else if (!same_subject(merged, &p))
			return false;
		merged->lower = tighten(&p, merged->lower, p.lower, 1);
		merged->upper = tighten(&p, merged->upper, p.upper, -1);
	}
	return true;
}

static bool
can_fail(Node *expr)
{
	LsPredicate p;
	bool is_whole_truth;
	List *predicates;
	ListCell *cell;

	if (IsA(expr, Const) || ls_match_predicate(expr, &p) ||
		ls_match_like(expr, &p, &is_whole_truth) ||
		ls_match_like_any(expr, &predicates))
		return false;
	if (!IsA(expr, BoolExpr))
		return true;
	foreach(cell, ((BoolExpr *) expr)->args)
		if (can_fail(lfirst(cell)))
			return true;
	return false;
}

/*
 * access_and: only what stands before the first part that can raise may keep
 * the executor from reaching that part, as its own short cut would. Of two alike
 * the later is taken: people write what is general first, "type = 'page_view' AND
 * page = '/pricing'", and many rules have that in common.
 */
static LsAccess
access_and(List *args)
{
	LsAccess best = {LS_ACCESS_EVERY, NIL};
	int best_rank = RANK_NONE;
	LsPredicate *merged = palloc(sizeof(LsPredicate));
	ListCell *cell;

	if (merge_ranges(args, merged))
	{
		if (is_empty(merged))
			return (LsAccess){LS_ACCESS_NEVER, NIL};
		return (LsAccess){LS_ACCESS_EXACT, list_make1(merged)};
	}
	foreach(cell, args)
	{
		LsAccess access = ls_match_access(lfirst(cell));
		int access_rank = worst_rank(&access);

		if (access_rank < RANK_NONE && access_rank <= best_rank)
		{
			best.kind = LS_ACCESS_GUARDED;
			best.predicates = access.predicates;
			best_rank = access_rank;
		}
		if (can_fail(lfirst(cell)))
			break;
	}
	return best;
}

/* merge_sets: a disjunction of sets on one subject is a set. */
static bool
merge_sets(List *predicates, LsPredicate *merged)
{
	LsPredicate *first = linitial(predicates);
	int nvalues = 0;
	ListCell *cell;

	foreach(cell, predicates)
	{
		LsPredicate *p = lfirst(cell);

		if (p->kind != LS_PRED_SET || p->negated || !same_subject(first, p))
			return false;
		nvalues += p->nvalues;
	}
	*merged = *first;
	merged->values = palloc(sizeof(Datum) * Max(nvalues, 1));
	merged->nvalues = 0;
	foreach(cell, predicates)
	{
		LsPredicate *p = lfirst(cell);

		for (int i = 0; i < p->nvalues; i++)
			merged->values[merged->nvalues++] = p->values[i];
	}
	ls_match_sort_values(merged);
	return true;
}

static LsAccess
access_or(List *args)
{
	LsAccess access = {LS_ACCESS_GUARDED, NIL};
	LsPredicate *merged = palloc(sizeof(LsPredicate));
	bool all_exact = true;
	ListCell *cell;

	foreach(cell, args)
	{
		LsAccess branch = ls_match_access(lfirst(cell));

		if (branch.kind == LS_ACCESS_NEVER)
			continue;
		if (worst_rank(&branch) == RANK_NONE)
			return (LsAccess){LS_ACCESS_EVERY, NIL};
		all_exact &= branch.kind == LS_ACCESS_EXACT;
		access.predicates = list_concat(access.predicates, branch.predicates);
	}
	if (access.predicates == NIL)
		access.kind = LS_ACCESS_NEVER;
	else if (all_exact && merge_sets(access.predicates, merged))
		access = (LsAccess){LS_ACCESS_EXACT, list_make1(merged)};
	return access;
}

/*
 * find_trap: a null that no subject has: a constant, in a list, or because a
 * range is empty. Like a null column it does not stop AND.
 */
static bool
find_trap(Node *node, void *context)
{
	LsPredicate merged;

	if (node == NULL)
		return false;
	if (IsA(node, Const))
	{
		const Const *constant = (Const *) node;

		return constant->constisnull ||
			   (OidIsValid(get_element_type(constant->consttype)) &&
				array_contains_nulls(DatumGetArrayTypeP(constant->constvalue)));
	}
	if (is_andclause(node) && merge_ranges(((BoolExpr *) node)->args, &merged) &&
		is_empty(&merged))
		return true;
	return expression_tree_walker(node, find_trap, context);
}

/* add_nulls: a null does not stop AND, so what comes after it may raise. */
static List *
add_nulls(List *predicates)
{
	List *all = list_copy(predicates);
	ListCell *cell;

	foreach(cell, predicates)
	{
		LsPredicate *null = palloc0(sizeof(LsPredicate));

		null->kind = LS_PRED_NULL;
		null->subject = ((LsPredicate *) lfirst(cell))->subject;
		null->collation = ((LsPredicate *) lfirst(cell))->collation;
		all = lappend(all, null);
	}
	return all;
}

/*
 * ls_match_access: how the rows are found for which the expression is true, or
 * raises. It has been simplified (constants folded) before.
 */
LsAccess
ls_match_access(Node *expr)
{
	LsAccess access = {LS_ACCESS_EVERY, NIL};
	LsPredicate *p = palloc(sizeof(LsPredicate));
	bool is_whole_truth;

	check_stack_depth();
	if (IsA(expr, Const))
	{
		Const *constant = (Const *) expr;
		bool is_true = !constant->constisnull && DatumGetBool(constant->constvalue);

		access.kind = is_true ? LS_ACCESS_ALWAYS : LS_ACCESS_NEVER;
		return access;
	}
	if (ls_match_predicate(expr, p))
		return (LsAccess){LS_ACCESS_EXACT, list_make1(p)};
	memset(p, 0, sizeof(LsPredicate));
	if (ls_match_like(expr, p, &is_whole_truth))
		return (LsAccess){LS_ACCESS_GUARDED, list_make1(p)};
	if (ls_match_like_any(expr, &access.predicates))
		return (LsAccess){LS_ACCESS_GUARDED, access.predicates};
	if (is_andclause(expr))
		access = access_and(((BoolExpr *) expr)->args);
	else if (is_orclause(expr))
		access = access_or(((BoolExpr *) expr)->args);
	if (access.kind == LS_ACCESS_GUARDED && can_fail(expr))
	{
		if (find_trap(expr, NULL))
			return (LsAccess){LS_ACCESS_EVERY, NIL};
		access.predicates = add_nulls(access.predicates);
	}
	return access;
}
