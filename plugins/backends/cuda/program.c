/* program.c - a program of the host into a list of actions: kernels through emit.h, library steps through lib.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emit.h"
#include "gpu.h"
#include "lib.h"

const gantry_buffer *gpu_program_buffer(const gpu_compile *c, uint32_t k) {
  return (const gantry_buffer *)(const void *)((const char *)c->program->buffers + (size_t)k * c->program->buffer_stride);
}

gantry_status gpu_place_of(const gpu_compile *c, uint32_t buffer, int64_t byte_offset, gpu_place *out) {
  if (buffer >= c->program->n_buffers) return gpu_fail(c, GANTRY_E_INVALID, "buffer %u does not exist", buffer);
  const gantry_buffer *b = gpu_program_buffer(c, buffer);
  const gpu_buffer *named = b->space == GANTRY_SPACE_NAMED ? c->named[buffer] : NULL;
  if (b->space == GANTRY_SPACE_NAMED && !named) return gpu_fail(c, GANTRY_E_INVALID, "tensor '%s' is not bound", b->name);
  *out = (gpu_place){.space = named ? GPU_NAMED : GPU_WORKSPACE, .base = named ? named->at : 0, .offset = byte_offset + (named ? 0 : b->offset), .bytes = b->elements * lib_size(b->dtype) - byte_offset};
  return GANTRY_OK;
}

gpu_action *gpu_add(const gpu_compile *c, const gpu_place *at, uint32_t n_at) {
  gpu_exe *e = c->exe;
  if (!(e->n & (e->n + 1)) || !e->actions) { /* room for the next power of two */
    gpu_action *more = realloc(e->actions, (2 * (size_t)e->n + 2) * sizeof *more);
    if (!more) goto failed;
    e->actions = more;
  }
  gpu_action *a = &e->actions[e->n];
  *a = (gpu_action){.step = c->step, .n_at = n_at, .at = malloc((n_at + 1) * sizeof *at)};
  if (!a->at) goto failed;
  memcpy(a->at, at, n_at * sizeof *at);
  e->n++;
  return a;
failed:
  gpu_fail(c, GANTRY_E_NOMEM, "out of memory");
  return NULL;
}

gantry_status gpu_add_launch(const gpu_compile *c, const char *body, int64_t map_points, int by_four, int64_t blocks, const gpu_place *at, uint32_t n_at) {
  if (blocks < 1) return GANTRY_OK;
  if (blocks > INT32_MAX) return gpu_fail(c, GANTRY_E_UNSUPPORTED, "a tensor needs %lld blocks of threads, a GPU starts at most 2^31", (long long)blocks);
  gpu_action *a = gpu_add(c, at, n_at);
  if (!a) return GANTRY_E_NOMEM;
  if (!(a->body = strdup(body))) return gpu_fail(c, GANTRY_E_NOMEM, "out of memory");
  a->map_points = map_points;
  a->by_four = by_four;
  a->blocks = blocks;
  return GANTRY_OK;
}

static uint32_t dtype_of(void *user, uint32_t buffer) {
  const gpu_compile *c = user;
  return buffer < c->program->n_buffers ? gpu_program_buffer(c, buffer)->dtype : 0;
}

static gantry_status need_partial(const gpu_compile *c, int64_t bytes) {
  gpu *g = c->self;
  if (bytes <= g->partial_bytes) return GANTRY_OK;
  gpu_graphs_forget(g, NULL);
  gantry_status st = gpu_check(c->ctx, g, g->lib->cuStreamSynchronize(g->stream), "waiting for the GPU");
  if (st) return st;
  if (g->partial) g->lib->cuMemFree(g->partial);
  g->held_bytes -= g->partial_bytes;
  g->partial = 0;
  g->partial_bytes = 0;
  st = gpu_check(c->ctx, g, g->lib->cuMemAlloc(&g->partial, (size_t)bytes), "memory for partial sums");
  if (st) return st;
  g->partial_bytes = bytes;
  g->held_bytes += bytes;
  return GANTRY_OK;
}

