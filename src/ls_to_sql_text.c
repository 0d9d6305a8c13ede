/*
 * ls_to_sql_text.c: numbers, names and moments as SQL that reads the same under
 * any settings.
 */
#include "ls_to_sql.h"

#include "ls_compat.h"

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* ls_to_sql_number: a double that reads back as the same double. */
const char *
ls_to_sql_number(double value)
{
	char *text = palloc(DOUBLE_SHORTEST_DECIMAL_LEN + 16);
	int length = double_to_shortest_decimal_buf(value, text);

	text[length] = '\0';
	if (strchr(text, 'e') != NULL)
		return psprintf("'%s'::float8", text);
	return value < 0 ? psprintf("(%s)", text) : text;
}

/* ls_to_sql_in_comment: a name that cannot end the comment it stands in. */
const char *
ls_to_sql_in_comment(const char *name)
{
	char *copy = pstrdup(name);

	for (char *at = copy; *at != '\0'; at++)
		if (*at == '\n' || *at == '\r')
			*at = ' ';
	return copy;
}

/* ls_to_sql_clamped: expression within limits. */
const char *
ls_to_sql_clamped(const char *expression, LsLimits limits)
{
	if (limits.min != -INFINITY)
		expression =
			psprintf("GREATEST(%s, %s)", expression, ls_to_sql_number(limits.min));
	if (limits.max != INFINITY)
		expression =
			psprintf("LEAST(%s, %s)", expression, ls_to_sql_number(limits.max));
	return expression;
}

/* ls_to_sql_seconds: microseconds as an exact number of seconds. */
const char *
ls_to_sql_seconds(int64 us)
{
	if (us % USECS_PER_SEC == 0)
		return psprintf(INT64_FORMAT, us / USECS_PER_SEC);
	return psprintf(INT64_FORMAT ".%06d",
					us / USECS_PER_SEC,
					(int) (us % USECS_PER_SEC));
}

/*
 * ls_to_sql_ago: the moment so long before that of scoring. In seconds: days and
 * months would follow the session's time zone.
 */
const char *
ls_to_sql_ago(int64 us)
{
	return psprintf(LS_TO_SQL_AS_OF " - interval '%s seconds'", ls_to_sql_seconds(us));
}

/* ls_to_sql_moment: a timestamptz, as in UTC. */
const char *
ls_to_sql_moment(TimestampTz at)
{
	char text[MAXDATELEN + 1];
	struct pg_tm tm;
	fsec_t fsec;

	if (TIMESTAMP_NOT_FINITE(at))
		EncodeSpecialTimestamp(at, text);
	else
	{
		if (timestamp2tm(at, NULL, &tm, &fsec, NULL, NULL) != 0)
			ereport(ERROR,
					errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
					errmsg("timestamp out of range"));
		tm.tm_isdst = 0; /* the zone is known: it is printed */
		EncodeDateTime(&tm, fsec, true, 0, NULL, USE_ISO_DATES, text);
	}
	return psprintf("timestamptz '%s'", text);
}

/* ls_to_sql_in_utc: a column of one of the three types, as timestamptz. */
const char *
ls_to_sql_in_utc(const char *column, Oid type, const char *zone)
{
	switch (getBaseType(type))
	{
		case TIMESTAMPTZOID:
			return column;
		case TIMESTAMPOID:
			return psprintf("(%s AT TIME ZONE %s)", column, quote_literal_cstr(zone));
		default:
			return psprintf("(%s::timestamp AT TIME ZONE %s)",
							column,
							quote_literal_cstr(zone));
	}
}

/* ls_to_sql_where: WHERE a AND b AND c, one a line; nothing without conditions. */
void
ls_to_sql_where(StringInfo sql, List *conditions, const char *indent)
{
	ListCell *cell;

	foreach(cell, conditions)
		appendStringInfo(sql,
						 foreach_current_index(cell) == 0 ? "%sWHERE %s\n"
														  : "%s    AND %s\n",
						 indent,
						 (const char *) lfirst(cell));
}
