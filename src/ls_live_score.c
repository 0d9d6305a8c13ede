/*
 * ls_live_score.c: the scores of one contact from its fit and its state, as a row.
 */
#include "ls_live.h"

#include "ls_band.h"
#include "ls_compat.h"
#include "ls_fit.h"
#include "ls_key.h"
#include "ls_objects.h"
#include "ls_relation.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* fades: does the rule give less, or more, all the time? */
static bool
fades(const LsTiming *timing)
{
	return timing->half_life_us > 0 || timing->linear_over_us > 0;
}

/* find_fading: the tracks of the rules that fade, by number. */
static void
find_fading(LsLiveCall *call)
{
	const LsEngagement *engagement = ls_engagement_get(call->model);

	call->fades = false;
	call->ntracks = engagement->ntracks;
	call->fading = MemoryContextAllocZero(call->context, call->ntracks + 1);
	for (int i = 0; i < engagement->nrules; i++)
	{
		const LsBehaviour *rule = &engagement->rules[i];

		if (rule->track >= 0 && fades(&rule->timing))
			call->fades = call->fading[rule->track] = true;
	}
}

/*
 * ls_live_fades: do scores that are read off the state change all the time? A NULL
 * state has no facts.
 */
bool
ls_live_fades(LsLiveCall *call, const LsState *state)
{
	LsSectionReader reader;
	LsSection section;

	if (!call->fades || state == NULL)
		return false;
	/* Of other rules: it may have any tracks. */
	if (state->fingerprint != ls_engagement_get(call->model)->fingerprint)
		return true;
	ls_state_read(state, &reader);
	while (ls_state_next(&reader, &section))
		if (section.track >= call->ntracks || call->fading[section.track])
			return true;
	return false;
}

/* is_live: do triggers keep the scores of the model, and can they? */
static bool
is_live(const LsModel *model)
{
	const char *reason;

	return (strcmp(model->row->status, "active") == 0 ||
			strcmp(model->row->status, "shadow") == 0) &&
		   ls_objects_usable(model->row, model->relid, &reason);
}

/* check_key_type: values of another type must not be taken for keys. */
static void
check_key_type(const LsLiveCall *call)
{
	const LsModel *model = call->model;
	AttrNumber key = ls_relation_column(model->relid, model->row->contact_id);
	Oid type = ls_key_stored_type(getBaseType(get_atttype(model->relid, key)));

	if (!OidIsValid(type) || call->key_type != type)
		ereport(ERROR,
				errcode(ERRCODE_DATATYPE_MISMATCH),
				errmsg("this is no contact id of model \"%s\"", model->row->name),
				errdetail("Its contact ids that are kept live are of type %s.",
						  OidIsValid(type) ? format_type_be(type)
										   : "integer, bigint, uuid or text"),
				errhint("Cast the contact's id."));
}

static void
bind_call(FunctionCallInfo fcinfo, LsLiveCall *call, text *name, int key_argument)
{
	/* Taken first: what changes from here on is seen with the next row. */
	uint64 generation = ls_model_generation;

	call->generation = 0;
	MemoryContextReset(call->context);
	call->dossier = NULL;
	call->reader = NULL;
	call->fit = call->population = NULL;
	call->model = ls_fit_readable_model(name);
	call->user = GetUserId();
	call->is_live = is_live(call->model);
	find_fading(call);
	call->queue = ls_live_find_rows(call->model->row, "queue");
	call->adjustments = ls_live_find_rows(call->model->row, "adjustment");
	call->key_type = ls_key_stored_type(
		getBaseType(get_fn_expr_argtype(fcinfo->flinfo, key_argument)));
	call->name = MemoryContextAlloc(call->context, VARSIZE_ANY(name));
	memcpy(call->name, name, VARSIZE_ANY(name));
	check_key_type(call);
	call->generation = generation;
}

static LsLiveCall *
new_call(FunctionCallInfo fcinfo)
{
	MemoryContext context = fcinfo->flinfo->fn_mcxt;
	LsLiveCall *call = MemoryContextAllocZero(context, sizeof(LsLiveCall));

	call->context = AllocSetContextCreate(context,
										  "lead_scoring live scores",
										  ALLOCSET_SMALL_SIZES);
	fcinfo->flinfo->fn_extra = call;
	return call;
}

/*
 * ls_live_call: the model for a place in a query that asks row by row.
 * key_argument: which argument is the contact's id.
 *
 * Errors: 42704, 42501, and what compiling raises.
 */
LsLiveCall *
ls_live_call(FunctionCallInfo fcinfo, text *name, int key_argument)
{
	LsLiveCall *call = fcinfo->flinfo->fn_extra;

	if (call != NULL && call->generation != 0 &&
		call->generation == ls_model_generation && call->user == GetUserId() &&
		VARSIZE_ANY(name) == VARSIZE_ANY(call->name) &&
		memcmp(name, call->name, VARSIZE_ANY(name)) == 0)
		return call;
	if (call == NULL)
		call = new_call(fcinfo);
	bind_call(fcinfo, call, name, key_argument);
	return call;
}

/*
 * ls_live_can_read: is the state of these rules, and does it say all that the
 * events say as of the moment?
 */
