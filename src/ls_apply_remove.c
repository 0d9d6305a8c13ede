/*
 * ls_apply_remove.c: contacts that are no more, and what was recorded of them.
 */
#include "ls_apply.h"

#include "ls_adjust.h"
#include "ls_apply_array.h"
#include "ls_compat.h"

#include "utils/lsyscache.h"

/* What goes with the contact itself; who only leaves the population keeps it. */
static const char *const records[] = {"stage_history",
									  "score_history",
									  "outbox",
									  "adjustment",
									  "score_daily"};

static char *
name_of(const LsObjects *objects, const char *suffix)
{
	return ls_objects_name(ls_model_get(objects->model)->row, suffix);
}

/*
 * remove_records: of the contacts with these keys. A row that somebody has locked
 * stays: a commit must not wait for who looks through the records.
 */
static void
remove_records(const LsObjects *objects, const char *suffix, Oid *types, Datum *keys)
{
	const char *table = name_of(objects, suffix);

	(void) ls_objects_execute(
		psprintf("DELETE FROM %s WHERE ctid = ANY (ARRAY(SELECT r.ctid FROM %s AS r"
				 " WHERE r.contact_id = ANY ($1) FOR UPDATE SKIP LOCKED))",
				 table,
				 table),
		1,
		types,
		keys);
}

static void
remove_deliveries(const LsObjects *objects, Oid *types, Datum *keys)
{
	const char *delivery = name_of(objects, "delivery");

	(void) ls_objects_execute(
		psprintf("DELETE FROM %s WHERE ctid = ANY (ARRAY(SELECT d.ctid FROM %s AS d"
				 " JOIN %s AS o ON o.id = d.outbox_id WHERE o.contact_id = ANY ($1)"
				 " FOR UPDATE OF d SKIP LOCKED))",
				 delivery,
				 delivery,
				 name_of(objects, "outbox")),
		1,
		types,
		keys);
}

/*
 * remove_all: what is removed from the adjustments needs no look at their contacts.
 */
static void
remove_all(const LsObjects *objects, Oid *types, Datum *keys)
{
	ls_adjust_is_removing = true;
	PG_TRY();
	{
		remove_deliveries(objects, types, keys);
		for (int i = 0; i < lengthof(records); i++)
			remove_records(objects, records[i], types, keys);
	}
	PG_FINALLY();
	{
		ls_adjust_is_removing = false;
	}
	PG_END_TRY();
}

/*
 * was_there: was it a contact at all? What people say of one who is yet to come, or
 * is just being written by somebody else, must wait for it.
 */
static bool
was_there(const LsChange *change)
{
	return change->outcome == LS_GONE &&
		   (change->stored != NULL || change->cause >= LS_CAUSE_CONTACT);
}

/* keys_of_gone: of those whose records go. */
static Datum
keys_of_gone(const LsObjects *objects, const LsChange *changes, int n, bool *any)
{
	LsArray keys = ls_array_begin(objects->key_type, n);

	for (int i = 0; i < n; i++)
		if (was_there(&changes[i]))
			ls_array_add(&keys,
						 ls_key_to_datum(objects->key_type, changes[i].key),
						 false);
	*any = keys.n > 0;
	return ls_array_end(&keys);
}

/*
 * ls_apply_remove: the score rows of contacts that are gone or not scored any
 * more; of those that are gone also all records.
 */
void
ls_apply_remove(const LsObjects *objects, const LsChange *changes, int n)
{
	int all = LS_OUTCOME(LS_GONE) | LS_OUTCOME(LS_OUTSIDE);
	Oid types[1] = {get_array_type(objects->key_type)};
	Datum keys[1] = {ls_apply_some_keys(objects, changes, n, all)};
	bool is_gone;

	(void) ls_objects_execute(psprintf("DELETE FROM %s WHERE contact_id = ANY ($1)",
									   objects->score),
							  1,
							  types,
							  keys);
	keys[0] = keys_of_gone(objects, changes, n, &is_gone);
	if (is_gone)
		remove_all(objects, types, keys);
}

/* ---- of contacts that nobody knows -------------------------------------- */

/* is_searched: daily scores are many, and adjustments may come before their contacts.
 */
static bool
is_searched(const char *suffix)
{
	return strcmp(suffix, "score_daily") != 0 && strcmp(suffix, "adjustment") != 0;
}

/* add_keys: of all contacts in the table, for ls_apply_any_gone. */
static void
add_keys(StringInfo sql, const char *table)
{
	appendStringInfo(sql,
					 "%sSELECT contact_id FROM %s",
					 sql->len > 0 ? " UNION ALL " : "SELECT count(*) FROM (",
					 table);
}

