/* stats.c - see stats.h. */
#include "report/stats.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

/* Continued fraction of the incomplete beta function by Lentz's method; converges fast for x < (a + 1) / (a + b + 2). */
static double beta_fraction(double a, double b, double x) {
  const double tiny = 1e-300;
  double c = 1, d = 1 - (a + b) * x / (a + 1), h;
  if (fabs(d) < tiny) d = tiny;
  h = d = 1 / d;
  for (int m = 1; m < 1000; m++) {
    double step = 1;
    for (int half = 0; half < 2; half++) {
      double t = half ? -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)) : m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
      d = 1 + t * d;
      c = 1 + t / c;
      if (fabs(d) < tiny) d = tiny;
      if (fabs(c) < tiny) c = tiny;
      d = 1 / d;
      h *= step = c * d;
    }
    if (fabs(step - 1) < 1e-16) break;
  }
  return h;
}

double stat_beta(double a, double b, double x) {
  if (!(x > 0)) return isnan(x) ? x : 0;
  if (x >= 1) return 1;
  double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
  return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double stat_t_cdf(double t, double df) {
  double tail = 0.5 * stat_beta(df / 2, 0.5, df / (df + t * t));
  return t > 0 ? 1 - tail : tail;
}

double stat_t_quantile(double p, double df) {
  if (!(p > 0 && p < 1 && df > 0)) return NAN;
  if (p == 0.5) return 0;
  double tail = p < 0.5 ? p : 1 - p, lo = 0, hi = 1;
  while (0.5 * stat_beta(df / 2, 0.5, df / (df + hi * hi)) > tail && hi < 1e200) hi *= 2;
  for (int k = 0; k < 200 && hi - lo > 1e-15 * hi; k++) {
    double mid = (lo + hi) / 2;
    if (0.5 * stat_beta(df / 2, 0.5, df / (df + mid * mid)) > tail) lo = mid;
    else hi = mid;
  }
  return p < 0.5 ? -(lo + hi) / 2 : (lo + hi) / 2;
}

double stat_normal_quantile(double p) {
  double lo = -40, hi = 40;
  if (!(p > 0 && p < 1)) return NAN;
  for (int k = 0; k < 200; k++) {
    double mid = (lo + hi) / 2;
    if (0.5 * erfc(-mid / sqrt(2)) < p) lo = mid;
    else hi = mid;
  }
  return (lo + hi) / 2;
}

void stat_wilson(double hits, double n, double *lo, double *hi) {
  const double z = 1.959963984540054;
  if (n <= 0) {
    *lo = 0;
    *hi = 1;
    return;
  }
  double p = hits / n, mid = (p + z * z / (2 * n)) / (1 + z * z / n), half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n);
  *lo = fmax(0, mid - half);
  *hi = fmin(1, mid + half);
}

stat_cell stat_of(const double *v, uint32_t n) {
  stat_cell c = {.mean = NAN, .sd = NAN, .half = NAN};
  double sum = 0, square = 0;
  for (uint32_t k = 0; k < n; k++)
    if (!isnan(v[k])) sum += v[k], c.n++;
  if (!c.n) return c;
  c.mean = sum / c.n;
  for (uint32_t k = 0; k < n; k++)
    if (!isnan(v[k])) square += (v[k] - c.mean) * (v[k] - c.mean);
  if (c.n < 2) return c;
  c.sd = sqrt(square / (c.n - 1));
  c.half = stat_t_quantile(0.975, c.n - 1) * c.sd / sqrt(c.n);
  return c;
}

/* Share of sign patterns whose |sum| is at least the observed one; u: one number per unit that flips as a whole. */
static void flip_signs(const double *u, uint32_t n, stat_effect *out) {
  enum { MOST = 18 };
  if (n < 1 || n > MOST) return;
  uint32_t patterns = 1u << n, hits = 0;
  double seen = 0;
  for (uint32_t k = 0; k < n; k++) seen += u[k];
  for (uint32_t m = 0; m < patterns; m++) {
    double sum = 0;
    for (uint32_t k = 0; k < n; k++) sum += m >> k & 1 ? -u[k] : u[k];
    hits += fabs(sum) >= fabs(seen) * (1 - 1e-12);
  }
  out->p = (double)hits / patterns;
  out->p_least = n > 1 ? 2.0 / patterns : 1;
}

