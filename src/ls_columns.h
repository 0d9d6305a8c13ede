/*
 * ls_columns.h: rows in queries, taken apart.
 */
#ifndef LS_COLUMNS_H
#define LS_COLUMNS_H

#include "postgres.h"

#include "nodes/parsenodes.h"
#include "nodes/primnodes.h"

/* LsColumns: a row, taken apart. */
typedef struct LsColumns
{
	List *names;  /* of String */
	List *values; /* of Node */
} LsColumns;

extern bool ls_columns_of_relation(const Var *var,
								   const Query *query,
								   LsColumns *columns);
extern bool ls_columns_of_row(const RowExpr *row, LsColumns *columns);
extern Oid ls_columns_sibling(Oid funcid, const char *name, const Oid *types, int n);
extern bool ls_columns_as_open(Oid funcid, Oid other);
extern Node *ls_columns_names(const LsColumns *columns);

#endif /* LS_COLUMNS_H */
