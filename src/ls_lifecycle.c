/*
 * ls_lifecycle.c: where a contact stands, where it goes from there, and what that
 * sets off.
 *
 * One look at a contact whose scores are known: a person may have changed its
 * stage; transitions are tried, the highest target first, until none applies; then
 * the actions whose condition has become true or false.
 */
#include "ls_lifecycle.h"

#include "ls_compat.h"
#include "ls_contact.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/timestamp.h"

/* Columns of lead_scoring.score, in its order. */
enum
{
	S_FIT,
	S_ENGAGEMENT,
	S_INTENT,
	S_TOTAL,
	S_BAND,
	S_STAGE,
	S_STAGE_AGE,
	S_MILESTONES,
	N_SCORE
};

/* LsLook: one look at a contact. */
typedef struct LsLook
{
	LsLifecycle *life;
	LsRowMap *map;
	LsChange *change;
	TimestampTz as_of;
	LsMemory *memory;
	NullableDatum score[N_SCORE];
	bool is_live; /* else it is watched only: a shadow */
	bool enrols;  /* what is true already counts as if it became so now */
	List **moves;
	List **firings;
} LsLook;

/*
 * ls_lifecycle_is_needed: is there anything to look at?
 */
bool
ls_lifecycle_is_needed(const LsModel *model)
{
	return model->stages != NIL || model->actions != NIL;
}

/*
 * ls_lifecycle_needs_contact: must the contact's row be at hand, even where its
 * scores are known?
 */
bool
ls_lifecycle_needs_contact(LsModel *model)
{
	return ls_lifecycle_is_needed(model) && ls_lifecycle_get(model)->uses_contact;
}

/*
 * ls_lifecycle_is_builtin: do conditions call nothing but functions of the server
 * itself? Such do not look for anything by its name.
 */
bool
ls_lifecycle_is_builtin(LsModel *model)
{
	return !ls_lifecycle_is_needed(model) || ls_lifecycle_get(model)->is_builtin;
}

/*
 * ls_lifecycle_complete_map: for ls_lifecycle_same_contact.
 *
 * Errors: what compiling the lifecycle raises.
 */
void
ls_lifecycle_complete_map(LsModel *model, const LsTableMap *map, TupleDesc desc)
{
	LsLifecycle *life = ls_lifecycle_get(model);
	MemoryContext old = MemoryContextSwitchTo(model->context);
	LsRowMap *rows = ls_lifecycle_map(life, &desc, 1);

	MemoryContextSwitchTo(old);
	ls_model_complete_table_map(model, map->relid, rows);
}

static bool
is_same_stage(const LsTableMap *map,
			  TupleDesc desc,
			  HeapTuple old_tuple,
			  HeapTuple new_tuple)
{
	Form_pg_attribute att = TupleDescAttr(desc, map->stage - 1);
	bool old_null;
	bool new_null;
	Datum old_value = heap_getattr(old_tuple, map->stage, desc, &old_null);
	Datum new_value = heap_getattr(new_tuple, map->stage, desc, &new_null);

	return old_null == new_null &&
		   (old_null ||
			datum_image_eq(old_value, new_value, att->attbyval, att->attlen));
}

/*
 * ls_lifecycle_same_contact: does an update leave all that the lifecycle looks at
 * as it was? What we write ourselves is known.
 */
bool
ls_lifecycle_same_contact(const char *model,
						  const LsTableMap *map,
						  TupleDesc desc,
						  HeapTuple old_tuple,
						  HeapTuple new_tuple)
{
	if (map->stage > 0 && !is_same_stage(map, desc, old_tuple, new_tuple) &&
		!ls_lifecycle_is_ours(model))
		return false;
	return ls_match_same_columns(map->life, 2, old_tuple, new_tuple);
}

/* ---- what conditions see ------------------------------------------------ */

