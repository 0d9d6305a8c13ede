/*
 * ls_model_compile.c: the rows of a model -> its matchers.
 */
#include "ls_model_compile.h"

#include "ls_compat.h"
#include "ls_error.h"
#include "ls_guard.h"
#include "ls_relation.h"

#include "catalog/pg_type.h"
#include "utils/memutils.h"

/* ls_model_enabled: the rules that count. */
List *
ls_model_enabled(List *rules)
{
	List *enabled = NIL;
	ListCell *cell;

	foreach(cell, rules)
		if (((LsFitRow *) lfirst(cell))->enabled)
			enabled = lappend(enabled, lfirst(cell));
	return enabled;
}

/* ls_model_enabled_behaviour: the same for engagement rules. */
List *
ls_model_enabled_behaviour(List *rules)
{
	List *enabled = NIL;
	ListCell *cell;

	foreach(cell, rules)
		if (((LsEngagementRow *) lfirst(cell))->enabled)
			enabled = lappend(enabled, lfirst(cell));
	return enabled;
}

static LsCondRelation *
make_relation(const char *alias, Oid relid, bool qualified)
{
	LsCondRelation *relation = palloc0(sizeof(LsCondRelation));

	relation->alias = alias;
	relation->relid = relid;
	relation->qualified = qualified;
	return relation;
}

static LsCondScope *
make_scope(const LsModelRow *row, Oid contacts, LsCondRelation *first)
{
	LsCondScope *scope = palloc0(sizeof(LsCondScope));

	scope->relations = list_make1(first);
	scope->owner = ls_relation_owner(contacts);
	scope->search_path = row->search_path;
	return scope;
}

/*
 * ls_model_scope_with: what a model's conditions may name: the columns of its
 * contacts, also as contact.column, and those of these lookups, as alias.column.
 */
LsCondScope *
ls_model_scope_with(const LsModelRow *row, Oid relid, List *lookups)
{
	LsCondScope *scope = make_scope(row, relid, make_relation("contact", relid, false));
	ListCell *cell;

	scope->has_as_of = true;
	foreach(cell, lookups)
	{
		const LsLookup *lookup = lfirst(cell);

		scope->relations =
			lappend(scope->relations,
					make_relation(lookup->row->alias, lookup->relid, true));
	}
	return scope;
}

/*
 * ls_model_scope: the same with the lookups of the model, for conditions that are
 * only to be read.
 */
LsCondScope *
ls_model_scope(const LsModelRow *row, Oid relid)
{
	return ls_model_scope_with(row, relid, ls_lookup_find_readable(row, relid));
}

/*
 * ls_model_score_scope_with: what conditions of transitions and actions may name: the
 * score of a contact, also as score.column, and what other conditions may.
 */
LsCondScope *
ls_model_score_scope_with(const LsModelRow *row, Oid relid, List *lookups)
{
	LsCondScope *scope = ls_model_scope_with(row, relid, lookups);

	scope->relations = lcons(make_relation("score", ls_catalog_relid("score"), false),
							 scope->relations);
	return scope;
}

/*
 * ls_model_score_scope: the same with the lookups of the model, for conditions that
 * are only to be read.
 */
LsCondScope *
ls_model_score_scope(const LsModelRow *row, Oid relid)
{
	return ls_model_score_scope_with(row, relid, ls_lookup_find_readable(row, relid));
}

/*
 * ls_model_event_scope: what conditions on events may name: the event's columns,
 * also as event.column. They are about the event alone: no as_of.
 */
LsCondScope *
ls_model_event_scope(const LsModelRow *row, Oid contacts, Oid events)
{
	return make_scope(row, contacts, make_relation("event", events, false));
}

/*
 * ls_model_deal_scope: the same of expressions on deals: also as deal.column.
 */
LsCondScope *
ls_model_deal_scope(const LsModelRow *row, Oid contacts, Oid deals)
{
	LsCondScope *scope = ls_model_event_scope(row, contacts, deals);

	((LsCondRelation *) linitial(scope->relations))->alias = "deal";
	return scope;
}

static LsMatchRule *
read_rule(LsModel *model,
		  const LsCondScope *scope,
		  const char *kind,
		  const char *name,
		  const char *condition)
{
	LsMatchRule *rule = palloc0(sizeof(LsMatchRule));
	LsPlace place = {.kind = kind,
					 .name = name,
					 .model = model->row->name,
					 .text = condition};
	LsCond *cond;

	ls_error_push_place(&place);
	cond = ls_cond_read(scope, condition, BOOLOID);
	ls_error_pop_place(&place);
	model->uses_as_of |= cond->uses_as_of;
	rule->name = name != NULL ? name : kind;
	rule->expr = cond->expr;
	return rule;
}

