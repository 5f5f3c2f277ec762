/* rules_math.c - rewrites of elementwise operations and of constants. All keep every bit, NaN included (the sign of a NaN is no value);
 * the one exception says so. */
#include <math.h>
#include <stdlib.h>

#include "opt/rules.h"

ir_id rule_stop_grad(ir_graph *g, ir_id id) { return ir_in(g, id, 0); } /* gradients are taken before: now it is the identity */

ir_id rule_where_not(ir_graph *g, ir_id id) {
  ir_id c = ir_in(g, id, 0);
  return opt_is(g, c, GANTRY_OP_NOT) ? ir_where(g, ir_in(g, c, 0), ir_in(g, id, 2), ir_in(g, id, 1)) : 0;
}

/* Inside a branch the same condition is known. */
ir_id rule_where_where(ir_graph *g, ir_id id) {
  ir_id c = ir_in(g, id, 0), a = ir_in(g, id, 1), b = ir_in(g, id, 2);
  int known_a = opt_is(g, a, GANTRY_OP_WHERE) && ir_in(g, a, 0) == c, known_b = opt_is(g, b, GANTRY_OP_WHERE) && ir_in(g, b, 0) == c;
  return known_a || known_b ? ir_where(g, c, known_a ? ir_in(g, a, 1) : a, known_b ? ir_in(g, b, 2) : b) : 0;
}

/* Does type b hold every value of type a? */
static int widens(uint32_t a, uint32_t b) {
  static const struct { uint8_t from, to; } pairs[] = {
    {GANTRY_F32, GANTRY_F64}, {GANTRY_BF16, GANTRY_F32}, {GANTRY_BF16, GANTRY_F64}, {GANTRY_I32, GANTRY_I64}, {GANTRY_U32, GANTRY_I64}, {GANTRY_U8, GANTRY_I32}, {GANTRY_U8, GANTRY_I64},
    {GANTRY_U8, GANTRY_U32}, {GANTRY_U8, GANTRY_F32}, {GANTRY_U8, GANTRY_F64}, {GANTRY_U8, GANTRY_BF16}, {GANTRY_I32, GANTRY_F64}, {GANTRY_U32, GANTRY_F64}};
  if (a == GANTRY_BOOL) return 1;
  for (size_t k = 0; k < sizeof pairs / sizeof *pairs; k++)
    if (pairs[k].from == a && pairs[k].to == b) return 1;
  return 0;
}

/* Through a wider type and on. From an integer through a float to another integer it would saturate where it now wraps: left alone. */
ir_id rule_cast_cast(ir_graph *g, ir_id id) {
  ir_id inner = ir_in(g, id, 0);
  if (!opt_is(g, inner, GANTRY_OP_CAST)) return 0;
  uint32_t a = ir_at(g, ir_in(g, inner, 0))->dtype, b = ir_at(g, inner)->dtype, c = ir_at(g, id)->dtype;
  if (!widens(a, b) || (a != GANTRY_BOOL && !ir_is_float(a) && ir_is_float(b) && !ir_is_float(c) && c != a)) return 0;
  return ir_cast(g, ir_in(g, inner, 0), c);
}

static int power_of_two(double v) {
  int exponent;
  return isfinite(v) && v != 0 && fabs(frexp(v, &exponent)) == 0.5;
}

/* x * c1 * c2 where both are powers of two of at least 1: no rounding, and overflow comes to the same. Integers always: they wrap. */
ir_id rule_mul_mul(ir_graph *g, ir_id id) {
  for (uint32_t k = 0; k < 2; k++) {
    ir_id inner = ir_in(g, id, 1 - k);
    double outer_c, inner_c;
    if (!opt_const(g, ir_in(g, id, k), &outer_c) || !opt_is(g, inner, GANTRY_OP_MUL)) continue;
    for (uint32_t j = 0; j < 2; j++) {
      if (!opt_const(g, ir_in(g, inner, j), &inner_c)) continue;
      int real = ir_is_float(ir_at(g, id)->dtype);
      if (real && !(power_of_two(outer_c) && power_of_two(inner_c) && fabs(outer_c) >= 1 && fabs(inner_c) >= 1)) continue;
      ir_id x = ir_in(g, inner, 1 - j), c = ir_mul(g, ir_in(g, inner, j), ir_in(g, id, k));
      double both;
      if (c && opt_const(g, c, &both) && isfinite(both)) return ir_mul(g, x, c);
    }
  }
  return 0;
}

/* (-x) * c = x * (-c), (-x) * (-y) = x * y */
ir_id rule_mul_neg(ir_graph *g, ir_id id) {
  ir_id a = ir_in(g, id, 0), b = ir_in(g, id, 1);
  double c;
  if (opt_is(g, a, GANTRY_OP_NEG) && opt_is(g, b, GANTRY_OP_NEG)) return ir_mul(g, ir_in(g, a, 0), ir_in(g, b, 0));
  if (opt_is(g, a, GANTRY_OP_NEG) && opt_const(g, b, &c) && ir_is_float(ir_at(g, b)->dtype)) return ir_mul(g, ir_in(g, a, 0), ir_neg(g, b));
  if (opt_is(g, b, GANTRY_OP_NEG) && opt_const(g, a, &c) && ir_is_float(ir_at(g, a)->dtype)) return ir_mul(g, ir_neg(g, a), ir_in(g, b, 0));
  return 0;
}

