/* step_cases.h - library steps to try on any backend: each operation, element type and several sets of attributes, with what they may differ by from the
 * reference. Whoever includes this defines step(), which runs one.
 *
 * A leaf's name says what it holds: "x:lo:hi" is uniform in [lo, hi), "x:lo:hi:step" a multiple of step (ties), "x:lo:hi:nan" has NaN
 * sprinkled in; what stands before a slash does not matter. */
#ifndef TESTS_STEP_CASES_H
#define TESTS_STEP_CASES_H
#include "check/numeric.h"
#include "ir/build.h"
#include "ir/ir.h"
#include "t.h"

/* Takes the graph: the operation on two leaves (the second may be missing), compared with the reference. */
static void step(uint32_t op, const char *what, ir_graph *g, ir_id a, ir_id b, const gantry_attr *at, uint32_t n_at);

/* What a step may differ by from the reference, relative to the largest result (at least 1). Steps that are not listed copy or select:
 * they must agree exactly. */
typedef struct tolerance { uint32_t op; double f32, f64; } tolerance;
static const tolerance tolerances[] = {
  {GANTRY_OP_MATMUL, 2e-6, 1e-14},      {GANTRY_OP_CONV, 2e-6, 1e-14},         {GANTRY_OP_CONV_DGRAD, 2e-6, 1e-14},  {GANTRY_OP_CONV_WGRAD, 5e-6, 1e-14},
  {GANTRY_OP_FIR, 1e-6, 1e-14},         {GANTRY_OP_FIR_FGRAD, 1e-6, 1e-14},    {GANTRY_OP_GRID_SAMPLE, 1e-6, 1e-14}, {GANTRY_OP_GRID_SPLAT, 1e-6, 1e-14},
  {GANTRY_OP_SCATTER_ADD, 1e-6, 1e-14}, {GANTRY_OP_PSD_POWER, 0, 1e-12},       {GANTRY_OP_EIGVALSH, 0, 1e-13},
};
static __attribute__((unused)) double tolerance_of(uint32_t op, uint32_t dtype) {
  for (size_t k = 0; k < sizeof tolerances / sizeof *tolerances; k++)
    if (tolerances[k].op == op) return dtype == GANTRY_BF16 ? 0 : dtype == GANTRY_F32 ? tolerances[k].f32 : tolerances[k].f64;
  return 0;
}

static gantry_attr iv(uint32_t key, uint32_t n, const int64_t *v) { return (gantry_attr){.key = key, .n = n, .v.iv = v}; }
static gantry_attr ii(uint32_t key, int64_t v) { return (gantry_attr){.key = key, .n = 1, .v.i = v}; }
static gantry_attr ff(uint32_t key, double v) { return (gantry_attr){.key = key, .n = 1, .v.f = v}; }
#define L(...) ((int64_t[]){__VA_ARGS__})

static gantry_status step_bind(void *user, const char *name, uint32_t dtype, int64_t count, double *dst, err *e) {
  const char *own = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
  uint64_t seed = (uint64_t)own[0] * 1000 + *(uint64_t *)user;
  double lo = 0, hi = 1, step = 0;
  int nan = strstr(name, ":nan") != NULL;
  (void)e;
  sscanf(name, "%*[^:]:%lf:%lf:%lf", &lo, &hi, &step);
  for (int64_t k = 0; k < count; k++) {
    double v = lo + (hi - lo) * check_uniform(seed, (uint64_t)k);
    /* bf16: multiples of 1/32, so that sums of products are exact in f32 in any order, and what is rounded once has one result */
    if (dtype == GANTRY_BF16 && step == 0) v = floor(v * 32) / 32;
    dst[k] = !ir_is_float(dtype) ? floor(v) : step > 0 ? floor(v / step) * step : (double)(float)v;
    if (nan && check_uniform(seed + 500, (uint64_t)k) < 0.15) dst[k] = NAN;
  }
  return GANTRY_OK;
}

