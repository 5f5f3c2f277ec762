/* test_adjoints.c - linear operations and their adjoints: <A x, g> = <x, A' g> to rounding, over a sweep of attributes.
 *
 * Each row of pairs is what ops.def says is adjoint; the sweep runs convolutions in 1 to 3 dimensions with strides, pads, dilations
 * and groups, and resampling with crops, through first and second order. */
#include "ad/ad.h"
#include "check/numeric.h"
#include "ir/build.h"
#include "t.h"

typedef struct linear { uint32_t op, n_at, n_in; gantry_attr at[8]; int64_t iv[8][GANTRY_MAX_RANK]; } linear;

static ir_id call(ir_graph *g, const ir_id *in, const void *arg) {
  const linear *s = arg;
  return ir_op(g, s->op, in, s->n_in, s->at, s->n_at);
}

static void put(linear *s, uint32_t key, uint32_t n, const int64_t *v) {
  memcpy(s->iv[s->n_at], v, sizeof(int64_t) * n);
  s->at[s->n_at] = (gantry_attr){.key = key, .n = n, .v.iv = s->iv[s->n_at]};
  s->n_at++;
}
static void put_i(linear *s, uint32_t key, int64_t v) { s->at[s->n_at++] = (gantry_attr){.key = key, .n = 1, .v.i = v}; }
static check_input real(uint32_t rank, const int64_t *dims) {
  check_input in = {.dtype = GANTRY_F64, .rank = rank, .lo = -1, .hi = 1};
  memcpy(in.dims, dims, sizeof(int64_t) * rank);
  return in;
}

static uint64_t drawn;
static int64_t draw(int64_t n) { return (int64_t)(check_uniform(2024, drawn++) * (double)n); }

static void holds(const check_case *c, uint32_t k, uint64_t seed) {
  err e = {0};
  t_check_msg(!check_adjoint(c, k, seed, 1e-12, &e), __LINE__, __FILE__, e.msg);
}

static void smooth(const check_case *c, uint64_t seed) {
  for (int order = 1; order <= 2; order++) {
    err e = {0};
    t_check_msg(!check_gradient(c, order, seed, 1e-6, &e), __LINE__, __FILE__, e.msg);
  }
}

/* The three faces for one random convolution; the operands are x, w and a gradient of the output's shape. */
static void convolution(uint64_t seed) {
  uint32_t s = 1 + (uint32_t)draw(3), rank = s + 2;
  int64_t x[5], w[5], out[5], stride[3], lo[3], hi[3], dilation[3], groups = 1 + draw(3);
  x[0] = 1 + draw(2);
  x[rank - 1] = groups * (1 + draw(2));
  w[0] = groups * (1 + draw(2));
  w[rank - 1] = x[rank - 1] / groups;
  out[0] = x[0];
  out[rank - 1] = w[0];
  for (uint32_t k = 0; k < s; k++) {
    w[k + 1] = 1 + draw(3);
    stride[k] = 1 + draw(3);
    dilation[k] = 1 + draw(2);
    lo[k] = draw(3);
    hi[k] = draw(3);
    int64_t reach = dilation[k] * (w[k + 1] - 1) + 1;
    x[k + 1] = 1 + draw(4);
    if (x[k + 1] + lo[k] + hi[k] < reach) x[k + 1] = reach;
    out[k + 1] = (x[k + 1] + lo[k] + hi[k] - reach) / stride[k] + 1;
  }
  for (int face = 0; face < 3; face++) {
    linear l = {.op = (uint32_t[]){GANTRY_OP_CONV, GANTRY_OP_CONV_DGRAD, GANTRY_OP_CONV_WGRAD}[face], .n_in = 2};
    put(&l, GANTRY_A_STRIDE, s, stride);
    put(&l, GANTRY_A_PAD_LO, s, lo);
    put(&l, GANTRY_A_PAD_HI, s, hi);
    put(&l, GANTRY_A_DILATION, s, dilation);
    put_i(&l, GANTRY_A_GROUPS, groups);
    if (face) put(&l, GANTRY_A_DIMS, rank, face == 1 ? x : w);
    check_case c = {.name = ir_op_get(l.op)->name, .n = 2, .build = call, .arg = &l};
    c.in[0] = real(rank, face == 1 ? out : x);
    c.in[1] = real(rank, face == 2 ? out : w);
    holds(&c, 0, seed);
    holds(&c, 1, seed);
    if (seed % 8 == 0) smooth(&c, seed);
  }
}

static void test_adjoints__convolutions(void) {
  drawn = 0;
  for (uint64_t seed = 1; seed <= 120; seed++) convolution(seed);
}

static void resampling(uint64_t seed) {
  uint32_t s = 1 + (uint32_t)draw(2), rank = s + 2;
  int64_t x[4], f[2], out[4], up[2], down[2], lo[2], hi[2];
  x[0] = out[0] = 1 + draw(2);
  x[rank - 1] = out[rank - 1] = 1 + draw(2);
  for (uint32_t k = 0; k < s; k++) {
    x[k + 1] = 2 + draw(4);
    f[k] = 1 + draw(5);
    up[k] = 1 + draw(3);
    down[k] = 1 + draw(3);
    lo[k] = draw(7) - 3;
    hi[k] = draw(7) - 3;
    while (x[k + 1] * up[k] + lo[k] + hi[k] < f[k]) hi[k]++;
    out[k + 1] = (x[k + 1] * up[k] + lo[k] + hi[k] - f[k]) / down[k] + 1;
  }
  int64_t flip = draw(2);
  for (int face = 0; face < 2; face++) {
    linear l = {.op = face ? GANTRY_OP_FIR_FGRAD : GANTRY_OP_FIR, .n_in = 2};
    put(&l, GANTRY_A_UP, s, up);
    put(&l, GANTRY_A_DOWN, s, down);
    put(&l, GANTRY_A_PAD_LO, s, lo);
    put(&l, GANTRY_A_PAD_HI, s, hi);
    put_i(&l, GANTRY_A_FLIP, flip);
    if (face) put(&l, GANTRY_A_DIMS, s, f);
    check_case c = {.name = ir_op_get(l.op)->name, .n = 2, .build = call, .arg = &l};
    c.in[0] = real(rank, x);
    c.in[1] = face ? real(rank, out) : real(s, f);
    holds(&c, 0, seed);
    holds(&c, 1, seed);
    if (seed % 8 == 0) smooth(&c, seed);
  }
}

