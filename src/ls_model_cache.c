/*
 * ls_model_cache.c: compiled models, kept until something they follow from
 * changes.
 *
 * Triggers on the configuration tables send relcache invalidations of those
 * tables; the callbacks here only count. The next use reads the rows again and
 * compiles anew where they differ, or where a relation was altered.
 */
#include "ls_model_compile.h"
#include "ls_model_sign.h"

#include "ls_catalog_life.h"
#include "ls_compat.h"
#include "ls_key.h"
#include "ls_relation.h"

#include "access/sysattr.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "storage/lmgr.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

uint64 ls_model_generation = 1;
uint64 ls_upkeep_generation = 1;

/* Changes where the rows alone do not tell: tables, functions, schemas. */
static uint64 object_generation = 1;

typedef struct LsCacheEntry
{
	char name[NAMEDATALEN]; /* key */
	LsModel *model;			/* or NULL */
	uint64 checked;			/* ls_model_generation when it was last current */
	uint64 objects;			/* object_generation when it was compiled */
	uint64 broken;			/* ls_model_generation when compiling failed */
} LsCacheEntry;

/* LsWatch: what follows from a relation. */
typedef enum LsWatch
{
	WATCH_UPKEEP, /* a per-model table: nothing that is compiled */
	WATCH_CONFIG, /* a configuration table: what follows from its rows */
	WATCH_ALL
} LsWatch;

typedef struct LsWatched
{
	Oid relid; /* key */
	LsWatch watch;
} LsWatched;

static HTAB *cache = NULL;
static HTAB *watched = NULL;
static List *dead_models = NIL; /* memory contexts, see bury */

static void
forget_relation(Datum arg, Oid relid)
{
	LsWatched *entry = NULL;

	if (OidIsValid(relid))
	{
		entry = hash_search(watched, &relid, HASH_FIND, NULL);
		if (entry == NULL)
			return;
	}
	ls_upkeep_generation++;
	if (entry != NULL && entry->watch == WATCH_UPKEEP)
		return;
	ls_model_generation++;
	if (entry == NULL || entry->watch == WATCH_ALL)
		object_generation++;
}

static void
forget_objects(Datum arg, int cacheid, uint32 hashvalue)
{
	ls_upkeep_generation++;
	ls_model_generation++;
	object_generation++;
}

static void
watch(Oid relid, LsWatch what)
{
	bool found;
	LsWatched *entry = hash_search(watched, &relid, HASH_ENTER, &found);

	entry->watch = found ? Max(entry->watch, what) : what;
}

/*
 * ls_model_watch: let changes of the relation invalidate what was compiled.
 */
void
ls_model_watch(Oid relid)
{
	watch(relid, WATCH_ALL);
}

/*
 * ls_model_watch_upkeep: let changes of a per-model table be counted.
 */
void
ls_model_watch_upkeep(Oid relid)
{
	watch(relid, WATCH_UPKEEP);
}

static void
free_dead_models(XactEvent event, void *arg)
{
	ListCell *cell;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		event != XACT_EVENT_PREPARE && event != XACT_EVENT_PARALLEL_COMMIT &&
		event != XACT_EVENT_PARALLEL_ABORT)
		return;
	foreach(cell, dead_models)
		MemoryContextDelete(lfirst(cell));
	list_free(dead_models);
	dead_models = NIL;
}

/*
 * ls_model_cache_init: once a backend.
 */
void
ls_model_cache_init(void)
{
	HASHCTL control = {0};

	control.keysize = NAMEDATALEN;
	control.entrysize = sizeof(LsCacheEntry);
	cache = hash_create("lead_scoring models", 8, &control, HASH_ELEM | HASH_STRINGS);
	control.keysize = sizeof(Oid);
	control.entrysize = sizeof(LsWatched);
	watched =
		hash_create("lead_scoring relations", 32, &control, HASH_ELEM | HASH_BLOBS);
	RegisterXactCallback(free_dead_models, NULL);
	CacheRegisterRelcacheCallback(forget_relation, (Datum) 0);
	CacheRegisterSyscacheCallback(PROCOID, forget_objects, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, forget_objects, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, forget_objects, (Datum) 0);
}

/* ---- reading ---------------------------------------------------------- */

static void
watch_config(void)
{
	static const char *const tables[] = {"model",
										 "rule_group",
										 "fit_rule",
										 "threshold",
										 "lookup",
										 "event_source",
										 "engagement_rule",
										 "stage",
										 "transition",
										 "action",
										 "milestone"};

	for (int i = 0; i < lengthof(tables); i++)
		watch(ls_catalog_relid(tables[i]), WATCH_CONFIG);
}

