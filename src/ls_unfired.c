/*
 * ls_unfired.c: an update of columns that no rule looks at fires no trigger.
 *
 * PostgreSQL keeps a row trigger in a queue, and fetches both versions of the row again
 * for it: in bulk that takes longer than all that the trigger then does to find that
 * it is about nothing. Which columns a command names is known when it starts. So where
 * none of them counts, our trigger is taken out of the command's own copy of the
 * triggers, as if it were one OF other columns. (It cannot be one: rules change, and
 * those who change them should lock no contacts.)
 *
 * The trigger itself looks at the same, for commands that start before this library
 * is loaded, or before the model is compiled; and for those that are no commands.
 */
#include "ls_unfired.h"

#include "ls_compat.h"
#include "ls_model_cache.h"
#include "ls_passed.h"

#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "nodes/bitmapset.h"
#include "utils/rel.h"
#include "utils/reltrigger.h"

static ExecutorStart_hook_type next_start = NULL;

/*
 * ls_unfired_is_elsewhere: does an update of the columns change none of those that
 * the map is about? Triggers or generated columns might change others.
 */
bool
ls_unfired_is_elsewhere(Relation rel, const Bitmapset *columns, const LsTableMap *map)
{
	const TupleConstr *constr = RelationGetDescr(rel)->constr;

	return columns != NULL && !rel->trigdesc->trig_update_before_row &&
		   (constr == NULL || !ls_has_generated(constr)) &&
		   !bms_overlap(columns, map->columns);
}

/* is_on_update: does it fire after each row that is updated? */
static bool
is_on_update(const Trigger *trigger)
{
	return TRIGGER_TYPE_MATCHES(trigger->tgtype,
								TRIGGER_TYPE_ROW,
								TRIGGER_TYPE_AFTER,
								TRIGGER_TYPE_UPDATE);
}

static bool
is_ours(const Trigger *trigger)
{
	FmgrInfo function;

	fmgr_info(trigger->tgfoid, &function);
	return function.fn_addr == ls_sql_contact_changed;
}

/* map_of: what the trigger would go by; NULL where it would have to find out. */
static const LsTableMap *
map_of(const Trigger *trigger, Relation rel)
{
	const char *model = trigger->tgnargs == 1 ? trigger->tgargs[0] : NULL;

	if (model == NULL || !ls_model_has_table_map(model, RelationGetRelid(rel)) ||
		!is_ours(trigger))
		return NULL;
	return ls_model_table_map(ls_model_get(model),
							  RelationGetRelid(rel),
							  RelationGetDescr(rel));
}

/* leave_out: the trigger, where it would be about nothing. */
static void
leave_out(ResultRelInfo *result, Trigger *trigger, const Bitmapset *columns)
{
	Relation rel = result->ri_RelationDesc;
	const LsTableMap *map = map_of(trigger, rel);

	if (map == NULL || !ls_unfired_is_elsewhere(rel, columns, map))
		return;
	trigger->tgtype &= ~TRIGGER_TYPE_UPDATE;
	ls_passed_note(trigger->tgargs[0], map->key_type);
}

/* look_at: the triggers of a table that is written to; they are a copy. */
static void
look_at(ResultRelInfo *result, EState *estate)
{
	TriggerDesc *triggers = result->ri_TrigDesc;
	const Bitmapset *columns;
	bool any = false;

	if (triggers == NULL || !triggers->trig_update_after_row)
		return;
	columns = ExecGetUpdatedCols(result, estate);
	for (int i = 0; i < triggers->numtriggers && columns != NULL; i++)
	{
		Trigger *trigger = &triggers->triggers[i];

		if (is_on_update(trigger))
			leave_out(result, trigger, columns);
		any |= is_on_update(trigger);
	}
	if (columns != NULL)
		triggers->trig_update_after_row = any;
}

static void
start(QueryDesc *query, int flags)
{
	ListCell *cell;

	if (next_start != NULL)
		next_start(query, flags);
	else
		standard_ExecutorStart(query, flags);
	foreach(cell, query->estate->es_opened_result_relations)
		look_at(lfirst(cell), query->estate);
}

/*
 * ls_unfired_init: once a backend.
 */
void
ls_unfired_init(void)
{
	next_start = ExecutorStart_hook;
	ExecutorStart_hook = start;
}
