/* random_graph.c - see random_graph.h. A pool of float tensors grows by one random operation at a time; integer and bool tensors are
 * made where an operation wants them. Every choice is drawn from a counter stream, so a failing seed is a complete bug report; no
 * expression draws twice, because C leaves the order of arguments open. */
#include "check/random_graph.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ad/ad.h"
#include "base/hash.h"
#include "check/numeric.h"
#include "ir/build.h"

typedef struct maker {
  ir_graph *g;
  const check_random *o;
  uint64_t seed, drawn;
  VEC(ir_id) pool;
  uint32_t leaves, states;
} maker;

static uint32_t pick(maker *m, uint32_t n) { return (uint32_t)(check_uniform(m->seed, m->drawn++) * n); }
static ir_id any(maker *m) { return m->pool.p[m->pool.n - 1 - pick(m, m->pool.n < 12 ? m->pool.n : 12)]; }
static gantry_attr ints(uint32_t key, uint32_t n, const int64_t *v) { return (gantry_attr){.key = key, .n = n, .v.iv = v}; }
static gantry_attr integer(uint32_t key, int64_t v) { return (gantry_attr){.key = key, .n = 1, .v.i = v}; }
static uint32_t shape(const maker *m, ir_id x, int64_t dims[GANTRY_MAX_RANK]) {
  uint32_t rank = ir_at(m->g, x)->rank;
  if (rank) memcpy(dims, ir_dims(m->g, x), sizeof(int64_t) * rank);
  return rank;
}

static ir_id leaf(maker *m, uint32_t rank, const int64_t *dims) {
  char name[24];
  int state = pick(m, 3) == 0;
  snprintf(name, sizeof name, state ? "state%u" : "in%u", state ? m->states++ : m->leaves++);
  return ir_leaf(m->g, state ? GANTRY_OP_STATE : GANTRY_OP_INPUT, name, m->o->dtype, rank, dims);
}

static ir_id fresh(maker *m) {
  int64_t dims[4];
  uint32_t rank = pick(m, 5);
  for (uint32_t k = 0; k < rank; k++) dims[k] = 1 + pick(m, rank > 3 ? 4 : 7);
  return leaf(m, rank, dims);
}

/* A partner for elementwise work: one of the same shape, or one that broadcasts to it. */
static ir_id partner(maker *m, ir_id x) {
  int64_t dims[GANTRY_MAX_RANK];
  uint32_t rank = shape(m, x, dims), skip;
  for (uint32_t tries = 0; tries < 6; tries++) {
    ir_id y = any(m);
    int64_t other[GANTRY_MAX_RANK];
    uint32_t r = shape(m, y, other), fits = r <= rank;
    for (uint32_t k = 0; k < r && fits; k++) fits = other[k] == 1 || other[k] == dims[rank - r + k];
    if (fits) return y;
  }
  if (pick(m, 4) == 0) return ir_const(m->g, m->o->dtype, pick(m, 9) * 0.25 - 1);
  skip = rank ? pick(m, rank + 1) : 0;
  for (uint32_t k = skip; k < rank; k++)
    if (pick(m, 4) == 0) dims[k] = 1;
  return leaf(m, rank - skip, dims + skip);
}

static ir_id positive(maker *m, ir_id x) { return ir_add(m->g, ir_1(m->g, GANTRY_OP_ABS, x), ir_const(m->g, m->o->dtype, 0.5)); }

