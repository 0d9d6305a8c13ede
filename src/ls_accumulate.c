/*
 * ls_accumulate.c: the triggers on contacts: note what changed.
 *
 * An AFTER ROW trigger scores the row at hand and adds it to what is pending; no
 * SQL is run and nothing is locked or written. ls_flush.c applies it all at
 * commit.
 */
#include "postgres.h"

#include "ls_attempt.h"
#include "ls_compat.h"
#include "ls_error.h"
#include "ls_flush.h"
#include "ls_guc.h"
#include "ls_lifecycle.h"
#include "ls_passed.h"
#include "ls_pending.h"
#include "ls_relation.h"
#include "ls_unfired.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ls_sql_contact_changed);

/* LsEvent: one firing of the trigger. */
typedef struct LsEvent
{
	const char *name;
	LsModel *model; /* NULL where it cannot be compiled */
	const LsTableMap *map;
	AttrNumber key; /* column of the contact's id */
	Oid key_type;
	Relation rel;
	bool defer; /* leave scoring to the refresh */
	LsPendingModel *pending;
} LsEvent;

static bool
get_key(const LsEvent *event, HeapTuple tuple, LsKey *key)
{
	bool is_null;
	Datum value =
		heap_getattr(tuple, event->key, RelationGetDescr(event->rel), &is_null);

	if (!is_null)
		*key = ls_key_from_datum(event->key_type, value);
	return !is_null;
}

/* note_recompute: look at the contact at commit. */
static void
note_recompute(const LsEvent *event, HeapTuple tuple)
{
	LsChange change = {.outcome = LS_RECOMPUTE,
					   .events = LS_EVENTS_KEPT,
					   .cause = LS_CAUSE_CONTACT};

	if (get_key(event, tuple, &change.key))
		ls_pending_add(event->pending, &change);
}

/*
 * note_row: the row at hand is the contact's new state, unless this transaction
 * has already changed it again (a trigger of the user's own, say).
 */
static void
note_row(const LsEvent *event, HeapTuple tuple)
{
	LsChange change = {.events = LS_EVENTS_KEPT, .cause = LS_CAUSE_CONTACT};

	/* The stage that the row has is read with it, at commit. */
	if (event->model == NULL || event->model->lookups != NIL || event->defer ||
		event->map->stage > 0 || ls_pending_is_superseded(tuple))
	{
		note_recompute(event, tuple);
		return;
	}
	if (!get_key(event, tuple, &change.key))
		return;
	ls_apply_evaluate(event->model, event->map, &tuple, GetCurrentTimestamp(), &change);
	change.since = ls_apply_since(event->model, RelationGetDescr(event->rel), tuple);
	if (change.outcome == LS_FAILED)
		ls_flush_warn(event->name);
	ls_pending_add(event->pending, &change);
}

/* LsLink: a column that a lookup is by, in two versions of a row. */
typedef struct LsLink
{
	Datum value; /* of the newer one */
	bool is_null;
	bool is_same;
} LsLink;

static LsLink
compare_link(const LsEvent *event, int number, HeapTuple old_tuple, HeapTuple new_tuple)
{
	TupleDesc desc = RelationGetDescr(event->rel);
	AttrNumber attno = event->map->links[number];
	Form_pg_attribute att = TupleDescAttr(desc, attno - 1);
	LsLink link;
	bool old_null;
	Datum old_value;

	link.value = heap_getattr(new_tuple, attno, desc, &link.is_null);
	link.is_same = false;
	if (old_tuple == NULL)
		return link;
	old_value = heap_getattr(old_tuple, attno, desc, &old_null);
	link.is_same =
		old_null == link.is_null &&
		(old_null || datum_image_eq(old_value, link.value, att->attbyval, att->attlen));
	return link;
}

/*
 * note_links: what the contact is newly linked to. Who changes just that does not
 * know of it, and must not commit at the same time.
 */
static void
note_links(const LsEvent *event, HeapTuple old_tuple, HeapTuple new_tuple)
{
	ListCell *cell;

	foreach(cell, event->model == NULL ? NIL : event->model->lookups)
	{
		LsLink link =
			compare_link(event, foreach_current_index(cell), old_tuple, new_tuple);

		if (!link.is_same && !link.is_null)
			event->pending->lookups.linked |=
				ls_lookup_bucket(ls_lookup_hash_contact(lfirst(cell), link.value));
	}
}

