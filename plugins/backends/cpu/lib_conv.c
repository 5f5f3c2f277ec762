/* lib_conv.c - CONV and its two gradients: oneDNN for f32, columns and matrix products (conv_gemm.c) for f64 and for few channels.
 *
 * Activations are plain channels-last; the filter (O k.. I) is reordered into the layout oneDNN prefers before each run, and a filter's
 * gradient back out of it. Primitives are made once at compile; a run only points memory objects at addresses. */
#include <stdlib.h>
#include <string.h>

#include "conv.h"

enum { FEW_CHANNELS = 3 };

void cpu_conv_shape(const gantry_lib *l, conv_shape *q) {
  const gantry_operand *x = l->op == GANTRY_OP_CONV_DGRAD ? &l->out : &l->in[0], *w = l->op == GANTRY_OP_CONV_WGRAD ? &l->out : &l->in[1];
  const gantry_operand *y = l->op == GANTRY_OP_CONV ? &l->out : l->op == GANTRY_OP_CONV_DGRAD ? &l->in[0] : &l->in[1];
  memset(q, 0, sizeof *q);
  q->s = x->rank - 2;
  q->n = x->dims[0];
  q->c = x->dims[x->rank - 1];
  q->o = y->dims[y->rank - 1];
  q->groups = cpu_attr_i(l, GANTRY_A_GROUPS, 1);
  cpu_attr_axes(l, GANTRY_A_STRIDE, q->s, 1, q->stride);
  cpu_attr_axes(l, GANTRY_A_PAD_LO, q->s, 0, q->lo);
  cpu_attr_axes(l, GANTRY_A_DILATION, q->s, 1, q->dilation);
  q->pixels_x = q->pixels_k = q->pixels_y = 1;
  for (uint32_t a = 0; a < q->s; a++) {
    q->pixels_x *= q->x[a] = x->dims[a + 1];
    q->pixels_k *= q->k[a] = w->dims[a + 1];
    q->pixels_y *= q->y[a] = y->dims[a + 1];
    /* the padding that makes oneDNN's formula give exactly our output; may be negative, then nothing of the image's end is read */
    q->hi[a] = (q->y[a] - 1) * q->stride[a] + (q->k[a] - 1) * q->dilation[a] + 1 - q->x[a] - q->lo[a];
  }
}

static int by_columns(const gantry_lib *l, const conv_shape *q) {
  if (l->out.dtype == GANTRY_F64) return 1;
  return l->op == GANTRY_OP_CONV_DGRAD && q->groups == 1 && q->c <= FEW_CHANNELS;
}

typedef struct conv {
  dnnl_primitive_desc_t pd, forward, reorder_pd;
  dnnl_primitive_t primitive, reorder;
  dnnl_memory_t image, filter, packed, result, scratchpad, reorder_scratchpad;
  int64_t packed_bytes, scratch_bytes, reorder_bytes;
  int in_place_filter; /* oneDNN takes our layout as it is */
} conv;

static void describe(const gantry_lib *l, const conv_shape *q, dnnl_memory_desc_t *x, dnnl_memory_desc_t *w, dnnl_memory_desc_t *y, dnnl_memory_desc_t *any) {
  dnnl_dims_t xd = {q->n, q->c}, yd = {q->n, q->o}, wd = {q->groups, q->o / q->groups, q->c / q->groups}, xs = {q->pixels_x * q->c, 1}, ys = {q->pixels_y * q->o, 1}, ws;
  int64_t cg = q->c / q->groups, step_x = q->c, step_y = q->o, step_w = cg;
  (void)l;
  ws[0] = q->o / q->groups * q->pixels_k * cg;
  ws[1] = q->pixels_k * cg;
  ws[2] = 1;
  for (uint32_t a = q->s; a-- > 0;) {
    xd[2 + a] = q->x[a];
    yd[2 + a] = q->y[a];
    wd[3 + a] = q->k[a];
    xs[2 + a] = step_x;
    ys[2 + a] = step_y;
    ws[3 + a] = step_w;
    step_x *= q->x[a];
    step_y *= q->y[a];
    step_w *= q->k[a];
  }
  int rank = (int)q->s + 2, g = q->groups > 1;
  dnnl_memory_desc_init_by_strides(x, rank, xd, dnnl_f32, xs);
  dnnl_memory_desc_init_by_strides(y, rank, yd, dnnl_f32, ys);
  dnnl_memory_desc_init_by_strides(w, rank + g, wd + 1 - g, dnnl_f32, ws + 1 - g);
  dnnl_memory_desc_init_by_tag(any, rank + g, wd + 1 - g, dnnl_f32, dnnl_format_tag_any);
}

static void conv_clear(conv *v) {
  dnnl_memory_t *m[] = {&v->image, &v->filter, &v->packed, &v->result, &v->scratchpad, &v->reorder_scratchpad};
  for (size_t k = 0; k < sizeof m / sizeof *m; k++)
    if (*m[k]) dnnl_memory_destroy(*m[k]);
  if (v->primitive) dnnl_primitive_destroy(v->primitive);
  if (v->reorder) dnnl_primitive_destroy(v->reorder);
  if (v->pd) dnnl_primitive_desc_destroy(v->pd);
  if (v->forward) dnnl_primitive_desc_destroy(v->forward);
  if (v->reorder_pd) dnnl_primitive_desc_destroy(v->reorder_pd);
  memset(v, 0, sizeof *v);
}

