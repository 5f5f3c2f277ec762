/* vjp_map.c - derivatives of elementwise operations. In: a node and the cotangent c of its output; out: cotangents of its inputs. */
#include "ad/vjp.h"

static ir_id plus(ir_graph *g, ir_id x, double k) { return ir_add(g, x, ir_const(g, ir_at(g, x)->dtype, k)); }
static ir_id one_minus(ir_graph *g, ir_id x) { return ir_sub(g, ir_const(g, ir_at(g, x)->dtype, 1), x); }

/* One input: c times dy/dx, written with y where that is cheaper. */
static ir_id unary(ir_graph *g, ir_id y, ir_id x, ir_id c) {
  switch (ir_at(g, y)->op) {
    case GANTRY_OP_NEG: return ir_neg(g, c);
    case GANTRY_OP_ABS: return ir_mul(g, c, ir_1(g, GANTRY_OP_SIGN, x));
    case GANTRY_OP_EXP: return ir_mul(g, c, y);
    case GANTRY_OP_EXPM1: return ir_mul(g, c, plus(g, y, 1));
    case GANTRY_OP_LOG: return ir_div(g, c, x);
    case GANTRY_OP_LOG1P: return ir_div(g, c, plus(g, x, 1));
    case GANTRY_OP_SQRT: return ir_div(g, c, ir_scale(g, y, 2));
    case GANTRY_OP_RSQRT: return ir_mul(g, c, ir_scale(g, ir_mul(g, y, ir_mul(g, y, y)), -0.5));
    case GANTRY_OP_SIN: return ir_mul(g, c, ir_1(g, GANTRY_OP_COS, x));
    case GANTRY_OP_COS: return ir_neg(g, ir_mul(g, c, ir_1(g, GANTRY_OP_SIN, x)));
    case GANTRY_OP_TANH: return ir_mul(g, c, one_minus(g, ir_mul(g, y, y)));
    case GANTRY_OP_SIGMOID: return ir_mul(g, c, ir_mul(g, y, one_minus(g, y)));
    case GANTRY_OP_ERF: return ir_mul(g, c, ir_scale(g, ir_1(g, GANTRY_OP_EXP, ir_neg(g, ir_mul(g, x, x))), 1.1283791670955126)); /* 2 / sqrt(pi) */
    case GANTRY_OP_CAST: return ir_is_float(ir_at(g, x)->dtype) ? ir_cast(g, c, ir_at(g, x)->dtype) : 0;
    case GANTRY_OP_POW: {
      double k = ir_attr_f(g, y, GANTRY_A_EXPONENT, 0, 1);
      return k == 0 ? 0 : ir_mul(g, c, ir_scale(g, ir_pow(g, x, k - 1), k));
    }
  }
  return 0;
}

/* Half where the operands tie, all where this one was chosen, none elsewhere. */
static ir_id chosen(ir_graph *g, uint32_t kind, ir_id a, ir_id b, ir_id c) {
  ir_id zero = ir_const(g, ir_at(g, c)->dtype, 0);
  return ir_where(g, ir_cmp(g, GANTRY_CMP_EQ, a, b), ir_scale(g, c, 0.5), ir_where(g, ir_cmp(g, kind, a, b), c, zero));
}

static ir_id left(ir_graph *g, ir_id y, ir_id a, ir_id b, ir_id c) {
  switch (ir_at(g, y)->op) {
    case GANTRY_OP_ADD: case GANTRY_OP_SUB: return c;
    case GANTRY_OP_MUL: return ir_mul(g, c, b);
    case GANTRY_OP_DIV: return ir_div(g, c, b);
    case GANTRY_OP_MAX: return chosen(g, GANTRY_CMP_GT, a, b, c);
    case GANTRY_OP_MIN: return chosen(g, GANTRY_CMP_LT, a, b, c);
    case GANTRY_OP_ATAN2: return ir_div(g, ir_mul(g, c, b), ir_add(g, ir_mul(g, a, a), ir_mul(g, b, b)));
  }
  return 0;
}

static ir_id right(ir_graph *g, ir_id y, ir_id a, ir_id b, ir_id c) {
  switch (ir_at(g, y)->op) {
    case GANTRY_OP_ADD: return c;
    case GANTRY_OP_SUB: return ir_neg(g, c);
    case GANTRY_OP_MUL: return ir_mul(g, c, a);
    case GANTRY_OP_DIV: return ir_neg(g, ir_mul(g, ir_div(g, c, b), y));
    case GANTRY_OP_MAX: return chosen(g, GANTRY_CMP_GT, b, a, c);
    case GANTRY_OP_MIN: return chosen(g, GANTRY_CMP_LT, b, a, c);
    case GANTRY_OP_ATAN2: return ir_neg(g, ir_div(g, ir_mul(g, c, a), ir_add(g, ir_mul(g, a, a), ir_mul(g, b, b))));
  }
  return 0;
}

void vjp_map(ir_graph *g, ir_id y, ir_id c, const uint8_t *need, ir_id *d_in) {
  uint32_t n = ir_at(g, y)->n_in;
  ir_id a = ir_in(g, y, 0), b = n > 1 ? ir_in(g, y, 1) : 0;
  if (n == 1) d_in[0] = unary(g, y, a, c);
  else if (n == 2) {
    if (need[0]) d_in[0] = left(g, y, a, b, c);
    if (need[1]) d_in[1] = right(g, y, a, b, c);
  } else { /* WHERE */
    ir_id zero = ir_const(g, ir_at(g, c)->dtype, 0);
    if (need[1]) d_in[1] = ir_where(g, a, c, zero);
    if (need[2]) d_in[2] = ir_where(g, a, zero, c);
  }
}
