/*
 * ls_unfired.h: an update of columns that no rule looks at fires no trigger.
 */
#ifndef LS_UNFIRED_H
#define LS_UNFIRED_H

#include "postgres.h"

#include "fmgr.h"

#include "ls_model_cache.h"

extern Datum ls_sql_contact_changed(PG_FUNCTION_ARGS);

extern bool ls_unfired_is_elsewhere(Relation rel,
									const Bitmapset *columns,
									const LsTableMap *map);
extern void ls_unfired_init(void);

#endif /* LS_UNFIRED_H */
