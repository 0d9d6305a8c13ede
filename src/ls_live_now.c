/*
 * ls_live_now.c: live_now(...): what a row of <model>_score says of its contact as of
 * lead_scoring.as_of(); what it does not say is computed.
 */
#include "ls_live.h"

#include "ls_compat.h"
#include "ls_fit.h"
#include "ls_guc.h"
#include "ls_pending.h"
#include "ls_seen.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ls_sql_live_now);

/* Arguments of live_now. */
enum
{
	A_MODEL,
	A_SOURCES,
	A_CONTACT_ID,
	A_CONTACT,
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
is_pending(const LsLiveCall *call, Datum key)
{
	const char *model = call->model->row->name;

	if (IsParallelWorker())
		return TransactionIdIsValid(GetTopTransactionIdIfAny());
	return ls_pending_any() &&
		   (ls_pending_has_lookups(model) ||
			ls_pending_has(model, ls_key_from_datum(call->key_type, key)));
}

/*
 * is_in_time: has nothing changed between the stored row's moment and this one? A
 * row that was written since this transaction began is as good.
 */
static bool
is_in_time(FunctionCallInfo fcinfo, TimestampTz as_of)
{
	return as_of >= PG_GETARG_TIMESTAMPTZ(A_SCORED_AT) &&
		   (PG_ARGISNULL(A_DUE_AT) || as_of < PG_GETARG_TIMESTAMPTZ(A_DUE_AT));
}

/* freshness_of: of a row that has been kept since it was written. */
static const char *
freshness_of(FunctionCallInfo fcinfo, TimestampTz as_of)
{
	if (!PG_ARGISNULL(A_DUE_AT) && as_of >= PG_GETARG_TIMESTAMPTZ(A_DUE_AT))
		return "due";
	if (as_of < PG_GETARG_TIMESTAMPTZ(A_SCORED_AT) &&
		as_of != GetCurrentTransactionStartTimestamp())
		return "past";
	return "current";
}

/* stored_state: as it is; NULL where there is none. */
static const LsState *
stored_state(FunctionCallInfo fcinfo)
{
	return PG_ARGISNULL(A_STATE) ? NULL : PG_GETARG_ENGAGEMENT(A_STATE);
}

/* if_readable: a state, where it says all as of the moment; else NULL. */
static const LsState *
if_readable(const LsLiveCall *call, const LsState *state, TimestampTz as_of)
{
	return state != NULL && ls_live_can_read(call->model, state, as_of) ? state : NULL;
}

/* read_stored: the scores from the stored fit and state. */
static void
read_stored(FunctionCallInfo fcinfo,
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
	live->is_shown = true;
}

static void
score_anew(FunctionCallInfo fcinfo,
		   LsLiveCall *call,
		   LsLive *live,
		   const LsState *state,
		   TimestampTz as_of)
{
	ls_live_anew(call,
				 live,
				 PG_ARGISNULL(A_CONTACT) ? NULL : PG_GETARG_HEAPTUPLEHEADER(A_CONTACT),
				 PG_GETARG_DATUM(A_CONTACT_ID),
				 state,
				 as_of);
}

/* is_as_stored: is the contact still one of the model, and its fit what is stored? */
static bool
is_as_stored(FunctionCallInfo fcinfo, const LsLive *live)
{
	return live->is_shown && !PG_ARGISNULL(A_FIT) &&
		   live->fit == PG_GETARG_FLOAT8(A_FIT);
}

/*
 * read_kept: of a row that has been kept. False where the scores are just those that
 * are stored.
 */
static bool
read_kept(FunctionCallInfo fcinfo, LsLiveCall *call, LsLive *live, TimestampTz as_of)
{
	const LsModel *model = call->model;
	bool may_be_stored = is_in_time(fcinfo, as_of) && !model->uses_as_of;
	const LsState *state;

	if (may_be_stored && !call->fades)
		return false;
	state = stored_state(fcinfo);
	if (may_be_stored && !ls_live_fades(call, state))
		return false;
	live->freshness = freshness_of(fcinfo, as_of);
	state = if_readable(call, state, as_of);
	if (model->uses_as_of || PG_ARGISNULL(A_FIT) ||
		(state == NULL && ls_model_has_behaviour(model)) ||
		ls_live_is_in(&call->adjustments,
					  call->key_type,
					  PG_GETARG_DATUM(A_CONTACT_ID)))
		score_anew(fcinfo, call, live, state, as_of);
	else
		read_stored(fcinfo, call, live, state, as_of);
	/* What depends on the moment may have changed before it is looked at again. */
	if (model->uses_as_of && is_in_time(fcinfo, as_of) && !is_as_stored(fcinfo, live))
		live->freshness = "due";
	return true;
}

/* has_failed: was there no score the last time, by the same rules? */
static bool
has_failed(FunctionCallInfo fcinfo, const LsLiveCall *call)
{
	return !PG_ARGISNULL(A_PROBLEM) && call->is_live &&
		   PG_GETARG_INT64(A_STAMP) == call->model->stamp;
}

static void
show_failed(FunctionCallInfo fcinfo, LsLive *live)
{
	live->is_shown = true;
	live->freshness = "failed";
	live->problem = text_to_cstring(PG_GETARG_TEXT_PP(A_PROBLEM));
}

/*
 * read_row: of a stored row. False where the scores are those that are in it. Other
 * rules may want the same of the events: then the state is good.
 */
static bool
read_row(FunctionCallInfo fcinfo, LsLiveCall *call, LsLive *live, TimestampTz as_of)
{
	const LsModel *model = call->model;
	Datum key = PG_GETARG_DATUM(A_CONTACT_ID);
	const LsState *state = NULL;

	if (has_failed(fcinfo, call))
	{
		show_failed(fcinfo, live);
		return true;
	}
	if (is_pending(call, key))
		live->freshness = "pending";
	else if (ls_live_is_in(&call->queue, call->key_type, key))
		live->freshness = "queued";
	else if (!call->is_live)
		live->freshness = "stale";
	else if (PG_GETARG_INT64(A_STAMP) == model->stamp)
		return read_kept(fcinfo, call, live, as_of);
	else
	{
		live->freshness = "stale";
		state = if_readable(call, stored_state(fcinfo), as_of);
	}
	score_anew(fcinfo, call, live, state, as_of);
	return true;
}

/* ---- contacts of whom nothing is stored ---------------------------------- */

/*
 * LsMemo: the last of them: the view asks about it for each of its columns, and of
 * others it asks once.
 */
typedef struct LsMemo
{
	uint64 generation; /* of models; 0 = nothing is remembered */
	const LsModel *model;
	Oid user;
	TimestampTz as_of;
	LsSeen mark;
	LsKey key;
	LsLive live;
	MemoryContext context; /* of key and live */
} LsMemo;

static LsMemo memo = {0};

static bool
is_remembered(const LsLiveCall *call, LsKey key, TimestampTz as_of)
{
	LsSeen mark = ls_seen();

	return memo.generation == ls_model_generation && memo.model == call->model &&
		   memo.user == call->user && memo.as_of == as_of &&
		   memcmp(&memo.mark, &mark, sizeof(mark)) == 0 &&
		   ls_key_compare(memo.key, key) == 0;
}

static Datum
copy_text(Datum value)
{
	return value == 0 ? 0 : PointerGetDatum(DatumGetTextPCopy(value));
}

static void
remember(const LsLiveCall *call, LsKey key, TimestampTz as_of, const LsLive *live)
{
	MemoryContext old;

	if (memo.context == NULL)
		memo.context = AllocSetContextCreate(TopMemoryContext,
											 "lead_scoring last contact",
											 ALLOCSET_SMALL_SIZES);
	memo.generation = 0;
	MemoryContextReset(memo.context);
	old = MemoryContextSwitchTo(memo.context);
	memo.model = call->model;
	memo.user = call->user;
	memo.as_of = as_of;
	memo.mark = ls_seen();
	memo.key = ls_key_copy(key);
	memo.live = *live;
	memo.live.band = copy_text(live->band);
	memo.live.grade = copy_text(live->grade);
	memo.live.problem = live->problem == NULL ? NULL : pstrdup(live->problem);
	MemoryContextSwitchTo(old);
	memo.generation = call->generation;
}

/* score_new: of a contact without a stored row. */
static void
score_new(FunctionCallInfo fcinfo, LsLiveCall *call, LsLive *live, TimestampTz as_of)
{
	LsKey key = ls_key_from_datum(call->key_type, PG_GETARG_DATUM(A_CONTACT_ID));

	if (PG_ARGISNULL(A_CONTACT) && is_remembered(call, key, as_of))
	{
		*live = memo.live;
		return;
	}
	live->freshness = "new";
	score_anew(fcinfo, call, live, NULL, as_of);
	if (PG_ARGISNULL(A_CONTACT))
		remember(call, key, as_of, live);
}

/*
 * live_now(model text, sources bigint, contact_id anyelement, contact record, and
 * columns of <model>_score) -> live: the scores as of lead_scoring.as_of(). NULL where
 * they are just those that are stored. A NULL contact is read where it is needed; a
 * NULL stamp means that nothing is stored.
 *
 * Errors: 55000 where there are other event sources or lookups than at activation;
 * 42501.
 */
Datum
ls_sql_live_now(PG_FUNCTION_ARGS)
{
	LsLive live = {.last_activity = DT_NOBEGIN};
	LsLiveCall *call;
	TimestampTz as_of = ls_guc_as_of();

	if (PG_ARGISNULL(A_MODEL) || PG_ARGISNULL(A_SOURCES) || PG_ARGISNULL(A_CONTACT_ID))
		PG_RETURN_NULL();
	call = ls_live_call(fcinfo, PG_GETARG_TEXT_PP(A_MODEL), A_CONTACT_ID);
	ls_live_check_sources(call->model, PG_GETARG_INT64(A_SOURCES));
	if (PG_ARGISNULL(A_STAMP) || PG_ARGISNULL(A_SCORED_AT))
		score_new(fcinfo, call, &live, as_of);
	else if (!read_row(fcinfo, call, &live, as_of))
		PG_RETURN_NULL();
	return ls_live_row(fcinfo, &live);
}
