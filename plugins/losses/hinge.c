/* hinge - D's margin loss of SNGAN and BigGAN: real logits above 1 and fake ones below -1 cost nothing. */
#include <gantry/loss.h>
#include <gantry/nn.h>

static gantry_status d(gantry_ctx *cx, const gantry_loss_in *in, gantry_t *loss) {
  gantry_t one = gan_const(cx, 1);
  *loss = gan_add(cx, gan_mean_all(cx, gan_relu(cx, gan_sub(cx, one, in->logit_real))), gan_mean_all(cx, gan_relu(cx, gan_add(cx, one, in->logit_fake))));
  return GANTRY_OK;
}

static gantry_status g(gantry_ctx *cx, const gantry_loss_in *in, gantry_t *loss) {
  *loss = gan_neg(cx, gan_mean_all(cx, in->logit_fake));
  return GANTRY_OK;
}

static const gantry_loss iface = {.struct_size = sizeof iface, .flags = GANTRY_LOSS_THRESHOLD, .threshold = 0, .chance_d = 2, .chance_g = 0, .d = d, .g = g};
GANTRY_PLUGIN(GANTRY_KIND_LOSS, "hinge", "1.0.0", "hinge loss of D, linear loss of G")
  .paper = "Lim & Ye 2017, arXiv:1705.02894; Miyato et al. 2018", .iface = &iface
GANTRY_PLUGIN_END
