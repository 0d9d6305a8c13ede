/*
 * ls_flush.c: what is pending becomes scores, once, at commit.
 *
 * All rows in one order, that of their keys: score rows are
 * locked for the instant of commit only, and no two transactions can wait for
 * each other over them. Whatever goes wrong here must not cost the user's own
 * write: the contacts then go to the queue.
 */
#include "ls_flush.h"

#include "ls_apply_lookup.h"
#include "ls_attempt.h"
#include "ls_claim.h"
#include "ls_compat.h"
#include "ls_guc.h"
#include "ls_lookup_lock.h"
#include "ls_notify.h"
#include "ls_passed.h"
#include "ls_relation.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(ls_sql_flush);

/*
 * hear_of_changes: a transaction has its number before it looks at rules, and they are
 * not older than that: see ls_mixed.c.
 */
static void
hear_of_changes(void)
{
	static LocalTransactionId heard_in = InvalidLocalTransactionId;

	if (heard_in == ls_local_transaction())
		return;
	heard_in = ls_local_transaction();
	AcceptInvalidationMessages();
}

/*
 * ls_flush_check_trigger: functions that note changes are called by the triggers that
 * activate() makes.
 *
 * Errors: 39P01.
 */
void
ls_flush_check_trigger(FunctionCallInfo fcinfo, const char *name)
{
	const TriggerData *data = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(data->tg_event) ||
		data->tg_trigger->tgnargs != 1)
		ereport(ERROR,
				errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				errmsg("%s() is an AFTER trigger with the model as its argument", name),
				errhint("Call lead_scoring.activate() to create it."));
	hear_of_changes();
}

/*
 * ls_flush_warn: once a session and model; the details are for the owner's eyes
 * and in check_model.
 */
void
ls_flush_warn(const char *model)
{
	static List *warned = NIL;
	MemoryContext old;
	ListCell *cell;

	foreach(cell, warned)
		if (strcmp(lfirst(cell), model) == 0)
			return;
	old = MemoryContextSwitchTo(TopMemoryContext);
	warned = lappend(warned, pstrdup(model));
	MemoryContextSwitchTo(old);
	ereport(WARNING,
			errcode(ERRCODE_WARNING),
			errmsg("scores of model \"%s\" could not be kept up", model),
			errdetail("The write itself is not affected."),
			errhint("Let the owner of the contacts look at SELECT * FROM "
					"lead_scoring.check_model(%s).",
					quote_literal_cstr(model)));
}

/* Is the transaction at its end? */
static bool is_at_end = false;

/* warn_of_faults: of contacts that could not be scored, or not be moved. */
static void
warn_of_faults(const LsObjects *objects, const LsTaken *taken)
{
	for (int i = 0; i < taken->n; i++)
	{
		const LsChange *change = &taken->changes[i];

		if (change->outcome == LS_FAILED ||
			(change->is_fault && change->held_back != NULL))
			ls_flush_warn(objects->model);
	}
}

/* queue_everyone: a row without contact: all are stale. */
static void
queue_everyone(const LsObjects *objects, const char *reason, LsCause cause)
{
	Oid types[2] = {TEXTOID, TEXTOID};
	Datum values[2] = {CStringGetTextDatum(reason),
					   CStringGetTextDatum(ls_apply_cause_name(cause))};

	(void) ls_objects_execute(
		psprintf("INSERT INTO %s (contact_id, reason, cause) VALUES (NULL, $1, $2)",
				 objects->queue),
		2,
		types,
		values);
}

/* add_lookups: the contacts whose lookups have changed, or the keys to the queue. */
static void
add_lookups(const LsObjects *objects, LsTaken *taken, const char *reason)
{
	if (taken->lookups.n == 0)
		return;
	if (reason != NULL)
		ls_apply_queue_lookups(objects, &taken->lookups, reason);
	else
		ls_apply_find_lookups(objects,
							  &taken->lookups,
							  ls_guc_pending_limit,
							  &taken->changes,
							  &taken->n);
}

/* write_changes: apply, or queue where there is a reason. */
static void
write_changes(const LsObjects *objects, LsTaken *taken, const char *reason)
{
	if (taken->everyone != NULL)
		queue_everyone(objects, taken->everyone, taken->cause);
	if (taken->sweep && reason != NULL)
		queue_everyone(objects, "contacts were truncated", LS_CAUSE_CONTACT);
	else if (taken->sweep)
		ls_apply_sweep(objects);
	add_lookups(objects, taken, reason);
	if (taken->n == 0)
		return;
	/* Who was written before a TRUNCATE may be gone, or be done by the sweep. */
	for (int i = 0; taken->sweep && i < taken->n; i++)
	{
		taken->changes[i].outcome = LS_RECOMPUTE;
		taken->changes[i].events = LS_EVENTS_READ;
	}
	if (reason != NULL)
	{
		ls_apply_queue(objects, taken->changes, taken->n, reason);
		return;
	}
	ls_apply_changes(objects, taken->changes, taken->n);
	warn_of_faults(objects, taken);
}

