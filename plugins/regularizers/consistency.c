/* consistency - balanced consistency regularization (bCR): D is to say the same of an image and of its transformed copy, real ones and fakes:
 * real E(D(x) - D(T(x)))^2 + fake E(D(G(z)) - D(T(G(z))))^2, in D's updates. T mirrors with probability 1/2 and shifts by whole pixels, the edge reflected, of
 * what D saw (behind augmentation and noise), by applications of D that update nothing. CR-GAN is fake 0. */
#include <gantry/nn.h>
#include <gantry/regularizer.h>

enum { REAL, FAKE, MIRROR, SHIFT };
static const gantry_param params[] = {
  {.key = "real", .doc = "weight on real images", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_LOG, .def = 10, .lo = 0, .hi = 1e6},
  {.key = "fake", .doc = "weight on generated images; 0: CR-GAN", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_LOG, .def = 10, .lo = 0, .hi = 1e6},
  {.key = "mirror", .doc = "whether T mirrors left to right every second time", .type = GANTRY_P_BOOL, .def = 1},
  {.key = "shift", .doc = "largest shift of T along each axis", .unit = "pixels", .type = GANTRY_P_INT, .def = 4, .lo = 0, .hi = 4096}};

static gantry_t transformed(gantry_ctx *cx, gantry_t x) {
  int64_t n = gan_dim(cx, x, 0), by = gan_param_i(cx, SHIFT);
  if (gan_param_i(cx, MIRROR)) x = gan_mirror(cx, x, gan_bernoulli(cx, 1, &n, gan_const(cx, 0.5)));
  gantry_t at[2];
  if (by) gan_draw_wholes(cx, n, -by, by, -by, by, at);
  return by ? gan_shift(cx, x, at[0], at[1], 1) : x;
}

/* made: the application that saw x; 0 in lazy programs. */
static gantry_t difference(gantry_ctx *cx, gantry_call made, gantry_t x) {
  gantry_t plain = gan_out(cx, made.id ? made : gan_apply_d(cx, x), "logit");
  return gan_mean_all(cx, gan_square(cx, gan_sub(cx, plain, gan_out(cx, gan_apply_d(cx, transformed(cx, x)), "logit"))));
}

static gantry_status term(gantry_ctx *cx, const gantry_step *step, gantry_term *out) {
  if (step->net != GANTRY_D) return GANTRY_OK;
  if (!gan_need_images(cx, step->real)) return GANTRY_E_CONFIG;
  if (gan_param_i(cx, SHIFT) >= gan_dim(cx, step->real, 1) || gan_param_i(cx, SHIFT) >= gan_dim(cx, step->real, 2)) return gan_fail(cx, "shift must be smaller than the image");
  gantry_t real = difference(cx, step->d_real, step->real_seen), fake = difference(cx, step->d_fake, step->fake_seen);
  out->value = gan_add(cx, gan_mul(cx, gan_param(cx, REAL), real), gan_mul(cx, gan_param(cx, FAKE), fake));
  return GANTRY_OK;
}

static const gantry_regularizer iface = {.struct_size = sizeof iface, .stage = GANTRY_STAGE_OTHER, .term = term};
static const char *const needs[] = {"d.logit", "data.image", NULL};
GANTRY_PLUGIN(GANTRY_KIND_REGULARIZER, "consistency", "1.0.0", "D says the same of an image and its transformed copy (bCR, CR-GAN)")
  .paper = "Zhao et al. 2021, arXiv:2002.04724; Zhang et al. 2020, arXiv:1910.12027", .needs = needs, .params = params, .param_count = 4, .iface = &iface
GANTRY_PLUGIN_END
