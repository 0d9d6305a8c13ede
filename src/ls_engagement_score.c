/*
 * ls_engagement_score.c: scores read off a state as of a moment.
 */
#include "ls_engagement.h"

#include "ls_compat.h"
#include "ls_fit.h"
#include "ls_points.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ls_sql_engagement_score);
PG_FUNCTION_INFO_V1(ls_sql_intent_score);
PG_FUNCTION_INFO_V1(ls_sql_last_activity);

/* LsStateCall: what one place in a query needs, kept from row to row. */
typedef struct LsStateCall
{
	uint64 generation;
	LsEngagement *engagement;
	Oid user;
	int name_length;
	char name[LS_STATE_MAX_NAME + 1];
} LsStateCall;

static LsStateCall *
bind_name(FunctionCallInfo fcinfo, const char *name, int length)
{
	LsStateCall *call = fcinfo->flinfo->fn_extra;
	/* Taken first: what changes from here on is seen with the next row. */
	uint64 generation = ls_model_generation;
	LsModel *model = ls_fit_readable_model(cstring_to_text_with_len(name, length));

	if (call == NULL)
	{
		call = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(LsStateCall));
		fcinfo->flinfo->fn_extra = call;
	}
	call->generation = 0;
	call->engagement = ls_engagement_get(model);
	call->user = GetUserId();
	call->name_length = length;
	memcpy(call->name, name, length);
	call->generation = generation;
	return call;
}

static inline LsStateCall *
get_call(FunctionCallInfo fcinfo, const char *name, int length)
{
	LsStateCall *call = fcinfo->flinfo->fn_extra;

	if (call == NULL || call->generation != ls_model_generation ||
		call->user != GetUserId() || call->name_length != length ||
		memcmp(call->name, name, length) != 0)
		call = bind_name(fcinfo, name, length);
	return call;
}

/*
 * ls_engagement_of_name: the rules of the model, for a place in a query that
 * asks for them row by row.
 *
 * Errors: 42704, 42501, and what compiling raises.
 */
LsEngagement *
ls_engagement_of_name(FunctionCallInfo fcinfo, const char *name, int length)
{
	return get_call(fcinfo, name, length)->engagement;
}

static inline void
check_fingerprint(const LsEngagement *engagement, const LsState *state)
{
	if (unlikely(state->fingerprint != engagement->fingerprint))
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("engagement state of model \"%s\" is stale",
					   ls_state_model_name(state)),
				errdetail("It was made under other engagement rules or event sources."),
				errhint("Aggregate the events again with "
						"lead_scoring.engagement_agg()."));
}

/*
 * ls_engagement_check_state: was the state made by these rules?
 *
 * Errors: 55000 where the rules accumulate something else by now; XX001 where it
 * cannot be of these rules.
 */
void
ls_engagement_check_state(const LsEngagement *engagement, const LsState *state)
{
	check_fingerprint(engagement, state);
	if (!ls_state_fits(state, engagement->tracks, engagement->ntracks, true))
		ereport(ERROR,
				errcode(ERRCODE_DATA_CORRUPTED),
				errmsg("malformed engagement state: it does not fit model \"%s\"",
					   ls_state_model_name(state)),
				errhint("Aggregate the events again with "
						"lead_scoring.engagement_agg()."));
}

/*
 * ls_engagement_of_state: the rules that the state was made by.
 *
 * Errors: 42704, 42501; 55000 and XX001 as above.
 */
LsEngagement *
ls_engagement_of_state(FunctionCallInfo fcinfo, const LsState *state)
{
	LsEngagement *engagement =
		ls_engagement_of_name(fcinfo, ls_state_name(state), state->name_length);

	ls_engagement_check_state(engagement, state);
	return engagement;
}

/*
 * ls_engagement_check_moment: can the state be read as of this moment?
 */
