/*
 * ls_accumulate_event.c: the triggers on events: note what is new, or whose events
 * changed.
 *
 * As on contacts: nothing is read, locked or written here. A new event is matched
 * with the rules and added to its contact's delta; at commit that is merged into
 * the stored state. After anything else the state is made anew, from all of the
 * contact's events (ls_apply_state.c).
 */
#include "postgres.h"

#include "ls_attempt.h"
#include "ls_compat.h"
#include "ls_engagement.h"
#include "ls_flush.h"
#include "ls_guc.h"
#include "ls_passed.h"
#include "ls_pending.h"
#include "ls_relation.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ls_sql_event_changed);

/* LsEventColumn: where a table of events has the contact's id, as one source. */
typedef struct LsEventColumn
{
	char *source;
	AttrNumber attno;
	Oid type;
	LsEventReader reader; /* only where the model compiles */
	bool may_raise;
} LsEventColumn;

typedef struct LsEventTableKey
{
	char model[NAMEDATALEN];
	Oid relid;
} LsEventTableKey;

/* LsEventTable: what a model has to do with a table; as of a generation. */
typedef struct LsEventTable
{
	LsEventTableKey key;
	uint64 generation;
	MemoryContext context; /* of what follows */
	Oid contacts;
	Oid key_type;  /* of the contacts, as stored; InvalidOid = not to be followed */
	List *columns; /* of LsEventColumn; one for each source that the table is */
	LsEngagement *engagement; /* NULL where the model does not compile */
	TimestampTz waits;		  /* no rules in the transaction that began then */
	bool is_opaque;			  /* a source, but whose events these are cannot be told */
} LsEventTable;

static HTAB *event_tables = NULL;

/* LsEventNote: one firing of the trigger. */
typedef struct LsEventNote
{
	const char *name;
	Relation rel;
	LsEventTable *table;
	LsPendingModel *pending;
} LsEventNote;