/* is_same_company: is each lookup by the same value as before? */
static bool
is_same_company(const LsEvent *event, HeapTuple old_tuple, HeapTuple new_tuple)
{
	for (int i = 0; i < list_length(event->model->lookups); i++)
		if (!compare_link(event, i, old_tuple, new_tuple).is_same)
			return false;
	return true;
}

/* is_same_since: is the contact as old as it was? */
static bool
is_same_since(const LsEvent *event, HeapTuple old_tuple, HeapTuple new_tuple)
{
	TupleDesc desc = RelationGetDescr(event->rel);

	return ls_apply_since(event->model, desc, old_tuple) ==
		   ls_apply_since(event->model, desc, new_tuple);
}

/*
 * is_elsewhere: does the update name no column that scores depend on? Where the command
 * does not say, or triggers or generated columns may have changed others, rows tell.
 */
static bool
is_elsewhere(const LsEvent *event, const TriggerData *data)
{
	return event->model != NULL &&
		   ls_unfired_is_elsewhere(event->rel, data->tg_updatedcols, event->map);
}

/* is_unaffected: does the update leave all that scores depend on as it was? */
static bool
is_unaffected(const LsEvent *event, HeapTuple old_tuple, HeapTuple new_tuple)
{
	LsKey old_key;
	LsKey new_key;

	if (event->model == NULL || !get_key(event, old_tuple, &old_key) ||
		!get_key(event, new_tuple, &new_key) || ls_key_compare(old_key, new_key) != 0)
		return false;
	if (!is_same_since(event, old_tuple, new_tuple) ||
		!is_same_company(event, old_tuple, new_tuple) ||
		!ls_lifecycle_same_contact(event->name,
								   event->map,
								   RelationGetDescr(event->rel),
								   old_tuple,
								   new_tuple))
		return false;
	if (event->model->population != NULL &&
		!ls_match_same_columns(event->map->population, 1, old_tuple, new_tuple))
		return false;
	return ls_match_same_columns(event->map->fit, 1, old_tuple, new_tuple);
}

static void
note_update(const LsEvent *event, HeapTuple old_tuple, HeapTuple new_tuple)
{
	LsKey old_key;
	LsKey new_key;

	if (get_key(event, old_tuple, &old_key) &&
		(!get_key(event, new_tuple, &new_key) || ls_key_compare(old_key, new_key) != 0))
		note_recompute(event, old_tuple);
	note_links(event, old_tuple, new_tuple);
	note_row(event, new_tuple);
}

/*
 * use_model: the compiled model, and how it reads rows of this table. A write waits
 * for nobody who has locked a lookup.
 */
static void
use_model(void *arg)
{
	LsEvent *event = arg;
	LsModel *model;

	if (!ls_model_is_free(event->name))
		return;
	model = ls_model_get(event->name);
	event->map = ls_model_table_map(model,
									RelationGetRelid(event->rel),
									RelationGetDescr(event->rel));
	event->key = event->map->key;
	event->key_type = event->map->key_type;
	if (event->map->life == NULL)
		ls_lifecycle_complete_map(model, event->map, RelationGetDescr(event->rel));
	event->model = model;
}

/* use_key: at least the key, where the model does not work. */
static void
use_key(void *arg)
{
	LsEvent *event = arg;
	Oid relid = RelationGetRelid(event->rel);
	LsModelRow *row = ls_catalog_model(event->name, false);

	event->key = InvalidAttrNumber;
	if (!ls_relation_is_part_of(relid, ls_relation_of_model(row, false)))
		return;
	event->key_type = ls_key_stored_type(
		getBaseType(get_atttype(relid, ls_relation_column(relid, row->contact_id))));
	event->key = ls_relation_column(relid, row->contact_id);
}

/* LsLast: what the trigger fired for last: mostly it is what it fires for next. */
typedef struct LsLast
{
	char name[NAMEDATALEN];
	Oid relid;
	uint64 generation;
	LsModel *model;
	const LsTableMap *map;
} LsLast;

