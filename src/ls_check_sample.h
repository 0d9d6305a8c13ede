/*
 * ls_check_sample.h: conditions tried on some of the rows that they are about.
 */
#ifndef LS_CHECK_SAMPLE_H
#define LS_CHECK_SAMPLE_H

#include "postgres.h"

#include "ls_catalog.h"
#include "ls_cond.h"

/* LsSampleCondition: what it is called, its SQL, and what it came to. */
typedef struct LsSampleCondition
{
	const char *name;
	char *sql;
	int64 nulls;
	int64 trues;
} LsSampleCondition;

/* LsSample: a source, a rule on its events, or a fit rule; and what was found. */
typedef struct LsSample
{
	const LsCondScope *scope;	 /* as conditions are read */
	const LsCondScope *shown;	 /* as they are printed */
	const char *joins;			 /* of lookups; "" = none */
	const char *filter;			 /* condition of the rows looked at, or NULL */
	const LsSourceRow *source;	 /* NULL: contacts */
	const LsEngagementRow *rule; /* NULL: the source itself, or a fit rule */
	const LsFitRow *fit;		 /* or NULL */
	List *conditions;			 /* of LsSampleCondition */
	int64 nrows;
	int64 nbad;			   /* rows whose value is not finite */
	int64 oldest_age_secs; /* of events; 0 where there is none */
} LsSample;

extern bool ls_sample_take(LsSample *sample, ErrorData **error);

#endif /* LS_CHECK_SAMPLE_H */
