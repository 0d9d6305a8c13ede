/*
 * ls_row_call.c: functions of a row, a model and another name: the row is read by
 * a matcher that is compiled for the place in the query, and again when anything
 * that it follows from may have changed.
 */
#include "ls_row_call.h"

#include "ls_compat.h"
#include "ls_error.h"
#include "ls_fit.h"
#include "ls_guard.h"
#include "ls_relation.h"

#include "access/htup_details.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

static bool
same_text(const text *a, const text *b)
{
	return a != NULL && VARSIZE_ANY(a) == VARSIZE_ANY(b) &&
		   memcmp(a, b, VARSIZE_ANY(a)) == 0;
}

static text *
keep_text(const text *value)
{
	return memcpy(palloc(VARSIZE_ANY(value)), value, VARSIZE_ANY(value));
}

static LsRowCall *
new_call(FunctionCallInfo fcinfo)
{
	MemoryContext context = fcinfo->flinfo->fn_mcxt;
	LsRowCall *call = MemoryContextAllocZero(context, sizeof(LsRowCall));

	call->context =
		AllocSetContextCreate(context, "lead_scoring row", ALLOCSET_SMALL_SIZES);
	fcinfo->flinfo->fn_extra = call;
	return call;
}

static bool
is_bound(const LsRowCall *call,
		 HeapTupleHeader row,
		 const text *model,
		 const text *other)
{
	return call->generation == ls_model_generation && call->user == GetUserId() &&
		   call->type == HeapTupleHeaderGetTypeId(row) &&
		   call->typmod == HeapTupleHeaderGetTypMod(row) &&
		   same_text(call->model, model) && same_text(call->other, other);
}

static void
bind(LsRowCall *call,
	 HeapTupleHeader row,
	 text *model,
	 text *other,
	 LsRowCompile compile)
{
	uint64 generation = ls_model_generation;
	LsModelRow *model_row = ls_relation_readable_row(model);
	MemoryContext old;

	call->generation = 0;
	MemoryContextReset(call->context);
	call->gate = NULL;
	call->names = NIL;
	old = MemoryContextSwitchTo(call->context);
	call->model = keep_text(model);
	call->other = keep_text(other);
	compile(call, model_row);
	call->map = ls_fit_map(call->matcher, row);
	if (call->gate != NULL)
		call->gate_map = ls_fit_map(call->gate, row);
	MemoryContextSwitchTo(old);
	call->user = GetUserId();
	call->type = HeapTupleHeaderGetTypeId(row);
	call->typmod = HeapTupleHeaderGetTypMod(row);
	call->generation = generation;
}

/*
 * ls_row_call: of a function (row record, model text, other text): everything but
 * the row at hand, compiled.
 *
 * Errors: 42704, 42501, and what `compile` raises.
 */
LsRowCall *
ls_row_call(FunctionCallInfo fcinfo, LsRowCompile compile)
{
	LsRowCall *call = fcinfo->flinfo->fn_extra;
	HeapTupleHeader row = PG_GETARG_HEAPTUPLEHEADER(0);
	text *model = PG_GETARG_TEXT_PP(1);
	text *other = PG_GETARG_TEXT_PP(2);

	if (call == NULL)
		call = new_call(fcinfo);
	if (!is_bound(call, row, model, other))
		bind(call, row, model, other, compile);
	return call;
}

/*
 * ls_row_expression: a condition (BOOLOID) or another expression, read with its
 * place in errors.
 */
Node *
ls_row_expression(LsPlace place, const LsCondScope *scope, Oid type)
{
	LsCond *cond;

	ls_error_push_place(&place);
	cond = ls_cond_read(scope, place.text, type);
	ls_error_pop_place(&place);
	return cond->expr;
}

/*
 * ls_row_matcher: compiled as the owner of the contacts, in a context of its own
 * below the current one.
 */
LsMatcher *
ls_row_matcher(List *rules,
			   List *values,
			   const LsCondScope *scope,
			   const char *kind,
			   const char *model)
{
	MemoryContext own = AllocSetContextCreate(CurrentMemoryContext,
											  "lead_scoring matcher",
											  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(own);
	LsMatcher *matcher;
	LsGuard guard;

	ls_guard_enter_reading(&guard, scope->owner, LS_SAFE_PATH);
	matcher =
		ls_match_compile_values(rules, values, scope, LS_MATCH_LIST, 1, kind, model);
	ls_guard_leave(&guard);
	MemoryContextSwitchTo(old);
	return matcher;
}
