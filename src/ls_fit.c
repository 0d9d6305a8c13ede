/*
 * ls_fit.c: fit_score(contact, model [, as_of]), in_population(...), the same where
 * a condition that fails must not end the query, and fit_score_columns(...), which
 * the planner puts in the place of fit_score.
 */
#include "ls_fit.h"

#include "ls_attempt.h"
#include "ls_compat.h"
#include "ls_contact.h"
#include "ls_guc.h"
#include "ls_points.h"
#include "ls_relation.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/primnodes.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(ls_sql_fit_score);
PG_FUNCTION_INFO_V1(ls_sql_fit_score_columns);
PG_FUNCTION_INFO_V1(ls_sql_in_population);
PG_FUNCTION_INFO_V1(ls_sql_try_fit_score);
PG_FUNCTION_INFO_V1(ls_sql_try_in_population);
PG_FUNCTION_INFO_V1(ls_sql_fit_problem);

/* score_row: groups clamped, then the sum, then 6 decimals. */
static double
score_row(LsModel *model, TimestampTz as_of)
{
	const double *sums = ls_match_sums(model->fit, as_of);
	double points = sums[0];
	double score;

	for (int slot = 1; slot < model->nslots; slot++)
		points += ls_points_clamp(sums[slot], model->slot_limits[slot]);
	points = ls_points_clamp(points, model->row->fit);
	if (!ls_points_round(points, &score))
		ereport(ERROR,
				errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				errmsg("fit score of model \"%s\" is out of range", model->row->name),
				errhint("Use smaller points, or set limits on the groups."));
	return score;
}

/*
 * ls_fit_score: fit of a contact as of a moment; its row and those of its lookups
 * are in the order of the relations of conditions.
 *
 * Errors: what a rule's condition raises; 22003 where the sum is out of range.
 */
double
ls_fit_score(LsModel *model, LsRowMap *map, const HeapTuple *rows, TimestampTz as_of)
{
	ls_match_load_rows(model->fit, map, 1, rows);
	return score_row(model, as_of);
}

/*
 * ls_fit_in_population: does the model score the contact at all?
 */
bool
ls_fit_in_population(LsModel *model,
					 LsRowMap *map,
					 const HeapTuple *rows,
					 TimestampTz as_of)
{
	const int *numbers;

	if (model->population == NULL)
		return true;
	ls_match_load_rows(model->population, map, 1, rows);
	return ls_match_list(model->population, as_of, &numbers) > 0;
}

/*
 * ls_fit_may_raise: can a contact make it fail? Else indexes decide alone.
 */
bool
ls_fit_may_raise(const LsModel *model)
{
	return ls_match_may_raise(model->fit) ||
		   (model->population != NULL && ls_match_may_raise(model->population));
}

/*
 * ls_fit_describe: what was raised, and by which rule: that is the first line of
 * the context; the others tell who asked.
 */
char *
ls_fit_describe(const ErrorData *error)
{
	const char *rule = error->context;

	if (rule == NULL)
		return pstrdup(error->message);
	return psprintf("%s (%.*s)", error->message, (int) strcspn(rule, "\n"), rule);
}

/*
 * LsFitCall: what one place in a query needs, kept from row to row. The model
 * may be used only while the generation stands.
 */
typedef struct LsFitCall
{
	uint64 generation;
	LsModel *model;
	LsContactReader *reader;
	LsRowMap *fit;
	LsRowMap *population;  /* NULL where there is no condition */
	MemoryContext context; /* of the reader and the maps */
	Oid user;
	TupleDesc desc; /* of the arguments that make the row, or NULL */
	bool computed;	/* is one of them more than a column? */
	int name_size;
	char name[FLEXIBLE_ARRAY_MEMBER]; /* the argument, header and all */
} LsFitCall;

static LsFitCall *
new_call(FunctionCallInfo fcinfo, text *name)
{
	LsFitCall *call = fcinfo->flinfo->fn_extra;

	if (call != NULL)
	{
		MemoryContextDelete(call->context);
		pfree(call);
		fcinfo->flinfo->fn_extra = NULL;
	}
	call = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt,
								  offsetof(LsFitCall, name) + VARSIZE_ANY(name));
	call->name_size = VARSIZE_ANY(name);
	memcpy(call->name, name, call->name_size);
	call->context = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt,
										  "lead_scoring row map",
										  ALLOCSET_SMALL_SIZES);
	fcinfo->flinfo->fn_extra = call;
	return call;
}

static void
check_reader(const LsModelRow *row, Oid contacts)
{
	if (!OidIsValid(contacts) || !ls_relation_may_read(contacts, GetUserId()))
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("permission denied for model \"%s\"", row->name),
				errhint("Who may read its contacts may use it: ask for SELECT on them."));
}

/*
 * ls_fit_readable_model: the model, for someone who may read its contacts. That
 * is looked at first: a message about a rule is not for everybody.
 *
 * Errors: 42704, 42501, and what compiling raises.
 */
