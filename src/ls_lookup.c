/*
 * ls_lookup.c: lookups: to-one relations of the contacts, such as their companies.
 *
 * A unique index sees to it that there is at most one row for a contact; the join
 * compares as that index does. SQL that is written here is for search path
 * pg_catalog, and calls the relation of the nth lookup lookup_<n>: a contact's
 * column of that name is not meant, as all columns are qualified.
 */
#include "ls_lookup.h"

#include "ls_compat.h"
#include "ls_relation.h"

#include "access/stratnum.h"
#include "access/transam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "parser/parse_coerce.h"
#include "parser/parse_oper.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(ls_sql_lookup_joins);
PG_FUNCTION_INFO_V1(ls_sql_contact_row_sql);

/* ---- finding ---------------------------------------------------------- */

static bool
set_fault(LsLookupFault *fault, int errcode, const char *problem, const char *hint)
{
	fault->errcode = errcode;
	fault->problem = problem;
	fault->hint = hint;
	return false;
}

/* check_relation: may it have a unique key at all? */
static bool
check_relation(const LsLookupRow *row, Oid relid, LsLookupFault *fault)
{
	if (!OidIsValid(relid))
		return set_fault(fault,
						 ERRCODE_UNDEFINED_TABLE,
						 psprintf("relation %s does not exist", row->relation),
						 "Write its name of now into lead_scoring.lookup.relation, as "
						 "schema.name, quoted where needed.");
	if (get_rel_persistence(relid) == RELPERSISTENCE_TEMP)
		return set_fault(fault,
						 ERRCODE_WRONG_OBJECT_TYPE,
						 psprintf("%s is a temporary table", row->relation),
						 "Copy it into a permanent one: a model outlives the session.");
	switch (get_rel_relkind(relid))
	{
		case RELKIND_RELATION:
			if (has_subclass(relid) && find_inheritance_children(relid, NoLock) != NIL)
				return set_fault(
					fault,
					ERRCODE_WRONG_OBJECT_TYPE,
					psprintf("%s has inheritance children, over which no "
							 "index can be unique",
							 row->relation),
					"Name a table without children, or a partitioned one.");
			return true;
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_MATVIEW:
			return true;
		case RELKIND_VIEW:
			return set_fault(fault,
							 ERRCODE_WRONG_OBJECT_TYPE,
							 psprintf("%s is a view, which has no unique index",
									  row->relation),
							 "Name the table under it, or make it a materialized view "
							 "with a unique index.");
		default:
			return set_fault(fault,
							 ERRCODE_WRONG_OBJECT_TYPE,
							 psprintf("%s cannot have a unique index", row->relation),
							 "Name a table or a materialized view.");
	}
}

/* check_column: its value is in the row. */
static bool
check_column(Oid relid, const char *column, AttrNumber *attno, LsLookupFault *fault)
{
	*attno = get_attnum(relid, column);
	if (*attno <= 0)
		return set_fault(fault,
						 ERRCODE_UNDEFINED_COLUMN,
						 psprintf("column \"%s\" of relation %s does not exist",
								  column,
								  ls_relation_name(relid)),
						 "Write its name of now into lead_scoring.lookup. The key is a "
						 "column of the relation, contact_column one of the contacts.");
	if (ls_is_virtual(get_attgenerated(relid, *attno)))
		return set_fault(fault,
						 ERRCODE_FEATURE_NOT_SUPPORTED,
						 psprintf("column \"%s\" of relation %s is a virtual generated "
								  "column",
								  column,
								  ls_relation_name(relid)),
						 "Make it STORED.");
	return true;
}

/* equality_of: of the index's family, between its type and the contacts'. */
static Oid
equality_of(Oid opclass, Oid key_type, Oid contact_type)
{
	Oid family = get_opclass_family(opclass);
	Oid input = get_opclass_input_type(opclass);
	Oid key = getBaseType(key_type);
	Oid value = getBaseType(contact_type);
	Oid equals = InvalidOid;

	if (key != value)
		equals = get_opfamily_member(family, input, value, BTEqualStrategyNumber);
	if (!OidIsValid(equals) && (key == value || IsBinaryCoercible(value, input)))
		equals = get_opfamily_member(family, input, input, BTEqualStrategyNumber);
	return equals;
}

