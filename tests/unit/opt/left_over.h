/* left_over.h - what tests of the optimiser share: are two graphs' values the same, did a rule fire, and what is left of the graph. */
#ifndef TEST_LEFT_OVER_H
#define TEST_LEFT_OVER_H
#include "check/random_graph.h"
#include "ir/build.h"
#include "opt/opt.h"
#include "t.h"

/* 1 if every root has the same value in both graphs, up to tol; NaN equals NaN, infinities are exact. Where `loose`, what is not finite must stay so, but may
 * be another of the three: a sum of products that is taken in another order. */
static inline int same_or_infinite(const ir_graph *a, const ir_graph *b, const check_values *leaves, double tol, int loose, char why[200]) {
  ir_id *want[2];
  double **v[2];
  err e = {0};
  uint32_t n = a->roots.n;
  int ok = n == b->roots.n;
  check_values values = *leaves;
  for (int s = 0; s < 2; s++) {
    const ir_graph *g = s ? b : a;
    want[s] = mem_alloc(sizeof(ir_id) * n);
    v[s] = mem_alloc(sizeof(double *) * n);
    for (uint32_t k = 0; ok && k < n; k++) want[s][k] = g->roots.p[k].id;
    if (ok && ir_eval(g, want[s], n, check_bind, &values, v[s], &e)) ok = 0;
  }
  snprintf(why, 200, "%.150s", e.msg);
  for (uint32_t k = 0; ok && k < n; k++)
    for (int64_t j = 0; ok && j < ir_count(a, want[0][k]); j++) {
      double x = v[0][k][j], y = v[1][k][j];
      ok = (isnan(x) && isnan(y)) || x == y || (loose && !isfinite(x) && !isfinite(y)) || fabs(x - y) <= tol * fmax(1, fabs(x));
      if (ok && tol == 0) ok = signbit(x) == signbit(y) || isnan(x);
      if (!ok) snprintf(why, 200, "root %u \"%s\"[%lld]: %.17g became %.17g", k, ir_name(a, a->roots.p[k].name), (long long)j, x, y);
    }
  for (int s = 0; s < 2; s++) {
    for (uint32_t k = 0; k < n; k++) free(v[s][k]);
    free(v[s]);
    free(want[s]);
  }
  return ok;
}

static inline int same_values(const ir_graph *a, const ir_graph *b, const check_values *leaves, double tol, char why[200]) { return same_or_infinite(a, b, leaves, tol, 0, why); }

static inline uint32_t hits(const opt_stats *s, const char *rule) {
  for (uint32_t k = 0; opt_rule_name(k); k++)
    if (!strcmp(opt_rule_name(k), rule)) return s->hits[k];
  T_CHECK(!"a rule of that name");
  return 0;
}

/* Optimises g's one output y; checks the values, that the rule fired (or did not), and says what is left. */
static inline uint32_t left_over_of(ir_graph *g, ir_id y, const char *rule, int fires, int loose) {
  err e = {0};
  opt_stats s = {0};
  char why[200] = "";
  T_CHECK(y != 0);
  ir_output(g, "y", y);
  ir_graph *h = opt_run(g, &s, &e);
  T_CHECK(h != NULL);
  if (!h) return 0;
  t_check_msg((hits(&s, rule) > 0) == fires, __LINE__, __FILE__, rule);
  for (int special = 0; special < 2; special++) {
    check_values values = {7, special};
    t_check_msg(same_or_infinite(g, h, &values, 1e-12, loose && special, why), __LINE__, __FILE__, why);
  }
  uint32_t op = ir_at(h, h->roots.p[0].id)->op;
  ir_free(h);
  ir_free(g);
  return op;
}
static inline uint32_t left_over(ir_graph *g, ir_id y, const char *rule, int fires) { return left_over_of(g, y, rule, fires, 0); }
#endif
