/*
 * ls_match_int.h: the inside of a matcher, shared by ls_match_*.c only.
 */
#ifndef LS_MATCH_INT_H
#define LS_MATCH_INT_H

#include "ls_match.h"

#include "executor/tuptable.h"
#include "fmgr.h"
#include "nodes/execnodes.h"
#include "nodes/params.h"

#include "ls_automaton.h"
#include "ls_error.h"

/* ---- what a hit does ------------------------------------------------- */

typedef struct LsAdd
{
	int slot;
	double points;
} LsAdd;

/* LsMore: all that a hit does beyond points for slot 0. */
typedef struct LsMore
{
	int nadds;
	int nhits;
	int nguarded;
	LsAdd *adds;
	int *hits;	  /* rules that match */
	int *guarded; /* rules that may match: ask the executor */
} LsMore;

/* LsPayload: what a hit does. */
typedef struct LsPayload
{
	double points; /* for slot 0 */
	LsMore *more;  /* or NULL */
} LsPayload;

/* ---- predicates ------------------------------------------------------ */

typedef enum LsPredicateKind
{
	LS_PRED_RANGE,	 /* lower .. upper */
	LS_PRED_SET,	 /* one of some values, or none of them */
	LS_PRED_PATTERN, /* LIKE, ILIKE */
	LS_PRED_NULL	 /* IS NULL, IS NOT NULL */
} LsPredicateKind;

/* How values of a subject are compared. */
typedef enum LsKeyClass
{
	LS_KEY_NONE,   /* not at all */
	LS_KEY_INT,	   /* as int64, see ls_match_int_key */
	LS_KEY_BYTES,  /* equal where the bytes are; sets and patterns only */
	LS_KEY_ORDERED /* by the type's btree comparison */
} LsKeyClass;

typedef struct LsBound
{
	bool given;
	bool inclusive;
	Datum value; /* for LS_KEY_INT the key itself */
} LsBound;

typedef struct LsPredicate
{
	LsPredicateKind kind;
	Node *subject; /* over the matcher's columns */
	Oid collation; /* of the comparison */
	LsKeyClass key_class;
	bool negated;

	LsBound lower; /* RANGE */
	LsBound upper;

	int nvalues; /* SET */
	Datum *values;

	LsAnchor anchor; /* PATTERN */
	bool ignore_case;
	const char *bytes; /* in lower case where ignore_case */
	int length;
} LsPredicate;

/* LsAccess: how the rows of a condition are found. */
typedef enum LsAccessKind
{
	LS_ACCESS_NEVER,   /* constant false or null */
	LS_ACCESS_ALWAYS,  /* constant true */
	LS_ACCESS_EXACT,   /* one predicate says it all */
	LS_ACCESS_GUARDED, /* true only where one of the predicates is */
	LS_ACCESS_EVERY	   /* ask the executor for every row */
} LsAccessKind;

typedef struct LsAccess
{
	LsAccessKind kind;
	List *predicates; /* of LsPredicate */
} LsAccess;

extern LsAccess ls_match_access(Node *expr);
extern bool ls_match_predicate(Node *expr, LsPredicate *predicate);
extern bool ls_match_like(Node *expr, LsPredicate *predicate, bool *is_whole_truth);
extern bool ls_match_like_any(Node *expr, List **predicates);
extern void ls_match_sort_values(LsPredicate *predicate);
extern LsKeyClass ls_match_key_class(Oid type, Oid equality_collation);
extern bool ls_match_is_safe_subject(Node *node);
extern int64 ls_match_int_key(Oid type, Datum value);

/* ---- indexes over the values of one subject -------------------------- */

/*
 * LsRangeIndex: the n distinct bounds cut the line into 2n+1 slots, bound i
 * being slot 2i+1. A segment tree over the slots holds what the ranges do;
 * `points` has the sums of slot 0 added up from leaf to root.
 */
typedef struct LsRangeIndex
{
	int nbounds;
	Datum *bounds;
	LsKeyClass key_class;
	FmgrInfo *compare; /* LS_KEY_ORDERED */
	Oid collation;
	int16 typlen;
	bool typbyval;
	int nslots;
	LsPayload *nodes; /* 2 * nslots, root at 1 */
	double *points;	  /* by slot */
	bool has_more;
	List *ranges; /* while building: of LsPendingRange */
} LsRangeIndex;

/*
 * LsSetKey: a byte string. Up to 16 bytes they are in the words themselves, the
 * first and the last eight, which may overlap; beyond, the words are hash and
 * address.
 */
typedef struct LsSetKey
{
	int length; /* -1 = free */
	uint64 words[2];
} LsSetKey;

typedef struct LsSetEntry
{
	LsSetKey key;
	LsPayload payload;
} LsSetEntry;

/* LsSetIndex: open addressing over byte strings. */
typedef struct LsSetIndex
{
	uint32 mask;
	LsSetEntry *entries;
	LsPayload otherwise; /* for values that are not in the table */
	uint64 lengths;		 /* bit min(length, 63): some key has that length */
	bool trim_blanks;	 /* char(n) */
	bool is_fixed;		 /* uuid: 16 bytes without header */
	List *sets;			 /* while building: of LsPendingSet */
} LsSetIndex;

/* LsTextPass: one automaton over a value. */
typedef struct LsTextPass
{
	LsAutomaton *automaton;
	int *numbers; /* pattern of the automaton -> pattern of the index */
} LsTextPass;

