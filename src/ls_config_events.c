/*
 * ls_config_events.c: rows of lead_scoring.event_source and engagement_rule.
 *
 * What is about the row alone is in ls_config_timing.c. What depends on other
 * rows or relations is not looked at while a dump is restored.
 */
#include "ls_config.h"

#include "ls_compat.h"
#include "ls_engagement_model.h"
#include "ls_guard.h"
#include "ls_model_cache.h"
#include "ls_relation.h"

#include "access/xact.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_oper.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(ls_sql_check_rules);

/* The largest state of a contact that rules may ask for. */
#define MAX_STATE_BYTES 8192

/* ---- event sources ---------------------------------------------------- */

/* check_spelling: keys are the same where their bytes are. */
static void
check_spelling(Oid relid, const char *column)
{
	Oid collation = ls_relation_collation(relid, ls_relation_column(relid, column));

	if (OidIsValid(collation) && !get_collation_isdeterministic(collation))
		ereport(ERROR,
				errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("column \"%s\" of %s has a nondeterministic collation",
					   column,
					   ls_relation_name(relid)),
				errdetail("Events find their contact by a key that is spelt alike."),
				errhint("Let both have a key of another collation, such as \"C\", or a "
						"number."));
}

/* check_comparable: events are joined with contacts on `contact_id = key`. */
static void
check_comparable(const LsConfigRow *row, Oid relid, const char *column)
{
	Oid type = get_atttype(relid, ls_relation_column(relid, column));
	Oid key =
		get_atttype(row->relid, ls_relation_column(row->relid, row->model->contact_id));
	Operator equals;
	LsGuard guard;

	ls_guard_enter_reading(&guard,
						   ls_relation_owner(row->relid),
						   row->model->search_path);
	equals = oper(NULL, list_make1(makeString("=")), type, key, true, -1);
	ls_guard_leave(&guard);
	if (equals == NULL)
		ereport(ERROR,
				errcode(ERRCODE_DATATYPE_MISMATCH),
				errmsg("contact_id \"%s\" of type %s cannot be compared with the "
					   "contacts' key of type %s",
					   column,
					   format_type_be(type),
					   format_type_be(key)),
				errhint("Name the column that holds the key, or a view in which it has "
						"the type of the key."));
	ReleaseSysCache(equals);
	check_spelling(relid, column);
	check_spelling(row->relid, row->model->contact_id);
}

/* check_not_ambiguous: with a second source, rules must say which they mean. */
static void
check_not_ambiguous(const LsConfigRow *row)
{
	const char *model = row->model->name;
	const char *name = ls_config_required(row, "name");
	LsConfigRow old = *row;
	const char *other = NULL;
	ListCell *cell;

	old.tuple = row->old;
	foreach(cell, ls_catalog_sources(model))
	{
		const LsSourceRow *source = lfirst(cell);

		if (strcmp(source->name, name) != 0 &&
			(row->old == NULL ||
			 strcmp(source->name, ls_config_text(&old, "name")) != 0))
			other = source->name;
	}
	if (other == NULL)
		return;
	foreach(cell, ls_catalog_engagement_rules(model))
	{
		const LsEngagementRow *rule = lfirst(cell);

		if (rule->source != NULL || ls_catalog_watches_all(rule))
			continue;
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("engagement rule \"%s\" does not say which event source it means",
					   rule->name),
				errdetail("A rule may leave its source open only while the model has no "
						  "other."),
				errhint("First run UPDATE lead_scoring.engagement_rule SET source = %s "
						"WHERE model = %s AND source IS NULL "
						"AND (kind <> 'inactive' OR condition IS NOT NULL).",
						quote_literal_cstr(other),
						quote_literal_cstr(model)));
	}
}

static void
check_source_relation(const LsConfigRow *row, Oid relid)
{
	ls_config_check_relkind(relid, "events");
	ls_config_check_may_read(row, relid);
	check_comparable(row, relid, ls_config_required(row, "contact_id"));
	ls_config_check_moment(relid,
						   "occurred_at",
						   ls_config_required(row, "occurred_at"));
	ls_config_check_zone(row);
	check_not_ambiguous(row);
}

