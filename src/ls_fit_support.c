/*
 * ls_fit_support.c: what the planner makes of fit_score(contact, model).
 *
 * A row that is passed to a function is formed for each call: all columns are
 * copied into a datum, of which the function then takes a few. Where the planner
 * knows the columns, fit_score(c, 'm') becomes
 *
 *     fit_score_columns('{id,email,...}', 'm', as_of(), c.id, c.email, ...)
 *
 * All columns are passed, not only those that rules name: plans outlive rules.
 * What may be a NULL row stays as it is, and so does whatever is in doubt.
 */
#include "postgres.h"

#include "ls_compat.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/supportnodes.h"
#include "optimizer/planmain.h"
#include "parser/parse_relation.h"
#include "parser/parsetree.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(ls_sql_fit_score_support);

/* LsColumns: a row, taken apart. */
typedef struct LsColumns
{
	List *names;  /* of String */
	List *values; /* of Node */
} LsColumns;

/* ---- which rows ------------------------------------------------------- */

/* is_null_extended: is the relation on the inner side of an outer join? */
static bool
is_null_extended(const Node *node, int varno, bool inner)
{
	ListCell *cell;

	if (IsA(node, RangeTblRef))
		return inner && ((const RangeTblRef *) node)->rtindex == varno;
	if (IsA(node, JoinExpr))
	{
		const JoinExpr *join = (const JoinExpr *) node;
		bool full = join->jointype == JOIN_FULL;

		return is_null_extended(join->larg,
								varno,
								inner || full || join->jointype == JOIN_RIGHT) ||
			   is_null_extended(join->rarg,
								varno,
								inner || full || join->jointype == JOIN_LEFT);
	}
	foreach(cell, ((const FromExpr *) node)->fromlist)
		if (is_null_extended(lfirst(cell), varno, inner))
			return true;
	return false;
}

/* has_plain_columns: can each column of the relation be had by itself? */
static bool
has_plain_columns(const RangeTblEntry *rte, Oid type)
{
	TupleDesc desc;
	bool plain = true;

	if (rte->rtekind == RTE_SUBQUERY)
		return rte->subquery != NULL;
	if (rte->rtekind != RTE_RELATION)
		return rte->rtekind == RTE_FUNCTION || rte->rtekind == RTE_CTE ||
			   rte->rtekind == RTE_VALUES;
	if (rte->relkind != RELKIND_RELATION && rte->relkind != RELKIND_PARTITIONED_TABLE &&
		rte->relkind != RELKIND_MATVIEW)
		return false;
	/* A constraint that is being planned is not about the query's relations. */
	if (get_rel_type_id(rte->relid) != type)
		return false;
	desc = lookup_rowtype_tupdesc(type, -1);
	for (int i = 0; i < desc->natts; i++)
		plain &= !ls_is_virtual(TupleDescAttr(desc, i)->attgenerated);
	ReleaseTupleDesc(desc);
	return plain;
}

/*
 * name_columns: the names in the row's type; drops what the type has dropped.
 * Values are those of attributes attnos.
 */
static bool
name_columns(LsColumns *columns, Oid type, List *attnos)
{
	TupleDesc desc = lookup_rowtype_tupdesc_noerror(type, -1, true);
	LsColumns named = {NIL, NIL};
	ListCell *value;
	ListCell *attno;
	bool fits = desc != NULL;

	forboth(value, columns->values, attno, attnos)
	{
		Form_pg_attribute att;

		if (!fits || lfirst_int(attno) > desc->natts)
		{
			fits = false;
			break;
		}
		att = TupleDescAttr(desc, lfirst_int(attno) - 1);
		if (att->attisdropped)
			continue;
		fits = att->atttypid == exprType(lfirst(value));
		named.names = lappend(named.names, makeString(pstrdup(NameStr(att->attname))));
		named.values = lappend(named.values, lfirst(value));
	}
	if (desc != NULL)
		ReleaseTupleDesc(desc);
	*columns = named;
	return fits;
}

/* expand_relation: c of FROM contacts AS c. */
static bool
expand_relation(const Var *var, const Query *query, LsColumns *columns)
{
	RangeTblEntry *rte;
	List *attnos = NIL;
	ListCell *cell;

	if (var->varattno != InvalidAttrNumber || var->varlevelsup > 0 ||
		ls_is_of_returning(var) || var->varno < 1 ||
		var->varno > list_length(query->rtable))
		return false;
	rte = rt_fetch(var->varno, query->rtable);
	if (!has_plain_columns(rte, var->vartype) ||
		is_null_extended((Node *) query->jointree, var->varno, false))
		return false;
	ls_expand_rte(rte, var->varno, &columns->names, &columns->values);
	if (var->vartype == RECORDOID)
		return true;
	foreach(cell, columns->values)
	{
		if (!IsA(lfirst(cell), Var))
			return false;
		attnos = lappend_int(attnos, ((Var *) lfirst(cell))->varattno);
	}
	return name_columns(columns, var->vartype, attnos);
}

static int
count_attributes(Oid type)
{
	TupleDesc desc = lookup_rowtype_tupdesc_noerror(type, -1, true);
	int n = desc == NULL ? -1 : desc->natts;

	if (desc != NULL)
		ReleaseTupleDesc(desc);
	return n;
}

