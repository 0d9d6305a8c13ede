/*
 * ls_rule_stats.c: the aggregate rule_stats(contact, state, moment, since, won,
 * segments, model): how often each rule matches, and how often who it matches has
 * won. One pass over the contacts for all rules and segments: to sort contacts and
 * their states by segments would cost more.
 */
#include "ls_engagement.h"

#include "ls_compat.h"
#include "ls_contact.h"
#include "ls_fit.h"

#include "access/htup_details.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(ls_sql_rule_stats_accumulate);
PG_FUNCTION_INFO_V1(ls_sql_rule_stats_finish);
PG_FUNCTION_INFO_V1(ls_sql_stored_state);

/* Arguments of the transition function. */
enum
{
	A_STATS,
	A_CONTACT,
	A_STATE,
	A_MOMENT,
	A_SINCE,
	A_WON,
	A_SEGMENTS,
	A_MODEL
};

/* LsRuleCount: of a rule. */
typedef struct LsRuleCount
{
	int64 matched;
	int64 matched_won;
	int64 last_us; /* latest match; INT64_MIN = none, or it has no time */
} LsRuleCount;

/* LsSegment: the contacts of a combination of segments. */
typedef struct LsSegment
{
	ArrayType *key;
	int64 contacts;
	int64 won;
	LsRuleCount *counts; /* fit rules, then engagement rules, as the model has them */
	uint32 hash;
	char status;
} LsSegment;

static inline bool
same_array(const ArrayType *a, const ArrayType *b)
{
	return VARSIZE(a) == VARSIZE(b) && memcmp(a, b, VARSIZE(a)) == 0;
}

#define SH_PREFIX segments
#define SH_ELEMENT_TYPE LsSegment
#define SH_KEY_TYPE ArrayType *
#define SH_KEY key
#define SH_HASH_KEY(table, key) hash_bytes((const unsigned char *) (key), VARSIZE(key))
#define SH_EQUAL(table, a, b) same_array((a), (b))
#define SH_STORE_HASH
#define SH_GET_HASH(table, slot) (slot)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

typedef struct LsRuleStats
{
	LsModel *model; /* good until the end of the transaction */
	MemoryContext context;
	int nrules;
	segments_hash *segments;
} LsRuleStats;

/* LsStatsCall: what one place in a query needs, kept from row to row. */
typedef struct LsStatsCall
{
	uint64 generation;
	MemoryContext context; /* of the reader and the map */
	LsModel *model;
	const LsExplainer *explainer;
	LsEngagement *engagement;
	LsContactReader *reader;
	LsRowMap *map;
	Oid user;
} LsStatsCall;

static int
nfit(const LsModel *model)
{
	return list_length(model->explainer->rules);
}

static LsStatsCall *
bind_call(FunctionCallInfo fcinfo, HeapTupleHeader contact)
{
	LsStatsCall *call = fcinfo->flinfo->fn_extra;
	uint64 generation = ls_model_generation;
	MemoryContext old;

	if (call == NULL)
	{
		call = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(LsStatsCall));
		call->context = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt,
											  "lead_scoring row map",
											  ALLOCSET_SMALL_SIZES);
		fcinfo->flinfo->fn_extra = call;
	}
	call->generation = 0;
	MemoryContextReset(call->context);
	call->model = ls_fit_readable_model(PG_GETARG_TEXT_PP(A_MODEL));
	call->explainer = ls_model_explainer(call->model);
	call->engagement = ls_engagement_get(call->model);
	call->user = GetUserId();
	old = MemoryContextSwitchTo(call->context);
	call->reader =
		ls_contact_reader(call->model, contact, call->explainer->matcher, NULL);
	call->map = ls_contact_map(call->reader, call->explainer->matcher);
	MemoryContextSwitchTo(old);
	call->generation = generation;
	return call;
}

/* read_contact: its rows. Again, where something changed while lookups were read. */
static const HeapTuple *
read_contact(FunctionCallInfo fcinfo, LsStatsCall **call)
{
	HeapTupleHeader contact = PG_GETARG_HEAPTUPLEHEADER(A_CONTACT);
	const HeapTuple *rows;

	*call = fcinfo->flinfo->fn_extra;
	do
	{
		CHECK_FOR_INTERRUPTS();
		if (*call == NULL || (*call)->generation != ls_model_generation ||
			(*call)->user != GetUserId() || !ls_contact_takes((*call)->reader, contact))
			*call = bind_call(fcinfo, contact);
		rows = ls_contact_read((*call)->reader, contact);
		if (rows == NULL)
			(*call)->generation = 0;
	} while (rows == NULL);
	return rows;
}

