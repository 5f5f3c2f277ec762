/* nn/norm.h - normalization layers; an experiment chooses among them by the one parameter name `norm`.
 *
 * Images are [n,s..,c], vectors [n,c]. gain and offset are per channel, 1 and 0 at first; with labels they are rows of tables, one per class
 * (conditional normalization: Dumoulin et al. 2017, arXiv:1610.07629). */
#ifndef GANTRY_NN_NORM_H
#define GANTRY_NN_NORM_H
#include <gantry/nn/layers.h>

enum { GAN_NORM_NONE = 0, GAN_NORM_BATCH = 1, GAN_NORM_INSTANCE = 2, GAN_NORM_LAYER = 3, GAN_NORM_PIXEL = 4, GAN_NORM_VIRTUAL = 5 };
#define GAN_NORM_CHOICES "none", "batch", "instance", "layer", "pixel", "virtual", NULL

typedef struct gan_norm_options { /* all zero: no normalization, while training */
  int64_t kind;      /* GAN_NORM_* */
  int64_t reference; /* virtual: the last so many rows of x are the reference batch */
  int64_t classes;   /* conditional: rows of the tables of gains and offsets; 0 = one gain and offset per channel */
  gantry_t label;    /* conditional: i32 [n], one for every row of x */
  int eval;          /* batch: running statistics */
} gan_norm_options;

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

/* [n,c] as a factor of x [n,s..,c]. */
static inline gantry_t gan_per_sample(gantry_ctx *cx, gantry_t v, gantry_t x) {
  int64_t d[GANTRY_MAX_RANK];
  uint32_t r = gan_shape(cx, x, d);
  for (uint32_t k = 1; k + 1 < r; k++) d[k] = 1;
  return gan_reshape(cx, v, r, d);
}

/* y * gain + offset. */
static inline gantry_t gan_affine(gantry_ctx *cx, gantry_t y, const gan_norm_options *o) {
  int64_t d[2];
  d[0] = o->classes; d[1] = gan_dim(cx, y, -1);
  if (!o->classes) return gan_add(cx, gan_mul(cx, y, gan_vector(cx, "gain", d[1], 1)), gan_vector(cx, "offset", d[1], 0));
  gantry_t gain = gan_gather(cx, gan_state(cx, "gain", GANTRY_ROLE_PARAM, 2, d, 1), o->label, 0, 0);
  gantry_t offset = gan_gather(cx, gan_state(cx, "offset", GANTRY_ROLE_PARAM, 2, d, 0), o->label, 0, 0);
  return gan_add(cx, gan_mul(cx, y, gan_per_sample(cx, gain, y)), gan_per_sample(cx, offset, y));
}

/* Batch norm (Ioffe & Szegedy 2015) over all axes but the last, without gain and offset. Running statistics move by `momentum` towards each
 * batch's (the variance with n - 1, as PyTorch's) in every application that keeps its state updates, and are used if eval. */
static inline gantry_t gan_batch_norm(gantry_ctx *cx, gantry_t x, double eps, double momentum, int eval) {
  uint32_t r = gan_rank(cx, x);
  int64_t c = gan_dim(cx, x, -1), n = gan_count(cx, x) / c;
  gantry_t mean, variance, rm = gan_state(cx, "running_mean", GANTRY_ROLE_BUFFER, 1, &c, 0), rv = gan_state(cx, "running_var", GANTRY_ROLE_BUFFER, 1, &c, 1);
  if (eval) return gan_mul(cx, gan_sub(cx, x, rm), gan_rsqrt(cx, gan_add_k(cx, rv, eps)));
  gantry_t y = gan_standardize(cx, x, gan_axes_, r ? r - 1 : 0, eps, &mean, &variance);
  double unbiased = n > 1 ? (double)n / (double)(n - 1) : 1;
  gan_set(cx, "running_mean", gan_add(cx, gan_mul_k(cx, rm, 1 - momentum), gan_mul_k(cx, gan_stop(cx, mean), momentum)));
  gan_set(cx, "running_var", gan_add(cx, gan_mul_k(cx, rv, 1 - momentum), gan_mul_k(cx, gan_stop(cx, variance), momentum * unbiased)));
  return y;
}

/* Virtual batch norm (Salimans et al. 2016, arXiv:1606.03498): a sample is normalized by the statistics of the reference batch, the last m
 * rows of x, and the sample itself, each of the m + 1 with equal weight; the reference rows by their own. A sample's output does not depend on
 * the other samples. The same while training and at evaluation; nothing is remembered. */