/* read_model: everything but what is compiled. */
static LsModel *
read_model(const char *name, MemoryContext scratch, LsRows *rows)
{
	LsModel *model = palloc0(sizeof(LsModel));
	MemoryContext old;

	model->context = CurrentMemoryContext;
	model->row = ls_catalog_model(name, false);
	model->relid = ls_relation_of_model(model->row, false);
	model->owner = ls_relation_owner(model->relid);
	model->thresholds = ls_catalog_thresholds(name);
	model->groups = ls_catalog_groups(name);
	model->sources = ls_catalog_sources(name);
	model->behaviour = ls_model_enabled_behaviour(ls_catalog_engagement_rules(name));
	model->milestones = ls_catalog_milestones(name);
	model->stages = ls_catalog_stages(name);
	model->transitions = ls_catalog_transitions(name);
	model->actions = ls_catalog_actions(name);

	old = MemoryContextSwitchTo(scratch);
	rows->fit_rules = ls_model_enabled(ls_catalog_fit_rules(name));
	rows->groups = model->groups;
	rows->lookups = ls_catalog_lookups(name);
	ls_model_sign(model, rows);
	MemoryContextSwitchTo(old);
	return model;
}

/* ---- the cache -------------------------------------------------------- */

/* find_entry: NULL where there is none. */
static LsCacheEntry *
find_entry(const char *name)
{
	if (strlen(name) >= NAMEDATALEN)
		return NULL;
	return hash_search(cache, name, HASH_FIND, NULL);
}

static LsCacheEntry *
find_or_add_entry(const char *name)
{
	bool found;
	LsCacheEntry *entry = hash_search(cache, name, HASH_ENTER, &found);

	if (!found)
		memset((char *) entry + NAMEDATALEN, 0, sizeof(LsCacheEntry) - NAMEDATALEN);
	return entry;
}

static bool
is_current(const LsCacheEntry *entry, const LsModel *fresh)
{
	return entry->model != NULL && entry->objects == object_generation &&
		   entry->model->signature[0] == fresh->signature[0] &&
		   entry->model->signature[1] == fresh->signature[1];
}

/*
 * bury: a model that was replaced may still be in use further up the stack: it
 * goes with the transaction.
 */
static void
bury(LsModel *model)
{
	MemoryContext old;

	if (model == NULL)
		return;
	old = MemoryContextSwitchTo(TopMemoryContext);
	dead_models = lappend(dead_models, model->context);
	MemoryContextSwitchTo(old);
}

/*
 * refresh_entry: read the rows again and compile where they differ. Counters
 * are taken before reading: what changes meanwhile is seen next time.
 */
static void
refresh_entry(LsCacheEntry *entry, const char *name)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "lead_scoring model",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext,
												  "lead_scoring conditions",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	uint64 generation = ls_model_generation;
	uint64 objects = object_generation;
	LsRows rows;
	LsModel *fresh;

	watch_config();
	fresh = read_model(name, scratch, &rows);
	ls_model_watch(fresh->relid);
	if (!is_current(entry, fresh))
	{
		ls_model_compile(fresh, &rows, scratch);
		MemoryContextSetParent(context, CacheMemoryContext);
		bury(entry->model);
		entry->model = fresh;
		entry->objects = objects;
	}
	entry->checked = generation;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
	if (entry->model != fresh)
		MemoryContextDelete(context);
}

/* forget_dropped: models that are gone, when a new one comes. */
static void
forget_dropped(void)
{
	HASH_SEQ_STATUS scan;
	LsCacheEntry *entry;

	hash_seq_init(&scan, cache);
	while ((entry = hash_seq_search(&scan)) != NULL)
		if (entry->checked != ls_model_generation &&
			ls_catalog_model(entry->name, true) == NULL)
		{
			bury(entry->model);
			hash_search(cache, entry->name, HASH_REMOVE, NULL);
		}
}

/*
 * ls_model_get: the compiled model.
 *
 * Errors: 42704 for an unknown name; what a condition raises that can no longer
 * be read, with its rule's name.
 */
LsModel *
ls_model_get(const char *name)
{
	LsCacheEntry *entry = find_entry(name);

	if (entry == NULL)
	{
		ls_catalog_model(name, false);
		forget_dropped();
		entry = find_or_add_entry(name);
	}
	if (entry->model == NULL || entry->checked != ls_model_generation)
		refresh_entry(entry, name);
	return entry->model;
}

/*
 * ls_model_is_current: will ls_model_get find it compiled?
 */
bool
ls_model_is_current(const char *name)
{
	LsCacheEntry *entry = find_entry(name);

	return entry != NULL && entry->model != NULL &&
		   entry->checked == ls_model_generation;
}

static LsTableMap *
find_table_map(const LsModel *model, Oid relid)
{
	return model->table_maps == NULL
			   ? NULL
			   : hash_search(model->table_maps, &relid, HASH_FIND, NULL);
}

/*
 * ls_model_has_table_map: will ls_model_get and ls_model_table_map find all that
 * they need, so that they cannot raise?
 */
bool
ls_model_has_table_map(const char *name, Oid relid)
{
	const LsTableMap *map = NULL;

	if (ls_model_is_current(name))
		map = find_table_map(find_entry(name)->model, relid);
	return map != NULL && map->life != NULL;
}

