/*
 * ls_config_timing.c: which columns an engagement rule may have, by its kind,
 * and what may be in them. Everything here is about the row alone.
 */
#include "ls_config.h"

#include "ls_compat.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define EACH (1 << LS_KIND_EACH)
#define COUNT (1 << LS_KIND_COUNT)
#define INACTIVE (1 << LS_KIND_INACTIVE)
#define SEQUENCE (1 << LS_KIND_SEQUENCE)
#define STREAK (1 << LS_KIND_STREAK)

/* 1,000 years of 12 months of 30 days. */
#define MAX_INTERVAL_US (INT64CONST(360000) * USECS_PER_DAY)

/* In the order of LsRuleKind. */
static const char *const kinds[] = {"each", "count", "inactive", "sequence", "streak"};

/* LsTimingColumn: the kinds that may have a column, and those that must. */
typedef struct LsTimingColumn
{
	const char *name;
	int allowed;
	int required;
	const char *hint; /* what to give where it is required */
} LsTimingColumn;

static const LsTimingColumn timing_columns[] = {
	{"condition",
	 EACH | COUNT | INACTIVE | STREAK,
	 STREAK,
	 "Give the condition of an occasion, such as \"type = 'newsletter_sent'\"."},
	{"within",
	 EACH | COUNT | INACTIVE | SEQUENCE | STREAK,
	 INACTIVE,
	 "Give the length of the silence, such as 60 days."},
	{"max_count", EACH | INACTIVE, 0, NULL},
	{"at_least",
	 COUNT | STREAK,
	 STREAK,
	 "Give the number of occasions in a row that must be hit."},
	{"at_most", COUNT, 0, NULL},
	{"distinct_by",
	 EACH | COUNT | STREAK,
	 STREAK,
	 "Give what a hit and its occasion have in common, such as the id of the mail."},
	{"value", EACH, 0, NULL},
	{"unless", EACH | COUNT | SEQUENCE | STREAK, 0, NULL},
	{"after", EACH | COUNT, 0, NULL},
	{"repeat_every", INACTIVE, 0, NULL},
	{"if_never", INACTIVE, 0, NULL},
	{"steps", SEQUENCE, SEQUENCE, "Give 2 to 16 conditions."},
	{"step_order", SEQUENCE, 0, NULL},
	{"hit",
	 STREAK,
	 STREAK,
	 "Give the condition of a hit, such as \"type = 'newsletter_opened'\"."},
	{"grace", STREAK, 0, NULL},
	{"half_life", EACH, 0, NULL},
	{"linear_over", EACH, 0, NULL},
	{"decay_percent", EACH, 0, NULL},
	{"decay_every", EACH, 0, NULL},
	{"expires_after", EACH | SEQUENCE, 0, NULL},
};

static bool
is_given(const LsConfigRow *row, const char *column)
{
	bool is_null;

	(void) ls_config_value(row, column, &is_null);
	return !is_null;
}

static LsRuleKind
check_words(const LsConfigRow *row)
{
	static const char *const dimensions[] = {"engagement", "intent"};
	static const char *const orders[] = {"in_order", "any", "consecutive"};
	static const char *const nevers[] = {"created", "skip"};

	(void) ls_config_required(row, "kind");
	(void) ls_config_required(row, "dimension");
	(void) ls_config_check_word(row,
								"dimension",
								dimensions,
								lengthof(dimensions),
								"Write engagement or intent.");
	(void) ls_config_check_word(row,
								"step_order",
								orders,
								lengthof(orders),
								"Write in_order, any or consecutive.");
	(void) ls_config_check_word(row,
								"if_never",
								nevers,
								lengthof(nevers),
								"Write created or skip.");
	return (LsRuleKind)
		ls_config_check_word(row,
							 "kind",
							 kinds,
							 lengthof(kinds),
							 "Write each, count, inactive, sequence or streak.");
}

/* name_kinds: those of a mask, separated by commas. */
static char *
name_kinds(int mask)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < lengthof(kinds); i++)
		if (mask & (1 << i))
			appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "", kinds[i]);
	return names.data;
}

static void
check_columns(const LsConfigRow *row, LsRuleKind kind)
{
	for (int i = 0; i < lengthof(timing_columns); i++)
	{
		const LsTimingColumn *column = &timing_columns[i];
		bool given = is_given(row, column->name);

		if (given && !(column->allowed & (1 << kind)))
			ereport(ERROR,
					errcode(ERRCODE_CHECK_VIOLATION),
					errmsg("column \"%s\" is not for rules of kind %s",
						   column->name,
						   kinds[kind]),
					errdetail("Only these kinds have it: %s.",
							  name_kinds(column->allowed)),
					errhint("Leave it null, or choose another kind."));
		if (!given && (column->required & (1 << kind)))
			ereport(ERROR,
					errcode(ERRCODE_NOT_NULL_VIOLATION),
					errmsg("a rule of kind %s needs column \"%s\"",
						   kinds[kind],
						   column->name),
					errhint("%s", column->hint));
	}
}

