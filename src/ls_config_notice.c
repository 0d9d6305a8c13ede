/*
 * ls_config_notice.c: who changes the rules of a live model is told what to call; and
 * it is remembered what they were.
 */
#include "ls_config.h"

#include "ls_compat.h"
#include "ls_passed.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/datum.h"
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

/* Tables, and columns of lead_scoring.model, that its views and triggers are made of.
 */
static const char *const of_objects[] = {"event_source",
										 "lookup",
										 "deal_source",
										 "contact_id",
										 "stage_column",
										 "created_column",
										 "segments",
										 "time_zone",
										 NULL};

/* Columns of lead_scoring.model that no score follows from. */
static const char *const idle[] = {"description",
								   "reviewed_at",
								   "created_at",
								   "status",
								   "owner",
								   "objects_schema",
								   "scored_stamp",
								   NULL};

static bool
is_among(const char *name, const char *const *names)
{
	for (; *names != NULL; names++)
		if (strcmp(name, *names) == 0)
			return true;
	return false;
}

/* changed_column: of a model; one that its objects are made of, if any; or NULL. */
static const char *
changed_column(TupleDesc desc, HeapTuple before, HeapTuple after)
{
	const char *changed = NULL;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		bool old_null;
		bool new_null;
		Datum old_value = heap_getattr(before, i + 1, desc, &old_null);
		Datum new_value = heap_getattr(after, i + 1, desc, &new_null);

		if (old_null == new_null &&
			(old_null ||
			 datum_image_eq(old_value, new_value, att->attbyval, att->attlen)))
			continue;
		if (is_among(NameStr(att->attname), of_objects))
			return NameStr(att->attname);
		if (!is_among(NameStr(att->attname), idle))
			changed = NameStr(att->attname);
	}
	return changed;
}

/* changed_part: the table, or column of lead_scoring.model; NULL where it is neither.
 */
static const char *
changed_part(const TriggerData *data)
{
	const char *table = RelationGetRelationName(data->tg_relation);

	if (strcmp(table, "model") != 0)
		return table;
	if (ls_config_by_function || !TRIGGER_FIRED_BY_UPDATE(data->tg_event))
		return NULL;
	return changed_column(RelationGetDescr(data->tg_relation),
						  data->tg_trigtuple,
						  data->tg_newtuple);
}

/* model_of: the model of a row; NULL where it is gone, too, or is not live. */
static LsModelRow *
model_of(Relation table, HeapTuple tuple)
{
	LsConfigRow row = {.desc = RelationGetDescr(table), .tuple = tuple};
	bool is_model = strcmp(RelationGetRelationName(table), "model") == 0;
	LsModelRow *model =
		ls_catalog_model(ls_config_text(&row, is_model ? "name" : "model"), true);

	if (model == NULL || model->objects_schema == NULL ||
		(strcmp(model->status, "active") != 0 && strcmp(model->status, "shadow") != 0))
		return NULL;
	return model;
}

/*
 * ls_config_notice: a row of the table was written; once a transaction and model.
 */
void
ls_config_notice(const TriggerData *data)
{
	const char *part = changed_part(data);
	const LsModelRow *model;
	const char *quoted;

	if (!check_function_bodies || part == NULL)
		return;
	model = model_of(data->tg_relation, data->tg_trigtuple);
	if (model == NULL || is_told(model->name))
		return;
	quoted = quote_literal_cstr(model->name);
	ereport(NOTICE,
			errmsg("rules of live model \"%s\" have changed", model->name),
			is_among(part, of_objects)
				? errhint("SELECT lead_scoring.activate(%s) makes its views and triggers "
						  "follow.",
						  quoted)
				: errhint("CALL lead_scoring.refresh(%s) brings the stored scores up to "
						  "date; the view is right at once.",
						  quoted));
}

/*
 * ls_config_note: a row of the table is about to be written, maybe of a live model.
 */
void
ls_config_note(const TriggerData *data)
{
	const char *table = RelationGetRelationName(data->tg_relation);
	LsConfigRow row = {.table = table,
					   .desc = RelationGetDescr(data->tg_relation),
					   .tuple = data->tg_trigtuple};
	const char *model;

	if (ls_config_by_function || !check_function_bodies)
		return;
	model = ls_config_text(&row, strcmp(table, "model") == 0 ? "name" : "model");
	if (model != NULL)
		ls_passed_change(model);
}
