/* ada - adaptive discriminator augmentation: everything D sees is transformed with probability p per transform and image, by operations that gradients
 * pass, and p follows D: it rises while D overfits.
 *
 * The transforms, their order and strengths are the published ones: mirror, quarter turns, shift by whole pixels, scale, rotation, anisotropic scale, rotation
 * again, fractional shift, joined to one affine map and done by one antialiased warp (nn/warp.h); then brightness, contrast, luma flip, hue, saturation, joined
 * to one affine map of colours. Every transform's probability is p times its parameter here; 0 leaves it out of the program. Each of the two rotations has
 * probability 1 - sqrt(1 - p), so that some rotation has p. Gray images have no hue and no saturation.
 *
 * adapt sign: after every `interval` batches of D p moves by batch x interval / speed, up where the mean sign of D's logits of real images (about the loss's
 * threshold) is above `target`, down where it is below. p is never below 0; above 1 it acts as 1 and takes as long to come down, as in the authors' code. It is
 * a state of the run: resumed, and logged under the element's id. */
#define GANTRY_TARGET_MINOR 2
#include <gantry/loss.h>
#include <gantry/nn.h>
#include <gantry/regularizer.h>

enum { P, ADAPT, TARGET, INTERVAL, SPEED, MIRROR, TURN, SHIFT, SCALE, ROTATION, STRETCH, FRACTION, BRIGHTNESS, CONTRAST, FLIP, HUE, SATURATION };
static const char *const adapts[] = {"sign", "none", NULL};
#define PART(name, text) {.key = name, .doc = text ", times p", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL, .def = 1, .lo = 0, .hi = 1}
static const gantry_param params[] = {
  {.key = "p", .doc = "probability of each transform at the start of a run; with adapt none throughout, and schedulable", .type = GANTRY_P_FLOAT, .def = 0, .lo = 0, .hi = 1},
  {.key = "adapt", .doc = "sign: p follows the mean sign of D's logits of real images; none: p stays as it is set", .type = GANTRY_P_ENUM, .def_str = "sign", .choices = adapts},
  {.key = "target", .doc = "mean sign of D's logits of real images that p steers to", .type = GANTRY_P_FLOAT, .def = 0.6, .lo = -1, .hi = 1},
  {.key = "interval", .doc = "batches of D between two moves of p (parts of batches with train.accumulate)", .type = GANTRY_P_INT, .def = 4, .lo = 1, .hi = 1e6},
  {.key = "speed", .doc = "images in which p would move by 1; the published 500 kimg, 100 for fine-tuning", .unit = "images", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_LOG, .def = 500000, .lo = 1, .hi = 1e12},
  PART("mirror", "mirroring left to right every second time"), PART("turn", "0 to 3 quarter turns"), PART("shift", "shift by whole pixels within 1/8 of the size"), PART("scale", "scale by 2^N(0, 0.2^2)"),
  PART("rotation", "rotation by any angle, before or after the anisotropic scale"), PART("anisotropy", "scale by s along one axis and 1/s along the other, s = 2^N(0, 0.2^2)"), PART("fraction", "shift by N(0, (1/8)^2) of the size"),
  PART("brightness", "brightness + N(0, 0.2^2)"), PART("contrast", "contrast x 2^N(0, 0.5^2)"), PART("luma_flip", "luma mirrored every second time"), PART("hue", "hue rotated by any angle"), PART("saturation", "saturation x 2^N(0, 1)")};

static const double pi = 3.141592653589793;

typedef struct pipe { gantry_ctx *cx; gantry_t p; int64_t n; } pipe;

/* A transform's draw where it happens, else what leaves the image alone. */
static gantry_t happens(const pipe *q, uint32_t which, gantry_t value, double otherwise) { return gan_sometimes(q->cx, gan_mul_k(q->cx, q->p, gan_param_f(q->cx, which)), value, otherwise); }
static int on(const pipe *q, uint32_t which) { return gan_param_f(q->cx, which) > 0; }
static gantry_t power_of_two(const pipe *q, double std) { return gan_exp(q->cx, gan_draw_normal(q->cx, q->n, std * 0.6931471805599453)); }
static gantry_t joined(const pipe *q, gantry_t a, gantry_t b) { return a.id ? gan_matmul(q->cx, a, b) : b; }
static gantry_t inverse(const pipe *q, gantry_t a) { return gan_div(q->cx, gan_const(q->cx, 1), a); }

