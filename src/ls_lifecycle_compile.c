/*
 * ls_lifecycle_compile.c: stages, transitions and actions, compiled when first
 * needed: all conditions into one matcher over the score and the contact.
 */
#include "ls_lifecycle.h"

#include "ls_cond.h"
#include "ls_compat.h"
#include "ls_error.h"
#include "ls_guard.h"
#include "ls_relation.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

/* LsDraftLife: what is gone when compiling is done. */
typedef struct LsDraftLife
{
	LsLifecycle *life;
	LsCondScope *scope;
	List *values; /* of LsMatchValue */
} LsDraftLife;

/*
 * ls_lifecycle_stage: the number of a stage; -1 where no row names it.
 */
int
ls_lifecycle_stage(const LsLifecycle *life, const char *name)
{
	for (int i = 0; name != NULL && i < life->nstages; i++)
		if (strcmp(life->stages[i]->name, name) == 0)
			return i;
	return -1;
}

static void
compile_stages(LsLifecycle *life)
{
	ListCell *cell;

	life->nstages = list_length(life->model->stages);
	life->stages = palloc(sizeof(LsStageRow *) * (life->nstages + 1));
	foreach(cell, life->model->stages)
		life->stages[foreach_current_index(cell)] = lfirst(cell);
}

/* add_condition: gives its number among the values. */
static int
add_condition(LsDraftLife *draft, const char *kind, const char *name, const char *text)
{
	LsMatchValue *value = palloc0(sizeof(LsMatchValue));
	LsPlace place = {.kind = kind,
					 .name = name,
					 .model = draft->life->model->row->name,
					 .text = text};
	LsCond *cond;

	ls_error_push_place(&place);
	cond = ls_cond_read(draft->scope, text, BOOLOID);
	ls_error_pop_place(&place);
	draft->life->is_daily |= cond->uses_as_of;
	value->kind = kind;
	value->name = name;
	value->expr = cond->expr;
	draft->values = lappend(draft->values, value);
	return list_length(draft->values) - 1;
}

static void
add_transition(LsDraftLife *draft, const LsTransitionRow *row)
{
	LsLifecycle *life = draft->life;
	LsTransition *transition = &life->transitions[life->ntransitions];

	transition->from = ls_lifecycle_stage(life, row->from_stage);
	transition->to = ls_lifecycle_stage(life, row->to_stage);
	if (!row->enabled || transition->from < 0 || transition->to < 0 ||
		life->stages[transition->from]->is_end)
		return;
	transition->value =
		add_condition(draft,
					  "transition",
					  psprintf("%s to %s", row->from_stage, row->to_stage),
					  row->condition);
	life->ntransitions++;
}

static int
compare_transitions(const void *a, const void *b)
{
	return ((const LsTransition *) b)->to - ((const LsTransition *) a)->to;
}

static void
compile_transitions(LsDraftLife *draft)
{
	LsLifecycle *life = draft->life;
	List *rows = life->model->transitions;
	ListCell *cell;

	life->transitions =
		MemoryContextAlloc(GetMemoryChunkContext(life),
						   sizeof(LsTransition) * (list_length(rows) + 1));
	foreach(cell, rows)
		add_transition(draft, lfirst(cell));
	qsort(life->transitions,
		  life->ntransitions,
		  sizeof(LsTransition),
		  compare_transitions);
}

static void
compile_actions(LsDraftLife *draft)
{
	LsLifecycle *life = draft->life;
	List *rows = life->model->actions;
	ListCell *cell;

	life->actions = MemoryContextAlloc(GetMemoryChunkContext(life),
									   sizeof(LsAction) * (list_length(rows) + 1));
	foreach(cell, rows)
	{
		const LsActionRow *row = lfirst(cell);
		LsAction *action = &life->actions[life->nactions];

		if (!row->enabled)
			continue;
		action->row = row;
		action->value = add_condition(draft, "action", row->name, row->condition);
		life->nactions++;
	}
}

/* watch_conditions: which may flip by themselves, and when. */
static void
watch_conditions(LsDraftLife *draft)
{
	ListCell *cell;

	foreach(cell, draft->values)
		ls_lifecycle_watch(draft->life,
						   eval_const_expressions(NULL,
												  ((LsMatchValue *) lfirst(cell))
													  ->expr));
}

