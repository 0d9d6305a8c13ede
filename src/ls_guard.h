/*
 * ls_guard.h: do something as another role, under fixed settings.
 */
#ifndef LS_GUARD_H
#define LS_GUARD_H

#include "postgres.h"

/* LsGuard: what to go back to; filled by ls_guard_enter. */
typedef struct LsGuard
{
	Oid saved_user;
	int saved_context;
	int guc_level;
} LsGuard;

extern void ls_guard_enter(LsGuard *guard, Oid role, const char *search_path);
extern void ls_guard_enter_reading(LsGuard *guard, Oid role, const char *search_path);
extern void ls_guard_set(const char *name, const char *value);
extern void ls_guard_leave(LsGuard *guard);

/* The path of everything that we run ourselves. */
#define LS_SAFE_PATH "pg_catalog, pg_temp"

#endif /* LS_GUARD_H */
