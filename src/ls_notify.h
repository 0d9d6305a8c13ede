/*
 * ls_notify.h: notifications that are sent when the transaction commits.
 */
#ifndef LS_NOTIFY_H
#define LS_NOTIFY_H

#include "postgres.h"

extern void ls_notify_later(const char *channel, const char *payload);
extern void ls_notify_send(void);
extern void ls_notify_forget(void);
extern void ls_notify_commit_subxact(void);
extern void ls_notify_abort_subxact(void);

#endif /* LS_NOTIFY_H */