void
ls_engagement_check_moment(const LsState *state,
						   const LsEngagement *engagement,
						   TimestampTz as_of)
{
	const char *model = engagement->model->row->name;

	if (TIMESTAMP_NOT_FINITE(as_of))
		ereport(ERROR,
				errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				errmsg("as_of must be finite"),
				errhint("Give the moment of scoring."));
	if (as_of >= state->from_us && as_of < state->until_us)
		return;
	if (state->from_us == PG_INT64_MAX)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("merged engagement states of model \"%s\" overlap in time", model),
				errdetail("A rule of kind sequence or streak needs the order of all "
						  "events."),
				errhint("Aggregate the events of all together with "
						"lead_scoring.engagement_agg()."));
	ereport(ERROR,
			errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			errmsg("engagement state of model \"%s\" cannot be read as of %s",
				   model,
				   timestamptz_to_str(as_of)),
			as_of < state->from_us
				? errdetail("What counted before %s is no longer in it.",
							timestamptz_to_str(state->from_us))
				: errdetail("An event of %s is not in it.",
							timestamptz_to_str(state->until_us)),
			errhint("Aggregate the events with that moment: engagement_agg(event, "
					"model, source, as_of)."));
}

/* ls_engagement_close: put back what ls_engagement_open set out. */
void
ls_engagement_close(LsEngagement *engagement)
{
	while (engagement->open.n > 0)
	{
		int track = engagement->open.tracks[--engagement->open.n];

		engagement->sections[track].n = 0;
		engagement->sections[track].unless_us = PG_INT64_MIN;
	}
}

static inline void
set_moment(LsMoment *moment, const LsState *state, TimestampTz as_of, TimestampTz since)
{
	moment->now_us = as_of;
	moment->since_us = since == DT_NOEND ? DT_NOBEGIN : since;
	moment->last_activity_us = state->last_activity_us;
}

/*
 * ls_engagement_open: set the sections of the state out by track, for reading,
 * until ls_engagement_close. Should an error come in between, the next one closes.
 */
void
ls_engagement_open(LsEngagement *engagement,
				   const LsState *state,
				   LsMoment *moment,
				   TimestampTz as_of,
				   TimestampTz since)
{
	LsSectionReader reader;
	LsSection section;

	ls_engagement_close(engagement);
	ls_state_read(state, &reader);
	while (ls_state_next(&reader, &section))
	{
		engagement->sections[section.track] = section;
		engagement->open.tracks[engagement->open.n++] = section.track;
	}
	set_moment(moment, state, as_of, since);
}

/* open_unchecked: of a state from somewhere, whose head was checked. */
static void
open_unchecked(LsEngagement *engagement, const LsState *state)
{
	const char *problem;

	ls_engagement_close(engagement);
	problem = ls_state_set_out(state,
							   VARSIZE(state),
							   engagement->tracks,
							   engagement->ntracks,
							   engagement->sections,
							   &engagement->open);
	if (problem == NULL)
		return;
	ls_engagement_close(engagement);
	ereport(ERROR,
			errcode(ERRCODE_DATA_CORRUPTED),
			errmsg("malformed engagement state of model \"%s\": %s",
				   engagement->model->row->name,
				   problem),
			errhint("Aggregate the events again with lead_scoring.engagement_agg()."));
}

/*
 * ls_engagement_tally: what a rule gives, what it requires considered.
 */
void
ls_engagement_tally(const LsEngagement *engagement,
					const LsBehaviour *rule,
					const LsMoment *moment,
					LsTally *tally)
{
	static const LsSection empty = {.unless_us = PG_INT64_MIN};
	const LsSection *section =
		rule->track < 0 ? &empty : &engagement->sections[rule->track];
	LsTally required;

	ls_timing_tally(&rule->timing, section, moment, tally);
	if (rule->requires == LS_REQUIRES_NOTHING || tally->points == 0)
		return;
	required.is_counted = false;
	if (rule->requires >= 0)
	{
		const LsBehaviour *other = &engagement->rules[rule->requires];

		ls_timing_tally(&other->timing,
						&engagement->sections[other->track],
						moment,
						&required);
	}
	if (!required.is_counted)
		tally->points = 0;
}

/*
 * ls_engagement_is_reached: has the contact reached the milestone by the moment?
 */
bool
ls_engagement_is_reached(const LsEngagement *engagement,
						 int milestone,
						 const LsMoment *moment)
{
	const LsBehaviour *rule = &engagement->milestones[milestone];
	LsTally tally;

	ls_timing_tally(&rule->timing, &engagement->sections[rule->track], moment, &tally);
	return tally.is_counted;
}

