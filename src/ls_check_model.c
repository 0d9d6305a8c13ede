/*
 * ls_check_model.c: rule_problems and upkeep_problem: what check_model asks of C.
 */
#include "postgres.h"

#include "ls_attempt.h"
#include "ls_catalog_life.h"
#include "ls_compat.h"
#include "ls_error.h"
#include "ls_key.h"
#include "ls_objects.h"
#include "ls_pending.h"
#include "ls_relation.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(ls_sql_rule_problems);
PG_FUNCTION_INFO_V1(ls_sql_deal_problems);
PG_FUNCTION_INFO_V1(ls_sql_upkeep_problem);
PG_FUNCTION_INFO_V1(ls_sql_score_problems);
PG_FUNCTION_INFO_V1(ls_sql_verify);

/* LsTrial: an expression that is read to see whether it can be. */
typedef struct LsTrial
{
	const LsCondScope *scope;
	const char *text;
	Oid type; /* InvalidOid: any */
} LsTrial;

static void
read_expression(void *arg)
{
	const LsTrial *trial = arg;

	(void) ls_cond_read(trial->scope, trial->text, trial->type);
}

static void
put_problem(ReturnSetInfo *result,
			const char *kind,
			const char *name,
			const char *problem,
			const char *hint)
{
	Datum values[4] = {0};
	bool nulls[4] = {false, name == NULL, false, hint == NULL};

	values[0] = CStringGetTextDatum(kind);
	if (name != NULL)
		values[1] = CStringGetTextDatum(name);
	values[2] = CStringGetTextDatum(problem);
	if (hint != NULL)
		values[3] = CStringGetTextDatum(hint);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* try_expression: nothing where text is NULL. */
static void
try_expression(ReturnSetInfo *result,
			   const LsCondScope *scope,
			   const char *kind,
			   const char *name,
			   const char *text,
			   Oid type)
{
	LsTrial trial = {scope, text, type};
	ErrorData *error;

	if (text != NULL && !ls_attempt(read_expression, &trial, &error))
		put_problem(result, kind, name, error->message, error->hint);
}

/* try_source: its scope; NULL where its relation cannot be read. */
static LsCondScope *
try_source(ReturnSetInfo *result,
		   const LsModelRow *row,
		   Oid contacts,
		   const LsSourceRow *source)
{
	Oid relid = ls_relation_by_name(source->relation);
	const char *columns[] = {source->contact_id, source->occurred_at};
	LsCondScope *scope;

	if (!OidIsValid(relid))
	{
		put_problem(result,
					"event source",
					source->name,
					psprintf("relation %s does not exist", source->relation),
					"Write its name of now into lead_scoring.event_source.relation.");
		return NULL;
	}
	for (int i = 0; i < lengthof(columns); i++)
		if (get_attnum(relid, columns[i]) <= 0)
			put_problem(result,
						"event source",
						source->name,
						psprintf("column \"%s\" of %s does not exist",
								 columns[i],
								 source->relation),
						"Write its name of now into lead_scoring.event_source.");
	if (!ls_relation_may_select(relid, ls_relation_owner(contacts)))
		put_problem(result,
					"event source",
					source->name,
					psprintf("who owns the contacts may not read %s", source->relation),
					"Grant SELECT on it, and USAGE on its schema.");
	scope = ls_model_event_scope(row, contacts, relid);
	try_expression(result,
				   scope,
				   "condition of event source",
				   source->name,
				   source->condition,
				   BOOLOID);
	try_expression(result,
				   scope,
				   "activity of event source",
				   source->name,
				   source->activity,
				   BOOLOID);
	return scope;
}

static void
try_engagement_rule(ReturnSetInfo *result,
					const LsCondScope *scope,
					const LsEngagementRow *rule)
{
	const struct
	{
		const char *kind;
		const char *text;
		Oid type;
	} expressions[] = {
		{"condition of engagement rule", rule->condition, BOOLOID},
		{"unless of engagement rule", rule->unless, BOOLOID},
		{"hit of engagement rule", rule->hit, BOOLOID},
		{"value of engagement rule", rule->value, FLOAT8OID},
		{"distinct_by of engagement rule", rule->distinct_by, InvalidOid},
	};
	ListCell *cell;

	for (int i = 0; i < lengthof(expressions); i++)
		try_expression(result,
					   scope,
					   expressions[i].kind,
					   rule->name,
					   expressions[i].text,
					   expressions[i].type);
	foreach(cell, rule->steps)
		try_expression(result,
					   scope,
					   "steps of engagement rule",
					   rule->name,
					   lfirst(cell),
					   BOOLOID);
}

/* try_events: the event sources, and the enabled rules on each. */
static void
try_events(ReturnSetInfo *result, const LsModelRow *row, Oid contacts)
{
	List *sources = ls_catalog_sources(row->name);
	List *rules = ls_catalog_engagement_rules(row->name);
	ListCell *source_cell;
	ListCell *cell;

	foreach(source_cell, sources)
	{
		const LsSourceRow *source = lfirst(source_cell);
		LsCondScope *scope = try_source(result, row, contacts, source);

		foreach(cell, scope == NULL ? NIL : rules)
		{
			const LsEngagementRow *rule = lfirst(cell);

			if (rule->enabled && ls_catalog_source_of(rule, sources) == source)
				try_engagement_rule(result, scope, rule);
		}
	}
	foreach(cell, rules)
	{
		const LsEngagementRow *rule = lfirst(cell);

		if (rule->enabled && ls_catalog_source_of(rule, sources) == NULL &&
			!(ls_catalog_watches_all(rule) && sources != NIL))
			put_problem(result,
						"engagement rule",
						rule->name,
						"it is not known which event source is meant",
						"Set its source.");
	}
}

/* try_milestones: those of a source that can be read. */
static void
try_milestones(ReturnSetInfo *result, const LsModelRow *row, Oid contacts)
{
	List *sources = ls_catalog_sources(row->name);
	ListCell *cell;

	foreach(cell, ls_catalog_milestones(row->name))
	{
		const LsEngagementRow *milestone = lfirst(cell);
		const LsSourceRow *source = ls_catalog_source_of(milestone, sources);
		Oid relid = source == NULL ? InvalidOid : ls_relation_by_name(source->relation);

		if (OidIsValid(relid))
			try_expression(result,
						   ls_model_event_scope(row, contacts, relid),
						   "milestone",
						   milestone->name,
						   milestone->condition,
						   BOOLOID);
	}
}

static void
try_deals(ReturnSetInfo *result, const LsModelRow *row, Oid contacts)
{
	const LsDealRow *deals = ls_catalog_deals(row->name);
	Oid relid = deals == NULL ? InvalidOid : ls_relation_by_name(deals->relation);
	LsCondScope *scope;

	if (deals != NULL && !OidIsValid(relid))
		put_problem(result,
					"deal source",
					NULL,
					psprintf("relation %s does not exist", deals->relation),
					"Write its name of now into lead_scoring.deal_source.relation.");
	if (!OidIsValid(relid))
		return;
	if (!ls_relation_may_select(relid, ls_relation_owner(contacts)))
		put_problem(result,
					"deal source",
					NULL,
					psprintf("who owns the contacts may not read %s", deals->relation),
					"Grant SELECT on it, and USAGE on its schema.");
	scope = ls_model_deal_scope(row, contacts, relid);
	try_expression(result,
				   scope,
				   "contact_id of deal source",
				   NULL,
				   deals->contact_id,
				   InvalidOid);
	try_expression(result,
				   scope,
				   "amount of deal source",
				   NULL,
				   deals->amount,
				   FLOAT8OID);
	try_expression(result,
				   scope,
				   "created_at of deal source",
				   NULL,
				   deals->created_at,
				   InvalidOid);
	try_expression(result,
				   scope,
				   "closed_at of deal source",
				   NULL,
				   deals->closed_at,
				   InvalidOid);
	try_expression(result, scope, "won of deal source", NULL, deals->won, BOOLOID);
}

/* try_lookups: can they be used, and be read by upkeep? */
static void
try_lookups(ReturnSetInfo *result, const LsModelRow *row, Oid contacts)
{
	ListCell *cell;

	foreach(cell, ls_catalog_lookups(row->name))
	{
		const LsLookupRow *one = lfirst(cell);
		LsLookupFault fault;
		LsLookup *lookup = ls_lookup_find(one, contacts, &fault);

		if (lookup == NULL)
			put_problem(result, "lookup", one->alias, fault.problem, fault.hint);
		else if (!ls_relation_may_select(lookup->relid, ls_relation_owner(contacts)))
			put_problem(result,
						"lookup",
						one->alias,
						psprintf("who owns the contacts may not read %s",
								 one->relation),
						"Grant SELECT on it, and USAGE on its schema.");
	}
}

/* try_lifecycle: transitions, actions, and what they look at. */
static void
try_lifecycle(ReturnSetInfo *result, const LsModelRow *row, Oid contacts)
{
	LsCondScope *scope = ls_model_score_scope(row, contacts);
	ListCell *cell;

	if (row->stage_column != NULL && get_attnum(contacts, row->stage_column) <= 0)
		put_problem(result,
					"stage column",
					row->stage_column,
					psprintf("%s has no such column", ls_relation_name(contacts)),
					"Write its name of now into lead_scoring.model.stage_column.");
	foreach(cell, ls_catalog_transitions(row->name))
	{
		const LsTransitionRow *transition = lfirst(cell);

		if (transition->enabled)
			try_expression(result,
						   scope,
						   "transition",
						   psprintf("%s to %s",
									transition->from_stage,
									transition->to_stage),
						   transition->condition,
						   BOOLOID);
	}
	foreach(cell, ls_catalog_actions(row->name))
	{
		const LsActionRow *action = lfirst(cell);

		if (action->enabled)
			try_expression(result,
						   scope,
						   "action",
						   action->name,
						   action->condition,
						   BOOLOID);
	}
}

/*
 * rule_problems(model text) -> setof (kind, name, problem, hint): conditions that
 * can no longer be read.
 */
Datum
ls_sql_rule_problems(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	LsModelRow *row;
	LsCondScope *scope;
	Oid contacts;
	ListCell *cell;

	InitMaterializedSRF(fcinfo, 0);
	row = ls_relation_readable_row(PG_GETARG_TEXT_PP(0));
	contacts = ls_relation_of_model(row, false);
	try_lookups(result, row, contacts);
	scope = ls_model_scope(row, contacts);
	try_expression(result, scope, "population", NULL, row->population, BOOLOID);
	foreach(cell, ls_catalog_fit_rules(row->name))
	{
		const LsFitRow *rule = lfirst(cell);

		if (rule->enabled)
			try_expression(result,
						   scope,
						   "fit rule",
						   rule->name,
						   rule->condition,
						   BOOLOID);
	}
	try_events(result, row, contacts);
	try_lifecycle(result, row, contacts);
	try_milestones(result, row, contacts);
	return (Datum) 0;
}

/*
 * deal_problems(model text) -> setof (kind, name, problem, hint): why deals cannot
 * be read
 */
Datum
ls_sql_deal_problems(PG_FUNCTION_ARGS)
{
	LsModelRow *row;

	InitMaterializedSRF(fcinfo, 0);
	row = ls_relation_readable_row(PG_GETARG_TEXT_PP(0));
	try_deals((ReturnSetInfo *) fcinfo->resultinfo,
			  row,
			  ls_relation_of_model(row, false));
	return (Datum) 0;
}

/*
 * upkeep_problem(model text) -> text: why scores cannot be written; NULL where
 * they can.
 */
Datum
ls_sql_upkeep_problem(PG_FUNCTION_ARGS)
{
	LsModelRow *row = ls_relation_readable_row(PG_GETARG_TEXT_PP(0));
	const char *problem;

	if (ls_objects_usable(row, ls_relation_of_model(row, false), &problem))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(problem));
}

