/*
 * ls_activate_script.c: the SQL that makes, changes and drops a model's objects.
 */
#include "postgres.h"

#include "ls_activate.h"

#include "ls_compat.h"
#include "ls_objects.h"

#include "executor/spi.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "utils/memutils.h"

/* text_of: a statement of the script, without blanks and comments before it. */
static char *
text_of(const char *script, const RawStmt *statement)
{
	const char *start = script + statement->stmt_location;
	const char *end =
		statement->stmt_len > 0 ? start + statement->stmt_len : start + strlen(start);

	while (start < end)
	{
		if (isspace((unsigned char) *start))
			start++;
		else if (start[0] == '-' && start[1] == '-')
			start += strcspn(start, "\n");
		else
			break;
	}
	return pnstrdup(start, end - start);
}

/* first_line: of what nobody has written and nobody wants to read as a whole. */
static char *
first_line(const char *statement)
{
	return psprintf("%.*s ...", (int) strcspn(statement, "\n"), statement);
}

/* replace: in the text, the part that is found there. */
static char *
replace(const char *text, const char *found, const char *part, const char *by)
{
	return psprintf("%.*s%s%s", (int) (found - text), text, by, found + strlen(part));
}

/* shorten_context: of a long statement, its first line. */
static void
shorten_context(ErrorData *error, const char *statement)
{
	char *context = error->context;
	char *found = context == NULL ? NULL : strstr(context, statement);

	if (strchr(statement, '\n') == NULL)
		return;
	if (found != NULL)
		error->context = replace(context, found, statement, first_line(statement));
	/* With a position in it, it is no context. */
	else if (error->internalquery != NULL &&
			 strcmp(error->internalquery, statement) == 0)
	{
		error->internalquery = NULL;
		error->internalpos = 0;
		error->context = psprintf("SQL statement \"%s\"%s%s",
								  first_line(statement),
								  context == NULL ? "" : "\n",
								  context == NULL ? "" : context);
	}
}

static void
run(const char *statement)
{
	MemoryContext caller = CurrentMemoryContext;
	ErrorData *error;

	PG_TRY();
	{
		if (SPI_execute(statement, false, 0) < 0)
			elog(ERROR, "could not run %s", statement);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		shorten_context(error, statement);
		ReThrowError(error);
	}
	PG_END_TRY();
}

/*
 * ls_activate_script: what a function of ours writes (objects_sql, ...), as the owner;
 * statement by statement, so that errors name one.
 */
void
ls_activate_script(const char *writer, const LsModelRow *row, Oid owner)
{
	LsGuard guard;
	char *script;

	ls_guard_enter(&guard, owner, LS_SAFE_PATH);
	SPI_connect();
	script = ls_objects_script(writer, row->name, false);
	if (script != NULL)
	{
		ListCell *cell;

		foreach(cell, raw_parser(script, RAW_PARSE_DEFAULT))
			run(text_of(script, lfirst(cell)));
	}
	SPI_finish();
	ls_guard_leave(&guard);
}
