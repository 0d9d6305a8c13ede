/*
 * ls_explain_reasons.c: reasons(contact, model, as_of, state): the strongest rules that
 * count for a contact, in a line.
 */
#include "ls_ledger.h"

#include "ls_apply.h"
#include "ls_compat.h"
#include "ls_fit.h"
#include "ls_guc.h"
#include "ls_live.h"
#include "ls_points.h"

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ls_sql_reasons);

#define REASONS 3

/* LsReasonsCall: what one place in a query needs, kept from row to row. */
typedef struct LsReasonsCall
{
	uint64 generation; /* 0 = nothing of this is good */
	Oid user;
	LsModel *model;
	MemoryContext context;
	LsContactReader *reader;
	LsRowMap *rules;
	LsDossier *dossier;
	AttrNumber key; /* the contact's id in its row; 0 = it is not there */
	text *name;
} LsReasonsCall;

/* find_key: the contact's id in its row, if that has one of the right type. */
static AttrNumber
find_key(const LsModel *model, const LsDossier *dossier, TupleDesc desc)
{
	int attno = SPI_fnumber(desc, model->row->contact_id);
	Oid type;

	if (attno <= 0)
		return 0;
	type = getBaseType(TupleDescAttr(desc, attno - 1)->atttypid);
	return type == dossier->key_type ||
				   (type == VARCHAROID && dossier->key_type == TEXTOID)
			   ? attno
			   : 0;
}

static void
bind_call(LsReasonsCall *call, HeapTupleHeader contact, text *name)
{
	/* Taken first: what changes from here on is seen with the next row. */
	uint64 generation = ls_model_generation;
	MemoryContext old;
	const LsExplainer *explainer;

	call->generation = 0;
	MemoryContextReset(call->context);
	call->model = ls_fit_readable_model(name);
	call->user = GetUserId();
	explainer = ls_model_explainer(call->model);
	old = MemoryContextSwitchTo(call->context);
	call->reader = ls_contact_reader(call->model, contact, explainer->matcher, NULL);
	call->rules = ls_contact_map(call->reader, explainer->matcher);
	call->dossier = ls_dossier_open(call->model);
	call->key = find_key(call->model, call->dossier, call->reader->descs[0]);
	call->name = (text *) DatumGetTextPCopy(PointerGetDatum(name));
	MemoryContextSwitchTo(old);
	call->generation = generation;
}

static bool
is_about(const LsReasonsCall *call, HeapTupleHeader contact, text *name)
{
	return call->generation != 0 && call->generation == ls_model_generation &&
		   call->user == GetUserId() && ls_contact_takes(call->reader, contact) &&
		   VARSIZE_ANY_EXHDR(name) == VARSIZE_ANY_EXHDR(call->name) &&
		   memcmp(VARDATA_ANY(name),
				  VARDATA_ANY(call->name),
				  VARSIZE_ANY_EXHDR(name)) == 0;
}

static LsReasonsCall *
get_call(FunctionCallInfo fcinfo, HeapTupleHeader contact, text *name)
{
	MemoryContext context = fcinfo->flinfo->fn_mcxt;
	LsReasonsCall *call = fcinfo->flinfo->fn_extra;

	if (call == NULL)
	{
		call = MemoryContextAllocZero(context, sizeof(LsReasonsCall));
		call->context = AllocSetContextCreate(context,
											  "lead_scoring reasons",
											  ALLOCSET_SMALL_SIZES);
		fcinfo->flinfo->fn_extra = call;
	}
	if (!is_about(call, contact, name))
		bind_call(call, contact, name);
	return call;
}

/* read_events: of a contact whose key is in its row; else those of fit must do. */
static const LsState *
read_events(LsReasonsCall *call, HeapTuple contact, TimestampTz as_of)
{
	bool is_null = true;
	Datum key = 0;
	LsByHand by_hand;

	if (call->key != 0)
		key = heap_getattr(contact, call->key, call->reader->descs[0], &is_null);
	if (is_null)
		return NULL;
	ls_dossier_next(call->dossier);
	by_hand = ls_dossier_by_hand(ls_dossier_said(call->dossier, key), as_of);
	return ls_dossier_state(call->dossier, key, as_of, by_hand.reset_at);
}

