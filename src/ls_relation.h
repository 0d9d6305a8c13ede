/*
 * ls_relation.h: the relation that a model scores, and who may do what.
 */
#ifndef LS_RELATION_H
#define LS_RELATION_H

#include "postgres.h"

#include "access/attnum.h"

#include "ls_catalog.h"

extern Oid ls_relation_by_name(const char *qualified_name);
extern Oid ls_relation_of_model(const LsModelRow *model, bool missing_ok);
extern char *ls_relation_name(Oid relid);
extern Oid ls_relation_owner(Oid relid);
extern bool ls_relation_is_part_of(Oid relid, Oid whole);
extern bool ls_relation_may_change(Oid relid, Oid role);
extern bool ls_relation_may_read(Oid relid, Oid role);
extern bool ls_relation_may_select(Oid relid, Oid role);
extern bool ls_relation_may_change_model(const LsModelRow *model, Oid role);
extern LsModelRow *ls_relation_readable_row(text *name);
extern List *ls_relation_unique_indexes(Oid relid, AttrNumber attno);
extern AttrNumber ls_relation_column(Oid relid, const char *column);
extern Oid ls_relation_collation(Oid relid, AttrNumber attno);

#endif /* LS_RELATION_H */
