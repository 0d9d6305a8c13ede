/*
 * ls_dossier.c: what is known of one contact: its row and those of its lookups, its
 * events, and what people say of it by hand.
 *
 * All is read by kept plans, as whoever asks and with the snapshot of his query: so
 * privileges and row-level security are his. Operators are written with their schema,
 * as the search path is his, too.
 */
#include "ls_dossier.h"

#include "ls_apply.h"
#include "ls_compat.h"
#include "ls_engagement.h"
#include "ls_lookup.h"
#include "ls_objects.h"
#include "ls_relation.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define EQUALS "OPERATOR(pg_catalog.=)"

static const char *
contact_query(const LsModel *model)
{
	return psprintf("SELECT c.*%s FROM %s AS c%s WHERE c.%s " EQUALS " $1",
					ls_lookup_whole_rows(model->lookups),
					ls_relation_name(model->relid),
					ls_lookup_joins(model->lookups, "c"),
					quote_identifier(model->row->contact_id));
}

/*
 * ls_dossier_open: for contacts of the model, which must be good for the current
 * role (ls_fit_readable_model).
 *
 * Memory: the current context.
 */
LsDossier *
ls_dossier_open(LsModel *model)
{
	LsDossier *dossier = palloc0(sizeof(LsDossier));
	AttrNumber key = ls_relation_column(model->relid, model->row->contact_id);

	dossier->model = model;
	dossier->context = CurrentMemoryContext;
	dossier->memory = AllocSetContextCreate(CurrentMemoryContext,
											"lead_scoring contact",
											ALLOCSET_SMALL_SIZES);
	dossier->key_type = getBaseType(get_atttype(model->relid, key));
	if (dossier->key_type == VARCHAROID)
		dossier->key_type = TEXTOID;
	dossier->contact.sql = contact_query(model);
	for (int i = 0; i < 2; i++)
		dossier->sources[i] =
			palloc0(sizeof(LsDossierQuery) * (list_length(model->sources) + 1));
	return dossier;
}

/* ls_dossier_next: forget the contact. */
void
ls_dossier_next(LsDossier *dossier)
{
	MemoryContextReset(dossier->memory);
	dossier->rows = NULL;
	dossier->since = DT_NOBEGIN;
}

/* run: into SPI_tuptable, with the snapshot of the query at hand. */
static void
run(LsDossier *dossier, LsDossierQuery *query, int nargs, Oid *types, Datum *values)
{
	SPIPlanPtr plan;
	int result;

	MemoryContextSwitchTo(dossier->memory);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	plan = ls_objects_plan(query->sql, nargs, types);
	if (!query->is_planned)
		ls_objects_plan_now(plan);
	query->is_planned = true;
	result = SPI_execute_plan(plan, values, NULL, true, 0);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_plan failed: %s", SPI_result_code_string(result));
}

static void
end_query(MemoryContext caller)
{
	SPI_finish();
	MemoryContextSwitchTo(caller);
}

static void
make_reader(LsDossier *dossier, TupleDesc desc)
{
	MemoryContext old = MemoryContextSwitchTo(dossier->context);

	dossier->reader =
		ls_contact_result_reader(dossier->model, CreateTupleDescCopy(desc));
	MemoryContextSwitchTo(old);
}

/*
 * keep_contact: the row in SPI_tuptable, and those of lookups that are in it, in the
 * dossier's memory: to read them may be to copy them.
 */
static void
keep_contact(LsDossier *dossier)
{
	TupleDesc desc = SPI_tuptable->tupdesc;
	MemoryContext old;
	HeapTuple contact;

	if (dossier->reader == NULL)
		make_reader(dossier, desc);
	old = MemoryContextSwitchTo(dossier->memory);
	contact = heap_copytuple(SPI_tuptable->vals[0]);
	dossier->rows = ls_contact_read_result(dossier->reader, contact);
	dossier->since = ls_apply_since(dossier->model, desc, contact);
	MemoryContextSwitchTo(old);
}

/*
 * ls_dossier_find: read the contact with this id, of type key_type. False where
 * there is none.
 *
 * Errors: 42501.
 */
bool
ls_dossier_find(LsDossier *dossier, Datum key)
{
	MemoryContext caller = CurrentMemoryContext;

	run(dossier, &dossier->contact, 1, &dossier->key_type, &key);
	if (SPI_processed > 0)
		keep_contact(dossier);
	end_query(caller);
	return dossier->rows != NULL;
}

/* ---- events ------------------------------------------------------------- */

