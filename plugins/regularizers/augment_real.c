/* augment_real - random transforms of real images only: G learns to make transformed images too, so each should be one that the data could hold. In this order:
 * mirror, crop, translation, then brightness, contrast and saturation. The first of the stages in front of D. */
#include <gantry/nn.h>
#include <gantry/regularizer.h>

enum { MIRROR, CROP, TRANSLATION, BRIGHTNESS, CONTRAST, SATURATION };
static const gantry_param params[] = {
  {.key = "mirror", .doc = "probability of mirroring left to right", .type = GANTRY_P_FLOAT, .def = 0.5, .lo = 0, .hi = 1},
  {.key = "crop", .doc = "crops of the image's size out of the image continued by so many pixels on each side by reflection, each equally likely; 0 = none", .type = GANTRY_P_INT, .unit = "pixels", .def = 0, .lo = 0, .hi = 4096},
  {.key = "translation", .doc = "largest shift along each axis as a share of the size, in whole pixels, zeros entering", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL, .def = 0, .lo = 0, .hi = 1},
  {.key = "brightness", .doc = "added to all values: uniform within +- this, in the data's units", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL, .def = 0, .lo = 0, .hi = 100},
  {.key = "contrast", .doc = "factor about the image's mean: uniform within 1 +- this", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL, .def = 0, .lo = 0, .hi = 1},
  {.key = "saturation", .doc = "factor about each pixel's mean over channels: uniform within 1 +- this; nothing on gray images", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL, .def = 0, .lo = 0, .hi = 1}};

static gantry_status input(gantry_ctx *cx, const gantry_step *step, const gantry_input *in, gantry_t *x) {
  (void)step;
  if (!in->is_real) return GANTRY_OK;
  if (!gan_need_images(cx, *x)) return GANTRY_E_CONFIG;
  int64_t n = gan_dim(cx, *x, 0), height = gan_dim(cx, *x, 1), width = gan_dim(cx, *x, 2), crop = gan_param_i(cx, CROP);
  double share = gan_param_f(cx, TRANSLATION), b = gan_param_f(cx, BRIGHTNESS), c = gan_param_f(cx, CONTRAST), s = gan_param_f(cx, SATURATION);
  gantry_t by[2];
  *x = gan_mirror(cx, *x, gan_bernoulli(cx, 1, &n, gan_param(cx, MIRROR)));
  if (crop >= height || crop >= width) return gan_fail(cx, "crop must be smaller than the image");
  if (crop) {
    gan_draw_wholes(cx, n, -crop, crop, -crop, crop, by);
    *x = gan_shift(cx, *x, by[0], by[1], 1);
  }
  if (share > 0) {
    int64_t down = (int64_t)(share * (double)height + 0.5), right = (int64_t)(share * (double)width + 0.5);
    gan_draw_wholes(cx, n, -down, down, -right, right, by);
    *x = gan_shift(cx, *x, by[0], by[1], 0);
  }
  if (b > 0) *x = gan_brighter(cx, *x, gan_draw_uniform(cx, n, -b, b));
  if (c > 0) *x = gan_contrast(cx, *x, gan_draw_uniform(cx, n, 1 - c, 1 + c));
  if (s > 0) *x = gan_saturate(cx, *x, gan_draw_uniform(cx, n, 1 - s, 1 + s));
  return GANTRY_OK;
}

static const gantry_regularizer iface = {.struct_size = sizeof iface, .stage = GANTRY_STAGE_REAL_ONLY, .input = input};
static const char *const needs[] = {"data.image", NULL};
GANTRY_PLUGIN(GANTRY_KIND_REGULARIZER, "augment_real", "1.0.0", "mirrored, cropped, shifted, recoloured real images")
  .paper = "Krizhevsky et al. 2012 (crops, mirror, colours)", .needs = needs, .params = params, .param_count = 6, .iface = &iface
GANTRY_PLUGIN_END
