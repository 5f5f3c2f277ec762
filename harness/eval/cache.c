/* cache.c - sums and rows that a metric kept of real images, shared between evaluations and runs: a safetensors file named by the hash of
 * everything they depend on. A damaged or foreign file is computed again and replaced. See eval.h. */
#include <stdio.h>
#include <stdlib.h>

#include "base/files.h"
#include "base/safetensors.h"
#include "eval/eval.h"

gantry_status eval_cache_get(const eval_context *c, const char *key, uint32_t set, arena *a, eval_kept **list, uint32_t *n, int *hit, err *e) {
  const char *path = arena_fmt(a, "%s/%s.safetensors", c->cache, key);
  err ignored = {0};
  st_file f;
  (void)e;
  *hit = 0;
  if (!file_exists(path) || st_read(path, &f, &ignored)) return GANTRY_OK;
  *n = f.n;
  *list = ARENA_ARRAY(a, eval_kept, f.n + 1);
  *hit = f.n > 0;
  for (uint32_t k = 0; k < f.n && *hit; k++) { /* names are "<how>/<name>" */
    const st_tensor *t = &f.t[k];
    *hit = t->dtype == GANTRY_F64 && t->name[0] >= '0' + GANTRY_KEEP_SUM && t->name[0] <= '0' + GANTRY_KEEP_MAX && t->name[1] == '/';
    eval_kept *v = &(*list)[k];
    *v = (eval_kept){.set = set, .how = (uint32_t)(t->name[0] - '0'), .rank = t->rank, .name = arena_str(a, t->name + 2), .room = t->bytes / 8};
    memcpy(v->dims, t->dims, sizeof v->dims);
    v->data = mem_alloc((size_t)t->bytes);
    memcpy(v->data, t->data, (size_t)t->bytes);
  }
  st_free(&f);
  return GANTRY_OK;
}

void eval_cache_put(const eval_context *c, const char *key, const eval_kept *list, uint32_t n) {
  arena *a = arena_new();
  st_tensor *t = ARENA_ARRAY(a, st_tensor, n + 1);
  err ignored = {0};
  for (uint32_t k = 0; k < n; k++) {
    t[k] = (st_tensor){.name = arena_fmt(a, "%u/%s", list[k].how, list[k].name), .dtype = GANTRY_F64, .rank = list[k].rank, .bytes = 8, .data = list[k].data};
    memcpy(t[k].dims, list[k].dims, sizeof t[k].dims);
    for (uint32_t j = 0; j < list[k].rank; j++) t[k].bytes *= list[k].dims[j];
  }
  st_write(arena_fmt(a, "%s/%s.safetensors", c->cache, key), t, n, NULL, 0, NULL, &ignored);
  arena_free(a);
}
