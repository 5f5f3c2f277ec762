/* infer_index.c - operations that look elements up: linear sampling at real coordinates, gather and scatter, argmax of windows. */
#include "ir/infer.h"

gantry_status infer_grid(ir_call *c) {
  int splat = c->op == GANTRY_OP_GRID_SPLAT;
  const int64_t *a = ir_call_dims(c, 0), *grid = ir_call_dims(c, 1);
  uint32_t ra = ir_call_node(c, 0)->rank, rg = ir_call_node(c, 1)->rank, n = ra;
  int64_t *given, x[GANTRY_MAX_RANK] = {0}, out[GANTRY_MAX_RANK] = {0}, dmask;
  char at[200], gt[200];
  TRY(ir_need_float(c, 0));
  TRY(ir_need_same_dtype(c, 0, 1));
  TRY(ir_need_rank(c, 1, 2, GANTRY_MAX_RANK, "coordinates [N,..,d]"));
  if (splat) {
    TRY(ir_arg_dims(c, &given, &n));
    if (n) memcpy(x, given, sizeof(int64_t) * n);
  } else if (n)
    memcpy(x, a, sizeof(int64_t) * n);
  if (n < 3 || n > 5) return ir_bad(c, GANTRY_E_SHAPE, "the sampled image %s needs N [D] H W C with 1 to 3 spatial axes", ir_shape_text(n, x, at));
  ir_shape_text(n, x, at);
  ir_shape_text(rg, grid, gt);
  if (grid[0] != x[0] || grid[rg - 1] != (int64_t)n - 2)
    return ir_bad(c, GANTRY_E_SHAPE, "grid %s does not fit image %s: it needs the same batch and %u coordinates", gt, at, n - 2);
  TRY(ir_arg_int(c, GANTRY_A_DMASK, 0, 0, ((int64_t)1 << (n - 2)) - 1, &dmask));
  memcpy(out, grid, sizeof(int64_t) * rg);
  out[rg - 1] = x[n - 1];
  if (!splat) {
    ir_result(c, ir_call_node(c, 0)->dtype, rg, out);
    return GANTRY_OK;
  }
  if (ra != rg || memcmp(a, out, sizeof(int64_t) * rg)) {
    char qt[200], want[200];
    return ir_bad(c, GANTRY_E_SHAPE, "values %s do not fit: grid %s and image %s need %s", ir_shape_text(ra, a, qt), gt, at, ir_shape_text(rg, out, want));
  }
  ir_result(c, ir_call_node(c, 0)->dtype, n, x);
  return GANTRY_OK;
}

/* The shape of x[.., index, ..]: shared batch axes, the axes between, the index's own axes, the axes behind. */
static gantry_status gather_shape(ir_call *c, uint32_t rank, const int64_t *x, uint32_t *n, int64_t out[2 * GANTRY_MAX_RANK]) {
  const int64_t *index = ir_call_dims(c, 1);
  uint32_t ri = ir_call_node(c, 1)->rank, t = ir_call_node(c, 1)->dtype;
  int64_t axis, batch;
  char xt[200], it[200];
  if (t != GANTRY_I32 && t != GANTRY_I64) return ir_bad(c, GANTRY_E_DTYPE, "the index must be i32 or i64, is %s", ir_dtype_name(t));
  if (!rank) return ir_bad(c, GANTRY_E_SHAPE, "a scalar has no axis to index");
  TRY(ir_arg_int(c, GANTRY_A_AXIS, IR_NEEDED, 0, (int64_t)rank - 1, &axis));
  TRY(ir_arg_int(c, GANTRY_A_BATCH, 0, 0, axis < ri ? axis : (int64_t)ri, &batch));
  if (batch && memcmp(x, index, sizeof(int64_t) * (size_t)batch))
    return ir_bad(c, GANTRY_E_SHAPE, "%s and index %s differ in their %lld leading axes", ir_shape_text(rank, x, xt), ir_shape_text(ri, index, it), (long long)batch);
  *n = 0;
  for (uint32_t k = 0; k < axis; k++) out[(*n)++] = x[k];
  for (uint32_t k = (uint32_t)batch; k < ri; k++) out[(*n)++] = index[k];
  for (uint32_t k = (uint32_t)axis + 1; k < rank; k++) out[(*n)++] = x[k];
  if (*n > GANTRY_MAX_RANK) return ir_bad(c, GANTRY_E_SHAPE, "the result would have %u axes, at most %d are possible", *n, GANTRY_MAX_RANK);
  return GANTRY_OK;
}