static char *
operator_schema(Oid operator)
{
	HeapTuple tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(operator));
	char *schema;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", operator);
	schema = get_namespace_name(((Form_pg_operator) GETSTRUCT(tuple))->oprnamespace);
	ReleaseSysCache(tuple);
	return schema;
}

/*
 * is_written_so: would PostgreSQL read "key = value" as this operator? One between
 * a date and a timestamp, say, would follow the session's time zone.
 */
static bool
is_written_so(Oid equals, Oid key_type, Oid contact_type)
{
	Operator found;
	Oid oid;

	if (!OidIsValid(equals) || op_volatile(equals) != PROVOLATILE_IMMUTABLE)
		return false;
	found = oper(NULL,
				 list_make2(makeString(operator_schema(equals)),
							makeString(get_opname(equals))),
				 key_type,
				 contact_type,
				 true,
				 -1);
	if (found == NULL)
		return false;
	oid = oprid(found);
	ReleaseSysCache(found);
	return oid == equals;
}

static Oid
collation_of(Oid relid, AttrNumber attno)
{
	Oid type;
	int32 typmod;
	Oid collation;

	get_atttypetypmodcoll(relid, attno, &type, &typmod, &collation);
	return collation;
}

/*
 * set_hash: only functions of pg_catalog. What others might do does not belong
 * into a trigger.
 */
static void
set_hash(LsLookup *lookup)
{
	RegProcedure key_hash;
	RegProcedure contact_hash;

	lookup->has_hash =
		get_op_hash_functions(lookup->equals, &key_hash, &contact_hash) &&
		key_hash < FirstUnpinnedObjectId && contact_hash < FirstUnpinnedObjectId;
	if (!lookup->has_hash)
		return;
	fmgr_info(key_hash, &lookup->key_hash);
	fmgr_info(contact_hash, &lookup->contact_hash);
}

/* use_index: does it compare the key with the contacts' column? */
static bool
use_index(LsLookup *lookup, Oid index, Oid contact_collation)
{
	HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	bool is_null;
	oidvector *classes;
	oidvector *collations;

	if (!HeapTupleIsValid(tuple))
		return false;
	classes = (oidvector *) DatumGetPointer(
		SysCacheGetAttr(INDEXRELID, tuple, Anum_pg_index_indclass, &is_null));
	collations = (oidvector *) DatumGetPointer(
		SysCacheGetAttr(INDEXRELID, tuple, Anum_pg_index_indcollation, &is_null));
	lookup->equals =
		equality_of(classes->values[0], lookup->key_type, lookup->contact_type);
	lookup->collation = collations->values[0];
	ReleaseSysCache(tuple);
	lookup->needs_collation =
		OidIsValid(lookup->collation) &&
		(contact_collation != lookup->collation ||
		 collation_of(lookup->relid, lookup->key) != lookup->collation);
	return is_written_so(lookup->equals, lookup->key_type, lookup->contact_type);
}

/* find_index: that which makes the key unique, and compares it. */
static bool
find_index(LsLookup *lookup, Oid contacts, AttrNumber contact, LsLookupFault *fault)
{
	List *indexes = ls_relation_unique_indexes(lookup->relid, lookup->key);
	ListCell *cell;

	if (indexes == NIL)
		return set_fault(fault,
						 ERRCODE_INVALID_TABLE_DEFINITION,
						 psprintf("column \"%s\" of %s is not unique",
								  lookup->row->key,
								  lookup->row->relation),
						 psprintf("Name its primary key, or run CREATE UNIQUE INDEX ON "
								  "%s (%s): of this column alone, for all rows.",
								  lookup->row->relation,
								  quote_identifier(lookup->row->key)));
	lookup->key_type = get_atttype(lookup->relid, lookup->key);
	if (!OidIsValid(get_array_type(getBaseType(lookup->key_type))))
		return set_fault(fault,
						 ERRCODE_DATATYPE_MISMATCH,
						 psprintf("a key of type %s cannot be followed",
								  format_type_be(lookup->key_type)),
						 "Use another unique column.");
	lookup->contact_type = get_atttype(contacts, contact);
	foreach(cell, indexes)
		if (use_index(lookup, lfirst_oid(cell), collation_of(contacts, contact)))
			return true;
	return set_fault(fault,
					 ERRCODE_DATATYPE_MISMATCH,
					 psprintf("\"%s\" of type %s cannot be compared with the contacts' "
							  "\"%s\" of type %s by the unique index",
							  lookup->row->key,
							  format_type_be(lookup->key_type),
							  lookup->row->contact_column,
							  format_type_be(lookup->contact_type)),
					 "Give both columns the same type.");
}

