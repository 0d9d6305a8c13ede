/*
 * ls_catalog_row.h: rows of the configuration tables, taken apart.
 */
#ifndef LS_CATALOG_ROW_H
#define LS_CATALOG_ROW_H

#include "postgres.h"

#include "access/tupdesc.h"

#include "ls_catalog.h"

/* LsRow: a row taken apart; columns are found by name. */
typedef struct LsRow
{
	TupleDesc desc;
	Datum *values;
	bool *nulls;
} LsRow;

typedef void *(*LsRowReader)(const LsRow *row);

extern List *ls_row_read_all(const char *table,
							 const char *index,
							 const char *model,
							 LsRowReader reader);
extern int ls_row_column(const LsRow *row, const char *column);
extern char *ls_row_text(const LsRow *row, const char *column);
extern double ls_row_double(const LsRow *row, const char *column, double if_null);
extern LsLimits ls_row_limits(const LsRow *row,
							  const char *min_column,
							  const char *max_column);
extern bool ls_row_bool(const LsRow *row, const char *column);
extern int ls_row_int(const LsRow *row, const char *column);
extern int64 ls_row_interval_us(const LsRow *row, const char *column);
extern TimestampTz ls_row_moment(const LsRow *row,
								 const char *column,
								 TimestampTz if_null);
extern List *ls_row_texts(const LsRow *row, const char *column);

#endif /* LS_CATALOG_ROW_H */