static gantry_status kernel(gpu_compile *c, const gantry_kernel *k) {
  emit_result r;
  gpu_place at[EMIT_AT];
  const char *why;
  gantry_status st = emit_step(k, dtype_of, c, &r, &why);
  if (st) return gpu_fail(c, st, "%s", why);
  for (uint32_t a = 0; a < k->n_loads && !st; a++) st = gpu_place_of(c, k->loads[a].buffer, 0, &at[a]);
  for (uint32_t s = 0; s < k->n_stores && !st; s++) {
    st = gpu_place_of(c, k->stores[s].to.buffer, 0, &at[k->n_loads + s]);
    at[k->n_loads + s].written = 1;
  }
  if (r.n_at > k->n_loads + k->n_stores) at[r.n_at - 1] = (gpu_place){.space = GPU_PARTIAL, .written = 1, .bytes = r.partial_bytes};
  for (uint32_t a = 0; a < k->n_loads + k->n_stores && !st; a++)
    if (r.dense >> a & 1) at[a].own = (uint16_t)lib_size(dtype_of(c, a < k->n_loads ? k->loads[a].buffer : k->stores[a - k->n_loads].to.buffer));
  if (!st) st = need_partial(c, r.partial_bytes);
  for (uint32_t n = 0; n < r.n && !st; n++) st = gpu_add_launch(c, r.kernel[n].body, r.points, r.four, r.kernel[n].blocks, at, r.n_at);
  emit_result_free(&r);
  return st;
}

static char *label_of(const gantry_program *p, const gantry_step_rec *r) { return strdup(r->label < p->n_labels && p->labels[r->label][0] ? p->labels[r->label] : p->name); }

gantry_status gpu_program_make(gantry_ctx *ctx, gpu *self, const gantry_program *p, void *const *named, gpu_exe **out) {
  gpu_compile c = {.ctx = ctx, .self = self, .program = p, .named = named, .label = p->name};
  gantry_status st = GANTRY_OK;
  gpu_exe *e = c.exe = calloc(1, sizeof *e);
  if (e) e->labels = calloc(p->n_steps + 1, sizeof *e->labels);
  if (e) e->name = strdup(p->name);
  if (!e || !e->labels || !e->name) {
    gpu_exe_free(self, e);
    return gpu_say(ctx, GANTRY_E_NOMEM, "out of memory");
  }
  if (p->version != GANTRY_PROGRAM_VERSION) st = gpu_fail(&c, GANTRY_E_UNSUPPORTED, "program version %u, this backend knows %d", p->version, GANTRY_PROGRAM_VERSION);
  for (; !st && e->n_steps < p->n_steps; e->n_steps++) {
    const gantry_step_rec *r = (const gantry_step_rec *)(const void *)((const char *)p->steps + (size_t)e->n_steps * p->step_stride);
    c.step = e->n_steps;
    c.label = e->labels[c.step] = label_of(p, r);
    if (!c.label) st = gpu_say(ctx, GANTRY_E_NOMEM, "out of memory");
    else if (r->kind == GANTRY_STEP_KERNEL) st = kernel(&c, r->kernel);
    else if (r->kind == GANTRY_STEP_LIB) st = gpu_lib_make(&c, r->lib);
    else st = gpu_fail(&c, GANTRY_E_INVALID, "step %u has the unknown kind %u", c.step, r->kind);
  }
  if (!st) st = gpu_join(&c);
  if (!st) st = gpu_kernels_build(ctx, self);
  if (st) gpu_exe_free(self, e);
  else *out = e;
  return st;
}

void gpu_exe_free(const gpu *self, gpu_exe *e) {
  if (!e) return;
  for (uint32_t k = 0; k < e->n; k++) {
    free(e->actions[k].at);
    free(e->actions[k].body);
    gpu_product_free(self, e->actions[k].product);
  }
  for (uint32_t k = 0; k < e->n_steps; k++) free(e->labels[k]);
  free(e->labels);
  free(e->actions);
  free(e->name);
  free(e);
}
