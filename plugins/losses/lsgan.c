/* lsgan - least squares: D regresses its targets, G aims at `g_target`. Both with the factor 1/2 of the paper. The paper's two choices are
 * (a, b, c) = (0, 1, 1), the default, and (-1, 1, 0), which minimises a Pearson chi-squared divergence. */
#include <gantry/loss.h>
#include <gantry/nn.h>

enum { TARGET_REAL, TARGET_FAKE, G_TARGET };
static const gantry_param params[] = {
  {.key = "target_real", .doc = "D's target of real samples (b of the paper); label_smoothing replaces it", .type = GANTRY_P_FLOAT, .def = 1, .lo = -10, .hi = 10},
  {.key = "target_fake", .doc = "D's target of generated samples (a of the paper); label_smoothing replaces it", .type = GANTRY_P_FLOAT, .def = 0, .lo = -10, .hi = 10},
  {.key = "g_target", .doc = "value that G wants D to give its images (c of the paper)", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL, .def = 1, .lo = -10, .hi = 10}};

static gantry_t half_square(gantry_ctx *cx, gantry_t logit, gantry_t target) { return gan_mul_k(cx, gan_mean_all(cx, gan_square(cx, gan_sub(cx, logit, target))), 0.5); }

static gantry_status d(gantry_ctx *cx, const gantry_loss_in *in, gantry_t *loss) {
  *loss = gan_add(cx, half_square(cx, in->logit_real, in->target_real), half_square(cx, in->logit_fake, in->target_fake));
  return GANTRY_OK;
}

static gantry_status g(gantry_ctx *cx, const gantry_loss_in *in, gantry_t *loss) {
  *loss = half_square(cx, in->logit_fake, gan_const(cx, gan_param_f(cx, G_TARGET)));
  return GANTRY_OK;
}

static const gantry_loss iface = {.struct_size = sizeof iface, .flags = GANTRY_LOSS_TARGETS | GANTRY_LOSS_THRESHOLD, .threshold = 0.5, .target_real = 1, .target_fake = 0,
                                  .chance_d = 0.25, .chance_g = 0.125, .d = d, .g = g};
static const char *const provides[] = {"loss.targets", NULL};
GANTRY_PLUGIN(GANTRY_KIND_LOSS, "lsgan", "1.0.0", "least squares")
  .paper = "Mao et al. 2017, arXiv:1611.04076", .params = params, .param_count = 3, .provides = provides, .iface = &iface
GANTRY_PLUGIN_END
