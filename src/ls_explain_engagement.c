/*
 * ls_explain_engagement.c: explain_engagement(state, as_of, since): where
 * engagement and intent come from.
 */
#include "postgres.h"

#include "ls_compat.h"
#include "ls_engagement.h"
#include "ls_points.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(ls_sql_explain_engagement);

/* LsExplainedRule: what is said of a rule. */
typedef struct LsExplainedRule
{
	LsTally tally;
	int64 next_us;
} LsExplainedRule;

static const char *
dimension_name(bool is_intent)
{
	return is_intent ? "intent" : "engagement";
}

/* put_moment: a timestamp, null where there is none. */
static void
put_moment(Datum *value, bool *is_null, int64 us)
{
	*is_null = !IS_VALID_TIMESTAMP(us);
	*value = TimestampTzGetDatum(us);
}

static void
put_rule(ReturnSetInfo *result,
		 const LsBehaviour *rule,
		 const LsExplainedRule *explained)
{
	static const char *const kinds[] = {"each",
										"count",
										"inactive",
										"sequence",
										"streak"};
	const LsEngagementRow *row = rule->row;
	Datum values[9] = {0};
	bool nulls[9] = {false};

	values[0] = CStringGetTextDatum(dimension_name(row->is_intent));
	values[1] = CStringGetTextDatum(row->name);
	nulls[2] = row->group_name == NULL;
	if (row->group_name != NULL)
		values[2] = CStringGetTextDatum(row->group_name);
	values[3] = CStringGetTextDatum(kinds[row->kind]);
	values[4] = Int64GetDatum(explained->tally.occurrences);
	put_moment(&values[5], &nulls[5], explained->tally.last_us);
	values[6] = Float8GetDatum(explained->tally.points);
	values[7] = values[6];
	put_moment(&values[8], &nulls[8], explained->next_us);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* put_limit: what a limit added or took, so that the rows add up. */
static double
put_limit(ReturnSetInfo *result,
		  bool is_intent,
		  const char *rule,
		  const char *group,
		  double sum,
		  LsLimits limits)
{
	double clamped = ls_points_clamp(sum, limits);
	Datum values[9] = {0};
	bool nulls[9] = {false, false, group == NULL, true, true, true, true, false, true};

	if (clamped == sum)
		return sum;
	values[0] = CStringGetTextDatum(dimension_name(is_intent));
	values[1] = CStringGetTextDatum(rule);
	if (group != NULL)
		values[2] = CStringGetTextDatum(group);
	values[7] = Float8GetDatum(clamped - sum);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	return clamped;
}

static void
put_limits(ReturnSetInfo *result, const LsEngagement *engagement, bool is_intent)
{
	const LsModel *model = engagement->model;
	double sum = engagement->sums[0];
	ListCell *cell;

	foreach(cell, model->groups)
	{
		const LsGroupRow *group = lfirst(cell);
		int slot = foreach_current_index(cell) + 1;

		sum += put_limit(result,
						 is_intent,
						 psprintf("(limits of group %s)", group->name),
						 group->name,
						 engagement->sums[slot],
						 engagement->limits[is_intent][slot]);
	}
	(void) put_limit(result,
					 is_intent,
					 psprintf("(limits of %s)", dimension_name(is_intent)),
					 NULL,
					 sum,
					 is_intent ? model->row->intent : model->row->engagement);
}

static LsExplainedRule *
explain_rules(LsEngagement *engagement,
			  const LsState *state,
			  TimestampTz as_of,
			  TimestampTz since)
{
	static const LsSection empty = {.unless_us = PG_INT64_MIN};
	LsExplainedRule *explained =
		palloc0(sizeof(LsExplainedRule) * (engagement->nrules + 1));
	LsMoment moment;

	ls_engagement_open(engagement, state, &moment, as_of, since);
	for (int i = 0; i < engagement->nrules; i++)
	{
		const LsBehaviour *rule = &engagement->rules[i];
		const LsSection *section =
			rule->track < 0 ? &empty : &engagement->sections[rule->track];

		ls_engagement_tally(engagement, rule, &moment, &explained[i].tally);
		explained[i].next_us = ls_timing_next(&rule->timing, section, &moment);
	}
	ls_engagement_close(engagement);
	return explained;
}

static void
put_dimension(ReturnSetInfo *result,
			  LsEngagement *engagement,
			  const LsExplainedRule *explained,
			  bool is_intent)
{
	memset(engagement->sums, 0, sizeof(double) * engagement->model->nslots);
	for (int i = 0; i < engagement->nrules; i++)
	{
		const LsBehaviour *rule = &engagement->rules[i];

		if (rule->row->is_intent != is_intent)
			continue;
		engagement->sums[rule->slot] += explained[i].tally.points;
		put_rule(result, rule, &explained[i]);
	}
	put_limits(result, engagement, is_intent);
}

/*
 * explain_engagement(state engagement, as_of timestamptz, since timestamptz)
 * -> setof (dimension, rule, group_name, kind, occurrences, last_match, points,
 *    counted, next_change)
 */
Datum
ls_sql_explain_engagement(PG_FUNCTION_ARGS)
{
	const LsState *state;
	LsEngagement *engagement;
	const LsExplainedRule *explained;
	TimestampTz as_of;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	state = PG_GETARG_ENGAGEMENT(0);
	as_of = PG_GETARG_TIMESTAMPTZ(1);
	engagement = ls_engagement_of_state(fcinfo, state);
	ls_engagement_check_moment(state, engagement, as_of);
	explained = explain_rules(engagement,
							  state,
							  as_of,
							  PG_ARGISNULL(2) ? DT_NOBEGIN : PG_GETARG_TIMESTAMPTZ(2));
	put_dimension((ReturnSetInfo *) fcinfo->resultinfo, engagement, explained, false);
	put_dimension((ReturnSetInfo *) fcinfo->resultinfo, engagement, explained, true);
	return (Datum) 0;
}