static ir_id leaf(ir_graph *g, const char *name, uint32_t dtype, uint32_t rank, const int64_t *dims) { return ir_leaf(g, GANTRY_OP_INPUT, name, dtype, rank, dims); }

static const uint32_t floats[] = {GANTRY_F32, GANTRY_F64, GANTRY_BF16}; /* bf16 last: contractions alone have it */

/* ---- convolutions --------------------------------------------------------------------------------------------------------------- */
typedef struct conv_case { uint32_t spatial; int64_t n, c, o, groups, x[3], k[3], stride[3], lo[3], hi[3], dilation[3]; } conv_case;

static void conv_faces(const conv_case *q, uint32_t dtype) {
  uint32_t s = q->spatial;
  int64_t x[5] = {q->n}, w[5] = {q->o}, y[5] = {q->n};
  char what[300];
  for (uint32_t k = 0; k < s; k++) {
    x[k + 1] = q->x[k];
    w[k + 1] = q->k[k];
    y[k + 1] = (q->x[k] + q->lo[k] + q->hi[k] - q->dilation[k] * (q->k[k] - 1) - 1) / q->stride[k] + 1;
  }
  x[s + 1] = q->c;
  w[s + 1] = q->c / q->groups;
  y[s + 1] = q->o;
  int n = snprintf(what, sizeof what, "%lld images, channels %lld to %lld in %lld groups, axes", (long long)q->n, (long long)q->c, (long long)q->o, (long long)q->groups);
  for (uint32_t k = 0; k < s; k++)
    n += snprintf(what + n, sizeof what - (size_t)n, " (%lld filter %lld stride %lld pad %lld %lld dilation %lld)", (long long)q->x[k], (long long)q->k[k], (long long)q->stride[k],
                  (long long)q->lo[k], (long long)q->hi[k], (long long)q->dilation[k]);
  for (uint32_t op = GANTRY_OP_CONV; op <= GANTRY_OP_CONV_WGRAD; op++) {
    ir_graph *g = ir_new();
    ir_id a = op == GANTRY_OP_CONV_DGRAD ? leaf(g, "y:-1:1", dtype, s + 2, y) : leaf(g, "x:-1:1", dtype, s + 2, x);
    ir_id b = op == GANTRY_OP_CONV_WGRAD ? leaf(g, "y:-1:1", dtype, s + 2, y) : leaf(g, "w:-1:1", dtype, s + 2, w);
    gantry_attr at[] = {iv(GANTRY_A_STRIDE, s, q->stride), iv(GANTRY_A_PAD_LO, s, q->lo), iv(GANTRY_A_PAD_HI, s, q->hi), iv(GANTRY_A_DILATION, s, q->dilation), ii(GANTRY_A_GROUPS, q->groups),
                        iv(GANTRY_A_DIMS, s + 2, op == GANTRY_OP_CONV_DGRAD ? x : w)};
    step(op, what, g, a, b, at, op == GANTRY_OP_CONV ? 5 : 6);
  }
}