/*
 * lock_lookups: nobody changes what the contacts are linked to, or links contacts to
 * what was changed, until this is committed. False where that is not to be had.
 */
static bool
lock_lookups(const LsObjects *objects, const LsTaken *taken)
{
	List *rows = ls_model_is_current(objects->model)
					 ? ls_lookup_rows(ls_model_get(objects->model)->lookups)
					 : ls_catalog_lookups(objects->model);

	return rows == NIL ||
		   (ls_lookup_lock_tables(rows) && ls_lookup_lock(objects->score_relid,
														  taken->lookups.linked,
														  taken->lookups.changed));
}

/*
 * lock_tables: those that are read, and the contacts where their stages are written,
 * before score rows are locked. Who changes one may want next what the user's
 * transaction has. False, at once, where one is not to be had.
 */
static bool
lock_tables(const LsObjects *objects, const LsModelRow *row)
{
	List *sources = ls_model_is_current(row->name) ? ls_model_get(row->name)->sources
												   : ls_catalog_sources(row->name);
	ListCell *cell;

	if (!ConditionalLockRelationOid(objects->contacts_relid,
									row->stage_column == NULL ? AccessShareLock
															  : RowExclusiveLock))
		return false;
	foreach(cell, sources)
	{
		Oid relid = ls_relation_by_name(((LsSourceRow *) lfirst(cell))->relation);

		if (OidIsValid(relid) && !ConditionalLockRelationOid(relid, AccessShareLock))
			return false;
	}
	return true;
}

/* apply: as the owner, inside SPI. */
static void
apply(const LsObjects *objects,
	  const LsModelRow *row,
	  LsTaken *taken,
	  const char *reason)
{
	bool claimed = reason == NULL && ls_claim_instant(objects->score_relid);

	if (reason == NULL && !claimed)
		reason = "a refresh inside another transaction";
	if (reason == NULL && !lock_tables(objects, row))
		reason =
			"contacts or events are being changed as a table by another transaction";
	if (reason == NULL && !lock_lookups(objects, taken))
		reason = "lookups are being changed by another transaction";
	write_changes(objects, taken, reason);
	if (claimed)
		ls_claim_release(objects->score_relid);
}

/* LsWrite: the changes of one model, and why they go to the queue, if they do. */
typedef struct LsWrite
{
	const LsTaken *taken;
	const char *reason; /* NULL = apply */
} LsWrite;

/*
 * find_row: the model as it was compiled, else as it is in the catalog. A commit
 * does not read the configuration again where it knows that nothing changed.
 */
static void
find_row(const char *name, const LsModelRow **row, Oid *contacts)
{
	if (ls_model_is_current(name))
	{
		LsModel *model = ls_model_get(name);

		*row = model->row;
		*contacts = model->relid;
		return;
	}
	*row = ls_catalog_model(name, false);
	*contacts = ls_relation_of_model(*row, false);
}

/*
 * write_model: apply, or queue where there is a reason.
 *
 * Errors: 55000 where upkeep may not write.
 */
static void
write_model(void *arg)
{
	const LsWrite *write = arg;
	const LsModelRow *row;
	Oid contacts;
	const char *problem;
	LsTaken taken;
	LsObjects *objects;
	LsGuard guard;

	find_row(write->taken->model, &row, &contacts);
	if (!ls_objects_usable(row, contacts, &problem))
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("scores of model \"%s\" cannot be written: %s", row->name, problem),
				errhint("Call lead_scoring.activate(%s) again.",
						quote_literal_cstr(row->name)));
	objects = ls_objects_of(row, contacts);
	objects->at_end = is_at_end;
	/* At commit there is no snapshot any more, and planning wants one. */
	PushActiveSnapshot(GetTransactionSnapshot());
	ls_guard_enter(&guard, objects->owner, LS_SAFE_PATH);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	taken = *write->taken;
	apply(objects, row, &taken, write->reason);
	SPI_finish();
	ls_guard_leave(&guard);
	PopActiveSnapshot();
}

/* try_write: false, and nothing written, where it raised. */
static bool
try_write(const LsTaken *taken, const char *reason, ErrorData **error)
{
	LsWrite write = {taken, reason};

	return ls_attempt(write_model, &write, error);
}

static const char *
reason_to_queue(const LsTaken *taken, bool is_prepare, int round)
{
	if (taken->queue)
		return "lead_scoring.apply was queue";
	if (is_prepare)
		return "prepared transaction";
	if (IsolationUsesXactSnapshot())
		return "written in a transaction with a fixed snapshot";
	if (round > 1)
		return "written by a trigger on the scores";
	return NULL;
}

/* try_quickly: the commit of a single event. False, and nothing written, otherwise. */
static bool
try_quickly(const LsTaken *taken)
{
	return taken->n == 1 && taken->everyone == NULL && !taken->sweep &&
		   taken->lookups.n == 0 && taken->lookups.linked == 0 &&
		   ls_model_is_current(taken->model) &&
		   ls_apply_quick(ls_model_get(taken->model), &taken->changes[0]);
}

