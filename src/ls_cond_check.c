/*
 * ls_cond_check.c: what a condition may do.
 *
 * Its value must follow from the columns and as_of alone, whoever evaluates it
 * under whatever settings; and it may call nothing that the author of a rule,
 * or any other ordinary role, could have written.
 */
#include "ls_cond.h"

#include "ls_compat.h"

#include "access/htup_details.h"
#include "catalog/dependency.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "mb/pg_wchar.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_relation.h"
#include "parser/parsetree.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/* LsCheck: what the walk carries. */
typedef struct LsCheck
{
	ParseState *pstate;
	const LsCondScope *scope;
	List *literals; /* of LsRawLiteral */
	Node *node;		/* whose functions are being looked at */
} LsCheck;

static void
refuse(const LsCheck *check, Node *node, const char *what, const char *hint)
{
	ereport(ERROR,
			errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			errmsg("%s is not allowed in a condition", what),
			errhint("%s", hint),
			parser_errposition(check->pstate, exprLocation(node)));
}

/* refuse_unstable: the function's result depends on more than its arguments. */
static void
refuse_unstable(const LsCheck *check, Oid funcid)
{
	const char *name = get_func_name(funcid);
	const char *hint = ls_cond_hint_function(name, check->scope);
	const char *rewrite = ls_cond_has_column(check->node)
							  ? ls_cond_hint_utc(check->node, check->scope)
							  : NULL;

	if (hint == NULL && rewrite != NULL)
		hint = psprintf("Write %s instead.", rewrite);
	if (hint == NULL)
		hint = "A score may depend on the columns and as_of alone: use immutable "
			   "functions and operators.";
	ereport(ERROR,
			errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
			errmsg("function %s is not immutable", format_procedure(funcid)),
			errdetail("Its result may depend on the session's settings, its role or the "
					  "current time."),
			errhint("%s", hint),
			parser_errposition(check->pstate, exprLocation(check->node)));
}

/* is_trusted: PostgreSQL's own, or a superuser's that came with an extension. */
static bool
is_trusted(Oid funcid)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	Form_pg_proc form;
	bool builtin;
	bool by_superuser;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_proc) GETSTRUCT(tuple);
	builtin = form->pronamespace == PG_CATALOG_NAMESPACE;
	by_superuser = superuser_arg(form->proowner);
	ReleaseSysCache(tuple);
	return by_superuser &&
		   (builtin || OidIsValid(getExtensionOfObject(ProcedureRelationId, funcid)));
}

/*
 * is_trusted_operator: the same of an operator: whose function may be good, but
 * whose negator, which the planner may use, is somebody else's.
 */
static bool
is_trusted_operator(Oid opno)
{
	HeapTuple tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(opno));
	Form_pg_operator form;
	bool builtin;
	bool by_superuser;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_operator) GETSTRUCT(tuple);
	builtin = form->oprnamespace == PG_CATALOG_NAMESPACE;
	by_superuser = superuser_arg(form->oprowner);
	ReleaseSysCache(tuple);
	return by_superuser &&
		   (builtin || OidIsValid(getExtensionOfObject(OperatorRelationId, opno)));
}

static void
check_trusted_operator(const LsCheck *check, Node *node, Oid opno)
{
	if (is_trusted_operator(opno))
		return;
	ereport(ERROR,
			errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			errmsg("operator %s may not be used in a condition", format_operator(opno)),
			errdetail("Conditions run on other people's behalf; they may use only "
					  "operators of PostgreSQL and of extensions that a superuser "
					  "installed."),
			errhint("Use a built-in operator, or put the result into a column."),
			parser_errposition(check->pstate, exprLocation(node)));
}

/* check_operators: of every node that has some. */
static void
check_operators(const LsCheck *check, Node *node)
{
	ListCell *cell;

	switch (nodeTag(node))
	{
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			check_trusted_operator(check, node, ((OpExpr *) node)->opno);
			break;
		case T_ScalarArrayOpExpr:
			check_trusted_operator(check, node, ((ScalarArrayOpExpr *) node)->opno);
			break;
		case T_RowCompareExpr:
			foreach(cell, ((RowCompareExpr *) node)->opnos)
				check_trusted_operator(check, node, lfirst_oid(cell));
			break;
		default:
			break;
	}
}

static bool
check_function(Oid funcid, void *context)
{
	const LsCheck *check = context;

	if (ls_cond_depends_on_session(funcid))
		refuse_unstable(check, funcid);
	if (!is_trusted(funcid))
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("function %s may not be used in a condition",
					   format_procedure(funcid)),
				errdetail("Conditions run on other people's behalf; they may call only "
						  "functions of PostgreSQL and of extensions that a superuser "
						  "installed."),
				errhint("Write its expression into the condition, or its result into a "
						"column."),
				parser_errposition(check->pstate, exprLocation(check->node)));
	return false;
}

