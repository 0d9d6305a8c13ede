/*
 * ls_to_sql.c: a model as plain SQL.
 *
 * The query calls nothing of this extension: it is the oracle of the tests, the
 * peer of the benchmarks, and the way out for whoever wants to leave.
 */
#include "ls_to_sql.h"

#include "ls_compat.h"
#include "ls_fit.h"
#include "ls_points.h"
#include "ls_relation.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(ls_sql_to_sql);

static const char *
rounded(const char *expression)
{
	return psprintf("round((%s) * 1e6::float8) / 1e6::float8", expression);
}

/*
 * ls_to_sql_expression: a condition or value of the model, read with its place
 * in errors, and written.
 */
const char *
ls_to_sql_expression(LsPlace place, const LsCondScope *scope, bool qualify, Oid type)
{
	LsCond *cond;
	const char *sql;

	ls_error_push_place(&place);
	cond = ls_cond_read(scope, place.text, type);
	place.text = NULL;
	sql = ls_cond_to_sql(cond, scope, qualify);
	ls_error_pop_place(&place);
	return sql;
}

static const char *
condition_sql(const LsWriter *w, const char *kind, const char *name, const char *text)
{
	LsPlace place = {.kind = kind,
					 .name = name,
					 .model = w->model->row->name,
					 .text = text};

	return ls_to_sql_expression(place, w->scope, w->qualify, BOOLOID);
}

static void
write_rule(LsWriter *w, const LsFitRow *rule, const char *indent)
{
	appendStringInfo(&w->sql,
					 "\n%s-- %s\n%s+ CASE WHEN %s THEN %s ELSE 0 END",
					 indent,
					 ls_to_sql_in_comment(rule->name),
					 indent,
					 condition_sql(w, "fit rule", rule->name, rule->condition),
					 ls_to_sql_number(rule->points));
}

static bool
is_in_group(const LsFitRow *rule, const LsGroupRow *group)
{
	if (group == NULL)
		return rule->group_name == NULL;
	return rule->group_name != NULL && strcmp(rule->group_name, group->name) == 0;
}

static void
write_rules(LsWriter *w, List *rules, const LsGroupRow *group, const char *indent)
{
	ListCell *cell;

	foreach(cell, rules)
		if (is_in_group(lfirst(cell), group))
			write_rule(w, lfirst(cell), indent);
}

/* write_group: the sum of its rules, within its limits. */
static void
write_group(LsWriter *w, List *rules, const LsGroupRow *group)
{
	bool has_min = group->limits.min != -INFINITY;
	bool has_max = group->limits.max != INFINITY;

	appendStringInfo(&w->sql,
					 "\n        -- group %s\n        + %s%s(0::float8",
					 ls_to_sql_in_comment(group->name),
					 has_max ? "LEAST(" : "",
					 has_min ? "GREATEST(" : "");
	write_rules(w, rules, group, "            ");
	appendStringInfoString(&w->sql, "\n        )");
	if (has_min)
		appendStringInfo(&w->sql, ", %s)", ls_to_sql_number(group->limits.min));
	if (has_max)
		appendStringInfo(&w->sql, ", %s)", ls_to_sql_number(group->limits.max));
}

static void
write_fit(LsWriter *w)
{
	const LsExplainer *explainer = ls_model_explainer(w->model);
	ListCell *cell;

	appendStringInfoString(&w->sql, "        0::float8");
	write_rules(w, explainer->rules, NULL, "        ");
	foreach(cell, explainer->groups)
		if (strcmp(((LsGroupRow *) lfirst(cell))->dimension, "fit") == 0)
			write_group(w, explainer->rules, lfirst(cell));
	appendStringInfoString(&w->sql, "\n        AS fit");
}

/* write_created: when the contact came to be. */
static void
write_created(LsWriter *w)
{
	const LsModelRow *row = w->model->row;
	const char *created = "NULL::timestamptz";

	if (row->created_column != NULL)
		created = ls_to_sql_in_utc(psprintf("contact.%s",
											quote_identifier(row->created_column)),
								   get_atttype(w->model->relid,
											   ls_relation_column(w->model->relid,
																  row->created_column)),
								   row->time_zone);
	appendStringInfo(&w->sql, ",\n        %s AS created_at", created);
}

/* write_lookups: a contact without a row there has nulls. */
static void
write_lookups(LsWriter *w)
{
	ListCell *cell;

	foreach(cell, w->model->lookups)
	{
		const LsLookup *lookup = lfirst(cell);
		const char *alias = quote_identifier(lookup->row->alias);
		const char *key = psprintf("%s.%s", alias, quote_identifier(lookup->row->key));
		const char *value =
			psprintf("contact.%s", quote_identifier(lookup->row->contact_column));

		appendStringInfo(&w->sql,
						 "    LEFT JOIN %s AS %s ON %s\n",
						 ls_relation_name(lookup->relid),
						 alias,
						 ls_lookup_equals(lookup, key, value, true));
	}
}

