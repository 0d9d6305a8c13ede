/*
 * ls_lifecycle_follow.c: the lifecycle of many contacts whose scores are known.
 */
#include "ls_lifecycle.h"

#include "ls_attempt.h"
#include "ls_compat.h"
#include "ls_contact.h"
#include "ls_fit.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

/* LsFollow: one contact, and what comes of it. */
typedef struct LsFollow
{
	LsLifecycle *life;
	LsRowMap *map;
	LsChange *change;
	TimestampTz as_of;
	List *moves;
	List *firings;
} LsFollow;

/*
 * settle_cause: who is due, but by other rules than those of now, is looked at
 * because of the rules; who would be due anyway, because of the time.
 */
static void
settle_cause(const LsModel *model, LsChange *change, TimestampTz as_of)
{
	const LsStored *stored = change->stored;

	if (change->cause == LS_CAUSE_TIME && stored != NULL &&
		stored->stamp != model->stamp)
	{
		change->cause = LS_CAUSE_RULES;
		change->silent = true;
	}
	else if (change->cause == LS_CAUSE_RULES && stored != NULL &&
			 stored->stamp == model->stamp && stored->due_at <= as_of)
	{
		change->cause = LS_CAUSE_TIME;
		change->silent = false;
	}
}

static void
evaluate(void *arg)
{
	LsFollow *follow = arg;

	ls_lifecycle_evaluate(follow->life,
						  follow->map,
						  follow->change,
						  follow->as_of,
						  &follow->moves,
						  &follow->firings);
}

/*
 * ls_lifecycle_hold_back: the contact keeps its place, where it has one, and goes to
 * the queue.
 */
void
ls_lifecycle_hold_back(LsChange *change, TimestampTz as_of, const char *reason)
{
	ls_apply_keep_life(change);
	if (change->stage == NULL && change->found_stage != NULL)
	{
		change->stage = change->found_stage;
		change->stage_since = as_of;
	}
	change->held_back = reason;
}

/* follow_one: a condition that raises costs this contact's place only. */
static void
follow_one(LsFollow *follow)
{
	ErrorData *error;
	int nmoves = list_length(follow->moves);
	int nfirings = list_length(follow->firings);

	if (ls_attempt(evaluate, follow, &error))
		return;
	follow->moves = list_truncate(follow->moves, nmoves);
	follow->firings = list_truncate(follow->firings, nfirings);
	follow->change->is_fault = true;
	ls_lifecycle_hold_back(follow->change,
						   follow->as_of,
						   psprintf("its lifecycle could not be followed: %s",
									ls_fit_describe(error)));
}

/* LsFollowAll: many contacts. */
typedef struct LsFollowAll
{
	LsFollow follow;
	LsChange *changes;
	int n;
} LsFollowAll;

static void
evaluate_all(void *arg)
{
	LsFollowAll *all = arg;

	for (int i = 0; i < all->n; i++)
	{
		all->follow.change = &all->changes[i];
		if (all->changes[i].outcome == LS_SCORED)
			evaluate(&all->follow);
	}
}

/*
 * follow_all: in one subtransaction, if any. Where a condition raises, each contact
 * has one of its own.
 */
static void
follow_all(LsFollowAll *all)
{
	Size size = sizeof(LsChange) * (Size) all->n;
	LsChange *before;
	ErrorData *error;

	if (!all->follow.life->may_raise)
	{
		evaluate_all(all);
		return;
	}
	before = memcpy(palloc_extended(size, MCXT_ALLOC_HUGE), all->changes, size);
	if (!ls_attempt(evaluate_all, all, &error))
	{
		memcpy(all->changes, before, size);
		all->follow.moves = NIL;
		all->follow.firings = NIL;
		for (int i = 0; i < all->n; i++)
		{
			CHECK_FOR_INTERRUPTS();
			all->follow.change = &all->changes[i];
			if (all->changes[i].outcome == LS_SCORED)
				follow_one(&all->follow);
		}
	}
	pfree(before);
}

/* map_rows: of the contacts, as far as they are at hand. */
static LsRowMap *
map_rows(const LsLifecycle *life, const LsChange *changes, int n)
{
	for (int i = 0; i < n; i++)
		if (changes[i].contact != NULL)
			return ls_lifecycle_map(life,
									changes[i].reader->descs,
									changes[i].reader->n);
	return life->no_map;
}

/*
 * ls_lifecycle_look: what the places of the contacts in the lifecycle must be. Gives
 * the moves and the actions that are to happen. Nothing is written.
 */
void
ls_lifecycle_look(LsModel *model,
				  LsChange *changes,
				  int n,
				  TimestampTz as_of,
				  List **moves,
				  List **firings)
{
	LsFollowAll all = {.follow = {.as_of = as_of}, .changes = changes, .n = n};

	for (int i = 0; i < n; i++)
		settle_cause(model, &changes[i], as_of);
	if (!ls_lifecycle_is_needed(model))
		return;
	all.follow.life = ls_lifecycle_get(model);
	all.follow.map = map_rows(all.follow.life, changes, n);
	follow_all(&all);
	*moves = all.follow.moves;
	*firings = all.follow.firings;
}

/*
 * ls_lifecycle_look_at: the same for one contact that was scored, where no condition
 * needs its row.
 *
 * Errors: what a condition raises.
 */
void
ls_lifecycle_look_at(LsModel *model,
					 LsChange *change,
					 TimestampTz as_of,
					 List **moves,
					 List **firings)
{
	LsLifecycle *life;

	settle_cause(model, change, as_of);
	if (!ls_lifecycle_is_needed(model))
		return;
	life = ls_lifecycle_get(model);
	ls_lifecycle_evaluate(life, life->no_map, change, as_of, moves, firings);
}

/*
 * ls_lifecycle_follow: make the places of the contacts in the lifecycle, and their
 * stage column, what they must be. Gives the moves and the actions that are to
 * happen; those of contacts that are held back do not count.
 */
void
ls_lifecycle_follow(const LsObjects *objects,
					LsChange *changes,
					int n,
					TimestampTz as_of,
					List **moves,
					List **firings)
{
	LsModel *model = ls_model_get(objects->model);

	ls_lifecycle_recall(objects, changes, n);
	ls_lifecycle_look(model, changes, n, as_of, moves, firings);
	if (ls_lifecycle_is_needed(model))
		ls_lifecycle_write_stages(objects, model, changes, n, as_of);
}

/*
 * ls_lifecycle_queue_held: contacts that were held back wait for the next refresh,
 * each with its reason.
 */
void
ls_lifecycle_queue_held(const LsObjects *objects, const LsChange *changes, int n)
{
	LsChange *same = NULL;
	bool *done = NULL;

	for (int i = 0; i < n; i++)
	{
		const char *reason = changes[i].held_back;
		int nsame = 0;

		if (reason == NULL || (done != NULL && done[i]))
			continue;
		if (done == NULL)
		{
			done = palloc0(sizeof(bool) * n);
			same = palloc(sizeof(LsChange) * n);
		}
		for (int j = i; j < n; j++)
			if (changes[j].held_back != NULL &&
				strcmp(changes[j].held_back, reason) == 0)
			{
				same[nsame++] = changes[j];
				done[j] = true;
			}
		ls_apply_queue(objects, same, nsame, reason);
	}
}
