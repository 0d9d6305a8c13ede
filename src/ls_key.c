/*
 * ls_key.c: contact ids of the types that can be kept live.
 */
#include "ls_key.h"

#include "ls_compat.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

/*
 * ls_key_stored_type: the type of contact_id in <model>_score for a key of this
 * type; InvalidOid where it cannot be kept.
 */
Oid
ls_key_stored_type(Oid type)
{
	switch (type)
	{
		case INT4OID:
		case INT8OID:
		case UUIDOID:
		case TEXTOID:
			return type;
		case VARCHAROID:
			return TEXTOID;
		default:
			return InvalidOid;
	}
}

/* class_of: a type of which all that are written the same are equal. */
static Oid
class_of(Oid type)
{
	switch (type)
	{
		case INT2OID:
		case INT4OID:
			return INT8OID;
		case VARCHAROID:
		case BPCHAROID:
		case NAMEOID:
			return TEXTOID;
		default:
			return type;
	}
}

/*
 * ls_key_same_class: can ids of these base types be compared as text?
 */
bool
ls_key_same_class(Oid a, Oid b)
{
	return class_of(a) == class_of(b);
}

/*
 * ls_key_from_datum: `type` is a stored type.
 *
 * Memory: the bytes are the datum's, or a detoasted copy's.
 */
LsKey
ls_key_from_datum(Oid type, Datum value)
{
	LsKey key = {0};

	switch (type)
	{
		case INT4OID:
			key.number = DatumGetInt32(value);
			break;
		case INT8OID:
			key.number = DatumGetInt64(value);
			break;
		case UUIDOID:
			key.bytes = (const char *) DatumGetUUIDP(value)->data;
			key.length = UUID_LEN;
			break;
		default:
		{
			text *packed = DatumGetTextPP(value);

			key.bytes = VARDATA_ANY(packed);
			key.length = VARSIZE_ANY_EXHDR(packed);
		}
	}
	return key;
}

/*
 * ls_key_to_datum: the reverse; in the current context.
 */
Datum
ls_key_to_datum(Oid type, LsKey key)
{
	switch (type)
	{
		case INT4OID:
			return Int32GetDatum((int32) key.number);
		case INT8OID:
			return Int64GetDatum(key.number);
		case UUIDOID:
			return PointerGetDatum(key.bytes);
		default:
			return PointerGetDatum(cstring_to_text_with_len(key.bytes, key.length));
	}
}

/* ls_key_copy: with bytes of its own, in the current context. */
LsKey
ls_key_copy(LsKey key)
{
	if (key.bytes != NULL)
		key.bytes = memcpy(palloc(key.length + 1), key.bytes, key.length);
	return key;
}

/* ls_key_compare: any order will do, as long as all writers use the same. */
int
ls_key_compare(LsKey a, LsKey b)
{
	int order;

	if (a.bytes == NULL || b.bytes == NULL)
		return (a.number > b.number) - (a.number < b.number);
	order = memcmp(a.bytes, b.bytes, Min(a.length, b.length));
	return order != 0 ? order : a.length - b.length;
}

uint32
ls_key_hash(LsKey key)
{
	if (key.bytes != NULL)
		return hash_bytes((const unsigned char *) key.bytes, key.length);
	return hash_bytes_uint32((uint32) key.number) ^
		   hash_bytes_uint32((uint32) ((uint64) key.number >> 32) + 0x9e3779b9);
}
