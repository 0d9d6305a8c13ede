/*
 * ls_objects.h: the tables of a live model, and SQL on them as their owner.
 */
#ifndef LS_OBJECTS_H
#define LS_OBJECTS_H

#include "postgres.h"

#include "executor/spi.h"

#include "ls_guard.h"
#include "ls_model_cache.h"

/* LsObjects: names, quoted and qualified; outlives the model it is read from. */
typedef struct LsObjects
{
	char *model;
	Oid owner; /* of the contacts; upkeep runs as it */
	Oid contacts_relid;
	Oid key_type; /* of contact_id in the score table */
	char *contacts;
	char *id;		 /* column of the contacts */
	Oid score_relid; /* InvalidOid before activation */
	char *score;
	char *queue;
	Oid adjustment_relid;
	char *adjustment;
	bool at_end; /* nothing of the user's comes after us in the transaction */
} LsObjects;

extern LsObjects *ls_objects_of(const LsModelRow *row, Oid contacts);
extern LsObjects *ls_objects_open(const char *model, const char *to_do);
extern bool ls_objects_usable(const LsModelRow *row, Oid contacts, const char **reason);
extern void ls_objects_watch(const LsModelRow *row);
extern Oid ls_objects_relid(const LsModelRow *row, const char *suffix);
extern char *ls_objects_name(const LsModelRow *row, const char *suffix);
extern char *ls_objects_script(const char *writer, const char *model, bool read_only);
extern SPIPlanPtr ls_objects_plan(const char *sql, int nargs, Oid *types);
extern void ls_objects_plan_now(SPIPlanPtr plan);
extern uint64 ls_objects_execute(const char *sql, int nargs, Oid *types, Datum *values);

extern uint64 ls_objects_execute_once(const char *sql,
									  int nargs,
									  Oid *types,
									  Datum *values);

#endif /* LS_OBJECTS_H */
