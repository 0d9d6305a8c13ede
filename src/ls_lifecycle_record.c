/*
 * ls_lifecycle_record.c: what happened: histories, outbox, notifications.
 *
 * One statement for each table that there is something for.
 */
#include "ls_lifecycle.h"

#include "ls_apply_array.h"
#include "ls_compat.h"
#include "ls_notify.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

static char *
name_of(const LsObjects *objects, const char *suffix)
{
	return ls_objects_name(ls_model_get(objects->model)->row, suffix);
}

/* ---- moves -------------------------------------------------------------- */

enum
{
	M_KEY,
	M_FROM,
	M_TO,
	M_CAUSE,
	M_FIT,
	M_ENGAGEMENT,
	M_INTENT,
	M_TOTAL,
	M_ARRAYS,
	M_MOMENT = M_ARRAYS,
	M_PARAMETERS
};

static void
record_moves(const LsObjects *objects, List *moves, TimestampTz as_of)
{
	int n = list_length(moves);
	LsArray arrays[M_ARRAYS];
	Oid types[M_PARAMETERS];
	Datum values[M_PARAMETERS];
	ListCell *cell;

	for (int i = 0; i < M_ARRAYS; i++)
		arrays[i] = ls_array_begin(i == M_KEY  ? objects->key_type
								   : i < M_FIT ? TEXTOID
											   : FLOAT8OID,
								   n);
	foreach(cell, moves)
	{
		const LsMove *move = lfirst(cell);
		const LsChange *change = move->change;

		ls_array_add(&arrays[M_KEY],
					 ls_key_to_datum(objects->key_type, change->key),
					 false);
		ls_array_add_text(&arrays[M_FROM], move->from);
		ls_array_add_text(&arrays[M_TO], move->to);
		ls_array_add_text(&arrays[M_CAUSE], ls_apply_cause_name(move->cause));
		ls_array_add_points(&arrays[M_FIT], change->fit);
		ls_array_add_points(&arrays[M_ENGAGEMENT], change->engagement);
		ls_array_add_points(&arrays[M_INTENT], change->intent);
		ls_array_add_points(&arrays[M_TOTAL], change->total);
	}
	ls_array_parameters(arrays, M_ARRAYS, types, values);
	types[M_MOMENT] = TIMESTAMPTZOID;
	values[M_MOMENT] = TimestampTzGetDatum(as_of);
	(void) ls_objects_execute(
		psprintf("INSERT INTO %s (contact_id, from_stage, to_stage, cause, fit,"
				 " engagement, intent, total, changed_at)"
				 " SELECT k.*, $9 FROM ROWS FROM (unnest($1), unnest($2), unnest($3),"
				 " unnest($4), unnest($5), unnest($6), unnest($7), unnest($8)) AS k",
				 name_of(objects, "stage_history")),
		M_PARAMETERS,
		types,
		values);
}

/* ---- scores ------------------------------------------------------------- */

enum
{
	H_KEY,
	H_CAUSE,
	H_FROM_BAND,
	H_BAND,
	H_GRADE,
	H_FROM_STAGE,
	H_STAGE,
	H_FIT,
	H_ENGAGEMENT,
	H_INTENT,
	H_TOTAL,
	H_ARRAYS,
	H_MOMENT = H_ARRAYS,
	H_PARAMETERS
};

static bool
is_same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/*
 * ls_lifecycle_is_history: has the band or the stage changed, or is the contact new?
 */
bool
ls_lifecycle_is_history(const LsChange *change)
{
	const LsStored *stored = change->stored;

	return change->outcome == LS_SCORED &&
		   (stored == NULL || !is_same(stored->band, change->band) ||
			!is_same(stored->stage, change->stage));
}

/*
 * ls_lifecycle_cause: manual where nothing but a person's move has happened.
 */
const char *
ls_lifecycle_cause(const LsChange *change)
{
	bool is_manual =
		change->was_moved && !change->has_moved &&
		(change->stored == NULL || is_same(change->stored->band, change->band));

	return ls_apply_cause_name(is_manual ? LS_CAUSE_MANUAL : change->cause);
}