/* is_free: nobody has it locked for TRUNCATE or ALTER TABLE. */
static bool
is_free(Oid relid)
{
	if (!OidIsValid(relid))
		return true;
	if (!ConditionalLockRelationOid(relid, AccessShareLock))
		return false;
	UnlockRelationOid(relid, AccessShareLock);
	return true;
}

/*
 * ls_model_is_free: can it be had without waiting for somebody who has locked the
 * contacts or a lookup?
 */
bool
ls_model_is_free(const char *name)
{
	const LsModelRow *row;
	ListCell *cell;

	if (ls_model_is_current(name))
		return true;
	row = ls_catalog_model(name, true);
	if (row == NULL)
		return true;
	if (!is_free(ls_relation_of_model(row, true)))
		return false;
	foreach(cell, ls_catalog_lookups(name))
		if (!is_free(ls_relation_by_name(((LsLookupRow *) lfirst(cell))->relation)))
			return false;
	return true;
}

/*
 * ls_model_is_broken: did compiling fail, and nothing change since?
 */
bool
ls_model_is_broken(const char *name)
{
	LsCacheEntry *entry = find_entry(name);

	return entry != NULL && entry->broken == ls_model_generation;
}

void
ls_model_mark_broken(const char *name)
{
	if (strlen(name) < NAMEDATALEN)
		find_or_add_entry(name)->broken = ls_model_generation;
}

/* enter_table_map: only when it is complete. */
static LsTableMap *
enter_table_map(LsModel *model, const LsTableMap *map)
{
	HASHCTL control = {.keysize = sizeof(Oid),
					   .entrysize = sizeof(LsTableMap),
					   .hcxt = model->context};
	LsTableMap *entry;

	if (model->table_maps == NULL)
		model->table_maps = hash_create("lead_scoring table maps",
										16,
										&control,
										HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	entry = hash_search(model->table_maps, &map->relid, HASH_ENTER, NULL);
	*entry = *map;
	return entry;
}

/* find_links: the columns that lookups are by. */
static AttrNumber *
find_links(const LsModel *model, Oid relid)
{
	AttrNumber *links = palloc0(sizeof(AttrNumber) * (list_length(model->lookups) + 1));
	ListCell *cell;

	foreach(cell, model->lookups)
		links[foreach_current_index(cell)] =
			ls_relation_column(relid, ((LsLookup *) lfirst(cell))->row->contact_column);
	return links;
}

/*
 * ls_model_table_map: how to read rows of a table that has the model's trigger.
 */
const LsTableMap *
ls_model_table_map(LsModel *model, Oid relid, TupleDesc desc)
{
	LsTableMap *found = find_table_map(model, relid);
	LsTableMap map = {.relid = relid};
	MemoryContext old;

	if (found != NULL)
		return found;
	ls_model_watch(relid);
	old = MemoryContextSwitchTo(model->context);
	if (ls_relation_is_part_of(relid, model->relid))
	{
		map.key = ls_relation_column(relid, model->row->contact_id);
		map.key_type = ls_key_stored_type(getBaseType(get_atttype(relid, map.key)));
		map.links = find_links(model, relid);
	}
	if (model->row->stage_column != NULL)
		map.stage = ls_relation_column(relid, model->row->stage_column);
	map.fit = ls_match_map_row(model->fit, desc);
	if (model->population != NULL)
		map.population = ls_match_map_row(model->population, desc);
	MemoryContextSwitchTo(old);
	return enter_table_map(model, &map);
}

static Bitmapset *
add_column(Bitmapset *columns, AttrNumber attno)
{
	if (attno == InvalidAttrNumber)
		return columns;
	return bms_add_member(columns, attno - FirstLowInvalidHeapAttributeNumber);
}

/* find_columns: all that scores and moves follow from. */
static Bitmapset *
find_columns(const LsModel *model, const LsTableMap *map, const LsRowMap *life)
{
	Bitmapset *columns = ls_match_add_columns(map->fit, 1, NULL);

	if (map->population != NULL)
		columns = ls_match_add_columns(map->population, 1, columns);
	columns = ls_match_add_columns(life, 2, columns);
	columns = add_column(columns, map->key);
	columns = add_column(columns, map->stage);
	if (model->row->created_column != NULL)
		columns =
			add_column(columns, get_attnum(map->relid, model->row->created_column));
	for (int i = 0; map->links != NULL && i < list_length(model->lookups); i++)
		columns = add_column(columns, map->links[i]);
	return columns;
}

/*
 * ls_model_complete_table_map: with what the lifecycle looks at, which is compiled
 * above us.
 */
void
ls_model_complete_table_map(LsModel *model, Oid relid, LsRowMap *life)
{
	LsTableMap *map = find_table_map(model, relid);
	MemoryContext old = MemoryContextSwitchTo(model->context);

	map->columns = find_columns(model, map, life);
	map->life = life;
	MemoryContextSwitchTo(old);
}
