/*
 * ls_apply_state.c: what many contacts did: their engagement states, as they are
 * stored or made anew from their events, and the scores that are read off them.
 */
#include "ls_apply.h"

#include "ls_adjust.h"
#include "ls_attempt.h"
#include "ls_compat.h"
#include "ls_engagement.h"
#include "ls_fit.h"
#include "ls_lifecycle.h"
#include "ls_relation.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/*
 * in_zone: a timestamp without zone, or -infinity where it is so close to the end
 * of all times that the zone might lead beyond.
 */
static TimestampTz
in_zone(const LsModelRow *row, Timestamp local)
{
	if (local < MIN_TIMESTAMP + 2 * USECS_PER_DAY ||
		local >= END_TIMESTAMP - 2 * USECS_PER_DAY)
		return DT_NOBEGIN;
	return DatumGetTimestampTz(DirectFunctionCall2(timestamp_zone,
												   CStringGetTextDatum(row->time_zone),
												   TimestampGetDatum(local)));
}

/*
 * ls_apply_since: when the contact came to be, for silence rules; -infinity
 * where that is not known, or no time at all. It does not raise: triggers call it.
 */
TimestampTz
ls_apply_since(const LsModel *model, TupleDesc desc, HeapTuple contact)
{
	const LsModelRow *row = model->row;
	int attno =
		row->created_column == NULL ? 0 : SPI_fnumber(desc, row->created_column);
	bool is_null;
	Datum value;
	TimestampTz since;
	int overflow;

	if (attno <= 0)
		return DT_NOBEGIN;
	value = SPI_getbinval(contact, desc, attno, &is_null);
	if (is_null)
		return DT_NOBEGIN;
	switch (getBaseType(TupleDescAttr(desc, attno - 1)->atttypid))
	{
		case DATEOID:
			since =
				in_zone(row,
						date2timestamp_opt_overflow(DatumGetDateADT(value), &overflow));
			break;
		case TIMESTAMPOID:
			since = in_zone(row, DatumGetTimestamp(value));
			break;
		case TIMESTAMPTZOID:
			since = DatumGetTimestampTz(value);
			break;
		default:
			return DT_NOBEGIN;
	}
	return since == DT_NOEND ? DT_NOBEGIN : since;
}

/* LsReading: contacts whose events are read. */
typedef struct LsReading
{
	const LsObjects *objects;
	LsModel *model;
	LsChange *changes; /* in the order of the keys */
	int n;
	TimestampTz as_of;
} LsReading;

/*
 * ls_apply_join_states: of two sources; the first may be NULL.
 *
 * Memory: the current context.
 */
const LsState *
ls_apply_join_states(LsEngagement *engagement,
					 const LsState *a,
					 const LsState *b,
					 TimestampTz as_of)
{
	LsAccumulator *acc;

	if (a == NULL)
		return memcpy(palloc(VARSIZE(b)), b, VARSIZE(b));
	acc = ls_accumulator_new(engagement, as_of, CurrentMemoryContext);
	ls_accumulator_join_state(acc, a);
	ls_accumulator_join_state(acc, b);
	return ls_accumulator_state(acc);
}

/*
 * ls_apply_check_state: is it by these rules?
 *
 * Errors: 55000.
 */
void
ls_apply_check_state(const LsEngagement *engagement, const LsState *state)
{
	if (state->fingerprint != engagement->fingerprint)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("rules of model \"%s\" changed while events were read",
					   engagement->model->row->name),
				errhint("The contacts are due, and done by the next refresh."));
}

static bool
must_read(const LsChange *change)
{
	return change->outcome == LS_SCORED && change->events == LS_EVENTS_READ;
}

/* take_states: the result of read_source. */
static void
take_states(const LsReading *reading)
{
	TupleDesc desc = SPI_tuptable->tupdesc;

	for (uint64 i = 0; i < SPI_tuptable->numvals; i++)
	{
		HeapTuple row = SPI_tuptable->vals[i];
		LsChange wanted = {0};
		LsChange *change;
		const LsState *state;
		bool is_null;

		wanted.key = ls_key_from_datum(reading->objects->key_type,
									   SPI_getbinval(row, desc, 1, &is_null));
		change = bsearch(&wanted,
						 reading->changes,
						 reading->n,
						 sizeof(LsChange),
						 ls_apply_compare);
		if (change == NULL || !must_read(change))
			continue;
		state = ls_state_from_datum(SPI_getbinval(row, desc, 2, &is_null));
		ls_apply_check_state(reading->model->engagement, state);
		change->state = ls_apply_join_states(reading->model->engagement,
											 change->state,
											 state,
											 reading->as_of);
	}
}

