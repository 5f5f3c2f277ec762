/* unrolled - G's loss sees D after `steps` further updates, which are dropped afterwards; G's gradient passes through them. The updates are those of D's
 * real optimizer (its slots and learning rate included) on D's loss at G's own batch, as D sees it, with its targets, one application for each side; terms and
 * gradient hooks take no part. */
#define GANTRY_TARGET_MINOR 2
#include <gantry/nn.h>
#include <gantry/regularizer.h>

enum { STEPS };
static const gantry_param params[] = {{.key = "steps", .doc = "updates of D to look ahead (k)", .type = GANTRY_P_INT, .def = 5, .lo = 0, .hi = 100}};

static gantry_status lookahead(gantry_ctx *cx, const gantry_step *s) {
  if (s->net != GANTRY_G) return GANTRY_OK;
  for (int64_t k = 0; k < gan_param_i(cx, STEPS); k++) {
    gantry_named real = {"image", s->real_seen, 0}, fake = {"image", s->fake_seen, 0};
    gantry_call a = cx->host->net->apply(cx, GANTRY_D, &real, 1, 0), b = cx->host->net->apply(cx, GANTRY_D, &fake, 1, 0);
    cx->host->net->update(cx, GANTRY_D, cx->host->net->loss(cx, GANTRY_D, gan_out(cx, a, "logit"), gan_out(cx, b, "logit")));
  }
  return GANTRY_OK;
}

static const gantry_regularizer iface = {.struct_size = sizeof iface, .stage = GANTRY_STAGE_OTHER, .lookahead = lookahead};
static const char *const needs[] = {"d.logit", NULL};
GANTRY_PLUGIN(GANTRY_KIND_REGULARIZER, "unrolled", "1.0.0", "G trains against D a few updates ahead")
  .paper = "Metz et al. 2017, arXiv:1611.02163", .needs = needs, .params = params, .param_count = 1, .iface = &iface
GANTRY_PLUGIN_END
