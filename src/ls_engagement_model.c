/*
 * ls_engagement_model.c: engagement rules, compiled when first needed: their
 * conditions into one matcher for each event source.
 */
#include "ls_engagement_model.h"

#include "ls_compat.h"

#include "common/hashfn.h"
#include "utils/memutils.h"

/* ---- the rules -------------------------------------------------------- */

static int
find_track(List *drafts, const LsEngagementRow *rule)
{
	ListCell *cell;

	foreach(cell, drafts)
		if (list_member_ptr(((LsDraft *) lfirst(cell))->rules, rule))
			return foreach_current_index(cell);
	return -1;
}

static int
find_required(List *rules, const char *name)
{
	ListCell *cell;

	if (name == NULL)
		return LS_REQUIRES_NOTHING;
	foreach(cell, rules)
	{
		const LsEngagementRow *rule = lfirst(cell);

		if (strcmp(rule->name, name) == 0 && rule->kind != LS_KIND_INACTIVE)
			return foreach_current_index(cell);
	}
	return LS_REQUIRES_MISSING;
}

static void
compile_rules(LsModel *model, LsEngagement *engagement, List *drafts)
{
	ListCell *cell;

	engagement->nrules = list_length(model->behaviour);
	engagement->rules = palloc0(sizeof(LsBehaviour) * (engagement->nrules + 1));
	foreach(cell, model->behaviour)
	{
		const LsEngagementRow *row = lfirst(cell);
		LsBehaviour *rule = &engagement->rules[foreach_current_index(cell)];

		rule->row = row;
		rule->timing = ls_engagement_timing(row);
		rule->track = find_track(drafts, row);
		if (rule->track >= 0)
			rule->timing.track = &engagement->tracks[rule->track];
		else
			engagement->uses_activity = true;
		rule->slot = ls_model_slot_of(row->group_name, model->groups);
		rule->requires = find_required(model->behaviour, row->requires);
	}
}

/* can_idle: may the rule give points where its track has no facts? */
static bool
can_idle(const LsBehaviour *rule)
{
	return rule->track < 0 || rule->timing.kind == LS_TIMING_INACTIVE ||
		   (rule->timing.kind == LS_TIMING_COUNT && rule->timing.at_least <= 0);
}

static void
add_reader(LsReaders *readers, const LsBehaviour *rule)
{
	readers->rules =
		readers->n == 0
			? palloc(sizeof(LsBehaviour *))
			: repalloc(readers->rules, sizeof(LsBehaviour *) * (readers->n + 1));
	readers->rules[readers->n++] = rule;
}

/* compile_readers: a score is read off the tracks that have facts. */
static void
compile_readers(LsEngagement *engagement)
{
	for (int i = 0; i < 2; i++)
		engagement->readers[i] = palloc0(sizeof(LsReaders) * (engagement->ntracks + 1));
	for (int i = 0; i < engagement->nrules; i++)
	{
		const LsBehaviour *rule = &engagement->rules[i];
		bool is_intent = rule->row->is_intent;

		if (can_idle(rule))
			add_reader(&engagement->idle[is_intent], rule);
		else
			add_reader(&engagement->readers[is_intent][rule->track], rule);
	}
}

static void
compile_milestones(LsModel *model, LsEngagement *engagement, List *drafts)
{
	ListCell *cell;

	engagement->nmilestones = list_length(model->milestones);
	engagement->milestones =
		palloc0(sizeof(LsBehaviour) * (engagement->nmilestones + 1));
	foreach(cell, model->milestones)
	{
		const LsEngagementRow *row = lfirst(cell);
		LsBehaviour *milestone = &engagement->milestones[foreach_current_index(cell)];

		milestone->row = row;
		milestone->timing = ls_engagement_timing(row);
		milestone->track = find_track(drafts, row);
		milestone->timing.track = &engagement->tracks[milestone->track];
		milestone->requires = LS_REQUIRES_NOTHING;
	}
}

static void
compile_tracks(LsEngagement *engagement, List *drafts)
{
	ListCell *cell;

	engagement->ntracks = list_length(drafts);
	engagement->tracks = palloc0(sizeof(LsTrack) * (engagement->ntracks + 1));
	engagement->sections = palloc0(sizeof(LsSection) * (engagement->ntracks + 1));
	engagement->open.tracks = palloc0(sizeof(int) * (engagement->ntracks + 1));
	for (int i = 0; i < engagement->ntracks; i++)
		engagement->sections[i].unless_us = INT64_MIN;
	foreach(cell, drafts)
	{
		const LsTrack *track = &((LsDraft *) lfirst(cell))->track;

		engagement->tracks[foreach_current_index(cell)] = *track;
		engagement->forgets_when_final |=
			track->kind == LS_TRACK_SEQUENCE || track->kind == LS_TRACK_STREAK;
	}
}

