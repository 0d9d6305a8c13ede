/*
 * ls_match_compile.c: conditions -> matcher.
 */
#include "ls_match_int.h"

#include "ls_compat.h"

#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* LsCompile: what compiling carries; gone when it is done. */
typedef struct LsCompile
{
	LsMatcher *matcher;
	MemoryContext scratch;
	List *moments;	   /* expressions over as_of alone; parameters 2, 3, ... */
	List *guarded;	   /* of LsGuardedRule */
	List *expressions; /* of the guarded rules */
	List *outputs;	   /* expressions whose values are wanted */
	const LsCondScope *scope;
} LsCompile;

static bool
find_param(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param))
		return true;
	return expression_tree_walker(node, find_param, context);
}

/*
 * is_moment: as_of moved by intervals, or its date: what may be computed once
 * and for all, as it cannot raise where SQL would not have come to it.
 */
static bool
is_moment(Node *node)
{
	switch (nodeTag(node))
	{
		case T_Param:
		case T_Const:
			return true;
		case T_OpExpr:
			return (((OpExpr *) node)->opfuncid == F_TIMESTAMP_PL_INTERVAL ||
					((OpExpr *) node)->opfuncid == F_TIMESTAMP_MI_INTERVAL) &&
				   is_moment(linitial(((OpExpr *) node)->args)) &&
				   IsA(lsecond(((OpExpr *) node)->args), Const);
		case T_FuncExpr:
			return (((FuncExpr *) node)->funcid == F_TIMEZONE_TEXT_TIMESTAMPTZ ||
					((FuncExpr *) node)->funcid == F_TIMEZONE_TEXT_TIMESTAMP ||
					((FuncExpr *) node)->funcid == F_DATE_TIMESTAMP ||
					((FuncExpr *) node)->funcid == F_TIMESTAMP_DATE) &&
				   is_moment(llast(((FuncExpr *) node)->args)) &&
				   IsA(linitial(((FuncExpr *) node)->args), Const) ==
					   (list_length(((FuncExpr *) node)->args) == 2);
		default:
			return false;
	}
}

/* hoist: replace what follows from as_of alone by a parameter of its own. */
static Node *
hoist(Node *node, LsCompile *compile)
{
	Param *param;
	ListCell *cell;
	int number = LS_COND_AS_OF;

	if (node == NULL)
		return NULL;
	if (IsA(node, Param) || !is_moment(node) || !find_param(node, NULL))
		return expression_tree_mutator(node, hoist, compile);

	foreach(cell, compile->moments)
	{
		number++;
		if (equal(lfirst(cell), node))
			break;
	}
	if (cell == NULL)
	{
		compile->moments = lappend(compile->moments, node);
		number = LS_COND_AS_OF + list_length(compile->moments);
	}
	param = makeNode(Param);
	param->paramkind = PARAM_EXTERN;
	param->paramid = number;
	param->paramtype = exprType(node);
	param->paramtypmod = exprTypmod(node);
	param->paramcollid = exprCollation(node);
	param->location = -1;
	return (Node *) param;
}

static LsSubject *
find_or_add_subject(LsMatcher *matcher, const LsPredicate *p)
{
	LsSubject *subject;
	Node *column = p->subject;

	for (int i = 0; i < matcher->nsubjects; i++)
		if (matcher->subjects[i].collation == p->collation &&
			equal(matcher->subjects[i].expr, p->subject))
			return &matcher->subjects[i];

	if (matcher->nsubjects == 0)
		matcher->subjects = palloc(sizeof(LsSubject));
	else
		matcher->subjects =
			repalloc(matcher->subjects, sizeof(LsSubject) * (matcher->nsubjects + 1));
	subject = &matcher->subjects[matcher->nsubjects++];
	memset(subject, 0, sizeof(LsSubject));
	while (IsA(column, RelabelType))
		column = (Node *) ((RelabelType *) column)->arg;
	subject->expr = copyObject(p->subject);
	subject->collation = p->collation;
	subject->type = exprType(p->subject);
	subject->column = IsA(column, Var) ? ((Var *) column)->varattno - 1 : -1;
	return subject;
}

static void
insert_access(LsMatcher *matcher, const LsAccess *access, const LsTarget *target)
{
	ListCell *cell;

	foreach(cell, access->predicates)
	{
		LsPredicate *p = lfirst(cell);

		ls_match_insert(find_or_add_subject(matcher, p), p, target);
	}
}