static LsLast last = {.generation = 0};

/* use_last: false where it is about something else, or things may have changed. */
static bool
use_last(LsEvent *event)
{
	if (last.generation != ls_model_generation ||
		last.relid != RelationGetRelid(event->rel) ||
		strcmp(last.name, event->name) != 0)
		return false;
	event->model = last.model;
	event->map = last.map;
	event->key = last.map->key;
	event->key_type = last.map->key_type;
	return true;
}

static void
remember_last(const LsEvent *event)
{
	last.generation = ls_model_generation;
	last.relid = RelationGetRelid(event->rel);
	strlcpy(last.name, event->name, NAMEDATALEN);
	last.model = event->model;
	last.map = event->map;
}

/*
 * find_model: what the event is about. A model that does not compile must not
 * stop the user's write; it is tried again when something changed, and till then
 * its contacts are only noted.
 */
static void
find_model(LsEvent *event)
{
	ErrorData *error;

	if (use_last(event))
		return;
	if (ls_model_has_table_map(event->name, RelationGetRelid(event->rel)))
	{
		use_model(event);
		remember_last(event);
	}
	else if (!ls_model_is_broken(event->name) && !ls_attempt(use_model, event, &error))
	{
		ls_model_mark_broken(event->name);
		event->model = NULL;
		ls_flush_warn(event->name);
	}
	if (event->model == NULL && !ls_attempt(use_key, event, &error))
		event->key = InvalidAttrNumber;
}

/* note: what the trigger fired for, as lead_scoring.apply says. */
static void
note(LsEvent *event, const TriggerData *data)
{
	HeapTuple tuple = data->tg_trigtuple;

	if (TRIGGER_FIRED_BY_TRUNCATE(data->tg_event))
		ls_pending_sweep(event->pending, true);
	else if (TRIGGER_FIRED_BY_UPDATE(data->tg_event))
		note_update(event, tuple, data->tg_newtuple);
	else if (TRIGGER_FIRED_BY_INSERT(data->tg_event))
	{
		note_links(event, NULL, tuple);
		note_row(event, tuple);
	}
	else
		note_recompute(event, tuple);
	ls_flush_if_full(event->pending);
}

/* is_off: only who owns the contacts may leave scores behind. */
static bool
is_off(const LsEvent *event)
{
	return ls_guc_apply == LS_APPLY_OFF &&
		   ls_relation_may_change(RelationGetRelid(event->rel), GetUserId());
}

/* is_nothing: an update that no score follows from. */
static bool
is_nothing(const LsEvent *event, const TriggerData *data)
{
	return TRIGGER_FIRED_BY_UPDATE(data->tg_event) &&
		   (is_elsewhere(event, data) ||
			is_unaffected(event, data->tg_trigtuple, data->tg_newtuple));
}

static void
handle(LsEvent *event, const TriggerData *data)
{
	find_model(event);
	if (event->key == InvalidAttrNumber || !OidIsValid(event->key_type))
		return;
	if (is_nothing(event, data))
	{
		ls_passed_note(event->name, event->key_type);
		return;
	}
	event->pending = ls_pending_model(event->name, event->key_type);
	if (is_off(event))
	{
		ls_pending_off(event->pending);
		return;
	}
	if (ls_guc_apply == LS_APPLY_QUEUE)
	{
		event->pending->queue = true;
		event->defer = true;
	}
	note(event, data);
}

/*
 * contact_changed('model'): AFTER trigger of the contacts: for each row, for
 * TRUNCATE, and for each statement.
 */
Datum
ls_sql_contact_changed(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	LsEvent event = {0};

	ls_flush_check_trigger(fcinfo, "contact_changed");
	event.name = data->tg_trigger->tgargs[0];
	event.rel = data->tg_relation;
	if (TRIGGER_FIRED_FOR_ROW(data->tg_event) ||
		TRIGGER_FIRED_BY_TRUNCATE(data->tg_event))
		handle(&event, data);
	if (!TRIGGER_FIRED_FOR_ROW(data->tg_event) && ls_guc_apply == LS_APPLY_STATEMENT)
		ls_flush_now();
	return PointerGetDatum(NULL);
}
