/*
 * ls_engagement_agg.c: how the aggregates engagement_agg(event, model [, source [,
 * as_of]]) take events, as rows and as columns (see ls_engagement_planner.c).
 */
#include "ls_engagement.h"

#include "ls_compat.h"
#include "ls_fit.h"
#include "ls_guc.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "nodes/primnodes.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(ls_sql_engagement_accumulate);
PG_FUNCTION_INFO_V1(ls_sql_engagement_accumulate_columns);
PG_FUNCTION_INFO_V1(ls_sql_engagement_accumulate_columns_at);

/* Arguments: the event, or the names of its columns, comes first. */
#define ARG_EVENT 1
#define ARG_MODEL 2
#define ARG_SOURCE 3
#define ARG_AS_OF 4
#define ARG_SINCE 5

/*
 * LsAggCall: what one place in a query needs, kept from row to row. Rules that
 * change meanwhile do not: all states of a query are made by the same.
 */
typedef struct LsAggCall
{
	LsNursery nursery; /* at the beginning: it looks for its own context */
	LsEngagement *engagement;
	LsEventReader reader;
	bool is_fixed; /* are model and source the same for all rows? */
	bool has_fixed_as_of;
	bool has_as_of; /* an argument of that name? */
	TimestampTz default_as_of;
	TimestampTz as_of; /* of this row */
	text *model;
	text *source; /* or NULL */
	Oid type;	  /* of the row, where it is one argument */
	int32 typmod;
	TupleDesc desc;		   /* of the arguments that make the row, or NULL */
	bool computed;		   /* is one of them more than a column? */
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

/*
 * ls_aggregate_context: where accumulators live.
 *
 * Errors: 0A000 outside an aggregate.
 */
MemoryContext
ls_aggregate_context(FunctionCallInfo fcinfo)
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

/* ---- which model ------------------------------------------------------ */

/* get_expression: of an argument; NULL in a window, where it is not known. */
static Node *
get_expression(FunctionCallInfo fcinfo, int arg)
{
	const Aggref *aggregate = AggGetAggref(fcinfo);

	if (aggregate == NULL || list_length(aggregate->args) < arg)
		return NULL;
	return (Node *) list_nth_node(TargetEntry, aggregate->args, arg - 1)->expr;
}

/* is_constant: is the argument the same for all rows of the query? */
static bool
is_constant(FunctionCallInfo fcinfo, int arg)
{
	const Node *value = get_expression(fcinfo, arg);

	return value != NULL &&
		   (IsA(value, Const) ||
			(IsA(value, Param) && ((const Param *) value)->paramkind == PARAM_EXTERN));
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
	LsEventReader reader;
	LsEngagement *engagement = ls_event_bind(&reader, model, source);

	if (call == NULL)
		call = new_call(fcinfo);
	/* Should an error come now, nothing of the model before is used again. */
	call->is_fixed = false;
	call->model = call->source = NULL;
	call->reader = reader;
	call->engagement = engagement;
	call->type = InvalidOid;
	MemoryContextReset(call->context);
	call->default_as_of = ls_guc_as_of();
	call->source = keep_text(source, call->context);
	call->model = keep_text(model, call->context);
	return call;
}

static TimestampTz
get_as_of(FunctionCallInfo fcinfo, const LsAggCall *call)
{
	if (!call->has_as_of)
		return call->default_as_of;
	return ls_event_as_of(PG_GETARG_DATUM(ARG_AS_OF), PG_ARGISNULL(ARG_AS_OF));
}

/* find_call: `nhead` arguments are the model's, the state's and the event's aside. */
static LsAggCall *
find_call(FunctionCallInfo fcinfo, int nhead)
{
	LsAggCall *call = fcinfo->flinfo->fn_extra;
	text *model = PG_ARGISNULL(ARG_MODEL) ? NULL : PG_GETARG_TEXT_PP(ARG_MODEL);
	text *source = NULL;

	if (nhead >= ARG_SOURCE && !PG_ARGISNULL(ARG_SOURCE))
		source = PG_GETARG_TEXT_PP(ARG_SOURCE);
	if (call != NULL && model != NULL && same_text(call->model, model) &&
		same_text(call->source, source))
		return call;
	call = bind_model(fcinfo, model, source);
	call->has_as_of = nhead >= ARG_AS_OF;
	call->has_fixed_as_of = !call->has_as_of || is_constant(fcinfo, ARG_AS_OF);
	call->as_of = get_as_of(fcinfo, call);
	call->is_fixed = is_constant(fcinfo, ARG_MODEL) &&
					 (nhead < ARG_SOURCE || is_constant(fcinfo, ARG_SOURCE));
	return call;
}

static inline LsAggCall *
get_call(FunctionCallInfo fcinfo, int nhead)
{
	LsAggCall *call = fcinfo->flinfo->fn_extra;

	return likely(call != NULL && call->is_fixed) ? call : find_call(fcinfo, nhead);
}

/* ---- which accumulator ------------------------------------------------- */

static void
check_same(const LsAccumulator *acc, const LsAggCall *call, TimestampTz as_of)
{
	if (acc->frame->engagement != call->engagement || acc->frame->as_of_us != as_of)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("model and as_of must be the same for all events of a state"),
				errhint("GROUP BY them too, or merge the states of several sources with "
						"lead_scoring.merge()."));
}

