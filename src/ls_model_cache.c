/*
 * ls_model_cache.c: compiled models, kept until something they follow from
 * changes.
 *
 * Triggers on the configuration tables send relcache invalidations of those
 * tables; the callbacks here only count. The next use reads the rows again and
 * compiles anew where they differ, or where a relation was altered.
 */
#include "ls_model_compile.h"

#include "ls_compat.h"
#include "ls_key.h"
#include "ls_relation.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

uint64 ls_model_generation = 1;

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

typedef struct LsWatched
{
	Oid relid;	 /* key */
	bool config; /* a configuration table: only its rows matter */
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
	ls_model_generation++;
	if (entry == NULL || !entry->config)
		object_generation++;
}

static void
forget_objects(Datum arg, int cacheid, uint32 hashvalue)
{
	ls_model_generation++;
	object_generation++;
}

static void
watch(Oid relid, bool config)
{
	bool found;
	LsWatched *entry = hash_search(watched, &relid, HASH_ENTER, &found);

	if (!found)
		entry->config = config;
}

/*
 * ls_model_watch: let changes of the relation invalidate what was compiled.
 */
void
ls_model_watch(Oid relid)
{
	watch(relid, false);
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
										 "event_source",
										 "engagement_rule"};

	for (int i = 0; i < lengthof(tables); i++)
		watch(ls_catalog_relid(tables[i]), true);
}

static void
sign_text(StringInfo out, const char *text)
{
	if (text == NULL)
		appendStringInfoString(out, "-;");
	else
		appendStringInfo(out, "%zu:%s;", strlen(text), text);
}

static void
sign_double(StringInfo out, double value)
{
	appendStringInfo(out, "%.17g;", value);
}

static void
sign_limits(StringInfo out, LsLimits limits)
{
	sign_double(out, limits.min);
	sign_double(out, limits.max);
}

static void
sign_model(StringInfo out, const LsModelRow *row)
{
	sign_text(out, row->population);
	sign_text(out, row->search_path);
	sign_double(out, row->fit_weight);
	sign_double(out, row->engagement_weight);
	sign_double(out, row->intent_weight);
	sign_limits(out, row->fit);
	sign_limits(out, row->engagement);
	sign_limits(out, row->intent);
	sign_limits(out, row->total);
	sign_text(out, row->time_zone);
	sign_text(out, row->created_column);
}

static void
sign_sources(StringInfo out, List *sources)
{
	ListCell *cell;

	foreach(cell, sources)
	{
		const LsSourceRow *source = lfirst(cell);

		sign_text(out, source->name);
		sign_text(out, source->relation);
		sign_text(out, source->contact_id);
		sign_text(out, source->occurred_at);
		sign_text(out, source->time_zone);
		sign_text(out, source->condition);
		sign_text(out, source->activity);
	}
}

static void
sign_timing(StringInfo out, const LsEngagementRow *rule)
{
	const int64 times[] = {rule->within_us,
						   rule->after_us,
						   rule->counts_from,
						   rule->counts_until,
						   rule->repeat_every_us,
						   rule->grace_us,
						   rule->half_life_us,
						   rule->linear_over_us,
						   rule->decay_every_us,
						   rule->expires_after_us,
						   rule->max_count,
						   rule->at_least,
						   rule->at_most,
						   rule->if_never_created,
						   rule->step_order};

	for (int i = 0; i < lengthof(times); i++)
		appendStringInfo(out, INT64_FORMAT ";", times[i]);
	sign_double(out, rule->decay_percent);
}

static void
sign_behaviour(StringInfo out, List *rules)
{
	ListCell *cell;
	ListCell *step;

	foreach(cell, rules)
	{
		const LsEngagementRow *rule = lfirst(cell);

		appendStringInfo(out, "%d;%d;", rule->kind, rule->is_intent);
		sign_text(out, rule->group_name);
		sign_text(out, rule->source);
		sign_text(out, rule->condition);
		sign_double(out, rule->points);
		sign_text(out, rule->distinct_by);
		sign_text(out, rule->value);
		sign_text(out, rule->unless);
		sign_text(out, rule->requires);
		sign_text(out, rule->hit);
		foreach(step, rule->steps)
			sign_text(out, lfirst(step));
		sign_timing(out, rule);
	}
}

