/*
 * ls_config_notice.c: who changes the rules of a live model is told what to call.
 */
#include "ls_config.h"

#include "ls_compat.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* Models that the transaction has been told about. */
static TransactionId told_in = InvalidTransactionId;
static List *told = NIL;

/* is_told: remembers it, if not. */
static bool
is_told(const char *model)
{
	MemoryContext old;
	ListCell *cell;

	if (told_in != GetTopTransactionId())
	{
		list_free_deep(told);
		told = NIL;
		told_in = GetTopTransactionId();
	}
	foreach(cell, told)
		if (strcmp(lfirst(cell), model) == 0)
			return true;
	old = MemoryContextSwitchTo(TopMemoryContext);
	told = lappend(told, pstrdup(model));
	MemoryContextSwitchTo(old);
	return false;
}

/* is_of_objects: what the model's views and triggers are made of. */
static bool
is_of_objects(const char *table)
{
	static const char *const tables[] = {"event_source", "lookup", "deal_source"};

	for (int i = 0; i < lengthof(tables); i++)
		if (strcmp(table, tables[i]) == 0)
			return true;
	return false;
}

/* model_of: the model of a row; NULL where it is gone, too, or is not live. */
static LsModelRow *
model_of(TupleDesc desc, HeapTuple tuple)
{
	LsConfigRow row = {.desc = desc, .tuple = tuple};
	LsModelRow *model = ls_catalog_model(ls_config_text(&row, "model"), true);

	if (model == NULL || model->objects_schema == NULL ||
		(strcmp(model->status, "active") != 0 && strcmp(model->status, "shadow") != 0))
		return NULL;
	return model;
}

/*
 * ls_config_notice: a row of the table was written; once a transaction and model.
 */
void
ls_config_notice(Relation table, HeapTuple tuple)
{
	const char *name = RelationGetRelationName(table);
	const LsModelRow *model;
	const char *quoted;

	if (!check_function_bodies || strcmp(name, "model") == 0)
		return;
	model = model_of(RelationGetDescr(table), tuple);
	if (model == NULL || is_told(model->name))
		return;
	quoted = quote_literal_cstr(model->name);
	ereport(NOTICE,
			errmsg("rules of live model \"%s\" have changed", model->name),
			is_of_objects(name)
				? errhint("SELECT lead_scoring.activate(%s) makes its views and triggers "
						  "follow.",
						  quoted)
				: errhint("CALL lead_scoring.refresh(%s) brings the stored scores up to "
						  "date; the view is right at once.",
						  quoted));
}
