/*
 * ls_apply_quick.c: new events of one contact, as most commits bring them.
 *
 * Here a score follows from its own row, the new events and the rules, and nothing is
 * run but what is part of the server. So much of what ls_apply_changes does is not
 * needed. The row is read without a lock, and locked just before it is written, if
 * nobody has it or has written it since. Nothing is waited for, so there is no claim to
 * look for. Nothing of the owner's is called, so it need not become the owner.
 * And what is only written to a plain table needs no subtransaction.
 *
 * Wherever it is not like that, nothing is written, and the contact takes the ordinary
 * way.
 */
#include "ls_apply_row.h"

#include "ls_adjust.h"
#include "ls_attempt.h"
#include "ls_compat.h"
#include "ls_engagement.h"
#include "ls_heap.h"
#include "ls_history.h"
#include "ls_lifecycle.h"

#include "access/htup_details.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* LsQuick: what is known of a model's tables; as of a generation. */
typedef struct LsQuick
{
	MemoryContext context;
	bool is_possible;
	LsObjects *objects;
	LsRowShape shape;
	LsHistories histories;
} LsQuick;

/* LsQuickWork: one contact on the quick way. */
typedef struct LsQuickWork
{
	LsModel *model;
	const LsQuick *quick;
	LsChange change;
	TimestampTz as_of;
	HeapTuple row; /* what the score row is to become; NULL = what it is */
	List *moves;
	List *firings;
	List *history;		/* rows to write with it */
	bool by_statements; /* what happened besides is written so */
	bool is_done;		/* nothing has come in the way so far */
} LsQuickWork;

/* ---- what is known ------------------------------------------------------ */

/* is_compiled: all of the model. To compile is to wait for who alters the tables. */
static bool
is_compiled(const LsModel *model)
{
	return (model->engagement != NULL || !ls_model_has_behaviour(model)) &&
		   (model->lifecycle != NULL || !ls_lifecycle_is_needed(model));
}

/* may_be_quick: as far as the rules are concerned. */
static bool
may_be_quick(LsModel *model)
{
	return !model->uses_as_of && ls_lifecycle_is_builtin(model) &&
		   !ls_lifecycle_needs_contact(model);
}

/* is_given: will the column never be null? */
static bool
is_given(const LsRowShape *shape, AttrNumber attno)
{
	return attno == shape->columns[LS_SCORE_CONTACT_ID] ||
		   attno == shape->columns[LS_SCORE_BY_HAND] ||
		   attno == shape->columns[LS_SCORE_SCORED_AT] ||
		   attno == shape->columns[LS_SCORE_STAMP];
}

/* is_plain: can no row that we write be refused? */
static bool
is_plain(Relation rel, const LsRowShape *shape, Oid key_type)
{
	AttrNumber key = shape->columns[LS_SCORE_CONTACT_ID];

	for (int i = 0; i < LS_SCORE_WRITTEN; i++)
	{
		AttrNumber attno = shape->columns[i];

		if (TupleDescAttr(RelationGetDescr(rel), attno - 1)->attnotnull &&
			!is_given(shape, attno))
			return false;
	}
	return TupleDescAttr(RelationGetDescr(rel), key - 1)->atttypid == key_type &&
		   ls_heap_is_plain(rel, key, shape->index);
}

/* learn: of the tables. The counter is taken before: what changes meanwhile is seen. */
static void
learn(LsModel *model, LsQuick *quick)
{
	uint64 generation = ls_upkeep_generation;
	const char *problem;
	LsRows *rows;

	quick->shape.generation = generation;
	quick->is_possible = false;
	if (!ls_objects_usable(model->row, model->relid, &problem))
		return;
	quick->objects = ls_objects_of(model->row, model->relid);
	ls_objects_watch(model->row);
	rows = ls_rows_open(quick->objects, RowExclusiveLock);
	quick->shape = ls_rows_shape(rows, generation);
	quick->is_possible =
		is_plain(ls_rows_table(rows), &quick->shape, quick->objects->key_type) &&
		may_be_quick(model);
	ls_rows_close(rows);
	ls_history_learn(&quick->histories, quick->objects);
}

/* make_known: in a context of its own, below that of the model. */
static void
make_known(void *arg)
{
	LsModel *model = arg;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "lead_scoring tables",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	LsQuick *quick = palloc0(sizeof(LsQuick));

	quick->context = context;
	learn(model, quick);
	MemoryContextSwitchTo(old);
	MemoryContextSetParent(context, model->context);
	if (model->quick != NULL)
		MemoryContextDelete(model->quick->context);
	model->quick = quick;
}

