/* kernel_space.c - the iteration space of a kernel: which order to walk it in, which axes to merge, how large a tile is.
 *
 * In goes the host's kernel (kept axes, then reduced ones), out come the axes in walking order with the strides of every access. */
#include <string.h>

#include "kernel_make.h"

static int body_access(const cpu_make *m, uint32_t a) { return m->level[a] == 0; }

/* How many accesses are contiguous along host axis x. */
static int contiguous(const cpu_make *m, uint32_t x) {
  int n = 0;
  for (uint32_t a = 0; a < m->out->n_access; a++) n += body_access(m, a) && m->from[a]->stride[x] == 1;
  return n;
}

static int unbounded(const gantry_access *a, uint32_t x, int64_t dim) { return !a->bounded || (a->lo[x] <= 0 && a->hi[x] >= dim); }

/* May host axis `in` be counted inside host axis `out` as one axis? */
static int mergeable(const cpu_make *m, uint32_t out, uint32_t in) {
  if (m->indexed >> out & 1 || m->indexed >> in & 1) return 0;
  int reduced = out >= m->k->kept;
  for (uint32_t a = 0; a < m->out->n_access; a++) {
    const gantry_access *f = m->from[a];
    if (reduced && !body_access(m, a)) continue;
    if (f->stride[out] != f->stride[in] * m->k->dims[in] || !unbounded(f, out, m->k->dims[out]) || !unbounded(f, in, m->k->dims[in])) return 0;
  }
  return 1;
}

static void axis_add(cpu_make *m, uint32_t x, int merge_with_last) {
  cpu_kernel *o = m->out;
  if (merge_with_last) {
    o->dims[o->rank - 1] *= m->k->dims[x];
    m->axis[o->rank - 1] = x; /* the innermost one has the strides */
    return;
  }
  o->dims[o->rank] = m->k->dims[x];
  m->axis[o->rank++] = x;
}

static void axes_add(cpu_make *m, uint32_t from, uint32_t to, uint32_t skip) {
  uint32_t last = GANTRY_MAX_RANK;
  for (uint32_t x = from; x < to; x++) {
    if (m->k->dims[x] == 1 || x == skip) continue;
    axis_add(m, x, last != GANTRY_MAX_RANK && last != skip && mergeable(m, last, x));
    last = x;
  }
}

/* The kept axis to walk inside the reduced ones, or GANTRY_MAX_RANK. */
static uint32_t inside(const cpu_make *m) {
  const gantry_kernel *k = m->k;
  uint32_t best = GANTRY_MAX_RANK;
  int most = 0;
  for (uint32_t x = k->kept; x < k->rank; x++)
    if (k->dims[x] > 1) most = contiguous(m, x) > most ? contiguous(m, x) : most;
  for (uint32_t x = 0; x < k->kept; x++)
    if (k->dims[x] > 1 && contiguous(m, x) > most) {
      most = contiguous(m, x);
      best = x;
    }
  return best;
}

static void tile_size(cpu_kernel *o, int64_t limit) {
  int64_t p = 1;
  int full = 1;
  for (uint32_t a = 0; a < o->rank; a++) o->ext[a] = 1;
  if (o->has_b) {
    uint32_t b = o->rank - 1;
    o->ext[b] = o->dims[b] < CPU_CHUNK ? o->dims[b] : CPU_CHUNK;
    p = o->ext[b];
    full = p == o->dims[b];
  }
  for (uint32_t a = o->n_a + o->n_r; a > 0 && full; a--) {
    if (a == o->n_a && o->has_b) break; /* one kept point outside at a time */
    int64_t room = limit / p;
    if (room < 1) break;
    o->ext[a - 1] = o->dims[a - 1] < room ? o->dims[a - 1] : room;
    p *= o->ext[a - 1];
    full = o->ext[a - 1] == o->dims[a - 1];
  }
  o->body.points = p;
}

void cpu_space_make(cpu_make *m, int64_t limit) {
  const gantry_kernel *k = m->k;
  cpu_kernel *o = m->out;
  uint32_t b = k->kept < k->rank ? inside(m) : GANTRY_MAX_RANK;
  o->reduced = 1;
  for (uint32_t x = k->kept; x < k->rank; x++) o->reduced *= k->dims[x];
  axes_add(m, 0, k->kept, b);
  o->n_a = o->rank;
  axes_add(m, k->kept, k->rank, GANTRY_MAX_RANK);
  o->n_r = o->rank - o->n_a;
  o->has_b = b != GANTRY_MAX_RANK;
  if (o->has_b) {
    axis_add(m, b, 0);
    /* kept axes just outside b may belong to it: [H, W, C] kept and N reduced is one run of memory */
    while (o->n_a && m->axis[o->n_a - 1] < b && mergeable(m, m->axis[o->n_a - 1], b)) {
      uint32_t between = 0;
      for (uint32_t x = m->axis[o->n_a - 1] + 1; x < b; x++) between += k->dims[x] > 1;
      if (between) break;
      o->dims[o->rank - 1] *= o->dims[o->n_a - 1];
      memmove(&o->dims[o->n_a - 1], &o->dims[o->n_a], sizeof(int64_t) * (o->rank - o->n_a));
      memmove(&m->axis[o->n_a - 1], &m->axis[o->n_a], sizeof(uint32_t) * (o->rank - o->n_a));
      o->n_a--;
      o->rank--;
    }
  }
  if (!o->rank) { /* a scalar: one axis of one element, so that nothing else needs to care */
    o->dims[0] = 1;
    o->rank = o->n_a = 1;
  }
  tile_size(o, limit);
  /* axes as the accesses see them */
  for (uint32_t a = 0; a < o->n_access; a++) {
    cpu_access *d = &o->access[a];
    const gantry_access *f = m->from[a];
    int64_t run = 1;
    d->direct = 1;
    d->bounded = 0;
    for (uint32_t t = o->rank; t-- > 0;) {
      uint32_t x = m->axis[t];
      int kept_only = m->level[a] && x >= k->kept;
      d->stride[t] = kept_only ? 0 : f->stride[x];
      d->lo[t] = INT64_MIN / 4;
      d->hi[t] = INT64_MAX / 4;
      if (!kept_only && x < k->rank && !unbounded(f, x, k->dims[x])) {
        d->lo[t] = f->lo[x];
        d->hi[t] = f->hi[x];
        d->bounded = 1;
      }
      if (!kept_only && o->ext[t] > 1) {
        if (d->stride[t] != run) d->direct = 0;
        run *= o->ext[t];
      }
    }
    /* a bound on an axis of one element that keeps nothing */
    for (uint32_t x = 0; x < k->rank; x++)
      if (k->dims[x] == 1 && f->bounded && !(f->lo[x] <= 0 && f->hi[x] >= 1) && !(m->level[a] && x >= k->kept)) {
        d->bounded = 1;
        d->lo[0] = INT64_MAX / 4;
      }
    if (d->bounded) d->direct = 0;
  }
}
