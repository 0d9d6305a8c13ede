/*
 * ls_config_lookup.c: rows of lead_scoring.lookup.
 */
#include "ls_config.h"

#include "ls_attempt.h"
#include "ls_catalog_life.h"
#include "ls_compat.h"
#include "ls_lookup.h"
#include "ls_model_cache.h"
#include "ls_relation.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"

/* check_alias: it must not stand for something else in conditions or to_sql. */
static void
check_alias(const char *alias)
{
	static const char *const taken[] = {"contact", "score", "event", "moment", "as_of"};

	for (int i = 0; i < lengthof(taken); i++)
		if (strcmp(alias, taken[i]) == 0)
			ereport(ERROR,
					errcode(ERRCODE_RESERVED_NAME),
					errmsg("alias \"%s\" of a lookup is taken", alias),
					errdetail("Conditions call something else so."),
					errhint("Choose another alias, such as company."));
	if (alias[0] == '\0')
		ereport(ERROR,
				errcode(ERRCODE_INVALID_NAME),
				errmsg("alias of a lookup must not be empty"),
				errhint("Choose a name that conditions may use, such as company."));
}

/* check_usable: gives the lookup that the row is. */
static LsLookup *
check_usable(const LsConfigRow *row, const LsLookupRow *lookup_row)
{
	LsLookupFault fault;
	LsLookup *lookup = ls_lookup_find(lookup_row, row->relid, &fault);

	if (lookup == NULL)
		ereport(ERROR,
				errcode(fault.errcode),
				errmsg("%s", fault.problem),
				errhint("%s", fault.hint));
	return lookup;
}

/* ---- conditions that name it ------------------------------------------- */

/* LsUses: the conditions of a model, with its lookups as they are and will be. */
typedef struct LsUses
{
	const LsConfigRow *row;
	const LsCondScope *before;
	const LsCondScope *after;
} LsUses;

/* LsReading: a condition, read with some lookups. */
typedef struct LsReading
{
	const LsCondScope *scope;
	const char *text;
} LsReading;

static void
read_condition(void *arg)
{
	const LsReading *reading = arg;

	(void) ls_cond_read(reading->scope, reading->text, BOOLOID);
}

static bool
can_read(const LsCondScope *scope, const char *text, ErrorData **error)
{
	LsReading reading = {scope, text};

	return ls_attempt(read_condition, &reading, error);
}

/* check_use: a condition that could be read must be readable afterwards, too. */
static void
check_use(const LsUses *uses, const char *what, const char *text)
{
	ErrorData *error;
	ErrorData *ignored;

	if (can_read(uses->after, text, &error) || !can_read(uses->before, text, &ignored))
		return;
	ereport(ERROR,
			errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
			errmsg("lookup \"%s\" of model \"%s\" is used by %s",
				   ls_config_text(uses->row, "alias"),
				   uses->row->model->name,
				   what),
			errdetail("Without it, or as it is to be: %s.", error->message),
			errhint("Change or disable that first."));
}

/* without: the lookups that conditions may name, but for one. */
static List *
without(const LsConfigRow *row, const char *alias)
{
	List *others = NIL;
	ListCell *cell;

	foreach(cell, ls_lookup_find_readable(row->model, row->relid))
	{
		LsLookup *lookup = lfirst(cell);

		if (strcmp(lookup->row->alias, alias) != 0)
			others = lappend(others, lookup);
	}
	return others;
}

static void
check_fit_uses(const LsUses *uses)
{
	const LsModelRow *model = uses->row->model;
	ListCell *cell;

	if (model->population != NULL)
		check_use(uses, "the population", model->population);
	foreach(cell, ls_catalog_fit_rules(model->name))
	{
		const LsFitRow *rule = lfirst(cell);

		if (rule->enabled)
			check_use(uses, psprintf("fit rule \"%s\"", rule->name), rule->condition);
	}
}

static void
check_life_uses(const LsUses *uses)
{
	const LsModelRow *model = uses->row->model;
	ListCell *cell;

	foreach(cell, ls_catalog_transitions(model->name))
	{
		const LsTransitionRow *move = lfirst(cell);

		if (move->enabled)
			check_use(uses,
					  psprintf("transition \"%s to %s\"",
							   move->from_stage,
							   move->to_stage),
					  move->condition);
	}
	foreach(cell, ls_catalog_actions(model->name))
	{
		const LsActionRow *action = lfirst(cell);

		if (action->enabled)
			check_use(uses, psprintf("action \"%s\"", action->name), action->condition);
	}
}

/*
 * check_uses: all conditions that can be read with the lookups of now can be read
 * with these.
 */
static void
check_uses(const LsConfigRow *row, List *after)
{
	LsUses uses = {row,
				   ls_model_scope(row->model, row->relid),
				   ls_model_scope_with(row->model, row->relid, after)};

	check_fit_uses(&uses);
	uses.before = ls_model_score_scope(row->model, row->relid);
	uses.after = ls_model_score_scope_with(row->model, row->relid, after);
	check_life_uses(&uses);
}

/* ---- the row ------------------------------------------------------------ */

static LsLookupRow *
read_row(const LsConfigRow *row)
{
	LsLookupRow *lookup = palloc0(sizeof(LsLookupRow));

	lookup->alias = ls_config_required(row, "alias");
	lookup->relation = ls_config_required(row, "relation");
	lookup->key = ls_config_required(row, "key");
	lookup->contact_column = ls_config_required(row, "contact_column");
	return lookup;
}

/*
 * ls_config_check_lookup: check a row of lead_scoring.lookup.
 */
void
ls_config_check_lookup(LsConfigRow *row)
{
	LsPlace place = ls_config_place(row);
	LsLookup *lookup;

	if (!check_function_bodies)
		return;
	row->relid = ls_relation_of_model(row->model, false);
	ls_error_push_place(&place);
	check_alias(ls_config_required(row, "alias"));
	lookup = check_usable(row, read_row(row));
	ls_config_check_may_read(row, lookup->relid);
	if (row->old != NULL)
	{
		LsConfigRow old = *row;

		old.tuple = row->old;
		check_uses(row,
				   lappend(without(row, ls_config_required(&old, "alias")), lookup));
	}
	ls_error_pop_place(&place);
}

/*
 * ls_config_delete_lookup: a row that goes must not be needed. Its model, and the
 * contacts, are there.
 */
void
ls_config_delete_lookup(const LsConfigRow *row)
{
	check_uses(row, without(row, ls_config_required(row, "alias")));
}