/* find_known: NULL where the quick way cannot be taken. */
static const LsQuick *
find_known(LsModel *model)
{
	ErrorData *error;

	if (!is_compiled(model))
		return NULL;
	if ((model->quick == NULL ||
		 model->quick->shape.generation != ls_upkeep_generation) &&
		!ls_attempt(make_known, model, &error))
		return NULL;
	return model->quick->is_possible ? model->quick : NULL;
}

/* ---- one contact -------------------------------------------------------- */

/*
 * score: what its row is to become. False where that does not follow from the row, or
 * where it may not be written here.
 */
static bool
score(LsQuickWork *work, LsRows *rows)
{
	LsChange *change = &work->change;
	const LsObjects *objects = work->quick->objects;

	if (!ls_rows_read_one(rows, change) || change->stored == NULL ||
		!ls_adjust_is_silent(objects, change->key))
		return false;
	work->as_of = GetCurrentTimestamp();
	ls_apply_plan(work->model, change, 1);
	if (change->outcome != LS_SCORED ||
		!ls_apply_stored_state(objects, work->model, change, work->as_of))
		return false;
	ls_apply_label(work->model, change);
	ls_lifecycle_look_at(work->model,
						 change,
						 work->as_of,
						 &work->moves,
						 &work->firings);
	/* The stage column is written the ordinary way. */
	if (work->moves != NIL && work->model->row->stage_column != NULL)
		return false;
	work->row = ls_apply_form(rows, change, work->as_of);
	return work->row == NULL ||
		   ls_heap_may_replace(ls_rows_table(rows), change->row, work->row);
}

/* is_known: are the tables what they were, now that all of them are locked? */
static bool
is_known(const LsQuick *quick)
{
	return quick->shape.generation == ls_upkeep_generation;
}

/* tell: make rows of what happened besides. */
static void
tell(LsQuickWork *work)
{
	work->by_statements =
		work->firings != NIL || !ls_history_form(&work->quick->histories,
												 work->quick->objects,
												 &work->change,
												 work->moves,
												 work->as_of,
												 &work->history);
}

static void
try_score(void *arg)
{
	LsQuickWork *work = arg;
	LsRows *rows =
		ls_rows_open_known(work->quick->objects, &work->quick->shape, RowExclusiveLock);

	if (rows == NULL)
		return;
	work->is_done = score(work, rows);
	ls_rows_close(rows);
	if (work->is_done && work->row != NULL)
		tell(work);
	work->is_done = work->is_done && is_known(work->quick);
}

/* replace: the row, unless somebody else has it. */
static bool
replace(const LsQuickWork *work)
{
	return ls_heap_replace(work->quick->objects->score_relid,
						   work->change.row,
						   work->row);
}

/* write_all: what happened besides is written by statements, as the owner. */
static void
write_all(void *arg)
{
	LsQuickWork *work = arg;
	const LsObjects *objects = work->quick->objects;
	LsGuard guard;

	work->is_done = replace(work);
	if (!work->is_done)
		return;
	PushActiveSnapshot(GetTransactionSnapshot());
	ls_guard_enter(&guard, objects->owner, LS_SAFE_PATH);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	ls_lifecycle_record(objects,
						&work->change,
						1,
						work->moves,
						work->firings,
						work->as_of);
	SPI_finish();
	ls_guard_leave(&guard);
	PopActiveSnapshot();
}

static bool
finish(LsQuickWork *work)
{
	ErrorData *error;

	/*
	 * Where nothing is new, nobody would see that these events were looked at: who is
	 * just reading all of them does not know them yet, and they may be news to him. So
	 * the row is locked.
	 */
	if (work->row == NULL)
		return ls_heap_lock(work->quick->objects->score_relid, work->change.row);
	if (work->by_statements)
		return ls_attempt(write_all, work, &error) && work->is_done;
	if (!replace(work))
		return false;
	ls_history_write(work->history);
	return true;
}

/*
 * ls_apply_quick: make the score row what the change says. False, and nothing
 * written, where it must take the ordinary way. The model is compiled, and at hand.
 *
 * Memory: the current context, which should not live long.
 */
bool
ls_apply_quick(LsModel *model, const LsChange *change)
{
	LsQuickWork work = {.model = model, .change = *change};
	ErrorData *error;
	bool is_done;

	/* At commit there is none any more, and who reads rows wants one. */
	PushActiveSnapshot(GetTransactionSnapshot());
	work.quick = find_known(model);
	is_done = work.quick != NULL && ls_attempt(try_score, &work, &error) &&
			  work.is_done && finish(&work);
	PopActiveSnapshot();
	return is_done;
}
