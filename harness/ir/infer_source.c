/* infer_source.c - types and shapes of what has no tensor inputs (constants, indices, random bits) and of the identity operations. */
#include <math.h>

#include "ir/infer.h"

static gantry_status arg_dtype(ir_call *c, int64_t absent, uint32_t *out) {
  int64_t d;
  TRY(ir_arg_int(c, GANTRY_A_DTYPE, absent, GANTRY_F32, GANTRY_BOOL, &d));
  *out = (uint32_t)d;
  return GANTRY_OK;
}

/* Integers that the type cannot hold are refused; numbers are rounded to the type, so that equal constants are equal nodes. */
static gantry_status canonical(ir_call *c, uint32_t dtype, double *v) {
  if (!ir_is_float(dtype) && ir_round_to(dtype, *v) != *v) return ir_bad(c, GANTRY_E_DTYPE, "%g is not a value of %s", *v, ir_dtype_name(dtype));
  *v = isnan(*v) ? (double)NAN : ir_round_to(dtype, *v);
  return GANTRY_OK;
}

static gantry_status infer_const(ir_call *c) {
  uint32_t dtype, rank = 0;
  int64_t *dims = NULL, count = 1;
  double v;
  TRY(arg_dtype(c, GANTRY_F32, &dtype));
  if (!ir_arg_find(c, GANTRY_A_DIMS)) ir_arg_new(c, GANTRY_A_DIMS, 0);
  TRY(ir_arg_dims(c, &dims, &rank));
  ir_arg *a = ir_arg_find(c, GANTRY_A_VALUE);
  if (!a) return ir_bad(c, GANTRY_E_INVALID, "attribute VALUE is missing");
  a->used = 1;
  for (uint32_t k = 0; k < rank; k++) count *= dims[k];
  if (a->n != 1 && (int64_t)a->n != count) return ir_bad(c, GANTRY_E_SHAPE, "%u values for %lld elements", a->n, (long long)count);
  int equal = 1;
  if (a->n == 1) memcpy(&v, a->iv, sizeof v);
  for (uint32_t k = 0; k < a->n; k++) {
    double *at = a->n == 1 ? &v : &a->fv[k];
    TRY(canonical(c, dtype, at));
    equal = equal && !memcmp(at, a->n == 1 ? &v : a->fv, sizeof v);
  }
  if (equal) { /* one number fills the shape: one form for one value */
    memcpy(a->iv, a->n == 1 ? &v : a->fv, sizeof v);
    a->n = 1;
  }
  ir_result(c, dtype, rank, dims);
  return GANTRY_OK;
}

static gantry_status infer_iota(ir_call *c) {
  uint32_t dtype, rank;
  int64_t *dims, axis;
  TRY(arg_dtype(c, IR_NEEDED, &dtype));
  TRY(ir_arg_dims(c, &dims, &rank));
  if (!rank) return ir_bad(c, GANTRY_E_SHAPE, "a scalar has no axis to count along");
  TRY(ir_arg_int(c, GANTRY_A_AXIS, IR_NEEDED, 0, (int64_t)rank - 1, &axis));
  if (dtype == GANTRY_BOOL) return ir_bad(c, GANTRY_E_DTYPE, "bool cannot count");
  int64_t most = dtype == GANTRY_U8 || dtype == GANTRY_BF16 ? 256 : dtype == GANTRY_F32 ? (int64_t)1 << 24 : dtype == GANTRY_I32 || dtype == GANTRY_U32 ? INT32_MAX : IR_MAX_ELEMENTS;
  if (dims[axis] > most) return ir_bad(c, GANTRY_E_DTYPE, "%s cannot count to %lld", ir_dtype_name(dtype), (long long)dims[axis]);
  ir_result(c, dtype, rank, dims);
  return GANTRY_OK;
}

static gantry_status infer_random(ir_call *c) {
  uint32_t rank;
  int64_t *dims, stream;
  char text[200];
  if (ir_call_node(c, 0)->dtype != GANTRY_U32 || ir_call_node(c, 0)->rank != 1 || ir_call_dims(c, 0)[0] != 2)
    return ir_bad(c, GANTRY_E_SHAPE, "the seed must be u32[2], is %s%s", ir_dtype_name(ir_call_node(c, 0)->dtype), ir_shape_text(ir_call_node(c, 0)->rank, ir_call_dims(c, 0), text));
  if (ir_call_node(c, 1)->dtype != GANTRY_U32 || ir_call_node(c, 1)->rank)
    return ir_bad(c, GANTRY_E_SHAPE, "the invocation must be u32[], is %s%s", ir_dtype_name(ir_call_node(c, 1)->dtype), ir_shape_text(ir_call_node(c, 1)->rank, ir_call_dims(c, 1), text));
  TRY(ir_arg_dims(c, &dims, &rank));
  TRY(ir_arg_int(c, GANTRY_A_STREAM, IR_NEEDED, INT64_MIN + 1, INT64_MAX, &stream));
  if (rank && dims[0] > UINT32_MAX) return ir_bad(c, GANTRY_E_SHAPE, "axis 0 must be below 2^32");
  ir_result(c, GANTRY_U32, rank, dims);
  return GANTRY_OK;
}

gantry_status infer_source(ir_call *c) {
  switch (c->op) {
    case GANTRY_OP_CONST: return infer_const(c);
    case GANTRY_OP_IOTA: return infer_iota(c);
    case GANTRY_OP_RANDOM_BITS: return infer_random(c);
  }
  return ir_bad(c, GANTRY_E_INVALID, "is made by the host alone");
}

gantry_status infer_control(ir_call *c) {
  ir_result(c, ir_call_node(c, 0)->dtype, ir_call_node(c, 0)->rank, ir_call_dims(c, 0));
  return GANTRY_OK;
}
