/*
 * ls_records.c: erase, merge_contacts: what is kept of single contacts.
 *
 * Both run as the owner of the contacts, restricted. They hold score rows until the
 * transaction ends, so they have a claim on them (ls_claim.c). What becomes of the
 * contacts' scores is left to the flush: they are noted as changed.
 */
#include "postgres.h"

#include "ls_adjust.h"
#include "ls_claim.h"
#include "ls_compat.h"
#include "ls_lifecycle.h"
#include "ls_objects.h"
#include "ls_pending.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(ls_sql_erase);
PG_FUNCTION_INFO_V1(ls_sql_merge_contacts);

/* LsRecords: one call. */
typedef struct LsRecords
{
	const char *model;
	LsObjects *objects;
	LsModelRow *row;
	LsGuard guard;
	ReturnSetInfo *result; /* (object text, rows bigint) */
} LsRecords;

static void
begin(LsRecords *records, FunctionCallInfo fcinfo, const char *what)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				errmsg("%s cannot run in a transaction with a fixed snapshot", what),
				errdetail("It would miss what others have committed since."),
				errhint("Run it at isolation level READ COMMITTED."));
	InitMaterializedSRF(fcinfo, 0);
	records->result = (ReturnSetInfo *) fcinfo->resultinfo;
	records->model = text_to_cstring(PG_GETARG_TEXT_PP(0));
	records->objects =
		ls_objects_open(records->model, "erase or merge what is kept of them");
	records->row = ls_catalog_model(records->model, false);
	ls_adjust_lock(records->objects);
	ls_claim_transaction(records->objects->score_relid);
	ls_guard_enter(&records->guard, records->objects->owner, LS_SAFE_PATH);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

static void
end(LsRecords *records)
{
	SPI_finish();
	ls_guard_leave(&records->guard);
}

static char *
name_of(const LsRecords *records, const char *suffix)
{
	return ls_objects_name(records->row, suffix);
}

/*
 * get_key: an argument that names a contact, as the type of the model's keys.
 *
 * Errors: what reading it as that type raises.
 */
static Datum
get_key(FunctionCallInfo fcinfo, int argno, const LsObjects *objects)
{
	Oid type = get_fn_expr_argtype(fcinfo->flinfo, argno);
	Oid function;
	Oid ioparam;
	bool is_varlena;
	char *text;

	if (type == objects->key_type)
		return PG_GETARG_DATUM(argno);
	getTypeOutputInfo(type, &function, &is_varlena);
	text = OidOutputFunctionCall(function, PG_GETARG_DATUM(argno));
	getTypeInputInfo(objects->key_type, &function, &ioparam);
	return OidInputFunctionCall(function, text, ioparam, -1);
}

static bool
is_there(const LsRecords *records, Datum key)
{
	Oid types[1] = {records->objects->key_type};

	return ls_objects_execute(psprintf("SELECT FROM %s AS c WHERE c.%s = $1",
									   records->objects->contacts,
									   records->objects->id),
							  1,
							  types,
							  &key) > 0;
}

/* note_changed: the flush looks at the contact, and at all its events. */
static void
note_changed(const LsRecords *records, Datum key)
{
	LsChange change = {.outcome = LS_RECOMPUTE,
					   .events = LS_EVENTS_READ,
					   .cause = LS_CAUSE_CONTACT};

	change.key = ls_key_from_datum(records->objects->key_type, key);
	ls_pending_add(ls_pending_model(records->model, records->objects->key_type),
				   &change);
}

/* put_counts: rows of the result of a query: object, rows. */
static void
put_counts(const LsRecords *records)
{
	for (uint64 i = 0; i < SPI_tuptable->numvals; i++)
	{
		HeapTuple row = SPI_tuptable->vals[i];
		TupleDesc desc = SPI_tuptable->tupdesc;
		Datum values[2];
		bool nulls[2];

		values[0] = SPI_getbinval(row, desc, 1, &nulls[0]);
		values[1] = SPI_getbinval(row, desc, 2, &nulls[1]);
		tuplestore_putvalues(records->result->setResult,
							 records->result->setDesc,
							 values,
							 nulls);
	}
}

