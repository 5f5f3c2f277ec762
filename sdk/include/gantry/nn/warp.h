/* nn/warp.h - affine maps of images [n,h,w,c] with antialiasing, and affine maps of their colours, by batches of small matrices.
 *
 * The warp is that of Karras et al. 2020 (arXiv:2006.06676, appendix B): the image is continued by reflection, sampled up twice by a wavelet's low-pass
 * filter, sampled bilinearly at twice the size, and sampled down by the same filter. Here the continuation is always as wide as one reflection
 * allows (size - 1), where the paper's code takes what the batch needs up to that bound: the values are the same. */
#ifndef GANTRY_NN_WARP_H
#define GANTRY_NN_WARP_H
#include <gantry/nn/augment.h>

/* ---- batches of matrices [n,k,k] ---- */
/* From k * k entries in rows; each [n] or a scalar. */
static inline gantry_t gan_matrices(gantry_ctx *cx, int64_t n, int64_t k, const gantry_t *entries) {
  gantry_t columns[16];
  int64_t d[3], column[2];
  d[0] = column[0] = n; d[1] = d[2] = k; column[1] = 1;
  for (int64_t i = 0; i < k * k; i++) columns[i] = gan_rank(cx, entries[i]) ? gan_reshape(cx, entries[i], 2, column) : gan_broadcast(cx, entries[i], 2, column, NULL);
  return gan_reshape(cx, gan_concat(cx, columns, (uint32_t)(k * k), 1), 3, d);
}
/* Homogeneous maps of the plane [n,3,3] on (x, y, 1): factors x and y along the axes, each [n] or a scalar. */
static inline gantry_t gan_scaling2(gantry_ctx *cx, int64_t n, gantry_t x, gantry_t y) {
  gantry_t o = gan_const(cx, 0), e[9];
  for (int k = 0; k < 9; k++) e[k] = o;
  e[0] = x; e[4] = y; e[8] = gan_const(cx, 1);
  return gan_matrices(cx, n, 3, e);
}
/* (x, y) added, each [n] or a scalar, in the units of the coordinates. */
static inline gantry_t gan_translation2(gantry_ctx *cx, int64_t n, gantry_t x, gantry_t y) {
  gantry_t o = gan_const(cx, 0), e[9];
  for (int k = 0; k < 9; k++) e[k] = o;
  e[0] = e[4] = e[8] = gan_const(cx, 1); e[2] = x; e[5] = y;
  return gan_matrices(cx, n, 3, e);
}
/* [cos -sin; sin cos] in coordinates x (right), y (down); angle [n] or a scalar, in radians. */
static inline gantry_t gan_rotation2(gantry_ctx *cx, int64_t n, gantry_t angle) {
  gantry_t o = gan_const(cx, 0), e[9];
  for (int k = 0; k < 9; k++) e[k] = o;
  e[0] = e[4] = gan_cos(cx, angle); e[3] = gan_sin(cx, angle); e[1] = gan_neg(cx, e[3]); e[8] = gan_const(cx, 1);
  return gan_matrices(cx, n, 3, e);
}

/* ---- the warp ---- */
/* Low-pass filter of the symlet with 12 taps (Daubechies 1992), which the paper chose. */
#define GAN_SYM6_TAPS 12
static inline const double *gan_sym6(void) {
  static const double taps[GAN_SYM6_TAPS] = {0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633, 0.4910559419267466, 0.787641141030194,
                                             0.3379294217276218, -0.07263752278646252, -0.021060292512300564, 0.04472490177066578, 0.0017677118642428036, -0.007800708325034148};
  return taps;
}
/* One axis (0 or 1 of the two spatial ones): zeros between samples (up) or every second sample (down), filtered by the taps scaled to sum `gain`.
 * flip 1: convolution; 0: correlation. */