LsModel *
ls_fit_readable_model(text *name)
{
	char *model_name = text_to_cstring(name);
	LsModel *model;

	if (!ls_model_is_current(model_name))
	{
		LsModelRow *row = ls_catalog_model(model_name, false);

		check_reader(row, ls_relation_of_model(row, false));
	}
	model = ls_model_get(model_name);
	check_reader(model->row, model->relid);
	return model;
}

/*
 * ls_fit_map: how a matcher reads rows of this row's type.
 *
 * Memory: the current context.
 */
LsRowMap *
ls_fit_map(const LsMatcher *matcher, HeapTupleHeader row)
{
	TupleDesc desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(row),
											HeapTupleHeaderGetTypMod(row));
	LsRowMap *map = ls_match_map_row(matcher, desc);

	ReleaseTupleDesc(desc);
	return map;
}

static inline bool
is_about(const LsFitCall *call, const text *name)
{
	return call != NULL && call->name_size == VARSIZE_ANY(name) &&
		   memcmp(call->name, name, call->name_size) == 0;
}

static inline bool
is_bound(const LsFitCall *call)
{
	return call->generation == ls_model_generation && call->user == GetUserId();
}

/*
 * begin_binding: find the model. The caller sets the map, and then the
 * generation that this returns: what changes meanwhile is seen with the next row.
 */
static uint64
begin_binding(LsFitCall *call, text *name)
{
	uint64 generation = ls_model_generation;
	LsModel *model = ls_fit_readable_model(name);

	call->generation = 0;
	MemoryContextReset(call->context);
	call->model = model;
	call->user = GetUserId();
	return generation;
}

/* bind_call: find the model, and the way to read rows of this type. */
static void
bind_call(LsFitCall *call, HeapTupleHeader contact, text *name)
{
	uint64 generation = begin_binding(call, name);
	LsModel *model = call->model;
	Oid relid = get_typ_typrelid(HeapTupleHeaderGetTypeId(contact));
	MemoryContext old;

	if (OidIsValid(relid))
		ls_model_watch(relid);
	old = MemoryContextSwitchTo(call->context);
	call->reader = ls_contact_reader(model, contact, model->fit, model->population);
	call->fit = ls_contact_map(call->reader, model->fit);
	call->population = model->population == NULL
						   ? NULL
						   : ls_contact_map(call->reader, model->population);
	MemoryContextSwitchTo(old);
	call->generation = generation;
}

/* get_call: the call's state for this row's type and this model. */
static inline LsFitCall *
get_call(FunctionCallInfo fcinfo, HeapTupleHeader contact, text *name)
{
	LsFitCall *call = fcinfo->flinfo->fn_extra;

	if (!is_about(call, name))
		call = new_call(fcinfo, name);
	if (!is_bound(call) || !ls_contact_takes(call->reader, contact))
		bind_call(call, contact, name);
	return call;
}

/* ls_fit_tuple: a row argument as a tuple. */
HeapTupleData
ls_fit_tuple(HeapTupleHeader header)
{
	HeapTupleData tuple;

	ls_contact_set(&tuple, header);
	return tuple;
}

/*
 * read_contact: the rows of the contact that is the first argument, and the
 * call's state. Again, where something changed while lookups were read.
 */
static inline const HeapTuple *
read_contact(FunctionCallInfo fcinfo, LsFitCall **call)
{
	HeapTupleHeader contact = PG_GETARG_HEAPTUPLEHEADER(0);
	text *name = PG_GETARG_TEXT_PP(1);
	const HeapTuple *rows;

	do
	{
		CHECK_FOR_INTERRUPTS();
		*call = get_call(fcinfo, contact, name);
		rows = ls_contact_read((*call)->reader, contact);
		if (rows == NULL)
			(*call)->generation = 0;
	} while (rows == NULL);
	return rows;
}

/*
 * fit_score(contact record, model text [, as_of timestamptz]) -> float8
 */
Datum
ls_sql_fit_score(PG_FUNCTION_ARGS)
{
	TimestampTz as_of = PG_NARGS() > 2 ? PG_GETARG_TIMESTAMPTZ(2) : ls_guc_as_of();
	LsFitCall *call;
	const HeapTuple *rows = read_contact(fcinfo, &call);

	PG_RETURN_FLOAT8(ls_fit_score(call->model, call->fit, rows, as_of));
}

/*
 * in_population(contact record, model text [, as_of timestamptz]) -> boolean
 */
Datum
ls_sql_in_population(PG_FUNCTION_ARGS)
{
	TimestampTz as_of = PG_NARGS() > 2 ? PG_GETARG_TIMESTAMPTZ(2) : ls_guc_as_of();
	LsFitCall *call;
	const HeapTuple *rows = read_contact(fcinfo, &call);

	PG_RETURN_BOOL(ls_fit_in_population(call->model, call->population, rows, as_of));
}

/* ---- for views: NULL instead of an error ------------------------------- */

/* LsTry: a contact whose conditions may fail, and what came of them. */
typedef struct LsTry
{
	LsFitCall *call;
	const HeapTuple *rows;
	double fit;
	bool inside;
} LsTry;

static void
try_population(void *arg)
{
	LsTry *one = arg;

	one->inside = ls_fit_in_population(one->call->model,
									   one->call->population,
									   one->rows,
									   ls_guc_as_of());
}

