/* nn/norm.h - normalization layers; an experiment chooses among them by the one parameter name `norm`.
 *
 * Images are [n,s..,c], vectors [n,c]. gain and offset are per channel, 1 and 0 at first. */
#ifndef GANTRY_NN_NORM_H
#define GANTRY_NN_NORM_H
#include <gantry/nn/layers.h>

enum { GAN_NORM_NONE = 0, GAN_NORM_BATCH = 1, GAN_NORM_INSTANCE = 2, GAN_NORM_LAYER = 3, GAN_NORM_PIXEL = 4 };
#define GAN_NORM_CHOICES "none", "batch", "instance", "layer", "pixel", NULL

/* (x - mean) / sqrt(variance + eps), mean and variance over `axes`, which stay as the remaining axes of x in order. */
static inline gantry_t gan_standardize(gantry_ctx *cx, gantry_t x, const int64_t *axes, uint32_t n, double eps, gantry_t *mean, gantry_t *variance) {
  int64_t d[GANTRY_MAX_RANK], keep[GANTRY_MAX_RANK];
  uint32_t r = gan_shape(cx, x, d), m = 0;
  for (uint32_t k = 0; k < r; k++) {
    int reduced = 0;
    for (uint32_t j = 0; j < n; j++) reduced |= axes[j] == (int64_t)k;
    if (!reduced) keep[m++] = k;
  }
  *mean = gan_mean(cx, x, axes, n);
  *variance = gan_variance(cx, x, axes, n);
  gantry_t scale = gan_rsqrt(cx, gan_add_k(cx, *variance, eps));
  return gan_mul(cx, gan_sub(cx, x, gan_broadcast(cx, *mean, r, d, keep)), gan_broadcast(cx, scale, r, d, keep));
}

/* Batch norm (Ioffe & Szegedy 2015) over all axes but the last. Running statistics move by `momentum` towards each batch's (the variance
 * with n - 1, as PyTorch's) and are used if eval. */
static inline gantry_t gan_batch_norm(gantry_ctx *cx, gantry_t x, double eps, double momentum, int eval) {
  uint32_t r = gan_rank(cx, x);
  int64_t c = gan_dim(cx, x, -1), n = gan_count(cx, x) / c;
  gantry_t mean, variance, y, rm = gan_state(cx, "running_mean", GANTRY_ROLE_BUFFER, 1, &c, 0), rv = gan_state(cx, "running_var", GANTRY_ROLE_BUFFER, 1, &c, 1);
  if (eval)
    y = gan_mul(cx, gan_sub(cx, x, rm), gan_rsqrt(cx, gan_add_k(cx, rv, eps)));
  else {
    y = gan_standardize(cx, x, gan_axes_, r ? r - 1 : 0, eps, &mean, &variance);
    double unbiased = n > 1 ? (double)n / (double)(n - 1) : 1;
    gan_set(cx, "running_mean", gan_add(cx, gan_mul_k(cx, rm, 1 - momentum), gan_mul_k(cx, gan_stop(cx, mean), momentum)));
    gan_set(cx, "running_var", gan_add(cx, gan_mul_k(cx, rv, 1 - momentum), gan_mul_k(cx, gan_stop(cx, variance), momentum * unbiased)));
  }
  return gan_add(cx, gan_mul(cx, y, gan_vector(cx, "gain", c, 1)), gan_vector(cx, "offset", c, 0));
}

/* Pixel norm (Karras et al. 2018): each position's channels to unit root mean square; no parameters. */
static inline gantry_t gan_pixel_norm(gantry_ctx *cx, gantry_t x) {
  int64_t d[GANTRY_MAX_RANK];
  uint32_t r = gan_shape(cx, x, d);
  int64_t last = r ? r - 1 : 0;
  gantry_t s = gan_rsqrt(cx, gan_add_k(cx, gan_mean(cx, gan_square(cx, x), &last, 1), 1e-8));
  return gan_mul(cx, x, gan_broadcast(cx, s, r, d, gan_axes_));
}

/* The norm layer `name` of kind GAN_NORM_*. Instance norm (Ulyanov et al. 2016): per sample and channel over the spatial axes; layer
 * norm (Ba et al. 2016): per sample over everything else. */
static inline gantry_t gan_norm(gantry_ctx *cx, const char *name, gantry_t x, int64_t kind, int eval) {
  uint32_t r = gan_rank(cx, x);
  gantry_t mean, variance, y;
  if (kind == GAN_NORM_NONE) return x;
  if (kind == GAN_NORM_PIXEL) return gan_pixel_norm(cx, x);
  if (kind == GAN_NORM_INSTANCE && r < 3) {
    gan_fail(cx, "instance norm needs spatial axes: choose layer or batch norm for vectors");
    return gan_none();
  }
  gan_open(cx, name, -1);
  if (kind == GAN_NORM_BATCH)
    y = gan_batch_norm(cx, x, 1e-5, 0.1, eval);
  else {
    int64_t c = gan_dim(cx, x, -1);
    y = gan_standardize(cx, x, gan_axes_ + 1, kind == GAN_NORM_INSTANCE ? r - 2 : r - 1, 1e-5, &mean, &variance);
    y = gan_add(cx, gan_mul(cx, y, gan_vector(cx, "gain", c, 1)), gan_vector(cx, "offset", c, 0));
  }
  gan_close(cx);
  return y;
}
#endif