static bool
is_not_builtin(Oid function, void *context)
{
	return function >= FirstUnpinnedObjectId;
}

/* calls_others: than functions that are part of the server itself. */
static bool
calls_others(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return check_functions_in_node(node, is_not_builtin, context) ||
		   expression_tree_walker(node, calls_others, context);
}

static bool
is_builtin(const LsDraftLife *draft)
{
	ListCell *cell;

	foreach(cell, draft->values)
		if (calls_others(((LsMatchValue *) lfirst(cell))->expr, NULL))
			return false;
	return true;
}

static void
compile_matcher(LsDraftLife *draft)
{
	LsLifecycle *life = draft->life;
	MemoryContext scratch = CurrentMemoryContext;
	MemoryContext own = AllocSetContextCreate(GetMemoryChunkContext(life),
											  "lead_scoring matcher",
											  ALLOCSET_SMALL_SIZES);
	LsGuard guard;

	ls_guard_enter_reading(&guard, draft->scope->owner, LS_SAFE_PATH);
	watch_conditions(draft);
	MemoryContextSwitchTo(own);
	life->matcher = ls_match_compile_values(NIL,
											draft->values,
											draft->scope,
											LS_MATCH_LIST,
											1,
											"lifecycle",
											life->model->row->name);
	MemoryContextSwitchTo(scratch);
	ls_guard_leave(&guard);
	life->may_raise = draft->values != NIL;
	life->is_builtin = is_builtin(draft);
	life->uses_contact = ls_match_last_relation(life->matcher) > 1;
	life->no_rows =
		MemoryContextAllocZero(GetMemoryChunkContext(life),
							   sizeof(HeapTuple) *
								   (list_length(draft->scope->relations) + 1));
	life->model->watched = life->thresholds;
}

/*
 * ls_lifecycle_map: how conditions read a score, and the rows of a contact and its
 * lookups of these n types.
 */
LsRowMap *
ls_lifecycle_map(const LsLifecycle *life, const TupleDesc *contact, int n)
{
	TupleDesc *descs = palloc(sizeof(TupleDesc) * (n + 1));
	LsRowMap *map;

	descs[0] = lookup_rowtype_tupdesc(get_rel_type_id(ls_catalog_relid("score")), -1);
	for (int i = 0; i < n; i++)
		descs[i + 1] = contact[i];
	map = ls_match_map_rows(life->matcher, descs, n + 1);
	ReleaseTupleDesc(descs[0]);
	return map;
}

/* compile: into the current context. */
static LsLifecycle *
compile(LsModel *model, MemoryContext scratch)
{
	MemoryContext own = CurrentMemoryContext;
	LsLifecycle *life = palloc0(sizeof(LsLifecycle));
	LsDraftLife draft = {.life = life};

	life->model = model;
	compile_stages(life);
	MemoryContextSwitchTo(scratch);
	draft.scope = ls_model_score_scope_with(model->row, model->relid, model->lookups);
	compile_transitions(&draft);
	compile_actions(&draft);
	compile_matcher(&draft);
	MemoryContextSwitchTo(own);
	life->no_map = ls_lifecycle_map(life, NULL, 0);
	return life;
}

/*
 * ls_lifecycle_get: the model's lifecycle, compiled when first asked for.
 *
 * Errors: what a condition raises that can no longer be read.
 * Memory: below the model's context, once all of it is there.
 */
LsLifecycle *
ls_lifecycle_get(LsModel *model)
{
	MemoryContext own;
	MemoryContext scratch;
	MemoryContext old;

	if (model->lifecycle != NULL)
		return model->lifecycle;
	own = AllocSetContextCreate(CurrentMemoryContext,
								"lead_scoring lifecycle",
								ALLOCSET_SMALL_SIZES);
	scratch = AllocSetContextCreate(CurrentMemoryContext,
									"lead_scoring conditions",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(own);
	model->lifecycle = compile(model, scratch);
	MemoryContextSwitchTo(old);
	MemoryContextSetParent(own, model->context);
	MemoryContextDelete(scratch);
	return model->lifecycle;
}
