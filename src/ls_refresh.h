/*
 * ls_refresh.h: score contacts again, in batches.
 */
#ifndef LS_REFRESH_H
#define LS_REFRESH_H

#include "postgres.h"

#include "fmgr.h"

#include "ls_batch.h"

/* ls_refresh.c */
extern void ls_refresh_due(LsRun *run);
extern void ls_refresh_all(LsRun *run);

/* ls_refresh_call.c */
extern bool ls_refresh_may_commit(FunctionCallInfo fcinfo);
extern Datum ls_refresh_result(FunctionCallInfo fcinfo, int nargs, uint64 number);
extern uint64 ls_refresh_everyone(const char *model, bool is_new, bool enrol);

#endif /* LS_REFRESH_H */
