/*
 * ls_config_report.c: rows of lead_scoring.milestone, deal_source and stage:
 * what reports are about.
 *
 * What depends on other rows or relations is not looked at while a dump is
 * restored.
 */
#include "ls_config.h"

#include "ls_catalog_row.h"
#include "ls_compat.h"
#include "ls_key.h"
#include "ls_model_cache.h"
#include "ls_relation.h"

#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/*
 * ls_config_check_stage: check a row of lead_scoring.stage.
 */
void
ls_config_check_stage(LsConfigRow *row)
{
	bool is_null;
	Datum position = ls_config_value(row, "position", &is_null);
	static const char *const outcomes[] = {"won", "lost"};

	(void) ls_config_check_word(row,
								"outcome",
								outcomes,
								lengthof(outcomes),
								"Write won or lost, or leave it null.");
	if (!is_null && DatumGetInt32(position) < 1)
		ereport(ERROR,
				errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				errmsg("position of stage \"%s\" must be at least 1",
					   ls_config_required(row, "name")),
				errdetail("It is %d.", DatumGetInt32(position)),
				errhint("Number the stages from 1, in the order in which contacts go "
						"through them."));
}

/* find_source: the event source that a milestone names. */
static const LsSourceRow *
find_source(const LsConfigRow *row)
{
	char *name = ls_config_required(row, "source");
	ListCell *cell;

	foreach(cell, ls_catalog_sources(row->model->name))
		if (strcmp(((LsSourceRow *) lfirst(cell))->name, name) == 0)
			return lfirst(cell);
	ereport(ERROR,
			errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
			errmsg("event source \"%s\" of model \"%s\" does not exist",
				   name,
				   row->model->name),
			errhint("Add it with lead_scoring.add_event_source()."));
	return NULL;
}

/*
 * ls_config_check_milestone: check a row of lead_scoring.milestone.
 */
void
ls_config_check_milestone(LsConfigRow *row)
{
	LsPlace place = ls_config_place(row);
	Oid relid;

	if (!check_function_bodies)
		return;
	row->relid = ls_relation_of_model(row->model, false);
	ls_error_push_place(&place);
	relid = ls_config_relation_of_source(find_source(row));
	ls_error_pop_place(&place);
	ls_config_check_condition(row,
							  ls_model_event_scope(row->model, row->relid, relid),
							  "condition",
							  BOOLOID);
}

/* ---- deals ------------------------------------------------------------- */

static void
check_deal_contact(const LsConfigRow *row, Oid type)
{
	Oid key =
		get_atttype(row->relid, ls_relation_column(row->relid, row->model->contact_id));

	if (ls_key_same_class(getBaseType(type), getBaseType(key)))
		return;
	ereport(ERROR,
			errcode(ERRCODE_DATATYPE_MISMATCH),
			errmsg("contact_id of type %s cannot be compared with the contacts' key of "
				   "type %s",
				   format_type_be(type),
				   format_type_be(key)),
			errhint("Write an expression of that type, such as %s::%s.",
					ls_config_required(row, "contact_id"),
					format_type_be(getBaseType(key))));
}

static void
check_deal_moment(const char *column, Oid type)
{
	switch (getBaseType(type))
	{
		case TIMESTAMPTZOID:
		case TIMESTAMPOID:
		case DATEOID:
			return;
		default:
			ereport(ERROR,
					errcode(ERRCODE_DATATYPE_MISMATCH),
					errmsg("%s has type %s", column, format_type_be(type)),
					errhint("Name a column, or write an expression, of type timestamptz, "
							"timestamp or date."));
	}
}

/* check_deal_expressions: each over the columns of a deal. */
static void
check_deal_expressions(const LsConfigRow *row, const LsCondScope *scope)
{
	static const struct
	{
		const char *column;
		Oid type;
	} expressions[] = {{"contact_id", InvalidOid},
					   {"amount", FLOAT8OID},
					   {"created_at", InvalidOid},
					   {"closed_at", InvalidOid},
					   {"won", BOOLOID}};

	for (int i = 0; i < lengthof(expressions); i++)
	{
		const char *column = expressions[i].column;
		LsPlace place = ls_config_place(row);
		LsCond *cond = ls_config_read(row,
									  scope,
									  column,
									  ls_config_required(row, column),
									  expressions[i].type);

		place.column = column;
		ls_error_push_place(&place);
		ls_config_fold(scope, cond->expr);
		if (i == 0)
			check_deal_contact(row, exprType(cond->expr));
		else if (expressions[i].type == InvalidOid)
			check_deal_moment(column, exprType(cond->expr));
		ls_error_pop_place(&place);
	}
}

static void
check_score_before(const LsConfigRow *row)
{
	bool is_null;
	Datum value = ls_config_value(row, "score_before", &is_null);

	if (!is_null && ls_catalog_interval_us(DatumGetIntervalP(value)) < 0)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("score_before must not be negative"),
				errhint("Say how long before closing the score is taken, for example 30 "
						"days."));
}

/*
 * ls_config_check_deal_source: check a row of lead_scoring.deal_source.
 */
void
ls_config_check_deal_source(LsConfigRow *row)
{
	LsPlace place = ls_config_place(row);
	Oid relid;

	check_score_before(row);
	if (!check_function_bodies)
		return;
	row->relid = ls_relation_of_model(row->model, false);
	ls_error_push_place(&place);
	relid = ls_config_relation(row, "relation");
	ls_config_check_relkind(relid, "deals");
	ls_config_check_may_read(row, relid);
	ls_error_pop_place(&place);
	check_deal_expressions(row, ls_model_deal_scope(row->model, row->relid, relid));
}
