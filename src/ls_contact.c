/*
 * ls_contact.c: the rows of a contact and of its lookups, for what queries pass
 * to functions.
 *
 * Most pass the contact's row alone: then the rows of its lookups are fetched, one
 * by one (ls_lookup_fetch.c). The view and others that look at many join them, and
 * pass all as one value, which contact_row() makes.
 */
#include "ls_contact.h"

#include "ls_compat.h"
#include "ls_lookup_fetch.h"

#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(ls_sql_contact_row);

/* The first column of what contact_row() makes: no table's column is called so. */
#define JOINED_NAME "contact and its lookups"

static LsContactReader *
new_reader(const LsModel *model)
{
	LsContactReader *reader = palloc0(sizeof(LsContactReader));
	int n = 1 + list_length(model->lookups);

	reader->generation = ls_model_generation;
	reader->n = n;
	reader->descs = palloc0(sizeof(TupleDesc) * n);
	reader->rows = palloc0(sizeof(HeapTuple) * n);
	reader->tuples = palloc0(sizeof(HeapTupleData) * n);
	reader->links = palloc0(sizeof(AttrNumber) * n);
	reader->fetches = palloc0(sizeof(LsLookupFetch *) * n);
	return reader;
}

/* find_link: the contact's column that a lookup is by. */
static AttrNumber
find_link(const LsLookup *lookup, TupleDesc desc)
{
	const char *name = lookup->row->contact_column;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped || strcmp(NameStr(att->attname), name) != 0)
			continue;
		if (getBaseType(att->atttypid) == getBaseType(lookup->contact_type))
			return i + 1;
		ereport(ERROR,
				errcode(ERRCODE_DATATYPE_MISMATCH),
				errmsg("column \"%s\" of the row has type %s, but lookup \"%s\" is by "
					   "type %s",
					   name,
					   format_type_be(att->atttypid),
					   lookup->row->alias,
					   format_type_be(lookup->contact_type)),
				errhint("Pass a row of the model's own relation, or one with the same "
						"column types."));
	}
	ereport(ERROR,
			errcode(ERRCODE_UNDEFINED_COLUMN),
			errmsg("the row has no column \"%s\", which lookup \"%s\" is by",
				   name,
				   lookup->row->alias),
			errhint("Pass a row of the model's own relation, or one with the same column "
					"names."));
	return InvalidAttrNumber;
}

/* fetch_lookups: those that the matchers need, by columns of the contact. */
static void
fetch_lookups(LsContactReader *reader,
			  const LsModel *model,
			  const LsMatcher *matcher,
			  const LsMatcher *other)
{
	for (int i = 1; i < reader->n; i++)
	{
		const LsLookup *lookup = list_nth(model->lookups, i - 1);

		if (!ls_match_uses(matcher, i + 1) &&
			(other == NULL || !ls_match_uses(other, i + 1)))
			continue;
		reader->links[i] = find_link(lookup, reader->descs[0]);
		reader->fetches[i] = ls_lookup_fetch_open(lookup, &reader->descs[i]);
	}
}

/* is_joined: did contact_row() make it, of as many rows? */
static bool
is_joined(const LsContactReader *reader, TupleDesc desc)
{
	return reader->type == RECORDOID && desc->natts == reader->n &&
		   strcmp(NameStr(TupleDescAttr(desc, 0)->attname), JOINED_NAME) == 0;
}

/* take_apart: the parts are of the types that the columns have. */
static void
take_apart(LsContactReader *reader, HeapTupleHeader argument)
{
	HeapTupleData tuple;

	ls_contact_set(&tuple, argument);
	heap_deform_tuple(&tuple, reader->joined, reader->values, reader->nulls);
	for (int i = 0; i < reader->n; i++)
	{
		reader->rows[i] = NULL;
		if (reader->nulls[i])
			continue;
		reader->rows[i] = &reader->tuples[i];
		ls_contact_set(&reader->tuples[i], DatumGetHeapTupleHeader(reader->values[i]));
	}
}

