/*
 * ls_engagement_accumulate.c: events -> facts -> states.
 *
 * The hot path. An event costs one match of the source's rules and, for what it
 * meets, one fact at the end of an array (ls_engagement_cells.c).
 */
#include "ls_engagement.h"

#include "ls_compat.h"
#include "ls_engagement_cells.h"

#include "utils/timestamp.h"

/* Stands for a null among the values that matches are told apart by. */
#define KEY_OF_NULL UINT64CONST(0x6e756c6c6e756c6c)

static uint64
key_of(LsEventSource *source, int number)
{
	const LsHash *hash = &source->hashes[number];
	bool is_null;
	Datum value = ls_match_value(source->matcher, number, &is_null);

	if (is_null)
		return KEY_OF_NULL;
	return DatumGetUInt64(
		FunctionCall2Coll(hash->function, hash->collation, value, UInt64GetDatum(0)));
}

/* value_of: what is no number counts as 0. */
static double
value_of(LsEventSource *source, int number)
{
	bool is_null;
	Datum value = ls_match_value(source->matcher, number, &is_null);

	if (is_null || !isfinite(DatumGetFloat8(value)))
		return 0;
	return DatumGetFloat8(value);
}

/* add_long: what is no match, or told apart by a key. */
static LsCell *
add_long(LsCell *to, LsEventSource *source, const LsFeed *feed, int64 at_us)
{
	LsFact fact = {.at_us = at_us,
				   .track = (uint32) feed->track,
				   .what = feed->what,
				   .key = feed->is_sum,
				   .value = feed->is_sum};

	if (feed->distinct >= 0)
		fact.key = key_of(source, feed->distinct);
	if (feed->value >= 0)
		fact.value = value_of(source, feed->value);
	return ls_cell_put_long(to, &fact, feed->distinct >= 0 || feed->value >= 0);
}

/* add_match: of a sum the number is 1, and so is the value where none is given. */
static inline void
add_match(LsParcel *parcel, LsEventSource *source, const LsFeed *feed)
{
	int64 at_us = parcel->at_us;
	LsCell *to;

	if (at_us < feed->counts_from || at_us >= feed->counts_until)
		return;
	if (feed->track < 0)
	{
		parcel->is_activity = true;
		return;
	}
	if (parcel->n + LS_CELLS_OF_FACT > LS_PARCEL_CELLS)
	{
		/* Nothing says that it must come in one. */
		if (parcel->acc == NULL)
			parcel->full(parcel);
		else
			ls_accumulator_take(parcel->acc, parcel);
		parcel->n = 0;
	}
	to = parcel->cells + parcel->n;
	if (feed->what == LS_FACT_MATCH && feed->distinct < 0 &&
		feed->track < LS_CELL_TRACKS && ls_cell_is_near(at_us))
		to = ls_cell_put_short(to,
							   (uint32) feed->track,
							   at_us,
							   feed->value >= 0,
							   feed->value >= 0 ? value_of(source, feed->value) : 0);
	else
		to = add_long(to, source, feed, at_us);
	parcel->n = (uint32) (to - parcel->cells);
}

/* load: the event as the matcher's row. */
static inline void
load(LsMatcher *matcher, LsRowMap *map, const LsEventRow *event)
{
	if (event->values != NULL)
		ls_match_load_columns(matcher, map, event->values, event->nulls);
	else if (event->arguments != NULL)
		ls_match_load_values(matcher, map, event->arguments);
	else
		ls_match_load_row(matcher, map, event->row);
}

/* value_or_column: of what mostly is a plain column. */
static inline Datum
value_or_column(LsMatcher *matcher, int number, int column, bool *is_null)
{
	return likely(column >= 0) ? ls_match_column(matcher, column, is_null)
							   : ls_match_value(matcher, number, is_null);
}

/* counts: does the event count at all, and when was it? */
static inline bool
counts(const LsEventReader *reader, const LsEventRow *event, int64 *at_us)
{
	LsEventSource *source = reader->source;
	const int *numbers;
	bool no_time;
	bool no_contact;

	load(source->matcher, reader->map, event);
	*at_us = DatumGetTimestampTz(value_or_column(source->matcher,
												 LS_EVENT_OCCURRED_AT,
												 source->occurred_at,
												 &no_time));
	(void) value_or_column(source->matcher,
						   LS_EVENT_CONTACT_ID,
						   source->contact_id,
						   &no_contact);
	if (no_time || no_contact || TIMESTAMP_NOT_FINITE(*at_us))
		return false;
	if (reader->has_since && *at_us < reader->since_us)
		return false;
	if (source->gate == NULL)
		return true;
	load(source->gate, reader->gate, event);
	return ls_match_list(source->gate, 0, &numbers) > 0;
}

/* fill: with what the event meets. */
static inline void
fill(LsParcel *parcel, LsEventSource *source)
{
	const int *numbers;
	int n = ls_match_list(source->matcher, 0, &numbers);

	for (int i = 0; i < source->always.n; i++)
		add_match(parcel, source, &source->always.items[i]);
	for (int i = 0; i < n; i++)
	{
		const LsFeeds *feeds = &source->feeds[numbers[i]];

		for (int j = 0; j < feeds->n; j++)
			add_match(parcel, source, &feeds->items[j]);
	}
}

/* next_place: in the queue; the oldest parcel makes room. */
static inline LsParcel *
next_place(LsQueue *queue)
{
	LsParcel *parcel = &queue->parcels[queue->next++ % LS_QUEUE_LENGTH];

	if (parcel->acc != NULL)
		ls_accumulator_take(parcel->acc, parcel);
	parcel->acc = NULL;
	return parcel;
}

/*
 * ls_event_read: an event -> what it brings to an accumulator up to as_of, whether
 * that is known yet or not: nothing, where it does not count.
 *
 * Errors: what a condition raises, with the rule's name.
 */
void
ls_event_read(const LsEventReader *reader,
			  const LsEventRow *event,
			  TimestampTz as_of,
			  LsParcel *parcel)
{
	parcel->n = 0;
	parcel->is_activity = false;
	parcel->is_future = false;
	if (!counts(reader, event, &parcel->at_us))
		return;
	parcel->is_future = parcel->at_us > as_of;
	if (!parcel->is_future)
		fill(parcel, reader->source);
}

/*
 * ls_accumulator_add: one event, for an accumulator up to as_of. It may wait in the
 * queue where there is one.
 *
 * Errors: as above.
 */
void
ls_accumulator_add(LsAccumulator *acc,
				   const LsEventReader *reader,
				   const LsEventRow *event,
				   TimestampTz as_of,
				   LsQueue *queue)
{
	LsParcel own;
	LsParcel *parcel = queue == NULL ? &own : next_place(queue);

	ls_prefetch(acc);
	parcel->acc = acc;
	ls_event_read(reader, event, as_of, parcel);
	if (queue == NULL)
		ls_accumulator_take(acc, parcel);
}

/*
 * ls_queue_bring: all that waits.
 */
void
ls_queue_bring(LsQueue *queue)
{
	for (int i = 0; i < LS_QUEUE_LENGTH; i++)
	{
		LsParcel *parcel = &queue->parcels[i];

		if (parcel->acc != NULL)
			ls_accumulator_take(parcel->acc, parcel);
		parcel->acc = NULL;
	}
}
