/*
 * ls_match_value.c: values of expressions over the row that a matcher has at
 * hand.
 */
#include "ls_match_int.h"

#include "ls_compat.h"

#include "executor/executor.h"
#include "miscadmin.h"

/* evaluate: as the owner of the contacts, as conditions are. */
static Datum
evaluate(LsMatcher *m, const LsOutput *output, bool *is_null)
{
	LsPlace place = {.kind = output->kind,
					 .name = output->name,
					 .model = m->place.model};
	Oid user;
	int security;
	Datum value;

	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(m->owner,
						   security | SECURITY_LOCAL_USERID_CHANGE |
							   SECURITY_RESTRICTED_OPERATION);
	ls_error_push_place(&place);
	m->used_memory = true;
	value = ExecEvalExprSwitchContext(output->state, m->context, is_null);
	ls_error_pop_place(&place);
	SetUserIdAndSecContext(user, security);
	return value;
}

/*
 * ls_match_value_column: the column that the value is, for ls_match_column; -1
 * where it is something else.
 */
int
ls_match_value_column(const LsMatcher *matcher, int number)
{
	return matcher->outputs[number].column;
}

/*
 * ls_match_value: a value for the row loaded last. What is not a plain column
 * stays valid until the next row is matched.
 *
 * Errors: what the expression raises, with the rule's name.
 */
Datum
ls_match_value(LsMatcher *matcher, int number, bool *is_null)
{
	const LsOutput *output = &matcher->outputs[number];

	if (output->column < 0)
		return evaluate(matcher, output, is_null);
	return ls_match_column(matcher, output->column, is_null);
}
