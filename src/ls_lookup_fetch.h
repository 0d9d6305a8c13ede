/*
 * ls_lookup_fetch.h: the row of a lookup for a contact, where a query did not
 * join it.
 */
#ifndef LS_LOOKUP_FETCH_H
#define LS_LOOKUP_FETCH_H

#include "postgres.h"

#include "access/htup.h"
#include "access/tupdesc.h"

#include "ls_lookup.h"

typedef struct LsLookupFetch LsLookupFetch;

extern LsLookupFetch *ls_lookup_fetch_open(const LsLookup *lookup, TupleDesc *desc);
extern HeapTuple ls_lookup_fetch(LsLookupFetch *fetch, Datum value);

#endif /* LS_LOOKUP_FETCH_H */
