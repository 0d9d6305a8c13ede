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
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(ls_sql_rule_problems);
PG_FUNCTION_INFO_V1(ls_sql_upkeep_problem);

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
