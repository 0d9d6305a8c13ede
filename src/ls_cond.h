/*
 * ls_cond.h: conditions: SQL expressions over the columns of some relations.
 *
 * A condition is kept as text and read anew in each backend, by PostgreSQL's
 * own parser, with the rights of the relation's owner and under the search
 * path of its model. What comes out is an expression tree that depends on
 * columns and `as_of` alone.
 */
#ifndef LS_COND_H
#define LS_COND_H

#include "postgres.h"

#include "nodes/parsenodes.h"
#include "nodes/pg_list.h"
#include "parser/parse_node.h"
#include "utils/relcache.h"

/* LsCondRelation: a relation that a condition may name. */
typedef struct LsCondRelation
{
	const char *alias;
	Oid relid;
	bool qualified; /* its columns must be written alias.column */
} LsCondRelation;

/* LsCondScope: what a condition may name, and how its text is read. */
typedef struct LsCondScope
{
	List *relations; /* of LsCondRelation; varno = position from 1 */
	bool has_as_of;	 /* may it name the moment of scoring? */
	Oid owner;		 /* the role as which it is read */
	const char *search_path;
} LsCondScope;

/* LsCond: a condition that was read and found good. */
typedef struct LsCond
{
	const char *text;
	Node *expr;		   /* as_of is external parameter LS_COND_AS_OF */
	bool uses_as_of;   /* its value may change with time alone */
	bool is_rewritten; /* stable arithmetic on as_of was moved to UTC */
} LsCond;

#define LS_COND_AS_OF 1
#define LS_COND_MAX_BYTES 65536
#define LS_COND_MAX_NESTING 200

/* ls_cond_parse.c */
extern LsCond *ls_cond_read(const LsCondScope *scope,
							const char *text,
							Oid result_type);
extern ParseState *ls_cond_open_scope(const LsCondScope *scope, const char *text);
extern Node *ls_cond_analyse(ParseState *pstate, Node *raw, Oid result_type);

/* ls_cond_raw.c: the raw tree, before names are looked up */
typedef struct LsRawLiteral
{
	int location;
	const char *text;
} LsRawLiteral;

extern Node *ls_cond_raw_parse(const char *text);
extern List *ls_cond_raw_check(Node *raw, const char *text);

/* ls_cond_check.c */
extern void ls_cond_check(Node *expr,
						  ParseState *pstate,
						  const LsCondScope *scope,
						  List *literals);

/* ls_cond_utc.c */
extern bool ls_cond_depends_on_session(Oid funcid);
extern Node *ls_cond_utc_rewrite(Node *expr, bool with_columns);
extern bool ls_cond_has_column(Node *expr);

/* ls_cond_hint.c */
extern char *ls_cond_hint_utc(Node *expr, const LsCondScope *scope);
extern char *ls_cond_hint_interval(OpExpr *comparison, const LsCondScope *scope);
extern const char *ls_cond_hint_moment(const LsCondScope *scope);
extern const char *ls_cond_hint_function(const char *name, const LsCondScope *scope);

/* ls_cond_deparse.c */
extern char *ls_cond_deparse(Node *expr, const LsCondScope *scope, bool qualify);
extern char *ls_cond_to_sql(const LsCond *cond, const LsCondScope *scope, bool qualify);

#endif /* LS_COND_H */
