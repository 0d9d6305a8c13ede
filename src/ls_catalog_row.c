/*
 * ls_catalog_row.c: rows of the configuration tables, read with the catalog
 * snapshot and taken apart.
 */
#include "ls_catalog_row.h"

#include "ls_compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

/*
 * ls_catalog_schema: schema lead_scoring.
 */
Oid
ls_catalog_schema(void)
{
	Oid schema = get_namespace_oid("lead_scoring", true);

	if (!OidIsValid(schema))
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_SCHEMA),
				errmsg("extension \"lead_scoring\" is not installed in this database"),
				errhint("Run CREATE EXTENSION lead_scoring."));
	return schema;
}

/*
 * ls_catalog_relid: a table or index of schema lead_scoring.
 */
Oid
ls_catalog_relid(const char *table)
{
	Oid relid = get_relname_relid(table, ls_catalog_schema());

	if (!OidIsValid(relid))
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("relation \"lead_scoring.%s\" does not exist", table),
				errhint("The library and the installed extension differ in version: run "
						"ALTER EXTENSION lead_scoring UPDATE."));
	return relid;
}

int
ls_row_column(const LsRow *row, const char *column)
{
	for (int i = 0; i < row->desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(row->desc, i);

		if (!att->attisdropped && strcmp(NameStr(att->attname), column) == 0)
			return i;
	}
	ereport(ERROR,
			errcode(ERRCODE_UNDEFINED_COLUMN),
			errmsg("the configuration of lead_scoring has no column \"%s\"", column),
			errhint("The library and the installed extension differ in version: run ALTER "
					"EXTENSION lead_scoring UPDATE."));
	return -1;
}

/* ls_row_text: of a column of type text or name. */
char *
ls_row_text(const LsRow *row, const char *column)
{
	int i = ls_row_column(row, column);

	if (row->nulls[i])
		return NULL;
	if (TupleDescAttr(row->desc, i)->atttypid == NAMEOID)
		return pstrdup(NameStr(*DatumGetName(row->values[i])));
	return TextDatumGetCString(row->values[i]);
}

double
ls_row_double(const LsRow *row, const char *column, double if_null)
{
	int i = ls_row_column(row, column);

	return row->nulls[i] ? if_null : DatumGetFloat8(row->values[i]);
}

LsLimits
ls_row_limits(const LsRow *row, const char *min_column, const char *max_column)
{
	LsLimits limits;

	limits.min = ls_row_double(row, min_column, -INFINITY);
	limits.max = ls_row_double(row, max_column, INFINITY);
	return limits;
}

bool
ls_row_bool(const LsRow *row, const char *column)
{
	int i = ls_row_column(row, column);

	return !row->nulls[i] && DatumGetBool(row->values[i]);
}

/*
 * ls_catalog_interval_us: an interval as a number of microseconds, a month being
 * 30 days; the largest there is where it does not fit.
 */
int64
ls_catalog_interval_us(const Interval *interval)
{
	int64 days = (int64) interval->month * DAYS_PER_MONTH + interval->day;
	int64 us;

	if (pg_mul_s64_overflow(days, USECS_PER_DAY, &us) ||
		pg_add_s64_overflow(us, interval->time, &us))
		return PG_INT64_MAX;
	return us;
}

int64
ls_row_interval_us(const LsRow *row, const char *column)
{
	int i = ls_row_column(row, column);

	return row->nulls[i] ? 0
						 : ls_catalog_interval_us(DatumGetIntervalP(row->values[i]));
}

int
ls_row_int(const LsRow *row, const char *column)
{
	int i = ls_row_column(row, column);

	return row->nulls[i] ? -1 : DatumGetInt32(row->values[i]);
}

TimestampTz
ls_row_moment(const LsRow *row, const char *column, TimestampTz if_null)
{
	int i = ls_row_column(row, column);

	return row->nulls[i] ? if_null : DatumGetTimestampTz(row->values[i]);
}

/* ls_row_texts: of a text[] column; nulls in it are left out. */
List *
ls_row_texts(const LsRow *row, const char *column)
{
	int i = ls_row_column(row, column);
	List *texts = NIL;
	Datum *values;
	bool *nulls;
	int n;

	if (row->nulls[i])
		return NIL;
	deconstruct_array(DatumGetArrayTypeP(row->values[i]),
					  TEXTOID,
					  -1,
					  false,
					  TYPALIGN_INT,
					  &values,
					  &nulls,
					  &n);
	for (int j = 0; j < n; j++)
		if (!nulls[j])
			texts = lappend(texts, TextDatumGetCString(values[j]));
	return texts;
}

/*
 * ls_row_read_all: the rows whose first key column is `model`, in the index's order.
 */
List *
ls_row_read_all(const char *table,
				const char *index,
				const char *model,
				LsRowReader reader)
{
	Relation rel = table_open(ls_catalog_relid(table), AccessShareLock);
	List *rows = NIL;
	LsRow row;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	AttrNumber attno = get_attnum(RelationGetRelid(rel),
								  strcmp(table, "model") == 0 ? "name" : "model");

	ScanKeyInit(&key,
				attno,
				BTEqualStrategyNumber,
				F_TEXTEQ,
				CStringGetTextDatum(model));
	row.desc = RelationGetDescr(rel);
	row.values = palloc(sizeof(Datum) * row.desc->natts);
	row.nulls = palloc(sizeof(bool) * row.desc->natts);
	scan = systable_beginscan(rel, ls_catalog_relid(index), true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		heap_deform_tuple(tuple, row.desc, row.values, row.nulls);
		rows = lappend(rows, reader(&row));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return rows;
}
