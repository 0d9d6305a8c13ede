/*
 * ls_relation.c: the relation that a model scores, and who may do what.
 *
 * A draft names its contacts by text. Once a model has been activated, its view
 * is the binding: PostgreSQL keeps the view on the same table whatever the name,
 * schema or owner of that becomes, and nobody but the owner can forge it.
 */
#include "ls_relation.h"

#include "ls_compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/partition.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_rewrite.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "nodes/readfuncs.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

PG_FUNCTION_INFO_V1(ls_sql_may_read);
PG_FUNCTION_INFO_V1(ls_sql_may_change);
PG_FUNCTION_INFO_V1(ls_sql_contacts_of);
PG_FUNCTION_INFO_V1(ls_sql_objects_schema);

/*
 * ls_relation_by_name: "schema.table" -> OID, InvalidOid where there is none.
 * No privilege is looked at.
 */
Oid
ls_relation_by_name(const char *qualified_name)
{
	List *names;
	Oid schema;

	if (!SplitIdentifierString(pstrdup(qualified_name), '.', &names) ||
		list_length(names) != 2)
		return InvalidOid;
	schema = get_namespace_oid(linitial(names), true);
	if (!OidIsValid(schema))
		return InvalidOid;
	return get_relname_relid(lsecond(names), schema);
}

/*
 * ls_relation_name: the qualified, quoted name; NULL where there is none.
 * The session's own temporary schema is pg_temp, whatever its number.
 */
char *
ls_relation_name(Oid relid)
{
	char *name = get_rel_name(relid);
	char *schema;

	if (name == NULL)
		return NULL;
	schema = get_namespace_name_or_temp(get_rel_namespace(relid));
	return quote_qualified_identifier(schema, name);
}

/*
 * ls_relation_owner: InvalidOid where the relation is gone.
 */
Oid
ls_relation_owner(Oid relid)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/*
 * contacts_in: the relation that a rule's query calls "contact": whatever it was
 * renamed to, and whatever else the view reads.
 */
static Oid
contacts_in(char *action)
{
	Query *query = linitial_node(Query, (List *) stringToNode(action));
	ListCell *cell;

	foreach(cell, query->rtable)
	{
		const RangeTblEntry *entry = lfirst(cell);

		if (entry->rtekind == RTE_RELATION &&
			strcmp(entry->eref->aliasname, "contact") == 0)
			return entry->relid;
	}
	return InvalidOid;
}

/* relation_of_view: read without a lock on the view, which activate() waits for. */
static Oid
relation_of_view(Oid view)
{
	Relation rel = table_open(RewriteRelationId, AccessShareLock);
	Oid found = InvalidOid;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&key,
				Anum_pg_rewrite_ev_class,
				BTEqualStrategyNumber,
				F_OIDEQ,
				ObjectIdGetDatum(view));
	scan = systable_beginscan(rel, RewriteRelRulenameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool is_null;
		Datum action = heap_getattr(tuple,
									Anum_pg_rewrite_ev_action,
									RelationGetDescr(rel),
									&is_null);

		if (!is_null)
			found = contacts_in(TextDatumGetCString(action));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* under_view: the relation under a view of the owner's, if it is his, too. */
static Oid
under_view(Oid view, Oid owner)
{
	Oid relid;

	if (!OidIsValid(view) || get_rel_relkind(view) != RELKIND_VIEW ||
		ls_relation_owner(view) != owner)
		return InvalidOid;
	relid = relation_of_view(view);
	if (!OidIsValid(relid))
		return InvalidOid;
	/* The view of one's own model may be laid over anybody's table. */
	return ls_relation_owner(relid) == owner ? relid : InvalidOid;
}

/*
 * find_bound: the relation under the model's view, where both belong to the role
 * that made the model.
 */
static Oid
find_bound(const LsModelRow *model)
{
	Oid owner = model->owner == NULL ? InvalidOid : get_role_oid(model->owner, true);
	char *view = psprintf("%s_scored", model->name);
	Oid schema;

	if (model->objects_schema == NULL || !OidIsValid(owner))
		return InvalidOid;
	schema = get_namespace_oid(model->objects_schema, true);
	return OidIsValid(schema) ? under_view(get_relname_relid(view, schema), owner)
							  : InvalidOid;
}

/*
 * find_named: the relation by its name, if it belongs to the role that the model
 * was made by: a table that took the name since is not it.
 */
static Oid
find_named(const LsModelRow *model)
{
	Oid relid = ls_relation_by_name(model->contacts);
	Oid owner = model->owner == NULL ? InvalidOid : get_role_oid(model->owner, true);

	if (OidIsValid(relid) && OidIsValid(owner) && ls_relation_owner(relid) != owner)
		return InvalidOid;
	return relid;
}

/*
 * ls_relation_of_model: the contacts.
 *
 * Errors: 42P01 where they are gone, unless missing_ok (InvalidOid).
 */
Oid
ls_relation_of_model(const LsModelRow *model, bool missing_ok)
{
	Oid relid = find_bound(model);

	if (!OidIsValid(relid))
		relid = find_named(model);
	if (!OidIsValid(relid) && !missing_ok)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("relation %s of model \"%s\" does not exist",
					   model->contacts,
					   model->name),
				errdetail("Or it has another owner than when the model was made."),
				errhint("Update lead_scoring.model.contacts to its new name, drop the model "
						"with lead_scoring.drop_model(), or let a superuser activate it "
						"again."));
	return relid;
}

