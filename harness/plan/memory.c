/* memory.c - a place in one workspace for every temporary: lifetimes, in-place reuse, best fit by decreasing size.
 *
 * A kernel's result takes over the place of an input that dies there if both are visited element for element. Chains of such
 * takeovers form one block; blocks whose lifetimes overlap never overlap in memory. */
#include "plan/work.h"

#include <stdlib.h>

static void lifetimes(plan *p) {
  for (uint32_t v = 0; v < p->values.n; v++) p->values.p[v].first = p->values.p[v].last = PLAN_NONE;
  for (uint32_t t = 0; t < p->steps.n; t++) {
    const plan_step *s = &p->steps.p[p->order[t]];
    for (uint32_t k = 0; k < s->writes.n; k++) {
      plan_value *v = &p->values.p[s->writes.p[k]];
      if (v->first == PLAN_NONE) v->first = (int32_t)t;
      v->last = (int32_t)t;
    }
    for (uint32_t k = 0; k < s->reads.n; k++) p->values.p[s->reads.p[k]].last = (int32_t)t;
  }
}

static int temporary(const plan_value *v) { return !v->name && v->first != PLAN_NONE; }

/* May the kernel write value o over value i? */
static int over(const plan_step *s, uint32_t i, uint32_t o) {
  const gantry_kernel *k = s->kernel;
  uint32_t stores = 0;
  for (uint32_t t = 0; t < k->n_stores; t++) {
    if (s->store_values[t] != o) continue;
    stores++;
    int after = k->stores[t].reg >= k->body;
    uint32_t axes = after ? k->kept : k->rank;
    for (uint32_t q = 0; q < k->n_insts; q++) {
      if (k->insts[q].op != GANTRY_K_LOAD || s->load_values[k->insts[q].a] != i) continue;
      const gantry_access *a = &k->loads[k->insts[q].a], *b = &k->stores[t].to;
      if ((q >= k->body) != after || a->bounded || b->bounded || a->offset != b->offset || (axes && memcmp(a->stride, b->stride, sizeof *a->stride * axes))) return 0;
    }
  }
  return stores == 1;
}

static void reuse(plan *p) {
  uint8_t *taken = mem_alloc(p->values.n + 1);
  for (uint32_t t = 0; t < p->steps.n; t++) {
    const plan_step *s = &p->steps.p[p->order[t]];
    if (!s->kernel) continue;
    for (uint32_t w = 0; w < s->writes.n; w++) {
      plan_value *o = &p->values.p[s->writes.p[w]];
      if (!temporary(o) || o->first != (int32_t)t) continue;
      for (uint32_t r = 0; r < s->reads.n && o->shares == PLAN_NONE; r++) {
        uint32_t i = s->reads.p[r];
        const plan_value *in = &p->values.p[i];
        if (!temporary(in) || in->leaf || taken[i] || in->last != (int32_t)t || in->first >= (int32_t)t) continue;
        if (in->count != o->count || ir_dtype_size(in->dtype) != ir_dtype_size(o->dtype) || !over(s, i, s->writes.p[w])) continue;
        o->shares = (int32_t)i;
        taken[i] = 1;
      }
    }
  }
  free(taken);
}

typedef struct block { uint32_t value; int64_t bytes, offset; int32_t first, last; } block;
static int by_size(const void *a, const void *b) {
  const block *x = a, *y = b;
  if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
  if (x->first != y->first) return x->first < y->first ? -1 : 1;
  return x->value < y->value ? -1 : 1;
}
static int by_offset(const void *a, const void *b) {
  const block *x = *(block *const *)a, *y = *(block *const *)b;
  if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
  return x->value < y->value ? -1 : 1;
}

gantry_status plan_memory(plan *p) {
  lifetimes(p);
  reuse(p);
  block *b = mem_alloc(sizeof *b * (p->values.n + 1));
  uint32_t *block_of = mem_alloc(sizeof *block_of * (p->values.n + 1)), n = 0;
  for (uint32_t t = 0; t < p->steps.n; t++) /* in order of writing, so that what a value shares is there before it */
    for (uint32_t k = 0; k < p->steps.p[p->order[t]].writes.n; k++) {
      uint32_t v = p->steps.p[p->order[t]].writes.p[k];
      plan_value *x = &p->values.p[v];
      if (!temporary(x) || x->packed) continue;
      x->packed = 1;
      int64_t bytes = (x->count * ir_dtype_size(x->dtype) + 63) & ~(int64_t)63;
      p->sum_temporaries += bytes;
      if (x->shares != PLAN_NONE) {
        block_of[v] = block_of[x->shares];
        if (b[block_of[v]].last < x->last) b[block_of[v]].last = x->last;
        continue;
      }
      block_of[v] = n;
      b[n++] = (block){.value = v, .bytes = bytes, .first = x->first, .last = x->last};
    }
  block *sorted = mem_alloc(sizeof *sorted * (n + 1)), **near = mem_alloc(sizeof *near * (n + 1));
  for (uint32_t k = 0; k < n; k++) {
    sorted[k] = b[k];
    sorted[k].offset = (int64_t)k; /* remembers which */
  }
  qsort(sorted, n, sizeof *sorted, by_size);
  uint32_t *which = mem_alloc(sizeof *which * (n + 1));
  for (uint32_t k = 0; k < n; k++) which[k] = (uint32_t)sorted[k].offset;
  for (uint32_t k = 0; k < n; k++) {
    uint32_t m = 0;
    for (uint32_t j = 0; j < k; j++)
      if (sorted[j].first <= sorted[k].last && sorted[k].first <= sorted[j].last) near[m++] = &sorted[j];
    qsort(near, m, sizeof *near, by_offset);
    int64_t at = 0, best = -1, gap = INT64_MAX;
    for (uint32_t j = 0; j < m; j++) {
      int64_t room = near[j]->offset - at;
      if (room >= sorted[k].bytes && room < gap) {
        best = at;
        gap = room;
      }
      if (near[j]->offset + near[j]->bytes > at) at = near[j]->offset + near[j]->bytes;
    }
    sorted[k].offset = best >= 0 ? best : at;
    b[which[k]].offset = sorted[k].offset;
    if (sorted[k].offset + sorted[k].bytes > p->workspace) p->workspace = sorted[k].offset + sorted[k].bytes;
  }
  for (uint32_t v = 0; v < p->values.n; v++)
    if (p->values.p[v].packed) p->values.p[v].offset = b[block_of[v]].offset;
  free(b);
  free(block_of);
  free(sorted);
  free(near);
  free(which);
  return GANTRY_OK;
}
