/*
 * ls_explain_contact.c: explain(model, contact_id, as_of): where the total of a contact
 * comes from.
 */
#include "ls_explain.h"

#include "ls_compat.h"

#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(ls_sql_explain);

/* Columns of the result. */
enum
{
	C_DIMENSION,
	C_GROUP,
	C_RULE,
	C_KIND,
	C_CONDITION,
	C_POINTS,
	C_LOST,
	C_OCCURRENCES,
	C_LAST_MATCH,
	C_NEXT_CHANGE,
	C_NOTE,
	N_COLUMNS
};

/* LsRow: a row of the result in the making. */
typedef struct LsExplainRow
{
	Datum values[N_COLUMNS];
	bool nulls[N_COLUMNS];
} LsExplainRow;

static void
set_text(LsExplainRow *row, int column, const char *text)
{
	row->nulls[column] = text == NULL;
	row->values[column] = text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

static void
set_moment(LsExplainRow *row, int column, int64 us)
{
	row->nulls[column] = !IS_VALID_TIMESTAMP(us);
	row->values[column] = TimestampTzGetDatum(us);
}

static void
set_number(LsExplainRow *row, int column, Numeric number)
{
	row->nulls[column] = false;
	row->values[column] = NumericGetDatum(number);
}

static LsExplainRow
new_row(void)
{
	LsExplainRow row;

	memset(row.values, 0, sizeof(row.values));
	memset(row.nulls, true, sizeof(row.nulls));
	return row;
}

static void
put(ReturnSetInfo *result, LsExplainRow *row)
{
	tuplestore_putvalues(result->setResult, result->setDesc, row->values, row->nulls);
}

static Numeric
put_item(ReturnSetInfo *result, const LsLedger *ledger, const LsItem *item)
{
	LsExplainRow row = new_row();
	Numeric points = ls_item_number(item->points);

	set_text(&row, C_DIMENSION, ls_item_dimension(item));
	set_text(&row, C_GROUP, ls_item_group(ledger->model, item));
	set_text(&row, C_RULE, ls_item_name(ledger->model, item));
	set_text(&row, C_KIND, ls_item_kind(item));
	set_text(&row, C_CONDITION, ls_item_condition(item));
	set_number(&row, C_POINTS, points);
	if (item->kind == LS_ITEM_RULE)
		set_number(&row, C_LOST, ls_item_number(item->lost));
	row.nulls[C_OCCURRENCES] = item->occurrences < 0;
	row.values[C_OCCURRENCES] = Int64GetDatum(item->occurrences);
	set_moment(&row, C_LAST_MATCH, item->last_us);
	set_moment(&row, C_NEXT_CHANGE, item->next_us);
	set_text(&row, C_NOTE, ls_item_note(item, ledger->as_of));
	put(result, &row);
	return points;
}

/* put_rounding: what the lines lack to the total. */
static void
put_rounding(ReturnSetInfo *result, Numeric missing)
{
	LsExplainRow row = new_row();

	if (ls_item_is_zero(missing))
		return;
	set_text(&row, C_RULE, "rounding");
	set_text(&row, C_KIND, "rounding");
	set_number(&row, C_POINTS, missing);
	put(result, &row);
}

/* put_outside: there is no total, and why. */
static void
put_outside(ReturnSetInfo *result, const char *why)
{
	LsExplainRow row = new_row();

	set_text(&row, C_RULE, "not scored");
	set_text(&row, C_NOTE, why);
	put(result, &row);
}

/* place: of a line among those of its dimension. */
static int
place(const LsItem *item)
{
	return item->kind == LS_ITEM_ADJUSTMENT ? -1 : (int) item->kind;
}

static const char *
rule_name(const LsItem *item)
{
	if (item->kind != LS_ITEM_RULE)
		return "";
	return item->fit != NULL ? item->fit->name : item->behaviour->row->name;
}

/* compare: by dimension; rules by what they give, then what is made of them. */
static int
compare(const void *a, const void *b)
{
	const LsItem *x = a;
	const LsItem *y = b;

	if (x->dimension != y->dimension)
		return (int) x->dimension - (int) y->dimension;
	if (place(x) != place(y))
		return place(x) - place(y);
	if (fabs(x->points) != fabs(y->points))
		return fabs(x->points) > fabs(y->points) ? -1 : 1;
	return strcmp(rule_name(x), rule_name(y));
}

static void
put_ledger(ReturnSetInfo *result, LsLedger *ledger)
{
	Numeric missing = ls_item_number(ledger->total);

	qsort(ledger->items, ledger->n, sizeof(LsItem), compare);
	for (int i = 0; i < ledger->n; i++)
		missing =
			ls_item_subtract(missing, put_item(result, ledger, &ledger->items[i]));
	put_rounding(result, missing);
}

/*
 * explain(model text, contact_id bigint | uuid | text, as_of timestamptz) -> setof
 * (dimension, group_name, rule, kind, condition, points, lost, occurrences, last_match,
 * next_change, note)
 */
Datum
ls_sql_explain(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	TimestampTz as_of;
	const char *outside;
	LsAsked *asked;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		return (Datum) 0;
	as_of = PG_GETARG_TIMESTAMPTZ(2);
	ls_asked_check_moment(as_of);
	asked = ls_asked_open(fcinfo);
	outside = ls_asked_outside(asked, as_of);
	if (outside != NULL)
		put_outside(result, outside);
	else
		put_ledger(result,
				   ls_asked_ledger(asked, ls_asked_state(asked, as_of, as_of), as_of));
	return (Datum) 0;
}
