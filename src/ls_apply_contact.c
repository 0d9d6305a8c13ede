/*
 * ls_apply_contact.c: contacts as a query gives them, for scoring them.
 */
#include "ls_apply_contact.h"

#include "ls_attempt.h"
#include "ls_compat.h"
#include "ls_fit.h"
#include "ls_relation.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* LsEvaluation: one contact against the rules. */
typedef struct LsEvaluation
{
	LsModel *model;
	const LsTableMap *map;
	const HeapTuple *rows;
	TimestampTz as_of;
	LsChange *change;
} LsEvaluation;

static void
evaluate(void *arg)
{
	const LsEvaluation *e = arg;

	if (!ls_fit_in_population(e->model, e->map->population, e->rows, e->as_of))
	{
		e->change->outcome = LS_OUTSIDE;
		return;
	}
	e->change->fit = ls_fit_score(e->model, e->map->fit, e->rows, e->as_of);
	e->change->outcome = LS_SCORED;
}

/*
 * ls_apply_evaluate: score a contact, by its row and those of its lookups; an error
 * of a condition becomes a change that says so. Where indexes decide alone there is
 * nothing to guard against.
 */
void
ls_apply_evaluate(LsModel *model,
				  const LsTableMap *map,
				  const HeapTuple *rows,
				  TimestampTz as_of,
				  LsChange *change)
{
	LsEvaluation evaluation = {model, map, rows, as_of, change};
	ErrorData *error;

	change->stamp = model->stamp;
	change->last_activity = DT_NOBEGIN;
	change->since = DT_NOBEGIN;
	change->due_at = DT_NOEND;
	if (!ls_fit_may_raise(model))
		evaluate(&evaluation);
	else if (!ls_attempt(evaluate, &evaluation, &error))
	{
		change->outcome = LS_FAILED;
		change->problem = ls_fit_describe(error);
	}
}

/* ---- one by one ----------------------------------------------------------- */

/*
 * ls_contacts_open: for rows of a result. Good as long as the model is.
 *
 * Memory: the current context.
 */
void
ls_contacts_open(const LsObjects *objects,
				 LsModel *model,
				 TupleDesc desc,
				 LsContacts *contacts)
{
	const LsModelRow *row = model->row;

	contacts->objects = objects;
	contacts->model = model;
	contacts->desc = desc;
	contacts->reader = ls_contact_result_reader(model, desc);
	contacts->key = SPI_fnumber(desc, row->contact_id);
	contacts->stage =
		row->stage_column == NULL ? 0 : SPI_fnumber(desc, row->stage_column);
}

/*
 * ls_contacts_prepare: for ls_contacts_evaluate_one.
 */
void
ls_contacts_prepare(LsContacts *contacts)
{
	const LsModel *model = contacts->model;

	memset(&contacts->map, 0, sizeof(LsTableMap));
	contacts->map.fit = ls_contact_map(contacts->reader, model->fit);
	if (model->population != NULL)
		contacts->map.population = ls_contact_map(contacts->reader, model->population);
}

static LsKey
key_of(const LsContacts *contacts, HeapTuple contact)
{
	bool is_null;

	return ls_key_from_datum(contacts->objects->key_type,
							 SPI_getbinval(contact,
										   contacts->desc,
										   contacts->key,
										   &is_null));
}

/* stage_of: the text form of the column, which for char(n) is without its padding. */
static char *
stage_of(HeapTuple contact, TupleDesc desc, int attno)
{
	char *stage = SPI_getvalue(contact, desc, attno);

	if (stage != NULL &&
		getBaseType(TupleDescAttr(desc, attno - 1)->atttypid) == BPCHAROID)
		stage[bpchartruelen(stage, strlen(stage))] = '\0';
	return stage;
}

/*
 * ls_contacts_evaluate_one: score a contact by its row and those of its lookups.
 */
void
ls_contacts_evaluate_one(const LsContacts *contacts,
						 HeapTuple contact,
						 TimestampTz as_of,
						 LsChange *change)
{
	ls_apply_evaluate(contacts->model,
					  &contacts->map,
					  ls_contact_read_result(contacts->reader, contact),
					  as_of,
					  change);
	change->since = ls_apply_since(contacts->model, contacts->desc, contact);
}

