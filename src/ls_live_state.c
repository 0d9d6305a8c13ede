/*
 * ls_live_state.c: what the view and the writers of scores ask about stored
 * engagement states.
 */
#include "postgres.h"

#include "ls_apply.h"
#include "ls_compat.h"
#include "ls_engagement.h"
#include "ls_fit.h"
#include "ls_guc.h"
#include "ls_pending.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(ls_sql_same_facts);
PG_FUNCTION_INFO_V1(ls_sql_live_state);
PG_FUNCTION_INFO_V1(ls_sql_sources_stamp);
PG_FUNCTION_INFO_V1(ls_sql_same_sources);
PG_FUNCTION_INFO_V1(ls_sql_contact_since);

/*
 * same_facts(a engagement, b engagement) -> boolean: are they the same, but for
 * the moment at which they were made?
 */
Datum
ls_sql_same_facts(PG_FUNCTION_ARGS)
{
	const LsState *a = PG_GETARG_ENGAGEMENT(0);
	const LsState *b = PG_GETARG_ENGAGEMENT(1);
	const char *rest_a = (const char *) &a->from_us;
	const char *rest_b = (const char *) &b->from_us;

	PG_RETURN_BOOL(VARSIZE(a) == VARSIZE(b) && a->nsections == b->nsections &&
				   a->fingerprint == b->fingerprint &&
				   memcmp(rest_a, rest_b, VARSIZE(a) - (rest_a - (const char *) a)) ==
					   0);
}

/* LsLiveCall: what one place in a query needs, kept from row to row. */
typedef struct LsLiveCall
{
	uint64 generation;
	LsModel *model;
	Oid user;
	Oid key_type; /* of the contact's id */
	text *name;
} LsLiveCall;

static LsLiveCall *
get_call(FunctionCallInfo fcinfo, text *name, int key_argument)
{
	LsLiveCall *call = fcinfo->flinfo->fn_extra;
	uint64 generation = ls_model_generation;
	MemoryContext context = fcinfo->flinfo->fn_mcxt;

	if (call != NULL && call->generation == generation && call->user == GetUserId() &&
		VARSIZE_ANY(name) == VARSIZE_ANY(call->name) &&
		memcmp(name, call->name, VARSIZE_ANY(name)) == 0)
		return call;
	if (call == NULL)
		call = MemoryContextAllocZero(context, sizeof(LsLiveCall));
	fcinfo->flinfo->fn_extra = call;
	call->generation = 0;
	call->model = ls_fit_readable_model(name);
	call->user = GetUserId();
	call->key_type = ls_key_stored_type(
		getBaseType(get_fn_expr_argtype(fcinfo->flinfo, key_argument)));
	call->name = MemoryContextAlloc(context, VARSIZE_ANY(name));
	memcpy(call->name, name, VARSIZE_ANY(name));
	call->generation = generation;
	return call;
}

static void
refuse_sources(const LsModel *model)
{
	ereport(ERROR,
			errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			errmsg("event sources or lookups of model \"%s\" have changed since it was "
				   "activated",
				   model->row->name),
			errhint("Call lead_scoring.activate(%s) again.",
					quote_literal_cstr(model->row->name)));
}

static bool
is_usable(const LsModel *model, const LsState *state, int64 stamp, TimestampTz as_of)
{
	return stamp == model->stamp && state->name_length == strlen(model->row->name) &&
		   memcmp(ls_state_name(state), model->row->name, state->name_length) == 0 &&
		   state->fingerprint == ls_engagement_get((LsModel *) model)->fingerprint &&
		   as_of >= state->from_us && as_of < state->until_us;
}

/*
 * live_state(state engagement, stamp bigint, model text, sources bigint,
 * contact_id anyelement) -> engagement: the stored state, where it is all that
 * the events say as of lead_scoring.as_of(); else NULL: they must be read.
 *
 * Errors: 55000 where there are other event sources than at activation.
 */
Datum
ls_sql_live_state(PG_FUNCTION_ARGS)
{
	LsLiveCall *call;
	const LsState *state;

	if (PG_ARGISNULL(2) || PG_ARGISNULL(3))
		PG_RETURN_NULL();
	call = get_call(fcinfo, PG_GETARG_TEXT_PP(2), 4);
	if (PG_GETARG_INT64(3) != call->model->sources_stamp)
		refuse_sources(call->model);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(4))
		PG_RETURN_NULL();
	state = PG_GETARG_ENGAGEMENT(0);
	if (!is_usable(call->model, state, PG_GETARG_INT64(1), ls_guc_as_of()))
		PG_RETURN_NULL();
	if (OidIsValid(call->key_type) &&
		ls_pending_has(call->model->row->name,
					   ls_key_from_datum(call->key_type, PG_GETARG_DATUM(4))))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

/* sources_stamp(model text) -> bigint: changes with the event sources */
Datum
ls_sql_sources_stamp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(ls_fit_readable_model(PG_GETARG_TEXT_PP(0))->sources_stamp);
}

/*
 * same_sources(model text, sources bigint) -> boolean: true
 *
 * Errors: 55000 where there are other event sources than at activation.
 */
Datum
ls_sql_same_sources(PG_FUNCTION_ARGS)
{
	const LsModel *model = ls_fit_readable_model(PG_GETARG_TEXT_PP(0));

	if (PG_GETARG_INT64(1) != model->sources_stamp)
		refuse_sources(model);
	PG_RETURN_BOOL(true);
}

/*
 * contact_since(contact record, model text) -> timestamptz: when the contact came
 * to be, for silence rules; NULL where that is not known
 */
Datum
ls_sql_contact_since(PG_FUNCTION_ARGS)
{
	HeapTupleHeader header = PG_GETARG_HEAPTUPLEHEADER(0);
	LsModel *model = ls_fit_readable_model(PG_GETARG_TEXT_PP(1));
	TupleDesc desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header),
											HeapTupleHeaderGetTypMod(header));
	HeapTupleData contact = ls_fit_tuple(header);
	TimestampTz since = ls_apply_since(model, desc, &contact);

	ReleaseTupleDesc(desc);
	if (since == DT_NOBEGIN)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(since);
}
