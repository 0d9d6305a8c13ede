/*
 * ls_columns.c: rows in queries, taken apart: for what the planner makes of calls
 * that take one. What is in doubt is left as it is.
 */
#include "ls_columns.h"

#include "ls_compat.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_relation.h"
#include "parser/parsetree.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/* ---- which columns ---------------------------------------------------- */

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

/*
 * ls_columns_of_relation: c of FROM contacts AS c: a variable of the query itself,
 * whatever its level is where it stands.
 */
bool
ls_columns_of_relation(const Var *var, const Query *query, LsColumns *columns)
{
	RangeTblEntry *rte;
	List *attnos = NIL;
	ListCell *cell;

	if (var->varattno != InvalidAttrNumber || ls_is_of_returning(var) ||
		var->varno < 1 || var->varno > list_length(query->rtable))
		return false;
	rte = rt_fetch(var->varno, query->rtable);
	if (!has_plain_columns(rte, var->vartype))
		return false;
	ls_expand_rte(rte, var->varno, var->varlevelsup, &columns->names, &columns->values);
	foreach(cell, columns->values)
	{
		if (!IsA(lfirst(cell), Var))
			return false;
		attnos = lappend_int(attnos, lfirst_node(Var, cell)->varattno);
		ls_take_nullingrels(lfirst_node(Var, cell), var);
	}
	return var->vartype == RECORDOID || name_columns(columns, var->vartype, attnos);
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

/*
 * ls_columns_of_row: what became of c where it was a view or a subquery; ROW().
 */
bool
ls_columns_of_row(const RowExpr *row, LsColumns *columns)
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

/* ---- the other call --------------------------------------------------- */

/*
 * ls_columns_sibling: a function of the schema of another; or InvalidOid.
 */
Oid
ls_columns_sibling(Oid funcid, const char *name, const Oid *types, int ntypes)
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

/*
 * ls_columns_as_open: may the same roles execute both functions?
 */
bool
ls_columns_as_open(Oid funcid, Oid other)
{
	bool is_null;
	bool other_is_null;
	Datum acl = function_acl(funcid, &is_null);
	Datum other_acl = function_acl(other, &other_is_null);

	if (is_null || other_is_null)
		return is_null && other_is_null;
	return datumIsEqual(acl, other_acl, false, -1);
}

/*
 * ls_columns_names: a constant of type text[].
 */
Node *
ls_columns_names(const LsColumns *columns)
{
	List *names = columns->names;
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