/* ls_model_slot_of: the slot of a rule's group; 0 = it has none. */
int
ls_model_slot_of(const char *group_name, List *groups)
{
	ListCell *cell;

	if (group_name == NULL)
		return 0;
	foreach(cell, groups)
		if (strcmp(((LsGroupRow *) lfirst(cell))->name, group_name) == 0)
			return foreach_current_index(cell) + 1;
	return 0;
}

static LsMatcher *
compile_matcher(const LsModel *model,
				const LsCondScope *scope,
				List *rules,
				LsMatchMode mode,
				const char *kind)
{
	MemoryContext own = AllocSetContextCreate(model->context,
											  "lead_scoring matcher",
											  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(own);
	LsMatcher *matcher;
	LsGuard guard;

	ls_guard_enter_reading(&guard, scope->owner, LS_SAFE_PATH);
	matcher =
		ls_match_compile(rules, scope, mode, model->nslots, kind, model->row->name);
	ls_guard_leave(&guard);
	MemoryContextSwitchTo(old);
	return matcher;
}

static void
compile_population(LsModel *model, const LsCondScope *scope)
{
	LsMatchRule *rule;

	if (model->row->population == NULL)
		return;
	rule = read_rule(model, scope, "population", NULL, model->row->population);
	model->population =
		compile_matcher(model, scope, list_make1(rule), LS_MATCH_LIST, "population");
}

static LsMatcher *
compile_fit(LsModel *model,
			const LsCondScope *scope,
			const LsRows *rows,
			LsMatchMode mode)
{
	List *rules = NIL;
	ListCell *cell;

	foreach(cell, rows->fit_rules)
	{
		const LsFitRow *row = lfirst(cell);
		LsMatchRule *rule =
			read_rule(model, scope, "fit rule", row->name, row->condition);

		rule->slot = ls_model_slot_of(row->group_name, rows->groups);
		rule->points = row->points;
		rules = lappend(rules, rule);
	}
	return compile_matcher(model, scope, rules, mode, "fit rule");
}

static void
fill_slots(LsModel *model, const LsRows *rows)
{
	ListCell *cell;

	model->nslots = 1 + list_length(rows->groups);
	model->slot_limits = palloc(sizeof(LsLimits) * model->nslots);
	model->slot_limits[0] = (LsLimits){-INFINITY, INFINITY};
	foreach(cell, rows->groups)
	{
		const LsGroupRow *group = lfirst(cell);

		/* Groups of other dimensions have no part in fit, whatever their limits. */
		model->slot_limits[foreach_current_index(cell) + 1] =
			strcmp(group->dimension, "fit") == 0 ? group->limits
												 : model->slot_limits[0];
	}
}

/* watch_lookups: also such as cannot be used, until they can. */
static void
watch_lookups(const LsRows *rows)
{
	ListCell *cell;

	foreach(cell, rows->lookups)
	{
		Oid relid = ls_relation_by_name(((LsLookupRow *) lfirst(cell))->relation);

		if (OidIsValid(relid))
			ls_model_watch(relid);
	}
}

/*
 * ls_model_compile: fill in the matchers; trees of conditions are in scratch.
 */
void
ls_model_compile(LsModel *model, const LsRows *rows, MemoryContext scratch)
{
	MemoryContext old;
	LsCondScope *scope;

	fill_slots(model, rows);
	watch_lookups(rows);
	model->lookups = ls_lookup_find_all(model->row, model->relid);
	old = MemoryContextSwitchTo(scratch);
	scope = ls_model_scope_with(model->row, model->relid, model->lookups);
	compile_population(model, scope);
	model->fit = compile_fit(model, scope, rows, LS_MATCH_SUM);
	MemoryContextSwitchTo(old);
}

/*
 * ls_model_explainer: the fit rules one by one, compiled when first asked for.
 */
const LsExplainer *
ls_model_explainer(LsModel *model)
{
	MemoryContext scratch;
	MemoryContext old;
	LsExplainer *explainer;
	LsRows rows;

	if (model->explainer != NULL)
		return model->explainer;
	scratch = AllocSetContextCreate(CurrentMemoryContext,
									"lead_scoring conditions",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(model->context);
	explainer = palloc0(sizeof(LsExplainer));
	rows.fit_rules = ls_model_enabled(ls_catalog_fit_rules(model->row->name));
	rows.groups = ls_catalog_groups(model->row->name);
	explainer->rules = rows.fit_rules;
	explainer->groups = rows.groups;
	MemoryContextSwitchTo(scratch);
	explainer->matcher =
		compile_fit(model,
					ls_model_scope_with(model->row, model->relid, model->lookups),
					&rows,
					LS_MATCH_LIST);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
	model->explainer = explainer;
	return explainer;
}
