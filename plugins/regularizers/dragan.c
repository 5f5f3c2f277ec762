/* dragan - D's gradient norm is pulled towards `target` around the real samples only: at x + alpha c s U, with alpha uniform per sample, U noise of the
 * image's shape and s the standard deviation of all values of the batch (dividing by their number). U uniform in [0, 1) with c = 1/2 is the authors' code;
 * the paper's text has normal noise. Before any augmentation, by an application of D that updates nothing. */
#include <gantry/nn.h>
#include <gantry/regularizer.h>

enum { WEIGHT, TARGET, ONE_SIDED, SCALE, NOISE };
static const char *const noises[] = {"uniform", "normal", NULL};
static const gantry_param params[] = {
  {.key = "weight", .doc = "factor of the penalty (lambda)", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_LOG, .def = 10, .lo = 0, .hi = 1e6},
  {.key = "target", .doc = "gradient norm without penalty (k)", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL, .def = 1, .lo = 0, .hi = 1e3},
  {.key = "one_sided", .doc = "only norms above the target cost", .type = GANTRY_P_BOOL, .def = 0},
  {.key = "scale", .doc = "size of the noise in standard deviations of the batch (c)", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL, .def = 0.5, .lo = 0, .hi = 100},
  {.key = "noise", .doc = "uniform in [0, 1), as in the authors' code, or standard normal", .type = GANTRY_P_ENUM, .def_str = "uniform", .choices = noises}};

static gantry_status term(gantry_ctx *cx, const gantry_step *step, gantry_term *out) {
  int64_t d[GANTRY_MAX_RANK], one[GANTRY_MAX_RANK];
  if (step->net != GANTRY_D) return GANTRY_OK;
  uint32_t r = gan_shape(cx, step->real, d);
  for (uint32_t k = 0; k < r; k++) one[k] = k ? 1 : d[k];
  gantry_t noise = gan_param_i(cx, NOISE) ? gan_normal(cx, r, d) : gan_uniform(cx, r, d), alpha = gan_uniform(cx, r, one);
  gantry_t spread = gan_mul_k(cx, gan_sqrt(cx, gan_variance(cx, step->real, gan_axes_, r)), gan_param_f(cx, SCALE));
  gantry_t x = gan_add(cx, step->real, gan_mul(cx, alpha, gan_mul(cx, spread, noise)));
  out->value = gan_mul(cx, gan_param(cx, WEIGHT), gan_gradient_norm_penalty(cx, x, gan_param_f(cx, TARGET), (int)gan_param_i(cx, ONE_SIDED)));
  return GANTRY_OK;
}

static const gantry_regularizer iface = {.struct_size = sizeof iface, .stage = GANTRY_STAGE_OTHER, .flags = GANTRY_REG_BOUNDS_D | GANTRY_REG_PER_SAMPLE, .term = term};
static const char *const needs[] = {"d.logit", NULL};
GANTRY_PLUGIN(GANTRY_KIND_REGULARIZER, "dragan", "1.0.0", "gradient penalty around real samples")
  .paper = "Kodali et al. 2017, arXiv:1705.07215", .needs = needs, .params = params, .param_count = 5, .iface = &iface
GANTRY_PLUGIN_END
