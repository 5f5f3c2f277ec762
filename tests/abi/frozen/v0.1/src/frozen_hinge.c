/* frozen_hinge - hinge with a margin; built once, see ../README.md. */
#include <gantry/loss.h>
#include <gantry/nn.h>
enum { MARGIN };
static const gantry_param params[] = {{.key = "margin", .doc = "distance from zero that costs nothing", .type = GANTRY_P_FLOAT, .def = 1, .lo = 0, .hi = 100}};
static gantry_status d(gantry_ctx *cx, const gantry_loss_in *in, gantry_t *loss) {
  gantry_t m = gan_param(cx, MARGIN);
  *loss = gan_add(cx, gan_mean_all(cx, gan_relu(cx, gan_sub(cx, m, in->logit_real))), gan_mean_all(cx, gan_relu(cx, gan_add(cx, m, in->logit_fake))));
  return GANTRY_OK;
}
static gantry_status g(gantry_ctx *cx, const gantry_loss_in *in, gantry_t *loss) {
  *loss = gan_neg(cx, gan_mean_all(cx, in->logit_fake));
  return GANTRY_OK;
}
static const gantry_loss iface = {.struct_size = sizeof iface, .flags = GANTRY_LOSS_THRESHOLD, .chance_d = 2, .d = d, .g = g};
GANTRY_PLUGIN(GANTRY_KIND_LOSS, "frozen_hinge", "1.0.0", "hinge of the first release") .params = params, .param_count = 1, .iface = &iface GANTRY_PLUGIN_END
