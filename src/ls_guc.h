/*
 * ls_guc.h: the settings lead_scoring.*
 */
#ifndef LS_GUC_H
#define LS_GUC_H

#include "postgres.h"

#include "utils/timestamp.h"

/* When writes become scores: see src/UPKEEP.md. */
typedef enum LsApply
{
	LS_APPLY_COMMIT,
	LS_APPLY_STATEMENT,
	LS_APPLY_QUEUE,
	LS_APPLY_OFF
} LsApply;

extern int ls_guc_apply;
extern int ls_guc_pending_limit;
extern int ls_guc_rescore_slice;

extern void ls_guc_define(void);
extern TimestampTz ls_guc_as_of(void);

#endif /* LS_GUC_H */
