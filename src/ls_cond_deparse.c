/*
 * ls_cond_deparse.c: expression tree -> SQL text.
 *
 * PostgreSQL prints the tree, as it does for EXPLAIN; as_of is shown as the
 * column of a relation "moment", which is what to_sql's query has.
 */
#include "ls_cond.h"

#include "ls_attempt.h"
#include "ls_compat.h"
#include "ls_guard.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_relation.h"
#include "utils/builtins.h"
#include "utils/ruleutils.h"

/* show_as_of: as_of as a column of the range table's last entry. */
static Node *
show_as_of(Node *node, void *context)
{
	int moment_varno = *(int *) context;

	if (node == NULL)
		return NULL;
	if (IsA(node, Param))
		return (Node *) makeVar(moment_varno, 1, TIMESTAMPTZOID, -1, InvalidOid, 0);
	return expression_tree_mutator(node, show_as_of, context);
}

static RangeTblEntry *
make_moment(void)
{
	RangeTblEntry *moment = makeNode(RangeTblEntry);

	moment->rtekind = RTE_CTE;
	moment->ctename = pstrdup("moment");
	moment->eref = makeAlias("moment", list_make1(makeString(pstrdup("as_of"))));
	moment->coltypes = list_make1_oid(TIMESTAMPTZOID);
	moment->coltypmods = list_make1_int(-1);
	moment->colcollations = list_make1_oid(InvalidOid);
	return moment;
}

/*
 * ls_cond_deparse: SQL text of the tree, under the settings of ls_guard_enter
 * and pg_catalog as the path, so that it reads the same everywhere. With
 * `qualify` columns are written alias.column.
 */
char *
ls_cond_deparse(Node *expr, const LsCondScope *scope, bool qualify)
{
	ParseState *pstate = ls_cond_open_scope(scope, NULL);
	PlannedStmt *plan = makeNode(PlannedStmt);
	List *names = NIL;
	List *context;
	int moment_varno;
	ListCell *cell;
	LsGuard guard;
	char *text;

	foreach(cell, scope->relations)
		names = lappend(names, pstrdup(((LsCondRelation *) lfirst(cell))->alias));
	names = lappend(names, pstrdup("moment"));
	plan->rtable = lappend(list_copy(pstate->p_rtable), make_moment());
	moment_varno = list_length(plan->rtable);

	ls_guard_enter_reading(&guard, scope->owner, LS_SAFE_PATH);
	context = deparse_context_for_plan_tree(plan, names);
	text = deparse_expression(show_as_of(expr, &moment_varno), context, qualify, false);
	ls_guard_leave(&guard);
	return text;
}

/* LsElsewhere: a condition read under settings unlike ours. */
typedef struct LsElsewhere
{
	const LsCond *cond;
	const LsCondScope *scope;
	bool same; /* the tree is the same */
} LsElsewhere;

/* flatten: in a query no relation insists on being named. */
static LsCondScope *
flatten(const LsCondScope *scope)
{
	LsCondScope *flat = palloc(sizeof(LsCondScope));
	ListCell *cell;

	*flat = *scope;
	flat->relations = NIL;
	foreach(cell, scope->relations)
	{
		LsCondRelation *relation = palloc(sizeof(LsCondRelation));

		*relation = *(LsCondRelation *) lfirst(cell);
		relation->qualified = false;
		flat->relations = lappend(flat->relations, relation);
	}
	return flat;
}

static void
read_elsewhere(void *arg)
{
	LsElsewhere *elsewhere = arg;
	const LsCond *cond = elsewhere->cond;
	ParseState *pstate;
	Node *expr;
	LsGuard guard;

	ls_guard_enter_reading(&guard, elsewhere->scope->owner, LS_SAFE_PATH);
	ls_guard_set("TimeZone", "Pacific/Chatham");
	ls_guard_set("DateStyle", "SQL, DMY");
	ls_guard_set("IntervalStyle", "sql_standard");
	ls_guard_set("transform_null_equals", "on");
	ls_guard_set("escape_string_warning", "off");
	ls_guard_set("standard_conforming_strings", "off");
	pstate = ls_cond_open_scope(flatten(elsewhere->scope), cond->text);
	expr = ls_cond_analyse(pstate, ls_cond_raw_parse(cond->text), exprType(cond->expr));
	ls_guard_leave(&guard);
	elsewhere->same = equal(expr, cond->expr);
}

/*
 * reads_the_same: does the text mean the same under any settings, so that it
 * can be copied as it stands? A name or literal that only the model's settings
 * understand raises.
 */
static bool
reads_the_same(const LsCond *cond, const LsCondScope *scope)
{
	LsElsewhere elsewhere = {cond, scope, false};
	ErrorData *error;

	return ls_attempt(read_elsewhere, &elsewhere, &error) && elsewhere.same;
}

/*
 * ls_cond_to_sql: the condition as it was written where that reads the same in
 * any session, else as PostgreSQL prints its tree. Not in parallel workers.
 */
char *
ls_cond_to_sql(const LsCond *cond, const LsCondScope *scope, bool qualify)
{
	if (!qualify && !cond->is_rewritten && strstr(cond->text, "--") == NULL &&
		strstr(cond->text, "/*") == NULL && reads_the_same(cond, scope))
		return pstrdup(cond->text);
	return ls_cond_deparse(cond->expr,
						   scope,
						   qualify || list_length(scope->relations) > 1);
}
