/* test_opt.c - the optimiser: each rule fires where it should and only there, and never changes a value.
 *
 * Values are compared on the reference interpreter before and after, on random graphs and on the graphs of each rule, with ordinary
 * numbers and with NaN, infinities, -0 and denormals among them. */
#include "check/random_graph.h"
#include "ir/build.h"
#include "opt/left_over.h"

static void compare_random(uint32_t families, int special, double tol, uint64_t first, uint64_t last) {
  opt_stats all = {0};
  for (uint64_t seed = first; seed <= last; seed++) {
    err e = {0};
    char why[200] = "", text[300];
    check_random o = {seed & 1 ? GANTRY_F32 : GANTRY_F64, 40, families};
    check_values values = {seed, special};
    ir_graph *g = check_random_graph(seed, &o, &e), *h = NULL;
    opt_stats s = {0};
    if (g) h = opt_run(g, &s, &e);
    int ok = h && !ir_verify(h, "opt", &e) && same_values(g, h, &values, tol > 0 && o.dtype == GANTRY_F32 ? 1e-6 : tol, why); /* folded f32 constants are rounded to f32 */
    snprintf(text, sizeof text, "seed %llu: %.100s %s", (unsigned long long)seed, e.msg, why);
    t_check_msg(ok, __LINE__, __FILE__, text);
    uint32_t fired = 0;
    for (int k = 0; k < 64; k++) {
      all.hits[k] += s.hits[k];
      fired += s.hits[k];
    }
    ir_graph *again = h ? opt_run(h, &s, &e) : NULL; /* nothing is left to do */
    t_check_msg(again && ir_hash(again) == ir_hash(h), __LINE__, __FILE__, text);
    ir_free(again);
    T_CHECK(s.after <= s.before + fired); /* a rule may put two cheap nodes in the place of one */
    ir_free(g);
    ir_free(h);
  }
  uint32_t total = 0;
  for (int k = 0; k < 64; k++) total += all.hits[k];
  T_CHECK(total > 20); /* the comparison means something */
}

static void test_opt__random_graphs_keep_their_values(void) { compare_random(CHECK_ALL, 0, 1e-9, 1, 120); }
static void test_opt__random_gradients_keep_their_values(void) { compare_random((CHECK_ALL & ~CHECK_INTEGER) | CHECK_GRADIENT, 0, 1e-9, 201, 260); }
static void test_opt__exact_graphs_keep_their_bits(void) { compare_random(CHECK_MAP | CHECK_MOVE | CHECK_REDUCE | CHECK_INDEX | CHECK_INTEGER | CHECK_EXACT, 0, 0, 301, 400); }
static void test_opt__specials_are_kept(void) { compare_random(CHECK_MAP | CHECK_MOVE | CHECK_REDUCE | CHECK_EXACT, 1, 0, 401, 500); }
static void test_opt__specials_flow_through_sums(void) { compare_random(CHECK_MAP | CHECK_MOVE | CHECK_REDUCE | CHECK_MATMUL, 1, 1e-9, 501, 600); }

/* ---- one rule at a time -------------------------------------------------------------------------------------------------------- */

static ir_id in(ir_graph *g, const char *name, uint32_t rank, int64_t a, int64_t b, int64_t c) { return ir_leaf(g, GANTRY_OP_INPUT, name, GANTRY_F32, rank, (int64_t[]){a, b, c}); }
static gantry_attr iv(uint32_t key, uint32_t n, const int64_t *v) { return (gantry_attr){.key = key, .n = n, .v.iv = v}; }
#define L(...) ((int64_t[]){__VA_ARGS__})
static ir_id op1(ir_graph *g, uint32_t op, ir_id x, const gantry_attr *at, uint32_t n) { return ir_op(g, op, &x, 1, at, n); }
static ir_id slice2(ir_graph *g, ir_id x, const int64_t *start, const int64_t *stop, const int64_t *step) {
  return op1(g, GANTRY_OP_SLICE, x, (gantry_attr[]){iv(GANTRY_A_START, 2, start), iv(GANTRY_A_STOP, 2, stop), iv(GANTRY_A_STEP, 2, step)}, 3);
}
static ir_id pad2(ir_graph *g, ir_id x, const int64_t *lo, const int64_t *hi, const int64_t *interior) {
  return op1(g, GANTRY_OP_PAD, x, (gantry_attr[]){iv(GANTRY_A_LO, 2, lo), iv(GANTRY_A_HI, 2, hi), iv(GANTRY_A_INTERIOR, 2, interior)}, 3);
}
static ir_id spread(ir_graph *g, ir_id x, uint32_t rank, const int64_t *dims, uint32_t n, const int64_t *axes) {
  return op1(g, GANTRY_OP_BROADCAST, x, (gantry_attr[]){iv(GANTRY_A_DIMS, rank, dims), iv(GANTRY_A_AXES, n, axes)}, 2);
}

