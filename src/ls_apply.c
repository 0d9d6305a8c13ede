/*
 * ls_apply.c: bring rows of <model>_score up to date, many at once.
 *
 * Everything here runs as the owner of the contacts, restricted, inside SPI.
 */
#include "ls_apply_contact.h"
#include "ls_apply_row.h"

#include "ls_adjust.h"
#include "ls_apply_array.h"
#include "ls_band.h"
#include "ls_compat.h"
#include "ls_lifecycle.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/inval.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

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
	LsContacts contacts;

	ls_contacts_read(objects, types, values, &contacts);
	for (int i = 0; i < n; i++)
		if (changes[i].outcome == LS_RECOMPUTE)
			changes[i].outcome = LS_GONE;
	ls_contacts_evaluate(&contacts, changes, n, as_of);
	ls_contacts_note(&contacts, changes, n);
}

/*
 * read_others: where the lifecycle looks at contacts whose scores were known
 * without their rows.
 */
static void
read_others(const LsObjects *objects, LsChange *changes, int n)
{
	LsArray keys;
	Oid types[1] = {get_array_type(objects->key_type)};
	Datum values[1];
	LsContacts contacts;

	if (!ls_lifecycle_needs_contact(ls_model_get(objects->model)))
		return;
	keys = ls_array_begin(objects->key_type, n);
	for (int i = 0; i < n; i++)
		if (changes[i].outcome == LS_SCORED && changes[i].contact == NULL)
			ls_array_add(&keys,
						 ls_key_to_datum(objects->key_type, changes[i].key),
						 false);
	if (keys.n == 0)
		return;
	values[0] = ls_array_end(&keys);
	ls_contacts_read(objects, types, values, &contacts);
	ls_contacts_note(&contacts, changes, n);
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

/* queue_missing: contacts whose rows came to be just now, and are not ours. */
static int
queue_missing(const LsObjects *objects, LsChange *changes, int n)
{
	LsChange *missing = palloc_extended(sizeof(LsChange) * (Size) n, MCXT_ALLOC_HUGE);
	int nmissing = 0;
	int kept = 0;

	for (int i = 0; i < n; i++)
	{
		if (changes[i].row == NULL)
			missing[nmissing++] = changes[i];
		else
			changes[kept++] = changes[i];
	}
	ls_apply_queue(objects,
				   missing,
				   nmissing,
				   "scored by somebody else at this moment");
	return kept;
}

/* insert_missing: rows for those that have none; and they are locked too. */
static int
insert_missing(const LsObjects *objects, LsRows *rows, LsChange *changes, int n)
{
	LsChange *some = palloc_extended(sizeof(LsChange) * (Size) n, MCXT_ALLOC_HUGE);
	int nsome = 0;
	int missing;

	for (int i = 0; i < n; i++)
		if (changes[i].row == NULL)
			some[nsome++] = changes[i];
	insert_rows(objects, some, nsome, "", "DO NOTHING");
	missing = ls_rows_lock(rows, some, nsome, LockWaitSkip);
	for (int i = 0, at = 0; i < n; i++)
		if (changes[i].row == NULL)
			changes[i] = some[at++];
	return missing == 0 ? n : queue_missing(objects, changes, n);
}

/*
 * lock_rows: those that are there in the order of their keys, then the others come
 * to be in that order. Nobody who inserts waits for a lock, so no two can wait for
 * each other. Gives the number of changes that are left: a row that is inserted by
 * somebody else at the same time is not waited for.
 */
static int
lock_rows(const LsObjects *objects, LsRows *rows, LsChange *changes, int n)
{
	if (ls_rows_lock(rows, changes, n, LockWaitBlock) == 0)
		return n;
	return insert_missing(objects, rows, changes, n);
}

/*
 * ls_apply_keep_life: the place in the lifecycle is what it was.
 */
void
ls_apply_keep_life(LsChange *change)
{
	const LsStored *stored = change->stored;

	change->stage = stored == NULL ? NULL : stored->stage;
	change->stage_since = stored == NULL ? DT_NOBEGIN : stored->stage_since;
	change->by_hand = stored != NULL && stored->by_hand;
	change->memory = stored == NULL ? change->recalled : stored->memory;
}

/*
 * ls_apply_label: what follows from the scores.
 */
void
ls_apply_label(const LsModel *model, LsChange *change)
{
	ls_apply_keep_life(change);
	change->is_early = !change->is_walked && ls_model_is_mixed(model);
	if (change->outcome != LS_SCORED)
		return;
	change->total = ls_band_adjusted_total(model,
										   change->fit,
										   change->engagement,
										   change->intent,
										   ls_adjust_points(change));
	change->band = ls_band_label(model, "total", change->total);
	change->band_rank = ls_band_rank(model, change->total);
	change->grade = ls_band_grade(model, change->fit, change->engagement);
}

/*
 * ls_apply_rate: what follows from the rows of the contacts, which are known, and
 * what they did. Nothing is written.
 */
void
ls_apply_rate(const LsObjects *objects, LsChange *changes, int n, TimestampTz as_of)
{
	const LsModel *model;

	ls_adjust_exclude(changes, n);
	ls_apply_states(objects, changes, n, as_of);
	ls_adjust_due(changes, n);
	model = ls_model_get(objects->model);
	for (int i = 0; i < n; i++)
		ls_apply_label(model, &changes[i]);
}

/*
 * ls_apply_score: what the changes do not say yet, as of the moment; what is stored
 * and said by hand is known. Nothing is written.
 */
void
ls_apply_score(const LsObjects *objects, LsChange *changes, int n, TimestampTz as_of)
{
	ls_apply_plan(ls_model_get(objects->model), changes, n);
	if (count_outcome(changes, n, LS_RECOMPUTE) > 0)
		recompute(objects, changes, n, as_of);
	ls_apply_rate(objects, changes, n, as_of);
	read_others(objects, changes, n);
}

/*
 * forget_survey: what was surveyed of the contact may not hold any more. Of one that
 * has no row, nobody tells that he has put it out of the population since; whoever
 * has looked at its events has made a row.
 */
static void
forget_survey(LsChange *change)
{
	const LsSurveyed *surveyed = change->surveyed;
	bool holds = surveyed->has_row ? change->is_untouched : change->stored == NULL;

	if (change->adjustment != NULL || !holds)
	{
		change->outcome = LS_RECOMPUTE;
		change->events = LS_EVENTS_READ;
		change->has_column = false;
	}
	else if (!surveyed->has_row && !surveyed->is_alone)
		change->outcome = LS_RECOMPUTE;
}

/* apply: the rows are locked. */
static void
apply(const LsObjects *objects, LsRows *rows, LsChange *changes, int n)
{
	int gone;
	/* The clock is read when nobody else can write the rows any more. */
	TimestampTz as_of = GetCurrentTimestamp();
	List *moves = NIL;
	List *firings = NIL;

	/* Who has a number looks at the rules as they are from then on: see ls_mixed.c. */
	AcceptInvalidationMessages();
	ls_adjust_read(objects, changes, n, as_of);
	for (int i = 0; i < n; i++)
		if (changes[i].surveyed != NULL)
			forget_survey(&changes[i]);
	ls_apply_score(objects, changes, n, as_of);
	ls_lifecycle_follow(objects, changes, n, as_of, &moves, &firings);
	gone = count_outcome(changes, n, LS_GONE) + count_outcome(changes, n, LS_OUTSIDE);
	ls_apply_write(objects, rows, changes, n, as_of);
	ls_rows_close(rows);
	ls_adjust_confirm(objects, changes, n, as_of);
	if (gone > 0)
		ls_apply_remove(objects, changes, n);
	ls_lifecycle_record(objects, changes, n, moves, firings, as_of);
	ls_lifecycle_queue_held(objects, changes, n);
}

static LsRows *
begin(const LsObjects *objects, LsChange *changes, int n)
{
	qsort(changes, n, sizeof(LsChange), ls_apply_compare);
	ls_adjust_lock(objects);
	return ls_rows_open(objects, RowExclusiveLock);
}

/*
 * What is read and computed of a contact takes a kilobyte. So more than these are
 * applied in parts.
 */
#define APPLY_AT_ONCE 100000
#define APPLY_PART 20000

/* hold_part: the rows that are there are locked; who has none is noted. */
static void
hold_part(const LsObjects *objects, LsChange *changes, int n, bool *is_missing)
{
	LsRows *rows;

	SPI_connect();
	rows = ls_rows_open(objects, RowExclusiveLock);
	ls_rows_lock(rows, changes, n, LockWaitBlock);
	for (int i = 0; i < n; i++)
	{
		is_missing[i] = changes[i].row == NULL;
		changes[i].row = NULL;
		changes[i].stored = NULL;
	}
	ls_rows_close(rows);
	SPI_finish();
}

/* insert_part: rows for those who have none. */
static void
insert_part(const LsObjects *objects,
			const LsChange *changes,
			int n,
			const bool *is_missing)
{
	LsChange *some;
	int nsome = 0;

	SPI_connect();
	some = palloc(sizeof(LsChange) * n);
	for (int i = 0; i < n; i++)
		if (is_missing[i])
			some[nsome++] = changes[i];
	if (nsome > 0)
		insert_rows(objects, some, nsome, "", "DO NOTHING");
	SPI_finish();
}

/* apply_part: its rows are locked, but for those that somebody else is inserting. */
static void
apply_part(const LsObjects *objects, LsChange *changes, int n)
{
	LsRows *rows;

	SPI_connect();
	rows = ls_rows_open(objects, RowExclusiveLock);
	if (ls_rows_lock(rows, changes, n, LockWaitSkip) > 0)
		n = queue_missing(objects, changes, n);
	apply(objects, rows, changes, n);
	SPI_finish();
}

static int
part_size(int n, int begin)
{
	return Min(n - begin, APPLY_PART);
}

/*
 * apply_parts: what a part takes is given back after it. Rows are locked as in
 * lock_rows: first all that are there, then all others come to be.
 */
static void
apply_parts(const LsObjects *objects, LsChange *changes, int n)
{
	bool *is_missing = palloc_extended(sizeof(bool) * (Size) n, MCXT_ALLOC_HUGE);

	for (int i = 0; i < n; i += APPLY_PART)
		hold_part(objects, &changes[i], part_size(n, i), &is_missing[i]);
	for (int i = 0; i < n; i += APPLY_PART)
		insert_part(objects, &changes[i], part_size(n, i), &is_missing[i]);
	for (int i = 0; i < n; i += APPLY_PART)
		apply_part(objects, &changes[i], part_size(n, i));
	pfree(is_missing);
}

/*
 * ls_apply_changes: make the score rows what the changes say. The keys must be
 * distinct; the changes are put in order.
 */
void
ls_apply_changes(const LsObjects *objects, LsChange *changes, int n)
{
	LsRows *rows = begin(objects, changes, n);

	if (n > APPLY_AT_ONCE)
	{
		ls_rows_close(rows);
		apply_parts(objects, changes, n);
		return;
	}
	n = lock_rows(objects, rows, changes, n);
	apply(objects, rows, changes, n);
}

/* part_free: those whose rows are locked come first. Gives their number. */
static int
part_free(LsChange *changes, int n)
{
	LsChange *others = palloc(sizeof(LsChange) * n);
	int nfree = 0;
	int nothers = 0;

	for (int i = 0; i < n; i++)
	{
		if (changes[i].row == NULL)
			others[nothers++] = changes[i];
		else
			changes[nfree++] = changes[i];
	}
	memcpy(&changes[nfree], others, sizeof(LsChange) * nothers);
	pfree(others);
	return nfree;
}

/*
 * ls_apply_free: the same for those whose rows are there, and nobody else has locked.
 * They come first then; gives their number.
 */
int
ls_apply_free(const LsObjects *objects, LsChange *changes, int n)
{
	LsRows *rows = begin(objects, changes, n);
	int nfree = n;

	if (ls_rows_lock(rows, changes, n, LockWaitSkip) > 0)
		nfree = part_free(changes, n);
	apply(objects, rows, changes, nfree);
	return nfree;
}

#define SWEEP_BATCH 10000

/*
 * ls_apply_orphans: a batch of score rows without a contact, after `last` in the order
 * of the keys. They are not locked.
 */
int
ls_apply_orphans(const LsObjects *objects, const LsKey *last, LsChange **changes)
{
	Oid types[1] = {objects->key_type};
	Datum values[1] = {0};

	if (last != NULL)
		values[0] = ls_key_to_datum(objects->key_type, *last);
	(void) ls_objects_execute_once(
		psprintf("SELECT s.contact_id FROM %s AS s WHERE NOT EXISTS"
				 " (SELECT FROM %s AS c WHERE c.%s = s.contact_id)%s"
				 " ORDER BY s.contact_id LIMIT %d",
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
 * queue_orphans: scores that are left because somebody has them locked: who merges an
 * event does not look at the contact.
 */
static void
queue_orphans(const LsObjects *objects)
{
	(void) ls_objects_execute(
		psprintf("INSERT INTO %s (contact_id, reason, cause)"
				 " SELECT s.contact_id, 'locked by somebody else', '%s' FROM %s AS s"
				 " WHERE NOT EXISTS (SELECT FROM %s AS c WHERE c.%s = s.contact_id)",
				 objects->queue,
				 ls_apply_cause_name(LS_CAUSE_CONTACT),
				 objects->score,
				 objects->contacts,
				 objects->id),
		0,
		NULL,
		NULL);
}

/*
 * ls_apply_sweep: delete the scores of contacts that are no more, as far as nobody
 * else has them locked. Looked at again then: a contact may have come back meanwhile.
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
		last = changes[n - 1].key;
		(void) ls_apply_free(objects, changes, n);
		n = ls_apply_orphans(objects, &last, &changes);
	}
	queue_orphans(objects);
	ls_apply_sweep_records(objects, true);
}

/*
 * ls_apply_problem: there is no score for the contact, and this is why. False where
 * its row is not to be had; where free rows only are wanted, none is waited for.
 */
bool
ls_apply_problem(const LsObjects *objects,
				 LsChange *change,
				 const char *problem,
				 bool is_free)
{
	LsRows *rows = ls_rows_open(objects, RowExclusiveLock);
	bool is_locked = is_free ? ls_rows_lock(rows, change, 1, LockWaitSkip) == 0
							 : lock_rows(objects, rows, change, 1) == 1;

	change->outcome = LS_FAILED;
	change->problem = problem;
	change->stamp = ls_model_get(objects->model)->stamp;
	if (is_locked)
	{
		ls_apply_keep_life(change);
		change->since = change->stored == NULL ? DT_NOBEGIN : change->stored->since;
		ls_apply_write(objects, rows, change, 1, GetCurrentTimestamp());
	}
	ls_rows_close(rows);
	return is_locked;
}
