/* nn/activation.h - activations and the stable scalar functions that losses are made of. */
#ifndef GANTRY_NN_ACTIVATION_H
#define GANTRY_NN_ACTIVATION_H
#include <gantry/ops.h>

/* max(x, 0); x where x > 0, slope x elsewhere. The gradient at 0 is the left one: 0, and slope. */
static inline gantry_t gan_relu(gantry_ctx *cx, gantry_t x) { gantry_t z = gan_const_like(cx, x, 0); return gan_where(cx, gan_gt(cx, x, z), x, z); }
static inline gantry_t gan_leaky_relu(gantry_ctx *cx, gantry_t x, double slope) { return gan_where(cx, gan_gt(cx, x, gan_const_like(cx, x, 0)), x, gan_mul_k(cx, x, slope)); }
/* log(1 + e^x) without overflow or cancellation: with t = max(x, 0) held constant, log1p(expm1(-t) + e^(x-t)) + t. The maximum has a kink
 * at 0 that the sum does not have, so no gradient passes it; first and second derivatives are the sigmoid's, exactly. */
static inline gantry_t gan_softplus(gantry_ctx *cx, gantry_t x) {
  gantry_t t = gan_max(cx, gan_stop(cx, x), gan_const_like(cx, x, 0));
  return gan_add(cx, gan_log1p(cx, gan_add(cx, gan_expm1(cx, gan_neg(cx, t)), gan_exp(cx, gan_sub(cx, x, t)))), t);
}
/* x sigmoid(x) (Ramachandran et al. 2017, arXiv:1710.05941). */
static inline gantry_t gan_swish(gantry_ctx *cx, gantry_t x) { return gan_mul(cx, x, gan_sigmoid(cx, x)); }
/* Square root whose derivative at 0 is 0, not infinite. */
static inline gantry_t gan_safe_sqrt(gantry_ctx *cx, gantry_t a) {
  gantry_t zero = gan_const_like(cx, a, 0), none = gan_eq(cx, a, zero);
  return gan_where(cx, none, zero, gan_sqrt(cx, gan_where(cx, none, gan_const_like(cx, a, 1), a)));
}
/* Euclidean norm of each sample, [n], with a finite (zero) gradient where the sample is all zero. */
static inline gantry_t gan_safe_row_norm(gantry_ctx *cx, gantry_t a) {
  gantry_t q = gan_row_sum(cx, gan_square(cx, a)), zero = gan_const_like(cx, q, 0), positive = gan_gt(cx, q, zero);
  return gan_where(cx, positive, gan_sqrt(cx, gan_where(cx, positive, q, gan_const_like(cx, q, 1))), zero);
}
enum { GAN_ACT_RELU = 0, GAN_ACT_LEAKY_RELU = 1, GAN_ACT_TANH = 2, GAN_ACT_SIGMOID = 3, GAN_ACT_SWISH = 4, GAN_ACT_NONE = 5 };
#define GAN_ACT_CHOICES "relu", "leaky_relu", "tanh", "sigmoid", "swish", "none", NULL
/* One of GAN_ACT_*; slope is leaky ReLU's. */
static inline gantry_t gan_activate(gantry_ctx *cx, gantry_t x, int64_t kind, double slope) {
  switch (kind) {
    case GAN_ACT_RELU: return gan_relu(cx, x);
    case GAN_ACT_LEAKY_RELU: return gan_leaky_relu(cx, x, slope);
    case GAN_ACT_TANH: return gan_tanh(cx, x);
    case GAN_ACT_SIGMOID: return gan_sigmoid(cx, x);
    case GAN_ACT_SWISH: return gan_swish(cx, x);
    default: return x;
  }
}
#endif