static void test_opt__views(void) {
  ir_graph *g = ir_new();
  T_CHECK(left_over(g, ir_permute(g, in(g, "x", 3, 4, 1, 3), L(1, 0, 2)), "permute-of-units", 1) == GANTRY_OP_RESHAPE);
  g = ir_new();
  T_CHECK(left_over(g, ir_permute(g, in(g, "x", 3, 4, 2, 3), L(1, 0, 2)), "permute-of-units", 0) == GANTRY_OP_PERMUTE);
  g = ir_new();
  T_CHECK(left_over(g, spread(g, in(g, "x", 2, 4, 3, 0), 3, L(4, 1, 3), 2, L(0, 2)), "broadcast-of-units", 1) == GANTRY_OP_RESHAPE);
  g = ir_new();
  T_CHECK(left_over(g, spread(g, spread(g, in(g, "x", 1, 4, 0, 0), 2, L(2, 4), 1, L(1)), 3, L(2, 3, 4), 2, L(0, 2)), "broadcast-of-broadcast", 1) == GANTRY_OP_BROADCAST);
  g = ir_new();
  T_CHECK(left_over(g, slice2(g, pad2(g, in(g, "x", 2, 4, 3, 0), L(1, 2), L(0, 1), L(1, 0)), L(1, 2), L(8, 5), L(2, 1)), "slice-of-pad", 1) == GANTRY_OP_INPUT);
  g = ir_new();
  T_CHECK(left_over(g, slice2(g, pad2(g, in(g, "x", 2, 4, 3, 0), L(1, 2), L(0, 1), L(1, 0)), L(0, 2), L(8, 5), L(2, 1)), "slice-of-pad", 0) == GANTRY_OP_SLICE);
  g = ir_new();
  T_CHECK(left_over(g, slice2(g, pad2(g, in(g, "x", 2, 4, 3, 0), L(1, 2), L(0, 1), L(0, 0)), L(1, 1), L(4, 4), L(1, 1)), "slice-of-pad", 0) == GANTRY_OP_SLICE);
  g = ir_new();
  T_CHECK(left_over(g, slice2(g, slice2(g, in(g, "x", 2, 9, 7, 0), L(1, 0), L(9, 7), L(2, 3)), L(1, 0), L(4, 2), L(2, 1)), "slice-of-slice", 1) == GANTRY_OP_SLICE);
  g = ir_new();
  T_CHECK(left_over(g, pad2(g, pad2(g, in(g, "x", 2, 4, 3, 0), L(1, 2), L(0, 1), L(1, 0)), L(1, 0), L(2, 2), L(0, 0)), "pad-of-pad", 1) == GANTRY_OP_PAD);
  g = ir_new();
  T_CHECK(left_over(g, pad2(g, pad2(g, in(g, "x", 2, 4, 3, 0), L(1, 2), L(0, 1), L(0, 0)), L(1, 0), L(2, 2), L(1, 0)), "pad-of-pad", 0) == GANTRY_OP_PAD);
}

static void test_opt__concat(void) {
  for (int inside = 0; inside < 2; inside++) {
    ir_graph *g = ir_new();
    ir_id part[] = {in(g, "x", 2, 4, 3, 0), in(g, "y", 2, 4, 2, 0)};
    gantry_attr at = {.key = GANTRY_A_AXIS, .n = 1, .v.i = 1};
    ir_id cat = ir_op(g, GANTRY_OP_CONCAT, part, 2, &at, 1);
    T_CHECK(left_over(g, slice2(g, cat, L(0, inside ? 3 : 2), L(4, 5), L(1, 1)), "slice-of-concat", inside) == (inside ? GANTRY_OP_INPUT : GANTRY_OP_SLICE));
  }
}

