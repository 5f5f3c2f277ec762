/* conv.c - the convolutions of a session: each distinct one gets a plan of cuDNN once, when the host asks for its scratch.
 *
 * Which engine: the one that the run's folder names; else, with a folder, the fastest of those the heuristics suggest, measured here and written
 * there; without a folder the first suggestion. Engines that are not deterministic are never among them. Where cuDNN has none, the kernels of
 * kernels/conv*.cu do it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dnn.h"
#include "engines.h"

enum { CANDIDATES = 12, TRIES = 5 };
static const int64_t most_workspace = (int64_t)1 << 29;

struct gpu_conv { lib_conv shape; dnn_graph graph; dnn_plan plan; int by_kernel; }; /* by_kernel: cuDNN has nothing for it */

static void signature(const lib_conv *q, int tf32, char dst[400]) {
  static const char *const names[] = {"conv", "dgrad", "wgrad"};
  int n = snprintf(dst, 400, "%s %s%s n%lld c%lld o%lld g%lld align%u", names[q->op - GANTRY_OP_CONV], lib_type_name(q->dtype), tf32 ? " tf32" : "", (long long)q->n, (long long)q->c,
                   (long long)q->o, (long long)q->groups, q->aligned);
  for (uint32_t k = 3 - q->spatial; k < 3; k++)
    n += snprintf(dst + n, (size_t)(400 - n), " x%lld k%lld y%lld stride%lld pad%lld,%lld dil%lld", (long long)q->in[k], (long long)q->k[k], (long long)q->out[k], (long long)q->stride[k],
                  (long long)q->lo[k], (long long)q->hi[k], (long long)q->dilation[k]);
}

static int64_t elements(int64_t a, int64_t b, const int64_t s[3]) { return a * b * s[0] * s[1] * s[2]; }

/* The shortest of a few runs in nanoseconds; 0: it does not run. */
static int64_t time_of(gpu *g, const dnn_plan *p, void *const data[4]) {
  const library *l = g->lib;
  CUevent begin = NULL, end = NULL;
  int64_t best = 0;
  int ok = !l->cuEventCreate(&begin, CU_EVENT_DEFAULT) && !l->cuEventCreate(&end, CU_EVENT_DEFAULT) && !dnn_run(l, g->cudnn, p, data[0], data[1], data[2], data[3]) && !l->cuStreamSynchronize(g->stream);
  for (int t = 0; t < TRIES && ok; t++) {
    float ms = 0;
    ok = !l->cuEventRecord(begin, g->stream) && !dnn_run(l, g->cudnn, p, data[0], data[1], data[2], data[3]) && !l->cuEventRecord(end, g->stream) && !l->cuEventSynchronize(end) &&
         !l->cuEventElapsedTime(&ms, begin, end);
    int64_t ns = (int64_t)((double)ms * 1e6) + 1;
    if (ok && (!best || ns < best)) best = ns;
  }
  if (begin) l->cuEventDestroy(begin);
  if (end) l->cuEventDestroy(end);
  return ok ? best : 0;
}

/* The candidates by time; -1: none runs. Their data is zeros: times do not depend on it. */
static int fastest(gpu *g, const gpu_conv *v, const dnn_engine *list, uint32_t n) {
  const library *l = g->lib;
  const lib_conv *q = &v->shape;
  size_t size = (size_t)lib_size(q->dtype), bytes[3] = {(size_t)elements(q->n, q->c, q->in) * size, (size_t)elements(q->o, q->c / q->groups, q->k) * size, (size_t)elements(q->n, q->o, q->out) * size};
  CUdeviceptr at[4] = {0};
  int best = -1, ok = 1;
  int64_t best_ns = 0, room = 0;
  for (int k = 0; k < 3 && ok; k++) ok = !l->cuMemAlloc(&at[k], bytes[k]) && !l->cuMemsetD8Async(at[k], 0, bytes[k], g->stream);
  for (uint32_t k = 0; k < n && ok; k++) {
    dnn_plan p;
    if (!dnn_plan_make(l, g->cudnn, &v->graph, &list[k], &p)) continue;
    if (p.workspace > room && p.workspace <= most_workspace) {
      if (at[3]) l->cuMemFree(at[3]);
      room = l->cuMemAlloc(&at[3], (size_t)p.workspace) ? 0 : p.workspace;
      if (!room) at[3] = 0;
    }
    int64_t ns = p.workspace > room ? 0 : time_of(g, &p, (void *const[4]){(void *)(uintptr_t)at[0], (void *)(uintptr_t)at[1], (void *)(uintptr_t)at[2], (void *)(uintptr_t)at[3]});
    if (ns && (best < 0 || ns < best_ns)) {
      best = (int)k;
      best_ns = ns;
    }
    dnn_plan_free(l, &p);
  }
  for (int k = 0; k < 4; k++)
    if (at[k]) l->cuMemFree(at[k]);
  return best;
}

