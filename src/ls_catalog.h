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

#include "datatype/timestamp.h"
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
	char *time_zone;	  /* of columns that have none */
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
	char *written_schema;  /* the same as the row has it: it may be renamed since */
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

/* LsLookupRow: a row of lead_scoring.lookup. */
typedef struct LsLookupRow
{
	char *alias;
	char *relation; /* qualified name as text */
	char *key;
	char *contact_column;
} LsLookupRow;

/* LsSourceRow: a row of lead_scoring.event_source. */
typedef struct LsSourceRow
{
	char *name;
	char *relation; /* qualified name as text */
	char *contact_id;
	char *occurred_at;
	char *time_zone; /* or NULL = the model's */
	char *condition; /* or NULL = every event counts */
	char *activity;	 /* or NULL = all that count are activity */
} LsSourceRow;

/* LsDealRow: a row of lead_scoring.deal_source; but for the relation, expressions. */
typedef struct LsDealRow
{
	char *relation; /* qualified name as text */
	char *contact_id;
	char *amount;
	char *created_at;
	char *closed_at;
	char *won;
} LsDealRow;

typedef enum LsRuleKind
{
	LS_KIND_EACH,
	LS_KIND_COUNT,
	LS_KIND_INACTIVE,
	LS_KIND_SEQUENCE,
	LS_KIND_STREAK
} LsRuleKind;

typedef enum LsStepOrder
{
	LS_ORDER_IN_ORDER,
	LS_ORDER_ANY,
	LS_ORDER_CONSECUTIVE
} LsStepOrder;

/*
 * LsEngagementRow: a row of lead_scoring.engagement_rule. Intervals are in
 * microseconds, 0 = not given; numbers are -1 where not given.
 */
typedef struct LsEngagementRow
{
	char *name;
	char *group_name; /* or NULL */
	bool is_intent;	  /* dimension */
	char *source;	  /* or NULL */
	LsRuleKind kind;
	char *condition; /* or NULL = every event */
	double points;
	int64 within_us;
	int max_count;
	int at_least;
	int at_most;
	char *distinct_by; /* or NULL */
	char *value;	   /* or NULL = 1 */
	char *unless;	   /* or NULL */
	int64 after_us;
	char *requires;			  /* or NULL */
	TimestampTz counts_from;  /* -infinity where not given */
	TimestampTz counts_until; /* infinity where not given */
	int64 repeat_every_us;
	bool if_never_created; /* if_never, its default worked out */
	List *steps;		   /* of char * */
	LsStepOrder step_order;
	char *hit;		/* or NULL */
	int64 grace_us; /* its default filled in */
	int64 half_life_us;
	int64 linear_over_us;
	double decay_percent; /* 0 = not given */
	int64 decay_every_us;
	int64 expires_after_us;
	bool enabled;
} LsEngagementRow;

extern Oid ls_catalog_schema(void);
extern Oid ls_catalog_relid(const char *table);
extern LsModelRow *ls_catalog_model(const char *model, bool missing_ok);

/* ls_catalog_objects.c */
extern char *ls_catalog_objects_schema(const LsModelRow *row);

extern List *ls_catalog_groups(const char *model);
extern List *ls_catalog_fit_rules(const char *model);
extern List *ls_catalog_thresholds(const char *model);
extern List *ls_catalog_lookups(const char *model);
extern List *ls_catalog_sources(const char *model);
extern List *ls_catalog_engagement_rules(const char *model);
extern LsDealRow *ls_catalog_deals(const char *model);
extern bool ls_catalog_watches_all(const LsEngagementRow *rule);
extern LsSourceRow *ls_catalog_source_of(const LsEngagementRow *rule, List *sources);
extern int64 ls_catalog_interval_us(const Interval *interval);

#endif /* LS_CATALOG_H */
