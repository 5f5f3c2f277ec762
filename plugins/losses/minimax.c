/* minimax - the original zero-sum objective: G minimises log(1 - D(G(z))), whose gradient vanishes while D rejects fakes with confidence. What
 * several libraries call "minimax" or "vanilla" trains G on cross-entropy to real labels; here that is `nonsaturating`. */
#include <gantry/loss.h>
#include <gantry/nn.h>

static gantry_status d(gantry_ctx *cx, const gantry_loss_in *in, gantry_t *loss) {
  *loss = gan_add(cx, gan_binary_cross_entropy(cx, in->logit_real, in->target_real), gan_binary_cross_entropy(cx, in->logit_fake, in->target_fake));
  return GANTRY_OK;
}

/* log(1 - sigmoid(l)) = -softplus(l) */
static gantry_status g(gantry_ctx *cx, const gantry_loss_in *in, gantry_t *loss) {
  *loss = gan_neg(cx, gan_mean_all(cx, gan_softplus(cx, in->logit_fake)));
  return GANTRY_OK;
}

static const gantry_loss iface = {.struct_size = sizeof iface, .flags = GANTRY_LOSS_TARGETS | GANTRY_LOSS_THRESHOLD, .threshold = 0, .target_real = 1, .target_fake = 0,
                                  .chance_d = 1.3862943611198906, .chance_g = -0.6931471805599453, .d = d, .g = g};
static const char *const provides[] = {"loss.targets", NULL};
GANTRY_PLUGIN(GANTRY_KIND_LOSS, "minimax", "1.0.0", "saturating cross-entropy, zero-sum")
  .paper = "Goodfellow et al. 2014, arXiv:1406.2661, equation 1", .provides = provides, .iface = &iface
GANTRY_PLUGIN_END