/*
 * ls_contacts_note_one: the row is at hand for the lifecycle.
 */
void
ls_contacts_note_one(const LsContacts *contacts, HeapTuple contact, LsChange *change)
{
	change->contact = contact;
	change->reader = contacts->reader;
	change->has_column = contacts->stage > 0;
	change->column_stage =
		contacts->stage > 0 ? stage_of(contact, contacts->desc, contacts->stage) : NULL;
}

/* ---- of a batch ----------------------------------------------------------- */

/*
 * contacts_query: the contacts whose keys are in $1, and their lookups. Of
 * partitions, each key looks into its own; an array would be looked for in all of
 * them.
 */
static char *
contacts_query(const LsObjects *objects, List *lookups)
{
	bool has_parts =
		get_rel_relkind(objects->contacts_relid) == RELKIND_PARTITIONED_TABLE;
	const char *rows = ls_lookup_whole_rows(lookups);
	const char *joins = ls_lookup_joins(lookups, "c");

	if (has_parts)
		return psprintf("SELECT c.*%s FROM unnest($1) AS k (contact_id)"
						" JOIN %s AS c ON c.%s = k.contact_id%s",
						rows,
						objects->contacts,
						objects->id,
						joins);
	return psprintf("SELECT c.*%s FROM %s AS c%s WHERE c.%s = ANY ($1)",
					rows,
					objects->contacts,
					joins,
					objects->id);
}

/*
 * ls_contacts_read: those with the keys in the first parameter, into SPI_tuptable.
 * Again where lookups changed while tables were waited for.
 *
 * Errors: 55000 where they change again and again.
 */
void
ls_contacts_read(const LsObjects *objects,
				 Oid *types,
				 Datum *values,
				 LsContacts *contacts)
{
	for (int tries = 0; tries < 3; tries++)
	{
		LsModel *model = ls_model_get(objects->model);
		int64 sources = model->sources_stamp;

		(void) ls_objects_execute(contacts_query(objects, model->lookups),
								  1,
								  types,
								  values);
		model = ls_model_get(objects->model);
		if (model->sources_stamp != sources)
			continue;
		ls_contacts_open(objects, model, SPI_tuptable->tupdesc, contacts);
		return;
	}
	ereport(ERROR,
			errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			errmsg("lookups of model \"%s\" changed while contacts were read",
				   objects->model),
			errhint("The contacts are due, and done by the next refresh."));
}

/* settle: put what was found into the change of that key. */
static void
settle(LsChange *changes, int n, const LsChange *found)
{
	LsChange *change = ls_apply_find(changes, n, found->key);

	if (change == NULL)
		return;
	change->outcome = found->outcome;
	change->fit = found->fit;
	change->since = found->since;
	change->problem = found->problem;
	change->stamp = found->stamp;
}

/*
 * ls_contacts_evaluate: score the contacts in SPI_tuptable.
 */
void
ls_contacts_evaluate(LsContacts *contacts, LsChange *changes, int n, TimestampTz as_of)
{
	ls_contacts_prepare(contacts);
	for (uint64 i = 0; i < SPI_tuptable->numvals; i++)
	{
		HeapTuple contact = SPI_tuptable->vals[i];
		LsChange found = {0};

		CHECK_FOR_INTERRUPTS();
		found.key = key_of(contacts, contact);
		ls_contacts_evaluate_one(contacts, contact, as_of, &found);
		settle(changes, n, &found);
	}
}

/*
 * ls_contacts_note: those in SPI_tuptable are at hand for the lifecycle.
 */
void
ls_contacts_note(const LsContacts *contacts, LsChange *changes, int n)
{
	for (uint64 i = 0; i < SPI_tuptable->numvals; i++)
	{
		HeapTuple contact = SPI_tuptable->vals[i];
		LsChange *change = ls_apply_find(changes, n, key_of(contacts, contact));

		if (change != NULL)
			ls_contacts_note_one(contacts, contact, change);
	}
}
