/* infer_move.c - rearrangements of elements: any type, the shape follows from the attributes. */
#include "ir/infer.h"

static gantry_status infer_reshape(ir_call *c, uint32_t rank, const int64_t *dims) {
  int64_t *to, have = 1, want = 1;
  uint32_t n;
  TRY(ir_arg_dims(c, &to, &n));
  for (uint32_t k = 0; k < rank; k++) have *= dims[k];
  for (uint32_t k = 0; k < n; k++) want *= to[k];
  if (have != want) {
    char a[200], b[200];
    return ir_bad(c, GANTRY_E_SHAPE, "%s has %lld elements, %s has %lld", ir_shape_text(rank, dims, a), (long long)have, ir_shape_text(n, to, b), (long long)want);
  }
  ir_result(c, ir_call_node(c, 0)->dtype, n, to);
  return GANTRY_OK;
}

static gantry_status infer_permute(ir_call *c, uint32_t rank, const int64_t *dims) {
  int64_t *perm, out[GANTRY_MAX_RANK];
  uint32_t seen = 0;
  TRY(ir_arg_ints(c, GANTRY_A_PERM, rank, IR_NEEDED, 0, (int64_t)rank - 1, &perm));
  for (uint32_t k = 0; k < rank; k++) {
    if (seen >> perm[k] & 1) return ir_bad(c, GANTRY_E_INVALID, "PERM names axis %lld twice", (long long)perm[k]);
    seen |= 1u << perm[k];
    out[k] = dims[perm[k]];
  }
  ir_result(c, ir_call_node(c, 0)->dtype, rank, out);
  return GANTRY_OK;
}

static gantry_status infer_broadcast(ir_call *c, uint32_t rank, const int64_t *dims) {
  int64_t *to;
  const int64_t *axes;
  uint32_t n, n_axes;
  char a[200], b[200];
  TRY(ir_arg_dims(c, &to, &n));
  TRY(ir_arg_axes(c, n, &axes, &n_axes));
  if (n_axes != rank) return ir_bad(c, GANTRY_E_SHAPE, "AXES names %u axes for an input of shape %s", n_axes, ir_shape_text(rank, dims, a));
  for (uint32_t k = 0; k < rank; k++)
    if (to[axes[k]] != dims[k])
      return ir_bad(c, GANTRY_E_SHAPE, "shapes %s and %s differ on axis %u", ir_shape_text(rank, dims, a), ir_shape_text(n, to, b), k);
  ir_result(c, ir_call_node(c, 0)->dtype, n, to);
  return GANTRY_OK;
}

static gantry_status infer_slice(ir_call *c, uint32_t rank, const int64_t *dims) {
  int64_t *start, *stop, *step, out[GANTRY_MAX_RANK];
  char text[200];
  TRY(ir_arg_ints(c, GANTRY_A_STEP, rank, 1, 1, IR_MAX_ELEMENTS, &step));
  TRY(ir_arg_ints(c, GANTRY_A_START, rank, IR_NEEDED, 0, IR_MAX_ELEMENTS, &start));
  TRY(ir_arg_ints(c, GANTRY_A_STOP, rank, IR_NEEDED, 1, IR_MAX_ELEMENTS, &stop));
  for (uint32_t k = 0; k < rank; k++) {
    if (start[k] >= stop[k] || stop[k] > dims[k])
      return ir_bad(c, GANTRY_E_SHAPE, "[%lld, %lld) is no part of axis %u of %s", (long long)start[k], (long long)stop[k], k, ir_shape_text(rank, dims, text));
    out[k] = (stop[k] - start[k] + step[k] - 1) / step[k];
    stop[k] = start[k] + (out[k] - 1) * step[k] + 1; /* the smallest STOP that says the same */
  }
  ir_result(c, ir_call_node(c, 0)->dtype, rank, out);
  return GANTRY_OK;
}

static gantry_status infer_pad(ir_call *c, uint32_t rank, const int64_t *dims) {
  int64_t *lo, *hi, *interior, out[GANTRY_MAX_RANK];
  TRY(ir_arg_ints(c, GANTRY_A_INTERIOR, rank, 0, 0, IR_MAX_NUMBER, &interior));
  TRY(ir_arg_ints(c, GANTRY_A_LO, rank, 0, 0, IR_MAX_ELEMENTS, &lo));
  TRY(ir_arg_ints(c, GANTRY_A_HI, rank, 0, 0, IR_MAX_ELEMENTS, &hi));
  lo = ir_arg_find(c, GANTRY_A_LO)->iv; /* a default put in front moves the others */
  interior = ir_arg_find(c, GANTRY_A_INTERIOR)->iv;
  for (uint32_t k = 0; k < rank; k++) {
    if (dims[k] - 1 > IR_MAX_ELEMENTS / (interior[k] + 1)) return ir_bad(c, GANTRY_E_SHAPE, "INTERIOR %lld makes axis %u too long", (long long)interior[k], k);
    out[k] = lo[k] + hi[k] + dims[k] + (dims[k] - 1) * interior[k];
    if (dims[k] == 1) interior[k] = 0; /* nothing lies between */
  }
  ir_result(c, ir_call_node(c, 0)->dtype, rank, out);
  return GANTRY_OK;
}

static gantry_status infer_concat(ir_call *c, uint32_t rank, const int64_t *dims) {
  int64_t axis, out[GANTRY_MAX_RANK] = {0};
  char a[200], b[200];
  if (!rank) return ir_bad(c, GANTRY_E_SHAPE, "scalars have no axis to join");
  TRY(ir_arg_int(c, GANTRY_A_AXIS, IR_NEEDED, 0, (int64_t)rank - 1, &axis));
  memcpy(out, dims, sizeof(int64_t) * rank);
  for (uint32_t k = 1; k < c->n_in; k++) {
    const int64_t *d = ir_call_dims(c, k);
    TRY(ir_need_same_dtype(c, 0, k));
    int fits = ir_call_node(c, k)->rank == rank;
    for (uint32_t j = 0; fits && j < rank; j++) fits = j == (uint32_t)axis || d[j] == dims[j];
    if (!fits)
      return ir_bad(c, GANTRY_E_SHAPE, "shapes %s and %s differ beside axis %lld", ir_shape_text(rank, dims, a), ir_shape_text(ir_call_node(c, k)->rank, d, b), (long long)axis);
    if (out[axis] > IR_MAX_ELEMENTS) return ir_bad(c, GANTRY_E_SHAPE, "the result is too long");
    out[axis] += d[axis];
  }
  ir_result(c, ir_call_node(c, 0)->dtype, rank, out);
  return GANTRY_OK;
}

gantry_status infer_move(ir_call *c) {
  uint32_t rank = ir_call_node(c, 0)->rank, n;
  const int64_t *dims = ir_call_dims(c, 0), *axes;
  switch (c->op) {
    case GANTRY_OP_RESHAPE: return infer_reshape(c, rank, dims);
    case GANTRY_OP_PERMUTE: return infer_permute(c, rank, dims);
    case GANTRY_OP_BROADCAST: return infer_broadcast(c, rank, dims);
    case GANTRY_OP_SLICE: return infer_slice(c, rank, dims);
    case GANTRY_OP_PAD: return infer_pad(c, rank, dims);
    case GANTRY_OP_CONCAT: return infer_concat(c, rank, dims);
    case GANTRY_OP_REVERSE:
      TRY(ir_arg_axes(c, rank, &axes, &n));
      ir_result(c, ir_call_node(c, 0)->dtype, rank, dims);
      return GANTRY_OK;
  }
  return ir_bad(c, GANTRY_E_INTERNAL, "has no shape rule");
}
