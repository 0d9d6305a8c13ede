/*
 * ls_config_model.c: rows of lead_scoring.model.
 */
#include "ls_config.h"

#include "ls_compat.h"
#include "ls_model_cache.h"
#include "ls_relation.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#define MAX_NAME_BYTES 40

PG_FUNCTION_INFO_V1(ls_sql_current_path);

/* Set while a function of ours writes what only functions may write. */
bool ls_config_by_function = false;

/* check_unique: of tables only; what a view gives cannot be told. */
static void
check_unique(Oid relid, const char *column)
{
	char kind = get_rel_relkind(relid);

	if ((kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE) &&
		ls_relation_unique_indexes(relid, get_attnum(relid, column)) == NIL)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				errmsg("column \"%s\" of %s is not unique",
					   column,
					   ls_relation_name(relid)),
				errdetail("The key of the contacts needs a unique index of its own, "
						  "without a condition and not deferrable."),
				errhint("Name the primary key, or run ALTER TABLE %s ADD UNIQUE (%s).",
						ls_relation_name(relid),
						quote_identifier(column)));
}

/*
 * ls_config_check_relkind: a permanent table or view; `what` it should hold.
 */
void
ls_config_check_relkind(Oid relid, const char *what)
{
	if (get_rel_persistence(relid) == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				errcode(ERRCODE_WRONG_OBJECT_TYPE),
				errmsg("%s is a temporary table", ls_relation_name(relid)),
				errhint("Copy it into a permanent one: a model outlives the session."));
	switch (get_rel_relkind(relid))
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_VIEW:
		case RELKIND_MATVIEW:
		case RELKIND_FOREIGN_TABLE:
			return;
		default:
			ereport(ERROR,
					errcode(ERRCODE_WRONG_OBJECT_TYPE),
					errmsg("%s is not a table or view", ls_relation_name(relid)),
					errhint("Name the relation that holds the %s.", what));
	}
}

static void
check_column(const LsConfigRow *row, const char *column)
{
	char *name = ls_config_text(row, column);

	if (name != NULL)
		(void) ls_relation_column(row->relid, name);
}

/* can_be_updated: of a view, or a foreign table, not every column can. */
static bool
can_be_updated(Oid relid, AttrNumber attno)
{
	return DatumGetBool(DirectFunctionCall3(pg_column_is_updatable,
											ObjectIdGetDatum(relid),
											Int16GetDatum(attno),
											BoolGetDatum(true)));
}

/* check_stage_column: it is written to. */
static void
check_stage_column(const LsConfigRow *row)
{
	char *name = ls_config_text(row, "stage_column");

	check_column(row, "stage_column");
	if (name != NULL && get_attgenerated(row->relid, get_attnum(row->relid, name)))
		ereport(ERROR,
				errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("stages cannot be kept in the generated column \"%s\"", name),
				errhint("Name another column, or none: then <model>_score has them."));
	if (name != NULL && !can_be_updated(row->relid, get_attnum(row->relid, name)))
		ereport(ERROR,
				errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("stages cannot be kept in column \"%s\", for %s cannot be updated",
					   name,
					   ls_relation_name(row->relid)),
				errhint("Name no column: then <model>_score has them."));
}

/*
 * ls_config_check_zone: time_zone, where it is given.
 */
void
ls_config_check_zone(const LsConfigRow *row)
{
	char *zone = ls_config_text(row, "time_zone");

	if (zone != NULL && pg_tzset(zone) == NULL)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("time zone \"%s\" is not known", zone),
				errhint("Use a name of pg_timezone_names, such as Europe/Paris."));
}

/* check_segments: the columns that reports carry. */
static void
check_segments(const LsConfigRow *row)
{
	bool is_null;
	Datum value = heap_getattr(row->tuple,
							   SPI_fnumber(row->desc, "segments"),
							   row->desc,
							   &is_null);
	Datum *names;
	bool *nulls;
	int n;

	if (is_null)
		return;
	deconstruct_array(DatumGetArrayTypeP(value),
					  NAMEOID,
					  NAMEDATALEN,
					  false,
					  TYPALIGN_CHAR,
					  &names,
					  &nulls,
					  &n);
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			(void) ls_relation_column(row->relid, NameStr(*DatumGetName(names[i])));
}

/*
 * ls_config_check_moment: the column that the row names says when something
 * happened.
 */
