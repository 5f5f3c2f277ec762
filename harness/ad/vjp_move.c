/* vjp_move.c - adjoints of rearrangements and reductions: what was copied is summed, what was cut is padded, what was moved moves back. */
#include "ad/vjp.h"

static ir_id unslice(ir_graph *g, ir_id y, ir_id x, ir_id c) {
  int64_t lo[GANTRY_MAX_RANK], hi[GANTRY_MAX_RANK], interior[GANTRY_MAX_RANK];
  uint32_t rank = ir_at(g, x)->rank, n;
  const int64_t *start = ir_attr_iv(g, y, GANTRY_A_START, &n), *step = ir_attr_iv(g, y, GANTRY_A_STEP, &n);
  for (uint32_t k = 0; k < rank; k++) {
    lo[k] = start[k];
    interior[k] = step[k] - 1;
    hi[k] = ir_dims(g, x)[k] - (start[k] + (ir_dims(g, y)[k] - 1) * step[k] + 1);
  }
  ad_attrs a = {.n = 0};
  ad_put_iv(&a, GANTRY_A_LO, rank, lo);
  ad_put_iv(&a, GANTRY_A_HI, rank, hi);
  ad_put_iv(&a, GANTRY_A_INTERIOR, rank, interior);
  return ad_op1(g, GANTRY_OP_PAD, c, &a);
}

static ir_id slice(ir_graph *g, ir_id c, uint32_t rank, const int64_t *start, const int64_t *stop, const int64_t *step) {
  ad_attrs a = {.n = 0};
  ad_put_iv(&a, GANTRY_A_START, rank, start);
  ad_put_iv(&a, GANTRY_A_STOP, rank, stop);
  ad_put_iv(&a, GANTRY_A_STEP, rank, step);
  return ad_op1(g, GANTRY_OP_SLICE, c, &a);
}

static ir_id unpad(ir_graph *g, ir_id y, ir_id x, ir_id c) {
  int64_t start[GANTRY_MAX_RANK], stop[GANTRY_MAX_RANK], step[GANTRY_MAX_RANK];
  uint32_t rank = ir_at(g, x)->rank, n;
  for (uint32_t k = 0; k < rank; k++) {
    start[k] = ir_attr_iv(g, y, GANTRY_A_LO, &n)[k];
    step[k] = ir_attr_iv(g, y, GANTRY_A_INTERIOR, &n)[k] + 1;
    stop[k] = start[k] + (ir_dims(g, x)[k] - 1) * step[k] + 1;
  }
  return slice(g, c, rank, start, stop, step);
}

static void unconcat(ir_graph *g, ir_id y, ir_id c, const uint8_t *need, ir_id *d_in) {
  uint32_t rank = ir_at(g, y)->rank;
  int64_t axis = ir_attr_i(g, y, GANTRY_A_AXIS, 0), start[GANTRY_MAX_RANK] = {0}, stop[GANTRY_MAX_RANK], step[GANTRY_MAX_RANK];
  for (uint32_t k = 0; k < rank; k++) {
    stop[k] = ir_dims(g, y)[k];
    step[k] = 1;
  }
  for (uint32_t k = 0; k < ir_at(g, y)->n_in; k++) {
    stop[axis] = start[axis] + ir_dims(g, ir_in(g, y, k))[axis];
    if (need[k]) d_in[k] = slice(g, c, rank, start, stop, step);
    start[axis] = stop[axis];
  }
}

static ir_id unpermute(ir_graph *g, ir_id y, ir_id c) {
  uint32_t n;
  const int64_t *perm = ir_attr_iv(g, y, GANTRY_A_PERM, &n);
  int64_t inverse[GANTRY_MAX_RANK] = {0};
  for (uint32_t k = 0; k < n; k++) inverse[perm[k]] = k;
  return ir_permute(g, c, inverse);
}

