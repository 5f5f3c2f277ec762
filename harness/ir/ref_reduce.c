/* ref_reduce.c - the reference meaning of reductions and of the operations that find indices along an axis. */
#include <math.h>
#include <stdlib.h>

#include "ir/ref.h"

static void along_axes(const ref_job *j) {
  uint32_t rank = ref_rank(j, 0), n;
  const int64_t *dims = ref_dims(j, 0), *axes = ir_attr_iv(j->g, j->id, GANTRY_A_AXES, &n);
  int64_t size = 1, *home = mem_alloc(sizeof(int64_t) * (size_t)ir_count(j->g, ir_in(j->g, j->id, 0))), at[GANTRY_MAX_RANK] = {0}, k = 0, total;
  for (uint32_t a = 0; a < n; a++) size *= dims[axes[a]];
  do { /* which output element does input element k belong to */
    int64_t flat = 0;
    for (uint32_t a = 0, r = 0; a < rank; a++)
      if (r < n && axes[r] == a) r++;
      else flat = flat * dims[a] + at[a];
    home[k++] = flat;
  } while (ref_next(rank, dims, at));
  total = k;
  if (j->n->op == GANTRY_OP_RMAX) {
    for (k = 0; k < j->count; k++) j->out[k] = -INFINITY;
    for (k = 0; k < total; k++) {
      double *m = &j->out[home[k]], x = j->in[0][k];
      if (isnan(x) || x > *m) *m = isnan(*m) ? *m : x;
    }
  } else {
    for (k = 0; k < total; k++) j->out[home[k]] = ref_wrap(j->n->dtype, j->out[home[k]] + j->in[0][k]);
  }
  if (j->n->op == GANTRY_OP_VAR) {
    double *mean = mem_alloc(sizeof(double) * (size_t)j->count);
    for (k = 0; k < j->count; k++) {
      mean[k] = j->out[k] / (double)size;
      j->out[k] = 0;
    }
    for (k = 0; k < total; k++) {
      double d = j->in[0][k] - mean[home[k]];
      j->out[home[k]] += d * d / (double)size;
    }
    free(mean);
  }
  free(home);
}

/* NaN counts as larger than every number, in ARGMAX, TOPK and SORT_INDEX alike. */
static int before(double a, double b) { return isnan(b) ? !isnan(a) : a < b; }

static void along_axis(const ref_job *j) {
  uint32_t rank = ref_rank(j, 0), axis = j->n->op == GANTRY_OP_ARGMAX ? (uint32_t)ir_attr_i(j->g, j->id, GANTRY_A_AXIS, 0) : rank - 1;
  const int64_t *dims = ref_dims(j, 0);
  int64_t n = dims[axis], inner = 1, outer = 1, keep = j->n->op == GANTRY_OP_TOPK ? ir_attr_i(j->g, j->id, GANTRY_A_K, 1) : n;
  for (uint32_t k = 0; k < axis; k++) outer *= dims[k];
  for (uint32_t k = axis + 1; k < rank; k++) inner *= dims[k];
  int64_t *order = mem_alloc(sizeof(int64_t) * (size_t)n);
  for (int64_t o = 0; o < outer; o++)
    for (int64_t i = 0; i < inner; i++) {
      const double *x = j->in[0] + o * n * inner + i;
      if (j->n->op == GANTRY_OP_ARGMAX) {
        int64_t best = 0;
        for (int64_t k = 1; k < n; k++)
          if (before(x[best * inner], x[k * inner])) best = k;
        j->out[o * inner + i] = (double)best;
        continue;
      }
      for (int64_t k = 0; k < n; k++) { /* stable insertion sort */
        int64_t at = k;
        for (; at && (j->n->op == GANTRY_OP_TOPK ? before(x[order[at - 1]], x[k]) : before(x[k], x[order[at - 1]])); at--) order[at] = order[at - 1];
        order[at] = k;
      }
      for (int64_t k = 0; k < keep; k++) j->out[o * keep + k] = (double)order[k];
    }
  free(order);
}

void ref_reduce(const ref_job *j) {
  if (ir_op_get(j->n->op)->cls == IR_REDUCE) along_axes(j);
  else along_axis(j);
}