static ir_id map(maker *m) {
  ir_graph *g = m->g;
  ir_id x = any(m), y;
  switch (pick(m, m->o->families & CHECK_EXACT ? 9 : 20)) {
    case 0: return ir_scale(g, ir_add(g, x, partner(m, x)), 0.5);
    case 1: return ir_sub(g, x, ir_scale(g, x, 0.25));
    case 2: return ir_scale(g, ir_mul(g, x, partner(m, x)), 0.5);
    case 3: return ir_div(g, x, positive(m, partner(m, x)));
    case 4: return ir_2(g, GANTRY_OP_MAX, x, partner(m, x));
    case 5: return ir_2(g, GANTRY_OP_MIN, x, partner(m, x));
    case 6: y = partner(m, x); return ir_where(g, ir_cmp(g, 1 + pick(m, 6), x, y), x, ir_neg(g, y));
    case 7: return ir_1(g, pick(m, 2) ? GANTRY_OP_ABS : GANTRY_OP_NEG, x);
    case 8: return ir_1(g, (const uint32_t[]){GANTRY_OP_SIGN, GANTRY_OP_FLOOR, GANTRY_OP_ROUND}[pick(m, 3)], x);
    case 9: return ir_1(g, GANTRY_OP_TANH, x);
    case 10: return ir_1(g, GANTRY_OP_SIGMOID, x);
    case 11: return ir_1(g, GANTRY_OP_EXP, ir_1(g, GANTRY_OP_TANH, x));
    case 12: return ir_1(g, GANTRY_OP_LOG, positive(m, x));
    case 13: return ir_1(g, GANTRY_OP_SQRT, positive(m, x));
    case 14: return ir_1(g, GANTRY_OP_RSQRT, positive(m, x));
    case 15: return ir_1(g, pick(m, 2) ? GANTRY_OP_SIN : GANTRY_OP_COS, x);
    case 16: return ir_1(g, GANTRY_OP_ERF, x);
    case 17: return ir_1(g, GANTRY_OP_LOG1P, ir_1(g, GANTRY_OP_ABS, x));
    case 18: return ir_pow(g, positive(m, ir_1(g, GANTRY_OP_TANH, x)), 0.5 * (1 + pick(m, 6)) - 2);
    default: return ir_2(g, GANTRY_OP_ATAN2, x, positive(m, partner(m, x)));
  }
}

static ir_id move(maker *m) {
  ir_graph *g = m->g;
  ir_id x = any(m);
  int64_t d[GANTRY_MAX_RANK], a[GANTRY_MAX_RANK] = {0}, b[GANTRY_MAX_RANK] = {0}, c[GANTRY_MAX_RANK] = {0};
  uint32_t rank = shape(m, x, d), n = 0;
  if (!rank || ir_count(g, x) > 4096) return ir_neg(g, x);
  switch (pick(m, 8)) {
    case 0: return ir_reshape(g, x, 1, (int64_t[]){ir_count(g, x)});
    case 1: {
      for (uint32_t k = 0; k < rank; k++) a[k] = k;
      for (uint32_t k = rank - 1; k; k--) {
        uint32_t j = pick(m, k + 1);
        int64_t t = a[k];
        a[k] = a[j];
        a[j] = t;
      }
      return ir_permute(g, x, a);
    }
    case 2: {
      for (uint32_t k = 0; k < rank; k++)
        if (pick(m, 2)) a[n++] = k;
      gantry_attr at = ints(GANTRY_A_AXES, n, a);
      return ir_op(g, GANTRY_OP_REVERSE, &x, 1, &at, 1);
    }
    case 3: { /* a new axis anywhere */
      if (rank > 4) return ir_neg(g, x);
      uint32_t where = pick(m, rank + 1);
      for (uint32_t k = 0; k <= rank; k++) b[k] = k == where ? 1 + pick(m, 3) : d[k > where ? k - 1 : k];
      for (uint32_t k = 0; k < rank; k++) a[k] = k < where ? k : k + 1;
      gantry_attr at[] = {ints(GANTRY_A_DIMS, rank + 1, b), ints(GANTRY_A_AXES, rank, a)};
      return ir_op(g, GANTRY_OP_BROADCAST, &x, 1, at, 2);
    }
    case 4: case 5: {
      for (uint32_t k = 0; k < rank; k++) {
        a[k] = pick(m, (uint32_t)d[k]);
        b[k] = a[k] + 1 + pick(m, (uint32_t)(d[k] - a[k]));
        c[k] = 1 + pick(m, 3);
      }
      gantry_attr at[] = {ints(GANTRY_A_START, rank, a), ints(GANTRY_A_STOP, rank, b), ints(GANTRY_A_STEP, rank, c)};
      return ir_op(g, GANTRY_OP_SLICE, &x, 1, at, 3);
    }
    case 6: {
      if (ir_count(g, x) > 256) return ir_neg(g, x);
      for (uint32_t k = 0; k < rank; k++) {
        a[k] = pick(m, 3);
        b[k] = pick(m, 2);
        c[k] = pick(m, 4) / 3;
      }
      gantry_attr at[] = {ints(GANTRY_A_LO, rank, a), ints(GANTRY_A_HI, rank, b), ints(GANTRY_A_INTERIOR, rank, c)};
      return ir_op(g, GANTRY_OP_PAD, &x, 1, at, 3);
    }
    default: {
      uint32_t axis = pick(m, rank);
      gantry_attr at = integer(GANTRY_A_AXIS, axis);
      uint32_t parts = 2 + pick(m, 2);
      ir_id part[] = {x, ir_neg(g, x), parts == 3 ? leaf(m, rank, d) : 0};
      return ir_op(g, GANTRY_OP_CONCAT, part, parts, &at, 1);
    }
  }
}

