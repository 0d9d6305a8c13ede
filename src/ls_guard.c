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

static void
set_for_now(const char *name, const char *value)
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
	set_for_now("search_path", search_path);
}

/*
 * ls_guard_enter_reading: the same, and all settings fixed on which reading or
 * printing SQL text depends.
 */
void
ls_guard_enter_reading(LsGuard *guard, Oid role, const char *search_path)
{
	ls_guard_enter(guard, role, search_path);
	set_for_now("TimeZone", "UTC");
	set_for_now("DateStyle", "ISO, MDY");
	set_for_now("IntervalStyle", "postgres");
	set_for_now("extra_float_digits", "1");
	set_for_now("bytea_output", "hex");
	set_for_now("standard_conforming_strings", "on");
	set_for_now("transform_null_equals", "off");
	set_for_now("quote_all_identifiers", "off");
}

void
ls_guard_leave(LsGuard *guard)
{
	AtEOXact_GUC(false, guard->guc_level);
	SetUserIdAndSecContext(guard->saved_user, guard->saved_context);
}
