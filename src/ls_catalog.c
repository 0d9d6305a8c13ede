/*
 * ls_catalog.c: typed readers of the configuration tables.
 */
#include "ls_catalog_row.h"

#include "ls_compat.h"

#include "utils/timestamp.h"

static void
get_stamp(const LsRow *row, LsModelRow *model)
{
	int i = ls_row_column(row, "scored_stamp");

	model->has_scored_stamp = !row->nulls[i];
	if (!row->nulls[i])
		model->scored_stamp = DatumGetInt64(row->values[i]);
}

static void *
read_model(const LsRow *row)
{
	LsModelRow *model = palloc0(sizeof(LsModelRow));

	model->name = ls_row_text(row, "name");
	model->contacts = ls_row_text(row, "contacts");
	model->contact_id = ls_row_text(row, "contact_id");
	model->stage_column = ls_row_text(row, "stage_column");
	model->created_column = ls_row_text(row, "created_column");
	model->population = ls_row_text(row, "population");
	model->time_zone = ls_row_text(row, "time_zone");
	model->fit_weight = ls_row_double(row, "fit_weight", 1);
	model->engagement_weight = ls_row_double(row, "engagement_weight", 1);
	model->intent_weight = ls_row_double(row, "intent_weight", 1);
	model->fit = ls_row_limits(row, "fit_floor", "fit_ceiling");
	model->engagement = ls_row_limits(row, "engagement_floor", "engagement_ceiling");
	model->intent = ls_row_limits(row, "intent_floor", "intent_ceiling");
	model->total = ls_row_limits(row, "total_floor", "total_ceiling");
	model->status = ls_row_text(row, "status");
	model->search_path = ls_row_text(row, "search_path");
	model->written_schema = ls_row_text(row, "objects_schema");
	model->owner = ls_row_text(row, "owner");
	get_stamp(row, model);
	model->objects_schema = ls_catalog_objects_schema(model);
	return model;
}

/*
 * ls_catalog_model: the model's row.
 *
 * Errors: 42704 where there is none, unless missing_ok (NULL).
 */
LsModelRow *
ls_catalog_model(const char *model, bool missing_ok)
{
	List *rows = ls_row_read_all("model", "model_pkey", model, read_model);

	if (rows != NIL)
		return linitial(rows);
	if (!missing_ok)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("model \"%s\" does not exist", model),
				errhint("Create it with lead_scoring.create_model(), or look at "
						"lead_scoring.model for the names."));
	return NULL;
}

static void *
read_group(const LsRow *row)
{
	LsGroupRow *group = palloc0(sizeof(LsGroupRow));

	group->name = ls_row_text(row, "name");
	group->dimension = ls_row_text(row, "dimension");
	group->limits = ls_row_limits(row, "min_points", "max_points");
	return group;
}

/* ls_catalog_groups: the rule groups of a model (LsGroupRow), by name. */
List *
ls_catalog_groups(const char *model)
{
	return ls_row_read_all("rule_group", "rule_group_pkey", model, read_group);
}

static void *
read_fit_rule(const LsRow *row)
{
	LsFitRow *rule = palloc0(sizeof(LsFitRow));

	rule->name = ls_row_text(row, "name");
	rule->group_name = ls_row_text(row, "group_name");
	rule->condition = ls_row_text(row, "condition");
	rule->points = ls_row_double(row, "points", 0);
	rule->enabled = ls_row_bool(row, "enabled");
	return rule;
}

/* ls_catalog_fit_rules: the fit rules of a model (LsFitRow), by name. */
List *
ls_catalog_fit_rules(const char *model)
{
	return ls_row_read_all("fit_rule", "fit_rule_pkey", model, read_fit_rule);
}

static void *
read_threshold(const LsRow *row)
{
	LsThresholdRow *threshold = palloc0(sizeof(LsThresholdRow));

	threshold->score = ls_row_text(row, "score");
	threshold->label = ls_row_text(row, "label");
	threshold->min_score = ls_row_double(row, "min_score", -INFINITY);
	return threshold;
}

/* ls_catalog_thresholds: the thresholds of a model (LsThresholdRow). */
List *
ls_catalog_thresholds(const char *model)
{
	return ls_row_read_all("threshold", "threshold_pkey", model, read_threshold);
}

static void *
read_lookup(const LsRow *row)
{
	LsLookupRow *lookup = palloc0(sizeof(LsLookupRow));

	lookup->alias = ls_row_text(row, "alias");
	lookup->relation = ls_row_text(row, "relation");
	lookup->key = ls_row_text(row, "key");
	lookup->contact_column = ls_row_text(row, "contact_column");
	return lookup;
}

/* ls_catalog_lookups: the lookups of a model (LsLookupRow), by alias. */
List *
ls_catalog_lookups(const char *model)
{
	return ls_row_read_all("lookup", "lookup_pkey", model, read_lookup);
}

/* ---- events ----------------------------------------------------------- */

static void *
read_source(const LsRow *row)
{
	LsSourceRow *source = palloc0(sizeof(LsSourceRow));

	source->name = ls_row_text(row, "name");
	source->relation = ls_row_text(row, "relation");
	source->contact_id = ls_row_text(row, "contact_id");
	source->occurred_at = ls_row_text(row, "occurred_at");
	source->time_zone = ls_row_text(row, "time_zone");
	source->condition = ls_row_text(row, "condition");
	source->activity = ls_row_text(row, "activity");
	return source;
}

