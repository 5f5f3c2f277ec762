/* kernel_reduce.c - the reductions of a kernel: lanes, their places in scratch, and the tree that joins them.
 *
 * Element j of the reduced axes (row-major, in their own order) goes to lane j % 8; lanes are sequential, in f64 for floats and 64 bits
 * for integers, and are joined by one fixed tree. So the result depends on the shape alone: not on tiles, memory order or vectors. VAR
 * adds deviations from the first element and their squares, which is safe for data far from zero. */
#include <string.h>

#include "elementwise.h"
#include "kernel.h"

static int64_t width(const cpu_kernel *k) { return k->has_b ? k->ext[k->rank - 1] : k->body.points / (k->reduced <= k->body.points ? k->reduced : k->body.points); }

int64_t cpu_reduce_bytes(const cpu_kernel *k, cpu_reduce *r, int64_t at) {
  int64_t bytes = CPU_LANES * 8 * width(k);
  r->acc = at;
  r->square = r->kind == GANTRY_OP_VAR ? at + bytes : 0;
  r->shift = r->kind == GANTRY_OP_VAR ? at + 2 * bytes : 0;
  return at + (r->kind == GANTRY_OP_VAR ? 3 : 1) * bytes;
}

static int is_float(uint32_t dtype) { return dtype == GANTRY_F32 || dtype == GANTRY_F64 || dtype == GANTRY_BF16; }

void cpu_reduce_start(const cpu_kernel *k, const cpu_reduce *r, char *scratch, int64_t kept) {
  int64_t n = CPU_LANES * kept;
  (void)k;
  if (r->kind != GANTRY_OP_RMAX) {
    memset(scratch + r->acc, 0, (size_t)n * 8);
    if (r->kind == GANTRY_OP_VAR) memset(scratch + r->square, 0, (size_t)n * 8);
  } else if (is_float(r->dtype)) {
    double *acc = (double *)(void *)(scratch + r->acc);
    for (int64_t i = 0; i < n; i++) acc[i] = -GK_INFD;
  } else {
    int64_t *acc = (int64_t *)(void *)(scratch + r->acc);
    for (int64_t i = 0; i < n; i++) acc[i] = INT64_MIN;
  }
}

static double element(const cpu_reduce *r, const char *reg, int64_t i) {
  return r->dtype == GANTRY_F64 ? ((const double *)(const void *)reg)[i] : (double)((const float *)(const void *)reg)[i];
}

void cpu_reduce_add(const cpu_kernel *k, const cpu_reduce *r, char *scratch, const char *reg, const cpu_tile *t, int64_t j0) {
  int var = r->kind == GANTRY_OP_VAR;
  char *acc = scratch + r->acc, *square = var ? scratch + r->square : NULL;
  double *shift = var ? (double *)(void *)(scratch + r->shift) : NULL;
  if (k->has_b) {
    int64_t wide = t->ext[k->rank - 1];
    if (var && !j0)
      for (int64_t i = 0; i < wide; i++) shift[i] = element(r, reg, i);
    r->with->out(acc, square, reg, t->points / wide, wide, j0, shift);
    return;
  }
  int64_t row = t->points;
  for (uint32_t a = 0; a < k->n_a; a++) row /= t->ext[a];
  int64_t size = r->dtype == GANTRY_BF16 ? 4 : cpu_size(r->dtype);
  for (int64_t i = 0; i * row < t->points; i++) {
    if (var && !j0) shift[i] = element(r, reg, i * row);
    r->with->in(acc + i * CPU_LANES * 8, var ? square + i * CPU_LANES * 8 : NULL, reg + i * row * size, row, j0, var ? shift[i] : 0);
  }
}

static void put(uint32_t dtype, char *dst, int64_t i, double f, uint64_t u) {
  switch (dtype) {
    case GANTRY_F32: ((float *)(void *)dst)[i] = (float)f; return;
    case GANTRY_BF16: ((float *)(void *)dst)[i] = gk_round_bf16((float)f); return;
    case GANTRY_F64: ((double *)(void *)dst)[i] = f; return;
    case GANTRY_I64: ((uint64_t *)(void *)dst)[i] = u; return;
    case GANTRY_U8: ((uint8_t *)dst)[i] = (uint8_t)u; return;
    case GANTRY_BOOL: ((uint8_t *)dst)[i] = u != 0; return;
    default: ((uint32_t *)(void *)dst)[i] = (uint32_t)u; return;
  }
}

void cpu_reduce_finish(const cpu_kernel *k, const cpu_reduce *r, char *scratch, int64_t kept) {
  int64_t between = k->has_b ? kept : 1, next = k->has_b ? 1 : CPU_LANES;
  char *result = scratch + k->reg_at[r->result];
  for (int64_t i = 0; i < kept; i++) {
    const void *lanes = scratch + r->acc + i * next * 8;
    double f = 0;
    uint64_t u = 0;
    if (!is_float(r->dtype)) u = r->kind == GANTRY_OP_RMAX ? e_tree_max_i(lanes, between) : e_tree_sum_i(lanes, between);
    else if (r->kind == GANTRY_OP_RMAX) f = e_tree_max_f(lanes, between);
    else {
      f = e_tree_sum_f(lanes, between);
      if (r->kind == GANTRY_OP_VAR) {
        f = e_variance(f, e_tree_sum_f((const double *)(const void *)(scratch + r->square + i * next * 8), between), (double)k->reduced);
      }
    }
    put(r->dtype, result, i, f, u);
  }
}
