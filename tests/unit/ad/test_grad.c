/* test_grad.c - what ad_grad() promises beside the rules: seeds, zeros where independent, intermediate xs, ties, any order, errors. */
#include "ad/ad.h"
#include "check/numeric.h"
#include "ir/build.h"
#include "t.h"

#define L(...) ((int64_t[]){__VA_ARGS__})
static ir_id vector(ir_graph *g, const char *name) { return ir_leaf(g, GANTRY_OP_INPUT, name, GANTRY_F64, 1, L(4)); }

static void test_grad__zeros_where_independent(void) {
  ir_graph *g = ir_new();
  ir_id x = vector(g, "x"), z = vector(g, "z"), y = ir_mul(g, x, x), d[3];
  T_CHECK(!ad_grad(g, y, 0, (ir_id[]){x, z, ir_1(g, GANTRY_OP_EXP, y)}, 3, d));
  T_CHECK(d[1] == ir_zeros_like(g, z) && d[2] == ir_zeros_like(g, z) && d[0] != d[1]);
  T_CHECK(!ad_grad(g, ir_1(g, GANTRY_OP_STOP_GRAD, y), 0, &x, 1, d) && d[0] == ir_zeros_like(g, x));
  T_CHECK(!ad_grad(g, ir_1(g, GANTRY_OP_RECOMPUTE, x), z, &x, 1, d) && d[0] == z);
  T_CHECK(!ad_grad(g, x, z, &x, 1, d) && d[0] == z);
  ir_free(g);
}

static void test_grad__intermediate_xs(void) {
  ir_graph *g = ir_new();
  ir_id x = vector(g, "x"), h = ir_1(g, GANTRY_OP_TANH, x), y = ir_mul(g, h, vector(g, "w")), d[2];
  T_CHECK(!ad_grad(g, y, 0, (ir_id[]){h, x}, 2, d));
  T_CHECK(d[0] == vector(g, "w")); /* and the walk goes on below it */
  T_CHECK(d[1] == ir_mul(g, d[0], ir_sub(g, ir_const(g, GANTRY_F64, 1), ir_mul(g, h, h))));
  ir_free(g);
}

static void test_grad__integers_and_conditions_stop_it(void) {
  ir_graph *g = ir_new();
  ir_id x = vector(g, "x"), d;
  ir_id y = ir_mul(g, x, ir_cast(g, ir_cast(g, x, GANTRY_I32), GANTRY_F64));
  T_CHECK(!ad_grad(g, y, 0, &x, 1, &d) && d == ir_cast(g, ir_cast(g, x, GANTRY_I32), GANTRY_F64));
  ir_free(g);
}

static double at_one_point(ir_graph *g, ir_id id, int64_t k) {
  double *v = NULL, r;
  err e = {0};
  T_CHECK(!ir_eval(g, &id, 1, NULL, NULL, &v, &e));
  r = v ? v[k] : NAN;
  free(v);
  return r;
}

static void test_grad__ties_share(void) {
  ir_graph *g = ir_new();
  gantry_attr zero = {.key = GANTRY_A_AXES, .n = 1, .v.iv = L(0)};
  ir_id a = ir_array(g, GANTRY_F64, 1, L(3), (double[]){2, 5, 1}), b = ir_array(g, GANTRY_F64, 1, L(3), (double[]){2, 3, 4}), d[2];
  static const uint32_t ops[] = {GANTRY_OP_MAX, GANTRY_OP_MIN};
  for (int k = 0; k < 2; k++) {
    T_CHECK(!ad_grad(g, ir_2(g, ops[k], a, b), 0, (ir_id[]){a, b}, 2, d));
    T_CHECK(at_one_point(g, d[0], 0) == 0.5 && at_one_point(g, d[1], 0) == 0.5);
    T_CHECK(at_one_point(g, d[k], 1) == 1 && at_one_point(g, d[!k], 1) == 0);
    T_CHECK(at_one_point(g, d[k], 2) == 0 && at_one_point(g, d[!k], 2) == 1);
  }
  ir_id c = ir_array(g, GANTRY_F64, 1, L(4), (double[]){7, 1, 7, 0});
  T_CHECK(!ad_grad(g, ir_op(g, GANTRY_OP_RMAX, &c, 1, &zero, 1), 0, &c, 1, d));
  T_CHECK(at_one_point(g, d[0], 0) == 0.5 && at_one_point(g, d[0], 2) == 0.5 && at_one_point(g, d[0], 1) == 0);
  ir_free(g);
}

