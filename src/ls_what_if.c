/*
 * ls_what_if.c: a contact's total if one more event happened.
 *
 * The event meets one condition, word for word, and those that every event meets. It
 * is activity, happens at the moment, is told apart from all others by whatever
 * distinct_by there is, and has the value of the latest match, or 1.
 */
#include "ls_what_if.h"

#include "ls_band.h"
#include "ls_compat.h"
#include "ls_engagement_cells.h"

#include "utils/timestamp.h"

/* No other value has this hash, but by a chance of 1 to 2^64. */
#define NEW_KEY UINT64CONST(0x6e65772065766e74)

/*
 * ls_what_if_total: with what a state says of events, as of a moment.
 */
double
ls_what_if_total(const LsWhatIf *what_if,
				 const LsState *state,
				 TimestampTz as_of,
				 double fit)
{
	LsModel *model = what_if->asked->model;
	double by_hand = ls_dossier_by_hand(what_if->asked->said, as_of).points;
	LsEngagement *engagement = ls_engagement_get(model);
	LsMoment moment;
	double points = 0;
	double intent = 0;

	if (state != NULL)
	{
		ls_engagement_check_moment(state, engagement, as_of);
		ls_engagement_open(engagement,
						   state,
						   &moment,
						   as_of,
						   what_if->asked->dossier->since);
		points = ls_engagement_points(engagement, &moment, false);
		intent = ls_engagement_points(engagement, &moment, true);
		ls_engagement_close(engagement);
	}
	return ls_band_adjusted_total(model,
								  fit,
								  ls_engagement_round(engagement, points, false),
								  ls_engagement_round(engagement, intent, true),
								  by_hand);
}

/* until_ever: what the state says if nothing happens, whatever has happened. */
static const LsState *
until_ever(const LsState *state)
{
	LsState *copy = memcpy(palloc(VARSIZE(state)), state, VARSIZE(state));

	copy->until_us = PG_INT64_MAX;
	return copy;
}

/*
 * ls_what_if_open: of a contact that is scored as of the moment.
 */
LsWhatIf *
ls_what_if_open(const LsAsked *asked, TimestampTz as_of)
{
	LsWhatIf *what_if = palloc0(sizeof(LsWhatIf));
	LsModel *model = asked->model;

	what_if->asked = asked;
	what_if->as_of = as_of;
	what_if->state = ls_asked_state(asked, as_of, as_of);
	if (what_if->state != NULL)
	{
		what_if->state = until_ever(what_if->state);
		what_if->drafts =
			ls_engagement_drafts(model->behaviour, model->sources, model->row->name);
		what_if->facts = palloc(sizeof(LsFact) * (ls_state_count(what_if->state) + 1));
		what_if->nfacts = ls_state_facts(what_if->state, what_if->facts);
	}
	what_if->total =
		ls_what_if_total(what_if, what_if->state, as_of, ls_asked_fit(asked, as_of));
	what_if->rank = ls_band_rank(model, what_if->total);
	return what_if;
}

/* ---- the event ---------------------------------------------------------- */

/* latest: fact of a track that is a match or an occasion; NULL where there is none. */
static const LsFact *
latest(const LsWhatIf *what_if, uint32 track)
{
	const LsFact *found = NULL;

	for (int i = 0; i < what_if->nfacts; i++)
	{
		const LsFact *fact = &what_if->facts[i];

		if (fact->track == track && fact->what == LS_FACT_MATCH &&
			fact->at_us <= what_if->as_of &&
			(found == NULL || fact->at_us > found->at_us))
			found = fact;
	}
	return found;
}

static bool
is_hit(const LsWhatIf *what_if, const LsFact *occasion)
{
	for (int i = 0; i < what_if->nfacts; i++)
		if (what_if->facts[i].track == occasion->track &&
			what_if->facts[i].what == LS_FACT_HIT &&
			what_if->facts[i].key == occasion->key)
			return true;
	return false;
}

/* open_occasion: key of the latest occasion that was not hit yet. */
static uint64
open_occasion(const LsWhatIf *what_if, uint32 track)
{
	const LsFact *found = NULL;

	for (int i = 0; i < what_if->nfacts; i++)
	{
		const LsFact *fact = &what_if->facts[i];

		if (fact->track == track && fact->what == LS_FACT_MATCH &&
			fact->at_us <= what_if->as_of && !is_hit(what_if, fact) &&
			(found == NULL || fact->at_us > found->at_us))
			found = fact;
	}
	return found == NULL ? NEW_KEY : found->key;
}

