/*
 * ls_mark.h: the row of the queue that says that the scores of everyone are stale.
 */
#ifndef LS_MARK_H
#define LS_MARK_H

#include "postgres.h"

#include "ls_batch.h"

extern bool ls_mark_is_set(const LsRun *run);
extern int64 ls_mark_take(const LsRun *run);
extern LsCause ls_mark_cause(const LsRun *run);
extern void ls_mark_delete(const LsRun *run);

#endif /* LS_MARK_H */
