/*
 * ls_batch_lookup.c: rows of lookups that were changed, in the queue: whose contacts
 * are to be looked at?
 */
#include "ls_batch.h"

#include "ls_attempt.h"
#include "ls_compat.h"
#include "ls_guard.h"
#include "ls_lookup_lock.h"
#include "ls_relation.h"

#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#define KEYS 100

/* LsQueuedKeys: keys of a lookup that are in the queue. */
typedef struct LsQueuedKeys
{
	const LsObjects *objects;
	Datum ids; /* bigint[] */
} LsQueuedKeys;

/*
 * ls_batch_lock_lookups: before the score rows, as the contacts are.
 */
void
ls_batch_lock_lookups(const LsRun *run)
{
	ListCell *cell;

	foreach(cell, ls_catalog_lookups(run->model))
	{
		Oid relid = ls_relation_by_name(((LsLookupRow *) lfirst(cell))->relation);

		if (!OidIsValid(relid))
			continue;
		LockRelationOid(relid, AccessShareLock);
		(void) find_all_inheritors(relid, AccessShareLock, NULL);
	}
}

/* lock_keys: some keys that nobody else takes; their ids, or 0 where there are none. */
static Datum
lock_keys(const LsObjects *objects)
{
	bool is_null;
	Datum ids;

	(void) ls_objects_execute(
		psprintf(
			"SELECT array_agg(q.id) FROM (SELECT id FROM %s WHERE lookup IS NOT NULL"
			" ORDER BY id LIMIT %d FOR UPDATE SKIP LOCKED) AS q",
			objects->queue,
			KEYS),
		0,
		NULL,
		NULL);
	ids = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null);
	return is_null ? (Datum) 0 : ids;
}

/* queue_contacts: of one lookup. */
static void
queue_contacts(const LsQueuedKeys *queued, const LsLookup *lookup)
{
	const LsObjects *objects = queued->objects;
	Oid types[2] = {INT8ARRAYOID, TEXTOID};
	Datum values[2] = {queued->ids, CStringGetTextDatum(lookup->row->alias)};
	const char *contact = quote_identifier(lookup->row->contact_column);
	const char *key = psprintf("q.lookup_key::%s",
							   format_type_be_qualified(getBaseType(lookup->key_type)));

	(void) ls_objects_execute(
		psprintf("INSERT INTO %s (contact_id, reason, cause)"
				 " SELECT DISTINCT c.%s, 'lookup changed: ' || $2, q.cause"
				 " FROM %s AS q JOIN %s AS c ON %s"
				 " WHERE q.id = ANY ($1) AND q.lookup = $2 AND c.%s IS NOT NULL",
				 objects->queue,
				 objects->id,
				 objects->queue,
				 objects->contacts,
				 ls_lookup_equals(lookup, key, psprintf("c.%s", contact), false),
				 objects->id),
		2,
		types,
		values);
}

/*
 * replace_keys: by the contacts that they are of. With other lookups than when they
 * were queued the rules are others, and everyone is due.
 */
static void
replace_keys(void *arg)
{
	const LsQueuedKeys *queued = arg;
	Oid types[1] = {INT8ARRAYOID};
	Datum values[1] = {queued->ids};
	ListCell *cell;
	LsGuard guard;

	ls_guard_enter_reading(&guard, queued->objects->owner, LS_SAFE_PATH);
	foreach(cell, ls_model_get(queued->objects->model)->lookups)
		queue_contacts(queued, lfirst(cell));
	(void) ls_objects_execute(psprintf("DELETE FROM %s WHERE id = ANY ($1)",
									   queued->objects->queue),
							  1,
							  types,
							  values);
	ls_guard_leave(&guard);
}

/* mark_everyone: keys that cannot be read, after ALTER TABLE, say. */
static void
mark_everyone(const LsQueuedKeys *queued)
{
	Oid types[1] = {INT8ARRAYOID};
	Datum values[1] = {queued->ids};

	(void)
		ls_objects_execute(psprintf("UPDATE %s SET lookup = NULL, lookup_key = NULL,"
									" reason = 'the keys of a lookup could not be read'"
									" WHERE id = ANY ($1)",
									queued->objects->queue),
						   1,
						   types,
						   values);
}

/*
 * drain: one batch; false where there is nothing, or somebody is just linking
 * contacts, whom one could not see.
 */
static bool
drain(LsRun *run)
{
	LsQueuedKeys queued = {run->objects, lock_keys(run->objects)};
	ErrorData *error;

	if (queued.ids == (Datum) 0 || !ls_lookup_pass_linkers(run->objects->score_relid))
		return false;
	if (!ls_attempt(replace_keys, &queued, &error))
		mark_everyone(&queued);
	return true;
}

/*
 * ls_batch_drain_lookups: put the contacts into the queue in the place of the keys.
 */
void
ls_batch_drain_lookups(LsRun *run)
{
	bool more = true;

	while (more)
	{
		ls_batch_begin(run);
		more = drain(run);
		ls_batch_end(run);
	}
}

/*
 * ls_batch_pass_lookups: contacts from the queue may have been linked to what
 * somebody is just changing. False, and they are in the queue again, where that is
 * not over in an instant.
 */
bool
ls_batch_pass_lookups(const LsRun *run, const LsChange *changes, int n)
{
	if (n == 0 || ls_model_get(run->model)->lookups == NIL ||
		ls_lookup_pass_changers(run->objects->score_relid))
		return true;
	ls_apply_queue(run->objects, changes, n, "lookups are being changed");
	return false;
}
