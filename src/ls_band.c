/*
 * ls_band.c: total_score, band, grade: sub-scores combined and labelled.
 */
#include "ls_band.h"

#include "ls_compat.h"
#include "ls_fit.h"
#include "ls_points.h"

#include "fmgr.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(ls_sql_total_score);
PG_FUNCTION_INFO_V1(ls_sql_band);
PG_FUNCTION_INFO_V1(ls_sql_grade);
PG_FUNCTION_INFO_V1(ls_sql_band_rank);
PG_FUNCTION_INFO_V1(ls_sql_model_stamp);
PG_FUNCTION_INFO_V1(ls_sql_life_stamp);

static double
round_points(double points, const LsModel *model)
{
	double rounded;

	if (!ls_points_round(points, &rounded))
		ereport(ERROR,
				errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				errmsg("score of model \"%s\" is out of range", model->row->name),
				errhint("Use smaller points and weights, or set limits."));
	return rounded;
}

/*
 * ls_band_adjusted_total: the weighted sum and what was added by hand, clamped and
 * rounded. NaN stands for a score that is not there.
 */
double
ls_band_adjusted_total(const LsModel *model,
					   double fit,
					   double engagement,
					   double intent,
					   double adjustment)
{
	const LsModelRow *row = model->row;
	double total = row->fit_weight * fit + row->engagement_weight * engagement +
				   row->intent_weight * intent + adjustment;

	return round_points(ls_points_clamp(total, row->total), model);
}

/*
 * ls_band_total: the same where nothing was added.
 */
double
ls_band_total(const LsModel *model, double fit, double engagement, double intent)
{
	return ls_band_adjusted_total(model, fit, engagement, intent, 0);
}

/*
 * ls_band_threshold: the highest threshold of `score` at or below `points`; NULL
 * where there is none.
 */
const LsThresholdRow *
ls_band_threshold(const LsModel *model, const char *score, double points)
{
	const LsThresholdRow *best = NULL;
	double rounded = round_points(points, model);
	ListCell *cell;

	foreach(cell, model->thresholds)
	{
		const LsThresholdRow *threshold = lfirst(cell);

		if (ls_band_is_of(threshold, score) && threshold->min_score <= rounded &&
			(best == NULL || threshold->min_score > best->min_score))
			best = threshold;
	}
	return best;
}

/*
 * ls_band_label: of the threshold; NULL where there is none.
 */
const char *
ls_band_label(const LsModel *model, const char *score, double points)
{
	const LsThresholdRow *threshold = ls_band_threshold(model, score, points);

	return threshold == NULL ? NULL : threshold->label;
}

/*
 * ls_band_grade: label of the fit, then of the engagement; NULL where one has none.
 */
char *
ls_band_grade(const LsModel *model, double fit, double engagement)
{
	const char *letter = ls_band_label(model, "fit", fit);
	const char *digit = ls_band_label(model, "engagement", engagement);

	Size length;
	char *grade;

	if (letter == NULL || digit == NULL)
		return NULL;
	/* For each contact of a rescore: to format it would take ten times as long. */
	length = strlen(letter);
	grade = palloc(length + strlen(digit) + 1);
	memcpy(grade, letter, length);
	strcpy(grade + length, digit);
	return grade;
}

/*
 * ls_band_rank: 1 for the highest band of the total, and so on down; one more
 * than there are bands where it is below all.
 */
int
ls_band_rank(const LsModel *model, double total)
{
	double rounded = round_points(total, model);
	int rank = 1;
	ListCell *cell;

	foreach(cell, model->thresholds)
	{
		const LsThresholdRow *threshold = lfirst(cell);

		if (ls_band_is_of(threshold, "total") && threshold->min_score > rounded)
			rank++;
	}
	return rank;
}

static LsModel *
model_arg(FunctionCallInfo fcinfo, int argno)
{
	return ls_fit_readable_model(PG_GETARG_TEXT_PP(argno));
}

/* total_score(fit, engagement, intent, model, adjustment) -> float8 */
Datum
ls_sql_total_score(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(ls_band_adjusted_total(model_arg(fcinfo, 3),
											PG_GETARG_FLOAT8(0),
											PG_GETARG_FLOAT8(1),
											PG_GETARG_FLOAT8(2),
											PG_GETARG_FLOAT8(4)));
}

/* band(total, model) -> text; NULL below all thresholds */
Datum
ls_sql_band(PG_FUNCTION_ARGS)
{
	const char *label =
		ls_band_label(model_arg(fcinfo, 1), "total", PG_GETARG_FLOAT8(0));

	if (label == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(label));
}

/* grade(fit, engagement, model) -> text, such as A1 */
Datum
ls_sql_grade(PG_FUNCTION_ARGS)
{
	char *grade =
		ls_band_grade(model_arg(fcinfo, 2), PG_GETARG_FLOAT8(0), PG_GETARG_FLOAT8(1));

	if (grade == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(grade));
}

/* band_rank(total, model) -> smallint */
Datum
ls_sql_band_rank(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT16(ls_band_rank(model_arg(fcinfo, 1), PG_GETARG_FLOAT8(0)));
}

/* model_stamp(model) -> bigint: changes whenever scores may */
Datum
ls_sql_model_stamp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(model_arg(fcinfo, 0)->stamp);
}

/* life_stamp(model) -> bigint: the same, and whenever the lifecycle may */
Datum
ls_sql_life_stamp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(model_arg(fcinfo, 0)->life_stamp);
}
