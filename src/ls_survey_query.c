/*
 * ls_survey_query.c: the query of a survey: all that scores follow from, and the
 * scores that are stored.
 *
 * It is planned for what it is asked, not once for all: with all contacts each table
 * is read through, with some of a big table its indexes are used.
 */
#include "ls_survey.h"

#include "ls_adjust.h"
#include "ls_apply_row.h"
#include "ls_compat.h"
#include "ls_relation.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/* Contacts of which there may be events, for each of the model's. */
#define OTHERS 10

/* Contacts and events that are read for some tenths of a second. */
#define LONG_SURVEY 100000

/* add_parameter: gives its number. */
static int
add_parameter(LsSurveyQuery *query, Oid type, Datum value)
{
	query->types[query->nargs] = type;
	query->values[query->nargs] = value;
	return ++query->nargs;
}

/* LsBounds: parameters that say from where to where the keys are; 0 = no end. */
typedef struct LsBounds
{
	int after;
	int until;
} LsBounds;

/* add_bounds: of a column. */
static void
add_bounds(StringInfo sql, const LsBounds *bounds, const char *column)
{
	if (bounds->after > 0)
		appendStringInfo(sql, " AND %s > $%d", column, bounds->after);
	if (bounds->until > 0)
		appendStringInfo(sql, " AND %s <= $%d", column, bounds->until);
}

/* is_in_order: are keys in other tables in the order that they have here? */
static bool
is_in_order(const LsRun *run)
{
	return !OidIsValid(get_typcollation(run->objects->key_type));
}

/* add_other_bounds: of a column of another table. */
static void
add_other_bounds(StringInfo sql,
				 const LsRun *run,
				 const LsBounds *bounds,
				 const char *column)
{
	if (is_in_order(run))
		add_bounds(sql, bounds, column);
}

static void
add_columns(StringInfo sql, const LsRun *run, const LsModel *model)
{
	const LsObjects *objects = run->objects;
	const char *said =
		psprintf("EXISTS (SELECT FROM %s AS a WHERE a.contact_id = c.%s)",
				 objects->adjustment,
				 objects->id);

	/* No name of theirs may be one that the contacts could have. */
	appendStringInfo(
		sql,
		"SELECT c.*, c.%s::%s AS \"surveyed key\", %s AS \"surveyed said\","
		" s.row_ctid AS \"surveyed ctid\", s.row_xmin AS \"surveyed xmin\","
		" s.row_xmax AS \"surveyed xmax\"",
		objects->id,
		format_type_be_qualified(objects->key_type),
		ls_adjust_is_empty(objects) ? "false" : said);
	for (int i = 0; i < LS_SCORE_WRITTEN; i++)
		appendStringInfo(sql,
						 ", s.%s AS \"surveyed %s\"",
						 ls_score_column_names[i],
						 ls_score_column_names[i]);
	for (int i = 1; i <= list_length(model->sources); i++)
		appendStringInfo(sql, ", e%d.state AS \"surveyed state %d\"", i, i);
	appendStringInfoString(sql, ls_lookup_whole_rows(model->lookups));
}

/*
 * is_like_key: are values of the column equal where they are the same contact? Those
 * of other types (numeric, say) are no contact where they are not equal to one.
 */
static bool
is_like_key(const LsObjects *objects, Oid events, const char *column)
{
	Oid type = getBaseType(get_atttype(events, ls_relation_column(events, column)));

	return type == objects->key_type ||
		   (objects->key_type == INT8OID && (type == INT4OID || type == INT2OID)) ||
		   (objects->key_type == INT4OID && (type == INT8OID || type == INT2OID)) ||
		   (objects->key_type == TEXTOID && type == VARCHAROID);
}

/* add_source: the states of all contacts from the events of one source. */
static void
add_source(StringInfo sql,
		   const LsRun *run,
		   const LsSourceRow *source,
		   int number,
		   const LsBounds *bounds)
{
	const LsObjects *objects = run->objects;
	Oid events = ls_relation_by_name(source->relation);
	const char *column = psprintf("e.%s", quote_identifier(source->contact_id));
	const char *key = column;
	const char *counts = psprintf("%s IS NOT NULL", column);

	if (!is_like_key(objects, events, source->contact_id))
	{
		key = psprintf("%s::%s", column, format_type_be_qualified(objects->key_type));
		counts = psprintf("%s = %s", column, key);
	}
	appendStringInfo(sql,
					 " LEFT JOIN (SELECT %s AS contact_id,"
					 " lead_scoring.engagement_agg(e.*, %s, %s, $1) AS state"
					 " FROM %s AS e WHERE %s",
					 key,
					 quote_literal_cstr(objects->model),
					 quote_literal_cstr(source->name),
					 ls_relation_name(events),
					 counts);
	add_other_bounds(sql, run, bounds, column);
	appendStringInfo(sql,
					 " GROUP BY %s) AS e%d ON e%d.contact_id = c.%s",
					 key,
					 number,
					 number,
					 objects->id);
}

