/*
 * ls_apply.c: bring rows of <model>_score up to date, many at once.
 *
 * Everything here runs as the owner of the contacts, restricted, inside SPI.
 */
#include "ls_apply.h"

#include "ls_attempt.h"
#include "ls_band.h"
#include "ls_compat.h"
#include "ls_fit.h"
#include "ls_relation.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* LsEvaluation: one contact against the rules. */
typedef struct LsEvaluation
{
	LsModel *model;
	const LsTableMap *map;
	HeapTuple contact;
	TimestampTz as_of;
	LsChange *change;
} LsEvaluation;

static void
evaluate(void *arg)
{
	const LsEvaluation *e = arg;

	if (!ls_fit_in_population(e->model, e->map->population, e->contact, e->as_of))
	{
		e->change->outcome = LS_GONE;
		return;
	}
	e->change->fit = ls_fit_score(e->model, e->map->fit, e->contact, e->as_of);
	e->change->outcome = LS_SCORED;
}

/*
 * ls_apply_evaluate: score a contact; an error of a condition becomes a change
 * that says so. Where indexes decide alone there is nothing to guard against.
 */
void
ls_apply_evaluate(LsModel *model,
				  const LsTableMap *map,
				  HeapTuple contact,
				  TimestampTz as_of,
				  LsChange *change)
{
	LsEvaluation evaluation = {model, map, contact, as_of, change};
	ErrorData *error;

	change->stamp = model->stamp;
	change->last_activity = DT_NOBEGIN;
	change->since = DT_NOBEGIN;
	change->due_at = DT_NOEND;
	if (!ls_fit_may_raise(model))
		evaluate(&evaluation);
	else if (!ls_attempt(evaluate, &evaluation, &error))
	{
		change->outcome = LS_FAILED;
		change->problem = ls_fit_describe(error);
	}
}

/*
 * ls_apply_keys: the contacts of the changes as an array of the key's type.
 */
Datum
ls_apply_keys(const LsObjects *objects, const LsChange *changes, int n)
{
	return ls_apply_some_keys(objects, changes, n, LS_ANY_OUTCOME);
}

static int
count_outcome(const LsChange *changes, int n, LsOutcome outcome)
{
	int found = 0;

	for (int i = 0; i < n; i++)
		found += changes[i].outcome == outcome;
	return found;
}

static void
delete_rows(const LsObjects *objects, const LsChange *changes, int n)
{
	Oid types[1] = {get_array_type(objects->key_type)};
	Datum values[1] = {ls_apply_some_keys(objects, changes, n, LS_OUTCOME(LS_GONE))};

	(void) ls_objects_execute(psprintf("DELETE FROM %s WHERE contact_id = ANY ($1)",
									   objects->score),
							  1,
							  types,
							  values);
}

/* ls_apply_compare: the order of changes, for qsort. */
int
ls_apply_compare(const void *a, const void *b)
{
	return ls_key_compare(((const LsChange *) a)->key, ((const LsChange *) b)->key);
}

/*
 * ls_apply_find: the change of a key; they are in order. NULL where there is none.
 */
LsChange *
ls_apply_find(LsChange *changes, int n, LsKey key)
{
	LsChange wanted = {.key = key};

	return bsearch(&wanted, changes, n, sizeof(LsChange), ls_apply_compare);
}

/* settle: put what was found into the change of that key. */
static void
settle(const LsObjects *objects, LsChange *changes, int n, const LsChange *found)
{
	LsChange *change = ls_apply_find(changes, n, found->key);

	if (change == NULL)
		return;
	change->outcome = found->outcome;
	change->fit = found->fit;
	change->since = found->since;
	change->problem = found->problem;
	change->stamp = found->stamp;
}