/* ls_catalog_sources: the event sources of a model (LsSourceRow), by name. */
List *
ls_catalog_sources(const char *model)
{
	return ls_row_read_all("event_source", "event_source_pkey", model, read_source);
}

static LsRuleKind
get_kind(const LsRow *row)
{
	static const char *const kinds[] = {"each",
										"count",
										"inactive",
										"sequence",
										"streak"};
	const char *kind = ls_row_text(row, "kind");

	for (int i = 0; i < lengthof(kinds); i++)
		if (strcmp(kind, kinds[i]) == 0)
			return (LsRuleKind) i;
	elog(ERROR, "unknown kind of engagement rule: %s", kind);
	return LS_KIND_EACH;
}

static LsStepOrder
get_step_order(const LsRow *row)
{
	const char *order = ls_row_text(row, "step_order");

	if (order == NULL || strcmp(order, "in_order") == 0)
		return LS_ORDER_IN_ORDER;
	return strcmp(order, "any") == 0 ? LS_ORDER_ANY : LS_ORDER_CONSECUTIVE;
}

static void
read_timing(const LsRow *row, LsEngagementRow *rule)
{
	const char *if_never = ls_row_text(row, "if_never");
	int64 grace_us = ls_row_interval_us(row, "grace");

	rule->within_us = ls_row_interval_us(row, "within");
	rule->after_us = ls_row_interval_us(row, "after");
	rule->counts_from = ls_row_moment(row, "counts_from", DT_NOBEGIN);
	rule->counts_until = ls_row_moment(row, "counts_until", DT_NOEND);
	rule->repeat_every_us = ls_row_interval_us(row, "repeat_every");
	rule->if_never_created =
		if_never == NULL ? rule->condition == NULL : strcmp(if_never, "created") == 0;
	rule->grace_us = grace_us != 0 ? grace_us : 3 * USECS_PER_DAY;
	rule->half_life_us = ls_row_interval_us(row, "half_life");
	rule->linear_over_us = ls_row_interval_us(row, "linear_over");
	rule->decay_percent = ls_row_double(row, "decay_percent", 0);
	rule->decay_every_us = ls_row_interval_us(row, "decay_every");
	rule->expires_after_us = ls_row_interval_us(row, "expires_after");
}

static void *
read_engagement_rule(const LsRow *row)
{
	LsEngagementRow *rule = palloc0(sizeof(LsEngagementRow));

	rule->name = ls_row_text(row, "name");
	rule->group_name = ls_row_text(row, "group_name");
	rule->is_intent = strcmp(ls_row_text(row, "dimension"), "intent") == 0;
	rule->source = ls_row_text(row, "source");
	rule->kind = get_kind(row);
	rule->condition = ls_row_text(row, "condition");
	rule->points = ls_row_double(row, "points", 0);
	rule->max_count = ls_row_int(row, "max_count");
	rule->at_least = ls_row_int(row, "at_least");
	rule->at_most = ls_row_int(row, "at_most");
	rule->distinct_by = ls_row_text(row, "distinct_by");
	rule->value = ls_row_text(row, "value");
	rule->unless = ls_row_text(row, "unless");
	rule->requires = ls_row_text(row, "requires");
	rule->steps = ls_row_texts(row, "steps");
	rule->step_order = get_step_order(row);
	rule->hit = ls_row_text(row, "hit");
	rule->enabled = ls_row_bool(row, "enabled");
	read_timing(row, rule);
	return rule;
}

/* ls_catalog_engagement_rules: those of a model (LsEngagementRow), by name. */
List *
ls_catalog_engagement_rules(const char *model)
{
	return ls_row_read_all("engagement_rule",
						   "engagement_rule_pkey",
						   model,
						   read_engagement_rule);
}

/*
 * ls_catalog_watches_all: is it about the activity in all sources?
 */
bool
ls_catalog_watches_all(const LsEngagementRow *rule)
{
	return rule->kind == LS_KIND_INACTIVE && rule->source == NULL &&
		   rule->condition == NULL;
}

/*
 * ls_catalog_source_of: the source that the rule names, or else the only one;
 * NULL where it is about all, or does not say which.
 */
LsSourceRow *
ls_catalog_source_of(const LsEngagementRow *rule, List *sources)
{
	ListCell *cell;

	if (rule->source == NULL)
		return list_length(sources) == 1 && !ls_catalog_watches_all(rule)
				   ? linitial(sources)
				   : NULL;
	foreach(cell, sources)
		if (strcmp(((LsSourceRow *) lfirst(cell))->name, rule->source) == 0)
			return lfirst(cell);
	return NULL;
}

/* ---- reports ---------------------------------------------------------- */

static void *
read_deals(const LsRow *row)
{
	LsDealRow *deals = palloc0(sizeof(LsDealRow));

	deals->relation = ls_row_text(row, "relation");
	deals->contact_id = ls_row_text(row, "contact_id");
	deals->amount = ls_row_text(row, "amount");
	deals->created_at = ls_row_text(row, "created_at");
	deals->closed_at = ls_row_text(row, "closed_at");
	deals->won = ls_row_text(row, "won");
	return deals;
}

/* ls_catalog_deals: where the model's deals are; NULL where that is not said. */
LsDealRow *
ls_catalog_deals(const char *model)
{
	List *rows = ls_row_read_all("deal_source", "deal_source_pkey", model, read_deals);

	return rows == NIL ? NULL : linitial(rows);
}
