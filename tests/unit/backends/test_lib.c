/* test_lib.c - every library step in f32 and f64 against the reference interpreter, over strides, paddings, groups and dilations, with
 * a NaN in the input, twice the same bits and between guard words; and small networks forward, backward and updated. */
#include "ad/ad.h"
#include "backends/run_graph.h"
#include "check/random_graph.h"

enum { MAX_ATTRS = 8 };
typedef struct attrs { gantry_attr a[MAX_ATTRS]; uint32_t n; } attrs;
static void ints(attrs *t, uint32_t key, uint32_t n, const int64_t *v) { t->a[t->n++] = (gantry_attr){.key = key, .n = n, .v.iv = v}; }
static void one(attrs *t, uint32_t key, int64_t v) { t->a[t->n++] = (gantry_attr){.key = key, .n = 1, .v.i = v}; }
static void real(attrs *t, uint32_t key, double v) { t->a[t->n++] = (gantry_attr){.key = key, .n = 1, .v.f = v}; }
#define DIMS(...) (sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]){__VA_ARGS__}

static const uint32_t floats[2] = {GANTRY_F32, GANTRY_F64};
static double tolerance(uint32_t op, uint32_t t) { /* relative to the largest value of the tensor */
  if (t == GANTRY_F64) return op == GANTRY_OP_PSD_POWER ? 1e-9 : 1e-12;
  switch (op) {
    case GANTRY_OP_CONV: case GANTRY_OP_CONV_DGRAD: case GANTRY_OP_CONV_WGRAD: case GANTRY_OP_MATMUL: return 3e-6;
  }
  return 1e-6;
}

static gantry_status bind_nan(void *user, const char *name, uint32_t dtype, int64_t n, double *dst, err *e) {
  gantry_status st = check_bind(user, name, dtype, n, dst, e);
  if (ir_is_float(dtype) && !strcmp(name, "a") && n > 3) dst[3] = NAN;
  return st;
}

static void step(uint32_t t, uint32_t op, uint32_t ra, const int64_t *a, uint32_t rb, const int64_t *b, const attrs *at, const char *what) {
  ir_graph *g = ir_new();
  check_values v = {11, 0};
  char text[120];
  ir_id in[2] = {ir_leaf(g, GANTRY_OP_INPUT, "a", t, ra, a), 0};
  if (b) in[1] = ir_leaf(g, GANTRY_OP_INPUT, "b", t, rb, b);
  ir_id y = ir_op(g, op, in, b ? 2 : 1, at->a, at->n);
  ir_output(g, "y", y);
  snprintf(text, sizeof text, "%s %s", what, ir_dtype_name(t));
  rg_compare(g, check_bind, &v, tolerance(op, t), text);
  snprintf(text, sizeof text, "%s %s with a NaN", what, ir_dtype_name(t));
  rg_compare(g, bind_nan, &v, tolerance(op, t), text);
  ir_free(g);
}

static void test_lib__matmul(void) {
  for (int t = 0; t < 2; t++)
    for (int64_t ta = 0; ta < 2; ta++)
      for (int64_t tb = 0; tb < 2; tb++) {
        attrs at = {.n = 0};
        one(&at, GANTRY_A_TA, ta);
        one(&at, GANTRY_A_TB, tb);
        step(floats[t], GANTRY_OP_MATMUL, 2, (int64_t[]){ta ? 17 : 9, ta ? 9 : 17}, 2, (int64_t[]){tb ? 5 : 17, tb ? 17 : 5}, &at, "matmul");
        step(floats[t], GANTRY_OP_MATMUL, 4, (int64_t[]){2, 3, ta ? 7 : 4, ta ? 4 : 7}, 4, (int64_t[]){2, 3, tb ? 1 : 7, tb ? 7 : 1}, &at, "batched matmul");
      }
}