/* evaluate_result: score the contacts in SPI_tuptable. */
static void
evaluate_result(const LsObjects *objects, LsChange *changes, int n, TimestampTz as_of)
{
	LsModel *model = ls_model_get(objects->model);
	TupleDesc desc = SPI_tuptable->tupdesc;
	int key = SPI_fnumber(desc, model->row->contact_id);
	LsTableMap map = {0};

	map.fit = ls_match_map_row(model->fit, desc);
	if (model->population != NULL)
		map.population = ls_match_map_row(model->population, desc);
	for (uint64 i = 0; i < SPI_tuptable->numvals; i++)
	{
		HeapTuple contact = SPI_tuptable->vals[i];
		LsChange found = {0};
		bool is_null;

		CHECK_FOR_INTERRUPTS();
		found.key = ls_key_from_datum(objects->key_type,
									  SPI_getbinval(contact, desc, key, &is_null));
		ls_apply_evaluate(model, &map, contact, as_of, &found);
		found.since = ls_apply_since(model, desc, contact);
		settle(objects, changes, n, &found);
	}
}

/*
 * contacts_query: the contacts whose keys are in $1. Of partitions, each key looks
 * into its own; an array would be looked for in all of them.
 */
static char *
contacts_query(const LsObjects *objects)
{
	bool has_parts =
		get_rel_relkind(objects->contacts_relid) == RELKIND_PARTITIONED_TABLE;

	return psprintf(has_parts ? "SELECT c.* FROM unnest($1) AS k (contact_id)"
								" JOIN %s AS c ON c.%s = k.contact_id"
							  : "SELECT c.* FROM %s AS c WHERE c.%s = ANY ($1)",
					objects->contacts,
					objects->id);
}

/*
 * recompute: read the contacts anew, with a snapshot of this moment. Those that
 * are not there are gone.
 */
static void
recompute(const LsObjects *objects, LsChange *changes, int n, TimestampTz as_of)
{
	Oid types[1] = {get_array_type(objects->key_type)};
	Datum values[1] = {
		ls_apply_some_keys(objects, changes, n, LS_OUTCOME(LS_RECOMPUTE))};

	(void) ls_objects_execute(contacts_query(objects), 1, types, values);
	for (int i = 0; i < n; i++)
		if (changes[i].outcome == LS_RECOMPUTE)
			changes[i].outcome = LS_GONE;
	evaluate_result(objects, changes, n, as_of);
}

/* insert_rows: score rows for the contacts, in order, to be filled or deleted. */
static void
insert_rows(const LsObjects *objects,
			const LsChange *changes,
			int n,
			const char *where,
			const char *or_else)
{
	Oid types[1] = {get_array_type(objects->key_type)};
	Datum values[1] = {ls_apply_some_keys(objects, changes, n, LS_ANY_OUTCOME)};

	(void) ls_objects_execute(
		psprintf("INSERT INTO %s (contact_id, scored_at, due_at, stamp, band_rank)"
				 " SELECT k.contact_id, '-infinity', '-infinity', 0, 32767"
				 " FROM unnest($1) WITH ORDINALITY AS k (contact_id, place)%s"
				 " ORDER BY k.place ON CONFLICT (contact_id) %s",
				 objects->score,
				 where,
				 or_else),
		1,
		types,
		values);
}

/*
 * ls_apply_ensure: contacts without a score row get one. A row that somebody else
 * is just inserting cannot be seen, but is waited for here.
 */
void
ls_apply_ensure(const LsObjects *objects, const LsChange *changes, int n)
{
	insert_rows(objects,
				changes,
				n,
				psprintf(" WHERE NOT EXISTS (SELECT FROM %s AS s"
						 " WHERE s.contact_id = k.contact_id)",
						 objects->score),
				"DO NOTHING");
}

/*
 * lock_rows: the same, and rows that are there are locked. In one statement: one
 * that inserted and another that locked would not go through the rows in one
 * order, and two who do that can wait for each other.
 */
static void
lock_rows(const LsObjects *objects, const LsChange *changes, int n)
{
	insert_rows(objects,
				changes,
				n,
				"",
				"DO UPDATE SET contact_id = excluded.contact_id WHERE false");
}

/* keep_life: the place in the lifecycle is what it was. */
static void
keep_life(LsChange *change)
{
	const LsStored *stored = change->stored;

	change->stage = stored == NULL ? NULL : stored->stage;
	change->stage_since = stored == NULL ? DT_NOBEGIN : stored->stage_since;
	change->by_hand = stored != NULL && stored->by_hand;
	change->memory = stored == NULL ? NULL : stored->memory;
}

