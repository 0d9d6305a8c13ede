/*
 * ls_activate.h: the life of a model.
 */
#ifndef LS_ACTIVATE_H
#define LS_ACTIVATE_H

#include "postgres.h"

#include "storage/lockdefs.h"

#include "ls_catalog.h"

/* ls_activate_script.c */
extern void ls_activate_script(const char *writer, const LsModelRow *row, Oid owner);

/* ls_activate_rights.c */
extern void ls_activate_check_rights(const LsModelRow *row,
									 Oid contacts,
									 const char *schema);

/* ls_activate_lock.c */
extern void ls_activate_lock(const LsModelRow *row, Oid contacts, LOCKMODE mode);

#endif /* LS_ACTIVATE_H */
