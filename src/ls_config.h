/*
 * ls_config.h: checking rows of the configuration.
 */
#ifndef LS_CONFIG_H
#define LS_CONFIG_H

#include "postgres.h"

#include "access/htup_details.h"
#include "executor/spi.h"

#include "ls_catalog.h"
#include "ls_cond.h"

/* LsConfigRow: a row that is being written. */
typedef struct LsConfigRow
{
	const char *table;
	TupleDesc desc;
	HeapTuple tuple; /* the new row; of a DELETE the old one */
	HeapTuple old;	 /* of an UPDATE, else NULL */
	LsModelRow *model;
	Oid relid; /* its contacts; InvalidOid where they are gone */
} LsConfigRow;

/* ls_config_trigger.c */
extern char *ls_config_text(const LsConfigRow *row, const char *column);
extern char *ls_config_required(const LsConfigRow *row, const char *column);
extern void ls_config_keep(LsConfigRow *row, const char *column);
extern bool ls_config_double(const LsConfigRow *row, const char *column, double *value);
extern void ls_config_set(LsConfigRow *row, const char *column, const char *value);
extern void ls_config_check_finite(const LsConfigRow *row, const char *column);
extern void ls_config_check_condition(const LsConfigRow *row,
									  const LsCondScope *scope,
									  const char *column,
									  Oid type);
extern void ls_config_check_conditions(const LsConfigRow *row,
									   const LsCondScope *scope,
									   const char *column);

/* ls_config_model.c */
extern bool ls_config_by_function;
extern void ls_config_check_model(LsConfigRow *row, bool is_delete);

#endif /* LS_CONFIG_H */
