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

#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* Is the update at hand ours? Its trigger need not tell us. */
bool ls_lifecycle_is_writing = false;

/* LsStageWrite: contacts whose stage column is to be written. */
typedef struct LsStageWrite
{
	const LsObjects *objects;
	const char *column;
	LsChange **changes;
	int n;
} LsStageWrite;

static void
hold_back(LsChange *change, const char *reason)
{
	ls_apply_keep_life(change);
	change->held_back = reason;
}

static void
hold_all_back(LsStageWrite *write, const char *reason)
{
	for (int i = 0; i < write->n; i++)
		hold_back(write->changes[i], reason);
}

/* has_deferred_triggers: which would no longer be called at commit. */
static bool
has_deferred_triggers(Oid relid)
{
	Relation rel = table_open(relid, AccessShareLock);
	bool found = false;

	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &rel->trigdesc->triggers[i];

		found |= trigger->tginitdeferred && trigger->tgenabled != TRIGGER_DISABLED &&
				 TRIGGER_FOR_UPDATE(trigger->tgtype);
	}
	table_close(rel, NoLock);
	return found;
}

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
			hold_back(write->changes[i], write->changes[i]->held_back);
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
		write->changes[i]->held_back = "a trigger of the contacts kept its stage";
	}
	values[1] = ls_array_end(&stages);
	(void) ls_objects_execute(
		psprintf("UPDATE %s AS c SET %s = k.stage%s"
				 " FROM ROWS FROM (unnest($1), unnest($2)) AS k (id, stage)"
				 " WHERE c.%s = k.id RETURNING k.id",
				 objects->contacts,
				 write->column,
				 cast_of(write),
				 objects->id),
		2,
		types,
		values);
	for (uint64 i = 0; i < SPI_tuptable->numvals; i++)
	{
		bool is_null;
		LsChange *change = find(write,
								SPI_getbinval(SPI_tuptable->vals[i],
											  SPI_tuptable->tupdesc,
											  1,
											  &is_null));

		if (change != NULL)
			change->held_back = NULL;
	}
}

/* try_update: false where it raised. */
static bool
try_update(LsStageWrite *write, ErrorData **error)
{
	bool good;

	ls_lifecycle_is_writing = true;
	PG_TRY();
	{
		good = ls_attempt(update_rows, write, error);
	}
	PG_FINALLY();
	{
		ls_lifecycle_is_writing = false;
	}
	PG_END_TRY();
	return good;
}

/* update: all together; where that raises, one by one. */
static void
update(LsStageWrite *write)
{
	ErrorData *error;

	if (write->n == 0 || try_update(write, &error))
		return;
	for (int i = 0; i < write->n; i++)
	{
		LsStageWrite one = *write;

		CHECK_FOR_INTERRUPTS();
		one.changes = &write->changes[i];
		one.n = 1;
		if (write->n == 1 || !try_update(&one, &error))
			write->changes[i]->held_back =
				psprintf("its stage could not be written: %s", error->message);
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
						  int n)
{
	LsStageWrite write = {.objects = objects};

	if (model->row->stage_column == NULL)
		return;
	write.changes = palloc(sizeof(LsChange *) * Max(n, 1));
	for (int i = 0; i < n; i++)
		if (changes[i].outcome == LS_SCORED && changes[i].has_moved)
			write.changes[write.n++] = &changes[i];
	if (write.n == 0)
		return;
	if (ls_apply_at_commit && has_deferred_triggers(objects->contacts_relid))
	{
		hold_all_back(&write, "the contacts have deferred triggers");
		return;
	}
	write.column = quote_identifier(model->row->stage_column);
	lock_rows(&write, ((LsStageRow *) linitial(model->stages))->name);
	drop_held(&write);
	update(&write);
	drop_held(&write);
}
