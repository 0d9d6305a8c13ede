/*
 * ls_explain_item.c: lines of a ledger in words, and their points as numbers that
 * add up exactly.
 */
#include "ls_explain.h"

#include "ls_compat.h"
#include "ls_points.h"

#include "common/shortest_dec.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

/*
 * ls_item_number: points, to 6 decimals as scores are.
 */
Numeric
ls_item_number(double points)
{
	char digits[DOUBLE_SHORTEST_DECIMAL_LEN];
	double rounded;

	if (!ls_points_round(points, &rounded))
		rounded = points;
	double_to_shortest_decimal_buf(rounded, digits);
	return DatumGetNumeric(DirectFunctionCall3(numeric_in,
											   CStringGetDatum(digits),
											   ObjectIdGetDatum(InvalidOid),
											   Int32GetDatum(-1)));
}

Numeric
ls_item_subtract(Numeric a, Numeric b)
{
	Datum rest =
		DirectFunctionCall2(numeric_sub, NumericGetDatum(a), NumericGetDatum(b));

	return DatumGetNumeric(DirectFunctionCall1(numeric_trim_scale, rest));
}

bool
ls_item_is_zero(Numeric number)
{
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp,
											 NumericGetDatum(number),
											 NumericGetDatum(ls_item_number(0)))) == 0;
}

static const char *
dimension_name(LsDimension dimension)
{
	static const char *const names[] = {"fit", "engagement", "intent", NULL};

	return names[dimension];
}

/* ls_item_dimension: NULL where it is about the total. */
const char *
ls_item_dimension(const LsItem *item)
{
	return item->said != NULL ? item->said->dimension : dimension_name(item->dimension);
}

/* ls_item_group: NULL where there is none. */
const char *
ls_item_group(const LsModel *model, const LsItem *item)
{
	if (item->slot == 0)
		return NULL;
	return ((const LsGroupRow *) list_nth(model->groups, item->slot - 1))->name;
}

/* name_said: of an adjustment. */
static char *
name_said(const LsSaid *said)
{
	const char *kind = said->kind == LS_SAID_RESET	   ? "reset"
					   : said->kind == LS_SAID_EXCLUDE ? "exclusion"
													   : "adjustment";

	return said->reason == NULL ? pstrdup(kind)
								: psprintf("%s: %s", kind, said->reason);
}

/*
 * ls_item_name: of the rule, or what the line is.
 */
char *
ls_item_name(const LsModel *model, const LsItem *item)
{
	char digits[DOUBLE_SHORTEST_DECIMAL_LEN];

	switch (item->kind)
	{
		case LS_ITEM_RULE:
			return item->fit != NULL ? item->fit->name : item->behaviour->row->name;
		case LS_ITEM_GROUP_LIMIT:
			return psprintf("limit of group %s", ls_item_group(model, item));
		case LS_ITEM_LIMIT:
			return psprintf("limit of %s",
							item->dimension == LS_TOTAL
								? "the total"
								: dimension_name(item->dimension));
		case LS_ITEM_WEIGHT:
			double_to_shortest_decimal_buf(ls_ledger_weight(model, item->dimension),
										   digits);
			return psprintf("weight %s", digits);
		case LS_ITEM_ADJUSTMENT:
			return name_said(item->said);
	}
	return NULL;
}

/*
 * ls_item_kind: of the rule, or of the line.
 */
const char *
ls_item_kind(const LsItem *item)
{
	static const char *const kinds[] = {"each",
										"count",
										"inactive",
										"sequence",
										"streak"};

	switch (item->kind)
	{
		case LS_ITEM_RULE:
			return item->fit != NULL ? "fit" : kinds[item->behaviour->row->kind];
		case LS_ITEM_GROUP_LIMIT:
		case LS_ITEM_LIMIT:
			return "limit";
		case LS_ITEM_WEIGHT:
			return "weight";
		case LS_ITEM_ADJUSTMENT:
			break;
	}
	return "adjustment";
}

static char *
steps_condition(const LsEngagementRow *row)
{
	const char *between = row->step_order == LS_ORDER_ANY ? ") and (" : ") then (";
	StringInfoData text;
	ListCell *cell;

	initStringInfo(&text);
	appendStringInfoChar(&text, '(');
	foreach(cell, row->steps)
		appendStringInfo(&text,
						 "%s%s",
						 foreach_current_index(cell) == 0 ? "" : between,
						 (const char *) lfirst(cell));
	appendStringInfoChar(&text, ')');
	return text.data;
}

/*
 * ls_item_condition: of a rule, to be read; NULL where there is none.
 */
char *
ls_item_condition(const LsItem *item)
{
	const LsEngagementRow *row;

	if (item->kind != LS_ITEM_RULE)
		return NULL;
	if (item->fit != NULL)
		return item->fit->condition;
	row = item->behaviour->row;
	if (row->kind == LS_KIND_SEQUENCE)
		return steps_condition(row);
	if (row->kind == LS_KIND_STREAK)
		return psprintf("(%s) hit by (%s)", row->condition, row->hit);
	return row->condition;
}

static char *
note_of_lack(const LsItem *item)
{
	const LsLack *lack = &item->lack;

	switch (lack->what)
	{
		case LS_MISSING_MATCHES:
			return psprintf("%d of %d", lack->has, lack->wants);
		case LS_MISSING_TOO_MANY:
			return psprintf("%d, at most %d", lack->has, lack->wants);
		case LS_MISSING_STEPS:
			return psprintf("%d of %d steps", lack->has, lack->wants);
		case LS_MISSING_AGE:
			return pstrdup("too recent");
		case LS_MISSING_EXPIRED:
			return pstrdup("expired");
		case LS_MISSING_SILENCE:
			return pstrdup("not silent for long enough");
		case LS_MISSING_NOTHING:
		case LS_MISSING_ALL:
			break;
	}
	return NULL;
}

static char *
note_of_rule(const LsItem *item)
{
	if (item->behaviour == NULL)
		return NULL;
	if (item->lacks_required)
		return psprintf("requires %s", item->behaviour->row->requires);
	if (item->lack.what == LS_MISSING_NOTHING &&
		(item->behaviour->row->half_life_us > 0 ||
		 item->behaviour->row->linear_over_us > 0))
		return pstrdup("fades");
	return note_of_lack(item);
}

/*
 * ls_item_note: why it does not count, or not in full; NULL where nothing is to be
 * said.
 */
char *
ls_item_note(const LsItem *item, TimestampTz as_of)
{
	if (item->kind == LS_ITEM_RULE)
		return note_of_rule(item);
	if (item->kind != LS_ITEM_ADJUSTMENT)
		return NULL;
	if (!ls_dossier_counts(item->said, as_of))
		return pstrdup("not yet");
	if (item->said->kind == LS_SAID_RESET)
		return psprintf("events before %s do not count",
						timestamptz_to_str(item->said->from));
	return NULL;
}
