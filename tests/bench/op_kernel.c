/* op_kernel.c - how long the CPU backend's kernels and library steps take on the shapes of a small DCGAN, one thread, best of several.
 *
 * build/release/bench/op_kernel [substring]: one line per graph: microseconds, kernels, library steps, and GB/s over what the plan says
 * its kernels move (or GFLOP/s for convolutions). */
#include "ad/ad.h"
#include "backends/run_graph.h"
#include "opt/opt.h"
#include "check/random_graph.h"

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void measure(const char *what, ir_graph *raw) {
  rg_result r;
  check_values v = {1, 0};
  plan_stats s;
  err e = {0};
  ir_graph *g = opt_run(raw, NULL, &e);
  if (!g || !rg_compile(g, &r)) {
    printf("%-34s failed: %s\n", what, e.msg);
    exit(1);
  }
  rg_fill(g, &r, check_bind, &v);
  plan_get_stats(r.plan, &s);
  double best = 1e9, begin = now();
  for (int k = 0; k < 2000 && (k < 5 || now() - begin < 0.4); k++) {
    double a = now();
    rg_run(&r);
    double b = now() - a;
    best = b < best ? b : best;
  }
  printf("%-34s %10.1f us  %2u kernels %2u lib  %6.1f GB/s  %7.1f GFLOP/s\n", what, best * 1e6, s.kernels, s.libs, (double)s.bytes_moved / best * 1e-9, s.flops / best * 1e-9);
  if (getenv("BENCH_PLAN")) {
    buf b = {0};
    plan_print_kernels(r.plan, NULL, &b);
    puts(b.p);
    buf_free(&b);
  }
  rg_free(&r);
  ir_free(g);
  ir_free(raw);
}

static const int64_t rows[3] = {0, 1, 2};
static ir_id norm(ir_graph *g, ir_id x, ir_id gamma, ir_id beta) {
  const int64_t *d = ir_dims(g, x);
  gantry_attr axes = {.key = GANTRY_A_AXES, .n = 3, .v.iv = rows};
  ir_id mean = ir_scale(g, ir_sum(g, x, rows, 3), 1.0 / (double)(d[0] * d[1] * d[2])), var = ir_op(g, GANTRY_OP_VAR, &x, 1, &axes, 1);
  ir_id y = ir_mul(g, ir_sub(g, x, mean), ir_1(g, GANTRY_OP_RSQRT, ir_add(g, var, ir_const(g, GANTRY_F32, 1e-5))));
  return ir_add(g, ir_mul(g, y, gamma), beta);
}
static ir_id leaky(ir_graph *g, ir_id x) { return ir_where(g, ir_cmp(g, GANTRY_CMP_GT, x, ir_const(g, GANTRY_F32, 0)), x, ir_scale(g, x, 0.2)); }

static void batch_norm(int64_t side, int backward, const char *what) {
  ir_graph *g = ir_new();
  int64_t d[4] = {64, side, side, 32}, c = 32;
  ir_id x = ir_leaf(g, GANTRY_OP_INPUT, "x", GANTRY_F32, 4, d), gamma = ir_leaf(g, GANTRY_OP_INPUT, "gamma", GANTRY_F32, 1, &c), beta = ir_leaf(g, GANTRY_OP_INPUT, "beta", GANTRY_F32, 1, &c);
  ir_id y = leaky(g, norm(g, x, gamma, beta));
  if (!backward) ir_output(g, "y", y);
  else {
    ir_id dy = ir_leaf(g, GANTRY_OP_INPUT, "dy", GANTRY_F32, 4, d), xs[3] = {x, gamma, beta}, dx[3] = {0};
    ad_grad(g, y, dy, xs, 3, dx);
    ir_output(g, "dx", dx[0]);
    ir_output(g, "dgamma", dx[1]);
    ir_output(g, "dbeta", dx[2]);
  }
  measure(what, g);
}

static void adam(int64_t n, const char *what) {
  ir_graph *g = ir_new();
  ir_id w = ir_leaf(g, GANTRY_OP_STATE, "w", GANTRY_F32, 1, &n), m = ir_leaf(g, GANTRY_OP_STATE, "m", GANTRY_F32, 1, &n), v = ir_leaf(g, GANTRY_OP_STATE, "v", GANTRY_F32, 1, &n), d = ir_leaf(g, GANTRY_OP_INPUT, "g", GANTRY_F32, 1, &n);
  ir_id m1 = ir_add(g, ir_scale(g, m, 0.5), ir_scale(g, d, 0.5)), v1 = ir_add(g, ir_scale(g, v, 0.999), ir_scale(g, ir_mul(g, d, d), 0.001));
  ir_store(g, "m", m1);
  ir_store(g, "v", v1);
  ir_store(g, "w", ir_sub(g, w, ir_scale(g, ir_div(g, m1, ir_add(g, ir_1(g, GANTRY_OP_SQRT, v1), ir_const(g, GANTRY_F32, 1e-8))), 2e-4)));
  measure(what, g);
}

