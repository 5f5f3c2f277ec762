/* relativistic - each real is paired with a fake and D judges their difference (RpGAN): D minimises softplus(-(l_real - l_fake)), G the reverse. Keeps
 * G from collapsing onto few modes better than judging samples alone, but needs a gradient penalty to converge (R3GAN). */
#include <gantry/loss.h>
#include <gantry/nn.h>

static gantry_status d(gantry_ctx *cx, const gantry_loss_in *in, gantry_t *loss) {
  *loss = gan_mean_all(cx, gan_softplus(cx, gan_sub(cx, in->logit_fake, in->logit_real)));
  return GANTRY_OK;
}

static gantry_status g(gantry_ctx *cx, const gantry_loss_in *in, gantry_t *loss) {
  *loss = gan_mean_all(cx, gan_softplus(cx, gan_sub(cx, in->logit_real, in->logit_fake)));
  return GANTRY_OK;
}

static const gantry_loss iface = {.struct_size = sizeof iface, .flags = GANTRY_LOSS_PAIRS, .chance_d = 0.6931471805599453, .chance_g = 0.6931471805599453, .d = d, .g = g};
GANTRY_PLUGIN(GANTRY_KIND_LOSS, "relativistic", "1.0.0", "relativistic pairing")
  .paper = "Jolicoeur-Martineau 2018, arXiv:1807.00734; Sun et al. 2020; Huang et al. 2024 (R3GAN)", .iface = &iface
GANTRY_PLUGIN_END