static void
check_column(const LsCheck *check, Var *var)
{
	RangeTblEntry *rte = rt_fetch(var->varno, check->pstate->p_rtable);

	if (var->varattno == InvalidAttrNumber)
		refuse(check, (Node *) var, "a whole row", "Name the columns that matter.");
	if (var->varattno < 0)
		refuse(check,
			   (Node *) var,
			   "a system column",
			   "Use a column of the table; system columns change with every write.");
	if (ls_is_virtual(get_attgenerated(rte->relid, var->varattno)))
		refuse(check,
			   (Node *) var,
			   "a virtual generated column",
			   "Make it STORED, or write its expression into the condition.");
}

/* has_word: does the text contain one of the names of moving moments? */
static bool
has_moving_word(const char *text)
{
	static const char *const words[] = {"now", "today", "tomorrow", "yesterday"};

	for (int i = 0; i < lengthof(words); i++)
	{
		size_t length = strlen(words[i]);

		for (const char *at = text; *at != '\0'; at++)
			if (pg_strncasecmp(at, words[i], length) == 0 &&
				(at == text || !isalpha((unsigned char) at[-1])) &&
				!isalpha((unsigned char) at[length]))
				return true;
	}
	return false;
}

/* is_temporal: date, time, their arrays and ranges. */
static bool
is_temporal(Oid type)
{
	char category;
	bool preferred;
	Oid element = get_element_type(type);

	if (!OidIsValid(element))
		element = get_range_subtype(type);
	if (!OidIsValid(element) && OidIsValid(get_multirange_range(type)))
		element = get_range_subtype(get_multirange_range(type));
	get_type_category_preferred(getBaseType(OidIsValid(element) ? element : type),
								&category,
								&preferred);
	return category == TYPCATEGORY_DATETIME;
}

/* check_constant: 'now' and the like were read once, and would never move. */
static void
check_constant(const LsCheck *check, Const *constant)
{
	ListCell *cell;

	if (constant->location < 0 || !is_temporal(constant->consttype))
		return;
	foreach(cell, check->literals)
	{
		const LsRawLiteral *literal = lfirst(cell);

		if (literal->location == constant->location && has_moving_word(literal->text))
			refuse(check,
				   (Node *) constant,
				   psprintf("the literal '%s'", literal->text),
				   psprintf("It would be read once and never move. %s",
							ls_cond_hint_moment(check->scope)));
	}
}

/* check_like: refuse what every row would refuse. */
static void
check_like(const LsCheck *check, OpExpr *op)
{
	const char *name;

	if (!OidIsValid(op->inputcollid) || op->inputcollid == DEFAULT_COLLATION_OID)
		return;
	name = get_opname(op->opno);
	if (name == NULL || strstr(name, "~") == NULL || !ls_needs_deterministic(name) ||
		get_func_namespace(op->opfuncid) != PG_CATALOG_NAMESPACE ||
		get_collation_isdeterministic(op->inputcollid))
		return;
	refuse(check,
		   (Node *) op,
		   "pattern matching under a nondeterministic collation",
		   "Add COLLATE \"C\" to the column, or another deterministic collation.");
}

/* refuse_row_result: making a row may run the checks of a domain in it. */
static void
refuse_row_result(const LsCheck *check, Node *node)
{
	Oid type = getBaseType(exprType(node));

	if (type == RECORDOID || get_typtype(type) == TYPTYPE_COMPOSITE)
		refuse(check,
			   node,
			   "a function or operator that makes a row",
			   "Use the fields of the row one by one.");
}

static void
check_operator(const LsCheck *check, OpExpr *op)
{
	const char *moved;

	set_opfuncid(op);
	if (op->opretset)
		refuse(check, (Node *) op, "a set", "A condition has one value for each row.");
	refuse_row_result(check, (Node *) op);
	moved = ls_cond_hint_interval(op, check->scope);
	if (moved != NULL)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				errmsg("adding an interval to a timestamp with time zone is not "
					   "immutable"),
				errdetail("Its result depends on the TimeZone of the session."),
				errhint("Write %s instead: arithmetic on as_of is done once, in UTC.",
						moved),
				parser_errposition(check->pstate, exprLocation((Node *) op)));
	check_like(check, op);
}

