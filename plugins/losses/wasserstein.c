/* wasserstein - D is a critic: difference of means. Needs something that bounds D's slope (weight clipping, a gradient penalty, spectral norm). */
#include <gantry/loss.h>
#include <gantry/nn.h>

static gantry_status d(gantry_ctx *cx, const gantry_loss_in *in, gantry_t *loss) {
  *loss = gan_sub(cx, gan_mean_all(cx, in->logit_fake), gan_mean_all(cx, in->logit_real));
  return GANTRY_OK;
}

static gantry_status g(gantry_ctx *cx, const gantry_loss_in *in, gantry_t *loss) {
  *loss = gan_neg(cx, gan_mean_all(cx, in->logit_fake));
  return GANTRY_OK;
}

static const gantry_loss iface = {.struct_size = sizeof iface, .flags = GANTRY_LOSS_LIPSCHITZ, .d = d, .g = g};
GANTRY_PLUGIN(GANTRY_KIND_LOSS, "wasserstein", "1.0.0", "Wasserstein critic")
  .paper = "Arjovsky et al. 2017, arXiv:1701.07875", .iface = &iface
GANTRY_PLUGIN_END
