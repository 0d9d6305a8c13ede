/*
 * ls_apply_lookup.h: rows of lookups have changed: whose contacts' scores are they?
 */
#ifndef LS_APPLY_LOOKUP_H
#define LS_APPLY_LOOKUP_H

#include "postgres.h"

#include "ls_apply.h"
#include "ls_lookup_note.h"

extern void ls_apply_queue_lookups(const LsObjects *objects,
								   const LsLookupNotes *notes,
								   const char *reason);
extern void ls_apply_find_lookups(const LsObjects *objects,
								  const LsLookupNotes *notes,
								  int limit,
								  LsChange **changes,
								  int *n);

#endif /* LS_APPLY_LOOKUP_H */
