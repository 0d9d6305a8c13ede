/*
 * ls_engagement_reader.c: what an aggregate of events is called with, whoever calls
 * it: the model, the source, as_of, and the columns of an event.
 */
#include "ls_engagement.h"

#include "ls_compat.h"
#include "ls_fit.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

/*
 * ls_event_bind: the reader is for events of this source of the model, from now on.
 *
 * Errors: 22004, 42704, 42501, and what compiling raises.
 */
LsEngagement *
ls_event_bind(LsEventReader *reader, text *model, text *source)
{
	LsModel *compiled;
	LsEngagement *engagement;

	if (model == NULL)
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("the model must not be null"),
				errhint("Call engagement_agg(event, 'model')."));
	compiled = ls_fit_readable_model(model);
	engagement = ls_engagement_get(compiled);
	*reader = (LsEventReader){
		.source =
			ls_engagement_source(compiled,
								 source == NULL ? NULL : text_to_cstring(source))};
	return engagement;
}

/*
 * ls_event_as_of: an argument as_of.
 *
 * Errors: 22004, 22008.
 */
TimestampTz
ls_event_as_of(Datum value, bool is_null)
{
	TimestampTz as_of;

	if (is_null)
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("as_of must not be null"),
				errhint("Leave it out for lead_scoring.as_of()."));
	as_of = DatumGetTimestampTz(value);
	if (TIMESTAMP_NOT_FINITE(as_of))
		ereport(ERROR,
				errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				errmsg("as_of must be finite"),
				errhint("Give the moment of scoring."));
	return as_of;
}

/*
 * ls_event_describe: the row that the arguments of engagement_agg_columns make.
 *
 * Errors: 22023 where there is not a constant name for each.
 */
TupleDesc
ls_event_describe(const Node *names, List *arguments)
{
	TupleDesc desc = ls_match_describe_arguments(names, arguments);

	if (desc == NULL)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("engagement_agg_columns needs a constant array of names, one for "
					   "each column"),
				errhint("Call lead_scoring.engagement_agg with the row: the planner "
						"makes this call of it."));
	return desc;
}

/*
 * ls_event_map: events will have these columns.
 *
 * Memory: the current context.
 */
void
ls_event_map(LsEventReader *reader, TupleDesc desc)
{
	const LsEventSource *source = reader->source;

	reader->map = ls_match_map_row(source->matcher, desc);
	if (source->gate != NULL)
		reader->gate = ls_match_map_row(source->gate, desc);
}

/*
 * ls_event_last_column: the last one that is looked at.
 */
int
ls_event_last_column(const LsEventReader *reader)
{
	int last = ls_match_last_column(reader->map);

	return reader->gate == NULL ? last : Max(last, ls_match_last_column(reader->gate));
}
