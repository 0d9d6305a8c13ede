/*
 * ls_config_lookup.c: rows of lead_scoring.lookup.
 */
#include "ls_config.h"

#include "ls_attempt.h"
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

/* check_condition: one that could be read must be readable afterwards, too. */
static void
check_condition(const LsConfigRow *row,
				const LsCondScope *before,
				const LsCondScope *after,
				const char *kind,
				const char *name,
				const char *text)
{
	ErrorData *error;
	ErrorData *ignored;

	if (can_read(after, text, &error) || !can_read(before, text, &ignored))
		return;
	ereport(ERROR,
			errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
			errmsg("lookup \"%s\" of model \"%s\" is used by %s%s%s%s",
				   ls_config_text(row, "alias"),
				   row->model->name,
				   kind,
				   name == NULL ? "" : " \"",
				   name == NULL ? "" : name,
				   name == NULL ? "" : "\""),
			errdetail("Without it, or as it is to be: %s.", error->message),
			errhint("Change or disable that first."));
}

/* lookups_of: those of the model that can be used, but for one. */
static List *
lookups_of(const LsConfigRow *row, const char *without)
{
	List *found = NIL;
	ListCell *cell;

	foreach(cell, ls_catalog_lookups(row->model->name))
	{
		LsLookupRow *one = lfirst(cell);
		LsLookupFault fault;
		LsLookup *lookup = without != NULL && strcmp(one->alias, without) == 0
							   ? NULL
							   : ls_lookup_find(one, row->relid, &fault);

		if (lookup != NULL)
			found = lappend(found, lookup);
	}
	return found;
}

/*
 * check_conditions: all that can be read with the lookups of now can be read with
 * these.
 */
static void
check_conditions(const LsConfigRow *row, List *lookups)
{
	const LsModelRow *model = row->model;
	LsCondScope *before = ls_model_scope_with(model, row->relid, lookups_of(row, NULL));
	LsCondScope *after = ls_model_scope_with(model, row->relid, lookups);
	ListCell *cell;

	if (model->population != NULL)
		check_condition(row, before, after, "the population", NULL, model->population);
	foreach(cell, ls_catalog_fit_rules(model->name))
	{
		const LsFitRow *rule = lfirst(cell);

		if (rule->enabled)
			check_condition(row,
							before,
							after,
							"fit rule",
							rule->name,
							rule->condition);
	}
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
		check_conditions(row,
						 lappend(lookups_of(row, ls_config_required(&old, "alias")),
								 lookup));
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
	check_conditions(row, lookups_of(row, ls_config_required(row, "alias")));
}
