/*
 * ls_apply_write.c: changes -> rows of <model>_score, where they say something new.
 */
#include "ls_apply.h"

#include "ls_apply_array.h"
#include "ls_apply_row.h"
#include "ls_compat.h"

#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/*
 * ls_apply_some_keys: the contacts with one of the outcomes, as an array of the
 * key's type.
 */
Datum
ls_apply_some_keys(const LsObjects *objects,
				   const LsChange *changes,
				   int n,
				   int outcomes)
{
	LsArray keys = ls_array_begin(objects->key_type, n);

	for (int i = 0; i < n; i++)
		if ((outcomes & LS_OUTCOME(changes[i].outcome)) != 0)
			ls_array_add(&keys,
						 ls_key_to_datum(objects->key_type, changes[i].key),
						 false);
	return ls_array_end(&keys);
}

static bool
is_same_text(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

static bool
is_same_state(const LsState *a, const LsState *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return ls_state_same(a, b);
}

/*
 * settle_due: a row may be due too early, never too late. So what leaves the band as
 * it is leaves due_at, too, and touches no index; who is due then is looked at, and
 * due_at moves on.
 */
static void
settle_due(LsChange *change, TimestampTz as_of)
{
	const LsStored *stored = change->stored;

	if (change->outcome == LS_FAILED)
		change->due_at = as_of;
	else if (stored != NULL && stored->due_at > as_of &&
			 stored->due_at < change->due_at &&
			 is_same_text(stored->band, change->band))
		change->due_at = stored->due_at;
}

/*
 * ls_apply_is_news: must the row say something else, or does it say that it is due?
 */
bool
ls_apply_is_news(const LsChange *change, TimestampTz as_of)
{
	const LsStored *stored = change->stored;

	if (stored == NULL || stored->has_problem || change->outcome == LS_FAILED)
		return true;
	/* What is stored may be no number, which equals nothing. */
	return !(
		stored->fit == change->fit && stored->engagement == change->engagement &&
		stored->intent == change->intent && stored->total == change->total &&
		stored->stamp == change->stamp && is_same_text(stored->band, change->band) &&
		is_same_text(stored->stage, change->stage) &&
		is_same_text(stored->grade, change->grade) && stored->since == change->since &&
		stored->stage_since == change->stage_since &&
		stored->by_hand == change->by_hand &&
		is_same_text(stored->memory, change->memory) && stored->due_at > as_of &&
		stored->due_at <= change->due_at &&
		is_same_state(stored->state, change->state));
}

static void
put(LsScoreValues *row, LsScoreColumn column, Datum value, bool is_null)
{
	row->values[column] = is_null ? (Datum) 0 : value;
	row->nulls[column] = is_null;
}

static void
put_text(LsScoreValues *row, LsScoreColumn column, const char *text)
{
	put(row,
		column,
		text == NULL ? (Datum) 0 : CStringGetTextDatum(text),
		text == NULL);
}

static void
put_moment(LsScoreValues *row,
		   LsScoreColumn column,
		   TimestampTz at,
		   TimestampTz if_null)
{
	put(row, column, TimestampTzGetDatum(at), at == if_null);
}

static void
put_row(LsScoreValues *row, const LsChange *change, TimestampTz as_of)
{
	bool failed = change->outcome == LS_FAILED;
	bool no_state = failed || change->state == NULL;
	TimestampTz before = change->stored == NULL ? as_of : change->stored->scored_at;

	put(row, LS_SCORE_FIT, Float8GetDatum(change->fit), failed);
	put(row, LS_SCORE_ENGAGEMENT, Float8GetDatum(change->engagement), failed);
	put(row, LS_SCORE_INTENT, Float8GetDatum(change->intent), failed);
	put(row, LS_SCORE_TOTAL, Float8GetDatum(change->total), failed);
	put_text(row, LS_SCORE_BAND, failed ? NULL : change->band);
	put(row, LS_SCORE_BAND_RANK, Int16GetDatum(change->band_rank), failed);
	put_text(row, LS_SCORE_GRADE, failed ? NULL : change->grade);
	put(row, LS_SCORE_STATE, PointerGetDatum(change->state), no_state);
	put_moment(row,
			   LS_SCORE_LAST_ACTIVITY,
			   no_state ? DT_NOBEGIN : change->last_activity,
			   DT_NOBEGIN);
	put_moment(row, LS_SCORE_DUE_AT, change->due_at, DT_NOEND);
	put(row, LS_SCORE_STAMP, Int64GetDatum(change->stamp), false);
	put_text(row, LS_SCORE_PROBLEM, failed ? change->problem : NULL);
	put_moment(row, LS_SCORE_SINCE, change->since, DT_NOBEGIN);
	put_text(row, LS_SCORE_STAGE, change->stage);
	put_moment(row, LS_SCORE_STAGE_SINCE, change->stage_since, DT_NOBEGIN);
	put(row, LS_SCORE_BY_HAND, BoolGetDatum(change->by_hand), false);
	put_text(row, LS_SCORE_MEMORY, change->memory);
	put(row, LS_SCORE_SCORED_AT, TimestampTzGetDatum(Max(before, as_of)), false);
}

/* ---- as a statement ------------------------------------------------------- */

/* begin_columns: an array for each column, and the keys last. */
static void
begin_columns(const LsObjects *objects, LsArray *columns, int n)
{
	Oid types[LS_SCORE_COLUMNS];

	ls_score_types(objects, types);
	for (int i = 0; i < LS_SCORE_COLUMNS; i++)
		columns[i] = ls_array_begin(types[i], n);
}

/* update_statement: columns and parameters are in one order. */
static char *
update_statement(const LsObjects *objects)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "UPDATE %s AS s SET (", objects->score);
	for (int i = 0; i < LS_SCORE_WRITTEN; i++)
		appendStringInfo(&sql, "%s%s", i > 0 ? ", " : "", ls_score_column_names[i]);
	appendStringInfoString(&sql, ") = ROW(");
	for (int i = 0; i < LS_SCORE_WRITTEN; i++)
		appendStringInfo(&sql, "%sk.c%d", i > 0 ? ", " : "", i);
	appendStringInfoString(&sql, ") FROM ROWS FROM (");
	for (int i = 0; i < LS_SCORE_COLUMNS; i++)
		appendStringInfo(&sql, "%sunnest($%d)", i > 0 ? ", " : "", i + 1);
	appendStringInfoString(&sql, ") AS k (");
	for (int i = 0; i < LS_SCORE_COLUMNS; i++)
		appendStringInfo(&sql, "%sc%d", i > 0 ? ", " : "", i);
	appendStringInfo(&sql, ") WHERE s.contact_id = k.c%d", LS_SCORE_CONTACT_ID);
	return sql.data;
}

