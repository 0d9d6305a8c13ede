/*
 * ls_explain_asked.c: the contact that somebody asks about by its key, read with his
 * own rights.
 */
#include "ls_explain.h"

#include "ls_compat.h"
#include "ls_fit.h"
#include "ls_relation.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* print: the key as it was given. */
static char *
print(FunctionCallInfo fcinfo, Oid type)
{
	Oid output;
	bool is_varlena;

	getTypeOutputInfo(type, &output, &is_varlena);
	return OidOutputFunctionCall(output, PG_GETARG_DATUM(1));
}

/*
 * read_key: as a value of the key's type. False where there is none: a number that
 * an integer cannot be.
 */
static bool
read_key(FunctionCallInfo fcinfo, Oid type, Datum *key)
{
	Oid given = get_fn_expr_argtype(fcinfo->flinfo, 1);
	Oid input;
	Oid element;

	if (given == type)
	{
		*key = PG_GETARG_DATUM(1);
		return true;
	}
	if (given == INT8OID && type == INT4OID)
	{
		int64 number = PG_GETARG_INT64(1);

		*key = Int32GetDatum((int32) number);
		return number >= PG_INT32_MIN && number <= PG_INT32_MAX;
	}
	getTypeInputInfo(type, &input, &element);
	*key = OidInputFunctionCall(input, print(fcinfo, given), element, -1);
	return true;
}

static void
refuse_missing(FunctionCallInfo fcinfo, const LsModel *model)
{
	ereport(ERROR,
			errcode(ERRCODE_NO_DATA_FOUND),
			errmsg("contact %s of model \"%s\" does not exist",
				   print(fcinfo, get_fn_expr_argtype(fcinfo->flinfo, 1)),
				   model->row->name),
			errdetail("No row of %s that you may see has this \"%s\".",
					  ls_relation_name(model->relid),
					  model->row->contact_id),
			errhint("Give the key of a contact."));
}

static void
map_rows(LsAsked *asked)
{
	LsModel *model = asked->model;
	LsContactReader *reader = asked->dossier->reader;

	asked->rules = ls_contact_map(reader, asked->explainer->matcher);
	asked->fit = ls_contact_map(reader, model->fit);
	if (model->population != NULL)
		asked->population = ls_contact_map(reader, model->population);
}

/* open_once: false where the model changed meanwhile. */
static bool
open_once(FunctionCallInfo fcinfo, LsAsked *asked)
{
	uint64 generation = ls_model_generation;
	LsModel *model = ls_fit_readable_model(PG_GETARG_TEXT_PP(0));

	memset(asked, 0, sizeof(LsAsked));
	asked->model = model;
	asked->explainer = ls_model_explainer(model);
	(void) ls_engagement_get(model);
	asked->dossier = ls_dossier_open(model);
	if (!read_key(fcinfo, asked->dossier->key_type, &asked->key) ||
		!ls_dossier_find(asked->dossier, asked->key))
		refuse_missing(fcinfo, model);
	asked->said = ls_dossier_said(asked->dossier, asked->key);
	map_rows(asked);
	return generation == ls_model_generation;
}

/*
 * ls_asked_open: of the arguments model and contact_id.
 *
 * Errors: 42704, 42501; P0002 where there is no such contact; 22P02 for a key that is
 * none of that type.
 */
LsAsked *
ls_asked_open(FunctionCallInfo fcinfo)
{
	LsAsked *asked = palloc(sizeof(LsAsked));

	while (!open_once(fcinfo, asked))
		CHECK_FOR_INTERRUPTS();
	return asked;
}

void
ls_asked_check_moment(TimestampTz as_of)
{
	if (TIMESTAMP_NOT_FINITE(as_of))
		ereport(ERROR,
				errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				errmsg("the moment must be finite"),
				errhint("Give the moment of scoring."));
}

/*
 * ls_asked_outside: why the contact is not scored as of the moment; NULL where it is.
 */
const char *
ls_asked_outside(const LsAsked *asked, TimestampTz as_of)
{
	ListCell *cell;

	foreach(cell, asked->said)
	{
		const LsSaid *said = lfirst(cell);

		if (said->kind == LS_SAID_EXCLUDE && ls_dossier_counts(said, as_of))
			return said->reason == NULL
					   ? "excluded by hand"
					   : psprintf("excluded by hand: %s", said->reason);
	}
	return ls_fit_in_population(asked->model,
								asked->population,
								asked->dossier->rows,
								as_of)
			   ? NULL
			   : "outside of the population";
}

/*
 * ls_asked_state: of the contact's events up to a moment, from the reset on that
 * counts as of another; NULL where the model has no engagement rules.
 */
const LsState *
ls_asked_state(const LsAsked *asked, TimestampTz events_until, TimestampTz reset_of)
{
	if (!ls_model_has_behaviour(asked->model))
		return NULL;
	return ls_dossier_state(asked->dossier,
							asked->key,
							events_until,
							ls_dossier_by_hand(asked->said, reset_of).reset_at);
}

double
ls_asked_fit(const LsAsked *asked, TimestampTz as_of)
{
	return ls_fit_score(asked->model, asked->fit, asked->dossier->rows, as_of);
}

/*
 * ls_asked_ledger: as of a moment, with what the state says of events.
 */
LsLedger *
ls_asked_ledger(const LsAsked *asked, const LsState *state, TimestampTz as_of)
{
	LsMatcher *matcher = asked->explainer->matcher;
	double fit = ls_asked_fit(asked, as_of);
	const int *numbers;
	int n;

	ls_match_load_rows(matcher, asked->rules, 1, asked->dossier->rows);
	n = ls_match_list(matcher, as_of, &numbers);
	return ls_ledger_make(asked->model,
						  numbers,
						  n,
						  fit,
						  state,
						  asked->said,
						  as_of,
						  asked->dossier->since);
}