static ir_id reduce(maker *m) {
  ir_id x = any(m);
  int64_t d[GANTRY_MAX_RANK], axes[GANTRY_MAX_RANK], size = 1;
  uint32_t rank = shape(m, x, d), n = 0, kind = pick(m, 3);
  for (uint32_t k = 0; k < rank; k++)
    if (pick(m, 2)) {
      axes[n++] = k;
      size *= d[k];
    }
  gantry_attr at = ints(GANTRY_A_AXES, n, axes);
  if (m->o->families & CHECK_EXACT) kind = 1;
  ir_id y = ir_op(m->g, kind == 0 ? GANTRY_OP_SUM : kind == 1 ? GANTRY_OP_RMAX : GANTRY_OP_VAR, &x, 1, &at, 1);
  return kind ? y : ir_div(m->g, y, ir_const(m->g, m->o->dtype, (double)size));
}

static ir_id matmul(maker *m) {
  ir_id x = any(m);
  int64_t d[GANTRY_MAX_RANK], t;
  uint32_t rank = shape(m, x, d);
  if (rank < 2) {
    x = leaf(m, 2, (int64_t[]){3, 5});
    rank = shape(m, x, d);
  }
  int ta = (int)pick(m, 2), tb = (int)pick(m, 2);
  d[rank - 2] = ta ? d[rank - 2] : d[rank - 1];
  d[rank - 1] = 1 + pick(m, 6);
  int64_t inner = d[rank - 2];
  if (tb) {
    t = d[rank - 1];
    d[rank - 1] = d[rank - 2];
    d[rank - 2] = t;
  }
  return ir_scale(m->g, ir_matmul(m->g, x, leaf(m, rank, d), ta, tb), 1 / (double)inner);
}

static ir_id conv(maker *m) {
  uint32_t s = 1 + pick(m, 3), groups = 1 + pick(m, 2);
  int64_t x[5], w[5], stride[3], lo[3], hi[3], dilation[3];
  x[0] = 1 + pick(m, 2);
  x[s + 1] = groups * (1 + pick(m, 3));
  w[0] = groups * (1 + pick(m, 3));
  w[s + 1] = x[s + 1] / groups;
  for (uint32_t k = 0; k < s; k++) {
    w[k + 1] = 1 + pick(m, 3);
    stride[k] = 1 + pick(m, 2);
    dilation[k] = 1 + pick(m, 2);
    lo[k] = pick(m, 3);
    hi[k] = pick(m, 3);
    x[k + 1] = dilation[k] * (w[k + 1] - 1) + 1 + pick(m, 4);
  }
  gantry_attr at[] = {ints(GANTRY_A_STRIDE, s, stride), ints(GANTRY_A_PAD_LO, s, lo), ints(GANTRY_A_PAD_HI, s, hi), ints(GANTRY_A_DILATION, s, dilation), integer(GANTRY_A_GROUPS, groups)};
  ir_id image = leaf(m, s + 2, x), filter = leaf(m, s + 2, w);
  return ir_scale(m->g, ir_op(m->g, GANTRY_OP_CONV, (ir_id[]){image, filter}, 2, at, 5), 0.2);
}

