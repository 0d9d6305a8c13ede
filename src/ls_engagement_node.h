/*
 * ls_engagement_node.h: the plan node Engagement Aggregate.
 */
#ifndef LS_ENGAGEMENT_NODE_H
#define LS_ENGAGEMENT_NODE_H

#include "postgres.h"

#include "nodes/extensible.h"

/*
 * The node's child gives it events in columns: those of each aggregate side by
 * side, in the order of its arguments, the key, and conditions of FILTER. Numbers
 * of columns are from 1.
 *
 * custom_scan_tlist has the key, then the aggregates. custom_exprs has for each
 * aggregate the model, the source, and as_of (NULL where there is none).
 * custom_private is a list of integers, see LsNodeField; then for each aggregate
 * its first column, and that of its FILTER (0 = none); then the columns that follow
 * from the key.
 */
typedef enum LsNodeField
{
	LS_NODE_KEY_COLUMN,
	LS_NODE_KEY_TYPE, /* as ls_key_stored_type has it */
	LS_NODE_GROUPS,	  /* how many are expected */
	LS_NODE_NAGGREGATES,
	LS_NODE_AGGREGATES
} LsNodeField;

#define LS_NODE_EXPRS 3
#define LS_NODE_FIELDS 2 /* of an aggregate */
#define LS_NODE_MAX_AGGREGATES 16

/* ls_engagement_node.c */
extern const CustomScanMethods ls_engagement_node;

/* ls_engagement_node_path.c */
extern void ls_engagement_node_init(void);

#endif /* LS_ENGAGEMENT_NODE_H */
