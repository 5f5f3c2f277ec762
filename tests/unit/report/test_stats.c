/* Student's t and paired effects against values of SciPy 1.x, worked cases, and how often the intervals hold. */
#include "t.h"

#include "base/hash.h"
#include "report/outlook.h"

static void test_stats__against_fixed_values(void) {
  static const double beta[][4] = {{0.5, 0.5, 0.3, 0.36901011956554536}, {2, 3, 0.4, 0.5247999999999999}, {10, 0.5, 0.95, 0.31715157546554495}, {50, 50, 0.5, 0.5}, {0.01, 3, 0.2, 0.995087118231316}, {2, 0.5, 0.999999, 0.9985000004999784}};
  for (size_t k = 0; k < sizeof beta / sizeof *beta; k++) T_NEAR(stat_beta(beta[k][0], beta[k][1], beta[k][2]), beta[k][3], 1e-12);
  static const double q[][3] = {{0.975, 1, 12.706204736174694}, {0.975, 2, 4.302652729749462}, {0.975, 4, 2.7764451051977934}, {0.975, 9, 2.262157162798205}, {0.975, 58.7, 2.001209373911118},
                                {0.9, 3, 1.637744353696209}, {0.01, 5, -3.364929998907218}, {0.9995, 2, 31.599054576445365}, {0.6, 1000, 0.25341451583949876}};
  for (size_t k = 0; k < sizeof q / sizeof *q; k++) T_NEAR(stat_t_quantile(q[k][0], q[k][1]), q[k][2], 1e-9);
  static const double c[][3] = {{1, 1, 0.75}, {-2.5, 4, 0.03338327240599407}, {0.1, 30, 0.5394951941048645}, {12, 3, 0.9993774920996054}};
  for (size_t k = 0; k < sizeof c / sizeof *c; k++) T_NEAR(stat_t_cdf(c[k][0], c[k][1]), c[k][2], 1e-12);
  T_NEAR(stat_normal_quantile(0.975), 1.959963984540054, 1e-12);
  T_NEAR(stat_normal_quantile(0.001), -3.090232306167813, 1e-12);
  T_CHECK(isnan(stat_t_quantile(0, 3)) && isnan(stat_t_quantile(0.5, 0)));
}

/* The promise of `gantry plan`: a true difference of the size it prints is found in four of five grids, one of no size in one of twenty. */
static void test_stats__what_is_detectable(void) {
  T_NEAR(outlook_detectable(1, 5, 1), (2.7764451051977934 + 0.94096457723518) * sqrt(0.4), 1e-6);
  T_NEAR(outlook_detectable(0.04, 10, 4), 0.04 * (2.262157162798205 + 0.88340385973852) * sqrt(2.0 / 40), 1e-6);
  T_CHECK(isnan(outlook_detectable(1, 1, 3)));
  enum { GRIDS = 4000, N = 6, K = 3 };
  double least = outlook_detectable(1, N, K), d[N * K];
  uint32_t found = 0, wrong = 0;
  uint64_t h = 1;
  for (int g = 0; g < GRIDS; g++) {
    for (int k = 0; k < N * K; k++) {
      double u = 0;
      for (int j = 0; j < 24; j++) u += (double)((h = hash_mix(h, (uint64_t)j)) >> 11) / 9007199254740992.0; /* the difference of two sums of twelve: variance 2 */
      d[k] = u - 12;
    }
    stat_effect none = stat_paired(d, K, N);
    wrong += none.lo > 0 || none.hi < 0;
    for (int k = 0; k < N * K; k++) d[k] += least;
    stat_effect some = stat_paired(d, K, N);
    found += some.lo > 0;
  }
  T_CHECK(found > 0.75 * GRIDS && found < 0.9 * GRIDS); /* the larger of two variances is used, so a little is given away or gained */
  T_CHECK(wrong < 0.06 * GRIDS);
  printf("# found %.3f, wrong %.3f\n", (double)found / GRIDS, (double)wrong / GRIDS);
}

static void test_stats__one_cell(void) {
  const double v[] = {1, NAN, 2, 4};
  stat_cell c = stat_of(v, 4);
  T_CHECK(c.n == 3);
  T_NEAR(c.mean, 7.0 / 3, 1e-15);
  T_NEAR(c.sd, 1.5275252316519468, 1e-14);
  T_NEAR(c.half, 4.302652729749462 * 1.5275252316519468 / sqrt(3), 1e-9);
  c = stat_of(v, 1);
  T_CHECK(c.n == 1 && isnan(c.sd) && isnan(c.half));
  c = stat_of(v + 1, 1);
  T_CHECK(c.n == 0 && isnan(c.mean));
}

