/*
 * ls_catalog_objects.c: in which schema a model's tables are, whatever its name is now.
 */
#include "ls_catalog.h"

#include "ls_compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

/* is_in: is there a view of that name in the schema? */
static bool
is_in(const char *schema, const char *view)
{
	Oid namespace = get_namespace_oid(schema, true);

	return OidIsValid(namespace) && OidIsValid(get_relname_relid(view, namespace));
}

/* find_owned: the schema of a view that belongs to the role; NULL = there is none. */
static char *
find_owned(const char *view, Oid owner)
{
	Relation rel = table_open(RelationRelationId, AccessShareLock);
	char *found = NULL;
	NameData name;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	namestrcpy(&name, view);
	ScanKeyInit(&key,
				Anum_pg_class_relname,
				BTEqualStrategyNumber,
				F_NAMEEQ,
				NameGetDatum(&name));
	scan = systable_beginscan(rel, ClassNameNspIndexId, true, NULL, 1, &key);
	while (found == NULL && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);

		if (form->relkind == RELKIND_VIEW && form->relowner == owner)
			found = get_namespace_name(form->relnamespace);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/*
 * ls_catalog_objects_schema: of the tables of the model whose row this is; as the row
 * says, where they are there or nowhere. A table of somebody else's is not taken for
 * one of them.
 */
char *
ls_catalog_objects_schema(const LsModelRow *row)
{
	char *view = psprintf("%s_scored", row->name);
	Oid owner = row->owner == NULL ? InvalidOid : get_role_oid(row->owner, true);
	char *found;

	if (row->written_schema == NULL || is_in(row->written_schema, view) ||
		!OidIsValid(owner))
		return row->written_schema;
	found = find_owned(view, owner);
	return found == NULL ? row->written_schema : found;
}
