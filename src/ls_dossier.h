/*
 * ls_dossier.h: what is known of one contact, read as whoever asks.
 */
#ifndef LS_DOSSIER_H
#define LS_DOSSIER_H

#include "postgres.h"

#include "access/htup.h"
#include "datatype/timestamp.h"

#include "ls_contact.h"
#include "ls_engagement_state.h"
#include "ls_model_cache.h"

/* LsSaid: a row of <model>_adjustment. */
typedef enum LsSaidKind
{
	LS_SAID_POINTS,
	LS_SAID_RESET,
	LS_SAID_EXCLUDE
} LsSaidKind;

typedef struct LsSaid
{
	LsSaidKind kind;
	const char *dimension; /* or NULL */
	double points;
	const char *reason; /* or NULL */
	TimestampTz from;
	TimestampTz until; /* infinity where it has no end */
} LsSaid;

/* LsByHand: what the rows of a contact come to, as of a moment. */
typedef struct LsByHand
{
	double points;		  /* added to the total */
	TimestampTz reset_at; /* events before it do not count; -infinity = all do */
	bool is_excluded;
} LsByHand;

/* LsDossierQuery: a statement, which is planned when first used. */
typedef struct LsDossierQuery
{
	const char *sql; /* NULL = not written yet */
	bool is_planned;
} LsDossierQuery;

/*
 * LsDossier: of one contact after another. Good as long as the model; what was read
 * of a contact is good until the next one is opened.
 */
typedef struct LsDossier
{
	LsModel *model;
	MemoryContext context; /* of the dossier */
	MemoryContext memory;  /* of what was read of the contact */
	Oid key_type;		   /* of the contact's id, without its domain */
	LsDossierQuery contact;
	LsDossierQuery said;
	LsDossierQuery stage;
	LsDossierQuery *sources[2]; /* by source: all events; those since a reset */
	LsContactReader *reader;
	const HeapTuple *rows; /* the contact's, and its lookups' */
	TimestampTz since;	   /* when it came to be; -infinity = unknown */
} LsDossier;

extern LsDossier *ls_dossier_open(LsModel *model);
extern void ls_dossier_next(LsDossier *dossier);
extern bool ls_dossier_find(LsDossier *dossier, Datum key);
extern const LsState *ls_dossier_state(LsDossier *dossier,
									   Datum key,
									   TimestampTz as_of,
									   TimestampTz reset_at);
extern List *ls_dossier_said(LsDossier *dossier, Datum key);
extern char *ls_dossier_stage(LsDossier *dossier,
							  Datum key,
							  TimestampTz as_of,
							  TimestampTz *since);
extern LsByHand ls_dossier_by_hand(List *said, TimestampTz as_of);

/* ls_dossier_counts: does the row count as of the moment? */
static inline bool
ls_dossier_counts(const LsSaid *said, TimestampTz as_of)
{
	return said->from <= as_of && as_of < said->until;
}

#endif /* LS_DOSSIER_H */
