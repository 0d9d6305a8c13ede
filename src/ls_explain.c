/*
 * ls_explain.c: explain_fit: where a fit score comes from.
 */
#include "postgres.h"

#include "ls_compat.h"
#include "ls_contact.h"
#include "ls_fit.h"
#include "ls_guc.h"
#include "ls_points.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(ls_sql_explain_fit);

/* LsExplained: the rules of a model against one contact. */
typedef struct LsExplained
{
	LsModel *model;
	const LsExplainer *explainer;
	bool *matched;	 /* by rule */
	double *by_slot; /* sums before limits */
} LsExplained;

static LsExplained
explain_contact(HeapTupleHeader header, text *name, TimestampTz as_of)
{
	LsContactReader *reader;
	const HeapTuple *rows;
	LsExplained e;
	const int *numbers;
	int n;

	do
	{
		CHECK_FOR_INTERRUPTS();
		e.model = ls_fit_readable_model(name);
		e.explainer = ls_model_explainer(e.model);
		reader = ls_contact_reader(e.model, header, e.explainer->matcher, NULL);
		rows = ls_contact_read(reader, header);
	} while (rows == NULL);
	e.matched = palloc0(sizeof(bool) * (list_length(e.explainer->rules) + 1));
	e.by_slot = palloc0(sizeof(double) * e.model->nslots);
	ls_match_load_rows(e.explainer->matcher,
					   ls_contact_map(reader, e.explainer->matcher),
					   1,
					   rows);
	n = ls_match_list(e.explainer->matcher, as_of, &numbers);
	for (int i = 0; i < n; i++)
	{
		const LsFitRow *rule = list_nth(e.explainer->rules, numbers[i]);

		e.matched[numbers[i]] = true;
		e.by_slot[ls_model_slot_of(rule->group_name, e.explainer->groups)] +=
			rule->points;
	}
	return e;
}

static void
put_row(ReturnSetInfo *result,
		const char *rule,
		const char *group,
		const char *condition,
		const double *points,
		bool matched,
		double counted)
{
	Datum values[6] = {0};
	bool nulls[6] = {false, group == NULL, condition == NULL, points == NULL};

	values[0] = CStringGetTextDatum(rule);
	if (group != NULL)
		values[1] = CStringGetTextDatum(group);
	if (condition != NULL)
		values[2] = CStringGetTextDatum(condition);
	if (points != NULL)
		values[3] = Float8GetDatum(*points);
	values[4] = BoolGetDatum(matched);
	values[5] = Float8GetDatum(counted);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* put_limit: what a limit added or took, so that the rows add up. */
static double
put_limit(ReturnSetInfo *result,
		  const char *rule,
		  const char *group,
		  double sum,
		  LsLimits l)
{
	double clamped = ls_points_clamp(sum, l);

	if (clamped != sum)
		put_row(result, rule, group, NULL, NULL, true, clamped - sum);
	return clamped;
}

static void
put_rules(ReturnSetInfo *result, const LsExplained *e)
{
	ListCell *cell;

	foreach(cell, e->explainer->rules)
	{
		const LsFitRow *rule = lfirst(cell);
		bool matched = e->matched[foreach_current_index(cell)];

		put_row(result,
				rule->name,
				rule->group_name,
				rule->condition,
				&rule->points,
				matched,
				matched ? rule->points : 0);
	}
}

static void
put_limits(ReturnSetInfo *result, const LsExplained *e)
{
	double sum = e->by_slot[0];
	ListCell *cell;

	foreach(cell, e->explainer->groups)
	{
		const LsGroupRow *group = lfirst(cell);
		int slot = foreach_current_index(cell) + 1;

		if (strcmp(group->dimension, "fit") != 0)
			continue;
		sum += put_limit(result,
						 psprintf("(limits of group %s)", group->name),
						 group->name,
						 e->by_slot[slot],
						 group->limits);
	}
	(void) put_limit(result, "(limits of fit)", NULL, sum, e->model->row->fit);
}

/*
 * explain_fit(contact record, model text [, as_of timestamptz])
 * -> setof (rule, group_name, condition, points, matched, counted)
 */
Datum
ls_sql_explain_fit(PG_FUNCTION_ARGS)
{
	TimestampTz as_of = PG_NARGS() > 2 ? PG_GETARG_TIMESTAMPTZ(2) : ls_guc_as_of();
	LsExplained e;

	InitMaterializedSRF(fcinfo, 0);
	e = explain_contact(PG_GETARG_HEAPTUPLEHEADER(0), PG_GETARG_TEXT_PP(1), as_of);
	put_rules((ReturnSetInfo *) fcinfo->resultinfo, &e);
	put_limits((ReturnSetInfo *) fcinfo->resultinfo, &e);
	return (Datum) 0;
}
