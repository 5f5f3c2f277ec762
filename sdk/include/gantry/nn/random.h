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
/* 1 with probability p, else 0; p a scalar or of the same shape. f32. */
static inline gantry_t gan_bernoulli(gantry_ctx *cx, uint32_t rank, const int64_t *dims, gantry_t p) { return gan_f32(cx, gan_lt(cx, gan_uniform(cx, rank, dims), p)); }
static inline gantry_t gan_normal_like(gantry_ctx *cx, gantry_t a) { int64_t d[GANTRY_MAX_RANK]; uint32_t r = gan_shape(cx, a, d); return gan_normal(cx, r, d); }
#endif
