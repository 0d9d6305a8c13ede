/*
 * ls_engagement_agg.c: the aggregates engagement_agg(event, model [, source
 * [, as_of]]) and rollup(state), and merge(a, b).
 */
#include "ls_engagement.h"

#include "ls_compat.h"
#include "ls_fit.h"
#include "ls_guc.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(ls_sql_engagement_accumulate);
PG_FUNCTION_INFO_V1(ls_sql_engagement_combine);
PG_FUNCTION_INFO_V1(ls_sql_engagement_serialize);
PG_FUNCTION_INFO_V1(ls_sql_engagement_deserialize);
PG_FUNCTION_INFO_V1(ls_sql_engagement_finish);
PG_FUNCTION_INFO_V1(ls_sql_rollup_accumulate);
PG_FUNCTION_INFO_V1(ls_sql_merge);
PG_FUNCTION_INFO_V1(ls_sql_engagement_empty);

/*
 * LsAggCall: what one place in a query needs, kept from row to row. Rules that
 * change meanwhile do not: all states of a query are made by the same.
 */
typedef struct LsAggCall
{
	LsEngagement *engagement;
	LsEventReader reader;
	Oid type;
	int32 typmod;
	TimestampTz default_as_of;
	text *model;
	text *source;		   /* or NULL */
	MemoryContext context; /* of all that belongs to the model; emptied with it */
} LsAggCall;

static bool
same_text(const text *a, const text *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return VARSIZE_ANY(a) == VARSIZE_ANY(b) && memcmp(a, b, VARSIZE_ANY(a)) == 0;
}

static text *
keep_text(const text *value, MemoryContext context)
{
	text *copy;

	if (value == NULL)
		return NULL;
	copy = MemoryContextAlloc(context, VARSIZE_ANY(value));
	memcpy(copy, value, VARSIZE_ANY(value));
	return copy;
}

static MemoryContext
aggregate_context(FunctionCallInfo fcinfo)
{
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		ereport(ERROR,
				errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("this function is a part of an aggregate"),
				errhint("Call lead_scoring.engagement_agg() or "
						"lead_scoring.rollup()."));
	return context;
}

static LsAggCall *
new_call(FunctionCallInfo fcinfo)
{
	MemoryContext context = fcinfo->flinfo->fn_mcxt;
	LsAggCall *call = MemoryContextAllocZero(context, sizeof(LsAggCall));

	call->context =
		AllocSetContextCreate(context, "lead_scoring aggregate", ALLOCSET_SMALL_SIZES);
	fcinfo->flinfo->fn_extra = call;
	return call;
}

/* bind_model: rows may come of several models in turn. */
static LsAggCall *
bind_model(FunctionCallInfo fcinfo, text *model, text *source)
{
	LsAggCall *call = fcinfo->flinfo->fn_extra;
	LsModel *compiled = ls_fit_readable_model(model);

	if (call == NULL)
		call = new_call(fcinfo);
	/* Should an error come now, nothing of the model before is used again. */
	call->model = call->source = NULL;
	call->type = InvalidOid;
	MemoryContextReset(call->context);
	call->engagement = ls_engagement_get(compiled);
	call->reader.source =
		ls_engagement_source(compiled, source == NULL ? NULL : text_to_cstring(source));
	call->default_as_of = ls_guc_as_of();
	call->source = keep_text(source, call->context);
	call->model = keep_text(model, call->context);
	return call;
}

static void
bind_row_type(LsAggCall *call, HeapTupleHeader event)
{
	MemoryContext old = MemoryContextSwitchTo(call->context);
	LsEventSource *source = call->reader.source;

	call->reader.map = ls_fit_map(source->matcher, event);
	if (source->gate != NULL)
		call->reader.gate = ls_fit_map(source->gate, event);
	call->type = HeapTupleHeaderGetTypeId(event);
	call->typmod = HeapTupleHeaderGetTypMod(event);
	MemoryContextSwitchTo(old);
}

static inline LsAggCall *
get_call(FunctionCallInfo fcinfo)
{
	LsAggCall *call = fcinfo->flinfo->fn_extra;
	text *model;
	text *source = NULL;

	if (PG_ARGISNULL(2))
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("the model must not be null"),
				errhint("Call engagement_agg(event, 'model')."));
	model = PG_GETARG_TEXT_PP(2);
	if (PG_NARGS() > 3 && !PG_ARGISNULL(3))
		source = PG_GETARG_TEXT_PP(3);
	if (unlikely(call == NULL || !same_text(call->model, model) ||
				 !same_text(call->source, source)))
		call = bind_model(fcinfo, model, source);
	return call;
}

