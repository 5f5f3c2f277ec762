/* gradient_penalty - WGAN-GP: D's gradient norm on lines between real and fake samples is pulled towards `target`. The norm is per sample over
 * all other dimensions, safe at zero; alpha is one number per sample; D is applied once more without updating its state, to interpolates of the images
 * before any augmentation. */
#include <gantry/nn.h>
#include <gantry/regularizer.h>

enum { WEIGHT, TARGET, ONE_SIDED };
static const gantry_param params[] = {
  {.key = "weight", .doc = "factor of the penalty (lambda); 10 on images, 0.1 in the paper's toy problems", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_LOG, .def = 10, .lo = 0, .hi = 1e6},
  {.key = "target", .doc = "gradient norm without penalty", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL, .def = 1, .lo = 0, .hi = 1e3},
  {.key = "one_sided", .doc = "only norms above the target cost", .type = GANTRY_P_BOOL, .def = 0}};

static gantry_status term(gantry_ctx *cx, const gantry_step *step, gantry_term *out) {
  int64_t d[GANTRY_MAX_RANK];
  if (step->net != GANTRY_D) return GANTRY_OK;
  uint32_t r = gan_shape(cx, step->real, d);
  for (uint32_t k = 1; k < r; k++) d[k] = 1;
  gantry_t alpha = gan_uniform(cx, r, d);
  gantry_t x = gan_add(cx, step->real, gan_mul(cx, alpha, gan_sub(cx, gan_stop(cx, step->fake), step->real)));
  out->value = gan_mul(cx, gan_param(cx, WEIGHT), gan_gradient_norm_penalty(cx, x, gan_param_f(cx, TARGET), (int)gan_param_i(cx, ONE_SIDED)));
  return GANTRY_OK;
}

static const gantry_regularizer iface = {.struct_size = sizeof iface, .stage = GANTRY_STAGE_OTHER, .flags = GANTRY_REG_BOUNDS_D | GANTRY_REG_PER_SAMPLE, .term = term};
static const char *const needs[] = {"d.logit", NULL};
GANTRY_PLUGIN(GANTRY_KIND_REGULARIZER, "gradient_penalty", "1.0.0", "gradient penalty on interpolates (WGAN-GP)")
  .paper = "Gulrajani et al. 2017, arXiv:1704.00028", .needs = needs, .params = params, .param_count = 3, .iface = &iface
GANTRY_PLUGIN_END
