/* memory.c - gives every temporary of a program an offset in one workspace.
 *
 * In: the order of steps and their operands. Out: offsets and the peak. A value that an elementwise kernel makes may take over the place of one
 * that dies there, if both are read and written element for element at the same places. What remains is placed by decreasing size into
 * the lowest gap that no overlapping lifetime uses. D(real), D(fake) and the double backward are alive at once: the peak decides the batch. */
#include <stdlib.h>

#include "plan/internal.h"

enum { ALIGNMENT = 64 };

static void live_at(plan *p, uint32_t buffer, uint32_t position, int writes) {
  if (buffer == GANTRY_NO_BUFFER) return;
  place *b = &p->buffers.p[buffer];
  if (b->space != GANTRY_SPACE_WORKSPACE) return;
  if (b->first == PLAN_NONE) b->first = position;
  if (position > b->last || !writes) b->last = position > b->last ? position : b->last;
}

static void lifetimes(plan *p) {
  for (uint32_t s = 0; s < p->order.n; s++) {
    const group *x = &p->groups.p[p->order.p[s]];
    if (x->library) {
      for (uint32_t k = 0; k < x->library->n_in; k++) live_at(p, x->library->in[k].buffer, s, 0);
      live_at(p, x->library->out.buffer, s, 1);
      live_at(p, x->library->scratch, s, 1);
    } else {
      for (uint32_t k = 0; k < x->kernel->n_loads; k++) live_at(p, x->kernel->loads[k].buffer, s, 0);
      for (uint32_t k = 0; k < x->kernel->n_stores; k++) live_at(p, x->kernel->stores[k].to.buffer, s, 1);
    }
  }
}

static int same_access(const gantry_access *a, const gantry_access *b) {
  return !a->bounded && !b->bounded && a->offset == b->offset && !memcmp(a->stride, b->stride, sizeof a->stride);
}

/* A temporary that dies in this kernel, of the same size and access, which no other store took: the store's buffer takes its place. */
static void in_place(plan *p, uint32_t s) {
  const gantry_kernel *k = p->groups.p[p->order.p[s]].kernel;
  for (uint32_t j = 0; j < k->n_stores; j++) {
    place *to = &p->buffers.p[k->stores[j].to.buffer];
    if (to->space != GANTRY_SPACE_WORKSPACE || to->first != s || to->shares != PLAN_NONE || (k->kept != k->rank && k->stores[j].reg >= k->body)) continue;
    for (uint32_t i = 0; i < k->n_loads; i++) {
      uint32_t from = k->loads[i].buffer;
      place *f = &p->buffers.p[from];
      if (f->space != GANTRY_SPACE_WORKSPACE || f->last != s || f->first == s || f->bytes != to->bytes || f->elements != to->elements || !same_access(&k->loads[i], &k->stores[j].to)) continue;
      int free_to_take = 1;
      for (uint32_t q = 0; q < k->n_loads && free_to_take; q++) free_to_take = q == i || k->loads[q].buffer != from;
      for (uint32_t b = 0; b < p->buffers.n && free_to_take; b++) free_to_take = p->buffers.p[b].shares != from;
      if (!free_to_take) continue;
      to->shares = from;
      break;
    }
  }
}

static uint32_t owner(const plan *p, uint32_t b) {
  while (p->buffers.p[b].shares != PLAN_NONE) b = p->buffers.p[b].shares;
  return b;
}

typedef struct block { uint32_t buffer, first, last; int64_t bytes, offset; } block;

static int by_size(const void *x, const void *y) {
  const block *a = x, *b = y;
  if (a->bytes != b->bytes) return a->bytes > b->bytes ? -1 : 1;
  return a->buffer < b->buffer ? -1 : 1;
}

static int by_offset(const void *x, const void *y) {
  const block *a = *(const block *const *)x, *b = *(const block *const *)y;
  return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static int64_t place_blocks(block *list, uint32_t n) {
  const block **busy = mem_alloc(sizeof *busy * (n + 1));
  int64_t peak = 0;
  for (uint32_t k = 0; k < n; k++) {
    uint32_t m = 0;
    for (uint32_t j = 0; j < k; j++)
      if (list[j].first <= list[k].last && list[k].first <= list[j].last) busy[m++] = &list[j];
    qsort(busy, m, sizeof *busy, by_offset);
    int64_t at = 0;
    for (uint32_t j = 0; j < m; j++) {
      if (busy[j]->offset - at >= list[k].bytes) break;
      int64_t end = busy[j]->offset + busy[j]->bytes;
      if (end > at) at = end;
    }
    list[k].offset = at;
    if (at + list[k].bytes > peak) peak = at + list[k].bytes;
  }
  free(busy);
  return peak;
}

gantry_status plan_memory(plan *p) {
  lifetimes(p);
  for (uint32_t s = 0; s < p->order.n; s++)
    if (p->groups.p[p->order.p[s]].kernel) in_place(p, s);
  for (uint32_t b = 0; b < p->buffers.n; b++) { /* the owner lives as long as everyone who takes over its place */
    uint32_t o = owner(p, b);
    if (o != b && p->buffers.p[b].last > p->buffers.p[o].last) p->buffers.p[o].last = p->buffers.p[b].last;
  }
  block *list = mem_alloc(sizeof *list * (p->buffers.n + 1));
  uint32_t n = 0;
  for (uint32_t b = 0; b < p->buffers.n; b++) {
    const place *x = &p->buffers.p[b];
    if (x->space != GANTRY_SPACE_WORKSPACE || x->first == PLAN_NONE) continue;
    p->stats.sum_of_temporaries += x->bytes;
    if (owner(p, b) == b) list[n++] = (block){b, x->first, x->last, (x->bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT, 0};
  }
  qsort(list, n, sizeof *list, by_size);
  p->program.workspace_bytes = place_blocks(list, n);
  for (uint32_t k = 0; k < n; k++) p->buffers.p[list[k].buffer].offset = list[k].offset;
  for (uint32_t b = 0; b < p->buffers.n; b++) p->buffers.p[b].offset = p->buffers.p[owner(p, b)].offset;
  free(list);
  return GANTRY_OK;
}
