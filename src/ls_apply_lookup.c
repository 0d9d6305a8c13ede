/*
 * ls_apply_lookup.c: rows of lookups have changed: whose contacts' scores are they?
 */
#include "ls_apply_lookup.h"

#include "ls_compat.h"
#include "ls_guard.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

static Datum
array_of(const LsChangedKeys *keys)
{
	int16 length;
	bool by_value;
	char alignment;

	get_typlenbyvalalign(keys->type, &length, &by_value, &alignment);
	return PointerGetDatum(
		construct_array(keys->keys, keys->n, keys->type, length, by_value, alignment));
}

/* ---- to the queue ------------------------------------------------------- */

static void
queue_keys(const LsObjects *objects, const LsChangedKeys *keys, const char *reason)
{
	Oid types[4] = {get_array_type(keys->type), NAMEOID, TEXTOID, TEXTOID};
	Datum values[4];

	values[0] = array_of(keys);
	values[1] = DirectFunctionCall1(namein, CStringGetDatum(keys->alias));
	values[2] = CStringGetTextDatum(reason);
	values[3] = CStringGetTextDatum(ls_apply_cause_name(LS_CAUSE_CONTACT));
	(void) ls_objects_execute(
		psprintf("INSERT INTO %s (lookup, lookup_key, reason, cause)"
				 " SELECT $2, k.key::text, $3, $4 FROM unnest($1) AS k (key)",
				 objects->queue),
		4,
		types,
		values);
}

/*
 * ls_apply_queue_lookups: leave it to the next refresh to find the contacts.
 * Conflicts with nothing.
 */
void
ls_apply_queue_lookups(const LsObjects *objects,
					   const LsLookupNotes *notes,
					   const char *reason)
{
	LsGuard guard;
	ListCell *cell;

	/* Keys as text that reads the same in every session. */
	ls_guard_enter_reading(&guard, objects->owner, LS_SAFE_PATH);
	foreach(cell, notes->keys)
		queue_keys(objects, lfirst(cell), reason);
	ls_guard_leave(&guard);
}

/* ---- at once ------------------------------------------------------------ */

/* find_contacts: into SPI_tuptable, at most `limit`. */
static void
find_contacts(const LsObjects *objects,
			  const LsLookup *lookup,
			  const LsChangedKeys *keys,
			  int limit)
{
	Oid types[2] = {get_array_type(keys->type), INT4OID};
	Datum values[2] = {array_of(keys), Int32GetDatum(limit)};
	const char *contact = quote_identifier(lookup->row->contact_column);

	(void) ls_objects_execute(
		psprintf("SELECT DISTINCT c.%s::%s FROM unnest($1) AS k (key)"
				 " JOIN %s AS c ON %s WHERE c.%s IS NOT NULL LIMIT $2",
				 objects->id,
				 format_type_be_qualified(objects->key_type),
				 objects->contacts,
				 ls_lookup_equals(lookup, "k.key", psprintf("c.%s", contact), false),
				 objects->id),
		2,
		types,
		values);
}

/* add_found: contacts whose scores must be computed, whatever else is known. */
static void
add_found(const LsObjects *objects, LsChange **changes, int *n)
{
	LsChange *found;
	int nfound = ls_apply_found(objects, &found);
	int known = *n;
	LsChange *all = palloc_extended(sizeof(LsChange) * (Size) (known + nfound + 1),
									MCXT_ALLOC_HUGE);

	memcpy(all, *changes, sizeof(LsChange) * (Size) known);
	*changes = all;
	for (int i = 0; i < nfound; i++)
	{
		LsChange *change = ls_apply_find(*changes, known, found[i].key);

		if (change == NULL)
		{
			change = &(*changes)[(*n)++];
			*change = found[i];
			change->events = LS_EVENTS_KEPT;
			change->cause = LS_CAUSE_CONTACT;
			change->since = DT_NOBEGIN;
			change->last_activity = DT_NOBEGIN;
			change->due_at = DT_NOEND;
		}
		change->outcome = LS_RECOMPUTE;
		change->cause = Max(change->cause, LS_CAUSE_CONTACT);
	}
	qsort(*changes, *n, sizeof(LsChange), ls_apply_compare);
}

/*
 * ls_apply_find_lookups: add the contacts of the changed rows to the changes, which
 * are in order of their keys then; the array may be another one. Where there would
 * be more than `limit`, the keys go to the queue.
 */
void
ls_apply_find_lookups(const LsObjects *objects,
					  const LsLookupNotes *notes,
					  int limit,
					  LsChange **changes,
					  int *n)
{
	ListCell *cell;

	qsort(*changes, *n, sizeof(LsChange), ls_apply_compare);
	foreach(cell, notes->keys)
	{
		const LsChangedKeys *keys = lfirst(cell);
		const LsModel *model = ls_model_get(objects->model);
		const LsLookup *lookup = ls_lookup_of(model->lookups, keys->alias);
		int room = Max(limit - *n, 0);

		/* With other lookups the rules are others: all contacts are due. */
		if (lookup == NULL || getBaseType(lookup->key_type) != keys->type)
			continue;
		find_contacts(objects, lookup, keys, room + 1);
		if (SPI_tuptable->numvals > (uint64) room)
		{
			ls_apply_queue_lookups(objects,
								   notes,
								   "more contacts than lead_scoring.pending_limit");
			return;
		}
		add_found(objects, changes, n);
	}
}
