/*
 * ls_engagement.h: what they did: engagement states, made from events, joined,
 * and read as of a moment.
 */
#ifndef LS_ENGAGEMENT_H
#define LS_ENGAGEMENT_H

#include "postgres.h"

#include "access/htup.h"
#include "fmgr.h"

#include "ls_engagement_model.h"

/*
 * LsCell: a fact as it is accumulated: most have neither key nor value, and what
 * is small stays in the processor's cache. `more` follows its fact.
 */
typedef union LsCell
{
	struct
	{
		int64 at_us;
		uint32 what;
		uint16 track;
		bool has_more;
	} fact;
	struct
	{
		uint64 key;
		double value;
	} more;
} LsCell;

/* LsAccumulator: a state in the making: of one contact, in one aggregate. */
#define LS_ACCUMULATOR_FIRST 4

typedef struct LsAccumulator
{
	LsEngagement *engagement; /* good until the end of the transaction */
	LsCell *cells;
	int n;
	int cap;
	int64 as_of_us; /* these as in LsFacts */
	int64 from_us;
	int64 until_us;
	int64 last_activity_us;
	LsCell first[LS_ACCUMULATOR_FIRST]; /* where cells are, as long as they fit */
} LsAccumulator;

/* LsEventReader: how events of one row type are read. */
typedef struct LsEventReader
{
	LsEventSource *source;
	LsRowMap *gate;
	LsRowMap *map;
} LsEventReader;

/* ls_engagement_accumulate.c */
extern void ls_accumulator_add(LsAccumulator *acc,
							   const LsEventReader *reader,
							   HeapTuple event);

/* ls_engagement_cells.c */
extern LsAccumulator *ls_accumulator_new(LsEngagement *engagement,
										 TimestampTz as_of,
										 MemoryContext context);
extern bool ls_accumulator_is_empty(const LsAccumulator *acc);
extern void ls_accumulator_make_room(LsAccumulator *acc, int n);
extern void ls_accumulator_note_activity(LsAccumulator *acc, int64 at_us);
extern void ls_accumulator_join(LsAccumulator *acc, const LsAccumulator *other);
extern void ls_accumulator_join_state(LsAccumulator *acc, const LsState *state);
extern LsState *ls_accumulator_state(const LsAccumulator *acc);
extern bytea *ls_accumulator_send(const LsAccumulator *acc);
extern LsAccumulator *ls_accumulator_receive(FunctionCallInfo fcinfo,
											 const bytea *bytes);
extern void ls_accumulator_refuse_change(const LsAccumulator *acc);

/* ls_engagement_type.c */
extern const LsState *ls_state_from_datum(Datum datum);
extern char *ls_state_model_name(const LsState *state);
#define PG_GETARG_ENGAGEMENT(n) ls_state_from_datum(PG_GETARG_DATUM(n))

/* ls_engagement_score.c */
extern LsEngagement *ls_engagement_of_name(FunctionCallInfo fcinfo,
										   const char *name,
										   int length);
extern LsEngagement *ls_engagement_of_state(FunctionCallInfo fcinfo,
											const LsState *state);
extern void ls_engagement_check_state(const LsEngagement *engagement,
									  const LsState *state);
extern void ls_engagement_check_moment(const LsState *state,
									   const LsEngagement *engagement,
									   TimestampTz as_of);
extern void ls_engagement_open(LsEngagement *engagement,
							   const LsState *state,
							   LsMoment *moment,
							   TimestampTz as_of,
							   TimestampTz since);
extern void ls_engagement_tally(const LsEngagement *engagement,
								const LsBehaviour *rule,
								const LsMoment *moment,
								LsTally *tally);
extern double ls_engagement_points(LsEngagement *engagement,
								   const LsMoment *moment,
								   bool is_intent);
extern LsEngagement *ls_engagement_open_call(FunctionCallInfo fcinfo,
											 const LsState **state,
											 LsMoment *moment);
extern void ls_engagement_close(LsEngagement *engagement, const LsState *state);

/* ls_engagement_change.c */
extern int64 ls_engagement_next_change(LsEngagement *engagement,
									   const LsMoment *moment,
									   double fit);

#endif /* LS_ENGAGEMENT_H */