bool
ls_live_can_read(const LsModel *model, const LsState *state, TimestampTz as_of)
{
	return state->name_length == strlen(model->row->name) &&
		   memcmp(ls_state_name(state), model->row->name, state->name_length) == 0 &&
		   state->fingerprint == ls_engagement_get((LsModel *) model)->fingerprint &&
		   as_of >= state->from_us && as_of < state->until_us &&
		   as_of >= state->last_activity_us;
}

/*
 * ls_live_read: engagement, intent and last activity off a state.
 *
 * Errors: 55000, XX001, 22003.
 */
void
ls_live_read(LsLiveCall *call,
			 LsLive *live,
			 const LsState *state,
			 TimestampTz as_of,
			 TimestampTz since)
{
	LsEngagement *engagement = ls_engagement_get(call->model);
	LsMoment moment;
	double points;
	double intent;

	ls_engagement_check_state(engagement, state);
	ls_engagement_check_moment(state, engagement, as_of);
	ls_engagement_open(engagement, state, &moment, as_of, since);
	points = ls_engagement_points(engagement, &moment, false);
	intent = ls_engagement_points(engagement, &moment, true);
	ls_engagement_close(engagement);
	live->engagement = ls_engagement_round(engagement, points, false);
	live->intent = ls_engagement_round(engagement, intent, true);
	live->last_activity =
		state->last_activity_us == PG_INT64_MIN ? DT_NOBEGIN : state->last_activity_us;
}

static Datum
text_or_none(const char *string)
{
	return string == NULL ? (Datum) 0 : CStringGetTextDatum(string);
}

/*
 * ls_live_total: from the sub-scores, where the labels are known.
 */
void
ls_live_total(const LsModel *model, LsLive *live, Datum band, Datum grade)
{
	live->total = ls_band_adjusted_total(model,
										 live->fit,
										 live->engagement,
										 live->intent,
										 live->by_hand);
	live->band = band;
	live->grade = grade;
	live->is_scored = true;
}

/*
 * ls_live_label: the total and the labels, from the sub-scores.
 */
void
ls_live_label(const LsModel *model, LsLive *live)
{
	ls_live_total(model, live, 0, 0);
	live->band = text_or_none(ls_band_label(model, "total", live->total));
	live->grade = text_or_none(ls_band_grade(model, live->fit, live->engagement));
}

/* Columns of type lead_scoring.live. */
enum
{
	C_SHOWN,
	C_FIT,
	C_ENGAGEMENT,
	C_INTENT,
	C_TOTAL,
	C_LAST_ACTIVITY,
	C_BAND,
	C_GRADE,
	C_FRESHNESS,
	C_PROBLEM,
	N_COLUMNS
};

static TupleDesc
get_desc(FunctionCallInfo fcinfo)
{
	LsLiveCall *call = fcinfo->flinfo->fn_extra;
	TupleDesc desc;
	MemoryContext old;

	if (call->desc != NULL)
		return call->desc;
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE ||
		desc->natts != N_COLUMNS)
		ereport(ERROR,
				errcode(ERRCODE_DATATYPE_MISMATCH),
				errmsg("the library and the installed extension differ in version"),
				errhint("Run ALTER EXTENSION lead_scoring UPDATE."));
	old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	call->desc = BlessTupleDesc(CreateTupleDescCopy(desc));
	MemoryContextSwitchTo(old);
	return call->desc;
}

/*
 * ls_live_row: as the function's result.
 */
Datum
ls_live_row(FunctionCallInfo fcinfo, const LsLive *live)
{
	Datum values[N_COLUMNS] = {0};
	bool nulls[N_COLUMNS];

	memset(nulls, !live->is_scored, sizeof(nulls));
	values[C_SHOWN] = BoolGetDatum(live->is_shown);
	nulls[C_SHOWN] = false;
	values[C_FIT] = Float8GetDatum(live->fit);
	values[C_ENGAGEMENT] = Float8GetDatum(live->engagement);
	values[C_INTENT] = Float8GetDatum(live->intent);
	values[C_TOTAL] = Float8GetDatum(live->total);
	values[C_BAND] = live->band;
	nulls[C_BAND] = live->band == 0;
	values[C_GRADE] = live->grade;
	nulls[C_GRADE] = live->grade == 0;
	values[C_LAST_ACTIVITY] = TimestampTzGetDatum(live->last_activity);
	nulls[C_LAST_ACTIVITY] |= live->last_activity == DT_NOBEGIN;
	values[C_FRESHNESS] = CStringGetTextDatum(live->freshness);
	nulls[C_FRESHNESS] = false;
	values[C_PROBLEM] = text_or_none(live->problem);
	nulls[C_PROBLEM] = live->problem == NULL;
	return HeapTupleGetDatum(heap_form_tuple(get_desc(fcinfo), values, nulls));
}

/*
 * ls_live_check_sources: a view knows the event sources of activation.
 *
 * Errors: 55000 where there are others by now.
 */
void
ls_live_check_sources(const LsModel *model, int64 sources)
{
	if (sources != model->sources_stamp)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("event sources or lookups of model \"%s\" have changed since it "
					   "was activated",
					   model->row->name),
				errhint("Call lead_scoring.activate(%s) again.",
						quote_literal_cstr(model->row->name)));
}
