/*
 * ls_live_state.c: what the view and the writers of scores ask about stored rows.
 */
#include "postgres.h"

#include "ls_apply.h"
#include "ls_compat.h"
#include "ls_fit.h"
#include "ls_guc.h"
#include "ls_live.h"
#include "ls_pending.h"

#include "access/htup_details.h"
#include "access/parallel.h"
#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(ls_sql_same_facts);
PG_FUNCTION_INFO_V1(ls_sql_live_now);
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

/* Arguments of live_now. */
enum
{
	A_MODEL,
	A_SOURCES,
	A_CONTACT_ID,
	A_FIT,
	A_BAND,
	A_GRADE,
	A_STATE,
	A_SINCE,
	A_SCORED_AT,
	A_DUE_AT,
	A_STAMP,
	A_PROBLEM
};

/*
 * is_pending: has this transaction changed the contact, and not yet applied it? A
 * parallel worker does not know; but it knows whether anything was written.
 */
static bool
is_pending(FunctionCallInfo fcinfo, const LsLiveCall *call)
{
	if (IsParallelWorker())
		return TransactionIdIsValid(GetTopTransactionIdIfAny());
	return ls_pending_any() &&
		   (!OidIsValid(call->key_type) ||
			ls_pending_has_lookups(call->model->row->name) ||
			ls_pending_has(call->model->row->name,
						   ls_key_from_datum(call->key_type,
											 PG_GETARG_DATUM(A_CONTACT_ID))));
}

/* why_not_kept: why the row does not say what the facts say; NULL where it does. */
static const char *
why_not_kept(FunctionCallInfo fcinfo, LsLiveCall *call)
{
	const char *status = call->model->row->status;

	if (PG_GETARG_INT64(A_STAMP) != call->model->stamp ||
		(strcmp(status, "active") != 0 && strcmp(status, "shadow") != 0))
		return "stale";
	if (is_pending(fcinfo, call))
		return "pending";
	if (ls_live_is_in(&call->queue, call->key_type, PG_GETARG_DATUM(A_CONTACT_ID)))
		return "queued";
	return NULL;
}

/* freshness_at: of a row that is kept. Scored after the statement began: current. */
static const char *
freshness_at(FunctionCallInfo fcinfo, TimestampTz as_of)
{
	if (!PG_ARGISNULL(A_DUE_AT) && as_of >= PG_GETARG_TIMESTAMPTZ(A_DUE_AT))
		return "due";
	if (as_of < PG_GETARG_TIMESTAMPTZ(A_SCORED_AT) &&
		as_of != GetCurrentTransactionStartTimestamp())
		return "past";
	return "current";
}

/* is_in_time: has nothing changed between the stored row's moment and this one? */
static bool
is_in_time(FunctionCallInfo fcinfo, TimestampTz as_of)
{
	return as_of >= PG_GETARG_TIMESTAMPTZ(A_SCORED_AT) &&
		   (PG_ARGISNULL(A_DUE_AT) || as_of < PG_GETARG_TIMESTAMPTZ(A_DUE_AT));
}

static void
read_scores(FunctionCallInfo fcinfo,
			LsLiveCall *call,
			LsLive *live,
			const LsState *state,
			TimestampTz as_of)
{
	live->fit = PG_GETARG_FLOAT8(A_FIT);
	if (state != NULL)
		ls_live_read(call,
					 live,
					 state,
					 as_of,
					 PG_ARGISNULL(A_SINCE) ? DT_NOBEGIN
										   : PG_GETARG_TIMESTAMPTZ(A_SINCE));
	/* In time no threshold is crossed. */
	if (is_in_time(fcinfo, as_of))
		ls_live_total(call->model,
					  live,
					  PG_ARGISNULL(A_BAND) ? 0 : PG_GETARG_DATUM(A_BAND),
					  PG_ARGISNULL(A_GRADE) ? 0 : PG_GETARG_DATUM(A_GRADE));
	else
		ls_live_label(call->model, live);
}

/*
 * read_kept: the scores from the stored fit and state; where those will not do, the
 * contact is to be scored anew. False where the stored scores are right.
 */
static bool
read_kept(FunctionCallInfo fcinfo, LsLiveCall *call, LsLive *live, TimestampTz as_of)
{
	const LsModel *model = call->model;
	bool in_time = is_in_time(fcinfo, as_of);
	const LsState *state;
	bool is_adjusted;

	if (in_time && !call->fades && !model->uses_as_of)
		return false;
	state = PG_ARGISNULL(A_STATE) ? NULL : PG_GETARG_ENGAGEMENT(A_STATE);
	if (in_time && !ls_live_fades(call, state) && !model->uses_as_of)
		return false;
	is_adjusted = ls_live_is_in(&call->adjustments,
								call->key_type,
								PG_GETARG_DATUM(A_CONTACT_ID));
	/* At another moment other events may count. */
	if (state != NULL &&
		(!ls_live_can_read(model, state, as_of) || (is_adjusted && !in_time)))
		state = NULL;
	live->has_state = state != NULL;
	live->is_anew = model->uses_as_of || is_adjusted || PG_ARGISNULL(A_FIT) ||
					(state == NULL && ls_model_has_behaviour(model));
	if (live->is_anew)
		return true;
	read_scores(fcinfo, call, live, state, as_of);
	return true;
}

/*
 * live_now(model text, sources bigint, and columns of <model>_score) -> live: the
 * scores as of lead_scoring.as_of(). NULL where they are just those of the row; with
 * `anew` where they cannot be had from the row.
 *
 * Errors: 55000 where there are other event sources than at activation.
 */
Datum
ls_sql_live_now(PG_FUNCTION_ARGS)
{
	LsLive live = {.last_activity = DT_NOBEGIN};
	LsLiveCall *call;
	TimestampTz as_of = ls_guc_as_of();

	if (PG_ARGISNULL(A_MODEL) || PG_ARGISNULL(A_SOURCES) || PG_ARGISNULL(A_STAMP) ||
		PG_ARGISNULL(A_CONTACT_ID) || PG_ARGISNULL(A_SCORED_AT))
		PG_RETURN_NULL();
	call = ls_live_call(fcinfo, PG_GETARG_TEXT_PP(A_MODEL), A_CONTACT_ID);
	ls_live_check_sources(call->model, PG_GETARG_INT64(A_SOURCES));
	live.freshness = why_not_kept(fcinfo, call);
	live.is_anew = live.freshness != NULL;
	if (!PG_ARGISNULL(A_PROBLEM) && PG_GETARG_INT64(A_STAMP) == call->model->stamp)
	{
		live.freshness = "failed";
		live.problem = text_to_cstring(PG_GETARG_TEXT_PP(A_PROBLEM));
		live.is_anew = false;
	}
	if (live.freshness != NULL)
		return ls_live_row(fcinfo, &live);
	live.freshness = freshness_at(fcinfo, as_of);
	if (!read_kept(fcinfo, call, &live, as_of))
		PG_RETURN_NULL();
	return ls_live_row(fcinfo, &live);
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
	ls_live_check_sources(ls_fit_readable_model(PG_GETARG_TEXT_PP(0)),
						  PG_GETARG_INT64(1));
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