/* label: what follows from the scores. */
static void
label(const LsObjects *objects, LsChange *changes, int n)
{
	const LsModel *model = ls_model_get(objects->model);

	for (int i = 0; i < n; i++)
	{
		LsChange *change = &changes[i];

		keep_life(change);
		if (change->outcome != LS_SCORED)
			continue;
		change->total =
			ls_band_total(model, change->fit, change->engagement, change->intent);
		change->band = ls_band_label(model, "total", change->total);
		change->band_rank = ls_band_rank(model, change->total);
		change->grade = ls_band_grade(model, change->fit, change->engagement);
	}
}

/*
 * ls_apply_changes: make the score rows what the changes say. The keys must be
 * distinct; the changes are put in order. is_locked: the rows are there, and
 * locked by us.
 */
void
ls_apply_changes(const LsObjects *objects, LsChange *changes, int n, bool is_locked)
{
	int gone;
	TimestampTz as_of;

	qsort(changes, n, sizeof(LsChange), ls_apply_compare);
	if (!is_locked)
		lock_rows(objects, changes, n);
	/* The clock is read when nobody else can write the rows any more. */
	as_of = GetCurrentTimestamp();
	ls_apply_read_stored(objects, changes, n);
	ls_apply_plan(ls_model_get(objects->model), changes, n);
	if (count_outcome(changes, n, LS_RECOMPUTE) > 0)
		recompute(objects, changes, n, as_of);
	ls_apply_states(objects, changes, n, as_of);
	label(objects, changes, n);
	gone = count_outcome(changes, n, LS_GONE);
	if (gone < n)
		ls_apply_upsert(objects, changes, n, as_of);
	if (gone > 0)
		delete_rows(objects, changes, n);
}

#define SWEEP_BATCH 10000

/*
 * ls_apply_orphans: lock a batch of score rows without a contact, after `last` in
 * the order of the keys. Who has one locked is writing it, and knows better.
 */
int
ls_apply_orphans(const LsObjects *objects, const LsKey *last, LsChange **changes)
{
	Oid types[1] = {objects->key_type};
	Datum values[1] = {0};

	if (last != NULL)
		values[0] = ls_key_to_datum(objects->key_type, *last);
	(void) ls_objects_execute(
		psprintf("SELECT s.contact_id FROM %s AS s WHERE NOT EXISTS"
				 " (SELECT FROM %s AS c WHERE c.%s = s.contact_id)%s"
				 " ORDER BY s.contact_id LIMIT %d FOR UPDATE OF s SKIP LOCKED",
				 objects->score,
				 objects->contacts,
				 objects->id,
				 last != NULL ? " AND s.contact_id > $1" : "",
				 SWEEP_BATCH),
		last != NULL ? 1 : 0,
		types,
		values);
	return ls_apply_found(objects, changes);
}

/*
 * ls_apply_sweep: delete the scores of contacts that are no more. Locked first
 * and looked at again then: a contact may have come back meanwhile.
 */
void
ls_apply_sweep(const LsObjects *objects)
{
	LsChange *changes;
	LsKey last;
	int n = ls_apply_orphans(objects, NULL, &changes);

	while (n > 0)
	{
		CHECK_FOR_INTERRUPTS();
		ls_apply_changes(objects, changes, n, true);
		last = changes[n - 1].key;
		n = ls_apply_orphans(objects, &last, &changes);
	}
}

/*
 * ls_apply_problem: there is no score for the contact, and this is why.
 */
void
ls_apply_problem(const LsObjects *objects, LsChange *change, const char *problem)
{
	change->outcome = LS_FAILED;
	change->problem = problem;
	change->stamp = ls_model_get(objects->model)->stamp;
	ls_apply_read_stored(objects, change, 1);
	keep_life(change);
	change->since = change->stored == NULL ? DT_NOBEGIN : change->stored->since;
	ls_apply_upsert(objects, change, 1, GetCurrentTimestamp());
}
