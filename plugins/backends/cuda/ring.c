/* ring.c - values on their way to the host while the GPU goes on: a copy into page-locked memory, an event behind it, and zeros where the values were. All three stand in the
 * stream's order between two replays, so what the next window adds up begins with nothing, and no second place on the device is needed. The host asks for the event. */
#include <stdlib.h>
#include <string.h>

#include "gpu.h"

struct gpu_take { void *pinned; int64_t room, bytes; CUevent done; int busy; };

static void drop(const gpu *g, gpu_take *t) {
  if (!t) return;
  if (t->done) g->lib->cuEventDestroy(t->done);
  if (t->pinned) g->lib->cuMemFreeHost(t->pinned);
  free(t);
}

static gantry_status make(gantry_ctx *ctx, gpu *g, int64_t bytes, gpu_take **out) {
  gpu_take **more = realloc(g->takes, (g->n_takes + 1) * sizeof *more), *t = calloc(1, sizeof *t);
  if (more) g->takes = more;
  if (!more || !t) {
    free(t);
    return gpu_say(ctx, GANTRY_E_NOMEM, "out of memory");
  }
  t->room = bytes;
  gantry_status st = gpu_check(ctx, g, g->lib->cuMemHostAlloc(&t->pinned, (size_t)bytes, 0), "memory for logged values");
  if (!st) st = gpu_check(ctx, g, g->lib->cuEventCreate(&t->done, CU_EVENT_DISABLE_TIMING), "logging");
  if (st) drop(g, t);
  else *out = g->takes[g->n_takes++] = t;
  return st;
}

gantry_status gpu_take_begin(gantry_ctx *ctx, gpu *g, CUdeviceptr from, int64_t bytes, gpu_take **out) {
  gpu_take *t = NULL;
  gantry_status st = GANTRY_OK;
  for (uint32_t k = 0; k < g->n_takes && !t; k++)
    if (!g->takes[k]->busy && g->takes[k]->room >= bytes) t = g->takes[k];
  if (!t) st = make(ctx, g, bytes, &t);
  if (!st) st = gpu_check(ctx, g, g->lib->cuMemcpyDtoHAsync(t->pinned, from, (size_t)bytes, g->stream), "copying from the GPU");
  if (!st) st = gpu_check(ctx, g, g->lib->cuEventRecord(t->done, g->stream), "logging");
  if (!st) st = gpu_check(ctx, g, g->lib->cuMemsetD8Async(from, 0, (size_t)bytes, g->stream), "clearing memory");
  if (st) return st;
  t->bytes = bytes;
  t->busy = 1;
  g->n_taken++;
  *out = t;
  return GANTRY_OK;
}

gantry_status gpu_take_end(gantry_ctx *ctx, gpu *g, gpu_take *t, int wait, void *dst, uint32_t *ready) {
  CUresult r = wait ? g->lib->cuEventSynchronize(t->done) : g->lib->cuEventQuery(t->done);
  *ready = 0;
  if (r == CUDA_ERROR_NOT_READY) return GANTRY_OK;
  t->busy = 0;
  gantry_status st = gpu_check(ctx, g, r, "computing");
  if (st) return st;
  memcpy(dst, t->pinned, (size_t)t->bytes);
  *ready = 1;
  return GANTRY_OK;
}

void gpu_takes_free(gpu *g) {
  for (uint32_t k = 0; k < g->n_takes; k++) drop(g, g->takes[k]);
  free(g->takes);
  g->takes = NULL;
  g->n_takes = 0;
}
