/*
 * ls_compare.c: conditions of transitions as SQL, for compare().
 */
#include "postgres.h"

#include "ls_compat.h"
#include "ls_cond.h"
#include "ls_error.h"
#include "ls_model_cache.h"
#include "ls_relation.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(ls_sql_score_condition_sql);

/* The relations of a condition on scores, by place. */
#define SCORE 1
#define CONTACT 2

/* is_lasting: it looks at what only a contact's own history tells, or a lookup. */
static bool
is_lasting(const Var *var, Oid score)
{
	const char *column;

	if (var->varno != SCORE)
		return var->varno != CONTACT;
	column = get_attname(score, var->varattno, false);
	return strcmp(column, "stage_age") == 0 || strcmp(column, "milestones") == 0;
}

/*
 * score_condition_sql(model text, condition text) -> text: over "score", "contact"
 * and "moment"; NULL where scores and columns alone do not decide it.
 */
Datum
ls_sql_score_condition_sql(PG_FUNCTION_ARGS)
{
	LsModelRow *row = ls_relation_readable_row(PG_GETARG_TEXT_PP(0));
	Oid contacts = ls_relation_of_model(row, false);
	LsCondScope *scope = ls_model_score_scope(row, contacts);
	LsPlace place = {.kind = "transition",
					 .model = row->name,
					 .text = text_to_cstring(PG_GETARG_TEXT_PP(1))};
	LsCond *cond;
	ListCell *cell;

	ls_error_push_place(&place);
	cond = ls_cond_read(scope, place.text, BOOLOID);
	ls_error_pop_place(&place);
	foreach(cell, pull_var_clause(cond->expr, 0))
		if (is_lasting(lfirst(cell),
					   ((LsCondRelation *) linitial(scope->relations))->relid))
			PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(ls_cond_deparse(cond->expr, scope, true)));
}