/*
 * keys_to_read: whose events are read, as an array; in another, since when. The
 * latter is 0 where all count.
 */
static Datum
keys_to_read(const LsReading *reading, Datum *resets)
{
	LsChange *some =
		palloc_extended(sizeof(LsChange) * (Size) reading->n, MCXT_ALLOC_HUGE);
	int n = 0;

	for (int i = 0; i < reading->n; i++)
		if (must_read(&reading->changes[i]))
			some[n++] = reading->changes[i];
	*resets = ls_adjust_resets(some, n);
	return ls_apply_keys(reading->objects, some, n);
}

/*
 * source_query: the states of the contacts in $1 from the events of one source; with
 * resets, from those since $5, an array beside the contacts.
 */
static char *
source_query(const LsObjects *objects, const LsSourceRow *source, bool has_resets)
{
	const char *id = quote_identifier(source->contact_id);
	const char *events = ls_relation_name(ls_relation_by_name(source->relation));
	const char *key_type = format_type_be_qualified(objects->key_type);

	if (has_resets)
		return psprintf(
			"SELECT e.%s::%s, lead_scoring.engagement_agg_since(e.*, $2, $3, $4, k.since)"
			" FROM unnest($1, $5) AS k (contact_id, since)"
			" JOIN %s AS e ON e.%s = k.contact_id GROUP BY 1",
			id,
			key_type,
			events,
			id);
	return psprintf("SELECT e.%s::%s, lead_scoring.engagement_agg(e.*, $2, $3, $4)"
					" FROM %s AS e WHERE e.%s = ANY ($1) GROUP BY 1",
					id,
					key_type,
					events,
					id);
}

/* read_source: the states of the contacts from the events of one source. */
static void
read_source(const LsReading *reading, const LsSourceRow *source)
{
	const LsObjects *objects = reading->objects;
	Oid types[5] = {get_array_type(objects->key_type),
					TEXTOID,
					TEXTOID,
					TIMESTAMPTZOID,
					get_array_type(TIMESTAMPTZOID)};
	Datum values[5];

	values[0] = keys_to_read(reading, &values[4]);
	values[1] = CStringGetTextDatum(objects->model);
	values[2] = CStringGetTextDatum(source->name);
	values[3] = TimestampTzGetDatum(reading->as_of);
	(void) ls_objects_execute(source_query(objects, source, values[4] != (Datum) 0),
							  values[4] != (Datum) 0 ? 5 : 4,
							  types,
							  values);
	take_states(reading);
}

/* read_milestones: those that the contact has reached. */
static void
read_milestones(const LsEngagement *engagement,
				const LsMoment *moment,
				LsChange *change)
{
	change->milestones = NIL;
	for (int i = 0; i < engagement->nmilestones; i++)
		if (ls_engagement_is_reached(engagement, i, moment))
			change->milestones =
				lappend(change->milestones, engagement->milestones[i].row->name);
}

/* read_scores: off the state of a contact. */
static void
read_scores(const LsReading *reading, LsChange *change)
{
	LsEngagement *engagement = reading->model->engagement;
	LsMoment moment;
	double points;
	double intent;
	int64 next_us;

	if (change->state == NULL)
		change->state = ls_accumulator_state(
			ls_accumulator_new(engagement, reading->as_of, CurrentMemoryContext));
	if (change->events == LS_EVENTS_READ)
		ls_adjust_bound_state(change);
	ls_engagement_check_moment(change->state, engagement, reading->as_of);
	ls_engagement_open(engagement,
					   change->state,
					   &moment,
					   reading->as_of,
					   change->since);
	points = ls_engagement_points(engagement, &moment, false);
	intent = ls_engagement_points(engagement, &moment, true);
	next_us = ls_engagement_next_change(engagement,
										&moment,
										change->fit,
										ls_adjust_points(change));
	read_milestones(engagement, &moment, change);
	ls_engagement_close(engagement);
	next_us = Min(next_us, change->state->until_us);
	change->engagement = ls_engagement_round(engagement, points, false);
	change->intent = ls_engagement_round(engagement, intent, true);
	change->last_activity = change->state->last_activity_us;
	change->due_at = IS_VALID_TIMESTAMP(next_us) ? next_us : DT_NOEND;
}

