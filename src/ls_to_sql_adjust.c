/*
 * ls_to_sql_adjust.c: adjustments by hand, as plain SQL: the CTE adjusted, a row for
 * each contact of whom something is said as of the moment.
 */
#include "ls_to_sql.h"

#include "ls_compat.h"
#include "ls_objects.h"

/*
 * ls_to_sql_write_adjusted: where the model has a table of adjustments; it is
 * found here.
 */
void
ls_to_sql_write_adjusted(LsWriter *w)
{
	const LsModelRow *row = w->model->row;

	if (!OidIsValid(ls_objects_relid(row, "adjustment")))
		return;
	w->adjustment = ls_objects_name(row, "adjustment");
	appendStringInfo(
		&w->sql,
		"-- by hand: points, since when events count, who is excluded\n"
		"adjusted AS (\n"
		"    SELECT said.contact_id,\n"
		"        COALESCE(sum(said.points) FILTER (WHERE said.kind = 'points'), 0)"
		" AS points,\n"
		"        max(said.valid_from) FILTER (WHERE said.kind = 'reset') AS reset_at,\n"
		"        COALESCE(bool_or(said.kind = 'exclude'), false) AS is_excluded\n"
		"    FROM %s AS said\n"
		"    WHERE said.valid_from <= " LS_TO_SQL_AS_OF "\n"
		"        AND (said.valid_until > " LS_TO_SQL_AS_OF ") IS NOT FALSE\n"
		"    GROUP BY said.contact_id\n"
		"),\n",
		w->adjustment);
}

/*
 * ls_to_sql_not_excluded: a condition on contacts; NULL where nobody can be.
 */
const char *
ls_to_sql_not_excluded(const LsWriter *w, const char *contact_id)
{
	if (w->adjustment == NULL)
		return NULL;
	return psprintf("NOT EXISTS (SELECT FROM adjusted"
					" WHERE adjusted.contact_id = %s AND adjusted.is_excluded)",
					contact_id);
}

/*
 * ls_to_sql_not_reset: a condition on events; NULL where all count.
 */
const char *
ls_to_sql_not_reset(const LsWriter *w, const char *contact_id, const char *occurred_at)
{
	if (w->adjustment == NULL)
		return NULL;
	return psprintf("NOT EXISTS (SELECT FROM adjusted"
					" WHERE adjusted.contact_id = %s AND %s < adjusted.reset_at)",
					contact_id,
					occurred_at);
}