static gantry_status infer_window(ir_call *c) {
  const int64_t *x = ir_call_dims(c, 0);
  uint32_t rank = ir_call_node(c, 0)->rank, s;
  int64_t *v, window[3], stride[3], lo[3], hi[3], out[5], flat = 1;
  TRY(ir_need_float(c, 0));
  TRY(ir_need_rank(c, 0, 3, 5, "N [D] H W C with 1 to 3 spatial axes"));
  s = rank - 2;
  TRY(ir_arg_ints(c, GANTRY_A_WINDOW, s, IR_NEEDED, 1, IR_MAX_NUMBER, &v));
  memcpy(window, v, sizeof(int64_t) * s);
  TRY(ir_arg_ints(c, GANTRY_A_STRIDE, s, 1, 1, IR_MAX_NUMBER, &v));
  memcpy(stride, v, sizeof(int64_t) * s);
  TRY(ir_arg_ints(c, GANTRY_A_PAD_LO, s, 0, 0, IR_MAX_NUMBER, &v));
  memcpy(lo, v, sizeof(int64_t) * s);
  TRY(ir_arg_ints(c, GANTRY_A_PAD_HI, s, 0, 0, IR_MAX_NUMBER, &v));
  memcpy(hi, v, sizeof(int64_t) * s);
  out[0] = x[0];
  out[rank - 1] = x[rank - 1];
  for (uint32_t k = 0; k < s; k++) {
    int64_t room = x[k + 1] + lo[k] + hi[k] - window[k];
    if (lo[k] >= window[k] || hi[k] >= window[k]) return ir_bad(c, GANTRY_E_INVALID, "padding on spatial axis %u must be smaller than the window, or a window would see nothing", k);
    if (room < 0) return ir_bad(c, GANTRY_E_SHAPE, "window of %lld is larger than the padded axis of %lld", (long long)window[k], (long long)(room + window[k]));
    out[k + 1] = room / stride[k] + 1;
    flat *= x[k + 1];
  }
  if (flat > INT32_MAX) return ir_bad(c, GANTRY_E_SHAPE, "the image has 2^31 pixels or more, an i32 index cannot name them");
  ir_result(c, GANTRY_I32, rank, out);
  return GANTRY_OK;
}

gantry_status infer_index(ir_call *c) {
  int64_t out[2 * GANTRY_MAX_RANK], *given, x[GANTRY_MAX_RANK] = {0};
  uint32_t n, rank;
  char at[200], bt[200];
  if (c->op == GANTRY_OP_WIN_ARGMAX) return infer_window(c);
  const ir_node *a = ir_call_node(c, 0);
  if (c->op == GANTRY_OP_GATHER) {
    TRY(gather_shape(c, a->rank, ir_call_dims(c, 0), &n, out));
    ir_result(c, a->dtype, n, out);
    return GANTRY_OK;
  }
  if (a->dtype == GANTRY_BOOL) return ir_bad(c, GANTRY_E_DTYPE, "needs numbers to add, input 0 is bool");
  TRY(ir_arg_dims(c, &given, &rank));
  if (rank) memcpy(x, given, sizeof(int64_t) * rank);
  TRY(gather_shape(c, rank, x, &n, out));
  if (n != a->rank || (n && memcmp(out, ir_call_dims(c, 0), sizeof(int64_t) * n)))
    return ir_bad(c, GANTRY_E_SHAPE, "values have shape %s, this index into DIMS needs %s", ir_shape_text(a->rank, ir_call_dims(c, 0), at), ir_shape_text(n, out, bt));
  ir_result(c, a->dtype, rank, x);
  return GANTRY_OK;
}