static inline gantry_t gan_fir_axis(gantry_ctx *cx, gantry_t x, int axis, int up, int down, int64_t pad_lo, int64_t pad_hi, double gain, int flip) {
  int64_t d[2] = {1, 1}, ups[2] = {1, 1}, downs[2] = {1, 1}, lo[2] = {0, 0}, hi[2] = {0, 0};
  double taps[GAN_SYM6_TAPS], sum = 0;
  gantry_attr at[5];
  gantry_t in[2];
  for (int k = 0; k < GAN_SYM6_TAPS; k++) sum += gan_sym6()[k];
  for (int k = 0; k < GAN_SYM6_TAPS; k++) taps[k] = gan_sym6()[k] * gain / sum;
  d[axis] = GAN_SYM6_TAPS; ups[axis] = up; downs[axis] = down; lo[axis] = pad_lo; hi[axis] = pad_hi;
  in[0] = x;
  in[1] = gan_array(cx, 2, d, taps);
  at[0] = gan_aiv(GANTRY_A_UP, ups, 2);
  at[1] = gan_aiv(GANTRY_A_DOWN, downs, 2);
  at[2] = gan_aiv(GANTRY_A_PAD_LO, lo, 2);
  at[3] = gan_aiv(GANTRY_A_PAD_HI, hi, 2);
  at[4] = gan_ai(GANTRY_A_FLIP, flip);
  return gan_op(cx, GANTRY_OP_FIR, in, 2, at, 5);
}
/* Continued by reflection at the edge pixels: size -> 3 size - 2. */
static inline gantry_t gan_reflected(gantry_ctx *cx, gantry_t x, int axis) {
  int64_t size = gan_dim(cx, x, axis);
  gantry_t parts[3];
  if (size < 2) return x;
  parts[0] = gan_reverse(cx, gan_slice_axis(cx, x, axis, 1, size, 1), axis);
  parts[1] = x;
  parts[2] = gan_reverse(cx, gan_slice_axis(cx, x, axis, 0, size - 1, 1), axis);
  return gan_concat(cx, parts, 3, axis);
}
/* One coordinate of where each output pixel comes from: row . (x, y, 1), as a place in the upsampled image of `size` pixels; [n,rows,columns,1]. */
static inline gantry_t gan_source(gantry_ctx *cx, gantry_t inverse, int row, int64_t rows, int64_t columns, double size) {
  int64_t n = gan_dim(cx, inverse, 0), grid[4], lo[3], hi[3], one[3] = {1, 1, 1}, cell[4];
  grid[0] = cell[0] = n; grid[1] = rows; grid[2] = columns; grid[3] = cell[1] = cell[2] = cell[3] = 1;
  gantry_t at[2], sum = gan_none();
  for (int k = 0; k < 2; k++) { /* x along axis 2, y along axis 1, in pixels of the image from its centre */
    gantry_t j = gan_iota(cx, GANTRY_F32, 4, grid, k ? 1 : 2);
    at[k] = gan_mul_k(cx, gan_add_k(cx, j, 0.5 - (double)((k ? rows : columns) - 1) / 2), 0.5);
  }
  for (int k = 0; k < 3; k++) {
    lo[0] = 0; lo[1] = row; lo[2] = k;
    hi[0] = n; hi[1] = row + 1; hi[2] = k + 1;
    gantry_t m = gan_reshape(cx, gan_slice(cx, inverse, lo, hi, one), 4, cell), part = k < 2 ? gan_mul(cx, m, at[k]) : m;
    sum = k ? gan_add(cx, sum, part) : part;
  }
  return gan_add_k(cx, gan_mul_k(cx, sum, 2), (size - 1) / 2 - 0.5);
}
/* inverse [n,3,3]: from a place in the result to the place in x it is taken from; both in pixels from the image's centre, x right, y down. */
static inline gantry_t gan_warp(gantry_ctx *cx, gantry_t x, gantry_t inverse) {
  const int64_t edge = GAN_SYM6_TAPS / 4;
  int64_t height = gan_dim(cx, x, 1), width = gan_dim(cx, x, 2), rows = 2 * (height + 2 * edge), columns = 2 * (width + 2 * edge);
  gantry_t wide = gan_reflected(cx, gan_reflected(cx, x, 1), 2), yx[2], in[2];
  gantry_attr mask = gan_ai(GANTRY_A_DMASK, 0);
  for (int axis = 0; axis < 2; axis++) wide = gan_fir_axis(cx, wide, axis, 2, 1, (GAN_SYM6_TAPS + 1) / 2, (GAN_SYM6_TAPS - 2) / 2, 2, 1);
  yx[0] = gan_source(cx, inverse, 1, rows, columns, (double)gan_dim(cx, wide, 1));
  yx[1] = gan_source(cx, inverse, 0, rows, columns, (double)gan_dim(cx, wide, 2));
  in[0] = wide;
  in[1] = gan_stop(cx, gan_concat(cx, yx, 2, 3));
  gantry_t y = gan_op(cx, GANTRY_OP_GRID_SAMPLE, in, 2, &mask, 1);
  for (int axis = 0; axis < 2; axis++) y = gan_fir_axis(cx, y, axis, 1, 2, (GAN_SYM6_TAPS - 1) / 2 - 2 * edge, (GAN_SYM6_TAPS - 2) / 2 - 2 * edge, 1, 0);
  return y;
}

