/*
 * ls_key.h: contact ids of the types that can be kept live.
 */
#ifndef LS_KEY_H
#define LS_KEY_H

#include "postgres.h"

/* LsKey: an integer, or a byte string (uuid, text). */
typedef struct LsKey
{
	int64 number;
	const char *bytes; /* NULL = number */
	int length;
} LsKey;

extern Oid ls_key_stored_type(Oid type);
extern bool ls_key_same_class(Oid a, Oid b);
extern LsKey ls_key_from_datum(Oid type, Datum value);
extern Datum ls_key_to_datum(Oid type, LsKey key);
extern LsKey ls_key_copy(LsKey key);
extern int ls_key_compare(LsKey a, LsKey b);
extern uint32 ls_key_hash(LsKey key);

#endif /* LS_KEY_H */
