/* ranger - RAdam (Liu et al. 2020, "On the variance of the adaptive learning rate and beyond", arXiv:1908.03265, algorithm 2), optionally within
 * Lookahead (Zhang et al. 2019, arXiv:1907.08610, algorithm 1). Together they are known as Ranger.
 *
 * Fast weights, update t = 1, 2, ...:   m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2
 *   rho_inf = 2/(1 - beta2) - 1,   rho = rho_inf - 2 t beta2^t/(1 - beta2^t),   mhat = m/(1 - beta1^t)
 *   rho > 5:  w -= lr r mhat / (sqrt(v/(1 - beta2^t)) + eps'),   r = sqrt((rho-4)(rho-2) rho_inf / ((rho_inf-4)(rho_inf-2) rho))
 *   else:     w -= lr mhat
 * rho > 5 (the paper: 4) and eps' = eps/sqrt(1 - beta2^t) are what PyTorch's torch.optim.RAdam does.
 * Slow weights: at every `sync`-th update slow += alpha (w - slow) and w = slow; slow begins as the first weights. */
#include <gantry/nn.h>
#include <gantry/optim.h>
#include <math.h>

enum { LR, BETA1, BETA2, EPS, SYNC, ALPHA };
static const gantry_param params[] = {
  {.key = "lr", .doc = "learning rate", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_LOG, .def = 1e-3, .lo = 0, .hi = 10},
  {.key = "beta1", .doc = "decay of the mean of gradients", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL | GANTRY_PF_OPEN_HI, .def = 0.5, .lo = 0, .hi = 1},
  {.key = "beta2", .doc = "decay of the mean of squared gradients", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL | GANTRY_PF_OPEN_HI, .def = 0.999, .lo = 0, .hi = 1},
  {.key = "eps", .doc = "added to the root of the second moment, before bias correction (as PyTorch)", .type = GANTRY_P_FLOAT, .def = 1e-8, .lo = 0, .hi = 1},
  {.key = "sync", .doc = "updates between two of the slow weights (Lookahead's k); 0 = RAdam alone", .type = GANTRY_P_INT, .def = 5, .lo = 0, .hi = 1000000},
  {.key = "alpha", .doc = "share of the way that slow weights go (Lookahead's alpha)", .type = GANTRY_P_FLOAT, .def = 0.5, .lo = 0, .hi = 1}};

static gantry_status update(gantry_ctx *cx, const gantry_optim_in *in, gantry_t *weight) {
  double beta1 = pow(gan_param_f(cx, BETA1), in->lazy), beta2 = pow(gan_param_f(cx, BETA2), in->lazy), inf = 2 / (1 - beta2) - 1;
  int64_t sync = gan_param_i(cx, SYNC);
  gantry_t lr = gan_mul_k(cx, gan_param(cx, LR), in->lazy), w = in->weight;
  gantry_t m = gan_add(cx, gan_mul_k(cx, gan_slot_like(cx, "m", w), beta1), gan_mul_k(cx, in->grad, 1 - beta1));
  gantry_t v = gan_add(cx, gan_mul_k(cx, gan_slot_like(cx, "v", w), beta2), gan_mul_k(cx, gan_square(cx, in->grad), 1 - beta2));
  gan_set(cx, "m", m);
  gan_set(cx, "v", v);

  /* rho is a small difference of large numbers: its scalars are f64. 1 - beta^t = -expm1(t log beta); beta 0 has no logarithm and no bias. */
  gantry_t t = gan_f64(cx, in->count), one = gan_const_like(cx, t, 1);
  gantry_t c1 = beta1 > 0 ? gan_neg(cx, gan_expm1(cx, gan_mul_k(cx, t, log(beta1)))) : one;
  gantry_t c2 = beta2 > 0 ? gan_neg(cx, gan_expm1(cx, gan_mul_k(cx, t, log(beta2)))) : one;
  gantry_t rho = gan_add_k(cx, gan_neg(cx, gan_div(cx, gan_mul_k(cx, gan_mul(cx, t, gan_sub(cx, one, c2)), 2), c2)), inf);
  gantry_t rectified = gan_gt(cx, rho, gan_const_like(cx, rho, 5)), safe = gan_where(cx, rectified, rho, gan_const_like(cx, rho, 5));
  gantry_t r = gan_sqrt(cx, gan_div(cx, gan_mul(cx, gan_add_k(cx, safe, -4), gan_add_k(cx, safe, -2)), safe));
  r = gan_mul(cx, r, gan_sqrt(cx, c2));
  if (inf > 5) r = gan_mul_k(cx, r, sqrt(inf / ((inf - 4) * (inf - 2)))); /* else rho never exceeds 5 */
  gantry_t adaptive = gan_div(cx, gan_f32(cx, r), gan_add(cx, gan_safe_sqrt(cx, v), gan_param(cx, EPS)));
  gantry_t step = gan_where(cx, rectified, adaptive, gan_const(cx, 1));
  w = gan_sub(cx, w, gan_mul(cx, gan_mul(cx, lr, gan_f32(cx, gan_div(cx, one, c1))), gan_mul(cx, m, step)));

  if (sync > 0) {
    gantry_t slow = gan_where(cx, gan_eq(cx, in->count, gan_const(cx, 1)), in->weight, gan_slot_like(cx, "slow", w)); /* slots begin as zeros */
    gantry_t whole = gan_cast(cx, in->count, GANTRY_I32), k = gan_full_as(cx, GANTRY_I32, 0, NULL, (double)sync);
    gantry_t now = gan_eq(cx, gan_mod(cx, whole, k), gan_full_as(cx, GANTRY_I32, 0, NULL, 0));
    slow = gan_where(cx, now, gan_add(cx, slow, gan_mul(cx, gan_param(cx, ALPHA), gan_sub(cx, w, slow))), slow);
    w = gan_where(cx, now, slow, w);
    gan_set(cx, "slow", slow);
  }
  *weight = w;
  return GANTRY_OK;
}

static const gantry_optim iface = {.struct_size = sizeof iface, .update = update};
GANTRY_PLUGIN(GANTRY_KIND_OPTIM, "ranger", "0.1.0", "RAdam within Lookahead")
  .paper = "Liu et al. 2020, arXiv:1908.03265; Zhang et al. 2019, arXiv:1907.08610", .params = params, .param_count = sizeof params / sizeof *params, .iface = &iface
GANTRY_PLUGIN_END