static const char *
events_query(const LsSourceRow *source, bool has_reset)
{
	return psprintf("SELECT lead_scoring.engagement_agg%s(e.*, $2, $3, $4%s)"
					" FROM %s AS e WHERE e.%s " EQUALS " $1",
					has_reset ? "_since" : "",
					has_reset ? ", $5" : "",
					ls_relation_name(ls_relation_by_name(source->relation)),
					quote_identifier(source->contact_id));
}

/* get_query: of a source, written when first needed. */
static LsDossierQuery *
get_query(LsDossier *dossier, int source, bool has_reset)
{
	LsDossierQuery *query = &dossier->sources[has_reset][source];

	if (query->sql == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(dossier->context);

		query->sql = events_query(list_nth(dossier->model->sources, source), has_reset);
		MemoryContextSwitchTo(old);
	}
	return query;
}

/* join_state: that of another source, which is in SPI_tuptable. */
static void
join_state(const LsDossier *dossier, LsAccumulator *acc)
{
	const LsModel *model = dossier->model;
	bool is_null;
	Datum value =
		SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null);
	const LsState *state;

	if (is_null)
		return;
	state = ls_state_from_datum(value);
	if (state->fingerprint != model->engagement->fingerprint)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("rules of model \"%s\" changed while events were read",
					   model->row->name),
				errhint("Ask again."));
	ls_accumulator_join_state(acc, state);
}

static void
read_source(LsDossier *dossier,
			int source,
			Datum key,
			TimestampTz as_of,
			TimestampTz reset_at,
			LsAccumulator *acc)
{
	const LsSourceRow *row = list_nth(dossier->model->sources, source);
	bool has_reset = reset_at != DT_NOBEGIN;
	Oid types[5] = {dossier->key_type,
					TEXTOID,
					TEXTOID,
					TIMESTAMPTZOID,
					TIMESTAMPTZOID};
	Datum values[5];

	values[0] = key;
	values[1] = CStringGetTextDatum(dossier->model->row->name);
	values[2] = CStringGetTextDatum(row->name);
	values[3] = TimestampTzGetDatum(as_of);
	values[4] = TimestampTzGetDatum(reset_at);
	run(dossier,
		get_query(dossier, source, has_reset),
		has_reset ? 5 : 4,
		types,
		values);
	join_state(dossier, acc);
	end_query(dossier->memory);
}

/*
 * ls_dossier_state: of the contact's events since a reset and up to a moment.
 *
 * Errors: 42501; what a condition raises; 55000 where rules change meanwhile.
 */
const LsState *
ls_dossier_state(LsDossier *dossier, Datum key, TimestampTz as_of, TimestampTz reset_at)
{
	MemoryContext caller = MemoryContextSwitchTo(dossier->memory);
	LsAccumulator *acc =
		ls_accumulator_new(ls_engagement_get(dossier->model), as_of, dossier->memory);
	const LsState *state;

	for (int i = 0; i < list_length(dossier->model->sources); i++)
		read_source(dossier, i, key, as_of, reset_at, acc);
	state = ls_accumulator_state(acc);
	MemoryContextSwitchTo(caller);
	return state;
}

/* ---- by hand ------------------------------------------------------------ */

static LsSaidKind
said_kind(const char *name)
{
	if (strcmp(name, "reset") == 0)
		return LS_SAID_RESET;
	return strcmp(name, "exclude") == 0 ? LS_SAID_EXCLUDE : LS_SAID_POINTS;
}

static LsSaid *
read_said(HeapTuple row, MemoryContext memory)
{
	TupleDesc desc = SPI_tuptable->tupdesc;
	MemoryContext old = MemoryContextSwitchTo(memory);
	LsSaid *said = palloc0(sizeof(LsSaid));
	bool is_null;
	Datum value;

	said->kind = said_kind(SPI_getvalue(row, desc, 1));
	said->dimension = SPI_getvalue(row, desc, 2);
	value = SPI_getbinval(row, desc, 3, &is_null);
	said->points = is_null ? 0 : DatumGetFloat8(value);
	said->reason = SPI_getvalue(row, desc, 4);
	said->from = DatumGetTimestampTz(SPI_getbinval(row, desc, 5, &is_null));
	value = SPI_getbinval(row, desc, 6, &is_null);
	said->until = is_null ? DT_NOEND : DatumGetTimestampTz(value);
	MemoryContextSwitchTo(old);
	return said;
}

