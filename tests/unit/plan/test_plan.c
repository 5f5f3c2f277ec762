/* test_plan.c - planned programs against the reference interpreter, and what a plan promises: states that swap, stores over values that are
 * still read, memory in place, padded and concatenated parts. */
#include "device.h"
#include "ir/build.h"

static device dev;
static int ready(err *e) {
  if (!dev.session) dev = device_open(e);
  if (e->code) printf("# %s\n", e->msg);
  T_CHECK(dev.session != NULL);
  return dev.session != NULL;
}

static double compare(const ir_graph *g, const char *name, uint64_t seed) {
  err e = {0};
  check_values v = {.seed = seed};
  char unique[64];
  static int count;
  snprintf(unique, sizeof unique, "%s%d", name, count++);
  if (g->err.code) {
    printf("# %s\n", g->err.msg);
    return INFINITY;
  }
  double d = device_compare(&dev, g, unique, check_bind, &v, &e);
  if (e.code) printf("# %s\n", e.msg);
  return d;
}

static void random_graphs(uint32_t dtype, uint32_t families, int n, uint32_t nodes, double tol) {
  err e = {0};
  if (!ready(&e)) return;
  for (int seed = 1; seed <= n; seed++) {
    check_random o = {dtype, nodes, families};
    device fresh = device_open(&e); /* leaves of different graphs have equal names and different shapes */
    device kept = dev;
    dev = fresh;
    ir_graph *g = check_random_graph((uint64_t)seed, &o, &e);
    double d = g ? compare(g, "random", (uint64_t)seed) : INFINITY;
    if (!(d <= tol)) printf("# seed %d families %u: error %g\n", seed, families, d);
    T_CHECK(d <= tol);
    ir_free(g);
    device_close(&fresh);
    dev = kept;
  }
}

static void test_plan__elementwise_graphs_equal_the_reference(void) { random_graphs(GANTRY_F64, CHECK_MAP | CHECK_MOVE, 60, 30, 1e-9); }
static void test_plan__reductions_equal_the_reference(void) { random_graphs(GANTRY_F64, CHECK_MAP | CHECK_MOVE | CHECK_REDUCE, 60, 40, 1e-8); }
static void test_plan__matmul_and_integers_equal_the_reference(void) { random_graphs(GANTRY_F64, CHECK_MAP | CHECK_MOVE | CHECK_REDUCE | CHECK_MATMUL | CHECK_INTEGER | CHECK_RANDOM, 60, 40, 1e-8); }
static void test_plan__gradients_equal_the_reference(void) { random_graphs(GANTRY_F64, CHECK_MAP | CHECK_MOVE | CHECK_REDUCE | CHECK_MATMUL | CHECK_GRADIENT, 40, 25, 1e-7); }
static void test_plan__f32_graphs_equal_the_reference_to_rounding(void) { random_graphs(GANTRY_F32, CHECK_MAP | CHECK_MOVE | CHECK_REDUCE | CHECK_MATMUL, 40, 25, 2e-3); }

static const int64_t four[1] = {4}, square[2] = {4, 4};

static void test_plan__states_swap(void) {
  err e = {0};
  if (!ready(&e)) return;
  ir_graph *g = ir_new();
  ir_id a = ir_leaf(g, GANTRY_OP_STATE, "swap/a", GANTRY_F32, 1, four), b = ir_leaf(g, GANTRY_OP_STATE, "swap/b", GANTRY_F32, 1, four);
  ir_store(g, "swap/a", b);
  ir_store(g, "swap/b", a);
  T_CHECK(compare(g, "swap", 1) == 0);
  ir_free(g);
}

