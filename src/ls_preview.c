/*
 * ls_preview.c: preview(model): what activation would do, with enrol_existing.
 *
 * All contacts are scored, as a rescore would, and followed through the lifecycle;
 * nothing is written. As the owner of the contacts, restricted.
 */
#include "postgres.h"

#include "ls_adjust.h"
#include "ls_apply_row.h"
#include "ls_compat.h"
#include "ls_lifecycle.h"
#include "ls_objects.h"
#include "ls_relation.h"

#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ls_sql_preview);

#define BATCH 1000
#define MAX_PROBLEMS 20

/* LsCount: a row of the result. */
typedef struct LsCount
{
	const char *what;
	const char *label;
	int place; /* in the order of the result, within what is the same */
	uint64 n;
} LsCount;

/* LsPreview: one call. */
typedef struct LsPreview
{
	LsObjects *objects;
	MemoryContext context; /* of what outlives a batch */
	MemoryContext batch;
	bool has_last;
	Datum last; /* key of the contact that the walk has reached */
	int nproblems;
	List *counts; /* of LsCount */
} LsPreview;

/* count: a contact more. */
static void
count(LsPreview *preview, const char *what, const char *label, int place)
{
	MemoryContext old;
	LsCount *found;
	ListCell *cell;

	foreach(cell, preview->counts)
	{
		found = lfirst(cell);
		if (strcmp(found->what, what) == 0 && strcmp(found->label, label) == 0)
		{
			found->n++;
			return;
		}
	}
	old = MemoryContextSwitchTo(preview->context);
	found = palloc0(sizeof(LsCount));
	found->what = what;
	found->label = pstrdup(label);
	found->place = place;
	found->n = 1;
	preview->counts = lappend(preview->counts, found);
	MemoryContextSwitchTo(old);
}

/* count_problem: each message once, as far as there are not too many. */
static void
count_problem(LsPreview *preview, const char *problem)
{
	int before = list_length(preview->counts);

	if (preview->nproblems >= MAX_PROBLEMS)
		problem = "others";
	count(preview, "problem", problem, 0);
	preview->nproblems += list_length(preview->counts) - before;
}

static void
count_contact(LsPreview *preview, const LsChange *change)
{
	switch (change->outcome)
	{
		case LS_SCORED:
			count(preview, "contacts", "scored", 0);
			count(preview,
				  "band",
				  change->band == NULL ? "(none)" : change->band,
				  change->band_rank);
			if (change->held_back != NULL)
				count_problem(preview, change->held_back);
			break;
		case LS_FAILED:
			count(preview, "contacts", "failing", 3);
			count_problem(preview, change->problem);
			break;
		case LS_OUTSIDE:
			if (change->adjustment != NULL && change->adjustment->is_excluded)
				count(preview, "contacts", "excluded by hand", 2);
			else
				count(preview, "contacts", "outside of the population", 1);
			break;
		default: /* deleted meanwhile */
			break;
	}
}

static void
count_life(LsPreview *preview, List *moves, List *firings)
{
	ListCell *cell;

	foreach(cell, moves)
	{
		const LsMove *move = lfirst(cell);

		count(preview,
			  "move",
			  psprintf("%s -> %s",
					   move->from == NULL ? "(none)" : move->from,
					   move->to == NULL ? "(none)" : move->to),
			  0);
	}
	foreach(cell, firings)
		count(preview, "action", ((LsFiring *) lfirst(cell))->action->name, 0);
}

/* read_stored: what the score rows say; nothing is locked. */
static void
read_stored(const LsObjects *objects, LsChange *changes, int n)
{
	LsRows *rows = ls_rows_open(objects, AccessShareLock);

	ls_rows_read(rows, changes, n);
	ls_rows_close(rows);
}

/* score: a batch, as activation would. */
static void
score(LsPreview *preview, LsChange *changes, int n)
{
	const LsObjects *objects = preview->objects;
	TimestampTz as_of = GetCurrentTimestamp();
	List *moves = NIL;
	List *firings = NIL;

	for (int i = 0; i < n; i++)
	{
		changes[i].cause = LS_CAUSE_ACTIVATION;
		changes[i].is_preview = true;
	}
	if (OidIsValid(objects->score_relid))
		read_stored(objects, changes, n);
	if (OidIsValid(objects->adjustment_relid))
		ls_adjust_read(objects, changes, n, as_of);
	ls_apply_score(objects, changes, n, as_of);
	ls_lifecycle_recall(objects, changes, n);
	ls_lifecycle_look(ls_model_get(objects->model),
					  changes,
					  n,
					  as_of,
					  &moves,
					  &firings);
	for (int i = 0; i < n; i++)
		count_contact(preview, &changes[i]);
	count_life(preview, moves, firings);
}