static void test_opt__matmul(void) {
  for (int ta = 0; ta < 2; ta++) {
    ir_graph *g = ir_new();
    ir_id a = in(g, "a", 3, 2, ta ? 3 : 4, ta ? 4 : 3), b = in(g, "b", 3, 2, 5, 4);
    T_CHECK(left_over(g, ir_matmul(g, ir_permute(g, a, L(0, 2, 1)), ir_permute(g, b, L(0, 2, 1)), ta, 0), "matmul-of-permute", 1) == GANTRY_OP_MATMUL);
  }
  ir_graph *g = ir_new();
  left_over(g, ir_matmul(g, ir_permute(g, in(g, "a", 3, 3, 2, 4), L(1, 0, 2)), in(g, "b", 3, 2, 4, 5), 0, 0), "matmul-of-permute", 0);
}

static void test_opt__sums(void) {
  ir_graph *g = ir_new();
  T_CHECK(left_over(g, ir_sum(g, in(g, "x", 3, 4, 1, 3), L(1), 1), "sum-of-units", 1) == GANTRY_OP_RESHAPE);
  g = ir_new();
  T_CHECK(left_over(g, ir_sum(g, in(g, "x", 3, 4, 1, 3), L(0, 1), 2), "sum-of-units", 1) == GANTRY_OP_SUM);
  g = ir_new();
  T_CHECK(left_over(g, ir_sum(g, ir_sum(g, in(g, "x", 3, 4, 2, 3), L(1), 1), L(1), 1), "sum-of-sum", 1) == GANTRY_OP_SUM);
  g = ir_new();
  T_CHECK(left_over(g, ir_sum(g, spread(g, in(g, "x", 2, 4, 3, 0), 3, L(4, 5, 3), 2, L(0, 2)), L(1), 1), "sum-of-broadcast", 1) == GANTRY_OP_MUL);
  g = ir_new(); /* both a copied and a real axis go, another copied one stays */
  T_CHECK(left_over(g, ir_sum(g, spread(g, in(g, "x", 2, 4, 3, 0), 4, L(4, 5, 3, 2), 2, L(0, 2)), L(1, 2), 2), "sum-of-broadcast", 1) == GANTRY_OP_BROADCAST);
  g = ir_new();
  T_CHECK(left_over(g, ir_sum(g, spread(g, in(g, "x", 2, 4, 3, 0), 3, L(4, 5, 3), 2, L(0, 2)), L(0), 1), "sum-of-broadcast", 0) == GANTRY_OP_SUM);
}

static void test_opt__conditions(void) {
  ir_graph *g = ir_new();
  ir_id x = in(g, "x", 2, 4, 3, 0), y = in(g, "y", 2, 4, 3, 0), c = ir_cmp(g, GANTRY_CMP_LT, x, y), d = ir_cmp(g, GANTRY_CMP_EQ, x, y);
  ir_id inner = ir_where(g, c, x, ir_neg(g, y));
  left_over(g, ir_where(g, ir_1(g, GANTRY_OP_NOT, c), x, y), "where-of-not", 1);
  g = ir_new();
  x = in(g, "x", 2, 4, 3, 0), y = in(g, "y", 2, 4, 3, 0), c = ir_cmp(g, GANTRY_CMP_LT, x, y), d = ir_cmp(g, GANTRY_CMP_EQ, x, y);
  inner = ir_where(g, c, x, ir_neg(g, y));
  left_over(g, ir_where(g, c, inner, ir_where(g, c, y, ir_scale(g, x, 3))), "where-of-where", 1);
  g = ir_new();
  x = in(g, "x", 2, 4, 3, 0), y = in(g, "y", 2, 4, 3, 0), c = ir_cmp(g, GANTRY_CMP_LT, x, y), d = ir_cmp(g, GANTRY_CMP_EQ, x, y);
  inner = ir_where(g, c, x, ir_neg(g, y));
  left_over(g, ir_where(g, d, inner, y), "where-of-where", 0);
}

