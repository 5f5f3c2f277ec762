/* nn/penalty.h - penalties on D's gradient with respect to its input.
 *
 * All are means over the batch of a function of each sample's own gradient, by the one gradient of the sum of logits; a D that mixes its samples
 * (batch norm) makes that something else, which is why such plugins set GANTRY_REG_PER_SAMPLE. */
#ifndef GANTRY_NN_PENALTY_H
#define GANTRY_NN_PENALTY_H
#include <gantry/nn/activation.h>
#include <gantry/regularizer.h>

/* The gradient of the sum of an application's logits to x, which it depends on; x's shape. */
static inline gantry_t gan_logit_gradient(gantry_ctx *cx, gantry_call call, gantry_t x) { return gan_grad(cx, gan_sum_all(cx, gan_out(cx, call, "logit")), x); }

/* D once more, on image x as it is: none of the transforms in front of D, and no state that it changes is kept. */
static inline gantry_call gan_apply_d(gantry_ctx *cx, gantry_t x) {
  gantry_named in;
  in.name = "image"; in.t = x; in.reserved0 = 0;
  return cx->host->net->apply(cx, GANTRY_D, &in, 1, GANTRY_NO_STATE_UPDATE);
}

#define GAN_PASSES_DOC "what the gradient to the image passes on its way into D: all transforms in front of it, as D saw the image, or none of them"

/* Mean squared gradient norm of D at images x, of which D saw `seen` in the application `made` (0 in lazy programs). through: the gradient passes
 * the transforms between the two; else D is applied to x itself. */
static inline gantry_t gan_mean_squared_gradient(gantry_ctx *cx, gantry_call made, gantry_t seen, gantry_t x, int through) {
  if (!through && seen.id != x.id) made = gan_apply_d(cx, x);
  else if (!made.id) made = gan_apply_d(cx, seen);
  return gan_mean_all(cx, gan_row_sum(cx, gan_square(cx, gan_logit_gradient(cx, made, x))));
}

/* Mean (norm - target)^2 of D's gradient at x, a fresh application; one_sided: only norms above the target count. Safe where the gradient is 0. */
static inline gantry_t gan_gradient_norm_penalty(gantry_ctx *cx, gantry_t x, double target, int one_sided) {
  gantry_t excess = gan_add_k(cx, gan_safe_row_norm(cx, gan_logit_gradient(cx, gan_apply_d(cx, x), x)), -target);
  return gan_mean_all(cx, gan_square(cx, one_sided ? gan_relu(cx, excess) : excess));
}
#endif
