/*
 * ls_engagement_track.c: engagement rules -> tracks: what has to be accumulated
 * from events so that the rules can be read off.
 *
 * A track is known by a hash of all that shapes it. Points, windows, decays of
 * single matches and names are not among it: they may change without the states
 * becoming stale. Rules that need the same share a track.
 */
#include "ls_engagement_model.h"

#include "ls_compat.h"

#include "common/hashfn.h"
#include "lib/stringinfo.h"

/* The end of a stored state's header and its model's name. */
#define STATE_OVERHEAD (sizeof(LsState) + LS_STATE_MAX_NAME)

/* source_of: where the rule's events are. */
static const LsSourceRow *
source_of(const LsEngagementRow *rule, List *sources, const char *model)
{
	const LsSourceRow *source = ls_catalog_source_of(rule, sources);

	if (source == NULL)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				rule->source != NULL
					? errmsg("event source \"%s\" of engagement rule \"%s\" does not exist",
							 rule->source,
							 rule->name)
					: errmsg("engagement rule \"%s\" does not say which event source",
							 rule->name),
				errdetail("Model \"%s\" has %d event sources.",
						  model,
						  list_length(sources)),
				errhint("Set its column \"source\", or make one with "
						"lead_scoring.add_event_source()."));
	return source;
}

/* is_last_activity: is what every state knows enough? */
static bool
is_last_activity(const LsEngagementRow *rule)
{
	return ls_catalog_watches_all(rule) && rule->counts_from == DT_NOBEGIN &&
		   rule->counts_until == DT_NOEND;
}

static LsDraftFeed *
add_feed(LsDraft *draft,
		 const LsEngagementRow *rule,
		 const LsSourceRow *source,
		 const char *condition,
		 uint32 what)
{
	LsDraftFeed *feed = palloc0(sizeof(LsDraftFeed));

	feed->source = source;
	feed->condition = condition;
	feed->what = what;
	feed->counts_from = rule->counts_from;
	feed->counts_until = rule->counts_until;
	feed->rule = rule->name;
	draft->feeds = lappend(draft->feeds, feed);
	return feed;
}

/* draft_matches: each, count. */
static void
draft_matches(LsDraft *draft, const LsEngagementRow *rule, const LsSourceRow *source)
{
	LsTrack *track = &draft->track;
	LsDraftFeed *feed;

	track->kind = LS_TRACK_LIST;
	if (rule->kind == LS_KIND_COUNT)
		track->cap = Max(Max(rule->at_least, rule->at_most + 1), 1);
	else if (rule->max_count > 0)
		track->cap = rule->max_count;
	else
	{
		track->kind = LS_TRACK_SUM;
		track->half_life_us = rule->half_life_us;
	}
	track->has_key = rule->distinct_by != NULL;
	track->has_value = rule->value != NULL;
	track->after_us = rule->after_us;
	feed = add_feed(draft, rule, source, rule->condition, LS_FACT_MATCH);
	feed->distinct_by = rule->distinct_by;
	feed->value = rule->value;
}

static void
draft_inactive(LsDraft *draft,
			   const LsEngagementRow *rule,
			   List *sources,
			   const char *model)
{
	ListCell *cell;

	draft->track.kind = LS_TRACK_LIST;
	draft->track.cap = 1;
	if (!ls_catalog_watches_all(rule))
		add_feed(draft,
				 rule,
				 source_of(rule, sources, model),
				 rule->condition,
				 LS_FACT_MATCH);
	else
		foreach(cell, sources)
			add_feed(draft,
					 rule,
					 lfirst(cell),
					 ((LsSourceRow *) lfirst(cell))->activity,
					 LS_FACT_MATCH);
}

static void
draft_sequence(LsDraft *draft, const LsEngagementRow *rule, const LsSourceRow *source)
{
	ListCell *cell;

	draft->track.kind = LS_TRACK_SEQUENCE;
	draft->track.nsteps = list_length(rule->steps);
	draft->track.order = (LsTrackOrder) rule->step_order;
	draft->track.within_us = rule->within_us;
	if (draft->track.nsteps > LS_TRACK_MAX_STEPS)
		ereport(ERROR,
				errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				errmsg("engagement rule \"%s\" has %d steps",
					   rule->name,
					   draft->track.nsteps),
				errhint("Use at most %d.", LS_TRACK_MAX_STEPS));
	foreach(cell, rule->steps)
		add_feed(draft, rule, source, lfirst(cell), 1u << foreach_current_index(cell));
}

static void
draft_streak(LsDraft *draft, const LsEngagementRow *rule, const LsSourceRow *source)
{
	LsDraftFeed *feed;

	draft->track.kind = LS_TRACK_STREAK;
	draft->track.cap = rule->at_least;
	draft->track.grace_us = rule->grace_us;
	feed = add_feed(draft, rule, source, rule->condition, LS_FACT_MATCH);
	feed->distinct_by = rule->distinct_by;
	feed = add_feed(draft, rule, source, rule->hit, LS_FACT_HIT);
	feed->distinct_by = rule->distinct_by;
	feed->counts_from = DT_NOBEGIN;
	feed->counts_until = DT_NOEND;
}

static void
sign_text(StringInfo out, const char *text)
{
	if (text == NULL)
		appendStringInfoString(out, "-;");
	else
		appendStringInfo(out, "%zu:%s;", strlen(text), text);
}

