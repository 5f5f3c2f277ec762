/* frozen_r1 - a gradient penalty, clipped gradients and clipped weights: three hooks of one regularizer; built once, see ../README.md. */
#include <gantry/nn.h>
#include <gantry/regularizer.h>
enum { GAMMA, LIMIT };
static const gantry_param params[] = {{.key = "gamma", .doc = "weight of the penalty", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_LOG, .def = 0.5, .lo = 0, .hi = 1e6},
  {.key = "limit", .doc = "largest weight and gradient", .type = GANTRY_P_FLOAT, .def = 2, .lo = 0.001, .hi = 1e6}};
static gantry_status term(gantry_ctx *cx, const gantry_step *s, gantry_term *out) {
  if (s->net != GANTRY_D) return GANTRY_OK;
  gantry_named x = {"image", s->real, 0};
  gantry_call call = cx->host->net->apply(cx, GANTRY_D, &x, 1, GANTRY_NO_STATE_UPDATE);
  gantry_t g = gan_grad(cx, gan_sum_all(cx, gan_out(cx, call, "logit")), s->real);
  out->value = gan_mul(cx, gan_mul_k(cx, gan_param(cx, GAMMA), 0.5), gan_mean_all(cx, gan_row_sum(cx, gan_square(cx, g))));
  return GANTRY_OK;
}
static gantry_t clip(gantry_ctx *cx, gantry_t x) { gantry_t l = gan_param(cx, LIMIT); return gan_max(cx, gan_neg(cx, l), gan_min(cx, l, x)); }
static gantry_status gradient(gantry_ctx *cx, const gantry_step *s, gantry_t *grads, uint32_t n) {
  (void)s;
  for (uint32_t k = 0; k < n; k++) grads[k] = clip(cx, grads[k]);
  return GANTRY_OK;
}
static gantry_status after(gantry_ctx *cx, const gantry_step *s, const gantry_weight *w, gantry_t *value) {
  (void)s, (void)w;
  *value = clip(cx, *value);
  return GANTRY_OK;
}
static const gantry_regularizer iface = {.struct_size = sizeof iface, .stage = GANTRY_STAGE_OTHER, .term = term, .gradient = gradient, .after = after};
static const char *const needs[] = {"d.logit", NULL};
GANTRY_PLUGIN(GANTRY_KIND_REGULARIZER, "frozen_r1", "1.0.0", "penalty of the first release") .needs = needs, .params = params, .param_count = 2, .iface = &iface GANTRY_PLUGIN_END
