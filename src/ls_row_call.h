/*
 * ls_row_call.h: functions that read a row of the user's as a model's
 * configuration says.
 */
#ifndef LS_ROW_CALL_H
#define LS_ROW_CALL_H

#include "postgres.h"

#include "fmgr.h"

#include "ls_error.h"
#include "ls_match.h"
#include "ls_model_cache.h"

/* LsRowCall: what one place in a query needs, kept from row to row. */
typedef struct LsRowCall
{
	uint64 generation;	   /* as in LsFitCall */
	MemoryContext context; /* of all below; emptied when it is made anew */
	Oid user;
	Oid type; /* of the row */
	int32 typmod;
	text *model;
	text *other; /* second name that the function is given */
	LsMatcher *matcher;
	LsRowMap *map;
	LsMatcher *gate; /* which rows count at all; NULL = all */
	LsRowMap *gate_map;
	List *names; /* of what the matcher lists */
} LsRowCall;

/* LsRowCompile: fills matcher, gate and names, in the current context. */
typedef void (*LsRowCompile)(LsRowCall *call, const LsModelRow *model);

extern LsRowCall *ls_row_call(FunctionCallInfo fcinfo, LsRowCompile compile);
extern Node *ls_row_expression(LsPlace place, const LsCondScope *scope, Oid type);
extern LsMatcher *ls_row_matcher(List *rules,
								 List *values,
								 const LsCondScope *scope,
								 const char *kind,
								 const char *model);

#endif /* LS_ROW_CALL_H */
