/*
 * ls_apply_row.h: rows of <model>_score, found, locked and changed.
 */
#ifndef LS_APPLY_ROW_H
#define LS_APPLY_ROW_H

#include "ls_apply.h"

#include "nodes/lockoptions.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"

/* Columns of the score table that we read or write. */
typedef enum LsScoreColumn
{
	LS_SCORE_FIT,
	LS_SCORE_ENGAGEMENT,
	LS_SCORE_INTENT,
	LS_SCORE_TOTAL,
	LS_SCORE_BAND,
	LS_SCORE_BAND_RANK,
	LS_SCORE_GRADE,
	LS_SCORE_STATE,
	LS_SCORE_LAST_ACTIVITY,
	LS_SCORE_DUE_AT,
	LS_SCORE_STAMP,
	LS_SCORE_PROBLEM,
	LS_SCORE_SINCE,
	LS_SCORE_STAGE,
	LS_SCORE_STAGE_SINCE,
	LS_SCORE_BY_HAND,
	LS_SCORE_MEMORY,
	LS_SCORE_SCORED_AT,
	LS_SCORE_WRITTEN, /* so many are written */
	LS_SCORE_CONTACT_ID = LS_SCORE_WRITTEN,
	LS_SCORE_COLUMNS
} LsScoreColumn;

/* LsScoreValues: what a row is to say. */
typedef struct LsScoreValues
{
	Datum values[LS_SCORE_WRITTEN];
	bool nulls[LS_SCORE_WRITTEN];
} LsScoreValues;

/* LsScoreRow: what a row says. */
typedef struct LsScoreRow
{
	Datum values[LS_SCORE_COLUMNS];
	bool nulls[LS_SCORE_COLUMNS];
} LsScoreRow;

/* ls_apply_columns.c */
extern const char *const ls_score_column_names[LS_SCORE_COLUMNS];
extern void ls_score_types(const LsObjects *objects, Oid *types);
extern void ls_score_find_columns(const LsObjects *objects,
								  TupleDesc desc,
								  AttrNumber *columns);

/* LsRowShape: where things are in the score table. */
typedef struct LsRowShape
{
	uint64 generation; /* ls_upkeep_generation that it is of */
	AttrNumber columns[LS_SCORE_COLUMNS];
	Oid index;			/* on contact_id */
	RegProcedure equal; /* how that compares */
} LsRowShape;

typedef struct LsRows LsRows;

extern LsRows *ls_rows_open(const LsObjects *objects, LOCKMODE mode);
extern LsRows *ls_rows_open_known(const LsObjects *objects,
								  const LsRowShape *shape,
								  LOCKMODE mode);
extern LsRowShape ls_rows_shape(const LsRows *rows, uint64 generation);
extern Relation ls_rows_table(const LsRows *rows);
extern int ls_rows_lock(LsRows *rows, LsChange *changes, int n, LockWaitPolicy wait);
extern bool ls_rows_read_one(LsRows *rows, LsChange *change);
extern void ls_rows_read(LsRows *rows, LsChange *changes, int n);
extern LsStored *ls_rows_stored(const LsScoreRow *row);
extern bool ls_rows_are_plain(const LsRows *rows);
extern HeapTuple ls_rows_form(const LsRows *rows,
							  const LsChange *change,
							  LsScoreValues *values);
extern void ls_rows_update(LsRows *rows, const LsChange *change, LsScoreValues *values);
extern void ls_rows_close(LsRows *rows);

#endif /* LS_APPLY_ROW_H */
