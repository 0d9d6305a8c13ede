/*
 * ls_accumulate_adjustment.c: the triggers on <model>_adjustment: note of whom
 * somebody said something.
 *
 * As on contacts and events: nothing is read, locked or written here. At commit the
 * contacts are scored again (ls_adjust.c).
 */
#include "postgres.h"

#include "ls_adjust.h"
#include "ls_attempt.h"
#include "ls_compat.h"
#include "ls_flush.h"
#include "ls_guc.h"
#include "ls_pending.h"
#include "ls_relation.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(ls_sql_adjustment_changed);

/* LsSaid: what a table of adjustments is about; as of a generation. */
typedef struct LsSaid
{
	char model[NAMEDATALEN];
	Oid relid;
	uint64 generation;
	Oid contacts;
	Oid key_type; /* as stored; InvalidOid = not to be followed */
	AttrNumber key;
	bool is_opaque; /* of whom they speak cannot be told */
} LsSaid;

/* The table that was written last. */
static LsSaid said;

static Oid
stored_type(Oid relid, AttrNumber attno)
{
	return ls_key_stored_type(getBaseType(get_atttype(relid, attno)));
}

/* read_said: from the configuration; the model need not compile. */
static void
read_said(void *arg)
{
	const LsModelRow *row = ls_catalog_model(said.model, true);

	if (row == NULL || ls_objects_relid(row, "adjustment") != said.relid)
		return;
	if (strcmp(row->status, "active") != 0 && strcmp(row->status, "shadow") != 0)
		return;
	said.contacts = ls_relation_of_model(row, false);
	said.key_type =
		stored_type(said.contacts, ls_relation_column(said.contacts, row->contact_id));
	said.key = get_attnum(said.relid, "contact_id");
	said.is_opaque =
		said.key <= 0 || stored_type(said.relid, said.key) != said.key_type;
	ls_model_watch(said.contacts);
}

/* find_said: false where the table is none of an active model. */
static bool
find_said(const char *model, Oid relid)
{
	uint64 generation = ls_model_generation;
	ErrorData *error;

	if (said.relid == relid && said.generation == generation &&
		strcmp(said.model, model) == 0)
		return OidIsValid(said.key_type);
	memset(&said, 0, sizeof(said));
	strlcpy(said.model, model, NAMEDATALEN);
	said.relid = relid;
	if (!ls_attempt(read_said, NULL, &error))
	{
		said.key_type = InvalidOid;
		ls_flush_warn(model);
	}
	ls_model_watch(relid);
	said.generation = generation;
	return OidIsValid(said.key_type);
}

static void
note_contact(LsPendingModel *pending, Relation rel, HeapTuple tuple)
{
	LsChange change = {.outcome = LS_RECOMPUTE, .cause = LS_CAUSE_ADJUSTMENT};
	bool is_null;
	Datum value = heap_getattr(tuple, said.key, RelationGetDescr(rel), &is_null);

	if (is_null)
		return;
	change.key = ls_key_from_datum(said.key_type, value);
	ls_pending_add(pending, &change);
}

/* note_change: as lead_scoring.apply says. */
static void
note_change(const TriggerData *data)
{
	LsPendingModel *pending = ls_pending_model(said.model, said.key_type);

	if (ls_guc_apply == LS_APPLY_OFF &&
		ls_relation_may_change(said.contacts, GetUserId()))
		ls_pending_off(pending);
	else if (TRIGGER_FIRED_BY_TRUNCATE(data->tg_event))
		ls_pending_everyone(pending, "adjustments were truncated", LS_CAUSE_ADJUSTMENT);
	else if (said.is_opaque)
		ls_pending_everyone(pending,
							"the contact ids of adjustments have another type or name",
							LS_CAUSE_ADJUSTMENT);
	else
	{
		pending->queue |= ls_guc_apply == LS_APPLY_QUEUE;
		note_contact(pending, data->tg_relation, data->tg_trigtuple);
		if (TRIGGER_FIRED_BY_UPDATE(data->tg_event))
			note_contact(pending, data->tg_relation, data->tg_newtuple);
		ls_flush_if_full(pending);
	}
}

/*
 * adjustment_changed('model'): AFTER trigger of <model>_adjustment: for each row, for
 * TRUNCATE, and for each statement.
 */
Datum
ls_sql_adjustment_changed(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;

	ls_flush_check_trigger(fcinfo, "adjustment_changed");
	if (ls_adjust_is_removing)
		return PointerGetDatum(NULL);
	if ((TRIGGER_FIRED_FOR_ROW(data->tg_event) ||
		 TRIGGER_FIRED_BY_TRUNCATE(data->tg_event)) &&
		find_said(data->tg_trigger->tgargs[0], RelationGetRelid(data->tg_relation)))
		note_change(data);
	if (!TRIGGER_FIRED_FOR_ROW(data->tg_event) && ls_guc_apply == LS_APPLY_STATEMENT)
		ls_flush_now();
	return PointerGetDatum(NULL);
}