static void test_adjoints__resampling_with_crops(void) {
  drawn = 5000;
  for (uint64_t seed = 1; seed <= 200; seed++) resampling(seed);
}

/* Each names its adjoint: the gradient graph consists of that operation (on INPUTs) and nothing else. */
static void is_adjoint(const check_case *c, uint32_t adjoint) {
  ir_graph *g = ir_new();
  ir_id xs[2], dx;
  for (uint32_t k = 0; k < c->n; k++) xs[k] = ir_leaf(g, GANTRY_OP_INPUT, k ? "x1" : "x0", c->in[k].dtype, c->in[k].rank, c->in[k].dims);
  ir_id y = c->build(g, xs, c->arg);
  int64_t dims[GANTRY_MAX_RANK] = {0};
  T_CHECK(y != 0);
  if (!y) return;
  if (ir_at(g, y)->rank) memcpy(dims, ir_dims(g, y), sizeof(int64_t) * ir_at(g, y)->rank);
  ir_id u = ir_leaf(g, GANTRY_OP_INPUT, "u", GANTRY_F64, ir_at(g, y)->rank, dims);
  T_CHECK(!ad_grad(g, y, u, xs, 1, &dx) && ir_at(g, dx)->op == adjoint && ir_in(g, dx, 0) == u);
  ir_free(g);
  holds(c, 0, 3);
}

static void test_adjoints__pairs_of_the_table(void) {
  static const int64_t image[] = {2, 5, 4, 3}, grid[] = {2, 3, 2}, q[] = {2, 3, 3}, index[] = {2, 3}, u[] = {2, 3, 4, 3};
  for (int way = 0; way < 2; way++) {
    linear sum = {.op = way ? GANTRY_OP_BROADCAST : GANTRY_OP_SUM, .n_in = 1}, cut = {.op = way ? GANTRY_OP_PAD : GANTRY_OP_SLICE, .n_in = 1};
    linear splat = {.op = way ? GANTRY_OP_GRID_SPLAT : GANTRY_OP_GRID_SAMPLE, .n_in = 2}, gather = {.op = way ? GANTRY_OP_SCATTER_ADD : GANTRY_OP_GATHER, .n_in = 2};
    check_case c = {.name = "pair", .n = 1, .build = call, .arg = &sum};
    put(&sum, GANTRY_A_AXES, 2, (int64_t[]){1, 2});
    if (way) {
      sum.iv[0][1] = 3;
      sum.iv[0][0] = 0;
      put(&sum, GANTRY_A_DIMS, 4, image);
    }
    c.in[0] = way ? real(2, (int64_t[]){2, 3}) : real(4, image);
    is_adjoint(&c, way ? GANTRY_OP_SUM : GANTRY_OP_BROADCAST);

    c.arg = &cut;
    if (way) {
      put(&cut, GANTRY_A_LO, 2, (int64_t[]){1, 0});
      put(&cut, GANTRY_A_HI, 2, (int64_t[]){0, 2});
      put(&cut, GANTRY_A_INTERIOR, 2, (int64_t[]){2, 0});
    } else {
      put(&cut, GANTRY_A_START, 2, (int64_t[]){1, 0});
      put(&cut, GANTRY_A_STOP, 2, (int64_t[]){6, 3});
      put(&cut, GANTRY_A_STEP, 2, (int64_t[]){3, 1});
    }
    c.in[0] = real(2, (int64_t[]){7, 5});
    is_adjoint(&c, way ? GANTRY_OP_SLICE : GANTRY_OP_PAD);

    c.n = 2;
    for (int64_t dmask = 0; dmask < 4; dmask++) {
      linear d = splat;
      c.arg = &d;
      put_i(&d, GANTRY_A_DMASK, dmask);
      if (way) put(&d, GANTRY_A_DIMS, 4, image);
      c.in[0] = way ? real(3, q) : real(4, image);
      c.in[1] = real(3, grid);
      c.in[1].lo = -1.5;
      c.in[1].hi = 5;
      is_adjoint(&c, way ? GANTRY_OP_GRID_SAMPLE : GANTRY_OP_GRID_SPLAT);
    }

    c.arg = &gather;
    put_i(&gather, GANTRY_A_AXIS, 1);
    put_i(&gather, GANTRY_A_BATCH, 1);
    if (way) put(&gather, GANTRY_A_DIMS, 4, image);
    c.in[0] = way ? real(4, u) : real(4, image);
    c.in[1] = (check_input){.dtype = GANTRY_I32, .rank = 2, .dims = {index[0], index[1]}, .lo = -1, .hi = 6};
    is_adjoint(&c, way ? GANTRY_OP_GATHER : GANTRY_OP_SCATTER_ADD);
  }
}

T_MAIN(T(test_adjoints__convolutions), T(test_adjoints__resampling_with_crops), T(test_adjoints__pairs_of_the_table))
