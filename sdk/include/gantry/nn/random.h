/* nn/random.h - uniform, normal and Bernoulli samples from gan_bits(). Same bits on every backend. */
#ifndef GANTRY_NN_RANDOM_H
#define GANTRY_NN_RANDOM_H
#include <gantry/ops.h>

/* Uniform in [0, 1): the upper 24 bits. */
static inline gantry_t gan_uniform(gantry_ctx *cx, uint32_t rank, const int64_t *dims) {
  gantry_t b = gan_2(cx, GANTRY_OP_SHR, gan_bits(cx, rank, dims), gan_full_as(cx, GANTRY_U32, 0, NULL, 8));
  return gan_mul_k(cx, gan_f32(cx, b), 1.0 / 16777216.0);
}
/* Standard normal by Box-Muller from two uniforms each; the first is shifted into (0, 1] so that its logarithm is finite. */
static inline gantry_t gan_normal(gantry_ctx *cx, uint32_t rank, const int64_t *dims) {
  gantry_t u = gan_add_k(cx, gan_uniform(cx, rank, dims), 1.0 / 16777216.0), v = gan_uniform(cx, rank, dims);
  return gan_mul(cx, gan_sqrt(cx, gan_mul_k(cx, gan_log(cx, u), -2.0)), gan_cos(cx, gan_mul_k(cx, v, 6.283185307179586)));
}
/* Inverse of erf on (-1, 1), to about 3e-7 relative (Giles 2012, Approximating the erfinv function, single precision). */
static inline gantry_t gan_erf_inverse(gantry_ctx *cx, gantry_t x) {
  static const double near[9] = {2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503, -0.00417768164, 0.246640727, 1.50140941};
  static const double far[9] = {-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613, 0.00943887047, 1.00167406, 2.83297682};
  gantry_t one = gan_const_like(cx, x, 1), w = gan_neg(cx, gan_log(cx, gan_mul(cx, gan_sub(cx, one, x), gan_add(cx, one, x))));
  gantry_t a = gan_add_k(cx, w, -2.5), b = gan_add_k(cx, gan_sqrt(cx, w), -3), p = gan_const_like(cx, x, near[0]), q = gan_const_like(cx, x, far[0]);
  for (int k = 1; k < 9; k++) {
    p = gan_add_k(cx, gan_mul(cx, p, a), near[k]);
    q = gan_add_k(cx, gan_mul(cx, q, b), far[k]);
  }
  return gan_mul(cx, gan_where(cx, gan_lt(cx, w, gan_const_like(cx, x, 5)), p, q), x);
}
/* Standard normal conditioned on |x| <= limit, as if values outside were drawn again: sqrt(2) erfinv(u erf(limit / sqrt 2)), u uniform in (-1, 1). */
static inline gantry_t gan_truncated_normal(gantry_ctx *cx, uint32_t rank, const int64_t *dims, double limit) {
  gantry_t u = gan_add_k(cx, gan_mul_k(cx, gan_uniform(cx, rank, dims), 2), -1 + 1.0 / 16777216.0);
  gantry_t x = gan_mul_k(cx, gan_erf_inverse(cx, gan_mul(cx, u, gan_erf(cx, gan_const(cx, limit / 1.4142135623730951)))), 1.4142135623730951);
  return gan_max(cx, gan_const(cx, -limit), gan_min(cx, gan_const(cx, limit), x));
}
/* 1 with probability p, else 0; p a scalar or of the same shape. f32. */
static inline gantry_t gan_bernoulli(gantry_ctx *cx, uint32_t rank, const int64_t *dims, gantry_t p) { return gan_f32(cx, gan_lt(cx, gan_uniform(cx, rank, dims), p)); }
/* N(0, 1) of a's shape, f32. */
static inline gantry_t gan_normal_like(gantry_ctx *cx, gantry_t a) { int64_t d[GANTRY_MAX_RANK]; uint32_t r = gan_shape(cx, a, d); return gan_normal(cx, r, d); }
#endif
