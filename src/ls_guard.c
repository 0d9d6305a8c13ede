/*
 * ls_guard.c: run as the owner of the contacts, restricted, with settings on
 * which no result depends on the session.
 *
 * Between enter and leave the current role is `role` under
 * SECURITY_RESTRICTED_OPERATION: nothing that it calls can change settings of
 * the session, create temporary objects or queue deferred triggers. An error
 * restores all of it through the abort of the (sub)transaction.
 */
#include "ls_guard.h"

#include "ls_compat.h"

#include "miscadmin.h"
#include "utils/guc.h"

/* ls_guard_set: a setting, until ls_guard_leave. */
void
ls_guard_set(const char *name, const char *value)
{
	(void) set_config_option(name,
							 value,
							 PGC_USERSET,
							 PGC_S_SESSION,
							 GUC_ACTION_SAVE,
							 true,
							 0,
							 false);
}

/*
 * ls_guard_enter: become `role`, with this search path.
 */
void
ls_guard_enter(LsGuard *guard, Oid role, const char *search_path)
{
	GetUserIdAndSecContext(&guard->saved_user, &guard->saved_context);
	guard->guc_level = NewGUCNestLevel();
	SetUserIdAndSecContext(role,
						   guard->saved_context | SECURITY_LOCAL_USERID_CHANGE |
							   SECURITY_RESTRICTED_OPERATION | SECURITY_NOFORCE_RLS);
	ls_guard_set("search_path", search_path);
}

/*
 * ls_guard_enter_reading: the same, and all settings fixed on which reading or
 * printing SQL text depends.
 */
void
ls_guard_enter_reading(LsGuard *guard, Oid role, const char *search_path)
{
	ls_guard_enter(guard, role, search_path);
	ls_guard_set("TimeZone", "UTC");
	ls_guard_set("DateStyle", "ISO, MDY");
	ls_guard_set("IntervalStyle", "postgres");
	ls_guard_set("extra_float_digits", "1");
	ls_guard_set("bytea_output", "hex");
	ls_guard_set("standard_conforming_strings", "on");
	ls_guard_set("transform_null_equals", "off");
	ls_guard_set("quote_all_identifiers", "off");
}

void
ls_guard_leave(LsGuard *guard)
{
	AtEOXact_GUC(false, guard->guc_level);
	SetUserIdAndSecContext(guard->saved_user, guard->saved_context);
}
