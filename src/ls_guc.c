/*
 * ls_guc.c: the settings lead_scoring.*
 */
#include "ls_guc.h"

#include "ls_compat.h"

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/guc.h"

PG_FUNCTION_INFO_V1(ls_sql_as_of);

int ls_guc_apply = LS_APPLY_COMMIT;
int ls_guc_pending_limit = 500000;
int ls_guc_rescore_slice = 500000;

static char *as_of_text = NULL;
static bool as_of_given = false;
static TimestampTz as_of_value = 0;

static const struct config_enum_entry apply_values[] = {
	{"commit", LS_APPLY_COMMIT, false},
	{"statement", LS_APPLY_STATEMENT, false},
	{"queue", LS_APPLY_QUEUE, false},
	{"off", LS_APPLY_OFF, false},
	{NULL, 0, false},
};

/*
 * read_moment: text -> moment. False, with the message in *problem, where it
 * is none, or no finite moment.
 */
static bool
read_moment(const char *text, TimestampTz *moment, const char **problem)
{
	volatile bool good = true;
	MemoryContext here = CurrentMemoryContext;

	PG_TRY();
	{
		*moment = DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in,
														  CStringGetDatum(text),
														  ObjectIdGetDatum(InvalidOid),
														  Int32GetDatum(-1)));
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(here);
		error = CopyErrorData();
		FlushErrorState();
		*problem = error->message;
		good = false;
	}
	PG_END_TRY();

	if (good && TIMESTAMP_NOT_FINITE(*moment))
	{
		*problem = "the moment must be finite";
		good = false;
	}
	return good;
}

static const char *
timestamptz_to_utc_text(TimestampTz moment)
{
	char text[MAXDATELEN + 1];
	struct pg_tm parts;
	fsec_t fraction;

	if (timestamp2tm(moment, NULL, &parts, &fraction, NULL, NULL) != 0)
		ereport(ERROR,
				errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				errmsg("timestamp out of range"));
	parts.tm_isdst = 0; /* else the zone is left out */
	EncodeDateTime(&parts, fraction, true, 0, NULL, USE_ISO_DATES, text);
	return pstrdup(text);
}

/*
 * keep_moment: replace what was typed by the same moment in UTC: another
 * TimeZone, later or in a parallel worker, must not move it.
 */
static bool
keep_moment(char **newval, void **extra, TimestampTz moment)
{
	const char *text = timestamptz_to_utc_text(moment);
	char *kept_text = ls_guc_malloc(strlen(text) + 1);
	TimestampTz *kept = ls_guc_malloc(sizeof(TimestampTz));

	if (kept_text == NULL || kept == NULL)
		return false;
	strcpy(kept_text, text);
	*kept = moment;
	ls_guc_free(*newval);
	*newval = kept_text;
	*extra = kept;
	return true;
}

static bool
check_as_of(char **newval, void **extra, GucSource source)
{
	TimestampTz moment;
	const char *problem = NULL;

	if (*newval == NULL || (*newval)[0] == '\0')
		return true;
	if (!read_moment(*newval, &moment, &problem))
	{
		GUC_check_errdetail("%s", problem);
		GUC_check_errhint("Set it to a date or a timestamp, or to '' for now().");
		return false;
	}
	return keep_moment(newval, extra, moment);
}

static void
assign_as_of(const char *newval, void *extra)
{
	as_of_given = extra != NULL;
	if (as_of_given)
		as_of_value = *(TimestampTz *) extra;
}

/*
 * ls_guc_define: make the settings known.
 */
void
ls_guc_define(void)
{
	DefineCustomEnumVariable("lead_scoring.apply",
							 "When writes to contacts and events become scores.",
							 "commit, statement, queue (at the next refresh) or off.",
							 &ls_guc_apply,
							 LS_APPLY_COMMIT,
							 apply_values,
							 PGC_USERSET,
							 0,
							 NULL,
							 NULL,
							 NULL);
	DefineCustomIntVariable("lead_scoring.pending_limit",
							"Contacts that a transaction keeps in memory until commit; "
							"those beyond it go to the queue.",
							NULL,
							&ls_guc_pending_limit,
							500000,
							1,
							10000000,
							PGC_USERSET,
							0,
							NULL,
							NULL,
							NULL);
	DefineCustomIntVariable(
		"lead_scoring.rescore_slice",
		"Contacts that a rescore looks at together, in one snapshot.",
		NULL,
		&ls_guc_rescore_slice,
		500000,
		1,
		10000000,
		PGC_USERSET,
		0,
		NULL,
		NULL,
		NULL);
	DefineCustomStringVariable("lead_scoring.as_of",
							   "The moment as of which views and functions score; "
							   "empty means now().",
							   NULL,
							   &as_of_text,
							   "",
							   PGC_USERSET,
							   0,
							   check_as_of,
							   assign_as_of,
							   NULL);
	MarkGUCPrefixReserved("lead_scoring");
}

/*
 * ls_guc_as_of: the clock of the views: the setting lead_scoring.as_of, else
 * the start of the transaction.
 */
TimestampTz
ls_guc_as_of(void)
{
	return as_of_given ? as_of_value : GetCurrentTransactionStartTimestamp();
}

Datum
ls_sql_as_of(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(ls_guc_as_of());
}
