/*
 * ls_config_trigger.c: rows of the configuration that cannot work are refused
 * when they are written.
 *
 * While a dump is restored (check_function_bodies is off, as pg_dump sets it)
 * conditions are not read: what they name may come later, and one bad row must
 * not cost all others. Each use reads them again anyway.
 */
#include "postgres.h"

#include "ls_compat.h"
#include "ls_cond.h"
#include "ls_config.h"
#include "ls_error.h"
#include "ls_guard.h"
#include "ls_match.h"
#include "ls_model_cache.h"
#include "ls_relation.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(ls_sql_check_config);
PG_FUNCTION_INFO_V1(ls_sql_config_changed);
PG_FUNCTION_INFO_V1(ls_sql_config_restored);

/* ---- values of the row ------------------------------------------------ */

/*
 * ls_config_value: a column as it is stored.
 */
Datum
ls_config_value(const LsConfigRow *row, const char *column, bool *is_null)
{
	int attno = SPI_fnumber(row->desc, column);

	if (attno <= 0)
		elog(ERROR, "table \"%s\" has no column \"%s\"", row->table, column);
	return heap_getattr(row->tuple, attno, row->desc, is_null);
}

/*
 * ls_config_text: a column as text; NULL where it is null.
 */
char *
ls_config_text(const LsConfigRow *row, const char *column)
{
	bool is_null;
	Datum value = ls_config_value(row, column, &is_null);

	if (is_null)
		return NULL;
	return SPI_gettypeid(row->desc, SPI_fnumber(row->desc, column)) == NAMEOID
			   ? pstrdup(NameStr(*DatumGetName(value)))
			   : TextDatumGetCString(value);
}

/*
 * ls_config_required: a column as text, which must be given. (Constraints come
 * after us.)
 */
char *
ls_config_required(const LsConfigRow *row, const char *column)
{
	char *value = ls_config_text(row, column);

	if (value == NULL)
		ereport(ERROR,
				errcode(ERRCODE_NOT_NULL_VIOLATION),
				errmsg("column \"%s\" of lead_scoring.%s must be given",
					   column,
					   row->table),
				errhint("Give it a value."));
	return value;
}

/*
 * ls_config_double: a float8 column; false where it is null.
 */
bool
ls_config_double(const LsConfigRow *row, const char *column, double *value)
{
	bool is_null;
	Datum datum = ls_config_value(row, column, &is_null);

	if (!is_null)
		*value = DatumGetFloat8(datum);
	return !is_null;
}

/*
 * ls_config_set: give the row another value in a text or name column.
 */
void
ls_config_set(LsConfigRow *row, const char *column, const char *value)
{
	int attno = SPI_fnumber(row->desc, column);
	bool is_null = value == NULL;
	Datum datum = (Datum) 0;

	if (!is_null && TupleDescAttr(row->desc, attno - 1)->atttypid == NAMEOID)
		datum = DirectFunctionCall1(namein, CStringGetDatum(value));
	else if (!is_null)
		datum = CStringGetTextDatum(value);
	row->tuple =
		heap_modify_tuple_by_cols(row->tuple, row->desc, 1, &attno, &datum, &is_null);
}

/*
 * ls_config_keep: a column that only functions set keeps its old value; a new
 * row has none.
 */
void
ls_config_keep(LsConfigRow *row, const char *column)
{
	int attno = SPI_fnumber(row->desc, column);
	bool is_null = true;
	Datum value = (Datum) 0;

	if (row->old != NULL)
		value = heap_getattr(row->old, attno, row->desc, &is_null);
	row->tuple =
		heap_modify_tuple_by_cols(row->tuple, row->desc, 1, &attno, &value, &is_null);
}

/* ---- checks that several tables share --------------------------------- */

/*
 * ls_config_check_finite: points, limits and weights are finite numbers.
 */
void
ls_config_check_finite(const LsConfigRow *row, const char *column)
{
	double value;

	if (ls_config_double(row, column, &value) && !isfinite(value))
		ereport(ERROR,
				errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				errmsg("column \"%s\" must be a finite number", column),
				errdetail("It is %s.", isnan(value) ? "NaN" : "infinite"),
				errhint("Give a number of points, such as 15 or -20."));
}