static TupleDesc
copy_desc(Oid type, int32 typmod)
{
	return lookup_rowtype_tupdesc_copy(type, typmod);
}

static void
open_joined(LsContactReader *reader, TupleDesc desc, HeapTupleHeader argument)
{
	reader->is_joined = true;
	reader->joined = CreateTupleDescCopy(desc);
	reader->values = palloc(sizeof(Datum) * reader->n);
	reader->nulls = palloc(sizeof(bool) * reader->n);
	take_apart(reader, argument);
	for (int i = 0; i < reader->n; i++)
	{
		Oid type = TupleDescAttr(desc, i)->atttypid;

		if (type != RECORDOID)
			reader->descs[i] = copy_desc(type, -1);
		else if (reader->rows[i] != NULL)
			reader->descs[i] =
				copy_desc(RECORDOID,
						  HeapTupleHeaderGetTypMod(reader->tuples[i].t_data));
	}
}

/*
 * ls_contact_reader: for arguments of this one's type. Rows of lookups that neither
 * matcher needs (`other` may be NULL) are left out.
 *
 * Errors: 42703, 42804 where the row lacks the column that a lookup is by.
 * Memory: the current context.
 */
LsContactReader *
ls_contact_reader(LsModel *model,
				  HeapTupleHeader argument,
				  const LsMatcher *matcher,
				  const LsMatcher *other)
{
	LsContactReader *reader = new_reader(model);
	TupleDesc desc;

	reader->type = HeapTupleHeaderGetTypeId(argument);
	reader->typmod = HeapTupleHeaderGetTypMod(argument);
	desc = lookup_rowtype_tupdesc(reader->type, reader->typmod);
	if (is_joined(reader, desc))
		open_joined(reader, desc, argument);
	else
	{
		reader->descs[0] = CreateTupleDescCopyConstr(desc);
		reader->rows[0] = &reader->tuples[0];
		fetch_lookups(reader, model, matcher, other);
	}
	ReleaseTupleDesc(desc);
	return reader;
}

/*
 * ls_contact_column_reader: for a contact that comes in columns.
 */
LsContactReader *
ls_contact_column_reader(LsModel *model, TupleDesc desc, const LsMatcher *matcher)
{
	LsContactReader *reader = new_reader(model);

	reader->descs[0] = desc;
	fetch_lookups(reader, model, matcher, NULL);
	return reader;
}

/*
 * ls_contact_result_reader: for tuples that have the contact's columns, and then a
 * column for each lookup (ls_lookup_whole_rows).
 */
LsContactReader *
ls_contact_result_reader(LsModel *model, TupleDesc desc)
{
	LsContactReader *reader = new_reader(model);

	reader->descs[0] = desc;
	for (int i = 1; i < reader->n; i++)
	{
		reader->links[i] = desc->natts - reader->n + i + 1;
		reader->descs[i] =
			copy_desc(TupleDescAttr(desc, reader->links[i] - 1)->atttypid, -1);
	}
	return reader;
}

/*
 * ls_contact_map: how a matcher reads the rows.
 */
LsRowMap *
ls_contact_map(const LsContactReader *reader, const LsMatcher *matcher)
{
	return ls_match_map_rows(matcher, reader->descs, reader->n);
}

/* is_as_mapped: is a row of the type that maps were made for? */
static bool
is_as_mapped(const LsContactReader *reader, int i)
{
	const HeapTupleHeader row = reader->tuples[i].t_data;

	if (reader->rows[i] == NULL)
		return true;
	return reader->descs[i] != NULL &&
		   reader->descs[i]->tdtypeid == HeapTupleHeaderGetTypeId(row) &&
		   (reader->descs[i]->tdtypeid != RECORDOID ||
			reader->descs[i]->tdtypmod == HeapTupleHeaderGetTypMod(row));
}

/*
 * ls_contact_read_joined: ls_contact_read for what contact_row() made.
 */