typedef struct conv_case { uint32_t s; int64_t n, c, o, groups, x[3], k[3], stride[3], lo[3], hi[3], dilation[3]; } conv_case;
static const conv_case convs[] = {
  {2, 2, 1, 8, 1, {9, 9}, {4, 4}, {2, 2}, {1, 1}, {1, 1}, {1, 1}}, {2, 2, 16, 3, 1, {8, 6}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}, {2, 1, 8, 12, 4, {7, 7}, {3, 2}, {1, 2}, {0, 2}, {1, 0}, {1, 1}},
  {2, 2, 5, 7, 1, {10, 11}, {3, 3}, {2, 3}, {2, 0}, {1, 2}, {2, 3}}, {1, 3, 4, 6, 2, {13}, {5}, {2}, {2}, {1}, {1}}, {3, 2, 3, 4, 1, {5, 4, 6}, {3, 2, 3}, {1, 1, 2}, {1, 0, 1}, {0, 1, 1}, {1, 1, 1}},
  {2, 2, 6, 6, 6, {6, 6}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}, {2, 3, 4, 5, 1, {1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}, {1, 1}}, {2, 1, 2, 3, 1, {9, 9}, {2, 2}, {3, 3}, {0, 0}, {0, 0}, {1, 1}},
};
static void convolution(uint32_t op) {
  for (size_t i = 0; i < sizeof convs / sizeof *convs; i++)
    for (int t = 0; t < 2; t++) {
      const conv_case *q = &convs[i];
      int64_t x[5] = {q->n}, w[5] = {q->o}, y[5] = {q->n};
      attrs at = {.n = 0};
      char what[60];
      for (uint32_t a = 0; a < q->s; a++) {
        x[a + 1] = q->x[a];
        w[a + 1] = q->k[a];
        y[a + 1] = (q->x[a] + q->lo[a] + q->hi[a] - q->dilation[a] * (q->k[a] - 1) - 1) / q->stride[a] + 1;
      }
      x[q->s + 1] = q->c;
      w[q->s + 1] = q->c / q->groups;
      y[q->s + 1] = q->o;
      ints(&at, GANTRY_A_STRIDE, q->s, q->stride);
      ints(&at, GANTRY_A_PAD_LO, q->s, q->lo);
      ints(&at, GANTRY_A_PAD_HI, q->s, q->hi);
      ints(&at, GANTRY_A_DILATION, q->s, q->dilation);
      one(&at, GANTRY_A_GROUPS, q->groups);
      if (op == GANTRY_OP_CONV_DGRAD) ints(&at, GANTRY_A_DIMS, q->s + 2, x);
      if (op == GANTRY_OP_CONV_WGRAD) ints(&at, GANTRY_A_DIMS, q->s + 2, w);
      snprintf(what, sizeof what, "%s case %zu", ir_op_get(op)->name, i);
      step(floats[t], op, q->s + 2, op == GANTRY_OP_CONV_DGRAD ? y : x, q->s + 2, op == GANTRY_OP_CONV_WGRAD ? y : w, &at, what);
    }
}
static void test_lib__conv(void) { convolution(GANTRY_OP_CONV); }
static void test_lib__conv_dgrad(void) { convolution(GANTRY_OP_CONV_DGRAD); }
static void test_lib__conv_wgrad(void) { convolution(GANTRY_OP_CONV_WGRAD); }

static void test_lib__fir(void) {
  const int64_t up[][2] = {{1, 1}, {2, 2}, {1, 3}}, down[][2] = {{1, 1}, {1, 2}, {2, 2}}, lo[][2] = {{0, 0}, {2, 1}, {-1, 3}}, hi[][2] = {{0, 0}, {1, 2}, {2, -1}};
  for (int i = 0; i < 3; i++)
    for (int64_t flip = 0; flip < 2; flip++)
      for (int t = 0; t < 2; t++) {
        int64_t y[4] = {2, 0, 0, 5}, x[4] = {2, 7, 8, 5}, f[2] = {3, 4};
        attrs at = {.n = 0};
        for (int a = 0; a < 2; a++) y[a + 1] = (x[a + 1] * up[i][a] + lo[i][a] + hi[i][a] - f[a]) / down[i][a] + 1;
        ints(&at, GANTRY_A_UP, 2, up[i]);
        ints(&at, GANTRY_A_DOWN, 2, down[i]);
        ints(&at, GANTRY_A_PAD_LO, 2, lo[i]);
        ints(&at, GANTRY_A_PAD_HI, 2, hi[i]);
        one(&at, GANTRY_A_FLIP, flip);
        step(floats[t], GANTRY_OP_FIR, 4, x, 2, f, &at, "fir");
        ints(&at, GANTRY_A_DIMS, 2, f);
        step(floats[t], GANTRY_OP_FIR_FGRAD, 4, x, 4, y, &at, "fir_fgrad");
      }
}

