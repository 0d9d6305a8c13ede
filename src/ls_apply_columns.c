/*
 * ls_apply_columns.c: the columns of <model>_score that we read or write.
 */
#include "ls_apply_row.h"

#include "ls_compat.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

const char *const ls_score_column_names[LS_SCORE_COLUMNS] = {"fit",
															 "engagement",
															 "intent",
															 "total",
															 "band",
															 "band_rank",
															 "grade",
															 "engagement_state",
															 "last_activity",
															 "due_at",
															 "stamp",
															 "problem",
															 "since",
															 "stage",
															 "stage_since",
															 "by_hand",
															 "memory",
															 "scored_at",
															 "contact_id"};

static Oid
state_type(void)
{
	return GetSysCacheOid2(TYPENAMENSP,
						   Anum_pg_type_oid,
						   CStringGetDatum("engagement"),
						   ObjectIdGetDatum(ls_catalog_schema()));
}

/*
 * ls_score_types: of the columns.
 */
void
ls_score_types(const LsObjects *objects, Oid *types)
{
	const Oid all[LS_SCORE_COLUMNS] = {FLOAT8OID,
									   FLOAT8OID,
									   FLOAT8OID,
									   FLOAT8OID,
									   TEXTOID,
									   INT2OID,
									   TEXTOID,
									   state_type(),
									   TIMESTAMPTZOID,
									   TIMESTAMPTZOID,
									   INT8OID,
									   TEXTOID,
									   TIMESTAMPTZOID,
									   TEXTOID,
									   TIMESTAMPTZOID,
									   BOOLOID,
									   TEXTOID,
									   TIMESTAMPTZOID,
									   objects->key_type};

	memcpy(types, all, sizeof(all));
}

static AttrNumber
find_name(TupleDesc desc, const char *name)
{
	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped &&
			strcmp(NameStr(TupleDescAttr(desc, i)->attname), name) == 0)
			return i + 1;
	return InvalidAttrNumber;
}

/* find_column: of a type as it was made; but that of the key may have become another.
 */
static AttrNumber
find_column(const LsObjects *objects, TupleDesc desc, LsScoreColumn column, Oid type)
{
	AttrNumber attno = find_name(desc, ls_score_column_names[column]);

	if (attno == InvalidAttrNumber)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_COLUMN),
				errmsg("table %s has no column \"%s\"",
					   objects->score,
					   ls_score_column_names[column]),
				errhint("Call lead_scoring.activate(%s) again.",
						quote_literal_cstr(objects->model)));
	if (TupleDescAttr(desc, attno - 1)->atttypid != type &&
		column != LS_SCORE_CONTACT_ID)
		ereport(ERROR,
				errcode(ERRCODE_DATATYPE_MISMATCH),
				errmsg("column \"%s\" of table %s has another type than it was made with",
					   ls_score_column_names[column],
					   objects->score),
				errhint("Make its type %s again.", format_type_be(type)));
	return attno;
}

/*
 * ls_score_find_columns: where they are in the table.
 *
 * Errors: 42703, 42804 where they are not as they were made.
 */
void
ls_score_find_columns(const LsObjects *objects, TupleDesc desc, AttrNumber *columns)
{
	Oid types[LS_SCORE_COLUMNS];

	ls_score_types(objects, types);
	for (int i = 0; i < LS_SCORE_COLUMNS; i++)
		columns[i] = find_column(objects, desc, i, types[i]);
}