/*
 * fingerprint: of everything that states hold. The hash of a text stands for
 * the machine's byte order and the server's hash functions.
 */
static uint64
fingerprint(const LsModel *model, List *drafts, bool uses_activity)
{
	/* Where a rule looks at the last activity, it says when a state can be read. */
	const char *seed = uses_activity ? "activity" : "events";
	uint64 hash = hash_bytes_extended((const unsigned char *) seed, strlen(seed), 1);
	ListCell *cell;

	foreach(cell, drafts)
		hash = hash_combine64(hash, ((LsDraft *) lfirst(cell))->track.id);
	foreach(cell, model->sources)
	{
		const LsSourceRow *row = lfirst(cell);
		char *text =
			psprintf("%s;%s;%s;%s;%s;%s;%s;%s",
					 row->name,
					 row->relation,
					 row->contact_id,
					 row->occurred_at,
					 row->time_zone != NULL ? row->time_zone : model->row->time_zone,
					 row->condition != NULL ? row->condition : "",
					 row->activity != NULL ? row->activity : "",
					 model->row->search_path);

		hash = hash_combine64(hash,
							  hash_bytes_extended((const unsigned char *) text,
												  strlen(text),
												  0));
	}
	return hash;
}

/* compile_slots: sums and limits of the groups of both dimensions. */
static void
compile_slots(LsEngagement *engagement)
{
	const LsModel *model = engagement->model;
	static const char *const dimensions[] = {"engagement", "intent"};
	ListCell *cell;

	engagement->sums = palloc0(sizeof(double) * model->nslots);
	for (int i = 0; i < 2; i++)
	{
		engagement->limits[i] = palloc(sizeof(LsLimits) * model->nslots);
		for (int slot = 0; slot < model->nslots; slot++)
			engagement->limits[i][slot] = (LsLimits){-INFINITY, INFINITY};
		foreach(cell, model->groups)
		{
			const LsGroupRow *group = lfirst(cell);

			if (strcmp(group->dimension, dimensions[i]) == 0)
				engagement->limits[i][foreach_current_index(cell) + 1] = group->limits;
		}
	}
}

/* compile: into the current context. */
static LsEngagement *
compile(LsModel *model, MemoryContext scratch)
{
	MemoryContext own = CurrentMemoryContext;
	LsEngagement *engagement = palloc0(sizeof(LsEngagement));
	List *drafts;
	ListCell *cell;

	MemoryContextSwitchTo(scratch);
	drafts = ls_engagement_drafts(list_concat_copy(model->behaviour, model->milestones),
								  model->sources,
								  model->row->name);
	MemoryContextSwitchTo(own);
	engagement->model = model;
	compile_tracks(engagement, drafts);
	compile_rules(model, engagement, drafts);
	compile_readers(engagement);
	compile_milestones(model, engagement, drafts);
	compile_slots(engagement);
	engagement->nsources = list_length(model->sources);
	engagement->sources = palloc0(sizeof(LsEventSource) * (engagement->nsources + 1));
	MemoryContextSwitchTo(scratch);
	engagement->fingerprint = fingerprint(model, drafts, engagement->uses_activity);
	foreach(cell, model->sources)
		ls_engagement_compile_source(model,
									 own,
									 lfirst(cell),
									 drafts,
									 &engagement->sources[foreach_current_index(cell)]);
	MemoryContextSwitchTo(own);
	return engagement;
}

/*
 * ls_engagement_get: the model's engagement rules, compiled when first asked for.
 *
 * Errors: what a condition raises that can no longer be read; 42P01, 42703.
 * Memory: below the model's context, once all of it is there.
 */
LsEngagement *
ls_engagement_get(LsModel *model)
{
	MemoryContext own;
	MemoryContext scratch;
	MemoryContext old;

	if (model->engagement != NULL)
		return model->engagement;
	own = AllocSetContextCreate(CurrentMemoryContext,
								"lead_scoring engagement",
								ALLOCSET_SMALL_SIZES);
	scratch = AllocSetContextCreate(CurrentMemoryContext,
									"lead_scoring conditions",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(own);
	model->engagement = compile(model, scratch);
	MemoryContextSwitchTo(old);
	MemoryContextSetParent(own, model->context);
	MemoryContextDelete(scratch);
	return model->engagement;
}
