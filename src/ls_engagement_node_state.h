/*
 * ls_engagement_node_state.h: the plan node Engagement Aggregate at work: shared by
 * ls_engagement_node*.c only.
 */
#ifndef LS_ENGAGEMENT_NODE_STATE_H
#define LS_ENGAGEMENT_NODE_STATE_H

#include "ls_engagement_node.h"

#include "nodes/execnodes.h"
#include "port/atomics.h"
#include "storage/spin.h"

#include "ls_engagement_groups.h"

/* LsNodeAgg: one of the aggregates. */
typedef struct LsNodeAgg
{
	const Aggref *call;
	ExprState *model;
	ExprState *source;
	ExprState *as_of; /* NULL = lead_scoring.as_of() */
	int first;		  /* of its columns, from 0 */
	int filter;		  /* a column, from 0; -1 = none */
	bool is_bound;	  /* is the model known? From then on, until the end */
	bool is_ready;	  /* is as_of known? For the table at hand */
	LsEngagement *engagement;
	LsEventReader reader;
	TimestampTz as_of_us;
} LsNodeAgg;

/* LsNodeUsage: for EXPLAIN. */
typedef struct LsNodeUsage
{
	int64 ntables;
	Size peak;	   /* bytes of the largest table */
	int64 written; /* bytes */
} LsNodeUsage;

/* LsNodeShared: by all processes of a parallel query. */
typedef struct LsNodeShared
{
	pg_atomic_uint32 next; /* part of the keys that nobody has taken */
	slock_t mutex;
	LsNodeUsage usage;
} LsNodeShared;

typedef struct LsNode
{
	CustomScanState css; /* at the beginning */
	PlanState *child;
	bool child_has_run; /* since it was told to begin anew */
	int key_column;		/* from 0 */
	Oid key_type;
	double expected; /* groups */
	int naggs;
	LsNodeAgg *aggs;
	int ncolumns;		  /* of the child, that are looked at */
	MemoryContext own;	  /* of the groups */
	LsGroups *groups;	  /* NULL = no events were read yet */
	LsNodeShared *shared; /* NULL = it is alone */
	uint32 nparts;		  /* in which the keys are divided between processes */
	uint32 part;		  /* the one at hand */
	LsNodeUsage usage;
} LsNode;

/* ls_engagement_node_events.c */
extern void ls_node_read_events(LsNode *node);

#endif /* LS_ENGAGEMENT_NODE_STATE_H */
