/* emit_space.c - the iteration space as a kernel walks it: axes of one element gone, neighbours that every access sees as one axis merged.
 * See emit.h. */
#include <stdlib.h>
#include <string.h>

#include "emit.h"

static const gantry_access *access_of(const emit *e, uint32_t a) { /* instructions first, then stores; NULL: none */
  if (a >= e->k->n_insts) return &e->k->stores[a - e->k->n_insts].to;
  return e->k->insts[a].op == GANTRY_K_LOAD ? &e->k->loads[e->k->insts[a].a] : NULL;
}
static int is_after(const emit *e, uint32_t a) { return (a >= e->k->n_insts ? e->k->stores[a - e->k->n_insts].reg : a) >= e->k->body && e->k->kept < e->k->rank; }
static int open_at(const gantry_access *a, uint32_t x, int64_t dim) { return !a->bounded || (a->lo[x] <= 0 && a->hi[x] >= dim); }

static int mergeable(const emit *e, uint32_t out, uint32_t in) {
  for (uint32_t i = 0; i < e->k->n_insts; i++)
    if (e->k->insts[i].op == GANTRY_K_INDEX && (e->k->insts[i].a == out || e->k->insts[i].a == in)) return 0;
  for (uint32_t a = 0; a < e->k->n_insts + e->k->n_stores; a++) {
    const gantry_access *f = access_of(e, a);
    if (!f || (out >= e->k->kept && is_after(e, a))) continue;
    if (f->stride[out] != f->stride[in] * e->k->dims[in] || !open_at(f, out, e->k->dims[out]) || !open_at(f, in, e->k->dims[in])) return 0;
  }
  return 1;
}

static void add_axes(emit *e, uint32_t from, uint32_t to) {
  uint32_t last = GANTRY_MAX_RANK;
  for (uint32_t x = from; x < to; x++) {
    if (e->k->dims[x] == 1) continue;
    if (last != GANTRY_MAX_RANK && mergeable(e, last, x)) {
      e->dims[e->rank - 1] *= e->k->dims[x];
      e->axis[e->rank - 1] = x;
    } else {
      e->dims[e->rank] = e->k->dims[x];
      e->axis[e->rank++] = x;
    }
    last = x;
  }
}

static void see(emit *e, const gantry_access *f, int after, emit_access *d) {
  d->offset = f->offset;
  for (uint32_t x = 0; x < (after ? e->k->kept : e->k->rank); x++)
    if (e->k->dims[x] == 1 && !open_at(f, x, 1)) d->never = d->bounded = 1;
  for (uint32_t t = 0; t < e->rank; t++) {
    uint32_t x = e->axis[t];
    int here = !after || t < e->kept;
    d->stride[t] = here ? f->stride[x] : 0;
    d->lo[t] = 0;
    d->hi[t] = e->dims[t];
    if (!here || open_at(f, x, e->k->dims[x])) continue;
    d->bounded = 1;
    if (f->lo[x] > 0) d->lo[t] = f->lo[x];
    if (f->hi[x] < e->dims[t]) d->hi[t] = f->hi[x];
    if (d->lo[t] >= d->hi[t]) d->never = 1;
  }
}

static int64_t farthest(const emit *e, const emit_access *a) {
  int64_t far = a->offset < 0 ? -a->offset : a->offset;
  for (uint32_t t = 0; t < e->rank; t++) far += e->dims[t] * (a->stride[t] < 0 ? -a->stride[t] : a->stride[t]);
  return far;
}

int emit_space(emit *e, uint32_t (*dtype_of)(void *, uint32_t), void *user) {
  const gantry_kernel *k = e->k;
  add_axes(e, 0, k->kept);
  e->kept = e->rank;
  add_axes(e, k->kept, k->rank);
  e->points = e->reduced = 1;
  for (uint32_t t = 0; t < e->rank; t++) *(t < e->kept ? &e->points : &e->reduced) *= e->dims[t];
  e->load = calloc(k->n_insts + 1, sizeof *e->load);
  e->store = calloc(k->n_stores + 1, sizeof *e->store);
  if (!e->load || !e->store) return 0;
  int64_t far = e->points * e->reduced + 4 * EMIT_BLOCK;
  for (uint32_t a = 0; a < k->n_insts + k->n_stores; a++) {
    const gantry_access *f = access_of(e, a);
    emit_access *d = a < k->n_insts ? &e->load[a] : &e->store[a - k->n_insts];
    if (!f) continue;
    see(e, f, is_after(e, a), d);
    d->dtype = dtype_of(user, f->buffer);
    d->slot = a < k->n_insts ? k->insts[a].a : k->n_loads + (a - k->n_insts);
    if (farthest(e, d) > far) far = farthest(e, d);
  }
  e->small = far < (int64_t)1 << 30;
  return 1;
}

static int divides(int64_t v) { return v % 4 == 0; }

/* Every access that moves with the last axis moves by one element, and four of them lie in one place of 16 bytes, all inside or all outside. */
int emit_can_four(const emit *e) {
  uint32_t last = e->rank - 1;
  if (!e->rank || !divides(e->dims[last])) return 0;
  for (uint32_t a = 0; a < e->k->n_insts + e->k->n_stores; a++) {
    const emit_access *d = a < e->k->n_insts ? &e->load[a] : &e->store[a - e->k->n_insts];
    if (!access_of(e, a) || is_after(e, a)) continue;
    if (a >= e->k->n_insts && d->stride[last] != 1) return 0;
    if (d->stride[last] != 0 && d->stride[last] != 1) return 0;
    if (!divides(d->lo[last]) || !divides(d->hi[last])) return 0;
    if (!d->stride[last]) continue;
    if (!divides(d->offset)) return 0;
    for (uint32_t t = 0; t < last; t++)
      if (!divides(d->stride[t])) return 0;
  }
  return 1;
}
