/*
 * ls_lookup.h: lookups: to-one relations of the contacts, such as their companies.
 */
#ifndef LS_LOOKUP_H
#define LS_LOOKUP_H

#include "postgres.h"

#include "access/attnum.h"
#include "fmgr.h"

#include "ls_catalog.h"

/* LsLookup: a lookup whose relation was found, and is good for one. */
typedef struct LsLookup
{
	const LsLookupRow *row;
	Oid relid;
	AttrNumber key; /* column there */
	Oid key_type;
	Oid contact_type;	  /* of contact_column */
	Oid equals;			  /* operator: key = contact_column */
	Oid collation;		  /* of the unique index */
	bool needs_collation; /* the columns' own would not lead to it */
	bool has_hash;
	FmgrInfo key_hash;	   /* equal keys have equal hashes ... */
	FmgrInfo contact_hash; /* ... across the two types */
} LsLookup;

/* LsLookupFault: why a lookup cannot be used. */
typedef struct LsLookupFault
{
	int errcode;
	const char *problem;
	const char *hint;
} LsLookupFault;

extern LsLookup *ls_lookup_find(const LsLookupRow *row,
								Oid contacts,
								LsLookupFault *fault);
extern List *ls_lookup_find_readable(const LsModelRow *model, Oid contacts);
extern List *ls_lookup_find_all(const LsModelRow *model, Oid contacts);
extern List *ls_lookup_rows(List *lookups);
extern LsLookup *ls_lookup_of(List *lookups, const char *alias);
extern uint32 ls_lookup_hash_key(LsLookup *lookup, Datum key);
extern uint32 ls_lookup_hash_contact(LsLookup *lookup, Datum value);
extern char *ls_lookup_equals(const LsLookup *lookup,
							  const char *key,
							  const char *value,
							  bool is_readable);
extern char *ls_lookup_joins(List *lookups, const char *contact);
extern char *ls_lookup_whole_rows(List *lookups);

#endif /* LS_LOOKUP_H */
