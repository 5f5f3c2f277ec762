/* infer_lib.c - contractions and filters: matrix products, the three faces of convolution, FIR resampling, f64 linear algebra. */
#include "ir/infer.h"

gantry_status infer_matmul(ir_call *c) {
  int64_t ta, tb, out[GANTRY_MAX_RANK];
  char at[200], bt[200];
  const int64_t *a = ir_call_dims(c, 0), *b = ir_call_dims(c, 1);
  uint32_t r = ir_call_node(c, 0)->rank;
  TRY(ir_need_float(c, 0));
  TRY(ir_need_same_dtype(c, 0, 1));
  TRY(ir_need_rank(c, 0, 2, GANTRY_MAX_RANK, "a matrix [..,m,k]"));
  TRY(ir_arg_int(c, GANTRY_A_TA, 0, 0, 1, &ta));
  TRY(ir_arg_int(c, GANTRY_A_TB, 0, 0, 1, &tb));
  ir_shape_text(r, a, at);
  ir_shape_text(ir_call_node(c, 1)->rank, b, bt);
  if (ir_call_node(c, 1)->rank != r || (r > 2 && memcmp(a, b, sizeof(int64_t) * (r - 2))))
    return ir_bad(c, GANTRY_E_SHAPE, "shapes %s and %s have different leading axes", at, bt);
  if (a[ta ? r - 2 : r - 1] != b[tb ? r - 1 : r - 2])
    return ir_bad(c, GANTRY_E_SHAPE, "inner sizes %lld and %lld of %s%s and %s%s differ", (long long)a[ta ? r - 2 : r - 1], (long long)b[tb ? r - 1 : r - 2],
                  at, ta ? " (transposed)" : "", bt, tb ? " (transposed)" : "");
  memcpy(out, a, sizeof(int64_t) * r);
  out[r - 2] = a[ta ? r - 1 : r - 2];
  out[r - 1] = b[tb ? r - 2 : r - 1];
  ir_result(c, ir_call_node(c, 0)->dtype, r, out);
  return GANTRY_OK;
}

/* The output shape of CONV for shapes x and w: the one relation that all three faces share. */
static gantry_status conv_output(ir_call *c, uint32_t rank, const int64_t *x, const int64_t *w, int64_t *out) {
  uint32_t s = rank - 2;
  int64_t *v, groups, stride[3], lo[3], hi[3], dilation[3];
  char xt[200], wt[200];
  ir_shape_text(rank, x, xt);
  ir_shape_text(rank, w, wt);
  TRY(ir_arg_ints(c, GANTRY_A_STRIDE, s, 1, 1, IR_MAX_NUMBER, &v));
  memcpy(stride, v, sizeof(int64_t) * s);
  TRY(ir_arg_ints(c, GANTRY_A_PAD_LO, s, 0, 0, IR_MAX_NUMBER, &v));
  memcpy(lo, v, sizeof(int64_t) * s);
  TRY(ir_arg_ints(c, GANTRY_A_PAD_HI, s, 0, 0, IR_MAX_NUMBER, &v));
  memcpy(hi, v, sizeof(int64_t) * s);
  TRY(ir_arg_ints(c, GANTRY_A_DILATION, s, 1, 1, IR_MAX_NUMBER, &v));
  memcpy(dilation, v, sizeof(int64_t) * s);
  TRY(ir_arg_int(c, GANTRY_A_GROUPS, 1, 1, IR_MAX_NUMBER, &groups));
  if (x[rank - 1] % groups || w[0] % groups || w[rank - 1] != x[rank - 1] / groups)
    return ir_bad(c, GANTRY_E_SHAPE, "image %s and filter %s do not fit with %lld groups: the filter's last axis must be channels / groups", xt, wt, (long long)groups);
  out[0] = x[0];
  for (uint32_t k = 0; k < s; k++) {
    if (w[k + 1] > IR_MAX_NUMBER || x[k + 1] > IR_MAX_NUMBER) return ir_bad(c, GANTRY_E_SHAPE, "spatial sizes must stay below 2^30");
    int64_t room = x[k + 1] + lo[k] + hi[k] - (dilation[k] * (w[k + 1] - 1) + 1);
    if (room < 0) return ir_bad(c, GANTRY_E_SHAPE, "filter %s is larger than the padded image %s on spatial axis %u", wt, xt, k);
    out[k + 1] = room / stride[k] + 1;
  }
  out[rank - 1] = w[0];
  return GANTRY_OK;
}

gantry_status infer_conv(ir_call *c) {
  const int64_t *a = ir_call_dims(c, 0), *b = ir_call_dims(c, 1);
  int64_t *given, dims[GANTRY_MAX_RANK] = {0}, out[GANTRY_MAX_RANK];
  uint32_t rank = ir_call_node(c, 0)->rank, n;
  char at[200], bt[200];
  TRY(ir_need_float(c, 0));
  TRY(ir_need_same_dtype(c, 0, 1));
  TRY(ir_need_rank(c, 0, 3, 5, "N [D] H W C with 1 to 3 spatial axes"));
  TRY(ir_need_rank(c, 1, rank, rank, "as many axes as input 0"));
  if (c->op == GANTRY_OP_CONV) {
    TRY(conv_output(c, rank, a, b, out));
    ir_result(c, ir_call_node(c, 0)->dtype, rank, out);
    return GANTRY_OK;
  }
  TRY(ir_arg_dims(c, &given, &n));
  if (n != rank) return ir_bad(c, GANTRY_E_SHAPE, "DIMS has %u axes, the inputs have %u", n, rank);
  memcpy(dims, given, sizeof(int64_t) * rank);
  int dgrad = c->op == GANTRY_OP_CONV_DGRAD;
  TRY(conv_output(c, rank, dgrad ? dims : a, dgrad ? b : dims, out));
  if (memcmp(out, dgrad ? a : b, sizeof(int64_t) * rank))
    return ir_bad(c, GANTRY_E_SHAPE, "the convolution with these attributes has output %s, the gradient given is %s", ir_shape_text(rank, out, at), ir_shape_text(rank, dgrad ? a : b, bt));
  ir_result(c, ir_call_node(c, 0)->dtype, rank, dims);
  return GANTRY_OK;
}

