/*
 * ls_deal.c: deal_of(deal, model, relation): a row of the model's deals, as
 * lead_scoring.deal_source says.
 */
#include "ls_row_call.h"

#include "ls_compat.h"
#include "ls_engagement_model.h"
#include "ls_error.h"
#include "ls_fit.h"
#include "ls_relation.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ls_sql_deal_of);
PG_FUNCTION_INFO_V1(ls_sql_same_deals);
PG_FUNCTION_INFO_V1(ls_sql_seconds);

#define DEAL_FIELDS 5

static void
refuse_deals(const char *model)
{
	ereport(ERROR,
			errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			errmsg("the deal source of model \"%s\" has changed since it was activated",
				   model),
			errhint("Call lead_scoring.activate(%s) again.", quote_literal_cstr(model)));
}

/* field: an expression of the deal source. */
static Node *
field(const LsModelRow *model,
	  const LsCondScope *scope,
	  const char *column,
	  const char *text,
	  Oid type)
{
	LsPlace place = {.kind = "deal source",
					 .column = column,
					 .model = model->name,
					 .text = text};

	return ls_row_expression(place, scope, type);
}

static Node *
moment_field(const LsModelRow *model,
			 const LsCondScope *scope,
			 const char *column,
			 const char *text)
{
	Node *expr = field(model, scope, column, text, InvalidOid);
	Node *moment = ls_engagement_moment(expr, model->time_zone);

	if (moment == NULL)
		ereport(ERROR,
				errcode(ERRCODE_DATATYPE_MISMATCH),
				errmsg("%s of the deals of model \"%s\" has type %s",
					   column,
					   model->name,
					   format_type_be(exprType(expr))),
				errhint("Correct it in lead_scoring.deal_source."));
	return moment;
}

/* key_field: as text, as contacts' keys are compared with it. */
static Node *
key_field(const LsModelRow *model, const LsCondScope *scope, const char *text)
{
	Node *expr = field(model, scope, "contact_id", text, InvalidOid);

	return coerce_to_target_type(NULL,
								 expr,
								 exprType(expr),
								 TEXTOID,
								 -1,
								 COERCION_EXPLICIT,
								 COERCE_EXPLICIT_CAST,
								 -1);
}

static List *
add_value(List *values, Node *expr)
{
	LsMatchValue *value = palloc0(sizeof(LsMatchValue));

	value->expr = expr;
	return lappend(values, value);
}

static void
compile_deals(LsRowCall *call, const LsModelRow *model)
{
	LsDealRow *row = ls_catalog_deals(model->name);
	List *values = NIL;
	LsCondScope *scope;
	Oid relid;

	if (row == NULL || strcmp(row->relation, text_to_cstring(call->other)) != 0)
		refuse_deals(model->name);
	relid = ls_relation_by_name(row->relation);
	if (!OidIsValid(relid))
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("relation %s of the deals of model \"%s\" does not exist",
					   row->relation,
					   model->name),
				errhint("Correct it in lead_scoring.deal_source."));
	ls_model_watch(relid);
	scope = ls_model_deal_scope(model, ls_relation_of_model(model, false), relid);
	values = add_value(values, key_field(model, scope, row->contact_id));
	values = add_value(values, field(model, scope, "amount", row->amount, FLOAT8OID));
	values =
		add_value(values, moment_field(model, scope, "created_at", row->created_at));
	values = add_value(values, moment_field(model, scope, "closed_at", row->closed_at));
	values = add_value(values, field(model, scope, "won", row->won, BOOLOID));
	call->matcher = ls_row_matcher(NIL, values, scope, "deal source", model->name);
}

/*
 * deal_of(deal record, model text, relation text) -> deal
 *
 * Errors: 55000 where the model's deals are in another relation than the one that
 * is named; what an expression raises.
 */
Datum
ls_sql_deal_of(PG_FUNCTION_ARGS)
{
	HeapTupleData deal = ls_fit_tuple(PG_GETARG_HEAPTUPLEHEADER(0));
	LsRowCall *call = ls_row_call(fcinfo, compile_deals);
	Datum values[DEAL_FIELDS];
	bool nulls[DEAL_FIELDS];
	const int *numbers;
	TupleDesc desc;

	ls_match_load_row(call->matcher, call->map, &deal);
	(void) ls_match_list(call->matcher, 0, &numbers); /* frees the row before */
	for (int i = 0; i < DEAL_FIELDS; i++)
		values[i] = ls_match_value(call->matcher, i, &nulls[i]);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}

/* is_argument: is the argument this text? NULL is NULL. */
static bool
is_argument(FunctionCallInfo fcinfo, int n, const char *value)
{
	if (PG_ARGISNULL(n) || value == NULL)
		return PG_ARGISNULL(n) && value == NULL;
	return strcmp(text_to_cstring(PG_GETARG_TEXT_PP(n)), value) == 0;
}

/*
 * same_deals(model text, relation text, contact_id text) -> boolean: true
 *
 * Errors: 55000 where the model's deals are not in that relation (NULL: nowhere), or
 * are told otherwise whose they are
 */
Datum
ls_sql_same_deals(PG_FUNCTION_ARGS)
{
	LsModelRow *model;
	LsDealRow *row;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	model = ls_relation_readable_row(PG_GETARG_TEXT_PP(0));
	row = ls_catalog_deals(model->name);
	if (!is_argument(fcinfo, 1, row == NULL ? NULL : row->relation) ||
		!is_argument(fcinfo, 2, row == NULL ? NULL : row->contact_id))
		refuse_deals(model->name);
	PG_RETURN_BOOL(true);
}

/*
 * seconds(interval) -> float8: as intervals of rules are read
 */
Datum
ls_sql_seconds(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(ls_catalog_interval_us(PG_GETARG_INTERVAL_P(0)) /
					 (double) USECS_PER_SEC);
}