static void
add_history(LsArray *arrays, const LsObjects *objects, const LsChange *change)
{
	const LsStored *stored = change->stored;

	ls_array_add(&arrays[H_KEY],
				 ls_key_to_datum(objects->key_type, change->key),
				 false);
	ls_array_add_text(&arrays[H_CAUSE], ls_lifecycle_cause(change));
	ls_array_add_text(&arrays[H_FROM_BAND], stored == NULL ? NULL : stored->band);
	ls_array_add_text(&arrays[H_BAND], change->band);
	ls_array_add_text(&arrays[H_GRADE], change->grade);
	ls_array_add_text(&arrays[H_FROM_STAGE], stored == NULL ? NULL : stored->stage);
	ls_array_add_text(&arrays[H_STAGE], change->stage);
	ls_array_add_points(&arrays[H_FIT], change->fit);
	ls_array_add_points(&arrays[H_ENGAGEMENT], change->engagement);
	ls_array_add_points(&arrays[H_INTENT], change->intent);
	ls_array_add_points(&arrays[H_TOTAL], change->total);
}

static void
record_scores(const LsObjects *objects,
			  const LsChange *changes,
			  int n,
			  TimestampTz as_of)
{
	LsArray arrays[H_ARRAYS];
	Oid types[H_PARAMETERS];
	Datum values[H_PARAMETERS];

	for (int i = 0; i < H_ARRAYS; i++)
		arrays[i] = ls_array_begin(i == H_KEY  ? objects->key_type
								   : i < H_FIT ? TEXTOID
											   : FLOAT8OID,
								   n);
	for (int i = 0; i < n; i++)
		if (ls_lifecycle_is_history(&changes[i]))
			add_history(arrays, objects, &changes[i]);
	if (arrays[H_KEY].n == 0)
		return;
	ls_array_parameters(arrays, H_ARRAYS, types, values);
	types[H_MOMENT] = TIMESTAMPTZOID;
	values[H_MOMENT] = TimestampTzGetDatum(as_of);
	(void) ls_objects_execute(
		psprintf(
			"INSERT INTO %s (contact_id, cause, from_band, band, grade, from_stage,"
			" stage, fit, engagement, intent, total, changed_at)"
			" SELECT k.*, $12 FROM ROWS FROM (unnest($1), unnest($2), unnest($3),"
			" unnest($4), unnest($5), unnest($6), unnest($7), unnest($8),"
			" unnest($9), unnest($10), unnest($11)) AS k",
			name_of(objects, "score_history")),
		H_PARAMETERS,
		types,
		values);
}

/* ---- actions ------------------------------------------------------------ */

enum
{
	A_KEY,
	A_ACTION,
	A_EDGE,
	A_BAND,
	A_GRADE,
	A_STAGE,
	A_CAUSE,
	A_FIT,
	A_ENGAGEMENT,
	A_INTENT,
	A_TOTAL,
	A_ARRAYS,
	A_MOMENT = A_ARRAYS,
	A_MODEL,
	A_PARAMETERS
};

static void
add_firing(LsArray *arrays, const LsObjects *objects, const LsFiring *firing)
{
	const LsChange *change = firing->change;

	ls_array_add(&arrays[A_KEY],
				 ls_key_to_datum(objects->key_type, change->key),
				 false);
	ls_array_add_text(&arrays[A_ACTION], firing->action->name);
	ls_array_add_text(&arrays[A_EDGE], firing->is_enter ? "enter" : "leave");
	ls_array_add_text(&arrays[A_BAND], change->band);
	ls_array_add_text(&arrays[A_GRADE], change->grade);
	ls_array_add_text(&arrays[A_STAGE], change->stage);
	ls_array_add_text(&arrays[A_CAUSE], ls_lifecycle_cause(change));
	ls_array_add_points(&arrays[A_FIT], change->fit);
	ls_array_add_points(&arrays[A_ENGAGEMENT], change->engagement);
	ls_array_add_points(&arrays[A_INTENT], change->intent);
	ls_array_add_points(&arrays[A_TOTAL], change->total);
}

