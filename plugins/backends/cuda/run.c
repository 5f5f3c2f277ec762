/* run.c - programs onto the stream. A sequence of programs is done action by action the first time it is asked for (modules load, libraries make
 * their plans then), captured as one CUDA graph the second time, and replayed from then on: one call of the driver for all steps that the host hands over together. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu.h"

enum { GRAPHS = 64 }; /* sequences remembered: a step's programs, those with a lazy term, metrics */

static CUdeviceptr at(const gpu *g, const gpu_place *p, CUdeviceptr workspace) {
  CUdeviceptr base = p->space == GPU_NAMED ? p->base : p->space == GPU_WORKSPACE ? workspace : g->partial;
  return base + (CUdeviceptr)p->offset;
}

static gantry_status launch(gantry_ctx *ctx, gpu *g, const gpu_exe *e, const gpu_action *a, CUdeviceptr workspace) {
  CUdeviceptr in[GPU_MOST_AT];
  void *args[1] = {in};
  char doing[400];
  for (uint32_t k = 0; k < a->n_at; k++) in[k] = at(g, &a->at[k], workspace);
  CUresult r = g->lib->cuLaunchKernel(a->kernel->fn, (unsigned)a->blocks, 1, 1, 256, 1, 1, 0, g->stream, args, NULL);
  a->kernel->ran = 1;
  if (r == CUDA_SUCCESS) return GANTRY_OK;
  snprintf(doing, sizeof doing, "%.300s: starting a kernel", e->labels[a->step]);
  return gpu_check(ctx, g, r, doing);
}

static gantry_status act(gantry_ctx *ctx, gpu *g, const gpu_exe *e, const gpu_action *a, CUdeviceptr workspace) {
  if (a->kernel) return launch(ctx, g, e, a, workspace);
  CUdeviceptr x = at(g, &a->at[0], workspace), y = at(g, &a->at[1], workspace), out = at(g, &a->at[2], workspace), scratch = at(g, &a->at[3], workspace);
  return a->conv ? gpu_conv_run(ctx, g, a->conv, x, y, out, scratch) : gpu_product_run(ctx, g, a->product, x, y, out, scratch);
}

static gantry_status each(gantry_ctx *ctx, gpu *g, void *const *exes, uint32_t n, CUdeviceptr workspace) {
  for (uint32_t i = 0; i < n; i++) {
    const gpu_exe *e = exes[i];
    for (uint32_t k = 0; k < e->n; k++) {
      gantry_status st = act(ctx, g, e, &e->actions[k], workspace);
      if (st) return st;
    }
  }
  return GANTRY_OK;
}

static void forget(gpu *g, gpu_graph *x) {
  if (x->exec) g->lib->cuGraphExecDestroy(x->exec);
  free(x->exes);
  *x = g->graphs[--g->n_graphs];
}

void gpu_graphs_forget(gpu *g, const gpu_exe *e) {
  for (uint32_t k = g->n_graphs; k-- > 0;) {
    int has = !e;
    for (uint32_t i = 0; i < g->graphs[k].n && !has; i++) has = g->graphs[k].exes[i] == e;
    if (has) forget(g, &g->graphs[k]);
  }
}

static gpu_graph *graph_of(gpu *g, void *const *exes, uint32_t n, CUdeviceptr workspace) { /* NULL: out of memory; then it is done step by step */
  for (uint32_t k = 0; k < g->n_graphs; k++) {
    gpu_graph *x = &g->graphs[k];
    if (x->n == n && x->workspace == workspace && !memcmp(x->exes, exes, n * sizeof *exes)) return x;
  }
  if (!g->graphs && !(g->graphs = calloc(GRAPHS, sizeof *g->graphs))) return NULL;
  if (g->n_graphs == GRAPHS) { /* the least used goes */
    gpu_graph *least = &g->graphs[0];
    for (uint32_t k = 1; k < g->n_graphs; k++)
      if (g->graphs[k].runs < least->runs) least = &g->graphs[k];
    forget(g, least);
  }
  gpu_graph *x = &g->graphs[g->n_graphs];
  *x = (gpu_graph){.exes = malloc((n + 1) * sizeof *exes), .n = n, .workspace = workspace};
  if (!x->exes) return NULL;
  memcpy(x->exes, exes, n * sizeof *exes);
  g->n_graphs++;
  return x;
}

static gantry_status capture(gantry_ctx *ctx, gpu *g, gpu_graph *x) {
  CUgraph graph = NULL;
  gantry_status st = gpu_check(ctx, g, g->lib->cuStreamBeginCapture(g->stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL), "capturing a step");
  if (st) return st;
  st = each(ctx, g, x->exes, x->n, x->workspace);
  CUresult r = g->lib->cuStreamEndCapture(g->stream, &graph);
  if (!st) st = gpu_check(ctx, g, r, "capturing a step");
  if (!st) st = gpu_check(ctx, g, g->lib->cuGraphInstantiate(&x->exec, graph, 0), "making a graph of a step");
  if (graph) g->lib->cuGraphDestroy(graph);
  if (st) x->exec = NULL;
  return st;
}

gantry_status gpu_run(gantry_ctx *ctx, gpu *g, void *const *exes, uint32_t n, CUdeviceptr workspace) {
  gpu_graph *x = graph_of(g, exes, n, workspace);
  if (!x || !x->runs++) return each(ctx, g, exes, n, workspace);
  if (!x->exec) {
    gantry_status st = capture(ctx, g, x);
    if (st) return st;
  }
  g->n_replays++;
  return gpu_check(ctx, g, g->lib->cuGraphLaunch(x->exec, g->stream), "replaying a step");
}

gantry_status gpu_measure(gantry_ctx *ctx, gpu *g, gpu_exe *e, CUdeviceptr workspace, uint32_t runs, int64_t *ns) {
  const library *l = g->lib;
  memset(ns, 0, e->n_steps * sizeof *ns);
  CUevent *mark = calloc(e->n + 1, sizeof *mark);
  int64_t *now = calloc(e->n_steps + 1, sizeof *now);
  gantry_status st = mark && now ? GANTRY_OK : gpu_say(ctx, GANTRY_E_NOMEM, "out of memory");
  for (uint32_t k = 0; k <= e->n && !st; k++) st = gpu_check(ctx, g, l->cuEventCreate(&mark[k], CU_EVENT_DEFAULT), "measuring");
  for (uint32_t r = 0; r < runs && !st; r++) {
    st = gpu_check(ctx, g, l->cuEventRecord(mark[0], g->stream), "measuring");
    for (uint32_t k = 0; k < e->n && !st; k++) {
      st = act(ctx, g, e, &e->actions[k], workspace);
      if (!st) st = gpu_check(ctx, g, l->cuEventRecord(mark[k + 1], g->stream), "measuring");
    }
    if (!st) st = gpu_check(ctx, g, l->cuStreamSynchronize(g->stream), "measuring");
    for (uint32_t k = 0; k < e->n && !st; k++) { /* a step may be several actions; several maps in one launch count as the first of them */
      float ms = 0;
      st = gpu_check(ctx, g, l->cuEventElapsedTime(&ms, mark[k], mark[k + 1]), "measuring");
      now[e->actions[k].step] += (int64_t)((double)ms * 1e6);
    }
    for (uint32_t s = 0; s < e->n_steps; s++) {
      if (!r || now[s] < ns[s]) ns[s] = now[s];
      now[s] = 0;
    }
  }
  for (uint32_t k = 0; mark && k <= e->n; k++)
    if (mark[k]) l->cuEventDestroy(mark[k]);
  free(mark);
  free(now);
  return st;
}
