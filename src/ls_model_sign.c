/*
 * ls_model_sign.c: fingerprints of a model's rows: of what scores follow from, of
 * what the lifecycle follows from, and of all that is compiled.
 */
#include "ls_model_sign.h"

#include "ls_catalog_life.h"
#include "ls_compat.h"

#include "common/hashfn.h"
#include "lib/stringinfo.h"

static void
sign_text(StringInfo out, const char *text)
{
	if (text == NULL)
		appendStringInfoString(out, "-;");
	else
		appendStringInfo(out, "%zu:%s;", strlen(text), text);
}

static void
sign_double(StringInfo out, double value)
{
	appendStringInfo(out, "%.17g;", value);
}

static void
sign_limits(StringInfo out, LsLimits limits)
{
	sign_double(out, limits.min);
	sign_double(out, limits.max);
}

static void
sign_model(StringInfo out, const LsModelRow *row)
{
	sign_text(out, row->population);
	sign_text(out, row->search_path);
	sign_double(out, row->fit_weight);
	sign_double(out, row->engagement_weight);
	sign_double(out, row->intent_weight);
	sign_limits(out, row->fit);
	sign_limits(out, row->engagement);
	sign_limits(out, row->intent);
	sign_limits(out, row->total);
	sign_text(out, row->time_zone);
	sign_text(out, row->created_column);
}

static void
sign_lookups(StringInfo out, List *lookups)
{
	ListCell *cell;

	foreach(cell, lookups)
	{
		const LsLookupRow *lookup = lfirst(cell);

		sign_text(out, lookup->alias);
		sign_text(out, lookup->relation);
		sign_text(out, lookup->key);
		sign_text(out, lookup->contact_column);
	}
}

static void
sign_sources(StringInfo out, List *sources)
{
	ListCell *cell;

	foreach(cell, sources)
	{
		const LsSourceRow *source = lfirst(cell);

		sign_text(out, source->name);
		sign_text(out, source->relation);
		sign_text(out, source->contact_id);
		sign_text(out, source->occurred_at);
		sign_text(out, source->time_zone);
		sign_text(out, source->condition);
		sign_text(out, source->activity);
	}
}

static void
sign_timing(StringInfo out, const LsEngagementRow *rule)
{
	const int64 times[] = {rule->within_us,
						   rule->after_us,
						   rule->counts_from,
						   rule->counts_until,
						   rule->repeat_every_us,
						   rule->grace_us,
						   rule->half_life_us,
						   rule->linear_over_us,
						   rule->decay_every_us,
						   rule->expires_after_us,
						   rule->max_count,
						   rule->at_least,
						   rule->at_most,
						   rule->if_never_created,
						   rule->step_order};

	for (int i = 0; i < lengthof(times); i++)
		appendStringInfo(out, INT64_FORMAT ";", times[i]);
	sign_double(out, rule->decay_percent);
}

static void
sign_behaviour(StringInfo out, List *rules)
{
	ListCell *cell;
	ListCell *step;

	foreach(cell, rules)
	{
		const LsEngagementRow *rule = lfirst(cell);

		appendStringInfo(out, "%d;%d;", rule->kind, rule->is_intent);
		sign_text(out, rule->group_name);
		sign_text(out, rule->source);
		sign_text(out, rule->condition);
		sign_double(out, rule->points);
		sign_text(out, rule->distinct_by);
		sign_text(out, rule->value);
		sign_text(out, rule->unless);
		sign_text(out, rule->requires);
		sign_text(out, rule->hit);
		foreach(step, rule->steps)
			sign_text(out, lfirst(step));
		sign_timing(out, rule);
	}
}

