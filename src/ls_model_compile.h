/*
 * ls_model_compile.h: the rows of a model -> its matchers.
 */
#ifndef LS_MODEL_COMPILE_H
#define LS_MODEL_COMPILE_H

#include "postgres.h"

#include "ls_model_cache.h"

/* LsRows: what a model is compiled from; gone when that is done. */
typedef struct LsRows
{
	List *groups;	 /* of LsGroupRow */
	List *fit_rules; /* of LsFitRow, enabled ones only */
	List *lookups;	 /* of LsLookupRow */
} LsRows;

extern List *ls_model_enabled(List *rules);
extern List *ls_model_enabled_behaviour(List *rules);
extern void ls_model_compile(LsModel *model, const LsRows *rows, MemoryContext scratch);

#endif /* LS_MODEL_COMPILE_H */
