/* test_node.c - hash-consing, normalisation at insertion, constants, leaves, roots, labels: what ir_op() promises. */
#include "ir/build.h"
#include "t.h"

static ir_id leaf(ir_graph *g, const char *name, uint32_t dtype, uint32_t rank, int64_t a, int64_t b) { return ir_leaf(g, GANTRY_OP_INPUT, name, dtype, rank, (int64_t[]){a, b}); }

static ir_id build_mixture(ir_graph *g) {
  ir_id x = leaf(g, "x", GANTRY_F32, 2, 4, 3), b = ir_leaf(g, GANTRY_OP_STATE, "b", GANTRY_F32, 1, (int64_t[]){3});
  ir_id y = ir_1(g, GANTRY_OP_TANH, ir_add(g, ir_mul(g, x, x), b));
  return ir_mean_all(g, ir_where(g, ir_cmp(g, GANTRY_CMP_GT, y, ir_const(g, GANTRY_F32, 0)), y, ir_scale(g, y, 0.2)));
}

static void test_node__building_twice_adds_nothing(void) {
  ir_graph *g = ir_new();
  ir_id a = build_mixture(g);
  uint32_t n = g->nodes.n;
  T_CHECK(a && build_mixture(g) == a);
  T_CHECK(g->nodes.n == n);
  T_CHECK(g->err.code == GANTRY_OK);
  ir_free(g);
}

static void test_node__commutes(void) {
  ir_graph *g = ir_new();
  ir_id x = leaf(g, "x", GANTRY_F32, 2, 4, 3), y = leaf(g, "y", GANTRY_F32, 2, 4, 3);
  T_CHECK(ir_mul(g, x, y) == ir_mul(g, y, x));
  T_CHECK(ir_sub(g, x, y) != ir_sub(g, y, x));
  T_CHECK(ir_2(g, GANTRY_OP_MAX, x, y) != ir_2(g, GANTRY_OP_MAX, y, x));
  ir_free(g);
}

static void test_node__attributes_tell_nodes_apart(void) {
  ir_graph *g = ir_new();
  ir_id x = leaf(g, "x", GANTRY_F32, 2, 3, 3);
  T_CHECK(ir_pow(g, x, 3) != ir_pow(g, x, 4));
  T_CHECK(ir_matmul(g, x, x, 0, 1) != ir_matmul(g, x, x, 1, 0));
  T_CHECK(ir_sum(g, x, (int64_t[]){0}, 1) != ir_sum(g, x, (int64_t[]){1}, 1));
  T_CHECK(ir_const(g, GANTRY_F32, 0) != ir_const(g, GANTRY_F32, -0.0));
  T_CHECK(ir_const(g, GANTRY_F32, 1) != ir_const(g, GANTRY_F64, 1));
  T_CHECK(leaf(g, "y", GANTRY_F32, 2, 3, 3) != x);
  ir_free(g);
}

static void test_node__normalises(void) {
  ir_graph *g = ir_new();
  ir_id x = leaf(g, "x", GANTRY_F32, 2, 4, 3), one = ir_const(g, GANTRY_F32, 1), zero = ir_const(g, GANTRY_F32, 0), minus_zero = ir_const(g, GANTRY_F32, -0.0);
  T_CHECK(ir_mul(g, x, one) == x);
  T_CHECK(ir_mul(g, one, x) == x);
  T_CHECK(ir_div(g, x, one) == x);
  T_CHECK(ir_sub(g, x, zero) == x);
  T_CHECK(ir_add(g, x, minus_zero) == x);
  T_CHECK(ir_add(g, x, zero) != x);        /* -0 + 0 is 0 */
  T_CHECK(ir_sub(g, x, minus_zero) != x);  /* -0 - -0 is 0 */
  T_CHECK(ir_mul(g, x, zero) != ir_zeros_like(g, x)); /* NaN * 0 is NaN */
  T_CHECK(ir_sub(g, x, x) != ir_zeros_like(g, x));
  T_CHECK(ir_neg(g, ir_neg(g, x)) == x);
  T_CHECK(ir_pow(g, x, 2) == ir_mul(g, x, x));
  T_CHECK(ir_cast(g, x, GANTRY_F32) == x);
  T_CHECK(ir_reshape(g, x, 2, (int64_t[]){4, 3}) == x);
  T_CHECK(ir_reshape(g, ir_reshape(g, x, 1, (int64_t[]){12}), 2, (int64_t[]){4, 3}) == x);
  T_CHECK(ir_permute(g, ir_permute(g, x, (int64_t[]){1, 0}), (int64_t[]){1, 0}) == x);
  T_CHECK(ir_sum(g, x, NULL, 0) == x);
  T_CHECK(ir_broadcast_to(g, x, 2, (int64_t[]){4, 3}) == x);
  T_CHECK(ir_broadcast_to(g, one, 2, (int64_t[]){4, 3}) == ir_full(g, GANTRY_F32, 2, (int64_t[]){4, 3}, 1));
  ir_id c = ir_cmp(g, GANTRY_CMP_GT, x, zero);
  T_CHECK(ir_where(g, c, x, x) == x);
  T_CHECK(ir_1(g, GANTRY_OP_NOT, ir_1(g, GANTRY_OP_NOT, c)) == c);
  T_CHECK(g->err.code == GANTRY_OK);
  ir_free(g);
}

