/* r2 - gamma/2 times the squared gradient norm of D on generated samples. The gradient is to the image before augmentation and passes it. With
 * `every: {"steps": k}` it becomes a program of its own each k-th update, weighted by k (lazy regularization). Code that writes the penalty without the
 * half has lambda = gamma / 2. */
#include <gantry/nn.h>
#include <gantry/regularizer.h>

enum { GAMMA, PASSES };
static const char *const passes[] = {"all", "none", NULL};
static const gantry_param params[] = {
  {.key = "gamma", .doc = "weight; the term is gamma/2 E|grad D(x)|^2", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_LOG, .def = 10, .lo = 0, .hi = 1e6},
  {.key = "passes", .doc = GAN_PASSES_DOC, .type = GANTRY_P_ENUM, .def_str = "all", .choices = passes}};

static gantry_status term(gantry_ctx *cx, const gantry_step *step, gantry_term *out) {
  if (step->net != GANTRY_D) return GANTRY_OK;
  gantry_t square = gan_mean_squared_gradient(cx, step->d_fake, step->fake_seen, step->fake, gan_param_i(cx, PASSES) == 0);
  out->value = gan_mul(cx, gan_mul_k(cx, gan_param(cx, GAMMA), 0.5), square);
  return GANTRY_OK;
}

static const gantry_regularizer iface = {.struct_size = sizeof iface, .stage = GANTRY_STAGE_OTHER, .flags = GANTRY_REG_BOUNDS_D | GANTRY_REG_PER_SAMPLE, .term = term};
static const char *const needs[] = {"d.logit", NULL};
GANTRY_PLUGIN(GANTRY_KIND_REGULARIZER, "r2", "1.0.0", "gradient penalty on generated samples")
  .paper = "Mescheder et al. 2018, arXiv:1801.04406; Huang et al. 2024 (R3GAN)", .needs = needs, .params = params, .param_count = 2, .iface = &iface
GANTRY_PLUGIN_END