/*
 * ls_config_check_event_source: check a row of lead_scoring.event_source.
 */
void
ls_config_check_event_source(LsConfigRow *row)
{
	LsPlace place = ls_config_place(row);
	LsCondScope *scope;
	Oid relid;

	if (!check_function_bodies)
		return;
	row->relid = ls_relation_of_model(row->model, false);
	ls_error_push_place(&place);
	relid = ls_config_relation(row, "relation");
	check_source_relation(row, relid);
	ls_error_pop_place(&place);
	scope = ls_model_event_scope(row->model, row->relid, relid);
	ls_config_check_condition(row, scope, "condition", BOOLOID);
	ls_config_check_condition(row, scope, "activity", BOOLOID);
}

/* ---- expressions of rules --------------------------------------------- */

static void
refuse_distinct_type(Oid type)
{
	ereport(ERROR,
			errcode(ERRCODE_UNDEFINED_FUNCTION),
			errmsg("values of type %s cannot be told apart by hashing",
				   format_type_be(type)),
			errhint("Cast it to a type that can, such as text or jsonb."));
}

/* check_distinct_type: what is hashed, compared for equality and sorted. */
static void
check_distinct_type(Node *expr)
{
	Oid type = exprType(expr);
	TypeCacheEntry *entry;

	entry = lookup_type_cache(type,
							  TYPECACHE_EQ_OPR | TYPECACHE_LT_OPR |
								  TYPECACHE_HASH_EXTENDED_PROC);
	if (!OidIsValid(entry->eq_opr) || !OidIsValid(entry->lt_opr) ||
		!OidIsValid(entry->hash_extended_proc))
		refuse_distinct_type(type);
	if (OidIsValid(entry->typcollation) && !OidIsValid(exprCollation(expr)))
		ereport(ERROR,
				errcode(ERRCODE_INDETERMINATE_COLLATION),
				errmsg("the collation of the expression is not determined"),
				errhint("Add a COLLATE clause."));
}

/*
 * ls_config_fold: so that 1/0 is found now. (Conditions are folded by
 * ls_config_read.)
 */
void
ls_config_fold(const LsCondScope *scope, Node *expr)
{
	LsGuard guard;

	ls_guard_enter_reading(&guard, scope->owner, LS_SAFE_PATH);
	(void) eval_const_expressions(NULL, expr);
	ls_guard_leave(&guard);
}

static void
check_expressions(const LsConfigRow *row, const LsCondScope *scope)
{
	static const char *const conditions[] = {"condition", "unless", "hit"};
	char *value = ls_config_text(row, "value");
	char *distinct_by = ls_config_text(row, "distinct_by");
	LsPlace place = ls_config_place(row);
	LsCond *cond;

	for (int i = 0; i < lengthof(conditions); i++)
		ls_config_check_condition(row, scope, conditions[i], BOOLOID);
	if (value != NULL)
	{
		cond = ls_config_read(row, scope, "value", value, FLOAT8OID);
		ls_config_fold(scope, cond->expr);
	}
	if (distinct_by == NULL)
		return;
	cond = ls_config_read(row, scope, "distinct_by", distinct_by, InvalidOid);
	place.column = "distinct_by";
	ls_error_push_place(&place);
	check_distinct_type(cond->expr);
	ls_config_fold(scope, cond->expr);
	ls_error_pop_place(&place);
}

/* find_equal: position from 1 of an equal tree; 0 = there is none. */
static int
find_equal(List *exprs, Node *expr)
{
	ListCell *cell;

	foreach(cell, exprs)
		if (equal(lfirst(cell), expr))
			return foreach_current_index(cell) + 1;
	return 0;
}