static void chain(int64_t n, const char *what, uint32_t op) {
  ir_graph *g = ir_new();
  ir_id x = ir_leaf(g, GANTRY_OP_INPUT, "x", GANTRY_F32, 1, &n);
  ir_output(g, "y", ir_1(g, op, x));
  measure(what, g);
}

static void tiny(int n, const char *what) { /* n scalar kernels that cannot be one: each counts in a state of its own */
  ir_graph *g = ir_new();
  for (int k = 0; k < n; k++) {
    char name[16];
    int64_t d = k + 2; /* different shapes, so that nothing merges */
    snprintf(name, sizeof name, "s%d", k);
    ir_store(g, name, ir_add(g, ir_leaf(g, GANTRY_OP_STATE, name, GANTRY_F32, 1, &d), ir_const(g, GANTRY_F32, 1)));
  }
  measure(what, g);
}

static void conv(uint32_t op, int64_t side, int64_t c, int64_t o, int64_t k, int64_t stride, const char *what) {
  ir_graph *g = ir_new();
  int64_t p = (k - stride + 1) / 2, out = (side + 2 * p - k) / stride + 1, x[4] = {64, side, side, c}, w[4] = {o, k, k, c}, y[4] = {64, out, out, o}, st[2] = {stride, stride}, pad[2] = {p, p};
  gantry_attr at[4] = {{.key = GANTRY_A_STRIDE, .n = 2, .v.iv = st}, {.key = GANTRY_A_PAD_LO, .n = 2, .v.iv = pad}, {.key = GANTRY_A_PAD_HI, .n = 2, .v.iv = pad}, {.key = GANTRY_A_DIMS, .n = 4, .v.iv = op == GANTRY_OP_CONV_DGRAD ? x : w}};
  ir_id a = ir_leaf(g, GANTRY_OP_INPUT, "a", GANTRY_F32, 4, op == GANTRY_OP_CONV_DGRAD ? y : x), b = ir_leaf(g, GANTRY_OP_INPUT, "b", GANTRY_F32, 4, op == GANTRY_OP_CONV_WGRAD ? y : w);
  ir_output(g, "y", ir_op(g, op, (ir_id[]){a, b}, 2, at, op == GANTRY_OP_CONV ? 3 : 4));
  measure(what, g);
}

static void matmul(int64_t m, int64_t k, int64_t n, const char *what) {
  ir_graph *g = ir_new();
  ir_output(g, "y", ir_matmul(g, ir_leaf(g, GANTRY_OP_INPUT, "a", GANTRY_F32, 2, (int64_t[]){m, k}), ir_leaf(g, GANTRY_OP_INPUT, "b", GANTRY_F32, 2, (int64_t[]){k, n}), 0, 0));
  measure(what, g);
}

#define RUN(CALL, WHAT, ...) \
  if (argc < 2 || strstr(WHAT, argv[1])) CALL(__VA_ARGS__)
int main(int argc, char **argv) {
  RUN(batch_norm, "batch norm forward 14", 14, 0, "batch norm forward 14");
  RUN(batch_norm, "batch norm backward 14", 14, 1, "batch norm backward 14");
  RUN(batch_norm, "batch norm forward 28", 28, 0, "batch norm forward 28");
  RUN(batch_norm, "batch norm backward 28", 28, 1, "batch norm backward 28");
  RUN(adam, "adam 1M", 1 << 20, "adam 1M");
  RUN(adam, "adam 32K", 1 << 15, "adam 32K");
  RUN(chain, "tanh 1M", 1 << 20, "tanh 1M", GANTRY_OP_TANH);
  RUN(chain, "exp 1M", 1 << 20, "exp 1M", GANTRY_OP_EXP);
  RUN(tiny, "100 tiny kernels", 100, "100 tiny kernels");
  RUN(conv, "conv 28x28 1->32 k4s2", GANTRY_OP_CONV, 28, 1, 32, 4, 2, "conv 28x28 1->32 k4s2");
  RUN(conv, "conv 14x14 32->64 k4s2", GANTRY_OP_CONV, 14, 32, 64, 4, 2, "conv 14x14 32->64 k4s2");
  RUN(conv, "dgrad 14x14 32<-64 k4s2", GANTRY_OP_CONV_DGRAD, 14, 32, 64, 4, 2, "dgrad 14x14 32<-64 k4s2");
  RUN(conv, "dgrad 28x28 1<-32 k4s2", GANTRY_OP_CONV_DGRAD, 28, 1, 32, 4, 2, "dgrad 28x28 1<-32 k4s2");
  RUN(conv, "wgrad 14x14 32,64 k4s2", GANTRY_OP_CONV_WGRAD, 14, 32, 64, 4, 2, "wgrad 14x14 32,64 k4s2");
  RUN(conv, "wgrad 28x28 1,32 k4s2", GANTRY_OP_CONV_WGRAD, 28, 1, 32, 4, 2, "wgrad 28x28 1,32 k4s2");
  RUN(matmul, "matmul 64x128x3136", 64, 128, 3136, "matmul 64x128x3136");
  RUN(matmul, "matmul 256x256x256", 256, 256, 256, "matmul 256x256x256");
  return 0;
}
