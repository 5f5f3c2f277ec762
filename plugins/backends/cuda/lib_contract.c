/* lib_contract.c - MATMUL and the three convolutions: what they are, and the choice between cuBLASLt or cuDNN and the kernels of this backend,
 * which do everything that the libraries do not. */
#include "kernels_text.h"
#include "lib.h"

/* Bytes that divide the place of every operand, 16 at most; buffers begin at multiples of 64. */
static uint32_t alignment(const gantry_lib *l) {
  int64_t places = (l->in[0].offset | l->in[1].offset | l->out.offset) * lib_size(l->out.dtype);
  uint32_t aligned = 16;
  while (places % aligned) aligned /= 2;
  return aligned;
}

lib_product lib_product_of(const gantry_lib *l) {
  uint32_t r = l->out.rank;
  lib_product q = {.dtype = l->out.dtype, .aligned = alignment(l), .batch = 1, .m = l->out.dims[r - 2], .n = l->out.dims[r - 1], .ta = lib_i(l, GANTRY_A_TA, 0) != 0, .tb = lib_i(l, GANTRY_A_TB, 0) != 0, .tf32 = l->precision == GANTRY_PRECISION_TF32};
  q.k = l->in[0].dims[q.ta ? r - 2 : r - 1];
  for (uint32_t a = 0; a + 2 < r; a++) q.batch *= l->out.dims[a];
  return q;
}

static gantry_status library_action(const gpu_compile *c, const gantry_lib *l, gpu_action **out) {
  gpu_place at[4] = {{0}};
  gantry_status st = GANTRY_OK;
  for (uint32_t k = 0; k < 2 && !st; k++) st = gpu_place_of(c, l->in[k].buffer, l->in[k].offset * lib_size(l->in[k].dtype), &at[k]);
  if (!st) st = gpu_place_of(c, l->out.buffer, l->out.offset * lib_size(l->out.dtype), &at[2]);
  if (!st && l->scratch != GANTRY_NO_BUFFER) st = gpu_place_of(c, l->scratch, 0, &at[3]);
  at[2].written = at[3].written = 1;
  if (!st && !(*out = gpu_add(c, at, 4))) st = GANTRY_E_NOMEM;
  return st;
}

gantry_status lib_matmul(const gpu_compile *c, const gantry_lib *l) {
  lib_product q = lib_product_of(l);
  gpu_product *v = NULL;
  gpu_action *a;
  gantry_status st = gpu_product_of(c->ctx, c->self, l, &v);
  if (st) return st;
  if (v) {
    st = library_action(c, l, &a);
    if (st) gpu_product_free(c->self, v);
    else a->product = v;
    return st;
  }
  cuda_text t = {0};
  cuda_put(&t, "typedef %s T;\n", lib_type(q.dtype));
  lib_number(&t, "M", q.m);
  lib_number(&t, "NN", q.n);
  lib_number(&t, "KK", q.k);
  lib_number(&t, "TA", q.ta);
  lib_number(&t, "TB", q.tb);
  st = lib_launch(c, l, &t, text_matmul, q.batch * ((q.m + 15) / 16) * ((q.n + 15) / 16));
  cuda_text_free(&t);
  return st;
}

lib_conv lib_conv_of(const gantry_lib *l) {
  int dgrad = l->op == GANTRY_OP_CONV_DGRAD, wgrad = l->op == GANTRY_OP_CONV_WGRAD;
  const int64_t *x = dgrad ? l->out.dims : l->in[0].dims, *w = wgrad ? l->out.dims : l->in[1].dims, *y = dgrad ? l->in[0].dims : wgrad ? l->in[1].dims : l->out.dims;
  uint32_t s = l->out.rank - 2, skip = 3 - s;
  lib_conv q = {.op = l->op, .dtype = l->out.dtype, .spatial = s, .n = x[0], .c = x[s + 1], .o = y[s + 1], .groups = lib_i(l, GANTRY_A_GROUPS, 1)};
  q.aligned = alignment(l);
  q.tf32 = l->precision == GANTRY_PRECISION_TF32;
  lib_axes(l, GANTRY_A_STRIDE, s, 1, q.stride + skip);
  lib_axes(l, GANTRY_A_PAD_LO, s, 0, q.lo + skip);
  lib_axes(l, GANTRY_A_PAD_HI, s, 0, q.hi + skip);
  lib_axes(l, GANTRY_A_DILATION, s, 1, q.dilation + skip);
  for (uint32_t k = 0; k < 3; k++) {
    q.in[k] = k < skip ? 1 : x[k - skip + 1];
    q.k[k] = k < skip ? 1 : w[k - skip + 1];
    q.out[k] = k < skip ? 1 : y[k - skip + 1];
    if (k < skip) q.stride[k] = q.dilation[k] = 1;
  }
  return q;
}

gantry_status lib_convolve(const gpu_compile *c, const gantry_lib *l) {
  lib_conv q = lib_conv_of(l);
  const gpu_conv *v = NULL;
  gpu_action *a;
  int64_t scratch;
  gantry_status st = gpu_conv_of(c->ctx, c->self, l, &v, &scratch);
  if (st) return st;
  if (v) {
    st = library_action(c, l, &a);
    if (!st) a->conv = v;
    return st;
  }
  cuda_text t = {0};
  cuda_put(&t, "typedef %s T;\n", lib_type(q.dtype));
  lib_number(&t, "N", q.n);
  lib_number(&t, "C", q.c);
  lib_number(&t, "O", q.o);
  lib_number(&t, "G", q.groups);
  lib_three(&t, "X", q.in);
  lib_three(&t, "Y", q.out);
  lib_three(&t, "KS", q.k);
  lib_three(&t, "STRIDE", q.stride);
  lib_three(&t, "LO", q.lo);
  lib_three(&t, "DIL", q.dilation);
  if (q.op == GANTRY_OP_CONV_WGRAD) st = lib_launch(c, l, &t, text_conv_wgrad, lib_count(&l->out));
  else st = lib_launch(c, l, &t, q.op == GANTRY_OP_CONV ? text_conv : text_conv_dgrad, lib_blocks(lib_count(&l->out)));
  cuda_text_free(&t);
  return st;
}