const HeapTuple *
ls_contact_read_joined(LsContactReader *reader, HeapTupleHeader argument)
{
	take_apart(reader, argument);
	for (int i = 0; i < reader->n; i++)
		if (!is_as_mapped(reader, i))
			return NULL;
	return reader->rows;
}

/*
 * ls_contact_read_lookups: fetch them for the contact's tuple. False where
 * something changed meanwhile.
 */
bool
ls_contact_read_lookups(LsContactReader *reader)
{
	for (int i = 1; i < reader->n; i++)
	{
		bool is_null;
		Datum value;

		if (reader->fetches[i] == NULL)
			continue;
		value = heap_getattr(&reader->tuples[0],
							 reader->links[i],
							 reader->descs[0],
							 &is_null);
		reader->rows[i] = is_null ? NULL : ls_lookup_fetch(reader->fetches[i], value);
		if (reader->generation != ls_model_generation)
			return false;
	}
	return true;
}

/*
 * ls_contact_read_columns: the same for a contact that comes in columns; NULL
 * where something changed meanwhile. The row of the contact is not among them.
 */
const HeapTuple *
ls_contact_read_columns(LsContactReader *reader, const NullableDatum *columns)
{
	for (int i = 1; i < reader->n; i++)
	{
		const NullableDatum *value = &columns[reader->links[i] - 1];

		if (reader->fetches[i] == NULL)
			continue;
		reader->rows[i] =
			value->isnull ? NULL : ls_lookup_fetch(reader->fetches[i], value->value);
		if (reader->generation != ls_model_generation)
			return NULL;
	}
	return reader->rows;
}

/*
 * ls_contact_read_result: the rows in such a tuple.
 */
const HeapTuple *
ls_contact_read_result(LsContactReader *reader, HeapTuple tuple)
{
	reader->rows[0] = tuple;
	for (int i = 1; i < reader->n; i++)
	{
		bool is_null;
		Datum value = heap_getattr(tuple, reader->links[i], reader->descs[0], &is_null);

		reader->rows[i] = is_null ? NULL : &reader->tuples[i];
		if (!is_null)
			ls_contact_set(&reader->tuples[i], DatumGetHeapTupleHeader(value));
	}
	return reader->rows;
}

/* ---- contact_row -------------------------------------------------------- */

/* joined_desc: of the arguments, blessed; kept for this place in a query. */
static TupleDesc
joined_desc(FunctionCallInfo fcinfo)
{
	MemoryContext old;
	TupleDesc desc = fcinfo->flinfo->fn_extra;

	if (desc != NULL)
		return desc;
	old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	desc = CreateTemplateTupleDesc(PG_NARGS());
	for (int i = 0; i < PG_NARGS(); i++)
	{
		Oid type = get_fn_expr_argtype(fcinfo->flinfo, i);

		if (!OidIsValid(type) || (type != RECORDOID && !type_is_rowtype(type)))
			ereport(ERROR,
					errcode(ERRCODE_DATATYPE_MISMATCH),
					errmsg("contact_row() takes rows only"),
					errhint("Pass the row of the contact, then one for each lookup of "
							"the model."));
		TupleDescInitEntry(desc,
						   i + 1,
						   i == 0 ? JOINED_NAME : psprintf("lookup %d", i),
						   type == RECORDOID ? RECORDOID : getBaseType(type),
						   -1,
						   0);
	}
	desc = BlessTupleDesc(desc);
	fcinfo->flinfo->fn_extra = desc;
	MemoryContextSwitchTo(old);
	return desc;
}

/*
 * contact_row(contact record, VARIADIC lookups "any") -> record: a contact and the
 * rows of its lookups as one; NULL where there is no contact.
 */
Datum
ls_sql_contact_row(PG_FUNCTION_ARGS)
{
	TupleDesc desc = joined_desc(fcinfo);
	Datum values[FUNC_MAX_ARGS];
	bool nulls[FUNC_MAX_ARGS];

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	for (int i = 0; i < PG_NARGS(); i++)
	{
		values[i] = PG_GETARG_DATUM(i);
		nulls[i] = PG_ARGISNULL(i);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}
