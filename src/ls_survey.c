/*
 * ls_survey.c: who of all contacts must be looked at, found in one query.
 *
 * A rescore goes through the contacts in slices of the order of their keys. A survey
 * reads all of a slice at once, contacts, lookups, events and score rows, in one
 * snapshot, and works out the scores: whose row says them already is done. The others
 * are kept, to be scored in batches.
 *
 * Where a survey is not to be had, because a condition fails on some event, say, each
 * contact of the slice is looked at.
 */
#include "ls_survey.h"

#include "ls_apply_contact.h"
#include "ls_apply_row.h"
#include "ls_attempt.h"
#include "ls_compat.h"
#include "ls_engagement.h"
#include "ls_guc.h"
#include "ls_lifecycle.h"
#include "ls_progress.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define BATCH 1000
#define CHUNK 250 /* rows of the result that are at hand */
#define CHUNK_MEMORY (1024 * 1024)

/* LsSurveyor: a survey while it is made. */
typedef struct LsSurveyor
{
	LsRun *run;
	int64 stamp; /* life_stamp of the model that it is by */
	TimestampTz as_of;
	LsSurveyQuery query;
	TupleDesc desc;
	int first;	   /* column of the result that is ours */
	Datum *values; /* of a row, all its columns */
	bool *nulls;
	Snapshot snapshot;
	MemoryContext chunk;
	LsSurveyStore *store;
	uint64 done; /* contacts that need nothing */
} LsSurveyor;

/* ---- one contact -------------------------------------------------------- */

static LsStored *
read_stored(const LsSurveyor *survey)
{
	LsScoreRow row = {0};
	int first = survey->first + LS_SURVEY_SCORE;

	if (survey->nulls[survey->first + LS_SURVEY_TID])
		return NULL;
	for (int i = 0; i < LS_SCORE_WRITTEN; i++)
	{
		row.values[i] = survey->values[first + i];
		row.nulls[i] = survey->nulls[first + i];
	}
	return ls_rows_stored(&row);
}

/* read_state: of all sources. */
static const LsState *
read_state(const LsSurveyor *survey, LsModel *model)
{
	int first = survey->first + LS_SURVEY_SCORE + LS_SCORE_WRITTEN;
	const LsState *state = NULL;

	for (int i = 0; i < survey->query.nsources; i++)
	{
		const LsState *other;

		if (survey->nulls[first + i])
			continue;
		other = ls_state_from_datum(survey->values[first + i]);
		ls_apply_check_state(ls_engagement_get(model), other);
		state =
			ls_apply_join_states(ls_engagement_get(model), state, other, survey->as_of);
	}
	return state;
}

/*
 * is_clean: was nobody writing what the score follows from, who has locked its row
 * and whose changes are not in what was read?
 */
static bool
is_clean(const LsSurveyor *survey, TransactionId locker)
{
	return !TransactionIdIsValid(locker) ||
		   (!TransactionIdIsCurrentTransactionId(locker) &&
			!XidInMVCCSnapshot(locker, survey->snapshot));
}

/* read_row: which version of the score row it was. False where that may not count. */
static bool
read_row(const LsSurveyor *survey, LsSurveyed *surveyed)
{
	const Datum *values = &survey->values[survey->first];

	surveyed->has_row = !survey->nulls[survey->first + LS_SURVEY_TID];
	if (!surveyed->has_row)
		return true;
	surveyed->tid = *(ItemPointer) DatumGetPointer(values[LS_SURVEY_TID]);
	surveyed->xmin = DatumGetTransactionId(values[LS_SURVEY_XMIN]);
	surveyed->xmax = DatumGetTransactionId(values[LS_SURVEY_XMAX]);
	return is_clean(survey, surveyed->xmax);
}

/* put: a contact that must be looked at; all over again where something is odd. */
static void
put(const LsSurveyor *survey, LsChange *change)
{
	if (!change->is_untouched ||
		(change->outcome != LS_SCORED && change->outcome != LS_OUTSIDE))
		change->outcome = LS_RECOMPUTE;
	ls_survey_store_put(survey->store, change);
}

