/* conv_dnnl.c - convolutions in f32 by oneDNN: images stay channels-last, filters are reordered into oneDNN's layout at each run.
 *
 * oneDNN on several threads gives a filter gradient other bits than on one, and some forward passes too. So its primitives are made for one thread and for a
 * slice of the batch, and our threads share the slices; filter gradients of slices are added in their order. How many slices there are follows from the shape.
 * The scratch holds the reordered filter, or the slices' gradients of it, and then a scratchpad of oneDNN's for each thread; nothing is allocated while running. */
#include <stdlib.h>
#include <string.h>

#include "conv.h"
#include "dnnl_common.h"
#include "dnnl_versions.h"

typedef struct worker { dnnl_memory_t image, packed, result, pad; } worker; /* image: x; packed: the filter in oneDNN's layout; result: y */
struct conv_dnnl {
  uint32_t op;
  int reordered;
  dnnl_stream_t stream;
  dnnl_primitive_desc_t conv_pd, reorder_pd;
  dnnl_primitive_t conv, reorder;
  dnnl_memory_t filter, packed, reorder_pad; /* filter: ours */
  worker *workers;
  int64_t slices, crew, image_floats, result_floats, filter_floats, packed_bytes, pad_bytes, pads_at; /* floats of a slice and of a filter as oneDNN lays it; bytes of one filter in the scratch and of one worker; where the workers' begin */
};

enum { MOST_SLICES = 16, WORK = 8 << 20, PIXELS = 1024, BLOCK = 4096 };

/* At least so much arithmetic each that a call does not count, and for a filter gradient so many pixels that adding it to the others does not. Equal slices, so
 * that one primitive does for all. */
static int64_t slices_of(const conv_shape *q) {
  int64_t pixels = q->out[0] * q->out[1] * q->out[2], work = 2 * pixels * q->o * q->k[0] * q->k[1] * q->k[2] * (q->c / q->groups);
  int64_t most = q->op == GANTRY_OP_CONV_WGRAD ? MOST_SLICES / 2 : MOST_SLICES;
  if (most > q->n) most = q->n;
  for (int64_t s = most; s > 1; s--)
    if (q->n % s == 0 && q->n / s * work >= WORK && (q->op != GANTRY_OP_CONV_WGRAD || q->n / s * pixels >= PIXELS)) return s;
  return 1;
}

static cpu_md_ref desc(const_dnnl_primitive_desc_t pd, dnnl_query_t what) { return dnnl_primitive_desc_query_md(pd, what, 0); }

static int64_t aligned(size_t bytes) { return ((int64_t)bytes + 63) & ~(int64_t)63; }

static dnnl_status_t memory(dnnl_engine_t engine, cpu_md_ref md, dnnl_memory_t *out) { return dnnl_memory_create(out, md, engine, DNNL_MEMORY_NONE); }

typedef struct tensors { cpu_md x, y, any, filter; cpu_conv_geometry g; } tensors; /* any: the filter in whatever layout is fastest; filter: ours */

/* Of a slice. Right padding follows from the shapes: rows that no window reaches are cropped, it may be negative. */
static dnnl_status_t describe(const conv_shape *q, tensors *t) {
  static const dnnl_format_tag_t images[] = {dnnl_nwc, dnnl_nhwc, dnnl_ndhwc}, filters[] = {dnnl_owi, dnnl_ohwi, dnnl_odhwi}, grouped[] = {dnnl_gowi, dnnl_gohwi, dnnl_godhwi};
  int s = (int)q->spatial, g = q->groups > 1, skip = 3 - s;
  dnnl_dims_t x = {q->n / slices_of(q), q->c}, y = {q->n / slices_of(q), q->o}, w = {0};
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
  cpu_md_ref image = desc(d->conv_pd, dgrad ? dnnl_query_diff_src_md : dnnl_query_src_md), result = desc(d->conv_pd, d->op == GANTRY_OP_CONV ? dnnl_query_dst_md : dnnl_query_diff_dst_md);
  for (int64_t k = 0; !st && k < d->crew; k++) {
    worker *w = &d->workers[k];
    st = memory(engine, image, &w->image);
    if (!st) st = memory(engine, result, &w->result);
    if (!st) st = memory(engine, packed, &w->packed);
    if (!st) st = memory(engine, pad, &w->pad);
  }
  if (!st) st = memory(engine, packed, &d->packed);
  if (!st) st = memory(engine, ours, &d->filter);
  if (st) return st;
  d->image_floats = (int64_t)dnnl_memory_desc_get_size(image) / 4;
  d->result_floats = (int64_t)dnnl_memory_desc_get_size(result) / 4;
  d->filter_floats = (int64_t)dnnl_memory_desc_get_size(packed) / 4;
  d->pad_bytes = aligned(dnnl_memory_desc_get_size(pad));
  d->reordered = !dnnl_memory_desc_equal(packed, ours);
  int64_t more = 0, filters = wgrad && d->slices > 1 ? d->slices : d->reordered;
  d->packed_bytes = filters ? aligned(dnnl_memory_desc_get_size(packed)) : 0;
  if (d->reordered) {
    st = dnnl_reorder_primitive_desc_create(&d->reorder_pd, wgrad ? packed : ours, engine, wgrad ? ours : packed, engine, attr);
    if (st) return st;
    cpu_md_ref reorder_pad = desc(d->reorder_pd, dnnl_query_scratchpad_md);
    st = memory(engine, reorder_pad, &d->reorder_pad);
    more = aligned(dnnl_memory_desc_get_size(reorder_pad));
  }
  d->pads_at = filters * d->packed_bytes;
  *bytes = d->pads_at + (more > d->crew * d->pad_bytes ? more : d->crew * d->pad_bytes);
  return st;
}

