/* stats.h - statistics for few seeds: Student's t, paired effects by the max rule, exact sign flips.
 *
 * d[k*n+s] is the difference between two settings in context k (everything else equal) with seed s; NaN = not both there.
 * Two variances can be estimated: between seeds, after averaging over contexts, and within contexts. A seed that is lucky for one
 * setting in all contexts shows only in the first, so the larger of the two is used, with its own degrees of freedom: intervals
 * that keep their promise whether or not seeds act alike in all contexts. */
#ifndef REPORT_STATS_H
#define REPORT_STATS_H
#include <stdint.h>

double stat_beta(double a, double b, double x); /* regularized incomplete beta function I_x(a, b) */
double stat_t_cdf(double t, double df);
double stat_t_quantile(double p, double df);    /* 0 < p < 1, df > 0 */
double stat_normal_quantile(double p);
void stat_wilson(double hits, double n, double *lo, double *hi); /* 95 % interval of a share */

typedef struct stat_cell { uint32_t n; double mean, sd, half; } stat_cell; /* half: of the 95 % interval of the mean; NaN below 2 */
stat_cell stat_of(const double *v, uint32_t n);                               /* NaN values are left out */

typedef struct stat_effect {
  uint32_t contexts, seeds, pairs, dropped; /* used; dropped: pairs with one side missing */
  double mean, se, df, lo, hi;              /* 95 % interval; NaN where it cannot be estimated */
  double p, p_least;                        /* sign flips of whole seeds (of pairs where contexts are what varies); least attainable */
  double share_less;                        /* share of pairs below 0, ties half */
  uint8_t by_seed;                          /* the seeds' variance was the larger */
  uint8_t few;                              /* stat_doubt: what varies is too few or too coarse to tell an interval from */
} stat_effect;
stat_effect stat_paired(const double *d, uint32_t contexts, uint32_t seeds);
/* Takes the interval away where it would only pretend: differences without any spread (two counts that differ by the same number in both pairs say nothing of how far
 * a third one would lie), and, where the values are counts or shares of counts (`coarse`), a spread that one degree of freedom alone tells: two such values agree by chance. */
void stat_doubt(stat_effect *e, int coarse);
/* Whether every value (NaN left out) is a whole number of n-ths, so a count or a share of n. */
int stat_coarse(const double *v, uint32_t count, double n);
#endif
