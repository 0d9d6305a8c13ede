/*
 * ls_explain.h: contacts whose scores are asked about by their key.
 */
#ifndef LS_EXPLAIN_H
#define LS_EXPLAIN_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/numeric.h"

#include "ls_ledger.h"

/* LsAsked: a contact that somebody asks about. */
typedef struct LsAsked
{
	LsModel *model;
	LsDossier *dossier;
	const LsExplainer *explainer;
	LsRowMap *rules; /* how the rows are read: rule by rule ... */
	LsRowMap *fit;	 /* ... for the sum ... */
	LsRowMap *population;
	Datum key;
	List *said; /* LsSaid */
} LsAsked;

/* ls_explain_asked.c */
extern LsAsked *ls_asked_open(FunctionCallInfo fcinfo);
extern void ls_asked_check_moment(TimestampTz as_of);
extern const char *ls_asked_outside(const LsAsked *asked, TimestampTz as_of);
extern const LsState *ls_asked_state(const LsAsked *asked,
									 TimestampTz events_until,
									 TimestampTz reset_of);
extern double ls_asked_fit(const LsAsked *asked, TimestampTz as_of);
extern LsLedger *ls_asked_ledger(const LsAsked *asked,
								 const LsState *state,
								 TimestampTz as_of);

/* ls_explain_item.c */
extern Numeric ls_item_number(double points);
extern Numeric ls_item_subtract(Numeric a, Numeric b);
extern bool ls_item_is_zero(Numeric number);
extern const char *ls_item_dimension(const LsItem *item);
extern const char *ls_item_group(const LsModel *model, const LsItem *item);
extern char *ls_item_name(const LsModel *model, const LsItem *item);
extern const char *ls_item_kind(const LsItem *item);
extern char *ls_item_condition(const LsItem *item);
extern char *ls_item_note(const LsItem *item, TimestampTz as_of);

#endif /* LS_EXPLAIN_H */
