/*
 * ls_band.h: sub-scores combined and labelled.
 */
#ifndef LS_BAND_H
#define LS_BAND_H

#include "postgres.h"

#include "ls_model_cache.h"

/* ls_band_is_of: is it one of that score? Their initials tell them apart. */
static inline bool
ls_band_is_of(const LsThresholdRow *threshold, const char *score)
{
	return threshold->score[0] == score[0];
}

extern double ls_band_adjusted_total(const LsModel *model,
									 double fit,
									 double engagement,
									 double intent,
									 double adjustment);
extern double ls_band_total(const LsModel *model,
							double fit,
							double engagement,
							double intent);
extern const LsThresholdRow *ls_band_threshold(const LsModel *model,
											   const char *score,
											   double points);
extern const char *ls_band_label(const LsModel *model,
								 const char *score,
								 double points);
extern char *ls_band_grade(const LsModel *model, double fit, double engagement);
extern int ls_band_rank(const LsModel *model, double total);

#endif /* LS_BAND_H */
