/*
 * ls_apply_write.c: changes -> rows of <model>_score, in one statement.
 */
#include "ls_apply.h"

#include "ls_apply_array.h"
#include "ls_compat.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/*
 * ls_apply_some_keys: the contacts with one of the outcomes, as an array of the
 * key's type.
 */
Datum
ls_apply_some_keys(const LsObjects *objects,
				   const LsChange *changes,
				   int n,
				   int outcomes)
{
	LsArray keys = ls_array_begin(objects->key_type, n);

	for (int i = 0; i < n; i++)
		if ((outcomes & LS_OUTCOME(changes[i].outcome)) != 0)
			ls_array_add(&keys,
						 ls_key_to_datum(objects->key_type, changes[i].key),
						 false);
	return ls_array_end(&keys);
}

static Oid
state_type(void)
{
	return GetSysCacheOid2(TYPENAMENSP,
						   Anum_pg_type_oid,
						   CStringGetDatum("engagement"),
						   ObjectIdGetDatum(ls_catalog_schema()));
}

/* Parameters of the statement: arrays, one element for each row, then the rest. */
enum
{
	P_KEY,
	P_FIT,
	P_ENGAGEMENT,
	P_INTENT,
	P_TOTAL,
	P_BAND,
	P_BAND_RANK,
	P_GRADE,
	P_STATE,
	P_LAST_ACTIVITY,
	P_DUE_AT,
	P_STAMP,
	P_PROBLEM,
	P_SINCE,
	P_STAGE,
	P_STAGE_SINCE,
	P_BY_HAND,
	P_MEMORY,
	N_COLUMNS,
	P_MOMENT = N_COLUMNS,
	N_PARAMETERS
};

static void
add_row(LsArray *columns,
		const LsObjects *objects,
		const LsChange *change,
		TimestampTz as_of)
{
	bool failed = change->outcome == LS_FAILED;

	ls_array_add(&columns[P_KEY],
				 ls_key_to_datum(objects->key_type, change->key),
				 false);
	ls_array_add(&columns[P_FIT], Float8GetDatum(change->fit), failed);
	ls_array_add(&columns[P_ENGAGEMENT], Float8GetDatum(change->engagement), failed);
	ls_array_add(&columns[P_INTENT], Float8GetDatum(change->intent), failed);
	ls_array_add(&columns[P_TOTAL], Float8GetDatum(change->total), failed);
	ls_array_add_text(&columns[P_BAND], failed ? NULL : change->band);
	ls_array_add(&columns[P_BAND_RANK], Int16GetDatum(change->band_rank), failed);
	ls_array_add_text(&columns[P_GRADE], failed ? NULL : change->grade);
	ls_array_add(&columns[P_STATE],
				 PointerGetDatum(change->state),
				 failed || change->state == NULL);
	ls_array_add(&columns[P_LAST_ACTIVITY],
				 TimestampTzGetDatum(change->last_activity),
				 failed || change->state == NULL ||
					 change->last_activity == DT_NOBEGIN);
	/* Who failed is due at once. */
	ls_array_add(&columns[P_DUE_AT],
				 TimestampTzGetDatum(failed ? as_of : change->due_at),
				 !failed && change->due_at == DT_NOEND);
	ls_array_add(&columns[P_STAMP], Int64GetDatum(change->stamp), false);
	ls_array_add_text(&columns[P_PROBLEM], failed ? change->problem : NULL);
	ls_array_add(&columns[P_SINCE],
				 TimestampTzGetDatum(change->since),
				 change->since == DT_NOBEGIN);
	ls_array_add_text(&columns[P_STAGE], change->stage);
	ls_array_add(&columns[P_STAGE_SINCE],
				 TimestampTzGetDatum(change->stage_since),
				 change->stage_since == DT_NOBEGIN);
	ls_array_add(&columns[P_BY_HAND], BoolGetDatum(change->by_hand), false);
	ls_array_add_text(&columns[P_MEMORY], change->memory);
}

