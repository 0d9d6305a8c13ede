/*
 * ls_lifecycle_watch.c: when conditions of transitions and actions may flip by
 * themselves, so that a contact is due in time.
 *
 * A comparison of a score with a constant makes the constant a threshold that
 * fading points are followed to; one of stage_age with a constant, an age. Whoever
 * looks at them in another way is looked at daily.
 */
#include "ls_lifecycle.h"

#include "ls_catalog.h"
#include "ls_compat.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Scores are rounded to 6 decimals: the next one after a constant. */
#define NEXT_SCORE 1e-6

typedef enum LsScoreColumn
{
	COLUMN_OTHER,
	COLUMN_POINTS,
	COLUMN_AGE
} LsScoreColumn;

/* name_of: the column of the score that the node is; NULL where it is none. */
static const char *
name_of(Node *node)
{
	const Var *var = (const Var *) node;

	/* The score is the first relation of the scope. */
	if (!IsA(node, Var) || var->varno != 1)
		return NULL;
	return get_attname(ls_catalog_relid("score"), var->varattno, false);
}

static LsScoreColumn
column_of(const char *name)
{
	static const char *const points[] = {"fit", "engagement", "intent", "total"};

	if (name == NULL)
		return COLUMN_OTHER;
	for (int i = 0; i < lengthof(points); i++)
		if (strcmp(name, points[i]) == 0)
			return COLUMN_POINTS;
	return strcmp(name, "stage_age") == 0 ? COLUMN_AGE : COLUMN_OTHER;
}

static void
watch_points(LsLifecycle *life, const char *name, double points)
{
	MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(life));

	/* Both ends of the step: `> 30` is false at 30, `>= 30` is not. */
	for (int i = 0; i < 2; i++)
	{
		LsThresholdRow *threshold = palloc0(sizeof(LsThresholdRow));

		threshold->score = pstrdup(name);
		threshold->min_score = points + i * NEXT_SCORE;
		life->thresholds = lappend(life->thresholds, threshold);
	}
	MemoryContextSwitchTo(old);
}

static void
watch_age(LsLifecycle *life, int64 age_us)
{
	MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(life));

	if (life->ages_us == NULL)
		life->ages_us = palloc(sizeof(int64));
	else
		life->ages_us = repalloc(life->ages_us, sizeof(int64) * (life->nages + 1));
	life->ages_us[life->nages++] = age_us;
	MemoryContextSwitchTo(old);
}

/* watch_constant: false where it says nothing that can be followed. */
static bool
watch_constant(LsLifecycle *life, const char *name, const Const *constant)
{
	LsScoreColumn column = column_of(name);

	if (constant->constisnull)
		return true;
	if (column == COLUMN_POINTS && constant->consttype == FLOAT8OID)
		watch_points(life, name, DatumGetFloat8(constant->constvalue));
	else if (column == COLUMN_AGE && constant->consttype == INTERVALOID)
		watch_age(life,
				  ls_catalog_interval_us(DatumGetIntervalP(constant->constvalue)));
	else
		return false;
	return true;
}

/* watch_comparison: of a score with a constant, on whichever side. */
static bool
watch_comparison(LsLifecycle *life, const OpExpr *op)
{
	Node *left;
	Node *right;

	if (list_length(op->args) != 2 || ls_op_interpretation(op->opno) == NIL)
		return false;
	left = linitial(op->args);
	right = lsecond(op->args);
	if (name_of(left) != NULL && IsA(right, Const))
		return watch_constant(life, name_of(left), (Const *) right);
	if (name_of(right) != NULL && IsA(left, Const))
		return watch_constant(life, name_of(right), (Const *) left);
	return false;
}

static bool
watch_walker(Node *node, LsLifecycle *life)
{
	if (node == NULL)
		return false;
	if (IsA(node, OpExpr) && watch_comparison(life, (OpExpr *) node))
		return false;
	if (IsA(node, NullTest) && name_of((Node *) ((NullTest *) node)->arg) != NULL)
		return false;
	if (IsA(node, Var) && column_of(name_of(node)) != COLUMN_OTHER)
		life->is_daily = true;
	return expression_tree_walker(node, watch_walker, life);
}

/*
 * ls_lifecycle_watch: a condition with its constants folded.
 */
void
ls_lifecycle_watch(LsLifecycle *life, Node *condition)
{
	(void) watch_walker(condition, life);
}

/* earlier: of two moments the earlier one that is still to come. */
static TimestampTz
earlier(TimestampTz due_at, TimestampTz candidate, TimestampTz as_of)
{
	return candidate > as_of && candidate < due_at ? candidate : due_at;
}

/*
 * ls_lifecycle_due: when the contact must be looked at again, its scores and its
 * lifecycle considered.
 */
TimestampTz
ls_lifecycle_due(const LsLifecycle *life, const LsChange *change, TimestampTz as_of)
{
	TimestampTz due_at = change->due_at;

	if (life->is_daily)
		due_at = earlier(due_at, as_of + USECS_PER_DAY, as_of);
	for (int i = 0; i < life->nages && change->stage_since != DT_NOBEGIN; i++)
	{
		TimestampTz at;

		if (pg_add_s64_overflow(change->stage_since, life->ages_us[i], &at) ||
			!IS_VALID_TIMESTAMP(at + 1))
			continue;
		/* `>` flips a moment after `>=`. */
		due_at = earlier(due_at, at, as_of);
		due_at = earlier(due_at, at + 1, as_of);
	}
	return due_at;
}