static void choose(gpu *g, gpu_conv *v) {
  dnn_engine list[CANDIDATES];
  char name[400];
  int tf32 = v->shape.tf32 != 0, may_round = tf32 || v->shape.dtype == GANTRY_BF16; /* what bf16 can lose it has lost: its products are exact */
  signature(&v->shape, tf32, name);
  const dnn_engine *frozen = g->engines ? engines_find(g->engines, name) : NULL;
  v->by_kernel = 1;
  if (frozen) {
    if (frozen->index >= 0) v->by_kernel = !dnn_plan_make(g->lib, g->cudnn, &v->graph, frozen, &v->plan);
    return;
  }
  memset(list, 0, sizeof list);
  uint32_t n = dnn_engines(g->lib, &v->graph, may_round, list, CANDIDATES);
  g->n_measured += g->engines && n > 1;
  int best = g->engines && n > 1 ? fastest(g, v, list, n) : n ? 0 : -1;
  for (uint32_t k = 0; best >= 0 && k < n && v->by_kernel; k++) { /* without measuring: the first that makes a plan */
    uint32_t j = ((uint32_t)best + k) % n;
    if (!dnn_plan_make(g->lib, g->cudnn, &v->graph, &list[j], &v->plan)) continue;
    if (v->plan.workspace > most_workspace) {
      dnn_plan_free(g->lib, &v->plan);
      continue;
    }
    v->by_kernel = 0;
    best = (int)j;
    break;
  }
  if (!g->engines) return;
  const dnn_engine none = {.index = -1};
  engines_add(g->engines, name, v->by_kernel ? &none : &list[best]);
}

gantry_status gpu_conv_of(gantry_ctx *ctx, gpu *g, const gantry_lib *l, const gpu_conv **out, int64_t *scratch) {
  lib_conv q = lib_conv_of(l);
  const char *what;
  *out = NULL;
  *scratch = 0;
  if (!g->cudnn) return GANTRY_OK;
  gpu_conv *v = NULL;
  for (uint32_t k = 0; k < g->n_convs && !v; k++)
    if (!memcmp(&g->convs[k]->shape, &q, sizeof q)) v = g->convs[k];
  if (!v) {
    gpu_conv **more = realloc(g->convs, (g->n_convs + 1) * sizeof(gpu_conv *));
    if (more) g->convs = more;
    if (!more || !(v = calloc(1, sizeof *v))) return gpu_say(ctx, GANTRY_E_NOMEM, "out of memory");
    g->convs[g->n_convs++] = v;
    v->shape = q;
    v->by_kernel = dnn_graph_make(g->lib, g->cudnn, &q, &v->graph, &what) != CUDNN_STATUS_SUCCESS;
    if (!v->by_kernel) choose(g, v);
  }
  if (v->by_kernel) return GANTRY_OK;
  *scratch = v->plan.workspace;
  *out = v;
  return GANTRY_OK;
}

gantry_status gpu_conv_run(gantry_ctx *ctx, gpu *g, const gpu_conv *v, CUdeviceptr a, CUdeviceptr b, CUdeviceptr out, CUdeviceptr scratch) {
  void *first = (void *)(uintptr_t)a, *second = (void *)(uintptr_t)b, *result = (void *)(uintptr_t)out, *x = first, *w = second, *y = result;
  char why[200] = "", what[400];
  if (v->shape.op == GANTRY_OP_CONV_DGRAD) x = result, y = first;
  if (v->shape.op == GANTRY_OP_CONV_WGRAD) w = result, y = second;
  cudnnStatus_t r = dnn_run(g->lib, g->cudnn, &v->plan, x, w, y, (void *)(uintptr_t)scratch);
  if (!r) return GANTRY_OK;
  g->lib->cudnnGetLastErrorString(why, sizeof why);
  snprintf(what, sizeof what, "cuDNN cannot start a convolution: %.100s %s", g->lib->cudnnGetErrorString(r), why);
  return gpu_library_failed(ctx, g, what);
}

void gpu_conv_describe(const gpu *g, uint32_t k, char dst[80]) {
  static const char *const names[] = {"CONV", "CONV_DGRAD", "CONV_WGRAD"};
  const lib_conv *q = &g->convs[k]->shape;
  dst[0] = 0;
  if (!g->convs[k]->by_kernel) snprintf(dst, 80, "cuDNN %s %s, %u axes%s", names[q->op - GANTRY_OP_CONV], q->tf32 ? "tf32" : lib_type_name(q->dtype), q->spatial, q->groups > 1 ? ", groups" : "");
}

void gpu_convs_free(gpu *g) {
  for (uint32_t k = 0; k < g->n_convs; k++) {
    dnn_plan_free(g->lib, &g->convs[k]->plan);
    dnn_graph_free(g->lib, &g->convs[k]->graph);
    free(g->convs[k]);
  }
  free(g->convs);
}
