/*
 * ls_live.h: the scores of one contact, as the view shows them.
 */
#ifndef LS_LIVE_H
#define LS_LIVE_H

#include "postgres.h"

#include "access/htup_details.h"
#include "access/tupdesc.h"
#include "datatype/timestamp.h"
#include "fmgr.h"

#include "ls_dossier.h"
#include "ls_engagement.h"

/* LsLiveRows: a table of the model, for one execution of a query. */
typedef enum LsRowsState
{
	LS_ROWS_UNKNOWN,
	LS_ROWS_NONE,
	LS_ROWS_SOME,
	LS_ROWS_EVERYONE
} LsRowsState;

typedef struct LsLiveRows
{
	Oid relid;
	LsRowsState state;
} LsLiveRows;

/* LsLiveCall: what one place in a query needs, kept from row to row. */
typedef struct LsLiveCall
{
	uint64 generation;
	LsModel *model;
	Oid user;
	Oid key_type; /* of the contact's id, as stored */
	bool is_live; /* do triggers keep the scores of the model? */
	bool fades;	  /* do scores change all the time ... */
	int ntracks;
	bool *fading; /* ... by facts of these tracks? */
	LsLiveRows queue;
	LsLiveRows adjustments;
	MemoryContext context; /* of all that follows; emptied when the model changes */
	LsDossier *dossier;	   /* NULL = not needed yet */
	LsContactReader *reader;
	LsRowMap *fit;
	LsRowMap *population;
	TupleDesc desc; /* of the result; NULL = not needed yet */
	text *name;
} LsLiveCall;

/* LsLive: a row of type lead_scoring.live. */
typedef struct LsLive
{
	bool is_shown;	/* is the contact scored at all? */
	bool is_scored; /* else there are no scores and labels */
	double fit;
	double by_hand; /* points of adjustments */
	double engagement;
	double intent;
	double total;
	Datum band;				   /* text; 0 = none */
	Datum grade;			   /* the same */
	TimestampTz last_activity; /* -infinity = none */
	const char *freshness;
	const char *problem; /* or NULL */
} LsLive;

/* ls_live_score.c */
extern LsLiveCall *ls_live_call(FunctionCallInfo fcinfo, text *model, int key_argument);
extern void ls_live_check_sources(const LsModel *model, int64 sources);
extern bool ls_live_can_read(const LsModel *model,
							 const LsState *state,
							 TimestampTz as_of);
extern bool ls_live_fades(LsLiveCall *call, const LsState *state);
extern void ls_live_read(LsLiveCall *call,
						 LsLive *live,
						 const LsState *state,
						 TimestampTz as_of,
						 TimestampTz since);
extern void ls_live_total(const LsModel *model, LsLive *live, Datum band, Datum grade);
extern void ls_live_label(const LsModel *model, LsLive *live);
extern Datum ls_live_row(FunctionCallInfo fcinfo, const LsLive *live);

/* ls_live_anew.c */
extern LsDossier *ls_live_dossier(LsLiveCall *call);
extern void ls_live_anew(LsLiveCall *call,
						 LsLive *live,
						 HeapTupleHeader contact,
						 Datum key,
						 const LsState *state,
						 TimestampTz as_of);

/* ls_live_rows.c */
extern LsLiveRows ls_live_find_rows(const LsModelRow *row, const char *suffix);
extern bool ls_live_is_in(LsLiveRows *rows, Oid key_type, Datum contact_id);

#endif /* LS_LIVE_H */
