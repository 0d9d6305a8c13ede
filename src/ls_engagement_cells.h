/*
 * ls_engagement_cells.h: how a fact is packed into cells: ls_engagement_cells.c has
 * the picture.
 */
#ifndef LS_ENGAGEMENT_CELLS_H
#define LS_ENGAGEMENT_CELLS_H

#include "ls_engagement.h"

#define LS_CELL_AT_BITS 56
#define LS_CELL_AT_BIAS (INT64CONST(1) << (LS_CELL_AT_BITS - 1))
#define LS_CELL_AT_MASK ((UINT64CONST(1) << LS_CELL_AT_BITS) - 1)
#define LS_CELL_TRACKS 127 /* so many tracks have short facts */
#define LS_CELL_LONG (UINT64CONST(255) << LS_CELL_AT_BITS)
#define LS_CELL_MORE (UINT64CONST(1) << 48)

static inline bool
ls_cell_is_long(uint64 head)
{
	return head >= LS_CELL_LONG;
}

static inline bool
ls_cell_has_more(uint64 head)
{
	return (head & LS_CELL_MORE) != 0;
}

static inline uint32
ls_cell_long_track(uint64 head)
{
	return (uint16) (head >> 32);
}

static inline uint32
ls_cell_track(uint64 head)
{
	return (uint32) (head >> (LS_CELL_AT_BITS + 1));
}

static inline bool
ls_cell_has_value(uint64 head)
{
	return (head >> LS_CELL_AT_BITS & 1) != 0;
}

static inline int64
ls_cell_at(uint64 head)
{
	return (int64) (head & LS_CELL_AT_MASK) - LS_CELL_AT_BIAS;
}

/* ls_cell_is_near: can the time be part of a short fact? */
static inline bool
ls_cell_is_near(int64 at_us)
{
	return at_us >= -LS_CELL_AT_BIAS && at_us < LS_CELL_AT_BIAS;
}

/* ls_cells_of: how many cells begin with this one. */
static inline uint32
ls_cells_of(uint64 head)
{
	if (ls_cell_is_long(head))
		return ls_cell_has_more(head) ? 4 : 2;
	return ls_cell_has_value(head) ? 2 : 1;
}

/* ls_cell_put_short: a match without key, of one of the first tracks, near in time;
 * gives where the next fact goes. */
static inline LsCell *
ls_cell_put_short(LsCell *to, uint32 track, int64 at_us, bool has_value, double value)
{
	(to++)->head = (uint64) (2 * track + has_value) << LS_CELL_AT_BITS |
				   (uint64) (at_us + LS_CELL_AT_BIAS);
	if (has_value)
		(to++)->value = value;
	return to;
}

/* ls_cell_put_long: any fact. */
static inline LsCell *
ls_cell_put_long(LsCell *to, const LsFact *fact, bool has_more)
{
	(to++)->head = LS_CELL_LONG | (has_more ? LS_CELL_MORE : 0) |
				   (uint64) fact->track << 32 | fact->what;
	(to++)->at_us = fact->at_us;
	if (!has_more)
		return to;
	(to++)->key = fact->key;
	(to++)->value = fact->value;
	return to;
}

/* ls_accumulator_note_activity: the latest counts; others are only needed for the
 * past. */
static inline void
ls_accumulator_note_activity(LsAccumulator *acc, int64 at_us)
{
	int64 last_us = acc->last_activity_us;

	if (at_us == last_us)
		return;
	if (last_us != PG_INT64_MIN)
		acc->has_earlier_activity = true;
	if (at_us > last_us)
		acc->last_activity_us = at_us;
}

#endif /* LS_ENGAGEMENT_CELLS_H */
