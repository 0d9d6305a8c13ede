/*
 * ls_activate.c: activate, deactivate, drop_model: the life of a model.
 */
#include "postgres.h"

#include "ls_activate.h"

#include "ls_compat.h"
#include "ls_config.h"
#include "ls_key.h"
#include "ls_objects.h"
#include "ls_refresh.h"
#include "ls_relation.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(ls_sql_activate);
PG_FUNCTION_INFO_V1(ls_sql_promote);
PG_FUNCTION_INFO_V1(ls_sql_deactivate);
PG_FUNCTION_INFO_V1(ls_sql_drop_model);
PG_FUNCTION_INFO_V1(ls_sql_key_type);

static bool
is_live(const LsModelRow *row)
{
	return row->objects_schema != NULL &&
		   (strcmp(row->status, "active") == 0 || strcmp(row->status, "shadow") == 0);
}

/* LsLife: a model whose life is about to change. */
typedef struct LsLife
{
	LsModelRow *row;
	Oid contacts; /* InvalidOid where they are gone */
} LsLife;

static void
refuse_snapshot(const char *what)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				errmsg("%s cannot run in a transaction with a fixed snapshot", what),
				errdetail("It would miss what others have committed since."),
				errhint("Run it at isolation level READ COMMITTED."));
}

static void
check_may_change(const LsModelRow *row)
{
	if (!ls_relation_may_change_model(row, GetUserId()))
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("permission denied for model \"%s\"", row->name),
				errdetail("Role \"%s\" is not a member of the role that owns %s.",
						  GetUserNameFromId(GetUserId(), false),
						  row->contacts),
				errhint("Ask the owner of the contacts, or become a member of its role."));
}

/*
 * find_contacts: also those that were given to another role: a superuser, who
 * alone could take them from anybody, may say that they are still the ones.
 */
static Oid
find_contacts(const LsModelRow *row)
{
	Oid relid = ls_relation_of_model(row, true);

	if (!OidIsValid(relid) && superuser())
		relid = ls_relation_by_name(row->contacts);
	return relid;
}

/* begin: find the model, lock its contacts, and look again who owns them. */
static LsLife
begin(text *name, LOCKMODE mode)
{
	LsLife life;

	life.row = ls_catalog_model(text_to_cstring(name), false);
	check_may_change(life.row);
	life.contacts = find_contacts(life.row);
	ls_activate_lock(life.row, life.contacts, mode);
	life.row = ls_catalog_model(life.row->name, false);
	life.contacts = find_contacts(life.row);
	check_may_change(life.row);
	return life;
}

/*
 * refuse_rival: two models would move a contact to and fro. Shadows move nobody.
 */
static void
refuse_rival(const LsModelRow *row)
{
	char *rival;

	if (row->stage_column == NULL)
		return;
	SPI_connect();
	rival = ls_objects_script("stage_rival", row->name, false);
	if (rival != NULL)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("model \"%s\" would move the contacts of active model \"%s\"",
					   row->name,
					   rival),
				errdetail("Both keep their stage in column \"%s\".", row->stage_column),
				errhint("Deactivate one of them, give them populations that have nobody in "
						"common, or make a shadow: lead_scoring.clone_model()."));
	SPI_finish();
}

static bool
is_same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* set_row: write what only functions may write into lead_scoring.model. */
static void
set_row(const LsLife *life, const char *status, const char *schema, const char *owner)
{
	const LsModelRow *row = life->row;
	const char *contacts =
		OidIsValid(life->contacts) ? ls_relation_name(life->contacts) : row->contacts;
	Oid types[5] = {TEXTOID, TEXTOID, NAMEOID, NAMEOID, TEXTOID};
	Datum values[5] = {CStringGetTextDatum(row->name), CStringGetTextDatum(status)};
	char nulls[6] = "     ";

	if (schema != NULL)
		values[2] = DirectFunctionCall1(namein, CStringGetDatum(schema));
	if (owner != NULL)
		values[3] = DirectFunctionCall1(namein, CStringGetDatum(owner));
	nulls[2] = schema == NULL ? 'n' : ' ';
	nulls[3] = owner == NULL ? 'n' : ' ';
	values[4] = CStringGetTextDatum(contacts);
	if (is_same(status, row->status) && is_same(schema, row->written_schema) &&
		is_same(owner, row->owner) && is_same(contacts, row->contacts))
		return;
	ls_config_by_function = true;
	PG_TRY();
	{
		SPI_connect();
		if (SPI_execute_with_args("UPDATE lead_scoring.model SET status = $2,"
								  " objects_schema = $3, owner = $4, contacts = $5"
								  " WHERE name OPERATOR(pg_catalog.=) $1",
								  5,
								  types,
								  values,
								  nulls,
								  false,
								  0) != SPI_OK_UPDATE)
			elog(ERROR, "could not update the model");
		SPI_finish();
	}
	PG_FINALLY();
	{
		ls_config_by_function = false;
	}
	PG_END_TRY();
	CommandCounterIncrement();
}

