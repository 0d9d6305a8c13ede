/*
 * ls_what_if.h: a contact's total if one more event happened.
 */
#ifndef LS_WHAT_IF_H
#define LS_WHAT_IF_H

#include "postgres.h"

#include "ls_explain.h"

/* LsWhatIf: a contact at a moment. */
typedef struct LsWhatIf
{
	const LsAsked *asked;
	TimestampTz as_of;
	const LsState *state; /* NULL where the model has no engagement rules */
	List *drafts;		  /* LsDraft, by track */
	LsFact *facts;		  /* of the state */
	int nfacts;
	double total;
	int rank; /* of its band */
} LsWhatIf;

/* LsImagined: one more event, and what it comes to. */
typedef struct LsImagined
{
	const LsBehaviour *rule; /* that it meets */
	const char *condition;	 /* of the event; NULL = any event of the source */
	double total;
} LsImagined;

extern LsWhatIf *ls_what_if_open(const LsAsked *asked, TimestampTz as_of);
extern double ls_what_if_total(const LsWhatIf *what_if,
							   const LsState *state,
							   TimestampTz as_of,
							   double fit);
extern bool ls_what_if_best(const LsWhatIf *what_if,
							const LsBehaviour *rule,
							LsImagined *imagined);

/* ls_what_if_idle.c */
extern TimestampTz ls_what_if_leaves_band(const LsWhatIf *what_if);

#endif /* LS_WHAT_IF_H */
