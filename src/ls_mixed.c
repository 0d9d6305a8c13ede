/*
 * ls_mixed.c: scores by other rules than those by which everyone was scored last.
 *
 * Rules change while others write. A score that was written by what had been the rules
 * when its transaction looked, and committed after a rescore by newer ones, is behind
 * the rules, and nothing else says so. No index finds it: the stamp of a row changes
 * with every rescore, and an index on it would make each of its updates write to all
 * indexes of the table.
 *
 * Every transaction that may write a score has its number before it looks at the
 * rules. So while somebody writes by other rules than model.scored_stamp, and at the
 * end of a rescore, model.mixed_until says which transactions are over before all is
 * known. Then a refresh looks through the scores, once.
 *
 * Who writes a score while not everyone is scored by the rules leaves it due
 * (ls_apply_label): the rules may go back to what they were.
 */
#include "ls_mixed.h"

#include "ls_compat.h"
#include "ls_config.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/xid8.h"

/* change: of the row of the model, by us. False where somebody has it locked. */
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

/*
 * ls_mixed_begin: scores are about to be written by rules that are not those of
 * scored_stamp. The transaction has a number.
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
	(void) GetCurrentTransactionId();
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
	Oid types[3] = {TEXTOID, INT8OID, XID8OID};
	Datum values[3] = {CStringGetTextDatum(run->model), Int64GetDatum(stamp)};

	values[2] = end_of_running();
	(void) change("UPDATE lead_scoring.model SET scored_stamp = $2, mixed_until = $3"
				  " WHERE name = (SELECT name FROM lead_scoring.model"
				  " WHERE name = $1 AND (scored_stamp IS DISTINCT FROM $2"
				  " OR mixed_until IS NOT NULL) FOR NO KEY UPDATE SKIP LOCKED)",
				  3,
				  types,
				  values);
}

/*
 * is_time_to_look: are all over that might yet write what is behind? Those before
 * `until`, that is.
 */
static bool
is_time_to_look(const LsRun *run, Datum *until)
{
	Oid types[2] = {TEXTOID, XID8OID};
	Datum values[2] = {CStringGetTextDatum(run->model)};
	bool is_null;

	values[1] = end_of_running();
	/* A number that is yet to come was brought by a dump from elsewhere. */
	if (ls_objects_execute(
			"SELECT mixed_until FROM lead_scoring.model WHERE name = $1"
			" AND (mixed_until <= pg_snapshot_xmin(pg_current_snapshot())"
			" OR mixed_until > $2)",
			2,
			types,
			values) == 0)
		return false;
	*until = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null);
	return true;
}

static bool
is_anyone_behind(const LsRun *run)
{
	Oid types[1] = {INT8OID};
	Datum values[1] = {Int64GetDatum(ls_model_get(run->model)->stamp)};

	return ls_objects_execute(psprintf("SELECT FROM %s WHERE stamp <> $1 LIMIT 1",
									   run->objects->score),
							  1,
							  types,
							  values) > 0;
}

/*
 * forget: that there may be some, unless somebody has begun to write others since. In
 * a transaction that ends soon.
 */
static void
forget(const LsRun *run, Datum until)
{
	Oid types[2] = {TEXTOID, XID8OID};
	Datum values[2] = {CStringGetTextDatum(run->model), until};

	if (run->commits)
		(void) change("UPDATE lead_scoring.model SET mixed_until = NULL"
					  " WHERE name = (SELECT name FROM lead_scoring.model"
					  " WHERE name = $1 AND mixed_until = $2"
					  " FOR NO KEY UPDATE SKIP LOCKED)",
					  2,
					  types,
					  values);
}

/*
 * ls_mixed_look: is there a score by other rules than those of the model, by which
 * everyone was scored? False while that cannot be known yet.
 */
bool
ls_mixed_look(const LsRun *run)
{
	Datum until;

	if (!is_time_to_look(run, &until))
		return false;
	if (is_anyone_behind(run))
		return true;
	forget(run, until);
	return false;
}
