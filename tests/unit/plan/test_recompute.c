/* test_recompute.c - values computed again instead of kept: the same bits, less memory, no more moved than allowed, and nothing computed from what has changed meanwhile. */
#include "ad/ad.h"
#include "device.h"
#include "ir/build.h"

static gantry_status scratch_of_matmul(void *user, const gantry_lib *l, int64_t *bytes, err *e) {
  (void)user, (void)e;
  *bytes = l->op == GANTRY_OP_MATMUL ? 256 : 0;
  return GANTRY_OK;
}

enum { ROWS = 64, WIDTH = 32, LAYERS = 6 };

/* A network of matrix products, a normalization over the rows and an activation, its loss and the gradients of its weights. `marked`: every activation goes through gan_recompute(). */
static ir_graph *network(int normalised, int marked) {
  ir_graph *g = ir_new();
  const int64_t in[2] = {ROWS, WIDTH}, w[2] = {WIDTH, WIDTH}, axes[1] = {0};
  gantry_attr over = {GANTRY_A_AXES, 1, {.iv = axes}};
  ir_id x = ir_leaf(g, GANTRY_OP_INPUT, "x", GANTRY_F32, 2, in), weights[LAYERS], d[LAYERS];
  for (int k = 0; k < LAYERS; k++) {
    char name[16];
    snprintf(name, sizeof name, "w%d", k);
    weights[k] = ir_leaf(g, GANTRY_OP_INPUT, name, GANTRY_F32, 2, w);
    x = ir_matmul(g, x, weights[k], 0, 0);
    if (normalised) {
      ir_id mean = ir_scale(g, ir_op(g, GANTRY_OP_SUM, &x, 1, &over, 1), 1.0 / ROWS), var = ir_op(g, GANTRY_OP_VAR, &x, 1, &over, 1);
      x = ir_mul(g, ir_sub(g, x, mean), ir_1(g, GANTRY_OP_RSQRT, ir_add(g, var, ir_const(g, GANTRY_F32, 1e-5))));
    }
    x = ir_1(g, GANTRY_OP_TANH, x);
    if (normalised == 2) { /* a sum that shares a kernel with the value, whose points it visits column by column */
      snprintf(name, sizeof name, "sum%d", k);
      ir_output(g, name, ir_op(g, GANTRY_OP_SUM, &x, 1, &over, 1));
    }
    if (marked) x = ir_1(g, GANTRY_OP_RECOMPUTE, x);
  }
  ir_id loss = ir_sum_all(g, ir_mul(g, x, x));
  T_CHECK(!ad_grad(g, loss, 0, weights, LAYERS, d));
  ir_output(g, "loss", loss);
  for (int k = 0; k < LAYERS; k++) {
    char name[16];
    snprintf(name, sizeof name, "d%d", k);
    ir_output(g, name, d[k]);
  }
  return g;
}

static plan_stats stats_of(const ir_graph *g, double recompute) {
  err e = {0};
  plan_stats s = {0};
  plan *p = plan_make(g, "test", recompute, scratch_of_matmul, NULL, &e);
  T_CHECK(p && !plan_verify(plan_program(p), &e));
  if (e.code) printf("# %s\n", e.msg);
  if (p) plan_get_stats(p, &s);
  plan_free(p);
  return s;
}

/* Runs g with and without, and compares every root, byte for byte. */
static void same_bits(const ir_graph *g, uint64_t seed) {
  err e = {0};
  device d = device_open(&e);
  check_values v = {.seed = seed};
  T_CHECK(d.session != NULL);
  if (!d.session) return;
  device_run(&d, g, "kept", check_bind, &v, &e);
  v = (check_values){.seed = seed};
  d.recompute = 1;
  device_run(&d, g, "again", check_bind, &v, &e);
  T_CHECK(!e.code);
  if (e.code) printf("# %s\n", e.msg);
  for (uint32_t k = 0; k < g->roots.n && !e.code; k++) {
    char a[256], b[256];
    snprintf(a, sizeof a, "out/kept/%s", ir_name(g, g->roots.p[k].name));
    snprintf(b, sizeof b, "out/again/%s", ir_name(g, g->roots.p[k].name));
    const exec_tensor *t = exec_tensor_get(d.session, a);
    if (!t) continue; /* a state: both wrote it */
    void *x = mem_alloc((size_t)t->bytes), *y = mem_alloc((size_t)t->bytes);
    T_CHECK(!exec_read(d.session, a, x, t->bytes, &e) && !exec_read(d.session, b, y, t->bytes, &e));
    T_CHECK(!memcmp(x, y, (size_t)t->bytes));
    free(x);
    free(y);
  }
  device_close(&d);
}

static void test_recompute__less_memory_for_the_same_bits(void) {
  for (int normalised = 0; normalised < 3; normalised++) {
    ir_graph *g = network(normalised, 0);
    plan_stats kept = stats_of(g, 0), again = stats_of(g, 1);
    if (normalised) T_CHECK(again.workspace_bytes <= kept.workspace_bytes * 7 / 10); /* a product and its normalized twin lay in memory for each layer */
    T_CHECK(again.workspace_bytes <= kept.workspace_bytes && again.libs == kept.libs);
    same_bits(g, 7);
    ir_free(g);
  }
}

static void test_recompute__no_more_is_moved_than_allowed(void) {
  ir_graph *g = network(1, 0);
  plan_stats kept = stats_of(g, 0);
  int64_t before = kept.workspace_bytes;
  for (int k = 1; k <= 6; k++) {
    double share = 0.02 * (1 << (k - 1)) > 1 ? 1 : 0.02 * (1 << (k - 1));
    plan_stats s = stats_of(g, share);
    T_CHECK((double)(s.bytes_moved - kept.bytes_moved) <= share * 1.1 * (double)kept.bytes_moved);
    T_CHECK(s.workspace_bytes <= before);
    before = s.workspace_bytes;
  }
  T_CHECK(before < kept.workspace_bytes);
  ir_free(g);
}

