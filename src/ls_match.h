/*
 * ls_match.h: many conditions against one row.
 *
 * A matcher is compiled once from the conditions of a model. It keeps an index
 * over their predicates, so that the cost of a row follows what matches, not
 * how many conditions there are. Its results are those of PostgreSQL's
 * executor: where a condition is not a single predicate that the index decides
 * alone, the index only says that it may be true, and the executor decides.
 */
#ifndef LS_MATCH_H
#define LS_MATCH_H

#include "postgres.h"

#include "access/htup.h"
#include "access/tupdesc.h"
#include "datatype/timestamp.h"

#include "ls_cond.h"

/* LsMatchRule: one condition and what it is worth. */
typedef struct LsMatchRule
{
	const char *name;
	Node *expr; /* from LsCond */
	int slot;	/* the sum that it belongs to; 0 = no group */
	double points;
} LsMatchRule;

/* LsMatchColumn: a column that some condition names. */
typedef struct LsMatchColumn
{
	int relno;		  /* position in the scope from 1 */
	AttrNumber attno; /* in that relation when compiled */
	const char *name;
	Oid type;
	int32 typmod;
	Oid collation;
} LsMatchColumn;

/* LsMatchValue: an expression whose value is wanted for some rows. */
typedef struct LsMatchValue
{
	const char *kind; /* of rule; NULL = that of the matcher */
	const char *name; /* of the rule that it is for */
	Node *expr;		  /* from LsCond */
} LsMatchValue;

typedef enum LsMatchMode
{
	LS_MATCH_SUM, /* give the sums of points by slot */
	LS_MATCH_LIST /* give the numbers of the rules that match */
} LsMatchMode;

typedef struct LsMatcher LsMatcher;

/* LsMatchRow: the row at hand: what every matcher begins with. */
typedef struct LsMatchRow
{
	Datum *values; /* by the matcher's own numbers of columns */
	bool *nulls;
} LsMatchRow;

/* ls_match_compile.c */
extern LsMatcher *ls_match_compile(List *rules,
								   const LsCondScope *scope,
								   LsMatchMode mode,
								   int nslots,
								   const char *kind,
								   const char *model);
extern LsMatcher *ls_match_compile_values(List *rules,
										  List *values,
										  const LsCondScope *scope,
										  LsMatchMode mode,
										  int nslots,
										  const char *kind,
										  const char *model);

/* ls_match_value.c */
extern Datum ls_match_value(LsMatcher *matcher, int number, bool *is_null);
extern int ls_match_value_column(const LsMatcher *matcher, int number);
extern void ls_match_begin_values(LsMatcher *matcher, TimestampTz as_of);

/* ls_match_eval.c */
extern const double *ls_match_sums(LsMatcher *matcher, TimestampTz as_of);
extern int ls_match_list(LsMatcher *matcher, TimestampTz as_of, const int **numbers);

extern bool ls_match_may_raise(const LsMatcher *matcher);

/* ls_match_arguments.c */
extern TupleDesc ls_match_describe_arguments(const Node *array, List *arguments);
extern bool ls_match_are_columns(List *arguments);
extern void ls_match_protect_values(TupleDesc desc, NullableDatum *values);

/* ls_match_columns.c */
typedef struct LsRowMap LsRowMap;
extern bool ls_match_uses(const LsMatcher *matcher, int relno);
extern LsRowMap *ls_match_map_rows(const LsMatcher *matcher,
								   const TupleDesc *descs,
								   int n);
extern LsRowMap *ls_match_map_row(const LsMatcher *matcher, TupleDesc desc);
extern void ls_match_load_rows(LsMatcher *matcher,
							   LsRowMap *map,
							   int first,
							   const HeapTuple *tuples);
extern void ls_match_load_row(LsMatcher *matcher, LsRowMap *map, HeapTuple tuple);
extern void ls_match_load_values(LsMatcher *matcher,
								 const LsRowMap *map,
								 const NullableDatum *values);
extern void ls_match_load_columns(LsMatcher *matcher,
								  const LsRowMap *map,
								  const Datum *values,
								  const bool *nulls);
extern int ls_match_last_column(const LsRowMap *map);
extern int ls_match_last_relation(const LsMatcher *matcher);
extern Bitmapset *ls_match_add_columns(const LsRowMap *map,
									   int relno,
									   Bitmapset *columns);
extern bool ls_match_same_columns(const LsRowMap *map,
								  int relno,
								  HeapTuple old_tuple,
								  HeapTuple new_tuple);

/* ls_match_column: of the row loaded last; see ls_match_value_column. */
static inline Datum
ls_match_column(const LsMatcher *matcher, int column, bool *is_null)
{
	const LsMatchRow *row = (const LsMatchRow *) matcher;

	*is_null = row->nulls[column];
	return row->values[column];
}

#endif /* LS_MATCH_H */