static void test_lib__grid(void) {
  for (int t = 0; t < 2; t++)
    for (int64_t dmask = 0; dmask < 4; dmask++) {
      attrs at = {.n = 0};
      one(&at, GANTRY_A_DMASK, dmask);
      step(floats[t], GANTRY_OP_GRID_SAMPLE, 4, (int64_t[]){2, 5, 4, 3}, 4, (int64_t[]){2, 6, 7, 2}, &at, "grid_sample");
      ints(&at, GANTRY_A_DIMS, 4, (int64_t[]){2, 5, 4, 3});
      step(floats[t], GANTRY_OP_GRID_SPLAT, 4, (int64_t[]){2, 6, 7, 3}, 4, (int64_t[]){2, 6, 7, 2}, &at, "grid_splat");
    }
}

static void test_lib__gather_scatter_every_type(void) {
  const uint32_t all[] = {GANTRY_F32, GANTRY_F64, GANTRY_I32, GANTRY_I64, GANTRY_U32, GANTRY_U8, GANTRY_BOOL, GANTRY_BF16};
  const double where[] = {3, 0, -1, 3, 4, 1, 2, 2, 0, 3}; /* out of range and repeated ones among them */
  for (size_t k = 0; k < sizeof all / sizeof *all; k++)
    for (int64_t batch = 0; batch < 2; batch++)
      for (uint32_t it = GANTRY_I32; it <= GANTRY_I64; it++) {
        ir_graph *g = ir_new();
        check_values v = {5, 0};
        gantry_attr at[3] = {{.key = GANTRY_A_AXIS, .n = 1, .v.i = 1}, {.key = GANTRY_A_BATCH, .n = 1, .v.i = batch}, {.key = GANTRY_A_DIMS, .n = 3, .v.iv = (int64_t[]){2, 4, 3}}};
        ir_id x = ir_leaf(g, GANTRY_OP_INPUT, "a", all[k], 3, (int64_t[]){2, 4, 3}), i = ir_array(g, it, 2, (int64_t[]){2, 5}, where);
        ir_id y = ir_op(g, GANTRY_OP_GATHER, (ir_id[]){x, i}, 2, at, 2);
        ir_output(g, "y", y);
        if (all[k] != GANTRY_BOOL && all[k] != GANTRY_BF16) ir_output(g, "z", ir_op(g, GANTRY_OP_SCATTER_ADD, (ir_id[]){y, i}, 2, at, 3));
        rg_compare(g, check_bind, &v, 1e-6, ir_dtype_name(all[k]));
        ir_free(g);
      }
}

static void test_lib__selection(void) {
  for (int t = 0; t < 2; t++) {
    attrs axis = {.n = 0}, k = {.n = 0}, none = {.n = 0}, window = {.n = 0};
    one(&axis, GANTRY_A_AXIS, 1);
    one(&k, GANTRY_A_K, 3);
    ints(&window, GANTRY_A_WINDOW, 2, (int64_t[]){3, 2});
    ints(&window, GANTRY_A_STRIDE, 2, (int64_t[]){2, 2});
    ints(&window, GANTRY_A_PAD_LO, 2, (int64_t[]){1, 0});
    ints(&window, GANTRY_A_PAD_HI, 2, (int64_t[]){0, 1});
    step(floats[t], GANTRY_OP_ARGMAX, 3, (int64_t[]){3, 7, 2}, 0, NULL, &axis, "argmax");
    step(floats[t], GANTRY_OP_TOPK, 2, (int64_t[]){4, 9}, 0, NULL, &k, "topk");
    step(floats[t], GANTRY_OP_SORT_INDEX, 2, (int64_t[]){3, 40}, 0, NULL, &none, "sort_index");
    step(floats[t], GANTRY_OP_WIN_ARGMAX, 4, (int64_t[]){2, 6, 7, 3}, 0, NULL, &window, "win_argmax");
  }
}

static void test_lib__ties_go_to_the_lower_index(void) {
  ir_graph *g = ir_new();
  check_values v = {1, 0};
  ir_id x = ir_array(g, GANTRY_F32, 2, (int64_t[]){1, 8}, (double[]){1, 3, -0.0, 3, 0, 3, 1, 0});
  gantry_attr axis = {.key = GANTRY_A_AXIS, .n = 1, .v.i = 1}, k = {.key = GANTRY_A_K, .n = 1, .v.i = 4};
  ir_output(g, "argmax", ir_op(g, GANTRY_OP_ARGMAX, &x, 1, &axis, 1));
  ir_output(g, "topk", ir_op(g, GANTRY_OP_TOPK, &x, 1, &k, 1));
  ir_output(g, "sort", ir_op(g, GANTRY_OP_SORT_INDEX, &x, 1, NULL, 0));
  rg_compare(g, check_bind, &v, 0, "ties");
  ir_free(g);
}