static void test_stats__paired_by_the_max_rule(void) {
  const double a[] = {1.0, 2.0, 1.5, 0.5, 1.2, 0.8, 2.5, 1.0, 0.2, 1.4, -0.2, 1.9, 1.1, 0.9, 0.7}; /* seeds act alike in all contexts */
  stat_effect e = stat_paired(a, 3, 5);
  T_CHECK(e.by_seed && e.contexts == 3 && e.seeds == 5 && e.pairs == 15);
  T_NEAR(e.mean, 1.1, 1e-14);
  T_NEAR(e.se, 0.29325756597230357, 1e-12);
  T_NEAR(e.lo, 0.28578646639397887, 1e-9);
  T_NEAR(e.p, 2.0 / 32, 1e-15);
  T_NEAR(e.p_least, 2.0 / 32, 1e-15);
  T_NEAR(e.share_less, 1.0 / 15, 1e-15);
  const double b[] = {1.0, -1.0, 0.5, -0.7, 1.2, -0.3}; /* seeds act independently */
  e = stat_paired(b, 2, 3);
  T_CHECK(!e.by_seed);
  T_NEAR(e.se, 0.41699986677322676, 1e-12);
  T_NEAR(e.df, 3.9941292183502686, 1e-9);
  T_NEAR(e.hi, 1.2751153556321626, 1e-9);
  const double one[] = {0.5, 0.7, 0.6};
  e = stat_paired(one, 3, 1); /* one seed: contexts are what varies */
  T_CHECK(e.seeds == 1 && e.contexts == 3);
  T_NEAR(e.se, 0.1 / sqrt(3), 1e-12);
  const double hole[] = {1, NAN, 3, NAN, NAN, NAN};
  e = stat_paired(hole, 2, 3);
  T_CHECK(e.contexts == 1 && e.pairs == 2 && e.dropped == 4);
  T_NEAR(e.mean, 2, 1e-15);
  e = stat_paired(hole + 3, 1, 3);
  T_CHECK(e.contexts == 0 && isnan(e.mean) && isnan(e.lo));
}

static double normal(uint64_t *state) { /* a fixed stream of normal numbers */
  *state = hash_mix(*state, 1);
  return stat_normal_quantile(((double)(*state >> 11) + 0.5) / 9007199254740992.0);
}

static void coverage(uint32_t contexts, uint32_t seeds, double lucky, double lo, double hi) {
  uint64_t state = hash_mix(contexts, seeds + (uint64_t)(lucky * 100));
  double d[60];
  int hits = 0, trials = 700;
  for (int t = 0; t < trials; t++) {
    double luck[10];
    for (uint32_t s = 0; s < seeds; s++) luck[s] = lucky * normal(&state);
    for (uint32_t k = 0; k < contexts; k++)
      for (uint32_t s = 0; s < seeds; s++) d[k * seeds + s] = 1 + luck[s] + normal(&state);
    stat_effect e = stat_paired(d, contexts, seeds);
    hits += e.lo <= 1 && e.hi >= 1;
  }
  double c = (double)hits / trials;
  if (c < lo || c > hi) printf("# %u contexts, %u seeds, sd %.2f: %.3f\n", contexts, seeds, lucky, c);
  T_CHECK(c >= lo && c <= hi);
}

static void test_stats__intervals_hold(void) {
  coverage(1, 3, 0, 0.925, 0.985);
  coverage(4, 5, 0, 0.93, 0.99);
  coverage(12, 5, 0, 0.93, 0.99);
  coverage(12, 5, 0.5, 0.925, 0.985); /* a seed that is lucky everywhere */
  coverage(12, 3, 0.5, 0.91, 0.985);
}

static void test_stats__wilson(void) {
  double lo, hi;
  stat_wilson(1, 10, &lo, &hi);
  T_NEAR(lo, 0.01787621, 1e-7);
  T_NEAR(hi, 0.40415003, 1e-7);
  stat_wilson(0, 0, &lo, &hi);
  T_CHECK(lo == 0 && hi == 1);
}

T_MAIN(T(test_stats__against_fixed_values), T(test_stats__what_is_detectable), T(test_stats__one_cell), T(test_stats__paired_by_the_max_rule), T(test_stats__intervals_hold), T(test_stats__wilson))