static void test_recompute__marked_values_need_no_allowance(void) {
  ir_graph *plain = network(1, 0), *marked = network(1, 1);
  plan_stats kept = stats_of(plain, 0), again = stats_of(marked, 0);
  T_CHECK(again.workspace_bytes < kept.workspace_bytes && again.kernels > kept.kernels);
  ir_free(plain);
  ir_free(marked);
}

/* y = tanh(a @ b) is wanted early and late, with a fat middle; a and b stay. Marked, the product itself may be computed twice: two library steps more than without a mark are one more. */
static ir_graph *fat_middle(int marked) {
  ir_graph *g = ir_new();
  const int64_t dims[2] = {WIDTH, WIDTH}, wide[2] = {WIDTH, 8 * WIDTH}, tall[2] = {8 * WIDTH, WIDTH};
  ir_id a = ir_leaf(g, GANTRY_OP_INPUT, "a", GANTRY_F32, 2, dims), up = ir_leaf(g, GANTRY_OP_INPUT, "up", GANTRY_F32, 2, wide), down = ir_leaf(g, GANTRY_OP_INPUT, "down", GANTRY_F32, 2, tall);
  ir_id y = ir_matmul(g, a, a, 0, 0);
  if (marked) y = ir_1(g, GANTRY_OP_RECOMPUTE, y);
  ir_id middle = ir_1(g, GANTRY_OP_TANH, ir_matmul(g, y, up, 0, 0));
  ir_id z = ir_matmul(g, middle, down, 0, 0);
  ir_output(g, "z", ir_matmul(g, z, y, 0, 0));
  return g;
}

static void test_recompute__a_marked_library_step_runs_twice(void) {
  ir_graph *plain = fat_middle(0), *marked = fat_middle(1);
  plan_stats kept = stats_of(plain, 1), again = stats_of(marked, 0);
  T_CHECK(again.libs == kept.libs + 1 && again.workspace_bytes < kept.workspace_bytes);
  same_bits(marked, 3);
  ir_free(plain);
  ir_free(marked);
}

/* The value depends on a state that is overwritten before the value is wanted again: it has to be kept. */
static void test_recompute__not_from_a_state_that_has_changed(void) {
  err e = {0};
  const int64_t dims[2] = {WIDTH, WIDTH}, wide[2] = {WIDTH, 8 * WIDTH}, tall[2] = {8 * WIDTH, WIDTH};
  double result[2][WIDTH * WIDTH];
  for (int again = 0; again < 2; again++) {
    ir_graph *g = ir_new();
    device d = device_open(&e);
    check_values v = {.seed = 5};
    ir_id s = ir_leaf(g, GANTRY_OP_STATE, "s", GANTRY_F32, 2, dims), up = ir_leaf(g, GANTRY_OP_INPUT, "up", GANTRY_F32, 2, wide), down = ir_leaf(g, GANTRY_OP_INPUT, "down", GANTRY_F32, 2, tall);
    ir_id y = ir_1(g, GANTRY_OP_TANH, s);
    ir_id z = ir_matmul(g, y, y, 0, 0);
    ir_store(g, "s", ir_scale(g, z, 0.5));
    ir_id middle = ir_1(g, GANTRY_OP_TANH, ir_matmul(g, z, up, 0, 0));
    ir_output(g, "z", ir_matmul(g, ir_matmul(g, middle, down, 0, 0), y, 0, 0));
    d.recompute = again;
    if (d.session) device_run(&d, g, "p", check_bind, &v, &e);
    float raw[WIDTH * WIDTH];
    T_CHECK(d.session && !e.code && !exec_read(d.session, "out/p/z", raw, sizeof raw, &e));
    for (int k = 0; k < WIDTH * WIDTH; k++) result[again][k] = (double)raw[k];
    device_close(&d);
    ir_free(g);
  }
  T_CHECK(!memcmp(result[0], result[1], sizeof result[0]));
}

static void test_recompute__random_gradients_equal_the_reference(void) {
  err e = {0};
  uint32_t less = 0;
  for (uint64_t seed = 1; seed <= 30; seed++) {
    check_random o = {GANTRY_F64, 40, CHECK_MAP | CHECK_MOVE | CHECK_REDUCE | CHECK_MATMUL | CHECK_GRADIENT};
    device d = device_open(&e);
    ir_graph *g = check_random_graph(seed, &o, &e);
    check_values v = {.seed = seed};
    d.recompute = 1;
    double worst = g && d.session ? device_compare(&d, g, "random", check_bind, &v, &e) : INFINITY;
    if (!(worst <= 1e-7)) printf("# seed %llu: %g %s\n", (unsigned long long)seed, worst, e.msg);
    T_CHECK(worst <= 1e-7);
    less += g && stats_of(g, 1).workspace_bytes < stats_of(g, 0).workspace_bytes;
    ir_free(g);
    device_close(&d);
  }
  T_CHECK(less > 0); /* else nothing was tried */
}

T_MAIN(T(test_recompute__less_memory_for_the_same_bits), T(test_recompute__no_more_is_moved_than_allowed), T(test_recompute__marked_values_need_no_allowance),
       T(test_recompute__a_marked_library_step_runs_twice), T(test_recompute__not_from_a_state_that_has_changed), T(test_recompute__random_gradients_equal_the_reference))
