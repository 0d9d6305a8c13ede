/*
 * ls_explain_change.c: explain_change(model, contact_id, from, to): what made a total
 * what it is.
 *
 * Between the two moments lie two ledgers of what never was: of the later moment, had
 * nothing happened since the earlier one, and the same with what a reset made void. So
 * what time did, what a reset did and what events did add up.
 */
#include "ls_explain.h"

#include "ls_compat.h"

#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(ls_sql_explain_change);

/* LsStage: ledgers, from the earlier moment to the later one. */
typedef enum LsStage
{
	LS_BEFORE,
	LS_IDLE,  /* time has passed */
	LS_RESET, /* and a reset was made */
	LS_AFTER,
	LS_STAGES
} LsStage;

/* LsWaterfall: the result in the making. */
typedef struct LsWaterfall
{
	ReturnSetInfo *result;
	const LsModel *model;
	const LsLedger *ledgers[LS_STAGES];
	Numeric missing; /* of the difference, what no row has yet */
} LsWaterfall;

/* Columns of the result. */
enum
{
	C_REASON,
	C_DIMENSION,
	C_GROUP,
	C_RULE,
	C_BEFORE,
	C_AFTER,
	C_POINTS,
	N_COLUMNS
};

static void
put(LsWaterfall *waterfall,
	const char *reason,
	const LsItem *item,
	Numeric before,
	Numeric after)
{
	const char *texts[] = {reason, NULL, NULL, NULL};
	Datum values[N_COLUMNS] = {0};
	bool nulls[N_COLUMNS] = {false};
	Numeric points = ls_item_subtract(after, before);

	if (ls_item_is_zero(points))
		return;
	if (item != NULL)
	{
		texts[C_DIMENSION] = ls_item_dimension(item);
		texts[C_GROUP] = ls_item_group(waterfall->model, item);
		texts[C_RULE] = ls_item_name(waterfall->model, item);
	}
	for (int i = C_REASON; i <= C_RULE; i++)
	{
		nulls[i] = texts[i] == NULL;
		values[i] = nulls[i] ? (Datum) 0 : CStringGetTextDatum(texts[i]);
	}
	values[C_BEFORE] = NumericGetDatum(before);
	values[C_AFTER] = NumericGetDatum(after);
	values[C_POINTS] = NumericGetDatum(points);
	waterfall->missing = ls_item_subtract(waterfall->missing, points);
	tuplestore_putvalues(waterfall->result->setResult,
						 waterfall->result->setDesc,
						 values,
						 nulls);
}

static bool
is_same(const LsItem *a, const LsItem *b)
{
	return a->kind == b->kind && a->dimension == b->dimension && a->slot == b->slot &&
		   a->fit == b->fit && a->behaviour == b->behaviour && a->said == b->said;
}

static const LsItem *
find(const LsLedger *ledger, const LsItem *like)
{
	for (int i = 0; i < ledger->n; i++)
		if (is_same(&ledger->items[i], like))
			return &ledger->items[i];
	return NULL;
}

static Numeric
points_of(const LsWaterfall *waterfall, LsStage stage, const LsItem *like)
{
	const LsItem *item = find(waterfall->ledgers[stage], like);

	return ls_item_number(item == NULL ? 0 : item->points);
}

/* what_time_did: to the points of an engagement rule. */
static const char *
what_time_did(const LsBehaviour *rule)
{
	const LsEngagementRow *row = rule->row;

	if (row->kind == LS_KIND_INACTIVE)
		return "silence";
	if (row->half_life_us > 0 || row->linear_over_us > 0 || row->decay_every_us > 0)
		return "decayed";
	return row->after_us > 0 ? "came of age or expired" : "expired";
}

static void
put_behaviour(LsWaterfall *waterfall, const LsItem *item)
{
	Numeric points[LS_STAGES];

	for (LsStage stage = LS_BEFORE; stage < LS_STAGES; stage++)
		points[stage] = points_of(waterfall, stage, item);
	put(waterfall,
		what_time_did(item->behaviour),
		item,
		points[LS_BEFORE],
		points[LS_IDLE]);
	put(waterfall, "reset", item, points[LS_IDLE], points[LS_RESET]);
	put(waterfall, "new events", item, points[LS_RESET], points[LS_AFTER]);
}

static const char *
reason_of(const LsItem *item)
{
	switch (item->kind)
	{
		case LS_ITEM_RULE:
			return "time";
		case LS_ITEM_GROUP_LIMIT:
		case LS_ITEM_LIMIT:
			return "limits";
		case LS_ITEM_WEIGHT:
			return "weights";
		case LS_ITEM_ADJUSTMENT:
			break;
	}
	return "adjustments";
}

static void
put_item(LsWaterfall *waterfall, const LsItem *item)
{
	if (item->behaviour != NULL)
		put_behaviour(waterfall, item);
	else
		put(waterfall,
			reason_of(item),
			item,
			points_of(waterfall, LS_BEFORE, item),
			points_of(waterfall, LS_AFTER, item));
}

