/*
 * ls_module.c: what happens when the library is loaded.
 */
#include "postgres.h"

#include "fmgr.h"

#include "ls_engagement_node.h"
#include "ls_engagement_planner.h"
#include "ls_flush.h"
#include "ls_guc.h"
#include "ls_model_cache.h"
#include "ls_unfired.h"

PG_MODULE_MAGIC;

void _PG_init(void);

void
_PG_init(void)
{
	ls_guc_define();
	ls_model_cache_init();
	ls_engagement_planner_init();
	ls_engagement_node_init();
	ls_flush_init();
	ls_unfired_init();
}