/* interval_of: in microseconds, of a column that is given. */
static int64
interval_of(const LsConfigRow *row, const char *column)
{
	bool is_null;
	Datum value = ls_config_value(row, column, &is_null);

	return ls_catalog_interval_us(DatumGetIntervalP(value));
}

static void
check_intervals(const LsConfigRow *row)
{
	static const char *const columns[] = {"within",
										  "after",
										  "repeat_every",
										  "grace",
										  "half_life",
										  "linear_over",
										  "decay_every",
										  "expires_after"};

	for (int i = 0; i < lengthof(columns); i++)
	{
		bool is_null;
		Datum value = ls_config_value(row, columns[i], &is_null);
		int64 us = is_null ? 1 : ls_catalog_interval_us(DatumGetIntervalP(value));

		if (us <= 0 || us > MAX_INTERVAL_US)
			ereport(ERROR,
					errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
					errmsg("column \"%s\" must be over 0 and at most 1000 years",
						   columns[i]),
					errdetail("It is %s.",
							  DatumGetCString(DirectFunctionCall1(interval_out, value))),
					errhint("Give a time such as 14 days; a month counts as 30 days."));
	}
}

static void
check_numbers(const LsConfigRow *row)
{
	static const struct
	{
		const char *column;
		int min;
		int max;
	} numbers[] = {{"max_count", 1, 1000}, {"at_least", 1, 1000}, {"at_most", 0, 999}};

	for (int i = 0; i < lengthof(numbers); i++)
	{
		bool is_null;
		int32 value = DatumGetInt32(ls_config_value(row, numbers[i].column, &is_null));

		if (!is_null && (value < numbers[i].min || value > numbers[i].max))
			ereport(ERROR,
					errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					errmsg("column \"%s\" must be from %d to %d",
						   numbers[i].column,
						   numbers[i].min,
						   numbers[i].max),
					errdetail("It is %d.", value),
					errhint("The moments that it counts are kept for each contact."));
	}
}

/* check_bounds: of a count, and of the time in which events count. */
static void
check_bounds(const LsConfigRow *row, LsRuleKind kind)
{
	bool any_number;
	bool no_limit;
	bool always;
	bool forever;
	int32 at_least = DatumGetInt32(ls_config_value(row, "at_least", &any_number));
	int32 at_most = DatumGetInt32(ls_config_value(row, "at_most", &no_limit));
	Datum from = ls_config_value(row, "counts_from", &always);
	Datum until = ls_config_value(row, "counts_until", &forever);

	if (kind == LS_KIND_COUNT && any_number && no_limit)
		ereport(ERROR,
				errcode(ERRCODE_NOT_NULL_VIOLATION),
				errmsg("a rule of kind count needs \"at_least\" or \"at_most\""),
				errhint("Say how many matches there must be, or may be."));
	if (!any_number && !no_limit && at_least > at_most)
		ereport(ERROR,
				errcode(ERRCODE_CHECK_VIOLATION),
				errmsg("\"at_least\" is greater than \"at_most\""),
				errdetail("No number of matches is at least %d and at most %d.",
						  at_least,
						  at_most),
				errhint("Exchange them, or leave one null."));
	if ((always ? DT_NOBEGIN : DatumGetTimestampTz(from)) >=
		(forever ? DT_NOEND : DatumGetTimestampTz(until)))
		ereport(ERROR,
				errcode(ERRCODE_CHECK_VIOLATION),
				errmsg("\"counts_from\" is not before \"counts_until\""),
				errdetail("No event would ever count."),
				errhint("Exchange them, or leave one null."));
}

/* check_decay: one at most, and all of it. */
static void
check_decay(const LsConfigRow *row, LsRuleKind kind)
{
	static const char *const decays[] = {"half_life",
										 "linear_over",
										 "decay_percent",
										 "expires_after"};
	const char *found = NULL;
	double percent;

	if (is_given(row, "decay_percent") != is_given(row, "decay_every"))
		ereport(ERROR,
				errcode(ERRCODE_CHECK_VIOLATION),
				errmsg("\"decay_percent\" and \"decay_every\" need each other"),
				errhint("Give both, such as 25 percent every 30 days, or neither."));
	if (ls_config_double(row, "decay_percent", &percent) &&
		!(percent > 0 && percent <= 100))
		ereport(ERROR,
				errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				errmsg("column \"decay_percent\" must be over 0 and at most 100"),
				errdetail("It is %g.", percent),
				errhint("Give how many percent of the points go each time, such as 25."));
	for (int i = 0; kind == LS_KIND_EACH && i < lengthof(decays); i++)
	{
		if (!is_given(row, decays[i]))
			continue;
		if (found != NULL)
			ereport(ERROR,
					errcode(ERRCODE_CHECK_VIOLATION),
					errmsg("a rule decays in one way, not by \"%s\" and \"%s\"",
						   found,
						   decays[i]),
					errhint("Leave all but one of half_life, linear_over, decay_percent and "
							"expires_after null; \"within\" may always be added."));
		found = decays[i];
	}
}