static void test_plan__old_value_is_read_before_it_is_overwritten(void) {
  err e = {0};
  if (!ready(&e)) return;
  ir_graph *g = ir_new();
  ir_id a = ir_leaf(g, GANTRY_OP_STATE, "old/a", GANTRY_F64, 2, square), b = ir_leaf(g, GANTRY_OP_STATE, "old/b", GANTRY_F64, 2, square);
  const int64_t turn[2] = {1, 0};
  ir_id next = ir_add(g, ir_scale(g, a, 0.5), b);
  ir_store(g, "old/a", next);
  ir_store(g, "old/b", ir_add(g, ir_matmul(g, a, next, 0, 0), ir_permute(g, b, turn))); /* reads old a and old b crosswise */
  ir_output(g, "sum", ir_sum_all(g, ir_mul(g, a, b)));
  T_CHECK(compare(g, "old", 2) < 1e-12);
  ir_free(g);
}

static void test_plan__a_state_may_become_its_own_transpose(void) {
  err e = {0};
  if (!ready(&e)) return;
  ir_graph *g = ir_new();
  const int64_t turn[2] = {1, 0};
  ir_id a = ir_leaf(g, GANTRY_OP_STATE, "turn/a", GANTRY_F32, 2, square);
  ir_store(g, "turn/a", ir_add(g, ir_permute(g, a, turn), ir_const(g, GANTRY_F32, 1)));
  T_CHECK(compare(g, "turn", 3) < 1e-6);
  ir_free(g);
}

static void test_plan__one_value_for_two_states_and_an_output(void) {
  err e = {0};
  if (!ready(&e)) return;
  ir_graph *g = ir_new();
  ir_id a = ir_leaf(g, GANTRY_OP_STATE, "two/a", GANTRY_F32, 1, four), b = ir_leaf(g, GANTRY_OP_STATE, "two/b", GANTRY_F32, 1, four), v = ir_mul(g, a, b);
  ir_store(g, "two/a", v);
  ir_store(g, "two/b", v);
  ir_output(g, "v", v);
  ir_output(g, "more", ir_add(g, v, v));
  T_CHECK(compare(g, "two", 4) < 1e-6);
  ir_free(g);
}

static void test_plan__concat_and_interior_pad(void) {
  err e = {0};
  if (!ready(&e)) return;
  ir_graph *g = ir_new();
  ir_id a = ir_leaf(g, GANTRY_OP_INPUT, "parts/a", GANTRY_F32, 2, square), parts[3] = {a, ir_scale(g, a, 2), ir_matmul(g, a, a, 0, 0)};
  for (int axis = 0; axis < 2; axis++) {
    gantry_attr at = {GANTRY_A_AXIS, 1, {.i = axis}};
    ir_id c = ir_op(g, GANTRY_OP_CONCAT, parts, 3, &at, 1);
    ir_output(g, axis ? "c1" : "c0", c);
    ir_output(g, axis ? "d1" : "d0", ir_mul(g, c, c));
  }
  const int64_t lo[2] = {1, 0}, hi[2] = {0, 2}, between[2] = {1, 2}, none[2] = {0, 0};
  gantry_attr pad[3] = {{GANTRY_A_LO, 2, {.iv = lo}}, {GANTRY_A_HI, 2, {.iv = hi}}, {GANTRY_A_INTERIOR, 2, {.iv = between}}};
  ir_id wide = ir_op(g, GANTRY_OP_PAD, &parts[1], 1, pad, 3);
  pad[2].v.iv = none;
  ir_output(g, "interior", ir_add(g, wide, ir_const(g, GANTRY_F32, 1)));
  ir_output(g, "edges", ir_scale(g, ir_op(g, GANTRY_OP_PAD, &parts[1], 1, pad, 3), 3));
  T_CHECK(compare(g, "parts", 5) < 1e-5);
  ir_free(g);
}

static gantry_status no_scratch(void *user, const gantry_lib *l, int64_t *bytes, err *e) {
  (void)user;
  (void)l;
  (void)e;
  *bytes = 0;
  return GANTRY_OK;
}

static void test_plan__elementwise_chain_is_one_kernel(void) {
  err e = {0};
  ir_graph *g = ir_new();
  ir_id a = ir_leaf(g, GANTRY_OP_INPUT, "a", GANTRY_F32, 2, square), x = a;
  for (int k = 0; k < 20; k++) x = ir_1(g, GANTRY_OP_TANH, ir_add(g, x, a));
  ir_output(g, "x", x);
  plan *p = plan_make(g, "chain", 0, no_scratch, NULL, &e);
  plan_stats s = {0};
  if (p) plan_get_stats(p, &s);
  T_CHECK(p && s.kernels == 1 && s.workspace_bytes == 0);
  plan_free(p);
  ir_free(g);
}

