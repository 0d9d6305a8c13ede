/*
 * ls_passed.h: changes that no rule looks at, in case the rules change meanwhile.
 */
#ifndef LS_PASSED_H
#define LS_PASSED_H

#include "postgres.h"

extern void ls_passed_note(const char *model, Oid key_type);
extern void ls_passed_change(const char *model);
extern void ls_passed_check(void);
extern void ls_passed_forget(void);

#endif /* LS_PASSED_H */
