/* lib_index.c - RANDOM_BITS, GATHER and SCATTER_ADD, ARGMAX, TOPK, SORT_INDEX, WIN_ARGMAX, and symmetric eigenvalues: fixed kernels with
 * constants. See kernels/ for what each does. */
#include <stdlib.h>

#include "kernels_text.h"
#include "lib.h"

gantry_status lib_random(const gpu_compile *c, const gantry_lib *l) {
  cuda_text t = {0};
  int64_t samples = l->out.rank ? l->out.dims[0] : 1, each = lib_count(&l->out) / (samples ? samples : 1);
  lib_number(&t, "STREAM", (int64_t)(uint32_t)lib_i(l, GANTRY_A_STREAM, 0));
  lib_number(&t, "SAMPLES", samples);
  lib_number(&t, "EACH", each);
  gantry_status st = lib_launch(c, l, &t, text_random, lib_blocks(samples * ((each + 3) / 4)));
  cuda_text_free(&t);
  return st;
}

typedef struct rows { int64_t batch, middle, size, inner, picks; } rows; /* x is [batch, middle, size, inner], the index [batch, picks] */
static rows rows_of(const gantry_lib *l) {
  const gantry_operand *x = l->op == GANTRY_OP_GATHER ? &l->in[0] : &l->out, *index = &l->in[1];
  int64_t axis = lib_i(l, GANTRY_A_AXIS, 0), batch = lib_i(l, GANTRY_A_BATCH, 0);
  rows q = {1, 1, x->dims[axis], 1, 1};
  for (int64_t k = 0; k < batch; k++) q.batch *= x->dims[k];
  for (int64_t k = batch; k < axis; k++) q.middle *= x->dims[k];
  for (int64_t k = axis + 1; k < x->rank; k++) q.inner *= x->dims[k];
  for (int64_t k = batch; k < index->rank; k++) q.picks *= index->dims[k];
  return q;
}

int64_t lib_gather_scratch(const gantry_lib *l) {
  rows q = rows_of(l);
  return 4 * q.batch * (q.size + q.picks);
}

/* The widest element that divides a row's bytes and both operands' places. */
static int64_t unit_of(const gantry_lib *l, int64_t row_bytes) {
  int64_t size = lib_size(l->out.dtype), all = row_bytes | (l->in[0].offset * size) | (l->out.offset * size), unit = 16;
  while (all % unit) unit /= 2;
  return unit;
}

gantry_status lib_gather(const gpu_compile *c, const gantry_lib *l) {
  rows q = rows_of(l);
  cuda_text t = {0};
  int is_gather = l->op == GANTRY_OP_GATHER;
  int64_t size = lib_size(l->out.dtype), unit = unit_of(l, q.inner * size);
  cuda_put(&t, "typedef %s INDEX;\n", lib_type(l->in[1].dtype));
  if (is_gather) cuda_put(&t, "typedef %s E;\n", unit == 16 ? "k_sixteen" : unit == 8 ? "uint64_t" : unit == 4 ? "uint32_t" : unit == 2 ? "uint16_t" : "uint8_t");
  else cuda_put(&t, "typedef %s T;\n", lib_type(l->out.dtype));
  lib_number(&t, "BATCH", q.batch);
  lib_number(&t, "MIDDLE", q.middle);
  lib_number(&t, "SIZE", q.size);
  lib_number(&t, "INNER", is_gather ? q.inner * size / unit : q.inner);
  lib_number(&t, "PICKS", q.picks);
  gantry_status st = GANTRY_OK;
  if (is_gather) st = lib_launch(c, l, &t, text_gather, lib_blocks(q.batch * q.middle * q.picks * (q.inner * size / unit)));
  else {
    st = lib_launch(c, l, &t, text_scatter_clear, lib_blocks(q.batch * q.size));
    if (!st) st = lib_launch(c, l, &t, text_scatter_link, lib_blocks(q.batch * q.picks));
    if (!st) st = lib_launch(c, l, &t, text_scatter_sum, lib_blocks(q.batch * q.middle * q.size * q.inner));
  }
  cuda_text_free(&t);
  return st;
}

static gantry_status windows(const gpu_compile *c, const gantry_lib *l, cuda_text *t) {
  const gantry_operand *x = &l->in[0];
  uint32_t s = x->rank - 2, skip = 3 - s;
  int64_t in[3], out[3], window[3], stride[3], lo[3];
  for (uint32_t k = 0; k < 3; k++) {
    in[k] = k < skip ? 1 : x->dims[k - skip + 1];
    out[k] = k < skip ? 1 : l->out.dims[k - skip + 1];
    window[k] = stride[k] = 1;
    lo[k] = 0;
  }
  lib_axes(l, GANTRY_A_WINDOW, s, 1, window + skip);
  lib_axes(l, GANTRY_A_STRIDE, s, 1, stride + skip);
  lib_axes(l, GANTRY_A_PAD_LO, s, 0, lo + skip);
  lib_number(t, "N", x->dims[0]);
  lib_number(t, "C", x->dims[s + 1]);
  lib_three(t, "X", in);
  lib_three(t, "Y", out);
  lib_three(t, "WINDOW", window);
  lib_three(t, "STRIDE", stride);
  lib_three(t, "LO", lo);
  return lib_launch(c, l, t, text_win_argmax, lib_blocks(lib_count(&l->out)));
}

static gantry_status along(const gpu_compile *c, const gantry_lib *l, cuda_text *t) {
  const gantry_operand *x = &l->in[0];
  int argmax = l->op == GANTRY_OP_ARGMAX;
  int64_t axis = argmax ? lib_i(l, GANTRY_A_AXIS, 0) : (int64_t)x->rank - 1, outer = 1, inner = 1, n = x->dims[axis];
  for (int64_t k = 0; k < axis; k++) outer *= x->dims[k];
  for (int64_t k = axis + 1; k < x->rank; k++) inner *= x->dims[k];
  lib_number(t, "OUTER", outer);
  lib_number(t, "N", n);
  if (argmax) {
    lib_number(t, "INNER", inner);
    return lib_launch(c, l, t, text_argmax, lib_blocks(outer * inner));
  }
  lib_number(t, "KEEP", l->op == GANTRY_OP_TOPK ? lib_i(l, GANTRY_A_K, 1) : n);
  lib_number(t, "DESCENDING", l->op == GANTRY_OP_TOPK);
  return lib_launch(c, l, t, text_order, lib_blocks(outer * n));
}

gantry_status lib_select(const gpu_compile *c, const gantry_lib *l) {
  cuda_text t = {0};
  cuda_put(&t, "typedef %s T;\n", lib_type(l->in[0].dtype));
  gantry_status st = l->op == GANTRY_OP_WIN_ARGMAX ? windows(c, l, &t) : along(c, l, &t);
  cuda_text_free(&t);
  return st;
}

int64_t lib_linalg_scratch(const gantry_lib *l) {
  int64_t n = l->in[0].dims[0];
  return 8 * (2 * n * n + n) + 64;
}

gantry_status lib_linalg(const gpu_compile *c, const gantry_lib *l) {
  cuda_text t = {0};
  int64_t n = l->in[0].dims[0];
  lib_number(&t, "NN", n);
  lib_number(&t, "PAIRS", (n + 1) / 2);
  lib_number(&t, "POWER", l->op == GANTRY_OP_PSD_POWER);
  cuda_put(&t, "const double EXPONENT = %a; (void)EXPONENT;\n", lib_f(l, GANTRY_A_EXPONENT, 1));
  gantry_status st = lib_launch(c, l, &t, text_eigen, 1);
  cuda_text_free(&t);
  return st;
}
