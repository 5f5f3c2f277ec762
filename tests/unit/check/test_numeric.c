/* test_numeric.c - the checkers themselves: a wrong derivative is caught, a map that is not linear is no adjoint. */
#include "check/numeric.h"

#include "ir/build.h"
#include "t.h"

static ir_id right(ir_graph *g, const ir_id *in, const void *arg) {
  (void)arg;
  return ir_mul(g, in[0], ir_1(g, GANTRY_OP_TANH, in[0]));
}
/* The product forgets one of its factors, as a wrong rule would. */
static ir_id forgets(ir_graph *g, const ir_id *in, const void *arg) {
  (void)arg;
  return ir_mul(g, in[0], ir_1(g, GANTRY_OP_STOP_GRAD, ir_1(g, GANTRY_OP_TANH, in[0])));
}
/* Right to first order (the value x * x has derivative 2 x), wrong to second: the factor 2 x is held fixed. */
static ir_id forgets_later(ir_graph *g, const ir_id *in, const void *arg) {
  (void)arg;
  ir_id fixed = ir_1(g, GANTRY_OP_STOP_GRAD, in[0]), off = ir_sub(g, in[0], fixed);
  return ir_add(g, ir_mul(g, fixed, fixed), ir_scale(g, ir_mul(g, fixed, off), 2));
}
static ir_id broken(ir_graph *g, const ir_id *in, const void *arg) {
  (void)arg;
  return ir_matmul(g, in[0], in[0], 0, 0);
}

static check_case of(ir_id (*build)(ir_graph *, const ir_id *, const void *)) {
  check_case c = {.name = "case", .n = 1, .build = build};
  c.in[0] = (check_input){.dtype = GANTRY_F64, .rank = 2, .dims = {2, 3}, .lo = -1, .hi = 1};
  return c;
}

static void test_numeric__accepts_the_right_one(void) {
  check_case c = of(right);
  err e = {0};
  for (int order = 1; order <= 3; order++) T_CHECK(!check_gradient(&c, order, 1, 1e-6, &e));
}

static void test_numeric__catches_a_wrong_rule(void) {
  check_case c = of(forgets);
  err e = {0};
  T_CHECK(check_gradient(&c, 1, 1, 1e-3, &e) == GANTRY_E_INTERNAL);
  T_HAS(e.msg, "case, order 1, seed 1: the graph says ");
}

static void test_numeric__catches_a_wrong_second_order(void) {
  check_case c = of(forgets_later);
  err e = {0};
  T_CHECK(!check_gradient(&c, 1, 1, 1e-6, &e));
  T_CHECK(check_gradient(&c, 2, 1, 1e-3, &e) == GANTRY_E_INTERNAL);
}

static void test_numeric__catches_what_is_not_linear(void) {
  check_case c = of(right);
  err e = {0};
  T_CHECK(check_adjoint(&c, 0, 1, 1e-6, &e) == GANTRY_E_INTERNAL);
}

static void test_numeric__passes_on_errors_of_the_build(void) {
  check_case c = of(broken);
  err e = {0};
  T_CHECK(check_gradient(&c, 1, 1, 1e-6, &e) == GANTRY_E_SHAPE);
  T_STR(e.msg, "case, order 1: matmul: inner sizes 3 and 2 of [2,3] and [2,3] differ");
}

static void test_numeric__uniform_is_a_function_of_seed_and_index(void) {
  double mean = 0;
  for (uint64_t k = 0; k < 1000; k++) {
    double u = check_uniform(7, k);
    T_CHECK(u >= 0 && u < 1 && u == check_uniform(7, k));
    mean += u / 1000;
  }
  T_NEAR(mean, 0.5, 0.04);
  T_CHECK(check_uniform(7, 1) != check_uniform(8, 1));
}

T_MAIN(T(test_numeric__accepts_the_right_one), T(test_numeric__catches_a_wrong_rule), T(test_numeric__catches_a_wrong_second_order), T(test_numeric__catches_what_is_not_linear),
       T(test_numeric__passes_on_errors_of_the_build), T(test_numeric__uniform_is_a_function_of_seed_and_index))
