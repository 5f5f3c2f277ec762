/* infer_reduce.c - reductions over axes, which disappear, and the operations that give indices along one axis. */
#include "ir/infer.h"

static gantry_status infer_axes(ir_call *c) {
  uint32_t rank = ir_call_node(c, 0)->rank, n, t = ir_call_node(c, 0)->dtype, kept = 0;
  const int64_t *dims = ir_call_dims(c, 0), *axes;
  int64_t out[GANTRY_MAX_RANK];
  if (c->op == GANTRY_OP_VAR) TRY(ir_need_float(c, 0));
  if (t == GANTRY_BOOL) return ir_bad(c, GANTRY_E_DTYPE, "needs numbers, input 0 is bool");
  TRY(ir_arg_axes(c, rank, &axes, &n));
  for (uint32_t k = 0, j = 0; k < rank; k++)
    if (j < n && axes[j] == k) j++;
    else out[kept++] = dims[k];
  ir_result(c, t, kept, out);
  return GANTRY_OK;
}

gantry_status infer_reduce(ir_call *c) {
  uint32_t rank = ir_call_node(c, 0)->rank;
  const int64_t *dims = ir_call_dims(c, 0);
  int64_t out[GANTRY_MAX_RANK] = {0}, v;
  if (ir_op_get(c->op)->cls == IR_REDUCE) return infer_axes(c);
  if (ir_call_node(c, 0)->dtype == GANTRY_BOOL) return ir_bad(c, GANTRY_E_DTYPE, "needs numbers, input 0 is bool");
  if (!rank) return ir_bad(c, GANTRY_E_SHAPE, "a scalar has no axis to look along");
  memcpy(out, dims, sizeof(int64_t) * rank);
  int64_t axis = (int64_t)rank - 1;
  if (c->op == GANTRY_OP_ARGMAX) {
    TRY(ir_arg_int(c, GANTRY_A_AXIS, IR_NEEDED, 0, axis, &axis));
    memmove(out + axis, out + axis + 1, sizeof(int64_t) * (rank - 1 - (size_t)axis));
  }
  if (dims[axis] > INT32_MAX) return ir_bad(c, GANTRY_E_SHAPE, "axis %lld has 2^31 elements or more, an i32 index cannot name them", (long long)axis);
  if (c->op == GANTRY_OP_TOPK) {
    TRY(ir_arg_int(c, GANTRY_A_K, IR_NEEDED, 1, dims[axis], &v));
    out[axis] = v;
  }
  ir_result(c, GANTRY_I32, c->op == GANTRY_OP_ARGMAX ? rank - 1 : rank, out);
  return GANTRY_OK;
}