/*
 * check_written: the rows are there, and locked. A trigger of the owner's that keeps
 * one as it is would leave it behind the facts, and nobody would know.
 *
 * Errors: 55000.
 */
static void
check_written(const LsObjects *objects, uint64 wanted, uint64 written)
{
	if (written < wanted)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("rows of %s could not be changed", objects->score),
				errdetail("A trigger, a rule or a policy of its owner's keeps them as "
						  "they are."),
				errhint("Take it away; or let the trigger return the row."));
}

/* update_all: those of the changes that are to be written, in one statement. */
static void
update_all(const LsObjects *objects,
		   LsChange *changes,
		   int n,
		   const bool *is_written,
		   TimestampTz as_of)
{
	LsArray columns[LS_SCORE_COLUMNS];
	Oid types[LS_SCORE_COLUMNS];
	Datum values[LS_SCORE_COLUMNS];
	LsScoreValues row;
	int nwritten;

	begin_columns(objects, columns, n);
	for (int i = 0; i < n; i++)
	{
		if (!is_written[i])
			continue;
		put_row(&row, &changes[i], as_of);
		for (int j = 0; j < LS_SCORE_WRITTEN; j++)
			ls_array_add(&columns[j], row.values[j], row.nulls[j]);
		ls_array_add(&columns[LS_SCORE_CONTACT_ID],
					 ls_key_to_datum(objects->key_type, changes[i].key),
					 false);
	}
	nwritten = columns[0].n;
	if (nwritten == 0)
		return;
	ls_array_parameters(columns, LS_SCORE_COLUMNS, types, values);
	check_written(objects,
				  nwritten,
				  ls_objects_execute(update_statement(objects),
									 LS_SCORE_COLUMNS,
									 types,
									 values));
}

/* ---- one by one ----------------------------------------------------------- */

static void
update_each(LsRows *rows,
			LsChange *changes,
			int n,
			const bool *is_written,
			TimestampTz as_of)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "lead_scoring row",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	LsScoreValues row;

	for (int i = 0; i < n; i++)
	{
		if (!is_written[i])
			continue;
		CHECK_FOR_INTERRUPTS();
		put_row(&row, &changes[i], as_of);
		ls_rows_update(rows, &changes[i], &row);
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* must_write: a score that says something new. */
static bool
must_write(LsChange *change, TimestampTz as_of)
{
	if (change->outcome != LS_SCORED && change->outcome != LS_FAILED)
		return false;
	settle_due(change, as_of);
	if (!ls_apply_is_news(change, as_of))
		return false;
	/* The rules may go back to those of the others. */
	if (change->is_early)
		change->due_at = as_of;
	return true;
}

/*
 * ls_apply_form: what the row of the change is to become; NULL where that is nothing
 * new.
 */
HeapTuple
ls_apply_form(const LsRows *rows, LsChange *change, TimestampTz as_of)
{
	LsScoreValues values;

	if (!must_write(change, as_of))
		return NULL;
	put_row(&values, change, as_of);
	return ls_rows_form(rows, change, &values);
}

/*
 * ls_apply_write: write the scores that say something new, as of the moment. The
 * rows are there, and locked.
 */
void
ls_apply_write(const LsObjects *objects,
			   LsRows *rows,
			   LsChange *changes,
			   int n,
			   TimestampTz as_of)
{
	bool *is_written = palloc_extended(Max(n, 1), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	for (int i = 0; i < n; i++)
		is_written[i] = must_write(&changes[i], as_of);
	if (ls_rows_are_plain(rows))
		update_each(rows, changes, n, is_written, as_of);
	else
		update_all(objects, changes, n, is_written, as_of);
}
