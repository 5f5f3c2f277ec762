/* kernels.c - text into functions on the device: the session's table of kernels by their text, NVRTC, and the cache of cubins on disk.
 *
 * New kernels are pending until the program that wants them is complete; then they are compiled together, at most BATCH to one NVRTC program
 * (the text in front of them is read once for all). A cubin is kept on disk under the SHA-256 of text, options, NVRTC's version and
 * architecture, in $GANTRY_CACHE, $XDG_CACHE_HOME/gantry or ~/.cache/gantry. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cubins.h"
#include "gpu.h"
#include "kernels_text.h"
#include "text.h"

enum { BATCH = 40 };

gpu_kernel *gpu_kernel_of(gpu *self, const char *body, uint32_t n_at) {
  char hex[65], name[24];
  size_t n = strlen(body);
  cuda_sha256(body, n, hex);
  snprintf(name, sizeof name, "k_%.12s_%u", hex, n_at);
  for (uint32_t k = 0; k < self->n_kernels; k++)
    if (!strcmp(self->kernels[k]->name, name)) return self->kernels[k];
  if (self->n_kernels == self->room_kernels) {
    uint32_t room = self->room_kernels ? 2 * self->room_kernels : 64;
    gpu_kernel **more = realloc(self->kernels, room * sizeof *more);
    if (!more) return NULL;
    self->kernels = more;
    self->room_kernels = room;
  }
  gpu_kernel *k = calloc(1, sizeof *k);
  if (k) k->body = strdup(body);
  if (!k || !k->body) {
    free(k);
    return NULL;
  }
  memcpy(k->name, name, sizeof name);
  k->maps = (strstr(body, "/* map */") ? 1 : 0) | (strstr(body, "/* map by four */") ? 2 : 0);
  const char *title = strstr(body, "/* ");
  if (title) snprintf(k->title, sizeof k->title, "%.*s", (int)strcspn(title + 3, ":.*"), title + 3);
  for (size_t t = strlen(k->title); t && k->title[t - 1] == ' ';) k->title[--t] = 0;
  k->n_at = n_at;
  self->kernels[self->n_kernels++] = k;
  self->n_pending++;
  return k;
}

static void source_of(const gpu_kernel *const *list, uint32_t n, cuda_text *out) {
  cuda_put_lines(out, text_prelude);
  for (uint32_t k = 0; k < n; k++) cuda_put(out, "K_BEGIN(%s, %u)\n%sK_END(%s, %u)\n", list[k]->name, list[k]->n_at, list[k]->body, list[k]->name, list[k]->n_at);
}

static gantry_status load(gantry_ctx *ctx, gpu *self, gpu_kernel **list, uint32_t n, const void *image) {
  CUmodule m;
  gantry_status st = gpu_check(ctx, self, self->lib->cuModuleLoadData(&m, image), "loading kernels");
  if (st) return st;
  CUmodule *more = realloc(self->modules, (self->n_modules + 1) * sizeof *more);
  if (!more) {
    self->lib->cuModuleUnload(m);
    return gpu_say(ctx, GANTRY_E_NOMEM, "out of memory");
  }
  self->modules = more;
  self->modules[self->n_modules++] = m;
  for (uint32_t k = 0; k < n && !st; k++) {
    st = gpu_check(ctx, self, self->lib->cuModuleGetFunction(&list[k]->fn, m, list[k]->name), "finding a kernel");
    if (st) break;
    free(list[k]->body);
    list[k]->body = NULL;
    self->n_pending--;
  }
  return st;
}

static gantry_status build(gantry_ctx *ctx, gpu *self, gpu_kernel **list, uint32_t n) {
  cuda_text source = {0};
  void *image = NULL;
  size_t bytes;
  char *why = NULL;
  source_of((const gpu_kernel *const *)list, n, &source);
  gantry_status st = GANTRY_OK;
  if (source.failed) st = gpu_say(ctx, GANTRY_E_NOMEM, "out of memory");
  else if (!cubins_get(self->lib, source.p, self->arch, &image, &bytes, &why)) st = gpu_say(ctx, GANTRY_E_DEVICE, "%s", why ? why : "out of memory");
  if (!st) st = load(ctx, self, list, n, image);
  free(image);
  free(why);
  cuda_text_free(&source);
  return st;
}

gantry_status gpu_kernels_build(gantry_ctx *ctx, gpu *self) {
  gpu_kernel *list[BATCH];
  uint32_t n = 0;
  gantry_status st = GANTRY_OK;
  for (uint32_t k = 0; k < self->n_kernels && !st && self->n_pending; k++) {
    if (self->kernels[k]->fn) continue;
    list[n++] = self->kernels[k];
    if (n < BATCH) continue;
    st = build(ctx, self, list, n);
    n = 0;
  }
  return !st && n ? build(ctx, self, list, n) : st;
}

void gpu_kernels_free(gpu *self) {
  for (uint32_t k = 0; k < self->n_modules; k++) self->lib->cuModuleUnload(self->modules[k]);
  for (uint32_t k = 0; k < self->n_kernels; k++) {
    free(self->kernels[k]->body);
    free(self->kernels[k]);
  }
  free(self->modules);
  free(self->kernels);
}
