/*
 * ls_catalog.h: the configuration tables, read row by row.
 *
 * They are read with a snapshot taken at that moment, as catalogs are, never
 * through SPI: a transaction's own snapshot would keep rules that were changed
 * since, and no message would ever come again.
 */
#ifndef LS_CATALOG_H
#define LS_CATALOG_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "ls_points.h"

/* LsModelRow: a row of lead_scoring.model. */
typedef struct LsModelRow
{
	char *name;
	char *contacts; /* qualified name as text */
	char *contact_id;
	char *stage_column;	  /* or NULL */
	char *created_column; /* or NULL */
	char *population;	  /* condition, or NULL = everyone */
	double fit_weight;
	double engagement_weight;
	double intent_weight;
	LsLimits fit;
	LsLimits engagement;
	LsLimits intent;
	LsLimits total;
	char *status;
	char *search_path;
	char *objects_schema;  /* of the model's tables and views; NULL = none yet */
	bool has_scored_stamp; /* everyone was scored ... */
	int64 scored_stamp;	   /* ... under these rules */
	char *owner;		   /* role that owned the contacts at activation, or NULL */
} LsModelRow;

typedef struct LsGroupRow
{
	char *name;
	char *dimension;
	LsLimits limits;
} LsGroupRow;

typedef struct LsFitRow
{
	char *name;
	char *group_name; /* or NULL */
	char *condition;
	double points;
	bool enabled;
} LsFitRow;

typedef struct LsThresholdRow
{
	char *score; /* total, fit, engagement, intent */
	char *label;
	double min_score; /* -INFINITY = below all others */
} LsThresholdRow;

extern Oid ls_catalog_schema(void);
extern Oid ls_catalog_relid(const char *table);
extern LsModelRow *ls_catalog_model(const char *model, bool missing_ok);
extern List *ls_catalog_groups(const char *model);
extern List *ls_catalog_fit_rules(const char *model);
extern List *ls_catalog_thresholds(const char *model);

#endif /* LS_CATALOG_H */
