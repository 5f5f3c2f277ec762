/* build.c - readable construction on top of ir_op(): see build.h. In go ids and plain numbers, out comes an id; 0 after an error. */
#include "ir/build.h"

#include "ir/infer.h"

static ir_id make(ir_graph *g, uint32_t op, ir_id x, const gantry_attr *at, uint32_t n_at) { return ir_op(g, op, &x, 1, at, n_at); }
static gantry_attr ints(uint32_t key, uint32_t n, const int64_t *v) { return (gantry_attr){.key = key, .n = n, .v.iv = v}; }
static gantry_attr integer(uint32_t key, int64_t v) { return (gantry_attr){.key = key, .n = 1, .v.i = v}; }
static gantry_attr real(uint32_t key, double v) { return (gantry_attr){.key = key, .n = 1, .v.f = v}; }

ir_id ir_full(ir_graph *g, uint32_t dtype, uint32_t rank, const int64_t *dims, double v) {
  gantry_attr at[] = {real(GANTRY_A_VALUE, v), ints(GANTRY_A_DIMS, rank, dims), integer(GANTRY_A_DTYPE, dtype)};
  return ir_op(g, GANTRY_OP_CONST, NULL, 0, at, 3);
}

ir_id ir_const(ir_graph *g, uint32_t dtype, double v) { return ir_full(g, dtype, 0, NULL, v); }

ir_id ir_array(ir_graph *g, uint32_t dtype, uint32_t rank, const int64_t *dims, const double *v) {
  int64_t n = 1;
  for (uint32_t k = 0; k < rank && k < GANTRY_MAX_RANK; k++) {
    if (dims[k] < 1 || dims[k] > (int64_t)(1 << 24) / n) return ir_fail(g, GANTRY_E_SHAPE, "const: an array of constants has 1 to 2^24 elements"), 0;
    n *= dims[k];
  }
  if (n == 1) return ir_full(g, dtype, rank, dims, *v);
  gantry_attr at[] = {{.key = GANTRY_A_VALUE, .n = (uint32_t)n, .v.fv = v}, ints(GANTRY_A_DIMS, rank, dims), integer(GANTRY_A_DTYPE, dtype)};
  return ir_op(g, GANTRY_OP_CONST, NULL, 0, at, 3);
}

ir_id ir_zeros_like(ir_graph *g, ir_id x) {
  if (!x || g->err.code) return 0;
  int64_t dims[GANTRY_MAX_RANK] = {0};
  uint32_t rank = ir_at(g, x)->rank;
  if (rank) memcpy(dims, ir_dims(g, x), sizeof(int64_t) * rank);
  return ir_full(g, ir_at(g, x)->dtype, rank, dims, 0);
}

/* NumPy's rule: trailing axes aligned, size 1 stretches. */
static gantry_status common_shape(ir_graph *g, uint32_t op, const ir_id *in, uint32_t n, uint32_t *rank, int64_t dims[GANTRY_MAX_RANK]) {
  ir_call c = {.g = g, .e = &g->err, .op = op};
  *rank = 0;
  for (uint32_t k = 0; k < n; k++)
    if (ir_at(g, in[k])->rank > *rank) *rank = ir_at(g, in[k])->rank;
  for (uint32_t a = 0; a < *rank; a++) dims[a] = 1;
  for (uint32_t k = 0; k < n; k++) {
    uint32_t r = ir_at(g, in[k])->rank, shift = *rank - r;
    for (uint32_t a = 0; a < r; a++) {
      int64_t d = ir_dims(g, in[k])[a], *to = &dims[a + shift];
      if (d == 1 || d == *to) continue;
      if (*to == 1) {
        *to = d;
        continue;
      }
      char left[200], right[200];
      uint32_t other = 0; /* the earlier operand that disagrees */
      for (uint32_t j = 0; j < k; j++) {
        uint32_t rj = ir_at(g, in[j])->rank, sj = *rank - rj;
        if (a + shift >= sj && ir_dims(g, in[j])[a + shift - sj] == *to) other = j;
      }
      return ir_bad(&c, GANTRY_E_SHAPE, "shapes %s and %s differ", ir_shape_text(ir_at(g, in[other])->rank, ir_dims(g, in[other]), left),
                    ir_shape_text(r, ir_dims(g, in[k]), right));
    }
  }
  return GANTRY_OK;
}

ir_id ir_broadcast_to(ir_graph *g, ir_id a, uint32_t rank, const int64_t *dims) {
  if (!a || g->err.code) return 0;
  const ir_node *n = ir_at(g, a);
  int64_t keep[GANTRY_MAX_RANK], axes[GANTRY_MAX_RANK], own[GANTRY_MAX_RANK] = {0};
  uint32_t kept = 0, r = n->rank;
  if (r > rank || rank > GANTRY_MAX_RANK) return ir_fail(g, GANTRY_E_SHAPE, "broadcast: %u axes do not stretch to %u", r, rank), 0;
  if (r) memcpy(own, ir_dims(g, a), sizeof(int64_t) * r);
  for (uint32_t k = 0; k < r; k++) {
    if (own[k] != dims[k + rank - r] && own[k] != 1) {
      char x[200], y[200];
      return ir_fail(g, GANTRY_E_SHAPE, "broadcast: %s does not stretch to %s", ir_shape_text(r, own, x), ir_shape_text(rank, dims, y)), 0;
    }
    if (own[k] == 1 && dims[k + rank - r] != 1) continue;
    axes[kept] = k + rank - r;
    keep[kept++] = own[k];
  }
  if (kept < r) a = ir_reshape(g, a, kept, keep);
  gantry_attr at[] = {ints(GANTRY_A_DIMS, rank, dims), ints(GANTRY_A_AXES, kept, axes)};
  return make(g, GANTRY_OP_BROADCAST, a, at, 2);
}

