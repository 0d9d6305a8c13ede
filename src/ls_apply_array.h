/*
 * ls_apply_array.h: arrays for statements on many rows, one element for each.
 */
#ifndef LS_APPLY_ARRAY_H
#define LS_APPLY_ARRAY_H

#include "postgres.h"

/* LsArray: an array in the making. */
typedef struct LsArray
{
	Oid type; /* of an element */
	int n;
	Datum *values;
	bool *nulls;
} LsArray;

extern LsArray ls_array_begin(Oid type, int n);
extern void ls_array_add(LsArray *array, Datum value, bool is_null);
extern void ls_array_add_text(LsArray *array, const char *text);
extern void ls_array_add_moment(LsArray *array, int64 moment, int64 if_null);
extern void ls_array_add_points(LsArray *array, double points);
extern Datum ls_array_end(LsArray *array);
extern void ls_array_parameters(LsArray *arrays, int n, Oid *types, Datum *values);

#endif /* LS_APPLY_ARRAY_H */
