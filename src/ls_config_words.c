/*
 * ls_config_words.c: values that the tables' own constraints would refuse less kindly.
 */
#include "ls_config.h"

#include "ls_compat.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/*
 * ls_config_check_word: one of a list. Gives its place in it; -1 = null.
 *
 * Errors: 23514.
 */
int
ls_config_check_word(const LsConfigRow *row,
					 const char *column,
					 const char *const *words,
					 int nwords,
					 const char *hint)
{
	char *word = ls_config_text(row, column);

	for (int i = 0; word != NULL && i < nwords; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	if (word != NULL)
		ereport(ERROR,
				errcode(ERRCODE_CHECK_VIOLATION),
				errmsg("column \"%s\" cannot be \"%s\"", column, word),
				errhint("%s", hint));
	return -1;
}

/*
 * ls_config_check_not_empty: a text, or null.
 *
 * Errors: 23514.
 */
void
ls_config_check_not_empty(const LsConfigRow *row, const char *column)
{
	char *text = ls_config_text(row, column);

	if (text != NULL && text[0] == '\0')
		ereport(ERROR,
				errcode(ERRCODE_CHECK_VIOLATION),
				errmsg("column \"%s\" cannot be empty", column),
				errhint("Give a name, or leave it null where it may be."));
}

/*
 * ls_config_check_time: an interval that is not too short, or null.
 *
 * Errors: 23514.
 */
void
ls_config_check_time(const LsConfigRow *row, const char *column, bool may_be_zero)
{
	const Interval zero = {0};
	bool is_null;
	Datum value = ls_config_value(row, column, &is_null);
	int32 order;

	if (is_null)
		return;
	order = DatumGetInt32(
		DirectFunctionCall2(interval_cmp, value, IntervalPGetDatum(&zero)));
	if (order < 0 || (order == 0 && !may_be_zero))
		ereport(ERROR,
				errcode(ERRCODE_CHECK_VIOLATION),
				errmsg(may_be_zero ? "column \"%s\" cannot be negative"
								   : "column \"%s\" must be longer than nothing",
					   column),
				errhint("Give an interval such as '7 days'."));
}

/*
 * ls_config_check_limits: the lower one is not above the upper one; each may be null.
 *
 * Errors: 23514.
 */
void
ls_config_check_limits(const LsConfigRow *row, const char *lower, const char *upper)
{
	double least;
	double most;

	if (ls_config_double(row, lower, &least) && ls_config_double(row, upper, &most) &&
		least > most)
		ereport(ERROR,
				errcode(ERRCODE_CHECK_VIOLATION),
				errmsg("column \"%s\" cannot be above \"%s\"", lower, upper),
				errdetail("They are %g and %g.", least, most),
				errhint("Exchange them, or leave one null."));
}
