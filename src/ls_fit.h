/*
 * ls_fit.h: who they are: points by the contact's own columns.
 */
#ifndef LS_FIT_H
#define LS_FIT_H

#include "postgres.h"

#include "access/htup.h"

#include "ls_model_cache.h"

extern double ls_fit_score(LsModel *model,
						   LsRowMap *map,
						   const HeapTuple *rows,
						   TimestampTz as_of);
extern bool ls_fit_in_population(LsModel *model,
								 LsRowMap *map,
								 const HeapTuple *rows,
								 TimestampTz as_of);

extern bool ls_fit_may_raise(const LsModel *model);
extern char *ls_fit_describe(const ErrorData *error);

extern LsModel *ls_fit_readable_model(text *name);
extern HeapTupleData ls_fit_tuple(HeapTupleHeader header);
extern LsRowMap *ls_fit_map(const LsMatcher *matcher, HeapTupleHeader row);

#endif /* LS_FIT_H */