/*
 * ls_relation_collation: of a column; InvalidOid where its type has none.
 */
Oid
ls_relation_collation(Oid relid, AttrNumber attno)
{
	HeapTuple tuple =
		SearchSysCache2(ATTNUM, ObjectIdGetDatum(relid), Int16GetDatum(attno));
	Oid collation = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		collation = ((Form_pg_attribute) GETSTRUCT(tuple))->attcollation;
		ReleaseSysCache(tuple);
	}
	return collation;
}

/*
 * ls_relation_is_part_of: is it the relation itself, a partition or a child?
 */
bool
ls_relation_is_part_of(Oid relid, Oid whole)
{
	if (relid == whole)
		return true;
	if (get_rel_relispartition(relid))
		return list_member_oid(get_partition_ancestors(relid), whole);
	return typeInheritsFrom(get_rel_type_id(relid), get_rel_type_id(whole));
}

/*
 * ls_relation_may_change: is the role a member of the relation's owner?
 */
bool
ls_relation_may_change(Oid relid, Oid role)
{
	Oid owner = ls_relation_owner(relid);

	return OidIsValid(owner) ? has_privs_of_role(role, owner) : superuser_arg(role);
}

/*
 * ls_relation_may_read: may the role read the relation, or a column of it?
 */
bool
ls_relation_may_read(Oid relid, Oid role)
{
	if (ls_relation_may_change(relid, role))
		return true;
	if (!OidIsValid(ls_relation_owner(relid)) ||
		!ls_may_use_schema(get_rel_namespace(relid), role))
		return false;
	return pg_class_aclcheck(relid, role, ACL_SELECT) == ACLCHECK_OK ||
		   pg_attribute_aclcheck_all(relid, role, ACL_SELECT, ACLMASK_ANY) ==
			   ACLCHECK_OK;
}

/*
 * ls_relation_may_select: may the role read all columns of the relation?
 */
bool
ls_relation_may_select(Oid relid, Oid role)
{
	if (!ls_may_use_schema(get_rel_namespace(relid), role))
		return false;
	return pg_class_aclcheck(relid, role, ACL_SELECT) == ACLCHECK_OK ||
		   pg_attribute_aclcheck_all(relid, role, ACL_SELECT, ACLMASK_ALL) ==
			   ACLCHECK_OK;
}

/*
 * ls_relation_column: the number of a column whose value is in the row.
 *
 * Errors: 42703, 0A000.
 */
AttrNumber
ls_relation_column(Oid relid, const char *column)
{
	AttrNumber attno = get_attnum(relid, column);

	if (attno <= 0)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_COLUMN),
				errmsg("column \"%s\" of relation %s does not exist",
					   column,
					   ls_relation_name(relid)),
				errhint("Name a column of the relation, with its exact spelling."));
	if (ls_is_virtual(get_attgenerated(relid, attno)))
		ereport(ERROR,
				errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("column \"%s\" of relation %s is a virtual generated column",
					   column,
					   ls_relation_name(relid)),
				errhint("Make it STORED, or name a view that computes it."));
	return attno;
}

