/*
 * ls_check_model.c: rule_problems and upkeep_problem: what check_model asks of C.
 */
#include "postgres.h"

#include "ls_attempt.h"
#include "ls_compat.h"
#include "ls_error.h"
#include "ls_objects.h"
#include "ls_relation.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(ls_sql_rule_problems);
PG_FUNCTION_INFO_V1(ls_sql_upkeep_problem);
PG_FUNCTION_INFO_V1(ls_sql_score_problems);
PG_FUNCTION_INFO_V1(ls_sql_verify);

/* LsTrial: a condition that is read to see whether it can be. */
typedef struct LsTrial
{
	const LsCondScope *scope;
	const char *text;
} LsTrial;

static void
read_condition(void *arg)
{
	const LsTrial *trial = arg;

	(void) ls_cond_read(trial->scope, trial->text, BOOLOID);
}

static void
put_problem(ReturnSetInfo *result,
			const LsCondScope *scope,
			const char *kind,
			const char *name,
			const char *condition)
{
	LsTrial trial = {scope, condition};
	ErrorData *error;
	Datum values[4] = {0};
	bool nulls[4] = {false, name == NULL, false, false};

	if (ls_attempt(read_condition, &trial, &error))
		return;
	values[0] = CStringGetTextDatum(kind);
	if (name != NULL)
		values[1] = CStringGetTextDatum(name);
	values[2] = CStringGetTextDatum(error->message);
	nulls[3] = error->hint == NULL;
	if (error->hint != NULL)
		values[3] = CStringGetTextDatum(error->hint);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * rule_problems(model text) -> setof (kind, name, problem, hint): conditions that
 * can no longer be read.
 */
Datum
ls_sql_rule_problems(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	LsModelRow *row;
	LsCondScope *scope;
	ListCell *cell;

	InitMaterializedSRF(fcinfo, 0);
	row = ls_relation_readable_row(PG_GETARG_TEXT_PP(0));
	scope = ls_model_scope(row, ls_relation_of_model(row, false));
	if (row->population != NULL)
		put_problem(result, scope, "population", NULL, row->population);
	foreach(cell, ls_catalog_fit_rules(row->name))
	{
		const LsFitRow *rule = lfirst(cell);

		if (rule->enabled)
			put_problem(result, scope, "fit rule", rule->name, rule->condition);
	}
	return (Datum) 0;
}

/*
 * upkeep_problem(model text) -> text: why scores cannot be written; NULL where
 * they can.
 */
Datum
ls_sql_upkeep_problem(PG_FUNCTION_ARGS)
{
	LsModelRow *row = ls_relation_readable_row(PG_GETARG_TEXT_PP(0));
	const char *problem;

	if (ls_objects_usable(row, ls_relation_of_model(row, false), &problem))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(problem));
}

/*
 * query_as_owner: the rows of a query that lead_scoring.<writer> writes. What it
 * reads belongs to the owner of the contacts, who may have put a view there: so
 * it runs as him, restricted, whoever asks.
 */
static Datum
query_as_owner(FunctionCallInfo fcinfo, const char *writer)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	LsModelRow *row;
	LsGuard guard;
	Oid contacts;

	InitMaterializedSRF(fcinfo, 0);
	row = ls_relation_readable_row(PG_GETARG_TEXT_PP(0));
	contacts = ls_relation_of_model(row, false);
	if (!ls_relation_may_change(contacts, GetUserId()))
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("permission denied for the scores of model \"%s\"", row->name),
				errhint("Only who owns its contacts, or is a member of that role, may "
						"check them."));
	ls_guard_enter(&guard, ls_relation_owner(contacts), LS_SAFE_PATH);
	SPI_connect();
	if (SPI_execute(ls_objects_script(writer, row->name, true), true, 0) !=
		SPI_OK_SELECT)
		elog(ERROR, "query of %s failed", writer);
	for (uint64 i = 0; i < SPI_tuptable->numvals; i++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[i]);
	SPI_finish();
	ls_guard_leave(&guard);
	return (Datum) 0;
}

/*
 * score_problems(model text) -> setof (object, problem)
 */
Datum
ls_sql_score_problems(PG_FUNCTION_ARGS)
{
	return query_as_owner(fcinfo, "score_problems_sql");
}

/*
 * verify(model text) -> setof (contact_id, stored_fit, fit, stored_total, total)
 */
Datum
ls_sql_verify(PG_FUNCTION_ARGS)
{
	return query_as_owner(fcinfo, "verify_sql");
}