static void
fill_columns(const LsObjects *objects,
			 const LsChange *changes,
			 int n,
			 TimestampTz as_of,
			 Oid *types,
			 Datum *values)
{
	const Oid element[N_COLUMNS] = {objects->key_type,
									FLOAT8OID,
									FLOAT8OID,
									FLOAT8OID,
									FLOAT8OID,
									TEXTOID,
									INT2OID,
									TEXTOID,
									state_type(),
									TIMESTAMPTZOID,
									TIMESTAMPTZOID,
									INT8OID,
									TEXTOID,
									TIMESTAMPTZOID,
									TEXTOID,
									TIMESTAMPTZOID,
									BOOLOID,
									TEXTOID};
	LsArray columns[N_COLUMNS];

	for (int i = 0; i < N_COLUMNS; i++)
		columns[i] = ls_array_begin(element[i], n);
	for (int i = 0; i < n; i++)
		if (changes[i].outcome == LS_SCORED || changes[i].outcome == LS_FAILED)
			add_row(columns, objects, &changes[i], as_of);
	ls_array_parameters(columns, N_COLUMNS, types, values);
}

/*
 * ls_apply_upsert: write the scores that differ, in the order of the changes, as
 * of the moment.
 */
void
ls_apply_upsert(const LsObjects *objects,
				const LsChange *changes,
				int n,
				TimestampTz as_of)
{
	Oid types[N_PARAMETERS];
	Datum values[N_PARAMETERS];
	char *sql = psprintf(
		"INSERT INTO %s AS s (contact_id, fit, engagement, intent, total, band, band_rank,"
		" grade, engagement_state, last_activity, due_at, stamp, problem, since, stage,"
		" stage_since, by_hand, memory, scored_at)"
		" SELECT k.*, $19 FROM ROWS FROM (unnest($1), unnest($2), unnest($3), unnest($4),"
		" unnest($5), unnest($6), unnest($7), unnest($8), unnest($9), unnest($10),"
		" unnest($11), unnest($12), unnest($13), unnest($14), unnest($15), unnest($16),"
		" unnest($17), unnest($18)) AS k"
		" ON CONFLICT (contact_id) DO UPDATE SET (fit, engagement, intent, total, band,"
		" band_rank, grade, engagement_state, last_activity, scored_at, due_at, stamp,"
		" problem, since, stage, stage_since, by_hand, memory) = (excluded.fit,"
		" excluded.engagement, excluded.intent, excluded.total, excluded.band,"
		" excluded.band_rank, excluded.grade, excluded.engagement_state,"
		" excluded.last_activity, greatest(s.scored_at, excluded.scored_at),"
		" excluded.due_at, excluded.stamp, excluded.problem, excluded.since,"
		" excluded.stage, excluded.stage_since, excluded.by_hand, excluded.memory)"
		" WHERE (s.fit, s.engagement, s.intent, s.total, s.band, s.grade, s.stamp,"
		" s.problem, s.since, s.stage, s.stage_since, s.by_hand, s.memory)"
		" IS DISTINCT FROM (excluded.fit, excluded.engagement, excluded.intent,"
		" excluded.total, excluded.band, excluded.grade, excluded.stamp,"
		" excluded.problem, excluded.since, excluded.stage, excluded.stage_since,"
		" excluded.by_hand, excluded.memory)"
		" OR s.due_at <= excluded.scored_at"
		/* The same score may change earlier, as created_column has another value. */
		" OR coalesce(excluded.due_at, 'infinity') < coalesce(s.due_at, 'infinity') OR NOT"
		" coalesce(lead_scoring.same_facts(s.engagement_state, excluded.engagement_state),"
		" s.engagement_state IS NULL AND excluded.engagement_state IS NULL)",
		objects->score);

	fill_columns(objects, changes, n, as_of, types, values);
	types[P_MOMENT] = TIMESTAMPTZOID;
	values[P_MOMENT] = TimestampTzGetDatum(as_of);
	(void) ls_objects_execute(sql, N_PARAMETERS, types, values);
}