/* outbox_query: the rows, and for each that it waits for a worker. */
static char *
outbox_query(const LsObjects *objects)
{
	return psprintf(
		"WITH fired AS (INSERT INTO %s (contact_id, aggregatetype, aggregateid, type,"
		" created_at, payload)"
		" SELECT k.contact_id, $13, k.contact_id::text, k.action, $12,"
		" jsonb_build_object('model', $13, 'contact_id', k.contact_id,"
		" 'action', k.action, 'edge', k.edge, 'at', $12, 'fit', k.fit,"
		" 'engagement', k.engagement, 'intent', k.intent, 'total', k.total,"
		" 'band', k.band, 'grade', k.grade, 'stage', k.stage, 'cause', k.cause,"
		" 'reasons', (SELECT lead_scoring.reasons(c.*, $13) FROM %s AS c"
		" WHERE c.%s = k.contact_id))"
		" || CASE WHEN a.payload IS NULL THEN '{}'"
		" WHEN jsonb_typeof(a.payload) = 'object' THEN a.payload"
		" ELSE jsonb_build_object('payload', a.payload) END"
		" FROM ROWS FROM (unnest($1), unnest($2), unnest($3), unnest($4), unnest($5),"
		" unnest($6), unnest($7), unnest($8), unnest($9), unnest($10), unnest($11))"
		" AS k (contact_id, action, edge, band, grade, stage, cause, fit, engagement,"
		" intent, total)"
		" LEFT JOIN lead_scoring.action AS a ON a.model = $13 AND a.name = k.action"
		" RETURNING id)"
		" INSERT INTO %s (outbox_id) SELECT id FROM fired",
		name_of(objects, "outbox"),
		objects->contacts,
		objects->id,
		name_of(objects, "delivery"));
}

static void
record_firings(const LsObjects *objects, List *firings, TimestampTz as_of)
{
	int n = list_length(firings);
	LsArray arrays[A_ARRAYS];
	Oid types[A_PARAMETERS];
	Datum values[A_PARAMETERS];
	ListCell *cell;

	for (int i = 0; i < A_ARRAYS; i++)
		arrays[i] = ls_array_begin(i == A_KEY  ? objects->key_type
								   : i < A_FIT ? TEXTOID
											   : FLOAT8OID,
								   n);
	foreach(cell, firings)
		add_firing(arrays, objects, lfirst(cell));
	ls_array_parameters(arrays, A_ARRAYS, types, values);
	types[A_MOMENT] = TIMESTAMPTZOID;
	values[A_MOMENT] = TimestampTzGetDatum(as_of);
	types[A_MODEL] = TEXTOID;
	values[A_MODEL] = CStringGetTextDatum(objects->model);
	(void) ls_objects_execute(outbox_query(objects), A_PARAMETERS, types, values);
}

/*
 * notify: whoever listens on the channels of the actions, once each at commit.
 * Who missed it finds the rows all the same.
 */
static void
notify(const LsObjects *objects, List *firings)
{
	ListCell *cell;

	foreach(cell, firings)
	{
		const LsFiring *firing = lfirst(cell);

		if (firing->action->channel != NULL)
			ls_notify_later(firing->action->channel, objects->model);
	}
}

/* without_held: moves and actions of contacts that keep their place. */
static List *
keep_moves(List *moves)
{
	ListCell *cell;

	foreach(cell, moves)
		if (((LsMove *) lfirst(cell))->change->held_back != NULL)
			moves = foreach_delete_current(moves, cell);
	return moves;
}

static List *
keep_firings(List *firings)
{
	ListCell *cell;

	foreach(cell, firings)
		if (((LsFiring *) lfirst(cell))->change->held_back != NULL)
			firings = foreach_delete_current(firings, cell);
	return firings;
}

/*
 * ls_lifecycle_record: the changes are applied; write down what happened.
 */
void
ls_lifecycle_record(const LsObjects *objects,
					const LsChange *changes,
					int n,
					List *moves,
					List *firings,
					TimestampTz as_of)
{
	moves = keep_moves(moves);
	firings = keep_firings(firings);
	if (moves != NIL)
		record_moves(objects, moves, as_of);
	record_scores(objects, changes, n, as_of);
	if (firings == NIL)
		return;
	record_firings(objects, firings, as_of);
	notify(objects, firings);
}
