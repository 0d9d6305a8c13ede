/*
 * ls_model_cache.h: compiled models, one of each in a backend.
 */
#ifndef LS_MODEL_CACHE_H
#define LS_MODEL_CACHE_H

#include "postgres.h"

#include "access/tupdesc.h"

#include "ls_catalog.h"
#include "ls_lookup.h"
#include "ls_match.h"

/*
 * LsModel: a model as of its last change. It is valid until the end of the
 * transaction; beyond that only while ls_model_generation stands.
 */
typedef struct LsModel
{
	MemoryContext context;
	uint64 signature[2]; /* of the rows that it was built from */
	LsModelRow *row;
	Oid relid;			 /* the contacts */
	Oid owner;			 /* of the contacts */
	int64 stamp;		 /* of all that scores depend on */
	int64 sources_stamp; /* of the event sources and lookups alone */
	List *thresholds;	 /* of LsThresholdRow */
	List *groups;		 /* of LsGroupRow */
	List *sources;		 /* of LsSourceRow */
	List *lookups;		 /* of LsLookup: relations 2 and on in conditions */
	List *behaviour;	 /* of LsEngagementRow, enabled ones only */
	List *milestones;	 /* of LsEngagementRow */
	List *stages;		 /* of LsStageRow, by position */
	List *transitions;	 /* of LsTransitionRow */
	List *actions;		 /* of LsActionRow */
	int64 life_stamp;	 /* of all that moves and actions follow from, and stamp */
	int nslots;			 /* slot 0 has no group and no limits */
	LsLimits *slot_limits;
	LsMatcher *fit;
	LsMatcher *population;			 /* NULL = everyone */
	bool uses_as_of;				 /* may a score change with time alone? */
	struct LsExplainer *explainer;	 /* or NULL: see ls_model_explainer */
	struct LsEngagement *engagement; /* or NULL: see ls_engagement_get */
	List *watched;					 /* of LsThresholdRow: what lifecycle looks at */
	struct LsLifecycle *lifecycle;	 /* or NULL: see ls_lifecycle_get */
	struct LsQuick *quick;			 /* or NULL: see ls_apply_quick */
	struct HTAB *table_maps;		 /* LsTableMap of tables with triggers, or NULL */
} LsModel;

/* ls_model_has_behaviour: do scores depend on more than the contact's row? */
static inline bool
ls_model_has_behaviour(const LsModel *model)
{
	return model->behaviour != NIL || model->sources != NIL;
}

/* ls_model_is_mixed: has not everyone been scored by these rules? */
static inline bool
ls_model_is_mixed(const LsModel *model)
{
	return !model->row->has_scored_stamp ||
		   model->row->scored_stamp != model->life_stamp;
}

/* LsExplainer: the fit rules one by one. */
typedef struct LsExplainer
{
	LsMatcher *matcher; /* lists matching rules by their place in `rules` */
	List *rules;		/* of LsFitRow, enabled ones only */
	List *groups;		/* of LsGroupRow */
} LsExplainer;

/* LsTableMap: how rows of one table (a partition, say) are read. */
typedef struct LsTableMap
{
	Oid relid;		/* key of table_maps */
	AttrNumber key; /* the contact's id; none where the table is not the model's */
	Oid key_type;	/* as stored */
	LsRowMap *fit;
	LsRowMap *population;
	AttrNumber *links;	/* columns that lookups are by, in the lookups' order */
	AttrNumber stage;	/* column of the stage; 0 = there is none */
	LsRowMap *life;		/* what the lifecycle looks at; NULL = not known yet */
	Bitmapset *columns; /* all of these, known with life; as a trigger is told them */
} LsTableMap;

/* Changes whenever a pointer to a model, or a map of a row type, may be stale. */
extern uint64 ls_model_generation;

/* Changes then, too, and whenever a per-model table may be another. */
extern uint64 ls_upkeep_generation;

extern void ls_model_cache_init(void);
extern LsModel *ls_model_get(const char *name);
extern int ls_model_slot_of(const char *group_name, List *groups);
extern const LsExplainer *ls_model_explainer(LsModel *model);
extern bool ls_model_is_current(const char *name);
extern bool ls_model_has_table_map(const char *name, Oid relid);
extern bool ls_model_is_free(const char *name);
extern bool ls_model_is_broken(const char *name);
extern void ls_model_mark_broken(const char *name);
extern void ls_model_watch(Oid relid);
extern void ls_model_watch_upkeep(Oid relid);
extern const LsTableMap *ls_model_table_map(LsModel *model, Oid relid, TupleDesc desc);
extern void ls_model_complete_table_map(LsModel *model, Oid relid, LsRowMap *life);
extern LsCondScope *ls_model_scope_with(const LsModelRow *row,
										Oid relid,
										List *lookups);
extern LsCondScope *ls_model_scope(const LsModelRow *row, Oid relid);
extern LsCondScope *ls_model_score_scope_with(const LsModelRow *row,
											  Oid relid,
											  List *lookups);
extern LsCondScope *ls_model_score_scope(const LsModelRow *row, Oid relid);
extern LsCondScope *ls_model_event_scope(const LsModelRow *row,
										 Oid contacts,
										 Oid events);
extern LsCondScope *ls_model_deal_scope(const LsModelRow *row, Oid contacts, Oid deals);

#endif /* LS_MODEL_CACHE_H */