static ir_id index_work(maker *m) {
  ir_graph *g = m->g;
  ir_id x = any(m);
  int64_t d[GANTRY_MAX_RANK];
  uint32_t rank = shape(m, x, d), axis;
  if (!rank || ir_count(g, x) > 2048 || rank > 5) x = leaf(m, 2, (int64_t[]){5, 4}), rank = shape(m, x, d);
  axis = pick(m, rank);
  gantry_attr at[] = {integer(GANTRY_A_AXIS, axis), integer(GANTRY_A_BATCH, 0), integer(GANTRY_A_K, 1 + pick(m, (uint32_t)d[rank - 1]))};
  if (pick(m, 3) == 0) { /* the largest values, sorted */
    ir_id i = pick(m, 2) ? ir_op(g, GANTRY_OP_TOPK, &x, 1, &at[2], 1) : ir_1(g, GANTRY_OP_SORT_INDEX, x);
    at[0].v.i = at[1].v.i = (int64_t)rank - 1;
    return ir_op(g, GANTRY_OP_GATHER, (ir_id[]){x, i}, 2, at, 2);
  }
  if (pick(m, 3) == 0) return ir_cast(g, ir_op(g, GANTRY_OP_ARGMAX, &x, 1, at, 1), m->o->dtype);
  int64_t count[] = {1 + pick(m, 5)}, wide[GANTRY_MAX_RANK];
  double which[5];
  for (int64_t k = 0; k < count[0]; k++) which[k] = (double)pick(m, (uint32_t)d[axis] + 2) - 1; /* sometimes out of range */
  ir_id i = ir_array(g, GANTRY_I32, 1, count, which), y = ir_op(g, GANTRY_OP_GATHER, (ir_id[]){x, i}, 2, at, 2);
  if (pick(m, 2)) return y;
  memcpy(wide, d, sizeof wide);
  gantry_attr back[] = {ints(GANTRY_A_DIMS, rank, wide), at[0], at[1]};
  return ir_scale(g, ir_op(g, GANTRY_OP_SCATTER_ADD, (ir_id[]){y, i}, 2, back, 3), 0.5);
}

static ir_id integer_work(maker *m) {
  ir_graph *g = m->g;
  ir_id x = any(m);
  int64_t d[GANTRY_MAX_RANK];
  uint32_t rank = shape(m, x, d), type = (uint32_t[]){GANTRY_I32, GANTRY_U32, GANTRY_U8, GANTRY_I64}[pick(m, 4)];
  static const uint32_t ops[] = {GANTRY_OP_ADD, GANTRY_OP_MUL, GANTRY_OP_DIV, GANTRY_OP_MOD, GANTRY_OP_MAX, GANTRY_OP_AND, GANTRY_OP_OR, GANTRY_OP_XOR};
  uint32_t axis = rank ? pick(m, rank) : 0;
  gantry_attr at[] = {ints(GANTRY_A_DIMS, rank, d), integer(GANTRY_A_DTYPE, type), integer(GANTRY_A_AXIS, axis)};
  ir_id i = rank && d[axis] < 256 ? ir_op(g, GANTRY_OP_IOTA, NULL, 0, at, 3) : ir_const(g, type, 3);
  /* |x| * 8 is far below every type's limit: the conversion is defined everywhere */
  ir_id bounded = ir_2(g, GANTRY_OP_MIN, ir_scale(g, ir_1(g, GANTRY_OP_ABS, x), 8), ir_const(g, m->o->dtype, 100));
  ir_id j = ir_cast(g, ir_where(g, ir_cmp(g, GANTRY_CMP_EQ, bounded, bounded), bounded, ir_const(g, m->o->dtype, 0)), type);
  ir_id k = ir_2(g, ops[pick(m, 8)], i, j);
  if (pick(m, 2)) {
    uint32_t shift = pick(m, 2) ? GANTRY_OP_SHL : GANTRY_OP_SHR;
    k = ir_2(g, shift, k, ir_const(g, type, pick(m, 5)));
  }
  return ir_scale(g, ir_cast(g, ir_2(g, GANTRY_OP_MOD, k, ir_const(g, type, 17)), m->o->dtype), 0.125);
}