static const char *
kind_of(const LsConfigRow *row)
{
	static const char *const kinds[][2] = {
		{"model", "population"},
		{"fit_rule", "fit rule"},
		{"engagement_rule", "engagement rule"},
		{"event_source", "event source"},
		{"lookup", "lookup"},
		{"rule_group", "rule group"},
		{"deal_source", "deal source"},
	};

	for (int i = 0; i < lengthof(kinds); i++)
		if (strcmp(row->table, kinds[i][0]) == 0)
			return kinds[i][1];
	return row->table;
}

static const char *
name_of(const LsConfigRow *row)
{
	if (strcmp(row->table, "lookup") == 0)
		return ls_config_text(row, "alias");
	if (strcmp(row->table, "transition") == 0)
		return psprintf("%s to %s",
						ls_config_required(row, "from_stage"),
						ls_config_required(row, "to_stage"));
	if (strcmp(row->table, "model") == 0 || SPI_fnumber(row->desc, "name") <= 0)
		return NULL;
	return ls_config_text(row, "name");
}

/* try_compile: fold its constants, so that 1/0 is found now. */
static void
try_compile(const LsConfigRow *row, const LsCondScope *scope, const LsCond *cond)
{
	MemoryContext own = AllocSetContextCreate(CurrentMemoryContext,
											  "lead_scoring check",
											  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(own);
	const char *name = name_of(row);
	LsMatchRule rule = {.name = name != NULL ? name : kind_of(row), .expr = cond->expr};
	LsGuard guard;

	ls_guard_enter_reading(&guard, scope->owner, LS_SAFE_PATH);
	(void) ls_match_compile(list_make1(&rule),
							scope,
							LS_MATCH_LIST,
							1,
							kind_of(row),
							row->model->name);
	ls_guard_leave(&guard);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(own);
}

/*
 * ls_config_read: read a condition (BOOLOID) or another expression of the row,
 * whose place it is that errors name.
 */
LsCond *
ls_config_read(const LsConfigRow *row,
			   const LsCondScope *scope,
			   const char *column,
			   const char *text,
			   Oid type)
{
	LsPlace place = {.kind = kind_of(row),
					 .name = name_of(row),
					 .column = column,
					 .model = row->model->name,
					 .text = text};
	LsCond *cond;

	ls_error_push_place(&place);
	cond = ls_cond_read(scope, text, type);
	ls_error_pop_place(&place);
	if (type == BOOLOID)
		try_compile(row, scope, cond);
	return cond;
}

/*
 * ls_config_place: the row as a place for ls_error_push_place.
 */
LsPlace
ls_config_place(const LsConfigRow *row)
{
	LsPlace place = {.kind = kind_of(row),
					 .name = name_of(row),
					 .model = row->model->name};

	return place;
}

/* is_switched_off: what can no longer be read may at least be disabled. */
static bool
is_switched_off(const LsConfigRow *row, const char *column, const char *text)
{
	LsConfigRow old = *row;
	const char *before;
	bool is_null;

	if (row->old == NULL || SPI_fnumber(row->desc, "enabled") <= 0 ||
		DatumGetBool(ls_config_value(row, "enabled", &is_null)))
		return false;
	old.tuple = row->old;
	before = ls_config_text(&old, column);
	return before != NULL && strcmp(before, text) == 0;
}

/*
 * ls_config_check_condition: read a condition (BOOLOID) or another expression of
 * the row, unless it is null or a dump is being restored.
 */
void
ls_config_check_condition(const LsConfigRow *row,
						  const LsCondScope *scope,
						  const char *column,
						  Oid type)
{
	char *text = ls_config_text(row, column);

	if (text != NULL && check_function_bodies && !is_switched_off(row, column, text))
		(void) ls_config_read(row, scope, column, text, type);
}

/*
 * ls_config_check_group: the group that the row names must be of the dimension.
 */
void
ls_config_check_group(const LsConfigRow *row, const char *dimension)
{
	char *name = ls_config_text(row, "group_name");
	ListCell *cell;

	if (name == NULL || !check_function_bodies)
		return;
	foreach(cell, ls_catalog_groups(row->model->name))
	{
		const LsGroupRow *group = lfirst(cell);

		if (strcmp(group->name, name) != 0)
			continue;
		if (strcmp(group->dimension, dimension) == 0)
			return;
		ereport(ERROR,
				errcode(ERRCODE_CHECK_VIOLATION),
				errmsg("group \"%s\" is of dimension %s, the rule of %s",
					   name,
					   group->dimension,
					   dimension),
				errhint("Use a group of the rule's own dimension."));
	}
	ereport(ERROR,
			errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
			errmsg("group \"%s\" of model \"%s\" does not exist", name, row->model->name),
			errhint("Insert it into lead_scoring.rule_group first."));
}

/*
 * ls_config_check_may_read: may the owner of the contacts read the relation?
 * Upkeep runs as him.
 */
void
ls_config_check_may_read(const LsConfigRow *row, Oid relid)
{
	Oid owner = ls_relation_owner(row->relid);
	char *role;

	if (ls_relation_may_select(relid, owner))
		return;
	role = GetUserNameFromId(owner, false);
	ereport(ERROR,
			errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			errmsg("role \"%s\", which owns the contacts, may not read %s",
				   role,
				   ls_relation_name(relid)),
			errhint("GRANT SELECT ON %s TO %s, and USAGE on its schema.",
					ls_relation_name(relid),
					quote_identifier(role)));
}

/* ---- one function for each table -------------------------------------- */

static void
check_fit_rule(LsConfigRow *row)
{
	ls_config_check_finite(row, "points");
	ls_config_check_group(row, "fit");
	ls_config_check_condition(row,
							  ls_model_scope(row->model, row->relid),
							  "condition",
							  BOOLOID);
}

static void
check_rule_group(LsConfigRow *row)
{
	static const char *const dimensions[] = {"fit", "engagement", "intent"};

	(void) ls_config_check_word(row,
								"dimension",
								dimensions,
								lengthof(dimensions),
								"Write fit, engagement or intent.");
	ls_config_check_finite(row, "min_points");
	ls_config_check_finite(row, "max_points");
	ls_config_check_limits(row, "min_points", "max_points");
	if (row->old != NULL)
	{
		LsConfigRow old = *row;

		old.tuple = row->old;
		if (strcmp(ls_config_required(&old, "dimension"),
				   ls_config_required(row, "dimension")) != 0)
			ereport(ERROR,
					errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					errmsg("the dimension of a group cannot be changed"),
					errhint("Make another group and move the rules to it."));
	}
}

static void
check_threshold(LsConfigRow *row)
{
	static const char *const scores[] = {"total", "fit", "engagement", "intent"};

	(void) ls_config_check_word(row,
								"score",
								scores,
								lengthof(scores),
								"Write total, fit, engagement or intent.");
	ls_config_check_not_empty(row, "label");
	ls_config_check_finite(row, "min_score");
}

/*
 * ls_config_relation: the relation that a column names.
 */
Oid
ls_config_relation(const LsConfigRow *row, const char *column)
{
	char *name = ls_config_required(row, column);
	Oid relid = ls_relation_by_name(name);

	if (!OidIsValid(relid))
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("relation \"%s\" does not exist", name),
				errhint("Write it as schema.name, quoted where needed."));
	return relid;
}