/* keep_states: those that need no reading. Gives the number of those that do. */
static int
keep_states(const LsReading *reading)
{
	int n = 0;

	for (int i = 0; i < reading->n; i++)
	{
		LsChange *change = &reading->changes[i];

		change->state = NULL;
		if (change->outcome != LS_SCORED)
			continue;
		if (ls_apply_keep_state(reading->model->engagement, change, reading->as_of))
			continue;
		change->events = LS_EVENTS_READ;
		n++;
	}
	return n;
}

static void
read_states(void *arg)
{
	const LsReading *reading = arg;
	ListCell *cell;

	if (keep_states(reading) > 0)
		foreach(cell, reading->model->sources)
			read_source(reading, lfirst(cell));
	for (int i = 0; i < reading->n; i++)
		if (reading->changes[i].outcome == LS_SCORED)
			read_scores(reading, &reading->changes[i]);
}

/* read_one_by_one: an event that a condition fails on costs its contact only. */
static void
read_one_by_one(const LsReading *all)
{
	for (int i = 0; i < all->n; i++)
	{
		LsReading one = *all;
		ErrorData *error;

		CHECK_FOR_INTERRUPTS();
		one.changes = &all->changes[i];
		one.changes->events = LS_EVENTS_READ;
		one.n = 1;
		if (one.changes->outcome != LS_SCORED || ls_attempt(read_states, &one, &error))
			continue;
		one.changes->outcome = LS_FAILED;
		one.changes->problem = ls_fit_describe(error);
	}
}

/* prepare: all of the model that says when a score changes by itself, to somebody. */
static void
prepare(LsModel *model)
{
	(void) ls_engagement_get(model);
	if (ls_lifecycle_is_needed(model))
		(void) ls_lifecycle_get(model);
}

/*
 * read_all: again, by the new rules, where those changed while it waited for the
 * events. The scores of the contacts are by the old ones then, and so is the stamp.
 */
static bool
read_all(LsReading *reading)
{
	ErrorData *error;

	for (int tries = 0; tries < 3; tries++)
	{
		LsModel *model = reading->model;

		prepare(model);
		if (ls_attempt(read_states, reading, &error))
			return true;
		reading->model = ls_model_get(reading->objects->model);
		if (reading->model == model)
			return false;
	}
	prepare(reading->model);
	return false;
}

/* daily: what rules on the contact make of as_of may change at any time. */
static void
set_daily(LsChange *changes, int n, TimestampTz as_of)
{
	for (int i = 0; i < n; i++)
		changes[i].due_at = Min(changes[i].due_at, as_of + USECS_PER_DAY);
}

/*
 * ls_apply_states: engagement and intent of the contacts that were scored, from
 * their events up to the moment, and when they change by themselves. The changes
 * are in the order of their keys.
 */
void
ls_apply_states(const LsObjects *objects, LsChange *changes, int n, TimestampTz as_of)
{
	LsReading reading = {objects, ls_model_get(objects->model), changes, n, as_of};

	for (int i = 0; i < n; i++)
		changes[i].due_at = DT_NOEND;
	if (ls_model_has_behaviour(reading.model) && !read_all(&reading))
		read_one_by_one(&reading);
	if (reading.model->uses_as_of)
		set_daily(changes, n, as_of);
}

/*
 * ls_apply_stored_state: the same for one contact whose events need not be read, from
 * what is stored of it; false where they must be. The model is compiled, what is
 * stored is known, and nobody says anything by hand.
 *
 * Errors: 22003 where a sum is not finite; what a state that is no such raises.
 */
bool
ls_apply_stored_state(const LsObjects *objects,
					  LsModel *model,
					  LsChange *change,
					  TimestampTz as_of)
{
	LsReading reading = {objects, model, change, 1, as_of};

	change->due_at = DT_NOEND;
	if (!ls_model_has_behaviour(model))
		return true;
	if (!ls_apply_keep_state(model->engagement, change, as_of))
		return false;
	read_scores(&reading, change);
	return true;
}