static inline void
add_points(const LsEngagement *engagement,
		   const LsReaders *readers,
		   const LsMoment *moment)
{
	for (int i = 0; i < readers->n; i++)
	{
		LsTally tally;

		ls_engagement_tally(engagement, readers->rules[i], moment, &tally);
		engagement->sums[readers->rules[i]->slot] += tally.points;
	}
}

/*
 * ls_engagement_points: a dimension's points as of the moment: groups clamped,
 * then the sum; not rounded, may be infinite. The state must be open.
 */
double
ls_engagement_points(LsEngagement *engagement, const LsMoment *moment, bool is_intent)
{
	const LsModelRow *row = engagement->model->row;
	const LsLimits *limits = engagement->limits[is_intent];
	double *sums = engagement->sums;
	int nslots = engagement->model->nslots;
	double points;

	memset(sums, 0, sizeof(double) * nslots);
	for (int i = 0; i < engagement->open.n; i++)
		add_points(engagement,
				   &engagement->readers[is_intent][engagement->open.tracks[i]],
				   moment);
	add_points(engagement, &engagement->idle[is_intent], moment);
	points = sums[0];
	for (int slot = 1; slot < nslots; slot++)
		points += ls_points_clamp(sums[slot], limits[slot]);
	return ls_points_clamp(points, is_intent ? row->intent : row->engagement);
}

/*
 * ls_engagement_round: a dimension's points as a score.
 *
 * Errors: 22003 where it is out of range.
 */
double
ls_engagement_round(const LsEngagement *engagement, double points, bool is_intent)
{
	double rounded;

	if (!ls_points_round(points, &rounded))
		ereport(ERROR,
				errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				errmsg("%s score of model \"%s\" is out of range",
					   is_intent ? "intent" : "engagement",
					   engagement->model->row->name),
				errhint("Use smaller points, or set limits on the groups."));
	return rounded;
}

/*
 * ls_engagement_open_call: the state, moment and since of a call, set out for
 * reading; NULL where state or moment are.
 */
LsEngagement *
ls_engagement_open_call(FunctionCallInfo fcinfo,
						const LsState **state,
						LsMoment *moment)
{
	LsEngagement *engagement;
	TimestampTz as_of;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return NULL;
	*state = ls_state_head_from_datum(PG_GETARG_DATUM(0));
	as_of = PG_GETARG_TIMESTAMPTZ(1);
	engagement =
		ls_engagement_of_name(fcinfo, ls_state_name(*state), (*state)->name_length);
	check_fingerprint(engagement, *state);
	ls_engagement_check_moment(*state, engagement, as_of);
	open_unchecked(engagement, *state);
	set_moment(moment,
			   *state,
			   as_of,
			   PG_ARGISNULL(2) ? DT_NOBEGIN : PG_GETARG_TIMESTAMPTZ(2));
	return engagement;
}

static Datum
score_of(FunctionCallInfo fcinfo, bool is_intent)
{
	const LsState *state;
	LsMoment moment;
	LsEngagement *engagement = ls_engagement_open_call(fcinfo, &state, &moment);
	double points;

	if (engagement == NULL)
		PG_RETURN_NULL();
	points = ls_engagement_points(engagement, &moment, is_intent);
	ls_engagement_close(engagement);
	PG_RETURN_FLOAT8(ls_engagement_round(engagement, points, is_intent));
}

/* engagement_score(state engagement, as_of timestamptz, since timestamptz) -> float8 */
Datum
ls_sql_engagement_score(PG_FUNCTION_ARGS)
{
	return score_of(fcinfo, false);
}

/* intent_score(state engagement, as_of timestamptz, since timestamptz) -> float8 */
Datum
ls_sql_intent_score(PG_FUNCTION_ARGS)
{
	return score_of(fcinfo, true);
}

/* last_activity(state engagement) -> timestamptz; NULL where there was none */
Datum
ls_sql_last_activity(PG_FUNCTION_ARGS)
{
	const LsState *state = PG_GETARG_ENGAGEMENT(0);

	(void) ls_engagement_of_state(fcinfo, state);
	if (state->last_activity_us == PG_INT64_MIN)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(state->last_activity_us);
}