static ir_id random_work(maker *m) {
  ir_graph *g = m->g;
  int64_t dims[2];
  dims[0] = 1 + pick(m, 5);
  dims[1] = 1 + pick(m, 7);
  gantry_attr at[] = {ints(GANTRY_A_DIMS, 2, dims), integer(GANTRY_A_STREAM, pick(m, 1000))};
  ir_id key = ir_leaf(g, GANTRY_OP_INPUT, "seed", GANTRY_U32, 1, (int64_t[]){2}), when = ir_leaf(g, GANTRY_OP_INPUT, "invocation", GANTRY_U32, 0, NULL);
  ir_id bits = ir_op(g, GANTRY_OP_RANDOM_BITS, (ir_id[]){key, when}, 2, at, 2);
  return ir_scale(g, ir_cast(g, ir_2(g, GANTRY_OP_SHR, bits, ir_const(g, GANTRY_U32, 8)), m->o->dtype), 1.0 / 16777216);
}

static ir_id sampling(maker *m) {
  ir_graph *g = m->g;
  uint32_t s = 1 + pick(m, 2), n = s + 2;
  int64_t x[4] = {1 + pick(m, 2)}, f[2], up[2], down[2], lo[2], hi[2];
  x[s + 1] = 1 + pick(m, 3);
  for (uint32_t k = 0; k < s; k++) {
    x[k + 1] = 4 + pick(m, 4);
    f[k] = 1 + pick(m, 4);
    up[k] = 1 + pick(m, 3);
    down[k] = 1 + pick(m, 3);
    lo[k] = (int64_t)pick(m, 4) - 1;
    hi[k] = (int64_t)pick(m, 4) - 1;
    if (x[k + 1] * up[k] + lo[k] + hi[k] < f[k]) lo[k] = f[k];
  }
  if (pick(m, 2)) {
    gantry_attr at[] = {ints(GANTRY_A_UP, s, up), ints(GANTRY_A_DOWN, s, down), ints(GANTRY_A_PAD_LO, s, lo), ints(GANTRY_A_PAD_HI, s, hi), integer(GANTRY_A_FLIP, pick(m, 2))};
    ir_id image = leaf(m, n, x), filter = leaf(m, s, f);
    return ir_scale(g, ir_op(g, GANTRY_OP_FIR, (ir_id[]){image, filter}, 2, at, 5), 0.25);
  }
  int64_t grid[4];
  memcpy(grid, x, sizeof grid);
  grid[n - 1] = s;
  ir_id c = ir_scale(g, ir_add(g, leaf(m, n, grid), ir_const(g, m->o->dtype, 1)), 2);
  gantry_attr at = integer(GANTRY_A_DMASK, pick(m, 3) ? 0 : 1);
  return ir_op(g, GANTRY_OP_GRID_SAMPLE, (ir_id[]){leaf(m, n, x), c}, 2, &at, 1);
}

