/*
 * ls_ledger.h: where a contact's total comes from, item by item.
 */
#ifndef LS_LEDGER_H
#define LS_LEDGER_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "ls_dossier.h"
#include "ls_engagement.h"

typedef enum LsDimension
{
	LS_FIT,
	LS_ENGAGEMENT,
	LS_INTENT,
	LS_TOTAL
} LsDimension;

#define LS_DIMENSIONS 3

typedef enum LsItemKind
{
	LS_ITEM_RULE,
	LS_ITEM_GROUP_LIMIT,
	LS_ITEM_LIMIT,
	LS_ITEM_WEIGHT,
	LS_ITEM_ADJUSTMENT
} LsItemKind;

/*
 * LsItem: a line of the ledger. The points of all add up to the total, but for
 * rounding. Those of rules are before limits and weights, which are lines, too.
 */
typedef struct LsItem
{
	LsItemKind kind;
	LsDimension dimension;
	int slot;					  /* of a rule or a limit: its group; 0 = none */
	const LsFitRow *fit;		  /* of a fit rule */
	const LsBehaviour *behaviour; /* of an engagement rule */
	const LsSaid *said;			  /* of an adjustment */
	double points;
	double lost;		 /* of them, to limits */
	int64 occurrences;	 /* that count */
	int64 last_us;		 /* latest match; INT64_MIN = none */
	int64 next_us;		 /* when it may change by itself; INT64_MAX = never */
	LsLack lack;		 /* why it does not count */
	bool lacks_required; /* the rule that it requires does not count */
} LsItem;

/* LsLedger: of one contact, as of one moment. */
typedef struct LsLedger
{
	const LsModel *model;
	TimestampTz as_of;
	int n;
	LsItem *items;
	double subs[LS_DIMENSIONS]; /* sub-scores, rounded */
	double total;
} LsLedger;

/* ls_ledger.c */
extern LsLedger *ls_ledger_make(LsModel *model,
								const int *fit_rules,
								int nfit_rules,
								double fit,
								const LsState *state,
								List *said,
								TimestampTz as_of,
								TimestampTz since);
extern double ls_ledger_weight(const LsModel *model, LsDimension dimension);

/* ls_ledger_limit.c */
extern void ls_ledger_sum_up(LsLedger *ledger);

/* ls_ledger_add: a line, of which there must be room for one. */
static inline LsItem *
ls_ledger_add(LsLedger *ledger, LsItemKind kind, LsDimension dimension)
{
	LsItem *item = &ledger->items[ledger->n++];

	memset(item, 0, sizeof(LsItem));
	item->kind = kind;
	item->dimension = dimension;
	item->occurrences = -1;
	item->last_us = PG_INT64_MIN;
	item->next_us = PG_INT64_MAX;
	return item;
}

#endif /* LS_LEDGER_H */