/* read_contact: what there is to know of a contact, whose row is set out. */
static void
read_contact(const LsSurveyor *survey,
			 const LsContacts *contacts,
			 HeapTuple row,
			 LsChange *change)
{
	LsSurveyed *surveyed = palloc0(sizeof(LsSurveyed));

	change->key = ls_key_from_datum(survey->run->objects->key_type,
									survey->values[survey->first + LS_SURVEY_KEY]);
	change->cause = survey->run->cause;
	change->stored = read_stored(survey);
	change->is_untouched =
		read_row(survey, surveyed) &&
		!DatumGetBool(survey->values[survey->first + LS_SURVEY_IS_ADJUSTED]);
	surveyed->state = read_state(survey, contacts->model);
	change->surveyed = surveyed;
	change->events = LS_EVENTS_SURVEYED;
	ls_contacts_evaluate_one(contacts, row, survey->as_of, change);
	ls_contacts_note_one(contacts, row, change);
}

/* is_far: can it be seen at once that the row is not as it must be? */
static bool
is_far(const LsSurveyor *survey, const LsChange *change)
{
	const LsStored *stored = change->stored;

	return stored == NULL || stored->has_problem || stored->stamp != change->stamp ||
		   stored->due_at <= survey->as_of || change->outcome != LS_SCORED ||
		   DatumGetBool(survey->values[survey->first + LS_SURVEY_IS_ADJUSTED]);
}

/* is_nobody: neither in the population, nor with a score row. */
static bool
is_nobody(const LsSurveyor *survey, const LsChange *change)
{
	return change->outcome == LS_OUTSIDE &&
		   survey->nulls[survey->first + LS_SURVEY_TID] &&
		   !DatumGetBool(survey->values[survey->first + LS_SURVEY_IS_ADJUSTED]);
}

/* ---- a chunk of contacts ------------------------------------------------ */

/* settle: of contacts whose rows may be right, those whose rows are not. */
static void
settle(LsSurveyor *survey, LsModel *model, LsChange *changes, int n)
{
	List *moves = NIL;
	List *firings = NIL;

	ls_apply_rate(survey->run->objects, changes, n, survey->as_of);
	ls_batch_set_silent(survey->run, changes, n);
	ls_lifecycle_look(model, changes, n, survey->as_of, &moves, &firings);
	/* What moves or happens is news: it changes stage or memory. */
	for (int i = 0; i < n; i++)
	{
		LsChange *change = &changes[i];

		if (change->outcome != LS_SCORED || change->held_back != NULL ||
			ls_apply_is_news(change, survey->as_of))
			put(survey, change);
		else
			survey->done++;
	}
}

/* get_model: as it was when the survey began. */
static LsModel *
get_model(const LsSurveyor *survey)
{
	LsModel *model = ls_model_get(survey->run->model);

	if (model->life_stamp != survey->stamp)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("rules of model \"%s\" changed while contacts were surveyed",
					   survey->run->model),
				errhint("Call lead_scoring.rescore() again."));
	return model;
}

/* set_out: a row of the result. False where it is the score of nobody. */
static bool
set_out(LsSurveyor *survey, HeapTuple row)
{
	heap_deform_tuple(row, survey->desc, survey->values, survey->nulls);
	return !survey->nulls[survey->first + LS_SURVEY_KEY];
}

/* look_at: a part of the result. */
static void
look_at(LsSurveyor *survey, const HeapTuple *rows, int nrows)
{
	LsModel *model = get_model(survey);
	LsChange *near = palloc0(sizeof(LsChange) * nrows);
	LsContacts contacts;
	int n = 0;

	ls_contacts_open(survey->run->objects, model, survey->desc, &contacts);
	ls_contacts_prepare(&contacts);
	for (int i = 0; i < nrows; i++)
	{
		LsChange *change = &near[n];

		CHECK_FOR_INTERRUPTS();
		if (!set_out(survey, rows[i]))
		{
			survey->run->has_orphans = true;
			continue;
		}
		memset(change, 0, sizeof(LsChange));
		read_contact(survey, &contacts, rows[i], change);
		if (is_nobody(survey, change))
			survey->done++;
		else if (is_far(survey, change))
			put(survey, change);
		else
			n++;
	}
	if (n > 0)
		settle(survey, model, near, n);
}