static ir_id step(maker *m) {
  typedef ir_id family(maker *);
  static family *const makers[] = {map, move, reduce, matmul, conv, index_work, integer_work, random_work, sampling};
  uint32_t allowed = m->o->families & ((1u << (sizeof makers / sizeof *makers)) - 1u);
  if (pick(m, 8) == 0 || !allowed) return fresh(m);
  for (;;) {
    uint32_t k = pick(m, 12);
    if (k >= sizeof makers / sizeof *makers) k = k % 2; /* elementwise work and views are what graphs mostly are */
    if (allowed >> k & 1) return makers[k](m);
  }
}

static void finish(maker *m) {
  ir_graph *g = m->g;
  ir_id total = 0, leaves[64], d[64];
  uint32_t n = 0, states = m->states, left = m->pool.n < 8 ? m->pool.n : 8;
  char name[24];
  for (uint32_t k = 0; k < left; k++) {
    ir_id v = m->pool.p[m->pool.n - 1 - k];
    snprintf(name, sizeof name, "out%u", k);
    ir_output(g, name, v);
    ir_id part = ir_mean_all(g, v);
    total = total ? ir_add(g, total, part) : part;
  }
  for (ir_id id = 1; id < g->nodes.n && n < 64; id++)
    if (ir_is_float(ir_at(g, id)->dtype) && (ir_at(g, id)->op == GANTRY_OP_INPUT || ir_at(g, id)->op == GANTRY_OP_STATE)) leaves[n++] = id;
  if (m->o->families & CHECK_GRADIENT && n && !ad_grad(g, total, 0, leaves, n, d))
    for (uint32_t k = 0; k < n; k++) {
      snprintf(name, sizeof name, "grad%u", k);
      ir_output(g, name, d[k]);
    }
  for (uint32_t k = 0; k < n; k++) { /* half of the states get a new value, some another state's old one */
    if (ir_at(g, leaves[k])->op != GANTRY_OP_STATE || states == 0) continue;
    uint32_t what = pick(m, 4);
    const char *own = ir_name(g, (uint32_t)ir_attr_i(g, leaves[k], GANTRY_A_NAME, 0));
    ir_id v = leaves[pick(m, n)];
    int64_t a[GANTRY_MAX_RANK] = {0}, b[GANTRY_MAX_RANK] = {0};
    if (what == 0 && shape(m, v, a) == shape(m, leaves[k], b) && !memcmp(a, b, sizeof a)) ir_store(g, own, v);
    else if (what < 3) ir_store(g, own, ir_sub(g, leaves[k], ir_scale(g, leaves[k], 0.125)));
  }
}

ir_graph *check_random_graph(uint64_t seed, const check_random *o, err *e) {
  maker m = {.g = ir_new(), .o = o, .seed = seed};
  VEC_PUSH(m.pool, fresh(&m));
  for (uint32_t k = 1; k < o->nodes && !m.g->err.code; k++) {
    ir_id id = step(&m);
    if (id) VEC_PUSH(m.pool, id);
  }
  if (!m.g->err.code) finish(&m);
  free(m.pool.p);
  if (!m.g->err.code) return m.g;
  err_set(e, m.g->err.code, "random graph, seed %llu: %s", (unsigned long long)seed, m.g->err.msg);
  ir_free(m.g);
  return NULL;
}

gantry_status check_bind(void *user, const char *name, uint32_t dtype, int64_t count, double *dst, err *e) {
  const check_values *v = user;
  uint64_t seed = hash_str(name, v->seed);
  static const double special[] = {NAN, INFINITY, -INFINITY, -0.0, 0, 1e-40, -1};
  (void)e;
  for (int64_t k = 0; k < count; k++) {
    double u = check_uniform(seed, (uint64_t)k);
    if (dtype == GANTRY_BOOL) dst[k] = u < 0.5;
    else if (!ir_is_float(dtype)) dst[k] = floor(100 * u);
    else dst[k] = (double)(float)(4 * u - 2);
    if (v->special && ir_is_float(dtype) && check_uniform(seed + 1, (uint64_t)k) < 0.1) dst[k] = special[(int)(u * 7)];
  }
  return GANTRY_OK;
}
