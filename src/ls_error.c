/*
 * ls_error.c: error context that names model and rule.
 */
#include "ls_error.h"

#include "ls_compat.h"

/*
 * point_into_text: while a condition is parsed, positions are positions in
 * the condition, not in the statement that carried it.
 */
static void
point_into_text(const LsPlace *place)
{
	int position = geterrposition();

	if (position <= 0)
		return;
	errposition(0);
	internalerrposition(position);
	internalerrquery(place->text);
}

/*
 * hint_at_owner: a contact has often a column that scores have, too: its stage.
 */
static void
hint_at_owner(void)
{
	if (geterrcode() == ERRCODE_AMBIGUOUS_COLUMN)
		errhint("Write whose column it is before it: score, contact or a lookup, for "
				"example score.stage.");
}

static void
describe_place(void *arg)
{
	const LsPlace *place = arg;

	if (place->text != NULL)
	{
		point_into_text(place);
		hint_at_owner();
	}
	if (place->kind == NULL)
		errcontext("model \"%s\"", place->model);
	else if (place->name == NULL && place->column != NULL &&
			 strcmp(place->column, place->kind) != 0)
		errcontext("%s of %s of model \"%s\"",
				   place->column,
				   place->kind,
				   place->model);
	else if (place->name == NULL)
		errcontext("%s of model \"%s\"", place->kind, place->model);
	else if (place->column == NULL)
		errcontext("%s \"%s\" of model \"%s\"", place->kind, place->name, place->model);
	else
		errcontext("%s of %s \"%s\" of model \"%s\"",
				   place->column,
				   place->kind,
				   place->name,
				   place->model);
}

/*
 * ls_error_push_place: from here on errors name the place, until it is popped
 * (an error pops it too, as PostgreSQL resets the stack).
 */
void
ls_error_push_place(LsPlace *place)
{
	place->callback.callback = describe_place;
	place->callback.arg = place;
	place->callback.previous = error_context_stack;
	error_context_stack = &place->callback;
}

void
ls_error_pop_place(LsPlace *place)
{
	error_context_stack = place->callback.previous;
}
