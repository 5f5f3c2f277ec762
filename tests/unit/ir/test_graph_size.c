/* test_graph_size.c - building and fingerprinting a graph of 100 000 nodes takes well under a second: no pass is quadratic. */
#include <time.h>

#include "ir/build.h"
#include "t.h"

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* other processes do not count */
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void test_graph_size__100k_nodes(void) {
  double t0 = now();
  ir_graph *g = ir_new();
  ir_id x = ir_leaf(g, GANTRY_OP_INPUT, "x", GANTRY_F32, 2, (int64_t[]){64, 64}), y = x;
  char label[32];
  for (int k = 0; k < 25000; k++) {
    snprintf(label, sizeof label, "layer%d", k);
    g->label = ir_intern(g, label);
    y = ir_add(g, ir_1(g, GANTRY_OP_TANH, ir_scale(g, y, 1.0 + k)), x);
  }
  ir_output(g, "y", y);
  T_CHECK(g->nodes.n > 100000);
  T_CHECK(ir_hash(g) != 0);
  T_CHECK(now() - t0 < 1);
  ir_free(g);
}

T_MAIN(T(test_graph_size__100k_nodes))
