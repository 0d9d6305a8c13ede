/*
 * ls_cond_parse.c: text of a condition -> checked expression tree.
 */
#include "ls_cond.h"

#include "ls_compat.h"
#include "ls_guard.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_relation.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* resolve_as_of: an unqualified `as_of` is the moment, whatever the columns. */
static Node *
resolve_as_of(ParseState *pstate, ColumnRef *ref)
{
	const LsCondScope *scope = pstate->p_ref_hook_state;
	Param *moment;

	if (list_length(ref->fields) != 1 || !IsA(linitial(ref->fields), String) ||
		strcmp(strVal(linitial(ref->fields)), "as_of") != 0)
		return NULL;
	if (!scope->has_as_of)
		ereport(ERROR,
				errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("as_of is not allowed here"),
				errhint("%s", ls_cond_hint_moment(scope)),
				parser_errposition(pstate, ref->location));

	moment = makeNode(Param);
	moment->paramkind = PARAM_EXTERN;
	moment->paramid = LS_COND_AS_OF;
	moment->paramtype = TIMESTAMPTZOID;
	moment->paramtypmod = -1;
	moment->paramcollid = InvalidOid;
	moment->location = ref->location;
	return (Node *) moment;
}

/* refuse_unqualified: a name alone that only a relation has which wants to be named. */
static Node *
refuse_unqualified(ParseState *pstate, ColumnRef *ref, Node *found)
{
	const LsCondScope *scope = pstate->p_ref_hook_state;
	ListCell *cell;

	if (found != NULL || list_length(ref->fields) != 1 ||
		!IsA(linitial(ref->fields), String))
		return NULL;
	foreach(cell, scope->relations)
	{
		const LsCondRelation *relation = lfirst(cell);
		const char *name = strVal(linitial(ref->fields));

		if (relation->qualified && get_attnum(relation->relid, name) > 0)
			ereport(ERROR,
					errcode(ERRCODE_UNDEFINED_COLUMN),
					errmsg("column \"%s\" does not exist", name),
					errhint("Write %s.%s.",
							quote_identifier(relation->alias),
							quote_identifier(name)),
					parser_errposition(pstate, ref->location));
	}
	return NULL;
}

static void
add_relation(ParseState *pstate, const LsCondRelation *relation)
{
	Relation rel = relation_open(relation->relid, AccessShareLock);
	ParseNamespaceItem *item;

	item = addRangeTableEntryForRelation(pstate,
										 rel,
										 AccessShareLock,
										 makeAlias(relation->alias, NIL),
										 false,
										 true);
	addNSItemToQuery(pstate, item, false, true, !relation->qualified);
	/* An invalidation tells what the lock would: that the relation was altered. */
	relation_close(rel, AccessShareLock);
}

/* ls_cond_open_scope: the relations of the scope as a FROM clause. */
ParseState *
ls_cond_open_scope(const LsCondScope *scope, const char *text)
{
	ParseState *pstate = make_parsestate(NULL);
	ListCell *cell;

	pstate->p_sourcetext = text;
	pstate->p_pre_columnref_hook = resolve_as_of;
	pstate->p_post_columnref_hook = refuse_unqualified;
	pstate->p_ref_hook_state = (void *) scope;
	foreach(cell, scope->relations)
		add_relation(pstate, lfirst(cell));
	return pstate;
}

static void
refuse_type(ParseState *pstate, Node *expr, const char *wanted, const char *hint)
{
	ereport(ERROR,
			errcode(ERRCODE_DATATYPE_MISMATCH),
			errmsg("expression must be of type %s, not %s",
				   wanted,
				   format_type_be(exprType(expr))),
			errhint("%s", hint),
			parser_errposition(pstate, exprLocation(expr)));
}

/* coerce_result: to boolean or to number; InvalidOid takes any type. */
static Node *
coerce_result(ParseState *pstate, Node *expr, Oid result_type)
{
	Oid type = exprType(expr);

	if (result_type == InvalidOid || type == result_type)
		return expr;
	if (can_coerce_type(1, &type, &result_type, COERCION_IMPLICIT))
		return coerce_to_target_type(pstate,
									 expr,
									 type,
									 result_type,
									 -1,
									 COERCION_IMPLICIT,
									 COERCE_IMPLICIT_CAST,
									 -1);
	if (result_type == BOOLOID)
		refuse_type(
			pstate,
			expr,
			"boolean",
			"Compare it with something, for example \"... > 0\" or \"... IS NOT "
			"NULL\".");
	refuse_type(pstate, expr, format_type_be(result_type), "Add a cast.");
	return NULL;
}

/* ls_cond_analyse: one reading of the raw tree under the settings of the moment. */
Node *
ls_cond_analyse(ParseState *pstate, Node *raw, Oid result_type)
{
	Node *expr;

	/* As a select item everything is understood, and what is not wanted is
	 * refused afterwards, in our own words. */
	expr = transformExpr(pstate, copyObject(raw), EXPR_KIND_SELECT_TARGET);
	expr = coerce_result(pstate, expr, result_type);
	assign_expr_collations(pstate, expr);
	return expr;
}

static bool
find_as_of(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param))
		return true;
	return expression_tree_walker(node, find_as_of, context);
}

static LsCond *
read_as_owner(const LsCondScope *scope, const char *text, Oid result_type)
{
	Node *raw = ls_cond_raw_parse(text);
	List *literals = ls_cond_raw_check(raw, text);
	ParseState *pstate = ls_cond_open_scope(scope, text);
	Node *written = ls_cond_analyse(pstate, raw, result_type);
	Node *expr = ls_cond_utc_rewrite(copyObject(written), false);
	LsCond *cond = palloc0(sizeof(LsCond));

	ls_cond_check(expr, pstate, scope, literals);
	cond->text = pstrdup(text);
	cond->expr = expr;
	cond->uses_as_of = find_as_of(expr, NULL);
	cond->is_rewritten = !equal(written, expr);
	free_parsestate(pstate);
	return cond;
}

/*
 * ls_cond_read: read a condition (result_type BOOLOID) or another expression
 * (the wanted type, or InvalidOid for any).
 *
 * Errors: 42601, 42703, 42883, 42804, 0A000, 42P17, 54000, each with its
 * position in the text where it has one.
 * Memory: the result is in the current context.
 */
LsCond *
ls_cond_read(const LsCondScope *scope, const char *text, Oid result_type)
{
	LsGuard guard;
	LsCond *cond;

	ls_guard_enter_reading(&guard, scope->owner, scope->search_path);
	cond = read_as_owner(scope, text, result_type);
	ls_guard_leave(&guard);
	return cond;
}