/* check_steps: each is a condition; without an order all are different. */
static void
check_steps(const LsConfigRow *row, const LsCondScope *scope)
{
	char *order = ls_config_text(row, "step_order");
	bool is_null;
	Datum value = ls_config_value(row, "steps", &is_null);
	List *exprs = NIL;
	Datum *steps;
	int n;

	if (is_null)
		return;
	deconstruct_array(DatumGetArrayTypeP(value),
					  TEXTOID,
					  -1,
					  false,
					  TYPALIGN_INT,
					  &steps,
					  NULL,
					  &n);
	for (int i = 0; i < n; i++)
	{
		char *step = TextDatumGetCString(steps[i]);
		char *column = psprintf("steps[%d]", i + 1);
		LsCond *cond = ls_config_read(row, scope, column, step, BOOLOID);
		int twin = find_equal(exprs, cond->expr);

		if (twin > 0 && order != NULL && strcmp(order, "any") == 0)
			ereport(ERROR,
					errcode(ERRCODE_CHECK_VIOLATION),
					errmsg("steps %d and %d of the sequence are equal", twin, i + 1),
					errdetail("In any order one event would serve both."),
					errhint("Use step_order in_order, or kind count with at_least."));
		exprs = lappend(exprs, cond->expr);
	}
}

/* ---- engagement rules ------------------------------------------------- */

static char *
name_sources(List *sources)
{
	StringInfoData names;
	ListCell *cell;

	initStringInfo(&names);
	foreach(cell, sources)
		appendStringInfo(&names,
						 "%s\"%s\"",
						 names.len > 0 ? ", " : "",
						 ((LsSourceRow *) lfirst(cell))->name);
	return names.data;
}

/* find_source: the source that the row names, or else the model's only one. */
static LsSourceRow *
find_source(const LsConfigRow *row, List *sources)
{
	char *name = ls_config_text(row, "source");
	ListCell *cell;

	foreach(cell, sources)
		if (name != NULL && strcmp(((LsSourceRow *) lfirst(cell))->name, name) == 0)
			return lfirst(cell);
	if (name != NULL)
		ereport(ERROR,
				errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				errmsg("event source \"%s\" of model \"%s\" does not exist",
					   name,
					   row->model->name),
				errhint("Add it with lead_scoring.add_event_source()."));
	if (list_length(sources) > 1)
		ereport(ERROR,
				errcode(ERRCODE_NOT_NULL_VIOLATION),
				errmsg("column \"source\" must say which event source is meant"),
				errdetail("The model has several: %s.", name_sources(sources)),
				errhint("Give one of them."));
	return linitial(sources);
}

/* check_source: what is read from it; NULL where that is activity in all. */
static LsSourceRow *
check_source(const LsConfigRow *row, LsRuleKind kind)
{
	List *sources = ls_catalog_sources(row->model->name);
	LsEngagementRow rule = {.kind = kind,
							.source = ls_config_text(row, "source"),
							.condition = ls_config_text(row, "condition")};

	if (sources == NIL)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("model \"%s\" has no event source", row->model->name),
				errhint("Add one with lead_scoring.add_event_source() first."));
	if (ls_catalog_watches_all(&rule))
		return NULL;
	return find_source(row, sources);
}

/*
 * ls_config_relation_of_source: the relation of an event source.
 */
Oid
ls_config_relation_of_source(const LsSourceRow *source)
{
	Oid relid = ls_relation_by_name(source->relation);

	if (!OidIsValid(relid))
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("relation \"%s\" of event source \"%s\" does not exist",
					   source->relation,
					   source->name),
				errhint("Write its name of now into lead_scoring.event_source.relation."));
	return relid;
}

/*
 * ls_config_check_engagement_rule: check a row of lead_scoring.engagement_rule.
 * The rule that it requires may come with the same statement: see check_rules.
 */
