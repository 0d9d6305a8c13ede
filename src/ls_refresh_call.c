/*
 * ls_refresh_call.c: refresh and rescore as they are called.
 */
#include "ls_refresh.h"

#include "ls_compat.h"
#include "ls_flush.h"
#include "ls_progress.h"
#include "ls_survey.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ls_sql_refresh);
PG_FUNCTION_INFO_V1(ls_sql_rescore);
PG_FUNCTION_INFO_V1(ls_sql_rescore_contacts);

/* run_work: an interrupted run does not count as running. */
static void
run_work(LsRun *run, void (*work)(LsRun *run))
{
	PG_TRY();
	{
		work(run);
	}
	PG_CATCH();
	{
		ls_survey_end(run);
		ls_progress_release(run);
		PG_RE_THROW();
	}
	PG_END_TRY();
	ls_progress_release(run);
}

static uint64
run_batches(LsRun run, void (*work)(LsRun *run))
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				errmsg("scores cannot be recomputed in a transaction with a fixed "
					   "snapshot"),
				errhint("Run it at isolation level READ COMMITTED."));
	/* Events that are about to be read must not be merged later. */
	ls_flush_now();
	if (SPI_connect_ext(run.commits ? SPI_OPT_NONATOMIC : 0) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	run.context = CurrentMemoryContext;
	run.batch = AllocSetContextCreate(run.context,
									  "lead_scoring batch",
									  ALLOCSET_DEFAULT_SIZES);
	run.model = pstrdup(run.model);
	run.reported = run.until = GetCurrentTimestamp();
	run_work(&run, work);
	SPI_finish();
	return run.done;
}

/*
 * ls_refresh_everyone: score all contacts in the current transaction, which has
 * locked them against writes. is_new: they were in no lifecycle of the model so far;
 * enrol: transitions and actions are for them, too. Gives their number.
 */
uint64
ls_refresh_everyone(const char *model, bool is_new, bool enrol)
{
	LsRun run = {.model = model,
				 .alone = true,
				 .is_activation = is_new,
				 .fire_actions = enrol};

	return run_batches(run, ls_refresh_all);
}

/*
 * ls_refresh_may_commit: is it a procedure, called where it may commit?
 */
bool
ls_refresh_may_commit(FunctionCallInfo fcinfo)
{
	return fcinfo->context != NULL && IsA(fcinfo->context, CallContext) &&
		   !((CallContext *) fcinfo->context)->atomic;
}

/*
 * ls_refresh_result: of a procedure: a row of one number, where it has an argument
 * for that beyond `nargs` others.
 */
Datum
ls_refresh_result(FunctionCallInfo fcinfo, int nargs, uint64 number)
{
	Datum values[1] = {Int64GetDatum((int64) number)};
	bool nulls[1] = {false};
	TupleDesc desc;

	if (PG_NARGS() == nargs)
		PG_RETURN_VOID();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "procedure must return a row");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/* begin_call: of a procedure whose first argument is the model. */
static LsRun
begin_call(FunctionCallInfo fcinfo, const char *what)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("model must be given"),
				errhint("Name a model of lead_scoring.model."));
	return (LsRun){.model = text_to_cstring(PG_GETARG_TEXT_PP(0)),
				   .what = what,
				   .commits = ls_refresh_may_commit(fcinfo)};
}

/*
 * refresh(model text [, INOUT contacts bigint]): whoever is due, queued or behind
 * the rules.
 */
Datum
ls_sql_refresh(PG_FUNCTION_ARGS)
{
	LsRun run = begin_call(fcinfo, "refresh");

	return ls_refresh_result(fcinfo, 1, run_batches(run, ls_refresh_due));
}

/*
 * rescore(model text, fire_actions boolean [, INOUT contacts bigint]): everyone.
 */
Datum
ls_sql_rescore(PG_FUNCTION_ARGS)
{
	LsRun run = begin_call(fcinfo, "rescore");

	if (PG_ARGISNULL(1))
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("fire_actions must be true or false"),
				errhint("Leave it out, and actions stay silent for what is true by now."));
	run.fire_actions = PG_GETARG_BOOL(1);
	return ls_refresh_result(fcinfo, 2, run_batches(run, ls_refresh_all));
}

/*
 * rescore(model text, INOUT contacts bigint): the same, without actions.
 */
Datum
ls_sql_rescore_contacts(PG_FUNCTION_ARGS)
{
	LsRun run = begin_call(fcinfo, "rescore");

	return ls_refresh_result(fcinfo, 1, run_batches(run, ls_refresh_all));
}