static bool
is_integer(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

/* can_be_key: can values of the column be ids of the contacts? */
static bool
can_be_key(Oid column, Oid key)
{
	if (is_integer(column) || is_integer(key))
		return is_integer(column) && is_integer(key);
	return ls_key_stored_type(column) == key;
}

/* add_column: of one source. A renamed column, say, makes the table opaque. */
static void
add_column(LsEventTable *table, Oid relid, const LsSourceRow *source)
{
	MemoryContext old = MemoryContextSwitchTo(table->context);
	LsEventColumn *column = palloc0(sizeof(LsEventColumn));

	column->source = pstrdup(source->name);
	column->attno = get_attnum(relid, source->contact_id);
	column->type = InvalidOid;
	if (column->attno > 0)
		column->type = getBaseType(get_atttype(relid, column->attno));
	table->columns = lappend(table->columns, column);
	MemoryContextSwitchTo(old);
	if (!OidIsValid(column->type) || !can_be_key(column->type, table->key_type))
		table->is_opaque = true;
}

/*
 * add_missing: a table that is none of the sources may be one under another name. Who
 * else's table it may be cannot be told, so only the contacts' owner's own is believed.
 */
static void
add_missing(LsEventTable *table, Oid relid, const List *sources)
{
	const ListCell *cell;

	if (ls_relation_owner(relid) != ls_relation_owner(table->contacts))
		return;
	foreach(cell, sources)
	{
		const LsSourceRow *source = lfirst(cell);

		if (!OidIsValid(ls_relation_by_name(source->relation)))
			add_column(table, relid, source);
	}
}

/* read_table: from the configuration; the model need not compile. */
static void
read_table(void *arg)
{
	LsEventNote *note = arg;
	LsEventTable *table = note->table;
	Oid relid = RelationGetRelid(note->rel);
	LsModelRow *row = ls_catalog_model(note->name, true);
	List *sources;
	ListCell *cell;

	/* A trigger that its table's owner has not dropped yet. */
	if (row == NULL)
		return;
	if (strcmp(row->status, "active") != 0 && strcmp(row->status, "shadow") != 0)
		return;
	table->contacts = ls_relation_of_model(row, false);
	table->key_type = ls_key_stored_type(
		getBaseType(get_atttype(table->contacts,
								ls_relation_column(table->contacts, row->contact_id))));
	sources = ls_catalog_sources(note->name);
	foreach(cell, sources)
	{
		const LsSourceRow *source = lfirst(cell);
		Oid events = ls_relation_by_name(source->relation);

		if (OidIsValid(events) && ls_relation_is_part_of(relid, events))
			add_column(table, relid, source);
	}
	if (table->columns == NIL)
		add_missing(table, relid, sources);
}

/* bind_rules: how new events are matched with them. */
static void
bind_rules(LsEventNote *note, LsModel *model)
{
	TupleDesc desc = RelationGetDescr(note->rel);
	MemoryContext old = MemoryContextSwitchTo(note->table->context);
	ListCell *cell;

	foreach(cell, note->table->columns)
	{
		LsEventColumn *column = lfirst(cell);
		LsEventSource *source = ls_engagement_source(model, column->source);

		column->reader.source = source;
		column->reader.map = ls_match_map_row(source->matcher, desc);
		column->may_raise = ls_match_may_raise(source->matcher);
		if (source->gate == NULL)
			continue;
		column->reader.gate = ls_match_map_row(source->gate, desc);
		column->may_raise |= ls_match_may_raise(source->gate);
	}
	note->table->engagement = ls_engagement_get(model);
	MemoryContextSwitchTo(old);
}

/*
 * read_rules: a write waits for nobody who has locked the contacts or a lookup; the
 * next transaction tries again.
 */
static void
read_rules(void *arg)
{
	LsEventNote *note = arg;

	note->table->waits = 0;
	if (ls_model_is_free(note->name))
		bind_rules(note, ls_model_get(note->name));
	else
		note->table->waits = GetCurrentTransactionStartTimestamp();
}

/*
 * try_rules: where they cannot be read, the flush says so, and what changed is
 * noted all the same.
 */
static void
try_rules(LsEventNote *note)
{
	ErrorData *error;

	if (note->table->columns == NIL || note->table->is_opaque ||
		ls_model_is_broken(note->name) || ls_attempt(read_rules, note, &error))
		return;
	note->table->engagement = NULL;
	ls_model_mark_broken(note->name);
	ls_flush_warn(note->name);
}

/* enter_table: empty, where it is not known, or not as of this generation. */
static LsEventTable *
enter_table(const LsEventNote *note)
{
	LsEventTableKey key = {{0}, RelationGetRelid(note->rel)};
	HASHCTL control = {.keysize = sizeof(LsEventTableKey),
					   .entrysize = sizeof(LsEventTable),
					   .hcxt = TopMemoryContext};
	LsEventTable *table;
	bool found;

	strlcpy(key.model, note->name, NAMEDATALEN);
	if (event_tables == NULL)
		event_tables = hash_create("lead_scoring event tables",
								   16,
								   &control,
								   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	table = hash_search(event_tables, &key, HASH_ENTER, &found);
	if (found && table->generation == ls_model_generation)
		return table;
	if (!found)
		table->context = AllocSetContextCreate(TopMemoryContext,
											   "lead_scoring event table",
											   ALLOCSET_SMALL_SIZES);
	MemoryContextReset(table->context);
	table->generation = 0;
	table->columns = NIL;
	table->engagement = NULL;
	table->is_opaque = false;
	table->waits = 0;
	table->key_type = InvalidOid;
	return table;
}

/* is_time_to_try: is it another transaction than the one that could not wait? */
static bool
is_time_to_try(const LsEventTable *table)
{
	return table->waits != 0 && table->waits != GetCurrentTransactionStartTimestamp();
}

/*
 * find_table: false where upkeep cannot tell whose the events are. The counter is
 * taken before reading: what changes meanwhile is seen next time.
 */
static bool
find_table(LsEventNote *note)
{
	uint64 generation = ls_model_generation;
	LsEventTable *table = note->table = enter_table(note);
	ErrorData *error;

	if (table->generation == generation)
	{
		if (unlikely(is_time_to_try(table)))
			try_rules(note);
		return OidIsValid(table->key_type);
	}
	if (ls_attempt(read_table, note, &error))
		try_rules(note);
	else
	{
		table->key_type = InvalidOid;
		ls_flush_warn(note->name);
	}
	ls_model_watch(table->key.relid);
	table->generation = generation;
	return OidIsValid(table->key_type);
}

/* get_key: false where the event has no contact, or one that cannot be. */
static bool
get_key(const LsEventNote *note,
		const LsEventColumn *column,
		HeapTuple tuple,
		LsKey *key)
{
	bool is_null;
	Datum value =
		heap_getattr(tuple, column->attno, RelationGetDescr(note->rel), &is_null);

	if (is_null)
		return false;
	memset(key, 0, sizeof(LsKey));
	if (column->type == INT2OID)
		key->number = DatumGetInt16(value);
	else
		*key = ls_key_from_datum(ls_key_stored_type(column->type), value);
	return note->table->key_type != INT4OID ||
		   (key->number >= PG_INT32_MIN && key->number <= PG_INT32_MAX);
}

/* note_contact: its events are read at commit. */
static void
note_contact(const LsEventNote *note, const LsEventColumn *column, HeapTuple tuple)
{
	LsChange change = {.outcome = LS_AS_STORED,
					   .events = LS_EVENTS_READ,
					   .cause = LS_CAUSE_EVENT};

	if (get_key(note, column, tuple, &change.key))
		ls_pending_add(note->pending, &change);
}

/* LsAddition: a new event, and the delta that it belongs to. */
typedef struct LsAddition
{
	LsAccumulator *delta;
	const LsEventReader *reader;
	LsEventRow event;
} LsAddition;

static void
add(void *arg)
{
	const LsAddition *addition = arg;

	ls_accumulator_add(addition->delta,
					   addition->reader,
					   &addition->event,
					   addition->delta->frame->as_of_us,
					   NULL);
}

/* add_event: to the delta of its contact. Where a rule raises, the flush finds out. */
static void
add_event(const LsEventNote *note, const LsEventColumn *column, HeapTuple tuple)
{
	LsAddition addition = {NULL, &column->reader, {tuple, NULL}};
	LsFrame *frame;
	LsKey key;
	ErrorData *error;

	if (!get_key(note, column, tuple, &key))
		return;
	addition.delta = ls_pending_delta(note->pending, key, note->table->engagement);
	if (addition.delta == NULL)
		return;
	frame = ls_accumulator_own_frame(addition.delta);
	frame->as_of_us = Max(frame->as_of_us, GetCurrentTimestamp());
	if (!column->may_raise)
		add(&addition);
	else if (!ls_attempt(add, &addition, &error))
		note_contact(note, column, tuple);
}

/*
 * can_add: will nobody have read the event before the delta is applied, and is it
 * as it was inserted?
 */
static bool
can_add(const LsEventNote *note, const TriggerData *data)
{
	return TRIGGER_FIRED_BY_INSERT(data->tg_event) && note->table->engagement != NULL &&
		   ls_guc_apply != LS_APPLY_QUEUE && !IsolationUsesXactSnapshot() &&
		   !ls_pending_is_superseded(data->tg_trigtuple) &&
		   !ls_pending_was_read(data->tg_trigtuple);
}

/* is_same: do both versions of the row agree in what the matcher looks at? */
static bool
is_same(const LsRowMap *map, const TriggerData *data)
{
	return ls_match_same_columns(map, 1, data->tg_trigtuple, data->tg_newtuple);
}

/* is_unaffected: does the update leave all as it was that rules look at? */
static bool
is_unaffected(const LsEventNote *note, const TriggerData *data)
{
	ListCell *cell;

	if (!TRIGGER_FIRED_BY_UPDATE(data->tg_event) || note->table->engagement == NULL)
		return false;
	foreach(cell, note->table->columns)
	{
		const LsEventReader *reader = &((LsEventColumn *) lfirst(cell))->reader;

		if (!is_same(reader->map, data) ||
			(reader->gate != NULL && !is_same(reader->gate, data)))
			return false;
	}
	return true;
}

/* note_event: the contacts of both versions of the row. */
static void
note_event(const LsEventNote *note, const TriggerData *data)
{
	bool is_new = can_add(note, data);
	ListCell *cell;

	if (is_unaffected(note, data))
	{
		ls_passed_note(note->name, note->table->key_type);
		return;
	}
	foreach(cell, note->table->columns)
	{
		if (is_new)
			add_event(note, lfirst(cell), data->tg_trigtuple);
		else
			note_contact(note, lfirst(cell), data->tg_trigtuple);
		if (TRIGGER_FIRED_BY_UPDATE(data->tg_event))
			note_contact(note, lfirst(cell), data->tg_newtuple);
	}
	ls_flush_if_full(note->pending);
}

/* note_change: as lead_scoring.apply says. */
static void
note_change(LsEventNote *note, const TriggerData *data)
{
	if (!find_table(note) || note->table->columns == NIL)
		return;
	note->pending = ls_pending_model(note->name, note->table->key_type);
	if (ls_guc_apply == LS_APPLY_OFF &&
		ls_relation_may_change(note->table->contacts, GetUserId()))
		ls_pending_off(note->pending);
	else if (TRIGGER_FIRED_BY_TRUNCATE(data->tg_event))
		ls_pending_everyone(note->pending, "events were truncated", LS_CAUSE_EVENT);
	else if (note->table->is_opaque)
		ls_pending_everyone(note->pending,
							"the contact ids of events have another type or name",
							LS_CAUSE_EVENT);
	else
	{
		note->pending->queue |= ls_guc_apply == LS_APPLY_QUEUE;
		note_event(note, data);
	}
}

/*
 * event_changed('model'): AFTER trigger of a table of events: for each row, for
 * TRUNCATE, and for each statement.
 */
Datum
ls_sql_event_changed(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	LsEventNote note = {0};

	ls_flush_check_trigger(fcinfo, "event_changed");
	note.name = data->tg_trigger->tgargs[0];
	note.rel = data->tg_relation;
	if (TRIGGER_FIRED_FOR_ROW(data->tg_event) ||
		TRIGGER_FIRED_BY_TRUNCATE(data->tg_event))
		note_change(&note, data);
	if (!TRIGGER_FIRED_FOR_ROW(data->tg_event) && ls_guc_apply == LS_APPLY_STATEMENT)
		ls_flush_now();
	return PointerGetDatum(NULL);
}