static int64_t rounded(int64_t bytes) { return (bytes + 63) & ~(int64_t)63; }

/* The primitive descriptors: enough to know the sizes. */
static dnnl_status_t prepare(const cpu *self, const gantry_lib *l, const conv_shape *q, conv *v) {
  dnnl_engine_t engine = ((cpu_dnnl *)self->dnnl)->engine;
  dnnl_memory_desc_t x, w, y, any;
  dnnl_dims_t stride, dilation, lo, hi;
  dnnl_convolution_desc_t d, f;
  dnnl_primitive_attr_t attr = NULL;
  describe(l, q, &x, &w, &y, &any);
  for (uint32_t a = 0; a < q->s; a++) {
    stride[a] = q->stride[a];
    dilation[a] = q->dilation[a] - 1;
    lo[a] = q->lo[a];
    hi[a] = q->hi[a];
  }
  dnnl_status_t s = dnnl_primitive_attr_create(&attr);
  if (!s) s = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
  if (!s) s = dnnl_dilated_convolution_forward_desc_init(&f, l->op == GANTRY_OP_CONV ? dnnl_forward_inference : dnnl_forward_training, dnnl_convolution_direct, &x, &any, NULL, &y, stride, dilation, lo, hi);
  if (!s && l->op == GANTRY_OP_CONV) s = dnnl_primitive_desc_create(&v->pd, &f, attr, engine, NULL);
  if (!s && l->op != GANTRY_OP_CONV) {
    s = dnnl_primitive_desc_create(&v->forward, &f, attr, engine, NULL);
    if (!s && l->op == GANTRY_OP_CONV_DGRAD) s = dnnl_dilated_convolution_backward_data_desc_init(&d, dnnl_convolution_direct, &x, &any, &y, stride, dilation, lo, hi);
    if (!s && l->op == GANTRY_OP_CONV_WGRAD) s = dnnl_dilated_convolution_backward_weights_desc_init(&d, dnnl_convolution_direct, &x, &any, NULL, &y, stride, dilation, lo, hi);
    if (!s) s = dnnl_primitive_desc_create(&v->pd, &d, attr, engine, v->forward);
  }
  if (!s) {
    const dnnl_memory_desc_t *p = dnnl_primitive_desc_query_md(v->pd, l->op == GANTRY_OP_CONV_WGRAD ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
    v->in_place_filter = dnnl_memory_desc_equal(p, &w);
    v->packed_bytes = v->in_place_filter ? 0 : (int64_t)dnnl_memory_desc_get_size(p);
    v->scratch_bytes = (int64_t)dnnl_memory_desc_get_size(dnnl_primitive_desc_query_md(v->pd, dnnl_query_scratchpad_md, 0));
    if (!v->in_place_filter) {
      int back = l->op == GANTRY_OP_CONV_WGRAD;
      s = dnnl_reorder_primitive_desc_create(&v->reorder_pd, back ? p : &w, engine, back ? &w : p, engine, attr);
      if (!s) v->reorder_bytes = (int64_t)dnnl_memory_desc_get_size(dnnl_primitive_desc_query_md(v->reorder_pd, dnnl_query_scratchpad_md, 0));
    }
  }
  if (attr) dnnl_primitive_attr_destroy(attr);
  return s;
}

static int supports(const gantry_lib *l) {
  return l->n_in == 2 && (l->out.dtype == GANTRY_F32 || l->out.dtype == GANTRY_F64) && l->in[0].dtype == l->out.dtype && l->in[1].dtype == l->out.dtype && l->out.rank >= 3 && l->out.rank <= 5;
}

static int64_t scratch(cpu *self, const gantry_lib *l) {
  conv_shape q;
  conv v = {0};
  cpu_conv_shape(l, &q);
  if (by_columns(l, &q)) return cpu_conv_gemm_scratch(l, &q);
  dnnl_status_t s = prepare(self, l, &q, &v);
  int64_t bytes = s ? 0 : rounded(v.packed_bytes) + rounded(v.scratch_bytes) + rounded(v.reorder_bytes);
  conv_clear(&v);
  return bytes;
}

static gantry_status run(const cpu *self, const cpu_lib *l, char *workspace) {
  const conv *v = l->own;
  dnnl_stream_t stream = ((const cpu_dnnl *)self->dnnl)->stream;
  int back = l->lib.op == GANTRY_OP_CONV_WGRAD, op = (int)l->lib.op;
  char *extra = v->packed_bytes + v->scratch_bytes + v->reorder_bytes ? cpu_at(&l->scratch, workspace) : NULL;
  void *a = cpu_at(&l->in[0], workspace), *b = cpu_at(&l->in[1], workspace), *out = cpu_at(&l->out, workspace);
  /* image: x (or the gradient g of DGRAD); filter: ours; result: y, dx or, for WGRAD, g */
  int s = dnnl_memory_set_data_handle_v2(v->image, a, stream);
  s |= (int)dnnl_memory_set_data_handle_v2(v->filter, back ? out : b, stream);
  s |= (int)dnnl_memory_set_data_handle_v2(v->result, back ? b : out, stream);
  if (v->packed) s |= (int)dnnl_memory_set_data_handle_v2(v->packed, extra, stream);
  if (v->scratchpad) s |= (int)dnnl_memory_set_data_handle_v2(v->scratchpad, extra + rounded(v->packed_bytes), stream);
  if (v->reorder_scratchpad) s |= (int)dnnl_memory_set_data_handle_v2(v->reorder_scratchpad, extra + rounded(v->packed_bytes) + rounded(v->scratch_bytes), stream);
  dnnl_memory_t packed = v->packed ? v->packed : v->filter;
  if (v->reorder && !back) {
    dnnl_exec_arg_t r[] = {{DNNL_ARG_FROM, v->filter}, {DNNL_ARG_TO, v->packed}, {DNNL_ARG_SCRATCHPAD, v->reorder_scratchpad}};
    s |= (int)dnnl_primitive_execute(v->reorder, stream, v->reorder_scratchpad ? 3 : 2, r);
  }
  dnnl_exec_arg_t p[4] = {{op == GANTRY_OP_CONV_DGRAD ? DNNL_ARG_DIFF_DST : DNNL_ARG_SRC, v->image}, {back ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, packed},
                          {op == GANTRY_OP_CONV ? DNNL_ARG_DST : back ? DNNL_ARG_DIFF_DST : DNNL_ARG_DIFF_SRC, v->result}, {DNNL_ARG_SCRATCHPAD, v->scratchpad}};
  s |= (int)dnnl_primitive_execute(v->primitive, stream, v->scratchpad ? 4 : 3, p);
  if (v->reorder && back) {
    dnnl_exec_arg_t r[] = {{DNNL_ARG_FROM, v->packed}, {DNNL_ARG_TO, v->filter}, {DNNL_ARG_SCRATCHPAD, v->reorder_scratchpad}};
    s |= (int)dnnl_primitive_execute(v->reorder, stream, v->reorder_scratchpad ? 3 : 2, r);
  }
  s |= (int)dnnl_stream_wait(stream);
  return s ? GANTRY_E_DEVICE : GANTRY_OK;
}

static void free_conv(cpu_lib *l) {
  if (l->own) conv_clear(l->own);
}

static gantry_status make(const cpu_compile *c, cpu_lib *l) {
  conv_shape q;
  const gantry_lib *g = &l->lib;
  cpu_conv_shape(g, &q);
  if (by_columns(g, &q)) return cpu_conv_gemm_make(c, l, &q);
  conv *v = calloc(1, sizeof *v);
  if (!v) return cpu_fail(c, GANTRY_E_NOMEM, "out of memory");
  l->own = v;
  l->free = free_conv;
  l->run = run;
  dnnl_engine_t engine = ((cpu_dnnl *)c->self->dnnl)->engine;
  dnnl_memory_desc_t x, w, y, any;
  describe(g, &q, &x, &w, &y, &any);
  dnnl_status_t s = prepare(c->self, g, &q, v);
  if (!s) s = dnnl_primitive_create(&v->primitive, v->pd);
  if (!s && v->reorder_pd) s = dnnl_primitive_create(&v->reorder, v->reorder_pd);
  if (!s) s = dnnl_memory_create(&v->image, g->op == GANTRY_OP_CONV_DGRAD ? &y : &x, engine, DNNL_MEMORY_NONE);
  if (!s) s = dnnl_memory_create(&v->result, g->op == GANTRY_OP_CONV_DGRAD ? &x : &y, engine, DNNL_MEMORY_NONE);
  if (!s) s = dnnl_memory_create(&v->filter, &w, engine, DNNL_MEMORY_NONE);
  if (!s && !v->in_place_filter)
    s = dnnl_memory_create(&v->packed, dnnl_primitive_desc_query_md(v->pd, g->op == GANTRY_OP_CONV_WGRAD ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0), engine, DNNL_MEMORY_NONE);
  if (!s && v->scratch_bytes) s = dnnl_memory_create(&v->scratchpad, dnnl_primitive_desc_query_md(v->pd, dnnl_query_scratchpad_md, 0), engine, DNNL_MEMORY_NONE);
  if (!s && v->reorder_bytes) s = dnnl_memory_create(&v->reorder_scratchpad, dnnl_primitive_desc_query_md(v->reorder_pd, dnnl_query_scratchpad_md, 0), engine, DNNL_MEMORY_NONE);
  return s ? cpu_dnnl_fail(c, g, g->op == GANTRY_OP_CONV ? "make a convolution" : g->op == GANTRY_OP_CONV_DGRAD ? "make an image gradient" : "make a filter gradient", s) : GANTRY_OK;
}
const cpu_family cpu_conv = {supports, scratch, make};