static void
check_key_type(const LsLife *life)
{
	AttrNumber attno = ls_relation_column(life->contacts, life->row->contact_id);
	Oid type = get_atttype(life->contacts, attno);

	if (!OidIsValid(ls_key_stored_type(getBaseType(type))))
		ereport(ERROR,
				errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("contact id \"%s\" has type %s, which cannot be kept live",
					   life->row->contact_id,
					   format_type_be(type)),
				errdetail("Contact ids are of type integer, bigint, uuid or text."),
				errhint("Use another unique column; fit_score() and to_sql() work with "
						"any key."));
}

static void
refuse_gone(const LsLife *life)
{
	if (!OidIsValid(life->contacts))
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("relation %s of model \"%s\" does not exist",
					   life->row->contacts,
					   life->row->name),
				errhint("Update lead_scoring.model.contacts to its new name, or drop the "
						"model with lead_scoring.drop_model()."));
}

/* hand_over: an object of the former owner goes to the present one. */
static void
hand_over(const LsLife *life, const char *suffix, Oid former, Oid present)
{
	Oid relid = ls_objects_relid(life->row, suffix);

	if (!OidIsValid(relid) || ls_relation_owner(relid) == present)
		return;
	if (ls_relation_owner(relid) != former || !has_privs_of_role(GetUserId(), former))
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("%s has another owner than the contacts",
					   ls_objects_name(life->row, suffix)),
				errhint("Let a superuser or its owner run ALTER TABLE %s OWNER TO %s, or "
						"drop it.",
						ls_objects_name(life->row, suffix),
						quote_identifier(GetUserNameFromId(present, false))));
	SPI_connect();
	if (SPI_execute(psprintf("ALTER TABLE %s OWNER TO %s",
							 ls_objects_name(life->row, suffix),
							 quote_identifier(GetUserNameFromId(present, false))),
					false,
					0) < 0)
		elog(ERROR, "could not change the owner");
	SPI_finish();
}

/* list_objects: suffixes of all tables and views of the model. */
static List *
list_objects(const LsModelRow *row)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid types[1] = {TEXTOID};
	Datum values[1] = {CStringGetTextDatum(row->name)};
	List *suffixes = NIL;

	SPI_connect();
	if (SPI_execute_with_args("SELECT suffix FROM lead_scoring.objects($1)",
							  1,
							  types,
							  values,
							  NULL,
							  true,
							  0) != SPI_OK_SELECT)
		elog(ERROR, "objects failed");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char *suffix = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);
		MemoryContext old = MemoryContextSwitchTo(caller);

		suffixes = lappend(suffixes, pstrdup(suffix));
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	return suffixes;
}

/* follow_owner: after ALTER TABLE contacts OWNER TO, the model's objects follow. */
static void
follow_owner(const LsLife *life)
{
	Oid present = ls_relation_owner(life->contacts);
	Oid former =
		life->row->owner == NULL ? InvalidOid : get_role_oid(life->row->owner, true);
	ListCell *cell;

	if (life->row->objects_schema == NULL || former == present)
		return;
	foreach(cell, list_objects(life->row))
		hand_over(life, lfirst(cell), former, present);
	CommandCounterIncrement();
}

/* schema_of_objects: where the model's tables are, or are to be. */
static char *
schema_of_objects(const LsLife *life)
{
	if (life->row->objects_schema != NULL &&
		OidIsValid(get_namespace_oid(life->row->objects_schema, true)))
		return life->row->objects_schema;
	return get_namespace_name(get_rel_namespace(life->contacts));
}

static void
announce(const LsModelRow *row, bool initial_scoring, uint64 contacts)
{
	if (initial_scoring)
		ereport(NOTICE,
				errmsg("model \"%s\" is live; contacts scored: " UINT64_FORMAT,
					   row->name,
					   contacts),
				errhint("Look at %s.", ls_objects_name(row, "scored")));
	else
		ereport(NOTICE,
				errmsg("model \"%s\" is live", row->name),
				errhint("Score the contacts that are there: CALL lead_scoring.rescore(%s).",
						quote_literal_cstr(row->name)));
}

