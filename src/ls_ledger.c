/*
 * ls_ledger.c: where a contact's total comes from: a line for each rule that counts
 * or nearly counts, for what limits and weights make of them, and for adjustments.
 */
#include "ls_ledger.h"

#include "ls_compat.h"

#include "utils/timestamp.h"

/* add_fit_rules: those that match, by their place among the explainer's. */
static void
add_fit_rules(LsLedger *ledger, LsModel *model, const int *numbers, int n)
{
	const LsExplainer *explainer = ls_model_explainer(model);

	for (int i = 0; i < n; i++)
	{
		LsItem *item = ls_ledger_add(ledger, LS_ITEM_RULE, LS_FIT);

		item->fit = list_nth(explainer->rules, numbers[i]);
		item->slot = ls_model_slot_of(item->fit->group_name, model->groups);
		item->points = item->fit->points;
	}
}

/*
 * tally: what a rule gives, and what it lacks. What fades all the time has no
 * moment at which it changes next.
 */
static void
tally(LsItem *item, const LsEngagement *engagement, const LsMoment *moment)
{
	static const LsSection empty = {.unless_us = PG_INT64_MIN};
	const LsBehaviour *rule = item->behaviour;
	const LsSection *section =
		rule->track < 0 ? &empty : &engagement->sections[rule->track];
	LsTally own;
	LsTally given;

	ls_timing_tally(&rule->timing, section, moment, &own);
	ls_engagement_tally(engagement, rule, moment, &given);
	item->points = given.points;
	item->occurrences = own.occurrences;
	item->last_us = own.last_us;
	item->lack = ls_timing_missing(&rule->timing, section, moment, &own);
	item->lacks_required = own.points != 0 && given.points == 0;
	if (rule->timing.half_life_us == 0)
		item->next_us = ls_timing_next(&rule->timing, section, moment);
}

/* latest_match: of a rule that found none to count. */
static int64
latest_match(const LsEngagement *engagement, const LsItem *item, TimestampTz as_of)
{
	const LsBehaviour *rule = item->behaviour;
	const LsSection *section;

	if (rule->track < 0 || item->last_us != PG_INT64_MIN)
		return item->last_us;
	section = &engagement->sections[rule->track];
	for (int i = 0; i < section->n; i++)
		if (section->times_us[i] <= as_of &&
			(rule->timing.kind != LS_TIMING_STREAK || section->steps[i] == LS_FACT_HIT))
			return section->times_us[i];
	return PG_INT64_MIN;
}

/*
 * add_engagement_rules: those that count, or nearly do: something speaks for them.
 */
static void
add_engagement_rules(LsLedger *ledger,
					 LsModel *model,
					 const LsState *state,
					 TimestampTz since)
{
	LsEngagement *engagement = ls_engagement_get(model);
	LsMoment moment;

	ls_engagement_check_moment(state, engagement, ledger->as_of);
	ls_engagement_open(engagement, state, &moment, ledger->as_of, since);
	for (int i = 0; i < engagement->nrules; i++)
	{
		const LsBehaviour *rule = &engagement->rules[i];
		LsItem *item = ls_ledger_add(ledger,
									 LS_ITEM_RULE,
									 rule->row->is_intent ? LS_INTENT : LS_ENGAGEMENT);

		item->behaviour = rule;
		item->slot = rule->slot;
		tally(item, engagement, &moment);
		item->last_us = latest_match(engagement, item, ledger->as_of);
		if (item->lack.what == LS_MISSING_ALL)
			ledger->n--;
	}
	ls_engagement_close(engagement);
}

/* add_adjustments: those that count, or will; resets and exclusions give nothing. */
static void
add_adjustments(LsLedger *ledger, List *said)
{
	ListCell *cell;

	foreach(cell, said)
	{
		const LsSaid *one = lfirst(cell);
		LsItem *item;

		if (one->until <= ledger->as_of)
			continue;
		item = ls_ledger_add(ledger, LS_ITEM_ADJUSTMENT, LS_TOTAL);
		item->said = one;
		if (!ls_dossier_counts(one, ledger->as_of))
			item->next_us = one->from;
		else
		{
			item->points = one->kind == LS_SAID_POINTS ? one->points : 0;
			item->next_us = one->until;
		}
	}
}

/*
 * ls_ledger_weight: of a dimension in the total.
 */
double
ls_ledger_weight(const LsModel *model, LsDimension dimension)
{
	switch (dimension)
	{
		case LS_FIT:
			return model->row->fit_weight;
		case LS_ENGAGEMENT:
			return model->row->engagement_weight;
		case LS_INTENT:
			return model->row->intent_weight;
		case LS_TOTAL:
			break;
	}
	return 1;
}

/*
 * ls_ledger_make: from the fit rules that match (numbers among the explainer's), and
 * the fit that they come to; a state, NULL where the model has no engagement rules, and
 * what is said by hand.
 *
 * Errors: 55000, XX001 for a state that cannot be read; 22003.
 * Memory: the current context. It points into the model and to what is said.
 */
LsLedger *
ls_ledger_make(LsModel *model,
			   const int *fit_rules,
			   int nfit_rules,
			   double fit,
			   const LsState *state,
			   List *said,
			   TimestampTz as_of,
			   TimestampTz since)
{
	LsLedger *ledger = palloc0(sizeof(LsLedger));
	int room = nfit_rules + list_length(model->behaviour) + list_length(said) +
			   LS_DIMENSIONS * model->nslots + 2 * (LS_DIMENSIONS + 1);

	ledger->model = model;
	ledger->as_of = as_of;
	ledger->items = palloc(sizeof(LsItem) * room);
	add_fit_rules(ledger, model, fit_rules, nfit_rules);
	if (state != NULL)
		add_engagement_rules(ledger, model, state, since);
	add_adjustments(ledger, said);
	ledger->subs[LS_FIT] = fit;
	ls_ledger_sum_up(ledger);
	return ledger;
}
