/* nn/loss.h - what objectives are made of: cross-entropies from logits, as means over the batch. */
#ifndef GANTRY_NN_LOSS_H
#define GANTRY_NN_LOSS_H
#include <gantry/nn/activation.h>

/* Binary cross-entropy of logits [n] and absolute targets ([] or [n]): mean of softplus(l) - t l. Never overflows. */
static inline gantry_t gan_binary_cross_entropy(gantry_ctx *cx, gantry_t logit, gantry_t target) { return gan_mean_all(cx, gan_sub(cx, gan_softplus(cx, logit), gan_mul(cx, target, logit))); }

/* Cross-entropy of logits [n,classes] and labels i32 [n]: mean of log sum exp(l) - l[label], with each row's maximum taken out. */
static inline gantry_t gan_softmax_cross_entropy(gantry_ctx *cx, gantry_t logits, gantry_t label) {
  static const int64_t rows[1] = {0}, last[1] = {1};
  int64_t d[GANTRY_MAX_RANK];
  if (gan_shape(cx, logits, d) != 2) { gan_fail(cx, "class logits must be [n, classes]"); return gan_none(); }
  gantry_t hit = gan_f32(cx, gan_eq(cx, gan_broadcast(cx, label, 2, d, rows), gan_iota(cx, GANTRY_I32, 2, d, 1)));
  gantry_t top = gan_stop(cx, gan_reduce(cx, GANTRY_OP_RMAX, logits, last, 1)), shifted = gan_sub(cx, logits, gan_broadcast(cx, top, 2, d, rows));
  gantry_t total = gan_log(cx, gan_sum(cx, gan_exp(cx, shifted), last, 1));
  return gan_mean_all(cx, gan_sub(cx, total, gan_sum(cx, gan_mul(cx, hit, shifted), last, 1)));
}
#endif