/* LsTextIndex: the patterns on a subject, of one kind of case. */
typedef struct LsTextIndex
{
	bool ignore_case;
	bool fold_ascii; /* A-Z and a-z are all that lower() changes in ASCII */
	Oid collation;
	int npasses;
	LsTextPass *passes;
	int npatterns;
	LsPayload *payloads;
	uint32 *seen; /* row in which the pattern was found last */
	int nnegated; /* patterns that count where they are not found */
	int *negated_numbers;
	LsPayload *negated_payloads;
	List *pending; /* while building: of LsPendingPattern */
} LsTextIndex;

/* LsSubject: a column, or an expression over columns, that is looked at. */
typedef struct LsSubject
{
	Node *expr;
	Oid collation;
	Oid type;
	int column;			  /* position of the column, -1 = evaluate `state` */
	ExprState *state;	  /* never raises */
	bool is_set_of_texts; /* a plain column, and nothing but a set of texts */
	LsPayload if_null;
	LsPayload if_not_null;
	LsRangeIndex *ints;
	LsRangeIndex *ordered;
	LsSetIndex *set;
	LsTextIndex *texts[2]; /* LIKE, ILIKE */
} LsSubject;

/*
 * LsTest: a predicate on a plain column, to be decided on the spot. A set of texts
 * is compared byte by byte.
 */
typedef struct LsTest
{
	LsPredicateKind kind; /* SET, RANGE or NULL */
	bool negated;
	bool is_text;
	int column;
	Oid type;
	int64 lower; /* RANGE; both inclusive */
	int64 upper;
	int nvalues; /* SET */
	const int64 *numbers;
	const char *const *texts;
	const int *lengths;
} LsTest;

/* LsGuarded: a rule that its tests decide, or the executor where it has none. */
typedef struct LsGuarded
{
	int rule;
	const char *name;
	int slot;
	double points;
	uint32 seen; /* row in which it was decided last */
	int ntests;	 /* all must hold; 0 = ask the executor */
	const LsTest *tests;
	ExprState *state;
} LsGuarded;

/* LsOutput: a value that is wanted for some rows. */
typedef struct LsOutput
{
	const char *kind; /* of rule */
	const char *name;
	int column; /* position of the column, -1 = evaluate `state` */
	ExprState *state;
} LsOutput;

struct LsMatcher
{
	LsMatchRow hand; /* the columns of the row at hand */
	LsMatchMode mode;
	int nslots;
	Oid owner;		/* as whom conditions are evaluated */
	bool runs_code; /* does a row take more than a look into indexes? */

	int ncolumns;
	LsMatchColumn *columns;
	TupleTableSlot *row; /* whose arrays `hand` has */

	int nsubjects;
	LsSubject *subjects;
	int nguarded;
	LsGuarded *guarded;
	int nevery;
	int *every; /* guarded rules that no index can spare */
	LsPayload always;
	int noutputs;
	LsOutput *outputs;

	/* as_of, and what is computed from it alone */
	ParamListInfo params;
	int nmoments;
	ExprState **moments;
	bool has_as_of;
	TimestampTz as_of;

	/* scratch */
	ExprContext *context;
	bool used_memory; /* context's memory needs a reset */
	uint32 row_number;
	double *sums;
	int *hits;
	int nhits;
	LsPlace place;
};

/* ls_match_build.c */
typedef struct LsTarget
{
	const LsMatcher *matcher;
	MemoryContext scratch; /* goes when all is compiled */
	int rule;
	int guarded; /* position in guarded, -1 = the rule matches */
	int slot;
	double points;
} LsTarget;

extern void ls_payload_add(LsPayload *payload, const LsTarget *target);
extern List *ls_match_note(List *list,
						   const void *element,
						   Size size,
						   const LsTarget *target);
extern void ls_match_insert(LsSubject *subject,
							const LsPredicate *predicate,
							const LsTarget *target);
extern void ls_match_finish_subject(LsSubject *subject);

/* ls_match_range.c */
extern void ls_range_insert(LsRangeIndex **index,
							const LsSubject *subject,
							const LsPredicate *predicate,
							const LsTarget *target);
extern void ls_range_finish(LsRangeIndex *index);
extern int ls_range_find(const LsRangeIndex *index, Datum key);

/* ls_match_set.c */
extern void ls_set_insert(LsSetIndex **index,
						  const LsSubject *subject,
						  const LsPredicate *predicate,
						  const LsTarget *target);
extern void ls_set_finish(LsSetIndex *index);

/* ls_match_test.c */
extern int ls_match_make_tests(Node *expr, const LsTest **tests);
extern bool ls_match_run_tests(const LsMatcher *matcher,
							   const LsGuarded *guarded,
							   bool *holds);

/* ls_match_text.c */
extern void ls_text_insert(LsTextIndex **index,
						   const LsPredicate *predicate,
						   const LsTarget *target);
extern void ls_text_finish(LsTextIndex *index);
extern void ls_text_scan(LsTextIndex *index,
						 uint32 row_number,
						 const char *bytes,
						 int length,
						 void (*apply)(void *context, const LsPayload *payload),
						 void *context);

/* ls_match_columns.c */
extern Node *ls_match_map_columns(LsMatcher *matcher,
								  Node *expr,
								  const LsCondScope *scope);
extern TupleDesc ls_match_tuple_desc(const LsMatcher *matcher);

#endif /* LS_MATCH_INT_H */
