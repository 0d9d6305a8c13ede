/*
 * ls_match_arguments.c: rows that come as arguments of a call: the names of their
 * columns in an array, then the values.
 */
#include "ls_match.h"

#include "ls_compat.h"

#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/expandeddatum.h"

/* read_names: of a constant array; their number, 0 where it is none such. */
static int
read_names(const Node *array, Datum **names)
{
	const Const *value = (const Const *) array;
	bool *nulls;
	int n;

	if (array == NULL || !IsA(array, Const) || value->constisnull ||
		value->consttype != TEXTARRAYOID)
		return 0;
	deconstruct_array(DatumGetArrayTypeP(value->constvalue),
					  TEXTOID,
					  -1,
					  false,
					  TYPALIGN_INT,
					  names,
					  &nulls,
					  &n);
	for (int i = 0; i < n; i++)
		if (nulls[i])
			return 0;
	return n;
}

/*
 * ls_match_describe_arguments: the row that the arguments make, by their names and
 * types; NULL where there is not a constant name for each.
 */
TupleDesc
ls_match_describe_arguments(const Node *array, List *arguments)
{
	Datum *names;
	int n = read_names(array, &names);
	TupleDesc desc;
	ListCell *cell;

	if (n == 0 || n != list_length(arguments))
		return NULL;
	desc = CreateTemplateTupleDesc(n);
	foreach(cell, arguments)
	{
		int i = foreach_current_index(cell);

		TupleDescInitEntry(desc,
						   i + 1,
						   TextDatumGetCString(names[i]),
						   exprType(lfirst(cell)),
						   -1,
						   0);
	}
	return desc;
}

/* ls_match_are_columns: is none of them computed? */
bool
ls_match_are_columns(List *arguments)
{
	ListCell *cell;

	foreach(cell, arguments)
		if (!IsA(lfirst(cell), Var))
			return false;
	return true;
}

/*
 * ls_match_protect_values: what was computed may be an object that its reader may
 * change, but all conditions read the same one.
 */
void
ls_match_protect_values(TupleDesc desc, NullableDatum *values)
{
	for (int i = 0; i < desc->natts; i++)
		values[i].value = MakeExpandedObjectReadOnly(values[i].value,
													 values[i].isnull,
													 TupleDescAttr(desc, i)->attlen);
}