/* warn_without_triggers: of a view nothing tells when its rows change. */
static void
warn_without_triggers(const LsLife *life)
{
	char kind = get_rel_relkind(life->contacts);

	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE)
		ereport(NOTICE,
				errmsg("%s has no triggers: %s is right at any moment, %s only after "
					   "rescore()",
					   ls_relation_name(life->contacts),
					   ls_objects_name(life->row, "scored"),
					   ls_objects_name(life->row, "score")),
				errhint("CALL lead_scoring.rescore(%s) as often as needed.",
						quote_literal_cstr(life->row->name)));
}

/* warn_of_views: of a materialized view nothing tells when it is refreshed. */
static void
warn_of_views(const LsLife *life)
{
	ListCell *cell;

	foreach(cell, ls_catalog_lookups(life->row->name))
	{
		const LsLookupRow *lookup = lfirst(cell);
		Oid relid = ls_relation_by_name(lookup->relation);

		if (OidIsValid(relid) && get_rel_relkind(relid) == RELKIND_MATVIEW)
			ereport(NOTICE,
					errmsg("lookup \"%s\" is a materialized view, which has no triggers",
						   lookup->alias),
					errhint("CALL lead_scoring.rescore(%s) after each REFRESH "
							"MATERIALIZED VIEW %s.",
							quote_literal_cstr(life->row->name),
							lookup->relation));
	}
}

/* warn_without_index: at commit the events of single contacts are looked for. */
static void
warn_without_index(const LsLife *life)
{
	Oid types[1] = {TEXTOID};
	Datum values[1] = {CStringGetTextDatum(life->row->name)};

	SPI_connect();
	if (SPI_execute_with_args("SELECT problem, suggestion"
							  " FROM lead_scoring.index_problems($1)",
							  1,
							  types,
							  values,
							  NULL,
							  true,
							  0) != SPI_OK_SELECT)
		elog(ERROR, "index_problems failed");
	for (uint64 i = 0; i < SPI_processed; i++)
		ereport(WARNING,
				errcode(ERRCODE_WARNING),
				errmsg("%s",
					   SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1)),
				errhint("%s",
						SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2)));
	SPI_finish();
}

/* settle_owner: from here on the contacts' present owner is the model's. */
static void
settle_owner(LsLife *life)
{
	if (!OidIsValid(life->contacts))
		return;
	follow_owner(life);
	set_row(life,
			life->row->status,
			life->row->objects_schema,
			GetUserNameFromId(ls_relation_owner(life->contacts), false));
	life->row = ls_catalog_model(life->row->name, false);
}

/* refuse_unscored: who is not looked at cannot be enrolled. */
static void
refuse_unscored(void)
{
	ereport(ERROR,
			errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			errmsg("enrol_existing needs initial_scoring"),
			errhint("Of a model that was never scored, CALL lead_scoring.rescore(model, "
					"fire_actions => true) enrols them, after activate(model, "
					"initial_scoring => false)."));
}

/*
 * activate(model text, enrol_existing boolean, initial_scoring boolean)
 */
Datum
ls_sql_activate(PG_FUNCTION_ARGS)
{
	bool enrol = PG_GETARG_BOOL(1);
	bool initial_scoring = PG_GETARG_BOOL(2);
	LsLife life;
	char *owner;
	bool was_live;
	uint64 contacts = 0;

	refuse_snapshot("activate()");
	if (enrol && !initial_scoring)
		refuse_unscored();
	life = begin(PG_GETARG_TEXT_PP(0), ShareRowExclusiveLock);
	was_live = is_live(life.row);
	refuse_gone(&life);
	check_key_type(&life);
	if (strcmp(life.row->status, "shadow") != 0)
		refuse_rival(life.row);

	settle_owner(&life);
	ls_activate_check_rights(life.row, life.contacts, schema_of_objects(&life));
	(void) ls_model_get(life.row->name); /* every rule must work */
	owner = life.row->owner;
	set_row(&life, life.row->status, schema_of_objects(&life), owner);
	ls_activate_script("objects_sql", life.row, ls_relation_owner(life.contacts));
	set_row(&life,
			strcmp(life.row->status, "shadow") == 0 ? "shadow" : "active",
			schema_of_objects(&life),
			owner);
	life.row = ls_catalog_model(life.row->name, false);
	if (initial_scoring)
		contacts = ls_refresh_everyone(life.row->name, !was_live || enrol, enrol);
	ls_activate_script("sequences_sql", life.row, ls_relation_owner(life.contacts));
	announce(life.row, initial_scoring, contacts);
	warn_without_triggers(&life);
	warn_of_views(&life);
	warn_without_index(&life);
	PG_RETURN_VOID();
}