void
ls_config_check_moment(Oid relid, const char *setting, const char *column)
{
	Oid type = getBaseType(get_atttype(relid, ls_relation_column(relid, column)));

	if (type != TIMESTAMPTZOID && type != TIMESTAMPOID && type != DATEOID)
		ereport(ERROR,
				errcode(ERRCODE_DATATYPE_MISMATCH),
				errmsg("%s \"%s\" has type %s", setting, column, format_type_be(type)),
				errhint("Name a column of type timestamptz, timestamp or date."));
}

static void
check_created(const LsConfigRow *row)
{
	char *name = ls_config_text(row, "created_column");

	if (name != NULL)
		ls_config_check_moment(row->relid, "created_column", name);
}

static void
check_path(const LsConfigRow *row)
{
	List *names;

	if (!SplitIdentifierString(pstrdup(ls_config_required(row, "search_path")),
							   ',',
							   &names))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("search_path of the model is not a list of schemas"),
				errhint("Write schema names separated by commas, quoted where needed."));
}

static void
check_numbers(const LsConfigRow *row)
{
	static const char *const columns[] = {"fit_weight",
										  "engagement_weight",
										  "intent_weight",
										  "fit_floor",
										  "fit_ceiling",
										  "engagement_floor",
										  "engagement_ceiling",
										  "intent_floor",
										  "intent_ceiling",
										  "total_floor",
										  "total_ceiling"};

	for (int i = 0; i < lengthof(columns); i++)
		ls_config_check_finite(row, columns[i]);
	ls_config_check_limits(row, "fit_floor", "fit_ceiling");
	ls_config_check_limits(row, "engagement_floor", "engagement_ceiling");
	ls_config_check_limits(row, "intent_floor", "intent_ceiling");
	ls_config_check_limits(row, "total_floor", "total_ceiling");
}

static char *
old_text(const LsConfigRow *row, const char *column)
{
	LsConfigRow old = *row;

	old.tuple = row->old;
	return ls_config_text(&old, column);
}

static bool
changes(const LsConfigRow *row, const char *column)
{
	char *before = old_text(row, column);
	char *after = ls_config_text(row, column);

	if (before == NULL || after == NULL)
		return before != after;
	return strcmp(before, after) != 0;
}

/* keep_reserved: what functions alone may set. */
static void
keep_reserved(LsConfigRow *row)
{
	bool is_live;

	if (ls_config_by_function || !check_function_bodies)
		return;
	if (row->old == NULL)
	{
		ls_config_set(row, "status", "draft");
		ls_config_keep(row, "objects_schema");
		ls_config_keep(row, "scored_stamp");
		ls_config_keep(row, "mixed_until");
		ls_config_set(row,
					  "owner",
					  GetUserNameFromId(ls_relation_owner(row->relid), false));
		return;
	}
	ls_config_keep(row, "owner");
	ls_config_keep(row, "objects_schema");
	ls_config_keep(row, "scored_stamp");
	ls_config_keep(row, "mixed_until");
	is_live = old_text(row, "objects_schema") != NULL &&
			  (strcmp(old_text(row, "status"), "active") == 0 ||
			   strcmp(old_text(row, "status"), "shadow") == 0);
	if (changes(row, "status"))
		ereport(ERROR,
				errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("the status of a model is set by functions"),
				errhint("Call lead_scoring.activate() or lead_scoring.deactivate()."));
	if (is_live && (changes(row, "name") || changes(row, "contacts") ||
					(changes(row, "contact_id") &&
					 get_attnum(row->relid, old_text(row, "contact_id")) > 0)))
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_IN_USE),
				errmsg("model \"%s\" is active: its name, contacts and key stay as they "
					   "are",
					   old_text(row, "name")),
				errhint("Call lead_scoring.deactivate() first."));
}

static void
refuse_role(const char *contacts)
{
	ereport(ERROR,
			errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			errmsg("must be owner of %s to score it", contacts),
			errdetail("Role \"%s\" is not a member of the role that owns it.",
					  GetUserNameFromId(GetUserId(), false)),
			errhint("Ask the owner, or become a member of its role."));
}

/* model_of: as much of the model as says whose it is. */
static LsModelRow *
model_of(const LsConfigRow *row, HeapTuple tuple, bool is_new)
{
	LsConfigRow version = *row;
	LsModelRow *model = palloc0(sizeof(LsModelRow));

	version.tuple = tuple;
	model->name = ls_config_required(&version, "name");
	model->contacts = ls_config_required(&version, "contacts");
	/* What a new row says of itself proves nothing. */
	if (!is_new || superuser())
	{
		model->owner = ls_config_text(&version, "owner");
		model->written_schema = ls_config_text(&version, "objects_schema");
		model->objects_schema = ls_catalog_objects_schema(model);
	}
	model->search_path = ls_config_text(&version, "search_path");
	return model;
}

