/* nn/noise.h - dropout and additive noise. */
#ifndef GANTRY_NN_NOISE_H
#define GANTRY_NN_NOISE_H
#include <gantry/nn/random.h>

/* Zeroes each element with probability p and scales the rest by 1/(1-p) (Srivastava et al. 2014); the identity if eval or p = 0. */
static inline gantry_t gan_dropout(gantry_ctx *cx, gantry_t x, double p, int eval) {
  int64_t d[GANTRY_MAX_RANK];
  uint32_t r = gan_shape(cx, x, d);
  if (eval || p <= 0) return x;
  return gan_mul(cx, x, gan_mul_k(cx, gan_bernoulli(cx, r, d, gan_const(cx, 1 - p)), 1 / (1 - p)));
}
/* x + std N(0, 1), fresh in every step; std a scalar, in x's units. */
static inline gantry_t gan_add_noise(gantry_ctx *cx, gantry_t x, gantry_t std) { return gan_add(cx, x, gan_mul(cx, std, gan_normal_like(cx, x))); }
#endif