/* expand_row: what became of c where it was a view or a subquery; ROW(). */
static bool
expand_row(const RowExpr *row, LsColumns *columns)
{
	List *attnos = NIL;
	ListCell *name;
	ListCell *value;

	if (row->row_typeid != RECORDOID)
	{
		if (list_length(row->args) != count_attributes(row->row_typeid))
			return false;
		for (int i = 1; i <= list_length(row->args); i++)
			attnos = lappend_int(attnos, i);
		columns->values = row->args;
		return name_columns(columns, row->row_typeid, attnos);
	}
	if (list_length(row->colnames) != list_length(row->args))
		return false;
	forboth(name, row->colnames, value, row->args)
	{
		if (exprType(lfirst(value)) == UNKNOWNOID)
			return false;
		if (strVal(lfirst(name))[0] == '\0')
			continue; /* dropped */
		columns->names = lappend(columns->names, lfirst(name));
		columns->values = lappend(columns->values, lfirst(value));
	}
	return true;
}

/* ---- the other call ---------------------------------------------------- */

/* find_sibling: a function of our own schema. */
static Oid
find_sibling(Oid funcid, const char *name, const Oid *types, int ntypes)
{
	return GetSysCacheOid3(PROCNAMEARGSNSP,
						   Anum_pg_proc_oid,
						   CStringGetDatum(name),
						   PointerGetDatum(buildoidvector(types, ntypes)),
						   ObjectIdGetDatum(get_func_namespace(funcid)));
}

static Datum
function_acl(Oid funcid, bool *is_null)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	Datum acl = (Datum) 0;

	*is_null = true;
	if (!HeapTupleIsValid(tuple))
		return acl;
	acl = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_proacl, is_null);
	if (!*is_null)
		acl = PointerGetDatum(PG_DETOAST_DATUM_COPY(acl));
	ReleaseSysCache(tuple);
	return acl;
}

/* is_as_open: may the same roles execute both? */
static bool
is_as_open(Oid funcid, Oid other)
{
	bool is_null;
	bool other_is_null;
	Datum acl = function_acl(funcid, &is_null);
	Datum other_acl = function_acl(other, &other_is_null);

	if (is_null || other_is_null)
		return is_null && other_is_null;
	return datumIsEqual(acl, other_acl, false, -1);
}

static Node *
make_names(List *names)
{
	Datum *values = palloc(sizeof(Datum) * list_length(names));
	ArrayType *array;
	ListCell *cell;
	int n = 0;

	foreach(cell, names)
		values[n++] = CStringGetTextDatum(strVal(lfirst(cell)));
	array = construct_array(values, n, TEXTOID, -1, false, TYPALIGN_INT);
	return (Node *) makeConst(TEXTARRAYOID,
							  -1,
							  InvalidOid,
							  -1,
							  PointerGetDatum(array),
							  false,
							  false);
}

/* make_call: fit_score_columns(...), or NULL where not all may call it. */
static Node *
make_call(const FuncExpr *old, const LsColumns *columns)
{
	static const Oid types[] = {TEXTARRAYOID, TEXTOID, TIMESTAMPTZOID, ANYOID};
	Oid by_columns =
		find_sibling(old->funcid, "fit_score_columns", types, lengthof(types));
	Oid clock = find_sibling(old->funcid, "as_of", NULL, 0);
	Node *as_of;
	List *args;

	if (!OidIsValid(by_columns) || !OidIsValid(clock) ||
		!is_as_open(old->funcid, by_columns) || !is_as_open(old->funcid, clock))
		return NULL;
	if (list_length(old->args) == 3)
		as_of = lthird(old->args);
	else
		as_of = (Node *) makeFuncExpr(clock,
									  TIMESTAMPTZOID,
									  NIL,
									  InvalidOid,
									  InvalidOid,
									  COERCE_EXPLICIT_CALL);
	args = list_make3(make_names(columns->names), lsecond(old->args), as_of);
	return (Node *) makeFuncExpr(by_columns,
								 FLOAT8OID,
								 list_concat(args, columns->values),
								 InvalidOid,
								 old->inputcollid,
								 COERCE_EXPLICIT_CALL);
}

/* rewrite_call: the call in columns, or NULL. */
static Node *
rewrite_call(const FuncExpr *call, PlannerInfo *root)
{
	LsColumns columns = {NIL, NIL};
	Node *row = linitial(call->args);
	bool expanded = false;
	Node *result;

	/*
	 * Grouping sets make grouped rows NULL, and a row of MERGE may not be there:
	 * of their columns nothing of the kind can be seen.
	 */
	if (root == NULL || root->parse->groupingSets != NIL ||
		root->parse->commandType == CMD_MERGE)
		return NULL;
	if (IsA(row, Var))
		expanded = expand_relation((Var *) row, root->parse, &columns);
	else if (IsA(row, RowExpr))
		expanded = expand_row((RowExpr *) row, &columns);
	if (!expanded || columns.values == NIL ||
		list_length(columns.values) + 3 > FUNC_MAX_ARGS)
		return NULL;
	result = make_call(call, &columns);
	if (result != NULL)
		record_plan_function_dependency(root, call->funcid);
	return result;
}

/*
 * fit_score_support(internal) -> internal
 */
Datum
ls_sql_fit_score_support(PG_FUNCTION_ARGS)
{
	Node *request = (Node *) PG_GETARG_POINTER(0);
	Node *result = NULL;

	if (IsA(request, SupportRequestSimplify))
	{
		SupportRequestSimplify *simplify = (SupportRequestSimplify *) request;

		if (list_length(simplify->fcall->args) >= 2)
			result = rewrite_call(simplify->fcall, simplify->root);
	}
	PG_RETURN_POINTER(result);
}
