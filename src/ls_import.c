/*
 * ls_import.c: import_rows: runs what import_steps() writes, so that errors name
 * the path in the document; and the first step of a clone's life.
 */
#include "postgres.h"

#include "ls_catalog.h"
#include "ls_compat.h"
#include "ls_config.h"
#include "ls_relation.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(ls_sql_import_rows);
PG_FUNCTION_INFO_V1(ls_sql_make_shadow);

static void
describe_path(void *path)
{
	errcontext("%s of the document", (const char *) path);
}

static void
run_step(HeapTuple step, TupleDesc desc)
{
	char *path = SPI_getvalue(step, desc, 1);
	char *command = SPI_getvalue(step, desc, 2);
	Oid types[1] = {JSONBOID};
	bool is_null;
	Datum values[1] = {SPI_getbinval(step, desc, 3, &is_null)};
	char nulls[2] = {is_null ? 'n' : ' ', '\0'};
	ErrorContextCallback place = {error_context_stack, describe_path, path};

	error_context_stack = &place;
	if (SPI_execute_with_args(command, 1, types, values, nulls, false, 0) < 0)
		elog(ERROR, "step of an import failed: %s", command);
	error_context_stack = place.previous;
}

/*
 * import_rows(document jsonb): check a model's document, then write its rows.
 */
Datum
ls_sql_import_rows(PG_FUNCTION_ARGS)
{
	Oid types[1] = {JSONBOID};
	Datum values[1] = {PG_GETARG_DATUM(0)};
	SPITupleTable *steps;

	SPI_connect();
	if (SPI_execute_with_args("SELECT lead_scoring.check_document($1)",
							  1,
							  types,
							  values,
							  NULL,
							  true,
							  0) != SPI_OK_SELECT ||
		SPI_execute_with_args("SELECT path, command, contents"
							  " FROM lead_scoring.import_steps($1)",
							  1,
							  types,
							  values,
							  NULL,
							  false,
							  0) != SPI_OK_SELECT)
		elog(ERROR, "import_steps failed");
	steps = SPI_tuptable;
	for (uint64 i = 0; i < steps->numvals; i++)
		run_step(steps->vals[i], steps->tupdesc);
	SPI_finish();
	PG_RETURN_VOID();
}

static void
check_can_be_shadow(const LsModelRow *row)
{
	if (!ls_relation_may_change_model(row, GetUserId()))
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("permission denied for model \"%s\"", row->name),
				errhint("Ask the owner of the contacts, or become a member of its role."));
	if (strcmp(row->status, "draft") != 0 || row->objects_schema != NULL)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("model \"%s\" was active already", row->name),
				errhint("Make a shadow of it with lead_scoring.clone_model()."));
}

/*
 * make_shadow(model text): a draft that was never active will score, but write no
 * stage and fire no action.
 */
Datum
ls_sql_make_shadow(PG_FUNCTION_ARGS)
{
	LsModelRow *row = ls_catalog_model(text_to_cstring(PG_GETARG_TEXT_PP(0)), false);
	Oid types[1] = {TEXTOID};
	Datum values[1] = {CStringGetTextDatum(row->name)};

	check_can_be_shadow(row);
	ls_config_by_function = true;
	PG_TRY();
	{
		SPI_connect();
		if (SPI_execute_with_args("UPDATE lead_scoring.model SET status = 'shadow'"
								  " WHERE name OPERATOR(pg_catalog.=) $1",
								  1,
								  types,
								  values,
								  NULL,
								  false,
								  0) != SPI_OK_UPDATE)
			elog(ERROR, "could not update the model");
		SPI_finish();
	}
	PG_FINALLY();
	{
		ls_config_by_function = false;
	}
	PG_END_TRY();
	PG_RETURN_VOID();
}
