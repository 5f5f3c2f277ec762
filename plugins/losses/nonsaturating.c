/* nonsaturating - the usual GAN objective: D minimises cross-entropy, G maximises log D(G(z)) instead of minimising log(1 - D(G(z))).
 * Written with logits, so nothing overflows: cross-entropy of logit l and target t is softplus(l) - t l. */
#include <gantry/loss.h>
#include <gantry/nn.h>

static gantry_status d(gantry_ctx *cx, const gantry_loss_in *in, gantry_t *loss) {
  *loss = gan_add(cx, gan_binary_cross_entropy(cx, in->logit_real, in->target_real), gan_binary_cross_entropy(cx, in->logit_fake, in->target_fake));
  return GANTRY_OK;
}

static gantry_status g(gantry_ctx *cx, const gantry_loss_in *in, gantry_t *loss) {
  *loss = gan_mean_all(cx, gan_softplus(cx, gan_neg(cx, in->logit_fake)));
  return GANTRY_OK;
}

static const gantry_loss iface = {.struct_size = sizeof iface, .flags = GANTRY_LOSS_TARGETS | GANTRY_LOSS_THRESHOLD, .threshold = 0, .target_real = 1, .target_fake = 0,
                                  .chance_d = 1.3862943611198906, .chance_g = 0.6931471805599453, .d = d, .g = g};
static const char *const provides[] = {"loss.targets", NULL};
GANTRY_PLUGIN(GANTRY_KIND_LOSS, "nonsaturating", "1.0.0", "non-saturating cross-entropy")
  .paper = "Goodfellow et al. 2014, arXiv:1406.2661, section 3", .provides = provides, .iface = &iface
GANTRY_PLUGIN_END