/* is_first: does no earlier ledger have the line? */
static bool
is_first(const LsWaterfall *waterfall, LsStage stage, const LsItem *item)
{
	for (LsStage earlier = LS_BEFORE; earlier < stage; earlier++)
		if (find(waterfall->ledgers[earlier], item) != NULL)
			return false;
	return true;
}

static void
put_all(LsWaterfall *waterfall)
{
	Numeric zero = ls_item_number(0);

	for (LsItemKind kind = LS_ITEM_RULE; kind <= LS_ITEM_ADJUSTMENT; kind++)
		for (LsStage stage = LS_BEFORE; stage < LS_STAGES; stage++)
			for (int i = 0; i < waterfall->ledgers[stage]->n; i++)
			{
				const LsItem *item = &waterfall->ledgers[stage]->items[i];

				if (item->kind == kind && is_first(waterfall, stage, item))
					put_item(waterfall, item);
			}
	put(waterfall, "rounding", NULL, zero, waterfall->missing);
}

/* put_scored: the contact was not scored at one of the moments, which is as 0. */
static void
put_scored(LsWaterfall *waterfall,
		   const LsAsked *asked,
		   TimestampTz from,
		   TimestampTz to)
{
	const char *before = ls_asked_outside(asked, from);
	const char *after = ls_asked_outside(asked, to);
	const LsState *state;
	double total;

	if (before != NULL && after != NULL)
		return;
	state =
		ls_asked_state(asked, before != NULL ? to : from, before != NULL ? to : from);
	total = ls_asked_ledger(asked, state, before != NULL ? to : from)->total;
	put(waterfall,
		before != NULL ? psprintf("scored now, before %s", before)
					   : psprintf("not scored any more, %s", after),
		NULL,
		ls_item_number(before != NULL ? 0 : total),
		ls_item_number(before != NULL ? total : 0));
}

/*
 * until_ever: a state that says what it does for ever, had nothing happened since.
 */
static const LsState *
until_ever(const LsState *state)
{
	LsState *copy;

	if (state == NULL)
		return NULL;
	copy = memcpy(palloc(VARSIZE(state)), state, VARSIZE(state));
	copy->until_us = PG_INT64_MAX;
	return copy;
}

static void
make_ledgers(LsWaterfall *waterfall,
			 const LsAsked *asked,
			 TimestampTz from,
			 TimestampTz to)
{
	const LsState *before = ls_asked_state(asked, from, from);
	const LsState *after = ls_asked_state(asked, to, to);

	waterfall->ledgers[LS_BEFORE] = ls_asked_ledger(asked, before, from);
	waterfall->ledgers[LS_IDLE] = ls_asked_ledger(asked, until_ever(before), to);
	waterfall->ledgers[LS_RESET] = waterfall->ledgers[LS_IDLE];
	if (ls_dossier_by_hand(asked->said, from).reset_at !=
		ls_dossier_by_hand(asked->said, to).reset_at)
		waterfall->ledgers[LS_RESET] =
			ls_asked_ledger(asked, until_ever(ls_asked_state(asked, from, to)), to);
	waterfall->ledgers[LS_AFTER] = ls_asked_ledger(asked, after, to);
	waterfall->missing =
		ls_item_subtract(ls_item_number(waterfall->ledgers[LS_AFTER]->total),
						 ls_item_number(waterfall->ledgers[LS_BEFORE]->total));
}

static void
check_order(TimestampTz from, TimestampTz to)
{
	ls_asked_check_moment(from);
	ls_asked_check_moment(to);
	if (from > to)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("the first moment is later than the second"),
				errhint("Give the earlier moment first."));
}

/*
 * explain_change(model text, contact_id bigint | uuid | text, from timestamptz, to
 * timestamptz) -> setof (reason, dimension, group_name, rule, before, after, points)
 */
Datum
ls_sql_explain_change(PG_FUNCTION_ARGS)
{
	LsWaterfall waterfall = {.result = (ReturnSetInfo *) fcinfo->resultinfo};
	TimestampTz from;
	TimestampTz to;
	LsAsked *asked;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < 4; i++)
		if (PG_ARGISNULL(i))
			return (Datum) 0;
	from = PG_GETARG_TIMESTAMPTZ(2);
	to = PG_GETARG_TIMESTAMPTZ(3);
	check_order(from, to);
	asked = ls_asked_open(fcinfo);
	waterfall.model = asked->model;
	waterfall.missing = ls_item_number(0);
	if (ls_asked_outside(asked, from) != NULL || ls_asked_outside(asked, to) != NULL)
		put_scored(&waterfall, asked, from, to);
	else
	{
		make_ledgers(&waterfall, asked, from, to);
		put_all(&waterfall);
	}
	return (Datum) 0;
}