/* LsSought: a model that may be gone. */
typedef struct LsSought
{
	const char *model;
	bool is_gone;
} LsSought;

static void
seek(void *arg)
{
	LsSought *sought = arg;

	sought->is_gone = ls_catalog_model(sought->model, true) == NULL;
}

/* is_gone: has the transaction itself dropped the model, after it had written? */
static bool
is_gone(const char *model)
{
	LsSought sought = {model, false};
	ErrorData *error;

	return ls_attempt(seek, &sought, &error) && sought.is_gone;
}

static void
flush_taken(const LsTaken *taken, bool is_prepare, int round)
{
	const char *reason = reason_to_queue(taken, is_prepare, round);
	ErrorData *error = NULL;

	if (reason == NULL && !ls_model_is_broken(taken->model) &&
		(try_quickly(taken) || try_write(taken, NULL, &error)))
		return;
	if (reason == NULL)
	{
		if (is_gone(taken->model))
			return;
		reason = error == NULL
					 ? "scores could not be written"
					 : psprintf("scores could not be written: %s", error->message);
		ls_flush_warn(taken->model);
	}
	if (!try_write(taken, reason, &error) && !is_gone(taken->model))
		ls_flush_warn(taken->model);
}

static void
flush_model(LsPendingModel *pending, bool is_prepare, int round)
{
	LsTaken *taken = ls_pending_take(pending);

	if (taken->n > 0 || taken->everyone != NULL || taken->sweep || taken->lookups.n > 0)
		flush_taken(taken, is_prepare, round);
	ls_pending_release(taken);
}

static int
compare_models(const ListCell *a, const ListCell *b)
{
	return strcmp(((LsPendingModel *) lfirst(a))->model,
				  ((LsPendingModel *) lfirst(b))->model);
}

/*
 * flush: apply what the current level has. What triggers on the scores change
 * in turn goes to the queue, so that this ends.
 */
static void
flush_rounds(bool is_prepare)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "lead_scoring flush",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	for (int round = 1; round <= 3 && ls_pending_any(); round++)
	{
		List *models = ls_pending_models();
		ListCell *cell;

		list_sort(models, compare_models);
		foreach(cell, models)
			if (!ls_pending_is_empty(lfirst(cell)))
				flush_model(lfirst(cell), is_prepare, round);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* Are scores being written? What triggers note meanwhile waits for the next round. */
static bool is_flushing = false;

static void
flush(bool is_prepare)
{
	is_flushing = true;
	PG_TRY();
	{
		flush_rounds(is_prepare);
	}
	PG_FINALLY();
	{
		is_flushing = false;
	}
	PG_END_TRY();
}

/*
 * ls_flush_now: apply what is pending, inside the transaction. What the
 * transactions above the current subtransaction have is applied too, and stays
 * pending: should this one roll back, it comes again.
 */
void
ls_flush_now(void)
{
	if (is_flushing || !ls_pending_any())
		return;
	ls_pending_copy_down();
	flush(false);
	ls_pending_note_reading();
}

/*
 * ls_flush_if_full: beyond lead_scoring.pending_limit contacts, those in memory
 * go to the queue.
 */
void
ls_flush_if_full(LsPendingModel *pending)
{
	MemoryContext context;
	MemoryContext old;
	LsTaken *taken;
	ErrorData *error;

	if (pending->notes.n < ls_guc_pending_limit &&
		pending->lookups.n < ls_guc_pending_limit)
		return;
	context = AllocSetContextCreate(CurrentMemoryContext,
									"lead_scoring flush",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	taken = ls_pending_take(pending);
	if (!try_write(taken, "more changes than lead_scoring.pending_limit", &error))
		ls_flush_warn(pending->model);
	ls_pending_release(taken);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* flush_at_end: of the transaction. */
static void
flush_at_end(bool is_prepare)
{
	is_at_end = true;
	PG_TRY();
	{
		flush(is_prepare);
	}
	PG_FINALLY();
	{
		is_at_end = false;
	}
	PG_END_TRY();
}

static void
xact_callback(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			ls_passed_check();
			if (ls_pending_any())
				flush_at_end(event == XACT_EVENT_PRE_PREPARE);
			if (event == XACT_EVENT_PRE_COMMIT)
				ls_notify_send();
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			ls_pending_forget();
			ls_passed_forget();
			ls_notify_forget();
			break;
		default:
			break;
	}
}

static void
subxact_callback(SubXactEvent event,
				 SubTransactionId subxact,
				 SubTransactionId parent,
				 void *arg)
{
	if (event == SUBXACT_EVENT_PRE_COMMIT_SUB)
	{
		ls_pending_commit_subxact();
		ls_notify_commit_subxact();
	}
	else if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		ls_pending_abort_subxact();
		ls_notify_abort_subxact();
	}
}

/*
 * ls_flush_init: once a backend.
 */
void
ls_flush_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
}

/*
 * flush(): apply what this transaction has changed so far.
 */
Datum
ls_sql_flush(PG_FUNCTION_ARGS)
{
	ls_flush_now();
	PG_RETURN_VOID();
}
