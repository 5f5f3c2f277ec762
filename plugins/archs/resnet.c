/* resnet - residual G and D for square images of base * 2^k pixels, base 4 to 7: 28, 32, 64 ...
 *
 * Blocks and their order are those of SNGAN (Miyato et al. 2018) and of WGAN-GP's CIFAR-10 networks (Gulrajani et al. 2017). G: a linear layer to
 * base x base, a block for each doubling, norm, act, a 3 x 3 convolution, tanh. D: a first block whose input is not activated, blocks that halve
 * the size, `plain` blocks that do not, act, features summed (SNGAN) or averaged (WGAN-GP) over space, a linear logit.
 * Widths: at up to 32 pixels every block has `width` channels (SNGAN and WGAN-GP: G 256 or 128, D 128); above, they double with every halving
 * from `width` next to the image (SNGAN at 64 pixels: 64). Published D have no norm (SNGAN) or layer norm (WGAN-GP): set d.arch.norm. Weights: Xavier, times sqrt 2 in the 3 x 3 convolutions of blocks. */
#include <gantry/nn.h>

enum { GROWTH = GAN_P_IMAGE_END, PLAIN, POOL };
static const char *const ups[] = {"nearest", "fir", NULL}, *const downs[] = {"pool", "fir", NULL}, *const growths[] = {"auto", "constant", "double", NULL}, *const pools[] = {"sum", "mean", NULL};
static const gantry_param params[] = {
  GAN_STYLE_ROWS("channels of the blocks, or next to the image where they double", 128, 128, "batch", "relu", "xavier", "tanh"),
  GAN_IMAGE_ROWS(ups, "nearest", downs, "pool"),
  {.key = "growth", .doc = "of the channels at each halving of the size; auto: constant up to 32 pixels, double above", .type = GANTRY_P_ENUM, .def_str = "auto", .choices = growths},
  {.key = "plain", .doc = "D: blocks at the end that keep the size", .type = GANTRY_P_INT, .def = 2, .lo = 0, .hi = 64},
  {.key = "pool", .doc = "D: how features lose their space before the logit: sum (SNGAN) or mean (WGAN-GP)", .type = GANTRY_P_ENUM, .def_str = "sum", .choices = pools}};

static const char *const g_inputs[] = {"z:normal", "label:label", NULL}, *const d_inputs[] = {"image", "label:label", NULL};
static const char *const g_taps[] = {"image", NULL}, *const d_taps[] = {"features", "logit", "class", NULL};
static const gantry_net nets[] = {{sizeof(gantry_net), GANTRY_G, "g", g_inputs, g_taps}, {sizeof(gantry_net), GANTRY_D, "d", d_inputs, d_taps}};

/* Channels of D's map that is `size` / 2^level pixels wide, and of G's twice as wide. */
static int64_t channels(gantry_ctx *cx, const gan_style *s, int64_t size, int64_t level) {
  int64_t growth = gan_param_i(cx, GROWTH);
  return growth == 2 || (!growth && size > 32) ? s->width << (level - 1) : s->width;
}

static gan_init inside(const gan_style *s) {
  gan_init i = s->init;
  if (i.kind == GANTRY_INIT_XAVIER) i.scale *= 1.4142135623730951;
  return i;
}

static gantry_t bigger(gantry_ctx *cx, gantry_t x) { return gan_param_i(cx, GAN_P_UP) ? gan_fir_resample(cx, x, gan_fir_1331_, 4, 2, 1) : gan_upsample_nearest(cx, x, 2); }
static gantry_t smaller(gantry_ctx *cx, gantry_t x) { return gan_param_i(cx, GAN_P_DOWN) ? gan_fir_resample(cx, x, gan_fir_1331_, 4, 1, 2) : gan_average_pool(cx, x, 2); }

enum { SAME, UP, DOWN, FIRST }; /* FIRST: DOWN, on an image */