static __attribute__((unused)) void test_steps__convolutions_of_networks(void) {
  static const conv_case cases[] = {
    {2, 2, 1, 32, 1, {28, 28}, {4, 4}, {2, 2}, {1, 1}, {1, 1}, {1, 1}},     /* D's first layer, G's last */
    {2, 2, 32, 16, 1, {14, 14}, {4, 4}, {2, 2}, {1, 1}, {1, 1}, {1, 1}},
    {2, 2, 3, 16, 1, {16, 16}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    {2, 2, 16, 3, 1, {16, 16}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},     /* to an image */
    {2, 2, 24, 40, 1, {5, 5}, {1, 1}, {1, 1}, {0, 0}, {0, 0}, {1, 1}},      /* 1x1 */
    {2, 2, 3, 4, 1, {5, 5}, {1, 1}, {1, 1}, {0, 0}, {0, 0}, {1, 1}},
    {2, 2, 16, 16, 16, {9, 9}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},     /* depthwise */
    {2, 3, 16, 20, 1, {4, 4}, {4, 4}, {1, 1}, {0, 0}, {0, 0}, {1, 1}},      /* one output pixel */
    {2, 2, 8, 8, 1, {7, 8}, {3, 3}, {2, 3}, {0, 0}, {0, 0}, {1, 1}},        /* the last columns are read by nobody */
    {2, 2, 3, 5, 1, {4, 4}, {2, 2}, {1, 1}, {5, 0}, {0, 4}, {1, 1}},        /* more padding than filter */
    {2, 2, 12, 8, 4, {6, 7}, {3, 2}, {1, 2}, {2, 0}, {1, 1}, {2, 3}},
    {1, 4, 16, 24, 1, {33}, {5}, {2}, {2}, {2}, {1}},
    {3, 2, 4, 8, 1, {4, 6, 5}, {3, 3, 3}, {1, 2, 1}, {1, 1, 1}, {1, 0, 1}, {1, 1, 1}},
  };
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
    for (int t = 0; t < 3; t++) conv_faces(&cases[k], floats[t]);
}

/* 4x4 filters of stride 2 with many channels, which are computed with fewer multiplications: whole and cut tiles, several slices, unequal channels. */
static __attribute__((unused)) void test_steps__convolutions_with_fewer_products(void) {
  static const conv_case cases[] = {
    {2, 3, 32, 40, 1, {8, 8}, {4, 4}, {2, 2}, {1, 1}, {1, 1}, {1, 1}},
    {2, 2, 48, 33, 1, {8, 24}, {4, 4}, {2, 2}, {1, 1}, {1, 1}, {1, 1}},
    {2, 1, 32, 35, 1, {42, 42}, {4, 4}, {2, 2}, {1, 1}, {1, 1}, {1, 1}}, /* an odd number of outputs: the last tiles are half empty */
    {2, 150, 32, 32, 1, {8, 8}, {4, 4}, {2, 2}, {1, 1}, {1, 1}, {1, 1}}, /* in slices */
    {2, 3, 32, 83, 1, {8, 12}, {4, 4}, {2, 2}, {1, 1}, {1, 1}, {1, 1}},  /* to the image, too, which takes many channels of the gradient */
  };
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) conv_faces(&cases[k], GANTRY_F32);
}

/* To and from one to four channels, which have loops of their own: strides, uneven margins, columns nobody reads, several bands of rows, and more images than
 * slices. The faces whose few channels stand on the other side, and the last two cases, are computed elsewhere. */
static __attribute__((unused)) void test_steps__convolutions_of_few_channels(void) {
  static const conv_case cases[] = {
    {2, 9, 16, 3, 1, {9, 7}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},  {2, 9, 3, 20, 1, {9, 7}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    {2, 19, 33, 4, 1, {6, 5}, {2, 5}, {1, 1}, {0, 3}, {1, 1}, {1, 1}}, {2, 3, 4, 33, 1, {6, 8}, {2, 5}, {1, 1}, {0, 3}, {1, 1}, {1, 1}},
    {2, 2, 1, 24, 1, {40, 38}, {4, 4}, {2, 2}, {1, 1}, {1, 1}, {1, 1}}, {2, 2, 3, 64, 1, {20, 21}, {4, 3}, {3, 2}, {0, 2}, {1, 0}, {1, 1}},
    {2, 2, 18, 1, 1, {34, 33}, {5, 5}, {1, 1}, {2, 2}, {2, 2}, {1, 1}}, {2, 2, 2, 16, 1, {5, 5}, {3, 3}, {1, 1}, {4, 0}, {0, 5}, {1, 1}},
    {2, 2, 16, 2, 1, {5, 300}, {1, 1}, {1, 1}, {0, 0}, {0, 0}, {1, 1}}, {2, 2, 16, 2, 1, {5, 6}, {3, 3}, {1, 1}, {0, 2}, {6, 4}, {1, 1}},
    {2, 2, 16, 3, 1, {9, 9}, {3, 3}, {2, 1}, {1, 1}, {1, 1}, {1, 1}},  {2, 2, 16, 3, 1, {9, 9}, {3, 3}, {1, 1}, {2, 2}, {2, 2}, {2, 2}},
  };
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) conv_faces(&cases[k], GANTRY_F32);
}

