/*
 * ls_apply_array.c: arrays for statements on many rows, one element for each.
 */
#include "ls_apply_array.h"

#include "ls_compat.h"

#include <math.h>

#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/*
 * ls_array_begin: of at most n elements.
 *
 * Memory: the current context.
 */
LsArray
ls_array_begin(Oid type, int n)
{
	LsArray array = {.type = type};

	array.values = palloc(sizeof(Datum) * Max(n, 1));
	array.nulls = palloc(sizeof(bool) * Max(n, 1));
	return array;
}

void
ls_array_add(LsArray *array, Datum value, bool is_null)
{
	array->values[array->n] = is_null ? (Datum) 0 : value;
	array->nulls[array->n++] = is_null;
}

void
ls_array_add_text(LsArray *array, const char *text)
{
	ls_array_add(array,
				 text == NULL ? (Datum) 0 : CStringGetTextDatum(text),
				 text == NULL);
}

void
ls_array_add_moment(LsArray *array, int64 moment, int64 if_null)
{
	ls_array_add(array, TimestampTzGetDatum(moment), moment == if_null);
}

/* ls_array_add_points: NaN is null. */
void
ls_array_add_points(LsArray *array, double points)
{
	ls_array_add(array, Float8GetDatum(points), isnan(points));
}

Datum
ls_array_end(LsArray *array)
{
	int lower = 1;
	int16 typlen;
	bool typbyval;
	char typalign;

	if (array->n == 0)
		return PointerGetDatum(construct_empty_array(array->type));
	get_typlenbyvalalign(array->type, &typlen, &typbyval, &typalign);
	return PointerGetDatum(construct_md_array(array->values,
											  array->nulls,
											  1,
											  &array->n,
											  &lower,
											  array->type,
											  typlen,
											  typbyval,
											  typalign));
}

/*
 * ls_array_parameters: the arrays as the first parameters of a statement.
 */
void
ls_array_parameters(LsArray *arrays, int n, Oid *types, Datum *values)
{
	for (int i = 0; i < n; i++)
	{
		types[i] = get_array_type(arrays[i].type);
		values[i] = ls_array_end(&arrays[i]);
	}
}