/* ---- erase --------------------------------------------------------------- */

/* In this order: deliveries are those of the outbox's rows. */
static const char *const kept[] = {"score",
								   "queue",
								   "stage_history",
								   "score_history",
								   "outbox",
								   "delivery",
								   "adjustment",
								   "score_daily"};

static char *
erase_query(const LsRecords *records)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < lengthof(kept); i++)
		appendStringInfo(&sql,
						 "%s %s AS (DELETE FROM %s WHERE %s RETURNING %s)",
						 i == 0 ? "WITH" : ",",
						 kept[i],
						 name_of(records, kept[i]),
						 strcmp(kept[i], "delivery") == 0
							 ? "outbox_id IN (SELECT id FROM outbox)"
							 : "contact_id = $1",
						 strcmp(kept[i], "outbox") == 0 ? "id" : "1");
	for (int i = 0; i < lengthof(kept); i++)
		appendStringInfo(&sql,
						 "%s SELECT '%s'::text, count(*) FROM %s",
						 i == 0 ? "" : " UNION ALL",
						 kept[i],
						 kept[i]);
	return sql.data;
}

static void
warn_if_there(const LsRecords *records, Datum key)
{
	if (!is_there(records, key))
		return;
	ereport(NOTICE,
			errmsg("the contact is still there, and will be scored again"),
			errhint("Delete it, or exclude it: INSERT INTO %s (contact_id, kind) "
					"VALUES (..., 'exclude').",
					name_of(records, "adjustment")));
}

/*
 * erase(model text, contact_id bigint | uuid | text) -> (object text, rows bigint):
 * nothing is kept of the contact any more
 */
Datum
ls_sql_erase(PG_FUNCTION_ARGS)
{
	LsRecords records = {0};
	Oid types[1];
	Datum key;

	begin(&records, fcinfo, "erase()");
	ls_adjust_is_removing = true;
	PG_TRY();
	{
		types[0] = records.objects->key_type;
		key = get_key(fcinfo, 1, records.objects);
		(void) ls_objects_execute(erase_query(&records), 1, types, &key);
		put_counts(&records);
		warn_if_there(&records, key);
		note_changed(&records, key);
	}
	PG_FINALLY();
	{
		ls_adjust_is_removing = false;
	}
	PG_END_TRY();
	end(&records);
	return (Datum) 0;
}

/* ---- merge_contacts ------------------------------------------------------ */

static void
check_pair(const LsRecords *records, Datum from, Datum into)
{
	Oid type = records->objects->key_type;

	if (ls_key_compare(ls_key_from_datum(type, from), ls_key_from_datum(type, into)) ==
		0)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("a contact cannot be merged into itself"),
				errhint("Name the duplicate, then the contact that stays."));
	if (!is_there(records, into))
		ereport(ERROR,
				errcode(ERRCODE_NO_DATA_FOUND),
				errmsg("the contact to merge into is not among those of model \"%s\"",
					   records->model),
				errhint("Name the duplicate, then the contact that stays."));
}

/* move: of one table, where no more than the contact's id changes. */
static void
move(StringInfo sql, const LsRecords *records, const char *suffix, const char *more)
{
	appendStringInfo(sql,
					 "%s %s AS (UPDATE %s AS t SET contact_id = $2%s"
					 " WHERE t.contact_id = $1 RETURNING 1)",
					 sql->len == 0 ? "WITH" : ",",
					 suffix,
					 name_of(records, suffix),
					 more);
}

