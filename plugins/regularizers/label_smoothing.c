/* label_smoothing - D's targets as absolute numbers: real 0.9 and fake 0 is one-sided smoothing, 0.9 and 0.1 two-sided. Other libraries'
 * "smoothing s" means 1 - s, 1 - s/2 or an absolute target; here what is written is what D sees. Acts on losses that take targets. */
#include <gantry/nn.h>
#include <gantry/regularizer.h>

enum { REAL, FAKE };
static const gantry_param params[] = {
  {.key = "real", .doc = "target of real samples", .type = GANTRY_P_FLOAT, .def = 0.9, .lo = -1, .hi = 2},
  {.key = "fake", .doc = "target of generated samples", .type = GANTRY_P_FLOAT, .def = 0, .lo = -1, .hi = 2}};

static gantry_status target(gantry_ctx *cx, const gantry_step *step, gantry_t *real, gantry_t *fake) {
  (void)step;
  *real = gan_param(cx, REAL);
  *fake = gan_param(cx, FAKE);
  return GANTRY_OK;
}

static const gantry_regularizer iface = {.struct_size = sizeof iface, .stage = GANTRY_STAGE_OTHER, .target = target};
static const char *const needs[] = {"loss.targets", NULL};
GANTRY_PLUGIN(GANTRY_KIND_REGULARIZER, "label_smoothing", "1.0.0", "absolute targets for D, one- or two-sided")
  .paper = "Salimans et al. 2016, arXiv:1606.03498", .needs = needs, .params = params, .param_count = 2, .iface = &iface
GANTRY_PLUGIN_END
