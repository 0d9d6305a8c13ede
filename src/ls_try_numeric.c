/*
 * ls_try_numeric.c: try_numeric(text): a number, or NULL where the text is none.
 */
#include "postgres.h"

#include "ls_compat.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

PG_FUNCTION_INFO_V1(ls_sql_try_numeric);

/* Longer ones are no numbers that anybody scores by. */
#define MAX_LENGTH 1000
#define MAX_EXPONENT 1000

static const char *
skip_spaces(const char *at)
{
	return at + strspn(at, " \t\n\r\f\v");
}

static const char *
skip_sign(const char *at)
{
	return *at == '+' || *at == '-' ? at + 1 : at;
}

static const char *
skip_digits(const char *at)
{
	return at + strspn(at, "0123456789");
}

/* skip_mantissa: 12, 12., 12.5 or .5; NULL where it is none. */
static const char *
skip_mantissa(const char *at)
{
	const char *end = skip_digits(at);
	const char *fraction = *end == '.' ? skip_digits(end + 1) : end;

	return end - at + (fraction - end) > (*end == '.') ? fraction : NULL;
}

/* skip_exponent: where there is one; NULL where it is too large, or none after all. */
static const char *
skip_exponent(const char *at)
{
	const char *digits;
	const char *end;

	if (*at != 'e' && *at != 'E')
		return at;
	digits = skip_sign(at + 1);
	end = skip_digits(digits);
	return end > digits && end - digits <= 4 && atoi(digits) <= MAX_EXPONENT ? end
																			 : NULL;
}

/* is_number: a finite decimal number, with spaces around it? */
static bool
is_number(const char *text)
{
	const char *at = skip_mantissa(skip_sign(skip_spaces(text)));

	if (at != NULL)
		at = skip_exponent(at);
	return at != NULL && *skip_spaces(at) == '\0';
}

/*
 * try_numeric(text) -> numeric: NULL where it is no finite decimal number of at most
 * 1000 characters and with an exponent of at most 1000.
 */
Datum
ls_sql_try_numeric(PG_FUNCTION_ARGS)
{
	char *number = text_to_cstring(PG_GETARG_TEXT_PP(0));

	if (strlen(number) > MAX_LENGTH || !is_number(number))
		PG_RETURN_NULL();
	return DirectFunctionCall3(numeric_in,
							   CStringGetDatum(number),
							   ObjectIdGetDatum(InvalidOid),
							   Int32GetDatum(-1));
}