static void
check_rights(const LsConfigRow *row)
{
	if (ls_relation_may_change_model(row->model, GetUserId()))
		return;
	ereport(ERROR,
			errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			errmsg("permission denied for model \"%s\"", row->model->name),
			errdetail("Role \"%s\" is not a member of the role that owns %s.",
					  GetUserNameFromId(GetUserId(), false),
					  row->model->contacts),
			errhint("Ask the owner of the contacts, or become a member of its role."));
}

typedef struct LsConfigTable
{
	const char *name;
	void (*check)(LsConfigRow *row);
} LsConfigTable;

static const LsConfigTable tables[] = {
	{"fit_rule", check_fit_rule},
	{"rule_group", check_rule_group},
	{"threshold", check_threshold},
	{"transition", ls_config_check_transition},
	{"action", ls_config_check_action},
	{"lookup", ls_config_check_lookup},
	{"event_source", ls_config_check_event_source},
	{"stage", ls_config_check_stage},
	{"milestone", ls_config_check_milestone},
	{"deal_source", ls_config_check_deal_source},
	{"engagement_rule", ls_config_check_engagement_rule},
};

/* is_renaming: does the row only follow its model to a new name? */
static bool
is_renaming(const LsConfigRow *row)
{
	LsConfigRow old = *row;
	char *model;

	if (row->old == NULL)
		return false;
	old.tuple = row->old;
	model = ls_config_text(&old, "model");
	return strcmp(model, row->model->name) != 0 &&
		   ls_catalog_model(model, true) == NULL;
}

