/*
 * ls_error.h: where an error happened, in the user's words.
 */
#ifndef LS_ERROR_H
#define LS_ERROR_H

#include "postgres.h"

/*
 * LsPlace: what is being worked on. Pushed on error_context_stack, it adds
 * `rule "X" of model "Y"` to whatever is raised below it.
 */
typedef struct LsPlace
{
	const char *kind;	/* "fit rule", "population", ... ; NULL = only the model */
	const char *name;	/* of the rule; NULL where the kind says it all */
	const char *column; /* "condition", "value", ...; NULL = does not matter */
	const char *model;
	const char *text; /* the condition, while it is parsed; else NULL */
	ErrorContextCallback callback;
} LsPlace;

extern void ls_error_push_place(LsPlace *place);
extern void ls_error_pop_place(LsPlace *place);

#endif /* LS_ERROR_H */