/* is_unique_on: a unique index on exactly this column, for all rows, at once. */
static bool
is_unique_on(Oid index_oid, AttrNumber attno)
{
	HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index_oid));
	Form_pg_index index;
	bool unique;

	if (!HeapTupleIsValid(tuple))
		return false;
	index = (Form_pg_index) GETSTRUCT(tuple);
	unique = index->indisunique && index->indimmediate && index->indisvalid &&
			 index->indnkeyatts == 1 && index->indkey.values[0] == attno &&
			 heap_attisnull(tuple, Anum_pg_index_indpred, NULL);
	ReleaseSysCache(tuple);
	return unique;
}

/*
 * ls_relation_unique_indexes: those of exactly this column, for all rows, not
 * deferrable (OIDs).
 */
List *
ls_relation_unique_indexes(Oid relid, AttrNumber attno)
{
	Relation rel = relation_open(relid, AccessShareLock);
	List *unique = NIL;
	ListCell *cell;

	foreach(cell, RelationGetIndexList(rel))
		if (is_unique_on(lfirst_oid(cell), attno))
			unique = lappend_oid(unique, lfirst_oid(cell));
	relation_close(rel, AccessShareLock);
	return unique;
}

/*
 * ls_relation_may_change_model: by the contacts; where those are gone, who owned
 * them may still clear up.
 */
bool
ls_relation_may_change_model(const LsModelRow *model, Oid role)
{
	Oid relid = ls_relation_of_model(model, true);
	Oid owner;

	if (OidIsValid(relid))
		return ls_relation_may_change(relid, role);
	owner = model->owner == NULL ? InvalidOid : get_role_oid(model->owner, true);
	return OidIsValid(owner) ? has_privs_of_role(role, owner) : superuser_arg(role);
}

static bool
may_read_model(const LsModelRow *model, Oid role)
{
	Oid relid = ls_relation_of_model(model, true);

	return OidIsValid(relid) ? ls_relation_may_read(relid, role)
							 : ls_relation_may_change_model(model, role);
}

/*
 * ls_relation_readable_row: the model's row, for someone who may read it.
 *
 * Errors: 42704, 42501.
 */
LsModelRow *
ls_relation_readable_row(text *name)
{
	LsModelRow *row = ls_catalog_model(text_to_cstring(name), false);

	if (!may_read_model(row, GetUserId()))
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("permission denied for model \"%s\"", row->name),
				errhint("Who may read its contacts may use it: ask for SELECT on them."));
	return row;
}

/* by_argument: the model that is there, or the one that is being written. */
static const LsModelRow *
by_argument(FunctionCallInfo fcinfo)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	LsModelRow *row = ls_catalog_model(name, true);

	if (row == NULL)
	{
		row = palloc0(sizeof(LsModelRow));
		row->name = name;
		row->contacts = PG_NARGS() > 1 ? text_to_cstring(PG_GETARG_TEXT_PP(1)) : "";
	}
	return row;
}

/*
 * may_read(model [, contacts]), may_change(model [, contacts]): for the
 * row-level security of the configuration; for the current role.
 */
Datum
ls_sql_may_read(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(may_read_model(by_argument(fcinfo), GetUserId()));
}

Datum
ls_sql_may_change(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(ls_relation_may_change_model(by_argument(fcinfo), GetUserId()));
}

/*
 * contacts_of(model) -> regclass: the relation that the model scores, under
 * whatever name it has now; NULL where it is gone.
 */
Datum
ls_sql_contacts_of(PG_FUNCTION_ARGS)
{
	LsModelRow *row = ls_relation_readable_row(PG_GETARG_TEXT_PP(0));
	Oid relid = ls_relation_of_model(row, true);

	if (!OidIsValid(relid))
		PG_RETURN_NULL();
	PG_RETURN_OID(relid);
}

/*
 * objects_schema(model) -> name: the schema that the model's tables are in, under
 * whatever name it has now; NULL where there are none yet.
 */
Datum
ls_sql_objects_schema(PG_FUNCTION_ARGS)
{
	LsModelRow *row = ls_relation_readable_row(PG_GETARG_TEXT_PP(0));

	if (row->objects_schema == NULL)
		PG_RETURN_NULL();
	return DirectFunctionCall1(namein, CStringGetDatum(row->objects_schema));
}
