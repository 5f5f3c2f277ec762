/* normal.c - what an operation trivially equals, decided when it is inserted: x * 1, double negation, reshapes of reshapes.
 *
 * Only rules that keep every bit, NaN and -0 included, and that look at most one operation down. Everything larger belongs to opt/. */
#include <math.h>

#include "ir/build.h"
#include "ir/infer.h"

int ir_fill_value(const ir_graph *g, ir_id id, double *v) {
  uint32_t n;
  if (ir_at(g, id)->op != GANTRY_OP_CONST) return 0;
  const int64_t *bits = ir_attr_iv(g, id, GANTRY_A_VALUE, &n);
  if (n != 1) return 0;
  memcpy(v, bits, sizeof *v);
  return 1;
}

ir_id ir_refill(ir_graph *g, const ir_call *c, double v) { return ir_full(g, c->dtype, c->rank, c->dims, v); }

static int is_value(const ir_graph *g, ir_id id, double want) {
  double v;
  return ir_fill_value(g, id, &v) && v == want && signbit(v) == signbit(want);
}

static int same_shape(const ir_call *c, ir_id id) {
  const ir_node *n = ir_at(c->g, id);
  return n->rank == c->rank && (!n->rank || !memcmp(ir_dims(c->g, id), c->dims, sizeof(int64_t) * n->rank));
}

static const int64_t *values(ir_call *c, uint32_t key) { return ir_arg_find(c, key)->iv; }

static ir_id normal_move(ir_graph *g, ir_call *c, ir_id x) {
  const ir_node *n = ir_at(g, x);
  double v;
  uint32_t count;
  if (c->op != GANTRY_OP_PAD && c->op != GANTRY_OP_CONCAT && ir_fill_value(g, x, &v)) return ir_refill(g, c, v);
  switch (c->op) {
    case GANTRY_OP_RESHAPE:
      if (same_shape(c, x)) return x;
      if (n->op == GANTRY_OP_RESHAPE) return ir_reshape(g, ir_in(g, x, 0), c->rank, c->dims);
      break;
    case GANTRY_OP_PERMUTE: {
      const int64_t *perm = values(c, GANTRY_A_PERM);
      int identity = 1;
      for (uint32_t k = 0; k < c->rank; k++) identity = identity && perm[k] == k;
      if (identity) return x;
      if (n->op != GANTRY_OP_PERMUTE) break;
      const int64_t *inner = ir_attr_iv(g, x, GANTRY_A_PERM, &count);
      int64_t both[GANTRY_MAX_RANK] = {0};
      for (uint32_t k = 0; k < c->rank; k++) both[k] = inner[perm[k]];
      return ir_permute(g, ir_in(g, x, 0), both);
    }
    case GANTRY_OP_REVERSE: {
      const ir_arg *axes = ir_arg_find(c, GANTRY_A_AXES);
      int trivial = 1;
      for (uint32_t k = 0; k < axes->n; k++) trivial = trivial && c->dims[axes->iv[k]] == 1;
      if (trivial) return x;
      if (n->op != GANTRY_OP_REVERSE) break;
      const int64_t *inner = ir_attr_iv(g, x, GANTRY_A_AXES, &count);
      if (count == axes->n && !memcmp(inner, axes->iv, sizeof(int64_t) * count)) return ir_in(g, x, 0);
      break;
    }
    case GANTRY_OP_BROADCAST: case GANTRY_OP_SLICE: case GANTRY_OP_PAD: /* equal shapes leave nothing to do */
      if (same_shape(c, x)) return x;
      break;
    case GANTRY_OP_CONCAT:
      if (c->n_in == 1) return x;
  }
  return 0;
}

