/* label_flip - in D's updates some samples get the other side's target: each real one with probability `real` that of fakes, each fake one with
 * probability `fake` that of reals. Comes after label_smoothing, so a flipped target is the other side's smoothed one. Acts on losses that take targets. */
#include <gantry/nn.h>
#include <gantry/regularizer.h>

enum { REAL, FAKE };
static const gantry_param params[] = {
  {.key = "real", .doc = "probability that a real sample is called fake", .type = GANTRY_P_FLOAT, .def = 0.05, .lo = 0, .hi = 1},
  {.key = "fake", .doc = "probability that a generated sample is called real", .type = GANTRY_P_FLOAT, .def = 0.05, .lo = 0, .hi = 1}};

static gantry_status target(gantry_ctx *cx, const gantry_step *step, gantry_t *real, gantry_t *fake) {
  gantry_t of_real = *real, of_fake = *fake;
  *real = gan_where(cx, gan_lt(cx, gan_uniform(cx, 1, &step->logits), gan_param(cx, REAL)), of_fake, of_real);
  *fake = gan_where(cx, gan_lt(cx, gan_uniform(cx, 1, &step->logits), gan_param(cx, FAKE)), of_real, of_fake);
  return GANTRY_OK;
}

static const gantry_regularizer iface = {.struct_size = sizeof iface, .stage = GANTRY_STAGE_LATE, .target = target};
static const char *const needs[] = {"loss.targets", NULL};
GANTRY_PLUGIN(GANTRY_KIND_REGULARIZER, "label_flip", "1.0.0", "some of D's targets exchanged, sample by sample")
  .paper = "Chintala et al. 2016, How to train a GAN (ganhacks); Goodfellow 2016, arXiv:1701.00160", .needs = needs, .params = params, .param_count = 2, .iface = &iface
GANTRY_PLUGIN_END