/*
 * ls_lookup_find: the lookup, or NULL and why there is none. It is not looked at
 * who may read it.
 */
LsLookup *
ls_lookup_find(const LsLookupRow *row, Oid contacts, LsLookupFault *fault)
{
	LsLookup *lookup = palloc0(sizeof(LsLookup));
	AttrNumber contact;

	lookup->row = row;
	lookup->relid = ls_relation_by_name(row->relation);
	if (!check_relation(row, lookup->relid, fault) ||
		!check_column(lookup->relid, row->key, &lookup->key, fault) ||
		!check_column(contacts, row->contact_column, &contact, fault) ||
		!find_index(lookup, contacts, contact, fault))
		return NULL;
	set_hash(lookup);
	return lookup;
}

static void
refuse(const LsLookupRow *row, const char *model, const LsLookupFault *fault)
{
	ereport(ERROR,
			errcode(fault->errcode),
			errmsg("lookup \"%s\" of model \"%s\" cannot be used: %s",
				   row->alias,
				   model,
				   fault->problem),
			errhint("%s", fault->hint));
}

/*
 * ls_lookup_find_all: those of a model (LsLookup), by alias.
 *
 * Errors: what is wrong with one of them.
 */
List *
ls_lookup_find_all(const LsModelRow *model, Oid contacts)
{
	List *found = NIL;
	ListCell *cell;

	foreach(cell, ls_catalog_lookups(model->name))
	{
		LsLookupFault fault;
		LsLookup *lookup = ls_lookup_find(lfirst(cell), contacts, &fault);

		if (lookup == NULL)
			refuse(lfirst(cell), model->name, &fault);
		found = lappend(found, lookup);
	}
	return found;
}

/*
 * ls_lookup_rows: their rows (LsLookupRow).
 */
List *
ls_lookup_rows(List *lookups)
{
	List *rows = NIL;
	ListCell *cell;

	foreach(cell, lookups)
		rows = lappend(rows, (void *) ((LsLookup *) lfirst(cell))->row);
	return rows;
}

/*
 * ls_lookup_of: the one with this alias; NULL where there is none.
 */
LsLookup *
ls_lookup_of(List *lookups, const char *alias)
{
	ListCell *cell;

	foreach(cell, lookups)
		if (strcmp(((LsLookup *) lfirst(cell))->row->alias, alias) == 0)
			return lfirst(cell);
	return NULL;
}

/*
 * ls_lookup_hash_key, ls_lookup_hash_contact: the same for a key and for a contact
 * whose column is equal to it.
 */
uint32
ls_lookup_hash_key(LsLookup *lookup, Datum key)
{
	return lookup->has_hash
			   ? DatumGetUInt32(
					 FunctionCall1Coll(&lookup->key_hash, lookup->collation, key))
			   : 0;
}

uint32
ls_lookup_hash_contact(LsLookup *lookup, Datum value)
{
	return lookup->has_hash
			   ? DatumGetUInt32(
					 FunctionCall1Coll(&lookup->contact_hash, lookup->collation, value))
			   : 0;
}

/* stub_of: enough of a lookup that cannot be used for conditions to be read. */
static LsLookup *
stub_of(const LsLookupRow *row)
{
	LsLookup *stub = palloc0(sizeof(LsLookup));

	stub->row = row;
	stub->relid = ls_relation_by_name(row->relation);
	return OidIsValid(stub->relid) ? stub : NULL;
}

/*
 * ls_lookup_find_readable: those of a model whose columns conditions may name, by
 * alias. Some may not be good for more: what is wrong with one must not keep other
 * rules from being written.
 */