static inline LsAccumulator *
get_accumulator(FunctionCallInfo fcinfo, LsAggCall *call)
{
	LsAccumulator *acc = (LsAccumulator *) PG_GETARG_POINTER(0);

	if (!(call->is_fixed && call->has_fixed_as_of))
		call->as_of = get_as_of(fcinfo, call);
	if (PG_ARGISNULL(0))
	{
		LsFrame frame = ls_frame_of(call->engagement, call->as_of, NULL);

		return ls_nursery_get(&call->nursery, fcinfo, &frame);
	}
	if (!(call->is_fixed && call->has_fixed_as_of))
		check_same(acc, call, call->as_of);
	return acc;
}

/* add: while the aggregate is hashed, an event may wait for its contact. */
static inline void
add(LsAggCall *call, LsAccumulator *acc, const LsEventRow *event)
{
	ls_accumulator_add(acc,
					   &call->reader,
					   event,
					   call->as_of,
					   call->nursery.context != NULL ? &call->nursery.queue : NULL);
}

/* ---- events as rows ---------------------------------------------------- */

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

/* bind_since: this event counts only if it is not before. */
static void
bind_since(LsAggCall *call, FunctionCallInfo fcinfo)
{
	call->reader.has_since = !PG_ARGISNULL(ARG_SINCE);
	if (call->reader.has_since)
		call->reader.since_us = PG_GETARG_TIMESTAMPTZ(ARG_SINCE);
}

/*
 * engagement_accumulate(internal, event record, model text [, source text
 * [, as_of timestamptz [, since timestamptz]]]) -> internal: transition function
 */
Datum
ls_sql_engagement_accumulate(PG_FUNCTION_ARGS)
{
	LsAggCall *call = get_call(fcinfo, PG_NARGS() - 1);
	LsAccumulator *acc = get_accumulator(fcinfo, call);
	HeapTupleHeader header;
	HeapTupleData row;
	LsEventRow event = {.row = &row};

	if (PG_ARGISNULL(ARG_EVENT))
		PG_RETURN_POINTER(acc);
	header = PG_GETARG_HEAPTUPLEHEADER(ARG_EVENT);
	if (unlikely(call->type != HeapTupleHeaderGetTypeId(header) ||
				 call->typmod != HeapTupleHeaderGetTypMod(header)))
		bind_row_type(call, header);
	if (PG_NARGS() > ARG_SINCE)
		bind_since(call, fcinfo);
	row = ls_fit_tuple(header);
	add(call, acc, &event);
	PG_RETURN_POINTER(acc);
}

/* ---- events as columns ------------------------------------------------- */

/* bind_columns: find the matcher's columns among the arguments. */
static void
bind_columns(LsAggCall *call, FunctionCallInfo fcinfo, int first)
{
	MemoryContext old = MemoryContextSwitchTo(call->context);
	List *arguments = NIL;

	for (int i = first; i < PG_NARGS(); i++)
		arguments = lappend(arguments, get_expression(fcinfo, i));
	call->desc = ls_event_describe(get_expression(fcinfo, ARG_EVENT), arguments);
	call->computed = !ls_match_are_columns(arguments);
	ls_event_map(&call->reader, call->desc);
	MemoryContextSwitchTo(old);
}

static inline Datum
accumulate_columns(FunctionCallInfo fcinfo, int nhead)
{
	LsAggCall *call = get_call(fcinfo, nhead);
	LsAccumulator *acc = get_accumulator(fcinfo, call);
	NullableDatum *columns = &fcinfo->args[nhead + 1];
	LsEventRow event = {.arguments = columns};

	if (unlikely(call->reader.map == NULL))
		bind_columns(call, fcinfo, nhead + 1);
	if (call->computed)
		ls_match_protect_values(call->desc, columns);
	add(call, acc, &event);
	PG_RETURN_POINTER(acc);
}

/*
 * engagement_accumulate_columns(internal, columns text[], model text, source text,
 * VARIADIC "any") -> internal: transition function
 */
Datum
ls_sql_engagement_accumulate_columns(PG_FUNCTION_ARGS)
{
	return accumulate_columns(fcinfo, ARG_SOURCE);
}

/*
 * engagement_accumulate_columns_at(internal, columns text[], model text, source
 * text, as_of timestamptz, VARIADIC "any") -> internal: transition function
 */
Datum
ls_sql_engagement_accumulate_columns_at(PG_FUNCTION_ARGS)
{
	return accumulate_columns(fcinfo, ARG_AS_OF);
}
