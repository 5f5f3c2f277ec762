/* diffaugment - DiffAugment: everything D sees, real or fake, in D's updates and in G's, is transformed at random by operations that gradients pass. Always on, in
 * the published order and strengths: colour (brightness + U(-1/2, 1/2), saturation x U(0, 2), contrast x U(1/2, 3/2)), translation by whole pixels, cutout of a
 * rectangle around a uniform place. Images in [-1, 1]; what enters and what is cut out is 0, which is gray. */
#include <gantry/nn.h>
#include <gantry/regularizer.h>

enum { COLOR, TRANSLATION, CUTOUT };
static const gantry_param params[] = {
  {.key = "color", .doc = "brightness, saturation and contrast", .type = GANTRY_P_BOOL, .def = 1},
  {.key = "translation", .doc = "largest shift along each axis as a share of the size; 0 = none", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL, .def = 0.125, .lo = 0, .hi = 1},
  {.key = "cutout", .doc = "sides of the rectangle as a share of the image's; 0 = none", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL, .def = 0.5, .lo = 0, .hi = 1}};

static int64_t pixels(double share, int64_t size) { return (int64_t)(share * (double)size + 0.5); }

static gantry_status input(gantry_ctx *cx, const gantry_step *step, const gantry_input *in, gantry_t *x) {
  (void)step;
  (void)in;
  if (!gan_need_images(cx, *x)) return GANTRY_E_CONFIG;
  int64_t n = gan_dim(cx, *x, 0), height = gan_dim(cx, *x, 1), width = gan_dim(cx, *x, 2);
  gantry_t at[2];
  double share = gan_param_f(cx, TRANSLATION), cut = gan_param_f(cx, CUTOUT);
  if (gan_param_i(cx, COLOR)) {
    *x = gan_brighter(cx, *x, gan_draw_uniform(cx, n, -0.5, 0.5));
    *x = gan_saturate(cx, *x, gan_draw_uniform(cx, n, 0, 2));
    *x = gan_contrast(cx, *x, gan_draw_uniform(cx, n, 0.5, 1.5));
  }
  if (share > 0) {
    int64_t down = pixels(share, height), right = pixels(share, width);
    gan_draw_wholes(cx, n, -down, down, -right, right, at);
    *x = gan_shift(cx, *x, at[0], at[1], 0);
  }
  if (cut > 0) {
    int64_t rows = pixels(cut, height), columns = pixels(cut, width);
    gan_draw_wholes(cx, n, 0, height - rows % 2, 0, width - columns % 2, at); /* its middle: any place, and the one behind the last where the side is even */
    *x = gan_cut_out(cx, *x, gan_add_k(cx, at[0], -(double)(rows / 2)), gan_add_k(cx, at[1], -(double)(columns / 2)), rows, columns);
  }
  return GANTRY_OK;
}

static const gantry_regularizer iface = {.struct_size = sizeof iface, .stage = GANTRY_STAGE_AUGMENT, .input = input};
static const char *const needs[] = {"data.image", NULL};
GANTRY_PLUGIN(GANTRY_KIND_REGULARIZER, "diffaugment", "1.0.0", "real and fake images transformed alike, differentiably")
  .paper = "Zhao et al. 2020, arXiv:2006.10738", .needs = needs, .params = params, .param_count = 3, .iface = &iface
GANTRY_PLUGIN_END
