/*
 * ls_batch.c: a batch of contacts that refresh or rescore brings up to date.
 *
 * One contact whose score cannot be written, because a trigger or a constraint of
 * the owner's on the score table says so, must not stop the others: what fails is
 * done again one by one, and who fails then is given up for this run.
 */
#include "ls_batch.h"

#include "ls_adjust.h"
#include "ls_attempt.h"
#include "ls_claim.h"
#include "ls_compat.h"
#include "ls_pending.h"
#include "ls_progress.h"
#include "ls_relation.h"

#include "catalog/pg_inherits.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define REPORT_EVERY_MS 5000
#define MAX_GIVEN_UP 1000

/*
 * check_keys: those that the run has come to are of the type that the score table has.
 *
 * Errors: 55000 where it has another one by now.
 */
static void
check_keys(LsRun *run)
{
	if (!OidIsValid(run->key_type))
		run->key_type = run->objects->key_type;
	if (run->key_type != run->objects->key_type)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("contact ids of model \"%s\" have another type than when they "
					   "were looked up",
					   run->model),
				errhint("Make the call again."));
}

/*
 * ls_batch_begin: everything is read again: it may have changed since the commit.
 * Results of queries live until SPI_finish, so each batch is one connection.
 */
void
ls_batch_begin(LsRun *run)
{
	CHECK_FOR_INTERRUPTS();
	if (SPI_connect_ext(run->commits ? SPI_OPT_NONATOMIC : 0) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	MemoryContextReset(run->batch);
	MemoryContextSwitchTo(run->batch);
	run->objects = ls_objects_open(run->model, "refresh its scores");
	run->objects->at_end = run->commits;
	check_keys(run);
	/* The tables before the score rows, as those who write do: whoever has locked
	 * a table (TRUNCATE) wants our rows next. */
	LockRelationOid(run->objects->contacts_relid, AccessShareLock);
	(void) find_all_inheritors(run->objects->contacts_relid, AccessShareLock, NULL);
	ls_batch_lock_lookups(run);
	ls_adjust_lock(run->objects);
	if (!run->commits)
		ls_claim_transaction(run->objects->score_relid);
	ls_guard_enter(&run->guard, run->objects->owner, LS_SAFE_PATH);
}

/*
 * ls_batch_report: every few seconds, how far the run has come.
 */
void
ls_batch_report(LsRun *run)
{
	TimestampTz now = GetCurrentTimestamp();

	if (!TimestampDifferenceExceeds(run->reported, now, REPORT_EVERY_MS))
		return;
	run->reported = now;
	ereport(NOTICE,
			errmsg("model \"%s\": " UINT64_FORMAT " contacts done", run->model, run->done));
}

void
ls_batch_end(LsRun *run)
{
	if (!run->is_over)
		ls_progress_note(run);
	ls_guard_leave(&run->guard);
	MemoryContextSwitchTo(run->context);
	ls_pending_note_reading();
	if (run->commits)
		SPI_commit();
	SPI_finish();
	ls_batch_report(run);
}

/* ---- who cannot be written --------------------------------------------- */

/* LsPart: contacts of a batch, and what is tried with them. */
typedef struct LsPart
{
	const LsObjects *objects;
	LsChange *changes;
	int n;
	const char *problem;
	bool is_free;	  /* pass over rows that somebody else has locked */
	LsChange *others; /* those contacts */
	int nothers;
} LsPart;

static bool
is_given_up(const LsRun *run, const LsChange *change)
{
	return run->ngiven_up > 0 && bsearch(change,
										 run->given_up,
										 run->ngiven_up,
										 sizeof(LsChange),
										 ls_apply_compare) != NULL;
}

/* remember: give a contact up for this run. */
static void
remember(LsRun *run, const LsChange *change)
{
	MemoryContext old = MemoryContextSwitchTo(run->context);

	if (run->given_up == NULL)
		run->given_up = palloc(sizeof(LsChange) * MAX_GIVEN_UP);
	run->given_up[run->ngiven_up] = *change;
	run->given_up[run->ngiven_up++].key = ls_key_copy(change->key);
	qsort(run->given_up, run->ngiven_up, sizeof(LsChange), ls_apply_compare);
	MemoryContextSwitchTo(old);
}

static void
warn(const LsRun *run, const ErrorData *error)
{
	ereport(WARNING,
			errcode(error->sqlerrcode),
			errmsg("model \"%s\": the score of a contact could not be written",
				   run->model),
			errdetail("%s", error->message),
			errhint("SELECT * FROM lead_scoring.check_model(%s) names it; the others are "
					"done.",
					quote_literal_cstr(run->model)));
}

/*
 * give_up: the contact stays as it is, and in the queue with the reason.
 *
 * Errors: that of the contact, where there are too many of them.
 */
static void
give_up(LsRun *run, LsChange *change, ErrorData *error)
{
	if (is_given_up(run, change))
		return;
	if (run->ngiven_up >= MAX_GIVEN_UP)
		ReThrowError(error);
	if (run->ngiven_up == 0)
		warn(run, error);
	remember(run, change);
	ls_apply_queue(run->objects,
				   change,
				   1,
				   psprintf("its score could not be written: %s", error->message));
}

static void
write_scores(void *arg)
{
	LsPart *part = arg;
	int n = part->n;

	ls_pending_spoil(part->objects->model, part->changes, n);
	if (part->is_free)
		n = ls_apply_free(part->objects, part->changes, n);
	else
		ls_apply_changes(part->objects, part->changes, n);
	part->others = &part->changes[n];
	part->nothers = part->n - n;
}

static void
write_problem(void *arg)
{
	LsPart *part = arg;

	part->others = part->changes;
	part->nothers =
		ls_apply_problem(part->objects, part->changes, part->problem, part->is_free)
			? 0
			: 1;
}

/* queue_others: contacts whose rows are not to be had. */
static void
queue_others(const LsRun *run, const LsChange *changes, int n)
{
	LsChange *others = palloc(sizeof(LsChange) * n);
	int nothers = 0;

	for (int i = 0; i < n; i++)
		if (!is_given_up(run, &changes[i]))
			others[nothers++] = changes[i];
	if (nothers > 0)
		ls_apply_queue(run->objects, others, nothers, "locked by somebody else");
}

/* apply_one: the score; else why there is none; else that is in the queue. */
static void
apply_one(LsRun *run, const LsPart *all, LsChange *change)
{
	LsPart part = {run->objects, change, 1, .is_free = all->is_free};
	ErrorData *error;
	ErrorData *again;

	change->outcome = LS_RECOMPUTE;
	change->events = LS_EVENTS_READ;
	change->surveyed = NULL;
	if (!ls_attempt(write_scores, &part, &error))
	{
		part.problem = psprintf("could not be written: %s", error->message);
		if (!ls_attempt(write_problem, &part, &again))
			give_up(run, change, error);
	}
	if (part.nothers > 0)
		queue_others(run, part.others, part.nothers);
}

/*
 * ls_batch_set_silent: what is true of a contact that is not new, but new to the rules,
 * sets off no action unless asked.
 */
void
ls_batch_set_silent(const LsRun *run, LsChange *changes, int n)
{
	for (int i = 0; i < n; i++)
		changes[i].silent =
			!run->fire_actions && (changes[i].cause == LS_CAUSE_ACTIVATION ||
								   changes[i].cause == LS_CAUSE_RULES);
}

/* apply_part: at once, or one by one where somebody is against it. */
static void
apply_part(LsRun *run, LsPart *part)
{
	ErrorData *error;

	run->done += part->n;
	ls_batch_set_silent(run, part->changes, part->n);
	if (part->n == 0 || ls_attempt(write_scores, part, &error))
		return;
	part->nothers = 0;
	for (int i = 0; i < part->n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		apply_one(run, part, &part->changes[i]);
	}
}

/* drop_given_up: of the changes; gives the number of those that are left. */
static int
drop_given_up(const LsRun *run, LsChange *changes, int n)
{
	int kept = 0;

	for (int i = 0; i < n; i++)
		if (!is_given_up(run, &changes[i]))
			changes[kept++] = changes[i];
	return kept;
}

/*
 * ls_batch_apply: make the score rows of the contacts what they must be; those that
 * somebody else has locked stay as they are.
 */
void
ls_batch_apply(LsRun *run, LsChange *changes, int n)
{
	LsPart part = {run->objects, changes, .is_free = true};

	part.n = drop_given_up(run, changes, n);
	apply_part(run, &part);
	run->done -= part.nothers;
}

/* ---- who has no row yet, or whose row is not to be had ------------------ */

static void
ensure(void *arg)
{
	const LsPart *part = arg;

	ls_apply_ensure(part->objects, part->changes, part->n);
}

/* those_without: of the changes, those that may have no row. */
static LsChange *
those_without(LsChange *changes, int n, int *nwithout)
{
	LsChange *without = palloc(sizeof(LsChange) * n);

	*nwithout = 0;
	for (int i = 0; i < n; i++)
		if (changes[i].surveyed == NULL || !changes[i].surveyed->has_row)
			without[(*nwithout)++] = changes[i];
	return without;
}

/*
 * ensure_rows: a row that somebody else is just inserting is waited for, but not
 * long: he may be waiting for one that was inserted here.
 */
static void
ensure_rows(LsRun *run, LsChange *changes, int n)
{
	LsPart part = {run->objects};
	ErrorData *error;

	changes = those_without(changes, n, &n);
	part.changes = changes;
	part.n = n;
	if (n == 0 || ls_attempt_briefly(ensure, &part, &error) ||
		error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE)
		return;
	part.n = 1;
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		part.changes = &changes[i];
		if (!ls_attempt_briefly(ensure, &part, &error) &&
			error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
			give_up(run, &changes[i], error);
	}
}

/*
 * ls_batch_recompute: the contacts, in the order of their keys, as far as their
 * rows are free.
 */
void
ls_batch_recompute(LsRun *run, LsChange *changes, int n)
{
	LsPart part = {run->objects, changes, n, .is_free = !run->alone};

	if (n == 0)
		return;
	if (!run->alone)
		ensure_rows(run, changes, n);
	apply_part(run, &part);
	if (part.nothers > 0)
		queue_others(run, part.others, part.nothers);
}

/* LsSweep: of what is recorded of contacts that are no more. */
typedef struct LsSweep
{
	const LsObjects *objects;
	bool any_gone;
} LsSweep;

static void
sweep_records(void *arg)
{
	const LsSweep *sweep = arg;

	ls_apply_sweep_records(sweep->objects, sweep->any_gone);
}

/* sweep_scores: of contacts that are no more. */
static void
sweep_scores(LsRun *run)
{
	LsChange *changes;
	LsKey last;
	int n = ls_apply_orphans(run->objects, NULL, &changes);

	while (n > 0)
	{
		last = changes[n - 1].key;
		ls_batch_apply(run, changes, n);
		n = ls_apply_orphans(run->objects, &last, &changes);
	}
}

/*
 * ls_batch_sweep: delete the scores of contacts that are no more, and what is
 * recorded of them.
 */
void
ls_batch_sweep(LsRun *run)
{
	LsSweep sweep = {run->objects};
	ErrorData *error;

	sweep.any_gone =
		run->has_orphans || ls_apply_any_gone(run->objects, !run->knows_orphans);
	if (sweep.any_gone)
		sweep_scores(run);
	if (!ls_attempt(sweep_records, &sweep, &error))
		ereport(WARNING,
				errcode(error->sqlerrcode),
				errmsg("model \"%s\": what is recorded of contacts that are gone could "
					   "not be deleted",
					   run->model),
				errdetail("%s", error->message),
				errhint("Look at the triggers of its tables."));
}