static void test_lib__linear_algebra(void) {
  const double exponents[] = {0.5, -0.5, 1, 2};
  for (int i = 0; i < 4; i++) {
    ir_graph *g = ir_new();
    check_values v = {3, 0};
    ir_id a = ir_leaf(g, GANTRY_OP_INPUT, "a", GANTRY_F64, 2, (int64_t[]){9, 12}), s = ir_matmul(g, a, a, 0, 1);
    gantry_attr at = {.key = GANTRY_A_EXPONENT, .n = 1, .v.f = exponents[i]};
    ir_output(g, "p", ir_op(g, GANTRY_OP_PSD_POWER, &s, 1, &at, 1));
    ir_output(g, "e", ir_op(g, GANTRY_OP_EIGVALSH, &s, 1, NULL, 0));
    rg_compare(g, check_bind, &v, 1e-9, "eigenvalues");
    ir_free(g);
  }
  attrs at = {.n = 0};
  real(&at, GANTRY_A_EXPONENT, 0.5);
  ir_graph *g = ir_new(); /* a NaN comes out as NaN, not as a hang */
  check_values v = {3, 0};
  ir_id a = ir_leaf(g, GANTRY_OP_INPUT, "a", GANTRY_F64, 2, (int64_t[]){4, 4});
  ir_output(g, "p", ir_op(g, GANTRY_OP_PSD_POWER, &a, 1, at.a, at.n));
  rg_result r;
  if (rg_compile(g, &r)) {
    rg_fill(g, &r, bind_nan, &v);
    rg_run(&r);
    T_CHECK(isnan(((double *)rg_named(&r, "out/test/p"))[0]));
    rg_free(&r);
  }
  ir_free(g);
}

static void test_lib__random_bits_depend_on_everything_named(void) {
  ir_graph *g = ir_new();
  check_values v = {9, 0};
  ir_id in[2] = {ir_leaf(g, GANTRY_OP_INPUT, "seed", GANTRY_U32, 1, (int64_t[]){2}), ir_leaf(g, GANTRY_OP_INPUT, "invocation", GANTRY_U32, 0, NULL)};
  for (int64_t s = 0; s < 3; s++) {
    gantry_attr at[2] = {{.key = GANTRY_A_DIMS, .n = 3, .v.iv = (int64_t[]){3, 5, 2}}, {.key = GANTRY_A_STREAM, .n = 1, .v.i = s ? s * 123456789012 : -5}};
    char name[8];
    snprintf(name, sizeof name, "r%d", (int)s);
    ir_output(g, name, ir_op(g, GANTRY_OP_RANDOM_BITS, in, 2, at, 2));
  }
  rg_compare(g, check_bind, &v, 0, "random bits");
  ir_free(g);
}

