/* ref_map.c - one element of every elementwise operation, in f64 with libm: what the op table's one-line documentation means.
 *
 * In go up to three numbers and the element types, out comes the result. Floats are not rounded; integers are computed in 64 bits and
 * wrapped to their width; float to integer truncates and saturates, NaN gives 0. Used by the interpreter and by constant folding. */
#include <math.h>

#include "ir/ref.h"

static int64_t to_int(double v) { return v >= 9223372036854775808.0 ? INT64_MAX : v < -9223372036854775808.0 ? INT64_MIN : isnan(v) ? 0 : (int64_t)v; }

static double wrap(uint32_t dtype, uint64_t v) {
  switch (dtype) {
    case GANTRY_I32: return (double)(int32_t)(uint32_t)v;
    case GANTRY_U32: return (double)(uint32_t)v;
    case GANTRY_U8: return (double)(uint8_t)v;
    case GANTRY_BOOL: return v != 0;
  }
  return (double)(int64_t)v;
}

static double bitcast(uint32_t from, uint32_t to, double v) {
  if (from == GANTRY_F64) {
    int64_t bits;
    memcpy(&bits, &v, 8);
    return (double)bits;
  }
  if (to == GANTRY_F64) {
    int64_t bits = to_int(v);
    memcpy(&v, &bits, 8);
    return v;
  }
  uint32_t bits;
  float f = (float)v;
  if (from == GANTRY_F32) memcpy(&bits, &f, 4);
  else bits = (uint32_t)(uint64_t)to_int(v);
  if (to != GANTRY_F32) return wrap(to, bits);
  memcpy(&f, &bits, 4);
  return f;
}

static uint64_t integer(uint32_t op, uint32_t dtype, int64_t a, int64_t b) {
  uint64_t x = (uint64_t)a, y = (uint64_t)b;
  uint32_t width = (uint32_t)ir_dtype_size(dtype) * 8;
  switch (op) {
    case GANTRY_OP_NEG: return 0 - x;
    case GANTRY_OP_ABS: return a < 0 ? 0 - x : x;
    case GANTRY_OP_SIGN: return a > 0 ? 1 : a < 0 ? (uint64_t)-1 : 0;
    case GANTRY_OP_NOT: return dtype == GANTRY_BOOL ? !x : ~x;
    case GANTRY_OP_ADD: return x + y;
    case GANTRY_OP_SUB: return x - y;
    case GANTRY_OP_MUL: return x * y;
    case GANTRY_OP_DIV: return !b ? 0 : b == -1 ? 0 - x : (uint64_t)(a / b);
    case GANTRY_OP_MOD: return !b || b == -1 ? 0 : (uint64_t)(a % b);
    case GANTRY_OP_MAX: return a > b ? x : y;
    case GANTRY_OP_MIN: return a < b ? x : y;
    case GANTRY_OP_AND: return x & y;
    case GANTRY_OP_OR: return x | y;
    case GANTRY_OP_XOR: return x ^ y;
    case GANTRY_OP_SHL: return y < width ? x << y : 0;
    case GANTRY_OP_SHR: return y < width ? (uint64_t)(a >> y) : a < 0 ? ~(uint64_t)0 : 0; /* a is sign-extended for i32 and i64 only */
  }
  return 0;
}

static double compare(uint32_t kind, double a, double b) {
  switch (kind) {
    case GANTRY_CMP_EQ: return a == b;
    case GANTRY_CMP_NE: return a != b;
    case GANTRY_CMP_LT: return a < b;
    case GANTRY_CMP_LE: return a <= b;
    case GANTRY_CMP_GT: return a > b;
    default: return a >= b;
  }
}

double ir_scalar(uint32_t op, uint32_t in, uint32_t out, double param, double a, double b, double c) {
  switch (op) {
    case GANTRY_OP_BITCAST: return bitcast(in, out, a);
    case GANTRY_OP_CAST:
      if (out == GANTRY_BOOL) return a != 0;
      if (ir_is_float(out)) return a;
      return ir_is_float(in) ? ir_round_to(out, a) : wrap(out, (uint64_t)to_int(a));
    case GANTRY_OP_CMP: return compare((uint32_t)param, a, b);
    case GANTRY_OP_WHERE: return a != 0 ? b : c;
  }
  if (!ir_is_float(in)) return wrap(in, integer(op, in, to_int(a), to_int(b)));
  switch (op) {
    case GANTRY_OP_NEG: return -a;
    case GANTRY_OP_ABS: return fabs(a);
    case GANTRY_OP_SIGN: return isnan(a) ? a : a > 0 ? 1 : a < 0 ? -1 : 0;
    case GANTRY_OP_EXP: return exp(a);
    case GANTRY_OP_EXPM1: return expm1(a);
    case GANTRY_OP_LOG: return log(a);
    case GANTRY_OP_LOG1P: return log1p(a);
    case GANTRY_OP_SQRT: return sqrt(a);
    case GANTRY_OP_RSQRT: return 1 / sqrt(a);
    case GANTRY_OP_SIN: return sin(a);
    case GANTRY_OP_COS: return cos(a);
    case GANTRY_OP_TANH: return tanh(a);
    case GANTRY_OP_SIGMOID: return 1 / (1 + exp(-a));
    case GANTRY_OP_ERF: return erf(a);
    case GANTRY_OP_FLOOR: return floor(a);
    case GANTRY_OP_ROUND: return nearbyint(a);
    case GANTRY_OP_POW: return pow(a, param);
    case GANTRY_OP_ADD: return a + b;
    case GANTRY_OP_SUB: return a - b;
    case GANTRY_OP_MUL: return a * b;
    case GANTRY_OP_DIV: return a / b;
    case GANTRY_OP_MAX: return isnan(a) ? a : isnan(b) ? b : a > b ? a : b;
    case GANTRY_OP_MIN: return isnan(a) ? a : isnan(b) ? b : a < b ? a : b;
    case GANTRY_OP_ATAN2: return atan2(a, b);
  }
  return NAN;
}

void ref_map(const ref_job *j) {
  uint32_t in = ir_at(j->g, ir_in(j->g, j->id, j->n->op == GANTRY_OP_WHERE ? 1 : 0))->dtype;
  double param = j->n->op == GANTRY_OP_CMP ? (double)ir_attr_i(j->g, j->id, GANTRY_A_KIND, 0) : ir_attr_f(j->g, j->id, GANTRY_A_EXPONENT, 0, 0);
  for (int64_t k = 0; k < j->count; k++)
    j->out[k] = ir_scalar(j->n->op, in, j->n->dtype, param, j->in[0][k], j->n->n_in > 1 ? j->in[1][k] : 0, j->n->n_in > 2 ? j->in[2][k] : 0);
}