ir_id ir_map(ir_graph *g, uint32_t op, const ir_id *in, uint32_t n, const gantry_attr *at, uint32_t n_at) {
  ir_id own[3];
  uint32_t rank;
  int64_t dims[GANTRY_MAX_RANK];
  if (g->err.code) return 0;
  if (!ir_op_get(op) || ir_op_get(op)->cls != IR_MAP || n > 3 || (n && !in)) return ir_op(g, op, in, n, at, n_at);
  for (uint32_t k = 0; k < n; k++) {
    if (!in[k] || in[k] >= g->nodes.n) return ir_op(g, op, in, n, at, n_at);
    own[k] = in[k];
  }
  /* a constant takes the type of its partner, where that type can hold it */
  uint32_t first = op == GANTRY_OP_WHERE ? 1 : 0;
  if (n == first + 2 && ir_at(g, own[first])->dtype != ir_at(g, own[first + 1])->dtype)
    for (uint32_t k = first; k < first + 2; k++) {
      double v;
      uint32_t want = ir_at(g, own[2 * first + 1 - k])->dtype;
      if (!ir_fill_value(g, own[k], &v) || (!ir_is_float(want) && ir_round_to(want, v) != v)) continue;
      own[k] = ir_cast(g, own[k], want);
      break;
    }
  if (n > 1) {
    if (common_shape(g, op, own, n, &rank, dims)) return 0;
    for (uint32_t k = 0; k < n; k++) own[k] = ir_broadcast_to(g, own[k], rank, dims);
  }
  return ir_op(g, op, own, n, at, n_at);
}

ir_id ir_1(ir_graph *g, uint32_t op, ir_id a) { return ir_op(g, op, &a, 1, NULL, 0); }
ir_id ir_2(ir_graph *g, uint32_t op, ir_id a, ir_id b) { return ir_map(g, op, (ir_id[]){a, b}, 2, NULL, 0); }
ir_id ir_where(ir_graph *g, ir_id c, ir_id a, ir_id b) { return ir_map(g, GANTRY_OP_WHERE, (ir_id[]){c, a, b}, 3, NULL, 0); }

ir_id ir_cmp(ir_graph *g, uint32_t kind, ir_id a, ir_id b) {
  gantry_attr at = integer(GANTRY_A_KIND, kind);
  return ir_map(g, GANTRY_OP_CMP, (ir_id[]){a, b}, 2, &at, 1);
}

ir_id ir_pow(ir_graph *g, ir_id a, double exponent) {
  gantry_attr at = real(GANTRY_A_EXPONENT, exponent);
  return make(g, GANTRY_OP_POW, a, &at, 1);
}

ir_id ir_cast(ir_graph *g, ir_id a, uint32_t dtype) {
  gantry_attr at = integer(GANTRY_A_DTYPE, dtype);
  double v;
  /* bf16 constants are rounded by the constant itself */
  if (a && a < g->nodes.n && ir_fill_value(g, a, &v) && ir_is_float(dtype) && ir_is_float(ir_at(g, a)->dtype) && !g->err.code) {
    int64_t dims[GANTRY_MAX_RANK] = {0};
    uint32_t rank = ir_at(g, a)->rank;
    if (rank) memcpy(dims, ir_dims(g, a), sizeof(int64_t) * rank);
    return ir_full(g, dtype, rank, dims, v);
  }
  return make(g, GANTRY_OP_CAST, a, &at, 1);
}

ir_id ir_scale(ir_graph *g, ir_id a, double k) { return a && !g->err.code ? ir_mul(g, a, ir_const(g, ir_at(g, a)->dtype, k)) : 0; }

ir_id ir_reshape(ir_graph *g, ir_id a, uint32_t rank, const int64_t *dims) {
  gantry_attr at = ints(GANTRY_A_DIMS, rank, dims);
  return make(g, GANTRY_OP_RESHAPE, a, &at, 1);
}

ir_id ir_permute(ir_graph *g, ir_id a, const int64_t *perm) {
  if (!a || g->err.code) return 0;
  gantry_attr at = ints(GANTRY_A_PERM, ir_at(g, a)->rank, perm);
  return make(g, GANTRY_OP_PERMUTE, a, &at, 1);
}

ir_id ir_sum(ir_graph *g, ir_id a, const int64_t *axes, uint32_t n) {
  gantry_attr at = ints(GANTRY_A_AXES, n, axes);
  return make(g, GANTRY_OP_SUM, a, &at, 1);
}

ir_id ir_sum_all(ir_graph *g, ir_id a) {
  static const int64_t all[GANTRY_MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
  return a && !g->err.code ? ir_sum(g, a, all, ir_at(g, a)->rank) : 0;
}

ir_id ir_mean_all(ir_graph *g, ir_id a) { return a && !g->err.code ? ir_div(g, ir_sum_all(g, a), ir_const(g, ir_at(g, a)->dtype, (double)ir_count(g, a))) : 0; }

ir_id ir_matmul(ir_graph *g, ir_id a, ir_id b, int ta, int tb) {
  gantry_attr at[] = {integer(GANTRY_A_TA, ta), integer(GANTRY_A_TB, tb)};
  return ir_op(g, GANTRY_OP_MATMUL, (ir_id[]){a, b}, 2, at, 2);
}