/* ---- colours ---- */
/* Affine maps of colours, [n,4,4] on (r, g, b, 1). The gray axis is (1, 1, 1) / sqrt 3. */
/* The same number, [n] or a scalar, added to r, g and b. */
static inline gantry_t gan_colour_shift(gantry_ctx *cx, int64_t n, gantry_t by) {
  gantry_t o = gan_const(cx, 0), e[16];
  for (int k = 0; k < 16; k++) e[k] = o;
  e[0] = e[5] = e[10] = e[15] = gan_const(cx, 1);
  e[3] = e[7] = e[11] = by;
  return gan_matrices(cx, n, 4, e);
}
/* Factor `along` the gray axis (-1 mirrors the luma), `across` of what is at right angles to it (saturation); across a 0 handle: the same as along. */
static inline gantry_t gan_colour_gray(gantry_ctx *cx, int64_t n, gantry_t along, gantry_t across) {
  gantry_t o = gan_const(cx, 0), e[16];
  if (!across.id) across = along;
  gantry_t mean = gan_mul_k(cx, gan_sub(cx, along, across), 1.0 / 3);
  for (int k = 0; k < 16; k++) e[k] = k / 4 == 3 || k % 4 == 3 ? o : k % 5 ? mean : gan_add(cx, mean, across);
  e[15] = gan_const(cx, 1);
  return gan_matrices(cx, n, 4, e);
}
/* Rotation about the gray axis, in radians: hue. Rodrigues: c I + (1 - c) v v' + s [v]x. */
static inline gantry_t gan_colour_turn(gantry_ctx *cx, int64_t n, gantry_t angle) {
  gantry_t o = gan_const(cx, 0), e[16], c = gan_cos(cx, angle), s = gan_mul_k(cx, gan_sin(cx, angle), 0.5773502691896258), rest = gan_mul_k(cx, gan_sub(cx, gan_const(cx, 1), c), 1.0 / 3);
  gantry_t more = gan_add(cx, rest, s), less = gan_sub(cx, rest, s);
  for (int k = 0; k < 16; k++) e[k] = o;
  e[0] = e[5] = e[10] = gan_add(cx, c, rest);
  e[1] = e[6] = e[8] = less;
  e[2] = e[4] = e[9] = more;
  e[15] = gan_const(cx, 1);
  return gan_matrices(cx, n, 4, e);
}
/* Every pixel c -> A c + b by the rows of [A b; ..] in `map` [n,4,4]. One channel: the mean of the rows, as if it were three equal ones. */
static inline gantry_t gan_recolour(gantry_ctx *cx, gantry_t x, gantry_t map) {
  static const int64_t row = 1, column = 2;
  int64_t d[GANTRY_MAX_RANK], flat[3], lo[3] = {0, 0, 0}, hi[3], one[3] = {1, 1, 1};
  gan_shape(cx, x, d);
  hi[0] = d[0]; hi[1] = hi[2] = 3;
  gantry_t a = gan_slice(cx, map, lo, hi, one);
  lo[2] = 3; hi[2] = 4;
  gantry_t b = gan_slice(cx, map, lo, hi, one);
  if (d[3] == 1) {
    gantry_t scale = gan_mean(cx, gan_sum(cx, a, &column, 1), &row, 1), offset = gan_mean(cx, gan_sum(cx, b, &column, 1), &row, 1);
    return gan_add(cx, gan_mul(cx, x, gan_per_image(cx, scale)), gan_per_image(cx, offset));
  }
  flat[0] = d[0]; flat[1] = d[1] * d[2]; flat[2] = 3;
  gantry_t y = gan_matmul_t(cx, gan_reshape(cx, x, 3, flat), a, 0, 1);
  flat[1] = 1;
  return gan_reshape(cx, gan_add(cx, y, gan_reshape(cx, b, 3, flat)), 4, d);
}
#endif
