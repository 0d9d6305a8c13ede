/*
 * ls_apply.h: bring rows of <model>_score up to date, many at once.
 */
#ifndef LS_APPLY_H
#define LS_APPLY_H

#include "postgres.h"

#include "access/htup.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "storage/itemptr.h"

#include "ls_engagement_state.h"
#include "ls_key.h"
#include "ls_objects.h"

/*
 * LsCause: why a contact is looked at; see ls_apply_cause_name. Where there are
 * several causes, the last one here counts.
 */
typedef enum LsCause
{
	LS_CAUSE_ACTIVATION,
	LS_CAUSE_RULES,
	LS_CAUSE_TIME,
	LS_CAUSE_EVENT,
	LS_CAUSE_ADJUSTMENT,
	LS_CAUSE_CONTACT,
	LS_CAUSE_MANUAL
} LsCause;

typedef enum LsOutcome
{
	LS_SCORED,	  /* fit is known */
	LS_FAILED,	  /* a condition raised: problem */
	LS_OUTSIDE,	  /* not of the population, or excluded by hand: no row */
	LS_GONE,	  /* no contact: no row */
	LS_RECOMPUTE, /* look at the contacts */
	LS_AS_STORED  /* nothing is known but what they did: as in the score row */
} LsOutcome;

/* LsEvents: how a change comes by what the contact did. */
typedef enum LsEvents
{
	LS_EVENTS_READ,	   /* from its events */
	LS_EVENTS_KEPT,	   /* nothing new: the stored state */
	LS_EVENTS_MERGE,   /* the stored state and what is new */
	LS_EVENTS_SURVEYED /* the state that a survey of all has made of its events */
} LsEvents;

/* LsStored: a score row as it was locked. */
typedef struct LsStored
{
	double fit; /* these NaN where they are null */
	double engagement;
	double intent;
	double total;
	const char *band;		 /* or NULL */
	const char *grade;		 /* or NULL */
	const char *stage;		 /* or NULL */
	TimestampTz stage_since; /* -infinity = no stage */
	bool by_hand;
	const char *memory; /* or NULL */
	TimestampTz since;	/* -infinity = unknown */
	TimestampTz scored_at;
	TimestampTz due_at;		   /* infinity = never */
	TimestampTz last_activity; /* -infinity = none */
	const LsState *state;	   /* or NULL */
	int64 stamp;
	bool has_problem;
} LsStored;

/*
 * LsSurveyed: what a survey of all (ls_survey.c) has seen of a contact. It holds as
 * long as nobody has locked its score row since: who changes what a score follows
 * from does that before he commits.
 */
typedef struct LsSurveyed
{
	bool has_row; /* a score row, and this was it: */
	ItemPointerData tid;
	TransactionId xmin;
	TransactionId xmax;
	bool is_alone;		  /* nobody could change anything since */
	const LsState *state; /* of its events; NULL = it has none */
} LsSurveyed;

struct LsRows;

/* LsChange: what a score row must become. */
typedef struct LsChange
{
	LsKey key;
	HeapTuple row;						   /* its score row, locked; or NULL */
	const LsStored *stored;				   /* NULL = the contact is new to the model */
	const struct LsAdjustment *adjustment; /* NULL = nobody says anything */
	LsCause cause;
	bool silent;	 /* what is true by now sets off no action */
	bool is_preview; /* as if the model were active */
	bool is_walked;	 /* by a rescore, which goes through everyone */
	bool is_early;	 /* not everyone is scored by these rules yet */
	LsOutcome outcome;
	LsEvents events;
	struct LsAccumulator *delta; /* new events, to be merged */
	const LsSurveyed *surveyed;	 /* or NULL */
	bool is_untouched;			 /* locked as it was surveyed */
	double fit;
	const LsState *state; /* NULL where the model has no engagement rules */
	double engagement;
	double intent;
	double total;	  /* this and the next three follow from the scores */
	const char *band; /* or NULL */
	int band_rank;
	const char *grade;		   /* or NULL */
	TimestampTz since;		   /* when the contact came to be; -infinity = unknown */
	TimestampTz last_activity; /* -infinity = none */
	TimestampTz due_at;		   /* infinity = never */
	const char *stage;		   /* or NULL; these as in the score row */
	TimestampTz stage_since;   /* -infinity = no stage */
	bool by_hand;
	const char *memory;				/* or NULL */
	const char *recalled;			/* the same of a contact that is new; or NULL */
	HeapTuple contact;				/* its row; NULL = not at hand */
	struct LsContactReader *reader; /* of the contact */
	const char *column_stage;		/* what its stage column says; or NULL */
	bool has_column;				/* that is known */
	List *milestones;				/* names of those reached */
	const char *found_stage;		/* where it was before we moved it; or NULL */
	bool has_moved;					/* by a transition */
	bool was_moved;					/* by a person */
	const char *held_back;			/* why it keeps its place; NULL = it does not */
	bool is_fault;					/* somebody must do something about that */
	const char *problem;
	int64 stamp; /* of the rules that said so */
} LsChange;