/* A gradient penalty: the derivative of a function of a derivative, through a small network. */
static ir_id penalty(ir_graph *g, const ir_id *in, const void *arg) {
  (void)arg;
  ir_id h = ir_1(g, GANTRY_OP_TANH, ir_matmul(g, in[0], in[1], 0, 1)), out = ir_matmul(g, h, in[2], 0, 1), d;
  if (ad_grad(g, ir_sum_all(g, out), 0, in, 1, &d)) return 0;
  ir_id norm = ir_1(g, GANTRY_OP_SQRT, ir_add(g, ir_sum(g, ir_mul(g, d, d), L(1), 1), ir_const(g, GANTRY_F64, 1e-3)));
  ir_id off = ir_sub(g, norm, ir_const(g, GANTRY_F64, 1));
  return ir_mean_all(g, ir_mul(g, off, off));
}

static void test_grad__gradient_penalty(void) {
  check_case c = {.name = "penalty", .n = 3, .build = penalty};
  c.in[0] = (check_input){.dtype = GANTRY_F64, .rank = 2, .dims = {3, 5}, .lo = -1, .hi = 1};
  c.in[1] = (check_input){.dtype = GANTRY_F64, .rank = 2, .dims = {4, 5}, .lo = -1, .hi = 1};
  c.in[2] = (check_input){.dtype = GANTRY_F64, .rank = 2, .dims = {1, 4}, .lo = -1, .hi = 1};
  for (int order = 1; order <= 2; order++) {
    err e = {0};
    t_check_msg(!check_gradient(&c, order, 5, 1e-6, &e), __LINE__, __FILE__, e.msg);
  }
}

static void test_grad__labels_follow_the_layer(void) {
  ir_graph *g = ir_new();
  ir_id x = vector(g, "x"), d;
  g->label = ir_intern(g, "d/act");
  ir_id y = ir_1(g, GANTRY_OP_SIN, x);
  g->label = ir_intern(g, "loss");
  T_CHECK(!ad_grad(g, y, vector(g, "u"), &x, 1, &d));
  T_STR(ir_name(g, ir_at(g, d)->label), "d/act");
  T_STR(ir_name(g, g->label), "loss");
  ir_free(g);
}

static void test_grad__errors(void) {
  ir_graph *g = ir_new();
  ir_id x = vector(g, "x"), i = ir_cast(g, x, GANTRY_I32), d;
  T_CHECK(ad_grad(g, x, ir_const(g, GANTRY_F64, 1), &x, 1, &d) == GANTRY_E_SHAPE && d == 0);
  T_STR(g->err.msg, "grad: the seed is f64[], y is f64[4]");
  err_clear(&g->err);
  T_CHECK(ad_grad(g, x, 0, &i, 1, &d) == GANTRY_E_DTYPE);
  T_STR(g->err.msg, "grad: x 0 is i32; only floating-point values have gradients");
  err_clear(&g->err);
  T_CHECK(ad_grad(g, i, 0, &x, 1, &d) == GANTRY_E_DTYPE);
  err_clear(&g->err);
  T_CHECK(ad_grad(g, 12345, 0, &x, 1, &d) == GANTRY_E_INVALID);
  err_clear(&g->err);
  T_CHECK(ad_grad(g, 0, 0, &x, 1, &d) == GANTRY_OK && d == 0 && !g->err.code); /* poison flows */
  ir_free(g);
}

T_MAIN(T(test_grad__zeros_where_independent), T(test_grad__intermediate_xs), T(test_grad__integers_and_conditions_stop_it), T(test_grad__ties_share), T(test_grad__gradient_penalty),
       T(test_grad__labels_follow_the_layer), T(test_grad__errors))