/*
 * promote(model text, enrol_existing boolean): a shadow moves stages and fires
 * actions from now on.
 */
Datum
ls_sql_promote(PG_FUNCTION_ARGS)
{
	LsLife life;

	refuse_snapshot("promote()");
	life = begin(PG_GETARG_TEXT_PP(0), ShareRowExclusiveLock);
	refuse_gone(&life);
	if (!is_live(life.row) || strcmp(life.row->status, "shadow") != 0)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("model \"%s\" is no live shadow", life.row->name),
				errdetail("Its status is %s.", life.row->status),
				errhint("Use lead_scoring.activate(%s).",
						quote_literal_cstr(life.row->name)));
	refuse_rival(life.row);
	set_row(&life, "active", life.row->objects_schema, life.row->owner);
	(void) ls_refresh_everyone(life.row->name, true, PG_GETARG_BOOL(1));
	PG_RETURN_VOID();
}

/* warn_of_draft: the next activation makes an active model of what was a shadow. */
static void
warn_of_draft(const LsModelRow *row)
{
	if (strcmp(row->status, "shadow") == 0)
		ereport(NOTICE,
				errmsg("model \"%s\" is a draft now, no shadow any more", row->name),
				errdetail("Once activated, it will move stages and fire actions."),
				errhint("Make another shadow of it with lead_scoring.clone_model()."));
}

/* owner_of: the contacts', or who owned them while they were there; or nobody. */
static Oid
owner_of(const LsLife *life)
{
	if (OidIsValid(life->contacts))
		return ls_relation_owner(life->contacts);
	return life->row->owner ? get_role_oid(life->row->owner, true) : InvalidOid;
}

/*
 * deactivate(model text): no triggers any more; the data stays. Also where the
 * contacts are gone.
 */
Datum
ls_sql_deactivate(PG_FUNCTION_ARGS)
{
	LsLife life = begin(PG_GETARG_TEXT_PP(0), ShareRowExclusiveLock);
	Oid owner = owner_of(&life);

	settle_owner(&life);
	if (life.row->objects_schema != NULL && OidIsValid(owner))
		ls_activate_script("deactivation_sql", life.row, owner);
	warn_of_draft(life.row);
	set_row(&life, "draft", life.row->objects_schema, life.row->owner);
	PG_RETURN_VOID();
}

/*
 * drop_model(model text): triggers, tables, views and rules are gone.
 */
Datum
ls_sql_drop_model(PG_FUNCTION_ARGS)
{
	LsLife life = begin(PG_GETARG_TEXT_PP(0), AccessExclusiveLock);
	Oid types[1] = {TEXTOID};
	Datum values[1] = {CStringGetTextDatum(life.row->name)};
	Oid owner = owner_of(&life);

	settle_owner(&life);
	if (life.row->objects_schema != NULL && OidIsValid(owner))
		ls_activate_script("drop_sql", life.row, owner);
	SPI_connect();
	if (SPI_execute_with_args(
			"DELETE FROM lead_scoring.model WHERE name OPERATOR(pg_catalog.=) $1",
			1,
			types,
			values,
			NULL,
			false,
			0) != SPI_OK_DELETE)
		elog(ERROR, "could not delete the model");
	SPI_finish();
	PG_RETURN_VOID();
}

/*
 * key_type(model text) -> regtype: the type of contact_id in the model's tables.
 *
 * Errors: 0A000 where the key is of a type that cannot be kept.
 */
Datum
ls_sql_key_type(PG_FUNCTION_ARGS)
{
	LsLife life;
	AttrNumber attno;

	life.row = ls_relation_readable_row(PG_GETARG_TEXT_PP(0));
	life.contacts = ls_relation_of_model(life.row, false);
	check_key_type(&life);
	attno = ls_relation_column(life.contacts, life.row->contact_id);
	PG_RETURN_OID(ls_key_stored_type(getBaseType(get_atttype(life.contacts, attno))));
}