/* So many output pixels that the patches come in several slices. */
static __attribute__((unused)) void test_steps__convolutions_in_slices(void) {
  conv_case many = {2, 48, 1, 3, 1, {28, 28}, {4, 4}, {2, 2}, {1, 1}, {1, 1}, {1, 1}}, wide = {2, 3, 640, 2, 1, {8, 8}, {2, 2}, {1, 1}, {1, 0}, {1, 0}, {1, 1}};
  for (int t = 0; t < 2; t++) {
    conv_faces(&many, floats[t]);
    conv_faces(&wide, floats[t]);
  }
}

/* Enough arithmetic that the batch is shared in slices, whose filter gradients are added; with and without a filter that is laid out anew. */
static __attribute__((unused)) void test_steps__convolutions_in_slices_of_the_batch(void) {
  static const conv_case cases[] = {{2, 32, 16, 32, 1, {12, 12}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}, {2, 33, 16, 20, 1, {23, 23}, {3, 3}, {2, 2}, {0, 1}, {2, 2}, {1, 1}}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) conv_faces(&cases[k], GANTRY_F32);
}

static int64_t draw(uint64_t seed, uint64_t *n, int64_t lo, int64_t hi) { return lo + (int64_t)(check_uniform(seed, (*n)++) * (double)(hi - lo + 1)); }

static void random_convolutions(uint32_t dtype, int count) {
  static const int64_t channels[] = {1, 2, 3, 4, 5, 8, 16, 20};
  uint64_t at = 0;
  while (count) {
    conv_case q = {.spatial = (uint32_t)draw(7, &at, 1, 3), .n = draw(7, &at, 1, 3), .groups = draw(7, &at, 0, 2) ? 1 : draw(7, &at, 2, 3)};
    int64_t work = q.n;
    int fits = 1;
    q.c = q.groups * channels[draw(7, &at, 0, 7)];
    q.o = q.groups * channels[draw(7, &at, 0, 7)];
    for (uint32_t k = 0; k < q.spatial; k++) {
      q.x[k] = draw(7, &at, 1, q.spatial == 1 ? 20 : 9);
      q.k[k] = draw(7, &at, 1, 4);
      q.stride[k] = draw(7, &at, 1, 3);
      q.lo[k] = draw(7, &at, 0, 2);
      q.hi[k] = draw(7, &at, 0, 2);
      q.dilation[k] = draw(7, &at, 1, 2);
      int64_t room = q.x[k] + q.lo[k] + q.hi[k] - q.dilation[k] * (q.k[k] - 1) - 1;
      fits = fits && room >= 0;
      work *= (room / q.stride[k] + 1) * q.k[k];
    }
    if (!fits || work * q.o * q.c / q.groups > 100000) continue;
    conv_faces(&q, dtype);
    count--;
  }
}
static __attribute__((unused)) void test_steps__random_convolutions_f32(void) { random_convolutions(GANTRY_F32, 100); }
static __attribute__((unused)) void test_steps__random_convolutions_f64(void) { random_convolutions(GANTRY_F64, 100); }
static __attribute__((unused)) void test_steps__random_convolutions_bf16(void) { random_convolutions(GANTRY_BF16, 100); }

