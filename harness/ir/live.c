/* live.c - which nodes the roots need, and the fingerprint of what they compute. One loop downwards each: inputs precede users. */
#include <stdlib.h>

#include "base/hash.h"
#include "ir/ir.h"

uint8_t *ir_live(const ir_graph *g) {
  uint8_t *live = mem_alloc(g->nodes.n);
  for (uint32_t k = 0; k < g->roots.n; k++) live[g->roots.p[k].id] = 1;
  for (ir_id id = g->nodes.n - 1; id; id--)
    if (live[id])
      for (uint32_t k = 0; k < ir_at(g, id)->n_in; k++) live[ir_in(g, id, k)] = 1;
  live[0] = 0;
  return live;
}

int ir_depends(const ir_graph *g, ir_id y, ir_id x) {
  if (!x || y < x) return 0;
  uint8_t *below = mem_alloc(g->nodes.n);
  below[x] = 1;
  for (ir_id id = x + 1; id <= y; id++)
    for (uint32_t k = 0; k < ir_at(g, id)->n_in; k++) below[id] |= below[ir_in(g, id, k)];
  int yes = below[y];
  free(below);
  return yes;
}

static int by_value(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

/* A node's hash covers everything below it, so the roots say it all; sorted, because the order of roots has no meaning. */
uint64_t ir_hash(const ir_graph *g) {
  uint64_t *h = mem_alloc(sizeof(uint64_t) * (g->roots.n + 1)), all = hash_mix(g->roots.n, GANTRY_MAGIC);
  for (uint32_t k = 0; k < g->roots.n; k++) h[k] = hash_mix(hash_str(ir_name(g, g->roots.p[k].name), g->roots.p[k].kind), ir_at(g, g->roots.p[k].id)->hash);
  qsort(h, g->roots.n, sizeof *h, by_value);
  for (uint32_t k = 0; k < g->roots.n; k++) all = hash_mix(all, h[k]);
  free(h);
  return all;
}