/* Where the result's pixels come from, [n,3,3], about the centre; 0 if every transform is off. Each map is the transform's inverse, later ones to the right. */
static gantry_t places(const pipe *q, double width, double height) {
  gantry_ctx *cx = q->cx;
  gantry_t m = gan_none(), one = gan_const(cx, 1);
  int64_t n = q->n;
  if (on(q, MIRROR)) m = joined(q, m, gan_scaling2(cx, n, gan_add_k(cx, gan_mul_k(cx, happens(q, MIRROR, gan_draw_whole(cx, n, 0, 1), 0), -2), 1), one));
  if (on(q, TURN)) m = joined(q, m, gan_rotation2(cx, n, gan_mul_k(cx, happens(q, TURN, gan_draw_whole(cx, n, 0, 3), 0), pi / 2)));
  if (on(q, SHIFT)) {
    gantry_t x = happens(q, SHIFT, gan_draw_uniform(cx, n, -0.125, 0.125), 0), y = happens(q, SHIFT, gan_draw_uniform(cx, n, -0.125, 0.125), 0);
    m = joined(q, m, gan_translation2(cx, n, gan_neg(cx, gan_round(cx, gan_mul_k(cx, x, width))), gan_neg(cx, gan_round(cx, gan_mul_k(cx, y, height)))));
  }
  if (on(q, SCALE)) {
    gantry_t s = inverse(q, happens(q, SCALE, power_of_two(q, 0.2), 1));
    m = joined(q, m, gan_scaling2(cx, n, s, s));
  }
  gantry_t some = gan_sub(cx, one, gan_sqrt(cx, gan_max(cx, gan_const(cx, 0), gan_sub(cx, one, gan_mul_k(cx, q->p, gan_param_f(cx, ROTATION))))));
  if (on(q, ROTATION)) m = joined(q, m, gan_rotation2(cx, n, gan_sometimes(cx, some, gan_draw_uniform(cx, n, -pi, pi), 0)));
  if (on(q, STRETCH)) {
    gantry_t s = happens(q, STRETCH, power_of_two(q, 0.2), 1);
    m = joined(q, m, gan_scaling2(cx, n, inverse(q, s), s));
  }
  if (on(q, ROTATION)) m = joined(q, m, gan_rotation2(cx, n, gan_sometimes(cx, some, gan_draw_uniform(cx, n, -pi, pi), 0)));
  if (on(q, FRACTION)) {
    gantry_t x = happens(q, FRACTION, gan_draw_normal(cx, n, 0.125), 0), y = happens(q, FRACTION, gan_draw_normal(cx, n, 0.125), 0);
    m = joined(q, m, gan_translation2(cx, n, gan_mul_k(cx, x, -width), gan_mul_k(cx, y, -height)));
  }
  return m;
}

static gantry_t then(const pipe *q, gantry_t m, gantry_t map) { return m.id ? gan_matmul(q->cx, map, m) : map; }

/* The map of colours, [n,4,4], later ones to the left; 0 if every transform is off. */
static gantry_t colours(const pipe *q, int64_t channels) {
  gantry_ctx *cx = q->cx;
  gantry_t m = gan_none(), one = gan_const(cx, 1);
  int64_t n = q->n;
  if (on(q, BRIGHTNESS)) m = then(q, m, gan_colour_shift(cx, n, happens(q, BRIGHTNESS, gan_draw_normal(cx, n, 0.2), 0)));
  if (on(q, CONTRAST)) m = then(q, m, gan_colour_gray(cx, n, happens(q, CONTRAST, power_of_two(q, 0.5), 1), gan_none()));
  if (on(q, FLIP)) m = then(q, m, gan_colour_gray(cx, n, gan_add_k(cx, gan_mul_k(cx, happens(q, FLIP, gan_draw_whole(cx, n, 0, 1), 0), -2), 1), one));
  if (channels > 1 && on(q, HUE)) m = then(q, m, gan_colour_turn(cx, n, happens(q, HUE, gan_draw_uniform(cx, n, -pi, pi), 0)));
  if (channels > 1 && on(q, SATURATION)) m = then(q, m, gan_colour_gray(cx, n, one, happens(q, SATURATION, power_of_two(q, 1), 1)));
  return m;
}