/* write_said: its query, where the model has such a table. */
static bool
write_said(LsDossier *dossier)
{
	const LsModelRow *row = dossier->model->row;
	MemoryContext old;

	if (row->objects_schema == NULL || !OidIsValid(ls_objects_relid(row, "adjustment")))
		return false;
	if (dossier->said.sql != NULL)
		return true;
	old = MemoryContextSwitchTo(dossier->context);
	dossier->said.sql =
		psprintf("SELECT a.kind, a.dimension, a.points, a.reason, a.valid_from,"
				 " a.valid_until FROM %s AS a WHERE a.contact_id " EQUALS " $1"
				 " ORDER BY a.valid_from, a.id",
				 ls_objects_name(row, "adjustment"));
	MemoryContextSwitchTo(old);
	return true;
}

/*
 * ls_dossier_said: the contact's rows of <model>_adjustment (LsSaid), oldest first.
 *
 * Errors: 42501.
 */
List *
ls_dossier_said(LsDossier *dossier, Datum key)
{
	MemoryContext caller = CurrentMemoryContext;
	List *said = NIL;

	if (!write_said(dossier))
		return NIL;
	run(dossier, &dossier->said, 1, &dossier->key_type, &key);
	for (uint64 i = 0; i < SPI_tuptable->numvals; i++)
	{
		LsSaid *one = read_said(SPI_tuptable->vals[i], dossier->memory);
		MemoryContext old = MemoryContextSwitchTo(dossier->memory);

		said = lappend(said, one);
		MemoryContextSwitchTo(old);
	}
	end_query(caller);
	return said;
}

/* ---- stages ------------------------------------------------------------- */

/* The last move up to a moment; else the first one after it. */
static const char *const stage_query =
	"SELECT CASE WHEN m.is_past THEN m.to_stage ELSE m.from_stage END,"
	" CASE WHEN m.is_past THEN m.changed_at END"
	" FROM (SELECT h.id, h.from_stage, h.to_stage, h.changed_at,"
	" h.changed_at OPERATOR(pg_catalog.<=) $2 AS is_past"
	" FROM %s AS h WHERE h.contact_id " EQUALS " $1) AS m"
	" ORDER BY m.is_past DESC, CASE WHEN m.is_past THEN m.changed_at END DESC,"
	" CASE WHEN m.is_past THEN m.id END DESC, m.changed_at, m.id LIMIT 1";

/*
 * ls_dossier_stage: in which the contact was at a moment, by the history of its moves;
 * NULL where that is not known. *since: -infinity where that is not.
 *
 * Errors: 42501.
 */
char *
ls_dossier_stage(LsDossier *dossier, Datum key, TimestampTz as_of, TimestampTz *since)
{
	MemoryContext caller = CurrentMemoryContext;
	const LsModelRow *row = dossier->model->row;
	Oid types[2] = {dossier->key_type, TIMESTAMPTZOID};
	Datum values[2] = {key, TimestampTzGetDatum(as_of)};
	char *stage = NULL;
	bool is_null = true;

	*since = DT_NOBEGIN;
	if (row->objects_schema == NULL)
		return NULL;
	if (dossier->stage.sql == NULL)
		dossier->stage.sql =
			MemoryContextStrdup(dossier->context,
								psprintf(stage_query,
										 ls_objects_name(row, "stage_history")));
	run(dossier, &dossier->stage, 2, types, values);
	if (SPI_processed > 0)
	{
		HeapTuple move = SPI_tuptable->vals[0];
		Datum at = SPI_getbinval(move, SPI_tuptable->tupdesc, 2, &is_null);

		MemoryContextSwitchTo(dossier->memory);
		stage = SPI_getvalue(move, SPI_tuptable->tupdesc, 1);
		*since = is_null ? DT_NOBEGIN : DatumGetTimestampTz(at);
	}
	end_query(caller);
	return stage;
}

/*
 * ls_dossier_by_hand: what the rows (LsSaid) come to as of a moment.
 */
LsByHand
ls_dossier_by_hand(List *said, TimestampTz as_of)
{
	LsByHand by_hand = {.reset_at = DT_NOBEGIN};
	ListCell *cell;

	foreach(cell, said)
	{
		const LsSaid *one = lfirst(cell);

		if (!ls_dossier_counts(one, as_of))
			continue;
		if (one->kind == LS_SAID_POINTS)
			by_hand.points += one->points;
		else if (one->kind == LS_SAID_RESET)
			by_hand.reset_at = Max(by_hand.reset_at, one->from);
		else
			by_hand.is_excluded = true;
	}
	return by_hand;
}