conv_dnnl *conv_dnnl_new(const cpu *self, const conv_shape *q, int64_t *bytes) {
  const cpu_dnnl *lib = self->dnnl;
  dnnl_primitive_attr_t attr = NULL;
  conv_dnnl *d = calloc(1, sizeof *d);
  if (!d) return NULL;
  d->op = q->op;
  d->stream = lib->stream;
  d->slices = slices_of(q);
  d->crew = cpu_crew(self, d->slices);
  d->workers = calloc((size_t)d->crew, sizeof *d->workers);
  if (!d->workers) {
    free(d);
    return NULL;
  }
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

typedef struct running { const conv_dnnl *d; float *image, *filters, *result, *sum; char *pads; int64_t each, n; } running; /* each: floats from a slice's filter to the next one's; n: of a filter */

static int run_slice(const void *user, int64_t slice, int64_t who) {
  const running *r = user;
  const conv_dnnl *d = r->d;
  const worker *w = &d->workers[who];
  int dgrad = d->op == GANTRY_OP_CONV_DGRAD, wgrad = d->op == GANTRY_OP_CONV_WGRAD;
  dnnl_status_t st = dnnl_memory_set_data_handle(w->image, r->image + slice * d->image_floats);
  if (!st) st = dnnl_memory_set_data_handle(w->result, r->result + slice * d->result_floats);
  if (!st) st = dnnl_memory_set_data_handle(w->packed, r->filters + slice * r->each);
  if (!st) st = dnnl_memory_set_data_handle(w->pad, r->pads + who * d->pad_bytes);
  dnnl_exec_arg_t args[] = {{dgrad ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, w->image},
                            {wgrad ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, w->packed},
                            {dgrad || wgrad ? DNNL_ARG_DIFF_DST : DNNL_ARG_DST, w->result},
                            {DNNL_ARG_SCRATCHPAD, w->pad}};
  return st || dnnl_primitive_execute(d->conv, d->stream, 4, args);
}

/* A block of the sum of the slices' filter gradients, in their order. */
static int add_slices(const void *user, int64_t block, int64_t who) {
  const running *r = user;
  int64_t from = block * BLOCK, end = from + BLOCK < r->n ? from + BLOCK : r->n;
  (void)who;
  for (int64_t i = from; i < end; i++) r->sum[i] = r->filters[i] + r->filters[r->each + i];
  for (int64_t s = 2; s < r->d->slices; s++)
    for (int64_t i = from; i < end; i++) r->sum[i] += r->filters[s * r->each + i];
  return 0;
}

gantry_status conv_dnnl_run(const conv_dnnl *d, void *a, void *b, void *out, char *scratch) {
  int dgrad = d->op == GANTRY_OP_CONV_DGRAD, wgrad = d->op == GANTRY_OP_CONV_WGRAD, summed = wgrad && d->slices > 1;
  float *filter = wgrad ? out : b;
  running r = {.d = d, .image = dgrad ? out : a, .result = dgrad ? a : wgrad ? b : out, .pads = scratch + d->pads_at, .n = d->filter_floats};
  r.filters = d->packed_bytes ? (float *)(void *)scratch : filter;
  r.sum = d->reordered ? r.filters : filter;
  r.each = summed ? d->packed_bytes / 4 : 0;
  dnnl_status_t st = dnnl_memory_set_data_handle(d->filter, filter);
  if (!st) st = dnnl_memory_set_data_handle(d->packed, r.sum);
  if (!st && d->reordered) st = dnnl_memory_set_data_handle(d->reorder_pad, r.pads);
  if (!st && d->reordered && !wgrad) st = reorder(d, d->filter, d->packed);
  if (st || cpu_share(d->crew, d->slices, run_slice, &r)) return GANTRY_E_DEVICE;
  int64_t blocks = (r.n + BLOCK - 1) / BLOCK;
  if (summed) cpu_share(d->crew < blocks ? d->crew : blocks, blocks, add_slices, &r);
  if (d->reordered && wgrad) st = reorder(d, d->packed, d->filter);
  if (!st) st = dnnl_stream_wait(d->stream);
  return st ? GANTRY_E_DEVICE : GANTRY_OK;
}

void conv_dnnl_free(conv_dnnl *d) {
  if (!d) return;
  dnnl_memory_t memories[] = {d->filter, d->packed, d->reorder_pad};
  for (size_t k = 0; k < sizeof memories / sizeof *memories; k++)
    if (memories[k]) dnnl_memory_destroy(memories[k]);
  for (int64_t k = 0; k < d->crew; k++) {
    dnnl_memory_t own[] = {d->workers[k].image, d->workers[k].packed, d->workers[k].result, d->workers[k].pad};
    for (size_t m = 0; m < sizeof own / sizeof *own; m++)
      if (own[m]) dnnl_memory_destroy(own[m]);
  }
  free(d->workers);
  if (d->conv) dnnl_primitive_destroy(d->conv);
  if (d->reorder) dnnl_primitive_destroy(d->reorder);
  if (d->conv_pd) dnnl_primitive_desc_destroy(d->conv_pd);
  if (d->reorder_pd) dnnl_primitive_desc_destroy(d->reorder_pd);
  free(d);
}
