/*
 * ls_lifecycle_stage.c: the stage column, the only thing that is ever written in
 * a table of the user's.
 *
 * Rows are taken with SKIP LOCKED, so that nobody waits, and written in a
 * subtransaction, as the user's own checks and triggers may raise. A contact whose
 * row cannot be had or written keeps its place, and goes to the queue.
 */
#include "ls_lifecycle.h"

#include "ls_apply_array.h"
#include "ls_attempt.h"
#include "ls_compat.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

/*
 * While the column is written: as deep as this are triggers that are called for it,
 * and this is the model that writes it.
 */
static int our_depth = -1;
static const char *our_model = NULL;

static int
trigger_depth(void)
{
	return DatumGetInt32(OidFunctionCall0(F_PG_TRIGGER_DEPTH));
}

/*
 * ls_lifecycle_is_ours: is the update of the stage column at hand this model's own,
 * so that its trigger need not tell? What a trigger of the user's makes of it is not;
 * nor is it for another model of the same contacts, which has to follow.
 */
bool
ls_lifecycle_is_ours(const char *model)
{
	return our_depth >= 0 && trigger_depth() == our_depth &&
		   strcmp(model, our_model) == 0;
}

/* LsStageWrite: contacts whose stage column is to be written. */
typedef struct LsStageWrite
{
	const LsObjects *objects;
	const char *column;
	LsChange **changes;
	int n;
	TimestampTz as_of;
} LsStageWrite;

static Datum
keys_of(const LsStageWrite *write)
{
	LsArray keys = ls_array_begin(write->objects->key_type, write->n);

	for (int i = 0; i < write->n; i++)
		ls_array_add(&keys,
					 ls_key_to_datum(write->objects->key_type, write->changes[i]->key),
					 false);
	return ls_array_end(&keys);
}

static int
compare(const void *key, const void *change)
{
	return ls_key_compare(*(const LsKey *) key, (*(LsChange *const *) change)->key);
}

static LsChange *
find(const LsStageWrite *write, Datum id)
{
	LsKey key = ls_key_from_datum(write->objects->key_type, id);
	LsChange **found =
		bsearch(&key, write->changes, write->n, sizeof(LsChange *), compare);

	return found == NULL ? NULL : *found;
}

/* is_as_found: is the column what the moves began from? */
static bool
is_as_found(const LsChange *change, const char *stage, const char *first)
{
	const char *found = change->found_stage;

	if (stage == NULL)
		return found == NULL || strcmp(found, first) == 0;
	return found != NULL && strcmp(found, stage) == 0;
}

/* from_clause: of partitions each key looks into its own. */
static const char *
from_clause(const LsObjects *objects)
{
	bool has_parts =
		get_rel_relkind(objects->contacts_relid) == RELKIND_PARTITIONED_TABLE;

	return psprintf(has_parts ? "unnest($1) AS k (id) JOIN %s AS c ON c.%s = k.id"
							  : "%s AS c WHERE c.%s = ANY ($1)",
					objects->contacts,
					objects->id);
}

/*
 * lock_rows: of the contacts; those that somebody else has, or has changed since
 * we looked, are held back.
 */
static void
lock_rows(LsStageWrite *write, const char *first)
{
	const LsObjects *objects = write->objects;
	Oid types[1] = {get_array_type(objects->key_type)};
	Datum values[1] = {keys_of(write)};

	for (int i = 0; i < write->n; i++)
		write->changes[i]->held_back = "its row is locked by somebody else";
	(void)
		ls_objects_execute(psprintf("SELECT c.%s, c.%s::text FROM %s"
									" ORDER BY c.%s FOR NO KEY UPDATE OF c SKIP LOCKED",
									objects->id,
									write->column,
									from_clause(objects),
									objects->id),
						   1,
						   types,
						   values);
	for (uint64 i = 0; i < SPI_tuptable->numvals; i++)
	{
		HeapTuple row = SPI_tuptable->vals[i];
		TupleDesc desc = SPI_tuptable->tupdesc;
		bool is_null;
		LsChange *change = find(write, SPI_getbinval(row, desc, 1, &is_null));

		if (change != NULL)
			change->held_back = is_as_found(change, SPI_getvalue(row, desc, 2), first)
									? NULL
									: "its stage was changed meanwhile";
	}
}

/* drop_held: those that are held back are no part of the write any more. */
static void
drop_held(LsStageWrite *write)
{
	int n = 0;

	for (int i = 0; i < write->n; i++)
		if (write->changes[i]->held_back == NULL)
			write->changes[n++] = write->changes[i];
		else
			ls_lifecycle_hold_back(write->changes[i],
								   write->as_of,
								   write->changes[i]->held_back);
	write->n = n;
}

/* cast_of: text goes into columns of text by assignment, so that it is not cut. */
static const char *
cast_of(const LsStageWrite *write)
{
	Oid relid = write->objects->contacts_relid;
	AttrNumber attno =
		get_attnum(relid, ls_model_get(write->objects->model)->row->stage_column);
	Oid type = getBaseType(get_atttype(relid, attno));
	char category;
	bool is_preferred;

	get_type_category_preferred(type, &category, &is_preferred);
	return category == TYPCATEGORY_STRING
			   ? ""
			   : psprintf("::%s", format_type_be_qualified(get_atttype(relid, attno)));
}

