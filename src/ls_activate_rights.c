/*
 * ls_activate_rights.c: may the owner of the contacts do what makes a model live?
 *
 * Whoever calls activate(), it works as the owner. PostgreSQL would refuse it, too,
 * but without saying who lacks what.
 */
#include "postgres.h"

#include "ls_activate.h"

#include "ls_compat.h"
#include "ls_relation.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* refuse: what the owner may not, and the statement that lets him. */
static void
refuse(Oid owner, const char *what, const char *on, const char *grant)
{
	const char *role = GetUserNameFromId(owner, false);

	ereport(ERROR,
			errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			errmsg("role \"%s\", which owns the contacts, may not %s %s",
				   role,
				   what,
				   on),
			errhint("%s %s TO %s.", grant, on, quote_identifier(role)));
}

/* check_schema: the model's tables and views are made there. */
static void
check_schema(const char *name, Oid owner)
{
	Oid schema = get_namespace_oid(name, true);

	if (OidIsValid(schema) &&
		(!ls_may_use_schema(schema, owner) || !ls_may_create_in_schema(schema, owner)))
		refuse(owner,
			   "make tables in schema",
			   quote_identifier(name),
			   "GRANT USAGE, CREATE ON SCHEMA");
}

static bool
is_table(Oid relid)
{
	char kind = get_rel_relkind(relid);

	return kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE;
}

/* check_followed: events, or a lookup: it is read, and triggers may tell of changes. */
static void
check_followed(const char *relation, Oid owner, bool triggers)
{
	Oid relid = ls_relation_by_name(relation);
	Oid schema;

	if (!OidIsValid(relid))
		return; /* said elsewhere, and better */
	schema = get_rel_namespace(relid);
	if (!ls_may_use_schema(schema, owner))
		refuse(owner,
			   "use schema",
			   quote_identifier(get_namespace_name(schema)),
			   "GRANT USAGE ON SCHEMA");
	if (!ls_relation_may_select(relid, owner))
		refuse(owner, "read", ls_relation_name(relid), "GRANT SELECT ON");
	if (triggers && is_table(relid) &&
		pg_class_aclcheck(relid, owner, ACL_TRIGGER) != ACLCHECK_OK)
		refuse(owner, "put triggers on", ls_relation_name(relid), "GRANT TRIGGER ON");
}

/*
 * ls_activate_check_rights: of the contacts' owner, in the schema that the model's
 * tables are to be in, and on its events and lookups, which have triggers where the
 * contacts have.
 *
 * Errors: 42501.
 */
void
ls_activate_check_rights(const LsModelRow *row, Oid contacts, const char *schema)
{
	Oid owner = ls_relation_owner(contacts);
	bool triggers = is_table(contacts);
	ListCell *cell;

	check_schema(schema, owner);
	foreach(cell, ls_catalog_sources(row->name))
		check_followed(((LsSourceRow *) lfirst(cell))->relation, owner, triggers);
	foreach(cell, ls_catalog_lookups(row->name))
		check_followed(((LsLookupRow *) lfirst(cell))->relation, owner, triggers);
}
