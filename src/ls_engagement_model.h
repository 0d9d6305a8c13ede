/*
 * ls_engagement_model.h: engagement rules, compiled: what is accumulated from
 * events (tracks), and what is read off it (timings).
 */
#ifndef LS_ENGAGEMENT_MODEL_H
#define LS_ENGAGEMENT_MODEL_H

#include "postgres.h"

#include "fmgr.h"

#include "ls_engagement_timing.h"
#include "ls_model_cache.h"

/* LsFeed: what an event does that meets a condition. */
typedef struct LsFeed
{
	int track; /* -1 = it is activity */
	bool is_sum;
	uint32 what;
	int distinct; /* number of the matcher's value, -1 = none */
	int value;	  /* the same */
	TimestampTz counts_from;
	TimestampTz counts_until;
} LsFeed;

/* LsFeeds: of one condition. */
typedef struct LsFeeds
{
	int n;
	LsFeed *items;
} LsFeeds;

/* LsHash: how values of an expression are told apart. */
typedef struct LsHash
{
	FmgrInfo *function;
	Oid collation;
} LsHash;

/* Values of the source's matcher that are always there. */
#define LS_EVENT_OCCURRED_AT 0
#define LS_EVENT_CONTACT_ID 1

/* LsEventSource: events of one relation. */
typedef struct LsEventSource
{
	const char *name;
	Oid relid;
	LsMatcher *gate; /* which events count at all; NULL = all */
	LsMatcher *matcher;
	int occurred_at; /* the matcher's column; -1 = it is computed */
	int contact_id;
	LsFeeds always; /* what every event does */
	LsFeeds *feeds; /* by the number of the condition in the matcher */
	LsHash *hashes; /* by the number of the value */
} LsEventSource;

#define LS_REQUIRES_NOTHING (-1)
#define LS_REQUIRES_MISSING (-2)

/* LsBehaviour: an engagement rule. */
typedef struct LsBehaviour
{
	const LsEngagementRow *row;
	LsTiming timing;
	int track;	  /* -1 = last activity */
	int slot;	  /* 0 = no group */
	int requires; /* a rule's number, or one of the above */
} LsBehaviour;

/* LsReaders: rules that are read off together, in their order. */
typedef struct LsReaders
{
	int n;
	const LsBehaviour **rules;
} LsReaders;

/* LsEngagement: the engagement rules of a model. */
typedef struct LsEngagement
{
	LsModel *model;
	uint64 fingerprint; /* of all that is accumulated */
	int ntracks;
	LsTrack *tracks;
	int nrules;
	LsBehaviour *rules;
	int nmilestones;
	LsBehaviour *milestones; /* as the model has them; without points */
	bool uses_activity;		 /* does a rule look at the last activity? */
	bool forgets_when_final; /* has it sequences or streaks? */
	int nsources;
	LsEventSource *sources;
	LsReaders *readers[2]; /* by dimension and track: who gives nothing without facts */
	LsReaders idle[2];	   /* by dimension: who may */
	LsSection *sections;   /* scratch: by track, empty but while a state is read */
	LsOpen open;		   /* scratch: which are not empty */
	double *sums;		   /* scratch: by slot */
	LsFact *facts;		   /* scratch: of one state; NULL = none yet */
	int facts_cap;
	LsLimits *limits[2]; /* of engagement's and intent's groups, by slot */
} LsEngagement;

/* ls_engagement_model.c */
extern LsEngagement *ls_engagement_get(LsModel *model);

/* ls_engagement_source.c */
extern LsEventSource *ls_engagement_source(LsModel *model, const char *name);
extern Node *ls_engagement_moment(Node *expr, const char *zone);
extern Node *ls_engagement_occurred_at(const LsModelRow *model,
									   const LsSourceRow *row,
									   Oid relid);
extern void ls_engagement_compile_source(const LsModel *model,
										 MemoryContext context,
										 const LsSourceRow *row,
										 List *drafts,
										 LsEventSource *source);

/* ls_engagement_track.c */
typedef struct LsDraft LsDraft;
extern size_t ls_engagement_max_size(List *rules, List *sources, const char *model);
extern List *ls_engagement_drafts(List *rules, List *sources, const char *model);
extern LsTiming ls_engagement_timing(const LsEngagementRow *rule);

/* LsDraftFeed: a feed, its expressions still text. */
typedef struct LsDraftFeed
{
	const LsSourceRow *source;
	const char *condition; /* NULL = every event */
	uint32 what;
	const char *distinct_by;
	const char *value;
	TimestampTz counts_from;
	TimestampTz counts_until;
	const char *rule;
} LsDraftFeed;

/* LsDraft: a track and what feeds it. */
struct LsDraft
{
	LsTrack track;
	List *feeds; /* of LsDraftFeed */
	List *rules; /* of LsEngagementRow: who reads it */
};

#endif /* LS_ENGAGEMENT_MODEL_H */
