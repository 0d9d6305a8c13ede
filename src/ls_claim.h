/*
 * ls_claim.h: who writes the score rows of a model for longer than an instant.
 */
#ifndef LS_CLAIM_H
#define LS_CLAIM_H

#include "postgres.h"

extern bool ls_claim_instant(Oid score);
extern void ls_claim_release(Oid score);
extern void ls_claim_transaction(Oid score);

#endif /* LS_CLAIM_H */
