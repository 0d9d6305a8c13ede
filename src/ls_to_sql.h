/*
 * ls_to_sql.h: what the writers of a model's plain SQL share.
 */
#ifndef LS_TO_SQL_H
#define LS_TO_SQL_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "ls_cond.h"
#include "ls_error.h"
#include "ls_model_cache.h"

/* LsWriter: what writing carries. */
typedef struct LsWriter
{
	StringInfoData sql;
	LsModel *model;
	LsCondScope *scope;
	bool qualify;			/* columns as alias.column: names could be mistaken */
	List *sources;			/* of LsWrittenSource */
	List *rules;			/* of LsWrittenRule, enabled ones only */
	const char *adjustment; /* <model>_adjustment; NULL = there is none */
} LsWriter;

/* LsWrittenSource: an event source; its events are the CTE events_<number>. */
typedef struct LsWrittenSource
{
	LsSourceRow *row;
	int number;
	LsCondScope *scope;
	Oid relid;
	const char *contact_id;	 /* of an event, as SQL */
	const char *occurred_at; /* timestamptz, as SQL */
} LsWrittenSource;

/* LsWrittenRule: an engagement rule; what it gives is the CTE rule_<number>. */
typedef struct LsWrittenRule
{
	LsEngagementRow *row;
	int number;
	LsWrittenSource *source; /* NULL = activity in all sources */
} LsWrittenRule;

/* The moment, where no name can be mistaken for it. */
#define LS_TO_SQL_AS_OF "$1::timestamptz"

/* ls_to_sql.c */
extern const char *ls_to_sql_expression(LsPlace place,
										const LsCondScope *scope,
										bool qualify,
										Oid type);

/* ls_to_sql_adjust.c */
extern void ls_to_sql_write_adjusted(LsWriter *w);
extern const char *ls_to_sql_not_excluded(const LsWriter *w, const char *contact_id);
extern const char *ls_to_sql_not_reset(const LsWriter *w,
									   const char *contact_id,
									   const char *occurred_at);

/* ls_to_sql_text.c */
extern const char *ls_to_sql_number(double value);
extern const char *ls_to_sql_in_comment(const char *name);
extern const char *ls_to_sql_clamped(const char *expression, LsLimits limits);
extern const char *ls_to_sql_seconds(int64 us);
extern const char *ls_to_sql_ago(int64 us);
extern const char *ls_to_sql_moment(TimestampTz at);
extern const char *ls_to_sql_in_utc(const char *column, Oid type, const char *zone);
extern void ls_to_sql_where(StringInfo sql, List *conditions, const char *indent);

/* ls_to_sql_events.c */
extern void ls_to_sql_read_events(LsWriter *w);
extern const char *ls_to_sql_source_condition(const LsWriter *w,
											  const LsWrittenSource *source,
											  const char *column,
											  const char *text);
extern void ls_to_sql_write_sources(LsWriter *w);
extern void ls_to_sql_write_ledger(LsWriter *w);
extern const char *ls_to_sql_dimension(const LsWriter *w, const char *dimension);

/* ls_to_sql_match.c */
extern const char *ls_to_sql_of_event(const LsWriter *w,
									  const LsWrittenRule *rule,
									  const char *column,
									  const char *text,
									  Oid type);
extern List *ls_to_sql_counts(const LsEngagementRow *row, const char *occurred_at);
extern List *ls_to_sql_window(const LsEngagementRow *row, const char *occurred_at);
extern void ls_to_sql_first_stage(LsWriter *w,
								  const LsWrittenRule *rule,
								  const char *columns,
								  List *conditions);
extern void ls_to_sql_stage(LsWriter *w, const char *name);
extern const char *ls_to_sql_valid(LsWriter *w,
								   const LsWrittenRule *rule,
								   const char *from);
extern const char *ls_to_sql_latest(LsWriter *w,
									const LsWrittenRule *rule,
									const char *from);
extern const char *ls_to_sql_matches(LsWriter *w, const LsWrittenRule *rule);

/* ls_to_sql_rules.c, ls_to_sql_sequence.c */
extern void ls_to_sql_write_rule(LsWriter *w, const LsWrittenRule *rule);
extern void ls_to_sql_write_sequence(LsWriter *w, const LsWrittenRule *rule);

#endif /* LS_TO_SQL_H */