/* get_state: the one that was given, where it can be read as of the moment. */
static const LsState *
get_state(FunctionCallInfo fcinfo,
		  LsReasonsCall *call,
		  HeapTuple contact,
		  TimestampTz as_of)
{
	const LsState *state;

	if (!ls_model_has_behaviour(call->model))
		return NULL;
	if (PG_NARGS() > 3 && !PG_ARGISNULL(3))
	{
		state = PG_GETARG_ENGAGEMENT(3);
		if (ls_live_can_read(call->model, state, as_of))
			return state;
	}
	return read_events(call, contact, as_of);
}

static LsLedger *
make_ledger(FunctionCallInfo fcinfo,
			LsReasonsCall *call,
			const HeapTuple *rows,
			TimestampTz as_of)
{
	LsMatcher *matcher = ls_model_explainer(call->model)->matcher;
	const LsState *state = get_state(fcinfo, call, rows[0], as_of);
	const int *numbers;
	int n;

	ls_match_load_rows(matcher, call->rules, 1, rows);
	n = ls_match_list(matcher, as_of, &numbers);
	return ls_ledger_make(call->model,
						  numbers,
						  n,
						  0,
						  state,
						  NIL,
						  as_of,
						  ls_apply_since(call->model, call->reader->descs[0], rows[0]));
}

/* strength: what the rule gives to the total, but for limits. */
static double
strength(const LsLedger *ledger, const LsItem *item)
{
	return item->kind == LS_ITEM_RULE
			   ? fabs(item->points * ls_ledger_weight(ledger->model, item->dimension))
			   : 0;
}

/* strongest: of those that are left; NULL where none gives anything. */
static LsItem *
strongest(const LsLedger *ledger)
{
	LsItem *best = NULL;
	double most = 0;

	for (int i = 0; i < ledger->n; i++)
		if (strength(ledger, &ledger->items[i]) > most)
		{
			best = &ledger->items[i];
			most = strength(ledger, best);
		}
	return best;
}

/* count_of: how many times it counts, where that says something. */
static int64
count_of(const LsItem *item)
{
	LsRuleKind kind;

	if (item->behaviour == NULL)
		return 1;
	kind = item->behaviour->row->kind;
	return kind == LS_KIND_SEQUENCE || kind == LS_KIND_STREAK ? 1 : item->occurrences;
}

static void
append_reason(StringInfo line, const LsItem *item)
{
	char number[DOUBLE_SHORTEST_DECIMAL_LEN];
	double points = rint(item->points * 100) / 100;

	if (points == 0 || !isfinite(points))
		points = item->points;
	double_to_shortest_decimal_buf(points, number);
	appendStringInfo(line,
					 "%s%s",
					 line->len > 0 ? ", " : "",
					 item->fit != NULL ? item->fit->name : item->behaviour->row->name);
	if (count_of(item) > 1)
		appendStringInfo(line, " x" INT64_FORMAT, count_of(item));
	appendStringInfo(line, " %s%s", item->points > 0 ? "+" : "", number);
}

/*
 * reasons(contact record, model text [, as_of timestamptz [, state engagement]]) ->
 * text: the strongest rules that count, such as "Pricing page x2 +40, Boss +15". A
 * state that cannot be read as of the moment is made of the contact's events.
 */
Datum
ls_sql_reasons(PG_FUNCTION_ARGS)
{
	HeapTupleHeader contact;
	TimestampTz as_of;
	LsReasonsCall *call;
	const HeapTuple *rows;
	LsLedger *ledger;
	StringInfoData line;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || (PG_NARGS() > 2 && PG_ARGISNULL(2)))
		PG_RETURN_NULL();
	contact = PG_GETARG_HEAPTUPLEHEADER(0);
	as_of = PG_NARGS() > 2 ? PG_GETARG_TIMESTAMPTZ(2) : ls_guc_as_of();
	do
	{
		CHECK_FOR_INTERRUPTS();
		call = get_call(fcinfo, contact, PG_GETARG_TEXT_PP(1));
		rows = ls_contact_read(call->reader, contact);
	} while (rows == NULL);
	ledger = make_ledger(fcinfo, call, rows, as_of);
	initStringInfo(&line);
	for (int n = 0; n < REASONS; n++)
	{
		LsItem *best = strongest(ledger);

		if (best == NULL)
			break;
		append_reason(&line, best);
		best->points = 0;
	}
	PG_RETURN_TEXT_P(cstring_to_text(line.data));
}