/* add_guarded: a rule that the executor decides. Gives its number. */
static int
add_guarded(LsCompile *compile, const LsMatchRule *rule, int number, Node *expr)
{
	LsGuarded *guarded = palloc0(sizeof(LsGuarded));

	guarded->rule = number;
	guarded->name = pstrdup(rule->name);
	guarded->slot = rule->slot;
	guarded->points = rule->points;
	compile->guarded = lappend(compile->guarded, guarded);
	compile->expressions = lappend(compile->expressions, expr);
	return list_length(compile->guarded) - 1;
}

static void
add_every(LsMatcher *matcher, int guarded)
{
	matcher->every =
		matcher->nevery == 0
			? palloc(sizeof(int))
			: repalloc(matcher->every, sizeof(int) * (matcher->nevery + 1));
	matcher->every[matcher->nevery++] = guarded;
}

/* simplify: the tree over our columns, constants folded, as_of hoisted. */
static Node *
simplify(LsCompile *compile, Node *written)
{
	MemoryContext old = MemoryContextSwitchTo(compile->scratch);
	Node *expr = ls_match_map_columns(compile->matcher, written, compile->scope);

	expr = eval_const_expressions(NULL, expr);
	fix_opfuncids(expr);
	expr = hoist(expr, compile);
	MemoryContextSwitchTo(old);
	return expr;
}

static void
compile_rule(LsCompile *compile, const LsMatchRule *rule, int number)
{
	LsMatcher *matcher = compile->matcher;
	Node *expr = simplify(compile, rule->expr);
	LsTarget target = {matcher, compile->scratch, number, -1, rule->slot, rule->points};
	MemoryContext old = MemoryContextSwitchTo(compile->scratch);
	LsAccess access = ls_match_access(expr);

	MemoryContextSwitchTo(old);
	switch (access.kind)
	{
		case LS_ACCESS_NEVER:
			break;
		case LS_ACCESS_ALWAYS:
			ls_payload_add(&matcher->always, &target);
			break;
		case LS_ACCESS_EXACT:
			insert_access(matcher, &access, &target);
			break;
		case LS_ACCESS_GUARDED:
			target.guarded = add_guarded(compile, rule, number, expr);
			insert_access(matcher, &access, &target);
			break;
		case LS_ACCESS_EVERY:
			add_every(matcher, add_guarded(compile, rule, number, expr));
			break;
	}
}

/* prepare_expression: the state points into the tree, so the tree must stay. */
static ExprState *
prepare_expression(Node *expr, const LsMatcher *matcher)
{
	return ExecInitExprWithParams((Expr *) copyObject(expr), matcher->params);
}

static void
prepare_params(LsCompile *compile)
{
	LsMatcher *matcher = compile->matcher;
	ListCell *cell;

	matcher->nmoments = list_length(compile->moments);
	matcher->runs_code |= matcher->nmoments > 0;
	matcher->params = makeParamList(LS_COND_AS_OF + matcher->nmoments);
	matcher->params->params[0].ptype = TIMESTAMPTZOID;
	matcher->moments = palloc(sizeof(ExprState *) * (matcher->nmoments + 1));
	foreach(cell, compile->moments)
	{
		int i = foreach_current_index(cell);

		matcher->params->params[LS_COND_AS_OF + i].ptype = exprType(lfirst(cell));
		matcher->params->params[LS_COND_AS_OF + i].isnull = true;
		matcher->moments[i] = prepare_expression(lfirst(cell), matcher);
	}
	matcher->context->ecxt_param_list_info = matcher->params;
}

static void
prepare_guarded(LsCompile *compile)
{
	LsMatcher *matcher = compile->matcher;
	ListCell *cell;

	matcher->nguarded = list_length(compile->guarded);
	matcher->guarded = palloc0(sizeof(LsGuarded) * (matcher->nguarded + 1));
	foreach(cell, compile->guarded)
	{
		int i = foreach_current_index(cell);
		LsGuarded *guarded = &matcher->guarded[i];
		Node *expr = list_nth(compile->expressions, i);

		*guarded = *(LsGuarded *) lfirst(cell);
		guarded->ntests = ls_match_make_tests(expr, &guarded->tests);
		guarded->state = prepare_expression(expr, matcher);
		matcher->runs_code |= guarded->ntests == 0;
	}
	list_free_deep(compile->guarded);
}

static void
prepare_row(LsMatcher *matcher)
{
	matcher->row =
		MakeSingleTupleTableSlot(ls_match_tuple_desc(matcher), &TTSOpsVirtual);
	for (int i = 0; i < matcher->ncolumns; i++)
		matcher->row->tts_isnull[i] = true;
	ExecStoreVirtualTuple(matcher->row);
	matcher->hand.values = matcher->row->tts_values;
	matcher->hand.nulls = matcher->row->tts_isnull;
	matcher->context = CreateStandaloneExprContext();
	matcher->context->ecxt_scantuple = matcher->row;
}

