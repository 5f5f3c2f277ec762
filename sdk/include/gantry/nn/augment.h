/* nn/augment.h - random transforms of images [n,h,w,c] as graphs: every sample by its own draws, gradients pass to the image.
 *
 * A draw is a vector [n]. Transforms take draws, so a caller decides probabilities; shapes never change. Warps with antialiasing are in nn/warp.h. */
#ifndef GANTRY_NN_AUGMENT_H
#define GANTRY_NN_AUGMENT_H
#include <gantry/nn/random.h>

/* Nonzero if x is a batch of images; else the build fails and says so. */
static inline int gan_need_images(gantry_ctx *cx, gantry_t x) {
  if (gan_rank(cx, x) == 4) return 1;
  gan_fail(cx, "this transform is for images: switch it off for vector data");
  return 0;
}

/* ---- draws: [n] ---- */
/* Uniform in [lo, hi). */
static inline gantry_t gan_draw_uniform(gantry_ctx *cx, int64_t n, double lo, double hi) { return gan_add_k(cx, gan_mul_k(cx, gan_uniform(cx, 1, &n), hi - lo), lo); }
/* N(0, std^2). */
static inline gantry_t gan_draw_normal(gantry_ctx *cx, int64_t n, double std) { return gan_mul_k(cx, gan_normal(cx, 1, &n), std); }
/* Whole numbers lo .. hi, all equally likely, as f32. */
static inline gantry_t gan_draw_whole(gantry_ctx *cx, int64_t n, int64_t lo, int64_t hi) { return gan_add_k(cx, gan_floor(cx, gan_mul_k(cx, gan_uniform(cx, 1, &n), (double)(hi - lo + 1))), (double)lo); }
/* value with probability p (a scalar), else otherwise */
static inline gantry_t gan_sometimes(gantry_ctx *cx, gantry_t p, gantry_t value, double otherwise) {
  int64_t n = gan_dim(cx, value, 0);
  return gan_where(cx, gan_lt(cx, gan_uniform(cx, 1, &n), p), value, gan_const(cx, otherwise));
}
/* Two draws of whole numbers, the first drawn first: in a call's arguments C leaves the order to the compiler. */
static inline void gan_draw_wholes(gantry_ctx *cx, int64_t n, int64_t lo, int64_t hi, int64_t lo2, int64_t hi2, gantry_t out[2]) {
  out[0] = gan_draw_whole(cx, n, lo, hi);
  out[1] = gan_draw_whole(cx, n, lo2, hi2);
}
/* [n] -> [n,1,1,1] */
static inline gantry_t gan_per_image(gantry_ctx *cx, gantry_t v) {
  int64_t d[4];
  d[0] = gan_dim(cx, v, 0); d[1] = d[2] = d[3] = 1;
  return gan_reshape(cx, v, 4, d);
}

/* ---- places ---- */
/* Mirrored left to right where yes > 0. */
static inline gantry_t gan_mirror(gantry_ctx *cx, gantry_t x, gantry_t yes) {
  return gan_where(cx, gan_gt(cx, gan_per_image(cx, yes), gan_const(cx, 0)), gan_reverse(cx, x, 2), x);
}
/* Along one axis (1 = down, 2 = right) by whole numbers of pixels: out[i] = x[i - by]. What enters is zero, or reflected at the edge pixel. */
static inline gantry_t gan_shift_axis(gantry_ctx *cx, gantry_t x, gantry_t by, int axis, int reflect) {
  int64_t d[2], column[2];
  d[0] = gan_dim(cx, x, 0); d[1] = gan_dim(cx, x, axis);
  column[0] = d[0]; column[1] = 1;
  gantry_t last = gan_full_as(cx, GANTRY_I32, 0, NULL, (double)(d[1] - 1));
  gantry_t from = gan_sub(cx, gan_iota(cx, GANTRY_I32, 2, d, 1), gan_cast(cx, gan_reshape(cx, by, 2, column), GANTRY_I32));
  if (reflect) from = gan_sub(cx, last, gan_abs(cx, gan_sub(cx, last, gan_abs(cx, from))));
  return gan_gather(cx, x, from, axis, 1);
}
/* Down and to the right by whole numbers of pixels, each [n]; negative: up, left. */
static inline gantry_t gan_shift(gantry_ctx *cx, gantry_t x, gantry_t down, gantry_t right, int reflect) { return gan_shift_axis(cx, gan_shift_axis(cx, x, down, 1, reflect), right, 2, reflect); }
/* 1 at indices lo .. lo + length - 1 of an axis of `size`, [n,size]. */
static inline gantry_t gan_span(gantry_ctx *cx, gantry_t lo, int64_t length, int64_t size) {
  int64_t d[2], column[2];
  d[0] = gan_dim(cx, lo, 0); d[1] = size;
  column[0] = d[0]; column[1] = 1;
  gantry_t past = gan_sub(cx, gan_iota(cx, GANTRY_F32, 2, d, 1), gan_reshape(cx, lo, 2, column));
  return gan_f32(cx, gan_and(cx, gan_ge(cx, past, gan_const(cx, 0)), gan_lt(cx, past, gan_const(cx, (double)length))));
}
/* Zero in a rectangle whose upper left corner is at (top, left), which may lie outside. */
static inline gantry_t gan_cut_out(gantry_ctx *cx, gantry_t x, gantry_t top, gantry_t left, int64_t height, int64_t width) {
  int64_t d[GANTRY_MAX_RANK], rows[4], columns[4];
  gan_shape(cx, x, d);
  rows[0] = columns[0] = d[0]; rows[1] = d[1]; columns[2] = d[2]; rows[2] = rows[3] = columns[1] = columns[3] = 1;
  gantry_t hole = gan_mul(cx, gan_reshape(cx, gan_span(cx, top, height, d[1]), 4, rows), gan_reshape(cx, gan_span(cx, left, width, d[2]), 4, columns));
  return gan_mul(cx, x, gan_sub(cx, gan_const(cx, 1), hole));
}

/* ---- colours ---- */
/* Each image plus its own number. */
static inline gantry_t gan_brighter(gantry_ctx *cx, gantry_t x, gantry_t by) { return gan_add(cx, x, gan_per_image(cx, by)); }
/* Distances from `mean` (which broadcasts to x) times each image's own scale. */
static inline gantry_t gan_about(gantry_ctx *cx, gantry_t x, gantry_t mean, gantry_t scale) { return gan_add(cx, gan_mul(cx, gan_sub(cx, x, mean), gan_per_image(cx, scale)), mean); }
/* Channels spread about their mean at each pixel. */
static inline gantry_t gan_saturate(gantry_ctx *cx, gantry_t x, gantry_t scale) {
  static const int64_t channel = 3;
  int64_t d[GANTRY_MAX_RANK];
  gan_shape(cx, x, d);
  d[3] = 1;
  return gan_about(cx, x, gan_reshape(cx, gan_mean(cx, x, &channel, 1), 4, d), scale);
}
/* Values spread about the image's mean. */
static inline gantry_t gan_contrast(gantry_ctx *cx, gantry_t x, gantry_t scale) { return gan_about(cx, x, gan_per_image(cx, gan_mean(cx, gan_flatten(cx, x), gan_axes_ + 1, 1)), scale); }
#endif
