/*
 * ls_to_sql.c: a model as plain SQL.
 *
 * The query calls nothing of this extension: it is the oracle of the tests, the
 * peer of the benchmarks, and the way out for whoever wants to leave.
 */
#include "postgres.h"

#include "ls_compat.h"
#include "ls_cond.h"
#include "ls_error.h"
#include "ls_fit.h"
#include "ls_points.h"
#include "ls_relation.h"

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(ls_sql_to_sql);

/* LsWriter: what writing carries. */
typedef struct LsWriter
{
	StringInfoData sql;
	LsModel *model;
	LsCondScope *scope;
	bool qualify; /* columns as alias.column: names could be mistaken */
} LsWriter;

/* number: a double that reads back as the same double. */
static const char *
number(double value)
{
	char *text = palloc(DOUBLE_SHORTEST_DECIMAL_LEN + 16);
	int length = double_to_shortest_decimal_buf(value, text);

	text[length] = '\0';
	if (strchr(text, 'e') != NULL)
		return psprintf("'%s'::float8", text);
	return value < 0 ? psprintf("(%s)", text) : text;
}

/* in_comment: a name that cannot end the comment it stands in. */
static const char *
in_comment(const char *name)
{
	char *copy = pstrdup(name);

	for (char *at = copy; *at != '\0'; at++)
		if (*at == '\n' || *at == '\r')
			*at = ' ';
	return copy;
}

/* clamped: expression within limits, as SQL. */
static const char *
clamped(const char *expression, LsLimits limits)
{
	if (limits.min != -INFINITY)
		expression = psprintf("GREATEST(%s, %s)", expression, number(limits.min));
	if (limits.max != INFINITY)
		expression = psprintf("LEAST(%s, %s)", expression, number(limits.max));
	return expression;
}

static const char *
rounded(const char *expression)
{
	return psprintf("round((%s) * 1e6::float8) / 1e6::float8", expression);
}

static const char *
condition_sql(const LsWriter *w, const char *kind, const char *name, const char *text)
{
	LsPlace place = {.kind = kind,
					 .name = name,
					 .model = w->model->row->name,
					 .text = text};
	LsCond *cond;
	const char *sql;

	ls_error_push_place(&place);
	cond = ls_cond_read(w->scope, text, BOOLOID);
	place.text = NULL;
	sql = ls_cond_to_sql(cond, w->scope, w->qualify);
	ls_error_pop_place(&place);
	return sql;
}

static void
write_rule(LsWriter *w, const LsFitRow *rule, const char *indent)
{
	appendStringInfo(&w->sql,
					 "\n%s-- %s\n%s+ CASE WHEN %s THEN %s ELSE 0 END",
					 indent,
					 in_comment(rule->name),
					 indent,
					 condition_sql(w, "fit rule", rule->name, rule->condition),
					 number(rule->points));
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
					 "\n            -- group %s\n            + %s%s(0::float8",
					 in_comment(group->name),
					 has_max ? "LEAST(" : "",
					 has_min ? "GREATEST(" : "");
	write_rules(w, rules, group, "                ");
	appendStringInfoString(&w->sql, "\n            )");
	if (has_min)
		appendStringInfo(&w->sql, ", %s)", number(group->limits.min));
	if (has_max)
		appendStringInfo(&w->sql, ", %s)", number(group->limits.max));
}

static void
write_fit(LsWriter *w)
{
	const LsExplainer *explainer = ls_model_explainer(w->model);
	ListCell *cell;

	appendStringInfoString(&w->sql, "            0::float8");
	write_rules(w, explainer->rules, NULL, "            ");
	foreach(cell, explainer->groups)
		if (strcmp(((LsGroupRow *) lfirst(cell))->dimension, "fit") == 0)
			write_group(w, explainer->rules, lfirst(cell));
	appendStringInfoString(&w->sql, "\n            AS fit\n");
}

/* write_from: the contacts of the population. */
static void
write_from(LsWriter *w)
{
	const LsModelRow *row = w->model->row;

	appendStringInfo(&w->sql,
					 "        FROM moment CROSS JOIN %s AS contact\n"
					 "        WHERE contact.%s IS NOT NULL",
					 ls_relation_name(w->model->relid),
					 quote_identifier(row->contact_id));
	if (row->population != NULL)
		appendStringInfo(&w->sql,
						 "\n        -- population\n        AND (%s)",
						 condition_sql(w, "population", NULL, row->population));
	appendStringInfoChar(&w->sql, '\n');
}

static void
write_query(LsWriter *w)
{
	const LsModelRow *row = w->model->row;
	const char *total = psprintf("%s * fit + %s * engagement + %s * intent",
								 number(row->fit_weight),
								 number(row->engagement_weight),
								 number(row->intent_weight));

	appendStringInfo(&w->sql,
					 "-- Model %s: the scores of every contact as of $1.\n"
					 "WITH moment AS (SELECT $1::timestamptz AS as_of)\n"
					 "SELECT contact_id, fit, engagement, intent,\n"
					 "    %s AS total\n"
					 "FROM (\n"
					 "    SELECT contact_id,\n"
					 "        %s AS fit,\n"
					 "        0::float8 AS engagement,\n"
					 "        0::float8 AS intent\n"
					 "    FROM (\n"
					 "        SELECT contact.%s AS contact_id,\n",
					 in_comment(row->name),
					 rounded(clamped(total, row->total)),
					 rounded(clamped("fit", row->fit)),
					 quote_identifier(row->contact_id));
	write_fit(w);
	write_from(w);
	appendStringInfoString(&w->sql, "    ) AS points\n) AS scores");
}

/*
 * to_sql(model text) -> text
 */
Datum
ls_sql_to_sql(PG_FUNCTION_ARGS)
{
	LsWriter w;

	w.model = ls_fit_readable_model(PG_GETARG_TEXT_PP(0));
	w.scope = ls_model_scope(w.model->row, w.model->relid);
	w.qualify = get_attnum(w.model->relid, "as_of") != InvalidAttrNumber;
	initStringInfo(&w.sql);
	write_query(&w);
	PG_RETURN_TEXT_P(cstring_to_text(w.sql.data));
}