List *
ls_lookup_find_readable(const LsModelRow *model, Oid contacts)
{
	List *found = NIL;
	ListCell *cell;

	foreach(cell, ls_catalog_lookups(model->name))
	{
		LsLookupFault fault;
		LsLookup *lookup = ls_lookup_find(lfirst(cell), contacts, &fault);

		if (lookup == NULL)
			lookup = stub_of(lfirst(cell));
		if (lookup != NULL)
			found = lappend(found, lookup);
	}
	return found;
}

/* ---- as SQL ----------------------------------------------------------- */

static char *
collation_name(Oid collation)
{
	HeapTuple tuple = SearchSysCache1(COLLOID, ObjectIdGetDatum(collation));
	Form_pg_collation form;
	char *name;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for collation %u", collation);
	form = (Form_pg_collation) GETSTRUCT(tuple);
	name = quote_qualified_identifier(get_namespace_name(form->collnamespace),
									  NameStr(form->collname));
	ReleaseSysCache(tuple);
	return name;
}

/*
 * ls_lookup_equals: key = value. For people to read, or for any search path.
 */
char *
ls_lookup_equals(const LsLookup *lookup,
				 const char *key,
				 const char *value,
				 bool is_readable)
{
	const char *schema = operator_schema(lookup->equals);
	const char *name = get_opname(lookup->equals);

	if (!is_readable || strcmp(schema, "pg_catalog") != 0)
		name = psprintf("OPERATOR(%s.%s)", quote_identifier(schema), name);
	if (lookup->needs_collation)
		value = psprintf("(%s COLLATE %s)", value, collation_name(lookup->collation));
	return psprintf("%s %s %s", key, name, value);
}

/*
 * ls_lookup_joins: LEFT JOIN of each lookup, called lookup_<n>, to the contacts
 * under this alias.
 */
char *
ls_lookup_joins(List *lookups, const char *contact)
{
	StringInfoData sql;
	ListCell *cell;

	initStringInfo(&sql);
	foreach(cell, lookups)
	{
		const LsLookup *lookup = lfirst(cell);
		int number = foreach_current_index(cell) + 1;
		const char *key =
			psprintf("lookup_%d.%s", number, quote_identifier(lookup->row->key));
		const char *value =
			psprintf("%s.%s", contact, quote_identifier(lookup->row->contact_column));

		appendStringInfo(&sql,
						 " LEFT JOIN %s AS lookup_%d ON %s",
						 ls_relation_name(lookup->relid),
						 number,
						 ls_lookup_equals(lookup, key, value, false));
	}
	return sql.data;
}

/*
 * ls_lookup_whole_rows: ", row" for each lookup. The cast is to the row's own type: it
 * keeps a row from being taken apart into columns.
 */
char *
ls_lookup_whole_rows(List *lookups)
{
	StringInfoData sql;
	ListCell *cell;

	initStringInfo(&sql);
	foreach(cell, lookups)
		appendStringInfo(&sql,
						 ", (lookup_%d.*)::%s",
						 foreach_current_index(cell) + 1,
						 ls_relation_name(((LsLookup *) lfirst(cell))->relid));
	return sql.data;
}

/* lookups_of: those of a model that the current role may read. */
static List *
lookups_of(text *name)
{
	LsModelRow *row = ls_relation_readable_row(name);

	return ls_lookup_find_all(row, ls_relation_of_model(row, false));
}

/*
 * lookup_joins(model text, contact text) -> text
 */
Datum
ls_sql_lookup_joins(PG_FUNCTION_ARGS)
{
	const char *contact = quote_identifier(text_to_cstring(PG_GETARG_TEXT_PP(1)));

	PG_RETURN_TEXT_P(
		cstring_to_text(ls_lookup_joins(lookups_of(PG_GETARG_TEXT_PP(0)), contact)));
}

/*
 * contact_row_sql(model text, contact text) -> text
 */
Datum
ls_sql_contact_row_sql(PG_FUNCTION_ARGS)
{
	List *lookups = lookups_of(PG_GETARG_TEXT_PP(0));
	const char *contact = quote_identifier(text_to_cstring(PG_GETARG_TEXT_PP(1)));

	if (lookups == NIL)
		PG_RETURN_TEXT_P(cstring_to_text(psprintf("%s.*", contact)));
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("lead_scoring.contact_row(%s.*%s)",
											  contact,
											  ls_lookup_whole_rows(lookups))));
}