/*
 * is_pending: is the contact, whose key is in the first column, to be scored when
 * this transaction commits?
 */
static bool
is_pending(const LsObjects *objects, HeapTuple tuple, TupleDesc desc)
{
	char *text = SPI_getvalue(tuple, desc, 1);
	Oid input;
	Oid param;

	if (ls_pending_has_lookups(objects->model))
		return true;
	getTypeInputInfo(objects->key_type, &input, &param);
	return ls_pending_has(objects->model,
						  ls_key_from_datum(objects->key_type,
											OidInputFunctionCall(input,
																 text,
																 param,
																 -1)));
}

/*
 * query_as_owner: the rows of a query that lead_scoring.<writer> writes. What it
 * reads belongs to the owner of the contacts, who may have put a view there: so
 * it runs as him, restricted, whoever asks. by_contact: not those of contacts that
 * are pending.
 */
static Datum
query_as_owner(FunctionCallInfo fcinfo, const char *writer, bool by_contact)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	LsModelRow *row;
	LsGuard guard;
	Oid contacts;

	InitMaterializedSRF(fcinfo, 0);
	row = ls_relation_readable_row(PG_GETARG_TEXT_PP(0));
	contacts = ls_relation_of_model(row, false);
	if (!ls_relation_may_change(contacts, GetUserId()))
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("permission denied for the scores of model \"%s\"", row->name),
				errhint("Only who owns its contacts, or is a member of that role, may "
						"check them."));
	ls_guard_enter(&guard, ls_relation_owner(contacts), LS_SAFE_PATH);
	SPI_connect();
	if (SPI_execute(ls_objects_script(writer, row->name, true), true, 0) !=
		SPI_OK_SELECT)
		elog(ERROR, "query of %s failed", writer);
	by_contact &= ls_pending_any();
	for (uint64 i = 0; i < SPI_tuptable->numvals; i++)
		if (!by_contact || !is_pending(ls_objects_of(row, contacts),
									   SPI_tuptable->vals[i],
									   SPI_tuptable->tupdesc))
			tuplestore_puttuple(result->setResult, SPI_tuptable->vals[i]);
	SPI_finish();
	ls_guard_leave(&guard);
	return (Datum) 0;
}

/*
 * score_problems(model text) -> setof (object, problem)
 */
Datum
ls_sql_score_problems(PG_FUNCTION_ARGS)
{
	return query_as_owner(fcinfo, "score_problems_sql", false);
}

/*
 * verify(model text) -> setof (contact_id, stored_fit, fit, stored_total, total)
 */
Datum
ls_sql_verify(PG_FUNCTION_ARGS)
{
	return query_as_owner(fcinfo, "verify_sql", true);
}