static void
refuse_missing(const LsConfigRow *row)
{
	ereport(ERROR,
			errcode(ERRCODE_UNDEFINED_TABLE),
			errmsg("relation \"%s\" does not exist", ls_config_text(row, "contacts")),
			errhint("Write it as schema.name, quoted where needed, or use "
					"lead_scoring.create_model()."));
}

/* check_old_rights: who changes or deletes a model must own what it scores. */
static void
check_old_rights(const LsConfigRow *row, HeapTuple tuple)
{
	LsModelRow *old = model_of(row, tuple, false);

	if (!ls_relation_may_change_model(old, GetUserId()))
		refuse_role(old->contacts);
}

/* check_population: lookups follow the model to a new name only afterwards. */
static void
check_population(const LsConfigRow *row)
{
	LsModelRow model = *row->model;

	if (ls_config_text(row, "population") == NULL)
		return;
	if (row->old != NULL)
		model.name = old_text(row, "name");
	ls_config_check_condition(row,
							  ls_model_scope(&model, row->relid),
							  "population",
							  BOOLOID);
}

/* check_name: the names of tables and views are made of it. */
static void
check_name(LsConfigRow *row)
{
	const char *name = ls_config_required(row, "name");
	int length = strlen(name);

	if (length == 0 || length > MAX_NAME_BYTES)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_NAME),
				errmsg("\"%s\" cannot be the name of a model", name),
				errdetail("It has %d bytes; it must have 1 to %d.",
						  length,
						  MAX_NAME_BYTES),
				errhint("Choose another name: tables and views will be called so."));
}

/*
 * ls_config_check_model: check a row of lead_scoring.model, and fill in what
 * follows from the relation.
 */
void
ls_config_check_model(LsConfigRow *row, bool is_delete)
{
	if (row->old != NULL || is_delete)
		check_old_rights(row, is_delete ? row->tuple : row->old);
	if (is_delete)
		return;
	row->model = model_of(row, row->tuple, row->old == NULL);
	row->relid = ls_relation_of_model(row->model, true);
	/* deactivate() of a model whose contacts are gone. */
	if (!OidIsValid(row->relid) && ls_config_by_function && row->old != NULL &&
		!changes(row, "contacts"))
		return;
	/* Only a superuser's restore may name what is not there (yet). */
	if (!OidIsValid(row->relid) &&
		OidIsValid(ls_relation_by_name(row->model->contacts)))
		refuse_role(row->model->contacts);
	if (!OidIsValid(row->relid) && (check_function_bodies || !superuser()))
		refuse_missing(row);
	if (!ls_relation_may_change(row->relid, GetUserId()))
		refuse_role(row->model->contacts);
	if (!superuser() && !ls_config_by_function && row->old == NULL)
		ls_config_set(row,
					  "owner",
					  GetUserNameFromId(ls_relation_owner(row->relid), false));
	if (!check_function_bodies || ls_config_by_function)
		return;
	check_name(row);
	ls_config_check_relkind(row->relid, "contacts");
	keep_reserved(row);
	(void) ls_relation_column(row->relid, ls_config_required(row, "contact_id"));
	check_stage_column(row);
	check_created(row);
	check_segments(row);
	check_path(row);
	check_unique(row->relid, ls_config_text(row, "contact_id"));
	(void) ls_config_required(row, "time_zone");
	ls_config_check_zone(row);
	check_numbers(row);
	check_population(row);
}

/*
 * current_path() -> text: the schemas in which the caller's names are looked
 * up, as a search_path that means the same for everybody.
 */
Datum
ls_sql_current_path(PG_FUNCTION_ARGS)
{
	StringInfoData path;
	List *schemas = fetch_search_path(true);
	ListCell *cell;

	initStringInfo(&path);
	foreach(cell, schemas)
	{
		char *name = get_namespace_name(lfirst_oid(cell));

		if (name != NULL && !isTempNamespace(lfirst_oid(cell)))
			appendStringInfo(&path, "%s, ", quote_identifier(name));
	}
	appendStringInfoString(&path, "pg_temp");
	PG_RETURN_TEXT_P(cstring_to_text(path.data));
}
