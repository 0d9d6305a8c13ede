/*
 * ls_history.c: rows of the histories, made and written without a statement.
 *
 * For one contact at a time (ls_apply_quick.c); many are written by statements
 * (ls_lifecycle_record.c), which also do it where a table is not plain.
 */
#include "ls_history.h"

#include "ls_compat.h"
#include "ls_heap.h"

#include "access/heaptoast.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

/* LsHistoryColumn: as activate() makes it. */
typedef struct LsHistoryColumn
{
	const char *name;
	Oid type; /* InvalidOid = that of the key */
	bool is_given;
} LsHistoryColumn;

/* Those that both tables have come first. */
enum
{
	H_ID,
	H_KEY,
	H_MOMENT,
	H_CAUSE,
	H_FIT,
	H_ENGAGEMENT,
	H_INTENT,
	H_TOTAL,
	H_FROM_STAGE,
	H_STAGE,
	H_MOVES,
	H_FROM_BAND = H_MOVES,
	H_BAND,
	H_GRADE,
	H_SCORES
};

StaticAssertDecl(H_SCORES == LS_HISTORY_COLUMNS, "columns of the histories");

static const LsHistoryColumn of_scores[H_SCORES] = {
	{"id", INT8OID, true},
	{"contact_id", InvalidOid, true},
	{"changed_at", TIMESTAMPTZOID, true},
	{"cause", TEXTOID, true},
	{"fit", FLOAT8OID, false},
	{"engagement", FLOAT8OID, false},
	{"intent", FLOAT8OID, false},
	{"total", FLOAT8OID, false},
	{"from_stage", TEXTOID, false},
	{"stage", TEXTOID, false},
	{"from_band", TEXTOID, false},
	{"band", TEXTOID, false},
	{"grade", TEXTOID, false},
};

static const LsHistoryColumn of_moves[H_MOVES] = {
	{"id", INT8OID, true},
	{"contact_id", InvalidOid, true},
	{"changed_at", TIMESTAMPTZOID, true},
	{"cause", TEXTOID, true},
	{"fit", FLOAT8OID, false},
	{"engagement", FLOAT8OID, false},
	{"intent", FLOAT8OID, false},
	{"total", FLOAT8OID, false},
	{"from_stage", TEXTOID, false},
	{"to_stage", TEXTOID, false},
};

/* ---- the tables --------------------------------------------------------- */

/* is_as_made: a column of the table, where it is one that we write. */
static bool
is_as_made(Form_pg_attribute att, const LsHistoryColumn *made, Oid key_type)
{
	return att->atttypid == (OidIsValid(made->type) ? made->type : key_type) &&
		   (made->is_given || !att->attnotnull);
}

/* find_columns: false where they are not as they were made, or there are others that
 * want a value. */
static bool
find_columns(LsHistory *history,
			 TupleDesc desc,
			 const LsHistoryColumn *made,
			 int n,
			 Oid key_type)
{
	int nfound = 0;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		int column = 0;

		while (column < n && strcmp(NameStr(att->attname), made[column].name) != 0)
			column++;
		if (att->attisdropped)
			continue;
		if (column == n ? att->attnotnull || att->atthasdef
						: !is_as_made(att, &made[column], key_type))
			return false;
		if (column == n)
			continue;
		history->columns[column] = att->attnum;
		nfound++;
	}
	return nfound == n;
}

static void
learn(LsHistory *history, Oid relid, const LsHistoryColumn *made, int n, Oid key_type)
{
	Relation rel = table_open(relid, RowExclusiveLock);

	history->relid = relid;
	history->sequence = InvalidOid;
	if (find_columns(history, RelationGetDescr(rel), made, n, key_type) &&
		ls_heap_is_plain(rel, history->columns[H_KEY], ls_primary_key_index(rel)))
		history->sequence = ls_identity_sequence(rel, history->columns[H_ID]);
	table_close(rel, NoLock);
}

/*
 * ls_history_learn: the histories of a model whose tables are there.
 */
void
ls_history_learn(LsHistories *histories, const LsObjects *objects)
{
	const LsModelRow *row = ls_model_get(objects->model)->row;

	learn(&histories->scores,
		  ls_objects_relid(row, "score_history"),
		  of_scores,
		  H_SCORES,
		  objects->key_type);
	learn(&histories->moves,
		  ls_objects_relid(row, "stage_history"),
		  of_moves,
		  H_MOVES,
		  objects->key_type);
}

/* ---- rows --------------------------------------------------------------- */

/* LsHistoryValues: of the columns in our order. */
typedef struct LsHistoryValues
{
	NullableDatum values[LS_HISTORY_COLUMNS];
} LsHistoryValues;