static void
sign_rules(StringInfo out, const LsModel *model, const LsRows *rows)
{
	ListCell *cell;

	foreach(cell, rows->groups)
	{
		const LsGroupRow *group = lfirst(cell);

		sign_text(out, group->name);
		sign_text(out, group->dimension);
		sign_limits(out, group->limits);
	}
	foreach(cell, rows->fit_rules)
	{
		const LsFitRow *rule = lfirst(cell);

		sign_text(out, rule->condition);
		sign_text(out, rule->group_name);
		sign_double(out, rule->points);
	}
	sign_sources(out, model->sources);
	sign_behaviour(out, model->behaviour);
	foreach(cell, model->thresholds)
	{
		const LsThresholdRow *threshold = lfirst(cell);

		sign_text(out, threshold->score);
		sign_text(out, threshold->label);
		sign_double(out, threshold->min_score);
	}
}

/* sign_names: what does not change a score, but what errors and reasons show. */
static void
sign_names(StringInfo out, const LsModel *model, const LsRows *rows)
{
	ListCell *cell;

	appendStringInfo(out, "%u;%u;", model->relid, model->owner);
	sign_text(out, model->row->contact_id);
	sign_text(out, model->row->stage_column);
	sign_text(out, model->row->status);
	sign_text(out, model->row->objects_schema);
	sign_text(out, model->row->owner);
	appendStringInfo(out,
					 "%d;" INT64_FORMAT ";",
					 model->row->has_scored_stamp,
					 model->row->scored_stamp);
	foreach(cell, rows->fit_rules)
		sign_text(out, ((LsFitRow *) lfirst(cell))->name);
	foreach(cell, model->behaviour)
		sign_text(out, ((LsEngagementRow *) lfirst(cell))->name);
}

static uint64
hash_text(const StringInfo text, uint64 seed)
{
	return hash_bytes_extended((const unsigned char *) text->data, text->len, seed);
}

/* read_model: everything but what is compiled. */
static LsModel *
read_model(const char *name, MemoryContext scratch, LsRows *rows)
{
	LsModel *model = palloc0(sizeof(LsModel));
	MemoryContext old;
	StringInfoData signature;

	model->context = CurrentMemoryContext;
	model->row = ls_catalog_model(name, false);
	model->relid = ls_relation_of_model(model->row, false);
	model->owner = ls_relation_owner(model->relid);
	model->thresholds = ls_catalog_thresholds(name);
	model->groups = ls_catalog_groups(name);
	model->sources = ls_catalog_sources(name);
	model->behaviour = ls_model_enabled_behaviour(ls_catalog_engagement_rules(name));

	old = MemoryContextSwitchTo(scratch);
	rows->fit_rules = ls_model_enabled(ls_catalog_fit_rules(name));
	rows->groups = model->groups;
	initStringInfo(&signature);
	sign_sources(&signature, model->sources);
	model->sources_stamp = (int64) hash_text(&signature, 0);
	resetStringInfo(&signature);
	sign_model(&signature, model->row);
	sign_rules(&signature, model, rows);
	model->stamp = (int64) hash_text(&signature, 0);
	sign_names(&signature, model, rows);
	model->signature[0] = hash_text(&signature, 1);
	model->signature[1] = hash_text(&signature, 2);
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
	if (is_current(entry, fresh))
		MemoryContextDelete(context);
	else
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
	return ls_model_is_current(name) &&
		   find_table_map(find_entry(name)->model, relid) != NULL;
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
	}
	map.fit = ls_match_map_row(model->fit, desc);
	if (model->population != NULL)
		map.population = ls_match_map_row(model->population, desc);
	MemoryContextSwitchTo(old);
	return enter_table_map(model, &map);
}