static LsFact
imagine_fact(const LsWhatIf *what_if, int number, const LsDraftFeed *feed)
{
	const LsTrack *track =
		&((const LsDraft *) list_nth(what_if->drafts, number))->track;
	LsFact fact = {.at_us = what_if->as_of, .track = number, .what = feed->what};
	const LsFact *before = latest(what_if, number);

	if (track->kind == LS_TRACK_SUM)
		fact.key = 1;
	else if (track->kind == LS_TRACK_STREAK && feed->what == LS_FACT_HIT)
		fact.key = open_occasion(what_if, number);
	else if (feed->distinct_by != NULL)
		fact.key = NEW_KEY;
	fact.value = track->kind == LS_TRACK_SUM;
	/* A sum has no latest value. */
	if (feed->value != NULL)
		fact.value = before != NULL && track->kind != LS_TRACK_SUM ? before->value : 1;
	return fact;
}

static bool
is_met(const LsDraftFeed *feed, const LsSourceRow *source, const char *condition)
{
	return strcmp(feed->source->name, source->name) == 0 &&
		   (feed->condition == NULL ||
			(condition != NULL && strcmp(feed->condition, condition) == 0));
}

static void
add_facts(const LsWhatIf *what_if,
		  LsAccumulator *acc,
		  const LsSourceRow *source,
		  const char *condition)
{
	ListCell *cell;
	ListCell *feed_cell;

	foreach(cell, what_if->drafts)
		foreach(feed_cell, ((const LsDraft *) lfirst(cell))->feeds)
		{
			const LsDraftFeed *feed = lfirst(feed_cell);
			LsFact fact;

			if (!is_met(feed, source, condition) ||
				what_if->as_of < feed->counts_from ||
				what_if->as_of >= feed->counts_until)
				continue;
			fact = imagine_fact(what_if, foreach_current_index(cell), feed);
			ls_accumulator_add_fact(acc, &fact);
		}
	ls_accumulator_note_activity(acc, what_if->as_of);
}

/* gives: the rule's own points. */
static double
gives(const LsWhatIf *what_if, const LsState *state, const LsBehaviour *rule)
{
	LsEngagement *engagement = ls_engagement_get(what_if->asked->model);
	LsMoment moment;
	LsTally tally;

	ls_engagement_open(engagement,
					   state,
					   &moment,
					   what_if->as_of,
					   what_if->asked->dossier->since);
	ls_engagement_tally(engagement, rule, &moment, &tally);
	ls_engagement_close(engagement);
	return tally.points;
}

/*
 * imagine: the total with one more event. False where that cannot be told, or does
 * nothing for the rule.
 */
static bool
imagine(const LsWhatIf *what_if,
		const LsBehaviour *rule,
		const LsSourceRow *source,
		const char *condition,
		double *total)
{
	LsEngagement *engagement = ls_engagement_get(what_if->asked->model);
	LsAccumulator *acc =
		ls_accumulator_new(engagement, what_if->as_of, CurrentMemoryContext);
	const LsState *state;

	ls_accumulator_join_state(acc, what_if->state);
	add_facts(what_if, acc, source, condition);
	state = ls_accumulator_state(acc);
	if (what_if->as_of < state->from_us || what_if->as_of >= state->until_us ||
		gives(what_if, state, rule) <= gives(what_if, what_if->state, rule))
		return false;
	*total = ls_what_if_total(what_if,
							  state,
							  what_if->as_of,
							  ls_asked_fit(what_if->asked, what_if->as_of));
	return true;
}

/* try_event: keep it if it is the best so far. */
static bool
try_event(const LsWhatIf *what_if,
		  const LsSourceRow *source,
		  const char *condition,
		  bool is_found,
		  LsImagined *best)
{
	double total;

	if (source == NULL || !imagine(what_if, best->rule, source, condition, &total) ||
		(is_found && total <= best->total))
		return is_found;
	best->condition = condition;
	best->total = total;
	return true;
}

/*
 * ls_what_if_best: the total if the rule had one more match: for a sequence, one more
 * step; for a streak, a hit; for silence, what ends it. False where the rule would give
 * no more than it does.
 */
bool
ls_what_if_best(const LsWhatIf *what_if, const LsBehaviour *rule, LsImagined *imagined)
{
	const LsEngagementRow *row = rule->row;
	List *sources = what_if->asked->model->sources;
	bool is_found = false;
	ListCell *cell;

	imagined->rule = rule;
	if (row->kind == LS_KIND_SEQUENCE)
		foreach(cell, row->steps)
			is_found = try_event(what_if,
								 ls_catalog_source_of(row, sources),
								 lfirst(cell),
								 is_found,
								 imagined);
	else if (ls_catalog_watches_all(row))
		foreach(cell, sources)
			is_found = try_event(what_if,
								 lfirst(cell),
								 ((const LsSourceRow *) lfirst(cell))->activity,
								 is_found,
								 imagined);
	else
		is_found = try_event(what_if,
							 ls_catalog_source_of(row, sources),
							 row->kind == LS_KIND_STREAK ? row->hit : row->condition,
							 false,
							 imagined);
	return is_found;
}