static void
put_text(NullableDatum *value, const char *text)
{
	value->isnull = text == NULL;
	value->value = text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

static void
put_stage(LsLook *look)
{
	const LsChange *change = look->change;
	NullableDatum *age = &look->score[S_STAGE_AGE];

	put_text(&look->score[S_STAGE], change->stage);
	age->isnull = change->stage == NULL || change->stage_since == DT_NOBEGIN;
	if (!age->isnull)
		age->value = DirectFunctionCall2(timestamp_mi,
										 TimestampTzGetDatum(look->as_of),
										 TimestampTzGetDatum(change->stage_since));
}

static void
put_milestones(LsLook *look)
{
	List *reached = look->change->milestones;
	Datum *names = palloc(sizeof(Datum) * (list_length(reached) + 1));
	ListCell *cell;

	foreach(cell, reached)
		names[foreach_current_index(cell)] = CStringGetTextDatum(lfirst(cell));
	look->score[S_MILESTONES].isnull = false;
	look->score[S_MILESTONES].value = PointerGetDatum(
		construct_array(names, list_length(reached), TEXTOID, -1, false, TYPALIGN_INT));
}

/* LsPoints: scores as conditions are to see them. */
typedef struct LsPoints
{
	double fit;
	double engagement;
	double intent;
	double total;
	const char *band;
} LsPoints;

static void
put_points(LsLook *look, const LsPoints *points)
{
	const double values[] = {points->fit,
							 points->engagement,
							 points->intent,
							 points->total};

	for (int i = 0; i < lengthof(values); i++)
	{
		look->score[S_FIT + i].isnull = isnan(values[i]);
		look->score[S_FIT + i].value = Float8GetDatum(values[i]);
	}
	put_text(&look->score[S_BAND], points->band);
}

/* load: make the score and the contact the matcher's row. */
static void
load(LsLook *look)
{
	LsMatcher *matcher = look->life->matcher;
	const LsChange *change = look->change;
	const HeapTuple *rows = look->life->no_rows;

	if (change->contact != NULL)
		rows = ls_contact_read_result(change->reader, change->contact);

	ls_match_begin_values(matcher, look->as_of);
	ls_match_load_values(matcher, look->map, look->score);
	ls_match_load_rows(matcher, look->map, 2, rows);
}

typedef enum LsTruth
{
	TRUTH_FALSE,
	TRUTH_TRUE,
	TRUTH_NULL
} LsTruth;

static LsTruth
ask(const LsLook *look, int value)
{
	bool is_null;
	Datum truth = ls_match_value(look->life->matcher, value, &is_null);

	if (is_null)
		return TRUTH_NULL;
	return DatumGetBool(truth) ? TRUTH_TRUE : TRUTH_FALSE;
}

/* ---- stages ------------------------------------------------------------- */

static const char *
stage_name(const LsLook *look, int stage)
{
	return look->life->stages[stage]->name;
}

static void
enter_stage(LsLook *look, const char *stage, LsCause cause)
{
	LsChange *change = look->change;
	LsMove *move = palloc0(sizeof(LsMove));

	move->change = change;
	move->from = change->stage;
	move->to = stage;
	move->cause = cause;
	*look->moves = lappend(*look->moves, move);
	change->stage = stage;
	change->stage_since = look->as_of;
	change->by_hand = cause == LS_CAUSE_MANUAL;
	change->has_moved |= cause != LS_CAUSE_MANUAL;
	change->was_moved |= cause == LS_CAUSE_MANUAL;
	ls_memory_forget_all(look->memory, LS_MEMORY_HELD);
	ls_memory_forget_all(look->memory, LS_MEMORY_FREE);
	put_stage(look);
}

/* find_stage: where the contact is, as the user's column or else we know it. */
static const char *
find_stage(const LsLook *look)
{
	const LsChange *change = look->change;
	const char *stage = change->stage;

	if (change->has_column)
		stage = change->column_stage;
	if (stage == NULL && look->life->nstages > 0)
		stage = stage_name(look, 0);
	return stage;
}

/* begin_stage: of a contact that is new to the lifecycle. */
static void
begin_stage(LsLook *look, const char *stage)
{
	look->change->stage = stage;
	look->change->stage_since = stage == NULL ? DT_NOBEGIN : look->as_of;
	look->change->by_hand = false;
	put_stage(look);
}

/* is_out_of: a transition out of the stage that the contact is in. */
static bool
is_out_of(const LsLook *look, const LsTransition *transition, int stage)
{
	return transition->from == stage;
}

/*
 * set_free: the transition's condition was false. Whom a person has put somewhere all
 * others wait for, those too that are yet to be written.
 */
static void
set_free(LsLook *look, const char *to)
{
	if (look->change->by_hand)
		ls_memory_set(look->memory, LS_MEMORY_FREE, to, true);
	else
		ls_memory_set(look->memory, LS_MEMORY_HELD, to, false);
}

static bool
is_free(const LsLook *look, const char *to)
{
	return look->change->by_hand ? ls_memory_has(look->memory, LS_MEMORY_FREE, to)
								 : !ls_memory_has(look->memory, LS_MEMORY_HELD, to);
}

/* hold: whom activation finds somewhere stays until a condition was false once. */
static void
hold(LsLook *look)
{
	const LsLifecycle *life = look->life;
	int stage = ls_lifecycle_stage(life, look->change->stage);

	load(look);
	for (int i = 0; i < life->ntransitions; i++)
	{
		const LsTransition *transition = &life->transitions[i];

		if (is_out_of(look, transition, stage) &&
			ask(look, transition->value) == TRUTH_TRUE)
			ls_memory_set(look->memory,
						  LS_MEMORY_HELD,
						  stage_name(look, transition->to),
						  true);
	}
}

/* may_move: does the condition hold, and was it false since a person spoke? */
static bool
may_move(LsLook *look, const LsTransition *transition)
{
	const char *to = stage_name(look, transition->to);
	LsTruth truth = ask(look, transition->value);

	if (truth == TRUTH_FALSE)
		set_free(look, to);
	return truth == TRUTH_TRUE && is_free(look, to);
}

/* move_once: by the first transition that applies; false where none does. */
static bool
move_once(LsLook *look, Bitmapset **entered)
{
	const LsLifecycle *life = look->life;
	int stage = ls_lifecycle_stage(life, look->change->stage);
	const LsTransition *chosen = NULL;

	load(look);
	/* All are asked: who is held must be seen to be false. */
	for (int i = 0; i < life->ntransitions; i++)
	{
		const LsTransition *transition = &life->transitions[i];

		if (is_out_of(look, transition, stage) && may_move(look, transition) &&
			chosen == NULL && !bms_is_member(transition->to, *entered))
			chosen = transition;
	}
	if (chosen == NULL)
		return false;
	*entered = bms_add_member(*entered, chosen->to);
	enter_stage(look, stage_name(look, chosen->to), look->change->cause);
	return true;
}

/* look_at_stage: what a person did, then what transitions do. */
static void
look_at_stage(LsLook *look)
{
	LsChange *change = look->change;
	const char *stage = change->found_stage;
	Bitmapset *entered = NULL;
	bool is_found = change->cause == LS_CAUSE_ACTIVATION && change->silent;

	if (look->enrols)
		ls_memory_forget_all(look->memory, LS_MEMORY_HELD);
	if (change->stage == NULL)
		begin_stage(look, stage);
	else if (stage == NULL || strcmp(stage, change->stage) != 0)
		enter_stage(look, stage, LS_CAUSE_MANUAL);
	if (look->life->ntransitions == 0 || !look->is_live)
		return;
	if (is_found && !change->by_hand)
		hold(look);
	while (move_once(look, &entered))
		;
}

/* ---- actions ------------------------------------------------------------ */

/* may_happen: again, and so late? */
static bool
may_happen(const LsLook *look, const LsActionRow *action)
{
	int64 last_us;

	if (ls_memory_moment(look->memory, action->name, &last_us) &&
		(action->repeat_after_us < 0 ||
		 look->as_of - last_us < action->repeat_after_us))
		return false;
	return action->max_age_us < 0 || look->change->last_activity == DT_NOBEGIN ||
		   look->as_of - look->change->last_activity <= action->max_age_us;
}

static void
fire(LsLook *look, const LsActionRow *action, bool is_enter)
{
	LsFiring *firing = palloc0(sizeof(LsFiring));

	firing->change = look->change;
	firing->action = action;
	firing->is_enter = is_enter;
	*look->firings = lappend(*look->firings, firing);
	ls_memory_set_moment(look->memory, action->name, look->as_of);
}

/* held_before: did its condition hold, as far as it matters? */
static bool
held_before(const LsLook *look, const char *name)
{
	int64 at_us;

	return ls_memory_has(look->memory, LS_MEMORY_HOLDS, name) &&
		   (!look->enrols || ls_memory_moment(look->memory, name, &at_us));
}

static void
look_at_action(LsLook *look, const LsAction *action)
{
	const char *name = action->row->name;
	LsTruth truth = ask(look, action->value);
	bool is_enter = truth == TRUTH_TRUE;

	if (truth == TRUTH_NULL || is_enter == held_before(look, name))
		return;
	ls_memory_set(look->memory, LS_MEMORY_HOLDS, name, is_enter);
	if (look->is_live && !look->change->silent &&
		(action->row->on_edge & (is_enter ? LS_EDGE_ENTER : LS_EDGE_LEAVE)) != 0 &&
		may_happen(look, action->row))
		fire(look, action->row, is_enter);
}

static void
look_at_actions(LsLook *look)
{
	load(look);
	for (int i = 0; i < look->life->nactions; i++)
		look_at_action(look, &look->life->actions[i]);
}

/*
 * remember_actions: while not everyone was looked at since the rules changed, what
 * the stored scores make true was true before: an action that is new then does not
 * happen for it.
 */
static void
remember_actions(LsLook *look)
{
	const LsStored *stored = look->change->stored;
	LsPoints points;
	int64 at_us;

	if (stored == NULL || stored->has_problem || look->life->nactions == 0 ||
		!ls_model_is_mixed(look->life->model))
		return;
	points = (LsPoints){stored->fit,
						stored->engagement,
						stored->intent,
						stored->total,
						stored->band};
	put_points(look, &points);
	load(look);
	for (int i = 0; i < look->life->nactions; i++)
	{
		const LsAction *action = &look->life->actions[i];

		if (!ls_memory_moment(look->memory, action->row->name, &at_us) &&
			ask(look, action->value) == TRUTH_TRUE)
			ls_memory_set(look->memory, LS_MEMORY_HOLDS, action->row->name, true);
	}
}

/*
 * ls_lifecycle_evaluate: the change's scores are known; make its place in the
 * lifecycle what it must be, and add to the moves and to what is to happen.
 *
 * Errors: what a condition raises.
 */
void
ls_lifecycle_evaluate(LsLifecycle *life,
					  LsRowMap *map,
					  LsChange *change,
					  TimestampTz as_of,
					  List **moves,
					  List **firings)
{
	LsLook look = {.life = life, .map = map, .change = change, .as_of = as_of};
	LsPoints points = {change->fit,
					   change->engagement,
					   change->intent,
					   change->total,
					   change->band};

	change->found_stage = find_stage(&look);
	look.memory = ls_memory_read(change->memory);
	look.is_live =
		change->is_preview || strcmp(life->model->row->status, "active") == 0;
	look.enrols =
		look.is_live && change->cause == LS_CAUSE_ACTIVATION && !change->silent;
	look.moves = moves;
	look.firings = firings;
	put_stage(&look);
	put_milestones(&look);
	remember_actions(&look);
	put_points(&look, &points);
	look_at_stage(&look);
	if (life->nactions > 0)
		look_at_actions(&look);
	change->memory = ls_memory_write(look.memory);
	change->due_at = ls_lifecycle_due(life, change, as_of);
}
