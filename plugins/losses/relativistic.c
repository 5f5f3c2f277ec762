/* relativistic - D judges a real by comparison with fakes and the other way round, so that G cannot win by one good mode.
 *
 * pair (RpGAN): D minimises softplus(-(l_real - l_fake)) over pairs, G the reverse. Needs a gradient penalty to converge (R3GAN).
 * average (RaGAN): each sample against the mean logit of the other side; D minimises the sum of softplus(-(l_real - mean l_fake)) and softplus(l_fake - mean
 * l_real), G the reverse. The means carry gradients. The paper adds the two halves, as is done here; its reference code takes their mean. */
#include <gantry/loss.h>
#include <gantry/nn.h>

enum { AGAINST };
static const char *const choices[] = {"pair", "average", NULL};
static const gantry_param params[] = {
  {.key = "against", .doc = "what a sample is compared with: one sample of the other side (RpGAN), or their average (RaGAN)", .type = GANTRY_P_ENUM, .def_str = "pair", .choices = choices}};

/* Small where `better` is above `worse`. */
static gantry_t objective(gantry_ctx *cx, gantry_t better, gantry_t worse) {
  if (gan_param_i(cx, AGAINST) == 0) return gan_mean_all(cx, gan_softplus(cx, gan_sub(cx, worse, better)));
  gantry_t above = gan_sub(cx, gan_mean_all(cx, worse), better), below = gan_sub(cx, worse, gan_mean_all(cx, better));
  return gan_add(cx, gan_mean_all(cx, gan_softplus(cx, above)), gan_mean_all(cx, gan_softplus(cx, below)));
}

static gantry_status d(gantry_ctx *cx, const gantry_loss_in *in, gantry_t *loss) {
  *loss = objective(cx, in->logit_real, in->logit_fake);
  return GANTRY_OK;
}

static gantry_status g(gantry_ctx *cx, const gantry_loss_in *in, gantry_t *loss) {
  *loss = objective(cx, in->logit_fake, in->logit_real);
  return GANTRY_OK;
}

/* Against the average two halves are added. */
static gantry_status constants(gantry_ctx *cx, gantry_loss_constants *out) {
  out->chance_d = out->chance_g = gan_param_i(cx, AGAINST) == 0 ? 0.6931471805599453 : 2 * 0.6931471805599453;
  return GANTRY_OK;
}

static const gantry_loss iface = {.struct_size = sizeof iface, .flags = GANTRY_LOSS_PAIRS, .chance_d = 0.6931471805599453, .chance_g = 0.6931471805599453, .d = d, .g = g, .constants = constants};
GANTRY_PLUGIN(GANTRY_KIND_LOSS, "relativistic", "1.1.0", "relativistic, by pairs or against the average")
  .paper = "Jolicoeur-Martineau 2018, arXiv:1807.00734; Sun et al. 2020; Huang et al. 2024 (R3GAN)", .params = params, .param_count = 1, .iface = &iface
GANTRY_PLUGIN_END