/* write_contacts: those of the population, with what they score by themselves. */
static void
write_contacts(LsWriter *w)
{
	const LsModelRow *row = w->model->row;

	appendStringInfo(&w->sql,
					 "contacts AS (\n"
					 "    SELECT contact.%s AS contact_id,\n",
					 quote_identifier(row->contact_id));
	write_fit(w);
	if (w->rules != NIL)
		write_created(w);
	appendStringInfo(&w->sql,
					 "\n    FROM moment CROSS JOIN %s AS contact\n",
					 ls_relation_name(w->model->relid));
	write_lookups(w);
	appendStringInfo(&w->sql,
					 "    WHERE contact.%s IS NOT NULL",
					 quote_identifier(row->contact_id));
	if (row->population != NULL)
		appendStringInfo(&w->sql,
						 "\n        -- population\n        AND (%s)",
						 condition_sql(w, "population", NULL, row->population));
	if (w->adjustment != NULL)
		appendStringInfo(&w->sql,
						 "\n        AND %s",
						 ls_to_sql_not_excluded(w,
												psprintf("contact.%s",
														 quote_identifier(
															 row->contact_id))));
	appendStringInfoString(&w->sql, "\n)");
}

/* write_sums: a row a contact, before the model's limits. */
static void
write_sums(LsWriter *w)
{
	const char *engagement = ls_to_sql_dimension(w, "engagement");
	const char *intent = ls_to_sql_dimension(w, "intent");
	bool is_sum = w->rules != NIL;

	appendStringInfo(&w->sql,
					 "        SELECT contacts.contact_id, contacts.fit,\n"
					 "            %s AS engagement,\n"
					 "            %s AS intent\n"
					 "        FROM contacts%s\n",
					 engagement,
					 intent,
					 is_sum ? " LEFT JOIN ledger ON ledger.contact_id = "
							  "contacts.contact_id\n"
							  "        GROUP BY contacts.contact_id, contacts.fit"
							: "");
}

static void
write_scores(LsWriter *w)
{
	const LsModelRow *row = w->model->row;
	bool is_adjusted = w->adjustment != NULL;
	const char *total = psprintf("%s * fit + %s * engagement + %s * intent%s",
								 ls_to_sql_number(row->fit_weight),
								 ls_to_sql_number(row->engagement_weight),
								 ls_to_sql_number(row->intent_weight),
								 is_adjusted ? " + COALESCE(adjusted.points, 0)" : "");

	appendStringInfo(&w->sql,
					 "SELECT %scontact_id, fit, engagement, intent,\n"
					 "    %s AS total\n"
					 "FROM (\n"
					 "    SELECT contact_id,\n"
					 "        %s AS fit,\n"
					 "        %s AS engagement,\n"
					 "        %s AS intent\n"
					 "    FROM (\n",
					 is_adjusted ? "scores." : "",
					 rounded(ls_to_sql_clamped(total, row->total)),
					 rounded(ls_to_sql_clamped("fit", row->fit)),
					 rounded(ls_to_sql_clamped("engagement", row->engagement)),
					 rounded(ls_to_sql_clamped("intent", row->intent)));
	write_sums(w);
	appendStringInfoString(&w->sql, "    ) AS points\n) AS scores");
	if (is_adjusted)
		appendStringInfoString(
			&w->sql,
			" LEFT JOIN adjusted ON adjusted.contact_id = scores.contact_id");
}

static void
write_query(LsWriter *w)
{
	appendStringInfo(&w->sql,
					 "-- Model %s: the scores of every contact as of $1.\n"
					 "WITH moment AS (SELECT $1::timestamptz AS as_of),\n",
					 ls_to_sql_in_comment(w->model->row->name));
	ls_to_sql_write_adjusted(w);
	write_contacts(w);
	if (w->rules != NIL)
	{
		appendStringInfoString(&w->sql, ",\n");
		ls_to_sql_write_sources(w);
		ls_to_sql_write_ledger(w);
	}
	else
		appendStringInfoChar(&w->sql, '\n');
	write_scores(w);
}

/*
 * to_sql(model text) -> text
 */
Datum
ls_sql_to_sql(PG_FUNCTION_ARGS)
{
	LsWriter w = {0};

	w.model = ls_fit_readable_model(PG_GETARG_TEXT_PP(0));
	w.scope = ls_model_scope_with(w.model->row, w.model->relid, w.model->lookups);
	w.qualify = get_attnum(w.model->relid, "as_of") != InvalidAttrNumber;
	initStringInfo(&w.sql);
	ls_to_sql_read_events(&w);
	write_query(&w);
	PG_RETURN_TEXT_P(cstring_to_text(w.sql.data));
}
