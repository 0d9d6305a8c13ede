/*
 * ls_catalog.c: typed readers of the configuration tables.
 */
#include "ls_catalog.h"

#include "ls_compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

/* LsRow: a row taken apart; columns are found by name. */
typedef struct LsRow
{
	TupleDesc desc;
	Datum *values;
	bool *nulls;
} LsRow;

typedef void *(*LsRowReader)(const LsRow *row);

/*
 * ls_catalog_schema: schema lead_scoring.
 */
Oid
ls_catalog_schema(void)
{
	Oid schema = get_namespace_oid("lead_scoring", true);

	if (!OidIsValid(schema))
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_SCHEMA),
				errmsg("extension \"lead_scoring\" is not installed in this database"),
				errhint("Run CREATE EXTENSION lead_scoring."));
	return schema;
}

/*
 * ls_catalog_relid: a table or index of schema lead_scoring.
 */
Oid
ls_catalog_relid(const char *table)
{
	Oid relid = get_relname_relid(table, ls_catalog_schema());

	if (!OidIsValid(relid))
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("relation \"lead_scoring.%s\" does not exist", table),
				errhint("The library and the installed extension differ in version: run "
						"ALTER EXTENSION lead_scoring UPDATE."));
	return relid;
}

static int
find_column(const LsRow *row, const char *column)
{
	for (int i = 0; i < row->desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(row->desc, i);

		if (!att->attisdropped && strcmp(NameStr(att->attname), column) == 0)
			return i;
	}
	ereport(ERROR,
			errcode(ERRCODE_UNDEFINED_COLUMN),
			errmsg("the configuration of lead_scoring has no column \"%s\"", column),
			errhint("The library and the installed extension differ in version: run ALTER "
					"EXTENSION lead_scoring UPDATE."));
	return -1;
}

/* get_text: of a column of type text or name. */
static char *
get_text(const LsRow *row, const char *column)
{
	int i = find_column(row, column);

	if (row->nulls[i])
		return NULL;
	if (TupleDescAttr(row->desc, i)->atttypid == NAMEOID)
		return pstrdup(NameStr(*DatumGetName(row->values[i])));
	return TextDatumGetCString(row->values[i]);
}

static double
get_double(const LsRow *row, const char *column, double if_null)
{
	int i = find_column(row, column);

	return row->nulls[i] ? if_null : DatumGetFloat8(row->values[i]);
}

static LsLimits
get_limits(const LsRow *row, const char *min_column, const char *max_column)
{
	LsLimits limits;

	limits.min = get_double(row, min_column, -INFINITY);
	limits.max = get_double(row, max_column, INFINITY);
	return limits;
}

static bool
get_bool(const LsRow *row, const char *column)
{
	int i = find_column(row, column);

	return !row->nulls[i] && DatumGetBool(row->values[i]);
}

/*
 * read_rows: the rows whose first key column is `model`, in the index's order.
 */