static ir_id normal_map(ir_graph *g, ir_call *c, ir_id x) {
  const ir_node *n = ir_at(g, x);
  ir_id y = c->n_in > 1 ? c->in[1] : 0;
  double v;
  int real = ir_is_float(n->dtype);
  switch (c->op) {
    case GANTRY_OP_NEG: case GANTRY_OP_NOT:
      if (n->op == c->op) return ir_in(g, x, 0);
      break;
    case GANTRY_OP_ABS:
      if (n->op == c->op) return x;
      break;
    case GANTRY_OP_CAST: case GANTRY_OP_BITCAST:
      if (n->dtype == c->dtype) return x;
      break;
    case GANTRY_OP_POW: {
      double exponent;
      memcpy(&exponent, values(c, GANTRY_A_EXPONENT), sizeof exponent);
      if (exponent == 1) return x;
      if (exponent == 2) return ir_mul(g, x, x);
      break;
    }
    case GANTRY_OP_ADD: /* x + 0 is not x where x is -0; x + (-0) is */
      if (is_value(g, y, real ? -0.0 : 0)) return x;
      if (is_value(g, x, real ? -0.0 : 0)) return y;
      break;
    case GANTRY_OP_SUB:
      if (is_value(g, y, 0)) return x;
      break;
    case GANTRY_OP_MUL:
      if (is_value(g, y, 1)) return x;
      if (is_value(g, x, 1)) return y;
      break;
    case GANTRY_OP_DIV:
      if (is_value(g, y, 1)) return x;
      break;
    case GANTRY_OP_SHL: case GANTRY_OP_SHR:
      if (is_value(g, y, 0)) return x;
      break;
    case GANTRY_OP_MAX: case GANTRY_OP_MIN: case GANTRY_OP_AND: case GANTRY_OP_OR:
      if (x == y) return x;
      break;
    case GANTRY_OP_WHERE:
      if (y == c->in[2]) return y;
      if (ir_fill_value(g, x, &v)) return v != 0 ? y : c->in[2];
      break;
  }
  return 0;
}

static ir_id normal_reduce(ir_graph *g, ir_call *c, ir_id x) {
  if (!ir_arg_find(c, GANTRY_A_AXES)->n) return c->op == GANTRY_OP_VAR ? ir_sub(g, x, x) : x; /* x - x: 0, or NaN where x is not finite */
  double v;
  if (c->op == GANTRY_OP_SUM && is_value(g, x, 0)) return ir_refill(g, c, 0);
  if (c->op == GANTRY_OP_RMAX && ir_fill_value(g, x, &v)) return ir_refill(g, c, v);
  return 0;
}

/* Commutative operations name the operand with the smaller hash first: a * b and b * a are one node, in whatever order they were
 * built. MAX and MIN are not among them, they tell -0 from +0. */
static void sort_operands(ir_graph *g, ir_call *c, ir_id pair[2]) {
  switch (c->op) {
    case GANTRY_OP_ADD: case GANTRY_OP_MUL: case GANTRY_OP_AND: case GANTRY_OP_OR: case GANTRY_OP_XOR: break;
    default: return;
  }
  if (ir_at(g, c->in[0])->hash <= ir_at(g, c->in[1])->hash) return;
  pair[0] = c->in[1];
  pair[1] = c->in[0];
  c->in = pair;
}

ir_id ir_normal(ir_graph *g, ir_call *c) {
  ir_id pair[2], id = 0;
  if (!c->n_in) return 0;
  ir_id x = c->in[0];
  switch (ir_op_get(c->op)->cls) {
    case IR_MOVE: return normal_move(g, c, x);
    case IR_REDUCE: return normal_reduce(g, c, x);
    case IR_CONTROL: return ir_at(g, x)->op == c->op || ir_at(g, x)->op == GANTRY_OP_CONST ? x : 0;
    case IR_MAP:
      id = normal_map(g, c, x);
      if (!id && !c->e->code) id = ir_fold(g, c);
      if (id || c->e->code) return id;
      sort_operands(g, c, pair);
      return ir_insert(g, c); /* here, while the swapped pair lives */
  }
  return 0;
}