static void
remember_last(LsPreview *preview)
{
	MemoryContext old = MemoryContextSwitchTo(preview->context);
	bool is_null;
	int16 typlen;
	bool typbyval;

	get_typlenbyval(preview->objects->key_type, &typlen, &typbyval);
	preview->last =
		datumCopy(SPI_getbinval(SPI_tuptable->vals[SPI_tuptable->numvals - 1],
								SPI_tuptable->tupdesc,
								1,
								&is_null),
				  typbyval,
				  typlen);
	preview->has_last = true;
	MemoryContextSwitchTo(old);
}

/* next_contacts: in the order of their keys; 0 = the end. */
static int
next_contacts(LsPreview *preview, LsChange **changes)
{
	const LsObjects *objects = preview->objects;
	Oid types[1] = {objects->key_type};

	(void) ls_objects_execute(
		psprintf("SELECT c.%s::%s FROM %s AS c WHERE c.%s IS NOT NULL%s"
				 " ORDER BY c.%s LIMIT %d",
				 objects->id,
				 format_type_be(objects->key_type),
				 objects->contacts,
				 objects->id,
				 preview->has_last ? psprintf(" AND c.%s > $1", objects->id) : "",
				 objects->id,
				 BATCH),
		preview->has_last ? 1 : 0,
		types,
		&preview->last);
	if (SPI_tuptable->numvals == 0)
		return 0;
	remember_last(preview);
	return ls_apply_found(objects, changes);
}

/* walk: results of queries live until SPI_finish, so each batch has its own. */
static void
walk(LsPreview *preview)
{
	int n;

	do
	{
		LsChange *changes;

		CHECK_FOR_INTERRUPTS();
		if (SPI_connect() != SPI_OK_CONNECT)
			elog(ERROR, "SPI_connect failed");
		MemoryContextReset(preview->batch);
		MemoryContextSwitchTo(preview->batch);
		n = next_contacts(preview, &changes);
		if (n > 0)
			score(preview, changes, n);
		SPI_finish();
	} while (n > 0);
}

static const char *const order_of_what[] = {"contacts",
											"band",
											"move",
											"action",
											"problem"};

static int
compare_counts(const ListCell *a, const ListCell *b)
{
	const LsCount *x = lfirst(a);
	const LsCount *y = lfirst(b);

	if (x->place != y->place)
		return x->place < y->place ? -1 : 1;
	if (x->n != y->n)
		return x->n > y->n ? -1 : 1;
	return strcmp(x->label, y->label);
}

static void
put_counts(LsPreview *preview, ReturnSetInfo *result)
{
	ListCell *cell;

	list_sort(preview->counts, compare_counts);
	for (int i = 0; i < lengthof(order_of_what); i++)
		foreach(cell, preview->counts)
		{
			const LsCount *row = lfirst(cell);
			Datum values[3];
			bool nulls[3] = {false};

			if (strcmp(row->what, order_of_what[i]) != 0)
				continue;
			values[0] = CStringGetTextDatum(row->what);
			values[1] = CStringGetTextDatum(row->label);
			values[2] = Int64GetDatum((int64) row->n);
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		}
}

/*
 * find_objects: of a model that may never have been active.
 *
 * Errors: 42704; 42501 where the current role does not own the contacts.
 */
static LsObjects *
find_objects(const char *name)
{
	LsModelRow *row = ls_catalog_model(name, false);

	if (!ls_relation_may_change_model(row, GetUserId()))
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("permission denied for model \"%s\"", name),
				errhint("Only who owns its contacts, or is a member of that role, may "
						"activate it."));
	return ls_objects_of(row, ls_relation_of_model(row, false));
}

/*
 * preview(model text) -> (what text, label text, contacts bigint)
 */
Datum
ls_sql_preview(PG_FUNCTION_ARGS)
{
	LsPreview preview = {0};
	LsGuard guard;

	InitMaterializedSRF(fcinfo, 0);
	preview.objects = find_objects(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	preview.context = CurrentMemoryContext;
	preview.batch = AllocSetContextCreate(CurrentMemoryContext,
										  "lead_scoring preview",
										  ALLOCSET_DEFAULT_SIZES);
	ls_guard_enter(&guard, preview.objects->owner, LS_SAFE_PATH);
	(void) ls_model_get(preview.objects->model); /* every rule must work */
	walk(&preview);
	ls_guard_leave(&guard);
	put_counts(&preview, (ReturnSetInfo *) fcinfo->resultinfo);
	return (Datum) 0;
}
