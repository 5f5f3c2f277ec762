/* fold.c - elementwise operations on constants, computed now: in go constants of one number each, out comes one constant.
 *
 * Only where the result's bits are certain on every backend: IEEE arithmetic with one rounding, comparisons, integer operations.
 * exp and its like are left to the program, whose expansions are another header's business. bf16 is left alone too. */
#include <math.h>

#include "ir/build.h"
#include "ir/infer.h"

static double round_bf16(double v) {
  float f = (float)v;
  uint32_t bits;
  if (isnan(v)) return v;
  memcpy(&bits, &f, 4);
  bits += 0x7fffu + (bits >> 16 & 1); /* to nearest, ties to even */
  bits &= 0xffff0000u;
  memcpy(&f, &bits, 4);
  return f;
}

static double saturate(double v, double lo, double hi) {
  if (isnan(v)) return 0;
  v = trunc(v);
  return v < lo ? lo : v > hi ? hi : v == 0 ? 0 : v;
}

double ir_round_to(uint32_t dtype, double v) {
  switch (dtype) {
    case GANTRY_F32: return (double)(float)v;
    case GANTRY_BF16: return round_bf16(v);
    case GANTRY_I32: return saturate(v, -2147483648.0, 2147483647.0);
    case GANTRY_I64: return saturate(v, -9223372036854775808.0, 9223372036854774784.0); /* the largest double below 2^63 */
    case GANTRY_U32: return saturate(v, 0, 4294967295.0);
    case GANTRY_U8: return saturate(v, 0, 255);
    case GANTRY_BOOL: return v != 0;
  }
  return v;
}

static int certain(uint32_t op) {
  switch (op) {
    case GANTRY_OP_NEG: case GANTRY_OP_ABS: case GANTRY_OP_SIGN: case GANTRY_OP_SQRT: case GANTRY_OP_FLOOR: case GANTRY_OP_NOT: case GANTRY_OP_CAST:
    case GANTRY_OP_ADD: case GANTRY_OP_SUB: case GANTRY_OP_MUL: case GANTRY_OP_DIV: case GANTRY_OP_MOD: case GANTRY_OP_MAX: case GANTRY_OP_MIN:
    case GANTRY_OP_CMP: case GANTRY_OP_AND: case GANTRY_OP_OR: case GANTRY_OP_XOR: case GANTRY_OP_SHL: case GANTRY_OP_SHR: return 1;
  }
  return 0;
}

ir_id ir_fold(ir_graph *g, ir_call *c) {
  double v[2] = {0, 0}, param = 0;
  if (!certain(c->op)) return 0;
  for (uint32_t k = 0; k < c->n_in; k++) {
    if (!ir_fill_value(g, c->in[k], &v[k]) || ir_call_node(c, k)->dtype == GANTRY_BF16) return 0;
    /* an i64 beyond 2^53 is not exact as a double */
    if (ir_call_node(c, k)->dtype == GANTRY_I64 && fabs(v[k]) > 4503599627370496.0) return 0;
  }
  if (c->op == GANTRY_OP_CMP) param = (double)ir_arg_find(c, GANTRY_A_KIND)->iv[0];
  if (c->op == GANTRY_OP_CAST && !ir_is_float(c->dtype) && ir_is_float(ir_call_node(c, 0)->dtype) && c->dtype != GANTRY_BOOL && ir_round_to(c->dtype, v[0]) != trunc(v[0])) return 0;
  double r = ir_scalar(c->op, ir_call_node(c, 0)->dtype, c->dtype, param, v[0], v[1], 0);
  /* One operation in f64 rounded to f32 is the f32 operation: 53 >= 2 * 24 + 2 bits. */
  if (c->dtype == GANTRY_F32 || c->dtype == GANTRY_BF16) r = ir_round_to(c->dtype, r);
  if (c->dtype == GANTRY_I64 && fabs(r) > 4503599627370496.0) return 0;
  return ir_refill(g, c, r);
}