/*
 * forbid_deferring: deferred triggers of the user's may not run as somebody else,
 * and nobody would call them any more at commit. Where nothing else comes in the
 * transaction, they can be called at once.
 */
static void
forbid_deferring(const LsObjects *objects)
{
	if (objects->at_end)
		(void) ls_objects_execute("SET CONSTRAINTS ALL IMMEDIATE", 0, NULL, NULL);
}

/* note_written: the rows in SPI_tuptable: key, and is the stage the one it got? */
static void
note_written(LsStageWrite *write)
{
	for (uint64 i = 0; i < SPI_tuptable->numvals; i++)
	{
		HeapTuple row = SPI_tuptable->vals[i];
		TupleDesc desc = SPI_tuptable->tupdesc;
		bool is_null;
		LsChange *change = find(write, SPI_getbinval(row, desc, 1, &is_null));

		if (change == NULL)
			continue;
		change->is_fault = !DatumGetBool(SPI_getbinval(row, desc, 2, &is_null));
		change->held_back =
			change->is_fault
				? "its stage could not be written: a trigger made it another"
				: NULL;
	}
}

static void
update_rows(void *arg)
{
	LsStageWrite *write = arg;
	const LsObjects *objects = write->objects;
	LsArray stages = ls_array_begin(TEXTOID, write->n);
	Oid types[2] = {get_array_type(objects->key_type), TEXTARRAYOID};
	Datum values[2] = {keys_of(write)};

	for (int i = 0; i < write->n; i++)
	{
		ls_array_add_text(&stages, write->changes[i]->stage);
		write->changes[i]->is_fault = true;
		write->changes[i]->held_back =
			"its stage could not be written: a trigger kept the old one";
	}
	values[1] = ls_array_end(&stages);
	forbid_deferring(objects);
	(void) ls_objects_execute(
		psprintf("UPDATE %s AS c SET %s = k.stage%s"
				 " FROM ROWS FROM (unnest($1), unnest($2)) AS k (id, stage)"
				 " WHERE c.%s = k.id"
				 " RETURNING k.id, c.%s::text IS NOT DISTINCT FROM k.stage",
				 objects->contacts,
				 write->column,
				 cast_of(write),
				 objects->id,
				 write->column),
		2,
		types,
		values);
	note_written(write);
}

/*
 * try_update: false where it raised. What triggers and foreign keys of the user's
 * have to wait for must not keep his commit waiting, nor end it as a deadlock.
 */
static bool
try_update(LsStageWrite *write, ErrorData **error)
{
	int outer = our_depth;
	const char *outer_model = our_model;
	bool good;

	our_depth = trigger_depth() + 1;
	our_model = write->objects->model;
	PG_TRY();
	{
		good = ls_attempt_briefly(update_rows, write, error);
	}
	PG_FINALLY();
	{
		our_depth = outer;
		our_model = outer_model;
	}
	PG_END_TRY();
	return good;
}

/* hold_unwritten: one whose update raised. */
static void
hold_unwritten(LsChange *change, const ErrorData *error)
{
	change->is_fault = error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE;
	change->held_back =
		change->is_fault
			? psprintf("its stage could not be written: %s", error->message)
			: "what its triggers need is locked by somebody else";
}

/* So many rows may have to wait for somebody else, an instant each, in one commit. */
#define MAX_WAITS 10

/*
 * update: all together; where that raises, one by one. A commit must not wait an
 * instant for each of many: the rest is left to the queue.
 */
static void
update(LsStageWrite *write)
{
	ErrorData *error;
	int waits = 0;

	if (write->n == 0 || try_update(write, &error))
		return;
	for (int i = 0; i < write->n; i++)
	{
		LsStageWrite one = *write;

		CHECK_FOR_INTERRUPTS();
		one.changes = &write->changes[i];
		one.n = 1;
		if (write->n > 1 && waits < MAX_WAITS && try_update(&one, &error))
			continue;
		hold_unwritten(write->changes[i], error);
		waits += !write->changes[i]->is_fault;
	}
}

/*
 * ls_lifecycle_write_stages: of contacts that transitions have moved, in the order
 * of their keys. Those whose column cannot be written are held back.
 */
void
ls_lifecycle_write_stages(const LsObjects *objects,
						  const LsModel *model,
						  LsChange *changes,
						  int n,
						  TimestampTz as_of)
{
	LsStageWrite write = {.objects = objects, .as_of = as_of};

	if (model->row->stage_column == NULL)
		return;
	write.changes = palloc(sizeof(LsChange *) * Max(n, 1));
	for (int i = 0; i < n; i++)
		if (changes[i].outcome == LS_SCORED && changes[i].has_moved)
			write.changes[write.n++] = &changes[i];
	if (write.n == 0)
		return;
	write.column = quote_identifier(model->row->stage_column);
	lock_rows(&write, ((LsStageRow *) linitial(model->stages))->name);
	drop_held(&write);
	update(&write);
	drop_held(&write);
}