static char *
merge_query(const LsRecords *records)
{
	const char *days = name_of(records, "score_daily");
	StringInfoData sql;

	initStringInfo(&sql);
	move(&sql, records, "stage_history", "");
	move(&sql, records, "score_history", "");
	move(&sql,
		 records,
		 "outbox",
		 ", aggregateid = $2::text,"
		 " payload = t.payload || jsonb_build_object('contact_id', $2)");
	move(&sql, records, "adjustment", "");
	appendStringInfo(
		&sql,
		", score_daily AS (UPDATE %s SET contact_id = $2"
		" WHERE contact_id = $1"
		" AND day NOT IN (SELECT day FROM %s WHERE contact_id = $2)"
		" RETURNING 1), spare_days AS (DELETE FROM %s WHERE contact_id = $1"
		" AND day IN (SELECT day FROM %s WHERE contact_id = $2)),"
		" queue AS (DELETE FROM %s WHERE contact_id = $1)",
		days,
		days,
		days,
		days,
		name_of(records, "queue"));
	for (int i = 2; i < lengthof(kept); i++)
		if (strcmp(kept[i], "delivery") != 0)
			appendStringInfo(&sql,
							 "%s SELECT '%s'::text, count(*) FROM %s",
							 i == 2 ? "" : " UNION ALL",
							 kept[i],
							 kept[i]);
	return sql.data;
}

/*
 * merge_memory: what one of the two has done already need not be done for the
 * other; and they are in the model since the first of them came.
 */
static void
merge_memory(const LsRecords *records, Datum from, Datum into)
{
	Oid types[4] = {records->objects->key_type,
					records->objects->key_type,
					TEXTOID,
					TIMESTAMPTZOID};
	Datum values[4] = {from, into};
	const char *memory[2];
	bool is_null;

	/* Both, in the order of the keys: as all others lock them. */
	(void) ls_objects_execute(psprintf("SELECT FROM %s WHERE contact_id IN ($1, $2)"
									   " ORDER BY contact_id FOR UPDATE",
									   records->objects->score),
							  2,
							  types,
							  values);
	(void) ls_objects_execute(
		psprintf("SELECT a.memory, b.memory, least(a.enrolled_at, b.enrolled_at)"
				 " FROM %s AS a, %s AS b WHERE a.contact_id = $1 AND b.contact_id = $2",
				 records->objects->score,
				 records->objects->score),
		2,
		types,
		values);
	if (SPI_tuptable->numvals > 0)
	{
		HeapTuple row = SPI_tuptable->vals[0];

		for (int i = 0; i < 2; i++)
			memory[i] = SPI_getvalue(row, SPI_tuptable->tupdesc, i + 1);
		values[3] = SPI_getbinval(row, SPI_tuptable->tupdesc, 3, &is_null);
		values[2] = CStringGetTextDatum(ls_memory_join_fired(memory[1], memory[0]));
		(void) ls_objects_execute(
			psprintf("UPDATE %s SET memory = nullif($3, ''), enrolled_at = $4"
					 " WHERE contact_id = $2 AND $1 IS NOT NULL",
					 records->objects->score),
			4,
			types,
			values);
	}
	(void) ls_objects_execute(psprintf("DELETE FROM %s WHERE contact_id = $1",
									   records->objects->score),
							  1,
							  types,
							  values);
}

/*
 * merge_contacts(model text, from, into) -> (object text, rows bigint): what is
 * kept of one contact is the other's from now on
 */
Datum
ls_sql_merge_contacts(PG_FUNCTION_ARGS)
{
	LsRecords records = {0};
	Oid types[2];
	Datum keys[2];

	begin(&records, fcinfo, "merge_contacts()");
	ls_adjust_is_removing = true;
	PG_TRY();
	{
		types[0] = types[1] = records.objects->key_type;
		keys[0] = get_key(fcinfo, 1, records.objects);
		keys[1] = get_key(fcinfo, 2, records.objects);
		check_pair(&records, keys[0], keys[1]);
		merge_memory(&records, keys[0], keys[1]);
		(void) ls_objects_execute(merge_query(&records), 2, types, keys);
		put_counts(&records);
		note_changed(&records, keys[0]);
		note_changed(&records, keys[1]);
	}
	PG_FINALLY();
	{
		ls_adjust_is_removing = false;
	}
	PG_END_TRY();
	end(&records);
	return (Datum) 0;
}