static void
put(LsHistoryValues *row, int column, Datum value)
{
	row->values[column].value = value;
	row->values[column].isnull = false;
}

static void
put_text(LsHistoryValues *row, int column, const char *text)
{
	row->values[column].isnull = text == NULL;
	if (text != NULL)
		row->values[column].value = CStringGetTextDatum(text);
}

static void
put_points(LsHistoryValues *row, int column, double points)
{
	row->values[column].isnull = isnan(points);
	row->values[column].value = Float8GetDatum(points);
}

/* put_change: what both histories say. */
static void
put_change(LsHistoryValues *row,
		   const LsObjects *objects,
		   const LsChange *change,
		   TimestampTz as_of)
{
	put(row, H_KEY, ls_key_to_datum(objects->key_type, change->key));
	put(row, H_MOMENT, TimestampTzGetDatum(as_of));
	put_points(row, H_FIT, change->fit);
	put_points(row, H_ENGAGEMENT, change->engagement);
	put_points(row, H_INTENT, change->intent);
	put_points(row, H_TOTAL, change->total);
}

/*
 * add: a row, with a number of its own. False where the table is another now, or the
 * row is not as short as others.
 */
static bool
add(const LsHistory *history, LsHistoryValues *row, int n, List **rows)
{
	Relation rel = try_table_open(history->relid, RowExclusiveLock);
	LsHistoryRow *made = palloc(sizeof(LsHistoryRow));
	Datum values[MaxTupleAttributeNumber];
	bool nulls[MaxTupleAttributeNumber];

	if (rel == NULL)
		return false;
	put(row, H_ID, Int64GetDatum(nextval_internal(history->sequence, false)));
	memset(nulls, true, RelationGetNumberOfAttributes(rel));
	for (int i = 0; i < n; i++)
	{
		values[history->columns[i] - 1] = row->values[i].value;
		nulls[history->columns[i] - 1] = row->values[i].isnull;
	}
	made->relid = history->relid;
	made->row = heap_form_tuple(RelationGetDescr(rel), values, nulls);
	*rows = lappend(*rows, made);
	table_close(rel, NoLock);
	return made->row->t_len <= TOAST_TUPLE_THRESHOLD;
}

static bool
add_move(const LsHistory *history,
		 const LsObjects *objects,
		 const LsMove *move,
		 TimestampTz as_of,
		 List **rows)
{
	LsHistoryValues row;

	put_change(&row, objects, move->change, as_of);
	put_text(&row, H_CAUSE, ls_apply_cause_name(move->cause));
	put_text(&row, H_FROM_STAGE, move->from);
	put_text(&row, H_STAGE, move->to);
	return add(history, &row, H_MOVES, rows);
}

static bool
add_scores(const LsHistory *history,
		   const LsObjects *objects,
		   const LsChange *change,
		   TimestampTz as_of,
		   List **rows)
{
	const LsStored *stored = change->stored;
	LsHistoryValues row;

	put_change(&row, objects, change, as_of);
	put_text(&row, H_CAUSE, ls_lifecycle_cause(change));
	put_text(&row, H_FROM_STAGE, stored == NULL ? NULL : stored->stage);
	put_text(&row, H_STAGE, change->stage);
	put_text(&row, H_FROM_BAND, stored == NULL ? NULL : stored->band);
	put_text(&row, H_BAND, change->band);
	put_text(&row, H_GRADE, change->grade);
	return add(history, &row, H_SCORES, rows);
}

/*
 * ls_history_form: rows (LsHistoryRow) that tell of a change and its moves, in the
 * order in which they are to be written. False where statements must write them. What
 * was learnt must be of this generation once the tables are locked.
 *
 * Memory: the current context.
 */
bool
ls_history_form(const LsHistories *histories,
				const LsObjects *objects,
				const LsChange *change,
				List *moves,
				TimestampTz as_of,
				List **rows)
{
	bool is_history = ls_lifecycle_is_history(change);
	ListCell *cell;

	if ((moves != NIL && !OidIsValid(histories->moves.sequence)) ||
		(is_history && !OidIsValid(histories->scores.sequence)))
		return false;
	foreach(cell, moves)
		if (!add_move(&histories->moves, objects, lfirst(cell), as_of, rows))
			return false;
	return !is_history || add_scores(&histories->scores, objects, change, as_of, rows);
}

/*
 * ls_history_write: the rows; their tables are locked, and still as they were.
 */
void
ls_history_write(List *rows)
{
	ListCell *cell;

	foreach(cell, rows)
	{
		const LsHistoryRow *made = lfirst(cell);

		ls_heap_append(made->relid, made->row);
	}
}
