/* test_graphs.c - random graphs on the CUDA backend, its kernels compiled as C, against the reference interpreter: every template of the emitter
 * and every fixed kernel, in sizes that leave remainders. Large graphs, since a compiler starts once per program. */
#include "double.h"
#include "check/numeric.h"
#include "ir/build.h"
#include "sources.h"

static void sweep(uint32_t dtype, uint32_t families, uint32_t nodes, uint64_t first, uint64_t last, double tol, int special) {
  err e = {0};
  device d = double_open(&e);
  T_CHECK(d.session != NULL);
  for (uint64_t seed = first; seed <= last && d.session; seed++) {
    check_random o = {dtype, nodes, families};
    ir_graph *g = check_random_graph(seed, &o, &e);
    check_values v = {seed, special};
    char name[40], text[1700];
    T_CHECK(g != NULL);
    if (!g) break;
    device one = double_open(&e); /* leaves of two graphs have one name */
    snprintf(name, sizeof name, "seed%llu", (unsigned long long)seed);
    double worst = device_compare(&one, g, name, check_bind, &v, &e);
    snprintf(text, sizeof text, "seed %llu, %u nodes, families %u: error %g %s", (unsigned long long)seed, nodes, families, worst, e.msg);
    t_check_msg(worst <= tol && !e.code, __LINE__, __FILE__, text);
    e = (err){0};
    device_close(&one);
    ir_free(g);
  }
  device_close(&d);
}

/* Every way a reduction is laid out: rows and columns, a warp to a row and blocks to a row, by four and not, split between blocks and joined again;
 * each kind, several at once, with what comes before and after in the same kernel. */
static gantry_status ramp(void *user, const char *name, uint32_t dtype, int64_t n, double *dst, err *e) {
  (void)user, (void)e;
  for (int64_t k = 0; k < n; k++) {
    double v = check_uniform((uint64_t)name[0], (uint64_t)k) * 4 - 1;
    dst[k] = ir_is_float(dtype) ? (double)(float)(v + 100) : floor(v * 1000);
  }
  return GANTRY_OK;
}
static void reductions(uint32_t dtype, double tolerance) {
  static const int64_t shapes[][3] = {{1, 1, 1}, {3, 5, 7}, {40, 1, 33}, {3, 20000, 1}, {20001, 3, 1}, {1, 1, 30000}, {130, 64, 32}, {2, 9000, 5}, {300, 4, 4}, {64, 1000, 8}};
  ir_graph *g = ir_new();
  err e = {0};
  uint32_t n = 0;
  char name[40];
  for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
    for (uint32_t mask = 1; mask < 8; mask++) {
      int64_t axes[3];
      uint32_t n_axes = 0;
      for (uint32_t a = 0; a < 3; a++)
        if (mask >> a & 1) axes[n_axes++] = a;
      snprintf(name, sizeof name, "%c%zu", (char)('a' + s), s);
      ir_id x = ir_leaf(g, GANTRY_OP_INPUT, name, dtype, 3, shapes[s]), before = ir_is_float(dtype) ? ir_mul(g, x, x) : x;
      gantry_attr at = {.key = GANTRY_A_AXES, .n = n_axes, .v.iv = axes};
      for (int kind = 0; kind < (ir_is_float(dtype) ? 3 : 2); kind++) {
        ir_id y = ir_op(g, kind == 0 ? GANTRY_OP_SUM : kind == 1 ? GANTRY_OP_RMAX : GANTRY_OP_VAR, kind == 2 ? &x : &before, 1, &at, 1);
        snprintf(name, sizeof name, "o%u", n++);
        ir_output(g, name, ir_is_float(dtype) ? ir_neg(g, y) : y);
      }
    }
  device d = double_open(&e);
  double worst = d.session && !g->err.code ? device_compare(&d, g, "reductions", ramp, NULL, &e) : INFINITY;
  char text[3200];
  snprintf(text, sizeof text, "%s: %g %s %s", ir_dtype_name(dtype), worst, e.msg, g->err.msg);
  t_check_msg(worst <= tolerance, __LINE__, __FILE__, text);
  device_close(&d);
  ir_free(g);
}
static void test_cuda_graphs__reductions_of_every_layout(void) {
  reductions(GANTRY_F32, 3e-6);
  reductions(GANTRY_F64, 1e-12);
  reductions(GANTRY_I64, 0);
}

