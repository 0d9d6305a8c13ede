/*
 * ls_model_sign.h: fingerprints of a model's rows.
 */
#ifndef LS_MODEL_SIGN_H
#define LS_MODEL_SIGN_H

#include "ls_model_compile.h"

extern void ls_model_sign(LsModel *model, const LsRows *rows);

#endif /* LS_MODEL_SIGN_H */
