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
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(ls_sql_sources_stamp);
PG_FUNCTION_INFO_V1(ls_sql_same_sources);
PG_FUNCTION_INFO_V1(ls_sql_uses_as_of);
PG_FUNCTION_INFO_V1(ls_sql_stage_then);
PG_FUNCTION_INFO_V1(ls_sql_contact_since);

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
 * uses_as_of(model text) -> boolean: may fit change with time alone?
 */
Datum
ls_sql_uses_as_of(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(ls_fit_readable_model(PG_GETARG_TEXT_PP(0))->uses_as_of);
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

/*
 * stage_then(model text, contact_id anyelement) -> (stage text, since timestamptz): as
 * of lead_scoring.as_of(); NULL where that is not known.
 *
 * Errors: 42501 where the current role may not read the history of moves.
 */
Datum
ls_sql_stage_then(PG_FUNCTION_ARGS)
{
	LsLiveCall *call = ls_live_call(fcinfo, PG_GETARG_TEXT_PP(0), 1);
	TupleDesc desc;
	Datum values[2] = {0};
	bool nulls[2];
	TimestampTz since;
	char *stage;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	stage = ls_dossier_stage(ls_live_dossier(call),
							 PG_GETARG_DATUM(1),
							 ls_guc_as_of(),
							 &since);
	nulls[0] = stage == NULL;
	nulls[1] = since == DT_NOBEGIN;
	if (stage != NULL)
		values[0] = CStringGetTextDatum(stage);
	values[1] = TimestampTzGetDatum(since);
	PG_RETURN_DATUM(
		HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