/* ---- matrix products ------------------------------------------------------------------------------------------------------------ */
typedef int64_t product_size[4]; /* batch m n k */
static void products(const product_size *sizes, size_t count, uint32_t dtype) { /* each operand as it is and transposed */
  for (size_t s = 0; s < count; s++)
    for (int64_t flip = 0; flip < 4; flip++) {
      const int64_t *q = sizes[s], m = q[1], n = q[2], k = q[3], ta = flip & 1, tb = flip >> 1;
      ir_graph *g = ir_new();
      gantry_attr at[] = {ii(GANTRY_A_TA, ta), ii(GANTRY_A_TB, tb)};
      char what[100];
      snprintf(what, sizeof what, "batch %lld, m %lld, n %lld, k %lld, transposed %lld", (long long)q[0], (long long)m, (long long)n, (long long)k, (long long)flip);
      step(GANTRY_OP_MATMUL, what, g, leaf(g, "a:-1:1", dtype, 3, L(q[0], ta ? k : m, ta ? m : k)), leaf(g, "b:-1:1", dtype, 3, L(q[0], tb ? n : k, tb ? k : n)), at, 2);
    }
}
static __attribute__((unused)) void test_steps__matrix_products(void) {
  static const product_size sizes[] = {{1, 1, 1, 1}, {1, 7, 5, 3}, {3, 4, 9, 8}, {2, 1, 16, 5}, {1, 64, 1, 100}, {1, 33, 65, 17}, {2, 70, 90, 80}}; /* the last is a large one */
  for (int t = 0; t < 3; t++) products(sizes, sizeof sizes / sizeof *sizes, floats[t]);
}
/* So large that they are computed in bands: of columns, of rows, several products of them, wide ones, and with long sums. */
static __attribute__((unused)) void test_steps__matrix_products_in_pieces(void) {
  static const product_size sizes[] = {{1, 100, 450, 200}, {1, 300, 60, 480}, {2, 90, 470, 200}, {1, 40, 2100, 102}, {1, 512, 64, 260}, {2, 70, 450, 270}};
  products(sizes, sizeof sizes / sizeof *sizes, GANTRY_F32);
}

/* ---- gather and scatter --------------------------------------------------------------------------------------------------------- */
typedef struct gather_case { const char *what; uint32_t rank, index_rank; int64_t x[4], index[3], axis, batch; } gather_case;
static const gather_case gathers[] = {
  {"rows", 2, 1, {9, 5}, {7}, 0, 0},
  {"a vector", 1, 1, {9}, {20}, 0, 0},
  {"by a scalar", 3, 0, {3, 4, 2}, {0}, 1, 0},
  {"the middle axis", 3, 2, {3, 6, 4}, {2, 5}, 1, 0},
  {"one shared axis", 3, 2, {3, 6, 4}, {3, 5}, 1, 1},
  {"one shared, one between", 4, 2, {3, 2, 6, 4}, {3, 5}, 2, 1},
  {"two shared, last axis", 3, 3, {3, 2, 6}, {3, 2, 8}, 2, 2},
  {"two shared, none left of the index", 4, 2, {3, 2, 6, 3}, {3, 2}, 2, 2},
};

static __attribute__((unused)) void test_steps__gather(void) {
  static const uint32_t types[] = {GANTRY_F32, GANTRY_F64, GANTRY_I32, GANTRY_I64, GANTRY_U32, GANTRY_U8, GANTRY_BF16, GANTRY_BOOL};
  for (size_t t = 0; t < sizeof types / sizeof *types; t++)
    for (size_t k = 0; k < sizeof gathers / sizeof *gathers; k++) {
      const gather_case *q = &gathers[k];
      ir_graph *g = ir_new();
      gantry_attr at[] = {ii(GANTRY_A_AXIS, q->axis), ii(GANTRY_A_BATCH, q->batch)};
      ir_id x = leaf(g, types[t] == GANTRY_BOOL ? "x:0:2" : types[t] == GANTRY_BF16 ? "x:-8:8:1" : "x:0:99", types[t], q->rank, q->x);
      step(GANTRY_OP_GATHER, q->what, g, x, leaf(g, "index:-2:11", k % 2 ? GANTRY_I64 : GANTRY_I32, q->index_rank, q->index), at, 2);
    }
}