/* x / 2^n = x * 2^-n, while 2^-n is a normal number of the type. */
ir_id rule_div_power_of_two(ir_graph *g, ir_id id) {
  double c;
  uint32_t t = ir_at(g, id)->dtype;
  if (t != GANTRY_F32 && t != GANTRY_F64) return 0;
  if (!opt_const(g, ir_in(g, id, 1), &c) || !power_of_two(c)) return 0;
  double smallest = t == GANTRY_F32 ? 0x1p-126 : 0x1p-1022, largest = t == GANTRY_F32 ? 0x1p127 : 0x1p1023;
  if (fabs(1 / c) < smallest || fabs(1 / c) > largest) return 0;
  return ir_scale(g, ir_in(g, id, 0), 1 / c);
}

ir_id rule_add_neg(ir_graph *g, ir_id id) {
  ir_id a = ir_in(g, id, 0), b = ir_in(g, id, 1);
  if (opt_is(g, b, GANTRY_OP_NEG)) return ir_sub(g, a, ir_in(g, b, 0));
  return opt_is(g, a, GANTRY_OP_NEG) ? ir_sub(g, b, ir_in(g, a, 0)) : 0;
}

ir_id rule_sub_neg(ir_graph *g, ir_id id) {
  ir_id b = ir_in(g, id, 1);
  return opt_is(g, b, GANTRY_OP_NEG) ? ir_add(g, ir_in(g, id, 0), ir_in(g, b, 0)) : 0;
}

static int is_zero(const ir_graph *g, ir_id id) {
  double v;
  return opt_const(g, id, &v) && v == 0;
}

/* k * (c ? 0 : x) = c ? 0 : k x, for a finite constant k: what the derivative of a leaky rectifier looks like. */
ir_id rule_mul_where(ir_graph *g, ir_id id) {
  for (uint32_t j = 0; j < 2; j++) {
    ir_id k = ir_in(g, id, j), w = ir_in(g, id, 1 - j);
    double v;
    if (!opt_const(g, k, &v) || !isfinite(v) || !opt_is(g, w, GANTRY_OP_WHERE)) continue;
    ir_id c = ir_in(g, w, 0), a = ir_in(g, w, 1), b = ir_in(g, w, 2);
    if (!is_zero(g, a) && !is_zero(g, b)) continue;
    a = ir_mul(g, a, k); /* one of the two folds to a zero */
    return ir_where(g, c, a, ir_mul(g, b, k));
  }
  return 0;
}

/* (c ? x : 0) + (c ? 0 : y) = c ? x : y. The one rule here that is not bit for bit: -0 + 0 is 0, now it stays -0. */
ir_id rule_add_wheres(ir_graph *g, ir_id id) {
  for (uint32_t j = 0; j < 2; j++) {
    ir_id p = ir_in(g, id, j), q = ir_in(g, id, 1 - j);
    if (!opt_is(g, p, GANTRY_OP_WHERE) || !opt_is(g, q, GANTRY_OP_WHERE) || ir_in(g, p, 0) != ir_in(g, q, 0)) continue;
    if (is_zero(g, ir_in(g, p, 2)) && is_zero(g, ir_in(g, q, 1))) return ir_where(g, ir_in(g, p, 0), ir_in(g, p, 1), ir_in(g, q, 2));
  }
  return 0;
}

/* Operations whose value on constants is the same bits on every backend. */
static int certain(uint32_t op) {
  const ir_op_info *info = ir_op_get(op);
  if (info->cls == IR_MOVE) return 1;
  switch (op) {
    case GANTRY_OP_NEG: case GANTRY_OP_ABS: case GANTRY_OP_SIGN: case GANTRY_OP_SQRT: case GANTRY_OP_FLOOR: case GANTRY_OP_NOT: case GANTRY_OP_ADD: case GANTRY_OP_SUB:
    case GANTRY_OP_MUL: case GANTRY_OP_DIV: case GANTRY_OP_MOD: case GANTRY_OP_MAX: case GANTRY_OP_MIN: case GANTRY_OP_CMP: case GANTRY_OP_AND: case GANTRY_OP_OR:
    case GANTRY_OP_XOR: case GANTRY_OP_WHERE: case GANTRY_OP_GATHER: case GANTRY_OP_RMAX: return 1;
  }
  return 0;
}

/* Small arrays of constants are computed now, in a graph of their own. */
ir_id rule_fold(ir_graph *g, ir_id id) {
  enum { MOST = 256 };
  const ir_node *n = ir_at(g, id);
  uint32_t op = n->op, dtype = n->dtype, rank;
  int64_t count = ir_count(g, id), dims[GANTRY_MAX_RANK];
  if (!n->n_in || n->n_in > 8 || count > MOST || !certain(op) || dtype == GANTRY_BF16) return 0;
  for (uint32_t k = 0; k < n->n_in; k++) {
    const ir_node *in = ir_at(g, ir_in(g, id, k));
    if (in->op != GANTRY_OP_CONST || in->dtype == GANTRY_BF16 || in->dtype == GANTRY_I64 || ir_count(g, ir_in(g, id, k)) > 16 * MOST) return 0;
  }
  ir_graph *own = ir_new();
  arena *a = arena_new();
  ir_id in[8], made = 0;
  const gantry_attr *at;
  double *v = NULL;
  err e = {0};
  for (uint32_t k = 0; k < n->n_in; k++) {
    uint32_t n_at = ir_attrs_abi(g, ir_in(g, id, k), a, &at);
    in[k] = ir_op(own, GANTRY_OP_CONST, NULL, 0, at, n_at);
  }
  uint32_t n_at = ir_attrs_abi(g, id, a, &at);
  ir_id node = ir_op(own, op, in, n->n_in, at, n_at);
  if (node && !ir_eval(own, &node, 1, NULL, NULL, &v, &e)) {
    rank = opt_shape(g, id, dims);
    /* one operation in f64, rounded once by the constant, is the f32 operation */
    made = ir_array(g, dtype, rank, dims, v);
  }
  free(v);
  arena_free(a);
  ir_free(own);
  return made;
}