/* ---- all of a slice ----------------------------------------------------- */

/*
 * open_result: of the query. A nested loop over what was thought to be little, and is
 * not, would never end.
 */
static Portal
open_result(LsSurveyor *survey)
{
	const LsSurveyQuery *query = &survey->query;
	int guc_level = NewGUCNestLevel();
	Portal portal;

	ls_guard_set("enable_nestloop", "off");
	ls_guard_set("jit", "off");
	portal = SPI_cursor_open_with_args(NULL,
									   query->sql,
									   query->nargs,
									   (Oid *) query->types,
									   (Datum *) query->values,
									   NULL,
									   false,
									   CURSOR_OPT_NO_SCROLL);
	AtEOXact_GUC(true, guc_level);
	return portal;
}

/* open_columns: where they are in the result. */
static void
open_columns(LsSurveyor *survey, TupleDesc desc)
{
	int ours = LS_SURVEY_SCORE + LS_SCORE_WRITTEN + survey->query.nsources +
			   survey->query.nlookups;

	survey->desc = desc;
	survey->first = desc->natts - ours;
	survey->values = palloc(sizeof(Datum) * desc->natts);
	survey->nulls = palloc(sizeof(bool) * desc->natts);
}

/* open_store: in the context of the run; a store of an attempt that failed goes. */
static void
open_store(LsSurveyor *survey)
{
	LsRun *run = survey->run;
	int key = survey->first + LS_SURVEY_KEY;

	ls_survey_end(run);
	run->survey = ls_survey_store_new(run,
									  get_model(survey)->stamp,
									  TupleDescAttr(survey->desc, key)->attcollation);
	survey->store = run->survey;
}

/* look_at_all: chunk by chunk. */
static void
look_at_all(LsSurveyor *survey, Portal portal)
{
	LsRun *run = survey->run;
	uint64 before = run->done;
	HeapTuple rows[CHUNK];
	int nrows;
	MemoryContext old = MemoryContextSwitchTo(survey->chunk);

	while ((nrows = ls_survey_fetch(portal, rows, CHUNK)) > 0)
	{
		look_at(survey, rows, nrows);
		MemoryContextReset(survey->chunk);
		run->done = before + survey->done;
		ls_batch_report(run);
	}
	MemoryContextSwitchTo(old);
}

static void
make_survey(void *arg)
{
	LsSurveyor *survey = arg;
	LsModel *model = get_model(survey);
	Portal portal;

	if (ls_model_has_behaviour(model))
		(void) ls_engagement_get(model);
	survey->as_of = GetCurrentTimestamp();
	ls_survey_write_query(survey->run, model, survey->as_of, &survey->query);
	portal = open_result(survey);
	open_columns(survey, portal->tupDesc);
	survey->snapshot = portal->queryDesc->snapshot;
	open_store(survey);
	/* What a chunk needs is kept from one to the next. */
	survey->chunk = AllocSetContextCreate(CurrentMemoryContext,
										  "lead_scoring survey chunk",
										  CHUNK_MEMORY,
										  CHUNK_MEMORY,
										  ALLOCSET_DEFAULT_MAXSIZE);
	look_at_all(survey, portal);
	SPI_cursor_close(portal);
	MemoryContextDelete(survey->chunk);
	ls_survey_store_finish(survey->store);
	survey->run->knows_orphans &= survey->query.finds_orphans;
}

/*
 * find_end: of the slice that begins where the run has come to; the last slice has
 * none, and there is no other where there are not as many contacts.
 */