static __attribute__((unused)) void test_steps__scatter_add(void) {
  static const uint32_t types[] = {GANTRY_F32, GANTRY_F64, GANTRY_I32, GANTRY_I64, GANTRY_U32, GANTRY_U8};
  for (size_t t = 0; t < sizeof types / sizeof *types; t++)
    for (size_t k = 0; k < sizeof gathers / sizeof *gathers; k++) {
      const gather_case *q = &gathers[k];
      int64_t u[8];
      uint32_t n = 0;
      for (int64_t a = 0; a < q->axis; a++) u[n++] = q->x[a];
      for (uint32_t a = (uint32_t)q->batch; a < q->index_rank; a++) u[n++] = q->index[a];
      for (int64_t a = q->axis + 1; a < q->rank; a++) u[n++] = q->x[a];
      ir_graph *g = ir_new();
      gantry_attr at[] = {ii(GANTRY_A_AXIS, q->axis), ii(GANTRY_A_BATCH, q->batch), iv(GANTRY_A_DIMS, q->rank, q->x)};
      ir_id v = leaf(g, types[t] == GANTRY_U8 ? "u:0:200" : "u:-2:2", types[t], n, u); /* u8 sums wrap */
      step(GANTRY_OP_SCATTER_ADD, q->what, g, v, leaf(g, "index:-2:11", k % 2 ? GANTRY_I32 : GANTRY_I64, q->index_rank, q->index), at, 3);
    }
}

/* ---- selection ------------------------------------------------------------------------------------------------------------------ */
static const uint32_t ordered[] = {GANTRY_F32, GANTRY_F64, GANTRY_I32, GANTRY_I64, GANTRY_U32, GANTRY_U8};
static const char *const contents[] = {"x:-2:2", "x:-2:2:1", "x:-2:2:nan"}; /* any, ties, NaN */

static __attribute__((unused)) void test_steps__argmax(void) {
  for (size_t t = 0; t < sizeof ordered / sizeof *ordered; t++)
    for (int v = 0; v < 3; v++)
      for (int64_t axis = 0; axis < 3; axis++) {
        ir_graph *g = ir_new();
        gantry_attr at = ii(GANTRY_A_AXIS, axis);
        step(GANTRY_OP_ARGMAX, contents[v], g, leaf(g, ir_is_float(ordered[t]) ? contents[v] : "x:0:4", ordered[t], 3, L(5, 6, 7)), 0, &at, 1);
      }
}

static __attribute__((unused)) void test_steps__topk_and_sort(void) {
  static const int64_t ks[] = {1, 3, 16, 17, 40};
  for (size_t t = 0; t < sizeof ordered / sizeof *ordered; t++)
    for (int v = 0; v < 3; v++) {
      const char *name = ir_is_float(ordered[t]) ? contents[v] : "x:0:9";
      for (size_t k = 0; k < sizeof ks / sizeof *ks; k++) {
        ir_graph *g = ir_new();
        gantry_attr at = ii(GANTRY_A_K, ks[k]);
        step(GANTRY_OP_TOPK, name, g, leaf(g, name, ordered[t], 2, L(4, 40)), 0, &at, 1);
      }
      for (int64_t n = 1; n < 40; n += 19) {
        ir_graph *g = ir_new();
        step(GANTRY_OP_SORT_INDEX, name, g, leaf(g, name, ordered[t], 3, L(2, 3, n)), 0, NULL, 0);
      }
    }
}