static void test_plan__batch_statistics_share_a_kernel_and_memory_is_reused(void) {
  err e = {0};
  ir_graph *g = ir_new();
  const int64_t shape[2] = {64, 32}, rows[1] = {0};
  ir_id x = ir_leaf(g, GANTRY_OP_INPUT, "x", GANTRY_F32, 2, shape), w = ir_leaf(g, GANTRY_OP_INPUT, "w", GANTRY_F32, 2, (const int64_t[]){32, 32});
  gantry_attr at = {GANTRY_A_AXES, 1, {.iv = rows}};
  for (int k = 0; k < 6; k++) {
    x = ir_matmul(g, x, w, 0, 0);
    ir_id mean = ir_scale(g, ir_op(g, GANTRY_OP_SUM, &x, 1, &at, 1), 1.0 / 64), var = ir_op(g, GANTRY_OP_VAR, &x, 1, &at, 1);
    x = ir_mul(g, ir_sub(g, x, mean), ir_1(g, GANTRY_OP_RSQRT, ir_add(g, var, ir_const(g, GANTRY_F32, 1e-5))));
  }
  ir_output(g, "x", x);
  plan *p = plan_make(g, "norm", 0, no_scratch, NULL, &e);
  plan_stats s = {0};
  if (p) plan_get_stats(p, &s);
  if (p && s.kernels != 12) {
    buf b = {0};
    plan_print(p, &b);
    printf("# %u kernels\n%s", s.kernels, b.p);
    buf_free(&b);
  }
  T_CHECK(p && s.libs == 6 && s.kernels == 12); /* per layer: both statistics in one kernel, the normalisation in another */
  T_CHECK(p && s.workspace_bytes < s.sum_of_temporaries / 2);
  err v = {0};
  T_CHECK(p && !plan_verify(plan_program(p), &v));
  plan_free(p);
  ir_free(g);
}

static void test_plan__verify_refuses_overlapping_temporaries(void) {
  err e = {0}, v = {0};
  ir_graph *g = ir_new();
  ir_id a = ir_leaf(g, GANTRY_OP_INPUT, "a", GANTRY_F32, 2, square);
  ir_id b = ir_matmul(g, a, a, 0, 0), c = ir_matmul(g, a, a, 1, 0);
  ir_output(g, "d", ir_matmul(g, b, c, 0, 0));
  plan *p = plan_make(g, "overlap", 0, no_scratch, NULL, &e);
  T_CHECK(p && !plan_verify(plan_program(p), &v));
  gantry_buffer *buffers = p ? (gantry_buffer *)(uintptr_t)plan_program(p)->buffers : NULL;
  for (uint32_t k = 0; p && k < plan_program(p)->n_buffers; k++)
    if (buffers[k].space == GANTRY_SPACE_WORKSPACE) buffers[k].offset = 0;
  T_CHECK(p && plan_verify(plan_program(p), &v));
  T_HAS(v.msg, "alive in one place");
  plan_free(p);
  ir_free(g);
}

T_MAIN(T(test_plan__elementwise_graphs_equal_the_reference), T(test_plan__reductions_equal_the_reference), T(test_plan__matmul_and_integers_equal_the_reference),
       T(test_plan__gradients_equal_the_reference), T(test_plan__f32_graphs_equal_the_reference_to_rounding), T(test_plan__states_swap), T(test_plan__old_value_is_read_before_it_is_overwritten),
       T(test_plan__a_state_may_become_its_own_transpose), T(test_plan__one_value_for_two_states_and_an_output), T(test_plan__concat_and_interior_pad), T(test_plan__elementwise_chain_is_one_kernel),
       T(test_plan__batch_statistics_share_a_kernel_and_memory_is_reused), T(test_plan__verify_refuses_overlapping_temporaries))
