/*
 * ls_survey.h: who of all contacts must be looked at, found in one query.
 */
#ifndef LS_SURVEY_H
#define LS_SURVEY_H

#include "postgres.h"

#include "access/htup.h"
#include "utils/portal.h"

#include "ls_batch.h"

/* ls_survey.c */
extern void ls_survey_begin(LsRun *run);
extern int ls_survey_next(LsRun *run, LsChange **changes);
extern void ls_survey_end(LsRun *run);

/* ls_survey_query.c */
typedef struct LsSurveyQuery
{
	char *sql;
	int nargs;
	Oid types[3];
	Datum values[3];
	int nsources;
	int nlookups;
	bool finds_orphans; /* rows without a key are scores of nobody */
} LsSurveyQuery;

/* Columns of the result, after the contact's own; a state for each source follows. */
typedef enum LsSurveyColumn
{
	LS_SURVEY_KEY,
	LS_SURVEY_IS_ADJUSTED,
	LS_SURVEY_TID, /* null = there is no score row */
	LS_SURVEY_XMIN,
	LS_SURVEY_XMAX,
	LS_SURVEY_SCORE, /* and what else is in a score row, in the order of LsScoreColumn
					  */
} LsSurveyColumn;

extern void ls_survey_write_query(const LsRun *run,
								  const LsModel *model,
								  TimestampTz as_of,
								  LsSurveyQuery *query);

extern bool ls_survey_is_worth_it(const LsRun *run);
extern bool ls_survey_is_long(const LsRun *run, uint64 contacts);

/* ls_survey_rows.c */
extern int ls_survey_fetch(Portal portal, HeapTuple *rows, int limit);

/* ls_survey_store.c */
typedef struct LsSurveyStore LsSurveyStore;

extern LsSurveyStore *ls_survey_store_new(const LsRun *run, int64 stamp, Oid collation);
extern void ls_survey_store_put(LsSurveyStore *store, const LsChange *change);
extern void ls_survey_store_put_key(LsSurveyStore *store, Datum key);
extern void ls_survey_store_finish(LsSurveyStore *store);
extern int ls_survey_store_take(LsSurveyStore *store, LsChange *changes, int limit);
extern void ls_survey_store_free(LsSurveyStore *store);

#endif /* LS_SURVEY_H */
