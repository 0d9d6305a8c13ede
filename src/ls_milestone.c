/*
 * ls_milestone.c: milestones_of(event, model, source): which milestones an event
 * reaches, and when that was.
 */
#include "ls_row_call.h"

#include "ls_catalog_life.h"
#include "ls_compat.h"
#include "ls_engagement_model.h"
#include "ls_error.h"
#include "ls_fit.h"
#include "ls_relation.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ls_sql_milestones_of);

static const LsSourceRow *
find_source(const char *model, const char *name)
{
	ListCell *cell;

	foreach(cell, ls_catalog_sources(model))
		if (strcmp(((LsSourceRow *) lfirst(cell))->name, name) == 0)
			return lfirst(cell);
	ereport(ERROR,
			errcode(ERRCODE_UNDEFINED_OBJECT),
			errmsg("model \"%s\" has no event source \"%s\"", model, name),
			errhint("Make one with lead_scoring.add_event_source()."));
	return NULL;
}

static Oid
relation_of(const LsSourceRow *source)
{
	Oid relid = ls_relation_by_name(source->relation);

	if (!OidIsValid(relid))
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("relation %s of event source \"%s\" does not exist",
					   source->relation,
					   source->name),
				errhint("Correct it in lead_scoring.event_source."));
	ls_model_watch(relid);
	return relid;
}

static LsMatchRule *
read_rule(const LsModelRow *model,
		  const LsCondScope *scope,
		  const char *kind,
		  const char *name,
		  const char *condition)
{
	LsMatchRule *rule = palloc0(sizeof(LsMatchRule));
	LsPlace place = {.kind = kind,
					 .name = name,
					 .model = model->name,
					 .text = condition};

	rule->name = name;
	rule->expr = ls_row_expression(place, scope, BOOLOID);
	return rule;
}

/* read_rules: the milestones of the source; one without a condition is `true`. */
static List *
read_rules(LsRowCall *call,
		   const LsModelRow *model,
		   const LsSourceRow *source,
		   const LsCondScope *scope)
{
	List *rules = NIL;
	ListCell *cell;

	foreach(cell, ls_catalog_milestones(model->name))
	{
		const LsEngagementRow *milestone = lfirst(cell);
		const char *condition =
			milestone->condition == NULL ? "true" : milestone->condition;

		if (strcmp(milestone->source, source->name) != 0)
			continue;
		rules =
			lappend(rules,
					read_rule(model, scope, "milestone", milestone->name, condition));
		call->names = lappend(call->names, milestone->name);
	}
	return rules;
}

static void
compile_milestones(LsRowCall *call, const LsModelRow *model)
{
	const LsSourceRow *source = find_source(model->name, text_to_cstring(call->other));
	Oid relid = relation_of(source);
	LsCondScope *scope =
		ls_model_event_scope(model, ls_relation_of_model(model, false), relid);
	LsMatchValue *moment = palloc0(sizeof(LsMatchValue));
	List *rules = read_rules(call, model, source, scope);

	moment->expr = ls_engagement_occurred_at(model, source, relid);
	call->matcher =
		ls_row_matcher(rules, list_make1(moment), scope, "milestone", model->name);
	if (source->condition != NULL)
		call->gate = ls_row_matcher(list_make1(read_rule(model,
														 scope,
														 "event source",
														 source->name,
														 source->condition)),
									NIL,
									scope,
									"event source",
									model->name);
}

/* counts: does the event count at all? */
static bool
counts(LsRowCall *call, HeapTuple event)
{
	const int *numbers;

	if (call->gate == NULL)
		return true;
	ls_match_load_row(call->gate, call->gate_map, event);
	return ls_match_list(call->gate, 0, &numbers) > 0;
}

static Datum
names_of(const LsRowCall *call, const int *numbers, int n)
{
	Datum *names = palloc(sizeof(Datum) * n);

	for (int i = 0; i < n; i++)
		names[i] = CStringGetTextDatum(list_nth(call->names, numbers[i]));
	return PointerGetDatum(construct_array(names, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/*
 * milestones_of(event record, model text, source text) -> milestone_reached: NULL
 * where the event reaches none
 */
Datum
ls_sql_milestones_of(PG_FUNCTION_ARGS)
{
	HeapTupleData event = ls_fit_tuple(PG_GETARG_HEAPTUPLEHEADER(0));
	LsRowCall *call = ls_row_call(fcinfo, compile_milestones);
	Datum values[2];
	bool nulls[2] = {false, false};
	const int *numbers;
	TupleDesc desc;
	int n;

	if (!counts(call, &event))
		PG_RETURN_NULL();
	ls_match_load_row(call->matcher, call->map, &event);
	n = ls_match_list(call->matcher, 0, &numbers);
	if (n == 0)
		PG_RETURN_NULL();
	values[1] = ls_match_value(call->matcher, 0, &nulls[1]);
	if (nulls[1] || TIMESTAMP_NOT_FINITE(DatumGetTimestampTz(values[1])))
		PG_RETURN_NULL();
	values[0] = names_of(call, numbers, n);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}