static gantry_t probability(gantry_ctx *cx) { return gan_param_i(cx, ADAPT) ? gan_param(cx, P) : gan_state(cx, "p", GANTRY_ROLE_COUNTER, 0, NULL, gan_param_f(cx, P)); }

static gantry_status input(gantry_ctx *cx, const gantry_step *step, const gantry_input *in, gantry_t *x) {
  (void)step;
  (void)in;
  if (!gan_need_images(cx, *x)) return GANTRY_E_CONFIG;
  pipe q = {cx, probability(cx), gan_dim(cx, *x, 0)};
  int64_t channels = gan_dim(cx, *x, 3);
  gantry_t m = places(&q, (double)gan_dim(cx, *x, 2), (double)gan_dim(cx, *x, 1));
  if (m.id) *x = gan_warp(cx, *x, m);
  m = colours(&q, channels);
  if (m.id && channels != 1 && channels != 3) return gan_fail(cx, "colour transforms are for one or three channels: set brightness, contrast, luma_flip, hue and saturation to 0");
  if (m.id) *x = gan_recolour(cx, *x, m);
  return GANTRY_OK;
}

static gantry_status control(gantry_ctx *cx, const gantry_step *step, gantry_control *out) {
  if (step->net != GANTRY_D) return GANTRY_OK;
  out->log = probability(cx);
  if (gan_param_i(cx, ADAPT)) return GANTRY_OK;
  if (!(step->loss_flags & GANTRY_LOSS_THRESHOLD)) return gan_fail(cx, "this loss has no threshold between real and fake, so the sign of D's logits says nothing: set adapt to \"none\" and choose or schedule p");
  gantry_t zero = gan_const(cx, 0), p = out->log, interval = gan_const(cx, (double)gan_param_i(cx, INTERVAL)), signs = gan_state(cx, "signs", GANTRY_ROLE_COUNTER, 0, NULL, 0), batches = gan_state(cx, "batches", GANTRY_ROLE_COUNTER, 0, NULL, 0);
  signs = gan_add(cx, signs, gan_mean_all(cx, gan_sign(cx, gan_add_k(cx, gan_out(cx, step->d_real, "logit"), -step->threshold))));
  batches = gan_add_k(cx, batches, 1);
  gantry_t full = gan_ge(cx, batches, interval), way = gan_sign(cx, gan_sub(cx, gan_div(cx, signs, batches), gan_param(cx, TARGET)));
  gantry_t by = gan_div(cx, gan_mul_k(cx, interval, (double)step->batch), gan_param(cx, SPEED));
  out->log = gan_where(cx, full, gan_max(cx, zero, gan_add(cx, p, gan_mul(cx, way, by))), p);
  gan_set(cx, "p", out->log);
  gan_set(cx, "signs", gan_where(cx, full, zero, signs));
  gan_set(cx, "batches", gan_where(cx, full, zero, batches));
  return GANTRY_OK;
}

static const gantry_regularizer iface = {.struct_size = sizeof iface, .stage = GANTRY_STAGE_AUGMENT, .input = input, .control = control};
static const char *const needs[] = {"data.image", NULL};
GANTRY_PLUGIN(GANTRY_KIND_REGULARIZER, "ada", "1.0.0", "augmentation of what D sees, as strong as D's overfitting asks for")
  .paper = "Karras et al. 2020, arXiv:2006.06676", .needs = needs, .params = params, .param_count = sizeof params / sizeof *params, .iface = &iface
GANTRY_PLUGIN_END
