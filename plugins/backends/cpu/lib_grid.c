/* lib_grid.c - GRID_SAMPLE reads x at real pixel coordinates with linear interpolation and zeros outside, GRID_SPLAT adds values there.
 *
 * A corner's weight is a product of hat functions, one per axis; DMASK names the axes where the hat's derivative stands instead. Points
 * and their corners are visited in order, so sums are the same bits every time. A NaN coordinate reads and adds nothing. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib.h"

typedef struct grid { uint32_t s; int64_t n, points, c, x[3], pixels, dmask; } grid;

static int supports(const gantry_lib *l) {
  if (l->n_in != 2 || (l->out.dtype != GANTRY_F32 && l->out.dtype != GANTRY_F64) || l->in[0].dtype != l->out.dtype || l->in[1].dtype != l->out.dtype) return 0;
  const gantry_operand *x = l->op == GANTRY_OP_GRID_SPLAT ? &l->out : &l->in[0], *g = &l->in[1];
  return x->rank >= 3 && x->rank <= 5 && g->rank >= 2 && g->dims[g->rank - 1] == (int64_t)x->rank - 2 && g->dims[0] == x->dims[0];
}

/* One corner of the cell around a point: its pixel, or -1, and its weight in double. */
static int64_t corner_at(const grid *q, const double *where, uint32_t corner, double *weight) {
  int64_t at = 0;
  *weight = 1;
  for (uint32_t a = 0; a < q->s; a++) {
    double base = floor(where[a]), t = where[a] - base, pixel = base + (corner >> a & 1);
    if (!(pixel >= 0 && pixel < (double)q->x[a])) return -1;
    at = at * q->x[a] + (int64_t)pixel;
    if (q->dmask >> a & 1) *weight *= corner >> a & 1 ? 1 : -1;
    else *weight *= corner >> a & 1 ? t : 1 - t;
  }
  return at;
}

#define GRID(T)                                                                                                        \
  static void grid_##T(const grid *q, int splat, const T *v, const T *coords, T *out) {                                \
    memset(out, 0, (size_t)(q->n * (splat ? q->pixels : q->points) * q->c) * sizeof(T));                               \
    for (int64_t n = 0; n < q->n; n++)                                                                                 \
      for (int64_t p = 0; p < q->points; p++) {                                                                        \
        double where[3] = {0, 0, 0}, w;                                                                                \
        for (uint32_t a = 0; a < q->s; a++) where[a] = (double)coords[(n * q->points + p) * q->s + a];                 \
        for (uint32_t corner = 0; corner < 1u << q->s; corner++) {                                                     \
          int64_t at = corner_at(q, where, corner, &w), image = (n * q->pixels + at) * q->c, here = (n * q->points + p) * q->c; \
          T k = (T)w;                                                                                                  \
          if (at < 0) continue;                                                                                        \
          if (splat) for (int64_t c = 0; c < q->c; c++) out[image + c] += v[here + c] * k;                             \
          else for (int64_t c = 0; c < q->c; c++) out[here + c] += v[image + c] * k;                                   \
        }                                                                                                              \
      }                                                                                                                \
  }
GRID(float)
GRID(double)

static gantry_status run(const cpu *self, const cpu_lib *l, char *workspace) {
  const void *a = cpu_at(&l->in[0], workspace), *b = cpu_at(&l->in[1], workspace);
  int splat = l->lib.op == GANTRY_OP_GRID_SPLAT;
  (void)self;
  if (l->lib.out.dtype == GANTRY_F32) grid_float(l->own, splat, a, b, cpu_at(&l->out, workspace));
  else grid_double(l->own, splat, a, b, cpu_at(&l->out, workspace));
  return GANTRY_OK;
}

static gantry_status make(const cpu_compile *c, cpu_lib *l) {
  const gantry_operand *x = l->lib.op == GANTRY_OP_GRID_SPLAT ? &l->lib.out : &l->operands[0], *g = &l->operands[1];
  grid *q = calloc(1, sizeof *q);
  if (!q) return cpu_fail(c, GANTRY_E_NOMEM, "out of memory");
  l->own = q;
  l->run = run;
  q->s = x->rank - 2;
  q->n = x->dims[0];
  q->c = x->dims[x->rank - 1];
  q->pixels = 1;
  for (uint32_t a = 0; a < q->s; a++) q->pixels *= q->x[a] = x->dims[a + 1];
  q->points = cpu_count(g) / (q->n * (int64_t)q->s);
  q->dmask = cpu_attr_i(&l->lib, GANTRY_A_DMASK, 0);
  return GANTRY_OK;
}
const cpu_family cpu_grid = {supports, NULL, make};
