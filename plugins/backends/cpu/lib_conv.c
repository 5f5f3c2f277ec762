/* lib_conv.c - CONV, CONV_DGRAD and CONV_WGRAD: 1 to 3 spatial axes, stride, one-sided padding, dilation, groups; f32 and f64.
 *
 * f32 goes to loops of our own where they are faster (conv_winograd.c, conv_few.c), to oneDNN where that is fast, else, as f64 always, to a matrix product
 * over patches. The choice depends on shapes only.
 * GFLOP/s of one thread (EPYC with AVX-512, batch 64, 4x4 filters, stride 2) as oneDNN / matrix product:
 *                                               forward    to the image   to the filter
 *   28x28x1  -> 14x14x32 (D's first, G's last)  59 / 36       8 / 31        118 / 34
 *   14x14x32 -> 7x7x64   (D's second, G's)     131 / 91     133 / 87        125 / 89
 *   32x32x64 -> 32x32x3, 3x3 (to an image)      21 / 38     117 / 26         20 / 39 */
#include <stdlib.h>

#include "conv.h"

typedef struct conv { conv_shape shape; conv_dnnl *dnnl; int winograd, few; } conv;

static conv_shape shape_of(const gantry_lib *l) {
  int dgrad = l->op == GANTRY_OP_CONV_DGRAD, wgrad = l->op == GANTRY_OP_CONV_WGRAD;
  const int64_t *x = dgrad ? l->out.dims : l->in[0].dims, *w = wgrad ? l->out.dims : l->in[1].dims, *y = dgrad ? l->in[0].dims : wgrad ? l->in[1].dims : l->out.dims;
  uint32_t s = l->out.rank - 2, skip = 3 - s;
  conv_shape q = {.op = l->op, .spatial = s, .n = x[0], .c = x[s + 1], .o = y[s + 1], .groups = cpu_attr_i(l, GANTRY_A_GROUPS, 1)};
  cpu_attr_axes(l, GANTRY_A_STRIDE, s, 1, q.stride + skip);
  cpu_attr_axes(l, GANTRY_A_PAD_LO, s, 0, q.lo + skip);
  cpu_attr_axes(l, GANTRY_A_DILATION, s, 1, q.dilation + skip);
  for (uint32_t k = 0; k < 3; k++) {
    q.in[k] = k < skip ? 1 : x[k - skip + 1];
    q.k[k] = k < skip ? 1 : w[k - skip + 1];
    q.out[k] = k < skip ? 1 : y[k - skip + 1];
    if (k < skip) q.stride[k] = q.dilation[k] = 1;
  }
  return q;
}

/* Few channels in what is computed starve oneDNN, which vectorises over them; it has kernels of its own for many small groups. */
static int wants_gemm(const conv_shape *q) { return q->groups == 1 && (q->op == GANTRY_OP_CONV_DGRAD ? q->c : q->o) <= 4; }

static int wants_winograd(const gantry_lib *l, const conv_shape *q) { return l->out.dtype == GANTRY_F32 && conv_winograd_fits(q); }

static int wants_few(const gantry_lib *l, const conv_shape *q) { return l->out.dtype == GANTRY_F32 && conv_few_fits(q); }

static int supports(const gantry_lib *l) {
  if (l->n_in != 2 || (l->out.dtype != GANTRY_F32 && l->out.dtype != GANTRY_F64) || l->out.rank < 3 || l->out.rank > 5) return 0;
  for (uint32_t k = 0; k < 2; k++)
    if (l->in[k].dtype != l->out.dtype || l->in[k].rank != l->out.rank) return 0;
  for (uint32_t k = 0; k < l->out.rank; k++)
    if (l->in[0].dims[k] > INT32_MAX || l->in[1].dims[k] > INT32_MAX || l->out.dims[k] > INT32_MAX) return 0;
  conv_shape q = shape_of(l);
  return q.groups > 0 && q.c % q.groups == 0 && q.o % q.groups == 0 && q.k[0] * q.k[1] * q.k[2] <= INT32_MAX / (q.c / q.groups);
}

static int64_t scratch(cpu *self, const gantry_lib *l) {
  conv_shape q = shape_of(l);
  int64_t bytes = 0;
  if (wants_winograd(l, &q)) return conv_winograd_scratch(&q, self->threads);
  if (wants_few(l, &q)) return conv_few_scratch(&q, self->threads);
  conv_dnnl *d = l->out.dtype == GANTRY_F32 && !wants_gemm(&q) ? conv_dnnl_new(self, &q, &bytes) : NULL;
  if (!d) return conv_gemm_scratch(&q, cpu_size(l->out.dtype));
  conv_dnnl_free(d);
  return bytes;
}

static gantry_status run(const cpu *self, const cpu_lib *l, char *workspace) {
  const conv *v = l->own;
  void *a = cpu_at(&l->in[0], workspace), *b = cpu_at(&l->in[1], workspace), *out = cpu_at(&l->out, workspace), *room = cpu_at(&l->scratch, workspace);
  if (v->winograd) return conv_winograd_run(&v->shape, a, b, out, room, self->threads);
  if (v->dnnl) return conv_dnnl_run(v->dnnl, a, b, out, room);
  if (v->few) {
    conv_few_run(&v->shape, a, b, out, room, self->threads);
    return GANTRY_OK;
  }
  if (l->lib.out.dtype == GANTRY_F32) conv_gemm_f32(&v->shape, a, b, out, room);
  else conv_gemm_f64(&v->shape, a, b, out, room);
  return GANTRY_OK;
}

static void discard(cpu_lib *l) {
  conv *v = l->own;
  if (v) conv_dnnl_free(v->dnnl);
}

static gantry_status make(const cpu_compile *c, cpu_lib *l) {
  conv *v = calloc(1, sizeof *v);
  char shapes[400];
  int64_t bytes = 0;
  if (!v) return cpu_fail(c, GANTRY_E_NOMEM, "out of memory");
  l->own = v;
  l->run = run;
  l->free = discard;
  v->shape = shape_of(&l->lib);
  v->winograd = wants_winograd(&l->lib, &v->shape);
  v->few = !v->winograd && wants_few(&l->lib, &v->shape);
  if (v->winograd) bytes = conv_winograd_scratch(&v->shape, c->self->threads);
  else if (v->few) bytes = conv_few_scratch(&v->shape, c->self->threads);
  else if (l->lib.out.dtype == GANTRY_F32 && !wants_gemm(&v->shape)) v->dnnl = conv_dnnl_new(c->self, &v->shape, &bytes);
  if (!v->dnnl && !v->winograd && !v->few) bytes = conv_gemm_scratch(&v->shape, cpu_size(l->lib.out.dtype));
  if (bytes && l->lib.scratch == GANTRY_NO_BUFFER) return cpu_fail(c, GANTRY_E_INVALID, "the convolution of %s came without the scratch it asked for", cpu_shapes(&l->lib, shapes));
  if (v->dnnl && conv_dnnl_ready(v->dnnl)) return cpu_fail(c, GANTRY_E_DEVICE, "oneDNN cannot prepare the convolution of %s", cpu_shapes(&l->lib, shapes));
  return GANTRY_OK;
}
const cpu_family cpu_conv = {supports, scratch, make};