static void
sign_rules(StringInfo out, const LsModel *model, const LsRows *rows)
{
	ListCell *cell;

	foreach(cell, rows->groups)
	{
		const LsGroupRow *group = lfirst(cell);

		sign_text(out, group->name);
		sign_text(out, group->dimension);
		sign_limits(out, group->limits);
	}
	foreach(cell, rows->fit_rules)
	{
		const LsFitRow *rule = lfirst(cell);

		sign_text(out, rule->condition);
		sign_text(out, rule->group_name);
		sign_double(out, rule->points);
	}
	sign_lookups(out, rows->lookups);
	sign_sources(out, model->sources);
	sign_behaviour(out, model->behaviour);
	sign_behaviour(out, model->milestones);
	foreach(cell, model->thresholds)
	{
		const LsThresholdRow *threshold = lfirst(cell);

		sign_text(out, threshold->score);
		sign_text(out, threshold->label);
		sign_double(out, threshold->min_score);
	}
}

/* sign_life: what moves and actions follow from, besides the scores. */
static void
sign_life(StringInfo out, const LsModel *model)
{
	ListCell *cell;

	sign_text(out, model->row->stage_column);
	foreach(cell, model->milestones)
		sign_text(out, ((LsEngagementRow *) lfirst(cell))->name);
	foreach(cell, model->stages)
	{
		const LsStageRow *stage = lfirst(cell);

		sign_text(out, stage->name);
		appendStringInfo(out, "%d %d;", stage->position, stage->is_end);
	}
	foreach(cell, model->transitions)
	{
		const LsTransitionRow *transition = lfirst(cell);

		sign_text(out, transition->from_stage);
		sign_text(out, transition->to_stage);
		sign_text(out, transition->condition);
		appendStringInfo(out, "%d;", transition->enabled);
	}
	foreach(cell, model->actions)
	{
		const LsActionRow *action = lfirst(cell);

		sign_text(out, action->name);
		sign_text(out, action->condition);
		appendStringInfo(out, "%d %d;", action->on_edge, action->enabled);
	}
}

/* sign_actions: how an action happens; those it has happened to are no concern. */
static void
sign_actions(StringInfo out, const LsModel *model)
{
	ListCell *cell;

	foreach(cell, model->actions)
	{
		const LsActionRow *action = lfirst(cell);

		sign_text(out, action->channel);
		appendStringInfo(out,
						 INT64_FORMAT " " INT64_FORMAT ";",
						 action->repeat_after_us,
						 action->max_age_us);
	}
}

/* sign_names: what does not change a score, but what errors and reasons show. */
static void
sign_names(StringInfo out, const LsModel *model, const LsRows *rows)
{
	ListCell *cell;

	appendStringInfo(out, "%u;%u;", model->relid, model->owner);
	sign_text(out, model->row->contact_id);
	sign_text(out, model->row->status);
	sign_text(out, model->row->objects_schema);
	sign_text(out, model->row->owner);
	appendStringInfo(out,
					 "%d;" INT64_FORMAT ";",
					 model->row->has_scored_stamp,
					 model->row->scored_stamp);
	foreach(cell, rows->fit_rules)
		sign_text(out, ((LsFitRow *) lfirst(cell))->name);
	foreach(cell, model->behaviour)
		sign_text(out, ((LsEngagementRow *) lfirst(cell))->name);
}

static uint64
hash_text(const StringInfo text, uint64 seed)
{
	return hash_bytes_extended((const unsigned char *) text->data, text->len, seed);
}

/*
 * ls_model_sign: fill in the stamps and the signature.
 */
void
ls_model_sign(LsModel *model, const LsRows *rows)
{
	StringInfoData signature;

	initStringInfo(&signature);
	sign_sources(&signature, model->sources);
	sign_lookups(&signature, rows->lookups);
	model->sources_stamp = (int64) hash_text(&signature, 0);
	resetStringInfo(&signature);
	sign_model(&signature, model->row);
	sign_rules(&signature, model, rows);
	model->stamp = (int64) hash_text(&signature, 0);
	sign_life(&signature, model);
	model->life_stamp = (int64) hash_text(&signature, 0);
	sign_actions(&signature, model);
	sign_names(&signature, model, rows);
	model->signature[0] = hash_text(&signature, 1);
	model->signature[1] = hash_text(&signature, 2);
}
