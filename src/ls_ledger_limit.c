/*
 * ls_ledger_limit.c: what limits and weights make of the points of rules: lines of
 * their own, and how much each rule lost.
 */
#include "ls_ledger.h"

#include "ls_band.h"
#include "ls_compat.h"
#include "ls_points.h"

/* LsScope: rules that a limit is about. */
typedef struct LsScope
{
	LsDimension dimension; /* LS_TOTAL = all */
	int slot;			   /* -1 = all of the dimension */
} LsScope;

static bool
is_in_scope(const LsItem *item, const LsScope *scope)
{
	return item->kind == LS_ITEM_RULE &&
		   (scope->dimension == LS_TOTAL || item->dimension == scope->dimension) &&
		   (scope->slot < 0 || item->slot == scope->slot);
}

/* left_of: what is left of a rule's points, in those of the total for its limits. */
static double
left_of(const LsLedger *ledger, const LsItem *item, const LsScope *scope)
{
	double left = item->points - item->lost;

	return scope->dimension == LS_TOTAL
			   ? left * ls_ledger_weight(ledger->model, item->dimension)
			   : left;
}

/*
 * share_out: what a limit took (taken < 0) or gave back (> 0), among those that had
 * it coming: in proportion to what is left of their points.
 */
static void
share_out(LsLedger *ledger, const LsScope *scope, double taken)
{
	double sum = 0;

	for (int i = 0; i < ledger->n; i++)
		if (is_in_scope(&ledger->items[i], scope))
		{
			double left = left_of(ledger, &ledger->items[i], scope);

			if (left * taken < 0)
				sum += left;
		}
	for (int i = 0; i < ledger->n && sum != 0; i++)
	{
		LsItem *item = &ledger->items[i];

		if (is_in_scope(item, scope) && left_of(ledger, item, scope) * taken < 0)
			item->lost += (item->points - item->lost) * Min(-taken / sum, 1);
	}
}

/* sum_of: points of the rules in scope. */
static double
sum_of(const LsLedger *ledger, const LsScope *scope)
{
	double sum = 0;

	for (int i = 0; i < ledger->n; i++)
		if (is_in_scope(&ledger->items[i], scope))
			sum += ledger->items[i].points;
	return sum;
}

/* limit: a line where it did something; gives the points within the limits. */
static double
limit(LsLedger *ledger,
	  LsItemKind kind,
	  const LsScope *scope,
	  double points,
	  LsLimits limits)
{
	double clamped = ls_points_clamp(points, limits);
	LsItem *item;

	if (clamped == points)
		return points;
	item = ls_ledger_add(ledger, kind, scope->dimension);
	item->slot = Max(scope->slot, 0);
	item->points = clamped - points;
	share_out(ledger, scope, clamped - points);
	return clamped;
}

/* limits_of: those of a group in a dimension; it may be about another one. */
static LsLimits
limits_of(const LsModel *model, LsDimension dimension, int slot)
{
	static const char *const names[] = {"fit", "engagement", "intent"};
	const LsGroupRow *group = list_nth(model->groups, slot - 1);
	const LsLimits none = {-INFINITY, INFINITY};

	return strcmp(group->dimension, names[dimension]) == 0 ? group->limits : none;
}

static LsLimits
limits_of_dimension(const LsModel *model, LsDimension dimension)
{
	switch (dimension)
	{
		case LS_FIT:
			return model->row->fit;
		case LS_ENGAGEMENT:
			return model->row->engagement;
		case LS_INTENT:
			return model->row->intent;
		case LS_TOTAL:
			break;
	}
	return model->row->total;
}

static double
rounded(const LsModel *model, double points)
{
	double score;

	if (!ls_points_round(points, &score))
		ereport(ERROR,
				errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				errmsg("score of model \"%s\" is out of range", model->row->name),
				errhint("Use smaller points, or set limits on the groups."));
	return score;
}

/* sum_dimension: in the order of ls_engagement_points, so that it is the same sum. */
static double
sum_dimension(LsLedger *ledger, LsDimension dimension)
{
	const LsModel *model = ledger->model;
	LsScope whole = {dimension, -1};
	LsScope scope = {dimension, 0};
	double points = sum_of(ledger, &scope);

	for (scope.slot = 1; scope.slot < model->nslots; scope.slot++)
		points += limit(ledger,
						LS_ITEM_GROUP_LIMIT,
						&scope,
						sum_of(ledger, &scope),
						limits_of(model, dimension, scope.slot));
	points = limit(ledger,
				   LS_ITEM_LIMIT,
				   &whole,
				   points,
				   limits_of_dimension(model, dimension));
	return rounded(model, points);
}

static void
weigh(LsLedger *ledger, LsDimension dimension)
{
	double weight = ls_ledger_weight(ledger->model, dimension);
	double points = (weight - 1) * ledger->subs[dimension];

	if (points != 0)
		ls_ledger_add(ledger, LS_ITEM_WEIGHT, dimension)->points = points;
}

static double
sum_adjustments(const LsLedger *ledger)
{
	double points = 0;

	for (int i = 0; i < ledger->n; i++)
		if (ledger->items[i].kind == LS_ITEM_ADJUSTMENT)
			points += ledger->items[i].points;
	return points;
}

/*
 * ls_ledger_sum_up: add what limits and weights do, and the scores but for the fit,
 * which is there.
 */
void
ls_ledger_sum_up(LsLedger *ledger)
{
	const LsModel *model = ledger->model;
	LsScope whole = {LS_TOTAL, -1};
	double adjusted = sum_adjustments(ledger);
	double total = 0;

	for (LsDimension dimension = LS_FIT; dimension < LS_TOTAL; dimension++)
	{
		double points = sum_dimension(ledger, dimension);

		/* Fit was summed up in another order. */
		if (dimension != LS_FIT)
			ledger->subs[dimension] = points;
		weigh(ledger, dimension);
		total += ls_ledger_weight(model, dimension) * ledger->subs[dimension];
	}
	ledger->total = ls_band_adjusted_total(model,
										   ledger->subs[LS_FIT],
										   ledger->subs[LS_ENGAGEMENT],
										   ledger->subs[LS_INTENT],
										   adjusted);
	(void) limit(ledger, LS_ITEM_LIMIT, &whole, total + adjusted, model->row->total);
}
