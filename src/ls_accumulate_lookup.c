/*
 * ls_accumulate_lookup.c: the triggers on lookups: note whose companies changed.
 *
 * As on contacts: nothing is read, locked or written here. At commit the contacts
 * are looked for by the keys (ls_apply_lookup.c).
 */
#include "postgres.h"

#include "ls_attempt.h"
#include "ls_compat.h"
#include "ls_flush.h"
#include "ls_guc.h"
#include "ls_lifecycle.h"
#include "ls_passed.h"
#include "ls_pending.h"
#include "ls_relation.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(ls_sql_lookup_changed);

/* LsRoleMap: how a matcher reads the table's rows, as those of a relation of its. */
typedef struct LsRoleMap
{
	LsRowMap *map;
	int relno;
} LsRoleMap;

/* LsLookupRole: a lookup that a table is, or is a part of. */
typedef struct LsLookupRole
{
	char *alias;
	AttrNumber key; /* column of the table */
	Oid type;		/* of the key, no domain */
	int16 typlen;
	bool typbyval;
	LsLookup *lookup; /* NULL where the model cannot be compiled */
	List *maps;		  /* of LsRoleMap: all that look at it */
} LsLookupRole;

typedef struct LsLookupTableKey
{
	char model[NAMEDATALEN];
	Oid relid;
} LsLookupTableKey;

/* LsLookupTable: what a model has to do with a table; as of a generation. */
typedef struct LsLookupTable
{
	LsLookupTableKey key;
	uint64 generation;
	MemoryContext context; /* of the rest */
	Oid contacts;
	Oid key_type;	   /* of the contacts, as stored; InvalidOid = not to be followed */
	List *roles;	   /* of LsLookupRole */
	bool is_opaque;	   /* a lookup, but the keys of its rows cannot be told */
	TimestampTz tried; /* in which transaction it could not be filled; 0 = it was */
} LsLookupTable;

static HTAB *lookup_tables = NULL;

/* LsLookupFiring: one firing of the trigger. */
typedef struct LsLookupFiring
{
	const char *name;
	Relation rel;
	LsLookupTable *table;
	LsPendingModel *pending;
} LsLookupFiring;

/* ---- what the table is -------------------------------------------------- */

/* add_role: of one lookup. A renamed key, say, makes the table opaque. */
static void
add_role(LsLookupTable *table, const LsLookupRow *row)
{
	Oid relid = table->key.relid;
	LsLookupRole *role = palloc0(sizeof(LsLookupRole));

	role->alias = row->alias;
	role->key = get_attnum(relid, row->key);
	table->roles = lappend(table->roles, role);
	if (role->key > 0)
		role->type = getBaseType(get_atttype(relid, role->key));
	if (!OidIsValid(role->type) || !OidIsValid(get_array_type(role->type)))
		table->is_opaque = true;
	else
		get_typlenbyval(role->type, &role->typlen, &role->typbyval);
}

/*
 * add_missing: as a table of events (ls_accumulate_event.c), one of the contacts' owner
 * may be a lookup under another name.
 */
static void
add_missing(LsLookupTable *table, const List *lookups)
{
	const ListCell *cell;

	if (ls_relation_owner(table->key.relid) != ls_relation_owner(table->contacts))
		return;
	foreach(cell, lookups)
	{
		const LsLookupRow *lookup = lfirst(cell);

		if (!OidIsValid(ls_relation_by_name(lookup->relation)))
			add_role(table, lookup);
	}
}

/* read_table: from the configuration; the model need not compile. */
static void
read_table(void *arg)
{
	LsLookupFiring *firing = arg;
	LsLookupTable *table = firing->table;
	LsModelRow *row = ls_catalog_model(firing->name, true);
	List *lookups;
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
	lookups = ls_catalog_lookups(firing->name);
	foreach(cell, lookups)
	{
		const LsLookupRow *lookup = lfirst(cell);
		Oid relid = ls_relation_by_name(lookup->relation);

		if (OidIsValid(relid) && ls_relation_is_part_of(table->key.relid, relid))
			add_role(table, lookup);
	}
	if (table->roles == NIL)
		add_missing(table, lookups);
}

