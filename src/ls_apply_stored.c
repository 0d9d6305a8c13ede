/*
 * ls_apply_stored.c: the score rows as they are, once they are locked.
 */
#include "ls_apply.h"

#include "ls_compat.h"
#include "ls_engagement.h"

#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* Columns of the query, in its order. */
enum
{
	C_KEY = 1,
	C_FIT,
	C_ENGAGEMENT,
	C_INTENT,
	C_TOTAL,
	C_BAND,
	C_STAGE,
	C_STAGE_SINCE,
	C_BY_HAND,
	C_MEMORY,
	C_SINCE,
	C_SCORED_AT,
	C_DUE_AT,
	C_LAST_ACTIVITY,
	C_STATE,
	C_STAMP,
	C_HAS_PROBLEM
};

static const char *const query =
	"SELECT s.contact_id, s.fit, s.engagement, s.intent, s.total, s.band, s.stage,"
	" s.stage_since, s.by_hand, s.memory, s.since, s.scored_at, s.due_at,"
	" s.last_activity, s.engagement_state, s.stamp, s.problem IS NOT NULL"
	/* What a lock has inserted is no score yet. */
	" FROM %s AS s WHERE s.contact_id = ANY ($1) AND s.scored_at > '-infinity'";

/* LsRead: a row of the result. */
typedef struct LsRead
{
	HeapTuple tuple;
	TupleDesc desc;
} LsRead;

static Datum
get(const LsRead *row, int column, Datum if_null)
{
	bool is_null;
	Datum value = SPI_getbinval(row->tuple, row->desc, column, &is_null);

	return is_null ? if_null : value;
}

static double
get_points(const LsRead *row, int column)
{
	return DatumGetFloat8(get(row, column, Float8GetDatum(NAN)));
}

static TimestampTz
get_moment(const LsRead *row, int column, TimestampTz if_null)
{
	return DatumGetTimestampTz(get(row, column, TimestampTzGetDatum(if_null)));
}

static const char *
get_text(const LsRead *row, int column)
{
	Datum value = get(row, column, (Datum) 0);

	return value == (Datum) 0 ? NULL : TextDatumGetCString(value);
}

static LsStored *
read_row(const LsRead *row)
{
	LsStored *stored = palloc(sizeof(LsStored));
	Datum state = get(row, C_STATE, (Datum) 0);

	stored->fit = get_points(row, C_FIT);
	stored->engagement = get_points(row, C_ENGAGEMENT);
	stored->intent = get_points(row, C_INTENT);
	stored->total = get_points(row, C_TOTAL);
	stored->band = get_text(row, C_BAND);
	stored->stage = get_text(row, C_STAGE);
	stored->stage_since = get_moment(row, C_STAGE_SINCE, DT_NOBEGIN);
	stored->by_hand = DatumGetBool(get(row, C_BY_HAND, BoolGetDatum(false)));
	stored->memory = get_text(row, C_MEMORY);
	stored->since = get_moment(row, C_SINCE, DT_NOBEGIN);
	stored->scored_at = get_moment(row, C_SCORED_AT, DT_NOBEGIN);
	stored->due_at = get_moment(row, C_DUE_AT, DT_NOEND);
	stored->last_activity = get_moment(row, C_LAST_ACTIVITY, DT_NOBEGIN);
	stored->state = state == (Datum) 0 ? NULL : ls_state_from_datum(state);
	stored->stamp = DatumGetInt64(get(row, C_STAMP, Int64GetDatum(0)));
	stored->has_problem = DatumGetBool(get(row, C_HAS_PROBLEM, BoolGetDatum(false)));
	return stored;
}

/*
 * ls_apply_read_stored: what the score rows of the changes say, which must be
 * locked, and in the order of their keys. Read with a snapshot of this moment.
 *
 * Memory: the current context; it points into SPI_tuptable.
 */
void
ls_apply_read_stored(const LsObjects *objects, LsChange *changes, int n)
{
	Oid types[1] = {get_array_type(objects->key_type)};
	Datum values[1] = {ls_apply_some_keys(objects, changes, n, LS_ANY_OUTCOME)};

	for (int i = 0; i < n; i++)
		changes[i].stored = NULL;
	(void) ls_objects_execute(psprintf(query, objects->score), 1, types, values);
	for (uint64 i = 0; i < SPI_tuptable->numvals; i++)
	{
		LsRead row = {SPI_tuptable->vals[i], SPI_tuptable->tupdesc};
		Datum key = get(&row, C_KEY, (Datum) 0);
		LsChange *change =
			ls_apply_find(changes, n, ls_key_from_datum(objects->key_type, key));

		if (change != NULL)
			change->stored = read_row(&row);
	}
}
