/* lib_grid.c - GRID_SAMPLE and GRID_SPLAT: linear interpolation at real pixel coordinates, zeros outside, and its adjoint.
 *
 * Each point touches the 2^d pixels around it with products of hat functions 1 - |distance|, or their derivatives on the axes of DMASK.
 * Weights are computed in f64; SPLAT adds in the order of the points and their corners. A NaN coordinate touches nothing. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib.h"

typedef struct grid { int64_t samples, points, channels, in[3]; uint32_t axes, dmask; } grid;

/* The hat function around a pixel, or its derivative to the coordinate. */
static inline double hat(double d, uint32_t derivative) { return derivative ? (d < 0 ? 1 : -1) : 1 - fabs(d); }

/* Flat pixel and weight of one corner; -1 outside. */
static inline int64_t corner(const grid *q, const double *at, uint32_t which, double *weight) {
  int64_t flat = 0;
  *weight = 1;
  for (uint32_t k = 0; k < q->axes; k++) {
    double pixel = floor(at[k]) + (which >> k & 1);
    if (!(pixel >= 0 && pixel < (double)q->in[k])) return -1;
    flat = flat * q->in[k] + (int64_t)pixel;
    *weight *= hat(at[k] - pixel, q->dmask >> k & 1);
  }
  return flat;
}

#define REAL float
#define NAME(x) x##_f32
#include "grid_body.h"
#undef REAL
#undef NAME
#define REAL double
#define NAME(x) x##_f64
#include "grid_body.h"

static gantry_status run(const cpu *self, const cpu_lib *l, char *workspace) {
  const grid *q = l->own;
  const void *a = cpu_at(&l->in[0], workspace), *b = cpu_at(&l->in[1], workspace);
  void *out = cpu_at(&l->out, workspace);
  int splat = l->lib.op == GANTRY_OP_GRID_SPLAT;
  (void)self;
  if (l->lib.out.dtype == GANTRY_F32) (splat ? splat_f32 : sample_f32)(q, a, b, out);
  else (splat ? splat_f64 : sample_f64)(q, a, b, out);
  return GANTRY_OK;
}

static int supports(const gantry_lib *l) {
  if (l->n_in != 2 || (l->out.dtype != GANTRY_F32 && l->out.dtype != GANTRY_F64) || l->in[0].dtype != l->out.dtype || l->in[1].dtype != l->out.dtype) return 0;
  const gantry_operand *x = l->op == GANTRY_OP_GRID_SPLAT ? &l->out : &l->in[0], *g = &l->in[1];
  return x->rank >= 3 && x->rank <= 5 && g->rank >= 2 && g->dims[g->rank - 1] == (int64_t)x->rank - 2 && g->dims[0] == x->dims[0];
}

static gantry_status make(const cpu_compile *c, cpu_lib *l) {
  grid *q = calloc(1, sizeof *q);
  if (!q) return cpu_fail(c, GANTRY_E_NOMEM, "out of memory");
  const gantry_operand *x = l->lib.op == GANTRY_OP_GRID_SPLAT ? &l->lib.out : &l->operands[0];
  l->own = q;
  l->run = run;
  q->axes = x->rank - 2;
  q->dmask = (uint32_t)cpu_attr_i(&l->lib, GANTRY_A_DMASK, 0);
  q->samples = x->dims[0];
  q->channels = x->dims[x->rank - 1];
  for (uint32_t k = 0; k < q->axes; k++) q->in[k] = x->dims[k + 1];
  q->points = cpu_count(&l->operands[1]) / q->axes / q->samples;
  return GANTRY_OK;
}
const cpu_family cpu_grid = {supports, NULL, make};
