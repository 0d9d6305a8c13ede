/*
 * ls_apply_merge.c: what need not be read, because it is stored: fit, and what the
 * contact did, to which new events are added.
 */
#include "ls_apply.h"

#include "ls_adjust.h"
#include "ls_compat.h"
#include "ls_engagement.h"

#include "utils/memutils.h"

static bool
is_of_model(const LsState *state, const LsEngagement *engagement)
{
	const char *name = engagement->model->row->name;

	return state->fingerprint == engagement->fingerprint &&
		   state->name_length == strlen(name) &&
		   memcmp(ls_state_name(state), name, state->name_length) == 0 &&
		   ls_state_fits(state, engagement->tracks, engagement->ntracks, true);
}

/* is_sound: is what is stored a score, and by these rules? */
static bool
is_sound(const LsModel *model, const LsStored *stored)
{
	return stored != NULL && !stored->has_problem && !isnan(stored->fit) &&
		   stored->stamp == model->stamp &&
		   (stored->state != NULL || !ls_model_has_behaviour(model));
}

/* keep_fit: of a contact whose row did not change. */
static void
keep_fit(LsChange *change)
{
	change->outcome = LS_SCORED;
	change->fit = change->stored->fit;
	change->since = change->stored->since;
	change->stamp = change->stored->stamp;
}

/*
 * ls_apply_plan: which contacts are to be read, and whose events: what was found
 * before the rules changed is looked at again, and so is everything at another
 * moment where that matters. The changes must know what is stored.
 */
void
ls_apply_plan(const LsModel *model, LsChange *changes, int n)
{
	for (int i = 0; i < n; i++)
	{
		LsChange *change = &changes[i];
		bool is_known = is_sound(model, change->stored);

		if (!is_known && change->events != LS_EVENTS_SURVEYED)
			change->events = LS_EVENTS_READ;
		if (model->uses_as_of)
			change->outcome = LS_RECOMPUTE;
		else if (change->outcome == LS_AS_STORED && is_known)
			keep_fit(change);
		else if (change->outcome == LS_AS_STORED || change->stamp != model->stamp)
			change->outcome = LS_RECOMPUTE;
	}
}

static bool
is_readable(const LsState *state, TimestampTz as_of)
{
	return as_of >= state->from_us && as_of < state->until_us;
}

/* merge: the stored state and new events. */
static const LsState *
merge(LsEngagement *engagement, const LsChange *change, TimestampTz as_of)
{
	LsAccumulator *acc = ls_accumulator_new(engagement, as_of, CurrentMemoryContext);

	ls_accumulator_join_state(acc, change->stored->state);
	ls_accumulator_join(acc, change->delta);
	return ls_accumulator_state(acc);
}

/* keep_surveyed: what a survey has made of the contact's events. */
static bool
keep_surveyed(LsEngagement *engagement, LsChange *change, TimestampTz as_of)
{
	const LsState *state = change->surveyed->state;

	if (state != NULL &&
		(!is_of_model(state, engagement) || !is_readable(state, as_of)))
		return false;
	change->state = state;
	return true;
}

/*
 * ls_apply_keep_state: what the contact did, without its events. False where they
 * must be read: there are other rules, or the state cannot say it of this moment.
 *
 * Errors: 22003 where a sum is not finite.
 */
bool
ls_apply_keep_state(LsEngagement *engagement, LsChange *change, TimestampTz as_of)
{
	const LsState *state;

	if (change->events == LS_EVENTS_SURVEYED)
		return keep_surveyed(engagement, change, as_of);
	if (change->events == LS_EVENTS_READ || change->stored == NULL)
		return false;
	state = change->stored->state;
	if (state == NULL || !is_of_model(state, engagement))
		return false;
	if (change->events == LS_EVENTS_MERGE)
	{
		if (change->delta->frame->engagement != engagement ||
			ls_adjust_has_reset(change))
			return false;
		state = merge(engagement, change, as_of);
	}
	if (!is_readable(state, as_of))
		return false;
	change->state = state;
	return true;
}
