/*
 * ls_apply_stored.c: what a row of <model>_score says.
 */
#include "ls_apply_row.h"

#include "ls_engagement.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/timestamp.h"

static Datum
get(const LsScoreRow *row, LsScoreColumn column, Datum if_null)
{
	return row->nulls[column] ? if_null : row->values[column];
}

static double
get_points(const LsScoreRow *row, LsScoreColumn column)
{
	return DatumGetFloat8(get(row, column, Float8GetDatum(NAN)));
}

static TimestampTz
get_moment(const LsScoreRow *row, LsScoreColumn column, TimestampTz if_null)
{
	return DatumGetTimestampTz(get(row, column, TimestampTzGetDatum(if_null)));
}

static const char *
get_text(const LsScoreRow *row, LsScoreColumn column)
{
	Datum value = get(row, column, (Datum) 0);

	return value == (Datum) 0 ? NULL : TextDatumGetCString(value);
}

/*
 * ls_rows_stored: what a row says; NULL where it only holds a lock, and is no score
 * yet.
 *
 * Memory: the current context; the state may be the row's own.
 */
LsStored *
ls_rows_stored(const LsScoreRow *row)
{
	LsStored *stored;
	Datum state = get(row, LS_SCORE_STATE, (Datum) 0);

	if (get_moment(row, LS_SCORE_SCORED_AT, DT_NOBEGIN) == DT_NOBEGIN)
		return NULL;
	stored = palloc(sizeof(LsStored));
	stored->fit = get_points(row, LS_SCORE_FIT);
	stored->engagement = get_points(row, LS_SCORE_ENGAGEMENT);
	stored->intent = get_points(row, LS_SCORE_INTENT);
	stored->total = get_points(row, LS_SCORE_TOTAL);
	stored->band = get_text(row, LS_SCORE_BAND);
	stored->grade = get_text(row, LS_SCORE_GRADE);
	stored->stage = get_text(row, LS_SCORE_STAGE);
	stored->stage_since = get_moment(row, LS_SCORE_STAGE_SINCE, DT_NOBEGIN);
	stored->by_hand = DatumGetBool(get(row, LS_SCORE_BY_HAND, BoolGetDatum(false)));
	stored->memory = get_text(row, LS_SCORE_MEMORY);
	stored->since = get_moment(row, LS_SCORE_SINCE, DT_NOBEGIN);
	stored->scored_at = get_moment(row, LS_SCORE_SCORED_AT, DT_NOBEGIN);
	stored->due_at = get_moment(row, LS_SCORE_DUE_AT, DT_NOEND);
	stored->last_activity = get_moment(row, LS_SCORE_LAST_ACTIVITY, DT_NOBEGIN);
	stored->state = state == (Datum) 0 ? NULL : ls_state_from_datum(state);
	stored->stamp = DatumGetInt64(get(row, LS_SCORE_STAMP, Int64GetDatum(0)));
	stored->has_problem = get(row, LS_SCORE_PROBLEM, (Datum) 0) != (Datum) 0;
	return stored;
}