static void
check_row(LsConfigRow *row)
{
	/* The rows that it depends on may follow only after it. */
	if (is_renaming(row))
		return;
	for (int i = 0; i < lengthof(tables); i++)
		if (strcmp(tables[i].name, row->table) == 0)
		{
			tables[i].check(row);
			return;
		}
	elog(ERROR, "no checks for table \"%s\"", row->table);
}

/* check_old: who takes a row away from a model needs the right to. */
static void
check_old(const TriggerData *data, LsConfigRow *row)
{
	LsConfigRow old = *row;

	old.tuple = data->tg_trigtuple;
	old.model = ls_catalog_model(ls_config_text(&old, "model"), true);
	if (old.model == NULL)
		return; /* deleted with its model */
	old.relid = ls_relation_of_model(old.model, true);
	check_rights(&old);
	if (TRIGGER_FIRED_BY_DELETE(data->tg_event) && strcmp(row->table, "lookup") == 0 &&
		OidIsValid(old.relid))
		ls_config_delete_lookup(&old);
}

/*
 * check_config(): BEFORE ROW trigger of every configuration table.
 */
Datum
ls_sql_check_config(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	bool is_update;
	bool is_delete;
	LsConfigRow row = {0};

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(data->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(data->tg_event))
		ereport(ERROR,
				errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				errmsg("check_config() is a BEFORE ROW trigger of the configuration"),
				errhint("Do not call it."));
	is_update = TRIGGER_FIRED_BY_UPDATE(data->tg_event);
	is_delete = TRIGGER_FIRED_BY_DELETE(data->tg_event);
	row.table = RelationGetRelationName(data->tg_relation);
	row.desc = RelationGetDescr(data->tg_relation);
	row.tuple = is_update ? data->tg_newtuple : data->tg_trigtuple;
	row.old = is_update ? data->tg_trigtuple : NULL;
	ls_config_note(data);

	if (strcmp(row.table, "model") == 0)
		ls_config_check_model(&row, is_delete);
	else
	{
		if (is_update || is_delete)
			check_old(data, &row);
		if (is_delete)
			return PointerGetDatum(row.tuple);
		row.model = ls_catalog_model(ls_config_required(&row, "model"), false);
		row.relid = ls_relation_of_model(row.model, true);
		check_rights(&row);
		check_row(&row);
	}
	return PointerGetDatum(row.tuple);
}

/*
 * config_changed(): AFTER trigger: all backends read the rules again.
 */
Datum
ls_sql_config_changed(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				errmsg("config_changed() is a trigger of the configuration"),
				errhint("Do not call it."));
	CacheInvalidateRelcache(data->tg_relation);
	if (TRIGGER_FIRED_FOR_ROW(data->tg_event))
		ls_config_notice(data);
	return PointerGetDatum(NULL);
}

static void
set_replication_role(const char *role)
{
	(void) set_config_option("session_replication_role",
							 role,
							 PGC_SUSET,
							 PGC_S_SESSION,
							 GUC_ACTION_LOCAL,
							 true,
							 0,
							 false);
}

/*
 * config_restored(): BEFORE and AFTER INSERT trigger, of the statement. While a
 * superuser restores a dump, foreign keys are left alone: pg_restore --jobs loads
 * the rules of a model, which may come before the model, as it knows nothing of
 * keys between tables of an extension. In the dump they were right.
 */
Datum
ls_sql_config_restored(PG_FUNCTION_ARGS)
{
	static bool is_ours = false;
	TriggerData *data = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || TRIGGER_FIRED_FOR_ROW(data->tg_event))
		ereport(ERROR,
				errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				errmsg("config_restored() is a trigger of the configuration"),
				errhint("Do not call it."));
	if (TRIGGER_FIRED_BEFORE(data->tg_event))
	{
		is_ours = !check_function_bodies && superuser() &&
				  SessionReplicationRole == SESSION_REPLICATION_ROLE_ORIGIN;
		if (is_ours)
			set_replication_role("replica");
	}
	else if (is_ours)
	{
		is_ours = false;
		set_replication_role("origin");
	}
	return PointerGetDatum(NULL);
}
