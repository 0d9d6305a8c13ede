/*
 * ls_catalog_life.h: the rows of a model's lifecycle: stages, transitions,
 * actions, milestones.
 */
#ifndef LS_CATALOG_LIFE_H
#define LS_CATALOG_LIFE_H

#include "postgres.h"

#include "nodes/pg_list.h"

/* LsStageRow: a row of lead_scoring.stage. */
typedef struct LsStageRow
{
	char *name;
	int position;
	bool is_end; /* won or lost: left alone */
} LsStageRow;

/* LsTransitionRow: a row of lead_scoring.transition. */
typedef struct LsTransitionRow
{
	char *from_stage;
	char *to_stage;
	char *condition;
	bool enabled;
} LsTransitionRow;

typedef enum LsEdge
{
	LS_EDGE_ENTER = 1, /* the condition becomes true */
	LS_EDGE_LEAVE = 2, /* it becomes false */
	LS_EDGE_CHANGE = LS_EDGE_ENTER | LS_EDGE_LEAVE
} LsEdge;

/* LsActionRow: a row of lead_scoring.action. Intervals are in microseconds. */
typedef struct LsActionRow
{
	char *name;
	char *condition;
	LsEdge on_edge;
	int64 repeat_after_us; /* -1 = once a contact */
	int64 max_age_us;	   /* -1 = any */
	char *channel;		   /* or NULL */
	bool enabled;
} LsActionRow;

extern List *ls_catalog_stages(const char *model);
extern List *ls_catalog_transitions(const char *model);
extern List *ls_catalog_actions(const char *model);
extern List *ls_catalog_milestones(const char *model);

#endif /* LS_CATALOG_LIFE_H */