static LsRuleStats *
new_stats(LsModel *model, int nrules, MemoryContext context)
{
	LsRuleStats *stats = MemoryContextAllocZero(context, sizeof(LsRuleStats));

	stats->model = model;
	stats->context = context;
	stats->nrules = nrules;
	stats->segments = segments_create(context, 16, NULL);
	return stats;
}

/* find_segment: that of the contact at hand. */
static LsSegment *
find_segment(LsRuleStats *stats, ArrayType *key)
{
	LsSegment *segment = segments_lookup(stats->segments, key);
	bool found;

	if (segment != NULL)
		return segment;
	key = memcpy(MemoryContextAlloc(stats->context, VARSIZE(key)), key, VARSIZE(key));
	segment = segments_insert(stats->segments, key, &found);
	segment->contacts = segment->won = 0;
	segment->counts = MemoryContextAllocZero(stats->context,
											 sizeof(LsRuleCount) * (stats->nrules + 1));
	for (int i = 0; i < stats->nrules; i++)
		segment->counts[i].last_us = PG_INT64_MIN;
	return segment;
}

/* check_same: what is counted by its place must be the same rules all along. */
static void
check_same(const LsRuleStats *stats, const LsModel *model)
{
	if (stats->model == model || (stats->model->signature[0] == model->signature[0] &&
								  stats->model->signature[1] == model->signature[1]))
		return;
	ereport(ERROR,
			errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			errmsg("rules of model \"%s\" changed while they were counted",
				   model->row->name),
			errhint("Run the query again, for one model at a time."));
}

static void
count_match(LsRuleCount *count, bool won)
{
	count->matched++;
	count->matched_won += won;
}

static void
count_fit(LsSegment *segment,
		  LsStatsCall *call,
		  const HeapTuple *rows,
		  TimestampTz moment,
		  bool won)
{
	const int *numbers;
	int n;

	ls_match_load_rows(call->explainer->matcher, call->map, 1, rows);
	n = ls_match_list(call->explainer->matcher, moment, &numbers);
	for (int i = 0; i < n; i++)
		count_match(&segment->counts[numbers[i]], won);
}

/* matches: does the rule give its points, or would it, were they not 0? */
static bool
matches(const LsBehaviour *rule, const LsTally *tally)
{
	return tally->points != 0 ||
		   (tally->is_counted && rule->requires == LS_REQUIRES_NOTHING);
}

static void
count_behaviour(LsSegment *segment,
				LsStatsCall *call,
				const LsState *state,
				const LsMoment *given,
				bool won)
{
	LsRuleCount *counts = segment->counts + nfit(call->model);
	LsMoment moment;

	ls_engagement_open(call->engagement,
					   state,
					   &moment,
					   given->now_us,
					   given->since_us);
	for (int i = 0; i < call->engagement->nrules; i++)
	{
		const LsBehaviour *rule = &call->engagement->rules[i];
		LsTally tally;

		ls_engagement_tally(call->engagement, rule, &moment, &tally);
		if (!matches(rule, &tally))
			continue;
		count_match(&counts[i], won);
		if (rule->timing.kind != LS_TIMING_INACTIVE)
			counts[i].last_us = Max(counts[i].last_us, tally.last_us);
	}
	ls_engagement_close(call->engagement);
}

static void
check_state(const LsState *state, const LsEngagement *engagement, TimestampTz moment)
{
	if (state->fingerprint != engagement->fingerprint ||
		!ls_state_fits(state, engagement->tracks, engagement->ntracks, true))
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("engagement state of model \"%s\" is stale",
					   engagement->model->row->name),
				errhint("Aggregate the events again with "
						"lead_scoring.engagement_agg()."));
	ls_engagement_check_moment(state, engagement, moment);
}

/* count_contact: the contact that the arguments are. */
static LsRuleStats *
count_contact(FunctionCallInfo fcinfo, LsRuleStats *stats, MemoryContext context)
{
	bool won = !PG_ARGISNULL(A_WON) && PG_GETARG_BOOL(A_WON);
	LsMoment moment = {.now_us = PG_GETARG_TIMESTAMPTZ(A_MOMENT),
					   .since_us = PG_ARGISNULL(A_SINCE)
									   ? DT_NOBEGIN
									   : PG_GETARG_TIMESTAMPTZ(A_SINCE)};
	LsStatsCall *call;
	const HeapTuple *rows = read_contact(fcinfo, &call);
	const LsState *state = PG_GETARG_ENGAGEMENT(A_STATE);
	LsSegment *segment;

	if (stats == NULL)
		stats = new_stats(call->model,
						  nfit(call->model) + call->engagement->nrules,
						  context);
	check_same(stats, call->model);
	check_state(state, call->engagement, moment.now_us);
	segment = find_segment(stats, PG_GETARG_ARRAYTYPE_P(A_SEGMENTS));
	segment->contacts++;
	segment->won += won;
	count_fit(segment, call, rows, moment.now_us, won);
	count_behaviour(segment, call, state, &moment, won);
	return stats;
}

