/* vjp_lib.c - derivatives of contractions, resampling and indexing. Each family is closed: its derivatives are its own operations.
 *
 * CONV, CONV_DGRAD and CONV_WGRAD are the three partial derivatives of one trilinear form, so the rule of each names the two others.
 * The adjoint of FIR is FIR with up and down exchanged and the filter read the other way. SAMPLE and SPLAT are adjoint; the derivative
 * to a coordinate replaces that axis' hat function by its derivative (DMASK), and a hat has no second one. */
#include "ad/vjp.h"

void vjp_matmul(ir_graph *g, ir_id y, ir_id c, const uint8_t *need, ir_id *d_in) {
  ir_id a = ir_in(g, y, 0), b = ir_in(g, y, 1);
  int ta = (int)ir_attr_i(g, y, GANTRY_A_TA, 0), tb = (int)ir_attr_i(g, y, GANTRY_A_TB, 0);
  if (need[0]) d_in[0] = ta ? ir_matmul(g, b, c, tb, 1) : ir_matmul(g, c, b, 0, !tb);
  if (need[1]) d_in[1] = tb ? ir_matmul(g, c, a, 1, ta) : ir_matmul(g, a, c, !ta, 0);
}

static ir_id conv(ir_graph *g, uint32_t op, ir_id y, ir_id a, ir_id b, ir_id like) {
  ad_attrs at = {.n = 0};
  ad_take(&at, g, y, GANTRY_A_STRIDE);
  ad_take(&at, g, y, GANTRY_A_PAD_LO);
  ad_take(&at, g, y, GANTRY_A_PAD_HI);
  ad_take(&at, g, y, GANTRY_A_DILATION);
  ad_take(&at, g, y, GANTRY_A_GROUPS);
  if (op != GANTRY_OP_CONV) ad_put_dims(&at, g, like);
  return ad_op2(g, op, a, b, &at);
}

void vjp_conv(ir_graph *g, ir_id y, ir_id c, const uint8_t *need, ir_id *d_in) {
  ir_id a = ir_in(g, y, 0), b = ir_in(g, y, 1);
  switch (ir_at(g, y)->op) {
    case GANTRY_OP_CONV: /* a = x, b = w */
      if (need[0]) d_in[0] = conv(g, GANTRY_OP_CONV_DGRAD, y, c, b, a);
      if (need[1]) d_in[1] = conv(g, GANTRY_OP_CONV_WGRAD, y, a, c, b);
      return;
    case GANTRY_OP_CONV_DGRAD: /* a = gradient of the output, b = w; c has the image's shape */
      if (need[0]) d_in[0] = conv(g, GANTRY_OP_CONV, y, c, b, 0);
      if (need[1]) d_in[1] = conv(g, GANTRY_OP_CONV_WGRAD, y, c, a, b);
      return;
    case GANTRY_OP_CONV_WGRAD: /* a = x, b = gradient of the output; c has the filter's shape */
      if (need[0]) d_in[0] = conv(g, GANTRY_OP_CONV_DGRAD, y, b, c, a);
      if (need[1]) d_in[1] = conv(g, GANTRY_OP_CONV, y, a, c, 0);
  }
}

static ir_id fir(ir_graph *g, uint32_t op, ir_id y, ir_id a, ir_id b, ir_id like) {
  ad_attrs at = {.n = 0};
  ad_take(&at, g, y, GANTRY_A_UP);
  ad_take(&at, g, y, GANTRY_A_DOWN);
  ad_take(&at, g, y, GANTRY_A_PAD_LO);
  ad_take(&at, g, y, GANTRY_A_PAD_HI);
  ad_take(&at, g, y, GANTRY_A_FLIP);
  if (op == GANTRY_OP_FIR_FGRAD) ad_put_dims(&at, g, like);
  return ad_op2(g, op, a, b, &at);
}

/* Adjoint of FIR(x; filter) with y's attributes, applied to c of the output's shape. */
static ir_id fir_adjoint(ir_graph *g, ir_id y, ir_id x, ir_id filter, ir_id c) {
  uint32_t s = ir_at(g, filter)->rank, n;
  int64_t up[3], down[3], lo[3], hi[3];
  for (uint32_t k = 0; k < s; k++) {
    int64_t taps = ir_dims(g, filter)[k], in = ir_dims(g, x)[k + 1], out = ir_dims(g, c)[k + 1], pad = ir_attr_iv(g, y, GANTRY_A_PAD_LO, &n)[k];
    up[k] = ir_attr_iv(g, y, GANTRY_A_DOWN, &n)[k];
    down[k] = ir_attr_iv(g, y, GANTRY_A_UP, &n)[k];
    lo[k] = taps - pad - 1;
    hi[k] = in * down[k] - out * up[k] + pad - down[k] + 1;
  }
  ad_attrs at = {.n = 0};
  ad_put_iv(&at, GANTRY_A_UP, s, up);
  ad_put_iv(&at, GANTRY_A_DOWN, s, down);
  ad_put_iv(&at, GANTRY_A_PAD_LO, s, lo);
  ad_put_iv(&at, GANTRY_A_PAD_HI, s, hi);
  ad_put_i(&at, GANTRY_A_FLIP, !ir_attr_i(g, y, GANTRY_A_FLIP, 0));
  return ad_op2(g, GANTRY_OP_FIR, c, filter, &at);
}

