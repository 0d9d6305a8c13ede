/*
 * ls_flush.h: what is pending becomes scores.
 */
#ifndef LS_FLUSH_H
#define LS_FLUSH_H

#include "postgres.h"

#include "fmgr.h"

#include "ls_pending.h"

extern void ls_flush_init(void);
extern void ls_flush_now(void);
extern void ls_flush_if_full(LsPendingModel *pending);
extern void ls_flush_check_trigger(FunctionCallInfo fcinfo, const char *name);
extern void ls_flush_warn(const char *model);

#endif /* LS_FLUSH_H */
