/*
 * ls_apply_queue.c: contacts that wait for the next refresh, and contacts that a
 * query has found.
 */
#include "ls_apply.h"

#include "ls_compat.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* In the order of LsCause. */
static const char *const cause_names[] =
	{"activation", "rule change", "time", "event", "adjustment", "contact", "manual"};

/*
 * ls_apply_cause_name: as it is in the histories and in the queue.
 */
const char *
ls_apply_cause_name(LsCause cause)
{
	return cause_names[cause];
}

LsCause
ls_apply_cause_of(const char *name)
{
	for (int i = 0; i < lengthof(cause_names); i++)
		if (strcmp(cause_names[i], name) == 0)
			return (LsCause) i;
	return LS_CAUSE_EVENT;
}

/* read_cause: the second column of a row; where there is none, it was time. */
static LsCause
read_cause(HeapTuple row, TupleDesc desc)
{
	return desc->natts < 2 ? LS_CAUSE_TIME
						   : ls_apply_cause_of(SPI_getvalue(row, desc, 2));
}

/* drop_repeated: of changes in order, so that keys are distinct. */
static int
drop_repeated(LsChange *changes, int n)
{
	int kept = 0;

	for (int i = 0; i < n; i++)
	{
		if (kept == 0 || ls_apply_compare(&changes[kept - 1], &changes[i]) != 0)
			changes[kept++] = changes[i];
		else
			changes[kept - 1].cause = Max(changes[kept - 1].cause, changes[i].cause);
	}
	return kept;
}

/*
 * ls_apply_found: SPI_tuptable as contacts to recompute, in order. Its columns:
 * the contact, and why, if there is a second one.
 */
int
ls_apply_found(const LsObjects *objects, LsChange **changes)
{
	int n = (int) SPI_tuptable->numvals;
	TupleDesc desc = SPI_tuptable->tupdesc;

	*changes = palloc0(sizeof(LsChange) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		HeapTuple row = SPI_tuptable->vals[i];
		bool is_null;
		Datum value = SPI_getbinval(row, desc, 1, &is_null);

		(*changes)[i].key = ls_key_copy(ls_key_from_datum(objects->key_type, value));
		(*changes)[i].cause = read_cause(row, desc);
		(*changes)[i].outcome = LS_RECOMPUTE;
	}
	qsort(*changes, n, sizeof(LsChange), ls_apply_compare);
	return drop_repeated(*changes, n);
}

static Datum
name_causes(const LsChange *changes, int n)
{
	Datum *names = palloc(sizeof(Datum) * Max(n, 1));

	for (int i = 0; i < n; i++)
		names[i] = CStringGetTextDatum(ls_apply_cause_name(changes[i].cause));
	return PointerGetDatum(construct_array(names, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/*
 * ls_apply_queue: leave the contacts to the next refresh. Conflicts with
 * nothing.
 */
void
ls_apply_queue(const LsObjects *objects,
			   const LsChange *changes,
			   int n,
			   const char *reason)
{
	Oid types[3] = {get_array_type(objects->key_type), TEXTOID, TEXTARRAYOID};
	Datum values[3];

	values[0] = ls_apply_some_keys(objects, changes, n, LS_ANY_OUTCOME);
	values[1] = CStringGetTextDatum(reason);
	values[2] = name_causes(changes, n);
	(void) ls_objects_execute(psprintf("INSERT INTO %s (contact_id, reason, cause)"
									   " SELECT k.contact_id, $2, k.cause"
									   " FROM unnest($1, $3) AS k (contact_id, cause)",
									   objects->queue),
							  3,
							  types,
							  values);
}
