/*
 * ls_mixed.c: is everyone scored by the rules, whoever was writing when they changed?
 *
 * Rules change while others write. Who has looked at the rules before, and commits
 * after a rescore by the new ones, was not seen by it; what he wrote may be a score by
 * the old rules, or a column that they did not look at, so that nothing waits for
 * anybody.
 *
 * Every transaction looks at the rules after it has got its number
 * (ls_flush_check_trigger, apply() in ls_apply.c). So where somebody has written, and
 * is not done, when a rescore by new rules begins, it is not the last: it notes the
 * next number in model.mixed_until, and when all before that are over, a refresh is a
 * rescore once more.
 *
 * A rescore by new rules may never come to its end, while the rules go back to what
 * they were: it notes that with its first batch, too. And who writes a score while not
 * everyone is scored by its rules leaves it due (ls_apply_label).
 */
#include "ls_mixed.h"

#include "ls_apply_array.h"
#include "ls_compat.h"
#include "ls_config.h"
#include "ls_lookup.h"
#include "ls_relation.h"

#include "access/transam.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/xid8.h"

/* change: the row of the model, by us. False where somebody has it locked. */
static bool
change(const char *sql, int nargs, Oid *types, Datum *values)
{
	uint64 changed = 0;

	ls_config_by_function = true;
	PG_TRY();
	{
		changed = ls_objects_execute(sql, nargs, types, values);
	}
	PG_FINALLY();
	{
		ls_config_by_function = false;
	}
	PG_END_TRY();
	return changed > 0;
}

/* end_of_running: of all transactions that have begun. */
static Datum
end_of_running(void)
{
	return FullTransactionIdGetDatum(ReadNextFullTransactionId());
}

/* ---- who writes ---------------------------------------------------------- */

/* add_table: and its partitions, or children. */
static List *
add_table(List *tables, Oid relid)
{
	return OidIsValid(relid)
			   ? list_concat(tables, find_all_inheritors(relid, NoLock, NULL))
			   : tables;
}

/* find_tables: where somebody must have written whose scores may be mixed. */
static Datum
find_tables(const LsRun *run)
{
	const LsModel *model = ls_model_get(run->model);
	List *tables = add_table(NIL, run->objects->contacts_relid);
	LsArray array;
	ListCell *cell;

	tables = lappend_oid(tables, run->objects->score_relid);
	foreach(cell, model->sources)
		tables =
			add_table(tables,
					  ls_relation_by_name(((LsSourceRow *) lfirst(cell))->relation));
	foreach(cell, model->lookups)
		tables = add_table(tables, ((LsLookup *) lfirst(cell))->relid);
	array = ls_array_begin(OIDOID, list_length(tables));
	foreach(cell, tables)
		ls_array_add(&array, ObjectIdGetDatum(lfirst_oid(cell)), false);
	return ls_array_end(&array);
}

/* does_anyone_write: to one of the tables, or rules? A lock is held to the end. */
static bool
does_anyone_write(const LsRun *run)
{
	Oid types[2] = {OIDARRAYOID, OIDOID};
	Datum values[2] = {find_tables(run), ObjectIdGetDatum(MyDatabaseId)};

	return ls_objects_execute(
			   "SELECT FROM pg_locks AS l WHERE l.locktype = 'relation' AND l.granted"
			   " AND l.mode = 'RowExclusiveLock' AND l.database = $2"
			   " AND l.pid IS DISTINCT FROM pg_backend_pid() AND (l.relation = ANY ($1)"
			   " OR l.relation IN (SELECT c.oid FROM pg_class AS c"
			   " WHERE c.relnamespace = 'lead_scoring'::regnamespace"
			   " AND c.relkind = 'r' AND c.relname <> 'progress_row')) LIMIT 1",
			   2,
			   types,
			   values) > 0;
}

/* ---- which rescore is the last ------------------------------------------- */

/* LsMixed: what is known of the model. */
typedef enum LsMixed
{
	LS_PURE,	/* everyone is scored by the rules of scored_stamp */
	LS_TO_WAIT, /* somebody is not done who may have seen others */
	LS_TO_DO	/* all of them are done: once more */
} LsMixed;

/* read_mixed: a number that is yet to come was brought by a dump from elsewhere. */
static LsMixed
read_mixed(const LsRun *run)
{
	Oid types[2] = {TEXTOID, XID8OID};
	Datum values[2] = {CStringGetTextDatum(run->model)};
	bool is_null;
	bool is_over;

	values[1] = end_of_running();
	if (ls_objects_execute(
			"SELECT mixed_until <= pg_snapshot_xmin(pg_current_snapshot())"
			" OR mixed_until > $2 FROM lead_scoring.model WHERE name = $1",
			2,
			types,
			values) == 0)
		return LS_PURE;
	is_over = DatumGetBool(
		SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
	if (is_null)
		return LS_PURE;
	return is_over ? LS_TO_DO : LS_TO_WAIT;
}

/*
 * ls_mixed_look: were others than the rules looked at by somebody who was not done at
 * the latest rescore, and is by now?
 */
bool
ls_mixed_look(const LsRun *run)
{
	return read_mixed(run) == LS_TO_DO;
}

/*
 * ls_mixed_open: a rescore begins, by rules that are known. What another run has done
 * before it does not count.
 */
void
ls_mixed_open(LsRun *run)
{
	LsMixed mixed = read_mixed(run);
	bool is_new = ls_model_is_mixed(ls_model_get(run->model));

	if (!is_new && mixed == LS_PURE)
		run->is_last = true;
	else
		run->is_last = !run->has_last &&
					   ((!is_new && mixed == LS_TO_DO) || !does_anyone_write(run));
}

/*
 * ls_mixed_begin: scores are about to be written by rules that are not those of
 * scored_stamp.
 */
void
ls_mixed_begin(LsRun *run)
{
	const LsModel *model = ls_model_get(run->model);
	Oid types[2] = {TEXTOID, XID8OID};
	Datum values[2];

	if (!ls_model_is_mixed(model) ||
		(run->has_mixed && run->mixed_stamp == model->life_stamp))
		return;
	values[0] = CStringGetTextDatum(run->model);
	values[1] = end_of_running();
	run->has_mixed = change("UPDATE lead_scoring.model SET mixed_until = $2"
							" WHERE name = (SELECT name FROM lead_scoring.model"
							" WHERE name = $1 FOR NO KEY UPDATE SKIP LOCKED)",
							2,
							types,
							values);
	run->mixed_stamp = model->life_stamp;
}

/*
 * ls_mixed_end: everyone was scored under these rules. Who has the row locked notes
 * the same, or is changing the model.
 */
void
ls_mixed_end(const LsRun *run, int64 stamp)
{
	Oid types[4] = {TEXTOID, INT8OID, BOOLOID, XID8OID};
	Datum values[4] = {CStringGetTextDatum(run->model),
					   Int64GetDatum(stamp),
					   BoolGetDatum(run->is_last)};

	values[3] = end_of_running();
	(void) change("UPDATE lead_scoring.model SET scored_stamp = $2,"
				  " mixed_until = CASE WHEN $3 THEN NULL"
				  " WHEN scored_stamp = $2 THEN mixed_until ELSE $4 END"
				  " WHERE name = (SELECT name FROM lead_scoring.model"
				  " WHERE name = $1 AND (scored_stamp IS DISTINCT FROM $2"
				  " OR $3 AND mixed_until IS NOT NULL) FOR NO KEY UPDATE SKIP LOCKED)",
				  4,
				  types,
				  values);
}
