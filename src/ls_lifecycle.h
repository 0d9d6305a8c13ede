/*
 * ls_lifecycle.h: stages, the moves between them, and the actions that they and
 * the scores set off.
 */
#ifndef LS_LIFECYCLE_H
#define LS_LIFECYCLE_H

#include "postgres.h"

#include "access/htup.h"
#include "access/tupdesc.h"

#include "ls_apply.h"
#include "ls_catalog_life.h"

/* LsTransition: a transition between stages that are known by number. */
typedef struct LsTransition
{
	int from;
	int to;
	int value; /* number of its condition in the matcher */
} LsTransition;

/* LsAction: an action and its condition. */
typedef struct LsAction
{
	const LsActionRow *row;
	int value; /* number of its condition in the matcher */
} LsAction;

/* LsLifecycle: the lifecycle of a model, compiled. */
typedef struct LsLifecycle
{
	LsModel *model;
	int nstages;
	const LsStageRow **stages; /* by position */
	int ntransitions;
	LsTransition *transitions; /* the highest target first */
	int nactions;
	LsAction *actions;	/* by name */
	HeapTuple *no_rows; /* of a contact and its lookups */
	LsRowMap *no_map;	/* how conditions read a score where there are no such rows */
	LsMatcher *matcher; /* gives the values of all conditions */
	bool uses_contact;	/* does a condition look at the contact's row? */
	bool may_raise;
	bool is_builtin; /* is nothing called but what is part of the server itself? */
	bool is_daily;	 /* may a condition flip at any time? */
	int nages;
	int64 *ages_us;	  /* of a stage, at which a condition may flip */
	List *thresholds; /* of LsThresholdRow: points at which a condition may flip */
} LsLifecycle;

/* LsMove: one that a contact has made. */
typedef struct LsMove
{
	const LsChange *change;
	const char *from; /* or NULL */
	const char *to;	  /* or NULL */
	LsCause cause;
} LsMove;

/* LsFiring: an action that is to happen. */
typedef struct LsFiring
{
	const LsChange *change;
	const LsActionRow *action;
	bool is_enter; /* else it is the other edge */
} LsFiring;

/* ls_lifecycle_compile.c */
extern LsLifecycle *ls_lifecycle_get(LsModel *model);
extern LsRowMap *ls_lifecycle_map(const LsLifecycle *life,
								  const TupleDesc *contact,
								  int n);
extern int ls_lifecycle_stage(const LsLifecycle *life, const char *name);

/* ls_lifecycle_watch.c: when a condition may flip by itself */
extern void ls_lifecycle_watch(LsLifecycle *life, Node *condition);
extern TimestampTz ls_lifecycle_due(const LsLifecycle *life,
									const LsChange *change,
									TimestampTz as_of);

/* ls_lifecycle_memory.c: what is remembered of a contact */
typedef struct LsMemory LsMemory;
extern LsMemory *ls_memory_read(const char *text);
extern const char *ls_memory_write(const LsMemory *memory);
extern bool ls_memory_has(const LsMemory *memory, char what, const char *name);
extern void ls_memory_set(LsMemory *memory, char what, const char *name, bool on);
extern bool ls_memory_moment(const LsMemory *memory, const char *name, int64 *at_us);
extern void ls_memory_set_moment(LsMemory *memory, const char *name, int64 at_us);
extern const char *ls_memory_join_fired(const char *into, const char *from);
extern void ls_memory_forget_all(LsMemory *memory, char what);

#define LS_MEMORY_HOLDS '+' /* the condition of an action */
#define LS_MEMORY_HELD '!'	/* a transition to that stage waits */
#define LS_MEMORY_FREE '~'	/* one out of a stage set by hand does not wait */
#define LS_MEMORY_FIRED '@' /* when an action happened last */

/* ls_lifecycle.c */
extern bool ls_lifecycle_is_needed(const LsModel *model);
extern bool ls_lifecycle_needs_contact(LsModel *model);
extern bool ls_lifecycle_is_builtin(LsModel *model);
extern void ls_lifecycle_complete_map(LsModel *model,
									  const LsTableMap *map,
									  TupleDesc desc);
extern bool ls_lifecycle_same_contact(const char *model,
									  const LsTableMap *map,
									  TupleDesc desc,
									  HeapTuple old_tuple,
									  HeapTuple new_tuple);
extern void ls_lifecycle_evaluate(LsLifecycle *life,
								  LsRowMap *map,
								  LsChange *change,
								  TimestampTz as_of,
								  List **moves,
								  List **firings);

/* ls_lifecycle_follow.c: many contacts */
extern void ls_lifecycle_look_at(LsModel *model,
								 LsChange *change,
								 TimestampTz as_of,
								 List **moves,
								 List **firings);
extern void ls_lifecycle_look(LsModel *model,
							  LsChange *changes,
							  int n,
							  TimestampTz as_of,
							  List **moves,
							  List **firings);
extern void ls_lifecycle_follow(const LsObjects *objects,
								LsChange *changes,
								int n,
								TimestampTz as_of,
								List **moves,
								List **firings);
extern void ls_lifecycle_hold_back(LsChange *change,
								   TimestampTz as_of,
								   const char *reason);
extern void ls_lifecycle_queue_held(const LsObjects *objects,
									const LsChange *changes,
									int n);

/* ls_lifecycle_recall.c: contacts that come back */
extern void ls_lifecycle_recall(const LsObjects *objects, LsChange *changes, int n);

/* ls_lifecycle_stage.c: the stage column of the contacts */
extern bool ls_lifecycle_is_ours(const char *model);
extern void ls_lifecycle_write_stages(const LsObjects *objects,
									  const LsModel *model,
									  LsChange *changes,
									  int n,
									  TimestampTz as_of);

/* ls_lifecycle_record.c: histories, outbox, notifications */
extern bool ls_lifecycle_is_history(const LsChange *change);
extern const char *ls_lifecycle_cause(const LsChange *change);
extern void ls_lifecycle_record(const LsObjects *objects,
								const LsChange *changes,
								int n,
								List *moves,
								List *firings,
								TimestampTz as_of);

#endif /* LS_LIFECYCLE_H */