void vjp_fir(ir_graph *g, ir_id y, ir_id c, const uint8_t *need, ir_id *d_in) {
  ir_id x = ir_in(g, y, 0), b = ir_in(g, y, 1);
  if (ir_at(g, y)->op == GANTRY_OP_FIR) {
    if (need[0]) d_in[0] = fir_adjoint(g, y, x, b, c);
    if (need[1]) d_in[1] = fir(g, GANTRY_OP_FIR_FGRAD, y, x, c, b);
  } else { /* <c, FGRAD(x, b)> = <b, FIR(x, c)> */
    if (need[0]) d_in[0] = fir_adjoint(g, y, x, c, b);
    if (need[1]) d_in[1] = fir(g, GANTRY_OP_FIR, y, x, c, 0);
  }
}

static ir_id grid_op(ir_graph *g, uint32_t op, ir_id v, ir_id grid, ir_id like, int64_t dmask) {
  ad_attrs at = {.n = 0};
  ad_put_i(&at, GANTRY_A_DMASK, dmask);
  if (op == GANTRY_OP_GRID_SPLAT) ad_put_dims(&at, g, like);
  return ad_op2(g, op, v, grid, &at);
}

/* Gradient to the coordinates of <q, SAMPLE(image, grid)>: per axis, q times the image's slope along it, summed over channels. */
static ir_id grid_slope(ir_graph *g, ir_id image, ir_id q, ir_id grid, int64_t dmask) {
  uint32_t rank = ir_at(g, grid)->rank, axes = ir_at(g, image)->rank - 2;
  int64_t dims[GANTRY_MAX_RANK], last[] = {(int64_t)rank - 1};
  memcpy(dims, ir_dims(g, grid), sizeof(int64_t) * rank);
  dims[rank - 1] = 1;
  ir_id part[3];
  for (uint32_t k = 0; k < axes; k++) {
    if (dmask >> k & 1) part[k] = ir_full(g, ir_at(g, grid)->dtype, rank, dims, 0);
    else part[k] = ir_reshape(g, ir_sum(g, ir_mul(g, q, grid_op(g, GANTRY_OP_GRID_SAMPLE, image, grid, 0, dmask | (int64_t)1 << k)), last, 1), rank, dims);
  }
  gantry_attr axis = {.key = GANTRY_A_AXIS, .n = 1, .v.i = (int64_t)rank - 1};
  return ir_op(g, GANTRY_OP_CONCAT, part, axes, &axis, 1);
}

void vjp_grid(ir_graph *g, ir_id y, ir_id c, const uint8_t *need, ir_id *d_in) {
  ir_id a = ir_in(g, y, 0), grid = ir_in(g, y, 1);
  int64_t dmask = ir_attr_i(g, y, GANTRY_A_DMASK, 0);
  int sample = ir_at(g, y)->op == GANTRY_OP_GRID_SAMPLE;
  if (need[0]) d_in[0] = sample ? grid_op(g, GANTRY_OP_GRID_SPLAT, c, grid, a, dmask) : grid_op(g, GANTRY_OP_GRID_SAMPLE, c, grid, 0, dmask);
  if (need[1]) d_in[1] = sample ? grid_slope(g, a, c, grid, dmask) : grid_slope(g, c, a, grid, dmask);
}

void vjp_index(ir_graph *g, ir_id y, ir_id c, const uint8_t *need, ir_id *d_in) {
  ir_id x = ir_in(g, y, 0), index = ir_in(g, y, 1);
  if (!need[0]) return;
  ad_attrs at = {.n = 0};
  ad_take(&at, g, y, GANTRY_A_AXIS);
  ad_take(&at, g, y, GANTRY_A_BATCH);
  int gather = ir_at(g, y)->op == GANTRY_OP_GATHER;
  if (gather) ad_put_dims(&at, g, x);
  d_in[0] = ad_op2(g, gather ? GANTRY_OP_SCATTER_ADD : GANTRY_OP_GATHER, c, index, &at);
}