static gantry_status fir_output(ir_call *c, uint32_t rank, const int64_t *x, const int64_t *filter, int64_t *out) {
  uint32_t s = rank - 2;
  int64_t *v, up[3], down[3], lo[3], hi[3], flip;
  TRY(ir_arg_ints(c, GANTRY_A_UP, s, 1, 1, IR_MAX_NUMBER, &v));
  memcpy(up, v, sizeof(int64_t) * s);
  TRY(ir_arg_ints(c, GANTRY_A_DOWN, s, 1, 1, IR_MAX_NUMBER, &v));
  memcpy(down, v, sizeof(int64_t) * s);
  TRY(ir_arg_ints(c, GANTRY_A_PAD_LO, s, 0, -IR_MAX_NUMBER, IR_MAX_NUMBER, &v));
  memcpy(lo, v, sizeof(int64_t) * s);
  TRY(ir_arg_ints(c, GANTRY_A_PAD_HI, s, 0, -IR_MAX_NUMBER, IR_MAX_NUMBER, &v));
  memcpy(hi, v, sizeof(int64_t) * s);
  TRY(ir_arg_int(c, GANTRY_A_FLIP, 0, 0, 1, &flip));
  out[0] = x[0];
  out[rank - 1] = x[rank - 1];
  for (uint32_t k = 0; k < s; k++) {
    if (x[k + 1] > IR_MAX_NUMBER || filter[k] > IR_MAX_NUMBER) return ir_bad(c, GANTRY_E_SHAPE, "spatial sizes must stay below 2^30");
    int64_t room = x[k + 1] * up[k] + lo[k] + hi[k] - filter[k];
    if (room < 0) return ir_bad(c, GANTRY_E_SHAPE, "%lld samples after upsampling and padding are fewer than the filter's %lld on spatial axis %u", (long long)(room + filter[k]), (long long)filter[k], k);
    out[k + 1] = room / down[k] + 1;
  }
  return GANTRY_OK;
}

gantry_status infer_fir(ir_call *c) {
  const int64_t *x = ir_call_dims(c, 0), *b = ir_call_dims(c, 1);
  int64_t *given, filter[GANTRY_MAX_RANK] = {0}, out[GANTRY_MAX_RANK];
  uint32_t rank = ir_call_node(c, 0)->rank, n;
  char at[200], bt[200];
  TRY(ir_need_float(c, 0));
  TRY(ir_need_same_dtype(c, 0, 1));
  TRY(ir_need_rank(c, 0, 3, 5, "N [D] H W C with 1 to 3 spatial axes"));
  if (c->op == GANTRY_OP_FIR) {
    TRY(ir_need_rank(c, 1, rank - 2, rank - 2, "a filter with one axis per spatial axis"));
    TRY(fir_output(c, rank, x, b, out));
    ir_result(c, ir_call_node(c, 0)->dtype, rank, out);
    return GANTRY_OK;
  }
  TRY(ir_need_rank(c, 1, rank, rank, "as many axes as input 0"));
  TRY(ir_arg_dims(c, &given, &n));
  if (n != rank - 2) return ir_bad(c, GANTRY_E_SHAPE, "DIMS has %u axes, there are %u spatial ones", n, rank - 2);
  memcpy(filter, given, sizeof(int64_t) * n);
  TRY(fir_output(c, rank, x, filter, out));
  if (memcmp(out, b, sizeof(int64_t) * rank))
    return ir_bad(c, GANTRY_E_SHAPE, "the resampling with these attributes has output %s, the gradient given is %s", ir_shape_text(rank, out, at), ir_shape_text(rank, b, bt));
  ir_result(c, ir_call_node(c, 0)->dtype, n, filter);
  return GANTRY_OK;
}

gantry_status infer_linalg(ir_call *c) {
  const int64_t *d = ir_call_dims(c, 0);
  double exponent;
  char text[200];
  if (ir_call_node(c, 0)->dtype != GANTRY_F64) return ir_bad(c, GANTRY_E_DTYPE, "works in f64 only, input 0 is %s; cast it", ir_dtype_name(ir_call_node(c, 0)->dtype));
  TRY(ir_need_rank(c, 0, 2, 2, "a square matrix"));
  if (d[0] != d[1]) return ir_bad(c, GANTRY_E_SHAPE, "%s is not square", ir_shape_text(2, d, text));
  if (c->op == GANTRY_OP_PSD_POWER) TRY(ir_arg_real(c, GANTRY_A_EXPONENT, &exponent));
  ir_result(c, GANTRY_F64, c->op == GANTRY_OP_PSD_POWER ? 2 : 1, d);
  return GANTRY_OK;
}
