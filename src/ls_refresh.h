/*
 * ls_refresh.h: score contacts again, in batches.
 */
#ifndef LS_REFRESH_H
#define LS_REFRESH_H

#include "postgres.h"

extern uint64 ls_refresh_everyone(const char *model, bool is_new, bool enrol);

#endif /* LS_REFRESH_H */