extern void ls_apply_evaluate(LsModel *model,
							  const LsTableMap *map,
							  const HeapTuple *rows,
							  TimestampTz as_of,
							  LsChange *change);
extern void ls_apply_ensure(const LsObjects *objects, const LsChange *changes, int n);
extern void ls_apply_score(const LsObjects *objects,
						   LsChange *changes,
						   int n,
						   TimestampTz as_of);
extern void ls_apply_label(const LsModel *model, LsChange *change);
extern void ls_apply_rate(const LsObjects *objects,
						  LsChange *changes,
						  int n,
						  TimestampTz as_of);
extern void ls_apply_changes(const LsObjects *objects, LsChange *changes, int n);
extern int ls_apply_free(const LsObjects *objects, LsChange *changes, int n);
extern Datum ls_apply_keys(const LsObjects *objects, const LsChange *changes, int n);
extern LsChange *ls_apply_find(LsChange *changes, int n, LsKey key);
extern int ls_apply_compare(const void *a, const void *b);
extern int ls_apply_orphans(const LsObjects *objects,
							const LsKey *last,
							LsChange **changes);
extern void ls_apply_sweep(const LsObjects *objects);
extern bool ls_apply_problem(const LsObjects *objects,
							 LsChange *change,
							 const char *problem,
							 bool is_free);

extern void ls_apply_keep_life(LsChange *change);

/* ls_apply_queue.c */
extern const char *ls_apply_cause_name(LsCause cause);
extern LsCause ls_apply_cause_of(const char *name);
extern int ls_apply_found(const LsObjects *objects, LsChange **changes);
extern void ls_apply_queue(const LsObjects *objects,
						   const LsChange *changes,
						   int n,
						   const char *reason);

/* ls_apply_merge.c */
extern void ls_apply_plan(const LsModel *model, LsChange *changes, int n);
extern bool ls_apply_keep_state(struct LsEngagement *engagement,
								LsChange *change,
								TimestampTz as_of);

/* ls_apply_state.c */
extern TimestampTz ls_apply_since(const LsModel *model,
								  TupleDesc desc,
								  HeapTuple contact);
extern const LsState *ls_apply_join_states(struct LsEngagement *engagement,
										   const LsState *a,
										   const LsState *b,
										   TimestampTz as_of);
extern void ls_apply_check_state(const struct LsEngagement *engagement,
								 const LsState *state);
extern void ls_apply_states(const LsObjects *objects,
							LsChange *changes,
							int n,
							TimestampTz as_of);
extern bool ls_apply_stored_state(const LsObjects *objects,
								  LsModel *model,
								  LsChange *change,
								  TimestampTz as_of);

/* ls_apply_quick.c */
extern bool ls_apply_quick(LsModel *model, const LsChange *change);

/* ls_apply_remove.c */
extern void ls_apply_remove(const LsObjects *objects, const LsChange *changes, int n);
extern bool ls_apply_any_gone(const LsObjects *objects, bool with_scores);
extern void ls_apply_sweep_records(const LsObjects *objects, bool any_gone);

/* ls_apply_write.c */
extern void ls_apply_write(const LsObjects *objects,
						   struct LsRows *rows,
						   LsChange *changes,
						   int n,
						   TimestampTz as_of);
extern HeapTuple ls_apply_form(const struct LsRows *rows,
							   LsChange *change,
							   TimestampTz as_of);
extern bool ls_apply_is_news(const LsChange *change, TimestampTz as_of);
extern Datum ls_apply_some_keys(const LsObjects *objects,
								const LsChange *changes,
								int n,
								int outcomes);

#define LS_ANY_OUTCOME (~0)
#define LS_OUTCOME(outcome) (1 << (outcome))

#endif /* LS_APPLY_H */
