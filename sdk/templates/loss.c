/* example - squared hinge: D wants reals above +margin and fakes below -margin, G wants D's logits high.
 *
 * A loss is two scalars to be minimised, one for D and one for G, as functions of D's logits [batch]. Gantry differentiates them. See <gantry/loss.h>. */
#include <gantry/loss.h>
#include <gantry/nn.h>

/* One row per parameter: it checks the experiment, is printed by `gantry plugins describe`, and is read below by its index. */
enum { MARGIN };
static const gantry_param params[] = {
  {.key = "margin", .doc = "distance from zero that costs nothing", .type = GANTRY_P_FLOAT, .def = 1, .lo = 0, .hi = 100}};

static gantry_status d(gantry_ctx *cx, const gantry_loss_in *in, gantry_t *loss) {
  gantry_t m = gan_param(cx, MARGIN); /* a runtime scalar: a sweep over it recompiles nothing, a schedule may move it */
  gantry_t real = gan_relu(cx, gan_sub(cx, m, in->logit_real)), fake = gan_relu(cx, gan_add(cx, m, in->logit_fake));
  *loss = gan_add(cx, gan_mean_all(cx, gan_square(cx, real)), gan_mean_all(cx, gan_square(cx, fake)));
  return GANTRY_OK; /* a failed call above is remembered by the host: nothing to check here */
}

static gantry_status g(gantry_ctx *cx, const gantry_loss_in *in, gantry_t *loss) {
  *loss = gan_neg(cx, gan_mean_all(cx, in->logit_fake));
  return GANTRY_OK;
}

/* THRESHOLD: a logit above 0 means "real", so D's accuracy is defined. chance_*: the losses where D cannot tell (logit 0, default margin). */
static const gantry_loss iface = {.struct_size = sizeof iface, .flags = GANTRY_LOSS_THRESHOLD, .threshold = 0, .chance_d = 2, .chance_g = 0, .d = d, .g = g};
GANTRY_PLUGIN(GANTRY_KIND_LOSS, "example", "0.1.0", "squared hinge loss of D, linear loss of G")
  .paper = NULL, .params = params, .param_count = sizeof params / sizeof *params, .iface = &iface
GANTRY_PLUGIN_END