static __attribute__((unused)) void test_steps__argmax_of_windows(void) {
  for (int t = 0; t < 2; t++)
    for (int v = 0; v < 3; v++) {
      gantry_attr plane[] = {iv(GANTRY_A_WINDOW, 2, L(3, 2)), iv(GANTRY_A_STRIDE, 2, L(2, 1)), iv(GANTRY_A_PAD_LO, 2, L(2, 0)), iv(GANTRY_A_PAD_HI, 2, L(1, 1))};
      gantry_attr line[] = {iv(GANTRY_A_WINDOW, 1, L(2)), iv(GANTRY_A_STRIDE, 1, L(2))};
      gantry_attr volume[] = {iv(GANTRY_A_WINDOW, 3, L(2, 3, 2)), iv(GANTRY_A_STRIDE, 3, L(1, 2, 2)), iv(GANTRY_A_PAD_LO, 3, L(1, 0, 1))};
      ir_graph *g = ir_new();
      step(GANTRY_OP_WIN_ARGMAX, contents[v], g, leaf(g, contents[v], floats[t], 4, L(2, 7, 6, 3)), 0, plane, 4);
      g = ir_new();
      step(GANTRY_OP_WIN_ARGMAX, contents[v], g, leaf(g, contents[v], floats[t], 3, L(2, 9, 3)), 0, line, 2);
      g = ir_new();
      step(GANTRY_OP_WIN_ARGMAX, contents[v], g, leaf(g, contents[v], floats[t], 5, L(2, 4, 5, 6, 2)), 0, volume, 3);
    }
}

/* ---- FIR and grids -------------------------------------------------------------------------------------------------------------- */
typedef struct fir_case { uint32_t s; int64_t x[3], k[3], up[3], down[3], lo[3], hi[3], flip; } fir_case;

static __attribute__((unused)) void test_steps__fir(void) {
  static const fir_case cases[] = {
    {2, {8, 8}, {4, 4}, {2, 2}, {1, 1}, {2, 2}, {1, 1}, 0},    {2, {9, 8}, {4, 3}, {1, 1}, {2, 2}, {1, 1}, {2, 1}, 1},  {2, {7, 6}, {3, 4}, {2, 3}, {3, 2}, {-1, 2}, {1, -1}, 0},
    {2, {7, 6}, {3, 4}, {2, 3}, {3, 2}, {-1, 2}, {1, -1}, 1},  {1, {15}, {5}, {3}, {2}, {2}, {4}, 1},                   {3, {4, 3, 5}, {2, 3, 2}, {2, 1, 2}, {1, 1, 3}, {1, 0, -1}, {0, 1, 2}, 0},
    {2, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}, 0},    {2, {5, 5}, {2, 2}, {1, 1}, {1, 1}, {4, 0}, {0, 3}, 0},
  };
  for (int t = 0; t < 2; t++)
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
      for (int gradient = 0; gradient < 2; gradient++) {
        const fir_case *q = &cases[k];
        int64_t x[5] = {2}, y[5] = {2};
        char what[100];
        for (uint32_t a = 0; a < q->s; a++) {
          x[a + 1] = q->x[a];
          y[a + 1] = (q->x[a] * q->up[a] + q->lo[a] + q->hi[a] - q->k[a]) / q->down[a] + 1;
        }
        x[q->s + 1] = y[q->s + 1] = 3;
        ir_graph *g = ir_new();
        gantry_attr at[] = {iv(GANTRY_A_UP, q->s, q->up), iv(GANTRY_A_DOWN, q->s, q->down), iv(GANTRY_A_PAD_LO, q->s, q->lo), iv(GANTRY_A_PAD_HI, q->s, q->hi), ii(GANTRY_A_FLIP, q->flip),
                            iv(GANTRY_A_DIMS, q->s, q->k)};
        snprintf(what, sizeof what, "case %zu", k);
        step(gradient ? GANTRY_OP_FIR_FGRAD : GANTRY_OP_FIR, what, g, leaf(g, "x:-1:1", floats[t], q->s + 2, x),
             gradient ? leaf(g, "y:-1:1", floats[t], q->s + 2, y) : leaf(g, "f:-1:1", floats[t], q->s, q->k), at, gradient ? 6 : 5);
      }
}

