/*
 * ls_what_if_idle.c: until when a contact stays in its band if nothing happens.
 *
 * From moment to moment at which something may change (next_change): before the next
 * one nothing does, but for what fades. Where that comes near a threshold, steps are
 * doubled until the band is another one, and halved then.
 */
#include "ls_what_if.h"

#include "ls_band.h"
#include "ls_compat.h"
#include "ls_decay.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#define MAX_STEPS 20000
#define HORIZON_US (5 * 366 * USECS_PER_DAY)
#define NEAR_US USECS_PER_SEC

/* LsIdle: the search. */
typedef struct LsIdle
{
	const LsWhatIf *what_if;
	double fit; /* where time does not change it */
} LsIdle;

static double
fit_at(const LsIdle *idle, TimestampTz at)
{
	const LsAsked *asked = idle->what_if->asked;

	return asked->model->uses_as_of ? ls_asked_fit(asked, at) : idle->fit;
}

/* has_left: is the contact in another band then, or not scored any more? */
static bool
has_left(const LsIdle *idle, TimestampTz at)
{
	const LsWhatIf *what_if = idle->what_if;
	double total;

	if (ls_asked_outside(what_if->asked, at) != NULL)
		return true;
	total = ls_what_if_total(what_if, what_if->state, at, fit_at(idle, at));
	return ls_band_rank(what_if->asked->model, total) != what_if->rank;
}

/* next_by_hand: when an adjustment begins or ends. */
static TimestampTz
next_by_hand(const LsIdle *idle, TimestampTz at)
{
	TimestampTz next = DT_NOEND;
	ListCell *cell;

	foreach(cell, idle->what_if->asked->said)
	{
		const LsSaid *said = lfirst(cell);

		if (said->from > at)
			next = Min(next, said->from);
		if (said->until > at)
			next = Min(next, said->until);
	}
	return next;
}

/* next_moment: up to when certainly nothing changes. What time does to a fit rule is
 * looked at day by day. */
static TimestampTz
next_moment(const LsIdle *idle, TimestampTz at)
{
	const LsAsked *asked = idle->what_if->asked;
	const LsState *state = idle->what_if->state;
	LsEngagement *engagement = ls_engagement_get(asked->model);
	TimestampTz next = next_by_hand(idle, at);
	LsMoment moment;

	if (asked->model->uses_as_of)
		next = Min(next, at + USECS_PER_DAY);
	if (state == NULL)
		return next;
	ls_engagement_open(engagement, state, &moment, at, asked->dossier->since);
	next = Min(next,
			   ls_engagement_next_change(engagement,
										 &moment,
										 fit_at(idle, at),
										 ls_dossier_by_hand(asked->said, at).points));
	ls_engagement_close(engagement);
	return next;
}

/* first_outside: between a moment inside and one outside of the band. */
static TimestampTz
first_outside(const LsIdle *idle, TimestampTz inside, TimestampTz outside)
{
	while (outside - inside > 1)
	{
		TimestampTz middle = inside + (outside - inside) / 2;

		if (has_left(idle, middle))
			outside = middle;
		else
			inside = middle;
	}
	return outside;
}

/*
 * ls_what_if_leaves_band: never too late; too early where there are more changes
 * than can be looked at. Infinity: not within five years.
 */
TimestampTz
ls_what_if_leaves_band(const LsWhatIf *what_if)
{
	LsIdle idle = {what_if, ls_asked_fit(what_if->asked, what_if->as_of)};
	TimestampTz end = ls_decay_later(what_if->as_of, HORIZON_US);
	TimestampTz at = what_if->as_of;
	int64 stride = NEAR_US;

	for (int i = 0; i < MAX_STEPS; i++)
	{
		TimestampTz next = Min(next_moment(&idle, at), end);

		CHECK_FOR_INTERRUPTS();
		if (next - at >= NEAR_US)
			stride = NEAR_US;
		else
		{
			next = ls_decay_later(at, stride);
			stride *= 2;
		}
		if (next >= end)
			return has_left(&idle, end) ? first_outside(&idle, at, end) : DT_NOEND;
		if (has_left(&idle, next))
			return first_outside(&idle, at, next);
		at = next;
	}
	return at;
}