void
ls_config_check_engagement_rule(LsConfigRow *row)
{
	LsPlace place = ls_config_place(row);
	LsCondScope *scope = NULL;
	LsSourceRow *source;
	LsRuleKind kind;

	ls_error_push_place(&place);
	kind = ls_config_check_timing(row);
	if (check_function_bodies)
	{
		row->relid = ls_relation_of_model(row->model, false);
		ls_config_check_group(row, ls_config_required(row, "dimension"));
		source = check_source(row, kind);
		if (source != NULL)
			scope = ls_model_event_scope(row->model,
										 row->relid,
										 ls_config_relation_of_source(source));
	}
	ls_error_pop_place(&place);
	if (scope == NULL)
		return;
	check_expressions(row, scope);
	check_steps(row, scope);
}

/* ---- the rules of a model together ------------------------------------- */

static void
refuse_inactive(const char *name, const char *required)
{
	ereport(ERROR,
			errcode(ERRCODE_CHECK_VIOLATION),
			errmsg("engagement rule \"%s\" requires \"%s\", which is of kind inactive",
				   name,
				   required),
			errdetail("Silence is no match."),
			errhint("Require a rule of kind each, count, sequence or streak."));
}

/* check_among: the row against the model's rules as they are now. */
static void
check_among(const LsConfigRow *row, List *rules)
{
	char *name = ls_config_required(row, "name");
	char *required = ls_config_text(row, "requires");
	bool is_inactive = strcmp(ls_config_required(row, "kind"), "inactive") == 0;
	bool found = required == NULL;
	ListCell *cell;

	foreach(cell, rules)
	{
		const LsEngagementRow *rule = lfirst(cell);

		if (is_inactive && rule->requires != NULL && strcmp(rule->requires, name) == 0)
			refuse_inactive(rule->name, name);
		if (required == NULL || strcmp(rule->name, required) != 0)
			continue;
		if (rule->kind == LS_KIND_INACTIVE)
			refuse_inactive(name, required);
		found = true;
	}
	if (!found)
		ereport(ERROR,
				errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				errmsg("engagement rule \"%s\" requires \"%s\", which does not exist",
					   name,
					   required),
				errhint("Name another engagement rule of the model, or insert it first."));
}

/* check_size: a state that knows enough for all rules must stay small. */
static void
check_size(const LsConfigRow *row, const char *model, List *rules)
{
	List *sources = ls_catalog_sources(model);
	List *known = NIL;
	ListCell *cell;
	size_t size;

	foreach(cell, rules)
	{
		const LsEngagementRow *rule = lfirst(cell);

		if (rule->enabled && (ls_catalog_watches_all(rule) ||
							  ls_catalog_source_of(rule, sources) != NULL))
			known = lappend(known, lfirst(cell));
	}
	size = ls_engagement_max_size(known, sources, model);
	if (size > MAX_STATE_BYTES)
		ereport(ERROR,
				errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				errmsg("with engagement rule \"%s\" the state of a contact could become "
					   "too large",
					   ls_config_required(row, "name")),
				errdetail("It could take %zu bytes, and may take %d.",
						  size,
						  MAX_STATE_BYTES),
				errhint("Lower max_count, at_least or at_most, of this rule or of others."));
}

/*
 * check_rules(): AFTER ROW trigger of engagement_rule: the rules together, when
 * all rows of the statement are there. A required rule may go later: then there
 * are no points, and check_model says so.
 */
Datum
ls_sql_check_rules(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	LsConfigRow row = {0};
	char *model;
	List *rules;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(data->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(data->tg_event))
		ereport(ERROR,
				errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				errmsg("check_rules() is an AFTER ROW trigger of engagement_rule"),
				errhint("Do not call it."));
	if (!check_function_bodies)
		return PointerGetDatum(NULL);
	row.table = RelationGetRelationName(data->tg_relation);
	row.desc = RelationGetDescr(data->tg_relation);
	row.tuple = TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? data->tg_newtuple
														: data->tg_trigtuple;
	/* Make what the statement wrote visible, as SPI does. */
	CommandCounterIncrement();
	model = ls_config_required(&row, "model");
	rules = ls_catalog_engagement_rules(model);
	check_among(&row, rules);
	check_size(&row, model, rules);
	return PointerGetDatum(NULL);
}
