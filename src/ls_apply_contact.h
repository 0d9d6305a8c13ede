/*
 * ls_apply_contact.h: contacts as a query gives them, for scoring them.
 */
#ifndef LS_APPLY_CONTACT_H
#define LS_APPLY_CONTACT_H

#include "postgres.h"

#include "ls_apply.h"
#include "ls_contact.h"

/*
 * LsContacts: how the rows of a result are read: all columns of the contact, and
 * last a column for each lookup.
 */
typedef struct LsContacts
{
	const LsObjects *objects;
	LsModel *model;
	TupleDesc desc;
	LsContactReader *reader;
	LsTableMap map; /* for evaluating; see ls_contacts_prepare */
	int key;		/* columns of the result */
	int stage;		/* 0 = there is none */
} LsContacts;

extern void ls_contacts_open(const LsObjects *objects,
							 LsModel *model,
							 TupleDesc desc,
							 LsContacts *contacts);
extern void ls_contacts_prepare(LsContacts *contacts);
extern void ls_contacts_evaluate_one(const LsContacts *contacts,
									 HeapTuple contact,
									 TimestampTz as_of,
									 LsChange *change);
extern void ls_contacts_note_one(const LsContacts *contacts,
								 HeapTuple contact,
								 LsChange *change);
extern void ls_contacts_read(const LsObjects *objects,
							 Oid *types,
							 Datum *values,
							 LsContacts *contacts);
extern void ls_contacts_evaluate(LsContacts *contacts,
								 LsChange *changes,
								 int n,
								 TimestampTz as_of);
extern void ls_contacts_note(const LsContacts *contacts, LsChange *changes, int n);

#endif /* LS_APPLY_CONTACT_H */
