/*
 * ls_what_next.c: what_next(model, contact_id, as_of): which single matches would bring
 * a contact into a higher band, and until when it stays in its own if nothing happens.
 */
#include "ls_what_if.h"

#include "ls_band.h"
#include "ls_compat.h"

#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(ls_sql_what_next);

/* Columns of the result. */
enum
{
	C_WHAT,
	C_RULE,
	C_DIMENSION,
	C_CONDITION,
	C_ADDS,
	C_TOTAL,
	C_BAND,
	C_AT,
	N_COLUMNS
};

static void
set_text(Datum *values, bool *nulls, int column, const char *text)
{
	nulls[column] = text == NULL;
	values[column] = text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

/* set_total: NULL where there is none. */
static void
set_total(const LsWhatIf *what_if, Datum *values, bool *nulls, const double *total)
{
	nulls[C_ADDS] = nulls[C_TOTAL] = nulls[C_BAND] = true;
	if (total == NULL)
		return;
	nulls[C_ADDS] = nulls[C_TOTAL] = false;
	values[C_ADDS] = NumericGetDatum(
		ls_item_subtract(ls_item_number(*total), ls_item_number(what_if->total)));
	values[C_TOTAL] = Float8GetDatum(*total);
	set_text(values,
			 nulls,
			 C_BAND,
			 ls_band_label(what_if->asked->model, "total", *total));
}

static void
put(ReturnSetInfo *result, const LsWhatIf *what_if, const LsImagined *imagined)
{
	Datum values[N_COLUMNS] = {0};
	bool nulls[N_COLUMNS] = {false};

	set_text(values, nulls, C_WHAT, "match");
	set_text(values, nulls, C_RULE, imagined->rule->row->name);
	set_text(values,
			 nulls,
			 C_DIMENSION,
			 imagined->rule->row->is_intent ? "intent" : "engagement");
	set_text(values, nulls, C_CONDITION, imagined->condition);
	set_total(what_if, values, nulls, &imagined->total);
	nulls[C_AT] = true;
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* put_idle: when the contact leaves its band, and for which. */
static void
put_idle(ReturnSetInfo *result, const LsWhatIf *what_if)
{
	const LsAsked *asked = what_if->asked;
	TimestampTz at = ls_what_if_leaves_band(what_if);
	Datum values[N_COLUMNS] = {0};
	bool nulls[N_COLUMNS] = {false, true, true, true};
	double total;

	set_text(values, nulls, C_WHAT, "nothing");
	nulls[C_AT] = at == DT_NOEND;
	values[C_AT] = TimestampTzGetDatum(at);
	if (at == DT_NOEND || ls_asked_outside(asked, at) != NULL)
		set_total(what_if, values, nulls, NULL);
	else
	{
		total = ls_what_if_total(what_if, what_if->state, at, ls_asked_fit(asked, at));
		set_total(what_if, values, nulls, &total);
	}
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* compare: the nearest first. */
static int
compare(const void *a, const void *b)
{
	const LsImagined *x = a;
	const LsImagined *y = b;

	if (x->total != y->total)
		return x->total < y->total ? -1 : 1;
	return strcmp(x->rule->row->name, y->rule->row->name);
}

static void
put_matches(ReturnSetInfo *result, const LsWhatIf *what_if)
{
	LsModel *model = what_if->asked->model;
	LsEngagement *engagement = ls_engagement_get(model);
	LsImagined *found = palloc(sizeof(LsImagined) * (engagement->nrules + 1));
	int n = 0;

	for (int i = 0; what_if->state != NULL && i < engagement->nrules; i++)
		if (ls_what_if_best(what_if, &engagement->rules[i], &found[n]) &&
			ls_band_rank(model, found[n].total) < what_if->rank)
			n++;
	qsort(found, n, sizeof(LsImagined), compare);
	for (int i = 0; i < n; i++)
		put(result, what_if, &found[i]);
}

/*
 * what_next(model text, contact_id bigint | uuid | text, as_of timestamptz) -> setof
 * (what, rule, dimension, condition, adds, total, band, at)
 */
Datum
ls_sql_what_next(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	TimestampTz as_of;
	LsAsked *asked;
	LsWhatIf *what_if;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		return (Datum) 0;
	as_of = PG_GETARG_TIMESTAMPTZ(2);
	ls_asked_check_moment(as_of);
	asked = ls_asked_open(fcinfo);
	if (ls_asked_outside(asked, as_of) != NULL)
		return (Datum) 0;
	what_if = ls_what_if_open(asked, as_of);
	put_matches(result, what_if);
	put_idle(result, what_if);
	return (Datum) 0;
}
