/*
 * ls_config.h: checking rows of the configuration.
 */
#ifndef LS_CONFIG_H
#define LS_CONFIG_H

#include "postgres.h"

#include "utils/relcache.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "executor/spi.h"

#include "ls_catalog.h"
#include "ls_cond.h"
#include "ls_error.h"

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
extern Datum ls_config_value(const LsConfigRow *row, const char *column, bool *is_null);
extern char *ls_config_text(const LsConfigRow *row, const char *column);
extern char *ls_config_required(const LsConfigRow *row, const char *column);
extern void ls_config_keep(LsConfigRow *row, const char *column);
extern bool ls_config_double(const LsConfigRow *row, const char *column, double *value);
extern void ls_config_set(LsConfigRow *row, const char *column, const char *value);
extern LsPlace ls_config_place(const LsConfigRow *row);
extern Oid ls_config_relation(const LsConfigRow *row, const char *column);
extern void ls_config_check_finite(const LsConfigRow *row, const char *column);
extern void ls_config_check_group(const LsConfigRow *row, const char *dimension);
extern LsCond *ls_config_read(const LsConfigRow *row,
							  const LsCondScope *scope,
							  const char *column,
							  const char *text,
							  Oid type);
extern void ls_config_check_condition(const LsConfigRow *row,
									  const LsCondScope *scope,
									  const char *column,
									  Oid type);

extern void ls_config_check_may_read(const LsConfigRow *row, Oid relid);

/* ls_config_lookup.c */
extern void ls_config_check_lookup(LsConfigRow *row);
extern void ls_config_delete_lookup(const LsConfigRow *row);

/* ls_config_model.c */
extern bool ls_config_by_function;
extern void ls_config_check_model(LsConfigRow *row, bool is_delete);
extern void ls_config_check_relkind(Oid relid, const char *what);
extern void ls_config_check_zone(const LsConfigRow *row);
extern void ls_config_check_moment(Oid relid, const char *setting, const char *column);

/* ls_config_events.c */
extern void ls_config_check_event_source(LsConfigRow *row);
extern void ls_config_check_engagement_rule(LsConfigRow *row);
extern void ls_config_fold(const LsCondScope *scope, Node *expr);
extern Oid ls_config_relation_of_source(const LsSourceRow *source);

/* ls_config_report.c */
extern void ls_config_check_stage(LsConfigRow *row);
extern void ls_config_check_milestone(LsConfigRow *row);
extern void ls_config_check_deal_source(LsConfigRow *row);

/* ls_config_life.c */
extern void ls_config_check_transition(LsConfigRow *row);
extern void ls_config_check_action(LsConfigRow *row);

/* ls_config_timing.c */
extern LsRuleKind ls_config_check_timing(const LsConfigRow *row);

/* ls_config_words.c */
extern int ls_config_check_word(const LsConfigRow *row,
								const char *column,
								const char *const *words,
								int nwords,
								const char *hint);
extern void ls_config_check_not_empty(const LsConfigRow *row, const char *column);
extern void ls_config_check_time(const LsConfigRow *row,
								 const char *column,
								 bool may_be_zero);
extern void ls_config_check_limits(const LsConfigRow *row,
								   const char *lower,
								   const char *upper);

/* ls_config_notice.c */
extern void ls_config_notice(const TriggerData *data);
extern void ls_config_note(const TriggerData *data);

#endif /* LS_CONFIG_H */
