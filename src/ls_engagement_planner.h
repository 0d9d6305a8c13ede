/*
 * ls_engagement_planner.h: events in columns instead of rows.
 */
#ifndef LS_ENGAGEMENT_PLANNER_H
#define LS_ENGAGEMENT_PLANNER_H

#include "postgres.h"

extern void ls_engagement_planner_init(void);

#endif /* LS_ENGAGEMENT_PLANNER_H */