static void
add_map(LsLookupRole *role, const LsMatcher *matcher, int relno, TupleDesc desc)
{
	TupleDesc *descs = palloc0(sizeof(TupleDesc) * relno);
	LsRoleMap *map = palloc(sizeof(LsRoleMap));

	descs[relno - 1] = desc;
	map->map = ls_match_map_rows(matcher, descs, relno);
	map->relno = relno;
	role->maps = lappend(role->maps, map);
}

/* add_maps: of the matchers that look at the nth lookup. */
static void
add_maps(LsLookupRole *role, LsModel *model, int number, TupleDesc desc)
{
	/* The contact comes before it; in the lifecycle also the score. */
	add_map(role, model->fit, number + 1, desc);
	if (model->population != NULL)
		add_map(role, model->population, number + 1, desc);
	if (ls_lifecycle_is_needed(model))
		add_map(role, ls_lifecycle_get(model)->matcher, number + 2, desc);
}

/*
 * use_model: its lookups, and all matchers that look at them. A write waits for
 * nobody who has locked the contacts.
 */
static void
use_model(void *arg)
{
	LsLookupFiring *firing = arg;
	LsModel *model;
	ListCell *cell;
	ListCell *other;

	if (!ls_model_is_free(firing->name))
	{
		firing->table->tried = GetCurrentTransactionStartTimestamp();
		return;
	}
	model = ls_model_get(firing->name);
	foreach(cell, firing->table->roles)
		foreach(other, model->lookups)
		{
			LsLookupRole *role = lfirst(cell);
			LsLookup *lookup = lfirst(other);

			if (strcmp(lookup->row->alias, role->alias) != 0)
				continue;
			add_maps(role,
					 model,
					 foreach_current_index(other) + 1,
					 RelationGetDescr(firing->rel));
			role->lookup = lookup;
		}
}

/* fill_table: false where upkeep cannot tell whose the rows are. */
static bool
fill_table(LsLookupFiring *firing)
{
	LsLookupTable *table = firing->table;
	MemoryContext old = MemoryContextSwitchTo(table->context);
	ErrorData *error;
	bool filled = ls_attempt(read_table, firing, &error);

	if (!filled)
		table->key_type = InvalidOid;
	else if (table->roles != NIL && !ls_model_is_broken(firing->name) &&
			 !ls_attempt(use_model, firing, &error))
		ls_model_mark_broken(firing->name);
	MemoryContextSwitchTo(old);
	return filled;
}

