/*
 * ls_history.h: rows of the histories, made and written without a statement.
 */
#ifndef LS_HISTORY_H
#define LS_HISTORY_H

#include "postgres.h"

#include "ls_lifecycle.h"

#define LS_HISTORY_COLUMNS 13 /* at most */

/* LsHistory: a table of the model, as it was when it was looked at. */
typedef struct LsHistory
{
	Oid relid;
	Oid sequence; /* of id; InvalidOid = the table is not plain */
	AttrNumber columns[LS_HISTORY_COLUMNS];
} LsHistory;

/* LsHistories: both of a model. */
typedef struct LsHistories
{
	LsHistory scores;
	LsHistory moves;
} LsHistories;

/* LsHistoryRow: one that is to be written. */
typedef struct LsHistoryRow
{
	Oid relid;
	HeapTuple row;
} LsHistoryRow;

extern void ls_history_learn(LsHistories *histories, const LsObjects *objects);
extern bool ls_history_form(const LsHistories *histories,
							const LsObjects *objects,
							const LsChange *change,
							List *moves,
							TimestampTz as_of,
							List **rows);
extern void ls_history_write(List *rows);

#endif /* LS_HISTORY_H */
