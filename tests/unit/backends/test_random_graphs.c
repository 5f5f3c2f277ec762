/* test_random_graphs.c - random graphs, planned and run on the CPU backend, against the reference interpreter. */
#include "backends/run_graph.h"
#include "check/random_graph.h"
#include "opt/opt.h"

static void sweep(uint32_t dtype, uint32_t families, uint32_t nodes, uint32_t count, double tol, int special) {
  for (uint64_t seed = 1; seed <= count; seed++) {
    err e = {0};
    check_random o = {dtype, nodes, families};
    ir_graph *g = check_random_graph(seed, &o, &e);
    char what[80];
    snprintf(what, sizeof what, "seed %llu, %u nodes, families %u", (unsigned long long)seed, nodes, families);
    if (!g) {
      rg_text(what, e.msg);
      continue;
    }
    check_values v = {seed, special};
    rg_compare(g, check_bind, &v, tol, what);
    ir_free(g);
  }
}

static void test_random__elementwise_and_views_f32(void) { sweep(GANTRY_F32, CHECK_MAP | CHECK_MOVE, 25, 150, 2e-5, 0); }
static void test_random__reductions_f32(void) { sweep(GANTRY_F32, CHECK_MAP | CHECK_MOVE | CHECK_REDUCE, 30, 200, 1e-4, 0); }
static void test_random__everything_f32(void) { sweep(GANTRY_F32, CHECK_ALL, 40, 80, 2e-4, 0); }
static void test_random__everything_f64(void) { sweep(GANTRY_F64, CHECK_ALL, 40, 200, 1e-9, 0); }
static void test_random__integers(void) { sweep(GANTRY_F64, CHECK_INTEGER | CHECK_INDEX | CHECK_RANDOM | CHECK_MOVE, 30, 100, 1e-9, 0); }
static void test_random__exact_with_special_values(void) { sweep(GANTRY_F64, CHECK_MAP | CHECK_MOVE | CHECK_INTEGER | CHECK_EXACT, 25, 150, 0, 1); }
/* With gradients, contractions rounded: a sum in f32 may fall on the other side of a rounding than the reference's, a unit of bf16 away. */
static void test_random__everything_bf16(void) {
  for (uint64_t seed = 1; seed <= 100; seed++) {
    err e = {0};
    check_random o = {GANTRY_F32, 40, CHECK_MAP | CHECK_MOVE | CHECK_REDUCE | CHECK_MATMUL | CHECK_CONV | CHECK_GRADIENT};
    check_values v = {seed, 0};
    ir_graph *g = check_random_graph(seed, &o, &e), *h = g ? opt_run_in(g, GANTRY_PRECISION_BF16, NULL, &e) : NULL;
    char what[80];
    snprintf(what, sizeof what, "seed %llu in bf16", (unsigned long long)seed);
    if (h) rg_compare(h, check_bind, &v, 8e-3, what);
    else rg_text(what, e.msg);
    ir_free(g);
    ir_free(h);
  }
}
static void test_random__large(void) { sweep(GANTRY_F64, CHECK_ALL, 300, 15, 1e-8, 0); }
T_MAIN(T(test_random__elementwise_and_views_f32), T(test_random__reductions_f32), T(test_random__everything_f32), T(test_random__everything_f64), T(test_random__everything_bf16), T(test_random__integers),
       T(test_random__exact_with_special_values), T(test_random__large))
