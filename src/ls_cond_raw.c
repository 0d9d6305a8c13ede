/*
 * ls_cond_raw.c: text -> raw parse tree of one expression.
 *
 * PostgreSQL's grammar reads it. What could never be part of a condition is
 * refused here, before any name is looked up.
 */
#include "ls_cond.h"

#include "ls_compat.h"

#include "mb/pg_wchar.h"
#include "nodes/nodeFuncs.h"
#include "parser/parser.h"

/* nesting: how deep parentheses go, outside of literals and quoted names. */
static int
nesting(const char *text)
{
	int depth = 0;
	int deepest = 0;
	char quote = '\0';

	for (; *text != '\0'; text++)
	{
		if (quote != '\0')
			quote = *text == quote ? '\0' : quote;
		else if (*text == '\'' || *text == '"')
			quote = *text;
		else if (*text == '(' || *text == '[')
		{
			depth++;
			deepest = Max(deepest, depth);
		}
		else if (*text == ')' || *text == ']')
			depth--;
	}
	return deepest;
}

static void
refuse_text(const char *text)
{
	size_t length = strlen(text);

	if (strspn(text, " \t\r\n\f\v") == length)
		ereport(ERROR,
				errcode(ERRCODE_SYNTAX_ERROR),
				errmsg("condition is empty"),
				errhint("Write a boolean expression over the columns, for example "
						"company_size > 50."));
	if (length > LS_COND_MAX_BYTES)
		ereport(ERROR,
				errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				errmsg("condition is too long"),
				errdetail("It has %zu bytes; the limit is %d.", length, LS_COND_MAX_BYTES),
				errhint("Split it into several rules."));
	if (nesting(text) > LS_COND_MAX_NESTING)
		ereport(ERROR,
				errcode(ERRCODE_STATEMENT_TOO_COMPLEX),
				errmsg("condition is nested too deeply"),
				errdetail("Its parentheses are %d deep; the limit is %d.",
						  nesting(text),
						  LS_COND_MAX_NESTING),
				errhint("Take out parentheses, or split it into several rules."));
}

/* is_plain: nothing but SELECT expression. */
static bool
is_plain(const SelectStmt *select)
{
	return select->op == SETOP_NONE && list_length(select->targetList) == 1 &&
		   select->distinctClause == NIL && select->intoClause == NULL &&
		   select->fromClause == NIL && select->whereClause == NULL &&
		   select->groupClause == NIL && select->havingClause == NULL &&
		   select->windowClause == NIL && select->valuesLists == NIL &&
		   select->sortClause == NIL && select->limitOffset == NULL &&
		   select->limitCount == NULL && select->lockingClause == NIL &&
		   select->withClause == NULL;
}

static bool
is_star(Node *node)
{
	return IsA(node, ColumnRef) && IsA(llast(((ColumnRef *) node)->fields), A_Star);
}

/*
 * ls_cond_raw_parse: the raw tree of one expression; locations in it are
 * bytes from the start of the text.
 *
 * Errors: 42601 where it is not one expression, 54000 where it is too long.
 */
Node *
ls_cond_raw_parse(const char *text)
{
	List *statements;
	SelectStmt *select;
	ResTarget *target;

	refuse_text(text);
	statements = raw_parser(text, RAW_PARSE_PLPGSQL_EXPR);
	select = (SelectStmt *) linitial_node(RawStmt, statements)->stmt;
	target = is_plain(select) ? linitial_node(ResTarget, select->targetList) : NULL;
	if (target == NULL || target->name != NULL || is_star(target->val))
		ereport(ERROR,
				errcode(ERRCODE_SYNTAX_ERROR),
				errmsg("condition must be a single expression"),
				errhint("Write what would stand in a CHECK constraint: no SELECT, "
						"FROM, alias or list."));
	return target->val;
}

/* LsRawCheck: what the walk over the raw tree carries. */
typedef struct LsRawCheck
{
	const char *text;
	List *literals;
} LsRawCheck;

static void
refuse_raw(const LsRawCheck *check, const char *what, const char *hint, int location)
{
	ereport(ERROR,
			errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			errmsg("%s is not allowed in a condition", what),
			errhint("%s", hint),
			location < 0
				? 0
				: errposition(pg_mbstrlen_with_len(check->text, location) + 1));
}

static void
refuse_call(const LsRawCheck *check, const FuncCall *call)
{
	if (call->over != NULL)
		refuse_raw(check,
				   "a window function",
				   "A condition sees one row only; count or compare rows in an "
				   "engagement rule.",
				   call->location);
	if (call->agg_star || call->agg_distinct || call->agg_order != NIL ||
		call->agg_filter != NULL || call->agg_within_group)
		refuse_raw(check,
				   "an aggregate function",
				   "A condition sees one row only; count events with an engagement "
				   "rule of kind count.",
				   call->location);
}

static bool
check_walker(Node *node, LsRawCheck *check)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_SubLink:
			refuse_raw(
				check,
				"a subquery",
				"A condition sees one row only; to look at another table, add it "
				"as a lookup of the model.",
				((SubLink *) node)->location);
			break;
		case T_ParamRef:
			refuse_raw(check,
					   "a parameter",
					   "Write the value itself; the moment of scoring is called as_of.",
					   ((ParamRef *) node)->location);
			break;
		case T_FuncCall:
			refuse_call(check, (FuncCall *) node);
			break;
		case T_A_Const:
			if (!((A_Const *) node)->isnull && IsA(&((A_Const *) node)->val, String))
			{
				LsRawLiteral *literal = palloc(sizeof(LsRawLiteral));

				literal->location = ((A_Const *) node)->location;
				literal->text = strVal(&((A_Const *) node)->val);
				check->literals = lappend(check->literals, literal);
			}
			break;
		default:
			break;
	}
	return raw_expression_tree_walker(node, check_walker, check);
}

/*
 * ls_cond_raw_check: refuse subqueries, parameters, windows and aggregates.
 * Gives the string literals (LsRawLiteral) of the text.
 *
 * Errors: 0A000, with the position.
 */
List *
ls_cond_raw_check(Node *raw, const char *text)
{
	LsRawCheck check = {text, NIL};

	check_walker(raw, &check);
	return check.literals;
}
