/*
 * ls_attempt.h: do something that may fail without failing oneself.
 */
#ifndef LS_ATTEMPT_H
#define LS_ATTEMPT_H

#include "postgres.h"

extern bool ls_attempt(void (*work)(void *arg), void *arg, ErrorData **error);
extern bool ls_attempt_briefly(void (*work)(void *arg), void *arg, ErrorData **error);

#endif /* LS_ATTEMPT_H */
