/*
 * ls_activate_lock.c: what is locked while a model's life changes.
 */
#include "postgres.h"

#include "ls_activate.h"

#include "ls_compat.h"
#include "ls_objects.h"
#include "ls_relation.h"

#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

/* LsWanted: a relation to lock. */
typedef struct LsWanted
{
	Oid relid;
	LOCKMODE mode;
} LsWanted;

static List *
want(List *wanted, Oid relid, LOCKMODE mode)
{
	LsWanted *one = palloc(sizeof(LsWanted));

	one->relid = relid;
	one->mode = mode;
	return OidIsValid(relid) ? lappend(wanted, one) : wanted;
}

static List *
want_table(List *wanted, Oid relid, LOCKMODE mode)
{
	ListCell *cell;

	foreach(cell, find_all_inheritors(relid, NoLock, NULL))
		wanted = want(wanted, lfirst_oid(cell), mode);
	return wanted;
}

/* can_have_triggers: may the role put triggers on the events, or the lookup? */
static bool
can_have_triggers(Oid relid, Oid role)
{
	char kind = OidIsValid(relid) ? get_rel_relkind(relid) : 0;

	return (kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE) &&
		   pg_class_aclcheck(relid, role, ACL_TRIGGER) == ACLCHECK_OK;
}

/* want_followed: events or a lookup, of which triggers tell. */
static List *
want_followed(List *wanted, Oid contacts, const char *relation)
{
	Oid relid = ls_relation_by_name(relation);

	if (!can_have_triggers(relid, ls_relation_owner(contacts)))
		return wanted;
	return want_table(wanted, relid, ShareRowExclusiveLock);
}

/*
 * wanted_locks: the view, the contacts, the events and the lookups with their
 * partitions, and the tables.
 */
static List *
wanted_locks(const LsModelRow *row, Oid contacts, LOCKMODE mode)
{
	List *wanted = want(NIL, ls_objects_relid(row, "scored"), AccessExclusiveLock);
	ListCell *cell;

	if (OidIsValid(contacts))
	{
		wanted = want_table(wanted, contacts, mode);
		foreach(cell, ls_catalog_sources(row->name))
			wanted = want_followed(wanted,
								   contacts,
								   ((LsSourceRow *) lfirst(cell))->relation);
		foreach(cell, ls_catalog_lookups(row->name))
			wanted = want_followed(wanted,
								   contacts,
								   ((LsLookupRow *) lfirst(cell))->relation);
	}
	wanted = want(wanted, ls_objects_relid(row, "adjustment"), mode);
	if (mode != AccessExclusiveLock)
		return wanted;
	wanted = want(wanted, ls_objects_relid(row, "score"), mode);
	return want(wanted, ls_objects_relid(row, "queue"), mode);
}

/* lock_rest: NULL, or the one that is not to be had now; then none is locked. */
static const LsWanted *
lock_rest(List *wanted, const LsWanted *first)
{
	ListCell *cell;
	ListCell *locked;

	foreach(cell, wanted)
	{
		const LsWanted *one = lfirst(cell);

		if (one == first || ConditionalLockRelationOid(one->relid, one->mode))
			continue;
		foreach(locked, wanted)
		{
			const LsWanted *other = lfirst(locked);

			if (other == one)
				break;
			if (other != first)
				UnlockRelationOid(other->relid, other->mode);
		}
		UnlockRelationOid(first->relid, first->mode);
		return one;
	}
	return NULL;
}

/*
 * ls_activate_lock: the view, the contacts and the events of a model. Waits for one
 * while holding none. Transactions read the view and then write contacts, or the other
 * way round: whichever of the two were locked first, who waits for the other with it in
 * his hand would make a deadlock.
 */
void
ls_activate_lock(const LsModelRow *row, Oid contacts, LOCKMODE mode)
{
	List *wanted = wanted_locks(row, contacts, mode);
	const LsWanted *first = wanted == NIL ? NULL : linitial(wanted);

	while (first != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		LockRelationOid(first->relid, first->mode);
		first = lock_rest(wanted, first);
	}
}