static uint32_t other_axes(const ir_graph *g, ir_id y, uint32_t rank, int64_t *out) {
  uint32_t n, kept = 0;
  const int64_t *axes = ir_attr_iv(g, y, GANTRY_A_AXES, &n);
  for (uint32_t k = 0, j = 0; k < rank; k++)
    if (j < n && axes[j] == k) j++;
    else out[kept++] = k;
  return kept;
}

void vjp_move(ir_graph *g, ir_id y, ir_id c, const uint8_t *need, ir_id *d_in) {
  ir_id x = ir_in(g, y, 0);
  int64_t axes[GANTRY_MAX_RANK], dims[GANTRY_MAX_RANK] = {0};
  ad_attrs a = {.n = 0};
  switch (ir_at(g, y)->op) {
    case GANTRY_OP_RESHAPE:
      if (ir_at(g, x)->rank) memcpy(dims, ir_dims(g, x), sizeof(int64_t) * ir_at(g, x)->rank);
      d_in[0] = ir_reshape(g, c, ir_at(g, x)->rank, dims);
      return;
    case GANTRY_OP_PERMUTE: d_in[0] = unpermute(g, y, c); return;
    case GANTRY_OP_REVERSE:
      ad_take(&a, g, y, GANTRY_A_AXES);
      d_in[0] = ad_op1(g, GANTRY_OP_REVERSE, c, &a);
      return;
    case GANTRY_OP_BROADCAST: {
      uint32_t n = other_axes(g, y, ir_at(g, y)->rank, axes);
      d_in[0] = ir_sum(g, c, axes, n);
      return;
    }
    case GANTRY_OP_SLICE: d_in[0] = unslice(g, y, x, c); return;
    case GANTRY_OP_PAD: d_in[0] = unpad(g, y, x, c); return;
    case GANTRY_OP_CONCAT: unconcat(g, y, c, need, d_in);
  }
}

/* A value of the reduced shape, spread over the input's shape again. */
static ir_id spread(ir_graph *g, ir_id y, ir_id x, ir_id v) {
  int64_t axes[GANTRY_MAX_RANK];
  uint32_t n = other_axes(g, y, ir_at(g, x)->rank, axes);
  ad_attrs a = {.n = 0};
  ad_put_dims(&a, g, x);
  ad_put_iv(&a, GANTRY_A_AXES, n, axes);
  return ad_op1(g, GANTRY_OP_BROADCAST, v, &a);
}

static ir_id sum_like(ir_graph *g, ir_id y, ir_id v) {
  ad_attrs a = {.n = 0};
  ad_take(&a, g, y, GANTRY_A_AXES);
  return ad_op1(g, GANTRY_OP_SUM, v, &a);
}

void vjp_reduce(ir_graph *g, ir_id y, ir_id c, const uint8_t *need, ir_id *d_in) {
  (void)need;
  ir_id x = ir_in(g, y, 0);
  switch (ir_at(g, y)->op) {
    case GANTRY_OP_SUM: d_in[0] = spread(g, y, x, c); return;
    case GANTRY_OP_RMAX: {
      ir_id winner = ir_cmp(g, GANTRY_CMP_EQ, x, spread(g, y, x, y));
      ir_id winners = sum_like(g, y, ir_cast(g, winner, ir_at(g, x)->dtype));
      d_in[0] = ir_where(g, winner, spread(g, y, x, ir_div(g, c, winners)), ir_const(g, ir_at(g, c)->dtype, 0));
      return;
    }
    case GANTRY_OP_VAR: {
      double n = (double)(ir_count(g, x) / ir_count(g, y));
      ir_id mean = ir_scale(g, sum_like(g, y, x), 1 / n); /* as gan_mean() writes it: a layer that has the mean already shares it */
      d_in[0] = ir_mul(g, spread(g, y, x, ir_scale(g, c, 2 / n)), ir_sub(g, x, spread(g, y, x, mean)));
    }
  }
}

void vjp_pass(ir_graph *g, ir_id y, ir_id c, const uint8_t *need, ir_id *d_in) {
  (void)g;
  (void)y;
  (void)need;
  d_in[0] = c; /* RECOMPUTE; STOP_GRAD has no rule */
}
