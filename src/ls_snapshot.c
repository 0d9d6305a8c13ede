/*
 * ls_snapshot.c: snapshot(model): the scores of the day are kept.
 */
#include "postgres.h"

#include "ls_compat.h"
#include "ls_guard.h"
#include "ls_guc.h"
#include "ls_objects.h"
#include "ls_relation.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ls_sql_snapshot);

static void
check_may_keep(const LsModelRow *row, Oid contacts)
{
	const char *reason;

	if (!ls_relation_may_change_model(row, GetUserId()))
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("permission denied for model \"%s\"", row->name),
				errdetail("Role \"%s\" is not a member of the role that owns %s.",
						  GetUserNameFromId(GetUserId(), false),
						  row->contacts),
				errhint("Ask the owner of the contacts, or become a member of its role."));
	if (!ls_objects_usable(row, contacts, &reason))
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("scores of model \"%s\" cannot be kept: %s", row->name, reason),
				errhint("Call lead_scoring.activate(%s).", quote_literal_cstr(row->name)));
	if (ls_guc_as_of() > GetCurrentTimestamp())
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("scores of a moment to come cannot be kept"),
				errhint("RESET lead_scoring.as_of."));
}

/*
 * snapshot(model text) -> bigint: contacts whose scores were written. As the owner
 * of the contacts, restricted.
 */
Datum
ls_sql_snapshot(PG_FUNCTION_ARGS)
{
	LsModelRow *row = ls_catalog_model(text_to_cstring(PG_GETARG_TEXT_PP(0)), false);
	Oid contacts = ls_relation_of_model(row, false);
	LsGuard guard;
	uint64 written;

	check_may_keep(row, contacts);
	ls_guard_enter(&guard, ls_relation_owner(contacts), LS_SAFE_PATH);
	SPI_connect();
	if (SPI_execute(ls_objects_script("snapshot_sql", row->name, false), false, 0) !=
		SPI_OK_INSERT)
		elog(ERROR, "snapshot failed");
	written = SPI_processed;
	SPI_finish();
	ls_guard_leave(&guard);
	PG_RETURN_INT64(written);
}