static void
find_end(LsRun *run)
{
	const LsObjects *objects = run->objects;
	Oid types[1] = {objects->key_type};
	Datum values[1] = {run->last};
	bool is_null;
	int16 typlen;
	bool typbyval;
	MemoryContext old;

	run->has_end =
		ls_objects_execute(
			psprintf("SELECT c.%s::%s FROM %s AS c WHERE c.%s IS NOT NULL%s"
					 " ORDER BY c.%s OFFSET %d LIMIT 1",
					 objects->id,
					 format_type_be_qualified(objects->key_type),
					 objects->contacts,
					 objects->id,
					 run->has_last ? psprintf(" AND c.%s > $1", objects->id) : "",
					 objects->id,
					 ls_guc_rescore_slice - 1),
			run->has_last ? 1 : 0,
			types,
			values) > 0;
	if (!run->has_end)
		return;
	get_typlenbyval(objects->key_type, &typlen, &typbyval);
	old = MemoryContextSwitchTo(run->context);
	run->end = datumCopy(SPI_getbinval(SPI_tuptable->vals[0],
									   SPI_tuptable->tupdesc,
									   1,
									   &is_null),
						 typbyval,
						 typlen);
	MemoryContextSwitchTo(old);
}

/* count_slice: contacts of the slice at hand, about. */
static uint64
count_slice(const LsRun *run)
{
	uint64 done = run->done_before + run->done;

	if (run->has_end)
		return (uint64) ls_guc_rescore_slice;
	return run->total > done ? run->total - done : 1;
}

/*
 * announce: a survey that takes a while, before it begins: others see only what is
 * committed.
 */
static void
announce(LsRun *run)
{
	uint64 n = count_slice(run);

	if (!run->commits || !(ls_progress_has_lasted(run) || ls_survey_is_long(run, n)))
		return;
	run->surveying = n;
	ls_batch_end(run);
	run->surveying = 0;
	ls_batch_begin(run);
}

/*
 * ls_survey_begin: the next slice, in a transaction of its own where the run commits.
 * Again where rules changed meanwhile.
 */
void
ls_survey_begin(LsRun *run)
{
	LsSurveyor survey = {.run = run};
	uint64 done = run->done;
	bool is_done = false;
	ErrorData *error;

	ls_batch_begin(run);
	find_end(run);
	if (!ls_survey_is_worth_it(run))
	{
		run->knows_orphans = false;
		ls_batch_end(run);
		return;
	}
	announce(run);
	for (int tries = 0; tries < 3 && !is_done; tries++)
	{
		survey.stamp = ls_model_get(run->model)->life_stamp;
		survey.done = 0;
		run->done = done;
		is_done = ls_attempt(make_survey, &survey, &error);
		if (!is_done && ls_model_get(run->model)->life_stamp == survey.stamp)
			break;
	}
	if (!is_done)
	{
		ls_survey_end(run);
		run->knows_orphans = false;
		run->done = done;
		ereport(DEBUG1,
				errmsg_internal("contacts are not surveyed: %s", error->message));
	}
	ls_batch_end(run);
}

/*
 * ls_survey_next: a batch of contacts that must be looked at; 0 = the end. Inside a
 * batch.
 */
int
ls_survey_next(LsRun *run, LsChange **changes)
{
	MemoryContext old;
	int n;

	*changes = palloc0(sizeof(LsChange) * BATCH);
	n = ls_survey_store_take(run->survey, *changes, BATCH);
	for (int i = 0; i < n; i++)
	{
		(*changes)[i].cause = run->cause;
		(*changes)[i].is_walked = true;
	}
	if (n == 0)
		return 0;
	old = MemoryContextSwitchTo(run->context);
	run->last =
		ls_key_to_datum(run->objects->key_type, ls_key_copy((*changes)[n - 1].key));
	run->has_last = true;
	MemoryContextSwitchTo(old);
	qsort(*changes, n, sizeof(LsChange), ls_apply_compare);
	return n;
}

/*
 * ls_survey_end: what is known of the slice is not needed any more. An error ends it,
 * too.
 */
void
ls_survey_end(LsRun *run)
{
	if (run->survey != NULL)
		ls_survey_store_free(run->survey);
	run->survey = NULL;
}