/* try_all: who might not be of the population has no score. */
static void
try_all(void *arg)
{
	LsTry *one = arg;

	try_population(one);
	one->fit =
		ls_fit_score(one->call->model, one->call->fit, one->rows, ls_guc_as_of());
}

/*
 * try_contact: NULL, or what it raised. A parallel query cannot start a
 * subtransaction: there it raises.
 */
static ErrorData *
try_contact(FunctionCallInfo fcinfo, LsTry *one, void (*work)(void *arg))
{
	ErrorData *error = NULL;

	one->rows = read_contact(fcinfo, &one->call);
	if (IsInParallelMode() || !ls_fit_may_raise(one->call->model))
		work(one);
	else
		(void) ls_attempt(work, one, &error);
	return error;
}

/*
 * try_fit_score(contact record, model text) -> float8: fit_score, or NULL where a
 * condition fails.
 */
Datum
ls_sql_try_fit_score(PG_FUNCTION_ARGS)
{
	LsTry one = {0};

	if (try_contact(fcinfo, &one, try_all) != NULL)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(one.fit);
}

/*
 * try_in_population(contact record, model text) -> boolean: in_population, or
 * true where the condition fails: he is shown, with the reason.
 */
Datum
ls_sql_try_in_population(PG_FUNCTION_ARGS)
{
	LsTry one = {0};

	PG_RETURN_BOOL(try_contact(fcinfo, &one, try_population) != NULL || one.inside);
}

/*
 * fit_problem(contact record, model text) -> text: what a condition raises; NULL
 * where none does.
 */
Datum
ls_sql_fit_problem(PG_FUNCTION_ARGS)
{
	LsTry one = {0};
	ErrorData *error = try_contact(fcinfo, &one, try_all);

	if (error == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(ls_fit_describe(error)));
}

/* ---- the row in columns ------------------------------------------------ */

/* Arguments of fit_score_columns ahead of the columns: names, model, as_of. */
#define LS_FIT_LEADING 3

/* describe_arguments: the row that they make, by their names and types. */
static void
describe_arguments(LsFitCall *call, FunctionCallInfo fcinfo)
{
	const FuncExpr *expr = (FuncExpr *) fcinfo->flinfo->fn_expr;
	List *arguments = NIL;

	if (expr != NULL && IsA(expr, FuncExpr))
		arguments = list_copy_tail(expr->args, LS_FIT_LEADING);
	if (arguments != NIL)
		call->desc = ls_match_describe_arguments(linitial(expr->args), arguments);
	if (arguments == NIL || call->desc == NULL)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("fit_score_columns needs a constant array of names, one for each "
					   "column"),
				errhint("Call lead_scoring.fit_score with the row: the planner makes "
						"this call of it."));
	call->computed = !ls_match_are_columns(arguments);
}

/* bind_columns: find the model, and its columns among the arguments. */
static LsFitCall *
bind_columns(FunctionCallInfo fcinfo, text *name)
{
	LsFitCall *call = fcinfo->flinfo->fn_extra;
	uint64 generation;
	MemoryContext old;

	if (!is_about(call, name))
		call = new_call(fcinfo, name);
	generation = begin_binding(call, name);
	old = MemoryContextSwitchTo(call->context);
	describe_arguments(call, fcinfo);
	call->reader = ls_contact_column_reader(call->model, call->desc, call->model->fit);
	call->fit = ls_contact_map(call->reader, call->model->fit);
	MemoryContextSwitchTo(old);
	call->generation = generation;
	return call;
}

/* load_lookups: into the matcher; again, where something changed meanwhile. */
static LsFitCall *
load_lookups(FunctionCallInfo fcinfo, text *name, const NullableDatum *columns)
{
	LsFitCall *call = fcinfo->flinfo->fn_extra;
	const HeapTuple *rows = ls_contact_read_columns(call->reader, columns);

	while (rows == NULL)
	{
		CHECK_FOR_INTERRUPTS();
		call = bind_columns(fcinfo, name);
		rows = ls_contact_read_columns(call->reader, columns);
	}
	ls_match_load_rows(call->model->fit, call->fit, 2, rows + 1);
	return call;
}

/*
 * fit_score_columns(columns text[], model text, as_of timestamptz, VARIADIC "any")
 * -> float8: see ls_fit_support.c. NULL where model or as_of are.
 */
Datum
ls_sql_fit_score_columns(PG_FUNCTION_ARGS)
{
	NullableDatum *columns = &fcinfo->args[LS_FIT_LEADING];
	LsFitCall *call = fcinfo->flinfo->fn_extra;
	text *name;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	name = PG_GETARG_TEXT_PP(1);
	if (unlikely(!is_about(call, name) || !is_bound(call)))
		call = bind_columns(fcinfo, name);
	if (call->computed)
		ls_match_protect_values(call->desc, columns);
	if (call->reader->n > 1)
		call = load_lookups(fcinfo, name, columns);
	ls_match_load_values(call->model->fit, call->fit, columns);
	PG_RETURN_FLOAT8(score_row(call->model, PG_GETARG_TIMESTAMPTZ(2)));
}