/* sign_draft: all that shapes what is accumulated. */
static void
sign_draft(LsDraft *draft)
{
	const LsTrack *track = &draft->track;
	StringInfoData text;
	ListCell *cell;

	initStringInfo(&text);
	appendStringInfo(&text,
					 "%d;%d;%d;%d;" INT64_FORMAT ";" INT64_FORMAT ";" INT64_FORMAT
					 ";" INT64_FORMAT ";",
					 track->kind,
					 track->cap,
					 track->nsteps,
					 track->order,
					 track->after_us,
					 track->half_life_us,
					 track->within_us,
					 track->grace_us);
	foreach(cell, draft->feeds)
	{
		const LsDraftFeed *feed = lfirst(cell);

		sign_text(&text, feed->source->name);
		sign_text(&text, feed->condition);
		sign_text(&text, feed->distinct_by);
		sign_text(&text, feed->value);
		appendStringInfo(&text,
						 "%u;" INT64_FORMAT ";" INT64_FORMAT ";",
						 feed->what,
						 feed->counts_from,
						 feed->counts_until);
	}
	draft->track.id =
		hash_bytes_extended((const unsigned char *) text.data, text.len, 0);
	pfree(text.data);
}

static LsDraft *
draft_rule(const LsEngagementRow *rule, List *sources, const char *model)
{
	LsDraft *draft = palloc0(sizeof(LsDraft));
	const LsSourceRow *source = NULL;

	if (rule->kind == LS_KIND_INACTIVE)
		draft_inactive(draft, rule, sources, model);
	else
	{
		source = source_of(rule, sources, model);
		if (rule->kind == LS_KIND_SEQUENCE)
			draft_sequence(draft, rule, source);
		else if (rule->kind == LS_KIND_STREAK)
			draft_streak(draft, rule, source);
		else
			draft_matches(draft, rule, source);
	}
	if (rule->unless != NULL)
	{
		LsDraftFeed *feed = add_feed(draft, rule, source, rule->unless, LS_FACT_UNLESS);

		feed->counts_from = DT_NOBEGIN;
		feed->counts_until = DT_NOEND;
		draft->track.has_unless = true;
	}
	sign_draft(draft);
	return draft;
}

static int
compare_drafts(const ListCell *a, const ListCell *b)
{
	uint64 id_a = ((LsDraft *) lfirst(a))->track.id;
	uint64 id_b = ((LsDraft *) lfirst(b))->track.id;

	return id_a < id_b ? -1 : id_a > id_b;
}

/*
 * ls_engagement_drafts: the tracks (LsDraft) of the rules, in the order of their
 * ids.
 *
 * Errors: 42704 where a rule's source is missing or unclear.
 */
List *
ls_engagement_drafts(List *rules, List *sources, const char *model)
{
	List *drafts = NIL;
	ListCell *cell;
	ListCell *other;

	foreach(cell, rules)
	{
		LsEngagementRow *rule = lfirst(cell);
		LsDraft *draft;

		if (is_last_activity(rule))
			continue;
		draft = draft_rule(rule, sources, model);
		foreach(other, drafts)
			if (((LsDraft *) lfirst(other))->track.id == draft->track.id)
				draft = lfirst(other);
		if (draft->rules == NIL)
			drafts = lappend(drafts, draft);
		draft->rules = lappend(draft->rules, rule);
	}
	list_sort(drafts, compare_drafts);
	return drafts;
}

/*
 * ls_engagement_max_size: the largest state, in bytes, that these rules can make.
 */
size_t
ls_engagement_max_size(List *rules, List *sources, const char *model)
{
	size_t size = STATE_OVERHEAD;
	ListCell *cell;

	foreach(cell, ls_engagement_drafts(rules, sources, model))
		size += ls_track_max_size(&((LsDraft *) lfirst(cell))->track);
	return size;
}

static LsTimingKind
timing_kind(const LsEngagementRow *rule)
{
	switch (rule->kind)
	{
		case LS_KIND_EACH:
			return rule->max_count > 0 ? LS_TIMING_EACH : LS_TIMING_EACH_SUM;
		case LS_KIND_COUNT:
			return LS_TIMING_COUNT;
		case LS_KIND_INACTIVE:
			return LS_TIMING_INACTIVE;
		case LS_KIND_SEQUENCE:
			return LS_TIMING_SEQUENCE;
		case LS_KIND_STREAK:
			return LS_TIMING_STREAK;
	}
	return LS_TIMING_EACH;
}

/*
 * ls_engagement_timing: how a rule is read off its track, which the caller
 * fills in.
 */
LsTiming
ls_engagement_timing(const LsEngagementRow *rule)
{
	LsTiming timing = {0};

	timing.kind = timing_kind(rule);
	timing.points = rule->points;
	timing.within_us = rule->within_us;
	timing.after_us = rule->after_us;
	timing.expires_after_us = rule->expires_after_us;
	timing.half_life_us = rule->half_life_us;
	timing.linear_over_us = rule->linear_over_us;
	timing.decay_percent = rule->decay_percent;
	timing.decay_every_us = rule->decay_every_us;
	timing.repeat_every_us = rule->repeat_every_us;
	timing.max_count = rule->max_count;
	timing.at_least = rule->at_least;
	timing.at_most = rule->at_most;
	timing.if_never_created = rule->if_never_created;
	return timing;
}