static void test_opt__arithmetic(void) {
  ir_graph *g = ir_new();
  T_CHECK(left_over(g, ir_scale(g, ir_scale(g, in(g, "x", 1, 9, 0, 0), 4), -2), "mul-of-mul", 1) == GANTRY_OP_MUL);
  g = ir_new(); /* 0.5 twice rounds denormals twice, 3 rounds at all */
  left_over(g, ir_scale(g, ir_scale(g, in(g, "x", 1, 9, 0, 0), 0.5), 0.5), "mul-of-mul", 0);
  g = ir_new();
  left_over(g, ir_scale(g, ir_scale(g, in(g, "x", 1, 9, 0, 0), 3), 5), "mul-of-mul", 0);
  g = ir_new();
  left_over(g, ir_scale(g, ir_neg(g, in(g, "x", 1, 9, 0, 0)), 3), "mul-of-neg", 1);
  g = ir_new();
  T_CHECK(left_over(g, ir_div(g, in(g, "x", 1, 9, 0, 0), ir_const(g, GANTRY_F32, 8)), "div-by-power-of-two", 1) == GANTRY_OP_MUL);
  g = ir_new();
  left_over(g, ir_div(g, in(g, "x", 1, 9, 0, 0), ir_const(g, GANTRY_F32, 3)), "div-by-power-of-two", 0);
  g = ir_new(); /* 2^-149 has no reciprocal in f32 */
  left_over(g, ir_div(g, in(g, "x", 1, 9, 0, 0), ir_const(g, GANTRY_F32, 0x1p-149)), "div-by-power-of-two", 0);
  g = ir_new();
  T_CHECK(left_over(g, ir_add(g, in(g, "x", 1, 9, 0, 0), ir_neg(g, in(g, "y", 1, 9, 0, 0))), "add-of-neg", 1) == GANTRY_OP_SUB);
  g = ir_new();
  T_CHECK(left_over(g, ir_sub(g, in(g, "x", 1, 9, 0, 0), ir_neg(g, in(g, "y", 1, 9, 0, 0))), "sub-of-neg", 1) == GANTRY_OP_ADD);
}

static ir_id branch(ir_graph *g, int first, double value) {
  ir_id x = in(g, "x", 1, 9, 0, 0), c = ir_cmp(g, GANTRY_CMP_GT, in(g, "y", 1, 9, 0, 0), ir_const(g, GANTRY_F32, 0)), z = ir_const(g, GANTRY_F32, value);
  return first ? ir_where(g, c, x, z) : ir_where(g, c, z, x);
}

static void test_opt__leaky_derivatives(void) {
  ir_graph *g = ir_new();
  T_CHECK(left_over(g, ir_scale(g, branch(g, 0, 0), 0.2), "mul-of-where", 1) == GANTRY_OP_WHERE);
  g = ir_new();
  T_CHECK(left_over(g, ir_scale(g, branch(g, 1, 0), -3), "mul-of-where", 1) == GANTRY_OP_WHERE);
  g = ir_new(); /* 0 * infinity is NaN */
  T_CHECK(left_over(g, ir_scale(g, branch(g, 1, 0), INFINITY), "mul-of-where", 0) == GANTRY_OP_MUL);
  g = ir_new();
  T_CHECK(left_over(g, ir_scale(g, branch(g, 1, 1), 0.2), "mul-of-where", 0) == GANTRY_OP_MUL);
  g = ir_new();
  ir_id a = branch(g, 1, 0), b = ir_scale(g, branch(g, 0, 0), 0.2);
  T_CHECK(left_over(g, ir_add(g, a, b), "add-of-wheres", 1) == GANTRY_OP_WHERE);
  g = ir_new();
  a = branch(g, 1, 0), b = branch(g, 0, 1);
  T_CHECK(left_over(g, ir_add(g, a, b), "add-of-wheres", 0) == GANTRY_OP_ADD);
  g = ir_new();
  a = branch(g, 1, 0), b = ir_neg(g, branch(g, 1, 0));
  left_over(g, ir_add(g, a, b), "add-of-wheres", 0);
  g = ir_new();
  T_CHECK(left_over(g, ir_sum_all(g, ir_neg(g, in(g, "x", 1, 9, 0, 0))), "sum-of-neg", 1) == GANTRY_OP_NEG);
}

