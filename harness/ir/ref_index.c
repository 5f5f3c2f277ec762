/* ref_index.c - the reference meaning of gather, scatter, argmax of windows, and of the f64 linear algebra (cyclic Jacobi). */
#include <math.h>
#include <stdlib.h>

#include "ir/ref.h"

/* Walks the shape of x[.., index, ..] and moves between its element and x's. */
static void gather(const ref_job *j) {
  int scatter = j->n->op == GANTRY_OP_SCATTER_ADD;
  const int64_t *x = scatter ? ir_dims(j->g, j->id) : ref_dims(j, 0), *index = ref_dims(j, 1), *o = scatter ? ref_dims(j, 0) : ir_dims(j->g, j->id);
  uint32_t rank = scatter ? j->n->rank : ref_rank(j, 0), ro = scatter ? ref_rank(j, 0) : j->n->rank, ri = ref_rank(j, 1);
  uint32_t axis = (uint32_t)ir_attr_i(j->g, j->id, GANTRY_A_AXIS, 0), batch = (uint32_t)ir_attr_i(j->g, j->id, GANTRY_A_BATCH, 0);
  int64_t at[GANTRY_MAX_RANK] = {0}, from[GANTRY_MAX_RANK] = {0}, which[GANTRY_MAX_RANK] = {0};
  do {
    for (uint32_t k = 0; k < axis; k++) from[k] = at[k];
    for (uint32_t k = 0; k < batch; k++) which[k] = at[k];
    for (uint32_t k = batch; k < ri; k++) which[k] = at[axis + k - batch];
    for (uint32_t k = axis + 1; k < rank; k++) from[k] = at[k - 1 + ri - batch];
    double i = j->in[1][ref_flat(ri, index, which)];
    if (i < 0 || i >= (double)x[axis]) continue;
    from[axis] = (int64_t)i;
    int64_t fx = ref_flat(rank, x, from), fo = ref_flat(ro, o, at);
    if (scatter) j->out[fx] = ref_wrap(j->n->dtype, j->out[fx] + j->in[0][fo]);
    else j->out[fo] = j->in[0][fx];
  } while (ref_next(ro, o, at));
}

static void window_argmax(const ref_job *j) {
  uint32_t rank = j->n->rank, s = rank - 2;
  const int64_t *x = ref_dims(j, 0), *o = ir_dims(j->g, j->id), *window = ref_iv(j, GANTRY_A_WINDOW), *stride = ref_iv(j, GANTRY_A_STRIDE), *lo = ref_iv(j, GANTRY_A_PAD_LO);
  int64_t at[GANTRY_MAX_RANK] = {0}, tap[GANTRY_MAX_RANK], from[GANTRY_MAX_RANK];
  do {
    double best = 0;
    int64_t where = -1;
    memset(tap, 0, sizeof tap);
    do {
      int64_t flat = 0;
      int inside = 1;
      memcpy(from, at, sizeof from);
      for (uint32_t k = 0; k < s; k++) {
        from[k + 1] = at[k + 1] * stride[k] + tap[k] - lo[k];
        inside = inside && from[k + 1] >= 0 && from[k + 1] < x[k + 1];
        flat = flat * x[k + 1] + from[k + 1];
      }
      if (!inside) continue;
      double v = j->in[0][ref_flat(rank, x, from)];
      if (where >= 0 && (isnan(best) || !(v > best || isnan(v)))) continue;
      best = v;
      where = flat;
    } while (ref_next(s, window, tap));
    j->out[ref_flat(rank, o, at)] = (double)where;
  } while (ref_next(rank, o, at));
}

void ref_index(const ref_job *j) {
  if (j->n->op == GANTRY_OP_WIN_ARGMAX) window_argmax(j);
  else gather(j);
}

/* Cyclic Jacobi: rotates off-diagonal pairs away until they are nothing beside the diagonal. a becomes diagonal, v its vectors. */
static void jacobi(int64_t n, double *a, double *v) {
  for (int64_t k = 0; k < n * n; k++) v[k] = k % (n + 1) == 0;
  for (int sweep = 0; sweep < 60; sweep++) {
    double off = 0, all = 0;
    for (int64_t k = 0; k < n * n; k++) {
      all += a[k] * a[k];
      if (k % (n + 1)) off += a[k] * a[k];
    }
    if (!(off > 1e-34 * all)) return;
    for (int64_t p = 0; p < n; p++)
      for (int64_t q = p + 1; q < n; q++) {
        if (a[p * n + q] == 0) continue;
        double theta = (a[q * n + q] - a[p * n + p]) / (2 * a[p * n + q]);
        double t = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1)), c = 1 / sqrt(t * t + 1), s = t * c;
        for (int64_t k = 0; k < n; k++) {
          double x = a[k * n + p], y = a[k * n + q];
          a[k * n + p] = c * x - s * y;
          a[k * n + q] = s * x + c * y;
        }
        for (int64_t k = 0; k < n; k++) {
          double x = a[p * n + k], y = a[q * n + k], z = v[k * n + p], w = v[k * n + q];
          a[p * n + k] = c * x - s * y;
          a[q * n + k] = s * x + c * y;
          v[k * n + p] = c * z - s * w;
          v[k * n + q] = s * z + c * w;
        }
      }
  }
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

void ref_linalg(const ref_job *j) {
  int64_t n = ref_dims(j, 0)[0];
  double *a = mem_alloc(sizeof(double) * (size_t)(n * n)), *v = mem_alloc(sizeof(double) * (size_t)(n * n)), *w = mem_alloc(sizeof(double) * (size_t)n), largest = 0;
  for (int64_t r = 0; r < n; r++)
    for (int64_t c = 0; c < n; c++) a[r * n + c] = (j->in[0][r * n + c] + j->in[0][c * n + r]) / 2;
  jacobi(n, a, v);
  for (int64_t k = 0; k < n; k++) {
    w[k] = a[k * n + k];
    if (w[k] > largest) largest = w[k];
  }
  if (j->n->op == GANTRY_OP_EIGVALSH) {
    qsort(w, (size_t)n, sizeof *w, ascending);
    memcpy(j->out, w, sizeof(double) * (size_t)n);
  } else {
    double exponent = ir_attr_f(j->g, j->id, GANTRY_A_EXPONENT, 0, 1), floor_at = (double)n * 2.220446049250313e-16 * largest;
    for (int64_t k = 0; k < n; k++) {
      double p = w[k] <= floor_at ? 0 : pow(w[k], exponent); /* also for negative exponents: a pseudo-inverse. NaN stays */
      for (int64_t r = 0; r < n; r++)
        for (int64_t c = 0; c < n; c++) j->out[r * n + c] += v[r * n + k] * p * v[c * n + k];
    }
  }
  free(a);
  free(v);
  free(w);
}
