/*
 * ls_engagement_node_state.h: the plan node Engagement Aggregate at work: shared by
 * ls_engagement_node*.c only.
 */
#ifndef LS_ENGAGEMENT_NODE_STATE_H
#define LS_ENGAGEMENT_NODE_STATE_H

#include "ls_engagement_node.h"

#include "access/parallel.h"
#include "nodes/execnodes.h"

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

typedef struct LsNodeShared LsNodeShared;
typedef struct LsCourier LsCourier;

typedef struct LsNode
{
	CustomScanState css; /* at the beginning */
	PlanState *child;
	bool has_read;	/* all that the child has, since it was told to begin anew */
	int key_column; /* from 0 */
	Oid key_type;
	double expected; /* groups */
	int naggs;
	LsNodeAgg *aggs;
	int nrest;				  /* columns that follow from the key */
	int *rest;				  /* from 0 */
	TupleTableSlot *follower; /* a row of them; NULL = there are none */
	TupleTableSlot *follower_given;
	int ncolumns;		  /* of the child, that are looked at */
	MemoryContext own;	  /* of the groups */
	LsGroups *groups;	  /* NULL = no events were read yet */
	LsNodeShared *shared; /* by other processes; NULL = it is alone */
	LsCourier *courier;	  /* to them */
	int nparts;			  /* into which the keys are divided; 1 = it has all */
	int part;			  /* whose events it keeps; -1 = none */
	LsNodeUsage usage;
} LsNode;

/* ls_engagement_node.c */
extern void ls_node_forget_groups(LsNode *node);

/* ls_engagement_node_events.c */
extern void ls_node_make_ready(LsNode *node, int agg);
extern void ls_node_begin_groups(LsNode *node);
extern void ls_node_read_events(LsNode *node);

/* ls_engagement_node_parallel.c */
extern Size ls_node_estimate_shared(CustomScanState *css, ParallelContext *context);
extern void ls_node_begin_shared(CustomScanState *css,
								 ParallelContext *context,
								 void *coordinate);
extern void ls_node_again_shared(CustomScanState *css,
								 ParallelContext *context,
								 void *coordinate);
extern void ls_node_join_shared(CustomScanState *css, shm_toc *toc, void *coordinate);
extern void ls_node_shut_down(CustomScanState *css);
extern void ls_node_agree(LsNode *node, int agg, const LsEngagement *engagement);
extern LsItem *ls_node_foreign_item(LsNode *node, const LsHashed *of);
extern void ls_node_send(LsNode *node, const LsItem *item);
extern bool ls_node_next_part(LsNode *node);

#endif /* LS_ENGAGEMENT_NODE_STATE_H */
