/* lib_image.c - FIR, GRID_SAMPLE and their adjoints: fixed kernels with constants. */
#include "kernels_text.h"
#include "lib.h"

gantry_status lib_fir(const gpu_compile *c, const gantry_lib *l) {
  int back = l->op == GANTRY_OP_FIR_FGRAD;
  const gantry_operand *x = &l->in[0], *y = back ? &l->in[1] : &l->out, *f = back ? &l->out : &l->in[1];
  uint32_t s = x->rank - 2, skip = 3 - s;
  int64_t in[3], out[3], k[3], up[3] = {1, 1, 1}, down[3] = {1, 1, 1}, lo[3] = {0};
  cuda_text t = {0};
  for (uint32_t a = 0; a < 3; a++) {
    in[a] = a < skip ? 1 : x->dims[a - skip + 1];
    out[a] = a < skip ? 1 : y->dims[a - skip + 1];
    k[a] = a < skip ? 1 : f->dims[a - skip];
  }
  lib_axes(l, GANTRY_A_UP, s, 1, up + skip);
  lib_axes(l, GANTRY_A_DOWN, s, 1, down + skip);
  lib_axes(l, GANTRY_A_PAD_LO, s, 0, lo + skip);
  cuda_put(&t, "typedef %s T;\n", lib_type(l->out.dtype));
  lib_number(&t, "N", x->dims[0]);
  lib_number(&t, "C", x->dims[x->rank - 1]);
  lib_three(&t, "X", in);
  lib_three(&t, "Y", out);
  lib_three(&t, "KS", k);
  lib_three(&t, "UP", up);
  lib_three(&t, "DOWN", down);
  lib_three(&t, "LO", lo);
  lib_number(&t, "FLIP", lib_i(l, GANTRY_A_FLIP, 0) != 0);
  gantry_status st = back ? lib_launch(c, l, &t, text_fir_fgrad, k[0] * k[1] * k[2]) : lib_launch(c, l, &t, text_fir, lib_blocks(lib_count(&l->out)));
  cuda_text_free(&t);
  return st;
}

int64_t lib_grid_scratch(const gantry_lib *l) { return 8 * (lib_count(&l->out) + l->out.dims[0]); }

gantry_status lib_grid(const gpu_compile *c, const gantry_lib *l) {
  int splat = l->op == GANTRY_OP_GRID_SPLAT;
  const gantry_operand *x = splat ? &l->out : &l->in[0], *g = &l->in[1];
  uint32_t s = x->rank - 2;
  int64_t size[3] = {1, 1, 1}, n = x->dims[0], channels = x->dims[s + 1], points = lib_count(g) / (n * (int64_t)s);
  cuda_text t = {0};
  for (uint32_t a = 0; a < s; a++) size[a] = x->dims[a + 1];
  cuda_put(&t, "typedef %s T;\nenum { S = %u, DMASK = %lld };\n", lib_type(l->out.dtype), s, (long long)lib_i(l, GANTRY_A_DMASK, 0));
  lib_number(&t, "N", n);
  lib_number(&t, "C", channels);
  lib_number(&t, "POINTS", points);
  lib_three(&t, "X", size);
  gantry_status st = GANTRY_OK;
  if (!splat) st = lib_launch(c, l, &t, text_grid_sample, lib_blocks(n * points * channels));
  else {
    st = lib_launch(c, l, &t, text_splat_scale, n);
    if (!st) st = lib_launch(c, l, &t, text_splat_add, lib_blocks(n * points * channels));
    if (!st) st = lib_launch(c, l, &t, text_splat_end, lib_blocks(lib_count(&l->out)));
  }
  cuda_text_free(&t);
  return st;
}