stat_effect stat_paired(const double *d, uint32_t contexts, uint32_t seeds) {
  stat_effect r = {.mean = NAN, .se = NAN, .df = NAN, .lo = NAN, .hi = NAN, .p = NAN, .p_least = NAN, .share_less = NAN};
  double *seed_sum = mem_alloc(sizeof(double) * (seeds + 1)), *seed_n = mem_alloc(sizeof(double) * (seeds + 1)), *means = mem_alloc(sizeof(double) * (contexts + 1));
  double less = 0, var_within = 0, sat = 0, grand = 0;
  for (uint32_t k = 0; k < contexts; k++) {
    double sum = 0, square = 0;
    uint32_t n = 0;
    for (uint32_t s = 0; s < seeds; s++) {
      double v = d[(size_t)k * seeds + s];
      if (isnan(v)) {
        r.dropped++;
        continue;
      }
      sum += v;
      n++;
      seed_sum[s] += v;
      seed_n[s]++;
      less += v < 0 ? 1 : v == 0 ? 0.5 : 0;
    }
    if (!n) continue;
    double mean = sum / n;
    for (uint32_t s = 0; s < seeds; s++)
      if (!isnan(d[(size_t)k * seeds + s])) square += (d[(size_t)k * seeds + s] - mean) * (d[(size_t)k * seeds + s] - mean);
    if (n > 1) { /* variance of this context's mean */
      double v = square / (n - 1) / n;
      var_within += v;
      sat += v * v / (n - 1);
    }
    r.pairs += n;
    means[r.contexts++] = mean;
    grand += mean;
  }
  if (!r.contexts) goto done;
  r.mean = grand / r.contexts;
  r.share_less = less / r.pairs;
  uint32_t n = 0;
  for (uint32_t s = 0; s < seeds; s++)
    if (seed_n[s] > 0) seed_sum[n] = seed_sum[s] / seed_n[s], seed_n[n++] = seed_n[s];
  r.seeds = n;
  if (n > 1) {
    /* between seeds: each seed's mean over its contexts, weighted by how many it has */
    double weight = 0, mid = 0, between = 0, squares = 0;
    for (uint32_t s = 0; s < n; s++) weight += seed_n[s], mid += seed_n[s] * seed_sum[s];
    mid /= weight;
    for (uint32_t s = 0; s < n; s++) {
      between += seed_n[s] * (seed_sum[s] - mid) * (seed_sum[s] - mid);
      squares += (seed_n[s] / weight) * (seed_n[s] / weight);
    }
    double var_seed = between / weight * n / (n - 1) * squares; /* balanced: Var(seed means) / n */
    double kk = (double)r.contexts * r.contexts, within = var_within / kk;
    r.by_seed = var_seed >= within;
    r.se = sqrt(r.by_seed ? var_seed : within);
    r.df = r.by_seed || sat <= 0 ? n - 1 : var_within * var_within / sat;
    flip_signs(seed_sum, n, &r);
  } else if (r.contexts > 1) { /* one seed: only the contexts vary */
    stat_cell c = stat_of(means, r.contexts);
    r.se = c.sd / sqrt(c.n);
    r.df = c.n - 1;
    flip_signs(means, r.contexts, &r);
  }
  if (!isnan(r.se)) {
    double half = stat_t_quantile(0.975, r.df) * r.se;
    r.lo = r.mean - half;
    r.hi = r.mean + half;
  }
done:
  free(seed_sum);
  free(seed_n);
  free(means);
  return r;
}

void stat_doubt(stat_effect *e, int coarse) {
  double none = 1e-12 * fabs(e->mean);
  if (isnan(e->lo) || !(e->se <= none || (coarse && e->df < 1.5))) return;
  e->few = 1;
  e->lo = e->hi = NAN;
}

int stat_coarse(const double *v, uint32_t count, double n) {
  uint32_t seen = 0;
  for (uint32_t k = 0; k < count; k++) {
    double x = v[k] * n;
    if (isnan(x)) continue;
    seen++;
    if (fabs(x - nearbyint(x)) > 1e-6) return 0;
  }
  return seen > 0;
}