static __attribute__((unused)) void test_steps__grids(void) {
  static const int64_t images[3][5] = {{2, 9, 3}, {2, 6, 7, 3}, {2, 3, 4, 5, 2}};
  static const char *const coordinates[] = {"g:-2:8", "g:-1:7:1", "g:-2:8:nan", "g:-1e30:1e30"}; /* between pixels, on pixels, NaN, far away */
  for (int t = 0; t < 2; t++)
    for (uint32_t s = 1; s <= 3; s++)
      for (int v = 0; v < 4; v++)
        for (int64_t dmask = 0; dmask < 1 << s; dmask++) {
          if (v == 3 && dmask != 0) continue;
          const int64_t *x = images[s - 1];
          int64_t grid[3] = {2, 25, s}, q[3] = {2, 25, x[s + 1]};
          gantry_attr at[] = {ii(GANTRY_A_DMASK, dmask), iv(GANTRY_A_DIMS, s + 2, x)};
          ir_graph *g = ir_new();
          step(GANTRY_OP_GRID_SAMPLE, coordinates[v], g, leaf(g, "x:-1:1", floats[t], s + 2, x), leaf(g, coordinates[v], floats[t], 3, grid), at, 1);
          g = ir_new();
          step(GANTRY_OP_GRID_SPLAT, coordinates[v], g, leaf(g, "q:-1:1", floats[t], 3, q), leaf(g, coordinates[v], floats[t], 3, grid), at, 2);
        }
}

/* ---- random bits, linear algebra ------------------------------------------------------------------------------------------------ */
static __attribute__((unused)) void test_steps__random_bits(void) {
  static const int64_t shapes[][3] = {{1, 1, 1}, {5, 3, 3}, {2, 4, 8}, {3, 1, 1}};
  for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
    ir_graph *g = ir_new();
    gantry_attr at[] = {iv(GANTRY_A_DIMS, 3, shapes[k]), ii(GANTRY_A_STREAM, 4000000001)};
    step(GANTRY_OP_RANDOM_BITS, "bits", g, leaf(g, "seed:0:4294967296", GANTRY_U32, 1, L(2)), leaf(g, "invocation:0:1000", GANTRY_U32, 0, NULL), at, 2);
  }
}

static __attribute__((unused)) void test_steps__linear_algebra(void) {
  static const double exponents[] = {0.5, -0.5, -1, 2, 1};
  for (int64_t n = 1; n <= 40; n += 13)
    for (int low = 0; low < 2; low++) /* low: rank n/2, the rest of the eigenvalues is rounding noise and must count as nothing */
      for (size_t k = 0; k <= sizeof exponents / sizeof *exponents; k++) {
        ir_graph *g = ir_new();
        ir_id x = leaf(g, "x:-1:1", GANTRY_F64, 2, L(n, low ? (n + 1) / 2 : n + 20)), m = ir_matmul(g, x, x, 0, 1);
        gantry_attr at = k < 5 ? ff(GANTRY_A_EXPONENT, exponents[k]) : ff(0, 0);
        char what[60];
        snprintf(what, sizeof what, "n %lld, %s, case %zu", (long long)n, low ? "singular" : "regular", k);
        step(k < 5 ? GANTRY_OP_PSD_POWER : GANTRY_OP_EIGVALSH, what, g, m, 0, &at, k < 5);
      }
  ir_graph *g = ir_new(); /* what is not symmetric counts by its symmetric part; eigenvalues may be negative */
  step(GANTRY_OP_EIGVALSH, "not symmetric", g, leaf(g, "x:-1:1", GANTRY_F64, 2, L(12, 12)), 0, NULL, 0);
}
#endif
