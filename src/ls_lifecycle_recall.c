/*
 * ls_lifecycle_recall.c: what has happened to contacts that come back.
 *
 * Who leaves the population, or is excluded by hand, has no score row any more, and
 * what that remembered is gone. The outbox still says which actions happened.
 */
#include "ls_lifecycle.h"

#include "ls_apply_array.h"
#include "ls_compat.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

static bool
is_new(const LsChange *change)
{
	return change->outcome == LS_SCORED && change->stored == NULL;
}

/* find_new: those without a score row; the result is their number. */
static int
find_new(LsChange *changes, int n, LsChange ***found)
{
	int nfound = 0;

	for (int i = 0; i < n; i++)
		nfound += is_new(&changes[i]);
	if (nfound == 0)
		return 0;
	*found = palloc_extended(sizeof(LsChange *) * (Size) nfound, MCXT_ALLOC_HUGE);
	nfound = 0;
	for (int i = 0; i < n; i++)
		if (is_new(&changes[i]))
			(*found)[nfound++] = &changes[i];
	return nfound;
}

/* read_outbox: place of the contact, action, when it happened last. */
static void
read_outbox(const LsObjects *objects, const char *outbox, LsChange **changes, int n)
{
	LsArray keys = ls_array_begin(objects->key_type, n);
	Oid types[1] = {get_array_type(objects->key_type)};
	Datum values[1];

	for (int i = 0; i < n; i++)
		ls_array_add(&keys, ls_key_to_datum(objects->key_type, changes[i]->key), false);
	values[0] = ls_array_end(&keys);
	(void) ls_objects_execute(
		psprintf("SELECT k.place, o.type, max(o.created_at)"
				 " FROM unnest($1) WITH ORDINALITY AS k (id, place)"
				 " JOIN %s AS o ON o.contact_id = k.id GROUP BY 1, 2",
				 outbox),
		1,
		types,
		values);
}

/* remember: an action that is one still happened at that moment. */
static void
remember(const LsModel *model, LsChange *change, const char *name, TimestampTz at)
{
	LsMemory *memory = ls_memory_read(change->recalled);
	ListCell *cell;

	foreach(cell, model->actions)
		if (strcmp(((const LsActionRow *) lfirst(cell))->name, name) == 0)
			ls_memory_set_moment(memory, name, at);
	change->recalled = ls_memory_write(memory);
	change->memory = change->recalled;
}

/*
 * ls_lifecycle_recall: of the contacts that are new to the score table.
 */
void
ls_lifecycle_recall(const LsObjects *objects, LsChange *changes, int n)
{
	const LsModel *model = ls_model_get(objects->model);
	LsChange **found;
	int nfound = model->actions == NIL ? 0 : find_new(changes, n, &found);

	if (nfound == 0 || !OidIsValid(ls_objects_relid(model->row, "outbox")))
		return;
	read_outbox(objects, ls_objects_name(model->row, "outbox"), found, nfound);
	for (uint64 i = 0; i < SPI_tuptable->numvals; i++)
	{
		HeapTuple row = SPI_tuptable->vals[i];
		TupleDesc desc = SPI_tuptable->tupdesc;
		bool is_null;
		int64 place = DatumGetInt64(SPI_getbinval(row, desc, 1, &is_null));
		Datum at = SPI_getbinval(row, desc, 3, &is_null);

		if (!is_null)
			remember(model,
					 found[place - 1],
					 SPI_getvalue(row, desc, 2),
					 DatumGetTimestampTz(at));
	}
}