static void
prepare_subjects(LsMatcher *matcher)
{
	for (int i = 0; i < matcher->nsubjects; i++)
	{
		LsSubject *subject = &matcher->subjects[i];

		if (subject->column < 0)
			subject->state = prepare_expression(subject->expr, matcher);
		ls_match_finish_subject(subject);
		subject->is_set_of_texts =
			subject->column >= 0 && subject->set != NULL && !subject->set->is_fixed &&
			subject->ints == NULL && subject->ordered == NULL &&
			subject->texts[0] == NULL && subject->texts[1] == NULL;
		matcher->runs_code |= subject->state != NULL || subject->ordered != NULL ||
							  subject->texts[0] != NULL || subject->texts[1] != NULL;
	}
}

static void
simplify_outputs(LsCompile *compile, List *values)
{
	LsMatcher *matcher = compile->matcher;
	ListCell *cell;

	matcher->noutputs = list_length(values);
	matcher->outputs = palloc0(sizeof(LsOutput) * (matcher->noutputs + 1));
	foreach(cell, values)
	{
		const LsMatchValue *value = lfirst(cell);
		LsOutput *output = &matcher->outputs[foreach_current_index(cell)];
		const char *kind = value->kind == NULL ? matcher->place.kind : value->kind;
		LsPlace place = {.kind = kind,
						 .name = value->name,
						 .model = matcher->place.model};
		Node *expr;

		ls_error_push_place(&place);
		expr = simplify(compile, value->expr);
		ls_error_pop_place(&place);
		output->kind = pstrdup(kind);
		output->name = value->name == NULL ? NULL : pstrdup(value->name);
		output->column = IsA(expr, Var) ? ((Var *) expr)->varattno - 1 : -1;
		compile->outputs = lappend(compile->outputs, expr);
	}
}

static void
prepare_outputs(LsCompile *compile)
{
	LsMatcher *matcher = compile->matcher;

	for (int i = 0; i < matcher->noutputs; i++)
		if (matcher->outputs[i].column < 0)
			matcher->outputs[i].state =
				prepare_expression(list_nth(compile->outputs, i), matcher);
}

/*
 * ls_match_compile: compile the rules (LsMatchRule). `kind` and `model` name
 * them in errors. Call it under ls_guard_enter as the relation's owner:
 * constants are folded here.
 *
 * Memory: all of the result, and what evaluating it keeps, is in the current
 * context, which is the matcher's own; delete it to free the matcher.
 */
LsMatcher *
ls_match_compile(List *rules,
				 const LsCondScope *scope,
				 LsMatchMode mode,
				 int nslots,
				 const char *kind,
				 const char *model)
{
	return ls_match_compile_values(rules, NIL, scope, mode, nslots, kind, model);
}

/*
 * ls_match_compile_values: the same, with expressions (LsMatchValue) over the
 * same rows; ls_match_value gives their values.
 */
LsMatcher *
ls_match_compile_values(List *rules,
						List *values,
						const LsCondScope *scope,
						LsMatchMode mode,
						int nslots,
						const char *kind,
						const char *model)
{
	LsMatcher *matcher = palloc0(sizeof(LsMatcher));
	LsCompile compile = {.matcher = matcher, .scope = scope};
	ListCell *cell;

	compile.scratch = AllocSetContextCreate(CurrentMemoryContext,
											"lead_scoring compile",
											ALLOCSET_DEFAULT_SIZES);
	matcher->mode = mode;
	matcher->owner = scope->owner;
	matcher->nslots = nslots;
	matcher->sums = palloc0(sizeof(double) * nslots);
	matcher->hits = palloc(sizeof(int) * (list_length(rules) + 1));
	matcher->place.kind = pstrdup(kind);
	matcher->place.model = pstrdup(model);
	foreach(cell, rules)
	{
		LsMatchRule *rule = lfirst(cell);
		LsPlace place = {.kind = kind, .name = rule->name, .model = model};

		CHECK_FOR_INTERRUPTS();
		ls_error_push_place(&place);
		compile_rule(&compile, rule, foreach_current_index(cell));
		ls_error_pop_place(&place);
	}
	simplify_outputs(&compile, values);
	prepare_row(matcher);
	prepare_params(&compile);
	prepare_guarded(&compile);
	prepare_outputs(&compile);
	prepare_subjects(matcher);
	MemoryContextDelete(compile.scratch);
	return matcher;
}