/*
 * rule_stats_accumulate(internal, contact record, state engagement, moment
 * timestamptz, since timestamptz, won boolean, segments text[], model text) ->
 * internal: transition function; contacts without a row, a state, a moment or
 * segments are left out.
 *
 * Errors: what a condition raises; 55000 where the rules change meanwhile.
 */
Datum
ls_sql_rule_stats_accumulate(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	LsRuleStats *stats =
		PG_ARGISNULL(A_STATS) ? NULL : (LsRuleStats *) PG_GETARG_POINTER(A_STATS);

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "rule_stats_accumulate called outside of an aggregate");
	if (PG_ARGISNULL(A_CONTACT) || PG_ARGISNULL(A_STATE) || PG_ARGISNULL(A_MOMENT) ||
		PG_ARGISNULL(A_SEGMENTS) || PG_ARGISNULL(A_MODEL))
	{
		if (stats == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(stats);
	}
	PG_RETURN_POINTER(count_contact(fcinfo, stats, context));
}

/* ---- the result -------------------------------------------------------- */

/* make_row: a rule_stat. */
static Datum
make_row(TupleDesc desc,
		 const LsSegment *segment,
		 const LsRuleCount *count,
		 const char *dimension,
		 const char *rule)
{
	bool nulls[8] = {false};
	Datum values[8] = {PointerGetDatum(segment->key),
					   CStringGetTextDatum(dimension),
					   CStringGetTextDatum(rule),
					   Int64GetDatum(segment->contacts),
					   Int64GetDatum(segment->won),
					   Int64GetDatum(count->matched),
					   Int64GetDatum(count->matched_won),
					   TimestampTzGetDatum(count->last_us)};

	nulls[7] = !IS_VALID_TIMESTAMP(count->last_us);
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

static ArrayBuildState *
add_rows(ArrayBuildState *rows,
		 TupleDesc desc,
		 const LsModel *model,
		 const LsSegment *segment)
{
	const LsRuleCount *count = segment->counts;
	Oid type = desc->tdtypeid;
	ListCell *cell;

	foreach(cell, model->explainer->rules)
	{
		const LsFitRow *row = lfirst(cell);

		rows = accumArrayResult(rows,
								make_row(desc, segment, count++, "fit", row->name),
								false,
								type,
								CurrentMemoryContext);
	}
	for (int i = 0; i < model->engagement->nrules; i++)
	{
		const LsEngagementRow *row = model->engagement->rules[i].row;
		const char *dimension = row->is_intent ? "intent" : "engagement";

		rows = accumArrayResult(rows,
								make_row(desc, segment, count++, dimension, row->name),
								false,
								type,
								CurrentMemoryContext);
	}
	return rows;
}

/*
 * rule_stats_finish(internal) -> rule_stat[]: a row for each combination of segments
 * and each enabled rule
 */
Datum
ls_sql_rule_stats_finish(PG_FUNCTION_ARGS)
{
	Oid type = get_element_type(get_func_rettype(fcinfo->flinfo->fn_oid));
	ArrayBuildState *rows;
	LsRuleStats *stats;
	segments_iterator iterator;
	LsSegment *segment;
	TupleDesc desc;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	stats = (LsRuleStats *) PG_GETARG_POINTER(0);
	rows = initArrayResult(type, CurrentMemoryContext, false);
	desc = lookup_rowtype_tupdesc(type, -1);
	segments_start_iterate(stats->segments, &iterator);
	while ((segment = segments_iterate(stats->segments, &iterator)) != NULL)
		rows = add_rows(rows, desc, stats->model, segment);
	ReleaseTupleDesc(desc);
	PG_RETURN_DATUM(makeArrayResult(rows, CurrentMemoryContext));
}

/*
 * stored_state(state engagement, moment timestamptz, model text) -> engagement: the
 * same, where it says what the contact had done by the moment; else NULL
 */
Datum
ls_sql_stored_state(PG_FUNCTION_ARGS)
{
	const LsState *state = PG_GETARG_ENGAGEMENT(0);
	TimestampTz moment = PG_GETARG_TIMESTAMPTZ(1);
	text *model = PG_GETARG_TEXT_PP(2);
	const LsEngagement *engagement =
		ls_engagement_of_name(fcinfo, VARDATA_ANY(model), VARSIZE_ANY_EXHDR(model));

	if (state->fingerprint != engagement->fingerprint || moment < state->from_us ||
		moment >= state->until_us ||
		!ls_state_fits(state, engagement->tracks, engagement->ntracks, true))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}
