/* adam - bias-corrected Adam. With lazy regularization (in->lazy = c < 1) learning rate and betas become lr c and beta^c (Karras et al. 2020). */
#include <gantry/nn.h>
#include <gantry/optim.h>
#include <math.h>

enum { LR, BETA1, BETA2, EPS, WEIGHT_DECAY };
static const gantry_param params[] = {
  {.key = "lr", .doc = "learning rate", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_LOG, .def = 2e-4, .lo = 0, .hi = 10},
  {.key = "beta1", .doc = "decay of the mean of gradients", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL | GANTRY_PF_OPEN_HI, .def = 0.5, .lo = 0, .hi = 1},
  {.key = "beta2", .doc = "decay of the mean of squared gradients", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL | GANTRY_PF_OPEN_HI, .def = 0.999, .lo = 0, .hi = 1},
  {.key = "eps", .doc = "added to the root of the second moment", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL | GANTRY_PF_LOG, .def = 1e-8, .lo = 0, .hi = 1},
  {.key = "weight_decay", .doc = "decoupled decay: w shrinks by lr times this (AdamW)", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL, .def = 0, .lo = 0, .hi = 1}};

/* 1 - beta^count, by expm1 so that the first steps lose no digits. */
static gantry_t correction(gantry_ctx *cx, double beta, gantry_t count) {
  return beta > 0 ? gan_neg(cx, gan_expm1(cx, gan_mul_k(cx, count, log(beta)))) : gan_const(cx, 1);
}

static gantry_status update(gantry_ctx *cx, const gantry_optim_in *in, gantry_t *weight) {
  double beta1 = pow(gan_param_f(cx, BETA1), in->lazy), beta2 = pow(gan_param_f(cx, BETA2), in->lazy), decay = gan_param_f(cx, WEIGHT_DECAY);
  gantry_t lr = gan_mul_k(cx, gan_param(cx, LR), in->lazy), w = in->weight;
  gantry_t m = gan_add(cx, gan_mul_k(cx, gan_slot_like(cx, "m", w), beta1), gan_mul_k(cx, in->grad, 1 - beta1));
  gantry_t v = gan_add(cx, gan_mul_k(cx, gan_slot_like(cx, "v", w), beta2), gan_mul_k(cx, gan_square(cx, in->grad), 1 - beta2));
  gan_set(cx, "m", m);
  gan_set(cx, "v", v);
  gantry_t root = gan_div(cx, GANTRY_HAS(in, flags) && in->flags & GANTRY_OPTIM_DIFFERENTIATED ? gan_safe_sqrt(cx, v) : gan_sqrt(cx, v), gan_sqrt(cx, correction(cx, beta2, in->count)));
  gantry_t step = gan_div(cx, gan_mul(cx, gan_div(cx, lr, correction(cx, beta1, in->count)), m), gan_add_k(cx, root, gan_param_f(cx, EPS)));
  if (decay > 0) w = gan_sub(cx, w, gan_mul(cx, gan_mul_k(cx, lr, decay), w));
  *weight = gan_sub(cx, w, step);
  return GANTRY_OK;
}

static const gantry_optim iface = {.struct_size = sizeof iface, .update = update};
GANTRY_PLUGIN(GANTRY_KIND_OPTIM, "adam", "1.0.0", "Adam, and AdamW with weight_decay")
  .paper = "Kingma & Ba 2015, arXiv:1412.6980", .params = params, .param_count = 5, .iface = &iface
GANTRY_PLUGIN_END
