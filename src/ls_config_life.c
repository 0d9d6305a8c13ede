/*
 * ls_config_life.c: rows of lead_scoring.transition and action.
 *
 * What depends on other rows is not looked at while a dump is restored.
 */
#include "ls_config.h"

#include "ls_catalog_life.h"
#include "ls_compat.h"
#include "ls_model_cache.h"

#include "catalog/pg_type.h"
#include "utils/guc.h"

/* check_stage: is the column's value a stage? */
static void
check_stage(const LsConfigRow *row, const char *column)
{
	const char *name = ls_config_text(row, column);
	ListCell *cell;

	foreach(cell, ls_catalog_stages(row->model->name))
		if (name == NULL || strcmp(((LsStageRow *) lfirst(cell))->name, name) == 0)
			return;
	if (name == NULL)
		return;
	ereport(ERROR,
			errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
			errmsg("model \"%s\" has no stage \"%s\"", row->model->name, name),
			errhint("Look at lead_scoring.stage for the names, or add it there."));
}

/* check_goal: is it a milestone? */
static void
check_goal(const LsConfigRow *row)
{
	const char *name = ls_config_text(row, "goal");
	ListCell *cell;

	if (name == NULL)
		return;
	foreach(cell, ls_catalog_milestones(row->model->name))
		if (strcmp(((LsEngagementRow *) lfirst(cell))->name, name) == 0)
			return;
	ereport(ERROR,
			errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
			errmsg("model \"%s\" has no milestone \"%s\"", row->model->name, name),
			errdetail("The goal of an action is a milestone."),
			errhint("Look at lead_scoring.milestone for the names, or add it there."));
}

static void
check_condition(LsConfigRow *row)
{
	ls_config_check_condition(row,
							  ls_model_score_scope(row->model, row->relid),
							  "condition",
							  BOOLOID);
}

/*
 * ls_config_check_transition: check a row of lead_scoring.transition.
 *
 * Errors: 23503 where there is no such stage; 23514; what a condition raises.
 */
void
ls_config_check_transition(LsConfigRow *row)
{
	const char *from = ls_config_text(row, "from_stage");

	if (from != NULL && strcmp(from, ls_config_required(row, "to_stage")) == 0)
		ereport(ERROR,
				errcode(ERRCODE_CHECK_VIOLATION),
				errmsg("a transition cannot lead from stage \"%s\" to itself", from),
				errhint("Name another stage in to_stage; from_stage null is any other."));
	if (check_function_bodies)
	{
		check_stage(row, "from_stage");
		check_stage(row, "to_stage");
	}
	check_condition(row);
}

/*
 * ls_config_check_action: check a row of lead_scoring.action.
 *
 * Errors: 23503 where there is no such milestone; 23514; what a condition raises.
 */
void
ls_config_check_action(LsConfigRow *row)
{
	static const char *const edges[] = {"enter", "leave", "change"};

	(void) ls_config_check_word(row,
								"on_edge",
								edges,
								lengthof(edges),
								"Write enter, leave or change.");
	ls_config_check_not_empty(row, "channel");
	ls_config_check_time(row, "repeat_after", true);
	ls_config_check_time(row, "max_age", false);
	ls_config_check_time(row, "goal_within", false);
	if (check_function_bodies)
		check_goal(row);
	check_condition(row);
}