static LsLookupTable *
find_table(const LsLookupFiring *firing)
{
	LsLookupTableKey key = {{0}, RelationGetRelid(firing->rel)};
	HASHCTL control = {.keysize = sizeof(LsLookupTableKey),
					   .entrysize = sizeof(LsLookupTable),
					   .hcxt = TopMemoryContext};
	LsLookupTable *table;
	bool found;

	strlcpy(key.model, firing->name, NAMEDATALEN);
	if (lookup_tables == NULL)
		lookup_tables = hash_create("lead_scoring lookup tables",
									16,
									&control,
									HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	table = hash_search(lookup_tables, &key, HASH_ENTER, &found);
	if (found)
		return table;
	memset((char *) table + sizeof(key), 0, sizeof(LsLookupTable) - sizeof(key));
	table->context = AllocSetContextCreate(TopMemoryContext,
										   "lead_scoring lookup table",
										   ALLOCSET_SMALL_SIZES);
	return table;
}

/* know_table: false where there is nothing to be done. */
static bool
know_table(LsLookupFiring *firing)
{
	uint64 generation = ls_model_generation;
	LsLookupTable *table = find_table(firing);

	firing->table = table;
	if (table->generation != generation ||
		(table->tried != 0 && table->tried != GetCurrentTransactionStartTimestamp()))
	{
		table->generation = 0;
		table->tried = 0;
		MemoryContextReset(table->context);
		table->roles = NIL;
		table->is_opaque = false;
		table->key_type = InvalidOid;
		ls_model_watch(table->key.relid);
		if (!fill_table(firing))
			ls_flush_warn(firing->name);
		table->generation = generation;
	}
	return OidIsValid(table->key_type) && table->roles != NIL;
}

/* ---- what changed ------------------------------------------------------- */

static Datum
get_key(const LsLookupFiring *firing,
		const LsLookupRole *role,
		HeapTuple tuple,
		bool *is_null)
{
	return heap_getattr(tuple, role->key, RelationGetDescr(firing->rel), is_null);
}

static void
note_key(const LsLookupFiring *firing, const LsLookupRole *role, HeapTuple tuple)
{
	LsBuckets bucket = LS_ALL_BUCKETS;
	bool is_null;
	Datum key = get_key(firing, role, tuple, &is_null);

	if (is_null)
		return;
	if (role->lookup != NULL)
		bucket = ls_lookup_bucket(ls_lookup_hash_key(role->lookup, key));
	ls_lookup_note_key(&firing->pending->lookups, role->alias, role->type, key, bucket);
}

static bool
is_same_key(const LsLookupFiring *firing,
			const LsLookupRole *role,
			HeapTuple old_tuple,
			HeapTuple new_tuple)
{
	bool old_null;
	bool new_null;
	Datum old_key = get_key(firing, role, old_tuple, &old_null);
	Datum new_key = get_key(firing, role, new_tuple, &new_null);

	if (old_null || new_null)
		return old_null && new_null;
	return datum_image_eq(old_key, new_key, role->typbyval, role->typlen);
}

/* is_unaffected: does the update leave all that conditions look at as it was? */
static bool
is_unaffected(const LsLookupRole *role, HeapTuple old_tuple, HeapTuple new_tuple)
{
	ListCell *cell;

	if (role->lookup == NULL)
		return false;
	foreach(cell, role->maps)
	{
		const LsRoleMap *map = lfirst(cell);

		if (!ls_match_same_columns(map->map, map->relno, old_tuple, new_tuple))
			return false;
	}
	return true;
}

static void
note_role(const LsLookupFiring *firing,
		  const LsLookupRole *role,
		  const TriggerData *data)
{
	HeapTuple tuple = data->tg_trigtuple;

	if (!TRIGGER_FIRED_BY_UPDATE(data->tg_event))
	{
		note_key(firing, role, tuple);
		return;
	}
	if (is_same_key(firing, role, tuple, data->tg_newtuple))
	{
		if (!is_unaffected(role, tuple, data->tg_newtuple))
			note_key(firing, role, tuple);
		else
			ls_passed_note(firing->name, firing->table->key_type);
		return;
	}
	note_key(firing, role, tuple);
	note_key(firing, role, data->tg_newtuple);
}

/* note_change: as lead_scoring.apply says. */
static void
note_change(LsLookupFiring *firing, const TriggerData *data)
{
	ListCell *cell;

	if (!know_table(firing))
		return;
	firing->pending = ls_pending_model(firing->name, firing->table->key_type);
	if (ls_guc_apply == LS_APPLY_OFF &&
		ls_relation_may_change(firing->table->contacts, GetUserId()))
		ls_pending_off(firing->pending);
	else if (TRIGGER_FIRED_BY_TRUNCATE(data->tg_event))
		ls_pending_everyone(firing->pending,
							"a lookup was truncated",
							LS_CAUSE_CONTACT);
	else if (firing->table->is_opaque)
		ls_pending_everyone(firing->pending,
							"the keys of a lookup have another type or name",
							LS_CAUSE_CONTACT);
	else
	{
		firing->pending->queue |= ls_guc_apply == LS_APPLY_QUEUE;
		foreach(cell, firing->table->roles)
			note_role(firing, lfirst(cell), data);
		ls_flush_if_full(firing->pending);
	}
}

/*
 * lookup_changed('model'): AFTER trigger of a lookup's table: for each row, for
 * TRUNCATE, and for each statement.
 */
Datum
ls_sql_lookup_changed(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	LsLookupFiring firing = {0};

	ls_flush_check_trigger(fcinfo, "lookup_changed");
	firing.name = data->tg_trigger->tgargs[0];
	firing.rel = data->tg_relation;
	if (TRIGGER_FIRED_FOR_ROW(data->tg_event) ||
		TRIGGER_FIRED_BY_TRUNCATE(data->tg_event))
		note_change(&firing, data);
	if (!TRIGGER_FIRED_FOR_ROW(data->tg_event) && ls_guc_apply == LS_APPLY_STATEMENT)
		ls_flush_now();
	return PointerGetDatum(NULL);
}
