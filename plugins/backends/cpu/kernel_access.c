/* kernel_access.c - moving one tile between memory and a register: runs along the innermost axis, axes collapsed where memory allows.
 *
 * Points of a tile are numbered row-major over its extents. Outside an access's bounds a load gives 0 and a store does nothing. */
#include <string.h>

#include "kernel.h"

int64_t cpu_access_offset(const cpu_access *a, const cpu_tile *t, uint32_t rank) {
  int64_t o = 0;
  for (uint32_t k = 0; k < rank; k++) o += t->start[k] * a->stride[k];
  return o * a->size;
}

typedef struct walk { /* the axes of a tile that have an extent, outermost first; strides in elements */
  uint32_t n;
  int64_t ext[GANTRY_MAX_RANK], stride[GANTRY_MAX_RANK], lo[GANTRY_MAX_RANK], hi[GANTRY_MAX_RANK]; /* bounds relative to the start */
  int empty;
} walk;

static void walk_start(walk *w, const cpu_access *a, const cpu_tile *t, uint32_t rank) {
  w->n = 0;
  w->empty = 0;
  for (uint32_t k = 0; k < rank; k++) {
    int64_t e = t->ext[k], s = a->stride[k], lo = 0, hi = e;
    if (a->bounded) {
      lo = a->lo[k] - t->start[k] > 0 ? a->lo[k] - t->start[k] : 0;
      hi = a->hi[k] - t->start[k] < e ? a->hi[k] - t->start[k] : e;
      if (lo >= hi) w->empty = 1;
    }
    if (e == 1) continue;
    uint32_t p = w->n - 1;
    if (w->n && lo == 0 && hi == e && w->stride[p] == s * e && w->lo[p] == 0 && w->hi[p] == w->ext[p]) {
      w->ext[p] *= e;
      w->hi[p] = w->ext[p];
      w->stride[p] = s;
      continue;
    }
    w->ext[w->n] = e;
    w->stride[w->n] = s;
    w->lo[w->n] = lo;
    w->hi[w->n++] = hi;
  }
  if (!w->n) {
    w->ext[0] = 1;
    w->stride[0] = 1;
    w->lo[0] = 0;
    w->hi[0] = 1;
    w->n = 1;
  }
}

#define RUN(T)                                                          \
  static void load_##T(T *d, const T *s, int64_t n, int64_t stride) {   \
    if (stride == 1) for (int64_t i = 0; i < n; i++) d[i] = s[i];       \
    else if (stride == 0) {                                             \
      T v = *s;                                                         \
      for (int64_t i = 0; i < n; i++) d[i] = v;                         \
    } else                                                              \
      for (int64_t i = 0; i < n; i++) d[i] = s[i * stride];             \
  }                                                                     \
  static void store_##T(T *d, const T *s, int64_t n, int64_t stride) {  \
    if (stride == 1) for (int64_t i = 0; i < n; i++) d[i] = s[i];       \
    else                                                                \
      for (int64_t i = 0; i < n; i++) d[i * stride] = s[i];             \
  }
RUN(uint8_t)
RUN(uint16_t)
RUN(uint32_t)
RUN(uint64_t)

static void run(int64_t size, int load, char *memory, char *reg, int64_t n, int64_t stride) {
  switch (size) {
    case 1: load ? load_uint8_t((uint8_t *)reg, (const uint8_t *)memory, n, stride) : store_uint8_t((uint8_t *)memory, (const uint8_t *)reg, n, stride); return;
    case 2: load ? load_uint16_t((uint16_t *)(void *)reg, (const uint16_t *)(const void *)memory, n, stride) : store_uint16_t((uint16_t *)(void *)memory, (const uint16_t *)(const void *)reg, n, stride); return;
    case 4: load ? load_uint32_t((uint32_t *)(void *)reg, (const uint32_t *)(const void *)memory, n, stride) : store_uint32_t((uint32_t *)(void *)memory, (const uint32_t *)(const void *)reg, n, stride); return;
    default: load ? load_uint64_t((uint64_t *)(void *)reg, (const uint64_t *)(const void *)memory, n, stride) : store_uint64_t((uint64_t *)(void *)memory, (const uint64_t *)(const void *)reg, n, stride); return;
  }
}

static void tile_move(const cpu_access *a, const cpu_tile *t, uint32_t rank, char *memory, char *reg, int load) {
  walk w;
  walk_start(&w, a, t, rank);
  int64_t size = a->size;
  if (w.empty) {
    if (load) memset(reg, 0, (size_t)(t->points * size));
    return;
  }
  uint32_t in = w.n - 1;
  int64_t i[GANTRY_MAX_RANK] = {0}, n = w.ext[in], lo = w.lo[in], hi = w.hi[in];
  for (;;) {
    int64_t at = 0;
    int inside = 1;
    for (uint32_t k = 0; k < in; k++) {
      at += i[k] * w.stride[k];
      inside &= i[k] >= w.lo[k] && i[k] < w.hi[k];
    }
    if (inside) {
      if (load && lo) memset(reg, 0, (size_t)(lo * size));
      run(size, load, memory + (at + lo * w.stride[in]) * size, reg + lo * size, hi - lo, w.stride[in]);
      if (load && hi < n) memset(reg + hi * size, 0, (size_t)((n - hi) * size));
    } else if (load)
      memset(reg, 0, (size_t)(n * size));
    reg += n * size;
    uint32_t k = in;
    while (k && ++i[k - 1] == w.ext[k - 1]) i[--k] = 0;
    if (!k) return;
  }
}

void cpu_access_load(const cpu_access *a, const cpu_tile *t, uint32_t rank, const char *memory, char *reg) {
  union { const char *c; char *m; } u = {memory};
  tile_move(a, t, rank, u.m, reg, 1);
}
void cpu_access_store(const cpu_access *a, const cpu_tile *t, uint32_t rank, char *memory, const char *reg) {
  union { const char *c; char *m; } u = {reg};
  tile_move(a, t, rank, memory, u.m, 0);
}
