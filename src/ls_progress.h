/*
 * ls_progress.h: how far a run has come, for others to see and to go on from.
 */
#ifndef LS_PROGRESS_H
#define LS_PROGRESS_H

#include "postgres.h"

#include "ls_batch.h"

extern bool ls_progress_has_lasted(const LsRun *run);
extern void ls_progress_note(LsRun *run);
extern bool ls_progress_is_interrupted(LsRun *run);
extern void ls_progress_resume(LsRun *run, bool is_refresh);
extern void ls_progress_end(LsRun *run);
extern void ls_progress_release(LsRun *run);

#endif /* LS_PROGRESS_H */
