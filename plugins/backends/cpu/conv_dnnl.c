/* conv_dnnl.c - convolutions in f32 by oneDNN: images stay channels-last, filters are reordered into oneDNN's layout at each run.
 *
 * The scratch holds the reordered filter and then oneDNN's scratchpad; nothing is allocated while running. */
#include <stdlib.h>
#include <string.h>

#include "conv.h"
#include "dnnl_common.h"
#include "dnnl_versions.h"

struct conv_dnnl {
  uint32_t op;
  int reordered;
  dnnl_stream_t stream;
  dnnl_primitive_desc_t conv_pd, reorder_pd;
  dnnl_primitive_t conv, reorder;
  dnnl_memory_t image, filter, packed, result, pad, reorder_pad; /* image: x; result: y; filter: ours; packed: oneDNN's layout */
  int64_t packed_bytes;
};

static cpu_md_ref desc(const_dnnl_primitive_desc_t pd, dnnl_query_t what) { return dnnl_primitive_desc_query_md(pd, what, 0); }

static dnnl_status_t memory(dnnl_engine_t engine, cpu_md_ref md, dnnl_memory_t *out) { return dnnl_memory_create(out, md, engine, DNNL_MEMORY_NONE); }

typedef struct tensors { cpu_md x, y, any, filter; cpu_conv_geometry g; } tensors; /* any: the filter in whatever layout is fastest; filter: ours */

/* Right padding follows from the shapes: rows that no window reaches are cropped, it may be negative. */
static dnnl_status_t describe(const conv_shape *q, tensors *t) {
  static const dnnl_format_tag_t images[] = {dnnl_nwc, dnnl_nhwc, dnnl_ndhwc}, filters[] = {dnnl_owi, dnnl_ohwi, dnnl_odhwi}, grouped[] = {dnnl_gowi, dnnl_gohwi, dnnl_godhwi};
  int s = (int)q->spatial, g = q->groups > 1, skip = 3 - s;
  dnnl_dims_t x = {q->n, q->c}, y = {q->n, q->o}, w = {0};
  if (g) w[0] = q->groups;
  w[g] = q->o / q->groups;
  w[g + 1] = q->c / q->groups;
  for (int k = 0; k < s; k++) {
    int a = k + skip;
    x[k + 2] = q->in[a];
    y[k + 2] = q->out[a];
    w[g + k + 2] = q->k[a];
    t->g.stride[k] = q->stride[a];
    t->g.dilation[k] = q->dilation[a] - 1;
    t->g.lo[k] = q->lo[a];
    t->g.hi[k] = (q->out[a] - 1) * q->stride[a] + (q->k[a] - 1) * q->dilation[a] + 1 - q->in[a] - q->lo[a];
  }
  dnnl_status_t st = cpu_md_make(&t->x, s + 2, x, images[s - 1]);
  if (!st) st = cpu_md_make(&t->y, s + 2, y, images[s - 1]);
  if (!st) st = cpu_md_make(&t->any, s + 2 + g, w, dnnl_format_tag_any);
  if (!st) st = cpu_md_make(&t->filter, s + 2 + g, w, g ? grouped[s - 1] : filters[s - 1]);
  return st;
}

static dnnl_status_t describe_pass(conv_dnnl *d, dnnl_engine_t engine, const tensors *t, const_dnnl_primitive_attr_t attr) {
  cpu_conv_pass p = {.kind = dnnl_forward_inference, .engine = engine, .attr = attr};
  dnnl_primitive_desc_t hint = NULL;
  if (d->op == GANTRY_OP_CONV) return cpu_conv_pd(&d->conv_pd, &p, &t->x, &t->any, &t->y, &t->g);
  p.kind = dnnl_forward_training; /* backward descriptors want a forward one as a hint */
  dnnl_status_t st = cpu_conv_pd(&hint, &p, &t->x, &t->any, &t->y, &t->g);
  p.kind = d->op == GANTRY_OP_CONV_DGRAD ? dnnl_backward_data : dnnl_backward_weights;
  p.hint = hint;
  if (!st) st = cpu_conv_pd(&d->conv_pd, &p, &t->x, &t->any, &t->y, &t->g);
  if (hint) dnnl_primitive_desc_destroy(hint);
  return st;
}