/* x + the branch norm act conv norm act conv; the size changes before G's first convolution and after D's second. */
static gantry_t block(gantry_ctx *cx, const gan_style *s, const char *name, int64_t index, gantry_t x, int64_t out, int what) {
  int64_t in = gan_dim(cx, x, -1), middle = s->is_g || what == FIRST ? out : in;
  gan_open(cx, name, index);
  gantry_t skip = x, y = x;
  if (what != FIRST) y = gan_style_act(cx, s, gan_style_norm(cx, s, "norm_a", y));
  if (what == UP) y = bigger(cx, y);
  y = gan_conv_layer(cx, "conv_a", gan_style_join(cx, s, "label", y, 0), middle, 3, 1, 1, 1, inside(s));
  y = gan_style_act(cx, s, gan_style_norm(cx, s, "norm_b", y));
  y = gan_conv_layer(cx, "conv_b", gan_dropout(cx, y, s->dropout, s->eval), out, 3, 1, 1, 1, inside(s));
  if (what == DOWN || what == FIRST) y = smaller(cx, y);
  if (what == UP) skip = bigger(cx, skip);
  if (what == FIRST) skip = smaller(cx, skip);
  if (what != SAME || in != out) skip = gan_conv_layer(cx, "skip", skip, out, 1, 1, 0, 1, s->init);
  if (what == DOWN) skip = smaller(cx, skip);
  x = gan_add(cx, y, skip);
  if (what != SAME && gan_dim(cx, x, 1) == gan_param_i(cx, GAN_P_ATTENTION_AT)) x = gan_self_attention(cx, "attention", x, s->init);
  gan_close(cx);
  return x;
}

static void build_g(gantry_ctx *cx, const gantry_build *b, const gan_style *s, gantry_t z, int64_t size) {
  int64_t k = gan_style_halvings(size), base = size >> k, d[4] = {0, base, base, channels(cx, s, size, k + 1)};
  gantry_t x = gan_style_join(cx, s, "label", gan_style_reference(cx, s, z, "z"), 1);
  d[0] = gan_dim(cx, x, 0);
  x = gan_reshape(cx, gan_linear(cx, "project", x, base * base * d[3], 1, s->init), 4, d);
  for (int64_t j = 1; j <= k; j++) x = block(cx, s, "up", base << j, x, channels(cx, s, size, k - j + 1), UP);
  x = gan_style_act(cx, s, gan_style_norm(cx, s, "image_norm", x));
  x = gan_conv_layer(cx, "image", x, b->channels, 3, 1, 1, 1, s->init);
  gan_tap(cx, "image", gan_style_out(cx, s, gan_style_samples(cx, s, x)));
}

static void build_d(gantry_ctx *cx, const gan_style *s, gantry_t x, int64_t size) {
  static const int64_t space[2] = {1, 2};
  int64_t k = gan_style_halvings(size), halved = gan_param_i(cx, PLAIN) && size <= 32 && k > 2 ? 2 : k; /* SNGAN: 32 is halved twice, then 8 x 8 stays */
  x = gan_style_join(cx, s, "label", gan_style_reference(cx, s, x, "image"), 1);
  for (int64_t j = 0; j < halved; j++) x = block(cx, s, "down", size >> (j + 1), x, channels(cx, s, size, j + 1), j ? DOWN : FIRST);
  for (int64_t j = 0; j < gan_param_i(cx, PLAIN); j++) x = block(cx, s, "plain", j, x, gan_dim(cx, x, -1), SAME);
  x = gan_style_minibatch_std(cx, s, gan_style_samples(cx, s, gan_style_act(cx, s, x)));
  gan_style_head(cx, s, "logit", gan_param_i(cx, POOL) ? gan_mean(cx, x, space, 2) : gan_sum(cx, x, space, 2));
}

static gantry_status build(gantry_ctx *cx, const gantry_build *b, const gantry_named *in, uint32_t n) {
  int64_t size = gan_style_image_size(cx, b);
  if (!size) return GANTRY_E_INVALID;
  int64_t at = gan_param_i(cx, GAN_P_ATTENTION_AT), base = size >> gan_style_halvings(size);
  if (at && (at >= size || at <= base || size % at || (size / at & (size / at - 1)))) return gan_fail(cx, "attention_at must be the size of a block's output in both networks: the image's halved, above its base, such as 14 for 28 pixels or 16 for 32");
  gan_style s = gan_style_open(cx, b, nets[b->net].role, in, n);
  if (s.is_g)
    build_g(cx, b, &s, gan_arg(in, n, "z"), size);
  else
    build_d(cx, &s, gan_arg(in, n, "image"), size);
  return GANTRY_OK;
}

static const gantry_arch iface = {.struct_size = sizeof iface, .nets = nets, .n_nets = 2, .net_stride = sizeof nets[0], .input = gan_style_input, .build = build};
static const char *const needs[] = {"data.image", NULL};
static const char *const provides[] = {"g.image", "d.logit", "d.features", "d.class", NULL};
GANTRY_PLUGIN(GANTRY_KIND_ARCH, "resnet", "1.0.0", "residual networks for square images (SNGAN, WGAN-GP)")
  .paper = "Miyato et al. 2018, arXiv:1802.05957; Gulrajani et al. 2017, arXiv:1704.00028", .needs = needs, .provides = provides, .params = params, .param_count = sizeof params / sizeof *params, .iface = &iface
GANTRY_PLUGIN_END
