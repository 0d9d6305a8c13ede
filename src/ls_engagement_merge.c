/*
 * ls_engagement_merge.c: what becomes of accumulators: joined, sent to another
 * process, made into states; rollup(state) and merge(a, b); engagement_empty.
 */
#include "ls_engagement.h"

#include "ls_compat.h"
#include "ls_fit.h"
#include "ls_guc.h"

#include "fmgr.h"

PG_FUNCTION_INFO_V1(ls_sql_engagement_combine);
PG_FUNCTION_INFO_V1(ls_sql_engagement_serialize);
PG_FUNCTION_INFO_V1(ls_sql_engagement_deserialize);
PG_FUNCTION_INFO_V1(ls_sql_engagement_finish);
PG_FUNCTION_INFO_V1(ls_sql_rollup_accumulate);
PG_FUNCTION_INFO_V1(ls_sql_merge);
PG_FUNCTION_INFO_V1(ls_sql_engagement_empty);

/* get_nursery: of a place in a query. */
static LsNursery *
get_nursery(FunctionCallInfo fcinfo)
{
	if (fcinfo->flinfo->fn_extra == NULL)
		fcinfo->flinfo->fn_extra =
			MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(LsNursery));
	return fcinfo->flinfo->fn_extra;
}

/*
 * engagement_combine(internal, internal) -> internal
 */
Datum
ls_sql_engagement_combine(PG_FUNCTION_ARGS)
{
	LsAccumulator *a = PG_ARGISNULL(0) ? NULL : (LsAccumulator *) PG_GETARG_POINTER(0);
	LsAccumulator *b = PG_ARGISNULL(1) ? NULL : (LsAccumulator *) PG_GETARG_POINTER(1);

	(void) ls_aggregate_context(fcinfo);
	if (b == NULL)
	{
		if (a == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(a);
	}
	if (a == NULL)
		a = ls_nursery_get(get_nursery(fcinfo), fcinfo, b->frame);
	if (a->frame->engagement->fingerprint != b->frame->engagement->fingerprint)
		ls_engagement_refuse_change(a->frame->engagement);
	ls_nursery_settle(b);
	ls_accumulator_join(a, b);
	PG_RETURN_POINTER(a);
}

/*
 * engagement_serialize(internal) -> bytea: for another process of the query
 */
Datum
ls_sql_engagement_serialize(PG_FUNCTION_ARGS)
{
	LsAccumulator *acc = (LsAccumulator *) PG_GETARG_POINTER(0);

	(void) ls_aggregate_context(fcinfo);
	ls_nursery_settle(acc);
	PG_RETURN_BYTEA_P(ls_accumulator_send(acc));
}

/*
 * engagement_deserialize(bytea, internal) -> internal
 */
Datum
ls_sql_engagement_deserialize(PG_FUNCTION_ARGS)
{
	(void) ls_aggregate_context(fcinfo);
	PG_RETURN_POINTER(ls_accumulator_receive(fcinfo, PG_GETARG_BYTEA_PP(0)));
}

/*
 * engagement_finish(internal) -> engagement
 */
Datum
ls_sql_engagement_finish(PG_FUNCTION_ARGS)
{
	LsAccumulator *acc;

	(void) ls_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	acc = (LsAccumulator *) PG_GETARG_POINTER(0);
	ls_nursery_settle(acc);
	PG_RETURN_POINTER(ls_accumulator_state(acc));
}

/*
 * rollup_accumulate(internal, engagement) -> internal: transition function
 */
Datum
ls_sql_rollup_accumulate(PG_FUNCTION_ARGS)
{
	MemoryContext context = ls_aggregate_context(fcinfo);
	LsAccumulator *acc =
		PG_ARGISNULL(0) ? NULL : (LsAccumulator *) PG_GETARG_POINTER(0);
	const LsState *state;
	LsEngagement *engagement;

	if (PG_ARGISNULL(1))
	{
		if (acc == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(acc);
	}
	state = PG_GETARG_ENGAGEMENT(1);
	engagement = ls_engagement_of_state(fcinfo, state);
	if (acc == NULL)
		acc = ls_accumulator_new(engagement, state->as_of_us, context);
	else if (acc->frame->engagement->fingerprint != engagement->fingerprint)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("states of models \"%s\" and \"%s\" cannot be merged",
					   acc->frame->engagement->model->row->name,
					   engagement->model->row->name),
				errhint("GROUP BY the model too."));
	ls_accumulator_join_state(acc, state);
	PG_RETURN_POINTER(acc);
}

/*
 * merge(a engagement, b engagement) -> engagement; also a || b
 */
Datum
ls_sql_merge(PG_FUNCTION_ARGS)
{
	const LsState *a = PG_GETARG_ENGAGEMENT(0);
	const LsState *b = PG_GETARG_ENGAGEMENT(1);
	LsEngagement *engagement = ls_engagement_of_state(fcinfo, a);
	LsAccumulator *acc;

	if (ls_engagement_of_state(fcinfo, b) != engagement)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("states of models \"%s\" and \"%s\" cannot be merged",
					   ls_state_model_name(a),
					   ls_state_model_name(b)),
				errhint("Merge states of one model."));
	acc = ls_accumulator_new(engagement, a->as_of_us, CurrentMemoryContext);
	ls_accumulator_join_state(acc, a);
	ls_accumulator_join_state(acc, b);
	PG_RETURN_POINTER(ls_accumulator_state(acc));
}

/*
 * engagement_empty(model text) -> engagement: of a contact without events
 */
Datum
ls_sql_engagement_empty(PG_FUNCTION_ARGS)
{
	LsModel *model = ls_fit_readable_model(PG_GETARG_TEXT_PP(0));
	LsAccumulator *acc = ls_accumulator_new(ls_engagement_get(model),
											ls_guc_as_of(),
											CurrentMemoryContext);

	PG_RETURN_POINTER(ls_accumulator_state(acc));
}