/* Primitive descriptors and memories; the scratch in bytes. */
static dnnl_status_t plan(conv_dnnl *d, dnnl_engine_t engine, const tensors *t, const_dnnl_primitive_attr_t attr, int64_t *bytes) {
  const char *impl = "";
  dnnl_status_t st = describe_pass(d, engine, t, attr);
  if (!st) st = dnnl_primitive_desc_query(d->conv_pd, dnnl_query_impl_info_str, 0, (void *)&impl);
  if (st) return st;
  if (!strncmp(impl, "ref", 3) || !strncmp(impl, "gemm", 4)) return dnnl_unimplemented; /* our own matrix product does better */
  int dgrad = d->op == GANTRY_OP_CONV_DGRAD, wgrad = d->op == GANTRY_OP_CONV_WGRAD;
  cpu_md_ref packed = desc(d->conv_pd, wgrad ? dnnl_query_diff_weights_md : dnnl_query_weights_md), pad = desc(d->conv_pd, dnnl_query_scratchpad_md), ours = cpu_md_of(&t->filter);
  st = memory(engine, desc(d->conv_pd, dgrad ? dnnl_query_diff_src_md : dnnl_query_src_md), &d->image);
  if (!st) st = memory(engine, desc(d->conv_pd, d->op == GANTRY_OP_CONV ? dnnl_query_dst_md : dnnl_query_diff_dst_md), &d->result);
  if (!st) st = memory(engine, packed, &d->packed);
  if (!st) st = memory(engine, ours, &d->filter);
  if (!st) st = memory(engine, pad, &d->pad);
  *bytes = (int64_t)dnnl_memory_desc_get_size(pad);
  d->reordered = !dnnl_memory_desc_equal(packed, ours);
  if (st || !d->reordered) return st;
  st = dnnl_reorder_primitive_desc_create(&d->reorder_pd, wgrad ? packed : ours, engine, wgrad ? ours : packed, engine, attr);
  if (st) return st;
  cpu_md_ref reorder_pad = desc(d->reorder_pd, dnnl_query_scratchpad_md);
  st = memory(engine, reorder_pad, &d->reorder_pad);
  int64_t more = (int64_t)dnnl_memory_desc_get_size(reorder_pad);
  d->packed_bytes = ((int64_t)dnnl_memory_desc_get_size(packed) + 63) & ~(int64_t)63;
  *bytes = d->packed_bytes + (more > *bytes ? more : *bytes);
  return st;
}

conv_dnnl *conv_dnnl_new(const cpu *self, const conv_shape *q, int64_t *bytes) {
  const cpu_dnnl *lib = self->dnnl;
  dnnl_primitive_attr_t attr = NULL;
  conv_dnnl *d = calloc(1, sizeof *d);
  if (!d) return NULL;
  d->op = q->op;
  d->stream = lib->stream;
  dnnl_status_t st = dnnl_primitive_attr_create(&attr);
  if (!st) st = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
  tensors t = {0};
  if (!st) st = describe(q, &t);
  if (!st) st = plan(d, lib->engine, &t, attr, bytes);
  cpu_md_free(&t.x);
  cpu_md_free(&t.y);
  cpu_md_free(&t.any);
  cpu_md_free(&t.filter);
  dnnl_primitive_attr_destroy(attr);
  if (!st) return d;
  conv_dnnl_free(d);
  return NULL;
}

gantry_status conv_dnnl_ready(conv_dnnl *d) {
  dnnl_status_t st = dnnl_primitive_create(&d->conv, d->conv_pd);
  if (!st && d->reordered) st = dnnl_primitive_create(&d->reorder, d->reorder_pd);
  return st ? GANTRY_E_DEVICE : GANTRY_OK;
}

static dnnl_status_t reorder(const conv_dnnl *d, dnnl_memory_t from, dnnl_memory_t to) {
  dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}, {DNNL_ARG_SCRATCHPAD, d->reorder_pad}};
  return dnnl_primitive_execute(d->reorder, d->stream, 3, args);
}

gantry_status conv_dnnl_run(const conv_dnnl *d, void *a, void *b, void *out, char *scratch) {
  int dgrad = d->op == GANTRY_OP_CONV_DGRAD, wgrad = d->op == GANTRY_OP_CONV_WGRAD;
  void *image = dgrad ? out : a, *filter = wgrad ? out : b, *result = dgrad ? a : wgrad ? b : out, *pad = scratch + d->packed_bytes;
  dnnl_status_t st = dnnl_memory_set_data_handle(d->image, image);
  if (!st) st = dnnl_memory_set_data_handle(d->result, result);
  if (!st) st = dnnl_memory_set_data_handle(d->filter, filter);
  if (!st) st = dnnl_memory_set_data_handle(d->packed, d->reordered ? scratch : filter);
  if (!st) st = dnnl_memory_set_data_handle(d->pad, pad);
  if (!st && d->reordered) st = dnnl_memory_set_data_handle(d->reorder_pad, pad);
  if (!st && d->reordered && !wgrad) st = reorder(d, d->filter, d->packed);
  dnnl_exec_arg_t args[] = {{dgrad ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, d->image},
                            {wgrad ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, d->packed},
                            {dgrad || wgrad ? DNNL_ARG_DIFF_DST : DNNL_ARG_DST, d->result},
                            {DNNL_ARG_SCRATCHPAD, d->pad}};
  if (!st) st = dnnl_primitive_execute(d->conv, d->stream, 4, args);
  if (!st && d->reordered && wgrad) st = reorder(d, d->packed, d->filter);
  if (!st) st = dnnl_stream_wait(d->stream);
  return st ? GANTRY_E_DEVICE : GANTRY_OK;
}

void conv_dnnl_free(conv_dnnl *d) {
  if (!d) return;
  dnnl_memory_t memories[] = {d->image, d->filter, d->packed, d->result, d->pad, d->reorder_pad};
  for (size_t k = 0; k < sizeof memories / sizeof *memories; k++)
    if (memories[k]) dnnl_memory_destroy(memories[k]);
  if (d->conv) dnnl_primitive_destroy(d->conv);
  if (d->reorder) dnnl_primitive_destroy(d->reorder);
  if (d->conv_pd) dnnl_primitive_desc_destroy(d->conv_pd);
  if (d->reorder_pd) dnnl_primitive_desc_destroy(d->reorder_pd);
  free(d);
}
