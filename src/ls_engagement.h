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
 * LsCell: facts are accumulated in cells of 8 bytes, most of them in one: time
 * and track. ls_engagement_cells.c says how.
 */
typedef union LsCell
{
	uint64 head;
	int64 at_us;
	uint64 key;
	double value;
} LsCell;

#define LS_CELLS_OF_FACT 4 /* at most */

/* LsFrame: what accumulators of one query have in common, as long as they do. */
typedef struct LsFrame
{
	LsEngagement *engagement; /* good until the end of the transaction */
	MemoryContext context;	  /* of all that belongs to them */
	struct LsQueue *queue;	  /* where events for them may wait; NULL = nowhere */
	int64 as_of_us;			  /* these as in LsFacts */
	int64 from_us;
	int64 until_us;
} LsFrame;

/*
 * LsAccumulator: a state in the making: of one contact, in one aggregate. An
 * aggregate has one for each contact and visits them in no order, so what counts
 * is how much memory they take, and that an event touches little of it.
 */
#define LS_ACCUMULATOR_FIRST 4

typedef struct LsAccumulator
{
	LsFrame *frame;
	int64 last_activity_us;
	LsCell *cells;
	uint32 n;
	uint32 cap : 30;
	bool has_own_frame : 1;
	bool has_earlier_activity : 1; /* from then on it cannot be read before the last */
	LsCell first[LS_ACCUMULATOR_FIRST]; /* where cells are, as long as they fit */
} LsAccumulator;

/*
 * LsParcel: what an event brings to an accumulator. Where that is not known yet,
 * `full` takes what does not fit, and empties it.
 */
#define LS_PARCEL_CELLS 5

typedef struct LsParcel
{
	LsAccumulator *acc; /* NULL = nothing, to nobody; or not known */
	void (*full)(struct LsParcel *parcel);
	int64 at_us;
	uint32 n;
	bool is_activity;
	bool is_future; /* it only says until when the accumulator can be read */
	LsCell cells[LS_PARCEL_CELLS];
} LsParcel;

/*
 * LsQueue: parcels whose accumulators' memory is on its way: the oldest is brought
 * when a new one takes its place. The order of events does not matter.
 */
#define LS_QUEUE_LENGTH 4

typedef struct LsQueue
{
	uint32 next;
	LsParcel parcels[LS_QUEUE_LENGTH];
} LsQueue;

/* LsNursery: where an aggregate's accumulators come from; zero where it begins. */
typedef struct LsNursery
{
	List *frames;		   /* of LsFrame */
	MemoryContext context; /* of the slab; NULL = none */
	LsAccumulator *next;   /* in the slab */
	LsAccumulator *end;
	int size; /* of the slab */
	MemoryContextCallback reset;
	LsQueue queue;
} LsNursery;

/* LsEventReader: how events of one row type are read. */
typedef struct LsEventReader
{
	LsEventSource *source;
	LsRowMap *gate;
	LsRowMap *map;
	bool has_since;
	int64 since_us; /* events before it do not count */
} LsEventReader;

/* LsEventRow: an event, as a row or the values of its columns: one of these. */
typedef struct LsEventRow
{
	HeapTuple row;
	const NullableDatum *arguments;
	const Datum *values;
	const bool *nulls; /* of the values */
} LsEventRow;

/* ls_engagement_accumulate.c */
extern void ls_event_read(const LsEventReader *reader,
						  const LsEventRow *event,
						  TimestampTz as_of,
						  LsParcel *parcel);
extern void ls_accumulator_add(LsAccumulator *acc,
							   const LsEventReader *reader,
							   const LsEventRow *event,
							   TimestampTz as_of,
							   LsQueue *queue);
extern void ls_queue_bring(LsQueue *queue);

/* ls_engagement_reader.c */
extern LsEngagement *ls_event_bind(LsEventReader *reader, text *model, text *source);
extern TimestampTz ls_event_as_of(Datum value, bool is_null);
extern TupleDesc ls_event_describe(const Node *names, List *arguments);
extern void ls_event_map(LsEventReader *reader, TupleDesc desc);
extern int ls_event_last_column(const LsEventReader *reader);

/* ls_engagement_agg.c */
extern MemoryContext ls_aggregate_context(FunctionCallInfo fcinfo);

/* ls_engagement_cells.c */
extern LsFrame ls_frame_of(LsEngagement *engagement,
						   TimestampTz as_of,
						   MemoryContext context);
extern LsAccumulator *ls_accumulator_new(LsEngagement *engagement,
										 TimestampTz as_of,
										 MemoryContext context);
extern LsAccumulator *ls_accumulator_new_alone(const LsFrame *frame);
extern LsAccumulator *ls_accumulator_start(LsAccumulator *acc, LsFrame *frame);
extern LsFrame *ls_accumulator_own_frame(LsAccumulator *acc);
extern bool ls_accumulator_is_empty(const LsAccumulator *acc);
extern void ls_accumulator_make_room(LsAccumulator *acc, int64 n);
extern void ls_accumulator_add_fact(LsAccumulator *acc, const LsFact *fact);
extern void ls_accumulator_take(LsAccumulator *acc, const LsParcel *parcel);
extern void ls_accumulator_join(LsAccumulator *acc, const LsAccumulator *other);
extern void ls_accumulator_join_state(LsAccumulator *acc, const LsState *state);
extern LsState *ls_accumulator_state(const LsAccumulator *acc);

/* ls_engagement_nursery.c */
extern LsAccumulator *ls_nursery_get(LsNursery *nursery,
									 FunctionCallInfo fcinfo,
									 const LsFrame *wanted);
extern void ls_nursery_settle(const LsAccumulator *acc);

/* ls_engagement_wire.c */
extern bytea *ls_accumulator_send(const LsAccumulator *acc);
extern LsAccumulator *ls_accumulator_receive(FunctionCallInfo fcinfo,
											 const bytea *bytes);
extern void ls_engagement_refuse_change(const LsEngagement *engagement);

/* ls_engagement_type.c */
extern const LsState *ls_state_from_datum(Datum datum);
extern const LsState *ls_state_head_from_datum(Datum datum);
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
extern bool ls_engagement_is_reached(const LsEngagement *engagement,
									 int milestone,
									 const LsMoment *moment);
extern double ls_engagement_points(LsEngagement *engagement,
								   const LsMoment *moment,
								   bool is_intent);
extern double ls_engagement_round(const LsEngagement *engagement,
								  double points,
								  bool is_intent);
extern LsEngagement *ls_engagement_open_call(FunctionCallInfo fcinfo,
											 const LsState **state,
											 LsMoment *moment);
extern void ls_engagement_close(LsEngagement *engagement);

/* ls_engagement_change.c */
extern int64 ls_engagement_next_change(LsEngagement *engagement,
									   const LsMoment *moment,
									   double fit,
									   double adjustment);

#endif /* LS_ENGAGEMENT_H */