static inline gantry_t gan_virtual_norm(gantry_ctx *cx, gantry_t x, double eps, int64_t m) {
  uint32_t r = gan_rank(cx, x);
  int64_t n = gan_dim(cx, x, 0) - m;
  double w = 1.0 / (double)(m + 1);
  gantry_t rows = gan_slice_axis(cx, x, 0, 0, n, 1), mean, variance, own_mean, own_variance, out[2];
  if (m < 1 || n < 1) { gan_fail(cx, "virtual batch norm needs a reference batch behind the samples"); return gan_none(); }
  out[1] = gan_standardize(cx, gan_slice_axis(cx, x, 0, n, n + m, 1), gan_axes_, r ? r - 1 : 0, eps, &mean, &variance);
  own_mean = r > 2 ? gan_mean(cx, rows, gan_axes_ + 1, r - 2) : rows;
  gantry_t apart = gan_sub(cx, own_mean, mean), mixed = gan_add(cx, gan_mul_k(cx, variance, 1 - w), gan_mul_k(cx, gan_square(cx, apart), w * (1 - w)));
  if (r > 2) {
    own_variance = gan_variance(cx, rows, gan_axes_ + 1, r - 2);
    mixed = gan_add(cx, mixed, gan_mul_k(cx, own_variance, w));
  }
  mean = gan_add(cx, mean, gan_mul_k(cx, apart, w));
  out[0] = gan_mul(cx, gan_sub(cx, rows, gan_per_sample(cx, mean, rows)), gan_per_sample(cx, gan_rsqrt(cx, gan_add_k(cx, mixed, eps)), rows));
  return gan_concat(cx, out, 2, 0);
}

/* Pixel norm (Karras et al. 2018): each position's channels to unit root mean square; no parameters. */
static inline gantry_t gan_pixel_norm(gantry_ctx *cx, gantry_t x) {
  int64_t d[GANTRY_MAX_RANK];
  uint32_t r = gan_shape(cx, x, d);
  int64_t last = r ? r - 1 : 0;
  gantry_t s = gan_rsqrt(cx, gan_add_k(cx, gan_mean(cx, gan_square(cx, x), &last, 1), 1e-8));
  return gan_mul(cx, x, gan_broadcast(cx, s, r, d, gan_axes_));
}

/* The norm layer `name`. Instance norm (Ulyanov et al. 2016): per sample and channel over the spatial axes; layer norm (Ba et al. 2016): per
 * sample over everything else. eps 1e-5, momentum 0.1, as PyTorch's. */
static inline gantry_t gan_norm(gantry_ctx *cx, const char *name, gantry_t x, const gan_norm_options *o) {
  uint32_t r = gan_rank(cx, x);
  gantry_t mean, variance, y;
  if (!r) return gan_none(); /* poisoned: it has no axes to count */
  if (o->classes && (o->kind == GAN_NORM_NONE || o->kind == GAN_NORM_PIXEL)) {
    gan_fail(cx, "conditional normalization needs a norm with gain and offset: batch, virtual, instance or layer");
    return gan_none();
  }
  if (o->kind == GAN_NORM_NONE) return x;
  if (o->kind == GAN_NORM_PIXEL) return gan_pixel_norm(cx, x);
  if (o->kind == GAN_NORM_INSTANCE && r < 3) {
    gan_fail(cx, "instance norm needs spatial axes: choose layer or batch norm for vectors");
    return gan_none();
  }
  gan_open(cx, name, -1);
  if (o->kind == GAN_NORM_BATCH)
    y = gan_batch_norm(cx, x, 1e-5, 0.1, o->eval);
  else if (o->kind == GAN_NORM_VIRTUAL)
    y = gan_virtual_norm(cx, x, 1e-5, o->reference);
  else
    y = gan_standardize(cx, x, gan_axes_ + 1, o->kind == GAN_NORM_INSTANCE ? r - 2 : r - 1, 1e-5, &mean, &variance);
  y = gan_affine(cx, y, o);
  gan_close(cx);
  return y;
}
/* gan_norm of one of GAN_NORM_*, with nothing conditional. */
static inline gantry_t gan_plain_norm(gantry_ctx *cx, const char *name, gantry_t x, int64_t kind, int eval) {
  gan_norm_options o;
  memset(&o, 0, sizeof o);
  o.kind = kind;
  o.eval = eval;
  return gan_norm(cx, name, x, &o);
}
#endif