static void test_opt__casts(void) {
  ir_graph *g = ir_new();
  T_CHECK(left_over(g, ir_cast(g, ir_cast(g, in(g, "x", 1, 9, 0, 0), GANTRY_F64), GANTRY_F32), "cast-of-cast", 1) == GANTRY_OP_INPUT);
  g = ir_new();
  T_CHECK(left_over(g, ir_cast(g, ir_cast(g, in(g, "x", 1, 9, 0, 0), GANTRY_BF16), GANTRY_F32), "cast-of-cast", 0) == GANTRY_OP_CAST);
  g = ir_new(); /* u32 to i32 wraps; through f64 it saturates */
  ir_id big = ir_leaf(g, GANTRY_OP_INPUT, "u", GANTRY_U32, 1, L(5));
  left_over(g, ir_cast(g, ir_cast(g, big, GANTRY_F64), GANTRY_I32), "cast-of-cast", 0);
}

static void test_opt__constants(void) {
  ir_graph *g = ir_new();
  ir_id a = ir_array(g, GANTRY_F32, 1, L(3), (double[]){1, 2, 3}), b = ir_array(g, GANTRY_F32, 1, L(3), (double[]){0.5, NAN, -INFINITY});
  ir_id y = ir_add(g, ir_div(g, a, b), ir_mul(g, a, a));
  T_CHECK(left_over(g, ir_reshape(g, y, 2, L(3, 1)), "fold", 1) == GANTRY_OP_CONST);
  g = ir_new();
  T_CHECK(left_over(g, ir_1(g, GANTRY_OP_EXP, ir_array(g, GANTRY_F32, 1, L(3), (double[]){1, 2, 3})), "fold", 0) == GANTRY_OP_EXP);
}

static void test_opt__control(void) {
  ir_graph *g = ir_new();
  ir_id x = in(g, "x", 1, 9, 0, 0);
  T_CHECK(left_over(g, ir_1(g, GANTRY_OP_RECOMPUTE, ir_1(g, GANTRY_OP_STOP_GRAD, ir_1(g, GANTRY_OP_TANH, x))), "stop-grad", 1) == GANTRY_OP_RECOMPUTE);
}

static void test_opt__keeps_roots_labels_and_drops_the_dead(void) {
  ir_graph *g = ir_new();
  err e = {0};
  opt_stats s;
  ir_id x = ir_leaf(g, GANTRY_OP_STATE, "w", GANTRY_F32, 1, L(4));
  ir_1(g, GANTRY_OP_EXP, x);
  g->label = ir_intern(g, "g/up");
  ir_id y = ir_1(g, GANTRY_OP_TANH, x);
  g->label = 0;
  ir_store(g, "w", y);
  ir_output(g, "loss", ir_sum_all(g, y));
  ir_graph *h = opt_run(g, &s, &e);
  buf b = {0};
  ir_print(h, &b);
  T_STR(b.p, "%1 = state f32[4] name=\"w\"\n%2 = tanh f32[4] %1  ; g/up\n%3 = sum f32[] %2 axes=[0]\nstore \"w\" = %2\noutput \"loss\" = %3\n");
  T_CHECK(s.before == 3 && s.after == 3 && h->nodes.n == 4);
  T_CHECK(ir_hash(g) == ir_hash(h));
  buf_free(&b);
  ir_free(h);
  ir_fail(g, GANTRY_E_SHAPE, "broken");
  T_CHECK(!opt_run(g, &s, &e) && e.code == GANTRY_E_SHAPE);
  ir_free(g);
}

T_MAIN(T(test_opt__random_graphs_keep_their_values), T(test_opt__random_gradients_keep_their_values), T(test_opt__exact_graphs_keep_their_bits), T(test_opt__specials_are_kept),
       T(test_opt__specials_flow_through_sums), T(test_opt__views), T(test_opt__concat), T(test_opt__matmul), T(test_opt__sums), T(test_opt__conditions), T(test_opt__arithmetic),
       T(test_opt__leaky_derivatives), T(test_opt__casts), T(test_opt__constants), T(test_opt__control), T(test_opt__keeps_roots_labels_and_drops_the_dead))
