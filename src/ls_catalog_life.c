/*
 * ls_catalog_life.c: typed readers of stages, transitions, actions, milestones.
 */
#include "ls_catalog_life.h"

#include "ls_catalog_row.h"
#include "ls_compat.h"

#include "utils/timestamp.h"

static void *
read_stage(const LsRow *row)
{
	LsStageRow *stage = palloc0(sizeof(LsStageRow));

	stage->name = ls_row_text(row, "name");
	stage->position = ls_row_int(row, "position");
	stage->is_end = ls_row_text(row, "outcome") != NULL;
	return stage;
}

static int
compare_stages(const ListCell *a, const ListCell *b)
{
	int position_a = ((const LsStageRow *) lfirst(a))->position;
	int position_b = ((const LsStageRow *) lfirst(b))->position;

	return position_a < position_b ? -1 : position_a > position_b;
}

/*
 * ls_catalog_stages: the stages of a model (LsStageRow), by position.
 */
List *
ls_catalog_stages(const char *model)
{
	List *stages = ls_row_read_all("stage", "stage_pkey", model, read_stage);

	list_sort(stages, compare_stages);
	return stages;
}

static void *
read_transition(const LsRow *row)
{
	LsTransitionRow *transition = palloc0(sizeof(LsTransitionRow));

	transition->from_stage = ls_row_text(row, "from_stage");
	transition->to_stage = ls_row_text(row, "to_stage");
	transition->condition = ls_row_text(row, "condition");
	transition->enabled = ls_row_bool(row, "enabled");
	return transition;
}

/*
 * ls_catalog_transitions: those of a model (LsTransitionRow).
 */
List *
ls_catalog_transitions(const char *model)
{
	return ls_row_read_all("transition", "transition_pkey", model, read_transition);
}

static LsEdge
read_edge(const LsRow *row)
{
	const char *edge = ls_row_text(row, "on_edge");

	if (strcmp(edge, "enter") == 0)
		return LS_EDGE_ENTER;
	return strcmp(edge, "leave") == 0 ? LS_EDGE_LEAVE : LS_EDGE_CHANGE;
}

/* read_span: an interval column in microseconds; -1 where it is null. */
static int64
read_span(const LsRow *row, const char *column)
{
	return row->nulls[ls_row_column(row, column)] ? -1
												  : ls_row_interval_us(row, column);
}

static void *
read_action(const LsRow *row)
{
	LsActionRow *action = palloc0(sizeof(LsActionRow));

	action->name = ls_row_text(row, "name");
	action->condition = ls_row_text(row, "condition");
	action->on_edge = read_edge(row);
	action->repeat_after_us = read_span(row, "repeat_after");
	action->max_age_us = read_span(row, "max_age");
	action->channel = ls_row_text(row, "channel");
	action->enabled = ls_row_bool(row, "enabled");
	return action;
}

/*
 * ls_catalog_actions: those of a model (LsActionRow), by name.
 */
List *
ls_catalog_actions(const char *model)
{
	return ls_row_read_all("action", "action_pkey", model, read_action);
}

/*
 * read_milestone: as a rule without points that asks for one match: so it is
 * remembered in the engagement state as rules are.
 */
static void *
read_milestone(const LsRow *row)
{
	LsEngagementRow *milestone = palloc0(sizeof(LsEngagementRow));

	milestone->name = ls_row_text(row, "name");
	milestone->source = ls_row_text(row, "source");
	milestone->condition = ls_row_text(row, "condition");
	milestone->kind = LS_KIND_COUNT;
	milestone->at_least = 1;
	milestone->at_most = -1;
	milestone->max_count = -1;
	milestone->counts_from = DT_NOBEGIN;
	milestone->counts_until = DT_NOEND;
	milestone->enabled = true;
	return milestone;
}

/*
 * ls_catalog_milestones: those of a model (LsEngagementRow), by name.
 */
List *
ls_catalog_milestones(const char *model)
{
	return ls_row_read_all("milestone", "milestone_pkey", model, read_milestone);
}
