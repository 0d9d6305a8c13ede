/*
 * ls_mixed.h: scores by other rules than those by which everyone was scored last.
 */
#ifndef LS_MIXED_H
#define LS_MIXED_H

#include "postgres.h"

#include "ls_batch.h"

extern void ls_mixed_open(LsRun *run);
extern void ls_mixed_begin(LsRun *run);
extern void ls_mixed_end(const LsRun *run, int64 stamp);
extern bool ls_mixed_look(const LsRun *run);

#endif /* LS_MIXED_H */