/* conv, batch norm, leaky rectifier, linear; gradients of everything; one Adam step stored over the states */
static void network(uint32_t t, double tol) {
  ir_graph *g = ir_new();
  check_values v = {21, 0};
  err e = {0};
  const int64_t reduced[3] = {0, 1, 2}, stride[2] = {2, 2}, pad[2] = {1, 1};
  ir_id x = ir_leaf(g, GANTRY_OP_INPUT, "x", t, 4, (int64_t[]){4, 8, 8, 3}), w = ir_leaf(g, GANTRY_OP_STATE, "w", t, 4, (int64_t[]){6, 4, 4, 3}), l = ir_leaf(g, GANTRY_OP_STATE, "l", t, 2, (int64_t[]){96, 1});
  ir_id gamma = ir_leaf(g, GANTRY_OP_STATE, "gamma", t, 1, (int64_t[]){6}), beta = ir_leaf(g, GANTRY_OP_STATE, "beta", t, 1, (int64_t[]){6}), run = ir_leaf(g, GANTRY_OP_STATE, "mean", t, 1, (int64_t[]){6});
  gantry_attr conv[3] = {{.key = GANTRY_A_STRIDE, .n = 2, .v.iv = stride}, {.key = GANTRY_A_PAD_LO, .n = 2, .v.iv = pad}, {.key = GANTRY_A_PAD_HI, .n = 2, .v.iv = pad}}, axes = {.key = GANTRY_A_AXES, .n = 3, .v.iv = reduced};
  ir_id h = ir_op(g, GANTRY_OP_CONV, (ir_id[]){x, w}, 2, conv, 3);
  ir_id mean = ir_scale(g, ir_sum(g, h, reduced, 3), 1.0 / 64), var = ir_op(g, GANTRY_OP_VAR, &h, 1, &axes, 1);
  ir_store(g, "mean", ir_add(g, ir_scale(g, run, 0.9), ir_scale(g, mean, 0.1)));
  ir_id n = ir_mul(g, ir_sub(g, h, mean), ir_1(g, GANTRY_OP_RSQRT, ir_add(g, var, ir_const(g, t, 1e-5))));
  n = ir_add(g, ir_mul(g, n, gamma), beta);
  n = ir_where(g, ir_cmp(g, GANTRY_CMP_GT, n, ir_const(g, t, 0)), n, ir_scale(g, n, 0.2));
  ir_id y = ir_matmul(g, ir_reshape(g, n, 2, (int64_t[]){4, 96}), l, 0, 0), loss = ir_mean_all(g, ir_1(g, GANTRY_OP_LOG1P, ir_1(g, GANTRY_OP_EXP, ir_neg(g, y))));
  ir_id weights[4] = {w, l, gamma, beta}, grads[4] = {0};
  const char *names[4] = {"w", "l", "gamma", "beta"};
  T_CHECK(!ad_grad(g, loss, 0, weights, 4, grads));
  for (int k = 0; k < 4; k++) {
    char m_name[20], v_name[20];
    snprintf(m_name, sizeof m_name, "m_%s", names[k]);
    snprintf(v_name, sizeof v_name, "v_%s", names[k]);
    ir_id m = ir_leaf(g, GANTRY_OP_STATE, m_name, t, ir_at(g, weights[k])->rank, ir_dims(g, weights[k])), s = ir_leaf(g, GANTRY_OP_STATE, v_name, t, ir_at(g, weights[k])->rank, ir_dims(g, weights[k]));
    ir_id m1 = ir_add(g, ir_scale(g, m, 0.5), ir_scale(g, grads[k], 0.5)), s1 = ir_add(g, ir_scale(g, ir_mul(g, s, s), 0.999), ir_scale(g, ir_mul(g, grads[k], grads[k]), 0.001));
    ir_store(g, m_name, m1);
    ir_store(g, v_name, s1);
    ir_store(g, names[k], ir_sub(g, weights[k], ir_scale(g, ir_div(g, m1, ir_add(g, ir_1(g, GANTRY_OP_SQRT, s1), ir_const(g, t, 1e-3))), 1e-2)));
  }
  ir_output(g, "loss", loss);
  (void)e;
  rg_compare(g, check_bind, &v, tol, "network");
  ir_free(g);
}
static void test_lib__network_forward_backward_adam(void) {
  network(GANTRY_F64, 1e-10);
  network(GANTRY_F32, 2e-5);
}

static void test_lib__refuses_in_words(void) {
  ir_graph *g = ir_new();
  err e = {0};
  T_CHECK(rg_open());
  if (!rg_self) return;
  ir_id a = ir_leaf(g, GANTRY_OP_INPUT, "a", GANTRY_BF16, 2, (int64_t[]){4, 4});
  gantry_attr axis = {.key = GANTRY_A_AXIS, .v.i = 1};
  ir_output(g, "y", ir_op(g, GANTRY_OP_ARGMAX, &a, 1, &axis, 1));
  plan *p = plan_make(g, "test", 0, rg_query, NULL, &e);
  T_CHECK(!p);
  T_HAS(e.msg, "the backend has no");
  plan_free(p);
  ir_free(g);
}

T_MAIN(T(test_lib__matmul), T(test_lib__conv), T(test_lib__conv_dgrad), T(test_lib__conv_wgrad), T(test_lib__fir), T(test_lib__grid), T(test_lib__gather_scatter_every_type), T(test_lib__selection),
       T(test_lib__ties_go_to_the_lower_index), T(test_lib__linear_algebra), T(test_lib__random_bits_depend_on_everything_named), T(test_lib__network_forward_backward_adam), T(test_lib__refuses_in_words))