/* add_contacts: of the slice. */
static void
add_contacts(StringInfo sql, const LsObjects *objects, const LsBounds *bounds)
{
	appendStringInfo(sql,
					 " FROM (SELECT c.* FROM %s AS c WHERE c.%s IS NOT NULL",
					 objects->contacts,
					 objects->id);
	add_bounds(sql, bounds, psprintf("c.%s", objects->id));
	appendStringInfoString(sql, ") AS c");
}

/* add_scores: of the slice; also those of nobody, where that can be told. */
static void
add_scores(StringInfo sql, const LsRun *run, const LsBounds *bounds, bool finds_orphans)
{
	const LsObjects *objects = run->objects;

	appendStringInfo(sql,
					 " %s JOIN (SELECT s.ctid AS row_ctid, s.xmin AS row_xmin,"
					 " s.xmax AS row_xmax, s.* FROM %s AS s WHERE true",
					 finds_orphans ? "FULL" : "LEFT",
					 objects->score);
	add_other_bounds(sql, run, bounds, "s.contact_id");
	appendStringInfo(sql, ") AS s ON s.contact_id = c.%s", objects->id);
}

/*
 * ls_survey_write_query: for the contacts of the slice at hand, as of the moment, in
 * no order.
 */
void
ls_survey_write_query(const LsRun *run,
					  const LsModel *model,
					  TimestampTz as_of,
					  LsSurveyQuery *query)
{
	const LsObjects *objects = run->objects;
	LsBounds bounds = {0};
	StringInfoData sql;
	ListCell *cell;

	query->nargs = 0;
	query->nsources = list_length(model->sources);
	query->nlookups = list_length(model->lookups);
	(void) add_parameter(query, TIMESTAMPTZOID, TimestampTzGetDatum(as_of));
	if (run->has_last)
		bounds.after = add_parameter(query, objects->key_type, run->last);
	if (run->has_end)
		bounds.until = add_parameter(query, objects->key_type, run->end);
	initStringInfo(&sql);
	add_columns(&sql, run, model);
	add_contacts(&sql, objects, &bounds);
	query->finds_orphans = is_in_order(run) || (bounds.after == 0 && bounds.until == 0);
	add_scores(&sql, run, &bounds, query->finds_orphans);
	foreach(cell, model->sources)
		add_source(&sql, run, lfirst(cell), foreach_current_index(cell) + 1, &bounds);
	appendStringInfoString(&sql, ls_lookup_joins(model->lookups, "c"));
	query->sql = sql.data;
}

/* count_others: for how many contacts the relation has events, as far as is known. */
static double
count_others(Oid events, const char *column)
{
	AttrNumber attno = ls_relation_column(events, column);
	HeapTuple class = SearchSysCache1(RELOID, ObjectIdGetDatum(events));
	HeapTuple stats = SearchSysCache3(STATRELATTINH,
									  ObjectIdGetDatum(events),
									  Int16GetDatum(attno),
									  BoolGetDatum(has_subclass(events)));
	double n = 0;

	if (HeapTupleIsValid(stats))
		n = ((Form_pg_statistic) GETSTRUCT(stats))->stadistinct;
	if (n < 0 && HeapTupleIsValid(class))
		n *= -Max(((Form_pg_class) GETSTRUCT(class))->reltuples, 0);
	if (HeapTupleIsValid(stats))
		ReleaseSysCache(stats);
	if (HeapTupleIsValid(class))
		ReleaseSysCache(class);
	return n;
}

/*
 * ls_survey_is_worth_it: a survey reads all events. Where most of them are of others
 * than the contacts, those of the contacts are better looked up.
 */
bool
ls_survey_is_worth_it(const LsRun *run)
{
	ListCell *cell;

	if (run->total == 0)
		return true;
	foreach(cell, ls_model_get(run->model)->sources)
	{
		const LsSourceRow *source = lfirst(cell);
		Oid events = ls_relation_by_name(source->relation);

		if (OidIsValid(events) &&
			count_others(events, source->contact_id) > OTHERS * (double) run->total)
			return false;
	}
	return true;
}

/* count_rows: of a relation and its partitions, as far as is known. */
static double
count_rows(Oid relid)
{
	double n = 0;
	ListCell *part;

	foreach(part, find_all_inheritors(relid, NoLock, NULL))
	{
		HeapTuple class = SearchSysCache1(RELOID, ObjectIdGetDatum(lfirst_oid(part)));
		Form_pg_class form;

		if (!HeapTupleIsValid(class))
			continue;
		form = (Form_pg_class) GETSTRUCT(class);
		if (form->relkind != RELKIND_PARTITIONED_TABLE)
			n += Max(form->reltuples, 0);
		ReleaseSysCache(class);
	}
	return n;
}

/*
 * ls_survey_is_long: is it worth telling others that so many contacts are surveyed?
 */
bool
ls_survey_is_long(const LsRun *run, uint64 contacts)
{
	double share = run->total == 0 ? 1 : (double) contacts / run->total;
	double rows = contacts;
	ListCell *cell;

	foreach(cell, ls_model_get(run->model)->sources)
	{
		Oid events = ls_relation_by_name(((LsSourceRow *) lfirst(cell))->relation);

		if (OidIsValid(events))
			rows += share * count_rows(events);
	}
	return rows >= LONG_SURVEY;
}