/* Accesses that are not dense, over axes that go by four: windows with zeros around, steps, backwards, turned, stretched, beside one another. */
static void views(uint32_t dtype) {
  ir_graph *g = ir_new();
  err e = {0};
  uint32_t n = 0;
  char name[40];
  int64_t d[2] = {12, 16}, turned[2] = {16, 12}, row[1] = {16}, lo[2] = {1, 4}, hi[2] = {2, 8}, odd[2] = {0, 3}, none[2] = {0, 0}, start[2] = {2, 4}, stop[2] = {10, 12}, every[2] = {1, 2}, one[2] = {1, 1}, back[1] = {1}, perm[2] = {1, 0}, onto[1] = {1}, zero[2] = {0, 0};
  int64_t wide[2] = {12, 32};
  ir_id x = ir_leaf(g, GANTRY_OP_INPUT, "x", dtype, 2, d), t = ir_leaf(g, GANTRY_OP_INPUT, "t", dtype, 2, turned), r = ir_leaf(g, GANTRY_OP_INPUT, "r", dtype, 1, row), w = ir_leaf(g, GANTRY_OP_INPUT, "w", dtype, 2, wide);
#define OUT(v) do { snprintf(name, sizeof name, "o%u", n++); ir_output(g, name, (v)); } while (0)
#define IV(KEY, N, V) {.key = (KEY), .n = (N), .v.iv = (V)}
  gantry_attr four[] = {IV(GANTRY_A_LO, 2, lo), IV(GANTRY_A_HI, 2, hi), IV(GANTRY_A_INTERIOR, 2, zero)}, three[] = {IV(GANTRY_A_LO, 2, odd), IV(GANTRY_A_HI, 2, odd), IV(GANTRY_A_INTERIOR, 2, zero)}, before[] = {IV(GANTRY_A_LO, 2, lo), IV(GANTRY_A_HI, 2, none), IV(GANTRY_A_INTERIOR, 2, zero)};
  gantry_attr cut[] = {IV(GANTRY_A_START, 2, start), IV(GANTRY_A_STOP, 2, stop), IV(GANTRY_A_STEP, 2, one)}, step[] = {IV(GANTRY_A_START, 2, zero), IV(GANTRY_A_STOP, 2, wide), IV(GANTRY_A_STEP, 2, every)};
  gantry_attr reverse = IV(GANTRY_A_AXES, 1, back), permute = IV(GANTRY_A_PERM, 2, perm), stretch[] = {IV(GANTRY_A_DIMS, 2, d), IV(GANTRY_A_AXES, 1, onto)};
  for (int k = 0; k < 3; k++) {
    ir_id p = ir_op(g, GANTRY_OP_PAD, &x, 1, k == 0 ? four : k == 1 ? three : before, 3);
    OUT(p);
    OUT(ir_neg(g, ir_add(g, p, p)));
    gantry_attr last = IV(GANTRY_A_AXES, 1, back);
    OUT(ir_op(g, GANTRY_OP_SUM, &p, 1, &last, 1));
    int64_t ahead[2] = {k, k == 1 ? 3 : 8}, behind[2] = {1 + k, k == 1 ? 5 : 4};
    gantry_attr once[] = {IV(GANTRY_A_LO, 2, ahead), IV(GANTRY_A_HI, 2, behind), IV(GANTRY_A_INTERIOR, 2, zero)}; /* read in one place: never written down */
    int64_t big[2] = {12 + once[0].v.iv[0] + once[1].v.iv[0], 16 + once[0].v.iv[1] + once[1].v.iv[1]};
    snprintf(name, sizeof name, "y%d", k);
    OUT(ir_add(g, ir_leaf(g, GANTRY_OP_INPUT, name, dtype, 2, big), ir_op(g, GANTRY_OP_PAD, &x, 1, once, 3)));
  }
  OUT(ir_neg(g, ir_op(g, GANTRY_OP_SLICE, &x, 1, cut, 3)));
  OUT(ir_add(g, x, ir_op(g, GANTRY_OP_SLICE, &w, 1, step, 3)));
  OUT(ir_add(g, x, ir_op(g, GANTRY_OP_REVERSE, &x, 1, &reverse, 1)));
  OUT(ir_add(g, x, ir_op(g, GANTRY_OP_PERMUTE, &t, 1, &permute, 1)));
  OUT(ir_mul(g, x, ir_op(g, GANTRY_OP_BROADCAST, &r, 1, stretch, 2)));
  ir_id both[2] = {x, ir_neg(g, x)};
  gantry_attr axis = {.key = GANTRY_A_AXIS, .n = 1, .v.i = 1};
  OUT(ir_op(g, GANTRY_OP_CONCAT, both, 2, &axis, 1));
  device s = double_open(&e);
  double worst = s.session && !g->err.code ? device_compare(&s, g, "views", ramp, NULL, &e) : INFINITY;
  char text[3200];
  snprintf(text, sizeof text, "%s: %g %s %s", ir_dtype_name(dtype), worst, e.msg, g->err.msg);
  t_check_msg(worst <= (dtype == GANTRY_F32 ? 1e-6 : 0), __LINE__, __FILE__, text);
  device_close(&s);
  ir_free(g);
}
static void test_cuda_graphs__views(void) {
  views(GANTRY_F32);
  views(GANTRY_I32);
}

static void test_cuda_graphs__everything_f64(void) { sweep(GANTRY_F64, CHECK_ALL, 300, 1, 6, 1e-8, 0); }
static void test_cuda_graphs__everything_f32(void) { sweep(GANTRY_F32, CHECK_ALL, 150, 11, 14, 5e-4, 0); }
static void test_cuda_graphs__reductions_f32(void) { sweep(GANTRY_F32, CHECK_MAP | CHECK_MOVE | CHECK_REDUCE, 300, 21, 23, 2e-4, 0); }
static void test_cuda_graphs__integers(void) { sweep(GANTRY_F64, CHECK_INTEGER | CHECK_INDEX | CHECK_RANDOM | CHECK_MOVE, 300, 31, 33, 1e-9, 0); }
static void test_cuda_graphs__exact_with_special_values(void) { sweep(GANTRY_F64, CHECK_MAP | CHECK_MOVE | CHECK_INTEGER | CHECK_EXACT, 300, 41, 43, 0, 1); }
static void cuda_test_graphs__keeps_its_sources(void) { sources_keep(); }
static void cuda_test_graphs__templates_compile_for_a_gpu(void) { sources_check("random graphs"); }
T_MAIN(T(cuda_test_graphs__keeps_its_sources), T(test_cuda_graphs__everything_f64), T(test_cuda_graphs__everything_f32), T(test_cuda_graphs__views), T(test_cuda_graphs__reductions_f32), T(test_cuda_graphs__reductions_of_every_layout), T(test_cuda_graphs__integers), T(test_cuda_graphs__exact_with_special_values), T(cuda_test_graphs__templates_compile_for_a_gpu))
