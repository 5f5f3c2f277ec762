/* test_opt_size.c - differentiating and optimising a chain of 10 000 layers stays linear: well under two seconds of processor time, however deep. */
#include <time.h>

#include "ad/ad.h"
#include "ir/build.h"
#include "opt/opt.h"
#include "t.h"

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* other processes do not count */
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void test_opt_size__10k_layers(void) {
  double t0 = now();
  err e = {0};
  ir_graph *g = ir_new();
  ir_id x = ir_leaf(g, GANTRY_OP_INPUT, "x", GANTRY_F32, 2, (int64_t[]){64, 64}), y = x, d;
  for (int k = 0; k < 10000; k++) y = ir_add(g, ir_1(g, GANTRY_OP_TANH, ir_scale(g, y, 1.0 + k)), ir_neg(g, x));
  T_CHECK(!ad_grad(g, y, 0, &x, 1, &d));
  ir_output(g, "d", d);
  opt_stats s;
  ir_graph *h = opt_run(g, &s, &e);
  T_CHECK(h && !ir_verify(h, "opt", &e));
  T_CHECK(s.before > 70000);
  T_CHECK(now() - t0 < 2);
  ir_free(h);
  ir_free(g);
}

T_MAIN(T(test_opt_size__10k_layers))
