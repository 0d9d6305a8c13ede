/*
 * ls_contact.h: the rows of a contact and of its lookups, for what queries pass
 * to functions.
 */
#ifndef LS_CONTACT_H
#define LS_CONTACT_H

#include "postgres.h"

#include "access/htup.h"
#include "access/htup_details.h"

#include "ls_model_cache.h"

typedef struct LsLookupFetch LsLookupFetch;

/*
 * LsContactReader: how one place in a query comes by the rows. They are numbered
 * as the relations of conditions are, from 0: the contact, then its lookups.
 */
typedef struct LsContactReader
{
	uint64 generation; /* of models, that it is good for */
	Oid type;		   /* of the argument */
	int32 typmod;
	bool is_joined; /* the argument is of contact_row(): lookups are in it */
	int n;
	TupleDesc *descs; /* NULL for lookups that are not needed */
	HeapTuple *rows;
	HeapTupleData *tuples; /* what rows point to, for those in the argument */
	TupleDesc joined;	   /* of contact_row() */
	Datum *values;		   /* scratch, for that */
	bool *nulls;
	AttrNumber *links;		 /* the contact's columns that lookups are by, or are in */
	LsLookupFetch **fetches; /* NULL for those that are not needed */
} LsContactReader;

extern LsContactReader *ls_contact_reader(LsModel *model,
										  HeapTupleHeader argument,
										  const LsMatcher *matcher,
										  const LsMatcher *other);
extern LsContactReader *ls_contact_column_reader(LsModel *model,
												 TupleDesc desc,
												 const LsMatcher *matcher);
extern LsContactReader *ls_contact_result_reader(LsModel *model, TupleDesc desc);
extern const HeapTuple *ls_contact_read_result(LsContactReader *reader,
											   HeapTuple tuple);
extern LsRowMap *ls_contact_map(const LsContactReader *reader,
								const LsMatcher *matcher);
extern const HeapTuple *ls_contact_read_joined(LsContactReader *reader,
											   HeapTupleHeader argument);
extern bool ls_contact_read_lookups(LsContactReader *reader);
extern const HeapTuple *ls_contact_read_columns(LsContactReader *reader,
												const NullableDatum *columns);

/* ls_contact_takes: is the reader made for arguments of this type? */
static inline bool
ls_contact_takes(const LsContactReader *reader, HeapTupleHeader argument)
{
	return reader->type == HeapTupleHeaderGetTypeId(argument) &&
		   reader->typmod == HeapTupleHeaderGetTypMod(argument);
}

/* ls_contact_set: a row argument as a tuple. */
static inline void
ls_contact_set(HeapTuple tuple, HeapTupleHeader header)
{
	tuple->t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple->t_self);
	tuple->t_tableOid = InvalidOid;
	tuple->t_data = header;
}

/*
 * ls_contact_read: the rows of the argument, which it takes; NULL where something
 * has changed since the reader was made.
 *
 * Errors: 42501 where the current role may not read a lookup.
 */
static inline const HeapTuple *
ls_contact_read(LsContactReader *reader, HeapTupleHeader argument)
{
	if (reader->is_joined)
		return ls_contact_read_joined(reader, argument);
	ls_contact_set(&reader->tuples[0], argument);
	if (reader->n > 1 && !ls_contact_read_lookups(reader))
		return NULL;
	return reader->rows;
}

#endif /* LS_CONTACT_H */