static void test_node__folds_constants(void) {
  ir_graph *g = ir_new();
  ir_id third = ir_div(g, ir_const(g, GANTRY_F32, 1), ir_const(g, GANTRY_F32, 3));
  T_CHECK(third == ir_const(g, GANTRY_F32, 1.0f / 3.0f));
  T_CHECK(ir_attr_f(g, third, GANTRY_A_VALUE, 0, 0) == (double)(1.0f / 3.0f));
  T_CHECK(ir_add(g, ir_const(g, GANTRY_U8, 250), ir_const(g, GANTRY_U8, 10)) == ir_const(g, GANTRY_U8, 4));
  T_CHECK(ir_sub(g, ir_const(g, GANTRY_U32, 0), ir_const(g, GANTRY_U32, 1)) == ir_const(g, GANTRY_U32, 4294967295.0));
  T_CHECK(ir_div(g, ir_const(g, GANTRY_I32, 7), ir_const(g, GANTRY_I32, 0)) == ir_const(g, GANTRY_I32, 0));
  T_CHECK(ir_at(g, ir_1(g, GANTRY_OP_EXP, ir_const(g, GANTRY_F32, 1)))->op == GANTRY_OP_EXP); /* whose bits are not certain */
  T_CHECK(ir_cmp(g, GANTRY_CMP_LT, ir_const(g, GANTRY_F32, 1), ir_const(g, GANTRY_F32, 2)) == ir_const(g, GANTRY_BOOL, 1));
  T_CHECK(g->err.code == GANTRY_OK);
  ir_free(g);
}

static void test_node__constants_have_one_form(void) {
  ir_graph *g = ir_new();
  int64_t three[] = {3};
  T_CHECK(ir_array(g, GANTRY_F32, 1, three, (double[]){2, 2, 2}) == ir_full(g, GANTRY_F32, 1, three, 2));
  T_CHECK(ir_const(g, GANTRY_F32, 0.1) == ir_const(g, GANTRY_F32, 0.1f));
  T_CHECK(ir_const(g, GANTRY_F64, 0.1) != ir_const(g, GANTRY_F64, 0.1f));
  T_CHECK(ir_const(g, GANTRY_F32, NAN) == ir_const(g, GANTRY_F32, -NAN));
  T_CHECK(!g->err.code && !ir_const(g, GANTRY_U8, 256) && g->err.code == GANTRY_E_DTYPE);
  T_STR(g->err.msg, "const: 256 is not a value of u8");
  ir_free(g);
}

static void test_node__leaves(void) {
  ir_graph *g = ir_new();
  ir_id x = leaf(g, "x", GANTRY_F32, 2, 4, 3);
  T_CHECK(leaf(g, "x", GANTRY_F32, 2, 4, 3) == x);
  T_CHECK(ir_leaf(g, GANTRY_OP_STATE, "x", GANTRY_F32, 2, (int64_t[]){4, 3}) != x);
  T_CHECK(!leaf(g, "x", GANTRY_F32, 2, 3, 4));
  T_STR(g->err.msg, "input: \"x\" was f32[4,3], now f32[3,4]");
  ir_free(g);
}

static void test_node__roots_are_replaced_by_name(void) {
  ir_graph *g = ir_new();
  ir_id x = leaf(g, "x", GANTRY_F32, 2, 4, 3);
  ir_store(g, "w", x);
  ir_output(g, "w", x);
  ir_store(g, "w", ir_neg(g, x));
  T_CHECK(g->roots.n == 2 && g->roots.p[0].id == ir_neg(g, x) && g->roots.p[1].id == x);
  ir_store(g, "v", 0);
  T_STR(g->err.msg, "state \"v\" has no value");
  ir_free(g);
}

static void test_node__first_error_sticks_with_its_label(void) {
  ir_graph *g = ir_new();
  ir_id x = leaf(g, "x", GANTRY_F32, 2, 4, 3), y = leaf(g, "y", GANTRY_F32, 2, 4, 5);
  T_CHECK(!ir_op(g, GANTRY_OP_TANH, (ir_id[]){0}, 1, NULL, 0) && !g->err.code); /* poison flows without a message */
  g->label = ir_intern(g, "d/conv1");
  T_CHECK(!ir_add(g, x, y));
  g->label = 0;
  T_STR(g->err.msg, "add: shapes [4,3] and [4,5] differ (at d/conv1)");
  T_CHECK(!ir_add(g, x, x) && !ir_op(g, 9999, NULL, 0, NULL, 0));
  T_STR(g->err.msg, "add: shapes [4,3] and [4,5] differ (at d/conv1)");
  ir_free(g);
}

static void test_node__broadcasts_as_numpy(void) {
  ir_graph *g = ir_new();
  ir_id a = leaf(g, "a", GANTRY_F32, 2, 4, 1), b = ir_leaf(g, GANTRY_OP_INPUT, "b", GANTRY_F32, 1, (int64_t[]){3}), c = ir_add(g, a, b);
  T_CHECK(ir_at(g, c)->rank == 2 && ir_dims(g, c)[0] == 4 && ir_dims(g, c)[1] == 3);
  ir_id d = ir_add(g, leaf(g, "d", GANTRY_F64, 2, 2, 2), ir_const(g, GANTRY_F32, 0.5)); /* constants adapt */
  T_CHECK(d && ir_at(g, d)->dtype == GANTRY_F64);
  T_CHECK(!ir_add(g, d, a));
  ir_free(g);
}

T_MAIN(T(test_node__building_twice_adds_nothing), T(test_node__commutes), T(test_node__attributes_tell_nodes_apart), T(test_node__normalises), T(test_node__folds_constants),
       T(test_node__constants_have_one_form), T(test_node__leaves), T(test_node__roots_are_replaced_by_name), T(test_node__first_error_sticks_with_its_label),
       T(test_node__broadcasts_as_numpy))
