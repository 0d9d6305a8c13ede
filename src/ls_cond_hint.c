/*
 * ls_cond_hint.c: what to write instead of something that was refused.
 */
#include "ls_cond.h"

#include "ls_compat.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

/* skip_literal: the end of the quoted text that starts at `at`. */
static const char *
skip_literal(const char *at)
{
	for (at++; *at != '\0'; at++)
	{
		if (*at == '\'' && at[1] == '\'')
			at++;
		else if (*at == '\'')
			return at + 1;
	}
	return at;
}

/* closing: the parenthesis that closes the one at `at`. */
static const char *
closing(const char *at)
{
	int depth = 0;

	while (*at != '\0')
	{
		if (*at == '\'')
		{
			at = skip_literal(at);
			continue;
		}
		if (*at == '(')
			depth++;
		if (*at == ')' && --depth == 0)
			return at;
		at++;
	}
	return NULL;
}

/* copy_literal: 'x'::interval -> interval 'x', 'x'::text -> 'x'. */
static const char *
copy_literal(StringInfo out, const char *at)
{
	const char *end = skip_literal(at);
	bool is_interval = strncmp(end, "::interval", 10) == 0;

	if (is_interval)
		appendStringInfoString(out, "interval ");
	appendBinaryStringInfo(out, at, end - at);
	if (is_interval)
		return end + 10;
	return strncmp(end, "::text", 6) == 0 ? end + 6 : end;
}

/*
 * polish: the printed tree as a person would write it: no doubled parentheses,
 * no casts on plain literals.
 */
static char *
polish(const char *text)
{
	StringInfoData out;
	const char *at = text;
	const char *end = text + strlen(text);

	initStringInfo(&out);
	if (*at == '(' && closing(at) == end - 1)
	{
		char *inner = pnstrdup(at + 1, end - at - 2);

		return polish(inner);
	}
	while (at < end)
	{
		const char *inner_close = *at == '(' && at[1] == '(' ? closing(at + 1) : NULL;

		if (inner_close != NULL && closing(at) == inner_close + 1)
		{
			char *inner = pnstrdup(at + 2, inner_close - at - 2);

			appendStringInfo(&out, "(%s)", polish(inner));
			at = inner_close + 2;
		}
		else if (*at == '\'')
			at = copy_literal(&out, at);
		else
			appendStringInfoChar(&out, *at++);
	}
	return out.data;
}

/*
 * ls_cond_hint_utc: the expression with its time zone spelled out, or NULL
 * where that does not make it immutable.
 */
char *
ls_cond_hint_utc(Node *expr, const LsCondScope *scope)
{
	Node *moved = ls_cond_utc_rewrite(copyObject(expr), true);

	if (contain_mutable_functions(moved))
		return NULL;
	return polish(ls_cond_deparse(moved, scope, list_length(scope->relations) > 1));
}

/* opposite: the operator that takes the interval to the other side. */
static Oid
opposite(Oid funcid)
{
	const char *name;

	if (funcid == F_TIMESTAMPTZ_PL_INTERVAL)
		name = "-";
	else if (funcid == F_TIMESTAMPTZ_MI_INTERVAL)
		name = "+";
	else
		return InvalidOid;
	return OpernameGetOprid(list_make2(makeString(pstrdup("pg_catalog")),
									   makeString(pstrdup(name))),
							TIMESTAMPTZOID,
							INTERVALOID);
}

/*
 * move_interval: column + interval OP other -> column OP other - interval, or
 * NULL where the comparison is not of that form.
 */
static Node *
move_interval(OpExpr *comparison, int side)
{
	Node *sum = list_nth(comparison->args, side);
	Node *other = list_nth(comparison->args, 1 - side);
	OpExpr *moved;
	Oid opno;
	Node *shifted;

	if (!IsA(sum, OpExpr) || exprType(other) != TIMESTAMPTZOID ||
		ls_cond_has_column(other))
		return NULL;
	set_opfuncid((OpExpr *) sum);
	opno = opposite(((OpExpr *) sum)->opfuncid);
	if (!OidIsValid(opno) || ls_cond_has_column(lsecond(((OpExpr *) sum)->args)))
		return NULL;
	shifted = (Node *) make_opclause(opno,
									 TIMESTAMPTZOID,
									 false,
									 (Expr *) other,
									 lsecond(((OpExpr *) sum)->args),
									 InvalidOid,
									 InvalidOid);
	moved = copyObject(comparison);
	list_nth_cell(moved->args, side)->ptr_value = linitial(((OpExpr *) sum)->args);
	list_nth_cell(moved->args, 1 - side)->ptr_value = shifted;
	return (Node *) moved;
}

/*
 * ls_cond_hint_interval: where a comparison adds an interval to a column, the
 * same comparison with the interval on the side of as_of; else NULL.
 */
char *
ls_cond_hint_interval(OpExpr *comparison, const LsCondScope *scope)
{
	Node *moved;

	if (list_length(comparison->args) != 2 || comparison->opresulttype != BOOLOID)
		return NULL;
	moved = move_interval(comparison, 0);
	if (moved == NULL)
		moved = move_interval(comparison, 1);
	if (moved == NULL)
		return NULL;
	return polish(ls_cond_deparse(moved, scope, list_length(scope->relations) > 1));
}

/*
 * ls_cond_hint_moment: advice for who wants the current time.
 */
const char *
ls_cond_hint_moment(const LsCondScope *scope)
{
	if (scope->has_as_of)
		return "Write as_of, the moment of scoring, instead.";
	return "Conditions on events are about the event alone; use the timing columns of the "
		   "rule (within, after, expires_after).";
}

/* is_clock: does the function of that name tell the time? */
static bool
is_clock(const char *name)
{
	static const char *const clocks[] = {"now",
										 "transaction_timestamp",
										 "statement_timestamp",
										 "clock_timestamp",
										 "timeofday"};

	for (int i = 0; i < lengthof(clocks); i++)
		if (strcmp(clocks[i], name) == 0)
			return true;
	return false;
}

/*
 * ls_cond_hint_function: advice for a function by name, or NULL.
 */
const char *
ls_cond_hint_function(const char *name, const LsCondScope *scope)
{
	static const char *const advice[][2] = {
		{"concat", "Join the parts with ||, for example coalesce(a, '') || b."},
		{"concat_ws", "Join the parts with ||, for example a || ' ' || b."},
		{"format", "Join the parts with ||, for example a || ' ' || b."},
		{"textanycat", "Cast the other part to text, for example a || b::text."},
		{"anytextcat", "Cast the other part to text, for example a::text || b."},
		{"to_tsvector", "Name the configuration: to_tsvector('english', ...)."},
		{"to_tsquery", "Name the configuration: to_tsquery('english', ...)."},
		{"plainto_tsquery", "Name the configuration: plainto_tsquery('english', ...)."},
		{"websearch_to_tsquery",
		 "Name the configuration: websearch_to_tsquery('english', ...)."},
		{"to_char", "Compare the value itself, or a part of it given by extract()."},
		{"to_date", "Compare with a date literal, or build one with make_date()."},
		{"float4out", "Cast to numeric first: x::numeric::text."},
		{"float8out", "Cast to numeric first: x::numeric::text."},
		{"interval_out", "Compare intervals, or take extract(epoch from x)."},
		{"byteaout", "Use encode(x, 'hex')."},
		{"random", "A score is a function of the facts alone: hash a column instead."},
	};

	if (is_clock(name))
		return ls_cond_hint_moment(scope);
	for (int i = 0; i < lengthof(advice); i++)
		if (strcmp(advice[i][0], name) == 0)
			return advice[i][1];
	return NULL;
}