/*
 * ls_apply_any_gone: has any contact gone, of whom there is a record, or a score? All
 * are looked through at once.
 */
bool
ls_apply_any_gone(const LsObjects *objects, bool with_scores)
{
	StringInfoData sql;
	bool is_null;

	initStringInfo(&sql);
	if (with_scores)
		add_keys(&sql, objects->score);
	for (int i = 0; i < lengthof(records); i++)
		if (is_searched(records[i]))
			add_keys(&sql, name_of(objects, records[i]));
	appendStringInfo(&sql,
					 ") AS r WHERE NOT EXISTS"
					 " (SELECT FROM %s AS c WHERE c.%s = r.contact_id)",
					 objects->contacts,
					 objects->id);
	(void) ls_objects_execute_once(sql.data, 0, NULL, NULL);
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
									   SPI_tuptable->tupdesc,
									   1,
									   &is_null)) > 0;
}

/* sweep_records: of contacts that are not there, and for whom `also` is true. */
static void
sweep_records(const LsObjects *objects, const char *suffix, const char *also)
{
	const char *table = name_of(objects, suffix);

	(void) ls_objects_execute_once(
		psprintf("DELETE FROM %s WHERE ctid = ANY (ARRAY(SELECT r.ctid FROM %s AS r"
				 " WHERE NOT EXISTS (SELECT FROM %s AS c WHERE c.%s = r.contact_id)%s"
				 " FOR UPDATE OF r SKIP LOCKED))",
				 table,
				 table,
				 objects->contacts,
				 objects->id,
				 also),
		0,
		NULL,
		NULL);
}

/* sweep_adjustments: of contacts that were there. Others may be yet to come. */
static void
sweep_adjustments(const LsObjects *objects)
{
	sweep_records(objects,
				  "adjustment",
				  psprintf(" AND EXISTS (SELECT FROM %s AS h"
						   " WHERE h.contact_id = r.contact_id)",
						   name_of(objects, "score_history")));
}

static void
sweep_deliveries(const LsObjects *objects)
{
	const char *delivery = name_of(objects, "delivery");

	(void) ls_objects_execute_once(
		psprintf("DELETE FROM %s WHERE ctid = ANY (ARRAY(SELECT d.ctid FROM %s AS d"
				 " WHERE NOT EXISTS (SELECT FROM %s AS o WHERE o.id = d.outbox_id)"
				 " FOR UPDATE OF d SKIP LOCKED))",
				 delivery,
				 delivery,
				 name_of(objects, "outbox")),
		0,
		NULL,
		NULL);
}

/*
 * sweep_days: there are many days of each contact, so one is looked up for each.
 */
static void
sweep_days(const LsObjects *objects)
{
	const char *table = name_of(objects, "score_daily");
	Oid types[1] = {get_array_type(objects->key_type)};
	Datum keys[1];
	LsChange *gone;
	int n;

	(void) ls_objects_execute(
		psprintf("WITH RECURSIVE k AS ("
				 "(SELECT contact_id FROM %s ORDER BY contact_id LIMIT 1) UNION ALL"
				 " SELECT (SELECT d.contact_id FROM %s AS d"
				 " WHERE d.contact_id > k.contact_id ORDER BY 1 LIMIT 1)"
				 " FROM k WHERE k.contact_id IS NOT NULL)"
				 " SELECT k.contact_id FROM k WHERE k.contact_id IS NOT NULL"
				 " AND NOT EXISTS (SELECT FROM %s AS c WHERE c.%s = k.contact_id)",
				 table,
				 table,
				 objects->contacts,
				 objects->id),
		0,
		NULL,
		NULL);
	n = ls_apply_found(objects, &gone);
	keys[0] = ls_apply_keys(objects, gone, n);
	if (n > 0)
		remove_records(objects, "score_daily", types, keys);
}

/*
 * ls_apply_sweep_records: what is recorded of contacts that are no more, though no
 * trigger has seen them go. Where none has gone (ls_apply_any_gone) there may be days
 * of some, and deliveries of what is in the outbox no more.
 */
void
ls_apply_sweep_records(const LsObjects *objects, bool any_gone)
{
	ls_adjust_is_removing = true;
	PG_TRY();
	{
		sweep_days(objects);
		/* History says who was there, so it goes last. */
		if (any_gone)
			sweep_adjustments(objects);
		for (int i = 0; i < lengthof(records); i++)
			if (any_gone && is_searched(records[i]))
				sweep_records(objects, records[i], "");
		sweep_deliveries(objects);
	}
	PG_FINALLY();
	{
		ls_adjust_is_removing = false;
	}
	PG_END_TRY();
}