static TimestampTz
get_as_of(FunctionCallInfo fcinfo, const LsAggCall *call)
{
	TimestampTz as_of;

	if (PG_NARGS() <= 4)
		return call->default_as_of;
	if (PG_ARGISNULL(4))
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("as_of must not be null"),
				errhint("Leave it out for lead_scoring.as_of()."));
	as_of = PG_GETARG_TIMESTAMPTZ(4);
	if (TIMESTAMP_NOT_FINITE(as_of))
		ereport(ERROR,
				errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				errmsg("as_of must be finite"),
				errhint("Give the moment of scoring."));
	return as_of;
}

static void
check_same(const LsAccumulator *acc, const LsAggCall *call, TimestampTz as_of)
{
	if (acc->engagement != call->engagement || acc->as_of_us != as_of)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("model and as_of must be the same for all events of a state"),
				errhint("GROUP BY them too, or merge the states of several sources with "
						"lead_scoring.merge()."));
}

static int64
get_since(FunctionCallInfo fcinfo)
{
	if (PG_NARGS() <= 5 || PG_ARGISNULL(5))
		return DT_NOBEGIN;
	return PG_GETARG_TIMESTAMPTZ(5);
}

/*
 * engagement_accumulate(internal, event record, model text [, source text
 * [, as_of timestamptz [, since timestamptz]]]) -> internal: transition function
 */
Datum
ls_sql_engagement_accumulate(PG_FUNCTION_ARGS)
{
	MemoryContext context = aggregate_context(fcinfo);
	LsAccumulator *acc =
		PG_ARGISNULL(0) ? NULL : (LsAccumulator *) PG_GETARG_POINTER(0);
	LsAggCall *call = get_call(fcinfo);
	TimestampTz as_of = get_as_of(fcinfo, call);
	HeapTupleHeader event;
	HeapTupleData tuple;

	if (acc == NULL)
		acc = ls_accumulator_new(call->engagement, as_of, context);
	else
		check_same(acc, call, as_of);
	if (PG_ARGISNULL(1))
		PG_RETURN_POINTER(acc);
	event = PG_GETARG_HEAPTUPLEHEADER(1);
	if (unlikely(call->type != HeapTupleHeaderGetTypeId(event) ||
				 call->typmod != HeapTupleHeaderGetTypMod(event)))
		bind_row_type(call, event);
	tuple = ls_fit_tuple(event);
	acc->since_us = get_since(fcinfo);
	ls_accumulator_add(acc, &call->reader, &tuple);
	PG_RETURN_POINTER(acc);
}

/*
 * engagement_combine(internal, internal) -> internal
 */
Datum
ls_sql_engagement_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = aggregate_context(fcinfo);
	LsAccumulator *a = PG_ARGISNULL(0) ? NULL : (LsAccumulator *) PG_GETARG_POINTER(0);
	LsAccumulator *b = PG_ARGISNULL(1) ? NULL : (LsAccumulator *) PG_GETARG_POINTER(1);

	if (b == NULL)
	{
		if (a == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(a);
	}
	if (a == NULL)
		a = ls_accumulator_new(b->engagement, b->as_of_us, context);
	if (a->engagement->fingerprint != b->engagement->fingerprint)
		ls_accumulator_refuse_change(a);
	ls_accumulator_join(a, b);
	PG_RETURN_POINTER(a);
}

/*
 * engagement_serialize(internal) -> bytea: for another process of the query
 */
Datum
ls_sql_engagement_serialize(PG_FUNCTION_ARGS)
{
	(void) aggregate_context(fcinfo);
	PG_RETURN_BYTEA_P(ls_accumulator_send((LsAccumulator *) PG_GETARG_POINTER(0)));
}

/*
 * engagement_deserialize(bytea, internal) -> internal
 */
Datum
ls_sql_engagement_deserialize(PG_FUNCTION_ARGS)
{
	(void) aggregate_context(fcinfo);
	PG_RETURN_POINTER(ls_accumulator_receive(fcinfo, PG_GETARG_BYTEA_PP(0)));
}

/*
 * engagement_finish(internal) -> engagement
 */
Datum
ls_sql_engagement_finish(PG_FUNCTION_ARGS)
{
	(void) aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_POINTER(ls_accumulator_state((LsAccumulator *) PG_GETARG_POINTER(0)));
}

/*
 * rollup_accumulate(internal, engagement) -> internal: transition function
 */
Datum
ls_sql_rollup_accumulate(PG_FUNCTION_ARGS)
{
	MemoryContext context = aggregate_context(fcinfo);
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
	else if (acc->engagement->fingerprint != engagement->fingerprint)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("states of models \"%s\" and \"%s\" cannot be merged",
					   acc->engagement->model->row->name,
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