static void
check_session_value(const LsCheck *check, SQLValueFunction *value)
{
	switch (value->op)
	{
		case SVFOP_CURRENT_ROLE:
		case SVFOP_CURRENT_USER:
		case SVFOP_USER:
		case SVFOP_SESSION_USER:
		case SVFOP_CURRENT_CATALOG:
		case SVFOP_CURRENT_SCHEMA:
			refuse(check,
				   (Node *) value,
				   "the name of the current role, database or schema",
				   "A score does not depend on who asks.");
			break;
		case SVFOP_CURRENT_DATE:
			refuse(check,
				   (Node *) value,
				   "current_date",
				   check->scope->has_as_of
					   ? "Write (as_of AT TIME ZONE 'UTC')::date instead."
					   : ls_cond_hint_moment(check->scope));
			break;
		default:
			refuse(check,
				   (Node *) value,
				   "the current time",
				   ls_cond_hint_moment(check->scope));
	}
}

/* reads_moment: does the path make a date or time, whose text follows DateStyle? */
static bool
reads_moment(Node *path)
{
	char *text;

	if (path == NULL || !IsA(path, Const) || ((Const *) path)->constisnull)
		return false;
	/* Names of keys are quoted there: a point before letters begins a method. */
	text = OidOutputFunctionCall(F_JSONPATH_OUT, ((Const *) path)->constvalue);
	return strstr(text, ".date") != NULL || strstr(text, ".time") != NULL;
}

/*
 * check_json: PostgreSQL takes JSON_VALUE for immutable whatever it gives, and
 * calls the input function of that type, and the checks of a domain, unseen;
 * JSON_OBJECT calls its author's casts to json.
 */
static void
check_json(const LsCheck *check, Node *node)
{
	if (ls_is_json_constructor(node))
		refuse(check,
			   node,
			   "a JSON constructor",
			   "Compare the values themselves, or parts of a column of type jsonb.");
	if (!ls_is_json_query(node))
		return;
	/* 18 gives the default to a NULL document too, if the row before had it. */
	if (ls_json_has_default(node))
		refuse(check,
			   node,
			   "a default ON EMPTY or ON ERROR",
			   "Leave it NULL, and write coalesce() around it.");
	switch (exprType(node))
	{
		case TEXTOID:
		case VARCHAROID:
			if (reads_moment(ls_json_path(node)))
				refuse(check,
					   node,
					   "a JSON path that gives a date as text",
					   "Leave it a string: dates in ISO form sort as text.");
			break;
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
		case JSONOID:
		case JSONBOID:
			break;
		default:
			refuse(check,
				   node,
				   psprintf("a JSON value read as %s", format_type_be(exprType(node))),
				   "Read it as text, boolean, a number or jsonb.");
	}
}

static void
check_node(const LsCheck *check, Node *node)
{
	switch (nodeTag(node))
	{
		case T_Var:
			check_column(check, (Var *) node);
			break;
		case T_Const:
			check_constant(check, (Const *) node);
			break;
		case T_OpExpr:
			check_operator(check, (OpExpr *) node);
			break;
		case T_Aggref:
		case T_GroupingFunc:
			refuse(
				check,
				node,
				"an aggregate function",
				"A condition sees one row only; count events with an engagement rule "
				"of kind count.");
			break;
		case T_FuncExpr:
			if (((FuncExpr *) node)->funcretset)
				refuse(check, node, "a set", "A condition has one value for each row.");
			refuse_row_result(check, node);
			break;
		case T_CoerceToDomain:
			refuse(check,
				   node,
				   "a cast to a domain",
				   "Cast to the domain's base type: the checks of a domain are code.");
			break;
		case T_SQLValueFunction:
			check_session_value(check, (SQLValueFunction *) node);
			break;
		case T_RowExpr:
			refuse(check, node, "a row value", "Use its fields one by one.");
			break;
		case T_XmlExpr:
			refuse(check,
				   node,
				   "an XML constructor",
				   "Write what is wanted of the document into a column.");
			break;
		default:
			break;
	}
}

static bool
check_walker(Node *node, LsCheck *check)
{
	if (node == NULL)
		return false;
	check_stack_depth();
	check_node(check, node);
	check_json(check, node);
	check_operators(check, node);
	check->node = node;
	check_functions_in_node(node, check_function, check);
	return expression_tree_walker(node, check_walker, check);
}

/*
 * ls_cond_check: refuse what is not a function of columns and as_of, and what
 * is not trusted. `literals` are the string literals of the text.
 *
 * Errors: 0A000, 42P17, 42501, with position and hint.
 */
void
ls_cond_check(Node *expr, ParseState *pstate, const LsCondScope *scope, List *literals)
{
	LsCheck check = {pstate, scope, literals, NULL};

	check_walker(expr, &check);
	if (contain_mutable_functions(expr))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				errmsg("condition is not immutable"),
				errdetail("Its result may depend on the session's settings, its role or "
						  "the current time."),
				errhint("Use immutable functions and operators on columns and as_of."));
}
