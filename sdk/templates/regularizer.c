/* example - keeps D's logits on real samples from drifting away: adds weight * E[D(real)^2] to D's loss (Karras et al. 2018, arXiv:1710.10196, appendix A.1).
 *
 * A regularizer hooks into an update: this one uses `term`, an addition to the loss. The others (weight, input, target, lookahead, gradient, after,
 * control) are described in <gantry/regularizer.h>; set those you need, leave the rest out. */
#include <gantry/nn.h>
#include <gantry/regularizer.h>

enum { WEIGHT };
static const gantry_param params[] = {
  {.key = "weight", .doc = "factor of the mean squared logit of reals", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_LOG, .def = 0.001, .lo = 0, .hi = 1000}};

static gantry_status term(gantry_ctx *cx, const gantry_step *step, gantry_term *out) {
  if (step->net != GANTRY_D) return GANTRY_OK; /* no term in G's update */
  gantry_call d = step->d_real;                /* D as the main loss has already applied it */
  if (!d.id) {                                 /* with "every": {"steps": k} the term is a program of its own, where nothing is applied yet */
    gantry_named in = {"image", step->real, 0};
    d = cx->host->net->apply(cx, GANTRY_D, &in, 1, GANTRY_NO_STATE_UPDATE);
  }
  out->value = gan_mul(cx, gan_param(cx, WEIGHT), gan_mean_all(cx, gan_square(cx, gan_out(cx, d, "logit"))));
  return GANTRY_OK;
}

static const gantry_regularizer iface = {.struct_size = sizeof iface, .stage = GANTRY_STAGE_OTHER, .term = term};
static const char *const needs[] = {"d.logit", NULL}; /* what must be there; an experiment without it is refused before it runs */
GANTRY_PLUGIN(GANTRY_KIND_REGULARIZER, "example", "0.1.0", "keeps D's logits near zero")
  .paper = "Karras et al. 2018, arXiv:1710.10196", .needs = needs, .params = params, .param_count = sizeof params / sizeof *params, .iface = &iface
GANTRY_PLUGIN_END