/* check_max_count: what max_count needs, and what needs it. */
static void
check_max_count(const LsConfigRow *row, LsRuleKind kind)
{
	static const char *const bounded[] = {"within",
										  "after",
										  "unless",
										  "distinct_by",
										  "linear_over",
										  "decay_percent",
										  "expires_after"};

	if (is_given(row, "max_count"))
	{
		if (kind == LS_KIND_INACTIVE && !is_given(row, "repeat_every"))
			ereport(ERROR,
					errcode(ERRCODE_CHECK_VIOLATION),
					errmsg("\"max_count\" of a rule of kind inactive needs "
						   "\"repeat_every\""),
					errhint("Without repeat_every the points come once: leave max_count "
							"null."));
		return;
	}
	for (int i = 0; kind == LS_KIND_EACH && i < lengthof(bounded); i++)
		if (is_given(row, bounded[i]))
			ereport(ERROR,
					errcode(ERRCODE_NOT_NULL_VIOLATION),
					errmsg("a rule of kind each with \"%s\" needs \"max_count\"",
						   bounded[i]),
					errdetail("Without it every match would have to be kept for ever."),
					errhint("Give the number of matches that count at most, 1 to 1000."));
}

/* check_after: a match that counts from a time on must not have gone by then. */
static void
check_after(const LsConfigRow *row)
{
	static const char *const ends[] = {"within", "linear_over", "expires_after"};

	for (int i = 0; is_given(row, "after") && i < lengthof(ends); i++)
		if (is_given(row, ends[i]) &&
			interval_of(row, "after") >= interval_of(row, ends[i]))
			ereport(ERROR,
					errcode(ERRCODE_CHECK_VIOLATION),
					errmsg("column \"after\" must be shorter than \"%s\"", ends[i]),
					errdetail("No match would ever count."),
					errhint("A match counts from \"after\" on, and until \"%s\" is over.", ends[i]));
}

/* check_steps: their number; what is in them is read with the conditions. */
static void
check_steps(const LsConfigRow *row)
{
	bool is_null;
	Datum value = ls_config_value(row, "steps", &is_null);
	ArrayType *steps = is_null ? NULL : DatumGetArrayTypeP(value);
	int n = steps == NULL ? 2 : ArrayGetNItems(ARR_NDIM(steps), ARR_DIMS(steps));

	if (n < 2 || n > 16 || (steps != NULL && ARR_NDIM(steps) != 1))
		ereport(ERROR,
				errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				errmsg("column \"steps\" must be a list of 2 to 16 conditions"),
				errdetail("It has %d.", n),
				errhint("For a single condition use kind count with at_least = 1."));
	if (steps != NULL && array_contains_nulls(steps))
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("column \"steps\" has a null in it"),
				errhint("Give a condition for each step."));
}

/* check_required: a rule cannot wait for itself. */
static void
check_required(const LsConfigRow *row)
{
	char *name = ls_config_required(row, "name");
	char *required = ls_config_text(row, "requires");

	if (required != NULL && strcmp(required, name) == 0)
		ereport(ERROR,
				errcode(ERRCODE_CHECK_VIOLATION),
				errmsg("column \"requires\" names the rule itself"),
				errhint("Name another engagement rule of the model."));
}

/*
 * ls_config_check_timing: the columns of an engagement rule, as far as nothing
 * else must be looked at. Gives its kind.
 */
LsRuleKind
ls_config_check_timing(const LsConfigRow *row)
{
	LsRuleKind kind = check_words(row);

	if (!is_given(row, "points"))
		ereport(ERROR,
				errcode(ERRCODE_NOT_NULL_VIOLATION),
				errmsg("column \"points\" must be given"),
				errhint("Give a number of points, such as 15 or -20."));
	ls_config_check_finite(row, "points");
	check_columns(row, kind);
	check_intervals(row);
	check_numbers(row);
	check_bounds(row, kind);
	check_decay(row, kind);
	check_max_count(row, kind);
	check_after(row);
	check_steps(row);
	check_required(row);
	return kind;
}