static List *
read_rows(const char *table, const char *index, const char *model, LsRowReader reader)
{
	Relation rel = table_open(ls_catalog_relid(table), AccessShareLock);
	List *rows = NIL;
	LsRow row;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	AttrNumber attno = get_attnum(RelationGetRelid(rel),
								  strcmp(table, "model") == 0 ? "name" : "model");

	ScanKeyInit(&key,
				attno,
				BTEqualStrategyNumber,
				F_TEXTEQ,
				CStringGetTextDatum(model));
	row.desc = RelationGetDescr(rel);
	row.values = palloc(sizeof(Datum) * row.desc->natts);
	row.nulls = palloc(sizeof(bool) * row.desc->natts);
	scan = systable_beginscan(rel, ls_catalog_relid(index), true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		heap_deform_tuple(tuple, row.desc, row.values, row.nulls);
		rows = lappend(rows, reader(&row));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return rows;
}

static void
get_stamp(const LsRow *row, LsModelRow *model)
{
	int i = find_column(row, "scored_stamp");

	model->has_scored_stamp = !row->nulls[i];
	if (!row->nulls[i])
		model->scored_stamp = DatumGetInt64(row->values[i]);
}

static void *
read_model(const LsRow *row)
{
	LsModelRow *model = palloc0(sizeof(LsModelRow));

	model->name = get_text(row, "name");
	model->contacts = get_text(row, "contacts");
	model->contact_id = get_text(row, "contact_id");
	model->stage_column = get_text(row, "stage_column");
	model->created_column = get_text(row, "created_column");
	model->population = get_text(row, "population");
	model->time_zone = get_text(row, "time_zone");
	model->fit_weight = get_double(row, "fit_weight", 1);
	model->engagement_weight = get_double(row, "engagement_weight", 1);
	model->intent_weight = get_double(row, "intent_weight", 1);
	model->fit = get_limits(row, "fit_floor", "fit_ceiling");
	model->engagement = get_limits(row, "engagement_floor", "engagement_ceiling");
	model->intent = get_limits(row, "intent_floor", "intent_ceiling");
	model->total = get_limits(row, "total_floor", "total_ceiling");
	model->status = get_text(row, "status");
	model->search_path = get_text(row, "search_path");
	model->objects_schema = get_text(row, "objects_schema");
	model->owner = get_text(row, "owner");
	get_stamp(row, model);
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
	List *rows = read_rows("model", "model_pkey", model, read_model);

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

	group->name = get_text(row, "name");
	group->dimension = get_text(row, "dimension");
	group->limits = get_limits(row, "min_points", "max_points");
	return group;
}

/* ls_catalog_groups: the rule groups of a model (LsGroupRow), by name. */
List *
ls_catalog_groups(const char *model)
{
	return read_rows("rule_group", "rule_group_pkey", model, read_group);
}

static void *
read_fit_rule(const LsRow *row)
{
	LsFitRow *rule = palloc0(sizeof(LsFitRow));

	rule->name = get_text(row, "name");
	rule->group_name = get_text(row, "group_name");
	rule->condition = get_text(row, "condition");
	rule->points = get_double(row, "points", 0);
	rule->enabled = get_bool(row, "enabled");
	return rule;
}

/* ls_catalog_fit_rules: the fit rules of a model (LsFitRow), by name. */
List *
ls_catalog_fit_rules(const char *model)
{
	return read_rows("fit_rule", "fit_rule_pkey", model, read_fit_rule);
}

static void *
read_threshold(const LsRow *row)
{
	LsThresholdRow *threshold = palloc0(sizeof(LsThresholdRow));

	threshold->score = get_text(row, "score");
	threshold->label = get_text(row, "label");
	threshold->min_score = get_double(row, "min_score", -INFINITY);
	return threshold;
}

/* ls_catalog_thresholds: the thresholds of a model (LsThresholdRow). */
List *
ls_catalog_thresholds(const char *model)
{
	return read_rows("threshold", "threshold_pkey", model, read_threshold);
}

/* ---- events ----------------------------------------------------------- */

static void *
read_source(const LsRow *row)
{
	LsSourceRow *source = palloc0(sizeof(LsSourceRow));

	source->name = get_text(row, "name");
	source->relation = get_text(row, "relation");
	source->contact_id = get_text(row, "contact_id");
	source->occurred_at = get_text(row, "occurred_at");
	source->time_zone = get_text(row, "time_zone");
	source->condition = get_text(row, "condition");
	source->activity = get_text(row, "activity");
	return source;
}

/* ls_catalog_sources: the event sources of a model (LsSourceRow), by name. */
List *
ls_catalog_sources(const char *model)
{
	return read_rows("event_source", "event_source_pkey", model, read_source);
}

/*
 * ls_catalog_interval_us: an interval as a number of microseconds, a month being
 * 30 days; the largest there is where it does not fit.
 */
int64
ls_catalog_interval_us(const Interval *interval)
{
	int64 days = (int64) interval->month * DAYS_PER_MONTH + interval->day;
	int64 us;

	if (pg_mul_s64_overflow(days, USECS_PER_DAY, &us) ||
		pg_add_s64_overflow(us, interval->time, &us))
		return PG_INT64_MAX;
	return us;
}

static int64
get_interval_us(const LsRow *row, const char *column)
{
	int i = find_column(row, column);

	return row->nulls[i] ? 0
						 : ls_catalog_interval_us(DatumGetIntervalP(row->values[i]));
}

static int
get_int(const LsRow *row, const char *column)
{
	int i = find_column(row, column);

	return row->nulls[i] ? -1 : DatumGetInt32(row->values[i]);
}

static TimestampTz
get_moment(const LsRow *row, const char *column, TimestampTz if_null)
{
	int i = find_column(row, column);

	return row->nulls[i] ? if_null : DatumGetTimestampTz(row->values[i]);
}

/* get_texts: of a text[] column; nulls in it are left out. */
static List *
get_texts(const LsRow *row, const char *column)
{
	int i = find_column(row, column);
	List *texts = NIL;
	Datum *values;
	bool *nulls;
	int n;

	if (row->nulls[i])
		return NIL;
	deconstruct_array(DatumGetArrayTypeP(row->values[i]),
					  TEXTOID,
					  -1,
					  false,
					  TYPALIGN_INT,
					  &values,
					  &nulls,
					  &n);
	for (int j = 0; j < n; j++)
		if (!nulls[j])
			texts = lappend(texts, TextDatumGetCString(values[j]));
	return texts;
}

static LsRuleKind
get_kind(const LsRow *row)
{
	static const char *const kinds[] = {"each",
										"count",
										"inactive",
										"sequence",
										"streak"};
	const char *kind = get_text(row, "kind");

	for (int i = 0; i < lengthof(kinds); i++)
		if (strcmp(kind, kinds[i]) == 0)
			return (LsRuleKind) i;
	elog(ERROR, "unknown kind of engagement rule: %s", kind);
	return LS_KIND_EACH;
}

static LsStepOrder
get_step_order(const LsRow *row)
{
	const char *order = get_text(row, "step_order");

	if (order == NULL || strcmp(order, "in_order") == 0)
		return LS_ORDER_IN_ORDER;
	return strcmp(order, "any") == 0 ? LS_ORDER_ANY : LS_ORDER_CONSECUTIVE;
}

static void
read_timing(const LsRow *row, LsEngagementRow *rule)
{
	const char *if_never = get_text(row, "if_never");
	int64 grace_us = get_interval_us(row, "grace");

	rule->within_us = get_interval_us(row, "within");
	rule->after_us = get_interval_us(row, "after");
	rule->counts_from = get_moment(row, "counts_from", DT_NOBEGIN);
	rule->counts_until = get_moment(row, "counts_until", DT_NOEND);
	rule->repeat_every_us = get_interval_us(row, "repeat_every");
	rule->if_never_created =
		if_never == NULL ? rule->condition == NULL : strcmp(if_never, "created") == 0;
	rule->grace_us = grace_us != 0 ? grace_us : 3 * USECS_PER_DAY;
	rule->half_life_us = get_interval_us(row, "half_life");
	rule->linear_over_us = get_interval_us(row, "linear_over");
	rule->decay_percent = get_double(row, "decay_percent", 0);
	rule->decay_every_us = get_interval_us(row, "decay_every");
	rule->expires_after_us = get_interval_us(row, "expires_after");
}

static void *
read_engagement_rule(const LsRow *row)
{
	LsEngagementRow *rule = palloc0(sizeof(LsEngagementRow));

	rule->name = get_text(row, "name");
	rule->group_name = get_text(row, "group_name");
	rule->is_intent = strcmp(get_text(row, "dimension"), "intent") == 0;
	rule->source = get_text(row, "source");
	rule->kind = get_kind(row);
	rule->condition = get_text(row, "condition");
	rule->points = get_double(row, "points", 0);
	rule->max_count = get_int(row, "max_count");
	rule->at_least = get_int(row, "at_least");
	rule->at_most = get_int(row, "at_most");
	rule->distinct_by = get_text(row, "distinct_by");
	rule->value = get_text(row, "value");
	rule->unless = get_text(row, "unless");
	rule->requires = get_text(row, "requires");
	rule->steps = get_texts(row, "steps");
	rule->step_order = get_step_order(row);
	rule->hit = get_text(row, "hit");
	rule->enabled = get_bool(row, "enabled");
	read_timing(row, rule);
	return rule;
}

/* ls_catalog_engagement_rules: those of a model (LsEngagementRow), by name. */
List *
ls_catalog_engagement_rules(const char *model)
{
	return read_rows("engagement_rule",
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
