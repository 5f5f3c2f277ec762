/* infer_map.c - elementwise operations: equal shapes in, the same shape out; which element types each takes and gives. */
#include "ir/infer.h"

static gantry_status same_shapes(ir_call *c) {
  const ir_node *a = ir_call_node(c, 0);
  for (uint32_t k = 1; k < c->n_in; k++) {
    const ir_node *b = ir_call_node(c, k);
    if (a->rank == b->rank && (!a->rank || !memcmp(ir_call_dims(c, 0), ir_call_dims(c, k), sizeof(int64_t) * a->rank))) continue;
    char left[200], right[200];
    return ir_bad(c, GANTRY_E_SHAPE, "shapes %s and %s differ", ir_shape_text(a->rank, ir_call_dims(c, 0), left), ir_shape_text(b->rank, ir_call_dims(c, k), right));
  }
  return GANTRY_OK;
}

static gantry_status refuse(ir_call *c, const char *wants) {
  return ir_bad(c, GANTRY_E_DTYPE, "needs %s, input 0 is %s", wants, ir_dtype_name(ir_call_node(c, 0)->dtype));
}

gantry_status infer_map(ir_call *c) {
  uint32_t t = ir_call_node(c, 0)->dtype, result = t;
  int64_t v = 0;
  int is_int = t == GANTRY_I32 || t == GANTRY_I64 || t == GANTRY_U32 || t == GANTRY_U8;
  TRY(same_shapes(c));
  if (c->op == GANTRY_OP_WHERE) {
    if (t != GANTRY_BOOL) return refuse(c, "a bool condition");
    TRY(ir_need_same_dtype(c, 1, 2));
    ir_result(c, ir_call_node(c, 1)->dtype, ir_call_node(c, 0)->rank, ir_call_dims(c, 0));
    return GANTRY_OK;
  }
  if (c->n_in == 2) TRY(ir_need_same_dtype(c, 0, 1));
  switch (c->op) {
    case GANTRY_OP_NEG: case GANTRY_OP_ABS: case GANTRY_OP_SIGN:
      if (!ir_is_float(t) && t != GANTRY_I32 && t != GANTRY_I64) return refuse(c, "a type with a sign");
      break;
    case GANTRY_OP_EXP: case GANTRY_OP_EXPM1: case GANTRY_OP_LOG: case GANTRY_OP_LOG1P: case GANTRY_OP_SQRT: case GANTRY_OP_RSQRT:
    case GANTRY_OP_SIN: case GANTRY_OP_COS: case GANTRY_OP_TANH: case GANTRY_OP_SIGMOID: case GANTRY_OP_ERF: case GANTRY_OP_FLOOR: case GANTRY_OP_ROUND:
    case GANTRY_OP_ATAN2: TRY(ir_need_float(c, 0)); break;
    case GANTRY_OP_POW: {
      double exponent;
      TRY(ir_need_float(c, 0));
      TRY(ir_arg_real(c, GANTRY_A_EXPONENT, &exponent));
      break;
    }
    case GANTRY_OP_CAST: case GANTRY_OP_BITCAST:
      TRY(ir_arg_int(c, GANTRY_A_DTYPE, IR_NEEDED, GANTRY_F32, GANTRY_BOOL, &v));
      result = (uint32_t)v;
      if (c->op == GANTRY_OP_BITCAST && (ir_dtype_size(result) != ir_dtype_size(t) || ((t == GANTRY_BOOL || result == GANTRY_BOOL) && t != result)))
        return ir_bad(c, GANTRY_E_DTYPE, "%s and %s have no common bits", ir_dtype_name(t), ir_dtype_name(result));
      break;
    case GANTRY_OP_NOT: case GANTRY_OP_AND: case GANTRY_OP_OR: case GANTRY_OP_XOR:
      if (!is_int && t != GANTRY_BOOL) return refuse(c, "bool or integers");
      break;
    case GANTRY_OP_MOD: case GANTRY_OP_SHL: case GANTRY_OP_SHR:
      if (!is_int) return refuse(c, "integers");
      break;
    case GANTRY_OP_CMP:
      TRY(ir_arg_int(c, GANTRY_A_KIND, IR_NEEDED, GANTRY_CMP_EQ, GANTRY_CMP_GE, &v));
      result = GANTRY_BOOL;
      break;
    default: /* ADD SUB MUL DIV MAX MIN */
      if (t == GANTRY_BOOL) return refuse(c, "numbers");
  }
  ir_result(c, result, ir_call_node(c, 0)->rank, ir_call_dims(c, 0));
  return GANTRY_OK;
}
