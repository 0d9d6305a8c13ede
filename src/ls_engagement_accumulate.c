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
static void
add_long(LsAccumulator *acc, LsEventSource *source, const LsFeed *feed, int64 at_us)
{
	bool is_sum = acc->frame->engagement->tracks[feed->track].kind == LS_TRACK_SUM;
	LsFact fact = {.at_us = at_us,
				   .track = (uint32) feed->track,
				   .what = feed->what,
				   .key = is_sum,
				   .value = is_sum};

	if (feed->distinct >= 0)
		fact.key = key_of(source, feed->distinct);
	if (feed->value >= 0)
		fact.value = value_of(source, feed->value);
	ls_accumulator_add_long(acc, &fact, feed->distinct >= 0 || feed->value >= 0);
}

/* add_match: of a sum the number is 1, and so is the value where none is given. */
static inline void
add_match(LsAccumulator *acc, LsEventSource *source, const LsFeed *feed, int64 at_us)
{
	bool has_value = feed->value >= 0;
	bool is_short = feed->what == LS_FACT_MATCH && feed->distinct < 0 &&
					feed->track < LS_CELL_TRACKS && ls_cell_is_near(at_us);
	uint32 room = is_short ? 1 + has_value : LS_CELLS_OF_FACT;

	if (at_us < feed->counts_from || at_us >= feed->counts_until)
		return;
	if (feed->track < 0)
	{
		ls_accumulator_note_activity(acc, at_us);
		return;
	}
	if (acc->n + room > acc->cap)
		ls_accumulator_make_room(acc, room);
	if (is_short)
		ls_accumulator_add_short(acc,
								 (uint32) feed->track,
								 at_us,
								 has_value,
								 has_value ? value_of(source, feed->value) : 0);
	else
		add_long(acc, source, feed, at_us);
}

/* load: the event as the matcher's row. */
static inline void
load(LsMatcher *matcher, LsRowMap *map, const LsEventRow *event)
{
	if (event->values != NULL)
		ls_match_load_values(matcher, map, event->values);
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

/* is_past: is the event one up to the accumulator's moment? */
static inline bool
is_past(LsAccumulator *acc, int64 at_us)
{
	if (likely(at_us <= acc->frame->as_of_us))
		return true;
	if (at_us < acc->frame->until_us)
		ls_accumulator_own_frame(acc)->until_us = at_us;
	return false;
}

/*
 * ls_accumulator_add: one event. It is matched while the memory of the accumulator
 * is on its way; but no condition may fail on an event that does not count.
 *
 * Errors: what a condition raises, with the rule's name.
 */
void
ls_accumulator_add(LsAccumulator *acc,
				   const LsEventReader *reader,
				   const LsEventRow *event)
{
	LsEventSource *source = reader->source;
	const int *numbers;
	int64 at_us;
	int n = 0;

	ls_prefetch(acc);
	if (!counts(reader, event, &at_us))
		return;
	if (!source->may_raise)
		n = ls_match_list(source->matcher, 0, &numbers);
	if (!is_past(acc, at_us))
		return;
	if (source->may_raise)
		n = ls_match_list(source->matcher, 0, &numbers);
	for (int i = 0; i < source->always.n; i++)
		add_match(acc, source, &source->always.items[i], at_us);
	for (int i = 0; i < n; i++)
	{
		const LsFeeds *feeds = &source->feeds[numbers[i]];

		for (int j = 0; j < feeds->n; j++)
			add_match(acc, source, &feeds->items[j], at_us);
	}
}
